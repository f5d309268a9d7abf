//! What the measurements and the soak have in common: processes, a lean HTTP client, signed webhooks, a table.

pub mod bench;
pub mod deployment;
pub mod http;
pub mod process;
pub mod redis;
pub mod table;
pub mod variables;
pub mod webhooks;

use std::process::ExitCode;

use anyhow::Result;
use table::Table;

/// Prints the table that `work` fills, also when it comes to a bad end; true when all is as it should be.
pub fn tabled(work: impl AsyncFnOnce(&mut Table) -> Result<()>) -> Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut table = Table::default();
    let ended = runtime.block_on(work(&mut table));
    print!("{table}");
    ended.map(|()| table.all_held())
}

/// On what it was measured: numbers mean nothing without it.
pub fn conditions() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let (kernel, load) = (read("/proc/sys/kernel/osrelease"), read("/proc/loadavg"));
    let load = load.split(' ').next().unwrap_or_default();
    format!("{cores} cores shared with the load generator, Linux {}, load {load} before it began", kernel.trim())
}

/// What a run says to the shell: false and errors are failures.
pub fn exit_code(ended: Result<bool>) -> ExitCode {
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
