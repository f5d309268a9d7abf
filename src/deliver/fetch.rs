//! The HTTP client for the senders' own APIs.

use std::time::Duration;

use futures_util::StreamExt;
use secrecy::ExposeSecret;
use url::Url;

use super::engine::Reply;
use crate::loopback::is_this_machine;
use crate::providers::Lookup;

/// Longest time for one question.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Largest answer that is read: a lead form's answers are a few KiB.
const ANSWER_CAP: usize = 1024 * 1024;

/// Asks the senders.
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

    /// Asks once; `None` when there was no whole answer in time.
    pub(super) async fn ask(&self, lookup: &Lookup) -> Option<Reply> {
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
        Some(Reply { status, headers, body })
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
