//! Tokens: a secret that travels with the request and proves who sent it, not what.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

use super::{base, once};
use crate::providers::signature::any_equal;
use crate::providers::{Refusal, Secrets, Webhook, json};

/// What stands in a kept body where the token was.
const REDACTED: &str = r#""[redacted]""#;

/// The same inside of a text.
const PLAIN_REDACTED: &[u8] = b"[redacted]";

/// Where the token stands.
#[derive(Debug, Clone)]
pub(super) enum Location {
    /// In a header of this name.
    Header(String),
    /// `Authorization: Bearer …`.
    Bearer,
    /// `Authorization: Basic …`; the secret is `user:password`.
    Basic,
    /// In a query parameter of this name.
    Query(String),
    /// Behind the source's name in the path.
    Path,
    /// In the JSON body, at this place.
    Json(Vec<String>),
}

/// A scheme of this kind.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) location: Location,
    pub(super) secrets: Secrets,
}

impl Token {
    pub(super) fn is_in_path(&self) -> bool {
        matches!(self.location, Location::Path)
    }

    pub(super) fn is_in_body(&self) -> bool {
        matches!(self.location, Location::Json(_))
    }

    pub(super) fn verify(&self, webhook: &Webhook) -> Result<(), Refusal> {
        let given = self.given(webhook)?;
        if given.is_empty() {
            return Err(Refusal::NoProof);
        }
        if any_equal(&self.secrets, &given) { Ok(()) } else { Err(Refusal::WrongProof) }
    }

    /// The token that came.
    pub(super) fn given(&self, webhook: &Webhook) -> Result<String, Refusal> {
        match &self.location {
            Location::Header(name) => once(webhook, name).map(str::to_owned),
            Location::Bearer => authorization(webhook, "bearer").map(str::to_owned),
            Location::Basic => {
                let pair = STANDARD.decode(authorization(webhook, "basic")?).map_err(|_| Refusal::GarbledProof)?;
                String::from_utf8(pair).map_err(|_| Refusal::GarbledProof)
            }
            Location::Query(name) => base::query(webhook, name),
            Location::Path => {
                let token = webhook.path_token.as_deref().ok_or(Refusal::NoProof)?;
                let decoded = percent_encoding::percent_decode_str(token).decode_utf8();
                decoded.map(String::from).map_err(|_| Refusal::GarbledProof)
            }
            Location::Json(path) => in_body(&webhook.body, path),
        }
    }

    /// `body` without the token, if that stands in it; no other byte changes.
    pub(super) fn redacted(&self, body: Bytes) -> Bytes {
        let Location::Json(path) = &self.location else { return self.without_repeated(body) };
        let Ok(text) = std::str::from_utf8(&body) else { return body };
        let tokens = json::at(text, path);
        if tokens.is_empty() {
            return body;
        }
        // From the last to the first, so that what stands before stays where it was read.
        let clear = |text: String, at: std::ops::Range<usize>| [&text[..at.start], REDACTED, &text[at.end..]].concat();
        let places = tokens.iter().rev().map(|token| {
            let start = token.get().as_ptr() as usize - text.as_ptr() as usize;
            start..start + token.get().len()
        });
        places.fold(text.to_owned(), clear).into()
    }
}

impl Token {
    /// `body` without the token where the sender repeats it, as Jotform does with the URL that it calls.
    fn without_repeated(&self, body: Bytes) -> Bytes {
        self.secrets.iter().fold(body, |body, secret| {
            let mut parts = Vec::new();
            let mut after = 0;
            for at in memchr::memmem::find_iter(&body, secret) {
                parts.extend([&body[after..at], PLAIN_REDACTED]);
                after = at + secret.len();
            }
            if after == 0 { body.clone() } else { [&parts.concat()[..], &body[after..]].concat().into() }
        })
    }
}

/// What follows the word in `Authorization`.
pub(super) fn authorization<'w>(webhook: &'w Webhook, word: &str) -> Result<&'w str, Refusal> {
    after_word(once(webhook, "authorization")?, word)
}

/// What follows `word`, written in any case, in a header.
pub(super) fn after_word<'h>(header: &'h str, word: &str) -> Result<&'h str, Refusal> {
    let (scheme, rest) = header.split_once(' ').ok_or(Refusal::GarbledProof)?;
    if scheme.eq_ignore_ascii_case(word) { Ok(rest.trim()) } else { Err(Refusal::NoProof) }
}

fn in_body(body: &[u8], path: &[String]) -> Result<String, Refusal> {
    let text = std::str::from_utf8(body).map_err(|_| Refusal::GarbledProof)?;
    let mut tokens = json::at(text, path).into_iter();
    match (tokens.next(), tokens.next()) {
        (None, _) => Err(Refusal::NoProof),
        // Which of two counts would depend on who reads.
        (Some(_), Some(_)) => Err(Refusal::GarbledProof),
        (Some(token), None) => json::text(token).ok_or(Refusal::NoProof),
    }
}
