//! Reading a lead that was fetched from LinkedIn: answers by number, and the form that says what the numbers are.

use std::borrow::Cow;

use jiff::Timestamp;
use serde_json::value::RawValue;

use super::super::json::{self, Object};
use super::super::{Reading, Unreadable};
use super::tail;
use crate::domain::status::{AdPlatform, LeadSource};
use crate::domain::submission::{Answer, FORM, FORM_ID, Fact, Meaning, Submission};

/// Reads `fetched`, LinkedIn's answer for the response `id` that `notification` names. `first_option` is the number of the
/// first choice, where that is known.
///
/// # Errors
/// [`Unreadable`] when it is no JSON object.
pub(super) fn lead(
    id: &str,
    notification: &str,
    fetched: &[u8],
    first_option: Option<u8>,
) -> Result<Reading, Unreadable> {
    let object = std::str::from_utf8(fetched).ok().and_then(Object::parse);
    let lead = object.ok_or_else(|| Unreadable("LinkedIn's answer is no JSON object".into()))?;
    let notification = Object::parse(notification).unwrap_or_default();
    let form = Form { form: lead.object("form"), first_option };
    let response = lead.object("formResponse");
    let answers = response.list("answers").into_iter().filter_map(|raw| form.answer(raw.get()));
    let is_event = lead.text("leadType").or_else(|| notification.text("leadType")).is_some_and(|kind| kind == "EVENT");
    let when = |object: &Object<'_>, name: &str| Timestamp::from_millisecond(object.text(name)?.parse().ok()?).ok();
    let submission = Box::new(Submission {
        answers: answers.chain(form.hidden()).collect(),
        facts: facts(&lead, &notification, &form).into_iter().chain(form.consents(&response)).collect(),
        ad_platform: Some(AdPlatform::Linkedin),
        source: Some(if is_event { LeadSource::Event } else { LeadSource::Ads }),
        submitted_at: when(&lead, "submittedAt").or_else(|| when(&notification, "occurredAt")),
        sender_id: id.to_owned(),
        ..Submission::default()
    });
    let is_test = lead.text("testLead").is_some_and(|word| word == "true");
    Ok(if is_test { Reading::Test(submission) } else { Reading::Lead(submission) })
}

/// The form that was filled in.
struct Form<'a> {
    form: Object<'a>,
    first_option: Option<u8>,
}

impl Form<'_> {
    /// One element of `answers`. What is no such thing stays as it is, for the notes.
    fn answer(&self, text: &str) -> Option<Answer> {
        let given = Object::parse(text).unwrap_or_default();
        let Some(number) = given.text("questionId") else {
            return Some(Answer::new("answers", text).meaning(Meaning::Note));
        };
        let question = self.question(&number);
        let details = given.object("answerDetails");
        let value = match details.get("multipleChoiceAnswer") {
            Some(_) => self.chosen(&question, &details.object("multipleChoiceAnswer")),
            None => details.iter().filter_map(|(_, raw)| said(raw)).collect::<Vec<_>>().join(", "),
        };
        let predefined = question.text("predefinedField");
        let label = question.get("question").and_then(localized).or_else(|| question.text("name"));
        let label = label.unwrap_or_else(|| format!("Question {number}"));
        let meaning = predefined.as_deref().map(meaning);
        let key = predefined.or_else(|| question.text("name")).unwrap_or_else(|| label.clone());
        (!value.is_empty()).then_some(Answer { key, label, value, meaning })
    }

    fn question(&self, number: &str) -> Object<'_> {
        let questions = self.form.object("content").list("questions").into_iter();
        let mut questions = questions.filter_map(|raw| Object::parse(raw.get()));
        questions.find(|question| question.text("questionId").as_deref() == Some(number)).unwrap_or_default()
    }

    /// The texts of the chosen options. An option is known by an id of its own, or by its place; from which number places
    /// count is not documented, and never guessed.
    fn chosen(&self, question: &Object<'_>, given: &Object<'_>) -> String {
        let details = question.object("questionDetails");
        let details = details.object("multipleChoiceQuestionDetails");
        let options: Vec<_> = details.list("options").into_iter().filter_map(|raw| Object::parse(raw.get())).collect();
        let texts: Vec<_> = options.iter().map(|option| option.get("text").and_then(localized)).collect();
        let named = |number: &String| {
            let by_id = options.iter().position(|option| option.text("id").as_ref() == Some(number));
            let by_place = || number.parse::<usize>().ok()?.checked_sub(usize::from(self.first_option?));
            texts.get(by_id.or_else(by_place)?)?.clone()
        };
        let numbers: Vec<_> = given.list("options").into_iter().filter_map(json::text).collect();
        let known: Option<Vec<_>> = numbers.iter().map(named).collect();
        let all: Vec<_> = texts.into_iter().flatten().collect();
        match known {
            Some(known) => known.join(", "),
            None if all.is_empty() => numbers.join(", "),
            None => format!("{} (of: {})", numbers.join(", "), all.join(" | ")),
        }
    }

    /// The form's hidden fields, which carry what its owner wrote there: campaign codes, UTM values.
    fn hidden(&self) -> Vec<Answer> {
        let fields = self.form.list("hiddenFields").into_iter().filter_map(|raw| Object::parse(raw.get()));
        fields.filter_map(|field| Some(Answer::new(field.text("name")?, field.text("value")?))).collect()
    }

    /// What the person agreed to and what not.
    fn consents(&self, response: &Object<'_>) -> Vec<Fact> {
        let given = response.list("consentResponses").into_iter().filter_map(|raw| Object::parse(raw.get()));
        let line = |consent: Object<'_>| {
            let accepted = consent.text("accepted").is_some_and(|word| word == "true");
            let number = consent.text("consentId").unwrap_or_default();
            Fact::new(format!("Consent {number}").trim_end(), if accepted { "Ya" } else { "Tidak" })
        };
        given.map(line).collect()
    }
}

/// What LinkedIn's own questions mean (`predefinedField`).
fn meaning(field: &str) -> Meaning {
    match field {
        "FIRST_NAME" => Meaning::FirstName,
        "LAST_NAME" => Meaning::LastName,
        "EMAIL" => Meaning::Email,
        "WORK_EMAIL" => Meaning::WorkEmail,
        "PHONE_NUMBER" => Meaning::Phone,
        "WORK_PHONE_NUMBER" | "WORK_PHONE" => Meaning::WorkPhone,
        // National identity numbers are nothing for a notes field.
        "NATIONAL_IDENTIFICATION_NUMBER" | "NATIONAL_ID" => Meaning::Drop,
        _ => Meaning::Note,
    }
}

/// Form, account, campaign and ad, for the notes.
fn facts(lead: &Object<'_>, notification: &Object<'_>, form: &Form<'_>) -> Vec<Fact> {
    let urn = lead.text("versionedLeadGenFormUrn").or_else(|| notification.text("leadGenForm"));
    let form_id = form.form.text("id").or_else(|| urn.as_deref().map(form_id));
    let form_name = form.form.text("name");
    let both = |name: Option<String>, id: Option<String>| match (name, id) {
        (Some(name), Some(id)) => Some(format!("{name} ({id})")),
        (name, id) => name.or(id),
    };
    let first = |object: &Object<'_>| object.iter().find_map(|(_, raw)| json::text(raw));
    let id_of = |object: &Object<'_>| first(object).map(|urn| tail(&urn).to_owned());
    let owner = both(inner(&lead.object("ownerInfo"), &["name"]), id_of(&lead.object("owner")));
    let campaign = inner(&lead.object("leadMetadata"), &["campaign"]).map(|urn| tail(&urn).to_owned());
    let campaign = both(inner(&lead.object("leadMetadataInfo"), &["name", "campaignName"]), campaign);
    let entity = id_of(&notification.object("associatedEntity")).or_else(|| id_of(&lead.object("associatedEntity")));
    let entity = both(inner(&lead.object("associatedEntityInfo"), &["name", "creativeName"]), entity);
    let kind = lead.text("leadType").or_else(|| notification.text("leadType"));
    let lines = [
        (FORM, form_name.clone().or_else(|| form_id.clone())),
        (FORM_ID, form_name.and(form_id)),
        ("Account", owner),
        ("Campaign", campaign),
        ("Ad", entity),
        ("Lead type", kind),
    ];
    lines.into_iter().filter_map(|(label, value)| Some(Fact::new(label, value?))).collect()
}

/// The first of `names` in the one member of `object`, or a level below it: `{"sponsoredAccountInfo": {"name": …}}`.
fn inner(object: &Object<'_>, names: &[&str]) -> Option<String> {
    let member = |(_, raw): (&str, &RawValue)| {
        let member = Object::parse(raw.get())?;
        let below = || member.iter().find_map(|(_, raw)| named(&Object::parse(raw.get())?, names));
        named(&member, names).or_else(below)
    };
    object.iter().find_map(member)
}

fn named(object: &Object<'_>, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| json::string(object.get(name)?)).map(Cow::into_owned)
}

/// The id in `urn:li:versionedLeadGenForm:(urn:li:leadGenForm:7234246,1)`.
fn form_id(urn: &str) -> String {
    let inside = urn.split_once('(').map_or(urn, |(_, inside)| inside);
    let form = inside.split(',').next().unwrap_or_default();
    tail(form).to_owned()
}

/// An answer: `{"answer": "Ana"}`, or whatever else stands there.
fn said(raw: &RawValue) -> Option<String> {
    let answer = Object::parse(raw.get()).and_then(|object| object.get("answer").map(json::answer));
    Some(answer.unwrap_or_else(|| json::answer(raw))).filter(|text| !text.is_empty())
}

/// A text that may come in languages: `{"localized": {"en_US": "What?"}}`; the first one counts.
fn localized(raw: &RawValue) -> Option<String> {
    if let Some(text) = json::string(raw) {
        return Some(text.into_owned());
    }
    let texts = Object::parse(raw.get())?.object("localized");
    let first = texts.iter().find_map(|(_, raw)| json::string(raw)).map(Cow::into_owned);
    first.filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: &str = r#"{"content":{"questions":[{"questionId":4,"name":"Layanan","questionDetails":
        {"multipleChoiceQuestionDetails":{"options":[{"text":{"localized":{"id_ID":"SEO"}}},{"text":"Iklan"}]}}}]}}"#;

    fn chosen(first_option: Option<u8>, form: &str, options: &str) -> String {
        let form = Form { form: Object::parse(form).unwrap(), first_option };
        let text = format!(r#"{{"questionId":4,"answerDetails":{{"multipleChoiceAnswer":{{"options":{options}}}}}}}"#);
        form.answer(&text).unwrap().value
    }

    #[test]
    fn a_choice_is_named_when_its_counting_is_known_and_never_guessed() {
        assert_eq!(chosen(Some(1), OPTIONS, "[2]"), "Iklan");
        assert_eq!(chosen(Some(0), OPTIONS, "[0,1]"), "SEO, Iklan");
        assert_eq!(chosen(None, OPTIONS, "[1]"), "1 (of: SEO | Iklan)");
        assert_eq!(chosen(Some(1), OPTIONS, "[0]"), "0 (of: SEO | Iklan)");
        assert_eq!(chosen(Some(0), "{}", "[7]"), "7");
        let with_ids = OPTIONS.replace(r#""text":"Iklan""#, r#""id":9,"text":"Iklan""#);
        assert_eq!(chosen(None, &with_ids, "[9]"), "Iklan");
    }

    #[test]
    fn an_answer_to_a_question_that_the_form_does_not_have_keeps_its_number() {
        let form = Form { form: Object::default(), first_option: None };
        let answer =
            form.answer(r#"{"questionId":3,"answerDetails":{"textQuestionAnswer":{"answer":"Ana"}}}"#).unwrap();
        assert_eq!(answer, Answer::new("Question 3", "Ana"));
        assert_eq!(form.answer("7").unwrap(), Answer::new("answers", "7").meaning(Meaning::Note));
        assert_eq!(form.answer(r#"{"questionId":3,"answerDetails":{"textQuestionAnswer":{"answer":""}}}"#), None);
    }

    #[test]
    fn the_form_of_a_versioned_name_is_found() {
        assert_eq!(form_id("urn:li:versionedLeadGenForm:(urn:li:leadGenForm:7234246,1)"), "7234246");
        assert_eq!(form_id("urn:li:leadGenForm:7"), "7");
    }
}
