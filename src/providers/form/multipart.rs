//! `multipart/form-data` (RFC 7578) read into its fields.
//!
//! The body is all there, so it is cut where it lies: `multer`, which reads what is still coming, took a third of all that
//! is done with a form. A test compares the two.

use encoding_rs::Encoding;
use httparse::{EMPTY_HEADER, Header, Status};
use memchr::{memchr, memchr_iter, memmem};
use mime::Mime;

use super::body::{Content, Field, MAX_FIELDS, too_many};
use super::files;
use crate::providers::{Unreadable, charset};

/// The most headers that one part may have; browsers write two.
const MAX_HEADERS: usize = 32;

/// What stands around a quoted text.
const QUOTE: u8 = b'"';

/// The fields of `body`, which came under `content_type`; without parts that have no name, and file inputs that were left
/// empty.
///
/// # Errors
/// [`Unreadable`]: it has no boundary or no end, is broken, or has more than 1000 parts. What it says is not in the error.
pub(super) fn fields(content_type: &str, body: &[u8]) -> Result<Vec<Field>, Unreadable> {
    let boundary =
        boundary(content_type).ok_or_else(|| Unreadable("its content type has no multipart boundary".to_owned()))?;
    let delimiter = format!("\r\n--{boundary}");
    let (mut parts, mut count) = (Vec::new(), 0);
    for part in Parts::of(&delimiter, body) {
        let part = part?;
        count += 1;
        if count > MAX_FIELDS {
            return Err(too_many());
        }
        parts.extend(part);
    }
    let undeclared = parts.iter().filter_map(|part| part.held.undeclared());
    let charset = charset::of_form(content_type).unwrap_or_else(|| charset::guessed(undeclared));
    Ok(parts.into_iter().map(|part| part.field(charset)).collect())
}

/// What stands between the parts of a body that comes under `content_type`.
pub(super) fn boundary(content_type: &str) -> Option<String> {
    let whole: Mime = content_type.parse().ok()?;
    let is_form = whole.type_() == mime::MULTIPART && whole.subtype() == mime::FORM_DATA;
    whole.get_param(mime::BOUNDARY).filter(|_| is_form).map(|boundary| boundary.as_str().to_owned())
}

/// The parameters of a header (`form-data; name="a"; filename=b`): names, and values as they stand there, empty where there
/// is none.
pub(super) fn parameters(header: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let (mut quoted, mut escaped) = (false, false);
    let parameters = header.split(move |byte| {
        let ends = *byte == b';' && !quoted;
        quoted ^= *byte == QUOTE && !escaped;
        escaped = quoted && *byte == b'\\' && !escaped;
        ends
    });
    parameters.map(|parameter| {
        let (name, value) = parameter.split_at(memchr(b'=', parameter).unwrap_or(parameter.len()));
        // Some forget the semicolon.
        let name = name.trim_ascii().rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
        (name, value.get(1..).unwrap_or_default().trim_ascii())
    })
}

/// The parts of a body, one after the other, `None` for those that are no fields; an error for what is no part, and then
/// nothing.
struct Parts<'b> {
    /// The line end, `--` and the boundary, which stand behind every part.
    delimiter: memmem::Finder<'b>,
    /// What stands behind the boundary before a part, or before the end.
    rest: Option<&'b [u8]>,
}

impl<'b> Parts<'b> {
    fn of(delimiter: &'b str, body: &'b [u8]) -> Self {
        // The first boundary needs no line end before it.
        let first = &delimiter.as_bytes()[2..];
        let rest = memmem::find(body, first).map_or(&[][..], |at| &body[at + first.len()..]);
        Self { delimiter: memmem::Finder::new(delimiter), rest: Some(rest) }
    }

    /// Takes the part that `text` begins with, and gives what stands behind the boundary that follows it.
    fn part(&self, text: &'b [u8]) -> Option<(Option<Part<'b>>, &'b [u8])> {
        let padding = text.iter().take_while(|byte| matches!(**byte, b' ' | b'\t')).count();
        let text = text[padding..].strip_prefix(b"\r\n")?;
        let head = if text.starts_with(b"\r\n") { 2 } else { memmem::find(text, b"\r\n\r\n")? + 4 };
        let (head, text) = text.split_at(head);
        let end = self.delimiter.find(text)?;
        let mut headers = [EMPTY_HEADER; MAX_HEADERS];
        let Ok(Status::Complete((_, headers))) = httparse::parse_headers(head, &mut headers) else { return None };
        Some((Part::of(headers, &text[..end]), &text[end + self.delimiter.needle().len()..]))
    }
}

impl<'b> Iterator for Parts<'b> {
    type Item = Result<Option<Part<'b>>, Unreadable>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take().filter(|rest| !rest.starts_with(b"--"))?;
        let Some((part, rest)) = self.part(rest) else {
            return Some(Err(Unreadable("its multipart body is broken or ends too early".to_owned())));
        };
        self.rest = Some(rest);
        Some(Ok(part))
    }
}

/// A part with a name.
struct Part<'b> {
    name: String,
    held: Held<'b>,
}

/// What a part holds.
enum Held<'b> {
    /// Bytes that are text, in the encoding that the part names.
    Text(&'b [u8], Option<&'static Encoding>),
    /// A file.
    File(Content),
}

impl<'b> Held<'b> {
    /// The bytes of a text that names no encoding.
    fn undeclared(&self) -> Option<&'b [u8]> {
        match self {
            Self::Text(bytes, None) => Some(bytes),
            Self::Text(_, Some(_)) | Self::File(_) => None,
        }
    }
}

impl<'b> Part<'b> {
    /// `None` for a part without a name, and for a file input that was left empty.
    fn of(headers: &[Header<'_>], text: &'b [u8]) -> Option<Self> {
        let header = |name: &str| headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
        let disposition = header("content-disposition")?.value;
        let [mut name, mut file, mut starred] = [None; 3];
        for (known, value) in parameters(disposition) {
            let place = match known.len() {
                4 if known.eq_ignore_ascii_case(b"name") => &mut name,
                8 if known.eq_ignore_ascii_case(b"filename") => &mut file,
                9 if known.eq_ignore_ascii_case(b"filename*") => &mut starred,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        let name = unquoted(name?).filter(|name| !name.is_empty())?;
        let file = file.or(starred).and_then(unquoted);
        let kind = header("content-type").and_then(|kind| std::str::from_utf8(kind.value).ok());
        // The size says that a file was here, and how large it was.
        let size = header(files::SIZE).and_then(|size| std::str::from_utf8(size.value).ok()?.parse::<u64>().ok());
        let held = match (file, size) {
            (None, None) => Held::Text(text, kind.and_then(charset::named)),
            (file, size) => {
                let (file, bytes) = (file.unwrap_or_default(), size.unwrap_or(text.len() as u64));
                if file.is_empty() && bytes == 0 {
                    return None;
                }
                let media_type =
                    kind.and_then(|kind| kind.parse::<Mime>().ok()).map(|kind| kind.essence_str().to_owned());
                Held::File(Content::File { file, media_type, bytes })
            }
        };
        Some(Self { name, held })
    }

    /// The field, in a body of `charset`.
    fn field(self, charset: &'static Encoding) -> Field {
        match self.held {
            Held::Text(bytes, own) => Field::text(self.name, charset::text(own.unwrap_or(charset), bytes)),
            Held::File(file) => Field(self.name, file),
        }
    }
}

/// The text of a parameter, in quotes or without; `None` where quotes do not end.
fn unquoted(value: &[u8]) -> Option<String> {
    let Some(inside) = value.strip_prefix(&[QUOTE]) else {
        let word = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        return Some(unescaped(&String::from_utf8_lossy(word)));
    };
    let is_end = |at: &usize| *at == 0 || inside[at - 1] != b'\\';
    let end = memchr_iter(QUOTE, inside).find(is_end)?;
    let text = String::from_utf8_lossy(&inside[..end]);
    Some(if text.contains('\\') { unescaped(&text.replace("\\\"", "\"")) } else { unescaped(&text) })
}

/// Undoes what browsers do to `"`, CR and LF in the names of a multipart body (HTML standard, "multipart/form-data
/// encoding algorithm"). Other percent signs are not escaped by them, so they stay.
fn unescaped(name: &str) -> String {
    if !name.contains('%') {
        return name.to_owned();
    }
    name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use futures_util::{FutureExt, future, stream};
    use proptest::prelude::*;

    use super::*;

    const TYPE: &str = "multipart/form-data; boundary=b1";

    fn texts(body: &str) -> Vec<(String, String)> {
        let text = |Field(name, content)| match content {
            Content::Text(text) => (name, text),
            Content::File { file, .. } => (name, format!("file {file}")),
        };
        fields(TYPE, body.as_bytes()).unwrap().into_iter().map(text).collect()
    }

    #[test]
    fn names_are_read_however_they_are_written() {
        for (disposition, name) in [
            (r#"form-data; name="a""#, "a"),
            (r#"form-data; NAME = "a b" "#, "a b"),
            ("form-data; name=a; x=y", "a"),
            (r#"form-data name="a""#, "a"),
            (r#"form-data; name="a;b=\"c\"%22""#, "a;b=\"c\"\""),
            (r#"form-data; filename="name"; name="a""#, "a file name"),
            (r#"form-data; name="a"; filename*=UTF-8''b"#, "a file UTF-8''b"),
            (r#"form-data; name="a"; name="b""#, "a"),
        ] {
            let read = texts(&format!("--b1\r\nContent-Disposition: {disposition}\r\n\r\n1\r\n--b1--"));
            let (known, said) = read.first().unwrap_or_else(|| panic!("{disposition}"));
            assert_eq!(format!("{known} {said}").trim_end_matches(" 1"), name, "{disposition}");
        }
        for none in [r#"form-data; name="a"#, "form-data; name=", "form-data", "form-data; filename=name"] {
            assert!(texts(&format!("--b1\r\nContent-Disposition: {none}\r\n\r\n1\r\n--b1--")).is_empty(), "{none}");
        }
    }

    #[test]
    fn what_stands_around_the_parts_is_not_read() {
        let part = "Content-Disposition: form-data; name=\"a\"\r\n\r\n1";
        assert_eq!(texts(&format!("halo\r\n--b1 \t\r\n{part}\r\n--b1--halo")), [("a".into(), "1".into())]);
        assert_eq!(texts(&format!("--b1\r\n\r\nnameless\r\n--b1\r\n{part}\r\n--b1--")), [("a".into(), "1".into())]);
        assert_eq!(texts("--b1--"), []);
    }

    /// What a reader of streams makes of it, which is known the world over.
    fn multer(body: &[u8]) -> Vec<(Option<String>, Option<String>, Vec<u8>)> {
        let whole = stream::once(future::ready(Ok::<_, Infallible>(body.to_vec())));
        let mut multipart = multer::Multipart::new(whole, "b1");
        let read = async {
            let mut parts = Vec::new();
            while let Some(part) = multipart.next_field().await.unwrap() {
                let (name, file) = (part.name().map(unescaped), part.file_name().map(unescaped));
                parts.push((name, file, part.bytes().await.unwrap().to_vec()));
            }
            parts
        };
        read.now_or_never().unwrap()
    }

    proptest! {
        #[test]
        fn what_browsers_write_is_read_as_others_read_it(
            parts in proptest::collection::vec(
                (r#"[a-c;= %"]{1,6}"#, proptest::option::of(r#"[a-c;= ."]{0,6}"#), r"([a-c=;-]|\r|\n|\r\n|--b|\r\n--b){0,12}"),
                0..6,
            ),
        ) {
            let quoted = |text: &str| text.replace('"', "\\\"");
            let mut body = String::new();
            for (name, file, text) in &parts {
                let file = file.iter().map(|file| format!("; filename=\"{}\"", quoted(file))).collect::<String>();
                let head = format!("Content-Disposition: form-data; name=\"{}\"{file}", quoted(name));
                body += &format!("--b1\r\n{head}\r\n\r\n{}\r\n", text.replace("b1", "b"));
            }
            body += "--b1--\r\n";
            let theirs = multer(body.as_bytes()).into_iter().filter_map(|(name, file, bytes)| {
                let name = name.filter(|name| !name.is_empty())?;
                match file {
                    None => Some(Field::text(name, String::from_utf8(bytes).unwrap())),
                    Some(file) if file.is_empty() && bytes.is_empty() => None,
                    Some(file) => Some(Field(name, Content::File { file, media_type: None, bytes: bytes.len() as u64 })),
                }
            });
            prop_assert_eq!(fields(TYPE, body.as_bytes()).unwrap(), theirs.collect::<Vec<_>>());
        }
    }
}
