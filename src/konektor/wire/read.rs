//! Readers that make the best of a value: one field that has changed must not cost the answer it stands in.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_json::value::RawValue;

/// Reads what can be read; anything else (a limit of `-1` or `"unlimited"`) is `None`.
pub(super) fn odd_is_none<'de, D: Deserializer<'de>, T: DeserializeOwned>(json: D) -> Result<Option<T>, D::Error> {
    Value::deserialize(json).map(|said| serde_json::from_value(said).ok())
}

/// A value together with the JSON that it was read from: nothing that Konektor says gets lost, known or not.
#[derive(Debug, Clone)]
pub struct Written<T> {
    /// What we read in it.
    pub read: T,
    /// What Konektor wrote, byte for byte.
    pub json: Box<RawValue>,
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Written<T> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        let json = Box::<RawValue>::deserialize(json)?;
        // Without its own words: they may repeat what stands there.
        let read = serde_json::from_str(json.get()).map_err(|_| D::Error::custom("not what was expected"))?;
        Ok(Self { read, json })
    }
}
