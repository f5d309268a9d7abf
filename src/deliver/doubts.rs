//! What one process remembers of leads that it is not sure of. Nothing in it has to be durable: forgetting it costs time.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::Intent;

/// Creates whose end is not known, and leads that Konektor has forbidden.
#[derive(Debug, Default)]
pub(super) struct Doubts {
    /// The fence of the intent, and since when this process knows of it: by its own clock, which nobody sets.
    open: BTreeMap<ExternalRef, (u64, Duration)>,
    /// Until when an update of a lead may still land whose end is not known, by the same clock: a newer one must not overtake
    /// it, whichever lane it is of.
    landing: BTreeMap<String, Duration>,
    /// How often in a row.
    forbidden: BTreeMap<ExternalRef, u32>,
}

impl Doubts {
    /// The intent under `fence` was written at `running`.
    pub(super) fn begun(&mut self, lead: &ExternalRef, fence: u64, running: Duration) {
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
    pub(super) fn forbidden(&self, lead: &ExternalRef) -> u32 {
        self.forbidden.get(lead).copied().unwrap_or_default()
    }

    /// Konektor has forbidden a call for the lead.
    pub(super) fn forbid(&mut self, lead: &ExternalRef) {
        *self.forbidden.entry(lead.clone()).or_default() += 1;
    }

    /// Konektor has let the lead be written.
    pub(super) fn allow(&mut self, lead: &ExternalRef) {
        self.forbidden.remove(lead);
    }
}
