//! The sandbox over HTTP: what the Agent API promises, and the faults it plays.

mod analytics;
mod conformance;
mod faults;
mod filters;
mod graph;
mod leads;
mod limits;
mod lists;
mod manage;
pub(crate) mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::clock::ManualClock;
use konektor_bridge::sandbox::{self, DEFAULT_KEY, Faults, Ledger, Running, Settings};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::{Value, json};

/// 2026-11-23T16:06:40Z, which is 23:06:40 in Jakarta.
const START: i64 = 1_795_450_000;

/// A sandbox of the test's own, on a clock that only the test moves.
struct TestSandbox {
    running: Running,
    client: Client,
    clock: ManualClock,
}

impl TestSandbox {
    fn start() -> Self {
        Self::with(|_| ())
    }

    fn with(change: impl FnOnce(&mut Settings)) -> Self {
        let clock = ManualClock::at(Timestamp::from_second(START).unwrap());
        let mut settings = Settings { clock: Arc::new(clock.clone()), ..Settings::default() };
        change(&mut settings);
        let running = sandbox::start(settings).unwrap();
        let client = Client::builder().timeout(Duration::from_secs(10)).build().unwrap();
        Self { running, client, clock }
    }

    /// A call without a key.
    fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.running.url()))
    }

    /// A call of the Agent API with the default key.
    fn call(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, &format!("/api/v2/agent/{path}")).bearer_auth(DEFAULT_KEY)
    }

    async fn create(&self, lead: &Value) -> Response {
        self.call(Method::POST, "leads").json(lead).send().await.unwrap()
    }

    /// Creates a lead that is fine and gives its id.
    async fn created(&self, lead: Value) -> String {
        let answer = self.create(&lead).await;
        assert_eq!(answer.status(), 201, "{lead}");
        body(answer).await["data"]["id"].as_str().unwrap().to_owned()
    }

    async fn get(&self, id: &str) -> Response {
        self.call(Method::GET, &format!("leads/{id}")).send().await.unwrap()
    }

    async fn update(&self, id: &str, lead: &Value) -> Response {
        self.call(Method::PATCH, &format!("leads/{id}")).json(lead).send().await.unwrap()
    }

    async fn list(&self, query: &[(&str, &str)]) -> Value {
        body(self.call(Method::GET, "leads").query(query).send().await.unwrap()).await
    }

    /// The first names a list finds, in its order.
    async fn found(&self, query: &[(&str, &str)]) -> Vec<String> {
        names(&self.list(query).await)
    }

    async fn set(&self, faults: Value) {
        let answer = self.bare(Method::PUT, "/sandbox/faults").json(&faults).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{faults}");
    }

    async fn faults(&self) -> Faults {
        self.bare(Method::GET, "/sandbox/faults").send().await.unwrap().json().await.unwrap()
    }

    async fn ledger(&self) -> Ledger {
        self.bare(Method::GET, "/sandbox/ledger").send().await.unwrap().json().await.unwrap()
    }

    async fn delete(&self, id: &str) -> u16 {
        let path = format!("/sandbox/leads/{id}");
        self.bare(Method::DELETE, &path).send().await.unwrap().status().as_u16()
    }
}

#[tokio::test]
async fn a_sandbox_on_all_addresses_gives_a_url_that_opens() {
    let sandbox = TestSandbox::with(|settings| settings.listen = "0.0.0.0:0".parse().unwrap());
    assert!(sandbox.running.address().ip().is_unspecified());
    assert_eq!(sandbox.running.url(), format!("http://127.0.0.1:{}", sandbox.running.address().port()));
    assert!(sandbox.running.graph_url().starts_with(&sandbox.running.url()));
    assert_eq!(sandbox.bare(Method::GET, "/sandbox/ledger").send().await.unwrap().status(), 200);
}

async fn body(answer: Response) -> Value {
    answer.json().await.unwrap()
}

fn names(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|lead| lead["firstName"].as_str().unwrap().to_owned()).collect()
}

fn header(answer: &Response, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().unwrap().to_owned())
}

fn named(first_name: &str) -> Value {
    json!({"firstName": first_name})
}
