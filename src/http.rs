//! What the public and the private listener share: a server that can be stopped, request ids, errors in JSON.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpResponse, HttpServer};
use futures_util::FutureExt;
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The header under which every answer of ours names its request.
///
/// What is no HTTP at all (a garbled request line or length, headers of hundreds of KiB) never becomes a request:
/// actix-http answers it by itself, 400 or 431 without a body and without this header, and closes the connection. It has
/// no hook for that (3.x, `h1::dispatcher`); nothing of ours has run by then, so there is no log line to find by an id.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long a client may take to send its headers, against clients that send a byte a second.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// How long an idle connection stays open: longer than the 60 s that nginx and other proxies keep theirs, so that they
/// end it and never use one that is just being closed.
const IDLE_FOR: Duration = Duration::from_secs(75);

/// Blocking threads of a worker. Nothing here blocks; the runtime asks for at least one.
const BLOCKING_THREADS: usize = 1;

/// A listener that serves.
pub struct Running {
    address: SocketAddr,
    handle: ServerHandle,
    task: JoinHandle<io::Result<()>>,
    connections: watch::Receiver<usize>,
}

/// A connection that is open: counted as long as it lives.
struct Open(Arc<watch::Sender<usize>>);

impl Open {
    fn counted(count: &Arc<watch::Sender<usize>>) -> Self {
        count.send_modify(|open| *open += 1);
        Self(Arc::clone(count))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open -= 1);
    }
}

impl Running {
    /// Where it listens: the port is the real one, also where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until nobody has a connection any more, and not longer than `within`.
    pub async fn left(&self, within: Duration) {
        let mut connections = self.connections.clone();
        // The sender lives in the server; without one there are no connections either.
        let _none = tokio::time::timeout(within, connections.wait_for(|open| *open == 0)).await;
    }

    /// Stops accepting, waits for what is under way (as long as the server was started with), and ends.
    ///
    /// # Errors
    /// The server had failed before.
    pub async fn stop(self) -> io::Result<()> {
        self.handle.stop(true).await;
        self.ended().await
    }

    /// Waits until it ends by itself, which it only does by failing.
    ///
    /// # Errors
    /// Why it failed.
    pub async fn ended(self) -> io::Result<()> {
        self.task.await.map_err(io::Error::other)?
    }
}

/// How a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Serving {
    /// Threads.
    pub workers: usize,
    /// Connections that each of them has at once; more wait to be accepted.
    pub connections: usize,
    /// How long stopping waits for requests under way, rounded up to whole seconds.
    pub grace: Duration,
}

/// Serves what `routes` sets up on `listener`, on threads of its own.
///
/// # Errors
/// The listener cannot be used.
pub(crate) fn serve<F>(listener: TcpListener, serving: Serving, routes: F) -> io::Result<Running>
where
    F: Fn(&mut ServiceConfig) + Clone + Send + 'static,
{
    let address = listener.local_addr()?;
    let (count, connections) = watch::channel(0);
    let count = Arc::new(count);
    let server = HttpServer::new(move || App::new().configure(routes.clone()))
        .on_connect(move |_, connection| {
            connection.insert(Open::counted(&count));
        })
        .workers(serving.workers.max(1))
        .max_connections(serving.connections)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .keep_alive(IDLE_FOR)
        .client_request_timeout(HEADERS_WITHIN)
        .shutdown_timeout(serving.grace.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX))
        .tcp_nodelay(true)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    Ok(Running { address, handle, task: tokio::spawn(server), connections })
}

/// A new request id: a UUID of version 7, so that ids sort by time.
pub(crate) fn request_id(now: Timestamp) -> String {
    let millis = now.as_millisecond().try_into().unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid().to_string()
}

/// Whether `text` is written as the id of a request is: other ways to write a UUID are none.
pub(crate) fn is_request_id(text: &str) -> bool {
    text.len() == uuid::fmt::Hyphenated::LENGTH && uuid::Uuid::try_parse(text).is_ok()
}

/// Puts the request's id on an answer, and the rule that no browser guesses what the answer is.
pub(crate) fn stamp(answer: &mut HttpResponse, request_id: &str) {
    let id = HeaderValue::from_str(request_id).expect("a UUID is a header value");
    answer.headers_mut().insert(REQUEST_ID, id);
    answer.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> HttpResponse {
    let body = serde_json::to_string(body).expect("what we answer can be written as JSON");
    HttpResponse::build(status).content_type("application/json").body(body)
}

/// Runs a handler; `None` when it panicked. The panic itself has been logged by the hook of `telemetry`.
pub(crate) fn unless_panics<T>(handler: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
    // Nothing of ours is left half-changed: a handler owns what it works on, and the store does its own.
    AssertUnwindSafe(handler).catch_unwind().map(Result::ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn request_ids_differ_and_sort_by_time() {
        let at = |second| request_id(Timestamp::from_second(second).unwrap());
        assert_ne!(at(1_790_000_000), at(1_790_000_000));
        assert!(at(1_790_000_000) < at(1_790_000_001));
        assert_eq!(at(1_790_000_000).as_bytes()[14], b'7');
        assert!(is_request_id(&at(1_790_000_000)));
        assert!(!is_request_id("000102030405060708090a0b0c0d0e0f"), "the id of an event");
    }
}
