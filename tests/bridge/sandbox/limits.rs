//! Keys, scopes, the request limit, and the headers that every answer has.

use std::collections::HashSet;
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::sandbox::{DEFAULT_KEY, Key, Plan, Scope, Workspace};
use reqwest::{Method, Response};
use serde_json::json;

use super::{START, TestSandbox, body, header, named};

fn limited(per_minute: u32) -> TestSandbox {
    TestSandbox::with(|settings| settings.workspaces[0].per_minute = NonZeroU32::new(per_minute))
}

async fn list(sandbox: &TestSandbox, key: &str) -> Response {
    sandbox.bare(Method::GET, "/api/v2/agent/leads").bearer_auth(key).send().await.unwrap()
}

fn quota(answer: &Response) -> [i64; 3] {
    ["limit", "remaining", "reset"].map(|name| header(answer, &format!("x-ratelimit-{name}")).unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_a_request_id_of_its_own_and_the_quota() {
    let sandbox = limited(7);
    sandbox.set(json!({"next": [{"on": "get", "then": "error"}]})).await;
    let id = sandbox.created(named("A")).await;
    let answers = [
        sandbox.create(&named("B")).await,
        sandbox.create(&json!({})).await,
        sandbox.get(&id).await,
        sandbox.get("lead_none").await,
        list(&sandbox, DEFAULT_KEY).await,
        list(&sandbox, "kk_wrong").await,
        sandbox.call(Method::GET, "workspace").send().await.unwrap(),
        list(&sandbox, DEFAULT_KEY).await,
    ];
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status().as_u16()).collect();
    assert_eq!(statuses, [201, 400, 500, 404, 200, 401, 200, 429]);
    let remaining: Vec<i64> = answers.iter().map(|answer| quota(answer)[1]).collect();
    assert_eq!(remaining, [5, 4, 3, 2, 1, 1, 0, 0]);
    for answer in &answers {
        assert_eq!((quota(answer)[0], quota(answer)[2]), (7, START + 20));
    }
    let ids: HashSet<String> = answers.iter().map(|answer| header(answer, "x-request-id").unwrap()).collect();
    assert_eq!(ids.len(), answers.len());
    let is_v4 = |id: &String| id.len() == 36 && &id[14..15] == "4";
    assert!(ids.iter().all(is_v4), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_says_how_long_to_wait_and_the_wait_is_enough() {
    let sandbox = limited(2);
    for _ in 0..2 {
        assert_eq!(header(&list(&sandbox, DEFAULT_KEY).await, "retry-after"), None);
    }
    let refused = sandbox.create(&named("A")).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(header(&refused, "retry-after").as_deref(), Some("20"));
    assert_eq!(body(refused).await["error"]["code"], "RATE_LIMITED");
    sandbox.clock.advance(Duration::from_secs(20));
    assert_eq!(sandbox.create(&named("A")).await.status(), 201);
    let calls = sandbox.ledger().await.calls;
    assert_eq!((calls.total, calls.rate_limited, calls.by_status["429"]), (4, 1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_plan_sets_the_limit() {
    for (plan, limit) in [(Plan::Starter, 60), (Plan::Pro, 200), (Plan::Enterprise, 600), (Plan::Custom, 200)] {
        let sandbox = TestSandbox::with(|settings| settings.workspaces[0].plan = plan);
        assert_eq!(quota(&list(&sandbox, DEFAULT_KEY).await)[0], limit, "{plan}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_keys_of_a_workspace_share_its_limit_and_no_other_does() {
    let sandbox = TestSandbox::with(|settings| {
        settings.workspaces[0].per_minute = NonZeroU32::new(2);
        settings.workspaces[0].keys.push(Key::with_all_scopes("kk_second"));
        let keys = vec![Key::with_all_scopes("kk_other")];
        settings.workspaces.push(Workspace { name: "other".to_owned(), keys, ..Workspace::default() });
    });
    list(&sandbox, DEFAULT_KEY).await;
    list(&sandbox, "kk_second").await;
    assert_eq!(list(&sandbox, DEFAULT_KEY).await.status(), 429);
    assert_eq!(list(&sandbox, "kk_second").await.status(), 429);
    assert_eq!(quota(&list(&sandbox, "kk_other").await)[..2], [200, 199]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_of_a_limit_can_be_played() {
    // How long after two requests, 10 s apart, a third may pass, when there are two a minute.
    for (model, wait) in [("fixed_window", 10), ("first_request_window", 50), ("sliding_log", 50), ("token_bucket", 20)]
    {
        let sandbox = TestSandbox::start();
        sandbox.set(json!({"rate_limit": {"model": model, "per_minute": 2}})).await;
        list(&sandbox, DEFAULT_KEY).await;
        sandbox.clock.advance(Duration::from_secs(10));
        list(&sandbox, DEFAULT_KEY).await;
        let refused = list(&sandbox, DEFAULT_KEY).await;
        assert_eq!(header(&refused, "retry-after"), Some(wait.to_string()), "{model}");
        sandbox.clock.advance(Duration::from_secs(wait));
        assert_eq!(list(&sandbox, DEFAULT_KEY).await.status(), 200, "{model}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_wrong_expired_or_revoked_is_401() {
    let sandbox = TestSandbox::with(|settings| {
        let keys = &mut settings.workspaces[0].keys;
        let end = Timestamp::from_second(START + 10).unwrap();
        keys.push(Key { expires_at: Some(end), ..Key::with_all_scopes("kk_short") });
        keys.push(Key { revoked: true, ..Key::with_all_scopes("kk_revoked") });
    });
    assert_eq!(list(&sandbox, "kk_short").await.status(), 200);
    sandbox.clock.advance(Duration::from_secs(10));
    for key in ["kk_short", "kk_revoked", "kk_wrong"] {
        let answer = list(&sandbox, key).await;
        assert_eq!(answer.status(), 401, "{key}");
        assert_eq!(body(answer).await["error"]["code"], "UNAUTHORIZED");
    }
    let keyless = sandbox.bare(Method::GET, "/api/v2/agent/leads").send().await.unwrap();
    assert_eq!(body(keyless).await["error"]["message"], "Missing API key");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_call_needs_its_scope() {
    let calls = [
        (Method::GET, "leads", Scope::LeadsRead),
        (Method::GET, "leads/lead_none", Scope::LeadsRead),
        (Method::POST, "leads", Scope::LeadsWrite),
        (Method::PATCH, "leads/lead_none", Scope::LeadsWrite),
        (Method::GET, "analytics/summary", Scope::AnalyticsRead),
        (Method::GET, "analytics/funnel", Scope::AnalyticsRead),
        (Method::GET, "analytics/campaigns", Scope::AnalyticsRead),
        (Method::GET, "conversions/status", Scope::ConversionsRead),
        (Method::GET, "conversions/pending", Scope::ConversionsRead),
        (Method::GET, "workspace", Scope::WorkspaceRead),
        (Method::POST, "support/tickets", Scope::SupportWrite),
    ];
    let sandbox = TestSandbox::with(|settings| {
        for (_, _, scope) in &calls {
            let without = |key: &Key| key.scopes.iter().copied().filter(|had| had != scope).collect();
            let mut key = Key::with_all_scopes(&format!("kk_without_{scope}"));
            key.scopes = without(&key);
            let known = &mut settings.workspaces[0].keys;
            if !known.iter().any(|other| other.scopes == key.scopes) {
                known.push(key);
            }
        }
    });
    for (method, path, scope) in calls {
        let call = sandbox.bare(method.clone(), &format!("/api/v2/agent/{path}"));
        let answer = call.bearer_auth(format!("kk_without_{scope}")).json(&json!({})).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{method} {path}");
        let error = body(answer).await["error"].take();
        assert_eq!((&error["code"], &error["details"]), (&json!("FORBIDDEN"), &json!(null)));
        assert!(error["message"].as_str().unwrap().contains(&scope.to_string()));
    }
}
