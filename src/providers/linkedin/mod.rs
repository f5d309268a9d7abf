//! LinkedIn Lead Sync: lead gen forms on LinkedIn.
//!
//! The webhook only names the lead; its answers, and the form's questions, are fetched at delivery. LinkedIn asks the URL
//! for a proof every two hours. A lead that is deleted at LinkedIn is a signal to erase it: it is withheld for a person and
//! never forwarded, and neither is what comes of it later or has not been delivered yet. Sources: "Webhook validation" and "Lead Sync" on learn.microsoft.com/linkedin.

mod api;
mod list;
mod read;
mod sample;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use self::api::Api;
use self::list::Owner;
use super::json::{self, Object};
use super::signature::{hex_digest, hmac_sha256};
use super::{
    Fetched, Header, ItemBody, List, Lookup, LookupAnswer, Method, Page, Provider, Reading, Refusal, Reply, Sample,
    SampleKind, Scheme, Secrets, SettingsError, Span, Unreadable, Verified, Webhook, meta, settings,
};
use crate::domain::event::{EventId, Hold, Item, SourceName};
use crate::domain::external_ref::ExternalRef;

/// What stands before the id of a response in an `externalRef`.
const PREFIX: &str = "linkedin:lead:";

/// What stands before it in a notification.
const RESPONSE: &str = "urn:li:leadGenFormResponse:";

/// The header of the proof.
const SIGNATURE: &str = "x-li-signature";

/// What is signed stands behind this word, which some say is in the header, too.
const SIGNED_PREFIX: &str = "hmacsha256=";

/// What happened to a lead.
const CREATED: &str = "CREATED";
const DELETED: &str = "DELETED";

/// How long a deleted lead is not created: longer than any list or sender has one.
const FOR_EVER: Duration = Duration::from_hours(24 * 3650);

/// The longest challenge, and the longest id of a response.
const MAX_WORD: usize = 128;

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app's client secret, which signs and answers challenges. LinkedIn knows one at a time: where several stand here,
    /// the first one answers.
    client_secret: Option<Secrets>,
    /// A token with `r_marketing_leadgen_automation`; it lives 60 days.
    access_token: Option<Secrets>,
    /// Whose leads are listed: the URN of the ad account or of the organisation.
    owner: Option<String>,
    /// Which of an organisation's leads are listed; all where absent.
    lead_types: Option<Vec<String>>,
    /// When that token ends, for a warning in good time.
    token_expires: Option<String>,
    /// Where the API is.
    #[serde(default = "api_url")]
    api_url: String,
    /// Its version, `YYYYMM`; each lives about a year.
    #[serde(default = "api_version")]
    api_version: String,
    /// What is signed begins with `hmacsha256=`, as implementers report; LinkedIn's documents leave it open.
    #[serde(default = "yes")]
    signed_prefix: bool,
    /// The number of the first choice of a question, `0` or `1`: LinkedIn does not say. Without it the notes show the
    /// number and all choices.
    first_option: Option<u8>,
}

fn api_url() -> String {
    "https://api.linkedin.com".to_owned()
}

fn api_version() -> String {
    "202610".to_owned()
}

const fn yes() -> bool {
    true
}

/// The dialect with its settings.
#[derive(Debug)]
struct Linkedin {
    client_secrets: Secrets,
    signed_prefix: &'static str,
    first_option: Option<u8>,
    expires: Option<Timestamp>,
    owner: Option<Owner>,
    api: Api,
}

/// Builds the dialect from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    let Settings {
        client_secret,
        access_token,
        owner,
        lead_types,
        token_expires,
        api_url,
        api_version,
        signed_prefix,
        first_option,
    } = settings::read(table)?;
    let set = [("client_secret", client_secret.is_some()), ("access_token", access_token.is_some())];
    let (Some(client_secrets), Some(token)) = (client_secret, access_token) else {
        return Err(settings::incomplete(&set));
    };
    settings::long_enough("client_secret", &client_secrets)?;
    if first_option.is_some_and(|first| first > 1) {
        return Err(SettingsError::Invalid("`first_option` is 0 or 1".into()));
    }
    let expires = token_expires.map(|text| day(&text)).transpose()?;
    let owner = owner.map(|urn| Owner::new(&urn, lead_types)).transpose()?;
    let signed_prefix = if signed_prefix { SIGNED_PREFIX } else { "" };
    let api = Api::new(&api_url, api_version, token)?;
    Ok(Arc::new(Linkedin { client_secrets, signed_prefix, first_option, expires, owner, api }))
}

/// A day, or a moment.
fn day(text: &str) -> Result<Timestamp, SettingsError> {
    let date = || TimeZone::UTC.to_timestamp(text.parse::<Date>().ok()?.at(0, 0, 0, 0)).ok();
    let moment = text.parse().ok().or_else(date);
    moment.ok_or_else(|| SettingsError::Invalid("`token_expires` is a day like 2027-01-31".into()))
}

impl Provider for Linkedin {
    /// Answers the challenge, whatever the state of the rest: three failures, and LinkedIn blocks the URL.
    ///
    /// What is given back is a signature under the very secret that proves notifications, over a text that anybody may
    /// choose. So the text may hold letters, digits and hyphens only (LinkedIn's are UUIDs): no notification is made of those.
    fn handshake(&self, webhook: &Webhook) -> Option<Reply> {
        if webhook.method != Method::Get {
            return None;
        }
        let code = webhook.query_value("challengeCode").filter(|code| is_word(code));
        Some(match code {
            Some(code) => {
                let proof = hex::encode(hmac_sha256(self.client_secrets.first().as_bytes(), &[code.as_bytes()]));
                Reply::json(json!({ "challengeCode": code, "challengeResponse": proof }).to_string())
            }
            None => Reply::empty(400).because("it has no challengeCode: this is no question of LinkedIn's"),
        })
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Get, Method::Post]
    }

    fn verify(&self, webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        if webhook.method != Method::Post {
            return Err(Refusal::Method);
        }
        let given = match webhook.header(SIGNATURE) {
            Header::Absent => return Err(Refusal::NoProof),
            Header::Several => return Err(Refusal::GarbledProof),
            Header::Once(value) => hex_digest(value.strip_prefix(SIGNED_PREFIX).unwrap_or(value)),
        };
        let given = given.ok_or(Refusal::GarbledProof)?;
        let signs =
            |prefix: &str| self.client_secrets.keys().any_signed(&[prefix.as_bytes(), webhook.as_sent()], &given);
        if signs(self.signed_prefix) {
            return Ok(Verified::new(webhook, &[], webhook.body.clone()));
        }
        // Not let in, for which of the two LinkedIn does is the owner's to say; but that is what there is to say. A word
        // that the challenge signs for anybody shows nothing.
        let other = if self.signed_prefix.is_empty() { SIGNED_PREFIX } else { "" };
        let of_anybody = std::str::from_utf8(webhook.as_sent()).is_ok_and(is_word);
        if !of_anybody && signs(other) {
            return Err(Refusal::OtherProof(!other.is_empty()));
        }
        Err(Refusal::WrongProof)
    }

    fn scheme(&self) -> Option<Scheme> {
        let text = format!(
            "kind = 'hmac'\nalgorithm = 'sha256'\nencoding = 'hex'\nbase = '{}{{body}}'\n\
             signature = {{ header = 'X-LI-Signature' }}",
            self.signed_prefix
        );
        Some(Scheme::known(&text, self.client_secrets.iter()))
    }

    fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::json(r#"{"ok":true}"#)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let notifications = notifications(webhook.body())?.into_iter();
        meta::of_one_webhook(notifications.flat_map(|text| items(webhook.source(), text.get())).collect())
    }

    fn deletes(&self, item: &ItemBody<'_>) -> bool {
        let text = std::str::from_utf8(item.body).unwrap_or_default();
        matches!(notification(text), Notification::Deleted(_))
    }

    fn lookup(&self, item: &ItemBody<'_>) -> Option<Lookup> {
        match (item.fetched, notification(std::str::from_utf8(item.body).ok()?)) {
            (None, Notification::Created(id)) => Some(self.api.lookup(&id)),
            (_, Notification::Created(_) | Notification::Deleted(_) | Notification::Other | Notification::Unread) => {
                None
            }
        }
    }

    fn looked_up(&self, _item: &ItemBody<'_>, _asked: &Lookup, answer: &LookupAnswer<'_>) -> Fetched {
        api::judge(answer)
    }

    fn list(&self) -> List {
        match &self.owner {
            Some(_) => List::On,
            None => List::Off(list::NO_OWNER.to_owned()),
        }
    }

    fn page(&self, span: Span, cursor: Option<&str>) -> Option<Lookup> {
        let owner = self.owner.as_ref()?;
        Some(self.api.ask(&owner.question(span, &owner.place(cursor)?)))
    }

    fn listed(&self, _span: Span, cursor: Option<&str>, answer: &LookupAnswer<'_>) -> Page {
        match self.owner.as_ref().and_then(|owner| Some((owner, owner.place(cursor)?))) {
            Some((owner, place)) => owner.listed(&place, answer),
            None => Page::Refused(list::NO_OWNER.to_owned()),
        }
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let text = std::str::from_utf8(item.body).map_err(|_| Unreadable("the notification is not UTF-8".into()))?;
        match (notification(text), item.fetched) {
            (Notification::Created(id), Some(fetched)) => read::lead(&id, text, fetched, self.first_option),
            (Notification::Created(_), None) => {
                Err(Unreadable("the lead's answers have not been fetched from LinkedIn".into()))
            }
            (Notification::Deleted(_), _) => Err(Unreadable(
                "LinkedIn has deleted this lead: erase it in Konektor by hand, then discard this".into(),
            )),
            (Notification::Other | Notification::Unread, _) => {
                Err(Unreadable("the notification names no lead in `leadGenFormResponse`".into()))
            }
        }
    }

    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        sample::sample(self.client_secrets.first(), self.signed_prefix, kind, seed, now)
    }

    fn sign(&self, body: Vec<u8>, _now: Timestamp) -> Sample {
        sample::signed(self.client_secrets.first(), self.signed_prefix, body)
    }
}

/// True for what may be signed back and stand in a URL.
fn is_word(text: &str) -> bool {
    (1..=MAX_WORD).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// What a notification is to us.
enum Notification {
    /// A lead, by the id of its response.
    Created(String),
    /// A lead that is to be erased.
    Deleted(String),
    /// Something else that the app is subscribed to.
    Other,
    /// A lead perhaps, but of no shape that is known.
    Unread,
}

/// The notifications in a body: one in all that was seen, several in a list.
fn notifications(body: &[u8]) -> Result<Vec<&RawValue>, Unreadable> {
    let unreadable = || Unreadable("the body is no JSON object and no list of them".into());
    let raw: &RawValue = serde_json::from_slice(body).map_err(|_| unreadable())?;
    match raw.get().as_bytes().first() {
        Some(b'{') => Ok(vec![raw]),
        Some(b'[') => Ok(json::list(raw)),
        _ => Err(unreadable()),
    }
}

fn notification(text: &str) -> Notification {
    let Some(object) = Object::parse(text) else { return Notification::Unread };
    let word = |name: &str| object.get(name).and_then(json::string);
    if word("type").is_some_and(|kind| kind != "LEAD_ACTION") {
        return Notification::Other;
    }
    let urn = word("leadGenFormResponse");
    let id = urn.as_deref().and_then(|urn| urn.strip_prefix(RESPONSE)).filter(|id| is_word(id)).map(str::to_owned);
    match (id, word("leadAction").as_deref()) {
        (Some(id), Some(CREATED)) => Notification::Created(id),
        (Some(id), Some(DELETED)) => Notification::Deleted(id),
        (None | Some(_), _) => Notification::Unread,
    }
}

/// The items of a notification. That a lead was deleted is two: the notice, which goes through the lane and stops what has
/// not been delivered, and, under the name of the event that would have created the lead, a tombstone: whether that comes
/// later or came before, it is the same event.
fn items(source: &SourceName, text: &str) -> Vec<Item> {
    match notification(text) {
        Notification::Created(id) => vec![item(source, CREATED, &id, text)],
        Notification::Deleted(id) => {
            let tombstone =
                Item { hold: Hold::DeletedAtSender, same_within: Some(FOR_EVER), ..item(source, CREATED, &id, text) };
            vec![item(source, DELETED, &id, text), tombstone]
        }
        Notification::Other => Vec::new(),
        Notification::Unread => vec![meta::unread(source, "linkedin:unread:", text)],
    }
}

fn item(source: &SourceName, action: &str, id: &str, text: &str) -> Item {
    Item {
        id: EventId::of(source, &[action.as_bytes(), id.as_bytes()]),
        same_within: None,
        external_ref: ExternalRef::new(PREFIX, id),
        aliases: Vec::new(),
        hold: Hold::No,
        body: text.as_bytes().to_vec(),
    }
}

/// What follows the last colon: `urn:li:sponsoredCampaign:6307653` is `6307653`.
fn tail(urn: &str) -> &str {
    urn.rsplit(':').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> toml::Table {
        toml::toml! {
            client_secret = "konektor-linkedin-client-secret"
            access_token = "AQX-fake"
        }
    }

    #[test]
    fn without_its_secrets_the_source_is_off_and_wrong_settings_are_named() {
        for name in ["client_secret", "access_token"] {
            let mut table = table();
            table.remove(name);
            assert_eq!(build(table).unwrap_err(), SettingsError::Incomplete(format!("set `{name}`")));
        }
        for (name, value) in [
            ("api_url", toml::Value::from("api.linkedin.com")),
            ("api_version", "v2".into()),
            ("token_expires", "soon".into()),
            ("first_option", 2.into()),
            ("owner", "urn:li:person:1".into()),
            ("owner", "urn:li:organization:1)".into()),
        ] {
            let mut table = table();
            table.insert(name.to_owned(), value);
            assert!(matches!(build(table), Err(SettingsError::Invalid(text)) if text.contains(name)), "{name}");
        }
    }

    #[test]
    fn the_end_of_the_token_is_a_day_or_a_moment() {
        for (text, at) in
            [("2027-01-31", "2027-01-31T00:00:00Z"), ("2027-01-31T08:00:00+07:00", "2027-01-31T01:00:00Z")]
        {
            let mut table = table();
            table.insert("token_expires".into(), text.into());
            assert_eq!(build(table).unwrap().expires(), Some(at.parse().unwrap()));
        }
        assert_eq!(build(table()).unwrap().expires(), None);
    }

    #[test]
    fn nothing_that_could_be_a_notification_is_signed_back() {
        let provider = build(table()).unwrap();
        let long = "a".repeat(MAX_WORD + 1);
        for code in ["hmacsha256=", "{}", "a b", "a_b", "", long.as_str(), "ä"] {
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("challengeCode", code).finish();
            let webhook = Webhook {
                source: SourceName::parse("linkedin").unwrap(),
                received: Timestamp::UNIX_EPOCH,
                request_id: String::new(),
                method: Method::Get,
                path: String::new(),
                path_token: None,
                query,
                headers: crate::providers::Headers::default(),
                body: bytes::Bytes::new(),
                packed: None,
            };
            let reply = provider.handshake(&webhook).expect("a question is answered");
            assert_eq!((reply.status, reply.body.as_str()), (400, ""), "{code}");
        }
    }

    #[test]
    fn an_id_of_another_shape_is_kept_apart_and_never_asked_for() {
        for urn in ["urn:li:leadGenFormResponse:../me", "urn:li:leadGenFormResponse:", "249592fc", "urn:li:person:1"] {
            let text = format!(r#"{{"type":"LEAD_ACTION","leadAction":"CREATED","leadGenFormResponse":"{urn}"}}"#);
            let items = items(&SourceName::parse("linkedin").unwrap(), &text);
            assert_eq!(items.len(), 1, "{urn}");
            assert!(items[0].external_ref.as_str().starts_with("linkedin:unread:h:"), "{urn}");
        }
    }
}
