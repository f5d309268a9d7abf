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
/// Most requests a minute that an answer is believed to allow, far above any plan: the limiter remembers each that is said
/// to be spent, and a broken header must not make it remember billions.
const MOST_A_MINUTE: u32 = 100_000;
/// Longest wait that is taken from an answer.
const LONGEST_WAIT: u64 = 3600;

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
        limit: small("x-ratelimit-limit").map(|limit| limit.min(MOST_A_MINUTE)),
        remaining: small("x-ratelimit-remaining"),
        reset: reset.and_then(|seconds| {
            let unix = if seconds > 1_000_000_000 { seconds } else { now.as_second().saturating_add(seconds) };
            Timestamp::from_second(unix).ok()
        }),
        retry_after: number(headers, RETRY_AFTER.as_str())
            .map(|seconds| Duration::from_secs(seconds.min(LONGEST_WAIT))),
    }
}

#[cfg(test)]
mod tests {
    use jiff::fmt::rfc2822::DateTimePrinter;
    use proptest::prelude::*;
    use proptest::sample::select;
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

    const READ: [&str; 6] =
        ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after", "date", "x-request-id"];

    /// Numbers around every border, what looks like one, dates, and whatever else can stand in a header.
    fn values() -> impl Strategy<Value = HeaderValue> {
        let bytes = prop_oneof![
            any::<u64>().prop_map(|number| number.to_string().into_bytes()),
            (0..36_u32, 0..3_u64).prop_map(|(bits, more)| ((1_u64 << bits) + more - 1).to_string().into_bytes()),
            "[ +-]?[0-9]{1,25}([.,e][0-9]{1,3})? ?".prop_map(String::into_bytes),
            "(Mon, )?[0-9]{1,2} (Feb|Dec) [0-9]{2,4} [0-9]{2}:[0-9]{2}(:[0-9]{2})? (GMT|[+-][0-9]{4}|\\(.{0,5})"
                .prop_map(String::into_bytes),
            proptest::collection::vec(any::<u8>(), 0..200),
        ];
        bytes.prop_filter_map("no header can hold it", |bytes| HeaderValue::from_bytes(&bytes).ok())
    }

    fn times() -> impl Strategy<Value = Timestamp> {
        let all = Timestamp::MIN.as_second()..=Timestamp::MAX.as_second();
        prop_oneof![all, 1_790_000_000..1_800_000_000_i64].prop_map(|second| Timestamp::from_second(second).unwrap())
    }

    proptest! {
        #[test]
        fn whatever_the_headers_say_is_nothing_or_what_a_limiter_can_bear(
            pairs in proptest::collection::vec((select(&READ[..]), values()), 0..8), now in times()
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, value);
            }
            let Meta { request_id, rate, .. } = meta(&headers, now);
            prop_assert!(request_id.is_none_or(|id| id.chars().count() <= 100));
            prop_assert!(rate.limit.is_none_or(|limit| limit <= 100_000), "{:?}", rate.limit);
            prop_assert!(rate.retry_after.is_none_or(|wait| wait <= Duration::from_hours(1)), "{:?}", rate.retry_after);
            // A window may have ended, but it never ended before there were any.
            prop_assert!(rate.reset.is_none_or(|reset| reset >= now.min(Timestamp::UNIX_EPOCH)), "{:?}", rate.reset);
        }

        #[test]
        fn what_konektor_says_of_its_limits_is_taken_as_it_is(
            limit in 0..=100_000_u32, remaining: u32, wait in 0..=3600_u64, ahead in 0..=1_000_000_000_u32,
            now in 1_000_000_001..5_000_000_000_i64, is_relative: bool,
        ) {
            let now = Timestamp::from_second(now).unwrap();
            let reset = now + Duration::from_secs(ahead.into());
            let told = if is_relative { ahead.into() } else { reset.as_second() };
            let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).unwrap();
            let values = [limit.to_string(), remaining.to_string(), told.to_string(), wait.to_string(), date, "r".into()];
            let pairs = READ.into_iter().zip(values);
            let headers = pairs.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect();
            let (limit, remaining, retry_after) = (Some(limit), Some(remaining), Some(Duration::from_secs(wait)));
            let rate = RateLimit { limit, remaining, reset: Some(reset), retry_after };
            prop_assert_eq!(meta(&headers, now), Meta { request_id: Some("r".into()), rate, date: Some(now) });
        }
    }
}
