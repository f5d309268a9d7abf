//! Reading a lead that was fetched from the Graph API.

use jiff::Timestamp;

use super::super::json::{self, Object};
use super::super::{Reading, Unreadable};
use super::form::Form;
use crate::domain::status::{AdPlatform, LeadSource};
use crate::domain::submission::{Answer, FORM, FORM_ID, Fact, Meaning, Submission};

/// How the answers of Meta's own test tool begin: `<test lead: dummy data for full_name>`.
const TEST_ANSWER: &str = "<test lead:";

/// Reads `fetched`, the Graph API's answer for the lead that `change` names.
///
/// # Errors
/// [`Unreadable`] when it is no JSON object.
pub(super) fn lead(id: &str, change: &str, fetched: &[u8]) -> Result<Reading, Unreadable> {
    let object = std::str::from_utf8(fetched).ok().and_then(Object::parse);
    let lead = object.ok_or_else(|| Unreadable("Meta's answer is no JSON object".into()))?;
    let webhook = value_of(change);
    let form = Form::of(&lead);
    let answers: Vec<_> = lead.list("field_data").into_iter().filter_map(|raw| answer(raw.get(), &form)).collect();
    let is_test = answers.iter().any(|answer| answer.value.starts_with(TEST_ANSWER));
    let submission = Submission {
        answers,
        facts: facts(&lead, &webhook, form.name()),
        submitted_at: lead.text("created_time").and_then(|time| written(&time)).or_else(|| seconds(&webhook)),
        ..from_meta(id)
    };
    Ok(if is_test { Reading::Test(Box::new(submission)) } else { Reading::Lead(Box::new(submission)) })
}

/// What the dashboard's "Test" button says: which form and Page, and nothing about a person.
pub(super) fn dashboard_test(id: &str, change: &str) -> Reading {
    let webhook = value_of(change);
    let facts = facts(&Object::default(), &webhook, None);
    Reading::Test(Box::new(Submission { facts, submitted_at: seconds(&webhook), ..from_meta(id) }))
}

fn from_meta(id: &str) -> Submission {
    Submission {
        ad_platform: Some(AdPlatform::Meta),
        source: Some(LeadSource::Ads),
        sender_id: id.to_owned(),
        ..Submission::default()
    }
}

/// The Page of a lead, as the webhook names it.
pub(super) fn page(change: &str) -> Option<String> {
    value_of(change).text("page_id").filter(|page| super::is_id(page))
}

fn value_of(change: &str) -> Object<'_> {
    Object::parse(change).unwrap_or_default().object("value")
}

/// One element of `field_data`: `{"name": …, "values": […]}`, in the words of its form where they are known. What is no such thing stays as it is, for the notes.
fn answer(text: &str, form: &Form<'_>) -> Option<Answer> {
    let field = Object::parse(text).unwrap_or_default();
    let (Some(name), Some(values)) = (field.text("name"), field.get("values").or_else(|| field.get("value"))) else {
        return Some(Answer::new("field_data", text).meaning(Meaning::Note));
    };
    let question = form.question(&name);
    let value =
        question.as_ref().and_then(|question| question.in_words(values)).unwrap_or_else(|| json::answer(values));
    let meaning = meaning(&name).or_else(|| question.as_ref()?.meaning());
    let label = question.and_then(|question| question.label()).unwrap_or_else(|| name.clone());
    (!value.is_empty()).then_some(Answer { key: name, label, value, meaning })
}

/// What Meta's own questions mean (the question types of the Lead Ads forms); an owner's question has a key of its own,
/// which the synonyms know or do not.
fn meaning(key: &str) -> Option<Meaning> {
    Some(match key {
        "full_name" => Meaning::FullName,
        "first_name" => Meaning::FirstName,
        "last_name" => Meaning::LastName,
        "email" => Meaning::Email,
        "work_email" => Meaning::WorkEmail,
        "phone_number" => Meaning::Phone,
        "work_phone_number" => Meaning::WorkPhone,
        // National identity numbers are nothing for a notes field.
        "id_cpf" | "id_ar_dni" | "id_cl_rut" | "id_co_cc" | "id_ec_ci" | "id_pe_dni" | "id_mx_rfc" => Meaning::Drop,
        _ => return None,
    })
}

/// Form, Page, campaign, ad set, ad, platform and consents, for the notes. What Graph leaves out may be in the webhook.
fn facts(lead: &Object<'_>, webhook: &Object<'_>, form: Option<String>) -> Vec<Fact> {
    let either = |name: &str| lead.text(name).or_else(|| webhook.text(name));
    let with_id = |name: &str, id: &str| match (lead.text(name), either(id)) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.or(id),
    };
    let lines = [
        (FORM, form.clone().or_else(|| either("form_id"))),
        (FORM_ID, form.and_then(|_| either("form_id"))),
        ("Page", webhook.text("page_id")),
        ("Campaign", with_id("campaign_name", "campaign_id")),
        ("Ad set", with_id("adset_name", "adset_id")),
        ("Ad", with_id("ad_name", "ad_id")),
        ("Platform", lead.text("platform").map(platform)),
        ("Partner", lead.text("partner_name")),
        ("Organic", lead.text("is_organic").filter(|organic| organic == "true").map(|_| "Ya".to_owned())),
    ];
    let lines = lines.into_iter().filter_map(|(label, value)| Some(Fact::new(label, value?)));
    lines.chain(consents(lead)).collect()
}

fn platform(code: String) -> String {
    match code.as_str() {
        "fb" => "Facebook".to_owned(),
        "ig" => "Instagram".to_owned(),
        _ => code,
    }
}

/// What the person agreed to and what not. Meta writes a tick as `"1"`, `""` or a boolean.
fn consents(lead: &Object<'_>) -> Vec<Fact> {
    let boxes = lead.list("custom_disclaimer_responses").into_iter().filter_map(|raw| Object::parse(raw.get()));
    boxes
        .map(|consent| {
            let ticked = consent.text("is_checked").is_some_and(|ticked| matches!(ticked.as_str(), "1" | "true"));
            let key = consent.text("checkbox_key").unwrap_or_default();
            Fact::new(format!("Consent {key}").trim_end(), if ticked { "Ya" } else { "Tidak" })
        })
        .collect()
}

/// Graph's `2026-11-23T16:06:40+0000`, which is not RFC 3339.
pub(super) fn written(time: &str) -> Option<Timestamp> {
    Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", time).or_else(|_| time.parse()).ok()
}

/// The webhook's own `created_time`, Unix seconds.
fn seconds(webhook: &Object<'_>) -> Option<Timestamp> {
    Timestamp::from_second(webhook.text("created_time")?.parse().ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANGE: &str = r#"{"field":"leadgen","value":{"leadgen_id":"1","form_id":"2","page_id":3,"ad_id":"9","created_time":1795450000}}"#;

    fn read(fetched: &str) -> Submission {
        match lead("1", CHANGE, fetched.as_bytes()).unwrap() {
            Reading::Lead(submission) => *submission,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_time_is_graphs_or_the_webhooks() {
        let submitted = |fetched| read(fetched).submitted_at.unwrap().to_string();
        assert_eq!(submitted(r#"{"created_time":"2026-11-23T16:06:40+0000"}"#), "2026-11-23T16:06:40Z");
        assert_eq!(submitted(r#"{"created_time":"2026-11-23T23:06:40+0700"}"#), "2026-11-23T16:06:40Z");
        assert_eq!(submitted(r#"{"created_time":"2026-11-23T16:06:41Z"}"#), "2026-11-23T16:06:41Z");
        assert_eq!(submitted(r#"{"created_time":"yesterday"}"#), "2026-11-23T16:06:40Z");
    }

    #[test]
    fn one_garbled_field_costs_no_other() {
        let fetched = r#"{"is_organic":[],"field_data":[7,{"name":"email","values":["a@example.com"]},{"values":[]},
            {"name":"empty","values":[]},{"name":"city","values":"Bandung"}],"custom_disclaimer_responses":{"a":1}}"#;
        let answers = read(fetched).answers;
        let shown: Vec<_> = answers.iter().map(|a| (a.key.as_str(), a.value.as_str(), a.meaning)).collect();
        assert_eq!(
            shown,
            [
                ("field_data", "7", Some(Meaning::Note)),
                ("email", "a@example.com", Some(Meaning::Email)),
                ("field_data", r#"{"values":[]}"#, Some(Meaning::Note)),
                ("city", "Bandung", None),
            ]
        );
    }

    #[test]
    fn an_unticked_box_is_a_fact_too_however_it_is_written() {
        let fetched = r#"{"custom_disclaimer_responses":[{"checkbox_key":"a","is_checked":"1"},{"checkbox_key":"b",
            "is_checked":""},{"checkbox_key":"c","is_checked":true},{"checkbox_key":"d","is_checked":false}]}"#;
        let consents: Vec<_> =
            read(fetched).facts.into_iter().filter(|fact| fact.label.starts_with("Consent")).map(|f| f.value).collect();
        assert_eq!(consents, ["Ya", "Tidak", "Ya", "Tidak"]);
    }

    #[test]
    fn what_the_narrow_question_leaves_out_comes_from_the_webhook() {
        let facts = read(r#"{"id":"1"}"#).facts;
        assert_eq!(facts, [Fact::new("Form", "2"), Fact::new("Page", "3"), Fact::new("Ad", "9")]);
    }

    #[test]
    fn a_placeholder_of_the_test_tool_makes_a_test() {
        let fetched = r#"{"field_data":[{"name":"full_name","values":["<test lead: dummy data for full_name>"]}]}"#;
        assert!(matches!(lead("1", CHANGE, fetched.as_bytes()), Ok(Reading::Test(_))));
    }
}
