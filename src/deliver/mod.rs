//! The right half: out of the inbox, into lanes, to Konektor. Never sees a request.
//!
//! `sort`, `fold`, `plan`, `retry`, `breaker` and `identity` decide and are pure; [`Delivery`] acts.

mod attempt;
mod breaker;
mod fetch;
mod fold;
mod identity;
mod plan;
mod rehearse;
mod retry;
mod run;
mod sort;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::event::SourceName;
use crate::domain::external_ref::ExternalRef;
use crate::domain::region::Region;
use crate::konektor::{CALL_TIMEOUT, Client, Request, Verdict};
use crate::metrics::Metrics;
use crate::providers::Source;
use crate::store::{Claim, Lease, PauseReason, Probe, Store, StoreError, WorkerId};
use breaker::{Breaker, Gate};
pub use fetch::Fetcher;
pub use rehearse::{Rehearsal, Rehearsed, rehearse};
use retry::Die;

/// A lease must be at least this much longer than a call, so that a POST is over before somebody else may look.
pub const LEASE_MARGIN: Duration = Duration::from_secs(2);
/// Records that are sorted in one step.
const SORT_BATCH: usize = 64;
/// Receipts forgotten in one step.
const EXPIRE_BATCH: usize = 1000;

/// Finds a source by its name, with the rules of this moment.
pub type SourceOf = Arc<dyn Fn(&SourceName) -> Option<Source> + Send + Sync>;

/// What delivery works with.
pub struct Parts {
    /// Where events wait.
    pub store: Arc<dyn Store>,
    /// Konektor.
    pub client: Client,
    /// The senders' own APIs.
    pub fetcher: Fetcher,
    /// The sources as they now are.
    pub sources: SourceOf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Region for phone numbers of sources that set none.
    pub region: Region,
}

/// The delivering half, ready to run.
pub struct Delivery {
    parts: Parts,
    worker: WorkerId,
    breaker: Mutex<Breaker>,
    held: Mutex<HashMap<ExternalRef, Held>>,
}

struct Held {
    lease: Lease,
    length: Duration,
    // By the monotonic clock: a wall clock that jumps must not make a lease look longer than it is.
    ends: Instant,
}

/// What one turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Worked on a lane, or probed.
    Worked,
    /// There was nothing to do, until this time (`None`: until something comes in).
    Idle(Option<Timestamp>),
}

impl Delivery {
    /// Delivery with a worker id of its own.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let worker = WorkerId(uuid::Uuid::new_v4().simple().to_string());
        Self { parts, worker, breaker: Mutex::default(), held: Mutex::default() }
    }

    /// Sorts one batch of the inbox; gives how many records that were.
    ///
    /// # Errors
    /// What the store could not do; nothing was changed then.
    pub async fn sort_batch(&self) -> Result<usize, StoreError> {
        let records = self.parts.store.unsorted(SORT_BATCH).await?;
        if records.is_empty() {
            return Ok(0);
        }
        let sorted: Vec<_> = records
            .into_iter()
            .map(|record| {
                let source = (self.parts.sources)(&record.webhook.source);
                sort::split(record, source.as_ref())
            })
            .collect();
        let (count, sources) = (sorted.len(), sorted.iter().map(|one| one.source.clone()).collect::<Vec<_>>());
        let became = self.parts.store.sort(sorted, self.now()).await?;
        self.parts.metrics.sorted(&sources, became.duplicates, became.withheld, became.unreadable);
        Ok(count)
    }

    /// Claims what is next and works it off, alone. For tests and the demo; [`Delivery::run`] does many at a time.
    ///
    /// # Errors
    /// What the store could not do.
    pub async fn turn(&self) -> Result<Turn, StoreError> {
        match self.claim().await? {
            Claim::Lane(claimed) => self.attempt(*claimed).await?,
            Claim::Probe(probe) => self.probe(probe).await?,
            Claim::Nothing(until) => return Ok(Turn::Idle(until)),
        }
        Ok(Turn::Worked)
    }

    /// Sorts and delivers until nothing can be done now; gives when more can be.
    ///
    /// # Errors
    /// What the store could not do.
    pub async fn until_idle(&self) -> Result<Option<Timestamp>, StoreError> {
        loop {
            while self.sort_batch().await? > 0 {}
            if let Turn::Idle(until) = self.turn().await? {
                return Ok(until);
            }
        }
    }

    /// Claims, unless the breaker holds everything back.
    async fn claim(&self) -> Result<Claim, StoreError> {
        let now = self.now();
        match self.breaker().ask(now) {
            Gate::Open => {}
            Gate::NotBefore(at) => return Ok(Claim::Nothing(Some(at))),
            Gate::Trying => return Ok(Claim::Nothing(Some(now + Duration::from_millis(250)))),
        }
        let claim = self.parts.store.claim(&self.worker, now).await;
        match &claim {
            Ok(Claim::Lane(claimed)) => self.hold(claimed.lease.clone(), now),
            Ok(Claim::Probe(_)) => {}
            Ok(Claim::Nothing(_)) | Err(_) => self.breaker().unused(),
        }
        claim
    }

    async fn probe(&self, probe: Probe) -> Result<(), StoreError> {
        let (answer, _) = self.call(&Request::Probe, probe.permit).await?;
        let allowed = match answer.verdict {
            Verdict::Allowed => true,
            // The key is known again; that it may not read leads is no reason to stop writing them.
            Verdict::Forbidden => probe.why == PauseReason::Unauthorized,
            _ => false,
        };
        if allowed {
            tracing::info!(was = %probe.why, "Konektor accepts the key again, calls go on");
            self.parts.store.resume(Some(probe.generation), self.now()).await?;
        }
        Ok(())
    }

    fn hold(&self, lease: Lease, now: Timestamp) {
        let length = Duration::try_from(lease.until.duration_since(now)).unwrap_or_default();
        let held = Held { length, ends: Instant::now() + length, lease };
        self.held().insert(held.lease.external_ref.clone(), held);
    }

    /// The leases in `held` were extended from `asked` on, but for the `lost` ones.
    fn renew(&self, held: &[Lease], lost: &[Lease], asked: Instant) {
        let mut holding = self.held();
        for lease in held {
            let same = |entry: &&mut Held| entry.lease.fence == lease.fence;
            if let Some(entry) = holding.get_mut(&lease.external_ref).filter(same) {
                entry.ends = if lost.contains(lease) { asked } else { asked + entry.length };
            }
        }
    }

    fn let_go(&self, lease: &Lease) {
        self.held().remove(&lease.external_ref);
    }

    /// True while a call can be begun and ended well inside the lease.
    fn has_time(&self, lease: &Lease) -> bool {
        let needed = CALL_TIMEOUT + LEASE_MARGIN;
        self.held().get(&lease.external_ref).is_some_and(|held| Instant::now() + needed < held.ends)
    }

    fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, HashMap<ExternalRef, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn throw() -> Die {
    Die(rand::random::<f64>())
}
