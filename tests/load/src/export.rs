//! What exporting all leads costs: memory, time, and how much of the rate it uses.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use load::bench::{Bench, Sandbox};
use load::table::Table;
use tokio::time::sleep;

/// Leads that Konektor has.
const LEADS: u32 = 100_000;
/// Leads on a page, the most there can be.
const PAGE: u32 = 100;
/// A limit that no export comes near.
const NO_LIMIT: u32 = 1_000_000;
/// The largest limit of a plan.
const LIMIT: u32 = 600;
/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(10);

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    for format in ["csv", "jsonl"] {
        let sandbox = bench.sandbox_with(NO_LIMIT, LEADS).await?;
        let (took, peak) = export(bench, &sandbox, format).await?;
        table.at_most(format!("export of {LEADS} leads as {format}: most memory"), peak, 40.0, "MiB");
        // What the largest plan lets through.
        let allowed = f64::from(LIMIT * PAGE) / 60.0;
        table.at_least("  leads a second, without a limit", f64::from(LEADS) / took.as_secs_f64(), allowed, "/s");
    }
    let sandbox = bench.sandbox_with(LIMIT, LEADS).await?;
    let (took, _) = export(bench, &sandbox, "jsonl").await?;
    let pages = f64::from(LEADS / PAGE);
    // The first page is asked for at once, the last ends it; a tenth of the limit is left to a bridge beside it.
    let share = (pages - 1.0) / (took.as_secs_f64() / 60.0) / f64::from(LIMIT) * 100.0;
    table.at_least(format!("  share of {LIMIT} a minute that is used, of the 90 % allowed"), share, 89.0, "%");
    let calls = sandbox.ledger().await?["calls"].clone();
    table.exactly("  calls answered 429", calls["rateLimited"].as_u64().unwrap_or_default(), 0);
    Ok(())
}

/// Runs one export; gives how long it took and the most memory it had, in MiB.
async fn export(bench: &Bench, sandbox: &Sandbox, format: &str) -> Result<(Duration, f64)> {
    let file = bench.path(&format!("leads.{format}"));
    let began = Instant::now();
    let mut export = bench.api(sandbox, &["leads", "export", "--force", &file.display().to_string()])?;
    let mut peak = 0.0_f64;
    let status = loop {
        if let Some(status) = export.ended()? {
            break status;
        }
        // It may end between the two looks.
        peak = export.peak_memory().unwrap_or_default().max(peak);
        ensure!(began.elapsed() < Duration::from_mins(5), "the export has not ended after five minutes");
        sleep(LOOK).await;
    };
    let took = began.elapsed();
    if !status.success() {
        bail!("the export failed: {status}");
    }
    let rows = BufReader::new(File::open(&file)?).lines().count() - usize::from(format == "csv");
    ensure!(rows >= LEADS as usize, "{rows} of {LEADS} leads are in the file");
    Ok((took, peak))
}
