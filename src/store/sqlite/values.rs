//! Our values as SQLite's, and back.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::types::{FromSqlError, Type, ValueRef};
use rusqlite::{Error, Row};
use strum::VariantArray;

use crate::domain::event::{EventId, SourceName};
use crate::store::{Attempt, EventState};

/// Nanoseconds since 1970. Times after 2262 become the last one that fits.
pub(super) fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// A time that [`nanos`] wrote.
pub(super) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).expect("64 bits of nanoseconds are in range")
}

/// A count or place. SQLite's integers end at 2^63, which none of ours reaches but "everything" (`u64::MAX`).
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A count that [`int`] wrote.
pub(super) fn count(int: i64) -> u64 {
    u64::try_from(int).unwrap_or(0)
}

/// A small count.
pub(super) fn small(int: i64) -> u32 {
    u32::try_from(int).unwrap_or(0)
}

pub(super) fn time_at(row: &Row<'_>, column: usize) -> Result<Timestamp, Error> {
    row.get(column).map(time)
}

pub(super) fn maybe_time_at(row: &Row<'_>, column: usize) -> Result<Option<Timestamp>, Error> {
    Ok(row.get::<_, Option<i64>>(column)?.map(time))
}

pub(super) fn count_at(row: &Row<'_>, column: usize) -> Result<u64, Error> {
    row.get(column).map(count)
}

pub(super) fn source_at(row: &Row<'_>, column: usize) -> Result<SourceName, Error> {
    let text = row.get_ref(column)?.as_str()?;
    SourceName::parse(text).map_err(|error| strange(column, error))
}

pub(super) fn id_at(row: &Row<'_>, column: usize) -> Result<EventId, Error> {
    row.get(column).map(EventId::from_bytes)
}

pub(super) fn state_at(row: &Row<'_>, column: usize) -> Result<EventState, Error> {
    let index: i64 = row.get(column)?;
    let state = usize::try_from(index).ok().and_then(|index| EventState::VARIANTS.get(index));
    state.copied().ok_or_else(|| strange(column, FromSqlError::OutOfRange(index)))
}

/// JSON in a text column.
pub(super) fn json_at<T: serde::de::DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, Error> {
    serde_json::from_str(row.get_ref(column)?.as_str()?).map_err(|error| strange(column, error))
}

/// A lane's log; empty where none was ever written.
pub(super) fn log_at(row: &Row<'_>, column: usize) -> Result<Vec<Attempt>, Error> {
    if row.get_ref(column)? == ValueRef::Null { Ok(Vec::new()) } else { json_at(row, column) }
}

/// JSON for a text column.
pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("our own plain types have a JSON form")
}

/// The column holds what we never write.
pub(super) fn strange(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

/// How long SQLite waits for somebody who looks into the file with other tools.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
