//! A Redis for measuring: started here, on a free port, with its file in the room of the bench, and ended here.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::bench::free_address;
use crate::process::Process;

/// How long a start may take, with a file to read, before it counts as none.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// When Redis writes its file to the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// Before it answers.
    Always,
    /// Every second.
    EverySecond,
    /// It has no file.
    Never,
}

impl Sync {
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Always => &["appendonly yes", "appendfsync always"],
            Self::EverySecond => &["appendonly yes", "appendfsync everysec"],
            Self::Never => &["appendonly no"],
        }
    }

    /// What the bridge may promise on it.
    #[must_use]
    pub fn durability(self) -> &'static str {
        match self {
            Self::Always => "fsync",
            Self::EverySecond | Self::Never => "relaxed",
        }
    }
}

/// A server of Redis that runs.
pub struct Redis {
    program: &'static str,
    directory: PathBuf,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its process.
    pub process: Process,
}

impl Redis {
    /// Starts one with its file in `directory`, and more lines of configuration.
    pub async fn start(directory: &Path, sync: Sync, more: &[String]) -> Result<Self> {
        let own = ["save \"\"", "maxmemory-policy noeviction"];
        let lines = own.iter().chain(sync.settings()).map(ToString::to_string).chain(more.iter().cloned());
        Self::of("redis-server", directory, lines).await
    }

    /// Starts one that follows `primary`.
    pub async fn replica(directory: &Path, primary: &Self) -> Result<Self> {
        let of = format!("replicaof {} {}", primary.address.ip(), primary.address.port());
        let replica = Self::start(directory, Sync::Always, &[of, "repl-diskless-sync-delay 0".into()]).await?;
        replica.comes_to_say("INFO replication", "master_link_status:up").await?;
        Ok(replica)
    }

    /// Starts a node of a cluster to be, and gives the port on which it talks to the others.
    pub async fn node(directory: &Path) -> Result<(Self, u16)> {
        let bus = free_address()?.port();
        let of_a_node =
            ["cluster-enabled yes".into(), format!("cluster-port {bus}"), "cluster-node-timeout 2000".into()];
        Ok((Self::start(directory, Sync::Always, &of_a_node).await?, bus))
    }

    /// Starts a sentinel that watches `primary` under the name `mymaster`. Two of them have to agree.
    pub async fn sentinel(directory: &Path, primary: &Self) -> Result<Self> {
        let SentinelSettings { down_after, failover } = SENTINEL;
        let watch = format!("sentinel monitor mymaster {} {} 2", primary.address.ip(), primary.address.port());
        let lines = [
            watch,
            format!("sentinel down-after-milliseconds mymaster {}", down_after.as_millis()),
            format!("sentinel failover-timeout mymaster {}", failover.as_millis()),
        ];
        Self::of("redis-sentinel", directory, lines.into_iter()).await
    }

    async fn of(program: &'static str, directory: &Path, lines: impl Iterator<Item = String>) -> Result<Self> {
        fs::create_dir_all(directory)?;
        let address = free_address()?;
        let own = [
            format!("port {}", address.port()),
            format!("bind {}", address.ip()),
            format!("dir {}", directory.display()),
        ];
        let text: Vec<_> = own.into_iter().chain(lines).collect();
        fs::write(directory.join("redis.conf"), text.join("\n") + "\n")?;
        let process = spawn(program, directory)?;
        let mut this = Self { program, directory: directory.to_owned(), address, process };
        this.is_there().await?;
        Ok(this)
    }

    /// Ends it as a power cut would end its process: SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.process.end_now()
    }

    /// Ends it in order: what it holds is written.
    pub async fn stop(&mut self) -> Result<()> {
        self.process.end(PATIENCE).await?;
        Ok(())
    }

    /// Starts it again, after its process has ended, with what is in its file.
    pub async fn starts_again(&mut self) -> Result<()> {
        self.process = spawn(self.program, &self.directory)?;
        self.is_there().await
    }

    /// `redis://HOST:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// The answer to a command without blanks in its arguments, as it is on the wire.
    pub async fn says(&self, command: &str) -> Result<String> {
        let asked = async {
            let mut stream = BufReader::new(TcpStream::connect(self.address).await?);
            stream.write_all(format!("{command}\r\n").as_bytes()).await?;
            let mut line = String::new();
            stream.read_line(&mut line).await?;
            let Some(length) = line.strip_prefix('$') else { return Ok(line.trim_end().to_owned()) };
            let mut text = vec![0; length.trim_end().parse()?];
            stream.read_exact(&mut text).await?;
            Ok::<_, anyhow::Error>(String::from_utf8_lossy(&text).into_owned())
        };
        timeout(ANSWER, asked).await.with_context(|| format!("{} does not answer {command}", self.program))?
    }

    /// The same, and it must be `OK`.
    pub async fn obeys(&self, command: &str) -> Result<()> {
        let said = self.says(command).await?;
        ensure!(said == "+OK", "{command}: {said}");
        Ok(())
    }

    /// Waits until the answer holds `text`.
    pub async fn comes_to_say(&self, command: &str, text: &str) -> Result<()> {
        self.comes_to(command, |said| said.contains(text)).await.with_context(|| format!("it never says {text}"))
    }

    /// Waits until the answer is as it should be.
    pub async fn comes_to(&self, command: &str, is_so: impl Fn(&str) -> bool) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if self.says(command).await.is_ok_and(|said| is_so(&said)) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        bail!("{} answers {command} for {PATIENCE:?} as it should not", self.program)
    }

    /// A number of `INFO`.
    pub async fn info(&self, name: &str) -> Result<f64> {
        let info = self.says("INFO").await?;
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("INFO has no {name}"))?.parse()?)
    }

    async fn is_there(&mut self) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            // While it reads its file it says so.
            match self.says("PING").await {
                Ok(said) if said == "+PONG" => return Ok(()),
                Ok(_) | Err(_) => self.process.check()?,
            }
            sleep(Duration::from_millis(5)).await;
        }
        bail!("{} does not start", self.program)
    }
}

struct SentinelSettings {
    down_after: Duration,
    failover: Duration,
}

/// What the README recommends.
const SENTINEL: SentinelSettings =
    SentinelSettings { down_after: Duration::from_secs(1), failover: Duration::from_secs(10) };

fn spawn(program: &str, directory: &Path) -> Result<Process> {
    let mut command = Command::new(program);
    command.arg(directory.join("redis.conf"));
    Process::start(command, &directory.join("log"))
        .context("install redis-server and redis-sentinel (Debian's packages)")
}
