//! The model: whether it agrees with itself. It has no counters and no file, and looks at all of it at once.

use jiff::Timestamp;

use super::model::{Event, Model};
use crate::store::Seq;
use crate::store::audit::{Audit, Ledger, Receipt, Rule};
use crate::store::lane::State;

impl Model {
    pub(super) fn audit(&self, after: Option<u64>, now: Timestamp) -> Audit {
        let mut audit = Audit::default();
        if after.is_some() {
            return audit;
        }
        let now = self.time.latest().max(now);
        audit.balance(Ledger {
            kept: self.next_place - 1,
            inbox: self.inbox.len() as u64,
            sorted: self.sorted,
            made: self.next_seq - 1,
            held: self.events.len() as u64,
            gone: self.gone,
        });
        if let Some(flaw) = self.gate.limiter.flaw(now) {
            audit.note(Rule::Limiter, flaw);
        }
        for (external_ref, known) in &self.lanes {
            let of_lane = |event: &Event| event.external_ref.as_ref() == Some(external_ref);
            let events: Vec<_> = self.events.iter().filter(|(_, event)| of_lane(event)).collect();
            let events: Vec<_> = events.into_iter().map(|(seq, event)| event.receipt(*seq)).collect();
            audit.look_at_lane(external_ref, &known.lane, &events);
        }
        let leased = self.lanes.iter().filter(|(_, known)| matches!(known.lane.state, State::Leased { .. }));
        audit.look_at_turns(leased.filter_map(|(lead, known)| Some((lead, known.lane.lead_id.as_ref()?))));
        for (name, alias) in &self.aliases {
            audit.look_at_alias(name, self.lanes.contains_key(&alias.lane).then_some(&alias.lane), alias.past);
        }
        for (seq, event) in &self.events {
            match &event.external_ref {
                None => audit.look_at_event(None, &event.receipt(*seq)),
                Some(lead) if !self.lanes.contains_key(lead) => {
                    audit.note_event(Some(lead), event.id, "it has no lane")
                }
                Some(_) => {}
            }
        }
        audit
    }
}

impl Event {
    fn receipt(&self, seq: Seq) -> Receipt {
        Receipt {
            seq,
            id: self.id,
            state: self.state,
            joined: self.joined,
            ended: self.ended.is_some(),
            why: self.why.is_some(),
            lead: self.lead_id.is_some(),
            forget: self.forget.is_some(),
            body: self.body.is_some(),
            size: self.weight(),
            weight: self.weight(),
        }
    }
}
