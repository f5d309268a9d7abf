//! What the net must catch: guards taken away, one at a time, between an engine and its store.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use konektor_bridge::deliver::Waits;
use konektor_bridge::deliver::engine::{Ask, Told};
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::konektor::wire::LeadView;
use konektor_bridge::konektor::{Request, Verdict};
use konektor_bridge::store::{Claim, Fenced, Words};

use super::konektor::{L_SEARCH, T_COMMIT};
use super::visitors::each_visitor;

/// Which guard is taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// None.
    No,
    /// A stale fence changes nothing.
    Fence,
    /// A POST leaves after its intent is written.
    Intent,
    /// A search that finds nothing proves nothing for a while.
    Quiet,
    /// A store that has lost something knows it.
    Doubt,
    /// An update is made from what the lead is at that moment.
    Read,
    /// One person by two names is one lead.
    Aliases,
    /// What a person has released is not withheld again.
    Released,
    /// A person stops all calls.
    Stopped,
    /// A lead that was forgotten is known to have been there.
    Trace,
    /// What is put back is older than what its lead has been told since.
    Replayed,
    /// Whom a create has named is known, whatever the rules make of its events by now.
    Named,
    /// Which visitor's lead may have become a person's by an update without an answer.
    Adopting,
    /// Answers show the codes of visitors …
    Codes,
    /// … and their numbers.
    Numbers,
}

/// Stands between the engines and the store.
#[derive(Debug)]
pub(super) struct Sabotage {
    takes: Guard,
    fences: BTreeMap<ExternalRef, u64>,
    /// Leads as an engine saw them last.
    views: BTreeMap<String, LeadView>,
    /// Leads whose dead letters were put back.
    replayed: BTreeSet<ExternalRef>,
}

impl Sabotage {
    pub(super) const fn of(takes: Guard) -> Self {
        Self { takes, fences: BTreeMap::new(), views: BTreeMap::new(), replayed: BTreeSet::new() }
    }

    /// Whether the store notices what it loses.
    pub(super) fn notices_losses(&self) -> bool {
        self.takes != Guard::Doubt
    }

    /// Dead letters of these leads are put back.
    pub(super) fn puts_back(&mut self, leads: impl IntoIterator<Item = ExternalRef>) {
        self.replayed.extend(leads);
    }

    /// Whether a POST leaves under an intent; without it, what comes of that is to be seen.
    pub(super) fn writes_intents(&self) -> bool {
        self.takes != Guard::Intent
    }

    /// Whether it is known which lead a lane adopts; without that, what comes of it is to be seen.
    pub(super) fn remembers_adopted(&self) -> bool {
        self.takes != Guard::Adopting
    }

    /// What the store is asked instead, or what is said in its place.
    #[expect(clippy::result_large_err, reason = "what is told instead is told at once, and not passed on")]
    pub(super) fn before(&self, ask: Ask) -> Result<Ask, Told> {
        match self.takes {
            Guard::Fence => Ok(self.without_fence(ask)),
            Guard::Intent if matches!(ask, Ask::Begin(..)) => Err(Told::Fenced(Fenced::Done)),
            Guard::Named => Ok(match ask {
                Ask::Begin(lease, upto, telling) => Ask::Begin(lease, upto, telling.words.into()),
                ask => ask,
            }),
            Guard::Adopting => Ok(match ask {
                Ask::Permit(lease, _) => Ask::Permit(lease, None),
                ask => ask,
            }),
            Guard::Aliases => Ok(without_aliases(ask)),
            Guard::No
            | Guard::Intent
            | Guard::Quiet
            | Guard::Doubt
            | Guard::Read
            | Guard::Released
            | Guard::Stopped
            | Guard::Trace
            | Guard::Replayed
            | Guard::Codes
            | Guard::Numbers => Ok(ask),
        }
    }

    /// A settlement whose fence is always the last one.
    fn without_fence(&self, mut ask: Ask) -> Ask {
        if let Ask::Settle(lease, _) = &mut ask {
            lease.fence = self.fences.get(&lease.external_ref).copied().unwrap_or(lease.fence);
        }
        ask
    }

    /// What the engines wait for.
    pub(super) fn waits(&self) -> Waits {
        if self.takes == Guard::Quiet {
            Waits { commit: Duration::ZERO, search: Duration::ZERO }
        } else {
            Waits { commit: T_COMMIT, search: L_SEARCH }
        }
    }

    /// What an engine hears instead of this answer: without a fresh read, what it has heard of the lead before.
    pub(super) fn heard(&mut self, request: &Request, verdict: Verdict) -> Verdict {
        let verdict = self.without(verdict);
        let Verdict::Lead(view) = verdict else { return verdict };
        if self.takes != Guard::Read {
            return Verdict::Lead(view);
        }
        let known = self.views.get(&view.id.0).filter(|_| matches!(request, Request::Get(_))).cloned();
        let shown = known.unwrap_or(*view);
        self.views.insert(shown.id.0.clone(), shown.clone());
        Verdict::Lead(Box::new(shown))
    }

    /// Of visitors, what is not taken away.
    fn without(&self, mut verdict: Verdict) -> Verdict {
        match self.takes {
            Guard::Codes => each_visitor(&mut verdict, |view| view.unique_code = None),
            Guard::Numbers => each_visitor(&mut verdict, |view| view.phone = None),
            Guard::No
            | Guard::Fence
            | Guard::Intent
            | Guard::Quiet
            | Guard::Doubt
            | Guard::Read
            | Guard::Aliases
            | Guard::Released
            | Guard::Stopped
            | Guard::Trace
            | Guard::Replayed
            | Guard::Named
            | Guard::Adopting => {}
        }
        verdict
    }

    /// Whether a person can stop calls.
    pub(super) fn can_be_stopped(&self) -> bool {
        self.takes != Guard::Stopped
    }

    /// Sees what an engine is told, and what it is told instead.
    pub(super) fn saw(&mut self, mut told: Told) -> Told {
        if let Told::Claim(Claim::Lane(claimed)) = &mut told {
            if self.takes == Guard::Released {
                claimed.events.iter_mut().for_each(|event| event.released = false);
            }
            if self.takes == Guard::Trace {
                (claimed.search_first, claimed.lost) = (false, None);
            }
            if self.takes == Guard::Replayed && self.replayed.contains(&claimed.lease.external_ref) {
                claimed.told = Words::default();
            }
            self.fences.insert(claimed.lease.external_ref.clone(), claimed.lease.fence);
        }
        told
    }
}

/// Items that know their person by one name only.
fn without_aliases(mut ask: Ask) -> Ask {
    if let Ask::Sort(sorted) = &mut ask {
        sorted.iter_mut().flat_map(|record| &mut record.split).flatten().for_each(|item| item.aliases.clear());
    }
    ask
}
