//! The connections, held against real servers.

#[path = "../../../../tests/bridge/redis_servers.rs"]
mod redis_servers;

use std::time::{Duration, Instant};

use redis::Script;
use redis_servers::Server;

use super::*;

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
    let server = Server::start(&["user bridge on >right ~kb:* +@all -@admin", "user default off"]);
    let at = |login: &str| format!("redis://{login}@127.0.0.1:{}", server.port);
    let wrong = link(&at("bridge:wrong"), Durability::Fsync);
    let error = wrong.run::<i64>(&push(), &["x".into()]).await.unwrap_err();
    let said = format!("{error} {error:?} {wrong:?}");
    assert!(said.contains("REDIS_URL") && !said.contains("wrong"), "{said}");
    let right = link(&at("bridge:right"), Durability::Fsync);
    assert_eq!(right.run::<i64>(&push(), &["x".into()]).await, Ok(1));
}
