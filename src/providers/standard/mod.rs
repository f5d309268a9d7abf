//! Standard Webhooks 1.0.0: JSON of any shape, signed as <https://www.standardwebhooks.com> says (also under Svix's
//! header names), and read by a field map. A shared secret proves by HMAC (`v1`), the
//! public key of a pair by ed25519 (`v1a`).
//!
//! **Which lead it is.** The id at the `id` place (`data.id`), else the webhook's own id. A webhook is known again by
//! its `webhook-id`, which the sender keeps over its retries; so a later webhook about the same `data.id` is an update.
//!
//! **Places** begin at the top of the webhook: `data.contact.email`. Where one webhook holds several leads, `items`
//! names their list, and places go through it: `data.leads[*].email`. Such an item is stored as the webhook with this one
//! element in the list, so that what stands around the list is kept with each of them.

mod sample;
mod settings;

use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use self::settings::Settings;
use super::charset;
use super::mapped::{self, FieldMap, Leaf, Path, Target, Value};
use super::signature::{self, Digest};
use super::{
    Header, ItemBody, Method, Provider, Reading, Refusal, Reply, Sample, SampleKind, Scheme, SettingsError, Unreadable,
    Verified, Webhook, timed,
};
use crate::domain::event::{EventId, Hold, Item};
use crate::domain::external_ref::ExternalRef;
use crate::domain::submission::{Fact, Meaning, Submission};

/// The most leads that one webhook may hold.
const MAX_ITEMS: usize = 1000;

/// What a webhook may grow to, in bytes, when what stands around its list is stored with every element.
const MAX_REPEATED: usize = 16 << 20;

/// The two sets of header names: id, time, signature.
const HEADERS: [[&str; 3]; 2] =
    [["webhook-id", "webhook-timestamp", "webhook-signature"], ["svix-id", "svix-timestamp", "svix-signature"]];

/// Makes the provider from its settings.
pub(super) fn build(table: toml::Table) -> Result<Arc<dyn Provider>, SettingsError> {
    Ok(Arc::new(Standard::of(Settings::read(table)?)))
}

#[derive(Debug)]
struct Standard {
    settings: Settings,
    /// Those of the settings, made ready.
    keys: signature::Keys,
}

impl Provider for Standard {
    fn handshake(&self, _: &Webhook) -> Option<Reply> {
        None
    }

    fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Verified, Refusal> {
        if webhook.method != Method::Post {
            return Err(Refusal::Method);
        }
        let [id, time, given] = self.proof(webhook)?;
        let signed = timed::unix_seconds(time).ok_or(Refusal::GarbledProof)?;
        // With a dot in the id, a piece of the id could pass for the time and the time for a piece of the body.
        if id.is_empty() || id.contains('.') {
            return Err(Refusal::GarbledProof);
        }
        if !timed::is_fresh(signed, now, self.settings.tolerance) {
            return Err(Refusal::Stale);
        }
        let parts = [id.as_bytes(), b".", time.as_bytes(), b".", webhook.as_sent()];
        let expected = self.keys.digests(&parts);
        if !signature::any_pair_equal(&expected, &v1(given)) && !self.is_signed_by_pair(&parts, given) {
            return Err(Refusal::WrongProof);
        }
        if !is_json(webhook) || !webhook.is_plain() {
            return Err(Refusal::ContentType);
        }
        Ok(Verified::new(webhook, &["webhook-id", "svix-id"], webhook.body.clone()))
    }

    /// Only of what is signed with a shared secret: of a key pair there is nothing that could be computed here.
    fn scheme(&self) -> Option<Scheme> {
        if self.settings.keys.is_empty() {
            return None;
        }
        let secrets: Vec<_> = self.settings.keys.iter().map(|key| STANDARD.encode(key)).collect();
        Some(Scheme::known(&self.settings.scheme(), secrets.iter().map(String::as_str)))
    }

    fn accepted(&self, _: &Webhook) -> Reply {
        Reply::json(r#"{"ok":true}"#)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let document = mapped::document(charset::utf8(webhook.body())?)?;
        let id = webhook.header(HEADERS[0][0]).or_else(|| webhook.header(HEADERS[1][0])).unwrap_or_default().trim();
        let list = self.list(&document)?;
        if !self.is_wanted(&document) {
            return Ok(Vec::new());
        }
        let Some(list) = list else {
            let lead = self.lead_id(&document, None).unwrap_or_else(|| id.to_owned());
            return Ok(vec![item(webhook, &[id.as_bytes()], &lead, webhook.body().to_vec())]);
        };
        self.split_list(webhook, id, document, &list)
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        let document = mapped::document(charset::utf8(item.body)?)?;
        let list = self.list(&document)?;
        let sender_id = self.lead_id(&document, list.as_ref()).unwrap_or_else(|| tail(item.external_ref));
        let mut submission = Submission { sender_id, ..Submission::default() };
        let base = match &list {
            Some(list) => format!("{list}[0]."),
            None => "data.".to_owned(),
        };
        for leaf in mapped::leaves(&document, &self.map(list.as_ref()))? {
            take_in(&mut submission, leaf, &base);
        }
        Ok(Reading::Lead(Box::new(submission)))
    }

    /// The standard has no test mark, so a test is an ordinary lead; so is a batch where a field map without `items` says
    /// that one webhook is one lead.
    fn sample(&self, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
        sample::sample(&self.settings, kind, seed, now)
    }

    /// The same body has the same id, as when a sender tries again.
    fn marks_tests(&self) -> bool {
        false
    }

    fn sign(&self, body: Vec<u8>, now: Timestamp) -> Sample {
        let id = format!("msg_{}", hex::encode(&Sha256::digest(&body)[..12]));
        sample::signed(&self.settings, id, body, now)
    }

    fn sign_under(&self, headers: &[(String, String)], body: Vec<u8>, now: Timestamp) -> Sample {
        let id =
            HEADERS.iter().find_map(|[name, ..]| headers.iter().find(|(known, id)| known == name && !id.is_empty()));
        match id {
            Some((_, id)) => sample::signed(&self.settings, id.clone(), body, now),
            None => self.sign(body, now),
        }
    }
}

impl Standard {
    fn of(settings: Settings) -> Self {
        let keys = signature::Keys::of(settings.keys.iter().map(Vec::as_slice));
        Self { settings, keys }
    }

    /// True when one of the `v1a` signatures is by the private key of one of our public ones.
    fn is_signed_by_pair(&self, parts: &[&[u8]], given: &str) -> bool {
        if self.settings.public.is_empty() {
            return false;
        }
        let signed = parts.concat();
        let holds = |key: &Vec<u8>, proof: &[u8]| UnparsedPublicKey::new(&ED25519, key).verify(&signed, proof).is_ok();
        decoded(given, "v1a").any(|proof| self.settings.public.iter().any(|key| holds(key, &proof)))
    }

    /// Id, time and signature, each there once and all from one set of header names: mixed sets are how a proof over one
    /// id could be shown with another.
    fn proof<'w>(&self, webhook: &'w Webhook) -> Result<[&'w str; 3], Refusal> {
        let sets = if self.settings.svix_headers { &HEADERS[..] } else { &HEADERS[..1] };
        let used = |names: &&[&str; 3]| names.iter().any(|name| webhook.header(name) != Header::Absent);
        let names = sets.iter().find(used).ok_or(Refusal::NoProof)?;
        Ok([once(webhook, names[0])?, once(webhook, names[1])?, once(webhook, names[2])?])
    }

    fn is_wanted(&self, document: &Value<'_>) -> bool {
        let kind = self.settings.type_path.find(document).and_then(Value::as_str);
        self.settings.types.is_empty()
            || kind.is_some_and(|kind| self.settings.types.iter().any(|wanted| wanted == kind))
    }

    /// Where the list of leads stands, if this webhook holds a list.
    fn list(&self, document: &Value<'_>) -> Result<Option<Path>, Unreadable> {
        let all_objects = |list: &[Value<'_>]| !list.is_empty() && list.iter().all(Value::is_object);
        match (document, &self.settings.items) {
            (Value::Object(_), Some(items)) => Ok(Some(items).filter(|items| found_list(items, document)).cloned()),
            (Value::Object(object), None) => {
                let data = object.get("data").and_then(Value::as_array).is_some_and(all_objects);
                Ok(data.then(|| Path::default().join("data")))
            }
            (Value::Array(list), None) if all_objects(list) => Ok(Some(Path::default())),
            _ => Err(Unreadable("its JSON is neither an object nor a list of objects".to_owned())),
        }
    }

    /// One item for each element of `list`: the document with that element alone in it.
    fn split_list<'v>(
        &self,
        webhook: &Verified,
        id: &str,
        mut document: Value<'v>,
        list: &Path,
    ) -> Result<Vec<Item>, Unreadable> {
        let Some(Value::Array(elements)) = list.find_mut(&mut document).map(Value::take) else { return Ok(Vec::new()) };
        if elements.len() > MAX_ITEMS {
            return Err(Unreadable(format!("it holds more than {MAX_ITEMS} leads")));
        }
        if elements.len() * document.to_string().len() > MAX_REPEATED {
            return Err(Unreadable("what stands around its list is too long to be kept with each lead".to_owned()));
        }
        let one = |(index, element): (usize, Value<'v>)| {
            *list.find_mut(&mut document).expect("the list was taken from there") = Value::Array(vec![element]);
            let lead = self.lead_id(&document, Some(list)).unwrap_or_else(|| format!("{id}:{index}"));
            item(webhook, &[id.as_bytes(), &index.to_le_bytes()], &lead, document.to_string().into_bytes())
        };
        Ok(elements.into_iter().enumerate().map(one).collect())
    }

    fn lead_id(&self, document: &Value<'_>, list: Option<&Path>) -> Option<String> {
        self.id_path(list).find(document).and_then(mapped::id)
    }

    fn id_path(&self, list: Option<&Path>) -> Path {
        let usual = || list.map_or_else(|| Path::default().join("data"), Path::each).join("id");
        self.settings.id.clone().unwrap_or_else(usual)
    }

    /// The owner's map, and below it what the standard itself says of the places around the data.
    fn map(&self, list: Option<&Path>) -> FieldMap {
        let dated = self.settings.map.places().iter().any(|(_, target)| *target == Target::SubmittedAt);
        let time = if dated { Target::Answer(Meaning::Note) } else { Target::SubmittedAt };
        self.settings.map.or([
            (self.id_path(list), Target::Id),
            (self.settings.type_path.clone(), Target::Event),
            (Path::default().join("timestamp"), time),
        ])
    }
}

fn once<'w>(webhook: &'w Webhook, name: &str) -> Result<&'w str, Refusal> {
    match webhook.header(name) {
        Header::Once(value) => Ok(value),
        Header::Absent => Err(Refusal::NoProof),
        Header::Several => Err(Refusal::GarbledProof),
    }
}

/// The digests of the `v1` entries; other versions and what is no digest are skipped.
fn v1(signatures: &str) -> Vec<Digest> {
    decoded(signatures, "v1").filter_map(|digest| Digest::try_from(digest).ok()).collect()
}

/// The signatures of this version.
fn decoded<'s>(signatures: &'s str, version: &'s str) -> impl Iterator<Item = Vec<u8>> + 's {
    let entries = signatures.split(' ').filter_map(|entry| entry.split_once(','));
    entries.filter(move |(of, _)| *of == version).filter_map(|(_, text)| STANDARD.decode(text).ok())
}

/// The standard asks for no content type; where there is one, it says JSON.
fn is_json(webhook: &Webhook) -> bool {
    let media_type = webhook.media_type();
    webhook.header("content-type") == Header::Absent
        || media_type == "application/json"
        || media_type.ends_with("+json")
}

fn found_list(items: &Path, document: &Value<'_>) -> bool {
    items.find(document).is_some_and(Value::is_array)
}

fn item(webhook: &Verified, event: &[&[u8]], lead: &str, body: Vec<u8>) -> Item {
    Item {
        id: EventId::of(webhook.source(), event),
        same_within: None,
        external_ref: ExternalRef::new(&format!("sw:{}:", webhook.source()), lead),
        aliases: Vec::new(),
        hold: Hold::No,
        body,
    }
}

/// Puts a leaf where it belongs, under its key without `base`. What the map promises and the value does not keep (an
/// unknown network, an odd date) stays an answer, for the notes.
fn take_in(submission: &mut Submission, leaf: Leaf, base: &str) {
    let key = leaf.key.strip_prefix(base).unwrap_or(&leaf.key);
    let word = leaf.value.trim().to_ascii_lowercase();
    let answer = mapped::answer(key, leaf.value.clone());
    match leaf.target {
        None => submission.answers.push(answer),
        Some(Target::Answer(Meaning::Drop) | Target::Id) => {}
        Some(Target::Answer(meaning)) => submission.answers.push(answer.meaning(meaning)),
        Some(Target::Event) => submission.facts.push(Fact::new("Event", leaf.value)),
        Some(Target::AdPlatform) => match word.parse() {
            Ok(platform) => submission.ad_platform = Some(platform),
            Err(_) => submission.answers.push(answer.meaning(Meaning::Note)),
        },
        Some(Target::Source) => match word.parse() {
            Ok(source) => submission.source = Some(source),
            Err(_) => submission.answers.push(answer.meaning(Meaning::Note)),
        },
        Some(Target::SubmittedAt) => match leaf.value.trim().parse() {
            Ok(time) => submission.submitted_at = Some(time),
            Err(_) => submission.answers.push(answer.meaning(Meaning::Note)),
        },
    }
}

/// What a reference says behind `sw:<source>:`, for a lead without an id of its own.
fn tail(external_ref: &ExternalRef) -> String {
    external_ref.as_str().splitn(3, ':').last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
