//! The model: what the delivering half asks.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::model::{Event, Model};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::{LINES, Line};
use crate::store::lane::{self, Ends, Lane, Rest, Span, State, VERIFY_AFTER, Wait};
use crate::store::limit::Take;
use crate::store::receipt;
use crate::store::{
    Adopting, DayNote, DayState, EventState, Fenced, Incident, Lease, Observation, Outcome, PauseReason, PermitGrant,
    PermitId, Seq, Settlement, Telling, Verification, Verified, WorkerId,
};

impl Model {
    /// How long an update of `own` waits for more.
    pub(super) fn window(&self, own: &ExternalRef) -> Duration {
        let own = self.lanes.get(own).filter(|known| known.lane.state == State::Ready);
        lane::window(self.ready(), own.map(|known| Line::of(&known.lane)), self.gate.limiter.limit())
    }

    pub(super) fn ready(&self) -> [u64; LINES] {
        let mut ready = [0; LINES];
        for known in self.lanes.values().filter(|known| known.lane.state == State::Ready) {
            ready[Line::of(&known.lane) as usize] += 1;
        }
        ready
    }

    pub(super) fn lanes_that(&self, are: impl Fn(&Lane) -> bool) -> Vec<ExternalRef> {
        self.lanes.iter().filter(|(_, known)| are(&known.lane)).map(|(external_ref, _)| external_ref.clone()).collect()
    }

    pub(super) fn lose(&mut self, external_ref: &ExternalRef, crashed: bool, now: Timestamp) {
        let (late_update, newer) = (self.options.late_update, self.has_newer(external_ref));
        let lane = &mut self.known(external_ref, now).lane;
        let fence = lane.fence;
        if let Some(why) = lane.lost(crashed, newer, late_update, now) {
            let died = Some((why.reason.into(), why.detail.as_str()));
            self.end(external_ref, Span::before(fence), EventState::Dead, died, None, now);
            let rest = self.rest(external_ref);
            self.known(external_ref, now).lane.give_up(rest);
        }
        self.heed_heard(external_ref, now);
    }

    pub(super) fn pending<'a>(&'a self, external_ref: &'a ExternalRef) -> impl Iterator<Item = (&'a Seq, &'a Event)> {
        let pending = |event: &Event| event.state == EventState::Pending;
        self.events.iter().filter(move |(_, event)| pending(event) && event.external_ref.as_ref() == Some(external_ref))
    }

    /// Whether an event has joined a lane since it was claimed last.
    fn has_newer(&self, external_ref: &ExternalRef) -> bool {
        let fence = self.lanes.get(external_ref).map_or(0, |known| known.lane.fence);
        self.pending(external_ref).any(|(_, event)| event.joined >= fence)
    }

    /// What is pending of a lane.
    fn rest(&self, external_ref: &ExternalRef) -> Rest {
        let mut rest = Rest::default();
        for (seq, event) in self.pending(external_ref) {
            rest.count += 1;
            rest.first = rest.first.or(Some((*seq, event.received)));
        }
        rest
    }

    pub(super) fn begin(&mut self, lease: &Lease, upto: Seq, telling: &Telling, now: Timestamp) -> Fenced {
        let now = self.tick(now);
        match self.lanes.get_mut(&lease.external_ref) {
            Some(known) => known.lane.begin(lease.fence, upto, telling, now),
            None => Fenced::Stale,
        }
    }

    pub(super) fn permit(&mut self, lease: &Lease, adopting: Option<&Adopting>, now: Timestamp) -> PermitGrant {
        let now = self.tick(now);
        match self.lanes.get_mut(&lease.external_ref).filter(|known| known.lane.is_held(lease.fence, now)) {
            None => PermitGrant::Stale,
            Some(_) if self.gate.paused().is_some() => PermitGrant::Paused,
            Some(known) => match self.gate.limiter.take(Line::of(&known.lane).class(), now) {
                Take::Granted(permit) => {
                    known.lane.call(adopting, now);
                    PermitGrant::Granted(permit)
                }
                Take::NotBefore(at) => PermitGrant::NotBefore(at),
            },
        }
    }

    pub(super) fn fetched(&mut self, lease: &Lease, seq: Seq, answer: Bytes) -> Fenced {
        let held = self.lanes.get(&lease.external_ref).is_some_and(|known| known.lane.expects(lease.fence).is_ok());
        let of_lane = |event: &&mut Event| {
            event.external_ref.as_ref() == Some(&lease.external_ref) && event.state == EventState::Pending
        };
        match self.events.get_mut(&seq).filter(of_lane) {
            Some(event) if held => match event.fetched.replace(answer) {
                None => Fenced::Done,
                Some(_) => Fenced::AlreadyDone,
            },
            _ => Fenced::Stale,
        }
    }

    pub(super) fn settle(&mut self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Fenced {
        let now = self.tick(now);
        let external_ref = &lease.external_ref;
        let Some(known) = self.lanes.get_mut(external_ref) else { return Fenced::Stale };
        if let Err(instead) = known.lane.expects(lease.fence) {
            return instead;
        }
        let Settlement { outcome, attempts, learned } = settlement;
        known.lane.may_land(learned.lands);
        self.finish(external_ref, &outcome, now);
        let known = self.known(external_ref, now);
        known.lane.sign_off();
        known.lane.hear(&learned.told);
        receipt::note(&mut known.log, attempts);
        if let Outcome::Done { lead_id, .. } = outcome {
            self.report(external_ref, &lead_id, &learned.doubles, now);
            if let Some(twin) = learned.twin.filter(|twin| twin != external_ref && self.lanes.contains_key(twin)) {
                self.lead_on(&twin, (external_ref, &lead_id), now);
            }
        }
        self.heed_heard(external_ref, now);
        Fenced::Done
    }

    /// The lane `twin` of the same person comes to `ours` and its lead, unless it may have one.
    fn lead_on(&mut self, twin: &ExternalRef, (ours, lead_id): (&ExternalRef, &LeadId), now: Timestamp) {
        let lane = &mut self.known(twin, now).lane;
        if lane.may_follow() {
            return lane.follow(ours);
        }
        if lane.knows(lead_id) {
            return;
        }
        let double = lane.lead_id.clone();
        let before = self.incidents.get(ours).cloned();
        let incident = Incident::of_twins(before, (ours, Some(lead_id)), (twin, double.as_ref()), now);
        self.incidents.insert(ours.clone(), incident);
    }

    /// What an outcome means for a lane and its events.
    pub(super) fn finish(&mut self, external_ref: &ExternalRef, outcome: &Outcome, now: Timestamp) {
        let lane = self.known(external_ref, now).lane.clone();
        if lane.is_to_be_verified(outcome) {
            self.to_verify.insert(external_ref.clone(), now + VERIFY_AFTER);
        }
        if lane.has_created(outcome) {
            self.gate.days.created(now);
        }
        self.end_events(external_ref, &lane, outcome, now);
        let rest = self.rest(external_ref);
        let window = self.window(external_ref);
        self.known(external_ref, now).lane.go(outcome, rest, window, now);
    }

    pub(super) fn report(&mut self, external_ref: &ExternalRef, lead_id: &LeadId, doubles: &[LeadId], now: Timestamp) {
        if !doubles.is_empty() {
            let before = self.incidents.remove(external_ref);
            let incident = Incident::of_doubles(before, external_ref, lead_id, doubles, now);
            self.incidents.insert(external_ref.clone(), incident);
        }
    }

    pub(super) fn verified(&mut self, chore: &Verification, verified: Verified, now: Timestamp) {
        let now = self.tick(now);
        match verified {
            Verified::Seen(doubles) => {
                self.to_verify.remove(&chore.external_ref);
                self.report(&chore.external_ref, &chore.lead_id, &doubles, now);
            }
            Verified::Later(at) => {
                self.to_verify.entry(chore.external_ref.clone()).and_modify(|due| *due = at);
            }
        }
    }

    pub(super) fn note_day(&mut self, note: DayNote, now: Timestamp) -> DayState {
        let now = self.tick(now);
        if self.gate.days.note(note, now) {
            for known in self.lanes.values_mut() {
                if matches!(known.lane.state, State::Waiting { why: Wait::Day, .. }) {
                    known.lane.promote();
                }
            }
        }
        self.gate.days.state(now)
    }

    fn end_events(&mut self, external_ref: &ExternalRef, lane: &Lane, outcome: &Outcome, now: Timestamp) {
        let newer = lane.asks_for_newer(outcome) && self.has_newer(external_ref);
        match lane.ends(outcome, newer) {
            Ends::Nothing => {}
            Ends::Delivered(span, lead_id) => {
                self.end(external_ref, span, EventState::Delivered, None, Some(lead_id), now);
            }
            Ends::Dead(span, why) => {
                let why = Some((why.reason.into(), why.detail.as_str()));
                self.end(external_ref, span, EventState::Dead, why, None, now);
            }
            Ends::Withheld(holds) => {
                for (seq, hold) in holds {
                    let pending = |event: &&mut Event| {
                        event.state == EventState::Pending && event.external_ref.as_ref() == Some(external_ref)
                    };
                    if let Some(event) = self.events.get_mut(seq).filter(pending) {
                        let why = ((*hold).into(), receipt::why_withheld(*hold).to_owned());
                        event.end(EventState::Withheld, Some(why), now);
                    }
                }
            }
        }
    }

    fn end(
        &mut self,
        external_ref: &ExternalRef,
        span: Span,
        state: EventState,
        why: Option<(&'static str, &str)>,
        lead_id: Option<&LeadId>,
        now: Timestamp,
    ) {
        for (seq, event) in &mut self.events {
            let of_lane = event.external_ref.as_ref() == Some(external_ref) && event.state == EventState::Pending;
            if of_lane && span.covers(*seq, event.joined) {
                event.end(state, why.map(|(word, sentence)| (word, sentence.to_owned())), now);
                event.lead_id = lead_id.cloned();
                if state == EventState::Delivered {
                    event.let_go(&self.options, now);
                }
            }
        }
    }

    pub(super) fn observe(&mut self, permit: PermitId, seen: Observation, now: Timestamp) {
        let now = self.tick(now);
        self.gate.limiter.observe(permit, seen, now);
    }

    pub(super) fn heartbeat(&mut self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Vec<Lease> {
        let (asked, now) = (now, self.tick(now));
        let until = now + self.options.lease;
        let mut lost = Vec::new();
        for lease in held {
            let known = self.lanes.get_mut(&lease.external_ref);
            if !known.is_some_and(|known| known.lane.extend(worker, lease.fence, until, now)) {
                lost.push(lease.clone());
            }
        }
        let strays: Vec<_> = self
            .lanes
            .iter()
            .filter(|(external_ref, known)| is_stray(external_ref, &known.lane, worker, held, asked))
            .map(|(external_ref, _)| external_ref.clone())
            .collect();
        for external_ref in strays {
            self.lose(&external_ref, false, now);
        }
        lost
    }

    pub(super) fn pause(&mut self, why: PauseReason, now: Timestamp) {
        let now = self.tick(now);
        self.gate.pause(why, now);
    }

    pub(super) fn resume(&mut self, generation: Option<u64>, now: Timestamp) {
        let now = self.tick(now);
        self.gate.resume(generation, now);
    }
}

/// `asked` is when the worker said what it holds: what it has claimed since is not among that.
fn is_stray(external_ref: &ExternalRef, lane: &Lane, worker: &WorkerId, held: &[Lease], asked: Timestamp) -> bool {
    let State::Leased { worker: holder, from, .. } = &lane.state else { return false };
    let known = held.iter().any(|lease| lease.external_ref == *external_ref && lease.fence == lane.fence);
    holder == worker && !known && *from + receipt::STRAY_AGE <= asked
}
