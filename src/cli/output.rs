//! Where commands write: tables and colours on a terminal, plain text and JSON everywhere else.

use std::io::{self, Write};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Row, Table, Width};
use jiff::Timestamp;
use serde::Serialize;

/// Space between two columns.
const GAP: u16 = 2;
/// A column of a list that is cut shorter than this tells nothing.
const LEAST: u16 = 12;

/// Standard output. What is not a terminal (or has `NO_COLOR`) gets no colours.
pub(super) struct Out {
    stream: anstream::Stdout,
    colours: bool,
}

impl Out {
    pub(super) fn stdout() -> Self {
        let stream = anstream::stdout();
        let colours = stream.current_choice() != anstream::ColorChoice::Never;
        Self { stream, colours }
    }

    /// How many characters fit in a line, if this is a terminal.
    pub(super) fn width() -> Option<u16> {
        Table::new().width()
    }

    /// Writes `value` as JSON, indented, with a line end.
    pub(super) fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut *self, value)?;
        writeln!(self)
    }

    /// Writes `rows` under `header`, as wide as the terminal allows. The columns `whole` are never broken, so that what
    /// stands there can be copied; what does not fit in the others goes on below.
    pub(super) fn table<const N: usize>(
        &mut self,
        header: [&str; N],
        whole: &[usize],
        rows: impl IntoIterator<Item = [Text; N]>,
    ) -> io::Result<()> {
        self.write_table(header, whole, usize::MAX, rows)
    }

    /// The same with one line for each row: what does not fit is cut, and where too little of a column would be left,
    /// those on the right are left out.
    pub(super) fn list<const N: usize>(
        &mut self,
        header: [&str; N],
        whole: &[usize],
        rows: impl IntoIterator<Item = [Text; N]>,
    ) -> io::Result<()> {
        self.write_table(header, whole, 1, rows)
    }

    fn write_table<const N: usize>(
        &mut self,
        header: [&str; N],
        whole: &[usize],
        lines_each: usize,
        rows: impl IntoIterator<Item = [Text; N]>,
    ) -> io::Result<()> {
        let mut table = Table::new();
        table.load_style(NOTHING).set_truncation_indicator("…").set_content_arrangement(ContentArrangement::Dynamic);
        table.set_header(header.map(|word| self.cell(Text(word.to_uppercase(), Tone::Faint))));
        for row in rows {
            let mut row = Row::from(row.map(|text| self.cell(text)));
            row.max_height(lines_each);
            table.add_row(row);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, GAP));
            column.set_constraint(if whole.contains(&index) {
                ColumnConstraint::ContentWidth
            } else {
                ColumnConstraint::LowerBoundary(Width::Fixed(least(header[index], 0) + GAP))
            });
        }
        if lines_each == 1 {
            leave_out(&mut table, &header, whole);
        }
        for line in table.lines() {
            writeln!(self, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn cell(&self, Text(text, tone): Text) -> Cell {
        let cell = Cell::new(printable(&text));
        match tone.colour().filter(|_| self.colours) {
            Some(colour) => cell.fg(colour),
            None if self.colours && tone == Tone::Faint => cell.add_attribute(Attribute::Dim),
            None => cell,
        }
    }
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// How narrow a column may be: its header is not broken.
fn least(header: &str, otherwise: u16) -> u16 {
    u16::try_from(header.chars().count()).unwrap_or(u16::MAX).max(otherwise)
}

/// Leaves columns out, from the right, until those that are left fit into the line. Those in `whole` stay.
fn leave_out(table: &mut Table, header: &[&str], whole: &[usize]) {
    let Some(room) = table.width().map(usize::from) else { return };
    let least = |(index, content): (usize, u16)| {
        usize::from(GAP)
            + usize::from(if whole.contains(&index) { content } else { content.min(least(header[index], LEAST)) })
    };
    let needs: Vec<usize> = table.column_max_content_widths().into_iter().enumerate().map(least).collect();
    let mut needed: usize = needs.iter().sum();
    for index in (0..needs.len()).rev().filter(|index| !whole.contains(index)) {
        if needed <= room {
            return;
        }
        needed -= needs[index];
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
    }
}

/// What a cell says, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Text(pub(super) String, pub(super) Tone);

impl<T: ToString> From<T> for Text {
    fn from(text: T) -> Self {
        Self(text.to_string(), Tone::Plain)
    }
}

/// How something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tone {
    /// As it is.
    Plain,
    /// It went well.
    Good,
    /// It may not be meant.
    Doubtful,
    /// It did not go well.
    Bad,
    /// It matters less.
    Faint,
    /// It matters more.
    Strong,
}

impl Tone {
    /// For text outside of tables: `{style}text{style:#}`.
    pub(super) const fn style(self) -> Style {
        let plain = Style::new();
        match self {
            Self::Plain => plain,
            Self::Good => AnsiColor::Green.on_default(),
            Self::Doubtful => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default(),
            Self::Faint => plain.dimmed(),
            Self::Strong => plain.bold(),
        }
    }

    const fn colour(self) -> Option<Color> {
        match self {
            Self::Good => Some(Color::Green),
            Self::Doubtful => Some(Color::Yellow),
            Self::Bad => Some(Color::Red),
            Self::Plain | Self::Faint | Self::Strong => None,
        }
    }
}

/// `text` without what would steer a terminal: names and notes come from strangers.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

/// How long ago `then` was, in its largest unit: `12s`, `3m`, `5h`, `12d`.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(then).as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A time span as people say it: `0.4 ms`, `12 ms`, `1.3 s`.
pub(super) fn took(span: Duration) -> String {
    let millis = span.as_secs_f64() * 1000.0;
    // What would be rounded up to the next unit's first is told in that.
    match millis {
        ..9.95 => format!("{millis:.1} ms"),
        9.95..999.5 => format!("{millis:.0} ms"),
        _ => format!("{:.1} s", millis / 1000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        let then = Timestamp::UNIX_EPOCH;
        let after = |seconds| age(then, Timestamp::from_second(seconds).unwrap());
        assert_eq!([0, 59, 60, 3599, 3600, 86_399, 86_400].map(after), ["0s", "59s", "1m", "59m", "1h", "23h", "1d"]);
        assert_eq!(age(Timestamp::from_second(9).unwrap(), then), "0s", "a sender's clock may be ahead");
    }

    #[test]
    fn a_time_span_has_two_digits_that_matter() {
        let told = |micros| took(Duration::from_micros(micros));
        assert_eq!([420, 12_300, 1_340_000].map(told), ["0.4 ms", "12 ms", "1.3 s"]);
        assert_eq!([9_949, 9_950, 999_499, 999_500].map(told), ["9.9 ms", "10 ms", "999 ms", "1.0 s"]);
    }

    /// A list of one lead, on a terminal that is so wide.
    fn list(wide: u16) -> String {
        let header = ["lead", "name", "value"];
        let mut table = Table::new();
        table.load_style(NOTHING).set_content_arrangement(ContentArrangement::Dynamic).set_width(wide);
        table.set_header(header).add_row(["lead_abc123", "Siti Aminah Rahmawati", "Rp 500.000.000"]);
        for column in table.column_iter_mut() {
            column.set_padding((0, GAP));
        }
        leave_out(&mut table, &header, &[0]);
        table.lines().next().unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_narrow_terminal_gets_fewer_columns_and_none_that_tells_nothing() {
        assert_eq!(
            [80, 41, 40, 27, 26, 13].map(list),
            ["lead name value", "lead name value", "lead name", "lead name", "lead", "lead"]
        );
    }

    #[test]
    fn nothing_from_a_stranger_steers_the_terminal() {
        assert_eq!(printable("Siti\u{1b}[2J\r\nB\u{9b}"), "Siti\u{fffd}[2J\u{fffd}\nB\u{fffd}");
    }
}
