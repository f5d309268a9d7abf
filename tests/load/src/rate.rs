//! Whether the allowed rate is used, and not more than that.

use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::sleep;

use crate::volley::{Supply, fire};
use load::bench::Bench;
use load::table::Table;
use load::webhooks::{Requests, standard};

/// New leads, more than a minute allows.
const LEADS: usize = 1000;
/// Calls that the sandbox allows in any 60 seconds.
const PER_MINUTE: u32 = 600;

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let sandbox = bench.sandbox(PER_MINUTE).await?;
    let bridge = bench.bridge("rate", &sandbox).await?;
    let mut requests = Requests::default();
    requests.extend((0..LEADS).map(|number| standard(&format!("rate-{number}"), 0, Timestamp::now())));
    fire(bridge.public, &Rc::new(requests), Supply::Once, 8, Duration::from_secs(60)).await?;
    let began = Instant::now();
    while bridge.stats().await?.events("delivered") < LEADS as u64 {
        ensure!(began.elapsed() < Duration::from_mins(4), "they are not delivered after four minutes");
        sleep(Duration::from_millis(250)).await;
    }
    let ledger = sandbox.ledger().await?;
    let entries = ledger["entries"].as_array().context("the ledger has entries")?;
    let times = entries.iter().map(|entry| Ok(entry["at"].as_str().context("an entry has its time")?.parse()?));
    let times = times.collect::<Result<Vec<Timestamp>>>()?;
    // Each call may go out 60 s after the call 600 before it. How long it really took, on average:
    let window = PER_MINUTE as usize;
    let spans: Vec<_> = times.windows(window + 1).map(|run| run[window].duration_since(run[0]).as_secs_f64()).collect();
    let span = spans.iter().sum::<f64>() / spans.len() as f64;
    table.at_least("1 000 new leads at 600 a minute: share of the rate used", 6000.0 / span, 99.0, "%");
    table.exactly("  calls answered 429", ledger["calls"]["rateLimited"].as_u64().unwrap_or_default(), 0);
    table.exactly("  leads created", entries.len() as u64, LEADS as u64);
    let calls = &ledger["calls"]["byCall"];
    let of_leads = ["list", "get", "create", "update"].map(|call| &calls[call]).map(sum).into_iter().sum();
    table.exactly("  calls made for them", of_leads, LEADS as u64);
    table.note("  looks at the day's leads", sum(&calls["workspace"]) as f64, "");
    Ok(())
}

/// Calls of one kind, whatever they were answered.
fn sum(by_status: &Value) -> u64 {
    by_status.as_object().into_iter().flat_map(|counts| counts.values()).filter_map(Value::as_u64).sum()
}
