//! The admin API: one function per path.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::Query;
use bytes::Bytes;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use super::Parts;
use super::fault::Fault;
use super::numbers::within;
use super::wire::{self, AuditQuery, ListQuery, PauseState, Which};
use crate::domain::event::{DeadReason, EventId, Hold, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::form::{Form, SHOWN_FOR};
use crate::http;
use crate::providers::{Configured, SourceState};
use crate::store::{self, EventFilter, EventQuery, EventState, PauseReason, Selector, StoreError, Topic};

/// The state of dead letters.
pub(super) const DEAD: EventState = EventState::Dead;
/// The state of withheld events.
pub(super) const WITHHELD: EventState = EventState::Withheld;

/// Events on a page that asks for no number.
const PAGE: usize = 50;
/// Events on a page at most.
const LARGEST_PAGE: usize = 1000;
/// Events that one request moves at most, so that none holds up what is being kept.
const MOVE_AT_ONCE: usize = 1000;
/// Events that a page of dead letters brings back at most: a dead lane comes back whole, and none may be passed over.
const REVIVED_AT_ONCE: usize = 1_000_000;
/// Lanes that one request looks through.
const AUDIT_AT_ONCE: usize = 1000;

pub(super) async fn stats(parts: &Parts) -> Result<HttpResponse, Fault> {
    let outage = *parts.outage.borrow();
    let (stats, kept) = tokio::join!(parts.store.stats(parts.clock.now()), within(parts.store.would_keep()));
    let full = match kept {
        Err(StoreError::Full(cap)) => Some(cap),
        Ok(()) | Err(_) => None,
    };
    Ok(ok(&wire::Stats::of(stats?, outage, full)))
}

pub(super) async fn sources(parts: &Parts) -> HttpResponse {
    let registry = parts.registry.borrow().clone();
    // Which sources there are can be said without the store.
    let memos = parts.store.memos(Topic::Form).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the store could not say which forms have changed");
        Vec::new()
    });
    let since = parts.clock.now() - SHOWN_FOR;
    let shown = |(name, configured)| source(parts, name, configured, forms(name, &memos, since));
    let once_on = registry.once_on().map(ToString::to_string).collect();
    ok(&wire::Sources { sources: registry.iter().map(shown).collect(), once_on })
}

/// The forms of a source of which a change has been noticed since then.
fn forms(source: &SourceName, memos: &[(String, Bytes)], since: Timestamp) -> Vec<wire::Form> {
    let of_source = memos.iter().filter_map(|(key, memo)| {
        let (_, form) = key.split_once('/').filter(|(name, _)| *name == source.as_str())?;
        let Form { mut changes, .. } = serde_json::from_slice(memo).ok()?;
        changes.retain(|change| change.at >= since);
        (!changes.is_empty()).then(|| wire::Form { form: form.to_owned(), changes })
    });
    of_source.collect()
}

fn source(parts: &Parts, name: &SourceName, configured: &Configured, forms: Vec<wire::Form>) -> wire::Source {
    let base = parts.public_url.as_ref().map_or("", |url| url.as_str().trim_end_matches('/'));
    let (on, why, missing) = match &configured.state {
        SourceState::On(_) => (true, None, Vec::new()),
        SourceState::Off { why, missing, .. } => (false, Some(why.clone()), missing.clone()),
    };
    let token = if configured.ends_in_token() { "/<token>" } else { "" };
    let url = format!("{base}/hooks/{name}{token}");
    wire::Source { name: name.to_string(), provider: configured.dialect.clone(), url, on, why, missing, forms }
}

/// One step of looking through the store.
pub(super) async fn audit(parts: &Parts, query: &str) -> Result<HttpResponse, Fault> {
    let AuditQuery { cursor } = read_query(query)?;
    let audit = parts.store.audit(place(cursor)?, AUDIT_AT_ONCE, parts.clock.now()).await?;
    for store::Flaw { rule, says, .. } in &audit.flaws {
        tracing::error!(%rule, says, "the store does not agree with itself");
    }
    Ok(ok(&wire::Audit::from(audit)))
}

/// Events in `state`, or in the one that the query names.
pub(super) async fn events(parts: &Parts, query: &str, state: Option<EventState>) -> Result<HttpResponse, Fault> {
    let ListQuery { limit, cursor, state: asked, source, reason, since, until, lead, request } = read_query(query)?;
    if state.is_some() && asked.is_some() {
        return Err(Fault::request("state: this list has only one; leave it out, or ask for /admin/v1/events"));
    }
    let limit = page_size(limit)?;
    let before = place(cursor)?;
    let filter = filter(Which { source, reason, since, until, lead, request, ..Which::default() })?;
    let page = parts.store.events(EventQuery { state: state.or(asked), filter, limit, before }).await?;
    Ok(ok(&wire::EventPage::from(page)))
}

/// One event, if it is in `state`.
pub(super) async fn event(parts: &Parts, id: &str, state: Option<EventState>) -> Result<HttpResponse, Fault> {
    match parts.store.event(&event_id(id)?).await? {
        Some(event) if state.is_none_or(|state| event.row.state == state) => Ok(ok(&wire::EventDetail::from(event))),
        Some(_) => Err(Fault::Missing("it is not in this list any more; `konektor-bridge events show` has it")),
        None => Err(Fault::Missing("there is no such event; it may have ended long ago")),
    }
}

pub(super) async fn lane(parts: &Parts, external_ref: String) -> Result<HttpResponse, Fault> {
    match parts.store.lane(&ExternalRef::from_stored(external_ref)).await? {
        Some(lane) => Ok(ok(&wire::Lane::from(lane))),
        None => Err(Fault::Missing("nothing is known of a lead with this externalRef")),
    }
}

/// Leads that Konektor has more than once.
pub(super) async fn incidents(parts: &Parts, query: &str) -> Result<HttpResponse, Fault> {
    let Limit { limit } = read_query(query)?;
    let incidents = parts.store.incidents(page_size(limit)?).await?;
    Ok(ok(&wire::Incidents { incidents: incidents.into_iter().map(wire::Incident::from).collect() }))
}

/// Forgets incidents that a person has dealt with.
pub(super) async fn dismiss(parts: &Parts, body: &[u8]) -> Result<HttpResponse, Fault> {
    let which: wire::Dismissed =
        serde_json::from_slice(body).map_err(|error| Fault::request(format!("the body is wrong: {error}")))?;
    let lead = match (which.lead, which.all) {
        (Some(lead), false) => Some(ExternalRef::from_stored(lead)),
        (None, true) => None,
        _ => return Err(Fault::request("say which: lead, or all")),
    };
    let count = parts.store.dismiss(lead.as_ref()).await?;
    tracing::info!(count, "incidents dismissed");
    Ok(ok(&wire::Moved { count, more: false, next: None }))
}

/// Replays what is named, or a page of what matches, the newest first.
///
/// What dies again at once (a webhook that is still unreadable, a lead that is still refused) matches again, so asking for
/// the rest of what matches could meet it again and again. The list's cursor meets nothing twice.
pub(super) async fn replay(parts: &Parts, body: &[u8]) -> Result<HttpResponse, Fault> {
    let which = which(body)?;
    let before = place(which.cursor.clone())?;
    let (ids, next) = match selector(which)? {
        Selector::Ids(ids) => (ids, None),
        Selector::Matching(filter) => {
            let query = EventQuery { state: Some(DEAD), filter, limit: MOVE_AT_ONCE, before };
            let page = parts.store.events(query).await?;
            (page.events.into_iter().map(|event| event.id).collect(), page.next)
        }
    };
    let moved = parts.store.replay(&Selector::Ids(ids), REVIVED_AT_ONCE, parts.clock.now()).await?;
    tracing::info!(count = moved.count, "dead letters replayed");
    let next = next.map(|place| place.to_string());
    Ok(ok(&wire::Moved { count: moved.count, more: next.is_some(), next }))
}

pub(super) async fn release(parts: &Parts, body: &[u8]) -> Result<HttpResponse, Fault> {
    let moved = parts.store.release(&moved(body)?, MOVE_AT_ONCE, parts.clock.now()).await?;
    tracing::info!(count = moved.count, "withheld events released");
    Ok(ok(&wire::Moved::from(moved)))
}

pub(super) async fn discard(parts: &Parts, state: EventState, body: &[u8]) -> Result<HttpResponse, Fault> {
    let moved = parts.store.discard(state, &moved(body)?, MOVE_AT_ONCE, parts.clock.now()).await?;
    tracing::info!(count = moved.count, %state, "events discarded");
    Ok(ok(&wire::Moved::from(moved)))
}

pub(super) async fn pause(parts: &Parts) -> Result<HttpResponse, Fault> {
    parts.store.pause(PauseReason::Operator, parts.clock.now()).await?;
    tracing::info!("calls to Konektor paused by a person; webhooks are kept");
    pause_state(parts).await
}

pub(super) async fn resume(parts: &Parts) -> Result<HttpResponse, Fault> {
    parts.store.resume(None, parts.clock.now()).await?;
    tracing::info!("calls to Konektor resumed by a person");
    pause_state(parts).await
}

async fn pause_state(parts: &Parts) -> Result<HttpResponse, Fault> {
    let paused = parts.store.stats(parts.clock.now()).await?.paused;
    Ok(ok(&PauseState { paused: paused.map(|(why, since)| wire::Paused { why, since }) }))
}

fn ok(body: &impl Serialize) -> HttpResponse {
    http::json(StatusCode::OK, body)
}

/// The query of a list that has no pages.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Limit {
    limit: Option<usize>,
}

fn page_size(asked: Option<usize>) -> Result<usize, Fault> {
    let limit = asked.unwrap_or(PAGE);
    let fits = (1..=LARGEST_PAGE).contains(&limit);
    if fits { Ok(limit) } else { Err(Fault::request(format!("limit: 1 to {LARGEST_PAGE}"))) }
}

fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, Fault> {
    let times = "times are written as 2026-11-20T00:00:00Z";
    let read = Query::<T>::from_query(query).map_err(|error| Fault::request(format!("{error}; {times}")));
    read.map(Query::into_inner)
}

/// The place that a cursor names.
fn place(cursor: Option<String>) -> Result<Option<u64>, Fault> {
    cursor.map(|cursor| cursor.parse().map_err(|_| Fault::request("cursor: not one of ours"))).transpose()
}

fn which(body: &[u8]) -> Result<Which, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::request(format!("the body is wrong: {error}")))
}

/// What a body says is to be released or discarded. Neither comes back, so the rest is what still matches.
fn moved(body: &[u8]) -> Result<Selector, Fault> {
    let which = which(body)?;
    if which.cursor.is_some() {
        return Err(Fault::request(
            "cursor: only a replay has one; ask again with the same body while there is `more`",
        ));
    }
    selector(which)
}

/// What is to be moved. Nothing said is a mistake, not everything.
fn selector(which: Which) -> Result<Selector, Fault> {
    let conditions = Which { ids: Vec::new(), all: false, cursor: None, ..which.clone() };
    let narrowed = conditions != Which::default();
    match (which.ids.is_empty(), narrowed, which.all) {
        (false, false, false) => Ok(Selector::Ids(which.ids.iter().map(|id| event_id(id)).collect::<Result<_, _>>()?)),
        (true, true, false) | (true, false, true) => filter(conditions).map(Selector::Matching),
        _ => {
            Err(Fault::request("say which: ids, or one or more of source, reason, since, until, lead, request, or all"))
        }
    }
}

fn filter(which: Which) -> Result<EventFilter, Fault> {
    let Which { ids: _, source, reason, since, until, lead, request, all: _, cursor: _ } = which;
    let (source, reason, request) = (source_name(source)?, reason_word(reason)?, request_id(request)?);
    Ok(EventFilter { source, reason, since, until, lead: lead.map(ExternalRef::from_stored), request })
}

fn event_id(text: &str) -> Result<EventId, Fault> {
    let mut bytes = [0; 16];
    match hex::decode_to_slice(text, &mut bytes) {
        Ok(()) => Ok(EventId::from_bytes(bytes)),
        Err(_) => Err(Fault::request(
            "id: an event's id has 32 characters of 0-9 and a-f; the events of a request are listed by its id as `request`",
        )),
    }
}

/// What is no id of a request would find nothing, and look as if there were nothing.
fn request_id(text: Option<String>) -> Result<Option<String>, Fault> {
    match text {
        Some(text) if !http::is_request_id(&text) => {
            Err(Fault::request("request: the id of a request is written like 01a2b3c4-d5e6-7f80-9a0b-1c2d3e4f5061"))
        }
        text => Ok(text.map(|text| text.to_ascii_lowercase())),
    }
}

fn source_name(text: Option<String>) -> Result<Option<SourceName>, Fault> {
    let name = text.map(|text| SourceName::parse(&text)).transpose();
    name.map_err(|error| Fault::request(format!("source: {error}")))
}

/// A word that is no reason would find nothing, and look as if there were nothing.
fn reason_word(text: Option<String>) -> Result<Option<String>, Fault> {
    let known =
        |word: &str| word.parse::<DeadReason>().is_ok() || word.parse::<Hold>().is_ok_and(|hold| hold != Hold::No);
    match text {
        Some(word) if !known(&word) => {
            let dead = DeadReason::VARIANTS.iter().map(ToString::to_string);
            let held = Hold::VARIANTS.iter().filter(|hold| **hold != Hold::No).map(ToString::to_string);
            Err(Fault::request(format!("reason: one of {}", dead.chain(held).collect::<Vec<_>>().join(", "))))
        }
        word => Ok(word),
    }
}
