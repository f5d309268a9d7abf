//! `check`: goes through everything that has to be right, and says line by line what is and what to do.

mod audit;
mod konektor;
mod measure;
mod place;
mod redis;
mod senders;

use std::io::{self, Write as _};

use serde::Serialize;

use super::Context;
use super::failure::Exit;
use super::known;
use super::output::{Out, Tone, printable};
use crate::app::sources::default_region;
use crate::config::{self, Config, ConfigError};

/// Check settings, sources, store, key, scopes and plan, and say what to do
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge check\n  konektor-bridge check --json\n  \
    konektor-bridge check --store\n  konektor-bridge check --measure-search --create-leads\n\n\
    Exit code 0 when nothing fails; a warning is no failure.")]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
    /// Look through the store instead: whether all that it holds agrees with itself. Asks a running bridge, and opens the
    /// store itself where none runs
    #[arg(long)]
    store: bool,
    /// Measure, instead, how long Konektor's search takes to find a new lead: makes leads that you then have to delete
    #[arg(long)]
    measure_search: bool,
    /// Yes, make leads in this workspace
    #[arg(long, requires = "measure_search")]
    create_leads: bool,
    /// How many
    #[arg(long, value_name = "NUMBER", default_value_t = 3, requires = "measure_search",
        value_parser = clap::value_parser!(u32).range(1..=20))]
    rounds: u32,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Finding {
    level: Level,
    /// What was looked at.
    of: &'static str,
    /// What was found, and what to do if there is something to do.
    says: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Finding {
    fn ok(of: &'static str, says: impl Into<String>) -> Self {
        Self { level: Level::Ok, of, says: says.into() }
    }

    fn warn(of: &'static str, says: impl Into<String>) -> Self {
        Self { level: Level::Warn, of, says: says.into() }
    }

    fn fail(of: &'static str, says: impl Into<String>) -> Self {
        Self { level: Level::Fail, of, says: says.into() }
    }
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    if args.measure_search {
        return measure::run(args.rounds, args.create_leads, args.json, context).await;
    }
    let findings = if args.store {
        match config::load_settings(&context.environment) {
            Ok(settings) => audit::check(&settings, context.now()).await,
            Err(wrong) => settings_wrong(&wrong),
        }
    } else {
        match config::load(&context.environment) {
            Ok(config) => all(&config, &context).await,
            Err(wrong) => settings_wrong(&wrong),
        }
    };
    if args.json {
        context.out.json(&findings)?;
    } else {
        print(&findings, &mut context.out)?;
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    Ok(if failed { Exit::NotDone } else { Exit::Done })
}

async fn all(config: &Config, context: &Context) -> Vec<Finding> {
    let mut findings = settings(config);
    let known = known::once_on(&config.settings, context.now()).await;
    findings.extend(senders::check(config, known, &context.environment, context.now()));
    findings.extend(place::store(&config.settings.backend, context.now()).await);
    findings.extend(konektor::check(&config.settings, &context.clock).await);
    findings.push(place::public_url(config.settings.public_url.as_ref()).await);
    findings
}

fn settings_wrong(wrong: &ConfigError) -> Vec<Finding> {
    wrong.findings.iter().map(|finding| Finding::fail("settings", finding.to_string())).collect()
}

fn settings(config: &Config) -> Vec<Finding> {
    let files: Vec<_> =
        config.files.paths().filter(|path| path.exists()).map(|path| path.display().to_string()).collect();
    let read = if files.is_empty() { "no file".to_owned() } else { files.join(", ") };
    let region = default_region(&config.settings).err().into_iter().flat_map(|wrong| settings_wrong(&wrong));
    let warnings = config.warnings.iter().map(|warning| Finding::warn("settings", warning.clone()));
    std::iter::once(Finding::ok("settings", format!("read from the environment and {read}")))
        .chain(region)
        .chain(warnings)
        .collect()
}

fn print(findings: &[Finding], out: &mut Out) -> io::Result<()> {
    for Finding { level, of, says } in findings {
        let tone = match level {
            Level::Ok => Tone::Good,
            Level::Warn => Tone::Doubtful,
            Level::Fail => Tone::Bad,
        }
        .style();
        writeln!(out, "{tone}{:<4}{tone:#}  {of:<10} {}", <&str>::from(level), printable(says))?;
    }
    let count = |wanted: Level| findings.iter().filter(|finding| finding.level == wanted).count();
    match (count(Level::Fail), count(Level::Warn)) {
        (0, 0) => writeln!(out, "\nall is well"),
        (0, warnings) => writeln!(out, "\nnothing fails; {warnings} to look at"),
        (failures, _) => writeln!(out, "\n{failures} to mend before leads arrive"),
    }
}
