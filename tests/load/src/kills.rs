//! A bridge that is killed again and again while as many webhooks come in as it can take.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use tokio::task::LocalSet;
use tokio::time::sleep;

use load::bench::{Bench, Bridge, Place};
use load::table::Table;

use crate::senders::{Seen, Senders};

/// Senders, each of which waits for its answer.
const SENDERS: u64 = 64;
/// How often it is killed.
const KILLS: u32 = 12;
/// How long it lives: so many milliseconds, and up to as many more.
const LIFE_MS: u64 = 400;

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let sandbox = bench.sandbox(60).await?;
    let mut place = bench.place("kills", sandbox.address)?;
    place.redis = bench.shared("kills").await?;
    let bridge = bench.bridge_at(&place).await?;
    bridge.pause().await?;
    let (bridge, seen) = LocalSet::new().run_until(through(bench, &place, bridge)).await?;
    bridge.until_sorted().await?;
    let taken = seen.taken.len() as u64;
    table.note(format!("webhooks answered 200 by a bridge that died {KILLS} times by kill -9"), taken as f64, "");
    table.at_most("  longest time in which none was", seen.gap.as_secs_f64(), 5.0, "s");
    // Each was sent until it was answered, often after it had been kept already.
    table.exactly("  events in the store: none lost, none twice", bridge.stats().await?.events("pending"), taken);
    Ok(())
}

/// Sends while the bridge dies and is started again.
async fn through(bench: &Bench, place: &Place, mut bridge: Bridge) -> Result<(Bridge, Seen)> {
    let senders = Senders::start(SENDERS, &[bridge.public]);
    for _ in 0..KILLS {
        // Any moment will do, and another in each run.
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
        sleep(Duration::from_millis(LIFE_MS + u64::from(nanos) % LIFE_MS)).await;
        bridge.process.end_now()?;
        bridge = bench.bridge_at(place).await?;
    }
    sleep(Duration::from_millis(LIFE_MS)).await;
    Ok((bridge, senders.stop().await?))
}
