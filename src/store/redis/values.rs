//! Our values as Redis keeps them, and what it answers as ours.

use jiff::Timestamp;
use redis::Value;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Something is in Redis that this program never writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what Redis holds cannot be read: {0}")]
pub(super) struct Strange(pub(super) &'static str);

/// Nanoseconds since 1970. Times after 2262 become the last one that fits.
pub(super) fn nanos(time: Timestamp) -> i64 {
    i64::try_from(time.as_nanosecond()).unwrap_or(i64::MAX)
}

/// A time that [`nanos`] wrote.
pub(super) fn time(nanos: i64) -> Timestamp {
    Timestamp::from_nanosecond(i128::from(nanos)).expect("64 bits of nanoseconds are in range")
}

/// The hour since 1970 of a time: what may be forgotten is put down by it.
pub(super) fn hour(time: Timestamp) -> i64 {
    time.as_second() / 3600
}

/// A count as Lua takes it.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Packs plain values.
pub(super) fn pack<T: Serialize>(value: &T, into: Vec<u8>) -> Vec<u8> {
    postcard::to_extend(value, into).expect("our own plain types can be packed")
}

/// Unpacks them; gives what follows, too.
pub(super) fn unpack<'a, T: DeserializeOwned>(from: &'a [u8], what: &'static str) -> Result<(T, &'a [u8]), Strange> {
    postcard::take_from_bytes(from).map_err(|_| Strange(what))
}

/// A name given by others. Most are UUIDs, which take half the room.
#[derive(Serialize, Deserialize)]
pub(super) enum Text {
    Any(String),
    Uuid([u8; 16]),
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        match uuid::Uuid::try_parse(text) {
            Ok(uuid) if uuid.hyphenated().to_string() == text => Self::Uuid(*uuid.as_bytes()),
            Ok(_) | Err(_) => Self::Any(text.to_owned()),
        }
    }
}

impl From<Text> for String {
    fn from(text: Text) -> Self {
        match text {
            Text::Any(text) => text,
            Text::Uuid(bytes) => uuid::Uuid::from_bytes(bytes).hyphenated().to_string(),
        }
    }
}

/// A name and a value.
pub(super) type Pair = (Vec<u8>, Vec<u8>);

/// A part of an answer.
#[derive(Debug)]
pub(super) struct Reply(pub(super) Value);

impl Reply {
    pub(super) fn is_nothing(&self) -> bool {
        matches!(self.0, Value::Nil)
    }

    pub(super) fn list(self) -> Result<std::vec::IntoIter<Self>, Strange> {
        match self.0 {
            Value::Array(parts) => Ok(parts.into_iter().map(Self).collect::<Vec<_>>().into_iter()),
            _ => Err(Strange("a list")),
        }
    }

    pub(super) fn bytes(self) -> Result<Vec<u8>, Strange> {
        match self.0 {
            Value::BulkString(bytes) => Ok(bytes),
            _ => Err(Strange("bytes")),
        }
    }

    pub(super) fn maybe_bytes(self) -> Result<Option<Vec<u8>>, Strange> {
        if self.is_nothing() { Ok(None) } else { self.bytes().map(Some) }
    }

    pub(super) fn text(self) -> Result<String, Strange> {
        String::from_utf8(self.bytes()?).map_err(|_| Strange("a text"))
    }

    pub(super) fn maybe_text(self) -> Result<Option<String>, Strange> {
        if self.is_nothing() { Ok(None) } else { self.text().map(Some) }
    }

    /// A number, however it is written.
    pub(super) fn number<T: TryFrom<i64>>(self) -> Result<T, Strange> {
        let number = match self.0 {
            Value::Int(number) => number,
            Value::BulkString(text) => parse(&text)?,
            Value::Nil => 0,
            _ => return Err(Strange("a number")),
        };
        T::try_from(number).map_err(|_| Strange("a number"))
    }

    /// A hash: names and values in turn.
    pub(super) fn pairs(self) -> Result<Vec<Pair>, Strange> {
        let mut parts = self.list()?;
        let mut pairs = Vec::new();
        while let Some(name) = parts.next() {
            pairs.push((name.bytes()?, next(&mut parts)?.bytes()?));
        }
        Ok(pairs)
    }
}

/// The next part of a list.
pub(super) fn next(parts: &mut impl Iterator<Item = Reply>) -> Result<Reply, Strange> {
    parts.next().ok_or(Strange("a longer list"))
}

/// A number in digits.
pub(super) fn parse<T: std::str::FromStr>(text: &[u8]) -> Result<T, Strange> {
    std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()).ok_or(Strange("a number in digits"))
}
