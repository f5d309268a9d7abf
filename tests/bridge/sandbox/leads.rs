//! One lead at a time: create, get, update, delete, the workspace.

use konektor_bridge::sandbox::{Database, Deed, Key, Plan, Workspace};
use reqwest::Method;
use serde_json::{Value, json};

use super::{START, TestSandbox, body, header, named};

fn everything() -> Value {
    json!({
        "firstName": "Budi", "lastName": "Santoso", "email": "budi@example.com", "phone": "+6281234567890",
        "status": "hot", "priority": "high", "source": "ads", "adPlatform": "meta", "notes": "Rumah tipe 45",
        "uniqueCode": "KNK-001", "externalRef": "meta:leadgen:1", "assignedTo": "6f1c0b7e-0000-4000-8000-00000000000a",
        "estimatedValue": 5_000_000, "actualValue": 12.5, "nickname": "ignored",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_answers_201_with_what_the_lead_has() {
    let sandbox = TestSandbox::start();
    let lead = json!({"firstName": "Andi", "email": "andi@example.com", "status": "new", "source": "ads", "adPlatform": "meta"});
    let answer = sandbox.create(&lead).await;
    assert_eq!(answer.status(), 201);
    let mut body = body(answer).await;
    let id = body["data"]["id"].take();
    let code = body["data"]["uniqueCode"].take();
    let expected = concat!(
        r#"{"success":true,"data":{"id":null,"uniqueCode":null,"firstName":"Andi","email":"andi@example.com","#,
        r#""status":"new","priority":"medium","source":"ads","adPlatform":"meta","#,
        r#""createdAt":"2026-11-23T16:06:40.000Z","updatedAt":"2026-11-23T16:06:40.000Z"}}"#,
    );
    assert_eq!(body.to_string(), expected);
    let id = id.as_str().unwrap().strip_prefix("lead_").unwrap();
    assert!(id.len() == 12 && id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()), "{id}");
    let code = code.as_str().unwrap().strip_prefix("API_").unwrap();
    assert!(code.len() == 8 && code.bytes().all(|b| b.is_ascii_hexdigit()), "{code}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_shown_with_its_nulls_and_without_its_external_ref() {
    let sandbox = TestSandbox::start();
    let id = sandbox.created(json!({"firstName": "A", "uniqueCode": "U", "externalRef": "x"})).await;
    let expected = format!(
        concat!(
            r#"{{"id":"{}","uniqueCode":"U","firstName":"A","lastName":null,"email":null,"phone":null,"status":"new","#,
            r#""priority":"medium","source":null,"adPlatform":null,"assignedTo":null,"estimatedValue":null,"#,
            r#""actualValue":null,"notes":null,"createdAt":"2026-11-23T16:06:40.000Z","#,
            r#""updatedAt":"2026-11-23T16:06:40.000Z"}}"#,
        ),
        id
    );
    assert_eq!(body(sandbox.get(&id).await).await["data"].to_string(), expected);
    assert_eq!(sandbox.list(&[]).await["data"][0].to_string(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn external_ref_is_shown_everywhere_when_it_is_switched_on() {
    let sandbox = TestSandbox::with(|settings| settings.show_external_ref = true);
    let created = body(sandbox.create(&everything()).await).await;
    assert_eq!(created["data"]["externalRef"], "meta:leadgen:1");
    let id = created["data"]["id"].as_str().unwrap();
    assert_eq!(body(sandbox.get(id).await).await["data"]["externalRef"], "meta:leadgen:1");
    assert_eq!(sandbox.list(&[]).await["data"][0]["externalRef"], "meta:leadgen:1");
    let updated = body(sandbox.update(id, &json!({"externalRef": "y"})).await).await;
    assert_eq!(updated["data"]["externalRef"], "y");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_is_kept_as_it_was_sent() {
    let sandbox = TestSandbox::with(|settings| settings.show_external_ref = true);
    let id = sandbox.created(everything()).await;
    let kept = body(sandbox.get(&id).await).await;
    for (field, value) in everything().as_object().unwrap() {
        match field.as_str() {
            "nickname" => assert_eq!(kept["data"].get(field), None),
            _ => assert_eq!(&kept["data"][field], value, "{field}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_answers_200_with_what_was_sent() {
    let sandbox = TestSandbox::start();
    let id = sandbox.created(everything()).await;
    sandbox.clock.advance(std::time::Duration::from_millis(1500));
    let answer =
        sandbox.update(&id, &json!({"status": "contacted", "notes": "Called via WhatsApp", "externalRef": "z"})).await;
    assert_eq!(answer.status(), 200);
    let expected = format!(
        concat!(
            r#"{{"success":true,"data":{{"id":"{}","uniqueCode":"KNK-001","firstName":"Budi","status":"contacted","#,
            r#""notes":"Called via WhatsApp","updatedAt":"2026-11-23T16:06:41.500Z"}}}}"#,
        ),
        id
    );
    assert_eq!(answer.text().await.unwrap(), expected);
    let kept = body(sandbox.get(&id).await).await;
    assert_eq!(kept["data"]["createdAt"], "2026-11-23T16:06:40.000Z");
    assert_eq!(kept["data"]["email"], "budi@example.com");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_null_clears_a_field_and_brings_back_a_default() {
    let sandbox = TestSandbox::start();
    let id = sandbox.created(everything()).await;
    let cleared = json!({"email": null, "estimatedValue": null, "assignedTo": null, "status": null, "priority": null});
    assert_eq!(sandbox.update(&id, &cleared).await.status(), 200);
    let kept = body(sandbox.get(&id).await).await;
    for field in ["email", "estimatedValue", "assignedTo"] {
        assert_eq!(kept["data"][field], Value::Null, "{field}");
    }
    assert_eq!((&kept["data"]["status"], &kept["data"]["priority"]), (&json!("new"), &json!("medium")));
    assert_eq!(kept["data"]["lastName"], "Santoso");
}

#[tokio::test(flavor = "multi_thread")]
async fn field_errors_come_in_the_contracts_shape_and_nothing_is_committed() {
    let sandbox = TestSandbox::start();
    let answer = sandbox.create(&json!({"email": "nobody"})).await;
    assert_eq!(answer.status(), 400);
    let expected = concat!(
        r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"Invalid request parameters","#,
        r#""details":{"email":"Invalid email","firstName":"Required"}}}"#,
    );
    assert_eq!(answer.text().await.unwrap(), expected);
    let id = sandbox.created(named("A")).await;
    let refused = sandbox.update(&id, &json!({"phone": "0".repeat(21), "notes": "kept?"})).await;
    assert_eq!(refused.status(), 400);
    assert_eq!(body(sandbox.get(&id).await).await["data"]["notes"], Value::Null);
    assert_eq!(sandbox.ledger().await.entries.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_json_object_or_too_large_is_a_validation_error() {
    let sandbox = TestSandbox::start();
    for wrong in ["", "{", "[]", "\"x\"", "{\"firstName\":\"\\ud800\"}"] {
        let answer = sandbox.call(Method::POST, "leads").body(wrong).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{wrong}");
        assert_eq!(body(answer).await["error"]["code"], "VALIDATION_ERROR", "{wrong}");
    }
    let large = format!("{{\"firstName\":\"{}\"}}", "x".repeat(1024 * 1024));
    let answer = sandbox.call(Method::POST, "leads").body(large).send().await.unwrap();
    assert_eq!(body(answer).await["error"]["message"], "Request body is too large");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_external_ref_twice_makes_two_leads() {
    let sandbox = TestSandbox::start();
    let first = sandbox.created(everything()).await;
    assert_ne!(sandbox.created(everything()).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_lead_is_not_found_any_more() {
    let sandbox = TestSandbox::start();
    let id = sandbox.created(named("Gone")).await;
    sandbox.created(named("Here")).await;
    assert_eq!(sandbox.delete(&id).await, 204);
    assert_eq!(sandbox.delete(&id).await, 404);
    let answer = sandbox.get(&id).await;
    assert_eq!(answer.status(), 404);
    assert_eq!(body(answer).await["error"]["code"], "NOT_FOUND");
    assert_eq!(sandbox.update(&id, &named("Back")).await.status(), 404);
    assert_eq!(sandbox.found(&[]).await, ["Here"]);
    assert_eq!(sandbox.found(&[("search", "gone")]).await, [""; 0]);

    let all: Value = body(sandbox.bare(Method::GET, "/sandbox/leads").send().await.unwrap()).await;
    assert_eq!(all[0]["deletedAt"], "2026-11-23T16:06:40.000Z");
    assert_eq!((&all[1]["firstName"], &all[1]["deletedAt"]), (&json!("Here"), &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_full_view_shows_every_lead_with_its_external_ref() {
    let sandbox = TestSandbox::start();
    sandbox.created(everything()).await;
    sandbox.created(named("B")).await;
    let view = |query: &str| sandbox.bare(Method::GET, &format!("/sandbox/leads{query}")).send();
    let all = body(view("").await.unwrap()).await;
    assert_eq!((&all[0]["externalRef"], &all[0]["workspace"]), (&json!("meta:leadgen:1"), &json!("toko-budi")));
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(body(view("?after=1&limit=5").await.unwrap()).await[0]["firstName"], "B");
    assert_eq!(view("?before=1").await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_lead_or_call_is_404_with_the_usual_headers() {
    let sandbox = TestSandbox::start();
    let calls = [
        (Method::GET, "leads/lead_none"),
        (Method::PATCH, "leads/lead_none"),
        (Method::DELETE, "leads/lead_none"),
        (Method::GET, "analytics"),
        (Method::PUT, "leads"),
    ];
    for (method, path) in calls {
        let answer = sandbox.call(method.clone(), path).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), 404, "{method} {path}");
        assert!(header(&answer, "x-ratelimit-remaining").is_some());
        assert_eq!(body(answer).await["error"]["code"], "NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_sees_its_own_leads_only() {
    let sandbox = TestSandbox::with(|settings| {
        let other = Workspace {
            name: "other".to_owned(),
            keys: vec![Key::with_all_scopes("kk_other")],
            ..Workspace::default()
        };
        settings.workspaces.push(other);
    });
    let id = sandbox.created(named("Mine")).await;
    let other = |method, path: &str| {
        let path = format!("/api/v2/agent/{path}");
        sandbox.bare(method, &path).bearer_auth("kk_other")
    };
    assert_eq!(other(Method::GET, &format!("leads/{id}")).send().await.unwrap().status(), 404);
    let patch = other(Method::PATCH, &format!("leads/{id}")).json(&named("Theirs"));
    assert_eq!(patch.send().await.unwrap().status(), 404);
    assert_eq!(body(other(Method::GET, "leads").send().await.unwrap()).await["pagination"]["total"], 0);
    assert_eq!(body(other(Method::GET, "leads?search=mine").send().await.unwrap()).await["pagination"]["total"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_workspace_shows_plan_and_use() {
    let sandbox = TestSandbox::with(|settings| settings.workspaces[0].plan = Plan::Enterprise);
    sandbox.created(named("A")).await;
    // Midnight in Jakarta is 17:00 UTC.
    sandbox.clock.advance(std::time::Duration::from_secs(3600));
    sandbox.created(named("B")).await;
    let shown = body(sandbox.call(Method::GET, "workspace").send().await.unwrap()).await;
    let expected = json!({"success": true, "data": {
        "displayName": "Toko Budi Online", "timezone": "Asia/Jakarta", "currency": "IDR", "language": "id",
        "dateFormat": "DD/MM/YYYY", "trackingCode": "KNK-sandbox",
        "subscription": {
            "plan": "enterprise", "status": "active", "interval": "monthly", "currentPeriodEnd": "2026-11-30T17:00:00.000Z",
        },
        "usage": {"leadsPerDay": {"limit": 500, "current": 1}, "teamMembers": 5, "activeRotators": 2},
    }});
    assert_eq!(shown, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_public_and_has_none_of_the_headers() {
    let sandbox = TestSandbox::start();
    let answer = sandbox.bare(Method::GET, "/api/v2/agent/SKILL.md").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for name in ["x-request-id", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"] {
        assert_eq!(header(&answer, name), None, "{name}");
    }
    assert!(answer.text().await.unwrap().starts_with("# Konektor sandbox"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_tells_every_commit_in_order() {
    let sandbox = TestSandbox::start();
    let first = sandbox.created(json!({"firstName": "A", "externalRef": "r:1", "estimatedValue": 10, "x": 1})).await;
    let second = sandbox.created(named("B")).await;
    sandbox.update(&first, &json!({"notes": null, "status": "won"})).await;
    sandbox.create(&json!({})).await;
    let ledger = sandbox.ledger().await;
    let told: Vec<_> = ledger.entries.iter().map(|entry| (entry.seq, entry.deed, entry.lead_id.as_str())).collect();
    assert_eq!(told, [(1, Deed::Create, &*first), (2, Deed::Create, &*second), (3, Deed::Update, &*first)]);
    assert_eq!(
        Value::from(ledger.entries[0].fields.clone()),
        json!({"firstName": "A", "estimatedValue": 10, "externalRef": "r:1"})
    );
    assert_eq!(Value::from(ledger.entries[2].fields.clone()), json!({"status": "won", "notes": null}));
    let refs: Vec<_> = ledger.entries.iter().map(|entry| entry.external_ref.as_deref()).collect();
    assert_eq!(refs, [Some("r:1"), None, Some("r:1")]);
    assert_eq!(ledger.entries[0].at.as_second(), START);
    assert_eq!(ledger.calls.by_call["create"], [("201".to_owned(), 2), ("400".to_owned(), 1)].into());
    assert_eq!((ledger.calls.total, ledger.calls.by_status["200"]), (4, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_forgets_everything_and_starts_the_same_run_again() {
    let sandbox = TestSandbox::start();
    let first = sandbox.created(named("A")).await;
    sandbox.set(json!({"error_rate": 1})).await;
    assert_eq!(sandbox.bare(Method::POST, "/sandbox/reset").send().await.unwrap().status(), 204);
    assert_eq!(sandbox.found(&[]).await, [""; 0]);
    assert_eq!(sandbox.ledger().await.entries, []);
    assert_eq!(sandbox.found(&[("search", "AAA")]).await, [""; 0]);
    assert_eq!(sandbox.created(named("A")).await, first, "the same seed gives the same ids");
    let other = TestSandbox::with(|settings| settings.seed = 1);
    assert_ne!(other.created(named("A")).await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_keeps_leads_and_ledger_over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sandbox.db");
    let start = || TestSandbox::with(|settings| settings.database = Database::File(path.clone()));
    let sandbox = start();
    let first = sandbox.created(named("First")).await;
    sandbox.running.stop().await;

    let sandbox = start();
    assert_eq!(sandbox.get(&first).await.status(), 200);
    assert_ne!(sandbox.created(named("Second")).await, first);
    assert_eq!(sandbox.found(&[("search", "first")]).await, ["First"]);
    assert_eq!(sandbox.ledger().await.entries.len(), 2);
}
