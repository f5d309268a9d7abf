//! JSON Web Tokens (RFC 7519) in a header or as the whole body.
//!
//! The algorithms are a list in the configuration, all of one family, and the token's own word for its algorithm only
//! chooses among them: so neither `none` nor a public key used as a shared secret gets in. Times are judged by the `now`
//! that is passed in, not by the clock that the JWT crate would ask.

use bytes::Bytes;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::address::{self, Address};
use super::base::{Input, Template};
use super::{once, token};
use crate::providers::{Refusal, Webhook};

/// Where the token stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Location {
    Header,
    Body,
}

/// The algorithms that may be listed (RFC 7518).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Alg {
    HS256,
    HS384,
    HS512,
    RS256,
}

/// What kind of key an algorithm takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// A secret that both sides have.
    Shared,
    /// The sender's public key.
    Public,
}

/// A key, and for shared ones what it is made of.
#[derive(Clone)]
pub(super) struct Key {
    decoding: DecodingKey,
    /// The secret; `None` for a public key, with which nothing can be signed.
    pub(super) secret: Option<Vec<u8>>,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

/// A claim that must be equal to what a template gives.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) equals: Template,
    /// Such a sender leaves the claim out when there is no body, and only then.
    pub(super) absent_when_body_empty: bool,
}

/// A scheme of this kind.
#[derive(Debug, Clone)]
pub(super) struct Jwt {
    pub(super) location: Location,
    /// Its lower-case name; empty for the body.
    pub(super) header: String,
    pub(super) bearer: bool,
    /// What is asked of a token, of whatever time and audience it is. Its algorithms are of one family.
    pub(super) validation: Validation,
    /// The current one first; never empty.
    pub(super) keys: Vec<Key>,
    pub(super) iss: Option<String>,
    pub(super) leeway_s: u64,
    pub(super) iat_max_age_s: Option<u64>,
    pub(super) require_claims: Vec<String>,
    pub(super) claims: Vec<Claim>,
    pub(super) event_claim: Option<String>,
    pub(super) address: Option<Address>,
}

/// The family of all of `algs`; `None` when there is none or they are of both.
pub(super) fn family(algs: &[Alg]) -> Option<Family> {
    let family = algs.first()?.family();
    algs.iter().all(|alg| alg.family() == family).then_some(family)
}

/// What is asked of a token that is signed by one of `algs`, of which there is one at least. Times are judged by
/// [`Jwt::check_times`], not by the crate's own clock, and nobody here names us as the audience.
pub(super) fn validation(algs: &[Alg]) -> Validation {
    let mut validation = Validation::new(algs[0].algorithm());
    validation.algorithms = algs.iter().map(|alg| alg.algorithm()).collect();
    validation.required_spec_claims.clear();
    (validation.validate_exp, validation.validate_nbf, validation.validate_aud) = (false, false, false);
    validation
}

impl Alg {
    fn family(self) -> Family {
        match self {
            Self::HS256 | Self::HS384 | Self::HS512 => Family::Shared,
            Self::RS256 => Family::Public,
        }
    }

    pub(super) fn algorithm(self) -> Algorithm {
        match self {
            Self::HS256 => Algorithm::HS256,
            Self::HS384 => Algorithm::HS384,
            Self::HS512 => Algorithm::HS512,
            Self::RS256 => Algorithm::RS256,
        }
    }
}

impl Key {
    /// The key in a secret; `None` when that is no public key in PEM where one is needed.
    pub(super) fn read(family: Family, secret: &str) -> Option<Self> {
        match family {
            Family::Shared => {
                let secret = secret.as_bytes().to_vec();
                Some(Self { decoding: DecodingKey::from_secret(&secret), secret: Some(secret) })
            }
            Family::Public => {
                let der = SubjectPublicKeyInfoDer::from_pem_slice(secret.as_bytes()).ok()?;
                Some(Self { decoding: DecodingKey::from_rsa_der(&der), secret: None })
            }
        }
    }
}

impl Jwt {
    /// Gives what the claim of the event says.
    pub(super) fn verify(&self, webhook: &Webhook, now: Timestamp) -> Result<Option<Bytes>, Refusal> {
        let claims = self.claims_of(self.token(webhook)?)?;
        self.check_times(&claims, now)?;
        let issuer = self.iss.as_deref().is_none_or(|iss| claims.get("iss").and_then(Value::as_str) == Some(iss));
        if !issuer || self.require_claims.iter().any(|name| claims.get(name).is_none_or(Value::is_null)) {
            return Err(Refusal::WrongProof);
        }
        self.check_equal(&claims, webhook)?;
        match &self.event_claim {
            None => Ok(None),
            Some(name) => event(claims.get(name)).map(Some).ok_or(Refusal::GarbledProof),
        }
    }

    pub(super) fn token<'w>(&self, webhook: &'w Webhook) -> Result<&'w str, Refusal> {
        let token = match self.location {
            Location::Body => std::str::from_utf8(&webhook.body).map_err(|_| Refusal::GarbledProof)?.trim(),
            Location::Header if self.bearer => token::after_word(once(webhook, &self.header)?, "bearer")?,
            Location::Header => once(webhook, &self.header)?,
        };
        if token.is_empty() { Err(Refusal::NoProof) } else { Ok(token) }
    }

    /// The claims of a token that one of the keys has signed by an algorithm of the list.
    fn claims_of(&self, token: &str) -> Result<Map<String, Value>, Refusal> {
        // Looks at the header first, and takes no algorithm that is not in the list.
        let tried = self.keys.iter().find_map(|key| jsonwebtoken::decode(token, &key.decoding, &self.validation).ok());
        tried.map(|decoded| decoded.claims).ok_or_else(|| match jsonwebtoken::decode_header(token) {
            Ok(_) => Refusal::WrongProof,
            Err(_) => Refusal::GarbledProof,
        })
    }

    /// A token counts between its `nbf` and its `exp`, where it has them, and for so long after its `iat`.
    fn check_times(&self, claims: &Map<String, Value>, now: Timestamp) -> Result<(), Refusal> {
        let (now, leeway) = (now.as_second(), i64::try_from(self.leeway_s).unwrap_or_default());
        let seconds = |name: &str| match claims.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => whole(value).map(Some).ok_or(Refusal::GarbledProof),
        };
        let expired = seconds("exp")?.is_some_and(|exp| now >= exp.saturating_add(leeway));
        let early = seconds("nbf")?.is_some_and(|nbf| now < nbf.saturating_sub(leeway));
        let age = match (self.iat_max_age_s, seconds("iat")?) {
            (None, _) => 0,
            (Some(_), None) => return Err(Refusal::NoProof),
            (Some(_), Some(iat)) => now.abs_diff(iat),
        };
        let old = self.iat_max_age_s.is_some_and(|most| age > most + self.leeway_s);
        if expired || early || old { Err(Refusal::Stale) } else { Ok(()) }
    }

    fn check_equal(&self, claims: &Map<String, Value>, webhook: &Webhook) -> Result<(), Refusal> {
        for claim in &self.claims {
            let said = claims.get(&claim.name);
            if claim.absent_when_body_empty && webhook.as_sent().is_empty() {
                if said.is_some() {
                    return Err(Refusal::WrongProof);
                }
                continue;
            }
            let said = said.and_then(Value::as_str).ok_or(Refusal::WrongProof)?;
            let mut equal = false;
            // The token says which spelling was signed, so it is no secret.
            for url in address::urls(self.address.as_ref(), webhook) {
                let input = Input { webhook, time: None, url: url.as_deref(), secret: &[] };
                equal = claim.equals.bytes(input)? == said.as_bytes();
                if equal {
                    break;
                }
            }
            if !equal {
                return Err(Refusal::WrongProof);
            }
        }
        Ok(())
    }
}

/// Seconds as JWTs write them: a number, perhaps with a fraction.
fn whole(value: &Value) -> Option<i64> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a time beyond 2^53 seconds is nobody's, and cut is still far away"
    )]
    value.as_i64().or_else(|| value.as_f64().map(|seconds| seconds.floor() as i64))
}

fn event(claim: Option<&Value>) -> Option<Bytes> {
    match claim? {
        Value::Null => None,
        Value::String(text) => Some(text.clone().into()),
        other => Some(other.to_string().into()),
    }
}
