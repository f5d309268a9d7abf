//! The commands of `api`, and `check`, as a person or a script runs them, against the sandbox.

use std::collections::HashSet;
use std::path::Path;
use std::process::Stdio;

use konektor_bridge::sandbox::{DEFAULT_KEY, Key, Running, Scope, Seeding};
use serde_json::Value;
use strum::VariantArray;
use tempfile::TempDir;

use super::fake::{Fake, answer, gives};
use crate::cli::{Ran, command};

/// A key that may read leads and nothing else.
const READER: &str = "kk_reader";

/// A Konektor, and a directory to run commands in.
struct Shell {
    konektor: Running,
    directory: TempDir,
}

impl Shell {
    /// With so many made-up leads.
    fn with(leads: u32) -> Self {
        let konektor = super::sandbox(|settings| {
            settings.seeding = Some(Seeding { leads, ..Seeding::default() });
            let reader = Key { token: READER.into(), scopes: vec![Scope::LeadsRead], ..Key::default() };
            settings.workspaces[0].keys.push(reader);
        });
        Self { konektor, directory: TempDir::new().unwrap() }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with_key(DEFAULT_KEY, arguments)
    }

    fn run_with_key(&self, key: &str, arguments: &[&str]) -> Ran {
        // A proxy that leads nowhere: what is on this machine is asked directly.
        let url = self.konektor.url();
        let variables =
            [("KONEKTOR_BASE_URL", url.as_str()), ("KONEKTOR_API_KEY", key), ("HTTP_PROXY", "http://127.0.0.1:1")];
        Ran::of(command(self.path(), &variables, arguments).output().unwrap())
    }
}

/// Runs `api` with these arguments against answers that are made up.
fn told(script: impl IntoIterator<Item = Vec<u8>>, arguments: &[&str]) -> Ran {
    let (fake, directory) = (Fake::start(script), TempDir::new().unwrap());
    let variables = [("KONEKTOR_BASE_URL", fake.url.as_str()), ("KONEKTOR_API_KEY", DEFAULT_KEY)];
    Ran::of(command(directory.path(), &variables, &[&["api"], arguments].concat()).output().unwrap())
}

const WORKSPACE: &str =
    r#"{"timezone":"Asia/Jakarta","currency":"IDR","language":"id","dateFormat":"DD/MM/YYYY","moon":"full"}"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_made_changed_shown_and_listed() {
    let shell = Shell::with(0);
    let made = ["api", "leads", "create", "--first-name", "Siti", "--phone", "+6281200010002", "--source", "phone"];
    let made =
        shell.run(&[&made[..], &["--external-ref", "shop:1", "--estimated-value", "5000000", "--json"]].concat());
    let made = made.json();
    let id = made["id"].as_str().unwrap();
    let updated = shell.run(&["api", "leads", "update", id, "--status", "contacted", "--notes", "Called\nback"]);
    assert!(updated.done().contains("contacted"));
    let shown = shell.run(&["api", "leads", "get", id]).done();
    for told in [id, "Siti", "+6281200010002", "Rp 5.000.000", "contacted", "Asia/Jakarta", "Called\n"] {
        assert!(shown.contains(told), "{told}: {shown}");
    }
    assert_eq!(shell.run(&["api", "leads", "get", id, "--json"]).json()["estimatedValue"], 5_000_000);
    let listed = shell.run(&["api", "leads", "list", "--search", "shop:1"]).done();
    assert!(listed.lines().nth(1).unwrap().starts_with(id), "{listed}");
    assert!(shell.run(&["api", "leads", "list", "--status", "won"]).done().contains("no such leads"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_says_how_it_goes_on() {
    let shell = Shell::with(5);
    let first = shell.run(&["api", "leads", "list", "--limit", "3", "--json"]);
    let cursor = first.err.split_once("--cursor ").unwrap().1.split(' ').next().unwrap().to_owned();
    assert!(first.err.contains("3 of 5 shown"), "{}", first.err);
    let rest = shell.run(&["api", "leads", "list", "--cursor", &cursor, "--json"]);
    assert_eq!(rest.err, "");
    let ids = |list: Value| list.as_array().unwrap().iter().map(|lead| lead["id"].to_string()).collect::<Vec<_>>();
    let all: HashSet<_> = ids(first.json()).into_iter().chain(ids(rest.json())).collect();
    assert_eq!(all.len(), 5);
    assert_eq!(ids(shell.run(&["api", "leads", "list", "--limit", "3", "--page", "2", "--json"]).json()).len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_lead_once_and_appears_when_it_is_complete() {
    let shell = Shell::with(250);
    let ran = shell.run(&["api", "leads", "export", "leads.csv"]);
    assert_eq!(
        (ran.code, ran.out.as_str(), ran.err.as_str()),
        (0, "", "250 leads written\n"),
        "no bar without a terminal"
    );
    let csv = std::fs::read(shell.path().join("leads.csv")).unwrap();
    let mut rows = csv::Reader::from_reader(&csv[..]);
    assert_eq!(rows.headers().unwrap().len(), 17);
    let ids: HashSet<_> = rows.records().map(|row| row.unwrap()[0].to_owned()).collect();
    assert_eq!(ids.len(), 250);
    let again = shell.run(&["api", "leads", "export", "leads.csv"]).failed(64);
    assert!(again.contains("--force"), "{again}");
    shell.run(&["api", "leads", "export", "leads.csv", "--force", "--source", "ads"]).done();
    assert!(std::fs::read(shell.path().join("leads.csv")).unwrap().len() < csv.len());

    let lines = shell.run(&["api", "leads", "export", "--format", "jsonl"]).done();
    let leads: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let same: HashSet<_> = leads.iter().map(|lead| lead["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!((leads.len(), same), (250, ids));
}

#[test]
fn an_export_that_fails_leaves_nothing_behind() {
    let page = |leads: &str, next: &str| {
        answer(200, &[], &format!(r#"{{"data":[{leads}],"pagination":{{"total":9,"nextCursor":{next}}}}}"#))
    };
    let fake = Fake::start([page(r#"{"id":"1"}"#, r#""x""#), answer(401, &[], "")]);
    let directory = TempDir::new().unwrap();
    let variables = [("KONEKTOR_BASE_URL", fake.url.as_str()), ("KONEKTOR_API_KEY", DEFAULT_KEY)];
    let ran = Ran::of(command(directory.path(), &variables, &["api", "leads", "export", "all.csv"]).output().unwrap());
    assert!(ran.failed(1).contains("API key"));
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_line_of_json_lines_is_one_line_and_otherwise_what_konektor_wrote() {
    let page = "{\"data\":[{\"id\":\"1\",\n  \"notes\": \"a\\nb\", \"estimatedValue\": 0.10, \"moon\": 1}]}";
    let out = told([answer(200, &[], page)], &["leads", "export", "--format", "jsonl"]).done();
    assert_eq!(out, "{\"id\":\"1\",   \"notes\": \"a\\nb\", \"estimatedValue\": 0.10, \"moon\": 1}\n");
}

#[test]
fn a_reader_that_has_enough_ends_an_export_quietly() {
    let fake = Fake::start((0..2).map(|_| {
        let leads: Vec<_> = (0..100).map(|id| format!(r#"{{"id":"{id}","notes":"{}"}}"#, "x".repeat(5000))).collect();
        answer(200, &[], &format!(r#"{{"data":[{}],"pagination":{{"nextCursor":"x"}}}}"#, leads.join(",")))
    }));
    let directory = TempDir::new().unwrap();
    let variables = [("KONEKTOR_BASE_URL", fake.url.as_str()), ("KONEKTOR_API_KEY", DEFAULT_KEY)];
    let mut child = command(directory.path(), &variables, &["api", "leads", "export"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
}

#[test]
fn json_is_what_konektor_wrote_to_the_byte() {
    let data = r#"{"totalLeads": 3,"totalConversionValue":9007199254740993.10,"moon":[ 1 ]}"#;
    assert_eq!(told([gives(data)], &["analytics", "summary", "--json"]).done(), format!("{data}\n"));
    let data = r#"[ {"status":"moon","count":1e2} ]"#;
    assert_eq!(told([gives(data)], &["analytics", "funnel", "--json"]).done(), format!("{data}\n"));
}

#[test]
fn reports_are_told_in_the_language_the_currency_and_the_time_of_the_workspace() {
    let summary = r#"{"totalLeads":1560,"totalConversionValue":45000000,"period":{"from":"2025-01-08T17:00:00.000Z","to":"2025-01-15T17:00:00Z"}}"#;
    let out = told([gives(summary), gives(WORKSPACE)], &["analytics", "summary"]).done();
    for said in ["1.560", "Rp 45.000.000", "09/01/2025 00:00", "Asia/Jakarta"] {
        assert!(out.contains(said), "{said}: {out}");
    }
    let campaigns = r#"[{"campaignName":"Promo \u001b[2J","adPlatform":"moon","leads":1,"conversionValue":12.5}]"#;
    let out = told([gives(campaigns), gives(WORKSPACE)], &["analytics", "campaigns"]).done();
    assert!(out.contains("Rp 12,50") && out.contains("moon") && !out.contains('\u{1b}'), "{out}");
    let unknown = told([gives(campaigns), answer(403, &[], "")], &["analytics", "campaigns"]);
    assert!(unknown.err.contains("agent.workspace.read") && unknown.out.contains("12.50"), "{unknown:?}");
}

#[test]
fn a_funnel_is_drawn_as_bars_and_conversions_say_what_they_mean() {
    let funnel = r#"[{"status":"new","count":42,"percentage":26.92},{"status":"moon","count":21,"percentage":13.46}]"#;
    let out = told([gives(funnel)], &["analytics", "funnel"]).done();
    let bars: Vec<_> = out.lines().map(|line| line.matches('█').count()).collect();
    assert_eq!(bars, [0, 32, 16], "{out}");
    let out = told([gives(r#"{"pending":5,"failed":1}"#)], &["conversions", "status"]).done();
    assert!(out.contains("no platform took them") && !out.contains("synced"), "{out}");
    let pending =
        r#"[{"leadId":"lead_1","conversionSyncStatus":"failed","lastConversionSyncAt":"2025-01-15T12:00:00Z"}]"#;
    let out = told([gives(pending), gives(WORKSPACE)], &["conversions", "pending"]).done();
    assert!(out.contains("lead_1") && out.contains("15/01/2025 19:00"), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn workspace_ticket_and_description_come_from_konektor() {
    let shell = Shell::with(1);
    let workspace = shell.run(&["api", "workspace"]).done();
    assert!(workspace.contains("Toko Budi Online") && workspace.contains("of 500"), "{workspace}");
    let ticket = ["api", "support", "create", "--subject", "Pixel does not fire", "--message", "Since yesterday"];
    assert!(shell.run(&ticket).done().contains("Pixel does not fire"));
    assert!(
        shell.run(&["api", "support", "create", "--subject", "x", "--message", "y"]).failed(64).contains("subject")
    );
    assert!(shell.run_with_key("kk_wrong", &["api", "skill"]).done().starts_with("# "));
    for report in [&["analytics", "summary"][..], &["analytics", "funnel"], &["analytics", "campaigns"]] {
        shell.run(&[&["api"], report, &["--timeframe", "all_time"]].concat()).done();
    }
    shell.run(&["api", "conversions", "status", "--platform", "meta", "--from", "7d"]).done();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_scope_is_named_with_where_to_give_it() {
    let shell = Shell::with(1);
    for (arguments, scope) in [
        (&["leads", "create", "--first-name", "Siti"][..], "agent.leads.write"),
        (&["analytics", "funnel"], "agent.analytics.read"),
        (&["conversions", "pending"], "agent.conversions.read"),
        (&["workspace"], "agent.workspace.read"),
        (&["support", "create", "--subject", "xyz", "--message", "y"], "agent.support.write"),
    ] {
        let said = shell.run_with_key(READER, &[&["api"], arguments].concat()).failed(1);
        assert!(said.contains(scope) && said.contains("Workspace Settings, API Keys"), "{said}");
    }
    shell.run_with_key(READER, &["api", "leads", "list"]).done();
}

#[test]
fn what_is_wrong_with_the_call_is_64_and_what_konektor_did_not_do_is_1() {
    for wrong in [
        &["leads", "list", "--status", "moon"][..],
        &["leads", "list", "--limit", "101"],
        &["leads", "create", "--first-name", "x", "--actual-value", "Rp 5"],
        &["analytics", "summary", "--timeframe", "today", "--from", "3d"],
        &["leads", "update", "lead_1"],
        &["leads", "update", ".", "--status", "lost"],
    ] {
        assert_eq!(told([], wrong).code, 64, "{wrong:?}");
    }
    let invalid =
        r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"x","details":{"email":"Invalid email"}}}"#;
    let create = ["leads", "create", "--first-name", "Siti"];
    for none in ["", "."] {
        let said = told([], &["leads", "get", none]).failed(64);
        assert!(said.contains("such as lead_abc123"), "{said}");
    }
    assert!(told([answer(400, &[], invalid)], &create).failed(64).contains("email: Invalid email"));
    let unclear = told([answer(502, &[("x-request-id", "abc")], "")], &create).failed(1);
    assert!(unclear.contains("may have been done") && unclear.contains("abc"), "{unclear}");
    assert!(told([answer(404, &[], "")], &["workspace"]).failed(64).contains("KONEKTOR_BASE_URL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_the_workspace_s_and_not_this_machine_s() {
    let shell = Shell::with(0);
    // Jakarta's midnight, seven hours before that of UTC, is where this day begins.
    let shown = shell.run(&["api", "analytics", "summary", "--from", "2026-11-20", "--to", "2026-11-21"]).done();
    assert!(shown.contains("20/11/2026 00:00 – 21/11/2026 00:00 (Asia/Jakarta)"), "{shown}");
    let told = shell.run_with_key(READER, &["api", "leads", "list", "--created-from", "2026-11-20", "--json"]);
    assert!(told.code == 0 && told.err.contains("days begin as on this machine"), "{}", told.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_ends_before_it_begins_is_refused() {
    let shell = Shell::with(0);
    for arguments in [
        ["api", "analytics", "funnel", "--from", "1d", "--to", "3d"],
        ["api", "leads", "list", "--created-from", "2026-11-21", "--created-to", "2026-11-20"],
    ] {
        let said = shell.run(&arguments).failed(64);
        assert!(said.contains("is later than"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_what_its_name_says() {
    let shell = Shell::with(1);
    let said = shell.run(&["api", "leads", "export", "leads.xlsx"]).failed(64);
    assert!(said.contains(".csv or .jsonl, not .xlsx"), "{said}");
    assert!(!shell.path().join("leads.xlsx").exists());
    shell.run(&["api", "leads", "export", "leads.txt", "--format", "csv"]);
    assert!(std::fs::read_to_string(shell.path().join("leads.txt")).unwrap().starts_with("id,"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_names_every_scope_and_costs_a_few_calls() {
    let shell = Shell::with(10);
    let findings = |key: &str| {
        let out = shell.run_with_key(key, &["check", "--json"]).out;
        serde_json::from_str::<Vec<Value>>(&out).unwrap()
    };
    let of = |findings: &[Value], what: &str| -> Vec<String> {
        let found = findings.iter().filter(|finding| finding["of"] == what);
        found
            .map(|finding| format!("{}: {}", finding["level"].as_str().unwrap(), finding["says"].as_str().unwrap()))
            .collect()
    };
    let before = calls(&shell).await;
    let all = findings(DEFAULT_KEY);
    assert_eq!(calls(&shell).await - before, 6);
    let [scopes] = of(&all, "scopes").try_into().unwrap();
    for scope in konektor_bridge::konektor::Scope::VARIANTS {
        assert!(scopes.starts_with("ok: ") && scopes.contains(&scope.to_string()), "{scopes}");
    }
    assert!(of(&all, "plan")[1].contains("paid until") && of(&all, "leads")[0].contains("of 500"), "{all:?}");
    assert!(!of(&all, "ads").is_empty(), "{all:?}");
    assert_eq!(shell.konektor_leads().await, 10, "asking whether a key may write writes nothing");

    let little = of(&findings(READER), "scopes");
    assert_eq!(little[0], "ok: agent.leads.read");
    assert!(little[1].starts_with("fail: agent.leads.write") && little[1].contains("Workspace Settings"), "{little:?}");
    assert_eq!(little.len(), 6);
}

async fn get(url: String) -> Value {
    reqwest::Client::builder()
        .timeout(std::time::Duration::from_secs(10))
        .build()
        .unwrap()
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

/// How many calls the sandbox has answered.
async fn calls(shell: &Shell) -> u64 {
    let ledger = get(format!("{}/sandbox/ledger", shell.konektor.url())).await;
    ledger["calls"]["total"].as_u64().unwrap()
}

impl Shell {
    async fn konektor_leads(&self) -> usize {
        get(format!("{}/sandbox/leads?limit=1000", self.konektor.url())).await.as_array().unwrap().len()
    }
}
