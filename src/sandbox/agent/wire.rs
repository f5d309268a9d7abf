//! What every answer is made of: status, headers, body, and why a call is not done. The sandbox's own reading of the
//! contract, shared with nobody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::answers::{Code, Failure, Problem, Success};

/// Field → message, the `details` of a validation error.
pub(in crate::sandbox) type Details = BTreeMap<String, String>;

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
    pub(in crate::sandbox) fn success(status: u16, data: impl Serialize) -> Self {
        Self::json(status, json!(Success::of(data)))
    }
}

/// Why a call is not done.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) enum Refusal {
    /// 401: the key is missing, unknown, expired or revoked.
    Unauthorized(&'static str),
    /// 403: scope, plan, or the daily limit.
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
    fn status_and_code(&self) -> (u16, Code) {
        match self {
            Self::Unauthorized(_) => (401, Code::Unauthorized),
            Self::Forbidden(_) => (403, Code::Forbidden),
            Self::Invalid(_) | Self::Unreadable(_) => (400, Code::ValidationError),
            Self::NotFound(_) => (404, Code::NotFound),
            Self::RateLimited(_) => (429, Code::RateLimited),
            Self::Internal => (500, Code::InternalError),
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
        let message = refusal.message().to_owned();
        let (wait, details) = match refusal {
            Refusal::RateLimited(wait) => (Some(wait), None),
            Refusal::Invalid(details) => (None, Some(details)),
            _ => (None, None),
        };
        let failure = Failure { success: false, error: Problem { code, message, details } };
        let mut answer = Self::json(status, json!(failure));
        if let Some(wait) = wait {
            answer.headers.insert("Retry-After".to_owned(), wait.to_string());
        }
        answer
    }
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
}
