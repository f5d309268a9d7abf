//! Senders as real ones are: what is not answered 2xx is sent again until it is; some of what was is sent twice all the
//! same.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use load::http::Connection;
use load::webhooks::{meta_batch, meta_ref, standard, standard_ref};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

/// Senders of single webhooks, each with its own leads; one more sends batches.
const SENDERS: u64 = 6;
/// How long a sender tries: longer than the bridge is ever frozen or its disk full.
const PATIENCE: Duration = Duration::from_mins(2);

/// What the senders know.
#[derive(Default)]
pub struct Sent {
    /// The last revision of each lead that was answered 2xx, by reference; batches have none.
    pub leads: RefCell<BTreeMap<String, Option<u32>>>,
    /// Events that were answered 2xx.
    pub events: Cell<u64>,
    /// Requests that got no 2xx, and were sent again.
    pub again: Cell<u64>,
    /// Requests that were sent although they had been answered 2xx.
    pub doubled: Cell<u64>,
}

/// Starts them all; they stop at `until`, and each pauses so long between two webhooks. Each goes to the next of the places
/// where one does not answer.
pub fn start(
    places: Vec<SocketAddr>,
    pause: Duration,
    seed: u64,
    until: Instant,
    sent: &Rc<Sent>,
) -> Vec<JoinHandle<Result<()>>> {
    let line = |at: u64| Line { places: places.clone(), at: at as usize, connection: None, pause };
    let mut senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let rng = StdRng::seed_from_u64(seed.wrapping_mul(1000) + sender);
            spawn_local(send_singles(line(sender), sender, rng, until, sent.clone()))
        })
        .collect();
    senders.push(spawn_local(send_batches(line(SENDERS), StdRng::seed_from_u64(!seed), until, sent.clone())));
    senders
}

/// New leads, later words of known ones, and webhooks that had been answered already.
async fn send_singles(mut line: Line, sender: u64, mut rng: StdRng, until: Instant, sent: Rc<Sent>) -> Result<()> {
    let mut revisions: Vec<u32> = Vec::new();
    while Instant::now() < until {
        let known = !revisions.is_empty();
        let index = rng.random_range(0..revisions.len().max(1));
        // None begins like another: Konektor finds those, too, and where it does not show the reference nobody could tell.
        let name = |index: usize| format!("soak-{sender}-{index:05}");
        match rng.random_range(0..10) {
            0 if known => {
                let revision = rng.random_range(0..=revisions[index]);
                line.deliver(&standard(&name(index), revision, Timestamp::now()), &sent).await?;
                sent.doubled.set(sent.doubled.get() + 1);
            }
            1..4 if known => {
                revisions[index] += 1;
                let revision = revisions[index];
                line.deliver(&standard(&name(index), revision, Timestamp::now()), &sent).await?;
                sent.accepted(standard_ref(&name(index)), Some(revision));
            }
            _ => {
                let index = revisions.len();
                line.deliver(&standard(&name(index), 0, Timestamp::now()), &sent).await?;
                sent.accepted(standard_ref(&name(index)), Some(0));
                revisions.push(0);
            }
        }
        sleep(line.pause.mul_f64(rng.random_range(0.0..2.0))).await;
    }
    Ok(())
}

/// Webhooks of several leads each, some of them sent twice.
async fn send_batches(mut line: Line, mut rng: StdRng, until: Instant, sent: Rc<Sent>) -> Result<()> {
    let (mut next, mut before) = (0, Vec::new());
    while Instant::now() < until {
        let ids = next..next + rng.random_range(1..8);
        next = ids.end;
        line.deliver(&meta_batch(ids.clone()), &sent).await?;
        ids.clone().for_each(|id| sent.accepted(meta_ref(id), None));
        before.push(ids);
        if rng.random_bool(0.2) {
            let again = before.choose(&mut rng).context("there is one")?.clone();
            line.deliver(&meta_batch(again), &sent).await?;
            sent.doubled.set(sent.doubled.get() + 1);
        }
        sleep(line.pause * 5).await;
    }
    Ok(())
}

/// A sender's way to the bridges.
struct Line {
    places: Vec<SocketAddr>,
    at: usize,
    connection: Option<Connection>,
    /// Between two webhooks, on average.
    pause: Duration,
}

impl Line {
    /// Sends it until it is answered 2xx.
    async fn deliver(&mut self, request: &[u8], sent: &Sent) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            match timeout(Duration::from_secs(5), self.attempt(request)).await {
                Ok(Ok(200)) => return Ok(()),
                Ok(Ok(503)) if self.places.len() == 1 => {}
                Ok(Ok(503) | Err(_)) | Err(_) => (self.at, self.connection) = (self.at + 1, None),
                Ok(Ok(status)) => bail!("a good webhook was answered {status}"),
            }
            sent.again.set(sent.again.get() + 1);
            sleep(Duration::from_millis(50)).await;
        }
        bail!("a webhook was not taken within two minutes")
    }

    async fn attempt(&mut self, request: &[u8]) -> std::io::Result<u16> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.places[self.at % self.places.len()]).await?),
        };
        connection.exchange(request).await
    }
}

impl Sent {
    fn accepted(&self, lead: String, revision: Option<u32>) {
        self.leads.borrow_mut().insert(lead, revision);
        self.events.set(self.events.get() + 1);
    }
}
