//! Konektor's own webhooks: signed, told again until they are taken.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use hmac::{Hmac, KeyInit, Mac};
use konektor_bridge::sandbox::Subscriber;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::{START, TestSandbox, body, named};

const SECRET: &str = "konektor-secret-TEST";

/// A webhook as it came.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) event: String,
    pub(crate) signature: String,
    agent: String,
    pub(crate) body: String,
}

/// A subscriber that answers as told, 200 when nothing is left to tell.
pub(crate) struct Receiver {
    pub(crate) url: String,
    came: UnboundedReceiver<Came>,
    server: ServerHandle,
}

struct Desk {
    answers: Mutex<Vec<u16>>,
    came: UnboundedSender<Came>,
}

impl Receiver {
    /// The first answers, last one first.
    pub(crate) fn start(answers: Vec<u16>) -> Self {
        let (sender, came) = unbounded_channel();
        let desk = web::Data::new(Desk { answers: Mutex::new(answers), came: sender });
        let server = HttpServer::new(move || App::new().app_data(desk.clone()).default_service(web::to(take)))
            .workers(1)
            .disable_signals()
            .bind((Ipv4Addr::LOCALHOST, 0))
            .unwrap();
        let url = format!("http://{}/hook", server.addrs()[0]);
        let running = server.run();
        let server = running.handle();
        tokio::spawn(running);
        Self { url, came, server }
    }

    pub(crate) async fn next(&mut self) -> Came {
        timeout(Duration::from_secs(10), self.came.recv()).await.expect("a webhook comes").unwrap()
    }
}

async fn take(request: HttpRequest, body: String, desk: web::Data<Desk>) -> HttpResponse {
    let header = |name: &str| request.headers().get(name).unwrap().to_str().unwrap().to_owned();
    let (event, signature) = (header("x-konektor-event"), header("x-konektor-signature"));
    desk.came.send(Came { event, signature, agent: header("user-agent"), body }).unwrap();
    let status = desk.answers.lock().unwrap().pop().unwrap_or(200);
    HttpResponse::build(StatusCode::from_u16(status).unwrap()).finish()
}

fn told(url: &str) -> TestSandbox {
    TestSandbox::with(|settings| {
        settings.workspaces[0].subscriber = Some(Subscriber { url: url.to_owned(), secret: SECRET.into() });
        settings.webhook_patience = Duration::from_millis(1);
    })
}

/// Asks until `field` of the tally is `count`.
async fn until(sandbox: &TestSandbox, field: &str, count: u64) -> Value {
    let asked = async {
        loop {
            let tally = body(sandbox.bare(Method::GET, "/sandbox/webhooks").send().await.unwrap()).await;
            if tally[field] == count {
                return tally;
            }
        }
    };
    timeout(Duration::from_secs(10), asked).await.unwrap_or_else(|_| panic!("{field} becomes {count}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_and_an_update_are_told_with_a_signature() {
    let mut receiver = Receiver::start(vec![]);
    let sandbox = told(&receiver.url);
    let id = sandbox.created(json!({"firstName": "Budi", "externalRef": "form:1"})).await;
    let created = receiver.next().await;
    assert_eq!((&*created.event, &*created.agent), ("lead.created", "Konektor-Webhook/1.0"));
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(format!("{START}.{}", created.body).as_bytes());
    assert_eq!(created.signature, format!("t={START},v1={}", hex::encode(mac.finalize().into_bytes())));
    let event: Value = serde_json::from_str(&created.body).unwrap();
    assert_eq!((&event["lead"]["id"], &event["lead"]["externalRef"]), (&json!(id), &json!("form:1")));
    assert_eq!((&event["source"], event.as_object().unwrap().len()), (&json!("api"), 2));

    sandbox.update(&id, &json!({"status": "contacted", "firstName": "Budi", "notes": "x"})).await;
    let updated = receiver.next().await;
    assert_eq!(updated.event, "lead.updated");
    let mut event: Value = serde_json::from_str(&updated.body).unwrap();
    assert_eq!(event["lead"].take()["notes"], "x");
    let expected = json!({
        "lead": null, "leadId": id, "previousStatus": "new", "newStatus": "contacted", "changes": ["status", "notes"],
        "source": "api",
    });
    assert_eq!(event, expected);
    receiver.server.stop(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_changes_nothing_is_not_told() {
    let mut receiver = Receiver::start(vec![]);
    let sandbox = told(&receiver.url);
    let id = sandbox.created(named("A")).await;
    assert_eq!(receiver.next().await.event, "lead.created");
    sandbox.update(&id, &named("A")).await;
    sandbox.update(&id, &named("B")).await;
    let event: Value = serde_json::from_str(&receiver.next().await.body).unwrap();
    assert_eq!(event["changes"], json!(["firstName"]));
    assert_eq!(until(&sandbox, "delivered", 2).await["waiting"], 0);
    receiver.server.stop(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_is_not_taken_comes_again_and_is_given_up_in_the_end() {
    let mut receiver = Receiver::start(vec![500, 500, 500, 500, 302, 503, 500]);
    let sandbox = told(&receiver.url);
    sandbox.created(named("A")).await;
    let first = receiver.next().await;
    for _ in 0..2 {
        assert_eq!(receiver.next().await.body, first.body);
    }
    until(&sandbox, "givenUp", 1).await;
    sandbox.created(named("B")).await;
    let tally = until(&sandbox, "delivered", 1).await;
    let expected = json!({"waiting": 0, "delivered": 1, "failedAttempts": 7, "givenUp": 1, "dropped": 0});
    assert_eq!(tally, expected);
    receiver.server.stop(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_is_not_there_holds_up_nothing() {
    let receiver = Receiver::start(vec![]);
    let url = receiver.url.clone();
    receiver.server.stop(false).await;
    let sandbox = told(&url);
    sandbox.created(named("A")).await;
    assert_eq!(until(&sandbox, "givenUp", 1).await["failedAttempts"], 5);
}
