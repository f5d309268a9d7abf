//! `api workspace`.

use super::locale::Locale;
use super::session;
use crate::app::permits::Pace;
use crate::cli::Context;
use crate::cli::failure::Exit;
use crate::konektor::wire::Workspace;

/// Show the workspace, its plan and what of it is used (needs agent.workspace.read)
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge api workspace\n  konektor-bridge api workspace --json")]
pub(in crate::cli) struct Args {
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let reply = api.workspace().await.map_err(session::not_read)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
    } else {
        session::print_fields(&fields(&reply.data), &mut context.out)?;
    }
    Ok(Exit::Done)
}

fn fields(workspace: &Workspace) -> Vec<(&'static str, Option<String>)> {
    let locale = Locale::of(workspace);
    let subscription = workspace.subscription.clone().unwrap_or_default();
    let usage = workspace.usage.unwrap_or_default();
    let today = workspace.leads_per_day();
    let paid = [subscription.plan, subscription.interval, subscription.status];
    let paid: Vec<_> = paid.into_iter().flatten().collect();
    vec![
        ("workspace", workspace.display_name.clone()),
        ("time zone", workspace.timezone.clone()),
        ("currency", workspace.currency.clone()),
        ("language", workspace.language.clone()),
        ("dates", workspace.date_format.clone()),
        ("tracking code", workspace.tracking_code.clone()),
        ("plan", Some(paid.join(", ")).filter(|paid| !paid.is_empty())),
        ("paid until", subscription.current_period_end.map(|end| format!("{} ({})", locale.time(end), locale.zone()))),
        ("leads today", today.current.map(|current| of(&locale, current, today.limit))),
        ("team members", usage.team_members.map(|count| locale.count(count))),
        ("rotators", usage.active_rotators.map(|count| locale.count(count))),
    ]
}

fn of(locale: &Locale, current: u64, limit: Option<u64>) -> String {
    match limit {
        Some(limit) => format!("{} of {}", locale.count(current), locale.count(limit)),
        None => locale.count(current),
    }
}
