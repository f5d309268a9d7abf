//! What is measured: the bridge in release, a sandbox beside it, and a directory for both.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::ValueEnum;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::sleep;

use crate::deployment::{Deployment, Layout};
use crate::http;
use crate::process::Process;
use crate::redis::Sync;
use crate::webhooks::{META_SECRET, STANDARD_SECRET};

/// The key of the sandbox.
pub const KEY: &str = "kk_load";
/// How long a start may take before it counts as none.
const PATIENCE: Duration = Duration::from_secs(30);

/// What bridges keep everything in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    /// In a file of their own.
    #[default]
    Embedded,
    /// In a Redis that is started for them.
    Redis(Layout),
}

/// The same in a word, for the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Store {
    /// A file of the bridge's own.
    Embedded,
    /// Redis that has on its disk what it has answered.
    RedisAlways,
    /// Redis that writes to its disk every second.
    RedisEverysec,
    /// A cluster of three, each of which has on its disk what it has answered.
    RedisCluster,
    /// A primary and two replicas behind three sentinels.
    RedisSentinel,
}

impl From<Store> for Kept {
    fn from(store: Store) -> Self {
        match store {
            Store::Embedded => Self::Embedded,
            Store::RedisAlways => Self::Redis(Layout::Alone(Sync::Always)),
            Store::RedisEverysec => Self::Redis(Layout::Alone(Sync::EverySecond)),
            Store::RedisCluster => Self::Redis(Layout::Cluster),
            Store::RedisSentinel => Self::Redis(Layout::Sentinel),
        }
    }
}

/// The bridge's binary, and room for data.
pub struct Bench {
    binary: PathBuf,
    kept: Kept,
    /// By the name of the bridge that is on it. They end with the bench.
    redis: RefCell<HashMap<String, Deployment>>,
    room: TempDir,
}

impl Bench {
    /// Builds the bridge in release, unless `binary` is one already.
    pub fn set_up(binary: Option<PathBuf>, kept: Kept) -> Result<Self> {
        let binary = match binary {
            Some(binary) => binary,
            None => build()?,
        };
        Ok(Self { binary, kept, redis: RefCell::default(), room: tempfile::tempdir()? })
    }

    /// What bridges keep everything in.
    #[must_use]
    pub fn kept(&self) -> Kept {
        self.kept
    }

    /// The bridge's binary.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// The size of the binary in MiB.
    pub fn size(&self) -> Result<f64> {
        Ok(self.binary.metadata()?.len() as f64 / f64::from(1 << 20))
    }

    /// A path in the room; what is there stays until the end.
    pub fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// Starts a sandbox. It allows `per_minute` calls in any 60 seconds, the strictest way to count.
    pub async fn sandbox(&self, per_minute: u32) -> Result<Sandbox> {
        self.sandbox_with(per_minute, 0).await
    }

    /// The same with so many made-up leads.
    pub async fn sandbox_with(&self, per_minute: u32, leads: u32) -> Result<Sandbox> {
        let address = free_address()?;
        let mut command = Command::new(&self.binary);
        command.arg("sandbox").args(["--listen", &address.to_string(), "--key", KEY]).env_clear();
        // The day's limit is not what is measured.
        command.args(["--leads-per-day", "1000000000"]);
        if leads > 0 {
            command.args(["--leads", &leads.to_string()]);
        }
        let mut process = Process::start(command, &self.path("sandbox.log"))?;
        until_answered(&mut process, address, "/sandbox/faults").await?;
        let sandbox = Sandbox { address, per_minute, process };
        sandbox.faults("").await?;
        Ok(sandbox)
    }

    /// Starts `konektor-bridge api` with these arguments, for `sandbox`.
    pub fn api(&self, sandbox: &Sandbox, arguments: &[&str]) -> Result<Process> {
        let mut command = Command::new(&self.binary);
        command.arg("api").args(arguments).current_dir(self.room.path()).env_clear();
        command.env("KONEKTOR_API_KEY", KEY).env("KONEKTOR_BASE_URL", format!("http://{}", sandbox.address));
        Process::start(command, &self.path("api.log"))
    }

    /// Starts a bridge on the data directory `name`, in front of `sandbox`.
    pub async fn bridge(&self, name: &str, sandbox: &Sandbox) -> Result<Bridge> {
        let mut place = self.place(name, sandbox.address)?;
        place.redis = self.shared(name).await?;
        self.bridge_at(&place).await
    }

    /// The Redis of the bridge `name`, started when it is first asked for; `None` where bridges have files of their own.
    pub async fn shared(&self, name: &str) -> Result<Option<Shared>> {
        if !self.redis.borrow().contains_key(name) {
            let Some(redis) = self.start_shared(name).await? else { return Ok(None) };
            self.redis.borrow_mut().insert(name.to_owned(), redis);
        }
        Ok(Some(self.redis.borrow()[name].shared()))
    }

    /// A Redis of its own for `name`, to be killed and started again; `None` where bridges have files of their own.
    pub async fn start_shared(&self, name: &str) -> Result<Option<Deployment>> {
        let Kept::Redis(layout) = self.kept else { return Ok(None) };
        Ok(Some(Deployment::start(&self.path(&format!("redis-{name}")), layout).await?))
    }

    /// MiB that the Redis of the bridge `name` takes.
    pub async fn redis_memory(&self, name: &str) -> Result<f64> {
        // It is taken out while it is asked.
        let redis = self.redis.borrow_mut().remove(name).context("the bridge is on no Redis")?;
        let bytes = redis.memory().await;
        self.redis.borrow_mut().insert(name.to_owned(), redis);
        Ok(bytes? / f64::from(1 << 20))
    }

    /// A place for a bridge named `name` in front of the Konektor at `upstream`.
    pub fn place(&self, name: &str, upstream: SocketAddr) -> Result<Place> {
        Ok(Place {
            data: self.path(name),
            log: self.path(&format!("{name}.log")),
            upstream,
            public: free_address()?,
            admin: free_address()?,
            variables: BTreeMap::new(),
            redis: None,
            binary: None,
        })
    }

    /// Starts a bridge, again and again in the same place if need be.
    pub async fn bridge_at(&self, place: &Place) -> Result<Bridge> {
        let (public, admin, upstream) = (place.public, place.admin, place.upstream);
        let mut command = Command::new(place.binary.as_ref().unwrap_or(&self.binary));
        // Before the rest: what is sent to it is signed with the secrets below.
        command.arg("serve").env_clear().envs(&place.variables).envs([
            ("BRIDGE_LISTEN", public.to_string()),
            ("BRIDGE_ADMIN_LISTEN", admin.to_string()),
            ("BRIDGE_DATA_DIR", place.data.display().to_string()),
            ("BRIDGE_LOG", "warn".into()),
            ("KONEKTOR_API_KEY", KEY.into()),
            ("KONEKTOR_BASE_URL", format!("http://{upstream}")),
            ("META_APP_SECRET", META_SECRET.into()),
            ("META_VERIFY_TOKEN", "load-verify-token".into()),
            ("META_ACCESS_TOKEN", "load-access-token".into()),
            ("META_GRAPH_URL", format!("http://{upstream}/graph")),
            ("STANDARD_WEBHOOKS_SECRET", STANDARD_SECRET.into()),
        ]);
        if let Some(Shared { url, durability }) = &place.redis {
            command.env("REDIS_URL", url).env("REDIS_DURABILITY", durability);
        }
        let settings = self.path("bridge.toml");
        if settings.exists() {
            command.env("BRIDGE_CONFIG", settings);
        }
        let began = Instant::now();
        let mut process = Process::start(command, &place.log)?;
        until_answered(&mut process, public, "/healthz").await?;
        let started_in = began.elapsed();
        until_answered(&mut process, admin, "/healthz").await?;
        Ok(Bridge { public, admin, started_in, process })
    }
}

fn build() -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    let target = root.join("target");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--release", "--locked", "--quiet", "--target-dir"])
        .arg(&target)
        .current_dir(&root)
        .status()?;
    ensure!(built.success(), "the bridge cannot be built");
    Ok(target.join("release/konektor-bridge"))
}

/// A loopback address that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// Waits until `path` is answered 200.
pub async fn until_answered(process: &mut Process, address: SocketAddr, path: &str) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        match http::call(address, "GET", path, "").await {
            Ok((200, _)) => return Ok(()),
            Ok(_) | Err(_) => process.check()?,
        }
        sleep(Duration::from_micros(500)).await;
    }
    bail!("{address} does not answer {path}")
}

/// A Redis, and what bridges may promise on it.
#[derive(Debug, Clone)]
pub struct Shared {
    /// `redis://…`, `redis+cluster://…` or `redis+sentinel://…`.
    pub url: String,
    /// `REDIS_DURABILITY`.
    pub durability: &'static str,
}

/// Where a bridge runs.
pub struct Place {
    /// Its data directory.
    pub data: PathBuf,
    /// Where it writes.
    pub log: PathBuf,
    /// Where it finds Konektor and the Graph API.
    pub upstream: SocketAddr,
    /// Where its senders find it.
    pub public: SocketAddr,
    /// Where its people find it.
    pub admin: SocketAddr,
    /// What else it is told.
    pub variables: BTreeMap<String, String>,
    /// What it keeps everything in, if not in its data directory.
    pub redis: Option<Shared>,
    /// Another version of it.
    pub binary: Option<PathBuf>,
}

/// A local Konektor that runs.
pub struct Sandbox {
    /// Where it listens.
    pub address: SocketAddr,
    per_minute: u32,
    /// Its process.
    pub process: Process,
}

impl Sandbox {
    /// Puts `faults` in place of those in force: JSON members, such as `"error_rate":0.1`. The limit stays.
    pub async fn faults(&self, faults: &str) -> Result<()> {
        let limit = format!(r#""rate_limit":{{"model":"sliding_log","per_minute":{}}}"#, self.per_minute);
        let comma = if faults.is_empty() { "" } else { "," };
        let body = format!("{{{limit}{comma}{faults}}}");
        let (status, answer) = http::call(self.address, "PUT", "/sandbox/faults", &body).await?;
        ensure!(status == 200, "the sandbox refuses the faults {body}: {answer}");
        Ok(())
    }

    /// Everything that was committed, and counts of the calls.
    pub async fn ledger(&self) -> Result<Value> {
        self.get("/sandbox/ledger").await
    }

    /// Every lead in full.
    pub async fn leads(&self) -> Result<Vec<Value>> {
        let leads = self.get("/sandbox/leads").await?;
        leads.as_array().cloned().context("the sandbox's leads are no list")
    }

    async fn get(&self, path: &str) -> Result<Value> {
        let (status, answer) = http::call(self.address, "GET", path, "").await?;
        ensure!(status == 200, "the sandbox answers {status} to {path}: {answer}");
        Ok(answer)
    }
}

/// A bridge that runs.
pub struct Bridge {
    /// Where its senders find it.
    pub public: SocketAddr,
    admin: SocketAddr,
    /// From the start of the process to the first answer.
    pub started_in: Duration,
    /// Its process.
    pub process: Process,
}

impl Bridge {
    /// Stops calls to Konektor. The store remembers it.
    pub async fn pause(&self) -> Result<()> {
        let (status, answer) = http::call(self.admin, "POST", "/admin/v1/pause", "").await?;
        ensure!(status == 200, "the bridge answers {status} to pause: {answer}");
        Ok(())
    }

    /// Why dead letters are dead: the reasons of the first thousand, and how many have each.
    pub async fn dead_letters(&self) -> Result<BTreeMap<String, u64>> {
        let (status, page) = http::call(self.admin, "GET", "/admin/v1/dead-letters?limit=1000", "").await?;
        ensure!(status == 200, "the bridge answers {status} to dead letters: {page}");
        let mut reasons = BTreeMap::new();
        for event in page["events"].as_array().context("there is a list of dead letters")? {
            *reasons.entry(event["reason"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
        }
        Ok(reasons)
    }

    pub async fn stats(&self) -> Result<Stats> {
        let (status, answer) = http::call(self.admin, "GET", "/admin/v1/stats", "").await?;
        ensure!(status == 200, "the bridge answers {status} to stats: {answer}");
        Ok(Stats(answer))
    }

    /// Waits until the inbox is empty; gives how long that took.
    pub async fn until_sorted(&self) -> Result<Duration> {
        let began = Instant::now();
        while self.stats().await?.inbox() > 0 {
            sleep(Duration::from_millis(20)).await;
        }
        Ok(began.elapsed())
    }
}

/// The numbers of the admin API.
pub struct Stats(Value);

impl Stats {
    /// Webhooks that are not sorted yet.
    pub fn inbox(&self) -> u64 {
        self.0["inbox"].as_u64().expect("the admin API says how many are in the inbox")
    }

    /// Events in a state; one that no event is in may be left out.
    pub fn events(&self, state: &str) -> u64 {
        self.0["events"][state].as_u64().unwrap_or_default()
    }

    /// Lanes that somebody works on.
    pub fn leased(&self) -> u64 {
        self.0["leased"].as_u64().expect("the admin API says how many lanes are leased")
    }
}
