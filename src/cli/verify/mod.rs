//! `verify`: why a webhook is let in or refused: what was signed, what was compared, and what would have matched.

mod captured;

use std::io::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;

use self::captured::Captured;
use super::Context;
use super::explain::{header, read_any};
use super::failure::{BadUsage, Exit};
use super::local;
use super::moment::Moment;
use super::output::{Out, Tone, printable};
use crate::providers::{Refusal, Reply, Source, Trial, Webhook};

/// Of a longer base string the rest is shown with --json only.
const SHOWN: usize = 2000;

/// Show why a webhook is let in or refused: what is signed, what was compared, what would have matched
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge verify meta request.txt\n  \
    konektor-bridge verify standard body.json -H 'webhook-id: msg_1' -H 'webhook-timestamp: 1793000000' --at 5m\n  \
    konektor-bridge verify form - --header 'X-Bridge-Signature: t=1793000000,v1=00' < body.txt\n  \
    konektor-bridge verify meta --method get --url '/hooks/meta?hub.mode=subscribe&hub.challenge=1&hub.verify_token=…'\n\n\
    FILE is a request as it came (request line, headers, an empty line, the body), or only the body, with its headers\n\
    given by --header. Nothing is stored or sent. What is shown holds what the webhook says, but none of your secrets.")]
pub(super) struct Args {
    /// Whose webhook it is, as `sources` names it
    source: String,
    /// The request, or its body, byte for byte; - reads standard input. A question (--method get, --url) needs none
    #[arg(required_unless_present = "url")]
    file: Option<PathBuf>,
    /// A header that came with it, as 'Name: value'; may be repeated
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The URL that was called, for senders that sign it or carry a token in it; only path and query count
    #[arg(long)]
    url: Option<String>,
    /// The method
    #[arg(long, value_enum)]
    method: Option<captured::Verb>,
    /// When it came: 2h (ago), 2026-11-20T08:00:00Z; otherwise now
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What is told of a webhook's proof.
#[derive(Debug, Serialize)]
struct Told {
    source: String,
    /// Whether a running bridge would let it in, or answer it if it is a sender's question.
    accepted: bool,
    /// What it would be answered, where it is a question: does this hook belong to who gave it?
    answer: Option<Answer>,
    /// Why not.
    refusal: Option<String>,
    tried: Vec<Tried>,
}

/// What a sender's question would be answered.
#[derive(Debug, Serialize)]
struct Answer {
    status: u16,
    body: String,
}

/// One way to prove.
#[derive(Debug, Serialize)]
struct Tried {
    scheme: String,
    holds: bool,
    why: Option<String>,
    received: Option<String>,
    computed: Vec<String>,
    base: Vec<String>,
    hints: Vec<String>,
}

impl From<Trial> for Tried {
    fn from(trial: Trial) -> Self {
        let Trial { scheme, outcome, received, base, computed, hints } = trial;
        let why = outcome.err().map(|refusal| refusal.to_string());
        Self { scheme, holds: why.is_none(), why, received, computed, base, hints }
    }
}

pub(super) fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let now = args.at.map_or_else(|| context.now(), |at| at.resolve(context.now()));
    let (_, registry) = context.configured()?;
    let source = local::source(&registry, &args.source)?;
    let bytes = args.file.as_deref().map(read_any).transpose()?.unwrap_or_default();
    let file = args.file.as_deref().map_or_else(|| "the request".to_owned(), |file| file.display().to_string());
    let captured = Captured::read(bytes, args.headers, args.method, args.url.as_deref());
    let captured = captured.map_err(|problem| BadUsage(format!("{file}: {problem}")))?;
    if captured.lacks_body() {
        return Err(
            BadUsage(format!("{file} is empty; give the body of a webhook, or --method get for a question")).into()
        );
    }
    let told = tell(source, &captured.webhook(&source.name, now), now);
    if args.json {
        context.out.json(&told)?;
    } else {
        print(&told, &mut context.out)?;
    }
    Ok(if told.accepted { Exit::Done } else { Exit::NotDone })
}

/// What a running bridge would do: answer a question, or let a webhook in or not.
fn tell(source: &Source, webhook: &Webhook, now: Timestamp) -> Told {
    let name = source.name.to_string();
    if let Some(Reply { status, body, why, .. }) = source.provider.handshake(webhook) {
        let (accepted, refusal) = (status < 400, why.map(str::to_owned));
        return Told { source: name, accepted, answer: Some(Answer { status, body }), refusal, tried: Vec::new() };
    }
    let outcome = source.provider.verify(webhook, now).map(|_| ());
    let refusal = outcome.err();
    // As `receive` answers it.
    let answer = (refusal == Some(Refusal::Method)).then(|| Answer { status: 405, body: String::new() });
    let examined = source.provider.scheme().filter(|_| answer.is_none()).map(|scheme| scheme.examine(webhook, now));
    Told {
        source: name,
        accepted: refusal.is_none(),
        answer,
        refusal: refusal.map(|refusal| refusal.to_string()),
        tried: examined.into_iter().flat_map(|examined| examined.trials).map(Tried::from).collect(),
    }
}

fn print(told: &Told, out: &mut Out) -> std::io::Result<()> {
    let (tone, word) = match (told.accepted, &told.answer) {
        (true, None) => (Tone::Good, "let in".to_owned()),
        (false, None) => (Tone::Bad, "refused".to_owned()),
        (accepted, Some(Answer { status, body })) => {
            let with = if body.is_empty() { String::new() } else { format!(" with {}", printable(body)) };
            (if accepted { Tone::Good } else { Tone::Bad }, format!("answered {status}{with}"))
        }
    };
    let style = tone.style();
    let why = told.refusal.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    writeln!(out, "{style}{word}{style:#}{why}")?;
    if told.answer.is_some() {
        return Ok(());
    }
    if told.tried.is_empty() {
        writeln!(
            out,
            "`{}` has no proof that could be computed here: what counts is the site that a browser names, or a key that only \
             the sender has",
            told.source
        )?;
    }
    for tried in &told.tried {
        let outcome = tried.why.as_deref().unwrap_or("it holds");
        writeln!(out, "\n{}: {outcome}", tried.scheme)?;
        line("received", tried.received.iter(), out)?;
        line("computed", tried.computed.iter(), out)?;
        line("signed", tried.base.iter(), out)?;
        line("hint", tried.hints.iter(), out)?;
    }
    Ok(())
}

fn line<'t>(word: &str, texts: impl Iterator<Item = &'t String>, out: &mut Out) -> std::io::Result<()> {
    let faint = Tone::Faint.style();
    for text in texts {
        let text = printable(text).replace('\n', "\n            ");
        let shown = text.char_indices().nth(SHOWN).map_or(text.as_str(), |(at, _)| &text[..at]);
        let rest = if shown.len() < text.len() { " … (the rest with --json)" } else { "" };
        writeln!(out, "  {faint}{word:<9}{faint:#} {shown}{rest}")?;
    }
    Ok(())
}
