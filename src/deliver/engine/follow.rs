//! A lane of a person who has another: whose lead it comes to, and when it is its turn to write there.

use std::time::Duration;

use super::attempt::{Attempt, Stage};
use super::{Ask, Deed, Desk};
use crate::konektor::Request;
use crate::store::{Intent, LaneDetail, Outcome};

/// How long a lane waits for another of the same person before it looks again.
const FOLLOW_AGAIN: Duration = Duration::from_secs(5);
/// How long a lane waits for another that is at the same lead.
const TURN_AGAIN: Duration = Duration::from_secs(2);

impl Attempt {
    /// Asks what becomes of another lane of the same person, if there is one. A POST that may be out comes first.
    pub(super) fn ask_other(&mut self) -> Option<Deed> {
        let other = self.claimed.follows.clone().filter(|_| self.claimed.intent.is_none())?;
        self.stage = Stage::Following;
        Some(Deed::Ask(Ask::Lane(other)))
    }

    /// Comes to the lead of another lane of the same person, or waits until it is known whether that has one; and while
    /// somebody writes into it there. What the lead has been told there is newer than what is older.
    ///
    /// A lane that was forgotten may have left its name to another one, or to this very lane: that is not the one meant.
    pub(super) fn followed(&mut self, other: Option<LaneDetail>, desk: &mut Desk<'_>) -> Deed {
        let other = other.filter(|other| Some(&other.external_ref) == self.claimed.follows.as_ref());
        let Some(LaneDetail { lead_id, told, pending, state, .. }) = other else { return self.read(desk) };
        let later = Outcome::Retry { at: desk.moment.now + FOLLOW_AGAIN, counted: false };
        match (&self.claimed.lead_id, lead_id) {
            (None, Some(lead_id)) => {
                self.words = vec![(Intent::NOTHING, told)];
                // From now on each hears what the other has told their lead.
                self.twin = self.claimed.follows.clone();
                self.settle(Outcome::Done { lead_id, upto: Intent::NOTHING }.into(), desk)
            }
            (None, None) if pending > 0 => self.settle(later.into(), desk),
            (Some(ours), Some(theirs)) if *ours == theirs && state == "leased" => self.settle(later.into(), desk),
            (Some(ours), Some(theirs)) if *ours == theirs => {
                self.claimed.told.hear(&told);
                self.read(desk)
            }
            // Nothing comes of it now. It may be replayed, and then comes to the lead that this one will have.
            (None, None) => {
                self.twin = self.claimed.follows.clone();
                self.read(desk)
            }
            // Each has come to a lead of its own.
            (Some(_), _) => self.read(desk),
        }
    }

    /// Before a lead is read, and then written: how long it has to be left alone, because another attempt is at it, or an
    /// older update may still land. The store sees to that where a lane knows its lead; this one may be about to.
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
