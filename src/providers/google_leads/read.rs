//! Reading a lead of a Google lead form.

use super::super::json::{self, Object};
use crate::domain::status::{AdPlatform, LeadSource};
use crate::domain::submission::{Answer, Fact, Meaning, Submission};

/// Reads the webhook. Members that are not known are left to the stored bytes, as Google asks of its receivers.
pub(super) fn submission(lead: &Object<'_>) -> Submission {
    let columns = lead.list("user_column_data");
    Submission {
        answers: columns.into_iter().filter_map(|raw| answer(raw.get())).collect(),
        attribution: lead.text("gcl_id").map(|click| Fact::new("gclid", click)).into_iter().collect(),
        facts: facts(lead),
        ad_platform: Some(AdPlatform::Google),
        source: Some(LeadSource::Ads),
        submitted_at: lead.text("lead_submit_time").and_then(|time| time.parse().ok()),
        sender_id: lead.text("lead_id").unwrap_or_default(),
        ..Submission::default()
    }
}

/// One column: `{"column_id": …, "string_value": …, "column_name"?: …}`. One without a value says nothing; what is no such
/// thing stays as it is.
fn answer(text: &str) -> Option<Answer> {
    let column = Object::parse(text).unwrap_or_default();
    let (id, name) = (column.text("column_id"), column.text("column_name"));
    let is_known = |member: &str| matches!(member, "column_id" | "column_name");
    let (key, value) = match (id.or_else(|| name.clone()), column.get("string_value")) {
        (Some(key), Some(value)) => (key, value),
        (Some(_), None) if column.iter().all(|(member, _)| is_known(member)) => return None,
        (Some(_) | None, _) => return Some(Answer::new("user_column_data", text).meaning(Meaning::Note)),
    };
    let (meaning, label) = (meaning(&key), name.unwrap_or_else(|| key.clone()));
    let value = json::answer(value);
    (!value.is_empty()).then_some(Answer { key, label, value, meaning })
}

/// What Google's own columns mean (`LeadFormFieldUserInputType` of the Google Ads API).
fn meaning(column: &str) -> Option<Meaning> {
    Some(match column {
        "FULL_NAME" => Meaning::FullName,
        "FIRST_NAME" => Meaning::FirstName,
        "LAST_NAME" => Meaning::LastName,
        "EMAIL" => Meaning::Email,
        "WORK_EMAIL" => Meaning::WorkEmail,
        "PHONE_NUMBER" => Meaning::Phone,
        "WORK_PHONE" => Meaning::WorkPhone,
        // National identity numbers are nothing for a notes field.
        id if id.starts_with("GOVERNMENT_ISSUED_ID") => Meaning::Drop,
        _ => return None,
    })
}

/// Form, campaign, ad group, ad and asset group, for the notes; a zero is Google's "none".
fn facts(lead: &Object<'_>) -> Vec<Fact> {
    let lines = [
        ("Form", "form_id"),
        ("Campaign", "campaign_id"),
        ("Ad group", "adgroup_id"),
        ("Ad", "creative_id"),
        ("Asset group", "asset_group_id"),
    ];
    let line = |(label, name)| Some(Fact::new(label, lead.text(name).filter(|id| id != "0")?));
    lines.into_iter().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_number_keeps_its_digits_and_a_zero_says_nothing() {
        let lead = Object::parse(r#"{"form_id":9223372036854775807,"campaign_id":"12","asset_group_id":0}"#).unwrap();
        assert_eq!(submission(&lead).facts, [Fact::new("Form", "9223372036854775807"), Fact::new("Campaign", "12")]);
    }

    #[test]
    fn a_column_without_a_name_is_labelled_by_its_id_and_a_garbled_one_is_noted() {
        let lead = r#"{"user_column_data":[{"column_id":"CITY","string_value":"Solo"},
            {"column_name":"Anggaran?","string_value":"5 jt"},{"column_id":"EMAIL","string_value":""},
            {"column_id":"CITY","column_name":"Kota"},{"column_id":"CITY","value":"Solo"},"?"]}"#;
        let answers = submission(&Object::parse(lead).unwrap()).answers;
        let expected = [
            Answer::new("CITY", "Solo"),
            Answer::new("Anggaran?", "5 jt"),
            Answer::new("user_column_data", r#"{"column_id":"CITY","value":"Solo"}"#).meaning(Meaning::Note),
            Answer::new("user_column_data", r#""?""#).meaning(Meaning::Note),
        ];
        assert_eq!(answers, expected);
    }

    #[test]
    fn an_identity_number_is_marked_to_be_dropped() {
        for column in ["GOVERNMENT_ISSUED_ID_CPF_BR", "GOVERNMENT_ISSUED_ID_RFC_MX"] {
            assert_eq!(meaning(column), Some(Meaning::Drop));
        }
    }
}
