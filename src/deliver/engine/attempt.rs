//! One attempt: a claimed lane is read, folded, planned and called for, and settled.
//!
//! ```text
//!  begin ▸ read ⇄ look up      release, when there is no time left, no permit while stopping, or the store fails
//!            ▼                    ▲
//!          follow ▸ permit ▸ intent (before a POST) ▸ call
//!            ▲  │                                      │
//!            │  ▼                                      ▼
//!            │ settle                             plan.answered
//!            └─────────────────────────────────────────┘
//! ```
//!
//! An update that had to wait for its permit reads the lead again ([`super::permits`]).

use std::time::Duration;

use jiff::Timestamp;

use super::super::fold::{Flaw, Folded, fold, gone, people, person};
use super::super::plan::{self, End, Plan, Step};
use super::super::{LEASE_MARGIN, retry};
use super::permits::Reads;
use super::{AFTER_ERROR, Ask, Change, Deed, Desk, Moment, Report, Said, Setup, Told, mismatch};
use crate::domain::event::DeadReason;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::konektor::{Answer, CALL_TIMEOUT, Request, Verdict};
use crate::providers::Absent;
use crate::store::{
    self, Claimed, Fenced, Learned, Lease, Named, Outcome, PermitId, Seq, Settlement, StoreError, Telling, Undelivered,
    Words,
};

/// A claimed lane being worked on.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) claimed: Claimed,
    /// How long the lease lasts from when it was asked for.
    length: Duration,
    /// When it ends at the earliest, as [`Moment::running`]: a wall clock that jumps must not make it look longer.
    ends: Duration,
    /// The lead that it reads and writes, from when it has begun to.
    pub(super) lead: Option<LeadId>,
    /// The lane of the same person that it followed, and that has no lead.
    pub(super) twin: Option<ExternalRef>,
    /// The right to the next call, and since when it is held.
    pub(super) permit: Option<(PermitId, Duration)>,
    /// What it has read of the lead.
    pub(super) reads: Reads,
    called: bool,
    /// Until when an update may land that it has sent, and that got no answer.
    lands: Option<Timestamp>,
    /// On which fields the events in hand have their say.
    pub(super) words: Vec<(Seq, Words)>,
    log: Vec<store::Attempt>,
    /// Rules that nothing came of when the events were last read.
    flaws: Vec<Flaw>,
    pub(super) stage: Stage,
}

/// What it waits for.
#[derive(Debug, Default)]
pub(super) enum Stage {
    /// Nothing: it is being stepped, or over.
    #[default]
    Taken,
    /// What becomes of another lane of the same person.
    Following,
    /// A sender's answer.
    LookingUp(Box<super::look_up::Question>),
    /// That the sender's answer is kept.
    Keeping,
    /// A permit, asked for then.
    Permitting(Box<Planned>, Duration),
    /// The time at which a permit may be had.
    Parked(Box<Planned>),
    /// That the intent is durable, asked for then.
    Beginning(Box<Planned>, Duration),
    /// Konektor's answer.
    Calling(Box<Planned>, PermitId, Moment),
    /// That it is settled.
    Settling(Box<End>),
    /// To settle again.
    Unsettled(Box<End>),
}

/// A plan, and the call that it wants next.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) request: Request,
}

impl Attempt {
    /// An attempt on what was `asked` for then, under a lease that lasts `longest`.
    pub(super) fn new(claimed: Claimed, asked: Moment, longest: Duration) -> Self {
        // The store's clock may be ahead of ours, so its end alone is not to be believed.
        let told: Duration = claimed.lease.until.duration_since(asked.now).try_into().unwrap_or_default();
        let length = told.min(longest);
        Self {
            permit: Some((claimed.permit, asked.running)),
            length,
            ends: asked.running + length,
            claimed,
            lead: None,
            twin: None,
            reads: Reads::default(),
            called: false,
            lands: None,
            words: Vec::new(),
            log: Vec::new(),
            flaws: Vec::new(),
            stage: Stage::Taken,
        }
    }

    /// Its lease.
    pub(super) const fn lease(&self) -> &Lease {
        &self.claimed.lease
    }

    /// The lease was extended from `asked` on.
    pub(super) fn renew(&mut self, asked: Duration) {
        self.ends = asked + self.length;
    }

    /// The lease is lost.
    pub(super) fn lose(&mut self) {
        self.ends = Duration::ZERO;
    }

    /// True while it waits for a permit.
    pub(super) fn is_parked(&self) -> bool {
        matches!(self.stage, Stage::Parked(_))
    }

    /// True while a sender's API is asked.
    pub(super) fn looks_up(&self) -> bool {
        matches!(self.stage, Stage::LookingUp(_))
    }

    /// True while a POST is out.
    pub(super) fn in_doubt(&self) -> bool {
        matches!(&self.stage, Stage::Calling(planned, ..) if matches!(planned.request, Request::Create(_)))
    }

    /// Begins.
    pub(super) fn begin(&mut self, desk: &mut Desk<'_>) -> Option<Deed> {
        Some(self.ask_other().unwrap_or_else(|| self.read(desk)))
    }

    /// Takes in what came of the last deed, and gives the next one; `None` when the attempt is over.
    pub(super) fn heard(&mut self, said: Said, desk: &mut Desk<'_>) -> Option<Deed> {
        match (std::mem::take(&mut self.stage), said) {
            (Stage::LookingUp(question), Said::LookedUp(reply)) => Some(self.looked_up(*question, reply, desk)),
            (Stage::Following, Said::Told(Ok(Told::Lane(other)))) => {
                Some(self.followed(other.map(|other| *other), desk))
            }
            (Stage::Keeping, Said::Told(Ok(Told::Fenced(fenced)))) => Some(match fenced {
                Fenced::Done | Fenced::AlreadyDone => self.read(desk),
                Fenced::Stale => self.release(desk),
            }),
            (Stage::Permitting(planned, asked), Said::Told(Ok(Told::Permit(grant)))) => {
                self.permitted(planned, asked, grant, desk)
            }
            (Stage::Parked(planned), Said::Woken) => Some(self.unpark(planned, desk)),
            (Stage::Beginning(planned, asked), Said::Told(Ok(Told::Fenced(fenced)))) => {
                self.begun(planned, asked, fenced, desk)
            }
            (Stage::Calling(planned, permit, asked), Said::Answered(answer)) => {
                Some(self.answered(*planned, permit, asked, &answer, desk))
            }
            (Stage::Settling(end), Said::Told(Ok(Told::Fenced(fenced)))) => {
                self.settled(end, fenced, desk);
                None
            }
            (Stage::Settling(end), Said::Told(Err(error))) => self.not_settled(end, error, desk),
            (Stage::Unsettled(end), Said::Woken) => Some(self.put_settlement(end)),
            (
                Stage::Following | Stage::Keeping | Stage::Permitting(..) | Stage::Beginning(..),
                Said::Told(Err(error)),
            ) => {
                desk.reports.push(Report::StoreFailed("attempt", error));
                // Whatever was done of it: nothing has been sent.
                Some(self.settle(Outcome::Release { at: desk.moment.now + AFTER_ERROR }.into(), desk))
            }
            (_, said) => {
                mismatch(&said);
                None
            }
        }
    }

    /// Gives the lane back as it was: nothing has been executed.
    pub(super) fn release(&mut self, desk: &mut Desk<'_>) -> Deed {
        self.settle(Outcome::Release { at: desk.moment.now }.into(), desk)
    }

    /// Ends the attempt after the code stopped in the middle of it; a POST may have been out.
    pub(super) fn bury(&mut self, in_doubt: bool, desk: &mut Desk<'_>) -> Deed {
        let outcome = if in_doubt {
            Outcome::Ambiguous { at: desk.moment.now }
        } else {
            let detail = "its provider stopped in the middle; this is a bug, please report it".to_owned();
            Outcome::Dead { why: Undelivered { reason: DeadReason::Unreadable, detail }, upto: self.claimed.upto() }
        };
        self.settle(outcome.into(), desk)
    }

    /// Sees to what is left when it is over.
    pub(super) fn leave(&mut self, desk: &mut Desk<'_>) {
        self.return_permit(desk);
        if !self.called {
            desk.breaker.unused();
        }
    }

    /// Folds the events, as far as they say what the lead is. While it is not known whether the lead is there, that comes
    /// first, whatever would become of the events.
    pub(super) fn read(&mut self, desk: &mut Desk<'_>) -> Deed {
        if self.claimed.intent.is_some() {
            return self.find_out(desk);
        }
        let external_ref = &self.claimed.lease.external_ref;
        let Setup { sources, region, waits, .. } = desk.setup;
        self.flaws.clear();
        let (events, told, flaws) = (&self.claimed.events, &self.claimed.told, &mut self.flaws);
        match fold(external_ref, events, told, *region, |name| sources(name), flaws) {
            Folded::Lead { lead, words, each } => {
                self.words = words;
                let forbidden = desk.doubts.forbidden(external_ref, desk.moment.running);
                let lane = plan::Lane { forbidden, ..plan::Lane::of(&self.claimed) };
                let (plan, step) = Plan::start(lane, (*lead, each), *waits, desk.moment.die, desk.moment.now);
                self.follow(plan, step, desk)
            }
            Folded::Ask(seq, lookup) => self.look_up(seq, *lookup, desk),
            Folded::Gone(seq, absent) => self.without_source(seq, &absent, desk),
            Folded::Withhold(holds) => self.settle(Outcome::Withheld(holds).into(), desk),
            Folded::Unreadable(seq, why) => self.give_up(seq, why, desk),
        }
    }

    /// Nobody can read the event `seq` now. Where its source only lacks something it waits, at the head of the lane.
    fn without_source(&mut self, seq: Seq, absent: &Absent, desk: &mut Desk<'_>) -> Deed {
        let event = self.claimed.events.iter().find(|event| event.seq == seq);
        let is_first = self.claimed.events.first().is_some_and(|first| first.seq == seq);
        match absent {
            Absent::Wanting(_) if is_first => {
                self.settle(Outcome::Release { at: desk.moment.now + retry::SOURCE_AGAIN }.into(), desk)
            }
            Absent::Wanting(_) | Absent::Off(_) | Absent::Gone => {
                let source = &event.expect("the fold names an event it was given").source;
                let why = gone(source, absent);
                self.give_up(seq, why, desk)
            }
        }
    }

    /// Nothing can come of the event `seq`. Those before it are delivered first: they are no part of its trouble.
    pub(super) fn give_up(&mut self, seq: Seq, why: Undelivered, desk: &mut Desk<'_>) -> Deed {
        let before = self.claimed.events.iter().take_while(|event| event.seq < seq).count();
        if before > 0 {
            self.claimed.events.truncate(before);
            return self.read(desk);
        }
        self.settle(Outcome::Dead { why, upto: seq }.into(), desk)
    }

    /// Whether an earlier create has made the lead. Where it is known whom that named, what the events say by now does not
    /// matter.
    fn find_out(&mut self, desk: &mut Desk<'_>) -> Deed {
        let Setup { sources, region, waits, .. } = desk.setup;
        let (external_ref, intent) = (&self.claimed.lease.external_ref, self.claimed.intent.expect("there is one"));
        let (people, all) = match &self.claimed.named {
            Some(named) => (vec![person(external_ref, named)], true),
            None => people(external_ref, &self.claimed.events, *region, |name| sources(name)),
        };
        let Moment { now, running, die } = desk.moment;
        let quiet = desk.doubts.since(external_ref, intent, running) + waits.quiet();
        let doubted_until = now + quiet.saturating_sub(running);
        let lane = plan::Lane { doubted_until, ..plan::Lane::of(&self.claimed) };
        let (plan, step) = Plan::in_doubt(lane, (people, all), *waits, die, now);
        self.follow(plan, step, desk)
    }

    fn follow(&mut self, plan: Plan, step: Step, desk: &mut Desk<'_>) -> Deed {
        match step {
            Step::Finish(end) => self.settle(end, desk),
            Step::Call(request) => match self.come_to(&request, desk) {
                Some(span) => self.settle(Outcome::Retry { at: desk.moment.now + span, counted: false }.into(), desk),
                None => self.prepare(Box::new(Planned { plan, request }), desk),
            },
        }
    }

    pub(super) fn write_intent(&mut self, planned: Box<Planned>, named: Named, desk: &mut Desk<'_>) -> Deed {
        self.stage = Stage::Beginning(planned, desk.moment.running);
        let upto = self.claimed.upto();
        let telling = Telling { words: self.words_up_to(upto), named };
        Deed::Ask(Ask::Begin(self.lease().clone(), upto, telling))
    }

    fn begun(&mut self, planned: Box<Planned>, asked: Duration, fenced: Fenced, desk: &mut Desk<'_>) -> Option<Deed> {
        let permit = match (fenced, self.permit) {
            (Fenced::Done | Fenced::AlreadyDone, Some((permit, _))) => permit,
            (Fenced::Done | Fenced::AlreadyDone, None) => return Some(self.prepare(planned, desk)),
            // Where it is only that the store has heard which lead it is, the lane comes to that at once.
            (Fenced::Stale, _) => return Some(self.release(desk)),
        };
        desk.doubts.begun(&self.claimed.lease.external_ref, self.claimed.lease.fence, asked);
        // Writing it may have taken long: others count the quiet period from the intent, and the lease runs out.
        if desk.moment.running > asked + retry::SENT_WITHIN {
            return Some(self.prepare(planned, desk));
        }
        Some(if self.has_time(desk.moment) { self.call(planned, permit, desk) } else { self.release(desk) })
    }

    pub(super) fn call(&mut self, planned: Box<Planned>, permit: PermitId, desk: &mut Desk<'_>) -> Deed {
        self.permit = None;
        self.called = true;
        let request = planned.request.clone();
        self.stage = Stage::Calling(planned, permit, desk.moment);
        Deed::Call(request)
    }

    fn answered(
        &mut self,
        planned: Planned,
        permit: PermitId,
        asked: Moment,
        answer: &Answer,
        desk: &mut Desk<'_>,
    ) -> Deed {
        let Planned { mut plan, request } = planned;
        let took = desk.called(&request, self.claimed.events.first(), answer, permit, asked);
        let writes = matches!(request, Request::Create(_) | Request::Update(..));
        if answer.verdict == Verdict::Forbidden {
            *desk.may_not_write = writes;
            desk.doubts.forbid(&self.claimed.lease.external_ref, desk.moment.running);
        } else if writes && answer.status.is_some() {
            desk.doubts.allow(&self.claimed.lease.external_ref);
        }
        if let (Request::Update(lead, _), Verdict::Unclear(_)) = (&request, &answer.verdict) {
            desk.doubts.may_land(lead, asked.running + desk.setup.waits.landing());
            self.lands = Some(asked.now + desk.setup.waits.landing());
        }
        if let (Request::Get(_), Verdict::Lead(_)) = (&request, &answer.verdict) {
            self.reads.read(asked.running);
        }
        self.log.push(note(&request, answer, asked, took));
        let step = plan.answered(&request, answer, asked.now, desk.moment.now);
        self.ask_other_after(&plan).unwrap_or_else(|| self.follow(plan, step, desk))
    }

    /// True while a call can be begun and ended well inside the lease.
    pub(super) fn has_time(&self, moment: Moment) -> bool {
        moment.running + CALL_TIMEOUT + LEASE_MARGIN < self.ends
    }

    pub(super) fn settle(&mut self, end: End, desk: &mut Desk<'_>) -> Deed {
        self.return_permit(desk);
        if let Some(why) = end.pause {
            desk.errands.push(Ask::Pause(why));
            desk.reports.push(Report::Paused(why));
        }
        if end.full {
            desk.full();
        }
        if matches!(end.outcome, Outcome::Done { .. } | Outcome::Withheld(_)) {
            self.tell_flaws(desk);
        }
        self.put_settlement(Box::new(end))
    }

    /// Says once, now that something has come of the events, which rules nothing came of: into the lane's log and ours.
    fn tell_flaws(&mut self, desk: &mut Desk<'_>) {
        let mut flaws = std::mem::take(&mut self.flaws);
        // Several events of one form fail alike.
        flaws.dedup();
        for Flaw { rule, why, .. } in &flaws {
            let note = format!("{rule} says nothing: {why}");
            self.note(store::Attempt { at: desk.moment.now, call: "rule".to_owned(), status: None, millis: 0, note });
        }
        if !flaws.is_empty() {
            let request_id = self.claimed.events.last().map(|event| event.request_id.clone()).unwrap_or_default();
            desk.reports.push(Report::RulesFailed { request_id, flaws });
        }
    }

    fn put_settlement(&mut self, end: Box<End>) -> Deed {
        let told = match end.outcome {
            Outcome::Done { upto, .. } => self.words_up_to(upto),
            _ => Words::default(),
        };
        let learned = Learned { doubles: end.doubles.clone(), told, twin: self.twin.clone(), lands: self.lands };
        let settlement = Settlement { outcome: end.outcome.clone(), attempts: self.log.clone(), learned };
        self.stage = Stage::Settling(end);
        Deed::Ask(Ask::Settle(self.lease().clone(), settlement))
    }

    fn words_up_to(&self, upto: Seq) -> Words {
        let mut words = Words::default();
        self.words.iter().filter(|(seq, _)| *seq <= upto).for_each(|(_, more)| words.hear(more));
        words
    }

    fn settled(&self, end: Box<End>, fenced: Fenced, desk: &mut Desk<'_>) {
        match fenced {
            // Under this very fence: an earlier settlement whose answer was lost.
            Fenced::Done | Fenced::AlreadyDone => {
                match end.outcome {
                    Outcome::Done { upto, .. } => {
                        desk.seen(&self.claimed, upto);
                        desk.doubts.over(&self.claimed.lease.external_ref);
                    }
                    Outcome::Dead { .. } | Outcome::Negative { settled: true, .. } => {
                        desk.doubts.over(&self.claimed.lease.external_ref);
                    }
                    _ => {}
                }
                let claimed = Box::new(self.claimed.clone());
                desk.reports.push(Report::Settled { claimed, end, at: desk.moment.now });
            }
            Fenced::Stale => {}
        }
    }

    /// Settling is safe to repeat; what cannot be settled while the lease lasts is taken up again after it.
    fn not_settled(&mut self, end: Box<End>, error: StoreError, desk: &mut Desk<'_>) -> Option<Deed> {
        let again = !matches!(error, StoreError::Closed) && desk.moment.running + AFTER_ERROR < self.ends;
        desk.reports.push(Report::StoreFailed("settle", error));
        if !again {
            return None;
        }
        self.stage = Stage::Unsettled(end);
        Some(Deed::Wait(AFTER_ERROR, Change::Nothing))
    }

    pub(super) fn note(&mut self, entry: store::Attempt) {
        self.log.push(entry);
    }
}

fn note(request: &Request, answer: &Answer, asked: Moment, took: Duration) -> store::Attempt {
    let what = match &answer.verdict {
        Verdict::Invalid(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Verdict::Unsent(why) | Verdict::Unclear(why) => (*why).to_owned(),
        verdict => verdict.word().to_owned(),
    };
    let id = answer.request_id.as_deref().map(|id| format!(" (Konektor request {id})")).unwrap_or_default();
    store::Attempt {
        at: asked.now,
        call: request.word().to_owned(),
        status: answer.status,
        millis: millis(took),
        note: format!("{what}{id}"),
    }
}

/// For a lane's log.
pub(super) fn millis(took: Duration) -> u64 {
    took.as_millis().try_into().unwrap_or(u64::MAX)
}
