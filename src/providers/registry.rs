//! Every configured source: those that take webhooks, and those that are off, with the reason.

use std::collections::{BTreeMap, BTreeSet};

use super::Source;
use crate::domain::event::SourceName;

/// The sources as configured at one moment. Replaced whole on reload.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    sources: BTreeMap<SourceName, Configured>,
    once_on: BTreeSet<SourceName>,
}

/// A source, on or off.
#[derive(Debug, Clone)]
pub struct Configured {
    /// The word for its dialect.
    pub dialect: String,
    /// Whether it takes webhooks.
    pub state: SourceState,
}

impl Configured {
    /// True when it is on and its URL ends in a secret.
    #[must_use]
    pub fn ends_in_token(&self) -> bool {
        match &self.state {
            SourceState::On(source) => source.provider.has_path_token(),
            SourceState::Off { .. } => false,
        }
    }
}

/// Whether a source takes webhooks.
#[derive(Debug, Clone)]
#[expect(clippy::large_enum_variant, reason = "there is one for each source, and most are on")]
pub enum SourceState {
    /// It does.
    On(Source),
    /// It does not.
    Off {
        /// Why, and what to do.
        why: String,
        /// The variables and files that would switch it on.
        missing: Vec<String>,
    },
}

/// What stands at a URL.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// A source.
    On(&'a Source),
    /// A source that has been on and is not any more: its webhooks are answered with success and dropped, as a sender
    /// that hears 404 may switch the hook off for ever.
    OnceOn,
    /// Nothing.
    Unknown,
}

impl Registry {
    /// A registry of `sources`, that knows of `once_on` that they have been on before.
    #[must_use]
    pub fn new(
        sources: impl IntoIterator<Item = (SourceName, Configured)>,
        once_on: impl IntoIterator<Item = SourceName>,
    ) -> Self {
        let mut registry = Self { sources: sources.into_iter().collect(), once_on: once_on.into_iter().collect() };
        let on: Vec<_> = registry.on().map(|source| source.name.clone()).collect();
        registry.once_on.extend(on);
        registry
    }

    /// Looks a name up.
    #[must_use]
    pub fn find(&self, name: &SourceName) -> Found<'_> {
        match self.sources.get(name).map(|configured| &configured.state) {
            Some(SourceState::On(source)) => Found::On(source),
            Some(SourceState::Off { .. }) | None if self.once_on.contains(name) => Found::OnceOn,
            Some(SourceState::Off { .. }) | None => Found::Unknown,
        }
    }

    /// The source of that name, if it is on.
    #[must_use]
    pub fn source(&self, name: &SourceName) -> Option<&Source> {
        match self.find(name) {
            Found::On(source) => Some(source),
            Found::OnceOn | Found::Unknown => None,
        }
    }

    /// Every source, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&SourceName, &Configured)> {
        self.sources.iter()
    }

    /// The sources that take webhooks, by name.
    pub fn on(&self) -> impl Iterator<Item = &Source> {
        self.sources.values().filter_map(|configured| match &configured.state {
            SourceState::On(source) => Some(source),
            SourceState::Off { .. } => None,
        })
    }

    /// Every name that is on or has been.
    pub fn once_on(&self) -> impl Iterator<Item = &SourceName> {
        self.once_on.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_was_once_on_is_not_the_same_as_one_that_never_was() {
        let name = |text| SourceName::parse(text).unwrap();
        let off = Configured {
            dialect: "form".into(),
            state: SourceState::Off { why: "switched off".into(), missing: Vec::new() },
        };
        let registry = Registry::new([(name("a"), off.clone()), (name("b"), off)], [name("a"), name("removed")]);
        assert!(matches!(registry.find(&name("a")), Found::OnceOn));
        assert!(matches!(registry.find(&name("b")), Found::Unknown));
        assert!(matches!(registry.find(&name("removed")), Found::OnceOn));
        assert!(registry.source(&name("a")).is_none() && registry.on().next().is_none());
    }
}
