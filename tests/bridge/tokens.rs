//! Senders that prove themselves by the end of their URL: `/hooks/{source}/{token}`.

use std::sync::Arc;

use jiff::Timestamp;
use konektor_bridge::domain::event::{Item, Kept, SourceName};
use konektor_bridge::domain::rules::Rules;
use konektor_bridge::providers::{
    Configured, ItemBody, Place, Provider, Reading, Refusal, Registry, Reply, Sample, SampleKind, Scheme, Source,
    SourceState, Unreadable, Verified, Webhook,
};
use reqwest::Method;
use serde_json::json;

use crate::edge::{Edge, Setup, answered};

/// What stands in the path.
pub(crate) const TOKEN: &str = "tok-in-the-path-of-the-tests";

/// A sender that is let in by its scheme and has nothing to say.
#[derive(Debug)]
struct Gateway(Scheme);

impl Provider for Gateway {
    fn handshake(&self, _webhook: &Webhook) -> Option<Reply> {
        None
    }

    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Verified, Refusal> {
        let body = self.0.verify(webhook, now)?.body;
        let Webhook { source, received, request_id, .. } = webhook.clone();
        Ok(Verified::from_inbox(Kept { source, received, request_id, headers: Vec::new(), body }))
    }

    fn has_path_token(&self) -> bool {
        self.0.has_path_token()
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::json("{}")
    }

    fn split(&self, _webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        Ok(Vec::new())
    }

    fn read(&self, _item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        Err(Unreadable("it says nothing".into()))
    }

    fn sample(&self, _kind: SampleKind, _seed: u64, now: Timestamp) -> Sample {
        self.sign(Vec::new(), now)
    }

    fn sign(&self, body: Vec<u8>, now: Timestamp) -> Sample {
        self.0.sign(body, Vec::new(), now)
    }
}

/// A registry of one source, `gateway`.
pub(crate) fn gateway() -> Registry {
    let name = SourceName::parse("gateway").unwrap();
    let scheme: toml::Table = format!("kind = 'token'\nlocation = 'path'\nsecret = '{TOKEN}'").parse().unwrap();
    let scheme = Scheme::parse(scheme.into(), &Place::new(name.clone(), None)).unwrap();
    let source = Source { name: name.clone(), provider: Arc::new(Gateway(scheme)), rules: Rules::default() };
    Registry::new([(name, Configured { dialect: "gateway".into(), state: SourceState::On(source) })], [])
}

#[tokio::test]
async fn the_right_token_lets_in_and_any_other_is_no_proof() {
    let edge = Edge::with(Setup { registry: Some(gateway()), ..Setup::default() }).await;
    let sample = edge.sample("gateway", SampleKind::Lead);
    assert_eq!(answered(edge.post("gateway", &sample)).await, (200, json!({})));
    let post = |path: String| answered(edge.public(Method::POST, &path).body("{}"));
    assert_eq!(post(format!("/hooks/gateway/{TOKEN}/")).await.0, 200);
    for wrong in ["", "/", "/tok-of-nobody", "/tok-in-the-path-of-the-testsX"] {
        assert_eq!(post(format!("/hooks/gateway{wrong}")).await, (401, json!({ "error": "signature" })), "{wrong}");
    }
    assert_eq!(post(format!("/hooks/gateway/{TOKEN}/more")).await.0, 404);
    assert_eq!(post(format!("/hooks/nobody/{TOKEN}")).await.0, 404);
    assert_eq!(edge.store.kept().len(), 2);
    assert!(!edge.metrics().await.contains(TOKEN));
}

#[tokio::test]
async fn a_source_without_a_token_has_nothing_behind_its_name() {
    let edge = Edge::start().await;
    let sample = edge.sample("form", SampleKind::Lead);
    let wrong = Sample { path_token: Some("form".into()), ..sample.clone() };
    assert_eq!(answered(edge.post("form", &wrong)).await, (404, json!({ "error": "not_found" })));
    assert_eq!(edge.post("form", &sample).send().await.unwrap().status(), 200);
}
