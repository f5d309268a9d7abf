//! The limiter against four kinds of Konektor (`queue.md` §2.8), in virtual time: what is claimed, sent, counted over there
//! and answered, with the real verbs of each store. No call may be refused, and nearly all that is allowed has to be used.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::event::{Item, Kept};
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::sandbox::{Limiter, Passage, Quota, RateModel};
use konektor_bridge::store::{
    Arrival, Claim, Claimed, Fenced, Lease, Observation, Options, Outcome, PermitGrant, PermitId, RateHeaders,
    Settlement, Sorted, Store, WorkerId,
};

use super::{Backend, Home, item, open, run, source, start};

/// Where everything is measured. On Redis, where each call is several round trips, only whether the limit is held and used.
const MEASURED: &[Backend] = &[Backend::Memory, Backend::Sqlite];
const ON_REDIS: &[Backend] = &[Backend::Redis];
const ON_A_CLUSTER: &[Backend] = &[Backend::Cluster];
/// Calls that one worker has under way at most.
const SLOTS: usize = 8;
/// How often a worker says what it holds.
const BEAT: Duration = Duration::from_secs(10);
/// How long an empty log takes to fill.
const WARM_UP: u64 = 65;

/// What happens at an instant.
#[derive(Debug)]
enum Event {
    /// A worker looks what there is to do.
    Turn(usize),
    /// A worker says what it holds.
    Beat(usize),
    /// A new lead comes in.
    Arrival,
    /// Konektor counts a call.
    Counted(Call),
    /// Its answer is here.
    Answered(Call, Passage, Quota),
    /// Somebody else calls Konektor.
    Foreign,
    /// The plan is changed.
    Plan(u32),
    /// The bridge is started anew, and has lost its store.
    Loss,
}

#[derive(Debug)]
struct Call {
    worker: usize,
    permit: PermitId,
    /// Of a new lead: its lane, its event, and what that is called.
    new: Option<(Lease, u64, String)>,
    answered: Timestamp,
    life: u32,
}

/// Konektor, the store, the workers, and the time.
struct World {
    /// Each worker's. On Redis each is one more bridge, with connections of its own; elsewhere they are the same.
    stores: Vec<Arc<dyn Store>>,
    konektor: Limiter,
    model: RateModel,
    /// How often the bridge was started anew.
    life: u32,
    now: Timestamp,
    events: BTreeMap<(Timestamp, u64), Event>,
    next: u64,
    /// The update that each worker has at hand, which is never done.
    updates: Vec<Lease>,
    busy: Vec<usize>,
    /// When each worker looks next, so that it does not look twice.
    wakes: Vec<Option<Timestamp>>,
    dice: u64,
    leads: u64,
    waiting: BTreeMap<String, Timestamp>,
    seen: Seen,
    measured_from: Timestamp,
    per_new_lead: Option<Duration>,
    per_foreign: Option<Duration>,
    home: Home,
    backend: Backend,
}

/// What came of it, from the end of the warm-up on.
#[derive(Debug, Default)]
struct Seen {
    counted: u32,
    refused: u32,
    refused_ever: u32,
    waits: Vec<Duration>,
}

fn id(worker: usize) -> WorkerId {
    WorkerId(format!("worker {worker}"))
}

impl World {
    async fn new(backend: Backend, model: RateModel, limit: u32, workers: usize) -> Self {
        let home = Home::in_passing(backend);
        let mut world = Self {
            stores: bridges(backend, &home, workers),
            konektor: Limiter::new(model, NonZeroU32::new(limit).unwrap()),
            model,
            life: 0,
            now: start(),
            events: BTreeMap::new(),
            next: 0,
            updates: Vec::new(),
            busy: vec![0; workers],
            wakes: vec![None; workers],
            dice: 0x9e37_79b9_7f4a_7c15 ^ u64::from(limit),
            leads: 0,
            waiting: BTreeMap::new(),
            seen: Seen::default(),
            measured_from: start(),
            per_new_lead: None,
            per_foreign: None,
            home,
            backend,
        };
        world.begin().await;
        world.measured_from = world.now + Duration::from_secs(WARM_UP);
        world
    }

    /// A number in `0.0..1.0` (`SplitMix64`: the same in every run).
    fn die(&mut self) -> f64 {
        self.dice = self.dice.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.dice;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// The time to the next of what comes every `mean` on average, without a memory.
    fn gap(&mut self, mean: Duration) -> Duration {
        mean.mul_f64(-(1.0 - self.die()).ln())
    }

    fn at(&mut self, when: Timestamp, event: Event) {
        self.next += 1;
        self.events.insert((when, self.next), event);
    }

    fn wake(&mut self, worker: usize, when: Timestamp) {
        if self.wakes[worker].is_none_or(|wake| when < wake) {
            self.wakes[worker] = Some(when);
            self.at(when, Event::Turn(worker));
        }
    }

    async fn keep(&self, items: Vec<Item>) {
        let webhook = Kept {
            source: source(),
            received: self.now,
            request_id: "r".to_owned(),
            headers: Vec::new(),
            body: "webhook".into(),
        };
        let store = &self.stores[0];
        store.keep(webhook).await.unwrap();
        let record = store.unsorted(0, 1).await.unwrap().remove(0);
        let (place, received, request_id) = (record.place, self.now, "r".to_owned());
        let sorted = Sorted {
            place,
            source: source(),
            received,
            request_id,
            arrival: Arrival::Live,
            split: Ok(items),
            lessons: Vec::new(),
        };
        store.sort(vec![sorted], self.now).await.unwrap();
    }

    /// Gives each worker a lane whose lead is known, with an event that is never done.
    async fn begin(&mut self) {
        self.updates.clear();
        for worker in 0..self.busy.len() {
            self.keep(vec![item(&format!("u{worker}"), &format!("made {worker}"))]).await;
            let claimed = self.claim_at_once(worker).await;
            let outcome = Outcome::Done { lead_id: LeadId(format!("L{worker}")), upto: 0 };
            self.settle(worker, &claimed.lease, outcome).await;
            let claimed = self.claim_at_once(worker).await;
            self.updates.push(claimed.lease);
            self.at(self.now + BEAT, Event::Beat(worker));
            self.wake(worker, self.now);
        }
    }

    /// Claims what is there as soon as it may, for no call.
    async fn claim_at_once(&mut self, worker: usize) -> Claimed {
        loop {
            match self.stores[worker].claim(&id(worker), self.now).await.unwrap() {
                Claim::Lane(claimed) => {
                    self.stores[worker].observe(claimed.permit, Observation::Unsent, self.now).await.unwrap();
                    return *claimed;
                }
                Claim::Nothing(Some(at)) => self.now = at,
                other => panic!("a lane is there, but {other:?}"),
            }
        }
    }

    async fn settle(&self, worker: usize, lease: &Lease, outcome: Outcome) {
        let settlement = Settlement::from(outcome);
        assert_eq!(self.stores[worker].settle(lease, settlement, self.now).await.unwrap(), Fenced::Done);
    }

    async fn go_on(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 < end) {
            let ((when, _), event) = entry.remove_entry();
            self.now = when;
            self.happen(event).await;
        }
        self.now = end;
    }

    async fn happen(&mut self, event: Event) {
        match event {
            Event::Turn(worker) => {
                if self.wakes[worker] == Some(self.now) {
                    self.wakes[worker] = None;
                    self.turn(worker).await;
                }
            }
            Event::Beat(worker) => {
                let held = std::slice::from_ref(&self.updates[worker]);
                self.stores[worker].heartbeat(&id(worker), held, self.now).await.unwrap();
                self.at(self.now + BEAT, Event::Beat(worker));
            }
            Event::Arrival => self.arrive().await,
            Event::Counted(call) => {
                let (passage, quota) = self.konektor.pass(self.now);
                let refused = passage != Passage::Open;
                self.seen.refused_ever += u32::from(refused);
                if self.now >= self.measured_from {
                    self.seen.counted += u32::from(!refused);
                    self.seen.refused += u32::from(refused);
                }
                self.at(call.answered, Event::Answered(call, passage, quota));
            }
            // Nobody hears the answers to a bridge that is gone.
            Event::Answered(call, ..) if call.life != self.life => {}
            Event::Answered(call, passage, quota) => self.answered(call, passage, quota).await,
            Event::Foreign => {
                let _ = self.konektor.pass(self.now);
                let gap = self.per_foreign.expect("there are others");
                self.at(self.now + gap, Event::Foreign);
            }
            Event::Plan(limit) => {
                self.konektor.change(self.model, NonZeroU32::new(limit).unwrap());
            }
            Event::Loss => {
                let home = Home::in_passing(self.backend);
                self.stores = bridges(self.backend, &home, self.busy.len());
                self.home = home;
                self.life += 1;
                self.busy.fill(0);
                self.events.retain(|_, event| !matches!(event, Event::Beat(_)));
                self.begin().await;
            }
        }
    }

    async fn arrive(&mut self) {
        self.leads += 1;
        let name = format!("new {}", self.leads);
        self.keep(vec![item(&format!("n{}", self.leads), &name)]).await;
        self.waiting.insert(name, self.now);
        let gap = self.per_new_lead.map(|mean| self.gap(mean)).expect("leads come in");
        self.at(self.now + gap, Event::Arrival);
        for worker in 0..self.busy.len() {
            self.wake(worker, self.now);
        }
    }

    /// Calls while there is something to do and a hand free: for new leads first, then for the update at hand.
    async fn turn(&mut self, worker: usize) {
        while self.busy[worker] < SLOTS {
            let lead_at = if self.waiting.is_empty() { None } else { self.claim(worker).await };
            if lead_at.is_none() && !self.waiting.is_empty() {
                continue;
            }
            if let Some(update_at) = self.update(worker).await {
                let at = lead_at.map_or(update_at, |lead_at| lead_at.min(update_at));
                return self.wake(worker, at.max(self.now + Duration::from_millis(1)));
            }
        }
    }

    /// Calls for a new lead; gives when it may, if not now.
    async fn claim(&mut self, worker: usize) -> Option<Timestamp> {
        match self.stores[worker].claim(&id(worker), self.now).await.unwrap() {
            Claim::Nothing(at) => Some(at.expect("a lead waits")),
            Claim::Probe(probe) => panic!("nothing is paused, but {probe:?}"),
            Claim::Chore(_, chore) => panic!("nothing is to be looked up, but {chore:?}"),
            Claim::Lane(claimed) => {
                let event = claimed.events.last().expect("a claimed lane has events");
                let name = String::from_utf8(event.body.to_vec()).unwrap();
                let since = self.waiting.remove(&name).expect("it is a new lead");
                if self.now >= self.measured_from {
                    self.seen.waits.push(Duration::try_from(self.now.duration_since(since)).unwrap());
                }
                self.send(worker, claimed.permit, Some((claimed.lease, event.seq, name)));
                None
            }
        }
    }

    /// Calls for the update at hand; gives when it may, if not now.
    async fn update(&mut self, worker: usize) -> Option<Timestamp> {
        match self.stores[worker].permit(&self.updates[worker], None, self.now).await.unwrap() {
            PermitGrant::NotBefore(at) => Some(at),
            PermitGrant::Stale | PermitGrant::Paused => panic!("the lease is kept alive, and nobody stops calls"),
            PermitGrant::Granted(permit) => {
                self.send(worker, permit, None);
                None
            }
        }
    }

    fn send(&mut self, worker: usize, permit: PermitId, new: Option<(Lease, u64, String)>) {
        self.busy[worker] += 1;
        // 150 ms and a tail to 450 ms.
        let took = Duration::from_millis(150).mul_f64((self.die() * self.die()).mul_add(2.0, 1.0));
        let counted = self.now + took.mul_f64(self.die());
        let call = Call { worker, permit, new, answered: self.now + took, life: self.life };
        self.at(counted, Event::Counted(call));
    }

    async fn answered(&mut self, call: Call, passage: Passage, quota: Quota) {
        let Quota { limit, remaining, reset } = quota;
        let retry_after = match passage {
            Passage::Open => None,
            Passage::Closed(seconds) => Some(Duration::from_secs(seconds.unsigned_abs())),
        };
        let headers = RateHeaders {
            limit: Some(limit),
            remaining: Some(remaining),
            reset: Timestamp::from_second(reset).ok(),
            retry_after,
            throttled: retry_after.is_some(),
        };
        let worker = call.worker;
        self.stores[worker].observe(call.permit, Observation::Answered(headers), self.now).await.unwrap();
        match call.new {
            Some((lease, upto, _)) if passage == Passage::Open => {
                self.settle(worker, &lease, Outcome::Done { lead_id: LeadId("L".into()), upto }).await;
            }
            Some((lease, _, name)) => {
                self.waiting.insert(name, self.now);
                self.settle(worker, &lease, Outcome::Release { at: self.now }).await;
            }
            None => {}
        }
        self.busy[worker] -= 1;
        self.wake(worker, self.now);
    }
}

/// The store that each worker has.
fn bridges(backend: Backend, home: &Home, workers: usize) -> Vec<Arc<dyn Store>> {
    let first = open(backend, home, Options::default());
    let mut stores = vec![first; workers];
    if matches!(backend, Backend::Redis | Backend::Cluster) {
        stores[1..].fill_with(|| open(backend, home, Options::default()));
    }
    stores
}

const FIXED: RateModel = RateModel::FixedWindow;
const FIRST: RateModel = RateModel::FirstRequestWindow;
const SLIDING: RateModel = RateModel::SlidingLog;
const BUCKET: RateModel = RateModel::TokenBucket;
const MODELS: [RateModel; 4] = [FIXED, FIRST, SLIDING, BUCKET];
/// How many workers share the limit.
const WORKERS: [usize; 3] = [1, 4, 8];

/// Runs the world for `seconds` on each backend after `plan` has said what happens, and shows what came of it to `judge`.
fn on_each(
    backends: &[Backend],
    model: RateModel,
    limit: u32,
    workers: usize,
    seconds: u64,
    plan: impl Fn(&mut World),
    judge: impl Fn(&Seen),
) {
    for backend in backends {
        eprintln!("on {backend:?}: {model}, {limit} a minute, {workers} workers");
        run(async {
            let mut world = World::new(*backend, model, limit, workers).await;
            plan(&mut world);
            world.go_on(seconds).await;
            eprintln!(
                "{} counted, {} refused, {} ever",
                world.seen.counted, world.seen.refused, world.seen.refused_ever
            );
            judge(&world.seen);
        });
    }
}

impl World {
    /// A tenth of what is allowed are new leads.
    fn new_leads(&mut self, limit: u32) {
        self.per_new_lead = Some(Duration::from_secs(600) / limit);
        self.at(self.now, Event::Arrival);
    }

    fn in_seconds(&mut self, seconds: u64, event: Event) {
        self.at(self.now + Duration::from_secs(seconds), event);
    }
}

/// No call is refused, nearly all that is allowed is used, and new leads hardly wait (at most `wait`, 99 of 100; the bounds
/// are those of `queue.md` §2.8).
fn saturated(backends: &[Backend], model: RateModel, limit: u32, measured: u64, wait: Duration) {
    for workers in WORKERS {
        let plan = |world: &mut World| world.new_leads(limit);
        on_each(backends, model, limit, workers, WARM_UP + measured, plan, |seen| {
            assert_eq!(seen.refused_ever, 0);
            let used = f64::from(seen.counted) / (f64::from(limit) * measured as f64 / 60.0);
            let mut waits = seen.waits.clone();
            waits.sort_unstable();
            let p99 = waits[(waits.len() - 1) * 99 / 100];
            eprintln!("{:.2} % used; 99 of 100 new leads wait {p99:?} at most", used * 100.0);
            assert!(used >= 0.99, "only {used} of the limit is used");
            assert!(p99 <= wait, "new leads wait {p99:?}");
        });
    }
}

fn small_plan(backends: &[Backend], model: RateModel) {
    saturated(backends, model, 60, 120, Duration::from_secs(3));
}

fn middle_plan(backends: &[Backend], model: RateModel) {
    saturated(backends, model, 200, 60, Duration::from_millis(850));
}

fn large_plan(backends: &[Backend], model: RateModel) {
    saturated(backends, model, 600, 60, Duration::from_millis(400));
}

#[test]
fn a_window_of_the_clock_is_used_and_never_overrun_at_60_a_minute() {
    small_plan(MEASURED, FIXED);
}

#[test]
fn a_window_of_the_clock_is_used_and_never_overrun_at_200_a_minute() {
    middle_plan(MEASURED, FIXED);
}

#[test]
fn a_window_of_the_clock_is_used_and_never_overrun_at_600_a_minute() {
    large_plan(MEASURED, FIXED);
}

#[test]
fn a_window_from_the_first_request_is_used_and_never_overrun_at_60_a_minute() {
    small_plan(MEASURED, FIRST);
}

#[test]
fn a_window_from_the_first_request_is_used_and_never_overrun_at_200_a_minute() {
    middle_plan(MEASURED, FIRST);
}

#[test]
fn a_window_from_the_first_request_is_used_and_never_overrun_at_600_a_minute() {
    large_plan(MEASURED, FIRST);
}

#[test]
fn a_sliding_log_is_used_and_never_overrun_at_60_a_minute() {
    small_plan(MEASURED, SLIDING);
}

#[test]
fn a_sliding_log_is_used_and_never_overrun_at_200_a_minute() {
    middle_plan(MEASURED, SLIDING);
}

#[test]
fn a_sliding_log_is_used_and_never_overrun_at_600_a_minute() {
    large_plan(MEASURED, SLIDING);
}

#[test]
fn a_token_bucket_is_used_and_never_overrun_at_60_a_minute() {
    small_plan(MEASURED, BUCKET);
}

#[test]
fn a_token_bucket_is_used_and_never_overrun_at_200_a_minute() {
    middle_plan(MEASURED, BUCKET);
}

#[test]
fn a_token_bucket_is_used_and_never_overrun_at_600_a_minute() {
    large_plan(MEASURED, BUCKET);
}

#[test]
fn a_bridge_that_comes_into_a_window_that_others_have_begun_is_not_refused() {
    let plan = |world: &mut World| {
        // Before it is started somebody has used three quarters of the minute.
        for _ in 0..45 {
            let _ = world.konektor.pass(world.now);
        }
    };
    for (model, workers) in MODELS.into_iter().flat_map(|model| WORKERS.map(|workers| (model, workers))) {
        on_each(MEASURED, model, 60, workers, 130, plan, |seen| assert_eq!(seen.refused_ever, 0, "{model}"));
    }
}

/// A bridge with so many workers loses its log in the middle of it all.
fn loses_its_log(workers: usize) {
    for model in MODELS {
        let plan = |world: &mut World| {
            world.new_leads(200);
            world.in_seconds(80, Event::Loss);
        };
        on_each(MEASURED, model, 200, workers, WARM_UP + 120, plan, |seen| {
            assert!(seen.refused_ever <= 4, "{model}: {} calls refused", seen.refused_ever);
        });
    }
}

#[test]
fn a_bridge_that_has_lost_its_log_is_hardly_refused() {
    loses_its_log(1);
}

#[test]
fn a_bridge_of_four_workers_that_has_lost_its_log_is_hardly_refused() {
    loses_its_log(4);
}

#[test]
fn a_bridge_of_eight_workers_that_has_lost_its_log_is_hardly_refused() {
    loses_its_log(8);
}

/// The plan of a bridge with so many workers grows and shrinks.
fn changes_plan(workers: usize) {
    for model in MODELS {
        let plan = |world: &mut World| {
            world.in_seconds(30, Event::Plan(600));
            world.in_seconds(120, Event::Plan(60));
        };
        on_each(MEASURED, model, 60, workers, 250, plan, |seen| {
            // What is under way when it shrinks.
            assert!(seen.refused_ever <= (SLOTS * workers) as u32, "{model}: {} calls refused", seen.refused_ever);
            assert!(seen.counted >= 400, "{model}: only {} calls, although 600 a minute were allowed", seen.counted);
        });
    }
}

#[test]
fn a_plan_that_is_changed_is_followed() {
    changes_plan(1);
}

#[test]
fn a_plan_that_is_changed_is_followed_by_four_workers() {
    changes_plan(4);
}

#[test]
fn a_plan_that_is_changed_is_followed_by_eight_workers() {
    changes_plan(8);
}

/// Somebody else takes a fifth of what a bridge with so many workers might.
fn beside_another(workers: usize) {
    for model in MODELS {
        let plan = |world: &mut World| {
            world.per_foreign = Some(Duration::from_secs(60) / 40);
            world.at(world.now, Event::Foreign);
        };
        on_each(MEASURED, model, 200, workers, WARM_UP + 240, plan, |seen| {
            let share = f64::from(seen.refused) / f64::from(seen.counted + seen.refused);
            eprintln!("{:.2} % refused", share * 100.0);
            assert!(share < 0.02, "{model}: {share} of the calls are refused");
        });
    }
}

#[test]
fn beside_somebody_who_takes_a_fifth_hardly_a_call_is_refused() {
    beside_another(1);
}

#[test]
fn beside_somebody_who_takes_a_fifth_hardly_a_call_of_four_workers_is_refused() {
    beside_another(4);
}

#[test]
fn beside_somebody_who_takes_a_fifth_hardly_a_call_of_eight_workers_is_refused() {
    beside_another(8);
}

/// The same where each worker is a bridge of its own.
mod on_redis {
    use super::{BUCKET, FIRST, FIXED, ON_A_CLUSTER, ON_REDIS, SLIDING, large_plan, middle_plan, small_plan};

    #[test]
    fn a_window_of_the_clock_is_used_and_never_overrun_at_60_a_minute() {
        small_plan(ON_REDIS, FIXED);
    }

    #[test]
    fn a_window_of_the_clock_is_used_and_never_overrun_at_200_a_minute() {
        middle_plan(ON_REDIS, FIXED);
    }

    #[test]
    fn a_window_of_the_clock_is_used_and_never_overrun_at_600_a_minute() {
        large_plan(ON_REDIS, FIXED);
    }

    #[test]
    fn a_window_from_the_first_request_is_used_and_never_overrun_at_60_a_minute() {
        small_plan(ON_REDIS, FIRST);
    }

    #[test]
    fn a_window_from_the_first_request_is_used_and_never_overrun_at_200_a_minute() {
        middle_plan(ON_REDIS, FIRST);
    }

    #[test]
    fn a_window_from_the_first_request_is_used_and_never_overrun_at_600_a_minute() {
        large_plan(ON_REDIS, FIRST);
    }

    #[test]
    fn a_sliding_log_is_used_and_never_overrun_at_60_a_minute() {
        small_plan(ON_REDIS, SLIDING);
    }

    #[test]
    fn a_sliding_log_is_used_and_never_overrun_at_60_a_minute_on_a_cluster() {
        small_plan(ON_A_CLUSTER, SLIDING);
    }

    #[test]
    fn a_sliding_log_is_used_and_never_overrun_at_200_a_minute() {
        middle_plan(ON_REDIS, SLIDING);
    }

    #[test]
    fn a_sliding_log_is_used_and_never_overrun_at_600_a_minute() {
        large_plan(ON_REDIS, SLIDING);
    }

    #[test]
    fn a_token_bucket_is_used_and_never_overrun_at_60_a_minute() {
        small_plan(ON_REDIS, BUCKET);
    }

    #[test]
    fn a_token_bucket_is_used_and_never_overrun_at_200_a_minute() {
        middle_plan(ON_REDIS, BUCKET);
    }

    #[test]
    fn a_token_bucket_is_used_and_never_overrun_at_600_a_minute() {
        large_plan(ON_REDIS, BUCKET);
    }
}
