//! How long the sandbox takes for a list over many leads, whatever is asked.

use std::time::Instant;

use anyhow::{Result, ensure};

use load::bench::{Bench, KEY};
use load::http::{Connection, request};
use load::table::Table;

/// Leads in the workspace.
const LEADS: u32 = 100_000;
/// How often each question is asked.
const ROUNDS: usize = 60;
/// More calls than are made.
const UNLIMITED: u32 = 1_000_000;

/// What is asked: filters, searches for what is rare and what is common, orders, deep pages.
const QUESTIONS: [&str; 18] = [
    "",
    "limit=100",
    "status=won&limit=100",
    "status=new&source=ads&adPlatform=meta",
    "priority=urgent&sortBy=updatedAt",
    "createdFrom=2026-01-01&createdTo=2099-01-01&status=lost",
    "assignedTo=6f1c0b7e-0000-4000-8000-000000000003&sortOrder=asc",
    "search=budi",
    "search=siti+santoso",
    "search=si",
    "search=example.com&status=hot",
    "search=KNK-0077&sortBy=updatedAt",
    "search=81200",
    "search=812000618033",
    "search=meta%3Alead%3A900000054321",
    "search=nobody+at+all",
    "search=wijaya&status=won&source=ads&limit=100",
    "page=900&limit=100",
];

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    let began = Instant::now();
    let sandbox = bench.sandbox_with(UNLIMITED, LEADS).await?;
    table.note("sandbox with 100 000 leads in memory: start", began.elapsed().as_secs_f64(), "s");
    table.note("its memory", sandbox.process.memory()?, "MiB");
    let mut connection = Connection::open(sandbox.address).await?;
    let (mut all, mut worst) = (Vec::new(), (0.0, ""));
    for question in QUESTIONS {
        let mut times = asked(&mut connection, question).await?;
        let slow = percentile(&mut times, 99);
        if slow > worst.0 {
            worst = (slow, question);
        }
        all.extend(times);
    }
    table.at_most("list over 100 000 leads, 18 questions: p50", percentile(&mut all, 50), 20.0, "ms");
    table.at_most("list over 100 000 leads, 18 questions: p99", percentile(&mut all, 99), 20.0, "ms");
    table.note(format!("the slowest question, {}: p99", worst.1), worst.0, "ms");
    Ok(())
}

/// The times of one question, in milliseconds.
async fn asked(connection: &mut Connection, question: &str) -> Result<Vec<f64>> {
    let headers = format!("authorization: Bearer {KEY}\r\n");
    let request = request("GET", &format!("/api/v2/agent/leads?{question}"), &headers, b"");
    let mut times = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let sent = Instant::now();
        let status = connection.exchange(&request).await?;
        times.push(sent.elapsed().as_secs_f64() * 1000.0);
        ensure!(status == 200, "{question} is answered {status}");
    }
    Ok(times)
}

fn percentile(times: &mut [f64], percent: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * percent).div_ceil(100).max(1) - 1]
}
