//! A word to Konektor's support, and what becomes of it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::read::odd_is_none;
use super::words::{TicketPriority, Word};

/// What is asked of the support.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TicketBody {
    /// 3 to 180 characters.
    pub subject: String,
    /// 1 to 10 000 characters.
    pub message: String,
    /// `normal` when it is not said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<TicketPriority>,
}

impl fmt::Debug for TicketBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketBody").field("priority", &self.priority).finish_non_exhaustive()
    }
}

/// A ticket as Konektor opened it (Agent API 2.2.0, "Create Support Ticket").
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ticket {
    /// Its id.
    pub ticket_id: String,
    /// What people call it.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub ticket_ref: Option<String>,
    /// What it is about.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub subject: Option<String>,
    /// Where it stands; no list of these is published.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub status: Option<String>,
    /// How urgent it is.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub priority: Option<Word<TicketPriority>>,
    /// When it was opened.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub created_at: Option<Timestamp>,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("ticket_id", &self.ticket_id)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}
