//! The only place where the two halves meet: what came in and is not delivered yet, and what is known of each lead.
//!
//! A [`Store`] is few verbs. Each one is one atomic step, safe to do twice, and says what a crash after it means. The
//! backends share the pure parts: the lane's state machine in `lane` and the rate limiter in `limit`.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::event::{DeadReason, EventId, Hold, Item, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;

/// Place of an event in the order of arrival, over all lanes. Grows, never reused.
pub type Seq = u64;

/// Durable state of the bridge. `now` is passed in and never goes back for a store that it is given to.
#[async_trait]
pub trait Store: Send + Sync {
    /// Appends a verified webhook to the inbox. **Durable when it returns**: only then may the sender hear 200.
    ///
    /// A crash before it returns: the sender got no 200 and sends it again. After: it is sorted at the next start.
    async fn keep(&self, webhook: Kept) -> Result<(), StoreError>;

    /// The oldest unsorted records, at most `max`.
    async fn unsorted(&self, max: usize) -> Result<Vec<InboxRecord>, StoreError>;

    /// Puts the items of sorted records into their lanes, counts the known ones as duplicates, puts unreadable records
    /// whole among the dead letters, and takes the records out of the inbox: all or nothing. Records that are not in
    /// the inbox any more are passed over, so doing it twice changes nothing.
    async fn sort(&self, sorted: Vec<Sorted>, now: Timestamp) -> Result<SortCount, StoreError>;

    /// Leases the lane that is next, together with one upstream permit, or says until when there is nothing to do.
    /// Promotes what has become due, and takes back leases that have ended.
    ///
    /// A crash after it: the lease ends; a lane without intent is ready again in its old place, one with an intent is
    /// reconciled first.
    async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Result<Claim, StoreError>;

    /// Writes down that a POST may leave this process now. **Durable when it returns**: only then may it be sent.
    ///
    /// A crash after it: the lane may search, but not POST, until the doubt is settled (`Outcome::Negative`).
    async fn begin(&self, lease: &Lease, upto: Seq, now: Timestamp) -> Result<Fenced, StoreError>;

    /// One more permit for a second call under the same lease.
    async fn permit(&self, lease: &Lease, now: Timestamp) -> Result<PermitGrant, StoreError>;

    /// Keeps what the sender's own API said of an event, so that it is asked once.
    async fn fetched(&self, lease: &Lease, seq: Seq, answer: Bytes) -> Result<Fenced, StoreError>;

    /// Ends an attempt: the lane goes where `settlement` says. A stale fence changes nothing.
    async fn settle(&self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Result<Fenced, StoreError>;

    /// Tells the limiter what became of a permit: when the answer came and what its headers said.
    async fn observe(&self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), StoreError>;

    /// Extends the leases that `worker` still holds; gives back those that it has lost, and frees the ones it forgot.
    async fn heartbeat(&self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Result<Vec<Lease>, StoreError>;

    /// Stops calls upstream until [`Store::resume`]. What is kept and sorted goes on.
    async fn pause(&self, why: PauseReason, now: Timestamp) -> Result<(), StoreError>;

    /// Ends a pause. `generation` says which one (a prober's late answer must not end a newer pause); `None` ends any.
    async fn resume(&self, generation: Option<u64>, now: Timestamp) -> Result<(), StoreError>;

    /// Events, newest first, a page at a time.
    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError>;

    /// One event with its payload and its lane's attempts.
    async fn event(&self, id: &EventId) -> Result<Option<EventDetail>, StoreError>;

    /// What is known of one lead.
    async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, StoreError>;

    /// Puts dead letters back: a lane's events into the lane (class bulk, after everything live), an unreadable webhook
    /// into the inbox. Works on at most `max` and says whether there is more. Only acts on what is dead, so a second
    /// time changes nothing.
    async fn replay(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError>;

    /// Lets withheld events go to their lanes. They are not withheld a second time.
    async fn release(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError>;

    /// Gives dead letters or withheld events (`state`) up for good: the payload goes, the receipt stays.
    async fn discard(
        &self,
        state: EventState,
        which: &Selector,
        max: usize,
        now: Timestamp,
    ) -> Result<Moved, StoreError>;

    /// Forgets receipts and idle lanes whose retention has ended, at most `max` of each.
    async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, StoreError>;

    /// Numbers for the person on duty.
    async fn stats(&self, now: Timestamp) -> Result<Stats, StoreError>;

    /// Remembers that these sources have been on, for ever.
    async fn remember_sources(&self, on: &[SourceName], now: Timestamp) -> Result<(), StoreError>;

    /// Every source that has ever been on.
    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError>;

    /// Returns when something may have come into the inbox since the last call; may return for nothing.
    async fn inbox_changed(&self);

    /// Returns when a claim may give more than the last one did; may return for nothing.
    async fn lanes_changed(&self);

    /// Waits until everything accepted so far is durable, and closes. Later calls give [`StoreError::Closed`].
    async fn close(&self);
}

/// Why a store did not do what it was asked. In each case nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A cap (events, bytes, disk) is reached.
    #[error("the store is full ({0}); deliver, discard or give it more room")]
    Full(&'static str),
    /// It is shutting down, or its writer has stopped after an error of the disk.
    #[error("the store is closed")]
    Closed,
    /// More is waiting to be written than it can take at once.
    #[error("the store is busy")]
    Busy,
    /// The backend failed; for the embedded store that is fatal.
    #[error("the store failed: {0}")]
    Backend(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}

/// An unsorted webhook and its place in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxRecord {
    /// Its place.
    pub place: u64,
    /// The webhook.
    pub webhook: Kept,
}

/// What a record's provider made of it.
#[derive(Debug, Clone)]
pub struct Sorted {
    /// Its place in the inbox.
    pub place: u64,
    /// Whose URL it came to.
    pub source: SourceName,
    /// When it had been received.
    pub received: Timestamp,
    /// The id of its request.
    pub request_id: String,
    /// Its items, or why it could not be split.
    pub split: Result<Vec<Item>, Undelivered>,
}

/// Why an event is given up: a word for filters, a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undelivered {
    /// The word.
    pub reason: DeadReason,
    /// The sentence: what happened and what to do. No personal data.
    pub detail: String,
}

/// What became of a sorted batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SortCount {
    /// New events that joined their lanes.
    pub new: usize,
    /// Events that were known.
    pub duplicates: usize,
    /// New events that are withheld.
    pub withheld: usize,
    /// Webhooks that became dead letters, whole.
    pub unreadable: usize,
}

/// Who claims: one per process start, so that a restarted process never looks like its predecessor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct WorkerId(pub String);

/// The right to work on a lane until a time, under a number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The lane.
    pub external_ref: ExternalRef,
    /// Grows with every claim of the lane.
    pub fence: u64,
    /// When it ends, unless a heartbeat extends it.
    pub until: Timestamp,
}

/// The right to one upstream call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PermitId(pub u64);

/// What a claim gave.
#[derive(Debug, Clone)]
pub enum Claim {
    /// A lane to work on.
    Lane(Box<Claimed>),
    /// The workspace is paused, and it is time to try whether it may be called again.
    Probe(Probe),
    /// Nothing until this time (`None`: until something comes in).
    Nothing(Option<Timestamp>),
}

/// The right to try one call while paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// For the call.
    pub permit: PermitId,
    /// Which pause.
    pub generation: u64,
    /// Why it was paused.
    pub why: PauseReason,
}

/// A leased lane.
#[derive(Debug, Clone)]
pub struct Claimed {
    /// The right to it.
    pub lease: Lease,
    /// The right to one call.
    pub permit: PermitId,
    /// Konektor's id of the lead, once known.
    pub lead_id: Option<LeadId>,
    /// An earlier POST whose end is not known.
    pub intent: Option<Intent>,
    /// Clean searches since that found nothing.
    pub negatives: u32,
    /// Definite failures in a row.
    pub attempts: u32,
    /// When the first of them was.
    pub failing_since: Option<Timestamp>,
    /// Its undelivered events, oldest first; at most 256 and 256 KiB, the rest follows after.
    pub events: Vec<StoredEvent>,
}

/// "A POST may have left this process."
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Under which fence.
    pub fence: u64,
    /// When.
    pub at: Timestamp,
    /// The last event that was in it.
    pub upto: Seq,
}

/// An event as a claim gives it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its place in the order of arrival.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// Whose URL it came to.
    pub source: SourceName,
    /// When its webhook had been received.
    pub received: Timestamp,
    /// The id of its request.
    pub request_id: String,
    /// Anything a later event of the lane has already been delivered over: it may fill blanks, not overwrite.
    pub late: bool,
    /// A person has released it: it is not withheld again.
    pub released: bool,
    /// The sender's own bytes.
    pub body: Bytes,
    /// What the sender's API said of it.
    pub fetched: Option<Bytes>,
}

impl std::fmt::Debug for StoredEvent {
    /// Shows no payload.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StoredEvent(#{} {} {}, {} bytes)", self.seq, self.source, self.id, self.body.len())
    }
}

/// Whether a fenced step was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Fenced {
    /// It was.
    Done,
    /// It had been done before under this fence.
    AlreadyDone,
    /// Somebody else holds the lane now: drop the result.
    Stale,
}

/// What a request for one more permit gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitGrant {
    /// Call.
    Granted(PermitId),
    /// Not before this time.
    NotBefore(Timestamp),
    /// The lease is not ours any more.
    Stale,
}

/// The end of an attempt.
#[derive(Debug, Clone)]
pub struct Settlement {
    /// Where the lane goes.
    pub outcome: Outcome,
    /// What was tried, for the lane's log; empty when nothing was called.
    pub attempts: Vec<Attempt>,
}

/// Where a lane goes after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The events up to `upto` have reached the lead: they end as delivered, the intent is closed.
    Done {
        /// Konektor's id of the lead.
        lead_id: LeadId,
        /// The last event that was in the call.
        upto: Seq,
    },
    /// Definitely not executed, to be tried again. Closes the intent.
    Retry {
        /// When.
        at: Timestamp,
        /// Whether it counts as a failure of this lane.
        counted: bool,
    },
    /// The create may or may not have been executed: the intent stays, the lane may only search.
    Ambiguous {
        /// When to search.
        at: Timestamp,
    },
    /// A clean search found nothing.
    Negative {
        /// When to go on.
        at: Timestamp,
        /// True when the doubt is over: the intent is closed and the lane may create again.
        settled: bool,
    },
    /// Given up. A lane without a lead dies with all its events; one with a lead gives up the events up to `upto` and
    /// goes on with the rest. An intent stays, so that a replay searches first.
    Dead {
        /// Why.
        why: Undelivered,
        /// The last event that is given up.
        upto: Seq,
    },
    /// These events are withheld; the lane goes on with the rest.
    Withheld(Vec<(Seq, Hold)>),
    /// Nothing was tried: back to its old place, counters untouched.
    Release {
        /// Not before.
        at: Timestamp,
    },
}

/// One call in a lane's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was sent.
    pub at: Timestamp,
    /// What was called (`create`, `update`, `search`, `fetch`).
    pub call: String,
    /// HTTP status; absent when there was no answer.
    pub status: Option<u16>,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// What came of it, in words without personal data; Konektor's request id when it gave one.
    pub note: String,
}

/// What an answer told of the rate limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observation {
    /// The request was never sent: the permit is given back.
    Unsent,
    /// It was (or may have been) counted upstream.
    Answered(RateHeaders),
}

/// The rate-limit headers of an answer (Agent API 2.2.0, "Response Headers"); all absent when there was no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateHeaders {
    /// `X-RateLimit-Limit`: requests a minute.
    pub limit: Option<u32>,
    /// `X-RateLimit-Remaining`.
    pub remaining: Option<u32>,
    /// `X-RateLimit-Reset`.
    pub reset: Option<Timestamp>,
    /// Set on a 429: do not call for this long.
    pub retry_after: Option<Duration>,
    /// True on a 429.
    pub throttled: bool,
}

/// Why calls upstream are stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, strum::Display, strum::EnumString)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum PauseReason {
    /// A person asked for it; only a person ends it.
    Operator,
    /// Konektor answers 401: the key is missing, wrong, expired or revoked. Probed.
    Unauthorized,
    /// Konektor answers 403: a scope or the plan. Probed.
    Forbidden,
    /// Konektor answers 404 or 405 where its leads should be: the base URL is wrong. Probed.
    Misconfigured,
}

/// Where an event stands.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EventState {
    /// Waits in its lane.
    Pending,
    /// Has reached Konektor.
    Delivered,
    /// Not forwarded by policy.
    Withheld,
    /// Given up, with a reason.
    Dead,
    /// Given up by a person.
    Discarded,
}

/// Which events to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventQuery {
    /// Only in this state.
    pub state: Option<EventState>,
    /// And by these.
    pub filter: EventFilter,
    /// At most so many; the store caps it at 1000.
    pub limit: usize,
    /// Only older than this event: the `next` of the page before.
    pub before: Option<Seq>,
}

/// Conditions that all must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// From this source.
    pub source: Option<SourceName>,
    /// Withheld or dead for this reason (the word of [`Hold`] or [`DeadReason`]).
    pub reason: Option<String>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Of this lead.
    pub lead: Option<ExternalRef>,
}

/// Which dead letters or withheld events to move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// These.
    Ids(Vec<EventId>),
    /// All that match.
    Matching(EventFilter),
}

/// What a bulk move did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// How many events were moved.
    pub count: usize,
    /// Whether more of them match.
    pub more: bool,
}

/// A page of events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventPage {
    /// Newest first.
    pub events: Vec<EventRow>,
    /// Pass as `before` for the next page; `None` at the end.
    pub next: Option<Seq>,
}

/// One event without its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRow {
    /// Its place in the order of arrival.
    pub seq: Seq,
    /// Its id.
    pub id: EventId,
    /// Whose URL it came to.
    pub source: SourceName,
    /// Its lead; absent for a webhook that could not be split.
    pub external_ref: Option<ExternalRef>,
    /// When its webhook had been received.
    pub received: Timestamp,
    /// The id of its request.
    pub request_id: String,
    /// Where it stands.
    pub state: EventState,
    /// When it came to stand there; absent while pending.
    pub ended: Option<Timestamp>,
    /// Withheld or dead: the word.
    pub reason: Option<String>,
    /// Withheld or dead: the sentence.
    pub detail: Option<String>,
    /// Delivered: to which lead.
    pub lead_id: Option<LeadId>,
}

/// One event, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct EventDetail {
    /// What a list shows.
    pub row: EventRow,
    /// The sender's own bytes, while they are kept (pending, withheld, dead).
    pub body: Option<Bytes>,
    /// Its lane.
    pub lane: Option<LaneDetail>,
}

/// What is known of one lead.
#[derive(Debug, Clone, PartialEq)]
pub struct LaneDetail {
    /// Which.
    pub external_ref: ExternalRef,
    /// Where the lane stands: `idle`, `ready`, `waiting`, `leased`, `dead`.
    pub state: &'static str,
    /// When it is due, if it waits.
    pub due: Option<Timestamp>,
    /// Konektor's id of the lead, once known.
    pub lead_id: Option<LeadId>,
    /// An earlier POST whose end is not known.
    pub intent: Option<Intent>,
    /// Undelivered events.
    pub pending: u32,
    /// Definite failures in a row.
    pub attempts: u32,
    /// Leases that ended without a word.
    pub crashes: u32,
    /// Its last calls, newest last; at most ten.
    pub log: Vec<Attempt>,
}

/// What a lane waits as. New leads go before updates, updates before replays.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::VariantArray, strum::IntoStaticStr,
)]
#[strum(serialize_all = "snake_case")]
pub enum Class {
    /// No lead yet.
    New,
    /// A lead that has more to say.
    Update,
    /// Replays and back-fill.
    Bulk,
}

/// Numbers for the person on duty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Stats {
    /// Webhooks not yet sorted.
    pub inbox: u64,
    /// Events by state.
    pub events: Vec<(EventState, u64)>,
    /// Lanes that could be claimed now or later, by class, with the arrival of the oldest.
    pub queues: Vec<Queue>,
    /// Lanes under a lease.
    pub leased: u64,
    /// Dead lanes.
    pub dead_lanes: u64,
    /// Bytes of the payloads held.
    pub bytes: u64,
    /// Why calls are stopped, and since when.
    pub paused: Option<(PauseReason, Timestamp)>,
    /// The limiter.
    pub limiter: LimiterStats,
}

/// One class of waiting lanes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Queue {
    /// Which.
    pub class: Class,
    /// Ready lanes.
    pub ready: u64,
    /// Lanes that wait for a time (back-off, coalescing, reconciling).
    pub waiting: u64,
    /// When the oldest of them began to wait.
    pub oldest: Option<Timestamp>,
}

/// The rate limiter in numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimiterStats {
    /// Requests a minute that Konektor allows, once an answer has told.
    pub limit: Option<u32>,
    /// Permits whose count upstream may still stand.
    pub in_use: u32,
    /// No call before this time.
    pub blocked_until: Option<Timestamp>,
}
