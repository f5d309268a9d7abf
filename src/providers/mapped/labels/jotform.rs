//! Jotform: answers under `q<number>_<slug>`, some of them groups. What has no such name is the sender's own.
//!
//! Source: captured payloads of `rawRequest`. The labels that people read are not in it.

use super::super::document::Told;
use super::super::value::{Members, Value};
use super::{Entry, said, text};

/// Where files stand that were sent while the form was being filled in.
const UPLOADS: &str = "temp_upload";

/// The answers in a `rawRequest`.
pub(super) fn entries(request: &Value<'_>, told: &mut Told) -> Vec<Entry> {
    let Value::Object(members) = request else { return Vec::new() };
    // A file may stand there instead of under its question.
    let uploads = request.get(UPLOADS).and_then(Value::as_object).into_iter().flat_map(Members::iter);
    let uploads = uploads.filter(|(key, _)| request.get(key).and_then(answer).is_none());
    let asked = members.iter().chain(uploads).filter_map(|(key, value)| Some((key, slug(key)?, value)));
    let entries = asked.filter(|(_, _, value)| !told.has(value)).filter_map(|(key, slug, value)| {
        Some(Entry { key: key.to_owned(), label: slug.to_owned(), kind: String::new(), value: answer(value)? })
    });
    entries.collect()
}

/// `nama` of `q3_nama`.
fn slug(key: &str) -> Option<&str> {
    let (number, slug) = key.strip_prefix('q')?.split_once('_')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    (is_number && !slug.is_empty()).then_some(slug)
}

/// What was answered: names and numbers as people write them, dates as year, month, day.
fn answer(value: &Value<'_>) -> Option<String> {
    let joined = |names: &[&str], by: &str| {
        let parts: Vec<_> = names.iter().filter_map(|name| text(value, name)).collect();
        (!parts.is_empty()).then(|| parts.join(by))
    };
    let has = |name: &str| value.get(name).is_some();
    match value {
        Value::Object(_) if has("full") => text(value, "full"),
        Value::Object(_) if has("first") || has("last") => {
            joined(&["prefix", "first", "middle", "last", "suffix"], " ")
        }
        Value::Object(_) if has("phone") => joined(&["country", "area", "phone"], " "),
        Value::Object(_) if has("year") && has("month") => joined(&["year", "month", "day"], "-"),
        other => said(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::mapped::value::json;

    #[test]
    fn groups_become_what_a_person_would_write() {
        let request = json!({
            "slug": "submit/1/", "event_id": "1_2", "q_x": "no",
            "q3_nama": {"prefix": "", "first": "Siti", "last": "Aminah"}, "q5_noHp": {"full": "(0812) 34567890"},
            "q6_telp": {"country": "+62", "area": "21", "phone": "5551234"}, "q7_minat": ["Rumah", "Ruko"],
            "q8_tgl": {"day": "26", "month": "10", "year": "2026"}, "q9_kosong": {"first": "", "last": ""},
            "q10_alamat": {"addr_line1": "Jl. A 1", "city": "Bogor", "state": ""}, "q11_pesan": "", "q12_denah": "",
            "temp_upload": {"q12_denah": ["denah.pdf"], "q7_minat": ["x"], "other": "y"},
        });
        let found = entries(&request, &mut Told::default());
        let shown: Vec<_> = found.iter().map(|entry| (entry.label.as_str(), entry.value.as_str())).collect();
        let expected = [
            ("nama", "Siti Aminah"),
            ("noHp", "(0812) 34567890"),
            ("telp", "+62 21 5551234"),
            ("minat", "Rumah, Ruko"),
            ("tgl", "2026-10-26"),
            ("alamat", "Jl. A 1, Bogor"),
            ("denah", "denah.pdf"),
        ];
        assert_eq!(shown, expected);
    }
}
