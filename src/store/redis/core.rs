//! How a step is done: look, decide, do; and again when something has moved in between.
//!
//! What is decided is decided in Rust, by the same code as for the other stores. What was looked at is checked in the atomic
//! step that does it: a lane by its record, the gate by its revision, the server by its run. A step that was done although
//! its answer was lost finds everything moved when it is done again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use redis::Value;
use tokio::sync::Notify;

use super::gate::Kept;
use super::link::{Arg, Link, LinkError};
use super::scripts::Scripts;
use super::step::{Ask, Step};
use super::values::{Reply, Strange, nanos, next, time};
use crate::store::suspicion::{AFTER_A_LOSS, AFTER_A_RESTORE};
use crate::store::time::{Tick, Time};
use crate::store::{Cap, Options, Seq, StoreError};

/// The data's version that this program reads and writes; `lua/prelude.lua` has it, too. Additions that an older program
/// can pass over do not count.
const SCHEMA: u64 = 1;
/// How often a step is decided anew before it is given up.
const ROUNDS: u32 = 40;
/// The longest pause before it is.
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// Why a step could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error(transparent)]
    Strange(#[from] Strange),
    #[error("the store is of a newer version ({0}, this program knows {SCHEMA}); upgrade this program")]
    Newer(u64),
    #[error("others are at it without end")]
    Crowded,
    #[error("it is closed")]
    Closed,
}

impl Trouble {
    /// Whether Redis has no memory left.
    pub(super) const fn is_full(&self) -> bool {
        matches!(self, Self::Link(LinkError::Full))
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Link(LinkError::Full) => Self::Full(Cap::Memory),
            Trouble::Closed => Self::Closed,
            Trouble::Crowded => Self::Busy,
            Trouble::Link(_) | Trouble::Strange(_) | Trouble::Newer(_) => {
                Self::Backend(trouble.to_string(), Box::new(trouble))
            }
        }
    }
}

/// Whether what was in the way of Redis may be over by itself.
#[must_use]
pub fn may_pass(error: &StoreError) -> bool {
    let StoreError::Backend(_, cause) = error else { return false };
    let of_a_step = cause.downcast_ref::<Trouble>().and_then(|trouble| match trouble {
        Trouble::Link(error) => Some(error),
        Trouble::Strange(_) | Trouble::Newer(_) | Trouble::Crowded | Trouble::Closed => None,
    });
    cause.downcast_ref::<LinkError>().or(of_a_step).is_some_and(LinkError::may_pass)
}

/// What a step is written to before it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// As durable as the profile says. For everything that somebody is told, or that must not be done twice.
    Durable,
    /// The server has it.
    Taken,
}

/// What all steps go by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    schema: Option<u64>,
    /// The server's run that was noted, and the one that it is.
    noted: Option<String>,
    run: String,
    clock: Option<Timestamp>,
    /// What time it is on the server, to the second.
    server: Timestamp,
    /// By how much the clock was set back in all.
    pub(super) back: i64,
    /// How often the gate was written.
    pub(super) gate: i64,
    pub(super) next_seq: Seq,
    /// How often somebody was given another name.
    pub(super) names: i64,
    /// Whether every lane that a version before this one has left is listed under its lead.
    pub(super) listed: bool,
}

/// What was seen at one moment.
pub(super) struct Seen {
    pub(super) base: Base,
    pub(super) now: Timestamp,
    answers: std::vec::IntoIter<Reply>,
}

impl Seen {
    /// The next answer.
    pub(super) fn answer(&mut self) -> Result<Reply, Strange> {
        next(&mut self.answers)
    }
}

/// The latest time that this process was told, under a clock that was set back so much.
#[derive(Debug, Clone, Copy, Default)]
struct Clock {
    back: i64,
    time: Option<Time>,
}

/// What the verbs share.
pub(super) struct Core {
    pub(super) link: Link,
    pub(super) options: Options,
    pub(super) scripts: Scripts,
    pub(super) inbox: Notify,
    pub(super) lanes: Notify,
    clock: Mutex<Clock>,
    entered: AtomicBool,
    closed: AtomicBool,
}

impl Core {
    pub(super) fn new(link: Link, options: Options) -> Self {
        Self {
            link,
            options,
            scripts: Scripts::new(),
            inbox: Notify::new(),
            lanes: Notify::new(),
            clock: Mutex::default(),
            entered: AtomicBool::new(false),
            closed: AtomicBool::new(false),
        }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(super) fn check_open(&self) -> Result<(), Trouble> {
        if self.is_closed() { Err(Trouble::Closed) } else { Ok(()) }
    }

    /// Asks about one moment. Whatever has to be noted before anything else goes on is noted before it returns.
    ///
    /// Without `now`, time stands where it stood last.
    pub(super) async fn look(&self, ask: &Ask, now: impl Into<Option<Timestamp>>) -> Result<Seen, Trouble> {
        let told = now.into();
        for round in 0..ROUNDS {
            self.check_open()?;
            let (base, answers) = self.ask(ask).await?;
            if !self.entered.load(Ordering::Acquire) || base.noted.as_ref() != Some(&base.run) {
                self.enter(&base, told.unwrap_or(base.server)).await?;
                continue;
            }
            let now = told.or_else(|| self.latest(&base)).unwrap_or(base.server);
            let tick = self.tick(&base, now);
            let Some(back) = tick.back else { return Ok(Seen { base, now: tick.now, answers }) };
            if !self.set_back(&base, back, tick.now).await? {
                pause(round).await;
            }
        }
        Err(Trouble::Crowded)
    }

    /// Refuses what a newer version has written; there may be nothing yet.
    pub(super) fn check_schema(&self, answer: Reply) -> Result<(), Trouble> {
        match answer.number::<u64>()? {
            newer if newer > SCHEMA => Err(Trouble::Newer(newer)),
            _ => Ok(()),
        }
    }

    async fn ask(&self, ask: &Ask) -> Result<(Base, std::vec::IntoIter<Reply>), Trouble> {
        let answers: Value = self.link.run(&self.scripts.look, &ask.0).await?;
        let mut answers = Reply(answers).list()?;
        let base = Base::read(next(&mut answers)?)?;
        match base.schema {
            Some(newer) if newer > SCHEMA => Err(Trouble::Newer(newer)),
            Some(_) | None => Ok((base, answers)),
        }
    }

    /// Does a step, if nothing has moved; gives its answers then.
    pub(super) async fn commit(
        &self,
        sync: Sync,
        base: &Base,
        step: Step,
        now: Timestamp,
    ) -> Result<Option<std::vec::IntoIter<Reply>>, Trouble> {
        let Step { checks, does, pulse } = step;
        let mut args: Vec<Arg> = Vec::with_capacity(checks.len() + does.len() + 4);
        args.extend([base.run.as_str().into(), base.back.into(), nanos(now).into(), i64::from(pulse).into()]);
        args.extend(checks);
        args.extend(does);
        let done: Value = match sync {
            Sync::Durable => self.link.run_durable(&self.scripts.commit, &args).await?,
            Sync::Taken => self.link.run(&self.scripts.commit, &args).await?,
        };
        let done = Reply(done);
        if done.is_nothing() {
            return Ok(None);
        }
        if pulse {
            self.lanes.notify_one();
        }
        Ok(Some(done.list()?))
    }

    /// Looks, has `decide` decide, and does that; until nothing has moved in between.
    ///
    /// With nothing to do the answer says what others have done, and must not be given before that is as durable as the
    /// step would have been. A server whose answer is itself the proof has it then (`appendfsync always` writes before it
    /// answers, whoever asked); where replicas are the proof they are waited for.
    pub(super) async fn decide<T>(
        &self,
        sync: Sync,
        ask: &Ask,
        now: impl Into<Option<Timestamp>>,
        mut decide: impl FnMut(&mut Seen) -> Result<(Option<Step>, T), Strange>,
    ) -> Result<T, Trouble> {
        let now = now.into();
        for round in 0..ROUNDS {
            let mut seen = self.look(ask, now).await?;
            let (step, answer) = decide(&mut seen)?;
            if step.is_none() && (sync == Sync::Taken || !self.link.waits_for_replicas()) {
                return Ok(answer);
            }
            let step = step.unwrap_or_default();
            if self.commit(sync, &seen.base, step, seen.now).await?.is_some() {
                return Ok(answer);
            }
            pause(round).await;
        }
        Err(Trouble::Crowded)
    }

    /// The latest time that anybody was told.
    fn latest(&self, base: &Base) -> Option<Timestamp> {
        let clock = self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        let ours = clock.time.filter(|_| clock.back == base.back).map(Time::latest);
        [ours, base.clock].into_iter().flatten().max()
    }

    /// `now`, or the time that this process was told last where that is a little later. A server can look at least for that.
    pub(super) fn at_least(&self, now: Timestamp) -> Timestamp {
        let clock = *self.clock.lock().unwrap_or_else(PoisonError::into_inner);
        clock.time.map_or(now, |mut time| time.tick(now).now)
    }

    /// The time. What another replica was told counts, too.
    fn tick(&self, base: &Base, now: Timestamp) -> Tick {
        let mut time = Time::from(self.latest(base).unwrap_or(now));
        let tick = time.tick(now);
        if tick.back.is_none() {
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Clock { back: base.back, time: Some(time) };
        }
        tick
    }

    /// The clock was set back, and what waits with it. False when somebody else was faster.
    async fn set_back(&self, seen: &Base, by: Duration, now: Timestamp) -> Result<bool, Trouble> {
        let (base, mut answers) = self.ask(&Ask::nothing().gate()).await?;
        if base.back != seen.back {
            return Ok(false);
        }
        let mut kept = Kept::read(next(&mut answers)?, &self.options)?;
        kept.gate.set_back(by);
        let mut step = Step::that_tells();
        kept.write(base.gate, &mut step);
        let back = base.back.saturating_add(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX));
        step.back(back, now);
        let done = self.commit(Sync::Taken, &base, step, now).await?.is_some();
        if done {
            tracing::warn!(back_s = by.as_secs(), "the clock was set back, and what waits with it");
            *self.clock.lock().unwrap_or_else(PoisonError::into_inner) = Clock { back, time: Some(Time::from(now)) };
        }
        Ok(done)
    }

    /// Notes which run of the server this is. Another one may have forgotten something (`queue.md` §2.6, R2 and R3): nothing
    /// else is done before that is noted in the gate.
    async fn enter(&self, seen: &Base, now: Timestamp) -> Result<(), Trouble> {
        let (base, mut answers) = self.ask(&Ask::nothing().gate()).await?;
        let mut kept = Kept::read(next(&mut answers)?, &self.options)?;
        if base.run != seen.run {
            return Ok(());
        }
        let first = !self.entered.load(Ordering::Acquire);
        match &base.noted {
            None if !first => {
                tracing::warn!("the store was emptied; new leads are searched for first for seven days");
                kept.gate.suspect(AFTER_A_RESTORE, now);
            }
            Some(noted) if *noted != base.run => {
                tracing::warn!(
                    "Redis was started anew, or another one has taken over; new leads are searched for first"
                );
                kept.gate.suspect(AFTER_A_LOSS, now);
                kept.gate.limiter.cool_down();
            }
            None | Some(_) => {}
        }
        if first && self.options.restored {
            tracing::warn!("the store is not what it last was; new leads are searched for first for seven days");
            kept.gate.suspect(AFTER_A_RESTORE, now);
        }
        // Whoever made the last calls may have spent the budget since, or be gone.
        let limiter = &mut kept.gate.limiter;
        if first && (!limiter.is_warm() || limiter.stats(now).in_use == 0) {
            limiter.cool_down();
        }
        if base.noted.as_ref() == Some(&base.run) && !kept.has_moved() {
            self.entered.store(true, Ordering::Release);
            return Ok(());
        }
        let args: [Arg; 5] = [
            base.noted.unwrap_or_default().into(),
            base.run.into(),
            base.gate.into(),
            kept.record().into(),
            i64::from(!kept.gate.limiter.is_warm()).into(),
        ];
        let done: Value = self.link.run_durable(&self.scripts.enter, &args).await?;
        if !Reply(done).is_nothing() {
            self.entered.store(true, Ordering::Release);
        }
        Ok(())
    }
}

/// A pause before the next round, the longer the more there were.
pub(super) async fn pause(round: u32) {
    let longest = Duration::from_millis(2).saturating_mul(round + 1).min(LONGEST_PAUSE);
    tokio::time::sleep(longest.mul_f64(rand::random())).await;
}

impl Base {
    fn read(answer: Reply) -> Result<Self, Strange> {
        let mut parts = answer.list()?;
        let schema = next(&mut parts)?;
        let schema = if schema.is_nothing() { None } else { Some(schema.number()?) };
        let noted = next(&mut parts)?.maybe_text()?;
        let clock = next(&mut parts)?;
        let clock = if clock.is_nothing() { None } else { Some(time(clock.number()?)) };
        Ok(Self {
            schema,
            noted,
            clock,
            back: next(&mut parts)?.number()?,
            gate: next(&mut parts)?.number()?,
            next_seq: next(&mut parts)?.number()?,
            names: next(&mut parts)?.number()?,
            listed: !next(&mut parts)?.is_nothing(),
            run: next(&mut parts)?.text()?,
            server: Timestamp::from_second(next(&mut parts)?.number()?).map_err(|_| Strange("the server's time"))?,
        })
    }
}
