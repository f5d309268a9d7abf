//! What an event holds, as a person reads it: JSON indented, and of what is long the beginning.

use std::io::{self, Write as _};

use serde_json::value::RawValue;

use super::output::{Out, Tone, printable};
use crate::ops::wire::Payload;

/// So many lines and characters are shown where nobody asks for the whole of it: some three screens.
const LINES: usize = 120;
const CHARACTERS: usize = 8000;

/// Bytes of JSON that are laid out then: more than is shown, whatever letters it is of. Of megabytes of brackets, each would become a
/// line.
const LAID_OUT: usize = 4 * CHARACTERS + 1;

/// How far JSON that lies deeper is set in; nothing is read there, and the spaces would be more than what they stand before.
const DEEPEST: usize = 40;

/// Prints `payload`; all of it where that is wanted.
pub(super) fn print(payload: &Payload, whole: bool, out: &mut Out) -> io::Result<()> {
    let faint = Tone::Faint.style();
    let (kind, text) = match payload {
        Payload::Text(text) => ("PAYLOAD", text),
        Payload::Base64(text) => ("PAYLOAD (base64)", text),
    };
    writeln!(out, "\n{faint}{kind}{faint:#}")?;
    let most = if whole { usize::MAX } else { LAID_OUT };
    let laid_out = serde_json::from_str::<&RawValue>(text).map_or_else(|_| text.clone(), |json| indented(json, most));
    let laid_out = printable(&laid_out);
    let shown = if whole { &laid_out } else { beginning(&laid_out) };
    writeln!(out, "{shown}")?;
    if shown.len() < laid_out.len() {
        let bytes = text.len();
        writeln!(out, "{faint}… of {bytes} bytes in all: --whole shows them, --json all as it came{faint:#}")?;
    }
    Ok(())
}

/// What of a text a person is shown first.
fn beginning(text: &str) -> &str {
    let lines = text.match_indices('\n').nth(LINES - 1).map_or(text.len(), |(at, _)| at);
    let characters = text.char_indices().nth(CHARACTERS).map_or(text.len(), |(at, _)| at);
    &text[..lines.min(characters)]
}

/// JSON with a line for each value. Its letters stay the sender's: read into values and written again, a number could be
/// another and a name that comes twice come once. It ends soon after `most` bytes.
fn indented(json: &RawValue, most: usize) -> String {
    let (mut text, mut depth, mut in_string, mut escaped) = (String::new(), 0_usize, false, false);
    let line = |text: &mut String, depth: usize| {
        text.push('\n');
        text.extend(std::iter::repeat_n("  ", depth.min(DEEPEST)));
    };
    let mut letters = json.get().chars().peekable();
    while let Some(letter) = letters.next().filter(|_| text.len() < most) {
        match letter {
            _ if in_string => {
                text.push(letter);
                in_string = escaped || letter != '"';
                escaped = letter == '\\' && !escaped;
            }
            ' ' | '\t' | '\r' | '\n' => {}
            '{' | '[' => {
                text.push(letter);
                depth += 1;
                while letters.next_if(char::is_ascii_whitespace).is_some() {}
                if !letters.peek().is_some_and(|next| matches!(next, '}' | ']')) {
                    line(&mut text, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                if !text.ends_with(['{', '[']) {
                    line(&mut text, depth);
                }
                text.push(letter);
            }
            ',' => {
                text.push(letter);
                line(&mut text, depth);
            }
            ':' => text.push_str(": "),
            _ => {
                text.push(letter);
                in_string = letter == '"';
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> String {
        indented(serde_json::from_str(json).unwrap(), usize::MAX)
    }

    #[test]
    fn json_is_indented_as_everywhere() {
        for json in [
            r#"{"a":[1,{"b":"x, {\"y\": [] \\"}],"c":{},"d":[],"e":{"f":null}}"#,
            "[]",
            r#""\\""#,
            "7",
            r#"[[],[[]],{"":[]}]"#,
        ] {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            let usual = serde_json::to_string_pretty(&value).unwrap();
            assert_eq!((of(json), of(&usual)), (usual.clone(), usual));
        }
    }

    #[test]
    fn its_letters_stay_the_senders() {
        assert_eq!(of(r#"{"a":1e999,"a":12.50}"#), "{\n  \"a\": 1e999,\n  \"a\": 12.50\n}");
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert!(of(&deep).len() < 5000 * 2 * (2 * DEEPEST + 2));
        assert!(indented(serde_json::from_str(&deep).unwrap(), 100).len() < 200, "nobody asks for more");
    }

    #[test]
    fn of_a_payload_so_much_is_shown_as_a_person_reads() {
        assert_eq!(beginning("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
        assert_eq!(beginning(&"ä".repeat(CHARACTERS + 1)), "ä".repeat(CHARACTERS));
        let lines = |count| vec!["a"; count].join("\n");
        assert_eq!(beginning(&lines(LINES)), lines(LINES));
        assert_eq!(beginning(&lines(LINES + 1)), lines(LINES));
    }
}
