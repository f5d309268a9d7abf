//! What the bridge takes when it has nothing to do.

use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::sleep;

use load::bench::Bench;
use load::table::{Table, median};

/// Starts that are measured.
const STARTS: usize = 9;

/// Has the system read `file` from the disk when it is needed next, as after a boot. It holds a file that was just written in
/// larger pieces, each of which counts whole as soon as a byte of it is touched: half a MiB and more, for a program.
fn read_anew(file: &Path) -> Result<()> {
    File::open(file)?.sync_all()?;
    let done = Command::new("dd").arg(format!("if={}", file.display())).args(["iflag=nocache", "count=0"]).output()?;
    ensure!(done.status.success(), "{} cannot be dropped from the cache", file.display());
    Ok(())
}

pub async fn measure(bench: &Bench, table: &mut Table) -> Result<()> {
    read_anew(bench.binary())?;
    let sandbox = bench.sandbox(600).await?;
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    for start in 0..STARTS {
        let bridge = bench.bridge(&format!("idle-{start}"), &sandbox).await?;
        starts.push(bridge.started_in.as_secs_f64() * 1000.0);
        sleep(Duration::from_secs(1)).await;
        memory.push(bridge.process.memory()?);
    }
    table.at_most("start to first answer, empty store", median(starts), 100.0, "ms");
    table.at_most("memory when idle", median(memory), 15.0, "MiB");
    table.at_most("binary, stripped", bench.size()?, 20.0, "MiB");
    Ok(())
}
