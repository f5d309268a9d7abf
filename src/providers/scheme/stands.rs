//! Where a scheme is written, and so what can be changed of it: hints name keys as they have to be written, and only those
//! that can be.

use crate::domain::event::SourceName;

/// Where a scheme is written.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stands<'s> {
    /// In this program, as its sender signs for everybody.
    Here,
    /// As the table `verify` among the settings of this source.
    Table(&'s SourceName),
    /// In a list there, of which no part is laid over another.
    List(&'s SourceName),
}

/// Keys of a scheme, as they have to be for a proof to hold.
#[derive(Debug)]
pub(super) struct Keys {
    set: Vec<(&'static str, String)>,
    without: Option<&'static str>,
}

impl Keys {
    pub(super) fn one(key: &'static str, text: &str) -> Self {
        Self { set: vec![(key, format!("\"{text}\""))], without: None }
    }

    pub(super) fn list<'w>(key: &'static str, words: impl Iterator<Item = &'w str>) -> Self {
        let words: Vec<_> = words.map(|word| format!("\"{word}\"")).collect();
        Self { set: vec![(key, format!("[{}]", words.join(", ")))], without: None }
    }

    pub(super) fn and(mut self, key: &'static str, text: &str) -> Self {
        self.set.extend(Self::one(key, text).set);
        self
    }

    pub(super) fn without(self, key: &'static str) -> Self {
        Self { without: Some(key), ..self }
    }
}

impl Stands<'_> {
    /// The same for a scheme in a list.
    pub(super) fn listed(self) -> Self {
        match self {
            Self::Here => Self::Here,
            Self::Table(source) | Self::List(source) => Self::List(source),
        }
    }

    /// What to write for the keys to be so; `None` where nobody can.
    pub(super) fn write(self, keys: &Keys) -> Option<String> {
        let set = |before: &str| {
            let set: Vec<_> = keys.set.iter().map(|(key, value)| format!("{before}{key} = {value}")).collect();
            set.join(" and ")
        };
        let without = keys.without.map(|key| format!(" and without {key}")).unwrap_or_default();
        match self {
            Self::Here => None,
            Self::Table(source) if keys.without.is_none() => {
                Some(format!("write {} under [sources.{source}.settings]", set("verify.")))
            }
            Self::Table(source) => Some(format!(
                "write verify as a list of one table under [sources.{source}.settings], with {}{without}",
                set("")
            )),
            Self::List(source) => Some(format!(
                "write verify whole under [sources.{source}.settings], with {}{without} in its table",
                set("")
            )),
        }
    }
}
