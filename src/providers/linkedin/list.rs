//! The list of an owner's leads: LinkedIn's finder, a page at a time.
//!
//! Source: "Lead Sync" on learn.microsoft.com/linkedin. The query is written in LinkedIn's own language: colons within a URN
//! are encoded, those between name and value are not, and neither are parentheses. So it is built here, letter by letter.

use std::time::Duration;

use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::json::{self, Object};
use super::super::{Fetched, LookupAnswer, Page, SettingsError, Span};
use super::{RESPONSE, api};

/// Leads on a page: the most that LinkedIn gives.
const COUNT: u64 = 100;

/// What a notification has; the answers are fetched for each lead, as they are for webhooks.
const FIELDS: &str = "id,submittedAt,leadType,owner,associatedEntity,versionedLeadGenFormUrn";

/// What an ad account has, and what an organisation has: LinkedIn refuses the one of the other.
const OF_ACCOUNT: [&str; 1] = ["SPONSORED"];
const OF_ORGANISATION: [&str; 3] = ["COMPANY", "EVENT", "ORGANIZATION_PRODUCT"];

/// Why there is no list.
pub(super) const NO_OWNER: &str = "set LINKEDIN_OWNER to whose leads are listed: the ad account \
                                   (urn:li:sponsoredAccount:…) or the organisation (urn:li:organization:…)";

/// Whose leads are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Owner {
    /// As the finder writes it: `sponsoredAccount:urn%3Ali%3AsponsoredAccount%3A1234567`.
    written: String,
    /// The types of its leads, each of which is a list of its own.
    types: Vec<String>,
}

/// Where a reading stands: the cursor, opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// In the list of which type.
    kind: usize,
    /// From which lead on.
    start: u64,
}

impl Owner {
    /// Reads a URN, and which types of leads are listed.
    ///
    /// # Errors
    /// [`SettingsError::Invalid`] when it is no URN of an owner, or the types are none of its own.
    pub(super) fn new(urn: &str, types: Option<Vec<String>>) -> Result<Self, SettingsError> {
        let kind = urn.strip_prefix("urn:li:").and_then(|rest| rest.split_once(':'));
        let is_number = |id: &str| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit());
        let (kind, has): (_, &[&str]) = match kind {
            Some((kind @ "sponsoredAccount", id)) if is_number(id) => (kind, &OF_ACCOUNT),
            Some((kind @ "organization", id)) if is_number(id) => (kind, &OF_ORGANISATION),
            Some(_) | None => {
                let example = "`owner` is a URN like urn:li:sponsoredAccount:1234567 or urn:li:organization:1234567";
                return Err(SettingsError::Invalid(example.into()));
            }
        };
        let types = types.unwrap_or_else(|| has.iter().map(|kind| (*kind).to_owned()).collect());
        if types.is_empty() || types.iter().any(|kind| !has.contains(&kind.as_str())) {
            return Err(SettingsError::Invalid(format!("`lead_types` of this owner are some of {}", has.join(", "))));
        }
        Ok(Self { written: format!("{kind}:{}", urn.replace(':', "%3A")), types })
    }

    /// The place that a cursor names; `None` when it is not one of ours.
    pub(super) fn place(&self, cursor: Option<&str>) -> Option<Place> {
        let Some(cursor) = cursor else { return Some(Place { kind: 0, start: 0 }) };
        let (word, start) = cursor.split_once(':')?;
        let kind = self.types.iter().position(|kind| kind == word)?;
        Some(Place { kind, start: start.parse().ok()? })
    }

    fn cursor(&self, place: Place) -> Option<String> {
        self.types.get(place.kind).map(|kind| format!("{kind}:{}", place.start))
    }

    /// What is asked for the page at `place`, from the question mark on.
    pub(super) fn question(&self, span: Span, place: &Place) -> String {
        let (owner, kind, start) = (&self.written, &self.types[place.kind], place.start);
        let (since, until) = (span.since.as_millisecond(), span.until.as_millisecond());
        format!(
            "?q=owner&owner=({owner})&leadType=(leadType:{kind})&submittedAtTimeRange=(start:{since},end:{until})\
             &limitedToTestLeads=false&start={start}&count={COUNT}&fields={FIELDS}"
        )
    }

    /// Judges the answer to it.
    pub(super) fn listed(&self, place: &Place, answer: &LookupAnswer<'_>) -> Page {
        let object = std::str::from_utf8(answer.body).ok().and_then(Object::parse).unwrap_or_default();
        match object.get("elements").filter(|elements| elements.get().starts_with('[')) {
            Some(elements) if (200..300).contains(&answer.status) => {
                let elements = json::list(elements);
                let notifications: Vec<_> = elements.iter().map(|lead| notification(lead)).collect();
                let webhook = (!elements.is_empty()).then(|| Value::Array(notifications).to_string().into());
                let next = self.cursor(behind(place, elements.len() as u64, &object.object("paging")));
                Page::Leads { webhook, leads: elements.len(), next }
            }
            Some(_) | None => self.refused(place, answer),
        }
    }

    /// What an answer without a list means. The kinds of trouble are those of a lead's own question.
    fn refused(&self, place: &Place, answer: &LookupAnswer<'_>) -> Page {
        let kind = &self.types[place.kind];
        match (answer.status, api::judge(answer)) {
            (404 | 410, _) => Page::Refused(format!(
                "LinkedIn knows no leads of this owner ({kind}): check LINKEDIN_OWNER, and the role of the token's \
                 member there"
            )),
            (_, Fetched::Blocked(_, why) | Fetched::ScopeBlocked(_, why)) => Page::Refused(why),
            (
                _,
                Fetched::RetryAfter(wait, why) | Fetched::Throttled(wait, why) | Fetched::ScopeThrottled(wait, why),
            ) => Page::Later(wait, why),
            (status, Fetched::GiveUp(_)) => Page::Refused(format!(
                "LinkedIn refused the question for the list of {kind} leads (HTTP {status}): check LINKEDIN_OWNER, \
                 `lead_types` and `api_version`"
            )),
            (_, Fetched::Lead(_) | Fetched::LeadThenRest(..) | Fetched::AskInstead(_)) => {
                Page::Later(Duration::from_mins(1), "LinkedIn's API gave a lead instead of a list".to_owned())
            }
        }
    }
}

/// The place behind a page of `leads`. The last page says so in one of three ways: no link to a next one, a total that is
/// reached, fewer leads than it could have held.
fn behind(place: &Place, leads: u64, paging: &Object<'_>) -> Place {
    let number = |name: &str| paging.text(name).and_then(|number| number.parse::<u64>().ok());
    let held = number("count").filter(|count| (1..=COUNT).contains(count)).unwrap_or(COUNT);
    let links = paging.list("links").into_iter().filter_map(|link| Object::parse(link.get()));
    let has_next = links.into_iter().any(|link| link.text("rel").as_deref() == Some("next"));
    // Where it stands comes back from whoever asks for the next page: it may be any number.
    let next = place.start.saturating_add(held);
    let goes_on = match number("total") {
        Some(total) => next < total,
        None => leads >= held,
    };
    match has_next || goes_on {
        true => Place { start: next, ..*place },
        false => Place { kind: place.kind + 1, start: 0 },
    }
}

/// A lead as a notification names it.
fn notification(raw: &RawValue) -> Value {
    let lead = Object::parse(raw.get()).unwrap_or_default();
    let whole = |name: &str| lead.get(name).and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok());
    let id = lead.text("id").unwrap_or_default();
    let mut notification = json!({
        "type": "LEAD_ACTION",
        "leadGenFormResponse": format!("{RESPONSE}{}", id.strip_prefix(RESPONSE).unwrap_or(&id)),
        "leadAction": "CREATED",
    });
    for (name, of_lead) in [
        ("leadGenForm", "versionedLeadGenFormUrn"),
        ("owner", "owner"),
        ("associatedEntity", "associatedEntity"),
        ("leadType", "leadType"),
        ("occurredAt", "submittedAt"),
    ] {
        if let Some(value) = whole(of_lead) {
            notification[name] = value;
        }
    }
    if id.is_empty() {
        // It will be a dead letter, with its bytes.
        notification["listed"] = json!(raw.get());
    }
    notification
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Owner {
        Owner::new("urn:li:sponsoredAccount:1234567", None).unwrap()
    }

    fn organisation() -> Owner {
        Owner::new("urn:li:organization:7", None).unwrap()
    }

    fn span() -> Span {
        let at = |millis| jiff::Timestamp::from_millisecond(millis).unwrap();
        Span { since: at(1_795_450_000_123), until: at(1_795_460_000_000) }
    }

    fn answered(owner: &Owner, cursor: Option<&str>, status: u16, body: &str) -> Page {
        let answer = LookupAnswer { status, headers: &[], body: body.as_bytes(), failing_for: Duration::ZERO };
        owner.listed(&owner.place(cursor).unwrap(), &answer)
    }

    fn next(owner: &Owner, cursor: Option<&str>, body: &str) -> Option<String> {
        match answered(owner, cursor, 200, body) {
            Page::Leads { next, .. } => next,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_question_is_linkedins_language_byte_for_byte() {
        let place = account().place(None).unwrap();
        let expected = "?q=owner&owner=(sponsoredAccount:urn%3Ali%3AsponsoredAccount%3A1234567)\
                        &leadType=(leadType:SPONSORED)&submittedAtTimeRange=(start:1795450000123,end:1795460000000)\
                        &limitedToTestLeads=false&start=0&count=100\
                        &fields=id,submittedAt,leadType,owner,associatedEntity,versionedLeadGenFormUrn";
        assert_eq!(account().question(span(), &place), expected);
        let url = format!("https://api.linkedin.com/rest/leadFormResponses{expected}");
        assert_eq!(url::Url::parse(&url).unwrap().as_str(), url, "and no URL parser writes it anew");
        let place = organisation().place(Some("EVENT:200")).unwrap();
        let question = organisation().question(span(), &place);
        assert!(question.contains("&owner=(organization:urn%3Ali%3Aorganization%3A7)&leadType=(leadType:EVENT)&"));
        assert!(question.contains("&start=200&"), "{question}");
    }

    #[test]
    fn pages_and_types_follow_each_other_to_the_end() {
        let full = format!(r#"{{"elements":[{}7]}}"#, r#"{"id":"a-1"},"#.repeat(99));
        let with = |paging: &str| format!(r#"{{"elements":[{{"id":"a-1"}}],"paging":{paging}}}"#);
        assert_eq!(next(&account(), None, &full).unwrap(), "SPONSORED:100");
        assert_eq!(next(&account(), Some("SPONSORED:100"), r#"{"elements":[]}"#), None);
        assert_eq!(next(&account(), None, &with(r#"{"count":1}"#)).unwrap(), "SPONSORED:1", "it gives fewer at a time");
        assert_eq!(next(&account(), None, &with(r#"{"count":10,"total":11}"#)).unwrap(), "SPONSORED:10");
        assert_eq!(next(&account(), Some("SPONSORED:10"), &with(r#"{"count":10,"total":11}"#)), None);
        let last = Some("SPONSORED:18446744073709551600");
        assert_eq!(next(&account(), last, &with(r#"{"total":18446744073709551615}"#)), None, "no number is too large");
        let link = r#"{"count":10,"links":[{"rel":"prev"},{"rel":"next","href":"/x"}]}"#;
        assert_eq!(next(&account(), None, &with(link)).unwrap(), "SPONSORED:10");
        assert_eq!(next(&organisation(), None, r#"{"elements":[]}"#).unwrap(), "EVENT:0");
        assert_eq!(next(&organisation(), Some("ORGANIZATION_PRODUCT:0"), r#"{"elements":[]}"#), None);
        let some = Owner::new("urn:li:organization:7", Some(vec!["EVENT".into()])).unwrap();
        assert_eq!(next(&some, None, r#"{"elements":[]}"#), None);
    }

    #[test]
    fn a_page_of_leads_is_a_list_of_notifications() {
        let body = r#"{"elements":[{"id":"2495-6","submittedAt":1795450000000,"leadType":"SPONSORED","owner":
            {"sponsoredAccount":"urn:li:sponsoredAccount:1"},"associatedEntity":{"associatedCreative":"urn:li:c:2"},
            "versionedLeadGenFormUrn":"urn:li:versionedLeadGenForm:(urn:li:leadGenForm:3,1)"},{"leadType":"EVENT"}]}"#;
        let Page::Leads { webhook, leads: 2, .. } = answered(&account(), None, 200, body) else { panic!() };
        let webhook: Value = serde_json::from_slice(&webhook.unwrap()).unwrap();
        let expected = json!([
            {
                "type": "LEAD_ACTION", "leadGenFormResponse": "urn:li:leadGenFormResponse:2495-6",
                "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:3,1)",
                "owner": { "sponsoredAccount": "urn:li:sponsoredAccount:1" },
                "associatedEntity": { "associatedCreative": "urn:li:c:2" },
                "leadType": "SPONSORED", "leadAction": "CREATED", "occurredAt": 1_795_450_000_000_i64,
            },
            {
                "type": "LEAD_ACTION", "leadGenFormResponse": "urn:li:leadGenFormResponse:", "leadAction": "CREATED",
                "leadType": "EVENT", "listed": r#"{"leadType":"EVENT"}"#,
            },
        ]);
        assert_eq!(webhook, expected);
    }

    #[test]
    fn each_kind_of_trouble_says_what_to_do_and_none_looks_like_an_empty_list() {
        let said = |status, body: &str| match answered(&account(), None, status, body) {
            Page::Refused(why) => why,
            other => panic!("{status}: {other:?}"),
        };
        assert!(said(401, "").contains("LINKEDIN_ACCESS_TOKEN"));
        assert!(said(403, "").contains("r_marketing_leadgen_automation"));
        assert!(said(404, "").contains("LINKEDIN_OWNER"));
        assert!(said(400, r#"{"code":"ILLEGAL_ARGUMENT"}"#).contains("`lead_types`"));
        assert!(said(426, "").contains("api_version") && said(400, r#"{"code":"VERSION_MISSING"}"#).contains("month"));
        for (status, body) in [(429, ""), (500, ""), (200, "{}"), (200, "<html>"), (200, r#"{"formResponse":{}}"#)] {
            assert!(matches!(answered(&account(), None, status, body), Page::Later(_, _)), "{status} {body}");
        }
        assert!(matches!(answered(&account(), None, 403, r#"{"elements":[]}"#), Page::Refused(_)));
    }

    #[test]
    fn an_owner_is_an_ad_account_or_an_organisation_with_leads_of_its_own_types() {
        for bad in ["", "1234567", "urn:li:person:1", "urn:li:sponsoredAccount:", "urn:li:organization:1)&x=("] {
            assert!(matches!(Owner::new(bad, None), Err(SettingsError::Invalid(_))), "{bad}");
        }
        for types in [vec![], vec!["SPONSORED".to_owned()], vec!["event".to_owned()]] {
            assert!(Owner::new("urn:li:organization:1", Some(types.clone())).is_err(), "{types:?}");
        }
    }

    #[test]
    fn a_cursor_of_somebody_else_is_none() {
        for bad in ["", "SPONSORED", "SPONSORED:x", "EVENT:0", r#"{"forms":["11"]}"#] {
            assert_eq!(account().place(Some(bad)), None, "{bad}");
        }
    }
}
