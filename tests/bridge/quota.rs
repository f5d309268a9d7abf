//! The day's leads: what waits when they are used up, for how long, and what goes on.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use konektor_bridge::providers::SampleKind::{Lead, Update};
use konektor_bridge::sandbox::{self, Key, Scope, Workspace};
use konektor_bridge::store::EventState;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{TestBridge, spawn_bridge, spawn_with};

/// The sandbox's workspace is in Jakarta, and the tests begin at 16:00 there.
fn midnight() -> Timestamp {
    "2026-11-23T17:00:00Z".parse().unwrap()
}

async fn day(bridge: &TestBridge) -> Value {
    bridge.admin("GET", "stats", None).await["day"].clone()
}

/// A bridge that watches the day, of which `limit` leads are allowed.
async fn with_a_day_of(limit: u32) -> TestBridge {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "daily_limit": limit })).await;
    bridge.watch_day().await;
    bridge.deliver().await;
    bridge
}

#[tokio::test]
async fn at_the_limit_new_leads_wait_for_midnight_where_the_workspace_is_and_updates_go_on() {
    let bridge = with_a_day_of(3).await;
    assert_eq!(day(&bridge).await, json!({ "state": "open", "limit": 3, "used": 0, "parked": 0 }));
    bridge.send("whatsapp", Lead, 1).await;
    for seed in 2..=5 {
        bridge.send("google", Lead, seed).await;
    }
    let next = bridge.deliver().await;
    assert_eq!(bridge.creates().await, 3);
    assert_eq!(bridge.ledger().await.calls.by_call["create"].get("403"), None, "by the numbers, not by trying");
    let full = json!({ "state": "full", "limit": 3, "used": 3, "until": midnight().to_string(), "parked": 2 });
    assert_eq!(day(&bridge).await, full);
    assert!(next.is_some_and(|next| next <= midnight()));
    assert!(bridge.metrics().await.contains("konektor_bridge_day_full 1"));
    bridge.send("whatsapp", Update, 1).await;
    bridge.deliver().await;
    bridge.after(Duration::from_secs(5)).await;
    assert_eq!(bridge.count(EventState::Pending).await, 2, "the update has arrived");
    bridge.clock.set(midnight() - Duration::from_secs(1));
    bridge.deliver().await;
    assert_eq!(bridge.creates().await, 3);
    bridge.clock.set(midnight());
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 5);
    assert_eq!(day(&bridge).await["used"], 2);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_of_more_than_a_day_takes_goes_on_after_each_midnight() {
    let workspace = Workspace { leads_per_day: 5, ..Workspace::default() };
    let bridge = spawn_with(sandbox::Settings { workspaces: vec![workspace], ..Default::default() }, &[]).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(bridge.runs(stop.clone()));
    for seed in 0..11 {
        bridge.send("google", Lead, seed).await;
    }
    // One more comes in each night, and wakes it: it takes the clock for one that nobody sets.
    for (seed, made, left) in [(11, 5, 6), (12, 10, 2), (13, 13, 0)] {
        let limit = Instant::now() + Duration::from_secs(20);
        loop {
            let stats = bridge.admin("GET", "stats", None).await;
            if stats["day"]["parked"] == left && stats["events"]["pending"] == left && bridge.creates().await >= made {
                break;
            }
            assert!(Instant::now() < limit, "never: {made} made, {left} left; {stats}");
        }
        assert_eq!(bridge.creates().await, made);
        if left > 0 {
            bridge.clock.set(midnight() + Duration::from_hours(24 * (seed - 11)));
            bridge.send("google", Lead, seed).await;
        }
    }
    assert_eq!(bridge.ledger().await.calls.by_call["create"].get("403"), None);
    stop.cancel();
    running.await.unwrap();
    bridge.stop().await;
}

#[tokio::test]
async fn leads_that_others_make_count_too() {
    let bridge = with_a_day_of(10).await;
    for number in 0..9 {
        bridge.agent("POST", "leads", Some(json!({ "firstName": format!("By hand {number}") }))).await;
    }
    bridge.after(Duration::from_secs(16 * 60)).await;
    assert_eq!((&day(&bridge).await["state"], &day(&bridge).await["used"]), (&json!("near"), &json!(9)));
    for seed in 0..2 {
        bridge.send("google", Lead, seed).await;
    }
    bridge.deliver().await;
    assert_eq!((bridge.creates().await, day(&bridge).await["parked"].clone()), (10, json!(1)));
    bridge.clock.set(midnight());
    bridge.deliver_all().await;
    bridge.stop().await;
}

#[tokio::test]
async fn a_larger_plan_lets_those_go_that_wait() {
    let bridge = with_a_day_of(1).await;
    for seed in 0..3 {
        bridge.send("google", Lead, seed).await;
    }
    bridge.deliver().await;
    assert_eq!(bridge.creates().await, 1);
    bridge.faults(json!({ "daily_limit": 100 })).await;
    bridge.after(Duration::from_secs(31 * 60)).await;
    assert_eq!((bridge.creates().await, day(&bridge).await["state"].clone()), (3, json!("open")));
    bridge.stop().await;
}

#[tokio::test]
async fn near_the_limit_sources_of_less_value_wait_first() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("bridge.toml");
    std::fs::write(&path, "[sources.google.rules]\nvalue = \"low\"\n").unwrap();
    let bridge = spawn_with(sandbox::Settings::default(), &[("BRIDGE_CONFIG", path.to_str().unwrap())]).await;
    bridge.faults(json!({ "daily_limit": 10 })).await;
    bridge.watch_day().await;
    bridge.deliver().await;
    for seed in 0..12 {
        bridge.send("google", Lead, seed).await;
    }
    bridge.deliver().await;
    assert_eq!(bridge.creates().await, 9, "one of ten is left to others");
    bridge.send("whatsapp", Lead, 77).await;
    bridge.send("whatsapp", Lead, 78).await;
    bridge.deliver().await;
    assert_eq!((bridge.creates().await, day(&bridge).await["parked"].clone()), (10, json!(4)));
    bridge.clock.set(midnight());
    bridge.deliver().await;
    assert_eq!((bridge.creates().await, bridge.count(EventState::Pending).await), (14, 0));
    bridge.stop().await;
}

#[tokio::test]
async fn a_key_that_may_not_ask_is_asked_seldom_and_delivers_all_the_same() {
    let key = Key { scopes: vec![Scope::LeadsRead, Scope::LeadsWrite], ..Key::with_all_scopes(sandbox::DEFAULT_KEY) };
    let workspace = Workspace { keys: vec![key], ..Workspace::default() };
    let bridge = spawn_with(sandbox::Settings { workspaces: vec![workspace], ..Default::default() }, &[]).await;
    bridge.watch_day().await;
    bridge.send("google", Lead, 1).await;
    bridge.deliver_all().await;
    bridge.after(Duration::from_hours(1)).await;
    assert_eq!(bridge.creates().await, 1);
    assert_eq!(bridge.ledger().await.calls.by_call["workspace"]["403"], 1);
    assert_eq!(day(&bridge).await, json!({ "state": "unknown", "parked": 0 }));
    assert_eq!(bridge.admin("GET", "stats", None).await.get("paused"), None, "it is no reason to stop");
    bridge.stop().await;
}

#[tokio::test]
async fn a_refusal_that_nobody_could_foresee_parks_all_and_lets_one_try_again() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "daily_limit": 1 })).await;
    for seed in 0..5 {
        bridge.send("google", Lead, seed).await;
    }
    bridge.deliver().await;
    bridge.after(Duration::from_secs(5)).await;
    let refused = async || bridge.ledger().await.calls.by_call["create"]["403"];
    assert_eq!((bridge.creates().await, refused().await, day(&bridge).await["parked"].clone()), (1, 1, json!(4)));
    bridge.after(Duration::from_secs(16 * 60)).await;
    bridge.after(Duration::from_secs(5)).await;
    assert_eq!((refused().await, day(&bridge).await["parked"].clone()), (2, json!(4)), "one tried for all");
    bridge.faults(json!({})).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 5);
    bridge.stop().await;
}

#[tokio::test]
async fn an_unexplained_refusal_near_the_limit_waits_for_midnight() {
    let bridge = with_a_day_of(10).await;
    for seed in 0..9 {
        bridge.send("google", Lead, seed).await;
    }
    bridge.deliver().await;
    let silent = json!({ "answer": { "status": 403, "headers": {}, "body": "" } });
    bridge.faults(json!({ "daily_limit": 10, "next": [{ "on": "create", "then": silent }] })).await;
    bridge.send("google", Lead, 9).await;
    bridge.deliver().await;
    bridge.after(Duration::from_secs(5)).await;
    let parked = day(&bridge).await;
    assert_eq!(
        (&parked["state"], &parked["parked"], &parked["until"]),
        (&json!("full"), &json!(1), &json!(midnight()))
    );
    assert_eq!(bridge.admin("GET", "stats", None).await.get("paused"), None);
    bridge.clock.set(midnight());
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 10);
    bridge.stop().await;
}
