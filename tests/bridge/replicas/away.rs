//! Redis is away, or is there and takes nothing: webhooks get 503 within two seconds, readiness is red, and all of it goes
//! on by itself. Nothing that was taken is lost, and nothing that was refused is taken for kept.

use std::time::{Duration, Instant};

use reqwest::header::RETRY_AFTER;

use super::{Replica, Site};
use crate::redis_servers::{Server, cluster};

/// A sender hears no later than this.
const SOON: Duration = Duration::from_secs(2);
/// Leads that come in while nothing is taken.
const REFUSED: std::ops::Range<u64> = 100..104;

impl Site {
    /// Webhooks are refused, soon, and readiness says so.
    async fn refuses(&self, replica: &Replica) {
        for seed in REFUSED {
            let began = Instant::now();
            let answer = self.send(&replica.public, seed).await.expect("it answers");
            assert_eq!(answer.status(), 503, "lead {seed}");
            assert!(answer.headers().contains_key(RETRY_AFTER));
            assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        }
        assert_eq!(self.ready(replica).await, 503);
    }

    /// It is ready again, and what was refused is taken when it comes again; `before` were taken before.
    async fn recovers(&self, replica: &Replica, before: usize) {
        self.until(async || self.ready(replica).await == 200, "it is ready again").await;
        for seed in REFUSED {
            self.sends(&replica.public, seed).await;
        }
        self.has_leads(before + REFUSED.count(), replica).await;
    }
}

/// A bridge on `redis` that has taken a lead and delivered it, and one more that waits there.
async fn with_one_that_waits(url: &str) -> (Site, Replica) {
    let site = Site::on(url, "fsync");
    let replica = site.replica();
    site.sends(&replica.public, 0).await;
    site.has_leads(1, &replica).await;
    site.ask("POST", format!("{}/admin/v1/pause", replica.admin), None).await;
    site.sends(&replica.public, 1).await;
    site.until(async || site.stats(&replica).await["events"]["pending"] == 1, "it is sorted").await;
    (site, replica)
}

async fn resume(site: &Site, replica: &Replica) {
    let resumed = async || site.ask("POST", format!("{}/admin/v1/resume", replica.admin), None).await.0 == 200;
    site.until(resumed, "it is resumed").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_webhooks_are_refused_soon_and_readiness_is_red_until_it_is_back() {
    let mut redis = Server::start(&[]);
    let (site, replica) = with_one_that_waits(&redis.url()).await;
    redis.dies();
    site.refuses(&replica).await;
    redis.comes_back();
    resume(&site, &replica).await;
    site.recovers(&replica, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_hangs_is_waited_for_two_seconds_at_most_and_nothing_taken_is_lost() {
    let redis = Server::start(&[]);
    let (site, replica) = with_one_that_waits(&redis.url()).await;
    redis.freezes();
    let began = Instant::now();
    let all_at_once = (200..205).map(|seed| site.send(&replica.public, seed));
    for answer in futures_util::future::join_all(all_at_once).await {
        assert_eq!(answer.expect("it answers").status(), 503);
    }
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
    site.refuses(&replica).await;
    redis.goes_on();
    resume(&site, &replica).await;
    // What was refused may be kept all the same; senders repeat it.
    site.until(async || site.ready(&replica).await == 200, "it is ready again").await;
    for seed in 200..205 {
        site.sends(&replica.public, seed).await;
    }
    site.recovers(&replica, 7).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_answers_questions_and_is_slow_to_write_is_no_redis() {
    let redis = Server::start(&[]);
    let (site, replica) = with_one_that_waits(&redis.url()).await;
    assert_eq!(redis.says(&["CLIENT", "PAUSE", "600000", "WRITE"]), "+OK");
    site.refuses(&replica).await;
    assert_eq!(redis.says(&["CLIENT", "UNPAUSE"]), "+OK");
    resume(&site, &replica).await;
    site.recovers(&replica, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_redis_takes_no_webhooks_and_what_it_holds_is_delivered() {
    let redis = Server::start(&[]);
    let (site, replica) = with_one_that_waits(&redis.url()).await;
    assert_eq!(redis.says(&["CONFIG", "SET", "maxmemory", "1"]), "+OK");
    site.refuses(&replica).await;
    resume(&site, &replica).await;
    site.has_leads(2, &replica).await;
    site.refuses(&replica).await;
    assert_eq!(redis.says(&["CONFIG", "SET", "maxmemory", "0"]), "+OK");
    site.recovers(&replica, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_has_become_read_only_takes_no_webhooks() {
    let redis = Server::start(&[]);
    let (site, replica) = with_one_that_waits(&redis.url()).await;
    // Of nobody who is there: it keeps what it has.
    assert_eq!(redis.says(&["REPLICAOF", "127.0.0.1", "1"]), "+OK");
    site.refuses(&replica).await;
    assert_eq!(redis.says(&["REPLICAOF", "NO", "ONE"]), "+OK");
    resume(&site, &replica).await;
    site.recovers(&replica, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_wants_replicas_which_are_not_there_takes_no_webhooks() {
    let redis = Server::start(&[]);
    let (site, replica) = with_one_that_waits(&redis.url()).await;
    assert_eq!(redis.says(&["CONFIG", "SET", "min-replicas-to-write", "1"]), "+OK");
    site.refuses(&replica).await;
    assert_eq!(redis.says(&["CONFIG", "SET", "min-replicas-to-write", "0"]), "+OK");
    resume(&site, &replica).await;
    site.recovers(&replica, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_our_slot_moves_nothing_is_taken_and_afterwards_its_new_node_is_found() {
    let nodes = cluster();
    let (site, replica) = with_one_that_waits(&format!("redis+cluster://127.0.0.1:{}", nodes[2].port)).await;
    let root = "kb:{bridge}:";
    let slot = nodes[0].says(&["CLUSTER", "KEYSLOT", root]).trim_start_matches(':').to_owned();
    let from = nodes.iter().position(|node| !node.says(&["EXISTS", root]).starts_with("-MOVED")).expect("one has it");
    let (from, to) = (&nodes[from], &nodes[(from + 1) % 3]);
    let id = |node: &Server| node.says(&["CLUSTER", "MYID"]).lines().last().unwrap_or_default().to_owned();
    assert_eq!(to.says(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]), "+OK");
    assert_eq!(from.says(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]), "+OK");
    site.refuses(&replica).await;
    let keys = from.says(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]);
    let keys: Vec<_> = keys.lines().filter(|line| line.starts_with(root)).collect();
    assert!(keys.len() > 10, "{keys:?}");
    let port = to.port.to_string();
    let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    assert_eq!(from.says(&[&migrate, keys.as_slice()].concat()), "+OK");
    for node in [to, from] {
        assert_eq!(node.says(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]), "+OK");
    }
    resume(&site, &replica).await;
    site.recovers(&replica, 2).await;
}
