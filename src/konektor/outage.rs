//! That Konektor fails again and again, as one bridge sees it.

use std::fmt;

use jiff::Timestamp;

/// Konektor fails again and again, and the calls of this process wait. Each replica has its own view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outage {
    /// When calls began to wait.
    pub since: Timestamp,
    /// When one call tries next whether it is over.
    pub until: Timestamp,
    /// What the last call came to.
    pub cause: Cause,
}

/// How a call to Konektor failed. Shown, it is a sentence of ours: nothing that Konektor or a person wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cause {
    /// The word of the call (`create`, `search` …).
    pub call: &'static str,
    /// What happened.
    pub why: &'static str,
    /// HTTP status; absent when there was no answer.
    pub status: Option<u16>,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.why)?;
        self.status.map_or(Ok(()), |status| write!(f, " ({status})"))
    }
}
