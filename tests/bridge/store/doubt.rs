//! What a store does when it may have forgotten something, what it has looked up once more, and what it keeps of doubles.

use std::time::Duration;

use konektor_bridge::domain::lead::{Field, LeadId};
use konektor_bridge::store::{
    Chore, Claim, Claimed, EventState, Fenced, Intent, Learned, Named, Outcome, PermitId, Settlement, Telling,
    Verification, Verified, Word, Words,
};

use super::{
    Bed, bodies, dead, done, everything, lead, me, on_every_backend, on_every_doubtful_store, run, start, upto,
};

async fn chore(bed: &Bed) -> Option<(PermitId, Chore)> {
    match bed.store.claim(&me(), bed.now()).await.unwrap() {
        Claim::Chore(permit, chore) => Some((permit, chore)),
        Claim::Nothing(_) => None,
        other => panic!("expected a chore or nothing, got {other:?}"),
    }
}

fn verification(of: &str, id: &str) -> Verification {
    Verification { external_ref: lead(of), lead_id: LeadId(id.to_owned()) }
}

/// Ends the doubt of a lane that was claimed, and creates its lead.
async fn settle_and_create(bed: &Bed, claimed: &Claimed, id: &str) {
    let _ = bed.settle(claimed, Outcome::Negative { at: bed.now(), settled: true }).await;
    let again = bed.claim().await;
    assert_eq!(again.intent, None);
    assert_eq!(bed.begin(&again).await, Fenced::Done);
    assert_eq!(bed.settle(&again, done(id, upto(&again))).await, Fenced::Done);
}

#[test]
fn what_came_in_before_is_reconciled_as_if_it_had_been_sent_then() {
    on_every_doubtful_store(async |bed: Bed| {
        let noticed = bed.now();
        bed.pass(10);
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        let intent = claimed.intent.expect("a POST of it may be under way");
        assert_eq!((intent.at, intent.upto, intent.is_suspected()), (noticed, Intent::NOTHING, true));
        assert!(!claimed.search_first && intent.fence < claimed.lease.fence);
        assert_eq!(bed.begin(&claimed).await, Fenced::Stale, "no POST before that is settled");
        let _ = bed.settle(&claimed, Outcome::Negative { at: bed.now(), settled: false }).await;
        let again = bed.claim().await;
        assert_eq!((again.intent.map(|intent| intent.at), again.negatives), (Some(noticed), 1));
        let _ = bed.settle(&again, Outcome::Negative { at: bed.now(), settled: true }).await;
        let create = bed.claim().await;
        assert_eq!(create.intent, None, "once");
        assert_eq!(bed.begin(&create).await, Fenced::Done);
    });
}

#[test]
fn a_lead_that_is_found_then_takes_all_that_was_said_of_it() {
    on_every_doubtful_store(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        let _ = bed.settle(&claimed, done("L", Intent::NOTHING)).await;
        let update = bed.claim().await;
        assert_eq!((bodies(&update), update.lead_id), (vec!["1".to_owned()], Some(LeadId("L".into()))));
    });
}

#[test]
fn what_comes_in_later_is_looked_for_first_for_ten_minutes_from_the_first_claim() {
    on_every_doubtful_store(async |bed: Bed| {
        bed.pass(3600);
        assert_eq!(bed.nothing().await, None, "the bridge begins to work");
        bed.pass(60);
        bed.arrive("ann", "1").await;
        assert!(bed.stats().await.searching_first_until.is_some());
        let claimed = bed.claim().await;
        assert_eq!((claimed.intent, claimed.search_first), (None, true));
        assert_eq!(bed.begin(&claimed).await, Fenced::Done, "one look is enough");
        let _ = bed.settle(&claimed, Outcome::Release { at: bed.now() }).await;
        bed.pass(600);
        assert_eq!(bed.stats().await.searching_first_until, None, "the time is over");
        let claimed = bed.claim().await;
        assert!(claimed.search_first, "but not for what came in before");
        let _ = bed.settle(&claimed, done("L", upto(&claimed))).await;
        bed.arrive("bob", "2").await;
        assert!(!bed.claim().await.search_first);
    });
}

#[test]
fn a_lead_that_is_known_is_not_in_doubt() {
    on_every_doubtful_store(async |bed: Bed| {
        bed.pass(3600);
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        assert!(claimed.search_first);
        let _ = bed.begin(&claimed).await;
        let _ = bed.settle(&claimed, done("L", upto(&claimed))).await;
        bed.arrive("ann", "2").await;
        let update = bed.claim().await;
        assert_eq!((update.search_first, update.intent), (false, None));
    });
}

#[test]
fn a_replay_of_what_died_in_doubt_is_searched_for_first() {
    on_every_backend(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        let _ = bed.begin(&claimed).await;
        let _ = bed.settle(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let search = bed.claim().await;
        let _ = bed.settle(&search, dead(&search)).await;
        bed.store.replay(&everything(), 9, bed.now()).await.unwrap();
        let again = bed.claim().await;
        assert_eq!(again.intent.map(|intent| intent.fence), Some(claimed.lease.fence));
    });
}

#[test]
fn a_create_that_followed_a_doubt_is_verified_once_a_quarter_of_an_hour_later() {
    on_every_doubtful_store(async |bed: Bed| {
        bed.arrive("ann", "1").await;
        let claimed = bed.claim().await;
        settle_and_create(&bed, &claimed, "L").await;
        let due = bed.now() + Duration::from_secs(15 * 60);
        assert_eq!(bed.nothing().await, Some(due));
        bed.pass(15 * 60);
        let (_, first) = chore(&bed).await.expect("it is due");
        assert_eq!(first, Chore::Verify(verification("ann", "L")));
        assert_eq!(chore(&bed).await, None, "it is under way");
        bed.pass(5 * 60);
        assert_eq!(chore(&bed).await.map(|(_, chore)| chore), Some(first), "nothing was heard of it");
        let later = bed.now() + Duration::from_secs(60);
        bed.store.verified(&verification("ann", "L"), Verified::Later(later), bed.now()).await.unwrap();
        assert_eq!(bed.nothing().await, Some(later));
        bed.pass(60);
        assert!(chore(&bed).await.is_some());
        bed.store.verified(&verification("ann", "L"), Verified::Seen(vec![]), bed.now()).await.unwrap();
        bed.pass(999_999);
        assert_eq!((chore(&bed).await, bed.stats().await.incidents), (None, 0));
    });
}

#[test]
fn a_create_without_a_doubt_is_not_verified() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.pass(999_999);
        assert_eq!(bed.nothing().await, None);
    });
}

#[test]
fn doubles_are_kept_until_they_are_dismissed() {
    on_every_backend(async |bed: Bed| {
        let ids = |names: &[&str]| names.iter().map(|name| LeadId((*name).to_owned())).collect::<Vec<_>>();
        for (of, doubles) in [("ann", ids(&["x", "y"])), ("bob", ids(&[])), ("carl", ids(&["z"]))] {
            bed.pass(1);
            bed.arrive(of, of).await;
            let claimed = bed.claim().await;
            let learned = Learned { doubles, ..Learned::default() };
            let settlement = Settlement { learned, ..done(of, upto(&claimed)).into() };
            assert_eq!(bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
        }
        let seen = async || {
            let incidents = bed.store.incidents(9).await.unwrap();
            incidents.into_iter().map(|incident| (incident.external_ref, incident.doubles)).collect::<Vec<_>>()
        };
        assert_eq!(seen().await, [(lead("carl"), ids(&["z"])), (lead("ann"), ids(&["x", "y"]))], "newest first");
        assert_eq!((bed.stats().await.incidents, bed.store.incidents(1).await.unwrap().len()), (2, 1));
        bed.pass(1);
        bed.store.verified(&verification("ann", "ann"), Verified::Seen(ids(&["y"])), bed.now()).await.unwrap();
        assert_eq!(seen().await[0], (lead("ann"), ids(&["y"])), "what is seen last is what is there");
        assert_eq!(bed.store.dismiss(Some(&lead("ann"))).await.unwrap(), 1);
        assert_eq!(bed.store.dismiss(Some(&lead("ann"))).await.unwrap(), 0);
        assert_eq!((bed.store.dismiss(None).await.unwrap(), seen().await.len()), (1, 0));
    });
}

#[test]
fn the_newest_words_that_were_delivered_are_remembered() {
    on_every_backend(async |bed: Bed| {
        let (none, one) = (Words::default(), Words::of([Field::Phone], Word { seq: 9, at: Some(bed.now()) }));
        for (name, learned, expected) in [("1", &one, &none), ("2", &none, &one), ("3", &none, &one)] {
            bed.arrive("ann", name).await;
            bed.pass(2);
            let claimed = bed.claim().await;
            assert_eq!(claimed.told, *expected, "{name}");
            let learned = Learned { told: learned.clone(), ..Learned::default() };
            let settlement = Settlement { learned, ..done("L", upto(&claimed)).into() };
            let _ = bed.store.settle(&claimed.lease, settlement, bed.now()).await.unwrap();
        }
    });
}

#[test]
fn a_lease_from_before_a_loss_is_not_mistaken_for_one_from_after() {
    let store = std::sync::Arc::new(konektor_bridge::store::MemoryStore::that_may_lose(Default::default(), 50));
    let bed = Bed { store: std::sync::Arc::clone(&store) as _, now: start().into() };
    run(async {
        bed.arrive("ann", "1").await;
        let before = bed.claim().await;
        // The claim, the two observations.
        store.lose_last(3, bed.now());
        let after = bed.claim().await;
        assert_ne!(before.lease.fence, after.lease.fence);
        assert_eq!(bed.settle(&before, done("L", upto(&before))).await, Fenced::Stale);
        assert_eq!(bed.count(EventState::Pending).await, 1);
    });
}

#[test]
fn a_lead_whose_lane_was_forgotten_is_looked_for_when_it_comes_back() {
    on_every_backend(async |bed: Bed| {
        bed.create("ann", "1").await;
        bed.kill("bob", "2").await;
        bed.store.discard(EventState::Dead, &everything(), 9, bed.now()).await.unwrap();
        bed.pass(500 * 24 * 3600);
        assert_eq!(bed.store.expire(9, bed.now()).await.unwrap(), 4, "two receipts and two lanes");
        for (of, looks) in [("ann", true), ("bob", false), ("carl", false)] {
            bed.arrive(of, of).await;
            let claimed = bed.claim().await;
            assert_eq!((claimed.lead_id.clone(), claimed.search_first), (None, looks), "{of}");
            let _ = bed.settle(&claimed, done(of, upto(&claimed))).await;
        }
    });
}

#[test]
fn a_lane_whose_create_may_have_made_a_lead_is_looked_for_when_it_comes_back() {
    on_every_backend(async |bed: Bed| {
        let claimed = bed.doubt("ann", "1").await;
        let search = bed.claim().await;
        assert_eq!(search.intent.map(|intent| intent.fence), Some(claimed.lease.fence));
        bed.end(&search, dead(&search)).await;
        bed.store.discard(EventState::Dead, &everything(), 9, bed.now()).await.unwrap();
        assert_eq!((bed.state_of("ann").await, bed.lane("ann").await.intent.is_some()), ("idle", true));
        bed.pass(500 * 24 * 3600);
        assert_eq!(bed.store.expire(9, bed.now()).await.unwrap(), 2, "its receipt and its lane");
        bed.arrive("ann", "2").await;
        let claimed = bed.claim().await;
        assert_eq!((claimed.intent, claimed.search_first, claimed.lost.is_some()), (None, true, true));
    });
}

#[test]
fn whom_a_create_names_is_known_until_its_end_is() {
    on_every_backend(async |bed: Bed| {
        let named = Named { phone: Some("+6281234567890".into()), ..Named::default() };
        let begin = async |claimed: &Claimed| {
            let telling = Telling { named: named.clone(), ..Telling::nothing() };
            let begun = bed.store.begin(&claimed.lease, upto(claimed), telling, bed.now()).await.unwrap();
            assert_eq!(begun, Fenced::Done);
        };
        let claimed = bed.work("ann", "1").await;
        begin(&claimed).await;
        bed.end(&claimed, Outcome::Ambiguous { at: bed.now() }).await;
        let search = bed.claim().await;
        assert_eq!(search.named, Some(named.clone()));
        bed.end(&search, Outcome::Negative { at: bed.now(), settled: true }).await;
        let create = bed.claim().await;
        assert_eq!(create.named, None, "there was no lead");
        begin(&create).await;
        bed.pass(40);
        let search = bed.claim().await;
        assert_eq!(
            (search.intent.map(|intent| intent.fence), search.named.clone()),
            (Some(create.lease.fence), Some(named.clone()))
        );
        bed.end(&search, done("L", upto(&search))).await;
        assert_eq!(format!("{named:?}"), "Named(somebody)", "nobody is shown");
    });
}
