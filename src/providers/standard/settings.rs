//! The settings of a Standard Webhooks source.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;

use crate::providers::mapped::{FieldMap, Path};
use crate::providers::{Secrets, SettingsError, settings, timed};

/// What the settings file may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    secret: Option<Secrets>,
    svix_headers: bool,
    tolerance_seconds: u64,
    types: Vec<String>,
    type_path: String,
    id: Option<String>,
    items: Option<String>,
    fields: BTreeMap<String, String>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            secret: None,
            svix_headers: true,
            tolerance_seconds: timed::TOLERANCE.as_secs(),
            types: Vec::new(),
            type_path: "type".to_owned(),
            id: None,
            items: None,
            fields: BTreeMap::new(),
        }
    }
}

/// The settings of a Standard Webhooks source, checked.
pub(super) struct Settings {
    /// The keys that the shared secrets stand for, the current one first.
    pub keys: Vec<Vec<u8>>,
    /// The public keys of senders that sign with a key pair. There is one of either.
    pub public: Vec<Vec<u8>>,
    /// Whether Svix's header names are taken too.
    pub svix_headers: bool,
    /// How far the signed time may be from ours; at most an hour.
    pub tolerance: Duration,
    /// The webhook types that are about leads; empty takes all.
    pub types: Vec<String>,
    /// Where the type stands.
    pub type_path: Path,
    /// Where the sender's id of the lead stands; `data.id`, or `id` in an element of the list, where absent.
    pub id: Option<Path>,
    /// Where the list of leads stands when one webhook holds several. Where absent, a list of objects as the whole
    /// webhook or as its `data` counts.
    pub items: Option<Path>,
    /// Place → what stands there. Places that are not named become answers under their own path.
    pub map: FieldMap,
}

impl std::fmt::Debug for Settings {
    /// Shows how many keys there are, and none of them.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys = self.keys.len() + self.public.len();
        write!(f, "Settings({keys} keys, {} mapped places)", self.map.places().len())
    }
}

impl Settings {
    /// Reads and checks the source's part of the configuration.
    pub(super) fn read(table: toml::Table) -> Result<Self, SettingsError> {
        let raw: Raw = settings::read(table)?;
        let secrets = raw.secret.as_ref().ok_or_else(|| {
            SettingsError::Incomplete(
                "set STANDARD_WEBHOOKS_SECRET to the sender's signing secret (whsec_…)".to_owned(),
            )
        })?;
        if raw.tolerance_seconds > 3600 {
            return Err(SettingsError::Invalid("tolerance_seconds: at most 3600".to_owned()));
        }
        let items = raw.items.as_deref().map(|text| place("items", text)).transpose()?;
        if items.as_ref().is_some_and(|items| items.open_steps() > 0) {
            return Err(SettingsError::Invalid("items: name one list, without `*`".to_owned()));
        }
        let (mut keys, mut public) = (Vec::new(), Vec::new());
        for secret in secrets.iter() {
            match key(secret)? {
                Key::Shared(key) => keys.push(key),
                Key::Public(key) => public.push(key),
            }
        }
        Ok(Self {
            keys,
            public,
            svix_headers: raw.svix_headers,
            tolerance: Duration::from_secs(raw.tolerance_seconds),
            type_path: place("type_path", &raw.type_path)?,
            id: raw.id.as_deref().map(|text| place("id", text)).transpose()?,
            items,
            map: map(&raw.fields)?,
            types: raw.types,
        })
    }

    /// The scheme of the standard, with the tolerance of these settings, under the standard's own header names.
    pub(super) fn scheme(&self) -> String {
        let tolerance = self.tolerance.as_secs().max(1);
        format!(
            "
            kind = 'hmac'
            algorithm = 'sha256'
            encoding = 'base64'
            base = '{{header:webhook-id}}.{{timestamp}}.{{body}}'
            key = {{ encoding = 'base64' }}
            signature = {{ header = 'webhook-signature', item_sep = ' ', kv_sep = ',', field = 'v1' }}
            timestamp = {{ header = 'webhook-timestamp', unit = 's', tolerance_s = {tolerance} }}
            "
        )
    }
}

/// What a signature is compared with.
#[derive(Debug, PartialEq, Eq)]
enum Key {
    /// What both sides have (`v1`).
    Shared(Vec<u8>),
    /// What belongs to the key that only the sender has (`v1a`).
    Public(Vec<u8>),
}

/// The key in a secret. Its text itself is never the key: that is the commonest mistake with this standard.
fn key(secret: &str) -> Result<Key, SettingsError> {
    let secret = secret.trim();
    let wrong = |why: &str| SettingsError::Invalid(format!("secret: {why}"));
    if secret.starts_with("whsk_") {
        return Err(wrong(
            "this is the sender's private key, which nobody else may have; give its public one (whpk_…)",
        ));
    }
    let (text, is_public) = match secret.strip_prefix("whpk_") {
        Some(public) => (public, true),
        None => (secret.strip_prefix("whsec_").unwrap_or(secret), false),
    };
    let key = settings::base64(text)
        .ok_or_else(|| wrong("it is not base64; copy it whole, with whsec_ or whpk_ at its beginning"))?;
    match (is_public, key.len()) {
        (true, 32) => Ok(Key::Public(key)),
        (true, _) => Err(wrong("a public key must be base64 of 32 bytes")),
        (false, 24..=64) => Ok(Key::Shared(key)),
        (false, _) => Err(wrong("it must be base64 of 24 to 64 bytes")),
    }
}

fn place(setting: &str, text: &str) -> Result<Path, SettingsError> {
    text.parse().map_err(|error| SettingsError::Invalid(format!("{setting}: {error}")))
}

fn map(fields: &BTreeMap<String, String>) -> Result<FieldMap, SettingsError> {
    let mapped = fields.iter().map(|(text, word)| {
        let target = word.parse().map_err(|error| SettingsError::Invalid(format!("fields.{text}: {error}")))?;
        Ok((place("fields", text)?, target))
    });
    mapped.collect::<Result<_, _>>().map(FieldMap::new)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    const SECRET: &str = "secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'\n";

    fn read(settings: &str) -> Result<Settings, SettingsError> {
        Settings::read(toml::from_str(settings).unwrap())
    }

    #[test]
    fn without_a_secret_the_source_is_off() {
        let Err(SettingsError::Incomplete(text)) = read("") else { panic!() };
        assert!(text.contains("STANDARD_WEBHOOKS_SECRET"));
    }

    #[test]
    fn a_secret_is_decoded_with_or_without_prefix_and_padding() {
        let bytes: Vec<u8> = (32..64).collect();
        for secret in
            ["whsec_ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8"]
        {
            assert_eq!(key(secret).unwrap(), Key::Shared(bytes.clone()));
        }
        let Key::Shared(unpadded) = key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwBr").unwrap() else {
            panic!("no whpk_")
        };
        assert_eq!(unpadded.len(), 25);
        assert_eq!(key(&format!("whpk_{}", STANDARD.encode([7; 32]))), Ok(Key::Public(vec![7; 32])));
    }

    #[test]
    fn a_secret_that_is_not_24_to_64_bytes_of_base64_is_refused_and_not_shown() {
        let (short, long) = (STANDARD.encode([7; 23]), STANDARD.encode([7; 65]));
        let (public, private) = (format!("whpk_{short}"), format!("whsk_{}", STANDARD.encode([7; 64])));
        for secret in [short.as_str(), &long, "not base64!", &public, &private, "whsec_", "whpk_"] {
            let Err(SettingsError::Invalid(text)) = key(secret) else { panic!("{secret}") };
            assert!(text.starts_with("secret: ") && !text.contains(secret), "{text}");
        }
    }

    #[test]
    fn wrong_settings_are_named() {
        for (settings, says) in [
            ("tolerance_seconds = 3601", "tolerance_seconds"),
            ("items = 'data.*'", "items"),
            ("id = 'a..b'", "id: `a..b`"),
            ("[fields]\n'data.x' = 'status'", "rules"),
            ("[fields]\n'data.x' = 'telepon'", "fields.data.x"),
            ("[fields]\n'data.[' = 'phone'", "`data.[`"),
            ("sekret = 'x'", "sekret"),
        ] {
            let error = read(&format!("{SECRET}{settings}")).unwrap_err();
            assert!(matches!(&error, SettingsError::Invalid(text) if text.contains(says)), "{error}");
        }
    }

    #[test]
    fn its_debug_text_has_no_key_in_it() {
        assert_eq!(format!("{:?}", read(SECRET).unwrap()), "Settings(1 keys, 0 mapped places)");
    }
}
