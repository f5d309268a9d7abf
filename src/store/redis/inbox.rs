//! What has come in is read, and sorted.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use jiff::Timestamp;
use redis::Value;

use super::core::{Core, Seen, Sync, Trouble};
use super::deliver::finish;
use super::desk::Desk;
use super::event::{Born, NOBODY, Receipt, Stand, payload, read_webhook};
use super::gate::Kept;
use super::names::{Names, all_names};
use super::step::{Ask, Step};
use super::values::{Reply, Strange, int, next};
use crate::domain::event::{EventId, HoldCount, Item, Kept as Webhook, SourceName};
use crate::store::receipt::{self, Entry};
use crate::store::{EventState, InboxRecord, Options, Seq, SortCount, Sorted, Undelivered};

/// Items sorted in one step: others wait for one such step at most, a few milliseconds.
const STEP: usize = 64;
/// Bytes of webhooks that are read together.
const READ: u64 = 256 << 10;

/// The next records that are sorted in one step; at least one.
pub(super) fn next_step(left: &mut impl Iterator<Item = Sorted>) -> Vec<Sorted> {
    let (mut step, mut items) = (Vec::new(), 0);
    while items < STEP
        && let Some(record) = left.next()
    {
        items += record.split.as_ref().map_or(1, Vec::len).max(1);
        step.push(record);
    }
    step
}

impl Core {
    pub(super) async fn unsorted(&self, after: u64, max: usize) -> Result<Vec<InboxRecord>, Trouble> {
        self.check_open()?;
        let args = [int(max as u64).into(), int(READ).into(), int(after).into()];
        let answer: Value = self.link.run(&self.scripts.unsorted, &args).await?;
        let mut parts = Reply(answer).list()?;
        self.check_schema(next(&mut parts)?)?;
        let mut found = Vec::new();
        for (place, webhook) in next(&mut parts)?.pairs()? {
            found.push(InboxRecord { place: super::values::parse(&place)?, webhook: read_webhook(&webhook)? });
        }
        Ok(found)
    }

    /// Sorts what fits into one step.
    pub(super) async fn sort(&self, records: &[Sorted], now: Timestamp) -> Result<SortCount, Trouble> {
        let names = all_names(records);
        let ids: BTreeSet<EventId> = records.iter().flat_map(ids).collect();
        let ask = records.iter().fold(Ask::nothing().gate().ready(), |ask, record| match &record.split {
            Ok(_) => ask.waits(record.place),
            Err(_) => ask.webhook(record.place),
        });
        let ask = names.keys().fold(ask, |ask, name| ask.named(*name));
        let ask = ids.iter().fold(ask, |ask, id| ask.known(*id));
        self.decide(Sync::Taken, &ask, now, |seen| {
            let mut kept = Kept::read(seen.answer()?, &self.options)?;
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::that_tells());
            desk.goes_by(seen.answer()?, kept.gate.limiter.limit())?;
            let waits = records.iter().map(|record| waits(record, seen)).collect::<Result<Vec<_>, _>>()?;
            let mut sorting = Sorting {
                options: &self.options,
                desk,
                names: Names::default(),
                known: BTreeMap::new(),
                next_seq: seen.base.next_seq,
                count: SortCount::default(),
                now: seen.now,
            };
            for (name, external_ref) in &names {
                sorting.names.take((*name, external_ref), seen.answer()?, &mut sorting.desk)?;
            }
            for id in &ids {
                if let Some(event) = known_event(seen.answer()?)? {
                    sorting.known.insert(*id, event);
                }
            }
            for (record, waits) in records.iter().zip(waits) {
                sorting.record(record, waits)?;
            }
            let Sorting { mut desk, count, .. } = sorting;
            desk.step.check_seq(seen.base.next_seq);
            desk.step.check_names(seen.base.names);
            let step = finish(desk, &mut kept, seen);
            Ok(((!step.does.is_empty()).then_some(step), count))
        })
        .await
    }
}

/// The ids that may come of a record.
fn ids(record: &Sorted) -> Vec<EventId> {
    match &record.split {
        Ok(items) => items.iter().map(|item| item.id).collect(),
        Err(_) => {
            let Ok(id) = receipt::whole_id::<Infallible>(record, |_| Ok(false));
            vec![id]
        }
    }
}

/// What is in the inbox of a record.
enum Waits {
    Gone,
    There,
    Whole(Webhook),
}

fn waits(record: &Sorted, seen: &mut Seen) -> Result<Waits, Strange> {
    let answer = seen.answer()?;
    if record.split.is_ok() {
        return Ok(if answer.number::<i64>()? == 1 { Waits::There } else { Waits::Gone });
    }
    Ok(match answer.maybe_bytes()? {
        Some(webhook) => Waits::Whole(read_webhook(&webhook)?),
        None => Waits::Gone,
    })
}

/// An event that is known by its id.
struct KnownEvent {
    seq: Seq,
    known_until: Timestamp,
    source: SourceName,
}

fn known_event(answer: Reply) -> Result<Option<KnownEvent>, Strange> {
    if answer.is_nothing() {
        return Ok(None);
    }
    let mut parts = answer.list()?;
    let seq = next(&mut parts)?.number()?;
    let Receipt { born, .. } = Receipt::read(&next(&mut parts)?.bytes()?)?;
    Ok(Some(KnownEvent { seq, known_until: born.known_until, source: born.source }))
}

/// A step of sorting while it is decided.
struct Sorting<'a> {
    options: &'a Options,
    desk: Desk<'a>,
    names: Names,
    known: BTreeMap<EventId, KnownEvent>,
    next_seq: Seq,
    count: SortCount,
    now: Timestamp,
}

impl Sorting<'_> {
    fn record(&mut self, record: &Sorted, waits: Waits) -> Result<(), Strange> {
        if !matches!(waits, Waits::Gone) {
            self.count.records.push(record.place);
        }
        match (&record.split, waits) {
            (_, Waits::Gone) => Ok(()),
            (Err(why), Waits::Whole(webhook)) => self.bury_whole(record, webhook, why),
            (Ok(items), Waits::There) => {
                self.desk.step.check_webhook(record.place);
                self.desk.step.take_out(record.place);
                let Self { names, desk, count, .. } = self;
                record.lessons.iter().try_for_each(|lesson| names.heed(lesson, count, desk))?;
                items.iter().try_for_each(|item| self.item(record, item))
            }
            (Ok(_), Waits::Whole(_)) | (Err(_), Waits::There) => Err(Strange("an answer to another question")),
        }
    }

    fn item(&mut self, record: &Sorted, item: &Item) -> Result<(), Strange> {
        if let Some(KnownEvent { seq, known_until, source }) = self.known.get(&item.id) {
            if self.now < *known_until {
                self.count.duplicates += 1;
                return Ok(());
            }
            self.desk.step.rename(*seq, receipt::retired_id(source, item.id, *seq));
        }
        let joins = self.names.join(item, &self.desk);
        let name = joins.lane;
        let is_new = !self.desk.is_there(&name);
        let lane = self.desk.lane(&name)?;
        if is_new {
            lane.born = self.next_seq;
        }
        let (joined, entry) = (lane.lane.fence, Entry::of(item, lane.lane.pending, self.options));
        let born = Born {
            id: item.id,
            owner: name,
            known_until: receipt::known_until(item, self.options, self.now),
            source: record.source.clone(),
            received: record.received,
            request_id: record.request_id.clone(),
        };
        let known = KnownEvent { seq: self.next_seq, known_until: born.known_until, source: born.source.clone() };
        let stand = self.stand(&entry, joined);
        self.add(entry.state(), &born, &stand, &item.body);
        self.known.insert(item.id, known);
        let seq = self.next_seq - 1;
        match entry {
            Entry::Pending => {
                self.count.new += 1;
                self.desk.arrive(&name, seq, &record.source, record.received, record.arrival)?;
            }
            Entry::Withheld(hold) => {
                self.count.withheld += HoldCount::one(hold);
                self.desk.lay_by(&name, seq)?;
            }
            Entry::Dead(_) => {
                self.count.crowded += 1;
                self.desk.lane(&name)?.dead += 1;
            }
        }
        self.names.joined(item, &joins, &mut self.count, &mut self.desk)
    }

    fn stand(&self, entry: &Entry, joined: u64) -> Stand {
        let why = match entry {
            Entry::Pending => return Stand { joined, ..Stand::default() },
            Entry::Withheld(hold) => {
                let reason: &'static str = (*hold).into();
                (reason.to_owned(), receipt::why_withheld(*hold).to_owned())
            }
            Entry::Dead(why) => word_and_sentence(why),
        };
        Stand { joined, ended: Some(self.now), why: Some(why), lead_id: None }
    }

    fn add(&mut self, state: EventState, born: &Born, stand: &Stand, body: &[u8]) {
        self.desk.step.event(state, born.write(), stand.write_new(), payload(body), body.len());
        self.next_seq += 1;
    }

    /// A webhook that could not be split becomes a dead letter, whole.
    fn bury_whole(&mut self, record: &Sorted, webhook: Webhook, why: &Undelivered) -> Result<(), Strange> {
        let id = receipt::whole_id(record, |id| Ok(self.known.contains_key(&id)))?;
        let born = Born {
            id,
            owner: NOBODY,
            known_until: self.now + self.options.retention,
            source: webhook.source,
            received: webhook.received,
            request_id: webhook.request_id,
        };
        let why = Some(word_and_sentence(why));
        let stand = Stand { joined: 0, ended: Some(self.now), why, lead_id: None };
        let known = KnownEvent { seq: self.next_seq, known_until: born.known_until, source: born.source.clone() };
        self.known.insert(id, known);
        self.desk.step.check_webhook(record.place);
        self.desk.step.bury_whole(record.place, born.write(), stand.write_new());
        self.count.unreadable += 1;
        self.next_seq += 1;
        Ok(())
    }
}

fn word_and_sentence(why: &Undelivered) -> (String, String) {
    let reason: &'static str = why.reason.into();
    (reason.to_owned(), why.detail.clone())
}
