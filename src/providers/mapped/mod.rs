//! Senders as data: one engine that reads what the configuration says of a sender, and needs no code for one more.
//!
//! # To add a sender
//!
//! 1. `config/presets/<name>.toml`: what stands below. Start from the one that is most like it: `typeform` (signed JSON),
//!    `webflow` (signs its time; flat answers), `calcom` (events, tests, label and value), `fonnte` (WhatsApp, a token).
//! 2. Its name in `presets!` of `src/config/presets.rs`, in order.
//! 3. `[sources.<name>]` in `config/default.toml`, with `<NAME>_SECRET` or `<NAME>_TOKEN`.
//! 4. `tests/fixtures/<name>/{source.toml,webhooks.json}`: its normal, odd and refused webhooks. Write `"lead": {}` first:
//!    `cargo nextest run --test bridge every_fixture` shows what comes out. Read that before you copy it.
//! 5. Rows in the two tables of the README. Tests name what was forgotten.
//!
//! # What a preset says
//!
//! A webhook goes through these keys from the top down. Every one is optional but `external_ref`; each takes one value or
//! a list of them.
//!
//! | key | says |
//! |---|---|
//! | `handshake` | questions that are answered and not kept: `hub_challenge`, `get_ok`, `echo_json` (`path`, `respond`), `match_ok` (`path`, `equals`, `body`) |
//! | `verify` | a [`Scheme`] without its secrets, which the source gives as `secret` or `token`; in a list, `all` or `any` each gets them. A `token` where the scheme is none goes into the URL |
//! | `redact` | places in JSON whose value is not kept |
//! | `decode` | `auto` (by content type: JSON, urlencoded or multipart form with PHP's brackets), `json`, `form`, `jwt` (the claims of a token that is the body; `auto` knows one too) |
//! | `strict_type` | `true`: what is neither JSON nor a form by its content type is refused (415), where it would be a dead letter |
//! | `embedded` | places of strings that hold JSON: opened (Jotform's `rawRequest`, Unbounce's `"data.json"`) |
//! | `wrapped` | messages that lie in others: items stand `at` these places, and in each its `message`, under which name the next one lies in a wrapper; the `kind` beside it becomes that of what was wrapped. Wrappers that are `closed` are not opened; `beside` are members that are no kind |
//! | `entities` | `true`: texts come escaped as HTML |
//! | `token_at` | where a `token` stands that is not in the URL: `{ location = "bearer" }`, `{ location = "header", name = "…" }`; several are alternatives |
//! | `items` | the places of which the first that is there holds the leads: `payload` is one, `results[*]` is several where that is a list of objects, or PHP's for one (`{"0": {…}, "1": {…}}`), `@` is the whole, `@[*]` each element where the whole is a list, `{ at = "data[*]", when = … }` counts only where these hold of the whole, and with `people` only where nobody is named around it and each element has somebody's number or address, or an id at one of these places, or one element certainly is somebody: by an id, by a name beside the number, or, `by_name` of the list, by the number alone. The elements that are nobody are dead letters then. A webhook without any of them is a dead letter |
//! | `accept`, `ignore` | what is about a lead: all of `accept` hold, none of `ignore`. A `path` may be a list: what stands at one of them. Those that look at the whole (`$.event`, `header:…`) are asked before the items are looked for |
//! | `test`, `spam` | one of them holds: the lead is withheld |
//! | `who` | places of which one says who it is: where all are blank, as in notices that only name an id, it is withheld |
//! | `fetch` | what is asked of the sender's own API where an item only names its lead: `when` one of these holds (always where absent), the `base_url` of the API, the `path` with places of the item in braces, and the bearer `token`, without which nothing is asked. What comes stands in the item as `fetched` |
//! | `external_ref` | `prefix`, and `id`, the first of which is there. `{source}` in the prefix is the source's name, for ids that are unique at one account only. `also` are other ids that the lead has, by which a later webhook may call it. Without an id, the content within ten minutes is one lead, but for what `volatile` names; with `by_content`, for ever, and with `same_hours` for so many hours. An `event_id` says together with the content what is the same where there is no `id` |
//! | `person` | instead, for messengers: `id` (or `id_else`), business `number` (`own` where its number stands elsewhere, to tell its own messages), `name`, `username`, `phone`; the lead is `wa:<number>:<person>`. Every `id` and `phone` that is there names the person, the first `id` the lead. Where none of `is_phone` holds, digits are no number but an id. Groups and the business's own number are none; a hidden id is never a number. What says nothing (a receipt, a connection's state) is no lead |
//! | `message` | what the person says: `text`, the `kind` of message or the `kinds` whose name it is, and what is there `with` it: `[image] caption (https://…)`. Of `plain` kinds only the text |
//! | `whatsapp_cloud` | where one of these holds, the body is the WhatsApp Cloud API's own, passed on: it is cut and read as the dialect `whatsapp` does, and no key below `verify` is asked but `reply` and `sample` |
//! | `profile` | `name`, `email`, `phone` that the sender knows of the person without having asked now: they fill blanks |
//! | `event_id` | what a repetition has in common; the content where absent |
//! | `form_id`, `form_name` | which form it was |
//! | `map.<field>` | places of a field of the lead, the best first. All of `map.attribution`, `map.note` and `map.drop` count, with what is below them |
//! | `facts.<label>` | lines for the notes; of a place with several values all of them |
//! | `attribution.<label>` | lines for the attribution, under a name that is known there (`ctwa_clid`) |
//! | `answers` | `{ kind, at }`: where questions and answers stand. `names` (`{"Nama": "Siti"}`, at any depth; this is meant for the whole item where `answers` is absent and nobody writes), `none`, `pairs` (`key`, `label`, `value`, `type` of each element), and the decoders in `labels/` |
//! | `types.<type>` | what the sender's own kinds of fields mean |
//! | `external_ref.shared` | leads of a platform that also come by another road: `when` one of these holds, `prefix` and `id` name the lead as that road does (`meta:leadgen:`), and `ad_platform` is the network |
//! | `strip` | what is taken off answers where a digit or a plus follows: a spreadsheet's `p:` of `p:+62…` |
//! | `payment` | `when` the sender says that money has come in, the `amount`, which counts where `amount_when` holds (the currency), and its `reference`; an amount that can be read in two ways is no payment. `amount_else = "estimated_value"`: where none is said, the lead's estimated value is what was paid |
//! | `separator` | what it puts between choices |
//! | `source`, `ad_platform`, `ad_platform_else` | `website` and none where absent; `whatsapp` with a `person`; the last one where nothing proves a network |
//! | `like` | another preset, whose keys hold where this one says nothing |
//! | `sends_once` | `true`: the sender does not try again after a refusal, so the log says that louder |
//! | `no_form` | `true`: contacts or orders, whose fields come and go: nobody is warned that a form has changed |
//! | `reply` | `status`, `type`, `body`, where it is not 200 `{"ok":true}`; with `counts` how many leads it holds, and which parts of it are none |
//! | `sample` | `body`, and where they differ `update`, `test`, `batch`, one `item` of the `{{items}}` in them; `headers`, `update_headers`, `content_type`. The tokens stand in `sample.rs` |
//!
//! Places begin at the item: `answers[type=email].email`, `fields[label~phone].value`, `"1.3"`; see [`spot::Spot`].
//!
//! # What is kept, and what is said
//!
//! An item is the sender's own bytes, with one element in the list where there is a list; of a form, which may hold files,
//! its fields as JSON. Nothing is lost in reading: what no key names is an answer where answers stand, and elsewhere
//! attribution or a technical line. Labels tell the rest ([`crate::domain::labels`]), so most forms need no map at all.

mod cut;
mod decode;
mod document;
mod fetch;
mod filter;
mod identity;
mod items;
mod labels;
mod message;
mod path;
mod proof;
mod read;
mod reply;
mod sample;
mod settings;
mod spot;
mod value;
mod whole;
mod wrapped;

use std::borrow::Cow;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;

use self::document::Told;
use self::items::{Items, NO_FIELDS};
use self::reply::Handshake;
use self::settings::{Decode, Settings};
use self::spot::Delivery;
use self::value::Members;
use super::{
    Complaint, Fetched, Files, ItemBody, Lookup, LookupAnswer, Method, Place, Provider, Reading, Refusal, Reply,
    Sample, SampleKind, Scheme, SettingsError, Unreadable, Verified, Webhook, form, meta, whatsapp,
};
use crate::domain::event::{Item, Lesson};

pub(super) use self::document::{FieldMap, Leaf, Target, answer, document, id, is_word, leaves};
pub(super) use self::path::Path;
use self::path::Way;
pub(super) use self::value::Value;

/// What the references begin with of what is kept without being read.
const UNREAD: &str = "unread:";

/// Makes the provider from its settings.
pub(super) fn build(table: toml::Table, place: &Place) -> Result<Arc<dyn Provider>, SettingsError> {
    let mut settings = Settings::read(table)?;
    let (verify, secret, token) = (settings.verify.take(), settings.secret.take(), settings.token.take());
    let scheme = proof::scheme(verify, secret, proof::Carried { token, at: settings.token_at.0.clone() }, place)?;
    let kept_headers = settings.headers().into_iter().map(str::to_owned).collect();
    Ok(Arc::new(Mapped { settings, scheme, kept_headers }))
}

#[derive(Debug)]
struct Mapped {
    settings: Settings,
    scheme: Scheme,
    /// The headers that are needed once the webhook is kept, names in lower case.
    kept_headers: Vec<String>,
}

impl Provider for Mapped {
    fn handshake(&self, webhook: &Webhook) -> Option<Reply> {
        let tokens = self.settings.verify_token.as_ref();
        self.settings.handshake.0.iter().find_map(|handshake| handshake.answer(webhook, tokens))
    }

    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Verified, Refusal> {
        if webhook.method != Method::Post {
            return Err(Refusal::Method);
        }
        let proof = self.scheme.verify(webhook, now)?;
        if !webhook.is_plain() {
            return Err(Refusal::ContentType);
        }
        if self.settings.strict_type && decode::is_other(&webhook.media_type(), &webhook.body) {
            return Err(Refusal::ContentType);
        }
        let body = if self.may_have_files(webhook) {
            form::files::thrown_away(webhook.content_type().unwrap_or_default(), proof.body)
        } else {
            proof.body
        };
        let kept_headers: Vec<_> = self.kept_headers.iter().map(String::as_str).collect();
        Ok(Verified::new(webhook, &kept_headers, self.without_secrets(body)))
    }

    fn methods(&self) -> &'static [Method] {
        let gets = self.settings.handshake.0.iter().any(Handshake::is_get);
        if gets { &[Method::Get, Method::Post] } else { &[Method::Post] }
    }

    fn sends_once(&self) -> bool {
        self.settings.sends_once
    }

    fn files(&self, head: &Webhook) -> Files {
        if !self.may_have_files(head) {
            Files::None
        } else if self.scheme.is_over_body() {
            Files::Proved
        } else {
            Files::dropped(head)
        }
    }

    fn accepted(&self, webhook: &Webhook) -> Reply {
        self.settings.reply.reply(|| self.counted(webhook))
    }

    fn has_path_token(&self) -> bool {
        self.scheme.has_path_token()
    }

    fn scheme(&self) -> Option<Scheme> {
        Some(self.scheme.clone())
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let content_type = webhook.header("content-type").unwrap_or_default();
        let (text, whole) = decode::document_in(&self.settings, content_type, webhook.body())?;
        let headers = &webhook.kept.headers;
        let delivery = Delivery { whole: &whole, item: &whole, headers };
        if self.settings.whatsapp_cloud.any_at_all(&delivery) {
            return whatsapp::items(webhook);
        }
        if !self.is_wanted(&delivery, true) {
            return Ok(Vec::new());
        }
        if self.is_one(&whole) {
            return Ok(self.item(webhook, &text, &whole).into_iter().collect());
        }
        let (items, documents) = self.documents(text, &whole)?;
        Ok(documents.into_iter().filter_map(|document| self.item_in(webhook, items, &document)).collect())
    }

    fn lessons(&self, webhook: &Verified) -> Vec<Lesson> {
        if self.settings.whatsapp_cloud.iter().next().is_some() { whatsapp::lessons(webhook) } else { Vec::new() }
    }

    fn complaints(&self, webhook: &Verified) -> Vec<(Complaint, usize)> {
        if self.settings.whatsapp_cloud.iter().next().is_some() { whatsapp::complaints(webhook) } else { Vec::new() }
    }

    fn lookup(&self, item: &ItemBody<'_>) -> Option<Lookup> {
        let fetch = self.settings.fetch.as_ref().filter(|_| item.fetched.is_none())?;
        let whole = decode::opened(&self.settings, std::str::from_utf8(item.body).ok()?).ok()?;
        fetch.lookup(&Delivery { whole: &whole, item: self.found(&whole)?, headers: &[] })
    }

    fn looked_up(&self, _item: &ItemBody<'_>, _asked: &Lookup, answer: &LookupAnswer<'_>) -> Fetched {
        fetch::judge(answer)
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let text = std::str::from_utf8(item.body).map_err(|_| Unreadable("the stored item is no text".to_owned()))?;
        let whole = decode::opened(&self.settings, text)?;
        if self.settings.whatsapp_cloud.iter().next().is_some() {
            // Its items have a shape of their own, which no webhook has that the condition does not hold for.
            let is_cloud = || self.settings.whatsapp_cloud.any_at_all(&Delivery::of(&whole));
            match whatsapp::reading(item.body) {
                Err(_) if !is_cloud() => {}
                reading => return reading,
            }
        }
        // Alone, what was none of the people in its list could be taken for the whole of a lead.
        let flaw = || self.settings.items.0.iter().find_map(|items| items.flaw(&whole));
        if let Some(flaw) = flaw().filter(|_| item.external_ref.as_str().starts_with(UNREAD)) {
            return Err(Unreadable(flaw.to_owned()));
        }
        let found = self.found(&whole).ok_or_else(|| Unreadable(self.nowhere()))?;
        if !found.is_object() {
            return Err(Unreadable(NO_FIELDS.to_owned()));
        }
        let fetched = item.fetched.and_then(|fetched| fetch::put(&whole, found, fetched));
        let whole = fetched.as_ref().unwrap_or(&whole);
        let found = self.found(whole).ok_or_else(|| Unreadable(self.nowhere()))?;
        read::reading(&self.settings, &Delivery { whole, item: found, headers: &[] }, item.external_ref)
    }

    /// What the preset says; kinds that it does not know are an ordinary lead.
    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        self.settings.sample.sample(&self.scheme, kind, seed, now)
    }

    fn has_forms(&self) -> bool {
        !self.settings.no_form
    }

    fn tells_payments(&self) -> bool {
        self.settings.payment.is_some()
    }

    fn marks_tests(&self) -> bool {
        self.settings.sample.has_test()
    }

    fn sign(&self, body: Vec<u8>, now: Timestamp) -> Sample {
        self.settings.sample.signed(&self.scheme, body, None, &[], now)
    }

    fn sign_under(&self, headers: &[(String, String)], body: Vec<u8>, now: Timestamp) -> Sample {
        self.settings.sample.signed(&self.scheme, body, None, headers, now)
    }
}

impl Mapped {
    fn may_have_files(&self, head: &Webhook) -> bool {
        match self.settings.decode {
            Decode::Auto | Decode::Form => head.media_type() == "multipart/form-data",
            Decode::Json | Decode::Jwt => false,
        }
    }

    /// The body without what must not be kept.
    fn without_secrets(&self, body: bytes::Bytes) -> bytes::Bytes {
        if self.settings.redact.0.is_empty() {
            return body;
        }
        let Ok(text) = std::str::from_utf8(&body) else { return body };
        let paths = self.settings.redact.0.iter().filter(|path| cut::may_lead_into(path, text));
        match paths.fold(Cow::Borrowed(text), cut::redacted) {
            Cow::Owned(text) => text.into(),
            Cow::Borrowed(_) => body,
        }
    }

    fn is_wanted(&self, delivery: &Delivery<'_>, around: bool) -> bool {
        self.settings.accept.all(delivery, around) && !self.settings.ignore.any(delivery, around)
    }

    /// The places of items that may be in `whole`.
    fn places(&self, whole: &Value<'_>) -> impl Iterator<Item = &Items> {
        self.settings.items.0.iter().filter(|items| items.may_be_in(whole))
    }

    /// True when `whole` is the document of its only item as it stands.
    fn is_one(&self, whole: &Value<'_>) -> bool {
        if self.settings.items.0.is_empty() {
            return true;
        }
        self.places(whole).map(|items| items.path.way(whole)).find(|way| *way != Way::Nowhere) == Some(Way::ToOne)
    }

    /// One document for each item, and where in it the item stands.
    fn documents(&self, text: Cow<'_, str>, whole: &Value<'_>) -> Result<(&Items, Vec<String>), Unreadable> {
        // What lies in opened strings is cut from the opened document.
        let text = if self.settings.embedded.0.is_empty() { text } else { whole.to_string().into() };
        for items in self.places(whole) {
            if let Some(documents) = cut::items(&items.path, &text)? {
                return Ok((items, documents));
            }
        }
        Err(Unreadable(self.nowhere()))
    }

    /// How many leads a webhook holds, and which of its parts are none. Which of them are known already is told later, when
    /// they are sorted.
    fn counted(&self, webhook: &Webhook) -> serde_json::Value {
        let documents = || {
            let content_type = webhook.content_type().unwrap_or_default();
            let (text, whole) = decode::document_in(&self.settings, content_type, &webhook.body)?;
            if self.is_one(&whole) {
                return Ok((None, vec![text.into_owned()]));
            }
            self.documents(text, &whole).map(|(items, documents)| (Some(items), documents))
        };
        let rejected = |index: usize, reason: &str| json!({ "index": index, "reason": reason });
        let Ok((items, documents)) = documents() else {
            return json!({ "ok": true, "accepted": 0, "rejected": [rejected(0, "it cannot be read and is kept as it is")] });
        };
        let flaw = |document: &String| {
            let whole = decode::opened(&self.settings, document).ok();
            let flaw = whole.as_ref().zip(items).and_then(|(whole, items)| items.flaw(whole));
            let lead = whole.as_ref().and_then(|whole| self.found(whole)?.as_object());
            flaw.or_else(|| lead.is_none_or(Members::is_empty).then_some(NO_FIELDS))
        };
        let flaws = documents.iter().enumerate().filter_map(|(index, document)| Some((index, flaw(document)?)));
        let none: Vec<_> = flaws.map(|(index, flaw)| rejected(index, flaw)).collect();
        json!({ "ok": true, "accepted": documents.len() - none.len(), "rejected": none })
    }

    /// The item in a document that has only one.
    fn found<'v>(&self, whole: &'v Value<'v>) -> Option<&'v Value<'v>> {
        if self.settings.items.0.is_empty() {
            return Some(whole);
        }
        self.places(whole).filter_map(|items| items.path.find(whole)).next()
    }

    fn nowhere(&self) -> String {
        let places: Vec<_> = self.settings.items.0.iter().map(|items| format!("`{}`", items.path)).collect();
        format!("there is nothing at {}", places.join(" or "))
    }

    /// The item of one document. One that cannot be read, or is none of the people in its list, goes on alone and costs no
    /// other.
    fn item_in(&self, webhook: &Verified, items: &Items, document: &str) -> Option<Item> {
        let unread = || Some(meta::unread(webhook.source(), UNREAD, document));
        let Ok(whole) = decode::opened(&self.settings, document) else { return unread() };
        let says_nothing = |element: &Value<'_>| {
            element.is_object() && document::rest(element, "", &Told::default()).is_ok_and(|said| said.is_empty())
        };
        match items.flaw(&whole) {
            None => self.item(webhook, document, &whole),
            Some(_) if items.cut_out(&whole).is_some_and(says_nothing) => None,
            Some(_) => unread(),
        }
    }

    /// The same of a document that is `whole` when it is read.
    fn item(&self, webhook: &Verified, document: &str, whole: &Value<'_>) -> Option<Item> {
        let unread = || Some(meta::unread(webhook.source(), UNREAD, document));
        let Some(found) = self.found(whole).filter(|found| found.is_object()) else { return unread() };
        let delivery = Delivery { whole, item: found, headers: &webhook.kept.headers };
        if !self.is_wanted(&delivery, false) {
            return None;
        }
        identity::item(&self.settings, webhook, &delivery, document).unwrap_or_else(|_| unread())
    }
}
