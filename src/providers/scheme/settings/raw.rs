//! The keys of a scheme as they are written; unknown ones are refused at every level.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Value;

use crate::providers::Secrets;
use crate::providers::scheme::address::Variant;
use crate::providers::scheme::jwt;
use crate::providers::scheme::mac::{Algorithm, Encoding, Keyed, Unit};

/// `kind = "hmac"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMac {
    pub(super) algorithm: Algorithm,
    #[serde(default)]
    pub(super) keyed: Keyed,
    pub(super) encoding: Encoding,
    pub(super) base: String,
    #[serde(alias = "secret")]
    pub(super) secrets: Option<Secrets>,
    pub(super) min_length: Option<usize>,
    #[serde(default)]
    pub(super) key: RawKey,
    pub(super) signature: RawSignature,
    pub(super) timestamp: Option<RawTime>,
    pub(super) url: Option<RawUrl>,
    #[serde(default)]
    pub(super) require_equal: Vec<[String; 2]>,
    #[serde(default)]
    pub(super) signs_only_named_fields: bool,
}

/// How the text of a secret becomes a key.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawKey {
    pub(super) encoding: KeyEncoding,
    pub(super) strip_prefix: String,
}

/// How a secret is written.
#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "snake_case")]
pub(super) enum KeyEncoding {
    #[default]
    Utf8,
    Hex,
    Base64,
}

/// Where the signature stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSignature {
    pub(super) header: String,
    #[serde(default)]
    pub(super) prefix: String,
    pub(super) item_sep: Option<String>,
    pub(super) kv_sep: Option<String>,
    pub(super) field: Option<String>,
}

/// Where the signed time stands.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTime {
    pub(super) header: Option<String>,
    pub(super) sig_field: Option<String>,
    pub(super) unit: Option<Unit>,
    pub(super) tolerance_s: Option<u64>,
}

/// The URL as its sender knows it.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct RawUrl {
    pub(super) base: Option<String>,
    pub(super) variants: Option<Vec<Variant>>,
}

/// `kind = "jwt"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawJwt {
    pub(super) location: jwt::Location,
    pub(super) header: Option<String>,
    #[serde(default)]
    pub(super) bearer: bool,
    pub(super) algs: Vec<jwt::Alg>,
    #[serde(alias = "secret")]
    pub(super) secrets: Option<Secrets>,
    pub(super) min_length: Option<usize>,
    pub(super) iss: Option<String>,
    #[serde(default)]
    pub(super) leeway_s: u64,
    pub(super) iat_max_age_s: Option<u64>,
    #[serde(default)]
    pub(super) require_claims: Vec<String>,
    #[serde(default)]
    pub(super) claims_equal: BTreeMap<String, RawClaim>,
    pub(super) event_claim: Option<String>,
    pub(super) url: Option<RawUrl>,
}

/// What a claim has to be equal to.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawClaim {
    pub(super) equals: String,
    #[serde(default)]
    pub(super) absent_when_body_empty: bool,
}

/// `kind = "token"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawToken {
    pub(super) location: RawLocation,
    pub(super) name: Option<String>,
    #[serde(alias = "secret")]
    pub(super) secrets: Option<Secrets>,
    pub(super) min_length: Option<usize>,
}

/// Where a token stands.
#[derive(Deserialize, Clone, Copy, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum RawLocation {
    Header,
    Bearer,
    Basic,
    Query,
    Path,
    Json,
}

/// `kind = "all"` and `kind = "any"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawList {
    pub(super) of: Vec<Value>,
}

/// `kind = "none"`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPublic {
    #[serde(default)]
    pub(super) i_know_this_is_public: bool,
}
