//! The calls of the Agent API: one table that routes, scopes and the description are made from.

use serde::{Deserialize, Serialize};
use strum::Display;

use crate::sandbox::settings::Scope;

/// The calls that need a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Display, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
#[expect(missing_docs, reason = "the table below says it")]
pub enum Kind {
    List,
    Get,
    Create,
    Update,
    Summary,
    Funnel,
    Campaigns,
    ConversionStatus,
    ConversionPending,
    Workspace,
    Ticket,
}

/// What stands in the way to a lead's id.
const ID: &str = "{id}";

/// A call: how it is asked for, and what a key needs for it.
#[derive(Debug)]
pub(in crate::sandbox) struct Call {
    pub(in crate::sandbox) kind: Kind,
    pub(in crate::sandbox) method: &'static str,
    /// Below `/api/v2/agent/`.
    pub(in crate::sandbox) path: &'static str,
    pub(in crate::sandbox) scope: Scope,
    /// What it is for, in a few words.
    pub(in crate::sandbox) about: &'static str,
}

/// All of them. Source: Agent API 2.2.0, "Endpoints".
pub(in crate::sandbox) const CALLS: [Call; 11] = [
    call(Kind::List, "GET", "leads", Scope::LeadsRead, "List leads"),
    call(Kind::Get, "GET", "leads/{id}", Scope::LeadsRead, "Get a lead"),
    call(Kind::Create, "POST", "leads", Scope::LeadsWrite, "Create a lead"),
    call(Kind::Update, "PATCH", "leads/{id}", Scope::LeadsWrite, "Update a lead"),
    call(Kind::Summary, "GET", "analytics/summary", Scope::AnalyticsRead, "Leads and conversions of a period"),
    call(Kind::Funnel, "GET", "analytics/funnel", Scope::AnalyticsRead, "Leads of a period by status"),
    call(Kind::Campaigns, "GET", "analytics/campaigns", Scope::AnalyticsRead, "Leads of a period by campaign"),
    call(
        Kind::ConversionStatus,
        "GET",
        "conversions/status",
        Scope::ConversionsRead,
        "How far conversions are sent on",
    ),
    call(Kind::ConversionPending, "GET", "conversions/pending", Scope::ConversionsRead, "Conversions not sent on yet"),
    call(Kind::Workspace, "GET", "workspace", Scope::WorkspaceRead, "Workspace, subscription and usage"),
    call(Kind::Ticket, "POST", "support/tickets", Scope::SupportWrite, "Create a support ticket"),
];

const fn call(kind: Kind, method: &'static str, path: &'static str, scope: Scope, about: &'static str) -> Call {
    Call { kind, method, path, scope, about }
}

impl Kind {
    /// The call that a request is, by its method and the path below `/api/v2/agent/`, with the id in the path when it has
    /// one. `None` for a call that there is not.
    pub(in crate::sandbox) fn of(method: &str, path: &str) -> Option<(Self, Option<String>)> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let fits = |call: &&Call| call.method == method && id_in(call.path, path).is_some();
        let call = CALLS.iter().find(fits)?;
        let id = id_in(call.path, path)?;
        Some((call.kind, (!id.is_empty()).then(|| id.to_owned())))
    }

    /// Its line in the table.
    pub(in crate::sandbox) fn call(self) -> &'static Call {
        CALLS.iter().find(|call| call.kind == self).expect("every kind has its line, as a test holds")
    }
}

/// The id that `path` has where `pattern` has `{id}`; empty when the pattern has none. `None` when they differ.
fn id_in<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    match pattern.strip_suffix(ID) {
        None => (pattern == path).then_some(""),
        Some(before) => path.strip_prefix(before).filter(|id| !id.is_empty() && !id.contains('/')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_by_method_and_path() {
        assert_eq!(Kind::of("GET", "leads"), Some((Kind::List, None)));
        assert_eq!(Kind::of("GET", "leads/"), Some((Kind::List, None)));
        assert_eq!(Kind::of("PATCH", "leads/lead_1"), Some((Kind::Update, Some("lead_1".to_owned()))));
        assert_eq!(Kind::of("POST", "support/tickets"), Some((Kind::Ticket, None)));
        for (method, path) in [("PUT", "leads"), ("DELETE", "leads/lead_1"), ("GET", "leads/a/b"), ("GET", "")] {
            assert_eq!(Kind::of(method, path), None, "{method} {path}");
        }
    }

    #[test]
    fn every_kind_has_one_line_in_the_table() {
        for (at, call) in CALLS.iter().enumerate() {
            assert_eq!(call.kind as usize, at, "{}", call.kind);
            assert_eq!(call.kind.call().path, call.path);
        }
        assert_eq!(Kind::Ticket as usize + 1, CALLS.len());
    }
}
