//! Meta Lead Ads: instant forms on Facebook and Instagram.
//!
//! The webhook only names the lead; its answers are fetched from the Graph API at delivery. What counts as one event is
//! the lead id, so a webhook that Meta repeats for 36 hours is one lead. Sources: "Webhooks for Leads", "Retrieving Leads"
//! and "Error Handling" on developers.facebook.com.

mod form;
mod graph;
mod list;
mod read;
mod sample;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;

use super::json::Id;
use super::{
    Fetched, FormLookup, ItemBody, List, Lookup, LookupAnswer, Method, Page, Provider, Reading, Refusal, Reply, Sample,
    SampleKind, Scheme, Secrets, SettingsError, Span, Unreadable, Verified, Webhook, handshake, meta, settings,
};
use crate::domain::event::{EventId, Hold, Item, SourceName};
use crate::domain::external_ref::ExternalRef;
use graph::Graph;

/// What stands before the lead id in an `externalRef`.
const PREFIX: &str = "meta:leadgen:";

/// The settings as they are written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The app secret, which signs; several while it is being replaced.
    app_secret: Option<Secrets>,
    /// What the owner typed into Meta's page as "Verify token".
    verify_token: Option<Secrets>,
    /// A long-lived Page or system-user token of the same app, with `leads_retrieval`.
    access_token: Option<Secrets>,
    /// Where the Graph API is.
    #[serde(default = "graph_url")]
    graph_url: String,
    /// Its version, `v26.0`.
    #[serde(default = "graph_version")]
    graph_version: String,
    /// Whose forms are listed: the Page's id. `me` is right for a Page's own token.
    #[serde(default = "page_id")]
    page_id: String,
    /// Send the token as `access_token=` in the query, as Meta's documents show it, instead of in a header, where no
    /// access log of a proxy sees it.
    #[serde(default)]
    token_in_query: bool,
    /// Prove each question with its time, so that the proof is good for five minutes only.
    #[serde(default)]
    timed_proof: bool,
}

fn graph_url() -> String {
    "https://graph.facebook.com".to_owned()
}

fn page_id() -> String {
    list::OWN_PAGE.to_owned()
}

/// The version of July 2026. Meta serves an expired version as the oldest living one, so an old value keeps working.
fn graph_version() -> String {
    "v26.0".to_owned()
}

/// The dialect with its settings.
#[derive(Debug)]
struct MetaLeads {
    app_secrets: Secrets,
    verify_tokens: Secrets,
    page_id: String,
    graph: Graph,
}

/// Builds the dialect from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    let Settings {
        app_secret,
        verify_token,
        access_token,
        graph_url,
        graph_version,
        page_id,
        token_in_query,
        timed_proof,
    } = settings::read(table)?;
    let set = [
        ("app_secret", app_secret.is_some()),
        ("verify_token", verify_token.is_some()),
        ("access_token", access_token.is_some()),
    ];
    let (Some(app_secrets), Some(verify_tokens), Some(access_token)) = (app_secret, verify_token, access_token) else {
        return Err(settings::incomplete(&set));
    };
    settings::long_enough("app_secret", &app_secrets)?;
    if page_id != list::OWN_PAGE && !is_id(&page_id) {
        return Err(SettingsError::Invalid("`page_id` is the number of a Page, or `me`".into()));
    }
    let graph = Graph::new(&graph_url, graph_version, app_secrets.clone(), access_token, token_in_query)?;
    let graph = if timed_proof { graph.timed(&app_secrets) } else { graph };
    Ok(Arc::new(MetaLeads { app_secrets, verify_tokens, page_id, graph }))
}

impl Provider for MetaLeads {
    fn handshake(&self, webhook: &Webhook) -> Option<Reply> {
        handshake::hub_challenge(webhook, &self.verify_tokens)
    }

    fn methods(&self) -> &'static [Method] {
        &[Method::Get, Method::Post]
    }

    fn verify(&self, webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        meta::verify(webhook, &self.app_secrets, meta::Signed::AsSentOrEscaped)
    }

    fn scheme(&self) -> Option<Scheme> {
        Some(meta::scheme(&self.app_secrets))
    }

    fn accepted(&self, _webhook: &Webhook) -> Reply {
        Reply::json(r#"{"ok":true}"#)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let changes = meta::changes(webhook.body(), "page")?;
        meta::of_one_webhook(changes.into_iter().filter_map(|change| item(webhook.source(), change.get())).collect())
    }

    fn lookup(&self, item: &ItemBody<'_>) -> Option<Lookup> {
        let text = std::str::from_utf8(item.body).ok()?;
        match (item.fetched, change(text)) {
            (None, Change::Lead(id)) if !is_dashboard_test(&id) => {
                Some(self.graph.lookup(&id, read::page(text).as_deref()))
            }
            (None | Some(_), Change::Lead(_) | Change::Other | Change::Unread) => None,
        }
    }

    fn stamped(&self, lookup: Lookup, now: Timestamp) -> Lookup {
        self.graph.stamped(lookup, now)
    }

    fn looked_up(&self, _item: &ItemBody<'_>, asked: &Lookup, answer: &LookupAnswer<'_>) -> Fetched {
        graph::judge(asked, answer)
    }

    fn form_lookup(&self, item: &ItemBody<'_>, fetched: &[u8]) -> Option<FormLookup> {
        let form = form::id(item.body, fetched)?;
        Some(FormLookup { lookup: self.graph.ask(&form, form::FIELDS), form })
    }

    fn with_form(&self, fetched: &[u8], told: &[u8]) -> Bytes {
        form::beside(fetched, told)
    }

    fn list(&self) -> List {
        List::On
    }

    fn page(&self, span: Span, cursor: Option<&str>) -> Option<Lookup> {
        Some(list::page(&self.graph, &self.page_id, span, &list::Place::read(cursor)?))
    }

    fn listed(&self, span: Span, cursor: Option<&str>, answer: &LookupAnswer<'_>) -> Page {
        // A question was asked for it, so it is one of ours.
        list::listed(&self.page_id, span, list::Place::read(cursor).unwrap_or_default(), answer)
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let text = std::str::from_utf8(item.body).map_err(|_| Unreadable("the change is not UTF-8".into()))?;
        let Change::Lead(id) = change(text) else {
            return Err(Unreadable("the change has no lead id in `value.leadgen_id`".into()));
        };
        match item.fetched {
            Some(fetched) => read::lead(&id, text, fetched),
            None if is_dashboard_test(&id) => Ok(read::dashboard_test(&id, text)),
            None => Err(Unreadable("the lead's answers have not been fetched from Meta".into())),
        }
    }

    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        sample::sample(&self.app_secrets, kind, seed, now)
    }

    fn sign(&self, body: Vec<u8>, _now: Timestamp) -> Sample {
        meta::signed(&self.app_secrets, body)
    }
}

/// What a change is to us.
enum Change<'a> {
    /// A lead, by its id.
    Lead(Cow<'a, str>),
    /// Something else that the app is subscribed to.
    Other,
    /// A lead perhaps, but of no shape that is known.
    Unread,
}

fn change(text: &str) -> Change<'_> {
    #[derive(Deserialize)]
    struct Whole<'a> {
        #[serde(borrow)]
        field: Cow<'a, str>,
        #[serde(borrow)]
        value: Value<'a>,
    }
    #[derive(Deserialize)]
    struct Value<'a> {
        #[serde(borrow)]
        leadgen_id: Id<'a>,
    }
    #[derive(Deserialize)]
    struct FieldOnly<'a> {
        #[serde(borrow)]
        field: Cow<'a, str>,
    }
    match serde_json::from_str::<Whole<'_>>(text) {
        Ok(Whole { field, value: Value { leadgen_id: Id(id) } }) if field == "leadgen" && is_id(&id) => {
            Change::Lead(id)
        }
        _ if serde_json::from_str::<FieldOnly<'_>>(text).is_ok_and(|change| change.field != "leadgen") => Change::Other,
        _ => Change::Unread,
    }
}

/// What is not all digits would be no id of the Graph API, and would have to be escaped in its URL.
fn is_id(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn item(source: &SourceName, text: &str) -> Option<Item> {
    let id = match change(text) {
        Change::Lead(id) => id,
        Change::Other => return None,
        Change::Unread => return Some(meta::unread(source, "meta:unread:", text)),
    };
    // The button sends the same id each time it is pressed, with another time: each press is shown.
    let (event, hold) = if is_dashboard_test(&id) {
        (EventId::of(source, &[b"test", text.as_bytes()]), Hold::TestLead)
    } else {
        (EventId::of(source, &[b"leadgen", id.as_bytes()]), Hold::No)
    };
    Some(Item {
        id: event,
        same_within: None,
        external_ref: ExternalRef::new(PREFIX, &id),
        aliases: Vec::new(),
        hold,
        body: text.as_bytes().to_vec(),
    })
}

/// True for the ids of the "Test" button in the App Dashboard: only fours, and no lead behind them.
fn is_dashboard_test(id: &str) -> bool {
    id.bytes().all(|byte| byte == b'4')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> toml::Table {
        toml::toml! {
            app_secret = ["an-app-secret-of-nobody", "an-older-secret-of-nobody"]
            verify_token = "token"
            access_token = "EAAG"
        }
    }

    #[test]
    fn without_a_secret_the_source_is_off_and_says_what_to_set() {
        for name in ["app_secret", "verify_token", "access_token"] {
            let mut table = table();
            table.remove(name);
            assert_eq!(build(table).unwrap_err(), SettingsError::Incomplete(format!("set `{name}`")));
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        for (name, value) in [
            ("graph_url", toml::Value::from("graph.facebook.com")),
            ("graph_version", toml::Value::from("26")),
            ("page_id", toml::Value::from("me/../1")),
            ("app_secret", toml::Value::from("")),
            ("aap_secret", toml::Value::from("x")),
        ] {
            let mut table = table();
            table.insert(name.to_owned(), value);
            assert!(matches!(build(table), Err(SettingsError::Invalid(_))), "{name}");
        }
    }

    #[test]
    fn an_id_of_another_shape_is_kept_apart_and_never_asked_for() {
        for id in [r#""../me""#, r#""""#, "1.2e18", "null", "[]", &format!("\"{}\"", "1".repeat(41))] {
            let text = format!(r#"{{"field":"leadgen","value":{{"leadgen_id":{id}}}}}"#);
            let source = SourceName::parse("meta").unwrap();
            let item = item(&source, &text).unwrap();
            assert!(item.external_ref.as_str().starts_with("meta:unread:h:"), "{id}");
            let stored = ItemBody {
                source: &source,
                external_ref: &item.external_ref,
                received: Timestamp::UNIX_EPOCH,
                body: &item.body,
                fetched: None,
            };
            let provider = build(table()).unwrap();
            assert!(provider.lookup(&stored).is_none() && provider.read(&stored).is_err(), "{id}");
        }
    }
}
