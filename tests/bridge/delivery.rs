//! From a signed webhook to a lead in Konektor, and everything that can go wrong between.

use std::time::Duration;

use konektor_bridge::clock::Clock as _;
use konektor_bridge::providers::{Sample, SampleKind};
use konektor_bridge::sandbox;
use konektor_bridge::store::EventState;
use serde_json::{Value, json};

use crate::harness::{GENERIC_TOKEN, TestBridge, spawn_bridge, spawn_with};

const SENDERS: [&str; 11] = [
    "form", "meta", "whatsapp", "google", "standard", "tiktok", "linkedin", "snapchat", "posthog", "generic", "zapier",
];

#[tokio::test]
async fn a_proven_body_that_is_not_the_gzip_that_its_sender_says_is_a_dead_letter() {
    let bridge = spawn_bridge().await;
    // As a form it would be one, with odd names.
    let broken = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, b'=', b'x'];
    let mut sample = bridge.signed_bytes("form", broken.into());
    sample.headers.retain(|(name, _)| name != "content-type");
    sample.headers.push(("content-type".into(), "application/x-www-form-urlencoded".into()));
    sample.headers.push(("content-encoding".into(), "gzip".into()));
    assert_eq!(bridge.post("form", sample).await, 200);
    bridge.deliver_all().await;
    let dead = bridge.events(EventState::Dead).await.events;
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert!(dead[0].detail.as_deref().is_some_and(|detail| detail.contains("says gzip")), "{dead:?}");
    assert!(bridge.leads().await.is_empty());
    bridge.stop().await;
}

#[tokio::test]
async fn each_sender_s_webhook_becomes_a_lead_with_one_create() {
    for sender in SENDERS {
        let bridge = spawn_bridge().await;
        bridge.send(sender, SampleKind::Lead, 1).await;
        bridge.deliver_all().await;
        let lead = bridge.only_lead().await;
        assert!(lead["firstName"].as_str().is_some_and(|name| !name.is_empty()), "{sender}: {lead:#}");
        assert!(lead["externalRef"].as_str().is_some_and(|reference| reference.contains(':')), "{sender}: {lead:#}");
        assert_eq!(lead["status"], "new", "{sender}: no status was sent");
        let ledger = bridge.ledger().await;
        assert!(!ledger.entries[0].fields.contains_key("status"), "{sender}: {:?}", ledger.entries[0]);
        assert_eq!((ledger.calls.total, ledger.entries.len()), (1, 1), "{sender}: one call");
        bridge.stop().await;
    }
}

#[tokio::test]
async fn the_same_webhook_five_times_is_one_lead() {
    for sender in SENDERS {
        let bridge = spawn_bridge().await;
        for _ in 0..5 {
            bridge.send(sender, SampleKind::Lead, 7).await;
        }
        bridge.deliver_all().await;
        for _ in 0..5 {
            bridge.send(sender, SampleKind::Lead, 7).await;
        }
        bridge.deliver_all().await;
        assert_eq!(bridge.creates().await, 1, "{sender}");
        assert_eq!(bridge.count(EventState::Delivered).await, 1, "{sender}: the others were duplicates");
        bridge.stop().await;
    }
}

/// Senders that are data alone, with the variable of each.
const FORMS: [(&str, &str, &str); 16] = [
    ("calendly", "CALENDLY_SECRET", "a-signing-key-of-nobody"),
    ("cf7", "CF7_TOKEN", "cf7-token-of-the-tests-0123456789"),
    ("elementor", "ELEMENTOR_TOKEN", "elementor-token-of-the-tests-0123456789"),
    ("fluent", "FLUENT_TOKEN", "fluent-token-of-the-tests-0123456789"),
    ("formspree", "FORMSPREE_SECRET", "formspree-secret-of-the-tests"),
    ("framer", "FRAMER_SECRET", "framer-secret-of-the-tests"),
    ("google_forms", "GOOGLE_FORMS_SECRET", "google-forms-secret-of-the-tests"),
    ("gravity", "GRAVITY_TOKEN", "gravity-token-of-the-tests-0123456789"),
    ("hubspot", "HUBSPOT_SECRET", "hubspot-secret-of-the-tests"),
    ("jotform", "JOTFORM_TOKEN", "jotform-token-of-the-tests-0123456789"),
    ("netlify", "NETLIFY_SECRET", "netlify-secret-of-the-tests"),
    ("shopify", "SHOPIFY_SECRET", "shopify-secret-of-the-tests"),
    ("squarespace", "SQUARESPACE_SECRET", "00112233445566778899aabbccddeeff"),
    ("unbounce", "UNBOUNCE_TOKEN", "unbounce-token-of-the-tests-0123456789"),
    ("wix", "WIX_TOKEN", "wix-token-of-the-tests-0123456789"),
    ("wpforms", "WPFORMS_SECRET", "wpforms-secret-of-the-tests"),
];

#[tokio::test]
async fn a_form_that_is_data_alone_becomes_a_lead_with_a_name_and_a_way_to_reach_the_person() {
    let public = ("BRIDGE_PUBLIC_URL", "https://hooks.example.com");
    let variables: Vec<_> = FORMS.iter().map(|(_, name, value)| (*name, *value)).chain([public]).collect();
    let bridge = spawn_with(sandbox::Settings::default(), &variables).await;
    for (number, (sender, ..)) in (1..).zip(FORMS) {
        bridge.send(sender, SampleKind::Lead, number).await;
        bridge.send(sender, SampleKind::Lead, number).await;
        bridge.deliver_all().await;
        let leads = bridge.leads().await;
        assert_eq!(u64::try_from(leads.len()).unwrap(), number, "{sender}: one lead more: {leads:#?}");
        let lead = leads.last().unwrap();
        assert!(lead["firstName"].as_str().is_some_and(|name| !name.starts_with("Lead")), "{sender}: {lead:#}");
        assert!(lead["phone"].is_string() || lead["email"].is_string(), "{sender}: {lead:#}");
    }
    assert_eq!(bridge.creates().await, FORMS.len(), "one create each");
    bridge.stop().await;
}

#[tokio::test]
async fn a_booking_that_is_moved_twice_is_one_lead() {
    let bridge = spawn_with(sandbox::Settings::default(), &[("CALENDLY_SECRET", "a-signing-key-of-nobody")]).await;
    let invitee = |id: &str| format!("https://api.calendly.com/scheduled_events/E/invitees/{id}");
    // Each names only the one before it.
    for (old, new) in [(None, "I1"), (Some("I1"), "I2"), (Some("I2"), "I3")] {
        let payload = json!({ "name": "Siti Aminah", "email": "siti@example.com", "uri": invitee(new), "old_invitee": old.map(invitee) });
        let body = json!({ "event": "invitee.created", "created_at": "2026-10-26T01:02:03Z", "payload": payload });
        assert_eq!(bridge.post("calendly", bridge.signed("calendly", body.to_string())).await, 200);
        bridge.deliver_all().await;
    }
    assert_eq!(bridge.only_lead().await["externalRef"], "calendly:I1");
    assert_eq!(bridge.count(EventState::Delivered).await, 3);
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_that_comes_from_its_platform_and_through_a_tool_is_one_lead() {
    let bridge = spawn_bridge().await;
    bridge.send("meta", SampleKind::Lead, 5).await;
    bridge.deliver_all().await;
    let native = bridge.only_lead().await;
    let id = native["externalRef"].as_str().unwrap().strip_prefix("meta:leadgen:").unwrap();
    let body = format!(r#"[{{"Lead ID":"l:{id}","platform":"fb","Kota":"Kudus"}}]"#);
    let headers =
        [("content-type", "application/json".to_owned()), ("authorization", format!("Bearer {GENERIC_TOKEN}"))];
    assert_eq!(bridge.post("generic", Sample::new(headers, body.into_bytes())).await, 200);
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!((&lead["id"], &lead["firstName"]), (&native["id"], &native["firstName"]));
    assert!(lead["notes"].as_str().unwrap().contains("Kudus"));
    bridge.stop().await;
}

#[tokio::test]
async fn what_linkedin_has_deleted_is_withheld_and_never_forwarded() {
    let bridge = spawn_bridge().await;
    let created = bridge.sample("linkedin", SampleKind::Lead, 5);
    assert_eq!(bridge.post("linkedin", deleted(&bridge, &created)).await, 200);
    bridge.deliver_all().await;
    assert_eq!((bridge.count(EventState::Withheld).await, bridge.leads().await.len()), (2, 0), "notice and tombstone");
    for _ in 0..2 {
        assert_eq!(bridge.post("linkedin", created.clone()).await, 200);
        bridge.deliver_all().await;
        assert_eq!(
            (bridge.ledger().await.calls.total, bridge.count(EventState::Withheld).await),
            (0, 2),
            "it comes late"
        );
        // Longer than anything else is remembered.
        bridge.clock.advance(Duration::from_hours(24 * 90));
    }
    bridge.stop().await;
}

/// LinkedIn's notice that the lead of `created` was deleted.
fn deleted(bridge: &TestBridge, created: &Sample) -> Sample {
    bridge.signed("linkedin", String::from_utf8(created.body.clone()).unwrap().replace("CREATED", "DELETED"))
}

#[tokio::test]
async fn what_waits_of_a_lead_that_linkedin_deletes_meanwhile_is_not_forwarded() {
    let bridge = spawn_bridge().await;
    let created = bridge.sample("linkedin", SampleKind::Lead, 6);
    for sample in [created.clone(), deleted(&bridge, &created)] {
        assert_eq!(bridge.post("linkedin", sample).await, 200);
    }
    // A tool passes the same lead on, under the name that it has at LinkedIn.
    let urn: Value = serde_json::from_slice(&created.body).unwrap();
    let passed_on = json!({ "lead_id": urn["leadGenFormResponse"], "name": "Siti", "phone": "+6281200001234" });
    let tool = Sample::new(
        [("content-type", "application/json".to_owned()), ("authorization", format!("Bearer {GENERIC_TOKEN}"))],
        passed_on.to_string().into_bytes(),
    );
    assert_eq!(bridge.post("generic", tool).await, 200);
    bridge.deliver_all().await;
    assert_eq!((bridge.count(EventState::Withheld).await, bridge.ledger().await.calls.total), (3, 0));
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_that_linkedin_deletes_after_it_was_created_is_for_a_person_to_erase() {
    let bridge = spawn_bridge().await;
    let created = bridge.sample("linkedin", SampleKind::Lead, 7);
    assert_eq!(bridge.post("linkedin", created.clone()).await, 200);
    bridge.deliver_all().await;
    assert_eq!(bridge.post("linkedin", deleted(&bridge, &created)).await, 200);
    bridge.deliver_all().await;
    let withheld = bridge.events(EventState::Withheld).await.events;
    assert_eq!((withheld.len(), bridge.creates().await, bridge.ledger().await.entries.len()), (1, 1, 1));
    assert_eq!(withheld[0].reason.as_deref(), Some("deleted_at_sender"));
    bridge.stop().await;
}

#[tokio::test]
async fn a_batch_becomes_as_many_leads_as_are_in_it() {
    let bridge = spawn_bridge().await;
    bridge.send("meta", SampleKind::Batch, 3).await;
    bridge.deliver_all().await;
    let leads = bridge.leads().await;
    assert!(leads.len() > 1, "{}", leads.len());
    assert_eq!(bridge.creates().await, leads.len());
    bridge.stop().await;
}

#[tokio::test]
async fn a_later_word_of_the_same_person_updates_the_lead_and_keeps_what_people_wrote() {
    let bridge = spawn_bridge().await;
    bridge.send("whatsapp", SampleKind::Lead, 4).await;
    bridge.deliver_all().await;
    let before = bridge.only_lead().await;
    bridge.send("whatsapp", SampleKind::Update, 4).await;
    bridge.deliver_all().await;
    let after = bridge.only_lead().await;
    assert_eq!(before["firstName"], after["firstName"]);
    assert_ne!(before["notes"], after["notes"], "the second message is in the notes");
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn several_events_of_one_lead_are_one_create() {
    let bridge = spawn_bridge().await;
    bridge.send("whatsapp", SampleKind::Lead, 4).await;
    bridge.send("whatsapp", SampleKind::Update, 4).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.ledger().await.entries.len(), 1, "one call for both");
    assert_eq!(bridge.count(EventState::Delivered).await, 2);
    bridge.stop().await;
}

#[tokio::test]
async fn a_forgery_is_refused_and_leaves_no_trace() {
    for sender in SENDERS {
        let bridge = spawn_bridge().await;
        let forged = bridge.sample(sender, SampleKind::Tampered, 1);
        assert_eq!(bridge.post(sender, forged).await, 401, "{sender}");
        bridge.deliver().await;
        assert!(bridge.leads().await.is_empty(), "{sender}");
        assert!(bridge.store.events(Default::default()).await.unwrap().events.is_empty(), "{sender}");
        bridge.stop().await;
    }
}

#[tokio::test]
async fn a_test_lead_is_withheld_until_a_person_releases_it() {
    for sender in ["meta", "google"] {
        let bridge = spawn_bridge().await;
        bridge.send(sender, SampleKind::Test, 1).await;
        bridge.deliver().await;
        assert!(bridge.leads().await.is_empty(), "{sender}");
        let withheld = bridge.events(EventState::Withheld).await.events;
        assert_eq!(withheld[0].reason.as_deref(), Some("test_lead"), "{sender}");
        bridge.stop().await;
    }
    let bridge = spawn_bridge().await;
    bridge.send("google", SampleKind::Test, 1).await;
    bridge.deliver().await;
    bridge.admin("POST", "withheld/release", Some(json!({ "all": true }))).await;
    bridge.deliver_all().await;
    assert!(bridge.only_lead().await["notes"].as_str().unwrap().contains("TEST"), "it says so");
    bridge.stop().await;
}

#[tokio::test]
async fn a_create_whose_answer_was_lost_is_found_and_not_made_again() {
    for then in ["lost_answer", "commit_then_500"] {
        for show_external_ref in [false, true] {
            let bridge = spawn_with(sandbox::Settings { show_external_ref, ..Default::default() }, &[]).await;
            bridge.faults(json!({ "next": [{ "on": "create", "then": then }] })).await;
            bridge.send("google", SampleKind::Lead, 1).await;
            bridge.deliver_all().await;
            assert_eq!(bridge.creates().await, 1, "{then}, shown: {show_external_ref}");
            assert_eq!(bridge.count(EventState::Delivered).await, 1);
            bridge.stop().await;
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_waited_for_as_long_as_the_search_lags() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "search_lag": "14s", "next": [{ "on": "create", "then": "lost_answer" }] })).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_create_that_failed_without_a_trace_is_made_after_two_clean_searches() {
    let bridge = spawn_bridge().await;
    let begun = bridge.clock.now();
    bridge.faults(json!({ "next": [{ "on": "create", "then": "error" }] })).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    let waited = bridge.clock.now().duration_since(begun).as_secs();
    assert!(waited >= 60, "50 s of quiet and ten between the searches, not {waited}");
    assert!(bridge.ledger().await.calls.by_call["list"]["200"] >= 2);
    bridge.stop().await;
}

#[tokio::test]
async fn a_refused_optional_field_goes_to_the_notes_and_the_lead_arrives() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "reject_field": "email" })).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!(lead["email"], Value::Null);
    assert!(lead["notes"].as_str().unwrap().contains('@'), "the address is in the notes: {lead:#}");
    bridge.stop().await;
}

#[tokio::test]
async fn a_refused_lead_is_a_dead_letter_that_can_be_repaired_and_replayed() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "reject_field": "firstName" })).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    assert!(bridge.leads().await.is_empty());
    let dead = bridge.events(EventState::Dead).await.events;
    assert_eq!(dead[0].reason.as_deref(), Some("rejected"));
    assert!(dead[0].detail.as_deref().unwrap().contains("firstName"), "{dead:?}");
    bridge.faults(json!({})).await;
    let id = dead[0].id.to_string();
    let moved = bridge.admin("POST", "dead-letters/replay", Some(json!({ "ids": [id] }))).await;
    assert_eq!(moved["count"], 1, "{moved}");
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    assert_eq!(bridge.count(EventState::Dead).await, 0);
    bridge.stop().await;
}

#[tokio::test]
async fn a_revoked_key_pauses_everything_and_a_good_one_goes_on() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "revoke_key": sandbox::DEFAULT_KEY })).await;
    for seed in 0..5 {
        bridge.send("google", SampleKind::Lead, seed).await;
    }
    bridge.deliver().await;
    assert_eq!(bridge.admin("GET", "stats", None).await["paused"]["why"], "unauthorized");
    assert_eq!(bridge.ledger().await.calls.total, 1, "one lead found out, the others were not tried");
    bridge.faults(json!({})).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 5);
    bridge.stop().await;
}

#[tokio::test]
async fn a_konektor_that_fails_again_and_again_is_told_of_until_it_answers() {
    let bridge = spawn_bridge().await;
    let is_down = async |down: u8| {
        let metrics = bridge.metrics().await;
        let line = format!("konektor_bridge_upstream_down {down}");
        assert!(metrics.lines().any(|told| told == line), "{line} is not in\n{metrics}");
    };
    is_down(0).await;
    bridge.faults(json!({ "error_rate": 1 })).await;
    for seed in 0..7 {
        bridge.send("google", SampleKind::Lead, seed).await;
    }
    bridge.deliver().await;
    let outage = bridge.admin("GET", "stats", None).await["outage"].clone();
    assert_eq!(outage["why"], "a server error (500)", "{outage}");
    assert_eq!(outage["since"], json!(bridge.clock.now()), "{outage}");
    assert!(outage["until"].as_str().unwrap() > outage["since"].as_str().unwrap(), "{outage}");
    is_down(1).await;
    bridge.faults(json!({})).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.admin("GET", "stats", None).await["outage"], Value::Null);
    is_down(0).await;
    assert_eq!(bridge.creates().await, 7);
    bridge.stop().await;
}

#[tokio::test]
async fn a_person_s_pause_lasts_until_they_resume() {
    let bridge = spawn_bridge().await;
    bridge.admin("POST", "pause", None).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.deliver().await;
    bridge.clock.advance(Duration::from_hours(10));
    bridge.deliver().await;
    assert_eq!(bridge.ledger().await.calls.total, 0);
    bridge.admin("POST", "resume", None).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn the_rate_limit_is_learned_and_never_passed() {
    let bridge = spawn_bridge().await;
    bridge.faults(json!({ "rate_limit": { "model": "sliding_log", "per_minute": 30 } })).await;
    for seed in 0..100 {
        bridge.send("google", SampleKind::Lead, seed).await;
    }
    bridge.deliver_all().await;
    let ledger = bridge.ledger().await;
    assert_eq!((bridge.creates().await, ledger.calls.rate_limited), (100, 0), "{:?}", ledger.calls);
    let took = bridge.clock.now().duration_since(crate::harness::today()).as_secs();
    assert!((180..=260).contains(&took), "100 leads at 30 a minute, not {took} s");
    bridge.stop().await;
}

#[tokio::test]
async fn a_429_is_waited_out_and_costs_no_attempt() {
    let bridge = spawn_bridge().await;
    let throttled = json!({ "answer": { "status": 429, "headers": { "Retry-After": "17" }, "body": "" } });
    bridge.faults(json!({ "next": [{ "on": "create", "then": throttled }] })).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    let next = bridge.deliver().await.expect("it waits");
    let waits = next.duration_since(crate::harness::today()).as_secs();
    assert!((17..=25).contains(&waits), "17 s and some jitter, not {waits}");
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_deleted_in_konektor_is_not_made_again_by_an_update() {
    let bridge = spawn_bridge().await;
    bridge.send("whatsapp", SampleKind::Lead, 4).await;
    bridge.deliver_all().await;
    let id = bridge.only_lead().await["id"].as_str().unwrap().to_owned();
    bridge.konektor("DELETE", &format!("leads/{id}"), None).await;
    bridge.send("whatsapp", SampleKind::Update, 4).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.events(EventState::Dead).await.events[0].reason.as_deref(), Some("lead_gone"));
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_of_meta_says_in_words_what_its_form_asked_and_the_form_is_asked_once() {
    let bridge = spawn_bridge().await;
    bridge.send("meta", SampleKind::Batch, 3).await;
    bridge.deliver_all().await;
    for lead in bridge.leads().await {
        let notes = lead["notes"].as_str().unwrap();
        assert!(notes.contains("Kapan rencana membeli?: "), "{notes}");
        let choices = ["Minggu ini", "Bulan ini", "3 bulan lagi", "Hanya bertanya"];
        assert!(choices.iter().any(|choice| notes.contains(choice)), "{notes}");
        assert!(notes.contains("Form: Konsultasi gratis") && notes.contains("Form id: 1234567890123456"), "{notes}");
    }
    assert_eq!(bridge.ledger().await.calls.graph.values().sum::<u64>(), 4, "three leads and their form");
    bridge.stop().await;
}

#[tokio::test]
async fn a_form_that_the_token_may_not_read_leaves_the_keys_of_its_questions() {
    let bridge = spawn_bridge().await;
    bridge.graph("1234567890123456", json!({ "error": { "code": 200, "message": "Requires pages_manage_ads" } })).await;
    bridge.send("meta", SampleKind::Lead, 3).await;
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    let notes = lead["notes"].as_str().unwrap();
    assert!(notes.contains("kapan_rencana_membeli?") && notes.contains("Form: 1234567890123456"), "{notes}");
    bridge.stop().await;
}

#[tokio::test]
async fn near_the_end_of_meta_s_limit_leads_are_fetched_one_after_the_other() {
    let bridge = spawn_bridge().await;
    let body = json!({ "id": "1", "field_data": [{ "name": "full_name", "values": ["Siti"] }] });
    let near = json!({ "status": 200, "headers": { "X-App-Usage": r#"{"call_count":90}"# }, "body": body });
    bridge.graph("*", json!({ "answer": near })).await;
    bridge.send("meta", SampleKind::Batch, 3).await;
    bridge.deliver().await;
    assert_eq!(bridge.creates().await, 1, "one of three is fetched and goes on");
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 3);
    bridge.stop().await;
}

#[tokio::test]
async fn an_expired_token_at_meta_makes_leads_wait_and_not_die() {
    let bridge = spawn_bridge().await;
    let expired = json!({ "error": { "code": 190, "error_subcode": 463, "message": "Error validating access token" } });
    bridge.graph("*", expired).await;
    bridge.send("meta", SampleKind::Lead, 1).await;
    for _ in 0..20 {
        let next = bridge.deliver().await.expect("it is tried again some time");
        bridge.clock.advance(next.duration_since(bridge.clock.now()).try_into().unwrap_or_default());
    }
    assert_eq!(bridge.count(EventState::Pending).await, 1);
    bridge.konektor("DELETE", "graph/*", None).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 1);
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_that_meta_does_not_give_becomes_a_dead_letter_that_says_what_to_check() {
    let bridge = spawn_bridge().await;
    let missing = json!({ "error": { "code": 100, "error_subcode": 33, "message": "Unsupported get request" } });
    bridge.graph("*", missing).await;
    bridge.send("meta", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    let dead = bridge.events(EventState::Dead).await.events;
    assert_eq!(dead[0].reason.as_deref(), Some("fetch_failed"));
    assert_eq!(bridge.ledger().await.calls.total, 0, "no call of Konektor was spent");
    bridge.stop().await;
}

#[tokio::test]
async fn what_verifies_but_cannot_be_read_is_kept_whole_as_a_dead_letter() {
    let bridge = spawn_bridge().await;
    let mut broken = bridge.sample("form", SampleKind::Lead, 1);
    broken.body = b"{\"nama\": ".to_vec();
    broken.headers =
        vec![("content-type".into(), "application/json".into()), ("origin".into(), "https://shop.example.com".into())];
    assert_eq!(bridge.post("form", broken).await, 200);
    bridge.deliver_all().await;
    let dead = bridge.events(EventState::Dead).await.events;
    assert_eq!(dead[0].reason.as_deref(), Some("unreadable"));
    bridge.stop().await;
}

#[tokio::test]
async fn the_metrics_tell_what_happened() {
    let bridge = spawn_bridge().await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    let forged = bridge.sample("google", SampleKind::Tampered, 1);
    bridge.post("google", forged).await;
    bridge.deliver_all().await;
    bridge.faults(json!({"reject_field": "firstName"})).await;
    bridge.send("google", SampleKind::Lead, 2).await;
    bridge.deliver_all().await;
    let metrics = bridge.metrics().await;
    for line in [
        "konektor_bridge_accepted_total{source=\"google\"} 3",
        "konektor_bridge_duplicates_total 1",
        "konektor_bridge_delivered_total{source=\"google\"} 1",
        "konektor_bridge_receive_to_created_seconds_count 1",
        "konektor_bridge_dead_total{reason=\"rejected\"} 1",
        "konektor_bridge_upstream_call_seconds_count{call=\"create\",outcome=\"ok\"} 1",
        "konektor_bridge_upstream_call_seconds_count{call=\"create\",outcome=\"invalid\"} 1",
        "konektor_bridge_limit_per_minute 200",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    assert!(metrics.contains("konektor_bridge_refused_total{"), "{metrics}");
    bridge.stop().await;
}
