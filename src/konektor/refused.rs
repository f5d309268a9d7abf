//! Why a call gave nothing, by meaning: the one table of statuses, for delivery and for the typed client alike.

use serde_json::Value;

use super::wire::Failure;

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Refused for these fields; not executed.
    #[error("Konektor refuses what was sent{}", listed(.0))]
    Invalid(Vec<FieldError>),
    /// There is no such lead, or it was deleted.
    #[error("there is no such lead, or it was deleted")]
    NotFound,
    /// Not documented: a lead with this reference exists already.
    #[error("Konektor has such a lead already")]
    Conflict,
    /// The key is missing, wrong, expired or revoked.
    #[error("Konektor does not take the API key: it is wrong, expired or revoked")]
    Unauthorized,
    /// A scope is missing or the plan does not allow it.
    #[error("the API key may not do this")]
    Forbidden,
    /// Not documented: forbidden because the workspace's daily number of leads is used up.
    #[error("the workspace's leads of today are used up; try again tomorrow")]
    Quota,
    /// Too many requests; not executed.
    #[error("the workspace's requests of this minute are used up; try again in a minute")]
    Throttled,
    /// Where Konektor's API should be there is something else: the base URL is wrong.
    #[error("Konektor's API is not there; look at the base URL")]
    Misconfigured,
    /// The request never left: name, connection or TLS failed.
    #[error("Konektor was not asked: {0}")]
    Unsent(&'static str),
    /// It may or may not have been executed: no answer in time, a cut, a 5xx, something that cannot be read.
    #[error("Konektor gave no answer that says what became of the call: {0}")]
    Unclear(&'static str),
}

/// One field that Konektor refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name on the wire.
    pub field: String,
    /// Konektor's words, without anything that looks like personal data.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

fn listed(fields: &[FieldError]) -> String {
    let named: Vec<_> = fields.iter().map(ToString::to_string).collect();
    if named.is_empty() { String::new() } else { format!(": {}", named.join("; ")) }
}

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Something that every workspace has: it is always there.
    Place,
    /// One lead, which may be gone.
    Lead,
}

/// Says what a `status` that is no success means; `None` for a success.
///
/// The table follows `queue.md` §2.6: what does not prove that nothing was executed is unclear.
pub(super) fn refused(names: Names, status: u16, body: &[u8]) -> Option<Refused> {
    Some(match status {
        200..=299 => return None,
        400 | 413 | 415 | 422 => Refused::Invalid(field_errors(body)),
        401 => Refused::Unauthorized,
        403 if speaks_of_quota(body) => Refused::Quota,
        403 => Refused::Forbidden,
        404 | 410 if names == Names::Lead => Refused::NotFound,
        404 | 405 | 410 => Refused::Misconfigured,
        409 => Refused::Conflict,
        429 => Refused::Throttled,
        300..=399 => Refused::Unclear("a redirect, which is never followed"),
        500..=599 => Refused::Unclear("a server error"),
        _ => Refused::Unclear("an unexpected status"),
    })
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
        Value::Object(details) => details
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

    fn of(names: Names, status: u16) -> Refused {
        refused(names, status, b"").unwrap()
    }

    #[test]
    fn every_status_has_its_meaning() {
        let (place, lead) = (Names::Place, Names::Lead);
        for success in [200, 201, 204] {
            assert_eq!(refused(place, success, b""), None);
        }
        assert_eq!(of(place, 401), Refused::Unauthorized);
        assert_eq!(of(place, 403), Refused::Forbidden);
        assert_eq!((of(place, 404), of(lead, 404)), (Refused::Misconfigured, Refused::NotFound));
        assert_eq!((of(place, 405), of(lead, 405)), (Refused::Misconfigured, Refused::Misconfigured));
        assert_eq!(of(place, 409), Refused::Conflict);
        assert_eq!(of(place, 429), Refused::Throttled);
        assert_eq!(of(place, 422), Refused::Invalid(vec![]));
        for status in [302, 418, 500, 502, 504, 599] {
            assert!(matches!(of(lead, status), Refused::Unclear(_)), "{status}");
        }
    }

    #[test]
    fn field_errors_name_the_field_and_repeat_no_personal_data() {
        let body = br#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"Invalid request parameters",
            "details":{"email":"Invalid email","phone":"bad value +6281234567890"}}}"#;
        let invalid = refused(Names::Place, 400, body).unwrap();
        assert_eq!(invalid.to_string(), "Konektor refuses what was sent: email: Invalid email; phone: invalid");
    }

    #[test]
    fn a_403_that_speaks_of_the_daily_limit_is_a_quota() {
        let body =
            br#"{"success":false,"error":{"code":"FORBIDDEN","message":"daily lead limit reached","details":null}}"#;
        assert_eq!(refused(Names::Place, 403, body), Some(Refused::Quota));
    }
}
