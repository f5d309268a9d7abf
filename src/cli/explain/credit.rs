//! Which answer or rule set each field of a lead: found by leaving each out and looking what changes.
//!
//! The reading itself is asked, so this cannot say anything else than what delivery does. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::Lead;
use crate::domain::region::Region;
use crate::domain::rules::{self, NameStyle, Occasion, Rules};
use crate::domain::submission::Submission;
use crate::konektor::wire::LeadBody;

/// Answers, and facts of attribution, that are left out one by one: each costs a reading of all the others, and no form of
/// a person has more of them.
const MOST: usize = 100;

/// Leaves a rule out.
type LeaveOut = fn(&mut Rules);
/// Moves a part from one submission to another.
type Move = fn(&mut Submission, &mut Submission);

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
    occasion: Occasion<'_>,
    external_ref: &ExternalRef,
    rules: &Rules,
    region: Region,
) -> BTreeMap<String, Vec<String>> {
    let read = |submission: &Submission, rules: &Rules| {
        fields(&rules::lead_of(submission, occasion, external_ref, rules, region))
    };
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
    for part in parts(submission) {
        compare(&part.cause, &read(&part.without, rules));
    }
    // Two parts that say the same: leaving out either changes nothing, so each is tried alone.
    let alone: Vec<_> = parts(submission).into_iter().map(|part| (part.cause, read(&part.alone, rules))).collect();
    for field in whole.keys().filter(|field| !causes.contains_key(*field)).cloned().collect::<Vec<_>>() {
        let same = alone.iter().filter(|(_, alone)| alone.get(&field) == whole.get(&field));
        causes.insert(field.clone(), same.map(|(cause, _)| cause.clone()).collect());
    }
    causes
}

/// The rules with each one that is set left out, and its name.
fn without_a_rule(rules: &Rules) -> Vec<(String, Rules)> {
    let left_out: [(&str, LeaveOut); 10] = [
        ("region", |rules| rules.region = None),
        ("source", |rules| rules.source = None),
        ("source_when_paid", |rules| rules.source_when_paid = None),
        ("ad_platform", |rules| rules.ad_platform = None),
        ("status", |rules| rules.status = rules.status.without(None)),
        ("priority", |rules| rules.priority = None),
        ("assigned_to", |rules| rules.assigned_to = None),
        ("estimated_value", |rules| rules.estimated_value = None),
        ("unique_code", |rules| rules.unique_code = None),
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
    let statuses = (0..rules.status.rules().len()).map(|place| {
        let without = Rules { status: rules.status.without(Some(place)), ..rules.clone() };
        (format!("rule status[{place}]"), without)
    });
    let set = rules.set.keys().map(|field| {
        let mut without = rules.clone();
        without.set.remove(field);
        (format!("rule set.{field}"), without)
    });
    single.chain(statuses).chain(set).chain(fields).filter(|(_, without)| without != rules).collect()
}

/// A part of a submission that may set a field.
struct Part {
    /// What it is.
    cause: String,
    /// The submission without it.
    without: Submission,
    /// It, and nothing else.
    alone: Submission,
}

fn parts(submission: &Submission) -> Vec<Part> {
    let answers = submission.answers.iter().enumerate().take(MOST).map(|(place, answer)| {
        let mut without = submission.clone();
        without.answers.remove(place);
        let alone = Submission { answers: vec![answer.clone()], ..Submission::default() };
        Part { cause: format!("answer {}", answer.key), without, alone }
    });
    let attribution = submission.attribution.iter().enumerate().take(MOST).map(|(place, fact)| {
        let mut without = submission.clone();
        without.attribution.remove(place);
        let alone = Submission { attribution: vec![fact.clone()], ..Submission::default() };
        Part { cause: fact.label.clone(), without, alone }
    });
    answers.chain(attribution).chain(single_parts(submission)).filter(|part| part.without != *submission).collect()
}

/// The parts that there is one of.
fn single_parts(submission: &Submission) -> impl Iterator<Item = Part> {
    let moves: [(&str, Move); 8] = [
        ("profile name", |from, to| to.profile.name = from.profile.name.take()),
        ("user name", |from, to| to.profile.username = from.profile.username.take()),
        ("sender's number", |from, to| to.profile.phone = from.profile.phone.take()),
        ("sender's address", |from, to| to.profile.email = from.profile.email.take()),
        ("this sender", |from, to| to.ad_platform = from.ad_platform.take()),
        ("this sender", |from, to| to.source = from.source.take()),
        ("the payment", |from, to| to.payment = from.payment.take()),
        ("the sender's id", |from, to| to.sender_id = std::mem::take(&mut from.sender_id)),
    ];
    moves.into_iter().map(|(cause, take_out)| {
        let (mut without, mut alone) = (submission.clone(), Submission::default());
        take_out(&mut without, &mut alone);
        Part { cause: cause.to_owned(), without, alone }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::{AdPlatform, LeadSource, Priority};
    use crate::domain::submission::{Answer, Fact, Meaning};

    fn occasion() -> Occasion<'static> {
        Occasion { source: "form", received: jiff::Timestamp::UNIX_EPOCH, body: b"" }
    }

    fn credited(answers: &[(&str, &str)], rules: &Rules) -> BTreeMap<String, Vec<String>> {
        let submission = Submission {
            answers: answers.iter().map(|(key, value)| Answer::new(*key, *value)).collect(),
            source: Some(LeadSource::Website),
            sender_id: "abc123456".to_owned(),
            ..Submission::default()
        };
        credit(&submission, occasion(), &ExternalRef::new("form:shop:", "1"), rules, Region::INDONESIA)
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
    fn an_expression_and_a_status_rule_are_named_by_their_place() {
        let rules: Rules = toml::from_str(
            "set.priority = \"'high' if answers.kota == 'Bandung' else 'low'\"\n\
             unique_code = 'KNK-[0-9]+'\n\
             status = [{ when = \"answers.kota == 'Solo'\", status = 'hot' }, { when = 'lead.phone', status = 'contacted' }]",
        )
        .unwrap();
        let credited = credited(&[("hp", "0812-0001-0002"), ("kota", "Bandung"), ("pesan", "KNK-17")], &rules);
        assert_eq!(cause(&credited, "priority"), ["rule set.priority", "answer kota"]);
        assert_eq!(cause(&credited, "status"), ["rule status[1]", "answer hp"]);
        assert_eq!(cause(&credited, "uniqueCode"), ["rule unique_code", "answer pesan"]);
    }

    #[test]
    fn two_answers_that_say_the_same_are_both_named() {
        let credited = credited(&[("phone", "0812-0001-0002"), ("mobile", "+6281200010002")], &Rules::default());
        assert_eq!(cause(&credited, "phone"), ["answer phone", "answer mobile"]);
    }

    #[test]
    fn evidence_that_only_confirms_the_sender_is_named_beside_it() {
        let submission = Submission {
            answers: vec![Answer::new("nama", "Siti")],
            attribution: vec![Fact::new("gclid", "abc")],
            ad_platform: Some(AdPlatform::Google),
            ..Submission::default()
        };
        let credited = credit(
            &submission,
            occasion(),
            &ExternalRef::new("google:lead:", "1"),
            &Rules::default(),
            Region::INDONESIA,
        );
        assert_eq!(cause(&credited, "adPlatform"), ["gclid", "this sender"]);
    }

    #[test]
    fn a_stand_in_name_is_the_senders_id() {
        let credited = credited(&[("kota", "Bandung")], &Rules::default());
        assert_eq!(cause(&credited, "firstName"), ["the sender's id"]);
    }

    #[test]
    fn of_a_form_with_a_thousand_answers_the_first_hundred_are_credited() {
        let names: Vec<_> = (0..1000).map(|number| format!("answer {number}")).collect();
        let answers = names.iter().map(|name| Answer::new(name.as_str(), "x")).collect();
        assert_eq!(parts(&Submission { answers, ..Submission::default() }).len(), MOST);
    }
}
