//! What to do next for a lane: a pure function of what is known of it, what its events say, and the last answer.
//!
//! "Never POST twice blindly" is a property of this file: a lane with an open intent is only ever searched for, and the
//! intent is closed by finding the lead or by two clean searches after the quiet period (`queue.md` §2.6).

mod fields;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use self::fields::{patch, set_aside};
use super::identity::{Hit, recognise};
use super::retry::{self, Die};
use crate::domain::event::DeadReason;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::{Lead, LeadId};
use crate::konektor::wire::{LeadBody, LeadView};
use crate::konektor::{Answer, FieldError, Request, Verdict};
use crate::store::{Intent, Outcome, PauseReason, Seq, Undelivered};

/// What is known of the lane.
#[derive(Debug, Clone)]
pub(super) struct Lane {
    /// Which lead.
    pub(super) external_ref: ExternalRef,
    /// Konektor's id, once known.
    pub(super) lead_id: Option<LeadId>,
    /// An earlier POST whose end is not known.
    pub(super) intent: Option<Intent>,
    /// Clean searches since that found nothing.
    pub(super) negatives: u32,
    /// Definite failures in a row.
    pub(super) attempts: u32,
    /// When the first of them was.
    pub(super) failing_since: Option<Timestamp>,
    /// The last event in hand.
    pub(super) upto: Seq,
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
    /// Leads that carry the same reference beside the one adopted: somebody has to merge them.
    pub doubles: Vec<LeadId>,
}

impl From<Outcome> for End {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, pause: None, doubles: Vec::new() }
    }
}

/// An attempt in progress.
#[derive(Debug)]
pub(super) struct Plan {
    lane: Lane,
    lead: Lead,
    die: Die,
    asked: Timestamp,
    why_search: WhySearch,
    salvaged: bool,
}

/// What the search that is under way is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WhySearch {
    /// An earlier POST may have made the lead.
    OpenIntent,
    /// Konektor says that the reference exists.
    Conflict,
    /// The lead that we know is gone.
    Gone,
}

impl Plan {
    /// Begins an attempt for `lane`, whose events say `lead`.
    #[must_use]
    pub(super) fn start(lane: Lane, lead: Lead, die: Die, now: Timestamp) -> (Self, Step) {
        let mut plan = Self { lane, lead, die, asked: now, why_search: WhySearch::OpenIntent, salvaged: false };
        let step = plan.first();
        (plan, step)
    }

    fn first(&mut self) -> Step {
        match (&self.lane.intent, &self.lane.lead_id) {
            (Some(_), _) => self.search(WhySearch::OpenIntent),
            (None, None) => self.create(),
            (None, Some(id)) => Step::Call(Request::Get(id.clone())),
        }
    }

    /// Takes the answer to `request`, which was sent at `asked`.
    pub(super) fn answered(&mut self, request: &Request, answer: &Answer, asked: Timestamp, now: Timestamp) -> Step {
        self.asked = asked;
        if let Some(step) = self.not_for_this_lane(request, answer, now) {
            return step;
        }
        match request {
            Request::Create(_) => self.created(&answer.verdict, now),
            Request::Update(id, _) => self.updated(id, &answer.verdict, now),
            Request::Get(id) => self.got(id, &answer.verdict, now),
            Request::Search(_) => self.searched(&answer.verdict, now),
            Request::Probe | Request::Workspace => unasked(),
        }
    }

    /// Answers that say something of the workspace or the moment, and nothing of this lead.
    fn not_for_this_lane(&self, request: &Request, answer: &Answer, now: Timestamp) -> Option<Step> {
        let pause = match answer.verdict {
            Verdict::Unauthorized => Some(PauseReason::Unauthorized),
            // The third time in a row it is this lead: the workspace was probed between.
            Verdict::Forbidden if self.lane.attempts < 2 => Some(PauseReason::Forbidden),
            Verdict::Misconfigured => Some(PauseReason::Misconfigured),
            Verdict::Throttled | Verdict::Quota => None,
            _ => return None,
        };
        let at = match answer.verdict {
            Verdict::Throttled => now + answer.rate.retry_after.unwrap_or(Duration::from_secs(1)),
            Verdict::Quota => now + Duration::from_mins(15),
            _ => now,
        };
        let outcome = if matches!(request, Request::Search(_)) && self.lane.intent.is_some() {
            Outcome::Ambiguous { at }
        } else {
            Outcome::Retry { at, counted: answer.verdict == Verdict::Forbidden }
        };
        Some(Step::Finish(End { outcome, pause, doubles: Vec::new() }))
    }

    fn created(&mut self, verdict: &Verdict, now: Timestamp) -> Step {
        match verdict {
            Verdict::Lead(lead) => self.done(lead.id.clone()),
            Verdict::Invalid(errors) => self.salvage(errors).unwrap_or_else(|| self.rejected(errors)),
            Verdict::Conflict => self.search(WhySearch::Conflict),
            Verdict::Forbidden => self.dead(DeadReason::Forbidden, FORBIDDEN.to_owned()),
            Verdict::Unsent(_) => self.try_again(retry::CREATE_FOR, now),
            _ => Step::Finish(Outcome::Ambiguous { at: retry::next_search(self.asked, now, self.die) }.into()),
        }
    }

    fn updated(&mut self, id: &LeadId, verdict: &Verdict, now: Timestamp) -> Step {
        match verdict {
            Verdict::Lead(_) => self.done(id.clone()),
            Verdict::Invalid(errors) => self.salvage(errors).unwrap_or_else(|| self.rejected(errors)),
            Verdict::NotFound => self.search(WhySearch::Gone),
            Verdict::Forbidden => self.dead(DeadReason::Forbidden, FORBIDDEN.to_owned()),
            // It may still land, after a newer one, and put old values back: wait until it cannot.
            Verdict::Unclear(_) => self.try_again_at(retry::UPDATE_FOR, self.asked + retry::T_COMMIT, now),
            _ => self.try_again(retry::UPDATE_FOR, now),
        }
    }

    fn got(&mut self, id: &LeadId, verdict: &Verdict, now: Timestamp) -> Step {
        match verdict {
            Verdict::Lead(current) => match patch(&self.lead, current) {
                body if body.is_empty() => self.done(id.clone()),
                body => Step::Call(Request::Update(id.clone(), Box::new(body))),
            },
            Verdict::NotFound => self.search(WhySearch::Gone),
            Verdict::Forbidden => self.dead(DeadReason::Forbidden, FORBIDDEN.to_owned()),
            _ => self.try_again(retry::UPDATE_FOR, now),
        }
    }

    fn searched(&mut self, verdict: &Verdict, now: Timestamp) -> Step {
        let Verdict::Found { leads, complete } = verdict else { return self.search_failed(now) };
        let since = self.lane.intent.map(|intent| intent.at);
        let others: Vec<LeadView> = leads.iter().filter(|lead| Some(&lead.id) != self.gone_id()).cloned().collect();
        match recognise(&others, *complete, &self.lead, since) {
            Hit::Ours(ids) => self.adopt(ids),
            Hit::Nobody => self.nobody(now),
            Hit::Undecided => self.undecided(now),
        }
    }

    fn gone_id(&self) -> Option<&LeadId> {
        self.lane.lead_id.as_ref().filter(|_| self.why_search == WhySearch::Gone)
    }

    /// The lead is there. An open intent says which events were in it; otherwise all of them still have to be written.
    fn adopt(&self, mut ids: Vec<LeadId>) -> Step {
        let doubles = ids.split_off(1);
        let lead_id = ids.pop().expect("a hit has at least one lead");
        let upto = match (self.why_search, self.lane.intent) {
            (WhySearch::OpenIntent, Some(intent)) => intent.upto,
            _ => 0,
        };
        Step::Finish(End { outcome: Outcome::Done { lead_id, upto }, pause: None, doubles })
    }

    fn nobody(&self, now: Timestamp) -> Step {
        match (self.why_search, self.lane.intent) {
            (WhySearch::OpenIntent, Some(intent)) if self.asked < intent.at + retry::T_QUIET => {
                Step::Finish(Outcome::Ambiguous { at: retry::next_search(intent.at, now, self.die) }.into())
            }
            (WhySearch::OpenIntent, _) => {
                let settled = self.lane.negatives >= 1;
                let at = if settled { now } else { now + retry::BETWEEN_SEARCHES };
                Step::Finish(Outcome::Negative { at, settled }.into())
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

    fn undecided(&self, now: Timestamp) -> Step {
        let sent = self.lane.intent.map_or(self.asked, |intent| intent.at);
        if self.lane.intent.is_some() && self.asked < sent + retry::T_QUIET + retry::BETWEEN_SEARCHES {
            return Step::Finish(Outcome::Ambiguous { at: retry::next_search(sent, now, self.die) }.into());
        }
        self.dead(
            DeadReason::Unresolved,
            "leads were found under this reference, but none could be told to be this one; look for it in Konektor, \
             then discard this if it is there, or replay it if it is not"
                .into(),
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
            Some(intent) => {
                Step::Finish(Outcome::Ambiguous { at: retry::next_search(intent.at, now, self.die) }.into())
            }
            None => self.try_again(retry::UPDATE_FOR, now),
        }
    }

    fn search(&mut self, why: WhySearch) -> Step {
        self.why_search = why;
        Step::Call(Request::Search(self.lane.external_ref.as_str().to_owned()))
    }

    fn create(&self) -> Step {
        let fields = self.lead.for_create();
        let notes = Some(self.lead.notes.render()).filter(|notes| !notes.is_empty());
        let external_ref = Some(self.lane.external_ref.clone());
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
            Some(since) if now >= since + patience => self.dead(
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
        for error in errors {
            set_aside(&mut self.lead, &error.field)?;
        }
        Some(match &self.lane.lead_id {
            Some(id) => Step::Call(Request::Get(id.clone())),
            None => self.create(),
        })
    }
}

const FORBIDDEN: &str =
    "Konektor forbids this lead although it allows others; look at it in Konektor, then replay or discard";

/// A plan asks for leads only; if anything else is answered all the same, the lane simply goes back.
fn unasked() -> Step {
    Step::Finish(Outcome::Retry { at: Timestamp::UNIX_EPOCH, counted: false }.into())
}
