//! Webhooks as the WhatsApp Cloud API would send them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::fictional::Person;
use super::super::{Sample, SampleKind, Secrets, meta};
use super::split::DASHBOARD_TEST;

/// The id of the business number that everybody writes to.
const NUMBER_ID: &str = "106540352242922";

/// One message of the person that `seed` stands for, as a change. The first one comes from an ad.
fn change(seed: u64, update: bool, now: Timestamp) -> Value {
    let person = Person::of(seed);
    let phone = format!("62{}", person.phone.replace('-', "").trim_start_matches('0'));
    let user_id = format!("ID.{seed:020}");
    let mut message = json!({
        "from": phone,
        "from_user_id": user_id,
        "id": format!("wamid.SAMPLE{seed:020}{}", if update { "U" } else { "L" }),
        "timestamp": now.as_second().to_string(),
        "type": "text",
        "text": { "body": if update { "Kapan bisa survei lokasi, kak? 🙏".to_owned() } else { person.message() } },
    });
    if !update {
        message["referral"] = json!({
            "source_url": "https://fb.me/contoh",
            "source_id": "120210000000000001",
            "source_type": "ad",
            "headline": "Promo akhir tahun",
            "body": "Diskon 20%",
            "ctwa_clid": format!("ARA-contoh-{seed}"),
        });
    }
    let contact = json!({ "profile": { "name": person.full_name() }, "wa_id": phone, "user_id": user_id });
    json!({
        "value": {
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "6281200009999", "phone_number_id": NUMBER_ID },
            "contacts": [contact],
            "messages": [message],
        },
        "field": "messages",
    })
}

/// What the "Test" button of the App Dashboard sends.
fn dashboard_test() -> Value {
    json!({
        "value": {
            "messaging_product": "whatsapp",
            "metadata": { "display_phone_number": "16505551111", "phone_number_id": "123456123" },
            "contacts": [{ "profile": { "name": "test user name" }, "wa_id": "16315551181" }],
            "messages": [{
                "from": "16315551181",
                "id": DASHBOARD_TEST,
                "timestamp": "1504902988",
                "type": "text",
                "text": { "body": "this is a text message" },
            }],
        },
        "field": "messages",
    })
}

/// `body` with everything that is not ASCII as `\uXXXX`, which is how Meta writes it.
fn as_meta_writes(body: &Value) -> String {
    let body = body.to_string();
    match super::super::signature::escaped_unicode(body.as_bytes()) {
        Some(escaped) => String::from_utf8(escaped).expect("what is escaped is ASCII"),
        None => body,
    }
}

/// Makes the sample: an update is the same person's second message. Meta signs no time, so a stale one is an ordinary one.
pub(super) fn sample(app_secrets: &Secrets, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let changes = match kind {
        SampleKind::Lead | SampleKind::Stale | SampleKind::Tampered => vec![change(seed, false, now)],
        SampleKind::Update => vec![change(seed, true, now)],
        SampleKind::Batch => (0..3).map(|offset| change(seed.wrapping_add(offset), false, now)).collect(),
        SampleKind::Test => vec![dashboard_test()],
    };
    let account = if kind == SampleKind::Test { "0" } else { "102290129340398" };
    let entry = json!([{ "id": account, "changes": changes }]);
    let body = as_meta_writes(&json!({ "object": "whatsapp_business_account", "entry": entry }));
    let changed = (kind == SampleKind::Tampered).then(|| body.replace(NUMBER_ID, "106540352242923"));
    let sample = meta::signed(app_secrets, body.into_bytes());
    match changed {
        Some(changed) => Sample { body: changed.into_bytes(), ..sample },
        None => sample,
    }
}
