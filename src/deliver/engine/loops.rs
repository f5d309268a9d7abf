//! The engine's loops: sort, dispatch, heartbeat, expire.

use std::time::Duration;

use jiff::Timestamp;

use super::super::breaker::Gate;
use super::super::retry;
use super::super::sort::{self, Split};
use super::attempt::Attempt;
use super::{
    AFTER_ERROR, Ask, Change, Deed, Effect, Engine, Mode, Moment, Party, Report, Said, Stopped, Told, mismatch,
};
use crate::domain::event::SourceName;
use crate::providers::{Absent, Complaint, Source};
use crate::store::{Claim, InboxRecord, Lease, SortCount};

/// Lanes worked on at a time: ten calls a second at two seconds each would need twenty, and no plan allows more.
const AT_A_TIME: usize = 24;
/// Records that are sorted in one step.
const SORT_BATCH: usize = 64;
/// How often leases are extended: a third of the shortest one.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// How often old receipts are looked for.
const EXPIRE_EVERY: Duration = Duration::from_mins(1);
/// Receipts forgotten in one step.
const EXPIRE_BATCH: usize = 1000;
/// Longest rest, so that nothing hangs on a wake-up that was missed.
const NAP: Duration = Duration::from_secs(30);
/// While one call tries whether Konektor works again.
const WHILE_TRYING: Duration = Duration::from_millis(250);

/// What the sorter waits for.
#[derive(Debug)]
pub(super) enum Sorting {
    /// The oldest records.
    Reading,
    /// That these records are sorted.
    Writing(Vec<Writing>),
    /// Something to do.
    Resting,
}

/// A record that is being sorted, and what is to be said of it once it is.
#[derive(Debug)]
pub(super) struct Writing {
    place: u64,
    source: SourceName,
    request_id: String,
    stopped: Option<Stopped>,
    complaints: Vec<(Complaint, usize)>,
}

/// What waits in the inbox for its source.
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    /// Up to this place all that is left does.
    upto: u64,
    /// When the first of it was passed over, as [`Moment::running`].
    since: Duration,
}

impl PassedOver {
    fn pass(&mut self, place: u64, now: Duration) {
        if self.upto == 0 {
            self.since = now;
        }
        self.upto = place;
    }

    /// From the beginning, when that is due.
    fn look_again(&mut self, now: Duration) {
        if now >= self.since + retry::SOURCE_AGAIN {
            *self = Self::default();
        }
    }
}

/// What the dispatcher waits for.
#[derive(Debug, PartialEq)]
pub(super) enum Claiming {
    /// A lane, asked for then.
    Asking(Moment),
    /// Something to do.
    Resting,
}

/// What the heart waits for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Beat {
    /// That these leases are extended, asked for then (as [`Moment::running`]).
    Beating(Vec<Lease>, Duration),
    /// The next beat.
    Resting,
}

/// What the expirer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expiring {
    /// That it is done.
    Asking,
    /// The next time.
    Resting,
}

impl Engine {
    /// All but the dispatcher, which goes whenever there is a free place.
    pub(super) fn start_loops(&mut self, moment: Moment, out: &mut Vec<Effect>) {
        self.read_inbox(moment, out);
        self.wait_for(Deed::Wait(HEARTBEAT, Change::Nothing), Party::Heart(Beat::Resting), out);
        self.wait_for(Deed::Wait(EXPIRE_EVERY, Change::Nothing), Party::Expirer(Expiring::Resting), out);
    }

    pub(super) fn read_inbox(&mut self, moment: Moment, out: &mut Vec<Effect>) {
        self.passed_over.look_again(moment.running);
        let ask = Ask::Unsorted(self.passed_over.upto, SORT_BATCH);
        self.wait_for(Deed::Ask(ask), Party::Sorter(Sorting::Reading), out);
    }

    pub(super) fn sort_on(&mut self, sorting: Sorting, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        match (sorting, said) {
            (Sorting::Reading, Said::Told(Ok(Told::Unsorted(records)))) if records.is_empty() => {
                self.rest_sorting(NAP, Change::Inbox, out);
            }
            (Sorting::Reading, Said::Told(Ok(Told::Unsorted(records)))) => self.sort(records, moment, out),
            (Sorting::Writing(records), Said::Told(Ok(Told::Sorted(count)))) => {
                tell_sorted(records, count, out);
                if self.mode == Mode::Running {
                    self.read_inbox(moment, out);
                }
            }
            (Sorting::Resting, Said::Woken) => self.read_inbox(moment, out),
            (Sorting::Reading | Sorting::Writing(..), Said::Told(Err(error))) => {
                out.push(Effect::Report(Report::StoreFailed("sort", error)));
                self.passed_over = PassedOver::default();
                self.rest_sorting(AFTER_ERROR, Change::Nothing, out);
            }
            (_, said) => mismatch(&said),
        }
    }

    /// Sorts what it can. What came to a source that lacks something now waits for that in the inbox, as its events do in their
    /// lanes, and nothing behind it waits with it.
    fn sort(&mut self, records: Vec<InboxRecord>, moment: Moment, out: &mut Vec<Effect>) {
        let last = records.last().map_or(0, |record| record.place);
        let found = records.into_iter().map(|record| ((self.setup.sources)(&record.webhook.source), record));
        let (wait, go): (Vec<_>, Vec<_>) = found.partition(|(source, _)| matches!(source, Err(Absent::Wanting(_))));
        if !wait.is_empty() {
            self.passed_over.pass(last, moment.running);
        }
        if go.is_empty() {
            return self.read_inbox(moment, out);
        }
        let split = |(source, record): (Result<Source, Absent>, InboxRecord)| {
            let Split { sorted, complaints } = sort::split(record, source.as_ref());
            let (place, source, request_id) = (sorted.place, sorted.source.clone(), sorted.request_id.clone());
            let stopped = Stopped::of(&sorted);
            (sorted, Writing { place, source, request_id, stopped, complaints })
        };
        let (sorted, records) = go.into_iter().map(split).unzip();
        self.wait_for(Deed::Ask(Ask::Sort(sorted)), Party::Sorter(Sorting::Writing(records)), out);
    }

    fn rest_sorting(&mut self, span: Duration, change: Change, out: &mut Vec<Effect>) {
        if self.mode == Mode::Running {
            self.wait_for(Deed::Wait(span, change), Party::Sorter(Sorting::Resting), out);
        }
    }

    /// Claims again when it may: when there is a free place, and nobody is at it.
    pub(super) fn dispatch(&mut self, moment: Moment, out: &mut Vec<Effect>) {
        let busy = self.waiting.values().any(|party| matches!(party, Party::Dispatcher(_)));
        if self.mode == Mode::Running && !busy && self.attempts().count() < AT_A_TIME {
            self.claim(moment, out);
        }
    }

    /// Claims, unless the breaker holds everything back.
    pub(super) fn claim(&mut self, moment: Moment, out: &mut Vec<Effect>) {
        match self.breaker.ask(moment.now) {
            Gate::Open => self.wait_for(Deed::Ask(Ask::Claim), Party::Dispatcher(Claiming::Asking(moment)), out),
            Gate::NotBefore(at) => self.rest(Some(at), moment, out),
            Gate::Trying => self.rest(Some(moment.now + WHILE_TRYING), moment, out),
        }
    }

    pub(super) fn claimed(&mut self, claiming: Claiming, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        match (claiming, said) {
            // The engine dispatches again at the end of its step.
            (Claiming::Resting, Said::Woken) => {}
            (Claiming::Asking(asked), Said::Told(Ok(Told::Claim(Claim::Lane(claimed))))) => {
                self.calls_go_on(asked);
                let attempt = Box::new(Attempt::new(*claimed, asked, self.setup.lease));
                self.with_attempt(attempt, moment, out, Attempt::begin);
            }
            (Claiming::Asking(_), Said::Told(Ok(Told::Claim(Claim::Probe(probe))))) => self.probe(probe, moment, out),
            (Claiming::Asking(_), Said::Told(Ok(Told::Claim(Claim::Chore(permit, chore))))) => {
                self.chore(permit, chore, moment, out);
            }
            (Claiming::Asking(_), Said::Told(Ok(Told::Claim(Claim::Nothing(until))))) => {
                self.breaker.unused();
                self.rest(until, moment, out);
            }
            (Claiming::Asking(_), Said::Told(Err(error))) => {
                self.breaker.unused();
                out.push(Effect::Report(Report::StoreFailed("claim", error)));
                self.rest_dispatching(AFTER_ERROR, Change::Nothing, out);
            }
            (_, said) => mismatch(&said),
        }
    }

    fn rest(&mut self, until: Option<Timestamp>, moment: Moment, out: &mut Vec<Effect>) {
        out.push(Effect::Report(Report::Idle(until)));
        let left = until.map_or(NAP, |until| until.duration_since(moment.now).try_into().unwrap_or_default());
        self.rest_dispatching(left.min(NAP), Change::Lanes, out);
    }

    fn rest_dispatching(&mut self, span: Duration, change: Change, out: &mut Vec<Effect>) {
        if self.mode == Mode::Running {
            self.wait_for(Deed::Wait(span, change), Party::Dispatcher(Claiming::Resting), out);
        }
    }

    pub(super) fn beat_on(&mut self, beat: Beat, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        match (beat, said) {
            (Beat::Resting, Said::Woken) => {
                let held: Vec<Lease> = self.attempts().map(|attempt| attempt.lease().clone()).collect();
                let ask = Deed::Ask(Ask::Heartbeat(held.clone()));
                return self.wait_for(ask, Party::Heart(Beat::Beating(held, moment.running)), out);
            }
            (Beat::Beating(held, asked), Said::Told(Ok(Told::Lost(lost)))) => self.renew(&held, &lost, asked),
            (Beat::Beating(..), Said::Told(Err(error))) => {
                out.push(Effect::Report(Report::StoreFailed("heartbeat", error)));
            }
            (_, said) => mismatch(&said),
        }
        self.wait_for(Deed::Wait(HEARTBEAT, Change::Nothing), Party::Heart(Beat::Resting), out);
    }

    /// The leases in `held` were extended from `asked` on, but for the `lost` ones.
    fn renew(&mut self, held: &[Lease], lost: &[Lease], asked: Duration) {
        for party in self.waiting.values_mut() {
            if let Party::Attempt(attempt) = party
                && held.contains(attempt.lease())
            {
                let lost = lost.contains(attempt.lease());
                if lost { attempt.lose() } else { attempt.renew(asked) }
            }
        }
    }

    /// Leases are kept alive until the last attempt is settled.
    pub(super) fn end_heart(&mut self) {
        if self.mode == Mode::Stopping && self.attempts().next().is_none() {
            self.waiting.retain(|_, party| !matches!(party, Party::Heart(_)));
        }
    }

    pub(super) fn expire_on(&mut self, expiring: Expiring, said: Said, out: &mut Vec<Effect>) {
        match (expiring, said) {
            (Expiring::Resting, Said::Woken) => {
                return self.wait_for(Deed::Ask(Ask::Expire(EXPIRE_BATCH)), Party::Expirer(Expiring::Asking), out);
            }
            (Expiring::Asking, Said::Told(Ok(Told::Expired(count)))) => {
                out.push(Effect::Report(Report::Expired(count)))
            }
            (Expiring::Asking, Said::Told(Err(error))) => {
                out.push(Effect::Report(Report::StoreFailed("expire", error)));
            }
            (_, said) => mismatch(&said),
        }
        if self.mode == Mode::Running {
            self.wait_for(Deed::Wait(EXPIRE_EVERY, Change::Nothing), Party::Expirer(Expiring::Resting), out);
        }
    }
}

/// Says what was sorted, and of what: not of what another bridge has sorted meanwhile.
fn tell_sorted(records: Vec<Writing>, count: SortCount, out: &mut Vec<Effect>) {
    let (mut sources, mut stops) = (Vec::new(), Vec::new());
    for Writing { place, source, request_id, stopped, complaints } in records {
        if !count.records.contains(&place) {
            continue;
        }
        sources.push(source.clone());
        stops.extend(stopped);
        if !complaints.is_empty() {
            out.push(Effect::Report(Report::Complained { source, request_id, complaints }));
        }
    }
    out.push(Effect::Report(Report::Sorted { sources, count, stopped: stops }));
}
