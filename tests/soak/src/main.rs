//! Runs the bridge while everything around it fails, and counts: nothing lost, nothing doubled, nothing gone back.
//!
//! ```sh
//! cargo run --release --manifest-path tests/soak/Cargo.toml                      # a minute
//! cargo run --release --manifest-path tests/soak/Cargo.toml -- --seconds 1800    # half an hour
//! ```
//!
//! The bridge is killed (SIGKILL) every few seconds and started again, frozen (SIGSTOP) and thawed, and its disk runs
//! full; between it and Konektor stands a proxy that cuts, delays and holds back what passes; Konektor itself (the
//! sandbox) loses answers, commits and says 500, and finds new leads late. Senders behave as real ones do: what is not
//! answered 2xx is sent again until it is, and some of what was is sent twice all the same. In the end everything works
//! again, the bridge has to come to rest, and then every number has to be right.
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
use load::bench::{Bench, Bridge};
use load::table::Table;
use load::{conditions, exit_code, tabled};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::task::LocalSet;
use tokio::time::sleep;

use disk::Disk;
use proxy::Proxy;
use trouble::Troubled;

/// Calls a minute that the sandbox allows: enough for the senders, and a limit that is felt after every restart.
const LIMIT: u32 = 6_000;
/// Until the bridge has to be at rest: leases end after 30 s, and a create in doubt is looked for over 55 s.
const REST: Duration = Duration::from_mins(5);

/// Runs the bridge while everything around it fails, and counts.
#[derive(Parser)]
struct Cli {
    /// How long things go wrong. Coming to rest takes up to two minutes more.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The same seed sends, kills and fails in the same order (but not at the same instant).
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// A release binary of the bridge; without it one is built.
    #[arg(long)]
    bridge: Option<PathBuf>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit_code(tabled(async |table| soak(&cli, table).await))
}

async fn soak(cli: &Cli, table: &mut Table) -> Result<()> {
    let bench = Bench::set_up(cli.bridge.clone())?;
    println!("seed {}, {} s, {}", cli.seed, cli.seconds, conditions());
    // The number of the revision is a field of the lead, so that the last word can be told from the others.
    let settings = "[sources.standard.settings.fields]\n\"data.revision\" = \"estimated_value\"\n";
    std::fs::write(bench.path("bridge.toml"), settings)?;
    let sandbox = bench.sandbox(LIMIT).await?;
    let disk = Disk::mount(&bench.path("disk"))?;
    LocalSet::new()
        .run_until(async {
            let proxy = Proxy::start(sandbox.address, cli.seed).await?;
            let mut place = bench.place("soak", proxy.address)?;
            if let Some(disk) = &disk {
                place.data = disk.room();
            }
            let until = Instant::now() + Duration::from_secs(cli.seconds);
            let sent = Rc::new(senders::Sent::default());
            let senders = senders::start(place.public, cli.seed, until, &sent);
            let troubled =
                Troubled { bench: &bench, place: &place, sandbox: &sandbox, proxy: &proxy, disk: disk.as_ref() };
            let (bridge, seen) = troubled.until(until, StdRng::seed_from_u64(cli.seed)).await?;
            for sender in senders {
                sender.await??;
            }
            let rested = until_at_rest(&bridge).await?;
            seen.write_down(disk.is_some(), table);
            proxy.write_down(table);
            table.note("from the last webhook to rest", rested.as_secs_f64(), "s");
            table.note("memory in the end", bridge.process.memory()?, "MiB");
            count::count(&bridge, &sandbox, &sent, table).await?;
            let status = bridge.process.stop(Duration::from_secs(30)).await?;
            table.exactly("exit code after SIGTERM", u64::from(status.code().unwrap_or(255).unsigned_abs()), 0);
            Ok(())
        })
        .await
}

/// Waits until there is nothing left to do; gives how long that took.
async fn until_at_rest(bridge: &Bridge) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let stats = bridge.stats().await?;
        let (inbox, pending, leased) = (stats.inbox(), stats.events("pending"), stats.leased());
        if inbox + pending + leased == 0 {
            return Ok(began.elapsed());
        }
        if began.elapsed() > REST {
            bail!(
                "not at rest after {REST:?}: {inbox} webhooks not sorted, {pending} events pending, {leased} lanes leased"
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}
