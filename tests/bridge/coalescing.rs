//! What of a lead's events goes out together, in which order, and whose word wins: the rules C1 to C8 of the queue.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use konektor_bridge::clock::Clock as _;
use konektor_bridge::providers::Sample;
use konektor_bridge::sandbox::Deed;
use konektor_bridge::store::{EventState, Selector};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{TestBridge, spawn_bridge};

/// The key behind `whsec_…` of the harness.
const KEY: &[u8] = b"01234567890123456789012345678901";

/// What `data` says of the lead `lead-1`, said at `at`.
fn word(id: &str, at: Timestamp, data: Value) -> Sample {
    let mut lead = json!({ "id": "lead-1" });
    lead.as_object_mut().unwrap().extend(data.as_object().unwrap().clone());
    let body = json!({ "type": "lead.updated", "timestamp": at.to_string(), "data": lead }).to_string();
    let time = at.as_second().to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let headers = vec![
        ("content-type", "application/json".to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time),
        ("webhook-signature", signature),
    ];
    Sample::new(headers, body.into_bytes())
}

/// Says `data` now.
pub(crate) async fn say(bridge: &TestBridge, id: &str, data: Value) {
    say_as_of(bridge, id, bridge.clock.now(), data).await;
}

/// Says `data` now, although it was said `at`.
async fn say_as_of(bridge: &TestBridge, id: &str, at: Timestamp, data: Value) {
    assert_eq!(bridge.post("standard", word(id, at, data)).await, 200);
}

/// What was committed, in order.
async fn deeds(bridge: &TestBridge) -> Vec<Deed> {
    bridge.ledger().await.entries.iter().map(|entry| entry.deed).collect()
}

#[tokio::test]
async fn c1_a_new_lead_and_all_that_is_said_of_it_by_then_are_one_create() {
    let bridge = spawn_bridge().await;
    say(&bridge, "a", json!({ "first_name": "Siti" })).await;
    say(&bridge, "b", json!({ "email": "siti@example.com" })).await;
    say(&bridge, "c", json!({ "first_name": "Ayu" })).await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!((lead["firstName"].as_str(), lead["email"].as_str()), (Some("Ayu"), Some("siti@example.com")));
    assert_eq!(deeds(&bridge).await, [Deed::Create]);
    bridge.stop().await;
}

#[tokio::test]
async fn c2_updates_that_wait_are_one_patch_in_which_the_later_word_wins() {
    let bridge = spawn_bridge().await;
    say(&bridge, "a", json!({ "first_name": "Siti" })).await;
    bridge.deliver_all().await;
    say(&bridge, "b", json!({ "email": "old@example.com" })).await;
    say(&bridge, "c", json!({ "email": "new@example.com", "phone": "0812-0000-0001" })).await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!((lead["email"].as_str(), lead["phone"].as_str()), (Some("new@example.com"), Some("+6281200000001")));
    assert_eq!(deeds(&bridge).await, [Deed::Create, Deed::Update]);
    assert!(!bridge.ledger().await.entries[1].fields.contains_key("externalRef"), "an update does not name it again");
    bridge.stop().await;
}

#[tokio::test]
async fn c3_another_create_of_a_lead_that_is_known_is_an_update() {
    let bridge = spawn_bridge().await;
    say(&bridge, "a", json!({ "first_name": "Siti" })).await;
    bridge.deliver_all().await;
    bridge.clock.advance(Duration::from_hours(5));
    say(&bridge, "b", json!({ "first_name": "Ayu" })).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.only_lead().await["firstName"], "Ayu");
    assert_eq!(deeds(&bridge).await, [Deed::Create, Deed::Update]);
    bridge.stop().await;
}

#[tokio::test]
async fn c4_an_update_waits_two_seconds_from_its_first_word_while_others_are_ready() {
    let bridge = spawn_bridge().await;
    say(&bridge, "a", json!({ "first_name": "Siti" })).await;
    bridge.deliver_all().await;
    bridge.admin("POST", "pause", None).await;
    bridge.send("google", konektor_bridge::providers::SampleKind::Lead, 1).await;
    bridge.deliver().await;
    say(&bridge, "b", json!({ "email": "old@example.com" })).await;
    bridge.deliver().await;
    bridge.clock.advance(Duration::from_millis(1500));
    say(&bridge, "c", json!({ "email": "new@example.com" })).await;
    bridge.admin("POST", "resume", None).await;
    let due = bridge.deliver().await.expect("the update waits");
    assert_eq!(due.duration_since(bridge.clock.now()).as_millis(), 500, "counted from the first word, not the last");
    bridge.deliver_all().await;
    assert_eq!(deeds(&bridge).await, [Deed::Create, Deed::Create, Deed::Update], "the new lead went first");
    bridge.stop().await;
}

#[tokio::test]
async fn c5_what_comes_while_a_call_is_out_is_the_next_call_s() {
    let bridge = spawn_bridge().await;
    say(&bridge, "a", json!({ "first_name": "Siti" })).await;
    bridge.faults(json!({ "answer_latency": "300ms" })).await;
    let (next, ()) = tokio::join!(bridge.deliver(), async {
        while bridge.leads().await.is_empty() {
            tokio::task::yield_now().await;
        }
        say(&bridge, "b", json!({ "email": "siti@example.com" })).await;
    });
    assert!(next.is_none() || bridge.count(EventState::Pending).await == 0);
    bridge.deliver_all().await;
    assert_eq!(deeds(&bridge).await, [Deed::Create, Deed::Update]);
    assert_eq!(bridge.only_lead().await["email"], "siti@example.com");
    bridge.stop().await;
}

#[tokio::test]
async fn c6_an_update_that_would_change_nothing_is_looked_at_and_not_sent() {
    let bridge = spawn_bridge().await;
    say(&bridge, "a", json!({ "first_name": "Siti", "email": "siti@example.com" })).await;
    bridge.deliver_all().await;
    let before = bridge.only_lead().await;
    say(&bridge, "b", json!({ "first_name": "Siti", "email": "siti@example.com" })).await;
    bridge.deliver_all().await;
    assert_eq!(deeds(&bridge).await, [Deed::Create]);
    assert_eq!(bridge.only_lead().await, before, "what people changed there is not touched");
    assert_eq!(bridge.count(EventState::Delivered).await, 2);
    bridge.stop().await;
}

#[tokio::test]
async fn c7_an_older_word_that_comes_later_fills_blanks_and_takes_nothing_back() {
    let bridge = spawn_bridge().await;
    let earlier = bridge.clock.now();
    bridge.clock.advance(Duration::from_secs(60));
    say(&bridge, "new", json!({ "first_name": "Siti", "email": "new@example.com" })).await;
    bridge.deliver_all().await;
    say_as_of(
        &bridge,
        "old",
        earlier,
        json!({ "first_name": "S.", "email": "old@example.com", "phone": "0812-0000-0001" }),
    )
    .await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    let told = ["firstName", "email", "phone"].map(|field| lead[field].as_str().unwrap_or_default());
    assert_eq!(told, ["Siti", "new@example.com", "+6281200000001"]);
    assert_eq!(bridge.count(EventState::Delivered).await, 2, "the event itself is not dropped");
    bridge.stop().await;
}

#[tokio::test]
async fn c7_in_one_call_the_senders_clock_decides_field_by_field() {
    let bridge = spawn_bridge().await;
    let earlier = bridge.clock.now();
    bridge.clock.advance(Duration::from_secs(60));
    say(&bridge, "new", json!({ "email": "new@example.com" })).await;
    say_as_of(&bridge, "old", earlier, json!({ "first_name": "Siti", "email": "old@example.com" })).await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!((lead["firstName"].as_str(), lead["email"].as_str()), (Some("Siti"), Some("new@example.com")));
    bridge.stop().await;
}

#[tokio::test]
async fn c7_a_sender_whose_clock_is_ahead_does_not_silence_itself_for_ever() {
    let bridge = spawn_bridge().await;
    say_as_of(&bridge, "a", bridge.clock.now() + Duration::from_secs(200), json!({ "first_name": "Siti" })).await;
    bridge.deliver_all().await;
    bridge.clock.advance(Duration::from_secs(10));
    say(&bridge, "b", json!({ "first_name": "Ayu" })).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.only_lead().await["firstName"], "Ayu");
    bridge.stop().await;
}

#[tokio::test]
async fn c8_a_call_takes_so_many_events_and_the_next_one_the_rest() {
    let bridge = spawn_bridge().await;
    for number in 0..300 {
        say(&bridge, &format!("event {number}"), json!({ "first_name": format!("Siti{number}") })).await;
    }
    bridge.deliver_all().await;
    let ledger = bridge.ledger().await;
    assert_eq!(deeds(&bridge).await, [Deed::Create, Deed::Update], "256 and 44");
    assert_eq!(ledger.entries[0].fields["firstName"], "Siti255");
    assert_eq!(bridge.only_lead().await["firstName"], "Siti299");
    bridge.stop().await;
}

#[tokio::test]
async fn a_corrected_word_brings_a_dead_lead_back_with_all_that_was_said() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "reject_field": "firstName" })).await;
    say(&bridge, "a", json!({ "first_name": "Siti", "email": "siti@example.com" })).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.count(EventState::Dead).await, 1);
    bridge.faults(json!({})).await;
    say(&bridge, "b", json!({ "first_name": "Ayu" })).await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!((lead["firstName"].as_str(), lead["email"].as_str()), (Some("Ayu"), Some("siti@example.com")));
    assert_eq!((bridge.count(EventState::Dead).await, bridge.count(EventState::Delivered).await), (0, 2));
    bridge.stop().await;
}

#[tokio::test]
async fn new_leads_go_ahead_of_updates_and_updates_ahead_of_replays() {
    use konektor_bridge::providers::SampleKind::{Lead, Update};
    let bridge = spawn_bridge().await;
    bridge.send("whatsapp", Lead, 1).await;
    bridge.faults(json!({ "reject_field": "email" })).await;
    bridge.deliver_all().await;
    bridge.faults(json!({ "reject_field": "firstName" })).await;
    bridge.send("google", Lead, 2).await;
    bridge.deliver_all().await;
    bridge.faults(json!({})).await;
    bridge.admin("POST", "pause", None).await;
    let everything = Selector::Matching(Default::default());
    assert_eq!(bridge.store.replay(&everything, 9, bridge.clock.now()).await.unwrap().count, 1);
    bridge.send("whatsapp", Update, 1).await;
    bridge.send("google", Lead, 3).await;
    bridge.deliver().await;
    bridge.clock.advance(Duration::from_secs(3));
    let committed = bridge.ledger().await.entries.len();
    bridge.admin("POST", "resume", None).await;
    bridge.deliver_all().await;
    let entries = bridge.ledger().await.entries.split_off(committed);
    let deeds: Vec<_> = entries.iter().map(|entry| entry.deed).collect();
    assert_eq!(deeds, [Deed::Create, Deed::Update, Deed::Create], "{entries:?}");
    let email = |entry: &konektor_bridge::sandbox::Entry| entry.fields["email"].as_str().unwrap_or_default().to_owned();
    assert!(email(&entries[0]).contains(".3@") && email(&entries[2]).contains(".2@"), "{entries:?}");
    bridge.stop().await;
}
