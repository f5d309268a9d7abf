//! What happened to the store since it was last open: whether it may have forgotten something.
//!
//! A process that dies takes nothing with it: what SQLite has committed is in the operating system's hands, and a sender
//! or a POST waits for the disk besides. But power fails, disks lie, and people put backups back. Two things tell: which
//! run of the machine it was, in the store; and which run of the store, in the store and in a file beside it.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// The file beside the store.
pub(super) const MARK: &str = "store.run";
/// Names this run of the machine (Linux).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// What the store says of the last times it was open; written when it is opened and closed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Runs {
    /// It was closed.
    pub(super) stopped: bool,
    /// The run of the machine.
    boot: Option<String>,
    /// The last run; `None` in a store of a version that did not count them.
    run: Option<String>,
    /// The one before.
    before: Option<String>,
}

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    run: String,
    stopped: bool,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// Nothing that could have taken something away.
    Whole,
    /// The machine stopped under it.
    PowerLoss,
    /// It is not what it last was.
    Restored,
}

impl Runs {
    /// Judges what the store says (`None`: it was just made) by the mark in `dir` and by this run of the machine.
    pub(super) fn judge(before: Option<&Self>, dir: &Path, boot: Option<&str>) -> Past {
        judge(before, read(dir).as_ref(), boot)
    }

    /// What a version that did not count runs says.
    pub(super) fn uncounted(stopped: bool) -> Self {
        Self { stopped, ..Self::default() }
    }

    /// The next run.
    pub(super) fn next(before: Option<&Self>, boot: Option<String>) -> Self {
        let before = before.and_then(|before| before.run.clone());
        let run = uuid::Uuid::new_v4().simple().to_string();
        Self { stopped: false, boot, run: Some(run), before }
    }

    /// Writes the mark. To be done after the store has it: a mark that is behind is known as such.
    pub(super) fn mark(&self, dir: &Path) -> io::Result<()> {
        let Some(run) = &self.run else { return Ok(()) };
        let mark = Mark { run: run.clone(), stopped: self.stopped };
        let new = dir.join("store.run.new");
        let mut file = super::private_file(&new)?;
        file.set_len(0)?;
        file.write_all(super::values::json(&mark).as_bytes())?;
        file.sync_all()?;
        std::fs::rename(new, dir.join(MARK))
    }
}

/// What names this run of the machine; `None` where the system does not tell.
pub(super) fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string(BOOT_ID).ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

fn read(dir: &Path) -> Option<Mark> {
    serde_json::from_slice(&std::fs::read(dir.join(MARK)).ok()?).ok()
}

fn judge(store: Option<&Runs>, mark: Option<&Mark>, boot: Option<&str>) -> Past {
    let Some(store) = store else {
        // Where a store was, there is an empty one now.
        return if mark.is_some() { Past::Restored } else { Past::Whole };
    };
    let same_machine = boot.is_some() && store.boot.as_deref() == boot;
    let whole = if store.stopped || same_machine { Past::Whole } else { Past::PowerLoss };
    match (store.run.as_ref(), mark) {
        (None, _) => whole,
        (Some(_), None) => Past::Restored,
        (Some(run), Some(mark)) if *run == mark.run => {
            if mark.stopped && !store.stopped {
                Past::Restored
            } else {
                whole
            }
        }
        // It died after it had written the one and before the other.
        (Some(_), Some(mark)) if store.before.as_ref() == Some(&mark.run) => whole,
        (Some(_), Some(_)) => Past::Restored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(run: &str, stopped: bool) -> Runs {
        Runs { stopped, boot: Some("boot 1".into()), run: Some(run.into()), before: Some("r0".into()) }
    }

    fn mark(run: &str, stopped: bool) -> Mark {
        Mark { run: run.into(), stopped }
    }

    fn after(store: &Runs, mark: Option<Mark>, boot: Option<&str>) -> Past {
        judge(Some(store), mark.as_ref(), boot)
    }

    #[test]
    fn a_process_that_dies_takes_nothing_with_it() {
        assert_eq!(after(&runs("r1", false), Some(mark("r1", false)), Some("boot 1")), Past::Whole);
        assert_eq!(
            after(&runs("r1", false), Some(mark("r0", true)), Some("boot 1")),
            Past::Whole,
            "just after its start"
        );
    }

    #[test]
    fn a_machine_that_stops_under_it_may_and_one_that_does_not_tell_counts_as_that() {
        for boot in [Some("boot 2"), None] {
            assert_eq!(after(&runs("r1", false), Some(mark("r1", false)), boot), Past::PowerLoss);
            assert_eq!(after(&runs("r1", true), Some(mark("r1", true)), boot), Past::Whole, "it was closed before");
            assert_eq!(
                after(&runs("r1", true), Some(mark("r1", false)), boot),
                Past::Whole,
                "the mark did not make it"
            );
        }
    }

    #[test]
    fn a_backup_is_known_by_the_mark_beside_it() {
        for (store, beside) in [
            (runs("r1", true), Some(mark("r2", true))),
            (runs("r1", false), Some(mark("r1", true))),
            (runs("r1", true), None),
        ] {
            assert_eq!(after(&store, beside, Some("boot 1")), Past::Restored, "{store:?}");
        }
    }

    #[test]
    fn a_new_store_is_whole_unless_there_was_one_before() {
        assert_eq!(judge(None, None, Some("boot 1")), Past::Whole);
        assert_eq!(judge(None, Some(&mark("r1", true)), Some("boot 1")), Past::Restored);
    }

    #[test]
    fn a_store_of_an_older_version_has_no_runs_and_is_believed_if_it_was_closed() {
        let older = Runs::uncounted;
        assert_eq!(after(&older(true), None, Some("boot 1")), Past::Whole);
        assert_eq!(after(&older(false), None, Some("boot 1")), Past::PowerLoss);
    }

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let first = Runs::next(None, Some("boot 1".into()));
        first.mark(dir.path()).unwrap();
        assert_eq!(Runs::judge(Some(&first), dir.path(), Some("boot 1")), Past::Whole);
        let second = Runs::next(Some(&first), None);
        assert_eq!((second.before.as_ref(), second.run == first.run), (first.run.as_ref(), false));
        assert_eq!(Runs::judge(Some(&second), dir.path(), Some("boot 2")), Past::PowerLoss);
    }
}
