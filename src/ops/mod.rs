//! For the person on duty: the private listener with health, metrics and the admin API.
//!
//! Every path and method is in `routes::ROUTES`; the API's description (`openapi.json`) is compared with it by a test.
//! What a person sees of an event in a list holds no personal data; one event, asked for by its id, shows its payload,
//! because that is what is repaired with.

mod access;
mod admin;
mod backfill;
mod fault;
mod numbers;
mod routes;
pub mod wire;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::web::{Payload, ServiceConfig, to};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::clock::Clock;
use crate::http::{self, Running, Serving};
use crate::konektor::Outage;
use crate::metrics::Metrics;
use crate::providers::Registry;
use crate::store::Store;
pub use access::Access;
pub use backfill::ReadList;
use fault::Fault;
use routes::{Act, Route, Routed};

/// The largest request body: a list of event ids.
const MAX_BODY: usize = 1024 * 1024;

/// How long a request body may take to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Connections at once: a few people and a monitor.
const CONNECTIONS: usize = 256;

/// What the private listener works with.
#[derive(Clone)]
pub struct Parts {
    /// The sources as they now are.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// Where everything is kept.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Who reads the senders' own lists.
    pub lists: Arc<dyn ReadList>,
    /// Whether Konektor fails again and again, as this bridge sees it.
    pub outage: watch::Receiver<Option<Outage>>,
    /// Who may use the admin API.
    pub access: Access,
    /// Where senders reach the bridge, for the sources' URLs.
    pub public_url: Option<Url>,
    /// Cancelled when the bridge begins to stop.
    pub stopping: CancellationToken,
}

/// Serves the private side on `listener`, until stopped within `grace`.
///
/// # Errors
/// The listener cannot be used.
pub fn serve(listener: TcpListener, parts: Parts, grace: Duration) -> io::Result<Running> {
    let parts = Arc::new(parts);
    let serving = Serving { workers: 1, connections: CONNECTIONS, grace };
    http::serve(listener, serving, move |app: &mut ServiceConfig| {
        let parts = parts.clone();
        app.default_service(to(move |request: HttpRequest, payload: Payload| answer(parts.clone(), request, payload)));
    })
}

/// Answers one request, whatever happens.
async fn answer(parts: Arc<Parts>, request: HttpRequest, payload: Payload) -> HttpResponse {
    let request_id = http::request_id(parts.clock.now());
    let answered = http::unless_panics(act(&parts, &request, payload)).await.unwrap_or(Err(Fault::Panicked));
    let mut answer = answered.unwrap_or_else(|fault| {
        tracing::info!(request_id, method = %request.method(), why = %fault, "admin request refused");
        fault.answer()
    });
    http::stamp(&mut answer, &request_id);
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

/// Route, let in, act.
async fn act(parts: &Parts, request: &HttpRequest, payload: Payload) -> Result<HttpResponse, Fault> {
    let Routed { route, parameter } = Route::of(request.method(), request.path())?;
    parts.access.check(route.act, request.headers())?;
    let query = request.query_string();
    match route.act {
        Act::Health => Ok(http::json(StatusCode::OK, &json!({ "status": "ok" }))),
        Act::Ready => Ok(numbers::ready(parts).await),
        Act::Metrics => Ok(numbers::metrics(parts).await),
        Act::Description => Ok(HttpResponse::Ok().content_type("application/json").body(routes::DESCRIPTION)),
        Act::Stats => admin::stats(parts).await,
        Act::Sources => Ok(admin::sources(parts).await),
        Act::Backfill => backfill::read(parts, &parameter, &body(payload).await?).await,
        Act::Audit => admin::audit(parts, query).await,
        Act::Events => admin::events(parts, query, None).await,
        Act::DeadLetters => admin::events(parts, query, Some(admin::DEAD)).await,
        Act::Withheld => admin::events(parts, query, Some(admin::WITHHELD)).await,
        Act::Event => admin::event(parts, &parameter, None).await,
        Act::DeadLetter => admin::event(parts, &parameter, Some(admin::DEAD)).await,
        Act::Lane => admin::lane(parts, parameter).await,
        Act::Incidents => admin::incidents(parts, query).await,
        Act::Dismiss => admin::dismiss(parts, &body(payload).await?).await,
        Act::Replay => admin::replay(parts, &body(payload).await?).await,
        Act::DiscardDead => admin::discard(parts, admin::DEAD, &body(payload).await?).await,
        Act::Release => admin::release(parts, &body(payload).await?).await,
        Act::DiscardWithheld => admin::discard(parts, admin::WITHHELD, &body(payload).await?).await,
        Act::Pause => admin::pause(parts).await,
        Act::Resume => admin::resume(parts).await,
    }
}

/// Reads a request body.
async fn body(payload: Payload) -> Result<bytes::Bytes, Fault> {
    let read = tokio::time::timeout(BODY_WITHIN, payload.to_bytes_limited(MAX_BODY));
    match read.await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Ok(Err(_))) => Err(Fault::request("the connection ended within the body")),
        Ok(Err(_)) => Err(Fault::request("the body is larger than 1 MiB")),
        Err(_) => Err(Fault::request("the body took longer than 10 s to arrive")),
    }
}
