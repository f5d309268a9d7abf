//! The store that the settings name.

use std::sync::Arc;

use anyhow::Context;
use jiff::Timestamp;

use crate::config::Backend;
use crate::store::{Options, SqliteStore};

/// Opens the store, or makes it. Blocks for well under a second.
///
/// # Errors
/// What is in the way, and what to do about it.
pub fn open(backend: &Backend, now: Timestamp) -> anyhow::Result<Arc<SqliteStore>> {
    let Backend::Embedded { data_dir } = backend;
    let store = SqliteStore::open(data_dir, Options::default(), now)
        .with_context(|| format!("the store in {} cannot be opened", data_dir.display()))?;
    Ok(Arc::new(store))
}
