//! The one place that speaks HTTP with Konektor: sends a call, and reads an answer. Decides nothing of what it means.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::call::{Call, Verb};
use super::refused::Refused;
use super::{Meta, RateLimit};
use crate::loopback::is_this_machine;

/// Longest time for a call, from the first byte to the last. A lease must outlast it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Connections that have been idle this long are not used again: shorter than what servers usually keep.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// Largest answer that is read: a page of 100 leads with full notes in four-byte characters fits.
const ANSWER_CAP: usize = 4 * 1024 * 1024;

/// Why a client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The TLS set-up of this machine.
    #[error("the HTTP client cannot be set up; are there root certificates on this machine?")]
    Setup(#[source] reqwest::Error),
    /// The base URL cannot take a path.
    #[error("the Konektor base URL must be an http(s) URL")]
    BaseUrl,
}

/// Gives the API key of this moment: it can be replaced while the bridge runs.
pub type KeyOf = Arc<dyn Fn() -> SecretString + Send + Sync>;

/// The way to one workspace. Cheap to clone.
#[derive(Clone)]
pub(super) struct Transport {
    http: reqwest::Client,
    /// Where the Agent API begins.
    base: Url,
    key: KeyOf,
}

/// An answer as it came.
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) meta: Meta,
    /// `None` when it was cut, or is longer than anything that is read.
    pub(super) body: Option<Vec<u8>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transport({})", self.base)
    }
}

impl Transport {
    /// The way to the workspace that `key` opens at `base` (`https://konektor.id`).
    pub(super) fn new(base: &Url, key: KeyOf) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("konektor-bridge/", env!("CARGO_PKG_VERSION")))
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            // The key must not follow a redirect to another host, and a repeated POST is decided by a plan, not here.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only();
        // A local Konektor is not behind the proxy that leads to the world.
        let builder = if is_this_machine(base) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(ClientError::Setup)?;
        let mut base = base.clone();
        base.path_segments_mut().map_err(|()| ClientError::BaseUrl)?.pop_if_empty().extend(["api", "v2", "agent"]);
        Ok(Self { http, base, key })
    }

    /// Makes one call. `now` is for a reset time that is given in seconds from now.
    pub(super) async fn send(&self, call: &Call, now: Timestamp) -> Result<Received, Refused> {
        let url = self.url(&call.path).ok_or(Refused::Unsent("an id that no path can hold"))?;
        let response = self.build(call, url).send().await.map_err(|error| unanswered(&error))?;
        let status = response.status().as_u16();
        let meta = meta(response.headers(), now);
        Ok(Received { status, meta, body: read_capped(response).await })
    }

    fn build(&self, call: &Call, url: Url) -> reqwest::RequestBuilder {
        let builder = match call.verb {
            Verb::Get => self.http.get(url),
            Verb::Post => self.http.post(url),
            Verb::Patch => self.http.patch(url),
        };
        let builder = if call.query.is_empty() { builder } else { builder.query(&call.query) };
        let builder = match &call.body {
            Some(body) => builder.header(CONTENT_TYPE, "application/json").body(body.clone()),
            None => builder,
        };
        match call.scope {
            Some(_) => builder.bearer_auth((self.key)().expose_secret()),
            None => builder,
        }
    }

    /// `None` for a path that would lead elsewhere: an empty id is the list, and `..` goes up.
    fn url(&self, path: &[String]) -> Option<Url> {
        let leads_astray = |segment: &String| matches!(segment.as_str(), "" | "." | "..");
        if path.iter().any(leads_astray) {
            return None;
        }
        let mut url = self.base.clone();
        url.path_segments_mut().expect("it took segments before").extend(path);
        Some(url)
    }
}

/// No answer: either nothing was sent, or nobody knows.
fn unanswered(error: &reqwest::Error) -> Refused {
    if error.is_builder() || error.is_connect() {
        Refused::Unsent("no connection")
    } else if error.is_timeout() {
        Refused::Unclear("no answer in time")
    } else {
        Refused::Unclear("the connection was cut")
    }
}

async fn read_capped(response: reqwest::Response) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok()?;
        if body.len() + chunk.len() > ANSWER_CAP {
            return None;
        }
        body.extend_from_slice(&chunk);
    }
    Some(body)
}

fn meta(headers: &HeaderMap, now: Timestamp) -> Meta {
    let date = headers.get(DATE).and_then(|date| jiff::fmt::rfc2822::parse(date.to_str().ok()?).ok());
    Meta {
        request_id: text(headers, "x-request-id"),
        rate: rate_limit(headers, now),
        date: date.map(|date| date.timestamp()),
    }
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(|value| value.chars().take(100).collect())
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Reads the headers. `X-RateLimit-Reset` is documented as Unix seconds; a small number can only be seconds from now.
fn rate_limit(headers: &HeaderMap, now: Timestamp) -> RateLimit {
    let small = |name| number(headers, name).and_then(|value| u32::try_from(value).ok());
    let reset = number(headers, "x-ratelimit-reset").and_then(|value| i64::try_from(value).ok());
    RateLimit {
        limit: small("x-ratelimit-limit"),
        remaining: small("x-ratelimit-remaining"),
        reset: reset.and_then(|seconds| {
            let unix = if seconds > 1_000_000_000 { seconds } else { now.as_second().saturating_add(seconds) };
            Timestamp::from_second(unix).ok()
        }),
        retry_after: number(headers, RETRY_AFTER.as_str()).map(|seconds| Duration::from_secs(seconds.min(3600))),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| ((*name).parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    fn to(base: &str) -> Transport {
        Transport::new(&base.parse().unwrap(), Arc::new(|| SecretString::from("k"))).unwrap()
    }

    #[test]
    fn the_reset_is_unix_seconds_and_a_small_number_is_seconds_from_now() {
        let now = Timestamp::from_second(1_795_450_000).unwrap();
        let unix = rate_limit(&headers(&[("x-ratelimit-reset", "1795450030"), ("x-ratelimit-limit", "200")]), now);
        assert_eq!(unix.reset.unwrap().as_second(), 1_795_450_030);
        assert_eq!((unix.limit, unix.remaining), (Some(200), None));
        let relative = rate_limit(&headers(&[("x-ratelimit-reset", "30"), ("retry-after", "7")]), now);
        assert_eq!(relative.reset.unwrap().as_second(), 1_795_450_030);
        assert_eq!(relative.retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn odd_headers_are_no_headers() {
        let now = Timestamp::UNIX_EPOCH;
        let odd =
            rate_limit(&headers(&[("x-ratelimit-limit", "many"), ("x-ratelimit-reset", "99999999999999999999")]), now);
        assert_eq!(odd, RateLimit::default());
    }

    #[test]
    fn the_base_may_end_in_a_slash_and_hold_a_path() {
        for (base, expected) in [
            ("https://konektor.id", "https://konektor.id/api/v2/agent/leads"),
            ("https://konektor.id/", "https://konektor.id/api/v2/agent/leads"),
            ("http://localhost:1/k", "http://localhost:1/k/api/v2/agent/leads"),
        ] {
            let url = |path: &[&str]| to(base).url(&path.iter().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(url(&["leads"]).unwrap().as_str(), expected);
            assert_eq!(url(&["leads", "a/b"]).unwrap().as_str(), format!("{expected}/a%2Fb"), "it stays in its path");
            for astray in ["", ".", ".."] {
                assert_eq!(url(&["leads", astray]), None, "{astray:?}");
            }
        }
    }
}
