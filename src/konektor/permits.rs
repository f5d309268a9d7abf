//! Where the typed client gets the right to call: all calls of a process spend one budget.

use async_trait::async_trait;
use jiff::Timestamp;

use super::RateLimit;

/// Gives permits, and hears what came of them. Konektor counts by workspace, over all keys; whoever fills this shares one
/// of it among everything that calls for a workspace ([`crate::app`] has one for a process of its own).
#[async_trait]
pub trait Permits: Send + Sync {
    /// Waits until one more call may go out.
    async fn permit(&self) -> Permit;

    /// Takes in what came of the call. A permit of which nothing is heard counts as spent.
    fn observe(&self, permit: Permit, heard: Heard);
}

/// The right to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permit {
    /// Whoever gave it knows it by this.
    pub number: u64,
    /// When it was given.
    pub given: Timestamp,
}

/// What came of a call, as far as the next ones go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was not sent: nothing is spent.
    Unsent,
    /// It may have been counted: there was an answer with these headers, or none came.
    Sent(RateLimit),
    /// 429, with these headers.
    Throttled(RateLimit),
    /// Konektor failed (5xx, no answer that can be read): the next call had better wait a little.
    Failed(RateLimit),
}
