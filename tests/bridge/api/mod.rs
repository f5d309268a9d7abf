//! The Agent API from the caller's side: the typed client against a Konektor that says what it is told and against the
//! sandbox, and the commands that stand on it.

mod client;
mod commands;
mod examples;
mod fake;
mod pages;

use std::num::NonZeroU32;
use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use konektor_bridge::konektor::{Api, Heard, Permit, Permits};
use konektor_bridge::sandbox::{self, DEFAULT_KEY, Running, Settings, Workspace};
use secrecy::SecretString;

/// Permits as many as are asked for.
struct Free;

#[async_trait]
impl Permits for Free {
    async fn permit(&self) -> Permit {
        Permit { number: 0, given: Timestamp::UNIX_EPOCH }
    }

    fn observe(&self, _: Permit, _: Heard) {}
}

/// The client of what is at `url`.
fn client(url: &str) -> Api {
    let key = SecretString::from(DEFAULT_KEY);
    Api::new(&url.parse().unwrap(), Arc::new(move || key.clone()), Arc::new(Free)).unwrap()
}

/// A sandbox that takes as many calls as come.
fn sandbox(change: impl FnOnce(&mut Settings)) -> Running {
    let workspace = Workspace { per_minute: NonZeroU32::new(1_000_000), ..Workspace::default() };
    let mut settings = Settings { workspaces: vec![workspace], ..Settings::default() };
    change(&mut settings);
    sandbox::start(settings).unwrap()
}
