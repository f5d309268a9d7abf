//! What the form dialect takes and refuses, and what it makes of it.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::domain::event::SourceName;
use crate::providers::SampleKind;

const SITE: &str = "https://toko.example";
const PLAIN: &str = "application/x-www-form-urlencoded";

fn now() -> Timestamp {
    Timestamp::from_second(1_793_000_000).unwrap()
}

fn form(settings: &str) -> Form {
    Form { settings: Settings::read(toml::from_str(settings).unwrap()).unwrap() }
}

fn for_browsers() -> Form {
    form("allowed_origins = 'https://toko.example'\nredirect_ok = 'https://toko.example/terima-kasih'")
}

fn post(headers: &[(&str, &str)], body: impl Into<Bytes>) -> Webhook {
    Webhook {
        source: SourceName::parse("landing").unwrap(),
        received: now(),
        request_id: "req-1".into(),
        method: Method::Post,
        path: String::new(),
        path_token: None,
        query: String::new(),
        headers: headers.iter().copied().collect(),
        body: body.into(),
        packed: None,
    }
}

fn from_site(body: &'static str) -> Webhook {
    post(&[("content-type", PLAIN), ("origin", SITE)], body)
}

fn items(form: &Form, webhook: &Webhook) -> Vec<Item> {
    form.split(&form.verify(webhook, now()).unwrap()).unwrap()
}

fn only_item(form: &Form, webhook: &Webhook) -> Item {
    let [item] = <[Item; 1]>::try_from(items(form, webhook)).unwrap();
    item
}

fn reading(form: &Form, item: &Item) -> Reading {
    let source = SourceName::parse("landing").unwrap();
    let item = ItemBody {
        source: &source,
        external_ref: &item.external_ref,
        received: now(),
        body: &item.body,
        fetched: None,
    };
    form.read(&item).unwrap()
}

fn header<'r>(reply: &'r Reply, name: &str) -> Option<&'r str> {
    reply.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_browser_is_let_in_from_a_listed_site_only() {
    let form = for_browsers();
    let from =
        |origin: &str| form.verify(&post(&[("content-type", PLAIN), ("origin", origin)], "a=b"), now()).map(drop);
    assert_eq!(from(SITE), Ok(()));
    for other in ["https://toko.example.evil.example", "http://toko.example", "https://TOKO.example", "null", "*", ""] {
        assert_eq!(from(other), Err(Refusal::Origin), "{other}");
    }
    let none = post(&[("content-type", PLAIN)], "a=b");
    assert_eq!(form.verify(&none, now()), Err(Refusal::NoProof));
    let two = post(&[("content-type", PLAIN), ("origin", SITE), ("origin", "https://evil.example")], "a=b");
    assert_eq!(form.verify(&two, now()), Err(Refusal::GarbledProof));
}

#[test]
fn a_wrong_signature_is_not_made_good_by_an_allowed_site() {
    let form = form("allowed_origins = 'https://toko.example'\nsecret = 'rahasia-sangat-rahasia'");
    let signed = |signature: &str| {
        let headers = [("content-type", PLAIN), ("origin", SITE), (SIGNATURE, signature)];
        form.verify(&post(&headers, "a=b"), now()).map(drop)
    };
    assert_eq!(signed(&timed::sign("rahasia-sangat-rahasia", b"a=b", now())), Ok(()));
    assert_eq!(signed(&timed::sign("another", b"a=b", now())), Err(Refusal::WrongProof));
    assert_eq!(signed(""), Err(Refusal::GarbledProof));
    assert_eq!(form.verify(&from_site("a=b"), now()).map(drop), Ok(()));
}

#[test]
fn a_source_with_a_secret_alone_takes_no_browser() {
    let form = form("secret = 'rahasia-sangat-rahasia'");
    assert_eq!(form.verify(&from_site("a=b"), now()), Err(Refusal::NoProof));
}

#[test]
fn only_the_bodies_of_forms_are_taken() {
    let form = form("allowed_origins = 'https://toko.example'");
    let of = |headers: &[(&str, &str)]| {
        let headers: Vec<_> = [("origin", SITE)].iter().chain(headers).copied().collect();
        form.verify(&post(&headers, "a=b"), now()).map(drop)
    };
    for good in [PLAIN, "Multipart/Form-Data; boundary=x", "application/json; charset=utf-8"] {
        assert_eq!(of(&[("content-type", good)]), Ok(()), "{good}");
    }
    assert_eq!(of(&[("content-type", PLAIN), ("content-encoding", "Identity")]), Ok(()));
    for bad in ["text/plain", "application/xml", "multipart/mixed", ""] {
        assert_eq!(of(&[("content-type", bad)]), Err(Refusal::ContentType), "{bad}");
    }
    assert_eq!(of(&[]), Err(Refusal::ContentType));
    assert_eq!(of(&[("content-type", PLAIN), ("content-encoding", "gzip")]), Err(Refusal::ContentType));
}

#[test]
fn a_preflight_is_answered_for_listed_sites_and_refused_for_others() {
    let form = for_browsers();
    let ask = |headers: &[(&str, &str)]| Webhook { method: Method::Options, ..post(headers, "") };
    let reply = form.handshake(&ask(&[("origin", SITE)])).unwrap();
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
    for (name, value) in [
        ("access-control-allow-origin", SITE),
        ("access-control-allow-methods", "POST"),
        ("access-control-allow-headers", "content-type"),
        ("access-control-max-age", "600"),
        ("vary", "Origin"),
    ] {
        assert_eq!(header(&reply, name), Some(value));
    }
    assert_eq!(header(&reply, "access-control-allow-credentials"), None);
    let other = ask(&[("origin", "https://evil.example")]);
    assert_eq!((form.handshake(&other), form.verify(&other, now())), (None, Err(Refusal::Origin)));
    assert_eq!(form.verify(&ask(&[]), now()), Err(Refusal::Method));
}

#[test]
fn scripts_get_json_and_browsers_go_to_the_next_page() {
    let form = for_browsers();
    let json = [("content-type", "application/json"), ("origin", SITE)];
    let asked = [("content-type", PLAIN), ("accept", "text/html, Application/JSON;q=0.9")];
    for headers in [&json[..], &asked[..]] {
        let reply = form.accepted(&post(headers, "{}"));
        assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ok":true,"id":"req-1"}"#));
    }
    let reply = form.accepted(&from_site("nama=Siti"));
    assert_eq!((reply.status, header(&reply, "location")), (303, Some("https://toko.example/terima-kasih")));
    assert_eq!(header(&reply, "access-control-allow-origin"), Some(SITE));
}

#[test]
fn a_back_end_that_signs_gets_json_and_no_page() {
    let form = form("secret = 'rahasia-sangat-rahasia'\nredirect_ok = 'https://toko.example/terima-kasih'");
    let signature = timed::sign("rahasia-sangat-rahasia", b"a=b", now());
    let reply = form.accepted(&post(&[("content-type", PLAIN), (SIGNATURE, &signature)], "a=b"));
    assert_eq!((reply.status, reply.body.as_str()), (200, r#"{"ok":true,"id":"req-1"}"#));
}

#[test]
fn the_form_may_name_its_next_page_on_an_allowed_site() {
    let form = for_browsers();
    let goes = |body| header(&form.accepted(&from_site(body)), "location").unwrap().to_owned();
    assert_eq!(goes("a=b&_next=https%3A%2F%2Ftoko.example%2Fok"), "https://toko.example/ok");
    assert_eq!(goes("_redirect=%2Fok%3Fx%3D1&a=b"), "https://toko.example/ok?x=1");
    for elsewhere in
        ["_next=https%3A%2F%2Fevil.example", "_next=%2F%2Fevil.example", "_next=javascript:alert(1)", "_next="]
    {
        assert_eq!(goes(elsewhere), "https://toko.example/terima-kasih");
    }
}

#[test]
fn without_a_page_the_visitor_is_thanked_in_two_languages() {
    let form = form("allowed_origins = 'https://toko.example'");
    let reply = form.accepted(&from_site("nama=Siti"));
    assert_eq!((reply.status, header(&reply, "content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(reply.body.contains("Terima kasih") && reply.body.contains("Thank you"));
}

#[test]
fn the_trap_gets_the_same_answer_and_the_item_is_held() {
    let form = for_browsers();
    let trapped = from_site("nama=Bot&_gotcha=https%3A%2F%2Fspam.example");
    assert_eq!(form.accepted(&trapped), form.accepted(&from_site("nama=Bot&_gotcha=")));
    let item = only_item(&form, &trapped);
    assert_eq!(item.hold, Hold::Spam);
    assert!(matches!(reading(&form, &item), Reading::Spam(_)));
    let clean = only_item(&form, &from_site("nama=Bot&_gotcha="));
    assert_eq!(clean.hold, Hold::No);
    assert_ne!(item.id, clean.id, "who sends again without the trap is not taken for the same");
}

#[test]
fn pressing_twice_is_one_event_and_next_week_another_lead() {
    let form = for_browsers();
    let first = from_site("nama=Siti&_charset_=utf-8&cf-turnstile-response=one");
    let second = Webhook { request_id: "req-2".into(), ..from_site("cf-turnstile-response=two&nama=+Siti") };
    let (first, second) = (only_item(&form, &first), only_item(&form, &second));
    assert_eq!(first.id, second.id);
    assert_eq!(first.same_within, Some(Duration::from_secs(600)));
    assert_ne!(first.external_ref, second.external_ref);
    assert!(first.external_ref.as_str().starts_with("form:landing:h:"));
    assert_ne!(first.id, only_item(&form, &from_site("nama=Siti&pesan=halo")).id);
    assert_ne!(first.id, only_item(&form, &from_site("nama=Siti&form_id=promo")).id);
    let [one, other] = ["nama=Siti&hp=0812-3456-7890&email=S@x.id", "email=s@x.id&hp=%2B6281234567890&nama=siti+"]
        .map(|body| only_item(&form, &from_site(body)).id);
    assert_eq!(one, other, "only spelled otherwise");
    let [one, other] = ["submission_id=6f1c&nama=siti", "submission_id=6f1c&nama=Siti"]
        .map(|body| only_item(&form, &from_site(body)).id);
    assert_ne!(one, other, "a correction");
}

#[test]
fn the_same_kept_webhook_always_gives_the_same_lead() {
    let form = for_browsers();
    let webhook = from_site("nama=Siti");
    assert_eq!(items(&form, &webhook), items(&form, &webhook));
}

#[test]
fn the_same_submission_id_is_the_same_lead_and_another_content_an_update() {
    let form = for_browsers();
    let first = only_item(&form, &from_site("submission_id=6f1c&nama=Siti&anggaran=1"));
    let again = only_item(&form, &from_site("submission_id=6f1c&nama=Siti&anggaran=1"));
    let update = only_item(&form, &from_site("_submission_id=6f1c&nama=Siti&anggaran=2"));
    let other = only_item(&form, &from_site("submission_id=7a2d&nama=Siti&anggaran=1"));
    assert_eq!(first.external_ref.as_str(), "form:landing:6f1c");
    assert_eq!((&first.external_ref, first.id, first.same_within), (&again.external_ref, again.id, None));
    assert_eq!(first.external_ref, update.external_ref);
    assert_ne!(first.id, update.id);
    assert_ne!((&first.external_ref, first.id), (&other.external_ref, other.id));
}

#[test]
fn a_post_that_says_nothing_is_about_no_lead() {
    let form = for_browsers();
    for body in ["", "nama=&email=+", "_charset_=&nama="] {
        assert_eq!(items(&form, &from_site(body)), [], "{body}");
    }
}

#[test]
fn a_post_with_something_filled_in_and_no_answer_is_withheld_and_not_forgotten() {
    let form = for_browsers();
    for body in ["_charset_=utf-8", "submission_id=1&form_id=kontak", "csrf_token=abc", "_subject=Halo"] {
        assert_eq!(only_item(&form, &from_site(body)).hold, Hold::NoContact, "{body}");
    }
    let [one, other] = ["_subject=Halo", "_subject=Hai"].map(|body| only_item(&form, &from_site(body)).id);
    assert_ne!(one, other);
}

#[test]
fn what_only_looks_like_a_control_field_is_an_answer() {
    let form = for_browsers();
    let answers = |body: &'static str| {
        let item = only_item(&form, &from_site(body));
        assert_eq!(item.hold, Hold::No, "{body}");
        let Reading::Lead(submission) = reading(&form, &item) else { panic!("{body}") };
        submission.answers.into_iter().map(|answer| (answer.key, answer.value)).collect::<Vec<_>>()
    };
    let said = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        answers("nama=Siti&_replyto=siti%40example.com"),
        [said("nama", "Siti"), said("_replyto", "siti@example.com")]
    );
    assert_eq!(
        answers("csrf_token_name=Joko&altcha_phone=081200010002"),
        [said("csrf_token_name", "Joko"), said("altcha_phone", "081200010002")]
    );
}

#[test]
fn a_stored_item_has_the_page_and_the_fields_and_no_file() {
    let form = for_browsers();
    let body = "--b\r\nContent-Disposition: form-data; name=\"nama\"\r\n\r\nSiti\r\n\
                --b\r\nContent-Disposition: form-data; name=\"foto\"; filename=\"a.jpg\"\r\n\
                Content-Type: image/jpeg\r\n\r\nJPEGJPEG\r\n--b--\r\n";
    let headers = [
        ("content-type", "multipart/form-data; boundary=b"),
        ("origin", SITE),
        ("referer", "https://toko.example/promo?gclid=Cj0"),
    ];
    let item = only_item(&form, &post(&headers, body));
    assert_eq!(
        String::from_utf8(item.body.clone()).unwrap(),
        r#"{"page":"https://toko.example/promo?gclid=Cj0","fields":[["nama","Siti"],["foto",{"file":"a.jpg","type":"image/jpeg","bytes":8}]]}"#
    );
    let Reading::Lead(submission) = reading(&form, &item) else { panic!() };
    assert_eq!(submission.attribution, [Fact::new("page_url", "https://toko.example/promo?gclid=Cj0")]);
    assert_eq!(submission.source, Some(LeadSource::Website));
}

#[test]
fn a_verified_body_that_cannot_be_read_is_unreadable_and_quotes_nothing() {
    let form = for_browsers();
    let many = "rahasia-sangat-rahasia=pribadi&".repeat(10_000);
    for (content_type, body) in [
        (PLAIN, many.as_str()),
        ("application/json", r#"{"nama":"pribadi""#),
        ("multipart/form-data", "--b\r\n"),
        (
            "multipart/form-data; boundary=b",
            "--b\r\nContent-Disposition: form-data; name=\"rahasia-sangat-rahasia\"\r\n\r\npribadi",
        ),
    ] {
        let webhook = post(&[("content-type", content_type), ("origin", SITE)], body.to_owned());
        let error = form.split(&form.verify(&webhook, now()).unwrap()).unwrap_err();
        assert!(!error.0.contains("pribadi") && !error.0.contains("rahasia-sangat-rahasia"), "{error}");
    }
    assert_eq!(form.accepted(&from_site("nama=Siti")).status, 303);
}

#[test]
fn samples_of_a_browser_are_let_in_and_a_forgery_comes_from_another_site() {
    let form = for_browsers();
    let webhook = |kind| {
        let Sample { headers, body, .. } = form.sample(kind, 5, now());
        post(&headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), body)
    };
    let events: BTreeSet<_> =
        [SampleKind::Lead, SampleKind::Update].map(|kind| only_item(&form, &webhook(kind)).id).into();
    assert_eq!(events.len(), 2);
    assert_eq!(form.verify(&webhook(SampleKind::Tampered), now()), Err(Refusal::Origin));
    assert!(form.verify(&webhook(SampleKind::Stale), now()).is_ok());
}
