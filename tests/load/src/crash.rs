//! Kills the bridge at random moments under load, and counts: nothing lost, nothing doubled.
//!
//! Senders behave as real ones do: what is not answered 2xx is sent again until it is; what was is sometimes sent twice
//! all the same. Meanwhile the sandbox loses answers, commits and says 500, says 500 without committing, and is slow. In
//! the end, with nothing going wrong any more, the bridge has to come to rest, and then every number has to be right.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use crate::bench::{Bench, Bridge, Sandbox, free_address};
use crate::http::Connection;
use crate::table::Table;
use crate::webhooks::{meta_batch, meta_ref, standard, standard_ref};

/// Senders of single webhooks, each with its own leads; one more sends batches.
const SENDERS: u64 = 6;
/// Between two webhooks of a sender.
const PAUSE: Duration = Duration::from_millis(40);
/// Until the bridge has to be at rest: leases end after 30 s, and a create in doubt is looked for over 55 s.
const REST: Duration = Duration::from_mins(5);
/// What goes wrong upstream, one after the other.
const FAULTS: &[&str] = &[
    r#""lost_answer_rate":0.08"#,
    "",
    r#""commit_then_500_rate":0.08,"answer_latency":"20ms""#,
    r#""latency":"30ms","answer_latency":"30ms""#,
    r#""error_rate":0.05,"search_lag":"2s""#,
    "",
    r#""lost_answer_rate":0.04,"commit_then_500_rate":0.04,"error_rate":0.02,"latency":"10ms""#,
];

/// What the senders know.
#[derive(Default)]
struct Sent {
    /// The last revision of each lead that was answered 2xx, by reference; batches have none.
    leads: RefCell<BTreeMap<String, Option<u32>>>,
    /// Events that were answered 2xx.
    events: Cell<u64>,
    /// Requests that got no 2xx, and were sent again.
    again: Cell<u64>,
    /// Requests that were sent although they had been answered 2xx.
    doubled: Cell<u64>,
}

/// Runs for `span`, then lets the bridge come to rest, and fills `table`.
pub async fn run(bench: &Bench, span: Duration, seed: u64, table: &mut Table) -> Result<()> {
    // The number of the revision is a field of the lead, so that the last word can be told from the others.
    let settings = "[sources.standard.settings.fields]\n\"data.revision\" = \"estimated_value\"\n";
    std::fs::write(bench.path("bridge.toml"), settings)?;
    let sandbox = bench.sandbox(60_000).await?;
    let addresses = [free_address()?, free_address()?];
    let sent = Rc::new(Sent::default());

    let local = LocalSet::new();
    let until = Instant::now() + span;
    let mut tasks = Vec::new();
    for sender in 0..SENDERS {
        let rng = StdRng::seed_from_u64(seed.wrapping_mul(1000) + sender);
        tasks.push(local.spawn_local(send_singles(addresses[0], sender, rng, until, sent.clone())));
    }
    tasks.push(local.spawn_local(send_batches(addresses[0], StdRng::seed_from_u64(!seed), until, sent.clone())));
    let (bridge, kills, slowest) = local
        .run_until(async {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut bridge, kills, slowest) = kill_and_restart(bench, &sandbox, addresses, &mut rng, until).await?;
            sandbox.faults("").await?;
            for task in tasks {
                task.await??;
            }
            bridge.process.check()?;
            Ok::<_, anyhow::Error>((bridge, kills, slowest))
        })
        .await?;
    let rested = until_at_rest(&bridge).await?;
    table.note("kills", f64::from(kills), "");
    table.note("  slowest start after one", slowest.as_secs_f64(), "s");
    table.note("  from the last webhook to rest", rested.as_secs_f64(), "s");
    count(&bridge, &sandbox, &sent, table).await?;
    let status = bridge.process.stop(Duration::from_secs(30)).await?;
    table.exactly("exit code after SIGTERM", u64::from(status.code().unwrap_or(255).unsigned_abs()), 0);
    Ok(())
}

/// Kills the bridge every 0.5 to 3 s until it is time; gives the last one, how many were killed, and the slowest start.
async fn kill_and_restart(
    bench: &Bench,
    sandbox: &Sandbox,
    addresses: [SocketAddr; 2],
    rng: &mut StdRng,
    until: Instant,
) -> Result<(Bridge, u32, Duration)> {
    let (mut kills, mut slowest, mut faults) = (0, Duration::ZERO, FAULTS.iter().cycle());
    loop {
        let mut bridge = bench.bridge_at("crash", sandbox, addresses).await?;
        slowest = slowest.max(bridge.started_in);
        if Instant::now() >= until {
            return Ok((bridge, kills, slowest));
        }
        if kills % 2 == 0 {
            sandbox.faults(faults.next().expect("a cycle has no end")).await?;
        }
        sleep(Duration::from_millis(rng.random_range(500..3000))).await;
        bridge.process.check()?;
        bridge.process.kill()?;
        kills += 1;
    }
}

/// New leads, later words of known ones, and webhooks that had been answered already.
async fn send_singles(address: SocketAddr, sender: u64, mut rng: StdRng, until: Instant, sent: Rc<Sent>) -> Result<()> {
    let mut line = Line { address, connection: None };
    let mut revisions: Vec<u32> = Vec::new();
    while Instant::now() < until {
        let known = !revisions.is_empty();
        let index = rng.random_range(0..revisions.len().max(1));
        let name = |index: usize| format!("crash-{sender}-{index}");
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
        sleep(PAUSE.mul_f64(rng.random_range(0.0..2.0))).await;
    }
    Ok(())
}

/// Webhooks of several leads each, some of them sent twice.
async fn send_batches(address: SocketAddr, mut rng: StdRng, until: Instant, sent: Rc<Sent>) -> Result<()> {
    let mut line = Line { address, connection: None };
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
        sleep(PAUSE * 5).await;
    }
    Ok(())
}

/// A sender's way to the bridge.
struct Line {
    address: SocketAddr,
    connection: Option<Connection>,
}

impl Line {
    /// Sends it until it is answered 2xx.
    async fn deliver(&mut self, request: &[u8], sent: &Sent) -> Result<()> {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(60) {
            match timeout(Duration::from_secs(5), self.attempt(request)).await {
                Ok(Ok(200)) => return Ok(()),
                Ok(Ok(503)) => {}
                Ok(Ok(status)) => bail!("a good webhook was answered {status}"),
                Ok(Err(_)) | Err(_) => self.connection = None,
            }
            sent.again.set(sent.again.get() + 1);
            sleep(Duration::from_millis(50)).await;
        }
        bail!("a webhook was not taken within a minute")
    }

    async fn attempt(&mut self, request: &[u8]) -> std::io::Result<u16> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            none => none.insert(Connection::open(self.address).await?),
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

/// Waits until there is nothing left to do; gives how long that took.
async fn until_at_rest(bridge: &Bridge) -> Result<Duration> {
    let began = Instant::now();
    loop {
        let stats = bridge.stats().await?;
        let (inbox, pending, leased) = (stats.inbox(), stats.events("pending"), stats.leased());
        if inbox + pending + leased == 0 {
            return Ok(began.elapsed());
        }
        if began.elapsed() > REST {
            bail!(
                "not at rest after {REST:?}: {inbox} webhooks not sorted, {pending} events pending, {leased} lanes leased"
            );
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// Compares what the senders were told with what the bridge and the sandbox have.
async fn count(bridge: &Bridge, sandbox: &Sandbox, sent: &Sent, table: &mut Table) -> Result<()> {
    let stats = bridge.stats().await?;
    let ended = ["delivered", "withheld", "dead"].map(|state| stats.events(state));
    table.note("requests without an answer, sent again", sent.again.get() as f64, "");
    table.note("requests sent again although answered", sent.doubled.get() as f64, "");
    table.note("events answered 2xx", sent.events.get() as f64, "");
    table.note("  delivered", ended[0] as f64, "");
    table.exactly("  withheld", ended[1], 0);
    table.exactly("  dead", ended[2], 0);
    table.exactly("  in the store, each once", ended.iter().sum(), sent.events.get());

    let (ledger, leads) = (sandbox.ledger().await?, sandbox.leads().await?);
    let calls = &ledger["calls"];
    for (what, status) in [("cut", "cut"), ("answered 500", "500"), ("answered 429", "429")] {
        table.note(format!("calls {what}"), calls["byStatus"][status].as_f64().unwrap_or_default(), "");
    }
    let mut created: BTreeMap<&str, u64> = BTreeMap::new();
    for lead in &leads {
        *created.entry(lead["externalRef"].as_str().context("a lead has its reference")?).or_default() += 1;
    }
    let expected = sent.leads.borrow();
    let names: BTreeSet<_> = expected.keys().map(String::as_str).collect();
    table.note("leads that the senders spoke of", names.len() as f64, "");
    table.exactly("  lost", names.iter().filter(|name| !created.contains_key(*name)).count() as u64, 0);
    table.exactly("  doubled", created.values().filter(|count| **count > 1).count() as u64, 0);
    table.exactly("  that nobody spoke of", created.keys().filter(|name| !names.contains(*name)).count() as u64, 0);
    table.exactly("  whose last word is not the sender's", stale(&leads, &expected), 0);
    Ok(())
}

/// Leads that do not stand at the last revision their sender was told is taken.
fn stale(leads: &[Value], expected: &BTreeMap<String, Option<u32>>) -> u64 {
    let is_stale = |lead: &&Value| {
        let revision = lead["externalRef"].as_str().and_then(|name| expected.get(name)).copied().flatten();
        revision.is_some_and(|revision| lead["estimatedValue"].as_f64() != Some(f64::from(revision)))
    };
    leads.iter().filter(is_stale).count() as u64
}
