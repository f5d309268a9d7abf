//! Sources and keys that can change while the bridge runs: by SIGHUP, or because a file has changed.
//!
//! New ones are taken when everything about them is right; otherwise the old ones stay and the log says why.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sources::build_sources;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Environment, Files, Finding};
use crate::domain::event::SourceName;
use crate::metrics::Metrics;
use crate::providers::{Configured, EXPIRES_SOON, List, Registry, SourceState};
use crate::store::{PauseReason, Store, StoreError};

/// How often the files are looked at. A person who has changed one waits that long at most.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What changes while the bridge runs.
#[derive(Debug, Clone)]
pub struct Live {
    /// The sources.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// `KONEKTOR_API_KEY`.
    pub api_key: watch::Receiver<Option<SecretString>>,
}

/// Reads the configuration again when it changes.
pub struct Reloader {
    environment: Environment,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    admin_token: Option<SecretString>,
    files: Files,
    registry: watch::Sender<Arc<Registry>>,
    api_key: watch::Sender<Option<SecretString>>,
}

/// Why the sources could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store does not say which sources have been on.
    #[error("the store did not take the list of sources")]
    Store(#[from] StoreError),
}

/// What a reload came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reloaded {
    /// The new configuration is in force.
    Applied,
    /// The old one stays.
    Refused,
}

impl Reloader {
    /// Makes the sources of `config`, which was loaded from `environment`, and tells `store` which have been on.
    ///
    /// # Errors
    /// [`ReloadError`]: a source is wrong, or the store fails.
    pub async fn start(
        config: &Config,
        environment: Environment,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Result<(Self, Live), ReloadError> {
        let sources = sources_of(config)?;
        let registry = Registry::new(sources, store.known_sources().await?);
        remember(store.as_ref(), &registry, clock.as_ref()).await?;
        log_sources(&registry);
        watch_access(&registry, &metrics, clock.now());
        let (registry, registry_seen) = watch::channel(Arc::new(registry));
        let (api_key, api_key_seen) = watch::channel(config.settings.api_key.clone());
        let (admin_token, files) = (config.settings.admin_token.clone(), config.files.clone());
        let reloader = Self { environment, store, clock, metrics, admin_token, files, registry, api_key };
        Ok((reloader, Live { registry: registry_seen, api_key: api_key_seen }))
    }

    /// Reloads on SIGHUP and when a file changes, until `shutdown`.
    ///
    /// # Errors
    /// The signal cannot be listened to.
    pub async fn run(mut self, shutdown: CancellationToken) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = hangup.recv() => {
                    self.reload().await;
                }
                _ = look.tick() => {
                    self.look().await;
                }
            }
        }
    }

    /// Reloads if a file has changed since it was last read; `None` when none has.
    pub async fn look(&mut self) -> Option<Reloaded> {
        let files = self.files.clone();
        if blocking(move || files.changed()).await { Some(self.reload().await) } else { None }
    }

    /// Reads everything again, and takes it if it is right.
    pub async fn reload(&mut self) -> Reloaded {
        let outcome = match self.try_reload().await {
            Ok(()) => Reloaded::Applied,
            Err(error) => {
                let why = match &error {
                    ReloadError::Config(wrong) => wrong.to_string(),
                    ReloadError::Store(failed) => format!("{error}: {failed}"),
                };
                tracing::error!(why, "the changed configuration is not taken, the old one stays in force");
                Reloaded::Refused
            }
        };
        self.metrics.reloaded(match outcome {
            Reloaded::Applied => "applied",
            Reloaded::Refused => "refused",
        });
        outcome
    }

    async fn try_reload(&mut self) -> Result<(), ReloadError> {
        let environment = self.environment.clone();
        let config = blocking(move || config::load(&environment)).await.inspect_err(|error| {
            // What was wrong is not looked at again before it has changed.
            self.files = error.files.clone();
        })?;
        let files = config.files.clone();
        let sources = self.judge(&config).inspect_err(|_| self.files = files.clone())?;
        let known: Vec<_> = self.registry.borrow().once_on().cloned().collect();
        let registry = Registry::new(sources, known);
        remember(self.store.as_ref(), &registry, self.clock.as_ref()).await?;
        self.files = files;
        tracing::info!("configuration reloaded");
        log_sources(&registry);
        watch_access(&registry, &self.metrics, self.clock.now());
        self.registry.send_replace(Arc::new(registry));
        self.take_key(config.settings.api_key).await;
        if !same(self.admin_token.as_ref(), config.settings.admin_token.as_ref()) {
            tracing::warn!("BRIDGE_ADMIN_TOKEN has changed; restart the bridge to use the new one");
        }
        Ok(())
    }

    /// The sources of a configuration that could take the place of the present one.
    fn judge(&self, config: &Config) -> Result<Vec<(SourceName, Configured)>, ConfigError> {
        if self.api_key.borrow().is_some() && config.settings.api_key.is_none() {
            let finding = Finding::new("KONEKTOR_API_KEY", "is not set any more");
            return Err(ConfigError { findings: vec![finding], files: config.files.clone() });
        }
        sources_of(config)
    }

    /// Uses a new key, and ends the pause that the old one led to.
    async fn take_key(&self, key: Option<SecretString>) {
        if same(self.api_key.borrow().as_ref(), key.as_ref()) {
            return;
        }
        self.api_key.send_replace(key);
        tracing::info!("KONEKTOR_API_KEY has changed, the new one is in use");
        if let Err(error) = self.end_pause().await {
            tracing::warn!(%error, "calls stay paused until the next probe");
        }
    }

    async fn end_pause(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        match self.store.stats(now).await?.paused {
            Some((PauseReason::Unauthorized | PauseReason::Forbidden | PauseReason::Misconfigured, _)) => {
                self.store.resume(None, now).await
            }
            Some((PauseReason::Operator, _)) | None => Ok(()),
        }
    }
}

fn sources_of(config: &Config) -> Result<Vec<(SourceName, Configured)>, ConfigError> {
    build_sources(&config.sources, config.settings.public_url.as_ref())
        .map_err(|findings| ConfigError { findings, files: config.files.clone() })
}

async fn remember(store: &dyn Store, registry: &Registry, clock: &dyn Clock) -> Result<(), StoreError> {
    let on: Vec<_> = registry.on().map(|source| source.name.clone()).collect();
    store.remember_sources(&on, clock.now()).await
}

/// Says once which sources are on, and why the others are not.
fn log_sources(registry: &Registry) {
    for (source, configured) in registry.iter() {
        match &configured.state {
            SourceState::On(on) => match on.provider.list() {
                List::Off(why) => tracing::info!(%source, why, "source is on, the list of its sender is not read"),
                List::On | List::None => tracing::info!(%source, "source is on"),
            },
            SourceState::Off { why, .. } => tracing::info!(%source, why, "source is off"),
        }
    }
}

/// Says when the access to a sender's API will end, or has.
fn watch_access(registry: &Registry, metrics: &Metrics, now: Timestamp) {
    let ends = || registry.on().filter_map(|source| Some((&source.name, source.provider.expires()?)));
    metrics.access_expires(ends());
    for (source, at) in ends().filter(|(_, at)| *at < now + EXPIRES_SOON) {
        tracing::warn!(%source, %at, "the token for the sender's API ends soon or has ended; put a new one in its place");
    }
}

fn same(one: Option<&SecretString>, other: Option<&SecretString>) -> bool {
    one.map(ExposeSecret::expose_secret) == other.map(ExposeSecret::expose_secret)
}

/// Reads files off the runtime's threads.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(read).await.expect("reading files does not panic")
}
