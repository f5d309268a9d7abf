//! Names of people, cut into Konektor's two fields.
//!
//! In Indonesia one name is normal, the second word is often a second given name, and people are addressed with a word
//! before the name. So: nobody gets a last name that they did not write, and `Pak Budi` is `Budi`. Not everything with such a
//! word before it is a name (`Ibu dan Anak Shop`, `Pak RT`), and a business or a couple has no last name either: those are one piece.

use super::phone::is_whatsapp_user_id;
use super::rules::NameStyle;
use super::text::{cut, is_among, one_line};

/// The longest first and last name that Konektor takes, in Unicode scalar values (Agent API 2.2.0, "Create Lead").
pub const MAX_LEN: usize = 100;

/// Words before a name that are no part of it; left out when something else remains.
const HONORIFICS: &str = "\
    pak, bpk, bapak, bu, ibu, kak, kakak, mas, mbak, mba, sdr, sdri, saudara, saudari, tn, tuan, ny, nyonya, \
    mr, mrs, ms";

/// Words between two people, or between the two halves of one name (`Ibu dan Anak Shop`): what has one is not one person's name.
const CONNECTIVES: &str = "dan, and, serta, &, dan/atau";

/// What people are or do, said in place of a name (`Pak RT`, `Ibu Rumah Tangga`) or before it (`Bu Bidan Sri`).
const ROLES: &str = "\
    rt, rw, lurah, kades, camat, guru, dosen, dokter, bidan, perawat, ustadz, ustad, ustazah, ustadzah, pendeta, polisi, \
    rumah, tangga, hamil, kos, kost, kontrakan, warung";

/// What the name of a business, a school or an office begins with.
const PLACES: &str = "\
    pt, cv, ud, toko, warung, kedai, kios, rumah, yayasan, koperasi, klinik, apotek, apotik, puskesmas, salon, bengkel, \
    butik, kantor, hotel, restoran, resto, perusahaan, sekolah, universitas, pesantren, ponpes, masjid, gereja, panitia";

/// What the name of a business ends with.
const SHOPS: &str = "shop, store, olshop, tbk, ltd, inc, llc, corp, gmbh, bhd";

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

    /// Cuts a name text into its first lettered word, with the titles before and whatever is no word, and the rest. What is not
    /// the name of one person stays whole.
    fn split(text: &str) -> Self {
        let words = text.split(' ').collect::<Vec<_>>();
        if !is_one_person(&words) {
            return Self::cut_to_fit(text, "");
        }
        let first_word = words.iter().position(|word| has_letter(word) && !is_title(word)).unwrap_or(words.len() - 1);
        let (first, rest) = words.split_at(first_word + 1);
        let (first, rest) = (first.join(" "), rest.join(" "));
        if rest.to_lowercase() == first.to_lowercase() {
            // One word said twice: no last name either.
            Self::cut_to_fit(&first, "")
        } else if has_letter(&rest) {
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
    first_name.trim().is_empty() || ours || is_visitor(first_name)
}

/// Whether it is what Konektor calls somebody who has clicked, and of whom nothing else is known.
#[must_use]
pub fn is_visitor(first_name: &str) -> bool {
    first_name.strip_prefix("Visitor [").is_some_and(|code| code.ends_with(']'))
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
    Some(without_address(&words).join(" "))
}

/// The words behind those with which somebody is addressed, also two of them (`Bapak & Ibu Sutrisno`, `Bpk/Ibu Budi`); all of
/// them where no name would be left.
fn without_address<'w, 't>(words: &'w [&'t str]) -> &'w [&'t str] {
    let mut rest = words;
    while let [first, behind @ ..] = rest
        && is_honorific(first)
    {
        rest = match behind {
            [between, second, ..] if is_connective(between) && is_honorific(second) => &behind[1..],
            _ => behind,
        };
    }
    let begins_a_name =
        rest.first().is_some_and(|first| !is_connective(first)) && rest.iter().any(|word| is_of_a_name(word));
    if begins_a_name { rest } else { words }
}

/// True for a word that can be somebody's name.
fn is_of_a_name(word: &str) -> bool {
    let bare = without_mark(word);
    has_letter(word) && ![HONORIFICS, CONNECTIVES, ROLES, TITLES].iter().any(|list| is_among(list, &bare))
}

fn is_connective(word: &str) -> bool {
    is_among(CONNECTIVES, &word.to_lowercase())
}

/// True for `Pak`, and for `Bpk/Ibu` and `Sdr/i`.
fn is_honorific(word: &str) -> bool {
    let bare = without_mark(word);
    let mut parts = bare.split('/').map(|part| part.trim_end_matches('.'));
    parts.next().is_some_and(|first| is_among(HONORIFICS, first))
        && parts.all(|part| part == "i" || is_among(HONORIFICS, part))
}

/// False for a couple, a business, and a word of address that was left for want of a name behind it.
fn is_one_person(words: &[&str]) -> bool {
    let [first, rest @ ..] = words else { return true };
    let several = rest.iter().any(|word| is_connective(word));
    let business =
        is_among(PLACES, &without_mark(first)) || rest.last().is_some_and(|last| is_among(SHOPS, &without_mark(last)));
    !(several || business || is_honorific(first))
}

fn has_letter(text: &str) -> bool {
    text.contains(char::is_alphabetic)
}

fn is_title(word: &str) -> bool {
    let is_initial = word.chars().count() == 1;
    let before_a_name = [TITLES, ROLES].iter().any(|list| is_among(list, &without_mark(word)));
    word.ends_with('.') || is_initial || before_a_name
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
    fn one_word_said_twice_is_one_name() {
        assert_eq!(whole("Budi BUDI"), name("Budi", ""));
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
    fn two_who_are_addressed_at_once_have_the_name_behind_both() {
        for both in [
            "Bapak & Ibu Sutrisno",
            "Bapak dan Ibu Sutrisno",
            "Bpk. / Ibu Sutrisno",
            "Bpk/Ibu Sutrisno",
            "Sdr/i Sutrisno",
            "Sdr./Sdri. Sutrisno",
            "Mr. and Mrs. Sutrisno",
            "Pak Mas Sutrisno",
        ] {
            assert_eq!(whole(both), name("Sutrisno", ""), "{both}");
        }
        assert_eq!(whole("Mas Adi"), name("Adi", ""));
        assert_eq!(whole("Bapak & Ibu Budi Hartono"), name("Budi", "Hartono"));
    }

    #[test]
    fn a_word_of_address_with_no_name_behind_it_is_not_taken_off() {
        for no_name in [
            "Ibu dan Anak Shop",
            "Ibu & Anak",
            "Bapak dan Ibu",
            "Bapak/Ibu",
            "Ibu Rumah Tangga",
            "Pak RT",
            "Bu Bidan",
            "Pak Haji",
            "Ibu Hamil",
        ] {
            assert_eq!(whole(no_name), name(no_name, ""), "{no_name}");
        }
        assert_eq!(whole("Bu Bidan Sri Wahyuni"), name("Bidan Sri", "Wahyuni"));
        assert_eq!(whole("Pak RT Budi"), name("RT Budi", ""));
    }

    #[test]
    fn a_business_or_a_couple_has_no_last_name() {
        for whole_name in [
            "PT Maju Jaya",
            "PT. Maju Jaya Tbk",
            "CV Sinar Abadi",
            "UD. Tani Makmur",
            "Toko Bu Siti",
            "Warung Pak Budi",
            "Yayasan Al Hikmah",
            "Siti Hijab Store",
            "Budi & Siti",
            "Budi Hartono dan Siti Aminah",
        ] {
            assert_eq!(whole(whole_name), name(whole_name, ""), "{whole_name}");
        }
        assert_eq!(whole("Bapak Budi & Ibu Siti"), name("Budi & Ibu Siti", ""));
        // A given name, where it comes first.
        assert_eq!(whole("Dan Brown"), name("Dan", "Brown"));
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
        fn whatever_stands_around_it_a_plain_name_is_found(
            address in prop::sample::select(vec!["", "Pak ", "Ibu ", "Bapak & Ibu ", "Bpk/Ibu ", "Mas dan Mbak ", "Sdr/i "]),
            words in prop::collection::vec("[A-Z][a-z]{9,12}", 1..4),
        ) {
            let bare = words.join(" ");
            prop_assert_eq!(whole(&format!("{address}{bare}")), whole(&bare));
            prop_assert_eq!(whole(&bare).unwrap().first, words[0].clone());
        }

        #[test]
        fn no_name_begins_with_a_word_between_two(
            words in prop::collection::vec(prop::sample::select(vec!["Ibu", "Pak", "dan", "&", "Anak", "RT", "Siti", "Dr.", "Shop", "/"]), 1..7),
        ) {
            let text = words.join(" ");
            if let Some(name) = whole(&text) {
                let first = name.first.split(' ').next().unwrap();
                let given = text.split(' ').find(|word| *word != "/").unwrap();
                prop_assert!(!is_connective(first) || first == given, "{text}: {name:?}");
            }
        }

        #[test]
        fn every_stand_in_is_known_as_one_or_has_no_digit(id in ".{0,30}") {
            let first = Name::stand_in(&id).first;
            prop_assert!(is_stand_in(&first) || !first.contains(|c: char| c.is_ascii_digit()), "{}", first);
        }
    }
}
