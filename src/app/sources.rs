//! Makes the sources that take webhooks from what the configuration says of them.

use url::Url;

use super::rules::rules;
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
            Ok(source) => sources.push(source),
            Err(problem) => {
                findings.push(Finding::new(&config.origin, format!("source `{}`: {problem}", config.name)));
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

/// Makes one source, or says what is wrong.
fn build_source(
    config: &SourceConfig,
    rules: Rules,
    public_url: Option<&Url>,
) -> Result<(SourceName, Configured), String> {
    let name = SourceName::parse(&config.name).map_err(|error| error.to_string())?;
    let configured = |state| Configured { dialect: config.provider.clone(), state };
    let off = |cause, why, missing: &[String]| configured(SourceState::Off { cause, why, missing: missing.to_vec() });
    if !config.enabled {
        return Ok((name, off(Cause::Owner, format!("switched off in {}", config.origin), &[])));
    }
    // A provider that does not exist is wrong even before its secrets are there.
    let build = providers::dialect(&config.dialect).map_err(|_| no_such_provider(&config.provider))?;
    if !config.missing.is_empty() {
        return Ok((name, off(Cause::Want, not_set(&config.missing), &config.missing)));
    }
    let place = Place::new(name.clone(), public_url.map(Url::as_str));
    match build(config.settings.clone(), &place) {
        Ok(provider) => Ok((name.clone(), configured(SourceState::On(Source { name, provider, rules })))),
        Err(SettingsError::Incomplete(why)) => {
            let missing = wanted(&why, &config.unset);
            let named = missing.iter().any(|variable| why.contains(variable.as_str()));
            let why = if named || missing.is_empty() { why } else { format!("{why}: {}", missing.join(" or ")) };
            Ok((name, off(Cause::Want, why, &missing)))
        }
        Err(SettingsError::Invalid(problem)) => Err(with_suggestion(&problem)),
    }
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

/// Of the variables that a source could use those that the reason names: the others would not switch it on. All where it
/// names none.
fn wanted(why: &str, unset: &[String]) -> Vec<String> {
    let named: Vec<_> =
        unset.iter().filter(|name| why.split(' ').any(|word| word.trim_matches(',') == **name)).cloned().collect();
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
    fn only_what_would_switch_a_source_on_is_missing() {
        let unset = ["FORM_SECRET".to_owned(), "FORM_CAPTCHA_SECRET".to_owned()];
        assert_eq!(
            wanted("set FORM_ORIGINS (https://a.example), or FORM_SECRET, for back-ends", &unset),
            ["FORM_SECRET"]
        );
        assert_eq!(wanted("set `key`", &unset), unset);
    }
}
