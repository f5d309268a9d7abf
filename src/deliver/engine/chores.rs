//! What is looked up at Konektor beside the lanes: whether a lead is there once only, and how many were made today.

use super::super::{identity, quota, retry};
use super::{Ask, Deed, Desk, Effect, Engine, Moment, Party, Report, Said, Told, mismatch};
use crate::konektor::{Answer, Request, Verdict};
use crate::store::{Chore, DayNote, DayState, PermitId, Verification, Verified};

/// A chore under way.
#[derive(Debug)]
pub(super) enum Doing {
    /// Konektor's answer is waited for.
    Calling(Chore, PermitId, Moment),
    /// What Konektor told of the day is being noted.
    Noting,
}

impl Engine {
    /// Calls for `chore`.
    pub(super) fn chore(&mut self, permit: PermitId, chore: Chore, moment: Moment, out: &mut Vec<Effect>) {
        let call = Deed::Call(request(&chore));
        self.wait_for(call, Party::Chore(Box::new(Doing::Calling(chore, permit, moment))), out);
    }

    pub(super) fn chore_on(&mut self, doing: Doing, said: Said, moment: Moment, out: &mut Vec<Effect>) {
        match (doing, said) {
            (Doing::Calling(chore, permit, asked), Said::Answered(answer)) => {
                let note = self.at_desk(moment, out, |desk| {
                    desk.called(&request(&chore), None, &answer, permit, asked);
                    match &chore {
                        Chore::Verify(lead) => desk.verified(lead, &answer),
                        Chore::LookAtDay => return Some(desk.day(&answer)),
                    }
                    None
                });
                if let Some(note) = note {
                    self.wait_for(Deed::Ask(Ask::NoteDay(note)), Party::Chore(Box::new(Doing::Noting)), out);
                }
            }
            (Doing::Noting, Said::Told(Ok(Told::Day(state)))) => {
                if state != self.day {
                    out.push(Effect::Report(Report::Day { was: self.day, is: state }));
                    self.day = state;
                }
            }
            (Doing::Noting, Said::Told(Err(error))) => out.push(Effect::Report(Report::StoreFailed("day", error))),
            (_, said) => mismatch(&said),
        }
    }
}

impl Desk<'_> {
    /// One page is enough: this is a check on the assumptions of the guarantee, and proves nothing by finding nothing.
    fn verified(&mut self, lead: &Verification, answer: &Answer) {
        let verified = match &answer.verdict {
            Verdict::Found { leads, .. } => Verified::Seen(identity::doubles(leads, &lead.lead_id, &lead.external_ref)),
            _ => Verified::Later(self.moment.now + retry::VERIFY_AGAIN),
        };
        if let Verified::Seen(doubles) = &verified
            && !doubles.is_empty()
        {
            self.reports.push(Report::Doubled { kept: lead.lead_id.clone(), doubles: doubles.clone() });
        }
        self.errands.push(Ask::Verified(lead.clone(), verified));
    }

    /// What is to be noted of the day.
    fn day(&mut self, answer: &Answer) -> DayNote {
        let now = self.moment.now;
        match &answer.verdict {
            Verdict::Workspace(workspace) => quota::told(workspace, &(self.setup.values)(), now),
            Verdict::Forbidden => {
                if !std::mem::replace(self.may_not_ask, true) {
                    self.reports.push(Report::DayUntold);
                }
                quota::untold(true, now)
            }
            _ => quota::untold(false, now),
        }
    }

    /// Konektor takes no more leads today.
    pub(super) fn full(&mut self) {
        self.errands.push(Ask::NoteDay(DayNote::Refused));
        if *self.day != DayState::Full {
            self.reports.push(Report::Day { was: *self.day, is: DayState::Full });
            *self.day = DayState::Full;
        }
    }
}

fn request(chore: &Chore) -> Request {
    match chore {
        Chore::Verify(Verification { external_ref, .. }) => Request::search(external_ref.as_str()),
        Chore::LookAtDay => Request::Workspace,
    }
}
