//! Everything in Redis in parts, for another store, and from one.

use bytes::Bytes;
use strum::VariantArray;

use super::audit::maybe_number;
use super::chores::{incident, write_incident};
use super::core::{Core, Sync, Trouble};
use super::event::{Born, NOBODY, Stand, body, headers, payload, read_webhook, whole_payload, write_webhook};
use super::gate::Kept;
use super::lane::{Known, Name, name_of, name_of_lead};
use super::lists::Found;
use super::step::{Ask, Step};
use super::values::{Strange, hour, int, nanos, next, parse, time};
use crate::domain::event::{Kept as Webhook, SourceName};
use crate::store::gate::Gate;
use crate::store::parts::{EventPart, LanePart, Part, Parts, PendingPart, Place, Stage, WholePart};
use crate::store::{Seq, Topic};

/// Bytes of payloads given together, and at least one.
const BYTES: usize = 1 << 20;
/// Payloads asked for at once.
const PAYLOADS: usize = 16;
/// Past events beside a lane's record that are asked for at once.
const PAST: i64 = 1000;

/// Parts, and after what to go on with the same kind.
type Given = (Vec<Part>, Option<u64>);

impl Core {
    pub(super) async fn give(&self, place: Place, max: usize) -> Result<Parts, Trouble> {
        let Place { stage, after } = place;
        let (parts, on) = match stage {
            Stage::Sources => (self.sources_since().await?, None),
            Stage::Memos => counted(after, max, self.all_memos().await?),
            Stage::Incidents => counted(after, max, self.all_incidents().await?),
            Stage::Traces => self.traces_from(after).await?,
            Stage::Lanes => self.lanes_from(after, max).await?,
            Stage::Events => self.payloads_from(after, max).await?,
            Stage::Inbox => self.inbox_from(after).await?,
            Stage::Whole => (vec![self.whole_part().await?], None),
        };
        Ok(Parts { parts, next: place.on(on) })
    }

    async fn sources_since(&self) -> Result<Vec<Part>, Trouble> {
        let mut seen = self.look(&Ask::nothing().since(), None).await?;
        let mut parts = Vec::new();
        for (name, since) in seen.answer()?.pairs()? {
            let name =
                SourceName::parse(&String::from_utf8_lossy(&name)).map_err(|_| Strange("the name of a source"))?;
            parts.push(Part::Source(name, time(parse(&since)?)));
        }
        Ok(parts)
    }

    async fn all_memos(&self) -> Result<Vec<Part>, Trouble> {
        let mut parts = Vec::new();
        for topic in Topic::VARIANTS.iter().filter(|topic| **topic != Topic::Move) {
            parts.extend(self.memos(*topic).await?.into_iter().map(|(key, value)| Part::Memo(*topic, key, value)));
        }
        Ok(parts)
    }

    async fn all_incidents(&self) -> Result<Vec<Part>, Trouble> {
        let mut seen = self.look(&Ask::nothing().incidents(), None).await?;
        let mut all = seen.answer()?.pairs()?;
        all.sort_unstable();
        Ok(all.iter().map(|(_, record)| incident(record).map(Part::Incident)).collect::<Result<_, _>>()?)
    }

    async fn traces_from(&self, bucket: u64) -> Result<Given, Trouble> {
        let mut answer = self.ask_audit(&["traces".into(), int(bucket).into()]).await?.list()?;
        let on = maybe_number(next(&mut answer)?)?;
        let mut parts = Vec::new();
        for trace in next(&mut answer)?.list()? {
            parts.push(Part::Trace(trace.bytes()?.try_into().map_err(|_| Strange("a trace"))?));
        }
        Ok((parts, on))
    }

    async fn lanes_from(&self, bucket: u64, max: usize) -> Result<Given, Trouble> {
        let back = self.look(&Ask::nothing(), None).await?.base.back;
        let mut answer = self.ask_audit(&["lanes".into(), int(bucket).into(), int(max as u64).into()]).await?.list()?;
        let on = maybe_number(next(&mut answer)?)?;
        let mut parts = Vec::new();
        for lane in next(&mut answer)?.list()? {
            let mut lane = lane.list()?;
            let name: Name = next(&mut lane)?.bytes()?.try_into().map_err(|_| Strange("the name of a lane"))?;
            let known = Known::read(&next(&mut lane)?.bytes()?, back)?;
            let mut past = known.past().to_vec();
            if known.beside > 0 {
                past.extend(self.beside(name).await?);
            }
            parts.push(Part::Lane(Box::new(lane_part(known, past)?.plain())));
        }
        Ok((parts, on))
    }

    /// Past events that a lane's record has no room for.
    async fn beside(&self, name: Name) -> Result<Vec<Seq>, Trouble> {
        let (mut found, mut before) = (Vec::new(), Seq::MAX);
        loop {
            let mut seen = self.look(&Ask::nothing().past(name, before, PAST), None).await?;
            let page: Vec<Seq> = seen.answer()?.list()?.map(|seq| seq.number()).collect::<Result<_, _>>()?;
            let Some(last) = page.last() else { return Ok(found) };
            before = *last;
            found.extend(page);
        }
    }

    async fn payloads_from(&self, after: Seq, max: usize) -> Result<Given, Trouble> {
        let (mut found, on) = self.events_from(after + 1).await?;
        let mut on = on.map(|on| on - 1);
        if found.len() > max {
            found.truncate(max);
            on = found.last().map(|event| event.seq);
        }
        let (mut parts, mut bytes) = (Vec::new(), 0);
        let mut found = found.into_iter().peekable();
        while found.peek().is_some() {
            let some: Vec<Found> = found.by_ref().take(PAYLOADS).collect();
            let last = some.last().map(|event| event.seq);
            let ask = some.iter().fold(Ask::nothing(), |ask, event| ask.held(event.seq));
            let mut seen = self.look(&ask, None).await?;
            for event in some {
                let mut held = seen.answer()?.list()?;
                let (payload, fetched) = (next(&mut held)?.maybe_bytes()?, next(&mut held)?.maybe_bytes()?);
                bytes += payload.as_ref().map_or(0, Vec::len) + fetched.as_ref().map_or(0, Vec::len);
                parts.push(Part::Event(Box::new(event_part(event, payload, fetched)?)));
            }
            if bytes > BYTES && found.peek().is_some() {
                return Ok((parts, last));
            }
        }
        Ok((parts, on))
    }

    async fn inbox_from(&self, place: u64) -> Result<Given, Trouble> {
        let mut answer = self.ask_audit(&["inbox".into(), int(place).into()]).await?.list()?;
        let on = maybe_number(next(&mut answer)?)?;
        let mut parts = Vec::new();
        for (place, webhook) in next(&mut answer)?.pairs()? {
            parts.push(Part::Webhook(parse(&place)?, read_webhook(&webhook)?));
        }
        Ok((parts, on))
    }

    async fn whole_part(&self) -> Result<Part, Trouble> {
        let mut seen = self.look(&Ask::nothing().gate(), None).await?;
        let kept = Kept::read(seen.answer()?, &self.options)?;
        let numbers = self.numbers().await?;
        Ok(Part::Whole(Box::new(WholePart {
            next_place: numbers.of("place"),
            next_seq: numbers.of("seq"),
            sorted: numbers.of("sorted"),
            gone: numbers.of("gone"),
            gate: kept.gate.record(),
            calls: kept.gate.limiter.calls_from(0).collect(),
        })))
    }

    /// Takes parts, if `was` is noted; notes `is` then.
    pub(super) async fn take(&self, parts: Parts, was: &Bytes, is: &Bytes) -> Result<bool, Trouble> {
        let ask = Ask::nothing().memo(Topic::Move, "from").gate();
        self.decide(Sync::Durable, &ask, None, |seen| {
            if next(&mut seen.answer()?.list()?)?.maybe_bytes()?.as_deref() != Some(&was[..]) {
                return Ok((None, false));
            }
            let mut kept = Kept::read(seen.answer()?, &self.options)?;
            let mut step = Step::that_tells();
            step.check_memo(Topic::Move, "from", Some(was));
            let whole = parts.parts.iter().find_map(|part| match part {
                Part::Whole(part) => Some(part),
                _ => None,
            });
            // What is checked comes before what is done.
            if let Some(part) = whole {
                let WholePart { gate, calls, .. } = (**part).clone();
                kept.gate = Gate::restore(gate, calls, self.options.call_timeout);
                kept.write(seen.base.gate, &mut step);
            }
            step.memo(Topic::Move, "from", is.clone());
            parts.parts.iter().for_each(|part| take_part(part, seen.base.back, &mut step));
            Ok((Some(step), true))
        })
        .await
    }
}

fn lane_part(known: Known, past: Vec<Seq>) -> Result<LanePart, Strange> {
    let pending = known.pending().iter().map(|event| {
        Ok(PendingPart {
            seq: event.seq,
            joined: event.joined,
            source: known.source_of(event).ok_or(Strange("whose an event is"))?.clone(),
            received: event.received(),
        })
    });
    let pending = pending.collect::<Result<_, _>>()?;
    let Known { external_ref, born, lane, dead, forget, verify, log, names, .. } = known;
    Ok(LanePart { external_ref, born, lane, pending, past, dead, forget, verify, log, names })
}

fn event_part(found: Found, payload: Option<Vec<u8>>, fetched: Option<Vec<u8>>) -> Result<EventPart, Strange> {
    let Found { seq, receipt, external_ref } = found;
    Ok(EventPart {
        seq,
        id: receipt.born.id,
        external_ref,
        source: receipt.born.source,
        received: receipt.born.received,
        request_id: receipt.born.request_id,
        state: receipt.state,
        joined: receipt.stand.joined,
        released: receipt.released,
        known_until: receipt.born.known_until,
        ended: receipt.stand.ended,
        why: receipt.stand.why,
        lead_id: receipt.stand.lead_id,
        forget: receipt.forget,
        headers: payload.as_deref().map_or(Ok(Vec::new()), headers)?,
        body: payload.as_deref().map(body).transpose()?,
        fetched: fetched.map(Bytes::from),
    })
}

fn take_part(part: &Part, back: i64, step: &mut Step) {
    match part {
        Part::Source(name, since) => step.source(name, *since),
        Part::Memo(topic, key, value) => step.memo(*topic, key, value.clone()),
        Part::Incident(incident) => step.incident(name_of(&incident.external_ref), write_incident(incident)),
        Part::Trace(trace) => step.trace(*trace),
        Part::Lane(part) => take_lane(part, back, step),
        Part::Event(part) => take_event(part, step),
        Part::Webhook(place, webhook) => step.put_in(*place, write_webhook(webhook)),
        Part::Whole(part) => step.whole(part.next_place, part.next_seq, part.sorted, part.gone),
    }
}

fn take_lane(part: &LanePart, back: i64, step: &mut Step) {
    let name = name_of(&part.external_ref);
    let mut known = Known::new(part.external_ref.clone(), part.lane.forgotten);
    for event in &part.pending {
        known.rejoin(event.seq, &event.source, event.received, event.joined);
    }
    for seq in &part.past {
        for out in known.lay_by(*seq) {
            step.lay_beside(name, out);
        }
    }
    known.lane = part.lane.clone();
    (known.born, known.dead) = (part.born, part.dead);
    (known.forget, known.verify) = (part.forget, part.verify);
    (known.log, known.names) = (part.log.clone(), part.names.clone());
    if let Some(forget) = part.forget {
        known.put_down = hour(forget);
        step.put_down(name, known.put_down);
    }
    if let Some(lead_id) = &part.lane.lead_id {
        known.is_listed = true;
        step.list(name_of_lead(lead_id), name);
    }
    step.lane(name, known.write(back));
    for (set, score) in known.places(back) {
        step.put(&set, score, name);
    }
    if let Some(set) = known.set_of_its_lead() {
        step.put(&set, 0, name);
    }
    if known.lane.is_dead() {
        step.count("dead", 1);
    }
    for (other, past) in &part.names {
        step.name(name_of(other), name, *past);
    }
}

fn take_event(part: &EventPart, step: &mut Step) {
    let born = Born {
        id: part.id,
        owner: part.external_ref.as_ref().map_or(NOBODY, name_of),
        known_until: part.known_until,
        source: part.source.clone(),
        received: part.received,
        request_id: part.request_id.clone(),
    };
    let stand = Stand { joined: part.joined, ended: part.ended, why: part.why.clone(), lead_id: part.lead_id.clone() };
    let mut rest = vec![u8::from(part.released)];
    rest.extend(part.forget.map_or(0, nanos).to_be_bytes());
    rest.extend(stand.write());
    let held = part.body.as_ref().map(|body| match part.external_ref {
        Some(_) => payload(body),
        None => whole_payload(&Webhook {
            source: part.source.clone(),
            received: part.received,
            request_id: part.request_id.clone(),
            headers: part.headers.clone(),
            body: body.clone(),
        }),
    });
    let fetched = part.fetched.as_ref().map(|answer| answer.to_vec());
    step.bring(part.seq, part.state, [born.write(), rest], [held, fetched], part.forget.map(hour));
}

/// Parts that are found by counting.
fn counted(after: u64, max: usize, all: Vec<Part>) -> Given {
    let done = usize::try_from(after).unwrap_or(usize::MAX);
    let parts: Vec<Part> = all.into_iter().skip(done).take(max).collect();
    let on = (parts.len() == max).then(|| after + max as u64);
    (parts, on)
}
