//! The HTTP client for the senders' own APIs.

use std::time::Duration;

use secrecy::ExposeSecret;
use url::Url;

use super::engine::Reply;
use crate::outbound::{Outbound, whole};
use crate::providers::Lookup;

/// Longest time for one question.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest answer that is read: a lead form's answers are a few KiB.
const ANSWER_CAP: usize = 1024 * 1024;

/// Asks the senders.
#[derive(Debug, Clone)]
pub struct Fetcher(Outbound);

impl Fetcher {
    /// A fetcher that asks by `outbound`.
    #[must_use]
    pub const fn new(outbound: Outbound) -> Self {
        Self(outbound)
    }

    /// Asks once; `None` when there was no whole answer in time.
    pub(super) async fn ask(&self, lookup: &Lookup) -> Option<Reply> {
        let url = Url::parse(&lookup.url).ok()?;
        let mut request = self.0.to(&url)?.get(url).query(&lookup.query).timeout(TIMEOUT);
        if let Some(token) = &lookup.bearer {
            request = request.bearer_auth(token.expose_secret());
        }
        for (name, value) in &lookup.headers {
            request = request.header(*name, value);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let headers = response
            .headers()
            .iter()
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let body = whole(response, ANSWER_CAP).await?.into();
        Some(Reply { status, headers, body })
    }
}
