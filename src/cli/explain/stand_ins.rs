//! Secrets for a source that has none yet, so that its webhooks can be explained before it is set up.

use crate::cli::local;
use crate::config::{Config, Environment};
use crate::providers::{Registry, Source, SourceState};

/// Good as any secret, also as one of Standard Webhooks. It opens nothing: explaining takes no requests.
const SECRET: &str = "whsec_c3RhbmRzIGluIGZvciBhIHNlY3JldCBub3QgeWV0IHNldA==";

/// The source called `name`, and the variables that a stand-in was needed for.
pub(super) fn source(environment: &Environment, name: &str) -> anyhow::Result<(Config, Source, Vec<String>)> {
    let mut needed = Vec::new();
    loop {
        let (config, registry) = local::configured(&with_stand_ins(environment, &needed))?;
        let mut more = missing(&registry, name);
        more.retain(|variable| !needed.contains(variable));
        if more.is_empty() {
            // Still off when more is missing than variables; the error says what.
            let source = local::source(&registry, name)?.clone();
            return Ok((config, source, needed));
        }
        needed.extend(more);
    }
}

fn missing(registry: &Registry, name: &str) -> Vec<String> {
    let configured = registry.iter().find(|(known, _)| known.as_str() == name);
    match configured.map(|(_, configured)| &configured.state) {
        Some(SourceState::Off { missing, .. }) => missing.clone(),
        Some(SourceState::On(_)) | None => Vec::new(),
    }
}

fn with_stand_ins(environment: &Environment, missing: &[String]) -> Environment {
    let set = environment.names().filter_map(|name| Some((name, environment.get(name)?)));
    let stand_ins = missing.iter().map(|name| (name.as_str(), stand_in(name)));
    set.chain(stand_ins).collect()
}

fn stand_in(name: &str) -> &'static str {
    match name {
        "BRIDGE_PUBLIC_URL" => "https://bridge.example.com",
        _ if name.ends_with("_ORIGINS") => "https://example.com",
        _ => SECRET,
    }
}
