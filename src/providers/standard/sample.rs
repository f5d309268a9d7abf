//! Webhooks of a sender that follows the standard, about people who do not exist.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::settings::Settings;
use super::{HEADERS, signature};
use crate::domain::submission::Meaning;
use crate::providers::fictional::Person;
use crate::providers::mapped::{Path, Target, Value};
use crate::providers::{Sample, SampleKind};

/// A webhook that this source's settings read: values stand where the field map looks for them.
pub(super) fn sample(settings: &Settings, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let id = match kind {
        SampleKind::Update => format!("msg_{seed}_updated"),
        SampleKind::Batch => format!("msg_{seed}_batch"),
        SampleKind::Lead | SampleKind::Test | SampleKind::Tampered | SampleKind::Stale => format!("msg_{seed}"),
    };
    let at = if matches!(kind, SampleKind::Stale) { now - SignedDuration::from_hours(2) } else { now };
    let body = document(settings, kind, seed, at).to_string().into_bytes();
    let mut sample = signed(settings, id, body, at);
    if matches!(kind, SampleKind::Tampered) {
        // One space more is another body: what a proxy does that parses JSON and writes it again.
        sample.body.push(b' ');
    }
    sample
}

/// `body` as the sender would send it under `id`; without a signature where only the sender has the key.
pub(super) fn signed(settings: &Settings, id: String, body: Vec<u8>, at: Timestamp) -> Sample {
    let time = at.as_second().to_string();
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", &body];
    let signature = settings.keys.first().map(|key| STANDARD.encode(signature::hmac_sha256(key, &parts)));
    let [name_of_id, name_of_time, name_of_signature] = HEADERS[0];
    let headers = [("content-type", "application/json".to_owned()), (name_of_id, id), (name_of_time, time)];
    let signature = signature.map(|signature| (name_of_signature, format!("v1,{signature}")));
    Sample::new(headers.into_iter().chain(signature), body)
}

fn document(settings: &Settings, kind: SampleKind, seed: u64, at: Timestamp) -> Value<'static> {
    let updated = matches!(kind, SampleKind::Update);
    let data = Path::default().join("data");
    let list = match (&settings.items, kind) {
        (Some(items), _) => Some(items.clone()),
        (None, SampleKind::Batch) if settings.map.places().is_empty() && settings.id.is_none() => Some(data.clone()),
        (None, _) => None,
    };
    let base = list.as_ref().map_or(data, Path::each);
    let mut document = Value::from(json!({}));
    Path::default().join("timestamp").put(&mut document, at.to_string().into());
    settings.type_path.put(&mut document, kind_of(settings, updated).to_owned().into());
    fill(settings, &base, &mut document, seed, updated);
    if let (Some(list), SampleKind::Batch) = (&list, kind) {
        let more = (1..3).filter_map(|step| {
            let mut other = Value::from(json!({}));
            fill(settings, &base, &mut other, seed.wrapping_add(step << 32), updated);
            list.each().find(&other).map(|lead| lead.clone().into_owned())
        });
        if let Some(Value::Array(leads)) = list.find_mut(&mut document) {
            leads.extend(more);
        }
    }
    document
}

/// The type that this sample goes under: the usual word, or the first that the source takes.
fn kind_of(settings: &Settings, updated: bool) -> &str {
    let usual = if updated { "lead.updated" } else { "lead.created" };
    let taken = settings.types.is_empty() || settings.types.iter().any(|kind| kind == usual);
    if taken { usual } else { &settings.types[0] }
}

/// Puts one person into `document`: where the map looks, or below `base` under the usual names.
fn fill(settings: &Settings, base: &Path, document: &mut Value<'static>, seed: u64, updated: bool) {
    let person = Person::of(seed);
    let mapped = |meaning| settings.map.places().iter().find(|(_, target)| *target == Target::Answer(meaning));
    let mut put = |meaning, usual: &str, value: String| {
        let place = mapped(meaning).map_or_else(|| base.join(usual), |(place, _)| place.clone());
        place.put(document, value.into());
    };
    if mapped(Meaning::FullName).is_some() {
        put(Meaning::FullName, "name", person.full_name());
    } else {
        put(Meaning::FirstName, "first_name", person.first.to_owned());
        put(Meaning::LastName, "last_name", person.last.to_owned());
    }
    put(Meaning::Email, "email", person.email.clone());
    put(Meaning::Phone, "phone", person.phone.clone());
    put(Meaning::Message, "message", person.message());
    put(Meaning::Note, "budget", if updated { "750 juta" } else { "500 juta" }.to_owned());
    settings.id.clone().unwrap_or_else(|| base.join("id")).put(document, format!("lead-{seed}").into());
}
