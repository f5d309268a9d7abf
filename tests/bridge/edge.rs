//! Both listeners of a bridge that delivers nothing, over a scripted store: for tests of what goes in and out by HTTP.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use konektor_bridge::app::captcha::CaptchaServices;
use konektor_bridge::app::reload::{Live, Reloader};
use konektor_bridge::clock::ManualClock;
use konektor_bridge::config::{self, Environment};
use konektor_bridge::http::Running;
use konektor_bridge::metrics::Metrics;
use konektor_bridge::ops::{self, Access, ReadList};
use konektor_bridge::outbound::Outbound;
use konektor_bridge::providers::{Listed, NotListed, Provider, Registry, Sample, SampleKind, Source, Span};
use konektor_bridge::receive::{self, Limits};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::scripted_store::ScriptedStore;

/// 2026-11-23T16:06:40Z.
pub(crate) const START: i64 = 1_795_450_000;

/// Settings with which every built-in source is on.
pub(crate) const EVERY_SOURCE: &[(&str, &str)] = &[
    ("FORM_SECRET", "fake-form-secret"),
    ("FORM_ALLOWED_ORIGINS", "https://toko.example"),
    ("META_APP_SECRET", "fake-meta-app-secret-0123456789"),
    ("META_VERIFY_TOKEN", "fake-verify-token"),
    ("META_ACCESS_TOKEN", "fake-access-token"),
    ("WHATSAPP_APP_SECRET", "fake-whatsapp-app-secret-012345"),
    ("WHATSAPP_VERIFY_TOKEN", "fake-verify-token"),
    ("GOOGLE_LEADS_KEY", "fake-google-key-0123"),
    ("KONEKTOR_WEBHOOK_SECRET", "fake-konektor-secret-0123456789"),
    ("STANDARD_WEBHOOKS_SECRET", "whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8="),
];

/// Both listeners, their store, their clock and their configuration.
pub(crate) struct Edge {
    pub(crate) store: Arc<ScriptedStore>,
    pub(crate) clock: ManualClock,
    pub(crate) registry: watch::Receiver<Arc<Registry>>,
    pub(crate) live: Live,
    pub(crate) reloader: Reloader,
    pub(crate) files: TempDir,
    pub(crate) stopping: CancellationToken,
    pub(crate) public: Running,
    pub(crate) private: Running,
    client: Client,
}

/// How an [`Edge`] differs from the usual one.
pub(crate) struct Setup<'a> {
    pub(crate) variables: &'a [(&'a str, &'a str)],
    /// The text of the sources' file.
    pub(crate) file: &'a str,
    pub(crate) limits: Limits,
    pub(crate) access: Access,
    /// Replaces the sources that the configuration makes.
    pub(crate) registry: Option<Registry>,
}

impl Default for Setup<'_> {
    fn default() -> Self {
        let mut limits = Limits::new(64 * 1024, Duration::from_secs(1));
        limits.serving.workers = 2;
        Self { variables: EVERY_SOURCE, file: "", limits, access: Access::Loopback, registry: None }
    }
}

/// Reads no list.
struct NoLists;

#[async_trait]
impl ReadList for NoLists {
    async fn page(&self, _: &Source, _: Span, _: Option<&str>) -> Result<Listed, NotListed> {
        Err(NotListed::Refused("no sender is asked here".into()))
    }
}

impl Edge {
    pub(crate) async fn start() -> Self {
        Self::with(Setup::default()).await
    }

    pub(crate) async fn with(setup: Setup<'_>) -> Self {
        let (store, metrics) = (Arc::new(ScriptedStore::new()), Arc::new(Metrics::new()));
        let clock = ManualClock::at(Timestamp::from_second(START).unwrap());
        let files = TempDir::new().unwrap();
        let path = files.path().join("bridge.toml");
        std::fs::write(&path, setup.file).unwrap();
        let variables = setup.variables.iter().copied().chain([("BRIDGE_CONFIG", path.to_str().unwrap())]);
        let environment = Environment::from_iter(variables);
        let config = config::load(&environment).unwrap();
        let started =
            Reloader::start(&config, environment, store.clone(), Arc::new(clock.clone()), metrics.clone()).await;
        let (reloader, live) = started.unwrap();
        let registry = match setup.registry {
            Some(registry) => watch::channel(Arc::new(registry)).1,
            None => live.registry.clone(),
        };
        let stopping = CancellationToken::new();
        let parts = receive::Parts {
            registry: registry.clone(),
            store: store.clone(),
            clock: Arc::new(clock.clone()),
            metrics: metrics.clone(),
            captchas: Arc::new(CaptchaServices::new(Outbound::default())),
            trusted_proxies: config.settings.trusted_proxies.clone(),
            stopping: stopping.clone(),
        };
        let public = receive::serve(port(), parts, setup.limits).unwrap();
        let parts = ops::Parts {
            registry: registry.clone(),
            store: store.clone(),
            clock: Arc::new(clock.clone()),
            metrics: metrics.clone(),
            lists: Arc::new(NoLists),
            outage: watch::channel(None).1,
            access: setup.access,
            public_url: config.settings.public_url.clone(),
            stopping: stopping.clone(),
        };
        let private = ops::serve(port(), parts, Duration::from_secs(1)).unwrap();
        let client = Client::builder().timeout(Duration::from_secs(20)).redirect(Policy::none()).build().unwrap();
        Self { store, clock, registry, live, reloader, files, stopping, public, private, client }
    }

    /// A request to the public side.
    pub(crate) fn public(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.public.address()))
    }

    /// A request to the private side.
    pub(crate) fn private(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.private.address()))
    }

    /// The provider of a source that is on.
    pub(crate) fn provider(&self, source: &str) -> Arc<dyn Provider> {
        let registry = self.registry.borrow();
        let found = registry.on().find(|on| on.name.as_str() == source);
        found.expect("the source is on").provider.clone()
    }

    /// A webhook as the sender of `source` would make it now.
    pub(crate) fn sample(&self, source: &str, kind: SampleKind) -> Sample {
        use konektor_bridge::clock::Clock;
        self.provider(source).sample(kind, 7, self.clock.now())
    }

    /// The request of a sample.
    pub(crate) fn post(&self, source: &str, sample: &Sample) -> RequestBuilder {
        let query = if sample.query.is_empty() { String::new() } else { format!("?{}", sample.query) };
        let token = sample.path_token.as_ref().map(|token| format!("/{token}")).unwrap_or_default();
        let request = self.public(Method::POST, &format!("/hooks/{source}{token}{query}")).body(sample.body.clone());
        sample.headers.iter().fold(request, |request, (name, value)| request.header(name, value))
    }

    /// Everything that is counted.
    pub(crate) async fn metrics(&self) -> String {
        self.private(Method::GET, "/metrics").send().await.unwrap().text().await.unwrap()
    }
}

/// A listener on a port of its own.
fn port() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// Status and JSON of an answer. Every answer has a request id.
pub(crate) async fn answered(request: RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    assert_eq!(header(&answer, "x-request-id").map(|id| id.len()), Some(36), "{answer:?}");
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(crate) fn header(answer: &Response, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().unwrap().to_owned())
}
