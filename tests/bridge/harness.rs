//! A whole bridge with a local Konektor behind it, whose clock stands still and whose deliveries are made by hand.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::app::bridge::{Bridge, Deliver, Start};
use konektor_bridge::app::sources::build_sources;
use konektor_bridge::clock::{Clock, ManualClock};
use konektor_bridge::config::{self, Config, Environment};
use konektor_bridge::deliver::Backfill;
use konektor_bridge::providers::{Sample, SampleKind, Source, SourceState};
use konektor_bridge::sandbox;
use konektor_bridge::store::{DayNote, EventPage, EventQuery, EventState, MemoryStore, Options, Store, StoreError};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Secrets of the sources, all made up.
const VARIABLES: &[(&str, &str)] = &[
    ("KONEKTOR_API_KEY", sandbox::DEFAULT_KEY),
    ("BRIDGE_LISTEN", "127.0.0.1:0"),
    ("BRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
    ("FORM_ALLOWED_ORIGINS", "https://shop.example.com"),
    ("FORM_SECRET", "form-secret-of-the-tests-0123456789"),
    ("META_APP_SECRET", "meta-app-secret-of-the-tests-0123456789"),
    ("META_VERIFY_TOKEN", "meta-verify-token-of-the-tests"),
    ("META_ACCESS_TOKEN", "meta-access-token-of-the-tests"),
    ("WHATSAPP_APP_SECRET", "whatsapp-app-secret-of-the-tests-012345"),
    ("WHATSAPP_VERIFY_TOKEN", "whatsapp-verify-token-of-the-tests"),
    ("GOOGLE_LEADS_KEY", "google-leads-key-of-the-tests"),
    ("TIKTOK_APP_SECRET", "tiktok-app-secret-of-the-tests-0123456789"),
    ("LINKEDIN_CLIENT_SECRET", "linkedin-client-secret-of-the-tests"),
    ("LINKEDIN_ACCESS_TOKEN", "linkedin-access-token-of-the-tests"),
    ("SNAPCHAT_SECRET", "snapchat-secret-of-the-tests-0123456789"),
    ("POSTHOG_WEBHOOK_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
    ("GENERIC_TOKEN", GENERIC_TOKEN),
    ("ZAPIER_TOKEN", "zapier-token-of-the-tests-0123456789"),
    ("KONEKTOR_WEBHOOK_SECRET", KONEKTOR_WEBHOOK_SECRET),
    ("STANDARD_WEBHOOKS_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
];

/// What a tool that passes leads on shows.
pub(crate) const GENERIC_TOKEN: &str = "generic-token-of-the-tests-0123456789";

/// What Konektor signs its own webhooks with.
pub(crate) const KONEKTOR_WEBHOOK_SECRET: &str = "konektor-secret-of-the-tests-0123456789";

/// The day on which all of it happens.
pub(crate) fn today() -> Timestamp {
    "2026-11-23T09:00:00Z".parse().unwrap()
}

/// A bridge under test.
pub(crate) struct TestBridge {
    pub(crate) clock: ManualClock,
    pub(crate) store: Arc<dyn Store>,
    bridge: Option<Bridge>,
    sandbox: Option<sandbox::Running>,
    sources: Vec<Source>,
    http: reqwest::Client,
}

/// Starts one in front of a sandbox as it comes.
pub(crate) async fn spawn_bridge() -> TestBridge {
    spawn_with(sandbox::Settings::default(), &[]).await
}

/// Starts one in front of a sandbox set up like this, with more variables.
pub(crate) async fn spawn_with(settings: sandbox::Settings, more: &[(&str, &str)]) -> TestBridge {
    spawn_on(Arc::new(MemoryStore::new(Options::default())), settings, more).await
}

/// Starts one on this store.
pub(crate) async fn spawn_on(store: Arc<dyn Store>, settings: sandbox::Settings, more: &[(&str, &str)]) -> TestBridge {
    let clock = ManualClock::at(today());
    let graph = sandbox::GraphSettings {
        app_secret: Some("meta-app-secret-of-the-tests-0123456789".into()),
        access_token: Some("meta-access-token-of-the-tests".into()),
    };
    let sandbox =
        sandbox::start(sandbox::Settings { clock: Arc::new(clock.clone()), graph, ..settings }).expect("it starts");
    let addresses = [
        ("KONEKTOR_BASE_URL", sandbox.url()),
        ("META_GRAPH_URL", sandbox.graph_url()),
        ("LINKEDIN_API_URL", sandbox.linkedin_url()),
    ];
    let variables = VARIABLES.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned()));
    let environment: Environment = variables.chain(addresses).collect();
    let config = config::load(&environment).expect("the settings are right");
    let sources = on(&config);
    let start = Start {
        config,
        environment,
        store: Arc::clone(&store),
        clock: Arc::new(clock.clone()),
        delivery: Deliver::ByHand,
    };
    let bridge = Bridge::start(start).await.expect("it starts");
    let http = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .redirect(reqwest::redirect::Policy::none())
        // A bridge that is stopped waits for those who have a connection.
        .pool_max_idle_per_host(0)
        .build()
        .unwrap();
    TestBridge { clock, store, bridge: Some(bridge), sandbox: Some(sandbox), sources, http }
}

fn on(config: &Config) -> Vec<Source> {
    let built = build_sources(&config.sources, config.settings.public_url.as_ref()).expect("the sources are right");
    built
        .into_iter()
        .filter_map(|(_, configured)| match configured.state {
            SourceState::On(source) => Some(source),
            SourceState::Off { .. } => None,
        })
        .collect()
}

impl TestBridge {
    fn bridge(&self) -> &Bridge {
        self.bridge.as_ref().expect("it runs until it is stopped")
    }

    fn sandbox(&self) -> &sandbox::Running {
        self.sandbox.as_ref().expect("it runs until it is stopped")
    }

    /// A webhook as the sender behind `source` would make it.
    pub(crate) fn sample(&self, source: &str, kind: SampleKind, seed: u64) -> Sample {
        let source = self.sources.iter().find(|one| one.name.as_str() == source).expect("a source that is on");
        source.provider.sample(kind, seed, self.clock.now())
    }

    /// `body` as the sender behind `source` would send it.
    pub(crate) fn signed(&self, source: &str, body: String) -> Sample {
        self.signed_bytes(source, body.into_bytes())
    }

    /// The same for a body that is no text.
    pub(crate) fn signed_bytes(&self, source: &str, body: Vec<u8>) -> Sample {
        let source = self.sources.iter().find(|one| one.name.as_str() == source).expect("a source that is on");
        source.provider.sign(body, self.clock.now())
    }

    /// Posts a webhook; gives the status.
    pub(crate) async fn post(&self, source: &str, sample: Sample) -> u16 {
        let query = if sample.query.is_empty() { String::new() } else { format!("?{}", sample.query) };
        let token = sample.path_token.as_ref().map(|token| format!("/{token}")).unwrap_or_default();
        let url = format!("http://{}/hooks/{source}{token}{query}", self.bridge().public_address());
        let mut request = self.http.post(url).body(sample.body);
        for (name, value) in sample.headers {
            request = request.header(name, value);
        }
        request.send().await.unwrap().status().as_u16()
    }

    /// Makes a webhook and posts it; it must be taken.
    pub(crate) async fn send(&self, source: &str, kind: SampleKind, seed: u64) {
        let status = self.post(source, self.sample(source, kind, seed)).await;
        assert!(matches!(status, 200 | 303), "{source} {kind}: {status}");
    }

    /// Sorts and delivers until nothing can be done now; gives when more can be.
    pub(crate) async fn deliver(&self) -> Option<Timestamp> {
        self.bridge().delivery().until_idle().await.expect("the store does its part")
    }

    /// Sorts and delivers until `stop`, many leads at a time.
    pub(crate) fn runs(&self, stop: CancellationToken) -> impl Future<Output = ()> + use<> {
        Arc::clone(self.bridge().delivery()).run(stop)
    }

    /// Sorts one batch of the inbox; gives how many webhooks that were.
    pub(crate) async fn sort(&self) -> usize {
        self.bridge().delivery().sort_batch().await.expect("the store does its part")
    }

    /// Moves the clock and delivers, until no lane is pending any more; gives up after a hundred moves.
    pub(crate) async fn deliver_all(&self) {
        for _ in 0..100 {
            let next = self.deliver().await;
            if self.count(EventState::Pending).await == 0 {
                return;
            }
            let due = next.expect("what is pending is due some time");
            self.clock.advance(due.duration_since(self.clock.now()).try_into().unwrap_or_default());
        }
        panic!("something is pending for ever");
    }

    /// How many events stand there.
    pub(crate) async fn count(&self, state: EventState) -> usize {
        self.events(state).await.events.len()
    }

    /// The events that stand there.
    pub(crate) async fn events(&self, state: EventState) -> EventPage {
        let query = EventQuery { state: Some(state), limit: 1000, ..EventQuery::default() };
        self.store.events(query).await.unwrap()
    }

    /// Every lead as the local Konektor has it, with its reference, oldest first.
    pub(crate) async fn leads(&self) -> Vec<Value> {
        let leads = self.konektor("GET", "leads?limit=1000", None).await;
        leads.as_array().expect("a list of leads").clone()
    }

    /// The only lead there is.
    pub(crate) async fn only_lead(&self) -> Value {
        let mut leads = self.leads().await;
        assert_eq!(leads.len(), 1, "one lead: {leads:#?}");
        leads.remove(0)
    }

    /// How many creates and updates were committed, and every call by status.
    pub(crate) async fn ledger(&self) -> sandbox::Ledger {
        serde_json::from_value(self.konektor("GET", "ledger", None).await).unwrap()
    }

    /// Committed creates.
    pub(crate) async fn creates(&self) -> usize {
        self.ledger().await.entries.iter().filter(|entry| entry.deed == sandbox::Deed::Create).count()
    }

    /// Switches faults on; what is not named is off.
    pub(crate) async fn faults(&self, faults: Value) {
        self.konektor("PUT", "faults", Some(faults)).await;
    }

    /// Says what the Graph API answers for a lead.
    pub(crate) async fn graph(&self, id: &str, then: Value) {
        self.konektor("PUT", &format!("graph/{id}"), Some(json!({ "then": then }))).await;
    }

    /// People have submitted these leads: they are on the list of the sender (`meta`, `linkedin`) from now on.
    pub(crate) async fn submitted(&self, sender: &str, ids: &[&str], form: Option<&str>, at: Timestamp) {
        let leads = json!({ "sender": sender, "ids": ids, "form": form, "at": at });
        self.konektor("POST", "submitted", Some(leads)).await;
    }

    /// What reads the senders' lists.
    pub(crate) fn backfill(&self) -> &Backfill {
        self.bridge().backfill()
    }

    /// A call to the sandbox's own side.
    pub(crate) async fn konektor(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/sandbox/{path}", self.sandbox().url().trim_end_matches('/'));
        self.call(method, &url, body).await
    }

    /// A call to the admin API.
    pub(crate) async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let address = self.bridge().admin_address().expect("the admin API is on");
        self.call(method, &format!("http://{address}/admin/v1/{path}"), body).await
    }

    /// The same where it may be refused: the status, `Retry-After`, and what is said.
    pub(crate) async fn ask_admin(&self, path: &str, body: &Value) -> (u16, Option<String>, Value) {
        let url = format!("{}/admin/v1/{path}", self.admin_url());
        let answer = self.http.post(url).json(body).send().await.unwrap();
        let after = answer.headers().get("retry-after").map(|after| after.to_str().unwrap().to_owned());
        (answer.status().as_u16(), after, answer.json().await.unwrap())
    }

    /// Where the admin API is.
    pub(crate) fn admin_url(&self) -> String {
        format!("http://{}", self.bridge().admin_address().expect("the admin API is on"))
    }

    /// The metrics as a scrape gets them.
    pub(crate) async fn metrics(&self) -> String {
        let address = self.bridge().admin_address().expect("the admin API is on");
        self.http.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap()
    }

    async fn call(&self, method: &str, url: &str, body: Option<Value>) -> Value {
        let mut request = self.http.request(method.parse().unwrap(), url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let text = answer.text().await.unwrap();
        assert!(status.is_success(), "{method} {url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// A call of the Agent API, as somebody else makes it.
    pub(crate) async fn agent(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/api/v2/agent/{path}", self.sandbox().url().trim_end_matches('/'));
        let mut request = self.http.request(method.parse().unwrap(), url).bearer_auth(sandbox::DEFAULT_KEY);
        if let Some(body) = body {
            request = request.json(&body);
        }
        request.send().await.unwrap().json().await.unwrap()
    }

    /// Claims hand out looks at the day from now on, as for a bridge that delivers by itself.
    pub(crate) async fn watch_day(&self) {
        self.store.note_day(DayNote::Watch, self.clock.now()).await.unwrap();
    }

    /// Moves the clock on and delivers what has become due.
    pub(crate) async fn after(&self, span: Duration) {
        self.clock.advance(span);
        self.deliver().await;
    }

    /// Stops both, and fails if a lane is still leased.
    pub(crate) async fn stop(mut self) {
        let leased = match self.store.stats(self.clock.now()).await {
            Ok(stats) => stats.leased,
            Err(StoreError::Closed) => 0, // by another bridge on it, which has looked
            Err(error) => panic!("{error}"),
        };
        self.bridge.take().expect("it was not stopped before").stop().await.expect("it stops cleanly");
        self.sandbox.take().expect("it was not stopped before").stop().await;
        assert_eq!(leased, 0, "a lane is still leased");
    }
}

impl Drop for TestBridge {
    fn drop(&mut self) {
        let forgotten = self.bridge.is_some() && !std::thread::panicking();
        assert!(!forgotten, "a test ends with `stop`, which looks for what was left undone");
    }
}
