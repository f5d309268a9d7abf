//! What one process remembers of leads that it is not sure of. Nothing in it has to be durable: forgetting it costs time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::Intent;

/// How long something is remembered of a lead of which nothing more is heard: its lane was settled by another process, or
/// given up. By then every doubt is over, and what Konektor forbade a day ago is not in a row with what it forbids now.
const REMEMBERED: Duration = Duration::from_hours(24);

/// Creates whose end is not known, and leads that Konektor has forbidden.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// The fence of the intent, and since when this process knows of it: by its own clock, which nobody sets.
    open: BTreeMap<ExternalRef, (u64, Duration)>,
    /// Until when an update of a lead may still land whose end is not known, by the same clock: a newer one must not overtake
    /// it, whichever lane it is of.
    landing: BTreeMap<String, Duration>,
    /// How often in a row, and when last, by the same clock.
    forbidden: BTreeMap<ExternalRef, (u32, Duration)>,
}

impl Doubts {
    /// The intent under `fence` was written at `running`.
    pub(super) fn begun(&mut self, lead: &ExternalRef, fence: u64, running: Duration) {
        self.open.retain(|_, (_, since)| running < *since + REMEMBERED);
        self.open.insert(lead.clone(), (fence, running));
    }

    /// Since when this process knows of `intent`; since now, if it is new.
    pub(super) fn since(&mut self, lead: &ExternalRef, intent: Intent, now: Duration) -> Duration {
        match self.open.get(lead) {
            Some((fence, since)) if *fence == intent.fence => *since,
            Some(_) | None => {
                self.begun(lead, intent.fence, now);
                now
            }
        }
    }

    /// There is no doubt about it any more.
    pub(super) fn over(&mut self, lead: &ExternalRef) {
        self.open.remove(lead);
    }

    /// An update of the lead may land until then.
    pub(super) fn may_land(&mut self, lead: &LeadId, until: Duration) {
        self.landing.insert(lead.0.clone(), until);
    }

    /// How much longer one may, if any may.
    pub(super) fn lands_within(&mut self, lead: &LeadId, now: Duration) -> Option<Duration> {
        self.landing.retain(|_, until| now < *until);
        self.landing.get(&lead.0).map(|until| *until - now)
    }

    /// How often in a row Konektor has forbidden the lead.
    pub(super) fn forbidden(&mut self, lead: &ExternalRef, now: Duration) -> u32 {
        self.forbidden.retain(|_, (_, last)| now < *last + REMEMBERED);
        self.forbidden.get(lead).map_or(0, |(times, _)| *times)
    }

    /// Konektor has forbidden a call for the lead.
    pub(super) fn forbid(&mut self, lead: &ExternalRef, now: Duration) {
        let times = self.forbidden(lead, now);
        self.forbidden.insert(lead.clone(), (times + 1, now));
    }

    /// Konektor has let the lead be written.
    pub(super) fn allow(&mut self, lead: &ExternalRef) {
        self.forbidden.remove(lead);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Duration = Duration::from_hours(12);
    const NEXT_NOON: Duration = Duration::from_hours(36);

    fn lead(name: &str) -> ExternalRef {
        ExternalRef::new("test:", name)
    }

    #[test]
    fn what_konektor_forbade_a_day_ago_is_forgotten() {
        let mut doubts = Doubts::default();
        doubts.forbid(&lead("1"), NOON);
        doubts.forbid(&lead("1"), NEXT_NOON - Duration::from_secs(1));
        assert_eq!(doubts.forbidden(&lead("1"), NEXT_NOON), 2, "in a row");
        doubts.forbid(&lead("2"), NOON + REMEMBERED + REMEMBERED);
        assert_eq!(doubts.forbidden.len(), 1);
        doubts.allow(&lead("2"));
        assert_eq!(doubts.forbidden(&lead("2"), NEXT_NOON), 0);
    }

    #[test]
    fn an_intent_of_which_nothing_is_heard_for_a_day_is_forgotten() {
        let mut doubts = Doubts::default();
        let intent = |fence| Intent { fence, at: jiff::Timestamp::UNIX_EPOCH, upto: 1 };
        doubts.begun(&lead("1"), 7, NOON);
        assert_eq!(doubts.since(&lead("1"), intent(7), NEXT_NOON), NOON, "as long as nothing else is begun");
        assert_eq!(doubts.since(&lead("1"), intent(8), NEXT_NOON), NEXT_NOON, "another one");
        doubts.begun(&lead("2"), 1, NEXT_NOON + REMEMBERED);
        assert_eq!(doubts.open.keys().collect::<Vec<_>>(), [&lead("2")]);
    }
}
