//! How often the log says the same: whoever sends a thousand forgeries a second does not fill it. The metrics count each one.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::SourceName;

/// The most lines about one source and one reason within [`EVERY`]: enough to see what is wrong.
const LINES: u32 = 10;

/// How long such lines are counted.
const EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What has been said lately. Its size is bounded: reasons are words of ours, and sources those that are or were configured.
#[derive(Debug, Default)]
pub(super) struct Quiet(Mutex<HashMap<(Option<SourceName>, &'static str), Said>>);

#[derive(Debug)]
struct Said {
    since: Timestamp,
    lines: u32,
    unsaid: u64,
}

impl Quiet {
    /// Whether a line about this may be written, and how many were not since the last one that was.
    pub(super) fn may_say(
        &self,
        source: Option<&SourceName>,
        reason: &'static str,
        now: Timestamp,
    ) -> Option<Option<NonZeroU64>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = Said { since: now, lines: 0, unsaid: 0 };
        let said = all.entry((source.cloned(), reason)).or_insert(fresh);
        // A clock that was set back begins anew as well.
        if now.duration_since(said.since).abs() >= EVERY {
            (said.since, said.lines) = (now, 0);
        }
        if said.lines == LINES {
            said.unsaid += 1;
            return None;
        }
        said.lines += 1;
        Some(NonZeroU64::new(std::mem::take(&mut said.unsaid)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_of_a_kind_are_ten_lines_a_minute_and_a_number() {
        let (quiet, now) = (Quiet::default(), Timestamp::UNIX_EPOCH);
        let form = SourceName::parse("form").unwrap();
        let said = (0..1000).filter(|_| quiet.may_say(Some(&form), "wrong_proof", now).is_some()).count();
        assert_eq!(said, 10);
        assert_eq!(quiet.may_say(Some(&form), "no_proof", now), Some(None), "another reason");
        assert_eq!(quiet.may_say(None, "wrong_proof", now), Some(None), "another source");
        assert_eq!(quiet.may_say(Some(&form), "wrong_proof", now + SignedDuration::from_secs(59)), None);
        assert_eq!(quiet.may_say(Some(&form), "wrong_proof", now + EVERY), Some(NonZeroU64::new(991)));
        assert_eq!(quiet.may_say(Some(&form), "wrong_proof", now + EVERY), Some(None));
        assert_eq!(quiet.may_say(Some(&form), "wrong_proof", now - EVERY), Some(None), "the clock was set back");
    }
}
