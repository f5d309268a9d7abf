//! Konektor's closed lists of values: status, priority, source, ad platform.
//!
//! Source: Agent API 2.2.0, "Values Reference". We send only these; what Konektor answers may hold newer ones, which
//! `konektor::wire` keeps as text.

use serde::{Deserialize, Serialize};

/// A value that Konektor does not know.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not a {what}; use one of: {allowed}")]
pub struct UnknownValue {
    /// Which list was asked, in words.
    pub what: &'static str,
    /// The text that was given.
    pub given: String,
    /// The values of the list, separated by commas.
    pub allowed: String,
}

/// One list of values: the enum, its wire words, and both ways between them.
macro_rules! wire_words {
    ($(#[$doc:meta])* $name:ident, $what:literal, { $($(#[$vdoc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$vdoc])* #[serde(rename = $word)] $variant),+
        }

        impl $name {
            /// Every value, in Konektor's order.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = UnknownValue;

            /// Reads a wire word, exactly as Konektor writes it.
            fn from_str(word: &str) -> Result<Self, UnknownValue> {
                Self::ALL.iter().copied().find(|value| value.as_str() == word).ok_or_else(|| UnknownValue {
                    what: $what,
                    given: word.to_owned(),
                    allowed: Self::ALL.iter().map(|value| value.as_str()).collect::<Vec<_>>().join(", "),
                })
            }
        }
    };
}

wire_words! {
    /// Where a lead stands. Each one can fire a paid ad event, so the bridge sends one only when a rule says so.
    Status, "lead status", {
        /// The tracker saw a visit.
        Pageview = "pageview",
        /// The visitor acted; what a create without a status becomes.
        New = "new",
        /// Somebody wrote or called.
        Contacted = "contacted",
        /// The person answered.
        Responded = "responded",
        /// Worth selling to.
        Qualified = "qualified",
        /// Close to buying.
        Hot = "hot",
        /// An offer is out.
        Proposal = "proposal",
        /// Talking about the price.
        Negotiation = "negotiation",
        /// Billed.
        Invoice = "invoice",
        /// Paid.
        Won = "won",
        /// Gone.
        Lost = "lost",
    }
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

wire_words! {
    /// How urgent a lead is. Fires nothing.
    Priority, "lead priority", {
        /// Low.
        Low = "low",
        /// Medium; what Konektor shows when none was set.
        Medium = "medium",
        /// High.
        High = "high",
        /// Urgent.
        Urgent = "urgent",
    }
}

wire_words! {
    /// The channel of contact. Konektor's automation rules test it, so a wrong one switches a customer's rules on or off.
    LeadSource, "lead source", {
        /// A form on a website.
        Website = "website",
        /// A WhatsApp message.
        Whatsapp = "whatsapp",
        /// A phone call.
        Phone = "phone",
        /// An e-mail.
        Email = "email",
        /// A recommendation.
        Referral = "referral",
        /// A social network, unpaid.
        Social = "social",
        /// An ad platform's own lead form.
        Ads = "ads",
        /// An event or booking.
        Event = "event",
        /// None of these.
        Other = "other",
    }
}

wire_words! {
    /// The ad network that gets the credit. Set only with evidence.
    AdPlatform, "ad platform", {
        /// Facebook, Instagram.
        Meta = "meta",
        /// Google Ads.
        Google = "google",
        /// TikTok.
        Tiktok = "tiktok",
        /// LinkedIn.
        Linkedin = "linkedin",
        /// PostHog.
        Posthog = "posthog",
        /// Another network.
        Other = "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_reads_back_as_its_value() {
        for status in Status::ALL {
            assert_eq!(status.as_str().parse::<Status>(), Ok(*status));
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
        }
    }

    #[test]
    fn an_unknown_word_names_the_allowed_ones() {
        let error = "hott".parse::<Status>().unwrap_err().to_string();
        assert!(error.contains("`hott` is not a lead status") && error.contains("qualified, hot, proposal"), "{error}");
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
