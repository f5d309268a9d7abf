//! What events and leads take in Redis, by what it says of its own memory. Opens the store itself, with no bridge around.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::{
    Arrival, Claim, DayNote, Lease, Observation, Outcome, RateHeaders, RedisStore, Settlement, Sorted, Store, WorkerId,
};

use load::bench::{Bench, Shared};
use load::redis::{Redis, Sync};
use load::table::Table;

use crate::claims::on_redis;

/// Leads, of one event each.
const LEADS: usize = 20_000;
/// Bytes of an event.
const BODY: usize = 1024;
/// Events that are sorted together.
const BATCH: usize = 100;
/// Longer than receipts are kept.
const MONTH: Duration = Duration::from_hours(24 * 31);

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    // Without its file: that has no part in its memory.
    let redis = Redis::start(&bench.path("sizes"), Sync::Never, &[]).await?;
    let store = on_redis(&Shared { url: redis.url(), durability: Sync::Never.durability() })?;
    let mut now = Timestamp::now();
    store.stats(now).await?;
    // The server's own scripts and buffers are there then.
    bring(&store, "first", BATCH, now).await?;
    deliver(&store, BATCH, now).await?;
    let empty = redis.info("used_memory").await?;

    bring(&store, "lead", LEADS, now).await?;
    let each = |bytes: f64| bytes / LEADS as f64;
    let pending = redis.info("used_memory").await?;
    table.at_most(
        format!("Redis: an undelivered event of 1 KiB and its lead ({LEADS} of them)"),
        each(pending - empty),
        2048.0,
        "bytes",
    );
    deliver(&store, LEADS, now).await?;
    let delivered = redis.info("used_memory").await?;
    now += MONTH;
    while store.expire(1000, now).await? > 0 {}
    let idle = redis.info("used_memory").await?;
    table.note(
        "  a delivered event: its receipt, and the id it is known by (30 days)",
        each(delivered - idle),
        "bytes",
    );
    table.note("  a lead that is known, with nothing to do (400 days)", each(idle - empty), "bytes");
    let mib = f64::from(1 << 20);
    table.note("  GiB of 1 024 MiB: undelivered events", 1024.0 * mib / each(pending - empty), "");
    store.close().await;
    Ok(())
}

/// Has so many new leads come in.
async fn bring(store: &RedisStore, name: &str, leads: usize, now: Timestamp) -> Result<()> {
    let source = SourceName::parse("load")?;
    for first in (0..leads).step_by(BATCH) {
        let (request_id, body) = (format!("{name}-{first}"), Bytes::from_static(b"{}"));
        let kept = Kept { source: source.clone(), received: now, request_id, headers: Vec::new(), body };
        store.keep(kept).await?;
        let record = store.unsorted(0, 1).await?.pop().context("it was kept")?;
        let item = |number: usize| Item {
            id: EventId::of(&source, &[name.as_bytes(), &number.to_be_bytes()]),
            same_within: None,
            external_ref: ExternalRef::new("load:", &format!("{name}-7000000{number:09}")),
            aliases: Vec::new(),
            hold: Hold::No,
            body: vec![b'x'; BODY],
        };
        let sorted = Sorted {
            place: record.place,
            source: source.clone(),
            received: now,
            request_id: "0198a2f4-3c1e-7d20-9f3b-5a1c7e64d082".into(),
            arrival: Arrival::Live,
            split: Ok((first..leads.min(first + BATCH)).map(item).collect()),
            lessons: Vec::new(),
        };
        store.sort(vec![sorted], now).await?;
    }
    Ok(())
}

/// Has so many delivered, under an id such as Konektor gives.
async fn deliver(store: &RedisStore, leads: usize, now: Timestamp) -> Result<()> {
    let worker = WorkerId("load".into());
    let look = now + Duration::from_hours(1);
    store.note_day(DayNote::Untold { look }, now).await?;
    for number in 0..leads {
        let (lease, upto) = claim(store, &worker, now).await?;
        let lead_id = LeadId(format!("0198a2f4-3c1e-7d20-9f3b-{number:012x}"));
        let _ = store.settle(&lease, Settlement::from(Outcome::Done { lead_id, upto }), now).await?;
    }
    let left = store.stats(now).await?.leased;
    ensure!(left == 0, "{left} are still leased");
    Ok(())
}

async fn claim(store: &RedisStore, worker: &WorkerId, now: Timestamp) -> Result<(Lease, u64)> {
    match store.claim(worker, now).await? {
        Claim::Lane(claimed) => {
            // So high that the limiter never stands in the way, and nothing of it is left.
            let headers = RateHeaders { limit: Some(1_000_000), remaining: Some(1_000_000), ..RateHeaders::default() };
            store.observe(claimed.permit, Observation::Answered(headers), now).await?;
            store.observe(claimed.permit, Observation::Unsent, now).await?;
            Ok((claimed.lease, claimed.events.last().context("a claimed lane has events")?.seq))
        }
        other => bail!("a lane was to be claimed, and not {other:?}"),
    }
}
