//! A lane as Redis keeps it: one record of about a hundred bytes, with all that a step on it is decided by.
//!
//! Times that a clock that was set back shifts are kept as if it had never been (`back` is by how much in all), so that
//! setting it back costs nothing.

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::added::{Added, Adopts, Listed, More};
use super::values::{Strange, Text, nanos, pack, time, unpack};
use crate::domain::event::SourceName;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::Line;
use crate::store::lane::{Lane, Rest, Span, State, Wait};
use crate::store::{Attempt, Class, Intent, Seq, Standing, Telling, WorkerId, receipt};

/// Its first byte.
const VERSION: u8 = 1;
/// Past events that a record has room for; when there are more, the older half goes beside it.
const ROOM: usize = 64;

/// Names a lane: half a hash of its reference.
pub(super) type Name = [u8; 16];

/// The name of a lane.
pub(super) fn name_of(external_ref: &ExternalRef) -> Name {
    receipt::trace(external_ref)
}

/// A pending event, as far as its lane has to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) seq: Seq,
    /// The lane's fence when it joined.
    pub(super) joined: u64,
    received: i64,
    source: u8,
}

impl Pending {
    pub(super) fn received(&self) -> Timestamp {
        time(self.received)
    }
}

/// A lane, its events, and what is only kept for a person.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) external_ref: ExternalRef,
    pub(super) lane: Lane,
    /// Oldest first.
    pending: Vec<Pending>,
    /// Whose they are.
    sources: Vec<SourceName>,
    /// Delivered, withheld and discarded events, in no order.
    past: Vec<Seq>,
    /// How many more of them are beside the record.
    pub(super) beside: u32,
    /// How many dead ones there are; which is beside the record.
    pub(super) dead: u32,
    /// Idle: when it may be forgotten.
    pub(super) forget: Option<Timestamp>,
    /// The hour under which it is put down to be looked at then; 0 is none.
    pub(super) put_down: i64,
    /// When the lead is to be searched for once more.
    pub(super) verify: Option<Timestamp>,
    pub(super) log: Vec<Attempt>,
    /// Its place among the lanes, by age: that of its first event.
    pub(super) born: Seq,
    /// Its other names, and those that are its no more (true).
    pub(super) names: Vec<(ExternalRef, bool)>,
    /// It is listed under its lead, with the others that know it.
    pub(super) is_listed: bool,
    /// What a version after this one has added.
    rest: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Record {
    external_ref: String,
    class: u8,
    ord: u64,
    since: i64,
    state: StateRecord,
    fence: u64,
    settled: u64,
    lead_id: Option<Text>,
    intent: Option<(u64, i64, u64)>,
    negatives: u32,
    attempts: u32,
    failing_since: Option<i64>,
    crashes: u32,
    delivered: u64,
    cleared: Option<i64>,
    told: Option<i64>,
    forgotten: bool,
    pending: Vec<Pending>,
    sources: Vec<String>,
    past: Vec<u64>,
    beside: u32,
    dead: u32,
    forget: Option<i64>,
    put_down: i64,
    verify: Option<i64>,
    log: Vec<(i64, String, Option<u16>, u64, String)>,
    born: u64,
    names: Vec<(String, bool)>,
    standing: Option<(String, i64)>,
    heard: Option<Text>,
}

#[derive(Serialize, Deserialize)]
enum StateRecord {
    Idle,
    Ready,
    Waiting { due: i64, why: u8 },
    Leased { worker: String, from: i64, until: i64 },
    Dead,
}

impl Known {
    /// A lane of which nothing is known; `forgotten` if it once was.
    pub(super) fn new(external_ref: ExternalRef, forgotten: bool) -> Self {
        Self {
            external_ref,
            lane: Lane { forgotten, ..Lane::new() },
            pending: Vec::new(),
            sources: Vec::new(),
            past: Vec::new(),
            beside: 0,
            dead: 0,
            forget: None,
            put_down: 0,
            verify: None,
            log: Vec::new(),
            born: 0,
            names: Vec::new(),
            is_listed: false,
            rest: Vec::new(),
        }
    }

    /// Reads a record.
    pub(super) fn read(bytes: &[u8], back: i64) -> Result<Self, Strange> {
        let [VERSION, _, packed @ ..] = bytes else { return Err(Strange("a lane of another version")) };
        let (record, rest) = unpack::<Record>(packed, "a lane")?;
        let (Added { told, telling, crashed, follows }, rest) = Added::read((record.delivered, record.told), rest)?;
        let (more, rest) = More::read(rest)?;
        let (Listed(is_listed), rest) = Listed::read(rest)?;
        let (Adopts(adopting), rest) = Adopts::read(rest)?;
        let shifted = |nanos: i64| time(nanos - back);
        let intent = record.intent.map(|(fence, at, upto)| Intent { fence, at: shifted(at), upto });
        let lane = Lane {
            state: state(record.state, back)?,
            class: class(record.class)?,
            ord: record.ord,
            since: time(record.since),
            fence: record.fence,
            settled: record.settled,
            // A version that does not know of it may have given the lane a lead since.
            adopting: adopting.filter(|_| record.lead_id.is_none()),
            lead_id: record.lead_id.map(|id| LeadId(id.into())),
            intent,
            negatives: record.negatives,
            attempts: record.attempts,
            failing_since: record.failing_since.map(time),
            crashes: record.crashes,
            pending: u32::try_from(record.pending.len()).unwrap_or(u32::MAX),
            cleared: record.cleared.map(shifted),
            told,
            telling: Telling { words: telling, named: more.named(intent) },
            lands: more.lands.map(shifted),
            crashed: crashed.map(shifted),
            follows: follows.map(ExternalRef::from_stored),
            forgotten: record.forgotten,
            standing: record.standing.map(standing).transpose()?,
            heard: record.heard.map(|id| LeadId(id.into())),
        };
        let has_lead = lane.lead_id.is_some();
        let sources = record.sources.iter().map(|name| SourceName::parse(name)).collect::<Result<_, _>>();
        let log = record.log.into_iter();
        Ok(Self {
            external_ref: ExternalRef::from_stored(record.external_ref),
            lane,
            pending: record.pending,
            sources: sources.map_err(|_| Strange("the name of a source"))?,
            past: record.past,
            beside: record.beside,
            dead: record.dead,
            forget: record.forget.map(time),
            put_down: record.put_down,
            verify: record.verify.map(shifted),
            log: log
                .map(|(at, call, status, millis, note)| Attempt { at: time(at), call, status, millis, note })
                .collect(),
            born: record.born,
            names: record.names.into_iter().map(|(name, past)| (ExternalRef::from_stored(name), past)).collect(),
            is_listed: is_listed && has_lead,
            rest: rest.to_vec(),
        })
    }

    /// Writes it.
    pub(super) fn write(&self, back: i64) -> Bytes {
        let Self { external_ref, lane, pending, sources, past, beside, dead, forget, put_down, verify, log, .. } = self;
        let Self { born, names, is_listed, rest, .. } = self;
        let shifted = |time: Timestamp| nanos(time).saturating_add(back);
        let idle = lane.state == State::Idle;
        let last = lane.told.last();
        let record = Record {
            external_ref: external_ref.as_str().to_owned(),
            class: lane.class as u8,
            // An idle lane has no place.
            ord: if idle { 0 } else { lane.ord },
            since: if idle { 0 } else { nanos(lane.since) },
            state: state_record(&lane.state, back),
            fence: lane.fence,
            settled: lane.settled,
            lead_id: lane.lead_id.as_ref().map(|id| id.0.as_str().into()),
            intent: lane.intent.map(|intent| (intent.fence, shifted(intent.at), intent.upto)),
            negatives: lane.negatives,
            attempts: lane.attempts,
            failing_since: lane.failing_since.map(nanos),
            crashes: lane.crashes,
            delivered: last.map_or(0, |word| word.seq),
            cleared: lane.cleared.map(shifted),
            told: last.and_then(|word| word.at).map(nanos),
            forgotten: lane.forgotten,
            pending: pending.clone(),
            sources: sources.iter().map(|source| source.as_str().to_owned()).collect(),
            past: past.clone(),
            beside: *beside,
            dead: *dead,
            forget: forget.map(nanos),
            put_down: *put_down,
            verify: verify.map(shifted),
            log: log
                .iter()
                .map(|one| (nanos(one.at), one.call.clone(), one.status, one.millis, one.note.clone()))
                .collect(),
            born: *born,
            names: names.iter().map(|(name, past)| (name.as_str().to_owned(), *past)).collect(),
            standing: lane.standing.map(|standing| (standing.status.to_string(), nanos(standing.at))),
            heard: lane.heard.as_ref().map(|id| id.0.as_str().into()),
        };
        let added = Added {
            told: lane.told.clone(),
            telling: lane.telling.words.clone(),
            crashed: lane.crashed.map(shifted),
            follows: lane.follows.as_ref().map(|other| other.as_str().to_owned()),
        };
        let bytes = pack(&added, pack(&record, vec![VERSION, tag(&lane.state)]));
        let bytes = pack(&Listed(*is_listed), pack(&More::of(lane, back), bytes));
        let mut bytes = pack(&Adopts(lane.adopting.clone()), bytes);
        bytes.extend_from_slice(rest);
        bytes.into()
    }

    /// In which sorted sets it stands, and where.
    pub(super) fn places(&self, back: i64) -> Vec<(String, i64)> {
        let line = Line::of(&self.lane) as u8;
        let ord = super::values::int(self.lane.ord);
        let shifted = |time: Timestamp| nanos(time).saturating_add(back);
        let mut places = match &self.lane.state {
            State::Idle | State::Dead => Vec::new(),
            State::Ready => vec![(format!("q{line}"), ord)],
            State::Waiting { due, why } => {
                let mut places = vec![(format!("w{line}"), ord), ("due".to_owned(), shifted(*due))];
                if *why == Wait::Day {
                    places.push(("day".to_owned(), shifted(*due)));
                }
                places
            }
            State::Leased { until, .. } => vec![("lease".to_owned(), shifted(*until))],
        };
        places.extend(self.verify.map(|due| ("v".to_owned(), shifted(due))));
        places
    }

    /// The set of those that have its lead to themselves, or had it when their workers were lost; if it is one of them.
    pub(super) fn set_of_its_lead(&self) -> Option<String> {
        let has_it = matches!(self.lane.state, State::Leased { .. }) || self.lane.lands.is_some();
        self.lane.lead_id.as_ref().filter(|_| has_it).map(set_of)
    }

    /// The lead under which it is listed.
    pub(super) fn listed_under(&self) -> Option<Name> {
        self.lane.lead_id.as_ref().filter(|_| self.is_listed).map(name_of_lead)
    }

    pub(super) fn pending(&self) -> &[Pending] {
        &self.pending
    }

    pub(super) fn past(&self) -> &[Seq] {
        &self.past
    }

    /// Whose its first pending event is.
    pub(super) fn source(&self) -> Option<&SourceName> {
        self.pending.first().and_then(|first| self.sources.get(usize::from(first.source)))
    }

    /// Its other names, in order.
    pub(super) fn aliases(&self) -> Vec<ExternalRef> {
        let mut aliases: Vec<_> = self.names.iter().filter(|(_, past)| !past).map(|(name, _)| name.clone()).collect();
        aliases.sort_unstable();
        aliases
    }

    /// Whether it has any event.
    pub(super) fn has_events(&self) -> bool {
        !self.pending.is_empty() || !self.past.is_empty() || self.beside > 0 || self.dead > 0
    }

    /// Its pending events.
    pub(super) fn rest(&self) -> Rest {
        Rest {
            count: u32::try_from(self.pending.len()).unwrap_or(u32::MAX),
            first: self.pending.first().map(|first| (first.seq, first.received())),
        }
    }

    /// Whether an event has joined it since it was claimed last.
    pub(super) fn has_newer(&self) -> bool {
        self.pending.iter().any(|event| event.joined >= self.lane.fence)
    }

    /// A pending event joins it. To be told to the lane besides.
    pub(super) fn join(&mut self, seq: Seq, source: &SourceName, received: Timestamp) {
        let known = self.sources.iter().position(|one| one == source);
        let source = known.unwrap_or_else(|| {
            // More than fit are told apart no more.
            if self.sources.len() < usize::from(u8::MAX) {
                self.sources.push(source.clone());
            }
            self.sources.len() - 1
        });
        let event = Pending {
            seq,
            joined: self.lane.fence,
            received: nanos(received),
            source: u8::try_from(source).unwrap_or(u8::MAX),
        };
        let place = self.pending.partition_point(|one| one.seq < seq);
        self.pending.insert(place, event);
    }

    /// An event joins it that joined it in another store under `joined`.
    pub(super) fn rejoin(&mut self, seq: Seq, source: &SourceName, received: Timestamp, joined: u64) {
        self.join(seq, source, received);
        self.pending.iter_mut().filter(|event| event.seq == seq).for_each(|event| event.joined = joined);
    }

    /// Whose a pending event is.
    pub(super) fn source_of(&self, event: &Pending) -> Option<&SourceName> {
        self.sources.get(usize::from(event.source))
    }

    /// Takes pending events out, and gives them.
    pub(super) fn end(&mut self, ends: impl Fn(&Pending) -> bool) -> Vec<Pending> {
        let (ended, left) = std::mem::take(&mut self.pending).into_iter().partition(|event| ends(event));
        self.pending = left;
        if self.pending.is_empty() {
            self.sources.clear();
        }
        ended
    }

    /// Takes those of a span out.
    pub(super) fn end_span(&mut self, span: Span) -> Vec<Pending> {
        self.end(|event| span.covers(event.seq, event.joined))
    }

    /// An event of it is past. Gives those that have to go beside the record.
    pub(super) fn lay_by(&mut self, seq: Seq) -> Vec<Seq> {
        self.past.push(seq);
        if self.past.len() <= ROOM {
            return Vec::new();
        }
        self.past.sort_unstable();
        let out: Vec<Seq> = self.past.drain(..ROOM / 2).collect();
        self.beside += u32::try_from(out.len()).unwrap_or(0);
        out
    }

    /// A past event is past no more, or forgotten. False when it is beside the record.
    pub(super) fn fetch_back(&mut self, seq: Seq) -> bool {
        let Some(place) = self.past.iter().position(|one| *one == seq) else {
            self.beside = self.beside.saturating_sub(1);
            return false;
        };
        self.past.swap_remove(place);
        true
    }
}

/// The set of the lanes that have a lead to themselves.
pub(super) fn set_of(lead_id: &LeadId) -> String {
    format!("u:{}", hex::encode(name_of_lead(lead_id)))
}

/// Names a lead: half a hash of its id.
pub(super) fn name_of_lead(lead_id: &LeadId) -> Name {
    let mut name = Name::default();
    name.copy_from_slice(&Sha256::digest(&lead_id.0)[..16]);
    name
}

fn tag(state: &State) -> u8 {
    match state {
        State::Idle => 0,
        State::Ready => 1,
        State::Waiting { .. } => 2,
        State::Leased { .. } => 3,
        State::Dead => 4,
    }
}

fn state(record: StateRecord, back: i64) -> Result<State, Strange> {
    let shifted = |nanos: i64| time(nanos - back);
    Ok(match record {
        StateRecord::Idle => State::Idle,
        StateRecord::Ready => State::Ready,
        StateRecord::Waiting { due, why } => State::Waiting { due: shifted(due), why: wait(why)? },
        StateRecord::Leased { worker, from, until } => {
            State::Leased { worker: WorkerId(worker), from: shifted(from), until: shifted(until) }
        }
        StateRecord::Dead => State::Dead,
    })
}

fn state_record(state: &State, back: i64) -> StateRecord {
    let shifted = |time: Timestamp| nanos(time).saturating_add(back);
    match state {
        State::Idle => StateRecord::Idle,
        State::Ready => StateRecord::Ready,
        State::Waiting { due, why } => StateRecord::Waiting { due: shifted(*due), why: *why as u8 },
        State::Leased { worker, from, until } => {
            StateRecord::Leased { worker: worker.0.clone(), from: shifted(*from), until: shifted(*until) }
        }
        State::Dead => StateRecord::Dead,
    }
}

fn standing((word, at): (String, i64)) -> Result<Standing, Strange> {
    let status = word.parse().map_err(|_| Strange("where a lead stands"))?;
    Ok(Standing { status, at: time(at) })
}

fn wait(why: u8) -> Result<Wait, Strange> {
    match why {
        0 => Ok(Wait::Backoff),
        1 => Ok(Wait::Coalesce),
        2 => Ok(Wait::Reconcile),
        3 => Ok(Wait::Day),
        _ => Err(Strange("why a lane waits")),
    }
}

fn class(number: u8) -> Result<Class, Strange> {
    match number {
        0 => Ok(Class::New),
        1 => Ok(Class::Update),
        2 => Ok(Class::Bulk),
        _ => Err(Strange("the class of a lane")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lead::Field;
    use crate::store::{Adopting, Named, Word, Words};

    fn told(seq: Seq) -> Words {
        Words::of([Field::Phone], Word { seq, at: None })
    }

    fn known() -> Known {
        let mut known = Known::new(ExternalRef::new("form:", "ann"), false);
        known.lane.told = told(5);
        known
    }

    /// What the version before makes of a record: it knows nothing of what stands after it, and leaves that there.
    fn as_before(bytes: &[u8], change: impl FnOnce(&mut Record)) -> Vec<u8> {
        let (mut record, rest) = unpack::<Record>(&bytes[2..], "a lane").unwrap();
        change(&mut record);
        let mut bytes = pack(&record, bytes[..2].to_vec());
        bytes.extend_from_slice(rest);
        bytes
    }

    /// What a version said that remembers no payments.
    fn every_field(seq: Seq) -> Words {
        Words::of(Field::ALL.into_iter().filter(|field| *field != Field::Payment), Word { seq, at: None })
    }

    #[test]
    fn what_the_version_before_delivers_meanwhile_counts_for_every_field() {
        let ours = known().write(0);
        let untouched = Known::read(&as_before(&ours, |record| record.fence += 1), 0).unwrap();
        assert_eq!((untouched.lane.fence, untouched.lane.told), (1, told(5)));
        let delivered = Known::read(&as_before(&ours, |record| record.delivered = 9), 0).unwrap();
        assert_eq!(delivered.lane.told, every_field(9));
    }

    #[test]
    fn whom_a_create_named_is_forgotten_when_the_version_before_has_begun_another() {
        let mut known = known();
        let phone = Some("+6281234567890".to_owned());
        known.lane.intent = Some(Intent { fence: 7, at: Timestamp::UNIX_EPOCH, upto: 5 });
        known.lane.telling.named = Named { phone: phone.clone(), ..Named::default() };
        known.lane.lands = Some(Timestamp::UNIX_EPOCH);
        let ours = known.write(0);
        let untouched = Known::read(&ours, 0).unwrap();
        assert_eq!((untouched.lane.telling.named.phone, untouched.lane.lands), (phone, known.lane.lands));
        let other = Known::read(&as_before(&ours, |record| record.intent = Some((8, 0, 6))), 0).unwrap();
        assert_eq!(other.lane.telling.named, Named::default());
    }

    #[test]
    fn a_lead_that_the_version_before_has_given_meanwhile_is_still_to_be_listed() {
        let lead_id = || Some(LeadId("L".to_owned()));
        let mut known = known();
        let given = as_before(&known.write(0), |record| record.lead_id = Some("L".into()));
        let given = Known::read(&given, 0).unwrap();
        assert_eq!((given.lane.lead_id, given.is_listed), (lead_id(), false));
        (known.lane.lead_id, known.is_listed) = (lead_id(), true);
        let touched = Known::read(&as_before(&known.write(0), |record| record.fence += 1), 0).unwrap();
        assert_eq!(touched.listed_under(), lead_id().as_ref().map(name_of_lead));
    }

    #[test]
    fn which_lead_is_adopted_is_forgotten_when_the_version_before_has_given_another() {
        let mut known = known();
        let adopting = Adopting { lead_id: LeadId("L".to_owned()), shown: Named::default(), sent: Named::default() };
        known.lane.adopting = Some(adopting.clone());
        let ours = known.write(0);
        let untouched = Known::read(&as_before(&ours, |record| record.fence += 1), 0).unwrap();
        assert_eq!(untouched.lane.adopting, Some(adopting));
        let given = Known::read(&as_before(&ours, |record| record.lead_id = Some("M".into())), 0).unwrap();
        assert_eq!(given.lane.adopting, None);
    }

    #[test]
    fn a_record_of_the_version_before_ends_where_ours_goes_on() {
        let ours = known().write(0);
        let (record, _) = unpack::<Record>(&ours[2..], "a lane").unwrap();
        let read = Known::read(&pack(&record, ours[..2].to_vec()), 0).unwrap();
        assert_eq!(read.lane.told, every_field(5));
        assert_eq!(read.lane.telling, Telling::nothing());
    }

    #[test]
    fn what_a_version_after_this_one_adds_is_left_where_it_is() {
        let mut bytes = known().write(0).to_vec();
        bytes.extend(b"of later");
        let read = Known::read(&bytes, 0).unwrap();
        assert_eq!(read.lane.told, told(5));
        assert!(read.write(0).ends_with(b"of later"));
        assert_eq!(Known::read(&[2, 0], 0).unwrap_err(), Strange("a lane of another version"));
    }
}
