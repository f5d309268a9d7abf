//! The built binary as it serves, beside a local Konektor: what its operator does with it, by commands and signals.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use konektor_bridge::clock::{Clock as _, SystemClock};
use konektor_bridge::sandbox::{self, DEFAULT_KEY, Running};
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;

use crate::cli::{Ran, command};

/// What proves a form of [`Served`].
pub(crate) const FORM_SECRET: &str = "form-secret-of-the-tests-0123456789";

/// A local Konektor to call.
pub(crate) struct Konektor {
    pub(crate) sandbox: Running,
    pub(crate) runtime: tokio::runtime::Runtime,
}

impl Konektor {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sandbox = runtime.block_on(async { sandbox::start(sandbox::Settings::default()).unwrap() });
        Self { sandbox, runtime }
    }

    pub(crate) fn leads(&self) -> Vec<Value> {
        let url = format!("{}/sandbox/leads", self.sandbox.url());
        self.answered(http().get(url)).1.as_array().unwrap().clone()
    }

    /// What goes wrong from now on, and nothing else.
    fn faults(&self, faults: &Value) {
        let url = format!("{}/sandbox/faults", self.sandbox.url());
        assert_eq!(self.answered(http().put(url).json(faults)).0, 200);
    }

    /// Status and body, which is `null` where it is no JSON.
    fn answered(&self, request: RequestBuilder) -> (u16, Value) {
        self.runtime.block_on(async {
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap_or_default())
        })
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().timeout(Duration::from_secs(10)).build().unwrap()
}

/// A bridge that runs as `serve` does.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) directory: TempDir,
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) konektor: Konektor,
}

impl Served {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// One with these variables, too.
    fn start_with(more: &[(&str, &str)]) -> Self {
        let konektor = Konektor::start();
        let directory = TempDir::new().unwrap();
        let usual = [
            ("KONEKTOR_API_KEY", DEFAULT_KEY),
            ("KONEKTOR_BASE_URL", &konektor.sandbox.url()),
            ("BRIDGE_LISTEN", "127.0.0.1:0"),
            ("BRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
            ("BRIDGE_ADMIN_TOKEN", "token"),
            ("GOOGLE_LEADS_KEY", "0123456789abcdef"),
            ("FORM_SECRET", FORM_SECRET),
        ];
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let variables: Vec<_> = usual.iter().chain(more).map(owned).collect();
        let mut served = Self { child: Self::spawn(directory.path(), &variables), directory, variables, konektor };
        let mut lines = BufReader::new(served.child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut address = |before: &str| -> SocketAddr {
            let line = lines.next().unwrap();
            line.strip_prefix(before).unwrap_or_else(|| panic!("{line}")).parse().unwrap()
        };
        // From here on the commands must find it.
        let bound = [address("webhooks on http://"), address("admin API on http://")].map(|bound| bound.to_string());
        served.variables[2].1.clone_from(&bound[0]);
        served.variables[3].1.clone_from(&bound[1]);
        served
    }

    fn spawn(directory: &Path, variables: &[(String, String)]) -> Child {
        let variables: Vec<_> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let log = std::fs::File::create(directory.join("log")).unwrap();
        command(directory, &variables, &["serve"]).stdout(Stdio::piped()).stderr(log).spawn().unwrap()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        let variables: Vec<_> = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Ran::of(command(self.directory.path(), &variables, arguments).output().unwrap())
    }

    /// The lines of its log so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        self.said()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
            .collect()
    }

    /// Where it takes webhooks.
    pub(crate) fn public(&self) -> String {
        format!("http://{}", self.variables[2].1)
    }

    /// The one event of the list, once it is in `state`.
    pub(crate) fn event(&self, list: &[&str], state: &str) -> Value {
        for _ in 0..500 {
            let events = self.run(list).json();
            match events.as_array().unwrap().as_slice() {
                [event] if event["state"] == state => return event.clone(),
                [] | [_] => {}
                many => panic!("{many:?}"),
            }
        }
        panic!("no event is {state}: {}", self.run(list).out);
    }

    /// Asks it to stop, and gives its exit code.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.end()
    }

    /// The same, and its directory stays.
    pub(crate) fn end(&mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().unwrap().code()
    }

    fn signal(&self, which: &str) {
        let told = Command::new("kill").args([which, &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
    }

    /// What its log and its errors are so far.
    fn said(&self) -> String {
        std::fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Waits until something is so, and asks the bridge how it is meanwhile.
    fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        for _ in 0..1000 {
            if is_so() {
                return;
            }
            self.run(&["healthcheck"]).done();
        }
        panic!("{what}: {}", self.said());
    }

    /// The status of an answer to a webhook that nobody signed.
    fn hook(&self, source: &str) -> u16 {
        self.konektor.answered(http().post(format!("{}/hooks/{source}", self.public())).body("{}")).0
    }

    /// A form of a back-end that signs.
    fn form(&self, fields: &Value) {
        let (body, time) = (fields.to_string(), SystemClock.now().as_second());
        let mut mac = Hmac::<Sha256>::new_from_slice(FORM_SECRET.as_bytes()).unwrap();
        mac.update(format!("{time}.{body}").as_bytes());
        let signature = format!("t={time},v1={}", hex::encode(mac.finalize().into_bytes()));
        let request = http().post(format!("{}/hooks/form", self.public())).header("content-type", "application/json");
        assert_eq!(self.konektor.answered(request.header("x-bridge-signature", signature).body(body)).0, 200);
    }

    /// One line of the metrics.
    fn metric(&self, name: &str) -> Option<String> {
        let url = format!("http://{}/metrics", self.variables[3].1);
        let request = http().get(url).bearer_auth("token");
        let text = self.konektor.runtime.block_on(async { request.send().await.unwrap().text().await.unwrap() });
        text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It has ended already, unless the test failed.
        let _ended = self.child.kill();
        let _code = self.child.wait();
    }
}

#[test]
fn a_hangup_and_a_changed_file_are_taken_and_what_is_wrong_is_not() {
    let bridge = Served::start();
    let file = bridge.directory.path().join("config/bridge.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let reloads = |outcome| bridge.metric(&format!("konektor_bridge_config_reloads_total{{outcome=\"{outcome}\"}}"));
    let shop = "[sources.shop]\nprovider = 'form'\nsettings.secret = 'env:FORM_SECRET'\n";
    assert_eq!(bridge.hook("shop"), 404);

    // Nothing has changed, so it is the signal that is heard and not the file that is seen.
    bridge.signal("-HUP");
    bridge.until("the hangup is heard", || reloads("applied").as_deref() == Some("1"));

    write(shop);
    bridge.until("the file is seen", || bridge.hook("shop") == 401);
    write("[sources.shop\n");
    bridge.until("the wrong file is seen", || reloads("refused").as_deref() == Some("1"));
    let said = bridge.said();
    assert!(said.contains("the changed configuration is not taken, the old one stays in force"), "{said}");
    assert!(said.contains("bridge.toml:1"), "{said}");
    assert_eq!(bridge.hook("shop"), 401, "the old one is in force");
    assert_eq!(bridge.stop(), Some(0));
}

#[test]
fn what_is_under_way_when_it_is_told_to_stop_is_settled_first() {
    let mut bridge = Served::start();
    bridge.konektor.faults(&json!({"answer_latency": "1s"}));
    bridge.run(&["send", "google", "--seed", "1"]).done();
    bridge.until("the create is under way", || bridge.konektor.leads().len() == 1);
    assert!(!bridge.said().contains("lead delivered"), "nobody has heard of it yet");
    assert_eq!(bridge.end(), Some(0));
    let log = bridge.log();
    let [.., delivered, last] = log.as_slice() else { panic!("{log:#?}") };
    assert_eq!(delivered["message"], "lead delivered", "{log:#?}");
    assert_eq!((&last["webhooks"], &last["events"]), (&json!(0), &json!(0)), "{log:#?}");
}

#[test]
fn what_takes_longer_than_the_grace_does_not_hold_up_the_stop() {
    let mut bridge = Served::start_with(&[("BRIDGE_SHUTDOWN_GRACE", "200ms")]);
    bridge.konektor.faults(&json!({"answer_latency": "60s"}));
    bridge.run(&["send", "google", "--seed", "1"]).done();
    bridge.until("the create is under way", || bridge.konektor.leads().len() == 1);
    let asked = Instant::now();
    assert_eq!(bridge.end(), Some(1));
    assert!(asked.elapsed() < Duration::from_secs(20), "{:?}", asked.elapsed());
    let said = bridge.said();
    assert!(said.contains("it is taken up again at the next start") && !said.contains("lead delivered"), "{said}");
}

#[test]
fn a_lead_that_konektor_refused_is_listed_shown_put_back_and_discarded() {
    let bridge = Served::start();
    let refuses = |field: Value| bridge.konektor.faults(&json!({"reject_field": field}));
    let dead = || -> Vec<String> {
        let list = bridge.run(&["dead-letters", "list", "--json"]).json();
        list.as_array().unwrap().iter().map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    };
    refuses(json!("firstName"));
    for seed in ["1", "2", "3"] {
        bridge.run(&["send", "google", "--seed", seed]).done();
    }
    bridge.until("all are refused", || dead().len() == 3);
    let ids = dead();
    let listed = bridge.run(&["dead-letters", "list"]).done();
    assert!(ids.iter().all(|id| listed.contains(id)) && listed.contains("rejected"), "{listed}");
    let shown = bridge.run(&["dead-letters", "show", &ids[0]]).done();
    assert!(shown.contains("create 400") && shown.contains("firstName"), "{shown}");

    assert_eq!(bridge.run(&["dead-letters", "discard", &ids[0]]).done(), "1 discarded\n");
    assert_eq!(dead(), ids[1..]);
    assert_eq!(bridge.run(&["events", "list", "--state", "discarded", "--json"]).json()[0]["id"], ids[0].as_str());
    refuses(Value::Null);
    assert_eq!(bridge.run(&["dead-letters", "replay", &ids[1]]).done(), "1 put back\n");
    bridge.until("what was put back is delivered", || bridge.konektor.leads().len() == 1);
    assert_eq!(dead(), ids[2..], "one that nobody named stays");
    assert_eq!(bridge.run(&["dead-letters", "discard", "--source", "google"]).done(), "1 discarded\n");
    assert!(bridge.run(&["dead-letters", "list"]).done().contains("no dead letters"));
    assert_eq!(bridge.konektor.leads().len(), 1);
}

#[test]
fn a_test_lead_that_is_discarded_goes_nowhere() {
    let bridge = Served::start();
    bridge.run(&["send", "google", "--kind", "test"]).done();
    let id = bridge.event(&["withheld", "list", "--json"], "withheld")["id"].as_str().unwrap().to_owned();
    assert_eq!(bridge.run(&["withheld", "discard", &id]).done(), "1 discarded\n");
    assert_eq!(bridge.run(&["withheld", "release", &id]).out, "0 released\n");
    assert_eq!(bridge.event(&["events", "list", "--json"], "discarded")["id"], id.as_str());
    assert!(bridge.konektor.leads().is_empty());
}

#[test]
fn what_has_changed_in_a_form_is_told_by_the_log_the_metrics_and_the_list_of_sources() {
    let bridge = Served::start();
    let fields = |number: u32, more: Value| {
        let mut form = json!({"form_id": "kontak", "nama": "Siti", "no_hp": format!("0812-0000-{number:04}")});
        form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        form
    };
    for number in 0..6 {
        bridge.form(&fields(number, json!({"kota": "Bogor", "minat": "ruko"})));
    }
    bridge.form(&fields(6, json!({"kabupaten": "Bogor", "minat": "ruko"})));
    // So often that one is missed.
    for number in 7..18 {
        bridge.form(&fields(number, json!({"kabupaten": "Bogor", "sumber": "brosur"})));
    }
    let drifts = |kind| bridge.metric(&format!("konektor_bridge_form_drift_total{{source=\"form\",kind=\"{kind}\"}}"));
    bridge.until("the field is missed", || drifts("vanished").as_deref() == Some("1"));
    let day = SystemClock.now().strftime("%Y-%m-%d");
    let told = bridge.run(&["sources"]).out;
    for sentence in ["`kota` is `kabupaten` now", "`sumber` is new", "`minat` does not come any more"] {
        let line = format!("form, form kontak: {sentence} (seen {day})\n");
        assert!(told.contains(&line), "{line} is not in {told}");
    }
    let listed = bridge.run(&["sources", "--json"]);
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let form = listed.as_array().unwrap().iter().find(|line| line["name"] == "form").unwrap();
    let kinds: Vec<_> = form["forms"][0]["changes"].as_array().unwrap().iter().map(|change| &change["kind"]).collect();
    assert_eq!(kinds, ["renamed", "new", "vanished"]);
    let log = bridge.log();
    let lines: Vec<_> =
        log.iter().filter(|line| line["message"].as_str().unwrap().starts_with("the fields of a form")).collect();
    for kind in ["renamed", "new", "vanished"] {
        assert_eq!(drifts(kind).as_deref(), Some("1"), "{kind}");
        assert_eq!(lines.iter().map(|line| line[kind].as_u64().unwrap()).sum::<u64>(), 1, "{kind}: {lines:?}");
    }
}
