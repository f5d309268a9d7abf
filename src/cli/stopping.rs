//! Waiting for the end: Ctrl-C, or SIGTERM from whatever runs us.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// Returns when this process is asked to stop.
pub(super) async fn asked_to_stop() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
