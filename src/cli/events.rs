//! `events list|show`: what came in, and what became of it.

use super::Context;
use super::failure::Exit;
use super::listing::{self, ListArgs, ShowArgs};
use crate::store::EventState;

/// Show what came in, and what became of it
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  konektor-bridge events list")]
pub(super) enum Command {
    /// Show what came in, newest first
    #[command(after_help = "Examples:\n  konektor-bridge events list\n  \
        konektor-bridge events list --source meta --since 2h\n  \
        konektor-bridge events list --state dead --json\n  \
        konektor-bridge events list --lead form:form:7c9e6679\n  \
        konektor-bridge events list --request 01a2b3c4-d5e6-7f80-9a0b-1c2d3e4f5061   # as its sender was told")]
    List {
        /// Only in this state: pending, delivered, withheld, dead or discarded
        #[arg(long)]
        state: Option<EventState>,
        #[command(flatten)]
        args: ListArgs,
    },
    /// Show one event, with what was tried and what the sender sent
    #[command(after_help = "Example:\n  konektor-bridge events show 0f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    Show(ShowArgs),
}

pub(super) async fn run(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::List { state, args } => listing::list("events", state, args, "nothing has come in", context).await,
        Command::Show(args) => listing::show("events", args, context).await,
    }
}
