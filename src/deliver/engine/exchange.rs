//! What the engine and the world say to each other.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::super::fold::Flaw;
use super::super::plan::End;
use super::super::retry::Die;
use crate::domain::event::{Hold, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::form::Change as FormChange;
use crate::domain::lead::LeadId;
use crate::konektor::{Answer, Outage, Request, Verdict};
use crate::providers::{Complaint, Lookup};
use crate::store::{
    Adopting, Claim, Claimed, DayNote, DayState, Fenced, InboxRecord, LaneDetail, Lease, Observation, PauseReason,
    PermitGrant, PermitId, Seq, Settlement, SortCount, Sorted, Store, StoreError, Telling, Topic, Undelivered,
    Verification, Verified, WorkerId,
};

/// What is true when something is said.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// The wall clock's time. It may be wrong, and jump.
    pub now: Timestamp,
    /// How long the engine has been running, by a clock that neither stands still nor goes back.
    pub running: Duration,
    /// A number that was drawn for this moment.
    pub die: Die,
}

/// Ties what is said to the effect that asked for it. Never used twice, so that an answer that comes again is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(super) u64);

/// What the engine is told.
#[derive(Debug)]
pub enum Input {
    /// What came of a deed.
    Said(Ticket, Said),
    /// Begin nothing new, end what is under way.
    Stop,
}

/// What the engine wants.
#[derive(Debug)]
pub enum Effect {
    /// Do this, and say under this ticket what came of it.
    Do(Ticket, Deed),
    /// Write this down for people. Nothing is to be said to it.
    Report(Report),
}

/// What is to be done.
#[derive(Debug)]
pub enum Deed {
    /// Ask the store.
    Ask(Ask),
    /// Call Konektor, within its time-out.
    Call(Request),
    /// Ask a sender's own API.
    LookUp(Lookup),
    /// Wait for this long, or until something has changed.
    Wait(Duration, Change),
}

/// What ends a wait early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// Something may have come into the inbox.
    Inbox,
    /// A claim may give more than the last one did.
    Lanes,
}

/// What came of a deed.
#[derive(Debug)]
pub enum Said {
    /// To [`Deed::Ask`].
    Told(Result<Told, StoreError>),
    /// To [`Deed::Call`].
    Answered(Answer),
    /// To [`Deed::LookUp`]; `None` when nobody answered.
    LookedUp(Option<Reply>),
    /// To [`Deed::Wait`].
    Woken,
}

/// A sender's answer to a lookup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, capped.
    pub body: Vec<u8>,
}

/// What the store is asked; each is one verb of [`Store`].
#[derive(Debug, Clone)]
pub enum Ask {
    /// [`Store::unsorted`].
    Unsorted(u64, usize),
    /// [`Store::sort`].
    Sort(Vec<Sorted>),
    /// [`Store::expire`].
    Expire(usize),
    /// [`Store::claim`].
    Claim,
    /// [`Store::lane`].
    Lane(ExternalRef),
    /// [`Store::begin`].
    Begin(Lease, Seq, Telling),
    /// [`Store::permit`].
    Permit(Lease, Option<Adopting>),
    /// [`Store::fetched`].
    Fetched(Lease, Seq, Bytes),
    /// [`Store::settle`].
    Settle(Lease, Settlement),
    /// [`Store::observe`].
    Observe(PermitId, Observation),
    /// [`Store::heartbeat`].
    Heartbeat(Vec<Lease>),
    /// [`Store::verified`].
    Verified(Verification, Verified),
    /// [`Store::note_day`].
    NoteDay(DayNote),
    /// [`Store::pause`].
    Pause(PauseReason),
    /// [`Store::resume`].
    Resume(u64),
    /// [`Store::memo`].
    Memo(Topic, String),
    /// [`Store::set_memo`].
    SetMemo(Topic, String, Bytes, Option<Bytes>),
}

/// What the store says.
#[derive(Debug)]
pub enum Told {
    /// To [`Ask::Unsorted`].
    Unsorted(Vec<InboxRecord>),
    /// To [`Ask::Sort`].
    Sorted(SortCount),
    /// To [`Ask::Expire`].
    Expired(usize),
    /// To [`Ask::Claim`].
    Claim(Claim),
    /// To [`Ask::Lane`].
    Lane(Option<Box<LaneDetail>>),
    /// To [`Ask::Begin`], [`Ask::Fetched`] and [`Ask::Settle`].
    Fenced(Fenced),
    /// To [`Ask::Permit`].
    Permit(PermitGrant),
    /// To [`Ask::Heartbeat`]: the leases that are lost.
    Lost(Vec<Lease>),
    /// To [`Ask::NoteDay`].
    Day(DayState),
    /// To [`Ask::Memo`].
    Memo(Option<Bytes>),
    /// To [`Ask::SetMemo`]: whether it was the first.
    Noted(bool),
    /// To [`Ask::Observe`], [`Ask::Verified`], [`Ask::Pause`] and [`Ask::Resume`].
    Done,
}

impl Ask {
    /// Asks `store`, as `worker`.
    ///
    /// # Errors
    /// What the store could not do.
    pub async fn put(self, store: &dyn Store, worker: &WorkerId, now: Timestamp) -> Result<Told, StoreError> {
        Ok(match self {
            Self::Unsorted(after, max) => Told::Unsorted(store.unsorted(after, max).await?),
            Self::Sort(sorted) => Told::Sorted(store.sort(sorted, now).await?),
            Self::Expire(max) => Told::Expired(store.expire(max, now).await?),
            Self::Claim => Told::Claim(store.claim(worker, now).await?),
            Self::Lane(external_ref) => Told::Lane(store.lane(&external_ref).await?.map(Box::new)),
            Self::Begin(lease, upto, telling) => Told::Fenced(store.begin(&lease, upto, telling, now).await?),
            Self::Permit(lease, adopting) => Told::Permit(store.permit(&lease, adopting, now).await?),
            Self::Fetched(lease, seq, fields) => Told::Fenced(store.fetched(&lease, seq, fields).await?),
            Self::Settle(lease, settlement) => Told::Fenced(store.settle(&lease, settlement, now).await?),
            Self::Heartbeat(held) => Told::Lost(store.heartbeat(worker, &held, now).await?),
            Self::NoteDay(note) => Told::Day(store.note_day(note, now).await?),
            Self::Memo(topic, key) => Told::Memo(store.memo(topic, &key).await?),
            Self::SetMemo(topic, key, value, was) => Told::Noted(store.set_memo(topic, &key, value, was).await?),
            Self::Verified(lead, verified) => {
                store.verified(&lead, verified, now).await?;
                Told::Done
            }
            Self::Observe(permit, seen) => {
                store.observe(permit, seen, now).await?;
                Told::Done
            }
            Self::Pause(why) => {
                store.pause(why, now).await?;
                Told::Done
            }
            Self::Resume(generation) => {
                store.resume(Some(generation), now).await?;
                Told::Done
            }
        })
    }
}

/// What people may want to know: for the log and the metrics.
#[derive(Debug)]
pub enum Report {
    /// A batch was sorted.
    Sorted {
        /// Whose webhooks they were, one by one.
        sources: Vec<SourceName>,
        /// What became of them.
        count: SortCount,
        /// Those of which not everything goes on.
        stopped: Vec<Stopped>,
    },
    /// A webhook tells of errors of its sender's.
    Complained {
        /// Whose URL it came to.
        source: SourceName,
        /// The id of its request.
        request_id: String,
        /// Which, each with how often.
        complaints: Vec<(Complaint, usize)>,
    },
    /// There is nothing to deliver, until this time (`None`: until something comes in).
    Idle(Option<Timestamp>),
    /// Konektor was called.
    Called {
        /// The call's word.
        call: &'static str,
        /// Source and request id of the oldest webhook in the call; absent where it was for no lead.
        webhook: Option<(SourceName, String)>,
        /// What its answer means.
        verdict: Verdict,
        /// HTTP status; absent when there was no answer.
        status: Option<u16>,
        /// From the request to the answer.
        took: Duration,
        /// What Konektor calls the request.
        upstream_id: Option<String>,
    },
    /// Konektor fails again and again, and calls wait, from now on or longer than was thought.
    BreakerOpened {
        /// How it fails, and until when calls wait.
        outage: Outage,
        /// How long that is.
        pause: Duration,
    },
    /// Konektor answers again, so long after calls had begun to wait.
    BreakerClosed(Duration),
    /// A sender's own API was asked.
    LookedUp {
        /// Whose.
        source: SourceName,
        /// What came of it.
        end: LookupEnd,
        /// From the first question to the last answer.
        took: Duration,
    },
    /// A sender's own API is asked by one lead at a time from now on.
    SenderShut {
        /// Whose.
        source: SourceName,
        /// What it is not asked about; `None` is everything.
        scope: Option<String>,
        /// It refuses every question until a person mends the access; otherwise it was asked too much, or nearly.
        refused: bool,
        /// What happened and what to do.
        why: String,
    },
    /// A sender's own API answers again.
    SenderOpen {
        /// Whose.
        source: SourceName,
        /// What it had not been asked about; `None` is everything.
        scope: Option<String>,
    },
    /// An attempt has ended.
    Settled {
        /// What had been claimed.
        claimed: Box<Claimed>,
        /// How it ended.
        end: Box<End>,
        /// When.
        at: Timestamp,
    },
    /// A lead that was created after a doubt turned out to be there more than once.
    Doubled {
        /// The one that is known.
        kept: LeadId,
        /// The others.
        doubles: Vec<LeadId>,
    },
    /// The day's leads stand otherwise than before.
    Day {
        /// How they stood.
        was: DayState,
        /// How they stand.
        is: DayState,
    },
    /// The key may not ask how many leads were made today.
    DayUntold,
    /// Calls to this workspace must stop.
    Paused(PauseReason),
    /// Calls to this workspace may go on.
    Resumed(PauseReason),
    /// A form's fields are not what they were.
    Drift {
        /// Whose form.
        source: SourceName,
        /// What is different; at least one.
        changes: Vec<FormChange>,
    },
    /// Of a lead that was delivered or withheld, rules that nothing came of; at least one.
    RulesFailed {
        /// The request that brought the newest of its events.
        request_id: String,
        /// Which, and why.
        flaws: Vec<Flaw>,
    },
    /// Receipts past their retention were forgotten.
    Expired(usize),
    /// The store did not do its part: what was to be done, and why it was not.
    StoreFailed(&'static str, StoreError),
    /// The code stopped in the middle of an attempt.
    Bug,
}

/// A webhook of which not everything goes on to Konektor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Whose URL it came to.
    pub source: SourceName,
    /// The id of its request.
    pub request_id: String,
    /// How many of its leads are withheld, and why the first of them is; or why nothing of it could be read.
    pub why: Result<(Hold, usize), Undelivered>,
}

impl Stopped {
    pub(super) fn of(sorted: &Sorted) -> Option<Self> {
        let why = match &sorted.split {
            Err(why) => Err(why.clone()),
            Ok(items) => {
                let mut holds = items.iter().map(|item| item.hold).filter(|hold| *hold != Hold::No);
                let first = holds.next()?;
                Ok((first, 1 + holds.count()))
            }
        };
        Some(Self { source: sorted.source.clone(), request_id: sorted.request_id.clone(), why })
    }
}

/// What came of asking a sender's own API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookupEnd {
    /// The fields.
    Got,
    /// Not now.
    Later,
    /// Not for anybody until a person mends the access.
    Blocked,
    /// Never.
    GaveUp,
}
