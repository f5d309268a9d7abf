//! Words of lists that grow: what we know is a value, what is newer than we are is kept as it was written.

use std::fmt::{self, Display};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use strum::{Display as Worded, EnumString, IntoStaticStr, VariantArray};

/// A word that Konektor wrote. A request takes the known values only (`T` itself), so an unknown word is never sent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Word<T> {
    /// One of the list as published.
    Known(T),
    /// One that is newer than this program.
    Other(String),
}

impl<T: Copy + Into<&'static str>> Word<T> {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Known(known) => (*known).into(),
            Self::Other(word) => word,
        }
    }
}

impl<T: FromStr> From<String> for Word<T> {
    fn from(word: String) -> Self {
        word.parse().map_or(Self::Other(word), Self::Known)
    }
}

impl<T: Copy + Into<&'static str>> Display for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de, T: FromStr> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        String::deserialize(json).map(Self::from)
    }
}

/// The time that a report is of (Agent API 2.2.0, "Values Reference"), cut in the workspace's time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Worded, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum Timeframe {
    /// Since midnight.
    Today,
    /// The last seven days.
    #[strum(serialize = "last_7_days")]
    Last7Days,
    /// The last thirty days: what a report is of when nothing is said.
    #[default]
    #[strum(serialize = "last_30_days")]
    Last30Days,
    /// Since the week began.
    CurrentWeek,
    /// Since the month began.
    CurrentMonth,
    /// Everything there is.
    AllTime,
}

/// How far a lead's conversion has come on its way to the ad platforms (Agent API 2.2.0, "Conversion Sync Status").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Worded, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum SyncStatus {
    /// Not sent yet.
    Pending,
    /// Every platform has it.
    Synced,
    /// Some platforms have it.
    Partial,
    /// No platform took it.
    Failed,
    /// There is nothing to send.
    None,
}

/// How urgent a ticket is. The published list is an unfilled template; `normal` and `high` stand in its examples, and
/// `low` and `urgent` are what such a list has besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Worded, EnumString, IntoStaticStr, VariantArray)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum TicketPriority {
    /// When somebody has time.
    Low,
    /// What a ticket is when nothing is said.
    #[default]
    Normal,
    /// Soon.
    High,
    /// Now.
    Urgent,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::status::Status;

    #[test]
    fn a_word_that_is_newer_than_we_are_is_kept_as_it_was_written() {
        let read = |word: &str| serde_json::from_str::<Word<Status>>(word).unwrap();
        assert_eq!(read(r#""won""#), Word::Known(Status::Won));
        assert_eq!(read(r#""Nurturing ☕""#), Word::Other("Nurturing ☕".into()));
        assert_eq!(read(r#""Nurturing ☕""#).to_string(), "Nurturing ☕");
        assert_eq!(read(r#""Won""#), Word::Other("Won".into()), "a word in other letters is another word");
    }

    #[test]
    fn a_timeframe_is_written_as_it_is_published() {
        let words: Vec<_> = Timeframe::VARIANTS.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["today", "last_7_days", "last_30_days", "current_week", "current_month", "all_time"]);
        assert!(words.iter().all(|word| word.parse::<Timeframe>().is_ok()));
    }
}
