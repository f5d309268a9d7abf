//! Amounts and times as the people of a workspace write them.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::konektor::wire::{Money, Workspace};

/// How a workspace writes. Where it does not say, or says what we do not know: no currency, English marks, UTC.
#[derive(Debug, Clone)]
pub(super) struct Locale {
    currency: Option<String>,
    indonesian: bool,
    zone: TimeZone,
    date: String,
}

impl Locale {
    /// That of `workspace`.
    pub(super) fn of(workspace: &Workspace) -> Self {
        let zone = workspace.timezone.as_deref().and_then(|name| TimeZone::get(name).ok());
        let date = workspace.date_format.as_deref().and_then(date_pattern);
        Self {
            currency: workspace.currency.clone().filter(|code| !code.is_empty()),
            indonesian: workspace.language.as_deref().is_some_and(|language| language.starts_with("id")),
            zone: zone.unwrap_or(TimeZone::UTC),
            date: date.unwrap_or_else(|| "%Y-%m-%d".to_owned()),
        }
    }

    /// What it calls its time zone.
    pub(super) fn zone(&self) -> &str {
        self.zone.iana_name().unwrap_or("UTC")
    }

    /// `Rp 5.000.000`, `USD 1,250.50`. No digit is rounded away; an amount with an exponent is left as it is.
    pub(super) fn money(&self, amount: &Money) -> String {
        let number = self.grouped(amount.as_str());
        match self.currency.as_deref() {
            Some("IDR") => format!("Rp {number}"),
            Some(code) => format!("{code} {number}"),
            None => number,
        }
    }

    /// `12.345`.
    pub(super) fn count(&self, count: u64) -> String {
        self.grouped(&count.to_string())
    }

    /// `15/01/2025 17:30`, in the workspace's time zone.
    pub(super) fn time(&self, at: Timestamp) -> String {
        self.zone.to_datetime(at).strftime(&format!("{} %H:%M", self.date)).to_string()
    }

    fn grouped(&self, digits: &str) -> String {
        let (thousands, decimal) = if self.indonesian { ('.', ',') } else { (',', '.') };
        let (sign, rest) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
        if !format!("{whole}{fraction}").bytes().all(|digit| digit.is_ascii_digit()) {
            return digits.to_owned();
        }
        let mut out = sign.to_owned();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                out.push(thousands);
            }
            out.push(digit);
        }
        let fraction = fraction.trim_end_matches('0');
        if !fraction.is_empty() {
            // Cents have two digits.
            out = format!("{out}{decimal}{fraction:0<2}");
        }
        out
    }
}

/// `DD/MM/YYYY` as `%d/%m/%Y`; `None` for anything with other letters in it.
fn date_pattern(format: &str) -> Option<String> {
    let pattern = format.replace("YYYY", "%Y").replace("MM", "%m").replace("DD", "%d");
    let rest = ["%Y", "%m", "%d"].iter().try_fold(pattern.clone(), |rest, part| {
        (rest.matches(part).count() == 1).then(|| rest.replacen(part, "", 1))
    })?;
    rest.chars().all(|mark| matches!(mark, '/' | '-' | '.' | ' ')).then_some(pattern)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locale(currency: &str, language: &str, date_format: &str) -> Locale {
        Locale::of(&Workspace {
            currency: Some(currency.into()),
            language: Some(language.into()),
            timezone: Some("Asia/Jakarta".into()),
            date_format: Some(date_format.into()),
            ..Workspace::default()
        })
    }

    #[test]
    fn an_amount_is_written_in_the_currency_and_the_language() {
        let written = |locale: &Locale, digits: &str| locale.money(&digits.parse().unwrap());
        let rupiah = locale("IDR", "id", "DD/MM/YYYY");
        for (digits, expected) in [
            ("5000000", "Rp 5.000.000"),
            ("0", "Rp 0"),
            ("999", "Rp 999"),
            ("1000", "Rp 1.000"),
            ("-2500.5", "Rp -2.500,50"),
            ("5000000.00", "Rp 5.000.000"),
            ("9007199254740993.125", "Rp 9.007.199.254.740.993,125"),
            ("1e21", "Rp 1e21"),
        ] {
            assert_eq!(written(&rupiah, digits), expected);
        }
        assert_eq!(written(&locale("USD", "en", ""), "1250.5"), "USD 1,250.50");
        assert_eq!(written(&Locale::of(&Workspace::default()), "1250"), "1,250");
    }

    #[test]
    fn a_time_is_written_where_the_workspace_is_and_as_it_writes_dates() {
        let at = "2025-01-15T18:30:00Z".parse().unwrap();
        assert_eq!(locale("IDR", "id", "DD/MM/YYYY").time(at), "16/01/2025 01:30");
        assert_eq!(locale("IDR", "id", "MM-DD-YYYY").time(at), "01-16-2025 01:30");
        for unknown in ["", "D MMM YYYY", "DD/MM/DD", "%H"] {
            assert_eq!(locale("IDR", "id", unknown).time(at), "2025-01-16 01:30", "{unknown}");
        }
        let nowhere = Locale::of(&Workspace { timezone: Some("Mars/Olympus".into()), ..Workspace::default() });
        assert_eq!((nowhere.time(at).as_str(), nowhere.zone()), ("2025-01-15 18:30", "UTC"));
    }
}
