//! Konektor's closed lists of values: status, priority, source, ad platform.
//!
//! Source: Agent API 2.2.0, "Values Reference". We send only these; what Konektor answers may hold newer ones, which
//! `konektor::wire` keeps as text. Each list reads (`FromStr`, serde) and writes (`Display`) the word of the wire.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};

/// Where a lead stands. Each one can fire a paid ad event, so the bridge sends one only when a rule says so.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Status {
    /// The tracker saw a visit.
    Pageview,
    /// The visitor acted; what a create without a status becomes.
    New,
    /// Somebody wrote or called.
    Contacted,
    /// The person answered.
    Responded,
    /// Worth selling to.
    Qualified,
    /// Close to buying.
    Hot,
    /// An offer is out.
    Proposal,
    /// Talking about the price.
    Negotiation,
    /// Billed.
    Invoice,
    /// Paid.
    Won,
    /// Gone.
    Lost,
}

impl Status {
    /// True when going from `self` to `next` is a step forward (or to `lost`, which ends a lead from anywhere).
    ///
    /// The order is that of the sales pipeline; a status is never sent backwards, because each one can fire an ad event.
    #[must_use]
    pub fn allows(self, next: Self) -> bool {
        !matches!(self, Self::Won | Self::Lost) && next > self
    }
}

/// How urgent a lead is. Fires nothing.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Priority {
    /// Low.
    Low,
    /// Medium; what Konektor shows when none was set.
    Medium,
    /// High.
    High,
    /// Urgent.
    Urgent,
}

/// The channel of contact. Konektor's automation rules test it, so a wrong one switches a customer's rules on or off.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum LeadSource {
    /// A form on a website.
    Website,
    /// A WhatsApp message.
    Whatsapp,
    /// A phone call.
    Phone,
    /// An e-mail.
    Email,
    /// A recommendation.
    Referral,
    /// A social network, unpaid.
    Social,
    /// An ad platform's own lead form.
    Ads,
    /// An event or booking.
    Event,
    /// None of these.
    Other,
}

/// The ad network that gets the credit. Set only with evidence.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum AdPlatform {
    /// Facebook, Instagram.
    Meta,
    /// Google Ads.
    Google,
    /// TikTok.
    Tiktok,
    /// LinkedIn.
    Linkedin,
    /// PostHog.
    Posthog,
    /// Another network.
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_back_as_its_value() {
        for status in Status::VARIANTS {
            assert_eq!(status.to_string().parse::<Status>(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.to_string());
        }
        assert_eq!("tiktok".parse(), Ok(AdPlatform::Tiktok));
        assert!("Hot".parse::<Status>().is_err());
    }

    #[test]
    fn a_status_goes_forward_only() {
        assert!(Status::New.allows(Status::Won));
        assert!(Status::Hot.allows(Status::Lost));
        assert!(!Status::Hot.allows(Status::New));
        assert!(!Status::Won.allows(Status::Lost));
        assert!(!Status::New.allows(Status::New));
    }
}
