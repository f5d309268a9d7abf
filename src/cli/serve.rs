//! `serve`: run the bridge until it is told to stop.

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::Context;
use super::failure::{BadUsage, Exit};
use super::local::also_from;
use super::stopping::asked_to_stop;
use crate::app::bridge::{Bridge, Deliver, Start};
use crate::app::store::{self, Opened, State};
use crate::config::{self, LogFormat};
use crate::loopback::reached;
use crate::telemetry::{self, Lines};

/// Run the bridge
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  KONEKTOR_API_KEY=… FORM_ALLOWED_ORIGINS=https://www.example.com konektor-bridge serve\n  \
    konektor-bridge serve --restored    # the first start after a backup was put back\n\n\
    It stops on SIGTERM or Ctrl-C, and settles first what is under way. SIGHUP or a changed file reloads sources and\n\
    secrets."
)]
pub(super) struct Args {
    /// An older state of the store was put back, or it was emptied: for seven days new leads are searched for
    /// before they are created. Once is enough
    #[arg(long)]
    restored: bool,
}

pub(super) async fn run(Args { restored }: Args, mut context: Context) -> anyhow::Result<Exit> {
    let config = config::load(&context.environment)?;
    if config.settings.api_key.is_none() {
        let says = "set KONEKTOR_API_KEY; make a key in Konektor under Workspace Settings, API Keys";
        return Err(BadUsage(says.to_owned()).into());
    }
    telemetry::init(&config.settings.log, lines(config.settings.log_format)).context("log lines cannot be set up")?;
    config.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
    let state = if restored { State::Restored } else { State::AsItWas };
    let Opened { store, clock, failed } = store::open(&config.settings, state, Arc::clone(&context.clock)).await?;
    let environment = context.environment.clone();
    let start = Start { config, environment, store, clock, delivery: Deliver::Always };
    let bridge = Bridge::start(start).await?;
    announce(&bridge, &mut context)?;
    let failure = tokio::select! {
        asked = asked_to_stop() => asked.map(|()| None)?,
        why = failed => Some(why),
    };
    tracing::info!("stopping: what is under way is settled first");
    bridge.stop().await?;
    match failure {
        None => Ok(Exit::Done),
        Some(why) => bail!("the store has stopped ({why}); look at the disk, then start the bridge again"),
    }
}

/// Says where it listens: the ports are the real ones, also where 0 was asked for, and the addresses such as open here.
fn announce(bridge: &Bridge, context: &mut Context) -> std::io::Result<()> {
    let place = |address| format!("http://{}{}", reached(address), also_from(address));
    writeln!(context.out, "webhooks on {}", place(bridge.public_address()))?;
    match bridge.admin_address() {
        Some(address) => writeln!(context.out, "admin API on {}", place(address))?,
        None => writeln!(context.out, "no admin API")?,
    }
    context.out.flush()
}

const fn lines(format: LogFormat) -> Lines {
    match format {
        LogFormat::Auto => Lines::Auto,
        LogFormat::Text => Lines::Text,
        LogFormat::Json => Lines::Json,
    }
}
