//! Lists: filters, search, order, pages and cursors.

use std::collections::HashSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

use super::{TestSandbox, body, named};

/// Five leads, a second apart.
async fn five() -> TestSandbox {
    let sandbox = TestSandbox::start();
    for lead in [
        json!({"firstName": "Ani", "lastName": "Wijaya", "status": "new", "source": "ads", "adPlatform": "meta", "externalRef": "meta:leadgen:987654321098765"}),
        json!({"firstName": "Budi", "email": "Budi.S@Example.com", "priority": "high", "status": "won"}),
        json!({"firstName": "Citra", "phone": "+6281234567890", "source": "whatsapp", "status": "new"}),
        json!({"firstName": "Dewi", "uniqueCode": "KNK-100%_\"X\"", "adPlatform": "google"}),
        json!({"firstName": "Éko", "assignedTo": "6f1c0b7e-0000-4000-8000-00000000000a"}),
    ] {
        sandbox.created(lead).await;
        sandbox.clock.advance(Duration::from_secs(1));
    }
    sandbox
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_keep_what_fits_all_of_them() {
    let sandbox = five().await;
    for (query, expected) in [
        (vec![("status", "won")], vec!["Budi"]),
        (vec![("status", "new")], vec!["Éko", "Dewi", "Citra", "Ani"]),
        (vec![("status", "new"), ("source", "ads")], vec!["Ani"]),
        (vec![("priority", "high")], vec!["Budi"]),
        (vec![("source", "whatsapp")], vec!["Citra"]),
        (vec![("adPlatform", "google")], vec!["Dewi"]),
        (vec![("assignedTo", "6F1C0B7E-0000-4000-8000-00000000000A")], vec!["Éko"]),
        (vec![("createdFrom", "2026-11-23T16:06:43Z")], vec!["Éko", "Dewi"]),
        (vec![("createdTo", "2026-11-23T23:06:41+07:00")], vec!["Budi", "Ani"]),
        (vec![("createdFrom", "2026-11-24")], vec![]),
        (vec![("search", "wi"), ("source", "ads")], vec!["Ani"]),
        (vec![("search", "dewi"), ("adPlatform", "meta")], vec![]),
    ] {
        assert_eq!(sandbox.found(&query).await, expected, "{query:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_finds_any_part_of_name_email_phone_code_and_reference() {
    let sandbox = five().await;
    for (search, expected) in [
        ("ani wij", vec!["Ani"]),
        ("WIJAYA", vec!["Ani"]),
        ("leadgen:987654321098765", vec!["Ani"]),
        ("leadgen:98765432109876", vec!["Ani"]),
        ("leadgen:987654321098766", vec![]),
        ("budi.s@example.com", vec!["Budi"]),
        ("6281234567890", vec!["Citra"]),
        ("+62", vec!["Citra"]),
        ("00%_\"x", vec!["Dewi"]),
        ("%", vec!["Dewi"]),
        ("_\"", vec!["Dewi"]),
        ("éKO", vec!["Éko"]),
        ("é", vec!["Éko"]),
        ("dewi knk", vec![]),
        ("OR", vec![]),
        ("* OR dewi", vec![]),
        ("a\0b\nc", vec![]),
        ("   ", vec!["Éko", "Dewi", "Citra", "Budi", "Ani"]),
    ] {
        assert_eq!(sandbox.found(&[("search", search)]).await, expected, "{search:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_follows_an_update() {
    let sandbox = TestSandbox::start();
    let id = sandbox.created(json!({"firstName": "Ani", "externalRef": "old:ref"})).await;
    sandbox.update(&id, &json!({"externalRef": "new:ref", "notes": "x"})).await;
    assert_eq!(sandbox.found(&[("search", "old:ref")]).await, [""; 0]);
    assert_eq!(sandbox.found(&[("search", "new:ref")]).await, ["Ani"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_sorted_either_way_by_creation_or_update() {
    let sandbox = five().await;
    let budi = sandbox.list(&[("search", "budi")]).await["data"][0]["id"].as_str().unwrap().to_owned();
    sandbox.update(&budi, &json!({"notes": "x"})).await;
    let sorted = |by, order| {
        let sandbox = &sandbox;
        async move { sandbox.found(&[("sortBy", by), ("sortOrder", order)]).await }
    };
    assert_eq!(sorted("createdAt", "asc").await, ["Ani", "Budi", "Citra", "Dewi", "Éko"]);
    assert_eq!(sorted("createdAt", "desc").await, ["Éko", "Dewi", "Citra", "Budi", "Ani"]);
    assert_eq!(sorted("updatedAt", "desc").await, ["Budi", "Éko", "Dewi", "Citra", "Ani"]);
    assert_eq!(sorted("updatedAt", "asc").await, ["Ani", "Citra", "Dewi", "Éko", "Budi"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_count_and_end() {
    let sandbox = five().await;
    let page = |page: &'static str| {
        let sandbox = &sandbox;
        async move { sandbox.list(&[("limit", "2"), ("page", page)]).await }
    };
    let first = page("1").await;
    assert_eq!(super::names(&first), ["Éko", "Dewi"]);
    let mut pagination = first["pagination"].clone();
    assert!(pagination["nextCursor"].take().is_string());
    assert_eq!(pagination.to_string(), r#"{"page":1,"limit":2,"total":5,"totalPages":3,"nextCursor":null}"#);
    let last = page("3").await;
    assert_eq!((super::names(&last), &last["pagination"]["nextCursor"]), (vec!["Ani".to_owned()], &Value::Null));
    let beyond = page("9007199254740991").await;
    assert_eq!((&beyond["data"], &beyond["pagination"]["nextCursor"]), (&json!([]), &Value::Null));

    let empty = sandbox.list(&[("status", "lost")]).await;
    assert_eq!(empty["pagination"], json!({"page": 1, "limit": 50, "total": 0, "totalPages": 0, "nextCursor": null}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_wins_over_the_page_keeps_the_filter_and_survives_a_deletion() {
    let sandbox = five().await;
    let first = sandbox.list(&[("limit", "1"), ("status", "new")]).await;
    let cursor = first["pagination"]["nextCursor"].as_str().unwrap().to_owned();
    sandbox.delete(first["data"][0]["id"].as_str().unwrap()).await;
    let rest = sandbox.list(&[("cursor", &*cursor), ("page", "7"), ("status", "new")]).await;
    assert_eq!(super::names(&rest), ["Dewi", "Citra", "Ani"]);
    assert_eq!(rest["pagination"]["total"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_query_names_its_faults() {
    let sandbox = TestSandbox::start();
    // The cursor reads well and names no lead.
    for (query, field) in
        [("limit=0", "limit"), ("status=NEW", "status"), ("cursor=eyJpZCI6ImxlYWRfYWJjMTIzIn0", "cursor")]
    {
        let answer = sandbox.call(Method::GET, &format!("leads?{query}")).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{query}");
        let error = body(answer).await["error"].take();
        assert_eq!(error["code"], "VALIDATION_ERROR");
        assert!(error["details"][field].is_string(), "{error}");
    }
}

/// A walk through the list, in which leads are added, some in the same instant, between one page and the next.
#[derive(Debug, Clone)]
struct Walk {
    before: usize,
    limit: usize,
    /// How many are added after each page, and by how many milliseconds the clock moves before them.
    between: Vec<(usize, u64)>,
    ascending: bool,
    by: By,
}

/// How the next page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Cursor,
    Page,
}

fn walks() -> impl Strategy<Value = Walk> {
    let between = prop::collection::vec((0..4_usize, 0..3_u64), 0..5);
    let by = prop_oneof![Just(By::Cursor), Just(By::Page)];
    (0..25_usize, 1..7_usize, between, any::<bool>(), by).prop_map(|(before, limit, between, ascending, by)| Walk {
        before,
        limit,
        between,
        ascending,
        by,
    })
}

/// The ids of the leads that were there before a walk, and of those that it saw.
async fn walked(walk: &Walk) -> (Vec<String>, Vec<String>) {
    let sandbox = TestSandbox::with(|settings| settings.workspaces[0].per_minute = std::num::NonZeroU32::new(100_000));
    let mut there = Vec::new();
    for at in 0..walk.before {
        there.push(sandbox.created(named(&format!("lead {at}"))).await);
        sandbox.clock.advance(Duration::from_millis(at as u64 % 2));
    }
    let mut between = walk.between.iter().copied();
    let (mut seen, mut place) = (Vec::new(), String::from("1"));
    for page in 1.. {
        let limit = walk.limit.to_string();
        let mut query = vec![("limit", limit.as_str()), ("sortOrder", if walk.ascending { "asc" } else { "desc" })];
        match walk.by {
            By::Cursor if page == 1 => {}
            By::Cursor => query.push(("cursor", place.as_str())),
            By::Page => query.push(("page", place.as_str())),
        }
        let list = sandbox.list(&query).await;
        let ids = list["data"].as_array().unwrap().iter().map(|lead| lead["id"].as_str().unwrap().to_owned());
        seen.extend(ids);
        let next = list["pagination"]["nextCursor"].as_str().map(str::to_owned);
        place = match (walk.by, next) {
            (_, None) => break,
            (By::Cursor, Some(cursor)) => cursor,
            (By::Page, Some(_)) => (page + 1).to_string(),
        };
        let (added, step) = between.next().unwrap_or_default();
        sandbox.clock.advance(Duration::from_millis(step));
        for _ in 0..added {
            sandbox.created(named("added")).await;
        }
    }
    sandbox.running.stop().await;
    (there, seen)
}

/// By cursor nothing is skipped or comes twice. By page nothing is skipped, and oldest first nothing comes twice; newest
/// first, what is added pushes leads from the last page onto the next.
fn is_as_promised(walk: &Walk, there: &[String], seen: &[String]) {
    let once: HashSet<&String> = seen.iter().collect();
    assert!(there.iter().all(|id| once.contains(id)), "a lead was skipped");
    if walk.by == By::Cursor || walk.ascending {
        assert_eq!(once.len(), seen.len(), "a lead came twice");
    }
    if walk.by == By::Cursor && !walk.ascending {
        assert_eq!(seen.len(), there.len(), "newer leads stand before the cursor");
    }
}

#[test]
fn no_lead_is_skipped_or_doubled_while_leads_are_added() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    runner
        .run(&walks(), |walk| {
            let (there, seen) = runtime.block_on(walked(&walk));
            is_as_promised(&walk, &there, &seen);
            Ok(())
        })
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_by_update_stays_where_it_was_when_its_lead_moves() {
    let sandbox = five().await;
    let page = sandbox.list(&[("limit", "2"), ("sortBy", "updatedAt")]).await;
    assert_eq!(super::names(&page), ["Éko", "Dewi"]);
    sandbox.update(page["data"][1]["id"].as_str().unwrap(), &json!({"notes": "x"})).await;
    let cursor = page["pagination"]["nextCursor"].as_str().unwrap().to_owned();
    assert_eq!(sandbox.found(&[("cursor", &cursor), ("sortBy", "updatedAt")]).await, ["Citra", "Budi", "Ani"]);
}
