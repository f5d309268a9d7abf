//! A form whose fields change is told once, wherever a person may look.

use std::sync::Arc;
use std::time::Duration;

use konektor_bridge::sandbox;
use konektor_bridge::store::{MemoryStore, Options, Store};
use serde_json::{Value, json};

use crate::harness::{TestBridge, spawn_bridge, spawn_on, spawn_with};
use crate::receive::Log;

impl TestBridge {
    /// The person number `number` fills in the form `kontak`, which has `more` fields than usual.
    async fn fill_in(&self, number: u32, more: Value) {
        let mut form = json!({ "form_id": "kontak", "nama": "Siti", "no_hp": format!("0812-0000-{number:04}") });
        for (name, value) in more.as_object().unwrap() {
            match value {
                Value::Null => drop(form.as_object_mut().unwrap().remove(name)),
                value => drop(form.as_object_mut().unwrap().insert(name.clone(), value.clone())),
            }
        }
        assert_eq!(self.post("form", self.signed("form", form.to_string())).await, 200);
        self.clock.advance(Duration::from_secs(60));
        self.deliver_all().await;
    }

    /// What is told of the forms of the source `form`.
    async fn changes(&self) -> Vec<String> {
        let sources = self.admin("GET", "sources", None).await;
        let source = sources["sources"].as_array().unwrap().iter().find(|source| source["name"] == "form").unwrap();
        let forms = source["forms"].as_array().cloned().unwrap_or_default();
        let told = forms.iter().flat_map(|form| {
            assert_eq!(form["form"], "kontak");
            form["changes"]
                .as_array()
                .unwrap()
                .iter()
                .map(|change| format!("{} {} {}", change["kind"], change["field"], change["was"]).replace('"', ""))
        });
        told.collect()
    }

    async fn drifts(&self) -> Vec<String> {
        let metrics = self.metrics().await;
        let lines = metrics.lines().filter(|line| line.starts_with("konektor_bridge_form_drift_total"));
        lines.map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_new_and_a_renamed_field_are_told_once_by_one_bridge_of_all() {
    let store = Arc::new(MemoryStore::new(Options::default()));
    let bridge = spawn_on(Arc::clone(&store) as Arc<dyn Store>, sandbox::Settings::default(), &[]).await;
    bridge.fill_in(1, json!({})).await;
    bridge.fill_in(2, json!({})).await;
    assert_eq!((bridge.changes().await, bridge.drifts().await), (vec![], vec![]), "that is what the form is");
    for number in 3..6 {
        bridge.fill_in(number, json!({ "kota": "Bogor" })).await;
    }
    bridge.fill_in(6, json!({ "kota": "Bogor", "no_hp": null, "telepon": "0812-0000-0006" })).await;
    assert_eq!(bridge.changes().await, ["new kota null", "renamed telepon no_hp"]);
    let told =
        ["new", "renamed"].map(|kind| format!("konektor_bridge_form_drift_total{{source=\"form\",kind=\"{kind}\"}} 1"));
    let mut drifts = bridge.drifts().await;
    drifts.sort();
    assert_eq!(drifts, told);
    let left = Arc::new((*store).clone());
    bridge.stop().await;

    let another = spawn_on(left, sandbox::Settings::default(), &[]).await;
    another.clock.advance(Duration::from_secs(3600));
    another.fill_in(7, json!({ "kota": "Bogor", "no_hp": null, "telepon": "0812-0000-0007" })).await;
    assert_eq!(another.drifts().await, Vec::<String>::new(), "the store knows");
    assert_eq!(another.changes().await.len(), 2);
    another.clock.advance(Duration::from_hours(31 * 24));
    assert_eq!(another.changes().await, Vec::<String>::new(), "a month later it is the form that it is");
    another.stop().await;
}

#[tokio::test]
async fn a_field_that_came_later_and_does_not_come_any_more_is_told_by_a_bridge_that_has_started_since() {
    let store = Arc::new(MemoryStore::new(Options::default()));
    let bridge = spawn_on(Arc::clone(&store) as Arc<dyn Store>, sandbox::Settings::default(), &[]).await;
    bridge.fill_in(1, json!({})).await;
    for number in 2..12 {
        bridge.fill_in(number, json!({ "kota": "Bogor" })).await;
    }
    assert_eq!(bridge.changes().await, ["new kota null"]);
    let left = Arc::new((*store).clone());
    bridge.stop().await;
    let another = spawn_on(left, sandbox::Settings::default(), &[]).await;
    another.clock.advance(Duration::from_secs(3600));
    for number in 12..24 {
        another.fill_in(number, json!({})).await;
    }
    assert_eq!(another.changes().await, ["new kota null", "vanished kota null"]);
    assert_eq!(another.drifts().await, ["konektor_bridge_form_drift_total{source=\"form\",kind=\"vanished\"} 1"]);
    another.stop().await;
}

#[tokio::test]
async fn of_the_fields_that_a_visitor_sends_the_log_says_how_many() {
    let log = Log::of_this_process();
    let bridge = spawn_bridge().await;
    bridge.fill_in(1, json!({})).await;
    bridge.fill_in(2, json!({ "siti@example.com": "x", "Budi Santoso": "y" })).await;
    let text = log.text();
    let warnings: Vec<_> = text.lines().filter(|line| line.contains("fields of a form")).collect();
    assert!(warnings.len() == 1 && warnings[0].contains("new=2"), "{warnings:?}");
    for said in ["siti@example.com", "Budi", "kontak"] {
        assert!(!text.contains(said), "{said} is in\n{text}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_and_what_konektor_says_of_a_value_are_told_without_the_value() {
    let log = Log::of_this_process();
    let bridge = spawn_bridge().await;
    assert_eq!(bridge.post("meta", bridge.signed("meta", "{\"object\":\"page\",\"entry\":7}".into())).await, 200);
    let refused = json!({ "success": false, "error": { "code": "VALIDATION_ERROR", "message": "no",
        "details": { "firstName": "received 'Siti'" } } });
    let answer = json!({ "answer": { "status": 400, "body": refused.to_string() } });
    bridge.faults(json!({ "next": [{ "on": "create", "then": answer }] })).await;
    bridge.fill_in(1, json!({ "nama": "Siti" })).await;
    let text = log.text();
    assert!(text.contains("a webhook is a dead letter, whole"), "{text}");
    assert!(text.contains("says which field and why"), "{text}");
    assert!(!text.contains("Siti"), "{text}");
    bridge.stop().await;
}

#[tokio::test]
async fn a_contact_whose_properties_come_and_go_is_no_form() {
    let variables =
        [("HUBSPOT_SECRET", "hubspot-secret-of-the-tests-01"), ("BRIDGE_PUBLIC_URL", "https://hooks.example.com")];
    let bridge = spawn_with(sandbox::Settings::default(), &variables).await;
    let changes = [("email", "siti@example.com"), ("phone", "+6281200001234"), ("mobilephone", "+6281200001235")];
    for (at, (name, value)) in changes.into_iter().enumerate() {
        let event = json!([{ "subscriptionId": 1, "portalId": 2, "occurredAt": 1_793_000_000_000_u64 + at as u64, "objectId": 7,
            "subscriptionType": "contact.propertyChange", "propertyName": name, "propertyValue": value }]);
        assert_eq!(bridge.post("hubspot", bridge.signed("hubspot", event.to_string())).await, 200);
        bridge.deliver_all().await;
    }
    assert_eq!(bridge.leads().await.len(), 1);
    assert_eq!(bridge.drifts().await, Vec::<String>::new());
    bridge.stop().await;
}
