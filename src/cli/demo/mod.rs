//! `demo`: everything on this machine, told as a story. Nothing in it is made up: each line is read from the bridge and
//! from the local Konektor after the fact, and held against what should have come of it.

mod acts;
mod finale;
mod stage;
mod story;

use std::io::Write as _;
use std::time::Duration;

use jiff::SignedDuration;

use self::stage::Stage;
use self::story::Story;
use super::Context;
use super::failure::Exit;
use super::output::Out;
use super::sandbox::faults;
use super::stopping::asked_to_stop;
use crate::telemetry::{self, Lines};

/// Run a local Konektor and the bridge, send a signed sample from each sender, and show what becomes of them
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  konektor-bridge demo\n  konektor-bridge demo --once      # exit code 0 when all came out right\n  \
    konektor-bridge demo --fault latency=300ms\n\n\
    Nothing leaves this machine, and what it kept is deleted when it ends. BRIDGE_LOG=info shows the bridge's log."
)]
pub(super) struct Args {
    /// End when the story is told; exit code 0 when all came out right, else 1
    #[arg(long)]
    once: bool,
    /// How long all waiting together may take before what is waited for counts as not come
    #[arg(long, value_name = "TIME", default_value = "6s")]
    patience: SignedDuration,
    /// Something that goes wrong in the local Konektor, as in `sandbox`; may be repeated
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    faults: Vec<String>,
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    if let Some(filter) = context.environment.get("BRIDGE_LOG") {
        telemetry::init(filter, Lines::Auto)?;
    }
    let ports = if args.once { stage::Ports::Any } else { stage::Ports::Friendly };
    let stage = Stage::set(ports, faults(&args.faults)?, context.clock.clone()).await?;
    let told = tokio::select! {
        wrong = tell(&stage, args.patience.unsigned_abs(), &mut context.out) => Some(wrong?),
        stopped = asked_to_stop() => stopped.map(|()| None)?,
    };
    if told.is_some() && !args.once {
        finale::what_to_try(&stage, &mut context.out)?;
        context.out.flush()?;
        asked_to_stop().await?;
    }
    stage.clear().await?;
    Ok(if told == Some(0) { Exit::Done } else { Exit::NotDone })
}

/// Tells the story, and gives how many things did not come out right.
async fn tell(stage: &Stage, patience: Duration, out: &mut Out) -> anyhow::Result<usize> {
    let mut story = Story::begin(patience, out);
    stage.introduce(&mut story)?;
    acts::play(stage, &mut story).await?;
    finale::leads(stage, &mut story).await?;
    Ok(story.end()?)
}
