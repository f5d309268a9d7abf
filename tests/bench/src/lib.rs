//! Every built-in sender, switched on with made-up secrets.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow, ensure};
use jiff::Timestamp;
use konektor_bridge::app::sources::build_sources;
use konektor_bridge::config::{self, Environment};
use konektor_bridge::providers::{Method, Sample, Source, SourceState, Webhook};
use load::variables;

/// Every source of `config/default.toml`.
///
/// # Errors
/// One of them stays off, or is wrong.
pub fn sources() -> Result<Vec<Source>> {
    let public = ("BRIDGE_PUBLIC_URL".to_owned(), "https://hooks.example.com".to_owned());
    let mut variables = BTreeMap::from([public]);
    loop {
        let config = config::load(&variables.clone().into_iter().collect::<Environment>())?;
        let built = build_sources(&config.sources, config.settings.public_url.as_ref());
        let built = built.map_err(|wrong| anyhow!("{}", wrong[0]))?;
        let (mut on, mut off) = (Vec::new(), Vec::new());
        for (name, configured) in built {
            match configured.state {
                SourceState::On(source) => on.push(source),
                SourceState::Off { missing, .. } => off.push((name, missing)),
            }
        }
        let Some((name, _)) = off.first() else { return Ok(on) };
        let known = variables.len();
        off.iter().for_each(|(_, missing)| variables::set_next(&mut variables, missing));
        ensure!(variables.len() > known, "`{name}` stays off");
    }
}

/// `sample` as receiving hands it on.
#[must_use]
pub fn webhook(source: &Source, sample: Sample, now: Timestamp) -> Webhook {
    let token = sample.path_token.iter().map(|token| format!("/{token}")).collect::<String>();
    let headers = sample.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value));
    Webhook {
        source: source.name.clone(),
        received: now,
        request_id: "0193b3a0-0000-7000-8000-000000000000".to_owned(),
        method: Method::Post,
        path: format!("/hooks/{}{token}", source.name),
        path_token: sample.path_token,
        query: sample.query,
        headers: headers.collect(),
        body: sample.body.into(),
        packed: None,
    }
}
