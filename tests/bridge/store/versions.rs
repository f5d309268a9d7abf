//! What the version before has written into Redis is read by this one and gone on with. The other half of a rolling deploy,
//! that the version before can go on with what this one writes, is held beside the record itself (`src/store/redis/lane.rs`),
//! and by `tests/soak --before`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use konektor_bridge::domain::event::Item;
use konektor_bridge::store::{EventFilter, EventState, Fenced, Options, Outcome};

use super::moving::goes_on;
use super::{Bed, bodies, done, flaws, item, lead, on_redis, run, start, upto};
use crate::redis_servers::Server;

/// Something of everything, as written before the words of each field were kept: a key and its `DUMP` a line, in base64.
const BEFORE: &str = include_str!("redis_1.txt");

/// A server that the version before has used, and which has not been started anew since.
fn as_left(before: &str) -> Server {
    let server = Server::start(&[]);
    let mut connection = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    for line in before.lines() {
        let (key, dump) = line.split_once(' ').unwrap();
        let (key, dump) = (STANDARD.decode(key).unwrap(), STANDARD.decode(dump).unwrap());
        redis::cmd("RESTORE").arg(key).arg(0).arg(dump).exec(&mut connection).unwrap();
    }
    let info: String = redis::cmd("INFO").arg("server").query(&mut connection).unwrap();
    let run = info.lines().find_map(|line| line.strip_prefix("run_id:")).expect("it says which run it is");
    server.says(&["HSET", "kb:{suite}:m", "run", run]);
    server
}

fn opened(server: &Server) -> Bed {
    let bed = Bed { store: std::sync::Arc::new(on_redis(server, Options::default())), now: start().into() };
    bed.pass(501 * 24 * 3600);
    bed
}

#[test]
fn what_the_version_before_wrote_is_all_there() {
    run(async {
        let server = as_left(BEFORE);
        let bed = opened(&server);
        assert_eq!(flaws(bed.store.as_ref()).await, []);
        let counts = [
            (EventState::Pending, 4),
            (EventState::Delivered, 93),
            (EventState::Withheld, 1),
            (EventState::Dead, 2),
            (EventState::Discarded, 2),
        ];
        for (state, count) in counts {
            assert_eq!(bed.list(Some(state), EventFilter::default()).await.len(), count, "{state}");
            assert_eq!(bed.count(state).await, count as u64, "{state}");
        }
        let stats = bed.stats().await;
        assert_eq!((stats.inbox, stats.searching_first_until, stats.incidents), (2, None, 1));
        assert!(stats.paused.is_some());
        assert!(bed.lane("emil").await.intent.is_some());
        assert_eq!(bed.lane("hänschen").await.external_ref, lead("hans"));
        goes_on(&bed).await;
    });
}

#[test]
fn what_it_had_delivered_is_older_than_what_comes_now_and_newer_than_what_came_before() {
    run(async {
        let server = as_left(BEFORE);
        let bed = opened(&server);
        bed.store.resume(None, bed.now()).await.unwrap();
        bed.arrive_as(Item { aliases: Vec::new(), ..item("ann", "from now") }).await;
        bed.pass(60);
        for _ in 0..9 {
            let claimed = bed.claim().await;
            let is_ann = claimed.lease.external_ref == lead("ann");
            if is_ann {
                assert_eq!(bodies(&claimed), ["from now"]);
                assert!(!super::is_late(&claimed) && !claimed.told.is_empty(), "{:?}", claimed.told);
                return;
            }
            bed.deliver(&claimed).await;
        }
        panic!("what came in for a known lead is never delivered");
    });
}

#[test]
fn what_lanes_have_told_a_lead_that_it_gave_them_is_heard_by_others_that_come_to_it() {
    run(async {
        let server = as_left(BEFORE);
        let bed = opened(&server);
        bed.store.resume(None, bed.now()).await.unwrap();
        let ann = bed.lane("ann").await;
        let lead_id = ann.lead_id.expect("it has one");
        let of_anna = async |event| {
            bed.arrive("anna", event).await;
            bed.pass(60);
            loop {
                let claimed = bed.claim().await;
                if claimed.lease.external_ref == lead("anna") {
                    return claimed;
                }
                bed.end(&claimed, Outcome::Release { at: bed.after(3600) }).await;
            }
        };
        let comes = of_anna("1 of anna").await;
        let settlement = done(&lead_id.0, upto(&comes)).into();
        assert_eq!(bed.store.settle(&comes.lease, settlement, bed.now()).await.unwrap(), Fenced::Done);
        let told = of_anna("2 of anna").await.told;
        assert!(!told.is_empty());
        assert_eq!(told, ann.told);
        assert_eq!(flaws(bed.store.as_ref()).await, []);
    });
}
