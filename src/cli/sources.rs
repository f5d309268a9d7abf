//! `sources`: where each sender posts to, which sources are on, and what the others lack.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use serde::Serialize;
use url::Url;

use super::Context;
use super::admin::Admin;
use super::failure::Exit;
use super::known;
use super::local;
use super::output::{Text, Tone};
use crate::config::Settings;
use crate::domain::event::SourceName;
use crate::domain::form::{Change, Drift};
use crate::ops::wire::{Form, Sources};
use crate::providers::{Configured, Found, SourceState};

/// Stands for the host as long as `BRIDGE_PUBLIC_URL` does not say.
const PLACEHOLDER: &str = "https://your-bridge.example.com";

/// How long a running bridge is waited for, which may be none.
const PATIENCE: Duration = Duration::from_secs(2);

/// Show the sources: the URL to paste at the sender, on or off and why, what is missing
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  konektor-bridge sources\n  konektor-bridge sources --json\n\n\
    Exit code 1 when a source has been on and is off for want of a setting.")]
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
    /// True when it has been on and lacks something: its webhooks are answered 503.
    wanting: bool,
    /// Why it is off.
    why: Option<String>,
    /// The variables and files that would switch it on.
    missing: Vec<String>,
    /// Forms whose fields have changed lately, where a bridge is running to say so.
    forms: Vec<Form>,
}

impl Line {
    fn of(base: &Url, name: &SourceName, configured: &Configured, wanting: bool, forms: Vec<Form>) -> Self {
        let (on, why, missing) = match &configured.state {
            SourceState::On(_) => (true, None, Vec::new()),
            SourceState::Off { why, missing, .. } => (false, Some(why.clone()), missing.clone()),
        };
        let hook = String::from(local::hook(base, name));
        // The token itself is a secret, and this list is not.
        let url = if configured.ends_in_token() { format!("{hook}/<token>") } else { hook };
        Self { name: name.to_string(), provider: configured.dialect.clone(), url, on, wanting, why, missing, forms }
    }

    fn row(&self) -> [Text; 4] {
        let (state, tone) = match (self.on, self.wanting) {
            (true, _) => ("on", Tone::Good),
            (false, true) => ("off", Tone::Bad),
            (false, false) => ("off", Tone::Faint),
        };
        let state = Text(state.into(), tone);
        let why = self.why.clone().unwrap_or_default();
        let why = if self.wanting { format!("has been on: {why}") } else { why };
        let url = self.url.clone();
        [Text(self.name.clone(), Tone::Strong), state, Text::from(url), Text::from(why)]
    }

    /// What has changed in its forms, one sentence each.
    fn drift(&self) -> Vec<String> {
        let of = |Form { form, changes }: &Form| {
            let of = if form.is_empty() { self.name.clone() } else { format!("{}, form {form}", self.name) };
            changes.iter().map(|change| format!("{of}: {}", sentence(change))).collect::<Vec<_>>()
        };
        self.forms.iter().flat_map(of).collect()
    }
}

fn sentence(Change { kind, field, was, at }: &Change) -> String {
    let what = match kind {
        Drift::New => format!("`{field}` is new"),
        Drift::Vanished => format!("`{field}` does not come any more"),
        Drift::Renamed => format!("`{}` is `{field}` now", was.as_deref().unwrap_or_default()),
    };
    format!("{what} (seen {})", at.strftime("%Y-%m-%d"))
}

pub(super) async fn run(args: Args, mut context: Context) -> anyhow::Result<Exit> {
    let (config, registry) = context.configured()?;
    let registry = registry.knowing(known::once_on(&config.settings, context.now()).await);
    let mut forms = changed_forms(&config.settings).await;
    let public = config.settings.public_url;
    let base = public.clone().unwrap_or_else(|| PLACEHOLDER.parse().expect("the placeholder is a URL"));
    let line = |(name, configured): (&SourceName, &Configured)| {
        let wanting = matches!(registry.find(name), Found::Wanting);
        Line::of(&base, name, configured, wanting, forms.remove(name.as_str()).unwrap_or_default())
    };
    let lines: Vec<Line> = registry.iter().map(line).collect();
    if args.json {
        context.out.json(&lines)?;
        return Ok(end(&lines));
    }
    context.out.table(["source", "state", "paste at the sender", "why"], &[0, 2], lines.iter().map(Line::row))?;
    let wanting: Vec<_> = lines.iter().filter(|line| line.wanting).map(|line| line.name.as_str()).collect();
    if !wanting.is_empty() {
        let names = wanting.join(", ");
        writeln!(
            context.out,
            "\nMend: {names}. What has been on and lacks something answers 503, and its senders keep their webhooks for a while."
        )?;
    }
    let drift: Vec<String> = lines.iter().flat_map(Line::drift).collect();
    if !drift.is_empty() {
        writeln!(context.out, "\nForms have changed; do their mappings still fit?")?;
        drift.iter().try_for_each(|line| writeln!(context.out, "{line}"))?;
    }
    if public.is_none() {
        writeln!(context.out, "\nSet BRIDGE_PUBLIC_URL to see the URLs as your senders must have them.")?;
    }
    for warning in config.warnings {
        writeln!(context.out, "\n{warning}")?;
    }
    Ok(end(&lines))
}

/// A source that has gone off without anybody's decision is a failure.
fn end(lines: &[Line]) -> Exit {
    if lines.iter().any(|line| line.wanting) { Exit::NotDone } else { Exit::Done }
}

/// The forms that have changed, by source. Only a running bridge knows; without one there is nothing to say.
async fn changed_forms(settings: &Settings) -> BTreeMap<String, Vec<Form>> {
    let Ok(admin) = Admin::of(settings) else { return BTreeMap::new() };
    let asked = tokio::time::timeout(PATIENCE, admin.get::<Sources>(&["sources"])).await;
    let sources = asked.ok().and_then(Result::ok).map(|answer| answer.sources).unwrap_or_default();
    sources.into_iter().map(|source| (source.name, source.forms)).collect()
}
