//! The day's leads, by processes that work on many leads at a time: no more are made than the day has room for.

use konektor_bridge::sandbox;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Replica, Site};
use crate::redis_servers::Server;

/// Leads that a workspace may have a day, and those that come in at once.
const LIMIT: usize = 5;
const BURST: u64 = 12;

/// A site whose Konektor tells of a day of so few leads, and lets anybody make more.
fn site(redis: &str) -> Site {
    let mut settings = sandbox::Settings::default();
    settings.workspaces[0].leads_per_day = u32::try_from(LIMIT).expect("a few");
    Site::before(settings, redis, "fsync")
}

/// All of it comes in at once, through these bridges in turn.
async fn burst(site: &Site, replicas: &[&Replica]) {
    let sent = (0..BURST).zip(replicas.iter().cycle()).map(|(seed, replica)| site.sends(&replica.public, seed));
    futures_util::future::join_all(sent).await;
}

/// Waits until the day is used up and everything else waits for the next one; gives what the first bridge says of it.
async fn used_up(site: &Site, replicas: &[&Replica], left: u64) -> Value {
    let stats = async || site.stats(replicas[0]).await;
    let is_over = async || {
        let stats = stats().await;
        let is_left = stats["day"]["parked"] == left && stats["events"]["pending"] == left && stats["leased"] == 0;
        // What was counted twice is cleared up by asking once more, and what is parked is not while that goes on.
        is_left && stats["day"]["used"] == LIMIT
    };
    site.until(is_over, "what is left waits for tomorrow").await;
    stats().await["day"].clone()
}

/// How many creates Konektor has refused because the day was used up.
async fn refused(site: &Site) -> u64 {
    let ledger = site.konektor("GET", "ledger", None).await;
    ledger["calls"]["byCall"]["create"]["403"].as_u64().unwrap_or_default()
}

async fn no_more_than_the_day_takes(site: Site, replicas: &[&Replica]) {
    burst(&site, replicas).await;
    let day = used_up(&site, replicas, BURST - LIMIT as u64).await;
    assert_eq!((site.creates().await, refused(&site).await), (LIMIT, 0));
    assert_eq!((&day["state"], &day["limit"]), (&json!("full"), &json!(LIMIT)), "{day}");
    assert!(day["until"].is_string(), "{day}");
    for replica in replicas {
        let metrics = site.http.get(format!("{}/metrics", replica.admin)).send().await.expect("it answers");
        let metrics = metrics.text().await.expect("it says something");
        for line in ["konektor_bridge_day_full 1", "konektor_bridge_parked_lanes 7"] {
            assert!(metrics.lines().any(|one| one == line), "{line} is not in\n{metrics}");
        }
    }
    let log = |replica: &&Replica| std::fs::read_to_string(replica.directory.path().join("log")).expect("it has one");
    let is_told = async || replicas.iter().map(log).any(|log| log.contains("Konektor takes no more leads today"));
    site.until(is_told, "the log tells of it, once Konektor has").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_makes_as_many_leads_as_the_day_takes_and_no_more() {
    let data = TempDir::new().expect("there is room");
    let site = site("").embedded(&data.path().join("data").display().to_string());
    let bridge = site.replica();
    no_more_than_the_day_takes(site, &[&bridge]).await;
    bridge.stops();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_through_two_replicas_makes_as_many_leads_as_the_day_takes_and_no_more() {
    let redis = Server::start(&[]);
    let site = site(&redis.url());
    let (one, other) = (site.replica(), site.replica());
    no_more_than_the_day_takes(site, &[&one, &other]).await;
    one.stops();
    other.stops();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_that_others_use_up_unseen_costs_a_refusal_and_no_lead() {
    let data = TempDir::new().expect("there is room");
    let site = site("").embedded(&data.path().join("data").display().to_string());
    // Konektor refuses now, too.
    site.konektor("PUT", "faults", Some(json!({ "daily_limit": LIMIT }))).await;
    let bridge = site.replica();
    let asked = async || site.stats(&bridge).await["day"]["used"] == 0;
    site.until(asked, "it knows that nothing is used").await;
    let by_hand = json!({ "firstName": "By hand" });
    site.agent("leads", by_hand).await;
    burst(&site, &[&bridge]).await;
    let day = used_up(&site, &[&bridge], BURST - LIMIT as u64 + 1).await;
    assert_eq!((site.creates().await, refused(&site).await), (LIMIT, 1), "{day}");
    assert_eq!(day["state"], "full");
    bridge.stops();
}
