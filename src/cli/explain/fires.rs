//! Which ad events follow from the status that a lead gets.

use serde::Serialize;

use crate::domain::ad_events::AdEvents;
use crate::domain::lead::{Lead, Unpriced};
use crate::domain::status::Status;

/// What is fired in one case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Fire {
    /// The case.
    pub(super) when: &'static str,
    /// The status that the lead gets; `None`: the one that it has stays.
    pub(super) status: Option<Status>,
    /// What that fires, once a lead.
    #[serde(flatten)]
    events: Option<AdEvents>,
}

impl Fire {
    fn of(when: &'static str, status: Option<Status>) -> Self {
        Self { when, status, events: status.map(Status::ad_events) }
    }

    /// To Meta, GA4, TikTok and LinkedIn.
    pub(super) fn names(&self) -> [String; 4] {
        let nothing = AdEvents { meta: "–", ga4: "–", tiktok: "–", linkedin: "–" };
        let AdEvents { meta, ga4, tiktok, linkedin } = self.events.unwrap_or(nothing);
        [meta, ga4, tiktok, linkedin].map(str::to_owned)
    }
}

/// What `lead` fires when it is created, which a status of none does too, and when Konektor has it already: a status that
/// would go back is not sent then. `has_code`: it may be found by its code. A payment that does not say how much makes a lead
/// `won` only where Konektor knows what it is worth.
pub(super) fn fires(lead: &Lead, has_code: bool) -> Vec<Fire> {
    let create = lead.for_create();
    let created = Fire::of("created", Some(create.status.unwrap_or(Status::New)));
    let there = if has_code { "there already, or found by its code" } else { "there already" };
    let there = Fire::of(there, lead.stated.status);
    if lead.unpriced != Unpriced::No && create.actual_value.is_none() {
        let without = Fire::of("there already, without an amount", None);
        return vec![created, Fire { when: "there already, with an amount", ..there }, without];
    }
    vec![created, there]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::external_ref::ExternalRef;
    use crate::domain::lead::Fields;

    fn lead(stated: Option<Status>, guessed: Option<Status>) -> Lead {
        let fields = |status| Fields { status, ..Fields::default() };
        let external_ref = ExternalRef::from_stored("x:1".into());
        Lead::of(external_ref, fields(stated), fields(guessed))
    }

    #[test]
    fn a_create_without_a_status_fires_too_and_an_update_without_one_does_not() {
        let fired = fires(&lead(None, None), false);
        assert_eq!((fired[0].status, fired[0].names()[0].as_str()), (Some(Status::New), "AddToCart"));
        assert_eq!((fired[1].status, fired[1].names()[0].as_str()), (None, "–"));
    }

    #[test]
    fn a_status_for_creates_is_not_one_for_updates() {
        let fired = fires(&lead(None, Some(Status::Contacted)), false);
        assert_eq!((fired[0].status, fired[1].status), (Some(Status::Contacted), None));
        let paid = fires(&lead(Some(Status::Won), Some(Status::Contacted)), true);
        assert_eq!(paid.iter().map(|fire| fire.names()[1].clone()).collect::<Vec<_>>(), ["purchase", "purchase"]);
    }

    #[test]
    fn a_payment_without_its_amount_is_a_purchase_only_where_an_amount_is_known() {
        let told = |estimated_value| {
            let mut lead = Lead { unpriced: Unpriced::Now, ..lead(Some(Status::Won), None) };
            lead.stated.estimated_value = estimated_value;
            fires(&lead, false).iter().map(|fire| (fire.when, fire.status)).collect::<Vec<_>>()
        };
        let unknown = [
            ("created", Some(Status::New)),
            ("there already, with an amount", Some(Status::Won)),
            ("there already, without an amount", None),
        ];
        assert_eq!(told(None), unknown);
        assert_eq!(told(Some(5.0)), [("created", Some(Status::Won)), ("there already", Some(Status::Won))]);
    }
}
