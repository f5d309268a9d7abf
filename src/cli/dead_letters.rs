//! `dead-letters list|show|replay|discard`: what was given up, and what a person does about it.

use super::Context;
use super::failure::Exit;
use super::listing::{self, ListArgs, ShowArgs};
use super::moves::{self, WhichArgs};

/// Show what was given up and why, and put it back or discard it
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  konektor-bridge dead-letters list")]
pub(super) enum Command {
    /// Show what was given up, newest first
    #[command(after_help = "Examples:\n  konektor-bridge dead-letters list\n  \
        konektor-bridge dead-letters list --reason rejected --since 3d --json")]
    List(ListArgs),
    /// Show one dead letter: why, what was tried, what the sender sent
    #[command(after_help = "Example:\n  konektor-bridge dead-letters show 0f1e2d3c4b5a69788796a5b4c3d2e1f0")]
    Show(ShowArgs),
    /// Put dead letters back, once what was wrong is repaired
    #[command(after_help = "Examples:\n  konektor-bridge dead-letters replay 0f1e2d3c4b5a69788796a5b4c3d2e1f0\n  \
        konektor-bridge dead-letters replay --source meta --since 2026-11-20\n  \
        konektor-bridge dead-letters replay --all")]
    Replay(WhichArgs),
    /// Give dead letters up for good: what the sender sent is deleted
    #[command(after_help = "Examples:\n  konektor-bridge dead-letters discard 0f1e2d3c4b5a69788796a5b4c3d2e1f0\n  \
        konektor-bridge dead-letters discard --reason unreadable")]
    Discard(WhichArgs),
}

pub(super) async fn run(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => listing::list("dead-letters", None, args, "there are no dead letters", context).await,
        Command::Show(args) => listing::show("dead-letters", args, context).await,
        Command::Replay(which) => moves::run(&["dead-letters", "replay"], "put back", which, context).await,
        Command::Discard(which) => moves::run(&["dead-letters", "discard"], "discarded", which, context).await,
    }
}
