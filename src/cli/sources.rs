//! `sources`: where each sender posts to, which sources are on, and what the others lack.

use std::io::Write as _;

use serde::Serialize;
use url::Url;

use super::Context;
use super::failure::Exit;
use super::local;
use super::output::{Text, Tone};
use crate::domain::event::SourceName;
use crate::providers::{Configured, SourceState};

/// Stands for the host as long as `BRIDGE_PUBLIC_URL` does not say.
const PLACEHOLDER: &str = "https://your-bridge.example.com";

/// Show the sources: the URL to paste at the sender, on or off and why, what is missing
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge sources\n  konektor-bridge sources --json")]
pub(super) struct Args {
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A source as it is shown.
#[derive(Debug, Serialize)]
struct Line {
    name: String,
    provider: String,
    url: String,
    on: bool,
    /// Why it is off.
    why: Option<String>,
    /// The variables and files that would switch it on.
    missing: Vec<String>,
}

impl Line {
    fn of(base: &Url, name: &SourceName, configured: &Configured) -> Self {
        let (on, why, missing) = match &configured.state {
            SourceState::On(_) => (true, None, Vec::new()),
            SourceState::Off { why, missing } => (false, Some(why.clone()), missing.clone()),
        };
        let hook = String::from(local::hook(base, name));
        // The token itself is a secret, and this list is not.
        let url = if configured.ends_in_token() { format!("{hook}/<token>") } else { hook };
        Self { name: name.to_string(), provider: configured.dialect.clone(), url, on, why, missing }
    }

    fn row(self) -> [Text; 4] {
        let state = if self.on { Text("on".into(), Tone::Good) } else { Text("off".into(), Tone::Faint) };
        [Text(self.name, Tone::Strong), state, Text::from(self.url), Text::from(self.why.unwrap_or_default())]
    }
}

pub(super) fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let (config, registry) = context.configured()?;
    let public = config.settings.public_url;
    let base = public.clone().unwrap_or_else(|| PLACEHOLDER.parse().expect("the placeholder is a URL"));
    let lines = registry.iter().map(|(name, configured)| Line::of(&base, name, configured));
    if args.json {
        context.out.json(&lines.collect::<Vec<_>>())?;
        return Ok(Exit::Done);
    }
    context.out.table(["source", "state", "paste at the sender", "why"], &[0, 2], lines.map(Line::row))?;
    if public.is_none() {
        writeln!(context.out, "\nSet BRIDGE_PUBLIC_URL to see the URLs as your senders must have them.")?;
    }
    for warning in config.warnings {
        writeln!(context.out, "\n{warning}")?;
    }
    Ok(Exit::Done)
}
