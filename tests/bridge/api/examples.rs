//! Every example of the contract, read by the client: ours, which the sandbox is held against too, and the published ones
//! where they lie beside this checkout.

use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::domain::status::{AdPlatform, Status};
use konektor_bridge::konektor::wire::{LeadBody, SyncStatus, TicketBody, TicketPriority, Timeframe, Word};
use konektor_bridge::konektor::{Api, ApiError, ListQuery, Period, Refused, Reply};
use serde_json::{Deserializer, Value};

use crate::beside::beside;

use super::client;
use super::fake::{Fake, answer};

/// The calls in the order of the published text.
const CALLS: [&str; 11] = [
    "list",
    "get",
    "create",
    "update",
    "summary",
    "funnel",
    "campaigns",
    "conversion_status",
    "conversion_pending",
    "workspace",
    "ticket",
];

fn ours(call: &str) -> String {
    let all: Value = serde_json::from_str(include_str!("../../../src/sandbox/agent/examples.json")).unwrap();
    assert!(all[call]["answer"].is_object(), "{call} has an example");
    all[call]["answer"].to_string()
}

/// A client that gets `body` as its next answer.
fn hears(body: &str) -> Api {
    client(&Fake::start([answer(200, &[], body)]).url)
}

/// Reads `body` as the answer to `call`; gives its data as Konektor wrote it.
async fn read(call: &str, body: &str) -> Result<String, ApiError> {
    fn json<T>(reply: Reply<T>) -> String {
        reply.json.get().to_owned()
    }
    let (api, id, period) = (hears(body), LeadId("lead_abc123".into()), Period::default());
    let lead = LeadBody::default();
    let ticket = TicketBody { subject: "x".into(), message: "y".into(), priority: None };
    match call {
        "list" => api.leads(&ListQuery::default()).await.map(json),
        "get" => api.lead(&id).await.map(json),
        "create" => api.create(&lead).await.map(json),
        "update" => api.update(&id, &lead).await.map(json),
        "summary" => api.summary(&period).await.map(json),
        "funnel" => api.funnel(&period).await.map(json),
        "campaigns" => api.campaigns(&period).await.map(json),
        "conversion_status" => api.conversions(&period, None).await.map(json),
        "conversion_pending" => api.pending().await.map(json),
        "workspace" => api.workspace().await.map(json),
        "ticket" => api.open_ticket(&ticket).await.map(json),
        other => panic!("no call is named {other}"),
    }
}

#[tokio::test]
async fn every_example_is_read_and_nothing_of_it_is_lost() {
    for call in CALLS {
        let body = ours(call);
        let data = read(call, &body).await.unwrap_or_else(|error| panic!("{call}: {error}"));
        let expected: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&data).unwrap(), expected["data"], "{call}");
    }
}

#[tokio::test]
async fn the_values_of_the_examples_are_what_they_say() {
    let page = hears(&ours("list")).leads(&ListQuery::default()).await.unwrap().data;
    let lead = &page.leads[0].read;
    assert_eq!((lead.id.0.as_str(), lead.unique_code.as_deref()), ("lead_abc123", Some("KNK-001")));
    assert_eq!((lead.first_name.as_deref(), lead.last_name.as_deref()), (Some("Budi"), Some("Santoso")));
    assert_eq!(lead.status, Some(Word::Known(Status::New)));
    assert_eq!(lead.ad_platform, Some(Word::Known(AdPlatform::Meta)));
    assert_eq!(lead.estimated_value.as_ref().unwrap().as_str(), "5000000");
    assert_eq!(lead.created_at, Some("2025-01-15T10:30:00Z".parse().unwrap()));
    assert_eq!((lead.actual_value.as_ref(), lead.external_ref.as_ref()), (None, None));
    let told = &page.pagination;
    assert_eq!((told.page, told.limit, told.total, told.total_pages), (Some(1), Some(10), Some(42), Some(5)));
    assert_eq!(told.next_cursor.as_ref().unwrap().0, "eyJpZCI6ImxlYWRfYWJjMTIzIn0");

    let summary = hears(&ours("summary")).summary(&Period::default()).await.unwrap().data;
    assert_eq!((summary.total_leads, summary.total_conversions), (Some(156), Some(12)));
    assert_eq!(summary.total_conversion_value.unwrap().as_str(), "45000000");
    assert_eq!(summary.timeframe, Some(Word::Known(Timeframe::Last7Days)));
    assert_eq!(summary.period.unwrap().to, Some("2025-01-16T00:00:00Z".parse().unwrap()));

    let funnel = hears(&ours("funnel")).funnel(&Period::default()).await.unwrap().data;
    assert_eq!(
        (&funnel[5].status, funnel[5].count, funnel[5].percentage),
        (&Word::Known(Status::Lost), Some(19), Some(12.18))
    );

    let campaigns = hears(&ours("campaigns")).campaigns(&Period::default()).await.unwrap().data;
    assert_eq!((campaigns[1].campaign_name.as_deref(), campaigns[1].leads), (Some("Brand Awareness"), Some(45)));

    let conversions = hears(&ours("conversion_status")).conversions(&Period::default(), None).await.unwrap().data;
    assert_eq!((conversions.synced, conversions.none), (Some(42), Some(106)));

    let pending = hears(&ours("conversion_pending")).pending().await.unwrap().data;
    assert_eq!(pending[1].conversion_sync_status, Some(Word::Known(SyncStatus::Failed)));
    assert_eq!(pending[0].last_conversion_sync_at, None);
}

#[tokio::test]
async fn the_workspace_and_the_ticket_of_the_examples_are_what_they_say() {
    let workspace = hears(&ours("workspace")).workspace().await.unwrap().data;
    assert_eq!(workspace.timezone.as_deref(), Some("Asia/Jakarta"));
    assert_eq!((workspace.leads_per_day().limit, workspace.leads_per_day().current), (Some(500), Some(23)));
    assert_eq!(workspace.usage.unwrap().team_members, Some(5));
    assert_eq!(workspace.subscription.unwrap().plan.as_deref(), Some("pro"));

    let body = TicketBody { subject: "x".into(), message: "y".into(), priority: None };
    let ticket = hears(&ours("ticket")).open_ticket(&body).await.unwrap().data;
    assert_eq!((ticket.ticket_ref.as_deref(), ticket.status.as_deref()), (Some("A1B2C-3D4E"), Some("new")));
    assert_eq!(ticket.priority, Some(Word::Known(TicketPriority::High)));
}

#[tokio::test]
async fn the_errors_of_the_examples_are_read_too() {
    let fake = Fake::start([answer(400, &[], &ours("validation_error"))]);
    let error = client(&fake.url).create(&LeadBody::default()).await.unwrap_err();
    let Refused::Invalid(mut fields) = error.why else { panic!("{error}") };
    fields.sort_by(|one, other| one.field.cmp(&other.field));
    let shown: Vec<_> = fields.iter().map(ToString::to_string).collect();
    assert_eq!(shown, ["email: Invalid email", "firstName: Required"]);
}

/// The JSON answers of the published text, in its order.
fn published(text: &str) -> Vec<String> {
    let starts = text.match_indices("{\n  \"success\"").map(|(at, _)| &text[at..]);
    let first = |rest: &str| {
        let mut stream = Deserializer::from_str(rest).into_iter::<Value>();
        stream.next().expect("it begins here").expect("it is JSON");
        rest[..stream.byte_offset()].to_owned()
    };
    starts.map(first).collect()
}

#[tokio::test]
#[ignore = "compares with ../shared"]
async fn every_published_example_is_read() {
    let text = std::fs::read_to_string(beside("konektor/agent-api-seed.txt")).unwrap();
    let answers = published(&text);
    assert_eq!(answers.len(), CALLS.len() + 2, "eleven answers and two errors");
    for (call, body) in std::iter::zip(CALLS, &answers) {
        let data = read(call, body).await.unwrap_or_else(|error| panic!("{call}: {error}"));
        assert!(body.contains(&data), "{call} is kept to the byte");
    }
}
