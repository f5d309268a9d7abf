//! What things take in the memory of Redis. `tests/load measure sizes` has the same with more of them.

use konektor_bridge::domain::event::Item;
use konektor_bridge::store::{EventState, Options};

use super::{Bed, done, event_id, item, on_redis, run, start, upto};
use crate::redis_servers::Server;

/// Events; more of them take less each, for they share more.
const EVENTS: usize = 10_000;
/// Items that are sorted together.
const BATCH: usize = 100;

fn kilobyte(of: &str, name: &str) -> Item {
    Item { id: event_id(name), body: vec![b'x'; 1024], ..item(of, name) }
}

fn used(server: &Server) -> f64 {
    let info = server.says(&["INFO", "memory"]);
    let line = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("it says so");
    line.trim().parse().unwrap()
}

async fn bring(bed: &Bed, name: impl Fn(usize) -> (String, String)) {
    for first in (0..EVENTS).step_by(BATCH) {
        bed.keep("webhook").await;
        let items = (first..first + BATCH).map(&name).map(|(of, name)| kilobyte(&of, &name));
        assert_eq!(bed.sort(items.collect()).await.new, BATCH);
    }
}

/// A store on a server whose own buffers have grown already.
async fn warm(server: &Server) -> Bed {
    let options = Options { max_lane_events: EVENTS as u32, ..Options::default() };
    let bed = Bed { store: std::sync::Arc::new(on_redis(server, options)), now: start().into() };
    bed.create("first", "first").await;
    bed
}

#[test]
fn an_undelivered_event_of_a_kilobyte_takes_two_at_most_with_its_lead() {
    run(async {
        let server = Server::start(&["appendonly no"]);
        let bed = warm(&server).await;
        let before = used(&server);
        bring(&bed, |number| (format!("lead {number:08}"), number.to_string())).await;
        let each = (used(&server) - before) / EVENTS as f64;
        eprintln!("{each:.0} bytes");
        assert!(each <= 2048.0, "{each}");
    });
}

#[test]
fn what_is_remembered_of_a_delivered_event_takes_a_quarter_of_a_kilobyte_at_most() {
    run(async {
        let server = Server::start(&["appendonly no"]);
        let bed = warm(&server).await;
        let before = used(&server);
        bring(&bed, |number| ("first".to_owned(), number.to_string())).await;
        bed.pass(60);
        for _ in 0..EVENTS.div_ceil(256) {
            let claimed = bed.claim().await;
            bed.end(&claimed, done("id of first", upto(&claimed))).await;
            bed.pass(60);
        }
        assert_eq!(bed.count(EventState::Pending).await, 0);
        let each = (used(&server) - before) / EVENTS as f64;
        eprintln!("{each:.0} bytes");
        assert!(each <= 256.0, "{each}");
    });
}
