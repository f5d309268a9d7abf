//! The script that a person pastes into Google Forms: what it sends is taken and becomes a lead, and what it cannot send is
//! not lost.

use std::io::Write as _;
use std::process::{Command, Stdio};

use konektor_bridge::clock::Clock;
use konektor_bridge::providers::Sample;
use konektor_bridge::sandbox::Settings;
use serde_json::{Value, json};

use crate::harness::spawn_with;

const SECRET: &str = "google-forms-secret-of-the-tests";

/// What the script does at `now_ms` in the play of `google_forms.js`.
fn played(now_ms: i64) -> Vec<Value> {
    let script = include_str!("../../config/examples/google-forms.gs");
    let script = script.replace("'the bridge\\'s GOOGLE_FORMS_SECRET'", &json!(SECRET).to_string());
    assert!(script.contains(SECRET), "the script says where its secret goes");
    let text = format!("const NOW_MS = {now_ms};\n{}\n{script}", include_str!("google_forms.js"));
    let node = Command::new("node").arg("-").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut node = node.expect("node is there; tests/run installs it");
    node.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sample(request: &Value) -> Sample {
    assert_eq!((&request["method"], &request["followRedirects"]), (&json!("post"), &json!(false)));
    assert_eq!(request["url"], "https://your-bridge.example.com/hooks/google_forms");
    let signature = &request["headers"]["X-Bridge-Signature"];
    let headers = [("content-type", &request["contentType"]), ("x-bridge-signature", signature)];
    let headers = headers.map(|(name, value)| (name, value.as_str().unwrap().to_owned()));
    Sample::new(headers, request["payload"].as_str().unwrap().into())
}

#[tokio::test]
async fn the_script_for_google_forms_makes_leads_and_loses_none_while_the_bridge_is_away() {
    let bridge = spawn_with(Settings::default(), &[("GOOGLE_FORMS_SECRET", SECRET)]).await;
    let told = played(bridge.clock.now().as_millisecond());
    let (requests, rest): (Vec<_>, Vec<_>) = told.iter().partition(|deed| deed["url"].is_string());
    let waits = [1000, 4000, 16000].map(|waited| json!({ "waited": waited }));
    let (waited, sheets) = rest.split_at(3);
    assert!(waited.iter().zip(&waits).all(|(told, wait)| *told == wait), "{rest:?}");
    assert_eq!(sheets, [&json!({"notSent": ["Error: Address unavailable"]}), &json!({"notSent": []})]);

    for request in &requests {
        assert_eq!(bridge.post("google_forms", sample(request)).await, 200, "{request}");
    }
    let mut tampered = sample(requests[0]);
    tampered.body.push(b' ');
    assert_eq!(bridge.post("google_forms", tampered).await, 401);
    bridge.deliver_all().await;
    let leads = bridge.leads().await;
    let lead = |name: &str| leads.iter().find(|lead| lead["firstName"] == name).unwrap_or_else(|| panic!("{leads:?}"));
    let (siti, budi, rina) = (lead("Siti"), lead("Budi"), lead("Rina"));
    assert_eq!((leads.len(), &siti["lastName"], &siti["phone"]), (3, &json!("Aminah"), &json!("+6281299887766")));
    let notes = siti["notes"].as_str().unwrap();
    for answer in ["Rumah, Ruko", "Senin: Pagi; Rabu: Sore", "dekat stasiun", "dua lantai – siap huni"] {
        assert!(notes.contains(answer), "{answer} is not in {notes}");
    }
    assert_eq!(siti["externalRef"], "gforms:2_a");
    let moment = bridge.clock.now();
    assert!(budi["externalRef"].as_str().unwrap().starts_with("gforms:book-1:42:7:"), "{budi} at {moment}");
    assert!(budi["notes"].as_str().unwrap().contains("Bogor"));
    assert_eq!(rina["externalRef"], "gforms:2_b");
    bridge.stop().await;
}
