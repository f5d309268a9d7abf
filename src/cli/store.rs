//! `store migrate`: everything from one store to another.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::time::sleep;

use super::Context;
use super::failure::{BadUsage, Exit};
use super::output::Text;
use crate::app::store::open_to_move;
use crate::config::{self, Backend, Settings};
use crate::store::moving::{Ended, MoveError, give_up, move_all};
use crate::store::{EventState, Store, Tally, may_pass};

/// How often a step that failed is tried again, and how long is waited before.
const TRIES: u32 = 10;
const AGAIN: Duration = Duration::from_secs(1);

/// Move what is kept between the embedded store and Redis
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  REDIS_URL=redis://… konektor-bridge store migrate --from embedded --to redis")]
pub(super) enum Command {
    Migrate(Args),
}

/// Move everything from one store to the other: what is not delivered, what is known of each lead, receipts, dead letters,
/// withheld leads, settings
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  REDIS_URL=redis://… konektor-bridge store migrate --from embedded --to redis\n  \
    REDIS_URL=redis://… konektor-bridge store migrate --from redis --to embedded\n\n\
    Stop the bridge first. The same command goes on where it was interrupted, and does nothing when all is done; both ends\n\
    are counted and compared at the end. After it, no bridge serves on the store that was given away.")]
pub(super) struct Args {
    /// Where everything is
    #[arg(long)]
    from: Place,
    /// Where it goes: has to be empty
    #[arg(long)]
    to: Place,
    /// Do not go on with a move that was begun: what was to be given away may be served on again
    #[arg(long)]
    give_up: bool,
}

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// In BRIDGE_DATA_DIR
    Embedded,
    /// In REDIS_URL, under REDIS_PREFIX
    Redis,
}

pub(super) async fn run(Command::Migrate(args): Command, mut context: Context) -> anyhow::Result<Exit> {
    if args.from == args.to {
        return Err(BadUsage("--from and --to name the same store".to_owned()).into());
    }
    let settings = config::load_settings(&context.environment)?;
    let (from, to) = (backend(args.from, &settings)?, backend(args.to, &settings)?);
    if let Backend::Embedded { data_dir } = &from
        && !data_dir.join("store.db").exists()
    {
        bail!("there is no store in {}; set BRIDGE_DATA_DIR", data_dir.display());
    }
    let from = open_to_move(&from, &settings, Arc::clone(&context.clock)).await?;
    let to = open_to_move(&to, &settings, Arc::clone(&context.clock)).await?;
    let ended = if args.give_up {
        give_up(from.store.as_ref(), to.store.as_ref()).await.map(|()| None)
    } else {
        let now = from.clock.now();
        let bar = progress(total(from.store.as_ref(), now).await?, total(to.store.as_ref(), now).await?);
        moved(from.store.as_ref(), to.store.as_ref(), &bar).await.map(Some)
    };
    from.store.close().await;
    to.store.close().await;
    match ended.context("it was not moved")? {
        None => writeln!(context.out, "given up; empty the store that was to take everything before it takes another")?,
        Some(Ended::Already) => writeln!(context.out, "everything has been moved before")?,
        Some(Ended::Moved { from, to }) => return show(&from, &to, &mut context),
    }
    Ok(Exit::Done)
}

/// Moves everything. What may pass by itself is waited for.
async fn moved(from: &dyn Store, to: &dyn Store, bar: &ProgressBar) -> Result<Ended, MoveError> {
    let id = uuid::Uuid::new_v4().simple().to_string();
    let (mut leads, mut left) = (0, TRIES);
    loop {
        let mut steps = 0;
        let ended = move_all(from, to, &id, |parts| {
            steps += 1;
            leads += parts.leads();
            bar.set_message(HumanCount(leads).to_string());
            bar.inc(parts.payloads());
        });
        match ended.await {
            Err(MoveError::Store(error)) if may_pass(&error) && left > 0 => {
                // The step that failed was the only one, or others went before it.
                left = if steps > 1 { TRIES } else { left - 1 };
                // Whoever does not read it misses nothing.
                let _told = bar.suspend(|| writeln!(io::stderr(), "{error}; it is tried again"));
                sleep(AGAIN).await;
            }
            ended => {
                bar.finish_and_clear();
                return ended;
            }
        }
    }
}

fn backend(place: Place, settings: &Settings) -> anyhow::Result<Backend> {
    match (place, &settings.backend) {
        (Place::Embedded, _) => Ok(Backend::Embedded { data_dir: settings.data_dir.clone() }),
        (Place::Redis, Backend::Redis(_)) => Ok(settings.backend.clone()),
        (Place::Redis, Backend::Embedded { .. }) => Err(BadUsage("set REDIS_URL".to_owned()).into()),
    }
}

/// Events and webhooks that there are.
async fn total(store: &dyn Store, now: jiff::Timestamp) -> anyhow::Result<u64> {
    let stats = store.stats(now).await?;
    let events = stats.events.iter().map(|(_, count): &(EventState, u64)| count).sum::<u64>();
    Ok(stats.inbox + events)
}

/// A bar on a terminal. So many events are there already, of a move that was begun before.
fn progress(total: u64, there: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    // Leads go first, and nobody has counted them.
    let style = ProgressStyle::with_template("{bar:40} {msg} leads, {human_pos} of {human_len} events, {elapsed}")
        .expect("it is a template");
    ProgressBar::new(total).with_style(style).with_message("0").with_position(there)
}

/// Shows what each end holds, which has to be the same.
fn show(from: &Tally, to: &Tally, context: &mut Context) -> anyhow::Result<Exit> {
    let kinds: BTreeSet<&String> =
        from.counts.keys().chain(to.counts.keys()).filter(|kind| *kind != "counters").collect();
    let count = |tally: &Tally, kind: &String| Text::from(tally.counts.get(kind).copied().unwrap_or(0));
    let rows = kinds.into_iter().map(|kind| [Text::from(kind), count(from, kind), count(to, kind)]);
    context.out.table(["", "given", "there now"], &[0, 1, 2], rows)?;
    if from != to {
        bail!("the two do not hold the same ({} and {}); keep both, and report this", from.digest(), to.digest());
    }
    writeln!(context.out, "everything has been moved, and is the same on both ends: {}", to.digest())?;
    Ok(Exit::Done)
}
