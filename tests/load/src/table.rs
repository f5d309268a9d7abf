//! What was measured, beside what it should be.

use std::fmt;

/// A table of measurements.
#[derive(Default)]
pub struct Table(Vec<Row>);

struct Row {
    what: String,
    measured: String,
    bar: String,
    held: Option<bool>,
}

impl Table {
    /// A number that should be `bar` or less.
    pub fn at_most(&mut self, what: impl Into<String>, measured: f64, bar: f64, unit: &str) {
        self.push(
            what.into(),
            format!("{} {unit}", short(measured)),
            format!("≤ {} {unit}", short(bar)),
            Some(measured <= bar),
        );
    }

    /// A number that should be `bar` or more.
    pub fn at_least(&mut self, what: impl Into<String>, measured: f64, bar: f64, unit: &str) {
        self.push(
            what.into(),
            format!("{} {unit}", short(measured)),
            format!("≥ {} {unit}", short(bar)),
            Some(measured >= bar),
        );
    }

    /// A count that has to be exactly this.
    pub fn exactly(&mut self, what: impl Into<String>, measured: u64, bar: u64) {
        self.push(what.into(), measured.to_string(), format!("= {bar}"), Some(measured == bar));
    }

    /// A number to read the others by.
    pub fn note(&mut self, what: impl Into<String>, measured: f64, unit: &str) {
        self.push(what.into(), format!("{} {unit}", short(measured)), String::new(), None);
    }

    /// True when every number is where it should be.
    pub fn all_held(&self) -> bool {
        self.0.iter().all(|row| row.held != Some(false))
    }

    fn push(&mut self, what: String, measured: String, bar: String, held: Option<bool>) {
        self.0.push(Row { what, measured, bar, held });
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width =
            |text: fn(&Row) -> &String| self.0.iter().map(|row| text(row).chars().count()).max().unwrap_or_default();
        let (what, measured, bar) = (width(|row| &row.what), width(|row| &row.measured), width(|row| &row.bar));
        self.0.iter().try_for_each(|row| {
            let verdict = match row.held {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            };
            writeln!(f, "{:<what$}  {:>measured$}  {:<bar$}  {verdict}", row.what, row.measured, row.bar)
        })
    }
}

/// As many digits as are worth reading.
fn short(number: f64) -> String {
    match number.abs() {
        large if large >= 100.0 => format!("{number:.0}"),
        middle if middle >= 10.0 => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// The middle one of `numbers`.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
