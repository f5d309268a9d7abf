//! The admin API's JSON, both ways: what the listener answers and what the commands read.

mod stats;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::stats::{Day, Limiter, Outage, Queue, Stats};
pub use super::backfill::{Listed, PageOfList};
use crate::domain::form::Change;
use crate::domain::status::Status;
use crate::store;

/// Query of a list. Everything is optional.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ListQuery {
    /// At most so many, 1 to 1000; 50 where absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<usize>,
    /// The `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
    /// Only in this state; for `events` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<store::EventState>,
    /// Only from this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Only withheld or dead for this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Only received at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Only received before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Only of this lead (`externalRef`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// Only what this request brought: the `X-Request-Id` that its sender got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
}

/// Query of an audit.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditQuery {
    /// The `next` of the answer before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// One step of looking through the store. Ask again while there is a `next`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Audit {
    /// What cannot be, at most 100.
    pub flaws: Vec<Flaw>,
    /// Lanes looked at in this step.
    pub lanes: u64,
    /// Events looked at in this step.
    pub events: u64,
    /// The `cursor` of the next step; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Something in the store that cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flaw {
    /// What is broken.
    pub rule: store::Rule,
    /// Of which lead (`externalRef`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// Of which event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What is wrong.
    pub says: String,
}

/// Which dead letters or withheld events to move: `ids`, or conditions that all must hold, or `all`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Which {
    /// These events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// From this source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// For this reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Received at or after this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Received before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Of this lead (`externalRef`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// Brought by this request (`X-Request-Id`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Every one there is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
    /// Of a replay: from the answer before this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What a bulk move did. Ask again while there is `more`; with `next` as the `cursor`, where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// How many events were moved.
    pub count: usize,
    /// Whether more of them match.
    pub more: bool,
    /// Of a replay: where to go on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

/// Why a request had no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A word for programs.
    pub error: String,
    /// A sentence for people.
    pub message: String,
}

/// Whether webhooks should be sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// They should.
    pub ready: bool,
    /// The bridge is stopping.
    pub stopping: bool,
    /// `ok`, or what is wrong with the store.
    pub store: String,
    /// Why calls to Konektor are stopped; webhooks are kept meanwhile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<String>,
}

/// The sources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// By name.
    pub sources: Vec<Source>,
    /// The names of all that are on or have been, also of those that are not configured any more.
    pub once_on: Vec<String>,
}

/// A source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// The word for its provider.
    pub provider: String,
    /// What to paste at the sender; only the path where `BRIDGE_PUBLIC_URL` is not set.
    pub url: String,
    /// Whether it takes webhooks.
    pub on: bool,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The variables and files that would switch it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Its forms whose fields have changed in the last 30 days.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forms: Vec<Form>,
}

/// A form whose fields have changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Form {
    /// The sender's id of it; empty where its forms have none.
    pub form: String,
    /// What has changed, oldest first.
    pub changes: Vec<Change>,
}

/// Whether calls to Konektor are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PauseState {
    /// Why and since when they are; absent while they go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
}

/// Why calls are stopped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// The reason.
    pub why: store::PauseReason,
    /// Since when.
    pub since: Timestamp,
}

/// Leads that Konektor has more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incidents {
    /// Those seen last first.
    pub incidents: Vec<Incident>,
}

/// A lead that Konektor has more than once, or a person who turned out to be several leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// Which.
    pub external_ref: String,
    /// The one that further events go to, once Konektor has said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_id: Option<String>,
    /// The others: to be merged into it.
    pub doubles: Vec<String>,
    /// References (`externalRef`) of other leads of the same person: to be merged into it, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub twins: Vec<String>,
    /// When that was seen last.
    pub seen: Timestamp,
}

/// Which incidents to forget: of one lead, or all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Dismissed {
    /// Of this lead (`externalRef`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<String>,
    /// Every one there is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}

/// A page of events, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventPage {
    /// Without payloads.
    pub events: Vec<Event>,
    /// The `cursor` of the next page; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An event without its payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Its id.
    pub id: String,
    /// Whose URL it came to.
    pub source: String,
    /// Its lead; absent for a webhook that could not be split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<String>,
    /// When its webhook had been received.
    pub received: Timestamp,
    /// The `X-Request-Id` that its sender got.
    pub request_id: String,
    /// Where it stands.
    pub state: store::EventState,
    /// Since when, unless it is pending.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// Withheld or dead: the word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Withheld or dead: the sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Delivered: to which lead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_id: Option<String>,
}

/// An event, whole. Holds personal data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventDetail {
    /// What a list shows.
    pub event: Event,
    /// The sender's own bytes, while they are kept (pending, withheld, dead).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<Payload>,
    /// Its lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lane: Option<Lane>,
}

/// Bytes: as text where they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Payload {
    /// They are UTF-8.
    Text(String),
    /// They are not.
    Base64(String),
}

/// What is known of one lead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lane {
    /// Which.
    pub external_ref: String,
    /// Other references by which the same person is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// `idle`, `ready`, `waiting`, `leased` or `dead`.
    pub state: String,
    /// When it is due, if it waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// Konektor's id of the lead, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead_id: Option<String>,
    /// Where Konektor's own webhooks said that the lead stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// And when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status_at: Option<Timestamp>,
    /// When a create was sent whose end is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_doubt_since: Option<Timestamp>,
    /// Konektor's id of a lead that was found by its code and may be this one's: an update of it got no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adopting: Option<String>,
    /// Undelivered events.
    pub pending: u32,
    /// Definite failures in a row.
    pub attempts: u32,
    /// Attempts that ended without a word.
    pub crashes: u32,
    /// The last calls, newest last.
    pub log: Vec<store::Attempt>,
}

impl From<store::Moved> for Moved {
    fn from(moved: store::Moved) -> Self {
        Self { count: moved.count, more: moved.more, next: None }
    }
}

impl From<store::Audit> for Audit {
    fn from(audit: store::Audit) -> Self {
        let store::Audit { flaws, lanes, events, next } = audit;
        Self { flaws: flaws.into_iter().map(Flaw::from).collect(), lanes, events, next: next.map(|id| id.to_string()) }
    }
}

impl From<store::Flaw> for Flaw {
    fn from(flaw: store::Flaw) -> Self {
        let store::Flaw { rule, lead, event, says } = flaw;
        Self { rule, lead: lead.map(|lead| lead.to_string()), event: event.map(|id| id.to_string()), says }
    }
}

impl From<store::Incident> for Incident {
    fn from(incident: store::Incident) -> Self {
        let store::Incident { external_ref, lead_id, doubles, twins, seen } = incident;
        Self {
            external_ref: external_ref.to_string(),
            lead_id: lead_id.map(|id| id.to_string()),
            doubles: doubles.iter().map(ToString::to_string).collect(),
            twins: twins.iter().map(ToString::to_string).collect(),
            seen,
        }
    }
}

impl From<store::EventPage> for EventPage {
    fn from(page: store::EventPage) -> Self {
        Self { events: page.events.into_iter().map(Event::from).collect(), next: page.next.map(|seq| seq.to_string()) }
    }
}

impl From<store::EventRow> for Event {
    fn from(row: store::EventRow) -> Self {
        let store::EventRow {
            seq: _,
            id,
            source,
            external_ref,
            received,
            request_id,
            state,
            ended,
            reason,
            detail,
            lead_id,
        } = row;
        Self {
            id: id.to_string(),
            source: source.to_string(),
            external_ref: external_ref.map(|external_ref| external_ref.to_string()),
            received,
            request_id,
            state,
            ended,
            reason,
            detail,
            lead_id: lead_id.map(|id| id.to_string()),
        }
    }
}

impl From<store::EventDetail> for EventDetail {
    fn from(detail: store::EventDetail) -> Self {
        Self {
            event: detail.row.into(),
            payload: detail.body.map(|body| Payload::from(body.as_ref())),
            lane: detail.lane.map(Lane::from),
        }
    }
}

impl From<&[u8]> for Payload {
    fn from(bytes: &[u8]) -> Self {
        match str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

impl From<store::LaneDetail> for Lane {
    fn from(lane: store::LaneDetail) -> Self {
        let store::LaneDetail {
            external_ref,
            state,
            due,
            aliases,
            lead_id,
            standing,
            intent,
            adopting,
            told: _,
            pending,
            attempts,
            crashes,
            log,
        } = lane;
        Self {
            external_ref: external_ref.to_string(),
            aliases: aliases.iter().map(ToString::to_string).collect(),
            state: state.to_owned(),
            due,
            lead_id: lead_id.map(|id| id.to_string()),
            status: standing.map(|standing| standing.status),
            status_at: standing.map(|standing| standing.at),
            in_doubt_since: intent.map(|intent| intent.at),
            adopting: adopting.map(|id| id.to_string()),
            pending,
            attempts,
            crashes,
            log,
        }
    }
}
