//! The usual mistakes, each tried alone: which one change would make the digest match?

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use strum::VariantArray;

use super::address::Variant;
use super::mac::{Algorithm, Encoding, Key, Keyed, Mac};
use crate::providers::{Header, Webhook, settings, signature};

/// A change, said in words, with the scheme and the webhook as they would be.
type Change = (String, Mac, Webhook);

/// The changes under which the proof of `webhook` would hold, whatever its time.
pub(super) fn of(mac: &Mac, webhook: &Webhook, now: Timestamp) -> Vec<String> {
    let mut mac = mac.clone();
    if let Some(time) = &mut mac.time {
        time.tolerance_s = u64::MAX / 1000;
    }
    if mac.verify(webhook, now).is_ok() {
        return vec!["the digest matches: only the time is wrong".to_owned()];
    }
    let all = [writing, keys, urls, bases, bodies].into_iter().flat_map(|changes| changes(&mac, webhook));
    all.filter(|(_, mac, webhook)| mac.verify(webhook, now).is_ok()).map(|(hint, ..)| hint).collect()
}

/// Other encodings, algorithms and prefixes.
fn writing(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let mut changes = Vec::new();
    for encoding in Encoding::VARIANTS.iter().filter(|encoding| **encoding != mac.encoding) {
        let word: &str = encoding.into();
        let hint = format!("matches as {word}; write encoding = \"{word}\"");
        changes.push((hint, Mac { encoding: *encoding, ..mac.clone() }, webhook.clone()));
    }
    for algorithm in Algorithm::VARIANTS.iter().filter(|algorithm| **algorithm != mac.algorithm) {
        let word: &str = algorithm.into();
        let hint = format!("matches as {word}; write algorithm = \"{word}\"");
        changes.push((hint, mac.with_algorithm(*algorithm), webhook.clone()));
    }
    for prefix in ["", "sha256=", "sha1=", "v0=", "v1="].into_iter().filter(|prefix| *prefix != mac.signature.prefix) {
        let hint = match prefix {
            "" => "matches without the prefix; leave signature.prefix out".to_owned(),
            prefix => format!("matches with the prefix {prefix}; write signature.prefix = \"{prefix}\""),
        };
        let mut other = mac.clone();
        prefix.clone_into(&mut other.signature.prefix);
        changes.push((hint, other, webhook.clone()));
    }
    changes
}

/// Another way to read a secret.
type Reading<'a> = (&'static str, &'a dyn Fn(&Key) -> Option<Vec<u8>>);

/// The secret read in another way.
fn keys(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let text = |key: &Key| std::str::from_utf8(&key.bytes).ok().map(str::to_owned);
    let bare = |key: &Key| text(key).map(|text| text.strip_prefix("whsec_").unwrap_or(&text).to_owned());
    let read: [Reading<'_>; 5] = [
        ("read as hexadecimal; write key.encoding = \"hex\"", &|key| hex::decode(text(key)?).ok()),
        ("read as base64; write key.encoding = \"base64\"", &|key| settings::base64(&bare(key)?)),
        ("used as the text that it is; leave key.encoding out", &|key| Some(hex::encode(&key.bytes).into())),
        ("used as the text that it is; leave key.encoding out", &|key| Some(STANDARD.encode(&key.bytes).into())),
        ("with a line end behind it; the sender's copy has one", &|key| Some([&key.bytes[..], b"\n"].concat())),
    ];
    let change = |(hint, read): &Reading<'_>| {
        let keys: Vec<_> = mac.keys.iter().filter_map(|key| Some(Key::new(read(key)?, mac.algorithm))).collect();
        let other = Mac { keys, ..mac.clone() };
        (!other.keys.is_empty()).then(|| (format!("matches with the secret {hint}"), other, webhook.clone()))
    };
    read.iter().filter_map(change).collect()
}

/// The URL spelled in another way.
fn urls(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let Some(address) = &mac.address else { return Vec::new() };
    let mut changes = Vec::new();
    let mut based = |hint: String, base: String| {
        let mut other = mac.clone();
        other.address = Some(super::address::Address { base, ..address.clone() });
        changes.push((hint, other, webhook.clone()));
    };
    match address.base.split_once("://") {
        Some(("https", rest)) => {
            based("matches with http; is BRIDGE_PUBLIC_URL right?".to_owned(), format!("http://{rest}"))
        }
        Some((_, rest)) => {
            based("matches with https; is BRIDGE_PUBLIC_URL right?".to_owned(), format!("https://{rest}"))
        }
        None => {}
    }
    if let Header::Once(host) = webhook.header("host") {
        based(format!("matches with the host {host}; write it in BRIDGE_PUBLIC_URL"), format!("https://{host}"));
    }
    for variant in [Variant::NoPort, Variant::DefaultPort, Variant::Whatwg] {
        let mut other = mac.clone();
        other.address = Some(super::address::Address { variants: vec![variant], ..address.clone() });
        let word = variant.word();
        changes.push((
            format!("matches as the URL variant {word}; add \"{word}\" to url.variants"),
            other,
            webhook.clone(),
        ));
    }
    let path = &webhook.path;
    let (hint, other) = match path.strip_suffix('/') {
        Some(bare) => ("matches without trailing slash", bare.to_owned()),
        None => ("matches with trailing slash", format!("{path}/")),
    };
    changes.push((
        format!("{hint}; give the sender the URL as `sources` shows it"),
        mac.clone(),
        Webhook { path: other, ..webhook.clone() },
    ));
    let bare = Webhook { query: String::new(), ..webhook.clone() };
    changes.push(("matches without the query; something added one".to_owned(), mac.clone(), bare));
    changes
}

/// Base strings that other senders use.
fn bases(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let signed = ["{body}", "{timestamp}.{body}", "{timestamp}:{body}", "{timestamp}{body}", "{body}{timestamp}"];
    let hashed = ["{secret}{body}", "{body}{secret}"];
    let of = |keyed: Keyed, text: &str| {
        let base = text.parse().expect("these are templates");
        let hint = match keyed {
            Keyed::Hmac => format!("matches with base = \"{text}\""),
            Keyed::Digest => format!("matches with keyed = \"digest\" and base = \"{text}\""),
        };
        (hint, Mac { keyed, base, ..mac.clone() }, webhook.clone())
    };
    let all = signed.iter().map(|text| of(Keyed::Hmac, text)).chain(hashed.iter().map(|text| of(Keyed::Digest, text)));
    all.filter(|(_, other, _)| other.base != mac.base).collect()
}

/// The body as it may have been before something on the way rewrote it.
fn bodies(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    const REWRITTEN: &str = "something rewrote the body on its way";
    let body = &webhook.body;
    let json = || serde_json::from_slice::<Value>(body).ok();
    let text = std::str::from_utf8(body).ok();
    let others: [(&str, Option<Vec<u8>>); 8] = [
        ("without the line end behind it", Some(body.trim_ascii_end().to_vec())),
        ("with a line end behind it", Some([&body[..], b"\n"].concat())),
        ("with LF for CRLF", text.map(|text| text.replace("\r\n", "\n").into())),
        ("with CRLF for LF", text.map(|text| text.replace("\r\n", "\n").replace('\n', "\r\n").into())),
        ("re-serialising", json().map(|json| json.to_string().into())),
        ("re-serialising with indents", json().and_then(|json| serde_json::to_vec_pretty(&json).ok())),
        ("escaping what is not ASCII", signature::escaped_unicode(body)),
        ("escaping as PHP does", json().map(|json| php(&json.to_string()))),
    ];
    let changes = others.into_iter().filter_map(|(how, other)| Some((how, other.filter(|other| other != body)?)));
    changes
        .map(|(how, other)| {
            let after = if how.starts_with("with") { how.to_owned() } else { format!("after {how}") };
            (
                format!("matches {after}: {REWRITTEN}"),
                mac.clone(),
                Webhook { body: other.into(), packed: None, ..webhook.clone() },
            )
        })
        .collect()
}

/// Compact JSON as PHP's `json_encode` writes it.
fn php(compact: &str) -> Vec<u8> {
    let slashed = compact.replace('/', "\\/");
    signature::escaped_unicode(slashed.as_bytes()).unwrap_or_else(|| slashed.into())
}
