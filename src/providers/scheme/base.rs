//! Base strings: the bytes that a sender signs, described by a template.
//!
//! `{timestamp}.{body}` is the time, a dot and the body as it came. [`TOKENS`] lists what may stand in braces; `\n` is a
//! line end, `{{` a brace, and every other letter is itself. A template renders to bytes and never to text: bodies are not
//! always UTF-8.

use std::borrow::Cow;
use std::str::FromStr;
use std::vec;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use encoding_rs::UTF_8;
use serde_json::value::RawValue;

use super::{address, once};
use crate::providers::form::body::pairs;
use crate::providers::json;
use crate::providers::{Refusal, Webhook};

/// What may stand in braces.
pub(super) const TOKENS: &str = "body, timestamp, method, url, url_hubspot, path, query:NAME, header:NAME, secret, \
    form_sorted, query_sorted, sha256_raw(body), sha256_hex(body), sha256_hex(url), json:a.b.0.c";

/// A template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    Body,
    Timestamp,
    Method,
    Url,
    UrlHubspot,
    Path,
    /// A query parameter, decoded.
    Query(String),
    /// A header, by its lower-case name.
    Header(String),
    Secret,
    /// The fields of a form, sorted by name and value, doubled pairs once, nothing between them (Twilio).
    FormSorted,
    /// The query with its parameters sorted by name (MessageBird).
    QuerySorted,
    BodySha256,
    BodySha256Hex,
    UrlSha256Hex,
    /// A value in the JSON body: a string decoded, a number in the sender's digits.
    Json(Vec<String>),
}

/// What a template is filled with.
#[derive(Clone, Copy)]
pub(super) struct Input<'a> {
    pub(super) webhook: &'a Webhook,
    /// The signed time in the sender's own letters.
    pub(super) time: Option<&'a str>,
    /// The URL in one of its spellings.
    pub(super) url: Option<&'a str>,
    pub(super) secret: &'a [u8],
}

impl Template {
    /// The bytes, in pieces.
    ///
    /// # Errors
    /// Something that the template names is not there, or is there twice.
    pub(super) fn parts<'a>(&'a self, input: Input<'a>) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
        let mut scalars = self.scalars(input.webhook)?;
        self.0.iter().map(|piece| piece.render(input, &mut scalars)).collect()
    }

    /// What the paths into the body give, in the order of their pieces: read at once, for each reading takes the whole body.
    fn scalars(&self, webhook: &Webhook) -> Result<vec::IntoIter<String>, Refusal> {
        let paths: Vec<_> = self.pieces().filter_map(Piece::json).collect();
        if paths.is_empty() {
            return Ok(Vec::new().into_iter());
        }
        let text = std::str::from_utf8(&webhook.body).map_err(|_| Refusal::GarbledProof)?;
        let scalars = json::at_each(text, &paths).into_iter().map(only_scalar);
        scalars.collect::<Option<Vec<_>>>().map(Vec::into_iter).ok_or(Refusal::NoProof)
    }

    /// What is the same whatever the URL and the secret are; `None` in the place of what is not.
    ///
    /// # Errors
    /// As [`Self::parts`].
    pub(super) fn fixed<'a>(&'a self, input: Input<'a>) -> Result<Vec<Option<Cow<'a, [u8]>>>, Refusal> {
        let mut scalars = self.scalars(input.webhook)?;
        let part =
            |piece: &'a Piece| if piece.varies() { Ok(None) } else { piece.render(input, &mut scalars).map(Some) };
        self.0.iter().map(part).collect()
    }

    /// [`Self::parts`], of which the [fixed](Self::fixed) ones are known.
    ///
    /// # Errors
    /// As [`Self::parts`].
    pub(super) fn filled<'a>(
        &'a self,
        fixed: &'a [Option<Cow<'_, [u8]>>],
        input: Input<'a>,
    ) -> Result<Vec<Cow<'a, [u8]>>, Refusal> {
        let part = |(piece, fixed): (&'a Piece, &'a Option<Cow<'_, [u8]>>)| match fixed {
            Some(fixed) => Ok(Cow::Borrowed(fixed.as_ref())),
            None => piece.render(input, &mut Vec::new().into_iter()),
        };
        self.0.iter().zip(fixed).map(part).collect()
    }

    /// The bytes in one.
    pub(super) fn bytes(&self, input: Input<'_>) -> Result<Vec<u8>, Refusal> {
        self.parts(input).map(|parts| parts.concat())
    }

    /// The pieces, in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.0.iter()
    }

    pub(super) fn has(&self, wanted: &Piece) -> bool {
        self.0.contains(wanted)
    }

    /// True when a change of any byte of the body would change it.
    pub(super) fn covers_body(&self) -> bool {
        let whole = [Piece::Body, Piece::FormSorted, Piece::BodySha256, Piece::BodySha256Hex];
        whole.iter().any(|piece| self.has(piece))
    }

    /// True when something of the body is in it.
    pub(super) fn reads_body(&self) -> bool {
        self.covers_body() || self.pieces().any(|piece| piece.json().is_some())
    }

    pub(super) fn needs_url(&self) -> bool {
        [Piece::Url, Piece::UrlHubspot, Piece::UrlSha256Hex].iter().any(|piece| self.has(piece))
    }
}

impl Piece {
    /// True for what is another with another URL or secret.
    fn varies(&self) -> bool {
        matches!(self, Self::Url | Self::UrlHubspot | Self::UrlSha256Hex | Self::Secret)
    }

    /// The path, of a piece that is a value in the JSON body.
    fn json(&self) -> Option<&[String]> {
        if let Self::Json(path) = self { Some(path) } else { None }
    }

    /// `scalars` are what is at the paths of this piece and those after it.
    fn render<'a>(&'a self, input: Input<'a>, scalars: &mut vec::IntoIter<String>) -> Result<Cow<'a, [u8]>, Refusal> {
        let webhook = input.webhook;
        let url = || input.url.ok_or(Refusal::NoProof);
        Ok(match self {
            Self::Text(text) => Cow::Borrowed(text.as_bytes()),
            Self::Body => Cow::Borrowed(webhook.as_sent()),
            Self::Timestamp => Cow::Borrowed(input.time.ok_or(Refusal::NoProof)?.as_bytes()),
            Self::Method => Cow::Borrowed(webhook.method.as_str().as_bytes()),
            Self::Url => Cow::Borrowed(url()?.as_bytes()),
            Self::UrlHubspot => Cow::Owned(address::hubspot(url()?).into_bytes()),
            Self::Path => Cow::Borrowed(webhook.path.as_bytes()),
            Self::Query(name) => Cow::Owned(query(webhook, name)?.into_bytes()),
            Self::Header(name) => Cow::Borrowed(once(webhook, name)?.as_bytes()),
            Self::Secret => Cow::Borrowed(input.secret),
            Self::FormSorted => Cow::Owned(form_sorted(&webhook.body)),
            Self::QuerySorted => Cow::Owned(query_sorted(&webhook.query).into_bytes()),
            Self::BodySha256 => Cow::Owned(sha256(webhook.as_sent()).as_ref().to_vec()),
            Self::BodySha256Hex => Cow::Owned(hex(sha256(webhook.as_sent()))),
            Self::UrlSha256Hex => Cow::Owned(hex(sha256(url()?.as_bytes()))),
            Self::Json(_) => Cow::Owned(scalars.next().ok_or(Refusal::NoProof)?.into_bytes()),
        })
    }

    fn parse(token: &str) -> Result<Self, String> {
        let named = |name: &str| if name.is_empty() { Err(unknown(token)) } else { Ok(name.to_owned()) };
        Ok(match token.split_once(':') {
            Some(("query", name)) => Self::Query(named(name)?),
            Some(("header", name)) => Self::Header(named(name)?.to_ascii_lowercase()),
            Some(("json", path)) => Self::Json(named(path)?.split('.').map(str::to_owned).collect()),
            Some(_) => return Err(unknown(token)),
            None => match token {
                "body" => Self::Body,
                "timestamp" => Self::Timestamp,
                "method" => Self::Method,
                "url" => Self::Url,
                "url_hubspot" => Self::UrlHubspot,
                "path" => Self::Path,
                "secret" => Self::Secret,
                "form_sorted" => Self::FormSorted,
                "query_sorted" => Self::QuerySorted,
                "sha256_raw(body)" => Self::BodySha256,
                "sha256_hex(body)" => Self::BodySha256Hex,
                "sha256_hex(url)" => Self::UrlSha256Hex,
                _ => return Err(unknown(token)),
            },
        })
    }
}

fn sha256(bytes: &[u8]) -> Digest {
    digest(&SHA256, bytes)
}

fn hex(digest: Digest) -> Vec<u8> {
    let mut hex = vec![0; digest.as_ref().len() * 2];
    hex::encode_to_slice(digest, &mut hex).expect("two letters a byte");
    hex
}

fn unknown(token: &str) -> String {
    format!("there is no `{{{token}}}`; in braces may stand {TOKENS}")
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}', '\\']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            let escape = [("{{", '{'), ("}}", '}'), ("\\n", '\n'), ("\\", '\\'), ("}", '}')];
            if let Some((escape, character)) = escape.iter().find(|(escape, _)| rest.starts_with(escape)) {
                plain.push(*character);
                rest = &rest[escape.len()..];
                continue;
            }
            let (token, after) =
                rest[1..].split_once('}').ok_or_else(|| "a `{` has no `}`; write `{{` for a brace".to_owned())?;
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            pieces.push(Piece::parse(token)?);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            pieces.push(Piece::Text(plain));
        }
        Ok(Self(pieces))
    }
}

/// The one value of a query parameter, decoded.
pub(super) fn query(webhook: &Webhook, name: &str) -> Result<String, Refusal> {
    let mut values = form_urlencoded::parse(webhook.query.as_bytes()).filter(|(key, _)| key == name);
    let first = values.next().ok_or(Refusal::NoProof)?.1.into_owned();
    if values.any(|(_, other)| other != first) { Err(Refusal::GarbledProof) } else { Ok(first) }
}

/// Twilio's: `twilio-node` `validateRequest` sorts the names, takes each value once, and joins without a separator.
fn form_sorted(body: &[u8]) -> Vec<u8> {
    let mut fields: Vec<_> = pairs(body, UTF_8).collect();
    fields.sort_unstable();
    fields.dedup();
    let mut sorted = Vec::with_capacity(body.len());
    for (name, value) in &fields {
        sorted.extend_from_slice(name.as_bytes());
        sorted.extend_from_slice(value.as_bytes());
    }
    sorted
}

fn query_sorted(query: &str) -> String {
    let mut pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).collect();
    pairs.sort_by(|one, other| one.0.cmp(&other.0));
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A string decoded, or a number, yes or no in the sender's letters; `None` when it is none of these, or not the only one.
fn only_scalar(found: Vec<&RawValue>) -> Option<String> {
    let [only] = found[..] else { return None };
    let scalar = !only.get().starts_with(['{', '[', 'n']);
    scalar.then(|| json::string(only).map_or_else(|| only.get().to_owned(), Cow::into_owned))
}

#[cfg(test)]
mod tests {
    use super::super::tests::post;
    use super::*;

    fn rendered(template: &str, webhook: &Webhook) -> Result<String, Refusal> {
        let input = Input { webhook, time: Some("7"), url: Some("https://a.example/x%3F"), secret: b"hush" };
        let bytes = template.parse::<Template>().unwrap().bytes(input)?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn every_token_gives_what_it_names() {
        let sum = hex::encode(sha256(b"{}"));
        let url = hex::encode(sha256(b"https://a.example/x%3F"));
        let mut webhook = post(&[("x-id", "id-1")], "{}");
        webhook.query = "b=2&a=1+1&c".into();
        for (template, expected) in [
            ("{timestamp}.{body}", "7.{}"),
            ("{method} {path}\\n{url}", "POST /hooks/x\nhttps://a.example/x%3F"),
            ("{url_hubspot}", "https://a.example/x?"),
            ("{query:a}|{query:c}|{header:X-ID}", "1 1||id-1"),
            ("{secret}{query_sorted}", "husha=1+1&b=2&c="),
            ("{{body}} \\x }", "{body} \\x }"),
            ("{sha256_hex(body)}", &sum),
            ("{sha256_hex(url)}", &url),
            ("", ""),
        ] {
            assert_eq!(rendered(template, &webhook).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn a_scalar_of_the_body_comes_in_the_senders_letters() {
        let webhook = post(&[], r#"{"a":{"b":[{"c":1.50},{"c":"x\u0041"}]},"n":null,"d":1,"d":2}"#);
        assert_eq!(rendered("{json:a.b.0.c}{json:a.b.1.c}", &webhook).as_deref(), Ok("1.50xA"));
        for missing in ["{json:a}", "{json:n}", "{json:d}", "{json:a.b.2.c}", "{json:x}"] {
            assert!(rendered(missing, &webhook).is_err(), "{missing}");
        }
    }

    #[test]
    fn what_is_not_there_or_there_twice_is_refused() {
        let mut webhook = post(&[("x-id", "1"), ("x-id", "2")], "a=1");
        webhook.query = "a=1&a=2".into();
        assert_eq!(rendered("{header:x-id}", &webhook), Err(Refusal::GarbledProof));
        assert_eq!(rendered("{query:a}", &webhook), Err(Refusal::GarbledProof));
        assert_eq!(rendered("{header:y}", &webhook), Err(Refusal::NoProof));
        assert_eq!(rendered("{query:b}", &webhook), Err(Refusal::NoProof));
    }

    #[test]
    fn forms_are_sorted_with_each_pair_once() {
        let webhook = post(&[], "b=2&a=2&a=1&a=2&c=x%20y");
        assert_eq!(rendered("{form_sorted}", &webhook).as_deref(), Ok("a1a2b2cx y"));
    }

    #[test]
    fn an_unknown_token_is_named_with_those_that_there_are() {
        for (template, says) in
            [("{boddy}", "{boddy}"), ("{header:}", "{header:}"), ("{x:y}", "query:NAME"), ("{body", "has no `}`")]
        {
            let error = template.parse::<Template>().unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
