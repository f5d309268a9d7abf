//! `api analytics summary|funnel|campaigns`.

use std::io::Write as _;

use jiff::Timestamp;

use super::session;
use super::words::word;
use crate::app::permits::Pace;
use crate::cli::Context;
use crate::cli::failure::Exit;
use crate::cli::moment::Moment;
use crate::cli::output::{Out, Text, Tone};
use crate::konektor::wire::{FunnelStep, Timeframe, Word};
use crate::konektor::{Api, Period};

/// The longest bar, in characters …
const BAR: usize = 32;
/// … and the shortest longest one, on a narrow terminal.
const SHORT_BAR: usize = 8;
/// What stands beside it in a line: the longest status, a count, a share, and the space between.
const BESIDE_BAR: usize = 34;

/// Show the leads of a period in numbers
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  konektor-bridge api analytics funnel")]
pub(in crate::cli) enum Command {
    /// Show how many leads came and what was won (needs agent.analytics.read)
    #[command(after_help = "Example:\n  konektor-bridge api analytics summary --timeframe last_7_days")]
    Summary(Args),
    /// Show how many leads stand where (needs agent.analytics.read)
    #[command(after_help = "Example:\n  konektor-bridge api analytics funnel --timeframe current_month")]
    Funnel(Args),
    /// Show what each campaign brought (needs agent.analytics.read)
    #[command(after_help = "Example:\n  konektor-bridge api analytics campaigns --from 2026-11-01 --to 2026-11-15")]
    Campaigns(Args),
}

/// What every report takes.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    period: PeriodArgs,
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

/// The time that a report is of.
#[derive(Debug, Clone, clap::Args)]
pub(in crate::cli) struct PeriodArgs {
    /// A time that has a name; otherwise the last 30 days
    #[arg(long, value_parser = word::<Timeframe>(), conflicts_with_all = ["from", "to"])]
    timeframe: Option<Timeframe>,
    /// From this time on: 2h (ago), 3d, 2026-11-20 (as the workspace's days begin), 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME")]
    from: Option<Moment>,
    /// Up to this time
    #[arg(long, value_name = "TIME")]
    to: Option<Moment>,
}

impl PeriodArgs {
    pub(super) async fn period(self, api: &Api, now: Timestamp) -> anyhow::Result<Period> {
        if let (timeframe, None, None) = (self.timeframe, self.from, self.to) {
            return Ok(Period::Frame(timeframe.unwrap_or_default()));
        }
        let (from, to) = session::span(api, ("--from", self.from), ("--to", self.to), now).await?;
        Ok(Period::Between { from, to })
    }
}

pub(super) async fn run(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::Summary(args) => summary(args, context).await,
        Command::Funnel(args) => funnel(args, context).await,
        Command::Campaigns(args) => campaigns(args, context).await,
    }
}

async fn summary(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let reply = api.summary(&args.period.period(&api, context.now()).await?).await.map_err(session::not_read)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
        return Ok(Exit::Done);
    }
    let locale = session::locale(&api).await?;
    let summary = &reply.data;
    let count = |count: Option<u64>| count.map(|count| locale.count(count));
    let period = summary.period.unwrap_or_default();
    let at = |at: Option<Timestamp>| at.map_or_else(|| "…".to_owned(), |at| locale.time(at));
    let fields = [
        ("leads", count(summary.total_leads)),
        ("  new", count(summary.new_leads)),
        ("  contacted", count(summary.contacted_leads)),
        ("conversions", count(summary.total_conversions)),
        ("  worth", summary.total_conversion_value.as_ref().map(|value| locale.money(value))),
        ("period", Some(format!("{} – {} ({})", at(period.from), at(period.to), locale.zone()))),
    ];
    session::print_fields(&fields, &mut context.out)?;
    Ok(Exit::Done)
}

async fn funnel(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let reply = api.funnel(&args.period.period(&api, context.now()).await?).await.map_err(session::not_read)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
    } else {
        bars(&reply.data, &mut context.out)?;
    }
    Ok(Exit::Done)
}

fn bars(steps: &[FunnelStep], out: &mut Out) -> anyhow::Result<()> {
    if steps.is_empty() {
        return Ok(writeln!(out, "there are no leads in this time")?);
    }
    let room = Out::width().map_or(BAR, |wide| usize::from(wide).saturating_sub(BESIDE_BAR).clamp(SHORT_BAR, BAR));
    let most = steps.iter().filter_map(|step| step.count).max().unwrap_or_default();
    let rows = steps.iter().map(|step| {
        let count = step.count.unwrap_or_default();
        let share = step.percentage.map(|share| format!("{share:.2} %")).unwrap_or_default();
        [
            Text::from(&step.status),
            Text(bar(count, most, room), Tone::Good),
            Text::from(count),
            Text(share, Tone::Faint),
        ]
    });
    Ok(out.list(["status", "", "leads", "share"], &[0, 2, 3], rows)?)
}

/// A bar that is as long of `room` as `count` is of `most`, in eighths of a character; nothing only for nothing.
fn bar(count: u64, most: u64, room: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let length = u128::from(count) * (room as u128 * 8) / u128::from(most.max(1));
    let length = usize::try_from(length).expect("it is at most a bar").max(usize::from(count > 0));
    format!("{}{}", "█".repeat(length / 8), EIGHTHS[length % 8])
}

async fn campaigns(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let reply = api.campaigns(&args.period.period(&api, context.now()).await?).await.map_err(session::not_read)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
    } else if reply.data.is_empty() {
        writeln!(context.out, "there are no campaigns in this time")?;
    } else {
        let locale = session::locale(&api).await?;
        let count = |count: Option<u64>| Text::from(count.map(|count| locale.count(count)).unwrap_or_default());
        let rows = reply.data.iter().map(|campaign| {
            [
                Text::from(campaign.campaign_name.as_deref().unwrap_or("–")),
                Text::from(campaign.ad_platform.as_ref().map(Word::as_str).unwrap_or_default()),
                count(campaign.leads),
                count(campaign.conversions),
                Text::from(campaign.conversion_value.as_ref().map(|value| locale.money(value)).unwrap_or_default()),
            ]
        });
        context.out.list(["campaign", "platform", "leads", "conversions", "worth"], &[1, 2, 3, 4], rows)?;
    }
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_its_share_and_nothing_only_for_nothing() {
        let length = |count, most| bar(count, most, BAR).chars().count();
        assert_eq!([length(0, 1000), length(1, 1000), length(500, 1000), length(1000, 1000)], [0, 1, 16, 32]);
        assert_eq!((bar(0, 0, BAR), bar(3, 64, BAR)), (String::new(), "█▌".to_owned()));
        assert_eq!(length(u64::MAX, u64::MAX), 32);
        assert_eq!(bar(500, 1000, SHORT_BAR).chars().count(), 4, "on a narrow terminal");
    }
}
