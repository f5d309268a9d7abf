//! The right half: out of the inbox, into lanes, to Konektor. Never sees a request.
//!
//! [`engine`] decides, with `sort`, `fold`, `plan`, `retry`, `quota`, `breaker`, `senders`, `doubts` and
//! `identity`, and is pure; [`Delivery`] does what it wants done. [`Backfill`] reads the senders' own lists, for what their webhooks did not bring.

pub mod backfill;
mod breaker;
mod doubts;
pub mod engine;
mod fetch;
mod fold;
mod identity;
mod plan;
mod questions;
mod quota;
mod rehearse;
mod report;
mod retry;
mod run;
mod said;
mod senders;
mod sort;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::event::SourceName;
use crate::domain::region::Region;
use crate::domain::rules::Value;
use crate::konektor::{Client, Outage};
use crate::metrics::Metrics;
use crate::providers::{Absent, Source};
use crate::store::{Options, Store, StoreError, WorkerId};
pub use backfill::Backfill;
use engine::{Engine, Setup};
pub use fetch::Fetcher;
pub use plan::End;
pub use rehearse::{Rehearsal, Rehearsed, rehearse};
pub use retry::{Die, Waits};

/// A lease must be at least this much longer than a call, so that a POST is over before somebody else may look.
pub const LEASE_MARGIN: Duration = Duration::from_secs(2);

/// Finds a source by its name, with the rules of this moment.
pub type SourceOf = Arc<dyn Fn(&SourceName) -> Result<Source, Absent> + Send + Sync>;

/// Every source that is on, with the rules of this moment.
pub type SourcesOf = Arc<dyn Fn() -> Vec<Source> + Send + Sync>;

/// What the leads of each source that is on are worth, by the rules of this moment.
pub type ValuesOf = Arc<dyn Fn() -> Vec<(SourceName, Value)> + Send + Sync>;

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
    /// What their leads are worth.
    pub values: ValuesOf,
    /// How long Konektor is waited for before what it shows is believed.
    pub waits: Waits,
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
    started: Instant,
    engine: tokio::sync::Mutex<Engine>,
    said: said::Said,
    outage: watch::Sender<Option<Outage>>,
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
        let (lease, started) = (Options::default().lease, parts.clock.instant());
        let (sources, values) = (Arc::clone(&parts.sources), Arc::clone(&parts.values));
        let setup = Setup { sources, values, region: parts.region, waits: parts.waits, lease };
        Self {
            parts,
            worker,
            started,
            engine: tokio::sync::Mutex::new(Engine::new(setup)),
            said: said::Said::default(),
            outage: watch::Sender::new(None),
        }
    }

    /// Whether Konektor fails again and again, so that calls wait: as the last call of this process saw it.
    #[must_use]
    pub fn outage(&self) -> watch::Receiver<Option<Outage>> {
        self.outage.subscribe()
    }

    /// Sorts one batch of the inbox; gives how many records that were.
    ///
    /// # Errors
    /// What the store could not do; nothing was changed then.
    pub async fn sort_batch(&self) -> Result<usize, StoreError> {
        Ok(self.by_hand(|engine, moment| engine.sort_once(moment)).await?.sorted)
    }

    /// Claims what is next and works it off, alone. For tests and the demo; [`Delivery::run`] does many at a time.
    ///
    /// # Errors
    /// What the store could not do.
    pub async fn turn(&self) -> Result<Turn, StoreError> {
        Ok(match self.by_hand(Engine::claim_once).await?.idle {
            Some(until) => Turn::Idle(until),
            None => Turn::Worked,
        })
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
}
