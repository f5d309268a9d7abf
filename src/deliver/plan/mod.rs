//! What to do next for a lane: a pure function of what is known of it, what its events say, and the last answer.
//!
//! "Never POST twice blindly" is a property of this file: a lane with an open intent is only ever searched for, and the
//! intent is closed by finding the lead or by two clean searches after the quiet period (`queue.md` §2.6).

mod adopt;
mod fields;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use self::adopt::{Adopted, codes_of};
use self::fields::set_aside;
use super::identity::{Create, Hit, Sought, recognise};
use super::retry::{self, Die, Waits};
use crate::domain::event::DeadReason;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::{Fields, Lead, LeadId};
use crate::domain::notes::Section;
use crate::konektor::wire::{Cursor, LeadBody, LeadView};
use crate::konektor::{Answer, FieldError, Request, Verdict};
use crate::store::{Adopting, Claimed, Intent, Outcome, PauseReason, Seq, Standing, Undelivered};

/// Pages of a search that are read. A reference is found on the first; more of them is a search that finds too much.
const PAGES: usize = 5;
/// How often a lead is looked for of which Konektor says that it is there.
const CONFLICTS: u32 = 3;
/// How long a create waits before it is put off until tomorrow: the store hears of the limit meanwhile.
const SOON: Duration = Duration::from_secs(2);
/// How long a call waits that is refused for a limit which cannot be its own.
const LATER: Duration = Duration::from_mins(15);

/// What is known of the lane.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    /// Which lead.
    pub(super) external_ref: ExternalRef,
    /// Konektor's id, once known.
    pub(super) lead_id: Option<LeadId>,
    /// An earlier POST whose end is not known.
    pub(super) intent: Option<Intent>,
    /// The lead that was found by its code, and that an update may have made the lane's own.
    pub(super) adopting: Option<Adopting>,
    /// The lead may be there although nothing here says so.
    pub(super) search_first: bool,
    /// Since when the store may have forgotten leads and their events.
    pub(super) lost: Option<Timestamp>,
    /// The day's leads are nearly used up.
    pub(super) day_nearly_over: bool,
    /// Clean searches since that found nothing.
    pub(super) negatives: u32,
    /// Definite failures in a row.
    pub(super) attempts: u32,
    /// When the first of them was.
    pub(super) failing_since: Option<Timestamp>,
    /// When the first of its events came in.
    pub(super) since: Timestamp,
    /// Where Konektor said by itself that the lead stands.
    pub(super) standing: Option<Standing>,
    /// The last event in hand.
    pub(super) upto: Seq,
    /// How often in a row Konektor has forbidden this lead.
    pub(super) forbidden: u32,
    /// Until when nothing that a search does not find is proved, by this process's own clock; never sooner than by that of
    /// the intent. A wall clock may have been set forward meanwhile, or be another machine's.
    pub(super) doubted_until: Timestamp,
}

impl Lane {
    /// The lane that was claimed.
    pub(super) fn of(claimed: &Claimed) -> Self {
        Self {
            external_ref: claimed.lease.external_ref.clone(),
            lead_id: claimed.lead_id.clone(),
            intent: claimed.intent,
            adopting: claimed.adopting.clone(),
            search_first: claimed.search_first,
            lost: claimed.lost,
            day_nearly_over: claimed.day_nearly_over,
            negatives: claimed.negatives,
            attempts: claimed.attempts,
            failing_since: claimed.failing_since,
            since: claimed.events.iter().map(|event| event.received).min().unwrap_or_default(),
            standing: claimed.standing,
            upto: claimed.upto(),
            forbidden: 0,
            doubted_until: Timestamp::MIN,
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Make this call, then come back with the answer. A create needs a durable intent first.
    Call(Request),
    /// The attempt is over.
    Finish(End),
}

/// The end of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// Where the lane goes.
    pub outcome: Outcome,
    /// Calls to this workspace must stop.
    pub pause: Option<PauseReason>,
    /// Konektor takes no more leads today.
    pub full: bool,
    /// Leads that carry the same reference beside the one adopted: somebody has to merge them.
    pub doubles: Vec<LeadId>,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, pause: None, full: false, doubles: Vec::new() }
    }
}

/// An attempt in progress.
#[derive(Debug)]
pub(super) struct Plan {
    lane: Lane,
    lead: Lead,
    /// What each event says for itself.
    each: Vec<Fields>,
    /// Codes that they name and that are to be searched for.
    codes: VecDeque<String>,
    /// What each event says, where it is only to be found out whether the lead is there.
    people: Vec<Lead>,
    /// All events in hand say who it is.
    all_known: bool,
    waits: Waits,
    die: Die,
    asked: Timestamp,
    search: Search,
    salvaged: bool,
    /// Konektor does not let a last name be taken away.
    last_name_stays: bool,
    /// Konektor's own lead that carries a code that the person named.
    adopted: Option<Adopted>,
}

/// The search that is under way.
#[derive(Debug)]
struct Search {
    why: WhySearch,
    found: Vec<LeadView>,
    pages: usize,
    /// Leads on these pages.
    read: u64,
}

/// What the search that is under way is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhySearch {
    /// An earlier POST may have made the lead.
    OpenIntent,
    /// The lead may have been made and forgotten, or the operator wants to be sure.
    BeforeCreate,
    /// The person named the code of a lead that Konektor made.
    Code,
    /// Konektor says that the reference exists.
    Conflict,
    /// The lead that we know is gone.
    Gone,
}

impl Plan {
    /// Begins an attempt for `lane`, whose events say `lead`; and `each` of them says that for itself.
    #[must_use]
    pub(super) fn start(
        lane: Lane,
        (lead, each): (Lead, Vec<Fields>),
        waits: Waits,
        die: Die,
        now: Timestamp,
    ) -> (Self, Step) {
        let search = Search { why: WhySearch::OpenIntent, found: Vec::new(), pages: 0, read: 0 };
        let mut plan = Self {
            lane,
            lead,
            codes: codes_of(&each),
            each,
            people: Vec::new(),
            all_known: true,
            waits,
            die,
            asked: now,
            search,
            salvaged: false,
            last_name_stays: false,
            adopted: None,
        };
        let step = plan.first();
        (plan, step)
    }

    /// The lead that has to be known as perhaps the lane's own before its next call is made; `None`: there is none.
    #[must_use]
    pub(super) const fn adopting(&self) -> Option<&Adopting> {
        self.lane.adopting.as_ref()
    }

    /// Begins an attempt to find out whether an earlier POST of `lane` has made its lead. It carried some of the events in
    /// hand, of which each says who `people` are, or not `all` of them do: any of them may be what Konektor shows. Nothing is written
    /// meanwhile.
    #[must_use]
    pub(super) fn in_doubt(
        lane: Lane,
        (people, all): (Vec<Lead>, bool),
        waits: Waits,
        die: Die,
        now: Timestamp,
    ) -> (Self, Step) {
        let nobody = Lead::of(lane.external_ref.clone(), Fields::default(), Fields::default());
        let (plan, step) = Self::start(lane, (nobody, Vec::new()), waits, die, now);
        (Self { people, all_known: all, ..plan }, step)
    }

    fn first(&mut self) -> Step {
        match (&self.lane.intent, &self.lane.lead_id, &self.lane.adopting) {
            (Some(_), _, _) => self.search(WhySearch::OpenIntent),
            (None, Some(id), _) => Step::Call(Request::Get(id.clone())),
            (None, None, Some(adopting)) => self.adopt_again(adopting.lead_id.clone()),
            (None, None, None) => self.anew(),
        }
    }

    /// Takes the answer to `request`, which was sent at `asked`.
    pub(super) fn answered(&mut self, request: &Request, answer: &Answer, asked: Timestamp, now: Timestamp) -> Step {
        // What is found over several pages is as old as the first of them.
        if !matches!(request, Request::Search { cursor: Some(_), .. }) {
            self.asked = asked;
        }
        if let Some(step) = self.not_for_this_lane(request, answer, now) {
            return step;
        }
        match request {
            Request::Create(_) => self.created(&answer.verdict, now),
            Request::Update(id, _) => self.updated(id, &answer.verdict, now),
            Request::Get(id) => self.got(id, &answer.verdict, now),
            Request::Search { .. } => self.searched(&answer.verdict, now),
            Request::Probe | Request::ProbeWrite | Request::Workspace => unasked(),
        }
    }

    /// Answers that say something of the workspace or the moment, and nothing of this lead.
    fn not_for_this_lane(&self, request: &Request, answer: &Answer, now: Timestamp) -> Option<Step> {
        let full = matches!(request, Request::Create(_)) && self.speaks_of_the_day(&answer.verdict);
        let pause = match answer.verdict {
            _ if full => None,
            Verdict::Unauthorized => Some(PauseReason::Unauthorized),
            // The third time in a row it is this lead: the workspace was probed between.
            Verdict::Forbidden if self.lane.forbidden < 2 => Some(PauseReason::Forbidden),
            Verdict::Misconfigured => Some(PauseReason::Misconfigured),
            Verdict::Throttled | Verdict::Quota => None,
            _ => return None,
        };
        let at = match answer.verdict {
            _ if full => now + SOON,
            Verdict::Throttled => now + answer.rate.retry_after.unwrap_or(Duration::from_secs(1)),
            Verdict::Quota => now + LATER,
            _ => now,
        };
        let outcome = if matches!(request, Request::Search { .. }) && self.lane.intent.is_some() {
            Outcome::Ambiguous { at }
        } else {
            Outcome::Retry { at, counted: answer.verdict == Verdict::Forbidden && !full }
        };
        Some(Step::Finish(End { pause, full, ..outcome.into() }))
    }

    /// Whether a refused create says that the day's leads are used up: in words, or by giving no reason when they nearly
    /// are. What happens at the limit is not documented.
    fn speaks_of_the_day(&self, verdict: &Verdict) -> bool {
        match verdict {
            Verdict::Quota => true,
            Verdict::Forbidden => self.lane.day_nearly_over,
            Verdict::Invalid(errors) => errors.is_empty() && self.lane.day_nearly_over,
            _ => false,
        }
    }

    fn created(&mut self, verdict: &Verdict, now: Timestamp) -> Step {
        match verdict {
            Verdict::Lead(lead) => self.done(lead.id.clone()),
            Verdict::Invalid(errors) => self.salvage(errors).unwrap_or_else(|| self.rejected(errors)),
            Verdict::Conflict => self.search(WhySearch::Conflict),
            Verdict::Forbidden => self.dead(DeadReason::Forbidden, FORBIDDEN.to_owned()),
            Verdict::Unsent(_) => self.try_again(retry::CREATE_FOR, now),
            _ => self.look_again(self.asked, now),
        }
    }

    fn updated(&mut self, id: &LeadId, verdict: &Verdict, now: Timestamp) -> Step {
        match verdict {
            Verdict::Lead(_) => self.done(id.clone()),
            Verdict::Invalid(errors) => self.salvage(errors).unwrap_or_else(|| self.rejected(errors)),
            Verdict::NotFound => self.gone(),
            Verdict::Forbidden => self.dead(DeadReason::Forbidden, FORBIDDEN.to_owned()),
            // It may still land, after a newer one, and put old values back: wait until it cannot.
            Verdict::Unclear(_) => self.try_again_at(retry::UPDATE_FOR, self.asked + self.waits.landing(), now),
            _ => self.try_again(retry::UPDATE_FOR, now),
        }
    }

    fn got(&mut self, id: &LeadId, verdict: &Verdict, now: Timestamp) -> Step {
        match verdict {
            Verdict::Lead(current) if self.is_another_persons(current) => self.not_ours(),
            Verdict::Lead(current) => match self.changes(current) {
                body if body.is_empty() => self.done(id.clone()),
                body => self.update(id.clone(), current, body),
            },
            Verdict::NotFound => self.gone(),
            Verdict::Forbidden => self.dead(DeadReason::Forbidden, FORBIDDEN.to_owned()),
            _ => self.try_again(retry::UPDATE_FOR, now),
        }
    }

    fn searched(&mut self, verdict: &Verdict, now: Timestamp) -> Step {
        let Verdict::Found { leads, total, next } = verdict else { return self.search_failed(now) };
        self.search.pages += 1;
        self.search.read += leads.len() as u64;
        let gone = self.gone_id().cloned();
        for lead in leads.iter().filter(|lead| Some(&lead.id) != gone.as_ref()) {
            // A lead that came in between two pages moves the others on by one.
            if self.search.found.iter().all(|found| found.id != lead.id) {
                self.search.found.push(lead.clone());
            }
        }
        // Their number says it best; whether the last page names a next one is not documented.
        let complete = leads.is_empty() || total.map_or(next.is_none(), |total| total <= self.search.read);
        match next {
            Some(cursor) if !complete && self.search.pages < PAGES => self.ask(Some(cursor.clone())),
            Some(_) | None => self.judged(complete, now),
        }
    }

    fn judged(&mut self, complete: bool, now: Timestamp) -> Step {
        if let (WhySearch::Code, Some(code)) = (self.search.why, self.codes.front().cloned()) {
            return self.judged_by_code(&code, complete, now);
        }
        match recognise(&self.search.found, complete, self.sought()) {
            Hit::Ours(ids) => self.adopt(ids),
            Hit::Nobody => self.nobody(now),
            Hit::Undecided(ids) => self.undecided(&candidates(&ids), now),
            Hit::TooMany => self.undecided(TOO_MANY, now),
        }
    }

    /// What Konektor may show of the lead: what one of the events in hand says, if a POST of theirs has made it.
    fn sought(&self) -> Sought<'_> {
        let said = if self.people.is_empty() { std::slice::from_ref(&self.lead) } else { &self.people };
        let create = match self.lane.intent {
            Some(intent) if !intent.is_suspected() && self.all_known => Create::Sent(intent.at),
            Some(intent) => Create::Forgotten(self.lane.lost.unwrap_or(intent.at)),
            None if self.search.why == WhySearch::BeforeCreate => {
                self.lane.lost.map_or(Create::Unknown, Create::Forgotten)
            }
            None => Create::Unknown,
        };
        Sought { said, create }
    }

    fn gone_id(&self) -> Option<&LeadId> {
        self.lane.lead_id.as_ref().filter(|_| self.search.why == WhySearch::Gone)
    }

    /// The lead is there. An open intent says which events were in it; otherwise all of them still have to be written.
    fn adopt(&self, mut ids: Vec<LeadId>) -> Step {
        let doubles = ids.split_off(1);
        let lead_id = ids.pop().expect("a hit has at least one lead");
        let upto = match (self.search.why, self.lane.intent) {
            (WhySearch::OpenIntent, Some(intent)) => intent.upto,
            _ => Intent::NOTHING,
        };
        Step::Finish(End { doubles, ..Outcome::Done { lead_id, upto }.into() })
    }

    fn nobody(&mut self, now: Timestamp) -> Step {
        match (self.search.why, self.lane.intent) {
            (WhySearch::OpenIntent, Some(intent)) if self.asked < intent.at + self.waits.quiet() => {
                self.look_again(intent.at, now)
            }
            (WhySearch::OpenIntent, _) if self.asked < self.lane.doubted_until => {
                Step::Finish(Outcome::Ambiguous { at: self.lane.doubted_until }.into())
            }
            (WhySearch::OpenIntent, _) => {
                let settled = self.lane.negatives >= 1;
                let at = if settled { now } else { now + retry::BETWEEN_SEARCHES };
                Step::Finish(Outcome::Negative { at, settled }.into())
            }
            (WhySearch::BeforeCreate, _) => self.look_for_code(),
            (WhySearch::Code, _) => self.create(),
            // It may have been made this moment, and not be found yet.
            (WhySearch::Conflict, _) if self.lane.attempts < CONFLICTS => {
                Step::Finish(Outcome::Retry { at: now + self.waits.search, counted: true }.into())
            }
            (WhySearch::Conflict, _) => self.dead(
                DeadReason::Rejected,
                "Konektor says that this reference exists, but no lead is found under it; look for a deleted lead"
                    .into(),
            ),
            (WhySearch::Gone, _) => self.dead(
                DeadReason::LeadGone,
                "the lead was deleted in Konektor; restore it there and replay, or discard this".into(),
            ),
        }
    }

    /// Some may be this lead and nothing tells. What is not yet shown of them may be, a little later.
    fn undecided(&self, what: &str, now: Timestamp) -> Step {
        if let Some(intent) = self.lane.intent
            && self.asked < intent.at + self.waits.quiet() + retry::BETWEEN_SEARCHES
        {
            return self.look_again(intent.at, now);
        }
        if self.search.why == WhySearch::Conflict && self.lane.attempts < CONFLICTS {
            return Step::Finish(Outcome::Retry { at: now + self.waits.search, counted: true }.into());
        }
        self.dead(
            DeadReason::Unresolved,
            format!(
                "whether Konektor has this lead cannot be decided: {what}; look for it there: discard this if it is \
                 there, otherwise enter it there by hand and discard this"
            ),
        )
    }

    fn search_failed(&self, now: Timestamp) -> Step {
        match self.lane.intent {
            Some(intent) if now >= intent.at + retry::UNRESOLVED_FOR => self.dead(
                DeadReason::Unresolved,
                "whether an earlier create went through could not be found out for a day; replay this once Konektor's \
                 search answers: it is searched for before anything is created"
                    .into(),
            ),
            Some(intent) => self.look_again(intent.at, now),
            None if matches!(self.search.why, WhySearch::BeforeCreate | WhySearch::Code) => {
                self.try_again(retry::CREATE_FOR, now)
            }
            None => self.try_again(retry::UPDATE_FOR, now),
        }
    }

    /// Searches again for what may have been sent at `sent`.
    fn look_again(&self, sent: Timestamp, now: Timestamp) -> Step {
        Step::Finish(Outcome::Ambiguous { at: retry::next_search(sent, self.waits, now, self.die) }.into())
    }

    fn search(&mut self, why: WhySearch) -> Step {
        self.search = Search { why, found: Vec::new(), pages: 0, read: 0 };
        self.ask(None)
    }

    fn ask(&self, cursor: Option<Cursor>) -> Step {
        let code = self.codes.front().filter(|_| self.search.why == WhySearch::Code);
        let text = code.map_or(self.lane.external_ref.as_str(), String::as_str).to_owned();
        Step::Call(Request::Search { text, cursor })
    }

    fn create(&self) -> Step {
        let mut fields = self.lead.for_create();
        let mut notes = self.lead.notes.clone();
        // Konektor does not know it, or it is another lead's: two leads with one code are told from each other by nobody.
        if let Some(code) = fields.unique_code.take() {
            notes.add(Section::Answers, "uniqueCode", &code);
        }
        let notes = Some(notes.render()).filter(|notes| !notes.is_empty());
        let external_ref = Some(self.lane.external_ref.to_string());
        Step::Call(Request::Create(Box::new(LeadBody { notes, external_ref, ..LeadBody::of(fields) })))
    }

    fn done(&self, lead_id: LeadId) -> Step {
        Step::Finish(Outcome::Done { lead_id, upto: self.lane.upto }.into())
    }

    fn try_again(&self, patience: Duration, now: Timestamp) -> Step {
        self.try_again_at(patience, now + retry::backoff(self.lane.attempts, self.die), now)
    }

    fn try_again_at(&self, patience: Duration, at: Timestamp, now: Timestamp) -> Step {
        match self.lane.failing_since {
            // A clock that was set forward by days tells nothing by itself.
            Some(since) if now >= since + patience && self.lane.attempts >= retry::TRIES => self.dead(
                DeadReason::Exhausted,
                format!(
                    "Konektor did not take it for {} hours; replay it when Konektor works again",
                    patience.as_secs() / 3600
                ),
            ),
            _ => Step::Finish(Outcome::Retry { at, counted: true }.into()),
        }
    }

    fn dead(&self, reason: DeadReason, detail: String) -> Step {
        Step::Finish(Outcome::Dead { why: Undelivered { reason, detail }, upto: self.lane.upto }.into())
    }

    fn rejected(&self, errors: &[FieldError]) -> Step {
        let named: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let detail = match named.as_slice() {
            [] => "Konektor refused the lead without naming a field".to_owned(),
            named => format!("Konektor refused these fields: {}", named.join("; ")),
        };
        self.dead(DeadReason::Rejected, format!("{detail}; correct the source's rules, then replay"))
    }

    /// Once per attempt: moves the optional fields that were refused into the notes, and tries again without them.
    fn salvage(&mut self, errors: &[FieldError]) -> Option<Step> {
        if self.salvaged || errors.is_empty() {
            return None;
        }
        self.salvaged = true;
        let updates = self.lane.lead_id.is_some() || self.adopted.is_some();
        for error in errors {
            match &mut self.adopted {
                Some(adopted) if error.field == "externalRef" => adopted.gets_reference = false,
                Some(_) | None if set_aside(&mut self.lead, &error.field).is_some() => {}
                // Nothing was said of it: what is refused is to take it away.
                Some(_) | None if error.field == "lastName" && updates => self.last_name_stays = true,
                Some(_) | None => return None,
            }
        }
        Some(match self.lane.lead_id.as_ref().or(self.adopted.as_ref().map(|adopted| &adopted.id)) {
            Some(id) => Step::Call(Request::Get(id.clone())),
            None => self.create(),
        })
    }
}

/// Which leads could be it, by Konektor's ids: nothing personal.
fn candidates(ids: &[LeadId]) -> String {
    let named: Vec<_> = ids.iter().take(3).map(ToString::to_string).collect();
    let more = if ids.len() > 3 { " and others" } else { "" };
    format!(
        "{}{more} are found under this reference, and what they show does not tell whether one of them is this lead",
        named.join(", ")
    )
}

const TOO_MANY: &str = "more leads are found under this reference than can be read";
const FORBIDDEN: &str =
    "Konektor forbids this lead although it allows others; look at it in Konektor, then replay or discard";

/// A plan asks for leads only; if anything else is answered all the same, the lane simply goes back.
fn unasked() -> Step {
    Step::Finish(Outcome::Retry { at: Timestamp::UNIX_EPOCH, counted: false }.into())
}
