//! Which ad events a status fires, by the mapping that Konektor comes with.
//!
//! Each workspace can change it, so it is told to people and decides nothing. Source: Konektor's documentation,
//! "Conversion settings", default "Sales" mapping, as read in 2026.

use serde::Serialize;

use super::status::Status;

/// What is sent to each ad network, once a lead, when it gets a status: at its creation as well as later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AdEvents {
    /// To Meta.
    pub meta: &'static str,
    /// To Google Analytics 4.
    pub ga4: &'static str,
    /// To TikTok.
    pub tiktok: &'static str,
    /// To LinkedIn.
    pub linkedin: &'static str,
}

impl Status {
    /// The events that it fires in a workspace whose mapping was not changed.
    #[must_use]
    pub const fn ad_events(self) -> AdEvents {
        let (meta, ga4, tiktok, linkedin) = match self {
            Self::Pageview => ("PageView", "page_view", "ViewContent", "PAGE_VIEW"),
            Self::New => ("AddToCart", "generate_lead", "ViewContent", "PAGE_VIEW"),
            Self::Contacted => ("Contact", "working_lead", "Contact", "CONTACT"),
            Self::Responded => ("Lead", "working_lead", "Lead", "LEAD"),
            Self::Qualified => ("Lead", "qualify_lead", "Lead", "QUALIFIED_LEAD"),
            Self::Hot => ("SubmitApplication", "working_lead", "SubmitApplication", "QUALIFIED_LEAD"),
            Self::Proposal => ("InitiateCheckout", "working_lead", "InitiateCheckout", "REQUEST_QUOTE"),
            Self::Negotiation => ("AddPaymentInfo", "working_lead", "AddPaymentInfo", "REQUEST_QUOTE"),
            Self::Invoice => ("AddPaymentInfo", "add_payment_info", "AddPaymentInfo", "REQUEST_QUOTE"),
            Self::Won => ("Purchase", "purchase", "Purchase", "PURCHASE"),
            Self::Lost => ("Archive", "close_unconvert_lead", "ViewContent", "Archive"),
        };
        AdEvents { meta, ga4, tiktok, linkedin }
    }
}
