//! The store that the settings name.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::time::{Instant, sleep};

use crate::clock::{Clock, FollowingClock};
use crate::config::{Backend, Redis, SearchFirst, Settings};
use crate::deliver::Waits;
use crate::store::moving::{Marked, marked};
use crate::store::{
    OpenError, Options, RedisStore, RedisTies, SqliteStore, Store, StoreError, Weight, examine, in_use, may_pass,
};

/// How long a Redis that may only be starting is waited for, and how long between two looks: it is often started together
/// with the bridge, and reads its file first.
const REDIS_WITHIN: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// How much longer than its grace a bridge that still has the embedded store is waited for, and how long between two looks: the
/// one before is often told to stop in the same moment, and settles first.
const BEYOND_GRACE: Duration = Duration::from_secs(2);
const LOOK_AGAIN_AT_LOCK: Duration = Duration::from_millis(200);

/// What is known of what is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is what it last was, as far as it can tell itself.
    AsItWas,
    /// A person says that an older state was put back, or that it was emptied.
    Restored,
}

/// A store that is open.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The clock whose time it has to be told.
    pub clock: Arc<dyn Clock>,
    /// Returns, with the reason, when the store has stopped for good: the process should end then.
    pub failed: BoxFuture<'static, String>,
}

/// Opens the store, or makes it. The embedded one goes by `clock`, and Redis by its own.
///
/// # Errors
/// What is in the way, and what to do about it.
pub async fn open(settings: &Settings, state: State, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    let options = options(settings, state);
    let opened = match &settings.backend {
        Backend::Embedded { data_dir } => {
            once_it_is_left(data_dir, options, clock, settings.shutdown_grace + BEYOND_GRACE).await?
        }
        Backend::Redis(redis) => on_redis(redis, options).await?,
    };
    match once_it_answers(async || marked(opened.store.as_ref()).await).await? {
        Marked::Free => {
            if let Err(error @ StoreError::Full(_)) = opened.store.would_keep().await {
                tracing::error!(%error, "every webhook is refused until there is room");
            }
            Ok(opened)
        }
        Marked::Given => bail!(
            "what this store held was moved to another one, or is being moved (`konektor-bridge store migrate`); serve on that one"
        ),
        Marked::Taking => {
            bail!(
                "not everything has been moved into this store yet; run the same `konektor-bridge store migrate` again"
            )
        }
    }
}

/// Opens the store of a backend, which no bridge may use, to move everything from it or to it.
///
/// # Errors
/// As [`open`], and a bridge uses it.
pub async fn open_to_move(backend: &Backend, settings: &Settings, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    if let Backend::Redis(redis) = backend {
        let ties = ties(redis, &Arc::default());
        if in_use(&ties).await.with_context(|| format!("{} cannot be used", redis.url))? == Some(true) {
            bail!("a bridge uses {} with the prefix {}; stop all of them first", redis.url, redis.prefix);
        }
    }
    open_backend(backend, options(settings, State::AsItWas), clock).await
}

async fn open_backend(backend: &Backend, options: Options, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    match backend {
        Backend::Embedded { data_dir } => embedded(data_dir, options, clock),
        Backend::Redis(redis) => on_redis(redis, options).await,
    }
}

fn options(settings: &Settings, state: State) -> Options {
    Options {
        quiet: waits(settings).quiet(),
        search_always: settings.search_first == SearchFirst::Always,
        restored: state == State::Restored,
        late_update: waits(settings).late_update(),
        ..Options::default()
    }
}

/// Opens the embedded store, and waits for a while where another process still has it.
async fn once_it_is_left(
    data_dir: &Path,
    options: Options,
    clock: Arc<dyn Clock>,
    within: Duration,
) -> anyhow::Result<Opened> {
    let mut said = false;
    let say = |_: &anyhow::Error, left: Duration| {
        if !std::mem::replace(&mut said, true) {
            let directory = data_dir.display();
            tracing::warn!(%directory, left_s = left.as_secs(), "another process still uses the store; it is waited for, in case that it is being stopped");
        }
    };
    let in_use = |error: &anyhow::Error| matches!(error.downcast_ref(), Some(OpenError::InUse(_)));
    let open = async || embedded(data_dir, options.clone(), Arc::clone(&clock));
    again_and_again((within, LOOK_AGAIN_AT_LOCK), in_use, say, open).await
}

fn embedded(data_dir: &Path, options: Options, clock: Arc<dyn Clock>) -> anyhow::Result<Opened> {
    let store = SqliteStore::open(data_dir, options, clock.now())
        .with_context(|| format!("the store in {} cannot be opened", data_dir.display()))?;
    let store = Arc::new(store);
    let failing = Arc::clone(&store);
    let failed = async move { failing.failed().await }.boxed();
    Ok(Opened { store, clock, failed })
}

async fn on_redis(redis: &Redis, options: Options) -> anyhow::Result<Opened> {
    let clock = Arc::new(FollowingClock::default());
    let ties = ties(redis, &clock);
    fits(&ties).await?;
    let store = Arc::new(RedisStore::new(ties, options));
    Ok(Opened { store, clock, failed: pending().boxed() })
}

/// Looks whether the server can keep what is promised. What may pass by itself, or is only not good, is said in the log.
async fn fits(ties: &RedisTies) -> anyhow::Result<()> {
    let url = &ties.url;
    let remarks = once_it_answers(async || examine(ties).await).await;
    let remarks = remarks.with_context(|| format!("{url} cannot be used"))?;
    let mut refused = Vec::new();
    for remark in remarks {
        match remark.weight {
            Weight::Good => tracing::debug!(%url, "Redis: {}", remark.says),
            Weight::Doubtful | Weight::Now => tracing::warn!(%url, "Redis {}", remark.says),
            Weight::Refused => refused.push(remark.says),
        }
    }
    if !refused.is_empty() {
        bail!("the Redis at {url} {}", refused.join("\nit "));
    }
    Ok(())
}

/// Looks until Redis answers, for a while, where what is in the way may pass by itself.
async fn once_it_answers<T>(look: impl AsyncFnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    let say = |error: &StoreError, left: Duration| {
        tracing::warn!(%error, left_s = left.as_secs(), "Redis cannot be used yet; it is tried again before the start is given up");
    };
    again_and_again((REDIS_WITHIN, LOOK_AGAIN), may_pass, say, look).await
}

/// Looks again and again `within` a time, with a `pause` after each look, where what is in the way may pass; `say` is told of it
/// each time, and how much time is left.
async fn again_and_again<T, E>(
    (within, pause): (Duration, Duration),
    may_pass: impl Fn(&E) -> bool,
    mut say: impl FnMut(&E, Duration),
    mut look: impl AsyncFnMut() -> Result<T, E>,
) -> Result<T, E> {
    let until = Instant::now() + within;
    loop {
        let error = match look().await {
            Ok(found) => return Ok(found),
            Err(error) => error,
        };
        let left = until.saturating_duration_since(Instant::now());
        if !may_pass(&error) || left.is_zero() {
            return Err(error);
        }
        say(&error, left);
        sleep(pause.min(left)).await;
    }
}

/// What ties a bridge to its Redis, whose time `clock` follows.
#[must_use]
pub fn ties(redis: &Redis, clock: &Arc<FollowingClock>) -> RedisTies {
    let Redis { url, prefix, durability } = redis.clone();
    let clock = Arc::clone(clock);
    RedisTies { url, prefix, durability, on_time: Arc::new(move |time, at| clock.follow(time, at)) }
}

/// How long Konektor is waited for before what it shows is believed.
#[must_use]
pub fn waits(settings: &Settings) -> Waits {
    Waits { commit: settings.commit_within, search: settings.search_within }
}
