//! Whether what Redis holds agrees with itself.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use redis::Value;

use super::chores::Numbers;
use super::core::{Core, Trouble};
use super::deliver::LEASES;
use super::event;
use super::gate::Kept;
use super::lane::{Known, Name, name_of_lead, set_of};
use super::link::Arg;
use super::step::Ask;
use super::values::{Reply, Strange, int, next, parse};
use crate::domain::external_ref::ExternalRef;
use crate::store::audit::{Audit, Ledger, Receipt, Rule, Totals};
use crate::store::gate::LINES;
use crate::store::receipt::weight;
use crate::store::{EventState, Seq};

impl Core {
    pub(super) async fn audit(&self, after: Option<u64>, max: usize, now: Timestamp) -> Result<Audit, Trouble> {
        self.check_open()?;
        let mut audit = Audit::default();
        match after {
            None => {
                self.whole(now, &mut audit).await?;
                self.turns(&mut audit).await?;
                self.weigh(&mut audit).await?;
                self.unsplit(&mut audit).await?;
                let strays: u64 = self.ask_audit(&["names".into()]).await?.number()?;
                if strays > 0 {
                    audit.note(Rule::Lane, format!("{strays} names are of lanes that are not there"));
                }
            }
            Some(bucket) => self.some_lanes(bucket, max.max(1), &mut audit).await?,
        }
        Ok(audit)
    }

    pub(super) async fn ask_audit(&self, args: &[Arg]) -> Result<Reply, Trouble> {
        Ok(Reply(self.link.run::<Value>(&self.scripts.audit, args).await?))
    }

    /// All that is not a matter of a single lane.
    async fn whole(&self, now: Timestamp, audit: &mut Audit) -> Result<(), Trouble> {
        // Not before what the store knows the time to be, which stands meanwhile.
        let now = self.look(&Ask::nothing(), None).await?.now.max(now);
        let mut parts = self.ask_audit(&["whole".into()]).await?.list()?;
        let aliases = next(&mut parts)?.number()?;
        let numbers = Numbers::read(next(&mut parts)?)?;
        let inbox = next(&mut parts)?.number()?;
        let mut found = Totals {
            inbox,
            // Compared by itself: all that is held would be too much for one moment.
            bytes: numbers.of("bytes"),
            events: five(next(&mut parts)?)?,
            ready: super::desk::counts(next(&mut parts)?)?,
            waiting: super::desk::counts(next(&mut parts)?)?,
            aliases,
            ..Totals::default()
        };
        let due: u64 = next(&mut parts)?.number()?;
        found.leased = next(&mut parts)?.number()?;
        found.parked = next(&mut parts)?.number()?;
        found.to_verify = next(&mut parts)?.number()?;
        found.dead = numbers.of("dead");
        let counted = Totals {
            inbox: numbers.of("inbox"),
            aliases: numbers.of("aliases"),
            events: EVENTS.map(|state| numbers.events(state)),
            ..found.clone()
        };
        audit.compare(&counted, &found);
        if due != found.waiting.iter().sum::<u64>() {
            audit.note(Rule::Balance, format!("{due} lanes are put down to be due, of {:?} that wait", found.waiting));
        }
        audit.balance(Ledger {
            kept: numbers.of("place").saturating_sub(1),
            inbox,
            sorted: numbers.of("sorted"),
            made: numbers.of("seq").saturating_sub(1),
            held: found.events.iter().sum(),
            gone: numbers.of("gone"),
        });
        let (record, calls) = (next(&mut parts)?.maybe_bytes()?, next(&mut parts)?.pairs()?);
        match Kept::of(record, calls, &self.options) {
            Ok(kept) => {
                if let Some(flaw) = kept.gate.limiter.flaw(now) {
                    audit.note(Rule::Limiter, flaw);
                }
            }
            Err(strange) => audit.note(Rule::File, strange.to_string()),
        }
        audit.next = Some(0);
        Ok(())
    }

    /// Lanes that are worked on: one of a lead at a time.
    async fn turns(&self, audit: &mut Audit) -> Result<(), Trouble> {
        let mut seen = self.look(&Ask::nothing().leased(LEASES), None).await?;
        let mut leased = Vec::new();
        for (_, record) in seen.answer()?.pairs()? {
            // One that cannot be read is told of where all are looked at.
            leased.extend(Known::read(&record, seen.base.back));
        }
        audit
            .look_at_turns(leased.iter().filter_map(|known| Some((&known.external_ref, known.lane.lead_id.as_ref()?))));
        Ok(())
    }

    /// Whether all payloads together weigh what is counted. That takes several steps, during which others go on, and so it
    /// is compared when nothing has come or gone meanwhile; a store that is never still for so long is not judged by it.
    async fn weigh(&self, audit: &mut Audit) -> Result<(), Trouble> {
        for round in 0..WEIGHED {
            let before = self.numbers().await?;
            let found = self.inbox_bytes(audit, round == 0).await? + self.event_bytes().await?;
            let after = self.numbers().await?;
            if MOVE_WITH_BYTES.iter().all(|field| before.of(field) == after.of(field)) {
                let counted = after.of("bytes");
                if counted != found {
                    audit.note(Rule::Balance, format!("{counted} bytes are counted, but there are {found}"));
                }
                break;
            }
        }
        Ok(())
    }

    pub(super) async fn numbers(&self) -> Result<Numbers, Trouble> {
        Ok(Numbers::read(self.ask_audit(&["numbers".into()]).await?)?)
    }

    /// What the webhooks in the inbox are counted as; with `told`, it is noted which are of another size.
    async fn inbox_bytes(&self, audit: &mut Audit, told: bool) -> Result<u64, Trouble> {
        let (mut bytes, mut from) = (0, Some(0));
        while let Some(first) = from {
            let mut parts = self.ask_audit(&["inbox".into(), int(first).into()]).await?.list()?;
            from = maybe_number(next(&mut parts)?)?;
            for (place, record) in next(&mut parts)?.pairs()? {
                let (counted, _) = record.split_first_chunk::<4>().ok_or(Strange("a webhook"))?;
                let counted = u64::from(u32::from_be_bytes(*counted));
                bytes += counted;
                let place = String::from_utf8_lossy(&place);
                match event::read_webhook(&record) {
                    Ok(webhook) if weight(&webhook) == counted => {}
                    Ok(_) if told => {
                        audit.note(Rule::Balance, format!("webhook {place} is not as large as it is counted"));
                    }
                    Err(strange) if told => {
                        audit.note(Rule::File, format!("webhook {place} cannot be read: {strange}"));
                    }
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(bytes)
    }

    /// What the payloads of events are counted as.
    async fn event_bytes(&self) -> Result<u64, Trouble> {
        let (mut bytes, mut from) = (0, Some(0));
        while let Some(first) = from {
            let mut parts = self.ask_audit(&["slabs".into(), int(first).into()]).await?.list()?;
            from = maybe_number(next(&mut parts)?)?;
            bytes += next(&mut parts)?.number::<u64>()?;
        }
        Ok(bytes)
    }

    /// Webhooks that could not be split: they have no lane, and are dead or discarded.
    async fn unsplit(&self, audit: &mut Audit) -> Result<(), Trouble> {
        for state in EVENTS {
            let mut from = Some(0);
            while let Some(first) = from {
                let (events, on) = self.page_of(state, first).await?;
                from = on;
                let args: Vec<Arg> = events.iter().map(|seq| int(*seq).into()).collect();
                if args.is_empty() {
                    continue;
                }
                let answer = self.ask_audit(&[vec!["events".into()], args].concat()).await?;
                for event in answer.list()? {
                    if let Some(event) = receipt(event, None, audit)? {
                        audit.look_at_event(None, &event);
                        if !matches!(event.state, EventState::Dead | EventState::Discarded) {
                            audit.note_event(None, event.id, format!("it is {} and has no lane", event.state));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Lanes of whole buckets from one on, with their events.
    async fn some_lanes(&self, bucket: u64, max: usize, audit: &mut Audit) -> Result<(), Trouble> {
        let mut parts = self.ask_audit(&["lanes".into(), int(bucket).into(), int(max as u64).into()]).await?.list()?;
        let on = next(&mut parts)?;
        audit.next = if on.is_nothing() { None } else { Some(on.number()?) };
        for lane in next(&mut parts)?.list()? {
            let mut parts = lane.list()?;
            let name: Name = next(&mut parts)?.bytes()?.try_into().map_err(|_| Strange("the name of a lane"))?;
            self.one_lane(name, next(&mut parts)?.bytes()?, audit).await?;
        }
        Ok(())
    }

    /// A lane with its events, as it is by now.
    async fn one_lane(&self, name: Name, mut record: Vec<u8>, audit: &mut Audit) -> Result<(), Trouble> {
        for _ in 0..9 {
            let mut seen = self.look(&Ask::nothing().lane(name), None).await?;
            let Some(now) = next(&mut seen.answer()?.list()?)?.maybe_bytes()? else { return Ok(()) };
            record = now;
            let known = match Known::read(&record, seen.base.back) {
                Ok(known) => known,
                Err(strange) => {
                    audit.note(Rule::File, format!("a lane cannot be read: {strange}"));
                    return Ok(());
                }
            };
            let events: BTreeSet<Seq> =
                known.pending().iter().map(|event| event.seq).chain(known.past().iter().copied()).collect();
            let mut args: Vec<Arg> = vec!["lane".into(), name.as_slice().into(), record.clone().into()];
            args.extend(match &known.lane.lead_id {
                Some(lead_id) => [name_of_lead(lead_id).as_slice().into(), set_of(lead_id).into()],
                None => ["".into(), "".into()],
            });
            args.extend(events.iter().map(|seq| Arg::from(int(*seq))));
            let answer = self.ask_audit(&args).await?;
            if !answer.is_nothing() {
                return Ok(look_at(&known, seen.base.back, answer, audit)?);
            }
        }
        drop(record);
        Ok(())
    }
}

/// How often all is weighed before a store is taken for one that is never still.
const WEIGHED: u32 = 3;
/// Counters one of which moves whenever the bytes do.
const MOVE_WITH_BYTES: [&str; 9] = ["bytes", "place", "sorted", "seq", "gone", "e0", "e1", "e2", "e3"];

const EVENTS: [EventState; 5] =
    [EventState::Pending, EventState::Delivered, EventState::Withheld, EventState::Dead, EventState::Discarded];

fn look_at(known: &Known, back: i64, answer: Reply, audit: &mut Audit) -> Result<(), Strange> {
    let lead = &known.external_ref;
    let mut parts = answer.list()?;
    let stands = next(&mut parts)?.pairs()?.into_iter();
    let stands: BTreeMap<String, f64> = stands.map(place).collect::<Result<_, _>>()?;
    let should: BTreeMap<String, f64> =
        known.places(back).into_iter().map(|(set, score)| (set, as_scored(score))).collect();
    if !stands.keys().eq(should.keys()) {
        let places: Vec<_> = stands.keys().collect();
        audit.note_lane(lead, format!("it is {}, and stands in {places:?}", known.lane.state.word()));
    } else if stands != should {
        audit.note_lane(lead, format!("its places are {stands:?}, and should be {should:?}"));
    }
    if known.forget.is_some() != (known.lane.state == crate::store::lane::State::Idle) {
        let word = known.lane.state.word();
        audit.note_lane(lead, format!("it is {word}, and that it may be forgotten says something else"));
    }
    let (is_listed, has_the_lead) = (next(&mut parts)?.number::<u8>()? == 1, next(&mut parts)?.number::<u8>()? == 1);
    // What a version before this one has written stands in neither.
    if known.is_listed && !is_listed {
        audit.note_lane(lead, "it is not listed with those that know its lead");
    }
    if known.is_listed && has_the_lead != known.set_of_its_lead().is_some() {
        audit.note_lane(lead, "whether it has its lead to itself says something else");
    }
    let mut events = Vec::new();
    for event in next(&mut parts)?.list()? {
        events.extend(receipt(event, Some(lead), audit)?);
    }
    audit.look_at_lane(lead, &known.lane, &events);
    Ok(())
}

/// A sorted set and the place in it.
fn place((set, score): (Vec<u8>, Vec<u8>)) -> Result<(String, f64), Strange> {
    Ok((String::from_utf8_lossy(&set).into_owned(), parse(&score)?))
}

/// A place as a sorted set has it: not exact to the nanosecond.
fn as_scored(place: i64) -> f64 {
    place as f64
}

/// An event; `None`, and a flaw, where it cannot be read.
fn receipt(answer: Reply, lead: Option<&ExternalRef>, audit: &mut Audit) -> Result<Option<Receipt>, Strange> {
    let mut parts = answer.list()?;
    let seq: Seq = next(&mut parts)?.number()?;
    let bytes = next(&mut parts)?.bytes()?;
    let payload = parts.next().map(Reply::maybe_bytes).transpose()?.flatten();
    let fetched = parts.next().map_or(Ok(0), Reply::number::<u64>)?;
    let weights = payload.as_deref().map(event::weights).transpose();
    match (event::Receipt::read(&bytes), weights) {
        (Ok(found), Ok(weights)) => {
            let (size, weight) = weights.unwrap_or((0, 0));
            Ok(Some(Receipt {
                seq,
                id: found.born.id,
                state: found.state,
                joined: found.stand.joined,
                ended: found.stand.ended.is_some(),
                why: found.stand.why.is_some(),
                lead: found.stand.lead_id.is_some(),
                forget: found.forget.is_some(),
                body: payload.is_some(),
                size: size + fetched,
                weight: weight + fetched,
            }))
        }
        (Err(strange), _) | (_, Err(strange)) => {
            audit.note_of(Rule::File, lead, format!("event {seq} cannot be read: {strange}"));
            Ok(None)
        }
    }
}

pub(super) fn maybe_number(answer: Reply) -> Result<Option<u64>, Strange> {
    if answer.is_nothing() { Ok(None) } else { answer.number().map(Some) }
}

fn five(answer: Reply) -> Result<[u64; 5], Strange> {
    let counts: Vec<u64> = answer.list()?.map(Reply::number).collect::<Result<_, _>>()?;
    counts.try_into().map_err(|_| Strange("a count for each state"))
}

const _: () = assert!(LINES == 4, "the scripts count so many");
