//! The bodies in which a form may come, read into its fields: urlencoded, multipart, JSON.

use std::borrow::Cow;

use encoding_rs::{Encoding as Charset, UTF_8};
use memchr::{memchr_iter, memchr2};
use percent_encoding::percent_decode;
use serde::{Deserialize, Serialize};

use super::multipart;
use crate::providers::mapped::{self, FieldMap};
use crate::providers::{Unreadable, charset};

/// The most fields that one form may have. PHP, which answers most forms of the world, takes as many
/// (`max_input_vars`).
pub(super) const MAX_FIELDS: usize = 1000;

/// The ways in which a form is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::providers) enum Encoding {
    /// `application/x-www-form-urlencoded`: a plain form, or `URLSearchParams`.
    Urlencoded,
    /// `multipart/form-data`: a form with files, or `FormData`.
    Multipart,
    /// `application/json`: a script or a back-end.
    Json,
    /// JSON sent as `text/plain`: `sendBeacon`, and scripts that avoid the preflight.
    TextJson,
}

impl Encoding {
    /// The encoding that goes under `media_type` (lower case, without parameters).
    pub(in crate::providers) fn of(media_type: &str) -> Option<Self> {
        match media_type {
            "application/x-www-form-urlencoded" => Some(Self::Urlencoded),
            "multipart/form-data" => Some(Self::Multipart),
            "application/json" => Some(Self::Json),
            "text/plain" => Some(Self::TextJson),
            _ => None,
        }
    }
}

/// One field, as the sender named it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::providers) struct Field(pub String, pub Content);

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::providers) enum Content {
    /// Text.
    Text(String),
    /// A file, of which only this is kept.
    File {
        /// Its name on the visitor's device.
        file: String,
        /// Its media type, as the browser says.
        #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
        media_type: Option<String>,
        /// How many bytes it had.
        bytes: u64,
    },
}

impl Field {
    pub(super) fn text(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self(name.into(), Content::Text(text.into()))
    }

    /// The text in it; nothing of files and of blank fields.
    pub(super) fn filled(&self) -> Option<&str> {
        match &self.1 {
            Content::Text(text) => Some(text.trim()).filter(|text| !text.is_empty()),
            Content::File { .. } => None,
        }
    }
}

/// Reads the fields of `body`, which came under `content_type`.
///
/// # Errors
/// [`Unreadable`] when the body is not of its type, or has more than 1000 fields (or far too many values in JSON).
pub(in crate::providers) fn fields(
    encoding: Encoding,
    content_type: &str,
    body: &[u8],
) -> Result<Vec<Field>, Unreadable> {
    match encoding {
        Encoding::Urlencoded => urlencoded(pairs(body, charset_of(content_type, body))),
        Encoding::Multipart => multipart::fields(content_type, body),
        Encoding::Json | Encoding::TextJson => json(&charset::text(charset::of(content_type, body), body)),
    }
}

/// The encoding of an urlencoded `body`. One that is ASCII, as it stands and behind its percent signs, is not read for it.
fn charset_of(content_type: &str, body: &[u8]) -> &'static Charset {
    let is_high =
        |at: usize| body.get(at + 1).is_some_and(|digit| matches!(digit, b'8' | b'9' | b'a'..=b'f' | b'A'..=b'F'));
    let is_ascii = || body.is_ascii() && !memchr_iter(b'%', body).any(is_high);
    match charset::of_form(content_type) {
        Some(named) => named,
        None if is_ascii() => UTF_8,
        None => charset::guessed([&*Cow::from(percent_decode(body))]),
    }
}

/// A `_charset_` that names another encoding than UTF-8 has no effect; browsers send it for pages that are not UTF-8,
/// which are no longer made.
fn urlencoded<'b>(pairs: impl Iterator<Item = (Cow<'b, str>, Cow<'b, str>)>) -> Result<Vec<Field>, Unreadable> {
    let fields = pairs.map(|(name, value)| Field::text(name, value)).filter(|Field(name, _)| !name.is_empty());
    let fields: Vec<_> = fields.take(MAX_FIELDS + 1).collect();
    if fields.len() > MAX_FIELDS { Err(too_many()) } else { Ok(fields) }
}

/// The pairs of a body (WHATWG URL, "application/x-www-form-urlencoded parsing"). Percent signs stand for bytes of its encoding,
/// which `form_urlencoded` takes for UTF-8 always.
pub(in crate::providers) fn pairs<'b>(
    body: &'b [u8],
    charset: &'static Charset,
) -> impl Iterator<Item = (Cow<'b, str>, Cow<'b, str>)> {
    let pairs = body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs.map(move |pair| {
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let mut half = || decoded(halves.next().unwrap_or_default(), charset);
        (half(), half())
    })
}

/// One half of a pair.
fn decoded<'b>(half: &'b [u8], charset: &'static Charset) -> Cow<'b, str> {
    if memchr2(b'+', b'%', half).is_none() {
        return charset::text(charset, half);
    }
    // It never gets longer.
    let mut bytes = Vec::with_capacity(half.len());
    for (place, word) in half.split(|byte| *byte == b'+').enumerate() {
        bytes.extend((place > 0).then_some(b' '));
        bytes.extend(percent_decode(word));
    }
    charset::text(charset, &bytes).into_owned().into()
}

fn json(text: &str) -> Result<Vec<Field>, Unreadable> {
    let document = mapped::document(text.trim_start_matches('\u{feff}'))?;
    if !document.is_object() {
        return Err(Unreadable("its JSON is not an object".to_owned()));
    }
    let leaves = mapped::leaves(&document, &FieldMap::default())?;
    Ok(leaves.into_iter().map(|leaf| Field::text(leaf.key, leaf.value)).collect())
}

pub(super) fn too_many() -> Unreadable {
    Unreadable(format!("it has more than {MAX_FIELDS} fields"))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;

    fn read(media_type: &str, content_type: &str, body: impl Into<Bytes>) -> Result<Vec<Field>, Unreadable> {
        fields(Encoding::of(media_type).unwrap(), content_type, &body.into())
    }

    fn urlencoded(body: &'static str) -> Vec<Field> {
        read("application/x-www-form-urlencoded", "", body).unwrap()
    }

    fn multipart(body: impl Into<Bytes>) -> Result<Vec<Field>, Unreadable> {
        read("multipart/form-data", "multipart/form-data; boundary=b1", body)
    }

    #[test]
    fn urlencoded_pairs_come_out_in_order_with_plus_as_space() {
        let expected = [("nama", "Siti Aminah"), ("minat[]", "Rumah"), ("minat[]", "Ruko"), ("pesan", "a\r\nb 🙏+")];
        let body = "nama=Siti+Aminah&minat%5B%5D=Rumah&minat%5B%5D=Ruko&&=x&pesan=a%0D%0Ab+%F0%9F%99%8F%2B";
        assert_eq!(urlencoded(body), expected.map(|(name, text)| Field::text(name, text)));
    }

    #[test]
    fn odd_bytes_are_replaced_and_do_not_lose_the_form() {
        let declared = |kind: &str| format!("{kind}; charset=utf-8; boundary=b1");
        for (media_type, body) in [
            ("application/x-www-form-urlencoded", &b"a=%E9&x=%zz%"[..]),
            (
                "multipart/form-data",
                b"--b1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\xe9\r\n\
                  --b1\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n%zz%\r\n--b1--",
            ),
            ("application/json", b"\xef\xbb\xbf{\"a\":\"\xe9\",\"x\":\"%zz%\"}"),
        ] {
            let fields = read(media_type, &declared(media_type), Bytes::from_static(body)).unwrap();
            assert_eq!(fields, [Field::text("a", "\u{fffd}"), Field::text("x", "%zz%")], "{media_type}");
        }
        let cut_off = urlencoded("nama=Ren%C3%A9e&pesan=caf%C3");
        assert_eq!(cut_off, [Field::text("nama", "Ren\u{e9}e"), Field::text("pesan", "caf\u{fffd}")]);
    }

    #[test]
    fn a_form_that_names_no_encoding_and_is_not_utf_8_is_windows_1252() {
        for (media_type, body) in [
            ("application/x-www-form-urlencoded", &b"nama=Ren%E9e+%80&k%F6ta=S\xe3o"[..]),
            (
                "multipart/form-data",
                b"--b1\r\nContent-Disposition: form-data; name=\"nama\"\r\n\r\nRen\xe9e \x80\r\n\
                  --b1\r\nContent-Disposition: form-data; name=\"k\xc3\xb6ta\"\r\nContent-Type: text/plain\r\n\r\n\
                  S\xe3o\r\n--b1--",
            ),
            ("application/json", b"{\"nama\":\"Ren\xe9e \x80\",\"k\xf6ta\":\"S\xe3o\"}"),
        ] {
            let fields = read(media_type, &format!("{media_type}; boundary=b1"), Bytes::from_static(body)).unwrap();
            assert_eq!(
                fields,
                [Field::text("nama", "Ren\u{e9}e \u{20ac}"), Field::text("k\u{f6}ta", "S\u{e3}o")],
                "{media_type}"
            );
        }
    }

    #[test]
    fn a_body_in_another_encoding_is_read_by_what_its_type_says() {
        let latin = |kind: &str| format!("{kind}; charset=ISO-8859-1");
        for (media_type, body) in [
            ("application/x-www-form-urlencoded", &b"nama=Ren%E9e+Andr\xe9&&kota=S%c3%a3o=a"[..]),
            ("application/json", b"{\"nama\":\"Ren\xe9e Andr\xe9\",\"kota\":\"S\\u00e3o=a\"}"),
            (
                "multipart/form-data",
                b"--b1\r\nContent-Disposition: form-data; name=\"nama\"\r\n\r\nRen\xe9e Andr\xe9\r\n--b1\r\n\
                  Content-Disposition: form-data; name=\"kota\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
                  S\xc3\xa3o=a\r\n--b1--",
            ),
        ] {
            let content_type = latin(media_type) + "; boundary=b1";
            let fields = read(media_type, &content_type, Bytes::from_static(body)).unwrap();
            assert_eq!(fields, [Field::text("nama", "Renée André"), Field::text("kota", "São=a")], "{media_type}");
        }
        let many = "a=1&".repeat(MAX_FIELDS + 1);
        assert!(read("application/x-www-form-urlencoded", "a; charset=latin1", many).is_err());
    }

    #[test]
    fn of_a_file_only_name_type_and_size_are_kept() {
        let body = "--b1\r\nContent-Disposition: form-data; name=\"nama\"\r\n\r\nSiti\r\n\
             --b1\r\nContent-Disposition: form-data; name=\"ktp\"; filename=\"a%22b%0D%0A.jpg\"\r\n\
             Content-Type: image/jpeg\r\n\r\n\u{1}\u{2}\r\n--b1x\r\n\
             --b1\r\nContent-Disposition: form-data; name=\"kosong\"; filename=\"\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n\r\n\
             --b1\r\nContent-Disposition: form-data\r\n\r\nnameless\r\n--b1--\r\n";
        // `\r\n--b1x` inside the file begins like the boundary, and RFC 2046 counts it as one, so no browser makes it.
        assert!(multipart(body).is_err());
        let fields = multipart(body.replace("\r\n--b1x", "!!")).unwrap();
        let file = Content::File { file: "a\"b\r\n.jpg".into(), media_type: Some("image/jpeg".into()), bytes: 4 };
        assert_eq!(fields, [Field::text("nama", "Siti"), Field("ktp".into(), file)]);
    }

    #[test]
    fn json_is_flattened_with_dots_and_lists_are_joined() {
        let body = r#"{"nama":"Putri","setuju":true,"minat":["Rumah","Ruko"],"alamat":{"kota":"Bogor"},"no":628123}"#;
        let fields = read("application/json", "", body).unwrap();
        let expected =
            [("nama", "Putri"), ("setuju", "Ya"), ("minat", "Rumah, Ruko"), ("alamat.kota", "Bogor"), ("no", "628123")];
        assert_eq!(fields, expected.map(|(name, text)| Field::text(name, text)));
    }

    #[test]
    fn json_that_is_no_object_is_unreadable() {
        for body in ["", "[]", "[{\"a\":1}]", "1", "{", "{\"a\":1} x", "nama=Siti"] {
            assert!(read("application/json", "", body).is_err(), "{body}");
        }
    }

    #[test]
    fn a_thousand_fields_are_read_and_more_are_not() {
        let of = |count| "a=b&".repeat(count);
        assert_eq!(read("application/x-www-form-urlencoded", "", of(1000)).unwrap().len(), 1000);
        assert!(read("application/x-www-form-urlencoded", "", of(10_000)).is_err());
        let part = "--b1\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n";
        assert_eq!(multipart(part.repeat(1000) + "--b1--").unwrap().len(), 1000);
        assert!(multipart(part.repeat(10_000) + "--b1--").is_err());
        let json: Vec<_> = (0..10_000).map(|n| format!("\"{n}\":1")).collect();
        assert!(read("application/json", "", format!("{{{}}}", json.join(","))).is_err());
    }

    #[test]
    fn deep_json_is_refused_before_it_is_walked() {
        let body = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
        assert!(read("application/json", "", body).is_err());
    }

    #[test]
    fn a_broken_multipart_body_is_unreadable() {
        let head = "--b1\r\nContent-Disposition: form-data; name=\"a\"\r\n";
        for body in [
            String::new(),
            "--b1".into(),
            "--b2--".into(),
            head.to_owned(),
            format!("{head}\r\nno end"),
            format!("{head}\r\nno end\r\n--b"),
            format!("--b1\r\nX: {}\r\n\r\nv", "y".repeat(1_000_000)),
            format!("--b1\r\n{}\r\nv\r\n--b1--", "X: y\r\n".repeat(10_000)),
        ] {
            assert!(multipart(body).is_err());
        }
        let no_boundary = read("multipart/form-data", "multipart/form-data", "--b1--");
        assert_eq!(no_boundary, Err(Unreadable("its content type has no multipart boundary".into())));
    }

    #[test]
    fn what_is_written_to_the_store_is_read_back() {
        let file = Content::File { file: "a.jpg".into(), media_type: None, bytes: 7 };
        let fields = vec![Field::text("a", "b"), Field("c".into(), file)];
        let json = serde_json::to_string(&fields).unwrap();
        assert_eq!(json, r#"[["a","b"],["c",{"file":"a.jpg","bytes":7}]]"#);
        assert_eq!(serde_json::from_str::<Vec<Field>>(&json).unwrap(), fields);
    }

    const CONTENT_TYPES: [&str; 3] = ["application/x-www-form-urlencoded", "multipart/form-data", "application/json"];

    proptest! {
        // Twilio signs them as its own reader gives them.
        #[test]
        fn pairs_in_utf_8_are_those_of_the_url_standard(
            body in proptest::collection::vec(proptest::sample::select(&b"a&=+%%24cC39A\xc3\xff"[..]), 0..40)
        ) {
            let ours: Vec<_> = pairs(&body, UTF_8).collect();
            prop_assert_eq!(ours, form_urlencoded::parse(&body).collect::<Vec<_>>());
        }

        #[test]
        fn any_body_is_read_or_refused(kind in 0..3_usize, body in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = read(CONTENT_TYPES[kind], "multipart/form-data; boundary=b1", body);
        }

        #[test]
        fn anything_between_boundaries_is_read_or_refused(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just("--b1"), Just("\r\n"), Just("--"), Just("Content-Disposition: form-data; name=\"a\""),
                    Just("; filename=\"x"), Just("\""), Just("\\"), Just(": "), Just(" "), Just("\0ä"),
                ],
                0..24,
            ),
            content_type in "multipart/form-data; boundary=(b1|\"\"|\"b1|;)",
        ) {
            let _ = read("multipart/form-data", &content_type, pieces.concat());
            let _ = multipart(pieces.concat());
        }
    }
}
