//! `api conversions status|pending`.

use std::io::Write as _;

use super::analytics::PeriodArgs;
use super::session;
use super::words::word;
use crate::app::permits::Pace;
use crate::cli::Context;
use crate::cli::failure::Exit;
use crate::cli::output::{Text, Tone};
use crate::domain::status::AdPlatform;
use crate::konektor::wire::{SyncStatus, Word};

/// Show how far conversions have come on their way to the ad platforms
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  konektor-bridge api conversions pending")]
pub(in crate::cli) enum Command {
    /// Show how many stand where (needs agent.conversions.read)
    #[command(
        after_help = "Example:\n  konektor-bridge api conversions status --timeframe last_7_days --platform meta"
    )]
    Status(StatusArgs),
    /// Show those that are not with every platform yet (needs agent.conversions.read)
    #[command(after_help = "Example:\n  konektor-bridge api conversions pending")]
    Pending(PendingArgs),
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct StatusArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// Only those to this platform
    #[arg(long, value_parser = word::<AdPlatform>())]
    platform: Option<AdPlatform>,
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct PendingArgs {
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::Status(args) => status(args, context).await,
        Command::Pending(args) => pending(args, context).await,
    }
}

async fn status(args: StatusArgs, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let period = args.period.period(&api, context.now()).await?;
    let reply = api.conversions(&period, args.platform).await.map_err(session::not_read)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
        return Ok(Exit::Done);
    }
    let told = reply.data;
    let counts = [
        (SyncStatus::Pending, told.pending),
        (SyncStatus::Synced, told.synced),
        (SyncStatus::Partial, told.partial),
        (SyncStatus::Failed, told.failed),
        (SyncStatus::None, told.none),
    ];
    let rows = counts.into_iter().filter_map(|(status, count)| {
        let count = count?;
        let tone = if count == 0 { Tone::Faint } else { tone(status) };
        Some([Text(status.to_string(), tone), Text::from(count), Text(meaning(status).to_owned(), Tone::Faint)])
    });
    context.out.list(["conversions", "leads", ""], &[0, 1], rows)?;
    Ok(Exit::Done)
}

async fn pending(args: PendingArgs, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let reply = api.pending().await.map_err(session::not_read)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
    } else if reply.data.is_empty() {
        writeln!(context.out, "no conversion waits")?;
    } else {
        let locale = session::locale(&api).await?;
        let rows = reply.data.iter().map(|conversion| {
            let sync = conversion.conversion_sync_status.as_ref();
            [
                Text::from(&conversion.lead_id),
                Text::from(conversion.unique_code.as_deref().unwrap_or_default()),
                Text::from(conversion.status.as_ref().map(Word::as_str).unwrap_or_default()),
                Text::from(conversion.ad_platform.as_ref().map(Word::as_str).unwrap_or_default()),
                sync.map_or(Text::from(""), |sync| match sync {
                    Word::Known(known) => Text(known.to_string(), tone(*known)),
                    Word::Other(other) => Text::from(other),
                }),
                Text::from(conversion.last_conversion_sync_at.map_or_else(|| "–".to_owned(), |at| locale.time(at))),
            ]
        });
        context.out.list(["lead", "code", "status", "platform", "conversion", "last tried"], &[0, 1, 4, 5], rows)?;
    }
    Ok(Exit::Done)
}

const fn tone(status: SyncStatus) -> Tone {
    match status {
        SyncStatus::Pending | SyncStatus::None => Tone::Plain,
        SyncStatus::Synced => Tone::Good,
        SyncStatus::Partial => Tone::Doubtful,
        SyncStatus::Failed => Tone::Bad,
    }
}

const fn meaning(status: SyncStatus) -> &'static str {
    match status {
        SyncStatus::Pending => "not sent yet",
        SyncStatus::Synced => "every platform has them",
        SyncStatus::Partial => "some platforms have them",
        SyncStatus::Failed => "no platform took them: look at the connection in Konektor",
        SyncStatus::None => "nothing to send",
    }
}
