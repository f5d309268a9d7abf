//! The sources: which are on, which are half set up, and whether there is any.

use jiff::Timestamp;

use super::Finding;
use crate::app::sources::build_sources;
use crate::config::{self, Config, Environment, SourceConfig};
use crate::domain::event::SourceName;
use crate::providers::{Cause, EXPIRES_SOON, List, Registry, SourceState};

/// Judges the sources of `config`, of which `known` have been on before.
pub(super) fn check(
    config: &Config,
    known: Vec<SourceName>,
    environment: &Environment,
    now: Timestamp,
) -> Vec<Finding> {
    match build_sources(&config.sources, config.settings.public_url.as_ref()) {
        Ok(sources) => judge(config, &Registry::new(sources, known), environment, now),
        Err(wrong) => wrong.iter().map(|finding| Finding::fail("sources", finding.to_string())).collect(),
    }
}

fn judge(config: &Config, sources: &Registry, environment: &Environment, now: Timestamp) -> Vec<Finding> {
    let (mut findings, mut off) = (Vec::new(), Vec::new());
    for (name, configured) in sources.iter() {
        let described = config.sources.iter().find(|source| source.name == name.as_str());
        match &configured.state {
            SourceState::On(source) => {
                findings.push(Finding::ok("source", format!("{name} is on")));
                findings.extend(source.provider.expires().map(|at| access(name, at, now)));
                if let List::Off(why) = source.provider.list() {
                    let says =
                        format!("what the webhooks of {name} do not bring is not read from its sender's list: {why}");
                    findings.push(Finding::warn("source", says));
                }
            }
            SourceState::Off { cause: Cause::Want, why, .. } if sources.was_on(name) => {
                let says =
                    format!("{name} has been on and is off: {why}; its webhooks are answered 503 until it is mended");
                findings.push(Finding::fail("source", says));
            }
            SourceState::Off { why, .. } if described.is_some_and(|source| is_begun(source, environment)) => {
                findings.push(Finding::warn("source", format!("{name} is off: {why}")));
            }
            SourceState::Off { .. } => off.push(name.as_str()),
        }
    }
    if sources.on().next().is_none() {
        let says = "none is on, so no webhook is taken; `konektor-bridge sources` shows what each needs";
        findings.push(Finding::fail("sources", says));
    } else if !off.is_empty() {
        findings.push(Finding::ok("sources", format!("not set up: {}", off.join(", "))));
    }
    findings
}

/// How long the token for the sender's API still lives.
fn access(name: &SourceName, at: Timestamp, now: Timestamp) -> Finding {
    let days = at.duration_since(now).as_hours() / 24;
    if at <= now {
        Finding::fail("source", format!("the token of {name} has ended ({at}): set a new one, leads wait for it"))
    } else if at < now + EXPIRES_SOON {
        Finding::warn("source", format!("the token of {name} ends in {days} days ({at}): get a new one"))
    } else {
        Finding::ok("source", format!("the token of {name} ends in {days} days"))
    }
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
        found_where_known(&[], variables)
    }

    fn found_where_known(known: &[&str], variables: &[(&str, &str)]) -> Vec<Finding> {
        let environment = Environment::from_iter(variables.iter().copied());
        let known = known.iter().map(|name| SourceName::parse(name).unwrap()).collect();
        check(&config::load(&environment).unwrap(), known, &environment, "2027-01-01T00:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_bridge_without_any_source_fails() {
        let findings = found(&[]);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].level, Level::Fail);
    }

    #[test]
    fn a_token_that_ends_soon_is_a_warning_and_one_that_has_ended_a_failure() {
        for (ends, level) in [("2026-12-31", Level::Fail), ("2027-01-14", Level::Warn), ("2027-02-28", Level::Ok)] {
            let variables = [
                ("LINKEDIN_CLIENT_SECRET", "0123456789abcdef"),
                ("LINKEDIN_ACCESS_TOKEN", "x"),
                ("LINKEDIN_TOKEN_EXPIRES", ends),
            ];
            let findings = found(&variables);
            let about = findings.iter().find(|finding| finding.says.starts_with("the token of linkedin"));
            assert_eq!(about.map(|finding| finding.level), Some(level), "{ends}");
        }
        let silent = found(&[("LINKEDIN_CLIENT_SECRET", "0123456789abcdef"), ("LINKEDIN_ACCESS_TOKEN", "x")]);
        assert!(!silent.iter().any(|finding| finding.says.starts_with("the token of")));
    }

    #[test]
    fn a_list_that_is_not_read_for_want_of_a_setting_is_a_warning() {
        let token = [("LINKEDIN_CLIENT_SECRET", "0123456789abcdef"), ("LINKEDIN_ACCESS_TOKEN", "x")];
        let owned = [&token[..], &[("LINKEDIN_OWNER", "urn:li:organization:1")]].concat();
        let warned = |variables: &[(&str, &str)]| {
            let findings = found(variables);
            findings.iter().any(|finding| finding.level == Level::Warn && finding.says.contains("set LINKEDIN_OWNER"))
        };
        assert_eq!((warned(&token), warned(&owned)), (true, false));
    }

    #[test]
    fn a_source_that_has_been_on_and_lacks_its_secret_is_a_failure() {
        let form = [("FORM_SECRET", "fake-form-secret-0123")];
        let findings = found_where_known(&["form", "google", "removed"], &form);
        let failed: Vec<_> = findings.iter().filter(|finding| finding.level == Level::Fail).collect();
        assert!(failed.len() == 1 && failed[0].says.contains("google has been on"), "{findings:?}");
        assert!(failed[0].says.contains("GOOGLE_LEADS_KEY is not set"), "{findings:?}");
    }

    #[test]
    fn a_source_that_is_half_set_up_is_a_warning_and_one_that_is_not_is_none() {
        let findings = found(&[("GOOGLE_LEADS_KEY", "0123456789abcdef"), ("META_APP_SECRET", "0123456789abcdef")]);
        let levels: Vec<_> = findings.iter().map(|finding| (finding.level, finding.says.as_str())).collect();
        assert!(levels.contains(&(Level::Ok, "google is on")), "{levels:?}");
        assert!(levels.iter().any(|(level, says)| *level == Level::Warn && says.starts_with("meta is off: ")));
        assert!(levels.iter().any(|(level, says)| *level == Level::Ok && says.contains("whatsapp")));
    }
}
