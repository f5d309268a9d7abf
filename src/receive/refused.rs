//! Why a webhook is not taken, and what its sender hears of it: the one place where that becomes HTTP.

use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, ALLOW, HeaderValue, RETRY_AFTER};
use serde_json::json;

use super::Front;
use crate::domain::event::SourceName;
use crate::http;
use crate::providers::Refusal;
use crate::store::StoreError;

/// Seconds after which a sender should come again, drawn anew each time so that they do not all come at once.
const AGAIN_AFTER: std::ops::RangeInclusive<u32> = 15..=60;

/// Why a request has no success.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refused {
    /// Nothing stands at this path.
    #[error("there is nothing at this path")]
    Path,
    /// There is no such source, and never was.
    #[error("there is no source of this name")]
    Source,
    /// Its source has been on and lacks something: the sender keeps the webhook until it is there.
    #[error("its source is off for want of a setting; `konektor-bridge sources` shows which")]
    Wanting,
    /// No hook knows this method.
    #[error("the method is not one that a hook knows")]
    Method,
    /// The body is compressed otherwise than by gzip, once.
    #[error("the body is compressed in a way that is not known here; send it as it is, or by gzip")]
    Encoding,
    /// The body is not the gzip that its header says.
    #[error("the body is not the gzip that its header says")]
    Garbled,
    /// The body is larger than the limit.
    #[error("the body is larger than BRIDGE_BODY_LIMIT")]
    TooLarge,
    /// The body took too long to arrive.
    #[error("the body took too long to arrive")]
    Slow,
    /// The connection ended within the body.
    #[error("the connection ended within the body")]
    Cut,
    /// Too much is being received at once.
    #[error("too many webhooks at once")]
    Crowded,
    /// Its provider does not let it in.
    #[error(transparent)]
    Proof(#[from] Refusal),
    /// It could not be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Keeping it took too long. It may be kept nevertheless: then it is known when it comes again.
    #[error("the store took too long")]
    Late,
    /// The captcha service does not answer, and its owner takes no form unchecked.
    #[error("the captcha service does not answer")]
    Captcha,
    /// A defect of ours.
    #[error("a handler panicked")]
    Panicked,
}

impl Refused {
    fn status(&self) -> StatusCode {
        match self {
            Self::Path | Self::Source => StatusCode::NOT_FOUND,
            Self::Method | Self::Proof(Refusal::Method) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Encoding | Self::Proof(Refusal::ContentType) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Proof(Refusal::Captcha) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Cut | Self::Garbled => StatusCode::BAD_REQUEST,
            Self::Proof(
                Refusal::NoProof
                | Refusal::GarbledProof
                | Refusal::WrongProof
                | Refusal::OtherProof(_)
                | Refusal::Stale
                | Refusal::Origin,
            ) => StatusCode::UNAUTHORIZED,
            Self::Wanting | Self::Crowded | Self::Store(_) | Self::Late | Self::Captcha => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the sender is told. Which part of a proof was wrong is nobody's business.
    fn word(&self) -> &'static str {
        match self {
            Self::Path | Self::Source => "not_found",
            Self::Method | Self::Proof(Refusal::Method) => "method",
            Self::Encoding | Self::Garbled => "content_encoding",
            Self::Proof(Refusal::ContentType) => "content_type",
            Self::Proof(Refusal::Captcha) => "captcha",
            Self::TooLarge => "too_large",
            Self::Slow => "timeout",
            Self::Cut => "incomplete",
            Self::Proof(
                Refusal::NoProof
                | Refusal::GarbledProof
                | Refusal::WrongProof
                | Refusal::OtherProof(_)
                | Refusal::Stale
                | Refusal::Origin,
            ) => "signature",
            Self::Wanting | Self::Crowded | Self::Store(_) | Self::Late | Self::Captcha => "unavailable",
            Self::Panicked => "internal",
        }
    }

    /// What the metrics and the log say.
    fn reason(&self) -> &'static str {
        match self {
            Self::Proof(refusal) => refusal.into(),
            Self::Path => "unknown_path",
            Self::Source => "unknown_source",
            Self::Wanting => "source_wanting",
            Self::Crowded => "crowded",
            Self::Store(StoreError::Full(_)) => "store_full",
            Self::Store(StoreError::Closed) => "store_closed",
            Self::Store(StoreError::Busy) => "store_busy",
            Self::Store(StoreError::Backend(..)) => "store_failed",
            Self::Late => "store_late",
            Self::Captcha => "captcha_down",
            Self::Panicked => "panicked",
            Self::Garbled => "garbled_gzip",
            Self::Method | Self::Encoding | Self::TooLarge | Self::Slow | Self::Cut => self.word(),
        }
    }

    fn answer(&self) -> HttpResponse {
        let mut answer = http::json(self.status(), &json!({ "error": self.word() }));
        let headers = answer.headers_mut();
        match self {
            Self::Method | Self::Proof(Refusal::Method) => {
                headers.insert(ALLOW, HeaderValue::from_static("GET, POST, OPTIONS"));
            }
            Self::Encoding => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
            }
            Self::Wanting | Self::Crowded | Self::Store(_) | Self::Late | Self::Captcha => {
                headers.insert(RETRY_AFTER, rand::random_range(AGAIN_AFTER).into());
            }
            _ => {}
        }
        answer
    }
}

impl Front {
    /// Counts and logs a refusal, and makes its answer.
    pub(super) fn refuse(&self, source: Option<&SourceName>, request_id: &str, refused: &Refused) -> HttpResponse {
        let reason = refused.reason();
        self.parts.metrics.refused(source, reason);
        let source = source.map(SourceName::as_str);
        match refused {
            // Whoever scans the internet does not fill our log.
            Refused::Path | Refused::Source => tracing::debug!(request_id, reason, "nothing at this URL"),
            Refused::Store(_) | Refused::Late => self.say_failing(refused),
            // Only who has the secret can sign so: leads are being lost until its owner says the word.
            Refused::Proof(Refusal::OtherProof(_)) => {
                tracing::error!(source, request_id, reason, why = %refused, "webhook refused");
            }
            _ => tracing::info!(source, request_id, reason, why = %refused, "webhook refused"),
        }
        refused.answer()
    }

    /// Says that the store refuses, the first time.
    fn say_failing(&self, refused: &Refused) {
        if !self.failing.swap(true, Ordering::Relaxed) {
            let why = std::error::Error::source(refused).map(ToString::to_string);
            tracing::error!(%refused, why, "webhooks cannot be kept and are answered 503, senders will come again");
        }
    }

    /// Says that the store takes webhooks again, the first time.
    pub(super) fn say_keeping(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            tracing::info!("webhooks are kept again");
        }
    }
}
