//! The inbox into the lanes: each record is split by its provider, and all that comes of a batch is stored in one step.

use std::panic::AssertUnwindSafe;

use super::fold::gone;
use crate::domain::event::{DeadReason, Hold, Item, Lesson};
use crate::domain::rules::HoldRule;
use crate::providers::{Absent, ItemBody, Source, Unreadable, Verified};
use crate::store::{Arrival, InboxRecord, Sorted, Undelivered};

/// Splits one record with the provider of its source.
#[must_use]
pub(super) fn split(record: InboxRecord, source: Result<&Source, &Absent>) -> Sorted {
    let InboxRecord { place, webhook } = record;
    let (name, received, request_id) = (webhook.source.clone(), webhook.received, webhook.request_id.clone());
    let webhook = Verified::from_inbox(webhook);
    let arrival = if webhook.is_back_filled() { Arrival::Bulk } else { Arrival::Live };
    let split = match source {
        Ok(source) => split_with(source, &webhook),
        Err(absent) => Err(gone(&name, absent)),
    };
    let (split, lessons) = split.map_or_else(|why| (Err(why), Vec::new()), |(items, lessons)| (Ok(items), lessons));
    Sorted { place, source: name, received, request_id, arrival, split, lessons }
}

fn split_with(source: &Source, webhook: &Verified) -> Result<(Vec<Item>, Vec<Lesson>), Undelivered> {
    let provider = &source.provider;
    let cut = || Ok((provider.split(webhook)?, provider.lessons(webhook)));
    // A provider that panics has a bug, and a webhook that shows it: kept, not tried for ever.
    let split = std::panic::catch_unwind(AssertUnwindSafe(cut)).unwrap_or_else(|_| {
        Err(Unreadable("its provider stopped in the middle; this is a bug, please report it".into()))
    });
    let (mut items, lessons) =
        split.map_err(|error| Undelivered { reason: DeadReason::Unreadable, detail: error.to_string() })?;
    for item in &mut items {
        item.hold = match item.hold {
            Hold::TestLead if source.rules.forward_test_leads => Hold::No,
            Hold::No if source.rules.hold == HoldRule::Everything && !deletes(source, webhook, item) => {
                Hold::SourceOnHold
            }
            hold => hold,
        };
    }
    Ok((items, lessons))
}

/// Whether `item` says that the sender has deleted a person's data. That is held up by no rule: it stops what it is about.
fn deletes(source: &Source, webhook: &Verified, item: &Item) -> bool {
    let (external_ref, received) = (&item.external_ref, webhook.received());
    let body = ItemBody { source: &source.name, external_ref, received, body: &item.body, fetched: None };
    source.provider.deletes(&body)
}
