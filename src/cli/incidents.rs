//! `incidents list|dismiss`: leads that Konektor has more than once.

use std::io::Write as _;

use super::Context;
use super::admin::Admin;
use super::failure::Exit;
use super::output::{Text, Tone, age};
use crate::config;
use crate::ops::wire::{Dismissed, Incidents, Moved};

/// Show leads that Konektor has more than once, until a person has merged them
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  konektor-bridge incidents list")]
pub(super) enum Command {
    /// Show them, those seen last first
    #[command(after_help = "Examples:\n  konektor-bridge incidents list\n  konektor-bridge incidents list --json")]
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Forget them: they were merged in Konektor
    #[command(after_help = "Examples:\n  konektor-bridge incidents dismiss meta:leadgen:987654321098765\n  \
        konektor-bridge incidents dismiss --all")]
    Dismiss(DismissArgs),
}

/// Which.
#[derive(Debug, clap::Args)]
#[group(required = true)]
pub(super) struct DismissArgs {
    /// Of this lead, by its externalRef
    lead: Option<String>,
    /// Every one there is
    #[arg(long, conflicts_with = "lead")]
    all: bool,
}

pub(super) async fn run(command: Command, mut context: Context) -> anyhow::Result<Exit> {
    let admin = Admin::of(&config::load_to_ask(&context.environment)?)?;
    match command {
        Command::List { json } => list(&admin, json, &mut context).await,
        Command::Dismiss(DismissArgs { lead, all }) => {
            let Moved { count, .. } = admin.post(&["incidents", "dismiss"], &Dismissed { lead, all }).await?;
            writeln!(context.out, "{count} dismissed")?;
            Ok(if count > 0 { Exit::Done } else { Exit::NotDone })
        }
    }
}

async fn list(admin: &Admin, json: bool, context: &mut Context) -> anyhow::Result<Exit> {
    let Incidents { incidents } = admin.get(&["incidents"]).await?;
    let now = context.now();
    if json {
        context.out.json(&incidents)?;
    } else if incidents.is_empty() {
        writeln!(context.out, "no lead is known to be there more than once")?;
    } else {
        let rows = incidents.into_iter().map(|incident| {
            [
                Text::from(incident.external_ref),
                Text::from(incident.lead_id.unwrap_or_default()),
                Text([incident.doubles, incident.twins].concat().join(" "), Tone::Bad),
                Text(age(incident.seen, now), Tone::Faint),
            ]
        });
        context.out.table(["lead", "kept", "also there", "seen"], &[0, 1], rows)?;
        writeln!(context.out, "\nMerge them in Konektor into the one that is kept, then dismiss them here.")?;
    }
    Ok(Exit::Done)
}
