//! Makes the sources that take webhooks from what the configuration says of them.

use toml::{Table, Value};
use url::Url;

use super::rules::{never_paid, rules};
use crate::config::{self, ConfigError, Files, Finding, Settings, SourceConfig, with_suggestion};
use crate::domain::event::SourceName;
use crate::domain::region::Region;
use crate::domain::rules::Rules;
use crate::providers::{self, Cause, Configured, Place, SettingsError, Source, SourceState};

/// Makes each source, on or off, for senders that reach us at `public_url`.
///
/// # Errors
/// Everything that is wrong. What is only missing makes a source that is off.
pub fn build_sources(
    configs: &[SourceConfig],
    public_url: Option<&Url>,
) -> Result<Vec<(SourceName, Configured)>, Vec<Finding>> {
    let (mut sources, mut findings) = (Vec::new(), Vec::new());
    for config in configs {
        // A source that is switched off has none.
        let rules = match rules(config) {
            Ok(rules) => rules,
            Err(wrong) => {
                findings.extend(wrong);
                continue;
            }
        };
        match build_source(config, rules, public_url) {
            Ok(source) => {
                if let SourceState::On(source) = &source.1.state {
                    findings.extend(never_paid(config, source));
                }
                sources.push(source);
            }
            Err((key, problem)) => {
                let place = config.places.find(&key).unwrap_or(&config.origin);
                findings.push(Finding::new(place, format!("source `{}`: {problem}", config.name)));
            }
        }
    }
    if findings.is_empty() { Ok(sources) } else { Err(findings) }
}

/// The region for phone numbers of sources that set none. Which regions there are is for the domain to say.
///
/// # Errors
/// There is none like that.
pub fn default_region(settings: &Settings) -> Result<Region, ConfigError> {
    Region::parse(&settings.default_region).map_err(|error| {
        let findings = vec![Finding::new("BRIDGE_DEFAULT_REGION", error.to_string())];
        ConfigError { findings, files: Files::default() }
    })
}

/// Makes one source, or says what is wrong, with the path of the key that is.
fn build_source(
    config: &SourceConfig,
    rules: Rules,
    public_url: Option<&Url>,
) -> Result<(SourceName, Configured), (Vec<String>, String)> {
    let name = SourceName::parse(&config.name).map_err(|error| (Vec::new(), error.to_string()))?;
    let configured = |state| Configured { dialect: config.provider.clone(), state };
    let off = |cause, why, missing: &[String]| {
        configured(SourceState::Off { cause, why, missing: missing.to_vec(), begun: config.begun })
    };
    if !config.enabled {
        return Ok((name, off(Cause::Owner, format!("switched off in {}", config.origin), &[])));
    }
    // A provider that does not exist is wrong even before its secrets are there.
    let build = providers::dialect(&config.dialect)
        .map_err(|_| (vec!["provider".to_owned()], no_such_provider(&config.provider)))?;
    if !config.missing.is_empty() {
        return Ok((name, off(Cause::Want, not_set(&config.missing), &config.missing)));
    }
    let place = Place::new(name.clone(), public_url.map(Url::as_str));
    match build(config.settings.clone(), &place) {
        Ok(provider) => Ok((name.clone(), configured(SourceState::On(Source { name, provider, rules })))),
        Err(incomplete @ (SettingsError::Incomplete(_) | SettingsError::NoAddress)) => {
            let why = incomplete.to_string();
            let missing = wanted(&why, &config.unset);
            let named = missing.iter().any(|variable| why.contains(variable.as_str()));
            let why = if named || missing.is_empty() { why } else { format!("{why}: {}", missing.join(" or ")) };
            Ok((name, off(Cause::Want, why, &missing)))
        }
        Err(SettingsError::Invalid(problem)) => {
            let key = named(&problem, &config.settings).map(|key| [vec!["settings".to_owned()], key].concat());
            Err((key.unwrap_or_default(), with_suggestion(&problem)))
        }
    }
}

/// The path of the key of `settings` that a problem is about, as far as there is one: what stands before its colons
/// (`verify.base: …`), and then what is the first in backticks that is there (``unknown field `bas` ``).
fn named(problem: &str, settings: &Table) -> Option<Vec<String>> {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    let steps = |key: &str| {
        let steps = key.split(['.', '[']).map(|step| step.trim_end_matches(']').to_owned());
        steps.filter(|step| !step.is_empty()).collect::<Vec<_>>()
    };
    let (mut rest, mut path) = (problem, Vec::new());
    while let Some((key, behind)) = rest.split_once(": ").filter(|(key, _)| key.chars().all(bare)) {
        path.extend(steps(key));
        rest = behind;
    }
    // Of a scheme's secrets it is the source that says where they are.
    let secret = path.last().and_then(|last| last.strip_suffix('s')).map(|last| vec![last.to_owned()]);
    let quoted = rest.split('`').skip(1).step_by(2).map(steps);
    let quoted = quoted.flat_map(|word| [[&path[..], &word[..]].concat(), word]);
    let whole = quoted.chain([path.clone()]).chain(secret).find(|path| there(path, settings) == path.len());
    let known = there(&path, settings);
    path.truncate(known);
    whole.or(Some(path)).filter(|path| !path.is_empty())
}

/// How many steps of `path` there are in `settings`.
fn there(path: &[String], settings: &Table) -> usize {
    let Some((first, rest)) = path.split_first() else { return 0 };
    let mut place = settings.get(first);
    let mut known = 0;
    for step in rest.iter().map(Some).chain([None]) {
        let Some(value) = place else { return known };
        known += 1;
        place = step.and_then(|step| match value {
            Value::Table(table) => table.get(step),
            Value::Array(list) => list.get(step.parse::<usize>().ok()?),
            Value::String(_) | Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => None,
        });
    }
    known
}

/// Names every provider that there is: dialects and presets.
fn no_such_provider(provider: &str) -> String {
    let dialects = providers::DIALECTS.iter().map(|(name, _)| *name);
    let mut known: Vec<_> = dialects.chain(config::PRESETS.iter().map(|(name, _)| *name)).collect();
    known.sort_unstable();
    let meant = config::nearest(provider, known.iter().copied());
    let meant = meant.map(|meant| format!(", did you mean `{meant}`?")).unwrap_or_default();
    format!("there is no provider `{provider}`{meant}; known are: {}", known.join(", "))
}

/// Where senders reach the bridge: what no source names, and some need.
const PUBLIC_URL: &str = "BRIDGE_PUBLIC_URL";

/// Of the variables that a source could use those that the reason names: the others would not switch it on. All where it
/// names none.
fn wanted(why: &str, unset: &[String]) -> Vec<String> {
    let is_named = |name: &str| why.split(' ').any(|word| word.trim_matches([',', ':']) == name);
    let known = unset.iter().map(String::as_str).chain([PUBLIC_URL]);
    let named: Vec<_> = known.filter(|name| is_named(name)).map(str::to_owned).collect();
    if named.is_empty() { unset.to_vec() } else { named }
}

fn not_set(missing: &[String]) -> String {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb} not set", missing.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_that_is_wrong_is_found_by_what_is_said_of_it() {
        let settings =
            "secret = 'x'\ngraph_url = 1\nfetch.bas_url = 'x'\nverify = { kind = 'any', of = [{}, { base = 'x' }] }";
        let settings: Table = settings.parse().unwrap();
        let of = |problem: &str| named(problem, &settings).map(|path| path.join("/")).unwrap_or_default();
        for (problem, key) in [
            ("`graph_url` is an address like https://graph.facebook.com", "graph_url"),
            ("fetch: unknown field `bas_url`, expected one of `secret`, `graph_url`", "fetch/bas_url"),
            ("verify.of[1].base: it has no `body`", "verify/of/1/base"),
            ("verify: of[1]: base: something", "verify/of/1/base"),
            ("verify.secrets: a secret has fewer than 16 characters", "secret"),
            ("verify.timestamp: say its unit", "verify"),
            ("nothing of this is a key", ""),
        ] {
            assert_eq!(of(problem), key, "{problem}");
        }
    }

    #[test]
    fn only_what_would_switch_a_source_on_is_missing() {
        let unset = ["FORM_SECRET".to_owned(), "FORM_CAPTCHA_SECRET".to_owned()];
        assert_eq!(
            wanted("set FORM_ORIGINS (https://a.example), or FORM_SECRET, for back-ends", &unset),
            ["FORM_SECRET"]
        );
        assert_eq!(wanted("set `key`", &unset), unset);
        assert_eq!(wanted("set BRIDGE_PUBLIC_URL: this sender signs the URL", &unset), ["BRIDGE_PUBLIC_URL"]);
    }
}
