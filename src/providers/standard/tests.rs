//! What the Standard Webhooks dialect takes and refuses, and what it makes of it.

use proptest::prelude::*;

use super::*;
use crate::domain::event::SourceName;
use crate::domain::status::{AdPlatform, LeadSource};

const SECRET: &str = "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";

fn now() -> Timestamp {
    Timestamp::from_second(1_795_450_000).unwrap()
}

fn standard(settings: &str) -> Standard {
    Standard::of(Settings::read(toml::from_str(&format!("secret = '{SECRET}'\n{settings}")).unwrap()).unwrap())
}

fn post(headers: &[(&str, &str)], body: &str) -> Webhook {
    Webhook {
        source: SourceName::parse("crm").unwrap(),
        received: now(),
        request_id: "req-1".into(),
        method: Method::Post,
        path: String::new(),
        path_token: None,
        query: String::new(),
        headers: headers.iter().copied().collect(),
        body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        packed: None,
    }
}

/// What `verify` gave, had it been signed.
fn verified(id: &str, body: &str) -> Verified {
    Verified::new(&post(&[("webhook-id", id)], body), &["webhook-id"], bytes::Bytes::copy_from_slice(body.as_bytes()))
}

fn split(standard: &Standard, body: &str) -> Vec<Item> {
    standard.split(&verified("msg_1", body)).unwrap()
}

fn refs(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item.external_ref.as_str()).collect()
}

fn read(standard: &Standard, item: &Item) -> Submission {
    let source = SourceName::parse("crm").unwrap();
    let (external_ref, body) = (&item.external_ref, item.body.as_slice());
    let Ok(Reading::Lead(submission)) =
        standard.read(&ItemBody { source: &source, external_ref, received: now(), body, fetched: None })
    else {
        panic!("it reads")
    };
    *submission
}

fn said(submission: &Submission) -> Vec<(&str, &str, Option<Meaning>)> {
    submission.answers.iter().map(|answer| (answer.key.as_str(), answer.value.as_str(), answer.meaning)).collect()
}

fn sent(id: &str, time: &str, signature: &str, prefix: &str) -> Webhook {
    let names = ["id", "timestamp", "signature"].map(|name| format!("{prefix}-{name}"));
    post(&[(&names[0], id), (&names[1], time), (&names[2], signature)], r#"{"data":{"id":"ld_1"}}"#)
}

fn sign(webhook: &Webhook, id: &str, time: &str) -> String {
    let key: Vec<u8> = (32..64).collect();
    let digest = signature::hmac_sha256(&key, &[id.as_bytes(), b".", time.as_bytes(), b".", &webhook.body]);
    format!("v1,{}", STANDARD.encode(digest))
}

fn signed(id: &str, time: &str, prefix: &str) -> Webhook {
    let signature = sign(&sent(id, time, "", prefix), id, time);
    sent(id, time, &signature, prefix)
}

#[test]
fn either_set_of_header_names_is_taken_and_never_a_mixture() {
    let (both, own) = (standard(""), standard("svix_headers = false"));
    for (prefix, by_both, by_own) in [
        ("webhook", Ok(()), Ok(())),
        ("svix", Ok(()), Err(Refusal::NoProof)),
        ("x", Err(Refusal::NoProof), Err(Refusal::NoProof)),
    ] {
        let webhook = signed("msg_1", "1795450000", prefix);
        assert_eq!(both.verify(&webhook, now()).map(drop), by_both, "{prefix}");
        assert_eq!(own.verify(&webhook, now()).map(drop), by_own, "{prefix}");
    }
    let mut mixed = signed("msg_1", "1795450000", "svix");
    mixed.headers.push("webhook-id", "msg_2");
    assert_eq!(both.verify(&mixed, now()), Err(Refusal::NoProof));
    mixed.headers.extend(signed("msg_2", "1795450000", "webhook").headers.iter().skip(1));
    let items = both.split(&both.verify(&mixed, now()).unwrap()).unwrap();
    let alone = both.split(&both.verify(&signed("msg_2", "1795450000", "webhook"), now()).unwrap()).unwrap();
    assert_eq!(items[0].id, alone[0].id, "the id that was signed names the event");
}

#[test]
fn an_id_with_a_dot_is_refused_because_it_could_hold_the_time() {
    let webhook = signed("msg.1", "1795450000", "webhook");
    assert_eq!(standard("").verify(&webhook, now()), Err(Refusal::GarbledProof));
}

#[test]
fn a_doubled_header_is_garbled_and_a_missing_one_is_no_proof() {
    for name in HEADERS[0] {
        let mut webhook = signed("msg_1", "1795450000", "webhook");
        webhook.headers.push(name, "other");
        assert_eq!(standard("").verify(&webhook, now()), Err(Refusal::GarbledProof), "{name}");
        webhook.headers = webhook.headers.iter().filter(|(known, _)| *known != name).collect();
        assert_eq!(standard("").verify(&webhook, now()), Err(Refusal::NoProof), "{name}");
    }
}

#[test]
fn a_good_signature_behind_thousands_of_others_is_found() {
    let signed = signed("msg_1", "1795450000", "webhook");
    let good = signed.headers.values(HEADERS[0][2]).next().unwrap();
    let noise = format!("v1,{} ", STANDARD.encode([0; 32])).repeat(10_000);
    let webhook = sent("msg_1", "1795450000", &format!("{noise}{good}"), "webhook");
    assert!(standard("").verify(&webhook, now()).is_ok());
}

#[test]
fn the_usual_mistakes_of_senders_are_told_with_what_the_sender_has_to_do() {
    let hints = |secret: &str, given: &str| {
        let settings = toml::from_str(&format!("secret = '{secret}'")).unwrap();
        let webhook = sent("msg_1", "1795450000", given, "webhook");
        let scheme = Standard::of(Settings::read(settings).unwrap()).scheme().unwrap();
        scheme.examine(&webhook, now()).trials.remove(0).hints
    };
    let digest = |key: &[u8]| {
        let webhook = sent("msg_1", "1795450000", "", "webhook");
        signature::hmac_sha256(key, &[b"msg_1.1795450000.", &webhook.body])
    };
    for secret in [SECRET, SECRET.trim_end_matches('=')] {
        let told = hints(secret, &format!("v1,{}", STANDARD.encode(digest(secret.as_bytes()))));
        assert!(told.len() == 1 && told[0].contains("used as the text that it is, with whsec_"), "{told:?}");
        assert!(told[0].contains("its sender has to decode it"), "{told:?}");
    }
    let bare = hints(SECRET, &format!("v1,{}", STANDARD.encode(digest(&SECRET.as_bytes()[6..]))));
    assert!(
        bare.len() == 1 && bare[0].contains("used as the text that it is; its sender has to decode it"),
        "{bare:?}"
    );
    let right = digest(&(32..64).collect::<Vec<u8>>());
    let (hex, base64) = (hex::encode(right), STANDARD.encode(right));
    for (given, found) in [
        (format!("v1,{hex}"), "matches as hex; its sender has to write base64"),
        (format!("v1={hex}"), "matches as v1=<hex>; its sender has to write v1,<base64>"),
        (format!("v1={base64}"), "matches as v1=<base64>; its sender has to write v1,<base64>"),
    ] {
        assert_eq!(hints(SECRET, &given), [found]);
    }
}

#[test]
fn only_json_is_taken_and_only_by_post() {
    let standard = standard("");
    let with = |name: &str, value: &str| {
        let mut webhook = signed("msg_1", "1795450000", "webhook");
        webhook.headers.push(name, value);
        standard.verify(&webhook, now()).map(drop)
    };
    for good in ["application/json", "application/json; charset=utf-8", "application/cloudevents+json"] {
        assert_eq!(with("content-type", good), Ok(()), "{good}");
    }
    for bad in ["text/plain", "application/x-www-form-urlencoded", ""] {
        assert_eq!(with("content-type", bad), Err(Refusal::ContentType), "{bad}");
    }
    assert_eq!(with("content-encoding", "gzip"), Err(Refusal::ContentType));
    let get = Webhook { method: Method::Get, ..signed("msg_1", "1795450000", "webhook") };
    assert_eq!(standard.verify(&get, now()), Err(Refusal::Method));
}

#[test]
fn the_lead_is_named_by_its_own_id_else_by_the_webhooks() {
    let standard = standard("");
    for (body, expected) in [
        (r#"{"data":{"id":"ld_1"}}"#, "sw:crm:ld_1"),
        (r#"{"data":{"id":7099010101010101011}}"#, "sw:crm:7099010101010101011"),
        (r#"{"data":{"id":1.2e18}}"#, "sw:crm:msg_1"),
        (r#"{"data":{"id":" "}}"#, "sw:crm:msg_1"),
        (r#"{"id":"x","email":"a@example.com"}"#, "sw:crm:msg_1"),
    ] {
        assert_eq!(refs(&split(&standard, body)), [expected]);
    }
    let own = self::standard("id = 'lead.number'");
    assert_eq!(refs(&split(&own, r#"{"lead":{"number":12},"data":{"id":"no"}}"#)), ["sw:crm:12"]);
}

#[test]
fn a_retry_is_the_same_event_and_a_later_word_is_an_update() {
    let standard = standard("");
    let item = |id: &str| standard.split(&verified(id, r#"{"data":{"id":"ld_1"}}"#)).unwrap().remove(0);
    assert_eq!(item("msg_1").id, item("msg_1").id);
    assert_ne!(item("msg_1").id, item("msg_2").id);
    assert_eq!(item("msg_1").external_ref, item("msg_2").external_ref);
}

#[test]
fn types_that_are_not_wanted_give_no_item() {
    let standard = standard("types = ['lead.created', 'lead.updated']");
    assert_eq!(split(&standard, r#"{"type":"lead.created","data":{"id":"1"}}"#).len(), 1);
    for other in [r#"{"type":"lead.deleted","data":{"id":"1"}}"#, r#"{"data":{"id":"1"}}"#, r#"{"type":1}"#] {
        assert_eq!(split(&standard, other), []);
    }
}

#[test]
fn a_list_of_leads_is_split_and_what_stands_around_it_is_kept() {
    let standard = standard("items = 'data.leads'\n[fields]\n'data.leads[*].hp' = 'phone'");
    let body = r#"{"form":"Promo","data":{"leads":[{"id":"a","hp":"0812"},{"hp":"0813"}],"page":"x"}}"#;
    let items = split(&standard, body);
    assert_eq!(refs(&items), ["sw:crm:a", "sw:crm:msg_1:1"]);
    assert_ne!(items[0].id, items[1].id);
    assert_eq!(items[1].body, br#"{"form":"Promo","data":{"leads":[{"hp":"0813"}],"page":"x"}}"#);
    let submission = read(&standard, &items[1]);
    let expected = [("form", "Promo", None), ("hp", "0813", Some(Meaning::Phone)), ("data.page", "x", None)];
    assert_eq!(said(&submission), expected);
    assert_eq!(submission.sender_id, "msg_1:1");
}

#[test]
fn a_bare_list_and_a_list_as_data_are_lists_of_leads() {
    let standard = standard("");
    for body in [r#"[{"id":"a","email":"x"},{"id":"b"}]"#, r#"{"data":[{"id":"a","email":"x"},{"id":"b"}]}"#] {
        let items = split(&standard, body);
        assert_eq!(refs(&items), ["sw:crm:a", "sw:crm:b"]);
        assert_eq!(said(&read(&standard, &items[0])), [("email", "x", None)]);
    }
}

#[test]
fn without_a_map_everything_is_an_answer_and_the_envelope_is_known() {
    let body = r#"{"type":"lead.created","timestamp":"2026-11-23T16:06:40Z","data":{"id":"ld_1","email":"a@example.com",
        "tags":["a","b"],"address":{"city":"Bogor"}},"source_form":"Promo"}"#;
    let standard = standard("");
    let submission = read(&standard, &split(&standard, body)[0]);
    let expected = [
        ("email", "a@example.com", None),
        ("tags", "a, b", None),
        ("address.city", "Bogor", None),
        ("source_form", "Promo", None),
    ];
    assert_eq!(said(&submission), expected);
    assert_eq!(submission.facts, [Fact::new("Event", "lead.created")]);
    assert_eq!(submission.submitted_at, Some("2026-11-23T16:06:40Z".parse().unwrap()));
    assert_eq!(submission.sender_id, "ld_1");
}

#[test]
fn the_map_gives_meanings_and_what_it_promises_in_vain_stays_a_note() {
    let standard = standard(
        "[fields]\n'data.contact.nm' = 'full_name'\n'data.net' = 'adPlatform'\n'data.via' = 'source'\n\
         'data.at' = 'submitted_at'\n'data.nik' = 'drop'\n'data.val' = 'estimatedValue'",
    );
    let good = r#"{"timestamp":"2026-11-23T16:06:40Z","data":{"contact":{"nm":"Siti"},"net":"Meta","via":"ads",
        "at":"2026-01-02T03:04:05+07:00","nik":"3175","val":1500000}}"#;
    let submission = read(&standard, &split(&standard, good)[0]);
    let expected = [
        ("timestamp", "2026-11-23T16:06:40Z", Some(Meaning::Note)),
        ("contact.nm", "Siti", Some(Meaning::FullName)),
        ("val", "1500000", Some(Meaning::EstimatedValue)),
    ];
    assert_eq!(said(&submission), expected);
    assert_eq!((submission.ad_platform, submission.source), (Some(AdPlatform::Meta), Some(LeadSource::Ads)));
    assert_eq!(submission.submitted_at, Some("2026-01-01T20:04:05Z".parse().unwrap()));
    let vain = r#"{"data":{"net":"myspace","via":"pigeon","at":"yesterday"}}"#;
    let submission = read(&standard, &split(&standard, vain)[0]);
    let note = Some(Meaning::Note);
    assert_eq!(said(&submission), [("net", "myspace", note), ("via", "pigeon", note), ("at", "yesterday", note)]);
}

#[test]
fn what_is_no_object_and_what_is_too_much_is_unreadable() {
    let standard = standard("");
    let leads = format!("[{}]", vec!["{}"; MAX_ITEMS + 1].join(","));
    let around = format!(r#"{{"a":"{}","data":[{}]}}"#, "x".repeat(100_000), vec!["{}"; MAX_ITEMS].join(","));
    let deep = "[".repeat(100_000);
    for body in ["", "1", "null", "[]", "[1]", "[{},1]", "{", "{} {}", &leads, &around, &deep] {
        assert!(standard.split(&verified("msg_1", body)).is_err(), "{}", &body[..body.len().min(40)]);
    }
}

#[test]
fn samples_stand_where_the_map_looks() {
    let standard = standard(
        "id = 'body.ref'\ntypes = ['contact.new']\ntype_path = 'event.name'\n[fields]\n'body.who.full' = 'full_name'\n\
         'body.who.phones[*].number' = 'phone'",
    );
    let Sample { body, .. } = standard.sample(SampleKind::Lead, 9, now());
    let items = split(&standard, std::str::from_utf8(&body).unwrap());
    assert_eq!(refs(&items), ["sw:crm:lead-9"]);
    let submission = read(&standard, &items[0]);
    let meanings: Vec<_> = submission.answers.iter().filter_map(|answer| answer.meaning).collect();
    assert_eq!(meanings, [Meaning::FullName, Meaning::Phone]);
}

#[test]
fn settings_of_any_shape_have_samples() {
    for settings in
        ["type_path = '[*].kind'\nid = '[*].nr'", "id = 'data'\n[fields]\n'data[0]' = 'phone'", "items = 'type'"]
    {
        for kind in [SampleKind::Lead, SampleKind::Update, SampleKind::Batch] {
            standard(settings).sample(kind, 9, now());
        }
    }
}

#[test]
fn a_batch_of_samples_goes_where_the_list_is() {
    for settings in ["", "items = 'leads'", "items = 'a.b'\nid = 'a.b[*].nr'\n[fields]\n'a.b[*].hp' = 'phone'"] {
        let standard = standard(settings);
        let Sample { body, .. } = standard.sample(SampleKind::Batch, 9, now());
        let items = split(&standard, std::str::from_utf8(&body).unwrap());
        assert_eq!(items.len(), 3, "{settings}");
        assert_eq!(refs(&items)[0], "sw:crm:lead-9", "{settings}");
    }
}

proptest! {
    #[test]
    fn any_body_is_split_or_refused(body in r#"[\[\]{}",:0-9a-e.]{0,80}|\{"data":[\[{].{0,30}"#) {
        for settings in ["", "items = 'data.a'\ntypes = ['b']\n[fields]\n'data.a[*].b' = 'email'"] {
            let standard = standard(settings);
            for item in standard.split(&verified("msg_1", &body)).unwrap_or_default() {
                read(&standard, &item);
            }
        }
    }

    #[test]
    fn no_header_opens_the_door(id in ".{0,20}", time in "[0-9-]{0,20}|.{0,9}", given in "(v1,[a-zA-Z0-9+/=]{0,50} ?){0,3}") {
        prop_assert!(standard("").verify(&sent(&id, &time, &given, "webhook"), now()).is_err());
    }
}
