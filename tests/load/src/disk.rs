//! How fast the disk syncs: what the bridge's answers wait for, so what its numbers are read by. A disk that lets itself be
//! written to in bursts is slower in the last round than in the first.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;

use load::table::median;

/// About what a commit of thirty webhooks writes.
const COMMIT: usize = 48 * 1024;
/// Commits that are measured.
const COMMITS: usize = 50;

/// Milliseconds in which a commit is appended to a new file and synced; the middle one.
pub fn sync_ms(file: &Path) -> Result<f64> {
    let (mut log, bytes) = (File::create(file)?, vec![0x5a; COMMIT]);
    let mut took = Vec::with_capacity(COMMITS);
    for _ in 0..COMMITS {
        log.write_all(&bytes)?;
        let began = Instant::now();
        log.sync_data()?;
        took.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    std::fs::remove_file(file)?;
    Ok(median(took))
}
