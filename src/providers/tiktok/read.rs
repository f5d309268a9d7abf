//! Reading an entry of a webhook about leads.

use jiff::Timestamp;

use super::super::json::{self, Object};
use crate::domain::status::{AdPlatform, LeadSource};
use crate::domain::submission::{Answer, FORM, FORM_ID, Fact, Meaning, Submission};

/// How what the preview of a form sends begins: `test lead: dummy data for name`.
const TEST_ANSWER: &str = "test lead:";

/// What one entry says.
pub(super) fn submission(id: String, entry: &Object<'_>) -> Submission {
    let is_message = entry.text("lead_source").is_some_and(|word| word == "DIRECT_MESSAGE");
    Submission {
        answers: entry.list("changes").into_iter().filter_map(|raw| answer(raw.get())).collect(),
        facts: facts(entry),
        ad_platform: Some(AdPlatform::Tiktok),
        source: Some(if is_message { LeadSource::Social } else { LeadSource::Ads }),
        submitted_at: entry.text("create_time").and_then(|time| Timestamp::from_second(time.parse().ok()?).ok()),
        sender_id: id,
        ..Submission::default()
    }
}

/// True for what the preview of a form sends, and TikTok's mock leads.
pub(super) fn is_test(entry: &Object<'_>) -> bool {
    let begins = |text: String| text.trim_start_matches('<').starts_with(TEST_ANSWER);
    let mut values = entry.list("changes").into_iter().filter_map(|raw| Object::parse(raw.get())?.text("value"));
    values.any(begins) || entry.text("campaign_name").is_some_and(begins)
}

/// One element of `changes`: `{"field": …, "value": …}`. What is no such thing stays as it is, for the notes.
fn answer(text: &str) -> Option<Answer> {
    let change = Object::parse(text).unwrap_or_default();
    let (Some(field), Some(value)) = (change.text("field"), change.get("value")) else {
        return Some(Answer::new("changes", text).meaning(Meaning::Note));
    };
    let (value, meaning) = (json::answer(value), meaning(&field));
    (!value.is_empty()).then(|| Answer { meaning, ..Answer::new(field, value) })
}

/// What TikTok's own questions mean; an owner's question is its own text, which the synonyms know or do not.
fn meaning(field: &str) -> Option<Meaning> {
    Some(match field {
        "name" | "full_name" => Meaning::FullName,
        "first_name" => Meaning::FirstName,
        "last_name" => Meaning::LastName,
        "email" => Meaning::Email,
        "phone_number" => Meaning::Phone,
        "scheduled_time" | "gender" | "address" => Meaning::Note,
        _ => return None,
    })
}

/// Form, advertiser, campaign, ad group and ad, for the notes. A zero is TikTok's "none".
fn facts(entry: &Object<'_>) -> Vec<Fact> {
    let id = |name: &str| entry.text(name).filter(|id| id != "0");
    let with_id = |name: &str, of: &str| match (entry.text(name), id(of)) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.or(id),
    };
    let lines = [
        (FORM, entry.text("page_name").or_else(|| id("page_id"))),
        (FORM_ID, entry.text("page_name").and_then(|_| id("page_id"))),
        ("Advertiser", with_id("advertiser_name", "advertiser_id")),
        ("Library", id("library_id")),
        ("Campaign", with_id("campaign_name", "campaign_id")),
        ("Ad group", with_id("adgroup_name", "adgroup_id")),
        ("Ad", with_id("ad_name", "ad_id")),
        ("Lead source", entry.text("lead_source").filter(|word| word != "INSTANT_FORM")),
    ];
    lines.into_iter().filter_map(|(label, value)| Some(Fact::new(label, value?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_placeholder_anywhere_makes_a_test() {
        for (entry, test) in [
            (r#"{"changes":[{"field":"name","value":"test lead: dummy data for name"}]}"#, true),
            (r#"{"campaign_name":"test lead: dummy data for campaign_name"}"#, true),
            (r#"{"changes":[{"field":"name","value":"Test Leadership"}],"campaign_id":0}"#, false),
            (r#"{"changes":null}"#, false),
        ] {
            assert_eq!(is_test(&Object::parse(entry).unwrap()), test, "{entry}");
        }
    }

    #[test]
    fn what_is_no_change_is_noted_and_blank_answers_are_none() {
        let entry = r#"{"changes":[7,{"field":"email","value":""},{"field":"Kota?","value":["Solo","Kudus"]}]}"#;
        let answers = submission("1".into(), &Object::parse(entry).unwrap()).answers;
        let expected = [Answer::new("changes", "7").meaning(Meaning::Note), Answer::new("Kota?", "Solo, Kudus")];
        assert_eq!(answers, expected);
    }
}
