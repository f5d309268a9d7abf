//! What happens to the bridge and around it.

use std::ops::Range;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use load::bench::{Bench, Bridge, Place, Sandbox};
use load::deployment::Deployment;
use load::table::Table;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{sleep, sleep_until};

use crate::disk::Disk;
use crate::proxy::{Mood, Proxy};

/// What goes wrong at Konektor and on the way to it, one after the other.
const WEATHER: &[(&str, Mood)] = &[
    (r#""lost_answer_rate":0.08"#, Mood::Calm),
    ("", Mood::Cutting),
    (r#""commit_then_500_rate":0.08,"answer_latency":"20ms""#, Mood::Calm),
    (r#""search_lag":"10s""#, Mood::Late),
    (r#""error_rate":0.05,"search_lag":"2s""#, Mood::Slow),
    ("", Mood::Calm),
    (r#""lost_answer_rate":0.04,"commit_then_500_rate":0.04,"error_rate":0.02,"search_lag":"5s""#, Mood::Cutting),
];
/// What happens between two kills, one after the other.
const BLOWS: &[Option<Blow>] = &[
    None,
    None,
    Some(Blow::Freeze),
    None,
    None,
    None,
    Some(Blow::FullDisk),
    None,
    Some(Blow::Freeze),
    None,
    None,
    Some(Blow::FullDisk),
    None,
    None,
    None,
    None,
    Some(Blow::LongFreeze),
    None,
    None,
    None,
];
/// The same where there are several on one Redis.
const BLOWS_ON_REDIS: &[Option<Blow>] = &[
    None,
    Some(Blow::EndRedis),
    Some(Blow::Freeze),
    Some(Blow::FreezeRedis),
    None,
    Some(Blow::FullRedis),
    Some(Blow::EndRedis),
    None,
    Some(Blow::LongFreeze),
];
/// Between two kills of a bridge, in milliseconds: what happens besides is part of it, but for what takes longer.
const BETWEEN_KILLS: Range<u64> = 2_000..5_000;

#[derive(Clone, Copy)]
enum Blow {
    /// SIGSTOP, and SIGCONT after a while.
    Freeze,
    /// The same for longer than a lease.
    LongFreeze,
    /// Its disk is full, then short, then as before.
    FullDisk,
    /// Redis is killed, or stopped where it may lose what it has not written, and started again.
    EndRedis,
    /// Redis hangs for longer than anybody waits, and wakes as it was.
    FreezeRedis,
    /// Redis has no memory left for a while.
    FullRedis,
}

/// The bridges and everything around them.
pub struct Troubled<'a> {
    pub bench: &'a Bench,
    /// Of one bridge, or of several on one Redis.
    pub places: &'a [Place],
    pub sandbox: &'a Sandbox,
    pub proxy: &'a Proxy,
    pub disk: Option<&'a Disk>,
    pub redis: Option<Mutex<Deployment>>,
}

/// What has happened.
#[derive(Default)]
pub struct Seen {
    kills: u32,
    longest_unkilled: Duration,
    frozen: u32,
    longest_frozen: Duration,
    full: u32,
    ended: u32,
    slowest_start: Duration,
    redis_ended: u32,
    redis_frozen: u32,
    redis_full: u32,
}

impl Troubled<'_> {
    /// Makes trouble until it is time, then mends everything; gives the bridges that run.
    pub async fn until(&self, until: Instant, mut rng: StdRng) -> Result<(Vec<Bridge>, Seen)> {
        let mut seen = Seen::default();
        let mut bridges = Vec::new();
        for place in self.places {
            bridges.push(self.start(place, &mut seen).await?);
        }
        let blows = if self.redis.is_some() { BLOWS_ON_REDIS } else { BLOWS };
        let (mut weather, mut blows) = (WEATHER.iter().cycle(), blows.iter().cycle());
        let mut killed = Instant::now();
        while Instant::now() < until {
            let (faults, mood) = weather.next().expect("a cycle has no end");
            self.sandbox.faults(faults).await?;
            self.proxy.set(*mood);
            let kill = killed + Duration::from_millis(rng.random_range(BETWEEN_KILLS));
            let hit = rng.random_range(0..bridges.len());
            if let Some(blow) = blows.next().expect("a cycle has no end") {
                self.strike(*blow, &mut bridges[hit], &self.places[hit], &mut rng, &mut seen).await?;
            }
            sleep_until(kill.into()).await;
            for bridge in &mut bridges {
                bridge.process.check()?;
            }
            seen.longest_unkilled = seen.longest_unkilled.max(killed.elapsed());
            killed = Instant::now();
            let hit = rng.random_range(0..bridges.len());
            let bridge = bridges.remove(hit);
            bridges.insert(hit, self.kill(bridge, &self.places[hit], &mut seen).await?);
        }
        self.sandbox.faults("").await?;
        self.proxy.set(Mood::Calm);
        Ok((bridges, seen))
    }

    async fn start(&self, place: &Place, seen: &mut Seen) -> Result<Bridge> {
        let bridge = self.bench.bridge_at(place).await?;
        seen.slowest_start = seen.slowest_start.max(bridge.started_in);
        Ok(bridge)
    }

    /// What happens between two kills.
    async fn strike(
        &self,
        blow: Blow,
        bridge: &mut Bridge,
        place: &Place,
        rng: &mut StdRng,
        seen: &mut Seen,
    ) -> Result<()> {
        match blow {
            Blow::Freeze => freeze(bridge, rng.random_range(0.5..2.0), seen).await,
            Blow::LongFreeze => freeze(bridge, rng.random_range(32.0..40.0), seen).await,
            Blow::FullDisk => self.fill_disk(bridge, place, seen).await,
            Blow::EndRedis => self.end_redis(seen).await,
            Blow::FreezeRedis => self.freeze_redis(seen).await,
            Blow::FullRedis => self.fill_redis(seen).await,
        }
    }

    async fn kill(&self, bridge: Bridge, place: &Place, seen: &mut Seen) -> Result<Bridge> {
        bridge.process.kill()?;
        seen.kills += 1;
        self.start(place, seen).await
    }

    /// The server that has everything is away for a second, and for longer where another is to take its place.
    async fn end_redis(&self, seen: &mut Seen) -> Result<()> {
        let (mut redis, holder) = self.whole().await?;
        seen.redis_ended += 1;
        redis.ends(holder).await?;
        redis.is_replaced(holder).await?;
        sleep(Duration::from_secs(1)).await;
        redis.starts_again(holder).await
    }

    /// It hangs for longer than anybody waits.
    async fn freeze_redis(&self, seen: &mut Seen) -> Result<()> {
        let (redis, holder) = self.whole().await?;
        seen.redis_frozen += 1;
        let process = &redis.server(holder).process;
        process.freeze()?;
        sleep(Duration::from_secs(4)).await;
        process.thaw()
    }

    async fn fill_redis(&self, seen: &mut Seen) -> Result<()> {
        let (redis, holder) = self.whole().await?;
        seen.redis_full += 1;
        redis.server(holder).obeys("CONFIG SET maxmemory 1").await?;
        sleep(Duration::from_secs(3)).await;
        redis.server(holder).obeys("CONFIG SET maxmemory 0").await
    }

    /// Redis, once all of it has got over the blow before, and which of its servers has everything.
    async fn whole(&self) -> Result<(MutexGuard<'_, Deployment>, usize)> {
        let redis = self.redis.as_ref().context("there is no Redis")?.lock().await;
        redis.is_whole().await?;
        let holder = redis.holder().await?;
        Ok((redis, holder))
    }

    /// An error of the disk may end the bridge; whoever looks after it starts it again.
    async fn fill_disk(&self, bridge: &mut Bridge, place: &Place, seen: &mut Seen) -> Result<()> {
        let Some(disk) = self.disk else { return Ok(()) };
        seen.full += 1;
        disk.fill()?;
        sleep(Duration::from_secs(2)).await;
        disk.ease()?;
        sleep(Duration::from_secs(2)).await;
        disk.clear()?;
        if bridge.process.has_ended()? {
            seen.ended += 1;
            *bridge = self.start(place, seen).await?;
        }
        Ok(())
    }
}

async fn freeze(bridge: &Bridge, seconds: f64, seen: &mut Seen) -> Result<()> {
    let span = Duration::from_secs_f64(seconds);
    bridge.process.freeze()?;
    sleep(span).await;
    bridge.process.thaw()?;
    seen.frozen += 1;
    seen.longest_frozen = seen.longest_frozen.max(span);
    Ok(())
}

impl Seen {
    /// As rows.
    pub fn write_down(&self, troubled: &Troubled<'_>, table: &mut Table) {
        table.note("kills", f64::from(self.kills), "");
        table.note("  longest time between two", self.longest_unkilled.as_secs_f64(), "s");
        table.note("  slowest start after one", self.slowest_start.as_secs_f64(), "s");
        table.note("times frozen", f64::from(self.frozen), "");
        table.note("  for at most", self.longest_frozen.as_secs_f64(), "s");
        if troubled.redis.is_some() {
            table.note("times Redis was ended and started again", f64::from(self.redis_ended), "");
            table.note("times it was frozen", f64::from(self.redis_frozen), "");
            table.note("times it was full", f64::from(self.redis_full), "");
        } else if troubled.disk.is_some() {
            table.note("times the disk was full", f64::from(self.full), "");
            table.note("  and the bridge ended by itself", f64::from(self.ended), "");
        } else {
            table.note("times the disk was full: NOT TRIED, mounting is not allowed", 0.0, "");
        }
    }
}
