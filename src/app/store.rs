//! The store that the settings name.

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use crate::config::{Backend, SearchFirst, Settings};
use crate::deliver::Waits;
use crate::store::{Options, SqliteStore};

/// What is known of what is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is what it last was, as far as it can tell itself.
    AsItWas,
    /// A person says that an older state was put back, or that it was emptied.
    Restored,
}

/// Opens the store, or makes it. Blocks for well under a second.
///
/// # Errors
/// What is in the way, and what to do about it.
pub fn open(settings: &Settings, state: State, now: Timestamp) -> anyhow::Result<Arc<SqliteStore>> {
    let Backend::Embedded { data_dir } = &settings.backend;
    let options = Options {
        quiet: waits(settings).quiet(),
        search_always: settings.search_first == SearchFirst::Always,
        restored: state == State::Restored,
        ..Options::default()
    };
    let store = SqliteStore::open(data_dir, options, now)
        .with_context(|| format!("the store in {} cannot be opened", data_dir.display()))?;
    Ok(Arc::new(store))
}

/// How long Konektor is waited for before what it shows is believed.
#[must_use]
pub fn waits(settings: &Settings) -> Waits {
    Waits { commit: settings.commit_within, search: settings.search_within }
}
