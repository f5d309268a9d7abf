//! A lane of a person who has another: whose lead it comes to, and when it is its turn to write there.

use std::time::Duration;

use super::super::plan::Plan;
use super::attempt::{Attempt, Stage};
use super::{Ask, Deed, Desk};
use crate::konektor::Request;
use crate::store::{Claimed, Intent, LaneDetail, Outcome};

/// How long a lane waits for another of the same person before it looks again.
const FOLLOW_AGAIN: Duration = Duration::from_secs(5);
/// How long a lane waits for another that is at the same lead.
const TURN_AGAIN: Duration = Duration::from_secs(2);

impl Attempt {
    /// Asks what becomes of another lane of the same person, if there is one that will have a lead first. What this one may have
    /// already comes before that: a POST that may be out, or a lead that an update may have made its own, to which the other comes
    /// then.
    pub(super) fn ask_other(&mut self) -> Option<Deed> {
        let Claimed { follows, intent, lead_id, adopting, .. } = &self.claimed;
        let other = follows.clone().filter(|_| intent.is_none() && lead_id.is_none())?;
        self.twin = adopting.as_ref().map(|_| other.clone());
        if self.twin.is_some() {
            return None;
        }
        self.stage = Stage::Following;
        Some(Deed::Ask(Ask::Lane(other)))
    }

    /// Asks it after all, once the `plan` has found that this lane has not adopted a lead.
    pub(super) fn ask_other_after(&mut self, plan: &Plan) -> Option<Deed> {
        self.claimed.adopting.take_if(|_| plan.adopting().is_none())?;
        self.ask_other()
    }

    /// Comes to the lead of another lane of the same person, or waits until it is known whether that has one. At the next
    /// claim it hears what the lead has been told.
    ///
    /// A lane that was forgotten may have left its name to another one, or to this very lane: that is not the one meant.
    pub(super) fn followed(&mut self, other: Option<LaneDetail>, desk: &mut Desk<'_>) -> Deed {
        let other = other.filter(|other| Some(&other.external_ref) == self.claimed.follows.as_ref());
        match other.map(|LaneDetail { lead_id, pending, .. }| (lead_id, pending)) {
            Some((Some(lead_id), _)) => self.settle(Outcome::Done { lead_id, upto: Intent::NOTHING }.into(), desk),
            Some((None, 1..)) => {
                self.settle(Outcome::Retry { at: desk.moment.now + FOLLOW_AGAIN, counted: false }.into(), desk)
            }
            // Nothing comes of it now. It may be replayed, and then comes to the lead that this one will have.
            Some((None, 0)) => {
                self.twin = self.claimed.follows.clone();
                self.read(desk)
            }
            None => self.read(desk),
        }
    }

    /// Before a lead is read, and then written: how long it has to be left alone, because another attempt is at it, or an
    /// older update may still land. The store sees to that where a lane knows its lead; this one may be about to.
    ///
    /// One that has found the lead by its code has not heard yet what other lanes have told it: that it does at its next claim. Until
    /// then it needs not: it fills what is blank in a read that nobody of this process comes after, and brings up to date only
    /// what shows a word of its own ([`super::super::plan`]), so no word of theirs gives way to an older one.
    pub(super) fn come_to(&mut self, request: &Request, desk: &mut Desk<'_>) -> Option<Duration> {
        let Request::Get(lead) = request else { return None };
        let lands = desk.doubts.lands_within(lead, desk.moment.running);
        let left_alone = lands.or_else(|| desk.others.contains(lead).then_some(TURN_AGAIN));
        if left_alone.is_none() {
            self.lead = Some(lead.clone());
        }
        left_alone
    }
}
