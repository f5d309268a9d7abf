//! The model: claims.

use std::cmp::Reverse;

use jiff::Timestamp;

use super::model::{Known, Model};
use crate::domain::external_ref::ExternalRef;
use crate::store::day::{Hold, UnderWay};
use crate::store::gate::{Line, Pass};
use crate::store::lane::{Lane, State};
use crate::store::receipt;
use crate::store::words::HEARD;
use crate::store::{Chore, Claim, Claimed, PermitId, StoredEvent, Verification, Words, WorkerId};

impl Model {
    pub(super) fn claim(&mut self, worker: &WorkerId, now: Timestamp) -> Claim {
        let now = self.tick(now);
        self.take_back(now);
        let room = self.put_off(now);
        self.give_way(now);
        let (mut ready, chore) = (self.ready(), self.chore(now));
        if room.is_some() {
            ready[Line::New as usize] = 0;
        }
        match self.gate.pass(ready, chore.is_some(), now) {
            Pass::Probe(probe) => Claim::Probe(probe),
            Pass::Wait(at) if self.gate.paused().is_some() => Claim::Nothing(at),
            Pass::Wait(at) => Claim::Nothing([at, room, self.next_due(now)].into_iter().flatten().min()),
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

    /// Puts off the creates that the day has no room for. Gives when to look again whether it has room for new leads, where
    /// what is under way may need it.
    fn put_off(&mut self, now: Timestamp) -> Option<Timestamp> {
        let under_way = self.under_way();
        if !self.gate.days.may_hold(under_way, now) {
            return None;
        }
        let mut room = None;
        for line in [Line::New, Line::Bulk] {
            while let Some(external_ref) = self.first_in(line).filter(|first| self.lanes[first].lane.lead_id.is_none())
            {
                let source = self.pending(&external_ref).next().map(|(_, event)| event.source.clone());
                let source = source.expect("a lane that is ready has events");
                match self.gate.days.holds(&source, line == Line::Bulk, under_way, now) {
                    Some(Hold::Until(until)) => self.known(&external_ref, now).lane.park(until, now),
                    Some(Hold::Room(again)) => {
                        room = Some(again);
                        break;
                    }
                    None => break,
                }
            }
        }
        room
    }

    /// Creates whose end is not known.
    fn under_way(&self) -> UnderWay {
        let sought =
            |lane: &Lane| matches!(lane.state, State::Ready | State::Waiting { .. }) && Line::of(lane) == Line::Search;
        let count = |are: &dyn Fn(&Lane) -> bool| self.lanes.values().filter(|known| are(&known.lane)).count() as u64;
        UnderWay::of(count(&Lane::may_create), count(&sought))
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
        let same = |lane: &Lane| lane.knows(lead_id) && lane.has_the_lead(now);
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
        verify.or_else(|| self.gate.days.looks_due(self.under_way(), now).then_some(Chore::LookAtDay))
    }

    fn hand_out(&mut self, chore: Chore, now: Timestamp) -> Chore {
        match &chore {
            Chore::Verify(Verification { external_ref, .. }) => {
                self.to_verify.insert(external_ref.clone(), now + receipt::CHORE_AGAIN);
            }
            Chore::LookAtDay => {
                let under_way = self.under_way();
                self.gate.days.take_look(under_way, now);
            }
        }
        chore
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
        let told_by_others = self.told_by_others(&external_ref);
        let mut lane = self.known(&external_ref, now).lane.clone();
        let leased = (&external_ref, &mut lane);
        let under_way = self.under_way();
        let claimed = self.gate.lease(leased, &told_by_others, (worker, permit), &self.options, under_way, now);
        self.known(&external_ref, now).lane = lane;
        Claimed { events: self.in_hand(&external_ref), ..claimed }
    }

    /// What other lanes have told the lead of `external_ref`.
    fn told_by_others(&self, external_ref: &ExternalRef) -> Words {
        let Some(lead_id) = &self.lanes[external_ref].lane.lead_id else { return Words::none() };
        let others = self.lanes.iter().filter(|(other, known)| *other != external_ref && known.lane.knows(lead_id));
        let mut others: Vec<_> = others.map(|(_, known)| known).collect();
        others.sort_unstable_by_key(|known| Reverse(known.born));
        Words::of_all(others.into_iter().take(HEARD).map(|known| &known.lane.told))
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
}
