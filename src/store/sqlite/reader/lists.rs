//! The questions of people.

use rusqlite::{Connection, Error, OptionalExtension, Row, ToSql, params};

use crate::domain::event::EventId;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::lane::State;
use crate::store::sqlite::lanes::LaneRow;
use crate::store::sqlite::names::aliases_of;
use crate::store::sqlite::sql;
use crate::store::sqlite::values::{count_at, id_at, int, log_at, maybe_time_at, nanos, source_at, state_at, time_at};
use crate::store::{
    EventDetail, EventFilter, EventPage, EventQuery, EventRow, EventState, LaneDetail, Selector, Seq, receipt,
};

/// A page of events, newest first.
pub(in crate::store::sqlite) fn list(conn: &Connection, query: &EventQuery) -> Result<EventPage, Error> {
    let limit = receipt::page(query.limit);
    let statement = match (query.state, &query.filter.lead) {
        (None, None) => sql::LIST,
        (Some(_), None) => sql::LIST_IN_STATE,
        (None, Some(_)) => sql::LIST_OF_LEAD,
        (Some(_), Some(_)) => sql::LIST_OF_LEAD_IN_STATE,
    };
    let before = int(query.before.unwrap_or(Seq::MAX));
    let state = query.state.map(|state| state as i64);
    let [source, reason, since, until, lead, request] = conditions(&query.filter);
    let one_more = int(limit as u64 + 1);
    let mut statement = conn.prepare_cached(statement)?;
    let values = params![before, source, reason, since, until, state, lead, one_more, request];
    let mut events = statement.query_map(values, row)?.collect::<Result<Vec<_>, Error>>()?;
    let more = events.len() > limit;
    events.truncate(limit);
    let next = events.last().filter(|_| more).map(|row| row.seq);
    Ok(EventPage { events, next })
}

/// One event, whole.
pub(in crate::store::sqlite) fn event(conn: &Connection, id: &EventId) -> Result<Option<EventDetail>, Error> {
    let found = conn
        .prepare_cached(sql::EVENT_ROW)?
        .query_row([id.as_bytes()], |line| Ok((row(line)?, line.get::<_, Option<Vec<u8>>>(11)?)))
        .optional()?;
    let Some((row, body)) = found else { return Ok(None) };
    let lane = match &row.external_ref {
        Some(external_ref) => lane(conn, external_ref)?,
        None => None,
    };
    Ok(Some(EventDetail { row, body: body.map(Into::into), lane }))
}

/// What is known of a lead.
pub(in crate::store::sqlite) fn lane(
    conn: &Connection,
    external_ref: &ExternalRef,
) -> Result<Option<LaneDetail>, Error> {
    let detail = conn.prepare_cached(sql::LANE_DETAIL)?.query_row([external_ref.as_str()], lane_detail).optional()?;
    detail.map(|(id, detail)| Ok(LaneDetail { aliases: aliases_of(conn, id)?, ..detail })).transpose()
}

fn lane_detail(row: &Row<'_>) -> Result<(u64, LaneDetail), Error> {
    let LaneRow { id, external_ref, lane, .. } = LaneRow::read(row)?;
    let due = match lane.state {
        State::Waiting { due, .. } => Some(due),
        State::Idle | State::Ready | State::Leased { .. } | State::Dead => None,
    };
    let detail = LaneDetail {
        external_ref,
        state: lane.state.word(),
        due,
        aliases: Vec::new(),
        lead_id: lane.lead_id,
        standing: lane.standing,
        intent: lane.intent,
        adopting: lane.adopting.map(|adopting| adopting.lead_id),
        told: lane.told,
        pending: lane.pending,
        attempts: lane.attempts,
        crashes: lane.crashes,
        log: log_at(row, 33)?,
    };
    Ok((id, detail))
}

/// Events in `state` that are to be moved, oldest first, at most `max`.
pub(in crate::store::sqlite) fn chosen(
    conn: &Connection,
    state: EventState,
    which: &Selector,
    max: usize,
) -> Result<Vec<Seq>, Error> {
    match which {
        Selector::Ids(ids) => chosen_by_id(conn, state, ids, max),
        Selector::Matching(filter) => {
            let statement = if filter.lead.is_some() { sql::CHOSEN_OF_LEAD } else { sql::CHOSEN };
            let [source, reason, since, until, lead, request] = conditions(filter);
            let values = params![state as i64, source, reason, since, until, lead, int(max as u64), request];
            conn.prepare_cached(statement)?.query_map(values, |row| count_at(row, 0))?.collect()
        }
    }
}

fn chosen_by_id(conn: &Connection, state: EventState, ids: &[EventId], max: usize) -> Result<Vec<Seq>, Error> {
    let mut statement = conn.prepare_cached(sql::CHOSEN_BY_ID)?;
    let mut found = Vec::new();
    for id in ids {
        let seq = statement.query_row(params![id.as_bytes(), state as i64], |row| count_at(row, 0)).optional()?;
        found.extend(seq);
    }
    found.sort_unstable();
    found.dedup();
    found.truncate(max);
    Ok(found)
}

/// Source, reason, since, until, lead: as the statements number them; then the request, which is their last.
fn conditions(filter: &EventFilter) -> [Box<dyn ToSql>; 6] {
    let EventFilter { source, reason, since, until, lead, request } = filter;
    [
        Box::new(source.as_ref().map(|source| source.as_str().to_owned())),
        Box::new(reason.clone()),
        Box::new(since.map(nanos)),
        Box::new(until.map(nanos)),
        Box::new(lead.as_ref().map(|lead| lead.as_str().to_owned())),
        Box::new(request.clone()),
    ]
}

fn row(row: &Row<'_>) -> Result<EventRow, Error> {
    Ok(EventRow {
        seq: count_at(row, 0)?,
        id: id_at(row, 1)?,
        source: source_at(row, 2)?,
        external_ref: row.get::<_, Option<String>>(3)?.map(ExternalRef::from_stored),
        received: time_at(row, 4)?,
        request_id: row.get(5)?,
        state: state_at(row, 6)?,
        ended: maybe_time_at(row, 7)?,
        reason: row.get(8)?,
        detail: row.get(9)?,
        lead_id: row.get::<_, Option<String>>(10)?.map(LeadId),
    })
}
