//! What the delivering half asks beside claims: intents, permits, settlements, heartbeats, pauses.

use bytes::Bytes;
use jiff::Timestamp;

use super::core::{Core, Seen, Sync, Trouble};
use super::desk::Desk;
use super::gate::Kept;
use super::lane::{Known, Name, name_of};
use super::step::{Ask, Step};
use super::values::{Strange, next};
use crate::domain::lead::LeadId;
use crate::store::gate::{Gate, Line};
use crate::store::lane::State;
use crate::store::limit::Take;
use crate::store::{
    Adopting, Fenced, Incident, Lease, Observation, Outcome, PauseReason, PermitGrant, PermitId, Seq, Settlement,
    Telling, WorkerId, receipt,
};

/// Leases looked through in a heartbeat: more than any number of workers holds.
pub(super) const LEASES: i64 = 10_000;

impl Core {
    pub(super) async fn begin(
        &self,
        lease: &Lease,
        upto: Seq,
        telling: &Telling,
        now: Timestamp,
    ) -> Result<Fenced, Trouble> {
        let name = name_of(&lease.external_ref);
        self.decide(Sync::Durable, &Ask::nothing().lane(name), now, |seen| {
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::default());
            desk.take(seen.answer()?, None)?;
            if desk.known(&name).is_none() {
                return Ok((None, Fenced::Stale));
            }
            let begun = desk.lane(&name)?.lane.begin(lease.fence, upto, telling, seen.now);
            Ok(((begun != Fenced::Stale).then(|| desk.finish()), begun))
        })
        .await
    }

    pub(super) async fn permit(
        &self,
        lease: &Lease,
        adopting: Option<&Adopting>,
        now: Timestamp,
    ) -> Result<PermitGrant, Trouble> {
        let name = name_of(&lease.external_ref);
        let sync = if adopting.is_some() { Sync::Durable } else { Sync::Taken };
        self.decide(sync, &Ask::nothing().gate().lane(name), now, |seen| {
            let mut kept = Kept::read(seen.answer()?, &self.options)?;
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::default());
            desk.take(seen.answer()?, None)?;
            if !desk.known(&name).is_some_and(|known| known.lane.is_held(lease.fence, seen.now)) {
                return Ok((None, PermitGrant::Stale));
            }
            if kept.gate.paused().is_some() {
                return Ok((None, PermitGrant::Paused));
            }
            let class = Line::of(&desk.lane(&name)?.lane).class();
            Ok(match kept.gate.limiter.take(class, seen.now) {
                Take::NotBefore(at) => (None, PermitGrant::NotBefore(at)),
                Take::Granted(permit) => {
                    desk.lane(&name)?.lane.call(adopting, seen.now);
                    let mut step = desk.finish();
                    kept.write(seen.base.gate, &mut step);
                    (Some(step), PermitGrant::Granted(permit))
                }
            })
        })
        .await
    }

    pub(super) async fn fetched(&self, lease: &Lease, seq: Seq, answer: &Bytes) -> Result<Fenced, Trouble> {
        let name = name_of(&lease.external_ref);
        self.decide(Sync::Taken, &Ask::nothing().lane(name).fetched(seq), None, |seen| {
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::default());
            desk.take(seen.answer()?, None)?;
            let is_there = next(&mut seen.answer()?.list()?)?.number::<i64>()? == 1;
            let is_ours = |known: &Known| {
                known.lane.expects(lease.fence).is_ok() && known.pending().iter().any(|event| event.seq == seq)
            };
            if !desk.known(&name).is_some_and(is_ours) {
                return Ok((None, Fenced::Stale));
            }
            desk.lane(&name)?;
            let mut step = desk.finish();
            step.fetched(seq, answer.clone());
            Ok((Some(step), if is_there { Fenced::AlreadyDone } else { Fenced::Done }))
        })
        .await
    }

    pub(super) async fn settle(
        &self,
        lease: &Lease,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<Fenced, Trouble> {
        let name = name_of(&lease.external_ref);
        let twin = settlement.learned.twin.as_ref();
        let ask = Ask::nothing().gate().lane(name).ready();
        let ask = twin.map(name_of).into_iter().fold(ask, Ask::lane);
        self.decide(Sync::Durable, &ask, now, |seen| {
            let mut kept = Kept::read(seen.answer()?, &self.options)?;
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::that_tells());
            desk.take(seen.answer()?, None)?;
            desk.goes_by(seen.answer()?, kept.gate.limiter.limit())?;
            let Some(known) = desk.known(&name) else { return Ok((None, Fenced::Stale)) };
            if let Err(instead) = known.lane.expects(lease.fence) {
                return Ok((None, instead));
            }
            if twin.is_some() {
                desk.take(seen.answer()?, None)?;
            }
            end_attempt(&mut desk, &name, settlement)?;
            Ok((Some(finish(desk, &mut kept, seen)), Fenced::Done))
        })
        .await
    }

    pub(super) async fn observe(&self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), Trouble> {
        self.through_the_gate(Sync::Taken, Step::that_tells, now, |gate, now| {
            gate.limiter.observe(permit, seen, now);
        })
        .await
    }

    pub(super) async fn pause(&self, why: PauseReason, now: Timestamp) -> Result<(), Trouble> {
        self.through_the_gate(Sync::Durable, Step::default, now, |gate, now| gate.pause(why, now)).await
    }

    pub(super) async fn resume(&self, generation: Option<u64>, now: Timestamp) -> Result<(), Trouble> {
        self.through_the_gate(Sync::Durable, Step::that_tells, now, |gate, now| gate.resume(generation, now)).await
    }

    /// Changes the gate.
    pub(super) async fn through_the_gate<T>(
        &self,
        sync: Sync,
        step: impl Fn() -> Step,
        now: impl Into<Option<Timestamp>>,
        mut change: impl FnMut(&mut Gate, Timestamp) -> T,
    ) -> Result<T, Trouble> {
        self.decide(sync, &Ask::nothing().gate(), now, |seen| {
            let mut kept = Kept::read(seen.answer()?, &self.options)?;
            let answer = change(&mut kept.gate, seen.now);
            let mut step = step();
            kept.write(seen.base.gate, &mut step);
            Ok((Some(step), answer))
        })
        .await
    }

    pub(super) async fn heartbeat(
        &self,
        worker: &WorkerId,
        held: &[Lease],
        asked: Timestamp,
    ) -> Result<Vec<Lease>, Trouble> {
        self.decide(Sync::Taken, &Ask::nothing().gate().ready().leased(LEASES), asked, |seen| {
            let now = seen.now;
            let mut kept = Kept::read(seen.answer()?, &self.options)?;
            let mut desk = Desk::new(&self.options, seen.base.back, now, Step::that_tells());
            desk.goes_by(seen.answer()?, kept.gate.limiter.limit())?;
            let mut leased = desk.take_all(seen.answer()?)?;
            leased.retain(|name| desk.known(name).is_some_and(|known| is_of(known, worker)));
            let until = now + self.options.lease;
            let mut lost = Vec::new();
            for lease in held {
                let name = name_of(&lease.external_ref);
                let extended = leased.contains(&name) && desk.lane(&name)?.lane.extend(worker, lease.fence, until, now);
                if !extended {
                    lost.push(lease.clone());
                }
            }
            for name in leased {
                if desk.known(&name).is_some_and(|known| is_stray(known, held, asked)) {
                    desk.lose(&name, false)?;
                }
            }
            let step = finish(desk, &mut kept, seen);
            Ok(((!step.does.is_empty()).then_some(step), lost))
        })
        .await
    }
}

/// Ends an attempt, whose lease is the one that is waited for.
fn end_attempt(desk: &mut Desk<'_>, name: &Name, settlement: &Settlement) -> Result<(), Strange> {
    let Settlement { outcome, attempts, learned } = settlement;
    desk.lane(name)?.lane.may_land(learned.lands);
    desk.go(name, outcome)?;
    let known = desk.lane(name)?;
    known.lane.sign_off();
    known.lane.hear(&learned.told);
    receipt::note(&mut known.log, attempts.clone());
    if let Outcome::Done { lead_id, .. } = outcome {
        desk.report(name, lead_id, &learned.doubles)?;
        if let Some(twin) = learned.twin.as_ref().map(name_of).filter(|twin| twin != name) {
            lead_on(desk, &twin, name, lead_id)?;
        }
    }
    desk.heed_heard(name)
}

/// The lane `twin` of the same person comes to `ours` and its lead, unless it may have one.
fn lead_on(desk: &mut Desk<'_>, twin: &Name, ours: &Name, lead_id: &LeadId) -> Result<(), Strange> {
    let Some(known) = desk.known(ours).filter(|_| desk.known(twin).is_some()) else { return Ok(()) };
    let (external_ref, now) = (known.external_ref.clone(), desk.now());
    let other = desk.lane(twin)?;
    if other.lane.may_follow() {
        other.lane.follow(&external_ref);
        return Ok(());
    }
    if other.lane.knows(lead_id) {
        return Ok(());
    }
    let (twin, double) = (other.external_ref.clone(), other.lane.lead_id.clone());
    desk.incident(ours, |before, _| {
        Incident::of_twins(before, (&external_ref, Some(lead_id)), (&twin, double.as_ref()), now)
    })
}

/// The step that a desk comes to; the gate is told of leads that we have created.
pub(super) fn finish(desk: Desk<'_>, kept: &mut Kept, seen: &Seen) -> Step {
    let created = desk.created();
    let mut step = desk.finish();
    if created > 0 {
        (0..created).for_each(|_| kept.gate.days.created(seen.now));
        kept.write(seen.base.gate, &mut step);
    }
    step
}

fn is_of(known: &Known, worker: &WorkerId) -> bool {
    matches!(&known.lane.state, State::Leased { worker: holder, .. } if holder == worker)
}

/// A lease that its worker does not know of, and whose claim cannot be on its way to it any more.
/// `asked` is when the worker said what it holds: what it has claimed since is not among that.
fn is_stray(known: &Known, held: &[Lease], asked: Timestamp) -> bool {
    let State::Leased { from, .. } = known.lane.state else { return false };
    let is_known = held.iter().any(|lease| lease.external_ref == known.external_ref && lease.fence == known.lane.fence);
    !is_known && from + receipt::STRAY_AGE <= asked
}
