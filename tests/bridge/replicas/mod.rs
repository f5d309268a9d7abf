//! Several bridges on one Redis, as their owner runs them: processes that are killed, stopped and replaced, over HTTP.

mod away;
mod day;
mod failover;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::num::NonZeroU32;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use konektor_bridge::app::sources::build_sources;
use konektor_bridge::config::{self, Environment};
use konektor_bridge::providers::{SampleKind, Source, SourceState};
use konektor_bridge::sandbox::{self, DEFAULT_KEY};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cli::{command, run};
use crate::redis_servers::{Server, cluster};

/// The longest that anything is waited for: a lease is half a minute, and so is the time in which finding nothing proves
/// nothing after a failover.
const WITHIN: Duration = Duration::from_secs(90);

/// A local Konektor, a Redis, and what a bridge between them is told.
#[derive(Clone)]
struct Site {
    konektor: String,
    variables: Arc<Vec<(&'static str, String)>>,
    google: Source,
    http: reqwest::Client,
    _sandbox: Arc<sandbox::Running>,
}

/// A bridge that does not serve yet.
struct Beginning {
    child: Child,
    directory: TempDir,
}

/// One of the bridges.
struct Replica {
    child: Child,
    public: String,
    admin: String,
    directory: TempDir,
}

impl Site {
    fn on(redis: &str, durability: &str) -> Self {
        let mut settings = sandbox::Settings::default();
        // Senders send as fast as they are answered: on a quiet machine more than a workspace may have in a day by default.
        settings.workspaces[0].leads_per_day = 1_000_000;
        Self::before(settings, redis, durability)
    }

    /// The same before a Konektor that is set like this, but for its rate limit.
    fn before(mut settings: sandbox::Settings, redis: &str, durability: &str) -> Self {
        settings.workspaces[0].per_minute = NonZeroU32::new(60_000);
        let sandbox = sandbox::start(settings).expect("it starts");
        let konektor = sandbox.url();
        let variables = [
            ("KONEKTOR_API_KEY", DEFAULT_KEY),
            ("KONEKTOR_BASE_URL", &konektor),
            ("KONEKTOR_COMMIT_WITHIN", "10s"),
            ("BRIDGE_LISTEN", "127.0.0.1:0"),
            ("BRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
            ("GOOGLE_LEADS_KEY", "google-leads-key-of-the-tests"),
            ("REDIS_URL", redis),
            ("REDIS_DURABILITY", durability),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let config = config::load(&Environment::from_iter(variables.clone())).expect("the settings are right");
        let sources = build_sources(&config.sources, None).expect("the sources are right");
        let google = sources.into_iter().find_map(|(name, configured)| match configured.state {
            SourceState::On(source) if name.as_str() == "google" => Some(source),
            SourceState::On(_) | SourceState::Off { .. } => None,
        });
        let google = google.expect("its key is set");
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("there is TLS");
        Self { konektor, variables: Arc::new(variables.into()), google, http, _sandbox: Arc::new(sandbox) }
    }

    /// The same with the embedded store in `directory`.
    fn embedded(&self, directory: &str) -> Self {
        let variables = self.variables.iter().filter(|(name, _)| !name.starts_with("REDIS_")).cloned();
        let variables = variables.chain([("BRIDGE_DATA_DIR", directory.to_owned())]).collect();
        Self { variables: Arc::new(variables), ..self.clone() }
    }

    /// Starts one more bridge.
    fn replica(&self) -> Replica {
        self.begins().has_begun()
    }

    /// The same, without waiting for it.
    fn begins(&self) -> Beginning {
        let directory = TempDir::new().expect("there is room");
        let variables: Vec<_> = self.variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut starting = command(directory.path(), &variables, &["serve"]);
        let stderr = std::fs::File::create(directory.path().join("log")).expect("there is room");
        let child = starting.stdout(Stdio::piped()).stderr(stderr).spawn().expect("it can be run");
        Beginning { child, directory }
    }

    /// Sends the webhook of lead `seed`.
    async fn send(&self, public: &str, seed: u64) -> reqwest::Result<reqwest::Response> {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().expect("a time");
        let sample = self.google.provider.sample(SampleKind::Lead, seed, now);
        let mut request = self.http.post(format!("{public}/hooks/google?{}", sample.query)).body(sample.body);
        for (name, value) in sample.headers {
            request = request.header(name, value);
        }
        request.send().await
    }

    /// Sends it, and it must be taken.
    async fn sends(&self, public: &str, seed: u64) {
        let answer = self.send(public, seed).await.expect("it answers");
        assert_eq!(answer.status(), 200);
    }

    async fn ask(&self, method: &str, url: String, body: Option<Value>) -> (u16, Value) {
        let mut request = self.http.request(method.parse().expect("a method"), url);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.expect("it answers");
        (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
    }

    async fn konektor(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let (status, answer) = self.ask(method, format!("{}/sandbox/{path}", self.konektor), body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// Somebody else makes something at Konektor.
    async fn agent(&self, path: &str, body: Value) {
        let url = format!("{}/api/v2/agent/{path}", self.konektor);
        let made = self.http.post(url).bearer_auth(DEFAULT_KEY).json(&body).send().await.expect("it answers");
        assert_eq!(made.status(), 201);
    }

    /// The references of all leads that there are, one for each.
    async fn leads(&self) -> Vec<String> {
        let leads = self.konektor("GET", "leads", None).await;
        let leads = leads.as_array().or_else(|| leads["leads"].as_array()).expect("a list").clone();
        leads.iter().map(|lead| lead["externalRef"].as_str().expect("each has one").to_owned()).collect()
    }

    /// How many creates Konektor has committed.
    async fn creates(&self) -> usize {
        let ledger = self.konektor("GET", "ledger", None).await;
        let entries = ledger["entries"].as_array().expect("a list");
        entries.iter().filter(|entry| entry["deed"] == "create").count()
    }

    /// Waits until there are so many leads, and everything taken has been delivered; none is there twice.
    async fn has_leads(&self, count: usize, replica: &Replica) {
        self.until(async || self.leads().await.len() >= count, "all leads are there").await;
        self.until(async || self.waiting(replica).await == 0, "nothing waits").await;
        let leads = self.leads().await;
        let different: BTreeSet<_> = leads.iter().collect();
        assert_eq!((leads.len(), different.len(), self.creates().await), (count, count, count));
    }

    /// What is taken and not delivered.
    async fn waiting(&self, replica: &Replica) -> u64 {
        let stats = self.stats(replica).await;
        let count = |of: &Value| of.as_u64().unwrap_or_default();
        count(&stats["inbox"]) + count(&stats["events"]["pending"]) + count(&stats["leased"])
    }

    async fn stats(&self, replica: &Replica) -> Value {
        self.stats_if_any(replica).await.expect("the store answers")
    }

    /// The numbers of the store, if it answers.
    async fn stats_if_any(&self, replica: &Replica) -> Option<Value> {
        let (status, stats) = self.ask("GET", format!("{}/admin/v1/stats", replica.admin), None).await;
        (status == 200).then_some(stats)
    }

    async fn ready(&self, replica: &Replica) -> u16 {
        self.ask("GET", format!("{}/readyz", replica.admin), None).await.0
    }

    /// Asks until it is so; each question is a round trip.
    async fn until(&self, mut so: impl AsyncFnMut() -> bool, what: &str) {
        let limit = Instant::now() + WITHIN;
        while !so().await {
            assert!(Instant::now() < limit, "never: {what}");
        }
    }
}

impl Beginning {
    fn log(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// Waits until it serves.
    fn has_begun(mut self) -> Replica {
        let mut lines = BufReader::new(self.child.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
        let mut address = |before: &str| {
            let line = lines.next().unwrap_or_else(|| panic!("{}", self.log()));
            format!("http://{}", line.strip_prefix(before).unwrap_or_else(|| panic!("{line}")))
        };
        let (public, admin) = (address("webhooks on http://"), address("admin API on http://"));
        let Self { child, directory } = self;
        Replica { child, public, admin, directory }
    }
}

impl Replica {
    /// `kill -9`.
    fn dies(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Stops it as a service manager does.
    fn stops(mut self) {
        let told = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("it can be run");
        assert!(told.success());
        let code = self.child.wait().expect("it ends").code();
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        assert_eq!(code, Some(0), "{log}");
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        // It has ended already, unless the test failed or is done with it.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_webhooks_to_two_replicas_at_once_are_each_one_lead() {
    let redis = Server::start(&[]);
    let site = Site::on(&redis.url(), "fsync");
    let (one, other) = (site.replica(), site.replica());
    for seed in 0..20 {
        tokio::join!(site.sends(&one.public, seed), site.sends(&other.public, seed));
    }
    site.has_leads(20, &one).await;
    let calls = site.konektor("GET", "ledger", None).await;
    assert_eq!(calls["calls"]["rateLimited"], 0, "{calls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_at_one_replica_is_one_of_all_until_any_ends_it() {
    let redis = Server::start(&[]);
    let site = Site::on(&redis.url(), "fsync");
    let (one, other) = (site.replica(), site.replica());
    let (status, answer) = site.ask("POST", format!("{}/admin/v1/pause", one.admin), None).await;
    assert_eq!(status, 200, "{answer}");
    assert!(site.stats(&other).await["paused"].is_object());
    site.sends(&other.public, 1).await;
    site.until(async || site.stats(&one).await["events"]["pending"] == 1, "it is sorted").await;
    assert_eq!(site.creates().await, 0);
    site.ask("POST", format!("{}/admin/v1/resume", other.admin), None).await;
    site.has_leads(1, &one).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_are_replaced_one_by_one_while_webhooks_come_in() {
    let redis = Server::start(&[]);
    let site = Site::on(&redis.url(), "fsync");
    let (one, other) = (site.replica(), site.replica());
    let behind = Arc::new(Mutex::new(vec![one.public.clone(), other.public.clone()]));
    let stop = tokio_util::sync::CancellationToken::new();
    let sender = tokio::spawn(balanced(site.clone(), Arc::clone(&behind), stop.clone()));
    let replaced = |old: Replica| {
        let new = site.replica();
        let mut behind = behind.lock().unwrap();
        behind.retain(|public| *public != old.public);
        behind.push(new.public.clone());
        drop(behind);
        old.stops();
        new
    };
    let one = replaced(one);
    let other = replaced(other);
    stop.cancel();
    let taken = sender.await.expect("it ends");
    assert!(taken > 0);
    site.has_leads(taken, &one).await;
    other.stops();
}

/// Sends lead after lead, as a load balancer does: to the next one where one does not answer. Gives how many were taken.
async fn balanced(site: Site, behind: Arc<Mutex<Vec<String>>>, stop: tokio_util::sync::CancellationToken) -> usize {
    let (mut seed, limit) = (0, Instant::now() + WITHIN);
    while !stop.is_cancelled() {
        let places = behind.lock().unwrap().clone();
        let public = &places[usize::try_from(seed).unwrap_or_default() % places.len()];
        match site.send(public, seed).await {
            Ok(answer) if answer.status() == 200 => seed += 1,
            // It is being stopped: the sender comes again.
            Ok(_) | Err(_) => assert!(Instant::now() < limit, "lead {seed} is never taken"),
        }
    }
    usize::try_from(seed).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_replica_was_doing_is_taken_over_when_its_lease_ends() {
    let redis = Server::start(&[]);
    let site = Site::on(&redis.url(), "fsync");
    let doomed = site.replica();
    // The create is committed, and nobody is there any more to hear it.
    site.konektor("PUT", "faults", Some(json!({ "answer_latency": "9s" }))).await;
    site.sends(&doomed.public, 1).await;
    site.until(async || site.creates().await == 1, "the create is committed").await;
    doomed.dies();
    let killed = Instant::now();
    site.konektor("PUT", "faults", Some(json!({}))).await;
    let other = site.replica();
    assert_eq!(site.stats(&other).await["leased"], 1);
    site.has_leads(1, &other).await;
    assert!(killed.elapsed() < Duration::from_secs(45), "{:?}", killed.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cluster_does_as_well() {
    let nodes = cluster();
    let site = Site::on(&format!("redis+cluster://127.0.0.1:{}", nodes[2].port), "fsync");
    let (one, other) = (site.replica(), site.replica());
    for seed in 0..5 {
        tokio::join!(site.sends(&one.public, seed), site.sends(&other.public, seed));
    }
    site.has_leads(5, &other).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_redis_is_moved_into_the_embedded_store_and_delivered_from_there() {
    let redis = Server::start(&[]);
    let site = Site::on(&redis.url(), "fsync");
    let data = TempDir::new().expect("there is room");
    let url = redis.url();
    let directory = data.path().join("data").display().to_string();
    let variables = [("REDIS_URL", url.as_str()), ("BRIDGE_DATA_DIR", &directory)];
    let migrate = ["store", "migrate", "--from", "redis", "--to", "embedded"];
    let bridge = site.replica();
    site.ask("POST", format!("{}/admin/v1/pause", bridge.admin), None).await;
    for seed in 0..3 {
        site.sends(&bridge.public, seed).await;
    }
    site.until(async || site.stats(&bridge).await["events"]["pending"] == 3, "all are sorted").await;
    let said = run(&variables, &migrate).failed(1);
    assert!(said.contains("a bridge uses"), "{said}");
    bridge.stops();
    let moved = run(&variables, &migrate);
    assert!(moved.code == 0 && moved.out.contains("events pending") && moved.out.contains("is the same"), "{moved:?}");
    let again = run(&variables, &migrate);
    assert!(again.code == 0 && again.out.contains("moved before"), "{again:?}");
    let back = run(&variables, &["store", "migrate", "--from", "embedded", "--to", "redis"]).failed(1);
    assert!(back.contains("not empty"), "{back}");
    let given = run(&[("KONEKTOR_API_KEY", DEFAULT_KEY), ("REDIS_URL", &url)], &["serve"]);
    assert!(given.code == 1 && given.err.contains("moved to another one"), "{given:?}");
    let embedded = site.embedded(&directory);
    let bridge = embedded.replica();
    assert!(embedded.stats(&bridge).await["paused"].is_object(), "the pause has moved, too");
    embedded.ask("POST", format!("{}/admin/v1/resume", bridge.admin), None).await;
    embedded.sends(&bridge.public, 1).await;
    embedded.has_leads(3, &bridge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_only_starting_is_waited_for() {
    let mut redis = Server::start(&[]);
    let site = Site::on(&redis.url(), "fsync");
    redis.dies();
    let beginning = site.begins();
    site.until(async || beginning.log().contains("cannot be used yet"), "it says that it waits").await;
    redis.comes_back();
    let replica = beginning.has_begun();
    site.sends(&replica.public, 1).await;
    site.has_leads(1, &replica).await;
    replica.stops();
}

#[test]
fn a_bridge_does_not_start_on_a_redis_that_cannot_keep_what_is_promised() {
    let redis = Server::start(&["appendfsync everysec"]);
    let url = redis.url();
    let variables = [("KONEKTOR_API_KEY", DEFAULT_KEY), ("REDIS_URL", url.as_str())];
    let ran = run(&variables, &["serve"]);
    assert!(ran.code == 1 && ran.err.contains("CONFIG SET appendfsync always"), "{ran:?}");
    redis.says(&["CONFIG", "SET", "requirepass", "geheim"]);
    let ran = run(&variables, &["serve"]);
    assert!(ran.code == 1 && ran.err.contains("it refuses the user or the password"), "{ran:?}");
    assert!(!ran.err.contains("tried again"), "it would be refused again: {ran:?}");
    let variables = [("KONEKTOR_API_KEY", DEFAULT_KEY), ("REDIS_URL", "redis://:geheim@127.0.0.1:1")];
    let ran = run(&variables, &["serve"]);
    assert!(ran.code == 1 && ran.err.contains("redis://127.0.0.1:1/0 cannot be used"), "{ran:?}");
    assert!(ran.err.contains("connection refused") && !ran.err.contains("geheim"), "{ran:?}");
}

#[test]
fn a_check_says_how_the_server_is_set_and_speaks_tls_by_the_authority_that_it_is_given() {
    let directory = TempDir::new().unwrap();
    let (key, certificate) = (directory.path().join("key.pem"), directory.path().join("cert.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .stderr(Stdio::null())
        .status()
        .expect("openssl can be run");
    assert!(made.success());
    let (_redis, port) = Server::with_tls(directory.path());
    let url = format!("rediss://localhost:{port}");
    let store = |more: &[(&str, &str)]| {
        let variables: Vec<_> = [("REDIS_URL", url.as_str())].iter().chain(more).copied().collect();
        let ran = run(&variables, &["check", "--json"]);
        let findings: Value = serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"));
        let store = findings.as_array().expect("a list").iter().filter(|line| line["of"] == "store");
        store.cloned().collect::<Vec<_>>()
    };
    let trusted = store(&[("SSL_CERT_FILE", certificate.to_str().expect("ASCII"))]);
    assert!(
        trusted.iter().any(|line| line["says"].as_str().is_some_and(|says| says.contains("on disk"))),
        "{trusted:?}"
    );
    assert!(trusted.iter().all(|line| line["level"] != "fail"), "{trusted:?}");
    let strange = store(&[]);
    assert!(strange.iter().any(|line| line["level"] == "fail"), "{strange:?}");
}
