//! Why a webhook is not taken, and what its sender hears of it: the one place where that becomes HTTP.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix_web::HttpResponse;
use actix_web::http::header::{ACCEPT_ENCODING, HeaderValue, RETRY_AFTER};
use actix_web::http::{ConnectionType, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Front;
use crate::domain::event::SourceName;
use crate::http;
use crate::providers::{Provider, Refusal, Trace, Webhook};
use crate::store::StoreError;

/// Seconds after which a sender should come again, drawn anew each time so that they do not all come at once.
const AGAIN_AFTER: std::ops::RangeInclusive<u32> = 15..=60;

/// The most header names that are written down, and the most letters of them.
const NAMES: usize = 40;
const LETTERS: usize = 600;

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
    /// The body is larger than the limit.
    #[error("the body is larger than BRIDGE_BODY_LIMIT, or with its files than 10 MiB")]
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
    #[error("{0}")]
    Proof(Refusal, Option<Box<Unproved>>),
    /// The bridge is being stopped.
    #[error("the bridge is being stopped")]
    Stopping,
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

/// A webhook whose proof does not hold, for the log.
#[derive(Debug)]
pub(super) struct Unproved {
    pub(super) webhook: Webhook,
    pub(super) provider: Arc<dyn Provider>,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self::Proof(refusal, None)
    }
}

impl Refused {
    /// True when another method would be heard.
    pub(super) fn is_of_method(&self) -> bool {
        self.status() == StatusCode::METHOD_NOT_ALLOWED
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Path | Self::Source => StatusCode::NOT_FOUND,
            Self::Method | Self::Proof(Refusal::Method, _) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Encoding | Self::Proof(Refusal::ContentType, _) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Proof(Refusal::Captcha, _) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Cut => StatusCode::BAD_REQUEST,
            Self::Proof(
                Refusal::NoProof
                | Refusal::GarbledProof
                | Refusal::WrongProof
                | Refusal::OtherProof(_)
                | Refusal::Stale
                | Refusal::Origin,
                _,
            ) => StatusCode::UNAUTHORIZED,
            Self::Wanting | Self::Crowded | Self::Store(_) | Self::Late | Self::Captcha | Self::Stopping => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the sender is told. Which part of a proof was wrong is nobody's business.
    fn word(&self) -> &'static str {
        match self {
            Self::Path | Self::Source => "not_found",
            Self::Method | Self::Proof(Refusal::Method, _) => "method",
            Self::Encoding => "content_encoding",
            Self::Proof(Refusal::ContentType, _) => "content_type",
            Self::Proof(Refusal::Captcha, _) => "captcha",
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
                _,
            ) => "signature",
            Self::Wanting | Self::Crowded | Self::Store(_) | Self::Late | Self::Captcha | Self::Stopping => {
                "unavailable"
            }
            Self::Panicked => "internal",
        }
    }

    /// What the metrics and the log say.
    fn reason(&self) -> &'static str {
        match self {
            Self::Proof(refusal, _) => refusal.into(),
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
            Self::Stopping => "stopping",
            Self::Panicked => "panicked",
            Self::Method | Self::Encoding | Self::TooLarge | Self::Slow | Self::Cut => self.word(),
        }
    }

    fn answer(&self) -> HttpResponse {
        let mut said = json!({ "error": self.word() });
        if let Self::Proof(_, Some(unproved)) = self
            && let Some(message) = unproved.provider.unproved()
        {
            said["message"] = message.into();
        }
        let mut answer = http::json(self.status(), &said);
        if matches!(self, Self::Stopping) {
            answer.head_mut().set_connection_type(ConnectionType::Close);
        }
        let headers = answer.headers_mut();
        match self {
            Self::Encoding => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip, identity"));
            }
            Self::Wanting | Self::Crowded | Self::Store(_) | Self::Late | Self::Captcha | Self::Stopping => {
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
        match refused {
            // Whoever scans the internet does not fill our log.
            Refused::Path | Refused::Source => tracing::debug!(request_id, reason, "nothing at this URL"),
            Refused::Store(_) | Refused::Late => self.say_failing(refused),
            _ => {
                if let Some(unsaid) = self.quiet.may_say(source, reason, self.parts.clock.now()) {
                    say(source, request_id, refused, unsaid);
                }
            }
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

/// One line for a webhook that is not taken; `unsaid` others like it had none.
fn say(source: Option<&SourceName>, request_id: &str, refused: &Refused, unsaid: Option<NonZeroU64>) {
    let (source, reason) = (source.map(SourceName::as_str), refused.reason());
    let Refused::Proof(refusal, Some(unproved)) = refused else {
        return tracing::info!(source, request_id, reason, unsaid, why = %refused, "webhook refused");
    };
    let Seen { bytes, sha256, headers, trace: Trace { signature, url } } = Seen::of(unproved);
    let why = refusal;
    match refusal {
        // Only who has the secret can sign so: leads are being lost until its owner says the word.
        Refusal::OtherProof(_) => {
            tracing::error!(source, request_id, reason, unsaid, %why, bytes, sha256, headers, signature, url, "webhook refused");
        }
        _ if unproved.provider.sends_once() => {
            tracing::warn!(
                source, request_id, reason, unsaid, %why, bytes, sha256, headers, signature, url,
                "webhook refused, and its sender does not try again: if it is genuine, its lead is lost here"
            );
        }
        _ => {
            tracing::info!(source, request_id, reason, unsaid, %why, bytes, sha256, headers, signature, url, "webhook refused");
        }
    }
}

/// What is written down of a webhook whose proof does not hold: enough to find it at its sender and to tell it from others.
struct Seen {
    bytes: usize,
    sha256: String,
    /// The names alone, in order.
    headers: String,
    trace: Trace,
}

impl Seen {
    fn of(Unproved { webhook, provider }: &Unproved) -> Self {
        let names: Vec<_> = webhook.headers.iter().map(|(name, _)| name).take(NAMES).collect();
        let headers = names.join(" ").chars().take(LETTERS).collect();
        let trace = provider.scheme().map(|scheme| scheme.trace(webhook)).unwrap_or_default();
        Self { bytes: webhook.as_sent().len(), sha256: hex::encode(Sha256::digest(webhook.as_sent())), headers, trace }
    }
}
