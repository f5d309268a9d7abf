//! The commands, as a person or a script runs them: the built binary, its output, its exit codes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use konektor_bridge::config::VARIABLES;
use konektor_bridge::domain::event::SourceName;
use konektor_bridge::sandbox::DEFAULT_KEY;
use konektor_bridge::store::{Options, SqliteStore, Store};
use serde_json::Value;
use tempfile::TempDir;

use crate::served::{FORM_SECRET, Konektor, Served};

/// The binary in a directory of its own, with these variables and no others.
pub(crate) fn command(directory: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_konektor-bridge"));
    command.args(arguments).current_dir(directory).env_clear().envs(variables.iter().copied());
    command
}

pub(crate) fn run(variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
    let directory = TempDir::new().unwrap();
    Ran::of(command(directory.path(), variables, arguments).output().unwrap())
}

/// The same with `input` on standard input.
pub(crate) fn run_with(variables: &[(&str, &str)], arguments: &[&str], input: &str) -> Ran {
    let directory = TempDir::new().unwrap();
    let mut child = command(directory.path(), variables, arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Ran::of(child.wait_with_output().unwrap())
}

/// What a command left behind.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// The output of a command that was done.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    pub(crate) fn json(self) -> Value {
        let out = self.done();
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// What a command said that was not done.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        assert!(self.err.starts_with("error: "), "{self:?}");
        self.err
    }
}

#[test]
fn help_and_version_are_no_errors_and_bad_usage_is_64() {
    assert!(run(&[], &["--help"]).done().contains("dead-letters"));
    assert!(run(&[], &["--version"]).done().contains(env!("CARGO_PKG_VERSION")));
    for wrong in [&["serv"][..], &[], &["send"], &["events", "list", "--limit", "0"], &["send", "form", "--kind", "x"]]
    {
        let ran = run(&[], wrong);
        assert_eq!(ran.code, 64, "{wrong:?}: {ran:?}");
        assert!(ran.out.is_empty() && !ran.err.is_empty(), "{wrong:?}: {ran:?}");
    }
}

#[test]
fn a_bad_configuration_is_64_with_a_line_for_each_finding() {
    let wrong = [("BRIDGE_LISTEN", "8080"), ("BRIDGE_BODY_LIMIT", "much")];
    for arguments in [&["serve"][..], &["config"], &["sources"], &["events", "list"], &["healthcheck"]] {
        let said = run(&wrong, arguments).failed(64);
        assert_eq!(said.lines().filter(|line| line.starts_with("error: BRIDGE_")).count(), 2, "{arguments:?}: {said}");
    }
}

#[test]
fn what_only_the_start_finds_wrong_is_bad_configuration_too() {
    let serve = |variables: &[(&str, &str)]| {
        let key = [("KONEKTOR_API_KEY", DEFAULT_KEY), ("BRIDGE_LISTEN", "127.0.0.1:0"), ("BRIDGE_ADMIN_LISTEN", "off")];
        let ran = run(&[&key[..], variables].concat(), &["serve"]);
        assert_eq!(ran.code, 64, "{ran:?}");
        ran.err
    };
    assert!(serve(&[("GOOGLE_LEADS_KEY", "short")]).contains("source `google`"));
    assert!(serve(&[("BRIDGE_DEFAULT_REGION", "XX")]).contains("BRIDGE_DEFAULT_REGION"));
    assert!(run(&[("BRIDGE_DEFAULT_REGION", "XX")], &["check"]).out.contains("fail  settings   BRIDGE_DEFAULT_REGION"));
}

#[test]
fn a_source_that_has_been_on_and_lacks_its_secret_is_said_and_a_failure() {
    let directory = TempDir::new().unwrap();
    let data = directory.path().join("data");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let now = jiff::Timestamp::UNIX_EPOCH;
        let store = SqliteStore::open(&data, Options::default(), now).unwrap();
        store.remember_sources(&[SourceName::parse("google").unwrap()], now).await.unwrap();
        store.close().await;
    });
    let ran = |arguments: &[&str]| {
        let variables = [("BRIDGE_DATA_DIR", data.to_str().unwrap()), ("FORM_SECRET", FORM_SECRET)];
        Ran::of(command(directory.path(), &variables, arguments).output().unwrap())
    };
    let sources = ran(&["sources"]);
    assert!(sources.code == 1 && sources.out.contains("has been on: GOOGLE_LEADS_KEY is not set"), "{sources:?}");
    let listed: Value = serde_json::from_str(&ran(&["sources", "--json"]).out).unwrap();
    let wanting = listed.as_array().unwrap().iter().filter(|line| line["wanting"] == true).map(|line| &line["name"]);
    assert_eq!(wanting.collect::<Vec<_>>(), ["google"]);
    let check = ran(&["check"]);
    assert!(check.code == 1 && check.out.contains("fail  source     google has been on and is off"), "{check:?}");
}

#[test]
fn a_bridge_without_a_key_does_not_start_and_says_where_to_get_one() {
    assert!(run(&[], &["serve"]).failed(64).contains("KONEKTOR_API_KEY"));
}

#[test]
fn nothing_that_is_said_without_a_terminal_has_colours() {
    for arguments in [&["config"][..], &["sources"], &["check"], &["--help"], &["serve"]] {
        let ran = run(&[], arguments);
        assert!(!ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn the_settings_in_force_are_shown_without_secrets() {
    let variables =
        [("KONEKTOR_API_KEY", "kk_geheim"), ("META_APP_SECRET", "geheim"), ("BRIDGE_LISTEN", "127.0.0.1:9")];
    for arguments in [&["config"][..], &["config", "--json"]] {
        let out = run(&variables, arguments).done();
        assert!(out.contains("127.0.0.1:9") && !out.contains("geheim"), "{out}");
    }
    let settings = run(&variables, &["config", "--json"]).json();
    let of = |name: &str| settings.as_array().unwrap().iter().find(|line| line["name"] == name).unwrap().clone();
    assert_eq!(
        (of("KONEKTOR_API_KEY")["from"].as_str(), of("BRIDGE_LOG")["from"].as_str()),
        (Some("environment"), Some("default"))
    );
    assert_eq!(of("META_APP_SECRET")["value"], of("KONEKTOR_API_KEY")["value"], "masks tell nothing");
}

#[test]
fn the_table_of_variables_has_every_one() {
    let table = run(&[], &["config", "--env"]).done();
    let names = VARIABLES.iter().map(|variable| variable.name).chain(["GOOGLE_LEADS_KEY", "META_GRAPH_URL"]);
    for name in names {
        assert!(table.lines().any(|line| line.starts_with(&format!("{name} "))), "{name}: {table}");
    }
}

#[test]
fn the_sources_say_where_to_post_and_what_is_missing() {
    let variables = [("GOOGLE_LEADS_KEY", "0123456789abcdef"), ("BRIDGE_PUBLIC_URL", "https://leads.example.com/x/")];
    let sources = run(&variables, &["sources", "--json"]).json();
    let of = |name: &str| sources.as_array().unwrap().iter().find(|line| line["name"] == name).unwrap().clone();
    assert_eq!(
        (&of("google")["on"], of("google")["url"].as_str()),
        (&Value::Bool(true), Some("https://leads.example.com/x/hooks/google"))
    );
    assert_eq!(of("whatsapp")["missing"], serde_json::json!(["WHATSAPP_APP_SECRET", "WHATSAPP_VERIFY_TOKEN"]));
    assert!(run(&[], &["sources"]).done().contains("BRIDGE_PUBLIC_URL"), "the host is a placeholder then");
}

#[test]
fn an_explanation_shows_the_lead_and_what_set_each_field() {
    let told =
        run_with(&[], &["explain", "form", "-", "--json"], "nama=Siti+Aminah&no_hp=0812-0001-0002&kota=Bandung").json();
    let item = &told["items"][0];
    assert_eq!(item["lead"]["phone"], "+6281200010002");
    assert_eq!(item["setBy"]["lastName"], serde_json::json!(["answer nama"]));
    assert!(item["notes"].as_str().unwrap().contains("kota: Bandung"));
    assert_eq!(item["call"]["body"]["externalRef"], item["externalRef"]);
    assert_eq!(told["proof"], "not checked");
}

#[test]
fn an_explanation_says_that_won_waits_for_a_payment() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bridge.toml");
    std::fs::write(&file, "[sources.scalev.rules]\nstatus = [{ when = 'payment', status = 'won' }]\n").unwrap();
    let config = [("BRIDGE_CONFIG", file.to_str().unwrap())];
    let order = |paid: &str| {
        format!(
            r#"{{"event":"order.updated","data":{{"order_id":"A-1","payment_status":"{paid}","gross_revenue":"168724.00"}}}}"#
        )
    };
    let told = |paid: &str| run_with(&config, &["explain", "scalev", "-", "--json"], &order(paid)).json();
    let waits = |told: &Value| told["items"][0]["waitsForPayment"].clone();
    assert_eq!(waits(&told("unpaid")), "status[0]");
    assert_eq!(waits(&told("paid")), Value::Null);
    let text = run_with(&config, &["explain", "scalev", "-"], &order("unpaid")).done();
    assert!(text.contains("status[0] gives `won` once it is paid"), "{text}");
}

#[test]
fn an_explanation_shows_the_rules_the_code_and_the_ad_events() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bridge.toml");
    let rules = "[sources.form.rules]\nunique_code = 'KNK-[0-9]{2,}'\nset.email = \"answers.budget|number\"\n\
                 [sources.form.forms.pameran]\nstatus = [{ when = 'lead.phone', status = 'hot' }, { status = 'contacted' }]\n";
    std::fs::write(&file, rules).unwrap();
    let config = [("BRIDGE_CONFIG", file.to_str().unwrap())];
    let body = "form_id=pameran&nama=Siti&no_hp=0812-0001-0002&pesan=KNK-17&budget=banyak";
    let told = run_with(&config, &["explain", "form", "-", "--json"], body).json();
    let item = &told["items"][0];
    assert_eq!((&item["rulesOfForm"], &item["adopts"]), (&"pameran".into(), &"KNK-17".into()));
    assert_eq!(item["setBy"]["status"], serde_json::json!(["rule status[0]", "answer no_hp"]));
    assert!(item["failedRules"]["set.email"].as_str().is_some_and(|why| why.contains("invalid operation")), "{item:#}");
    assert_eq!((&item["call"]["body"]["status"], &item["call"]["body"]["uniqueCode"]), (&"hot".into(), &Value::Null));
    let fired = |place: usize| &item["fires"][place];
    assert_eq!((&fired(0)["when"], &fired(0)["status"]), (&"created".into(), &"hot".into()));
    assert_eq!((&fired(1)["meta"], &fired(1)["linkedin"]), (&"SubmitApplication".into(), &"QUALIFIED_LEAD".into()));
    let plain = run_with(&[], &["explain", "form", "-", "--json"], "nama=Siti").json();
    let fires = serde_json::json!([
        { "when": "created", "status": "new", "meta": "AddToCart", "ga4": "generate_lead", "tiktok": "ViewContent",
          "linkedin": "PAGE_VIEW" },
        { "when": "there already", "status": null },
    ]);
    assert_eq!(plain["items"][0]["fires"], fires);
    let text = run_with(&config, &["explain", "form", "-"], body).done();
    for shown in ["those of the form pameran", "set.email says nothing", "KNK-17", "AD EVENTS", "SubmitApplication"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
}

#[test]
fn an_explanation_checks_the_senders_own_proof_as_of_its_time() {
    // printf '1792999996.body' | openssl dgst -sha256 -hmac konektor-secret-TEST
    let header = "X-Bridge-Signature: t=1792999996,v1=4b029b927abec3c6f89b1a20db4051f5699f96f795b41241d83cdcbea91aab46";
    let explained = |at: &str, body: &str| {
        let arguments = ["explain", "form", "-", "--json", "--at", at, "-H", header, "-H", "content-type: text/plain"];
        let toml = "[sources.form.settings]\nallow_text_json = true\n";
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("bridge.toml");
        std::fs::write(&path, toml).unwrap();
        let variables = [("FORM_SECRET", "konektor-secret-TEST"), ("BRIDGE_CONFIG", path.to_str().unwrap())];
        run_with(&variables, &arguments, body).json()["proof"].as_str().unwrap().to_owned()
    };
    assert_eq!(explained("2026-10-26T07:33:16Z", "body"), "holds");
    assert!(explained("2026-10-26T07:33:16Z", "another body").starts_with("refused: "));
    assert!(explained("2026-10-27T08:33:16Z", "body").contains("tolerance"));
}

#[test]
fn a_proof_is_taken_apart_and_what_would_have_matched_is_said() {
    // printf '1792999996.body' | openssl dgst -sha256 -hmac konektor-secret-TEST
    let digest = "4b029b927abec3c6f89b1a20db4051f5699f96f795b41241d83cdcbea91aab46";
    let request = format!("POST /hooks/form HTTP/1.1\r\nX-Bridge-Signature: t=1792999996,v1={digest}\r\n\r\nbody");
    let variables = [("FORM_SECRET", "konektor-secret-TEST")];
    let at = "2026-10-26T07:33:16Z";
    let verified = |input: &str, more: &[&str]| {
        let arguments: Vec<_> = ["verify", "form", "-"].into_iter().chain(more.iter().copied()).collect();
        run_with(&variables, &arguments, input)
    };
    let typed = request.replace("\r\n\r\n", "\r\nContent-Type: application/json\r\n\r\n");
    let told = verified(&typed, &["--at", at, "--json"]).json();
    assert_eq!((&told["accepted"], &told["tried"][0]["holds"]), (&Value::Bool(true), &Value::Bool(true)));
    assert_eq!(told["tried"][0]["base"][0], "1792999996.body");
    assert_eq!(told["tried"][0]["computed"][0], digest);

    let rewritten = verified(&format!("{typed}\n"), &["--at", at]);
    assert_eq!(rewritten.code, 1);
    for says in ["refused: the proof does not match", "hmac sha256 in hex", digest, "without the line end behind it"] {
        assert!(rewritten.out.contains(says), "{says}: {}", rewritten.out);
    }
    let late = verified(&typed, &[]);
    assert!(late.code == 1 && late.out.contains("only the time is wrong"), "{}", late.out);
    let bare = verified("body", &[]);
    assert!(bare.out.contains("the header `x-bridge-signature` is not there"), "{}", bare.out);
    for ran in [rewritten, late, bare] {
        assert!(!ran.out.contains("konektor-secret"), "{}", ran.out);
    }
    assert!(verified("POST /hooks/form HTTP/1.1\nA: b\n", &[]).failed(64).contains("no empty line"));
}

#[test]
fn what_a_hint_says_can_be_done_for_that_source_and_helps() {
    // printf '{}' | openssl dgst -sha256 -hmac fake-secret-of-the-tests
    let hex = "6b354914b8ad453945bfcf6ee5227d4783ab839117a1366c7ba7d8139199755e";
    let base64 = "azVJFLitRTlFv89u5SJ9R4Org5EXoTZse6fYE5GZdV4=";
    let file = TempDir::new().unwrap();
    let file = file.path().join("bridge.toml");
    let (text, secret) = (file.to_str().unwrap(), "fake-secret-of-the-tests");
    let verified = |toml: &str, source: &str, header: String| {
        std::fs::write(&file, toml).unwrap();
        let variables = [
            ("META_APP_SECRET", secret),
            ("META_VERIFY_TOKEN", "fake-verify-token"),
            ("META_ACCESS_TOKEN", "fake-access-token"),
            ("TYPEFORM_SECRET", secret),
            ("BRIDGE_CONFIG", text),
        ];
        let header = ["-H", &header, "-H", "Content-Type: application/json"];
        run_with(&variables, &[&["verify", source, "-"], &header[..]].concat(), "{}")
    };
    let meta = verified("", "meta", format!("X-Hub-Signature-256: sha256={base64}"));
    assert!(meta.code == 1 && meta.out.contains("matches as base64; its sender has to write hex"), "{}", meta.out);
    let header = format!("Typeform-Signature: sha256={hex}");
    let typeform = verified("", "typeform", header.clone());
    let hint = "matches as hex; write verify.encoding = \"hex\" under [sources.typeform.settings]\n";
    assert!(typeform.code == 1 && typeform.out.contains(hint), "{}", typeform.out);
    let mended = verified("[sources.typeform.settings]\nverify.encoding = \"hex\"\n", "typeform", header);
    assert_eq!(mended.code, 0, "{} {}", mended.out, mended.err);
}

#[test]
fn a_question_of_a_sender_is_answered_as_a_running_bridge_would_and_what_is_wrong_with_it_is_said() {
    let variables = [
        ("META_APP_SECRET", "fake-app-secret-0123"),
        ("META_VERIFY_TOKEN", "fake-verify-token"),
        ("META_ACCESS_TOKEN", "fake-access-token"),
        ("FORM_SECRET", "konektor-secret-TEST"),
    ];
    let question = |token: &str| format!("/hooks/meta?hub.mode=subscribe&hub.challenge=115&hub.verify_token={token}");
    let verified =
        |source: &str, more: &[&str], input: &str| run_with(&variables, &[&["verify", source], more].concat(), input);
    let good = question("fake-verify-token");
    assert_eq!(verified("meta", &["--method", "get", "--url", &good], "").done(), "answered 200 with 115\n");
    assert_eq!(verified("meta", &["-", "--method", "get", "--url", &good], "").code, 0, "an empty body is what it has");
    let logged = format!("GET {good} HTTP/1.1\n");
    assert_eq!(verified("meta", &["-", "--json"], &logged).json()["answer"]["status"], 200);
    let other = verified("meta", &["--method", "get", "--url", &question("fake-other-token")], "");
    assert_eq!(other.code, 1);
    assert!(other.out.contains("answered 403: its hub.verify_token is another"), "{}", other.out);
    assert!(!other.out.contains("fake-"), "{}", other.out);
    let nobodys = verified("form", &["--method", "get", "--url", "/hooks/form"], "");
    assert!(nobodys.code == 1 && nobodys.out.starts_with("answered 405: "), "{}", nobodys.out);
    assert!(verified("meta", &["-"], "").failed(64).contains("--method get for a question"));
    assert!(verified("meta", &["--url", "/hooks/meta"], "").failed(64).contains("is empty"));
}

#[test]
fn a_sender_that_only_names_the_lead_would_be_asked_and_its_answer_can_be_given() {
    let webhook =
        r#"{"object":"page","entry":[{"id":"1","changes":[{"field":"leadgen","value":{"leadgen_id":"123"}}]}]}"#;
    let asked = run_with(&[], &["explain", "meta", "-", "--json"], webhook).json();
    assert_eq!(asked["items"][0]["asks"]["url"], "https://graph.facebook.com/v26.0/123");
    let directory = TempDir::new().unwrap();
    let fetched = directory.path().join("graph.json");
    std::fs::write(&fetched, r#"{"id":"123","field_data":[{"name":"full_name","values":["Siti Aminah"]}]}"#).unwrap();
    let arguments = ["explain", "meta", "-", "--json", "--fetched", fetched.to_str().unwrap()];
    let told = run_with(&[], &arguments, webhook).json();
    assert_eq!(told["items"][0]["lead"]["firstName"], "Siti");
}

/// What a sender signs of its headers, and goes by, is what was given, though the signature itself was not.
#[test]
fn the_headers_that_decide_are_those_that_were_given() {
    let secrets = [
        ("FRAMER_SECRET", "a-secret-of-nobody"),
        ("STANDARD_WEBHOOKS_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
    ];
    let of = |source: &str, header: &str| {
        let told =
            run_with(&secrets, &["explain", source, "-", "--json", "-H", header], r#"{"Email":"ana@example.com"}"#);
        told.json()["items"][0]["externalRef"].clone()
    };
    assert_eq!(of("framer", "Framer-Webhook-Submission-Id: 3f2504e0-4f89"), "framer:3f2504e0-4f89");
    assert_eq!(of("standard", "Webhook-Id: msg_1"), "sw:standard:msg_1");
}

#[test]
fn what_a_sender_asks_and_what_no_sender_signs_is_said() {
    let question = r#"{"event":"test_event"}"#;
    let told = run_with(&[], &["explain", "lynk", "-"], question).done();
    assert!(told.contains("answered 200 ok, and nothing is kept"), "{told}");
    let told = run_with(&[], &["explain", "lynk", "-", "--json"], question).json();
    assert_eq!(told["question"]["status"], 200);
    let unsigned = run_with(&[], &["explain", "lynk", "-"], r#"{"event":"x"}"#).failed(1);
    assert!(unsigned.contains("what its sender signs is not in it"), "{unsigned}");
    let number = run_with(&[], &["explain", "generic", "-"], "5").done();
    assert!(number.contains("unreadable: it is neither an object or list"), "{number}");
    let contact = r#"[{"subscriptionType":"contact.creation","objectId":7,"portalId":1}]"#;
    let asks = run_with(&[("HUBSPOT_ACCESS_TOKEN", "a-token-of-nobody")], &["explain", "hubspot", "-"], contact).done();
    assert!(asks.contains("asks       GET https://api.hubapi.com/") && !asks.contains("()"), "{asks}");
}

#[test]
fn what_cannot_be_read_is_explained_as_the_dead_letter_that_it_would_be() {
    let told = run_with(&[], &["explain", "meta", "-", "--json"], "{").json();
    assert_eq!(
        (told["dead"]["reason"].as_str(), told["items"].as_array().map(Vec::len)),
        (Some("unreadable"), Some(0))
    );
    assert!(run_with(&[], &["explain", "meta", "-"], "{").done().contains("unreadable"));
    assert!(
        run_with(&[], &["explain", "nosuch", "-"], "{").failed(64).contains("there is no source `nosuch`; there are ")
    );
    assert!(run(&[], &["explain", "meta", "nosuch.json"]).failed(1).contains("nosuch.json"));
}

#[test]
fn without_a_running_bridge_the_commands_say_how_to_start_one() {
    // Taken as long as the test runs, and nobody listens: a port that is let go may be another test's bridge by now.
    let taken = tokio::net::TcpSocket::new_v4().unwrap();
    taken.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let silent = taken.local_addr().unwrap().to_string();
    let variables =
        [("BRIDGE_ADMIN_LISTEN", silent.as_str()), ("BRIDGE_LISTEN", &silent), ("FORM_SECRET", FORM_SECRET)];
    for arguments in [&["events", "list"][..], &["dead-letters", "replay", "--all"], &["pause"], &["send", "form"]] {
        assert!(run(&variables, arguments).failed(1).contains("konektor-bridge serve"), "{arguments:?}");
    }
    assert!(run(&variables, &["healthcheck"]).failed(1).contains("does not answer"));
    assert!(run(&[("BRIDGE_ADMIN_LISTEN", "off")], &["events", "list"]).failed(64).contains("BRIDGE_ADMIN_URL"));
    assert!(
        run(&variables, &["dead-letters", "discard"]).failed(64).contains("--all"),
        "nothing said is not everything"
    );
}

#[test]
fn the_demo_comes_out_right() {
    let out = run(&[], &["demo", "--once", "--patience", "60s"]).done();
    assert!(out.contains("checks hold") && !out.contains('✗'), "{out}");
    let told = out.lines().filter(|line| line.contains(" 200 in ") && line.contains("→ delivered after")).count();
    assert!(told >= 12, "a dozen senders, and two updates: {out}");
    assert!(out.contains("401        11 senders") && out.matches("elementor, meta").count() == 2, "{out}");
    // The README shows how it begins, on another day.
    let mut lines = out.lines().map(timeless);
    for line in crate::readme::picture().lines().map(timeless) {
        assert!(lines.any(|told| told == line), "the README shows `{line}`, which is not there, or not then: {out}");
    }
}

/// A line without the times in it.
fn timeless(line: &str) -> String {
    let words: Vec<_> = line.split_whitespace().collect();
    let is_time = |at: usize| words[at].parse::<f64>().is_ok() && matches!(words.get(at + 1), Some(&("ms" | "s")));
    let kept = (0..words.len()).filter(|at| !(is_time(*at) || *at > 0 && is_time(*at - 1)));
    kept.map(|at| words[at]).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_the_demo_says_to_try_works_as_it_stands_and_ctrl_c_ends_it() {
    let directory = TempDir::new().unwrap();
    let mut demo = command(directory.path(), &[], &["demo"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("Ctrl-C ends it")).expect("it keeps running");
    let mut advice = Vec::new();
    for line in lines {
        advice.push(line);
        if advice.last().unwrap().contains("/sandbox/faults") {
            break;
        }
    }
    let settings = advice.iter().find_map(|line| line.strip_prefix(". ")).expect("a file of settings").to_owned();
    assert!(Path::new(&settings).exists());
    let programs = Path::new(env!("CARGO_BIN_EXE_konektor-bridge")).parent().unwrap();
    let script = format!("PATH=\"$0:$PATH\"\n{}", advice.join("\n"));
    let mut shell = Command::new("sh");
    shell.args(["-e", "-c", &script]).arg(programs).current_dir(directory.path());
    let tried = Ran::of(shell.output().unwrap()).done();
    assert_eq!(tried.matches("HTTP/1.1 200").count(), 2, "the browser's form, and the back-end's: {tried}");
    assert!(tried.contains("\"externalRef\"") && tried.contains("delivered"), "events and leads are listed: {tried}");
    assert!(tried.contains("200 in ") && tried.contains("\"error_rate\":0.5"), "{tried}");
    assert!(Command::new("kill").args(["-INT", &demo.id().to_string()]).status().unwrap().success());
    assert_eq!(demo.wait().unwrap().code(), Some(0));
    assert!(!Path::new(&settings).exists(), "what it kept is deleted");
}

#[test]
fn a_proxy_for_the_world_is_not_asked_for_what_is_on_this_machine() {
    let nowhere = "http://127.0.0.1:9";
    let out = run(&[("HTTP_PROXY", nowhere), ("http_proxy", nowhere)], &["demo", "--once", "--patience", "60s"]).done();
    assert!(out.contains("checks hold") && !out.contains('✗'), "{out}");
}

#[test]
fn the_demo_says_so_when_something_is_broken() {
    let fault = format!("revoke_key={DEFAULT_KEY}");
    let ran = run(&[], &["demo", "--once", "--patience", "300ms", "--fault", &fault]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains('✗') && ran.out.contains("do not hold"), "{ran:?}");
}

#[test]
fn a_store_that_another_process_has_is_waited_for_and_not_for_ever() {
    let (konektor, directory) = (Konektor::start(), TempDir::new().unwrap());
    let url = konektor.sandbox.url();
    let variables = [
        ("KONEKTOR_API_KEY", DEFAULT_KEY),
        ("KONEKTOR_BASE_URL", &url),
        ("BRIDGE_LISTEN", "0.0.0.0:0"),
        ("BRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
        ("BRIDGE_SHUTDOWN_GRACE", "0s"),
    ];
    let options = Options::default();
    let other = SqliteStore::open(&directory.path().join("data"), options, jiff::Timestamp::UNIX_EPOCH).unwrap();
    let mut serve = command(directory.path(), &variables, &["serve"]);
    serve.stdout(Stdio::piped()).stderr(Stdio::piped());
    let given_up = Ran::of(serve.output().unwrap());
    assert!(given_up.code == 1 && given_up.err.contains("another process uses the store"), "{given_up:?}");

    let mut child = serve.env("BRIDGE_SHUTDOWN_GRACE", "60s").spawn().unwrap();
    let mut errors = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    errors.find(|line| line.contains("it is waited for")).expect("it says that it waits");
    konektor.runtime.block_on(other.close());
    drop(other);
    let begun = BufReader::new(child.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let (url, also) = begun.strip_prefix("webhooks on ").unwrap().split_once(' ').unwrap();
    assert!(url.starts_with("http://127.0.0.1:") && also == "(and on every other address of this machine)", "{begun}");
    drop(errors);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_source_that_is_not_there_is_said_and_not_taken_for_an_empty_list() {
    let bridge = Served::start();
    for command in [
        &["events", "list", "--source", "gogle"][..],
        &["withheld", "list", "--source", "gogle", "--json"],
        &["dead-letters", "list", "--source", "gogle"],
        &["backfill", "gogle", "--since", "2d"],
    ] {
        let said = bridge.run(command).failed(64);
        assert!(said.contains("there is no source `gogle`, did you mean `google`?"), "{said}");
    }
    let moved = bridge.run(&["dead-letters", "replay", "--source", "gogle"]);
    assert!(moved.code == 64 && moved.err.contains("did you mean `google`?"), "{moved:?}");
    for command in [
        &["events", "list", "--source", "meta"][..],
        &["events", "list", "--state", "dead"],
        &["withheld", "list", "--since", "1h"],
        &["dead-letters", "list", "--lead", "google:lead:1"],
    ] {
        assert_eq!(bridge.run(command).done(), "nothing matches\n");
    }
    assert_eq!(bridge.run(&["dead-letters", "replay", "--source", "google"]).out, "0 put back\n");
}

/// One answer on a connection that stays open: its head, without the body.
fn one_answer(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line == "\r\n" {
            break;
        }
        let line = line.to_lowercase();
        length = line.strip_prefix("content-length: ").map_or(length, |length| length.trim().parse().unwrap());
        head.push_str(&line);
    }
    stream.read_exact(&mut vec![0; length]).ok()?;
    Some(head)
}

#[test]
fn a_bridge_that_is_told_to_stop_says_so_to_those_who_have_a_connection() {
    let mut bridge = Served::start();
    let connect = || BufReader::new(TcpStream::connect(bridge.public().strip_prefix("http://").unwrap()).unwrap());
    let (mut busy, mut idle) = (connect(), connect());
    let post = |stream: &mut BufReader<TcpStream>| {
        stream.get_mut().write_all(b"POST /hooks/form HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\n{}").unwrap();
        one_answer(stream)
    };
    for stream in [&mut busy, &mut idle] {
        assert!(post(stream).unwrap().starts_with("http/1.1 401 "));
    }
    let told = Command::new("kill").args(["-TERM", &bridge.child.id().to_string()]).status().unwrap();
    assert!(told.success());
    let stopping = loop {
        let answer = post(&mut busy).expect("it is answered, not cut off");
        if !answer.starts_with("http/1.1 401 ") {
            break answer;
        }
    };
    assert!(stopping.starts_with("http/1.1 503 "), "{stopping}");
    assert!(stopping.contains("\nretry-after: ") && stopping.contains("\nconnection: close\r\n"), "{stopping}");
    assert!(one_answer(&mut busy).is_none(), "the connection is closed behind it");
    // The other one has heard nothing yet, and is still there.
    assert!(post(&mut idle).expect("it is answered, not cut off").starts_with("http/1.1 503 "));
    assert_eq!(bridge.child.wait().unwrap().code(), Some(0));
    assert!(TcpStream::connect(bridge.public().strip_prefix("http://").unwrap()).is_err());
}

#[test]
fn the_last_line_of_a_stop_says_what_waits() {
    let mut bridge = Served::start();
    bridge.run(&["pause"]).done();
    for _ in 0..2 {
        bridge.run(&["send", "google"]).done();
    }
    let is_stopped = |line: &Value| line["message"].as_str().unwrap().starts_with("stopped");
    assert!(!bridge.log().iter().any(is_stopped));
    assert_eq!(bridge.end(), Some(0));
    let log = bridge.log();
    let last = log.last().unwrap();
    assert!(is_stopped(last), "{log:#?}");
    // It may have been stopped before they were sorted.
    assert_eq!(last["webhooks"].as_u64().unwrap() + last["events"].as_u64().unwrap(), 2, "{last}");
}

#[test]
fn a_lead_that_is_sent_is_listed_shown_and_in_konektor_and_the_bridge_stops_when_told() {
    let bridge = Served::start();
    bridge.run(&["healthcheck"]).done();
    assert!(bridge.run(&["send", "google", "--seed", "7"]).done().starts_with("200 in "));
    let event = bridge.event(&["events", "list", "--source", "google", "--json"], "delivered");
    let id = event["id"].as_str().unwrap();
    let lead = &bridge.konektor.leads()[0];
    assert_eq!((&event["leadId"], &event["externalRef"]), (&lead["id"], &lead["externalRef"]));
    assert!(bridge.run(&["events", "list"]).done().contains(id));
    assert!(bridge.run(&["events", "show", id]).done().contains("create 201"));
    assert_eq!(bridge.run(&["events", "show", id, "--json"]).json()["event"]["id"], id);
    assert!(bridge.run(&["events", "show", &"0".repeat(32)]).failed(1).contains("no such event"));
    assert!(bridge.run(&["events", "show", "x"]).failed(64).contains("32 characters"));
    assert!(bridge.run(&["dead-letters", "list"]).done().contains("no dead letters"));
    assert_eq!(bridge.stop(), Some(0));
}

#[test]
fn what_came_of_a_request_is_found_by_the_id_that_its_sender_got() {
    let bridge = Served::start();
    bridge.run(&["send", "google", "--seed", "1"]).done();
    bridge.event(&["events", "list", "--json"], "delivered");
    let said = bridge.run(&["send", "google", "--seed", "2"]).done();
    let request = said.split_once("  request ").unwrap().1.split_whitespace().next().unwrap().to_owned();
    let advised = format!("konektor-bridge events list --request {request}\n");
    assert!(said.ends_with(&advised), "{said}");
    let of_request = ["events", "list", "--request", &request, "--json"];
    let event = bridge.event(&of_request, "delivered");
    assert_eq!(event["requestId"], request.as_str());
    assert_eq!(bridge.run(&["events", "show", &request, "--json"]).json()["event"], event);

    let again = bridge.run(&["send", "google", "--seed", "2"]).done();
    let known = again.split_once("  request ").unwrap().1.split_whitespace().next().unwrap();
    assert!(bridge.run(&["events", "list", "--request", known]).done().contains("may have been known already"));
    assert!(bridge.run(&["events", "show", known]).failed(1).contains("may have been known already"));

    let batch = bridge.run(&["send", "form", "--count", "2"]).done();
    assert!(batch.ends_with("konektor-bridge events list --source form\n"), "{batch}");
}

#[test]
fn a_running_bridge_is_asked_whatever_stands_in_the_file_of_sources() {
    let bridge = Served::start();
    let file = bridge.directory.path().join("config/bridge.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(&file, "[sources.shop\n").unwrap();
    for command in [
        &["healthcheck"][..],
        &["dead-letters", "list"],
        &["withheld", "list"],
        &["events", "list"],
        &["pause"],
        &["resume"],
        &["stats"],
        &["incidents", "list"],
        &["check", "--store"],
    ] {
        bridge.run(command).done();
    }
    let shown = bridge.run(&["config"]);
    assert!(
        shown.code == 64 && shown.out.contains("BRIDGE_LISTEN") && shown.err.contains("bridge.toml:1"),
        "{shown:?}"
    );
    std::fs::remove_file(&file).unwrap();
    assert_eq!(bridge.stop(), Some(0));
}

#[test]
fn a_test_lead_is_withheld_until_a_person_releases_it_and_a_pause_keeps_it_waiting() {
    let bridge = Served::start();
    bridge.run(&["send", "google", "--kind", "test"]).done();
    let list = ["withheld", "list", "--json"];
    let id = bridge.event(&list, "withheld")["id"].as_str().unwrap().to_owned();
    assert!(bridge.run(&["pause"]).done().contains("not called"));
    assert_eq!(bridge.run(&["withheld", "release", &id]).done(), "1 released\n");
    let again = bridge.run(&["withheld", "release", &id]);
    assert_eq!((again.code, again.out.as_str()), (1, "0 released\n"), "it is not withheld any more");
    assert_eq!(bridge.event(&["events", "list", "--json"], "pending")["id"], id.as_str());
    assert!(bridge.run(&["resume"]).done().contains("is called"));
    bridge.event(&["events", "list", "--json"], "delivered");
    assert_eq!(bridge.konektor.leads().len(), 1);
}

#[test]
fn a_forgery_sent_on_purpose_is_refused_and_that_is_as_it_should_be() {
    let bridge = Served::start();
    assert!(bridge.run(&["send", "google", "--kind", "tampered"]).done().starts_with("401 in "));
    let mut with_another_key = Vec::new();
    with_another_key.clone_from(&bridge.variables);
    with_another_key[5].1 = "another-key-0123456".to_owned();
    let variables: Vec<_> = with_another_key.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let ran = run(&variables, &["send", "google"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("other secrets"), "{ran:?}");
}

#[test]
fn what_a_sample_is_not_is_said() {
    let bridge = Served::start();
    let google = |kind: &str| bridge.run(&["send", "google", "--kind", kind, "--seed", "9"]);
    assert!(google("tampered").done().contains("changed: the body\n"));
    assert!(google("batch").done().contains("sends each lead in a webhook of its own"));
    assert!(google("stale").done().contains("this sender's webhooks have no age limit here"));
    assert!(google("update").done().contains("this sender has no updates"));
    let form = bridge.run(&["send", "form", "--kind", "update", "--seed", "9"]).done();
    assert!(!form.contains("no updates"), "{form}");
}

#[test]
fn no_test_is_sent_in_the_name_of_a_sender_that_marks_none() {
    let bridge = Served::start();
    let said = bridge.run(&["send", "form", "--kind", "test"]).failed(64);
    assert!(said.contains("marks no tests"), "{said}");
    assert!(bridge.run(&["events", "list"]).done().contains("nothing has come in"));
}

#[test]
fn a_check_of_the_store_asks_the_bridge_that_uses_it_and_else_opens_it() {
    let mut bridge = Served::start();
    bridge.run(&["send", "form"]).done();
    bridge.event(&["events", "list", "--json"], "delivered");
    let asked = bridge.run(&["check", "--store"]).done();
    assert!(asked.contains("asked of the bridge") && asked.contains("all agree"), "{asked}");
    assert_eq!(bridge.end(), Some(0));
    let opened = bridge.run(&["check", "--store"]).done();
    assert!(opened.contains("opened here") && opened.contains("1 leads and 1 events"), "{opened}");

    let file = rusqlite::Connection::open(bridge.directory.path().join("data/store.db")).unwrap();
    file.execute("UPDATE event SET lane = 99", []).unwrap();
    drop(file);
    let ran = bridge.run(&["check", "--store", "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let findings: Value = serde_json::from_str(&ran.out).unwrap();
    let of: Vec<_> = findings.as_array().unwrap().iter().map(|line| line["of"].as_str().unwrap()).collect();
    assert_eq!(of, ["store", "event"], "{findings}");
    let none = run(&[], &["check", "--store"]).done();
    assert!(none.contains("none yet"), "{none}");
}

#[test]
fn a_check_beside_a_running_bridge_finds_all_well_and_a_wrong_key_fails() {
    let bridge = Served::start();
    let findings = bridge.run(&["check", "--json"]).json();
    let of = |what: &str| findings.as_array().unwrap().iter().find(|line| line["of"] == what).unwrap().clone();
    assert!(of("store")["says"].as_str().unwrap().contains("running bridge"), "{findings}");
    for what in ["settings", "source", "key", "rate limit", "plan", "clock"] {
        assert_eq!(of(what)["level"], "ok", "{findings}");
    }
    let variables = [("KONEKTOR_API_KEY", "kk_wrong"), ("KONEKTOR_BASE_URL", &bridge.konektor.sandbox.url())];
    let ran = run(&variables, &["check"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.lines().any(|line| line.starts_with("fail  key") && line.contains("KONEKTOR_API_KEY")), "{ran:?}");
}

#[test]
fn the_search_is_measured_only_for_who_wants_leads_made_and_says_which_to_delete() {
    let konektor = Konektor::start();
    let url = konektor.sandbox.url();
    let variables = [("KONEKTOR_API_KEY", DEFAULT_KEY), ("KONEKTOR_BASE_URL", url.as_str())];
    let said = run(&variables, &["check", "--measure-search"]).failed(64);
    assert!(said.contains("--create-leads") && konektor.leads().is_empty(), "{said}");
    assert_eq!(run(&variables, &["check", "--create-leads"]).code, 64, "it belongs to the other");
    let measured = run(&variables, &["check", "--measure-search", "--create-leads", "--rounds", "2"]).done();
    let leads = konektor.leads();
    assert_eq!(leads.len(), 2, "{measured}");
    for lead in leads {
        assert_eq!(lead["firstName"], "DELETE ME");
        assert!(measured.contains(lead["id"].as_str().unwrap()), "{measured}");
    }
    for told in ["min ", "median ", "max ", "KONEKTOR_SEARCH_WITHIN", "delete by hand"] {
        assert!(measured.contains(told), "{told}: {measured}");
    }
    let json = run(&variables, &["check", "--measure-search", "--create-leads", "--rounds", "1", "--json"]).json();
    assert_eq!((json["millis"].as_array().unwrap().len(), &json["suggested_s"]), (1, &Value::from(15)), "{json}");
}

#[test]
fn stats_say_what_waits_and_what_konektor_takes_today() {
    let bridge = Served::start();
    bridge.run(&["send", "google"]).done();
    bridge.event(&["events", "list", "--json"], "delivered");
    let said = bridge.run(&["stats"]).done();
    for told in ["leads that wait", "1 delivered", "today      1 of 500 leads made"] {
        assert!(said.to_lowercase().contains(told), "{told}: {said}");
    }
    assert_eq!(bridge.run(&["stats", "--json"]).json()["day"]["state"], "open");
    assert!(bridge.run(&["incidents", "list"]).done().contains("no lead is known"));
    assert_eq!(bridge.run(&["incidents", "list", "--json"]).json(), Value::Array(Vec::new()));
    assert_eq!(bridge.run(&["incidents", "dismiss", "--all"]).out, "0 dismissed\n");
    assert_eq!(bridge.run(&["incidents", "dismiss"]).code, 64, "which?");
}
