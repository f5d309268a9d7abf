//! How the codes look that Konektor puts into a customer's message, so that the lead that it already has is found.

use std::fmt;
use std::sync::Arc;

use regex_lite::{Regex, RegexBuilder};
use serde::{Deserialize, Deserializer};

use crate::domain::submission::{Answer, Meaning};

/// The longest code that Konektor takes (Agent API 2.2.0, "Create Lead").
const MAX_CODE: usize = 100;
/// What of an answer is looked through: the rotator writes the code into the first lines.
const LOOK_AT: usize = 10_000;
/// A compiled pattern's size in bytes, and with it the work for each character.
const MAX_PATTERN: usize = 64 << 10;

/// A pattern of codes: the first group of it is the code, or all of it where it has none.
#[derive(Clone)]
pub struct CodePattern(Arc<Regex>);

impl CodePattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let regex = RegexBuilder::new(text).size_limit(MAX_PATTERN).build();
        let regex = regex.map_err(|error| format!("this is no pattern: {error}"))?;
        // It would find a code in every message.
        let matches_all = regex.is_match("") || regex.is_match("halo") || regex.is_match("12");
        match () {
            () if matches_all => Err("this pattern finds a code where there is none, as in `halo` or `12`; \
                                      write what a code begins with, as in `KNK-[0-9A-Z]{3,12}`"
                .to_owned()),
            () if regex.captures_len() > 2 => Err("a pattern has one group at most, which is the code; write `(?:…)` \
                                                   for groups of another kind"
                .to_owned()),
            () => Ok(Self(Arc::new(regex))),
        }
    }

    /// The first code in the answers of a person.
    pub(super) fn find<'a>(&self, answers: impl Iterator<Item = (&'a Answer, Option<Meaning>)>) -> Option<String> {
        answers.filter(|(_, meaning)| *meaning != Some(Meaning::Drop)).find_map(|(answer, _)| self.code(&answer.value))
    }

    fn code(&self, text: &str) -> Option<String> {
        let text = &text[..text.floor_char_boundary(LOOK_AT)];
        let found =
            self.0.captures_iter(text).filter_map(|found| Some(found.get(1).or_else(|| found.get(0))?.as_str()));
        found.filter_map(code).next()
    }
}

/// A code as Konektor issues them: one word of visible ASCII.
pub(in crate::domain) fn code(text: &str) -> Option<String> {
    let code = text.trim();
    let is_code = (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_graphic());
    is_code.then(|| code.to_owned())
}

impl PartialEq for CodePattern {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl fmt::Debug for CodePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0.as_str(), f)
    }
}

impl<'de> Deserialize<'de> for CodePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, text: &str) -> Option<String> {
        CodePattern::parse(pattern).unwrap().code(text)
    }

    #[test]
    fn a_code_is_the_group_or_all_that_matches() {
        let text = "Halo, saya mau tanya. Kode: KNK-7F3A [jangan dihapus] KNK-0001";
        assert_eq!(found(r"\bKNK-[0-9A-Z]{3,12}\b", text).as_deref(), Some("KNK-7F3A"));
        assert_eq!(found(r"(?i)kode:\s*([\w-]+)", text).as_deref(), Some("KNK-7F3A"));
        assert_eq!(found(r"API_[0-9A-F]{8}", text), None);
        assert_eq!(found(r"\[(.+)\]", "[jangan dihapus] [KNK-1]").as_deref(), None, "more than one word");
    }

    #[test]
    fn a_pattern_that_is_wrong_or_finds_codes_everywhere_is_refused() {
        for (pattern, why) in
            [("KNK-[", "no pattern"), (r"\w+", "no code"), ("", "finds a code"), (r"(K)(N)", "one group")]
        {
            let error = CodePattern::parse(pattern).unwrap_err();
            assert!(error.contains(why) || error.contains("finds a code"), "{pattern}: {error}");
        }
        assert!(CodePattern::parse("(?:a{1000}){1000}").is_err(), "a pattern that would take long");
    }
}
