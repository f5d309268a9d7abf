//! The lane's state machine: where a lane goes when an event arrives, and when an attempt begins, ends or is lost.
//!
//! Pure, and shared by the backends. A backend loads a lane, asks here what becomes of it and of its events, and writes
//! both down in one atomic step. `queue.md` §2.4 to §2.6 is the design.
//!
//! ```text
//!  idle ──arrive, no lead──▶ ready(new) ──claim──▶ leased ──Done, nothing left──▶ idle
//!    └───arrive, lead known─▶ waiting(coalesce) ─due─▶ ready(update)  ├──Done, more left──▶ waiting(coalesce)
//!                                                                     ├──Retry──▶ waiting(back-off)
//!                                                                     ├──Ambiguous, lost with intent──▶ waiting(reconcile)
//!                                                                     ├──Release, lost without intent──▶ ready, old place
//!  dead ──arrive, replay──▶ ready                                     └──Dead, no lead──▶ dead
//! ```

mod stand;
#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;

use super::suspicion::{AT_ANY_TIME, Doubt, Forgotten, Lost};
use super::{
    Adopting, Arrival, Class, Fenced, Intent, Named, Outcome, Seq, Standing, Telling, Undelivered, Words, WorkerId,
};
use crate::domain::event::DeadReason;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;

use stand::wait;
pub(super) use stand::{Ends, Insight, Rest, Span, State, Wait, window};

/// How long after a create that followed a doubt the lead is searched for once more: far longer than a lead takes to be
/// found (`queue.md` §2.6, step 7).
pub(super) const VERIFY_AFTER: Duration = Duration::from_mins(15);
/// Earliest look for a lead after its worker was lost (`queue.md` §2.6, step 3): a hit is conclusive at any time.
const FIRST_LOOK: Duration = Duration::from_secs(2);
/// How long a lane waits for another of the same lead that is worked on.
const TURN_AGAIN: Duration = Duration::from_secs(2);
/// Leases that may end without a word before the lane is given up (`queue.md` §2.4, heartbeat).
const MAX_CRASHES: u32 = 5;
/// Those of one such span count.
const CRASHES_WITHIN: Duration = Duration::from_hours(24);

/// What is known of one lead, without its events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    /// Where it stands.
    pub(super) state: State,
    /// What it waits as.
    pub(super) class: Class,
    /// Its place among those that wait: the first pending event when it began to.
    pub(super) ord: Seq,
    /// When the webhook of that event was received.
    pub(super) since: Timestamp,
    /// Grows with every claim.
    pub(super) fence: u64,
    /// The last fence that was settled.
    pub(super) settled: u64,
    /// Konektor's id of the lead, once known.
    pub(super) lead_id: Option<LeadId>,
    /// An earlier POST whose end is not known.
    pub(super) intent: Option<Intent>,
    /// Clean searches since that found nothing.
    pub(super) negatives: u32,
    /// Definite failures in a row.
    pub(super) attempts: u32,
    /// When the first of them was.
    pub(super) failing_since: Option<Timestamp>,
    /// Leases that ended without a word within a day.
    pub(super) crashes: u32,
    /// When the first of them did.
    pub(super) crashed: Option<Timestamp>,
    /// Pending events.
    pub(super) pending: u32,
    /// When the last doubt was settled: there was no lead then.
    pub(super) cleared: Option<Timestamp>,
    /// What has reached the lead.
    pub(super) told: Words,
    /// What is in the open intent's call, and will have reached the lead if that has.
    pub(super) telling: Telling,
    /// The lead that was found by its code, and that an update may have made its own. `None` once it has one.
    pub(super) adopting: Option<Adopting>,
    /// Until when an update may still land that got no answer, or that a lost worker has sent. While it is leased without a lead: that calls were
    /// made which may be one.
    pub(super) lands: Option<Timestamp>,
    /// The lead may be there although nothing is known of it: an earlier lane, which knew it, was forgotten, or a search could not
    /// be decided.
    pub(super) forgotten: bool,
    /// Where Konektor said by itself that the lead stands.
    pub(super) standing: Option<Standing>,
    /// The lane of the same person that will have a lead first: that lead is this lane's, too. `None` once it has one.
    pub(super) follows: Option<ExternalRef>,
    /// Konektor said by itself which lead it is, while an attempt was under way that may find it out, too.
    pub(super) heard: Option<LeadId>,
}

impl Lane {
    /// A lane of which nothing is known.
    pub(super) const fn new() -> Self {
        Self {
            state: State::Idle,
            class: Class::New,
            ord: 0,
            since: Timestamp::UNIX_EPOCH,
            fence: 0,
            settled: 0,
            lead_id: None,
            intent: None,
            negatives: 0,
            attempts: 0,
            failing_since: None,
            crashes: 0,
            crashed: None,
            pending: 0,
            cleared: None,
            told: Words::none(),
            telling: Telling::nothing(),
            adopting: None,
            lands: None,
            forgotten: false,
            standing: None,
            follows: None,
            heard: None,
        }
    }

    /// Whether it is dead. An event that arrives then must be preceded by [`Lane::revive`].
    pub(super) fn is_dead(&self) -> bool {
        self.state == State::Dead
    }

    /// An event has joined. `window` is how long an update waits for more ([`window`]).
    pub(super) fn arrive(&mut self, seq: Seq, received: Timestamp, arrival: Arrival, window: Duration, now: Timestamp) {
        self.pending += 1;
        match self.state {
            State::Idle => {
                self.class = match arrival {
                    Arrival::Live => self.live_class(),
                    Arrival::Bulk => Class::Bulk,
                };
                (self.ord, self.since) = (seq, received);
                self.state = match self.class {
                    Class::Update => wait(self.landed(received.min(now) + window), Wait::Coalesce, now),
                    Class::New | Class::Bulk => self.ready(),
                };
            }
            // Somebody has said something new: what was replayed or back-filled goes with it.
            _ if self.class == Class::Bulk && arrival == Arrival::Live => self.class = self.live_class(),
            State::Ready | State::Waiting { .. } | State::Leased { .. } | State::Dead => {}
        }
    }

    /// The dead events of a dead lane are pending again (`back`): a person replays them (as bulk), or a new event has come,
    /// and a corrected lead is what unblocks it. An open intent stays, so that the lead is searched for first.
    pub(super) fn revive(&mut self, back: Rest, arrival: Arrival) {
        self.class = match arrival {
            Arrival::Live => self.live_class(),
            Arrival::Bulk => Class::Bulk,
        };
        self.reset_counters();
        self.pending = back.count;
        self.place(back.first);
        self.state = if back.count == 0 { State::Idle } else { self.ready() };
    }

    /// Dead events of a lane that lives have been put back.
    pub(super) fn rejoin(&mut self, back: Rest) {
        self.pending += back.count;
        if self.state == State::Idle && back.count > 0 {
            self.class = Class::Bulk;
            self.place(back.first);
            self.state = self.ready();
        }
    }

    /// Dead events were discarded, and `left` of them are left.
    pub(super) fn discarded(&mut self, left: u64) {
        if self.is_dead() && left == 0 {
            self.state = State::Idle;
            // Who the lead is that may have been made went with the events.
            if let Some(intent) = &mut self.intent {
                intent.upto = Intent::NOTHING;
                self.telling = Telling::nothing();
            }
            if let Some(adopting) = &mut self.adopting {
                adopting.forget_who();
            }
        }
    }

    /// It is due.
    pub(super) fn promote(&mut self) {
        debug_assert!(matches!(self.state, State::Waiting { .. }), "only what waits comes due");
        self.state = State::Ready;
    }

    /// Whether no other lane of its lead may be worked on: it is, or what its lost worker has sent may still land.
    pub(super) fn has_the_lead(&self, now: Timestamp) -> bool {
        matches!(self.state, State::Leased { .. }) || self.lands.is_some_and(|lands| now < lands)
    }

    /// Whether it is worked on, and may create its lead.
    pub(super) fn may_create(&self) -> bool {
        matches!(self.state, State::Leased { .. }) && self.lead_id.is_none()
    }

    /// Puts it off, for `other` of the same lead goes first.
    pub(super) fn give_way(&mut self, other: &Self, now: Timestamp) {
        debug_assert_eq!(self.state, State::Ready, "only what is ready is put off");
        let until = other.lands.filter(|_| !matches!(other.state, State::Leased { .. }));
        self.state = wait(until.unwrap_or(now + TURN_AGAIN), Wait::Backoff, now);
    }

    /// Puts it off until the day may have room for it.
    pub(super) fn park(&mut self, until: Timestamp, now: Timestamp) {
        debug_assert_eq!(self.state, State::Ready, "only what is ready is put off");
        self.state = wait(until, Wait::Day, now);
    }

    /// What `doubt` means for a lane that is about to be claimed. What may have been sent without our knowing becomes an
    /// intent, and is searched for as if it had been begun when the doubt arose; so is an older intent, for that it was
    /// cleared and followed by another may be what was forgotten. Gives whether a look is to go before the create
    /// otherwise.
    pub(super) fn search_first(&mut self, doubt: Doubt) -> bool {
        if self.lead_id.is_some() {
            return false;
        }
        let uncleared = |post: &Forgotten| self.cleared.is_none_or(|cleared| cleared < post.before);
        let concerns = |post: &Forgotten| self.since < post.concerns;
        let Some(post) = doubt.forgotten.filter(uncleared).filter(concerns) else {
            return self.intent.is_none() && (doubt.look || self.forgotten || self.may_be_lost(doubt).is_some());
        };
        if self.intent.is_none_or(|open| open.at < post.before) {
            self.close_intent();
            self.intent = Some(Intent { fence: self.fence, at: post.before, upto: Intent::NOTHING });
            self.negatives = 0;
        }
        false
    }

    /// Since when its lead may have been made and forgotten with its events ([`Claimed::lost`](super::Claimed::lost)).
    pub(super) fn lost_since(&self, doubt: Doubt) -> Option<Timestamp> {
        match self.forgotten && self.lead_id.is_none() {
            true => Some(AT_ANY_TIME),
            false => self.may_be_lost(doubt).map(|lost| lost.since),
        }
    }

    /// What it came in for may be a lead that was forgotten: it came while that was likely, and may be claimed much later.
    fn may_be_lost(&self, doubt: Doubt) -> Option<Lost> {
        doubt.lost.filter(|lost| self.since < lost.until)
    }

    /// Leases it under the next fence, which is at least `least`.
    pub(super) fn claim(&mut self, worker: &WorkerId, least: u64, until: Timestamp, now: Timestamp) {
        debug_assert_eq!(self.state, State::Ready, "only what is ready is claimed");
        self.fence = (self.fence + 1).max(least);
        self.lands = None;
        self.state = State::Leased { worker: worker.clone(), from: now, until };
    }

    /// Whether the lease under `fence` lasts.
    pub(super) fn is_held(&self, fence: u64, now: Timestamp) -> bool {
        matches!(self.state, State::Leased { until, .. } if fence == self.fence && now < until)
    }

    /// Extends the lease of `worker` under `fence`; false when it is lost.
    pub(super) fn extend(&mut self, worker: &WorkerId, fence: u64, to: Timestamp, now: Timestamp) -> bool {
        if !self.is_held(fence, now) {
            return false;
        }
        match &mut self.state {
            State::Leased { worker: holder, until, .. } if holder == worker => *until = to.max(*until),
            State::Leased { .. } | State::Idle | State::Ready | State::Waiting { .. } | State::Dead => return false,
        }
        true
    }

    /// One more call is made under its lease; without a lead it may be an update of one that was found, of `adopting`. Gives
    /// whether that has to be kept.
    pub(super) fn call(&mut self, adopting: Option<&Adopting>, now: Timestamp) -> bool {
        if self.lead_id.is_some() {
            return false;
        }
        let is_first = self.lands.replace(now).is_none();
        let is_news = self.adopting.as_ref() != adopting;
        if is_news {
            self.adopting = adopting.cloned();
        }
        is_first || is_news
    }

    /// Whom the open intent's call names, where that is known.
    pub(super) fn named(&self) -> Option<Named> {
        self.intent.and(Some(&self.telling.named)).filter(|named| !named.is_nobody()).cloned()
    }

    /// Writes the intent of the lease under `fence`.
    pub(super) fn begin(&mut self, fence: u64, upto: Seq, telling: &Telling, now: Timestamp) -> Fenced {
        let begun = match self.intent {
            _ if !self.is_held(fence, now) => return Fenced::Stale,
            // The lead is there.
            _ if self.heard.is_some() => return Fenced::Stale,
            None => Fenced::Done,
            Some(same) if same.fence == fence => Fenced::AlreadyDone,
            // Another POST may be out: only a search may follow it.
            Some(_) => return Fenced::Stale,
        };
        if begun == Fenced::Done {
            self.negatives = 0;
        }
        self.intent = Some(Intent { fence, at: now, upto });
        self.telling.clone_from(telling);
        begun
    }

    /// Whether a settlement under `fence` is the one that is waited for (`Ok`), or what to answer instead.
    pub(super) fn expects(&self, fence: u64) -> Result<(), Fenced> {
        match self.state {
            State::Leased { .. } if fence == self.fence => Ok(()),
            _ if fence == self.settled && fence > 0 => Err(Fenced::AlreadyDone),
            State::Idle | State::Ready | State::Waiting { .. } | State::Leased { .. } | State::Dead => {
                Err(Fenced::Stale)
            }
        }
    }

    /// Whether it matters to `outcome` that something has joined since the claim.
    pub(super) fn asks_for_newer(&self, outcome: &Outcome) -> bool {
        self.lead_id.is_none() && matches!(outcome, Outcome::Dead { .. })
    }

    /// What `outcome` does to the pending events; `newer` says whether one of them has joined since the claim. To be asked,
    /// and done, before [`Lane::go`].
    pub(super) fn ends<'a>(&self, outcome: &'a Outcome, newer: bool) -> Ends<'a> {
        // A lead that was found is the end of the POST that made it, not of what joined the lane since.
        let joined_before = self.intent.map_or(self.fence, |intent| intent.fence);
        match outcome {
            Outcome::Done { lead_id, upto } => Ends::Delivered(Span { upto: *upto, joined_before }, lead_id),
            // It may be the correction that unblocks the lane, as if it had come a moment later.
            Outcome::Dead { .. } if self.lead_id.is_none() && newer => Ends::Nothing,
            Outcome::Dead { why, .. } if self.lead_id.is_none() => Ends::Dead(Span::ALL, why),
            Outcome::Dead { why, upto } => Ends::Dead(Span { upto: *upto, joined_before: self.fence }, why),
            Outcome::Withheld(holds) => Ends::Withheld(holds),
            Outcome::Retry { .. } | Outcome::Ambiguous { .. } | Outcome::Negative { .. } | Outcome::Release { .. } => {
                Ends::Nothing
            }
        }
    }

    /// Whether `outcome` ends a create that followed a doubt: a look a while later shows whether that was right. To be
    /// asked before [`Lane::go`].
    pub(super) fn is_to_be_verified(&self, outcome: &Outcome) -> bool {
        matches!(outcome, Outcome::Done { .. }) && self.lead_id.is_none() && self.cleared.is_some()
    }

    /// Whether `outcome` says that a create of ours has made the lead, now or before. To be asked before [`Lane::go`].
    pub(super) fn has_created(&self, outcome: &Outcome) -> bool {
        let sent = self.intent.is_some_and(|intent| !intent.is_suspected());
        let in_it = matches!(outcome, Outcome::Done { upto, .. } if *upto != Intent::NOTHING);
        self.lead_id.is_none() && sent && in_it
    }

    /// These words have reached the lead, of this lane or of another that knows it.
    pub(super) fn hear(&mut self, told: &Words) {
        self.told.hear(told);
    }

    /// Konektor says by itself that this is the lead. That a lead with the lane's reference is there is as conclusive as
    /// finding it (`queue.md` §2.6, step 4); a POST whose end was not known was the one that made it.
    pub(super) fn learn(&mut self, lead_id: &LeadId) -> Insight {
        match (&self.lead_id, &self.state) {
            (Some(known), _) if known == lead_id => Insight::Known,
            (Some(known), _) => Insight::Double(known.clone()),
            // The attempt finds it out by itself, or it ends without knowing, and then this counts.
            (None, State::Leased { .. }) if self.heard.as_ref() == Some(lead_id) => Insight::Known,
            (None, State::Leased { .. }) => {
                self.heard = Some(lead_id.clone());
                Insight::Kept
            }
            (None, State::Idle | State::Ready | State::Waiting { .. } | State::Dead) => {
                let upto = self.intent.map_or(Intent::NOTHING, |intent| intent.upto);
                Insight::Found(Outcome::Done { lead_id: lead_id.clone(), upto })
            }
        }
    }

    /// What was heard while the lease lasted that has just ended.
    pub(super) fn take_heard(&mut self) -> Option<LeadId> {
        debug_assert!(!matches!(self.state, State::Leased { .. }), "an attempt may find it out by itself");
        self.heard.take()
    }

    /// Whether it has no lead, and nothing was sent for one: it may still come to another lane's.
    pub(super) const fn may_follow(&self) -> bool {
        !self.may_have_a_lead() && !matches!(self.state, State::Leased { .. })
    }

    /// Whether its lead is there, or may be by what was sent for it.
    const fn may_have_a_lead(&self) -> bool {
        self.lead_id.is_some() || self.intent.is_some() || self.adopting.is_some()
    }

    /// It turns out to be of the same person as `other`, which has a lead or will have one first.
    pub(super) fn follow(&mut self, other: &ExternalRef) {
        debug_assert!(self.may_follow(), "it may have a lead of its own");
        self.follows = Some(other.clone());
    }

    /// Whether it knows the lead `lead_id`.
    pub(super) fn knows(&self, lead_id: &LeadId) -> bool {
        self.lead_id.as_ref() == Some(lead_id)
    }

    /// Konektor says by itself where the lead stands; gives whether that was news.
    pub(super) fn stand(&mut self, standing: Standing) -> bool {
        let is_newer = self.standing.is_none_or(|known| known.at < standing.at);
        if is_newer {
            self.standing = Some(standing);
        }
        is_newer
    }

    /// Goes where `outcome` says, which is that of an attempt ([`Lane::sign_off`] follows) or of an [`Insight`]. `rest`
    /// are the events that are still pending, `window` as in [`Lane::arrive`].
    pub(super) fn go(&mut self, outcome: &Outcome, rest: Rest, window: Duration, now: Timestamp) {
        self.pending = rest.count;
        match outcome {
            Outcome::Done { lead_id, upto } => {
                (self.lead_id, self.follows, self.adopting) = (Some(lead_id.clone()), None, None);
                let telling = std::mem::take(&mut self.telling);
                if self.intent.take().is_some_and(|intent| intent.upto == *upto) {
                    self.told.hear(&telling.words);
                }
                self.go_on(rest, window, now);
            }
            Outcome::Retry { at, counted } => {
                if *counted {
                    self.attempts += 1;
                    self.failing_since.get_or_insert(now);
                }
                self.put_back(*at, now);
            }
            Outcome::Release { at } => self.put_back(*at, now),
            Outcome::Ambiguous { at } => self.state = wait(*at, Wait::Reconcile, now),
            Outcome::Negative { at, settled } => {
                self.negatives = if *settled { 0 } else { self.negatives + 1 };
                if *settled {
                    self.close_intent();
                    self.cleared = Some(now);
                }
                self.state = wait(*at, self.why(), now);
            }
            Outcome::Dead { why, .. } => {
                self.forgotten |= self.lead_id.is_none() && why.reason == DeadReason::Unresolved;
                self.close_own_intent();
                match self.lead_id {
                    Some(_) => self.go_on(rest, window, now),
                    None if rest.count > 0 && self.class == Class::Bulk => self.revive(rest, Arrival::Bulk),
                    None if rest.count > 0 => self.revive(rest, Arrival::Live),
                    None => self.state = State::Dead,
                }
            }
            Outcome::Withheld(_) if rest.count == 0 => self.state = State::Idle,
            Outcome::Withheld(_) => {
                self.place(rest.first);
                self.state = State::Ready;
            }
        }
    }

    /// An attempt ends that has sent an update which may land until then, or none. To be told before [`Lane::go`].
    pub(super) const fn may_land(&mut self, until: Option<Timestamp>) {
        self.lands = until;
    }

    /// The attempt was settled.
    pub(super) const fn sign_off(&mut self) {
        self.settled = self.fence;
    }

    /// The lease has ended without a settlement. `crashed` is false when its worker is known to have done nothing bad
    /// (a clean stop, a stray lease). An update that it sent may land until `late_update` after the end of its lease: after
    /// a newer one it would bring old values back. `newer` says whether a pending event has joined since the claim.
    ///
    /// Gives why what had joined before is to end as dead, if it is; [`Lane::give_up`] follows then.
    pub(super) fn lost(
        &mut self,
        crashed: bool,
        newer: bool,
        late_update: Duration,
        now: Timestamp,
    ) -> Option<Undelivered> {
        self.lands = match self.state {
            State::Leased { until, .. } if self.lead_id.is_some() || self.lands.is_some() => Some(until + late_update),
            _ => None,
        };
        if crashed {
            let counts = self.crashed.is_some_and(|first| now < first + CRASHES_WITHIN);
            let first = self.crashed.filter(|_| counts).unwrap_or(now);
            (self.crashes, self.crashed) = (if counts { self.crashes + 1 } else { 1 }, Some(first));
        }
        self.state = match (self.intent, self.lands) {
            (Some(intent), _) => wait(now.max(intent.at + FIRST_LOOK), Wait::Reconcile, now),
            (None, Some(lands)) => wait(lands, Wait::Backoff, now),
            (None, None) => State::Ready,
        };
        if self.crashes < MAX_CRASHES {
            return None;
        }
        (self.crashes, self.crashed) = (0, None);
        if newer && self.lead_id.is_none() {
            // As if it had come a moment later.
            self.reset_counters();
            return None;
        }
        Some(Undelivered {
            reason: DeadReason::Crashed,
            detail: format!(
                "its worker was lost {MAX_CRASHES} times within a day; look into the log, then replay or discard"
            ),
        })
    }

    /// What had joined before the lost lease has ended, and this is left.
    pub(super) fn give_up(&mut self, rest: Rest) {
        self.pending = rest.count;
        self.place(rest.first);
        match (&self.lead_id, rest.count) {
            (None, _) => self.state = State::Dead,
            (Some(_), 0) => self.state = State::Idle,
            (Some(_), _) => self.class = Class::Update,
        }
    }

    /// The clock was set back: what it waits for comes as much earlier.
    pub(super) fn set_back(&mut self, by: Duration) {
        match &mut self.state {
            State::Waiting { due, .. } => *due -= by,
            State::Leased { from, until, .. } => {
                *from -= by;
                *until -= by;
            }
            State::Idle | State::Ready | State::Dead => {}
        }
        if let Some(intent) = &mut self.intent {
            intent.at -= by;
        }
        self.cleared = self.cleared.map(|cleared| cleared - by);
        self.lands = self.lands.map(|lands| lands - by);
        self.crashed = self.crashed.map(|crashed| crashed - by);
    }

    /// Whether it has to be known again if it comes back: its lead is there, or may be.
    pub(super) const fn leaves_a_trace(&self) -> bool {
        self.may_have_a_lead() || self.forgotten
    }

    /// Ready, once nothing may land any more.
    const fn ready(&self) -> State {
        match self.lands {
            Some(due) => State::Waiting { due, why: Wait::Backoff },
            None => State::Ready,
        }
    }

    /// Not before what may still land has.
    fn landed(&self, due: Timestamp) -> Timestamp {
        self.lands.map_or(due, |lands| due.max(lands))
    }

    fn live_class(&self) -> Class {
        if self.lead_id.is_none() { Class::New } else { Class::Update }
    }

    fn place(&mut self, first: Option<(Seq, Timestamp)>) {
        if let Some((ord, since)) = first {
            (self.ord, self.since) = (ord, since);
        }
    }

    /// To the old place, not before `at`.
    fn put_back(&mut self, at: Timestamp, now: Timestamp) {
        self.close_own_intent();
        self.state = wait(self.landed(at), self.why(), now);
    }

    /// What was begun under this lease is known not to have been executed: had its end been unclear, the attempt would
    /// have ended as [`Outcome::Ambiguous`]. An older intent stays.
    fn close_own_intent(&mut self) {
        if self.intent.is_some_and(|intent| intent.fence == self.fence) {
            self.close_intent();
        }
    }

    fn close_intent(&mut self) {
        self.intent = None;
        self.telling = Telling::nothing();
    }

    const fn why(&self) -> Wait {
        if self.intent.is_some() { Wait::Reconcile } else { Wait::Backoff }
    }

    /// On to what is left, as an update of the lead that is known now.
    fn go_on(&mut self, rest: Rest, window: Duration, now: Timestamp) {
        self.reset_counters();
        self.class = Class::Update;
        self.place(rest.first);
        self.state = match rest.first {
            Some((_, received)) => wait(self.landed(received.min(now) + window), Wait::Coalesce, now),
            None => State::Idle,
        };
    }

    fn reset_counters(&mut self) {
        (self.negatives, self.attempts, self.crashes) = (0, 0, 0);
        (self.failing_since, self.crashed) = (None, None);
    }
}
