//! The period that analytics look at: a preset in the workspace's time zone, or an own one.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use strum::{Display, EnumString, IntoStaticStr, VariantArray};
use utoipa::openapi::path::Parameter as Described;

use super::fields::Field;
use super::parameter::{Parameter, Reader, When};
use super::rule::{Datum, Rule};
use super::wire::Refusal;

/// A preset. Source: Agent API 2.2.0, "Values Reference".
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Display, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
enum Preset {
    Today,
    #[strum(serialize = "last_7_days")]
    Last7Days,
    #[default]
    #[strum(serialize = "last_30_days")]
    Last30Days,
    CurrentWeek,
    CurrentMonth,
    AllTime,
}

/// From an instant up to and without another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sandbox) struct Period {
    /// What it is called: a preset, or `custom` when the caller gave an end.
    pub(in crate::sandbox) timeframe: &'static str,
    pub(in crate::sandbox) from: Timestamp,
    pub(in crate::sandbox) to: Timestamp,
}

/// The name of a period that no preset is.
const CUSTOM: &str = "custom";

/// Which period a caller asks for, and for conversions of which platform.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::sandbox) struct Span {
    preset: Preset,
    from: Option<When>,
    to: Option<When>,
    pub(in crate::sandbox) platform: Option<Datum>,
}

const TIMEFRAME: Parameter<Preset> = Parameter {
    name: "timeframe",
    about: "A preset, cut in the workspace's time zone; weeks begin on Monday. `last_30_days` when nothing is said.",
    read: |text| Rule::one_of::<Preset>().text(text).map(|word| word.parse().expect("it is one of the words")),
    schema: || Rule::one_of::<Preset>().schema(),
};

const FROM: Parameter<When> = Parameter {
    name: "from",
    about: "Where the period begins instead. A time without an offset is the workspace's own.",
    read: When::read,
    schema: When::schema,
};

const TO: Parameter<When> = Parameter { name: "to", about: "Where it ends instead; not part of it.", ..FROM };

const PLATFORM: Parameter<Datum> = Parameter {
    name: "platform",
    about: "Only leads of this ad platform.",
    read: |text| Field::AdPlatform.rule().text(text).map(Datum::Text),
    schema: || Field::AdPlatform.rule().schema(),
};

impl Span {
    /// Reads a query string for analytics.
    pub(in crate::sandbox) fn read(query: &str) -> Result<Self, Refusal> {
        let mut reader = Reader::of(query);
        let span = Self::taken(&mut reader, None);
        reader.done(span)
    }

    /// Reads a query string for conversions, which may also name a platform.
    pub(in crate::sandbox) fn read_with_platform(query: &str) -> Result<Self, Refusal> {
        let mut reader = Reader::of(query);
        let platform = reader.take(&PLATFORM);
        let span = Self::taken(&mut reader, platform);
        reader.done(span)
    }

    fn taken(reader: &mut Reader, platform: Option<Datum>) -> Self {
        let preset = reader.take(&TIMEFRAME).unwrap_or_default();
        Self { preset, from: reader.take(&FROM), to: reader.take(&TO), platform }
    }

    /// The parameters of [`Span::read`].
    pub(in crate::sandbox) fn parameters() -> Vec<Described> {
        vec![TIMEFRAME.described(), FROM.described(), TO.described()]
    }

    /// The parameters of [`Span::read_with_platform`].
    pub(in crate::sandbox) fn parameters_with_platform() -> Vec<Described> {
        [Self::parameters(), vec![PLATFORM.described()]].concat()
    }

    /// The period at `now` on the clocks of `zone`. One end alone replaces that end of the preset.
    pub(in crate::sandbox) fn period(&self, now: Timestamp, zone: &TimeZone) -> Period {
        let preset = self.preset.period(now, zone);
        if self.from.is_none() && self.to.is_none() {
            return preset;
        }
        Period {
            timeframe: CUSTOM,
            from: self.from.map_or(preset.from, |from| from.instant(zone)),
            to: self.to.map_or(preset.to, |to| to.instant(zone)),
        }
    }
}

impl Preset {
    /// All of them end with today: whole days, as in the contract's example.
    fn period(self, now: Timestamp, zone: &TimeZone) -> Period {
        let today = zone.to_datetime(now).date();
        let days_since_monday = today.weekday().to_monday_zero_offset();
        let first = match self {
            Self::Today => Some(today),
            Self::Last7Days => Some(today.saturating_sub(6.days())),
            Self::Last30Days => Some(today.saturating_sub(29.days())),
            Self::CurrentWeek => Some(today.saturating_sub(days_since_monday.days())),
            Self::CurrentMonth => Some(today.first_of_month()),
            Self::AllTime => None,
        };
        let from = first.map_or(Timestamp::UNIX_EPOCH, |day| beginning(day, zone));
        Period { timeframe: self.into(), from, to: beginning(today.saturating_add(1.day()), zone) }
    }
}

/// The first instant of `day`.
pub(in crate::sandbox) fn beginning(day: Date, zone: &TimeZone) -> Timestamp {
    When::Local(day.at(0, 0, 0, 0)).instant(zone)
}

/// The first instant of the day that it is at `now`.
pub(in crate::sandbox) fn midnight(now: Timestamp, zone: &TimeZone) -> Timestamp {
    beginning(zone.to_datetime(now).date(), zone)
}

/// The first instant of the next month.
pub(in crate::sandbox) fn next_month(now: Timestamp, zone: &TimeZone) -> Timestamp {
    beginning(zone.to_datetime(now).date().first_of_month().saturating_add(1.month()), zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone() -> TimeZone {
        TimeZone::get("Asia/Jakarta").unwrap()
    }

    /// The ends of what `query` asks for, on the clocks of Jakarta.
    fn ends(query: &str, now: &str) -> (String, String) {
        let period = Span::read(query).unwrap().period(now.parse().unwrap(), &zone());
        let local = |at: Timestamp| zone().to_datetime(at).to_string();
        (local(period.from), local(period.to))
    }

    #[test]
    fn presets_are_whole_days_of_the_workspace_that_end_with_today() {
        // Tuesday, half past midnight in Jakarta; still Monday in London.
        let now = "2026-11-23T17:30:00Z";
        for (timeframe, from) in [
            ("today", "2026-11-24T00:00:00"),
            ("last_7_days", "2026-11-18T00:00:00"),
            ("last_30_days", "2026-10-26T00:00:00"),
            ("current_week", "2026-11-23T00:00:00"),
            ("current_month", "2026-11-01T00:00:00"),
            ("all_time", "1970-01-01T07:00:00"),
        ] {
            let expected = (from.to_owned(), "2026-11-25T00:00:00".to_owned());
            assert_eq!(ends(&format!("timeframe={timeframe}"), now), expected, "{timeframe}");
        }
        assert_eq!(ends("", now), ends("timeframe=last_30_days", now));
    }

    #[test]
    fn a_week_begins_on_monday_whatever_the_day() {
        for (day, monday) in [("22", "16"), ("23", "23"), ("24", "23"), ("29", "23"), ("30", "30")] {
            let (from, _) = ends("timeframe=current_week", &format!("2026-11-{day}T05:00:00Z"));
            assert_eq!(from, format!("2026-11-{monday}T00:00:00"), "{day}");
        }
    }

    #[test]
    fn own_ends_override_the_preset_one_by_one() {
        let now = "2026-11-24T05:00:00Z";
        let both = ends("timeframe=today&from=2026-11-01&to=2026-11-02T12:00:00%2B07:00", now);
        assert_eq!(both, ("2026-11-01T00:00:00".to_owned(), "2026-11-02T12:00:00".to_owned()));
        let from = ends("timeframe=today&from=2026-11-01T00:00:00Z", now);
        assert_eq!(from, ("2026-11-01T07:00:00".to_owned(), "2026-11-25T00:00:00".to_owned()));
        let to = ends("timeframe=last_7_days&to=2026-11-20", now);
        assert_eq!(to, ("2026-11-18T00:00:00".to_owned(), "2026-11-20T00:00:00".to_owned()));
        let custom = Span::read("from=2026-11-01").unwrap().period(now.parse().unwrap(), &zone());
        assert_eq!(custom.timeframe, "custom");
    }

    #[test]
    fn months_and_days_begin_at_the_workspaces_midnight() {
        let now = "2026-12-31T18:00:00Z".parse().unwrap();
        assert_eq!(midnight(now, &zone()).to_string(), "2026-12-31T17:00:00Z");
        assert_eq!(next_month(now, &zone()).to_string(), "2027-01-31T17:00:00Z");
    }

    #[test]
    fn wrong_parameters_are_named_and_a_platform_is_for_conversions_only() {
        let refused = |read: Result<Span, Refusal>| match read {
            Err(Refusal::Invalid(details)) => details.into_keys().collect::<Vec<_>>(),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(Span::read("timeframe=week&from=x&to=y")), ["from", "timeframe", "to"]);
        assert_eq!(refused(Span::read_with_platform("platform=myspace")), ["platform"]);
        assert!(Span::read("platform=myspace").is_ok());
    }
}
