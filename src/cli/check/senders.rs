//! The sources: which are on, which are half set up, and whether there is any.

use super::Finding;
use crate::app::sources::build_sources;
use crate::config::{self, Config, Environment, SourceConfig};
use crate::domain::event::SourceName;
use crate::providers::{Configured, SourceState};

pub(super) fn check(config: &Config, environment: &Environment) -> Vec<Finding> {
    match build_sources(&config.sources, config.settings.public_url.as_ref()) {
        Ok(sources) => judge(config, &sources, environment),
        Err(wrong) => wrong.iter().map(|finding| Finding::fail("sources", finding.to_string())).collect(),
    }
}

fn judge(config: &Config, sources: &[(SourceName, Configured)], environment: &Environment) -> Vec<Finding> {
    let (mut findings, mut off) = (Vec::new(), Vec::new());
    for (name, configured) in sources {
        let described = config.sources.iter().find(|source| source.name == name.as_str());
        match &configured.state {
            SourceState::On(_) => findings.push(Finding::ok("source", format!("{name} is on"))),
            SourceState::Off { why, .. } if described.is_some_and(|source| is_begun(source, environment)) => {
                findings.push(Finding::warn("source", format!("{name} is off: {why}")));
            }
            SourceState::Off { .. } => off.push(name.as_str()),
        }
    }
    if !sources.iter().any(|(_, configured)| matches!(configured.state, SourceState::On(_))) {
        let says = "none is on, so no webhook is taken; `konektor-bridge sources` shows what each needs";
        findings.push(Finding::fail("sources", says));
    } else if !off.is_empty() {
        findings.push(Finding::ok("sources", format!("not set up: {}", off.join(", "))));
    }
    findings
}

/// True when somebody seems to want this source: a variable of it is set, or it is described in a file of theirs.
fn is_begun(source: &SourceConfig, environment: &Environment) -> bool {
    let variables = config::built_in_variables();
    let mut of_source = variables.iter().filter(|variable| variable.source == source.name).peekable();
    let built_in = of_source.peek().is_some();
    let is_set = |name: &str| environment.get(name).or(environment.get(&format!("{name}_FILE"))).is_some();
    source.enabled && (!built_in || of_source.any(|variable| is_set(&variable.name)))
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Vec<Finding> {
        let environment = Environment::from_iter(variables.iter().copied());
        check(&config::load(&environment).unwrap(), &environment)
    }

    #[test]
    fn a_bridge_without_any_source_fails() {
        let findings = found(&[]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].level, Level::Fail);
    }

    #[test]
    fn a_source_that_is_half_set_up_is_a_warning_and_one_that_is_not_is_none() {
        let findings = found(&[("GOOGLE_LEADS_KEY", "0123456789abcdef"), ("META_APP_SECRET", "x")]);
        let levels: Vec<_> = findings.iter().map(|finding| (finding.level, finding.says.as_str())).collect();
        assert!(levels.contains(&(Level::Ok, "google is on")), "{levels:?}");
        assert!(levels.iter().any(|(level, says)| *level == Level::Warn && says.starts_with("meta is off: ")));
        assert!(levels.iter().any(|(level, says)| *level == Level::Ok && says.contains("whatsapp")));
    }
}
