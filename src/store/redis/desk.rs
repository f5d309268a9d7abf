//! The lanes that a step is about, side by side: read, changed, and written together.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::event::{Receipt, Stand};
use super::lane::{Known, Name, name_of, name_of_lead};
use super::step::Step;
use super::values::{Reply, Strange, hour, next};
use crate::domain::event::{Hold, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::{LINES, Line};
use crate::store::lane::{self, Ends, Rest, Span, State, VERIFY_AFTER};
use crate::store::{Arrival, EventState, Incident, Options, Outcome, Seq, Undelivered, receipt};

/// Lanes by name.
pub(super) struct Desk<'a> {
    options: &'a Options,
    back: i64,
    now: Timestamp,
    /// How many lanes are ready in each line, with what was done here.
    ready: [u64; LINES],
    /// Calls a minute that Konektor takes.
    per_minute: u32,
    lanes: BTreeMap<Name, Slot>,
    created: u32,
    pub(super) step: Step,
}

/// A lane on the desk.
pub(super) struct Slot {
    before: Option<Bytes>,
    places: Vec<(String, i64)>,
    /// The set of those that have its lead to themselves, if it was one of them.
    of_its_lead: Option<String>,
    /// The lead under which it is listed.
    listed: Option<Name>,
    put_down: i64,
    was_dead: bool,
    pub(super) known: Known,
    /// Of a dead lane: its dead events, oldest first.
    dead: Vec<(Seq, Receipt)>,
    touched: Touch,
    forgotten: bool,
    incident: Option<Incident>,
    has_incident: bool,
}

/// What was done to a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Touch {
    Nothing,
    /// Nothing to remember it longer for.
    Quiet,
    /// Something.
    Some,
}

impl<'a> Desk<'a> {
    /// An empty desk. `back` is by how much the clock was set back in all.
    pub(super) fn new(options: &'a Options, back: i64, now: Timestamp, step: Step) -> Self {
        Self { options, back, now, ready: [0; LINES], per_minute: 1, lanes: BTreeMap::new(), created: 0, step }
    }

    /// So many lanes are ready in each line.
    pub(super) const fn counted(&mut self, ready: [u64; LINES]) {
        self.ready = ready;
    }

    /// So many calls a minute does Konektor take.
    pub(super) const fn per_minute(&mut self, calls: u32) {
        self.per_minute = calls;
    }

    /// What the window of updates goes by: the answer to `ready`, and calls a minute.
    pub(super) fn goes_by(&mut self, ready: Reply, per_minute: u32) -> Result<(), Strange> {
        self.ready = counts(ready)?;
        self.per_minute = per_minute;
        Ok(())
    }

    /// Takes in the answer to `lane`; what is not there becomes a new lane of `external_ref`, if one is given.
    pub(super) fn take(&mut self, answer: Reply, external_ref: Option<&ExternalRef>) -> Result<(), Strange> {
        let mut parts = answer.list()?;
        let record = next(&mut parts)?.maybe_bytes()?;
        let forgotten = next(&mut parts)?.number::<i64>()? == 1;
        let incident = parts.next().map(Reply::maybe_bytes).transpose()?.flatten();
        let incident = incident.map(|record| super::chores::incident(&record)).transpose()?;
        match (record, external_ref) {
            (Some(record), _) => {
                let slot = self.take_record(record)?;
                if !slot.has_incident {
                    slot.incident = incident;
                }
                if let Some(dead) = parts.next() {
                    slot.dead = dead.list()?.map(dead_event).collect::<Result<_, _>>()?;
                }
            }
            (None, Some(external_ref)) => {
                let mut slot = Slot::of(Known::new(external_ref.clone(), forgotten), None, self.back);
                slot.incident = incident;
                self.lanes.entry(name_of(external_ref)).or_insert(slot);
            }
            (None, None) => {}
        }
        Ok(())
    }

    /// Takes a record in.
    pub(super) fn take_record(&mut self, record: Vec<u8>) -> Result<&mut Slot, Strange> {
        let known = Known::read(&record, self.back)?;
        let name = name_of(&known.external_ref);
        let slot = Slot::of(known, Some(record.into()), self.back);
        // Not over one that has been changed here.
        Ok(self.lanes.entry(name).or_insert(slot))
    }

    /// Takes in lanes, names and records in turn; gives their names in the same order.
    pub(super) fn take_all(&mut self, answer: Reply) -> Result<Vec<Name>, Strange> {
        let pairs = answer.pairs()?;
        pairs
            .into_iter()
            .map(|(name, record)| {
                self.take_record(record)?;
                name.try_into().map_err(|_| Strange("the name of a lane"))
            })
            .collect()
    }

    pub(super) const fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn known(&self, name: &Name) -> Option<&Known> {
        self.lanes.get(name).map(|slot| &slot.known)
    }

    /// A lane that is to be changed.
    pub(super) fn lane(&mut self, name: &Name) -> Result<&mut Known, Strange> {
        let slot = self.lanes.get_mut(name).ok_or(Strange("an event without its lane"))?;
        slot.touched = Touch::Some;
        Ok(&mut slot.known)
    }

    /// A lane to which something is done that is nothing to remember it longer for.
    pub(super) fn quietly(&mut self, name: &Name) -> Result<&mut Known, Strange> {
        let slot = self.lanes.get_mut(name).ok_or(Strange("an event without its lane"))?;
        slot.touched = slot.touched.max(Touch::Quiet);
        Ok(&mut slot.known)
    }

    /// Whether it has been there before, or something was done to it here.
    pub(super) fn is_there(&self, name: &Name) -> bool {
        self.lanes.get(name).is_some_and(|slot| slot.before.is_some() || slot.touched != Touch::Nothing)
    }

    /// How many leads turned out to have been created by us.
    pub(super) const fn created(&self) -> u32 {
        self.created
    }

    /// How long an update of the lane `own` waits for more.
    pub(super) fn window(&self, own: &Name) -> Duration {
        let own = self.known(own).filter(|known| known.lane.state == State::Ready);
        lane::window(self.ready, own.map(|known| Line::of(&known.lane)), self.per_minute)
    }

    /// Changes a lane, and counts it in the line where it stands then.
    pub(super) fn change<T>(
        &mut self,
        name: &Name,
        change: impl FnOnce(&mut Known) -> Result<T, Strange>,
    ) -> Result<T, Strange> {
        let known = self.lane(name)?;
        let before = (known.lane.state == State::Ready).then(|| Line::of(&known.lane));
        let done = change(known);
        let after = (known.lane.state == State::Ready).then(|| Line::of(&known.lane));
        if let Some(line) = before {
            self.ready[line as usize] = self.ready[line as usize].saturating_sub(1);
        }
        if let Some(line) = after {
            self.ready[line as usize] += 1;
        }
        done
    }

    /// An event has joined its lane; a dead lane comes back with it. The event itself is written by the caller.
    pub(super) fn arrive(
        &mut self,
        name: &Name,
        seq: Seq,
        source: &SourceName,
        received: Timestamp,
        arrival: Arrival,
    ) -> Result<(), Strange> {
        if self.lane(name)?.lane.is_dead() {
            self.revive(name, arrival)?;
        }
        let (window, now) = (self.window(name), self.now);
        self.change(name, |known| {
            known.join(seq, source, received);
            known.lane.arrive(seq, received, arrival, window, now);
            Ok(())
        })
    }

    /// Puts the dead events of a dead lane back; gives which.
    pub(super) fn revive(&mut self, name: &Name, arrival: Arrival) -> Result<Vec<Seq>, Strange> {
        let slot = self.lanes.get_mut(name).ok_or(Strange("an event without its lane"))?;
        let dead = std::mem::take(&mut slot.dead);
        let joined = slot.known.lane.fence;
        for (seq, receipt) in &dead {
            slot.known.join(*seq, &receipt.born.source, receipt.born.received);
            self.step.turn(*seq, EventState::Pending, false, Stand { joined, ..Stand::default() }.write());
        }
        slot.known.dead = 0;
        let first = dead.first().map(|(seq, receipt)| (*seq, receipt.born.received));
        let back = Rest { count: u32::try_from(dead.len()).unwrap_or(u32::MAX), first };
        self.change(name, |known| {
            known.lane.revive(back, arrival);
            Ok(())
        })?;
        Ok(dead.into_iter().map(|(seq, _)| seq).collect())
    }

    /// Ends pending events of a lane.
    pub(super) fn end(&mut self, name: &Name, ends: Ends<'_>) -> Result<(), Strange> {
        match ends {
            Ends::Nothing => Ok(()),
            Ends::Delivered(span, lead_id) => self.deliver(name, span, lead_id),
            Ends::Dead(span, why) => self.bury(name, span, why),
            Ends::Withheld(holds) => holds.iter().try_for_each(|(seq, hold)| self.withhold(name, *seq, *hold)),
        }
    }

    fn deliver(&mut self, name: &Name, span: Span, lead_id: &LeadId) -> Result<(), Strange> {
        let (now, not_before) = (self.now, self.now + self.options.retention);
        for event in self.lane(name)?.end_span(span) {
            let (ended, lead_id) = (Some(now), Some(lead_id.clone()));
            let stand = Stand { joined: event.joined, ended, why: None, lead_id };
            self.step.let_go(event.seq, EventState::Delivered, not_before, stand.write());
            self.lay_by(name, event.seq)?;
        }
        Ok(())
    }

    fn bury(&mut self, name: &Name, span: Span, why: &Undelivered) -> Result<(), Strange> {
        let reason: &'static str = why.reason.into();
        let (now, known) = (self.now, self.lane(name)?);
        let ended = known.end_span(span);
        known.dead += u32::try_from(ended.len()).unwrap_or(0);
        for event in ended {
            let why = Some((reason.to_owned(), why.detail.clone()));
            let stand = Stand { joined: event.joined, ended: Some(now), why, lead_id: None };
            self.step.turn(event.seq, EventState::Dead, false, stand.write());
        }
        Ok(())
    }

    fn withhold(&mut self, name: &Name, seq: Seq, hold: Hold) -> Result<(), Strange> {
        let reason: &'static str = hold.into();
        for event in self.lane(name)?.end(|event| event.seq == seq) {
            let why = Some((reason.to_owned(), receipt::why_withheld(hold).to_owned()));
            let stand = Stand { joined: event.joined, ended: Some(self.now), why, lead_id: None };
            self.step.turn(seq, EventState::Withheld, false, stand.write());
            self.lay_by(name, seq)?;
        }
        Ok(())
    }

    /// An event of a lane is past: delivered, withheld or discarded.
    pub(super) fn lay_by(&mut self, name: &Name, seq: Seq) -> Result<(), Strange> {
        for out in self.lane(name)?.lay_by(seq) {
            self.step.lay_beside(*name, out);
        }
        Ok(())
    }

    /// A past event is past no more, or forgotten.
    pub(super) fn fetch_back(&mut self, name: &Name, seq: Seq) -> Result<(), Strange> {
        if !self.quietly(name)?.fetch_back(seq) {
            self.step.take_from_beside(*name, seq);
        }
        Ok(())
    }

    /// A dead event of a lane is dead no more.
    pub(super) fn let_die(&mut self, name: &Name) -> Result<(), Strange> {
        let known = self.lane(name)?;
        known.dead = known.dead.saturating_sub(1);
        Ok(())
    }

    /// A lane is to be looked at in this hour; 0: not before something happens to it.
    pub(super) fn put_down(&mut self, name: &Name, hour: i64) -> Result<(), Strange> {
        self.quietly(name)?.put_down = hour;
        Ok(())
    }

    /// What an outcome means for a lane and its events.
    pub(super) fn go(&mut self, name: &Name, outcome: &Outcome) -> Result<(), Strange> {
        let now = self.now;
        let known = self.lane(name)?;
        if known.lane.is_to_be_verified(outcome) && known.verify.is_none() {
            known.verify = Some(now + VERIFY_AFTER);
        }
        let (lane, newer) = (known.lane.clone(), known.has_newer());
        self.created += u32::from(lane.has_created(outcome));
        self.end(name, lane.ends(outcome, newer))?;
        let window = self.window(name);
        self.change(name, |known| {
            let rest = known.rest();
            known.lane.go(outcome, rest, window, now);
            Ok(())
        })
    }

    /// A lead is there more than once.
    pub(super) fn report(&mut self, name: &Name, lead_id: &LeadId, doubles: &[LeadId]) -> Result<(), Strange> {
        if doubles.is_empty() {
            return Ok(());
        }
        let now = self.now;
        self.incident(name, |before, known| Incident::of_doubles(before, &known.external_ref, lead_id, doubles, now))
    }

    /// A person is told something of a lane.
    pub(super) fn incident(
        &mut self,
        name: &Name,
        tell: impl FnOnce(Option<Incident>, &Known) -> Incident,
    ) -> Result<(), Strange> {
        let slot = self.lanes.get_mut(name).ok_or(Strange("an incident without its lane"))?;
        slot.incident = Some(tell(slot.incident.take(), &slot.known));
        slot.has_incident = true;
        Ok(())
    }

    /// The lease of a lane has ended without a word.
    pub(super) fn lose(&mut self, name: &Name, crashed: bool) -> Result<(), Strange> {
        let (late_update, now) = (self.options.late_update, self.now);
        let died = self.change(name, |known| Ok(known.lane.lost(crashed, known.has_newer(), late_update, now)))?;
        if let Some(why) = died {
            let fence = self.lane(name)?.lane.fence;
            self.bury(name, Span::before(fence), &why)?;
            self.change(name, |known| {
                let rest = known.rest();
                known.lane.give_up(rest);
                Ok(())
            })?;
        }
        self.heed_heard(name)
    }

    /// A lane is forgotten; where it knew its lead, a trace is left.
    pub(super) fn forget(&mut self, name: &Name) {
        if let Some(slot) = self.lanes.get_mut(name) {
            slot.forgotten = true;
        }
    }

    /// The step that does all this.
    pub(super) fn finish(mut self) -> Step {
        for (name, slot) in &mut self.lanes {
            if let Some(incident) = slot.incident.as_ref().filter(|_| slot.has_incident) {
                self.step.incident(*name, super::chores::write_incident(incident));
            }
            if slot.forgotten {
                slot.leave(*name, &mut self.step);
            } else if slot.touched != Touch::Nothing {
                slot.save(*name, self.now + self.options.idle_retention, self.back, &mut self.step);
            }
        }
        self.step
    }
}

impl Slot {
    fn of(known: Known, before: Option<Bytes>, back: i64) -> Self {
        Self {
            places: if before.is_some() { known.places(back) } else { Vec::new() },
            of_its_lead: known.set_of_its_lead().filter(|_| before.is_some()),
            listed: known.listed_under(),
            put_down: known.put_down,
            was_dead: known.lane.is_dead(),
            dead: Vec::new(),
            touched: Touch::Nothing,
            forgotten: false,
            incident: None,
            has_incident: false,
            before,
            known,
        }
    }

    /// Writes the lane where it has changed, and puts it where it stands now.
    fn save(&mut self, name: Name, forget: Timestamp, back: i64, step: &mut Step) {
        let known = &mut self.known;
        let is_quiet = self.touched == Touch::Quiet;
        if !is_quiet {
            known.forget = (known.lane.state == State::Idle).then_some(forget);
        }
        if let Some(forget) = known.forget
            && known.put_down == 0
            && !(is_quiet && known.has_events())
        {
            known.put_down = hour(forget);
        }
        if known.put_down != self.put_down {
            if self.put_down != 0 {
                step.take_up(name, self.put_down);
            }
            if known.put_down != 0 {
                step.put_down(name, known.put_down);
            }
        }
        known.is_listed = known.lane.lead_id.is_some();
        let record = known.write(back);
        step.check_lane(name, self.before.clone());
        if self.before.as_ref() == Some(&record) {
            return;
        }
        step.lane(name, record);
        let places = known.places(back);
        for (set, _) in self.places.iter().filter(|(set, _)| !places.iter().any(|(other, _)| other == set)) {
            step.take(set, name);
        }
        for (set, score) in places.iter().filter(|place| !self.places.contains(place)) {
            step.put(set, *score, name);
        }
        let of_its_lead = known.set_of_its_lead();
        if of_its_lead != self.of_its_lead {
            self.of_its_lead.iter().for_each(|set| step.take(set, name));
            of_its_lead.iter().for_each(|set| step.put(set, 0, name));
        }
        let lead = known.lane.lead_id.as_ref().map(name_of_lead);
        if lead != self.listed {
            self.listed.iter().for_each(|lead| step.unlist(*lead, name));
            lead.iter().for_each(|lead| step.list(*lead, name));
        }
        match (self.was_dead, known.lane.is_dead()) {
            (false, true) => step.count("dead", 1),
            (true, false) => step.count("dead", -1),
            (true, true) | (false, false) => {}
        }
    }

    fn leave(&self, name: Name, step: &mut Step) {
        step.check_lane(name, self.before.clone());
        step.no_lane(name);
        for set in self.places.iter().map(|(set, _)| set).chain(&self.of_its_lead) {
            step.take(set, name);
        }
        self.listed.iter().for_each(|lead| step.unlist(*lead, name));
        if self.put_down != 0 {
            step.take_up(name, self.put_down);
        }
        for (other, _) in &self.known.names {
            step.no_name(name_of(other));
        }
        if self.known.lane.leaves_a_trace() {
            step.trace(name);
        }
    }
}

/// How many lanes are ready in each line.
pub(super) fn counts(answer: Reply) -> Result<[u64; LINES], Strange> {
    let counts: Vec<u64> = answer.list()?.map(Reply::number).collect::<Result<_, _>>()?;
    counts.try_into().map_err(|_| Strange("a count for each line"))
}

fn dead_event(answer: Reply) -> Result<(Seq, Receipt), Strange> {
    let mut parts = answer.list()?;
    let seq = next(&mut parts)?.number()?;
    Ok((seq, Receipt::read(&next(&mut parts)?.bytes()?)?))
}
