//! Signed webhooks as raw HTTP requests, made before they are needed.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::Sha256;

use crate::http;

/// Secret of the Meta app.
pub const META_SECRET: &str = "load-meta-app-secret-0123456789abcdef";
/// Secret of the Standard Webhooks source: base64 of 32 bytes.
pub const STANDARD_SECRET: &str = "whsec_bG9hZC1zdGFuZGFyZC13ZWJob29rcy1zZWNyZXQhISE=";

/// Bytes of a single webhook: what a WhatsApp message or a lead with its page and campaign takes.
const SINGLE: usize = 900;

/// Many requests in one piece of memory.
#[derive(Default)]
pub struct Requests {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Requests {
    pub fn push(&mut self, request: &[u8]) {
        self.bytes.extend_from_slice(request);
        self.ends.push(self.bytes.len());
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn get(&self, index: usize) -> &[u8] {
        let begin = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[begin..self.ends[index]]
    }
}

impl Extend<Vec<u8>> for Requests {
    fn extend<I: IntoIterator<Item = Vec<u8>>>(&mut self, requests: I) {
        requests.into_iter().for_each(|request| self.push(&request));
    }
}

/// A Meta webhook of one lead, filled up to 0.9 KB.
pub fn meta_single(id: u64) -> Vec<u8> {
    let (open, close) = (meta_change(id), "]}]}");
    let head = r#"{"object":"page","entry":[{"id":"123456789012345","time":1795450001,"changes":["#;
    let filled = SINGLE - head.len() - open.len() - close.len() - r#","filler":"""#.len();
    let change = open.replacen("{", &format!(r#"{{"filler":"{}","#, "x".repeat(filled)), 1);
    meta_request(&format!("{head}{change}{close}"))
}

/// A Meta webhook of the leads `ids`, all in one entry.
pub fn meta_batch(ids: std::ops::Range<u64>) -> Vec<u8> {
    let changes = ids.map(meta_change).collect::<Vec<_>>().join(",");
    meta_request(&format!(
        r#"{{"object":"page","entry":[{{"id":"123456789012345","time":1795450001,"changes":[{changes}]}}]}}"#
    ))
}

/// The reference of the lead that [`meta_single`] and [`meta_batch`] name by `id`.
pub fn meta_ref(id: u64) -> String {
    format!("meta:leadgen:{}", meta_id(id))
}

fn meta_change(id: u64) -> String {
    let id = meta_id(id);
    format!(
        r#"{{"field":"leadgen","value":{{"ad_id":"120210000000000101","form_id":"1234567890123456","leadgen_id":"{id}","created_time":1795450000,"page_id":"123456789012345","adgroup_id":"120210000000000101"}}}}"#
    )
}

/// Sixteen digits, as in public reports.
fn meta_id(id: u64) -> u64 {
    7_000_000_000_000_000 + id
}

fn meta_request(body: &str) -> Vec<u8> {
    let signature = hex::encode(hmac(META_SECRET.as_bytes(), &[body.as_bytes()]));
    let headers = format!("content-type: application/json\r\nx-hub-signature-256: sha256={signature}\r\n");
    http::request("POST", "/hooks/meta", &headers, body.as_bytes())
}

/// A Standard Webhooks webhook: the word number `revision` of a lead.
pub fn standard(lead: &str, revision: u32, now: Timestamp) -> Vec<u8> {
    let [first, last, email, phone] = standard_person(lead);
    let body = format!(
        r#"{{"type":"lead.changed","timestamp":"{now}","data":{{"id":"{lead}","name":"{first} {last}","email":"{email}","phone":"{phone}","revision":{revision}}}}}"#
    );
    let (id, time) = (format!("msg_{lead}_{revision}"), now.as_second().to_string());
    let key = STANDARD.decode(STANDARD_SECRET.trim_start_matches("whsec_")).expect("the secret is base64");
    let parts = [id.as_bytes(), b".", time.as_bytes(), b".", body.as_bytes()];
    let signature = STANDARD.encode(hmac(&key, &parts));
    let mut headers = String::from("content-type: application/json\r\n");
    write!(headers, "webhook-id: {id}\r\nwebhook-timestamp: {time}\r\nwebhook-signature: v1,{signature}\r\n")
        .expect("a string takes everything");
    http::request("POST", "/hooks/standard", &headers, body.as_bytes())
}

/// Whom [`standard`] is about: first name, last name, e-mail, phone.
pub fn standard_person(lead: &str) -> [String; 4] {
    let number = lead.bytes().fold(0_u64, |sum, byte| (sum * 31 + u64::from(byte)) % 10_000_000);
    ["Siti".into(), "Aminah".into(), format!("{lead}@example.com"), format!("+62812{number:07}")]
}

/// The reference of the lead that [`standard`] is about.
pub fn standard_ref(lead: &str) -> String {
    format!("sw:standard:{lead}")
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}
