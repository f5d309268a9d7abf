//! Senders that do not give up: each sends a webhook until it is taken, and then its next.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

use load::http::Connection;
use load::webhooks::meta_single;

/// Between two tries of a webhook that is not taken.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was sent, and how it was taken.
pub struct Seen {
    /// The numbers of the webhooks that were answered 200; each once.
    pub taken: Vec<u64>,
    /// The longest time in which none was.
    pub gap: Duration,
}

/// Senders at work, on the local set that they were started on.
pub struct Senders {
    watch: Rc<Watch>,
    tasks: Vec<JoinHandle<()>>,
}

#[derive(Default)]
struct Watch {
    stop: Cell<bool>,
    taken: RefCell<Vec<u64>>,
    last: Cell<Option<Instant>>,
    gap: Cell<Duration>,
}

impl Senders {
    /// Starts so many of them, which turn to the next of `places` where one does not take a webhook.
    pub fn start(count: u64, places: &[SocketAddr]) -> Self {
        let watch = Rc::new(Watch::default());
        let tasks = (0..count).map(|sender| spawn_local(send(places.to_vec(), sender, watch.clone()))).collect();
        Self { watch, tasks }
    }

    /// Lets each finish what it is at.
    pub async fn stop(self) -> Result<Seen> {
        self.watch.stop.set(true);
        for task in self.tasks {
            task.await?;
        }
        Ok(Seen { taken: self.watch.taken.take(), gap: self.watch.gap.get() })
    }
}

async fn send(places: Vec<SocketAddr>, sender: u64, watch: Rc<Watch>) {
    let (mut at, mut connection) = (sender as usize, None);
    for id in (0..).map(|number| sender * 1_000_000 + number) {
        let request = meta_single(id);
        while !matches!(
            timeout(PATIENCE, attempt(&mut connection, places[at % places.len()], &request)).await,
            Ok(Ok(200))
        ) {
            (at, connection) = (at + 1, None);
            sleep(PAUSE).await;
        }
        watch.took(id);
        if watch.stop.get() {
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

impl Watch {
    fn took(&self, id: u64) {
        let now = Instant::now();
        if let Some(last) = self.last.replace(Some(now)) {
            self.gap.set(self.gap.get().max(now - last));
        }
        self.taken.borrow_mut().push(id);
    }
}
