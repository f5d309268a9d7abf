//! Which fields an update has to change, and which ones may be given up.

use crate::deliver::identity::same_number;
use crate::domain::lead::{Fields, Lead, Unpriced};
use crate::domain::name::is_stand_in;
use crate::domain::notes::{Notes, Section};
use crate::domain::status::Status;
use crate::konektor::wire::{Change, LeadBody, LeadView, Money, Word};
use crate::store::Standing;

/// What an update has to change: everything stated that differs, guesses only where there is nothing yet, a status only
/// forwards, and our block in the notes.
///
/// `standing` is where Konektor said by itself that the lead stands: what it shows may be older.
pub(super) fn patch(lead: &Lead, current: &LeadView, standing: Option<Standing>) -> LeadBody {
    let stated = &lead.stated;
    let guessed = &lead.guessed;
    let blank = Fields::default();
    // What was paid before is not said again where its amount is known.
    let is_settled = lead.unpriced == Unpriced::Before && current.actual_value.is_some();
    let status = if is_settled { stated.status } else { lead.stated_status() };
    let newer = standing.filter(|standing| current.updated_at.is_some_and(|shown| shown < standing.at));
    let guess_is_better = current.first_name.as_deref().is_none_or(is_stand_in)
        && guessed.first_name.as_deref().is_some_and(|name| !is_stand_in(name));
    let name = match () {
        () if stated.first_name.is_some() => stated,
        () if guess_is_better => guessed,
        () => &blank,
    };
    let first_name = changed(name.first_name.clone(), current.first_name.as_ref());
    // A new first name without a last name is a one-word name, not a new given name before the old family name.
    let one_word = first_name.is_some() && name.last_name.is_none() && current.last_name.is_some();
    let mut fields = Fields {
        first_name,
        last_name: changed(name.last_name.clone(), current.last_name.as_ref()),
        email: fill(&stated.email, &guessed.email, current.email.as_ref()),
        phone: fill(&stated.phone, &guessed.phone, current.phone.as_ref()),
        status: status
            .filter(|next| forwards(current.status.as_ref(), *next))
            .filter(|next| newer.is_none_or(|newer| newer.status.allows(*next))),
        priority: fill_word(stated.priority, guessed.priority, current.priority.as_ref()),
        source: fill_word(stated.source, guessed.source, current.source.as_ref()),
        ad_platform: fill_word(stated.ad_platform, guessed.ad_platform, current.ad_platform.as_ref()),
        unique_code: None,
        assigned_to: fill(&stated.assigned_to, &guessed.assigned_to, current.assigned_to.as_ref()),
        estimated_value: worth(stated.estimated_value, guessed.estimated_value, current.estimated_value.as_ref()),
        actual_value: worth(stated.actual_value, guessed.actual_value, current.actual_value.as_ref()),
    };
    if lead.unpriced != Unpriced::No && current.actual_value.is_none() {
        let known = current.estimated_value.as_ref().map(Money::to_f64);
        fields.settle(stated.estimated_value.or(known).or(guessed.estimated_value));
    }
    let old = current.notes.as_deref().unwrap_or_default();
    let notes = Some(with_others(lead, current).merge_into(old)).filter(|new| new != old);
    let body = LeadBody::of(fields);
    LeadBody { notes, last_name: if one_word { Some(Change::Cleared) } else { body.last_name.clone() }, ..body }
}

/// The notes, and in them the number or address that a person has besides the one that the lead shows and that this does
/// not replace: after a change of number in WhatsApp that is how they can be reached. And the code of another lead, which
/// Konektor made of a click: this one was there before, so a person decides whether both are merged.
fn with_others(lead: &Lead, current: &LeadView) -> Notes {
    let mut notes = lead.notes.clone();
    let Fields { phone, email, .. } = &lead.guessed;
    if let Some(code) = lead.code().filter(|code| current.unique_code.as_ref() != Some(*code)) {
        notes.add(Section::Answers, "uniqueCode", code);
    }
    let mut other =
        |label: &str, value: Option<&String>| notes.add(Section::Details, label, value.map_or("", |value| value));
    if lead.stated.phone.is_none() {
        let shown = |phone: &&String| current.phone.as_ref().is_some_and(|shown| !same_number(phone, shown));
        other("Another number", phone.as_ref().filter(shown));
    }
    if lead.stated.email.is_none() {
        let shown = |email: &&String| current.email.as_ref().is_some_and(|shown| !email.eq_ignore_ascii_case(shown));
        other("Another address", email.as_ref().filter(shown));
    }
    notes
}

fn changed<T: PartialEq>(new: Option<T>, old: Option<&T>) -> Option<T> {
    new.filter(|new| Some(new) != old)
}

fn fill<T: PartialEq + Clone>(stated: &Option<T>, guessed: &Option<T>, old: Option<&T>) -> Option<T> {
    let guess = if old.is_none() { guessed.clone() } else { None };
    changed(stated.clone().or(guess), old)
}

fn worth(stated: Option<f64>, guessed: Option<f64>, old: Option<&Money>) -> Option<f64> {
    fill(&stated, &guessed, old.map(Money::to_f64).as_ref())
}

fn fill_word<T: Copy + PartialEq>(stated: Option<T>, guessed: Option<T>, old: Option<&Word<T>>) -> Option<T> {
    let guess = if old.is_none() { guessed } else { None };
    stated.or(guess).filter(|new| old != Some(&Word::Known(*new)))
}

fn forwards(current: Option<&Word<Status>>, next: Status) -> bool {
    match current {
        None => true,
        Some(Word::Known(current)) => current.allows(next),
        // A status newer than this program: nobody here can say what is forwards.
        Some(Word::Other(_)) => false,
    }
}

/// Moves the field that Konektor calls `field` into the notes. `None` when it is not optional or not there.
pub(super) fn set_aside(lead: &mut Lead, field: &str) -> Option<()> {
    fn take<T: ToString>(stated: &mut Option<T>, guessed: &mut Option<T>) -> Option<String> {
        let guess = guessed.take();
        stated.take().or(guess).map(|value| value.to_string())
    }
    let has_own = lead.stated.actual_value.or(lead.guessed.actual_value).is_some();
    if field == "actualValue" && !has_own && std::mem::take(&mut lead.unpriced) != Unpriced::No {
        // It was the estimated value. Without an amount it is not known to be `won`.
        lead.stated.status = lead.stated.status.filter(|status| *status != Status::Won);
        return Some(());
    }
    let Lead { stated: said, guessed: guess, notes, .. } = lead;
    let value = match field {
        "lastName" => take(&mut said.last_name, &mut guess.last_name),
        "email" => take(&mut said.email, &mut guess.email),
        "phone" => take(&mut said.phone, &mut guess.phone),
        "status" => take(&mut said.status, &mut guess.status),
        "priority" => take(&mut said.priority, &mut guess.priority),
        "source" => take(&mut said.source, &mut guess.source),
        "adPlatform" => take(&mut said.ad_platform, &mut guess.ad_platform),
        "uniqueCode" => take(&mut said.unique_code, &mut guess.unique_code),
        "assignedTo" => take(&mut said.assigned_to, &mut guess.assigned_to),
        "estimatedValue" => take(&mut said.estimated_value, &mut guess.estimated_value),
        "actualValue" => take(&mut said.actual_value, &mut guess.actual_value),
        _ => None,
    }?;
    notes.add(Section::Answers, field, &value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::external_ref::ExternalRef;
    use crate::domain::status::LeadSource;

    fn lead(stated: Fields, guessed: Fields) -> Lead {
        Lead::of(ExternalRef::from_stored("r".into()), stated, guessed)
    }

    fn named(name: &str) -> Fields {
        Fields { first_name: Some(name.into()), ..Fields::default() }
    }

    fn view(fields: &serde_json::Value) -> LeadView {
        let mut view = serde_json::json!({ "id": "lead_1" });
        view.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        serde_json::from_value(view).unwrap()
    }

    #[test]
    fn a_payment_without_its_amount_is_what_the_lead_is_worth_and_no_word_of_it_without() {
        let fields = |estimated_value, actual_value| Fields {
            status: Some(Status::Won),
            estimated_value,
            actual_value,
            ..Fields::default()
        };
        let told = |fields, current: serde_json::Value| {
            let lead = Lead { unpriced: Unpriced::Now, ..lead(fields, Fields::default()) };
            let body = patch(&lead, &view(&current), None);
            (body.status, body.actual_value.map(|amount| amount.to_f64()))
        };
        let shown = serde_json::json!({ "status": "new", "estimatedValue": 168_724 });
        assert_eq!(told(fields(None, None), shown.clone()), (Some(Status::Won), Some(168_724.0)));
        assert_eq!(
            told(fields(Some(5.0), None), shown.clone()),
            (Some(Status::Won), Some(5.0)),
            "the order says so now"
        );
        assert_eq!(told(fields(None, Some(7.0)), shown), (Some(Status::Won), Some(7.0)), "a payment says how much");
        assert_eq!(told(fields(None, None), serde_json::json!({ "status": "new" })), (None, None));
        let known = serde_json::json!({ "status": "new", "actualValue": 9 });
        assert_eq!(told(fields(None, None), known), (Some(Status::Won), None), "somebody has entered it");
        let alone = Lead { unpriced: Unpriced::Now, ..lead(fields(None, None), Fields::default()) };
        assert_eq!(alone.for_create(), Fields::default());
        let whole = Lead { unpriced: Unpriced::Now, ..lead(fields(Some(5.0), None), Fields::default()) };
        assert_eq!(whole.for_create(), fields(Some(5.0), Some(5.0)));
    }

    #[test]
    fn a_payment_from_before_is_said_where_its_amount_is_known_now_and_only_once() {
        let told = |status, estimated_value, current: serde_json::Value| {
            let stated = Fields { status, estimated_value, ..Fields::default() };
            let lead = Lead { unpriced: Unpriced::Before, ..lead(stated, Fields::default()) };
            let body = patch(&lead, &view(&current), None);
            (body.status, body.actual_value.map(|amount| amount.to_f64()))
        };
        let new = serde_json::json!({ "status": "new" });
        assert_eq!(told(None, Some(5.0), new.clone()), (Some(Status::Won), Some(5.0)));
        assert_eq!(told(Some(Status::Hot), Some(5.0), new.clone()), (Some(Status::Won), Some(5.0)));
        assert_eq!(told(None, None, new.clone()), (None, None), "still nobody says how much");
        assert_eq!(told(Some(Status::Lost), Some(5.0), new), (Some(Status::Lost), None));
        let settled = serde_json::json!({ "status": "contacted", "actualValue": 5 });
        assert_eq!(told(None, Some(5.0), settled), (None, None), "somebody has set it back");
    }

    #[test]
    fn an_amount_that_is_refused_as_estimated_and_as_paid_leaves_a_lead_that_is_not_won() {
        let fields = Fields { status: Some(Status::Won), estimated_value: Some(9e15), ..Fields::default() };
        let mut lead = Lead { unpriced: Unpriced::Now, ..lead(fields, Fields::default()) };
        assert_eq!(set_aside(&mut lead, "estimatedValue"), Some(()));
        assert_eq!(set_aside(&mut lead, "actualValue"), Some(()));
        assert_eq!(lead.for_create(), Fields::default());
        assert_eq!(set_aside(&mut lead, "actualValue"), None, "there is none any more");
    }

    #[test]
    fn a_guessed_name_replaces_the_placeholder_and_nothing_else() {
        let guess = lead(Fields::default(), named("Siti"));
        let new_name =
            |current: &str| patch(&guess, &view(&serde_json::json!({ "firstName": current })), None).first_name;
        assert_eq!(new_name("Visitor [KNK-7F3A]").as_deref(), Some("Siti"));
        assert_eq!(new_name("Siti Aminah (VIP)"), None);
        assert_eq!(new_name("Visitor Center Bali"), None);
        assert_eq!(new_name("Lead 098765").as_deref(), Some("Siti"));
        let nameless = lead(Fields::default(), named("Lead 098765"));
        assert_eq!(
            patch(&nameless, &view(&serde_json::json!({ "firstName": "Visitor [KNK-7F3A]" })), None).first_name,
            None
        );
    }

    #[test]
    fn a_name_of_one_word_leaves_nothing_of_the_one_before() {
        let changes = |name: Fields, first: &str, last: &str| {
            let current = view(&serde_json::json!({ "firstName": first, "lastName": last }));
            let body = patch(&lead(name, Fields::default()), &current, None);
            (body.first_name, body.last_name)
        };
        let one_word = changes(named("Suharto"), "Siti", "Aminah");
        assert_eq!(one_word, (Some("Suharto".into()), Some(Change::Cleared)));
        let two_words = Fields { last_name: Some("Hartono".into()), ..named("Budi") };
        assert_eq!(changes(two_words, "Siti", "Aminah").1, Some(Change::To("Hartono".into())));
        assert_eq!(changes(named("Siti"), "Siti", "Aminah"), (None, None), "somebody knew more of it");
        assert_eq!(changes(Fields::default(), "Siti", "Aminah"), (None, None));
    }

    #[test]
    fn a_guess_fills_a_blank_and_does_not_overwrite() {
        let guessed = Fields { phone: Some("+6281".into()), source: Some(LeadSource::Ads), ..Fields::default() };
        let guess = lead(Fields::default(), guessed);
        let full =
            patch(&guess, &view(&serde_json::json!({ "firstName": "A", "phone": "+6299", "source": "website" })), None);
        let Some(notes) = full.notes.clone() else { panic!("{full:?}") };
        assert!(notes.contains("Another number: +6281"), "{notes}");
        assert!(LeadBody { notes: None, ..full }.is_empty());
        let dialled =
            view(&serde_json::json!({ "firstName": "A", "phone": "+6281", "source": "website", "notes": notes }));
        assert!(patch(&guess, &dialled, None).is_empty(), "it is the one that is shown");
        let blank = patch(&guess, &view(&serde_json::json!({ "firstName": "A" })), None);
        assert_eq!((blank.phone.as_deref(), blank.source), (Some("+6281"), Some(LeadSource::Ads)));
    }

    #[test]
    fn a_status_goes_forwards_or_not_at_all() {
        let won = lead(Fields { status: Some(Status::Hot), ..Fields::default() }, Fields::default());
        let status = |current: &str| patch(&won, &view(&serde_json::json!({ "status": current })), None).status;
        assert_eq!(status("new"), Some(Status::Hot));
        assert_eq!(status("won"), None);
        assert_eq!(status("hot"), None);
        assert_eq!(status("a-status-of-tomorrow"), None);
    }

    #[test]
    fn what_konektor_said_by_itself_counts_where_it_shows_something_older() {
        let hot = lead(Fields { status: Some(Status::Hot), ..Fields::default() }, Fields::default());
        let shown = |at: &str| view(&serde_json::json!({ "status": "new", "updatedAt": at }));
        let won = Some(Standing { status: Status::Won, at: "2026-09-01T08:00:00Z".parse().unwrap() });
        assert_eq!(patch(&hot, &shown("2026-09-01T07:59:59Z"), won).status, None);
        assert_eq!(patch(&hot, &shown("2026-09-01T08:00:01Z"), won).status, Some(Status::Hot), "somebody set it back");
    }
}
