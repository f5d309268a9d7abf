//! What a form asks, in words: a lead has the keys of its questions and choices only.
//!
//! Source: "Retrieving Leads" and the reference of the form's node (`questions`) on developers.facebook.com.

use bytes::Bytes;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::json::{self, Object};
use super::{Change, change, is_id};
use crate::domain::submission::Meaning;

/// What is asked of a form.
pub(super) const FIELDS: &str = "id,name,questions";

/// The member of a fetched lead that holds what was told of its form. Meta has none of this name.
const MEMBER: &str = "form";

/// The longest text that is kept of a form.
const LONGEST: usize = 500;

/// The form of a lead that was `fetched`: as Graph tells it, or else as the webhook did.
pub(super) fn id(item: &[u8], fetched: &[u8]) -> Option<String> {
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let webhook = text(item).filter(|text| matches!(change(text), Change::Lead(_)))?;
    let of_lead = Object::parse(text(fetched)?)?.text("form_id");
    let of_webhook = || Object::parse(webhook)?.object("value").text("form_id");
    of_lead.or_else(of_webhook).filter(|id| is_id(id))
}

/// The lead that was `fetched`, with what its form says of the questions that it answers.
pub(super) fn beside(fetched: &[u8], told: &[u8]) -> Bytes {
    let as_it_is = || Bytes::copy_from_slice(fetched);
    let text = |bytes| std::str::from_utf8(bytes).ok();
    let (Some(lead), Some(form)) = (text(fetched), text(told).and_then(Object::parse)) else { return as_it_is() };
    let Some(form) = Object::parse(lead).and_then(|lead| of_lead(&lead, &form)) else { return as_it_is() };
    match lead.trim_end().strip_suffix('}') {
        Some(members) => [members, ",\"", MEMBER, "\":", &form.to_string(), "}"].concat().into(),
        None => as_it_is(),
    }
}

/// Of a form its name, and the questions and choices that are in this lead.
fn of_lead(lead: &Object<'_>, form: &Object<'_>) -> Option<Value> {
    let answers: Vec<_> = lead.list("field_data").into_iter().filter_map(|raw| Object::parse(raw.get())).collect();
    let questions = form.list("questions").into_iter().filter_map(|raw| {
        let question = Object::parse(raw.get())?;
        let key = question.text("key")?;
        let answer = answers.iter().find(|answer| answer.text("name").as_deref() == Some(&key))?;
        let given: Vec<_> = answer.list("values").into_iter().filter_map(json::text).collect();
        let choices = question.list("options").into_iter().filter_map(|raw| choice(raw, &given));
        let choices: Value = Value::Object(choices.collect());
        Some(json!({ "key": key, "label": short(&question, "label"), "type": question.text("type"), "choices": choices }))
    });
    let questions: Vec<_> = questions.collect();
    let name = short(form, "name");
    (name.is_some() || !questions.is_empty()).then(|| json!({ "name": name, "questions": questions }))
}

/// A choice that was `given`: its key, and what it says.
fn choice(raw: &RawValue, given: &[String]) -> Option<(String, Value)> {
    let choice = Object::parse(raw.get())?;
    let key = choice.text("key").filter(|key| given.contains(key))?;
    Some((key, short(&choice, "value")?.into()))
}

fn short(object: &Object<'_>, name: &str) -> Option<String> {
    object.text(name).map(|text| text.chars().take(LONGEST).collect())
}

/// What is known of a lead's form; nothing where nobody could tell.
#[derive(Default)]
pub(super) struct Form<'a>(Object<'a>);

impl<'a> Form<'a> {
    /// The form beside a lead.
    pub(super) fn of(lead: &Object<'a>) -> Self {
        Self(lead.object(MEMBER))
    }

    /// What people call it.
    pub(super) fn name(&self) -> Option<String> {
        self.0.text("name")
    }

    /// The question of this key.
    pub(super) fn question(&self, key: &str) -> Option<Question<'a>> {
        let questions = self.0.list("questions").into_iter().filter_map(|raw| Object::parse(raw.get()));
        questions.into_iter().find(|question| question.text("key").as_deref() == Some(key)).map(Question)
    }
}

/// A question of a form.
pub(super) struct Question<'a>(Object<'a>);

impl Question<'_> {
    /// What it asks.
    pub(super) fn label(&self) -> Option<String> {
        self.0.text("label")
    }

    /// An answer in the words of its choices.
    pub(super) fn in_words(&self, values: &RawValue) -> Option<String> {
        let choices = self.0.object("choices");
        let given: Vec<_> = json::list(values).into_iter().filter_map(json::text).collect();
        let said = given.iter().map(|key| choices.text(key).unwrap_or_else(|| key.clone()));
        (!given.is_empty()).then(|| said.collect::<Vec<_>>().join(", "))
    }

    /// What Meta's own kinds of questions mean, under whatever key their owner has put them.
    pub(super) fn meaning(&self) -> Option<Meaning> {
        Some(match self.0.text("type")?.as_str() {
            "FULL_NAME" => Meaning::FullName,
            "FIRST_NAME" => Meaning::FirstName,
            "LAST_NAME" => Meaning::LastName,
            "EMAIL" => Meaning::Email,
            "WORK_EMAIL" => Meaning::WorkEmail,
            "PHONE" | "PHONE_OTP" | "WHATSAPP_NUMBER" => Meaning::Phone,
            "WORK_PHONE_NUMBER" => Meaning::WorkPhone,
            // National identity numbers are nothing for a notes field.
            kind if kind.starts_with("ID_") => Meaning::Drop,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAD: &str = r#"{"id":"9","form_id":"2","field_data":[{"name":"telp","values":["0812"]},{"name":"kapan","values":["a","x"]}]}"#;
    const FORM: &str = r#"{"id":"2","name":"Promo","questions":[{"key":"telp","label":"No WA","type":"PHONE"},{"key":"kapan",
        "label":"Kapan?","type":"CUSTOM","options":[{"key":"a","value":"Minggu ini"},{"key":"b","value":"Nanti"}]},
        {"key":"other","label":"Not answered","type":"CUSTOM"}]}"#;

    #[test]
    fn the_words_of_what_is_answered_stand_beside_the_lead_and_nothing_else_of_the_form() {
        let joined = beside(LEAD.as_bytes(), FORM.as_bytes());
        let text = std::str::from_utf8(&joined).unwrap();
        assert!(text.starts_with(LEAD.strip_suffix('}').unwrap()), "the lead's own bytes are as they were: {text}");
        assert!(!text.contains("Nanti") && !text.contains("Not answered"), "{text}");
        let lead = Object::parse(text).unwrap();
        let form = Form::of(&lead);
        assert_eq!(form.name().as_deref(), Some("Promo"));
        let question = form.question("kapan").unwrap();
        assert_eq!(question.label().as_deref(), Some("Kapan?"));
        let answers = lead.list("field_data");
        let values = Object::parse(answers[1].get()).unwrap();
        assert_eq!(question.in_words(values.get("values").unwrap()).as_deref(), Some("Minggu ini, x"));
        assert_eq!(form.question("telp").unwrap().meaning(), Some(Meaning::Phone));
        assert!(form.question("other").is_none());
    }

    #[test]
    fn a_form_that_tells_nothing_leaves_the_lead_as_it_is() {
        for told in ["", "{}", "[]", r#"{"questions":[7,{"key":1},{}]}"#, "\u{0}"] {
            assert_eq!(beside(LEAD.as_bytes(), told.as_bytes()), LEAD, "{told}");
        }
        assert_eq!(beside(b"no lead", FORM.as_bytes()), "no lead");
    }

    #[test]
    fn the_form_is_the_lead_s_or_else_the_webhook_s_and_only_an_id_is_asked_for() {
        let webhook = br#"{"field":"leadgen","value":{"leadgen_id":"1","form_id":"3"}}"#;
        let of = |fetched: &str| id(webhook, fetched.as_bytes());
        assert_eq!((of(r#"{"form_id":"2"}"#), of("{}")), (Some("2".into()), Some("3".into())));
        assert_eq!((of(r#"{"form_id":"../me"}"#), of("x")), (None, None));
    }
}
