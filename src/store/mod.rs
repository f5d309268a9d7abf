//! The only place where the two halves meet: what came in and is not delivered yet, and what is known of each lead.
//!
//! A [`Store`] is few verbs. Each one is one atomic step, safe to do twice, and says what a crash after it means. The
//! backends share the pure parts: the lane's state machine in `lane`, the rate limiter in `limit`, and in `gate` whether a
//! call may go out now, and for whom. `suspicion` and `day` are parts of the gate.

mod audit;
mod cap;
mod day;
mod gate;
mod lane;
mod limit;
mod memo;
mod memory;
pub mod moving;
mod options;
mod parts;
mod receipt;
mod redis;
mod sqlite;
mod suspicion;
mod time;
mod turns;
mod view;
mod words;
mod work;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::event::{EventId, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;

pub use audit::{Audit, Flaw, Rule};
pub use cap::{Cap, lacks_room};
pub use day::{Day, DayNote, DayState, DayStats};
pub use limit::{Limiter, Take};
pub use memo::Topic;
pub use memory::MemoryStore;
pub use options::Options;
pub use parts::{Parts, Place, Tally};
pub use redis::{OnTime, RedisStore, RedisTies, Remark, Weight, examine, in_use, may_pass};
pub use sqlite::{OpenError, SqliteStore};
pub use view::{
    Class, EventDetail, EventFilter, EventPage, EventQuery, EventRow, EventState, Incident, LaneDetail, LimiterStats,
    Moved, Queue, Selector, Stats,
};
pub use words::{Word, Words};
pub use work::{
    Adopting, Arrival, Attempt, Chore, Claim, Claimed, Fenced, InboxRecord, Intent, Learned, Lease, Named, Observation,
    Outcome, PauseReason, PermitGrant, PermitId, Probe, RateHeaders, Settlement, SortCount, Sorted, Standing,
    StoredEvent, Telling, Undelivered, Verification, Verified, WorkerId,
};

/// Place of an event in the order of arrival, over all lanes. Grows, never reused.
pub type Seq = u64;

/// Durable state of the bridge. `now` is passed in, by one clock: when that is set back by more than a minute, what is due
/// comes as much earlier; by less, time stands still for as long.
#[async_trait]
pub trait Store: Send + Sync {
    /// Appends a verified webhook to the inbox. **Durable when it returns**: only then may the sender hear 200.
    ///
    /// A crash before it returns: the sender got no 200 and sends it again. After: it is sorted at the next start.
    async fn keep(&self, webhook: Kept) -> Result<(), StoreError>;

    /// Whether a webhook would be kept at this moment; the error is what its sender would hear of. Keeps nothing.
    async fn would_keep(&self) -> Result<(), StoreError>;

    /// The oldest unsorted records of those behind the place `after`, at most `max` and 256 KiB; if there are any, at least one.
    async fn unsorted(&self, after: u64, max: usize) -> Result<Vec<InboxRecord>, StoreError>;

    /// Puts the items of sorted records into their lanes, counts the known ones as duplicates, puts unreadable records
    /// whole among the dead letters, and takes the records out of the inbox. Each record all or nothing; a long batch may
    /// be done in several steps, so that keeping does not wait. Records that are not in the inbox any more are passed
    /// over, so doing it twice changes nothing. What a back-fill brought waits as
    /// bulk, after everything live, until its lead says something new.
    ///
    /// In the same step an item joins the lane that is known by any of its names, the oldest if there are several; without
    /// one, its reference names a new lane. All its names are that lane's from then on, as long as the lane is remembered.
    /// What comes next goes to the oldest. Another lane of the same person, what it holds still going on, comes to the
    /// oldest's lead where it has none of its own ([`Claimed::follows`]), and the oldest to the other's; two that may have
    /// one each stay two leads, and an incident says so. Before its items, a record's lessons are heeded: a lane learns
    /// which lead is its own (which ends an open intent, and counts only after a lease that lasts), and where that stands.
    async fn sort(&self, sorted: Vec<Sorted>, now: Timestamp) -> Result<SortCount, StoreError>;

    /// Leases the lane that is next, together with one upstream permit, or says until when there is nothing to do.
    /// Promotes what has become due, and takes back leases that have ended. Creates that the day has no room for are put
    /// off until it ends; chores are handed out in the place of replays. Of lanes that know the same lead one is leased at a
    /// time, and none while an update that a lost worker of another has sent may still land: the others are put off. It hears
    /// what the others have told the lead, the hundred of them that came last if there are more.
    ///
    /// In the same step, when the store may have forgotten something (`queue.md` §2.6, R2 and R3): a lane without a lead
    /// whose oldest event came in before (or while a POST of before may still be under way) gets an intent that was begun
    /// then, and is reconciled; a younger one is to be looked for first (`search_first`) for a while. So no POST can slip in between the noticing and the claim.
    ///
    /// A crash after it: the lease ends; a lane without intent is ready again in its old place, one with an intent is
    /// reconciled first; a chore is handed out again.
    async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Result<Claim, StoreError>;

    /// Writes down that a POST may leave this process now. **Durable when it returns**: only then may it be sent.
    /// Again under the same lease (a second POST after a refused one) it moves the intent's time on. [`Fenced::Stale`]
    /// also when the lease has ended, an earlier lease left an intent that is still open, or Konektor has said meanwhile that the
    /// lead is there: settle, and the lane comes to it.
    ///
    /// `telling` is what the call says, and of whom: whoever finds out whether the lead is there goes by that.
    ///
    /// A crash after it: the lane may search, but not POST, until the doubt is settled (`Outcome::Negative`).
    async fn begin(&self, lease: &Lease, upto: Seq, telling: Telling, now: Timestamp) -> Result<Fenced, StoreError>;

    /// One more permit for a second call under the same lease; none while calls are stopped.
    ///
    /// `adopting` is the lead that this call, or one before it, may make that of a lane which has none; `None`: there is no such
    /// lead, or no more. **Durable when it returns** a permit: only then may a lead that was found by its code be written into.
    ///
    /// A crash after it: the next claim says which lead that was ([`Claimed::adopting`]), so that no other is made or written into.
    async fn permit(
        &self,
        lease: &Lease,
        adopting: Option<Adopting>,
        now: Timestamp,
    ) -> Result<PermitGrant, StoreError>;

    /// Keeps what the sender's own API said of a pending event, so that it is asked once.
    async fn fetched(&self, lease: &Lease, seq: Seq, answer: Bytes) -> Result<Fenced, StoreError>;

    /// Ends an attempt: the lane goes where `settlement` says. A stale fence changes nothing. In the same step, doubles are
    /// kept as an incident, and a create that followed a doubt is put down to be verified a quarter of an hour later.
    async fn settle(&self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Result<Fenced, StoreError>;

    /// Ends a chore: doubles are kept as an incident, and the verification is over, or put off.
    async fn verified(&self, chore: &Verification, verified: Verified, now: Timestamp) -> Result<(), StoreError>;

    /// Notes what is known of the day's leads; gives where the day stands then.
    async fn note_day(&self, note: DayNote, now: Timestamp) -> Result<DayState, StoreError>;

    /// Tells the limiter what became of a permit: when the answer came and what its headers said.
    async fn observe(&self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), StoreError>;

    /// Extends the leases that `worker` still holds; gives back those that it has lost, and frees the ones it forgot
    /// (older than 5 s and not in `held`: the strays of a claim whose answer was lost).
    async fn heartbeat(&self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Result<Vec<Lease>, StoreError>;

    /// Stops claims until [`Store::resume`]; keeping and sorting go on, and what is under way ends. The same reason twice
    /// is one pause, and nothing replaces an operator's.
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
    /// into the inbox. A lane without a lead comes back with all its dead events. Works on at most `max`, rounded up to
    /// whole lanes, and says whether there is more. Only acts on what is dead, so a second time changes nothing.
    async fn replay(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError>;

    /// Lets withheld events go to their lanes. They are not withheld a second time.
    async fn release(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError>;

    /// Gives dead letters or withheld events (`state`) up for good: the payload goes, the receipt stays. Any other state
    /// moves nothing.
    async fn discard(
        &self,
        state: EventState,
        which: &Selector,
        max: usize,
        now: Timestamp,
    ) -> Result<Moved, StoreError>;

    /// Leads that Konektor has more than once, those seen last first, at most `max`.
    async fn incidents(&self, max: usize) -> Result<Vec<Incident>, StoreError>;

    /// Forgets incidents, for they were dealt with: of this lead, or all. Gives how many there were.
    async fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, StoreError>;

    /// Forgets receipts and idle lanes whose retention has ended, at most `max` of each.
    async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, StoreError>;

    /// Numbers for the person on duty.
    async fn stats(&self, now: Timestamp) -> Result<Stats, StoreError>;

    /// Looks whether what is held agrees with itself. Without `after` at the whole (the counters, the limiter, the
    /// backend's own files), then at `max` lanes and their events a call, from `after` on: pass the `next` of the answer
    /// before. Each call is of one moment, so it may be asked while everything goes on; the first takes as long as
    /// reading all that is held. Changes nothing.
    async fn audit(&self, after: Option<u64>, max: usize, now: Timestamp) -> Result<Audit, StoreError>;

    /// Remembers that these sources have been on, for ever.
    async fn remember_sources(&self, on: &[SourceName], now: Timestamp) -> Result<(), StoreError>;

    /// Every source that has ever been on.
    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError>;

    /// What is noted under `key`.
    async fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, StoreError>;

    /// All memos of a topic, by key.
    async fn memos(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, StoreError>;

    /// Notes `value` under `key` for ever, if `was` stands there (`None`: nothing); otherwise changes nothing and gives
    /// false. So of several who have seen the same, one is told that it was the first. **Durable when it returns.**
    /// [`StoreError::Full`] when a topic has 2000 memos, a key is longer than 400 bytes, or a value than 64 KiB.
    async fn set_memo(&self, topic: Topic, key: &str, value: Bytes, was: Option<Bytes>) -> Result<bool, StoreError>;

    /// A part of all that is held, from `place` on: about `max` things, or a megabyte. Nobody may be at work meanwhile, and
    /// all of it together says what is held if nobody is ([`moving`]).
    async fn give(&self, place: Place, max: usize) -> Result<Parts, StoreError>;

    /// Takes what another store has given, in the order in which that gave it, and notes `is` under `from` of
    /// [`Topic::Move`]; if `was` stands there. Otherwise changes nothing and gives false. **Durable when it returns.**
    ///
    /// A crash before it returns: all of it is there, and the note, or nothing.
    async fn take(&self, parts: Parts, was: Bytes, is: Bytes) -> Result<bool, StoreError>;

    /// Returns when something may have come into the inbox since the last call; may return for nothing.
    async fn inbox_changed(&self);

    /// Returns when a claim may give more than the last one did; may return for nothing.
    async fn lanes_changed(&self);

    /// Waits until everything accepted so far is durable, and closes. Later calls give [`StoreError::Closed`].
    async fn close(&self);
}

/// Why a store did not do what it was asked. Nothing was changed, except that [`StoreError::Closed`] and
/// [`StoreError::Backend`] leave open what became of a request that was already under way.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A cap (events, bytes, disk) is reached.
    #[error("the store is full: {0}")]
    Full(Cap),
    /// It is shutting down, or its writer has stopped after an error of the disk.
    #[error("the store is closed")]
    Closed,
    /// More is waiting to be written than it can take at once.
    #[error("the store is busy")]
    Busy,
    /// The backend failed. An error of the disk is fatal for the embedded store: it is closed from then on.
    #[error("the store failed: {0}")]
    Backend(String, #[source] Box<dyn std::error::Error + Send + Sync>),
}
