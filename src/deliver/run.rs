//! The worker loops: sort, dispatch, heartbeat, expire; until told to stop.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Delivery, EXPIRE_BATCH};
use crate::store::{Claim, StoreError};

/// Lanes worked on at a time: ten calls a second at two seconds each would need twenty, and no plan allows more.
const AT_A_TIME: usize = 24;
/// How often leases are extended: a third of the shortest one.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often old receipts are looked for.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// Longest sleep of a loop, so that nothing hangs on a wake-up that was missed.
const NAP: Duration = Duration::from_secs(30);
/// Pause after an error of the store.
const AFTER_ERROR: Duration = Duration::from_secs(1);

impl Delivery {
    /// Sorts and delivers until `stop`, then waits for what is under way. The caller bounds that wait; what it cuts off
    /// is taken up again by the next start.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut loops = JoinSet::new();
        loops.spawn(Arc::clone(&self).sort_loop(stop.clone()));
        loops.spawn(Arc::clone(&self).expire_loop(stop.clone()));
        let beating = CancellationToken::new();
        let beat = tokio::spawn(Arc::clone(&self).heartbeat_loop(beating.clone()));
        self.dispatch_loop(stop).await;
        // Leases are kept alive until the last attempt is settled.
        beating.cancel();
        let _ended = beat.await;
        while loops.join_next().await.is_some() {}
    }

    async fn sort_loop(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.sort_batch().await {
                Ok(0) => wait(&stop, NAP, self.parts.store.inbox_changed()).await,
                Ok(_) => {}
                Err(StoreError::Closed) => return,
                Err(error) => self.store_failed(&stop, &error).await,
            }
        }
    }

    async fn dispatch_loop(self: &Arc<Self>, stop: CancellationToken) {
        let places = Arc::new(Semaphore::new(AT_A_TIME));
        let mut attempts = JoinSet::new();
        while !stop.is_cancelled() {
            let Some(Ok(place)) = stop.run_until_cancelled(Arc::clone(&places).acquire_owned()).await else { break };
            while attempts.try_join_next().is_some() {}
            match self.claim().await {
                Ok(Claim::Lane(claimed)) => {
                    let this = Arc::clone(self);
                    attempts.spawn(async move {
                        let _place = place;
                        if let Err(error) = this.attempt(*claimed).await {
                            tracing::warn!(%error, "an attempt could not be settled; its lane is taken up again");
                        }
                    });
                }
                Ok(Claim::Probe(probe)) => {
                    if let Err(error) = self.probe(probe).await {
                        self.store_failed(&stop, &error).await;
                    }
                }
                Ok(Claim::Nothing(until)) => self.rest(&stop, until).await,
                Err(StoreError::Closed) => break,
                Err(error) => self.store_failed(&stop, &error).await,
            }
        }
        while attempts.join_next().await.is_some() {}
    }

    async fn heartbeat_loop(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(HEARTBEAT)).await.is_some() {
            let held: Vec<_> = self.held().values().map(|held| held.lease.clone()).collect();
            // Taken before the call: the store counts the lease from some moment after it.
            let asked = Instant::now();
            match self.parts.store.heartbeat(&self.worker, &held, self.now()).await {
                Ok(lost) => self.renew(&held, &lost, asked),
                Err(error) => tracing::warn!(%error, "leases could not be extended"),
            }
        }
    }

    async fn expire_loop(self: Arc<Self>, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(EXPIRE_EVERY)).await.is_some() {
            match self.parts.store.expire(EXPIRE_BATCH, self.now()).await {
                Ok(0) => {}
                Ok(count) => tracing::debug!(count, "receipts past their retention forgotten"),
                Err(StoreError::Closed) => return,
                Err(error) => tracing::warn!(%error, "old receipts could not be forgotten"),
            }
        }
    }

    async fn rest(&self, stop: &CancellationToken, until: Option<Timestamp>) {
        let left = until.map_or(NAP, |until| Duration::try_from(until.duration_since(self.now())).unwrap_or_default());
        wait(stop, left.min(NAP), self.parts.store.lanes_changed()).await;
    }

    async fn store_failed(&self, stop: &CancellationToken, error: &StoreError) {
        tracing::warn!(%error, "the store did not do its part, trying again");
        wait(stop, AFTER_ERROR, std::future::pending()).await;
    }
}

/// Waits for `change`, but no longer than `longest`, and not when told to stop.
async fn wait(stop: &CancellationToken, longest: Duration, change: impl Future<Output = ()>) {
    let _either = stop.run_until_cancelled(tokio::time::timeout(longest, change)).await;
}
