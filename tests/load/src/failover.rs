//! How long no webhook is taken when the primary of Redis dies, and what of those that were taken is lost with it.

use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::task::LocalSet;
use tokio::time::sleep;

use load::bench::{Bench, Bridge};
use load::deployment::{Deployment, Layout};
use load::http::Connection;
use load::table::Table;
use load::webhooks::meta_single;

use crate::senders::{Seen, Senders};

/// Senders, each of which waits for its answer.
const SENDERS: u64 = 16;
/// How long they send before the primary dies, and after it.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(10);
pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let mut redis = Deployment::start(&bench.path("failover"), Layout::Sentinel).await?;
    let primary = redis.holder().await?;
    let sandbox = bench.sandbox(60).await?;
    let mut bridges = Vec::new();
    for name in ["failover-1", "failover-2"] {
        let mut place = bench.place(name, sandbox.address)?;
        place.redis = Some(redis.shared());
        bridges.push(bench.bridge_at(&place).await?);
    }
    bridges[0].pause().await?;
    let seen = LocalSet::new().run_until(through(&mut redis, primary, &bridges)).await?;
    redis.is_replaced(primary).await?;
    table.note("Sentinel: webhooks taken before, during and after a failover", seen.taken.len() as f64, "");
    table.at_most("  longest time in which none was", seen.gap.as_secs_f64(), 5.0, "s");
    table.exactly("  taken and lost (replicated:1)", lost(&bridges[1], &seen.taken).await?, 0);
    Ok(())
}

/// Sends while the primary dies.
async fn through(redis: &mut Deployment, primary: usize, bridges: &[Bridge]) -> Result<Seen> {
    let places: Vec<_> = bridges.iter().map(|bridge| bridge.public).collect();
    let senders = Senders::start(SENDERS, &places);
    sleep(BEFORE).await;
    redis.ends(primary).await?;
    sleep(AFTER).await;
    senders.stop().await
}

/// How many of these are not there any more: sent once more they are new.
async fn lost(bridge: &Bridge, taken: &[u64]) -> Result<u64> {
    bridge.until_sorted().await?;
    let before = bridge.stats().await?.events("pending");
    let mut connection = Connection::open(bridge.public).await?;
    for id in taken {
        let status = connection.exchange(&meta_single(*id)).await?;
        ensure!(status == 200, "sent once more it is answered {status}");
    }
    bridge.until_sorted().await?;
    Ok(bridge.stats().await?.events("pending") - before)
}
