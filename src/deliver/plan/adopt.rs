//! A lead that Konektor made by itself, and whose code the person named: it is written into, and no other is created.
//!
//! Konektor's rotator makes a lead `Visitor [CODE]` of everybody who clicks, with the clicks' identifiers that its API takes
//! from nobody else, and writes the code into the message that the person sends.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::super::fold::{fields_of, named_in};
use super::super::identity::{Coded, Namer, by_code, is_address, is_somebody_else, same_number};
use super::fields::patch;
use super::{Lane, Plan, Step, WhySearch};
use crate::domain::event::DeadReason;
use crate::domain::lead::{Field, Fields, Lead, LeadId};
use crate::domain::name::is_stand_in;
use crate::konektor::Request;
use crate::konektor::wire::{Change, LeadBody, LeadView, Money, Word};
use crate::store::{Adopting, Named, Outcome};

/// A lead that is written into although we did not make it.
#[derive(Debug)]
pub(super) struct Adopted {
    /// Konektor's id of it.
    pub(super) id: LeadId,
    /// Whether our reference may be written into it.
    pub(super) gets_reference: bool,
    /// How it came to be known.
    by: By,
}

/// How the lead that is adopted came to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    /// It was found just now by the first of the codes that are still to be searched for.
    Code,
    /// An update of it was sent before that got no answer.
    Update,
}

/// Codes that are searched for, at most: each is a call, and nobody clicks on so many ads before writing.
const CODES: usize = 3;

/// The codes that events name of which `each` says that, in the order in which they were said: what is delivered one by one
/// comes to the first of them.
pub(super) fn codes_of(each: &[Fields]) -> VecDeque<String> {
    let mut codes: VecDeque<String> = VecDeque::new();
    for code in each.iter().filter_map(|fields| fields.unique_code.as_ref()) {
        if codes.len() < CODES && !codes.iter().any(|known| known.eq_ignore_ascii_case(code)) {
            codes.push_back(code.clone());
        }
    }
    codes
}

impl Plan {
    /// Goes on with the lead that an update of before may have made the lane's own, whatever codes its events name by now.
    pub(super) fn adopt_again(&mut self, id: LeadId) -> Step {
        self.adopted = Some(Adopted { id: id.clone(), gets_reference: true, by: By::Update });
        Step::Call(Request::Get(id))
    }

    /// Nothing of Konektor's is known to be the lane's.
    pub(super) fn anew(&mut self) -> Step {
        if self.lane.search_first { self.search(WhySearch::BeforeCreate) } else { self.look_for_code() }
    }

    /// Looks for the lead whose code the person named, and creates one where none is left to be looked for.
    pub(super) fn look_for_code(&mut self) -> Step {
        if self.codes.is_empty() { self.create() } else { self.search(WhySearch::Code) }
    }

    /// That code is not the person's.
    fn next_code(&mut self) -> Step {
        self.codes.pop_front();
        self.look_for_code()
    }

    /// Whether the lead that is adopted is another person's: somebody was written into it since.
    pub(super) fn is_another_persons(&self, current: &LeadView) -> bool {
        self.adopted.is_some() && is_somebody_else(current, self.namer())
    }

    fn namer(&self) -> Namer<'_> {
        let Lane { external_ref, adopting, .. } = &self.lane;
        Namer { external_ref, each: &self.each, adopting: adopting.as_ref() }
    }

    /// What the search for `code` found, of which `complete` says whether it is all.
    pub(super) fn judged_by_code(&mut self, code: &str, complete: bool, now: Timestamp) -> Step {
        match by_code(&self.search.found, code, self.namer()) {
            Coded::One(id) if complete => {
                self.adopted = Some(Adopted { id: id.clone(), gets_reference: true, by: By::Code });
                Step::Call(Request::Get(id))
            }
            Coded::Several(ids) => self.dead(DeadReason::CodeNotUnique, several(&ids)),
            Coded::One(_) | Coded::Nobody | Coded::SomebodyElse if !complete => {
                self.dead(DeadReason::CodeNotUnique, TOO_MANY.to_owned())
            }
            // The code is another person's, who passed the message on.
            Coded::SomebodyElse => self.next_code(),
            Coded::One(_) | Coded::Nobody => self.nobody_by_code(now),
        }
    }

    /// The click was moments ago: Konektor may not show its lead yet.
    fn nobody_by_code(&mut self, now: Timestamp) -> Step {
        let shown = self.lane.since + self.waits.search;
        if self.asked < shown {
            return Step::Finish(Outcome::Retry { at: shown.max(now), counted: false }.into());
        }
        self.next_code()
    }

    /// The lead that was adopted is another person's.
    pub(super) fn not_ours(&mut self) -> Step {
        self.lane.adopting = None;
        match self.adopted.take().map(|adopted| adopted.by) {
            Some(By::Code) => self.next_code(),
            Some(By::Update) | None => self.anew(),
        }
    }

    /// The lead is not there any more. One that was only adopted was not made for this one: this one is made now.
    pub(super) fn gone(&mut self) -> Step {
        self.lane.adopting = None;
        match self.adopted.take().map(|adopted| adopted.by) {
            Some(By::Code) => self.create(),
            Some(By::Update) => self.anew(),
            None => self.search(WhySearch::Gone),
        }
    }

    /// Writes `body` into the lead `id`, which was read as `current`. One that is only adopted is to be known as perhaps the
    /// lane's own before that is sent.
    pub(super) fn update(&mut self, id: LeadId, current: &LeadView, body: LeadBody) -> Step {
        if self.adopted.is_some() {
            let LeadView { first_name, phone, email, .. } = current.clone();
            let (shown, sent) = (Named { first_name, phone, email }, named_in(&body));
            self.lane.adopting = Some(Adopting { lead_id: id.clone(), shown, sent });
        }
        Step::Call(Request::Update(id, Box::new(body)))
    }

    /// What an update has to change. A lead that Konektor made is not ours to correct: what it lacks is filled in, and what an
    /// update of ours may have written, of which nothing was heard, is brought up to date.
    pub(super) fn changes(&self, current: &LeadView) -> LeadBody {
        let body = self.wished(current);
        let last_name = body.last_name.clone().filter(|name| !self.last_name_stays || *name != Change::Cleared);
        LeadBody { last_name, ..body }
    }

    fn wished(&self, current: &LeadView) -> LeadBody {
        let Some(adopted) = &self.adopted else { return patch(&self.lead, current, self.lane.standing) };
        let Lead { external_ref, stated, notes, unpriced, .. } = self.lead.clone();
        let said = Fields { status: None, ..self.lead.for_create() };
        let sent = self.lane.adopting.iter().map(|adopting| fields_of(&adopting.sent));
        let may_be_ours: Vec<_> = self.each.iter().cloned().chain(sent).collect();
        let was_written = |field| may_be_ours.iter().any(|said| is_shown(field, said, current));
        let ours = stated.only(|field| was_written(field) && !is_shown(field, &stated, current));
        let stated = Fields { status: stated.status, ..ours };
        let lead = Lead { notes, unpriced, ..Lead::of(external_ref.clone(), stated, said) };
        let is_free = current.external_ref.is_none() && current.first_name.as_deref().is_none_or(is_stand_in);
        let is_free = is_free && adopted.gets_reference;
        // Our reference, where it can be told that no other is there: one that is shown, or a name, is somebody's.
        LeadBody {
            external_ref: is_free.then(|| external_ref.to_string()),
            ..patch(&lead, current, self.lane.standing)
        }
    }
}

/// Whether `current` shows of `field` what `said` says of it. Codes are no field of ours, a status (and what is paid, by which
/// it is `won`) goes forwards only, and our part of the notes is known by its marks.
fn is_shown(field: Field, said: &Fields, current: &LeadView) -> bool {
    fn word<T: Copy + PartialEq>(said: Option<T>, shown: Option<&Word<T>>) -> bool {
        said.is_some_and(|said| shown == Some(&Word::Known(said)))
    }
    fn text(said: &Option<String>, shown: &Option<String>, same: fn(&str, &str) -> bool) -> bool {
        said.as_ref().zip(shown.as_ref()).is_some_and(|(said, shown)| same(said, shown))
    }
    fn amount(said: Option<f64>, shown: Option<&Money>) -> bool {
        said.is_some() && said == shown.map(Money::to_f64)
    }
    match field {
        Field::Name => {
            said.first_name.is_some() && said.first_name == current.first_name && said.last_name == current.last_name
        }
        Field::Phone => text(&said.phone, &current.phone, same_number),
        Field::Email => text(&said.email, &current.email, is_address),
        Field::Priority => word(said.priority, current.priority.as_ref()),
        Field::Source => word(said.source, current.source.as_ref()),
        Field::AdPlatform => word(said.ad_platform, current.ad_platform.as_ref()),
        Field::AssignedTo => text(&said.assigned_to, &current.assigned_to, |said, shown| said == shown),
        Field::EstimatedValue => amount(said.estimated_value, current.estimated_value.as_ref()),
        Field::ActualValue => amount(said.actual_value, current.actual_value.as_ref()),
        Field::Status | Field::UniqueCode | Field::Notes | Field::Payment => false,
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
