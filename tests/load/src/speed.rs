//! How soon a webhook on an idle bridge is a lead in Konektor.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use tokio::time::sleep;

use load::bench::Bench;
use load::http::Connection;
use load::table::{Table, median};
use load::webhooks::{standard, standard_ref};

/// Webhooks, one at a time.
const WEBHOOKS: usize = 60;

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let sandbox = bench.sandbox(600).await?;
    let bridge = bench.bridge("speed", &sandbox).await?;
    let mut connection = Connection::open(bridge.public).await?;
    let mut answered = HashMap::new();
    for number in 0..WEBHOOKS {
        let lead = format!("speed-{number}");
        let status = connection.exchange(&standard(&lead, 0, Timestamp::now())).await?;
        ensure!(status == 200, "answered {status}");
        answered.insert(standard_ref(&lead), Timestamp::now());
        // An odd number, so that it does not fall into step with anything that ticks.
        sleep(Duration::from_millis(137)).await;
    }
    sleep(Duration::from_secs(1)).await;
    let ledger = sandbox.ledger().await?;
    let entries = ledger["entries"].as_array().context("the ledger has entries")?;
    let mut delays = Vec::new();
    for entry in entries {
        let at: Timestamp = entry["at"].as_str().context("an entry has its time")?.parse()?;
        let name = entry["externalRef"].as_str().context("an entry has its lead")?;
        // Negative when the lead was there before the answer was read. The ledger counts in milliseconds, downwards.
        delays.push(at.duration_since(answered[name]).as_secs_f64() * 1000.0 + 0.5);
    }
    ensure!(delays.len() == WEBHOOKS, "{} of {WEBHOOKS} webhooks became leads within a second", delays.len());
    delays.sort_by(f64::total_cmp);
    let last = delays[delays.len() - 1];
    table.at_most("from its 200 to created, idle bridge: p50", median(delays), 20.0, "ms");
    table.note("  the slowest", last, "ms");
    Ok(())
}
