//! `send`: sign a sample (or a file) as a sender would, and post it to a running bridge.

mod meant;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;

use super::Context;
use super::failure::{BadUsage, Exit};
use super::local;
use super::output::{Out, Tone, took};
use crate::config::Settings;
use crate::domain::event::SourceName;
use crate::providers::{Provider, Sample, SampleKind, Source};

/// Senders give up after 5 to 10 seconds.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Of more than this only the sum is told.
const TOLD_EACH: u64 = 20;

/// Sign a sample (or FILE) as a sender would, and post it to a running bridge
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge send meta\n  \
    konektor-bridge send form --kind update --seed 7      # the same seed is the same lead\n  \
    konektor-bridge send google body.json --url https://leads.example.com\n\n\
    The secrets are those of this machine's configuration. A bridge that has others answers 401.")]
pub(super) struct Args {
    /// Whose webhook, as `sources` names it
    source: String,
    /// A body of your own instead of a sample; - reads standard input
    file: Option<PathBuf>,
    /// Which sample
    #[arg(long, value_enum, default_value = "lead", conflicts_with = "file")]
    kind: SampleKind,
    /// Which lead; the same seed is the same lead. Otherwise a new one each time
    #[arg(long, conflicts_with = "file")]
    seed: Option<u64>,
    /// So many leads, one after the other
    #[arg(long, default_value = "1", conflicts_with = "file")]
    count: NonZeroU64,
    /// Where the bridge is; otherwise where BRIDGE_LISTEN says, on this machine
    #[arg(long)]
    url: Option<Url>,
}

/// What a sender hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Heard {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
    pub(super) took: Duration,
    pub(super) body: String,
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let (config, registry) = context.configured()?;
    let source = local::source(&registry, &args.source)?;
    let hook = local::hook(&base(args.url.clone(), &config.settings)?, &source.name);
    let sender = Sender::new(&hook)?;
    let (provider, now) = (source.provider.as_ref(), context.now());
    if args.kind == SampleKind::Test && !provider.marks_tests() {
        return Err(BadUsage(no_test(&source.name)).into());
    }
    if let Some(path) = &args.file {
        let sample = provider.sign(super::explain::read(path)?, now);
        let heard = sender.post(&hook, sample).await?;
        tell(&heard, None, &mut context.out)?;
        let which = which(&source.name, heard.request_id.as_deref());
        return advise(source, (SampleKind::Lead, 0, now), (heard.status, &which), &mut context.out);
    }
    let first = args.seed.unwrap_or_else(|| u64::try_from(now.as_millisecond()).unwrap_or_default());
    let Spread { statuses, slowest, began, last, request_id } =
        send_samples(&sender, &hook, provider, &args, first, &mut context).await?;
    if let Some(said) = meant::of(source, args.kind, first, now) {
        writeln!(context.out, "{said}")?;
    }
    if args.count.get() > TOLD_EACH {
        let sums: Vec<_> = statuses.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        writeln!(context.out, "{} in {}, slowest {}", sums.join(", "), took(began.elapsed()), took(slowest))?;
    }
    let which = which(&source.name, request_id.as_deref().filter(|_| args.count == NonZeroU64::MIN));
    advise(source, (args.kind, first, now), (last, &which), &mut context.out)
}

/// Which events to look at: those of the one request, or of the source.
fn which(source: &SourceName, request_id: Option<&str>) -> String {
    request_id.map_or_else(|| format!("--source {source}"), |id| format!("--request {id}"))
}

/// What several answers came to.
struct Spread {
    statuses: BTreeMap<u16, u64>,
    slowest: Duration,
    began: Instant,
    /// The status of one that was not as expected, else of the last.
    last: u16,
    /// The id of the last request.
    request_id: Option<String>,
}

async fn send_samples(
    sender: &Sender,
    hook: &Url,
    provider: &dyn Provider,
    args: &Args,
    first: u64,
    context: &mut Context,
) -> anyhow::Result<Spread> {
    let (statuses, slowest, began) = (BTreeMap::new(), Duration::ZERO, Instant::now());
    let mut spread = Spread { statuses, slowest, began, last: 0, request_id: None };
    for offset in 0..args.count.get() {
        let seed = first.wrapping_add(offset);
        let heard = sender.post(hook, provider.sample(args.kind, seed, context.now())).await?;
        if args.count.get() <= TOLD_EACH {
            tell(&heard, Some(seed), &mut context.out)?;
        }
        *spread.statuses.entry(heard.status).or_default() += 1;
        spread.slowest = spread.slowest.max(heard.took);
        if offset == 0 || expected(args.kind, spread.last) {
            spread.last = heard.status;
        }
        spread.request_id = heard.request_id;
    }
    Ok(spread)
}

/// Where the bridge is.
fn base(url: Option<Url>, settings: &Settings) -> Result<Url, BadUsage> {
    url.or_else(|| local::url_of(settings.listen))
        .or_else(|| settings.public_url.clone())
        .ok_or_else(|| BadUsage("say where the bridge is with --url: BRIDGE_LISTEN leaves the port open".to_owned()))
}

/// Why no test is sent: it would be a lead in Konektor.
fn no_test(source: &SourceName) -> String {
    format!(
        "the sender of `{source}` marks no tests: one is a lead like any other. Send --kind lead, or name yours in its rules \
         (`test = \"…\"`)"
    )
}

/// Whether a bridge that is well answers like this.
fn expected(kind: SampleKind, status: u16) -> bool {
    let taken = matches!(status, 200..=299 | 303);
    match kind {
        SampleKind::Lead | SampleKind::Update | SampleKind::Batch | SampleKind::Test => taken,
        SampleKind::Tampered => status == 401,
        // Most senders sign no time.
        SampleKind::Stale => taken || status == 401,
    }
}

fn tell(heard: &Heard, seed: Option<u64>, out: &mut Out) -> std::io::Result<()> {
    let tone = if heard.status < 400 { Tone::Good } else { Tone::Bad }.style();
    let seed = seed.map(|seed| format!("  seed {seed}")).unwrap_or_default();
    let request = heard.request_id.as_deref().map(|id| format!("  request {id}")).unwrap_or_default();
    writeln!(out, "{tone}{}{tone:#} in {}{request}{seed}", heard.status, took(heard.took))
}

/// Says what to look at next after a sample of this kind, seed and time, or what to do. `which` events are its.
fn advise(
    source: &Source,
    (kind, seed, now): (SampleKind, u64, Timestamp),
    (status, which): (u16, &str),
    out: &mut Out,
) -> anyhow::Result<Exit> {
    let name = &source.name;
    let advice = match (status, kind) {
        (401, _) if !meant::is_proved(source, kind, seed, now) => meant::ONLY_THE_SENDER.to_owned(),
        (200..=299 | 303, SampleKind::Test) => format!("a test is withheld: konektor-bridge withheld list {which}"),
        (200..=299 | 303, _) if !meant::brings_leads(source, kind, seed, now) => {
            "no lead comes of it, and no event is listed: what it tells of a lead of the bridge's own is learned"
                .to_owned()
        }
        (200..=299 | 303, _) => format!("what became of it: konektor-bridge events list {which}"),
        (401, SampleKind::Tampered | SampleKind::Stale) => "refused, as it should be: nothing is kept of it".to_owned(),
        (401, _) => "the bridge has other secrets than this machine's configuration; use the same".to_owned(),
        (404, _) => format!("the bridge has no source `{name}` that is on: konektor-bridge sources"),
        (413, _) => "it is larger than the bridge's BRIDGE_BODY_LIMIT".to_owned(),
        (503, _) => "the bridge cannot keep it now; its log says why. Send it again".to_owned(),
        (_, _) => "this is not how a bridge answers; is --url right?".to_owned(),
    };
    writeln!(out, "{advice}")?;
    Ok(if expected(kind, status) { Exit::Done } else { Exit::NotDone })
}

/// Posts as senders do.
pub(super) struct Sender(reqwest::Client);

impl Sender {
    /// For the bridge at `base`.
    pub(super) fn new(base: &Url) -> anyhow::Result<Self> {
        local::client(base, TIMEOUT).map(Self)
    }

    /// Posts `sample` to `hook`, and waits for the answer.
    pub(super) async fn post(&self, hook: &Url, sample: Sample) -> anyhow::Result<Heard> {
        let mut hook = with_token(hook, sample.path_token.as_deref());
        hook.set_query(Some(sample.query.as_str()).filter(|query| !query.is_empty()));
        let mut request = self.0.post(hook.clone()).body(sample.body);
        for (name, value) in sample.headers {
            request = request.header(name, value);
        }
        let began = Instant::now();
        let answer = request.send().await.map_err(|error| unanswered(&hook, &error))?;
        let status = answer.status().as_u16();
        let request_id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok()).map(str::to_owned);
        let body = answer
            .text()
            .await
            .with_context(|| format!("the answer of {} was cut", hook.origin().ascii_serialization()))?;
        Ok(Heard { status, request_id, took: began.elapsed(), body })
    }
}

/// `hook` with a token behind it, which is written as a path already.
fn with_token(hook: &Url, token: Option<&str>) -> Url {
    let mut hook = hook.clone();
    if let Some(token) = token {
        hook.set_path(&format!("{}/{token}", hook.path().trim_end_matches('/')));
    }
    hook
}

fn unanswered(hook: &Url, error: &reqwest::Error) -> anyhow::Error {
    let host = hook.origin().ascii_serialization();
    if error.is_connect() {
        anyhow::anyhow!(
            "nothing answers at {host}; start a bridge with `konektor-bridge serve`, or say where it is with --url"
        )
    } else if error.is_timeout() {
        anyhow::anyhow!("{host} did not answer within {} s", TIMEOUT.as_secs())
    } else {
        anyhow::anyhow!("the connection to {host} was cut; send it again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_into_the_path_as_it_is_written() {
        let hook: Url = "https://a.example/hooks/fonnte".parse().unwrap();
        let sent = |token| with_token(&hook, token).to_string();
        assert_eq!(sent(Some("fonnte%2Dtoken")), "https://a.example/hooks/fonnte/fonnte%2Dtoken");
        assert_eq!(sent(Some("abc")), "https://a.example/hooks/fonnte/abc");
        assert_eq!(sent(None), "https://a.example/hooks/fonnte");
    }
}
