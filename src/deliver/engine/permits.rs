//! The right to call, one permit a call; and that an update is made from what the lead is, not from what it was before it
//! had to wait for its own.

use std::time::Duration;

use super::super::fold::named_in;
use super::attempt::{Attempt, Planned, Stage};
use super::{Ask, Change, Deed, Desk, Moment};
use crate::konektor::{CALL_TIMEOUT, Request};
use crate::store::{Observation, PermitGrant, PermitId};

/// A permit that has lain unused for longer is given back: the limiter forgets it a minute after a call under it would
/// have ended, had it been made at once.
const PERMIT_LASTS: Duration = Duration::from_secs(30);
/// How long after it was asked for a read is good enough to write from: people, too, write into the lead. As long as a call
/// may take; twice as long after each read that had become too old …
const READ_LASTS: Duration = CALL_TIMEOUT;
/// … and at most: longer than two calls are apart where one a minute is allowed, so that each update gets through.
const READ_LASTS_LONGEST: Duration = Duration::from_secs(80);
/// How long an attempt whose read is too old waits for another one of this kind: one at a time reads again, so that the
/// permits go to its write, and not to reads that become old together.
const TURN_AGAIN: Duration = Duration::from_secs(1);

/// What an attempt has read of its lead.
#[derive(Debug, Default)]
pub(super) struct Reads {
    /// When Konektor was last asked what the lead is, and has said it.
    last: Option<Duration>,
    /// How often that had become too old.
    again: u32,
    /// It is this attempt's turn to read again.
    turn: bool,
}

impl Reads {
    /// Konektor has said what the lead is, which it was asked then.
    pub(super) const fn read(&mut self, asked: Duration) {
        self.last = Some(asked);
    }

    /// Whether `request` would be made from what the lead was too long ago.
    fn are_too_old(&self, request: &Request, moment: Moment) -> bool {
        let lasts = READ_LASTS.saturating_mul(1 << self.again.min(8)).min(READ_LASTS_LONGEST);
        let old = self.last.is_some_and(|last| last + lasts < moment.running);
        matches!(request, Request::Update(..)) && old
    }
}

impl Attempt {
    /// One permit a call: the claim's, or one more.
    pub(super) fn prepare(&mut self, mut planned: Box<Planned>, desk: &mut Desk<'_>) -> Deed {
        let lasts = |(_, since): &(PermitId, Duration)| desk.moment.running < *since + PERMIT_LASTS;
        let Some((permit, _)) = self.permit.filter(lasts) else { return self.ask_permit(planned, desk) };
        if !self.has_time(desk.moment) {
            return self.release(desk);
        }
        match &planned.request {
            Request::Create(body) => {
                let named = named_in(body);
                self.write_intent(planned, named, desk)
            }
            Request::Update(lead, _) if self.reads.are_too_old(&planned.request, desk.moment) => {
                self.reads.again += 1;
                self.reads.turn = true;
                planned.request = Request::Get(lead.clone());
                self.call(planned, permit, desk)
            }
            _ => self.call(planned, permit, desk),
        }
    }

    /// The time has come at which a permit may be had.
    pub(super) fn unpark(&mut self, planned: Box<Planned>, desk: &mut Desk<'_>) -> Deed {
        if self.reads.are_too_old(&planned.request, desk.moment) && !self.reads.turn {
            if desk.reading_again {
                self.stage = Stage::Parked(planned);
                return Deed::Wait(TURN_AGAIN, Change::Nothing);
            }
            self.reads.turn = true;
        }
        self.ask_permit(planned, desk)
    }

    /// Whether it has its lead read again, and others have to wait with that.
    pub(super) const fn is_reading_again(&self) -> bool {
        self.reads.turn
    }

    fn ask_permit(&mut self, planned: Box<Planned>, desk: &mut Desk<'_>) -> Deed {
        self.return_permit(desk);
        let adopting = planned.plan.adopting().cloned();
        self.stage = Stage::Permitting(planned, desk.moment.running);
        Deed::Ask(Ask::Permit(self.lease().clone(), adopting))
    }

    pub(super) fn permitted(
        &mut self,
        planned: Box<Planned>,
        asked: Duration,
        grant: PermitGrant,
        desk: &mut Desk<'_>,
    ) -> Option<Deed> {
        match grant {
            PermitGrant::Granted(permit) => {
                self.permit = Some((permit, asked));
                Some(self.prepare(planned, desk))
            }
            // The heartbeat keeps the lease meanwhile.
            PermitGrant::NotBefore(at) => {
                self.stage = Stage::Parked(planned);
                let left: Duration = at.duration_since(desk.moment.now).try_into().unwrap_or_default();
                Some(Deed::Wait(left.max(Duration::from_millis(1)), Change::Nothing))
            }
            // It is claimed again when the pause is over.
            PermitGrant::Paused => Some(self.release(desk)),
            PermitGrant::Stale => None,
        }
    }

    pub(super) fn return_permit(&mut self, desk: &mut Desk<'_>) {
        if let Some((permit, _)) = self.permit.take() {
            desk.errands.push(Ask::Observe(permit, Observation::Unsent));
        }
    }
}
