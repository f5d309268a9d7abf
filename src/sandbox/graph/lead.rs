//! Made-up leads for the Graph stand-in: each id has its own, and it is the same every time.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// What a made-up lead may have; an organic one has no ad.
pub(super) const FIELDS: [&str; 13] = [
    "id",
    "created_time",
    "ad_id",
    "ad_name",
    "adset_id",
    "adset_name",
    "campaign_id",
    "campaign_name",
    "form_id",
    "is_organic",
    "platform",
    "field_data",
    "custom_disclaimer_responses",
];

const FIRST_NAMES: [&str; 12] =
    ["Budi", "Siti", "Agus", "Dewi", "Rizky", "Putri", "Eko", "Ayu", "Fajar", "Wulan", "Hendra", "Ratna"];
const LAST_NAMES: [&str; 10] =
    ["Santoso", "Wijaya", "Lestari", "Pratama", "Kusuma", "Hidayat", "Nugroho", "Siregar", "Rahmawati", "Setiawan"];
const CITIES: [&str; 6] = ["Jakarta Selatan", "Bandung", "Surabaya", "Yogyakarta", "Medan", "Makassar"];
/// Mobile prefixes of Telkomsel, Indosat, XL, Three and Smartfren.
const PREFIXES: [&str; 6] = ["812", "813", "857", "817", "896", "881"];
/// Choices, by their keys and as people see them.
const PLANS: [(&str, &str); 4] = [
    ("minggu_ini", "Minggu ini"),
    ("bulan_ini", "Bulan ini"),
    ("3_bulan_lagi", "3 bulan lagi"),
    ("hanya_bertanya", "Hanya bertanya"),
];
const CAMPAIGNS: [(&str, &str, &str); 3] = [
    ("Promo Akhir Tahun", "Jabodetabek 25-45", "Video testimoni 1"),
    ("Leads Form Q4", "Lookalike 1% pembeli", "Carousel produk"),
    ("Brand Awareness ID", "Minat properti", "Gambar promo 50%"),
];

/// A source of choices that depends on nothing but the id.
struct Choices([u8; 32]);

impl Choices {
    fn of(id: &str) -> Self {
        Self(Sha256::digest(id.as_bytes()).into())
    }

    fn number(&self, which: usize) -> u64 {
        let bytes = [0, 1, 2, 3].map(|offset| self.0[which * 4 + offset]);
        u64::from(u32::from_be_bytes(bytes))
    }

    fn one<T: Copy>(&self, which: usize, of: &[T]) -> T {
        let length = u64::try_from(of.len()).expect("lists are short");
        of[usize::try_from(self.number(which) % length).expect("below the length")]
    }
}

/// The lead `id`, submitted within the hour before `today`. One in eight is organic.
pub(super) fn made_up(id: &str, today: Timestamp) -> Map<String, Value> {
    let choices = Choices::of(id);
    let age = SignedDuration::from_secs(i64::try_from(choices.number(0) % 3600).expect("below an hour"));
    let organic = choices.number(1).is_multiple_of(8);
    let mut lead = Map::new();
    lead.insert("id".to_owned(), json!(id));
    lead.insert("created_time".to_owned(), json!((today - age).strftime("%Y-%m-%dT%H:%M:%S+0000").to_string()));
    if !organic {
        lead.extend(ad(&choices));
    }
    lead.insert("form_id".to_owned(), json!("1234567890123456"));
    lead.insert("is_organic".to_owned(), json!(organic));
    lead.insert("platform".to_owned(), json!(choices.one(2, &["fb", "ig"])));
    lead.insert("field_data".to_owned(), answers(&choices));
    lead.insert(
        "custom_disclaimer_responses".to_owned(),
        json!([
            {"checkbox_key": "setuju_dihubungi", "is_checked": "1"},
            {"checkbox_key": "newsletter", "is_checked": choices.one(3, &["1", ""])},
        ]),
    );
    lead
}

fn ad(choices: &Choices) -> [(String, Value); 6] {
    let (campaign, adset, ad) = choices.one(4, &CAMPAIGNS);
    [
        ("ad_id", "120210000000000101"),
        ("ad_name", ad),
        ("adset_id", "120210000000000050"),
        ("adset_name", adset),
        ("campaign_id", "120210000000000001"),
        ("campaign_name", campaign),
    ]
    .map(|(field, value)| (field.to_owned(), json!(value)))
}

/// Somebody who does not exist.
pub(in crate::sandbox) struct Somebody {
    pub(in crate::sandbox) first: &'static str,
    pub(in crate::sandbox) last: &'static str,
    pub(in crate::sandbox) email: String,
    pub(in crate::sandbox) phone: String,
    pub(in crate::sandbox) city: &'static str,
}

impl Somebody {
    /// The person behind the lead `id`.
    pub(in crate::sandbox) fn of(id: &str) -> Self {
        Self::chosen(&Choices::of(id))
    }

    fn chosen(choices: &Choices) -> Self {
        let (first, last) = (choices.one(5, &FIRST_NAMES), choices.one(6, &LAST_NAMES));
        let number = choices.number(7);
        Self {
            first,
            last,
            email: format!("{}.{}{}@example.com", first.to_lowercase(), last.to_lowercase(), number % 100),
            // From the bottom of each range, where nobody is.
            phone: format!("+62{}00{:06}", choices.one(6, &PREFIXES), number % 1_000_000),
            city: choices.one(5, &CITIES),
        }
    }
}

fn answers(choices: &Choices) -> Value {
    let Somebody { first, last, email, phone, city } = Somebody::chosen(choices);
    json!([
        {"name": "full_name", "values": [format!("{first} {last}")]},
        {"name": "email", "values": [email]},
        {"name": "phone_number", "values": [phone]},
        {"name": "city", "values": [city]},
        {"name": "kapan_rencana_membeli?", "values": [choices.one(4, &PLANS).0]},
    ])
}

/// The questions that these are the answers to.
pub(super) fn questions() -> Value {
    let plans = PLANS.map(|(key, value)| json!({ "key": key, "value": value }));
    json!([
        {"key": "full_name", "label": "Nama lengkap", "type": "FULL_NAME", "id": "1"},
        {"key": "email", "label": "Email", "type": "EMAIL", "id": "2"},
        {"key": "phone_number", "label": "Nomor telepon", "type": "PHONE", "id": "3"},
        {"key": "city", "label": "Kota", "type": "CITY", "id": "4"},
        {"key": "kapan_rencana_membeli?", "label": "Kapan rencana membeli?", "type": "CUSTOM", "id": "5", "options": plans},
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_lead_and_another_id_another() {
        let today = "2026-11-23T16:06:40Z".parse().unwrap();
        assert_eq!(made_up("987654321098765", today), made_up("987654321098765", today));
        assert_ne!(made_up("987654321098765", today)["field_data"], made_up("987654321098766", today)["field_data"]);
    }

    #[test]
    fn every_lead_keeps_to_the_fields_and_most_come_from_an_ad() {
        let today: Timestamp = "2026-11-23T16:06:40Z".parse().unwrap();
        let leads: Vec<_> = (0..200).map(|id| made_up(&format!("98765432{id}"), today)).collect();
        for lead in &leads {
            assert!(lead.keys().all(|field| FIELDS.contains(&field.as_str())));
            assert_eq!(lead.contains_key("ad_id"), lead["is_organic"] == json!(false));
            let time = lead["created_time"].as_str().unwrap();
            assert!(time.starts_with("2026-11-23T1") && time.ends_with("+0000"), "{time}");
            let phone = lead["field_data"][2]["values"][0].as_str().unwrap();
            assert!(phone.starts_with("+628") && phone.len() == 14, "{phone}");
        }
        let organic = leads.iter().filter(|lead| lead["is_organic"] == json!(true)).count();
        assert!((5..60).contains(&organic), "{organic} of 200");
    }
}
