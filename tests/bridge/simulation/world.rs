//! The world of one seed: several engines on one store, in front of one Konektor, in virtual time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::deliver::Die;
use konektor_bridge::deliver::engine::{Ask, Change, Effect, Engine, Input, Moment, Report, Said, Ticket};
use konektor_bridge::konektor::Request;
use konektor_bridge::providers::Source;
use konektor_bridge::store::{MemoryStore, Options, WorkerId};

use super::VISITORS;
use super::dice::Dice;
use super::konektor::{Fate, Konektor, T_COMMIT};
use super::odds::Odds;
use super::operator::Desk;
use super::played::Played;
use super::post::Names;
use super::sabotage::Sabotage;
use super::sender::{self, Word};
use super::story::{self, Story};

/// How long a request may take to leave, at most, once it is decided: the freeze that the guarantee allows (A4).
pub(super) const FREEZE: Duration = Duration::from_secs(4);
/// How long it may take, without trouble, until everything is delivered: a handful of the longest pauses.
const DRAINS_WITHIN: Duration = Duration::from_hours(2);
/// Changes that the store loses at once, at most.
pub(super) const LOSES: usize = 30;
/// How often it is looked whether everything is delivered.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(20);

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
    /// What it was before each of its last changes, where it is not to notice a loss.
    pub(super) before: VecDeque<MemoryStore>,
    pub(super) konektor: Konektor,
    pub(super) hosts: Vec<Host>,
    /// How far all wall clocks have been set forward.
    pub(super) leapt: Duration,
    pub(super) source: Source,
    /// How often its rules have been changed.
    pub(super) rules: Arc<AtomicU32>,
    /// Every event that its sender has heard 200 for.
    pub(super) acked: Vec<Word>,
    pub(super) unacked: usize,
    pub(super) names: Names,
    pub(super) calm_since: Option<Duration>,
    pub(super) desk: Desk,
    pub(super) stopping: bool,
    pub(super) sabotage: Sabotage,
    pub(super) broken: Option<String>,
    /// What happened, while somebody wants to know.
    pub(super) story: Story,
    pub(super) steps: u64,
    pub(super) played: Played,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Duration,
    order: u64,
}

/// A process, as far as it delivers.
pub(super) struct Host {
    pub(super) engine: Option<Engine>,
    pub(super) worker: WorkerId,
    /// Counts its starts: what was meant for an earlier one is nobody's.
    pub(super) life: u32,
    pub(super) started: Duration,
    pub(super) stalled_until: Duration,
    /// How far its clock is ahead, in milliseconds.
    pub(super) skew: i64,
    pub(super) waits: Vec<(Ticket, Change)>,
    /// Fences under which it has written an intent, by reference, and when.
    pub(super) begun: BTreeMap<String, (u64, Duration)>,
}

/// To whom something is said.
#[derive(Debug, Clone, Copy)]
pub(super) struct To {
    pub(super) host: usize,
    pub(super) life: u32,
    pub(super) ticket: Ticket,
}

#[derive(Debug)]
pub(super) enum Happening {
    Webhook(Vec<Word>),
    Ask(To, Ask, Timestamp),
    Say(To, Said),
    Send(To, Request),
    Arrive(Option<To>, Request, Fate),
    Kill(usize),
    Rise(usize),
    Stall(usize),
    Revoke,
    Restore,
    Delete,
    Edit,
    Click(usize),
    Operate,
    Forget,
    LetCallsGo,
    Lose,
    Leap,
    Reload,
    Foreign,
    Calm,
    Look,
}

impl World {
    pub(super) fn new(seed: u64, sabotage: Sabotage, story: Story) -> Self {
        let mut dice = Dice::of(seed);
        let odds = Odds::draw(seed >= VISITORS, &mut dice);
        let late_update = sabotage.waits().late_update();
        let Options { retention, idle_retention, .. } = Options::default();
        let (retention, idle_retention) = odds.remembers.unwrap_or((retention, idle_retention));
        let search_always = odds.searches_always;
        let options = Options { search_always, late_update, retention, idle_retention, ..Options::default() };
        let hosts = (0..odds.hosts).map(|_| Host::new()).collect();
        let rules = Arc::new(AtomicU32::new(0));
        let mut world = Self {
            now: Duration::ZERO,
            order: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            dice,
            store: MemoryStore::that_may_lose(options, if odds.lose_every.is_some() { LOSES } else { 0 }),
            source: sender::source(&rules, &odds),
            odds,
            lost: None,
            before: VecDeque::new(),
            konektor: Konektor::default(),
            hosts,
            leapt: Duration::ZERO,
            rules,
            acked: Vec::new(),
            unacked: 0,
            names: Names::default(),
            calm_since: None,
            desk: Desk::default(),
            stopping: false,
            sabotage,
            broken: None,
            story,
            steps: 0,
            played: Played::default(),
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
            let at = self.plan_clicks(&words, at);
            self.unacked += 1;
            self.plan(at, Happening::Webhook(words.clone()));
            if self.dice.chance(self.odds.repeated) {
                let most = if self.odds.forgets() { Duration::from_mins(20) } else { Duration::from_mins(5) };
                let again = at + self.dice.time(Duration::ZERO..most);
                self.unacked += 1;
                self.plan(again, Happening::Webhook(words));
            }
        }
        for host in 0..self.hosts.len() {
            self.plan(Duration::ZERO, Happening::Rise(host));
            self.next_trouble(self.odds.kill_every, Happening::Kill(host));
            self.next_trouble(self.odds.stall_every, Happening::Stall(host));
        }
        self.next_trouble(self.odds.revoke_every, Happening::Revoke);
        self.next_trouble(self.odds.delete_every, Happening::Delete);
        self.next_trouble(self.odds.edit_every, Happening::Edit);
        self.next_trouble(self.odds.operate_every, Happening::Operate);
        self.next_trouble(self.odds.remembers.map(|(receipts, _)| receipts), Happening::Forget);
        self.next_trouble(self.odds.lose_every, Happening::Lose);
        self.next_trouble(self.odds.leap_every, Happening::Leap);
        self.next_trouble(self.odds.reload_every, Happening::Reload);
        if self.odds.foreign > 0.0 {
            self.plan(Duration::ZERO, Happening::Foreign);
        }
        self.plan(trouble, Happening::Calm);
    }

    pub(super) fn plan(&mut self, after: Duration, happening: Happening) {
        let due = Due { at: self.now + after, order: self.order };
        self.order += 1;
        self.happenings.insert(due.order, happening);
        self.queue.push(Reverse(due));
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
            Happening::Webhook(words) => self.receive(words),
            Happening::Ask(to, ask, wall) => self.ask(to, ask, wall),
            Happening::Say(to, said) => self.say(to, said),
            Happening::Send(to, request) => self.send(to, request),
            Happening::Arrive(to, request, fate) => self.arrive(to, &request, fate),
            Happening::Kill(host) => self.kill(host),
            Happening::Rise(host) => self.rise(host),
            Happening::Stall(host) => self.stall(host),
            Happening::Revoke => self.revoke(),
            Happening::Restore => self.restore(),
            Happening::Delete => self.delete(),
            Happening::Edit => self.edit(),
            Happening::Click(person) => self.click(person),
            Happening::Operate => self.operate(),
            Happening::Forget => self.forget(),
            Happening::LetCallsGo => self.let_calls_go(),
            Happening::Lose => self.lose(),
            Happening::Leap => self.leap(),
            Happening::Reload => self.reload(),
            Happening::Foreign => self.foreign(),
            Happening::Calm => self.calm_down(),
            Happening::Look => self.look(),
        }
    }

    pub(super) fn true_time(&self) -> Timestamp {
        super::beginning() + self.now
    }

    /// What a clock shows that is off by no more than all are.
    pub(super) fn shown(&self) -> Timestamp {
        self.true_time() + self.leapt
    }

    pub(super) fn wall(&self, host: usize) -> Timestamp {
        self.shown() + jiff::SignedDuration::from_millis(self.hosts[host].skew)
    }

    pub(super) fn moment(&mut self, host: usize) -> Moment {
        let die = Die(self.dice.share());
        Moment { now: self.wall(host), running: self.now - self.hosts[host].started, die }
    }

    pub(super) fn tell(&mut self, line: impl FnOnce() -> String) {
        self.story.tell(self.now, line);
    }

    /// Is everything delivered?
    fn look(&mut self) {
        let calm = self.now - self.calm_since.expect("it is looked after the trouble");
        let open = self.open();
        if open.is_none() && calm > T_COMMIT + FREEZE {
            if !self.desk.has_cleared && self.dice.chance(0.5) {
                self.clear_the_desk();
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

    fn stop(&mut self) {
        self.tell(|| "everybody is told to stop".into());
        self.stopping = true;
        for host in 0..self.hosts.len() {
            self.step(host, Input::Stop);
        }
    }

    /// Tells the engines of `host` that something has changed.
    pub(super) fn wake(&mut self, host: usize, change: Change) {
        let (now, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.hosts[host].waits).into_iter().partition(|(_, wanted)| *wanted == change);
        self.hosts[host].waits = later;
        let life = self.hosts[host].life;
        for (ticket, _) in now {
            let soon = self.dice.time(Duration::ZERO..Duration::from_millis(5));
            self.plan(soon, Happening::Say(To { host, life, ticket }, Said::Woken));
        }
    }

    pub(super) fn is_alive(&self, to: To) -> bool {
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

    pub(super) fn step(&mut self, host: usize, input: Input) {
        let moment = self.moment(host);
        let Some(mut engine) = self.hosts[host].engine.take() else { return };
        let effects = engine.step(input, moment);
        let over = engine.is_over();
        self.hosts[host].engine = (!over).then_some(engine);
        self.carry_out(host, effects);
    }

    pub(super) fn carry_out(&mut self, host: usize, effects: Vec<Effect>) {
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

    pub(super) fn all_heard(&self) -> bool {
        self.unacked == 0
    }
}

impl Host {
    pub(super) fn new() -> Self {
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
