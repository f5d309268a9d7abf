//! Runs the bridge while everything around it fails, and counts: nothing lost, nothing doubled, nothing gone back.
//!
//! ```sh
//! cargo run --release --manifest-path tests/soak/Cargo.toml                      # a minute
//! cargo run --release --manifest-path tests/soak/Cargo.toml -- --seconds 1800    # half an hour
//! cargo run --release --manifest-path tests/soak/Cargo.toml -- --store redis-always        # or redis-sentinel, redis-cluster
//! ```
//!
//! The bridge is killed (SIGKILL) every two to five seconds and started again, frozen (SIGSTOP) and thawed, and its disk runs
//! full; between it and Konektor stands a proxy that cuts, delays and holds back what passes; Konektor itself (the
//! sandbox) loses answers, commits and says 500, and finds new leads late. Senders behave as real ones do: what is not
//! answered 2xx is sent again until it is, and some of what was is sent twice all the same. In the end everything works
//! again, the bridge has to come to rest, and then every number has to be right.
//!
//! On Redis there are three bridges, and senders go to the next one where one does not answer. Redis is killed and started
//! again, frozen and full as well; with `redis-everysec`, which may lose what it has just taken, it is stopped instead of
//! killed. With `--before` one of the bridges is of another version, as in a rolling deploy.
//!
//! Everything runs on this machine, on loopback addresses, and ends by itself. The full disk is a small tmpfs, which takes
//! the right to mount: without it that part is left out, and the table says so.

mod count;
mod disk;
mod proxy;
mod senders;
mod trouble;

use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Parser;
use load::bench::{Bench, Bridge, Store};
use load::deployment::Deployment;
use load::table::Table;
use load::{conditions, exit_code, tabled};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::Mutex;
use tokio::task::LocalSet;
use tokio::time::sleep;

use disk::Disk;
use proxy::Proxy;
use trouble::Troubled;

/// How fast everything goes.
#[derive(Clone, Copy)]
struct Pace {
    /// Calls a minute that the sandbox allows: enough for the senders, and a limit that is felt after every restart.
    limit: u32,
    /// Between two webhooks of a sender, on average.
    pause: Duration,
    /// Until the bridge has to be at rest, and a quarter of the trouble's length beside: what it holds up is sent after it.
    rest: Duration,
}

/// One bridge with a file of its own: leases end after 30 s, and a create in doubt is looked for over 60 s.
const ALONE: Pace = Pace { limit: 6_000, pause: Duration::from_millis(100), rest: Duration::from_mins(5) };
/// Bridges on one Redis. After each of its deaths leads are searched for first, for ten minutes, and none is created in the
/// first of them: a lead costs four calls and more.
const SHARED: Pace = Pace { limit: 2_000, pause: Duration::from_millis(1_200), rest: Duration::from_mins(10) };
/// How many those are.
const REPLICAS: usize = 3;

/// Runs the bridge while everything around it fails, and counts.
#[derive(Parser)]
struct Cli {
    /// How long things go wrong. Coming to rest takes a minute or two more.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The same seed sends, kills and fails in the same order (but not at the same instant).
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A release binary of the bridge; without it one is built.
    #[arg(long)]
    bridge: Option<PathBuf>,
    /// What everything is kept in.
    #[arg(long, default_value = "embedded")]
    store: Store,
    /// On Redis: a binary of the version before, which one of the bridges is.
    #[arg(long)]
    before: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit_code(tabled(async |table| soak(&cli, table).await))
}

async fn soak(cli: &Cli, table: &mut Table) -> Result<()> {
    let bench = Bench::set_up(cli.bridge.clone(), cli.store.into())?;
    println!("seed {}, {} s, {}", cli.seed, cli.seconds, conditions());
    // The number of the revision is a field of the lead, so that the last word can be told from the others.
    let settings = "[sources.standard.settings.fields]\n\"data.revision\" = \"estimated_value\"\n";
    std::fs::write(bench.path("bridge.toml"), settings)?;
    let shared = bench.start_shared("soak").await?;
    let pace = if shared.is_some() { SHARED } else { ALONE };
    let sandbox = bench.sandbox(pace.limit).await?;
    let disk = match shared {
        Some(_) => None,
        None => Disk::mount(&bench.path("disk"))?,
    };
    LocalSet::new()
        .run_until(async {
            let proxy = Proxy::start(sandbox.address, cli.seed).await?;
            let mut places = Vec::new();
            for number in 0..if shared.is_some() { REPLICAS } else { 1 } {
                let mut place = bench.place(&format!("soak-{number}"), proxy.address)?;
                if let Some(disk) = &disk {
                    place.data = disk.room();
                }
                place.redis = shared.as_ref().map(Deployment::shared);
                place.binary = cli.before.clone().filter(|_| number == 1);
                places.push(place);
            }
            let until = Instant::now() + Duration::from_secs(cli.seconds);
            let sent = Rc::new(senders::Sent::default());
            let publics = places.iter().map(|place| place.public).collect();
            let senders = senders::start(publics, pace.pause, cli.seed, until, &sent);
            let troubled = Troubled {
                bench: &bench,
                places: &places,
                sandbox: &sandbox,
                proxy: &proxy,
                disk: disk.as_ref(),
                redis: shared.map(Mutex::new),
            };
            let (mut bridges, seen) = troubled.until(until, StdRng::seed_from_u64(cli.seed)).await?;
            for sender in senders {
                sender.await??;
            }
            let behind = backlog(&bridges[0]).await?;
            let rested = until_at_rest(&bridges[0], pace.rest + Duration::from_secs(cli.seconds / 4)).await?;
            seen.write_down(&troubled, table);
            proxy.write_down(table);
            table.note("events not delivered at the last webhook", behind as f64, "");
            table.note("from the last webhook to rest", rested.as_secs_f64(), "s");
            for bridge in &bridges {
                table.note("memory in the end", bridge.process.memory()?, "MiB");
            }
            count::count(&bridges[0], &sandbox, &sent, table).await?;
            for bridge in bridges.drain(..) {
                let status = bridge.process.stop(Duration::from_secs(30)).await?;
                table.exactly("exit code after SIGTERM", u64::from(status.code().unwrap_or(255).unsigned_abs()), 0);
            }
            Ok(())
        })
        .await
}

/// How many events wait when the trouble is over: more from run to run of the same length means a bridge that falls behind.
async fn backlog(bridge: &Bridge) -> Result<u64> {
    let began = Instant::now();
    loop {
        match bridge.stats().await {
            Ok(stats) => return Ok(stats.events("pending")),
            // A store that everybody uses may be slow for a moment.
            Err(error) if began.elapsed() > Duration::from_secs(30) => return Err(error),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Waits until there is nothing left to do; gives how long that took.
async fn until_at_rest(bridge: &Bridge, patience: Duration) -> Result<Duration> {
    let began = Instant::now();
    loop {
        // A store that everybody uses may be slow for a moment.
        let left = match bridge.stats().await {
            Ok(stats) if stats.inbox() + stats.events("pending") + stats.leased() == 0 => return Ok(began.elapsed()),
            Ok(stats) => format!(
                "{} webhooks not sorted, {} events pending, {} lanes leased",
                stats.inbox(),
                stats.events("pending"),
                stats.leased()
            ),
            Err(error) => error.to_string(),
        };
        if began.elapsed() > patience {
            bail!("not at rest after {patience:?}: {left}");
        }
        sleep(Duration::from_millis(100)).await;
    }
}
