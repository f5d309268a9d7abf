//! Konektor's Agent API: what we ask, and what the answers mean. Pure, but for [`client`].
//!
//! Source of every path, field and code: Agent API 2.2.0.

pub mod client;
pub mod wire;

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::lead::LeadId;
use wire::{LeadBody, LeadView, Workspace};

/// One call.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `POST /leads`: the one call that must never be made twice blindly.
    Create(Box<LeadBody>),
    /// `PATCH /leads/{id}`: sets fields, so it may be repeated.
    Update(LeadId, Box<LeadBody>),
    /// `GET /leads/{id}`.
    Get(LeadId),
    /// `GET /leads?search=…`: what Konektor finds under a text, a page at a time.
    Search {
        /// The text, at most 200 characters.
        text: String,
        /// The `next` of the page before; `None` for the first.
        cursor: Option<String>,
    },
    /// The cheapest call that shows whether the key is accepted: `GET /leads?limit=1`.
    Probe,
    /// `GET /workspace`: the plan, and what of its daily number of leads is used. Needs a scope of its own,
    /// `agent.workspace.read`, that a key which delivers leads may lack.
    Workspace,
}

impl Request {
    /// The first page of what Konektor finds under `text`.
    #[must_use]
    pub fn search(text: impl Into<String>) -> Self {
        Self::Search { text: text.into(), cursor: None }
    }

    /// The word for logs, metrics and the lane's log.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Update(..) => "update",
            Self::Get(_) => "get",
            Self::Search { .. } => "search",
            Self::Probe => "probe",
            Self::Workspace => "workspace",
        }
    }
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What it means.
    pub verdict: Verdict,
    /// HTTP status; absent when there was no answer.
    pub status: Option<u16>,
    /// Konektor's `X-Request-Id`, for its support.
    pub request_id: Option<String>,
    /// The rate-limit headers.
    pub rate: RateLimit,
}

/// The meaning of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// The lead as it now is (create, update, get).
    Lead(Box<LeadView>),
    /// A page of what a search found.
    Found {
        /// Its leads.
        leads: Vec<LeadView>,
        /// Where the next page is; `None` at the end.
        next: Option<String>,
    },
    /// The call was allowed (probe).
    Allowed,
    /// The workspace of the key.
    Workspace(Box<Workspace>),
    /// Refused for these fields; not executed.
    Invalid(Vec<FieldError>),
    /// There is no such lead.
    NotFound,
    /// Not documented: a lead with this reference exists already.
    Conflict,
    /// The key is missing, wrong, expired or revoked.
    Unauthorized,
    /// A scope is missing or the plan does not allow it.
    Forbidden,
    /// Not documented: forbidden because the workspace's daily number of leads is used up.
    Quota,
    /// Too many requests; not executed.
    Throttled,
    /// Where Konektor's leads should be there is something else: the base URL is wrong.
    Misconfigured,
    /// The request never left: name, connection or TLS failed.
    Unsent(&'static str),
    /// It may or may not have been executed: no answer in time, a cut, a 5xx, something that cannot be read.
    Unclear(&'static str),
}

impl Verdict {
    /// The word for metrics and logs.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Lead(_) | Self::Found { .. } | Self::Allowed | Self::Workspace(_) => "ok",
            Self::Invalid(_) => "invalid",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Quota => "quota",
            Self::Throttled => "throttled",
            Self::Misconfigured => "misconfigured",
            Self::Unsent(_) => "unsent",
            Self::Unclear(_) => "unclear",
        }
    }
}

/// One field that Konektor refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The field's name on the wire.
    pub field: String,
    /// Konektor's words, without anything that looks like personal data.
    pub message: String,
}

impl std::fmt::Display for FieldError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The rate-limit headers of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RateLimit {
    /// Requests a minute that the workspace may make.
    pub limit: Option<u32>,
    /// How many of them are left.
    pub remaining: Option<u32>,
    /// When the window ends.
    pub reset: Option<Timestamp>,
    /// How long to wait after a 429.
    pub retry_after: Option<Duration>,
}
