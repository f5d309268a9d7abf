//! The public listener: what is taken, what is refused, and what the sender hears.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use konektor_bridge::domain::event::{Item, SourceName};
use konektor_bridge::domain::rules::Rules;
use konektor_bridge::providers::{
    Cause, Configured, ItemBody, Provider, Reading, Refusal, Registry, Reply, Sample, SampleKind, Source, SourceState,
    Unreadable, Verified, Webhook,
};
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::json;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::edge::{EVERY_SOURCE, Edge, Setup, answered, header};
use crate::scripted_store::Mood;
use crate::tokens::{TOKEN, gateway};

const SOURCES: [&str; 5] = ["form", "meta", "whatsapp", "google", "standard"];

#[tokio::test]
async fn a_proven_webhook_is_kept_before_its_sender_hears_success() {
    let edge = Edge::start().await;
    for source in SOURCES {
        let sample = edge.sample(source, SampleKind::Lead);
        let answer = edge.post(source, &sample).send().await.unwrap();
        assert!(matches!(answer.status().as_u16(), 200 | 303), "{source}: {answer:?}");
        let kept = edge.store.kept().pop().expect("it is kept");
        assert_eq!(kept.source.as_str(), source);
        assert_eq!(Some(kept.request_id.clone()), header(&answer, "x-request-id"));
        assert_eq!(kept.received, Timestamp::from_second(crate::edge::START).unwrap());
    }
    assert_eq!(edge.store.kept().len(), SOURCES.len());
    let metrics = edge.metrics().await;
    assert!(metrics.contains(r#"konektor_bridge_accepted_total{source="meta"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_forgery_is_refused_without_a_word_on_what_was_wrong() {
    let edge = Edge::start().await;
    for source in SOURCES {
        let refused = match source {
            // As Google's documents have it, for the person who sends test data.
            "google" => json!({ "error": "signature", "message": "invalid google_key" }),
            _ => json!({ "error": "signature" }),
        };
        let forged = edge.sample(source, SampleKind::Tampered);
        assert_eq!(answered(edge.post(source, &forged)).await, (401, refused.clone()), "{source}");
        let unproven = Sample::new(json_only(), b"{}".to_vec());
        assert_eq!(answered(edge.post(source, &unproven)).await, (401, refused), "{source}");
    }
    assert!(edge.store.kept().is_empty());
    let metrics = edge.metrics().await;
    assert!(metrics.contains(r#"konektor_bridge_refused_total{source="meta",reason="wrong_proof"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"konektor_bridge_refused_total{source="meta",reason="no_proof"} 1"#), "{metrics}");
}

#[tokio::test]
async fn a_proof_over_the_escaped_body_is_taken_and_counted() {
    let edge = Edge::start().await;
    let escaped = r#"{"object":"page","entry":[],"x":"\u00e4"}"#;
    let signed = edge.provider("meta").sign(escaped.into(), Timestamp::UNIX_EPOCH);
    let rewritten = Sample { body: escaped.replace(r"\u00e4", "ä").into_bytes(), ..signed.clone() };
    for (sample, counted) in [(signed, false), (rewritten, true)] {
        assert_eq!(edge.post("meta", &sample).send().await.unwrap().status(), 200);
        let metrics = edge.metrics().await;
        let line = r#"konektor_bridge_sig_alt_match_total{source="meta",variant="escaped"} 1"#;
        assert_eq!(metrics.contains(line), counted, "{metrics}");
    }
}

fn json_only() -> Vec<(&'static str, String)> {
    vec![("content-type", "application/json".to_owned())]
}

#[tokio::test]
async fn a_proof_that_is_missing_doubled_or_garbled_is_refused() {
    let edge = Edge::start().await;
    for source in ["meta", "whatsapp", "standard", "form"] {
        let sample = edge.sample(source, SampleKind::Lead);
        let proofs = ["x-hub-signature-256", "webhook-signature", "x-bridge-signature"];
        let place = sample.headers.iter().position(|(name, _)| proofs.contains(&name.as_str())).expect("it is signed");
        let (name, value) = sample.headers[place].clone();
        let garbled = ["", "sha256=", "sha256=zz", "v1,", "t=1,v1=00", &value[..value.len() - 1], &format!("{value}0")];
        for wrong in garbled.into_iter().map(|wrong| vec![(name.clone(), wrong.to_owned())]).chain([
            Vec::new(),
            vec![(name.clone(), value.clone()); 2],
            vec![(name.clone(), value.clone()), (name.clone(), format!("{value}0"))],
        ]) {
            let mut headers = sample.headers.clone();
            headers.splice(place..=place, wrong.clone());
            let sample = Sample { headers, ..sample.clone() };
            assert_eq!(answered(edge.post(source, &sample)).await.0, 401, "{source} {wrong:?}");
        }
    }
    assert!(edge.store.kept().is_empty());
}

#[tokio::test]
async fn a_proof_that_is_no_text_beside_a_good_one_is_refused() {
    let edge = Edge::start().await;
    let sample = edge.sample("meta", SampleKind::Lead);
    let garbled = HeaderValue::from_bytes(b"sha256=\xff").unwrap();
    let request = edge.post("meta", &sample).header("x-hub-signature-256", garbled);
    assert_eq!(answered(request).await, (401, json!({ "error": "signature" })));
    assert!(edge.store.kept().is_empty());
}

#[tokio::test]
async fn what_is_proven_and_unreadable_is_kept_and_a_success() {
    let edge = Edge::start().await;
    let fields: String = (0..10_000).map(|n| format!("f{n}=1&")).collect();
    let deep = format!("{}{}", "[".repeat(30_000), "]".repeat(30_000));
    let bodies = [
        ("application/json", deep),
        ("application/json", "{".into()),
        ("application/json", String::new()),
        ("application/json", r#"{"a":"\ud800"}"#.into()),
        ("application/x-www-form-urlencoded", fields[..60_000].to_owned()),
        ("application/x-www-form-urlencoded", "%%%=%ff&&&==".into()),
        ("multipart/form-data", "no boundary".into()),
        ("multipart/form-data; boundary=x", "--x\r\nbroken".into()),
    ];
    for (count, (content_type, body)) in bodies.into_iter().enumerate() {
        let request = edge.public(Method::POST, "/hooks/form").header("origin", "https://toko.example");
        let (status, _) = answered(request.header("content-type", content_type).body(body.clone())).await;
        assert!(matches!(status, 200 | 303), "{status} {content_type} {}", &body[..body.len().min(40)]);
        assert_eq!(edge.store.kept().len(), count + 1);
    }
}

#[tokio::test]
async fn a_url_that_is_nobodys_is_404_and_a_slash_at_the_end_is_nothing() {
    let edge = Edge::start().await;
    for path in
        ["/", "/hooks", "/hooks/", "/hooks/unknown", "/hooks/Form", "/hooks/form/x", "/metrics", "/admin/v1/stats"]
    {
        for method in [Method::GET, Method::POST, Method::PUT] {
            let answer = answered(edge.public(method, path).body("x")).await;
            assert_eq!(answer, (404, json!({ "error": "not_found" })), "{path}");
        }
    }
    let sample = edge.sample("form", SampleKind::Lead);
    assert!(matches!(answered(edge.post("form/", &sample)).await.0, 200 | 303));
    let metrics = edge.metrics().await;
    assert!(!metrics.contains(r#"source="unknown""#), "a name that somebody made up is no label: {metrics}");
}

#[tokio::test]
async fn another_method_is_405_and_says_which_are_known() {
    let edge = Edge::start().await;
    for (source, allow) in [
        ("google", "POST"),
        ("standard", "POST"),
        ("konektor", "POST"),
        ("meta", "GET, POST"),
        ("whatsapp", "GET, POST"),
        ("form", "POST, OPTIONS"),
    ] {
        let known: Vec<_> = allow.split(", ").collect();
        for method in ["PUT", "DELETE", "PATCH", "HEAD", "GET", "OPTIONS", "POST"] {
            // A preflight says of which page it is.
            let request = edge
                .public(method.parse().unwrap(), &format!("/hooks/{source}"))
                .header("origin", "https://toko.example");
            let answer = request.send().await.unwrap();
            assert_eq!(answer.status() != 405, known.contains(&method), "{method} {source}");
            let said = header(&answer, "allow");
            assert_eq!(said.as_deref(), Some(allow).filter(|_| answer.status() == 405), "{method} {source}");
        }
    }
    let answer = edge.public(Method::POST, "/healthz").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "allow").as_deref()), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn a_challenge_is_answered_with_the_right_token_only() {
    let edge = Edge::start().await;
    let ask = |token| {
        let query = [("hub.mode", "subscribe"), ("hub.verify_token", token), ("hub.challenge", "1158201444")];
        edge.public(Method::GET, "/hooks/meta").query(&query)
    };
    let answer = ask("fake-verify-token").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(header(&answer, "x-content-type-options").as_deref(), Some("nosniff"));
    assert_eq!(answer.text().await.unwrap(), "1158201444");
    assert!(answered(ask("wrong")).await.0 >= 400);
}

#[tokio::test]
async fn a_browser_may_ask_before_it_sends() {
    let edge = Edge::start().await;
    let ask = |origin| {
        let request = edge.public(Method::OPTIONS, "/hooks/form").header("origin", origin);
        request.header("access-control-request-method", "POST").send()
    };
    let answer = ask("https://toko.example").await.unwrap();
    assert!(answer.status().is_success());
    assert_eq!(header(&answer, "access-control-allow-origin").as_deref(), Some("https://toko.example"));
    let refused = ask("https://forged.invalid").await.unwrap();
    assert_eq!((refused.status().as_u16(), header(&refused, "access-control-allow-origin")), (401, None));
}

#[tokio::test]
async fn a_page_may_read_why_its_form_is_not_taken_and_no_other_page_may() {
    let edge = Edge::start().await;
    let post = |origin: &str, kind: &str, body: Vec<u8>| {
        let request = edge.public(Method::POST, "/hooks/form").header("origin", origin).header("content-type", kind);
        request.body(body).send()
    };
    let allowed = |answer: &reqwest::Response| {
        (answer.status().as_u16(), header(answer, "access-control-allow-origin"), header(answer, "vary"))
    };
    let (shop, json) = ("https://toko.example", "application/json");
    let readable = |status| (status, Some(shop.to_owned()), Some("Origin".to_owned()));
    let large = post(shop, json, vec![b' '; 65 * 1024]).await.unwrap();
    assert_eq!(allowed(&large), readable(413));
    let odd = post(shop, "application/pdf", b"x".to_vec()).await.unwrap();
    assert_eq!(allowed(&odd), readable(415));
    edge.store.is(Mood::Full);
    let full = post(shop, json, b"{}".to_vec()).await.unwrap();
    assert_eq!(allowed(&full), readable(503));
    let forged = post("https://forged.invalid", json, vec![b' '; 65 * 1024]).await.unwrap();
    assert_eq!(allowed(&forged), (413, None, None));
    let elsewhere = edge.public(Method::POST, "/hooks/meta").header("origin", shop).body("x").send().await.unwrap();
    assert_eq!(allowed(&elsewhere), (401, None, None));
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_whether_its_length_is_announced_or_not() {
    let edge = Edge::start().await;
    let huge = vec![b'a'; 64 * 1024 + 1];
    let announced = edge.public(Method::POST, "/hooks/meta").body(huge.clone());
    assert_eq!(answered(announced).await, (413, json!({ "error": "too_large" })));
    // Far over: the answer must reach a client that is still sending.
    let far_over = edge.public(Method::POST, "/hooks/meta").body(vec![b'a'; 8 * 1024 * 1024]);
    assert_eq!(answered(far_over).await, (413, json!({ "error": "too_large" })));
    let chunks: Vec<std::io::Result<Vec<u8>>> = huge.chunks(9000).map(|chunk| Ok(chunk.to_vec())).collect();
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    let answer = answered(edge.public(Method::POST, "/hooks/meta").body(chunked)).await;
    assert_eq!(answer, (413, json!({ "error": "too_large" })));
    let just = vec![b'a'; 64 * 1024];
    assert_eq!(answered(edge.public(Method::POST, "/hooks/meta").body(just)).await.0, 401);
}

/// A form with a photo of so many bytes.
fn with_photo(bytes: usize) -> Vec<u8> {
    let head = "--b1\r\nContent-Disposition: form-data; name=\"nama\"\r\n\r\nSiti Aminah\r\n--b1\r\n\
        Content-Disposition: form-data; name=\"foto\"; filename=\"rumah.jpg\"\r\nContent-Type: image/jpeg\r\n\r\n";
    [head.as_bytes(), &vec![0xa5; bytes], b"\r\n--b1--\r\n"].concat()
}

const WITH_FILES: &str = "multipart/form-data; boundary=b1";

#[tokio::test]
async fn a_form_with_a_photo_may_be_ten_mebibytes_and_the_photo_is_not_kept() {
    let edge = Edge::start().await;
    let post = |body: Vec<u8>| {
        let request = edge.public(Method::POST, "/hooks/form").header("origin", "https://toko.example");
        request.header("content-type", WITH_FILES).header("accept", "application/json").body(body)
    };
    let around = with_photo(0).len();
    let most = 10 * 1024 * 1024 - around;
    assert_eq!(answered(post(with_photo(most))).await.0, 200);
    let kept = edge.store.kept().pop().unwrap();
    assert!(kept.body.len() < 500, "{} bytes are kept", kept.body.len());
    let items = edge.provider("form").split(&Verified::from_inbox(kept)).unwrap();
    let said = String::from_utf8(items[0].body.clone()).unwrap();
    assert!(said.contains("Siti Aminah") && said.contains(&format!(r#""bytes":{most}"#)), "{said}");
    assert_eq!(answered(post(with_photo(most + 1))).await, (413, json!({ "error": "too_large" })));
    // What is no file is as large as in any other webhook.
    let text =
        format!("--b1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n{}\r\n--b1--\r\n", "a".repeat(64 * 1024));
    assert_eq!(answered(post(text.into_bytes())).await.0, 413);
    assert_eq!(edge.store.kept().len(), 1);
}

#[tokio::test]
async fn files_that_are_signed_are_held_until_that_is_proved_and_no_longer() {
    let edge = Edge::start().await;
    let mut sample =
        edge.provider("form").sign(with_photo(5_000_000), Timestamp::from_second(crate::edge::START).unwrap());
    sample.headers.retain(|(name, _)| name != "content-type");
    sample.headers.push(("content-type".into(), WITH_FILES.into()));
    assert_eq!(answered(edge.post("form", &sample)).await.0, 200);
    assert!(edge.store.kept()[0].body.len() < 500);
    *sample.body.last_mut().unwrap() = b' ';
    assert_eq!(answered(edge.post("form", &sample)).await.0, 401);
    assert_eq!(edge.store.kept().len(), 1);
}

#[tokio::test]
async fn what_is_compressed_or_of_a_type_that_the_sender_never_sends_is_415() {
    let edge = Edge::start().await;
    let sample = edge.sample("meta", SampleKind::Lead);
    for encoding in ["br", "deflate", "identity, gzip", "gzip, gzip"] {
        let answer = edge.post("meta", &sample).header("content-encoding", encoding).send().await.unwrap();
        assert_eq!(answer.status(), 415, "{encoding}");
        assert_eq!(header(&answer, "accept-encoding").as_deref(), Some("gzip, identity"));
    }
    assert_eq!(edge.post("meta", &sample).header("content-encoding", "identity").send().await.unwrap().status(), 200);
    let form = edge.public(Method::POST, "/hooks/form").header("origin", "https://toko.example");
    let answer = answered(form.header("content-type", "image/png").body("x")).await;
    assert_eq!(answer, (415, json!({ "error": "content_type" })));
}

/// `body` by gzip.
fn packed(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn what_comes_by_gzip_is_proved_as_it_came_and_kept_as_it_is() {
    let edge = Edge::start().await;
    let body = r#"{"nama":"Siti","no_hp":"0812-0000-0001"}"#;
    let at = Timestamp::from_second(crate::edge::START).unwrap();
    let gzip = |mut sample: Sample| {
        sample.headers.retain(|(name, _)| name != "content-type");
        sample.headers.push(("content-encoding".into(), "gzip".into()));
        sample.headers.push(("content-type".into(), "application/json".into()));
        sample
    };
    let signed = gzip(edge.provider("form").sign(packed(body.as_bytes()), at));
    assert_eq!(edge.post("form", &signed).send().await.unwrap().status(), 200);
    assert_eq!(edge.store.kept().pop().unwrap().body, body);
    // Signed before it was compressed.
    let before = edge.provider("form").sign(body.into(), at);
    let before = gzip(Sample { body: packed(body.as_bytes()), ..before });
    assert_eq!(answered(edge.post("form", &before)).await.0, 401);
    let notice = br#"{"object":"page","entry":[]}"#;
    let meta = gzip(edge.provider("meta").sign(packed(notice), at));
    assert_eq!(edge.post("meta", &meta).send().await.unwrap().status(), 200);
    // Unpacked on its way, by somebody who left the header.
    let unpacked = gzip(edge.provider("form").sign(body.into(), at));
    assert_eq!(edge.post("form", &unpacked).send().await.unwrap().status(), 200);
    assert_eq!(edge.store.kept().pop().unwrap().body, body);
}

#[tokio::test]
async fn a_small_body_that_unpacks_to_more_than_the_limit_is_413_and_what_proves_nothing_401() {
    let edge = Edge::start().await;
    let bomb = packed(&vec![b' '; 8 << 20]);
    assert!(bomb.len() < 10_000);
    let post = |body: Vec<u8>| edge.public(Method::POST, "/hooks/meta").header("content-encoding", "gzip").body(body);
    assert_eq!(answered(post(bomb)).await, (413, json!({ "error": "too_large" })));
    for unproved in [&b"{}"[..], &packed(b"{}")[..12]] {
        assert_eq!(answered(post(unproved.to_vec())).await, (401, json!({ "error": "signature" })));
    }
    assert!(edge.store.kept().is_empty());
}

/// Sends raw bytes and gives back what comes until the other side closes.
async fn raw(edge: &Edge, bytes: &'static [u8]) -> String {
    let address = edge.public.address();
    let exchange = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_408() {
    let mut setup = Setup::default();
    setup.limits.body_within = Duration::from_millis(50);
    let edge = Edge::with(setup).await;
    let answer = raw(&edge, b"POST /hooks/meta HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345").await;
    assert!(answer.starts_with("HTTP/1.1 408 ") && answer.ends_with(r#"{"error":"timeout"}"#), "{answer}");
}

#[tokio::test]
async fn what_is_not_http_is_answered_400_and_the_bridge_goes_on() {
    let edge = Edge::start().await;
    for junk in [
        "\0\x01\x02\r\n\r\n",
        "POST /hooks/meta HTTP/1.1\r\nhost: x\r\ncontent-length: many\r\n\r\n",
        "POST /hooks/meta HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        assert!(raw(&edge, junk.as_bytes()).await.starts_with("HTTP/1.1 400 "), "{junk:?}");
    }
    assert_eq!(answered(edge.public(Method::GET, "/healthz")).await, (200, json!({ "status": "ok" })));
}

#[tokio::test]
async fn a_store_that_does_not_keep_makes_senders_come_again_later() {
    let mut setup = Setup::default();
    setup.limits.keep_within = Duration::from_millis(50);
    let edge = Edge::with(setup).await;
    let sample = edge.sample("meta", SampleKind::Lead);
    for (mood, reason) in [
        (Mood::Full, "store_full"),
        (Mood::Closed, "store_closed"),
        (Mood::Fails, "store_failed"),
        (Mood::Hangs, "store_late"),
    ] {
        edge.store.is(mood);
        let answer = edge.post("meta", &sample).send().await.unwrap();
        assert_eq!(answer.status(), 503, "{mood:?}");
        let after: u32 = header(&answer, "retry-after").unwrap().parse().unwrap();
        assert!((15..=60).contains(&after), "{after}");
        assert_eq!(answer.text().await.unwrap(), r#"{"error":"unavailable"}"#);
        edge.store.is(Mood::Keeps);
        let counted = format!(r#"konektor_bridge_refused_total{{source="meta",reason="{reason}"}} 1"#);
        assert!(edge.metrics().await.contains(&counted), "{counted}");
    }
    assert_eq!(edge.post("meta", &sample).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn more_than_there_is_room_for_is_not_received() {
    let mut setup = Setup::default();
    setup.limits.bodies = 1000;
    let edge = Edge::with(setup).await;
    let answer = answered(edge.public(Method::POST, "/hooks/meta").body(vec![b'a'; 1001])).await;
    assert_eq!(answer, (503, json!({ "error": "unavailable" })));
    assert_eq!(answered(edge.public(Method::POST, "/hooks/meta").body(vec![b'a'; 1000])).await.0, 401);
}

#[tokio::test]
async fn a_source_that_was_once_on_drops_with_success_and_one_that_never_was_is_404() {
    let edge = Edge::with(Setup { variables: &EVERY_SOURCE[..2], ..Setup::default() }).await;
    assert_eq!(answered(edge.public(Method::POST, "/hooks/meta").body("x")).await.0, 404);

    let name = SourceName::parse("meta").unwrap();
    let registry = Registry::new([], [name]);
    let edge = Edge::with(Setup { registry: Some(registry), ..Setup::default() }).await;
    assert_eq!(answered(edge.public(Method::POST, "/hooks/meta").body("x")).await, (200, json!({})));
    assert!(edge.store.kept().is_empty());
    let counted = r#"konektor_bridge_refused_total{source="meta",reason="source_off"} 1"#;
    assert!(edge.metrics().await.contains(counted));
}

#[tokio::test]
async fn a_source_that_was_once_on_and_lacks_its_secret_has_its_senders_keep_their_webhooks() {
    let name = SourceName::parse("meta").unwrap();
    let state = SourceState::Off {
        cause: Cause::Want,
        why: "META_APP_SECRET is not set".into(),
        missing: Vec::new(),
        begun: true,
    };
    let configured = Configured { dialect: "meta_leads".into(), state };
    let registry = Registry::new([(name.clone(), configured.clone())], [name.clone()]);
    let edge = Edge::with(Setup { registry: Some(registry), ..Setup::default() }).await;
    for method in [Method::POST, Method::GET] {
        let answer = edge.public(method, "/hooks/meta").send().await.unwrap();
        assert_eq!(answer.status(), 503);
        assert!(header(&answer, "retry-after").is_some());
    }
    assert!(edge.store.kept().is_empty());
    let counted = r#"konektor_bridge_refused_total{source="meta",reason="source_wanting"} 2"#;
    assert!(edge.metrics().await.contains(counted));

    let registry = Registry::new([(name, configured)], []);
    let edge = Edge::with(Setup { registry: Some(registry), ..Setup::default() }).await;
    assert_eq!(answered(edge.public(Method::POST, "/hooks/meta").body("x")).await.0, 404, "it never was on");
}

/// A dialect with a defect.
#[derive(Debug)]
struct Defect;

impl Provider for Defect {
    fn handshake(&self, _webhook: &Webhook) -> Option<Reply> {
        None
    }

    fn verify(&self, _webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        panic!("a defect")
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        unreachable!("nothing is accepted")
    }

    fn split(&self, _webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        unreachable!("nothing is accepted")
    }

    fn read(&self, _item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        unreachable!("nothing is accepted")
    }

    fn sample(&self, _kind: SampleKind, _seed: u64, _now: Timestamp) -> Sample {
        unreachable!("nothing is sent")
    }

    fn sign(&self, _body: Vec<u8>, _now: Timestamp) -> Sample {
        unreachable!("nothing is sent")
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_not_an_end() {
    let name = SourceName::parse("defect").unwrap();
    let source = Source { name: name.clone(), provider: Arc::new(Defect), rules: Rules::default() };
    let configured = Configured { dialect: "defect".into(), state: SourceState::On(source) };
    let mut setup = Setup { registry: Some(Registry::new([(name, configured)], [])), ..Setup::default() };
    setup.limits.serving.workers = 1;
    let edge = Edge::with(setup).await;
    for _ in 0..3 {
        let answer = answered(edge.public(Method::POST, "/hooks/defect").body("x")).await;
        assert_eq!(answer, (500, json!({ "error": "internal" })));
    }
    assert_eq!(answered(edge.public(Method::GET, "/healthz")).await.0, 200);
}

#[tokio::test]
async fn stopping_ends_what_is_under_way_and_takes_nothing_more() {
    let edge = Edge::start().await;
    let address = edge.public.address();
    assert_eq!(answered(edge.public(Method::GET, "/healthz")).await.0, 200);
    edge.public.stop().await.unwrap();
    assert!(TcpStream::connect(address).is_err());
}

#[tokio::test]
async fn while_it_is_stopped_who_has_a_connection_hears_to_come_again() {
    let edge = Edge::start().await;
    let sample = edge.sample("meta", SampleKind::Lead);
    assert_eq!(edge.post("meta", &sample).send().await.unwrap().status(), 200);
    edge.stopping.cancel();
    let answer = edge.post("meta", &sample).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "connection").as_deref()), (503, Some("close")));
    let after: u32 = header(&answer, "retry-after").unwrap().parse().unwrap();
    assert!((15..=60).contains(&after), "{after}");
    assert_eq!(answer.text().await.unwrap(), r#"{"error":"unavailable"}"#);
    assert_eq!(edge.store.kept().len(), 1);
    assert_eq!(answered(edge.public(Method::GET, "/healthz")).await.0, 200);
    let counted = r#"konektor_bridge_refused_total{source="meta",reason="stopping"} 1"#;
    assert!(edge.metrics().await.contains(counted));
}

/// Collects log lines of all threads.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// One of this process: each test has its own.
    pub(crate) fn of_this_process() -> Self {
        Self::of_what_passes("konektor_bridge=trace")
    }

    /// The same of the lines that pass `filter`.
    pub(crate) fn of_what_passes(filter: &str) -> Self {
        let log = Self::default();
        let writer = log.clone();
        let lines = tracing_subscriber::fmt::layer().with_writer(move || writer.clone()).with_ansi(false);
        tracing_subscriber::registry().with(filter.parse::<Targets>().unwrap()).with(lines).init();
        log
    }

    /// What was said so far.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_people_send_is_in_no_log_line_and_the_request_id_is() {
    let log = Log::of_this_process();
    let edge = Edge::start().await;
    let mut ids = Vec::new();
    for mood in [Mood::Keeps, Mood::Full] {
        edge.store.is(mood);
        for kind in [SampleKind::Lead, SampleKind::Tampered] {
            let mut sample = edge.sample("form", kind);
            sample.headers.push(("x-request-id".into(), "c0ffee-7".into()));
            sample.headers.push(("x-secret-header".into(), "in-a-header".into()));
            sample.query = "token=in-the-query".into();
            ids.push(header(&edge.post("form", &sample).send().await.unwrap(), "x-request-id").unwrap());
        }
    }
    let gateway = Edge::with(Setup { registry: Some(gateway()), ..Setup::default() }).await;
    for (path, status) in [("gateway", 200), ("form", 404), ("gateway/more", 404)] {
        let request = gateway.public(Method::POST, &format!("/hooks/{path}/{TOKEN}")).body("{}");
        assert_eq!(request.send().await.unwrap().status(), status);
    }
    let text = log.text();
    assert!(ids.iter().all(|id| text.contains(id)) && text.contains("c0ffee-7"), "{text}");
    let body = String::from_utf8(edge.sample("form", SampleKind::Lead).body).unwrap();
    let said: Vec<_> = form_urlencoded::parse(body.as_bytes()).map(|(_, value)| value.into_owned()).collect();
    let personal = said.iter().map(String::as_str).filter(|value| value.len() > 4 && *value != "google");
    for secret in personal.chain(["in-a-header", "in-the-query", TOKEN, "fake-form-secret", "v1="]) {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[tokio::test]
async fn a_refusal_is_told_with_what_tells_it_from_others_and_nothing_secret() {
    let log = Log::of_this_process();
    let more = [
        ("BRIDGE_PUBLIC_URL", "https://leads.example.com"),
        ("TWILIO_SECRET", "fake-twilio-auth-token-0123456789"),
        ("ELEMENTOR_TOKEN", "fake-elementor-token-0123456789"),
    ];
    let variables: Vec<_> = EVERY_SOURCE.iter().chain(&more).copied().collect();
    let edge = Edge::with(Setup { variables: &variables, ..Setup::default() }).await;
    let refused = async |path: &str, headers: &[(&str, &str)]| {
        let request = edge.public(Method::POST, &format!("/hooks/{path}")).body("phone=081200001234");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 401, "{path}");
        let id = header(&answer, "x-request-id").unwrap();
        let text = log.text();
        let line = text.lines().find(|line| line.contains(&id) && line.contains("webhook refused"));
        line.unwrap_or_else(|| panic!("nothing is said of {path}\n{text}")).to_owned()
    };
    let signature = format!("sha256=0a1b2c3d{}", "00".repeat(28));
    let line = refused("meta", &[("x-hub-signature-256", &signature), ("x-private", "geheim")]).await;
    for told in
        ["INFO", "wrong_proof", "bytes=18", "sha256=", "x-hub-signature-256", "x-private", r#"signature="0a1b2c3d""#]
    {
        assert!(line.contains(told), "{told}: {line}");
    }
    assert!(!line.contains("0a1b2c3d00") && !line.contains("geheim") && !line.contains(" url="), "{line}");
    let line = refused("twilio?key=geheim", &[("x-twilio-signature", "ChssPQAAAAAAAAAAAAAAAAAAAAA=")]).await;
    for told in ["WARN", r#"url="https://leads.example.com/hooks/twilio?key=***""#, r#"signature="0a1b2c3d""#] {
        assert!(line.contains(told), "{told}: {line}");
    }
    // Neither tries again: their leads are lost.
    assert!(refused("elementor/fake-elementor-token-0123456788", &[]).await.contains("WARN"));
    let google = edge.public(Method::POST, "/hooks/google").body(r#"{"google_key":"fake-google-key-0124"}"#);
    assert_eq!(answered(google).await.0, 401);
    let text = log.text();
    let warned = text.lines().any(|line| line.contains("WARN") && line.contains(r#"source="google""#));
    assert!(warned && text.contains("its lead is lost here"), "{text}");
    for secret in ["0812", "geheim", "fake-google-key", "fake-elementor"] {
        assert!(!text.contains(secret), "{secret} is in\n{text}");
    }
}

#[tokio::test]
async fn a_thousand_forgeries_are_ten_lines_and_a_number() {
    let log = Log::of_this_process();
    let edge = Edge::start().await;
    let forge = || edge.public(Method::POST, "/hooks/meta").body("{}").send();
    for _ in 0..200 {
        assert_eq!(forge().await.unwrap().status(), 401);
    }
    let lines = || log.text().lines().filter(|line| line.contains("webhook refused")).count();
    assert_eq!(lines(), 10);
    assert!(edge.metrics().await.contains(r#"konektor_bridge_refused_total{source="meta",reason="no_proof"} 200"#));
    edge.clock.advance(Duration::from_secs(60));
    forge().await.unwrap();
    assert_eq!(lines(), 11);
    assert!(log.text().contains("unsaid=190"), "{}", log.text());
}
