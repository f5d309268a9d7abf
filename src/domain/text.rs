//! Text as people and senders leave it: invisible characters, odd spaces, foreign digits, too much of it.

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// True for characters that nobody sees and that can make one text look like another: controls, bidi marks and overrides,
/// zero-width spaces, soft hyphens. The joiners of emoji and of Indic and Persian names (U+200C, U+200D) are not among them.
pub(super) fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}')
}

/// One tidy line: NFC, nothing invisible, every run of white space a single space, none at the ends.
pub(super) fn one_line(text: &str) -> String {
    visible(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tidy lines: NFC, nothing invisible, no blank lines, no white space at the ends of a line.
pub(super) fn lines(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace(['\r', '\u{2028}', '\u{2029}', '\u{b}', '\u{c}', '\u{85}'], "\n");
    visible(&text).lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// The text in NFC without what nobody sees, but with all its white space. In this order: what nobody sees may stand between marks
/// whose order NFC decides.
fn visible(text: &str) -> String {
    let is_kept = |c: &char| c.is_whitespace() || !is_invisible(*c);
    if text.is_ascii() { text.chars().filter(is_kept).collect() } else { text.chars().filter(is_kept).nfc().collect() }
}

/// The beginning of `text`, at most `max` Unicode scalar values (Konektor's unit of length) and no grapheme cut in two.
pub(super) fn cut(text: &str, max: usize) -> &str {
    let mut room = max;
    let mut end = 0;
    for grapheme in text.graphemes(true) {
        let Some(left) = room.checked_sub(grapheme.chars().count()) else { break };
        room = left;
        end += grapheme.len();
    }
    let one_huge_grapheme = end == 0;
    if one_huge_grapheme {
        text.char_indices().nth(max).map_or(text, |(at, _)| &text[..at])
    } else {
        text[..end].trim_end()
    }
}

/// [`cut`], but what was shortened ends in `…`, which counts.
pub(super) fn cut_visibly(text: &str, max: usize) -> String {
    if text.chars().nth(max).is_none() { text.to_owned() } else { format!("{}…", cut(text, max.saturating_sub(1))) }
}

/// The ASCII form of a decimal digit of the scripts that a keyboard in our markets can produce.
pub(super) fn ascii_digit(c: char) -> Option<char> {
    // The zeros of: ASCII, Arabic-Indic, Eastern Arabic, Devanagari, Bengali, Thai, Burmese, Khmer, Javanese, Balinese, full width.
    const ZEROS: [u32; 11] = [0x30, 0x660, 0x6f0, 0x966, 0x9e6, 0xe50, 0x1040, 0x17e0, 0xa9d0, 0x1b50, 0xff10];
    let code = u32::from(c);
    ZEROS.iter().find_map(|zero| char::from_digit(code.checked_sub(*zero).filter(|value| *value < 10)?, 10))
}

/// True when `word` is one of a list written as `one, two, three`: what the tables of words are written as.
pub(super) fn is_among(list: &str, word: &str) -> bool {
    list.split(", ").any(|listed| listed == word)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_loses_what_nobody_sees_and_keeps_emoji() {
        assert_eq!(one_line(" \u{202e}Siti\u{a0}\t \u{200b}Aminah \u{feff}"), "Siti Aminah");
        assert_eq!(one_line("cafe\u{301} 👨\u{200d}👩\u{200d}👧"), "café 👨\u{200d}👩\u{200d}👧");
    }

    #[test]
    fn marks_with_something_unseen_between_them_are_put_in_order_at_once() {
        let once = one_line("a\u{35d}\u{3}\u{366}b");
        assert_eq!((one_line(&once), once.as_str()), (once.clone(), "a\u{366}\u{35d}b"));
    }

    #[test]
    fn lines_stay_lines_but_blank_ones_go() {
        assert_eq!(lines("a\r\n\r\n  b \rc\u{2028}d\u{0}"), "a\nb\nc\nd");
    }

    #[test]
    fn a_cut_leaves_no_half_of_what_a_reader_sees_as_one() {
        assert_eq!(cut("ab👨\u{200d}👩\u{200d}👧c", 4), "ab");
        assert_eq!(cut("ab", 4), "ab");
        assert_eq!(cut("a\u{301}\u{301}\u{301}\u{301}", 2), "a\u{301}");
        assert_eq!(cut_visibly("abcdef", 4), "abc…");
        assert_eq!(cut_visibly("abcd", 4), "abcd");
    }

    #[test]
    fn a_digit_of_another_script_is_a_digit() {
        assert_eq!(
            "٠۹０９੩".chars().map(ascii_digit).collect::<Vec<_>>(),
            [Some('0'), Some('9'), Some('0'), Some('9'), None]
        );
    }

    proptest! {
        #[test]
        fn a_cut_is_a_beginning_that_fits(text in ".{0,80}", max in 1usize..40) {
            prop_assert!(text.starts_with(cut(&text, max)));
            prop_assert!(cut(&text, max).chars().count() <= max);
            prop_assert!(cut_visibly(&text, max).chars().count() <= max);
        }

        #[test]
        fn tidying_twice_changes_nothing(text in "\\PC{0,40}[\\r\\n\\t ]{0,3}\\PC{0,40}") {
            prop_assert_eq!(one_line(&one_line(&text)), one_line(&text));
            prop_assert_eq!(lines(&lines(&text)), lines(&text));
        }
    }
}
