//! The model: what the delivering half asks.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::model::{Event, Known, Model};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::{LINES, Line, Pass};
use crate::store::lane::{self, Ends, Lane, Rest, Span, State, VERIFY_AFTER, Wait};
use crate::store::limit::Take;
use crate::store::receipt;
use crate::store::{
    Chore, Claim, Claimed, DayNote, DayState, EventState, Fenced, Incident, Lease, Observation, Outcome, PauseReason,
    PermitGrant, PermitId, Seq, Settlement, StoredEvent, Telling, Verification, Verified, WorkerId,
};

impl Model {
    /// How long an update waits for more.
    pub(super) fn window(&self) -> Duration {
        let ready = self.ready();
        let updates = ready[Line::Update as usize];
        lane::window(updates, ready.iter().sum::<u64>() - updates, self.gate.limiter.limit())
    }

    fn ready(&self) -> [u64; LINES] {
        let mut ready = [0; LINES];
        for known in self.lanes.values().filter(|known| known.lane.state == State::Ready) {
            ready[Line::of(&known.lane) as usize] += 1;
        }
        ready
    }

    pub(super) fn claim(&mut self, worker: &WorkerId, now: Timestamp) -> Claim {
        let now = self.tick(now);
        self.take_back(now);
        self.put_off(now);
        self.give_way(now);
        let (ready, chore) = (self.ready(), self.chore(now));
        match self.gate.pass(ready, chore.is_some(), now) {
            Pass::Probe(probe) => Claim::Probe(probe),
            Pass::Wait(at) if self.gate.paused().is_some() => Claim::Nothing(at),
            Pass::Wait(at) => Claim::Nothing([at, self.next_due(now)].into_iter().flatten().min()),
            Pass::Chore(permit) => Claim::Chore(permit, self.hand_out(chore.expect("the gate was told of it"), now)),
            Pass::Lane(line, permit) => Claim::Lane(Box::new(self.lease(line, permit, worker, now))),
        }
    }

    /// Takes back leases that have ended, and makes ready what has become due.
    fn take_back(&mut self, now: Timestamp) {
        let ended = |lane: &Lane| matches!(lane.state, State::Leased { until, .. } if until <= now);
        for external_ref in self.lanes_that(ended) {
            self.lose(&external_ref, true, now);
        }
        for known in self.lanes.values_mut() {
            if matches!(known.lane.state, State::Waiting { due, .. } if due <= now) {
                known.lane.promote();
            }
        }
    }

    /// Puts off the creates that the day has no room for.
    fn put_off(&mut self, now: Timestamp) {
        if !self.gate.days.may_hold() {
            return;
        }
        for line in [Line::New, Line::Bulk] {
            while let Some(external_ref) = self.first_in(line).filter(|first| self.lanes[first].lane.lead_id.is_none())
            {
                let source = self.pending(&external_ref).next().map(|(_, event)| event.source.clone());
                let source = source.expect("a lane that is ready has events");
                let Some(until) = self.gate.days.holds(&source, line == Line::Bulk, now) else { break };
                self.known(&external_ref, now).lane.park(until, now);
            }
        }
    }

    /// Puts off lanes that would be next, while another one of the same lead goes first.
    fn give_way(&mut self, now: Timestamp) {
        for line in Line::OF_KNOWN_LEADS {
            while let Some((external_ref, other)) = self.first_in(line).and_then(|first| self.ahead_of(first, now)) {
                self.known(&external_ref, now).lane.give_way(&other, now);
            }
        }
    }

    /// The lane that goes before `external_ref`'s, if one does: the oldest of them.
    fn ahead_of(&self, external_ref: ExternalRef, now: Timestamp) -> Option<(ExternalRef, Lane)> {
        let lead_id = self.lanes[&external_ref].lane.lead_id.as_ref()?;
        let same = |lane: &Lane| lane.lead_id.as_ref() == Some(lead_id) && lane.has_the_lead(now);
        let others = self.lanes.iter().filter(|(other, known)| **other != external_ref && same(&known.lane));
        let other = others.map(|(_, known)| known).min_by_key(|known| known.born)?.lane.clone();
        Some((external_ref, other))
    }

    fn first_in(&self, line: Line) -> Option<ExternalRef> {
        let stands = |lane: &Lane| lane.state == State::Ready && Line::of(lane) == line;
        let first = self.lanes.iter().filter(|(_, known)| stands(&known.lane)).min_by_key(|(_, known)| known.lane.ord);
        first.map(|(external_ref, _)| external_ref.clone())
    }

    /// The chore that is due.
    fn chore(&self, now: Timestamp) -> Option<Chore> {
        let due = self
            .to_verify
            .iter()
            .filter(|(_, due)| **due <= now)
            .min_by_key(|(external_ref, due)| (*due, *external_ref));
        let verify = due.and_then(|(external_ref, _)| {
            let lead_id = self.lanes.get(external_ref)?.lane.lead_id.clone()?;
            Some(Chore::Verify(Verification { external_ref: external_ref.clone(), lead_id }))
        });
        verify.or_else(|| self.gate.days.looks_due(now).then_some(Chore::LookAtDay))
    }

    fn hand_out(&mut self, chore: Chore, now: Timestamp) -> Chore {
        match &chore {
            Chore::Verify(Verification { external_ref, .. }) => {
                self.to_verify.insert(external_ref.clone(), now + receipt::CHORE_AGAIN);
            }
            Chore::LookAtDay => {
                self.gate.days.take_look(now);
            }
        }
        chore
    }

    fn lanes_that(&self, are: impl Fn(&Lane) -> bool) -> Vec<ExternalRef> {
        self.lanes.iter().filter(|(_, known)| are(&known.lane)).map(|(external_ref, _)| external_ref.clone()).collect()
    }

    fn lose(&mut self, external_ref: &ExternalRef, crashed: bool, now: Timestamp) {
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

    fn next_due(&self, now: Timestamp) -> Option<Timestamp> {
        let due = |known: &Known| match known.lane.state {
            State::Waiting { due, .. } => Some(due),
            State::Leased { until, .. } => Some(until),
            State::Idle | State::Ready | State::Dead => None,
        };
        let chores = self.to_verify.values().copied().chain(self.gate.days.next_look()).filter(|due| *due > now);
        self.lanes.values().filter_map(due).chain(chores).min()
    }

    fn lease(&mut self, line: Line, permit: PermitId, worker: &WorkerId, now: Timestamp) -> Claimed {
        let external_ref = self.first_in(line).expect("the gate names a line in which a lane is ready");
        let until = now + self.options.lease;
        let doubt = self.gate.doubt(&self.options, now);
        let (least, day_nearly_over) = (self.gate.least_fence(), self.gate.days.is_nearly_over(now));
        let known = self.known(&external_ref, now);
        let search_first = known.lane.search_first(doubt);
        let lost = known.lane.lost_since(doubt);
        known.lane.claim(worker, least, until, now);
        let lane = known.lane.clone();
        if lane.lead_id.is_none() && line != Line::Search {
            self.gate.days.begun(&external_ref, until);
        }
        Claimed {
            events: self.in_hand(&external_ref),
            lease: Lease { external_ref, fence: lane.fence, until },
            permit,
            named: lane.named(),
            lead_id: lane.lead_id,
            intent: lane.intent,
            search_first,
            lost,
            day_nearly_over,
            negatives: lane.negatives,
            attempts: lane.attempts,
            failing_since: self.gate.failing_since(lane.failing_since),
            follows: lane.follows,
            told: lane.told,
            standing: lane.standing,
        }
    }

    fn in_hand(&self, external_ref: &ExternalRef) -> Vec<StoredEvent> {
        let mut bytes = 0;
        let mut events = Vec::new();
        for (seq, event) in self.pending(external_ref).take(receipt::CALL_EVENTS) {
            bytes += event.weight();
            if bytes > receipt::CALL_BYTES as u64 && !events.is_empty() {
                break;
            }
            events.push(StoredEvent {
                seq: *seq,
                id: event.id,
                source: event.source.clone(),
                received: event.received,
                request_id: event.request_id.clone(),
                released: event.released,
                body: event.body.clone().unwrap_or_default(),
                fetched: event.fetched.clone(),
            });
        }
        events
    }

    fn pending<'a>(&'a self, external_ref: &'a ExternalRef) -> impl Iterator<Item = (&'a Seq, &'a Event)> {
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

    pub(super) fn permit(&mut self, lease: &Lease, now: Timestamp) -> PermitGrant {
        let now = self.tick(now);
        match self.lanes.get_mut(&lease.external_ref).filter(|known| known.lane.is_held(lease.fence, now)) {
            None => PermitGrant::Stale,
            Some(_) if self.gate.paused().is_some() => PermitGrant::Paused,
            Some(known) => match self.gate.limiter.take(Line::of(&known.lane).class(), now) {
                Take::Granted(permit) => {
                    known.lane.call(now);
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
        self.gate.days.ended(external_ref);
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
        if lane.shares(ours, lead_id) {
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
        let window = self.window();
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
