//! Back-fill when a person asks for it: a page of a sender's own list a request.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Parts;
use super::fault::Fault;
use crate::domain::event::SourceName;
use crate::http;
use crate::providers::{self, List, NotListed, Registry, Source, SourceState, Span};

/// Which page of a sender's own list of leads to read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageOfList {
    /// Leads submitted at or after this time.
    pub since: Timestamp,
    /// And before this; now where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The `next` of the answer before; absent for the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// What a page of a sender's own list brought. Ask again while there is `next`, with it as the `cursor`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Leads on the page, all of them kept. Those that are known already are told apart when they are sorted.
    pub kept: usize,
    /// Where the list goes on; absent at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Reads senders' own lists.
#[async_trait]
pub trait ReadList: Send + Sync {
    /// Reads the page of the list of `source` at `cursor` (`None`: the first), and keeps what is on it.
    ///
    /// # Errors
    /// [`NotListed`]: nothing of the page was kept.
    async fn page(&self, source: &Source, span: Span, cursor: Option<&str>) -> Result<providers::Listed, NotListed>;
}

/// Reads one page of the list of the source called `name`.
pub(super) async fn read(parts: &Parts, name: &str, body: &[u8]) -> Result<HttpResponse, Fault> {
    let PageOfList { since, until, cursor } =
        serde_json::from_slice(body).map_err(|error| Fault::request(format!("the body is wrong: {error}")))?;
    let span = Span { since, until: until.unwrap_or_else(|| parts.clock.now()) };
    if span.since >= span.until {
        return Err(Fault::request("since: before until"));
    }
    let registry = parts.registry.borrow().clone();
    let source = with_list(&registry, name)?;
    let providers::Listed { leads, next } = parts.lists.page(source, span, cursor.as_deref()).await?;
    if leads > 0 {
        tracing::info!(source = %source.name, leads, "a page of the sender's list was read, as a person asked for it");
    }
    Ok(http::json(StatusCode::OK, &Listed { kept: leads, next }))
}

/// The source called `name`, which has to be on and to have a list.
fn with_list<'r>(registry: &'r Registry, name: &str) -> Result<&'r Source, Fault> {
    let known = SourceName::parse(name).ok().and_then(|name| registry.iter().find(|(known, _)| **known == name));
    let (_, configured) =
        known.ok_or(Fault::Missing("there is no such source; `konektor-bridge sources` lists them"))?;
    let source = match &configured.state {
        SourceState::On(source) => source,
        SourceState::Off { why, .. } => return Err(Fault::request(format!("the source `{name}` is off: {why}"))),
    };
    match source.provider.list() {
        List::On => Ok(source),
        List::Off(why) => Err(Fault::request(format!("the list of `{name}` is off: {why}"))),
        List::None => {
            Err(Fault::request(format!("the sender of `{name}` has no list of its leads; {}", others(registry))))
        }
    }
}

/// Which of the sources that are on have a list.
fn others(registry: &Registry) -> String {
    let has = |source: &&Source| source.provider.list() != List::None;
    let names: Vec<_> = registry.on().filter(has).map(|source| source.name.as_str()).collect();
    match names[..] {
        [] => "none of the sources that are on has one (those of Meta and LinkedIn do)".to_owned(),
        _ => format!("those that have one are {}", names.join(", ")),
    }
}
