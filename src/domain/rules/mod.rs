//! What a source's owner wants done with its submissions.
//!
//! [`Rules`] are what stands in the file, read and checked; [`why_held`] and [`lead_of`] go by them. An [`Expression`]
//! is looked through when it is read; a [`CodePattern`] finds the codes of leads that Konektor already has.

mod apply;
mod code;
mod conditions;
mod expression;
mod set;
mod statuses;
#[cfg(test)]
mod tests;
mod view;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::region::Region;
use super::status::{AdPlatform, LeadSource, Priority};
use super::submission::{Meaning, Submission};

pub use self::apply::{lead_of, why_held};
pub use self::code::CodePattern;
pub(super) use self::code::code;
pub use self::conditions::{Conditions, HoldRule};
pub use self::expression::{BadExpression, Expression, Failed};
pub use self::statuses::{StatusRule, StatusRules};
pub use self::view::Occasion;

/// The rules of one source, as they stand at the moment of delivery. Every field is optional in the file.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// Region for phone numbers without a country code, two letters (`ID`); `BRIDGE_DEFAULT_REGION` where absent.
    pub region: Option<Region>,
    /// The channel of contact; the provider's own where absent.
    pub source: Option<LeadSource>,
    /// The channel of contact when a paid click is proven, or the sender names the ad.
    pub source_when_paid: Option<LeadSource>,
    /// The ad network, whatever the evidence says.
    pub ad_platform: Option<AdPlatform>,
    /// Where a lead stands. Absent by default: each status can fire a paid ad event.
    pub status: StatusRules,
    /// How urgent leads of this source are.
    pub priority: Option<Priority>,
    /// The team member that gets them, a UUID.
    pub assigned_to: Option<String>,
    /// What a lead of this source may be worth, in the workspace's currency.
    pub estimated_value: Option<f64>,
    /// Field key or label → what it means (or `note`, `drop`). Wins over everything the sender says.
    pub fields: BTreeMap<String, Meaning>,
    /// Field → the expression that gives its value; where that gives none, the answers do.
    #[serde(deserialize_with = "set::table")]
    pub set: BTreeMap<SetField, Expression>,
    /// How the codes look that Konektor gives to leads. A lead whose answers hold one is looked for in Konektor, and
    /// written into the lead that has it.
    pub unique_code: Option<CodePattern>,
    /// How a full name is cut.
    pub names: NameStyle,
    /// What is a lead at all; everything else is withheld.
    #[serde(deserialize_with = "conditions::accepted")]
    pub accept: Conditions,
    /// What is no lead of this workspace: withheld.
    pub ignore: Conditions,
    /// What is a test.
    pub test: Conditions,
    /// What is junk.
    pub junk: Conditions,
    /// Forward test leads too, marked `TEST` in the notes, instead of withholding them.
    pub forward_test_leads: bool,
    /// What is withheld until a person releases it.
    pub hold: HoldRule,
    /// What its leads are worth beside those of other sources: when the day's leads are nearly used up, those of less
    /// value wait first.
    pub value: Value,
    /// Whether the list of its sender is read by itself, for what the webhooks did not bring.
    pub backfill: Backfill,
    /// Form id → the rules for that form, which are all that apply to it. They stand in a table of their own in the file,
    /// laid over those of the source.
    #[serde(skip)]
    pub forms: Arc<BTreeMap<String, Self>>,
}

impl Rules {
    /// The rules for the form that `submission` came from.
    #[must_use]
    pub fn for_form_of(&self, submission: &Submission) -> &Self {
        submission.form_id().and_then(|form| self.forms.get(form)).unwrap_or(self)
    }

    fn conditions(&self) -> impl Iterator<Item = &Expression> {
        let conditions = [&self.accept, &self.ignore, &self.test, &self.junk, self.hold.conditions()];
        conditions.into_iter().flat_map(Conditions::iter)
    }

    fn has_conditions(&self) -> bool {
        self.conditions().next().is_some()
    }

    /// Every expression in them.
    fn expressions(&self) -> impl Iterator<Item = &Expression> {
        let conditions = self.conditions();
        self.set.values().chain(self.status.rules().iter().map(|rule| &rule.when)).chain(conditions)
    }
}

/// A field that an expression can give.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, strum::Display, strum::IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SetField {
    /// The whole name; cut like any other.
    FullName,
    /// The given name.
    FirstName,
    /// The family name.
    LastName,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// A code that Konektor issued.
    UniqueCode,
    /// What the deal may be worth.
    EstimatedValue,
    /// What was paid.
    ActualValue,
    /// How urgent it is.
    Priority,
    /// The channel of contact.
    Source,
    /// The ad network.
    AdPlatform,
    /// The team member that gets it, a UUID.
    AssignedTo,
}

/// When the list of a source's sender is read. In the file: `true` or `false`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "bool")]
pub enum Backfill {
    /// Every hour, and when a person asks for it.
    #[default]
    Hourly,
    /// When a person asks for it.
    WhenAsked,
}

impl From<bool> for Backfill {
    fn from(by_itself: bool) -> Self {
        if by_itself { Self::Hourly } else { Self::WhenAsked }
    }
}

/// What the leads of a source are worth beside those of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// They can wait until tomorrow.
    Low,
    /// Like most.
    #[default]
    Normal,
    /// Each one counts today.
    High,
}

/// How a full name becomes Konektor's two name fields.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameStyle {
    /// First word to `firstName`, the rest to `lastName`; a single name stays single.
    #[default]
    Split,
    /// The whole name to `firstName`.
    Whole,
}
