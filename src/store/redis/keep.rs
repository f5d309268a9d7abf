//! Webhooks are kept together: those that come while a batch is under way are the next one, and one write to the disk serves
//! them all.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::Value;
use tokio::sync::{Notify, oneshot};

use super::core::{Core, Trouble};
use super::event::write_webhook;
use super::link::Arg;
use super::step::Ask;
use super::values::{Reply, int, next};
use crate::domain::event::Kept;
use crate::store::turns::Turns;
use crate::store::{Cap, StoreError, receipt};

/// Webhooks in one batch, and their bytes, at most; the first in any case.
const BATCH: usize = 128;
const BATCH_BYTES: usize = 1 << 20;
/// Batches under way at once.
const UNDER_WAY: usize = 4;
/// Webhooks that may wait; more are refused as busy.
const CAPACITY: usize = 4096;
/// A sender hears within two seconds what became of its webhook, also from a machine that has much to do.
const PATIENCE: Duration = Duration::from_millis(1700);

/// Where webhooks wait to be kept.
#[derive(Default)]
pub(super) struct Mailbox {
    inner: Mutex<Inner>,
    done: Notify,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    under_way: usize,
    turns: Turns,
}

struct Waiting {
    weight: u64,
    record: Vec<u8>,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Mailbox {
    /// Keeps a webhook; durable when it returns.
    pub(super) async fn keep(self: &Arc<Self>, core: &Arc<Core>, webhook: &Kept) -> Result<(), StoreError> {
        core.check_open()?;
        let (reply, answer) = oneshot::channel();
        let weight = receipt::weight(webhook);
        let waiting = Waiting { weight, record: write_webhook(webhook), reply };
        if self.put(waiting)? {
            tokio::spawn(Arc::clone(self).empty(Arc::clone(core)));
        }
        match tokio::time::timeout(PATIENCE, answer).await {
            Ok(answer) => answer.unwrap_or(Err(StoreError::Closed)),
            Err(late) => Err(StoreError::Backend("Redis has not answered in time".to_owned(), Box::new(late))),
        }
    }

    /// True when another batch may go out.
    fn put(&self, waiting: Waiting) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        if inner.waiting.len() >= CAPACITY {
            return Err(StoreError::Busy);
        }
        inner.waiting.push_back(waiting);
        // Another batch is worth it only when it is full: what is under way is answered sooner than it would be.
        let goes = inner.under_way == 0 || (inner.under_way < UNDER_WAY && inner.waiting.len() >= BATCH);
        inner.under_way += usize::from(goes);
        Ok(goes)
    }

    async fn empty(self: Arc<Self>, core: Arc<Core>) {
        while let Some(batch) = self.next_batch() {
            let kept = core.keep(&batch).await;
            core.inbox.notify_one();
            self.lock().turns.kept(batch.len());
            answer(batch, kept);
        }
        self.done.notify_waiters();
    }

    /// The next batch; with the last one the way is free.
    fn next_batch(&self) -> Option<Vec<Waiting>> {
        let mut inner = self.lock();
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while let Some(next) = inner.waiting.front() {
            bytes += next.record.len();
            if batch.len() == BATCH || (bytes > BATCH_BYTES && !batch.is_empty()) {
                break;
            }
            batch.extend(inner.waiting.pop_front());
        }
        if batch.is_empty() {
            inner.under_way -= 1;
            return None;
        }
        Some(batch)
    }

    /// Returns when it is the turn of what can wait.
    pub(super) async fn turn(&self) {
        loop {
            let left = self.lock().turns.take(Instant::now());
            let Some(left) = left else { return };
            tokio::time::sleep(left).await;
        }
    }

    /// Returns when nothing waits any more.
    pub(super) async fn emptied(&self) {
        loop {
            let done = self.done.notified();
            if self.lock().under_way == 0 {
                return;
            }
            done.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer(batch: Vec<Waiting>, kept: Result<Vec<Option<Cap>>, Trouble>) {
    match kept {
        Ok(full) => {
            for (waiting, full) in batch.into_iter().zip(full) {
                // Nobody waits any more: the caller was dropped. What was kept stays kept.
                let _unheard = waiting.reply.send(full.map_or(Ok(()), |what| Err(StoreError::Full(what))));
            }
        }
        Err(trouble) => {
            let trouble = Arc::new(trouble);
            for waiting in batch {
                let _unheard = waiting.reply.send(Err(shared(&trouble)));
            }
        }
    }
}

/// The same error for each of a batch.
fn shared(trouble: &Arc<Trouble>) -> StoreError {
    match &**trouble {
        Trouble::Closed => StoreError::Closed,
        Trouble::Crowded => StoreError::Busy,
        trouble if trouble.is_full() => StoreError::Full(Cap::Memory),
        Trouble::Link(_) | Trouble::Strange(_) | Trouble::Newer(_) => {
            StoreError::Backend(trouble.to_string(), Box::new(Arc::clone(trouble)))
        }
    }
}

impl Core {
    /// Keeps a batch; gives for each what is full, if anything is.
    async fn keep(&self, batch: &[Waiting]) -> Result<Vec<Option<Cap>>, Trouble> {
        let records = batch
            .iter()
            .flat_map(|Waiting { weight, record, reply: _ }| [Arg::from(int(*weight)), record.clone().into()]);
        self.keep_all(records.collect(), batch.len()).await
    }

    /// Whether a webhook would be kept: asked by the very script, for the server refuses that when it is full or read-only,
    /// and with the same waiting for replicas.
    pub(super) async fn would_keep(&self) -> Result<Option<Cap>, Trouble> {
        self.check_open()?;
        Ok(self.keep_all(vec![1_i64.into()], 1).await?.into_iter().flatten().next())
    }

    /// Keeps so many: the weight and the record of each.
    async fn keep_all(&self, records: Vec<Arg>, count: usize) -> Result<Vec<Option<Cap>>, Trouble> {
        let mut args: Vec<Arg> = vec![int(self.options.max_events).into(), int(self.options.max_bytes).into()];
        args.extend(records);
        for _ in 0..3 {
            let answer: Value = self.link.run_durable(&self.scripts.keep, &args).await?;
            let answer = Reply(answer);
            if answer.is_nothing() {
                // There is nothing yet, or nothing any more, or it is of another version.
                self.look(&Ask::nothing(), None).await?;
                continue;
            }
            let mut full = Vec::with_capacity(count);
            let mut answers = answer.list()?;
            for _ in 0..count {
                full.push(match next(&mut answers)?.bytes()?.as_slice() {
                    b"" => None,
                    b"events" => Some(Cap::Events),
                    _ => Some(Cap::Bytes),
                });
            }
            return Ok(full);
        }
        Err(Trouble::Crowded)
    }
}
