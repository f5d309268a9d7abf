//! Analytics and conversions: counted in the workspace's own days, advancing with the clock.

use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::sandbox::Seeding;
use reqwest::Method;
use serde_json::{Value, json};

use super::{TestSandbox, body};

const HOUR: Duration = Duration::from_secs(3600);

impl TestSandbox {
    /// The `data` of a call that is done.
    async fn data(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        body(answer).await["data"].take()
    }
}

/// Leads on Sunday and Monday, cut at midnight in Jakarta (17:00 UTC). It is Monday, 00:06:40 there.
async fn two_days() -> TestSandbox {
    let sandbox = TestSandbox::start();
    sandbox.clock.set("2026-11-22T16:06:40Z".parse::<Timestamp>().unwrap());
    for lead in [
        json!({"firstName": "A", "status": "won", "actualValue": 1_000_000, "estimatedValue": 5}),
        json!({"firstName": "B", "status": "won", "estimatedValue": 250_000.5}),
        json!({"firstName": "C", "status": "won"}),
        json!({"firstName": "D", "status": "lost", "actualValue": 7}),
    ] {
        sandbox.created(lead).await;
    }
    sandbox.clock.advance(HOUR);
    sandbox.created(json!({"firstName": "E"})).await;
    sandbox.created(json!({"firstName": "F", "status": "contacted"})).await;
    let gone = sandbox.created(json!({"firstName": "G", "status": "won", "actualValue": 9})).await;
    sandbox.delete(&gone).await;
    sandbox
}

#[tokio::test(flavor = "multi_thread")]
async fn a_summary_counts_by_creation_and_present_status() {
    let sandbox = two_days().await;
    let all = sandbox.data("analytics/summary?timeframe=last_7_days").await;
    let expected = json!({
        "totalLeads": 6, "newLeads": 1, "contactedLeads": 1, "totalConversions": 3, "totalConversionValue": 1_250_000.5,
        "timeframe": "last_7_days",
        "period": {"from": "2026-11-16T17:00:00.000Z", "to": "2026-11-23T17:00:00.000Z"},
    });
    assert_eq!(all, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn days_and_weeks_are_the_workspaces_own() {
    let sandbox = two_days().await;
    for (query, leads) in [
        ("timeframe=today", 2),
        ("timeframe=current_week", 2),
        ("timeframe=current_month", 6),
        ("timeframe=all_time", 6),
        ("", 6),
        ("from=2026-11-22T16:00:00Z&to=2026-11-22T17:00:00Z", 4),
        ("timeframe=today&from=2026-11-22", 6),
        ("timeframe=all_time&to=2026-11-23", 4),
        ("from=2026-11-24&to=2026-11-23", 0),
    ] {
        let summary = sandbox.data(&format!("analytics/summary?{query}")).await;
        assert_eq!(summary["totalLeads"], leads, "{query}");
    }
    // In London it is still Sunday.
    let moved = json!({"timezone": "Europe/London"});
    let answer = sandbox.bare(Method::PUT, "/sandbox/workspaces/toko-budi").json(&moved).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let summary = sandbox.data("analytics/summary?timeframe=today").await;
    assert_eq!((&summary["totalLeads"], &summary["period"]["from"]), (&json!(6), &json!("2026-11-22T00:00:00.000Z")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_funnel_has_the_statuses_that_there_are_in_their_order() {
    let sandbox = two_days().await;
    let funnel = sandbox.data("analytics/funnel?timeframe=all_time").await;
    let expected = json!([
        {"status": "new", "count": 1, "percentage": 16.67},
        {"status": "contacted", "count": 1, "percentage": 16.67},
        {"status": "won", "count": 3, "percentage": 50},
        {"status": "lost", "count": 1, "percentage": 16.67},
    ]);
    assert_eq!(funnel, expected);
    assert_eq!(sandbox.data("analytics/funnel?to=2020-01-01").await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn campaigns_come_from_made_up_leads_and_add_up() {
    let sandbox = TestSandbox::with(|settings| settings.seeding = Some(Seeding::default()));
    let campaigns = sandbox.data("analytics/campaigns?timeframe=all_time").await;
    let campaigns = campaigns.as_array().unwrap();
    assert_eq!(campaigns.len(), 7);
    let leads: Vec<_> = campaigns.iter().map(|campaign| campaign["leads"].as_i64().unwrap()).collect();
    assert!(leads.is_sorted_by(|a, b| a >= b), "{leads:?}");
    let listed: i64 = leads.iter().sum();
    let ads = sandbox.list(&[("source", "ads"), ("limit", "1")]).await["pagination"]["total"].as_i64().unwrap();
    assert_eq!(listed, ads, "every lead from ads has its campaign");
    assert!(campaigns.iter().any(|campaign| campaign["conversions"].as_i64() > Some(0)));
    assert_eq!(sandbox.data("analytics/campaigns?to=2020-01-01").await, json!([]));
}

async fn counts(sandbox: &TestSandbox, query: &str) -> Value {
    sandbox.data(&format!("conversions/status?{query}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversion_is_pending_for_a_minute_then_synced_and_pending_again_after_another_status() {
    let sandbox = TestSandbox::start();
    let id = sandbox.created(json!({"firstName": "A", "adPlatform": "meta", "uniqueCode": "KNK-1"})).await;
    sandbox.created(json!({"firstName": "B"})).await;
    let first = json!({"pending": 1, "synced": 0, "partial": 0, "failed": 0, "none": 1});
    assert_eq!(counts(&sandbox, "").await, first);
    let pending = json!([{
        "leadId": id, "uniqueCode": "KNK-1", "status": "new", "adPlatform": "meta", "conversionSyncStatus": "pending",
        "lastConversionSyncAt": null,
    }]);
    assert_eq!(sandbox.data("conversions/pending").await, pending);

    sandbox.clock.advance(Duration::from_secs(60));
    assert_eq!(counts(&sandbox, "").await["synced"], 1);
    assert_eq!(sandbox.data("conversions/pending").await, json!([]));

    sandbox.update(&id, &json!({"notes": "no other status"})).await;
    assert_eq!(counts(&sandbox, "").await["synced"], 1);
    sandbox.update(&id, &json!({"status": "won"})).await;
    let again = sandbox.data("conversions/pending").await;
    assert_eq!(again[0]["lastConversionSyncAt"], "2026-11-23T16:07:40.000Z");
    assert_eq!((&again[0]["status"], again.as_array().unwrap().len()), (&json!("won"), 1));
    sandbox.update(&id, &json!({"adPlatform": null})).await;
    assert_eq!(counts(&sandbox, "").await["none"], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn conversions_fail_by_chance_or_when_they_are_told_to() {
    let sandbox = TestSandbox::start();
    sandbox.set(json!({"conversion_failed_rate": 1})).await;
    sandbox.created(json!({"firstName": "A", "adPlatform": "meta"})).await;
    sandbox.set(json!({"conversion_partial_rate": 1})).await;
    let google = sandbox.created(json!({"firstName": "B", "adPlatform": "google"})).await;
    sandbox.clock.advance(Duration::from_secs(60));
    let expected = json!({"pending": 0, "synced": 0, "partial": 1, "failed": 1, "none": 0});
    assert_eq!(counts(&sandbox, "").await, expected);
    assert_eq!(counts(&sandbox, "platform=google").await["partial"], 1);
    assert_eq!(counts(&sandbox, "platform=google").await["failed"], 0);
    assert_eq!(counts(&sandbox, "to=2020-01-01").await["failed"], 0);

    let fail = |which: Value| sandbox.bare(Method::POST, "/sandbox/conversions/fail").json(&which).send();
    assert_eq!(body(fail(json!({"leads": [google]})).await.unwrap()).await, json!({"failed": 1}));
    assert_eq!(counts(&sandbox, "").await["failed"], 2);
    let failed = sandbox.data("conversions/pending").await;
    assert_eq!(failed[0]["conversionSyncStatus"], "failed");
    assert_eq!(failed[0]["lastConversionSyncAt"], "2026-11-23T16:07:40.000Z");

    sandbox.set(json!({})).await;
    sandbox.created(json!({"firstName": "C", "adPlatform": "tiktok"})).await;
    assert_eq!(body(fail(json!({})).await.unwrap()).await, json!({"failed": 3}), "all, and at once");
    assert_eq!(counts(&sandbox, "").await["failed"], 3);
}
