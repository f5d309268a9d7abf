//! Bodies into JSON documents: JSON itself, forms with PHP's brackets, tokens, and what is written inside strings.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::document::document;
use super::settings::{Decode, Settings};
use super::value::{Members, Value};
use crate::providers::form::answers::{brackets, is_position};
use crate::providers::form::body::{self, Content, Encoding, Field};
use crate::providers::{Unreadable, charset};

/// How long an entity may be: `&thetasym;` has ten letters.
const MAX_ENTITY: usize = 12;

/// The document in `body`: as text, which is the sender's own where it is JSON, and as it is read, as [`opened`] does.
///
/// # Errors
/// [`Unreadable`] when it is not of its type, and as [`opened`].
pub(super) fn document_in<'b>(
    settings: &Settings,
    content_type: &str,
    body: &'b [u8],
) -> Result<(Cow<'b, str>, Value<'b>), Unreadable> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    let json = |text: Cow<'b, str>| match text {
        Cow::Borrowed(text) => Ok((text.into(), opened(settings, text)?)),
        Cow::Owned(text) => {
            let whole = opened(settings, &text)?.into_owned();
            Ok((text.into(), whole))
        }
    };
    let form = |encoding| {
        let mut whole = form(encoding, content_type, body)?;
        let text = whole.json(body.len()).into();
        open_all(settings, &mut whole);
        Ok((text, whole))
    };
    match (settings.decode, media_type.as_str()) {
        (Decode::Json, _) => json(json_text(content_type, body)),
        (Decode::Jwt, _) => json(claims(body)?.into()),
        (Decode::Auto | Decode::Form, "multipart/form-data") => form(Encoding::Multipart),
        (Decode::Form, _) => form(Encoding::Urlencoded),
        (Decode::Auto, _) if begins_json(body) => json(json_text(content_type, body)),
        (Decode::Auto, _) if is_token(body) => json(claims(body)?.into()),
        (Decode::Auto, "application/x-www-form-urlencoded" | "") => form(Encoding::Urlencoded),
        (Decode::Auto, _) => Err(Unreadable("it is neither an object or list in JSON nor a form".to_owned())),
    }
}

/// True where `media_type` is neither JSON's nor a form's, and `body` is no JSON all the same.
pub(super) fn is_other(media_type: &str, body: &[u8]) -> bool {
    let known = ["multipart/form-data", "application/x-www-form-urlencoded", "application/json", "text/json", ""];
    !known.contains(&media_type) && !media_type.ends_with("+json") && !begins_json(body)
}

fn begins_json(body: &[u8]) -> bool {
    body.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['))
}

/// True for a JSON Web Token: three parts in base64url, of which the first is a JSON object (RFC 7519, section 3.1).
fn is_token(body: &[u8]) -> bool {
    let body = body.trim_ascii();
    let letter = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    body.starts_with(b"eyJ") && body.iter().all(letter) && body.iter().filter(|byte| **byte == b'.').count() == 2
}

fn json_text<'b>(content_type: &str, body: &'b [u8]) -> Cow<'b, str> {
    charset::text(charset::of(content_type, body), body)
}

/// The claims of a token, whose signature `verify` has checked.
fn claims(body: &[u8]) -> Result<String, Unreadable> {
    let unreadable = || Unreadable("it is no JSON Web Token".to_owned());
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    let claims = text.trim().split('.').nth(1).ok_or_else(unreadable)?;
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).map_err(|_| unreadable())?;
    String::from_utf8(claims).map_err(|_| unreadable())
}

fn form(encoding: Encoding, content_type: &str, body: &[u8]) -> Result<Value<'static>, Unreadable> {
    let fields = body::fields(encoding, content_type, body)?;
    let mut root = Members::with_capacity(fields.len());
    for field in fields {
        put(&mut root, field);
    }
    Ok(Value::Object(root))
}

/// Puts a field where its brackets say: `a[b]` into the group `a`, `a[]` and `a[0]` onto the list `a`. Where something
/// else is in the way, it stays under the name as it is written.
fn put(root: &mut Members<'static>, Field(name, content): Field) {
    let value = match content {
        Content::Text(text) => text.into(),
        Content::File { file, media_type, bytes } => json!({ "name": file, "type": media_type, "bytes": bytes }).into(),
    };
    let Some(mut steps) = brackets(&name) else { return root.add(name, value) };
    while steps.last().is_some_and(|step| is_position(step)) {
        steps.pop();
    }
    let base = name.split('[').next().unwrap_or_default();
    let path: Vec<_> = std::iter::once(base).chain(steps).collect();
    let group = path.split_last().and_then(|(last, groups)| Some((group(root, groups)?, *last)));
    match group {
        Some((group, last)) => group.add(last.to_owned(), value),
        None => root.add(name, value),
    }
}

/// The group at `path`, made where it is missing; `None` when something else is there.
fn group<'g>(root: &'g mut Members<'static>, path: &[&str]) -> Option<&'g mut Members<'static>> {
    path.iter().try_fold(root, |group, name| {
        let below = group.or_insert(name, || Value::Object(Members::default()));
        below.as_object_mut()
    })
}

/// The document in `text` as it is read: strings that hold JSON and messages in others opened, entities decoded.
///
/// # Errors
/// [`Unreadable`] when it is no JSON, or has more than 100 000 values.
pub(super) fn opened<'t>(settings: &Settings, text: &'t str) -> Result<Value<'t>, Unreadable> {
    let mut value = document(text.trim_start_matches('\u{feff}'))?;
    open_all(settings, &mut value);
    Ok(value)
}

fn open_all(settings: &Settings, value: &mut Value<'_>) {
    for path in &settings.embedded.0 {
        path.change(value, &mut open);
    }
    settings.wrapped.iter().for_each(|wrapped| wrapped.open(value));
    if settings.entities {
        decode_entities(value);
    }
}

/// Puts the JSON that a string holds in its place. A string that holds none stays a string.
fn open(value: &mut Value<'_>) {
    let Some(inner) = value.as_str().filter(|text| text.trim_start().starts_with(['{', '['])) else { return };
    if let Ok(inner) = document(inner).map(Value::into_owned) {
        *value = inner;
    }
}

fn decode_entities(value: &mut Value<'_>) {
    match value {
        Value::String(text) if text.contains('&') => *text = unescaped(text).into(),
        Value::Array(list) => list.iter_mut().for_each(decode_entities),
        Value::Object(members) => members.iter_mut().for_each(|(_, member)| decode_entities(member)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `text` with the entities of HTML that escaping makes (`&amp; &lt; &gt; &quot; &apos; &nbsp; &#39; &#x27;`) decoded,
/// once: `&amp;lt;` is `&lt;`.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(MAX_ENTITY).position(|byte| byte == b';');
        match end.and_then(|end| Some((entity(&after[..end])?, end))) {
            Some((character, end)) => {
                out.push(character);
                rest = &after[end + 1..];
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let number = name.strip_prefix('#')?;
            let number = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(number).filter(|character| !character.is_control() || matches!(character, '\n' | '\t'))?
        }
    })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    /// The text of the document; read again it is the same.
    fn text(decode: Decode, content_type: &str, body: &Bytes) -> Result<String, Unreadable> {
        let mut settings = Settings::read(toml::toml! { external_ref = { prefix = "x:" } }).unwrap();
        settings.decode = decode;
        let (text, whole) = document_in(&settings, content_type, body)?;
        assert_eq!(opened(&settings, &text).unwrap(), whole);
        Ok(text.into_owned())
    }

    fn form_of(body: &'static str) -> serde_json::Value {
        let text =
            text(Decode::Auto, "application/x-www-form-urlencoded", &Bytes::from_static(body.as_bytes())).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn brackets_make_groups_and_lists() {
        assert_eq!(
            form_of("form[id]=7&fields[nama][value]=Siti&fields[nama][type]=text&minat[]=a&minat[]=b&x=1&x=2&f[0]=z"),
            json!({
                "form": {"id": "7"}, "fields": {"nama": {"value": "Siti", "type": "text"}},
                "minat": ["a", "b"], "x": ["1", "2"], "f": "z",
            })
        );
        assert_eq!(
            form_of("anak[0][nama]=A&anak[1][nama]=B"),
            json!({"anak": {"0": {"nama": "A"}, "1": {"nama": "B"}}})
        );
    }

    #[test]
    fn a_name_whose_place_is_taken_stays_as_it_is_written() {
        assert_eq!(form_of("a=1&a[b]=2&c[d]=3&c=4"), json!({"a": "1", "a[b]": "2", "c": [{"d": "3"}, "4"]}));
        assert_eq!(form_of("No+HP=0812&x]y[=1"), json!({"No HP": "0812", "x]y[": "1"}));
    }

    #[test]
    fn of_a_token_the_claims_are_read() {
        let body = Bytes::from(format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(r#"{"data":"{}"}"#)));
        assert_eq!(text(Decode::Jwt, "text/plain", &body).unwrap(), r#"{"data":"{}"}"#);
        for bad in ["", "a", "a.!.c", "a.gA.c"] {
            assert!(text(Decode::Jwt, "", &Bytes::from_static(bad.as_bytes())).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_content_type_decides_and_json_is_told_by_its_beginning() {
        let read =
            |content_type, body: &'static str| text(Decode::Auto, content_type, &Bytes::from_static(body.as_bytes()));
        assert_eq!(read("text/plain", " {\"a\":1}").unwrap(), " {\"a\":1}");
        assert_eq!(read("application/json", "[1]").unwrap(), "[1]");
        assert_eq!(read("", "a=1").unwrap(), r#"{"a":"1"}"#);
        assert_eq!(read("text/plain", "eyJhIjoxfQ.eyJhIjoxfQ.c2ln\n").unwrap(), r#"{"a":1}"#);
        assert!(read("text/plain", "eyJhIjoxfQ.eyJhIjoxfQ").is_err(), "two parts are no token");
        assert_eq!(read("", "eyJ=1.2.3").unwrap(), r#"{"eyJ":"1.2.3"}"#);
        assert!(read("text/plain", "a=1").is_err());
        assert!(read("application/json", "halo").is_err());
    }

    #[test]
    fn what_is_neither_json_nor_a_form_is_told_by_its_type() {
        for (media_type, body, other) in [
            ("text/xml", "<a/>", true),
            ("application/xml", "<a/>", true),
            ("text/plain", "halo", true),
            ("text/plain", " {\"a\":1}", false),
            ("application/json", "halo", false),
            ("application/vnd.api+json", "halo", false),
            ("application/x-www-form-urlencoded", "a=1", false),
            ("", "a=1", false),
        ] {
            assert_eq!(is_other(media_type, body.as_bytes()), other, "{media_type} {body}");
        }
    }

    #[test]
    fn what_the_content_type_says_of_the_encoding_counts() {
        let read =
            |content_type, body: &'static [u8]| text(Decode::Auto, content_type, &Bytes::from_static(body)).unwrap();
        assert_eq!(read("application/json; charset=iso-8859-1", b"{\"a\":\"\xe9\"}"), r#"{"a":"é"}"#);
        assert_eq!(read("application/json; charset=iso-8859-1", "{\"a\":\"é\"}".as_bytes()), r#"{"a":"é"}"#);
        assert_eq!(read("application/json; charset=utf-8", b"{\"a\":\"\xe9\"}"), "{\"a\":\"\u{fffd}\"}");
        assert_eq!(read("application/json", b"{\"a\":\"\xe9\"}"), r#"{"a":"é"}"#);
        assert_eq!(read("application/x-www-form-urlencoded;charset=latin1", b"a=%E9"), r#"{"a":"é"}"#);
    }

    #[test]
    fn entities_are_decoded_once() {
        for (text, plain) in [
            ("bilang &quot;halo&quot; &#039;ya&#x27;", "bilang \"halo\" 'ya'"),
            ("&amp;lt;", "&lt;"),
            ("a & b &unknown; &#; &#xZ; &#0; &#1114112; &", "a & b &unknown; &#; &#xZ; &#0; &#1114112; &"),
            ("&é;", "&é;"),
        ] {
            assert_eq!(unescaped(text), plain);
        }
    }

    proptest! {
        #[test]
        fn any_text_can_be_unescaped(text in "[&#x0-9a-z;é🙏 ]{0,40}") {
            prop_assert!(unescaped(&text).len() <= text.len());
        }

        #[test]
        fn any_form_makes_a_document(body in "[a-c=&%5BD0-9+]{0,60}|([ab](\\[[a0]?\\]){0,3}=1&){0,8}") {
            let body = Bytes::from(body);
            let text = text(Decode::Form, "", &body).unwrap();
            prop_assert!(serde_json::from_str::<Value>(&text).unwrap().is_object());
        }
    }
}
