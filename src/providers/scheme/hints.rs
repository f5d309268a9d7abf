//! The usual mistakes, each tried alone: which one change would make the digest match?

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;
use strum::VariantArray;

use super::address::{Address, Variant};
use super::base::Piece;
use super::mac::{Algorithm, Encoding, Key, Keyed, Mac};
use super::stands::{Keys, Stands};
use crate::providers::{Header, Webhook, settings, signature};

/// A change: what it finds, what helps then, and the scheme and the webhook as they would be.
struct Change {
    found: String,
    help: Help,
    mac: Mac,
    webhook: Webhook,
}

/// What helps.
enum Help {
    /// Keys of the scheme, where they are somebody's to write; where they are not, what its sender has to do.
    Scheme(Keys, String),
    /// This, whatever the scheme.
    Else(String),
}

/// The changes under which the proof of `webhook` would hold, whatever its time, and what helps.
pub(super) fn of(mac: &Mac, stands: Stands<'_>, webhook: &Webhook, now: Timestamp) -> Vec<String> {
    let mut mac = mac.clone();
    if let Some(time) = &mut mac.time {
        time.tolerance_s = u64::MAX / 1000;
    }
    if mac.verify(webhook, now).is_ok() {
        return vec!["the digest matches: only the time is wrong".to_owned()];
    }
    let all = [writing, separators, keys, urls, bases, bodies].into_iter().flat_map(|changes| changes(&mac, webhook));
    let right = all.filter(|change| change.mac.verify(&change.webhook, now).is_ok());
    let mut hints = Vec::new();
    for Change { found, help, .. } in right {
        let hint = match help {
            Help::Scheme(keys, sender) => format!("{found}; {}", stands.write(&keys).unwrap_or(sender)),
            Help::Else(help) => format!("{found}; {help}"),
        };
        // Two ways to read a secret may be one mistake.
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    hints
}

/// Other encodings, algorithms and prefixes.
fn writing(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut add = |found: String, keys: Keys, sender: String, mac: Mac| {
        changes.push(Change { found, help: Help::Scheme(keys, sender), mac, webhook: webhook.clone() });
    };
    let ours: &str = mac.encoding.into();
    for encoding in Encoding::VARIANTS.iter().filter(|encoding| **encoding != mac.encoding) {
        let word: &str = encoding.into();
        let other = Mac { encoding: *encoding, ..mac.clone() };
        add(
            format!("matches as {word}"),
            Keys::one("encoding", word),
            format!("its sender has to write {ours}"),
            other,
        );
    }
    let ours: &str = mac.algorithm.into();
    for algorithm in Algorithm::VARIANTS.iter().filter(|algorithm| **algorithm != mac.algorithm) {
        let word: &str = algorithm.into();
        let (sender, other) = (format!("its sender has to sign with {ours}"), mac.with_algorithm(*algorithm));
        add(format!("matches as {word}"), Keys::one("algorithm", word), sender, other);
    }
    let ours = &mac.signature.prefix;
    for prefix in ["", "sha256=", "sha1=", "v0=", "v1="].into_iter().filter(|prefix| prefix != ours) {
        let found = match prefix {
            "" => "matches without the prefix".to_owned(),
            prefix => format!("matches with the prefix {prefix}"),
        };
        let sender = match ours.as_str() {
            "" => "its sender has to leave it out".to_owned(),
            ours => format!("its sender has to write {ours} before it"),
        };
        let mut other = mac.clone();
        prefix.clone_into(&mut other.signature.prefix);
        add(found, Keys::one("signature.prefix", prefix), sender, other);
    }
    changes
}

/// Signatures that stand behind their version in another way, and then often in another encoding, too.
fn separators(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let Some(field) = &mac.signature.field else { return Vec::new() };
    let (ours, between) = (&mac.signature.kv_sep, mac.signature.item_sep.as_deref());
    // Without these letters it is written as in the other alphabet.
    let safe = matches!(webhook.header(&mac.signature.header), Header::Once(text) if text.contains(['-', '_']));
    let mut changes = Vec::new();
    for separator in ["=", ","].into_iter().filter(|separator| separator != ours && Some(*separator) != between) {
        for encoding in Encoding::VARIANTS.iter().filter(|encoding| **encoding != Encoding::Base64url || safe) {
            let [here, there]: [&str; 2] = [mac.encoding.into(), encoding.into()];
            let keys = Keys::one("signature.kv_sep", separator);
            let keys = if *encoding == mac.encoding { keys } else { keys.and("encoding", there) };
            let mut other = Mac { encoding: *encoding, ..mac.clone() };
            separator.clone_into(&mut other.signature.kv_sep);
            changes.push(Change {
                found: format!("matches as {field}{separator}<{there}>"),
                help: Help::Scheme(keys, format!("its sender has to write {field}{ours}<{here}>")),
                mac: other,
                webhook: webhook.clone(),
            });
        }
    }
    changes
}

/// Another way to read a secret: its name, the key to write, what the sender has to do, and the reading.
type Reading<'a> = (&'static str, &'static str, &'static str, &'a dyn Fn(&Key) -> Option<Vec<u8>>);

/// The secret read in another way.
fn keys(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    const AS_TEXT: &str = "its sender has to take the secret as the text that it is";
    const DECODE: &str = "its sender has to decode it: what signs are the bytes that it stands for, without a prefix such as \
         whsec_";
    let text = |key: &Key| std::str::from_utf8(&key.bytes).ok().map(str::to_owned);
    let bare = |key: &Key| text(key).map(|text| text.strip_prefix("whsec_").unwrap_or(&text).to_owned());
    let (read_as_text, prefixed) = ("used as the text that it is", "used as the text that it is, with whsec_");
    let whsec = |text: String| Some(format!("whsec_{text}").into());
    let read: [Reading<'_>; 7] = [
        ("read as hexadecimal", "hex", AS_TEXT, &|key| hex::decode(text(key)?).ok()),
        ("read as base64", "base64", AS_TEXT, &|key| settings::base64(&bare(key)?)),
        (read_as_text, "utf8", DECODE, &|key| Some(hex::encode(&key.bytes).into())),
        (read_as_text, "utf8", DECODE, &|key| Some(STANDARD.encode(&key.bytes).into())),
        (read_as_text, "utf8", DECODE, &|key| Some(STANDARD_NO_PAD.encode(&key.bytes).into())),
        (prefixed, "utf8", DECODE, &|key| whsec(STANDARD.encode(&key.bytes))),
        (prefixed, "utf8", DECODE, &|key| whsec(STANDARD_NO_PAD.encode(&key.bytes))),
    ];
    let with = |read: &dyn Fn(&Key) -> Option<Vec<u8>>| {
        let keys: Vec<_> = mac.keys.iter().filter_map(|key| Some(Key::new(read(key)?, mac.algorithm))).collect();
        (!keys.is_empty()).then(|| Mac { keys, ..mac.clone() })
    };
    let change = |found: String, help: Help, mac: Mac| Change { found, help, mac, webhook: webhook.clone() };
    let otherwise = read.iter().filter_map(|(how, encoding, sender, read)| {
        let keys = Keys::one("key.encoding", encoding);
        // A prefix that stood in the secret has been taken off by the scheme.
        let keys = if *how == prefixed { keys.and("key.strip_prefix", "") } else { keys };
        let help = Help::Scheme(keys, (*sender).to_owned());
        Some(change(format!("matches with the secret {how}"), help, with(read)?))
    });
    let ended = with(&|key| Some([&key.bytes[..], b"\n"].concat())).map(|mac| {
        let help = Help::Else("take it out of the sender's copy, which has one".to_owned());
        change("matches with a line end behind the secret".to_owned(), help, mac)
    });
    otherwise.chain(ended).collect()
}

/// The URL spelled in another way.
fn urls(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let Some(address) = &mac.address else { return Vec::new() };
    let other = |address: Address| Mac { address: Some(address), ..mac.clone() };
    let change =
        |found: &str, help: Help, mac: Mac, webhook: Webhook| Change { found: found.to_owned(), help, mac, webhook };
    let based = |found: &str, help: &str, base: String| {
        let other = other(Address { base, ..address.clone() });
        change(found, Help::Else(help.to_owned()), other, webhook.clone())
    };
    let mut changes = Vec::new();
    changes.extend(address.base.split_once("://").map(|(scheme, rest)| {
        let scheme = if scheme == "https" { "http" } else { "https" };
        based(&format!("matches with {scheme}"), "is BRIDGE_PUBLIC_URL right?", format!("{scheme}://{rest}"))
    }));
    if let Header::Once(host) = webhook.header("host") {
        let found = format!("matches with the host {host}");
        changes.push(based(&found, "write it in BRIDGE_PUBLIC_URL", format!("https://{host}")));
    }
    for variant in [Variant::NoPort, Variant::DefaultPort, Variant::Whatwg] {
        let word = variant.word();
        let all = address.variants.iter().chain([&variant]).map(|variant| variant.word());
        let help =
            Help::Scheme(Keys::list("url.variants", all), "its sender has to sign the URL as it stands".to_owned());
        let other = other(Address { variants: vec![variant], ..address.clone() });
        changes.push(change(&format!("matches as the URL variant {word}"), help, other, webhook.clone()));
    }
    let path = &webhook.path;
    let (found, path) = match path.strip_suffix('/') {
        Some(bare) => ("matches without trailing slash", bare.to_owned()),
        None => ("matches with trailing slash", format!("{path}/")),
    };
    let help = Help::Else("give the sender the URL as `sources` shows it".to_owned());
    changes.push(change(found, help, mac.clone(), Webhook { path, ..webhook.clone() }));
    let bare = Webhook { query: String::new(), ..webhook.clone() };
    changes.push(change("matches without the query", Help::Else("something added one".to_owned()), mac.clone(), bare));
    changes
}

/// Base strings that other senders use.
fn bases(mac: &Mac, webhook: &Webhook) -> Vec<Change> {
    let signed = ["{body}", "{timestamp}.{body}", "{timestamp}:{body}", "{timestamp}{body}", "{body}{timestamp}"];
    let hashed = ["{secret}{body}", "{body}{secret}"];
    let of = |keyed: Keyed, text: &str| {
        let other = Mac { keyed, base: text.parse().expect("these are templates"), ..mac.clone() };
        let word: &str = keyed.into();
        let keys = Keys::one("base", text);
        let keys = if keyed == mac.keyed { keys } else { keys.and("keyed", word) };
        // A time that is not signed is refused; tables are laid over each other key by key, so it does not go by itself.
        let timeless = mac.time.is_some() && !other.base.has(&Piece::Timestamp);
        let keys = if timeless { keys.without("timestamp") } else { keys };
        let sender = "its sender has to sign what is shown here as signed".to_owned();
        let found = format!("matches with {word} over {text}");
        Change { found, help: Help::Scheme(keys, sender), mac: other, webhook: webhook.clone() }
    };
    let all = signed.iter().map(|text| of(Keyed::Hmac, text)).chain(hashed.iter().map(|text| of(Keyed::Digest, text)));
    all.filter(|change| change.mac.base != mac.base).collect()
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
    let change = |(how, other): (&str, Vec<u8>)| {
        let after = if how.starts_with("with") { how.to_owned() } else { format!("after {how}") };
        let webhook = Webhook { body: other.into(), packed: None, ..webhook.clone() };
        let help = Help::Else(REWRITTEN.to_owned());
        Change { found: format!("matches {after}"), help, mac: mac.clone(), webhook }
    };
    changes.map(change).collect()
}

/// Compact JSON as PHP's `json_encode` writes it.
fn php(compact: &str) -> Vec<u8> {
    let slashed = compact.replace('/', "\\/");
    signature::escaped_unicode(slashed.as_bytes()).unwrap_or_else(|| slashed.into())
}
