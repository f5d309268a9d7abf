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
        /// Whether that is meant.
        cause: Cause,
        /// Why, and what to do.
        why: String,
        /// The variables and files that would switch it on.
        missing: Vec<String>,
        /// Whether its owner has begun to set it up.
        begun: bool,
    },
}

/// What switched a source off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its owner.
    Owner,
    /// That something is missing without which it cannot be on, a secret for example. Nobody has decided that.
    Want,
}

/// What stands at a URL.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    /// A source.
    On(&'a Source),
    /// A source that has been on and now lacks something: its senders have to keep their webhooks until it is there.
    Wanting,
    /// A source that has been on and that its owner has switched off or removed: its webhooks are answered with success
    /// and dropped, as a sender that hears 404 may switch the hook off for ever.
    OnceOn,
    /// Nothing.
    Unknown,
}

/// Why there is no source that could read an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absent {
    /// It lacks something, as it says.
    Wanting(String),
    /// Its owner has switched it off, as it says.
    Off(String),
    /// It is not configured.
    Gone,
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

    /// The same, that also knows of `once_on` that they have been on before.
    #[must_use]
    pub fn knowing(mut self, once_on: impl IntoIterator<Item = SourceName>) -> Self {
        self.once_on.extend(once_on);
        self
    }

    /// Looks a name up.
    #[must_use]
    pub fn find(&self, name: &SourceName) -> Found<'_> {
        match self.sources.get(name).map(|configured| &configured.state) {
            Some(SourceState::On(source)) => Found::On(source),
            Some(SourceState::Off { cause: Cause::Want, .. }) if self.was_on(name) => Found::Wanting,
            Some(SourceState::Off { .. }) | None if self.was_on(name) => Found::OnceOn,
            Some(SourceState::Off { .. }) | None => Found::Unknown,
        }
    }

    /// The source of that name, to read its events.
    ///
    /// # Errors
    /// [`Absent`]: it is not on.
    pub fn source(&self, name: &SourceName) -> Result<&Source, Absent> {
        match self.sources.get(name).map(|configured| &configured.state) {
            Some(SourceState::On(source)) => Ok(source),
            Some(SourceState::Off { cause: Cause::Want, why, .. }) => Err(Absent::Wanting(why.clone())),
            Some(SourceState::Off { cause: Cause::Owner, why, .. }) => Err(Absent::Off(why.clone())),
            None => Err(Absent::Gone),
        }
    }

    /// True when the source of that name is on or has been.
    #[must_use]
    pub fn was_on(&self, name: &SourceName) -> bool {
        self.once_on.contains(name)
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
        let off = |cause| Configured {
            dialect: "form".into(),
            state: SourceState::Off { cause, why: "off".into(), missing: Vec::new(), begun: true },
        };
        let (owner, want) = (off(Cause::Owner), off(Cause::Want));
        let sources = [(name("a"), owner.clone()), (name("b"), owner), (name("c"), want.clone()), (name("d"), want)];
        let registry = Registry::new(sources, [name("a"), name("c"), name("removed")]);
        assert!(matches!(registry.find(&name("a")), Found::OnceOn));
        assert!(matches!(registry.find(&name("b")), Found::Unknown));
        assert!(matches!(registry.find(&name("removed")), Found::OnceOn));
        assert!(matches!(registry.find(&name("c")), Found::Wanting));
        assert!(matches!(registry.find(&name("d")), Found::Unknown));
        let absent = ["a", "c", "removed"].map(|text| registry.source(&name(text)).map(drop).unwrap_err());
        assert_eq!(absent, [Absent::Off("off".into()), Absent::Wanting("off".into()), Absent::Gone]);
        assert!(registry.on().next().is_none());
    }
}
