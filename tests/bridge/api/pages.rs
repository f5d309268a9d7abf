//! Both paginations against the sandbox while leads are being made: none is skipped, none comes twice.

use futures_util::TryStreamExt;
use konektor_bridge::konektor::wire::LeadBody;
use konektor_bridge::konektor::{Api, LeadFilter, ListQuery, Place, SortOrder};
use konektor_bridge::sandbox::Running;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::runtime::Handle;

use super::{client, sandbox};

/// How a list is gone through.
#[derive(Debug, Clone, Copy, PartialEq)]
enum By {
    /// From place to place, the newest first: new leads come in before the first page.
    Cursor,
    /// From place to place, the oldest first: new leads come in on the last page.
    CursorUp,
    /// By number, the oldest first.
    Number,
}

/// Makes leads, and gives their ids, the oldest first.
async fn make(api: &Api, count: usize) -> Vec<String> {
    let mut made = Vec::new();
    for _ in 0..count {
        let body = LeadBody { first_name: Some("Siti".into()), ..LeadBody::default() };
        made.push(api.create(&body).await.unwrap().data.id.0);
    }
    made
}

/// Goes through all pages of `limit` leads and makes `new` ones after each page; gives the ids in order.
async fn walk(api: &Api, by: By, limit: u8, new: &[usize]) -> Vec<String> {
    let sort_order = if by == By::Cursor { SortOrder::Desc } else { SortOrder::Asc };
    let (mut place, mut seen, mut new) = (Place::default(), Vec::new(), new.iter());
    loop {
        let query = ListQuery { sort_order, limit, place: place.clone(), ..ListQuery::default() };
        let page = api.leads(&query).await.unwrap().data;
        seen.extend(page.leads.iter().map(|lead| lead.read.id.0.clone()));
        place = match (by, page.pagination.next_cursor, place) {
            (By::Number, _, Place::Page(number)) if page.leads.len() == usize::from(limit) => Place::Page(number + 1),
            (By::Number, ..) | (_, None, _) => return seen,
            (_, Some(next), _) => Place::After(next),
        };
        make(api, *new.next().unwrap_or(&0)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_lead_is_skipped_and_none_comes_twice_while_leads_are_made() {
    let here = Handle::current();
    let cases = (
        0..14_usize,
        1..6_u8,
        proptest::collection::vec(0..5_usize, 0..6),
        prop::sample::select(vec![By::Cursor, By::CursorUp, By::Number]),
    );
    tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
        let outcome = runner.run(&cases, |(count, limit, new, by)| {
            let (expected, seen) = here.block_on(async {
                let konektor: Running = sandbox(|_| ());
                let api = client(&konektor.url());
                let made = make(&api, count).await;
                let seen = walk(&api, by, limit, &new).await;
                konektor.stop().await;
                (made, seen)
            });
            let mut old: Vec<_> = seen.iter().filter(|id| expected.contains(id)).cloned().collect();
            if by == By::Cursor {
                old.reverse();
            }
            prop_assert_eq!(&old, &expected);
            let mut once = seen.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(once.len(), seen.len(), "one came twice: {:?}", seen);
            Ok(())
        });
        outcome.unwrap();
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_gives_each_lead_of_its_beginning_once_while_leads_are_made() {
    let konektor = sandbox(|_| ());
    let api = client(&konektor.url());
    let mut made = make(&api, 230).await;
    let mut pages = std::pin::pin!(api.pages(LeadFilter::default()));
    let mut seen = Vec::new();
    while let Some(page) = pages.try_next().await.unwrap() {
        seen.extend(page.data.leads.into_iter().map(|lead| lead.read.id.0));
        make(&api, 7).await;
    }
    made.reverse();
    assert_eq!(seen, made);
    konektor.stop().await;
}
