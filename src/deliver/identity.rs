//! Is a lead that a search found the one that we may have made?
//!
//! Konektor's search is fuzzy, and its answers need not show `externalRef` (Agent API 2.2.0 shows it in no example). So
//! a hit is compared exactly where the reference is shown, and by who the person is where it is not.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::{Fields, Lead, LeadId};
use crate::domain::name::is_visitor;
use crate::konektor::wire::LeadView;
use crate::store::Adopting;

/// How far Konektor's clock may be from ours when the creation time is compared.
const CLOCKS: Duration = Duration::from_mins(5);

/// How far it may be where something is wrong: somebody has set one of them to another time zone.
const WRONG_CLOCKS: Duration = Duration::from_hours(24);

/// How long before a loss was noticed a create may have been sent that was forgotten: what can be lost is a matter of
/// seconds.
const LOST: Duration = Duration::from_mins(1);

/// Digits from which on a number without its country code is one: Indonesian mobile numbers have nine or more, and
/// nothing shorter is unlike others enough.
const NATIONAL: usize = 8;

/// What a search came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hit {
    /// These leads are ours, oldest first; never empty.
    Ours(Vec<LeadId>),
    /// None of them is, and there are no more.
    Nobody,
    /// These could be: nothing that is shown of them tells.
    Undecided(Vec<LeadId>),
    /// None that was read is, but there are more.
    TooMany,
}

/// What a search for a code came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Coded {
    /// This lead carries it.
    One(LeadId),
    /// These do.
    Several(Vec<LeadId>),
    /// A lead does, whose number is another person's.
    SomebodyElse,
    /// None does.
    Nobody,
}

/// Who named a code.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namer<'a> {
    /// Under which reference.
    pub(super) external_ref: &'a ExternalRef,
    /// What each event in hand says for itself. An update that was made of some of them may have reached the lead, and its
    /// answer may be lost: then it shows what those said.
    pub(super) each: &'a [Fields],
    /// The lead that is adopted, and whom it names whether the last update of it was made or not.
    pub(super) adopting: Option<&'a Adopting>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Likeness {
    Same,
    Other,
    Unknown,
}

/// What is known of a lead that is searched for under its reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sought<'a> {
    /// Each says who it may be.
    pub(super) said: &'a [Lead],
    /// What is known of its create.
    pub(super) create: Create,
}

/// What is known of a create that may have made a lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Create {
    /// Nothing.
    Unknown,
    /// It was sent then, with one of the events in hand.
    Sent(Timestamp),
    /// It may have been sent, and forgotten with its event, in the time before this: a moment before the store lost what it
    /// had kept last.
    Forgotten(Timestamp),
}

/// Looks among `found`, of which `complete` says whether it is all, for the lead that is `sought`.
#[must_use]
pub(super) fn recognise(found: &[LeadView], complete: bool, sought: Sought<'_>) -> Hit {
    let of = |wanted| found.iter().filter(move |view| compare(view, sought) == wanted);
    let mut ours: Vec<&LeadView> = of(Likeness::Same).collect();
    ours.sort_by_key(|view| view.created_at);
    if !ours.is_empty() {
        return Hit::Ours(ours.into_iter().map(|view| view.id.clone()).collect());
    }
    let unclear: Vec<LeadId> = of(Likeness::Unknown).map(|view| view.id.clone()).collect();
    match () {
        () if !unclear.is_empty() => Hit::Undecided(unclear),
        () if complete => Hit::Nobody,
        () => Hit::TooMany,
    }
}

/// Looks for the leads among `found` that carry `code`, which `namer` named. People write codes in either case.
#[must_use]
pub(super) fn by_code(found: &[LeadView], code: &str, namer: Namer<'_>) -> Coded {
    let carries = |view: &&LeadView| view.unique_code.as_ref().is_some_and(|shown| shown.eq_ignore_ascii_case(code));
    match found.iter().filter(carries).collect::<Vec<_>>().as_slice() {
        [] => Coded::Nobody,
        [view] if is_somebody_else(view, namer) => Coded::SomebodyElse,
        [view] => Coded::One(view.id.clone()),
        several => Coded::Several(several.iter().map(|view| view.id.clone()).collect()),
    }
}

/// The other leads among `found` that are the same as the one that is known as `known`.
#[must_use]
pub(super) fn doubles(found: &[LeadView], known: &LeadId, external_ref: &ExternalRef) -> Vec<LeadId> {
    let same_ref = |view: &LeadView| view.external_ref.as_ref().map(|shown| shown == external_ref.as_str());
    let Some(ours) = found.iter().find(|view| view.id == *known) else { return Vec::new() };
    let person = Person::shown(ours);
    let others = found.iter().filter(|view| view.id != *known);
    let same = others.filter(|view| same_ref(view).unwrap_or_else(|| by_person(view, &person) == Likeness::Same));
    same.map(|view| view.id.clone()).collect()
}

/// A lead may have been said to have one number and then another, and any of them may be what was sent.
fn compare(view: &LeadView, sought: Sought<'_>) -> Likeness {
    let Sought { said, create } = sought;
    if let Some(shown) = &view.external_ref {
        let is_ours = said.iter().any(|lead| shown == lead.external_ref.as_str());
        return if is_ours { Likeness::Same } else { Likeness::Other };
    }
    if is_blank_visitor(view) {
        return Likeness::Other;
    }
    let likenesses: Vec<_> = said.iter().map(|lead| by_person(view, &Person::said(lead))).collect();
    let best = [Likeness::Same, Likeness::Unknown].into_iter().find(|one| likenesses.contains(one));
    let likeness = best.unwrap_or(Likeness::Other);
    let made_before = |time: Timestamp| view.created_at.is_some_and(|created| created < time);
    match create {
        // Another form of the same person, or ours, and a clock is wrong: nothing tells.
        Create::Sent(sent) if made_before(sent - CLOCKS) => {
            let perhaps = likeness == Likeness::Same && !made_before(sent - WRONG_CLOCKS);
            if perhaps { Likeness::Unknown } else { Likeness::Other }
        }
        // The event that was forgotten may have said another number. Only a young lead may be its: with a wider margin for clocks,
        // whatever else a fuzzy search finds of the last day would keep each new lead from being made.
        Create::Forgotten(noticed) if likeness == Likeness::Other && !made_before(noticed - LOST - CLOCKS) => {
            Likeness::Unknown
        }
        Create::Unknown | Create::Sent(_) | Create::Forgotten(_) => likeness,
    }
}

/// Konektor's own lead of a click, of whom nobody has said anything yet: no create of ours is named so, and no lead that was
/// written into shows nothing else.
fn is_blank_visitor(view: &LeadView) -> bool {
    let is_blank = view.phone.is_none() && view.email.is_none();
    is_blank && view.first_name.as_deref().is_some_and(is_visitor)
}

/// What tells one lead from another where the reference is not shown.
struct Person<'a> {
    phone: Option<&'a String>,
    email: Option<&'a String>,
    name: Option<&'a String>,
}

impl<'a> Person<'a> {
    fn said(lead: &'a Lead) -> Self {
        let Lead { stated, guessed, .. } = lead;
        Self {
            phone: stated.phone.as_ref().or(guessed.phone.as_ref()),
            email: stated.email.as_ref().or(guessed.email.as_ref()),
            name: stated.first_name.as_ref().or(guessed.first_name.as_ref()),
        }
    }

    fn shown(view: &'a LeadView) -> Self {
        let LeadView { phone, email, first_name, .. } = view;
        Self { phone: phone.as_ref(), email: email.as_ref(), name: first_name.as_ref() }
    }
}

/// Codes tell nothing: Konektor gives each lead one of its own, and a create sends none. The same phone or address is the same person; both known and different is
/// another; a lead with neither is recognised by its name.
fn by_person(view: &LeadView, person: &Person<'_>) -> Likeness {
    let phones = both(person.phone, view.phone.as_ref(), same_number);
    let emails = both(person.email, view.email.as_ref(), is_address);
    match (phones, emails) {
        (Some(true), _) | (_, Some(true)) => Likeness::Same,
        (Some(false), _) | (_, Some(false)) => Likeness::Other,
        (None, None) => by_name(view, person),
    }
}

/// One has several addresses sooner than several numbers, and a code is shown to nobody else unless it is passed on. A lead
/// that shows our reference was written by us.
pub(super) fn is_somebody_else(view: &LeadView, Namer { external_ref, each, adopting }: Namer<'_>) -> bool {
    let is_ours = view.external_ref.as_deref() == Some(external_ref.as_str());
    let named = || adopting.into_iter().flat_map(Adopting::named);
    let mut addresses =
        each.iter().filter_map(|said| said.email.as_ref()).chain(named().filter_map(|named| named.email.as_ref()));
    let same_address = view.email.as_ref().is_some_and(|email| addresses.any(|ours| is_address(ours, email)));
    let Some(number) = &view.phone else { return false };
    let numbers =
        each.iter().filter_map(|said| said.phone.as_ref()).chain(named().filter_map(|named| named.phone.as_ref()));
    let mut numbers = numbers.peekable();
    numbers.peek().is_some() && !numbers.any(|ours| same_number(ours, number)) && !same_address && !is_ours
}

fn by_name(view: &LeadView, person: &Person<'_>) -> Likeness {
    let anonymous = view.phone.is_none() && view.email.is_none();
    match both(person.name, view.first_name.as_ref(), |ours, theirs| ours.to_lowercase() == theirs.to_lowercase()) {
        Some(true) if anonymous => Likeness::Same,
        _ => Likeness::Unknown,
    }
}

fn both(ours: Option<&String>, theirs: Option<&String>, same: fn(&str, &str) -> bool) -> Option<bool> {
    Some(same(ours?, theirs?))
}

/// The same address.
pub(super) fn is_address(ours: &str, theirs: &str) -> bool {
    ours.to_lowercase() == theirs.to_lowercase()
}

/// The same digits; a number that is shown as it is dialled at home (`0812…` for `+62812…`) has one end in common.
pub(super) fn same_number(ours: &str, theirs: &str) -> bool {
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    let (ours, theirs) = (digits(ours), digits(theirs));
    let (ours, theirs) = (ours.trim_start_matches('0'), theirs.trim_start_matches('0'));
    let (long, short) = if ours.len() < theirs.len() { (theirs, ours) } else { (ours, theirs) };
    long == short || (short.len() >= NATIONAL && long.ends_with(short))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::lead::Fields;

    const REF: &str = "meta:leadgen:111111111111111";

    fn lead(phone: Option<&str>, email: Option<&str>) -> Lead {
        let stated = Fields {
            first_name: Some("Siti".into()),
            phone: phone.map(Into::into),
            email: email.map(Into::into),
            ..Fields::default()
        };
        let external_ref = ExternalRef::from_stored(REF.into());
        Lead::of(external_ref, stated, Fields::default())
    }

    fn view(fields: serde_json::Value) -> LeadView {
        let mut view = serde_json::json!({ "id": "lead_1" });
        view.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(view).unwrap()
    }

    fn sought(said: &[Lead]) -> Sought<'_> {
        Sought { said, create: Create::Unknown }
    }

    fn ours() -> Hit {
        Hit::Ours(vec![LeadId("lead_1".into())])
    }

    #[test]
    fn a_shown_reference_decides_alone_and_to_the_letter() {
        let shown = |text: &str| vec![view(serde_json::json!({ "externalRef": text, "phone": "+6281234567890" }))];
        let lead = lead(Some("+6281234567890"), None);
        assert_eq!(recognise(&shown(REF), true, sought(std::slice::from_ref(&lead))), ours());
        assert_eq!(
            recognise(&shown("meta:leadgen:1111111111111112"), true, sought(std::slice::from_ref(&lead))),
            Hit::Nobody,
            "a longer one"
        );
        assert_eq!(recognise(&shown(&REF.to_uppercase()), true, sought(std::slice::from_ref(&lead))), Hit::Nobody);
    }

    #[test]
    fn without_it_the_same_phone_in_another_spelling_is_the_same_person() {
        let found = [view(serde_json::json!({ "phone": "62 812-3456-7890" }))];
        assert_eq!(recognise(&found, true, sought(&[lead(Some("+6281234567890"), None)])), ours());
        assert_eq!(recognise(&found, true, sought(&[lead(Some("+6281234567891"), None)])), Hit::Nobody);
    }

    #[test]
    fn without_phone_and_address_the_name_decides_or_nobody_can() {
        let lead = lead(None, None);
        assert_eq!(
            recognise(&[view(serde_json::json!({ "firstName": "siti" }))], true, sought(std::slice::from_ref(&lead))),
            ours()
        );
        let budi = [view(serde_json::json!({ "firstName": "Budi" }))];
        assert_eq!(
            recognise(&budi, true, sought(std::slice::from_ref(&lead))),
            Hit::Undecided(vec![LeadId("lead_1".into())])
        );
    }

    #[test]
    fn a_lead_from_before_the_create_is_another() {
        let found = [view(serde_json::json!({ "phone": "+6281234567890", "createdAt": "2026-11-23T08:00:00.000Z" }))];
        let hit = |sent: &str| {
            let create = Create::Sent(sent.parse().unwrap());
            recognise(&found, true, Sought { create, ..sought(&[lead(Some("+6281234567890"), None)]) })
        };
        assert_eq!(hit("2026-11-23T08:04:00Z"), ours());
        assert_eq!(hit("2026-11-24T09:00:00Z"), Hit::Nobody);
        assert_eq!(hit("2026-11-23T08:10:00Z"), Hit::Undecided(vec![LeadId("lead_1".into())]), "or a clock is wrong");
    }

    #[test]
    fn a_lead_of_which_several_numbers_were_said_is_known_by_any_of_them() {
        let found = [view(serde_json::json!({ "phone": "+6281234567890", "firstName": "Siti" }))];
        let said = [lead(Some("+6281234567899"), None), lead(Some("+6281234567890"), None)];
        assert_eq!(recognise(&found, true, sought(&said)), ours());
        assert_eq!(recognise(&found, true, sought(&said[..1])), Hit::Nobody);
    }

    #[test]
    fn of_a_create_that_was_forgotten_another_number_proves_nothing() {
        let said = [lead(Some("+6281234567890"), None)];
        let create = Create::Forgotten("2026-11-23T08:00:00Z".parse().unwrap());
        let hit = |fields| recognise(&[view(fields)], true, Sought { create, ..sought(&said) });
        let made = |phone: &str, at: &str| serde_json::json!({ "phone": phone, "createdAt": at });
        let unclear = Hit::Undecided(vec![LeadId("lead_1".into())]);
        assert_eq!(hit(made("+6281234567899", "2026-11-23T07:59:00Z")), unclear);
        assert_eq!(hit(serde_json::json!({ "phone": "+6281234567899" })), unclear);
        assert_eq!(hit(made("+6281234567899", "2026-11-23T07:50:00Z")), Hit::Nobody, "nothing so old was forgotten");
        assert_eq!(hit(made("+6281234567890", "2026-11-23T07:50:00Z")), ours());
        let shown = serde_json::json!({ "phone": "+6281234567890", "externalRef": "meta:leadgen:2" });
        assert_eq!(hit(shown), Hit::Nobody, "a reference tells all the same");
    }

    #[test]
    fn nobody_can_be_said_only_when_all_was_read() {
        let lead = lead(None, Some("siti@example.com"));
        assert_eq!(recognise(&[], true, sought(std::slice::from_ref(&lead))), Hit::Nobody);
        assert_eq!(recognise(&[], false, sought(std::slice::from_ref(&lead))), Hit::TooMany);
    }

    #[test]
    fn a_number_without_its_country_code_is_the_same_number_and_a_short_one_is_not() {
        assert!(same_number("+6281234567890", "0812-3456-7890"));
        assert!(same_number("+6281234567890", "0062 81234567890"));
        assert!(!same_number("+6281234567890", "+6081234567890"), "another country");
        assert!(!same_number("+6281234567890", "567890"));
        assert!(!same_number("+6281234567890", "081234567891"));
    }

    #[test]
    fn a_code_is_compared_whole_and_belongs_to_one_person() {
        let each = [lead(Some("+6281234567890"), None).for_create()];
        let external_ref = ExternalRef::from_stored(REF.into());
        let namer = Namer { external_ref: &external_ref, each: &each, adopting: None };
        let shown = |fields| view(fields);
        let code = |id: &str, code: &str| shown(serde_json::json!({ "id": id, "uniqueCode": code }));
        let id = |id: &str| LeadId(id.into());
        let found =
            [code("a", "KNK-7F3A"), code("b", "KNK-7F3A1"), shown(serde_json::json!({ "firstName": "KNK-7F3A" }))];
        assert_eq!(by_code(&found, "knk-7f3a", namer), Coded::One(id("a")));
        assert_eq!(by_code(&found, "KNK-7F3", namer), Coded::Nobody);
        let twice = [code("a", "KNK-7F3A"), code("c", "knk-7f3a")];
        assert_eq!(by_code(&twice, "KNK-7F3A", namer), Coded::Several(vec![id("a"), id("c")]));
        let of = |phone: &str| [shown(serde_json::json!({ "uniqueCode": "KNK-7F3A", "phone": phone }))];
        assert_eq!(by_code(&of("081234567890"), "KNK-7F3A", namer), Coded::One(id("lead_1")));
        assert_eq!(by_code(&of("081234567899"), "KNK-7F3A", namer), Coded::SomebodyElse);
        let both = [each[0].clone(), lead(Some("+6281234567899"), None).for_create()];
        let namer = Namer { each: &both, ..namer };
        assert_eq!(by_code(&of("081234567899"), "KNK-7F3A", namer), Coded::One(id("lead_1")), "said at another time");
        let address = [shown(serde_json::json!({ "uniqueCode": "KNK-7F3A", "email": "office@example.com" }))];
        assert_eq!(by_code(&address, "KNK-7F3A", namer), Coded::One(id("lead_1")));
    }

    #[test]
    fn the_code_of_a_lead_says_nothing_of_who_made_it() {
        let mut lead = lead(Some("+6281234567890"), None);
        lead.stated.unique_code = Some("KNK-7F3A".into());
        let found = [view(serde_json::json!({ "uniqueCode": "API_7F3A1B2C", "phone": "+6281234567890" }))];
        assert_eq!(recognise(&found, true, sought(std::slice::from_ref(&lead))), ours(), "a create sends no code");
    }

    #[test]
    fn a_visitor_of_whom_nothing_is_known_is_nobody_that_we_have_made() {
        let lead = lead(None, None);
        let visitor = |fields| {
            let mut fields: serde_json::Value = fields;
            fields["firstName"] = "Visitor [KNK-7F3A]".into();
            let create = Create::Forgotten("2026-11-23T08:00:00Z".parse().unwrap());
            recognise(&[view(fields)], true, Sought { create, ..sought(std::slice::from_ref(&lead)) })
        };
        assert_eq!(visitor(serde_json::json!({})), Hit::Nobody);
        assert_eq!(visitor(serde_json::json!({ "externalRef": REF })), ours(), "it is written into");
        let unclear = Hit::Undecided(vec![LeadId("lead_1".into())]);
        assert_eq!(visitor(serde_json::json!({ "phone": "+6281234567890" })), unclear);
    }

    #[test]
    fn of_several_the_oldest_is_ours() {
        let made = |id: &str, at: &str| {
            let mut view = view(serde_json::json!({ "externalRef": REF, "createdAt": at }));
            view.id = LeadId(id.into());
            view
        };
        let found = [made("second", "2026-11-23T08:02:00Z"), made("first", "2026-11-23T08:01:00Z")];
        let both = Hit::Ours(vec![LeadId("first".into()), LeadId("second".into())]);
        assert_eq!(recognise(&found, true, sought(&[lead(None, None)])), both);
    }

    #[test]
    fn a_double_is_another_lead_under_the_same_reference_or_of_the_same_person() {
        let lead = |id: &str, fields: serde_json::Value| LeadView { id: LeadId(id.into()), ..view(fields) };
        let seen = |found: &[LeadView]| doubles(found, &LeadId("ours".into()), &ExternalRef::from_stored(REF.into()));
        let double = [LeadId("other".into())];
        let phone = |text: &str| serde_json::json!({ "phone": text, "firstName": "Siti" });
        let shown = |text: &str| serde_json::json!({ "externalRef": text, "phone": "+6281234567890" });
        assert_eq!(seen(&[lead("ours", shown(REF)), lead("other", shown(REF))]), double);
        assert_eq!(
            seen(&[lead("ours", shown(REF)), lead("other", shown("meta:leadgen:2"))]),
            [],
            "it came twice itself"
        );
        assert_eq!(seen(&[lead("ours", phone("+6281234567890")), lead("other", phone("081234567890"))]), double);
        assert_eq!(seen(&[lead("ours", phone("+6281234567890")), lead("other", phone("+6281"))]), []);
        assert_eq!(seen(&[lead("other", shown(REF))]), [], "ours was merged into it");
    }
}
