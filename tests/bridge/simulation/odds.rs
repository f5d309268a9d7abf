//! What goes wrong, how often: drawn once a seed, so that some seeds are quiet and some are terrible.

use std::time::Duration;

use super::dice::Dice;

/// The odds of one seed.
#[derive(Debug, Clone)]
pub(super) struct Odds {
    /// Processes that deliver.
    pub(super) hosts: usize,
    /// How far a process's clock is from the true time, at most, in milliseconds.
    pub(super) skew: u64,
    /// How long things go wrong.
    pub(super) trouble: Duration,
    /// Leads, and the events of all of them.
    pub(super) leads: usize,
    pub(super) events: usize,
    /// Whether each lead is searched for before it is made.
    pub(super) searches_always: bool,
    /// Events that are only a notice, and have to be looked up.
    pub(super) lookups: f64,
    /// Events that are withheld.
    pub(super) tests: f64,
    /// Events that Konektor refuses whole, and those of which it refuses a field.
    pub(super) refused: f64,
    pub(super) odd_fields: f64,
    /// Events that were said long before they come.
    pub(super) stale: f64,
    /// Events that say where their lead stands, and by which channel it came.
    pub(super) stages: f64,
    pub(super) channels: f64,
    /// Events that know their lead by another name, too, or by that alone.
    pub(super) aliases: f64,
    /// Events that name a code of Konektor's; and whether it may be that of another person.
    pub(super) codes: f64,
    pub(super) passes_on: bool,
    /// Webhooks sent once more.
    pub(super) repeated: f64,
    /// A store's answer is slow (seconds), it fails before or after it has done its part, or does it twice.
    pub(super) store_slow: f64,
    pub(super) store_before: f64,
    pub(super) store_after: f64,
    pub(super) store_twice: f64,
    /// Calls, by what becomes of them.
    pub(super) calls: Calls,
    /// How long a search may not see a lead.
    pub(super) search_lag: Duration,
    /// Whether answers show `externalRef`.
    pub(super) shows_ref: bool,
    /// Whether Konektor refuses a second lead of the same reference.
    pub(super) unique: bool,
    /// Requests a minute.
    pub(super) limit: u32,
    /// Of which others take this share.
    pub(super) foreign: f64,
    /// Creates a day.
    pub(super) quota: Option<u32>,
    /// Mean time between such happenings; `None` for never.
    pub(super) kill_every: Option<Duration>,
    pub(super) stall_every: Option<Duration>,
    pub(super) revoke_every: Option<Duration>,
    pub(super) delete_every: Option<Duration>,
    /// A person changes a lead: writes into its notes, or moves it on.
    pub(super) edit_every: Option<Duration>,
    /// How long receipts and idle lanes are remembered, where that ends within the story.
    pub(super) remembers: Option<(Duration, Duration)>,
    /// The person on duty does something.
    pub(super) operate_every: Option<Duration>,
    /// How long a caller is told to wait who calls too much; `None`: it is not told.
    pub(super) retry_after: Option<Duration>,
    /// Every wall clock is set forward.
    pub(super) leap_every: Option<Duration>,
    /// The rules are changed by which the events are read.
    pub(super) reload_every: Option<Duration>,
    /// The store loses what it has just acknowledged, and notices.
    pub(super) lose_every: Option<Duration>,
    /// Whether others have ever called, and whether workers may be lost.
    pub(super) foreign_ever: f64,
    pub(super) breaks_workers: bool,
    /// Calls that are their process's last.
    pub(super) killed_calling: f64,
    /// A lead that Konektor forbids although it allows others.
    pub(super) forbids_one: bool,
    /// The key has been forbidden everything at some time.
    pub(super) forbids_all: bool,
}

/// What becomes of a call: weights beside the good end's, which is 1.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Calls {
    pub(super) no_connection: f64,
    pub(super) never_arrives: f64,
    pub(super) lost_answer: f64,
    pub(super) late: f64,
    pub(super) error_before: f64,
    pub(super) error_after: f64,
    pub(super) garbled: f64,
}

impl Calls {
    fn draw(some: &mut impl FnMut(f64) -> f64) -> Self {
        Self {
            no_connection: some(0.5),
            never_arrives: some(0.5),
            lost_answer: some(1.0),
            late: some(1.0),
            error_before: some(0.5),
            error_after: some(0.8),
            garbled: some(0.3),
        }
    }
}

impl Odds {
    /// Whether there are visitors is for the seed to say.
    pub(super) fn draw(has_visitors: bool, dice: &mut Dice) -> Self {
        let odds = Self::draw_trouble(dice);
        let edit_every = dice.chance(0.5).then(|| dice.time(Duration::from_secs(2)..Duration::from_mins(2)));
        let mut some = |most: f64| if dice.chance(0.33) { 0.0 } else { most * dice.share() };
        let [stages, channels, aliases] = [some(0.5), some(0.5), some(0.8)];
        let operate_every = dice.chance(0.4).then(|| dice.time(Duration::from_secs(10)..Duration::from_mins(5)));
        let remembers = dice.chance(0.1).then(|| {
            let mut short = || dice.time(Duration::from_secs(30)..Duration::from_mins(4));
            (short(), short())
        });
        let retry_after = dice.chance(0.3).then(|| dice.time(Duration::from_secs(1)..Duration::from_mins(10)));
        let odds = Self { edit_every, operate_every, remembers, retry_after, stages, channels, aliases, ..odds };
        if !has_visitors {
            return odds;
        }
        let codes = dice.share();
        if dice.chance(0.3) { odds.in_which_persons_are_told_apart(codes) } else { Self { codes, ..odds } }
    }

    /// Events may name codes of others, where two who name one can be told apart for certain: on two replicas, of which one may
    /// be the last one's successor, both may read the visitor's lead before either writes; and by its number alone nobody is
    /// known again whose number changes when rules do, or who is forgotten.
    fn in_which_persons_are_told_apart(self, codes: f64) -> Self {
        let (kill_every, lose_every, reload_every, remembers) = (None, None, None, None);
        let alone = Self { hosts: 1, kill_every, killed_calling: 0.0, ..self };
        Self { codes, passes_on: true, lose_every, reload_every, remembers, ..alone }
    }

    fn draw_trouble(dice: &mut Dice) -> Self {
        const HOUR: Duration = Duration::from_hours(1);
        // A third of the seeds spares each kind of trouble, so that every kind is also seen alone.
        let mut some = |most: f64| if dice.chance(0.33) { 0.0 } else { most * dice.share() * dice.share() };
        let calls = Calls::draw(&mut some);
        let [lookups, tests, refused, odd_fields] = [some(0.5), some(0.2), some(0.2), some(0.2)];
        let [store_slow, store_before, store_after, store_twice] = [some(0.2), some(0.2), some(0.2), some(0.1)];
        let [foreign, repeated, killed_calling, stale] = [some(0.3), some(0.5), some(0.2), some(0.5)];
        // Seldom, for each of its steps costs more: more than may be called for in a minute.
        let flood = dice.chance(0.02);
        let (often, seldom) = (Duration::from_secs(15)..HOUR / 4, Duration::from_mins(2)..HOUR);
        // At another day than Konektor's nobody knows what is left of the day's leads.
        let leaps = dice.chance(0.2);
        let mut every = |times: &std::ops::Range<Duration>| dice.chance(0.5).then(|| dice.time(times.clone()));
        let [kill_every, stall_every, revoke_every, delete_every] = [&often, &often, &seldom, &seldom].map(&mut every);
        let leap_every = every(&often).filter(|_| leaps);
        let [lose_every, reload_every] = [0.15, 0.2].map(|odds| dice.chance(odds).then(|| dice.time(often.clone())));
        let quota = dice.chance(0.05).then(|| u32::try_from(1 + dice.index(4)).expect("few"));
        Self {
            hosts: 1 + dice.index(4),
            skew: if dice.chance(0.5) { 0 } else { dice.number(1..1000) },
            trouble: dice.weighted(&[(0.5, Duration::from_mins(4)), (0.4, Duration::from_mins(15)), (0.1, HOUR)]),
            leads: if flood { 100 } else { 1 + dice.index(6) },
            events: if flood { 150 } else { 1 + dice.index(25) },
            searches_always: dice.chance(0.1),
            stale,
            stages: 0.0,
            channels: 0.0,
            aliases: 0.0,
            codes: 0.0,
            passes_on: false,
            lookups,
            tests,
            refused,
            odd_fields,
            repeated,
            store_slow,
            store_before,
            store_after,
            store_twice,
            calls,
            search_lag: dice.time(Duration::ZERO..super::konektor::L_SEARCH),
            shows_ref: dice.chance(0.5),
            unique: dice.chance(0.1),
            limit: dice.weighted(&[(0.5, 60), (0.3, 200), (0.2, 600)]),
            foreign,
            quota,
            kill_every,
            stall_every,
            revoke_every,
            delete_every,
            edit_every: None,
            operate_every: None,
            remembers: None,
            retry_after: None,
            killed_calling,
            lose_every,
            // Whom a create named that was lost with its intent nobody knows: here that may be long ago.
            reload_every: reload_every.filter(|_| lose_every.is_none()),
            leap_every: leap_every.filter(|_| quota.is_none()),
            foreign_ever: foreign,
            breaks_workers: kill_every.or(stall_every).is_some() || store_before + store_after + store_slow > 0.0,
            forbids_one: dice.chance(0.1),
            forbids_all: false,
        }
    }

    /// Whether anything is forgotten.
    pub(super) const fn forgets(&self) -> bool {
        self.remembers.is_some()
    }

    /// From now on nothing goes wrong any more.
    pub(super) fn calm_down(&mut self) {
        self.calls = Calls::default();
        (self.store_slow, self.store_before, self.store_after, self.store_twice) = (0.0, 0.0, 0.0, 0.0);
        (self.foreign, self.quota, self.killed_calling) = (0.0, None, 0.0);
        (self.kill_every, self.stall_every, self.revoke_every, self.delete_every) = (None, None, None, None);
        (self.lose_every, self.leap_every, self.reload_every, self.edit_every) = (None, None, None, None);
        (self.retry_after, self.operate_every) = (None, None);
    }
}
