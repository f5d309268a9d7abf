//! `healthcheck`: for containers. Quick, quiet, and by the same settings as the bridge beside it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{anyhow, ensure};

use super::Context;
use super::failure::{BadUsage, Exit};
use super::local;
use crate::config::{self, Admin};

/// Containers give a check few seconds; a bridge that needs two for this is not well.
const PATIENCE: Duration = Duration::from_secs(2);

/// Ask the bridge on this machine whether it is well, for containers
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  konektor-bridge healthcheck\n\n\
    Asks /healthz where BRIDGE_LISTEN says, and /readyz where BRIDGE_ADMIN_LISTEN says.")]
pub(super) struct Args {}

pub(super) async fn run(Args {}: Args, context: Context) -> anyhow::Result<Exit> {
    let settings = config::load_to_ask(&context.environment)?;
    ask(settings.listen, "healthz").await?;
    if let Admin::Open(address) | Admin::Guarded(address, _) = settings.admin {
        ask(address, "readyz").await?;
    }
    Ok(Exit::Done)
}

async fn ask(address: SocketAddr, path: &str) -> anyhow::Result<()> {
    let base = local::url_of(address)
        .ok_or_else(|| BadUsage(format!("give the bridge fixed ports: {address} says nothing of where it is")))?;
    let http = local::client(&base, PATIENCE)?;
    let url = local::below(&base, &[path]).to_string();
    let answer = http.get(&url).send().await.map_err(|_| {
        anyhow!("the bridge does not answer at {url}; start it with `konektor-bridge serve`, or look into its log")
    })?;
    ensure!(answer.status().is_success(), "the bridge answers {} at {url}; its log says why", answer.status().as_u16());
    Ok(())
}
