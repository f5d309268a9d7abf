//! The HTTP client: sends one request, and reads one answer. Decides nothing but what an answer means.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::wire;
use super::{Answer, RateLimit, Request, Verdict};

/// Longest time for a call, from the first byte to the last. A lease must outlast it.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);
/// Connections that have been idle this long are not used again: shorter than what servers usually keep.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// Largest answer that is read: a page of 100 leads with full notes in four-byte characters fits.
const ANSWER_CAP: usize = 4 * 1024 * 1024;
/// How many leads a page of a search has: the most there may be (Agent API 2.2.0, "List Leads").
const SEARCH_LIMIT: &str = "100";

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

/// A client of one workspace. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Where the Agent API begins.
    base: Url,
    key: KeyOf,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.base)
    }
}

impl Client {
    /// A client of the workspace that `key` opens at `base` (`https://konektor.id`).
    ///
    /// # Errors
    /// [`ClientError`]: no TLS, or a base URL that is none.
    pub fn new(base: &Url, key: KeyOf) -> Result<Self, ClientError> {
        let builder = reqwest::Client::builder()
            .user_agent(concat!("konektor-bridge/", env!("CARGO_PKG_VERSION")))
            .timeout(CALL_TIMEOUT)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE)
            // The key must not follow a redirect to another host, and a repeated POST is decided by `plan`, not here.
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .http1_only();
        // A local Konektor is not behind the proxy that leads to the world.
        let builder = if crate::loopback::is_this_machine(base) { builder.no_proxy() } else { builder };
        let http = builder.build().map_err(ClientError::Setup)?;
        let mut base = base.clone();
        base.path_segments_mut().map_err(|()| ClientError::BaseUrl)?.pop_if_empty().extend(["api", "v2", "agent"]);
        Ok(Self { http, base, key })
    }

    /// Makes one call. `now` is for a reset time that is given in seconds from now.
    pub async fn call(&self, request: &Request, now: Timestamp) -> Answer {
        let response = match self.build(request).send().await {
            Ok(response) => response,
            Err(error) => return unanswered(&error),
        };
        let status = response.status().as_u16();
        let rate = rate_limit(response.headers(), now);
        let request_id = text(response.headers(), "x-request-id");
        let verdict = match read_capped(response).await {
            Some(body) => wire::judge(request, status, &body),
            // The status alone still proves that a refused request was not executed.
            None => match wire::judge(request, status, b"") {
                Verdict::Lead(_) | Verdict::Found { .. } | Verdict::Allowed | Verdict::Workspace(_) => {
                    Verdict::Unclear("an answer that was cut")
                }
                verdict => verdict,
            },
        };
        Answer { verdict, status: Some(status), request_id, rate }
    }

    fn build(&self, request: &Request) -> reqwest::RequestBuilder {
        let builder = match request {
            Request::Create(body) => self.http.post(self.url(&["leads"])).json(body),
            Request::Update(id, body) => self.http.patch(self.url(&["leads", &id.0])).json(body),
            Request::Get(id) => self.http.get(self.url(&["leads", &id.0])),
            Request::Search { text, cursor } => {
                let page = self.http.get(self.url(&["leads"]));
                let page = page.query(&[("search", text.as_str()), ("limit", SEARCH_LIMIT)]);
                cursor.iter().fold(page, |page, cursor| page.query(&[("cursor", cursor)]))
            }
            Request::Probe => self.http.get(self.url(&["leads"])).query(&[("limit", "1")]),
            Request::Workspace => self.http.get(self.url(&["workspace"])),
        };
        builder.bearer_auth((self.key)().expose_secret())
    }

    fn url(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        url.path_segments_mut().expect("it took segments before").extend(path);
        url
    }
}

/// No answer: either nothing was sent, or nobody knows.
fn unanswered(error: &reqwest::Error) -> Answer {
    let verdict = if error.is_builder() || error.is_connect() {
        Verdict::Unsent("no connection")
    } else if error.is_timeout() {
        Verdict::Unclear("no answer in time")
    } else {
        Verdict::Unclear("the connection was cut")
    };
    Answer { verdict, status: None, request_id: None, rate: RateLimit::default() }
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
            let client = Client::new(&base.parse().unwrap(), Arc::new(|| SecretString::from("k"))).unwrap();
            assert_eq!(client.url(&["leads"]).as_str(), expected);
            assert_eq!(
                client.url(&["leads", "a/b"]).as_str(),
                format!("{expected}/a%2Fb"),
                "an id cannot leave its path"
            );
        }
    }
}
