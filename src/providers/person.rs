//! Who writes on WhatsApp, as Meta and the gateways name people, and which lead that is.
//!
//! A lead is a person on one business number. A number may stand in `phone`; a user id of Meta's (BSUID, `ID.1349…`), a
//! hidden id of WhatsApp's own (LID, `…@lid`) and a group never may.

use crate::domain::external_ref::ExternalRef;

/// What stands before business number and person in an `externalRef`.
const PREFIX: &str = "wa:";

/// Somebody, as a sender names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    /// By number: digits, country code included.
    Phone(String),
    /// By Meta's user id, which belongs to one business.
    User(String),
    /// By WhatsApp's hidden id.
    Hidden(String),
    /// By an id of the sender's own.
    Other(String),
    /// No person: a group, a broadcast, a channel.
    Crowd,
}

impl Who {
    /// Reads `6281…`, `+6281…`, `whatsapp:+6281…`, `6281…@c.us`, `6281…:12@s.whatsapp.net`, `123…@lid`, `ID.1349…`,
    /// `123…@g.us`; `None` for blank text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("whatsapp:").unwrap_or(text);
        let (name, server) = text.split_once('@').unwrap_or((text, ""));
        // Behind the colon stands which of the person's devices it was.
        let name_only = name.split(':').next().unwrap_or_default();
        Some(match server {
            "g.us" | "broadcast" | "newsletter" | "call" => Self::Crowd,
            "lid" => Self::Hidden(name_only.to_owned()),
            "c.us" | "s.whatsapp.net" if is_number(name_only) => Self::Phone(digits(name_only)),
            _ if text.is_empty() => return None,
            "" if is_number(text) => Self::Phone(digits(text)),
            "" if is_user_id(text) => Self::User(text.to_owned()),
            _ => Self::Other(text.to_owned()),
        })
    }

    /// What names the person in a reference; `None` for those who are no person.
    pub(super) fn id(&self) -> Option<String> {
        match self {
            Self::Phone(id) | Self::User(id) | Self::Other(id) => Some(id.clone()),
            Self::Hidden(id) => Some(format!("lid:{id}")),
            Self::Crowd => None,
        }
    }
}

/// The lead that `person` on the business number `number` is.
pub(super) fn external_ref(number: &str, person: &str) -> ExternalRef {
    ExternalRef::new(PREFIX, &format!("{number}:{person}"))
}

/// True for digits, with or without plus; a business-scoped user id (`ID.1349…`) is no number.
pub(super) fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// True for Meta's form of a user id: country, a dot, up to 128 letters and digits, `ENT.` before them for a parent's.
pub(super) fn is_user_id(text: &str) -> bool {
    let Some((country, id)) = text.split_once('.') else { return false };
    let id = id.strip_prefix("ENT.").unwrap_or(id);
    let country = country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase());
    country && (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A number with its country. What begins with zeros was written as one dials it here: `00` before a country, `08` before an
/// Indonesian mobile number, for no number with its country begins so.
fn digits(number: &str) -> String {
    let digits = number.trim_start_matches('+');
    match digits.strip_prefix("00") {
        Some(abroad) if !abroad.is_empty() => abroad.to_owned(),
        _ if digits.starts_with("08") => format!("62{}", &digits[1..]),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_is_read_as_senders_write_them() {
        let phone = || Some(Who::Phone("6281234567890".into()));
        for (text, who) in [
            ("6281234567890", phone()),
            ("+6281234567890 ", phone()),
            ("whatsapp:+6281234567890", phone()),
            ("6281234567890@c.us", phone()),
            ("6281234567890:12@s.whatsapp.net", phone()),
            ("123456789012345@lid", Some(Who::Hidden("123456789012345".into()))),
            ("ID.13491208655302741918", Some(Who::User("ID.13491208655302741918".into()))),
            ("whatsapp:US.ENT.ABC1", Some(Who::User("US.ENT.ABC1".into()))),
            ("120363001234567890@g.us", Some(Who::Crowd)),
            ("status@broadcast", Some(Who::Crowd)),
            ("siti.aminah", Some(Who::Other("siti.aminah".into()))),
            ("siti@example.com", Some(Who::Other("siti@example.com".into()))),
            ("123456789012345678901", Some(Who::Other("123456789012345678901".into()))),
            (" ", None),
        ] {
            assert_eq!(Who::parse(text), who, "{text}");
        }
    }

    #[test]
    fn a_crowd_has_no_name_and_a_hidden_id_is_told_from_a_number() {
        assert_eq!(Who::Crowd.id(), None);
        assert_ne!(Who::Hidden("6281".into()).id(), Who::Phone("6281".into()).id());
        assert_eq!(external_ref("1", "6281").as_str(), "wa:1:6281");
    }
}
