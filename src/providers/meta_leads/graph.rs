//! Asking the Graph API for a lead, and what its answers mean.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::super::json::{self, Object};
use super::super::signature::hmac_sha256;
use super::super::waits::{BLOCKED_WAIT, HOUR, MINUTE, TRANSIENT_FOR, again_by, growing};
use super::super::{Fetched, Lookup, LookupAnswer, Secrets, SettingsError};

/// Every field that is used, by name: without a list Graph sends the id and little more.
const FIELDS: &str = "id,created_time,ad_id,ad_name,adset_id,adset_name,campaign_id,campaign_name,form_id,field_data,\
                      custom_disclaimer_responses,is_organic,platform,partner_name";

/// What a token without rights on the ads may still read. The person's answers are all in it.
const NARROW_FIELDS: &str = "id,created_time,form_id,field_data,custom_disclaimer_responses,is_organic,platform";

/// When a lead that Graph does not find is asked for again. It may be a right that is being granted just now.
const NOT_FOUND_WAITS: [Duration; 5] =
    [MINUTE, Duration::from_mins(10), HOUR, Duration::from_hours(6), Duration::from_hours(24)];

/// Where the Graph API is, and what it takes to be let in.
#[derive(Debug)]
pub(super) struct Graph {
    base: String,
    token: Secrets,
    proof: SecretString,
    token_in_query: bool,
    /// What signs proofs with a time; none are sent without.
    signer: Option<SecretString>,
}

impl Graph {
    /// Takes the settings.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] when the URL or the version is none.
    pub(super) fn new(
        url: &str,
        version: String,
        app_secrets: Secrets,
        token: Secrets,
        token_in_query: bool,
    ) -> Result<Self, SettingsError> {
        let http = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !http {
            return Err(SettingsError::Invalid("`graph_url` is an address like https://graph.facebook.com".into()));
        }
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let numbers = version.strip_prefix('v').and_then(|numbers| numbers.split_once('.'));
        if !numbers.is_some_and(|(major, minor)| digits(major) && digits(minor)) {
            return Err(SettingsError::Invalid("`graph_version` is a version like v26.0".into()));
        }
        let proof = hmac_sha256(app_secrets.first().as_bytes(), &[token.first().as_bytes()]);
        Ok(Self {
            base: format!("{}/{version}/", url.trim_end_matches('/')),
            token,
            proof: hex::encode(proof).into(),
            token_in_query,
            signer: None,
        })
    }

    /// The same, with proofs that have a time.
    pub(super) fn timed(self, app_secrets: &Secrets) -> Self {
        Self { signer: Some(app_secrets.first().to_owned().into()), ..self }
    }

    /// A question whose proof says that it is asked `now`, where proofs do. Meta takes it for five minutes.
    pub(super) fn stamped(&self, mut lookup: Lookup, now: Timestamp) -> Lookup {
        use secrecy::ExposeSecret as _;
        let Some(secret) = &self.signer else { return lookup };
        let time = now.as_second().to_string();
        let signed = [self.token.first().as_bytes(), b"|", time.as_bytes()];
        let proof = hex::encode(hmac_sha256(secret.expose_secret().as_bytes(), &signed));
        lookup.query.retain(|(name, _)| !matches!(*name, "appsecret_proof" | "appsecret_time"));
        lookup.query.extend([("appsecret_proof", proof), ("appsecret_time", time)]);
        lookup
    }

    /// The question for the lead `id` of `page`, with every field. Rights and limits are a Page's own.
    pub(super) fn lookup(&self, id: &str, page: Option<&str>) -> Lookup {
        Lookup { scope: page.map(|page| format!("Page {page}")), ..self.ask(id, FIELDS) }
    }

    /// The question for these fields of what is at `path`.
    pub(super) fn ask(&self, path: &str, fields: &str) -> Lookup {
        use secrecy::ExposeSecret as _;
        let mut query = vec![("fields", fields.to_owned()), ("appsecret_proof", self.proof.expose_secret().to_owned())];
        let bearer = if self.token_in_query {
            query.push(("access_token", self.token.first().to_owned()));
            None
        } else {
            Some(self.token.first().to_owned().into())
        };
        Lookup { url: format!("{}{path}", self.base), query, bearer, headers: Vec::new(), scope: None }
    }
}

/// The same question for the fields that need no right on the ads; `None` when it was already that.
fn narrower(asked: &Lookup) -> Option<Lookup> {
    let mut narrow = asked.clone();
    let fields = narrow.query.iter_mut().find(|(name, fields)| *name == "fields" && fields != NARROW_FIELDS)?;
    NARROW_FIELDS.clone_into(&mut fields.1);
    Some(narrow)
}

/// The error of the Graph API. Its texts change; only the numbers are decided on.
#[derive(Debug, Clone, Copy, Deserialize, Default)]
pub(super) struct Code {
    #[serde(default)]
    code: i64,
    #[serde(default)]
    pub(super) error_subcode: Option<i64>,
    #[serde(default)]
    is_transient: Option<bool>,
}

/// What kind of trouble an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The token is dead.
    Token,
    /// The token may not read this.
    Permission,
    /// Not there, or not for us: Graph does not say which.
    NotFound,
    /// The question itself is refused.
    Question,
    /// Too many questions of the app, or of the person behind the token.
    Throttled,
    /// Too many questions about the Page.
    PageThrottled,
    /// Meta has blocked the app or the person behind the token.
    Policy,
    /// Graph has a bad moment.
    Transient,
    /// No number that is known.
    Unknown,
}

/// Sorts an error, after the table of "Error Handling" and "Rate Limits" in Meta's documents.
fn trouble(status: u16, error: Code) -> Trouble {
    match (error.code, error.error_subcode) {
        (102 | 190, _) => Trouble::Token,
        (10 | 200..=299, _) => Trouble::Permission,
        (100, Some(33)) | (803, _) => Trouble::NotFound,
        (100, _) => Trouble::Question,
        (4 | 17 | 341 | 613, _) => Trouble::Throttled,
        (32 | 80_000..=80_014, _) => Trouble::PageThrottled,
        (368, _) => Trouble::Policy,
        (1 | 2, _) => Trouble::Transient,
        _ if status == 429 => Trouble::Throttled,
        _ if !(400..500).contains(&status) || error.is_transient == Some(true) => Trouble::Transient,
        _ => Trouble::Unknown,
    }
}

/// What kind of trouble it is that an answer of this status has this `error`, and its numbers.
pub(super) fn sorted(status: u16, error: Option<&RawValue>) -> (Trouble, Code) {
    let code = error.and_then(|raw| serde_json::from_str(raw.get()).ok()).unwrap_or_default();
    (trouble(status, code), code)
}

/// Judges Graph's answer to `asked`.
pub(super) fn judge(asked: &Lookup, answer: &LookupAnswer<'_>) -> Fetched {
    let object = std::str::from_utf8(answer.body).ok().and_then(Object::parse);
    let error = object.as_ref().and_then(|object| object.get("error"));
    let is_lead = object.as_ref().is_some_and(|object| object.get("id").is_some() && error.is_none());
    if (200..300).contains(&answer.status) && is_lead {
        let lead = Bytes::copy_from_slice(answer.body);
        return match rest(answer) {
            Some(rest) => Fetched::LeadThenRest(lead, rest, NEARLY_USED_UP.to_owned()),
            None => Fetched::Lead(lead),
        };
    }
    let (trouble, code) = sorted(answer.status, error);
    match (trouble, narrower(asked)) {
        (Trouble::Permission | Trouble::Question, Some(narrow)) => Fetched::AskInstead(Box::new(narrow)),
        (Trouble::Token, _) => Fetched::Blocked(BLOCKED_WAIT, dead_token(code.error_subcode)),
        (Trouble::Permission, None) => Fetched::ScopeBlocked(BLOCKED_WAIT, MAY_NOT.to_owned()),
        (Trouble::Question, None) => Fetched::GiveUp(format!(
            "Meta refused the question ({}): check that META_APP_SECRET and the access token are of the same app and \
             that `graph_version` still lives, then replay",
            named(answer.status, code)
        )),
        (Trouble::Policy, _) => Fetched::GiveUp(format!(
            "Meta has blocked this access for a breach of its policies ({}): look into the app's alerts, then replay",
            named(answer.status, code)
        )),
        (Trouble::NotFound, _) => again_by(&NOT_FOUND_WAITS, answer.failing_for, NOT_SHOWN),
        (Trouble::Unknown, _) => {
            let what = format!("Meta answered with an error that is not known ({})", named(answer.status, code));
            again_by(
                &NOT_FOUND_WAITS,
                answer.failing_for,
                &format!("{what}: look it up in Meta's documents, then replay"),
            )
        }
        (Trouble::Throttled, _) => Fetched::Throttled(until_regained(answer), ALL_USED_UP.to_owned()),
        (Trouble::PageThrottled, _) => Fetched::ScopeThrottled(until_regained(answer), USED_UP.to_owned()),
        (Trouble::Transient, _) if answer.failing_for >= TRANSIENT_FOR => {
            Fetched::GiveUp("Meta's Graph API has failed for a day: replay once it is well".to_owned())
        }
        (Trouble::Transient, _) => Fetched::RetryAfter(
            growing(MINUTE / 2, answer.failing_for),
            format!("Meta's Graph API fails ({})", named(answer.status, code)),
        ),
    }
}

const MAY_NOT: &str = "the token may not read this Page's leads: give the app `leads_retrieval` and add it in the Page's Leads \
                       Access Manager, or connect it again with all permissions";

const NOT_SHOWN: &str = "Meta does not show this lead (it was deleted, or the access is missing): check the app's \
                         `leads_retrieval` and the Page's Leads Access Manager, then replay";

pub(super) const USED_UP: &str = "Meta's rate limit for this Page is used up";

pub(super) const ALL_USED_UP: &str = "Meta's rate limit for this app or token is used up";

/// The time until Meta says that the Page may ask again; where it does not say, 5 minutes growing to an hour.
pub(super) fn until_regained(answer: &LookupAnswer<'_>) -> Duration {
    let header = answer.headers.iter().find(|(name, _)| name == "x-business-use-case-usage");
    let said = header.and_then(|(_, value)| minutes_to_wait(value));
    said.unwrap_or_else(|| growing(5 * MINUTE, answer.failing_for))
}

const NEARLY_USED_UP: &str = "Meta's rate limit is used up by more than 80 %: its API is asked more slowly";

/// How long nobody asks where more than 80 % of a limit are used up: three seconds for each percent more, a minute at most.
/// At the end of the usual limit (200 calls an hour) one a minute is still less than it gives back.
fn rest(answer: &LookupAnswer<'_>) -> Option<Duration> {
    let header = |name: &str| answer.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let app = header("x-app-usage").and_then(Object::parse);
    let business = header("x-business-use-case-usage").and_then(Object::parse).unwrap_or_default();
    let uses = business.iter().flat_map(|(_, uses)| json::list(uses));
    let uses = uses.filter_map(|one| Object::parse(one.get())).chain(app);
    let percent = |usage: Object<'_>| {
        let figures = ["call_count", "total_time", "total_cputime"].map(|name| usage.text(name)?.parse::<f64>().ok());
        figures.into_iter().flatten().fold(0.0, f64::max)
    };
    let used = uses.map(percent).fold(0.0, f64::max);
    (used > 80.0).then(|| Duration::from_secs_f64(((used - 80.0) * 3.0).clamp(1.0, 60.0)))
}

/// The longest `estimated_time_to_regain_access`, which is in minutes, of `{"<business>":[{…}]}`; at most a day.
fn minutes_to_wait(header: &str) -> Option<Duration> {
    let usage = Object::parse(header)?;
    let uses = usage.iter().flat_map(|(_, uses)| json::list(uses));
    let minutes = uses
        .filter_map(|one| Object::parse(one.get())?.text("estimated_time_to_regain_access")?.parse().ok())
        .max()
        .filter(|minutes: &u64| *minutes > 0)?;
    Some(Duration::from_mins(minutes.min(24 * 60)))
}

/// The numbers of an error, for a sentence.
pub(super) fn named(status: u16, Code { code, error_subcode, .. }: Code) -> String {
    match (code, error_subcode) {
        (0, _) => format!("HTTP {status}"),
        (code, None) => format!("code {code}"),
        (code, Some(subcode)) => format!("code {code}, subcode {subcode}"),
    }
}

/// Why the token is dead, by the subcode of 190.
pub(super) fn dead_token(subcode: Option<i64>) -> String {
    let why = match subcode {
        Some(458) => "the person behind it removed the app",
        Some(459) => "the person behind it must log in to Facebook and clear a check",
        Some(460) => "the person behind it changed the password",
        Some(463) => "it has expired",
        Some(464) => "the account of the person behind it is not confirmed",
        Some(467) => "it is no longer valid",
        Some(492) => "the person behind it has no role on the Page",
        _ => "it is not accepted",
    };
    format!("Meta's access token is dead ({why}): set a new META_ACCESS_TOKEN, best one of a system user")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://graph.facebook.com/";

    fn secret(text: &str) -> Secrets {
        Secrets::new(vec![text.into()]).unwrap()
    }

    fn graph(token_in_query: bool) -> Graph {
        let (app, token) =
            (secret("konektor-meta-app-secret-0123456789ab"), secret("EAAGm0PX4ZCpsBAKonektorExampleToken"));
        Graph::new(URL, "v26.0".into(), app, token, token_in_query).unwrap()
    }

    fn value<'a>(lookup: &'a Lookup, name: &str) -> Option<&'a str> {
        lookup.query.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    fn answered(status: u16, body: &str, failing_for: Duration) -> Fetched {
        answered_to(&graph(false).lookup("1", Some("77")), status, &[], body, failing_for)
    }

    /// The answer to the narrow question, so that there is nothing else to ask.
    fn answered_at_last(status: u16, body: &str) -> Fetched {
        answered_to(&narrower(&graph(false).lookup("1", Some("77"))).unwrap(), status, &[], body, Duration::ZERO)
    }

    fn answered_to(
        asked: &Lookup,
        status: u16,
        headers: &[(String, String)],
        body: &str,
        failing_for: Duration,
    ) -> Fetched {
        judge(asked, &LookupAnswer { status, headers, body: body.as_bytes(), failing_for })
    }

    /// The waits of a lead that is always answered the same, until it is given up.
    fn waits(status: u16, body: &str) -> Vec<Duration> {
        let mut failing_for = Duration::ZERO;
        let mut waits = Vec::new();
        while let Fetched::RetryAfter(wait, _) = answered(status, body, failing_for) {
            waits.push(wait);
            // The failure was written down a little later than it was judged.
            failing_for += wait - Duration::from_millis(50);
        }
        waits
    }

    fn error(code: i64, subcode: i64) -> String {
        format!(r#"{{"error":{{"message":"m","type":"OAuthException","code":{code},"error_subcode":{subcode}}}}}"#)
    }

    fn wait(fetched: Fetched) -> Duration {
        match fetched {
            Fetched::RetryAfter(wait, _) | Fetched::Throttled(wait, _) | Fetched::ScopeThrottled(wait, _) => wait,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_question_names_every_field_and_proves_the_app() {
        use secrecy::ExposeSecret as _;
        let lookup = graph(false).lookup("987654321098765", None);
        assert_eq!(lookup.url, "https://graph.facebook.com/v26.0/987654321098765");
        assert_eq!(lookup.bearer.as_ref().unwrap().expose_secret(), "EAAGm0PX4ZCpsBAKonektorExampleToken");
        assert!(value(&lookup, "fields").unwrap().contains("field_data"));
        let proof = "64ab6cfcce6b99640404bb3f804700cfa3038375df28ba1a2212237d750e21b7";
        assert_eq!(value(&lookup, "appsecret_proof"), Some(proof));
        assert_eq!(value(&lookup, "access_token"), None);
    }

    /// The time stands in the proof, so each question gets its own (`meta-31` of the vectors).
    #[test]
    fn a_proof_with_a_time_is_made_when_the_question_is_sent() {
        let timed = graph(false).timed(&secret("konektor-meta-app-secret-0123456789ab"));
        let at = |second| timed.stamped(timed.lookup("1", Some("77")), Timestamp::from_second(second).unwrap());
        let proof = "73b59b35b5ad865a332bc0755b747f0b009ce3103dd9228a9c60e7b840909397";
        assert_eq!(value(&at(1_795_450_000), "appsecret_proof"), Some(proof));
        let again = timed.stamped(at(1_795_450_000), Timestamp::from_second(1_795_450_300).unwrap());
        assert_eq!(value(&again, "appsecret_time"), Some("1795450300"));
        assert_eq!(again.query.iter().filter(|(name, _)| name.starts_with("appsecret")).count(), 2);
        let plain = graph(false).stamped(graph(false).lookup("1", Some("77")), Timestamp::UNIX_EPOCH);
        assert_eq!(value(&plain, "appsecret_time"), None);
    }

    #[test]
    fn the_token_goes_into_the_query_only_where_that_is_asked_for() {
        let lookup = graph(true).lookup("1", Some("77"));
        assert_eq!(value(&lookup, "access_token"), Some("EAAGm0PX4ZCpsBAKonektorExampleToken"));
        assert!(lookup.bearer.is_none());
    }

    #[test]
    fn neither_the_token_nor_the_proof_is_in_debug_output() {
        let shown = format!("{:?} {:?}", graph(true), graph(true).lookup("1", Some("77")));
        assert!(!shown.contains("EAAG") && !shown.contains("64ab"), "{shown}");
    }

    #[test]
    fn a_lead_is_an_object_with_an_id() {
        let body = r#"{"id":"1","field_data":[]}"#;
        assert!(matches!(answered(200, body, Duration::ZERO), Fetched::Lead(bytes) if bytes == body));
        for bad in ["", "<html>", "{}", "[1]", r#"{"id":"1","error":{"code":2}}"#] {
            assert_eq!(wait(answered(200, bad, Duration::ZERO)), MINUTE / 2, "{bad}");
        }
    }

    #[test]
    fn above_eighty_per_cent_of_any_limit_it_is_asked_more_slowly() {
        let of = |name: &str, value: &str| {
            let headers = [(name.to_owned(), value.to_owned())];
            match answered_to(&graph(false).lookup("1", Some("77")), 200, &headers, r#"{"id":"1"}"#, Duration::ZERO) {
                Fetched::Lead(_) => 0,
                Fetched::LeadThenRest(lead, rest, _) if lead == r#"{"id":"1"}"# => rest.as_secs(),
                other => panic!("{other:?}"),
            }
        };
        let app = |percent: &str| {
            of("x-app-usage", &format!(r#"{{"call_count":{percent},"total_time":3,"total_cputime":0}}"#))
        };
        assert_eq!(["80", "80.1", "90", "100", "2000", "-1", "NaN", "{}"].map(app), [0, 1, 30, 60, 60, 0, 0, 0]);
        let business =
            r#"{"1":[{"type":"pages","call_count":1},{"type":"leadgen","total_cputime":95,"call_count":2}],"2":[]}"#;
        assert_eq!(of("x-business-use-case-usage", business), 45);
        for garbled in ["", "[]", "{", r#"{"1":7}"#] {
            assert_eq!((of("x-app-usage", garbled), of("x-business-use-case-usage", garbled)), (0, 0), "{garbled}");
        }
    }

    #[test]
    fn a_dead_token_blocks_everyone_and_says_why() {
        for (code, subcode, says) in
            [(190, 463, "expired"), (190, 460, "password"), (190, 1, "not accepted"), (102, 0, "")]
        {
            let Fetched::Blocked(_, sentence) = answered(400, &error(code, subcode), Duration::ZERO) else {
                panic!("{code}")
            };
            assert!(sentence.contains(says), "{sentence}");
        }
    }

    #[test]
    fn a_limit_of_a_page_holds_the_page_and_one_of_the_app_or_the_token_holds_all() {
        for code in [4, 17, 341, 613] {
            assert!(matches!(answered(400, &error(code, 0), Duration::ZERO), Fetched::Throttled(..)), "{code}");
        }
        assert!(matches!(answered(429, "", Duration::ZERO), Fetched::Throttled(..)));
        for code in [32, 80_001, 80_005] {
            assert!(matches!(answered(400, &error(code, 0), Duration::ZERO), Fetched::ScopeThrottled(..)), "{code}");
        }
    }

    #[test]
    fn a_missing_right_is_asked_around_once_and_then_blocks_its_page() {
        for code in [10, 200, 299] {
            let Fetched::AskInstead(narrow) = answered(403, &error(code, 0), Duration::ZERO) else { panic!("{code}") };
            assert_eq!(value(&narrow, "fields"), Some(NARROW_FIELDS));
            assert!(value(&narrow, "appsecret_proof").is_some() && narrow.bearer.is_some());
            assert_eq!(narrow.scope.as_deref(), Some("Page 77"));
            assert!(matches!(answered_at_last(403, &error(code, 0)), Fetched::ScopeBlocked(..)), "{code}");
        }
    }

    #[test]
    fn a_refused_question_is_asked_more_simply_once_and_then_given_up() {
        assert!(matches!(answered(400, &error(100, 0), Duration::ZERO), Fetched::AskInstead(_)));
        let Fetched::GiveUp(sentence) = answered_at_last(400, &error(100, 0)) else { panic!() };
        assert!(sentence.contains("code 100"), "{sentence}");
    }

    #[test]
    fn a_lead_that_is_not_found_is_asked_for_over_a_day_before_it_is_given_up() {
        for (code, subcode) in [(100, 33), (803, 0)] {
            assert_eq!(minutes(&waits(400, &error(code, subcode))), [1, 10, 60, 360, 1440]);
            let Fetched::GiveUp(sentence) = answered(400, &error(code, subcode), 32 * HOUR) else { panic!("{code}") };
            assert!(sentence.contains("leads_retrieval"), "{sentence}");
        }
    }

    #[test]
    fn a_network_that_was_down_for_minutes_does_not_use_up_the_schedule() {
        assert_eq!(wait(answered(400, &error(100, 33), 20 * MINUTE / 60)), MINUTE, "after some tries in seconds");
        assert_eq!(wait(answered(400, &error(100, 33), 20 * MINUTE)), HOUR);
        assert_eq!(wait(answered(500, "", 20 * MINUTE)), 20 * MINUTE);
    }

    fn minutes(waits: &[Duration]) -> Vec<u64> {
        waits.iter().map(|wait| wait.as_secs() / 60).collect()
    }

    #[test]
    fn a_used_up_limit_waits_as_long_as_meta_says() {
        let usage = r#"{"123":[{"type":"leadgen","estimated_time_to_regain_access":19},{"type":"ads_management","estimated_time_to_regain_access":0}]}"#;
        let headers = [("x-business-use-case-usage".to_owned(), usage.to_owned())];
        let asked = graph(false).lookup("1", Some("77"));
        for code in [4, 17, 32, 341, 613, 80_005] {
            let told = answered_to(&asked, 400, &headers, &error(code, 0), Duration::ZERO);
            assert_eq!(wait(told), 19 * MINUTE, "{code}");
            let after = [0, 5, 10, 20, 40, 100].map(|since| wait(answered(400, &error(code, 0), since * MINUTE)));
            assert_eq!(minutes(&after), [5, 5, 10, 20, 40, 60], "{code}");
        }
        assert_eq!(wait(answered(429, "", Duration::ZERO)), 5 * MINUTE);
    }

    #[test]
    fn a_garbled_usage_header_is_as_none() {
        for bad in ["", "[]", "{}", r#"{"1":7}"#, r#"{"1":[{"estimated_time_to_regain_access":-3}]}"#] {
            assert_eq!(minutes_to_wait(bad), None, "{bad}");
        }
        let huge = r#"{"1":[{"estimated_time_to_regain_access":99999999999}]}"#;
        assert_eq!(minutes_to_wait(huge), Some(24 * HOUR));
    }

    #[test]
    fn a_bad_moment_is_waited_out_for_a_day() {
        for (status, body) in [(500, error(1, 0)), (400, error(2, 0)), (503, String::new()), (502, "<html>".into())] {
            let waits = waits(status, &body);
            assert_eq!((waits[0], *waits.last().unwrap()), (MINUTE / 2, HOUR), "{status}");
            assert!(waits.is_sorted() && waits.len() < 40, "{status}: {waits:?}");
            assert!((24 * HOUR..26 * HOUR).contains(&waits.iter().sum::<Duration>()), "{status}: {waits:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_waited_for_and_then_given_up_with_its_number() {
        assert_eq!(wait(answered(400, &error(2500, 7), Duration::ZERO)), MINUTE);
        let Fetched::GiveUp(sentence) = answered(400, &error(2500, 7), 32 * HOUR) else { panic!() };
        assert!(sentence.contains("code 2500, subcode 7"), "{sentence}");
        assert!(matches!(answered(400, &error(368, 0), Duration::ZERO), Fetched::GiveUp(_)));
        let transient = r#"{"error":{"code":2500,"is_transient":true}}"#;
        assert_eq!(wait(answered(400, transient, Duration::ZERO)), MINUTE / 2);
    }
}
