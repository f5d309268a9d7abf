//! The JSON shapes of the Agent API: one set for whoever asks.

mod lead;
mod money;
mod read;
mod reports;
mod ticket;
mod words;
mod workspace;

use serde::Deserialize;
use serde_json::Value;

pub use self::lead::{Change, Cursor, LeadBody, LeadView, Page, Pagination};
pub use self::money::{Money, NotANumber};
pub use self::read::Written;
pub use self::reports::{Campaign, Conversions, FunnelStep, PendingConversion, Span, Summary};
pub use self::ticket::{Ticket, TicketBody};
pub use self::words::{SyncStatus, TicketPriority, Timeframe, Word};
pub use self::workspace::{LeadsPerDay, Subscription, Usage, Workspace};

/// The frame around what a call gives.
#[derive(Debug, Deserialize)]
pub(super) struct Framed<T> {
    /// What it gives.
    pub(super) data: T,
}

/// The frame around a refusal.
#[derive(Debug, Deserialize)]
pub(super) struct Failure {
    /// The refusal.
    pub(super) error: Reported,
}

/// A refusal in Konektor's words.
#[derive(Debug, Deserialize)]
pub(super) struct Reported {
    /// For people.
    #[serde(default)]
    pub(super) message: String,
    /// Field → message, where a field is to blame.
    #[serde(default)]
    pub(super) details: Value,
}
