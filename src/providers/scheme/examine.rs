//! Why a proof does not hold: what was compared with what, and which one change would have made it hold.

use jiff::Timestamp;
use serde_json::Value;

use super::address::{self, Variant};
use super::base::{Input, Piece};
use super::jwt::Jwt;
use super::mac::{Mac, Unit, digits};
use super::stands::{Keys, Stands};
use super::token::Token;
use super::{Kind, hints};
use crate::providers::{Refusal, Webhook, signature};

/// What stands in a shown base string where the secret is.
const MASK: &[u8] = b"[secret]";

/// What was seen of a webhook's proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Examination {
    /// One for each way to prove, in the order of the configuration.
    pub trials: Vec<Trial>,
}

/// One way to prove, tried. Holds parts of the webhook, and no secret of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// What was tried, such as `hmac sha256 in hex`.
    pub scheme: String,
    /// What came of it.
    pub outcome: Result<(), Refusal>,
    /// What came: signatures as they stand in their header, of tokens only the length.
    pub received: Option<String>,
    /// What is signed, for each spelling of the URL; the secret masked, bytes that are no text escaped.
    pub base: Vec<String>,
    /// What the signature should be, for each spelling of the URL and each secret.
    pub computed: Vec<String>,
    /// What to look at.
    pub hints: Vec<String>,
}

/// Tries every way to prove.
pub(super) fn trials(kind: &Kind, stands: Stands<'_>, webhook: &Webhook, now: Timestamp) -> Vec<Trial> {
    // What a source has is a list even where its owner wrote none: what `verify` says, and a token beside it.
    let all = if let Kind::All(all) = kind { all } else { std::slice::from_ref(kind) };
    all.iter().flat_map(|kind| of(kind, stands, webhook, now)).collect()
}

fn of(kind: &Kind, stands: Stands<'_>, webhook: &Webhook, now: Timestamp) -> Vec<Trial> {
    match kind {
        Kind::Mac(mac) => vec![mac.trial(stands, webhook, now)],
        Kind::Jwt(jwt) => vec![jwt.trial(webhook, now)],
        Kind::Token(token) => vec![token.trial(webhook)],
        Kind::All(kinds) | Kind::Any(kinds) => {
            kinds.iter().flat_map(|kind| of(kind, stands.listed(), webhook, now)).collect()
        }
        Kind::Public => vec![Trial {
            scheme: "none: anybody may send".to_owned(),
            outcome: Ok(()),
            received: None,
            base: Vec::new(),
            computed: Vec::new(),
            hints: Vec::new(),
        }],
    }
}

impl Mac {
    fn trial(&self, stands: Stands<'_>, webhook: &Webhook, now: Timestamp) -> Trial {
        let (keyed, algorithm, encoding): (&str, &str, &str) =
            (self.keyed.into(), self.algorithm.into(), self.encoding.into());
        let outcome = self.verify(webhook, now);
        let time = self.time(webhook).unwrap_or_default();
        let (mut base, mut computed) = (Vec::new(), Vec::new());
        for url in self.urls(webhook) {
            let input = |secret| Input { webhook, time, url: url.as_deref(), secret };
            base.extend(self.base.bytes(input(MASK)).ok().map(|bytes| shown(&bytes)));
            let digests =
                self.keys.iter().filter_map(|key| Some(self.digest(key, &self.base.parts(input(&key.bytes)).ok()?)));
            computed.extend(digests.map(|digest| self.encoding.encode(&digest)));
        }
        let hints = match outcome {
            Ok(()) => Vec::new(),
            Err(refusal) => self.hints(refusal, stands, webhook, now),
        };
        let received = super::once(webhook, &self.signature.header).ok().map(str::to_owned);
        Trial { scheme: format!("{keyed} {algorithm} in {encoding}"), outcome, received, base, computed, hints }
    }

    fn hints(&self, refusal: Refusal, stands: Stands<'_>, webhook: &Webhook, now: Timestamp) -> Vec<String> {
        let mut hints = Vec::new();
        hints.extend(missing(&self.signature.header, webhook));
        let named = self.base.pieces().filter_map(|piece| match piece {
            Piece::Header(name) => Some(name.as_str()),
            _ => None,
        });
        let time = self.time.as_ref().and_then(|time| time.header.as_deref());
        hints.extend(named.chain(time).filter_map(|name| missing(name, webhook)));
        hints.extend(self.time_hint(stands, webhook, now));
        if refusal != Refusal::NoProof {
            hints.extend(hints::of(self, stands, webhook, now));
        }
        hints
    }

    /// Whether the signed time is counted in the other unit, or how far it is from ours.
    fn time_hint(&self, stands: Stands<'_>, webhook: &Webhook, now: Timestamp) -> Option<String> {
        let (settings, signed) = (self.time.as_ref()?, digits(self.time(webhook).ok().flatten()?)?);
        let (ours, other, here, there, unit) = match settings.unit {
            Unit::S => (now.as_second(), now.as_millisecond(), "seconds", "milliseconds", "ms"),
            Unit::Ms => (now.as_millisecond(), now.as_second(), "milliseconds", "seconds", "s"),
        };
        let near = |now: i64, day: u64| now.abs_diff(signed) < 3650 * day;
        let (days, other_days) = match settings.unit {
            Unit::S => (86_400, 86_400_000),
            Unit::Ms => (86_400_000, 86_400),
        };
        if !near(ours, days) && near(other, other_days) {
            let help = stands.write(&Keys::one("timestamp.unit", unit));
            let help = help.unwrap_or_else(|| format!("its sender has to write {here}"));
            return Some(format!("timestamp is in {there}; {help}"));
        }
        let apart = match settings.unit {
            Unit::S => ours.abs_diff(signed),
            Unit::Ms => ours.abs_diff(signed) / 1000,
        };
        (apart > settings.tolerance_s).then(|| {
            format!(
                "it was signed {apart} s from the time it is looked at; say with --at when it came, or mend a clock"
            )
        })
    }
}

impl Jwt {
    fn trial(&self, webhook: &Webhook, now: Timestamp) -> Trial {
        let outcome = self.verify(webhook, now).map(|_| ());
        let said = self.token(webhook).ok().and_then(unproved);
        let mut hints = Vec::new();
        hints.extend(Some(&self.header).filter(|name| !name.is_empty()).and_then(|name| missing(name, webhook)));
        let (mut received, mut base, mut computed) = (None, Vec::new(), Vec::new());
        if let Some((alg, claims)) = said {
            if !self.validation.algorithms.iter().any(|known| format!("{known:?}") == alg) {
                hints.push(format!("it is signed by {alg}, which is not in `algs`"));
            }
            hints.extend(self.claim_hints(&claims, now));
            let names: Vec<_> = claims.keys().map(String::as_str).collect();
            received = Some(format!("alg {alg}, claims {}", names.join(" ")));
            for claim in &self.claims {
                base.extend(
                    claims.get(&claim.name).and_then(Value::as_str).map(|said| format!("{} = {said}", claim.name)),
                );
            }
        }
        for url in address::urls(self.address.as_ref(), webhook) {
            let input = Input { webhook, time: None, url: url.as_deref(), secret: &[] };
            let values = self.claims.iter().filter_map(|claim| Some((&claim.name, claim.equals.bytes(input).ok()?)));
            computed.extend(values.map(|(name, value)| format!("{name} = {}", shown(&value))));
        }
        if outcome == Err(Refusal::WrongProof) && hints.is_empty() {
            hints.push("another secret signed it, or a claim differs: compare the two lists above".to_owned());
        }
        Trial { scheme: "jwt".to_owned(), outcome, received, base, computed, hints }
    }

    fn claim_hints(&self, claims: &serde_json::Map<String, Value>, now: Timestamp) -> Vec<String> {
        let mut hints = Vec::new();
        let seconds = |name: &str| claims.get(name).and_then(Value::as_i64);
        if let Some(exp) = seconds("exp").filter(|exp| *exp <= now.as_second()) {
            hints.push(format!(
                "it expired {} s before the time it is looked at; say with --at when it came",
                now.as_second() - exp
            ));
        }
        let age = seconds("iat").map(|iat| now.as_second().abs_diff(iat));
        if let (Some(most), Some(age)) = (self.iat_max_age_s, age.filter(|age| Some(*age) > self.iat_max_age_s)) {
            hints.push(format!("it was made {age} s from the time it is looked at, and {most} s are allowed"));
        }
        let absent = self.require_claims.iter().filter(|name| !claims.contains_key(*name));
        hints.extend(absent.map(|name| format!("it has no claim `{name}`")));
        let iss = claims.get("iss").and_then(Value::as_str);
        if let Some(wanted) = self.iss.as_deref().filter(|wanted| iss != Some(wanted)) {
            hints.push(format!("its `iss` is {}, not {wanted}", iss.unwrap_or("missing")));
        }
        hints
    }
}

impl Token {
    fn trial(&self, webhook: &Webhook) -> Trial {
        let outcome = self.verify(webhook);
        let given = self.given(webhook);
        let mut hints = Vec::new();
        if outcome.is_err() {
            if given.as_deref().is_ok_and(|given| signature::any_equal(&self.secrets, given.trim())) {
                hints.push("matches without the spaces around it".to_owned());
            }
            hints.extend(self.elsewhere(webhook));
        }
        Trial {
            scheme: "token".to_owned(),
            outcome,
            received: given.ok().map(|given| format!("{} characters", given.chars().count())),
            base: Vec::new(),
            computed: Vec::new(),
            hints,
        }
    }

    /// Where the token stands, if not where it should.
    fn elsewhere(&self, webhook: &Webhook) -> Vec<String> {
        let ours = |text: &str| signature::any_equal(&self.secrets, text.trim());
        let headers = webhook.headers.iter().filter(|(_, value)| ours(value.trim_start_matches("Bearer ")));
        let headers = headers.map(|(name, _)| format!("the token stands in the header `{name}`"));
        let parameters = form_urlencoded::parse(webhook.query.as_bytes()).filter(|(_, value)| ours(value));
        let parameters = parameters.map(|(name, _)| format!("the token stands in the query as `{name}`"));
        let path = webhook.path_token.as_deref().filter(|token| ours(token));
        let path = path.map(|_| "the token stands in the path".to_owned());
        headers.chain(parameters).chain(path).collect()
    }
}

/// The algorithm and the claims of a token, whoever made it.
fn unproved(token: &str) -> Option<(String, serde_json::Map<String, Value>)> {
    use base64::Engine as _;
    let part = |text: &str| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok();
    let mut parts = token.split('.');
    let header: Value = serde_json::from_slice(&part(parts.next()?)?).ok()?;
    let claims = serde_json::from_slice(&part(parts.next()?)?).ok()?;
    Some((header["alg"].as_str()?.to_owned(), claims))
}

/// Says that a header is not there, and which ones that look like proofs are.
fn missing(name: &str, webhook: &Webhook) -> Option<String> {
    if webhook.headers.values(name).next().is_some() {
        return None;
    }
    let looks = |known: &&str| ["sign", "hmac", "token", "timestamp", "auth"].iter().any(|word| known.contains(word));
    let there: Vec<_> = webhook.headers.iter().map(|(known, _)| known).filter(looks).collect();
    let there = if there.is_empty() {
        "no header looks like a proof".to_owned()
    } else {
        format!("there is {}", there.join(", "))
    };
    Some(format!("the header `{name}` is not there; {there}"))
}

/// Bytes as a person can read them: text as it is, anything else escaped.
fn shown(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| bytes.escape_ascii().to_string(), str::to_owned)
}

impl Variant {
    /// The word of the configuration.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Exact => "exact",
            Self::NoPort => "no_port",
            Self::DefaultPort => "default_port",
            Self::Whatwg => "whatwg",
        }
    }
}
