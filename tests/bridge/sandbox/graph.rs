//! The stand-in for the Meta Graph API.

use konektor_bridge::sandbox::GraphSettings;
use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::{TestSandbox, body, header};

const FIELDS: &str = "id,created_time,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,form_id,field_data,\
                      custom_disclaimer_responses,is_organic,platform,partner_name";

async fn fetch(sandbox: &TestSandbox, id: &str) -> Response {
    let call = sandbox.client.get(format!("{}/v26.0/{id}", sandbox.running.graph_url()));
    call.query(&[("fields", FIELDS)]).bearer_auth("EAAG").send().await.unwrap()
}

async fn put(sandbox: &TestSandbox, id: &str, instead: &Value) -> u16 {
    let call = sandbox.bare(Method::PUT, &format!("/sandbox/graph/{id}")).json(instead);
    call.send().await.unwrap().status().as_u16()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_gives_the_same_lead_every_time_in_every_sandbox() {
    let sandbox = TestSandbox::start();
    let lead = body(fetch(&sandbox, "987654321098765").await).await;
    assert_eq!(lead["id"], "987654321098765");
    assert!(lead["field_data"].as_array().unwrap().iter().all(|answer| answer["values"].is_array()));
    assert_eq!(lead["custom_disclaimer_responses"][0]["is_checked"], "1");
    assert_eq!(body(fetch(&TestSandbox::start(), "987654321098765").await).await, lead);
    assert_eq!(sandbox.ledger().await.calls.graph["200"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_id_of_the_dashboard_cannot_be_loaded() {
    let sandbox = TestSandbox::start();
    let answer = fetch(&sandbox, "444444444444").await;
    assert_eq!(answer.status(), 400);
    let error = body(answer).await["error"].take();
    assert_eq!((&error["code"], &error["error_subcode"]), (&json!(100), &json!(33)));
}

#[tokio::test(flavor = "multi_thread")]
async fn token_and_proof_are_checked_over_http() {
    let sandbox = TestSandbox::with(|settings| {
        settings.graph = GraphSettings {
            app_secret: Some("konektor-meta-app-secret-0123456789ab".into()),
            access_token: Some("EAAGm0PX4ZCpsBAKonektorExampleToken".into()),
        };
    });
    let call = |token: &str, proof: &str| {
        let call = sandbox.bare(Method::GET, &format!("/graph/v26.0/1?appsecret_proof={proof}"));
        call.bearer_auth(token).send()
    };
    let proof = "64ab6cfcce6b99640404bb3f804700cfa3038375df28ba1a2212237d750e21b7";
    assert_eq!(call("EAAGm0PX4ZCpsBAKonektorExampleToken", proof).await.unwrap().status(), 200);
    let wrong = body(call("EAAGm0PX4ZCpsBAKonektorExampleToken", &proof.replace('6', "7")).await.unwrap()).await;
    assert_eq!(wrong["error"]["code"], 100);
    assert_eq!(body(call("EAAG", proof).await.unwrap()).await["error"]["code"], 190);
    let keyless = sandbox.bare(Method::GET, "/graph/v26.0/1").send().await.unwrap();
    assert_eq!(body(keyless).await["error"]["code"], 104);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_whole_error_table_can_be_played() {
    let sandbox = TestSandbox::start();
    let usage =
        json!({"123456789012345": [{"type": "leadgen", "call_count": 100, "estimated_time_to_regain_access": 19}]});
    let usage = usage.to_string();
    let throttled =
        json!({"then": {"error": {"code": 4, "headers": {"X-Business-Use-Case-Usage": usage}}}, "times": 1});
    assert_eq!(put(&sandbox, "1", &throttled).await, 204);
    let answer = fetch(&sandbox, "1").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "x-business-use-case-usage")), (400, Some(usage)));
    assert_eq!(body(answer).await["error"]["code"], 4);
    assert_eq!(fetch(&sandbox, "1").await.status(), 200, "once was ordered");

    let expired = json!({"then": {"error": {"code": 190, "error_subcode": 463, "status": 401}}});
    put(&sandbox, "*", &expired).await;
    let answer = fetch(&sandbox, "2").await;
    assert_eq!(answer.status(), 401);
    assert_eq!(body(answer).await["error"]["error_subcode"], 463);
    let path = "/sandbox/graph/*";
    assert_eq!(sandbox.bare(Method::DELETE, path).send().await.unwrap().status(), 204);
    assert_eq!(fetch(&sandbox, "2").await.status(), 200);

    put(&sandbox, "3", &json!({"then": {"answer": {"status": 500, "body": "<html>"}}})).await;
    let answer = fetch(&sandbox, "3").await;
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (500, "<html>"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lead_can_be_given_and_a_wrong_override_is_refused() {
    let sandbox = TestSandbox::start();
    let lead = json!({"field_data": [{"name": "email", "values": ["test@meta.com"]}], "platform": null});
    assert_eq!(put(&sandbox, "4444", &json!({"then": {"lead": lead}})).await, 204);
    let shown = body(fetch(&sandbox, "4444").await).await;
    assert_eq!(shown["field_data"], lead["field_data"]);
    assert_eq!(shown.get("platform"), None);
    assert!(shown["form_id"].is_string());
    for wrong in
        [json!({}), json!({"then": "x"}), json!({"then": {"error": {}}}), json!({"then": {"answer": {"status": 1}}})]
    {
        assert_eq!(put(&sandbox, "5", &wrong).await, 400, "{wrong}");
    }
}
