//! A running bridge: every part made, in the order in which they need each other, and stopped in the reverse.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::reload::{Live, Reloader};
use crate::clock::Clock;
use crate::config::{Admin, Config, Environment, Settings};
use crate::deliver::{Delivery, Fetcher, Parts};
use crate::http::Running;
use crate::konektor::client::Client;
use crate::metrics::Metrics;
use crate::store::Store;
use crate::{ops, receive};

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
    reloading: JoinHandle<std::io::Result<()>>,
    store: Arc<dyn Store>,
    ready: watch::Sender<ops::Phase>,
    stop_reload: CancellationToken,
    stop_delivery: CancellationToken,
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
                .context("the sources cannot be set up")?;
        let delivery = delivery(&config.settings, &store, &clock, &metrics, &live)?;
        let (ready, phase) = watch::channel(ops::Phase::Serving);
        let public = receive_side(&config.settings, &store, &clock, &metrics, &live)?;
        let admin = admin_side(&config.settings, &store, &clock, &metrics, &live, phase)?;
        let (stop_reload, stop_delivery) = (CancellationToken::new(), CancellationToken::new());
        let delivering = match deliver {
            Deliver::Always => Some(tokio::spawn(Arc::clone(&delivery).run(stop_delivery.clone()))),
            Deliver::ByHand => None,
        };
        Ok(Self {
            public,
            admin,
            delivery,
            delivering,
            reloading: tokio::spawn(reloader.run(stop_reload.clone())),
            store,
            ready,
            stop_reload,
            stop_delivery,
            grace: config.settings.shutdown_grace,
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
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// Stops: no new webhooks, what was begun is settled within the grace, everything kept is on disk.
    ///
    /// # Errors
    /// A part had failed before, or did not end in time; nothing kept is lost by that.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.ready.send_replace(ops::Phase::Stopping);
        self.stop_reload.cancel();
        self.stop_delivery.cancel();
        let served = self.public.stop().await.context("the public listener failed");
        let delivered = match self.delivering {
            Some(task) => tokio::time::timeout(self.grace, task).await.map_err(|_| {
                anyhow!("not everything under way was settled in time; it is taken up again at the next start")
            }),
            None => Ok(Ok(())),
        };
        self.store.close().await;
        if let Some(admin) = self.admin {
            admin.stop().await.context("the admin listener failed")?;
        }
        self.reloading.await.context("watching the configuration failed")?.context("signals cannot be listened to")?;
        served?;
        delivered?.context("delivery stopped by itself")
    }
}

fn delivery(
    settings: &Settings,
    store: &Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    live: &Live,
) -> anyhow::Result<Arc<Delivery>> {
    let keys = live.api_key.clone();
    if keys.borrow().is_none() {
        bail!("KONEKTOR_API_KEY is not set; make a key in Konektor under Workspace Settings, API Keys");
    }
    let client = Client::new(&settings.base_url, Arc::new(move || keys.borrow().clone().unwrap_or_default()))?;
    let registry = live.registry.clone();
    Ok(Arc::new(Delivery::new(Parts {
        store: Arc::clone(store),
        client,
        fetcher: Fetcher::new().context("the HTTP client cannot be set up")?,
        sources: Arc::new(move |name| registry.borrow().source(name).cloned()),
        clock: Arc::clone(clock),
        metrics: Arc::clone(metrics),
        region: settings.default_region.clone(),
    })))
}
