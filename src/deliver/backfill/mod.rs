//! Back-fill: reading a sender's own list of leads, for what its webhooks did not bring.
//!
//! What a page of the list names is put into the inbox as a webhook of the sender's own shape; from there on it goes the way
//! of every other, behind what is live. What is known already turns out to be a duplicate when it is sorted. So any page may
//! be read any number of times.
//!
//! A person asks for it, or it is done every hour (`hourly`), which covers outages and silence of both ends.

mod hourly;
mod mark;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::clock::Clock;
use crate::metrics::Metrics;
use crate::providers::{Listed, LookupAnswer, NotListed, Page, Source, Span, back_filled};
use crate::store::Store;

use super::engine::Reply;
use super::{Fetcher, SourcesOf};

/// How long to wait when a sender cannot be reached.
const UNREACHED: Duration = Duration::from_mins(1);

/// Reads the senders' lists.
pub struct Backfill {
    /// Where what they bring is kept.
    pub store: Arc<dyn Store>,
    /// The senders' own APIs.
    pub fetcher: Fetcher,
    /// The sources that are on.
    pub sources: SourcesOf,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Backfill {
    /// Reads the page of the list of `source` at `cursor` (`None`: the first), and keeps what is on it.
    ///
    /// # Errors
    /// [`NotListed`]: nothing of the page was kept.
    pub async fn page(&self, source: &Source, span: Span, cursor: Option<&str>) -> Result<Listed, NotListed> {
        let lookup = source.provider.page(span, cursor).ok_or(NotListed::Cursor)?;
        let lookup = source.provider.stamped(lookup, self.clock.now());
        let Some(Reply { status, headers, body }) = self.fetcher.ask(&lookup).await else {
            return Err(NotListed::Later(UNREACHED, "the sender's API could not be reached".to_owned()));
        };
        let answer = LookupAnswer { status, headers: &headers, body: &body, failing_for: Duration::ZERO };
        let (webhook, leads, next) = match source.provider.listed(span, cursor, &answer) {
            Page::Leads { webhook, leads, next } => (webhook, leads, next),
            Page::Later(wait, why) => return Err(NotListed::Later(wait, why)),
            Page::Refused(why) => return Err(NotListed::Refused(why)),
        };
        if let Some(webhook) = webhook {
            let now = self.clock.now();
            let kept = back_filled(source.name.clone(), now, request_id(now), webhook);
            self.store.keep(kept).await.map_err(|error| NotListed::NotKept(error.into()))?;
        }
        self.metrics.listed(&source.name, leads);
        Ok(Listed { leads, next })
    }
}

/// An id for the logs, as webhooks have one: it says that a list brought it.
fn request_id(now: Timestamp) -> String {
    let millis = now.as_millisecond().try_into().unwrap_or_default();
    format!("backfill-{}", uuid::Builder::from_unix_timestamp_millis(millis, &rand::random()).into_uuid())
}
