//! Lists against a naive model: whatever the leads and whatever is asked, the same leads in the same order.

use std::cmp::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use reqwest::Method;
use serde_json::{Value, json};

use super::{TestSandbox, body};

/// What happens before anything is asked.
#[derive(Debug, Clone)]
enum Act {
    Create(Value),
    /// Changes the lead of this number, if there are so many.
    Update(usize, Value),
    Delete(usize),
    /// The clock moves on by so many milliseconds.
    Wait(u64),
}

const NAMES: [&str; 6] = ["Budi", "budi santoso", "Dewi", "Éko", "A%_\"x", "Siti Nurhaliza binti Ahmad"];
const WORDS: [&str; 14] = [
    "bu",
    "BUDI",
    "di s",
    "é",
    "%",
    "_\"",
    "62812",
    "+62",
    "meta:lead",
    "x",
    "@example.com",
    "di d",
    "haliza binti a",
    "KNK-7",
];

fn maybe(values: &'static [&'static str]) -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Null), select(values).prop_map(Value::from)]
}

fn leads() -> impl Strategy<Value = Value> {
    let people = (
        select(&NAMES[..]),
        maybe(&["Santoso", "di Dalam", "x"]),
        maybe(&["budi@example.com", "X.Y@Example.com"]),
        maybe(&["+6281200000001", "081200000002"]),
    );
    let deals = (
        select(&["new", "won", "lost"][..]),
        select(&["low", "high"][..]),
        maybe(&["ads", "website"]),
        maybe(&["meta", "google"]),
        maybe(&["6f1c0b7e-0000-4000-8000-00000000000a"]),
    );
    let names = (maybe(&["meta:lead:1", "meta:lead:12", "form:X"]), maybe(&["KNK-7", "KNK-77"]));
    (people, deals, names).prop_map(|(people, deals, names)| {
        json!({
            "firstName": people.0, "lastName": people.1, "email": people.2, "phone": people.3, "status": deals.0,
            "priority": deals.1, "source": deals.2, "adPlatform": deals.3, "assignedTo": deals.4,
            "externalRef": names.0, "uniqueCode": names.1,
        })
    })
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => leads().prop_map(Act::Create),
        2 => (0..12_usize, leads()).prop_map(|(which, lead)| Act::Update(which, lead)),
        1 => (0..12_usize).prop_map(Act::Delete),
        3 => (1..3_u64).prop_map(|wait| Act::Wait(wait * 500)),
    ];
    prop::collection::vec(act, 0..24)
}

/// Parameters of a list.
fn questions() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let parameter = prop_oneof![
        select(&["new", "won", "hot"][..]).prop_map(|value| ("status", value.to_owned())),
        select(&["low", "high"][..]).prop_map(|value| ("priority", value.to_owned())),
        select(&["ads", "website"][..]).prop_map(|value| ("source", value.to_owned())),
        select(&["meta", "google"][..]).prop_map(|value| ("adPlatform", value.to_owned())),
        Just(("assignedTo", "6f1c0b7e-0000-4000-8000-00000000000a".to_owned())),
        select(&WORDS[..]).prop_map(|value| ("search", value.to_owned())),
        (0..6_u64).prop_map(|at| ("createdFrom", instant(at))),
        (0..6_u64).prop_map(|at| ("createdTo", instant(at))),
        select(&["createdAt", "updatedAt"][..]).prop_map(|value| ("sortBy", value.to_owned())),
        select(&["asc", "desc"][..]).prop_map(|value| ("sortOrder", value.to_owned())),
        (1..5_u64).prop_map(|limit| ("limit", limit.to_string())),
        (1..4_u64).prop_map(|page| ("page", page.to_string())),
    ];
    // Of a parameter that is given twice the first one counts, here as there.
    prop::collection::vec(parameter, 0..5)
}

/// So many half seconds after the start.
fn instant(at: u64) -> String {
    let start = jiff::Timestamp::from_second(super::START).unwrap();
    (start + Duration::from_millis(at * 500)).to_string()
}

/// What the list should give: ids in order, and how many there are in all.
fn expected(all: &[Value], question: &[(&'static str, String)]) -> (Vec<String>, u64) {
    let asked = |name: &str| question.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str());
    let text = |lead: &Value, field: &str| lead[field].as_str().unwrap_or_default().to_owned();
    let fits = |lead: &&Value| {
        let equal = ["status", "priority", "source", "adPlatform", "assignedTo"];
        lead["deletedAt"].is_null()
            && equal.iter().all(|field| asked(field).is_none_or(|value| lead[*field] == value))
            && asked("createdFrom").is_none_or(|from| at(&text(lead, "createdAt")) >= at(from))
            && asked("createdTo").is_none_or(|to| at(&text(lead, "createdAt")) <= at(to))
            && asked("search").is_none_or(|search| is_found(lead, search))
    };
    let mut found: Vec<(usize, &Value)> = all.iter().enumerate().filter(|(_, lead)| fits(lead)).collect();
    let by = asked("sortBy").unwrap_or("createdAt");
    let order = |a: &(usize, &Value), b: &(usize, &Value)| -> Ordering {
        let forwards = at(&text(a.1, by)).cmp(&at(&text(b.1, by))).then(a.0.cmp(&b.0));
        if asked("sortOrder") == Some("asc") { forwards } else { forwards.reverse() }
    };
    found.sort_by(order);
    let number = |name, or| asked(name).map_or(or, |text| text.parse::<usize>().unwrap());
    let (limit, page) = (number("limit", 50), number("page", 1));
    let ids = found.iter().skip((page - 1) * limit).take(limit).map(|(_, lead)| text(lead, "id")).collect();
    (ids, found.len() as u64)
}

fn at(text: &str) -> jiff::Timestamp {
    text.parse().unwrap()
}

fn is_found(lead: &Value, search: &str) -> bool {
    let text = |field: &str| lead[field].as_str().unwrap_or_default().to_lowercase();
    let name = format!("{} {}", text("firstName"), text("lastName"));
    let others = ["email", "phone", "uniqueCode", "externalRef"].map(text);
    let needle = search.trim().to_lowercase();
    std::iter::once(name.trim_end()).chain(others.iter().map(String::as_str)).any(|place| place.contains(&needle))
}

async fn lists_agree(acts: Vec<Act>, questions: Vec<Vec<(&'static str, String)>>) {
    let sandbox = TestSandbox::with(|settings| settings.workspaces[0].per_minute = std::num::NonZeroU32::new(100_000));
    let mut ids = Vec::new();
    for act in acts {
        match act {
            Act::Create(lead) => ids.push(sandbox.created(lead).await),
            Act::Update(which, lead) => {
                if let Some(id) = ids.get(which) {
                    sandbox.update(id, &lead).await;
                }
            }
            Act::Delete(which) => {
                if let Some(id) = ids.get(which) {
                    sandbox.delete(id).await;
                }
            }
            Act::Wait(milliseconds) => sandbox.clock.advance(Duration::from_millis(milliseconds)),
        }
    }
    let all = body(sandbox.bare(Method::GET, "/sandbox/leads").send().await.unwrap()).await;
    for question in questions {
        let query: Vec<(&str, &str)> = question.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let list = sandbox.list(&query).await;
        let found: Vec<String> =
            list["data"].as_array().unwrap().iter().map(|lead| lead["id"].as_str().unwrap().to_owned()).collect();
        let total = list["pagination"]["total"].as_u64().unwrap();
        assert_eq!((found, total), expected(all.as_array().unwrap(), &question), "{question:?} of {all}");
    }
    sandbox.running.stop().await;
}

#[test]
fn filters_search_order_and_pages_agree_with_a_naive_model() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    runner
        .run(&(acts(), prop::collection::vec(questions(), 8)), |(acts, questions)| {
            runtime.block_on(lists_agree(acts, questions));
            Ok(())
        })
        .unwrap();
}
