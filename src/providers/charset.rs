//! The characters of a body: UTF-8, unless its content type names another encoding and the bytes are not UTF-8.
//!
//! Old pages and back-ends still send what they call ISO-8859-1 (which on the web is Windows-1252, by the WHATWG's Encoding
//! standard), and some do not say so: a form whose type names no encoding is read as that where nothing in it is UTF-8.
//! Others declare it and send UTF-8 all the same; bytes that are UTF-8 are hardly ever anything else, so they are
//! read as it. What fits neither is U+FFFD: an odd character is better than a lost lead.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

use super::Unreadable;

/// The encoding of a document that says `said`: the one that its content type names, or else [`guessed`]. JSON in UTF-16 has a
/// zero in each bracket and quote, and no other has one.
pub(super) fn of(content_type: &str, said: &[u8]) -> &'static Encoding {
    let can_be = |named: &&'static Encoding| named.output_encoding() == *named || said.contains(&0);
    named(content_type).filter(can_be).unwrap_or_else(|| guessed([said]))
}

/// The encoding that the content type of a form names. What stands between its fields is ASCII, and so no body of one is UTF-16
/// (WHATWG Encoding, "output encodings"): UTF-8 is meant.
pub(super) fn of_form(content_type: &str) -> Option<&'static Encoding> {
    named(content_type).map(Encoding::output_encoding)
}

/// The encoding that a content type names; `None` where it names none that is known.
pub(super) fn named(content_type: &str) -> Option<&'static Encoding> {
    let parameters = content_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut named = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    let label = named.next().map(|(_, value)| value.trim().trim_matches('"'));
    label.and_then(|label| Encoding::for_label_no_replacement(label.as_bytes()))
}

/// The encoding of a form that does not name its own and says `texts`, each as it came: UTF-8 when all of them are, or when
/// one letter of theirs is (the rest was cut off somewhere on its way); else Windows-1252.
pub(super) fn guessed<'b>(texts: impl IntoIterator<Item = &'b [u8]>) -> &'static Encoding {
    let mut all_are = true;
    for text in texts {
        match std::str::from_utf8(text) {
            Ok(text) if text.is_ascii() => {}
            Ok(_) => return UTF_8,
            Err(_) if text.utf8_chunks().any(|chunk| !chunk.valid().is_ascii()) => return UTF_8,
            Err(_) => all_are = false,
        }
    }
    if all_are { UTF_8 } else { WINDOWS_1252 }
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
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    /// Encodings that senders name, with letters that each of them has.
    const LETTERS: [(&str, &str); 13] = [
        ("utf-8", "Aé李\u{1f600}"),
        ("iso-8859-1", "Aéüñß€Ã©"),
        ("windows-1251", "AЖдя"),
        ("shift_jis", "A\\~ｱシティ山表"),
        ("iso-2022-jp", "A\\~シティ山表"),
        ("euc-jp", "Aｱシティ山表"),
        ("gbk", "A李娜張"),
        ("gb18030", "A李é\u{1f600}"),
        ("big5", "A陳美玲"),
        ("euc-kr", "A김민지"),
        ("x-user-defined", "A\u{f780}\u{f7ff}"),
        ("utf-16le", "Aé李\u{1f600}"),
        ("utf-16be", "Aé李\u{1f600}"),
    ];

    fn labels() -> impl Strategy<Value = &'static str> {
        select(&LETTERS[..]).prop_map(|(label, _)| label)
    }

    /// The name of an encoding, and a text in its letters.
    fn texts() -> impl Strategy<Value = (&'static str, String)> {
        select(&LETTERS[..]).prop_flat_map(|(label, letters)| {
            let letters = select(letters.chars().collect::<Vec<_>>());
            let said = proptest::collection::vec(letters, 0..20).prop_map(|letters| letters.into_iter().collect());
            (Just(label), said)
        })
    }

    /// Content types with a name in them that there is, with one that there is not, and what is none.
    fn content_types() -> impl Strategy<Value = String> {
        let label = prop_oneof![labels().prop_map(str::to_owned), "[a-z0-9_-]{0,12}"];
        let named = (label, "; ?(charset|CharSet) ?", "\"?")
            .prop_map(|(label, name, quote)| format!("multipart/form-data; boundary=b{name}={quote}{label}{quote}"));
        prop_oneof![named, "\\PC{0,40}"]
    }

    /// Any bytes, and those with which encodings switch, begin pairs and escape.
    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let odd = select(&b"A{\"\0\x1b$(BJI\x30\x39\x80\x81\x8e\x8f\xa1\xc3\xd8\xdc\xfe\xff"[..]);
        let [any, odd] = [any::<u8>().boxed(), odd.boxed()].map(|byte| proptest::collection::vec(byte, 0..60));
        prop_oneof![any, odd]
    }

    fn encoded(charset: &'static Encoding, said: &str) -> Vec<u8> {
        match charset.name() {
            "UTF-16LE" => said.encode_utf16().flat_map(u16::to_le_bytes).collect(),
            "UTF-16BE" => said.encode_utf16().flat_map(u16::to_be_bytes).collect(),
            _ => {
                let (bytes, _, lacks_letters) = charset.encode(said);
                assert!(!lacks_letters, "{} has no letters for {said}", charset.name());
                bytes.into_owned()
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_in_an_encoding_that_is_named_is_read_as_it_was((label, said) in texts()) {
            let charset = named(&format!("text/plain; charset={label}")).unwrap();
            let bytes = encoded(charset, &said);
            let is_utf_8_by_chance = charset.is_ascii_compatible() && std::str::from_utf8(&bytes).is_ok_and(|read| read != said);
            prop_assume!(!is_utf_8_by_chance);
            prop_assert_eq!(text(charset, &bytes), said);
        }

        #[test]
        fn utf_8_is_read_as_it_whatever_is_declared_and_wherever_it_was_cut(
            said in "[A-Z é李\u{1f600}]{0,20}", label in labels(), cut in any::<Index>()
        ) {
            let declared = named(&format!("text/plain; charset={label}")).filter(|charset| charset.is_ascii_compatible());
            prop_assert_eq!(text(declared.unwrap_or(UTF_8), said.as_bytes()), &*said);
            let bytes = &said.as_bytes()[..cut.index(said.len() + 1)];
            let whole = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
            if !whole.is_ascii() {
                prop_assert!(text(of("text/plain", bytes), bytes).starts_with(whole));
            }
        }

        // A decoder may put U+FFFD, which is three bytes, for each byte that it cannot read, and no more.
        #[test]
        fn any_bytes_under_any_content_type_are_a_text_of_at_most_three_times_their_length(
            content_type in content_types(), body in bodies()
        ) {
            let read = text(of(&content_type, &body), &body);
            prop_assert!(read.len() <= 3 * body.len(), "{} bytes became {}", body.len(), read.len());
            prop_assert_eq!(text(guessed([&body[..]]), &body).is_empty(), body.is_empty());
        }
    }

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
            ("application/json; charset=utf-16", "UTF-8"),
        ] {
            assert_eq!(of(content_type, b"Siti").name(), name, "{content_type}");
        }
        assert_eq!(of("application/json; charset=utf-16", b"{\0\"\0").name(), "UTF-16LE");
        assert_eq!(of_form("multipart/form-data; charset=utf-16").unwrap(), UTF_8);
    }

    #[test]
    fn what_names_no_encoding_is_windows_1252_where_nothing_in_it_is_utf_8() {
        for (texts, expected) in [(vec![], UTF_8), (vec!["Siti"], UTF_8), (vec!["Ren\u{e9}e"], UTF_8)] {
            assert_eq!(guessed(texts.into_iter().map(str::as_bytes)), expected);
        }
        assert_eq!(guessed([&b"Siti"[..], b"Ren\xe9e"]), WINDOWS_1252);
        assert_eq!(guessed([&b"cut off: \xc3"[..], "Ren\u{e9}e".as_bytes()]), UTF_8);
        assert_eq!(guessed([&b"Ren\xc3\xa9e \xf0\x9f"[..]]), UTF_8);
    }

    #[test]
    fn what_is_utf_8_is_read_as_it_whatever_is_declared() {
        let latin = named("text/plain; charset=iso-8859-1").unwrap();
        assert_eq!(text(latin, b"Ren\xe9e \x80"), "Renée €");
        assert_eq!(text(latin, "Renée".as_bytes()), "Renée");
        assert_eq!(text(UTF_8, b"Ren\xe9e"), "Ren\u{fffd}e");
        assert_eq!(text(named("a; charset=utf-16le").unwrap(), b"S\0i\0"), "Si");
    }
}
