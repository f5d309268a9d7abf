//! `api skill`: Konektor's own description of its API.

use std::io::{IsTerminal as _, Write as _};

use super::session;
use crate::cli::Context;
use crate::cli::failure::Exit;
use crate::cli::output::printable;

/// Show Konektor's own description of the Agent API (needs no scope)
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  konektor-bridge api skill > SKILL.md")]
pub(in crate::cli) struct Args {}

pub(super) async fn run(Args {}: Args, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::public(&context)?;
    let text = api.skill().await.map_err(session::not_read)?;
    if std::io::stdout().is_terminal() {
        write!(context.out, "{}", printable(&text))?;
    } else {
        context.out.write_all(text.as_bytes())?;
    }
    Ok(Exit::Done)
}
