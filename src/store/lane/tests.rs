//! The lane, step by step and by chance.

use proptest::prelude::*;

use super::stand::COALESCE;
use super::*;
use crate::domain::event::Hold;
use crate::domain::lead::Field;
use crate::store::Word;
use crate::store::gate::Line;

const LATE_UPDATE: Duration = Duration::from_secs(18);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

fn me() -> WorkerId {
    WorkerId("me".to_owned())
}

fn telling(upto: Seq) -> Telling {
    Words::of([Field::Phone], Word { seq: upto, at: None }).into()
}

/// What a lane meets.
#[derive(Debug, Clone)]
enum Step {
    Pass(i64),
    Arrive(Arrival),
    Claim,
    Begin,
    Settle(u8),
    Lost(bool),
    Replay,
    Learn,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..40i64).prop_map(Step::Pass),
        prop_oneof![3 => Just(Arrival::Live), 1 => Just(Arrival::Bulk)].prop_map(Step::Arrive),
        Just(Step::Claim),
        Just(Step::Claim),
        Just(Step::Begin),
        (0..9u8).prop_map(Step::Settle),
        (0..9u8).prop_map(Step::Settle),
        any::<bool>().prop_map(Step::Lost),
        Just(Step::Replay),
        Just(Step::Learn),
    ]
}

fn outcome(kind: u8, upto: Seq, now: Timestamp) -> Outcome {
    let lead_id = LeadId("L".to_owned());
    match kind {
        0 => Outcome::Done { lead_id, upto },
        1 => Outcome::Done { lead_id, upto: 0 },
        2 => Outcome::Retry { at: now, counted: true },
        3 => Outcome::Ambiguous { at: now + Duration::from_secs(2) },
        4 => Outcome::Negative { at: now, settled: false },
        5 => Outcome::Negative { at: now, settled: true },
        6 => Outcome::Dead { why: Undelivered { reason: DeadReason::Rejected, detail: String::new() }, upto },
        7 => Outcome::Withheld(vec![(upto, Hold::Spam)]),
        _ => Outcome::Release { at: now },
    }
}

/// A lane with its events, as a backend would keep them: seq, joined, and whether dead.
struct World {
    lane: Lane,
    now: Timestamp,
    events: Vec<(Seq, u64, bool)>,
    last: Seq,
}

impl World {
    fn rest(&self, dead: bool) -> Rest {
        let mut rest = Rest::default();
        for (seq, ..) in self.events.iter().filter(|(.., is_dead)| *is_dead == dead) {
            rest.count += 1;
            rest.first = rest.first.or(Some((*seq, self.now)));
        }
        rest
    }

    fn has_newer(&self) -> bool {
        self.events.iter().any(|(_, joined, dead)| !dead && *joined >= self.lane.fence)
    }

    fn revive(&mut self, arrival: Arrival) {
        let back = self.rest(true);
        self.events.iter_mut().for_each(|(_, joined, dead)| (*joined, *dead) = (self.lane.fence, false));
        self.lane.revive(back, arrival);
    }

    fn step(&mut self, step: &Step) {
        let is_leased = matches!(self.lane.state, State::Leased { .. });
        match step {
            Step::Pass(seconds) => {
                self.now += Duration::from_secs(u64::try_from(*seconds).unwrap());
                if matches!(self.lane.state, State::Waiting { due, .. } if due <= self.now) {
                    self.lane.promote();
                }
            }
            Step::Arrive(arrival) => {
                if self.lane.is_dead() {
                    self.revive(*arrival);
                }
                self.last += 1;
                self.events.push((self.last, self.lane.fence, false));
                self.lane.arrive(self.last, self.now, *arrival, COALESCE, self.now);
            }
            Step::Claim if self.lane.state == State::Ready => {
                self.lane.claim(&me(), 0, self.now + Duration::from_secs(30), self.now);
            }
            Step::Begin => {
                let _ = self.lane.begin(self.lane.fence, self.last, &telling(self.last), self.now);
            }
            Step::Settle(kind) if self.lane.expects(self.lane.fence).is_ok() => {
                self.settle(&outcome(*kind, self.last, self.now));
            }
            Step::Lost(crashed) if is_leased => {
                if self.lane.lost(*crashed, self.has_newer(), LATE_UPDATE, self.now).is_some() {
                    let span = Span::before(self.lane.fence);
                    self.events.iter_mut().for_each(|(seq, joined, dead)| *dead |= span.covers(*seq, *joined));
                    self.lane.give_up(self.rest(false));
                }
                self.look_back();
            }
            Step::Replay if self.lane.is_dead() => self.revive(Arrival::Bulk),
            Step::Learn => self.learn(&LeadId("L".to_owned())),
            Step::Claim | Step::Settle(_) | Step::Lost(_) | Step::Replay => {}
        }
    }

    fn settle(&mut self, outcome: &Outcome) {
        let rest = self.end(outcome);
        self.lane.may_land(None);
        self.lane.go(outcome, rest, COALESCE, self.now);
        self.lane.sign_off();
        self.look_back();
    }

    fn learn(&mut self, lead_id: &LeadId) {
        if let Insight::Found(outcome) = self.lane.learn(lead_id) {
            let rest = self.end(&outcome);
            self.lane.go(&outcome, rest, COALESCE, self.now);
        }
    }

    fn look_back(&mut self) {
        if let Some(lead_id) = self.lane.take_heard() {
            self.learn(&lead_id);
        }
    }

    fn end(&mut self, outcome: &Outcome) -> Rest {
        match self.lane.ends(outcome, self.has_newer()) {
            Ends::Nothing => {}
            Ends::Delivered(span, _) => self.events.retain(|(seq, joined, dead)| *dead || !span.covers(*seq, *joined)),
            Ends::Dead(span, _) => {
                self.events.iter_mut().for_each(|(seq, joined, dead)| *dead |= span.covers(*seq, *joined));
            }
            Ends::Withheld(holds) => self.events.retain(|(seq, ..)| holds.iter().all(|(held, _)| held != seq)),
        }
        self.rest(false)
    }
}

proptest! {
    #[test]
    fn a_lane_never_loses_an_event_or_forgets_a_post(steps in proptest::collection::vec(step(), 1..80)) {
        let mut world = World { lane: Lane::new(), now: at(0), events: Vec::new(), last: 0 };
        let mut newest_before_claim = None;
        for step in steps {
            let before = world.lane.clone();
            world.step(&step);
            let lane = &world.lane;
            prop_assert_eq!(lane.pending, world.rest(false).count, "{:?} after {:?}", lane, step);
            let at_rest = matches!(lane.state, State::Idle | State::Dead);
            prop_assert_eq!(at_rest, lane.pending == 0, "{:?} after {:?}", lane, step);
            prop_assert!(lane.lead_id.is_none() || !lane.is_dead());
            let buried = world.events.iter().filter(|(.., dead)| *dead).map(|(seq, ..)| *seq).max();
            let dies = matches!(step, Step::Settle(6) | Step::Lost(_)) && lane.is_dead() && !before.is_dead();
            prop_assert!(!dies || buried <= newest_before_claim, "what came since is buried unseen");
            if matches!(step, Step::Claim) && lane.fence > before.fence {
                newest_before_claim = Some(world.last);
            }
            let is_leased = matches!(lane.state, State::Leased { .. });
            prop_assert!(lane.heard.is_none() || is_leased);
            prop_assert!(lane.fence >= before.fence);
            prop_assert!(lane.intent.is_some() || lane.telling == Telling::nothing(), "{:?} after {:?}", lane, step);
            if let Some(open) = before.intent && lane.intent != Some(open) {
                let own = open.fence == before.fence;
                let may = match step {
                    Step::Settle(0 | 1 | 5) | Step::Learn => true,
                    Step::Settle(_) | Step::Lost(_) if before.heard.is_some() => true,
                    Step::Settle(2 | 6 | 8) | Step::Begin => own,
                    _ => false,
                };
                prop_assert!(may, "the intent {:?} was closed by {:?}", open, step);
            }
        }
    }
}

#[test]
fn an_update_waits_from_its_webhook_on_not_from_its_sorting() {
    let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), ..Lane::new() };
    lane.arrive(1, at(0), Arrival::Live, COALESCE, at(1));
    assert_eq!(lane.state, State::Waiting { due: at(2), why: Wait::Coalesce });
    let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), ..Lane::new() };
    lane.arrive(1, at(0), Arrival::Live, COALESCE, at(60));
    assert_eq!(lane.state, State::Ready, "it lay in the inbox for longer than that");
    let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), ..Lane::new() };
    lane.arrive(1, at(500), Arrival::Live, COALESCE, at(0));
    assert_eq!(lane.state, State::Waiting { due: at(2), why: Wait::Coalesce }, "a clock was wrong");
}

#[test]
fn what_a_back_fill_brings_waits_as_bulk_until_its_lead_says_something_new() {
    for (lead_id, live) in [(None, Class::New), (Some(LeadId("L".to_owned())), Class::Update)] {
        let mut lane = Lane { lead_id, ..Lane::new() };
        lane.arrive(1, at(0), Arrival::Bulk, COALESCE, at(0));
        assert_eq!((lane.class, &lane.state), (Class::Bulk, &State::Ready), "there is nothing to wait for");
        lane.arrive(2, at(0), Arrival::Bulk, COALESCE, at(0));
        assert_eq!(lane.class, Class::Bulk);
        lane.arrive(3, at(0), Arrival::Live, COALESCE, at(0));
        lane.arrive(4, at(0), Arrival::Bulk, COALESCE, at(0));
        assert_eq!(lane.class, live, "what is live is not held back by what is not");
    }
}

#[test]
fn a_lost_worker_is_looked_after_two_seconds_from_its_post_or_at_once() {
    for (lost_at, due) in [(1, State::Waiting { due: at(2), why: Wait::Reconcile }), (40, State::Ready)] {
        let mut lane = Lane::new();
        lane.arrive(1, at(0), Arrival::Live, COALESCE, at(0));
        lane.claim(&me(), 0, at(30), at(0));
        assert_eq!(lane.begin(1, 1, &Telling::nothing(), at(0)), Fenced::Done);
        assert_eq!(lane.lost(true, false, LATE_UPDATE, at(lost_at)), None);
        assert_eq!(lane.state, due);
    }
}

#[test]
fn after_a_lost_worker_an_update_waits_until_its_own_can_not_land_any_more() {
    let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), state: State::Ready, ..Lane::new() };
    lane.claim(&me(), 0, at(30), at(0));
    assert_eq!(lane.lost(true, false, LATE_UPDATE, at(31)), None);
    assert_eq!(lane.state, State::Waiting { due: at(48), why: Wait::Backoff });
}

fn claimed_and_begun(lane: &mut Lane, now: Timestamp) {
    lane.claim(&WorkerId("w".into()), 0, now + Duration::from_secs(30), now);
    let _done = lane.begin(lane.fence, 1, &Telling::nothing(), now);
}

fn refused() -> Outcome {
    Outcome::Dead { why: Undelivered { reason: DeadReason::Rejected, detail: String::new() }, upto: 1 }
}

#[test]
fn a_create_that_was_refused_leaves_no_doubt_and_an_unclear_one_before_it_does() {
    let mut lane = Lane { state: State::Ready, ..Lane::new() };
    claimed_and_begun(&mut lane, at(0));
    lane.go(&refused(), Rest::default(), Duration::ZERO, at(1));
    lane.sign_off();
    assert_eq!((lane.intent, &lane.state), (None, &State::Dead));

    let mut unclear = Lane { state: State::Ready, ..Lane::new() };
    claimed_and_begun(&mut unclear, at(0));
    unclear.go(&Outcome::Ambiguous { at: at(2) }, Rest::default(), Duration::ZERO, at(1));
    unclear.sign_off();
    unclear.promote();
    unclear.claim(&WorkerId("w".into()), 0, at(40), at(3));
    unclear.go(&refused(), Rest::default(), Duration::ZERO, at(4));
    unclear.sign_off();
    assert_eq!(unclear.intent.map(|intent| intent.at), Some(at(0)));
}

#[test]
fn c4_a_back_log_of_more_than_a_minute_widens_the_window_to_half_a_minute_at_most() {
    let ready = |updates, others| [others, updates, 0, 0];
    let seconds = |updates, others| window(ready(updates, others), None, 60).as_secs();
    assert_eq!([seconds(0, 0), seconds(1, 0), seconds(0, 1), seconds(30, 0)], [0, 2, 2, 2]);
    assert_eq!([seconds(60, 0), seconds(300, 0), seconds(450, 0), seconds(99_999, 0)], [4, 20, 30, 30]);
    assert_eq!(window(ready(300, 0), None, 600).as_secs(), 2, "at ten times the rate it is drained in a minute");
    assert_eq!(window(ready(u64::MAX, 1), None, 0).as_secs(), 30, "no number makes it fail");
}

#[test]
fn c4_a_lane_does_not_wait_for_itself() {
    let seconds = |ready, own| window(ready, Some(own), 60).as_secs();
    assert_eq!([seconds([1, 0, 0, 0], Line::New), seconds([0, 1, 0, 0], Line::Update)], [0, 0]);
    assert_eq!([seconds([2, 0, 0, 0], Line::New), seconds([1, 1, 0, 0], Line::Update)], [2, 2], "but for others");
    assert_eq!([seconds([0, 61, 0, 0], Line::Update), seconds([0, 60, 0, 0], Line::Update)], [4, 2]);
}

fn doubt_since(before: i64) -> Doubt {
    let forgotten = Some(Forgotten { before: at(before), concerns: at(before + 50) });
    Doubt { forgotten, look: false, lost: Some(Lost { since: at(before), until: at(before + 600) }) }
}

fn suspected(since: i64, doubt: Doubt) -> (Lane, bool) {
    let mut lane = Lane { fence: 4, ..Lane::new() };
    lane.arrive(1, at(since), Arrival::Live, Duration::ZERO, at(since));
    let look = lane.search_first(doubt);
    (lane, look)
}

#[test]
fn what_came_in_before_a_loss_is_reconciled_and_what_came_after_gets_one_look() {
    let doubt = doubt_since(100);
    let (old, look) = suspected(149, doubt);
    assert_eq!(old.intent, Some(Intent { fence: 4, at: at(100), upto: Intent::NOTHING }));
    assert!(!look, "it is more than a look");
    let (young, look) = suspected(150, doubt);
    assert_eq!((young.intent, look), (None, true));
    let (mut late, look) = suspected(699, doubt);
    assert_eq!((late.intent, look, late.lost_since(doubt)), (None, true, Some(at(100))));
    late.claim(&me(), 0, at(5000), at(4000));
    assert!(late.search_first(doubt), "it was claimed long after, and is looked for all the same");
    let (new, look) = suspected(700, doubt);
    assert_eq!((look, new.lost_since(doubt)), (false, None), "the window is over");
    let (_, look) = suspected(700, Doubt { look: true, ..doubt });
    assert!(look, "unless every lead is looked for");
}

#[test]
fn a_doubt_that_was_settled_is_not_raised_again_by_the_same_loss() {
    let doubt = doubt_since(100);
    let (mut lane, _) = suspected(99, doubt);
    lane.claim(&me(), 0, at(190), at(160));
    let rest = Rest { count: 1, first: Some((1, at(99))) };
    lane.go(&Outcome::Negative { at: at(161), settled: true }, rest, Duration::ZERO, at(161));
    lane.sign_off();
    assert_eq!(lane.intent, None);
    assert!(lane.search_first(doubt), "one look, for it came while the window was open");
    assert_eq!(lane.intent, None);
    lane.search_first(doubt_since(200));
    assert!(lane.intent.is_some(), "another loss is another doubt");
}

#[test]
fn a_search_that_could_not_be_decided_is_made_again_before_anything_is_created() {
    let why = Undelivered { reason: DeadReason::Unresolved, detail: String::new() };
    let (mut lane, _) = suspected(0, Doubt::default());
    assert_eq!((lane.search_first(Doubt::default()), lane.lost_since(Doubt::default())), (false, None));
    lane.claim(&me(), 0, at(30), at(0));
    lane.go(&Outcome::Dead { why, upto: 1 }, Rest::default(), Duration::ZERO, at(1));
    lane.sign_off();
    lane.revive(Rest { count: 1, first: Some((1, at(0))) }, Arrival::Live);
    assert!(lane.search_first(Doubt::default()));
    assert_eq!(lane.lost_since(Doubt::default()), Some(AT_ANY_TIME), "whoever is found may be it");
}

#[test]
fn who_was_in_an_open_create_is_forgotten_with_its_events() {
    let intent = Intent { fence: 1, at: at(5), upto: 3 };
    let mut lane = Lane { intent: Some(intent), telling: telling(3), state: State::Dead, ..Lane::new() };
    lane.discarded(1);
    assert_eq!((&lane.state, lane.intent), (&State::Dead, Some(intent)));
    lane.discarded(0);
    assert_eq!((&lane.state, lane.intent), (&State::Idle, Some(Intent { upto: Intent::NOTHING, ..intent })));
    assert_eq!(lane.telling, Telling::nothing());
}

#[test]
fn a_lead_that_is_known_is_not_suspected() {
    let mut known = Lane { lead_id: Some(LeadId("L".into())), ..Lane::new() };
    assert!(!known.search_first(doubt_since(100)) && known.intent.is_none());
}

#[test]
fn a_loss_makes_the_doubt_that_was_there_already_as_young_as_itself() {
    let open = |seconds| Intent { fence: 1, at: at(seconds), upto: 3 };
    let after = |intent: Intent| {
        let mut lane = Lane { intent: Some(intent), negatives: 1, ..Lane::new() };
        assert!(!lane.search_first(doubt_since(100)));
        (lane.intent, lane.negatives)
    };
    let (moved, negatives) = after(open(5));
    assert_eq!((moved.map(|intent| intent.at), negatives), (Some(at(100)), 0), "another POST may have been sent");
    assert!(moved.as_ref().is_some_and(Intent::is_suspected), "or this one have made the lead, long before");
    assert_eq!(after(open(101)), (Some(open(101)), 1), "this one was begun since");
}

#[test]
fn a_fence_that_may_have_been_given_and_forgotten_is_not_given_again() {
    let mut lane = Lane { state: State::Ready, fence: 7, ..Lane::new() };
    lane.claim(&me(), 1_000, at(30), at(0));
    assert_eq!(lane.fence, 1_000);
    lane.state = State::Ready;
    lane.claim(&me(), 1_000, at(30), at(0));
    assert_eq!(lane.fence, 1_001);
}

#[test]
fn only_a_create_that_followed_a_doubt_is_verified() {
    let done = Outcome::Done { lead_id: LeadId("L".into()), upto: 1 };
    let mut lane = Lane { state: State::Ready, ..Lane::new() };
    claimed_and_begun(&mut lane, at(0));
    assert!(!lane.is_to_be_verified(&done) && lane.has_created(&done));
    let mut cleared = Lane { state: State::Ready, cleared: Some(at(0)), ..Lane::new() };
    claimed_and_begun(&mut cleared, at(1));
    assert!(cleared.is_to_be_verified(&done));
    assert!(!cleared.is_to_be_verified(&refused()));
    let known = Lane { lead_id: Some(LeadId("L".into())), ..cleared };
    assert!(!known.is_to_be_verified(&done) && !known.has_created(&done), "that was an update");
}
