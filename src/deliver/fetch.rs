//! Asks a sender's own API for the fields that its webhook only names.

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use secrecy::ExposeSecret;
use url::Url;

use super::retry::{self, Die};
use crate::domain::event::DeadReason;
use crate::loopback::is_this_machine;
use crate::providers::{Fetched, ItemBody, Lookup, LookupAnswer, Provider};
use crate::store::Undelivered;

/// Longest time for one question.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Largest answer that is read: a lead form's answers are a few KiB.
const ANSWER_CAP: usize = 1024 * 1024;
/// A narrower question may follow a refused one, and a narrower one still; not for ever.
const QUESTIONS: usize = 3;

/// What came of asking.
#[derive(Debug)]
pub(super) enum Fetch {
    /// The fields.
    Got(Bytes),
    /// Not now.
    Later {
        /// How long to wait.
        after: Duration,
        /// Whether it counts as a failure of this lead (and not of everybody's access).
        counted: bool,
        /// What happened.
        why: String,
    },
    /// Never.
    GiveUp(Undelivered),
}

/// The HTTP clients for such questions.
#[derive(Debug, Clone)]
pub struct Fetcher {
    /// Through the proxy that the environment names, if any.
    world: reqwest::Client,
    /// Past it, to what is on this machine.
    here: reqwest::Client,
}

impl Fetcher {
    /// A fetcher with its time-outs set.
    ///
    /// # Errors
    /// No TLS on this machine.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { world: client().build()?, here: client().no_proxy().build()? })
    }

    fn http(&self, url: &str) -> &reqwest::Client {
        if Url::parse(url).is_ok_and(|url| is_this_machine(&url)) { &self.here } else { &self.world }
    }

    /// Asks `lookup` of the sender of `item`; `attempt` counts the failures before.
    pub(super) async fn ask(
        &self,
        provider: &dyn Provider,
        item: &ItemBody<'_>,
        lookup: Lookup,
        attempt: u32,
        die: Die,
    ) -> Fetch {
        let mut lookup = lookup;
        for _ in 0..QUESTIONS {
            let Some((status, headers, body)) = self.get(&lookup).await else {
                let after = retry::backoff(attempt, die);
                return Fetch::Later { after, counted: true, why: "the sender's API could not be reached".into() };
            };
            let answer = LookupAnswer { status, headers: &headers, body: &body, attempt };
            match provider.looked_up(item, &lookup, &answer) {
                Fetched::Lead(fields) => return Fetch::Got(fields),
                Fetched::RetryAfter(after, why) => return Fetch::Later { after, counted: true, why },
                Fetched::Blocked(after, why) => return Fetch::Later { after, counted: false, why },
                Fetched::GiveUp(detail) => return give_up(detail),
                Fetched::AskInstead(narrower) => lookup = *narrower,
            }
        }
        give_up("the sender's API refused every question; check the token's permissions, then replay".into())
    }

    async fn get(&self, lookup: &Lookup) -> Option<(u16, Vec<(String, String)>, Vec<u8>)> {
        let mut request = self.http(&lookup.url).get(&lookup.url).query(&lookup.query);
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
        let mut body = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.ok().filter(|chunk| body.len() + chunk.len() <= ANSWER_CAP)?;
            body.extend_from_slice(&chunk);
        }
        Some((status, headers, body))
    }
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("konektor-bridge/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        // A token must not follow a redirect.
        .redirect(reqwest::redirect::Policy::none())
}

fn give_up(detail: String) -> Fetch {
    Fetch::GiveUp(Undelivered { reason: DeadReason::FetchFailed, detail })
}
