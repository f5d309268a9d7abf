//! The model: by which names a person is known, and what is learned of a lead beside its events.

use jiff::Timestamp;

use super::model::{Alias, Model};
use crate::domain::event::{Item, Lesson};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::lane::Insight;
use crate::store::{Incident, SortCount, Standing};

impl Model {
    /// The lane that an item joins; all its names are names of that lane from now on.
    pub(super) fn join(&mut self, item: &Item, count: &mut SortCount, now: Timestamp) -> ExternalRef {
        let names: Vec<_> = std::iter::once(&item.external_ref).chain(&item.aliases).collect();
        let lanes = names.iter().filter_map(|name| self.named(name)).collect();
        let lane = self.oldest_of(lanes, count, now).unwrap_or_else(|| item.external_ref.clone());
        self.known(&lane, now);
        self.name(&lane, &names);
        lane
    }

    /// The oldest of the lanes of one person. The names of the others are its own from now on.
    fn oldest_of(&mut self, mut lanes: Vec<ExternalRef>, count: &mut SortCount, now: Timestamp) -> Option<ExternalRef> {
        lanes.sort_by_key(|lane| self.lanes[lane].born);
        lanes.dedup();
        let mut lanes = lanes.into_iter();
        let oldest = lanes.next()?;
        for twin in lanes {
            if self.aliases.get(&oldest).is_some_and(|alias| alias.lane == twin && !alias.past) {
                self.aliases.remove(&oldest);
            }
            self.aliases.values_mut().filter(|alias| alias.lane == twin && !alias.past).for_each(|alias| {
                alias.lane = oldest.clone();
            });
            self.name(&oldest, &[&twin]);
            if self.lanes[&twin].lane.may_follow() {
                self.known(&twin, now).lane.follow(&oldest);
                continue;
            }
            if self.lanes[&twin].lane.lead_id.is_some() && self.lanes[&oldest].lane.may_follow() {
                self.known(&oldest, now).lane.follow(&twin);
                continue;
            }
            count.incidents += 1;
            let lead_of = |lane| self.lanes[lane].lane.lead_id.as_ref();
            let (ours, double) = ((&oldest, lead_of(&oldest)), (&twin, lead_of(&twin)));
            let incident = Incident::of_twins(self.incidents.get(&oldest).cloned(), ours, double, now);
            self.incidents.insert(oldest.clone(), incident);
        }
        Some(oldest)
    }

    /// The lane that is known by this name.
    pub(super) fn named(&self, name: &ExternalRef) -> Option<ExternalRef> {
        match self.aliases.get(name) {
            Some(alias) => Some(alias.lane.clone()).filter(|_| !alias.past),
            None => self.lanes.contains_key(name).then(|| name.clone()),
        }
    }

    /// Remembers names of a lane.
    fn name(&mut self, lane: &ExternalRef, names: &[&ExternalRef]) {
        for name in names.iter().copied() {
            self.aliases.remove(name);
            if name != lane {
                self.aliases.insert(name.clone(), Alias { lane: lane.clone(), past: false });
            }
        }
    }

    pub(super) fn heed(&mut self, lesson: &Lesson, count: &mut SortCount, now: Timestamp) {
        match lesson {
            Lesson::Lead { external_ref, lead_id, status, at } => {
                let standing = status.map(|status| Standing { status, at: (*at).min(now) });
                self.learn(external_ref, lead_id, standing, count, now);
            }
            Lesson::Renamed { old, new } => self.rename(old, new, count, now),
        }
    }

    /// A lane learns which lead is its own, and where that stands.
    fn learn(
        &mut self,
        external_ref: &ExternalRef,
        lead_id: &LeadId,
        standing: Option<Standing>,
        count: &mut SortCount,
        now: Timestamp,
    ) {
        let Some(known) = self.lanes.get_mut(external_ref) else { return };
        let learned = match known.lane.learn(lead_id) {
            Insight::Known => false,
            Insight::Kept => true,
            Insight::Found(outcome) => {
                self.finish(external_ref, &outcome, now);
                true
            }
            Insight::Double(ours) => {
                self.report(external_ref, &ours, std::slice::from_ref(lead_id), now);
                count.incidents += 1;
                return;
            }
        };
        let lane = &mut self.lanes.get_mut(external_ref).expect("it was there").lane;
        let stands = standing.is_some_and(|standing| lane.stand(standing));
        if stands {
            self.known(external_ref, now);
        }
        count.learned += usize::from(learned || stands);
    }

    /// The lease has ended: what was heard meanwhile counts now.
    pub(super) fn heed_heard(&mut self, external_ref: &ExternalRef, now: Timestamp) {
        if let Some(lead_id) = self.known(external_ref, now).lane.take_heard() {
            self.learn(external_ref, &lead_id, None, &mut SortCount::default(), now);
        }
    }

    /// A person has other names now.
    fn rename(&mut self, old: &[ExternalRef], new: &[ExternalRef], count: &mut SortCount, now: Timestamp) {
        let Some(lane) = old.iter().find_map(|name| self.named(name)) else { return };
        count.learned += 1;
        let lanes = std::iter::once(lane.clone()).chain(new.iter().filter_map(|name| self.named(name))).collect();
        let lane = self.oldest_of(lanes, count, now).unwrap_or(lane);
        self.name(&lane, &new.iter().collect::<Vec<_>>());
        for name in old.iter().filter(|name| !new.contains(name)) {
            if self.named(name).as_ref() == Some(&lane) {
                // Whoever gets the number next is somebody else.
                self.aliases.insert(name.clone(), Alias { lane: lane.clone(), past: true });
            }
        }
    }

    pub(super) fn aliases_of(&self, lane: &ExternalRef) -> Vec<ExternalRef> {
        let of_lane = self.aliases.iter().filter(|(_, alias)| alias.lane == *lane && !alias.past);
        of_lane.map(|(name, _)| name.clone()).collect()
    }
}
