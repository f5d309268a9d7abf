//! A webhook as its sender would prove it, for `send`, `explain`, the demo and tests.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::Kind;
use super::address;
use super::base::{Input, Piece, Template};
use super::jwt::{self, Jwt};
use super::mac::{Mac, Unit};
use super::token::{Location, Token};
use crate::providers::{Method, Place, Sample, Webhook};

/// How long a token of ours counts.
const LIFE_S: i64 = 300;

/// See [`super::Scheme::sign`].
pub(super) fn sample(
    kind: &Kind,
    place: &Place,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
    now: Timestamp,
) -> Sample {
    let mut draft = Webhook {
        source: place.source.clone(),
        received: now,
        request_id: String::new(),
        method: Method::Post,
        path: format!("/hooks/{}", place.source),
        path_token: None,
        query: String::new(),
        headers: headers.into_iter().collect(),
        body: body.into(),
        packed: None,
    };
    // What changes the URL or the body comes before what signs them.
    tokens(kind, &mut draft);
    signatures(kind, &mut draft, now);
    let Webhook { path_token, query, headers, body, .. } = draft;
    Sample { path_token, query, headers: headers.to_pairs(), body: body.to_vec() }
}

fn tokens(kind: &Kind, draft: &mut Webhook) {
    match kind {
        Kind::Token(token) => token.put(draft),
        Kind::All(kinds) => kinds.iter().for_each(|kind| tokens(kind, draft)),
        Kind::Any(kinds) => kinds.iter().take(1).for_each(|kind| tokens(kind, draft)),
        Kind::Mac(_) | Kind::Jwt(_) | Kind::Public => {}
    }
}

fn signatures(kind: &Kind, draft: &mut Webhook, now: Timestamp) {
    match kind {
        Kind::Mac(mac) => mac.sign(draft, now),
        Kind::Jwt(jwt) => jwt.sign(draft, now),
        Kind::All(kinds) => kinds.iter().for_each(|kind| signatures(kind, draft, now)),
        Kind::Any(kinds) => kinds.iter().take(1).for_each(|kind| signatures(kind, draft, now)),
        Kind::Token(_) | Kind::Public => {}
    }
}

impl Token {
    fn put(&self, draft: &mut Webhook) {
        let secret = self.secrets.first();
        match &self.location {
            Location::Header(name) => draft.headers.set(name, secret),
            Location::Bearer => draft.headers.set("authorization", &format!("Bearer {secret}")),
            Location::Basic => draft.headers.set("authorization", &format!("Basic {}", STANDARD.encode(secret))),
            Location::Query(name) => ask(draft, name, secret),
            Location::Path => {
                let token =
                    percent_encoding::utf8_percent_encode(secret, percent_encoding::NON_ALPHANUMERIC).to_string();
                draft.path = format!("/hooks/{}/{token}", draft.source);
                draft.path_token = Some(token);
            }
            Location::Json(path) => {
                if let Ok(mut document) = serde_json::from_slice(&draft.body) {
                    put(&mut document, path, secret);
                    draft.body = document.to_string().into();
                }
            }
        }
    }
}

impl Mac {
    fn sign(&self, draft: &mut Webhook, now: Timestamp) {
        fill(&self.base, draft);
        for pair in &self.equal {
            self.make_equal(pair, draft);
        }
        let time = self.time.as_ref().map(|time| match time.unit {
            Unit::S => now.as_second().to_string(),
            Unit::Ms => now.as_millisecond().to_string(),
        });
        if let (Some(time), Some(header)) = (&time, self.time.as_ref().and_then(|time| time.header.as_deref())) {
            draft.headers.set(header, time);
        }
        let url = self.urls(draft).next().flatten();
        let key = self.keys.first().expect("there is at least one key");
        let input = Input { webhook: draft, time: time.as_deref(), url: url.as_deref(), secret: &key.bytes };
        // A body that is not of this sender's shape stays without a proof.
        let Ok(parts) = self.base.parts(input) else { return };
        let text = format!("{}{}", self.signature.prefix, self.encoding.encode(&self.digest(key, &parts)));
        let value = self.header_value(text, time.as_deref());
        draft.headers.set(&self.signature.header, &value);
    }

    fn header_value(&self, text: String, time: Option<&str>) -> String {
        let Some(field) = &self.signature.field else { return text };
        let entry = |name: &str, value: &str| format!("{name}{}{value}", self.signature.kv_sep);
        let field = entry(field, &text);
        match (time, self.time.as_ref().and_then(|time| time.field.as_deref())) {
            (Some(time), Some(name)) => {
                let separator = self.signature.item_sep.as_deref().unwrap_or(",");
                format!("{}{separator}{field}", entry(name, time))
            }
            _ => field,
        }
    }

    /// Gives the query parameter on one side the value of the other side.
    fn make_equal(&self, [one, other]: &[Template; 2], draft: &mut Webhook) {
        for (side, value) in [(one, other), (other, one)] {
            let mut pieces = side.pieces();
            if let (Some(Piece::Query(name)), None) = (pieces.next(), pieces.next()) {
                let url = self.urls(draft).next().flatten();
                let input = Input { webhook: draft, time: None, url: url.as_deref(), secret: &[] };
                let value = value.bytes(input).ok().and_then(|bytes| String::from_utf8(bytes).ok());
                if let Some(value) = value {
                    ask(draft, name, &value);
                    return;
                }
            }
        }
    }
}

impl Jwt {
    fn sign(&self, draft: &mut Webhook, now: Timestamp) {
        // Nobody but the sender has the private half of a public key.
        let Some(secret) = self.keys.first().and_then(|key| key.secret.as_deref()) else { return };
        let mut claims = Map::new();
        for name in &self.require_claims {
            claims.insert(name.clone(), json!("sample"));
        }
        // Some senders (Netlify) write no time.
        if self.iat_max_age_s.is_some() || !self.require_claims.is_empty() {
            let second = now.as_second();
            claims.extend([("iat".to_owned(), json!(second)), ("nbf".to_owned(), json!(second))]);
            claims.insert("exp".to_owned(), json!(second + LIFE_S));
        }
        claims.extend(self.iss.iter().map(|iss| ("iss".to_owned(), json!(iss))));
        if let (Some(name), Ok(event)) = (&self.event_claim, std::str::from_utf8(&draft.body)) {
            claims.insert(name.clone(), json!(event));
        }
        let url = address::urls(self.address.as_ref(), draft).next().flatten();
        for claim in self.claims.iter().filter(|claim| !(claim.absent_when_body_empty && draft.body.is_empty())) {
            let input = Input { webhook: draft, time: None, url: url.as_deref(), secret: &[] };
            let Ok(value) = claim.equals.bytes(input) else { return };
            claims.insert(claim.name.clone(), json!(String::from_utf8_lossy(&value)));
        }
        let header = Header::new(self.validation.algorithms[0]);
        let Ok(token) = jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret)) else { return };
        match self.location {
            jwt::Location::Body => draft.body = Bytes::from(token),
            jwt::Location::Header if self.bearer => draft.headers.set(&self.header, &format!("Bearer {token}")),
            jwt::Location::Header => draft.headers.set(&self.header, &token),
        }
    }
}

/// Puts in what the base string names and is not there: an id made from the body.
fn fill(base: &Template, draft: &mut Webhook) {
    let id = format!("id_{}", hex::encode(&Sha256::digest(&draft.body)[..12]));
    for piece in base.pieces() {
        match piece {
            Piece::Header(name) if draft.headers.values(name).next().is_none() => draft.headers.set(name, &id),
            Piece::Query(name) if super::base::query(draft, name).is_err() => ask(draft, name, &id),
            _ => {}
        }
    }
}

fn ask(draft: &mut Webhook, name: &str, value: &str) {
    let others = form_urlencoded::parse(draft.query.as_bytes()).filter(|(known, _)| known != name);
    let mut query = form_urlencoded::Serializer::new(String::new());
    let query = query.extend_pairs(others).append_pair(name, value).finish();
    draft.query = query;
}

/// Puts `secret` at `path`, as far as there are objects on the way.
fn put(document: &mut Value, path: &[String], secret: &str) {
    let Some((last, way)) = path.split_last() else { return };
    let object =
        way.iter().try_fold(document, |value, step| Some(value.as_object_mut()?.entry(step).or_insert(json!({}))));
    if let Some(object) = object.and_then(Value::as_object_mut) {
        object.insert(last.clone(), json!(secret));
    }
}
