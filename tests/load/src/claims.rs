//! What a claim and the sorting of a new lead cost, in a store with few events and in one with many. Opens the stores
//! itself, with no bridge around.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, Hold, Item, Kept, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::store::{
    Arrival, Claim, DayNote, Observation, Options, Outcome, RateHeaders, RedisStore, RedisTies, Settlement, Sorted,
    SqliteStore, Store, WorkerId,
};

use load::bench::{Bench, Shared};
use load::table::{Table, median};

/// Claims, and new leads, that are measured.
const EACH: usize = 500;

/// Compares the stores of two bridges that run no more.
pub async fn compare(bench: &Bench, few: &str, many: &str, table: &mut Table) -> Result<()> {
    let (few, many) = (open(bench, few).await?, open(bench, many).await?);
    for (what, few, many) in [
        ("claim and settle", claims(&*few).await?, claims(&*many).await?),
        ("sort a new lead", sorts(&*few).await?, sorts(&*many).await?),
    ] {
        table.note(format!("{what} with few events: p50"), few, "ms");
        table.note("  with many", many, "ms");
        table.at_most("  ratio", many / few, 1.5, "×");
    }
    few.close().await;
    many.close().await;
    Ok(())
}

/// The store of the bridge `name`.
async fn open(bench: &Bench, name: &str) -> Result<Arc<dyn Store>> {
    match bench.shared(name).await? {
        Some(shared) => Ok(Arc::new(on_redis(&shared)?)),
        None => {
            let store = SqliteStore::open(&bench.path(name), Options::default(), Timestamp::now());
            Ok(Arc::new(store.context("the store cannot be opened")?))
        }
    }
}

/// The store that a bridge has on a Redis.
pub fn on_redis(shared: &Shared) -> Result<RedisStore> {
    let url = shared.url.parse().map_err(|problem| anyhow::anyhow!("{}: {problem}", shared.url))?;
    let durability = shared.durability.parse().map_err(anyhow::Error::msg)?;
    let ties = RedisTies { url, prefix: "bridge".to_owned(), durability, on_time: Arc::new(|_, _| ()) };
    Ok(RedisStore::new(ties, Options::default()))
}

/// Milliseconds that a claim and its end take.
async fn claims(store: &dyn Store) -> Result<f64> {
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
    Ok(median(took))
}

/// Milliseconds that the sorting of a webhook with one new lead takes, from the inbox into its lane.
async fn sorts(store: &dyn Store) -> Result<f64> {
    let source = SourceName::parse("load")?;
    let mut took = Vec::new();
    for number in 0..EACH {
        let (received, request_id, body) =
            (Timestamp::now(), format!("request-{number}"), Bytes::from(vec![b'x'; 900]));
        let kept = Kept { source: source.clone(), received, request_id, headers: Vec::new(), body: body.clone() };
        store.keep(kept).await?;
        let record = store.unsorted(0, 1).await?.pop().context("it was kept")?;
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
    Ok(median(took))
}
