//! Konektor's Agent API: what we ask, and what the answers mean.
//!
//! There are two ways in, over one transport, one set of [`wire`] shapes and one table of statuses ([`Refused`]):
//!
//! - [`Api`], the typed client: one method a call, for the command line and for whoever uses this crate as a library. A
//!   call waits for its permit ([`Permits`]), gives a [`Reply`] or an [`ApiError`], and is made once.
//! - [`Client`], for delivery, which plans its calls one by one and has to know what each answer proves: a [`Request`]
//!   gives an [`Answer`] with a [`Verdict`].
//!
//! What Konektor says is kept: words that are newer than this program ([`wire::Word`]), amounts digit by digit
//! ([`wire::Money`]), and the JSON itself ([`Reply::json`]). What is sent holds published words only.
//!
//! Pure, but for the transport and its two callers. Source of every path, field and code: Agent API 2.2.0.

mod api;
mod call;
mod client;
mod judge;
mod outage;
mod permits;
mod query;
mod refused;
mod transport;
mod walk;
pub mod wire;

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::lead::LeadId;
use wire::{Cursor, LeadBody, LeadView, Workspace};

pub use self::api::{Api, ApiError, Reply, Writing};
pub use self::call::Scope;
pub use self::client::Client;
pub use self::judge::judge;
pub use self::outage::{Cause, Outage};
pub use self::permits::{Heard, Permit, Permits};
pub use self::query::{LeadFilter, ListQuery, Period, Place, SortBy, SortOrder};
pub use self::refused::{FieldError, Refused};
pub use self::transport::{CALL_TIMEOUT, ClientError, KeyOf};

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
        cursor: Option<Cursor>,
    },
    /// The cheapest call that shows whether the key is accepted: `GET /leads?limit=1`.
    Probe,
    /// The same for a key that was not good enough to write with: an update of a lead that is not there.
    ProbeWrite,
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
            Self::Probe | Self::ProbeWrite => "probe",
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
        /// How many there are on all pages, where that is told.
        total: Option<u64>,
        /// Where the next page is, if there may be one.
        next: Option<Cursor>,
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

/// What an answer tells beside its data.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meta {
    /// Konektor's `X-Request-Id`, for its support.
    pub request_id: Option<String>,
    /// The rate-limit headers.
    pub rate: RateLimit,
    /// What time it was for Konektor.
    pub date: Option<Timestamp>,
}
