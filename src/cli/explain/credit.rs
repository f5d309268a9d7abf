//! Which answer or rule set each field of a lead: found by leaving each out and looking what changes.
//!
//! The reading itself is asked, so this cannot say anything else than what delivery does. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::compose::compose;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::Lead;
use crate::domain::region::Region;
use crate::domain::rules::{NameStyle, Rules};
use crate::domain::submission::{Profile, Submission};
use crate::konektor::wire::LeadBody;

/// Konektor's fields of a lead by their names on the wire, without notes and reference.
pub(super) fn fields(lead: &Lead) -> Map<String, Value> {
    match serde_json::to_value(LeadBody::of(lead.for_create())) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// What set each field, in words: `answer nama`, `rule priority`, `this sender`.
pub(super) fn credit(
    submission: &Submission,
    external_ref: &ExternalRef,
    rules: &Rules,
    region: Region,
) -> BTreeMap<String, Vec<String>> {
    let read = |submission: &Submission, rules: &Rules| fields(&compose(submission, external_ref, rules, region));
    let whole = read(submission, rules);
    let mut causes: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut compare = |cause: &str, without: &Map<String, Value>| {
        for field in whole.keys().filter(|field| without.get(*field) != whole.get(*field)) {
            causes.entry(field.clone()).or_default().push(cause.to_owned());
        }
    };
    for (cause, without) in without_a_rule(rules) {
        compare(&cause, &read(submission, &without));
    }
    for (cause, without) in without_a_part(submission) {
        compare(&cause, &read(&without, rules));
    }
    // Two answers that say the same: leaving out either changes nothing, so each is tried alone.
    for field in whole.keys().filter(|field| !causes.contains_key(*field)).cloned().collect::<Vec<_>>() {
        let alone = only_an_answer(submission).filter(|(_, alone)| read(alone, rules).get(&field) == whole.get(&field));
        causes.insert(field.clone(), alone.map(|(cause, _)| cause).collect());
    }
    causes
}

/// The rules with each one that is set left out, and its name.
fn without_a_rule(rules: &Rules) -> Vec<(String, Rules)> {
    let left_out: [(&str, fn(&mut Rules)); 9] = [
        ("region", |rules| rules.region = None),
        ("source", |rules| rules.source = None),
        ("source_when_paid", |rules| rules.source_when_paid = None),
        ("ad_platform", |rules| rules.ad_platform = None),
        ("status", |rules| rules.status = None),
        ("priority", |rules| rules.priority = None),
        ("assigned_to", |rules| rules.assigned_to = None),
        ("estimated_value", |rules| rules.estimated_value = None),
        ("names", |rules| rules.names = NameStyle::default()),
    ];
    let single = left_out.into_iter().map(|(name, leave_out)| {
        let mut without = rules.clone();
        leave_out(&mut without);
        (format!("rule {name}"), without)
    });
    let fields = rules.fields.keys().map(|key| {
        let mut without = rules.clone();
        without.fields.remove(key);
        (format!("rule fields.\"{key}\""), without)
    });
    single.chain(fields).filter(|(_, without)| without != rules).collect()
}

/// The submission with each of its parts left out, and what that part is.
fn without_a_part(submission: &Submission) -> Vec<(String, Submission)> {
    let answers = submission.answers.iter().enumerate().map(|(place, answer)| {
        let mut without = submission.clone();
        without.answers.remove(place);
        (format!("answer {}", answer.key), without)
    });
    let attribution = submission.attribution.iter().enumerate().map(|(place, fact)| {
        let mut without = submission.clone();
        without.attribution.remove(place);
        (fact.label.clone(), without)
    });
    let left_out: [(&str, fn(&mut Submission)); 7] = [
        ("profile name", |without| without.profile.name = None),
        ("user name", |without| without.profile.username = None),
        ("sender's number", |without| without.profile.phone = None),
        ("sender's address", |without| without.profile.email = None),
        ("this sender", |without| without.ad_platform = None),
        ("this sender", |without| without.source = None),
        ("the sender's id", |without| without.sender_id = String::new()),
    ];
    let others = left_out.into_iter().map(|(cause, leave_out)| {
        let mut without = submission.clone();
        leave_out(&mut without);
        (cause.to_owned(), without)
    });
    answers.chain(attribution).chain(others).filter(|(_, without)| without != submission).collect()
}

/// The submission with one answer and nothing else that could set a field.
fn only_an_answer(submission: &Submission) -> impl Iterator<Item = (String, Submission)> {
    submission.answers.iter().map(|answer| {
        let alone = Submission {
            answers: vec![answer.clone()],
            profile: Profile::default(),
            attribution: Vec::new(),
            ..submission.clone()
        };
        (format!("answer {}", answer.key), alone)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::{LeadSource, Priority};
    use crate::domain::submission::{Answer, Meaning};

    fn credited(answers: &[(&str, &str)], rules: &Rules) -> BTreeMap<String, Vec<String>> {
        let submission = Submission {
            answers: answers.iter().map(|(key, value)| Answer::new(*key, *value)).collect(),
            source: Some(LeadSource::Website),
            sender_id: "abc123456".to_owned(),
            ..Submission::default()
        };
        credit(&submission, &ExternalRef::new("form:shop:", "1"), rules, Region::INDONESIA)
    }

    fn cause(credited: &BTreeMap<String, Vec<String>>, field: &str) -> Vec<String> {
        credited.get(field).cloned().unwrap_or_default()
    }

    #[test]
    fn each_field_names_the_answer_or_the_sender_that_set_it() {
        let credited =
            credited(&[("nama", "Siti Aminah"), ("no_hp", "0812-0001-0002"), ("kota", "Bandung")], &Rules::default());
        assert_eq!(cause(&credited, "firstName"), ["answer nama"]);
        assert_eq!(cause(&credited, "lastName"), ["answer nama"]);
        assert_eq!(cause(&credited, "phone"), ["answer no_hp"]);
        assert_eq!(cause(&credited, "source"), ["this sender"]);
        assert!(!credited.values().flatten().any(|cause| cause.contains("kota")), "{credited:?}");
    }

    #[test]
    fn a_rule_that_made_the_difference_is_named() {
        let fields = BTreeMap::from([("Nama Usaha".to_owned(), Meaning::FullName)]);
        let rules = Rules { priority: Some(Priority::High), fields, ..Rules::default() };
        let credited = credited(&[("Nama Usaha", "Toko Maju")], &rules);
        assert_eq!(cause(&credited, "priority"), ["rule priority"]);
        assert_eq!(cause(&credited, "firstName"), ["rule fields.\"Nama Usaha\"", "answer Nama Usaha"]);
    }

    #[test]
    fn two_answers_that_say_the_same_are_both_named() {
        let credited = credited(&[("phone", "0812-0001-0002"), ("mobile", "+6281200010002")], &Rules::default());
        assert_eq!(cause(&credited, "phone"), ["answer phone", "answer mobile"]);
    }

    #[test]
    fn a_stand_in_name_is_the_senders_id() {
        let credited = credited(&[("kota", "Bandung")], &Rules::default());
        assert_eq!(cause(&credited, "firstName"), ["the sender's id"]);
    }
}
