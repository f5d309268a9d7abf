//! Konektor: reachable, the key accepted, what it may do, the plan and its limits, and whose clock is wrong.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::header::{DATE, HeaderMap};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::Finding;
use crate::cli::local::{self, below};
use crate::clock::Clock;
use crate::config::Settings;

/// Longest time for one question.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest difference of clocks that is nothing to speak of, in seconds: what an answer may have been under way.
const CLOCK_OK: i64 = 30;
/// Difference past which senders that sign the time are refused, in seconds (Standard Webhooks: five minutes).
const CLOCK_BAD: i64 = 300;

/// An answer, as far as it is looked at.
struct Seen {
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// What `GET /workspace` tells (Agent API 2.2.0, "Workspace").
#[derive(Debug, Deserialize)]
struct Envelope {
    data: Workspace,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Workspace {
    display_name: String,
    subscription: Subscription,
    usage: Usage,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Subscription {
    plan: String,
    status: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Usage {
    leads_per_day: Option<LeadsPerDay>,
}

#[derive(Debug, Deserialize)]
struct LeadsPerDay {
    limit: Option<f64>,
    current: Option<f64>,
}

pub(super) async fn check(settings: &Settings, clock: &dyn Clock) -> Vec<Finding> {
    let Some(key) = &settings.api_key else {
        let says = "KONEKTOR_API_KEY is not set; make a key in Konektor under Workspace Settings, API Keys";
        return vec![Finding::fail("key", says)];
    };
    let Ok(http) = local::client(&settings.base_url, TIMEOUT) else {
        return vec![Finding::fail("konektor", "no HTTP client; are there root certificates on this machine?")];
    };
    let mut leads = below(&settings.base_url, &["api", "v2", "agent", "leads"]);
    leads.set_query(Some("limit=1"));
    let answer = match ask(&http, leads, key).await {
        Ok(answer) => answer,
        Err(why) => return vec![Finding::fail("konektor", format!("{} {why}", settings.base_url))],
    };
    let mut findings = vec![accepted(&answer, &settings.base_url)];
    findings.extend(clocks(&answer.headers, clock.now()));
    if answer.status == 200 {
        findings.extend(rate_limit(&answer.headers));
        let workspace = below(&settings.base_url, &["api", "v2", "agent", "workspace"]);
        if let Ok(answer) = ask(&http, workspace, key).await {
            findings.extend(plan(&answer));
        }
    }
    findings
}

async fn ask(http: &reqwest::Client, url: Url, key: &SecretString) -> Result<Seen, &'static str> {
    let answer = http.get(url).bearer_auth(key.expose_secret()).send().await.map_err(|error| {
        if error.is_timeout() {
            "does not answer in time; try again, and look at the network between"
        } else {
            "cannot be reached; check KONEKTOR_BASE_URL, the network and the root certificates of this machine"
        }
    })?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let body = answer.bytes().await.map_err(|_| "cuts its answers; look at the network between")?;
    Ok(Seen { status, headers, body: body.into() })
}

/// What the answer to the cheapest call says of the key.
fn accepted(answer: &Seen, base: &Url) -> Finding {
    match answer.status {
        200 => Finding::ok("key", "accepted, may read leads; whether it may write them shows with the first lead"),
        401 => {
            Finding::fail("key", "refused: it is wrong, expired or revoked; make a new one and set KONEKTOR_API_KEY")
        }
        403 => Finding::fail(
            "key",
            "accepted, but it may not read leads: give it agent.leads.read and agent.leads.write, or look at the plan",
        ),
        429 => Finding::warn("key", "could not be seen: too many requests in this minute; try again in a minute"),
        status @ 500.. => Finding::fail("konektor", format!("answers {status}; try again later")),
        status => {
            Finding::fail("konektor", format!("{base} answers {status}: set KONEKTOR_BASE_URL to where Konektor is"))
        }
    }
}

fn rate_limit(headers: &HeaderMap) -> Option<Finding> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u32>().ok();
    let (limit, left) = (number("x-ratelimit-limit")?, number("x-ratelimit-remaining"));
    let left = left.map(|left| format!(", {left} left in this minute")).unwrap_or_default();
    Some(Finding::ok("rate limit", format!("{limit} requests a minute for the whole workspace{left}")))
}

fn plan(answer: &Seen) -> Vec<Finding> {
    if answer.status == 403 {
        return vec![Finding::ok("plan", "cannot be seen, for the key has no agent.workspace.read; leads need it not")];
    }
    let Ok(Envelope { data: workspace }) = serde_json::from_slice(&answer.body) else {
        return vec![Finding::warn("plan", "cannot be read from Konektor's answer")];
    };
    let Workspace { display_name, subscription: Subscription { plan, status }, usage } = workspace;
    let says = format!("{display_name}: {plan}, {status}");
    let active = matches!(status.as_str(), "active" | "trialing" | "trial");
    let plan = if active {
        Finding::ok("plan", says)
    } else {
        Finding::warn("plan", format!("{says}; a subscription that is not active may refuse leads"))
    };
    std::iter::once(plan).chain(usage.leads_per_day.and_then(|used| today(&used))).collect()
}

/// The day's leads; a tenth of them left is worth a word.
fn today(used: &LeadsPerDay) -> Option<Finding> {
    let (limit, current) = (used.limit?, used.current?);
    let says = format!("{current} of {limit} leads made today");
    Some(if current >= limit {
        Finding::fail("leads", format!("{says}: no more are taken before tomorrow; a larger plan takes more"))
    } else if current >= limit * 0.9 {
        Finding::warn("leads", format!("{says}; when they are used up, leads wait for tomorrow"))
    } else {
        Finding::ok("leads", says)
    })
}

/// Compares this machine's clock with the answer's.
fn clocks(headers: &HeaderMap, now: Timestamp) -> Option<Finding> {
    let date = headers.get(DATE)?.to_str().ok()?;
    let theirs = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    let apart = now.duration_since(theirs).as_secs();
    let way = if apart < 0 { "behind" } else { "ahead" };
    let says = format!("{} s {way} of Konektor's", apart.abs());
    Some(if apart.abs() <= CLOCK_OK {
        Finding::ok("clock", "agrees with Konektor's")
    } else if apart.abs() <= CLOCK_BAD {
        Finding::warn("clock", format!("{says}; set it by NTP"))
    } else {
        Finding::fail("clock", format!("{says}: senders that sign the time are refused; set it by NTP"))
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::super::Level;
    use super::*;

    fn seen(status: u16, body: &str) -> Seen {
        Seen { status, headers: HeaderMap::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn each_answer_says_what_to_do_about_the_key() {
        let base: Url = "https://konektor.id".parse().unwrap();
        let judged = |status| accepted(&seen(status, ""), &base);
        assert_eq!(judged(200).level, Level::Ok);
        assert!(judged(401).says.contains("KONEKTOR_API_KEY"));
        assert!(judged(403).says.contains("agent.leads.write"));
        assert!(judged(404).says.contains("KONEKTOR_BASE_URL"));
        assert_eq!((judged(429).level, judged(502).level), (Level::Warn, Level::Fail));
    }

    #[test]
    fn a_day_that_is_nearly_used_up_is_told() {
        let levels = [(10.0, Level::Ok), (450.0, Level::Warn), (500.0, Level::Fail)];
        for (current, level) in levels {
            let used = LeadsPerDay { limit: Some(500.0), current: Some(current) };
            assert_eq!(today(&used).unwrap().level, level, "{current}");
        }
    }

    #[test]
    fn the_plan_is_read_as_far_as_it_is_told() {
        let findings = plan(&seen(
            200,
            r#"{"success":true,"data":{"displayName":"Toko","subscription":{"plan":"pro","status":"past_due"}}}"#,
        ));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].level, Level::Warn);
        assert!(findings[0].says.starts_with("Toko: pro, past_due"));
        assert_eq!(plan(&seen(403, ""))[0].level, Level::Ok);
        assert_eq!(plan(&seen(200, "<html>"))[0].level, Level::Warn);
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_with_its_direction() {
        let headers = HeaderMap::from_iter([(DATE, HeaderValue::from_static("Mon, 23 Nov 2026 12:00:00 GMT"))]);
        let judged = |now: &str| clocks(&headers, now.parse().unwrap()).unwrap();
        assert_eq!(judged("2026-11-23T12:00:20Z").level, Level::Ok);
        assert_eq!(judged("2026-11-23T12:02:00Z").level, Level::Warn);
        let behind = judged("2026-11-23T11:50:00Z");
        assert_eq!(behind.level, Level::Fail);
        assert!(behind.says.contains("600 s behind"), "{}", behind.says);
    }
}
