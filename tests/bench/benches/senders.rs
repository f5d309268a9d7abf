//! What it takes to verify one webhook of each sender and to cut it into its items, and a batch of a thousand leads of Meta's.
//!
//! ```sh
//! cargo bench --manifest-path tests/bench/Cargo.toml --target-dir target               # all: two minutes
//! cargo bench --manifest-path tests/bench/Cargo.toml --target-dir target -- twilio
//! ```
//!
//! Not a test: nothing here fails because a machine is slow.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use criterion::Criterion;
use jiff::Timestamp;
use konektor_bridge::providers::{Sample, SampleKind, Source, Webhook};
use konektor_bridge_bench::{sources, webhook};
use load::table::Table;
use serde_json::{Value, json};

/// The most that a webhook should take, in microseconds.
const ONE: f64 = 20.0;
/// The most that a batch of a thousand leads should take, in microseconds.
const BATCH: f64 = 3000.0;
/// What the batch is called.
const THOUSAND: &str = "meta, a batch of 1000";

fn main() -> Result<()> {
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).join("senders");
    // What an earlier run measured is not shown as if this one had.
    if results.exists() {
        fs::remove_dir_all(&results)?;
    }
    let mut criterion = Criterion::default()
        .output_directory(&results)
        .sample_size(50)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    let (now, sources) = (Timestamp::now(), sources()?);
    for source in &sources {
        let sample = source.provider.sample(SampleKind::Lead, 1, now);
        measure(&mut criterion, source.name.as_str(), source, sample, now);
    }
    let meta = sources.iter().find(|source| source.name.as_str() == "meta").context("Meta is built in")?;
    measure(&mut criterion, THOUSAND, meta, meta.provider.sign(thousand(), now), now);
    table(&results, &sources)
}

fn measure(criterion: &mut Criterion, name: &str, source: &Source, sample: Sample, now: Timestamp) {
    let webhook = webhook(source, sample, now);
    criterion.bench_function(name, |bencher| bencher.iter(|| verify_and_cut(source, black_box(&webhook), now)));
}

fn verify_and_cut(source: &Source, webhook: &Webhook, now: Timestamp) -> usize {
    let verified = source.provider.verify(webhook, now).expect("its own sample is let in");
    source.provider.split(&verified).expect("its own sample can be cut").len()
}

/// A webhook of a thousand leads, over ten pages.
fn thousand() -> Vec<u8> {
    let change = |page: u64, number: u64| {
        json!({ "field": "leadgen", "value": {
            "ad_id": "120210000000000101", "form_id": "1234567890123456", "page_id": page.to_string(),
            "leadgen_id": (7_000_000_000_000_000 + page * 1000 + number).to_string(), "created_time": 1_795_450_000,
        }})
    };
    let entry = |page: u64| {
        let changes: Vec<_> = (0..100).map(|number| change(page, number)).collect();
        json!({ "id": page.to_string(), "time": 1_795_450_001, "changes": changes })
    };
    json!({ "object": "page", "entry": (1..=10).map(entry).collect::<Vec<_>>() }).to_string().into_bytes()
}

/// The medians, the slowest sender first.
fn table(results: &Path, sources: &[Source]) -> Result<()> {
    let names = sources.iter().map(|source| source.name.as_str()).chain([THOUSAND]);
    let mut medians = Vec::new();
    for name in names {
        medians.extend(median(&results.join(name))?.map(|micros| (name, micros)));
    }
    medians.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let mut table = Table::default();
    for (name, micros) in &medians {
        table.at_most(*name, *micros, if *name == THOUSAND { BATCH } else { ONE }, "µs");
    }
    print!("\nverify and cut, medians of {} of {} senders\n{table}", medians.len(), sources.len() + 1);
    Ok(())
}

/// The median in microseconds; `None` for what was not measured this time.
fn median(folder: &Path) -> Result<Option<f64>> {
    let file: PathBuf = folder.join("new/estimates.json");
    if !file.exists() {
        return Ok(None);
    }
    let estimates: Value = serde_json::from_slice(&fs::read(&file)?)?;
    let nanos = estimates["median"]["point_estimate"].as_f64().context("criterion writes a median")?;
    Ok(Some(nanos / 1000.0))
}
