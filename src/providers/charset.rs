//! The characters of a body: UTF-8, unless its content type names another encoding and the bytes are not UTF-8.
//!
//! Old pages and back-ends still send what they call ISO-8859-1 (which on the web is Windows-1252, by the WHATWG's Encoding
//! standard). Others declare it and send UTF-8 all the same; bytes that are UTF-8 are hardly ever anything else, so they are
//! read as it. What fits neither is U+FFFD: an odd character is better than a lost lead.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8};

use super::Unreadable;

/// The encoding that a content type names; UTF-8 where it names none that is known.
pub(super) fn of(content_type: &str) -> &'static Encoding {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let label = named.next().map(|(_, value)| value.trim().trim_matches('"'));
    label.and_then(|label| Encoding::for_label_no_replacement(label.as_bytes())).unwrap_or(UTF_8)
}

/// The text of a sender that writes UTF-8 and nothing else.
///
/// # Errors
/// [`Unreadable`]: it is something else.
pub(super) fn utf8(body: &[u8]) -> Result<&str, Unreadable> {
    std::str::from_utf8(body).map_err(|_| Unreadable("the body is not UTF-8".to_owned()))
}

/// `bytes` as text.
pub(super) fn text<'b>(charset: &'static Encoding, bytes: &'b [u8]) -> Cow<'b, str> {
    match std::str::from_utf8(bytes) {
        // Of UTF-16 and the like every second byte could be ASCII.
        Ok(text) if charset.is_ascii_compatible() => Cow::Borrowed(text),
        Ok(_) | Err(_) => charset.decode_without_bom_handling(bytes).0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_is_what_the_content_type_says() {
        for (content_type, name) in [
            ("application/json", "UTF-8"),
            ("text/plain; charset=iso-8859-1", "windows-1252"),
            ("application/x-www-form-urlencoded;CHARSET=\"Windows-1252\"", "windows-1252"),
            ("multipart/form-data; boundary=b; charset=shift_jis", "Shift_JIS"),
            ("text/plain; charset=klingon", "UTF-8"),
            ("text/plain; charset=", "UTF-8"),
            ("text/plain; charset=hz-gb-2312", "UTF-8"),
            ("charset=gbk", "UTF-8"),
        ] {
            assert_eq!(of(content_type).name(), name, "{content_type}");
        }
    }

    #[test]
    fn what_is_utf_8_is_read_as_it_whatever_is_declared() {
        let latin = of("text/plain; charset=iso-8859-1");
        assert_eq!(text(latin, b"Ren\xe9e \x80"), "Renée €");
        assert_eq!(text(latin, "Renée".as_bytes()), "Renée");
        assert_eq!(text(UTF_8, b"Ren\xe9e"), "Ren\u{fffd}e");
        assert_eq!(text(of("a; charset=utf-16le"), b"S\0i\0"), "Si");
    }
}
