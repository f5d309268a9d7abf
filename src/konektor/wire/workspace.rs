//! What Konektor tells of the workspace that a key opens: how it counts, its plan, and what of it is used.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A workspace (Agent API 2.2.0, "Workspace Info"). Nothing but its being there is relied on: what is missing, or is not
/// what it was, is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Workspace {
    /// What people call it.
    #[serde(deserialize_with = "odd_is_none")]
    pub display_name: Option<String>,
    /// The IANA name of its time zone: its days, and so its daily limit, begin at midnight there.
    #[serde(deserialize_with = "odd_is_none")]
    pub timezone: Option<String>,
    /// The ISO 4217 code of the currency of all its amounts.
    #[serde(deserialize_with = "odd_is_none")]
    pub currency: Option<String>,
    /// The language of its people, `id` or `en`.
    #[serde(deserialize_with = "odd_is_none")]
    pub language: Option<String>,
    /// How its people write a date, such as `DD/MM/YYYY`.
    #[serde(deserialize_with = "odd_is_none")]
    pub date_format: Option<String>,
    /// The code of its tracker.
    #[serde(deserialize_with = "odd_is_none")]
    pub tracking_code: Option<String>,
    /// What is paid for.
    #[serde(deserialize_with = "odd_is_none")]
    pub subscription: Option<Subscription>,
    /// What of it is used.
    #[serde(deserialize_with = "odd_is_none")]
    pub usage: Option<Usage>,
}

impl Workspace {
    /// The leads that may be made in one of its days, and those made today, as far as it tells them.
    #[must_use]
    pub fn leads_per_day(&self) -> LeadsPerDay {
        self.usage.as_ref().and_then(|usage| usage.leads_per_day).unwrap_or_default()
    }
}

/// What is paid for.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Subscription {
    /// `starter`, `pro`, `enterprise` or `custom`; newer ones are kept.
    #[serde(deserialize_with = "odd_is_none")]
    pub plan: Option<String>,
    /// `active`, or why it is not.
    #[serde(deserialize_with = "odd_is_none")]
    pub status: Option<String>,
    /// How often it is paid.
    #[serde(deserialize_with = "odd_is_none")]
    pub interval: Option<String>,
    /// Until when it is paid.
    #[serde(deserialize_with = "odd_is_none")]
    pub current_period_end: Option<jiff::Timestamp>,
}

/// What of a plan is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Usage {
    /// The daily limit of leads.
    #[serde(deserialize_with = "odd_is_none")]
    pub leads_per_day: Option<LeadsPerDay>,
    /// How many people work in it.
    #[serde(deserialize_with = "odd_is_none")]
    pub team_members: Option<u64>,
    /// How many rotators hand its leads out.
    #[serde(deserialize_with = "odd_is_none")]
    pub active_rotators: Option<u64>,
}

/// The daily limit of leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct LeadsPerDay {
    /// The leads that may be made in a day of the workspace's time zone; `None` where that is no number, which may mean
    /// that there is no limit.
    #[serde(deserialize_with = "odd_is_none")]
    pub limit: Option<u64>,
    /// The leads made today.
    #[serde(deserialize_with = "odd_is_none")]
    pub current: Option<u64>,
}

/// Reads what can be read; anything else (a limit of `-1` or `"unlimited"`) is `None`, for the rest of an answer is worth
/// reading all the same.
fn odd_is_none<'de, D: Deserializer<'de>, T: DeserializeOwned>(json: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(json).map(|said| serde_json::from_value(said).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Workspace {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_daily_limit_is_read_wherever_it_is_a_number() {
        let told = |usage: &str| read(&format!(r#"{{"usage":{usage}}}"#)).leads_per_day();
        let full = LeadsPerDay { limit: Some(500), current: Some(23) };
        assert_eq!(told(r#"{"leadsPerDay":{"limit":500,"current":23},"teamMembers":5}"#), full);
        for no_limit in ["null", "-1", r#""unlimited""#] {
            let odd = told(&format!(r#"{{"leadsPerDay":{{"limit":{no_limit},"current":23}}}}"#));
            assert_eq!(odd, LeadsPerDay { limit: None, current: Some(23) }, "{no_limit}");
        }
        for nothing in ["null", "{}", r#"{"leadsPerDay":null}"#, r#"{"leadsPerDay":{}}"#] {
            assert_eq!(told(nothing), LeadsPerDay::default(), "{nothing}");
        }
    }

    #[test]
    fn a_workspace_that_tells_more_or_less_is_read() {
        let little = read(r#"{"displayName":"Toko Budi Online","subscription":{"plan":"brand-new"},"moon":"full"}"#);
        assert_eq!(little.display_name.as_deref(), Some("Toko Budi Online"));
        assert_eq!(little.subscription.unwrap().plan.as_deref(), Some("brand-new"));
        assert_eq!(little.timezone, None);
        let odd = read(r#"{"timezone":7,"subscription":{"currentPeriodEnd":"soon","status":"active"}}"#);
        assert_eq!(odd.subscription.unwrap().status.as_deref(), Some("active"));
    }
}
