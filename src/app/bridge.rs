//! A running bridge: every part made, in the order in which they need each other, and stopped in the reverse.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::captcha::CaptchaServices;
use super::reload::{Live, ReloadError, Reloader};
use super::sources::default_region;
use super::store::waits;
use crate::clock::Clock;
use crate::config::{Admin, Config, Environment, Settings};
use crate::deliver::{self, Backfill, Delivery, Fetcher};
use crate::domain::event::SourceName;
use crate::domain::rules::Value;
use crate::http::Running;
use crate::konektor::{Client, Outage};
use crate::metrics::Metrics;
use crate::outbound::Outbound;
use crate::providers::{Registry, SourceState};
use crate::store::{EventState, Store};
use crate::{ops, receive};

/// The part of the grace in which a stopping bridge still answers those who have a connection, so that they hear to come again
/// and are not cut off: 2 s of the usual 20, and less where nobody has one.
const FAREWELL: u32 = 10;
/// How long the store may take to say how much waits, for the last line of the log.
const STATS_WITHIN: Duration = Duration::from_secs(1);

/// What a bridge is made of that differs between the service, the demo and the tests.
pub struct Start {
    /// What it is told.
    pub config: Config,
    /// Where that was read from, and is read from again on a reload.
    pub environment: Environment,
    /// Where it keeps what came in.
    pub store: Arc<dyn Store>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether it delivers by itself; otherwise the caller takes the turns.
    pub delivery: Deliver,
}

/// Who takes the turns of delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deliver {
    /// The bridge, all the time.
    Always,
    /// The caller, by [`Bridge::delivery`].
    ByHand,
}

/// A bridge that takes webhooks and delivers leads.
pub struct Bridge {
    public: Running,
    admin: Option<Running>,
    delivery: Arc<Delivery>,
    delivering: Option<JoinHandle<()>>,
    backfill: Arc<Backfill>,
    back_filling: Option<JoinHandle<()>>,
    reloading: JoinHandle<std::io::Result<()>>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    stopping: CancellationToken,
    grace: Duration,
}

impl Bridge {
    /// Makes every part and begins to serve.
    ///
    /// # Errors
    /// What is missing or wrong, with what to do.
    pub async fn start(start: Start) -> anyhow::Result<Self> {
        let Start { config, environment, store, clock, delivery: deliver } = start;
        let metrics = Arc::new(Metrics::new());
        let (reloader, live) =
            Reloader::start(&config, environment, Arc::clone(&store), Arc::clone(&clock), Arc::clone(&metrics))
                .await
                .map_err(ReloadError::into_start)?;
        // The rest of it is not needed any more, and what follows has use for the memory.
        let settings = config.into_settings();
        let shared = Shared {
            settings: &settings,
            store: &store,
            clock: &clock,
            metrics: &metrics,
            live: &live,
            outbound: Outbound::default(),
        };
        let delivery = Arc::new(Delivery::new(shared.delivery()?));
        let stopping = CancellationToken::new();
        let public = shared.public(stopping.clone())?;
        let backfill = Arc::new(shared.backfill());
        let admin = shared.admin(&backfill, delivery.outage(), stopping.clone())?;
        let (delivering, back_filling) = match deliver {
            Deliver::Always => {
                let (lists, stop) = (Arc::clone(&backfill), stopping.clone());
                let delivering = tokio::spawn(Arc::clone(&delivery).run(stopping.clone()));
                (Some(delivering), Some(tokio::spawn(async move { lists.run(stop).await })))
            }
            Deliver::ByHand => (None, None),
        };
        let reloading = tokio::spawn(reloader.run(stopping.clone()));
        let grace = settings.shutdown_grace;
        Ok(Self {
            public,
            admin,
            delivery,
            delivering,
            backfill,
            back_filling,
            reloading,
            store,
            clock,
            stopping,
            grace,
        })
    }

    /// Where webhooks are taken: the port is the real one, also where 0 was asked for.
    #[must_use]
    pub fn public_address(&self) -> SocketAddr {
        self.public.address()
    }

    /// Where the admin API is, unless it is off.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Running::address)
    }

    /// The delivering half, for turns by hand.
    #[must_use]
    pub fn delivery(&self) -> &Arc<Delivery> {
        &self.delivery
    }

    /// What reads the senders' lists, for rounds by hand.
    #[must_use]
    pub fn backfill(&self) -> &Backfill {
        &self.backfill
    }

    /// Stops: no new webhooks (503, as long as somebody has a connection), what was begun is settled within the grace,
    /// everything kept is on disk.
    ///
    /// # Errors
    /// A part had failed before, or did not end in time; nothing kept is lost by that.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.stopping.cancel();
        // Both halves stop at the same time, and the grace of the one is not added to that of the other.
        let settling = self.delivering.map(|task| tokio::time::timeout(self.grace, task));
        self.public.left(self.grace / FAREWELL).await;
        let served = self.public.stop().await.context("the public listener failed");
        if let Some(task) = self.back_filling {
            task.await.context("reading the senders' lists failed")?;
        }
        let delivered = match settling {
            Some(settling) => settling
                .await
                .context("not everything under way was settled in time; it is taken up again at the next start"),
            None => Ok(Ok(())),
        };
        let waiting = waiting(self.store.as_ref(), self.clock.now()).await;
        self.store.close().await;
        if let Some(admin) = self.admin {
            admin.stop().await.context("the admin listener failed")?;
        }
        self.reloading.await.context("watching the configuration failed")?.context("signals cannot be listened to")?;
        served?;
        delivered?.context("delivery stopped by itself")?;
        // The last line: without it, the bridge was killed.
        match waiting {
            Some((webhooks, events)) => {
                tracing::info!(webhooks, events, "stopped; what waits is kept, and goes on at the next start");
            }
            None => tracing::info!("stopped; the store did not say how much waits"),
        }
        Ok(())
    }
}

/// What the parts share while they are made.
struct Shared<'a> {
    settings: &'a Settings,
    store: &'a Arc<dyn Store>,
    clock: &'a Arc<dyn Clock>,
    metrics: &'a Arc<Metrics>,
    live: &'a Live,
    outbound: Outbound,
}

impl Shared<'_> {
    fn delivery(&self) -> anyhow::Result<deliver::Parts> {
        let keys = self.live.api_key.clone();
        if keys.borrow().is_none() {
            bail!("KONEKTOR_API_KEY is not set; make a key in Konektor under Workspace Settings, API Keys");
        }
        let key = Arc::new(move || keys.borrow().clone().unwrap_or_default());
        let (registry, valued) = (self.live.registry.clone(), self.live.registry.clone());
        Ok(deliver::Parts {
            store: Arc::clone(self.store),
            client: Client::new(&self.settings.base_url, key)?,
            fetcher: Fetcher::new(self.outbound.clone()),
            sources: Arc::new(move |name| registry.borrow().source(name).cloned()),
            values: Arc::new(move || values(&valued.borrow())),
            waits: waits(self.settings),
            clock: Arc::clone(self.clock),
            metrics: Arc::clone(self.metrics),
            region: default_region(self.settings)?,
        })
    }

    fn backfill(&self) -> Backfill {
        let registry = self.live.registry.clone();
        Backfill {
            store: Arc::clone(self.store),
            fetcher: Fetcher::new(self.outbound.clone()),
            sources: Arc::new(move || registry.borrow().on().cloned().collect()),
            clock: Arc::clone(self.clock),
            metrics: Arc::clone(self.metrics),
        }
    }

    fn public(&self, stopping: CancellationToken) -> anyhow::Result<Running> {
        let parts = receive::Parts {
            registry: self.live.registry.clone(),
            store: Arc::clone(self.store),
            clock: Arc::clone(self.clock),
            metrics: Arc::clone(self.metrics),
            captchas: Arc::new(CaptchaServices::new(self.outbound.clone())),
            trusted_proxies: self.settings.trusted_proxies.clone(),
            stopping,
        };
        let grace = self.settings.shutdown_grace;
        let limits = receive::Limits::new(self.settings.body_limit, grace - grace / FAREWELL);
        let listener = listen(self.settings.listen, "BRIDGE_LISTEN")?;
        receive::serve(listener, parts, limits).context("webhooks cannot be taken")
    }

    fn admin(
        &self,
        backfill: &Arc<Backfill>,
        outage: watch::Receiver<Option<Outage>>,
        stopping: CancellationToken,
    ) -> anyhow::Result<Option<Running>> {
        let (address, access) = match &self.settings.admin {
            Admin::Off => return Ok(None),
            Admin::Open(address) => (*address, ops::Access::Loopback),
            Admin::Guarded(address, token) => (*address, ops::Access::Token(token.clone())),
        };
        let parts = ops::Parts {
            registry: self.live.registry.clone(),
            store: Arc::clone(self.store),
            clock: Arc::clone(self.clock),
            metrics: Arc::clone(self.metrics),
            lists: Arc::clone(backfill) as Arc<dyn ops::ReadList>,
            outage,
            access,
            public_url: self.settings.public_url.clone(),
            stopping,
        };
        let listener = listen(address, "BRIDGE_ADMIN_LISTEN")?;
        Ok(Some(ops::serve(listener, parts, self.settings.shutdown_grace).context("the admin API cannot be served")?))
    }
}

/// How many webhooks are not yet sorted, and how many events not yet delivered; `None` when the store does not say.
async fn waiting(store: &dyn Store, now: Timestamp) -> Option<(u64, u64)> {
    let stats = tokio::time::timeout(STATS_WITHIN, store.stats(now)).await.ok()?.ok()?;
    let pending = stats.events.iter().find(|(state, _)| *state == EventState::Pending);
    Some((stats.inbox, pending.map_or(0, |(_, count)| *count)))
}

/// What the leads of each source that is on are worth.
fn values(registry: &Registry) -> Vec<(SourceName, Value)> {
    let on = registry.iter().filter_map(|(name, configured)| match &configured.state {
        SourceState::On(source) => Some((name.clone(), source.rules.value)),
        SourceState::Off { .. } => None,
    });
    on.collect()
}

fn listen(address: SocketAddr, variable: &str) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .with_context(|| format!("{address} cannot be listened on; set {variable} to an address that is free"))?;
    listener.set_nonblocking(true).context("the listener cannot be used")?;
    Ok(listener)
}
