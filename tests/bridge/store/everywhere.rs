//! The whole suite once more, on a Redis of another kind: a cluster of three primaries, and a primary with a replica behind
//! a sentinel, before and after a failover.
//!
//! This binary is run by itself with the Redis in its environment; its cases then run there, each under a prefix of its own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use konektor_bridge::servers::Durability;

use crate::redis_servers::{Server, cluster};

/// Where the cases are, and how many there are at least: fewer would mean that they were not found.
const FIRST: (&[&str], usize) = (&["arrows", "clocks", "day", "doubt", "inbox", "overtaken", "turns"], 75);
const SECOND: (&[&str], usize) = (&["fences", "lessons", "limits", "memos", "names", "people", "races"], 60);

const URL: &str = "STORE_SUITE_REDIS_URL";
const DURABILITY: &str = "STORE_SUITE_REDIS_DURABILITY";

/// A Redis that is there already, and when what is written to it counts as kept.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) url: String,
    pub(super) durability: Durability,
}

impl Given {
    #[expect(clippy::disallowed_methods, reason = "it is this file that sets them")]
    pub(super) fn by_environment() -> Option<Self> {
        let url = std::env::var(URL).ok()?;
        let durability = std::env::var(DURABILITY).expect("it is given with the URL");
        Some(Self { url, durability: durability.parse().unwrap() })
    }

    /// Runs cases there.
    fn passes(&self, (modules, at_least): (&[&str], usize)) {
        let mut suite = Command::new(std::env::current_exe().unwrap());
        suite.args(modules.iter().map(|module| format!("store::{module}::")));
        suite.env(URL, &self.url).env(DURABILITY, self.durability.to_string());
        let ran = suite.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        assert!(ran.status.success(), "{said}\n{}", String::from_utf8_lossy(&ran.stderr));
        let passed = said.lines().filter(|line| line.starts_with("test store::") && line.ends_with("... ok")).count();
        assert!(passed >= at_least, "only {passed} cases:\n{said}");
    }
}

/// A prefix that nobody has had.
pub(super) fn new_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("suite-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

#[test]
fn the_suite_holds_on_a_cluster_of_three_primaries() {
    let nodes = cluster();
    let url = format!("redis+cluster://127.0.0.1:{}", nodes[1].port);
    let given = Given { url, durability: Durability::Fsync };
    given.passes(FIRST);
    given.passes(SECOND);
    for node in &nodes {
        let size = node.says(&["DBSIZE"]);
        assert!(size != ":0", "a node has had no part in it");
    }
}

#[test]
fn the_suite_holds_behind_a_sentinel_and_after_its_failover() {
    let primary = Server::start(&[]);
    let replica = Server::replica_of(&primary, &[]);
    let sentinel = Server::sentinel_of(&primary);
    let url = format!("redis+sentinel://127.0.0.1:{}/mymaster", sentinel.port);
    let given = Given { url, durability: Durability::Replicated(1) };
    given.passes(FIRST);
    assert_eq!(sentinel.says(&["SENTINEL", "FAILOVER", "mymaster"]), "+OK");
    sentinel.has_logged("+switch-master");
    replica.comes_to_say(&["INFO", "replication"], "state=online");
    primary.comes_into_step_with(&replica);
    given.passes(SECOND);
    assert!(primary.says(&["ROLE"]).contains("slave"), "it was gone over");
}
