//! Captchas of forms, with a scripted captcha service on this machine.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use reqwest::Response;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::edge::{Edge, Setup};

/// What the service does with a question.
enum Then {
    Answers(&'static str),
    Cuts,
}

/// A captcha service: answers in the order of its script, and then cuts every connection.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Service {
    async fn that(script: impl IntoIterator<Item = Then>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/siteverify", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heard, mut script) = (Arc::clone(&asked), script.into_iter().collect::<VecDeque<_>>());
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (mut request, mut chunk) = (String::new(), [0; 4096]);
                while !is_whole(&request) {
                    let read = stream.read(&mut chunk).await.unwrap();
                    assert!(read > 0, "the question was cut: {request}");
                    request.push_str(std::str::from_utf8(&chunk[..read]).unwrap());
                }
                heard.lock().unwrap().push(request.split_once("\r\n\r\n").unwrap().1.to_owned());
                if let Some(Then::Answers(body)) = script.pop_front() {
                    let head =
                        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
                    stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
                }
            }
        });
        Self { url, asked, task }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

const YES: &str = r#"{"success":true,"hostname":"toko.example","error-codes":[]}"#;
const NO: &str = r#"{"success":false,"error-codes":["invalid-input-response"]}"#;

async fn edge(service: &Service, more: &str) -> Edge {
    let file = format!(
        "[sources.form.settings]\ncaptcha_secret = 'captcha-secret-of-the-tests'\ncaptcha_url = '{}'\n{more}",
        service.url
    );
    Edge::with(Setup { file: &file, ..Setup::default() }).await
}

/// A browser on the site sends the form.
async fn sends(edge: &Edge, body: &str) -> Response {
    let request = edge.public(reqwest::Method::POST, "/hooks/form").header("origin", "https://toko.example");
    request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned()).send().await.unwrap()
}

const FORM: &str = "nama=Siti&no_hp=0812-0000-0001&cf-turnstile-response=token-1";

#[tokio::test]
async fn a_form_is_kept_when_a_person_solved_its_captcha_and_only_then() {
    let service = Service::that([Then::Answers(YES), Then::Answers(NO)]).await;
    let edge = edge(&service, "").await;
    assert_eq!(sends(&edge, FORM).await.status(), 200);
    let other = sends(&edge, &FORM.replace("Siti", "Budi")).await;
    assert_eq!(
        (other.status().as_u16(), other.headers()["access-control-allow-origin"].to_str().unwrap()),
        (422, "https://toko.example")
    );
    assert_eq!(other.json::<Value>().await.unwrap()["error"], "captcha");
    let without = sends(&edge, "nama=Siti&no_hp=0812-0000-0001").await;
    assert_eq!(without.status(), 422, "nothing to ask about");
    assert_eq!(edge.store.kept().len(), 1);
    let asked = service.asked();
    assert_eq!(asked.len(), 2);
    assert!(asked[0].starts_with("secret=captcha-secret-of-the-tests&response=token-1&idempotency_key="), "{asked:?}");
    let metrics = edge.metrics().await;
    assert!(metrics.contains(r#"konektor_bridge_captchas_total{source="form",verdict="person"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"konektor_bridge_refused_total{source="form",reason="captcha"} 2"#), "{metrics}");
}

#[tokio::test]
async fn the_same_form_again_is_answered_as_before_though_its_token_is_used_up() {
    let service = Service::that([Then::Answers(YES)]).await;
    let edge = edge(&service, "captcha_fail_open = false").await;
    for _ in 0..2 {
        assert_eq!(sends(&edge, FORM).await.status(), 200);
    }
    assert_eq!((service.asked().len(), edge.store.kept().len()), (1, 2), "which is one lead is decided by the store");
    // Another form with the same token is another question.
    assert_eq!(sends(&edge, &FORM.replace("Siti", "Budi")).await.status(), 503);
}

#[tokio::test]
async fn when_the_service_is_down_the_owner_decides() {
    let service = Service::that([Then::Cuts]).await;
    let open = edge(&service, "").await;
    assert_eq!(sends(&open, FORM).await.status(), 200);
    let kept = open.store.kept().pop().unwrap();
    let mark = |(name, value): &(String, String)| name == "bridge-captcha" && value == "unverified";
    assert!(kept.headers.iter().any(mark), "it is marked");
    let closed = edge(&service, "captcha_fail_open = false").await;
    let answer = sends(&closed, FORM).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"));
    assert!(closed.store.kept().is_empty());
}

#[tokio::test]
async fn a_sender_cannot_mark_its_form_and_a_back_end_that_signs_solves_nothing() {
    let service = Service::that([Then::Answers(YES)]).await;
    let edge = edge(&service, "").await;
    let request = edge.public(reqwest::Method::POST, "/hooks/form").header("origin", "https://toko.example");
    let request =
        request.header("content-type", "application/x-www-form-urlencoded").header("bridge-captcha", "unverified");
    assert_eq!(request.body(FORM).send().await.unwrap().status(), 200);
    assert!(edge.store.kept()[0].headers.iter().all(|(name, _)| name != "bridge-captcha"));
    let sample = edge.sample("form", konektor_bridge::providers::SampleKind::Lead);
    assert_eq!(edge.post("form", &sample).send().await.unwrap().status(), 200);
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn a_browser_that_fails_is_sent_to_the_page_for_that() {
    let service = Service::that([Then::Answers(NO), Then::Answers(NO)]).await;
    let edge = edge(&service, "redirect_error = 'https://toko.example/gagal'").await;
    let answer = sends(&edge, FORM).await;
    assert_eq!(
        (answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()),
        (303, "https://toko.example/gagal")
    );
    assert!(edge.store.kept().is_empty());
    assert!(edge.metrics().await.contains(r#"reason="captcha"} 1"#));
    let json = edge.public(reqwest::Method::POST, "/hooks/form").header("origin", "https://toko.example");
    let json = json.header("content-type", "application/json").body(r#"{"nama":"Siti","cf-turnstile-response":"t"}"#);
    assert_eq!(json.send().await.unwrap().status(), 422);
}

#[tokio::test]
async fn what_fell_into_the_trap_is_not_asked_about() {
    let service = Service::that([]).await;
    let edge = edge(&service, "").await;
    assert_eq!(sends(&edge, "nama=Bot&_gotcha=x").await.status(), 200);
    assert!(service.asked().is_empty());
}
