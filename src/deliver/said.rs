//! Which failures of rules the log has said already: a rule fails for one lead of a form as it does for all of them. The metrics
//! and each lead's own log count every one.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::engine::Flaw;

/// How long the log is silent about a failure that it has told.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// The most that is remembered: ids of forms may come from strangers. Past it everything is told anew.
const MOST: usize = 1000;

/// What was told, and when.
#[derive(Debug, Default)]
pub(super) struct Said(Mutex<HashMap<Flaw, Timestamp>>);

impl Said {
    /// True when the log says this `now`: the first time for a form's rule and a reason, and then once a day.
    pub(super) fn is_new(&self, flaw: &Flaw, now: Timestamp) -> bool {
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // A clock that was set back begins anew as well.
        if told.get(flaw).is_some_and(|at| now.duration_since(*at).abs() < AGAIN_AFTER) {
            return false;
        }
        if told.len() >= MOST {
            told.clear();
        }
        told.insert(flaw.clone(), now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::SourceName;

    #[test]
    fn a_rule_that_fails_for_every_lead_of_a_form_is_told_once_a_day() {
        let (said, now) = (Said::default(), Timestamp::UNIX_EPOCH);
        let flaw = |form: &str, rule: &str| Flaw {
            source: SourceName::parse("form").unwrap(),
            form: Some(form.to_owned()),
            rule: rule.to_owned(),
            why: "`budget` is not there".to_owned(),
        };
        assert_eq!((0..100).filter(|_| said.is_new(&flaw("kontak", "status[0]"), now)).count(), 1);
        assert!(said.is_new(&flaw("kontak", "set.email"), now), "another rule");
        assert!(said.is_new(&flaw("pameran", "status[0]"), now), "another form");
        assert!(!said.is_new(&flaw("kontak", "status[0]"), now + SignedDuration::from_hours(23)));
        assert!(said.is_new(&flaw("kontak", "status[0]"), now + AGAIN_AFTER));
        for form in 0..3000 {
            said.is_new(&flaw(&form.to_string(), "status[0]"), now);
        }
        assert!(said.0.lock().unwrap().len() <= MOST);
    }
}
