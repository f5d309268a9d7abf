//! Compares what the senders were told with what the bridge and the sandbox have.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use load::bench::{Bridge, Sandbox};
use load::table::Table;
use load::webhooks::standard_person;
use serde_json::{Value, json};

use crate::senders::Sent;

/// Fills `table`.
pub async fn count(bridge: &Bridge, sandbox: &Sandbox, sent: &Sent, table: &mut Table) -> Result<()> {
    let stats = bridge.stats().await?;
    let ended = ["delivered", "withheld", "dead"].map(|state| stats.events(state));
    table.note("requests without an answer, sent again", sent.again.get() as f64, "");
    table.note("requests sent again although answered", sent.doubled.get() as f64, "");
    table.note("events answered 2xx", sent.events.get() as f64, "");
    table.note("  delivered", ended[0] as f64, "");
    table.exactly("  withheld", ended[1], 0);
    table.exactly("  dead", ended[2], 0);
    for (reason, events) in bridge.dead_letters().await? {
        table.note(format!("    {reason}"), events as f64, "");
    }
    table.exactly("  in the store, each once", ended.iter().sum(), sent.events.get());

    let (ledger, leads) = (sandbox.ledger().await?, sandbox.leads().await?);
    let calls = &ledger["calls"];
    for (what, status) in [("cut by Konektor", "cut"), ("answered 500", "500")] {
        table.note(format!("calls {what}"), calls["byStatus"][status].as_f64().unwrap_or_default(), "");
    }
    table.exactly("calls answered 429", calls["rateLimited"].as_u64().context("the ledger counts them")?, 0);
    let expected = sent.leads.borrow();
    let names: BTreeSet<_> = expected.keys().map(String::as_str).collect();
    let entries = ledger["entries"].as_array().context("the ledger has entries")?;
    let created = creates(entries)?;
    table.note("leads that the senders spoke of", names.len() as f64, "");
    table.exactly("  lost", names.iter().filter(|name| !created.contains_key(*name)).count() as u64, 0);
    table.exactly("  doubled", created.values().filter(|count| **count > 1).count() as u64, 0);
    table.exactly("  that nobody spoke of", created.keys().filter(|name| !names.contains(*name)).count() as u64, 0);
    table.exactly("  that do not say what their sender said last", untrue(&leads, &expected), 0);
    table.exactly("  that went back on the way", gone_back(entries), 0);
    Ok(())
}

/// How often each reference was created.
fn creates(entries: &[Value]) -> Result<BTreeMap<&str, u64>> {
    let mut created = BTreeMap::new();
    for entry in entries.iter().filter(|entry| entry["deed"] == "create") {
        *created.entry(entry["externalRef"].as_str().context("a lead has its reference")?).or_default() += 1;
    }
    Ok(created)
}

/// Leads that differ from the last revision that their sender was told is taken.
fn untrue(leads: &[Value], expected: &BTreeMap<String, Option<u32>>) -> u64 {
    let is_untrue = |lead: &&Value| {
        let name = lead["externalRef"].as_str().unwrap_or_default();
        let Some(revision) = expected.get(name).copied().flatten() else { return false };
        let [first, last, email, phone] = standard_person(name.rsplit(':').next().unwrap_or_default());
        lead["estimatedValue"].as_f64() != Some(f64::from(revision))
            || [&lead["firstName"], &lead["lastName"], &lead["email"], &lead["phone"]]
                != [&json!(first), &json!(last), &json!(email), &json!(phone)]
    };
    leads.iter().filter(is_untrue).count() as u64
}

/// Leads for which an older revision was committed after a newer one.
fn gone_back(entries: &[Value]) -> u64 {
    let (mut newest, mut back) = (BTreeMap::new(), BTreeSet::new());
    for entry in entries {
        let (Some(lead), Some(revision)) = (entry["leadId"].as_str(), entry["fields"]["estimatedValue"].as_f64())
        else {
            continue;
        };
        let newest = newest.entry(lead).or_insert(revision);
        if revision < *newest {
            back.insert(lead);
        }
        *newest = newest.max(revision);
    }
    back.len() as u64
}
