//! What the listings of events share: conditions, the table, one event whole.

use std::io::{self, Write as _};

use anyhow::bail;
use jiff::Timestamp;

use super::Context;
use super::admin::Admin;
use super::failure::Exit;
use super::moment::Moment;
use super::output::{Out, Text, Tone, age, printable, took};
use super::payload;
use crate::config;
use crate::http::is_request_id;
use crate::ops::wire::{Event, EventDetail, Lane, ListQuery, Which};
use crate::store::{Attempt, EventState};

/// What is said where no event is of a request.
const NOTHING_BROUGHT: &str = "no event here is of this request: what it told may have been known already, still wait to be sorted \
     (konektor-bridge stats), or have ended long ago";

/// Conditions that all must hold.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct Filter {
    /// Only from this source
    #[arg(long)]
    source: Option<String>,
    /// Only withheld or dead for this reason
    #[arg(long)]
    reason: Option<String>,
    /// Only received since: 2h (ago), 3d, 2026-11-20, 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Only received before
    #[arg(long, value_name = "TIME")]
    until: Option<Moment>,
    /// Only of this lead, by its externalRef
    #[arg(long, value_name = "EXTERNAL_REF")]
    lead: Option<String>,
    /// Only what this request brought: the `X-Request-Id` that its sender got, the `id` that a form's visitor did
    #[arg(long, value_name = "ID")]
    request: Option<String>,
}

impl Filter {
    pub(super) fn query(self, state: Option<EventState>, now: Timestamp) -> ListQuery {
        let Self { source, reason, since, until, lead, request } = self;
        let at = |moment: Option<Moment>| moment.map(|moment| moment.resolve(now));
        ListQuery {
            limit: None,
            cursor: None,
            state,
            source,
            reason,
            since: at(since),
            until: at(until),
            lead,
            request,
        }
    }

    fn is_any(&self) -> bool {
        let Self { source, reason, since, until, lead, request } = self;
        let told = [source, reason, lead, request].into_iter().any(Option::is_some);
        told || since.is_some() || until.is_some()
    }

    pub(super) fn which(self, now: Timestamp) -> Which {
        let ListQuery { source, reason, since, until, lead, request, .. } = self.query(None, now);
        Which { source, reason, since, until, lead, request, ..Which::default() }
    }
}

/// What every list takes.
#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    filter: Filter,
    /// At most so many, the newest
    #[arg(long, value_name = "NUMBER", default_value_t = 50, value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    limit: usize,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What a command for one event takes.
#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The event's id, as the list shows it, or the id of the request that brought it
    id: String,
    /// All of the payload, however long it is
    #[arg(long)]
    whole: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// Shows one of the admin API's lists of events; `nothing` is said when it is empty whatever is asked for.
pub(super) async fn list(
    list: &str,
    state: Option<EventState>,
    args: ListArgs,
    nothing: &str,
    mut context: Context,
) -> anyhow::Result<Exit> {
    let now = context.now();
    let nothing = if args.filter.request.is_some() {
        NOTHING_BROUGHT
    } else if args.filter.is_any() || state.is_some() {
        "nothing matches"
    } else {
        nothing
    };
    let admin = Admin::of(&config::load_to_ask(&context.environment)?)?;
    let query = args.filter.query(state, now);
    let source = query.source.clone();
    let (events, more) = admin.events(list, query, args.limit).await?;
    if let Some(source) = source.filter(|_| events.is_empty()) {
        admin.knows_source(&source).await?;
    }
    if args.json {
        context.out.json(&events)?;
    } else if events.is_empty() {
        writeln!(context.out, "{nothing}")?;
    } else {
        table(&events, now, &mut context.out)?;
    }
    if more {
        writeln!(anstream::stderr(), "there are more; --limit shows more of them, --since and --source others")?;
    }
    Ok(Exit::Done)
}

/// Shows one event of a list, whole.
pub(super) async fn show(list: &str, args: ShowArgs, mut context: Context) -> anyhow::Result<Exit> {
    let admin = Admin::of(&config::load_to_ask(&context.environment)?)?;
    let id = if is_request_id(&args.id) { brought_by(args.id, list, &admin).await? } else { args.id };
    let detail: EventDetail = admin.get(&[list, &id]).await?;
    if args.json {
        context.out.json(&detail)?;
    } else {
        one(&detail, args.whole, context.now(), &mut context.out)?;
    }
    Ok(Exit::Done)
}

/// The id of the one event in `list` that a request has brought.
async fn brought_by(request: String, list: &str, admin: &Admin) -> anyhow::Result<String> {
    let query = ListQuery { request: Some(request.clone()), ..ListQuery::default() };
    let (mut events, more) = admin.events(list, query, 1).await?;
    match events.pop() {
        Some(event) if !more => Ok(event.id),
        Some(_) => bail!("this request brought several; konektor-bridge {list} list --request {request} shows them"),
        None => bail!(NOTHING_BROUGHT),
    }
}

fn table(events: &[Event], now: Timestamp, out: &mut Out) -> io::Result<()> {
    let rows = events.iter().map(|event| {
        [
            Text::from(&event.id),
            Text(age(event.received, now), Tone::Faint),
            Text::from(&event.source),
            Text(event.state.to_string(), tone(event.state)),
            Text::from(event.reason.as_deref().unwrap_or_default()),
            Text::from(event.external_ref.as_deref().unwrap_or("–")),
        ]
    });
    out.list(["event", "age", "source", "state", "reason", "lead"], &[0, 1, 2, 3, 4], rows)
}

const fn tone(state: EventState) -> Tone {
    match state {
        EventState::Pending => Tone::Plain,
        EventState::Delivered => Tone::Good,
        EventState::Withheld => Tone::Doubtful,
        EventState::Dead => Tone::Bad,
        EventState::Discarded => Tone::Faint,
    }
}

fn one(detail: &EventDetail, whole: bool, now: Timestamp, out: &mut Out) -> io::Result<()> {
    let EventDetail { event, payload, lane } = detail;
    let state = tone(event.state).style();
    writeln!(out, "event      {}", event.id)?;
    writeln!(out, "source     {}", event.source)?;
    writeln!(
        out,
        "lead       {}",
        printable(event.external_ref.as_deref().unwrap_or("– (the webhook could not be split)"))
    )?;
    writeln!(out, "received   {:.0} ({} ago)", event.received, age(event.received, now))?;
    writeln!(out, "request    {}", event.request_id)?;
    write!(out, "state      {state}{}{state:#}", event.state)?;
    if let Some(ended) = event.ended {
        write!(out, " since {ended:.0} ({} ago)", age(ended, now))?;
    }
    writeln!(out)?;
    let said = [("lead id", &event.lead_id), ("reason", &event.reason), ("detail", &event.detail)];
    for (label, text) in said {
        if let Some(text) = text {
            writeln!(out, "{label:<10} {}", printable(text))?;
        }
    }
    if let Some(lane) = lane {
        print_lane(lane, now, out)?;
    }
    if let Some(payload) = payload {
        payload::print(payload, whole, out)?;
    }
    Ok(())
}

fn print_lane(lane: &Lane, now: Timestamp, out: &mut Out) -> io::Result<()> {
    let faint = Tone::Faint.style();
    writeln!(
        out,
        "\n{faint}LANE{faint:#}       {}, {} waiting, {} failed in a row",
        lane.state, lane.pending, lane.attempts
    )?;
    if let Some(since) = lane.in_doubt_since {
        writeln!(
            out,
            "in doubt   a create was sent {} ago and its end is not known: it is searched for",
            age(since, now)
        )?;
    }
    if let Some(id) = &lane.adopting {
        writeln!(out, "adopting   {}: an update of it got no answer, and it is gone on with", printable(id))?;
    }
    if let Some(due) = lane.due {
        writeln!(out, "due        {due:.0}")?;
    }
    for Attempt { at, call, status, millis, note } in &lane.log {
        let status = status.map_or_else(|| "–".to_owned(), |status| status.to_string());
        let took = lasted(*millis);
        writeln!(out, "{:<10} {call} {status} in {took} {}", age(*at, now) + " ago", printable(note))?;
    }
    Ok(())
}

/// How long a call took, of which whole milliseconds are known.
fn lasted(millis: u64) -> String {
    if millis == 0 { "under 1 ms".to_owned() } else { took(std::time::Duration::from_millis(millis)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_took_no_whole_millisecond_did_not_take_none() {
        assert_eq!([0, 1, 250].map(lasted), ["under 1 ms", "1.0 ms", "250 ms"]);
    }
}
