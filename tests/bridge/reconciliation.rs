//! Exactly one lead: what is searched for, when nothing found proves something, and what is told when it went wrong.

use std::sync::Arc;
use std::time::Duration;

use konektor_bridge::clock::Clock as _;
use konektor_bridge::providers::SampleKind::Lead;
use konektor_bridge::sandbox;
use konektor_bridge::store::{EventState, MemoryStore, Options};
use serde_json::json;

use crate::coalescing::say;
use crate::harness::{TestBridge, spawn_bridge, spawn_on, spawn_with};

async fn searches(bridge: &TestBridge) -> u64 {
    bridge.ledger().await.calls.by_call.get("list").and_then(|calls| calls.get("200")).copied().unwrap_or(0)
}

/// A bridge whose store can lose its last changes.
async fn on_a_store_that_may_lose() -> (TestBridge, Arc<MemoryStore>) {
    let store = Arc::new(MemoryStore::that_may_lose(Options::default(), 100));
    let bridge = spawn_on(Arc::clone(&store) as Arc<_>, sandbox::Settings::default(), &[]).await;
    (bridge, store)
}

#[tokio::test]
async fn a_search_is_followed_to_its_last_page() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "lost_answer" }] })).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver().await;
    let external_ref = bridge.only_lead().await["externalRef"].as_str().unwrap().to_owned();
    // Newer leads come first, and all of them are found under the reference.
    for number in 0..110 {
        let other = json!({ "firstName": "Other", "phone": "+6281999999999", "externalRef": format!("{external_ref}{number}") });
        bridge.agent("POST", "leads", Some(other)).await;
    }
    let before = searches(&bridge).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.ledger().await.entries.len(), 111, "it was found, and not made again");
    assert_eq!(searches(&bridge).await - before, 2, "two pages");
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_that_is_there_twice_is_adopted_once_and_told_until_somebody_has_merged_it() {
    let bridge = spawn_with(sandbox::Settings { show_external_ref: true, ..Default::default() }, &[]).await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "lost_answer" }] })).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver().await;
    let lead = bridge.only_lead().await;
    bridge.clock.advance(Duration::from_secs(1));
    let double = json!({ "firstName": "Siti", "externalRef": lead["externalRef"] });
    let double = bridge.agent("POST", "leads", Some(double)).await["data"]["id"].clone();
    bridge.deliver_all().await;
    let incidents = bridge.admin("GET", "incidents", None).await;
    let told = &incidents["incidents"][0];
    assert_eq!((&told["externalRef"], &told["leadId"]), (&lead["externalRef"], &lead["id"]), "{incidents}");
    assert_eq!(told["doubles"], json!([double]));
    assert_eq!(bridge.admin("GET", "stats", None).await["incidents"], 1);
    let metrics = bridge.metrics().await;
    assert!(metrics.contains("konektor_bridge_doubled_total 1") && metrics.contains("konektor_bridge_incidents 1"));
    let dismissed = bridge.admin("POST", "incidents/dismiss", Some(json!({ "lead": lead["externalRef"] }))).await;
    assert_eq!(dismissed["count"], 1);
    assert_eq!(bridge.admin("GET", "incidents", None).await["incidents"], json!([]));
    bridge.stop().await;
}

#[tokio::test]
async fn a_create_that_followed_a_doubt_is_looked_for_once_more_a_quarter_of_an_hour_later() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "error" }] })).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    let before = searches(&bridge).await;
    bridge.after(Duration::from_secs(14 * 60)).await;
    assert_eq!(searches(&bridge).await, before);
    bridge.after(Duration::from_secs(2 * 60)).await;
    assert_eq!(searches(&bridge).await, before + 1);
    bridge.after(Duration::from_hours(24)).await;
    assert_eq!(searches(&bridge).await, before + 1, "once");
    assert_eq!(bridge.admin("GET", "incidents", None).await["incidents"], json!([]), "all is well");
    bridge.stop().await;
}

#[tokio::test]
async fn a_verification_that_fails_is_made_later() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "error" }] })).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    bridge.faults(json!({ "next": [{ "on": "list", "then": "error" }] })).await;
    bridge.after(Duration::from_secs(16 * 60)).await;
    let before = searches(&bridge).await;
    bridge.after(Duration::from_secs(16 * 60)).await;
    assert_eq!(searches(&bridge).await, before + 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_search_that_lags_more_than_was_assumed_is_told_by_the_verification() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "search_lag": "5m", "next": [{ "on": "create", "then": "lost_answer" }] })).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 2, "what the guarantee rests on does not hold here");
    bridge.after(Duration::from_secs(16 * 60)).await;
    let incidents = bridge.admin("GET", "incidents", None).await;
    assert_eq!(incidents["incidents"][0]["doubles"].as_array().unwrap().len(), 1, "{incidents}");
    assert!(bridge.metrics().await.contains("konektor_bridge_doubled_total 1"));
    bridge.stop().await;
}

#[tokio::test]
async fn with_a_search_that_is_known_to_be_slow_the_same_lag_makes_no_double() {
    let slow = [("KONEKTOR_SEARCH_WITHIN", "6m")];
    let bridge = spawn_with(sandbox::Settings::default(), &slow).await;
    bridge.faults(json!({ "search_lag": "5m", "next": [{ "on": "create", "then": "lost_answer" }] })).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_store_that_forgot_a_lead_looks_for_it_before_it_makes_it_again() {
    let (bridge, store) = on_a_store_that_may_lose().await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    store.lose_last(100, bridge.clock.now());
    assert_eq!(bridge.count(EventState::Delivered).await, 0, "nothing is known of it");
    bridge.clock.advance(Duration::from_secs(60));
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, bridge.count(EventState::Delivered).await), (1, 1));
    bridge.send("google", Lead, 2).await;
    let before = searches(&bridge).await;
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, searches(&bridge).await - before), (2, 1), "others are looked for once");
    let until = bridge.admin("GET", "stats", None).await["searchingFirstUntil"].as_str().unwrap().parse().unwrap();
    bridge.clock.set(until);
    bridge.send("google", Lead, 3).await;
    let before = searches(&bridge).await;
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, searches(&bridge).await - before), (3, 0), "and not for ever");
    bridge.stop().await;
}

#[tokio::test]
async fn a_store_that_forgot_that_it_had_sent_a_lead_keeps_quiet_before_it_sends_it_again() {
    let (bridge, store) = on_a_store_that_may_lose().await;
    bridge.send("google", Lead, 1).await;
    // Committed, but not found for a while: the worst moment.
    bridge.faults(json!({ "search_lag": "14s" })).await;
    bridge.deliver().await;
    assert_eq!(bridge.creates().await, 1);
    // Settle, observe and begin are lost; that it came in is not.
    let mut lost = 0;
    while bridge.count(EventState::Delivered).await == 1
        || bridge.store.stats(bridge.clock.now()).await.unwrap().leased > 0
    {
        lost += store.lose_last(1, bridge.clock.now());
        assert!(lost < 20, "it was delivered some time");
    }
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, bridge.count(EventState::Delivered).await), (1, 1));
    bridge.stop().await;
}

#[tokio::test]
async fn who_wants_to_be_sure_pays_a_search_for_each_lead() {
    let options = Options { search_always: true, ..Options::default() };
    let bridge = spawn_on(Arc::new(MemoryStore::new(options)), sandbox::Settings::default(), &[]).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, searches(&bridge).await), (1, 1));
    bridge.stop().await;
}

#[tokio::test]
async fn a_replay_of_a_lead_that_died_in_doubt_is_searched_for_first() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "lost_answer" }, { "on": "list", "times": 9999, "then": "error" }] })).await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver().await;
    bridge.after(Duration::from_hours(25)).await;
    assert_eq!(bridge.events(EventState::Dead).await.events[0].reason.as_deref(), Some("unresolved"));
    bridge.faults(json!({})).await;
    bridge.admin("POST", "dead-letters/replay", Some(json!({ "all": true }))).await;
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, bridge.count(EventState::Delivered).await), (1, 1));
    bridge.stop().await;
}

/// The person behind `lead-1` says that this is their number.
async fn gives(bridge: &TestBridge, id: &str, number: &str) {
    say(bridge, id, json!({ "first_name": "Siti", "phone": number })).await;
}

#[tokio::test]
async fn a_number_that_is_corrected_while_the_create_is_in_doubt_makes_no_second_lead() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "lost_answer" }] })).await;
    gives(&bridge, "a", "+6281200000001").await;
    bridge.deliver().await;
    gives(&bridge, "b", "+6281200000002").await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!(lead["phone"], "+6281200000002", "and the correction is written");
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_clock_that_is_set_forward_ends_no_doubt() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "lost_answer" }], "search_lag": "14s" })).await;
    gives(&bridge, "a", "+6281200000001").await;
    bridge.deliver().await;
    bridge.clock.advance(Duration::from_secs(1));
    // The search of the sandbox lags by the same clock, so each step is taken back for it by a longer lag.
    bridge.faults(json!({ "search_lag": "15m" })).await;
    bridge.clock.set(bridge.clock.now() + Duration::from_mins(10));
    for _ in 0..12 {
        bridge.deliver().await;
        bridge.clock.advance(Duration::from_secs(1));
    }
    assert_eq!(bridge.creates().await, 1, "twelve seconds are no quiet period, whatever the clock on the wall shows");
    bridge.faults(json!({})).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    bridge.only_lead().await;
    bridge.stop().await;
}
