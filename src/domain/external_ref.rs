//! The caller's key of a lead: the one thing that must never change, or every lead is made a second time.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest reference that Konektor takes, in Unicode scalar values (Agent API 2.2.0, "Create Lead").
pub const MAX_LEN: usize = 150;

/// Konektor's `externalRef`: names one lead for ever, across retries, replays and roads of arrival.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ExternalRef(String);

impl ExternalRef {
    /// Builds `prefix + id`, or `prefix + "h:" + sha256(id)` in hex where the plain form would not be safe.
    ///
    /// Plain is safe when every character of `id` is one of `[A-Za-z0-9._:-]`, `id` does not itself begin with `h:`, and
    /// the whole is at most [`MAX_LEN`] long; so a plain id can never equal a hashed one. `prefix` is ours
    /// (`meta:leadgen:`) and must leave 66 characters of room.
    #[must_use]
    pub fn new(prefix: &str, id: &str) -> Self {
        debug_assert!(prefix.len() + 66 <= MAX_LEN, "a prefix leaves room for the hashed form");
        let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '-');
        let plain = id.chars().all(safe) && !id.starts_with("h:") && prefix.len() + id.len() <= MAX_LEN;
        if plain { Self(format!("{prefix}{id}")) } else { Self::hashed(prefix, id) }
    }

    /// Builds `prefix + "h:" + sha256(id)` in hex, for ids that must always be hashed.
    #[must_use]
    pub fn hashed(prefix: &str, id: &str) -> Self {
        Self(format!("{prefix}h:{}", hex::encode(Sha256::digest(id.as_bytes()))))
    }

    /// Takes back a reference that [`ExternalRef::new`] once built and the store kept.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// The reference as Konektor gets it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ExternalRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_plain_id_stays_readable() {
        assert_eq!(ExternalRef::new("meta:leadgen:", "987654321098765").as_str(), "meta:leadgen:987654321098765");
    }

    #[test]
    fn an_id_that_looks_hashed_is_hashed() {
        assert!(ExternalRef::new("google:lead:", "h:abc").as_str().starts_with("google:lead:h:"));
        assert_ne!(ExternalRef::new("google:lead:", "h:abc").as_str(), "google:lead:h:abc");
    }

    #[test]
    fn a_long_id_is_hashed_to_78_characters() {
        assert_eq!(ExternalRef::new("google:lead:", &"a".repeat(208)).as_str().len(), 78);
    }

    proptest! {
        #[test]
        fn every_reference_fits_konektor_and_different_ids_differ(a in ".{0,300}", b in ".{0,300}") {
            let (left, right) = (ExternalRef::new("form:shop:", &a), ExternalRef::new("form:shop:", &b));
            prop_assert!(left.as_str().chars().count() <= MAX_LEN && left.as_str().is_ascii());
            prop_assert_eq!(a == b, left == right);
        }
    }
}
