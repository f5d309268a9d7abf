//! The country whose way of writing phone numbers is assumed where a number does not say its own.

use rlibphonenumber::PHONE_NUMBER_UTIL;

/// A region with a telephone numbering plan, by its two ISO 3166-1 letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct Region(rlibphonenumber::Region);

/// Not the letters of a region that has phone numbers of its own.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a region is two letters of ISO 3166-1 such as ID, MY or GB, of a country with phone numbers of its own")]
pub struct BadRegion;

impl Region {
    /// Indonesia: the default, and the one region with rules of our own.
    pub const INDONESIA: Self = Self(rlibphonenumber::Region::ID);

    /// Reads two letters, in either case.
    ///
    /// Other regions than Indonesia are looked up in the numbering plans, which brings those (about 5 MB) into memory.
    ///
    /// # Errors
    /// [`BadRegion`] when no numbering plan has this name (`UK` is `GB`).
    pub fn parse(text: &str) -> Result<Self, BadRegion> {
        let region = text.trim().parse().map_err(|_| BadRegion)?;
        if region == Self::INDONESIA.0 || PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some() {
            Ok(Self(region))
        } else {
            Err(BadRegion)
        }
    }

    pub(super) fn plan(self) -> rlibphonenumber::Region {
        self.0
    }
}

impl Default for Region {
    fn default() -> Self {
        Self::INDONESIA
    }
}

impl TryFrom<String> for Region {
    type Error = BadRegion;

    fn try_from(text: String) -> Result<Self, BadRegion> {
        Self::parse(&text)
    }
}

impl std::str::FromStr for Region {
    type Err = BadRegion;

    fn from_str(text: &str) -> Result<Self, BadRegion> {
        Self::parse(text)
    }
}

impl std::fmt::Display for Region {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_one_that_has_phone_numbers() {
        assert_eq!(Region::parse("id"), Ok(Region::INDONESIA));
        assert_eq!(Region::parse(" GB ").unwrap().to_string(), "GB");
        for bad in ["", "UK", "XX", "IDN", "6", "🇮🇩", "AQ"] {
            assert_eq!(Region::parse(bad), Err(BadRegion), "{bad:?}");
        }
    }

    #[test]
    fn rules_refuse_an_unknown_region() {
        assert!(serde_json::from_str::<Region>("\"ZZ\"").is_err());
        assert!(serde_json::from_str::<Region>("\"my\"").is_ok());
    }
}
