//! What the typed client promises whatever Konektor answers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::domain::status::Status;
use konektor_bridge::konektor::wire::{LeadBody, TicketBody, Word};
use konektor_bridge::konektor::{Api, ApiError, Heard, LeadFilter, Period, Permit, Permits, Refused, Scope, Writing};
use secrecy::SecretString;

use super::client;
use super::fake::{Fake, answer, gives};

const RATES: [(&str, &str); 4] = [
    ("x-request-id", "6446ad7c-6a33-416b-9165-ed0b054352c9"),
    ("x-ratelimit-limit", "200"),
    ("x-ratelimit-remaining", "199"),
    ("x-ratelimit-reset", "1795450030"),
];

fn id(id: &str) -> LeadId {
    LeadId(id.into())
}

/// Asks for a lead and gets `status` with `body`.
async fn refused(status: u16, body: &str) -> ApiError {
    let fake = Fake::start([answer(status, &RATES, body)]);
    client(&fake.url).lead(&id("lead_1")).await.unwrap_err()
}

#[tokio::test]
async fn every_answer_tells_its_request_and_what_is_left_of_the_limit() {
    let fake = Fake::start([answer(200, &RATES, r#"{"success":true,"data":{"id":"lead_1"}}"#)]);
    let reply = client(&fake.url).lead(&id("lead_1")).await.unwrap();
    let failed = refused(404, "").await;
    for meta in [&reply.meta, &failed.meta] {
        assert_eq!(meta.request_id.as_deref(), Some("6446ad7c-6a33-416b-9165-ed0b054352c9"));
        assert_eq!((meta.rate.limit, meta.rate.remaining), (Some(200), Some(199)));
        assert_eq!(meta.rate.reset.unwrap().as_second(), 1_795_450_030);
    }
    assert_eq!((reply.status, failed.status, failed.why), (200, Some(404), Refused::NotFound));
}

#[tokio::test]
async fn a_call_says_who_asks_and_with_which_key() {
    let fake = Fake::start([gives(r#"{"id":"lead_1"}"#), answer(200, &[], "# Konektor")]);
    let api = client(&fake.url);
    api.lead(&id("a/b?c")).await.unwrap();
    assert_eq!(api.skill().await.unwrap(), "# Konektor");
    let [lead, skill] = fake.asked().try_into().unwrap();
    assert!(lead.starts_with("GET /api/v2/agent/leads/a%2Fb%3Fc HTTP/1.1"), "{lead}");
    assert!(lead.contains("authorization: Bearer kk_sandbox_all_scopes"), "{lead}");
    assert!(lead.contains(concat!("user-agent: konektor-bridge/", env!("CARGO_PKG_VERSION"))), "{lead}");
    assert!(skill.starts_with("GET /api/v2/agent/SKILL.md") && !skill.contains("Bearer"), "{skill}");
}

#[tokio::test]
async fn what_is_newer_than_we_are_is_kept_and_digits_stay() {
    let data = r#"{"id":"lead_1", "status":"nurturing","estimatedValue":9007199254740993.10,"moon":{"phase":0.10}}"#;
    let fake = Fake::start([gives(data)]);
    let reply = client(&fake.url).lead(&id("lead_1")).await.unwrap();
    assert_eq!(reply.data.status, Some(Word::<Status>::Other("nurturing".into())));
    assert_eq!(reply.data.estimated_value.unwrap().as_str(), "9007199254740993.10");
    assert_eq!(reply.json.get(), data, "what Konektor wrote, to the byte");
}

#[tokio::test]
async fn digits_are_sent_as_they_were_given() {
    let fake = Fake::start([gives(r#"{"id":"lead_1"}"#)]);
    let worth = Some("12.50".parse().unwrap());
    let body = LeadBody { first_name: Some("Siti".into()), actual_value: worth, ..LeadBody::default() };
    client(&fake.url).create(&body).await.unwrap();
    let asked = &fake.asked()[0];
    assert!(asked.starts_with("POST /api/v2/agent/leads ") && asked.contains("content-type: application/json"));
    assert!(asked.ends_with(r#"{"firstName":"Siti","actualValue":12.50}"#), "{asked}");
}

#[tokio::test]
async fn a_refusal_is_told_by_its_meaning_with_the_fields() {
    let details = r#"{"success":false,"error":{"code":"VALIDATION_ERROR","message":"Invalid request parameters",
        "details":{"firstName":"Required","email":"Invalid email"}}}"#;
    assert_eq!(
        refused(400, details).await.to_string(),
        "Konektor refuses what was sent: firstName: Required; email: Invalid email"
    );
    let forbidden =
        refused(403, r#"{"success":false,"error":{"code":"FORBIDDEN","message":"Insufficient scope"}}"#).await;
    assert_eq!(forbidden.scope, Some(Scope::LeadsRead));
    assert!(forbidden.to_string().contains("agent.leads.read"), "{forbidden}");
    assert!(forbidden.to_string().contains("Workspace Settings, API Keys"), "{forbidden}");
    for (status, why) in [(401, Refused::Unauthorized), (404, Refused::NotFound), (429, Refused::Throttled)] {
        assert_eq!(refused(status, "<html>").await.why, why);
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_for_the_key_would_go_along() {
    let elsewhere = Fake::start([gives(r#"{"id":"lead_1"}"#)]);
    let fake = Fake::start([answer(307, &[("location", &elsewhere.url)], "")]);
    let error = client(&fake.url).lead(&id("lead_1")).await.unwrap_err();
    assert!(matches!(error.why, Refused::Unclear(_)), "{error}");
    assert_eq!(elsewhere.asked(), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_read_proves_nothing() {
    let long = format!(r#"{{"data":{{"id":"lead_1","notes":"{}"}}}}"#, "x".repeat(4 << 20));
    for script in [
        Vec::new(),
        answer(502, &[], "<html>"),
        answer(200, &[], "<html>"),
        answer(200, &[], r#"{"success":true}"#),
        gives("null"),
        gives(r#"{"firstName":"nobody"}"#),
        answer(200, &[], &long),
        answer(200, &[], &long)[..1000].to_vec(),
    ] {
        let fake = Fake::start([script]);
        let error = client(&fake.url).create(&LeadBody::default()).await.unwrap_err();
        assert!(matches!(error.why, Refused::Unclear(_)), "{error}");
    }
    let nobody = client("http://127.0.0.1:1").workspace().await.unwrap_err();
    assert!(matches!(nobody.why, Refused::Unsent(_)), "{nobody}");
}

#[tokio::test]
async fn whether_a_key_may_write_is_seen_without_writing() {
    let refuses = |status, code| {
        answer(status, &[], &format!(r#"{{"success":false,"error":{{"code":"{code}","message":"x"}}}}"#))
    };
    let answers = [(404, "NOT_FOUND"), (403, "FORBIDDEN"), (400, "VALIDATION_ERROR"), (403, "FORBIDDEN"), (500, "")];
    let fake = Fake::start(answers.map(|(status, code)| refuses(status, code)));
    let api = client(&fake.url);
    assert_eq!(api.may_write(Writing::Leads).await, Ok(true));
    assert_eq!(api.may_write(Writing::Leads).await, Ok(false));
    assert_eq!(api.may_write(Writing::Tickets).await, Ok(true));
    assert_eq!(api.may_write(Writing::Tickets).await, Ok(false));
    assert!(api.may_write(Writing::Leads).await.is_err());
    let asked = fake.asked();
    let update = "PATCH /api/v2/agent/leads/lead_that_is_not_there ";
    assert!(asked[0].starts_with(update) && asked[0].ends_with(r#"{"notes":""}"#), "{asked:?}");
    assert!(asked[2].starts_with("POST /api/v2/agent/support/tickets ") && asked[2].ends_with("\r\n\r\n[]"));
}

#[tokio::test]
async fn reports_are_read_as_far_as_they_are_told() {
    let fake = Fake::start([gives("{}"), gives(r#"[{"status":"new"},{"status":"moon","count":-1}]"#), gives("[{}]")]);
    let api = client(&fake.url);
    assert_eq!(api.summary(&Period::default()).await.unwrap().data.total_leads, None);
    let funnel = api.funnel(&Period::default()).await.unwrap().data;
    assert_eq!((funnel[1].status.as_str(), funnel[1].count), ("moon", None));
    assert_eq!(api.campaigns(&Period::default()).await.unwrap().data[0].campaign_name, None);
    assert!(fake.asked()[0].starts_with("GET /api/v2/agent/analytics/summary?timeframe=last_30_days "));
}

/// Counts what it is told.
#[derive(Default)]
struct Told(Mutex<Vec<Heard>>);

#[async_trait]
impl Permits for Told {
    async fn permit(&self) -> Permit {
        Permit { number: 7, given: Timestamp::UNIX_EPOCH }
    }

    fn observe(&self, permit: Permit, heard: Heard) {
        assert_eq!(permit.number, 7);
        self.0.lock().unwrap().push(heard);
    }
}

fn limited(url: &str) -> (Api, Arc<Told>) {
    let told = Arc::new(Told::default());
    let permits: Arc<dyn Permits> = Arc::clone(&told) as _;
    (Api::new(&url.parse().unwrap(), Arc::new(SecretString::default), permits).unwrap(), told)
}

#[tokio::test]
async fn whoever_gives_permits_hears_what_came_of_each() {
    let fake = Fake::start([gives(r#"{"id":"l"}"#), answer(429, &RATES, ""), answer(500, &RATES, ""), Vec::new()]);
    let (api, told) = limited(&fake.url);
    for _ in 0..4 {
        let _any = api.lead(&id("l")).await;
    }
    let _unsent = api.lead(&id("..")).await;
    let heard = told.0.lock().unwrap().clone();
    assert!(
        matches!(
            heard[..],
            [Heard::Sent(_), Heard::Throttled(rate), Heard::Failed(_), Heard::Failed(_), Heard::Unsent]
                if rate.limit == Some(200)
        ),
        "{heard:?}"
    );
}

#[tokio::test]
async fn a_walk_asks_again_for_a_page_that_was_throttled_or_failed_and_gives_up_in_the_end() {
    let page = |leads: &str, cursor: &str| {
        answer(200, &[], &format!(r#"{{"data":[{leads}],"pagination":{{"nextCursor":{cursor}}}}}"#))
    };
    let script = [
        answer(429, &[], ""),
        page(r#"{"id":"1"}"#, r#""next""#),
        Vec::new(),
        answer(502, &[], ""),
        page(r#"{"id":"2"}"#, "null"),
    ];
    let fake = Fake::start(script);
    let (api, _) = limited(&fake.url);
    let leads: Vec<_> = api.all_leads(LeadFilter::default()).try_collect().await.unwrap();
    assert_eq!(leads.iter().map(|lead| lead.id.0.as_str()).collect::<Vec<_>>(), ["1", "2"]);
    assert!(fake.asked()[4].contains("cursor=next"), "{:?}", fake.asked());

    let broken = Fake::start((0..4).map(|_| answer(500, &[], "")));
    let (api, _) = limited(&broken.url);
    let end = api.all_leads(LeadFilter::default()).try_collect::<Vec<_>>().await.unwrap_err();
    assert_eq!((end.status, broken.asked().len()), (Some(500), 4));
}

#[test]
fn nothing_of_a_ticket_or_a_key_is_printed() {
    let body = TicketBody { subject: "Siti calls".into(), message: "+6281200010002".into(), priority: None };
    let printed = format!("{body:?} {:?}", client("http://127.0.0.1:1"));
    assert!(!printed.contains("Siti") && !printed.contains("kk_"), "{printed}");
}
