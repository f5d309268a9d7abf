//! What Konektor tells of many leads at once: the summary, the funnel, the campaigns, the conversions on their way.

use jiff::Timestamp;
use serde::Deserialize;

use super::money::{Money, amount};
use super::read::odd_is_none;
use super::words::{SyncStatus, Timeframe, Word};
use crate::domain::lead::LeadId;
use crate::domain::status::{AdPlatform, Status};

/// The leads of a period in numbers (Agent API 2.2.0, "Analytics Summary").
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// All of them.
    #[serde(deserialize_with = "odd_is_none")]
    pub total_leads: Option<u64>,
    /// Those in `new`.
    #[serde(deserialize_with = "odd_is_none")]
    pub new_leads: Option<u64>,
    /// Those in `contacted`.
    #[serde(deserialize_with = "odd_is_none")]
    pub contacted_leads: Option<u64>,
    /// Those that were won.
    #[serde(deserialize_with = "odd_is_none")]
    pub total_conversions: Option<u64>,
    /// What those are worth.
    #[serde(deserialize_with = "amount")]
    pub total_conversion_value: Option<Money>,
    /// Which time was asked for.
    #[serde(deserialize_with = "odd_is_none")]
    pub timeframe: Option<Word<Timeframe>>,
    /// Which time that is.
    #[serde(deserialize_with = "odd_is_none")]
    pub period: Option<Span>,
}

/// From an instant to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Span {
    /// Its first instant.
    #[serde(deserialize_with = "odd_is_none")]
    pub from: Option<Timestamp>,
    /// Its end.
    #[serde(deserialize_with = "odd_is_none")]
    pub to: Option<Timestamp>,
}

/// How many leads of a period stand at one status (Agent API 2.2.0, "Analytics Funnel").
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FunnelStep {
    /// Where they stand.
    pub status: Word<Status>,
    /// How many.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub count: Option<u64>,
    /// Of a hundred of the period's leads.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub percentage: Option<f64>,
}

/// What a campaign brought in a period (Agent API 2.2.0, "Campaign Performance").
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Campaign {
    /// What the ad platform calls it.
    #[serde(deserialize_with = "odd_is_none")]
    pub campaign_name: Option<String>,
    /// Where it runs.
    #[serde(deserialize_with = "odd_is_none")]
    pub ad_platform: Option<Word<AdPlatform>>,
    /// The leads it brought.
    #[serde(deserialize_with = "odd_is_none")]
    pub leads: Option<u64>,
    /// Those of them that were won.
    #[serde(deserialize_with = "odd_is_none")]
    pub conversions: Option<u64>,
    /// What those are worth.
    #[serde(deserialize_with = "amount")]
    pub conversion_value: Option<Money>,
}

/// How many leads' conversions stand where on their way to the ad platforms (Agent API 2.2.0, "Conversion Sync Status").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Conversions {
    /// Not sent yet.
    #[serde(deserialize_with = "odd_is_none")]
    pub pending: Option<u64>,
    /// Every platform has them.
    #[serde(deserialize_with = "odd_is_none")]
    pub synced: Option<u64>,
    /// Some platforms have them.
    #[serde(deserialize_with = "odd_is_none")]
    pub partial: Option<u64>,
    /// No platform took them.
    #[serde(deserialize_with = "odd_is_none")]
    pub failed: Option<u64>,
    /// Nothing to send.
    #[serde(deserialize_with = "odd_is_none")]
    pub none: Option<u64>,
}

/// A lead whose conversion is not with every platform yet (Agent API 2.2.0, "Pending Conversions").
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PendingConversion {
    /// Which lead.
    pub lead_id: LeadId,
    /// The code that people see.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub unique_code: Option<String>,
    /// Where the lead stands.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub status: Option<Word<Status>>,
    /// Which platform waits for it.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub ad_platform: Option<Word<AdPlatform>>,
    /// How far it has come.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub conversion_sync_status: Option<Word<SyncStatus>>,
    /// When it was last tried.
    #[serde(default, deserialize_with = "odd_is_none")]
    pub last_conversion_sync_at: Option<Timestamp>,
}
