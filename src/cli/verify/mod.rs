//! `verify`: why a webhook is let in or refused: what was signed, what was compared, and what would have matched.

mod captured;

use std::io::Write as _;
use std::path::PathBuf;

use serde::Serialize;

use self::captured::Captured;
use super::Context;
use super::explain::{header, read};
use super::failure::{BadUsage, Exit};
use super::local;
use super::moment::Moment;
use super::output::{Out, Tone, printable};
use crate::providers::{Refusal, Trial};

/// Of a longer base string the rest is shown with --json only.
const SHOWN: usize = 2000;

/// Show why a webhook is let in or refused: what is signed, what was compared, what would have matched
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge verify meta request.txt\n  \
    konektor-bridge verify standard body.json -H 'webhook-id: msg_1' -H 'webhook-timestamp: 1793000000' --at 5m\n  \
    konektor-bridge verify form - --header 'X-Bridge-Signature: t=1793000000,v1=00' < body.txt\n\n\
    FILE is a request as it came (request line, headers, an empty line, the body), or only the body, with its headers\n\
    given by --header. Nothing is stored or sent. What is shown holds what the webhook says, but none of your secrets.")]
pub(super) struct Args {
    /// Whose webhook it is, as `sources` names it
    source: String,
    /// The request, or its body, byte for byte; - reads standard input
    file: PathBuf,
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
    /// Whether a running bridge would let it in.
    accepted: bool,
    /// Why not.
    refusal: Option<String>,
    tried: Vec<Tried>,
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
    let captured = Captured::read(read(&args.file)?, args.headers, args.method, args.url.as_deref());
    let captured = captured.map_err(|problem| BadUsage(format!("{}: {problem}", args.file.display())))?;
    let webhook = captured.webhook(&source.name, now);
    let outcome = source.provider.verify(&webhook, now).map(|_| ());
    let examined = source.provider.scheme().map(|scheme| scheme.examine(&webhook, now));
    let told = Told {
        source: source.name.to_string(),
        accepted: outcome.is_ok(),
        refusal: outcome.err().map(|refusal: Refusal| refusal.to_string()),
        tried: examined.into_iter().flat_map(|examined| examined.trials).map(Tried::from).collect(),
    };
    if args.json {
        context.out.json(&told)?;
    } else {
        print(&told, &mut context.out)?;
    }
    Ok(if told.accepted { Exit::Done } else { Exit::NotDone })
}

fn print(told: &Told, out: &mut Out) -> std::io::Result<()> {
    let (tone, word) = if told.accepted { (Tone::Good, "let in") } else { (Tone::Bad, "refused") };
    let style = tone.style();
    let why = told.refusal.as_deref().map(|why| format!(": {why}")).unwrap_or_default();
    writeln!(out, "{style}{word}{style:#}{why}")?;
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
