//! Form posts of people who do not exist.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::SIGNATURE;
use super::settings::Settings;
use crate::providers::fictional::Person;
use crate::providers::{Sample, SampleKind, timed};

/// A post as a back-end would sign it, or, without a secret, as a browser on the first allowed site would send it.
pub(super) fn sample(settings: &Settings, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let body = body(kind, seed);
    let mut headers = vec![("content-type", "application/x-www-form-urlencoded".to_owned())];
    match &settings.secret {
        Some(secret) => {
            let stale = matches!(kind, SampleKind::Stale);
            let at = if stale { now - SignedDuration::from_hours(1) } else { now };
            headers.push((SIGNATURE, timed::sign(secret.first(), body.as_bytes(), at)));
        }
        None => headers.push(("origin", site(settings, kind).to_owned())),
    }
    let changed = if matches!(kind, SampleKind::Tampered) { "&pesan=diganti" } else { "" };
    Sample { query: String::new(), headers, body: (body + changed).into_bytes() }
}

/// The site that sends: for a forgery one that is not in the list.
fn site(settings: &Settings, kind: SampleKind) -> &str {
    match kind {
        SampleKind::Tampered => "https://forged.invalid",
        SampleKind::Lead | SampleKind::Update | SampleKind::Batch | SampleKind::Test | SampleKind::Stale => {
            settings.origins.first().expect("a form without a secret has an origin")
        }
    }
}

fn body(kind: SampleKind, seed: u64) -> String {
    let person = Person::of(seed);
    let budget = if matches!(kind, SampleKind::Update) { "750 juta" } else { "500 juta" };
    form_urlencoded::Serializer::new(String::new())
        .append_pair("submission_id", &submission_id(seed))
        .append_pair("form_id", "kontak")
        .append_pair("nama", &person.full_name())
        .append_pair("no_hp", &person.phone)
        .append_pair("email", &person.email)
        .append_pair("minat[]", person.interest)
        .append_pair("minat[]", "Konsultasi")
        .append_pair("anggaran", budget)
        .append_pair("pesan", &person.message())
        .append_pair("utm_source", "google")
        .append_pair("utm_medium", "cpc")
        .append_pair("_gotcha", "")
        .finish()
}

/// The UUID that the page would make.
fn submission_id(seed: u64) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(seed.to_be_bytes())[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}
