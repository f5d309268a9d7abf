//! A sender's own list of its leads, for what its webhooks did not bring: what is asked for and what an answer means.
//!
//! A page of a list is made into a webhook of the sender's own shape. So it is cut, told from what is known already, fetched
//! and read as any other is.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::domain::event::{Kept, SourceName};

/// The header of ours under which a kept webhook says that a list brought it. It is in no provider's list of headers to
/// keep, so no sender can write it.
pub(super) const BACKFILL: &str = "bridge-backfill";

/// Which leads of a list are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Those that were submitted then or later …
    pub since: Timestamp,
    /// … and before this.
    pub until: Timestamp,
}

/// Whether a sender has a list of its leads that can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// It has none.
    None,
    /// It has one, and something is not set. Says what.
    Off(String),
    /// It has.
    On,
}

/// What the answer to a question for a page says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    /// These leads.
    Leads {
        /// A webhook as the sender would have sent it, that names them; none where there are none.
        webhook: Option<Bytes>,
        /// How many they are.
        leads: usize,
        /// Where the list goes on; `None` at its end.
        next: Option<String>,
    },
    /// Nothing can be had now; ask the same again after this time.
    Later(Duration, String),
    /// It will not get better by itself; the sentence says what to do.
    Refused(String),
}

/// A page that was read: what is on it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// How many leads are on it. Those that are known already are told apart when they are sorted.
    pub leads: usize,
    /// Where the list goes on; `None` at its end.
    pub next: Option<String>,
}

/// Why a page was not read.
#[derive(Debug, thiserror::Error)]
pub enum NotListed {
    /// The cursor is not one of this list.
    #[error("the cursor is not one of this list; begin again without one")]
    Cursor,
    /// Nothing can be had now; ask the same again after this time.
    #[error("{1}")]
    Later(Duration, String),
    /// The sender does not answer until a person does something; the sentence says what.
    #[error("{0}")]
    Refused(String),
    /// The store did not keep what was on it.
    #[error("the store did not keep what the sender's list brought: {0}")]
    NotKept(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The webhook that a page of the list of `source` was made into, as the inbox keeps it.
#[must_use]
pub fn back_filled(source: SourceName, received: Timestamp, request_id: String, body: Bytes) -> Kept {
    let headers = vec![(BACKFILL.to_owned(), "listed".to_owned())];
    Kept { source, received, request_id, headers, body }
}
