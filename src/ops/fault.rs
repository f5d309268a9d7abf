//! Why a request of the person on duty has no success: the one place where that becomes HTTP.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};

use super::wire::Failure;
use crate::http;
use crate::providers::NotListed;
use crate::store::StoreError;

/// What is wrong. The sentence goes to the person, who is one of us.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// No path is like this one.
    #[error("there is nothing at this path; see /admin/v1/openapi.json")]
    Path,
    /// The path is used by another method.
    #[error("this path is used by {0}")]
    Method(&'static str),
    /// The bearer token is missing or wrong.
    #[error("send the token of BRIDGE_ADMIN_TOKEN as `Authorization: Bearer …`")]
    Token,
    /// A browser asks for a page of somebody else.
    #[error("this listener is for this machine: ask it as localhost, and not from another site's page")]
    Stranger,
    /// The request itself is wrong.
    #[error("{0}")]
    Request(String),
    /// What is asked for is not there.
    #[error("{0}")]
    Missing(&'static str),
    /// The store does not do it.
    #[error("the store does not answer: {0}")]
    Store(#[from] StoreError),
    /// A page of a sender's list was not read.
    #[error(transparent)]
    List(#[from] NotListed),
    /// A defect of ours.
    #[error("a handler panicked; please report this as a bug")]
    Panicked,
}

impl Fault {
    pub(super) fn request(problem: impl Into<String>) -> Self {
        Self::Request(problem.into())
    }

    fn status(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Path | Self::Missing(_) => (StatusCode::NOT_FOUND, "not_found"),
            Self::Method(_) => (StatusCode::METHOD_NOT_ALLOWED, "method"),
            Self::Token => (StatusCode::UNAUTHORIZED, "token"),
            Self::Stranger => (StatusCode::FORBIDDEN, "forbidden"),
            Self::Request(_) | Self::List(NotListed::Cursor) => (StatusCode::BAD_REQUEST, "bad_request"),
            Self::List(NotListed::Refused(_)) => (StatusCode::BAD_GATEWAY, "sender"),
            Self::List(NotListed::Later(..)) => (StatusCode::SERVICE_UNAVAILABLE, "later"),
            Self::Store(_) | Self::List(NotListed::NotKept(_)) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
            Self::Panicked => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        }
    }

    pub(super) fn answer(&self) -> HttpResponse {
        let (status, error) = self.status();
        let mut answer = http::json(status, &Failure { error: error.into(), message: self.to_string() });
        let header = match self {
            Self::Method(allowed) => Some((ALLOW, HeaderValue::from_static(allowed))),
            Self::Token => Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            Self::List(NotListed::Later(after, _)) => Some((RETRY_AFTER, after.as_secs().max(1).into())),
            Self::Store(_) | Self::List(NotListed::NotKept(_)) => Some((RETRY_AFTER, HeaderValue::from_static("5"))),
            Self::List(NotListed::Cursor | NotListed::Refused(_)) => None,
            Self::Path | Self::Stranger | Self::Request(_) | Self::Missing(_) | Self::Panicked => None,
        };
        if let Some((name, value)) = header {
            answer.headers_mut().insert(name, value);
        }
        answer
    }
}
