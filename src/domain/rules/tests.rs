//! Rules, from the file to the lead.

use proptest::prelude::*;

use super::*;
use crate::domain::event::Hold;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::Lead;
use crate::domain::status::Status;
use crate::domain::submission::{Answer, Fact, Payment};

fn rules(toml: &str) -> Rules {
    toml::from_str(toml).unwrap_or_else(|error| panic!("{toml}: {error}"))
}

#[track_caller]
fn refused(toml: &str, why: &str) {
    let error = toml::from_str::<Rules>(toml).expect_err(toml).to_string();
    assert!(error.contains(why), "{toml}: {error}");
}

fn form(answers: &[(&str, &str)]) -> Submission {
    Submission {
        answers: answers.iter().map(|(key, value)| Answer::new(*key, *value)).collect(),
        facts: vec![Fact::new("Form", "kontak")],
        source: Some(LeadSource::Website),
        sender_id: "987654321098765".to_owned(),
        ..Submission::default()
    }
}

fn occasion(body: &[u8]) -> Occasion<'_> {
    Occasion { source: "form", received: "2026-11-23T09:00:00Z".parse().unwrap(), body }
}

fn reference() -> ExternalRef {
    ExternalRef::new("form:form:", "1")
}

fn lead(toml: &str, submission: &Submission) -> Lead {
    lead_of(submission, occasion(b"{}"), &reference(), &rules(toml), Region::INDONESIA)
}

fn held(toml: &str, submission: &Submission) -> Hold {
    why_held(submission, occasion(b"{}"), &reference(), &rules(toml), Region::INDONESIA)
}

fn holds(when: &str, submission: &Submission, body: &[u8]) -> bool {
    let rules = Rules { junk: toml::from_str::<Rules>(&format!("junk = {when:?}")).unwrap().junk, ..Rules::default() };
    why_held(submission, occasion(body), &reference(), &rules, Region::INDONESIA) == Hold::JunkRule
}

#[test]
fn an_expression_gives_a_field_and_where_it_gives_nothing_the_answers_do() {
    let toml = r#"
        set.full_name = "answers['Nama PIC']"
        set.phone = "answers.telp|replace('O', '0')"
        set.estimated_value = "answers.unit|number * 1500000"
        set.priority = "'high' if answers.kota == 'Bandung' else 'low'"
    "#;
    let made = lead(
        toml,
        &form(&[("Nama", "PT Maju"), ("nama_pic", "Siti Aminah"), ("telp", "O812 3456 789O"), ("unit", "2")]),
    );
    assert_eq!((made.stated.first_name.as_deref(), made.stated.last_name.as_deref()), (Some("Siti"), Some("Aminah")));
    assert_eq!(
        (made.stated.phone.as_deref(), made.stated.estimated_value),
        (Some("+6281234567890"), Some(3_000_000.0))
    );
    assert_eq!((made.stated.priority, made.guessed.priority), (None, None), "there is no kota, so it cannot be told");
    assert!(made.notes.render().contains("nama_pic: Siti Aminah"), "no answer is lost");
    let other = lead(toml, &form(&[("nama", "Budi"), ("kota", "Bandung")]));
    assert_eq!(other.stated.first_name.as_deref(), Some("Budi"));
    assert_eq!(
        (other.stated.priority, other.guessed.priority),
        (None, Some(Priority::High)),
        "the staff may change it"
    );
}

#[test]
fn what_is_not_of_the_person_only_fills_blanks() {
    let mut submission = form(&[]);
    submission.profile.name = Some("TOKO MAJU".to_owned());
    let made = lead("set.first_name = \"profile.name|title\"", &submission);
    assert_eq!((made.stated.first_name.as_deref(), made.guessed.first_name.as_deref()), (None, Some("Toko Maju")));
    let constant = lead("set.email = \"'sales@example.com'\"", &form(&[("email", "siti@example.com")]));
    assert_eq!(constant.for_create().email.as_deref(), Some("sales@example.com"));
    assert_eq!(constant.stated.email, None);
}

#[test]
fn a_value_that_no_field_takes_is_noted() {
    let made = lead(
        "set.email = 'answers.kontak'\nset.assigned_to = 'answers.agen'",
        &form(&[("kontak", "siti at example"), ("agen", "Rina")]),
    );
    assert_eq!(made.for_create().email, None);
    let notes = made.notes.render();
    assert!(
        notes.contains("Rule set.email: siti at example") && notes.contains("Rule set.assigned_to: Rina"),
        "{notes}"
    );
}

#[test]
fn the_first_status_whose_condition_holds_is_the_one() {
    let toml = r#"
        status = [
          { when = "answers.budget|number >= 10000000", status = "hot" },
          { when = "answers.kota == 'Bandung'", status = "qualified" },
          { status = "contacted" },
        ]
    "#;
    let status = |answers: &[(&str, &str)]| {
        let made = lead(toml, &form(answers));
        (made.stated.status, made.for_create().status)
    };
    assert_eq!(status(&[("budget", "15 juta"), ("kota", "Bandung")]), (Some(Status::Hot), Some(Status::Hot)));
    assert_eq!(status(&[("budget", "banyak"), ("kota", "Bandung")]).0, Some(Status::Qualified));
    assert_eq!(status(&[("kota", "Solo")]), (None, Some(Status::Contacted)), "only a create gets it");
}

#[test]
fn nothing_is_won_that_the_sender_does_not_say_is_paid() {
    let toml =
        r#"status = [{ when = "payment or answers.status == 'paid'", status = "won" }, { status = "contacted" }]"#;
    let claimed = form(&[("status", "paid")]);
    assert_eq!(lead(toml, &claimed).for_create().status, Some(Status::Contacted));
    let payment = Some(Payment { amount: Some(168_724.0), reference: Some("INV-1".to_owned()), as_estimated: false });
    let paid = lead(toml, &Submission { payment, ..claimed });
    assert_eq!((paid.stated.status, paid.stated.actual_value), (Some(Status::Won), Some(168_724.0)));
    let no_rule = lead("", &Submission { payment: Some(Payment::default()), ..form(&[]) });
    assert_eq!((no_rule.for_create().status, no_rule.for_create().actual_value), (None, None));
}

#[test]
fn what_can_never_be_allowed_is_refused_when_it_is_read() {
    refused("status = 'won'", "needs the sender to say that it was paid");
    refused("status = [{ status = 'won' }]", "needs the sender to say that it was paid");
    refused("status = [{ when = 'answers.paid', status = 'won' }]", "needs the sender to say that it was paid");
    refused("status = [{ status = 'new' }, { when = 'payment', status = 'won' }]", "put it last");
    refused("status = [{ when = 'payment', status = 'paid' }]", "unknown variant `paid`");
    refused("status = 7", "a status, or a list of");
    refused("set.status = \"'won'\"", "unknown variant `status`");
    refused("junk = true", "and not true or false");
    refused("accept = \"answers.kota = 'x'\"", "at character");
    refused("accept = '{{ answers.kota }}'", "without `{{ }}`");
    refused("unique_code = '.*'", "finds a code where there is none");
    assert!(toml::from_str::<Rules>(&format!("junk = \"{}\"", "x".repeat(2001))).is_err());
}

#[test]
fn no_condition_at_all_is_not_taken_for_one_that_lets_everything_in() {
    refused("accept = []", "write accept = \"true\"");
    assert!(toml::from_str::<Rules>("junk = []\ntest = []\nignore = []\nhold = []").is_ok(), "for a form of its own");
    assert_eq!(held("accept = 'true'", &form(&[])), Hold::No);
}

#[test]
fn an_expression_that_gives_the_same_for_every_lead_is_looked_at_when_it_is_read() {
    refused("set.priority = \"'hgih'\"", "unknown priority `hgih`, expected one of `low`, `medium`, `high`, `urgent`");
    refused("set.source = \"'web' ~ 'page'\"", "unknown channel `webpage`, expected one of `website`");
    refused("set.ad_platform = \"'facebook'\"", "unknown network `facebook`, expected one of `meta`");
    refused("set.assigned_to = \"'Rina'\"", "what it gives is no UUID of a team member");
    refused("set.estimated_value = \"'x'|number\"", "at character");
    refused("set.email = \"['siti@example.com']\"", "a list or a map");
    for good in ["set.priority = \"'high'\"", "set.phone = \"none\"", "set.estimated_value = '1500000 * 2'"] {
        assert!(toml::from_str::<Rules>(good).is_ok(), "{good}");
    }
    assert!(toml::from_str::<Rules>("set.priority = \"'hgih' if message else 'low'\"").is_ok(), "that is no constant");
}

#[test]
fn a_text_that_lacks_its_own_quotes_is_told_from_a_name() {
    refused("set.source = 'website'", "`website` is a text, and in an expression texts have quotes of their own");
    refused("set.source = 'website'", "write \"'website'\"");
    refused("set.priority = 'urgent'", "write \"'urgent'\"");
    refused("set.assigned_to = '0d9a4bd0-6a3e-4d7a-9d2b-3f1f5a0c7e11'", "quotes of their own");
    refused("set.email = 'sales@example.com'", "quotes of their own");
    refused("set.source = 'webpage'", "unknown name `webpage`");
}

#[test]
fn a_lead_is_withheld_by_the_first_kind_of_rule_that_holds() {
    let toml = r#"
        test = "lead.email and lead.email is endingwith('@example.test')"
        junk = ["'http' in text|lower", "not lead.phone and not lead.email"]
        ignore = "'lowongan' in message|lower"
        accept = ["answers.kota in ['Bandung', 'Cimahi']", "answers.kota is undefined"]
        hold = "answers.kota == 'Cimahi'"
    "#;
    let held = |answers: &[(&str, &str)]| held(toml, &form(answers));
    assert_eq!(held(&[("hp", "0812 3456 7890")]), Hold::No);
    assert_eq!(held(&[("email", "x@example.test"), ("pesan", "http://a")]), Hold::TestRule);
    assert_eq!(held(&[("hp", "0812 3456 7890"), ("web", "HTTP://a")]), Hold::JunkRule);
    assert_eq!(held(&[("nama", "Siti")]), Hold::JunkRule);
    assert_eq!(held(&[("hp", "0812 3456 7890"), ("pesan", "Ada Lowongan?")]), Hold::IgnoreRule);
    assert_eq!(held(&[("hp", "0812 3456 7890"), ("kota", "Solo")]), Hold::NotAccepted);
    assert_eq!(held(&[("hp", "0812 3456 7890"), ("kota", "Cimahi")]), Hold::HoldRule);
    assert_eq!(self::held("hold = true", &form(&[])), Hold::SourceOnHold);
}

#[test]
fn a_condition_that_cannot_be_told_does_not_hold_and_says_why() {
    let toml = "junk = 'answers.budget|number < 1000'\nset.email = 'answers.mail'\nstatus = [{ when = 'answers.x|lower', status = 'hot' }]";
    let submission = form(&[("nama", "Siti Geheim")]);
    assert_eq!(held(toml, &submission), Hold::No);
    let failed = rules(toml).failures(&submission, occasion(b""), &reference(), Region::INDONESIA);
    let named: Vec<_> = failed.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(named, ["junk", "status[0]"], "an answer that is not there is nothing, and no failure");
    assert!(failed.iter().all(|(_, why)| why.to_string().contains("at character")), "{failed:?}");
    assert!(!format!("{failed:?}").contains("Geheim"));
}

#[test]
fn a_value_that_its_field_cannot_hold_is_a_failure_that_says_what_was_wanted() {
    let toml = "set.phone = 'answers.kode'\nset.priority = 'answers.kode'\nset.first_name = 'answers.kode'";
    let failed = rules(toml).failures(&form(&[("kode", "rahasia")]), occasion(b""), &reference(), Region::INDONESIA);
    let told: Vec<_> = failed.iter().map(|(rule, why)| format!("{rule}: {why}")).collect();
    assert!(told[0].starts_with("set.phone: what it gives is no phone number"), "{told:?}");
    assert!(told[1].starts_with("set.priority: what it gives is no priority"), "{told:?}");
    assert!(told.len() == 2 && !told.concat().contains("rahasia"), "{told:?}");
}

#[test]
fn what_was_paid_is_a_number_and_an_answer_is_a_text() {
    assert!(Expression::parse("payment.amount > 100").is_ok());
    assert!(Expression::parse("payment.amount >= 100 and payment.reference").is_ok());
    for text in ["answers.amount > 100", "payment.reference > 100"] {
        assert!(Expression::parse(text).unwrap_err().to_string().contains("no text is larger"), "{text}");
    }
}

#[test]
fn an_expression_sees_all_that_a_lead_says() {
    let mut submission = form(&[("Nama Usaha", "Toko"), ("pesan", "Halo")]);
    submission.attribution = vec![Fact::new("utm_source", "fb")];
    submission.facts.push(Fact::new("Campaign", "Ramadan"));
    submission.facts[0].label = "Form id".to_owned();
    submission.facts.push(Fact::new("Form", "Kontak kami"));
    submission.payment = Some(Payment { amount: Some(5.0), ..Payment::default() });
    let body = br#"{"data":{"items":[{"sku":"A-1"}]}}"#;
    for when in [
        "source == 'form' and form.id == 'kontak' and form.name == 'Kontak kami'",
        "answers['Nama Usaha'] == 'Toko' and answers.nama_usaha == 'Toko' and 'Nama Usaha' in answers",
        "message == 'Halo' and text == 'Toko\\nHalo'",
        "attribution.utm_source == 'fb' and facts.Campaign == 'Ramadan'",
        "received == '2026-11-23T09:00:00Z' and submitted >= '2026-11'",
        "raw.data['items'][0].sku is startingwith('A-')",
        "payment and payment.paid and payment.amount|number > 4",
        "lead.source == 'website' and not lead.first_name and not test and not profile.name",
        "answers.budget|number(0) == 0 and answers.budget|number(default=7) == 7",
        "'62 812'|digits|length == 5",
    ] {
        assert!(holds(when, &submission, body), "{when}");
    }
    assert!(!holds("raw.data", &submission, b"not JSON"));
}

#[test]
fn a_code_in_a_message_is_the_lead_s_code() {
    let toml = "unique_code = 'KNK-[0-9A-Z]{3,12}'";
    let made = lead(toml, &form(&[("pesan", "Halo, kode saya KNK-7F3A ya")]));
    assert_eq!(made.stated.unique_code.as_deref(), Some("KNK-7F3A"));
    assert_eq!(lead(toml, &form(&[("pesan", "Halo")])).stated.unique_code, None);
    let dropped = lead(&format!("{toml}\nfields.rahasia = 'drop'"), &form(&[("rahasia", "KNK-7F3A")]));
    assert_eq!(dropped.stated.unique_code, None);
}

#[test]
fn a_form_with_rules_of_its_own_goes_by_them() {
    let mut source = rules("priority = 'low'");
    source.forms = Arc::new(BTreeMap::from([("kontak".to_owned(), rules("priority = 'high'"))]));
    assert_eq!(source.for_form_of(&form(&[])).priority, Some(Priority::High));
    assert_eq!(source.for_form_of(&Submission::default()).priority, Some(Priority::Low));
}

#[test]
fn no_expression_takes_longer_than_its_budget() {
    let submission = form(&[("pesan", &"halo ".repeat(50_000))]);
    for expression in [
        "message|replace('h', message)|replace('a', message)|length",
        "(message * 100000)|length",
        "(message ~ message ~ message ~ message)|upper|lower|title|upper|lower|length",
        "message|split(' ')|join(message)|length",
    ] {
        let toml = format!("set.estimated_value = {expression:?}");
        let parsed = rules(&toml);
        assert_eq!(lead(&toml, &submission).stated.estimated_value, None, "{expression}");
        let failed = parsed.failures(&submission, occasion(b""), &reference(), Region::INDONESIA);
        assert_eq!(failed.len(), 1, "{expression}");
    }
}

/// Expressions as somebody might write them, right and wrong.
fn expressions() -> impl Strategy<Value = String> {
    let atom = prop::sample::select(vec![
        "answers",
        "answers.pesan",
        "message",
        "lead.phone",
        "payment",
        "raw",
        "raw.a[0]",
        "text",
        "'x'",
        "7",
        "-1.5",
        "none",
        "[1, 'a']",
        "{'a': 1}",
        "form.id",
        "received",
        "facts['Form id']",
        "nme",
        "99999999999999999999",
    ]);
    atom.prop_map(str::to_owned).prop_recursive(4, 24, 3, |inner| {
        let operator = prop::sample::select(vec![
            "+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", ">=", "in", "not in", "and", "or",
        ]);
        let filter = prop::sample::select(vec![
            "lower",
            "number",
            "number(3)",
            "trim",
            "replace('a', 'bb')",
            "split",
            "join('-')",
            "first",
            "last",
            "length",
            "round",
            "default('d')",
            "digits",
            "title",
            "string",
            "lowr",
        ]);
        prop_oneof![
            (inner.clone(), operator, inner.clone()).prop_map(|(a, operator, b)| format!("({a} {operator} {b})")),
            (inner.clone(), filter).prop_map(|(a, filter)| format!("{a}|{filter}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            inner.clone().prop_map(|a| format!("(not {a} is defined)")),
            inner.prop_map(|a| format!("{a}[1:2]")),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_reading_an_expression_panic(text in "\\PC{0,60}|[a-z.|'\"\\[\\]() <>=~{}%-]{0,60}") {
        let _ = Expression::parse(&text);
        let _ = CodePattern::parse(&text);
    }

    #[test]
    fn no_expression_panics_on_any_lead(expression in expressions(), value in ".{0,40}", body in "\\PC{0,40}", amount in any::<f64>()) {
        prop_assume!(Expression::parse(&expression).is_ok());
        let toml = format!("set.phone = {expression:?}\nset.estimated_value = {expression:?}\njunk = {expression:?}");
        // One that gives the same for every lead is looked at before.
        prop_assume!(toml::from_str::<Rules>(&toml).is_ok());
        let mut submission = form(&[("pesan", &value), ("hp", &value)]);
        submission.payment = Some(Payment { amount: Some(amount), reference: Some(value.clone()), as_estimated: false });
        let made = lead_of(&submission, occasion(body.as_bytes()), &reference(), &rules(&toml), Region::INDONESIA);
        let create = made.for_create();
        prop_assert!(create.phone.is_none_or(|phone| phone.chars().count() <= 20));
        prop_assert!(create.estimated_value.is_none_or(f64::is_finite));
        let _ = why_held(&submission, occasion(body.as_bytes()), &reference(), &rules(&toml), Region::INDONESIA);
    }

    #[test]
    fn the_words_that_are_found_are_those_that_the_language_reads(expression in expressions()) {
        if let Ok(read) = Expression::parse(&expression) {
            let language = minijinja::Environment::empty();
            let asked = language.compile_expression(&expression).unwrap().undeclared_variables(false);
            let found: std::collections::HashSet<_> =
                words::NAMES.iter().map(|(name, _)| (*name).to_owned()).filter(|name| read.reads(name)).collect();
            prop_assert!(asked.is_subset(&found), "{:?} {:?}", asked, found);
            // minijinja does not look into slices.
            prop_assert!(expression.contains(':') || asked == found, "{:?} {:?}", asked, found);
        }
    }
}
