//! Where verbs wait for the writer thread: two bounded queues behind one lock, so that the writer takes many at once and
//! webhooks never wait behind anything else.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::time::Duration;

use rusqlite::Error;
use tokio::sync::oneshot;

use super::db::Db;
use crate::store::StoreError;

/// Verbs that may wait in each queue; more are refused as busy.
const CAPACITY: usize = 4096;

/// What the commit of a verb must wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sync {
    /// The disk has it. For everything that somebody is told, or that must not be done twice.
    Disk,
    /// The log has it: a crash of the process loses nothing, a power loss perhaps the last few. The log is written in
    /// order, so a loss takes a step only together with all that came after it.
    Log,
}

/// A verb that waits to be done.
pub(super) trait Job: Send {
    /// Does it, inside a transaction. May be called again after a transaction that failed.
    fn run(&mut self, db: &mut Db) -> Result<(), Error>;
    /// The thread of its caller.
    fn caller(&self) -> ThreadId;
    /// It is committed: hands out the answer, and with it those of `others`.
    fn done(self: Box<Self>, others: Others);
    /// It could not be done.
    fn failed(self: Box<Self>, error: StoreError);
}

/// Jobs that are committed, and whose answers are handed out when this is dropped: by the caller of another job as soon as
/// it has its own answer, or wherever that one is dropped unheard.
#[derive(Default)]
pub(super) struct Others(Vec<Box<dyn Job>>);

impl Drop for Others {
    fn drop(&mut self) {
        hand_out_each(std::mem::take(&mut self.0));
    }
}

/// Hands out the answers of `jobs`, which are committed, each to its caller.
pub(super) fn hand_out_each(jobs: Vec<Box<dyn Job>>) {
    jobs.into_iter().for_each(|job| job.done(Others::default()));
}

/// Hands out the answers of `jobs`, which are committed, once to each thread, where the first caller wakes the others.
///
/// Waking a caller on another thread is a call of the system, and again for each as long as that thread falls asleep in
/// between. Good for crowds of callers that do nothing but wait: one that waits for something else meanwhile, without
/// asking here, would hold up the others.
pub(super) fn hand_out_by_thread(jobs: Vec<Box<dyn Job>>) {
    let mut threads: Vec<(ThreadId, Box<dyn Job>, Others)> = Vec::new();
    for job in jobs {
        let caller = job.caller();
        match threads.iter_mut().find(|(thread, ..)| *thread == caller) {
            Some((.., others)) => others.0.push(job),
            None => threads.push((caller, job, Others::default())),
        }
    }
    threads.into_iter().for_each(|(_, first, others)| first.done(others));
}

/// A job from a closure.
struct Task<F, T> {
    verb: F,
    answer: Option<Result<T, StoreError>>,
    caller: ThreadId,
    reply: oneshot::Sender<(Result<T, StoreError>, Others)>,
}

/// Where the answer to a job comes.
pub(super) struct Reply<T>(oneshot::Receiver<(Result<T, StoreError>, Others)>);

impl<T> Reply<T> {
    /// Waits for it. Who has begun to wait for a webhook goes on, or drops this: others may wait behind it.
    pub(super) async fn wait(self) -> Result<T, StoreError> {
        let (answer, others) = self.0.await.map_err(|_| StoreError::Closed)?;
        drop(others);
        answer
    }
}

/// A job that does `verb`, and where its answer will come. Made on the thread that waits for it.
///
/// `verb` gives an inner error to refuse without having changed anything.
pub(super) fn job<T, F>(verb: F) -> (Box<dyn Job>, Reply<T>)
where
    F: FnMut(&mut Db) -> Result<Result<T, StoreError>, Error> + Send + 'static,
    T: Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Task { verb, answer: None, caller: thread::current().id(), reply }), Reply(answer))
}

impl<F, T> Job for Task<F, T>
where
    F: FnMut(&mut Db) -> Result<Result<T, StoreError>, Error> + Send,
    T: Send,
{
    fn run(&mut self, db: &mut Db) -> Result<(), Error> {
        self.answer = Some((self.verb)(db)?);
        Ok(())
    }

    fn caller(&self) -> ThreadId {
        self.caller
    }

    fn done(self: Box<Self>, others: Others) {
        let answer = self.answer.expect("a job is done after it was run");
        // Nobody waits any more: the caller was dropped. What was done stays done.
        let _unheard = self.reply.send((answer, others));
    }

    fn failed(self: Box<Self>, error: StoreError) {
        let _unheard = self.reply.send((Err(error), Others::default()));
    }
}

/// The two queues.
#[derive(Default)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    filled: Condvar,
}

#[derive(Default)]
struct Inner {
    webhooks: VecDeque<Box<dyn Job>>,
    rest: VecDeque<(Sync, Box<dyn Job>)>,
    closed: bool,
    sleep: Sleep,
}

/// What the writer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Sleep {
    /// It is at work.
    #[default]
    Not,
    /// Anything.
    ForAnything,
    /// So many webhooks.
    Until(usize),
}

/// Why the writer was woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wake {
    /// There is something to do.
    Work,
    /// Nothing came for a while.
    Quiet,
    /// It is closed, and everything has been taken out.
    Closed,
}

impl Mailbox {
    /// A webhook to be kept: goes before everything else.
    pub(super) fn post_webhook(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.post(|inner| {
            let room = inner.webhooks.len() < CAPACITY;
            if room {
                inner.webhooks.push_back(job);
            }
            room
        })
    }

    /// Anything else, in order.
    pub(super) fn post_rest(&self, sync: Sync, job: Box<dyn Job>) -> Result<(), StoreError> {
        self.post(|inner| {
            let room = inner.rest.len() < CAPACITY;
            if room {
                inner.rest.push_back((sync, job));
            }
            room
        })
    }

    fn post(&self, put: impl FnOnce(&mut Inner) -> bool) -> Result<(), StoreError> {
        let mut inner = self.lock();
        if inner.closed {
            return Err(StoreError::Closed);
        }
        if !put(&mut inner) {
            return Err(StoreError::Busy);
        }
        let wake = match inner.sleep {
            Sleep::Not => false,
            Sleep::ForAnything => true,
            Sleep::Until(count) => inner.webhooks.len() >= count,
        };
        if wake {
            inner.sleep = Sleep::Not;
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Waits for work. `patience` is how long; for ever without.
    pub(super) fn wait(&self, patience: Option<Duration>) -> Wake {
        let mut inner = self.lock();
        loop {
            if !inner.webhooks.is_empty() || !inner.rest.is_empty() {
                return Wake::Work;
            }
            if inner.closed {
                return Wake::Closed;
            }
            inner.sleep = Sleep::ForAnything;
            let timed_out;
            (inner, timed_out) = match patience {
                None => (self.filled.wait(inner).unwrap_or_else(PoisonError::into_inner), false),
                Some(patience) => {
                    let (inner, end) =
                        self.filled.wait_timeout(inner, patience).unwrap_or_else(PoisonError::into_inner);
                    (inner, end.timed_out())
                }
            };
            inner.sleep = Sleep::Not;
            if timed_out && inner.webhooks.is_empty() && inner.rest.is_empty() && !inner.closed {
                return Wake::Quiet;
            }
        }
    }

    /// Waits until `count` webhooks wait, but no longer than `patience`. Nothing else wakes the writer meanwhile, and so
    /// it is woken once, not for each of them.
    pub(super) fn gather(&self, count: usize, patience: Duration) {
        let mut inner = self.lock();
        inner.sleep = Sleep::Until(count);
        let (mut inner, _end) = self
            .filled
            .wait_timeout_while(inner, patience, |inner| inner.webhooks.len() < count && !inner.closed)
            .unwrap_or_else(PoisonError::into_inner);
        inner.sleep = Sleep::Not;
    }

    /// Takes the oldest webhooks out, at most `max`.
    pub(super) fn take_webhooks(&self, max: usize, into: &mut Vec<Box<dyn Job>>) {
        let mut inner = self.lock();
        let count = inner.webhooks.len().min(max);
        into.extend(inner.webhooks.drain(..count));
    }

    /// Takes the next of the rest out, if it needs no more than `sync`. `None` takes any.
    pub(super) fn take_rest(&self, sync: Option<Sync>) -> Option<(Sync, Box<dyn Job>)> {
        let mut inner = self.lock();
        inner.rest.pop_front_if(|(needs, _)| sync.is_none_or(|sync| sync == *needs))
    }

    /// Whether webhooks wait.
    pub(super) fn has_webhooks(&self) -> bool {
        !self.lock().webhooks.is_empty()
    }

    /// Refuses what comes from now on.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.filled.notify_one();
    }

    /// Closes, and drops what waits: its callers hear that the store is closed.
    pub(super) fn abandon(&self) {
        let dropped = {
            let mut inner = self.lock();
            inner.closed = true;
            (std::mem::take(&mut inner.webhooks), std::mem::take(&mut inner.rest))
        };
        drop(dropped);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
