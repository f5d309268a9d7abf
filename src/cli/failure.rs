//! How a command ends, and what is said when it did not do what it was asked.

use std::io::{self, Write};
use std::process::ExitCode;

use super::output::{Tone, printable};
use crate::config::ConfigError;

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// It did what it was asked.
    Done,
    /// It did not.
    NotDone,
    /// Bad usage or bad configuration.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => Self::SUCCESS,
            Exit::NotDone => Self::FAILURE,
            // EX_USAGE of sysexits(3).
            Exit::Usage => Self::from(64),
        }
    }
}

/// What was asked cannot be meant, or contradicts the configuration. The sentence says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct BadUsage(pub(super) String);

/// Says `error` on standard error, and gives the exit code that goes with it.
pub(super) fn report(error: &anyhow::Error) -> Exit {
    if is_closed_pipe(error) {
        return Exit::Done;
    }
    let bad = Tone::Bad.style();
    let mut stderr = anstream::stderr();
    for line in format!("{error:#}").lines() {
        // There is no third place to complain at.
        let _written = writeln!(stderr, "{bad}error:{bad:#} {}", printable(line));
    }
    let usage = error.is::<BadUsage>() || error.is::<ConfigError>();
    if usage { Exit::Usage } else { Exit::NotDone }
}

/// `events list | head` has what it wants.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|e| e.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn bad_usage_is_told_from_what_did_not_work() {
        let usage: anyhow::Error = BadUsage("say which".into()).into();
        assert_eq!(report(&usage), Exit::Usage);
        assert_eq!(report(&anyhow::anyhow!("no bridge answers")), Exit::NotDone);
    }

    #[test]
    fn a_reader_that_has_enough_is_no_error() {
        let closed: anyhow::Result<()> = Err(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing");
        assert_eq!(report(&closed.unwrap_err()), Exit::Done);
    }
}
