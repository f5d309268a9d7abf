//! What happens to the bridge and around it.

use std::time::{Duration, Instant};

use anyhow::Result;
use load::bench::{Bench, Bridge, Place, Sandbox};
use load::table::Table;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::sleep;

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
/// What happens to the bridge, one after the other.
const BLOWS: &[Blow] = &[Blow::Kill, Blow::Freeze, Blow::Kill, Blow::Kill, Blow::FullDisk, Blow::Kill];

#[derive(Clone, Copy)]
enum Blow {
    /// SIGKILL, and a new start at once.
    Kill,
    /// SIGSTOP, and SIGCONT after a while.
    Freeze,
    /// Its disk is full, then short, then as before.
    FullDisk,
}

/// The bridge and everything around it.
pub struct Troubled<'a> {
    pub bench: &'a Bench,
    pub place: &'a Place,
    pub sandbox: &'a Sandbox,
    pub proxy: &'a Proxy,
    pub disk: Option<&'a Disk>,
}

/// What has happened.
#[derive(Default)]
pub struct Seen {
    kills: u32,
    frozen: u32,
    longest_frozen: Duration,
    full: u32,
    ended: u32,
    slowest_start: Duration,
}

impl Troubled<'_> {
    /// Makes trouble until it is time, then mends everything; gives the bridge that runs.
    pub async fn until(&self, until: Instant, mut rng: StdRng) -> Result<(Bridge, Seen)> {
        let mut seen = Seen::default();
        let mut bridge = self.start(&mut seen).await?;
        let (mut weather, mut blows) = (WEATHER.iter().cycle(), BLOWS.iter().cycle());
        while Instant::now() < until {
            let (faults, mood) = weather.next().expect("a cycle has no end");
            self.sandbox.faults(faults).await?;
            self.proxy.set(*mood);
            sleep(Duration::from_millis(rng.random_range(2_000..5_000))).await;
            bridge.process.check()?;
            bridge = match blows.next().expect("a cycle has no end") {
                Blow::Kill => self.kill(bridge, &mut seen).await?,
                Blow::Freeze => freeze(bridge, &mut rng, &mut seen).await?,
                Blow::FullDisk => self.fill_disk(bridge, &mut seen).await?,
            };
        }
        self.sandbox.faults("").await?;
        self.proxy.set(Mood::Calm);
        Ok((bridge, seen))
    }

    async fn start(&self, seen: &mut Seen) -> Result<Bridge> {
        let bridge = self.bench.bridge_at(self.place).await?;
        seen.slowest_start = seen.slowest_start.max(bridge.started_in);
        Ok(bridge)
    }

    async fn kill(&self, bridge: Bridge, seen: &mut Seen) -> Result<Bridge> {
        bridge.process.kill()?;
        seen.kills += 1;
        self.start(seen).await
    }

    /// An error of the disk may end the bridge; whoever looks after it starts it again.
    async fn fill_disk(&self, mut bridge: Bridge, seen: &mut Seen) -> Result<Bridge> {
        let Some(disk) = self.disk else { return Ok(bridge) };
        seen.full += 1;
        disk.fill()?;
        sleep(Duration::from_secs(2)).await;
        disk.ease()?;
        sleep(Duration::from_secs(2)).await;
        disk.clear()?;
        if bridge.process.has_ended()? {
            seen.ended += 1;
            bridge = self.start(seen).await?;
        }
        Ok(bridge)
    }
}

/// Mostly for seconds, sometimes for longer than a lease.
async fn freeze(bridge: Bridge, rng: &mut StdRng, seen: &mut Seen) -> Result<Bridge> {
    let seconds = if rng.random_bool(0.1) { rng.random_range(32.0..40.0) } else { rng.random_range(1.0..4.0) };
    let span = Duration::from_secs_f64(seconds);
    bridge.process.freeze()?;
    sleep(span).await;
    bridge.process.thaw()?;
    seen.frozen += 1;
    seen.longest_frozen = seen.longest_frozen.max(span);
    Ok(bridge)
}

impl Seen {
    /// As rows.
    pub fn write_down(&self, has_disk: bool, table: &mut Table) {
        table.note("kills", f64::from(self.kills), "");
        table.note("  slowest start after one", self.slowest_start.as_secs_f64(), "s");
        table.note("times frozen", f64::from(self.frozen), "");
        table.note("  for at most", self.longest_frozen.as_secs_f64(), "s");
        if has_disk {
            table.note("times the disk was full", f64::from(self.full), "");
            table.note("  and the bridge ended by itself", f64::from(self.ended), "");
        } else {
            table.note("times the disk was full: NOT TRIED, mounting is not allowed", 0.0, "");
        }
    }
}
