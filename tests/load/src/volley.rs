//! A closed loop: so many connections, each sending its next request as soon as it has its answer.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::{JoinSet, LocalSet};

use load::http::Connection;
use load::webhooks::Requests;

/// What came of it.
pub struct Volley {
    /// Requests that were answered 200. There are no others: one is an error.
    pub answered: usize,
    /// From the first request to the last answer.
    pub took: Duration,
    /// Microseconds from each request to its answer, in order of length.
    latencies: Vec<u32>,
}

impl Volley {
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.took.as_secs_f64()
    }

    /// The latency below which `share` of the answers came, in milliseconds.
    pub fn percentile(&self, share: f64) -> f64 {
        let place = ((self.latencies.len() as f64 * share).ceil() as usize).clamp(1, self.latencies.len());
        f64::from(self.latencies[place - 1]) / 1000.0
    }
}

/// What to do when the requests are used up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Supply {
    /// End: each is sent once.
    Once,
    /// Begin again.
    Endless,
}

/// Sends `requests` over `connections` connections for `span`.
pub async fn fire(
    address: SocketAddr,
    requests: &Rc<Requests>,
    supply: Supply,
    connections: usize,
    span: Duration,
) -> Result<Volley> {
    let (next, latencies) = (Rc::new(Cell::new(0)), Rc::new(RefCell::new(Vec::with_capacity(1 << 20))));
    let mut opened = Vec::new();
    for _ in 0..connections {
        opened.push(Connection::open(address).await?);
    }
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    let local = LocalSet::new();
    for mut connection in opened {
        let (requests, next, latencies) = (requests.clone(), next.clone(), latencies.clone());
        tasks.spawn_local_on(
            async move {
                while began.elapsed() < span {
                    let index = next.replace(next.get() + 1);
                    let index = if supply == Supply::Endless { index % requests.len() } else { index };
                    if index >= requests.len() {
                        break;
                    }
                    let sent = Instant::now();
                    let status = connection.exchange(requests.get(index)).await?;
                    latencies.borrow_mut().push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                    ensure!(status == 200, "answered {status}: {}", String::from_utf8_lossy(connection.body()));
                }
                Ok(())
            },
            &local,
        );
    }
    local
        .run_until(async {
            while let Some(ended) = tasks.join_next().await {
                ended??;
            }
            Ok::<_, anyhow::Error>(())
        })
        .await?;
    let (took, mut latencies) = (began.elapsed(), latencies.take());
    latencies.sort_unstable();
    ensure!(!latencies.is_empty(), "nothing was answered");
    Ok(Volley { answered: latencies.len(), took, latencies })
}
