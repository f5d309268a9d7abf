//! The world of one seed: several engines on one store, in front of one Konektor, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use konektor_bridge::deliver::engine::{
    Ask, Change, Deed, Effect, Engine, Input, Moment, Reply, Report, Said, Setup, Ticket, Told,
};
use konektor_bridge::deliver::{Die, SourceOf, Waits};
use konektor_bridge::domain::region::Region;
use konektor_bridge::konektor::{Request, Verdict};
use konektor_bridge::providers::Source;
use konektor_bridge::store::{Claim, MemoryStore, Options, Store, StoreError, WorkerId};

use super::dice::Dice;
use super::konektor::{Fate, Konektor, T_COMMIT, answer, silence};
use super::odds::Odds;
use super::sabotage::Sabotage;
use super::sender::{self, Word};
use super::story::{self, Story};

/// How long Konektor's client waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a request may take to leave, at most, once it is decided: the freeze that the guarantee allows (A4).
const FREEZE: Duration = Duration::from_secs(4);
/// How long it may take, without trouble, until everything is delivered: a handful of the longest pauses.
const DRAINS_WITHIN: Duration = Duration::from_hours(2);
/// Changes that the store loses at once, at most.
const LOSES: usize = 30;
/// How often it is looked whether everything is delivered.
const LOOK_EVERY: Duration = Duration::from_secs(20);

/// Everything there is.
pub(super) struct World {
    pub(super) now: Duration,
    order: u64,
    queue: BinaryHeap<Reverse<Due>>,
    happenings: BTreeMap<u64, Happening>,
    pub(super) dice: Dice,
    pub(super) odds: Odds,
    pub(super) store: MemoryStore,
    /// When the store lost something last.
    pub(super) lost: Option<Duration>,
    pub(super) konektor: Konektor,
    hosts: Vec<Host>,
    source: Source,
    /// Every event that its sender has heard 200 for.
    pub(super) acked: Vec<Word>,
    unacked: usize,
    calm_since: Option<Duration>,
    pub(super) replayed: bool,
    stopping: bool,
    sabotage: Sabotage,
    pub(super) broken: Option<String>,
    /// What happened, while somebody wants to know.
    pub(super) story: Story,
    pub(super) steps: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Duration,
    order: u64,
}

/// A process, as far as it delivers.
struct Host {
    engine: Option<Engine>,
    worker: WorkerId,
    /// Counts its starts: what was meant for an earlier one is nobody's.
    life: u32,
    started: Duration,
    stalled_until: Duration,
    /// How far its clock is ahead, in milliseconds.
    skew: i64,
    waits: Vec<(Ticket, Change)>,
    /// Fences under which it has written an intent, by reference, and when.
    begun: BTreeMap<String, (u64, Duration)>,
}

/// To whom something is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct To {
    host: usize,
    life: u32,
    ticket: Ticket,
}

#[derive(Debug)]
enum Happening {
    Webhook(Vec<Word>, u32),
    Ask(To, Ask, Timestamp),
    Say(To, Said),
    Send(To, Request),
    Arrive(Option<To>, Request),
    Kill(usize),
    Rise(usize),
    Stall(usize),
    Revoke,
    Restore,
    Delete,
    Lose,
    Foreign,
    Calm,
    Look,
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Sabotage, story: Story) -> Self {
        let mut dice = Dice::of(seed);
        let odds = Odds::draw(&mut dice);
        let hosts = (0..odds.hosts).map(|_| Host::new()).collect();
        let mut world = Self {
            now: Duration::ZERO,
            order: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            dice,
            store: MemoryStore::that_may_lose(Options::default(), if odds.lose_every.is_some() { LOSES } else { 0 }),
            odds,
            lost: None,
            konektor: Konektor::default(),
            hosts,
            source: sender::source(),
            acked: Vec::new(),
            unacked: 0,
            calm_since: None,
            replayed: false,
            stopping: false,
            sabotage,
            broken: None,
            story,
            steps: 0,
        };
        world.set_out();
        world
    }

    /// Plans what is going to happen by itself.
    fn set_out(&mut self) {
        let trouble = self.odds.trouble;
        let mut number = 0;
        while number < self.odds.events {
            let batch = if self.dice.chance(0.2) { 1 + self.dice.index(4) } else { 1 };
            let words: Vec<Word> =
                (number..number + batch).map(|number| Word::draw(number, &self.odds, &mut self.dice)).collect();
            number += batch;
            let at = self.dice.time(Duration::ZERO..trouble);
            self.unacked += 1;
            self.plan(at, Happening::Webhook(words.clone(), 0));
            if self.dice.chance(self.odds.repeated) {
                let again = at + self.dice.time(Duration::ZERO..Duration::from_mins(5));
                self.unacked += 1;
                self.plan(again, Happening::Webhook(words, 0));
            }
        }
        for host in 0..self.hosts.len() {
            self.plan(Duration::ZERO, Happening::Rise(host));
            self.next_trouble(self.odds.kill_every, Happening::Kill(host));
            self.next_trouble(self.odds.stall_every, Happening::Stall(host));
        }
        self.next_trouble(self.odds.revoke_every, Happening::Revoke);
        self.next_trouble(self.odds.delete_every, Happening::Delete);
        self.next_trouble(self.odds.lose_every, Happening::Lose);
        if self.odds.foreign > 0.0 {
            self.plan(Duration::ZERO, Happening::Foreign);
        }
        self.plan(trouble, Happening::Calm);
    }

    fn plan(&mut self, after: Duration, happening: Happening) {
        let due = Due { at: self.now + after, order: self.order };
        self.order += 1;
        self.happenings.insert(due.order, happening);
        self.queue.push(Reverse(due));
    }

    fn next_trouble(&mut self, every: Option<Duration>, happening: Happening) {
        if let Some(every) = every {
            let after = self.dice.time(Duration::ZERO..every * 2);
            self.plan(after, happening);
        }
    }

    /// Lets everything happen, until everything is delivered and everybody has stopped.
    pub(super) fn run(&mut self) -> Result<(), String> {
        while let Some(Reverse(due)) = self.queue.pop() {
            self.now = due.at;
            self.steps += 1;
            let happening = self.happenings.remove(&due.order).expect("it was planned");
            self.happen(happening);
            if let Some(broken) = self.broken.take() {
                return Err(broken);
            }
            if self.stopping && self.hosts.iter().all(|host| host.engine.is_none()) {
                return self.check();
            }
        }
        Err("nothing happens any more, and not everything is delivered".into())
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Webhook(words, tries) => self.receive(words, tries),
            Happening::Ask(to, ask, wall) => self.ask(to, ask, wall),
            Happening::Say(to, said) => self.say(to, said),
            Happening::Send(to, request) => self.send(to, request),
            Happening::Arrive(to, request) => self.arrive(to, &request),
            Happening::Kill(host) => self.kill(host),
            Happening::Rise(host) => self.rise(host),
            Happening::Stall(host) => self.stall(host),
            Happening::Revoke => self.revoke(),
            Happening::Restore => self.restore(),
            Happening::Delete => self.delete(),
            Happening::Lose => self.lose(),
            Happening::Foreign => self.foreign(),
            Happening::Calm => self.calm_down(),
            Happening::Look => self.look(),
        }
    }

    pub(super) fn true_time(&self) -> Timestamp {
        super::beginning() + self.now
    }

    fn wall(&self, host: usize) -> Timestamp {
        self.true_time() + jiff::SignedDuration::from_millis(self.hosts[host].skew)
    }

    fn moment(&mut self, host: usize) -> Moment {
        let die = Die(self.dice.share());
        Moment { now: self.wall(host), running: self.now - self.hosts[host].started, die }
    }

    fn tell(&mut self, line: impl FnOnce() -> String) {
        self.story.tell(self.now, line);
    }

    /// A webhook comes in; its sender tries again until it hears 200.
    fn receive(&mut self, words: Vec<Word>, tries: u32) {
        let wall = self.true_time();
        let before = self.dice.chance(self.odds.store_before);
        if !before {
            let kept = self.store.keep(sender::webhook(&words, wall)).now_or_never().expect("memory answers at once");
            kept.expect("there is room");
            let host = self.dice.index(self.hosts.len());
            self.wake(host, Change::Inbox);
        }
        let heard = !before && !self.dice.chance(self.odds.store_after);
        let said: Vec<_> =
            words.iter().map(|word| format!("{} ({:?}) for r{}", word.number, word.kind, word.lead)).collect();
        self.tell(|| format!("webhook {} , kept {}, heard {heard}", said.join(" , "), !before));
        if heard {
            self.unacked -= 1;
            self.acked.extend(words.into_iter().filter(|word| !self.acked.contains(word)).collect::<Vec<_>>());
        } else {
            let again = self.dice.time(Duration::from_secs(1)..Duration::from_mins(3));
            self.plan(again, Happening::Webhook(words, tries + 1));
        }
    }

    fn rise(&mut self, host: usize) {
        let skew = i64::try_from(self.odds.skew).expect("it is small");
        let skew = i64::try_from(self.dice.number(0..2 * self.odds.skew + 1)).expect("it is small") - skew;
        let life = self.hosts[host].life + 1;
        let source = self.source.clone();
        let sources: SourceOf = Arc::new(move |_| Some(source.clone()));
        let setup = Setup {
            sources,
            values: Arc::new(Vec::new),
            region: Region::INDONESIA,
            waits: Waits::default(),
            lease: Options::default().lease,
        };
        let mut engine = Engine::new(setup);
        self.hosts[host] =
            Host { worker: WorkerId(format!("{host}.{life}")), life, started: self.now, skew, ..Host::new() };
        self.tell(|| format!("host {host} starts, its clock off by {skew} ms"));
        let moment = self.moment(host);
        let effects = engine.start(moment);
        self.hosts[host].engine = Some(engine);
        self.carry_out(host, effects);
    }

    fn kill(&mut self, host: usize) {
        if self.odds.kill_every.is_none() {
            return;
        }
        self.tell(|| format!("host {host} is killed"));
        self.hosts[host].engine = None;
        self.hosts[host].life += 1;
        let up = self.dice.time(Duration::from_millis(100)..Duration::from_mins(1));
        self.plan(up, Happening::Rise(host));
        self.next_trouble(self.odds.kill_every, Happening::Kill(host));
    }

    fn stall(&mut self, host: usize) {
        if self.odds.stall_every.is_none() {
            return;
        }
        let most = if self.dice.chance(0.5) { Duration::from_secs(20) } else { Duration::from_mins(4) };
        let span = self.dice.time(Duration::from_secs(1)..most);
        self.tell(|| format!("host {host} stalls for {span:?}"));
        self.hosts[host].stalled_until = self.now + span;
        self.next_trouble(self.odds.stall_every, Happening::Stall(host));
    }

    fn revoke(&mut self) {
        if self.odds.revoke_every.is_some() {
            self.tell(|| "the key is revoked".into());
            self.konektor.revoked = true;
            let spell = self.dice.time(Duration::from_secs(10)..Duration::from_mins(20));
            self.plan(spell, Happening::Restore);
        }
    }

    fn restore(&mut self) {
        self.tell(|| "the key is good again".into());
        self.konektor.revoked = false;
        self.next_trouble(self.odds.revoke_every, Happening::Revoke);
    }

    fn delete(&mut self) {
        if self.odds.delete_every.is_some() && !self.konektor.leads.is_empty() {
            let lead = self.dice.index(self.konektor.leads.len());
            self.konektor.leads[lead].deleted = true;
            self.tell(|| format!("lead_{lead} is deleted"));
        }
        self.next_trouble(self.odds.delete_every, Happening::Delete);
    }

    /// What the store had acknowledged last is gone, and it knows. A webhook that went with it is nobody's: its sender has
    /// heard 200.
    fn lose(&mut self) {
        if self.odds.lose_every.is_none() {
            return;
        }
        let (count, now) = (1 + self.dice.index(LOSES), self.true_time());
        let lost = self.store.lose_last(count, now);
        self.tell(|| format!("the store loses its last {lost} changes"));
        self.lost = Some(self.now);
        self.forget_what_is_lost();
        self.next_trouble(self.odds.lose_every, Happening::Lose);
    }

    fn foreign(&mut self) {
        if self.odds.foreign > 0.0 {
            self.konektor.foreign_call(&self.odds, self.now);
            let pace = Duration::from_secs(60).div_f64(f64::from(self.odds.limit) * self.odds.foreign);
            let next = self.dice.time(Duration::ZERO..pace * 2);
            self.plan(next + Duration::from_millis(1), Happening::Foreign);
        }
    }

    fn calm_down(&mut self) {
        self.tell(|| "nothing goes wrong any more".into());
        self.odds.calm_down();
        self.calm_since = Some(self.now);
        self.konektor.revoked = false;
        for host in &mut self.hosts {
            host.stalled_until = host.stalled_until.min(self.now);
        }
        self.plan(LOOK_EVERY, Happening::Look);
    }

    /// Is everything delivered?
    fn look(&mut self) {
        let calm = self.now - self.calm_since.expect("it is looked after the trouble");
        let open = self.open();
        if open.is_none() && calm > T_COMMIT + FREEZE {
            if !self.replayed && self.dice.chance(0.5) {
                self.replay();
            } else {
                self.stop();
                return;
            }
        }
        if calm > DRAINS_WITHIN {
            self.broken =
                Some(format!("not over after {DRAINS_WITHIN:?} without trouble: {}", open.unwrap_or_default()));
        }
        self.plan(LOOK_EVERY, Happening::Look);
    }

    /// A person tries every dead letter once more.
    fn replay(&mut self) {
        use konektor_bridge::store::{EventFilter, Selector};
        self.replayed = true;
        let all = Selector::Matching(EventFilter::default());
        let now = self.true_time();
        let moved = self.store.replay(&all, 1000, now).now_or_never().expect("memory answers at once");
        self.tell(|| format!("dead letters are replayed: {moved:?}"));
    }

    fn stop(&mut self) {
        self.tell(|| "everybody is told to stop".into());
        self.stopping = true;
        for host in 0..self.hosts.len() {
            self.step(host, Input::Stop);
        }
    }

    /// Tells the engines of `host` that something has changed.
    fn wake(&mut self, host: usize, change: Change) {
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.hosts[host].waits).into_iter().partition(|(_, wanted)| *wanted == change);
        self.hosts[host].waits = later;
        let life = self.hosts[host].life;
        for (ticket, _) in now {
            let soon = self.dice.time(Duration::ZERO..Duration::from_millis(5));
            self.plan(soon, Happening::Say(To { host, life, ticket }, Said::Woken));
        }
    }

    fn is_alive(&self, to: To) -> bool {
        self.hosts[to.host].life == to.life
    }

    fn say(&mut self, to: To, said: Said) {
        if !self.is_alive(to) {
            return;
        }
        let stalled = self.hosts[to.host].stalled_until.saturating_sub(self.now);
        if stalled > Duration::ZERO {
            return self.plan(stalled, Happening::Say(to, said));
        }
        self.hosts[to.host].waits.retain(|(ticket, _)| *ticket != to.ticket);
        self.step(to.host, Input::Said(to.ticket, said));
        if self.dice.chance(self.odds.store_twice) {
            // An answer that comes again is nobody's.
            self.plan(Duration::from_millis(3), Happening::Say(to, Said::Woken));
        }
    }

    fn step(&mut self, host: usize, input: Input) {
        let moment = self.moment(host);
        let Some(mut engine) = self.hosts[host].engine.take() else { return };
        let effects = engine.step(input, moment);
        let over = engine.is_over();
        self.hosts[host].engine = (!over).then_some(engine);
        self.carry_out(host, effects);
    }

    fn carry_out(&mut self, host: usize, effects: Vec<Effect>) {
        let life = self.hosts[host].life;
        for effect in effects {
            match effect {
                Effect::Report(Report::Bug) => {
                    self.broken = Some("the code stopped in the middle of an attempt".into())
                }
                Effect::Report(report) => {
                    if let Some(report) = story::report(&report) {
                        self.tell(|| format!("host {host}: {report}"));
                    }
                }
                Effect::Do(ticket, deed) => self.undertake(To { host, life, ticket }, deed),
            }
        }
    }

    fn undertake(&mut self, to: To, deed: Deed) {
        match deed {
            Deed::Ask(ask) => {
                let slow = self.dice.chance(self.odds.store_slow);
                let most = if slow { Duration::from_secs(20) } else { Duration::from_millis(5) };
                let reached = self.dice.time(Duration::ZERO..most);
                let wall = self.wall(to.host);
                self.plan(reached, Happening::Ask(to, ask, wall));
            }
            Deed::Call(request) => {
                let frozen = self.dice.chance(self.odds.store_slow);
                let leaves = if frozen { self.dice.time(Duration::ZERO..FREEZE) } else { Duration::ZERO };
                self.plan(leaves, Happening::Send(to, request));
            }
            Deed::LookUp(lookup) => {
                let reply = sender::looked_up(&lookup, &self.odds, &mut self.dice);
                let took = self.dice.time(Duration::from_millis(20)..TIMEOUT / 2);
                let reply = reply.map(|(status, body)| Reply { status, headers: Vec::new(), body });
                self.plan(took, Happening::Say(to, Said::LookedUp(reply)));
            }
            Deed::Wait(span, change) => {
                self.hosts[to.host].waits.push((to.ticket, change));
                self.plan(span, Happening::Say(to, Said::Woken));
            }
        }
    }

    /// The store does its part, or does not, or says so and has.
    fn ask(&mut self, to: To, ask: Ask, wall: Timestamp) {
        if !self.is_alive(to) && self.dice.chance(0.5) {
            return;
        }
        let odds = [(1.0, 0), (self.odds.store_before, 1), (self.odds.store_after, 2), (self.odds.store_twice, 3)];
        let trouble = self.dice.weighted(&odds);
        let failed = || StoreError::Backend("simulated".into(), "a fault".into());
        let told = match trouble {
            1 => Err(failed()),
            2 => self.put(to, ask.clone(), wall).and_then(|_| Err(failed())),
            3 => self.put(to, ask.clone(), wall).and_then(|_| self.put(to, ask.clone(), wall)),
            _ => self.put(to, ask.clone(), wall),
        };
        if self.story.is_told()
            && let Some(line) = story::told(&ask, &told)
        {
            self.tell(|| format!("host {}: {line}", to.host));
        }
        if !matches!(ask, Ask::Unsorted(_) | Ask::Claim | Ask::Permit(_) | Ask::Expire(_) | Ask::Begin(..)) {
            self.wake(to.host, Change::Lanes);
        }
        let slow = self.dice.chance(self.odds.store_slow);
        let back =
            self.dice.time(Duration::ZERO..if slow { Duration::from_secs(10) } else { Duration::from_millis(3) });
        self.plan(back, Happening::Say(to, Said::Told(told)));
    }

    fn put(&mut self, to: To, ask: Ask, wall: Timestamp) -> Result<Told, StoreError> {
        let worker = self.hosts[to.host].worker.clone();
        let ask = match self.sabotage.before(ask) {
            Ok(ask) => ask,
            Err(told) => return Ok(told),
        };
        let begun = match &ask {
            Ask::Begin(lease, _) => Some(lease.clone()),
            _ => None,
        };
        let told = ask.put(&self.store, &worker, wall).now_or_never().expect("memory answers at once");
        if let (
            Some(lease),
            Ok(Told::Fenced(konektor_bridge::store::Fenced::Done | konektor_bridge::store::Fenced::AlreadyDone)),
        ) = (begun, &told)
        {
            let now = self.now;
            self.hosts[to.host].begun.insert(lease.external_ref.to_string(), (lease.fence, now));
        }
        if let Ok(Told::Claim(Claim::Lane(claimed))) = &told {
            let claimed = claimed.lease.clone();
            self.check_claim(&claimed);
        }
        told.map(|told| self.sabotage.after(told))
    }

    fn send(&mut self, to: To, request: Request) {
        if !self.is_alive(to) {
            return;
        }
        if let Request::Create(body) = &request {
            let external_ref = body.external_ref.clone().expect("a create names its lead");
            let begun = self.hosts[to.host].begun.get(external_ref.as_str()).copied();
            self.check_create(&external_ref, begun);
        }
        let fate = Fate::draw(&self.odds, &mut self.dice);
        self.tell(|| format!("host {}: {} leaves, {fate:?}", to.host, story::call(&request)));
        let up = self.dice.time(Duration::from_millis(5)..Duration::from_millis(300));
        let (arrives, hears) = match fate {
            Fate::Good => (Some(up), None),
            Fate::NoConnection => (None, Some(Verdict::Unsent("no connection"))),
            Fate::NeverArrives => (None, Some(Verdict::Unclear("no answer in time"))),
            Fate::LostAnswer | Fate::ErrorAfter | Fate::Garbled => (Some(up), Some(Verdict::Unclear("lost"))),
            Fate::Late => (Some(self.dice.time(up..T_COMMIT)), Some(Verdict::Unclear("late"))),
            Fate::ErrorBefore => (None, Some(Verdict::Unclear("a server error"))),
        };
        if let Some(verdict) = hears {
            let at = self.dice.time(up..TIMEOUT);
            self.plan(at, Happening::Say(to, Said::Answered(silence(verdict))));
        }
        if let Some(arrives) = arrives {
            self.plan(arrives, Happening::Arrive((fate == Fate::Good).then_some(to), request));
        }
    }

    /// A call reaches Konektor; `to` hears the answer, unless it is lost.
    fn arrive(&mut self, to: Option<To>, request: &Request) {
        let wall = self.true_time();
        let (status, verdict) = if self.konektor.is_too_much(&self.odds, self.now) {
            (429, Verdict::Throttled)
        } else {
            self.konektor.execute(request, &self.odds, &mut self.dice, wall, self.now)
        };
        let rate = self.konektor.rate(&self.odds, wall, self.now);
        self.tell(|| format!("Konektor: {} ▸ {status} {}", story::call(request), story::verdict(&verdict)));
        if let Some(to) = to {
            let down = self.dice.time(Duration::from_millis(5)..Duration::from_millis(300));
            self.plan(down, Happening::Say(to, Said::Answered(answer(status, verdict, rate))));
        }
    }

    pub(super) fn all_heard(&self) -> bool {
        self.unacked == 0
    }
}

impl Host {
    fn new() -> Self {
        Self {
            engine: None,
            worker: WorkerId(String::new()),
            life: 0,
            started: Duration::ZERO,
            stalled_until: Duration::ZERO,
            skew: 0,
            waits: Vec::new(),
            begun: BTreeMap::new(),
        }
    }
}
