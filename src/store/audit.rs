//! Whether what a store holds agrees with itself: the invariants of `queue.md` §2.5 that can be seen in what is kept.
//! Pure, and shared by the backends: they say what they hold, and here is said what cannot be.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::gate::LINES;
use super::lane::{Lane, State};
use super::{Class, EventState, Seq};
use crate::domain::event::EventId;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;

/// Most flaws in one answer: a store that is beyond repair must not answer with all it holds.
pub(super) const MOST: usize = 100;

/// What the store says of itself. Each answer is of one moment; the next may be of a later one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Audit {
    /// What cannot be; at most 100 of them.
    pub flaws: Vec<Flaw>,
    /// Lanes looked at.
    pub lanes: u64,
    /// Events looked at.
    pub events: u64,
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
}

/// Something that cannot be, if the store does what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// What is broken.
    pub rule: Rule,
    /// Of which lead, if of one.
    pub lead: Option<ExternalRef>,
    /// Of which event, if of one.
    pub event: Option<EventId>,
    /// What is wrong, without personal data.
    pub says: String,
}

/// What can be broken.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    strum::Display,
    strum::VariantArray,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Rule {
    /// The backend's own files: pages, indexes, values that cannot be read.
    File,
    /// Everything that came in is accounted for (I4), and the counters say what is there.
    Balance,
    /// A lane is in the one place that its events and its fence say (I1, I2, I3, I5).
    Lane,
    /// An event has what its state says, and its lane is there.
    Event,
    /// No more calls stand in the limiter's log than are allowed (I8).
    Limiter,
}

/// An event, as far as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Receipt {
    pub(super) seq: Seq,
    pub(super) id: EventId,
    pub(super) state: EventState,
    pub(super) joined: u64,
    /// Has a time of its end, a reason, the lead's id, a time when it may be forgotten, a payload.
    pub(super) ended: bool,
    pub(super) why: bool,
    pub(super) lead: bool,
    pub(super) forget: bool,
    pub(super) body: bool,
    /// What it is counted as, in bytes, and what its payload weighs.
    pub(super) size: u64,
    pub(super) weight: u64,
}

/// Everything in numbers: once as it is counted, once as it is found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Totals {
    pub(super) inbox: u64,
    pub(super) bytes: u64,
    pub(super) events: [u64; 5],
    pub(super) ready: [u64; LINES],
    pub(super) waiting: [u64; LINES],
    pub(super) leased: u64,
    /// Of the leased ones, those that may create their leads.
    pub(super) creating: u64,
    pub(super) dead: u64,
    pub(super) parked: u64,
    pub(super) to_verify: u64,
    pub(super) aliases: u64,
}

/// What came in and what became of it, since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ledger {
    /// Records that were ever put into the inbox, those that are in it, and those that were taken out.
    pub(super) kept: u64,
    pub(super) inbox: u64,
    pub(super) sorted: u64,
    /// Events that there ever were, those that are there, and those that were forgotten or went back into the inbox.
    pub(super) made: u64,
    pub(super) held: u64,
    pub(super) gone: u64,
}

impl Audit {
    /// Notes a flaw of nothing in particular.
    pub(super) fn note(&mut self, rule: Rule, says: impl Into<String>) {
        self.note_of(rule, None, says);
    }

    /// Notes a flaw of a lead.
    pub(super) fn note_of(&mut self, rule: Rule, lead: Option<&ExternalRef>, says: impl Into<String>) {
        self.put(Flaw { rule, lead: lead.cloned(), event: None, says: says.into() });
    }

    /// Notes what is wrong with a lane.
    pub(super) fn note_lane(&mut self, lead: &ExternalRef, says: impl Into<String>) {
        self.note_of(Rule::Lane, Some(lead), says);
    }

    /// Notes what is wrong with an event.
    pub(super) fn note_event(&mut self, lead: Option<&ExternalRef>, event: EventId, says: impl Into<String>) {
        self.put(Flaw { rule: Rule::Event, lead: lead.cloned(), event: Some(event), says: says.into() });
    }

    fn put(&mut self, flaw: Flaw) {
        if self.flaws.len() < MOST {
            self.flaws.push(flaw);
        }
    }

    /// Looks at a lane and all its events.
    pub(super) fn look_at_lane(&mut self, lead: &ExternalRef, lane: &Lane, events: &[Receipt]) {
        self.lanes += 1;
        let count = |state| events.iter().filter(|event| event.state == state).count() as u64;
        for says in lane_flaws(lane, count(EventState::Pending), count(EventState::Dead)) {
            self.note_lane(lead, says);
        }
        for event in events {
            self.look_at_event(Some(lead), event);
            if event.joined > lane.fence {
                self.note_event(Some(lead), event.id, "it joined its lane under a fence that is still to come");
            }
        }
    }

    /// Looks at an event by itself.
    pub(super) fn look_at_event(&mut self, lead: Option<&ExternalRef>, event: &Receipt) {
        self.events += 1;
        for says in event_flaws(event) {
            self.note_event(lead, event.id, says);
        }
    }

    /// Looks at all lanes that are leased and know their leads: one of a lead at a time.
    pub(super) fn look_at_turns<'a>(&mut self, leased: impl IntoIterator<Item = (&'a ExternalRef, &'a LeadId)>) {
        let mut turns = HashSet::new();
        for (lead, lead_id) in leased {
            if !turns.insert(lead_id) {
                self.note_lane(lead, "it is worked on at the same time as another one of its lead");
            }
        }
    }

    /// Looks at another name of a lane, which is `None` where there is no such lane.
    pub(super) fn look_at_alias(&mut self, name: &ExternalRef, lane: Option<&ExternalRef>, past: bool) {
        match lane {
            None => self.note(Rule::Lane, "a name is of a lane that is not there"),
            Some(lane) if lane == name && !past => self.note_lane(lane, "its own reference is kept as another name"),
            Some(_) => {}
        }
    }

    /// Compares the counters with what is there.
    pub(super) fn compare(&mut self, counted: &Totals, found: &Totals) {
        if counted != found {
            self.note(Rule::Balance, format!("the counters say {counted:?}, but there are {found:?}"));
        }
    }

    /// Looks whether anything came in that is nowhere (I4).
    pub(super) fn balance(&mut self, ledger: Ledger) {
        let Ledger { kept, inbox, sorted, made, held, gone } = ledger;
        if kept != inbox + sorted {
            self.note(Rule::Balance, format!("{kept} webhooks were kept, but {inbox} wait and {sorted} were sorted"));
        }
        if made != held + gone {
            self.note(Rule::Balance, format!("there were {made} events, but {held} are there and {gone} forgotten"));
        }
    }
}

fn lane_flaws(lane: &Lane, pending: u64, dead: u64) -> Vec<String> {
    let mut flaws = Vec::new();
    if u64::from(lane.pending) != pending {
        flaws.push(format!("it counts {} pending events, and has {pending}", lane.pending));
    }
    let at_work = matches!(lane.state, State::Ready | State::Waiting { .. } | State::Leased { .. });
    if at_work != (pending > 0) {
        flaws.push(format!("it is {}, with {pending} pending events", lane.state.word()));
    }
    if lane.is_dead() && (dead == 0 || lane.lead_id.is_some()) {
        flaws.push(format!("it is dead, with {dead} dead events and {} lead", known(lane)));
    }
    let leased = matches!(lane.state, State::Leased { .. });
    if lane.settled > lane.fence || (leased && lane.settled == lane.fence) {
        flaws.push(format!("it is {} and settled under fence {} of {}", lane.state.word(), lane.settled, lane.fence));
    }
    if let Some(intent) = lane.intent
        && ((intent.fence == 0 && !intent.is_suspected()) || intent.fence > lane.fence)
    {
        flaws.push(format!("its intent is of fence {}, and the last was {}", intent.fence, lane.fence));
    }
    if lane.lead_id.is_some() && lane.adopting.is_some() {
        flaws.push("it has a lead, and another may be its own".to_owned());
    }
    let class_fits = match lane.class {
        Class::New => lane.lead_id.is_none(),
        Class::Update => lane.lead_id.is_some(),
        Class::Bulk => true,
    };
    if !class_fits {
        flaws.push(format!("it waits as {}, with {} lead", lane.class, known(lane)));
    }
    flaws
}

const fn known(lane: &Lane) -> &'static str {
    if lane.lead_id.is_some() { "a known" } else { "no known" }
}

fn event_flaws(event: &Receipt) -> Vec<String> {
    let Receipt { state, ended, why, lead, forget, body, size, weight, .. } = event;
    // Ended, reason, lead, to be forgotten, payload. A discarded event may keep the reason why it had been dead.
    let fits = match state {
        EventState::Pending => !ended && !why && !lead && !forget && *body,
        EventState::Delivered => *ended && !why && *lead && *forget && !body,
        EventState::Withheld | EventState::Dead => *ended && *why && !lead && !forget && *body,
        EventState::Discarded => *ended && !lead && *forget && !body,
    };
    let mut flaws = Vec::new();
    if !fits {
        flaws.push(format!(
            "it is {state}, with ended {ended}, reason {why}, lead {lead}, forgettable {forget}, payload {body}"
        ));
    }
    if *body && size != weight {
        flaws.push(format!("it is counted as {size} bytes, and has {weight}"));
    }
    flaws
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Adopting, Intent, Named};

    fn pending() -> Receipt {
        Receipt {
            seq: 1,
            id: EventId::from_bytes([1; 16]),
            state: EventState::Pending,
            joined: 0,
            ended: false,
            why: false,
            lead: false,
            forget: false,
            body: true,
            size: 7,
            weight: 7,
        }
    }

    fn ready() -> Lane {
        Lane { state: State::Ready, pending: 1, ..Lane::new() }
    }

    fn flaws(lane: &Lane, events: &[Receipt]) -> Vec<Rule> {
        let mut audit = Audit::default();
        audit.look_at_lane(&ExternalRef::new("form:", "ann"), lane, events);
        audit.flaws.into_iter().map(|flaw| flaw.rule).collect()
    }

    #[test]
    fn what_agrees_with_itself_has_no_flaw() {
        assert_eq!(flaws(&Lane::new(), &[]), []);
        assert_eq!(flaws(&ready(), &[pending()]), []);
    }

    #[test]
    fn each_way_in_which_a_lane_can_be_wrong_is_seen() {
        let intent = Intent { fence: 2, at: jiff::Timestamp::UNIX_EPOCH, upto: 1 };
        let lead_id = Some(LeadId("L".to_owned()));
        let adopting =
            Some(Adopting { lead_id: LeadId("M".to_owned()), shown: Named::default(), sent: Named::default() });
        let update = Lane { class: Class::Update, lead_id: lead_id.clone(), ..ready() };
        let wrong = [
            ("counts what is not there", Lane { pending: 2, ..ready() }),
            ("is nowhere", Lane { state: State::Idle, ..ready() }),
            ("is dead and alive", Lane { state: State::Dead, ..ready() }),
            ("was settled in time to come", Lane { settled: 1, ..ready() }),
            ("has begun in time to come", Lane { intent: Some(intent), ..ready() }),
            ("is new and known", Lane { lead_id, ..ready() }),
            ("has two leads", Lane { adopting, ..update }),
            ("is an update of nothing", Lane { class: Class::Update, ..ready() }),
        ];
        for (how, lane) in wrong {
            assert!(flaws(&lane, &[pending()]).contains(&Rule::Lane), "{how}");
        }
        assert_eq!(flaws(&ready(), &[]), [Rule::Lane, Rule::Lane], "it has lost its event");
    }

    #[test]
    fn each_way_in_which_an_event_can_be_wrong_is_seen() {
        let wrong = [
            Receipt { joined: 1, ..pending() },
            Receipt { ended: true, ..pending() },
            Receipt { body: false, ..pending() },
            Receipt { weight: 8, ..pending() },
            Receipt { forget: true, ..pending() },
            Receipt { lead: true, ..pending() },
        ];
        for event in wrong {
            assert_eq!(flaws(&ready(), std::slice::from_ref(&event)), [Rule::Event], "{event:?}");
        }
        let delivered = Receipt { state: EventState::Delivered, ended: true, lead: true, forget: true, ..pending() };
        let gone = Receipt { body: false, size: 0, weight: 0, ..delivered.clone() };
        assert_eq!(flaws(&ready(), &[pending(), delivered]), [Rule::Event], "its payload should be gone");
        assert_eq!(flaws(&ready(), &[pending(), gone]), []);
    }

    #[test]
    fn two_lanes_of_one_lead_that_are_worked_on_at_once_are_seen() {
        let [ann, bob, cid] = ["ann", "bob", "cid"].map(|name| ExternalRef::new("form:", name));
        let [one, other] = ["L", "M"].map(|id| LeadId(id.to_owned()));
        let mut audit = Audit::default();
        audit.look_at_turns([(&ann, &one), (&bob, &other), (&cid, &one)]);
        assert_eq!(audit.flaws.iter().map(|flaw| flaw.lead.clone()).collect::<Vec<_>>(), [Some(cid)]);
    }

    #[test]
    fn what_came_in_and_is_nowhere_is_missed() {
        let ledger = Ledger { kept: 3, inbox: 1, sorted: 2, made: 5, held: 4, gone: 1 };
        let flaws = |ledger| {
            let mut audit = Audit::default();
            audit.balance(ledger);
            audit.flaws.len()
        };
        assert_eq!(flaws(ledger), 0);
        assert_eq!(flaws(Ledger { sorted: 1, ..ledger }), 1);
        assert_eq!(flaws(Ledger { held: 3, sorted: 3, ..ledger }), 2);
    }

    #[test]
    fn a_store_beyond_repair_does_not_answer_with_all_it_holds() {
        let mut audit = Audit::default();
        for _ in 0..1000 {
            audit.note(Rule::File, "broken");
        }
        assert_eq!(audit.flaws.len(), MOST);
    }
}
