//! Questions and answers of the services, as their documentation shows them.

use super::*;
use crate::providers::{Secrets, SettingsError};

fn raw(service: &str) -> Raw {
    Raw {
        service: service.into(),
        secret: Secrets::new(vec!["captcha-secret-of-the-tests".into()]),
        fail_open: true,
        ..Raw::default()
    }
}

fn captcha(raw: Raw) -> Captcha {
    Captcha::read(raw, vec!["shop.example.com".into()]).unwrap().unwrap()
}

fn judged(raw: Raw, answer: &str) -> Verdict {
    captcha(raw).challenge(Some("token"), b"body").unwrap().judge(Some((200, answer.as_bytes())))
}

#[test]
fn each_service_is_asked_as_it_wants() {
    let asked = |raw| captcha(raw).challenge(Some("t o"), b"body").unwrap();
    let turnstile = asked(raw("turnstile"));
    assert_eq!(turnstile.url(), "https://challenges.cloudflare.com/turnstile/v0/siteverify");
    let form = turnstile.form();
    assert!(form.starts_with("secret=captcha-secret-of-the-tests&response=t+o&idempotency_key="), "{form}");
    let hcaptcha = asked(Raw { sitekey: Some("site".into()), ..raw("hcaptcha") });
    assert_eq!(hcaptcha.form(), "secret=captcha-secret-of-the-tests&response=t+o&sitekey=site");
    assert_eq!(asked(raw("recaptcha_v2")).form(), "secret=captcha-secret-of-the-tests&response=t+o");
    assert!(!format!("{turnstile:?}").contains("captcha-secret"));
}

#[test]
fn the_same_body_has_the_same_key_and_another_has_another() {
    let key = |body: &[u8]| captcha(raw("turnstile")).challenge(Some("t"), body).unwrap().form().to_owned();
    assert_eq!(key(b"one"), key(b"one"));
    assert_ne!(key(b"one"), key(b"two"));
}

#[test]
fn a_form_without_a_token_is_refused_without_a_question() {
    let long = "x".repeat(LONGEST_TOKEN + 1);
    for token in [None, Some(""), Some(long.as_str())] {
        assert_eq!(captcha(raw("turnstile")).challenge(token, b"").unwrap_err(), Refusal::Captcha);
    }
}

#[test]
fn a_person_on_our_site_is_one_and_anybody_elsewhere_is_not() {
    let yes = r#"{"success":true,"challenge_ts":"2026-10-26T01:02:03Z","hostname":"Shop.example.com","error-codes":[],"action":"lead","cdata":""}"#;
    assert_eq!(judged(raw("turnstile"), yes), Verdict::Person);
    assert_eq!(judged(raw("turnstile"), &yes.replace("Shop", "evil")), Verdict::Refused);
    assert_eq!(judged(raw("turnstile"), r#"{"success":true}"#), Verdict::Refused, "it says no site");
    assert_eq!(judged(Raw { hostnames: Some(vec![]), ..raw("turnstile") }, r#"{"success":true}"#), Verdict::Person);
    let action = |action: &str| Raw { action: Some(action.into()), ..raw("turnstile") };
    assert_eq!((judged(action("lead"), yes), judged(action("login"), yes)), (Verdict::Person, Verdict::Refused));
}

#[test]
fn a_score_has_to_be_high_enough_and_there() {
    let answer = |score: &str| format!(r#"{{"success":true,"hostname":"shop.example.com"{score}}}"#);
    let v3 = |score| judged(raw("recaptcha_v3"), &answer(score));
    assert_eq!(v3(r#","score":0.5"#), Verdict::Person);
    assert_eq!(v3(r#","score":0.49"#), Verdict::Refused);
    assert_eq!(v3(""), Verdict::Refused, "the key is one of v2");
    assert_eq!(judged(raw("recaptcha_v2"), &answer("")), Verdict::Person);
    let strict = Raw { min_score: Some(0.9), ..raw("recaptcha_v3") };
    assert_eq!(judged(strict, &answer(r#","score":0.8"#)), Verdict::Refused);
}

#[test]
fn what_is_no_fault_of_the_visitor_is_not_held_against_them() {
    for code in ["invalid-input-response", "timeout-or-duplicate", "missing-input-response"] {
        let answer = format!(r#"{{"success":false,"error-codes":["{code}"]}}"#);
        assert_eq!(judged(raw("turnstile"), &answer), Verdict::Refused, "{code}");
    }
    let closed = Raw { fail_open: false, ..raw("turnstile") };
    let ours = r#"{"success":false,"error-codes":["invalid-input-secret"]}"#;
    assert_eq!((judged(raw("turnstile"), ours), judged(closed.clone(), ours)), (Verdict::Unverified, Verdict::Later));
    let challenge = captcha(closed).challenge(Some("t"), b"").unwrap();
    for answer in [None, Some((503, &b""[..])), Some((200, b"<html>")), Some((429, br#"{"success":false}"#))] {
        assert_eq!(challenge.judge(answer), Verdict::Later, "{answer:?}");
    }
}

#[test]
fn wrong_settings_are_named_with_what_to_write() {
    let refused = |raw: Raw, says: &str| match Captcha::read(raw, Vec::new()) {
        Err(SettingsError::Invalid(text)) => assert!(text.contains(says), "{text}"),
        other => panic!("{says}: {other:?}"),
    };
    refused(raw("turnstyle"), "captcha: write turnstile");
    for secret in ["1x0000000000000000000000000000000AA", "0x0000000000000000000000000000000000000000"] {
        let tested = Raw { secret: Secrets::new(vec![secret.into()]), ..raw("turnstile") };
        assert!(Captcha::read(Raw { test: true, ..tested.clone() }, Vec::new()).is_ok());
        refused(tested, "captcha_test = true");
    }
    refused(Raw { min_score: Some(1.5), ..raw("recaptcha_v3") }, "captcha_min_score");
    refused(Raw { min_score: Some(0.5), ..raw("turnstile") }, "captcha_min_score");
    refused(Raw { action: Some("x".into()), ..raw("hcaptcha") }, "captcha_action");
    refused(Raw { sitekey: Some("x".into()), ..raw("turnstile") }, "captcha_sitekey");
    assert!(Captcha::read(Raw { secret: None, ..raw("anything") }, Vec::new()).unwrap().is_none());
}
