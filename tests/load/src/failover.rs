//! How long no webhook is taken when the primary of Redis dies, and what of those that were taken is lost with it.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::{JoinHandle, LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

use load::bench::{Bench, Bridge};
use load::deployment::{Deployment, Layout};
use load::http::Connection;
use load::table::Table;
use load::webhooks::meta_single;

/// Senders, each of which waits for its answer.
const SENDERS: u64 = 16;
/// How long they send before the primary dies, and after it.
const BEFORE: Duration = Duration::from_secs(2);
const AFTER: Duration = Duration::from_secs(10);
/// Between two tries of a webhook that is not taken.
const PAUSE: Duration = Duration::from_millis(20);

/// What the senders have seen.
#[derive(Default)]
struct Seen {
    stop: Cell<bool>,
    taken: RefCell<Vec<u64>>,
    last: Cell<Option<Instant>>,
    gap: Cell<Duration>,
}

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let mut redis = Deployment::start(&bench.path("failover"), Layout::Sentinel).await?;
    let primary = redis.holder().await?;
    let sandbox = bench.sandbox(60).await?;
    let mut bridges = Vec::new();
    for name in ["failover-1", "failover-2"] {
        let mut place = bench.place(name, sandbox.address)?;
        place.redis = Some(redis.shared());
        bridges.push(bench.bridge_at(&place).await?);
    }
    bridges[0].pause().await?;
    let seen = LocalSet::new().run_until(through(&mut redis, primary, &bridges)).await?;
    let taken = seen.taken.borrow().clone();
    redis.is_replaced(primary).await?;
    table.note("Sentinel: webhooks taken before, during and after a failover", taken.len() as f64, "");
    table.at_most("  longest time in which none was", seen.gap.get().as_secs_f64(), 5.0, "s");
    table.exactly("  taken and lost (replicated:1)", lost(&bridges[1], &taken).await?, 0);
    Ok(())
}

/// Sends while the primary dies.
async fn through(redis: &mut Deployment, primary: usize, bridges: &[Bridge]) -> Result<Rc<Seen>> {
    let seen = Rc::new(Seen::default());
    let senders: Vec<JoinHandle<()>> = (0..SENDERS)
        .map(|sender| {
            let places = bridges.iter().map(|bridge| bridge.public).collect();
            spawn_local(send(places, sender, seen.clone()))
        })
        .collect();
    sleep(BEFORE).await;
    redis.ends(primary).await?;
    sleep(AFTER).await;
    seen.stop.set(true);
    for sender in senders {
        sender.await?;
    }
    Ok(seen)
}

/// Sends lead after lead, to the next bridge where one does not take it.
async fn send(places: Vec<SocketAddr>, sender: u64, seen: Rc<Seen>) {
    let (mut at, mut connection) = (sender as usize, None);
    for id in (0..).map(|number| sender * 1_000_000 + number) {
        let request = meta_single(id);
        while !seen.stop.get() {
            match timeout(Duration::from_secs(3), attempt(&mut connection, places[at % places.len()], &request)).await {
                Ok(Ok(200)) => {
                    seen.took(id);
                    break;
                }
                Ok(_) | Err(_) => {
                    (at, connection) = (at + 1, None);
                    sleep(PAUSE).await;
                }
            }
        }
        if seen.stop.get() {
            return;
        }
    }
}

async fn attempt(connection: &mut Option<Connection>, to: SocketAddr, request: &[u8]) -> std::io::Result<u16> {
    let connection = match connection {
        Some(connection) => connection,
        none => none.insert(Connection::open(to).await?),
    };
    connection.exchange(request).await
}

impl Seen {
    fn took(&self, id: u64) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(Some(now)) {
            self.gap.set(self.gap.get().max(now - last));
        }
        self.taken.borrow_mut().push(id);
    }
}

/// How many of these are not there any more: sent once more they are new.
async fn lost(bridge: &Bridge, taken: &[u64]) -> Result<u64> {
    bridge.until_sorted().await?;
    let before = bridge.stats().await?.events("pending");
    let mut connection = Connection::open(bridge.public).await?;
    for id in taken {
        let status = connection.exchange(&meta_single(*id)).await?;
        ensure!(status == 200, "sent once more it is answered {status}");
    }
    bridge.until_sorted().await?;
    Ok(bridge.stats().await?.events("pending") - before)
}
