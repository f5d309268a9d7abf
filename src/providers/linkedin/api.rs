//! Asking LinkedIn for a lead, and what its answers mean.

use std::time::Duration;

use bytes::Bytes;

use super::super::json::Object;
use super::super::waits::{BLOCKED_WAIT, MINUTE, TRANSIENT_FOR, again_by, growing};
use super::super::{Fetched, Lookup, LookupAnswer, Secrets, SettingsError};

/// What is asked for: the answers, and the form with its questions, for answers have the numbers of questions only.
/// Colons and parentheses are part of the language and must not be encoded, so this stands in the URL as it is.
const FIELDS: &str = "fields=ownerInfo,associatedEntityInfo,leadMetadataInfo,leadMetadata,owner,associatedEntity,leadType,\
                      versionedLeadGenFormUrn,id,submittedAt,testLead,formResponse,\
                      form:(hiddenFields,creationLocale,name,id,content)";

/// When a lead that is not found is asked for again: it may not be visible yet.
const NOT_FOUND_WAITS: [Duration; 3] = [MINUTE, Duration::from_mins(5), Duration::from_mins(30)];

/// Where the API is, and what it takes to be let in.
#[derive(Debug)]
pub(super) struct Api {
    base: String,
    version: String,
    token: Secrets,
}

impl Api {
    /// Takes the settings.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] when the URL or the version is none.
    pub(super) fn new(url: &str, version: String, token: Secrets) -> Result<Self, SettingsError> {
        let http = url::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        if !http {
            return Err(SettingsError::Invalid("`api_url` is an address like https://api.linkedin.com".into()));
        }
        if version.len() != 6 || !version.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SettingsError::Invalid("`api_version` is a year and a month like 202610".into()));
        }
        Ok(Self { base: format!("{}/rest", url.trim_end_matches('/')), version, token })
    }

    /// The question for the response `id`.
    pub(super) fn lookup(&self, id: &str) -> Lookup {
        self.ask(&format!("/{id}?{FIELDS}"))
    }

    /// A question about responses: what follows their path, as it stands in the URL.
    pub(super) fn ask(&self, rest: &str) -> Lookup {
        Lookup {
            url: format!("{}/leadFormResponses{rest}", self.base),
            query: Vec::new(),
            bearer: Some(self.token.first().to_owned().into()),
            headers: vec![
                ("LinkedIn-Version", self.version.clone()),
                ("X-Restli-Protocol-Version", "2.0.0".to_owned()),
            ],
            scope: None,
        }
    }
}

/// Judges LinkedIn's answer, after the table of "Error handling" in its documents.
pub(super) fn judge(answer: &LookupAnswer<'_>) -> Fetched {
    let object = std::str::from_utf8(answer.body).ok().and_then(Object::parse);
    let about_version = || {
        let code = object.as_ref().and_then(|object| object.text("code")).unwrap_or_default();
        code.contains("VERSION")
    };
    match answer.status {
        200..=299 if object.as_ref().is_some_and(|object| object.get("formResponse").is_some()) => {
            Fetched::Lead(Bytes::copy_from_slice(answer.body))
        }
        401 => blocked("LinkedIn's access token is dead (it lives 60 days): set a new LINKEDIN_ACCESS_TOKEN"),
        403 => blocked(
            "the token may not read leads: give its member the ad account's lead role again, and the app Lead Sync access \
             with `r_marketing_leadgen_automation`",
        ),
        426 => blocked(OLD_VERSION),
        400 if about_version() => blocked(OLD_VERSION),
        404 | 410 => again_by(&NOT_FOUND_WAITS, answer.failing_for, NOT_SHOWN),
        429 => Fetched::Throttled(
            growing(5 * MINUTE, answer.failing_for),
            "LinkedIn's limit for this app is used up; a daily one begins anew at midnight UTC".to_owned(),
        ),
        status if (400..500).contains(&status) => {
            Fetched::GiveUp(format!("LinkedIn refused the question (HTTP {status}): check `api_version`, then replay"))
        }
        _ if answer.failing_for >= TRANSIENT_FOR => {
            Fetched::GiveUp("LinkedIn's API has failed for a day: replay once it is well".to_owned())
        }
        status => Fetched::RetryAfter(
            growing(MINUTE / 2, answer.failing_for),
            format!("LinkedIn's API fails (HTTP {status})"),
        ),
    }
}

const OLD_VERSION: &str = "LinkedIn no longer serves this version of its API (each lives about a year): set `api_version` of \
                           the source to a newer month";

const NOT_SHOWN: &str = "LinkedIn does not show this lead (it was deleted, or the role on the ad account is gone): check the \
                         role, then replay";

fn blocked(why: &str) -> Fetched {
    Fetched::Blocked(BLOCKED_WAIT, why.to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::super::waits::HOUR;
    use super::*;

    fn judged(status: u16, body: &str, failing_for: Duration) -> Fetched {
        judge(&LookupAnswer { status, headers: &[], body: body.as_bytes(), failing_for })
    }

    #[test]
    fn the_question_keeps_its_parentheses_and_names_the_version() {
        let token = Secrets::new(vec!["AQX".into()]).unwrap();
        let api = Api::new("https://api.linkedin.com/", "202610".into(), token).unwrap();
        let lookup = api.lookup("249592fc-6");
        let url = url::Url::parse(&lookup.url).unwrap();
        assert_eq!(url.path(), "/rest/leadFormResponses/249592fc-6");
        assert!(url.query().unwrap().ends_with(",form:(hiddenFields,creationLocale,name,id,content)"));
        assert!(lookup.headers.contains(&("LinkedIn-Version", "202610".into())));
        assert!(!format!("{lookup:?} {api:?}").contains("AQX"));
    }

    #[test]
    fn each_kind_of_trouble_has_its_end() {
        let now = Duration::ZERO;
        assert!(matches!(judged(200, r#"{"formResponse":{}}"#, now), Fetched::Lead(_)));
        for status in [401, 403, 426] {
            assert!(matches!(judged(status, "", 99 * HOUR), Fetched::Blocked(_, _)), "{status}");
        }
        assert!(matches!(judged(400, r#"{"code":"VERSION_MISSING"}"#, now), Fetched::Blocked(_, _)));
        assert!(matches!(judged(400, r#"{"code":"ILLEGAL_ARGUMENT"}"#, now), Fetched::GiveUp(_)));
        for (status, body) in [(500, ""), (503, "<html>"), (200, "{}"), (200, "x"), (302, "")] {
            assert!(matches!(judged(status, body, HOUR), Fetched::RetryAfter(_, _)), "{status} {body}");
        }
        assert!(matches!(judged(429, "", now), Fetched::Throttled(wait, _) if wait == 5 * MINUTE));
        assert!(matches!(judged(502, "", TRANSIENT_FOR), Fetched::GiveUp(_)));
    }

    #[test]
    fn a_lead_that_is_not_shown_is_asked_for_three_times_more() {
        let (mut failing_for, mut waits) = (Duration::ZERO, Vec::new());
        while let Fetched::RetryAfter(wait, _) = judged(404, "{}", failing_for) {
            waits.push(wait.as_secs() / 60);
            failing_for += wait - Duration::from_millis(50);
        }
        assert_eq!(waits, [1, 5, 30]);
    }
}
