//! What an answer looks like: leads, refusals, pages. The sandbox's own reading of the contract, shared with nobody.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use strum::VariantArray;

use super::fields::{Datum, Field, Fields};
use super::leads::Lead;

/// Field → message, the `details` of a validation error.
pub(super) type Details = BTreeMap<String, String>;

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The HTTP status, 200 to 599.
    pub status: u16,
    /// Headers; they take the place of the sandbox's own of the same name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// JSON; a string is sent bare, so that an HTML error page can be played.
    #[serde(default)]
    pub body: Value,
}

impl Answer {
    /// An answer without headers of its own.
    #[must_use]
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, headers: BTreeMap::new(), body }
    }

    /// `{"success": true, "data": …}`.
    pub(super) fn success(status: u16, data: &Value) -> Self {
        Self::json(status, json!({"success": true, "data": data}))
    }
}

/// Why a call is not done.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Refusal {
    /// 401: the key is missing, unknown, expired or revoked.
    Unauthorized(&'static str),
    /// 403: scope, or the daily limit.
    Forbidden(String),
    /// 400 that names the fields.
    Invalid(Details),
    /// 400 for a body that cannot be read at all.
    Unreadable(&'static str),
    /// 404: no such lead (any more), or no such call.
    NotFound(&'static str),
    /// 429, with the seconds to wait.
    RateLimited(i64),
    /// 500.
    Internal,
}

impl Refusal {
    fn status_and_code(&self) -> (u16, &'static str) {
        match self {
            Self::Unauthorized(_) => (401, "UNAUTHORIZED"),
            Self::Forbidden(_) => (403, "FORBIDDEN"),
            Self::Invalid(_) | Self::Unreadable(_) => (400, "VALIDATION_ERROR"),
            Self::NotFound(_) => (404, "NOT_FOUND"),
            Self::RateLimited(_) => (429, "RATE_LIMITED"),
            Self::Internal => (500, "INTERNAL_ERROR"),
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Unauthorized(message) | Self::Unreadable(message) | Self::NotFound(message) => message,
            Self::Forbidden(message) => message,
            Self::Invalid(_) => "Invalid request parameters",
            Self::RateLimited(_) => "Rate limit exceeded",
            Self::Internal => "Unexpected server error",
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = refusal.status_and_code();
        let details = match &refusal {
            Refusal::Invalid(details) => json!(details),
            _ => Value::Null,
        };
        let error = json!({"code": code, "message": refusal.message(), "details": details});
        let mut answer = Self::json(status, json!({"success": false, "error": error}));
        if let Refusal::RateLimited(wait) = refusal {
            answer.headers.insert("Retry-After".to_owned(), wait.to_string());
        }
        answer
    }
}

/// Whether answers show `externalRef`. No example of the contract does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RefShown {
    /// In every lead.
    Yes,
    /// Nowhere.
    No,
}

impl RefShown {
    fn fields(self) -> impl Iterator<Item = Field> {
        Field::VARIANTS.iter().copied().filter(move |field| self == Self::Yes || *field != Field::ExternalRef)
    }
}

/// A lead in a list or by itself: every field, nulls written.
pub(super) fn whole(lead: &Lead, shown: RefShown) -> Value {
    dated(lead, shown.fields())
}

/// The answer to a create: what the lead has. As in the contract's example, nulls are left out.
pub(super) fn created(lead: &Lead, shown: RefShown) -> Value {
    dated(lead, shown.fields().filter(|field| lead.value(*field).is_some()))
}

/// The answer to an update: as in the contract's example, who the lead is and what was sent.
pub(super) fn updated(lead: &Lead, sent: &Fields, shown: RefShown) -> Value {
    let told = |field: &Field| matches!(field, Field::UniqueCode | Field::FirstName) || sent.contains_key(field);
    let mut object = object(lead, shown.fields().filter(told));
    object.insert("updatedAt".to_owned(), time(lead.updated_at));
    Value::Object(object)
}

/// A lead as the sandbox's own calls show it: everything there is.
pub(super) fn bare(lead: &Lead) -> Value {
    let mut value = whole(lead, RefShown::Yes);
    value["workspace"] = json!(lead.workspace);
    value["deletedAt"] = lead.deleted_at.map_or(Value::Null, time);
    value
}

/// Fields as they were sent, for the ledger.
pub(super) fn sent(fields: &Fields) -> Value {
    fields.iter().map(|(field, datum)| (field.to_string(), plain(datum.as_ref()))).collect::<Map<_, _>>().into()
}

/// An instant as the contract writes it: UTC, milliseconds, `Z`.
pub(super) fn time(at: Timestamp) -> Value {
    json!(format!("{at:.3}"))
}

fn dated(lead: &Lead, fields: impl Iterator<Item = Field>) -> Value {
    let mut object = object(lead, fields);
    object.insert("createdAt".to_owned(), time(lead.created_at));
    object.insert("updatedAt".to_owned(), time(lead.updated_at));
    Value::Object(object)
}

fn object(lead: &Lead, fields: impl Iterator<Item = Field>) -> Map<String, Value> {
    let id = ("id".to_owned(), json!(lead.id));
    std::iter::once(id).chain(fields.map(|field| (field.to_string(), plain(lead.value(field))))).collect()
}

fn plain(datum: Option<&Datum>) -> Value {
    match datum {
        None => Value::Null,
        Some(Datum::Text(text)) => json!(text),
        Some(Datum::Number(number)) => number_as_javascript_writes_it(*number),
    }
}

/// `5000000`, not `5000000.0`: whole numbers up to 2^53 have no point.
fn number_as_javascript_writes_it(number: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2^53")]
    if number.fract() == 0.0 && number.abs() <= EXACT { json!(number as i64) } else { json!(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_contracts_shape() {
        let answer = Answer::from(Refusal::Invalid(Details::from([("firstName".to_owned(), "Required".to_owned())])));
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.body.to_string(),
            r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"Invalid request parameters","details":{"firstName":"Required"}}}"#
        );
        assert_eq!(Answer::from(Refusal::Internal).body["error"]["details"], Value::Null);
    }

    #[test]
    fn only_a_429_says_how_long_to_wait() {
        assert_eq!(Answer::from(Refusal::RateLimited(7)).headers["Retry-After"], "7");
        assert!(Answer::from(Refusal::Internal).headers.is_empty());
    }

    #[test]
    fn numbers_keep_their_look() {
        assert_eq!(number_as_javascript_writes_it(5_000_000.0).to_string(), "5000000");
        assert_eq!(number_as_javascript_writes_it(-2.5).to_string(), "-2.5");
        assert_eq!(number_as_javascript_writes_it(1e300).to_string(), "1e+300");
    }
}
