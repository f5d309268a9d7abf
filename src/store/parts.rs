//! What a store holds, in parts that any other takes: what moves from one backend to another.
//!
//! A part says what is meant, not how it lies somewhere: what one backend keeps and another finds out is left out, so that
//! both ends give the same parts of the same store, and a [`Tally`] of one can be held against that of the other.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use strum::{EnumString, IntoStaticStr};

use super::gate::GateRecord;
use super::lane::{Lane, State};
use super::{Adopting, Attempt, EventState, Incident, Named, Seq, Topic};
use crate::domain::event::{EventId, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;

/// The kinds of parts, in the order in which they are given: a lane before its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, EnumString, IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Stage {
    Sources,
    Memos,
    Incidents,
    Traces,
    Lanes,
    Events,
    Inbox,
    Whole,
}

impl Stage {
    /// The kind that comes after; `None` after the last.
    const fn next(self) -> Option<Self> {
        match self {
            Self::Sources => Some(Self::Memos),
            Self::Memos => Some(Self::Incidents),
            Self::Incidents => Some(Self::Traces),
            Self::Traces => Some(Self::Lanes),
            Self::Lanes => Some(Self::Events),
            Self::Events => Some(Self::Inbox),
            Self::Inbox => Some(Self::Whole),
            Self::Whole => None,
        }
    }
}

/// How far a store has been given: everything of the kinds before, and of this kind what comes before a number that means
/// something to that backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub(super) stage: Stage,
    pub(super) after: u64,
}

impl Place {
    /// Nothing has been given.
    pub const START: Self = Self { stage: Stage::Sources, after: 0 };

    /// Where to go on: in this kind after `after`, or with the next kind; `None` at the end.
    pub(super) fn on(self, after: Option<u64>) -> Option<Self> {
        match after {
            Some(after) => Some(Self { after, ..self }),
            None => self.stage.next().map(|stage| Self { stage, after: 0 }),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", <&str>::from(self.stage), self.after)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (stage, after) = text.split_once('/').ok_or(())?;
        Ok(Self { stage: stage.parse().map_err(drop)?, after: after.parse().map_err(drop)? })
    }
}

/// Some parts, and where to go on; `None` at the end.
#[derive(Debug, Clone, PartialEq)]
pub struct Parts {
    pub(super) parts: Vec<Part>,
    /// Where to go on.
    pub next: Option<Place>,
}

impl Parts {
    /// Whether they are of a store that has kept anything yet: what its configuration leaves in it does not count.
    #[must_use]
    pub fn are_of_a_store_in_use(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Source(..) | Part::Memo(..) => false,
            Part::Incident(_) | Part::Trace(_) | Part::Lane(_) | Part::Event(_) | Part::Webhook(..) => true,
            Part::Whole(part) => part.next_place > 1 || part.next_seq > 1,
        })
    }

    /// Leads among them.
    #[must_use]
    pub fn leads(&self) -> u64 {
        self.parts.iter().filter(|part| matches!(part, Part::Lane(_))).count() as u64
    }

    /// Events and webhooks among them.
    #[must_use]
    pub fn payloads(&self) -> u64 {
        self.parts.iter().filter(|part| matches!(part, Part::Event(_) | Part::Webhook(..))).count() as u64
    }
}

/// One thing that a store holds.
#[derive(Clone, PartialEq)]
pub(super) enum Part {
    Source(SourceName, Timestamp),
    Memo(Topic, String, Bytes),
    Incident(Incident),
    Trace([u8; 16]),
    Lane(Box<LanePart>),
    Event(Box<EventPart>),
    /// A webhook that is not sorted yet, and its place.
    Webhook(u64, Kept),
    Whole(Box<WholePart>),
}

/// A lane, without its events' payloads.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LanePart {
    pub(super) external_ref: ExternalRef,
    /// Its place among the lanes by age.
    pub(super) born: u64,
    pub(super) lane: Lane,
    /// Oldest first.
    pub(super) pending: Vec<PendingPart>,
    /// Delivered, withheld and discarded events, oldest first.
    pub(super) past: Vec<Seq>,
    pub(super) dead: u32,
    /// Idle: when it may be forgotten.
    pub(super) forget: Option<Timestamp>,
    pub(super) verify: Option<Timestamp>,
    pub(super) log: Vec<Attempt>,
    /// Its other names, in order, and those that are its no more (true).
    pub(super) names: Vec<(ExternalRef, bool)>,
}

/// A pending event, as far as its lane has to know it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PendingPart {
    pub(super) seq: Seq,
    pub(super) joined: u64,
    pub(super) source: SourceName,
    pub(super) received: Timestamp,
}

/// An event.
#[derive(Clone, PartialEq)]
pub(super) struct EventPart {
    pub(super) seq: Seq,
    pub(super) id: EventId,
    /// `None`: a webhook that could not be split.
    pub(super) external_ref: Option<ExternalRef>,
    pub(super) source: SourceName,
    pub(super) received: Timestamp,
    pub(super) request_id: String,
    pub(super) state: EventState,
    pub(super) joined: u64,
    pub(super) released: bool,
    pub(super) known_until: Timestamp,
    pub(super) ended: Option<Timestamp>,
    pub(super) why: Option<(String, String)>,
    pub(super) lead_id: Option<LeadId>,
    pub(super) forget: Option<Timestamp>,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Bytes>,
    pub(super) fetched: Option<Bytes>,
}

/// What is counted, and what the gate knows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct WholePart {
    pub(super) next_place: u64,
    pub(super) next_seq: Seq,
    pub(super) sorted: u64,
    pub(super) gone: u64,
    pub(super) gate: GateRecord,
    /// The limiter's log.
    pub(super) calls: BTreeMap<u64, Timestamp>,
}

impl LanePart {
    /// The same of an idle lane whatever a backend has kept of its last place.
    pub(super) fn plain(mut self) -> Self {
        if self.lane.state == State::Idle {
            (self.lane.ord, self.lane.since) = (0, Timestamp::UNIX_EPOCH);
        } else {
            self.forget = None;
        }
        self.pending.sort_by_key(|event| event.seq);
        self.past.sort_unstable();
        self.names.sort_unstable();
        self
    }
}

impl fmt::Debug for Part {
    /// Shows no personal data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind())
    }
}

impl Part {
    /// As what it is counted.
    fn kind(&self) -> String {
        match self {
            Self::Source(..) => "sources".to_owned(),
            Self::Memo(..) => "memos".to_owned(),
            Self::Incident(_) => "incidents".to_owned(),
            Self::Trace(_) => "forgotten leads".to_owned(),
            Self::Lane(part) => format!("leads {}", part.lane.state.word()),
            Self::Event(part) => format!("events {}", part.state),
            Self::Webhook(..) => "webhooks to sort".to_owned(),
            Self::Whole(_) => "counters".to_owned(),
        }
    }

    /// A hash of all that is in it.
    fn digest(&self) -> u128 {
        let mut hash = Sha256::new();
        let mut add = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_le_bytes());
            hash.update(bytes);
        };
        match self {
            // The model does not know since when.
            Self::Source(name, _since) => add(name.as_str().as_bytes()),
            Self::Memo(topic, key, value) => {
                [<&str>::from(*topic).as_bytes(), key.as_bytes(), value].into_iter().for_each(add);
            }
            Self::Incident(incident) => add(format!("{incident:?}").as_bytes()),
            Self::Trace(trace) => add(trace),
            Self::Lane(part) => {
                add(format!("{part:?}").as_bytes());
                // What shows nobody does not tell one from another.
                let adopting = part.lane.adopting.iter().flat_map(Adopting::named);
                for Named { first_name, phone, email } in adopting.chain([&part.lane.telling.named]) {
                    [first_name, phone, email].into_iter().for_each(|text| add(format!("{text:?}").as_bytes()));
                }
            }
            Self::Event(part) => part.write(add),
            Self::Webhook(place, webhook) => {
                add(&place.to_le_bytes());
                add(format!("{webhook:?} {:?}", webhook.headers).as_bytes());
                add(&webhook.body);
            }
            // Calls leave the log by themselves.
            Self::Whole(part) => {
                add(format!("{:?}", WholePart { calls: BTreeMap::new(), ..(**part).clone() }).as_bytes())
            }
        }
        let mut first = [0; 16];
        first.copy_from_slice(&hash.finalize()[..16]);
        u128::from_le_bytes(first)
    }
}

impl EventPart {
    fn write(&self, mut add: impl FnMut(&[u8])) {
        let Self {
            seq,
            id,
            external_ref,
            source,
            received,
            request_id,
            state,
            joined,
            released,
            known_until,
            ended,
            why,
            lead_id,
            forget,
            headers,
            body,
            fetched,
        } = self;
        let born = (seq, id, external_ref, source, received, request_id, known_until);
        add(format!("{born:?}").as_bytes());
        let stands = (state, joined, released, ended, why, lead_id, forget, headers);
        add(format!("{stands:?}").as_bytes());
        for payload in [body, fetched] {
            add(&[u8::from(payload.is_some())]);
            add(payload.as_deref().unwrap_or_default());
        }
    }
}

/// What was seen of a store, counted, with a digest that does not depend on the order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many of each kind.
    pub counts: BTreeMap<String, u64>,
    digest: u128,
}

impl Tally {
    /// Counts parts.
    pub fn add(&mut self, parts: &Parts) {
        for part in &parts.parts {
            *self.counts.entry(part.kind()).or_default() += 1;
            self.digest = self.digest.wrapping_add(part.digest());
        }
    }

    /// The digest, for a person to compare.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("{:032x}", self.digest)
    }
}
