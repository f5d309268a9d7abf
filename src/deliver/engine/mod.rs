//! Delivery as a state machine: what the world says goes in, what is to be done comes out. Pure: it does no I/O, asks no
//! clock and throws no dice, so that hours of it can be played through in a blink, with everything that can go wrong.
//!
//! ```text
//!              ┌─────────────────────────── Engine::step ─────────────────────────────┐
//!   Said ─────▶│ sorter      unsorted ▸ split ▸ sort                                  │─────▶ Deed (ask the store, call,
//!  (ticket)    │ dispatcher  claim ▸ attempt: (look up) ▸ fold ▸ plan ⇄ call ▸ settle │       look up, wait), each under
//!   Stop ─────▶│ heart       extends the leases of the attempts                       │       a ticket
//!              │ expirer     forgets old receipts                                     │─────▶ Report
//!              └──────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Everybody in it waits for exactly one thing at a time, under a ticket of its own; an errand is what nobody waits for.

mod attempt;
mod chores;
mod exchange;
mod follow;
mod forms;
mod look_up;
mod loops;
mod permits;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use super::breaker::Breaker;
use super::doubts::Doubts;
pub use super::fold::Flaw;
use super::fold::body_of;
use super::questions::Questions;
use super::senders::Senders;
use super::{SourceOf, ValuesOf, Waits};
use crate::domain::lead::LeadId;
use crate::domain::region::Region;
use crate::konektor::{Answer, Cause, Outage, Request, Verdict};
use crate::store::{DayState, Observation, PauseReason, PermitId, Probe, RateHeaders, StoreError, StoredEvent};
use attempt::Attempt;
use chores::Doing;
pub use exchange::{Ask, Change, Deed, Effect, Input, LookupEnd, Moment, Reply, Report, Said, Stopped, Ticket, Told};
use forms::{Forms, Noting, Sighting};
use loops::{Beat, Claiming, Expiring, PassedOver, Sorting};

/// Pause after an error of the store.
const AFTER_ERROR: Duration = Duration::from_secs(1);
/// How often an errand is tried: a permit of which nothing is heard is forgotten by itself after a minute.
const ERRAND_TRIES: u32 = 10;

/// What an engine knows from the start.
#[derive(Clone)]
pub struct Setup {
    /// The sources as they now are.
    pub sources: SourceOf,
    /// What their leads are worth.
    pub values: ValuesOf,
    /// How long Konektor is waited for before what it shows is believed.
    pub waits: Waits,
    /// Region for phone numbers of sources that set none.
    pub region: Region,
    /// How long the store's leases last without a heartbeat.
    pub lease: Duration,
}

impl std::fmt::Debug for Setup {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Setup({}, {:?}, {:?})", self.region, self.waits, self.lease)
    }
}

/// One worker's delivering half.
#[derive(Debug)]
pub struct Engine {
    setup: Setup,
    breaker: Breaker,
    senders: Senders,
    questions: Questions,
    doubts: Doubts,
    /// What waits in the inbox.
    passed_over: PassedOver,
    /// The last call that the key was not good enough for was one that writes.
    may_not_write: bool,
    waiting: BTreeMap<Ticket, Party>,
    tickets: u64,
    mode: Mode,
    /// Where the day stood when it was last heard of.
    day: DayState,
    /// The key may not ask for the day: that was said.
    may_not_ask: bool,
    /// The forms that were seen.
    forms: Forms,
    /// Why calls must stop, where that was said and not taken back.
    paused: Option<PauseReason>,
    /// When the store has heard of it, by the process's clock.
    pause_kept: Duration,
}

/// Whether the engine goes on by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It does one thing at a time, when asked.
    ByHand,
    /// It goes on until told to stop.
    Running,
    /// It ends what is under way.
    Stopping,
}

/// Who waits for something.
#[derive(Debug)]
enum Party {
    Sorter(Sorting),
    Dispatcher(Claiming),
    Attempt(Box<Attempt>),
    Probe(Probe, Moment),
    Chore(Box<Doing>),
    Form(Box<Noting>),
    Heart(Beat),
    Expirer(Expiring),
    Errand(Ask, u32),
}

/// What a party works with while it is told something.
struct Desk<'a> {
    setup: &'a Setup,
    breaker: &'a mut Breaker,
    senders: &'a mut Senders,
    questions: &'a mut Questions,
    doubts: &'a mut Doubts,
    may_not_write: &'a mut bool,
    day: &'a mut DayState,
    may_not_ask: &'a mut bool,
    /// Leads that other attempts of this process read and write.
    others: Vec<LeadId>,
    /// One of them has its lead read again.
    reading_again: bool,
    /// How many of them ask a sender's API.
    looking_up: usize,
    moment: Moment,
    errands: Vec<Ask>,
    reports: Vec<Report>,
    sightings: Vec<Sighting>,
}

impl Engine {
    /// An engine at rest.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        Self {
            setup,
            breaker: Breaker::default(),
            senders: Senders::default(),
            questions: Questions::default(),
            doubts: Doubts::default(),
            passed_over: PassedOver::default(),
            may_not_write: true,
            waiting: BTreeMap::new(),
            tickets: 0,
            mode: Mode::ByHand,
            day: DayState::Unknown,
            may_not_ask: false,
            forms: Forms::default(),
            paused: None,
            pause_kept: Duration::ZERO,
        }
    }

    /// Sets it going: it sorts and delivers until [`Input::Stop`].
    pub fn start(&mut self, moment: Moment) -> Vec<Effect> {
        self.mode = Mode::Running;
        let mut out = Vec::new();
        self.start_loops(moment, &mut out);
        self.dispatch(moment, &mut out);
        out
    }

    /// Sorts one batch, by hand.
    pub fn sort_once(&mut self, moment: Moment) -> Vec<Effect> {
        let mut out = Vec::new();
        self.read_inbox(moment, &mut out);
        out
    }

    /// Claims once, by hand, and works off what that gives.
    pub fn claim_once(&mut self, moment: Moment) -> Vec<Effect> {
        let mut out = Vec::new();
        self.claim(moment, &mut out);
        out
    }

    /// True when nothing is under way any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Takes one thing in, and gives what is to be done about it.
    pub fn step(&mut self, input: Input, moment: Moment) -> Vec<Effect> {
        let mut out = Vec::new();
        match input {
            Input::Stop => self.stop(moment, &mut out),
            Input::Said(ticket, said) => {
                if matches!(said, Said::Told(Err(StoreError::Closed))) {
                    self.stop(moment, &mut out);
                }
                // What comes a second time, or after its party has gone, is nobody's.
                if let Some(party) = self.waiting.remove(&ticket) {
                    self.hear(party, said, moment, &mut out);
                }
            }
        }
        self.dispatch(moment, &mut out);
        self.end_heart();
        out
    }

    fn hear(&mut self, party: Party, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        match party {
            Party::Sorter(sorting) => self.sort_on(sorting, said, moment, out),
            Party::Dispatcher(claiming) => self.claimed(claiming, said, moment, out),
            Party::Attempt(attempt) => self.attempt_on(attempt, said, moment, out),
            Party::Probe(probe, asked) => self.probed(probe, asked, said, moment, out),
            Party::Chore(doing) => self.chore_on(*doing, said, moment, out),
            Party::Form(noting) => self.note_on(*noting, said, moment, out),
            Party::Heart(beat) => self.beat_on(beat, said, moment, out),
            Party::Expirer(expiring) => self.expire_on(expiring, said, out),
            Party::Errand(ask, tries) => self.errand_on(ask, tries, said, moment, out),
        }
    }

    /// Nothing new begins; who only waits goes, and who holds a lane gives it back.
    fn stop(&mut self, moment: Moment, out: &mut Vec<Effect>) {
        if self.mode == Mode::Stopping {
            return;
        }
        self.mode = Mode::Stopping;
        self.waiting.retain(|_, party| !party.only_waits());
        let parked: Vec<Ticket> =
            self.waiting.iter().filter(|(_, party)| party.is_parked()).map(|(at, _)| *at).collect();
        for ticket in parked {
            if let Some(Party::Attempt(attempt)) = self.waiting.remove(&ticket) {
                self.with_attempt(attempt, moment, out, |attempt, desk| Some(attempt.release(desk)));
            }
        }
    }

    fn attempt_on(&mut self, attempt: Box<Attempt>, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        self.with_attempt(attempt, moment, out, |attempt, desk| attempt.heard(said, desk));
    }

    /// Lets `attempt` take its next step, and sees to what it leaves behind when it is over.
    fn with_attempt(
        &mut self,
        mut attempt: Box<Attempt>,
        moment: Moment,
        out: &mut Vec<Effect>,
        step: impl FnOnce(&mut Attempt, &mut Desk<'_>) -> Option<Deed>,
    ) {
        let in_doubt = attempt.in_doubt();
        let others = self.attempts().filter_map(|attempt| attempt.lead.clone()).collect();
        let reading_again = self.attempts().any(Attempt::is_reading_again);
        let looking_up = self.attempts().filter(|attempt| attempt.looks_up()).count();
        let next = self.at_desk(moment, out, |desk| {
            (desk.others, desk.reading_again, desk.looking_up) = (others, reading_again, looking_up);
            // A bug in a provider, or in a plan, ends the attempt that shows it, and not delivery.
            let stepped = std::panic::catch_unwind(AssertUnwindSafe(|| step(&mut attempt, desk)));
            let next = stepped.unwrap_or_else(|_| {
                desk.reports.push(Report::Bug);
                Some(attempt.bury(in_doubt, desk))
            });
            if next.is_none() {
                attempt.leave(desk);
            }
            next
        });
        if let Some(deed) = next {
            self.wait_for(deed, Party::Attempt(attempt), out);
        }
    }

    fn probe(&mut self, probe: Probe, moment: Moment, out: &mut Vec<Effect>) {
        let request = self.probing(&probe);
        self.wait_for(Deed::Call(request), Party::Probe(probe, moment), out);
    }

    /// What shows whether calls may go on: the scope that was missing decides.
    const fn probing(&self, probe: &Probe) -> Request {
        match probe.why {
            PauseReason::Forbidden if self.may_not_write => Request::ProbeWrite,
            PauseReason::Operator | PauseReason::Unauthorized | PauseReason::Forbidden | PauseReason::Misconfigured => {
                Request::Probe
            }
        }
    }

    fn probed(&mut self, probe: Probe, asked: Moment, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        let Said::Answered(answer) = said else { return mismatch(&said) };
        self.at_desk(moment, out, |desk| {
            // One word for both kinds.
            desk.called(&Request::Probe, None, &answer, probe.permit, asked);
            let allowed = match answer.verdict {
                Verdict::Allowed => true,
                // The key is known again; that it may not read leads is no reason to stop writing them.
                Verdict::Forbidden => probe.why == PauseReason::Unauthorized,
                _ => false,
            };
            if allowed {
                desk.errands.push(Ask::Resume(probe.generation));
                desk.reports.push(Report::Resumed(probe.why));
            }
        });
    }

    /// Lets somebody `work` at a desk, and sees to what lies on it then.
    fn at_desk<T>(&mut self, moment: Moment, out: &mut Vec<Effect>, work: impl FnOnce(&mut Desk<'_>) -> T) -> T {
        let Self { setup, breaker, senders, questions, doubts, may_not_write, day, may_not_ask, .. } = self;
        let (errands, reports, sightings) = (Vec::new(), Vec::new(), Vec::new());
        let mut desk = Desk {
            setup,
            breaker,
            senders,
            questions,
            doubts,
            may_not_write,
            day,
            may_not_ask,
            others: Vec::new(),
            reading_again: false,
            looking_up: 0,
            moment,
            errands,
            reports,
            sightings,
        };
        let done = work(&mut desk);
        let Desk { errands, reports, sightings, .. } = desk;
        let news = reports.into_iter().filter(|report| is_news(report, &mut self.paused));
        out.extend(news.map(Effect::Report));
        for ask in errands {
            self.run_errand(ask, out);
        }
        for sighting in sightings {
            self.sight(sighting, 1, moment, out);
        }
        done
    }

    /// A lane was claimed, which was `asked` for then. In a pause none is, so calls go on; but those that were under way when it
    /// began say nothing of it.
    fn calls_go_on(&mut self, asked: Moment) {
        let is_kept = !self.waiting.values().any(|party| matches!(party, Party::Errand(Ask::Pause(_), _)));
        if is_kept && self.pause_kept <= asked.running {
            self.paused = None;
        }
    }

    /// Asks the store for something that nobody waits for.
    fn run_errand(&mut self, ask: Ask, out: &mut Vec<Effect>) {
        self.wait_for(Deed::Ask(ask.clone()), Party::Errand(ask, 1), out);
    }

    fn errand_on(&mut self, ask: Ask, tries: u32, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        match said {
            Said::Told(Ok(_)) if matches!(ask, Ask::Pause(_)) => self.pause_kept = moment.running,
            Said::Told(Ok(_)) => {}
            Said::Told(Err(error)) => {
                let again = !matches!(error, StoreError::Closed) && tries < ERRAND_TRIES;
                out.push(Effect::Report(Report::StoreFailed("errand", error)));
                if again {
                    self.wait_for(Deed::Wait(AFTER_ERROR, Change::Nothing), Party::Errand(ask, tries + 1), out);
                }
            }
            Said::Woken => self.wait_for(Deed::Ask(ask.clone()), Party::Errand(ask, tries), out),
            said => mismatch(&said),
        }
    }

    /// Wants `deed` done, and remembers who waits for what comes of it.
    fn wait_for(&mut self, deed: Deed, party: Party, out: &mut Vec<Effect>) {
        let ticket = Ticket(self.tickets);
        self.tickets += 1;
        self.waiting.insert(ticket, party);
        out.push(Effect::Do(ticket, deed));
    }

    fn attempts(&self) -> impl Iterator<Item = &Attempt> {
        self.waiting
            .values()
            .filter_map(|party| if let Party::Attempt(attempt) = party { Some(&**attempt) } else { None })
    }
}

impl Party {
    /// True when nothing is lost if it goes.
    fn only_waits(&self) -> bool {
        match self {
            Self::Sorter(sorting) => matches!(sorting, Sorting::Resting),
            Self::Dispatcher(claiming) => *claiming == Claiming::Resting,
            Self::Expirer(expiring) => *expiring == Expiring::Resting,
            Self::Attempt(_) | Self::Probe(..) | Self::Chore(_) | Self::Form(_) | Self::Heart(_) | Self::Errand(..) => {
                false
            }
        }
    }

    /// True for an attempt that waits for a permit.
    fn is_parked(&self) -> bool {
        matches!(self, Self::Attempt(attempt) if attempt.is_parked())
    }
}

impl Desk<'_> {
    /// Tells the limiter, the breaker and the people what Konektor answered to a call `for_event`; gives how long it took.
    fn called(
        &mut self,
        request: &Request,
        for_event: Option<&StoredEvent>,
        answer: &Answer,
        permit: PermitId,
        asked: Moment,
    ) -> Duration {
        let took = self.moment.running.saturating_sub(asked.running);
        self.errands.push(Ask::Observe(permit, observation(answer)));
        self.reports.push(Report::Called {
            call: request.word(),
            webhook: for_event.map(|event| (event.source.clone(), event.request_id.clone())),
            verdict: answer.verdict.clone(),
            status: answer.status,
            took,
            upstream_id: answer.request_id.clone(),
        });
        match answer.verdict {
            Verdict::Unsent(why) | Verdict::Unclear(why) => {
                if let Some(opened) = self.breaker.failed(asked.now, self.moment.now, self.moment.die) {
                    let cause = Cause { call: request.word(), why, status: answer.status };
                    let outage = Outage { since: opened.since, until: opened.until, cause };
                    self.reports.push(Report::BreakerOpened { outage, pause: opened.pause });
                }
            }
            _ => {
                if let Some(since) = self.breaker.answered() {
                    let after = self.moment.now.duration_since(since).try_into().unwrap_or_default();
                    self.reports.push(Report::BreakerClosed(after));
                }
            }
        }
        took
    }
}

fn observation(answer: &Answer) -> Observation {
    match answer.verdict {
        Verdict::Unsent(_) => Observation::Unsent,
        _ => Observation::Answered(RateHeaders {
            limit: answer.rate.limit,
            remaining: answer.rate.remaining,
            reset: answer.rate.reset,
            retry_after: answer.rate.retry_after,
            throttled: answer.verdict == Verdict::Throttled,
        }),
    }
}

/// Several calls are under way when the first of them is refused: that is said once.
fn is_news(report: &Report, paused: &mut Option<PauseReason>) -> bool {
    match report {
        Report::Paused(why) => paused.replace(*why) != Some(*why),
        Report::Resumed(_) => {
            *paused = None;
            true
        }
        _ => true,
    }
}

/// A deed was answered with what belongs to another. Its party goes, and what it held ends by itself.
fn mismatch(said: &Said) {
    debug_assert!(false, "this is not an answer to what was asked: {said:?}");
}
