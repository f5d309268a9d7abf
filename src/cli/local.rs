//! What commands learn from the configuration of the machine they run on.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use url::Url;

use super::Context;
use super::failure::BadUsage;
use crate::app::sources::build_sources;
use crate::config::{self, Config, ConfigError, Environment, nearest};
use crate::domain::event::SourceName;
use crate::loopback::{is_this_machine, reached};
use crate::providers::{Registry, Source, SourceState};

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

impl Context {
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The configuration, and the sources that it makes.
    pub(super) fn configured(&self) -> Result<(Config, Registry), ConfigError> {
        configured(&self.environment)
    }
}

/// The configuration that `environment` gives, and the sources that it makes.
pub(super) fn configured(environment: &Environment) -> Result<(Config, Registry), ConfigError> {
    let config = config::load(environment)?;
    let sources = build_sources(&config.sources, config.settings.public_url.as_ref())
        .map_err(|findings| ConfigError { findings, files: config.files.clone() })?;
    Ok((config, Registry::new(sources, [])))
}

/// The source called `name`, which has to be on.
pub(super) fn source<'a>(registry: &'a Registry, name: &str) -> Result<&'a Source, BadUsage> {
    let known = SourceName::parse(name).ok().and_then(|name| registry.iter().find(|(known, _)| **known == name));
    match known.map(|(_, configured)| &configured.state) {
        Some(SourceState::On(source)) => Ok(source),
        Some(SourceState::Off { why, .. }) => {
            Err(BadUsage(format!("the source `{name}` is off: {why}; `konektor-bridge sources` shows what each needs")))
        }
        None => Err(no_such_source(registry.iter().map(|(name, _)| name.as_str()), name)),
    }
}

/// That none of the sources called `names` is called `name`, and which was probably meant.
pub(super) fn no_such_source<'n>(names: impl Iterator<Item = &'n str>, name: &str) -> BadUsage {
    let names: Vec<_> = names.collect();
    let meant =
        nearest(name, names.iter().copied()).map(|meant| format!(", did you mean `{meant}`?")).unwrap_or_default();
    BadUsage(format!("there is no source `{name}`{meant}; there are {}", names.join(", ")))
}

/// How `address` is reached from this machine; `None` for a port that is not known beforehand.
pub(super) fn url_of(address: SocketAddr) -> Option<Url> {
    let address = reached(address);
    (address.port() != 0).then(|| Url::parse(&format!("http://{address}")).expect("an address makes a URL"))
}

/// What is to be said behind the URL of `address`: that others get in there as well.
pub(super) fn also_from(address: SocketAddr) -> &'static str {
    if address.ip().is_unspecified() { " (and on every other address of this machine)" } else { "" }
}

/// The URL of the hook of `source` under `base`.
pub(super) fn hook(base: &Url, source: &SourceName) -> Url {
    below(base, &["hooks", source.as_str()])
}

/// `base` with `path` after its own.
pub(super) fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    url.path_segments_mut().expect("a web address takes a path").pop_if_empty().extend(path);
    url
}

/// A client for what is at `base`. A redirect is not followed: it could take a token elsewhere. What is on this machine is
/// asked directly, whatever proxy the environment names.
pub(super) fn client(base: &Url, timeout: Duration) -> anyhow::Result<reqwest::Client> {
    let builder = reqwest::Client::builder()
        .user_agent(concat!("konektor-bridge/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none());
    let builder = if is_this_machine(base) { builder.no_proxy() } else { builder };
    builder.build().context("the HTTP client cannot be set up; are there root certificates on this machine?")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_stands_below_whatever_path_the_bridge_has() {
        let source = SourceName::parse("meta").unwrap();
        for (base, expected) in [
            ("https://a.example", "https://a.example/hooks/meta"),
            ("https://a.example/x/", "https://a.example/x/hooks/meta"),
        ] {
            assert_eq!(hook(&base.parse().unwrap(), &source).as_str(), expected);
        }
    }

    #[test]
    fn an_address_for_everyone_is_shown_as_one_that_opens() {
        let reached = |address: &str| url_of(address.parse().unwrap()).map(String::from);
        assert_eq!(reached("0.0.0.0:8080").as_deref(), Some("http://127.0.0.1:8080/"));
        assert_eq!(reached("[::]:8080").as_deref(), Some("http://[::1]:8080/"));
        assert_eq!(reached("10.0.0.7:80").as_deref(), Some("http://10.0.0.7/"));
        assert_eq!(reached("0.0.0.0:0"), None);
        assert!(also_from("[::]:80".parse().unwrap()).contains("every other address"));
        assert_eq!(also_from("10.0.0.7:80".parse().unwrap()), "");
    }

    #[test]
    fn a_source_that_is_off_or_unknown_says_what_to_do() {
        let (_, registry) = configured(&Environment::default()).unwrap();
        let said = |name: &str| source(&registry, name).unwrap_err().to_string();
        assert!(said("google").contains("GOOGLE_LEADS_KEY is not set"), "{}", said("google"));
        assert!(said("gogle").contains("did you mean `google`?; there are "), "{}", said("gogle"));
        assert!(said("Not a name").contains("there is no source"));
    }
}
