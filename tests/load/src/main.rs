//! Measures the bridge under load. Not a test: nothing here fails because a machine is slow.
//!
//! ```sh
//! cargo run --release --manifest-path tests/load/Cargo.toml                              # what has a bar, in three minutes
//! cargo run --release --manifest-path tests/load/Cargo.toml -- measure idle keep speed   # in a minute and a half
//! cargo run --release --manifest-path tests/load/Cargo.toml -- measure export list sources
//! cargo run --release --manifest-path tests/load/Cargo.toml -- measure keep --store redis-always
//! cargo run --release --manifest-path tests/load/Cargo.toml -- measure keep million --store redis-everysec
//! cargo run --release --manifest-path tests/load/Cargo.toml -- measure sizes failover
//! ```
//!
//! Everything runs on this machine, on loopback addresses, and ends by itself. Linux only: memory is read from `/proc`.

#[cfg(feature = "claims")]
mod claims;
mod disk;
mod export;
mod failover;
mod idle;
mod keep;
mod kills;
mod list;
mod million;
mod rate;
mod senders;
#[cfg(feature = "claims")]
mod sizes;
mod sources;
mod speed;
mod volley;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum};

use load::bench::{Bench, Store};
use load::table::Table;
use load::{conditions, exit_code, tabled};

/// Measures konektor-bridge under load.
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
    #[arg(default_values_t = [Part::Idle, Part::Keep, Part::Speed, Part::Rate, Part::Million])]
    parts: Vec<Part>,
    /// Rounds of `keep` and `sources`.
    #[arg(long, default_value_t = 3)]
    rounds: u64,
    /// Seconds of a round of `keep` and `sources`, for each side. A second writes some 300 MB, sorting included, and the disks of rented
    /// machines are throttled after a burst.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
    /// What the bridge keeps everything in.
    #[arg(long, default_value = "embedded")]
    store: Store,
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
    /// Memory, time and rate of an export of 100 000 leads: three minutes.
    Export,
    /// Start and throughput with two sources on, and with all and ten more: half a minute.
    Sources,
    /// What events and leads take in Redis: two minutes.
    Sizes,
    /// A primary of Redis that dies behind three sentinels: half a minute.
    Failover,
    /// Kill -9 under as much load as there can be, again and again: half a minute.
    Kills,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.to_possible_value().expect("no part is skipped").get_name())
    }
}

fn main() -> ExitCode {
    exit_code(run(Cli::parse()))
}

fn run(cli: Cli) -> Result<bool> {
    let command = cli.command.unwrap_or_else(|| Cli::parse_from(["load", "measure"]).command.expect("it was given"));
    let bench = |kept| Bench::set_up(cli.options.bridge, kept);
    match command {
        // A missed bar is seen in the table; it may be the machine's fault.
        Command::Measure(what) => {
            tabled(async |table| measure(&bench(what.store.into())?, &what, table).await).map(|_| true)
        }
        Command::Baseline { address } => keep::baseline(address).map(|()| true),
    }
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
            Part::Export => export::measure(bench, table).await?,
            Part::Sources => {
                sources::measure(bench, what.rounds, Duration::from_secs(what.seconds), table).await?;
            }
            #[cfg(feature = "claims")]
            Part::Sizes => sizes::measure(bench, table).await?,
            #[cfg(not(feature = "claims"))]
            Part::Sizes => anyhow::bail!("this was built without the store (feature `claims`)"),
            Part::Failover => failover::measure(bench, table).await?,
            Part::Kills => kills::measure(bench, table).await?,
        }
    }
    Ok(())
}
