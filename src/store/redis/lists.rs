//! What people look at: pages of events, one event, one lane; and which events a person means.

use std::collections::BTreeMap;

use redis::Value;

use super::core::{Core, Seen, Trouble};
use super::event::{NOBODY, Receipt, body};
use super::lane::{Known, Name, name_of};
use super::step::Ask;
use super::values::{Reply, Strange, int, next};
use crate::domain::event::EventId;
use crate::domain::external_ref::ExternalRef;
use crate::store::lane::State;
use crate::store::{
    EventDetail, EventFilter, EventPage, EventQuery, EventRow, EventState, LaneDetail, Selector, Seq, receipt,
};

/// Events looked at in one step: a few milliseconds.
const LOOK: i64 = 1000;
/// Questions asked in one step.
const QUESTIONS: usize = 250;

/// Events in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

/// An event that was found.
pub(super) struct Found {
    pub(super) seq: Seq,
    pub(super) receipt: Receipt,
    pub(super) external_ref: Option<ExternalRef>,
}

impl Core {
    /// A page of events, newest first.
    pub(super) async fn events(&self, query: &EventQuery) -> Result<EventPage, Trouble> {
        let limit = receipt::page(query.limit);
        let last = query.before.map_or(Seq::MAX, |before| before.saturating_sub(1));
        let mut found = self.find(query.state, &query.filter, last, Order::NewestFirst, limit + 1).await?;
        let more = found.len() > limit;
        found.truncate(limit);
        let events: Vec<EventRow> = found.into_iter().map(Found::row).collect();
        let next = events.last().filter(|_| more).map(|row| row.seq);
        Ok(EventPage { events, next })
    }

    /// Events in `state` that a person means, oldest first, at most `max`.
    pub(super) async fn chosen(&self, state: EventState, which: &Selector, max: usize) -> Result<Vec<Found>, Trouble> {
        match which {
            Selector::Matching(filter) => self.find(Some(state), filter, 0, Order::OldestFirst, max).await,
            Selector::Ids(ids) => {
                let mut found = BTreeMap::new();
                for ids in ids.chunks(QUESTIONS) {
                    let ask = ids.iter().fold(Ask::nothing(), |ask, id| ask.known(*id));
                    let mut seen = self.look(&ask, None).await?;
                    for _ in ids {
                        if let Some((seq, receipt)) = known(seen.answer()?)?
                            && receipt.state == state
                        {
                            found.insert(seq, Found { seq, receipt, external_ref: None });
                        }
                    }
                }
                Ok(found.into_values().take(max).collect())
            }
        }
    }

    /// Events that match, from one on, until there are so many.
    async fn find(
        &self,
        state: Option<EventState>,
        filter: &EventFilter,
        from: Seq,
        order: Order,
        enough: usize,
    ) -> Result<Vec<Found>, Trouble> {
        if let Some(lead) = &filter.lead {
            return self.find_of_lead(lead, state, filter, from, order, enough).await;
        }
        let (mut found, mut from) = (Vec::new(), from);
        while found.len() < enough {
            let (page, on) = self.page(state, from, order).await?;
            found.extend(page.into_iter().filter(|event| event.matches(state, filter)));
            let Some(on) = on else { break };
            from = on;
        }
        found.truncate(enough);
        Ok(found)
    }

    /// The next events, and where to go on.
    async fn page(
        &self,
        state: Option<EventState>,
        from: Seq,
        order: Order,
    ) -> Result<(Vec<Found>, Option<Seq>), Trouble> {
        self.check_open()?;
        let state = state.map_or(String::new(), |state| (state as u8).to_string());
        let direction = if order == Order::NewestFirst { "down" } else { "up" };
        let args = [state.into(), int(from).into(), direction.into(), LOOK.into()];
        let answer: Value = self.link.run(&self.scripts.page, &args).await?;
        let mut parts = Reply(answer).list()?;
        let on = next(&mut parts)?;
        let on = if on.is_nothing() { None } else { Some(on.number()?) };
        let (events, lanes) = (next(&mut parts)?, next(&mut parts)?);
        let mut owners = BTreeMap::new();
        for (name, record) in lanes.pairs()? {
            owners.insert(name, Known::read(&record, 0)?.external_ref);
        }
        let mut found = Vec::new();
        for (seq, receipt) in events.pairs()? {
            let receipt = Receipt::read(&receipt)?;
            let external_ref = owners.get(receipt.born.owner.as_slice()).cloned();
            found.push(Found { seq: super::values::parse(&seq)?, receipt, external_ref });
        }
        Ok((found, on))
    }

    /// Events from one on, oldest first, and where to go on.
    pub(super) async fn events_from(&self, from: Seq) -> Result<(Vec<Found>, Option<Seq>), Trouble> {
        self.page(None, from, Order::OldestFirst).await
    }

    /// Events without a lane in `state`, from one on, and where to go on.
    pub(super) async fn page_of(&self, state: EventState, from: Seq) -> Result<(Vec<Seq>, Option<Seq>), Trouble> {
        let (found, on) = self.page(Some(state), from, Order::OldestFirst).await?;
        let nobodys = found.into_iter().filter(|event| event.receipt.born.owner == NOBODY);
        Ok((nobodys.map(|event| event.seq).collect(), on))
    }

    async fn find_of_lead(
        &self,
        lead: &ExternalRef,
        state: Option<EventState>,
        filter: &EventFilter,
        from: Seq,
        order: Order,
        enough: usize,
    ) -> Result<Vec<Found>, Trouble> {
        let mut all = self.events_of(name_of(lead)).await?;
        all.retain(|seq| if order == Order::NewestFirst { *seq <= from } else { *seq >= from });
        if order == Order::NewestFirst {
            all.reverse();
        }
        let mut found = Vec::new();
        for some in all.chunks(QUESTIONS) {
            let ask = some.iter().fold(Ask::nothing(), |ask, seq| ask.receipt(*seq));
            let mut seen = self.look(&ask, None).await?;
            for seq in some {
                // One that is forgotten by now is nothing.
                let Some(receipt) = seen.answer()?.maybe_bytes()? else { continue };
                let event = Found { seq: *seq, receipt: Receipt::read(&receipt)?, external_ref: Some(lead.clone()) };
                if event.matches(state, filter) {
                    found.push(event);
                }
            }
            if found.len() >= enough {
                break;
            }
        }
        found.truncate(enough);
        Ok(found)
    }

    /// All events of a lane, oldest first.
    async fn events_of(&self, name: Name) -> Result<Vec<Seq>, Trouble> {
        let ask = Ask::nothing().lane(name).past(name, i64::MAX as u64, -1).dead(name);
        let mut seen = self.look(&ask, None).await?;
        let Some((known, _)) = lane(&mut seen)? else { return Ok(Vec::new()) };
        let mut all: Vec<Seq> = known.pending().iter().map(|event| event.seq).collect();
        all.extend(known.past());
        for _ in 0..2 {
            for seq in seen.answer()?.list()? {
                all.push(seq.number()?);
            }
        }
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// One event, whole.
    pub(super) async fn event(&self, id: EventId) -> Result<Option<EventDetail>, Trouble> {
        let mut seen = self.look(&Ask::nothing().known(id), None).await?;
        let Some((seq, receipt)) = known(seen.answer()?)? else { return Ok(None) };
        let owner = receipt.born.owner;
        let ask = Ask::nothing().receipt(seq).payload(seq).lane(owner);
        let mut seen = self.look(&ask, None).await?;
        let Some(receipt) = seen.answer()?.maybe_bytes()? else { return Ok(None) };
        let receipt = Receipt::read(&receipt)?;
        let payload = seen.answer()?.maybe_bytes()?;
        let body = payload.map(|payload| body(&payload)).transpose()?;
        let lane = if owner == NOBODY { None } else { lane(&mut seen)?.map(|(known, _)| detail(known)) };
        let external_ref = lane.as_ref().map(|lane| lane.external_ref.clone());
        Ok(Some(EventDetail { row: Found { seq, receipt, external_ref }.row(), body, lane }))
    }

    /// What is known of a lead.
    pub(super) async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, Trouble> {
        let mut seen = self.look(&Ask::nothing().named(name_of(external_ref)), None).await?;
        let mut parts = seen.answer()?.list()?;
        let alias = next(&mut parts)?.maybe_bytes()?;
        let own = next(&mut next(&mut parts)?.list()?)?.maybe_bytes()?;
        let record = match (own, alias) {
            (Some(own), _) => Some(own),
            // One that it had once is nobody's now.
            (None, Some(alias)) if alias.last() == Some(&0) => next(&mut next(&mut parts)?.list()?)?.maybe_bytes()?,
            (None, _) => None,
        };
        Ok(record.map(|record| Known::read(&record, seen.base.back)).transpose()?.map(detail))
    }
}

impl Found {
    fn matches(&self, state: Option<EventState>, filter: &EventFilter) -> bool {
        let EventFilter { source, reason, since, until, lead: _, request } = filter;
        let Receipt { born, stand, .. } = &self.receipt;
        state.is_none_or(|state| state == self.receipt.state)
            && source.as_ref().is_none_or(|source| *source == born.source)
            && reason.as_ref().is_none_or(|reason| stand.why.as_ref().is_some_and(|(word, _)| word == reason))
            && since.is_none_or(|since| since <= born.received)
            && until.is_none_or(|until| born.received < until)
            && request.as_ref().is_none_or(|request| *request == born.request_id)
    }

    fn row(self) -> EventRow {
        let Self { seq, receipt, external_ref } = self;
        let Receipt { born, state, stand, .. } = receipt;
        let (reason, detail) = stand.why.unzip();
        EventRow {
            seq,
            id: born.id,
            source: born.source,
            external_ref,
            received: born.received,
            request_id: born.request_id,
            state,
            ended: stand.ended,
            reason,
            detail,
            lead_id: stand.lead_id,
        }
    }
}

/// The answer to `known`.
fn known(answer: Reply) -> Result<Option<(Seq, Receipt)>, Strange> {
    if answer.is_nothing() {
        return Ok(None);
    }
    let mut parts = answer.list()?;
    let seq = next(&mut parts)?.number()?;
    Ok(Some((seq, Receipt::read(&next(&mut parts)?.bytes()?)?)))
}

/// The answer to `lane`, and the record as it is.
fn lane(seen: &mut Seen) -> Result<Option<(Known, Vec<u8>)>, Strange> {
    let mut parts = seen.answer()?.list()?;
    let record = next(&mut parts)?.maybe_bytes()?;
    let known = record.map(|record| Ok((Known::read(&record, seen.base.back)?, record)));
    known.transpose()
}

fn detail(known: Known) -> LaneDetail {
    let aliases = known.aliases();
    let Known { external_ref, lane, log, .. } = known;
    let due = match lane.state {
        State::Waiting { due, .. } => Some(due),
        State::Idle | State::Ready | State::Leased { .. } | State::Dead => None,
    };
    LaneDetail {
        external_ref,
        state: lane.state.word(),
        due,
        aliases,
        lead_id: lane.lead_id,
        standing: lane.standing,
        intent: lane.intent,
        adopting: lane.adopting.map(|adopting| adopting.lead_id),
        told: lane.told,
        pending: lane.pending,
        attempts: lane.attempts,
        crashes: lane.crashes,
        log,
    }
}
