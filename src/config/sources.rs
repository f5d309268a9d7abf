//! Sources: the compiled-in file with the owner's laid over it, references resolved.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::environment::Reader;
use super::places::Places;
use super::presets::{PRESET_DIALECT, Presets, merged};
use super::references::{Reference, Unresolved, resolve};
use super::{Finding, UserFile, nearest, values, with_suggestion};

/// The built-in sources.
const DEFAULT: &str = include_str!("../../config/default.toml");

/// What messages call [`DEFAULT`].
const DEFAULT_NAME: &str = "config/default.toml (built in)";

/// The shortest verify token that is not remarked on, in characters.
const SHORTEST_VERIFY_TOKEN: usize = 8;

/// Rules that no form can have for itself: when they are asked for, nothing is known of the form.
const OF_THE_SOURCE: &[&str] = &["backfill", "value"];

/// A source as configured: plain values, nothing known of its provider yet.
#[derive(Clone)]
pub struct SourceConfig {
    /// What stands in its URL.
    pub name: String,
    /// What its owner calls its provider: a dialect, or a preset.
    pub provider: String,
    /// The word for the code that speaks its sender's dialect.
    pub dialect: String,
    /// False when the owner has switched it off.
    pub enabled: bool,
    /// What its provider needs, references resolved. Holds secrets.
    pub settings: Table,
    /// What is done with its leads.
    pub rules: Table,
    /// Form id → what is done with the leads of that form: the rules with the form's own over them.
    pub forms: BTreeMap<String, Table>,
    /// Variables and files without which it is off.
    pub missing: Vec<String>,
    /// Variables that it could use and that are not set.
    pub unset: Vec<String>,
    /// True when its owner has begun to set it up: the owner's file says something of it, or a variable of its is set.
    pub begun: bool,
    /// Where it is described, the owner's file first.
    pub origin: Origin,
    /// Where each of its keys stands.
    pub places: Places,
}

impl SourceConfig {
    /// True when the owner's file says something of it.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.origin.is_own()
    }
}

impl std::fmt::Debug for SourceConfig {
    /// Shows the keys of the settings, not their values.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { name, provider, dialect, enabled, settings, rules, forms, missing, unset, begun, origin, places: _ } =
            self;
        let (settings, forms): (Vec<_>, Vec<_>) = (settings.keys().collect(), forms.keys().collect());
        write!(f, "SourceConfig({name} {provider} {dialect} enabled={enabled} {settings:?} {rules} {forms:?} ")?;
        write!(f, "missing={missing:?} unset={unset:?} begun={begun} {origin})")
    }
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// Its name.
    pub file: String,
    /// Counted from 1.
    pub line: usize,
}

impl Origin {
    fn is_own(&self) -> bool {
        self.file != DEFAULT_NAME
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A variable that a built-in source reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceVariable {
    /// Its name.
    pub name: String,
    /// Whose it is.
    pub source: String,
    /// What it is set as.
    pub setting: String,
    /// Without it the source is off.
    pub required: bool,
    /// Its value where it is unset.
    pub default: Option<String>,
}

/// A file of sources.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    sources: BTreeMap<Spanned<String>, Entry>,
    /// The owner's own presets, and what differs in the built-in ones.
    #[serde(default)]
    presets: BTreeMap<String, Table>,
}

/// One source of a file. What is absent is as in the file below.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    provider: Option<String>,
    enabled: Option<bool>,
    #[serde(default)]
    settings: Table,
    #[serde(default)]
    rules: Table,
    #[serde(default)]
    forms: BTreeMap<String, Table>,
}

/// A source of both files, laid over each other, unresolved.
struct Draft {
    entry: Entry,
    origin: Origin,
    places: Places,
}

/// Reads the built-in sources with the owner's `file` over them.
pub(super) fn read(
    file: Option<&UserFile>,
    reader: &mut Reader<'_>,
    insecure: bool,
    findings: &mut Vec<Finding>,
) -> Vec<SourceConfig> {
    let (mut drafts, mut presets) = (BTreeMap::new(), Presets::default());
    let files = [Some((DEFAULT_NAME, DEFAULT)), file.map(|file| (file.name.as_str(), file.text.as_str()))];
    for (name, text) in files.into_iter().flatten() {
        match parse(name, text) {
            Ok((layer, own)) => {
                layer.into_iter().for_each(|(name, draft)| lay_over(&mut drafts, name, draft));
                presets.add(own);
            }
            Err(finding) => findings.push(finding),
        }
    }
    let whole = drafts.iter().filter(|(_, draft): &(_, &Draft)| draft.entry.provider.is_some());
    let known: Vec<String> = whole.map(|(name, _): (&String, _)| name.clone()).collect();
    let mut settle = |(name, draft)| settle(name, draft, &known, &presets, reader, insecure, findings);
    drafts.into_iter().filter_map(&mut settle).collect()
}

/// What a file says: its sources, and its presets.
type Layer = (Vec<(String, Draft)>, BTreeMap<String, (Table, Places)>);

/// Reads one file.
fn parse(name: &str, text: &str) -> Result<Layer, Finding> {
    let origin = |position: usize| Origin { file: name.to_owned(), line: line_of(text, position) };
    // The error's own text shows the line of the file, which may hold a secret; its message does not.
    let file: File = toml::from_str(text).map_err(|error| {
        let place = origin(error.span().map_or(0, |span| span.start));
        Finding::new(place, with_suggestion(error.message()))
    })?;
    let [mut places, mut described] = Places::read(name, text, ["sources", "presets"]);
    let draft = |(name, entry): (Spanned<String>, Entry)| {
        let origin = origin(name.span().start);
        let places = places.remove(name.get_ref()).unwrap_or_default();
        (name.into_inner(), Draft { entry, origin, places })
    };
    let preset = |(name, table): (String, Table)| {
        let places = described.remove(&name).unwrap_or_default();
        (name, (table, places))
    };
    Ok((file.sources.into_iter().map(draft).collect(), file.presets.into_iter().map(preset).collect()))
}

/// The line of `text` that has the byte at `position`, counted from 1.
pub(super) fn line_of(text: &str, position: usize) -> usize {
    text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1
}

/// Lays `above` over what `drafts` has under this name. Another provider makes it another source: nothing is kept.
fn lay_over(drafts: &mut BTreeMap<String, Draft>, name: String, above: Draft) {
    let replaced = drafts
        .remove(&name)
        .filter(|below| above.entry.provider.is_none() || above.entry.provider == below.entry.provider);
    let draft = match replaced {
        None => above,
        Some(mut below) => Draft {
            entry: Entry {
                provider: below.entry.provider,
                enabled: above.entry.enabled.or(below.entry.enabled),
                settings: merged(below.entry.settings, above.entry.settings),
                rules: merged(below.entry.rules, above.entry.rules),
                forms: forms(below.entry.forms, above.entry.forms),
            },
            origin: above.origin,
            places: {
                below.places.lay_over(above.places);
                below.places
            },
        },
    };
    drafts.insert(name, draft);
}

/// The rules for each form, with those of the file above over those of the one below.
fn forms(mut below: BTreeMap<String, Table>, above: BTreeMap<String, Table>) -> BTreeMap<String, Table> {
    for (form, rules) in above {
        let under = below.remove(&form).unwrap_or_default();
        below.insert(form, merged(under, rules));
    }
    below
}

/// Resolves a source that is complete; `known` are those that are.
fn settle(
    name: String,
    draft: Draft,
    known: &[String],
    presets: &Presets,
    reader: &mut Reader<'_>,
    insecure: bool,
    findings: &mut Vec<Finding>,
) -> Option<SourceConfig> {
    let Draft { entry, origin, mut places } = draft;
    let Some(provider) = entry.provider else {
        let problem = match nearest(&name, known.iter().map(String::as_str)) {
            None => format!("source `{name}` has no provider; add `provider = \"…\"`"),
            Some(meant) => format!(
                "source `{name}` has no provider; did you mean `{meant}`? one of its own needs `provider = \"…\"`"
            ),
        };
        findings.push(Finding::new(origin, problem));
        return None;
    };
    let enabled = entry.enabled.unwrap_or(true);
    let mut unresolved = Unresolved::default();
    let (mut settings, mut rules, mut forms) = (Table::new(), Table::new(), BTreeMap::new());
    if enabled {
        settings = resolve(&entry.settings, &["settings"], reader, &mut unresolved);
        rules = resolve(&entry.rules, &["rules"], reader, &mut unresolved);
        for (form, own) in entry.forms {
            let own = resolve(&own, &["forms", &form], reader, &mut unresolved);
            if let Some(key) = OF_THE_SOURCE.iter().find(|key| own.contains_key(**key)) {
                let place = places.find(&["forms".to_owned(), form.clone(), (*key).to_owned()]).unwrap_or(&origin);
                let problem = format!("source `{name}`: `{key}` is a rule for a whole source; put it under `rules`");
                findings.push(Finding::new(place, problem));
            }
            forms.insert(form, merged(rules.clone(), own));
        }
    }
    let problems = unresolved.broken.into_iter().chain(insecure_urls(&settings, insecure));
    findings.extend(problems.map(|(key, problem)| {
        Finding::new(places.find(&key).unwrap_or(&origin), format!("source `{name}`: {problem}"))
    }));
    let Unresolved { found, missing, unset, .. } = unresolved;
    let begun = found || origin.is_own();
    // A preset is only opened for a source that could be on.
    let dialect = match presets.find(&provider) {
        None => provider.clone(),
        Some(_) if !enabled || !missing.is_empty() => PRESET_DIALECT.to_owned(),
        Some(preset) => {
            preset.places().into_iter().for_each(|preset| places.lay_under(preset));
            settings = preset.laid_under(settings);
            PRESET_DIALECT.to_owned()
        }
    };
    Some(SourceConfig {
        name,
        provider,
        dialect,
        enabled,
        settings,
        rules,
        forms,
        missing,
        unset,
        begun,
        origin,
        places,
    })
}

/// What works and should be mended all the same.
///
/// A short verify token is not refused, other than the secrets that prove: it guards the sender's question only, and nothing
/// comes in by it that is not signed. Who runs with one would not start any more.
pub(super) fn warnings(sources: &[SourceConfig]) -> Vec<String> {
    let is_short = |value: &Value| value.as_str().is_some_and(|token| token.chars().count() < SHORTEST_VERIFY_TOKEN);
    let short = sources.iter().filter(|source| match source.settings.get("verify_token") {
        Some(Value::Array(tokens)) => tokens.iter().any(is_short),
        Some(one) => is_short(one),
        None => false,
    });
    let say = |SourceConfig { name, .. }: &SourceConfig| {
        format!(
            "source `{name}`: its verify token has fewer than {SHORTEST_VERIFY_TOKEN} characters and can be guessed; make \
             another one (openssl rand -hex 16) and type it at the sender, too"
        )
    };
    short.map(say).collect()
}

/// The settings called `…_url` that would carry tokens in the clear, or are no URL; by their paths.
fn insecure_urls(settings: &Table, insecure: bool) -> impl Iterator<Item = (Vec<String>, String)> {
    texts(settings).into_iter().filter(|(key, _)| key.ends_with("_url")).filter_map(move |(key, url)| {
        let path = std::iter::once("settings").chain(key.split('.')).map(str::to_owned).collect();
        Some((path, format!("{key} {}", values::upstream(url, insecure).err()?)))
    })
}

/// Every text of `settings` under its whole name: `fetch.token`.
fn texts(settings: &Table) -> Vec<(String, &str)> {
    let mut all = Vec::new();
    for (key, value) in settings {
        match value {
            Value::String(text) => all.push((key.clone(), text.as_str())),
            Value::Table(table) => {
                all.extend(texts(table).into_iter().map(|(inner, text)| (format!("{key}.{inner}"), text)))
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) => {}
        }
    }
    all
}

/// Every variable that the built-in sources read, in the order of that file.
#[must_use]
pub fn built_in_variables() -> Vec<SourceVariable> {
    let file: Table = DEFAULT.parse().expect("the built-in file is TOML");
    let sources = file.get("sources").and_then(Value::as_table).expect("the built-in file has sources");
    let mut variables = Vec::new();
    for (source, entry) in sources {
        let settings = entry.get("settings").and_then(Value::as_table);
        for (setting, text) in settings.map(texts).unwrap_or_default() {
            let (name, required, default) = match Reference::parse(text) {
                Reference::Required(name) => (name, true, None),
                Reference::Optional(name) => (name, false, None),
                Reference::Default(name, default) => (name, false, Some(default.to_owned())),
                Reference::Literal(_) | Reference::File(_) => continue,
            };
            let (name, source) = (name.to_owned(), source.clone());
            variables.push(SourceVariable { name, source, setting, required, default });
        }
    }
    variables
}
