//! Names of people, cut into Konektor's two fields.
//!
//! In Indonesia one name is normal, the second word is often a second given name, and people are addressed with a word
//! before the name. So: nobody gets a last name that they did not write, and `Pak Budi` is `Budi`.

use super::phone::is_whatsapp_user_id;
use super::rules::NameStyle;
use super::text::{cut, is_among, one_line};

/// The longest first and last name that Konektor takes, in Unicode scalar values (Agent API 2.2.0, "Create Lead").
pub const MAX_LEN: usize = 100;

/// Words before a name that are no part of it; left out when something else remains.
const HONORIFICS: &str = "\
    pak, bpk, bapak, bu, ibu, kak, kakak, mas, mbak, mba, sdr, sdri, saudara, saudari, tn, tuan, ny, nyonya, \
    mr, mrs, ms";

/// Titles that stay with the word behind them (`Dr. Budi`, last name `Santoso`). Whatever ends in a full stop does so too.
const TITLES: &str = "dr, drg, drh, ir, drs, dra, prof, h, hj, kh, haji, hajah";

/// What forms and spreadsheets hold where there is no name.
const PLACEHOLDERS: &str = "n/a, null, nil, undefined, none, (none), unknown, tidak ada";

/// A person's name in Konektor's two fields, each 1 to [`MAX_LEN`] long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The given name, or the only one, or the whole.
    pub first: String,
    /// The rest; absent for one-word names.
    pub last: Option<String>,
}

impl Name {
    /// Reads a whole name. `None` when the text is no name: empty, without any letter, a number, an account id, an
    /// address, a placeholder such as `-` or `N/A`.
    #[must_use]
    pub fn whole(text: &str, style: NameStyle) -> Option<Self> {
        let text = name_text(text)?;
        match style {
            NameStyle::Split => Some(Self::split(&text)),
            NameStyle::Whole => Self::new(&text, ""),
        }
    }

    /// Reads a name from two fields. A last name that is a placeholder or the first name again is left out; with no first
    /// name the last one counts as a whole name.
    #[must_use]
    pub fn parts(first: &str, last: &str, style: NameStyle) -> Option<Self> {
        let Some(given) = name_text(first) else { return Self::whole(last, style) };
        let family = name_text(last).filter(|family| family.to_lowercase() != given.to_lowercase()).unwrap_or_default();
        match style {
            NameStyle::Split => Self::new(&given, &family),
            NameStyle::Whole => Self::new(&format!("{given} {family}"), ""),
        }
    }

    /// Reads a name field that has one for the last name beside it: people put the given names into it, or all of it.
    #[must_use]
    pub fn whole_and_last(text: &str, last: &str, style: NameStyle) -> Option<Self> {
        let (words, family) = (name_text(text)?.to_lowercase(), name_text(last).unwrap_or_default().to_lowercase());
        let has_all = words.strip_suffix(&family).is_some_and(|rest| rest.ends_with(' '));
        if has_all || family.is_empty() { Self::whole(text, style) } else { Self::parts(text, last, style) }
    }

    /// A user name (`@budi.hartono`), uncut.
    #[must_use]
    pub fn of_handle(text: &str) -> Option<Self> {
        Self::new(&name_text(text.trim().trim_start_matches('@'))?, "")
    }

    /// What stands where nobody said a name: `Lead` and the last six letters or digits of the sender's id of the lead.
    #[must_use]
    pub fn stand_in(sender_id: &str) -> Self {
        let id = sender_id.chars().filter(char::is_ascii_alphanumeric).collect::<String>();
        let end = &id[id.len().saturating_sub(6)..];
        Self { first: format!("Lead {end}").trim_end().to_owned(), last: None }
    }

    /// Cuts a name text into its first lettered word, with the titles before and whatever is no word, and the rest.
    fn split(text: &str) -> Self {
        let words = text.split(' ').collect::<Vec<_>>();
        let first_word = words.iter().position(|word| has_letter(word) && !is_title(word)).unwrap_or(words.len() - 1);
        let (first, rest) = words.split_at(first_word + 1);
        let (first, rest) = (first.join(" "), rest.join(" "));
        if has_letter(&rest) {
            Self::cut_to_fit(&first, &rest)
        } else {
            // A lone emoji is no family name.
            Self::cut_to_fit(text, "")
        }
    }

    fn new(first: &str, last: &str) -> Option<Self> {
        has_letter(first).then(|| Self::cut_to_fit(first, last))
    }

    fn cut_to_fit(first: &str, last: &str) -> Self {
        let fit = |text: &str| cut(text.trim(), MAX_LEN).to_owned();
        Self { first: fit(first), last: Some(fit(last)).filter(|last| !last.is_empty()) }
    }
}

/// True for a first name that nobody gave: none, our own `Lead 098765`, Konektor's `Visitor [CODE]` for unknown people.
/// Such a one may be replaced by a guess.
#[must_use]
pub fn is_stand_in(first_name: &str) -> bool {
    let ours = first_name == "Lead"
        || first_name.strip_prefix("Lead ").is_some_and(|id| {
            id.len() <= 6 && id.chars().all(|c| c.is_ascii_alphanumeric()) && id.contains(|c: char| c.is_ascii_digit())
        });
    first_name.trim().is_empty() || ours || first_name.strip_prefix("Visitor [").is_some_and(|code| code.ends_with(']'))
}

/// True for what forms hold where there is no answer: nothing, `-`, `.`, `N/A`, `null`.
pub(super) fn is_placeholder(text: &str) -> bool {
    let text = one_line(text);
    text.chars().all(|c| c.is_ascii_punctuation()) || is_among(PLACEHOLDERS, &text.to_lowercase())
}

/// The words of a name without honorifics and empty dashes; `None` when it is no name.
fn name_text(text: &str) -> Option<String> {
    let text = one_line(cut(text, 1000));
    // An address, a WhatsApp account (`628…@s.whatsapp.net`), a link.
    let is_address = text.contains('@') || text.contains("://") || is_whatsapp_user_id(&text);
    if is_placeholder(&text) || is_address || !has_letter(&text) {
        return None;
    }
    let words =
        text.split(' ').filter(|word| !word.chars().all(|c| c.is_ascii_punctuation() && c != '&')).collect::<Vec<_>>();
    let mut name = words.as_slice();
    while let [first, rest @ ..] = name
        && is_among(HONORIFICS, &without_mark(first))
        && rest.iter().any(|word| has_letter(word))
    {
        name = rest;
    }
    Some(name.join(" "))
}

fn has_letter(text: &str) -> bool {
    text.contains(char::is_alphabetic)
}

fn is_title(word: &str) -> bool {
    let is_initial = word.chars().count() == 1;
    word.ends_with('.') || is_initial || is_among(TITLES, &without_mark(word))
}

/// `Ny.` and `Pak,` as the lists have them.
fn without_mark(word: &str) -> String {
    word.trim_end_matches(['.', ',']).to_lowercase()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(first: &str, last: &str) -> Option<Name> {
        Some(Name { first: first.to_owned(), last: Some(last.to_owned()).filter(|last| !last.is_empty()) })
    }

    fn whole(text: &str) -> Option<Name> {
        Name::whole(text, NameStyle::Split)
    }

    #[test]
    fn a_one_word_name_stays_one_word() {
        assert_eq!(whole("Suharto"), name("Suharto", ""));
        assert_eq!(whole(" Suharto - "), name("Suharto", ""));
        assert_eq!(Name::parts("Suharto", "-", NameStyle::Split), name("Suharto", ""));
        assert_eq!(Name::parts("Suharto", "N/A", NameStyle::Split), name("Suharto", ""));
        assert_eq!(Name::parts("Suharto", "null", NameStyle::Whole), name("Suharto", ""));
        assert_eq!(Name::parts("Alice", "alice", NameStyle::Split), name("Alice", ""));
    }

    #[test]
    fn several_words_are_first_and_rest() {
        assert_eq!(whole("Siti Nur Aminah"), name("Siti", "Nur Aminah"));
        assert_eq!(whole("Ana\u{a0} Țepeș  Ionescu"), name("Ana", "Țepeș Ionescu"));
        assert_eq!(Name::whole("Siti Nur Aminah", NameStyle::Whole), name("Siti Nur Aminah", ""));
        assert_eq!(Name::parts("Siti Nur", "Aminah", NameStyle::Split), name("Siti Nur", "Aminah"));
        assert_eq!(Name::parts("Siti", "Aminah", NameStyle::Whole), name("Siti Aminah", ""));
        assert_eq!(Name::parts("", "Budi Hartono", NameStyle::Split), name("Budi", "Hartono"));
    }

    #[test]
    fn a_name_field_beside_one_for_the_last_name_may_hold_all_of_it_or_not() {
        let split = |text, last| Name::whole_and_last(text, last, NameStyle::Split);
        assert_eq!(split("Siti Nur", "Aminah"), name("Siti Nur", "Aminah"));
        assert_eq!(split("Siti Nur Aminah", "AMINAH"), name("Siti", "Nur Aminah"));
        assert_eq!(split("Siti Nuraminah", "Aminah"), name("Siti Nuraminah", "Aminah"));
        assert_eq!(split("Suharto", "Suharto"), name("Suharto", ""));
        assert_eq!(split("Siti Aminah", "-"), name("Siti", "Aminah"));
        assert_eq!(Name::whole_and_last("Siti", "Aminah", NameStyle::Whole), name("Siti Aminah", ""));
        assert_eq!(split("-", "Aminah"), None);
    }

    #[test]
    fn an_honorific_goes_when_a_name_remains() {
        assert_eq!(whole("Pak Budi"), name("Budi", ""));
        assert_eq!(whole("Ny. Sri Wahyuni"), name("Sri", "Wahyuni"));
        assert_eq!(whole("BAPAK H. Muhammad Ali"), name("H. Muhammad", "Ali"));
        assert_eq!(whole("Bu"), name("Bu", ""));
        assert_eq!(whole("Mas 🙏"), name("Mas 🙏", ""));
        assert_eq!(Name::parts("Ibu Sri", "Wahyuni", NameStyle::Split), name("Sri", "Wahyuni"));
        assert_eq!(whole("Masita"), name("Masita", ""));
    }

    #[test]
    fn titles_and_initials_stay_with_the_name() {
        assert_eq!(whole("dr. Budi Santoso, Sp.A"), name("dr. Budi", "Santoso, Sp.A"));
        assert_eq!(whole("M. Rizki Pratama"), name("M. Rizki", "Pratama"));
        assert_eq!(whole("A Rahman"), name("A Rahman", ""));
        assert_eq!(whole("Dr."), name("Dr.", ""));
    }

    #[test]
    fn emoji_stay_but_are_no_name() {
        assert_eq!(whole("Siti 🌸"), name("Siti 🌸", ""));
        assert_eq!(whole("🌸 Siti Aminah 🌸"), name("🌸 Siti", "Aminah 🌸"));
        for no_name in ["🌸", "🌸🌸 ✨", "", " ", "-", ".", "N/A", "null", "12345", "+62 812-3456-7890"] {
            assert_eq!(whole(no_name), None, "{no_name:?}");
        }
    }

    #[test]
    fn account_ids_and_addresses_are_no_names() {
        for no_name in
            ["6281234567890@s.whatsapp.net", "ID.13491208655302741918", "budi@example.com", "https://spam.example"]
        {
            assert_eq!(whole(no_name), None, "{no_name:?}");
            assert_eq!(Name::of_handle(no_name), None, "{no_name:?}");
        }
        assert_eq!(Name::of_handle("@budi.hartono"), name("budi.hartono", ""));
    }

    #[test]
    fn a_stand_in_is_known_as_one() {
        assert_eq!(Name::stand_in("987654321098765").first, "Lead 098765");
        assert_eq!(Name::stand_in("wa:12").first, "Lead wa12");
        assert_eq!(Name::stand_in("").first, "Lead");
        for text in ["Lead 098765", "Lead", "Lead wa12", "Visitor [KNK-001]", " "] {
            assert!(is_stand_in(text), "{text:?}");
        }
        for text in ["Leadia", "Budi", "Lead Budi", "Visitor"] {
            assert!(!is_stand_in(text), "{text:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut_between_characters() {
        let long = whole(&format!("{} {}", "é".repeat(150), "👨\u{200d}👩\u{200d}👧x".repeat(40))).unwrap();
        assert_eq!(long.first.chars().count(), MAX_LEN);
        assert_eq!(long.last.unwrap().chars().count(), 96);
    }

    proptest! {
        #[test]
        fn any_name_fits_konektor(first in ".{0,150}", last in ".{0,150}") {
            let both = [NameStyle::Split, NameStyle::Whole].map(|style| [Name::parts(&first, &last, style), Name::whole(&first, style)]);
            for name in both.into_iter().flatten().chain([Name::of_handle(&first), Some(Name::stand_in(&first))]).flatten() {
                prop_assert!((1..=MAX_LEN).contains(&name.first.chars().count()), "{name:?}");
                prop_assert!(name.last.is_none_or(|last| (1..=MAX_LEN).contains(&last.chars().count())));
            }
        }

        #[test]
        fn no_word_of_a_plain_name_is_lost(words in prop::collection::vec("[B-Z][a-z]{4,9}", 1..6)) {
            let text = words.join(" ");
            let name = whole(&text).unwrap();
            prop_assert_eq!([Some(name.first), name.last].into_iter().flatten().collect::<Vec<_>>().join(" "), text);
        }

        #[test]
        fn every_stand_in_is_known_as_one_or_has_no_digit(id in ".{0,30}") {
            let first = Name::stand_in(&id).first;
            prop_assert!(is_stand_in(&first) || !first.contains(|c: char| c.is_ascii_digit()), "{}", first);
        }
    }
}
