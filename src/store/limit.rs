//! The rate limiter: how many calls may go out so that Konektor never counts more than it allows.
//!
//! One log of the calls that Konektor *may still be counting*. A call is counted at some instant between being sent and
//! being answered, so it has left every window of a minute one minute after its answer. With at most `L` calls in the log,
//! at most `L` are counted in any minute: no 429 in fixed windows of whatever phase, in windows that begin with the first
//! call, in sliding logs, and in token buckets of `L`. It needs no knowledge of which of them Konektor has. The price is
//! the time between counting and answer, 0.3 % of the rate at 200 ms (`queue.md` §2.8).
//!
//! Pure: `now` is an argument. A backend keeps [`Limiter::tuning`] and the log, and gives them back to
//! [`Limiter::restore`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Class, LimiterStats, Observation, PermitId, RateHeaders};

/// Konektor counts requests a minute (Agent API 2.2.0, "Rate Limiting").
pub(super) const WINDOW: Duration = Duration::from_secs(60);
/// Requests a minute that the smallest plan has (Agent API 2.2.0, "Rate Limiting"): what holds until an answer has told.
const SMALLEST_PLAN: u32 = 60;
/// How far ahead of an even pace updates and replays may run: a short burst goes out at once.
const BURST: Duration = Duration::from_secs(2);
/// How long more room is left after a 429 that we did not cause alone.
const HEADROOM_LASTS: Duration = Duration::from_mins(10);
/// Wait after a 429 that says nothing.
const BLIND_BLOCK: Duration = Duration::from_secs(10);
/// Longest wait that an answer may ask for: a broken header must not stop delivery for a year.
const LONGEST_BLOCK: Duration = Duration::from_hours(1);

/// Decides when a call may go out.
#[derive(Debug, Clone)]
pub struct Limiter {
    /// What Konektor may still be counting: until when.
    calls: BTreeMap<u64, Timestamp>,
    /// Permits of which nothing has been heard yet.
    flying: BTreeSet<u64>,
    tuning: Tuning,
    /// An answer since the start has told the limit.
    warm: bool,
    call_timeout: Duration,
}

/// What the limiter knows beside its log.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Tuning {
    /// The number of the next entry.
    next: u64,
    /// Requests a minute, once told.
    limit: Option<u32>,
    /// No call before this time.
    blocked: Option<Timestamp>,
    /// When an evenly paced next call would be due.
    pace: Option<Timestamp>,
    /// Room left to others who spend the same budget, and until when.
    headroom: Option<(u32, Timestamp)>,
    /// The limit has become smaller: until when more calls than it allows may stand in the log.
    lowered: Option<Timestamp>,
}

/// The answer to a wish to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Take {
    /// Call.
    Granted(PermitId),
    /// Not before this time, unless something changes.
    NotBefore(Timestamp),
}

impl Limiter {
    /// A limiter that knows nothing yet. `call_timeout` is the longest that a call may be under way.
    #[must_use]
    pub fn new(call_timeout: Duration) -> Self {
        Self::restore(Tuning::default(), BTreeMap::new(), call_timeout)
    }

    /// The limiter as it was kept; of nothing at first. `call_timeout` is the longest that a call may be under way. It
    /// lets one call out alone before any other: others may have spent the budget meanwhile.
    pub(super) fn restore(tuning: Tuning, calls: BTreeMap<u64, Timestamp>, call_timeout: Duration) -> Self {
        Self { calls, flying: BTreeSet::new(), tuning, warm: false, call_timeout }
    }

    /// Goes on where another process is: whether an answer has told the limit, and of which permits nothing has been heard.
    pub(super) fn go_on(self, warm: bool, flying: BTreeSet<u64>) -> Self {
        Self { warm, flying, ..self }
    }

    /// Whether an answer has told the limit since the start.
    pub(super) const fn is_warm(&self) -> bool {
        self.warm
    }

    /// Whether nothing has been heard of a permit yet.
    pub(super) fn is_flying(&self, permit: u64) -> bool {
        self.flying.contains(&permit)
    }

    /// Begins anew: others may have spent the budget meanwhile, and nothing more is heard of what was under way.
    pub(super) fn cool_down(&mut self) {
        self.warm = false;
        self.flying.clear();
    }

    /// What it knows beside its log.
    pub(super) const fn tuning(&self) -> &Tuning {
        &self.tuning
    }

    /// The entries of the log from `first` on: number, and until when it stands.
    pub(super) fn calls_from(&self, first: u64) -> impl Iterator<Item = (u64, Timestamp)> + '_ {
        self.calls.range(first..).map(|(id, until)| (*id, *until))
    }

    /// Until when the entry of a permit stands, if it does.
    pub(super) fn call(&self, permit: PermitId) -> Option<Timestamp> {
        self.calls.get(&permit.0).copied()
    }

    /// The number of the next entry.
    pub(super) const fn next(&self) -> u64 {
        self.tuning.next
    }

    /// Takes a permit for a call of `class`, or says when to ask again. New leads go out as fast as the limit allows,
    /// updates and replays at an even pace: so there is room for a new lead every moment, and none needs to be kept free.
    pub fn take(&mut self, class: Class, now: Timestamp) -> Take {
        self.forget(now);
        match self.not_before(class, now) {
            Some(at) => Take::NotBefore(at),
            None => Take::Granted(self.grant(now)),
        }
    }

    /// Takes in what became of a call. Twice is as once.
    pub fn observe(&mut self, permit: PermitId, seen: Observation, now: Timestamp) {
        self.forget(now);
        self.flying.remove(&permit.0);
        match seen {
            Observation::Unsent => {
                self.calls.remove(&permit.0);
            }
            Observation::Answered(headers) => {
                self.calls.insert(permit.0, now + WINDOW);
                self.learn(headers, now);
            }
        }
    }

    /// The clock was set back: what was to end then ends as much earlier.
    pub(super) fn set_back(&mut self, by: Duration) {
        self.calls.values_mut().for_each(|until| *until -= by);
        let Tuning { next: _, limit: _, blocked, pace, headroom, lowered } = &mut self.tuning;
        for time in [blocked, pace, lowered].into_iter().flatten() {
            *time -= by;
        }
        if let Some((_, until)) = headroom {
            *until -= by;
        }
    }

    /// What is wrong with the log, if something is: more calls stand in it than are allowed.
    pub(super) fn flaw(&self, now: Timestamp) -> Option<String> {
        let (standing, limit) = (self.stats(now).in_use, self.limit());
        let lowered = self.tuning.lowered.is_some_and(|until| now < until);
        (standing > limit && !lowered).then(|| format!("{standing} calls stand in the log, and {limit} are allowed"))
    }

    /// In numbers.
    pub(super) fn stats(&self, now: Timestamp) -> LimiterStats {
        LimiterStats {
            limit: self.tuning.limit,
            in_use: self.calls.values().filter(|until| **until > now).count().try_into().unwrap_or(u32::MAX),
            blocked_until: self.tuning.blocked.filter(|until| *until > now),
        }
    }

    fn not_before(&self, class: Class, now: Timestamp) -> Option<Timestamp> {
        let blocked = self.tuning.blocked.filter(|until| *until > now);
        let alone =
            if self.warm { None } else { self.flying.iter().filter_map(|id| self.calls.get(id)).min().copied() };
        let full = self.frees_up(self.room(now));
        let paced = match class {
            Class::New => None,
            Class::Update | Class::Bulk => self.tuning.pace.map(|pace| pace - BURST).filter(|at| *at > now),
        };
        [blocked, alone, full, paced].into_iter().flatten().max()
    }

    /// When the log will be smaller than `room`; `None` when it is.
    fn frees_up(&self, room: usize) -> Option<Timestamp> {
        let over = self.calls.len().checked_sub(room)?;
        let mut ends: Vec<Timestamp> = self.calls.values().copied().collect();
        let (_, end, _) = ends.select_nth_unstable(over);
        Some(*end)
    }

    fn grant(&mut self, now: Timestamp) -> PermitId {
        let id = self.tuning.next;
        self.tuning.next += 1;
        self.calls.insert(id, now + self.call_timeout + WINDOW);
        self.flying.insert(id);
        let step = WINDOW / self.limit();
        let paced = self.tuning.pace.map_or(now, |pace| pace.max(now)) + step;
        self.tuning.pace = Some(paced.min(now + WINDOW));
        PermitId(id)
    }

    fn learn(&mut self, headers: RateHeaders, now: Timestamp) {
        let ours = self.calls.len();
        if let Some(limit) = headers.limit.map(|limit| limit.max(1)) {
            if limit < self.limit() {
                self.tuning.lowered = Some(now + self.call_timeout + WINDOW);
            }
            self.tuning.limit = Some(limit);
            self.warm = true;
        }
        let reset = headers.reset.filter(|reset| *reset > now).map(|reset| reset.min(now + WINDOW));
        if let (Some(limit), Some(remaining)) = (headers.limit, headers.remaining) {
            // Somebody else spends the same budget, or our log was lost: their calls stand in it too. For a whole minute,
            // whatever the reset says: in a sliding log it is when the first of them leaves.
            let spent = limit.saturating_sub(remaining) as usize;
            for _ in ours..spent {
                self.calls.insert(self.tuning.next, now + WINDOW);
                self.tuning.next += 1;
            }
        }
        if headers.throttled {
            let told = headers.retry_after.map(|wait| now + wait.clamp(Duration::from_secs(1), LONGEST_BLOCK));
            self.throttled(ours, told.or(reset).unwrap_or(now + BLIND_BLOCK), now);
        }
    }

    fn throttled(&mut self, ours: usize, until: Timestamp, now: Timestamp) {
        let is_first = self.tuning.blocked.is_none_or(|blocked| blocked <= now);
        let limit = self.limit();
        if is_first && ours <= limit as usize {
            // Not by us alone. Once per block: one foreign burst can throttle several calls that were under way.
            let more = (self.headroom(now) + 1).min((limit / 10).max(1));
            self.tuning.headroom = Some((more, now + HEADROOM_LASTS));
        }
        self.tuning.blocked = self.tuning.blocked.max(Some(until));
    }

    fn forget(&mut self, now: Timestamp) {
        // Nothing stands longer than an unheard call; later ends were written by a clock that was wrong.
        let longest = now + self.call_timeout + WINDOW;
        self.calls.retain(|_, until| {
            *until = longest.min(*until);
            *until > now
        });
        self.flying.retain(|id| self.calls.contains_key(id));
        let Tuning { next: _, limit: _, blocked, pace, headroom: _, lowered: _ } = &mut self.tuning;
        let latest = [(blocked, LONGEST_BLOCK), (pace, WINDOW)];
        for (time, ahead) in latest {
            *time = time.map(|time| time.min(now + ahead));
        }
    }

    /// How many calls may stand in the log; at least one.
    fn room(&self, now: Timestamp) -> usize {
        self.limit().saturating_sub(self.headroom(now)).max(1) as usize
    }

    fn headroom(&self, now: Timestamp) -> u32 {
        self.tuning.headroom.filter(|(_, until)| *until > now).map_or(0, |(room, _)| room)
    }

    /// Calls a minute, as far as is known.
    pub(super) fn limit(&self) -> u32 {
        self.tuning.limit.unwrap_or(SMALLEST_PLAN)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const T_HTTP: Duration = Duration::from_secs(10);

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millisecond(1_800_000_000_000 + millis).unwrap()
    }

    fn told(limit: u32, remaining: u32) -> Observation {
        Observation::Answered(RateHeaders { limit: Some(limit), remaining: Some(remaining), ..RateHeaders::default() })
    }

    fn throttled(retry_after: Option<u64>) -> Observation {
        let retry_after = retry_after.map(Duration::from_secs);
        Observation::Answered(RateHeaders { throttled: true, retry_after, ..RateHeaders::default() })
    }

    fn granted(limiter: &mut Limiter, class: Class, now: Timestamp) -> PermitId {
        match limiter.take(class, now) {
            Take::Granted(permit) => permit,
            Take::NotBefore(until) => panic!("expected a permit, must wait until {until}"),
        }
    }

    fn refused(limiter: &mut Limiter, class: Class, now: Timestamp) -> Timestamp {
        match limiter.take(class, now) {
            Take::Granted(permit) => panic!("expected to wait, got {permit:?}"),
            Take::NotBefore(until) => until,
        }
    }

    fn cold() -> Limiter {
        Limiter::restore(Tuning::default(), BTreeMap::new(), T_HTTP)
    }

    /// A limiter that has seen one answer, at time 0.
    fn warm(limit: u32) -> Limiter {
        let mut limiter = cold();
        let permit = granted(&mut limiter, Class::New, at(0));
        limiter.observe(permit, told(limit, limit - 1), at(0));
        limiter
    }

    #[test]
    fn a_cold_start_lets_one_call_out_until_an_answer_has_told_the_limit() {
        let mut limiter = cold();
        let first = granted(&mut limiter, Class::New, at(0));
        assert_eq!(refused(&mut limiter, Class::New, at(1)), at(70_000));
        limiter.observe(first, Observation::Answered(RateHeaders::default()), at(100));
        let second = granted(&mut limiter, Class::New, at(100));
        refused(&mut limiter, Class::New, at(101));
        limiter.observe(second, told(200, 198), at(200));
        for _ in 2..200 {
            granted(&mut limiter, Class::New, at(300));
        }
        assert_eq!(refused(&mut limiter, Class::New, at(300)), at(60_100));
    }

    #[test]
    fn a_restart_keeps_the_log_and_is_cold() {
        let mut before = warm(60);
        let flying = granted(&mut before, Class::New, at(10));
        let log = before.calls_from(0).collect();
        let mut after = Limiter::restore(before.tuning().clone(), log, T_HTTP);
        assert_eq!(after.stats(at(20)).in_use, 2);
        assert_eq!(after.call(flying), Some(at(70_010)));
        granted(&mut after, Class::New, at(20));
        refused(&mut after, Class::New, at(20));
    }

    #[test]
    fn a_call_stands_for_a_minute_after_its_answer_and_a_lost_one_a_minute_after_its_time_out() {
        let mut limiter = warm(2);
        granted(&mut limiter, Class::New, at(1_000));
        assert_eq!(refused(&mut limiter, Class::New, at(1_000)), at(60_000));
        let second = granted(&mut limiter, Class::New, at(60_000));
        assert_eq!(refused(&mut limiter, Class::New, at(60_000)), at(71_000));
        limiter.observe(second, told(2, 0), at(60_500));
        granted(&mut limiter, Class::New, at(71_000));
        assert_eq!(refused(&mut limiter, Class::New, at(71_000)), at(120_500));
    }

    #[test]
    fn a_call_that_was_never_sent_is_given_back() {
        let mut limiter = warm(2);
        let permit = granted(&mut limiter, Class::New, at(10));
        refused(&mut limiter, Class::New, at(20));
        limiter.observe(permit, Observation::Unsent, at(30));
        limiter.observe(permit, Observation::Unsent, at(31));
        granted(&mut limiter, Class::New, at(40));
        refused(&mut limiter, Class::New, at(40));
    }

    #[test]
    fn calls_of_others_take_room_for_a_minute_whatever_the_reset_says() {
        let mut limiter = cold();
        let permit = granted(&mut limiter, Class::New, at(0));
        let headers =
            RateHeaders { limit: Some(60), remaining: Some(1), reset: Some(at(20_000)), ..RateHeaders::default() };
        limiter.observe(permit, Observation::Answered(headers), at(0));
        assert_eq!(limiter.stats(at(0)).in_use, 59);
        granted(&mut limiter, Class::New, at(1));
        assert_eq!(refused(&mut limiter, Class::New, at(1)), at(60_000));
        granted(&mut limiter, Class::New, at(60_000));
    }

    #[test]
    fn a_429_blocks_for_as_long_as_it_says_and_else_for_ten_seconds() {
        for (said, until) in
            [(Some(7), at(7_000)), (Some(0), at(1_000)), (None, at(10_000)), (Some(u64::MAX), at(3_600_000))]
        {
            let mut limiter = warm(60);
            let permit = granted(&mut limiter, Class::New, at(0));
            limiter.observe(permit, throttled(said), at(0));
            assert_eq!(refused(&mut limiter, Class::New, at(10)), until, "{said:?}");
            assert_eq!(limiter.stats(at(10)).blocked_until, Some(until));
            granted(&mut limiter, Class::New, until);
        }
    }

    #[test]
    fn a_429_that_others_caused_leaves_them_one_more_call_for_ten_minutes() {
        let mut limiter = warm(60);
        let burst: Vec<_> = (0..3).map(|_| granted(&mut limiter, Class::New, at(0))).collect();
        for permit in burst {
            limiter.observe(permit, throttled(Some(1)), at(0));
        }
        let count = |limiter: &mut Limiter, now| {
            std::iter::from_fn(|| matches!(limiter.take(Class::New, now), Take::Granted(_)).then_some(())).count()
        };
        assert_eq!(count(&mut limiter, at(100_000)), 59, "one for others, though three calls were refused");
        assert_eq!(count(&mut limiter, at(600_000)), 60);
    }

    #[test]
    fn a_changed_limit_holds_at_once() {
        let mut limiter = warm(60);
        let taken: Vec<_> = (0..59).map(|_| granted(&mut limiter, Class::New, at(10))).collect();
        refused(&mut limiter, Class::New, at(10));
        limiter.observe(taken[0], told(61, 1), at(20));
        granted(&mut limiter, Class::New, at(20));
        limiter.observe(taken[1], told(10, 0), at(30));
        assert!(refused(&mut limiter, Class::New, at(30)) > at(60_030), "more than ten still stand");
    }

    #[test]
    fn updates_keep_an_even_pace_and_new_leads_go_ahead_of_it() {
        let mut limiter = warm(60);
        let burst = std::iter::from_fn(|| matches!(limiter.take(Class::Update, at(0)), Take::Granted(_)).then_some(()));
        assert_eq!(burst.count(), 2, "two seconds' worth, with the first call");
        assert_eq!(refused(&mut limiter, Class::Bulk, at(0)), at(1_000));
        granted(&mut limiter, Class::New, at(0));
        assert_eq!(refused(&mut limiter, Class::Update, at(0)), at(2_000));
    }

    #[test]
    fn what_has_left_the_log_is_not_taken_for_the_calls_of_others() {
        let mut limiter = warm(3);
        granted(&mut limiter, Class::New, at(1_000));
        let last = granted(&mut limiter, Class::New, at(59_000));
        // The first call left the log at 60 s; so two of these three are somebody else's.
        limiter.observe(last, told(3, 0), at(71_500));
        assert_eq!(limiter.stats(at(71_500)).in_use, 3);
        refused(&mut limiter, Class::New, at(71_500));
    }

    #[test]
    fn a_clock_that_is_set_back_takes_what_is_to_come_with_it() {
        let mut limiter = warm(3);
        let permit = granted(&mut limiter, Class::New, at(100_000));
        limiter.observe(permit, throttled(Some(30)), at(100_000));
        limiter.set_back(Duration::from_secs(90));
        assert_eq!(limiter.stats(at(10_000)).blocked_until, Some(at(40_000)));
        assert_eq!(limiter.call(permit), Some(at(70_000)));
        granted(&mut limiter, Class::New, at(40_000));
    }

    #[test]
    fn what_a_wrong_clock_has_put_off_for_a_year_is_not() {
        let year = Timestamp::from_millisecond(1_800_000_000_000 + 31_536_000_000).unwrap();
        let tuning = Tuning { blocked: Some(year), pace: Some(year), ..Tuning::default() };
        let mut limiter = Limiter::restore(tuning, BTreeMap::new(), T_HTTP);
        assert_eq!(
            refused(&mut limiter, Class::Update, at(0)),
            at(3_600_000),
            "the longest that an answer may ask for"
        );
        granted(&mut limiter, Class::Update, at(3_600_000));
    }

    #[test]
    fn more_calls_than_are_allowed_are_a_flaw_unless_the_limit_was_lowered() {
        let mut limiter = warm(3);
        let calls = [(); 2].map(|()| granted(&mut limiter, Class::New, at(0)));
        assert_eq!(limiter.flaw(at(0)), None);
        limiter.observe(calls[0], told(1, 0), at(0));
        assert_eq!((limiter.stats(at(1)).in_use, limiter.flaw(at(1))), (3, None));
        limiter.calls.extend((90..93).map(|id| (id, at(200_000))));
        assert!(limiter.flaw(at(100_000)).is_some());
    }

    #[test]
    fn an_entry_from_a_clock_that_was_wrong_does_not_stand_for_ever() {
        let mut limiter = Limiter::restore(
            Tuning { limit: Some(1), ..Tuning::default() },
            BTreeMap::from([(0, at(9_000_000_000))]),
            T_HTTP,
        );
        assert_eq!(refused(&mut limiter, Class::New, at(0)), at(70_000));
        granted(&mut limiter, Class::New, at(70_000));
    }

    /// One step of an adversary: wait, take, and say when within the call Konektor counts it, and how it ends.
    #[derive(Debug, Clone)]
    struct Move {
        wait: i64,
        class: Class,
        sent_after: i64,
        took: i64,
        counted: f64,
        lost: bool,
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let class = prop_oneof![Just(Class::New), Just(Class::Update), Just(Class::Bulk)];
        let wait = prop_oneof![5 => 0..50i64, 2 => 0..3_000i64, 1 => 50_000..70_000i64];
        let one = (wait, class, 0..2_000i64, 0..8_000i64, 0.0..=1.0, proptest::bool::weighted(0.1)).prop_map(
            |(wait, class, sent_after, took, counted, lost)| Move { wait, class, sent_after, took, counted, lost },
        );
        proptest::collection::vec(one, 1..400)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Whatever instant of a call Konektor counts, no minute has more than its limit.
        #[test]
        fn no_minute_ever_counts_more_than_the_limit(moves in moves(), limit in 1..30u32) {
            let mut limiter = warm(limit);
            let (mut now, mut counted, mut answers) = (0, vec![0], BTreeMap::<(i64, u64), PermitId>::new());
            for step in moves {
                now += step.wait;
                while let Some(((due, _), permit)) = answers.first_key_value().map(|(k, v)| (*k, *v)).filter(|(k, _)| k.0 <= now) {
                    answers.pop_first();
                    limiter.observe(permit, told(limit, limit), at(due));
                }
                if let Take::Granted(permit) = limiter.take(step.class, at(now)) {
                    let (sent, answered) = (now + step.sent_after, now + step.sent_after + step.took);
                    #[expect(clippy::cast_possible_truncation, reason = "milliseconds of a call")]
                    counted.push(sent + (step.counted * step.took as f64) as i64);
                    if !step.lost {
                        answers.insert((answered, permit.0), permit);
                    }
                }
            }
            counted.sort_unstable();
            for (index, first) in counted.iter().enumerate() {
                let in_a_minute = counted[index..].iter().take_while(|one| **one < first + 60_000).count();
                prop_assert!(in_a_minute <= limit as usize, "{in_a_minute} in the minute from {first}, allowed {limit}");
            }
        }

        /// A busy bridge uses what it is allowed: after a minute there is room again for all of the limit.
        #[test]
        fn the_whole_limit_is_used(limit in 2..300u32) {
            let mut limiter = warm(limit);
            let mut sent = 0;
            for second in 0..300 {
                let now = at(second * 1000);
                while let Take::Granted(permit) = limiter.take(Class::New, now) {
                    limiter.observe(permit, told(limit, limit), now);
                    sent += 1;
                }
            }
            prop_assert!(sent + 1 >= limit * 5, "{sent} of {} in five minutes", limit * 5);
        }
    }
}
