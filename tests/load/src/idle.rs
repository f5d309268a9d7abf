//! What the bridge takes when it has nothing to do.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use load::bench::Bench;
use load::table::{Table, median};

/// Starts that are measured.
const STARTS: usize = 9;

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let sandbox = bench.sandbox(600).await?;
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    for start in 0..STARTS {
        let bridge = bench.bridge(&format!("idle-{start}"), &sandbox).await?;
        starts.push(bridge.started_in.as_secs_f64() * 1000.0);
        sleep(Duration::from_secs(1)).await;
        memory.push(bridge.process.memory()?);
    }
    table.at_most("start to first answer, empty store", median(starts), 100.0, "ms");
    table.at_most("memory when idle", median(memory), 15.0, "MiB");
    table.at_most("binary, stripped", bench.size()?, 20.0, "MiB");
    Ok(())
}
