//! Digests: HMAC over a base string, or a plain hash of one that holds the secret.

use std::borrow::Cow;

use aws_lc_rs::{digest, hmac};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use jiff::Timestamp;
use serde::Deserialize;
use subtle::{Choice, ConstantTimeEq};

use super::address::{self, Address};
use super::base::{Input, Template};
use super::once;
use crate::providers::{Refusal, Webhook};

/// Base64 of a digest, padded or not: a proxy may have eaten the `=`. Stray bits at the end are another digest.
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, INDIFFERENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, INDIFFERENT);
const INDIFFERENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// The hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

/// How the secret comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Keyed {
    /// As the key of an HMAC (RFC 2104).
    #[default]
    Hmac,
    /// As a part of what is hashed.
    Digest,
}

/// How the digest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Encoding {
    Hex,
    Base64,
    Base64url,
}

/// What a number of the time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Unit {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
}

/// The bytes that sign, and what an HMAC makes of them before it has seen a webhook.
#[derive(Clone)]
pub(super) struct Key {
    pub(super) bytes: Vec<u8>,
    hmac: hmac::Key,
}

impl Key {
    /// The key of these bytes, prepared for an HMAC with `algorithm`.
    pub(super) fn new(bytes: Vec<u8>, algorithm: Algorithm) -> Self {
        Self { hmac: hmac::Key::new(algorithm.hmac(), &bytes), bytes }
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// Where the signature stands.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) header: String,
    pub(super) prefix: String,
    /// What separates several signatures or fields; `None` when the header is one signature.
    pub(super) item_sep: Option<String>,
    pub(super) kv_sep: String,
    /// The name before `kv_sep` of the entries that count.
    pub(super) field: Option<String>,
}

/// Where the signed time stands, in a header or in a field beside the signature, and how old it may be.
#[derive(Debug, Clone)]
pub(super) struct Time {
    pub(super) header: Option<String>,
    pub(super) field: Option<String>,
    pub(super) unit: Unit,
    pub(super) tolerance_s: u64,
}

/// A scheme of this kind.
#[derive(Debug, Clone)]
pub(super) struct Mac {
    pub(super) algorithm: Algorithm,
    pub(super) keyed: Keyed,
    pub(super) encoding: Encoding,
    pub(super) base: Template,
    /// The current one first; never empty.
    pub(super) keys: Vec<Key>,
    pub(super) signature: Signature,
    pub(super) time: Option<Time>,
    pub(super) address: Option<Address>,
    /// Pairs that must render to the same bytes.
    pub(super) equal: Vec<[Template; 2]>,
}

impl Mac {
    /// The same with another hash.
    pub(super) fn with_algorithm(&self, algorithm: Algorithm) -> Self {
        let keys = self.keys.iter().map(|key| Key::new(key.bytes.clone(), algorithm)).collect();
        Self { algorithm, keys, ..self.clone() }
    }

    pub(super) fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<(), Refusal> {
        let given = self.given(webhook)?;
        let time = self.time(webhook)?;
        if let (Some(settings), Some(text)) = (&self.time, time) {
            settings.check(text, now)?;
        }
        let fixed = self.base.fixed(Input { webhook, time, url: None, secret: &[] })?;
        let mut refused = Refusal::GarbledProof;
        for url in self.urls(webhook) {
            let input = |secret| Input { webhook, time, url: url.as_deref(), secret };
            self.compare(input(&[]))?;
            // How long it takes tells which spelling was signed, which is no secret, but not which key signed.
            let mut same = Choice::from(0);
            for key in &self.keys {
                let digest = self.digest(key, &self.base.filled(&fixed, input(&key.bytes))?);
                same = given.iter().fold(same, |same, given| same | given.as_slice().ct_eq(&digest));
            }
            if same.into() {
                return Ok(());
            }
            refused = Refusal::WrongProof;
        }
        Err(refused)
    }

    /// The digests in the header, decoded; what is none is left out.
    pub(super) fn given(&self, webhook: &Webhook) -> Result<Vec<Vec<u8>>, Refusal> {
        let texts = self.signature.texts(once(webhook, &self.signature.header)?);
        let length = self.algorithm.length();
        let decoded = texts.iter().filter_map(|text| self.encoding.decode(text));
        let digests: Vec<_> = decoded.filter(|digest| digest.len() == length).collect();
        if digests.is_empty() { Err(Refusal::GarbledProof) } else { Ok(digests) }
    }

    /// The signed time in the sender's letters.
    pub(super) fn time<'w>(&self, webhook: &'w Webhook) -> Result<Option<&'w str>, Refusal> {
        let Some(time) = &self.time else { return Ok(None) };
        if let Some(header) = &time.header {
            return once(webhook, header).map(Some);
        }
        let header = once(webhook, &self.signature.header)?;
        let fields = time.field.as_deref().map(|name| self.signature.fields(header, name));
        let mut fields = fields.unwrap_or_default().into_iter();
        match (fields.next(), fields.next()) {
            (Some(only), None) => Ok(Some(only)),
            (None, _) | (Some(_), Some(_)) => Err(Refusal::GarbledProof),
        }
    }

    /// The URLs to try; one `None` where no URL is signed.
    pub(super) fn urls(&self, webhook: &Webhook) -> impl Iterator<Item = Option<String>> {
        address::urls(self.address.as_ref(), webhook)
    }

    /// True when a byte of the body goes into it.
    pub(super) fn reads_body(&self) -> bool {
        self.base.reads_body() || self.equal.iter().flatten().any(Template::reads_body)
    }

    /// Checks what else must be equal.
    fn compare(&self, input: Input<'_>) -> Result<(), Refusal> {
        for [one, other] in &self.equal {
            if !bool::from(one.bytes(input)?.ct_eq(&other.bytes(input)?)) {
                return Err(Refusal::WrongProof);
            }
        }
        Ok(())
    }

    pub(super) fn digest(&self, key: &Key, parts: &[Cow<'_, [u8]>]) -> Vec<u8> {
        match self.keyed {
            Keyed::Hmac => {
                let mut mac = hmac::Context::with_key(&key.hmac);
                parts.iter().for_each(|part| mac.update(part));
                mac.sign().as_ref().to_vec()
            }
            Keyed::Digest => {
                let mut hash = digest::Context::new(self.algorithm.digest());
                parts.iter().for_each(|part| hash.update(part));
                hash.finish().as_ref().to_vec()
            }
        }
    }
}

impl Algorithm {
    fn digest(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }

    fn hmac(self) -> hmac::Algorithm {
        match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha384 => hmac::HMAC_SHA384,
            Self::Sha512 => hmac::HMAC_SHA512,
        }
    }

    /// Bytes of a digest.
    pub(super) fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Encoding {
    /// `text` as bytes; upper and lower case are one in hex.
    pub(super) fn decode(self, text: &str) -> Option<Vec<u8>> {
        match self {
            Self::Hex => hex::decode(text).ok(),
            Self::Base64 => STANDARD.decode(text).ok(),
            Self::Base64url => URL_SAFE.decode(text).ok(),
        }
    }

    pub(super) fn encode(self, digest: &[u8]) -> String {
        match self {
            Self::Hex => hex::encode(digest),
            Self::Base64 => STANDARD.encode(digest),
            Self::Base64url => URL_SAFE.encode(digest),
        }
    }
}

impl Signature {
    /// The signatures in a header, prefix taken off.
    pub(super) fn texts<'h>(&self, header: &'h str) -> Vec<&'h str> {
        let items: Vec<_> = match (&self.field, &self.item_sep) {
            (Some(field), _) => self.fields(header, field),
            (None, Some(separator)) => header.split(separator.as_str()).map(str::trim).collect(),
            (None, None) => vec![header],
        };
        items.into_iter().filter_map(|item| item.strip_prefix(self.prefix.as_str())).collect()
    }

    /// The values of the entries called `name`.
    fn fields<'h>(&self, header: &'h str, name: &str) -> Vec<&'h str> {
        let separator = self.item_sep.as_deref().unwrap_or(",");
        let entries = header.split(separator).filter_map(|item| item.trim().split_once(self.kv_sep.as_str()));
        entries.filter(|(key, _)| key.trim() == name).map(|(_, value)| value.trim()).collect()
    }
}

impl Time {
    fn check(&self, text: &str, now: Timestamp) -> Result<(), Refusal> {
        let signed = digits(text).ok_or(Refusal::GarbledProof)?;
        let (now, tolerance) = match self.unit {
            Unit::S => (now.as_second(), self.tolerance_s),
            Unit::Ms => (now.as_millisecond(), self.tolerance_s * 1000),
        };
        if now.abs_diff(signed) <= tolerance { Ok(()) } else { Err(Refusal::Stale) }
    }
}

/// A time as senders write it: 1 to 16 ASCII digits, no sign, no fraction.
pub(super) fn digits(text: &str) -> Option<i64> {
    let digits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
