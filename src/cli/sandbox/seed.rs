//! `sandbox seed`: a database with a workspace that looks lived in.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context as _;

use crate::cli::Context;
use crate::cli::failure::Exit;
use crate::sandbox::{self, Database, Key, Seeding, Workspace};

/// Fill a database with made-up leads: several campaigns, every status
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge sandbox seed --database sandbox.db\n  \
    konektor-bridge sandbox seed --database large.db --leads 100000\n\n\
    The people do not exist: their addresses are at example.com, their numbers begin with +6281200.\n\
    The same seed on the same day makes the same leads. A workspace that has leads already is left alone.")]
pub(super) struct Args {
    /// The SQLite file, made when it is not there
    #[arg(long, value_name = "FILE")]
    database: PathBuf,
    /// How many leads
    #[arg(long, default_value_t = Seeding::default().leads)]
    leads: u32,
    /// In how many days before today they came
    #[arg(long, default_value_t = Seeding::default().days)]
    days: u32,
    /// Another seed makes other leads
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// The key of the workspace
    #[arg(long, default_value = sandbox::DEFAULT_KEY)]
    key: String,
}

pub(super) fn run(args: &Args, mut context: Context) -> anyhow::Result<Exit> {
    let workspace = Workspace { keys: vec![Key::with_all_scopes(&args.key)], ..Workspace::default() };
    let seeding = Seeding { leads: args.leads, days: args.days, seed: args.seed };
    sandbox::seed(&Database::File(args.database.clone()), &workspace, seeding, context.clock.now())?;
    let file = args.database.display();
    writeln!(context.out, "{file} has {} leads of the last {} days.\n", args.leads, args.days)
        .and_then(|()| writeln!(context.out, "  serve them        konektor-bridge sandbox --database {file}"))
        .and_then(|()| context.out.flush())
        .context("cannot write to standard output")?;
    Ok(Exit::Done)
}
