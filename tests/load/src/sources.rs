//! Whether more sources cost anything: start and throughput with two of them on, and with all that are built in and ten
//! more of the owner's.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::volley::{Supply, Volley, fire};
use load::bench::{Bench, Bridge, Place, Sandbox};
use load::table::{Table, median};
use load::variables;
use load::webhooks::{Requests, meta_single};

/// Starts of each side.
const STARTS: usize = 9;
/// Connections of the senders.
const CONNECTIONS: usize = 64;
/// Sources of the owner's own, half of them by presets.
const OWN: usize = 10;

/// A source as `sources --json` shows it.
#[derive(Deserialize)]
struct Line {
    name: String,
    on: bool,
    missing: Vec<String>,
}

/// One side: its settings beside those that both have.
#[derive(Default)]
struct Side {
    variables: BTreeMap<String, String>,
    starts: Vec<f64>,
    rounds: Vec<Volley>,
}

impl Side {
    async fn start(&self, bench: &Bench, name: &str, sandbox: &Sandbox) -> Result<Bridge> {
        let place = Place { variables: self.variables.clone(), ..bench.place(name, sandbox.address)? };
        bench.bridge_at(&place).await
    }

    async fn fire(&mut self, bridge: &Bridge, requests: &Rc<Requests>, span: Duration) -> Result<()> {
        self.rounds.push(fire(bridge.public, requests, Supply::Once, CONNECTIONS, span).await?);
        bridge.until_sorted().await.map(drop)
    }
}

/// Measures in rounds of A and B, so that what else the machine does falls on both.
pub async fn measure(bench: &Bench, rounds: u64, span: Duration, table: &mut Table) -> Result<()> {
    let sandbox = bench.sandbox(60).await?;
    let (mut few, mut all) = (Side::default(), Side::default());
    let on = switch_all_on(bench, &mut all.variables)?;
    for start in 0..STARTS {
        for (side, name) in [(&mut few, "few"), (&mut all, "all")] {
            let bridge = side.start(bench, &format!("{name}-{start}"), &sandbox).await?;
            side.starts.push(bridge.started_in.as_secs_f64() * 1000.0);
        }
    }
    let bridges = (few.start(bench, "few", &sandbox).await?, all.start(bench, "all", &sandbox).await?);
    bridges.0.pause().await?;
    bridges.1.pause().await?;
    let mut ids = 0;
    // The first round warms up and says how many requests a round needs.
    for round in 0..=rounds {
        let expected = few.rounds.last().map_or(20_000.0, Volley::per_second);
        let span = if round == 0 { Duration::from_secs(1) } else { span };
        let needed = (expected * span.as_secs_f64() * 1.5) as u64;
        let mut requests = Requests::default();
        requests.extend((ids..ids + needed).map(meta_single));
        ids += needed;
        let requests = Rc::new(requests);
        few.fire(&bridges.0, &requests, span).await?;
        all.fire(&bridges.1, &requests, span).await?;
    }
    report(on, &few, &all, table);
    Ok(())
}

/// Sets the variables of every built-in source and describes ten more; gives how many are on then.
fn switch_all_on(bench: &Bench, variables: &mut BTreeMap<String, String>) -> Result<usize> {
    let file = bench.path("sources.toml");
    std::fs::write(&file, own_sources())?;
    variables.insert("BRIDGE_CONFIG".to_owned(), file.display().to_string());
    variables.insert("BRIDGE_PUBLIC_URL".to_owned(), "https://hooks.example.com".to_owned());
    loop {
        let mut command = Command::new(bench.binary());
        let shown = command.args(["sources", "--json"]).env_clear().envs(&*variables).output()?;
        ensure!(shown.status.success(), "`sources` says: {}", String::from_utf8_lossy(&shown.stderr));
        let lines: Vec<Line> = serde_json::from_slice(&shown.stdout).context("`sources --json` is no list")?;
        let off: Vec<_> = lines.iter().filter(|line| !line.on).collect();
        if off.is_empty() {
            return Ok(lines.len());
        }
        let known = variables.len();
        off.iter().for_each(|line| variables::set_next(variables, &line.missing));
        ensure!(variables.len() > known, "`{}` stays off", off[0].name);
    }
}

/// Ten sources of the owner's: five more of a kind, five that are described here, all with rules.
fn own_sources() -> String {
    let mut file = String::new();
    for number in 0..OWN {
        let described = "provider = \"mapped\"\nrules.priority = \"high\"\n\
            settings.verify = { kind = \"hmac\", algorithm = \"sha256\", encoding = \"hex\", base = \"{body}\", \
            signature = { header = \"x-sig\" } }\n\
            settings.items = \"leads[*]\"\nsettings.event_id = \"id\"\n\
            settings.external_ref = { prefix = \"crm:{source}:\", id = \"id\" }\n\
            settings.map = { full_name = \"who.name\", phone = \"who.hp\" }\n";
        let kind = "provider = \"typeform\"\nrules.junk = [\"'http' in message\"]\n";
        let text = if number % 2 == 0 { kind } else { described };
        write!(file, "[sources.own-{number}]\nsettings.secret = \"secret-of-own-source-{number}\"\n{text}\n")
            .expect("a string takes everything");
    }
    file
}

fn report(on: usize, few: &Side, all: &Side, table: &mut Table) {
    let starts = |side: &Side| median(side.starts.clone());
    let speeds = |side: &Side| side.rounds[1..].iter().map(Volley::per_second).collect::<Vec<_>>();
    table.note("sources that are on, of all", on as f64, "");
    table.at_most("start to first answer, with two sources on", starts(few), 100.0, "ms");
    table.at_most("  with all", starts(all), 100.0, "ms");
    let (few, all) = (speeds(few), speeds(all));
    let (least, most) =
        few.iter().fold((f64::MAX, 0.0_f64), |(least, most), speed| (least.min(*speed), most.max(*speed)));
    table.note("webhooks a second, with two sources on", median(few.clone()), "/s");
    table.note("  slowest round against the fastest: the noise", least / most, "×");
    table.note("  with all", median(all.clone()), "/s");
    let ratios = few.iter().zip(&all).map(|(few, all)| all / few).collect();
    table.at_least("  with all against two, in the same round", median(ratios), 0.95, "×");
}
