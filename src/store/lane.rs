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

use std::time::Duration;

use jiff::Timestamp;

use super::suspicion::{AT_ANY_TIME, Doubt, Forgotten};
use super::{Arrival, Class, Fenced, Intent, Outcome, Seq, Standing, Undelivered, Words, WorkerId};
use crate::domain::event::{DeadReason, Hold};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;

/// How long an update waits for more to say, from its first event on (`queue.md` §2.11, C4) …
const COALESCE: Duration = Duration::from_secs(2);
/// … and how long at most, when so many wait that it would have to anyway.
const COALESCE_LONGEST: Duration = Duration::from_secs(30);
/// Calls that an update takes: it looks before it writes.
const CALLS_OF_AN_UPDATE: u64 = 2;
/// How long after a create that followed a doubt the lead is searched for once more: far longer than a lead takes to be
/// found (`queue.md` §2.6, step 7).
pub(super) const VERIFY_AFTER: Duration = Duration::from_mins(15);
/// Earliest look for a lead after its worker was lost (`queue.md` §2.6, step 3): a hit is conclusive at any time.
const FIRST_LOOK: Duration = Duration::from_secs(2);
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
    pub(super) telling: Words,
    /// The lead may be there although nothing is known of it: an earlier lane, which knew it, was forgotten, or a search could not
    /// be decided.
    pub(super) forgotten: bool,
    /// Where Konektor said by itself that the lead stands.
    pub(super) standing: Option<Standing>,
    /// The lane of the same person that will have a lead first: that lead is this lane's, too.
    pub(super) follows: Option<ExternalRef>,
    /// Konektor said by itself which lead it is, while an attempt was under way that may find it out, too.
    pub(super) heard: Option<LeadId>,
}

/// Where a lane stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing is pending.
    Idle,
    /// May be claimed.
    Ready,
    /// May be claimed from `due` on.
    Waiting { due: Timestamp, why: Wait },
    /// Is worked on.
    Leased { worker: WorkerId, from: Timestamp, until: Timestamp },
    /// Given up, with all its events.
    Dead,
}

/// Why a lane waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// After a failure.
    Backoff,
    /// For more to say in one call.
    Coalesce,
    /// Until a search can tell whether an earlier POST went through.
    Reconcile,
    /// For tomorrow: Konektor takes no more leads today.
    Day,
}

/// How long an update waits for more, when `updates` lanes are ready to be updated before it, `others` for something
/// else, and Konektor takes `per_minute` calls. Not at all while nothing waits; a back-log that takes longer than a
/// minute lets it wait longer, so that it shrinks by itself.
pub(super) fn window(updates: u64, others: u64, per_minute: u32) -> Duration {
    if updates == 0 && others == 0 {
        return Duration::ZERO;
    }
    let minutes = updates.saturating_mul(CALLS_OF_AN_UPDATE) / u64::from(per_minute.max(1));
    COALESCE.saturating_mul(u32::try_from(minutes).unwrap_or(u32::MAX)).clamp(COALESCE, COALESCE_LONGEST)
}

/// Which of a lane's pending events an outcome ends: those up to `upto` that had joined before the claim under
/// `joined_before`. An older event that a person put back meanwhile was not in the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) upto: Seq,
    pub(super) joined_before: u64,
}

impl Span {
    /// Everything pending.
    pub(super) const ALL: Self = Self { upto: Seq::MAX, joined_before: u64::MAX };

    /// Whether it takes in an event.
    pub(super) const fn covers(self, seq: Seq, joined: u64) -> bool {
        seq <= self.upto && joined < self.joined_before
    }
}

/// What a lane makes of being told which lead is its own.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Insight {
    /// It knows.
    Known,
    /// An attempt is under way; it is kept until that has ended.
    Kept,
    /// This is how the doubt, or the wait, ends.
    Found(Outcome),
    /// It knows another one: Konektor has the lead twice.
    Double(LeadId),
}

/// What an outcome does to the lane's pending events.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ends<'a> {
    /// Nothing.
    Nothing,
    /// They have reached the lead.
    Delivered(Span, &'a LeadId),
    /// They are given up.
    Dead(Span, &'a Undelivered),
    /// These are withheld.
    Withheld(&'a [(Seq, Hold)]),
}

/// The pending events of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Rest {
    /// How many.
    pub(super) count: u32,
    /// The oldest, and when its webhook was received.
    pub(super) first: Option<(Seq, Timestamp)>,
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
            telling: Words::none(),
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
                    Class::Update => wait(received.min(now) + window, Wait::Coalesce, now),
                    Class::New | Class::Bulk => State::Ready,
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
        self.state = if back.count == 0 { State::Idle } else { State::Ready };
    }

    /// Dead events of a lane that lives have been put back.
    pub(super) fn rejoin(&mut self, back: Rest) {
        self.pending += back.count;
        if self.state == State::Idle && back.count > 0 {
            self.class = Class::Bulk;
            self.place(back.first);
            self.state = State::Ready;
        }
    }

    /// Dead events were discarded, and `left` of them are left.
    pub(super) fn discarded(&mut self, left: u64) {
        if self.is_dead() && left == 0 {
            self.state = State::Idle;
            // Who the lead is that may have been made went with the events.
            if let Some(intent) = &mut self.intent {
                intent.upto = Intent::NOTHING;
                self.telling = Words::default();
            }
        }
    }

    /// It is due.
    pub(super) fn promote(&mut self) {
        debug_assert!(matches!(self.state, State::Waiting { .. }), "only what waits comes due");
        self.state = State::Ready;
    }

    /// Puts it off until the day's leads are counted anew.
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
            return self.intent.is_none() && (doubt.look || self.forgotten);
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
        if self.forgotten && self.lead_id.is_none() { Some(AT_ANY_TIME) } else { doubt.lost }
    }

    /// Leases it under the next fence, which is at least `least`.
    pub(super) fn claim(&mut self, worker: &WorkerId, least: u64, until: Timestamp, now: Timestamp) {
        debug_assert_eq!(self.state, State::Ready, "only what is ready is claimed");
        self.fence = (self.fence + 1).max(least);
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

    /// Writes the intent of the lease under `fence`.
    pub(super) fn begin(&mut self, fence: u64, upto: Seq, telling: &Words, now: Timestamp) -> Fenced {
        let begun = match self.intent {
            _ if !self.is_held(fence, now) => return Fenced::Stale,
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

    /// What `outcome` does to the pending events. To be asked, and done, before [`Lane::go`].
    pub(super) fn ends<'a>(&self, outcome: &'a Outcome) -> Ends<'a> {
        // A lead that was found is the end of the POST that made it, not of what joined the lane since.
        let joined_before = self.intent.map_or(self.fence, |intent| intent.fence);
        match outcome {
            Outcome::Done { lead_id, upto } => Ends::Delivered(Span { upto: *upto, joined_before }, lead_id),
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

    /// These words have reached the lead.
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
        self.lead_id.is_none() && self.intent.is_none() && !matches!(self.state, State::Leased { .. })
    }

    /// It turns out to be of the same person as `other`, which has a lead or will have one first.
    pub(super) fn follow(&mut self, other: &ExternalRef) {
        debug_assert!(self.may_follow(), "it may have a lead of its own");
        self.follows = Some(other.clone());
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
                self.lead_id = Some(lead_id.clone());
                let telling = std::mem::take(&mut self.telling);
                if self.intent.take().is_some_and(|intent| intent.upto == *upto) {
                    self.told.hear(&telling);
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
                if self.lead_id.is_none() { self.state = State::Dead } else { self.go_on(rest, window, now) }
            }
            Outcome::Withheld(_) if rest.count == 0 => self.state = State::Idle,
            Outcome::Withheld(_) => {
                self.place(rest.first);
                self.state = State::Ready;
            }
        }
    }

    /// The attempt was settled.
    pub(super) const fn sign_off(&mut self) {
        self.settled = self.fence;
    }

    /// The lease has ended without a settlement. `crashed` is false when its worker is known to have done nothing bad
    /// (a clean stop, a stray lease). An update that it sent may land until `late_update` after the end of its lease.
    /// Gives why all pending events are to end as dead, if they are.
    pub(super) fn lost(&mut self, crashed: bool, late_update: Duration, now: Timestamp) -> Option<Undelivered> {
        if crashed {
            let counts = self.crashed.is_some_and(|first| now < first + CRASHES_WITHIN);
            let first = self.crashed.filter(|_| counts).unwrap_or(now);
            (self.crashes, self.crashed) = (if counts { self.crashes + 1 } else { 1 }, Some(first));
        }
        if self.crashes >= MAX_CRASHES {
            self.pending = 0;
            (self.crashes, self.crashed) = (0, None);
            self.state = if self.lead_id.is_none() { State::Dead } else { State::Idle };
            return Some(Undelivered {
                reason: DeadReason::Crashed,
                detail: format!(
                    "its worker was lost {MAX_CRASHES} times within a day; look into the log, then replay or discard"
                ),
            });
        }
        self.state = match (self.intent, &self.state) {
            (Some(intent), _) => wait(now.max(intent.at + FIRST_LOOK), Wait::Reconcile, now),
            // Landing after a newer one it would bring old values back.
            (None, State::Leased { until, .. }) if self.lead_id.is_some() => {
                wait(*until + late_update, Wait::Backoff, now)
            }
            (None, _) => State::Ready,
        };
        None
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
        self.crashed = self.crashed.map(|crashed| crashed - by);
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
        self.state = wait(at, self.why(), now);
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
        self.telling = Words::default();
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
            Some((_, received)) => wait(received.min(now) + window, Wait::Coalesce, now),
            None => State::Idle,
        };
    }

    fn reset_counters(&mut self) {
        (self.negatives, self.attempts, self.crashes) = (0, 0, 0);
        (self.failing_since, self.crashed) = (None, None);
    }
}

impl State {
    /// The word for a person.
    pub(super) const fn word(&self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Ready => "ready",
            Self::Waiting { .. } => "waiting",
            Self::Leased { .. } => "leased",
            Self::Dead => "dead",
        }
    }
}

fn wait(due: Timestamp, why: Wait, now: Timestamp) -> State {
    if due <= now { State::Ready } else { State::Waiting { due, why } }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::lead::Field;
    use crate::store::Word;

    const LATE_UPDATE: Duration = Duration::from_secs(18);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn me() -> WorkerId {
        WorkerId("me".to_owned())
    }

    fn words(upto: Seq) -> Words {
        Words::of([Field::Phone], Word { seq: upto, at: None })
    }

    /// What a lane meets.
    #[derive(Debug, Clone)]
    enum Step {
        Pass(i64),
        Arrive(Arrival),
        Claim,
        Begin,
        Settle(u8),
        Lost(bool),
        Replay,
        Learn,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..40i64).prop_map(Step::Pass),
            prop_oneof![3 => Just(Arrival::Live), 1 => Just(Arrival::Bulk)].prop_map(Step::Arrive),
            Just(Step::Claim),
            Just(Step::Claim),
            Just(Step::Begin),
            (0..9u8).prop_map(Step::Settle),
            (0..9u8).prop_map(Step::Settle),
            any::<bool>().prop_map(Step::Lost),
            Just(Step::Replay),
            Just(Step::Learn),
        ]
    }

    fn outcome(kind: u8, upto: Seq, now: Timestamp) -> Outcome {
        let lead_id = LeadId("L".to_owned());
        match kind {
            0 => Outcome::Done { lead_id, upto },
            1 => Outcome::Done { lead_id, upto: 0 },
            2 => Outcome::Retry { at: now, counted: true },
            3 => Outcome::Ambiguous { at: now + Duration::from_secs(2) },
            4 => Outcome::Negative { at: now, settled: false },
            5 => Outcome::Negative { at: now, settled: true },
            6 => Outcome::Dead { why: Undelivered { reason: DeadReason::Rejected, detail: String::new() }, upto },
            7 => Outcome::Withheld(vec![(upto, Hold::Spam)]),
            _ => Outcome::Release { at: now },
        }
    }

    /// A lane with its events, as a backend would keep them: seq, joined, and whether dead.
    struct World {
        lane: Lane,
        now: Timestamp,
        events: Vec<(Seq, u64, bool)>,
        last: Seq,
    }

    impl World {
        fn rest(&self, dead: bool) -> Rest {
            let mut rest = Rest::default();
            for (seq, ..) in self.events.iter().filter(|(.., is_dead)| *is_dead == dead) {
                rest.count += 1;
                rest.first = rest.first.or(Some((*seq, self.now)));
            }
            rest
        }

        fn revive(&mut self, arrival: Arrival) {
            let back = self.rest(true);
            self.events.iter_mut().for_each(|(_, joined, dead)| (*joined, *dead) = (self.lane.fence, false));
            self.lane.revive(back, arrival);
        }

        fn step(&mut self, step: &Step) {
            let is_leased = matches!(self.lane.state, State::Leased { .. });
            match step {
                Step::Pass(seconds) => {
                    self.now += Duration::from_secs(u64::try_from(*seconds).unwrap());
                    if matches!(self.lane.state, State::Waiting { due, .. } if due <= self.now) {
                        self.lane.promote();
                    }
                }
                Step::Arrive(arrival) => {
                    if self.lane.is_dead() {
                        self.revive(*arrival);
                    }
                    self.last += 1;
                    self.events.push((self.last, self.lane.fence, false));
                    self.lane.arrive(self.last, self.now, *arrival, COALESCE, self.now);
                }
                Step::Claim if self.lane.state == State::Ready => {
                    self.lane.claim(&me(), 0, self.now + Duration::from_secs(30), self.now);
                }
                Step::Begin => {
                    let _ = self.lane.begin(self.lane.fence, self.last, &words(self.last), self.now);
                }
                Step::Settle(kind) if self.lane.expects(self.lane.fence).is_ok() => {
                    self.settle(&outcome(*kind, self.last, self.now));
                }
                Step::Lost(crashed) if is_leased => {
                    if self.lane.lost(*crashed, LATE_UPDATE, self.now).is_some() {
                        self.events.iter_mut().for_each(|(.., dead)| *dead = true);
                    }
                    self.look_back();
                }
                Step::Replay if self.lane.is_dead() => self.revive(Arrival::Bulk),
                Step::Learn => self.learn(&LeadId("L".to_owned())),
                Step::Claim | Step::Settle(_) | Step::Lost(_) | Step::Replay => {}
            }
        }

        fn settle(&mut self, outcome: &Outcome) {
            let rest = self.end(outcome);
            self.lane.go(outcome, rest, COALESCE, self.now);
            self.lane.sign_off();
            self.look_back();
        }

        fn learn(&mut self, lead_id: &LeadId) {
            if let Insight::Found(outcome) = self.lane.learn(lead_id) {
                let rest = self.end(&outcome);
                self.lane.go(&outcome, rest, COALESCE, self.now);
            }
        }

        fn look_back(&mut self) {
            if let Some(lead_id) = self.lane.take_heard() {
                self.learn(&lead_id);
            }
        }

        fn end(&mut self, outcome: &Outcome) -> Rest {
            match self.lane.ends(outcome) {
                Ends::Nothing => {}
                Ends::Delivered(span, _) => {
                    self.events.retain(|(seq, joined, dead)| *dead || !span.covers(*seq, *joined))
                }
                Ends::Dead(span, _) => {
                    self.events.iter_mut().for_each(|(seq, joined, dead)| *dead |= span.covers(*seq, *joined));
                }
                Ends::Withheld(holds) => self.events.retain(|(seq, ..)| holds.iter().all(|(held, _)| held != seq)),
            }
            self.rest(false)
        }
    }

    proptest! {
        #[test]
        fn a_lane_never_loses_an_event_or_forgets_a_post(steps in proptest::collection::vec(step(), 1..80)) {
            let mut world = World { lane: Lane::new(), now: at(0), events: Vec::new(), last: 0 };
            for step in steps {
                let before = world.lane.clone();
                world.step(&step);
                let lane = &world.lane;
                prop_assert_eq!(lane.pending, world.rest(false).count, "{:?} after {:?}", lane, step);
                let at_rest = matches!(lane.state, State::Idle | State::Dead);
                prop_assert_eq!(at_rest, lane.pending == 0, "{:?} after {:?}", lane, step);
                prop_assert!(lane.lead_id.is_none() || !lane.is_dead());
                let is_leased = matches!(lane.state, State::Leased { .. });
                prop_assert!(lane.heard.is_none() || is_leased);
                prop_assert!(lane.fence >= before.fence);
                prop_assert!(lane.intent.is_some() || lane.telling.is_empty(), "{:?} after {:?}", lane, step);
                if let Some(open) = before.intent && lane.intent != Some(open) {
                    let own = open.fence == before.fence;
                    let may = match step {
                        Step::Settle(0 | 1 | 5) | Step::Learn => true,
                        Step::Settle(_) | Step::Lost(_) if before.heard.is_some() => true,
                        Step::Settle(2 | 6 | 8) | Step::Begin => own,
                        _ => false,
                    };
                    prop_assert!(may, "the intent {:?} was closed by {:?}", open, step);
                }
            }
        }
    }

    #[test]
    fn an_update_waits_from_its_webhook_on_not_from_its_sorting() {
        let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), ..Lane::new() };
        lane.arrive(1, at(0), Arrival::Live, COALESCE, at(1));
        assert_eq!(lane.state, State::Waiting { due: at(2), why: Wait::Coalesce });
        let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), ..Lane::new() };
        lane.arrive(1, at(0), Arrival::Live, COALESCE, at(60));
        assert_eq!(lane.state, State::Ready, "it lay in the inbox for longer than that");
        let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), ..Lane::new() };
        lane.arrive(1, at(500), Arrival::Live, COALESCE, at(0));
        assert_eq!(lane.state, State::Waiting { due: at(2), why: Wait::Coalesce }, "a clock was wrong");
    }

    #[test]
    fn what_a_back_fill_brings_waits_as_bulk_until_its_lead_says_something_new() {
        for (lead_id, live) in [(None, Class::New), (Some(LeadId("L".to_owned())), Class::Update)] {
            let mut lane = Lane { lead_id, ..Lane::new() };
            lane.arrive(1, at(0), Arrival::Bulk, COALESCE, at(0));
            assert_eq!((lane.class, &lane.state), (Class::Bulk, &State::Ready), "there is nothing to wait for");
            lane.arrive(2, at(0), Arrival::Bulk, COALESCE, at(0));
            assert_eq!(lane.class, Class::Bulk);
            lane.arrive(3, at(0), Arrival::Live, COALESCE, at(0));
            lane.arrive(4, at(0), Arrival::Bulk, COALESCE, at(0));
            assert_eq!(lane.class, live, "what is live is not held back by what is not");
        }
    }

    #[test]
    fn a_lost_worker_is_looked_after_two_seconds_from_its_post_or_at_once() {
        for (lost_at, due) in [(1, State::Waiting { due: at(2), why: Wait::Reconcile }), (40, State::Ready)] {
            let mut lane = Lane::new();
            lane.arrive(1, at(0), Arrival::Live, COALESCE, at(0));
            lane.claim(&me(), 0, at(30), at(0));
            assert_eq!(lane.begin(1, 1, &Words::default(), at(0)), Fenced::Done);
            assert_eq!(lane.lost(true, LATE_UPDATE, at(lost_at)), None);
            assert_eq!(lane.state, due);
        }
    }

    #[test]
    fn after_a_lost_worker_an_update_waits_until_its_own_can_not_land_any_more() {
        let mut lane = Lane { lead_id: Some(LeadId("L".to_owned())), state: State::Ready, ..Lane::new() };
        lane.claim(&me(), 0, at(30), at(0));
        assert_eq!(lane.lost(true, LATE_UPDATE, at(31)), None);
        assert_eq!(lane.state, State::Waiting { due: at(48), why: Wait::Backoff });
    }

    fn claimed_and_begun(lane: &mut Lane, now: Timestamp) {
        lane.claim(&WorkerId("w".into()), 0, now + Duration::from_secs(30), now);
        let _done = lane.begin(lane.fence, 1, &Words::default(), now);
    }

    fn refused() -> Outcome {
        Outcome::Dead { why: Undelivered { reason: DeadReason::Rejected, detail: String::new() }, upto: 1 }
    }

    #[test]
    fn a_create_that_was_refused_leaves_no_doubt_and_an_unclear_one_before_it_does() {
        let mut lane = Lane { state: State::Ready, ..Lane::new() };
        claimed_and_begun(&mut lane, at(0));
        lane.go(&refused(), Rest::default(), Duration::ZERO, at(1));
        lane.sign_off();
        assert_eq!((lane.intent, &lane.state), (None, &State::Dead));

        let mut unclear = Lane { state: State::Ready, ..Lane::new() };
        claimed_and_begun(&mut unclear, at(0));
        unclear.go(&Outcome::Ambiguous { at: at(2) }, Rest::default(), Duration::ZERO, at(1));
        unclear.sign_off();
        unclear.promote();
        unclear.claim(&WorkerId("w".into()), 0, at(40), at(3));
        unclear.go(&refused(), Rest::default(), Duration::ZERO, at(4));
        unclear.sign_off();
        assert_eq!(unclear.intent.map(|intent| intent.at), Some(at(0)));
    }

    #[test]
    fn c4_a_back_log_of_more_than_a_minute_widens_the_window_to_half_a_minute_at_most() {
        let seconds = |updates, others| window(updates, others, 60).as_secs();
        assert_eq!([seconds(0, 0), seconds(1, 0), seconds(0, 1), seconds(30, 0)], [0, 2, 2, 2]);
        assert_eq!([seconds(60, 0), seconds(300, 0), seconds(450, 0), seconds(99_999, 0)], [4, 20, 30, 30]);
        assert_eq!(window(300, 0, 600).as_secs(), 2, "at ten times the rate it is drained in a minute");
        assert_eq!(window(u64::MAX, 1, 0).as_secs(), 30, "no number makes it fail");
    }

    fn doubt_since(before: i64) -> Doubt {
        let forgotten = Some(Forgotten { before: at(before), concerns: at(before + 50) });
        Doubt { forgotten, look: true, lost: None }
    }

    fn suspected(since: i64, doubt: Doubt) -> (Lane, bool) {
        let mut lane = Lane { fence: 4, ..Lane::new() };
        lane.arrive(1, at(since), Arrival::Live, Duration::ZERO, at(since));
        let look = lane.search_first(doubt);
        (lane, look)
    }

    #[test]
    fn what_came_in_before_a_loss_is_reconciled_and_what_came_after_gets_one_look() {
        let doubt = doubt_since(100);
        let (old, look) = suspected(149, doubt);
        assert_eq!(old.intent, Some(Intent { fence: 4, at: at(100), upto: Intent::NOTHING }));
        assert!(!look, "it is more than a look");
        let (young, look) = suspected(150, doubt);
        assert_eq!((young.intent, look), (None, true));
        let (_, look) = suspected(150, Doubt { look: false, ..doubt });
        assert!(!look, "the window is over");
        let (old, _) = suspected(99, Doubt { look: false, ..doubt });
        assert!(old.intent.is_some(), "which changes nothing for what came before");
    }

    #[test]
    fn a_doubt_that_was_settled_is_not_raised_again_by_the_same_loss() {
        let doubt = doubt_since(100);
        let (mut lane, _) = suspected(99, doubt);
        lane.claim(&me(), 0, at(190), at(160));
        let rest = Rest { count: 1, first: Some((1, at(99))) };
        lane.go(&Outcome::Negative { at: at(161), settled: true }, rest, Duration::ZERO, at(161));
        lane.sign_off();
        assert_eq!(lane.intent, None);
        assert!(lane.search_first(doubt), "one look, for as long as the window is open");
        assert_eq!(lane.intent, None);
        lane.search_first(doubt_since(200));
        assert!(lane.intent.is_some(), "another loss is another doubt");
    }

    #[test]
    fn a_search_that_could_not_be_decided_is_made_again_before_anything_is_created() {
        let why = Undelivered { reason: DeadReason::Unresolved, detail: String::new() };
        let (mut lane, _) = suspected(0, Doubt::default());
        assert_eq!((lane.search_first(Doubt::default()), lane.lost_since(doubt_since(9))), (false, None));
        lane.claim(&me(), 0, at(30), at(0));
        lane.go(&Outcome::Dead { why, upto: 1 }, Rest::default(), Duration::ZERO, at(1));
        lane.sign_off();
        lane.revive(Rest { count: 1, first: Some((1, at(0))) }, Arrival::Live);
        assert!(lane.search_first(Doubt::default()));
        assert_eq!(lane.lost_since(Doubt::default()), Some(AT_ANY_TIME), "whoever is found may be it");
    }

    #[test]
    fn who_was_in_an_open_create_is_forgotten_with_its_events() {
        let intent = Intent { fence: 1, at: at(5), upto: 3 };
        let mut lane = Lane { intent: Some(intent), telling: words(3), state: State::Dead, ..Lane::new() };
        lane.discarded(1);
        assert_eq!((&lane.state, lane.intent), (&State::Dead, Some(intent)));
        lane.discarded(0);
        assert_eq!((&lane.state, lane.intent), (&State::Idle, Some(Intent { upto: Intent::NOTHING, ..intent })));
        assert!(lane.telling.is_empty());
    }

    #[test]
    fn a_lead_that_is_known_is_not_suspected() {
        let mut known = Lane { lead_id: Some(LeadId("L".into())), ..Lane::new() };
        assert!(!known.search_first(doubt_since(100)) && known.intent.is_none());
    }

    #[test]
    fn a_loss_makes_the_doubt_that_was_there_already_as_young_as_itself() {
        let open = |seconds| Intent { fence: 1, at: at(seconds), upto: 3 };
        let after = |intent: Intent| {
            let mut lane = Lane { intent: Some(intent), negatives: 1, ..Lane::new() };
            assert!(!lane.search_first(doubt_since(100)));
            (lane.intent, lane.negatives)
        };
        let (moved, negatives) = after(open(5));
        assert_eq!((moved.map(|intent| intent.at), negatives), (Some(at(100)), 0), "another POST may have been sent");
        assert!(moved.as_ref().is_some_and(Intent::is_suspected), "or this one have made the lead, long before");
        assert_eq!(after(open(101)), (Some(open(101)), 1), "this one was begun since");
    }

    #[test]
    fn a_fence_that_may_have_been_given_and_forgotten_is_not_given_again() {
        let mut lane = Lane { state: State::Ready, fence: 7, ..Lane::new() };
        lane.claim(&me(), 1_000, at(30), at(0));
        assert_eq!(lane.fence, 1_000);
        lane.state = State::Ready;
        lane.claim(&me(), 1_000, at(30), at(0));
        assert_eq!(lane.fence, 1_001);
    }

    #[test]
    fn only_a_create_that_followed_a_doubt_is_verified() {
        let done = Outcome::Done { lead_id: LeadId("L".into()), upto: 1 };
        let mut lane = Lane { state: State::Ready, ..Lane::new() };
        claimed_and_begun(&mut lane, at(0));
        assert!(!lane.is_to_be_verified(&done) && lane.has_created(&done));
        let mut cleared = Lane { state: State::Ready, cleared: Some(at(0)), ..Lane::new() };
        claimed_and_begun(&mut cleared, at(1));
        assert!(cleared.is_to_be_verified(&done));
        assert!(!cleared.is_to_be_verified(&refused()));
        let known = Lane { lead_id: Some(LeadId("L".into())), ..cleared };
        assert!(!known.is_to_be_verified(&done) && !known.has_created(&done), "that was an update");
    }
}
