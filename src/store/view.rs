//! What a person sees of the store: events, lanes, numbers; and how they are chosen.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Attempt, DayStats, Intent, PauseReason, Seq, Standing, Words};
use crate::domain::event::{EventId, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;

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
    /// Withheld or dead for this reason: the word of a [`Hold`](crate::domain::event::Hold) or a
    /// [`DeadReason`](crate::domain::event::DeadReason).
    pub reason: Option<String>,
    /// Received at or after.
    pub since: Option<Timestamp>,
    /// Received before.
    pub until: Option<Timestamp>,
    /// Of this lead.
    pub lead: Option<ExternalRef>,
    /// Brought by the request of this id. No store has an index of these: without a lead, its events are gone through one by
    /// one, as for a source.
    pub request: Option<String>,
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
    /// Other references by which the same person is known.
    pub aliases: Vec<ExternalRef>,
    /// Konektor's id of the lead, once known.
    pub lead_id: Option<LeadId>,
    /// Where Konektor said by itself that the lead stands.
    pub standing: Option<Standing>,
    /// An earlier POST whose end is not known.
    pub intent: Option<Intent>,
    /// The lead that was found by its code and may be its own: an update of it got no answer.
    pub adopting: Option<LeadId>,
    /// What has reached the lead, as far as the lane has heard of it.
    pub told: Words,
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
    /// The day's leads.
    pub day: DayStats,
    /// Until when every new lead is searched for before it is created: the store may have forgotten something.
    pub searching_first_until: Option<Timestamp>,
    /// Leads that Konektor has more than once, and that nobody has merged yet.
    pub incidents: u64,
}

/// A lead that Konektor has more than once, or a person who turned out to be two leads. Kept until a person says that it
/// was merged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// Which.
    pub external_ref: ExternalRef,
    /// The one that further events go to; `None` while Konektor has not said.
    pub lead_id: Option<LeadId>,
    /// The others.
    pub doubles: Vec<LeadId>,
    /// References of other lanes that turned out to be of the same person. What they held went on to leads of their own,
    /// which Konektor has under these references.
    pub twins: Vec<ExternalRef>,
    /// When that was seen last.
    pub seen: Timestamp,
}

impl Incident {
    /// What is known of `external_ref` from now on: `doubles` of the lead `lead_id`, and what `before` says of twins.
    pub(super) fn of_doubles(
        before: Option<Self>,
        external_ref: &ExternalRef,
        lead_id: &LeadId,
        doubles: &[LeadId],
        now: Timestamp,
    ) -> Self {
        let twins = before.map(|before| before.twins).unwrap_or_default();
        Self {
            external_ref: external_ref.clone(),
            lead_id: Some(lead_id.clone()),
            doubles: doubles.to_vec(),
            twins,
            seen: now,
        }
    }

    /// What is known of `external_ref` from now on: another lane is of the same person; each with its lead, if known.
    pub(super) fn of_twins(
        before: Option<Self>,
        (external_ref, lead_id): (&ExternalRef, Option<&LeadId>),
        (twin, double): (&ExternalRef, Option<&LeadId>),
        now: Timestamp,
    ) -> Self {
        let empty = Self {
            external_ref: external_ref.clone(),
            lead_id: None,
            doubles: Vec::new(),
            twins: Vec::new(),
            seen: now,
        };
        let mut incident = before.unwrap_or(empty);
        incident.lead_id = lead_id.cloned().or(incident.lead_id);
        incident.seen = now;
        if let Some(double) = double.filter(|double| !incident.doubles.contains(double)) {
            incident.doubles.push(double.clone());
        }
        if !incident.twins.contains(twin) {
            incident.twins.push(twin.clone());
        }
        incident
    }
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
