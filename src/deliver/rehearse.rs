//! A dry run: what a webhook's items become and what would be called for each, by the code that delivers. Pure.

use bytes::Bytes;
use jiff::Timestamp;

use super::fold::{Folded, body_of, fold, gone, occasion_of};
use super::plan::{Lane, Plan, Step};
use super::retry::{Die, Waits};
use super::sort;
use crate::domain::event::{DeadReason, Hold, Item};
use crate::domain::lead::{Fields, Lead};
use crate::domain::region::Region;
use crate::domain::submission::Submission;
use crate::konektor::{Answer, RateLimit, Request, Verdict};
use crate::providers::{Lookup, Reading, Source, Verified};
use crate::store::{InboxRecord, StoredEvent, Undelivered, Words};

/// One item, rehearsed.
#[derive(Debug)]
pub struct Rehearsed {
    /// The item as it would be stored.
    pub item: Item,
    /// Why it would be withheld. What follows from it is shown as if a person had released it.
    pub held: Hold,
    /// What follows from it.
    pub end: Rehearsal,
}

/// What follows from an item whose lead is not in Konektor yet.
#[derive(Debug)]
pub enum Rehearsal {
    /// The sender would be asked for the lead's fields first.
    Ask(Box<Lookup>),
    /// It would become a dead letter.
    Dead(Undelivered),
    /// Nothing would be called.
    Nothing,
    /// Konektor would be called.
    Call {
        /// What the sender says.
        submission: Box<Submission>,
        /// What that comes to.
        lead: Box<Lead>,
        /// What it was read from.
        body: Bytes,
        /// Konektor would be searched for the lead with this code first, and the one that has it be updated. What follows is
        /// for when none has.
        code: Option<String>,
        /// The call.
        request: Box<Request>,
    },
}

/// Rehearses `webhook` of `source`, received `now`. `fetched` is what the sender's own API would answer for each item.
///
/// # Errors
/// It would become a dead letter, whole.
pub fn rehearse(
    source: &Source,
    webhook: Verified,
    fetched: Option<&Bytes>,
    region: Region,
    now: Timestamp,
) -> Result<Vec<Rehearsed>, Undelivered> {
    let record = InboxRecord { place: 0, webhook: webhook.into_kept() };
    let items = sort::split(record, Ok(source)).sorted.split?;
    Ok(items.into_iter().map(|item| one(source, item, fetched, region, now)).collect())
}

fn one(source: &Source, item: Item, fetched: Option<&Bytes>, region: Region, now: Timestamp) -> Rehearsed {
    let mut event = StoredEvent {
        seq: 1,
        id: item.id,
        source: source.name.clone(),
        received: now,
        request_id: String::new(),
        released: item.hold != Hold::No,
        body: Bytes::copy_from_slice(&item.body),
        fetched: fetched.cloned(),
    };
    let folded = |event: &StoredEvent| {
        let (events, told) = (std::slice::from_ref(event), Words::default());
        fold(&item.external_ref, events, &told, region, |_| Ok(source.clone()), &mut Vec::new())
    };
    let (held, end) = match folded(&event) {
        // Only reading it shows that it is a test: released, it goes on.
        Folded::Withhold(holds) => {
            event.released = true;
            (holds.first().map_or(item.hold, |(_, hold)| *hold), folded(&event))
        }
        end => (item.hold, end),
    };
    let end = match end {
        Folded::Lead { lead, each, .. } => call(source, &item, &event, (lead, each), now),
        Folded::Ask(_, lookup) => Rehearsal::Ask(lookup),
        Folded::Gone(_, absent) => Rehearsal::Dead(gone(&source.name, &absent)),
        Folded::Unreadable(_, why) => Rehearsal::Dead(why),
        Folded::Withhold(_) => Rehearsal::Nothing,
    };
    Rehearsed { item, held, end }
}

fn call(
    source: &Source,
    item: &Item,
    event: &StoredEvent,
    (lead, each): (Box<Lead>, Vec<Fields>),
    now: Timestamp,
) -> Rehearsal {
    let submission = match source.provider.read(&body_of(event, &item.external_ref)) {
        Ok(
            Reading::Lead(submission)
            | Reading::Test(submission)
            | Reading::Spam(submission)
            | Reading::Nobody(submission),
        ) => submission,
        Err(why) => return Rehearsal::Dead(Undelivered { reason: DeadReason::Unreadable, detail: why.to_string() }),
    };
    let lane = Lane {
        external_ref: item.external_ref.clone(),
        lead_id: None,
        intent: None,
        adopting: None,
        search_first: false,
        lost: None,
        day_nearly_over: false,
        negatives: 0,
        attempts: 0,
        failing_since: None,
        since: now,
        standing: None,
        upto: event.seq,
        forbidden: 0,
        doubted_until: Timestamp::MIN,
    };
    let body = Bytes::copy_from_slice(occasion_of(&body_of(event, &item.external_ref)).body);
    let waits = Waits::default();
    let (mut plan, mut step) = Plan::start(lane, ((*lead).clone(), each), waits, Die(0.0), now);
    let mut code = None;
    if let Step::Call(Request::Search { text, .. }) = &step {
        code = Some(text.clone());
        let verdict = Verdict::Found { leads: Vec::new(), total: Some(0), next: None };
        let nobody = Answer { verdict, status: None, request_id: None, rate: RateLimit::default() };
        let late = now + waits.search;
        step = plan.answered(&Request::search(text.clone()), &nobody, late, late);
    }
    match step {
        Step::Call(request) => Rehearsal::Call { submission, lead, body, code, request: Box::new(request) },
        Step::Finish(_) => Rehearsal::Nothing,
    }
}
