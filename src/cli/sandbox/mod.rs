//! `sandbox`: a local Konektor, for development and tests.

mod seed;

use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::{Map, Value};
use url::Url;

use super::Context;
use super::api::words::word;
use super::failure::{BadUsage, Exit};
use super::local::also_from;
use super::output::Tone;
use super::stopping::asked_to_stop;
use crate::config::with_suggestion;
use crate::sandbox::{
    self, DEFAULT_KEY, DEFAULT_LEADS_PER_DAY, Database, Faults, Key, Plan, Running, Seeding, Settings, Subscriber,
    Workspace,
};

/// Run a local Konektor, for development and tests
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:\n  konektor-bridge sandbox\n  konektor-bridge sandbox --leads 1000\n  \
    konektor-bridge sandbox --plan starter --fault error_rate=0.1 --fault latency=250ms\n\n\
    Faults: latency, answer_latency, error_rate, lost_answer_rate, commit_then_500_rate, search_lag, rate_limit,\n\
    revoke_key, daily_limit, reject_field, conversion_failed_rate, conversion_partial_rate, next. They can be changed while it runs: PUT /sandbox/faults.")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// Keep the leads in this SQLite file instead of in memory
    #[arg(long, value_name = "FILE")]
    database: Option<PathBuf>,
    /// The key that it takes
    #[arg(long, default_value = DEFAULT_KEY)]
    key: String,
    /// The plan, which sets the rate limit
    #[arg(long, default_value = "pro", value_parser = word::<Plan>())]
    plan: Plan,
    /// Requests a minute, whatever the plan says
    #[arg(long, value_name = "REQUESTS")]
    per_minute: Option<NonZeroU32>,
    /// Leads that it says the plan takes a day. A bridge parks new leads there; --fault daily_limit=N also refuses them
    #[arg(long, value_name = "LEADS", default_value_t = DEFAULT_LEADS_PER_DAY)]
    leads_per_day: u32,
    /// Begin with so many made-up leads, if there are none yet
    #[arg(long)]
    leads: Option<u32>,
    /// Tell this URL of leads that are created and updated, as Konektor does by webhook
    #[arg(long, value_name = "URL", requires = "webhook_secret")]
    webhook: Option<Url>,
    /// What these webhooks are signed with
    #[arg(long, value_name = "SECRET", requires = "webhook")]
    webhook_secret: Option<String>,
    /// Show externalRef in answers, which the published examples do not
    #[arg(long)]
    show_external_ref: bool,
    /// Where its ids and chances come from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Something that goes wrong; may be repeated
    #[arg(long = "fault", value_name = "NAME=VALUE")]
    faults: Vec<String>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Seed(seed::Args),
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    if let Some(Command::Seed(args)) = &args.command {
        return seed::run(args, context);
    }
    let subscriber = args.webhook.zip(args.webhook_secret);
    let subscriber = subscriber.map(|(url, secret)| Subscriber { url: url.into(), secret: secret.into() });
    let workspace = Workspace {
        plan: args.plan,
        per_minute: args.per_minute,
        leads_per_day: args.leads_per_day,
        keys: vec![Key::with_all_scopes(&args.key)],
        subscriber,
        ..Workspace::default()
    };
    let settings = Settings {
        listen: args.listen,
        database: args.database.map_or(Database::Memory, Database::File),
        workspaces: vec![workspace],
        faults: faults(&args.faults)?,
        show_external_ref: args.show_external_ref,
        clock: context.clock.clone(),
        seed: args.seed,
        seeding: args.leads.map(|leads| Seeding { leads, seed: args.seed, ..Seeding::default() }),
        ..Settings::default()
    };
    let running = sandbox::start(settings)?;
    introduce(&running, &args.key, &mut context).context("cannot write to standard output")?;
    asked_to_stop().await?;
    running.stop().await;
    Ok(Exit::Done)
}

fn introduce(running: &Running, key: &str, context: &mut Context) -> std::io::Result<()> {
    let (url, graph, strong) = (running.url(), running.graph_url(), Tone::Strong.style());
    let also = also_from(running.address());
    writeln!(context.out, "A local Konektor listens on {strong}{url}{strong:#}{also}. Ctrl-C ends it.\n")?;
    writeln!(context.out, "  a bridge for it   KONEKTOR_BASE_URL={url} KONEKTOR_API_KEY={key} konektor-bridge serve")?;
    writeln!(context.out, "  Meta's Graph API  META_GRAPH_URL={graph}")?;
    writeln!(context.out, "  LinkedIn's API    LINKEDIN_API_URL={}", running.linkedin_url())?;
    writeln!(context.out, "  its leads         curl {url}/sandbox/leads")?;
    writeln!(context.out, "  the API described {url}/openapi.json, {url}/api/v2/agent/SKILL.md")?;
    writeln!(context.out, "  what it was asked curl {url}/sandbox/ledger")?;
    writeln!(context.out, "  make it fail      curl -X PUT {url}/sandbox/faults -d '{{\"error_rate\": 0.2}}'")?;
    context.out.flush()
}

/// Reads `NAME=VALUE` each: a value that is no JSON is text.
pub(super) fn faults(texts: &[String]) -> Result<Faults, BadUsage> {
    let mut object = Map::new();
    for text in texts {
        let (name, value) =
            text.split_once('=').ok_or_else(|| BadUsage(format!("write the fault `{text}` as NAME=VALUE")))?;
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        let alone = Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
        serde_json::from_value::<Faults>(alone).map_err(|error| BadUsage(wrong(name, &error.to_string())))?;
        object.insert(name.to_owned(), value);
    }
    let faults: Faults =
        serde_json::from_value(Value::Object(object)).map_err(|error| BadUsage(format!("--fault: {error}")))?;
    faults.check().map_err(|error| BadUsage(format!("--fault: {error}")))?;
    Ok(faults)
}

/// Says of a fault that cannot be read what may be written.
fn wrong(name: &str, error: &str) -> String {
    match allowed(name) {
        Some(allowed) => format!("--fault {name}: {error}; write {allowed}"),
        None => format!("--fault: {}", with_suggestion(error)),
    }
}

/// What the fault `name` takes; `None` when there is no such fault.
fn allowed(name: &str) -> Option<&'static str> {
    Some(match name {
        "latency" | "answer_latency" | "search_lag" => "a time, such as 250ms, 1.5s or 2m",
        "error_rate"
        | "lost_answer_rate"
        | "commit_then_500_rate"
        | "conversion_failed_rate"
        | "conversion_partial_rate" => "a number from 0 (never) to 1 (always)",
        "rate_limit" => r#"a limit, such as {"model": "sliding_log", "per_minute": 10}"#,
        "revoke_key" => "the key that is refused",
        "daily_limit" => "a number of leads",
        "reject_field" => "the name of a field, such as email",
        "next" => r#"a list, such as [{"on": "create", "times": 2, "then": "lost_answer"}]"#,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn read(texts: &[&str]) -> Result<Faults, String> {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        faults(&texts).map_err(|error| error.to_string())
    }

    #[test]
    fn faults_are_text_or_json() {
        let faults =
            read(&["latency=250ms", "error_rate=0.5", r#"rate_limit={"per_minute":10}"#, "daily_limit=3"]).unwrap();
        assert_eq!((faults.latency, faults.daily_limit), (Duration::from_millis(250), Some(3)));
        assert_eq!(faults.rate_limit.unwrap().per_minute, NonZeroU32::new(10));
    }

    #[test]
    fn a_fault_that_cannot_be_played_is_refused() {
        assert!(read(&["latency"]).unwrap_err().contains("NAME=VALUE"));
        assert!(read(&["latencies=1s"]).unwrap_err().contains("latencies"));
        assert!(read(&["error_rate=2"]).unwrap_err().contains("0 to 1"));
    }

    #[test]
    fn of_a_fault_that_cannot_be_read_it_is_said_what_may_be_written() {
        let every = serde_json::to_value(Faults::default()).unwrap();
        for name in every.as_object().unwrap().keys() {
            let error = read(&[&format!(r#"{name}={{"no":1}}"#)]).unwrap_err();
            assert!(error.starts_with(&format!("--fault {name}: ")) && error.contains("; write "), "{error}");
        }
        assert!(read(&["latancy=1s"]).unwrap_err().contains("did you mean `latency`?"));
    }
}
