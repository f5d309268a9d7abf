//! Reading the lists by itself: every hour, by one of several bridges.
//!
//! Nothing here touches live delivery: what goes wrong is a line in the log and a number, and is tried again an hour later.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::Backfill;
use super::mark::{EVERY, LOST, Mark, Turn};
use crate::domain::rules;
use crate::providers::{List, NotListed, Source};
use crate::store::{StoreError, Topic};

/// Longest rest: a source that was just switched on is seen after this time.
const NAP: Duration = Duration::from_mins(5);

/// What came of looking at a list.
enum Looked {
    /// It was, or will be, looked after; nobody has to look before then.
    Until(Timestamp),
    /// A reading is under way, and this one is at it.
    Ours(Mark, Bytes),
}

impl Backfill {
    /// Reads each list that is due, at its time, until `stop`. A reading that is cut off then goes on after the next start.
    pub async fn run(&self, stop: CancellationToken) {
        self.run_with(stop, tokio::time::sleep).await;
    }

    /// The same, with what rests between two rounds.
    async fn run_with<R: Future<Output = ()>>(&self, stop: CancellationToken, rest: impl Fn(Duration) -> R) {
        let reading = async {
            loop {
                // A defect that shows in one round must not end all of them.
                let next = AssertUnwindSafe(self.round()).catch_unwind().await.unwrap_or_else(|_| {
                    tracing::error!("the code stopped in the middle of a back-fill; this is a bug, please report it");
                    self.clock.now() + EVERY
                });
                let left = Duration::try_from(next.duration_since(self.clock.now())).unwrap_or_default();
                rest(left.clamp(Duration::from_secs(1), NAP)).await;
            }
        };
        let _stopped: Option<()> = stop.run_until_cancelled(reading).await;
    }

    /// Reads each list that is due now; gives when the next one is.
    pub async fn round(&self) -> Timestamp {
        let sources: Vec<_> = (self.sources)().into_iter().filter(is_read).collect();
        let next = join_all(sources.iter().map(|source| self.look_after(source))).await;
        next.into_iter().min().unwrap_or_else(|| self.clock.now() + EVERY)
    }

    async fn look_after(&self, source: &Source) -> Timestamp {
        let read = async {
            match self.look(source).await? {
                Looked::Until(then) => Ok(then),
                Looked::Ours(mark, stored) => self.read(source, mark, stored).await,
            }
        };
        read.await.unwrap_or_else(|error: StoreError| {
            self.metrics.list_read(&source.name, "store_failed");
            tracing::warn!(source = %source.name, %error, "the store did not do its part of a back-fill, tried again later");
            self.clock.now() + LOST
        })
    }

    /// Takes the turn of reading, if it is anybody's.
    async fn look(&self, source: &Source) -> Result<Looked, StoreError> {
        let stored = self.store.memo(Topic::Backfill, source.name.as_str()).await?;
        let now = self.clock.now();
        let known = stored.as_ref().and_then(|stored| serde_json::from_slice::<Mark>(stored).ok());
        let mark = match known {
            Some(mark) if !mark.is_due(now) => return Ok(Looked::Until(mark.again)),
            Some(mark) => mark.begin(now),
            None => Mark::new(now),
        };
        let again = mark.again;
        Ok(match self.note(source, &mark, stored).await? {
            Some(stored) if mark.turn().is_some() => Looked::Ours(mark, stored),
            // It was seen for the first time, or somebody was faster.
            Some(_) | None => Looked::Until(again),
        })
    }

    /// Reads on from `mark`, which is `stored`, as long as nobody else does and nothing goes wrong; gives when to look again.
    async fn read(&self, source: &Source, mut mark: Mark, mut stored: Bytes) -> Result<Timestamp, StoreError> {
        let mut leads = 0;
        while let Some(Turn { span, cursor }) = mark.turn() {
            let page = self.page(source, span, cursor.as_deref()).await;
            let now = self.clock.now();
            let (failed, is_news) = match page {
                Ok(page) => {
                    leads += page.leads;
                    mark = mark.turned(page.next, now);
                    (None, true)
                }
                Err(error @ (NotListed::Later(..) | NotListed::NotKept(_))) => {
                    mark = mark.put_off(now);
                    (Some(error), true)
                }
                Err(error @ (NotListed::Refused(_) | NotListed::Cursor)) => {
                    let is_news;
                    (mark, is_news) = mark.give_up(&error.to_string(), now);
                    (Some(error), is_news)
                }
            };
            let Some(written) = self.note(source, &mark, Some(stored)).await? else {
                tracing::info!(source = %source.name, "another bridge reads the sender's list on");
                return Ok(mark.again);
            };
            stored = written;
            if let Some(error) = failed {
                self.report_failure(source, &error, is_news);
                return Ok(mark.again);
            }
        }
        self.metrics.list_read(&source.name, "complete");
        match leads {
            0 => tracing::debug!(source = %source.name, "the sender's list was read, nothing is on it"),
            leads => {
                tracing::info!(source = %source.name, leads, "the sender's list was read; what is known is told apart")
            }
        }
        Ok(mark.again)
    }

    /// Writes a mark down in the place of what was there; `None` when something else was.
    async fn note(&self, source: &Source, mark: &Mark, was: Option<Bytes>) -> Result<Option<Bytes>, StoreError> {
        let value = Bytes::from(serde_json::to_vec(mark).expect("times and texts have a JSON form"));
        let noted = self.store.set_memo(Topic::Backfill, source.name.as_str(), value.clone(), was).await?;
        Ok(noted.then_some(value))
    }

    /// What a person has been told is not told every hour.
    fn report_failure(&self, source: &Source, error: &NotListed, is_news: bool) {
        let source = &source.name;
        match error {
            NotListed::Refused(_) | NotListed::Cursor => {
                self.metrics.list_read(source, "refused");
                if !is_news {
                    return tracing::debug!(%source, why = %error, "the sender still refuses its list");
                }
                tracing::error!(%source, why = %error, "the sender refuses its list, what webhooks did not bring is not read; tried again every hour, said once; `rules.backfill = false` ends this");
            }
            NotListed::Later(..) => {
                self.metrics.list_read(source, "later");
                tracing::warn!(%source, why = %error, "the sender's list cannot be read now, tried again in an hour");
            }
            NotListed::NotKept(_) => {
                self.metrics.list_read(source, "store_failed");
                tracing::warn!(%source, why = %error, "what the sender's list brought is not kept, tried again in an hour");
            }
        }
    }
}

/// Whether the list of a source is read by itself.
fn is_read(source: &Source) -> bool {
    source.rules.backfill == rules::Backfill::Hourly && source.provider.list() == List::On
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::super::Fetcher;
    use super::*;
    use crate::clock::{Clock as _, ManualClock};
    use crate::metrics::Metrics;
    use crate::outbound::Outbound;
    use crate::store::{MemoryStore, Options};

    #[tokio::test]
    async fn it_looks_again_and_again_until_it_is_stopped_also_after_a_defect() {
        let start: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let (rounds, clock) = (Arc::new(AtomicU32::new(0)), ManualClock::at(start));
        let counted = Arc::clone(&rounds);
        let sources = move || match counted.fetch_add(1, Ordering::SeqCst) {
            1 => panic!("a defect, once"),
            _ => Vec::new(),
        };
        let backfill = Backfill {
            store: Arc::new(MemoryStore::new(Options::default())),
            fetcher: Fetcher::new(Outbound::default()),
            sources: Arc::new(sources),
            clock: Arc::new(clock.clone()),
            metrics: Arc::new(Metrics::new()),
        };
        let stop = CancellationToken::new();
        let rest = |span| {
            clock.advance(span);
            if clock.now() > start + Duration::from_hours(1) {
                stop.cancel();
            }
            tokio::task::yield_now()
        };
        backfill.run_with(stop.clone(), rest).await;
        assert_eq!(rounds.load(Ordering::SeqCst), 13, "every five minutes, for an hour");
    }
}
