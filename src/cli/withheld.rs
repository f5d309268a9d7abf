//! `withheld list|release|discard`: what is not forwarded by policy, until a person says otherwise.

use super::Context;
use super::failure::Exit;
use super::listing::{self, ListArgs};
use super::moves::{self, WhichArgs};

/// Show what is not forwarded by policy (test leads, junk), and release or discard it
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  konektor-bridge withheld list")]
pub(super) enum Command {
    /// Show what is withheld, newest first
    #[command(after_help = "Examples:\n  konektor-bridge withheld list\n  \
        konektor-bridge withheld list --reason test_lead --json")]
    List(ListArgs),
    /// Let withheld events go to Konektor after all
    #[command(after_help = "Examples:\n  konektor-bridge withheld release 0f1e2d3c4b5a69788796a5b4c3d2e1f0\n  \
        konektor-bridge withheld release --source form --reason source_on_hold")]
    Release(WhichArgs),
    /// Give withheld events up for good: what the sender sent is deleted
    #[command(after_help = "Examples:\n  konektor-bridge withheld discard 0f1e2d3c4b5a69788796a5b4c3d2e1f0\n  \
        konektor-bridge withheld discard --reason spam")]
    Discard(WhichArgs),
}

pub(super) async fn run(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => listing::list("withheld", None, args, "nothing is withheld", context).await,
        Command::Release(which) => moves::run(&["withheld", "release"], "released", which, context).await,
        Command::Discard(which) => moves::run(&["withheld", "discard"], "discarded", which, context).await,
    }
}
