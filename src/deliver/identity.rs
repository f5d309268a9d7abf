//! Is a lead that a search found the one that we may have made?
//!
//! Konektor's search is fuzzy, and its answers need not show `externalRef` (Agent API 2.2.0 shows it in no example). So
//! a hit is compared exactly where the reference is shown, and by who the person is where it is not.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::lead::{Lead, LeadId};
use crate::konektor::wire::LeadView;

/// How far Konektor's clock may be from ours when the creation time is compared.
const CLOCKS: Duration = Duration::from_mins(5);

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hit {
    /// These leads are ours, oldest first; never empty.
    Ours(Vec<LeadId>),
    /// None of them is, and there are no more.
    Nobody,
    /// Some could be, or there were more than were read.
    Undecided,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    Other,
    Unknown,
}

/// Looks for `lead` among `found`; `made_after` is when its create was sent.
#[must_use]
pub(super) fn recognise(found: &[LeadView], complete: bool, lead: &Lead, made_after: Option<Timestamp>) -> Hit {
    let likeness: Vec<_> = found.iter().map(|view| compare(view, lead, made_after)).collect();
    let ours: Vec<LeadId> = std::iter::zip(found, &likeness)
        .filter(|(_, likeness)| **likeness == Likeness::Same)
        .map(|(view, _)| view.id.clone())
        .collect();
    if !ours.is_empty() {
        Hit::Ours(ours)
    } else if complete && likeness.iter().all(|likeness| *likeness == Likeness::Other) {
        Hit::Nobody
    } else {
        Hit::Undecided
    }
}

fn compare(view: &LeadView, lead: &Lead, made_after: Option<Timestamp>) -> Likeness {
    if let Some(shown) = &view.external_ref {
        return if shown == lead.external_ref.as_str() { Likeness::Same } else { Likeness::Other };
    }
    if let (Some(created), Some(sent)) = (view.created_at, made_after)
        && created + CLOCKS < sent
    {
        return Likeness::Other;
    }
    by_person(view, lead)
}

/// The same phone or address is the same person; both known and different is another; a lead with neither is
/// recognised by its name.
fn by_person(view: &LeadView, lead: &Lead) -> Likeness {
    let phone = lead.stated.phone.as_ref().or(lead.guessed.phone.as_ref());
    let email = lead.stated.email.as_ref().or(lead.guessed.email.as_ref());
    let phones = same(phone, view.phone.as_ref(), |text| text.chars().filter(char::is_ascii_digit).collect());
    let emails = same(email, view.email.as_ref(), |text| text.to_lowercase());
    match (phones, emails) {
        (Some(true), _) | (_, Some(true)) => Likeness::Same,
        (Some(false), _) | (_, Some(false)) => Likeness::Other,
        (None, None) => by_name(view, lead),
    }
}

fn by_name(view: &LeadView, lead: &Lead) -> Likeness {
    let anonymous = view.phone.is_none() && view.email.is_none();
    let name = lead.stated.first_name.as_ref().or(lead.guessed.first_name.as_ref());
    match same(name, view.first_name.as_ref(), |text| text.to_lowercase()) {
        Some(true) if anonymous => Likeness::Same,
        _ => Likeness::Unknown,
    }
}

fn same(ours: Option<&String>, theirs: Option<&String>, canonical: fn(&str) -> String) -> Option<bool> {
    Some(canonical(ours?) == canonical(theirs?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::external_ref::ExternalRef;
    use crate::domain::lead::Fields;
    use crate::domain::notes::Notes;

    const REF: &str = "meta:leadgen:111111111111111";

    fn lead(phone: Option<&str>, email: Option<&str>) -> Lead {
        let stated = Fields {
            first_name: Some("Siti".into()),
            phone: phone.map(Into::into),
            email: email.map(Into::into),
            ..Fields::default()
        };
        let external_ref = ExternalRef::from_stored(REF.into());
        Lead { external_ref, stated, guessed: Fields::default(), notes: Notes::default() }
    }

    fn view(fields: serde_json::Value) -> LeadView {
        let mut view = serde_json::json!({ "id": "lead_1" });
        view.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(view).unwrap()
    }

    fn ours() -> Hit {
        Hit::Ours(vec![LeadId("lead_1".into())])
    }

    #[test]
    fn a_shown_reference_decides_alone_and_to_the_letter() {
        let shown = |text: &str| vec![view(serde_json::json!({ "externalRef": text, "phone": "+6281234567890" }))];
        let lead = lead(Some("+6281234567890"), None);
        assert_eq!(recognise(&shown(REF), true, &lead, None), ours());
        assert_eq!(recognise(&shown("meta:leadgen:1111111111111112"), true, &lead, None), Hit::Nobody, "a longer one");
        assert_eq!(recognise(&shown(&REF.to_uppercase()), true, &lead, None), Hit::Nobody);
    }

    #[test]
    fn without_it_the_same_phone_in_another_spelling_is_the_same_person() {
        let found = [view(serde_json::json!({ "phone": "62 812-3456-7890" }))];
        assert_eq!(recognise(&found, true, &lead(Some("+6281234567890"), None), None), ours());
        assert_eq!(recognise(&found, true, &lead(Some("+6281234567891"), None), None), Hit::Nobody);
    }

    #[test]
    fn without_phone_and_address_the_name_decides_or_nobody_can() {
        let lead = lead(None, None);
        assert_eq!(recognise(&[view(serde_json::json!({ "firstName": "siti" }))], true, &lead, None), ours());
        assert_eq!(recognise(&[view(serde_json::json!({ "firstName": "Budi" }))], true, &lead, None), Hit::Undecided);
    }

    #[test]
    fn a_lead_from_before_the_create_is_another() {
        let found = [view(serde_json::json!({ "phone": "+6281234567890", "createdAt": "2026-11-23T08:00:00.000Z" }))];
        let sent = "2026-11-23T08:10:00Z".parse().unwrap();
        assert_eq!(recognise(&found, true, &lead(Some("+6281234567890"), None), Some(sent)), Hit::Nobody);
    }

    #[test]
    fn nobody_can_be_said_only_when_all_was_read() {
        let lead = lead(None, Some("siti@example.com"));
        assert_eq!(recognise(&[], true, &lead, None), Hit::Nobody);
        assert_eq!(recognise(&[], false, &lead, None), Hit::Undecided);
    }
}
