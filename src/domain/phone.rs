//! Phone numbers: from whatever people and senders write to E.164.
//!
//! Country codes, lengths and national spelling come from libphonenumber's data (`rlibphonenumber`); its reading of numbers
//! *without* a plus does not, because for Indonesia it is wrong in a way that costs leads: `62811123` becomes
//! `+6262811123` (google/libphonenumber#1995). Where a number can be read in two ways it is none: the caller keeps the text
//! for a person to read.

use rlibphonenumber::{NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat};

use super::region::Region;
use super::text::{ascii_digit, is_invisible};

/// A phone number in E.164: a plus and 7 to 15 digits, the first of them not 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Phone(String);

/// Why a text is no phone number. Never holds the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAPhone {
    /// Nothing in it looks like a number.
    #[error("holds no phone number")]
    NoNumber,
    /// An account id of WhatsApp (`@lid`, `@g.us`, `ID.1349…`) or something else with an `@`: its digits are no number.
    #[error("is an account id, not a phone number")]
    AccountId,
    /// It may be a national or an international number, and both would be possible.
    #[error("may be national or international; write it with a plus and the country code")]
    Ambiguous,
    /// No country has numbers like this.
    #[error("is too short, too long or of no country")]
    Impossible,
}

impl Phone {
    /// Reads a number that a person wrote, or that a form passed on.
    ///
    /// With a plus or `00` it is international. Without, it is read as `region` writes numbers; for Indonesia `08…`, `8…`,
    /// `62 8…` and `620 8…` are mobile numbers, `0…` a landline, and everything else is ambiguous. Words before the
    /// number and remarks after it (`WA 0812-3456-7890 (Budi)`) are left out: see [`Phone::leaves_out`]. Of several
    /// numbers the first counts. A country code written twice (a field that begins with `+62`) counts once.
    ///
    /// # Errors
    /// [`NotAPhone`] says which kind of thing it is instead.
    pub fn parse(text: &str, region: Region) -> Result<Self, NotAPhone> {
        let written = Written::read(&plain(text))?;
        match written.digits.strip_prefix("00") {
            _ if written.plus => international(&written.digits),
            // `00812…` has a 0 too many, or is of Japan.
            Some(rest) if region == Region::INDONESIA && looks_mobile(rest) => Err(NotAPhone::Ambiguous),
            Some(rest) => international(rest),
            None if region == Region::INDONESIA => indonesian(&written.digits),
            None => national(&written.digits, region),
        }
    }

    /// Reads the number of a messaging account: digits that begin with the country code, with or without a plus, also as
    /// `whatsapp:+62…` or with the `@s.whatsapp.net` or `@c.us` of a phone's own account.
    ///
    /// # Errors
    /// [`NotAPhone`]; a number with a leading 0 is [`NotAPhone::Ambiguous`], as it has no country code.
    pub fn of_account(text: &str) -> Result<Self, NotAPhone> {
        let text = plain(text);
        let text = text.strip_suffix("@s.whatsapp.net").or_else(|| text.strip_suffix("@c.us")).unwrap_or(&text);
        let number = text.split_once(':').map_or(text, |(number, _device)| number);
        let written = Written::read(number)?;
        if written.digits.starts_with('0') { Err(NotAPhone::Ambiguous) } else { international(&written.digits) }
    }

    /// The number as Konektor gets it: plus and digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The digits without the plus, for comparing and searching.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0[1..]
    }

    /// True when `text`, which this number was read from, says more than the number: an extension, a second number, a
    /// remark. Then the text is worth keeping beside it.
    #[must_use]
    pub fn leaves_out(&self, text: &str) -> bool {
        let text = plain(text);
        // Three digits may come and go with the spelling: 00, a trunk 0, or a country code that was not written.
        text.chars().any(char::is_alphabetic)
            || text.chars().filter(char::is_ascii_digit).count() > self.digits().len() + 3
    }
}

/// True for WhatsApp's business-scoped user ids: `ID.13491208655302741918`, `US.ENT.1234abc`.
pub(super) fn is_whatsapp_user_id(text: &str) -> bool {
    let Some((country, id)) = text.split_once('.') else { return false };
    let id = id.strip_prefix("ENT.").unwrap_or(id);
    let is_country = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    // At least 15: a person may write `HP.081234567890`, and no phone number with its prefix is that long.
    is_country && (15..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// The text with plain digits, pluses, spaces and dashes, and without the prefixes that software puts before a number.
fn plain(text: &str) -> String {
    let readable = |c: char| match c {
        c if c.is_whitespace() => Some(' '),
        c if is_invisible(c) => None,
        '＋' => Some('+'),
        '\u{2010}'..='\u{2015}' | '\u{2212}' | '－' => Some('-'),
        c => Some(ascii_digit(c).unwrap_or(c)),
    };
    let text = text.chars().filter_map(readable).collect::<String>();
    let mut rest = text.trim_matches([' ', '\'', '"', '`', '=']);
    for prefix in ["whatsapp:", "tel:", "p:"] {
        let has_prefix = rest.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix));
        rest = if has_prefix { rest[prefix.len()..].trim_start() } else { rest };
    }
    rest.to_owned()
}

/// The digits of one number as written.
struct Written {
    plus: bool,
    digits: String,
}

impl Written {
    /// Finds the first number in a [`plain`] text.
    fn read(text: &str) -> Result<Self, NotAPhone> {
        if text.contains('@') || is_whatsapp_user_id(text) {
            return Err(NotAPhone::AccountId);
        }
        let text = without_empty_fraction(text);
        let start = text.find(|c: char| c == '+' || c.is_ascii_digit()).ok_or(NotAPhone::NoNumber)?;
        let written = text[start..].trim_start_matches('+');
        let of_number = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '-' | '.' | '(' | ')');
        let end = written.find(|c| !of_number(c)).unwrap_or(written.len());
        let digits = written[..end].chars().filter(char::is_ascii_digit).collect::<String>();
        // `+62 +62812…`: the country code stood there already when the number was put behind it.
        if text[start..].starts_with('+') && digits.len() <= 3 && written[end..].starts_with('+') {
            return Self::read(&written[end..]);
        }
        // A letter right behind the last digit means that the digits go on in another way: 0812xxxx, 8.12E+10.
        let goes_on = written[..end].ends_with(|c: char| c.is_ascii_digit() || c == '.')
            && written[end..].starts_with(char::is_alphabetic)
            && !is_extension(&written[end..]);
        // 17 leaves room for 00 and a trunk 0 before the longest number.
        if goes_on || !(7..=17).contains(&digits.len()) {
            return Err(NotAPhone::NoNumber);
        }
        // Nobody's country code begins with 0: in `+0812…` the plus is a habit.
        Ok(Self { plus: text[start..].starts_with('+') && !digits.starts_with('0'), digits })
    }
}

/// `x12`, `ext 12`, `ext. 12`: a number inside a house.
fn is_extension(text: &str) -> bool {
    let text = text.strip_prefix("ext").or_else(|| text.strip_prefix('x')).unwrap_or_default();
    text.trim_start_matches(['.', ' ', ':', '-']).starts_with(|c: char| c.is_ascii_digit())
}

/// A spreadsheet's `81234567890.0` without its fraction.
fn without_empty_fraction(text: &str) -> &str {
    match text.rsplit_once('.') {
        Some((whole, "0" | "00")) if whole.bytes().all(|b| b.is_ascii_digit() || b == b'+') => whole,
        _ => text,
    }
}

/// Digits that begin with a country code.
fn international(digits: &str) -> Result<Phone, NotAPhone> {
    if let Some(mobile) = indonesian_mobile(digits) {
        return mobile;
    }
    // WhatsApp still names Mexican accounts with the 1 that left the numbering plan in 2019.
    let digits = match digits.strip_prefix("521") {
        Some(rest) if rest.len() == 10 => format!("+52{rest}"),
        _ => format!("+{digits}"),
    };
    let is_indonesian = digits.starts_with("+62");
    let number = PHONE_NUMBER_UTIL.parse(digits, None).map_err(|_| NotAPhone::Impossible)?;
    // Only the length is asked for: new ranges are in use before they are in the data, and the country is certain.
    // Indonesia's landlines have their areas, and new ranges are mobile ones: what is not in its plan is a slip.
    let is_slip = is_indonesian && !number.is_valid();
    match number.is_possible_with_reason() {
        Ok(NumberLengthType::IsPossible) if !is_slip => e164(&number),
        Ok(_) | Err(_) => Err(NotAPhone::Impossible),
    }
}

/// `62` and a mobile number, possibly with a trunk 0 between; `None` when it is something else.
///
/// Mobile numbers begin with 8 and have 9 to 13 digits after the country code: longer ones than libphonenumber's plan holds
/// are in use (google/libphonenumber#918). A second `62` before one of them is the first once more: no landline of the
/// area codes 0628… is as long.
fn indonesian_mobile(digits: &str) -> Option<Result<Phone, NotAPhone>> {
    let mobile = digits.strip_prefix("62")?.trim_start_matches('0');
    let again = mobile.strip_prefix("62").map(|mobile| mobile.trim_start_matches('0'));
    let mobile = again.filter(|mobile| mobile.starts_with('8') && (9..=13).contains(&mobile.len())).unwrap_or(mobile);
    let fits = mobile.starts_with('8').then(|| (9..=13).contains(&mobile.len()))?;
    Some(if fits { Ok(Phone(format!("+62{mobile}"))) } else { Err(NotAPhone::Impossible) })
}

/// Digits without a plus, in Indonesia. Numbers that lost their leading 0 in a spreadsheet or as a JSON number are read
/// again when they are mobile; `62` is both the country code and the beginning of area codes in Sumatra.
fn indonesian(digits: &str) -> Result<Phone, NotAPhone> {
    if let Some(mobile) = indonesian_mobile(digits) {
        return mobile;
    }
    match digits.strip_prefix('0') {
        Some(rest) if rest.starts_with('8') => international(&format!("62{rest}")),
        Some(_) => national(digits, Region::INDONESIA),
        None if digits.starts_with('8') && (9..=13).contains(&digits.len()) => international(&format!("62{digits}")),
        None => Err(NotAPhone::Ambiguous),
    }
}

/// True for digits that are an Indonesian mobile number without its 0: its operators' prefixes are 81…, 82…, 83…, 85…, 87…,
/// 88… and 89….
fn looks_mobile(digits: &str) -> bool {
    let operator = digits.strip_prefix('8').is_some_and(|rest| rest.starts_with(['1', '2', '3', '5', '7', '8', '9']));
    operator && (9..=13).contains(&digits.len())
}

/// What every spelling of one Indonesian mobile number has in common, for telling whether two texts say the same; `None` for what is
/// none. It does not ask whether there is such a number.
pub(crate) fn mobile(text: &str) -> Option<String> {
    let is_of_a_number = |byte: u8| byte.is_ascii_digit() || b" +-.()".contains(&byte);
    if !text.bytes().all(is_of_a_number) {
        return None;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let abroad = digits.strip_prefix("00").unwrap_or(&digits);
    let national = abroad.strip_prefix("62").unwrap_or(abroad);
    let subscriber = national.strip_prefix('0').unwrap_or(national);
    looks_mobile(subscriber).then(|| subscriber.to_owned())
}

/// Digits without a plus, as `region` writes them. What is not in its numbering plan may be a foreign number.
fn national(digits: &str, region: Region) -> Result<Phone, NotAPhone> {
    let number = PHONE_NUMBER_UTIL.parse(digits, Some(region.plan())).map_err(|_| NotAPhone::Impossible)?;
    if number.is_valid() { e164(&number) } else { Err(NotAPhone::Ambiguous) }
}

fn e164(number: &PhoneNumber) -> Result<Phone, NotAPhone> {
    let text = number.format_as(PhoneNumberFormat::E164);
    let digits = text.strip_prefix('+').unwrap_or_default();
    // In Indonesia no number begins with a 0 behind the country code; in Italy some do.
    let begins = !digits.starts_with('0') && !digits.starts_with("620");
    let fits = begins && (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if fits { Ok(Phone(text.into_owned())) } else { Err(NotAPhone::Impossible) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(text: &str) -> Result<String, NotAPhone> {
        Phone::parse(text, Region::INDONESIA).map(|phone| phone.0)
    }

    fn abroad(text: &str, region: &str) -> Result<String, NotAPhone> {
        Phone::parse(text, Region::parse(region).unwrap()).map(|phone| phone.0)
    }

    #[test]
    fn every_spelling_of_a_mobile_number_has_the_same_in_common_and_amounts_have_nothing() {
        for text in [
            "081234567890",
            "+62 812-3456-7890",
            "(0812) 3456.7890",
            "0062 81234567890",
            "62081234567890",
            "81234567890",
        ] {
            assert_eq!(mobile(text).as_deref(), Some("81234567890"), "{text}");
        }
        for text in ["", "1.500.000.000", "021 5550100", "0812", "ext 081234567890", "+65 8123 4567", "840.000.000.000"]
        {
            assert_eq!(mobile(text), None, "{text}");
        }
    }

    #[test]
    fn every_indonesian_spelling_is_the_same_number() {
        for text in [
            "081234567890",
            "0812-3456-7890",
            "0812 3456 7890",
            "0812.3456.7890",
            "(0812) 34567890",
            "+62 812-3456-7890",
            "+62 (0)812 3456 7890",
            "(+62)812 3456 7890",
            "+6281234567890",
            "6281234567890",
            "62 812 3456 7890",
            "620 812 3456 7890",
            "62081234567890",
            "+62081234567890",
            "0062 812 3456 7890",
            "+081234567890",
            "81234567890",
            "812 3456 7890",
            "81234567890.0",
            "p:+6281234567890",
            "tel:+62-812-3456-7890",
            "whatsapp:+6281234567890",
            "'081234567890",
            "\u{202a}+62\u{a0}812‑3456‑7890\u{202c}",
            "０８１２３４５６７８９０",
            "٠٨١٢٣٤٥٦٧٨٩٠",
            "WA: 0812 3456 7890",
            "0812-3456-7890 (Budi)",
            "0812 3456 7890 / 0813 1111 2222",
            "081234567890 ext. 5",
            "081234567890ext5",
            "081234567890x5",
        ] {
            assert_eq!(id(text), Ok("+6281234567890".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn what_could_be_two_numbers_is_none() {
        // Country code and Jakarta, or the area code 622 of Pematangsiantar without its 0? 15550000000: Webflow's own sample.
        for text in ["62215551234", "6262811123", "215551234", "15550000000", "6591234567", "1500123"] {
            assert_eq!(id(text), Err(NotAPhone::Ambiguous), "{text:?}");
        }
        assert_eq!(Phone::of_account("081234567890"), Err(NotAPhone::Ambiguous));
    }

    #[test]
    fn the_libphonenumber_trap_does_not_catch_us() {
        assert_eq!(id("62811123"), Err(NotAPhone::Impossible));
        assert_eq!(id("628111234567"), Ok("+628111234567".to_owned()));
    }

    #[test]
    fn a_country_code_written_twice_counts_once() {
        for text in [
            "+62 6281234567890",
            "+62 62 812 3456 7890",
            "+62 +62 812-3456-7890",
            "+62 62081234567890",
            "626281234567890",
        ] {
            assert_eq!(id(text), Ok("+6281234567890".to_owned()), "{text:?}");
            assert!(Phone::parse(text, Region::INDONESIA).is_ok_and(|phone| !phone.leaves_out(text)), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_in_indonesia_s_plan_is_no_number() {
        for text in ["+62 6262 1234 5678", "+62 1234 567 890", "+6299912345678"] {
            assert_eq!(id(text), Err(NotAPhone::Impossible), "{text:?}");
        }
        for text in ["+62 628 20123", "+62 411 123456", "+62 31 5031234"] {
            assert!(id(text).is_ok(), "{text:?}");
        }
    }

    #[test]
    fn two_zeros_before_a_mobile_number_may_be_a_slip_or_japan() {
        assert_eq!(id("00812 3456 7890"), Err(NotAPhone::Ambiguous));
        assert_eq!(id("0086 10 1234 5678"), Ok("+861012345678".to_owned()));
        assert_eq!(abroad("0081 3 1234 5678", "MY"), Ok("+81312345678".to_owned()));
        assert_eq!(id("+81 3 1234 5678"), Ok("+81312345678".to_owned()));
    }

    #[test]
    fn account_ids_are_no_numbers() {
        for text in ["252192057475142@lid", "120363025246125486@g.us", "ID.13491208655302741918", "budi@example.com"] {
            assert_eq!(id(text), Err(NotAPhone::AccountId), "{text:?}");
            assert_eq!(Phone::of_account(text), Err(NotAPhone::AccountId), "{text:?}");
        }
        assert_eq!(Phone::of_account("252192057475142"), Err(NotAPhone::Impossible));
        assert_eq!(Phone::of_account("whatsapp:ID.13491208655302741918"), Err(NotAPhone::AccountId));
        assert_eq!(id("HP.081234567890"), Ok("+6281234567890".to_owned()));
    }

    #[test]
    fn other_digits_are_no_numbers() {
        for text in [
            "",
            "-",
            "tidak ada",
            "0812",
            "0812xxxxxxxx",
            "8.1234567890E+10",
            "3201234567890001",
            "12/05/1990",
            "2 kamar",
        ] {
            assert!(id(text).is_err(), "{text:?}");
        }
        assert_eq!(id(&"8".repeat(10_000)), Err(NotAPhone::NoNumber));
    }

    #[test]
    fn landlines_and_foreign_numbers_pass() {
        assert_eq!(id("021 5551234"), Ok("+62215551234".to_owned()));
        assert_eq!(id("+62 21 5551234"), Ok("+62215551234".to_owned()));
        assert_eq!(id("+40721234567"), Ok("+40721234567".to_owned()));
        assert_eq!(id("+1 650-555-0123"), Ok("+16505550123".to_owned()));
        assert_eq!(id("+15550000000"), Ok("+15550000000".to_owned()));
        assert_eq!(id("+39 06 1234 5678"), Ok("+390612345678".to_owned()));
    }

    #[test]
    fn another_region_has_its_own_spelling() {
        assert_eq!(abroad("0721 234 567", "RO"), Ok("+40721234567".to_owned()));
        assert_eq!(abroad("(415) 555-2671", "US"), Ok("+14155552671".to_owned()));
        assert_eq!(abroad("14155552671", "US"), Ok("+14155552671".to_owned()));
        assert_eq!(abroad("012-345 6789", "MY"), Ok("+60123456789".to_owned()));
        assert_eq!(abroad("123456789", "MY"), Ok("+60123456789".to_owned()));
        assert_eq!(abroad("+62 812 3456 7890", "MY"), Ok("+6281234567890".to_owned()));
        assert_eq!(abroad("6281234567890", "MY"), Err(NotAPhone::Ambiguous));
    }

    #[test]
    fn an_account_number_needs_no_plus() {
        let account = |text| Phone::of_account(text).map(|phone| phone.0);
        assert_eq!(account("6281234567890"), Ok("+6281234567890".to_owned()));
        assert_eq!(account("62215551234"), Ok("+62215551234".to_owned()));
        assert_eq!(account("6281234567890:12@s.whatsapp.net"), Ok("+6281234567890".to_owned()));
        assert_eq!(account("6281234567890@c.us"), Ok("+6281234567890".to_owned()));
        assert_eq!(account("whatsapp:+6281234567890"), Ok("+6281234567890".to_owned()));
        assert_eq!(account("5215512345678"), Ok("+525512345678".to_owned()));
    }

    #[test]
    fn a_number_knows_when_the_text_says_more() {
        let leaves_out = |text| Phone::parse(text, Region::INDONESIA).unwrap().leaves_out(text);
        for plain in ["0812-3456-7890", "p:+6281234567890", "0062 (0)812 3456 7890", "0812 3456 7890."] {
            assert!(!leaves_out(plain), "{plain:?}");
        }
        for more in
            ["0812 3456 7890 ext 5", "0812 3456 7890 (Budi)", "0812 3456 7890 / 0813 1111 2222", "021-5551234/5551236"]
        {
            assert!(leaves_out(more), "{more:?}");
        }
    }

    fn regions() -> impl Strategy<Value = Region> {
        prop::sample::select(vec!["ID", "US", "GB", "IT", "BR", "MX", "AR", "SG", "JP", "RU", "CI"])
            .prop_map(|letters| Region::parse(letters).unwrap())
    }

    fn holds(phone: &Phone) -> bool {
        let digits = phone.0.strip_prefix('+').unwrap_or_default();
        (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0')
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_in_e164_or_none(text in ".{0,60}", region in regions()) {
            for phone in [Phone::parse(&text, region), Phone::of_account(&text)].into_iter().flatten() {
                prop_assert!(holds(&phone), "{phone:?}");
            }
        }

        #[test]
        fn a_number_read_again_is_the_same(text in "(p:|WA )?\\+?(00|0|62|620|8|1|39|521|549)?[0-9 ().-]{5,16}", region in regions()) {
            for phone in [Phone::parse(&text, region), Phone::of_account(&text)].into_iter().flatten() {
                prop_assert!(holds(&phone), "{phone:?}");
                prop_assert_eq!(Phone::parse(phone.as_str(), region), Ok(phone.clone()));
                prop_assert_eq!(Phone::of_account(phone.as_str()), Ok(phone.clone()));
                prop_assert_eq!(Phone::of_account(phone.digits()), Ok(phone));
            }
        }
    }
}
