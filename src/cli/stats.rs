//! `stats`: what waits, what holds it up, and how much Konektor takes today.

use std::io::{self, Write as _};

use jiff::Timestamp;

use super::Context;
use super::admin::Admin;
use super::failure::Exit;
use super::output::{Out, Text, Tone, age};
use crate::config;
use crate::ops::wire::{Day, Limiter, Outage, Stats};

/// Show what waits, what holds it up, and how many leads Konektor takes today
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge stats\n  konektor-bridge stats --json")]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let admin = Admin::of(&config::load_to_ask(&context.environment)?)?;
    let stats: Stats = admin.get(&["stats"]).await?;
    if args.json {
        context.out.json(&stats)?;
    } else {
        show(&stats, context.now(), &mut context.out)?;
    }
    Ok(Exit::Done)
}

fn show(stats: &Stats, now: Timestamp, out: &mut Out) -> io::Result<()> {
    let queues = stats.queues.iter().map(|queue| {
        let oldest = queue.oldest.map_or_else(|| "–".to_owned(), |oldest| age(oldest, now));
        [Text::from(&queue.class), Text::from(queue.ready), Text::from(queue.waiting), Text(oldest, Tone::Faint)]
    });
    out.table(["leads that wait", "ready", "for a time", "oldest"], &[0, 1, 2, 3], queues)?;
    let events: Vec<_> = stats.events.iter().map(|(state, count)| format!("{count} {state}")).collect();
    let mut lines = vec![("events", events.join(", "), Tone::Plain), ("to sort", stats.inbox.to_string(), Tone::Plain)];
    lines.extend(stats.paused.as_ref().map(|paused| {
        (
            "paused",
            format!("{} since {}; webhooks are kept; {}", paused.why, paused.since, paused.why.to_do()),
            Tone::Bad,
        )
    }));
    lines.extend(stats.full.as_ref().map(|full| ("refused", format!("every webhook: {full}"), Tone::Bad)));
    lines.extend(stats.outage.as_ref().map(|outage| ("outage", failing(outage, now), Tone::Bad)));
    lines.push(("calls", calls(&stats.limiter), Tone::Plain));
    lines.push(today(&stats.day));
    lines.extend(stats.searching_first_until.map(|until| {
        (
            "searching",
            format!("until {until} for each lead before it is created: the store may have forgotten some"),
            Tone::Doubtful,
        )
    }));
    if stats.incidents > 0 {
        let says = format!("{} leads are in Konektor more than once: konektor-bridge incidents list", stats.incidents);
        lines.push(("incidents", says, Tone::Bad));
    }
    writeln!(out)?;
    for (what, says, tone) in lines {
        let tone = tone.style();
        writeln!(out, "{what:<10} {tone}{says}{tone:#}")?;
    }
    Ok(())
}

/// Says of how this bridge sees it: another replica may fare better.
fn failing(Outage { why, since, until }: &Outage, now: Timestamp) -> String {
    let next =
        if *until > now { format!("the next try is at {until:.0}") } else { "the next call tries again".to_owned() };
    format!("Konektor fails, for this bridge since {since:.0}: {why}; webhooks are kept, calls wait; {next}")
}

fn calls(limiter: &Limiter) -> String {
    let allowed = limiter.limit.map_or_else(|| "an unknown number".to_owned(), |limit| limit.to_string());
    let blocked = limiter.blocked_until.map(|until| format!("; none before {until}")).unwrap_or_default();
    format!("{} of {allowed} in this minute{blocked}", limiter.in_use)
}

fn today(day: &Day) -> (&'static str, String, Tone) {
    let (Some(limit), Some(used)) = (day.limit, day.used) else {
        return (
            "today",
            "how many leads were made is not known (the key needs agent.workspace.read)".into(),
            Tone::Faint,
        );
    };
    let wait = |who: &str| {
        let until = day.until.map(|until| format!(" until {until}")).unwrap_or_default();
        format!("{used} of {limit} leads made; {who} wait{until} ({} now)", day.parked)
    };
    match day.state.as_str() {
        "full" => ("today", wait("new leads"), Tone::Bad),
        "near" => ("today", wait("new leads of less value and replays"), Tone::Doubtful),
        _ => ("today", format!("{used} of {limit} leads made"), Tone::Plain),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_with_its_cause_and_the_next_try() {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        let outage = Outage { why: "no connection".into(), since: at(0), until: at(90) };
        let said = failing(&outage, at(60));
        assert!(said.contains("since 2027-01-15T08:00:00Z: no connection;"), "{said}");
        assert!(said.ends_with("the next try is at 2027-01-15T08:01:30Z"), "{said}");
        assert!(failing(&outage, at(90)).ends_with("the next call tries again"));
    }
}
