//! What happens by itself: processes start, stall and die, the key is revoked, leads are deleted, others call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::FutureExt;
use konektor_bridge::deliver::SourceOf;
use konektor_bridge::deliver::engine::{Engine, Input, Setup};
use konektor_bridge::domain::region::Region;
use konektor_bridge::domain::status::{LeadSource, Status};
use konektor_bridge::store::{Options, Store, WorkerId};

use super::konektor::Key;
use super::played::Scene;
use super::world::{Happening, Host, LOOK_EVERY, LOSES, World};

/// What a person changes of a lead.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Note,
    Move,
    Channel,
    Name,
}

impl World {
    pub(super) fn next_trouble(&mut self, every: Option<Duration>, happening: Happening) {
        if let Some(every) = every {
            let after = self.dice.time(Duration::ZERO..every * 2);
            self.plan(after, happening);
        }
    }

    pub(super) fn rise(&mut self, host: usize) {
        if self.stopping {
            return;
        }
        let skew = self.skew();
        let life = self.hosts[host].life + 1;
        let source = self.source.clone();
        let sources: SourceOf = Arc::new(move |_| Ok(source.clone()));
        let setup = Setup {
            sources,
            values: Arc::new(Vec::new),
            waits: self.sabotage.waits(),
            region: Region::INDONESIA,
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

    /// All clocks are set forward, by less than a quiet period or by far more.
    pub(super) fn leap(&mut self) {
        if self.odds.leap_every.is_none() {
            return;
        }
        let most = if self.dice.chance(0.5) { Duration::from_secs(90) } else { Duration::from_hours(1) };
        let by = self.dice.time(Duration::from_secs(1)..most);
        self.leapt += by;
        self.tell(|| format!("all clocks are set forward by {by:?}"));
        self.next_trouble(self.odds.leap_every, Happening::Leap);
    }

    /// The rules are changed: from now on every event says another number.
    pub(super) fn reload(&mut self) {
        if self.odds.reload_every.is_none() {
            return;
        }
        let before = self.rules.fetch_add(1, Ordering::Relaxed);
        self.tell(|| format!("the rules are changed, {before} times before"));
        self.next_trouble(self.odds.reload_every, Happening::Reload);
    }

    /// How far a clock is ahead.
    fn skew(&mut self) -> i64 {
        let most = i64::try_from(self.odds.skew).expect("it is small");
        i64::try_from(self.dice.number(0..2 * self.odds.skew + 1)).expect("it is small") - most
    }

    pub(super) fn kill(&mut self, host: usize) {
        if self.odds.kill_every.is_none() {
            return;
        }
        let gently = self.dice.chance(0.3);
        self.take_down(host, gently);
        self.next_trouble(self.odds.kill_every, Happening::Kill(host));
    }

    /// Ends a process, and starts it again a while later.
    pub(super) fn take_down(&mut self, host: usize, gently: bool) {
        self.tell(|| format!("host {host} is {}", if gently { "told to stop" } else { "killed" }));
        if gently {
            self.step(host, Input::Stop);
        } else {
            self.hosts[host].engine = None;
            self.hosts[host].life += 1;
        }
        let down = self.dice.time(Duration::from_millis(100)..Duration::from_mins(1));
        self.plan(down, Happening::Rise(host));
    }

    pub(super) fn stall(&mut self, host: usize) {
        if self.odds.stall_every.is_none() {
            return;
        }
        let most = if self.dice.chance(0.5) { Duration::from_secs(20) } else { Duration::from_mins(4) };
        let span = self.dice.time(Duration::from_secs(1)..most);
        self.tell(|| format!("host {host} stalls for {span:?}"));
        self.hosts[host].stalled_until = self.now + span;
        self.hosts[host].skew = self.skew();
        self.next_trouble(self.odds.stall_every, Happening::Stall(host));
    }

    pub(super) fn revoke(&mut self) {
        if self.odds.revoke_every.is_some() {
            let key = if self.dice.chance(0.5) { Key::Revoked } else { Key::Forbidden };
            self.tell(|| format!("the key is {key:?}"));
            self.konektor.key = key;
            self.odds.forbids_all |= key == Key::Forbidden;
            let spell = self.dice.time(Duration::from_secs(10)..Duration::from_mins(20));
            self.plan(spell, Happening::Restore);
        }
    }

    pub(super) fn restore(&mut self) {
        self.tell(|| "the key is good again".into());
        self.konektor.key = Key::Good;
        self.next_trouble(self.odds.revoke_every, Happening::Revoke);
    }

    pub(super) fn delete(&mut self) {
        if self.odds.delete_every.is_some() && !self.konektor.leads.is_empty() {
            let lead = self.dice.index(self.konektor.leads.len());
            self.konektor.leads[lead].deleted = true;
            self.tell(|| format!("lead_{lead} is deleted"));
        }
        self.next_trouble(self.odds.delete_every, Happening::Delete);
    }

    /// A person changes a lead.
    pub(super) fn edit(&mut self) {
        if self.odds.edit_every.is_none() {
            return;
        }
        let lead = self.dice.index(self.konektor.leads.len().max(1));
        let what = self.dice.weighted(&[(2.0, Edit::Note), (1.0, Edit::Move), (1.0, Edit::Channel), (1.0, Edit::Name)]);
        let status = self.dice.weighted(&[(1.0, Status::Responded), (1.0, Status::Hot), (0.2, Status::Lost)]);
        let now = self.now;
        let Some(held) = self.konektor.leads.get_mut(lead).filter(|held| !held.deleted) else {
            return self.next_trouble(self.odds.edit_every, Happening::Edit);
        };
        let (is_done, scene) = match what {
            // More would leave no room for what the events say.
            Edit::Note if held.edits.len() >= 10 => (false, Scene::Noted),
            Edit::Note => {
                held.edit(format!("called at {}", now.as_nanos()), now);
                (true, Scene::Noted)
            }
            Edit::Move => (held.move_on(status, now), Scene::Moved),
            Edit::Channel => {
                held.channel(LeadSource::Referral, now);
                (true, Scene::Channelled)
            }
            Edit::Name => (held.rename(format!("Ibu {lead} (VIP)"), now), Scene::VisitorNamed),
        };
        if is_done {
            self.played.saw(scene);
            self.tell(|| format!("a person changes lead_{lead}: {scene:?}"));
        }
        self.next_trouble(self.odds.edit_every, Happening::Edit);
    }

    /// Keeps what the store is now, if it is to lose something without noticing.
    pub(super) fn remember(&mut self) {
        if self.odds.lose_every.is_some() && !self.sabotage.notices_losses() {
            if self.before.len() == LOSES {
                self.before.pop_front();
            }
            self.before.push_back(self.store.clone());
        }
    }

    /// What the store had acknowledged last is gone, and it knows. A webhook that went with it is nobody's: its sender has
    /// heard 200.
    pub(super) fn lose(&mut self) {
        if self.odds.lose_every.is_none() {
            return;
        }
        let (count, now) = (1 + self.dice.index(LOSES), self.shown());
        let lost = match self.before.drain(self.before.len().saturating_sub(count)..).next() {
            Some(before) => {
                self.store = before;
                count
            }
            None => self.store.lose_last(count, now),
        };
        self.tell(|| format!("the store loses its last {lost} changes"));
        self.lost = Some(self.now);
        self.desk.stops &= self.is_paused_by_a_person();
        self.forget_what_is_lost();
        self.next_trouble(self.odds.lose_every, Happening::Lose);
    }

    /// What has been remembered long enough is forgotten, while things go wrong and after.
    pub(super) fn forget(&mut self) {
        let before = self.rows();
        let forgotten = self.store.expire(1000, self.shown()).now_or_never();
        let forgotten = forgotten.expect("memory answers at once").expect("it is open");
        self.check_forgotten(&before);
        self.tell(|| format!("{forgotten} receipts and lanes are forgotten"));
        if forgotten > 0 {
            self.played.saw(Scene::Forgotten);
        }
        self.next_trouble(self.odds.remembers.map(|(receipts, _)| receipts), Happening::Forget);
    }

    pub(super) fn foreign(&mut self) {
        if self.odds.foreign > 0.0 {
            self.konektor.foreign_call(&self.odds, self.now);
            let pace = Duration::from_secs(60).div_f64(f64::from(self.odds.limit) * self.odds.foreign);
            let next = self.dice.time(Duration::ZERO..pace * 2);
            self.plan(next + Duration::from_millis(1), Happening::Foreign);
        }
    }

    pub(super) fn calm_down(&mut self) {
        self.tell(|| "nothing goes wrong any more".into());
        self.odds.calm_down();
        self.calm_since = Some(self.now);
        self.konektor.key = Key::Good;
        self.let_calls_go();
        for host in &mut self.hosts {
            host.stalled_until = host.stalled_until.min(self.now);
        }
        self.plan(LOOK_EVERY, Happening::Look);
    }
}
