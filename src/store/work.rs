//! What the two halves hand each other through the store: records, leases, permits, outcomes.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Seq, Words};
use crate::domain::event::{DeadReason, EventId, Hold, HoldCount, Item, Kept, Lesson, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::domain::status::Status;

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
    /// How long its items may wait.
    pub arrival: Arrival,
    /// Its items, or why it could not be split.
    pub split: Result<Vec<Item>, Undelivered>,
    /// What else it says of leads: heeded before its items join their lanes, and not at all where it could not be split.
    pub lessons: Vec<Lesson>,
}

/// When what a record says was said, and so how long it may wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrival {
    /// Just now.
    #[default]
    Live,
    /// Some time ago: a back-fill brought it, and it waits behind all that is live (class bulk).
    Bulk,
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
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SortCount {
    /// Places of the records that this took out of the inbox: what is not among them, somebody else has sorted.
    pub records: Vec<u64>,
    /// New events that joined their lanes.
    pub new: usize,
    /// Events that were known.
    pub duplicates: usize,
    /// New events that are withheld.
    pub withheld: HoldCount,
    /// Webhooks that became dead letters, whole.
    pub unreadable: usize,
    /// New events that became dead letters because their lane has too many undelivered ones.
    pub crowded: usize,
    /// Lanes that came to know something: which lead is theirs, where it stands, another name of the person.
    pub learned: usize,
    /// Incidents that came to light: a lane of a person who has an older one, a second lead of a lane.
    pub incidents: usize,
}

impl std::ops::AddAssign for SortCount {
    fn add_assign(&mut self, more: Self) {
        let Self { records, new, duplicates, withheld, unreadable, crowded, learned, incidents } = more;
        self.records.extend(records);
        self.new += new;
        self.duplicates += duplicates;
        self.withheld += withheld;
        self.unreadable += unreadable;
        self.crowded += crowded;
        self.learned += learned;
        self.incidents += incidents;
    }
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
    /// Something to look up at Konektor.
    Chore(PermitId, Chore),
    /// The workspace is paused, and it is time to try whether it may be called again.
    Probe(Probe),
    /// Nothing until this time (`None`: until something comes in).
    Nothing(Option<Timestamp>),
}

/// Something to look up at Konektor, beside the lanes. Handed out again when nothing is heard of it: looking twice does no
/// harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chore {
    /// Whether a lead that was created after a doubt is there once only: [`Store::verified`](super::Store::verified).
    Verify(Verification),
    /// How many leads were made today: [`Store::note_day`](super::Store::note_day).
    LookAtDay,
}

/// A lead to be searched for once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Its reference.
    pub external_ref: ExternalRef,
    /// The id under which it is known.
    pub lead_id: LeadId,
}

/// What a [`Verification`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verified {
    /// These leads are the same as the one that is known; none, if all is well.
    Seen(Vec<LeadId>),
    /// Nobody could say; to be looked up again then.
    Later(Timestamp),
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
    /// Whom that POST named, where it is known.
    pub named: Option<Named>,
    /// The lead that was found by its code, and that an earlier update may have made this lane's own. `None` once it has one.
    pub adopting: Option<Adopting>,
    /// The lead may be there although nothing here says so: one clean search goes before a create.
    pub search_first: bool,
    /// Since when (or a little before) leads may have been made and forgotten with their events, while what comes in is
    /// searched for because of that.
    pub lost: Option<Timestamp>,
    /// The day's leads are nearly used up: a refusal that says no reason may be for that.
    pub day_nearly_over: bool,
    /// Clean searches since that found nothing.
    pub negatives: u32,
    /// Definite failures in a row.
    pub attempts: u32,
    /// When the first of them was.
    pub failing_since: Option<Timestamp>,
    /// The lane of the same person that will have a lead first ([`Store::sort`](super::Store::sort)): nothing is created before
    /// it is known what becomes of that. `None` once this one has a lead.
    pub follows: Option<ExternalRef>,
    /// What has reached the lead, from this lane or from others that know it: older words on the same fields are late.
    pub told: Words,
    /// Where Konektor said by itself that the lead stands.
    pub standing: Option<Standing>,
    /// Its undelivered events, oldest first; at most 256 and 256 KiB, the rest follows after.
    pub events: Vec<StoredEvent>,
}

impl Claimed {
    /// The last event in hand.
    #[must_use]
    pub fn upto(&self) -> Seq {
        self.events.last().map_or(0, |event| event.seq)
    }
}

/// Where a lead stood, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub status: Status,
    /// When Konektor said so, by its clock.
    pub at: Timestamp,
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

impl Intent {
    /// The `upto` of an intent that nobody remembers: the store may have forgotten it ([`Intent::is_suspected`]).
    pub const NOTHING: Seq = 0;

    /// True when no POST is known of, but one may have been forgotten; `at` is when that was noticed. What was in it, and
    /// when it was sent, nobody knows.
    #[must_use]
    pub const fn is_suspected(&self) -> bool {
        self.upto == Self::NOTHING
    }
}

/// What a create says, as far as that has to be known until its end is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Telling {
    /// On which fields it has its say: once the lead is known to be there, whoever finds it out, that has reached it.
    pub words: Words,
    /// Whom it names: rules may read its events differently by the time it is searched for.
    pub named: Named,
}

impl Telling {
    /// It says nothing.
    #[must_use]
    pub const fn nothing() -> Self {
        Self { words: Words::none(), named: Named { first_name: None, phone: None, email: None } }
    }
}

impl From<Words> for Telling {
    /// Of nobody in particular.
    fn from(words: Words) -> Self {
        Self { words, ..Self::nothing() }
    }
}

/// Whom a create names, as it was sent.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Named {
    /// Given name.
    pub first_name: Option<String>,
    /// Number.
    pub phone: Option<String>,
    /// Address.
    pub email: Option<String>,
}

impl Named {
    /// Whether it names nobody.
    #[must_use]
    pub const fn is_nobody(&self) -> bool {
        self.first_name.is_none() && self.phone.is_none() && self.email.is_none()
    }
}

impl std::fmt::Debug for Named {
    /// Shows nobody.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.is_nobody() { "Named(nobody)" } else { "Named(somebody)" })
    }
}

/// A lead that was found by its code, and that an update of the lane may have made its own: who it shows tells whether somebody
/// else was written into it since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopting {
    /// Konektor's id of it.
    pub lead_id: LeadId,
    /// Whom it named when it was read for that update.
    pub shown: Named,
    /// Whom that update names.
    pub sent: Named,
}

impl Adopting {
    /// Whom it names, whether that update was made or not: either of these, or, field by field, some of both.
    #[must_use]
    pub const fn named(&self) -> [&Named; 2] {
        [&self.shown, &self.sent]
    }

    /// Which lead it is stays known.
    pub(super) fn forget_who(&mut self) {
        (self.shown, self.sent) = (Named::default(), Named::default());
    }
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
    /// Calls are stopped.
    Paused,
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
    /// What else came out.
    pub learned: Learned,
}

/// What an attempt brought to light beside its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Learned {
    /// Leads that Konektor has beside the one that the outcome names, under the same reference: kept as an
    /// [`Incident`](super::Incident).
    pub doubles: Vec<LeadId>,
    /// What was delivered. That of a create is known from its intent, too.
    pub told: Words,
    /// The lane of the same person whose lead this one was to come to, and which has none. Now that this one has a lead, it
    /// comes to this one's; if it may have another already, that is kept as an [`Incident`](super::Incident).
    pub twin: Option<ExternalRef>,
    /// Until when an update may still land that was sent and got no answer: before that, neither this lane nor another one
    /// of the lead is worked on.
    pub lands: Option<Timestamp>,
}

impl From<Outcome> for Settlement {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, attempts: Vec::new(), learned: Learned::default() }
    }
}

/// Where a lane goes after an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The events up to `upto` that were in the call have reached the lead: they end as delivered, the intent is closed,
    /// the counters start anew. After a search that found the lead, `upto` is the intent's.
    Done {
        /// Konektor's id of the lead.
        lead_id: LeadId,
        /// The last event that was in the call.
        upto: Seq,
    },
    /// Definitely not executed, to be tried again. Closes the intent of this lease; an older one stays.
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
    /// Given up. A lane without a lead dies with all its events, unless one has joined it since the claim: that may be the
    /// correction, and the lane goes on with all of them. One with a lead gives up the events up to `upto` and
    /// goes on with the rest. Closes the intent of this very attempt (its create was refused, definitely); an older one
    /// stays, so that a replay searches first.
    Dead {
        /// Why.
        why: Undelivered,
        /// The last event that is given up.
        upto: Seq,
    },
    /// These events are withheld; the lane goes on with the rest.
    Withheld(Vec<(Seq, Hold)>),
    /// Nothing was executed: back to its old place, counters untouched. Closes the intent of this lease; an older one
    /// stays.
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
    /// What was called (`create`, `update`, `search`, `fetch`), or `rule` for one that nothing came of.
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

impl PauseReason {
    /// What a person does to end it.
    #[must_use]
    pub const fn to_do(self) -> &'static str {
        match self {
            Self::Operator => "`konektor-bridge resume` lets calls go on",
            Self::Unauthorized => {
                "the key is wrong, expired or revoked: make one in Konektor under Workspace Settings, API Keys, and set \
                 KONEKTOR_API_KEY"
            }
            Self::Forbidden => {
                "the key has not agent.leads.read and agent.leads.write, or the plan does not include the Agent API: \
                 `konektor-bridge check` says which"
            }
            Self::Misconfigured => "KONEKTOR_BASE_URL does not lead to Konektor's API: correct it, or unset it",
        }
    }
}
