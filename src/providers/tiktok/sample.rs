//! Webhooks as TikTok would send them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::fictional::Person;
use super::super::signature::hmac_sha256;
use super::super::{Sample, SampleKind, Secrets};
use super::{SIGNATURE, SIGNATURE_TYPE};

fn change(field: &str, value: &str) -> Value {
    json!({ "field": field, "value": value })
}

/// An entry, with an id of 19 digits.
fn entry(seed: u64, now: Timestamp) -> Value {
    let person = Person::of(seed);
    let phone = format!("+62{}", person.phone.replace('-', "").trim_start_matches('0'));
    json!({
        "id": 7_600_000_000_000_000_000_u64 + seed % 100_000_000_000_000_000,
        "lead_source": "INSTANT_FORM",
        "page_id": 7_643_847_475_366_904_072_u64,
        "page_name": "Konsultasi Gratis",
        "advertiser_id": 7_163_948_356_417_552_385_u64,
        "advertiser_name": "Toko Contoh",
        "library_id": 0,
        "campaign_id": 1_790_000_000_000_011_u64,
        "campaign_name": "Promo Q4",
        "adgroup_id": 1_790_000_000_000_022_u64,
        "adgroup_name": "Jabodetabek 25-45",
        "ad_id": 1_790_000_000_000_033_u64,
        "ad_name": "Video rumah 1",
        "create_time": now.as_second(),
        "changes": [
            change("name", &person.full_name()),
            change("phone_number", &phone),
            change("email", &person.email),
            change("Jenis properti apa yang Anda cari?", person.interest),
        ],
    })
}

/// What "Test form" in the preview of a form sends.
fn preview(seed: u64, now: Timestamp) -> Value {
    json!({
        "id": 7_500_000_000_000_000_000_u64 + seed % 100_000_000_000_000_000,
        "lead_source": "INSTANT_FORM",
        "page_id": 7_643_847_475_366_904_072_u64,
        "advertiser_id": 7_163_948_356_417_552_385_u64,
        "campaign_id": 0,
        "campaign_name": "test lead: dummy data for campaign_name",
        "create_time": now.as_second(),
        "changes": [change("name", "test lead: dummy data for name")],
    })
}

/// Makes the sample. TikTok never says anything new about a lead, so an update is the same lead sent again, a duplicate; and
/// it signs no time, so a stale one is an ordinary one.
pub(super) fn sample(app_secrets: &Secrets, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let entries = match kind {
        SampleKind::Lead | SampleKind::Update | SampleKind::Stale | SampleKind::Tampered => vec![entry(seed, now)],
        SampleKind::Batch => (0..3).map(|offset| entry(seed.wrapping_add(offset << 32), now)).collect(),
        SampleKind::Test => vec![preview(seed, now)],
    };
    let body = json!({ "object": 1, "time": now.as_second(), "entry": entries });
    let mut sample = signed(app_secrets, body.to_string().into_bytes());
    if kind == SampleKind::Tampered {
        // One space more is another body: what a proxy does that parses JSON and writes it again.
        sample.body.push(b' ');
    }
    sample
}

/// `body` as TikTok would send it.
pub(super) fn signed(app_secrets: &Secrets, body: Vec<u8>) -> Sample {
    let digest = hmac_sha256(app_secrets.first().as_bytes(), &[&body]);
    let headers = [
        ("content-type", "application/json".to_owned()),
        (SIGNATURE, hex::encode(digest)),
        (SIGNATURE_TYPE, "HMAC-SHA256".to_owned()),
    ];
    Sample::new(headers, body)
}
