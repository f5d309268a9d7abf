//! Which sources have been on: the store remembers. A running bridge is asked; where none runs, the store is opened here.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::admin::Admin;
use crate::app::store::ties;
use crate::clock::FollowingClock;
use crate::config::{Backend, Redis, Settings};
use crate::domain::event::SourceName;
use crate::ops::wire::Sources;
use crate::store::{OpenError, Options, RedisStore, SqliteStore, Store, examine};

/// How long a running bridge is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The sources that are on or have been; none where nobody can say.
pub(super) async fn once_on(settings: &Settings, now: Timestamp) -> Vec<SourceName> {
    let known = match &settings.backend {
        Backend::Embedded { data_dir } => embedded(settings, data_dir, now).await,
        Backend::Redis(redis) => on_redis(redis).await,
    };
    known.unwrap_or_default()
}

async fn embedded(settings: &Settings, data_dir: &Path, now: Timestamp) -> Option<Vec<SourceName>> {
    if !data_dir.join("store.db").exists() {
        return None;
    }
    match SqliteStore::open(data_dir, Options::default(), now) {
        Ok(store) => of_store(&store).await,
        Err(OpenError::InUse(_)) => ask(settings).await,
        Err(_) => None,
    }
}

async fn on_redis(redis: &Redis) -> Option<Vec<SourceName>> {
    let ties = ties(redis, &Arc::new(FollowingClock::default()));
    examine(&ties).await.ok()?;
    of_store(&RedisStore::new(ties, Options::default())).await
}

async fn of_store(store: &dyn Store) -> Option<Vec<SourceName>> {
    let known = store.known_sources().await.ok();
    store.close().await;
    known
}

async fn ask(settings: &Settings) -> Option<Vec<SourceName>> {
    let admin = Admin::of(settings).ok()?;
    let Sources { once_on, .. } = tokio::time::timeout(PATIENCE, admin.get(&["sources"])).await.ok()?.ok()?;
    Some(once_on.iter().filter_map(|name| SourceName::parse(name).ok()).collect())
}
