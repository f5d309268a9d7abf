//! Measures the bridge under load, and kills it under load. Not a test: nothing here fails because a machine is slow.
//!
//! ```sh
//! cargo run --release --manifest-path tests/load/Cargo.toml                              # everything that takes seconds
//! cargo run --release --manifest-path tests/load/Cargo.toml -- measure million rate      # what takes minutes
//! cargo run --release --manifest-path tests/load/Cargo.toml -- crash --seconds 60        # kill -9 at random moments
//! ```
//!
//! Everything runs on this machine, on loopback addresses, and ends by itself. Linux only: memory is read from `/proc`.

mod bench;
#[cfg(feature = "claims")]
mod claims;
mod crash;
mod http;
mod idle;
mod keep;
mod list;
mod million;
mod process;
mod rate;
mod speed;
mod table;
mod volley;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use bench::Bench;
use table::Table;

/// Measures konektor-bridge under load, and kills it under load.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    options: Options,
}

#[derive(Args, Clone)]
struct Options {
    /// A release binary of the bridge; without it one is built.
    #[arg(long, global = true)]
    bridge: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Measures and prints one table.
    Measure(Measure),
    /// Kills the bridge at random moments under load; exit code 1 when anything is lost or doubled.
    Crash {
        /// How long it is loaded and killed. Coming to rest takes up to two minutes more.
        #[arg(long, default_value_t = 60)]
        seconds: u64,
        /// The same seed sends, kills and fails in the same order.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// The bare handler that the bridge is compared with.
    #[command(hide = true)]
    Baseline {
        /// Where to listen.
        address: SocketAddr,
    },
}

#[derive(Args)]
struct Measure {
    /// What to measure.
    #[arg(default_values_t = [Part::Idle, Part::Keep, Part::Speed])]
    parts: Vec<Part>,
    /// Rounds of `keep`.
    #[arg(long, default_value_t = 5)]
    rounds: u64,
    /// Seconds of a round of `keep`, for each side.
    #[arg(long, default_value_t = 4)]
    seconds: u64,
    /// Undelivered events of `million`.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
}

#[derive(Clone, Copy, ValueEnum, PartialEq, Eq)]
enum Part {
    /// Start, memory, size: 15 s.
    Idle,
    /// Throughput and latency of keeping, against a bare handler; sorting: a minute.
    Keep,
    /// Lists of the sandbox over 100 000 leads, with filters and search: 20 s.
    List,
    /// From a webhook to its lead: 10 s.
    Speed,
    /// A million undelivered events: minutes.
    Million,
    /// A thousand leads at 600 a minute: a minute and a half.
    Rate,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().expect("no part is skipped").get_name())
    }
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<bool> {
    let command = cli.command.unwrap_or_else(|| Cli::parse_from(["load", "measure"]).command.expect("it was given"));
    let bench = || Bench::set_up(cli.options.bridge);
    match command {
        // A missed bar is seen in the table; it may be the machine's fault.
        Command::Measure(what) => tabled(async |table| measure(&bench()?, &what, table).await).map(|_| true),
        Command::Crash { seconds, seed } => {
            tabled(async |table| crash::run(&bench()?, Duration::from_secs(seconds), seed, table).await)
        }
        Command::Baseline { address } => keep::baseline(address).map(|()| true),
    }
}

/// Prints the table that `work` fills, also when it comes to a bad end; true when all is as it should be.
fn tabled(work: impl AsyncFnOnce(&mut Table) -> Result<()>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut table = Table::default();
    let ended = runtime.block_on(work(&mut table));
    print!("{table}");
    ended.map(|()| table.all_held())
}

async fn measure(bench: &Bench, what: &Measure, table: &mut Table) -> Result<()> {
    println!("{}", conditions());
    for part in &what.parts {
        match part {
            Part::Idle => idle::measure(bench, table).await?,
            Part::List => list::measure(bench, table).await?,
            Part::Keep => keep::measure(bench, what.rounds, Duration::from_secs(what.seconds), table).await?,
            Part::Speed => speed::measure(bench, table).await?,
            Part::Million => million::measure(bench, what.events, table).await?,
            Part::Rate => rate::measure(bench, table).await?,
        }
    }
    Ok(())
}

/// On what it was measured: numbers mean nothing without it.
fn conditions() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores shared with the load generator, Linux {}, load {load} before it began", kernel.trim())
}
