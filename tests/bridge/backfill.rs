//! Back-fill: what webhooks did not bring is read from the senders' own lists.

use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::clock::Clock as _;
use konektor_bridge::providers::SampleKind;
use konektor_bridge::sandbox::Settings;
use konektor_bridge::store::{EventState, MemoryStore, Options};
use serde_json::{Value, json};

use crate::cli::run;
use crate::harness::{TestBridge, spawn_bridge, spawn_on, spawn_with, today};

const HOUR: Duration = Duration::from_hours(1);
const OWNER: (&str, &str) = ("LINKEDIN_OWNER", "urn:li:sponsoredAccount:1234567");

/// Reads the whole list of a source through the admin API; gives how many leads were on each page.
async fn read_all(bridge: &TestBridge, source: &str, since: Timestamp) -> Vec<u64> {
    let (mut pages, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let asked = json!({ "since": since, "cursor": cursor });
        let mut page = bridge.admin("POST", &format!("sources/{source}/backfill"), Some(asked)).await;
        pages.push(page["kept"].as_u64().unwrap());
        cursor = page["next"].take();
        if cursor.is_null() {
            return pages;
        }
    }
}

/// The references of the leads that Konektor has.
async fn references(bridge: &TestBridge) -> Vec<String> {
    let leads = bridge.leads().await;
    let mut references: Vec<_> = leads.iter().map(|lead| lead["externalRef"].as_str().unwrap().to_owned()).collect();
    references.sort();
    references
}

/// Sends Meta's webhook of an ordinary lead; gives the lead's id.
async fn send_meta(bridge: &TestBridge, seed: u64) -> String {
    let sample = bridge.sample("meta", SampleKind::Lead, seed);
    let body: Value = serde_json::from_slice(&sample.body).unwrap();
    assert_eq!(bridge.post("meta", sample).await, 200);
    body["entry"][0]["changes"][0]["value"]["leadgen_id"].as_str().unwrap().to_owned()
}

async fn duplicates(bridge: &TestBridge) -> String {
    let metrics = bridge.metrics().await;
    let line = metrics.lines().find(|line| line.starts_with("konektor_bridge_duplicates_total ")).unwrap();
    line.rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_lost_webhook_s_lead_is_recovered_from_meta_s_list_and_what_came_is_a_duplicate() {
    let bridge = spawn_bridge().await;
    let came = send_meta(&bridge, 1).await;
    bridge.deliver_all().await;
    bridge.submitted("meta", &[&came, "900000000000001"], None, today() - HOUR).await;
    bridge.submitted("meta", &["900000000000002"], Some("77"), today() - 2 * HOUR).await;
    bridge.submitted("meta", &["900000000000003"], Some("77"), today() - 100 * HOUR).await;
    assert_eq!(read_all(&bridge, "meta", today() - 24 * HOUR).await, [0, 2, 1], "the forms, and the leads of each");
    bridge.deliver_all().await;
    let expected =
        [format!("meta:leadgen:{came}"), "meta:leadgen:900000000000001".into(), "meta:leadgen:900000000000002".into()];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(references(&bridge).await, expected);
    assert_eq!(duplicates(&bridge).await, "1");
    assert_eq!((bridge.creates().await, bridge.count(EventState::Delivered).await), (3, 3));
    let events = bridge.events(EventState::Delivered).await.events;
    let listed = events.iter().filter(|event| event.request_id.starts_with("backfill-")).count();
    assert_eq!(listed, 2, "the log tells where it came from");
    // Whatever is read again changes nothing, and a webhook that comes late is a duplicate.
    read_all(&bridge, "meta", today() - 24 * HOUR).await;
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, duplicates(&bridge).await.as_str()), (3, "4"));
    bridge.stop().await;
}

#[tokio::test]
async fn what_is_listed_again_after_it_was_forgotten_is_the_same_lead() {
    let options = Options { retention: 24 * HOUR, idle_retention: 48 * HOUR, ..Options::default() };
    let bridge = spawn_on(std::sync::Arc::new(MemoryStore::new(options)), Settings::default(), &[]).await;
    let came = send_meta(&bridge, 1).await;
    bridge.deliver_all().await;
    bridge.submitted("meta", &[&came, "900000000000001"], None, today() + HOUR).await;
    // Longer than the bridge remembers anything, and than Meta is said to show a lead.
    bridge.clock.advance(91 * 24 * HOUR);
    while bridge.store.expire(1000, bridge.clock.now()).await.unwrap() > 0 {}
    assert_eq!(read_all(&bridge, "meta", today() - 120 * 24 * HOUR).await, [0, 2]);
    bridge.deliver_all().await;
    let expected = [format!("meta:leadgen:{came}"), "meta:leadgen:900000000000001".to_owned()];
    assert_eq!(references(&bridge).await, expected, "it is searched for before it is made");
    assert_eq!((bridge.creates().await, duplicates(&bridge).await.as_str()), (2, "0"));
    bridge.stop().await;
}

#[tokio::test]
async fn a_recovered_lead_is_what_its_webhook_would_have_made() {
    let bridge = spawn_bridge().await;
    let id = send_meta(&bridge, 1).await;
    bridge.deliver_all().await;
    let by_webhook = bridge.only_lead().await;
    bridge.stop().await;
    let bridge = spawn_bridge().await;
    bridge.submitted("meta", &[&id], None, today()).await;
    bridge.clock.advance(Duration::from_secs(1));
    read_all(&bridge, "meta", today() - HOUR).await;
    bridge.deliver_all().await;
    let by_list = bridge.only_lead().await;
    for field in ["firstName", "lastName", "email", "phone", "source", "adPlatform", "externalRef"] {
        assert_eq!(by_list[field], by_webhook[field], "{field}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn a_long_list_comes_page_by_page_and_waits_behind_what_is_live() {
    let bridge = spawn_bridge().await;
    let ids: Vec<_> = (0..405).map(|number| format!("9000000000{number:05}")).collect();
    bridge.submitted("meta", &ids.iter().map(String::as_str).collect::<Vec<_>>(), None, today() - HOUR).await;
    assert_eq!(read_all(&bridge, "meta", today() - 2 * HOUR).await, [0, 200, 200, 5]);
    send_meta(&bridge, 1).await;
    while bridge.sort().await > 0 {}
    let stats = bridge.admin("GET", "stats", None).await;
    let ready = |class: &str| {
        let queues = stats["queues"].as_array().unwrap();
        queues.iter().find(|queue| queue["class"] == class).unwrap()["ready"].as_u64().unwrap()
    };
    assert_eq!((ready("new"), ready("bulk")), (1, 405));
    assert_eq!(stats["events"]["pending"], 406, "none is there twice, none is missing");
    bridge.stop().await;
}

#[tokio::test]
async fn linkedin_s_list_is_asked_for_in_its_own_language() {
    // The stand-in refuses what is encoded otherwise, as LinkedIn does.
    let bridge = spawn_with(Settings::default(), &[OWNER]).await;
    bridge.send("linkedin", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    let came = bridge.leads().await[0]["externalRef"].as_str().unwrap().replace("linkedin:lead:", "");
    let ids: Vec<_> = (0..104).map(|number| format!("249592fc-d272-44ba-a7db-{number:012}-6")).collect();
    bridge.submitted("linkedin", &[&came, "00000000-d272-44ba-a7db-c2bdce579507-6"], None, today() - HOUR).await;
    bridge.submitted("linkedin", &ids.iter().map(String::as_str).collect::<Vec<_>>(), None, today() - 2 * HOUR).await;
    bridge.submitted("linkedin", &["an-event-s"], Some("EVENT"), today() - HOUR).await;
    assert_eq!(read_all(&bridge, "linkedin", today() - 3 * HOUR).await, [100, 6]);
    while bridge.sort().await > 0 {}
    assert_eq!((bridge.count(EventState::Pending).await, duplicates(&bridge).await.as_str()), (105, "1"));
    bridge.stop().await;
}

#[tokio::test]
async fn an_organisation_has_a_list_for_each_type_of_its_leads() {
    let bridge = spawn_with(Settings::default(), &[("LINKEDIN_OWNER", "urn:li:organization:1234567")]).await;
    bridge.submitted("linkedin", &["an-event-s"], Some("EVENT"), today() - HOUR).await;
    bridge.submitted("linkedin", &["an-ad-s"], None, today() - HOUR).await;
    assert_eq!(read_all(&bridge, "linkedin", today() - 3 * HOUR).await, [0, 1, 0]);
    bridge.deliver_all().await;
    let lead = bridge.only_lead().await;
    assert_eq!((&lead["externalRef"], &lead["source"]), (&json!("linkedin:lead:an-event-s"), &json!("event")));
    bridge.stop().await;
}

/// What is said when the first page cannot be read.
async fn refused(bridge: &TestBridge, source: &str) -> (u16, Option<String>, String) {
    let asked = json!({ "since": today() - HOUR });
    let (status, after, said) = bridge.ask_admin(&format!("sources/{source}/backfill"), &asked).await;
    (status, after, format!("{}: {}", said["error"].as_str().unwrap(), said["message"].as_str().unwrap()))
}

#[tokio::test]
async fn a_list_that_the_sender_refuses_says_what_to_do() {
    let bridge = spawn_with(Settings::default(), &[OWNER]).await;
    bridge.graph("me", json!({ "error": { "code": 190, "error_subcode": 463 } })).await;
    let (status, after, said) = refused(&bridge, "meta").await;
    assert_eq!((status, after), (502, None));
    assert!(said.starts_with("sender: ") && said.contains("it has expired"), "{said}");
    bridge.graph("me", json!({ "error": { "code": 200 } })).await;
    let (status, _, said) = refused(&bridge, "meta").await;
    assert!(status == 502 && said.contains("pages_manage_ads"), "{said}");
    let usage = json!({ "1": [{ "type": "leadgen", "estimated_time_to_regain_access": 7 }] }).to_string();
    bridge.graph("me", json!({ "error": { "code": 4, "headers": { "X-Business-Use-Case-Usage": usage } } })).await;
    let (status, after, said) = refused(&bridge, "meta").await;
    assert_eq!((status, after.as_deref()), (503, Some("420")));
    assert!(said.starts_with("later: "), "{said}");
    let answer = json!({ "answer": { "status": 403, "body": { "status": 403, "code": "ACCESS_DENIED" } } });
    bridge.graph("leadFormResponses", answer).await;
    let (status, _, said) = refused(&bridge, "linkedin").await;
    assert!(status == 502 && said.contains("lead role"), "{said}");
    assert_eq!(bridge.store.stats(today()).await.unwrap().inbox, 0);
    bridge.stop().await;
}

#[tokio::test]
async fn a_source_without_a_list_names_those_that_have_one() {
    let bridge = spawn_bridge().await;
    let (status, _, said) = refused(&bridge, "google").await;
    assert!(status == 400 && said.ends_with("those that have one are linkedin, meta"), "{said}");
    let (status, _, said) = refused(&bridge, "linkedin").await;
    assert!(status == 400 && said.contains("set LINKEDIN_OWNER"), "{said}");
    let (status, _, said) = refused(&bridge, "typeform").await;
    assert!(status == 400 && said.contains("TYPEFORM_SECRET"), "{said}");
    assert_eq!(refused(&bridge, "nobody").await.0, 404);
    for wrong in [
        json!({}),
        json!({ "since": today() + HOUR }),
        json!({ "since": today() - HOUR, "cursor": "SPONSORED:0" }),
        json!({ "since": today() - HOUR, "form": "1" }),
    ] {
        assert_eq!(bridge.ask_admin("sources/meta/backfill", &wrong).await.0, 400, "{wrong}");
    }
    bridge.stop().await;
}

/// How often the stand-ins were asked.
async fn asked(bridge: &TestBridge) -> usize {
    bridge.ledger().await.calls.graph.values().sum::<u64>().try_into().unwrap()
}

#[tokio::test]
async fn each_list_is_read_every_hour_and_history_only_when_asked_for() {
    let bridge = spawn_with(Settings::default(), &[OWNER]).await;
    bridge.submitted("meta", &["900000000000001"], None, today() - 2 * HOUR).await;
    assert_eq!(bridge.backfill().round().await, today() + HOUR);
    assert_eq!(asked(&bridge).await, 0, "it starts when it is seen first");
    bridge.submitted("meta", &["900000000000002"], None, today() + HOUR / 2).await;
    bridge.submitted("linkedin", &["lost-1"], None, today() + HOUR / 2).await;
    bridge.clock.advance(HOUR - Duration::from_secs(1));
    assert_eq!(bridge.backfill().round().await, today() + HOUR);
    assert_eq!(asked(&bridge).await, 0);
    bridge.clock.advance(Duration::from_secs(1));
    assert_eq!(bridge.backfill().round().await, today() + 2 * HOUR);
    assert_eq!(asked(&bridge).await, 3, "forms and leads of Meta, and LinkedIn's finder");
    bridge.deliver_all().await;
    assert_eq!(references(&bridge).await, ["linkedin:lead:lost-1", "meta:leadgen:900000000000002"]);
    // Nobody is there for five hours: neither the senders' webhooks nor the bridge.
    bridge.submitted("meta", &["900000000000003"], None, today() + 3 * HOUR).await;
    bridge.clock.set(today() + 6 * HOUR);
    bridge.backfill().round().await;
    bridge.deliver_all().await;
    assert_eq!(references(&bridge).await.last().unwrap(), "meta:leadgen:900000000000003");
    let metrics = bridge.metrics().await;
    assert!(
        metrics.contains(r#"konektor_bridge_list_readings_total{source="meta",outcome="complete"} 2"#),
        "{metrics}"
    );
    bridge.stop().await;
}

#[tokio::test]
async fn a_lead_that_comes_into_the_list_after_its_time_is_read_an_hour_later() {
    let bridge = spawn_bridge().await;
    bridge.backfill().round().await;
    bridge.clock.advance(HOUR);
    bridge.backfill().round().await;
    bridge.submitted("meta", &["900000000000001"], None, today() + Duration::from_mins(1)).await;
    bridge.clock.advance(HOUR);
    bridge.backfill().round().await;
    bridge.deliver_all().await;
    assert_eq!(references(&bridge).await, ["meta:leadgen:900000000000001"]);
    bridge.stop().await;
}

#[tokio::test]
async fn a_list_that_fails_is_tried_again_an_hour_later_and_nothing_else_is_held_up() {
    let bridge = spawn_with(Settings::default(), &[OWNER]).await;
    bridge.backfill().round().await;
    bridge.submitted("meta", &["900000000000001"], None, today() + HOUR / 2).await;
    bridge.submitted("linkedin", &["lost-1"], None, today() + HOUR / 2).await;
    bridge.graph("me", json!({ "error": { "code": 190, "error_subcode": 460 } })).await;
    bridge.clock.advance(HOUR);
    bridge.backfill().round().await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 2, "the other list, and what is live");
    let metrics = bridge.metrics().await;
    assert!(metrics.contains(r#"konektor_bridge_list_readings_total{source="meta",outcome="refused"} 1"#), "{metrics}");
    bridge.konektor("DELETE", "graph/me", None).await;
    bridge.clock.set(today() + 2 * HOUR - Duration::from_secs(1));
    bridge.backfill().round().await;
    assert_eq!(bridge.creates().await, 2);
    bridge.clock.set(today() + 3 * HOUR);
    bridge.backfill().round().await;
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 3);
    bridge.stop().await;
}

#[tokio::test]
async fn of_two_bridges_on_one_store_one_reads_a_list() {
    let store = std::sync::Arc::new(MemoryStore::new(Options::default()));
    let spawn = || spawn_on(store.clone(), Settings::default(), &[]);
    let (one, other) = tokio::join!(spawn(), spawn());
    for bridge in [&one, &other] {
        bridge.submitted("meta", &["900000000000001"], None, today() + HOUR / 2).await;
    }
    tokio::join!(one.backfill().round(), other.backfill().round());
    for bridge in [&one, &other] {
        bridge.clock.advance(HOUR);
    }
    tokio::join!(one.backfill().round(), other.backfill().round());
    assert_eq!(asked(&one).await + asked(&other).await, 2, "forms and leads, once");
    one.deliver_all().await;
    assert_eq!(one.creates().await, 1);
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_reading_that_was_cut_off_is_gone_on_with_where_it_stood() {
    let bridge = spawn_bridge().await;
    bridge.backfill().round().await;
    bridge.submitted("meta", &["900000000000001"], None, today() + HOUR / 2).await;
    bridge.submitted("meta", &["900000000000002"], Some("77"), today() + HOUR / 2).await;
    bridge.clock.advance(HOUR);
    let usual = "1234567890123456";
    bridge.graph("77", json!({ "error": { "code": 2 } })).await;
    let next = bridge.backfill().round().await;
    assert_eq!(next, today() + 2 * HOUR);
    assert_eq!(asked(&bridge).await, 3, "the forms, the leads of {usual}, and none of the other's");
    bridge.konektor("DELETE", "graph/77", None).await;
    bridge.clock.set(next);
    bridge.backfill().round().await;
    assert_eq!(asked(&bridge).await, 4, "what is read is not read again");
    bridge.deliver_all().await;
    assert_eq!(bridge.creates().await, 2);
    bridge.stop().await;
}

#[tokio::test]
async fn a_source_whose_owner_does_not_want_it_is_not_read_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("bridge.toml");
    std::fs::write(&file, "[sources.meta.rules]\nbackfill = false\n").unwrap();
    let bridge = spawn_with(Settings::default(), &[("BRIDGE_CONFIG", file.to_str().unwrap())]).await;
    bridge.backfill().round().await;
    bridge.submitted("meta", &["900000000000001"], None, today() + HOUR / 2).await;
    bridge.clock.advance(HOUR);
    bridge.backfill().round().await;
    assert_eq!(asked(&bridge).await, 0);
    assert_eq!(read_all(&bridge, "meta", today()).await, [0, 1], "a person may ask for it");
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_reads_the_whole_list_and_may_be_run_again() {
    let bridge = spawn_bridge().await;
    bridge.submitted("meta", &["900000000000001"], None, today() - HOUR).await;
    bridge.submitted("meta", &["900000000000002", "900000000000003"], Some("77"), today() - HOUR).await;
    let url = bridge.admin_url();
    let backfill = async |source: &'static str, until: &'static str| {
        let url = url.clone();
        let run = move || {
            let variables = [("BRIDGE_ADMIN_URL", url.as_str())];
            run(&variables, &["backfill", source, "--since", "2026-11-22T00:00:00Z", "--until", until])
        };
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    for _ in 0..2 {
        let said = backfill("meta", "2026-11-24T00:00:00Z").await.done();
        assert!(said.starts_with("3 leads listed by the sender of `meta`") && said.contains("told apart"), "{said}");
    }
    assert!(backfill("meta", "2026-11-23T00:00:00Z").await.done().starts_with("0 leads listed"));
    bridge.deliver_all().await;
    assert_eq!((bridge.creates().await, duplicates(&bridge).await.as_str()), (3, "3"));
    assert!(backfill("google", "2026-11-24T00:00:00Z").await.failed(64).contains("those that have one are"));
    assert!(backfill("meta", "2026-11-21T00:00:00Z").await.failed(64).contains("--until"));
    bridge.graph("77", json!({ "error": { "code": 190, "error_subcode": 463 } })).await;
    let ran = backfill("meta", "2026-11-24T00:00:00Z").await;
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("1 leads were listed before this") && ran.err.contains("it has expired"), "{ran:?}");
    let usage = json!({ "1": [{ "type": "leadgen", "estimated_time_to_regain_access": 61 }] }).to_string();
    bridge.graph("me", json!({ "error": { "code": 4, "headers": { "X-Business-Use-Case-Usage": usage } } })).await;
    let said = backfill("meta", "2026-11-24T00:00:00Z").await.failed(1);
    assert!(said.contains("rate limit for this app or token is used up"), "it is not waited for that long: {said}");
    bridge.stop().await;
}
