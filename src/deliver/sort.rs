//! The inbox into the lanes: each record is split by its provider, and all that comes of a batch is stored in one step.

use std::panic::AssertUnwindSafe;

use super::fold::gone;
use crate::domain::event::{DeadReason, Hold, Item, Lesson};
use crate::domain::rules::HoldRule;
use crate::providers::{Absent, Complaint, ItemBody, Source, Unreadable, Verified};
use crate::store::{Arrival, InboxRecord, Sorted, Undelivered};

/// What comes of a record.
pub(super) struct Split {
    /// For the store.
    pub(super) sorted: Sorted,
    /// For the log: errors that its sender tells of, each with how often.
    pub(super) complaints: Vec<(Complaint, usize)>,
}

/// What a provider makes of a webhook.
#[derive(Default)]
struct Cut {
    items: Vec<Item>,
    lessons: Vec<Lesson>,
    complaints: Vec<(Complaint, usize)>,
}

/// Splits one record with the provider of its source.
#[must_use]
pub(super) fn split(record: InboxRecord, source: Result<&Source, &Absent>) -> Split {
    let InboxRecord { place, webhook } = record;
    let (name, received, request_id) = (webhook.source.clone(), webhook.received, webhook.request_id.clone());
    let webhook = Verified::from_inbox(webhook);
    let arrival = if webhook.is_back_filled() { Arrival::Bulk } else { Arrival::Live };
    let split = match source {
        Ok(source) => split_with(source, &webhook),
        Err(absent) => Err(gone(&name, absent)),
    };
    let (why, Cut { items, lessons, complaints }) = match split {
        Ok(cut) => (None, cut),
        Err(why) => (Some(why), Cut::default()),
    };
    let split = why.map_or(Ok(items), Err);
    Split { sorted: Sorted { place, source: name, received, request_id, arrival, split, lessons }, complaints }
}

fn split_with(source: &Source, webhook: &Verified) -> Result<Cut, Undelivered> {
    let provider = &source.provider;
    let cut = || {
        webhook.readable()?;
        let (items, lessons) = (provider.split(webhook)?, provider.lessons(webhook));
        Ok(Cut { items, lessons, complaints: provider.complaints(webhook) })
    };
    // A provider that panics has a bug, and a webhook that shows it: kept, not tried for ever.
    let split = std::panic::catch_unwind(AssertUnwindSafe(cut)).unwrap_or_else(|_| {
        Err(Unreadable("its provider stopped in the middle; this is a bug, please report it".into()))
    });
    let mut cut = split.map_err(|error| Undelivered { reason: DeadReason::Unreadable, detail: error.to_string() })?;
    for item in &mut cut.items {
        item.hold = match item.hold {
            Hold::TestLead if source.rules.forward_test_leads => Hold::No,
            Hold::No if source.rules.hold == HoldRule::Everything && !deletes(source, webhook, item) => {
                Hold::SourceOnHold
            }
            hold => hold,
        };
    }
    Ok(cut)
}

/// Whether `item` says that the sender has deleted a person's data. That is held up by no rule: it stops what it is about.
fn deletes(source: &Source, webhook: &Verified, item: &Item) -> bool {
    let (external_ref, received) = (&item.external_ref, webhook.received());
    let body = ItemBody { source: &source.name, external_ref, received, body: &item.body, fetched: None };
    source.provider.deletes(&body)
}
