//! The primary dies, sentinels make a replica the new one, and senders hardly notice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::watch;

use super::{Replica, Site, WITHIN};
use crate::redis_servers::Server;

/// The longest time without a webhook that is taken (the sentinel takes half a second of it to believe what it sees).
const GAP: Duration = Duration::from_secs(5);
/// Webhooks that each sender has taken before the primary dies, and after it was replaced.
const EACH: usize = 20;

/// Where the senders are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Before,
    Over,
}

/// What one sender saw: the leads that were taken, and when.
struct Sent {
    taken: Vec<(u64, Instant)>,
}

/// Sends lead after lead to one bridge, each until it is taken, until so many were taken after the new primary was there.
async fn sender(
    site: Site,
    public: String,
    seeds: u64,
    stage: watch::Receiver<Stage>,
    ready: watch::Sender<usize>,
) -> Sent {
    let (mut taken, mut after) = (Vec::new(), 0);
    let limit = Instant::now() + WITHIN;
    while after < EACH {
        let over = *stage.borrow() == Stage::Over;
        let seed = seeds + taken.len() as u64;
        match site.send(&public, seed).await {
            Ok(answer) if answer.status() == 200 => {
                taken.push((seed, Instant::now()));
                after += usize::from(over);
            }
            Ok(_) | Err(_) => assert!(Instant::now() < limit, "lead {seed} is never taken"),
        }
        ready.send_replace(taken.len());
    }
    Sent { taken }
}

impl Sent {
    /// The longest time between two webhooks that were taken.
    fn gap(&self) -> Duration {
        let pairs = self.taken.windows(2);
        pairs.map(|pair| pair[1].1 - pair[0].1).max().expect("it has sent many")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failover_is_a_gap_of_seconds_and_loses_nothing_that_was_taken() {
    let mut primary = Server::start(&[]);
    // Two, so that there is one left to replicate to.
    let replicas = [Server::replica_of(&primary, &[]), Server::replica_of(&primary, &[])];
    let sentinel = Server::sentinel_of(&primary);
    sentinel.comes_to_say(&["SENTINEL", "MASTER", "mymaster"], "num-slaves\r\n$1\r\n2");
    let site = Site::on(&format!("redis+sentinel://127.0.0.1:{}/mymaster", sentinel.port), "replicated:1");
    let bridges = [site.replica(), site.replica()];
    // What is taken now is nowhere but in Redis.
    pause(&site, &bridges[0], "pause").await;
    let (stage, staged) = watch::channel(Stage::Before);
    let mut senders = Vec::new();
    for (bridge, seeds) in bridges.iter().zip([0, 100_000]) {
        let (ready, mut sent) = watch::channel(0);
        senders.push(tokio::spawn(sender(site.clone(), bridge.public.clone(), seeds, staged.clone(), ready)));
        sent.wait_for(|sent| *sent >= EACH).await.expect("it sends");
    }
    primary.dies();
    sentinel.has_logged("+switch-master");
    stage.send_replace(Stage::Over);
    let mut taken = BTreeSet::new();
    for sender in senders {
        let sent = sender.await.expect("it ends");
        eprintln!("a gap of {:?}; {} taken", sent.gap(), sent.taken.len());
        assert!(sent.gap() < GAP, "{:?}", sent.gap());
        taken.extend(sent.taken.into_iter().map(|(seed, _)| seed));
    }
    assert!(replicas.iter().any(|replica| replica.says(&["ROLE"]).contains("master")));
    site.until(async || site.stats(&bridges[1]).await["inbox"] == 0, "all are sorted").await;
    assert_eq!(site.stats(&bridges[1]).await["events"]["pending"], taken.len(), "each of them, once");
}

async fn pause(site: &Site, bridge: &Replica, what: &str) {
    let (status, answer) = site.ask("POST", format!("{}/admin/v1/{what}", bridge.admin), Some(json!({}))).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_primary_without_a_replica_takes_nothing_until_it_has_one_again() {
    let mut primary = Server::start(&[]);
    let _replica = Server::replica_of(&primary, &[]);
    let sentinel = Server::sentinel_of(&primary);
    let site = Site::on(&format!("redis+sentinel://127.0.0.1:{}/mymaster", sentinel.port), "replicated:1");
    let bridge = site.replica();
    pause(&site, &bridge, "pause").await;
    for seed in 0..3 {
        site.sends(&bridge.public, seed).await;
    }
    primary.dies();
    sentinel.has_logged("+switch-master");
    // It is reached, and what it is given may be lost.
    site.until(async || site.stats_if_any(&bridge).await.is_some(), "the new one is found").await;
    assert_eq!(site.send(&bridge.public, 3).await.expect("it answers").status(), 503);
    assert_eq!(site.ready(&bridge).await, 503);
    primary.comes_back();
    site.until(async || site.ready(&bridge).await == 200, "it is ready again").await;
    site.sends(&bridge.public, 3).await;
    pause(&site, &bridge, "resume").await;
    site.has_leads(4, &bridge).await;
}
