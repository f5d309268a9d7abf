//! What the log says of leads on their whole way: received, sorted, looked up, delivered, given up, replayed. Everything
//! that a person on duty needs, and nothing of whose leads they are.

use konektor_bridge::providers::{Sample, SampleKind};
use konektor_bridge::store::EventState;
use serde_json::{Value, json};

use crate::harness::{TestBridge, spawn_bridge};
use crate::receive::Log;

/// A change of the WhatsApp Cloud API, in its envelope and signed.
fn whatsapp(bridge: &TestBridge, mut value: Value) -> Sample {
    value["metadata"] = json!({"display_phone_number": "6281100001111", "phone_number_id": "106540352242922"});
    let changes = json!([{"field": "messages", "value": value}]);
    let webhook = json!({"object": "whatsapp_business_account", "entry": [{"id": "1", "changes": changes}]});
    bridge.signed("whatsapp", webhook.to_string())
}

fn form(bridge: &TestBridge, id: &str, message: &str) -> Sample {
    let fields = json!({
        "nama": "Zulaikha Wirjawan", "no_hp": "0812 9988 7766", "email": "zulaikha@contoh.example", "pesan": message,
        "submission_id": id,
    });
    bridge.signed("form", fields.to_string())
}

/// What the people of this test said, and what they are called and reached by.
const SAID: [&str; 9] =
    ["Zulaikha", "Wirjawan", "99887766", "9988 7766", "zulaikha@", "kampus", "Rangga", "77665544", "paket emas"];

#[tokio::test]
async fn no_line_of_the_log_tells_whose_lead_it_was_on_its_whole_way_also_at_debug() {
    let log = Log::of_what_passes("debug,konektor_bridge=trace");
    let bridge = spawn_bridge().await;
    // A create whose answer is lost is searched for, an update follows.
    bridge.faults(json!({"next": [{"on": "create", "times": 1, "then": "lost_answer"}]})).await;
    assert_eq!(bridge.post("form", form(&bridge, "s-1", "kos dekat kampus")).await, 200);
    bridge.deliver_all().await;
    assert_eq!(bridge.post("form", form(&bridge, "s-1", "kos dekat kampus, dua kamar")).await, 200);
    bridge.send("meta", SampleKind::Lead, 1).await;
    let message = json!({
        "contacts": [{"profile": {"name": "Rangga"}, "wa_id": "6281277665544"}],
        "messages": [{"from": "6281277665544", "id": "wamid.1", "type": "text", "text": {"body": "paket emas"},
            "errors": [{"code": 131_051, "title": "Message type unknown", "message": "of 6281277665544"}]}],
        "statuses": [{"recipient_id": "6281277665544", "errors": [{"code": 131_026, "title": "Message undeliverable"}]}],
        "errors": [{"code": 130_429, "title": "Rate limit hit"}],
    });
    assert_eq!(bridge.post("whatsapp", whatsapp(&bridge, message)).await, 200);
    bridge.deliver_all().await;
    assert_eq!(bridge.leads().await.len(), 3);

    // One that Konektor refuses, one that cannot be split; both are replayed.
    bridge.faults(json!({"reject_field": "firstName"})).await;
    assert_eq!(bridge.post("form", form(&bridge, "s-2", "kos dekat kampus, tiga kamar")).await, 200);
    assert_eq!(bridge.post("form", bridge.signed("form", r#"{"nama":"Zulaikha"#.to_owned())).await, 200);
    bridge.deliver_all().await;
    assert_eq!(bridge.count(EventState::Dead).await, 2);
    bridge.faults(json!({})).await;
    bridge.admin("POST", "dead-letters/replay", Some(json!({"all": true}))).await;
    bridge.deliver_all().await;
    assert_eq!(bridge.count(EventState::Dead).await, 1);

    let text = log.text();
    for told in [
        "DEBUG reqwest",
        "lead delivered",
        "lead given up",
        "a webhook is a dead letter, whole",
        r#"code="130429" title="Rate limit hit" times=1"#,
        r#"code="131051" title="Message type unknown" times=1"#,
        r#"code="131026" title="Message undeliverable" times=1"#,
    ] {
        assert!(text.contains(told), "{told} is not in\n{text}");
    }
    let leads = bridge.leads().await;
    let fetched = leads.iter().flat_map(|lead| ["firstName", "lastName", "phone", "email"].map(|name| &lead[name]));
    for personal in fetched.filter_map(Value::as_str).filter(|value| value.len() > 2).chain(SAID) {
        assert!(!text.contains(personal), "{personal} is in\n{text}");
    }
    let metrics = bridge.metrics().await;
    for about in ["account", "received", "sent"] {
        let line = format!(r#"konektor_bridge_sender_errors_total{{source="whatsapp",about="{about}"}} 1"#);
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    bridge.stop().await;
}

#[tokio::test]
async fn the_id_that_a_sender_got_leads_through_the_log() {
    let log = Log::of_this_process();
    let bridge = spawn_bridge().await;
    assert_eq!(bridge.post("form", form(&bridge, "s-1", "kos dekat kampus")).await, 200);
    bridge.deliver_all().await;
    bridge.faults(json!({"next": [{"on": "update", "times": 1, "then": "error"}]})).await;
    assert_eq!(bridge.post("form", form(&bridge, "s-1", "kos dekat kampus, dua kamar")).await, 200);
    bridge.deliver_all().await;
    bridge.faults(json!({"next": [{"on": "create", "times": 1, "then": "lost_answer"}]})).await;
    assert_eq!(bridge.post("form", form(&bridge, "s-2", "kos dekat kampus, tiga kamar")).await, 200);
    bridge.deliver_all().await;
    bridge.faults(json!({"reject_field": "firstName"})).await;
    assert_eq!(bridge.post("form", form(&bridge, "s-3", "kos dekat kampus, empat kamar")).await, 200);
    bridge.deliver_all().await;

    let text = log.text();
    let mut events = bridge.events(EventState::Delivered).await.events;
    events.extend(bridge.events(EventState::Dead).await.events);
    events.sort_by_key(|event| text.find(&event.request_id));
    let told: Vec<Vec<&str>> = events.iter().map(|event| messages(&text, &event.request_id)).collect();
    let (kept, called, delivered) = ("webhook kept", "Konektor was called", "lead delivered");
    let doubt = "not known whether Konektor has the lead, searched for";
    assert_eq!(
        told,
        [
            vec![kept, called, delivered],
            // Each update looks at the lead first.
            vec![kept, called, called, "lead not delivered yet, tried again", called, called, delivered],
            vec![kept, called, doubt, called, delivered],
            vec![kept, called, "lead given up"],
        ],
        "{text}"
    );
    bridge.stop().await;
}

/// What the lines with a request id say, in order, without those about the request itself.
fn messages(text: &str, request_id: &str) -> Vec<&'static str> {
    const MESSAGES: [&str; 6] = [
        "webhook kept",
        "Konektor was called",
        "lead delivered",
        "lead given up",
        "lead not delivered yet, tried again",
        "not known whether Konektor has the lead, searched for",
    ];
    let lines = text.lines().filter(|line| line.contains(request_id));
    lines.filter_map(|line| MESSAGES.into_iter().find(|message| line.contains(message))).collect()
}
