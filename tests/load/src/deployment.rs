//! Redis as bridges are given it: one server, a cluster, or a primary and its replicas behind sentinels. Started here, on
//! free ports, with its files in the room of the bench, and ended here.

use std::path::Path;

use anyhow::{Context, Result};

use crate::bench::Shared;
use crate::redis::{Redis, Sync};

/// Primaries of a cluster, each with a third of the slots, and sentinels.
const THREE: usize = 3;
/// Of the primary that is watched: two, so that one is left to replicate to when the other has taken its place.
const REPLICAS: usize = 2;

/// How it is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One server.
    Alone(Sync),
    /// Three primaries without replicas, each of which has on its disk what it has answered.
    Cluster,
    /// A primary and two replicas behind three sentinels: what is taken is on one more server.
    Sentinel,
}

impl Layout {
    /// What bridges may promise on it (`REDIS_DURABILITY`).
    #[must_use]
    pub fn durability(self) -> &'static str {
        match self {
            Self::Alone(sync) => sync.durability(),
            Self::Cluster => "fsync",
            Self::Sentinel => "replicated:1",
        }
    }
}

/// The servers.
pub struct Deployment {
    layout: Layout,
    servers: Vec<Redis>,
    sentinels: Vec<Redis>,
}

impl Deployment {
    /// Starts them, with their files below `room`.
    pub async fn start(room: &Path, layout: Layout) -> Result<Self> {
        let (servers, sentinels) = match layout {
            Layout::Alone(sync) => (vec![Redis::start(room, sync, &[]).await?], Vec::new()),
            Layout::Cluster => (cluster(room).await?, Vec::new()),
            Layout::Sentinel => watched(room).await?,
        };
        let this = Self { layout, servers, sentinels };
        this.is_whole().await?;
        Ok(this)
    }

    /// What a bridge is told.
    #[must_use]
    pub fn shared(&self) -> Shared {
        let addresses = |of: &[Redis]| of.iter().map(|server| server.address.to_string()).collect::<Vec<_>>().join(",");
        let url = match self.layout {
            Layout::Alone(_) => format!("redis://{}", addresses(&self.servers)),
            Layout::Cluster => format!("redis+cluster://{}", addresses(&self.servers)),
            Layout::Sentinel => format!("redis+sentinel://{}/mymaster", addresses(&self.sentinels)),
        };
        Shared { url, durability: self.layout.durability() }
    }

    /// Waits until every server is there, in step with the others, and known to them.
    pub async fn is_whole(&self) -> Result<()> {
        match self.layout {
            Layout::Alone(_) => Ok(()),
            Layout::Cluster => {
                for server in &self.servers {
                    server.comes_to_say("CLUSTER INFO", "cluster_state:ok").await?;
                }
                Ok(())
            }
            Layout::Sentinel => {
                for sentinel in &self.sentinels {
                    sentinel.comes_to_say("INFO sentinel", &format!("slaves={REPLICAS},sentinels={THREE}")).await?;
                }
                let primary = &self.servers[self.holder().await?];
                primary.comes_to("INFO replication", |said| said.matches("state=online").count() == REPLICAS).await
            }
        }
    }

    /// The server that has what the bridges keep: all of a bridge's keys are in one slot of a cluster, and sentinels know the
    /// primary.
    pub async fn holder(&self) -> Result<usize> {
        match self.layout {
            Layout::Alone(_) => Ok(0),
            Layout::Cluster => {
                let (mut holder, mut most) = (0, 0);
                for (at, server) in self.servers.iter().enumerate() {
                    let keys: u64 = server.says("DBSIZE").await?.trim_start_matches(':').parse()?;
                    if keys > most {
                        (holder, most) = (at, keys);
                    }
                }
                Ok(holder)
            }
            Layout::Sentinel => {
                let told = self.sentinels[0].says("INFO sentinel").await?;
                let known = |server: &Redis| told.contains(&format!("address={},", server.address));
                self.servers.iter().position(known).with_context(|| format!("nobody is the primary: {told}"))
            }
        }
    }

    /// One of the servers.
    #[must_use]
    pub fn server(&self, at: usize) -> &Redis {
        &self.servers[at]
    }

    /// Kills one with SIGKILL, or stops it in order where it may lose what it has answered.
    pub async fn ends(&mut self, at: usize) -> Result<()> {
        match self.layout {
            Layout::Alone(Sync::EverySecond) => self.servers[at].stop().await,
            Layout::Alone(Sync::Always | Sync::Never) | Layout::Cluster | Layout::Sentinel => self.servers[at].kill(),
        }
    }

    /// Waits until another has taken the place of a primary that was ended or hangs; without sentinels nobody does.
    pub async fn is_replaced(&self, at: usize) -> Result<()> {
        if self.layout != Layout::Sentinel {
            return Ok(());
        }
        let address = self.servers[at].address;
        for sentinel in &self.sentinels {
            sentinel.comes_to("INFO sentinel", |said| !said.contains(&format!("address={address},"))).await?;
        }
        Ok(())
    }

    /// Starts one again after [`Deployment::ends`], with what is in its files.
    pub async fn starts_again(&mut self, at: usize) -> Result<()> {
        self.servers[at].starts_again().await
    }

    /// Bytes that all of it takes.
    pub async fn memory(&self) -> Result<f64> {
        let mut bytes = 0.0;
        for server in &self.servers {
            bytes += server.info("used_memory").await?;
        }
        Ok(bytes)
    }
}

/// Three primaries that share the slots.
async fn cluster(room: &Path) -> Result<Vec<Redis>> {
    let mut nodes = Vec::new();
    for number in 0..THREE {
        nodes.push(Redis::node(&room.join(number.to_string())).await?);
    }
    for ((node, _), slots) in nodes.iter().zip(["0 5460", "5461 10922", "10923 16383"]) {
        node.obeys(&format!("CLUSTER ADDSLOTSRANGE {slots}")).await?;
    }
    let (first, bus) = &nodes[0];
    let first = format!("{} {} {bus}", first.address.ip(), first.address.port());
    for (node, _) in &nodes[1..] {
        node.obeys(&format!("CLUSTER MEET {first}")).await?;
    }
    Ok(nodes.into_iter().map(|(node, _)| node).collect())
}

/// A primary, its replicas, and those who watch them.
async fn watched(room: &Path) -> Result<(Vec<Redis>, Vec<Redis>)> {
    let primary = Redis::start(&room.join("0"), Sync::Always, &[]).await?;
    let mut servers = vec![primary];
    for number in 1..=REPLICAS {
        servers.push(Redis::replica(&room.join(number.to_string()), &servers[0]).await?);
    }
    let mut sentinels = Vec::new();
    for number in 0..THREE {
        sentinels.push(Redis::sentinel(&room.join(format!("sentinel-{number}")), &servers[0]).await?);
    }
    Ok((servers, sentinels))
}
