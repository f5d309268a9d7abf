//! What a claim costs, in a store with few events and in one with many. Opens the stores itself, with no bridge around.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use konektor_bridge::store::{
    Claim, Observation, Options, Outcome, RateHeaders, Settlement, SqliteStore, Store, WorkerId,
};

use load::table::{Table, median};

/// Claims that are measured.
const CLAIMS: usize = 500;

/// Compares the stores in two data directories that no bridge uses any more.
pub async fn compare(few: &Path, many: &Path, table: &mut Table) -> Result<()> {
    let (few, many) = (claims(few).await?, claims(many).await?);
    table.note("claim and settle with few events: p50", few, "ms");
    table.note("  with many", many, "ms");
    table.at_most("  ratio", many / few, 1.5, "×");
    Ok(())
}

/// Milliseconds that a claim and its end take.
async fn claims(directory: &Path) -> Result<f64> {
    let opened = SqliteStore::open(directory, Options::default(), Timestamp::now());
    let store = opened.context("the store cannot be opened")?;
    let worker = WorkerId("load".into());
    store.resume(None, Timestamp::now()).await?;
    let mut took = Vec::new();
    for _ in 0..CLAIMS {
        let (began, now) = (Instant::now(), Timestamp::now());
        let Claim::Lane(claimed) = store.claim(&worker, now).await? else { bail!("there is nothing to claim") };
        // So high that the limiter never stands in the way.
        let headers = RateHeaders { limit: Some(1_000_000), remaining: Some(999_999), ..RateHeaders::default() };
        store.observe(claimed.permit, Observation::Answered(headers), now).await?;
        let outcome = Outcome::Retry { at: now + Duration::from_hours(1), counted: false };
        let _ = store.settle(&claimed.lease, Settlement::from(outcome), now).await?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    store.close().await;
    Ok(median(took))
}
