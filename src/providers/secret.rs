//! The secrets of a source: one or several, so that one can be replaced without losing a webhook.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

/// One or more secrets, any of which may have signed. Never empty, and none of them is.
#[derive(Clone)]
pub struct Secrets(Vec<SecretString>);

impl Secrets {
    /// Takes `secrets`; `None` when there is none or one is empty.
    #[must_use]
    pub fn new(secrets: Vec<String>) -> Option<Self> {
        let good = !secrets.is_empty() && secrets.iter().all(|secret| !secret.trim().is_empty());
        good.then(|| Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// Each secret as text, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|secret| secret.expose_secret())
    }

    /// The current secret: the one to sign with.
    #[must_use]
    pub fn first(&self) -> &str {
        self.iter().next().expect("there is at least one secret")
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl<'de> Deserialize<'de> for Secrets {
    /// Reads one string or a list of them.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrMany {
            One(String),
            Many(Vec<String>),
        }
        let secrets = match OneOrMany::deserialize(deserializer)? {
            OneOrMany::One(secret) => vec![secret],
            OneOrMany::Many(secrets) => secrets,
        };
        Self::new(secrets).ok_or_else(|| de::Error::custom("a secret is empty; give at least one that is not"))
    }
}
