//! The JSON shapes of the Agent API, and the table that says what a status means.

mod workspace;

use serde::{Deserialize, Serialize};

pub use self::workspace::{LeadsPerDay, Subscription, Usage, Workspace};
use super::{FieldError, Request, Verdict};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::{Fields, LeadId};
use crate::domain::status::{AdPlatform, LeadSource, Priority, Status};

/// The body of a create or an update: what is absent is not sent, and so not touched.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadBody {
    /// 1 to 100 characters; the only field that a create needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// At most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<String>,
    /// An address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// At most 20 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Absent unless a rule says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Urgency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Channel of contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<LeadSource>,
    /// Ad network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_platform: Option<AdPlatform>,
    /// At most 5000 characters; replaces what was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// A code that Konektor issued, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_code: Option<String>,
    /// Our key, at most 150 characters. Sent with a create only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<ExternalRef>,
    /// A team member's UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// In the workspace's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_value: Option<f64>,
    /// In the workspace's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_value: Option<f64>,
}

impl LeadBody {
    /// The body that sets `fields`, without notes and without a reference.
    #[must_use]
    pub fn of(fields: Fields) -> Self {
        Self {
            first_name: fields.first_name,
            last_name: fields.last_name,
            email: fields.email,
            phone: fields.phone,
            status: fields.status,
            priority: fields.priority,
            source: fields.source,
            ad_platform: fields.ad_platform,
            notes: None,
            unique_code: fields.unique_code,
            external_ref: None,
            assigned_to: fields.assigned_to,
            estimated_value: fields.estimated_value,
            actual_value: fields.actual_value,
        }
    }

    /// True when it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A lead as Konektor shows it. Every field but the id may be missing, and words may be newer than we are.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadView {
    /// Konektor's id.
    pub id: LeadId,
    /// The code that people see.
    #[serde(default)]
    pub unique_code: Option<String>,
    /// Given name.
    #[serde(default)]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default)]
    pub last_name: Option<String>,
    /// Address.
    #[serde(default)]
    pub email: Option<String>,
    /// Number, as Konektor has it.
    #[serde(default)]
    pub phone: Option<String>,
    /// Where it stands, as text: newer values are kept.
    #[serde(default)]
    pub status: Option<String>,
    /// Urgency.
    #[serde(default)]
    pub priority: Option<String>,
    /// Channel.
    #[serde(default)]
    pub source: Option<String>,
    /// Ad network.
    #[serde(default)]
    pub ad_platform: Option<String>,
    /// Notes.
    #[serde(default)]
    pub notes: Option<String>,
    /// Our key. Not in any published example: read when present, never relied on.
    #[serde(default)]
    pub external_ref: Option<String>,
    /// Team member.
    #[serde(default)]
    pub assigned_to: Option<String>,
    /// Estimated value.
    #[serde(default)]
    pub estimated_value: Option<f64>,
    /// Actual value.
    #[serde(default)]
    pub actual_value: Option<f64>,
    /// When it was made, RFC 3339.
    #[serde(default)]
    pub created_at: Option<jiff::Timestamp>,
}

/// The frame around everything that Konektor answers with.
#[derive(Deserialize)]
struct Framed<T> {
    data: T,
}

/// One page of a list.
#[derive(Debug, Deserialize)]
pub struct Page {
    /// The leads of this page.
    pub data: Vec<LeadView>,
    /// Where the next one is.
    #[serde(default)]
    pub pagination: Pagination,
}

/// Where a page stands among the others.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pagination {
    /// Pass as `cursor` for the next page; absent at the end.
    pub next_cursor: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    error: Reported,
}

#[derive(Deserialize)]
struct Reported {
    #[serde(default)]
    message: String,
    #[serde(default)]
    details: serde_json::Value,
}

/// Says what `status` and `body` mean as the answer to `request`.
///
/// The table follows `queue.md` §2.6: for a create everything that does not prove that nothing was executed is unclear.
#[must_use]
pub fn judge(request: &Request, status: u16, body: &[u8]) -> Verdict {
    let collection =
        matches!(request, Request::Create(_) | Request::Search { .. } | Request::Probe | Request::Workspace);
    match status {
        200..=299 => success(request, body),
        400 | 413 | 415 | 422 => Verdict::Invalid(field_errors(body)),
        401 => Verdict::Unauthorized,
        403 if speaks_of_quota(body) => Verdict::Quota,
        403 => Verdict::Forbidden,
        404 | 405 | 410 if collection => Verdict::Misconfigured,
        404 | 410 => Verdict::NotFound,
        405 => Verdict::Misconfigured,
        409 => Verdict::Conflict,
        429 => Verdict::Throttled,
        300..=399 => Verdict::Unclear("a redirect, which is never followed"),
        500..=599 => Verdict::Unclear("a server error"),
        _ => Verdict::Unclear("an unexpected status"),
    }
}

fn success(request: &Request, body: &[u8]) -> Verdict {
    let unreadable = Verdict::Unclear("a success that cannot be read");
    match request {
        Request::Probe => Verdict::Allowed,
        Request::Search { .. } => match serde_json::from_slice::<Page>(body) {
            Ok(page) => Verdict::Found { leads: page.data, next: page.pagination.next_cursor },
            Err(_) => unreadable,
        },
        Request::Create(_) | Request::Update(..) | Request::Get(_) => {
            match serde_json::from_slice::<Framed<LeadView>>(body) {
                Ok(one) if !one.data.id.0.is_empty() => Verdict::Lead(Box::new(one.data)),
                Ok(_) | Err(_) => unreadable,
            }
        }
        Request::Workspace => match serde_json::from_slice::<Framed<Workspace>>(body) {
            Ok(framed) => Verdict::Workspace(Box::new(framed.data)),
            Err(_) => unreadable,
        },
    }
}

/// What happens at the daily limit is not documented; a 403 that says so in words is taken for it.
fn speaks_of_quota(body: &[u8]) -> bool {
    let Ok(failure) = serde_json::from_slice::<Failure>(body) else { return false };
    let message = failure.error.message.to_lowercase();
    message.contains("quota") || (message.contains("limit") && (message.contains("daily") || message.contains("lead")))
}

fn field_errors(body: &[u8]) -> Vec<FieldError> {
    let Ok(failure) = serde_json::from_slice::<Failure>(body) else { return Vec::new() };
    match failure.error.details {
        serde_json::Value::Object(details) => details
            .into_iter()
            .map(|(field, message)| FieldError { field, message: harmless(message.as_str().unwrap_or("invalid")) })
            .collect(),
        _ => Vec::new(),
    }
}

/// Konektor's words, unless they seem to repeat what was sent: an address, a number, or a long text.
fn harmless(message: &str) -> String {
    let digits = message.chars().filter(char::is_ascii_digit).count();
    if message.contains('@') || digits > 4 || message.chars().count() > 100 {
        "invalid".to_owned()
    } else {
        message.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn create() -> Request {
        Request::Create(Box::default())
    }

    fn update() -> Request {
        Request::Update(LeadId("lead_abc123".into()), Box::default())
    }

    #[test]
    fn a_lead_is_read_from_a_create_with_fewer_fields_than_a_get() {
        let body =
            br#"{"success":true,"data":{"id":"lead_xyz789","firstName":"Andi","status":"brand-new","surprise":1}}"#;
        let Verdict::Lead(lead) = judge(&create(), 201, body) else { panic!("a lead") };
        assert_eq!((lead.id.0.as_str(), lead.status.as_deref()), ("lead_xyz789", Some("brand-new")));
        assert!(matches!(judge(&create(), 200, body), Verdict::Lead(_)), "200 is as good as 201");
    }

    #[test]
    fn the_workspace_is_read_and_its_refusals_are_told_apart() {
        let body = br#"{"success":true,"data":{"timezone":"Asia/Jakarta","usage":{"leadsPerDay":{"limit":500,"current":23}}}}"#;
        let Verdict::Workspace(workspace) = judge(&Request::Workspace, 200, body) else { panic!("a workspace") };
        assert_eq!(workspace.leads_per_day(), LeadsPerDay { limit: Some(500), current: Some(23) });
        assert!(matches!(judge(&Request::Workspace, 200, b"<html>"), Verdict::Unclear(_)));
        assert_eq!(judge(&Request::Workspace, 403, b""), Verdict::Forbidden);
        assert_eq!(judge(&Request::Workspace, 404, b""), Verdict::Misconfigured);
    }

    #[test]
    fn a_success_without_a_lead_is_unclear() {
        for body in [&b""[..], b"ok", b"{}", br#"{"success":true,"data":{}}"#, br#"{"data":{"id":""}}"#] {
            assert!(matches!(judge(&create(), 201, body), Verdict::Unclear(_)));
        }
    }

    #[test]
    fn every_status_has_its_meaning() {
        let none = b"";
        assert_eq!(judge(&create(), 401, none), Verdict::Unauthorized);
        assert_eq!(judge(&create(), 403, none), Verdict::Forbidden);
        assert_eq!(judge(&create(), 404, none), Verdict::Misconfigured);
        assert_eq!(judge(&update(), 404, none), Verdict::NotFound);
        assert_eq!(judge(&create(), 409, none), Verdict::Conflict);
        assert_eq!(judge(&create(), 429, none), Verdict::Throttled);
        assert_eq!(judge(&create(), 422, none), Verdict::Invalid(vec![]));
        for status in [302, 418, 500, 502, 504, 599] {
            assert!(matches!(judge(&create(), status, none), Verdict::Unclear(_)), "{status}");
        }
    }

    #[test]
    fn field_errors_name_the_field_and_repeat_no_personal_data() {
        let body = br#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"Invalid request parameters",
            "details":{"email":"Invalid email","phone":"bad value +6281234567890"}}}"#;
        let Verdict::Invalid(errors) = judge(&create(), 400, body) else { panic!("invalid") };
        let shown: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["email: Invalid email", "phone: invalid"]);
    }

    #[test]
    fn a_403_that_speaks_of_the_daily_limit_is_a_quota() {
        let body =
            br#"{"success":false,"error":{"code":"FORBIDDEN","message":"daily lead limit reached","details":null}}"#;
        assert_eq!(judge(&create(), 403, body), Verdict::Quota);
    }

    #[test]
    fn what_is_absent_is_not_sent() {
        let body = LeadBody { first_name: Some("Andi".into()), source: Some(LeadSource::Ads), ..LeadBody::default() };
        assert_eq!(serde_json::to_string(&body).unwrap(), r#"{"firstName":"Andi","source":"ads"}"#);
    }
}
