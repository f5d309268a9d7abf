//! What people do in the sandbox's place of a dashboard: workspaces, keys, made-up leads, tickets.

use std::process::Command;

use jiff::Timestamp;
use konektor_bridge::sandbox::{self, Database, Seeding, Workspace};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{START, TestSandbox, body, header, named};

impl TestSandbox {
    async fn put(&self, path: &str, settings: Value) -> Response {
        self.bare(Method::PUT, &format!("/sandbox/{path}")).json(&settings).send().await.unwrap()
    }

    /// A list of leads with the key `token`.
    async fn list_as(&self, token: &str) -> Response {
        self.bare(Method::GET, "/api/v2/agent/leads").bearer_auth(token).send().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_with_a_key_can_be_made_while_it_runs() {
    let sandbox = TestSandbox::start();
    assert_eq!(sandbox.list_as("kk_new").await.status(), 401);
    assert_eq!(sandbox.put("workspaces/second", json!({"plan": "starter", "displayName": "Dua"})).await.status(), 200);
    let made = sandbox.put("keys/kk_new", json!({"workspace": "second", "scopes": ["agent.leads.read"]})).await;
    assert_eq!(body(made).await["scopes"], json!(["agent.leads.read"]));
    sandbox.created(named("of the first")).await;
    let answer = sandbox.list_as("kk_new").await;
    assert_eq!(header(&answer, "x-ratelimit-limit").as_deref(), Some("60"));
    assert_eq!(body(answer).await["pagination"]["total"], 0);
    let create = sandbox.bare(Method::POST, "/api/v2/agent/leads").bearer_auth("kk_new").json(&named("A"));
    assert_eq!(create.send().await.unwrap().status(), 403);

    let all = body(sandbox.bare(Method::GET, "/sandbox/workspaces").send().await.unwrap()).await;
    assert_eq!(
        (&all[1]["name"], &all[1]["displayName"], &all[1]["timezone"]),
        (&json!("second"), &json!("Dua"), &json!("Asia/Jakarta"))
    );
    assert_eq!(all[1]["keys"][0]["token"], "kk_new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_can_change_and_end_and_what_was_used_stays_used() {
    let sandbox = TestSandbox::start();
    sandbox.created(named("A")).await;
    sandbox.put("workspaces/toko-budi", json!({"plan": "enterprise"})).await;
    let answer = sandbox.call(Method::GET, "workspace").send().await.unwrap();
    assert_eq!(header(&answer, "x-ratelimit-remaining").as_deref(), Some("598"));
    assert_eq!(body(answer).await["data"]["subscription"]["plan"], "enterprise");

    sandbox.put("workspaces/toko-budi", json!({"active": false})).await;
    let refused = sandbox.call(Method::GET, "leads").send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert_eq!(body(refused).await["error"]["message"], "Your plan does not support the Agent API");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_revoked_expire_and_lose_scopes() {
    let sandbox = TestSandbox::start();
    sandbox.put("keys/kk_2", json!({})).await;
    assert_eq!(sandbox.list_as("kk_2").await.status(), 200);
    sandbox.put("keys/kk_2", json!({"scopes": ["agent.support.write"]})).await;
    assert_eq!(sandbox.list_as("kk_2").await.status(), 403);
    sandbox.put("keys/kk_2", json!({"revoked": true})).await;
    assert_eq!(body(sandbox.list_as("kk_2").await).await["error"]["message"], "API key has been revoked");
    sandbox.put("keys/kk_2", json!({"revoked": false, "expiresAt": "2026-11-23T16:06:40Z"})).await;
    assert_eq!(body(sandbox.list_as("kk_2").await).await["error"]["message"], "API key has expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_set_is_refused_and_changes_nothing() {
    let sandbox = TestSandbox::start();
    for (path, settings, status) in [
        ("workspaces/toko-budi", json!({"plan": "gold"}), 400),
        ("workspaces/toko-budi", json!({"timezone": "Mars/Olympus"}), 400),
        ("workspaces/toko-budi", json!({"plans": "pro"}), 400),
        ("workspaces/toko-budi", json!({"subscriber": {"url": "ftp://x", "secret": "s"}}), 400),
        ("keys/kk_2", json!({"scopes": ["agent.everything"]}), 400),
        ("keys/kk_2", json!({"workspace": "nowhere"}), 404),
    ] {
        let answer = sandbox.put(path, settings.clone()).await;
        assert_eq!(answer.status(), status, "{settings}");
        assert!(body(answer).await["error"].is_string());
    }
    assert_eq!(sandbox.list_as("kk_2").await.status(), 401);
    assert_eq!(sandbox.created(named("A")).await.len(), 17);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_workspaces_and_keys_and_the_settings_of_the_start_win() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.db");
    let start = || TestSandbox::with(|settings| settings.database = Database::File(path.clone()));
    let sandbox = start();
    sandbox.put("workspaces/toko-budi", json!({"plan": "starter"})).await;
    sandbox.put("workspaces/second", json!({"plan": "starter"})).await;
    sandbox.put("keys/kk_2", json!({"workspace": "second"})).await;
    sandbox.running.stop().await;

    let sandbox = start();
    let limit = |answer: &Response| header(answer, "x-ratelimit-limit");
    assert_eq!(limit(&sandbox.list_as("kk_2").await).as_deref(), Some("60"));
    assert_eq!(limit(&sandbox.call(Method::GET, "leads").send().await.unwrap()).as_deref(), Some("200"));
    sandbox.bare(Method::POST, "/sandbox/reset").send().await.unwrap();
    assert_eq!(sandbox.list_as("kk_2").await.status(), 401, "a reset forgets what was not there at the start");
}

#[tokio::test(flavor = "multi_thread")]
async fn made_up_leads_fill_an_empty_workspace_only_and_stand_in_no_ledger() {
    let sandbox = TestSandbox::start();
    let fill = || sandbox.bare(Method::POST, "/sandbox/seed").json(&json!({"leads": 30, "seed": 7})).send();
    assert_eq!(body(fill().await.unwrap()).await, json!({"leads": 30}));
    assert_eq!(fill().await.unwrap().status(), 409);
    assert_eq!(sandbox.list(&[]).await["pagination"]["total"], 30);
    assert_eq!(sandbox.ledger().await.entries, []);
    let newest = sandbox.list(&[("limit", "1")]).await["data"][0].take();
    assert!(newest["createdAt"].as_str() < Some("2026-11-22T17:00:00.000Z"), "before today");

    let again = TestSandbox::with(|settings| {
        settings.seed = 0;
        settings.seeding = Some(Seeding { leads: 30, seed: 7, ..Seeding::default() });
    });
    assert_eq!(again.list(&[("limit", "1")]).await["data"][0], newest);
    let found = again.found(&[("search", newest["phone"].as_str().unwrap())]).await;
    assert_eq!(found, [newest["firstName"].as_str().unwrap()], "they are searched like others");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_seeded_by_the_command_line_once_and_then_served() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.db");
    let seed = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_konektor-bridge"));
        command.args(["sandbox", "seed", "--leads", "25", "--days", "10", "--database"]).arg(&path).output().unwrap()
    };
    let first = seed();
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    assert!(String::from_utf8_lossy(&first.stdout).contains("has 25 leads of the last 10 days"));
    let second = seed();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&second.stderr).contains("has leads already"));

    let sandbox = TestSandbox::with(|settings| settings.database = Database::File(path.clone()));
    assert_eq!(sandbox.list(&[]).await["pagination"]["total"], 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_process_puts_into_the_file_is_listed() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::File(folder.path().join("sandbox.db"));
    let sandbox = TestSandbox::with(|settings| settings.database = database.clone());
    assert_eq!(sandbox.list(&[]).await["pagination"]["total"], 0);
    let seeding = Seeding { leads: 12, ..Seeding::default() };
    sandbox::seed(&database, &Workspace::default(), seeding, Timestamp::from_second(START).unwrap()).unwrap();
    assert_eq!(sandbox.list(&[]).await["pagination"]["total"], 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_is_taken_and_shown_to_people() {
    let sandbox = TestSandbox::start();
    let file = |ticket: Value| sandbox.call(Method::POST, "support/tickets").json(&ticket).send();
    let answer = file(json!({"subject": "Pixel", "message": "Berhenti sejak kemarin"})).await.unwrap();
    assert_eq!(answer.status(), 201);
    let ticket = body(answer).await["data"].take();
    assert_eq!((&ticket["status"], &ticket["priority"]), (&json!("new"), &json!("normal")));
    assert_eq!(ticket["createdAt"], "2026-11-23T16:06:40.000Z");
    let refused = file(json!({"subject": "ab"})).await.unwrap();
    let details = body(refused).await["error"]["details"].take();
    assert_eq!(details, json!({"message": "Required", "subject": "String must contain at least 3 character(s)"}));

    let shown = body(sandbox.bare(Method::GET, "/sandbox/tickets").send().await.unwrap()).await;
    assert_eq!(shown.as_array().unwrap().len(), 1);
    assert_eq!(
        (&shown[0]["ticketRef"], &shown[0]["message"]),
        (&ticket["ticketRef"], &json!("Berhenti sejak kemarin"))
    );
    assert_eq!(shown[0]["workspace"], "toko-budi");
}
