//! How fast webhooks are kept, against a server that only reads and answers, and how fast they are sorted after.

use std::net::SocketAddr;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use actix_web::web::{Bytes, post};
use actix_web::{App, HttpResponse, HttpServer};
use anyhow::Result;

use crate::disk;
use crate::volley::{Supply, Volley, fire};
use load::bench::{Bench, Kept, free_address, until_answered};
use load::deployment::Layout;
use load::process::Process;
use load::redis::Sync;
use load::table::{Table, median};
use load::webhooks::{Requests, meta_single};

/// Connections of the senders.
const CONNECTIONS: usize = 64;

/// Connections of the senders who come while a backlog is sorted: a crowd would hold the sorting up.
const FEW: usize = 4;

/// What they wait at most, in milliseconds: a hundredth of what the most impatient senders allow, Shopify, HubSpot and the plugins of
/// WordPress (5 s, `forms-whatsapp.md`, 0). On two cores, which sorting shares with them and with the senders, less is luck.
const BESIDE_SORTING: f64 = 50.0;

/// The bare handler: reads the body, answers 200. Runs as a process of its own, like the bridge.
pub fn baseline(address: SocketAddr) -> Result<()> {
    let read = |body: Bytes| async move {
        drop(body);
        HttpResponse::Ok().finish()
    };
    let serve = async move {
        let app = move || {
            App::new().route("/hooks/{source}", post().to(read)).default_service(actix_web::web::to(HttpResponse::Ok))
        };
        HttpServer::new(app).bind(address)?.run().await
    };
    Ok(actix_web::rt::System::new().block_on(serve)?)
}

/// One round: the bare handler, then the bridge, then its backlog.
struct Round {
    bare: Volley,
    sync_ms: f64,
    bridge: Volley,
    backlog: u64,
    sorted_in: Duration,
}

/// Measures in rounds of A and B, so that what else the machine does falls on both.
pub async fn measure(bench: &Bench, rounds: u64, span: Duration, table: &mut Table) -> Result<()> {
    let address = free_address()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["baseline", &address.to_string()]);
    let mut bare = Process::start(command, &bench.path("baseline.log"))?;
    until_answered(&mut bare, address, "/").await?;
    let sandbox = bench.sandbox(60).await?;
    let bridge = bench.bridge("keep", &sandbox).await?;
    bridge.pause().await?;

    let mut measured: Vec<Round> = Vec::new();
    let mut ids = 0;
    // The first round warms up and says how many requests a round needs.
    for round in 0..=rounds {
        let expected = measured.last().map_or(20_000.0, |last| last.bridge.per_second());
        let span = if round == 0 { Duration::from_secs(1) } else { span };
        let needed = (expected * span.as_secs_f64() * 1.5) as u64;
        let mut requests = Requests::default();
        requests.extend((ids..ids + needed).map(meta_single));
        ids += needed;
        let requests = Rc::new(requests);
        let bare = fire(address, &requests, Supply::Endless, CONNECTIONS, span).await?;
        let sync_ms = disk::sync_ms(&bench.path("sync"))?;
        let bridge_volley = fire(bridge.public, &requests, Supply::Once, CONNECTIONS, span).await?;
        let backlog = bridge.stats().await?.inbox();
        let sorted_in = bridge.until_sorted().await?;
        measured.push(Round { bare, sync_ms, bridge: bridge_volley, backlog, sorted_in });
    }
    let (beside, besides) = beside_sorting(bridge.public, ids, measured.last().expect("one warms up"), span).await?;
    bridge.until_sorted().await?;
    let stored = bridge.stats().await?.events("pending");
    let sent = measured.iter().map(|round| round.bridge.answered).sum::<usize>() + besides;
    report(bench.kept(), &measured[1..], table);
    let p99 = beside.percentile(0.99);
    let what = "  beside the sorting of what a flood has left: p99 of few senders";
    match bench.kept() {
        Kept::Embedded => table.at_most(what, p99, BESIDE_SORTING, "ms"),
        Kept::Redis(_) => table.note(what, p99, "ms"),
    }
    table.exactly("  webhooks answered 200 that are in the store", stored, sent as u64);
    Ok(())
}

/// A flood, and on its heels a few senders: whether the sorting of what it has left keeps them waiting. Gives what came of them, and how
/// many webhooks were answered in all.
async fn beside_sorting(address: SocketAddr, first: u64, last: &Round, span: Duration) -> Result<(Volley, usize)> {
    let needed = (last.bridge.per_second() * span.as_secs_f64() * 1.5) as u64;
    let (mut flood, mut few) = (Requests::default(), Requests::default());
    flood.extend((first..first + needed).map(meta_single));
    few.extend((first + needed..first + needed * 2).map(meta_single));
    let flood = fire(address, &Rc::new(flood), Supply::Once, CONNECTIONS, span).await?;
    let few = fire(address, &Rc::new(few), Supply::Once, FEW, Duration::from_secs(1)).await?;
    let answered = flood.answered + few.answered;
    Ok((few, answered))
}

/// Of the bare handler's rate, at least. Nothing is asked of one with replicas.
fn share(kept: Kept) -> Option<f64> {
    match kept {
        Kept::Embedded => Some(0.40),
        Kept::Redis(Layout::Alone(Sync::Always) | Layout::Cluster) => Some(0.12),
        Kept::Redis(Layout::Alone(Sync::EverySecond | Sync::Never)) => Some(0.25),
        Kept::Redis(Layout::Sentinel) => None,
    }
}

fn report(kept: Kept, rounds: &[Round], table: &mut Table) {
    let middle = |number: fn(&Round) -> f64| median(rounds.iter().map(number).collect());
    table.note("bare actix-web handler, 64 connections", middle(|round| round.bare.per_second()), "/s");
    table.note("  p99", middle(|round| round.bare.percentile(0.99)), "ms");
    table.note("disk: 48 KiB appended and synced", middle(|round| round.sync_ms), "ms");
    let how = match kept {
        Kept::Embedded => "keep on disk",
        Kept::Redis(Layout::Alone(Sync::Always)) => "keep in Redis, on its disk",
        Kept::Redis(Layout::Alone(Sync::EverySecond | Sync::Never)) => "keep in Redis",
        Kept::Redis(Layout::Cluster) => "keep in a cluster, on the disk of a node",
        Kept::Redis(Layout::Sentinel) => "keep in Redis, on a replica, too",
    };
    table.note(format!("bridge: verify, {how}, 200"), middle(|round| round.bridge.per_second()), "/s");
    let against = middle(|round| round.bridge.per_second() / round.bare.per_second());
    match share(kept) {
        Some(share) => table.at_least("  against the bare handler", against, share, "×"),
        None => table.note("  against the bare handler", against, "×"),
    }
    table.note("  p50", middle(|round| round.bridge.percentile(0.50)), "ms");
    let p99 = middle(|round| round.bridge.percentile(0.99));
    match kept {
        Kept::Embedded => table.at_most("  p99", p99, 12.0, "ms"),
        Kept::Redis(_) => table.note("  p99", p99, "ms"),
    }
    table.note("  webhooks waiting to be sorted at the end of a round", middle(|round| round.backlog as f64), "");
    let sorting = |round: &Round| (round.backlog > 1000).then(|| round.backlog as f64 / round.sorted_in.as_secs_f64());
    let sorting: Vec<_> = rounds.iter().filter_map(sorting).collect();
    if sorting.is_empty() {
        table.note("  sorted while they came: items", middle(|round| round.bridge.per_second()), "/s");
    } else {
        table.at_least("  sorting them afterwards: items", median(sorting), 5000.0, "/s");
    }
}
