//! `api leads list|get|create|update|export`.

use std::io::Write as _;

use jiff::Timestamp;

use super::words::word;
use super::{export, session};
use crate::app::permits::Pace;
use crate::cli::Context;
use crate::cli::failure::{BadUsage, Exit};
use crate::cli::moment::Moment;
use crate::cli::output::{Out, Text, Tone};
use crate::domain::lead::LeadId;
use crate::domain::status::{AdPlatform, LeadSource, Priority, Status};
use crate::konektor::wire::{Change, Cursor, LeadBody, LeadView, Money, Page, Pagination, Word};
use crate::konektor::{Api, LeadFilter, ListQuery, Place, Reply, SortBy, SortOrder};

/// List, read, make, change and export leads
#[derive(Debug, clap::Subcommand)]
#[command(after_help = "Example:\n  konektor-bridge api leads list --status new")]
pub(in crate::cli) enum Command {
    /// Show leads, a page at a time (needs agent.leads.read)
    #[command(after_help = "Examples:\n  konektor-bridge api leads list\n  \
        konektor-bridge api leads list --status new --source ads --created-from 7d --limit 100\n  \
        konektor-bridge api leads list --search 0812 --json")]
    List(ListArgs),
    /// Show one lead (needs agent.leads.read)
    #[command(after_help = "Example:\n  konektor-bridge api leads get lead_abc123")]
    Get(GetArgs),
    /// Make a lead (needs agent.leads.write)
    #[command(
        after_help = "Example:\n  konektor-bridge api leads create --first-name Siti --phone +6281200010002 --source phone\n\n\
        Konektor does not look for doubles: twice is two leads. A status can fire a paid ad event."
    )]
    Create(CreateArgs),
    /// Change a lead's fields; what is not named stays (needs agent.leads.write)
    #[command(
        after_help = "Example:\n  konektor-bridge api leads update lead_abc123 --status contacted --notes 'Called back'\n\n\
        Notes replace what was there. A status can fire a paid ad event."
    )]
    Update(UpdateArgs),
    /// Write all leads that fit to a file, as CSV or JSON Lines (needs agent.leads.read)
    #[command(after_help = "Examples:\n  konektor-bridge api leads export leads.csv\n  \
        konektor-bridge api leads export leads.jsonl --created-from 2026-11-01\n  \
        konektor-bridge api leads export --format jsonl | head\n\n\
        Leads made after it began are not in it. It leaves a tenth of the rate limit to a running bridge.\n\
        In CSV, text that a spreadsheet would take for a formula (it begins with = + - @, a tab or a line end) gets\n\
        a ' in front; numbers and phone numbers such as +6281200010002 stay as they are. JSON Lines is Konektor's own.")]
    Export(export::Args),
}

/// Conditions that all must hold.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct FilterArgs {
    /// Only those that stand here
    #[arg(long, value_parser = word::<Status>())]
    status: Option<Status>,
    /// Only those this urgent
    #[arg(long, value_parser = word::<Priority>())]
    priority: Option<Priority>,
    /// Only those that came by this channel
    #[arg(long, value_parser = word::<LeadSource>())]
    source: Option<LeadSource>,
    /// Only those credited to this ad network
    #[arg(long, value_parser = word::<AdPlatform>())]
    ad_platform: Option<AdPlatform>,
    /// Only those of this team member
    #[arg(long, value_name = "UUID")]
    assigned_to: Option<String>,
    /// Only those made since: 2h (ago), 3d, 2026-11-20 (as the workspace's days begin), 2026-11-20T08:00:00Z
    #[arg(long, value_name = "TIME")]
    created_from: Option<Moment>,
    /// Only those made before
    #[arg(long, value_name = "TIME")]
    created_to: Option<Moment>,
    /// Only those with this in name, email, phone, code or externalRef
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,
}

impl FilterArgs {
    pub(super) async fn filter(self, api: &Api, now: Timestamp) -> anyhow::Result<LeadFilter> {
        let (from, to) = (("--created-from", self.created_from), ("--created-to", self.created_to));
        let (created_from, created_to) = session::span(api, from, to, now).await?;
        Ok(LeadFilter {
            status: self.status,
            priority: self.priority,
            source: self.source,
            ad_platform: self.ad_platform,
            assigned_to: self.assigned_to,
            created_from,
            created_to,
            search: self.search,
        })
    }
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct ListArgs {
    #[command(flatten)]
    filter: FilterArgs,
    /// What they are sorted by
    #[arg(long, value_parser = word::<SortBy>(), default_value = "createdAt")]
    sort_by: SortBy,
    /// Which way
    #[arg(long, value_parser = word::<SortOrder>(), default_value = "desc")]
    sort_order: SortOrder,
    /// At most so many
    #[arg(long, value_name = "NUMBER", default_value_t = ListQuery::DEFAULT_LIMIT, value_parser = clap::value_parser!(u8).range(1..=i64::from(ListQuery::MAX_LIMIT)))]
    limit: u8,
    /// The page of this number
    #[arg(long, value_name = "NUMBER", conflicts_with = "cursor", value_parser = clap::value_parser!(u64).range(1..))]
    page: Option<u64>,
    /// The page after the one that named this
    #[arg(long)]
    cursor: Option<String>,
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct GetArgs {
    /// Konektor's id of the lead
    #[arg(value_parser = lead_id)]
    id: LeadId,
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct CreateArgs {
    /// Given name, or the whole name; 1 to 100 characters
    #[arg(long, value_name = "NAME")]
    first_name: String,
    #[command(flatten)]
    fields: FieldArgs,
    /// A key of your own, at most 150 characters
    #[arg(long, value_name = "REFERENCE")]
    external_ref: Option<String>,
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct UpdateArgs {
    /// Konektor's id of the lead
    #[arg(value_parser = lead_id)]
    id: LeadId,
    /// Given name, or the whole name
    #[arg(long, value_name = "NAME")]
    first_name: Option<String>,
    #[command(flatten)]
    fields: FieldArgs,
    /// As JSON: what Konektor wrote
    #[arg(long)]
    json: bool,
}

/// What a lead can be told, beside its first name.
#[derive(Debug, clap::Args)]
struct FieldArgs {
    /// Family name, at most 100 characters; '' takes away what is there
    #[arg(long, value_name = "NAME")]
    last_name: Option<String>,
    /// Address
    #[arg(long)]
    email: Option<String>,
    /// Number, best as +62…; at most 20 characters
    #[arg(long)]
    phone: Option<String>,
    /// Where it stands; can fire a paid ad event
    #[arg(long, value_parser = word::<Status>())]
    status: Option<Status>,
    /// How urgent it is
    #[arg(long, value_parser = word::<Priority>())]
    priority: Option<Priority>,
    /// The channel of contact
    #[arg(long, value_parser = word::<LeadSource>())]
    source: Option<LeadSource>,
    /// The ad network that gets the credit
    #[arg(long, value_parser = word::<AdPlatform>())]
    ad_platform: Option<AdPlatform>,
    /// At most 5000 characters
    #[arg(long)]
    notes: Option<String>,
    /// A code that Konektor issued
    #[arg(long, value_name = "CODE")]
    unique_code: Option<String>,
    /// A team member
    #[arg(long, value_name = "UUID")]
    assigned_to: Option<String>,
    /// What it may be worth, such as 5000000 or 12.50
    #[arg(long, value_name = "AMOUNT")]
    estimated_value: Option<Money>,
    /// What it was worth
    #[arg(long, value_name = "AMOUNT")]
    actual_value: Option<Money>,
}

impl FieldArgs {
    fn body(self, first_name: Option<String>) -> LeadBody {
        LeadBody {
            first_name,
            last_name: self.last_name.map(|name| if name.is_empty() { Change::Cleared } else { Change::To(name) }),
            email: self.email,
            phone: self.phone,
            status: self.status,
            priority: self.priority,
            source: self.source,
            ad_platform: self.ad_platform,
            notes: self.notes,
            unique_code: self.unique_code,
            external_ref: None,
            assigned_to: self.assigned_to,
            estimated_value: self.estimated_value,
            actual_value: self.actual_value,
        }
    }
}

pub(super) async fn run(command: Command, context: Context) -> anyhow::Result<Exit> {
    match command {
        Command::List(args) => list(args, context).await,
        Command::Get(args) => get(args, context).await,
        Command::Create(args) => create(args, context).await,
        Command::Update(args) => update(args, context).await,
        Command::Export(args) => export::run(args, context).await,
    }
}

/// An id that can stand in a path: of nothing and of dots a URL would name something else.
fn lead_id(text: &str) -> Result<LeadId, &'static str> {
    if matches!(text, "" | "." | "..") {
        return Err("write Konektor's id of the lead, such as lead_abc123; `api leads list` shows them");
    }
    Ok(LeadId(text.to_owned()))
}

async fn list(args: ListArgs, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let place = match (args.cursor, args.page) {
        (Some(cursor), _) => Place::After(Cursor(cursor)),
        (None, page) => Place::Page(page.unwrap_or(1)),
    };
    let query = ListQuery {
        filter: args.filter.filter(&api, context.now()).await?,
        sort_by: args.sort_by,
        sort_order: args.sort_order,
        place,
        limit: args.limit,
    };
    let reply = api.leads(&query).await.map_err(session::not_read)?;
    if args.json {
        session::print_json(&reply.json, &mut context.out)?;
    } else {
        table(&reply.data, &api, &mut context.out).await?;
    }
    Ok(what_follows(&reply.data)?)
}

async fn table(page: &Page, api: &Api, out: &mut Out) -> anyhow::Result<()> {
    if page.leads.is_empty() {
        return Ok(writeln!(out, "there are no such leads")?);
    }
    let locale = session::locale(api).await?;
    let rows = page.leads.iter().map(|lead| {
        let LeadView {
            id, created_at, phone, email, status, source, ad_platform, estimated_value, actual_value, ..
        } = &lead.read;
        let worth = actual_value.as_ref().or(estimated_value.as_ref());
        let channel = [source.as_ref().map(Word::as_str), ad_platform.as_ref().map(Word::as_str)];
        [
            Text::from(id),
            Text(created_at.map(|at| locale.time(at)).unwrap_or_default(), Tone::Faint),
            Text::from(name(&lead.read)),
            Text::from(phone.as_deref().or(email.as_deref()).unwrap_or("–")),
            status.as_ref().map_or(Text::from(""), |status| Text(status.to_string(), tone(status))),
            Text::from(channel.into_iter().flatten().collect::<Vec<_>>().join(" ")),
            Text::from(worth.map(|worth| locale.money(worth)).unwrap_or_default()),
        ]
    });
    Ok(out.list(["lead", "made", "name", "contact", "status", "source", "value"], &[0, 1, 4], rows)?)
}

/// Says on standard error how many there are and how to go on; nothing of it is the list.
fn what_follows(page: &Page) -> std::io::Result<Exit> {
    let Pagination { total, next_cursor, .. } = &page.pagination;
    let shown = page.leads.len();
    if let Some(Cursor(cursor)) = next_cursor {
        let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
        writeln!(
            anstream::stderr(),
            "{shown}{of} shown; --cursor {cursor} shows the next, `export` takes all of them"
        )?;
    }
    Ok(Exit::Done)
}

async fn get(args: GetArgs, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let reply = api.lead(&args.id).await.map_err(session::not_read)?;
    show(&reply, args.json, &api, &mut context.out).await
}

async fn create(args: CreateArgs, mut context: Context) -> anyhow::Result<Exit> {
    let api = session::open(&context, Pace::Prompt)?;
    let body = LeadBody { external_ref: args.external_ref, ..args.fields.body(Some(args.first_name)) };
    let reply = api.create(&body).await.map_err(session::not_written)?;
    show(&reply, args.json, &api, &mut context.out).await
}

async fn update(args: UpdateArgs, mut context: Context) -> anyhow::Result<Exit> {
    let body = args.fields.body(args.first_name);
    if body.is_empty() {
        return Err(BadUsage("say what to change, for example --status contacted".into()).into());
    }
    let api = session::open(&context, Pace::Prompt)?;
    let reply = api.update(&args.id, &body).await.map_err(session::not_written)?;
    show(&reply, args.json, &api, &mut context.out).await
}

async fn show(reply: &Reply<LeadView>, json: bool, api: &Api, out: &mut Out) -> anyhow::Result<Exit> {
    if json {
        session::print_json(&reply.json, out)?;
        return Ok(Exit::Done);
    }
    let locale = session::locale(api).await?;
    let lead = &reply.data;
    let at = |at: Option<Timestamp>| at.map(|at| format!("{} ({})", locale.time(at), locale.zone()));
    let money = |amount: &Option<Money>| amount.as_ref().map(|amount| locale.money(amount));
    let fields = [
        ("lead", Some(lead.id.to_string())),
        ("code", lead.unique_code.clone()),
        ("name", Some(name(lead)).filter(|name| !name.is_empty())),
        ("phone", lead.phone.clone()),
        ("email", lead.email.clone()),
        ("status", lead.status.as_ref().map(ToString::to_string)),
        ("priority", lead.priority.as_ref().map(ToString::to_string)),
        ("source", lead.source.as_ref().map(ToString::to_string)),
        ("ad platform", lead.ad_platform.as_ref().map(ToString::to_string)),
        ("assigned to", lead.assigned_to.clone()),
        ("estimated", money(&lead.estimated_value)),
        ("actual", money(&lead.actual_value)),
        ("reference", lead.external_ref.clone()),
        ("made", at(lead.created_at)),
        ("changed", at(lead.updated_at)),
        ("notes", lead.notes.clone()),
    ];
    session::print_fields(&fields, out)?;
    Ok(Exit::Done)
}

fn name(lead: &LeadView) -> String {
    [lead.first_name.as_deref(), lead.last_name.as_deref()].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn tone(status: &Word<Status>) -> Tone {
    match status {
        Word::Known(Status::Won) => Tone::Good,
        Word::Known(Status::Lost) => Tone::Faint,
        Word::Known(_) | Word::Other(_) => Tone::Plain,
    }
}
