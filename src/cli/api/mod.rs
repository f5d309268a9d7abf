//! `api`: Konektor's Agent API from the shell, as tables or as Konektor's own JSON.

mod analytics;
mod conversions;
mod csv;
mod export;
mod leads;
mod locale;
mod session;
mod skill;
mod support;
pub(in crate::cli) mod words;
mod workspace;

pub(super) use self::session::{client, not_read, not_written};
use super::Context;
use super::failure::Exit;

/// Ask Konektor's Agent API: leads, analytics, conversions, workspace, support
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Examples:\n  konektor-bridge api leads list\n  konektor-bridge api workspace --json")]
pub(super) enum Command {
    #[command(subcommand)]
    Leads(leads::Command),
    #[command(subcommand)]
    Analytics(analytics::Command),
    #[command(subcommand)]
    Conversions(conversions::Command),
    Workspace(workspace::Args),
    #[command(subcommand)]
    Support(support::Command),
    Skill(skill::Args),
}

pub(super) async fn run(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::Leads(command) => leads::run(command, context).await,
        Command::Analytics(command) => analytics::run(command, context).await,
        Command::Conversions(command) => conversions::run(command, context).await,
        Command::Workspace(args) => workspace::run(args, context).await,
        Command::Support(command) => support::run(command, context).await,
        Command::Skill(args) => skill::run(args, context).await,
    }
}
