//! Makes the sources that take webhooks from what the configuration says of them.

use super::rules::rules;
use crate::config::{Finding, SourceConfig, with_suggestion};
use crate::domain::event::SourceName;
use crate::domain::rules::Rules;
use crate::providers::{self, Configured, SettingsError, Source, SourceState};

/// Makes each source, on or off.
///
/// # Errors
/// Everything that is wrong. What is only missing makes a source that is off.
pub fn build_sources(configs: &[SourceConfig]) -> Result<Vec<(SourceName, Configured)>, Vec<Finding>> {
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
        match build_source(config, rules) {
            Ok(source) => sources.push(source),
            Err(problem) => {
                findings.push(Finding::new(&config.origin, format!("source `{}`: {problem}", config.name)));
            }
        }
    }
    if findings.is_empty() { Ok(sources) } else { Err(findings) }
}

/// Makes one source, or says what is wrong.
fn build_source(config: &SourceConfig, rules: Rules) -> Result<(SourceName, Configured), String> {
    let name = SourceName::parse(&config.name).map_err(|error| error.to_string())?;
    let configured = |state| Configured { dialect: config.provider.clone(), state };
    let off = |why: String, missing: &[String]| configured(SourceState::Off { why, missing: missing.to_vec() });
    if !config.enabled {
        return Ok((name, off(format!("switched off in {}", config.origin), &[])));
    }
    // A provider that does not exist is wrong even before its secrets are there.
    let build = providers::dialect(&config.provider).map_err(|error| error.to_string())?;
    if !config.missing.is_empty() {
        return Ok((name, off(not_set(&config.missing), &config.missing)));
    }
    match build(config.settings.clone()) {
        Ok(provider) => Ok((name.clone(), configured(SourceState::On(Source { name, provider, rules })))),
        Err(SettingsError::Incomplete(why)) => Ok((name, off(why, &config.unset))),
        Err(SettingsError::Invalid(problem)) => Err(with_suggestion(&problem)),
    }
}

fn not_set(missing: &[String]) -> String {
    let verb = if missing.len() == 1 { "is" } else { "are" };
    format!("{} {verb} not set", missing.join(", "))
}
