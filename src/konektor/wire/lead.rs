//! A lead on the wire: the body that makes or changes one, and what Konektor shows.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::money::{Money, amount};
use super::read::{Written, odd_is_none};
use super::words::Word;
use crate::domain::lead::{Fields, LeadId};
use crate::domain::status::{AdPlatform, LeadSource, Priority, Status};

/// The body of a create or an update: what is absent is not sent, and so not touched.
#[derive(Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadBody {
    /// 1 to 100 characters; the only field that a create needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// At most 100 characters. People drop it: a name of one word has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_name: Option<Change<String>>,
    /// An address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// At most 20 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Absent unless a rule says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Urgency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    /// Channel of contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<LeadSource>,
    /// Ad network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ad_platform: Option<AdPlatform>,
    /// At most 5000 characters; replaces what was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
    /// A code that Konektor issued, at most 100 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unique_code: Option<String>,
    /// Our key, at most 150 characters. Sent with a create only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external_ref: Option<String>,
    /// A team member's UUID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assigned_to: Option<String>,
    /// What it may be worth, in the workspace's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimated_value: Option<Money>,
    /// What it was worth, in the workspace's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub actual_value: Option<Money>,
}

/// What becomes of a field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Change<T> {
    /// It gets a value.
    To(T),
    /// It is emptied: `null` (Agent API 2.2.0 is silent on it; a sandbox of ours takes it).
    Cleared,
}

impl LeadBody {
    /// The body that sets `fields`, without notes and without a reference.
    #[must_use]
    pub fn of(fields: Fields) -> Self {
        Self {
            first_name: fields.first_name,
            last_name: fields.last_name.map(Change::To),
            email: fields.email,
            phone: fields.phone,
            status: fields.status,
            priority: fields.priority,
            source: fields.source,
            ad_platform: fields.ad_platform,
            notes: None,
            unique_code: fields.unique_code,
            external_ref: None,
            assigned_to: fields.assigned_to,
            estimated_value: fields.estimated_value.and_then(Money::from_f64),
            actual_value: fields.actual_value.and_then(Money::from_f64),
        }
    }

    /// True when it would change nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Debug for LeadBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadBody").field("external_ref", &self.external_ref).finish_non_exhaustive()
    }
}

/// A lead as Konektor shows it (Agent API 2.2.0, "List Leads", "Get Lead"). The answers to a create and an update show
/// fewer fields. Every field but the id may be missing or odd, and words may be newer than we are.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeadView {
    /// Konektor's id.
    pub id: LeadId,
    /// The code that people see.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub unique_code: Option<String>,
    /// Given name.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub first_name: Option<String>,
    /// Family name.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub last_name: Option<String>,
    /// Address.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub email: Option<String>,
    /// Number, as Konektor has it.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub phone: Option<String>,
    /// Where it stands.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub status: Option<Word<Status>>,
    /// Urgency.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub priority: Option<Word<Priority>>,
    /// Channel.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub source: Option<Word<LeadSource>>,
    /// Ad network.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub ad_platform: Option<Word<AdPlatform>>,
    /// Notes.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub notes: Option<String>,
    /// Our key. Not in any published example: read when present, never relied on.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub external_ref: Option<String>,
    /// Team member.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub assigned_to: Option<String>,
    /// What it may be worth, in the workspace's currency.
    #[serde(default, deserialize_with = "amount")]
    pub estimated_value: Option<Money>,
    /// What it was worth, in the workspace's currency.
    #[serde(default, deserialize_with = "amount")]
    pub actual_value: Option<Money>,
    /// When it was made.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub updated_at: Option<Timestamp>,
}

// Whoever prints a lead prints a person: which lead it is has to do.
impl fmt::Debug for LeadView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeadView").field("id", &self.id).finish_non_exhaustive()
    }
}

/// One page of a list.
#[derive(Debug, Clone, Deserialize)]
pub struct Page {
    /// The leads of this page, each with the JSON that it stands in.
    #[serde(rename = "data")]
    pub leads: Vec<Written<LeadView>>,
    /// Where this page stands among the others.
    #[serde(default)]
    pub pagination: Pagination,
}

/// Where a page stands among the others.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pagination {
    /// Its number, from 1.
    #[serde(deserialize_with = "odd_is_none")]
    pub page: Option<u64>,
    /// The most leads on a page.
    #[serde(deserialize_with = "odd_is_none")]
    pub limit: Option<u64>,
    /// The leads that fit, on all pages.
    #[serde(deserialize_with = "odd_is_none")]
    pub total: Option<u64>,
    /// The pages there are.
    #[serde(deserialize_with = "odd_is_none")]
    pub total_pages: Option<u64>,
    /// What asks for the page after this one; absent at the end.
    #[serde(deserialize_with = "odd_is_none")]
    pub next_cursor: Option<Cursor>,
}

/// Konektor's mark of a place in a list. Opaque: its shape is not promised.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_is_not_sent() {
        let body = LeadBody { first_name: Some("Andi".into()), source: Some(LeadSource::Ads), ..LeadBody::default() };
        assert_eq!(serde_json::to_string(&body).unwrap(), r#"{"firstName":"Andi","source":"ads"}"#);
        let worth = LeadBody::of(Fields { estimated_value: Some(5_000_000.0), ..Fields::default() });
        assert_eq!(serde_json::to_string(&worth).unwrap(), r#"{"estimatedValue":5000000}"#);
        let named = |last_name| serde_json::to_string(&LeadBody { last_name, ..LeadBody::default() }).unwrap();
        assert_eq!(named(Some(Change::To("Aminah".into()))), r#"{"lastName":"Aminah"}"#);
        assert_eq!(named(Some(Change::Cleared)), r#"{"lastName":null}"#);
    }

    #[test]
    fn one_odd_field_costs_no_other() {
        let odd = r#"{"id":"lead_1","firstName":7,"status":"brand-new","createdAt":"soon","actualValue":"a lot","phone":"+62"}"#;
        let lead: LeadView = serde_json::from_str(odd).unwrap();
        assert_eq!((lead.first_name, lead.created_at, lead.actual_value), (None, None, None));
        assert_eq!((lead.status, lead.phone.as_deref()), (Some(Word::Other("brand-new".into())), Some("+62")));
    }

    #[test]
    fn nobody_is_named_where_a_lead_is_printed() {
        let lead: LeadView = serde_json::from_str(r#"{"id":"lead_1","firstName":"Siti","phone":"+62811"}"#).unwrap();
        let body = LeadBody { first_name: Some("Siti".into()), phone: Some("+62811".into()), ..LeadBody::default() };
        let printed = format!("{lead:?} {body:?}");
        assert!(printed.contains("lead_1") && !printed.contains("Siti") && !printed.contains("62811"), "{printed}");
    }
}
