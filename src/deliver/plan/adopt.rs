//! A lead that Konektor made by itself, and whose code the person named: it is written into, and no other is created.
//!
//! Konektor's rotator makes a lead `Visitor [CODE]` of everybody who clicks, with the clicks' identifiers that its API takes
//! from nobody else, and writes the code into the message that the person sends.

use jiff::Timestamp;

use super::super::identity::{Coded, by_code};
use super::fields::patch;
use super::{Plan, Step, WhySearch};
use crate::domain::event::DeadReason;
use crate::domain::lead::{Fields, Lead, LeadId};
use crate::domain::name::is_stand_in;
use crate::konektor::Request;
use crate::konektor::wire::{Change, LeadBody, LeadView};
use crate::store::Outcome;

/// A lead that is written into although we did not make it.
#[derive(Debug)]
pub(super) struct Adopted {
    /// Konektor's id of it.
    pub(super) id: LeadId,
    /// Whether our reference may be written into it.
    pub(super) gets_reference: bool,
}

impl Plan {
    /// The code that the person named.
    pub(super) fn code(&self) -> Option<&String> {
        let Lead { stated, guessed, .. } = &self.lead;
        stated.unique_code.as_ref().or(guessed.unique_code.as_ref())
    }

    /// Looks for the lead whose code the person named, and creates one where none was named.
    pub(super) fn look_for_code(&mut self) -> Step {
        if self.code().is_some() { self.search(WhySearch::Code) } else { self.create() }
    }

    /// What the search for `code` found, of which `complete` says whether it is all.
    pub(super) fn judged_by_code(&mut self, code: &str, complete: bool, now: Timestamp) -> Step {
        match by_code(&self.search.found, code, &self.lead) {
            Coded::One(id) if complete => {
                self.adopted = Some(Adopted { id: id.clone(), gets_reference: true });
                Step::Call(Request::Get(id))
            }
            Coded::Several(ids) => self.dead(DeadReason::CodeNotUnique, several(&ids)),
            Coded::One(_) | Coded::Nobody | Coded::SomebodyElse if !complete => {
                self.dead(DeadReason::CodeNotUnique, TOO_MANY.to_owned())
            }
            // The code is another person's, who passed the message on.
            Coded::SomebodyElse => self.create(),
            Coded::One(_) | Coded::Nobody => self.nobody_by_code(now),
        }
    }

    /// The click was moments ago: Konektor may not show its lead yet.
    fn nobody_by_code(&self, now: Timestamp) -> Step {
        let shown = self.lane.since + self.waits.search;
        if self.asked < shown {
            return Step::Finish(Outcome::Retry { at: shown.max(now), counted: false }.into());
        }
        self.create()
    }

    /// The lead is not there any more. One that was only adopted was not made for this one: this one is made now.
    pub(super) fn gone(&mut self) -> Step {
        if self.adopted.take().is_some() { self.create() } else { self.search(WhySearch::Gone) }
    }

    /// What an update has to change. A lead that Konektor made is not ours to correct: what it lacks is filled in.
    pub(super) fn changes(&self, current: &LeadView) -> LeadBody {
        let body = self.wished(current);
        let last_name = body.last_name.clone().filter(|name| !self.last_name_stays || *name != Change::Cleared);
        LeadBody { last_name, ..body }
    }

    fn wished(&self, current: &LeadView) -> LeadBody {
        let Some(adopted) = &self.adopted else { return patch(&self.lead, current, self.lane.standing) };
        let Lead { external_ref, notes, unpriced, .. } = self.lead.clone();
        let said = Fields { status: None, ..self.lead.for_create() };
        let forwards = Fields { status: self.lead.stated.status, ..Fields::default() };
        let lead = Lead { notes, unpriced, ..Lead::of(external_ref.clone(), forwards, said) };
        let is_free = current.external_ref.is_none() && current.first_name.as_deref().is_none_or(is_stand_in);
        let is_free = is_free && adopted.gets_reference;
        // Our reference, where it can be told that no other is there: one that is shown, or a name, is somebody's.
        LeadBody {
            external_ref: is_free.then(|| external_ref.to_string()),
            ..patch(&lead, current, self.lane.standing)
        }
    }
}

/// Which leads carry the code, by Konektor's ids: nothing personal.
fn several(ids: &[LeadId]) -> String {
    let named: Vec<_> = ids.iter().take(5).map(ToString::to_string).collect();
    format!(
        "{} leads in Konektor carry the code that this one names: {}; merge them there, or correct the code of one, then \
         replay this",
        ids.len(),
        named.join(", ")
    )
}

const TOO_MANY: &str = "more leads are found under the code that this one names than can be read; make the source's \
                        `unique_code` rule more exact, then replay this";
