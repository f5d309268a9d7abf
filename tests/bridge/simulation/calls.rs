//! What an engine wants done, done: well, late, twice, or not at all.

use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use konektor_bridge::deliver::engine::{Ask, Change, Deed, Reply, Said, Told};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::konektor::{Request, Verdict};
use konektor_bridge::store::{Claim, Fenced, StoreError};

use super::konektor::{Fate, T_COMMIT, answer, silence};
use super::played::Scene;
use super::world::{FREEZE, Happening, To, World};
use super::{sender, story};

/// How long Konektor's client waits for an answer.
const TIMEOUT: Duration = Duration::from_secs(10);

impl World {
    pub(super) fn undertake(&mut self, to: To, deed: Deed) {
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
    pub(super) fn ask(&mut self, to: To, ask: Ask, wall: Timestamp) {
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
        if matches!(ask, Ask::Sort(_) | Ask::Settle(..) | Ask::Observe(..) | Ask::Resume(_)) {
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
            Ask::Begin(lease, ..) => Some(lease.clone()),
            _ => None,
        };
        self.remember();
        let told = ask.put(&self.store, &worker, wall).now_or_never().expect("memory answers at once");
        if let (Some(lease), Ok(Told::Fenced(Fenced::Done | Fenced::AlreadyDone))) = (begun, &told) {
            let now = self.now;
            self.hosts[to.host].begun.insert(lease.external_ref.to_string(), (lease.fence, now));
        }
        if let Ok(Told::Claim(Claim::Lane(claimed))) = &told {
            let claimed = claimed.lease.clone();
            self.check_claim(&claimed);
        }
        told.map(|told| self.sabotage.saw(told))
    }

    pub(super) fn send(&mut self, to: To, request: Request) {
        if !self.is_alive(to) {
            return;
        }
        if let Request::Create(body) = &request
            && self.sabotage.writes_intents()
        {
            let external_ref = ExternalRef::from_stored(body.external_ref.clone().expect("a create names its lead"));
            let begun = self.hosts[to.host].begun.get(external_ref.as_str()).copied();
            self.check_create(&external_ref, begun);
        }
        if let Request::Update(id, body) = &request {
            self.check_update(id, body);
            if self.sabotage.remembers_adopted() {
                self.check_known(id);
            }
        }
        let fate = Fate::draw(&self.odds, &mut self.dice);
        self.tell(|| format!("host {}: {} leaves, {fate:?}", to.host, story::call(&request)));
        let up = self.dice.time(Duration::from_millis(5)..Duration::from_millis(300));
        let (arrives, hears) = match fate {
            Fate::Good => (Some(up), None),
            Fate::NoConnection => (None, Some(Verdict::Unsent("no connection"))),
            Fate::NeverArrives => (None, Some(Verdict::Unclear("no answer in time"))),
            Fate::LostAnswer | Fate::ErrorAfter | Fate::Garbled => (Some(up), Some(Verdict::Unclear("lost"))),
            // It is done late, and counted when it comes.
            Fate::Late if self.konektor.is_too_much(&self.odds, self.now) => (None, Some(Verdict::Unclear("late"))),
            Fate::Late => (Some(self.dice.time(up..T_COMMIT)), Some(Verdict::Unclear("late"))),
            Fate::ErrorBefore => (None, Some(Verdict::Unclear("a server error"))),
        };
        if let Some(verdict) = hears {
            let at = self.dice.time(up..TIMEOUT);
            self.plan(at, Happening::Say(to, Said::Answered(silence(verdict))));
        }
        if let Some(arrives) = arrives {
            self.plan(arrives, Happening::Arrive((fate == Fate::Good).then_some(to), request, fate));
        }
        if self.dice.chance(self.odds.killed_calling) {
            self.take_down(to.host, false);
        }
    }

    /// A call reaches Konektor; `to` hears the answer, unless it is lost.
    pub(super) fn arrive(&mut self, to: Option<To>, request: &Request, fate: Fate) {
        let wall = self.true_time();
        // Others may have called too much, whom nobody sees.
        let unseen = self.odds.retry_after.is_some() && self.dice.chance(0.1);
        let (status, verdict) = if fate != Fate::Late && (self.konektor.is_too_much(&self.odds, self.now) || unseen) {
            (429, Verdict::Throttled)
        } else {
            self.see_codes(request, fate);
            self.konektor.execute(request, &self.odds, &mut self.dice, wall, self.now)
        };
        if let (Request::Update(_, body), Verdict::Lead(_)) = (request, &verdict)
            && body.status.is_some()
        {
            self.played.saw(Scene::StatusWritten);
        }
        let verdict = self.sabotage.heard(request, verdict);
        let rate = self.konektor.rate(&self.odds, wall, self.now);
        self.tell(|| format!("Konektor: {} ▸ {status} {}", story::call(request), story::verdict(&verdict)));
        if let Some(to) = to {
            let down = self.dice.time(Duration::from_millis(5)..Duration::from_millis(300));
            self.plan(down, Happening::Say(to, Said::Answered(answer(status, verdict, rate))));
        }
    }
}
