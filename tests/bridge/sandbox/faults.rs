//! What the sandbox gets wrong when it is told to.

use std::time::{Duration, Instant};

use konektor_bridge::sandbox::{Chance, Faults, FaultsError, Settings, StartError, start};
use reqwest::Method;
use serde_json::json;

use super::{TestSandbox, body, header, named};

/// Sends a create and tells whether any answer came.
async fn answered(sandbox: &TestSandbox, first_name: &str) -> bool {
    match sandbox.call(Method::POST, "leads").json(&named(first_name)).send().await {
        Ok(_) => true,
        Err(error) => {
            assert!(!error.is_timeout() && !error.is_connect(), "cut, not late or refused: {error}");
            false
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_rate_answers_500_and_commits_nothing() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"error_rate": 1})).await;
    let answer = sandbox.create(&named("A")).await;
    assert_eq!(answer.status(), 500);
    let expected =
        r#"{"success":false,"error":{"code":"INTERNAL_ERROR","message":"Unexpected server error","details":null}}"#;
    assert_eq!(answer.text().await.unwrap(), expected);
    sandbox.set(json!({})).await;
    assert_eq!(sandbox.found(&[]).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_committed_and_the_connection_is_cut() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"lost_answer_rate": 1})).await;
    assert!(!answered(&sandbox, "Lost").await);
    assert_eq!(sandbox.found(&[]).await, ["Lost"], "reads are answered");
    let ledger = sandbox.ledger().await;
    assert_eq!(ledger.entries.len(), 1, "committed once: nothing below the caller sends it again");
    assert_eq!(ledger.calls.by_call["create"]["cut"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_can_be_answered_500() {
    let sandbox = TestSandbox::start();
    let id = sandbox.created(named("A")).await;
    sandbox.set(json!({"commit_then_500_rate": 1})).await;
    assert_eq!(sandbox.create(&named("B")).await.status(), 500);
    assert_eq!(sandbox.update(&id, &named("C")).await.status(), 500);
    assert_eq!(sandbox.found(&[]).await, ["B", "C"]);
    assert_eq!(
        sandbox.update("lead_none", &named("D")).await.status(),
        404,
        "nothing was committed, so nothing is hidden"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_repeat_with_their_seed() {
    let run = || async {
        let sandbox = TestSandbox::with(|settings| {
            settings.seed = 42;
            settings.faults = Faults { error_rate: Chance::new(0.5).unwrap(), ..Faults::default() };
        });
        let mut statuses = Vec::new();
        for _ in 0..30 {
            statuses.push(sandbox.create(&named("A")).await.status().as_u16());
        }
        statuses
    };
    let first = run().await;
    assert!(first.contains(&201) && first.contains(&500), "{first:?}");
    assert_eq!(run().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_is_found_only_after_the_search_lag() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"search_lag": "15s"})).await;
    let id = sandbox.created(named("Slow")).await;
    for _ in 0..2 {
        assert_eq!(sandbox.list(&[]).await["pagination"]["total"], 0);
        assert_eq!(sandbox.found(&[("search", "slow")]).await, [""; 0]);
        sandbox.clock.advance(Duration::from_millis(7_499));
    }
    assert_eq!(sandbox.get(&id).await.status(), 200, "by its id it is there at once");
    sandbox.clock.advance(Duration::from_millis(2));
    assert_eq!(sandbox.found(&[("search", "slow")]).await, ["Slow"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_revoked_and_given_back() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"revoke_key": konektor_bridge::sandbox::DEFAULT_KEY})).await;
    let answer = sandbox.create(&named("A")).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(body(answer).await["error"]["message"], "API key has been revoked");
    sandbox.set(json!({})).await;
    assert_eq!(sandbox.create(&named("A")).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daily_limit_lasts_until_midnight_in_jakarta() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"daily_limit": 2})).await;
    let first = sandbox.created(named("A")).await;
    sandbox.created(named("B")).await;
    sandbox.delete(&first).await;
    let answer = sandbox.create(&named("C")).await;
    assert_eq!(answer.status(), 403);
    let error = body(answer).await["error"].take();
    assert_eq!((&error["code"], &error["message"]), (&json!("FORBIDDEN"), &json!("daily lead limit reached")));
    let usage = body(sandbox.call(Method::GET, "workspace").send().await.unwrap()).await["data"]["usage"].take();
    assert_eq!(usage["leadsPerDay"], json!({"limit": 2, "current": 2}));
    // 23:06:40 there; 17:00 UTC is midnight.
    sandbox.clock.advance(Duration::from_secs(53 * 60 + 19));
    assert_eq!(sandbox.create(&named("C")).await.status(), 403);
    sandbox.clock.advance(Duration::from_secs(1));
    assert_eq!(sandbox.create(&named("C")).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_is_refused_by_name() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"reject_field": "email"})).await;
    let answer = sandbox.create(&json!({"firstName": "A", "email": "a@example.com"})).await;
    assert_eq!(answer.status(), 400);
    assert_eq!(body(answer).await["error"]["details"], json!({"email": "Invalid value"}));
    assert_eq!(sandbox.create(&named("A")).await.status(), 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_changes_while_it_runs() {
    let sandbox = TestSandbox::start();
    assert_eq!(header(&sandbox.create(&named("A")).await, "x-ratelimit-limit").as_deref(), Some("200"));
    sandbox.set(json!({"rate_limit": {"per_minute": 2}})).await;
    let answer = sandbox.create(&named("B")).await;
    assert_eq!(header(&answer, "x-ratelimit-limit").as_deref(), Some("2"));
    assert_eq!(header(&answer, "x-ratelimit-remaining").as_deref(), Some("0"), "what was counted stays counted");
    sandbox.set(json!({})).await;
    assert_eq!(header(&sandbox.create(&named("C")).await, "x-ratelimit-remaining").as_deref(), Some("197"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_calls_fail_as_ordered_and_then_all_is_well() {
    let sandbox = TestSandbox::start();
    sandbox
        .set(json!({"next": [
            {"on": "create", "then": "lost_answer"},
            {"on": "create", "times": 2, "then": "cut"},
            {"on": "create", "then": {"answer": {"status": 503, "headers": {"Retry-After": "3"}, "body": "<h1>Busy</h1>"}}},
            {"on": "list", "then": {"answer": {"status": 200, "body": {"success": true}}}},
        ]}))
        .await;
    assert_eq!(sandbox.create(&json!({})).await.status(), 400, "a call refused anyway uses nothing up");
    assert!(!answered(&sandbox, "A").await);
    assert_eq!(sandbox.list(&[]).await, json!({"success": true}));
    assert!(!answered(&sandbox, "B").await);
    assert_eq!(sandbox.faults().await.next.len(), 2);
    assert!(!answered(&sandbox, "C").await);
    let busy = sandbox.create(&named("D")).await;
    assert_eq!((busy.status().as_u16(), header(&busy, "retry-after").as_deref()), (503, Some("3")));
    assert!(header(&busy, "x-request-id").is_some());
    assert_eq!(busy.text().await.unwrap(), "<h1>Busy</h1>");
    assert_eq!(sandbox.create(&named("E")).await.status(), 201);
    assert_eq!(sandbox.found(&[]).await, ["E", "A"]);
    assert_eq!(sandbox.faults().await, Faults::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_holds_a_call_back_before_and_after_its_work() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"latency": "20ms", "answer_latency": "20ms"})).await;
    let sent = Instant::now();
    sandbox.created(named("A")).await;
    assert!(sent.elapsed() >= Duration::from_millis(40));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_gives_up_does_not_stop_the_commit() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"latency": "300ms"})).await;
    let call = tokio::spawn(sandbox.call(Method::POST, "leads").json(&named("Late")).send());
    // A call without a key is not counted, and shows that the other one was let in.
    let remaining = || async {
        let keyless = sandbox.bare(Method::GET, "/api/v2/agent/leads").send().await.unwrap();
        header(&keyless, "x-ratelimit-remaining").unwrap()
    };
    while remaining().await == "200" {}
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    while sandbox.ledger().await.entries.is_empty() {}
    sandbox.set(json!({})).await;
    assert_eq!(sandbox.found(&[]).await, ["Late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_cannot_be_played_are_refused_and_change_nothing() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"daily_limit": 9})).await;
    for wrong in [
        json!({"laténcy": "1s"}),
        json!({"error_rate": 2}),
        json!({"next": [{"on": "any", "then": {"answer": {"status": 42}}}]}),
        json!([]),
    ] {
        let answer = sandbox.bare(Method::PUT, "/sandbox/faults").json(&wrong).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{wrong}");
        assert!(body(answer).await["error"].is_string());
    }
    assert_eq!(sandbox.faults().await, Faults { daily_limit: Some(9), ..Faults::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_contradict_themselves_do_not_start() {
    let none = Settings { workspaces: vec![], ..Settings::default() };
    assert!(matches!(start(none), Err(StartError::NoWorkspace)));
    let mut twice = Settings::default();
    twice.workspaces.push(twice.workspaces[0].clone());
    assert!(matches!(start(twice), Err(StartError::SameToken)));
    let faults = serde_json::from_value(json!({"next": [{"on": "any", "then": {"answer": {"status": 1}}}]})).unwrap();
    let unplayable = Settings { faults, ..Settings::default() };
    assert!(matches!(start(unplayable), Err(StartError::Faults(FaultsError::Status(1)))));
    let taken = TestSandbox::start();
    let again = Settings { listen: taken.running.address(), ..Settings::default() };
    assert!(matches!(start(again), Err(StartError::Listen { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_sandbox_leaves_its_address_though_a_call_is_under_way() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"answer_latency": "1h"})).await;
    let call = tokio::spawn(sandbox.call(Method::POST, "leads").json(&named("A")).send());
    while sandbox.ledger().await.entries.is_empty() {}
    let address = sandbox.running.address();
    sandbox.running.stop().await;
    assert!(call.await.unwrap().is_err());
    let again = start(Settings { listen: address, ..Settings::default() }).unwrap();
    again.stop().await;
}
