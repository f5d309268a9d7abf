//! Who else knows a lead: which of them goes first, and what they have told it.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::core::{Core, Seen, Sync, Trouble};
use super::desk::Desk;
use super::lane::{Known, Name, name_of_lead, set_of};
use super::step::{Ask, Step};
use super::values::{Reply, Strange, int, next};
use crate::domain::lead::LeadId;
use crate::store::Words;
use crate::store::lane::Lane;
use crate::store::words::HEARD;

/// Lanes that are looked at together, at least, when all are to be listed.
const LOOKED_AT: u64 = 500;

/// Of lanes that know a lead, the others that know it.
pub(super) type Companies = BTreeMap<Name, Company>;

/// The other lanes of a lead, as they were seen.
pub(super) struct Company {
    /// The oldest of those that have the lead to themselves.
    pub(super) ahead: Option<Lane>,
    /// What they have told it.
    pub(super) told: Words,
    lead: Name,
    /// All that are listed under it, as they are kept, and the records of the others.
    listed: Bytes,
    others: Vec<(Name, Bytes)>,
}

impl Company {
    /// Nobody has come to the lead since, and nobody has told it anything.
    pub(super) fn check(&self, step: &mut Step) {
        step.check_knowing(self.lead, self.listed.clone());
        for (name, record) in &self.others {
            step.check_lane(*name, Some(record.clone()));
        }
    }
}

impl Core {
    /// Who else knows the leads of these lanes. Who is leased after the gate was `seen` has moved it, and then nothing comes
    /// of this claim.
    pub(super) async fn company(&self, seen: &Seen, of: Vec<(Name, LeadId)>) -> Result<Companies, Trouble> {
        if of.is_empty() {
            return Ok(Companies::new());
        }
        let ask = |ask: Ask, lead_id: &LeadId| ask.users(&set_of(lead_id)).knowing(name_of_lead(lead_id));
        let ask = of.iter().fold(Ask::nothing(), |asked, (_, lead_id)| ask(asked, lead_id));
        let mut answers = self.look(&ask, seen.now).await?;
        of.into_iter().map(|(name, lead_id)| Ok((name, company(name, &lead_id, seen, &mut answers)?))).collect()
    }

    /// Lists all lanes under their leads that a version before this one has left. Doing it twice changes nothing.
    pub(super) async fn list_all(&self) -> Result<(), Trouble> {
        let mut from = Some(0);
        while let Some(bucket) = from {
            let args = ["lanes".into(), int(bucket).into(), int(LOOKED_AT).into()];
            let mut answer = self.ask_audit(&args).await?.list()?;
            from = super::audit::maybe_number(next(&mut answer)?)?;
            let mut names = Vec::new();
            for lane in next(&mut answer)?.list()? {
                let name = next(&mut lane.list()?)?.bytes()?;
                names.push(name.try_into().map_err(|_| Strange("the name of a lane"))?);
            }
            self.list_these(&names).await?;
        }
        let done = |_: &mut Seen| {
            let mut step = Step::default();
            step.all_listed();
            Ok((Some(step), ()))
        };
        self.decide(Sync::Taken, &Ask::nothing(), None, done).await
    }

    async fn list_these(&self, names: &[Name]) -> Result<(), Trouble> {
        let ask = names.iter().fold(Ask::nothing(), |ask, name| ask.lane(*name));
        self.decide(Sync::Taken, &ask, None, |seen| {
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::default());
            for name in names {
                desk.take(seen.answer()?, None)?;
                let is_to_be = |known: &Known| known.lane.lead_id.is_some() && !known.is_listed;
                if desk.known(name).is_some_and(is_to_be) {
                    desk.quietly(name)?;
                }
            }
            let step = desk.finish();
            Ok(((!step.does.is_empty()).then_some(step), ()))
        })
        .await
    }
}

fn company(name: Name, lead_id: &LeadId, seen: &Seen, answers: &mut Seen) -> Result<Company, Strange> {
    let of_the_lead = |answer: Reply| {
        let mut others = Vec::new();
        for (other, record) in answer.pairs()? {
            let other: Name = other.try_into().map_err(|_| Strange("the name of a lane"))?;
            let known = Known::read(&record, seen.base.back)?;
            if other != name && known.lane.knows(lead_id) {
                others.push((other, Bytes::from(record), known));
            }
        }
        Ok(others)
    };
    let mut users = of_the_lead(answers.answer()?)?;
    users.retain(|(_, _, known)| known.lane.has_the_lead(seen.now));
    let ahead = users.into_iter().min_by_key(|(_, _, known)| known.born).map(|(_, _, known)| known.lane);
    let mut answer = answers.answer()?.list()?;
    let listed = next(&mut answer)?.bytes()?.into();
    let mut others = of_the_lead(next(&mut answer)?)?;
    // Those that came last stand last.
    others.drain(..others.len().saturating_sub(HEARD));
    let told = Words::of_all(others.iter().map(|(_, _, known)| &known.lane.told));
    let others = others.into_iter().map(|(other, record, _)| (other, record)).collect();
    Ok(Company { ahead, told, lead: name_of_lead(lead_id), listed, others })
}
