//! Where the demo plays: a local Konektor, a bridge with a store of its own, secrets that nobody else has.

use std::io::{self, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use secrecy::SecretString;
use tempfile::TempDir;
use url::Url;
use uuid::Uuid;

use super::story::Story;
use crate::app::bridge::{Bridge, Deliver, Start};
use crate::app::store::{self, Opened, State};
use crate::cli::admin::Admin;
use crate::cli::local;
use crate::cli::output::took;
use crate::cli::send::{Heard, Sender};
use crate::clock::Clock;
use crate::config::Environment;
use crate::providers::{Registry, Sample, SampleKind, Source};
use crate::sandbox::{self, DEFAULT_KEY, Faults, GraphSettings, Plan, Running, Workspace};

/// The ports that people expect: the bridge's two, and one for Konektor.
const FRIENDLY: [u16; 3] = [8080, 8081, 8090];
/// Longest time for one question to the local Konektor.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The site whose forms are taken.
pub(super) const SITE: &str = "https://www.example.com";
/// The senders, in the order of the story.
pub(super) const SENDERS: [&str; 12] = [
    "form",
    "typeform",
    "elementor",
    "meta",
    "google",
    "tiktok",
    "linkedin",
    "whatsapp",
    "fonnte",
    "scalev",
    "zapier",
    "standard",
];
/// What proves a sender by a secret of any text, and what nobody here asks for but the settings need.
const ANY_TEXT: [&str; 13] = [
    "FORM_SECRET",
    "TYPEFORM_SECRET",
    "ELEMENTOR_TOKEN",
    "META_VERIFY_TOKEN",
    "GOOGLE_LEADS_KEY",
    "TIKTOK_APP_SECRET",
    "LINKEDIN_CLIENT_SECRET",
    "LINKEDIN_ACCESS_TOKEN",
    "WHATSAPP_APP_SECRET",
    "WHATSAPP_VERIFY_TOKEN",
    "FONNTE_TOKEN",
    "SCALEV_SECRET",
    "ZAPIER_TOKEN",
];

/// Which ports the demo takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// Those that people expect, as far as they are free.
    Friendly,
    /// Any that are free.
    Any,
}

/// Everything that plays, and the way to it.
pub(super) struct Stage {
    bridge: Bridge,
    konektor: Running,
    registry: Registry,
    sender: Sender,
    http: reqwest::Client,
    clock: Arc<dyn Clock>,
    directory: TempDir,
    environment: Vec<(&'static str, String)>,
    /// How long it took until the bridge listened.
    started_in: Duration,
    pub(super) admin: Admin,
    pub(super) hooks: Url,
    pub(super) admin_url: Url,
}

impl Stage {
    /// Starts everything.
    pub(super) async fn set(ports: Ports, faults: Faults, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let [public, private, konektor] = addresses(ports);
        let directory = tempfile::Builder::new().prefix("konektor-bridge-demo-").tempdir();
        let directory = directory.context("no temporary directory can be made; is TMPDIR writable?")?;
        let secrets = Secrets::new();
        let konektor = sandbox::start(sandbox::Settings {
            listen: konektor,
            workspaces: vec![Workspace { plan: Plan::Enterprise, ..Workspace::default() }],
            faults,
            graph: secrets.graph(),
            clock: Arc::clone(&clock),
            ..sandbox::Settings::default()
        })?;
        let mut environment = secrets.environment(&konektor, directory.path(), public, private)?;
        let begun = tokio::time::Instant::now();
        let (bridge, registry) = start_bridge(&environment, &clock).await?;
        let started_in = begun.elapsed();
        let admin = bridge.admin_address().context("the demo's bridge has an admin API")?;
        let [hooks, admin_url] = [bridge.public_address(), admin].map(local_url);
        // Where port 0 was asked for, the commands need the real one.
        for (name, value) in &mut environment {
            match *name {
                "BRIDGE_LISTEN" => *value = bridge.public_address().to_string(),
                "BRIDGE_ADMIN_LISTEN" => *value = admin.to_string(),
                _ => {}
            }
        }
        Ok(Self {
            bridge,
            konektor,
            registry,
            sender: Sender::new(&hooks)?,
            http: local::client(&hooks, TIMEOUT)?,
            clock,
            directory,
            environment,
            started_in,
            admin: Admin::at(admin_url.clone(), None)?,
            hooks,
            admin_url,
        })
    }

    pub(super) fn introduce(&self, story: &mut Story<'_>) -> io::Result<()> {
        writeln!(story, "A local Konektor listens on {}.", self.konektor.url())?;
        writeln!(story, "The bridge listens on {} and keeps what comes in in {}.", self.hooks, self.data().display())?;
        writeln!(story, "It was ready after {}.", took(self.started_in))
    }

    /// The source called `name`.
    pub(super) fn source(&self, name: &str) -> anyhow::Result<&Source> {
        Ok(local::source(&self.registry, name)?)
    }

    /// A webhook of the sender called `name`, signed with this demo's secrets.
    pub(super) fn sample(&self, name: &str, kind: SampleKind, seed: u64) -> anyhow::Result<Sample> {
        Ok(self.source(name)?.provider.sample(kind, seed, self.now()))
    }

    /// Posts a webhook to the hook called `name`.
    pub(super) async fn post(&self, name: &str, sample: Sample) -> anyhow::Result<Heard> {
        self.sender.post(&local::hook(&self.hooks, &self.source(name)?.name), sample).await
    }

    /// Reads one of the local Konektor's own lists.
    pub(super) async fn konektor<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer =
            self.http.get(self.konektor_url(path)).send().await.context("the local Konektor does not answer")?;
        answer.json().await.context("the local Konektor's answer cannot be read")
    }

    /// Puts other faults in force in the local Konektor.
    pub(super) async fn set_faults(&self, faults: &Faults) -> anyhow::Result<()> {
        let answer = self.http.put(self.konektor_url("faults")).json(faults).send().await;
        answer.and_then(reqwest::Response::error_for_status).context("the local Konektor does not take the fault")?;
        Ok(())
    }

    pub(super) fn konektor_url(&self, path: &str) -> String {
        format!("{}/sandbox/{path}", self.konektor.url())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// Writes the settings as a file for a shell, with this program on its path, and gives its name.
    pub(super) fn settings_file(&self) -> io::Result<PathBuf> {
        let path = self.directory.path().join("demo.env");
        let mut lines: String =
            self.environment.iter().map(|(name, value)| format!("export {name}='{value}'\n")).collect();
        if let Some(folder) = std::env::current_exe()?.parent() {
            lines.push_str(&format!("export PATH='{}':\"$PATH\"\n", folder.display()));
        }
        std::fs::write(&path, lines)?;
        Ok(path)
    }

    /// The secret with which a back-end signs its forms.
    pub(super) fn form_secret(&self) -> &str {
        let secret = self.environment.iter().find(|(name, _)| *name == "FORM_SECRET");
        secret.map_or("", |(_, value)| value)
    }

    /// Stops everything, and deletes what it kept.
    pub(super) async fn clear(self) -> anyhow::Result<()> {
        // Who has a connection is waited for.
        drop(self.http);
        self.bridge.stop().await?;
        self.konektor.stop().await;
        self.directory.close().context("the demo's directory cannot be deleted")
    }
}

async fn start_bridge(
    environment: &[(&'static str, String)],
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<(Bridge, Registry)> {
    let environment: Environment = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let (config, registry) = local::configured(&environment)?;
    let Opened { store, clock, .. } = store::open(&config.settings, State::AsItWas, Arc::clone(clock)).await?;
    let start = Start { config, environment, store, clock, delivery: Deliver::Always };
    Ok((Bridge::start(start).await?, registry))
}

/// What proves Meta, made for this one run: the stand-in for its Graph API asks for it, too.
struct Secrets {
    meta: String,
    meta_token: String,
}

impl Secrets {
    fn new() -> Self {
        Self { meta: random(), meta_token: random() }
    }

    /// The stand-in for Meta's Graph API checks them as Meta does.
    fn graph(&self) -> GraphSettings {
        let secret = |text: &String| Some(SecretString::from(text.clone()));
        GraphSettings { app_secret: secret(&self.meta), access_token: secret(&self.meta_token) }
    }

    /// The bridge's whole environment. Nothing of this process's own gets in.
    fn environment(
        self,
        konektor: &Running,
        directory: &Path,
        public: SocketAddr,
        private: SocketAddr,
    ) -> anyhow::Result<Vec<(&'static str, String)>> {
        // Otherwise a config/bridge.toml where the demo happens to be started would be read.
        let config = directory.join("bridge.toml");
        std::fs::write(&config, "# Sources and rules of the demo; a change is taken within two seconds.\n")
            .context("the demo's configuration cannot be written")?;
        let path = |path: &Path| path.to_str().map(str::to_owned).context("TMPDIR is not UTF-8");
        let key = [Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat();
        let own = [
            ("KONEKTOR_API_KEY", DEFAULT_KEY.to_owned()),
            ("KONEKTOR_BASE_URL", konektor.url()),
            ("BRIDGE_LISTEN", public.to_string()),
            ("BRIDGE_ADMIN_LISTEN", private.to_string()),
            ("BRIDGE_DATA_DIR", path(&directory.join("data"))?),
            ("BRIDGE_CONFIG", path(&config)?),
            ("FORM_ALLOWED_ORIGINS", SITE.to_owned()),
            ("META_APP_SECRET", self.meta),
            ("META_ACCESS_TOKEN", self.meta_token),
            ("META_GRAPH_URL", konektor.graph_url()),
            ("LINKEDIN_API_URL", konektor.linkedin_url()),
            ("STANDARD_WEBHOOKS_SECRET", format!("whsec_{}", STANDARD.encode(key))),
        ];
        Ok(own.into_iter().chain(ANY_TEXT.map(|name| (name, random()))).collect())
    }
}

fn random() -> String {
    Uuid::new_v4().simple().to_string()
}

/// Three addresses on this machine. A port that is taken becomes any free one.
fn addresses(ports: Ports) -> [SocketAddr; 3] {
    FRIENDLY.map(|port| {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        match ports {
            Ports::Friendly if TcpListener::bind(address).is_ok() => address,
            Ports::Friendly | Ports::Any => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        }
    })
}

fn local_url(address: SocketAddr) -> Url {
    local::url_of(address).expect("a bound address has a port")
}
