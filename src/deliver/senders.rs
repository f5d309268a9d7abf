//! Whether a sender's own API may be asked. One that has refused everybody, or was asked too much, is asked by one lead at
//! a time until it answers; the others wait and do not ask.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::retry::Die;
use crate::domain::event::SourceName;
use crate::providers::{Provider, Source};

/// How long the one that tries is waited for before another one may: three questions of ten seconds each.
const TRYING: Duration = Duration::from_secs(40);
/// How long a lead waits before it looks again whether it may ask: as long as it has waited already, but at least …
const SOONEST: Duration = Duration::from_secs(30);
/// … and at most. Looking asks nobody, so that a mended access is noticed soon; a lead loses its worth in minutes.
const LATEST: Duration = Duration::from_mins(5);

/// How long a lead waits at least that finds too many others asking.
const TURN: Duration = Duration::from_secs(2);

/// The senders that must not be asked now. All durations but waits are since the process began.
#[derive(Debug, Default)]
pub(super) struct Senders(BTreeMap<SourceName, Shut>);

#[derive(Debug)]
struct Shut {
    /// Whose access it was. Other settings are another access, and may be asked at once.
    provider: Arc<dyn Provider>,
    until: Duration,
    why: String,
}

impl Senders {
    /// Whether `source` may be asked now; otherwise how long not, and why. Who may ask one that is shut is the one that
    /// tries: the others wait for what it finds.
    pub(super) fn ask(&mut self, source: &Source, now: Duration) -> Result<(), (Duration, String)> {
        let Some(shut) = self.0.get_mut(&source.name) else { return Ok(()) };
        if !is_same(&shut.provider, &source.provider) {
            self.0.remove(&source.name);
            return Ok(());
        }
        match shut.until.checked_sub(now).filter(|left| !left.is_zero()) {
            Some(left) => Err((left, shut.why.clone())),
            None => {
                shut.until = now + TRYING;
                Ok(())
            }
        }
    }

    /// Nobody asks `source` for so long; true when that is news.
    pub(super) fn shut(&mut self, source: &Source, wait: Duration, why: &str, now: Duration) -> bool {
        let shut = Shut { provider: Arc::clone(&source.provider), until: now + wait, why: why.to_owned() };
        let before = self.0.insert(source.name.clone(), shut);
        before.is_none_or(|before| before.why != why || !is_same(&before.provider, &source.provider))
    }

    /// `source` has answered; true when it was shut.
    pub(super) fn open(&mut self, source: &SourceName) -> bool {
        self.0.remove(source).is_some()
    }
}

fn is_same(one: &Arc<dyn Provider>, other: &Arc<dyn Provider>) -> bool {
    std::ptr::addr_eq(Arc::as_ptr(one), Arc::as_ptr(other))
}

/// How long a lead waits that has been there for `age` and may not ask for another `left`.
pub(super) fn look_again(left: Duration, age: Duration, die: Die) -> Duration {
    left.min(age.clamp(SOONEST, LATEST)) + die.share_of(SOONEST)
}

/// How long a lead waits that has been there for `age` and finds too many others asking: as long again, so that a thousand
/// of them leave time for those that have nothing to ask.
pub(super) fn turn_again(age: Duration, die: Die) -> Duration {
    age.clamp(TURN, LATEST) + die.share_of(TURN)
}
