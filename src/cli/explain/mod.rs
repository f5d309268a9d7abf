//! `explain`: what a webhook becomes and what would be called, without storing or sending anything.

mod credit;
mod fires;
mod show;
mod stand_ins;

use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use bytes::Bytes;
use jiff::Timestamp;

use super::Context;
use super::failure::{BadUsage, Exit};
use super::moment::Moment;
use super::output::Out;
use crate::app::sources::default_region;
use crate::deliver::rehearse;
use crate::providers::{Method, Provider, Refusal, Reply, Sample, Source, Verified, Webhook};

/// The largest file that is read: what no bridge would take needs no explanation.
pub(in crate::cli) const LARGEST: u64 = 64 * 1024 * 1024;

/// Show what FILE would become, and what would be called; nothing is stored or sent
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge explain google body.json\n  \
    konektor-bridge explain meta body.json --fetched graph-answer.json\n  \
    konektor-bridge explain form - --header 'Content-Type: application/x-www-form-urlencoded' < body.txt\n\n\
    With the sender's own headers the proof is checked too; --at says when it came, for senders that sign the time.")]
pub(super) struct Args {
    /// Whose webhook it is, as `sources` names it
    source: String,
    /// The body as the sender sent it; - reads standard input
    file: PathBuf,
    /// A header that came with it, as 'Name: value'; may be repeated
    #[arg(long = "header", short = 'H', value_name = "HEADER", value_parser = header)]
    headers: Vec<(String, String)>,
    /// What the sender's own API would answer for the lead, for senders that only name it
    #[arg(long, value_name = "FILE")]
    fetched: Option<PathBuf>,
    /// When it came: 2h (ago), 2026-11-20T08:00:00Z; otherwise now
    #[arg(long, value_name = "TIME")]
    at: Option<Moment>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A header as people type it.
pub(super) fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
    Ok((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
}

/// What is known of the proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// There were no headers that could hold one.
    Unchecked,
    /// It holds.
    Holds,
    /// A running bridge would answer 401 and keep nothing.
    Refused(Refusal),
}

pub(super) fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let now = args.at.map_or_else(|| context.now(), |at| at.resolve(context.now()));
    let (config, source, stand_ins) = stand_ins::source(&context.environment, &args.source)?;
    let body = Bytes::from(read(&args.file)?);
    let fetched = args.fetched.as_deref().map(read).transpose()?.map(Bytes::from);
    let size = body.len();
    if let Some(reply) = source.provider.handshake(&webhook(&source, &args.headers, body.clone(), now)) {
        return answered(&reply, args.json, &mut context.out);
    }
    let (proof, verified) =
        verify(&source, &args.headers, body, now).map_err(|refusal| unlike(&args.source, refusal))?;
    // Nothing can be proved by secrets that are made up.
    let proof = if stand_ins.is_empty() { proof } else { Proof::Unchecked };
    let region = default_region(&config.settings)?;
    let rehearsed = rehearse(&source, verified, fetched.as_ref(), region, now);
    let explanation = show::Explanation {
        source: &source,
        provider: show::dialect_of(&config, &args.source),
        size,
        proof,
        stand_ins,
        now,
    };
    let url = super::local::below(&config.settings.base_url, &["api", "v2", "agent", "leads"]);
    let told = explanation.tell(rehearsed, region, &url);
    if args.json {
        context.out.json(&told)?;
    } else {
        show::print(&told, &mut context.out)?;
    }
    Ok(Exit::Done)
}

/// What is no webhook but a question of the sender's, such as its test: it is answered, and nothing is kept.
fn answered(reply: &Reply, as_json: bool, out: &mut Out) -> anyhow::Result<Exit> {
    let Reply { status, body, .. } = reply;
    if as_json {
        out.json(&serde_json::json!({ "question": { "status": status, "body": body } }))?;
    } else {
        writeln!(
            out,
            "it is a question of the sender's, and no webhook: it is answered {status} {body}, and nothing is kept"
        )?;
    }
    Ok(Exit::Done)
}

/// Why not even a good proof would let it in.
fn unlike(source: &str, refusal: Refusal) -> anyhow::Error {
    match refusal {
        // We would have made one.
        Refusal::NoProof => {
            anyhow::anyhow!("no webhook of `{source}` looks like this: what its sender signs is not in it")
        }
        refusal => anyhow::anyhow!("no webhook of `{source}` looks like this: {refusal}"),
    }
}

/// Reads a body from a file, or from standard input.
pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let bytes = read_any(path)?;
    if bytes.is_empty() {
        return Err(BadUsage(format!("{} is empty; give the body of a webhook", path.display())).into());
    }
    Ok(bytes)
}

/// Reads what may be empty from a file, or from standard input.
pub(super) fn read_any(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LARGEST).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(bytes)
}

/// Checks the proof in `headers`, and gives the webhook to go on with: where the proof does not hold, the same body as
/// it would come with a good one.
fn verify(
    source: &Source,
    headers: &[(String, String)],
    body: Bytes,
    now: Timestamp,
) -> Result<(Proof, Verified), Refusal> {
    let provider = source.provider.as_ref();
    let (proof, refused) = match provider.verify(&webhook(source, headers, body.clone(), now), now) {
        Ok(verified) => return Ok((Proof::Holds, verified)),
        Err(Refusal::NoProof) => (Proof::Unchecked, Refusal::NoProof),
        Err(refusal) => (Proof::Refused(refusal), refusal),
    };
    proved(source, provider, headers, body, now).map(|verified| (proof, verified)).ok_or(refused)
}

/// The body with a proof of ours, and with all of `headers` but those that are the proof, or have a part in it: what a sender
/// says of a webhook beside its body decides what becomes of it.
fn proved(
    source: &Source,
    provider: &dyn Provider,
    headers: &[(String, String)],
    body: Bytes,
    now: Timestamp,
) -> Option<Verified> {
    let Sample { path_token, query, headers: ours, body } = provider.sign_under(headers, body.to_vec(), now);
    let body = Bytes::from(body);
    let verified = |headers: &[(String, String)]| {
        let webhook = webhook(source, headers, body.clone(), now);
        provider.verify(&Webhook { path_token: path_token.clone(), query: query.clone(), ..webhook }, now).ok()
    };
    let mut all = ours;
    let mut best = verified(&all);
    for (name, value) in headers {
        let others = all.iter().filter(|(known, _)| known != name).cloned();
        let with: Vec<_> = others.chain([(name.clone(), value.clone())]).collect();
        if let Some(proved) = verified(&with) {
            (all, best) = (with, Some(proved));
        }
    }
    best
}

fn webhook(source: &Source, headers: &[(String, String)], body: Bytes, now: Timestamp) -> Webhook {
    Webhook {
        source: source.name.clone(),
        received: now,
        request_id: "explained".to_owned(),
        method: Method::Post,
        path: format!("/hooks/{}", source.name),
        path_token: None,
        query: String::new(),
        headers: headers.iter().map(|(name, value)| (name, value)).collect(),
        body,
        packed: None,
    }
}
