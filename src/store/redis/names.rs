//! By which names a person is known, and what is learned of a lead beside its events: while a step of sorting is decided.

use std::collections::BTreeMap;

use super::desk::Desk;
use super::lane::{Name, name_of};
use super::values::{Reply, Strange, next};
use crate::domain::event::{Item, Lesson};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::lane::Insight;
use crate::store::{Incident, SortCount, Sorted, Standing};

/// Other names of lanes, as far as they are asked about.
#[derive(Default)]
pub(super) struct Names(BTreeMap<Name, Alias>);

#[derive(Debug, Clone, Copy)]
struct Alias {
    lane: Name,
    /// It was one once.
    past: bool,
}

/// The lane that an item joins, and others of the same person.
pub(super) struct Joined {
    pub(super) lane: Name,
    twins: Vec<Name>,
}

/// Every name that these records speak of.
pub(super) fn all_names(records: &[Sorted]) -> BTreeMap<Name, &ExternalRef> {
    let mut names: Vec<&ExternalRef> = Vec::new();
    for record in records {
        let Ok(items) = &record.split else { continue };
        for item in items {
            names.push(&item.external_ref);
            names.extend(&item.aliases);
        }
        for lesson in &record.lessons {
            match lesson {
                Lesson::Lead { external_ref, .. } => names.push(external_ref),
                Lesson::Renamed { old, new } => names.extend(old.iter().chain(new)),
            }
        }
    }
    names.into_iter().map(|name| (name_of(name), name)).collect()
}

impl Names {
    /// Takes in the answer to `named`, and puts the lanes on the desk.
    pub(super) fn take(
        &mut self,
        (name, external_ref): (Name, &ExternalRef),
        answer: Reply,
        desk: &mut Desk<'_>,
    ) -> Result<(), Strange> {
        let mut parts = answer.list()?;
        let alias = next(&mut parts)?.maybe_bytes()?;
        desk.take(next(&mut parts)?, Some(external_ref))?;
        if let Some(alias) = alias {
            let [lane @ .., past] = alias.as_slice() else { return Err(Strange("another name")) };
            let lane = lane.try_into().map_err(|_| Strange("another name"))?;
            self.0.insert(name, Alias { lane, past: *past != 0 });
            desk.take(next(&mut parts)?, None)?;
        }
        Ok(())
    }

    /// Finds the lane that an item joins: the oldest that is known by one of its names, else that of its reference.
    pub(super) fn join(&self, item: &Item, desk: &Desk<'_>) -> Joined {
        let names = std::iter::once(&item.external_ref).chain(&item.aliases);
        let lanes = names.filter_map(|name| self.named(name, desk)).collect();
        oldest_first(lanes, desk).unwrap_or_else(|| Joined { lane: name_of(&item.external_ref), twins: Vec::new() })
    }

    /// Remembers that the item has joined: all its names are that lane's from now on.
    pub(super) fn joined(
        &mut self,
        item: &Item,
        joined: &Joined,
        count: &mut SortCount,
        desk: &mut Desk<'_>,
    ) -> Result<(), Strange> {
        self.merge(joined, count, desk)?;
        let mut names = std::iter::once(&item.external_ref).chain(&item.aliases);
        names.try_for_each(|name| self.name(&joined.lane, name, desk))
    }

    /// The names of the twins are the lane's own from now on, and a person is told.
    fn merge(
        &mut self,
        Joined { lane, twins }: &Joined,
        count: &mut SortCount,
        desk: &mut Desk<'_>,
    ) -> Result<(), Strange> {
        for twin in twins {
            let other = desk.quietly(twin)?;
            let (twin_ref, double) = (other.external_ref.clone(), other.lane.lead_id.clone());
            let handed: Vec<_> = other.names.extract_if(.., |(_, past)| !*past).map(|(name, _)| name).collect();
            for name in handed {
                self.0.insert(name_of(&name), Alias { lane: *twin, past: false });
                self.name(lane, &name, desk)?;
            }
            self.name(lane, &twin_ref, desk)?;
            let ours = desk.quietly(lane)?.external_ref.clone();
            if desk.quietly(twin)?.lane.may_follow() {
                desk.lane(twin)?.lane.follow(&ours);
                continue;
            }
            if double.is_some() && desk.quietly(lane)?.lane.may_follow() {
                desk.lane(lane)?.lane.follow(&twin_ref);
                continue;
            }
            count.incidents += 1;
            let now = desk.now();
            desk.incident(lane, |before, known| {
                let ours = (&known.external_ref, known.lane.lead_id.as_ref());
                Incident::of_twins(before, ours, (&twin_ref, double.as_ref()), now)
            })?;
        }
        Ok(())
    }

    /// The lane that is known by this name.
    fn named(&self, name: &ExternalRef, desk: &Desk<'_>) -> Option<Name> {
        let name = name_of(name);
        match self.0.get(&name) {
            Some(alias) => (!alias.past).then_some(alias.lane),
            None => desk.is_there(&name).then_some(name),
        }
    }

    /// Remembers a name of a lane.
    fn name(&mut self, lane: &Name, name: &ExternalRef, desk: &mut Desk<'_>) -> Result<(), Strange> {
        let own = name_of(name) == *lane;
        match self.0.get(&name_of(name)) {
            None if own => Ok(()),
            Some(_) if own => {
                desk.step.no_name(name_of(name));
                self.forget(name, desk)
            }
            Some(alias) if alias.lane == *lane && !alias.past => Ok(()),
            Some(_) | None => self.save(lane, name, false, desk),
        }
    }

    fn save(&mut self, lane: &Name, name: &ExternalRef, past: bool, desk: &mut Desk<'_>) -> Result<(), Strange> {
        self.forget(name, desk)?;
        self.0.insert(name_of(name), Alias { lane: *lane, past });
        desk.quietly(lane)?.names.push((name.clone(), past));
        desk.step.name(name_of(name), *lane, past);
        Ok(())
    }

    fn forget(&mut self, name: &ExternalRef, desk: &mut Desk<'_>) -> Result<(), Strange> {
        if let Some(alias) = self.0.remove(&name_of(name)) {
            desk.quietly(&alias.lane)?.names.retain(|(other, _)| other != name);
        }
        Ok(())
    }

    pub(super) fn heed(&mut self, lesson: &Lesson, count: &mut SortCount, desk: &mut Desk<'_>) -> Result<(), Strange> {
        match lesson {
            Lesson::Lead { external_ref, lead_id, status, at } => {
                let standing = status.map(|status| Standing { status, at: (*at).min(desk.now()) });
                hear(&name_of(external_ref), lead_id, standing, count, desk)
            }
            Lesson::Renamed { old, new } => self.rename(old, new, count, desk),
        }
    }

    /// A person has other names now.
    fn rename(
        &mut self,
        old: &[ExternalRef],
        new: &[ExternalRef],
        count: &mut SortCount,
        desk: &mut Desk<'_>,
    ) -> Result<(), Strange> {
        let Some(lane) = old.iter().find_map(|name| self.named(name, desk)) else { return Ok(()) };
        let lanes = std::iter::once(lane).chain(new.iter().filter_map(|name| self.named(name, desk))).collect();
        let Some(joined) = oldest_first(lanes, desk) else { return Ok(()) };
        count.learned += 1;
        self.merge(&joined, count, desk)?;
        new.iter().try_for_each(|name| self.name(&joined.lane, name, desk))?;
        for name in old.iter().filter(|name| !new.contains(name)) {
            if self.named(name, desk) == Some(joined.lane) {
                // Whoever gets the number next is somebody else.
                self.save(&joined.lane, name, true, desk)?;
            }
        }
        Ok(())
    }
}

impl Desk<'_> {
    /// A lane learns which lead is its own; false when it knows another one.
    fn learn(&mut self, name: &Name, lead_id: &LeadId) -> Result<bool, Strange> {
        match self.quietly(name)?.lane.learn(lead_id) {
            Insight::Known | Insight::Kept => Ok(true),
            Insight::Found(outcome) => self.go(name, &outcome).map(|()| true),
            Insight::Double(ours) => {
                self.report(name, &ours, std::slice::from_ref(lead_id))?;
                Ok(false)
            }
        }
    }

    /// The lease has ended: what was heard meanwhile counts now.
    pub(super) fn heed_heard(&mut self, name: &Name) -> Result<(), Strange> {
        match self.lane(name)?.lane.take_heard() {
            Some(lead_id) => self.learn(name, &lead_id).map(drop),
            None => Ok(()),
        }
    }
}

/// A lane hears which lead is its own, and where that stands.
fn hear(
    name: &Name,
    lead_id: &LeadId,
    standing: Option<Standing>,
    count: &mut SortCount,
    desk: &mut Desk<'_>,
) -> Result<(), Strange> {
    let Some(before) = desk.known(name).filter(|_| desk.is_there(name)).map(|known| known.lane.clone()) else {
        return Ok(());
    };
    if !desk.learn(name, lead_id)? {
        count.incidents += 1;
        return Ok(());
    }
    if let Some(standing) = standing
        && desk.quietly(name)?.lane.stand(standing)
    {
        desk.lane(name)?;
    }
    count.learned += usize::from(desk.known(name).is_some_and(|known| known.lane != before));
    Ok(())
}

/// The oldest of the lanes of one person, and the others.
fn oldest_first(mut lanes: Vec<Name>, desk: &Desk<'_>) -> Option<Joined> {
    lanes.sort_by_key(|name| (desk.known(name).map(|known| known.born), *name));
    lanes.dedup();
    let mut lanes = lanes.into_iter();
    Some(Joined { lane: lanes.next()?, twins: lanes.collect() })
}
