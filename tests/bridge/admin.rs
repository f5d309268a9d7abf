//! The private listener: health, metrics, and the admin API with its description.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use konektor_bridge::domain::event::{EventId, SourceName};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::domain::form::{Change, Drift};
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::domain::status::Status;
use konektor_bridge::konektor::{Cause, Outage};
use konektor_bridge::ops::{Access, wire};
use konektor_bridge::store::{
    Attempt, Audit, Cap, Class, DayState, DayStats, EventDetail, EventFilter, EventRow, EventState, Flaw, Incident,
    Intent, LaneDetail, LimiterStats, PauseReason, Queue, Rule, Selector, Standing, Stats,
};
use reqwest::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::edge::{EVERY_SOURCE, Edge, START, Setup, answered, header};
use crate::scripted_store::Mood;

const REQUEST: &str = "01a2b3c4-d5e6-7f80-9a0b-1c2d3e4f5061";
const ID: &str = "000102030405060708090a0b0c0d0e0f";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(START + second).unwrap()
}

/// A dead letter of which everything is known.
fn dead_letter() -> EventDetail {
    let external_ref = ExternalRef::new("meta:leadgen:", "123");
    let attempt = Attempt { at: at(1), call: "create".into(), status: Some(400), millis: 12, note: "refused".into() };
    EventDetail {
        row: EventRow {
            seq: 5,
            id: EventId::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap())),
            source: SourceName::parse("meta").unwrap(),
            external_ref: Some(external_ref.clone()),
            received: at(0),
            request_id: "r-1".into(),
            state: EventState::Dead,
            ended: Some(at(2)),
            reason: Some("rejected".into()),
            detail: Some("Konektor refuses the fields".into()),
            lead_id: Some(LeadId("lead-1".into())),
        },
        body: Some(Bytes::from_static(b"{\"nama\":\"Uji Coba\"}")),
        lane: Some(LaneDetail {
            external_ref,
            state: "dead",
            due: Some(at(3)),
            aliases: vec![ExternalRef::new("form:", "another")],
            lead_id: Some(LeadId("lead-1".into())),
            standing: Some(Standing { status: Status::Hot, at: at(2) }),
            intent: Some(Intent { fence: 1, at: at(1), upto: 5 }),
            adopting: Some(LeadId("lead-2".into())),
            told: konektor_bridge::store::Words::default(),
            pending: 1,
            attempts: 2,
            crashes: 3,
            log: vec![attempt],
        }),
    }
}

async fn with_dead_letter() -> Edge {
    let edge = Edge::start().await;
    edge.store.events.lock().unwrap().push(dead_letter());
    edge
}

/// A GET of the admin API.
async fn got(edge: &Edge, path: &str) -> (u16, Value) {
    answered(edge.private(Method::GET, &format!("/admin/v1/{path}"))).await
}

/// A POST of the admin API.
async fn posted(edge: &Edge, path: &str, body: Value) -> (u16, Value) {
    answered(edge.private(Method::POST, &format!("/admin/v1/{path}")).json(&body)).await
}

#[tokio::test]
async fn the_bridge_is_ready_while_its_store_answers_and_it_is_not_stopping() {
    let edge = Edge::start().await;
    let ready = || answered(edge.private(Method::GET, "/readyz"));
    assert_eq!(ready().await, (200, json!({ "ready": true, "stopping": false, "store": "ok" })));
    *edge.store.paused.lock().unwrap() = Some((PauseReason::Unauthorized, at(0)));
    let paused = json!({ "ready": true, "stopping": false, "store": "ok", "paused": "unauthorized" });
    assert_eq!(ready().await, (200, paused), "webhooks are kept while calls are paused");
    edge.store.is(Mood::Closed);
    assert_eq!(ready().await, (503, json!({ "ready": false, "stopping": false, "store": "the store is closed" })));
    edge.store.is(Mood::Keeps);
    edge.stopping.cancel();
    assert_eq!(ready().await.0, 503);
    assert_eq!(answered(edge.private(Method::GET, "/healthz")).await, (200, json!({ "status": "ok" })));
}

#[tokio::test]
async fn metrics_show_the_store_as_it_is_and_do_without_it_when_it_fails() {
    let edge = Edge::start().await;
    *edge.store.stats.lock().unwrap() = stats();
    let answer = edge.private(Method::GET, "/metrics").send().await.unwrap();
    let content_type = header(&answer, "content-type").unwrap();
    assert!(content_type.starts_with("application/openmetrics-text; version=1.0.0"), "{content_type}");
    let text = answer.text().await.unwrap();
    for line in [
        "konektor_bridge_inbox_webhooks 7",
        "konektor_bridge_queue_lanes{class=\"update\",state=\"ready\"} 2",
        "konektor_bridge_queue_oldest_seconds{class=\"update\"} 30.0",
        "konektor_bridge_store_events{state=\"dead\"} 4",
        "konektor_bridge_permits_in_use 6",
        "konektor_bridge_blocked_seconds 9.0",
        "konektor_bridge_day_limit 500",
        "konektor_bridge_day_used 501",
        "konektor_bridge_day_full 1",
        "konektor_bridge_parked_lanes 8",
        "konektor_bridge_searching_first_seconds 11.0",
        "konektor_bridge_incidents 2",
    ] {
        assert!(text.lines().any(|rendered| rendered == line), "{line} is not in\n{text}");
    }
    edge.store.is(Mood::Fails);
    assert_eq!(edge.private(Method::GET, "/metrics").send().await.unwrap().status(), 200);
}

fn stats() -> Stats {
    Stats {
        inbox: 7,
        events: vec![(EventState::Dead, 4)],
        queues: vec![Queue { class: Class::Update, ready: 2, waiting: 1, oldest: Some(at(-30)) }],
        leased: 1,
        dead_lanes: 3,
        bytes: 1000,
        paused: None,
        limiter: LimiterStats { limit: Some(60), in_use: 6, blocked_until: Some(at(9)) },
        day: DayStats { state: DayState::Full, limit: Some(500), used: Some(501), until: Some(at(99)), parked: 8 },
        searching_first_until: Some(at(11)),
        incidents: 2,
    }
}

#[tokio::test]
async fn the_api_wants_its_token() {
    let setup = Setup { access: Access::Token("fake-token".to_owned().into()), ..Setup::default() };
    let edge = Edge::with(setup).await;
    let ask = || edge.private(Method::GET, "/admin/v1/stats");
    assert_eq!(answered(ask().bearer_auth("fake-token")).await.0, 200);
    let answer = ask().send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, "www-authenticate").as_deref()), (401, Some("Bearer")));
    assert_eq!(answered(ask().bearer_auth("wrong")).await.1["error"], "token");
    assert_eq!(answered(edge.private(Method::POST, "/admin/v1/pause")).await.0, 401);
    assert!(edge.store.paused.lock().unwrap().is_none());
    for open in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(edge.private(Method::GET, open).send().await.unwrap().status(), 200, "{open}");
    }
}

#[tokio::test]
async fn without_a_token_no_page_of_another_site_gets_in() {
    let edge = Edge::start().await;
    let pause = || edge.private(Method::POST, "/admin/v1/pause");
    assert_eq!(answered(pause().header("origin", "https://evil.example")).await.0, 403);
    assert_eq!(answered(pause().header("host", "evil.example")).await.0, 403);
    assert_eq!(answered(edge.private(Method::GET, "/metrics").header("host", "evil.example")).await.0, 403);
    assert!(edge.store.paused.lock().unwrap().is_none());
    assert_eq!(answered(pause()).await.0, 200);
}

#[tokio::test]
async fn sources_show_their_url_and_what_is_missing() {
    let variables = [&EVERY_SOURCE[..2], &[("BRIDGE_PUBLIC_URL", "https://leads.example.com/")]].concat();
    let edge = Edge::with(Setup { variables: &variables, ..Setup::default() }).await;
    let (status, body) = got(&edge, "sources").await;
    let sources: wire::Sources = serde_json::from_value(body).unwrap();
    let source = |name: &str| sources.sources.iter().find(|source| source.name == name).unwrap();
    assert_eq!((status, sources.sources.len()), (200, 55));
    assert_eq!(source("form").url, "https://leads.example.com/hooks/form");
    assert!(source("form").on && source("form").why.is_none());
    let google = source("google");
    assert_eq!((google.on, google.provider.as_str()), (false, "google_leads"));
    assert_eq!(
        (google.why.as_deref(), &google.missing[..]),
        (Some("GOOGLE_LEADS_KEY is not set"), &["GOOGLE_LEADS_KEY".to_owned()][..])
    );
}

#[tokio::test]
async fn an_audit_goes_through_the_store_step_by_step_and_tells_what_cannot_be() {
    let edge = Edge::start().await;
    *edge.store.audit.lock().unwrap() = audit();
    let (status, body) = got(&edge, "audit").await;
    assert_eq!((status, &body["next"], &body["lanes"]), (200, &json!("17"), &json!(3)));
    assert_eq!(body["flaws"][0], json!({ "rule": "lane", "lead": "form:ann", "event": ID, "says": "it is nowhere" }));
    assert_eq!(got(&edge, "audit?cursor=17").await.0, 200);
    assert_eq!(*edge.store.audits.lock().unwrap(), [(None, 1000), (Some(17), 1000)]);
    assert_eq!(got(&edge, "audit?cursor=x").await.0, 400);
    assert_eq!(got(&edge, "audit?limit=1").await.0, 400);
    edge.store.is(Mood::Closed);
    assert_eq!(got(&edge, "audit").await.0, 503);
}

fn audit() -> Audit {
    let (lead, event) = (Some(ExternalRef::new("form:", "ann")), Some(dead_letter().row.id));
    let flaw = Flaw { rule: Rule::Lane, lead, event, says: "it is nowhere".into() };
    Audit { flaws: vec![flaw], lanes: 3, events: 5, next: Some(17) }
}

#[tokio::test]
async fn a_list_asks_the_store_for_what_the_query_says() {
    let edge = with_dead_letter().await;
    let (status, page) = got(&edge, "dead-letters?limit=10&cursor=99&source=meta&reason=rejected&lead=meta:leadgen:1&request=01A2B3C4-D5E6-7F80-9A0B-1C2D3E4F5061&since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z").await;
    assert_eq!((status, &page["next"], &page["events"][0]["id"]), (200, &json!("17"), &json!(ID)));
    assert!(!page.to_string().contains("Uji Coba"), "a list shows no payload");
    let query = edge.store.queries.lock().unwrap().pop().unwrap();
    assert_eq!((query.state, query.limit, query.before), (Some(EventState::Dead), 10, Some(99)));
    assert_eq!(query.filter, filter());

    for (path, state) in [
        ("events", None),
        ("events?state=pending", Some(EventState::Pending)),
        ("withheld", Some(EventState::Withheld)),
    ] {
        assert_eq!(got(&edge, path).await.0, 200);
        let query = edge.store.queries.lock().unwrap().pop().unwrap();
        assert_eq!((query.state, query.limit, query.before, query.filter), (state, 50, None, EventFilter::default()));
    }
}

fn filter() -> EventFilter {
    EventFilter {
        source: Some(SourceName::parse("meta").unwrap()),
        reason: Some("rejected".into()),
        since: Some("2026-11-20T00:00:00Z".parse().unwrap()),
        until: Some("2026-11-21T00:00:00Z".parse().unwrap()),
        lead: Some(ExternalRef::new("meta:leadgen:", "1")),
        request: Some(REQUEST.into()),
    }
}

#[tokio::test]
async fn a_wrong_question_is_answered_with_what_is_wrong() {
    let edge = with_dead_letter().await;
    for (path, names) in [
        ("events?limit=0", "limit"),
        ("events?limit=1001", "limit"),
        ("events?cursor=x", "cursor"),
        ("events?source=A", "source"),
        ("events?reason=because", "rejected"),
        ("events?since=yesterday", "2026-11-20T00:00:00Z"),
        ("events?state=lost", "lost"),
        ("events?sort=id", "sort"),
        ("withheld?state=dead", "state"),
        ("events/12", "32 characters"),
        ("events?request=000102030405060708090a0b0c0d0e0f", "01a2b3c4-"),
        ("events/01a2b3c4-d5e6-7f80-9a0b-1c2d3e4f5061", "`request`"),
    ] {
        let (status, body) = got(&edge, path).await;
        assert_eq!((status, &body["error"]), (400, &json!("bad_request")), "{path}");
        assert!(body["message"].as_str().unwrap().contains(names), "{path}: {body}");
    }
    assert!(edge.store.queries.lock().unwrap().is_empty());
    assert_eq!(got(&edge, "nothing").await.0, 404);
    assert_eq!(got(&edge, "pause").await.0, 405);
}

#[tokio::test]
async fn one_event_is_shown_with_its_payload_and_its_lane() {
    let edge = with_dead_letter().await;
    for path in ["events", "dead-letters"] {
        let (status, body) = got(&edge, &format!("{path}/{ID}")).await;
        let detail: wire::EventDetail = serde_json::from_value(body).unwrap();
        assert_eq!((status, detail.event.state), (200, EventState::Dead));
        assert_eq!(detail.payload, Some(wire::Payload::Text("{\"nama\":\"Uji Coba\"}".into())));
        assert_eq!(detail.lane.unwrap().log[0].call, "create");
    }
    edge.store.events.lock().unwrap()[0].body = Some(Bytes::from_static(b"\xff\x00"));
    edge.store.events.lock().unwrap()[0].row.state = EventState::Withheld;
    let (_, body) = got(&edge, &format!("events/{ID}")).await;
    assert_eq!(body["payload"], json!({ "base64": "/wA=" }));
    assert_eq!(got(&edge, &format!("dead-letters/{ID}")).await.0, 404, "it is no dead letter");
    assert_eq!(got(&edge, &format!("events/{}", "0".repeat(32))).await.0, 404);
}

#[tokio::test]
async fn a_lane_is_found_by_its_reference() {
    let edge = with_dead_letter().await;
    let (status, body) = got(&edge, "lanes/meta:leadgen:123").await;
    let lane: wire::Lane = serde_json::from_value(body).unwrap();
    assert_eq!((status, lane.state.as_str(), lane.in_doubt_since), (200, "dead", Some(at(1))));
    assert_eq!(lane.adopting.as_deref(), Some("lead-2"));
    assert_eq!(got(&edge, "lanes/meta:leadgen:124").await.0, 404);
}

#[tokio::test]
async fn dead_letters_and_withheld_events_are_moved_as_asked() {
    let edge = Edge::start().await;
    let id = EventId::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let conditions = json!({ "source": "meta", "reason": "rejected", "lead": "meta:leadgen:1", "request": REQUEST,
        "since": "2026-11-20T00:00:00Z", "until": "2026-11-21T00:00:00Z" });
    for (path, what) in [
        ("dead-letters/discard", "discard dead"),
        ("withheld/release", "release"),
        ("withheld/discard", "discard withheld"),
    ] {
        for (body, which) in [
            (json!({ "ids": [ID] }), Selector::Ids(vec![id])),
            (conditions.clone(), Selector::Matching(filter())),
            (json!({ "all": true }), Selector::Matching(EventFilter::default())),
        ] {
            assert_eq!(posted(&edge, path, body).await, (200, json!({ "count": 3, "more": true })));
            let moved = edge.store.moves.lock().unwrap().pop().unwrap();
            assert_eq!((moved.what.as_str(), moved.which), (what, which));
        }
    }
}

#[tokio::test]
async fn a_replay_walks_through_the_list_so_that_what_dies_again_is_not_met_again() {
    let edge = with_dead_letter().await;
    let id = EventId::from_bytes(std::array::from_fn(|n| u8::try_from(n).unwrap()));
    let path = "dead-letters/replay";
    assert_eq!(posted(&edge, path, json!({ "ids": [ID] })).await, (200, json!({ "count": 3, "more": false })));
    assert!(edge.store.queries.lock().unwrap().is_empty(), "what is named needs no list");
    let on = json!({ "count": 3, "more": true, "next": "17" });
    for (body, wanted, before) in [
        (json!({ "all": true }), EventFilter::default(), None),
        (json!({ "all": true, "cursor": "17" }), EventFilter::default(), Some(17)),
        (
            json!({ "source": "meta", "reason": "rejected", "lead": "meta:leadgen:1", "request": REQUEST, "since": "2026-11-20T00:00:00Z",
            "until": "2026-11-21T00:00:00Z", "cursor": "17" }),
            filter(),
            Some(17),
        ),
    ] {
        assert_eq!(posted(&edge, path, body).await, (200, on.clone()));
        let query = edge.store.queries.lock().unwrap().pop().unwrap();
        assert_eq!((query.state, query.filter, query.before), (Some(EventState::Dead), wanted, before));
        let moved = edge.store.moves.lock().unwrap().pop().unwrap();
        let listed = edge.store.events.lock().unwrap().iter().map(|event| event.row.id).collect();
        assert_eq!((moved.what.as_str(), moved.which), ("replay", Selector::Ids(listed)));
    }
    assert_eq!(edge.store.moves.lock().unwrap().pop().unwrap().which, Selector::Ids(vec![id]));
    for (path, body) in [
        (path, json!({ "cursor": "17" })),
        (path, json!({ "all": true, "cursor": "x" })),
        ("dead-letters/discard", json!({ "all": true, "cursor": "17" })),
    ] {
        assert_eq!(posted(&edge, path, body.clone()).await.0, 400, "{path} {body}");
    }
}

#[tokio::test]
async fn nothing_is_moved_when_it_is_not_said_what() {
    let edge = Edge::start().await;
    for body in [
        json!({}),
        json!({ "ids": [] }),
        json!({ "ids": [ID], "all": true }),
        json!({ "all": true, "source": "meta" }),
        json!({ "ids": ["x"] }),
        json!({ "sources": "meta" }),
        json!({ "reason": "because" }),
        json!([]),
    ] {
        assert_eq!(posted(&edge, "dead-letters/discard", body.clone()).await.0, 400, "{body}");
    }
    let huge = edge.private(Method::POST, "/admin/v1/dead-letters/replay").body(vec![b' '; 1024 * 1024 + 1]);
    assert_eq!(answered(huge).await.0, 400);
    assert!(edge.store.moves.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_person_pauses_and_resumes() {
    let edge = Edge::start().await;
    let paused = json!({ "paused": { "why": "operator", "since": at(0) } });
    assert_eq!(answered(edge.private(Method::POST, "/admin/v1/pause")).await, (200, paused));
    assert_eq!(answered(edge.private(Method::POST, "/admin/v1/resume")).await, (200, json!({})));
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_said_so() {
    let edge = Edge::start().await;
    edge.store.is(Mood::Closed);
    for path in ["stats", "events", "withheld", "lanes/x"] {
        let (status, body) = got(&edge, path).await;
        assert_eq!((status, &body["error"]), (503, &json!("unavailable")), "{path}");
    }
}

/// The keys of a type as it is written, which must be those of its schema; and it reads back as it was.
fn check<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(schemas: &Value, name: &str, value: &T) {
    let written = serde_json::to_value(value).unwrap();
    assert_eq!(serde_json::from_value::<T>(written.clone()).unwrap(), *value, "{name}");
    let keys = |object: &Value| object.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(
        keys(&written),
        keys(&schemas[name]["properties"]),
        "{name}: every field must be set here and described"
    );
}

#[tokio::test]
async fn an_event_that_has_left_a_list_is_said_to_be_elsewhere() {
    let edge = with_dead_letter().await;
    edge.store.events.lock().unwrap()[0].row.state = EventState::Delivered;
    let (status, answer) = got(&edge, &format!("dead-letters/{ID}")).await;
    assert!(status == 404 && answer["message"].as_str().unwrap().contains("events show"), "{answer}");
    let (_, answer) = got(&edge, &format!("dead-letters/{}", "0".repeat(32))).await;
    assert!(answer["message"].as_str().unwrap().contains("there is no such event;"), "{answer}");
}

fn outage() -> Outage {
    let cause = Cause { call: "create", why: "no connection", status: None };
    Outage { since: at(0), until: at(5), cause }
}

#[tokio::test]
async fn the_description_knows_every_field() {
    let edge = Edge::start().await;
    let (_, description) = got(&edge, "openapi.json").await;
    let schemas = &description["components"]["schemas"];
    let paused = wire::Paused { why: PauseReason::Operator, since: at(0) };
    let stats = Stats { paused: Some((PauseReason::Operator, at(0))), ..stats() };
    let stats = wire::Stats::of(stats, Some(outage()), Some(Cap::Disk));
    let detail = wire::EventDetail::from(dead_letter());
    let page = wire::EventPage { events: vec![detail.event.clone()], next: Some("1".into()) };
    let change = Change { kind: Drift::Renamed, field: "telepon".into(), was: Some("hp".into()), at: at(0) };
    let form = wire::Form { form: "kontak".into(), changes: vec![change.clone()] };
    let source = wire::Source {
        name: "form".into(),
        provider: "form".into(),
        url: "/hooks/form".into(),
        on: false,
        why: Some("off".into()),
        missing: vec!["FORM_SECRET".into()],
        forms: vec![form.clone()],
    };
    let which: wire::Which = serde_json::from_value(json!({ "ids": [ID], "source": "form", "reason": "spam",
        "since": at(0), "until": at(1), "lead": "x", "request": REQUEST, "all": true, "cursor": "1" }))
    .unwrap();
    let ready = wire::Ready { ready: true, stopping: false, store: "ok".into(), paused: Some("operator".into()) };
    let audit = wire::Audit::from(audit());
    check(schemas, "Audit", &audit);
    check(schemas, "Flaw", &audit.flaws[0]);
    check(schemas, "Queue", &stats.queues[0]);
    check(schemas, "Limiter", &stats.limiter);
    check(schemas, "Outage", stats.outage.as_ref().unwrap());
    check(schemas, "Stats", &stats);
    check(schemas, "Paused", &paused);
    check(schemas, "PauseState", &wire::PauseState { paused: Some(paused) });
    let incident = Incident {
        external_ref: ExternalRef::new("form:", "1"),
        lead_id: Some(LeadId("lead_1".into())),
        doubles: vec![LeadId("lead_2".into())],
        twins: vec![ExternalRef::new("form:", "2")],
        seen: at(1),
    };
    check(schemas, "Incident", &wire::Incident::from(incident));
    check(schemas, "Lane", detail.lane.as_ref().unwrap());
    check(schemas, "Attempt", &detail.lane.as_ref().unwrap().log[0]);
    check(schemas, "Event", &detail.event);
    check(schemas, "EventDetail", &detail);
    check(schemas, "EventPage", &page);
    check(schemas, "Sources", &wire::Sources { sources: vec![source.clone()], once_on: vec!["meta".into()] });
    check(schemas, "Source", &source);
    check(schemas, "Form", &form);
    check(schemas, "FormChange", &change);
    check(schemas, "Which", &which);
    check(schemas, "Moved", &wire::Moved { count: 1, more: true, next: Some("17".into()) });
    let page = wire::PageOfList { since: at(0), until: Some(at(1)), cursor: Some("1".into()) };
    check(schemas, "PageOfList", &page);
    check(schemas, "Listed", &wire::Listed { kept: 1, next: Some("2".into()) });
    check(schemas, "Failure", &wire::Failure { error: "a".into(), message: "b".into() });
    check(schemas, "Ready", &ready);
}

#[tokio::test]
async fn the_description_knows_every_word() {
    use konektor_bridge::domain::event::{DeadReason, Hold};
    use strum::VariantArray;
    let edge = Edge::start().await;
    let (_, description) = got(&edge, "openapi.json").await;
    let words = |schema: &str, field: &str| {
        let words = &description["components"]["schemas"][schema]["properties"][field]["enum"];
        words.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let dead = DeadReason::VARIANTS.iter().map(ToString::to_string);
    let held = Hold::VARIANTS.iter().filter(|hold| **hold != Hold::No).map(ToString::to_string);
    assert_eq!(words("Event", "reason"), dead.chain(held).collect());
    assert_eq!(words("Event", "state"), EventState::VARIANTS.iter().map(ToString::to_string).collect());
    assert_eq!(words("Flaw", "rule"), Rule::VARIANTS.iter().map(ToString::to_string).collect());
    assert_eq!(words("FormChange", "kind"), Drift::VARIANTS.iter().map(ToString::to_string).collect());
    assert_eq!(words("Queue", "class"), Class::VARIANTS.iter().map(ToString::to_string).collect());
}

#[tokio::test]
async fn the_private_side_stops_within_its_grace() {
    let edge = Edge::start().await;
    assert_eq!(got(&edge, "stats").await.0, 200);
    tokio::time::timeout(Duration::from_secs(10), edge.private.stop()).await.unwrap().unwrap();
}

#[tokio::test]
async fn incidents_are_shown_and_dismissed_one_by_one_or_all() {
    let edge = Edge::start().await;
    let incident = |name: &str| Incident {
        external_ref: ExternalRef::new("meta:leadgen:", name),
        lead_id: Some(LeadId("lead_1".into())),
        twins: Vec::new(),
        doubles: vec![LeadId("lead_2".into()), LeadId("lead_3".into())],
        seen: at(1),
    };
    *edge.store.incidents.lock().unwrap() = vec![incident("1"), incident("2"), incident("3")];
    let ask = || edge.private(Method::GET, "/admin/v1/incidents?limit=9");
    let (status, shown) = answered(ask()).await;
    let told =
        json!({ "externalRef": "meta:leadgen:1", "leadId": "lead_1", "doubles": ["lead_2", "lead_3"], "seen": at(1) });
    assert_eq!((status, &shown["incidents"][0]), (200, &told));
    let dismiss = async |which: Value| {
        answered(edge.private(Method::POST, "/admin/v1/incidents/dismiss").body(which.to_string())).await
    };
    assert_eq!(dismiss(json!({ "lead": "meta:leadgen:2" })).await, (200, json!({ "count": 1, "more": false })));
    for wrong in [json!({}), json!({ "lead": "x", "all": true }), json!({ "leads": "x" }), json!([])] {
        assert_eq!(dismiss(wrong.clone()).await.0, 400, "{wrong}");
    }
    assert_eq!(dismiss(json!({ "all": true })).await.1["count"], 2);
    assert_eq!(answered(ask()).await.1["incidents"], json!([]));
    assert_eq!(answered(edge.private(Method::GET, "/admin/v1/incidents?limit=0")).await.0, 400);
}
