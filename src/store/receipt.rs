//! What a new event is at first, how receipts are named and kept, and how much is shown. Pure, and shared by the backends.

use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::{Attempt, EventState, Options, Sorted, Undelivered};
use crate::domain::event::{DeadReason, EventId, Hold, Item, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;

/// The longest time that an id is remembered, whatever a source asks for: keeps the arithmetic of times in range.
const FOR_EVER: Duration = Duration::from_hours(24 * 3650);
/// Most events in one page of a list.
const PAGE: usize = 1000;
/// Calls kept in a lane's log.
const LOG_LENGTH: usize = 10;
/// Most events that one claim gives (`queue.md` §2.11, C8).
pub(super) const CALL_EVENTS: usize = 256;
/// Most payload bytes that one claim gives; the first event always (`queue.md` §2.11, C8).
pub(super) const CALL_BYTES: usize = 256 << 10;
/// Bytes of webhooks that are read together to be sorted: webhooks of thousands of leads come one by one, so that memory
/// does not grow with them.
const SORT_BYTES: usize = 256 << 10;
/// A lease that its worker does not know of is a stray once it is this old: the answer to the claim is not on its way
/// any more (`queue.md` §2.4, heartbeat).
pub(super) const STRAY_AGE: Duration = Duration::from_secs(5);

/// How long a chore that was handed out is waited for before it is handed out again.
pub(super) const CHORE_AGAIN: Duration = Duration::from_mins(5);

/// Where a new event goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    /// Into its lane.
    Pending,
    /// To those that wait for a person.
    Withheld(Hold),
    /// To the dead letters.
    Dead(Undelivered),
}

impl Entry {
    /// Where `item` goes, when its lane has `pending` events.
    pub(super) fn of(item: &Item, pending: u32, options: &Options) -> Self {
        match item.hold {
            Hold::No if pending >= options.max_lane_events => Self::Dead(Undelivered {
                reason: DeadReason::LaneFull,
                detail: format!("its lead has {pending} undelivered events; replay it when they are delivered"),
            }),
            Hold::No => Self::Pending,
            hold => Self::Withheld(hold),
        }
    }

    /// As a list shows it.
    pub(super) const fn state(&self) -> EventState {
        match self {
            Self::Pending => EventState::Pending,
            Self::Withheld(_) => EventState::Withheld,
            Self::Dead(_) => EventState::Dead,
        }
    }
}

/// The sentence beside a withheld event.
pub(super) const fn why_withheld(hold: Hold) -> &'static str {
    match hold {
        Hold::No => "it was held by mistake; release it",
        Hold::TestLead => "the sender marks it as a test; release it if it is a lead",
        Hold::Spam => "it looks like spam; release it if it is a lead",
        Hold::SourceOnHold => "the rules of its source hold everything; release it when it may go out",
        Hold::DeletedAtSender => {
            "the sender has deleted the person's data: erase it in Konektor by hand, then discard this"
        }
        Hold::NoContact => "nothing in it says how to reach the person; release it to forward it all the same",
        Hold::NotAccepted => "the `accept` rule of its source does not let it through; release it if it is a lead",
        Hold::IgnoreRule => "an `ignore` rule of its source holds for it; release it if it is a lead",
        Hold::TestRule => "a `test` rule of its source holds for it; release it if it is a lead",
        Hold::JunkRule => "a `junk` rule of its source holds for it; release it if it is a lead",
        Hold::HoldRule => "a `hold` rule of its source holds for it; release it when it may go out",
    }
}

/// Until when an item's id is remembered.
pub(super) fn known_until(item: &Item, options: &Options, now: Timestamp) -> Timestamp {
    now + item.same_within.unwrap_or(options.retention).min(FOR_EVER)
}

/// When the receipt of an event that ends now may be forgotten.
pub(super) fn forget_at(known_until: Timestamp, options: &Options, now: Timestamp) -> Timestamp {
    known_until.max(now + options.retention)
}

/// The id of a webhook that could not be split: that of its request, so that it is the same after a replay that comes to
/// nothing. Where `is_taken` says that another has it, the place in the inbox tells them apart, which is never used again.
pub(super) fn whole_id<E>(record: &Sorted, is_taken: impl FnOnce(EventId) -> Result<bool, E>) -> Result<EventId, E> {
    let of = |more: &[u8]| {
        let received = record.received.as_nanosecond().to_be_bytes();
        EventId::of(&record.source, &[b"webhook", record.request_id.as_bytes(), &received, more])
    };
    let id = of(b"");
    Ok(if is_taken(id)? { of(&record.place.to_be_bytes()) } else { id })
}

/// The name that an event goes by once its own id may be used again by a new one.
pub(super) fn retired_id(source: &SourceName, id: EventId, seq: u64) -> EventId {
    EventId::of(source, &[b"earlier", id.as_bytes(), &seq.to_be_bytes()])
}

/// What is kept of a lead that was forgotten: enough to know it again, and nothing of whose it was.
pub(super) fn trace(external_ref: &ExternalRef) -> [u8; 16] {
    let mut trace = [0; 16];
    trace.copy_from_slice(&Sha256::digest(external_ref.as_str())[..16]);
    trace
}

/// What a webhook weighs against the cap.
pub(super) fn weight(webhook: &Kept) -> u64 {
    let headers: usize = webhook.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    (headers + webhook.body.len()) as u64
}

/// Adds to a lane's log, which keeps the newest ten.
pub(super) fn note(log: &mut Vec<Attempt>, attempts: Vec<Attempt>) {
    log.extend(attempts);
    log.drain(..log.len().saturating_sub(LOG_LENGTH));
}

/// The length of a page when `asked` for.
pub(super) fn page(asked: usize) -> usize {
    asked.clamp(1, PAGE)
}

/// Whether a webhook of `more` bytes is still read together with the `read` bytes before it; the first always is.
pub(super) const fn is_read_along(read: usize, more: usize) -> bool {
    read == 0 || read + more <= SORT_BYTES
}
