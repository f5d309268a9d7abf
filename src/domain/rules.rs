//! What a source's owner wants done with its submissions.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::region::Region;
use super::status::{AdPlatform, LeadSource, Priority, Status};
use super::submission::Meaning;

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
    /// A status to create leads with. Absent by default: each status can fire a paid ad event.
    pub status: Option<Status>,
    /// How urgent leads of this source are.
    pub priority: Option<Priority>,
    /// The team member that gets them, a UUID.
    pub assigned_to: Option<String>,
    /// What a lead of this source may be worth, in the workspace's currency.
    pub estimated_value: Option<f64>,
    /// Field key or label → what it means (or `note`, `drop`). Wins over everything the sender says.
    pub fields: BTreeMap<String, Meaning>,
    /// How a full name is cut.
    pub names: NameStyle,
    /// Forward test leads too, marked `TEST` in the notes, instead of withholding them.
    pub forward_test_leads: bool,
    /// Withhold everything from this source until a person releases it.
    pub hold: bool,
    /// What its leads are worth beside those of other sources: when the day's leads are nearly used up, those of less
    /// value wait first.
    pub value: Value,
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
