//! Whether a call may go out now, and for whom: the pause, whose turn it is, and the limiter behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::day::{Days, UnderWay};
use super::lane::Lane;
use super::limit::{Limiter, Take, Tuning};
use super::suspicion::{Doubt, Suspicion};
use super::{Claimed, Class, Lease, Options, PauseReason, PermitId, Probe, Words, WorkerId};
use crate::domain::external_ref::ExternalRef;

/// First try after a pause; doubles up to the longest (`queue.md` §2.10).
const FIRST_PROBE: Duration = Duration::from_secs(30);
const LONGEST_PROBE: Duration = Duration::from_mins(5);

/// Where a lane stands in line. A lane in doubt is in a line of its own: its search comes before anything else of that
/// lane, and must not spend the whole budget when Konektor is unwell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::VariantArray)]
#[repr(u8)]
pub(super) enum Line {
    /// No lead yet.
    New = 0,
    /// A lead that has more to say.
    Update = 1,
    /// Replays and back-fill.
    Bulk = 2,
    /// Whether a lead was made has to be found out first.
    Search = 3,
}

/// How many lines there are.
pub(super) const LINES: usize = 4;

impl Line {
    /// Where lanes stand that have a lead.
    pub(super) const OF_KNOWN_LEADS: [Self; 2] = [Self::Update, Self::Bulk];

    /// Where `lane` stands.
    pub(super) const fn of(lane: &Lane) -> Self {
        match (lane.intent, lane.class) {
            (Some(_), _) => Self::Search,
            (None, Class::New) => Self::New,
            (None, Class::Update) => Self::Update,
            (None, Class::Bulk) => Self::Bulk,
        }
    }

    /// As what it calls, and is counted.
    pub(super) const fn class(self) -> Class {
        match self {
            Self::New | Self::Search => Class::New,
            Self::Update => Class::Update,
            Self::Bulk => Class::Bulk,
        }
    }
}

/// The order in which the lines are asked at a turn. New leads first, but every tenth turn updates are, every fiftieth
/// replays, and searches once or twice in ten (`queue.md` §2.11: floors of 10 % and 2 %, searches at most 20 %).
const fn order(turn: u64) -> [Line; LINES] {
    use Line::{Bulk, New, Search, Update};
    match turn {
        turn if turn % 50 == 40 => [Bulk, New, Update, Search],
        turn if turn % 10 == 9 => [Update, Search, New, Bulk],
        turn if turn % 5 == 4 => [Search, New, Update, Bulk],
        _ => [New, Update, Bulk, Search],
    }
}

/// As what a line asks for its permit. A search ahead of others is as urgent as a new lead; out of its turn it gets what
/// nobody else wants, at an even pace.
const fn pace(line: Line, turn: u64) -> Class {
    match line {
        Line::Search if turn % 5 != 4 => Class::Bulk,
        line => line.class(),
    }
}

/// What may be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Lease the first lane of this line.
    Lane(Line, PermitId),
    /// Hand out the chore that is due.
    Chore(PermitId),
    /// Try whether Konektor takes calls again.
    Probe(Probe),
    /// Nothing before this time (`None`: until something changes).
    Wait(Option<Timestamp>),
}

/// Pause, turn and limiter.
#[derive(Debug, Clone)]
pub(super) struct Gate {
    /// The limiter.
    pub(super) limiter: Limiter,
    /// How many leads Konektor takes today.
    pub(super) days: Days,
    /// What the store may have forgotten.
    suspicion: Option<Suspicion>,
    paused: Option<Paused>,
    /// When the last pause ended.
    resumed: Option<Timestamp>,
    generation: u64,
    turn: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Paused {
    why: PauseReason,
    since: Timestamp,
    next_probe: Timestamp,
    probes: u32,
}

/// What a backend keeps of a gate, beside the limiter's log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct GateRecord {
    tuning: Tuning,
    days: Days,
    suspicion: Option<Suspicion>,
    paused: Option<Paused>,
    resumed: Option<Timestamp>,
    generation: u64,
}

impl Gate {
    /// The gate as it was kept. `call_timeout` is the longest that a call may be under way.
    pub(super) fn restore(record: GateRecord, calls: BTreeMap<u64, Timestamp>, call_timeout: Duration) -> Self {
        let GateRecord { tuning, days, suspicion, paused, resumed, generation } = record;
        let limiter = Limiter::restore(tuning, calls, call_timeout);
        Self { limiter, days, suspicion, paused, resumed, generation, turn: 0 }
    }

    /// The gate where other processes go through it, too: what the limiter has in memory, and whose turn it is.
    pub(super) fn go_on(self, warm: bool, flying: BTreeSet<u64>, turn: u64) -> Self {
        Self { limiter: self.limiter.go_on(warm, flying), turn, ..self }
    }

    /// Whose turn it is.
    pub(super) const fn turn(&self) -> u64 {
        self.turn
    }

    /// To be kept.
    pub(super) fn record(&self) -> GateRecord {
        GateRecord {
            tuning: self.limiter.tuning().clone(),
            days: self.days.clone(),
            suspicion: self.suspicion,
            paused: self.paused.clone(),
            resumed: self.resumed,
            generation: self.generation,
        }
    }

    /// What may be done, when so many lanes are ready in each line, and a `chore` is due or not. Chores stand in the
    /// line of replays, before them: there are few.
    pub(super) fn pass(&mut self, ready: [u64; LINES], chore: bool, now: Timestamp) -> Pass {
        if self.paused.is_some() {
            return self.probe(now);
        }
        let stands = |line: Line| ready[line as usize] > 0 || (chore && line == Line::Bulk);
        let mut soonest = None;
        for line in order(self.turn).into_iter().filter(|line| stands(*line)) {
            match self.limiter.take(pace(line, self.turn), now) {
                Take::Granted(permit) => {
                    self.turn += 1;
                    return if chore && line == Line::Bulk { Pass::Chore(permit) } else { Pass::Lane(line, permit) };
                }
                Take::NotBefore(at) => soonest = Some(soonest.map_or(at, |soonest: Timestamp| soonest.min(at))),
            }
        }
        Pass::Wait(soonest)
    }

    /// Stops calls. The same reason again, or any other while a person has stopped them, changes nothing.
    pub(super) fn pause(&mut self, why: PauseReason, now: Timestamp) {
        let stays = self.paused.as_ref().is_some_and(|paused| paused.why == why || paused.why == PauseReason::Operator);
        if !stays {
            self.generation += 1;
            self.paused = Some(Paused { why, since: now, next_probe: now + FIRST_PROBE, probes: 0 });
        }
    }

    /// Ends the pause, if it is that of `generation` (`None`: any).
    pub(super) fn resume(&mut self, generation: Option<u64>, now: Timestamp) {
        if generation.is_none_or(|generation| generation == self.generation) && self.paused.take().is_some() {
            self.resumed = Some(now);
        }
    }

    /// Since when a lane has been failing whose first failure was `since`: nobody has tried it during a pause.
    fn failing_since(&self, since: Option<Timestamp>) -> Option<Timestamp> {
        since.map(|since| self.resumed.map_or(since, |resumed| resumed.max(since)))
    }

    /// The clock was set back.
    pub(super) fn set_back(&mut self, by: Duration) {
        self.limiter.set_back(by);
        self.days.set_back(by);
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.set_back(by);
        }
        if let Some(paused) = &mut self.paused {
            paused.next_probe -= by;
        }
        self.resumed = self.resumed.map(|resumed| resumed - by);
    }

    /// Why calls are stopped, and since when.
    pub(super) fn paused(&self) -> Option<(PauseReason, Timestamp)> {
        self.paused.as_ref().map(|paused| (paused.why, paused.since))
    }

    /// The store may have forgotten what it knew before `now`, and for so long leads may turn up that it should know.
    pub(super) fn suspect(&mut self, lasts: Duration, now: Timestamp) {
        self.suspicion = Some(Suspicion::new(now, lasts).and(self.suspicion));
    }

    /// Leases a lane to a worker, with its first call, once it has heard what others have told its lead. Gives all that the
    /// worker has to know but the events. The lane and the gate are to be saved then. `under_way` is what was before.
    pub(super) fn lease(
        &mut self,
        (external_ref, lane): (&ExternalRef, &mut Lane),
        told_by_others: &Words,
        (worker, permit): (&WorkerId, PermitId),
        options: &Options,
        under_way: UnderWay,
        now: Timestamp,
    ) -> Claimed {
        let until = now + options.lease;
        let doubt = self.doubt(options, now);
        let search_first = lane.search_first(doubt);
        let lost = lane.lost_since(doubt);
        lane.claim(worker, self.least_fence(), until, now);
        lane.hear(told_by_others);
        if lane.may_create() {
            self.days.begun();
        }
        Claimed {
            lease: Lease { external_ref: external_ref.clone(), fence: lane.fence, until },
            permit,
            lead_id: lane.lead_id.clone(),
            intent: lane.intent,
            named: lane.named(),
            adopting: lane.adopting.clone(),
            search_first,
            lost,
            day_nearly_over: self.days.is_nearly_over(under_way, now),
            negatives: lane.negatives,
            attempts: lane.attempts,
            failing_since: self.failing_since(lane.failing_since),
            follows: lane.follows.clone(),
            told: lane.told.clone(),
            standing: lane.standing,
            events: Vec::new(),
        }
    }

    /// What a lane that is claimed `now` has to search for before it creates.
    fn doubt(&mut self, options: &Options, now: Timestamp) -> Doubt {
        if let Some(suspicion) = &mut self.suspicion {
            suspicion.begin(now);
        }
        Doubt::of(self.suspicion.as_ref(), options.quiet, options.search_always, now)
    }

    /// The least fence that a claim may give.
    fn least_fence(&self) -> u64 {
        self.suspicion.as_ref().map_or(0, Suspicion::fence)
    }

    /// Until when every new lead is searched for before it is created, if that is so.
    pub(super) fn searching_first(&self, now: Timestamp) -> Option<Timestamp> {
        self.suspicion.as_ref().and_then(|suspicion| suspicion.open_until(now))
    }

    fn probe(&mut self, now: Timestamp) -> Pass {
        let Some(paused) = self.paused.as_mut().filter(|paused| paused.why != PauseReason::Operator) else {
            return Pass::Wait(None);
        };
        if now < paused.next_probe {
            return Pass::Wait(Some(paused.next_probe));
        }
        match self.limiter.take(Class::New, now) {
            Take::NotBefore(at) => Pass::Wait(Some(at)),
            Take::Granted(permit) => {
                paused.probes += 1;
                let wait = FIRST_PROBE * 2_u32.saturating_pow(paused.probes.min(8));
                paused.next_probe = now + wait.min(LONGEST_PROBE);
                Pass::Probe(Probe { permit, generation: self.generation, why: paused.why })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Observation, RateHeaders};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn gate() -> Gate {
        Gate::restore(GateRecord::default(), BTreeMap::new(), Duration::from_secs(10))
    }

    /// The lines of the next `turns`, each call answered at once.
    fn lines(gate: &mut Gate, ready: [u64; LINES], turns: i64) -> Vec<Line> {
        let headers = RateHeaders { limit: Some(60), ..RateHeaders::default() };
        (0..turns)
            .map(|turn| match gate.pass(ready, false, at(turn * 120)) {
                Pass::Lane(line, permit) => {
                    gate.limiter.observe(permit, Observation::Answered(headers), at(turn * 120));
                    line
                }
                other => panic!("expected a lane, got {other:?}"),
            })
            .collect()
    }

    #[test]
    fn new_leads_go_first_and_the_others_have_their_floors() {
        let lines = lines(&mut gate(), [9; LINES], 1000);
        let share = |line| lines.iter().filter(|one| **one == line).count();
        assert_eq!(
            [share(Line::New), share(Line::Update), share(Line::Bulk), share(Line::Search)],
            [780, 100, 20, 100]
        );
    }

    #[test]
    fn a_line_that_is_alone_gets_everything() {
        for (index, line) in [Line::New, Line::Update, Line::Bulk, Line::Search].into_iter().enumerate() {
            let mut ready = [0; LINES];
            ready[index] = 1;
            assert_eq!(lines(&mut gate(), ready, 60), [line; 60]);
        }
    }

    #[test]
    fn a_turn_of_an_update_that_must_keep_its_pace_goes_to_a_new_lead() {
        let mut gate = gate();
        let headers = RateHeaders { limit: Some(60), ..RateHeaders::default() };
        let mut went = Vec::new();
        for _ in 0..11 {
            match gate.pass([1, 1, 0, 0], false, at(0)) {
                Pass::Lane(line, permit) => {
                    went.push(line);
                    gate.limiter.observe(permit, Observation::Answered(headers), at(0));
                }
                other => panic!("expected a lane, got {other:?}"),
            }
        }
        assert_eq!(went, [Line::New; 11]);
    }

    #[test]
    fn searches_do_not_take_what_updates_must_wait_for() {
        let mut gate = gate();
        let headers = RateHeaders { limit: Some(60), ..RateHeaders::default() };
        let (mut updates, mut searches) = (0, 0);
        for millis in (0..600_000).step_by(100) {
            let now = at(0) + Duration::from_millis(millis);
            if let Pass::Lane(line, permit) = gate.pass([0, 9, 0, 9], false, now) {
                gate.limiter.observe(permit, Observation::Answered(headers), now);
                match line {
                    Line::Update => updates += 1,
                    _ => searches += 1,
                }
            }
        }
        assert!(searches * 5 <= updates + searches + 5, "{searches} searches beside {updates} updates");
        assert!(updates + searches > 550, "and nothing is wasted");
    }

    #[test]
    fn a_chore_goes_in_the_place_of_replays() {
        let mut gate = gate();
        let headers = RateHeaders { limit: Some(60), ..RateHeaders::default() };
        let mut lines = Vec::new();
        for turn in 0..50 {
            let now = at(turn * 120);
            let pass = gate.pass([1, 1, 1, 0], true, now);
            let (Pass::Lane(_, permit) | Pass::Chore(permit)) = pass else { panic!("a permit, not {pass:?}") };
            gate.limiter.observe(permit, Observation::Answered(headers), now);
            lines.push(pass);
        }
        assert_eq!(lines.iter().filter(|pass| matches!(pass, Pass::Chore(_))).count(), 1);
        assert!(matches!(gate.pass([0, 0, 1, 0], true, at(99_999)), Pass::Chore(_)), "before them");
        gate.pause(PauseReason::Operator, at(99_999));
        assert_eq!(gate.pass([0; LINES], true, at(99_999)), Pass::Wait(None));
    }

    #[test]
    fn nothing_ready_is_nothing_to_wait_for() {
        assert_eq!(gate().pass([0; LINES], false, at(0)), Pass::Wait(None));
    }

    #[test]
    fn a_pause_is_probed_ever_more_rarely_and_a_late_answer_does_not_end_a_newer_one() {
        let mut gate = gate();
        gate.pause(PauseReason::Unauthorized, at(0));
        gate.pause(PauseReason::Unauthorized, at(5));
        assert_eq!(gate.paused(), Some((PauseReason::Unauthorized, at(0))));
        let (mut now, mut waits) = (at(0), Vec::new());
        for _ in 0..6 {
            let Pass::Wait(Some(next)) = gate.pass([1; LINES], false, now) else { panic!("a probe too early") };
            waits.push(next.duration_since(now).as_secs());
            now = next;
            let Pass::Probe(probe) = gate.pass([1; LINES], false, now) else { panic!("no probe") };
            assert_eq!((probe.generation, probe.why), (1, PauseReason::Unauthorized));
            gate.limiter.observe(probe.permit, Observation::Unsent, now);
        }
        assert_eq!(waits, [30, 60, 120, 240, 300, 300]);
        gate.pause(PauseReason::Forbidden, now);
        gate.resume(Some(1), at(0));
        assert!(gate.paused().is_some());
        gate.resume(Some(2), at(0));
        assert_eq!(gate.paused(), None);
    }

    #[test]
    fn nobody_is_blamed_for_the_time_of_a_pause() {
        let mut gate = gate();
        assert_eq!(gate.failing_since(Some(at(5))), Some(at(5)));
        gate.resume(None, at(10));
        assert_eq!(gate.failing_since(Some(at(5))), Some(at(5)), "there was none");
        gate.pause(PauseReason::Operator, at(20));
        gate.resume(None, at(1000));
        assert_eq!([5, 2000].map(|since| gate.failing_since(Some(at(since)))), [Some(at(1000)), Some(at(2000))]);
        assert_eq!(gate.failing_since(None), None);
    }

    #[test]
    fn only_a_person_ends_what_a_person_has_stopped() {
        let mut gate = gate();
        gate.pause(PauseReason::Operator, at(0));
        gate.pause(PauseReason::Unauthorized, at(1));
        assert_eq!(gate.pass([1; LINES], false, at(9999)), Pass::Wait(None));
        assert_eq!(gate.paused(), Some((PauseReason::Operator, at(0))));
        gate.resume(None, at(0));
        assert!(matches!(gate.pass([1; LINES], false, at(9999)), Pass::Lane(Line::New, _)));
    }

    #[test]
    fn what_is_kept_of_a_gate_brings_it_back() {
        let mut gate = gate();
        gate.pause(PauseReason::Forbidden, at(0));
        let kept = serde_json::to_string(&gate.record()).unwrap();
        let back = Gate::restore(serde_json::from_str(&kept).unwrap(), BTreeMap::new(), Duration::from_secs(10));
        assert_eq!(back.record(), gate.record());
    }
}
