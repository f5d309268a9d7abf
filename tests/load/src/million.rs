//! What a million undelivered events cost: memory, start, and each claim.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use crate::volley::{Supply, fire};
use load::bench::{Bench, Bridge, Kept};
use load::table::Table;
use load::webhooks::{Requests, meta_batch};

/// Leads in one webhook: the most that Meta sends.
const BATCH: u64 = 1000;

pub async fn measure(bench: &Bench, events: u64, table: &mut Table) -> Result<()> {
    let sandbox = bench.sandbox(60).await?;
    let few = bench.bridge("thousand", &sandbox).await?;
    few.pause().await?;
    fill(&few, 1000).await?;
    stop(few).await?;

    let many = bench.bridge("million", &sandbox).await?;
    many.pause().await?;
    let sorting = fill(&many, events).await?;
    let filled = many.process.memory()?;
    stop(many).await?;
    table.at_least(format!("sorting {events} events in batches of 1 000"), sorting, 5000.0, "/s");
    table.at_most("  memory after it", filled, 64.0, "MiB");
    match bench.kept() {
        Kept::Embedded => {}
        Kept::Redis(_) => table.note("  memory of Redis", bench.redis_memory("million").await?, "MiB"),
    }

    let again = bench.bridge("million", &sandbox).await?;
    ensure!(again.stats().await?.events("pending") == events, "not all {events} are there after the restart");
    sleep(Duration::from_secs(2)).await;
    table.at_most(format!("start with {events} undelivered events"), again.started_in.as_secs_f64(), 1.0, "s");
    table.at_most("  memory", again.process.memory()?, 64.0, "MiB");
    stop(again).await?;

    #[cfg(feature = "claims")]
    crate::claims::compare(bench, "thousand", "million", table).await?;
    Ok(())
}

/// Sends webhooks for `events` leads; gives how many a second were sorted.
async fn fill(bridge: &Bridge, events: u64) -> Result<f64> {
    let began = Instant::now();
    // Not all at once: a million of them is a quarter of a gigabyte.
    for first in (0..events).step_by(50 * BATCH as usize) {
        let mut requests = Requests::default();
        let firsts = (first..events.min(first + 50 * BATCH)).step_by(BATCH as usize);
        requests.extend(firsts.map(|first| meta_batch(first..events.min(first + BATCH))));
        fire(bridge.public, &Rc::new(requests), Supply::Once, 4, Duration::from_mins(5)).await?;
    }
    bridge.until_sorted().await?;
    let stored = bridge.stats().await?.events("pending");
    ensure!(stored == events, "{stored} of {events} events are in the store");
    Ok(events as f64 / began.elapsed().as_secs_f64())
}

async fn stop(bridge: Bridge) -> Result<()> {
    let status = bridge.process.stop(Duration::from_secs(30)).await?;
    ensure!(status.success(), "the bridge did not stop cleanly: {status}");
    Ok(())
}
