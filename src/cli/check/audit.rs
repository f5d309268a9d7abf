//! `check --store`: whether what the store holds agrees with itself. A running bridge is asked; where none runs, the store
//! is opened here.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use super::Finding;
use crate::app::store::ties;
use crate::cli::admin::Admin;
use crate::clock::{Clock as _, FollowingClock};
use crate::config::{Backend, Redis, Settings};
use crate::ops::wire::{Audit, Flaw};
use crate::store::{OpenError, Options, RedisStore, SqliteStore, Store, examine};

/// Lanes looked through at a time.
const AT_ONCE: usize = 1000;

pub(super) async fn check(settings: &Settings, now: Timestamp) -> Vec<Finding> {
    match &settings.backend {
        Backend::Embedded { data_dir } => embedded(settings, data_dir, now).await,
        Backend::Redis(redis) => on_redis(redis).await,
    }
}

async fn embedded(settings: &Settings, data_dir: &Path, now: Timestamp) -> Vec<Finding> {
    let place = data_dir.display();
    if !data_dir.join("store.db").exists() {
        return vec![Finding::ok("store", format!("{place}: none yet, the first start makes it"))];
    }
    let (whose, looked) = match SqliteStore::open(data_dir, Options::default(), now) {
        Ok(store) => {
            let looked = look(async |cursor| step(&store, cursor, now).await).await;
            store.close().await;
            ("opened here, for no bridge runs", looked)
        }
        Err(OpenError::InUse(_)) => ("asked of the bridge that uses it", ask(settings).await),
        Err(error) => return vec![Finding::fail("store", format!("{place}: {:#}", anyhow::Error::from(error)))],
    };
    findings(&format!("{place}, {whose}"), "stop the bridge, keep a copy of the directory, and report this", looked)
}

/// Everybody may look at what is in Redis, whether a bridge runs or not; by its clock, as they do.
async fn on_redis(redis: &Redis) -> Vec<Finding> {
    let place = redis.url.to_string();
    let clock = Arc::new(FollowingClock::default());
    let ties = ties(redis, &clock);
    if let Err(error) = examine(&ties).await {
        return vec![Finding::fail("store", format!("{place}: {error}"))];
    }
    let (store, now) = (RedisStore::new(ties, Options::default()), clock.now());
    let looked = look(async |cursor| step(&store, cursor, now).await).await;
    store.close().await;
    findings(&place, "keep a copy of its append-only file, and report this", looked)
}

/// What was found at `place`; `then` is what to do when something does not agree.
fn findings(place: &str, then: &str, looked: anyhow::Result<(Vec<Flaw>, u64, u64)>) -> Vec<Finding> {
    match looked {
        Ok((flaws, lanes, events)) if flaws.is_empty() => {
            vec![Finding::ok("store", format!("{place}: {lanes} leads and {events} events, and all agree"))]
        }
        Ok((flaws, ..)) => {
            let first = Finding::fail("store", format!("{place}: {then}"));
            std::iter::once(first).chain(flaws.iter().map(finding)).collect()
        }
        Err(error) => vec![Finding::fail("store", format!("{place}: {error:#}"))],
    }
}

async fn ask(settings: &Settings) -> anyhow::Result<(Vec<Flaw>, u64, u64)> {
    let admin = Admin::of(settings)?;
    look(async |cursor| admin.audit(cursor).await).await
}

async fn step(store: &dyn Store, cursor: Option<String>, now: Timestamp) -> anyhow::Result<Audit> {
    let after = cursor.map(|cursor| cursor.parse()).transpose().context("the store's cursor is a number")?;
    Ok(store.audit(after, AT_ONCE, now).await?.into())
}

/// Goes step by step through all of it.
async fn look(step: impl AsyncFn(Option<String>) -> anyhow::Result<Audit>) -> anyhow::Result<(Vec<Flaw>, u64, u64)> {
    let (mut all, mut lanes, mut events, mut cursor) = (Vec::new(), 0, 0, None);
    loop {
        let audit = step(cursor).await?;
        all.extend(audit.flaws);
        (lanes, events, cursor) = (lanes + audit.lanes, events + audit.events, audit.next);
        if cursor.is_none() {
            return Ok((all, lanes, events));
        }
    }
}

fn finding(flaw: &Flaw) -> Finding {
    let Flaw { rule, lead, event, says } = flaw;
    let of: Vec<_> = [lead, event].into_iter().flatten().map(String::as_str).collect();
    let of = if of.is_empty() { String::new() } else { format!("{}: ", of.join(", event ")) };
    Finding::fail(rule.into(), format!("{of}{says}"))
}
