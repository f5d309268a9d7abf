//! Writes what the targets begin with into `tests/fuzz/corpus/`: the webhooks among the fixtures, the files in `config/`, and
//! what Konektor and the senders' own APIs answer.
//!
//! ```sh
//! cargo run --manifest-path tests/fuzz/Cargo.toml --target-dir target --example seeds
//! ```

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use encoding_rs::Encoding;
use flate2::Compression;
use flate2::write::GzEncoder;
use konektor_bridge::config::VARIABLES;
use konektor_bridge_fuzz::{CHARSETS, TYPES, proof_headers, webhooks, words};
use serde_json::Value;

/// What Konektor answers, by its documents.
const KONEKTOR: [&str; 9] = [
    r#"{"success":true,"data":{"id":"lead_abc123","firstName":"Siti","lastName":"Aminah","email":"siti@example.com","phone":"+6281200010002","status":"new","source":"ads","adPlatform":"meta","priority":"high","estimatedValue":1500000,"actualValue":null,"notes":"x","tags":["a"],"createdAt":"2026-11-23T09:00:00.000Z","updatedAt":"2026-11-23T09:00:00.000Z"}}"#,
    r#"{"success":true,"data":[{"id":"lead_abc123","externalRef":"meta:leadgen:1"}],"pagination":{"page":1,"limit":20,"total":41,"totalPages":3,"hasMore":true,"nextCursor":"eyJpZCI6MX0"}}"#,
    r#"{"success":false,"error":"Validation failed","details":[{"field":"email","message":"Invalid email"}]}"#,
    r#"{"success":false,"error":{"code":"FORBIDDEN","message":"Daily lead limit reached"}}"#,
    r#"{"success":true,"data":{"name":"Toko","timezone":"Asia/Jakarta","currency":"IDR","language":"id","plan":{"name":"pro","active":true,"expiresAt":"2027-01-31"},"usage":{"leadsPerDay":{"limit":500,"current":23}}}}"#,
    r#"{"success":true,"data":{"totalLeads":10,"conversionRate":0.25,"totalValue":12.5}}"#,
    r#"[{"stage":"new","count":5,"percentage":50.0}]"#,
    r#"{"id":"ticket_1","status":"open","createdAt":"2026-11-23T09:00:00Z"}"#,
    "<html>502 Bad Gateway</html>",
];

/// What the senders' own APIs and the captcha services answer: who, and what.
const ANSWERS: [(u8, &str); 9] = [
    (0, r#"{"error":{"message":"x","type":"OAuthException","code":190,"error_subcode":463,"fbtrace_id":"A"}}"#),
    (0, r#"{"error":{"message":"x","code":4,"is_transient":true}}"#),
    (
        2,
        r#"{"data":[{"id":"1","created_time":"2026-11-23T16:06:40+0000","form_id":"2","field_data":[]}],"paging":{"cursors":{"before":"a","after":"b"},"next":"https://graph.facebook.com/x"}}"#,
    ),
    (2, r#"{"data":[{"id":"77","leads":{"data":[{"id":"1","created_time":"2026-11-23T16:06:40+0000"}]}}]}"#),
    (1, r#"{"status":401,"serviceErrorCode":65601,"code":"REVOKED_ACCESS_TOKEN","message":"x"}"#),
    (
        3,
        r#"{"paging":{"start":0,"count":10,"total":11,"links":[]},"elements":[{"id":"a-1","submittedAt":1795450000000,"owner":{"sponsoredAccount":"urn:li:sponsoredAccount:522529623"},"leadType":"SPONSORED"}]}"#,
    ),
    (4, r#"{"success":true,"hostname":"toko.example","action":"lead","score":0.9,"error-codes":[]}"#),
    (5, r#"{"success":false,"error-codes":["invalid-input-secret"]}"#),
    (7, r#"{"success":true,"score":0.1}"#),
];

/// Requests to each listener.
const REQUESTS: [(u8, &str); 12] = [
    (0, "GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n"),
    (
        0,
        "POST /hooks/form?a=b HTTP/1.1\r\nhost: a\r\norigin: https://shop.example.com\r\ncontent-type: application/x-www-form-urlencoded\r\nforwarded: for=\"[2001:db8::1]:4\";proto=https, for=1.2.3.4\r\ncontent-length: 22\r\n\r\nnama=Siti&no_hp=081234",
    ),
    (
        0,
        "POST /hooks/form/ HTTP/1.1\r\nhost: a\r\norigin: https://shop.example.com\r\nx-forwarded-for: 1.2.3.4, 10.0.0.1\r\ntransfer-encoding: chunked\r\ncontent-type: application/json\r\n\r\n8\r\n{\"a\":\"b\"\r\n1\r\n}\r\n0\r\n\r\n",
    ),
    (
        0,
        "OPTIONS /hooks/form HTTP/1.1\r\norigin: https://shop.example.com\r\naccess-control-request-method: POST\r\n\r\n",
    ),
    (
        0,
        "GET /hooks/meta?hub.mode=subscribe&hub.verify_token=meta-verify-token-of-the-tests&hub.challenge=123 HTTP/1.1\r\n\r\n",
    ),
    (
        0,
        "POST /hooks/fonnte/fonnte-token-of-the-tests-0123456789 HTTP/1.0\r\ncontent-length: 2\r\ncontent-encoding: identity\r\n\r\n{}",
    ),
    (
        1,
        "GET /admin/v1/events?source=form&state=dead&limit=3&since=2026-11-20T00:00:00Z&cursor=12 HTTP/1.1\r\nhost: localhost\r\n\r\n",
    ),
    (
        1,
        "POST /admin/v1/dead-letters/replay HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 12\r\n\r\n{\"all\":true}",
    ),
    (1, "GET /admin/v1/lanes/form%3A1 HTTP/1.1\r\nhost: localhost\r\n\r\n"),
    (
        2,
        "GET /api/v2/agent/leads?status=new&search=a%20b&limit=2&page=1&sortBy=createdAt&dateFrom=2026-01-01 HTTP/1.1\r\nauthorization: Bearer kk_sandbox_all_scopes\r\n\r\n",
    ),
    (
        2,
        "POST /api/v2/agent/leads HTTP/1.1\r\nauthorization: Bearer kk_sandbox_all_scopes\r\ncontent-type: application/json\r\ncontent-length: 41\r\n\r\n{\"firstName\":\"Siti\",\"phone\":\"0812000100\"}",
    ),
    (2, "GET /graph/v26.0/1?fields=id,field_data&access_token=x HTTP/1.1\r\n\r\n"),
];

/// The values of the headers of Konektor's answers: as its documents have them, as others write them, and broken.
const RATES: [&str; 3] = [
    "200\t199\t1795450030\t\tTue, 24 Nov 2026 03:26:40 GMT\t0198f0a2-6c5e-7d40-8b1c-3f2a9d7e5b10",
    "60\t0\t30\t7\tTuesday, 24-Nov-26 03:26:40 GMT\t",
    "4294967295\t0\t1795450030000\t18446744073709551615\t24 Nov 2026 03:26 (a (comment)) +0700\tx y",
];

/// A name in letters that an encoding has.
const WRITTEN: [(&str, &str); 10] = [
    ("utf-16le", "Siti é李\u{1f600}"),
    ("utf-16be", "Siti é李\u{1f600}"),
    ("shift_jis", "シティ山田ｱ表"),
    ("iso-2022-jp", "シティ山田"),
    ("euc-jp", "シティ山田"),
    ("gbk", "李娜"),
    ("gb18030", "李娜\u{1f600}é"),
    ("big5", "陳美玲"),
    ("euc-kr", "김민지"),
    ("iso-8859-1", "Renée Ñuñez"),
];

const NAMES: [&str; 6] =
    ["Siti", "Pak Budi\0Santoso", "DR. IR. H. ANDI, M.T.", "siti.aminah_99", "👩‍👩‍👧 Ayu\0-", "O'Brien\0N/A"];
const PHONES: [&str; 8] = [
    "0812 3456 7890",
    "+62 (0)812-3456-7890",
    "62812 3456 7890@s.whatsapp.net",
    "628123456789:12@s.whatsapp.net",
    "+1 212 555 0100 ext. 5",
    "٠٨١٢٣٤٥٦٧٨٩٠",
    "tel:+6281234567890;phone-context=+62",
    "0812/0813",
];

/// The folder of one target's seeds, and how many are in it.
struct Seeds {
    folder: PathBuf,
    count: usize,
}

impl Seeds {
    fn of(target: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
        fs::create_dir_all(&folder).expect("the folder can be made");
        Self { folder, count: 0 }
    }

    fn add(&mut self, parts: &[&[u8]]) {
        fs::write(self.folder.join(format!("seed-{}", self.count)), parts.concat()).expect("there is room");
        self.count += 1;
    }
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

/// The value of a header; the first of several.
fn header<'v>(row: &'v Value, name: &str) -> &'v str {
    let headers = row["headers"].as_object().into_iter().flatten();
    let value = headers.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value).next();
    value.and_then(|value| value.as_str().or_else(|| value[0].as_str())).unwrap_or_default()
}

/// The place in [`TYPES`] of the type under which the webhook came.
fn media(row: &Value) -> u8 {
    let kind = header(row, "content-type").split(';').next().unwrap_or_default();
    TYPES.iter().position(|known| known.starts_with(kind)).unwrap_or_default() as u8
}

fn senders() {
    let (mut dialects, mut proof) = (Seeds::of("dialects"), Seeds::of("proof"));
    for (place, word) in words().enumerate() {
        let headers = proof_headers(word);
        for row in webhooks(word) {
            let body = text(&row, "body").as_bytes();
            dialects.add(&[&[place as u8, media(&row)], body]);
            let values: Vec<_> = headers.iter().map(|name| header(&row, name)).collect();
            let lines = [values.join("\t"), text(&row, "path_token").to_owned(), text(&row, "query").to_owned()];
            proof.add(&[&[place as u8], lines.join("\n").as_bytes(), b"\n", body]);
        }
    }
    for (target, word) in [("meta", "meta_leads"), ("google", "google_leads"), ("whatsapp", "whatsapp")] {
        let mut seeds = Seeds::of(target);
        webhooks(word).iter().for_each(|row| seeds.add(&[text(row, "body").as_bytes()]));
    }
    let (mut form, mut standard) = (Seeds::of("form"), Seeds::of("standard"));
    webhooks("standard_webhooks").iter().for_each(|row| standard.add(&[text(row, "body").as_bytes()]));
    for row in webhooks("form") {
        let choice = match media(&row) {
            0 => 2,
            1 => 0,
            2 => 1,
            // As pages send it: with UTF-8, the first of the encodings that are named.
            _ => 3 + 4,
        };
        let body = text(&row, "body").replace("--b1", "--b");
        form.add(&[&[choice], body.as_bytes()]);
    }
    written(&mut form);
}

/// Forms of each kind in letters of each encoding, which the content type names, or one part, or nothing.
fn written(form: &mut Seeds) {
    let multipart = "--b\r\nContent-Disposition: form-data; name=\"nama\"\r\nContent-Type: text/plain; charset=";
    for (label, name) in WRITTEN {
        let place = CHARSETS.iter().position(|known| *known == label).expect("it is one of them") as u8;
        let bytes = |text: &str| encoded(label, text);
        let bodies = [
            (0, bytes(&format!("nama={name}&no_hp=081234567890"))),
            (1, [format!("{multipart}{label}\r\n\r\n").into_bytes(), bytes(name), b"\r\n--b--\r\n".to_vec()].concat()),
            (2, bytes(&format!("{{\"nama\":\"{name}\",\"no_hp\":\"081234567890\"}}"))),
        ];
        for (kind, body) in bodies {
            [kind, kind + 4 * place].iter().for_each(|choice| form.add(&[&[*choice], &body]));
        }
    }
}

fn encoded(label: &str, text: &str) -> Vec<u8> {
    match label {
        "utf-16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf-16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        _ => Encoding::for_label(label.as_bytes()).expect("it is a label").encode(text).0.into_owned(),
    }
}

/// A form that comes packed, in so many members.
fn packed(members: &[&str]) -> Vec<u8> {
    let packed: Vec<_> = members.iter().flat_map(|member| gzip(member.as_bytes())).collect();
    let head = [
        "POST /hooks/form HTTP/1.1",
        "host: a",
        "origin: https://shop.example.com",
        "content-type: application/x-www-form-urlencoded",
        "content-encoding: gzip",
        &format!("content-length: {}", packed.len()),
        "\r\n",
    ];
    [head.join("\r\n").into_bytes(), packed].concat()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).expect("memory takes it")
}

fn answers() {
    let (mut lookups, mut konektor, mut api) = (Seeds::of("lookups"), Seeds::of("konektor_answer"), Seeds::of("api"));
    for (who, word) in [(0, "meta_leads"), (1, "linkedin")] {
        for item in webhooks(word).iter().filter_map(|row| row["expect"]["items"].as_array()).flatten() {
            lookups.add(&[&[who, 0], b"60\n", item["fetched"].to_string().as_bytes()]);
        }
    }
    for (who, body) in ANSWERS {
        for status in [0, 4] {
            lookups.add(&[&[who, status], b"{\"call_count\":28}\n", body.as_bytes()]);
        }
    }
    for (who, cursor) in [(2, r#"{"forms":["12"],"after":"x"}"#), (3, "SPONSORED:18446744073709551515")] {
        let page = r#"{"data":[{"id":"1"}],"elements":[{"id":"1"}],"paging":{"total":18446744073709551615}}"#;
        lookups.add(&[&[who, 0], cursor.as_bytes(), b"\n", page.as_bytes()]);
    }
    for body in KONEKTOR {
        api.add(&[body.as_bytes()]);
        if let Ok(value) = serde_json::from_str::<Value>(body) {
            api.add(&[value["data"].to_string().as_bytes()]);
        }
        for status in [200_u16, 201, 400, 401, 403, 404, 409, 429, 500] {
            konektor.add(&[&status.to_le_bytes(), b"\n", body.as_bytes()]);
        }
    }
    rates(&mut konektor);
}

/// Konektor's headers, beside an answer that is one and beside one that asks to wait.
fn rates(konektor: &mut Seeds) {
    for (status, body) in [(200_u16, r#"{"success":true,"data":[]}"#), (429, r#"{"success":false,"error":"x"}"#)] {
        RATES
            .iter()
            .for_each(|values| konektor.add(&[&status.to_le_bytes(), values.as_bytes(), b"\n", body.as_bytes()]));
    }
}

fn settings() {
    let (mut seeds, mut rules) = (Seeds::of("settings"), Seeds::of("rules"));
    for (place, variable) in (0_u8..).zip(VARIABLES) {
        let value = variable.default.unwrap_or("redis://user:password@host:6379/0");
        seeds.add(&[&[place], value.as_bytes(), b"\n[sources.form.settings]\nsecret = \"env:HUSH\"\n"]);
    }
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config");
    for folder in ["examples", "presets"] {
        for file in fs::read_dir(config.join(folder)).expect("it is there") {
            let path = file.expect("it can be read").path();
            if path.extension().is_none_or(|kind| kind != "toml") {
                continue;
            }
            let text = fs::read_to_string(&path).expect("it is text");
            match folder {
                "presets" => {
                    let text = text.replace("\n[", "\n[sources.x.settings.");
                    let head = "0\n[sources.x]\nprovider = \"mapped\"\n[sources.x.settings]\nsecret = \"env:HUSH\"\n";
                    seeds.add(&[head.as_bytes(), text.as_bytes()]);
                }
                _ => seeds.add(&[b"0\n", text.as_bytes()]),
            }
            text.split(['"', '\'']).filter(|part| part.len() > 3).for_each(|part| rules.add(&[part.as_bytes()]));
        }
    }
}

fn main() {
    senders();
    answers();
    settings();
    let (mut wire, mut names, mut phones, mut notes) =
        (Seeds::of("wire"), Seeds::of("name"), Seeds::of("phone"), Seeds::of("notes"));
    REQUESTS.iter().for_each(|(to, request)| wire.add(&[&[*to], request.as_bytes()]));
    for members in [&["nama=Siti&no_hp=081234"][..], &["nama=Siti", "", "&no_hp=081234"]] {
        wire.add(&[&[0], &packed(members)]);
    }
    NAMES.iter().for_each(|name| names.add(&[name.as_bytes()]));
    PHONES.iter().for_each(|phone| phones.add(&[phone.as_bytes()]));
    notes
        .add(&["Dipanggil\n\n--- konektor-bridge ---\nPesan: Halo\n---\0Pesan\0Halo\0Kota\0Bandung\nTimur".as_bytes()]);
}
