//! Whether a sender's own API may be asked. One that has refused everybody, or was asked too much, is asked by one lead at
//! a time until it answers; the others wait and do not ask. Where it refuses one account only (a [`Lookup::scope`]), the leads
//! of the others go on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::retry::Die;
use crate::domain::event::SourceName;
use crate::providers::{Lookup, Provider, Source};

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
pub(super) struct Senders(BTreeMap<Gate, Shut>);

/// A source's access as a whole, or to one scope.
type Gate = (SourceName, Option<String>);

#[derive(Debug)]
struct Shut {
    /// Whose access it was. Other settings are another access, and may be asked at once.
    provider: Arc<dyn Provider>,
    until: Duration,
    why: String,
}

impl Senders {
    /// Whether `source` may be asked this now; otherwise how long not, and why. Who may ask one that is shut is the one that
    /// tries: the others wait for what it finds.
    pub(super) fn ask(&mut self, source: &Source, asked: &Lookup, now: Duration) -> Result<(), (Duration, String)> {
        self.0.retain(|(name, _), shut| *name != source.name || is_same(&shut.provider, &source.provider));
        let gates = gates(&source.name, asked);
        let shut = gates.iter().filter_map(|gate| self.0.get(gate)).max_by_key(|shut| shut.until);
        if let Some(shut) = shut.filter(|shut| shut.until > now) {
            return Err((shut.until.saturating_sub(now), shut.why.clone()));
        }
        for gate in &gates {
            if let Some(shut) = self.0.get_mut(gate) {
                shut.until = now + TRYING;
            }
        }
        Ok(())
    }

    /// Nobody asks `source` about `scope` for so long, about anything where there is none; true when that is news.
    pub(super) fn shut(
        &mut self,
        source: &Source,
        scope: Option<&str>,
        wait: Duration,
        why: &str,
        now: Duration,
    ) -> bool {
        if scope.is_some() {
            // It has refused this one, and so does answer.
            self.0.remove(&(source.name.clone(), None));
        }
        let shut = Shut { provider: Arc::clone(&source.provider), until: now + wait, why: why.to_owned() };
        let before = self.0.insert((source.name.clone(), scope.map(str::to_owned)), shut);
        before.is_none_or(|before| before.why != why || !is_same(&before.provider, &source.provider))
    }

    /// `source` has answered this, but is nearly asked too much; the scope, when that was shut.
    pub(super) fn open_scope(&mut self, source: &SourceName, asked: &Lookup) -> Option<String> {
        let scope = asked.scope.clone()?;
        self.0.remove(&(source.clone(), Some(scope.clone()))).map(|_| scope)
    }

    /// `source` has answered this; what of it was shut: its access as a whole, or a scope.
    pub(super) fn open(&mut self, source: &SourceName, asked: &Lookup) -> Vec<Option<String>> {
        let mut shut = gates(source, asked);
        shut.retain(|gate| self.0.remove(gate).is_some());
        shut.into_iter().map(|(_, scope)| scope).collect()
    }
}

/// What has to be open for a question.
fn gates(source: &SourceName, asked: &Lookup) -> Vec<Gate> {
    let scope = asked.scope.clone().map(Some);
    std::iter::once(None).chain(scope).map(|scope| (source.clone(), scope)).collect()
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
