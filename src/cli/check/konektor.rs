//! Konektor: reachable, the key accepted and what it may do, the plan and what of it is used, and whose clock is wrong.
//!
//! Six calls, each of which shows one scope; none of them makes or changes anything.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use crate::app::permits::Pace;
use crate::cli::api;
use crate::clock::Clock;
use crate::config::Settings;
use crate::konektor::wire::{Conversions, LeadsPerDay, Subscription, Timeframe, Workspace};
use crate::konektor::{Api, ApiError, ListQuery, Meta, Period, RateLimit, Refused, Scope, Writing};

/// Largest difference of clocks that is nothing to speak of, in seconds: what an answer may have been under way.
const CLOCK_OK: i64 = 30;
/// Difference past which senders that sign the time are refused, in seconds (Standard Webhooks: five minutes).
const CLOCK_BAD: i64 = 300;
/// Where scopes are given.
const WHERE: &str = "add it to the key in Konektor under Workspace Settings, API Keys";

pub(super) async fn check(settings: &Settings, clock: &Arc<dyn Clock>) -> Vec<Finding> {
    let api = match api::client(settings, clock, Pace::Prompt) {
        Ok(api) => api,
        Err(error) => return vec![Finding::fail("key", format!("{error:#}"))],
    };
    let first = api.leads(&ListQuery { limit: 1, ..ListQuery::default() }).await.map(|reply| reply.meta);
    let mut key = Key::default();
    let mut findings = match &first {
        Ok(_) => vec![Finding::ok("key", "accepted")],
        Err(error) => vec![accepted(error, settings)],
    };
    let heard = |meta: &Meta, now| clocks(meta.date, now).into_iter().chain(rate_limit(meta.rate)).collect::<Vec<_>>();
    match &first {
        Ok(meta) => findings.extend(heard(meta, clock.now())),
        Err(error) => findings.extend(heard(&error.meta, clock.now())),
    }
    if first.as_ref().is_err_and(|error| error.why != Refused::Forbidden) {
        return findings;
    }
    key.saw(Scope::LeadsRead, first.map(drop));
    findings.extend(look_around(&api, key, clock.now()).await);
    findings
}

/// Asks what is left, once the key is known to be one.
async fn look_around(api: &Api, mut key: Key, now: Timestamp) -> Vec<Finding> {
    key.may_write(api, Writing::Leads).await;
    let workspace = key.ask(Scope::WorkspaceRead, api.workspace()).await;
    let conversions = key.ask(Scope::ConversionsRead, api.conversions(&Period::default(), None)).await;
    let _summary = key.ask(Scope::AnalyticsRead, api.summary(&Period::Frame(Timeframe::Today))).await;
    key.may_write(api, Writing::Tickets).await;
    let mut findings = key.findings();
    findings.extend(workspace.map(|reply| plan(&reply.data, now)).into_iter().flatten());
    findings.extend(conversions.and_then(|reply| failures(&reply.data)));
    findings
}

/// What calls have shown of the key's scopes.
#[derive(Debug, Default)]
struct Key {
    seen: Vec<(Scope, Shown)>,
    /// Konektor takes no more calls in this minute: waiting for it would look like hanging.
    throttled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Shown {
    Has,
    Lacks,
    /// It could not be seen, for this reason.
    Unseen(String),
}

impl Key {
    /// Makes a call that needs `scope`; gives what it gave.
    async fn ask<T>(&mut self, scope: Scope, call: impl Future<Output = Result<T, ApiError>>) -> Option<T> {
        if self.throttled {
            self.seen.push((scope, Shown::Unseen(Refused::Throttled.to_string())));
            return None;
        }
        self.saw(scope, call.await)
    }

    async fn may_write(&mut self, api: &Api, what: Writing) {
        if self.ask(what.scope(), api.may_write(what)).await == Some(false) {
            self.seen.pop();
            self.seen.push((what.scope(), Shown::Lacks));
        }
    }

    /// Takes in what a call showed.
    fn saw<T>(&mut self, scope: Scope, answer: Result<T, ApiError>) -> Option<T> {
        let (shown, data) = match answer {
            Ok(data) => (Shown::Has, Some(data)),
            Err(error) if error.why == Refused::Forbidden => (Shown::Lacks, None),
            Err(error) => {
                self.throttled |= error.why == Refused::Throttled;
                (Shown::Unseen(error.to_string()), None)
            }
        };
        self.seen.push((scope, shown));
        data
    }

    fn findings(&self) -> Vec<Finding> {
        let has: Vec<_> = self.seen.iter().filter(|(_, shown)| *shown == Shown::Has).collect();
        let names: Vec<_> = has.iter().map(|(scope, _)| scope.to_string()).collect();
        let had = (!names.is_empty()).then(|| Finding::ok("scopes", names.join(", ")));
        // Whoever has nothing at all lacks something else.
        let no_plan = names.is_empty().then(|| {
            Finding::fail("scopes", "the key may do nothing: the plan has ended or does not include the Agent API, or the key was made without scopes; look at both in Konektor under Workspace Settings")
        });
        let others = self.seen.iter().filter_map(|(scope, shown)| match shown {
            Shown::Has => None,
            Shown::Lacks if names.is_empty() => None,
            Shown::Lacks => Some(lacks(*scope)),
            Shown::Unseen(why) => {
                Some(Finding::warn("scopes", format!("whether it has {scope} could not be seen: {why}")))
            }
        });
        had.into_iter().chain(no_plan).chain(others).collect()
    }
}

fn lacks(scope: Scope) -> Finding {
    match scope {
        Scope::LeadsRead | Scope::LeadsWrite => {
            Finding::fail("scopes", format!("{scope} is missing, and no lead is delivered without it; {WHERE}"))
        }
        Scope::WorkspaceRead => {
            Finding::warn("scopes", format!("{scope} is missing, so plan and daily limit cannot be seen; {WHERE}"))
        }
        Scope::ConversionsRead => {
            Finding::ok("scopes", format!("{scope} is missing: failed conversions are not seen; {WHERE} to see them"))
        }
        Scope::AnalyticsRead => Finding::ok("scopes", format!("{scope} is missing: only `api analytics` needs it")),
        Scope::SupportWrite => Finding::ok("scopes", format!("{scope} is missing: only `api support` needs it")),
    }
}

/// What the first call's refusal says of the key.
fn accepted(error: &ApiError, settings: &Settings) -> Finding {
    let base = &settings.base_url;
    match (&error.why, error.status) {
        (Refused::Forbidden, _) => Finding::ok("key", "accepted"),
        (Refused::Unauthorized, _) => {
            Finding::fail("key", "refused: it is wrong, expired or revoked; make a new one and set KONEKTOR_API_KEY")
        }
        (Refused::Throttled, _) => Finding::warn(
            "key",
            "could not be seen: the workspace's requests of this minute are used up; try again in a minute",
        ),
        (Refused::Unsent(_), _) => Finding::fail(
            "konektor",
            format!(
                "{base} cannot be reached; check KONEKTOR_BASE_URL, the network and the root certificates of this machine"
            ),
        ),
        (_, None) => Finding::fail(
            "konektor",
            format!("{base} does not answer in time; try again, and look at the network between"),
        ),
        (_, Some(status @ 500..)) => Finding::fail("konektor", format!("answers {status}; try again later")),
        (_, Some(status)) => {
            Finding::fail("konektor", format!("{base} answers {status}: set KONEKTOR_BASE_URL to where Konektor is"))
        }
    }
}

fn rate_limit(rate: RateLimit) -> Option<Finding> {
    let left = rate.remaining.map(|left| format!(", {left} left in this minute")).unwrap_or_default();
    Some(Finding::ok("rate limit", format!("{} requests a minute for the whole workspace{left}", rate.limit?)))
}

fn plan(workspace: &Workspace, now: Timestamp) -> Vec<Finding> {
    let Workspace { display_name, subscription, .. } = workspace;
    let Subscription { plan, status, current_period_end, .. } = subscription.clone().unwrap_or_default();
    let known = |text: Option<String>| text.unwrap_or_else(|| "not told".into());
    let name = display_name.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
    let active = matches!(status.as_deref(), Some("active" | "trialing" | "trial"));
    let says = format!("{name}{}, {}", known(plan), known(status));
    let plan = if active {
        Finding::ok("plan", says)
    } else {
        Finding::warn("plan", format!("{says}; a subscription that is not active may refuse leads"))
    };
    let end = current_period_end.map(|end| paid_until(end, now));
    std::iter::once(plan).chain(end).chain(today(workspace.leads_per_day())).collect()
}

/// It is renewed by itself, so the end alone is no worry; one that has passed is.
fn paid_until(end: Timestamp, now: Timestamp) -> Finding {
    let day = end.strftime("%Y-%m-%d");
    let left = end.duration_since(now);
    if left < SignedDuration::ZERO {
        return Finding::warn(
            "plan",
            format!("paid until {day}, which has passed; look at the subscription in Konektor"),
        );
    }
    Finding::ok("plan", format!("paid until {day}, {} days from now", left.as_hours() / 24))
}

/// The day's leads; a tenth of them left is worth a word.
fn today(used: LeadsPerDay) -> Option<Finding> {
    let (limit, current) = (used.limit?, used.current?);
    let says = format!("{current} of {limit} leads made today");
    Some(if current >= limit {
        Finding::fail("leads", format!("{says}: no more are taken before tomorrow; a larger plan takes more"))
    } else if current.saturating_mul(10) >= limit.saturating_mul(9) {
        Finding::warn("leads", format!("{says}; when they are used up, leads wait for tomorrow"))
    } else {
        Finding::ok("leads", says)
    })
}

fn failures(conversions: &Conversions) -> Option<Finding> {
    let (failed, partial) = (conversions.failed?, conversions.partial.unwrap_or_default());
    Some(if failed + partial == 0 {
        Finding::ok("ads", "no conversion of the last 30 days has failed")
    } else {
        Finding::warn(
            "ads",
            format!(
                "of the last 30 days {failed} conversions failed and {partial} reached some platforms only; \
                 `konektor-bridge api conversions pending` shows which; mend the platform's connection in Konektor"
            ),
        )
    })
}

/// Compares this machine's clock with the answer's.
fn clocks(theirs: Option<Timestamp>, now: Timestamp) -> Option<Finding> {
    let apart = now.duration_since(theirs?).as_secs();
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
    use super::super::Level;
    use super::*;
    use crate::config::{self, Environment};

    fn refused(why: Refused, status: Option<u16>) -> ApiError {
        ApiError { why, scope: None, status, meta: Box::default() }
    }

    #[test]
    fn each_refusal_says_what_to_do_about_the_key() {
        let settings = config::load(&Environment::default()).unwrap().settings;
        let judged = |why, status| accepted(&refused(why, status), &settings);
        assert!(judged(Refused::Unauthorized, Some(401)).says.contains("KONEKTOR_API_KEY"));
        assert_eq!(judged(Refused::Forbidden, Some(403)).level, Level::Ok, "a key that may not is one");
        assert!(judged(Refused::Misconfigured, Some(404)).says.contains("KONEKTOR_BASE_URL"));
        assert!(judged(Refused::Unsent("no connection"), None).says.contains("KONEKTOR_BASE_URL"));
        assert!(judged(Refused::Unclear("a server error"), Some(502)).says.contains("502"));
        assert_eq!(judged(Refused::Throttled, Some(429)).level, Level::Warn);
    }

    #[test]
    fn a_scope_that_leads_need_is_a_failure_and_one_that_they_do_not_is_none() {
        let mut key = Key::default();
        key.saw(Scope::LeadsRead, Ok(()));
        key.saw::<()>(Scope::LeadsWrite, Err(refused(Refused::Forbidden, Some(403))));
        key.saw::<()>(Scope::AnalyticsRead, Err(refused(Refused::Forbidden, Some(403))));
        key.saw::<()>(Scope::WorkspaceRead, Err(refused(Refused::Unclear("a server error"), Some(500))));
        let findings = key.findings();
        let levels: Vec<_> = findings.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Ok, Level::Fail, Level::Ok, Level::Warn]);
        assert_eq!(findings[0].says, "agent.leads.read");
        assert!(findings[1].says.contains("agent.leads.write") && findings[1].says.contains("Workspace Settings"));
    }

    #[tokio::test]
    async fn a_429_ends_the_questions() {
        let mut key = Key::default();
        key.saw::<()>(Scope::LeadsWrite, Err(refused(Refused::Throttled, Some(429))));
        let asked = key.ask(Scope::WorkspaceRead, async { panic!("it was asked") }).await;
        assert_eq!(asked, None::<()>);
        assert!(matches!(key.seen[1], (Scope::WorkspaceRead, Shown::Unseen(_))));
    }

    #[test]
    fn a_key_that_may_nothing_may_lack_the_plan() {
        let mut key = Key::default();
        key.saw::<()>(Scope::LeadsRead, Err(refused(Refused::Forbidden, Some(403))));
        assert!(key.findings()[0].says.contains("plan"));
    }

    #[test]
    fn a_day_that_is_nearly_used_up_is_told() {
        for (current, level) in [(10, Level::Ok), (450, Level::Warn), (500, Level::Fail)] {
            let used = LeadsPerDay { limit: Some(500), current: Some(current) };
            assert_eq!(today(used).unwrap().level, level, "{current}");
        }
        assert_eq!(today(LeadsPerDay { limit: None, current: Some(7) }), None);
    }

    #[test]
    fn the_plan_is_told_as_far_as_konektor_tells_it() {
        let now = "2026-11-23T12:00:00Z".parse().unwrap();
        let told = |json: &str| plan(&serde_json::from_str(json).unwrap(), now);
        let late = told(
            r#"{"displayName":"Toko","subscription":{"plan":"pro","status":"past_due","currentPeriodEnd":"2026-11-20T00:00:00Z"}}"#,
        );
        assert_eq!(late.iter().map(|finding| finding.level).collect::<Vec<_>>(), [Level::Warn, Level::Warn]);
        assert!(late[0].says.starts_with("Toko: pro, past_due") && late[1].says.contains("2026-11-20"));
        let well =
            told(r#"{"subscription":{"plan":"pro","status":"active","currentPeriodEnd":"2026-12-01T12:00:00Z"}}"#);
        assert_eq!((well[1].level, well[1].says.as_str()), (Level::Ok, "paid until 2026-12-01, 8 days from now"));
        assert_eq!(told("{}")[0].level, Level::Warn);
    }

    #[test]
    fn failed_conversions_are_told_with_where_to_look() {
        let told = |failed, partial| {
            let conversions = Conversions { failed: Some(failed), partial: Some(partial), ..Conversions::default() };
            failures(&conversions).unwrap()
        };
        assert_eq!(told(0, 0).level, Level::Ok);
        assert!(told(2, 0).says.contains("api conversions pending"));
        assert_eq!((told(0, 1).level, failures(&Conversions::default())), (Level::Warn, None));
    }

    #[test]
    fn a_clock_that_is_wrong_is_told_with_its_direction() {
        let theirs = "2026-11-23T12:00:00Z".parse().unwrap();
        let judged = |now: &str| clocks(Some(theirs), now.parse().unwrap()).unwrap();
        assert_eq!(judged("2026-11-23T12:00:20Z").level, Level::Ok);
        assert_eq!(judged("2026-11-23T12:02:00Z").level, Level::Warn);
        let behind = judged("2026-11-23T11:50:00Z");
        assert_eq!(behind.level, Level::Fail);
        assert!(behind.says.contains("600 s behind"), "{}", behind.says);
    }
}
