//! What a claim and the sorting of a new lead cost, in a store with few events and in one with many. Opens the stores
//! itself, with no bridge around.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::store::{
    Arrival, Claim, DayNote, Observation, Options, Outcome, RateHeaders, Settlement, Sorted, SqliteStore, Store,
    WorkerId,
};

use load::table::{Table, median};

/// Claims, and new leads, that are measured.
const EACH: usize = 500;

/// Compares the stores in two data directories that no bridge uses any more.
pub async fn compare(few: &Path, many: &Path, table: &mut Table) -> Result<()> {
    for (what, few, many) in [
        ("claim and settle", claims(few).await?, claims(many).await?),
        ("sort a new lead", sorts(few).await?, sorts(many).await?),
    ] {
        table.note(format!("{what} with few events: p50"), few, "ms");
        table.note("  with many", many, "ms");
        table.at_most("  ratio", many / few, 1.5, "×");
    }
    Ok(())
}

fn open(directory: &Path) -> Result<SqliteStore> {
    SqliteStore::open(directory, Options::default(), Timestamp::now()).context("the store cannot be opened")
}

/// Milliseconds that a claim and its end take.
async fn claims(directory: &Path) -> Result<f64> {
    let store = open(directory)?;
    let worker = WorkerId("load".into());
    store.resume(None, Timestamp::now()).await?;
    // A look at the day's leads is no lane.
    let look = Timestamp::now() + Duration::from_hours(1);
    store.note_day(DayNote::Untold { look }, Timestamp::now()).await?;
    let mut took = Vec::new();
    for _ in 0..EACH {
        let (began, now) = (Instant::now(), Timestamp::now());
        let claimed = match store.claim(&worker, now).await? {
            Claim::Lane(claimed) => claimed,
            other => bail!("a lane was to be claimed, and not {other:?}"),
        };
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

/// Milliseconds that the sorting of a webhook with one new lead takes, from the inbox into its lane.
async fn sorts(directory: &Path) -> Result<f64> {
    let store = open(directory)?;
    let source = SourceName::parse("load")?;
    let mut took = Vec::new();
    for number in 0..EACH {
        let (received, request_id, body) =
            (Timestamp::now(), format!("request-{number}"), Bytes::from(vec![b'x'; 900]));
        let kept = Kept { source: source.clone(), received, request_id, headers: Vec::new(), body: body.clone() };
        store.keep(kept).await?;
        let record = store.unsorted(1).await?.pop().context("it was kept")?;
        let item = Item {
            id: EventId::of(&source, &[b"new", &number.to_be_bytes(), record.webhook.request_id.as_bytes()]),
            same_within: None,
            external_ref: ExternalRef::new("load:", &format!("new-{number}")),
            aliases: Vec::new(),
            hold: Hold::No,
            body: body.to_vec(),
        };
        let Kept { source, received, request_id, .. } = record.webhook;
        let sorted = Sorted {
            place: record.place,
            source,
            received,
            request_id,
            arrival: Arrival::Live,
            split: Ok(vec![item]),
            lessons: Vec::new(),
        };
        let began = Instant::now();
        store.sort(vec![sorted], received).await?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    store.close().await;
    Ok(median(took))
}
