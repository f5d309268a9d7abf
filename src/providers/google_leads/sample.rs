//! Webhooks as Google would send them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::super::fictional::Person;
use super::super::{Sample, SampleKind, Secrets};

/// The lead id of every test lead, and its click id (Google's own example).
const TEST_ID: &str =
    "TeSter-123-ABCDEFGHIJKLMNOPQRSTUVWXYZ-abcdefghijklmnopqrstuvwxyz-0123456789-AaBbCcDdEeFfGgHhIiJjKkLl";

fn column(id: &str, name: &str, value: &str) -> Value {
    json!({ "column_id": id, "string_value": value, "column_name": name })
}

fn lead(key: &str, seed: u64, now: Timestamp) -> Value {
    let person = Person::of(seed);
    let phone = format!("+62{}", person.phone.replace('-', "").trim_start_matches('0'));
    let id = format!("Cj0KCQ{}", URL_SAFE_NO_PAD.encode(Sha256::digest(seed.to_le_bytes())));
    json!({
        "lead_id": id,
        "user_column_data": [
            column("FULL_NAME", "Full Name", &person.full_name()),
            column("PHONE_NUMBER", "User Phone", &phone),
            column("EMAIL", "User Email", &person.email),
            column("CITY", "City", person.city),
            column("jenis_properti_apa_yang_anda_cari?", "Jenis properti apa yang Anda cari?", person.interest),
        ],
        "api_version": "1.0",
        "form_id": 349_080_077_126_u64,
        "campaign_id": 23_729_418_209_u64,
        "google_key": key,
        "gcl_id": format!("EAIaIQobChMI-{seed}"),
        "adgroup_id": 150_000_000_456_u64,
        "creative_id": 690_000_000_789_u64,
        "lead_submit_time": now.to_string(),
    })
}

/// What "Send test data" in the lead form's settings sends.
fn test(key: &str) -> Value {
    json!({
        "lead_id": TEST_ID,
        "user_column_data": [
            column("FULL_NAME", "Full Name", "FirstName LastName"),
            column("PHONE_NUMBER", "User Phone", "+16505550123"),
            column("EMAIL", "User Email", "test@example.com"),
        ],
        "api_version": "1.0",
        "form_id": 16_029_674_244_u64,
        "campaign_id": 1_046_168_316_u64,
        "google_key": key,
        "is_test": true,
        "gcl_id": TEST_ID,
        "adgroup_id": 20_000_000_000_u64,
        "creative_id": 30_000_000_000_u64,
    })
}

/// Makes the sample. Google sends one lead at a time and never says anything new about it, so an update is the same lead
/// sent again, a duplicate; and as only the key can be wrong, a wrong one stands in the tampered webhook.
pub(super) fn sample(keys: &Secrets, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let key = keys.first();
    let body = match kind {
        SampleKind::Lead | SampleKind::Update | SampleKind::Batch | SampleKind::Stale => lead(key, seed, now),
        SampleKind::Tampered => lead(&format!("not-{key}"), seed, now),
        SampleKind::Test => test(key),
    };
    as_sent(body.to_string().into_bytes())
}

/// `body` with our key in it, when it is a JSON object.
pub(super) fn signed(keys: &Secrets, body: Vec<u8>) -> Sample {
    match serde_json::from_slice::<Map<String, Value>>(&body) {
        Ok(mut lead) => {
            lead.insert("google_key".to_owned(), keys.first().into());
            as_sent(Value::Object(lead).to_string().into_bytes())
        }
        Err(_) => as_sent(body),
    }
}

fn as_sent(body: Vec<u8>) -> Sample {
    Sample::new([("content-type", "application/json".to_owned())], body)
}
