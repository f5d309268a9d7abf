//! Sources and keys that can change while the bridge runs: by SIGHUP, or because a file has changed.
//!
//! New ones are taken when everything about them is right; otherwise the old ones stay and the log says why.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::sources::build_sources;
use crate::clock::Clock;
use crate::config::{self, Config, ConfigError, Environment, Files, Finding, OwnFile, SourceConfig};
use crate::domain::event::SourceName;
use crate::metrics::Metrics;
use crate::providers::{Absent, Cause, Configured, EXPIRES_SOON, List, Registry, SourceState};
use crate::store::{PauseReason, Store, StoreError};

/// How often it is said that the access to a sender's API ends.
const REMIND_EVERY: Duration = Duration::from_hours(24);
/// How often the files are looked at. A person who has changed one waits that long at most, and [`SETTLED_AFTER`].
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// When what was read of a changed file is compared with the file again: who writes it may not be through.
const SETTLED_AFTER: Duration = Duration::from_millis(500);

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
    /// What was read last, whether it was taken or not.
    files: Files,
    /// What the configuration that is in force was made of.
    in_force: Files,
    /// What was read last, until it is known that the files stay like this.
    unsettled: Option<Result<Config, ConfigError>>,
    /// Whether the owner's file describes sources.
    has_own: bool,
    /// When it was last said whose access ends.
    reminded: Timestamp,
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

impl ReloadError {
    /// As it is told at the start: what is wrong with the configuration is told as that.
    pub(super) fn into_start(self) -> anyhow::Error {
        match self {
            Self::Config(wrong) => wrong.into(),
            Self::Store(_) => anyhow::Error::new(self).context("the sources cannot be set up"),
        }
    }
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
        log_removed(&registry);
        let reminded = clock.now();
        watch_access(&registry, &metrics, reminded);
        let (registry, registry_seen) = watch::channel(Arc::new(registry));
        let (api_key, api_key_seen) = watch::channel(config.settings.api_key.clone());
        let (admin_token, files) = (config.settings.admin_token.clone(), config.files.clone());
        let (in_force, unsettled, has_own) = (files.clone(), None, has_own(config));
        let reloader = Self {
            environment,
            store,
            clock,
            metrics,
            admin_token,
            files,
            in_force,
            unsettled,
            has_own,
            reminded,
            registry,
            api_key,
        };
        Ok((reloader, Live { registry: registry_seen, api_key: api_key_seen }))
    }

    /// Reloads on SIGHUP and when a file changes, until `shutdown`.
    ///
    /// # Errors
    /// The signal cannot be listened to.
    pub async fn run(mut self, shutdown: CancellationToken) -> std::io::Result<()> {
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            let pause = if self.unsettled.is_some() { SETTLED_AFTER } else { LOOK_EVERY };
            tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                _ = hangup.recv() => {
                    self.reload().await;
                }
                () = tokio::time::sleep(pause) => {
                    self.look().await;
                }
            }
        }
    }

    /// Reads everything again if a file has changed since it was last taken, and takes it at the next look if nothing has
    /// changed in between; `None` when nothing was to be taken.
    pub async fn look(&mut self) -> Option<Reloaded> {
        self.remind();
        if let Some(read) = self.unsettled.take()
            && !changed(files_of(&read)).await
        {
            return Some(self.take(read).await);
        }
        if changed(&self.files).await {
            self.unsettled = Some(self.read().await);
        }
        None
    }

    /// Says once a day whose access ends: a bridge may run for longer than a token is good.
    fn remind(&mut self) {
        let now = self.clock.now();
        if now >= self.reminded + REMIND_EVERY {
            watch_access(&self.registry.borrow(), &self.metrics, now);
            self.reminded = now;
        }
    }

    /// Reads everything again, and takes it if it is right.
    pub async fn reload(&mut self) -> Reloaded {
        self.unsettled = None;
        let read = self.read().await;
        self.take(read).await
    }

    async fn read(&self) -> Result<Config, ConfigError> {
        let environment = self.environment.clone();
        blocking(move || config::load(&environment)).await
    }

    /// Takes what was read, if it is right.
    async fn take(&mut self, read: Result<Config, ConfigError>) -> Reloaded {
        let outcome = match self.try_take(read).await {
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

    async fn try_take(&mut self, read: Result<Config, ConfigError>) -> Result<(), ReloadError> {
        let judged = read.and_then(|config| Ok((self.judge(&config)?, config)));
        let (registry, config) = judged.inspect_err(|error| {
            // What was wrong is not looked at again before it has changed.
            self.files = error.files.clone();
        })?;
        remember(self.store.as_ref(), &registry, self.clock.as_ref()).await?;
        (self.files, self.in_force) = (config.files.clone(), config.files.clone());
        self.has_own = has_own(&config);
        tracing::info!("configuration reloaded");
        log_sources(&registry);
        log_dropped(&self.registry.borrow(), &registry);
        watch_access(&registry, &self.metrics, self.clock.now());
        self.registry.send_replace(Arc::new(registry));
        self.take_key(config.settings.api_key).await;
        if !same(self.admin_token.as_ref(), config.settings.admin_token.as_ref()) {
            tracing::warn!("BRIDGE_ADMIN_TOKEN has changed; restart the bridge to use the new one");
        }
        Ok(())
    }

    /// The sources of a configuration that could take the place of the present one: nothing that is there may go for
    /// want of something, as nobody has decided that.
    fn judge(&self, config: &Config) -> Result<Registry, ConfigError> {
        // A key that is written anew is empty for a moment, and a secret that is gone without a word refuses who signs with it, or
        // takes a captcha away.
        let emptied_file = |path: &Path| {
            let what = "is empty, and what it held is in use; write the new value into it. To do without it, take it out of the \
                        file of sources or restart the bridge";
            Finding::new(format!("`{}`", path.display()), what)
        };
        let mut findings: Vec<_> = config.files.emptied(&self.in_force).map(emptied_file).collect();
        findings.extend(self.has_own.then(|| emptied(config.own)).flatten());
        let before = self.registry.borrow();
        let registry = Registry::new(sources_of(config)?, before.once_on().cloned());
        if findings.is_empty() {
            findings = wanting(&before, &registry);
        }
        if findings.is_empty() { Ok(registry) } else { Err(ConfigError { findings, files: config.files.clone() }) }
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

fn has_own(config: &Config) -> bool {
    config.sources.iter().any(SourceConfig::is_own)
}

/// What is wrong with a file that described sources before: who writes it has only begun, or has lost it.
fn emptied(own: OwnFile) -> Option<Finding> {
    const PLACE: &str = "the file of sources";
    match own {
        OwnFile::Written => None,
        OwnFile::Blank => {
            Some(Finding::new(PLACE, "is empty; to do without it on purpose leave a remark (`# …`) in it"))
        }
        OwnFile::Absent => Some(Finding::new(PLACE, "is not there any more; to do without it restart the bridge")),
    }
}

/// The sources that were on before and lack something after.
fn wanting(before: &Registry, after: &Registry) -> Vec<Finding> {
    let finding = |(name, configured): (&SourceName, &Configured)| match &configured.state {
        SourceState::Off { cause: Cause::Want, why, .. } if before.source(name).is_ok() => Some(Finding::new(
            format!("source `{name}`"),
            format!("is on and would go off: {why}; to switch it off on purpose set `enabled = false`"),
        )),
        SourceState::On(_) | SourceState::Off { .. } => None,
    };
    after.iter().filter_map(finding).collect()
}

async fn remember(store: &dyn Store, registry: &Registry, clock: &dyn Clock) -> Result<(), StoreError> {
    let on: Vec<_> = registry.on().map(|source| source.name.clone()).collect();
    store.remember_sources(&on, clock.now()).await
}

/// Says once which sources are on, and why others are not that should be or could be meant to be. Of those that nobody has
/// begun to set up, and of those that their owner has switched off before they were ever on, it says how many there are.
fn log_sources(registry: &Registry) {
    let mut off = 0;
    for (source, configured) in registry.iter() {
        match &configured.state {
            SourceState::On(on) => match on.provider.list() {
                List::Off(why) => tracing::info!(%source, why, "source is on, the list of its sender is not read"),
                List::On | List::None => tracing::info!(%source, "source is on"),
            },
            SourceState::Off { cause: Cause::Want, why, .. } if registry.was_on(source) => {
                tracing::error!(%source, why, "source has been on and is off: its webhooks are answered 503 until it is mended");
            }
            SourceState::Off { cause: Cause::Want, why, begun: true, .. } => {
                tracing::warn!(%source, why, "source is set up in part and is off");
            }
            SourceState::Off { cause: Cause::Owner, why, .. } if registry.was_on(source) => {
                tracing::info!(%source, why, "source is off");
            }
            SourceState::Off { .. } => off += 1,
        }
    }
    if off > 0 {
        tracing::info!(off, "the other sources are off; `konektor-bridge sources` shows what each needs");
    }
}

/// Says which sources have been on and are not described any more.
fn log_removed(registry: &Registry) {
    for source in registry.once_on().filter(|name| matches!(registry.source(name), Err(Absent::Gone))) {
        tracing::warn!(%source, "source has been on and is not configured: its webhooks are answered 200 and dropped");
    }
}

/// Says which sources their owner has switched off or removed.
fn log_dropped(before: &Registry, after: &Registry) {
    for source in before.on().map(|source| &source.name).filter(|name| after.source(name).is_err()) {
        tracing::warn!(%source, "source was switched off or removed: from now on its webhooks are answered 200 and dropped");
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

/// The files that were read, whether they were right or wrong.
fn files_of(read: &Result<Config, ConfigError>) -> &Files {
    match read {
        Ok(config) => &config.files,
        Err(error) => &error.files,
    }
}

async fn changed(files: &Files) -> bool {
    let files = files.clone();
    blocking(move || files.changed()).await
}

/// Reads files off the runtime's threads.
async fn blocking<T: Send + 'static>(read: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(read).await.expect("reading files does not panic")
}
