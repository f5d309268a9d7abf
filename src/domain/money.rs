//! Amounts of money as people write them. A dot is a thousands mark in Indonesia and a decimal mark elsewhere: what could be
//! either is no amount, and the caller keeps the text.

use super::region::Region;

/// The largest amount: every whole number up to here is exact in the `f64` that Konektor's JSON numbers are.
pub const MAX: f64 = 9_007_199_254_740_992.0;

/// Below this a fraction cannot be meant in rupiah, which have none: who writes `1.5` for a budget means millions.
const LEAST: f64 = 1000.0;

/// Reads one amount in the workspace's currency: `Rp 1.500.000`, `1,5 jt`, `500rb`, `1.500.000,00`, `168724.00`, `1500000`.
///
/// Indonesian words (`Rp`, `IDR`, `rupiah`, `ribu`, `juta`, `miliar`) say that the writing is Indonesian, so that `Rp 1.500` is
/// fifteen hundred. `None` for everything that is not one certain amount: ranges, `±` and `<`, other currencies, a lone
/// `1.500` or `1,500`, `1M` (million, or milyar), negative numbers.
#[must_use]
pub fn parse(text: &str) -> Option<f64> {
    let text = text.trim().to_lowercase();
    // The longest amount anybody writes, with words, is far below.
    if text.len() > 60 {
        return None;
    }
    let (rest, named) = without_currency(&text);
    let (number, zeros) = split_factor(rest)?;
    let marks = if named || zeros > 0 { Marks::Indonesian } else { Marks::Unknown };
    // The zeros are an exponent in the text: `1,15 jt` is 1.15e6, read once, and not 1149999.9999999998.
    let amount = format!("{}e{zeros}", decimal(number.trim(), marks)?).parse::<f64>().ok()?;
    (amount <= MAX).then_some(amount)
}

/// Reads what somebody in `region` has answered, as [`parse`]. In Indonesia a small fraction is no amount: nobody can tell
/// whether `1.5` or `0,5` is thousands or millions, but rupiah it is not. A small whole number is taken as it is, for a workspace
/// may count in another currency.
#[must_use]
pub fn answered(text: &str, region: Region) -> Option<f64> {
    parse(text).filter(|amount| region != Region::INDONESIA || amount.fract() == 0.0 || *amount >= LEAST)
}

/// What is known of the marks in a number.
#[derive(Clone, Copy, PartialEq)]
enum Marks {
    /// A dot groups thousands, a comma begins the decimals.
    Indonesian,
    /// Nothing.
    Unknown,
}

/// Strips `Rp`, `IDR`, `rupiah` and the closing `,-`; says whether the currency was named.
fn without_currency(text: &str) -> (&str, bool) {
    let bare = ["rp.", "rp", "idr"].iter().find_map(|sign| text.strip_prefix(sign)).unwrap_or(text);
    let bare = bare.trim();
    let bare = ["rupiah", "idr", "rp"].iter().find_map(|sign| bare.strip_suffix(sign)).unwrap_or(bare).trim();
    let whole = [",-", ".-", ",–", ",—"].iter().find_map(|end| bare.strip_suffix(end)).unwrap_or(bare);
    (whole, whole.len() != text.len())
}

/// Splits `1,5 jt` into the number and the zeros that its word stands for.
fn split_factor(text: &str) -> Option<(&str, u8)> {
    let at = text.find(char::is_alphabetic).unwrap_or(text.len());
    let zeros = match text[at..].trim_end_matches('.').trim() {
        "" => 0,
        "rb" | "ribu" | "k" => 3,
        "jt" | "juta" => 6,
        "miliar" | "milyar" => 9,
        _ => return None,
    };
    Some((&text[..at], zeros))
}

/// Digits with marks as a plain decimal number (`1500000.50`), if it is certain which one.
fn decimal(text: &str, marks: Marks) -> Option<String> {
    let of_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ' ' | '\u{a0}' | '\u{202f}');
    if !text.chars().all(of_number) || !text.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let (whole, decimals) = split_decimals(text, marks)?;
    let digits = ungroup(whole)?;
    decimals.bytes().all(|b| b.is_ascii_digit()).then(|| format!("{digits}.{decimals}"))
}

/// Splits at the decimal mark, when it is certain which mark that is.
fn split_decimals(text: &str, marks: Marks) -> Option<(&str, &str)> {
    let mark = text.rfind(['.', ',']);
    let Some(at) = mark else { return Some((text, "")) };
    let (whole, decimals) = (&text[..at], &text[at + 1..]);
    let same_before = whole.contains(&text[at..=at]);
    let other_before = whole.contains(if text.as_bytes()[at] == b'.' { ',' } else { '.' });
    let like_a_group = decimals.len() == 3;
    match () {
        // 1.500.000
        () if same_before && !other_before => Some((text, "")),
        // 1.500.000.00,0 and other riddles
        () if same_before => None,
        // 1.500.000,00
        () if other_before => Some((whole, decimals)),
        // Rp 1.500
        () if like_a_group && marks == Marks::Indonesian && text.as_bytes()[at] == b'.' => Some((text, "")),
        // 1.500, 1,500
        () if like_a_group => None,
        // 1,5 and 168724.00
        () => (!decimals.is_empty()).then_some((whole, decimals)),
    }
}

/// The digits of `1.500.000`, `1,500,000` or `1 500 000`; `None` unless all groups but the first have three.
fn ungroup(whole: &str) -> Option<String> {
    let mut groups = whole.split(['.', ',', ' ', '\u{a0}', '\u{202f}']);
    let mut marks = whole.chars().filter(|c| !c.is_ascii_digit());
    let first = groups.next().filter(|group| !group.is_empty())?;
    let rest = groups.collect::<Vec<_>>();
    let one_mark = marks.next().is_none_or(|first| marks.all(|mark| mark == first));
    let grouped = rest.is_empty() || first.len() <= 3 && one_mark && rest.iter().all(|group| group.len() == 3);
    grouped.then(|| std::iter::once(first).chain(rest).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn amounts_as_indonesians_write_them() {
        for (text, amount) in [
            ("Rp 1.500.000", 1_500_000.0),
            ("Rp1.500.000,-", 1_500_000.0),
            ("rp. 1.500", 1_500.0),
            ("1.500.000,00", 1_500_000.0),
            ("1.500.000", 1_500_000.0),
            ("IDR 5,000,000", 5_000_000.0),
            ("5.000.000 rupiah", 5_000_000.0),
            ("1,5 jt", 1_500_000.0),
            ("1,15jt", 1_150_000.0),
            ("1.5 juta", 1_500_000.0),
            ("1.500 juta", 1_500_000_000.0),
            ("2 juta", 2_000_000.0),
            ("Rp 2 Juta", 2_000_000.0),
            ("500rb", 500_000.0),
            ("500 ribu", 500_000.0),
            ("250K", 250_000.0),
            ("1,2 miliar", 1_200_000_000.0),
        ] {
            assert_eq!(parse(text), Some(amount), "{text:?}");
        }
    }

    #[test]
    fn amounts_as_software_writes_them() {
        for (text, amount) in [
            ("168724.00", 168_724.0),
            ("1500000", 1_500_000.0),
            ("1,500,000.50", 1_500_000.5),
            ("99.9", 99.9),
            ("0", 0.0),
            ("1 500 000", 1_500_000.0),
        ] {
            assert_eq!(parse(text), Some(amount), "{text:?}");
        }
    }

    #[test]
    fn what_is_not_one_certain_amount_is_none() {
        for text in [
            "",
            "-",
            "1.500",
            "1,500",
            "2-3 juta",
            "2 - 3 juta",
            "± 5 jt",
            "< 5jt",
            "> 10 juta",
            "5 juta per bulan",
            "di bawah 5 juta",
            "lima juta",
            "1M",
            "$1,500",
            "USD 1500",
            "-500",
            "1e6",
            "1.50.000",
            "1.500,000.00",
            "1.500.000.00,0",
            "12 3456",
            ".5",
            "5.",
            "NaN",
            "inf",
            "99999999999999999999",
            "9999999999 miliar",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
        assert_eq!(parse(&"9".repeat(100_000)), None);
    }

    #[test]
    fn what_cannot_be_meant_in_rupiah_is_no_answer_in_indonesia() {
        for text in ["1.5", "1,5", "99.90", "0,5", "Rp 1.5"] {
            assert_eq!(answered(text, Region::INDONESIA), None, "{text:?}");
            assert_eq!(answered(text, Region::parse("MY").unwrap()), parse(text), "{text:?}");
            assert!(parse(text).is_some(), "{text:?}");
        }
        for (text, amount) in [
            ("0", 0.0),
            ("15", 15.0),
            ("Rp 500", 500.0),
            ("1000.50", 1000.5),
            ("1,5 jt", 1.5e6),
            ("Rp 1.500", 1500.0),
            ("168724.00", 168_724.0),
        ] {
            assert_eq!(answered(text, Region::INDONESIA), Some(amount), "{text:?}");
        }
    }

    /// `1500000` as `1.500.000`.
    fn grouped(number: u64, mark: &str) -> String {
        let digits = number.to_string();
        let head = digits.len() % 3;
        let groups = digits.as_bytes()[head..].chunks(3).map(|group| String::from_utf8_lossy(group).into_owned());
        let first = (head > 0).then(|| digits[..head].to_owned());
        first.into_iter().chain(groups).collect::<Vec<_>>().join(mark)
    }

    proptest! {
        #[test]
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53, which is what is tested")]
        fn a_whole_amount_is_exact_in_every_spelling(number in 0u64..9_007_199_254_740_992) {
            let amount = Some(number as f64);
            prop_assert_eq!(parse(&number.to_string()), amount);
            prop_assert_eq!(parse(&format!("Rp {}", grouped(number, "."))), amount);
            prop_assert_eq!(parse(&format!("Rp {},00", grouped(number, "."))), amount);
        }

        #[test]
        fn any_text_is_an_amount_that_json_can_carry_or_none(text in "(rp|idr)? ?[0-9., -]{0,20}(jt|rb|juta|k)?|.{0,30}") {
            prop_assert!(parse(&text).is_none_or(|amount| (0.0..=MAX).contains(&amount)));
        }
    }
}
