//! E-mail addresses: what people type, to what a mail server and Konektor take.

use email_address::{EmailAddress, Options};
use unicode_normalization::UnicodeNormalization;
use url::Host;

use super::text::is_invisible;

/// An address with a lower-case ASCII domain and the local part as typed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Email {
    address: String,
    at: usize,
}

/// A text that is no e-mail address. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("is no e-mail address")]
pub struct NotAnEmail;

impl Email {
    /// Reads an address that a person typed.
    ///
    /// Leaves out white space and quotes around it, `mailto:`, a display name with angle brackets, full-width forms and a
    /// closing full stop. International domains become their ASCII form. Refused although RFC 5322 would take them:
    /// quoted and non-ASCII local parts, address literals and names without a dot; in a form they are typing mistakes.
    ///
    /// # Errors
    /// [`NotAnEmail`]: keep the text for a person to read.
    pub fn parse(text: &str) -> Result<Self, NotAnEmail> {
        // Longer than an address with a display name; also what keeps the parser's work small.
        if text.len() > 1000 {
            return Err(NotAnEmail);
        }
        let text = text.nfkc().filter(|c| !is_invisible(*c)).collect::<String>();
        let (local, domain) = bare(&text).rsplit_once('@').ok_or(NotAnEmail)?;
        let Ok(Host::Domain(domain)) = Host::parse(domain) else { return Err(NotAnEmail) };
        let top_is_a_name = domain
            .rsplit_once('.')
            .is_some_and(|(_, top)| top.len() > 1 && !top.starts_with(|c: char| c.is_ascii_digit()));
        let address = format!("{local}@{domain}");
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        let plain = local.is_ascii() && !local.contains(['"', '(']) && top_is_a_name && address.len() <= 254;
        if plain && EmailAddress::parse_with_options(&address, options).is_ok() {
            Ok(Self { at: local.len(), address })
        } else {
            Err(NotAnEmail)
        }
    }

    /// The address as Konektor gets it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.address
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        &self.address[..self.at]
    }
}

/// The address without what stands around it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inside = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map_or(text, |(_, address)| address);
    let bare = inside.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\'' | '"' | ',' | ';'));
    let has_scheme = bare.get(..7).is_some_and(|head| head.eq_ignore_ascii_case("mailto:"));
    let address = if has_scheme { bare[7..].split('?').next().unwrap_or_default() } else { bare };
    address.trim().trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Option<String> {
        Email::parse(text).ok().map(|email| email.address)
    }

    #[test]
    fn an_address_loses_what_stands_around_it() {
        for text in [
            "Siti@example.com",
            "  Siti@Example.COM ",
            "mailto:Siti@example.com?subject=halo",
            "Siti Aminah <Siti@example.com>",
            "<Siti@example.com>",
            "\"Siti@example.com\",",
            "Siti@example.com.",
            "Ｓｉｔｉ＠ｅｘａｍｐｌｅ．ｃｏｍ",
            "\u{200b}Siti@\u{a0}example.com\u{feff}".replace('\u{a0}', "").as_str(),
        ] {
            assert_eq!(read(text).as_deref(), Some("Siti@example.com"), "{text:?}");
        }
    }

    #[test]
    fn usual_addresses_pass() {
        for text in ["a.b+tag@sub.example.co.id", "o'brien@example.id", "x_1-2@example.photography"] {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        assert_eq!(read("budi@Bücher.example").as_deref(), Some("budi@xn--bcher-kva.example"));
    }

    #[test]
    fn typing_mistakes_are_no_addresses() {
        for text in [
            "",
            "-",
            "budi",
            "budi@gmail",
            "budi @gmail.com",
            "budi@gmail,com",
            "budi@@gmail.com",
            ".budi@gmail.com",
            "bu..di@gmail.com",
            "budi@-gmail.com",
            "budi@gmail..com",
            "budi@127.0.0.1",
            "budi@[127.0.0.1]",
            "\"bu di\"@gmail.com",
            "büdi@gmail.com",
            "a@x.com, b@y.com",
            "a@x.com b@y.com",
            "budi@gmail.com/x",
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
        assert_eq!(read(&format!("{}@example.com", "a".repeat(65))), None);
        assert_eq!(read(&"a@".repeat(100_000)), None);
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_none_and_reads_again_as_itself(text in ".{0,20}@?.{0,20}\\.?.{0,5}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(email.as_str().is_ascii());
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }

        #[test]
        fn a_plain_address_is_read(local in "[a-zA-Z0-9]{1,10}([._+-][a-zA-Z0-9]{1,5})?", domain in "[a-z]{2,10}\\.(com|id|co\\.id)") {
            let address = format!("{local}@{domain}");
            prop_assert_eq!(read(&address), Some(address));
        }
    }
}
