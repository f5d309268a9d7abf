//! By which names a person is known, and what is learned of a lead beside its events.

use jiff::Timestamp;
use rusqlite::{Connection, Error, OptionalExtension, params};

use super::db::Db;
use super::lanes::LaneRow;
use super::sql;
use super::values::{count_at, int};
use crate::domain::event::{Item, Lesson};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::lane::Insight;
use crate::store::{Incident, SortCount, Standing};

/// Another name of a lane.
struct Alias {
    lane: u64,
    past: bool,
}

/// The lane that an item joins, and what follows for others once it has.
pub(super) struct Joined {
    pub(super) row: LaneRow,
    twins: Vec<LaneRow>,
}

impl Db {
    /// Finds the lane that an item joins: the oldest that is known by one of its names, else that of its reference, which
    /// is not in the file before it is saved. Changes nothing.
    pub(super) fn join(&mut self, item: &Item) -> Result<Joined, Error> {
        if item.aliases.is_empty() && self.counts.aliases == 0 {
            return Ok(Joined { row: self.lane_for(&item.external_ref)?, twins: Vec::new() });
        }
        let mut lanes = Vec::new();
        for name in std::iter::once(&item.external_ref).chain(&item.aliases) {
            lanes.extend(self.named(name)?);
        }
        match oldest_first(lanes) {
            Some((row, twins)) => Ok(Joined { row, twins }),
            None => Ok(Joined { row: self.lane_for(&item.external_ref)?, twins: Vec::new() }),
        }
    }

    /// Remembers that the item has joined: all its names are that lane's from now on.
    pub(super) fn joined(
        &mut self,
        item: &Item,
        Joined { row, twins }: &mut Joined,
        count: &mut SortCount,
        now: Timestamp,
    ) -> Result<(), Error> {
        if item.aliases.is_empty() && self.counts.aliases == 0 {
            return Ok(());
        }
        self.merge(row, twins, count, now)?;
        std::iter::once(&item.external_ref).chain(&item.aliases).try_for_each(|name| self.name(row, name))
    }

    /// The names of the twins are the lane's own from now on, and a person is told.
    fn merge(
        &mut self,
        row: &mut LaneRow,
        twins: &mut [LaneRow],
        count: &mut SortCount,
        now: Timestamp,
    ) -> Result<(), Error> {
        for twin in twins {
            let own = alias(&self.conn, &row.external_ref)?;
            if own.is_some_and(|own| own.lane == twin.id && !own.past) {
                self.drop_alias(&row.external_ref)?;
            }
            self.cached(sql::HAND_OVER)?.execute([int(twin.id), int(row.id)])?;
            self.name(row, &twin.external_ref)?;
            if twin.lane.may_follow() {
                twin.lane.follow(&row.external_ref);
                self.save_lane(twin, now)?;
                continue;
            }
            if twin.lane.lead_id.is_some() && row.lane.may_follow() {
                row.lane.follow(&twin.external_ref);
                self.save_lane(row, now)?;
                continue;
            }
            count.incidents += 1;
            let before = self.incident(&row.external_ref)?;
            let ours = (&row.external_ref, row.lane.lead_id.as_ref());
            let double = (&twin.external_ref, twin.lane.lead_id.as_ref());
            self.save_incident(&Incident::of_twins(before, ours, double, now))?;
        }
        Ok(())
    }

    /// The lane that is known by this name.
    fn named(&self, name: &ExternalRef) -> Result<Option<LaneRow>, Error> {
        match alias(&self.conn, name)? {
            Some(Alias { past: true, .. }) => Ok(None),
            Some(Alias { lane, past: false }) => self.lane_with_id(lane).map(Some),
            None => self.find_lane(name),
        }
    }

    /// Remembers a name of a lane.
    fn name(&mut self, row: &LaneRow, name: &ExternalRef) -> Result<(), Error> {
        let own = *name == row.external_ref;
        match alias(&self.conn, name)? {
            None if own => Ok(()),
            Some(_) if own => self.drop_alias(name),
            Some(Alias { lane, past: false }) if lane == row.id => Ok(()),
            Some(_) | None => self.save_alias(row.id, name, false),
        }
    }

    pub(super) fn save_alias(&mut self, lane: u64, name: &ExternalRef, past: bool) -> Result<(), Error> {
        self.drop_alias(name)?;
        self.cached(sql::SAVE_ALIAS)?.execute(params![name.as_str(), int(lane), past])?;
        self.counts.aliases += 1;
        Ok(())
    }

    fn drop_alias(&mut self, name: &ExternalRef) -> Result<(), Error> {
        let gone = self.cached(sql::DROP_ALIAS)?.execute([name.as_str()])?;
        self.counts.aliases -= gone as u64;
        Ok(())
    }

    pub(super) fn heed(&mut self, lesson: &Lesson, count: &mut SortCount, now: Timestamp) -> Result<(), Error> {
        match lesson {
            Lesson::Lead { external_ref, lead_id, status, at } => {
                let standing = status.map(|status| Standing { status, at: (*at).min(now) });
                self.hear(external_ref, lead_id, standing, count, now)
            }
            Lesson::Renamed { old, new } => self.rename(old, new, count, now),
        }
    }

    /// A lane hears which lead is its own, and where that stands.
    fn hear(
        &mut self,
        external_ref: &ExternalRef,
        lead_id: &LeadId,
        standing: Option<Standing>,
        count: &mut SortCount,
        now: Timestamp,
    ) -> Result<(), Error> {
        let Some(mut row) = self.find_lane(external_ref)? else { return Ok(()) };
        let before = row.lane.clone();
        if !self.learn(&mut row, lead_id, now)? {
            count.incidents += 1;
            return Ok(());
        }
        if let Some(standing) = standing {
            row.lane.stand(standing);
        }
        if row.lane != before {
            count.learned += 1;
            self.save_lane(&mut row, now)?;
        }
        Ok(())
    }

    /// A lane learns which lead is its own; false when it knows another one. It is to be saved then.
    fn learn(&mut self, row: &mut LaneRow, lead_id: &LeadId, now: Timestamp) -> Result<bool, Error> {
        match row.lane.learn(lead_id) {
            Insight::Known | Insight::Kept => Ok(true),
            Insight::Found(outcome) => self.finish(row, &outcome, now).map(|()| true),
            Insight::Double(ours) => {
                self.report(&row.external_ref, &ours, std::slice::from_ref(lead_id), now).map(|()| false)
            }
        }
    }

    /// The lease has ended: what was heard meanwhile counts now. The lane is to be saved then.
    pub(super) fn heed_heard(&mut self, row: &mut LaneRow, now: Timestamp) -> Result<(), Error> {
        match row.lane.take_heard() {
            Some(lead_id) => self.learn(row, &lead_id, now).map(drop),
            None => Ok(()),
        }
    }

    /// A person has other names now.
    fn rename(
        &mut self,
        old: &[ExternalRef],
        new: &[ExternalRef],
        count: &mut SortCount,
        now: Timestamp,
    ) -> Result<(), Error> {
        let mut lanes = Vec::new();
        for name in old {
            if lanes.is_empty() {
                lanes.extend(self.named(name)?);
            }
        }
        if lanes.is_empty() {
            return Ok(());
        }
        for name in new {
            lanes.extend(self.named(name)?);
        }
        let Some((mut row, mut twins)) = oldest_first(lanes) else { return Ok(()) };
        count.learned += 1;
        self.merge(&mut row, &mut twins, count, now)?;
        new.iter().try_for_each(|name| self.name(&row, name))?;
        for name in old.iter().filter(|name| !new.contains(name)) {
            if self.named(name)?.is_some_and(|lane| lane.id == row.id) {
                // Whoever gets the number next is somebody else.
                self.save_alias(row.id, name, true)?;
            }
        }
        Ok(())
    }
}

/// The oldest of the lanes of one person, and the others.
fn oldest_first(mut lanes: Vec<LaneRow>) -> Option<(LaneRow, Vec<LaneRow>)> {
    lanes.sort_by_key(|row| row.id);
    lanes.dedup_by_key(|row| row.id);
    let mut lanes = lanes.into_iter();
    Some((lanes.next()?, lanes.collect()))
}

fn alias(conn: &Connection, name: &ExternalRef) -> Result<Option<Alias>, Error> {
    let mut statement = conn.prepare_cached(sql::ALIAS)?;
    statement.query_row([name.as_str()], |row| Ok(Alias { lane: count_at(row, 0)?, past: row.get(1)? })).optional()
}

/// The names that a lane has beside its reference.
pub(super) fn aliases_of(conn: &Connection, lane: u64) -> Result<Vec<ExternalRef>, Error> {
    let mut statement = conn.prepare_cached(sql::ALIASES_OF)?;
    statement.query_map([int(lane)], |row| row.get(0).map(ExternalRef::from_stored))?.collect()
}
