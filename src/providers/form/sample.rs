//! Form posts of people who do not exist.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::SIGNATURE;
use super::settings::Settings;
use crate::providers::fictional::Person;
use crate::providers::{Sample, SampleKind, timed};

/// A post as a back-end would sign it, or, without a secret, as a browser on the first allowed site would send it.
pub(super) fn sample(settings: &Settings, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let stale = matches!(kind, SampleKind::Stale) && settings.secret.is_some();
    let at = if stale { now - SignedDuration::from_hours(1) } else { now };
    let mut sample = signed(settings, body(kind, seed).into_bytes(), at);
    if matches!(kind, SampleKind::Tampered) {
        sample.body.extend_from_slice(b"&pesan=diganti");
        // A browser signs nothing; what gives a forged form away is the site that it is on.
        for (_, site) in sample.headers.iter_mut().filter(|(name, _)| name == "origin") {
            "https://forged.invalid".clone_into(site);
        }
    }
    sample
}

/// `body` as a post of the same kind of sender.
pub(super) fn signed(settings: &Settings, body: Vec<u8>, now: Timestamp) -> Sample {
    let proof = match &settings.secret {
        Some(secret) => (SIGNATURE, timed::sign(secret.first(), &body, now)),
        None => ("origin", settings.origins.first().expect("a form without a secret has an origin").to_owned()),
    };
    Sample::new([("content-type", content_type(&body)), proof], body)
}

/// The content type that a body which begins like this has.
pub(in crate::providers) fn content_type(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(200)]);
    let first = text.trim_start().lines().next().unwrap_or_default().trim_end();
    match first.strip_prefix("--") {
        Some(boundary) if !boundary.is_empty() => format!("multipart/form-data; boundary={boundary}"),
        _ if first.starts_with(['{', '[']) || is_json(body) => "application/json".to_owned(),
        _ => "application/x-www-form-urlencoded".to_owned(),
    }
}

/// True for a number, a word or a text of JSON's, which is no form either.
fn is_json(body: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_is_told_by_how_a_body_begins() {
        assert_eq!(content_type(b"\r\n {\"nama\":\"Siti\"}"), "application/json");
        assert_eq!(content_type(b"nama=Siti&no_hp=0812"), "application/x-www-form-urlencoded");
        assert_eq!(content_type(b"--x-7\r\nContent-Disposition: \xff"), "multipart/form-data; boundary=x-7");
        assert_eq!(content_type(b""), "application/x-www-form-urlencoded");
        for body in ["5", " null\n", "\"halo\""] {
            assert_eq!(content_type(body.as_bytes()), "application/json", "{body}");
        }
    }
}
