//! Claims: what has ended is taken back, what is due is made ready, and the next lane is leased with a permit.

use bytes::Bytes;
use jiff::Timestamp;

use super::company::{Companies, Company};
use super::core::{Core, Seen, Sync, Trouble, pause};
use super::deliver::{LEASES, finish};
use super::desk::{Desk, counts};
use super::event::{Receipt, body};
use super::gate::Kept;
use super::lane::{Known, Name};
use super::step::{Ask, Step};
use super::values::{Reply, Strange, next};
use crate::domain::lead::LeadId;
use crate::store::day::{Hold, UnderWay};
use crate::store::gate::{LINES, Line, Pass};
use crate::store::lane::State;
use crate::store::{Chore, Claim, Claimed, PermitId, Seq, StoredEvent, Verification, Words, WorkerId, receipt};

/// Leases taken back, and lanes made ready, in one claim at most.
const REAP: i64 = 100;
const PROMOTE: i64 = 200;
/// Creates put off in one claim at most, of each line.
const PUT_OFF: i64 = 200;
/// Leads to be verified that are looked at.
const VERIFY: i64 = 32;
/// Claims decided anew at most.
const ROUNDS: u32 = 40;

/// What a claim looks at.
struct View<'a> {
    desk: Desk<'a>,
    ended: Vec<Name>,
    due: Vec<Name>,
    ready: [u64; LINES],
    first: [Option<Name>; LINES],
    /// The next ones that are due.
    next: Vec<Name>,
    verify: Vec<Name>,
    /// How many lanes are leased, and how many wait for a search.
    leased: u64,
    searches: u64,
    /// Creates whose end is not known; none, where it does not matter how many there are.
    under_way: UnderWay,
}

impl<'a> View<'a> {
    fn read(answer: Reply, mut desk: Desk<'a>, now: Timestamp) -> Result<Self, Strange> {
        let mut parts = answer.list()?;
        let mut ended = desk.take_all(next(&mut parts)?)?;
        let mut due = desk.take_all(next(&mut parts)?)?;
        let ready = counts(next(&mut parts)?)?;
        desk.counted(ready);
        let mut first = [None; LINES];
        for (line, answer) in next(&mut parts)?.list()?.enumerate().take(LINES) {
            first[line] = desk.take_all(answer)?.first().copied();
        }
        let mut next_ones = desk.take_all(next(&mut parts)?)?;
        next_ones.extend(desk.take_all(next(&mut parts)?)?);
        let mut verify = desk.take_all(next(&mut parts)?)?;
        verify.extend(desk.take_all(next(&mut parts)?)?);
        let (leased, searches) = (next(&mut parts)?.number()?, next(&mut parts)?.number()?);
        let is = |name: &Name, is: &dyn Fn(&Known) -> bool| desk.known(name).is_some_and(is);
        ended.retain(|name| is(name, &|known| wakes(known).is_some_and(|at| at <= now)));
        due.retain(|name| is(name, &|known| wakes(known).is_some_and(|at| at <= now)));
        let under_way = UnderWay::default();
        Ok(Self { desk, ended, due, ready, first, next: next_ones, verify, leased, searches, under_way })
    }

    /// Takes in the answer to `leased`.
    fn count(&mut self, leased: Reply) -> Result<(), Strange> {
        let leased = self.desk.take_all(leased)?;
        let creating = leased.iter().filter(|name| self.known(name).lane.may_create()).count();
        self.under_way = UnderWay::of(creating as u64, self.sought());
        Ok(())
    }

    /// How many creates may be under way at most.
    fn most_under_way(&self) -> UnderWay {
        UnderWay::of(self.leased, self.sought())
    }

    fn sought(&self) -> u64 {
        self.ready[Line::Search as usize] + self.searches
    }

    fn known(&self, name: &Name) -> &Known {
        self.desk.known(name).expect("it was taken in with its name")
    }

    /// The chore that is due.
    fn chore(&self, kept: &Kept, now: Timestamp) -> Option<Chore> {
        let to_verify = self.verify.iter().map(|name| self.known(name)).filter_map(|known| {
            let due = known.verify.filter(|due| *due <= now)?;
            let lead_id = known.lane.lead_id.clone()?;
            Some((due, Verification { external_ref: known.external_ref.clone(), lead_id }))
        });
        let first = to_verify.min_by(|(due, one), (other_due, other)| {
            due.cmp(other_due).then_with(|| one.external_ref.cmp(&other.external_ref))
        });
        let look = kept.gate.days.looks_due(self.under_way, now).then_some(Chore::LookAtDay);
        first.map(|(_, verification)| Chore::Verify(verification)).or(look)
    }

    /// When a claim may give more, if nothing else happens.
    fn next_due(&self, kept: &Kept, now: Timestamp) -> Option<Timestamp> {
        let lanes = self.next.iter().filter_map(|name| wakes(self.known(name)));
        let verify = self.verify.iter().filter_map(|name| self.known(name).verify);
        let chores = verify.chain(kept.gate.days.next_look()).filter(|due| *due > now);
        lanes.chain(chores).min()
    }

    /// The lanes that would be next of those that have a lead, and that.
    fn known_leads(&self) -> Vec<(Name, LeadId)> {
        let first = Line::OF_KNOWN_LEADS.iter().filter_map(|line| self.first[*line as usize]);
        first.filter_map(|name| Some((name, self.known(&name).lane.lead_id.clone()?))).collect()
    }

    /// The first lane of a line, if it has to wait for room, and how.
    fn held_first(&self, line: Line, kept: &mut Kept, now: Timestamp) -> Option<Hold> {
        let first = self.first[line as usize].as_ref().map(|name| self.known(name))?;
        held(first, line, kept, self.under_way, now)
    }
}

/// Until when a lane waits, or is leased.
fn wakes(known: &Known) -> Option<Timestamp> {
    match known.lane.state {
        State::Waiting { due, .. } => Some(due),
        State::Leased { until, .. } => Some(until),
        State::Idle | State::Ready | State::Dead => None,
    }
}

/// How a lane has to wait because the day has no room for it, or may have none.
fn held(known: &Known, line: Line, kept: &mut Kept, under_way: UnderWay, now: Timestamp) -> Option<Hold> {
    if known.lane.lead_id.is_some() {
        return None;
    }
    kept.gate.days.holds(known.source()?, line == Line::Bulk, under_way, now)
}

/// How far a claim has come.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// It matters how many creates are under way.
    counts: bool,
    taken_back: bool,
    put_off: bool,
}

impl Core {
    pub(super) async fn claim(&self, worker: &WorkerId, told: Timestamp) -> Result<Claim, Trouble> {
        let (mut progress, mut until) = (Progress::default(), self.at_least(told));
        for round in 0..ROUNDS {
            let ask = Ask::nothing().gate().claim(until, REAP, PROMOTE, VERIFY);
            let ask = if progress.counts { ask.leased(LEASES) } else { ask };
            let mut seen = self.look(&ask, told).await?;
            let now = seen.now;
            if !seen.base.listed {
                self.list_all().await?;
                continue;
            }
            if now > until {
                // Another replica was told a later time: what is due by then was not looked at.
                until = now;
                continue;
            }
            let mut kept = Kept::read(seen.answer()?, &self.options)?;
            let mut desk = Desk::new(&self.options, seen.base.back, now, Step::default());
            desk.per_minute(kept.gate.limiter.limit());
            let mut view = View::read(seen.answer()?, desk, now)?;
            if progress.counts {
                view.count(seen.answer()?)?;
            } else if kept.gate.days.asks_for_under_way(view.most_under_way(), now) {
                progress.counts = true;
                continue;
            }
            if !(progress.taken_back || view.ended.is_empty() && view.due.is_empty()) {
                progress.taken_back = self.take_back(&seen, &mut kept, view).await?;
                continue;
            }
            if !progress.put_off && kept.gate.days.may_hold(view.under_way, now) {
                progress.put_off = self.put_off(view.under_way, told).await?;
                continue;
            }
            let company = self.company(&seen, view.known_leads()).await?;
            if company.values().any(|company| company.ahead.is_some()) {
                self.give_way(&seen, view, company).await?;
                continue;
            }
            if let Some(claim) = self.pass(worker, &seen, &mut kept, (view, company)).await? {
                return Ok(claim);
            }
            pause(round).await;
        }
        Err(Trouble::Crowded)
    }

    /// Takes back leases that have ended, and makes ready what has become due. False when something has moved.
    async fn take_back(&self, seen: &Seen, kept: &mut Kept, view: View<'_>) -> Result<bool, Trouble> {
        let View { mut desk, ended, due, .. } = view;
        ended.iter().try_for_each(|name| desk.lose(name, true))?;
        for name in &due {
            desk.lane(name)?.lane.promote();
        }
        let step = finish(desk, kept, seen);
        Ok(self.commit(Sync::Taken, &seen.base, step, seen.now).await?.is_some())
    }

    /// Puts off creates that the day has no room for. False when something has moved.
    async fn put_off(&self, under_way: UnderWay, told: Timestamp) -> Result<bool, Trouble> {
        let lines = [Line::New, Line::Bulk];
        let ask = lines.iter().fold(Ask::nothing().gate(), |ask, line| ask.heads(*line as i64, PUT_OFF));
        let mut seen = self.look(&ask, told).await?;
        let mut kept = Kept::read(seen.answer()?, &self.options)?;
        let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::default());
        for line in lines {
            for name in desk.take_all(seen.answer()?)? {
                let known = desk.known(&name).ok_or(Strange("a lane of a line"))?;
                let Some(Hold::Until(until)) = held(known, line, &mut kept, under_way, seen.now) else { break };
                desk.lane(&name)?.lane.park(until, seen.now);
            }
        }
        let mut step = desk.finish();
        if step.does.is_empty() {
            return Ok(true);
        }
        step.check_gate(seen.base.gate);
        Ok(self.commit(Sync::Taken, &seen.base, step, seen.now).await?.is_some())
    }

    /// Puts off lanes that would be next while another one of the same lead goes first.
    async fn give_way(&self, seen: &Seen, view: View<'_>, company: Companies) -> Result<(), Trouble> {
        let mut desk = view.desk;
        for (name, Company { ahead, .. }) in &company {
            if let Some(other) = ahead {
                desk.lane(name)?.lane.give_way(other, seen.now);
            }
        }
        self.commit(Sync::Taken, &seen.base, desk.finish(), seen.now).await?;
        Ok(())
    }

    /// Goes through the gate; nothing when something has moved.
    async fn pass(
        &self,
        worker: &WorkerId,
        seen: &Seen,
        kept: &mut Kept,
        (view, company): (View<'_>, Companies),
    ) -> Result<Option<Claim>, Trouble> {
        let now = seen.now;
        let (mut ready, mut room) = (view.ready, None);
        if kept.gate.days.may_hold(view.under_way, now) {
            // What is left to be put off, or waits for room, is not there.
            for line in [Line::New, Line::Bulk] {
                let Some(hold) = view.held_first(line, kept, now) else { continue };
                ready[line as usize] = 0;
                if let Hold::Room(again) = hold {
                    room = Some(again);
                }
            }
        }
        let chore = view.chore(kept, now);
        match kept.gate.pass(ready, chore.is_some(), now) {
            Pass::Wait(at) => {
                let paused = kept.gate.paused().is_some();
                let due = if paused { None } else { view.next_due(kept, now) };
                if kept.has_moved() {
                    self.write_gate(seen, kept, Step::default()).await?;
                }
                let room = room.filter(|_| !paused);
                Ok(Some(Claim::Nothing([at, room, due].into_iter().flatten().min())))
            }
            Pass::Probe(probe) => {
                let done = self.write_gate(seen, kept, Step::default()).await?;
                Ok(done.then_some(Claim::Probe(probe)))
            }
            Pass::Chore(permit) => {
                let chore = chore.expect("the gate was told of it");
                self.hand_out(permit, chore, seen, kept, view).await
            }
            Pass::Lane(line, permit) => {
                let claimed = self.lease(worker, (line, permit), seen, kept, (view, company)).await?;
                Ok(claimed.map(|claimed| Claim::Lane(Box::new(claimed))))
            }
        }
    }

    async fn write_gate(&self, seen: &Seen, kept: &Kept, mut step: Step) -> Result<bool, Trouble> {
        kept.write(seen.base.gate, &mut step);
        Ok(self.commit(Sync::Taken, &seen.base, step, seen.now).await?.is_some())
    }

    /// Hands a chore out: it is due again when nothing is heard of it.
    async fn hand_out(
        &self,
        permit: PermitId,
        chore: Chore,
        seen: &Seen,
        kept: &mut Kept,
        view: View<'_>,
    ) -> Result<Option<Claim>, Trouble> {
        let mut desk = view.desk;
        match &chore {
            Chore::Verify(Verification { external_ref, .. }) => {
                desk.lane(&super::lane::name_of(external_ref))?.verify = Some(seen.now + receipt::CHORE_AGAIN);
            }
            Chore::LookAtDay => {
                kept.gate.days.take_look(view.under_way, seen.now);
            }
        }
        let done = self.write_gate(seen, kept, desk.finish()).await?;
        Ok(done.then_some(Claim::Chore(permit, chore)))
    }

    /// Leases the first lane of a line; nothing when something has moved.
    async fn lease(
        &self,
        worker: &WorkerId,
        (line, permit): (Line, PermitId),
        seen: &Seen,
        kept: &mut Kept,
        (view, company): (View<'_>, Companies),
    ) -> Result<Option<Claimed>, Trouble> {
        let now = seen.now;
        let name = view.first[line as usize].ok_or(Strange("the first lane of a line"))?;
        let (mut desk, under_way) = (view.desk, view.under_way);
        let known = desk.lane(&name)?;
        let company = company.get(&name);
        let told_by_others = company.map_or_else(Words::none, |company| company.told.clone());
        let lane = (&known.external_ref, &mut known.lane);
        let claimed = kept.gate.lease(lane, &told_by_others, (worker, permit), &self.options, under_way, now);
        let in_hand: Vec<Seq> = known.pending().iter().take(receipt::CALL_EVENTS).map(|event| event.seq).collect();
        let mut step = desk.finish();
        company.iter().for_each(|company| company.check(&mut step));
        step.in_hand(receipt::CALL_BYTES, &in_hand);
        kept.write(seen.base.gate, &mut step);
        let Some(mut answers) = self.commit(Sync::Taken, &seen.base, step, now).await? else { return Ok(None) };
        let events = next(&mut answers)?.list()?.map(stored_event).collect::<Result<_, _>>()?;
        Ok(Some(Claimed { events, ..claimed }))
    }
}

fn stored_event(answer: Reply) -> Result<StoredEvent, Strange> {
    let mut parts = answer.list()?;
    let seq = next(&mut parts)?.number()?;
    let Receipt { born, released, .. } = Receipt::read(&next(&mut parts)?.bytes()?)?;
    let payload = next(&mut parts)?.bytes()?;
    let fetched = parts.next().map(Reply::maybe_bytes).transpose()?.flatten();
    Ok(StoredEvent {
        seq,
        id: born.id,
        source: born.source,
        received: born.received,
        request_id: born.request_id,
        released,
        body: body(&payload)?,
        fetched: fetched.map(Bytes::from),
    })
}
