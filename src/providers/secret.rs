//! The secrets of a source: one or several, so that one can be replaced without losing a webhook.

use std::sync::OnceLock;

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer, de};

use super::signature::Keys;

/// What software and documents put where a secret should be: everybody can sign with these.
const WELL_KNOWN: [&str; 3] = ["secret", "changeme", "no-secret-provided"];

/// One or more secrets, any of which may have signed. Never empty, and none of them is.
#[derive(Clone)]
pub struct Secrets {
    texts: Vec<SecretString>,
    /// For those that sign, from the first webhook on.
    keys: OnceLock<Keys>,
}

impl Secrets {
    /// Takes `secrets`; `None` when there is none or one is empty.
    #[must_use]
    pub fn new(secrets: Vec<String>) -> Option<Self> {
        let good = !secrets.is_empty() && secrets.iter().all(|secret| !secret.trim().is_empty());
        let texts = || secrets.into_iter().map(SecretString::from).collect();
        good.then(|| Self { texts: texts(), keys: OnceLock::new() })
    }

    /// Each secret as text, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|secret| secret.expose_secret())
    }

    /// The current secret: the one to sign with.
    #[must_use]
    pub fn first(&self) -> &str {
        self.iter().next().expect("there is at least one secret")
    }

    /// These as keys to sign with: the bytes of each text.
    pub(super) fn keys(&self) -> &Keys {
        self.keys.get_or_init(|| Keys::of(self.iter().map(str::as_bytes)))
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({})", self.texts.len())
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
        if secrets.iter().any(|secret| WELL_KNOWN.contains(&secret.trim().to_ascii_lowercase().as_str())) {
            return Err(de::Error::custom("a secret is a default that everybody knows; make one of your own"));
        }
        Self::new(secrets).ok_or_else(|| de::Error::custom("a secret is empty; give at least one that is not"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_everybody_knows_or_that_is_empty_is_none() {
        let read = |json: &str| serde_json::from_str::<Secrets>(json);
        for bad in [
            r#""secret""#,
            r#"[" ChangeMe "]"#,
            r#"["good-1", "no-secret-provided"]"#,
            r#""""#,
            r#"["good-1", " "]"#,
            "[]",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert_eq!(read(r#"["new-1", "old-1"]"#).unwrap().iter().collect::<Vec<_>>(), ["new-1", "old-1"]);
    }
}
