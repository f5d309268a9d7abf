//! Konektor's own webhooks come back to the bridge that caused them: what is learned, and that nothing goes round.

use std::time::Duration;

use konektor_bridge::domain::status::Status;
use konektor_bridge::providers::{Sample, SampleKind};
use konektor_bridge::sandbox::{self, Subscriber};
use konektor_bridge::store::EventState;
use serde_json::{Value, json};

use crate::harness::{KONEKTOR_WEBHOOK_SECRET, TestBridge, spawn_bridge, spawn_with};
use crate::sandbox::webhooks::Receiver;

/// A bridge, and the local Konektor's webhooks on their way to it: one goes on when the test says so.
async fn told() -> (TestBridge, Receiver) {
    let receiver = Receiver::start(vec![]);
    let mut settings = sandbox::Settings::default();
    let subscriber = Subscriber { url: receiver.url.clone(), secret: KONEKTOR_WEBHOOK_SECRET.into() };
    settings.workspaces[0].subscriber = Some(subscriber);
    (spawn_with(settings, &[]).await, receiver)
}

impl TestBridge {
    /// Hands the next of Konektor's webhooks to the bridge, twice: at least once is all that is promised. Gives its body.
    async fn echo(&self, receiver: &mut Receiver) -> Value {
        let came = receiver.next().await;
        let body: Value = serde_json::from_str(&came.body).unwrap();
        let headers = [("x-konektor-event", came.event), ("x-konektor-signature", came.signature)];
        let webhook = Sample::new(headers, came.body.into_bytes());
        for webhook in [webhook.clone(), webhook] {
            assert_eq!(self.post("konektor", webhook).await, 200);
        }
        body
    }

    async fn calls(&self) -> u64 {
        self.ledger().await.calls.total
    }

    async fn shown(&self, external_ref: &Value) -> Value {
        self.admin("GET", &format!("lanes/{}", external_ref.as_str().unwrap()), None).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_bridge_wrote_comes_back_and_goes_no_further() {
    let (bridge, mut konektor) = told().await;
    bridge.send("whatsapp", SampleKind::Lead, 1).await;
    bridge.deliver_all().await;
    let created = bridge.echo(&mut konektor).await;
    assert_eq!(created["source"], "api");
    bridge.deliver_all().await;
    assert_eq!(bridge.calls().await, 1, "nothing was called for the echo");
    bridge.send("whatsapp", SampleKind::Update, 1).await;
    bridge.deliver_all().await;
    let calls = bridge.calls().await;
    bridge.echo(&mut konektor).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.calls().await, calls);
    assert_eq!((bridge.leads().await.len(), bridge.ledger().await.entries.len()), (1, 2), "a create and an update");
    assert_eq!(bridge.count(EventState::Delivered).await, 2, "the echoes are no events");
    let lane = bridge.shown(&created["lead"]["externalRef"]).await;
    assert_eq!(
        (&lane["state"], &lane["status"], &lane["leadId"]),
        (&json!("idle"), &json!("new"), &created["lead"]["id"])
    );
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_whose_answer_was_lost_is_known_by_its_webhook_and_not_searched_for() {
    let (bridge, mut konektor) = told().await;
    bridge.faults(json!({ "next": [{ "on": "create", "then": "lost_answer" }] })).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    bridge.deliver().await;
    assert_eq!(bridge.count(EventState::Pending).await, 1, "its end is not known");
    let calls = bridge.calls().await;
    let created = bridge.echo(&mut konektor).await;
    bridge.deliver().await;
    assert_eq!(bridge.count(EventState::Delivered).await, 1);
    bridge.after(Duration::from_secs(300)).await;
    assert_eq!((bridge.calls().await, bridge.leads().await.len()), (calls, 1), "no search, and no second create");
    let delivered = bridge.events(EventState::Delivered).await.events.remove(0);
    assert_eq!(json!(delivered.lead_id), created["lead"]["id"]);
    bridge.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_that_people_made_and_moved_on_teaches_where_it_stands_and_makes_nothing() {
    let (bridge, mut konektor) = told().await;
    bridge.agent("POST", "leads", Some(json!({ "firstName": "Somebody", "externalRef": "crm:1" }))).await;
    bridge.agent("POST", "leads", Some(json!({ "firstName": "Visitor [KNK-1]" }))).await;
    bridge.send("google", SampleKind::Lead, 1).await;
    for _ in 0..2 {
        bridge.echo(&mut konektor).await;
    }
    bridge.deliver_all().await;
    let created = bridge.echo(&mut konektor).await["lead"].clone();
    bridge.clock.advance(Duration::from_secs(5));
    let path = format!("leads/{}", created["id"].as_str().unwrap());
    bridge.agent("PATCH", &path, Some(json!({ "status": Status::Won }))).await;
    let updated = bridge.echo(&mut konektor).await;
    assert_eq!((&updated["previousStatus"], &updated["newStatus"]), (&json!("new"), &json!("won")));
    bridge.deliver_all().await;
    let lane = bridge.shown(&created["externalRef"]).await;
    let time = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!((&lane["status"], time(&lane["statusAt"])), (&json!("won"), time(&updated["lead"]["updatedAt"])));
    assert_eq!(bridge.count(EventState::Delivered).await, 1, "of four leads' webhooks one lead is ours");
    assert_eq!(bridge.count(EventState::Dead).await, 0);
    bridge.stop().await;
}

#[tokio::test]
async fn a_person_who_hides_the_number_or_has_a_new_one_stays_one_lead() {
    let bridge = spawn_bridge().await;
    let messages = [
        r#"{"from":"6281200001111","id":"wamid.1","type":"text","text":{"body":"Halo"}}"#,
        r#"{"from":"6281200001111","from_user_id":"ID.1","id":"wamid.2","type":"text","text":{"body":"Halo lagi"}}"#,
        r#"{"from_user_id":"ID.1","id":"wamid.3","type":"text","text":{"body":"Tanpa nomor"}}"#,
        r#"{"from":"6281200001111","id":"wamid.4","type":"system","system":{"type":"user_changed_number","wa_id":"6281200002222","user_id":"ID.2"}}"#,
        r#"{"from":"6281200002222","id":"wamid.5","type":"text","text":{"body":"Nomor baru"}}"#,
        r#"{"from_user_id":"ID.2","id":"wamid.6","type":"text","text":{"body":"Siapa saya?"}}"#,
    ];
    for message in messages {
        let value = format!(r#"{{"metadata":{{"phone_number_id":"1"}},"messages":[{message}]}}"#);
        let body = format!(
            r#"{{"object":"whatsapp_business_account","entry":[{{"id":"1","changes":[{{"field":"messages","value":{value}}}]}}]}}"#
        );
        assert_eq!(bridge.post("whatsapp", bridge.signed("whatsapp", body)).await, 200);
        bridge.clock.advance(Duration::from_secs(60));
        bridge.deliver_all().await;
    }
    let lead = bridge.only_lead().await;
    assert_eq!(lead["externalRef"], "wa:1:6281200001111");
    assert_eq!(bridge.count(EventState::Delivered).await, 5);
    // The old number is somebody else's now.
    let value = r#"{"metadata":{"phone_number_id":"1"},"messages":[{"from":"6281200001111","from_user_id":"ID.9","id":"wamid.7","type":"text","text":{"body":"Halo"}}]}"#;
    let body = format!(r#"{{"object":"whatsapp_business_account","entry":[{{"changes":[{{"value":{value}}}]}}]}}"#);
    assert_eq!(bridge.post("whatsapp", bridge.signed("whatsapp", body)).await, 200);
    bridge.deliver_all().await;
    assert_eq!(bridge.leads().await.len(), 2);
    bridge.stop().await;
}
