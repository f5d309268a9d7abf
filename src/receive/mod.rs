//! The left half: takes webhooks, proves them, keeps them, answers. Ends in milliseconds and never calls out, but for forms
//! with a captcha: their service is asked, for five seconds at most, through what the composition root passes in.
//!
//! The public listener knows two things: `/hooks/{source}` (with a token behind it for senders that prove themselves by
//! their URL) and `/healthz`. It routes by hand: two prefixes need no
//! patterns, and the way of an accepted webhook is kept short on purpose. One line at `info` per refused webhook, but never
//! more than ten a minute of a kind; an accepted one gets its line when its lead is delivered, and here only at `debug`.

mod body;
mod captcha;
mod client;
mod gzip;
mod hook;
mod quiet;
mod refused;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{Payload, ServiceConfig, to};
use actix_web::{HttpRequest, HttpResponse};
use ipnet::IpNet;
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::http::{self, Running, Serving};
use crate::metrics::Metrics;
use crate::providers::Registry;
use crate::store::Store;
use body::Room;
use captcha::Passed;
pub use captcha::{AskCaptcha, CaptchaAnswer};
use quiet::Quiet;
use refused::Refused;

/// The largest body with files in it: 10 MiB, which most forms of the world allow, within a minute from a phone that sends
/// 1.4 Mbit a second.
const FILES: usize = 10 * 1024 * 1024;

/// What receiving works with.
#[derive(Clone)]
pub struct Parts {
    /// The sources as they now are.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// Where webhooks are kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who asks captcha services.
    pub captchas: Arc<dyn AskCaptcha>,
    /// Proxies that are believed about their clients.
    pub trusted_proxies: Vec<IpNet>,
    /// Cancelled when the bridge begins to stop: from then on nothing is taken, and who comes is told to come again.
    pub stopping: CancellationToken,
}

/// Where receiving stops being patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The largest body, in bytes (413 above).
    pub body: usize,
    /// How long a body may take to arrive (408 after).
    pub body_within: Duration,
    /// The largest body with files in it, which are not kept, in bytes.
    pub files: usize,
    /// How long such a one may take: people send photos from their phones.
    pub files_within: Duration,
    /// Bytes of bodies held at once, over all requests (503 above).
    pub bodies: usize,
    /// How long keeping may take (503 after): senders give up after 5 to 10 s, and must hear from us before.
    pub keep_within: Duration,
    /// Threads, connections, and how long stopping waits.
    pub serving: Serving,
}

impl Limits {
    /// The limits for bodies of at most `body` bytes, and a stop within `grace`.
    #[must_use]
    pub fn new(body: usize, grace: Duration) -> Self {
        let workers = std::thread::available_parallelism().map_or(2, usize::from).min(8);
        Self {
            body,
            body_within: Duration::from_secs(15),
            files: body.max(FILES),
            files_within: Duration::from_secs(60),
            bodies: (body * 4).max(64 * 1024 * 1024),
            keep_within: Duration::from_millis(2500),
            serving: Serving { workers, connections: 4096, grace },
        }
    }
}

/// What every request has at hand.
struct Front {
    parts: Parts,
    limits: Limits,
    room: Room,
    /// Forms whose captcha was solved a moment ago.
    passed: Passed,
    /// The store has refused the last webhook: said once, not a thousand times a second.
    failing: AtomicBool,
    /// What the log has said lately.
    quiet: Quiet,
}

/// Takes webhooks on `listener`.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(listener: TcpListener, parts: Parts, limits: Limits) -> io::Result<Running> {
    let room = Room::of(limits.bodies);
    let (passed, failing, quiet) = (Passed::default(), AtomicBool::new(false), Quiet::default());
    let front = Arc::new(Front { parts, limits, room, passed, failing, quiet });
    http::serve(listener, limits.serving, move |app: &mut ServiceConfig| {
        let front = front.clone();
        app.default_service(to(move |request: HttpRequest, payload: Payload| answer(front.clone(), request, payload)));
    })
}

/// What stands at a path.
#[derive(Debug, PartialEq, Eq)]
enum Route<'a> {
    Health,
    Hook { name: &'a str, token: Option<&'a str> },
    Nothing,
}

impl<'a> Route<'a> {
    /// One slash at the end of a hook makes no difference: a redirect would lose the body.
    fn of(path: &'a str) -> Self {
        if path == "/healthz" {
            return Self::Health;
        }
        let Some(rest) = path.strip_prefix("/hooks/") else { return Self::Nothing };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (name, token) = rest.split_once('/').map_or((rest, None), |(name, token)| (name, Some(token)));
        match token {
            _ if name.is_empty() => Self::Nothing,
            Some(token) if token.is_empty() || token.contains('/') => Self::Nothing,
            _ => Self::Hook { name, token },
        }
    }
}

/// Answers one request, whatever happens.
async fn answer(front: Arc<Front>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let request_id = http::request_id(front.parts.clock.now());
    let mut answer = match Route::of(request.path()) {
        Route::Health if matches!(*request.method(), Method::GET | Method::HEAD) => {
            http::json(StatusCode::OK, &json!({ "status": "ok" }))
        }
        Route::Health => {
            let mut answer = front.refuse(None, &request_id, &Refused::Method);
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            answer
        }
        Route::Nothing => front.refuse(None, &request_id, &Refused::Path),
        Route::Hook { name, token } => {
            match http::unless_panics(hook::take(&front, name, token, &request_id, &request, payload)).await {
                Some(answer) => answer,
                None => front.refuse(None, &request_id, &Refused::Panicked),
            }
        }
    };
    http::stamp(&mut answer, &request_id);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_at_the_end_is_the_same_hook_and_nothing_else_is_one() {
        assert_eq!(Route::of("/healthz"), Route::Health);
        let hook = |name, token| Route::Hook { name, token };
        assert_eq!((Route::of("/hooks/form"), Route::of("/hooks/form/")), (hook("form", None), hook("form", None)));
        assert_eq!((Route::of("/hooks/a/b"), Route::of("/hooks/a/b/")), (hook("a", Some("b")), hook("a", Some("b"))));
        for nothing in [
            "",
            "/",
            "/hooks",
            "/hooks/",
            "/hooks//",
            "/hooks/a//",
            "/hooks//b",
            "/hooks/a/b/c",
            "/hooksx/a",
            "/healthz/",
        ] {
            assert_eq!(Route::of(nothing), Route::Nothing, "{nothing}");
        }
    }
}
