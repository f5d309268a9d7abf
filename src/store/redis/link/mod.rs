//! Connections to Redis: which server is asked, how long it is waited for, and when what was written counts as kept.
//!
//! All keys of a bridge are in one slot, so that one server at a time has all of them: it is found (by the URL, by sentinels,
//! by the nodes of a cluster) and then asked directly. A few connections are kept and shared; whoever waits for replicas
//! has one for itself. What went wrong with one of them makes all of them be opened anew, and the server be found anew.

mod args;
mod breaker;
mod dial;
mod error;
mod examine;
mod find;
mod lines;

use std::fmt;
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use jiff::Timestamp;
use redis::{FromRedisValue, Value};
use tokio::time::{Instant, sleep, timeout, timeout_at};

pub(super) use args::Arg;
pub(super) use error::LinkError;
pub use examine::{Remark, Weight, examine, in_use};
pub(super) use redis::Script;

use crate::servers::{Durability, RedisUrl};
use breaker::Breaker;
use dial::Line;
use error::Again;
use lines::Lines;

/// A call takes no longer than this, all its tries together.
const BUDGET: Duration = Duration::from_millis(1900);

/// How often a call that did not reach the right server is tried again, at most. Every script is safe to run twice.
const RETRIES: u32 = 2;

/// How long replicas are waited for.
const REPLICAS_WITHIN: Duration = Duration::from_millis(500);

/// The first and the longest pause between two looks whether Redis is there again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// How often the server is asked for its time.
const TIME_EVERY: Duration = Duration::from_secs(5);

static BARRIER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("barrier.lua")));

/// What ties a bridge to its Redis.
#[derive(Clone)]
pub struct RedisTies {
    /// Where it is, and who we are there.
    pub url: RedisUrl,
    /// What tells the keys of this bridge from those of others on the same Redis: letters, digits, `-`, `_`, `.`.
    pub prefix: String,
    /// When what was written counts as kept.
    pub durability: Durability,
    /// Told the server's time whenever it was measured: all replicas have to go by the same clock.
    pub on_time: OnTime,
}

/// Is told what time it was on the server at that instant of this process.
pub type OnTime = Arc<dyn Fn(Timestamp, std::time::Instant) + Send + Sync>;

impl RedisTies {
    /// What every key begins with. The braces keep all of them in one slot of a cluster.
    fn root(&self) -> String {
        format!("kb:{{{}}}:", self.prefix)
    }
}

impl fmt::Debug for RedisTies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, prefix, durability, .. } = self;
        f.debug_struct("RedisTies")
            .field("url", url)
            .field("prefix", prefix)
            .field("durability", durability)
            .finish_non_exhaustive()
    }
}

/// The connections to one Redis. Cheap to clone; connects when it is first used.
#[derive(Clone)]
pub(super) struct Link(Arc<Inner>);

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Link").field(&self.0.lines.ties()).finish()
    }
}

struct Inner {
    lines: Lines,
    breaker: Breaker,
    /// `kb:{prefix}:`, what every key begins with.
    root: String,
    durability: Durability,
}

/// What is asked of the server.
struct Call<'a> {
    script: &'a Script,
    args: &'a [Arg],
    /// Replicas that have to have it.
    replicas: Option<u32>,
}

impl Link {
    /// Connections by `ties`; none is made yet. From now on the server's time is told every few seconds: call it within
    /// the runtime.
    pub(super) fn new(ties: RedisTies) -> Self {
        let (root, durability) = (ties.root(), ties.durability);
        let lines = Lines::new(ties, &root);
        let inner = Arc::new(Inner { lines, breaker: Breaker::default(), root, durability });
        tokio::spawn(follow_time(Arc::downgrade(&inner)));
        Self(inner)
    }

    /// Runs a script: by its digest, and loads it where the server does not have it.
    ///
    /// `KEYS[1]` is `kb:{prefix}:`, which every key has to begin with, so that all are in one slot. There is never a key of
    /// that name itself: a cluster that moves the slot to another node therefore refuses every call (`ASK`) until it has
    /// moved, and no script runs where some of its keys are gone already.
    ///
    /// # Errors
    /// [`LinkError`]; the script may have run all the same, unless it says otherwise. Each takes less than two seconds.
    pub(super) async fn run<T: FromRedisValue>(&self, script: &Script, args: &[Arg]) -> Result<T, LinkError> {
        self.call(Call { script, args, replicas: None }).await
    }

    /// Whether [`Link::run_durable`] waits for more than the answer.
    pub(super) fn waits_for_replicas(&self) -> bool {
        match self.0.durability {
            Durability::Replicated(_) => true,
            Durability::Fsync | Durability::Relaxed => false,
        }
    }

    /// The same, and returns only when what it wrote, or found written, is durable by the profile.
    ///
    /// # Errors
    /// As [`Link::run`], and [`LinkError::Replicas`]: it was written, and may be lost.
    pub(super) async fn run_durable<T: FromRedisValue>(&self, script: &Script, args: &[Arg]) -> Result<T, LinkError> {
        let replicas = match self.0.durability {
            Durability::Replicated(replicas) => Some(replicas),
            Durability::Fsync | Durability::Relaxed => None,
        };
        self.call(Call { script, args, replicas }).await
    }

    async fn call<T: FromRedisValue>(&self, call: Call<'_>) -> Result<T, LinkError> {
        self.0.breaker.admit()?;
        let answer = self.0.within_budget(&call).await;
        match &answer {
            Ok(_) => self.0.breaker.succeeded(),
            Err(error) if error.is_of_the_server() => self.failed(),
            // The server is there, and has said no.
            Err(_) => self.0.breaker.succeeded(),
        }
        redis::from_redis_value(answer?).map_err(|_| LinkError::Answer)
    }

    /// Counts a failure; the last one that is let through begins to look whether Redis is there again.
    fn failed(&self) {
        if self.0.breaker.failed() {
            tokio::spawn(until_it_answers(Arc::downgrade(&self.0)));
        }
    }
}

/// Asks for the server's time every few seconds, as long as somebody has the link.
async fn follow_time(link: Weak<Inner>) {
    loop {
        sleep(TIME_EVERY).await;
        let Some(inner) = link.upgrade() else { return };
        if inner.breaker.admit().is_ok() {
            // When there is no answer, calls say so; this process' own clock goes on meanwhile.
            let _asked = timeout(BUDGET, inner.lines.follow_time()).await;
        }
    }
}

/// Asks again and again, and lets calls through once there is an answer.
async fn until_it_answers(link: Weak<Inner>) {
    let (mut pause, longest) = PAUSES;
    loop {
        sleep(pause).await;
        let Some(inner) = link.upgrade() else { return };
        if inner.answers().await.is_ok() {
            inner.breaker.close();
            return;
        }
        pause = longest.min(pause * 2);
    }
}

impl Inner {
    /// Makes a call, again where it did not reach the right server.
    async fn within_budget(&self, call: &Call<'_>) -> Result<Value, LinkError> {
        let deadline = Instant::now() + BUDGET;
        let mut tries = 0;
        loop {
            let answer = timeout_at(deadline, self.attempt(call, deadline)).await.unwrap_or(Err(LinkError::Slow));
            match &answer {
                Err(error) if tries < RETRIES && error.again() == Again::AtOnce => tries += 1,
                Ok(_) | Err(_) => return answer,
            }
        }
    }

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Value, LinkError> {
        match call.replicas {
            None => {
                let line = self.lines.shared().await?;
                let answer = timeout_at(deadline, line.clone().eval(call.script, &self.root, call.args)).await;
                self.judge(&line, answer.unwrap_or(Err(LinkError::Slow)))
            }
            Some(replicas) => {
                let mut line = self.lines.own().await?;
                let waited = self.eval_and_wait(&mut line, call, replicas);
                let answer = timeout_at(deadline, waited).await.unwrap_or(Err(LinkError::Slow));
                self.judge(&line, answer)
            }
        }
    }

    /// After some errors a connection is of no use any more, and most likely no other one is.
    fn judge<T>(&self, line: &Line, answer: Result<T, LinkError>) -> Result<T, LinkError> {
        if answer.as_ref().is_err_and(LinkError::ends_the_line) {
            self.lines.renew(line);
        }
        answer
    }

    /// Runs the script and waits on the same connection, which is what WAIT goes by, until so many replicas have it.
    async fn eval_and_wait(&self, line: &mut Line, call: &Call<'_>, replicas: u32) -> Result<Value, LinkError> {
        let answer =
            line.eval_and_wait(call.script, &BARRIER, &self.root, call.args, replicas, REPLICAS_WITHIN).await?;
        if answer.replicas < replicas {
            return Err(LinkError::Replicas { reached: answer.replicas, wanted: replicas });
        }
        Ok(answer.value)
    }

    /// Whether a call would be taken now.
    async fn answers(&self) -> Result<(), LinkError> {
        let deadline = Instant::now() + BUDGET;
        let asked = async {
            let line = self.lines.shared().await?;
            let answer = timeout_at(deadline, line.clone().ping(&self.root)).await;
            self.judge(&line, answer.unwrap_or(Err(LinkError::Slow)))
        };
        timeout_at(deadline, asked).await.unwrap_or(Err(LinkError::Slow))
    }
}

#[cfg(test)]
mod tests;
