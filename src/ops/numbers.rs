//! Health and metrics, from the store's numbers.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use jiff::Timestamp;

use super::Parts;
use super::wire::Ready;
use crate::http;
use crate::metrics::{DayNumbers, QueueNumbers, StoreNumbers};
use crate::store::{Stats, StoreError};

/// How long the store may take to answer a probe.
const STORE_WITHIN: Duration = Duration::from_secs(2);

/// Whether webhooks should be sent here: a store that answers may still take none. A pause is no reason against it: they
/// are kept.
pub(super) async fn ready(parts: &Parts) -> HttpResponse {
    let (stats, kept) = tokio::join!(stats(parts), within(parts.store.would_keep()));
    let store = stats.as_ref().map(drop).and(kept.as_ref().map(drop));
    let stopping = parts.stopping.is_cancelled();
    let body = Ready {
        ready: store.is_ok() && !stopping,
        stopping,
        store: store.map_or_else(ToString::to_string, |()| "ok".to_owned()),
        paused: stats.ok().and_then(|stats| stats.paused).map(|(why, _)| why.to_string()),
    };
    http::json(if body.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, &body)
}

/// The metrics. When the store does not answer they are given without it: just then they are needed.
pub(super) async fn metrics(parts: &Parts) -> HttpResponse {
    let now = parts.clock.now();
    let numbers = stats(parts).await.map(|stats| numbers(&stats, now));
    HttpResponse::Ok()
        .content_type("application/openmetrics-text; version=1.0.0; charset=utf-8")
        .body(parts.metrics.render(numbers.ok().as_ref()))
}

async fn stats(parts: &Parts) -> Result<Stats, StoreError> {
    within(parts.store.stats(parts.clock.now())).await
}

/// What the store answers, if it does so soon.
pub(super) async fn within<T>(asked: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    tokio::time::timeout(STORE_WITHIN, asked).await.unwrap_or(Err(StoreError::Busy))
}

fn numbers(stats: &Stats, now: Timestamp) -> StoreNumbers {
    let queues = stats.queues.iter().map(|queue| QueueNumbers {
        class: queue.class.into(),
        ready: queue.ready,
        waiting: queue.waiting,
        oldest: queue.oldest.map_or(Duration::ZERO, |oldest| between(oldest, now)),
    });
    StoreNumbers {
        inbox: stats.inbox,
        queues: queues.collect(),
        events: stats.events.iter().map(|(state, count)| (state.into(), *count)).collect(),
        leased: stats.leased,
        dead_lanes: stats.dead_lanes,
        bytes: stats.bytes,
        paused: stats.paused.map(|(why, _)| why.to_string()),
        limit: stats.limiter.limit,
        permits: stats.limiter.in_use,
        blocked: stats.limiter.blocked_until.map_or(Duration::ZERO, |until| between(now, until)),
        day: DayNumbers {
            state: stats.day.state.into(),
            limit: stats.day.limit,
            used: stats.day.used,
            parked: stats.day.parked,
        },
        searching_first: stats.searching_first_until.map_or(Duration::ZERO, |until| between(now, until)),
        incidents: stats.incidents,
    }
}

/// The time from one to the other, zero when that is backwards.
fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}
