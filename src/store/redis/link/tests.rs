//! The connections, held against real servers.

#[path = "../../../../tests/bridge/redis_servers.rs"]
mod redis_servers;

use std::time::{Duration, Instant};

use redis::Script;
use redis_servers::Server;

use super::*;
use crate::store::StoreError;

/// Appends to a list, and says how long it is.
fn push() -> Script {
    Script::new("#!lua\nreturn redis.call('RPUSH', KEYS[1] .. 'list', ARGV[1])")
}

fn length() -> Script {
    Script::new("#!lua flags=no-writes\nreturn redis.call('LLEN', KEYS[1] .. 'list')")
}

fn link(url: &str, durability: Durability) -> Link {
    let url = url.parse().unwrap_or_else(|problem| panic!("{url} {problem}"));
    Link::new(RedisTies { url, prefix: "test".into(), durability, on_time: Arc::new(|_, _| ()) })
}

fn fsync(server: &Server) -> Link {
    link(&server.url(), Durability::Fsync)
}

/// Calls until one is answered.
async fn answered(link: &Link) -> i64 {
    let limit = Instant::now() + Duration::from_secs(30);
    loop {
        match link.run::<i64>(&push(), &["x".into()]).await {
            Ok(length) => return length,
            Err(error) => assert!(Instant::now() < limit, "{error}"),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_script_is_loaded_when_the_server_does_not_have_it_also_after_a_flush_and_a_restart() {
    let mut server = Server::start(&[]);
    let link = fsync(&server);
    assert_eq!(link.run::<i64>(&push(), &["one".into()]).await, Ok(1));
    server.says(&["SCRIPT", "FLUSH"]);
    assert_eq!(link.run::<i64>(&push(), &[2_i64.into()]).await, Ok(2));
    server.dies();
    server.comes_back();
    assert_eq!(link.run_durable::<i64>(&push(), &["three".into()]).await, Ok(3), "what was answered was on disk");
    assert!(server.says(&["LRANGE", "kb:{test}:list", "0", "-1"]).contains("one\r\n$1\r\n2\r\n$5\r\nthree"));
}

#[tokio::test]
async fn a_server_that_hangs_is_an_error_within_two_seconds_then_at_once_and_it_is_found_again() {
    let server = Server::start(&[]);
    let link = fsync(&server);
    assert_eq!(link.run::<i64>(&push(), &["x".into()]).await, Ok(1));
    server.freezes();
    let (script, args) = (push(), ["x".into()]);
    let began = Instant::now();
    let three =
        tokio::join!(link.run::<i64>(&script, &args), link.run::<i64>(&script, &args), link.run::<i64>(&script, &args));
    assert_eq!([three.0, three.1, three.2], [const { Err(LinkError::Slow) }; 3]);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let began = Instant::now();
    assert_eq!(link.run::<i64>(&script, &args).await, Err(LinkError::Resting));
    assert!(began.elapsed() < Duration::from_millis(100), "{:?}", began.elapsed());
    server.goes_on();
    assert!(answered(&link).await >= 2);
}

#[tokio::test]
async fn a_wrong_password_is_said_without_showing_it_and_an_acl_user_gets_in() {
    // As the README has it.
    let rules = "~kb:{test}:* resetchannels +@all -@dangerous +info +role +config|get";
    let server = Server::start(&[&format!("user bridge on >right {rules}"), "user default off"]);
    let at = |login: &str| format!("redis://{login}@127.0.0.1:{}/3", server.port);
    let wrong = link(&at("bridge:wrong"), Durability::Fsync);
    let error = wrong.run::<i64>(&push(), &["x".into()]).await.unwrap_err();
    let said = format!("{error} {error:?} {wrong:?}");
    assert!(said.contains("REDIS_URL") && !said.contains("wrong"), "{said}");
    let right = link(&at("bridge:right"), Durability::Replicated(1));
    assert_eq!(right.run::<i64>(&push(), &["x".into()]).await, Ok(1));
    let alone = right.run_durable::<i64>(&push(), &["x".into()]).await;
    assert_eq!(alone, Err(LinkError::Replicas { reached: 0, wanted: 1 }), "it may wait, too");
    let strange = Script::new("#!lua\nreturn redis.call('GET', 'kb:{another}:x')");
    let error = right.run::<Option<String>>(&strange, &[]).await.unwrap_err();
    assert!(matches!(error, LinkError::Script { .. } | LinkError::Forbidden(_)), "{error}");
    let remarks = examine(right.0.lines.ties()).await.unwrap();
    assert!(remarks.iter().any(|remark| remark.says.contains("appendfsync always")), "{remarks:?}");
}

#[tokio::test]
async fn the_recommended_settings_are_all_that_is_wanted() {
    let file = include_str!("../../../../config/deploy/redis.conf");
    let lines: Vec<_> = file.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    assert!(lines.len() > 3, "{lines:?}");
    let server = Server::of_settings(&lines);
    let remarks = examine(fsync(&server).0.lines.ties()).await.unwrap();
    assert!(remarks.iter().all(|remark| remark.weight == Weight::Good), "{remarks:?}");
}

#[tokio::test]
async fn a_full_server_says_so_and_still_lets_itself_be_emptied() {
    let server = Server::start(&["maxmemory 8mb"]);
    let link = fsync(&server);
    let much = Arg::from(vec![b'x'; 256 * 1024]);
    let full = loop {
        match link.run::<i64>(&push(), std::slice::from_ref(&much)).await {
            Ok(length) => assert!(length < 100, "it never is full"),
            Err(error) => break error,
        }
    };
    assert_eq!(full, LinkError::Full);
    assert!(matches!(StoreError::from(full), StoreError::Full(_)));
    let drain = Script::new("#!lua flags=allow-oom\nreturn redis.call('LTRIM', KEYS[1] .. 'list', 1, 0)");
    assert_eq!(link.run::<String>(&drain, &[]).await.as_deref(), Ok("OK"));
    assert!(link.run::<i64>(&push(), &["x".into()]).await.is_ok());
}

#[tokio::test]
async fn in_a_cluster_the_node_of_our_slot_is_asked_and_a_script_reaches_no_other_slot() {
    let nodes = redis_servers::cluster();
    let link = link(&format!("redis+cluster://127.0.0.1:1,127.0.0.1:{}", nodes[1].port), Durability::Fsync);
    assert_eq!(link.run::<i64>(&push(), &["x".into()]).await, Ok(1));
    let stray = Script::new("#!lua\nreturn redis.call('SET', 'kb:{another}:x', ARGV[1])");
    let error = link.run::<String>(&stray, &["x".into()]).await.unwrap_err();
    assert!(matches!(error, LinkError::Script { .. }), "{error}");
}

/// The places in `nodes` of the one that has our slot, and of another.
fn owner_and_other(nodes: &[Server; 3]) -> (usize, usize, String) {
    let slot = nodes[0].says(&["CLUSTER", "KEYSLOT", "kb:{test}:"]).trim_start_matches(':').to_owned();
    let owner = nodes.iter().position(|node| !node.says(&["EXISTS", "kb:{test}:"]).starts_with("-MOVED"));
    let owner = owner.expect("all slots are covered");
    (owner, (owner + 1) % 3, slot)
}

#[tokio::test]
async fn a_slot_that_is_being_moved_is_not_there_until_it_has_moved() {
    let nodes = redis_servers::cluster();
    let link = link(&format!("redis+cluster://127.0.0.1:{}", nodes[0].port), Durability::Fsync);
    assert_eq!(link.run::<i64>(&push(), &["x".into()]).await, Ok(1));
    let (from, to, slot) = owner_and_other(&nodes);
    let id = |node: usize| nodes[node].says(&["CLUSTER", "MYID"]).lines().last().unwrap_or_default().to_owned();
    assert_eq!(nodes[to].says(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &id(from)]), "+OK");
    assert_eq!(nodes[from].says(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &id(to)]), "+OK");
    // Half of the keys could have gone already.
    assert_eq!(link.run::<i64>(&length(), &[]).await, Err(LinkError::Unready("ASK".into())));
    let (port, key) = (nodes[to].port.to_string(), "kb:{test}:list");
    assert_eq!(nodes[from].says(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]), "+OK");
    for node in [to, from] {
        assert_eq!(nodes[node].says(&["CLUSTER", "SETSLOT", &slot, "NODE", &id(to)]), "+OK");
    }
    assert_eq!(answered(&link).await, 2, "what was there has moved along");
}

#[tokio::test]
async fn after_a_failover_the_sentinel_s_new_primary_is_asked_and_nothing_that_a_replica_had_is_lost() {
    let mut primary = Server::start(&[]);
    let replica = Server::replica_of(&primary, &[]);
    let sentinel = Server::sentinel_of(&primary);
    let url = format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{}/mymaster", sentinel.port);
    let link = link(&url, Durability::Replicated(1));
    for expected in 1..=3 {
        assert_eq!(link.run_durable::<i64>(&push(), &["x".into()]).await, Ok(expected));
    }
    primary.dies();
    sentinel.has_logged("+switch-master");
    assert_eq!(answered(&link).await, 4);
    assert_eq!(replica.says(&["LLEN", "kb:{test}:list"]), ":4");
}

#[tokio::test]
async fn a_primary_that_became_a_replica_is_left_for_the_new_one() {
    let old = Server::start(&[]);
    let new = Server::replica_of(&old, &[]);
    let sentinel = Server::sentinel_of(&old);
    let link = link(&format!("redis+sentinel://127.0.0.1:{}/mymaster", sentinel.port), Durability::Fsync);
    assert_eq!(link.run::<i64>(&push(), &["x".into()]).await, Ok(1));
    assert_eq!(sentinel.says(&["SENTINEL", "FAILOVER", "mymaster"]), "+OK");
    sentinel.has_logged("+switch-master");
    old.comes_to_say(&["ROLE"], "slave");
    assert!(answered(&link).await >= 2);
    assert!(new.says(&["ROLE"]).contains("master"));
}

#[tokio::test]
async fn a_server_that_says_it_is_read_only_is_left_at_once_for_the_one_that_is_not() {
    let server = Server::start(&[]);
    let link = fsync(&server);
    assert_eq!(link.run::<i64>(&push(), &["x".into()]).await, Ok(1));
    let primary = Server::start(&[]);
    assert_eq!(server.says(&["REPLICAOF", "127.0.0.1", &primary.port.to_string()]), "+OK");
    let error = link.run::<i64>(&push(), &["x".into()]).await.unwrap_err();
    assert_eq!(error, LinkError::Unready("READONLY".into()));
    assert_eq!(server.says(&["REPLICAOF", "NO", "ONE"]), "+OK");
    assert!(link.run::<i64>(&push(), &["x".into()]).await.is_ok(), "two failures do not stop calls");
}

#[tokio::test]
async fn what_too_few_replicas_have_is_not_kept_also_when_it_is_said_again() {
    let primary = Server::start(&[]);
    let replica = Server::replica_of(&primary, &[]);
    let link = link(&primary.url(), Durability::Replicated(1));
    let once = Script::new("#!lua\nreturn redis.call('SETNX', KEYS[1] .. 'once', 1)");
    replica.freezes();
    let error = link.run_durable::<i64>(&once, &[]).await.unwrap_err();
    assert_eq!(error, LinkError::Replicas { reached: 0, wanted: 1 });
    let again = link.run_durable::<i64>(&once, &[]).await;
    assert_eq!(
        again,
        Err(LinkError::Replicas { reached: 0, wanted: 1 }),
        "it wrote nothing, and found what is not safe"
    );
    assert_eq!(link.run::<i64>(&length(), &[]).await, Ok(0), "what need not be safe goes on");
    replica.goes_on();
    assert_eq!(link.run_durable::<i64>(&once, &[]).await, Ok(0));
}

#[tokio::test]
async fn the_server_s_time_is_told_when_it_is_first_reached() {
    let server = Server::start(&[]);
    let told = Arc::new(std::sync::Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let on_time: OnTime = Arc::new(move |time, _| tell.lock().unwrap().push(time));
    let ties =
        RedisTies { url: server.url().parse().unwrap(), prefix: "test".into(), durability: Durability::Fsync, on_time };
    let link = Link::new(ties);
    assert_eq!(link.run::<i64>(&length(), &[]).await, Ok(0));
    let time = server.says(&["TIME"]);
    let seconds: i64 = time.lines().nth(2).unwrap().parse().unwrap();
    let told = told.lock().unwrap().clone();
    assert!(told.len() == 1 && (0..60).contains(&(seconds - told[0].as_second())), "{told:?} {seconds}");
}

#[tokio::test]
async fn a_server_is_judged_by_what_it_says_of_itself() {
    let worst = async |url: &str, durability: &str| {
        let url = url.parse().unwrap();
        let on_time: OnTime = Arc::new(|_, _| ());
        let ties = RedisTies { url, prefix: "test".into(), durability: durability.parse().unwrap(), on_time };
        let remarks = examine(&ties).await.unwrap();
        remarks.into_iter().max_by_key(|remark| remark.weight).unwrap()
    };
    let good = Server::start(&["maxmemory 100mb"]);
    assert_eq!(worst(&good.url(), "fsync").await.weight, Weight::Good);
    assert_eq!(worst(&good.url(), "replicated:1").await.weight, Weight::Now);
    good.says(&["CONFIG", "SET", "appendfsync", "everysec"]);
    let refused = worst(&good.url(), "fsync").await;
    assert!(refused.weight == Weight::Refused && refused.says.contains("CONFIG SET appendfsync always"), "{refused:?}");
    assert_eq!(worst(&good.url(), "relaxed").await.weight, Weight::Good);
    good.says(&["ACL", "SETUSER", "bridge", "on", ">right", "~kb:*", "+@all", "-config"]);
    let hidden = worst(&good.url().replace("//", "//bridge:right@"), "fsync").await;
    assert!(hidden.says.contains("only declared"), "{hidden:?}");
    let nodes = redis_servers::cluster();
    let wrong = worst(&nodes[0].url(), "fsync").await;
    assert!(wrong.weight == Weight::Refused && wrong.says.contains("redis+cluster://"), "{wrong:?}");
    let right = worst(&nodes[0].url().replace("redis:", "redis+cluster:"), "fsync").await;
    assert_eq!(right.weight, Weight::Doubtful, "only that there is no maxmemory: {right:?}");
}
