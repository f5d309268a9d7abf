//! Everything moves from any store to any other, whenever it is interrupted, and means the same there.

use std::cell::Cell;
use std::sync::Arc;

use konektor_bridge::domain::event::Item;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::store::moving::{Ended, Marked, MoveError, give_up, marked, move_all, tally};
use konektor_bridge::store::{
    Adopting, Chore, Claim, EventFilter, EventState, Fenced, Named, Options, PauseReason, PermitGrant, Settlement,
    Store, Topic, Verified,
};

use tokio::sync::Notify;

use super::{
    BACKENDS, Backend, Bed, Home, bed, bodies, done, everything, flaws, held, ids, item, lead, me, run, source, upto,
};

/// A store in which there is something of everything.
async fn full_house(bed: &Bed) {
    bed.create("fred", "0").await;
    bed.pass(500 * 24 * 3600);
    bed.store.expire(99, bed.now()).await.unwrap();
    bed.create("ann", "1").await;
    bed.kill("bob", "2").await;
    bed.arrive_as(held("carl", "3")).await;
    bed.spoil("not to be split").await;
    bed.spoil("nor this").await;
    let unreadable = EventFilter { source: Some(source()), ..EventFilter::default() };
    let unreadable = bed.list(Some(EventState::Dead), unreadable).await;
    let given_up = unreadable.iter().find(|row| row.external_ref.is_none()).expect("two could not be split").id;
    let which = konektor_bridge::store::Selector::Ids(vec![given_up]);
    bed.store.discard(EventState::Dead, &which, 9, bed.now()).await.unwrap();
    bed.arrive_as(held("dora", "4")).await;
    bed.store.discard(EventState::Withheld, &ids(&["4"]), 9, bed.now()).await.unwrap();
    // So many that Redis keeps some beside the lane's record.
    bed.keep("webhook").await;
    bed.sort((0..90).map(|number| item("gina", &format!("gina {number}"))).collect()).await;
    let gina = bed.claim().await;
    bed.deliver(&gina).await;
    // One person under two names, each of which had a lead.
    bed.create("hans", "7").await;
    bed.create("h.", "8").await;
    bed.arrive_as(Item { aliases: vec![lead("h."), lead("hänschen")], ..item("hans", "9") }).await;
    bed.pass(2);
    let hans = bed.claim().await;
    let said = bed.store.fetched(&hans.lease, upto(&hans), "what its sender said".into()).await.unwrap();
    assert_eq!(said, Fenced::Done);
    bed.arrive("gina", "6").await;
    bed.doubt("emil", "5").await;
    let jane = bed.work("jane", "11").await;
    let named = |phone: &str| Named { phone: Some(phone.to_owned()), ..Named::default() };
    let adopting = Adopting { lead_id: LeadId("visitor".into()), shown: named("+628"), sent: named("+629") };
    let grant = bed.store.permit(&jane.lease, Some(adopting), bed.now()).await.unwrap();
    assert!(matches!(grant, PermitGrant::Granted(_)), "{grant:?}");
    bed.store.remember_sources(&[source()], bed.now()).await.unwrap();
    bed.store.set_memo(Topic::Form, "form", "its fields".into(), None).await.unwrap();
    bed.arrive("ivan", "10").await;
    bed.keep("unsorted").await;
    bed.keep("nor sorted").await;
    bed.store.pause(PauseReason::Forbidden, bed.now()).await.unwrap();
}

/// What a person sees of it.
async fn seen(bed: &Bed) -> impl PartialEq + std::fmt::Debug {
    let events = bed.list(None, EventFilter::default()).await;
    let mut details = Vec::new();
    for row in &events {
        details.push(bed.store.event(&row.id).await.unwrap());
    }
    let mut lanes = Vec::new();
    for of in ["ann", "bob", "carl", "emil", "fred", "gina", "hans", "h.", "ivan", "jane"] {
        lanes.push(bed.store.lane(&lead(of)).await.unwrap());
    }
    let stats = bed.stats().await;
    let stats = (stats.inbox, stats.events, stats.queues, stats.dead_lanes, stats.bytes, stats.paused, stats.incidents);
    let incidents = bed.store.incidents(9).await.unwrap();
    (events, details, lanes, stats, incidents, bed.store.unsorted(0, 9).await.unwrap())
}

/// Runs a move until its `step`th part is on its way, and lets it go then.
async fn interrupted(from: &dyn Store, to: &dyn Store, step: u32) {
    let (steps, stop) = (Cell::new(0), Notify::new());
    let moving = move_all(from, to, "interrupted", |_| {
        steps.set(steps.get() + 1);
        if steps.get() == step {
            stop.notify_one();
        }
    });
    tokio::select! {
        biased;
        () = stop.notified() => {}
        _ended = moving => {}
    }
}

fn from_every_backend(to: Backend, case: impl AsyncFn(Bed, Bed)) {
    for from in BACKENDS {
        eprintln!("from {from:?} to {to:?}");
        let homes = (Home::of(*from), Home::of(to));
        run(async {
            let options = Options::default();
            case(bed(*from, &homes.0, options.clone()), bed(to, &homes.1, options)).await;
        });
    }
}

async fn is_the_same(from: Bed, to: Bed) {
    full_house(&from).await;
    to.now.set(from.now());
    // Leases are ended by a store that is opened.
    let before = seen(&from).await;
    let ended = move_all(from.store.as_ref(), to.store.as_ref(), "one", |_| ()).await.unwrap();
    let Ended::Moved { from: given, to: taken } = ended else { panic!("{ended:?}") };
    assert_eq!(given, taken);
    assert!(given.counts.len() > 12, "{given:?}");
    assert_eq!(given.counts["events delivered"], 93, "{given:?}");
    assert!(before == seen(&to).await, "it looks otherwise");
    assert_eq!(flaws(to.store.as_ref()).await, []);
    goes_on(&to).await;
}

#[test]
fn all_of_any_store_is_the_same_and_goes_on_in_the_model() {
    from_every_backend(Backend::Memory, is_the_same);
}

#[test]
fn all_of_any_store_is_the_same_and_goes_on_in_the_embedded_store() {
    from_every_backend(Backend::Sqlite, is_the_same);
}

#[test]
fn all_of_any_store_is_the_same_and_goes_on_in_redis() {
    from_every_backend(Backend::Redis, is_the_same);
}

/// Everything that is there is delivered, given up or forgotten in the end.
pub(super) async fn goes_on(bed: &Bed) {
    assert_eq!(bed.arrive_as(item("ann", "1")).await.duplicates, 1);
    bed.store.resume(None, bed.now()).await.unwrap();
    bed.store.replay(&everything(), 99, bed.now()).await.unwrap();
    bed.store.release(&everything(), 99, bed.now()).await.unwrap();
    bed.pass(600);
    for _ in 0..99 {
        match bed.store.claim(&me(), bed.now()).await.unwrap() {
            Claim::Lane(claimed) => {
                assert!(!bodies(&claimed).is_empty());
                let settlement = Settlement::from(done(&claimed.lease.external_ref.to_string(), upto(&claimed)));
                assert_eq!(bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
            }
            Claim::Chore(_, Chore::Verify(chore)) => {
                bed.store.verified(&chore, Verified::Seen(Vec::new()), bed.now()).await.unwrap();
            }
            Claim::Nothing(None) => break,
            Claim::Nothing(Some(_)) | Claim::Probe(_) | Claim::Chore(_, Chore::LookAtDay) => bed.pass(60),
        }
    }
    assert_eq!(bed.count(EventState::Pending).await, 0);
    assert_eq!(flaws(bed.store.as_ref()).await, []);
    bed.pass(900 * 24 * 3600);
    while bed.store.expire(99, bed.now()).await.unwrap() > 0 {}
    assert_eq!(bed.count(EventState::Delivered).await, 0);
    assert_eq!(flaws(bed.store.as_ref()).await, []);
}

async fn is_gone_on_with(from: Bed, to: Bed) {
    full_house(&from).await;
    for step in [1, 2, 1, 3, 1, 1, 2, 1] {
        interrupted(from.store.as_ref(), to.store.as_ref(), step).await;
    }
    let ended = move_all(from.store.as_ref(), to.store.as_ref(), "again", |_| ()).await.unwrap();
    match ended {
        Ended::Moved { from, to } => assert_eq!(from, to),
        Ended::Already => {}
    }
    assert_eq!(tally(from.store.as_ref()).await.unwrap(), tally(to.store.as_ref()).await.unwrap());
    assert_eq!(flaws(to.store.as_ref()).await, []);
    let again = move_all(from.store.as_ref(), to.store.as_ref(), "again", |_| ()).await.unwrap();
    assert_eq!(again, Ended::Already);
}

#[test]
fn a_move_that_is_interrupted_anywhere_is_gone_on_with_in_the_model() {
    from_every_backend(Backend::Memory, is_gone_on_with);
}

#[test]
fn a_move_that_is_interrupted_anywhere_is_gone_on_with_in_the_embedded_store() {
    from_every_backend(Backend::Sqlite, is_gone_on_with);
}

#[test]
fn a_move_that_is_interrupted_anywhere_is_gone_on_with_in_redis() {
    from_every_backend(Backend::Redis, is_gone_on_with);
}

async fn marks_both(from: Bed, to: Bed) {
    full_house(&from).await;
    let (from, to): (Arc<dyn Store>, Arc<dyn Store>) = (from.store, to.store);
    let (from, to) = (from.as_ref(), to.as_ref());
    let marks = async || (marked(from).await.unwrap(), marked(to).await.unwrap());
    assert_eq!(marks().await, (Marked::Free, Marked::Free));
    assert!(matches!(give_up(from, to).await, Err(MoveError::Crowded)), "there is none");
    let parts = from.give(konektor_bridge::store::Place::START, 9).await.unwrap();
    assert!(!to.take(parts, "another".into(), "mark".into()).await.unwrap(), "without its mark nothing is taken");
    from.set_memo(Topic::Move, "to", "one".into(), None).await.unwrap();
    to.set_memo(Topic::Move, "from", "one sources/0".into(), None).await.unwrap();
    assert_eq!(marks().await, (Marked::Given, Marked::Taking));
    give_up(from, to).await.unwrap();
    assert_eq!(marks().await, (Marked::Free, Marked::Taking));
    let other = move_all(from, to, "two", |_| ()).await;
    assert!(matches!(other, Err(MoveError::OfAnother)), "{other:?}");
}

#[test]
fn nobody_serves_on_a_store_that_has_given_or_has_not_everything_yet_in_the_model() {
    from_every_backend(Backend::Memory, marks_both);
}

#[test]
fn nobody_serves_on_a_store_that_has_given_or_has_not_everything_yet_in_the_embedded_store() {
    from_every_backend(Backend::Sqlite, marks_both);
}

#[test]
fn nobody_serves_on_a_store_that_has_given_or_has_not_everything_yet_in_redis() {
    from_every_backend(Backend::Redis, marks_both);
}

async fn refuses(from: Bed, to: Bed) {
    from.arrive("ann", "1").await;
    to.keep("webhook").await;
    let moved = move_all(from.store.as_ref(), to.store.as_ref(), "one", |_| ()).await;
    assert!(matches!(moved, Err(MoveError::NotEmpty)), "{moved:?}");
    assert_eq!(to.store.unsorted(0, 9).await.unwrap().len(), 1);
    assert_eq!(marked(from.store.as_ref()).await.unwrap(), Marked::Free, "nothing has begun");
    assert_eq!(marked(to.store.as_ref()).await.unwrap(), Marked::Free);
}

#[test]
fn what_is_not_empty_takes_nothing_in_the_model() {
    from_every_backend(Backend::Memory, refuses);
}

#[test]
fn what_is_not_empty_takes_nothing_in_the_embedded_store() {
    from_every_backend(Backend::Sqlite, refuses);
}

#[test]
fn what_is_not_empty_takes_nothing_in_redis() {
    from_every_backend(Backend::Redis, refuses);
}
