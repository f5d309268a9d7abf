//! The twelve calls of the Agent API as data: verb, path, query, body, and the scope that each needs.

use serde::Serialize;
use strum::{Display, IntoStaticStr, VariantArray};

use super::api::Writing;
use super::query::{LeadFilter, ListQuery, Period, Place};
use super::refused::Names;
use super::wire::{Cursor, LeadBody, TicketBody};
use crate::domain::lead::LeadId;
use crate::domain::status::AdPlatform;

/// What a key is allowed (Agent API 2.2.0, "Scopes Reference").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display, IntoStaticStr, VariantArray)]
pub enum Scope {
    /// Lists, and single leads.
    #[strum(serialize = "agent.leads.read")]
    LeadsRead,
    /// Creates and updates.
    #[strum(serialize = "agent.leads.write")]
    LeadsWrite,
    /// Summary, funnel, campaigns.
    #[strum(serialize = "agent.analytics.read")]
    AnalyticsRead,
    /// How far conversions have come.
    #[strum(serialize = "agent.conversions.read")]
    ConversionsRead,
    /// The workspace, its plan and what of it is used.
    #[strum(serialize = "agent.workspace.read")]
    WorkspaceRead,
    /// Tickets.
    #[strum(serialize = "agent.support.write")]
    SupportWrite,
}

/// The id of no lead: Konektor's are random.
const NO_LEAD: &str = "lead_that_is_not_there";

/// The verb of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Patch,
}

/// One call, ready to be sent.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) verb: Verb,
    /// Below `/api/v2/agent`, not encoded yet.
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(&'static str, String)>,
    /// JSON.
    pub(super) body: Option<Vec<u8>>,
    /// `None` for the one call that is public, which goes without a key.
    pub(super) scope: Option<Scope>,
    /// What the path names.
    pub(super) names: Names,
}

impl Call {
    pub(super) fn leads(query: &ListQuery) -> Self {
        Self::get(Scope::LeadsRead, &["leads"], query.pairs())
    }

    /// What Konektor finds under `text`: the first page, or the one at `cursor`, as large as pages are.
    pub(super) fn search(text: &str, cursor: Option<&Cursor>) -> Self {
        let filter = LeadFilter { search: Some(text.to_owned()), ..LeadFilter::default() };
        let place = cursor.map_or_else(Place::default, |cursor| Place::After(cursor.clone()));
        Self::leads(&ListQuery { filter, place, limit: ListQuery::MAX_LIMIT, ..ListQuery::default() })
    }

    /// The cheapest call that shows whether the key is taken.
    pub(super) fn probe() -> Self {
        Self::leads(&ListQuery { limit: 1, ..ListQuery::default() })
    }

    pub(super) fn lead(id: &LeadId) -> Self {
        Self { names: Names::Lead, ..Self::get(Scope::LeadsRead, &["leads", &id.0], Vec::new()) }
    }

    pub(super) fn create(body: &LeadBody) -> Self {
        Self::write(Verb::Post, Scope::LeadsWrite, &["leads"], body)
    }

    pub(super) fn update(id: &LeadId, body: &LeadBody) -> Self {
        Self { names: Names::Lead, ..Self::write(Verb::Patch, Scope::LeadsWrite, &["leads", &id.0], body) }
    }

    pub(super) fn summary(period: &Period) -> Self {
        Self::get(Scope::AnalyticsRead, &["analytics", "summary"], period.pairs())
    }

    pub(super) fn funnel(period: &Period) -> Self {
        Self::get(Scope::AnalyticsRead, &["analytics", "funnel"], period.pairs())
    }

    pub(super) fn campaigns(period: &Period) -> Self {
        Self::get(Scope::AnalyticsRead, &["analytics", "campaigns"], period.pairs())
    }

    pub(super) fn conversions(period: &Period, platform: Option<AdPlatform>) -> Self {
        let platform = platform.map(|platform| ("platform", platform.to_string()));
        let query = period.pairs().into_iter().chain(platform).collect();
        Self::get(Scope::ConversionsRead, &["conversions", "status"], query)
    }

    pub(super) fn pending() -> Self {
        Self::get(Scope::ConversionsRead, &["conversions", "pending"], Vec::new())
    }

    pub(super) fn workspace() -> Self {
        Self::get(Scope::WorkspaceRead, &["workspace"], Vec::new())
    }

    pub(super) fn ticket(body: &TicketBody) -> Self {
        Self::write(Verb::Post, Scope::SupportWrite, &["support", "tickets"], body)
    }

    pub(super) fn skill() -> Self {
        Self { scope: None, ..Self::get(Scope::LeadsRead, &["SKILL.md"], Vec::new()) }
    }

    /// A call from which nothing can come, and which says whether the key might have made one. For leads an update, in
    /// itself all right, of a lead that is not there: whether the body or the scope is looked at first does not matter.
    /// For tickets, of which there is no update, one with an empty list for a body.
    pub(super) fn refusable(what: Writing) -> Self {
        match what {
            Writing::Leads => Self::update(
                &LeadId(NO_LEAD.to_owned()),
                &LeadBody { notes: Some(String::new()), ..LeadBody::default() },
            ),
            Writing::Tickets => {
                let nothing: [(); 0] = [];
                Self::write(Verb::Post, what.scope(), &["support", "tickets"], &nothing)
            }
        }
    }

    fn get(scope: Scope, path: &[&str], query: Vec<(&'static str, String)>) -> Self {
        let path = path.iter().map(ToString::to_string).collect();
        Self { verb: Verb::Get, path, query, body: None, scope: Some(scope), names: Names::Place }
    }

    fn write(verb: Verb, scope: Scope, path: &[&str], body: &impl Serialize) -> Self {
        let body = serde_json::to_vec(body).expect("a body has words for keys and nothing that JSON lacks");
        Self { verb, body: Some(body), ..Self::get(scope, path, Vec::new()) }
    }
}
