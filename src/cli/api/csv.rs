//! Leads as CSV for spreadsheets: what Konektor wrote in each field, except for what a spreadsheet would execute.

use std::collections::HashMap;
use std::io::{self, Write};

use csv::{ErrorKind, Writer};
use serde_json::value::RawValue;

/// The fields, in the order in which the API documents them, and the reference, which it shows in no example.
const COLUMNS: [&str; 17] = [
    "id",
    "uniqueCode",
    "firstName",
    "lastName",
    "email",
    "phone",
    "status",
    "priority",
    "source",
    "adPlatform",
    "assignedTo",
    "estimatedValue",
    "actualValue",
    "notes",
    "createdAt",
    "updatedAt",
    "externalRef",
];

/// Writes leads, a row each, below a row of names.
pub(super) struct CsvLeads<W: Write> {
    rows: Writer<W>,
}

impl<W: Write> CsvLeads<W> {
    pub(super) fn over(out: W) -> io::Result<Self> {
        let mut rows = Writer::from_writer(out);
        rows.write_record(COLUMNS).map_err(failed)?;
        Ok(Self { rows })
    }

    /// Writes one lead from its JSON.
    pub(super) fn write(&mut self, lead: &RawValue) -> io::Result<()> {
        let fields: HashMap<&str, &RawValue> = serde_json::from_str(lead.get())?;
        for column in COLUMNS {
            let text = fields.get(column).map(|value| text(value)).unwrap_or_default();
            self.rows.write_field(harmless(&text).as_bytes()).map_err(failed)?;
        }
        self.rows.write_record(None::<&[u8]>).map_err(failed)
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.rows.into_inner().map_err(|error| io::Error::new(error.error().kind(), error.to_string()))
    }
}

/// The text of a string, nothing for null, and the JSON of everything else: a number keeps its digits.
fn text(value: &RawValue) -> String {
    match serde_json::from_str::<Option<String>>(value.get()) {
        Ok(text) => text.unwrap_or_default(),
        Err(_) => value.get().to_owned(),
    }
}

/// The text without what would steer a terminal, and with a `'` in front if a spreadsheet would take it for a formula.
///
/// A lead's name is typed by strangers, and `=HYPERLINK(…)` in it runs on the machine of whoever opens the file. So what
/// begins as a formula can is marked as text, in the way that spreadsheets themselves do it. What is only digits after
/// its sign, with at most one dot, computes nothing and stays: amounts, and phone numbers as Konektor keeps them
/// (`+6281200010002`). A number with hyphens (`+62-812-0001`) would be computed, so it is marked.
fn harmless(text: &str) -> String {
    let steers = |c: char| c.is_control() && !matches!(c, '\t' | '\r' | '\n');
    let text: String = text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect();
    let begins_a_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let is_number = |text: &str| {
        let digits = text.replacen('.', "", 1);
        !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit())
    };
    let signed = text.strip_prefix(['+', '-']);
    if begins_a_formula && !signed.is_some_and(is_number) { format!("'{text}") } else { text }
}

fn failed(error: csv::Error) -> io::Error {
    match error.into_kind() {
        ErrorKind::Io(error) => error,
        other => io::Error::other(format!("a row could not be written: {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(leads: &[&str]) -> String {
        let mut csv = CsvLeads::over(Vec::new()).unwrap();
        for lead in leads {
            csv.write(&RawValue::from_string((*lead).to_owned()).unwrap()).unwrap();
        }
        String::from_utf8(csv.finish().unwrap()).unwrap()
    }

    #[test]
    fn a_lead_is_a_row_with_its_own_digits() {
        let csv = written(&[
            r#"{"updatedAt":"2025-01-15T10:30:00.000Z","id":"lead_1","firstName":"Siti, \"Ibu\"","phone":"+6281200010002",
            "estimatedValue":5000000.10,"actualValue":null,"notes":"a\nb","moon":"full","assignedTo":{"x":1}}"#,
        ]);
        let (names, row) = csv.split_once('\n').unwrap();
        assert_eq!(names, COLUMNS.join(","));
        assert_eq!(
            row,
            "lead_1,,\"Siti, \"\"Ibu\"\"\",,,+6281200010002,,,,,\"{\"\"x\"\":1}\",5000000.10,,\"a\nb\",,\
             2025-01-15T10:30:00.000Z,\n"
        );
    }

    #[test]
    fn a_formula_is_marked_and_a_number_is_not() {
        for formula in [
            "=1+1",
            "=HYPERLINK(\"http://evil.example\")",
            "+1+1",
            "-1-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "\n=1",
            "＝1",
            "+",
            "-",
            "+62-812-0001-0002",
            "+62 812",
            "-1.2.3",
            "+1e5",
            "-.",
        ] {
            assert_eq!(harmless(formula), format!("'{formula}"));
        }
        for text in ["", "Siti", "+6281200010002", "-5.5", "-5", "0812", "siti@example.com", "a=b", "2026-11-20", "'x"]
        {
            assert_eq!(harmless(text), text);
        }
        assert_eq!(harmless("Siti\u{1b}[2J\u{9b}\na"), "Siti\u{fffd}[2J\u{fffd}\na");
    }

    proptest! {
        #[test]
        fn whatever_a_stranger_types_begins_no_formula(text in "[=+@\t-][ -~]{0,20}") {
            let out = harmless(&text);
            let computes = out.starts_with(['=', '+', '-', '@', '\t'])
                && !out[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
            prop_assert!(!computes, "{out:?}");
            let marked = format!("'{text}");
            prop_assert!(out == text || out == marked);
        }
    }
}
