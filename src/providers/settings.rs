//! A dialect's part of the configuration, read into its own type.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::DeserializeOwned;

use super::{Secrets, SettingsError};

/// Secrets come padded or not (Python's library for Standard Webhooks takes both), some with stray bits at their end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Reads `table` as the settings of a dialect; unknown keys are for its type to refuse.
///
/// # Errors
/// [`SettingsError::Invalid`] names what is wrong, with the key before it, and no text that stands there: it may be a secret.
pub(super) fn read<T: DeserializeOwned>(table: toml::Table) -> Result<T, SettingsError> {
    table.try_into().map_err(|error: toml::de::Error| {
        let shown = error.to_string();
        let key = shown.trim_end().rsplit_once("\nin `").and_then(|(_, key)| key.strip_suffix('`'));
        let key = key.map(|key| format!("{key}: ")).unwrap_or_default();
        SettingsError::Invalid(format!("{key}{}", without_text(error.message())))
    })
}

/// A message of serde's (`invalid type: string "…", expected …`) without the text that it shows.
fn without_text(message: &str) -> String {
    match (message.split_once(": string \""), message.rsplit_once("\", expected ")) {
        (Some((wrong, _)), Some((_, expected))) => format!("{wrong}: a text, expected {expected}"),
        _ => message.to_owned(),
    }
}

/// The bytes that a secret in base64 stands for.
pub(super) fn base64(text: &str) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

/// Says which of these settings, given with whether they are there, have to be set before the source can be on.
pub(super) fn incomplete(settings: &[(&str, bool)]) -> SettingsError {
    let missing: Vec<_> = settings.iter().filter(|(_, set)| !set).map(|(name, _)| format!("`{name}`")).collect();
    SettingsError::Incomplete(format!("set {}", missing.join(" and ")))
}

/// The shortest secret that signs: shorter ones can be guessed from one signed webhook.
const SHORTEST: usize = 16;

/// Refuses a secret called `name` that is too short to sign with. The senders make longer ones.
///
/// # Errors
/// [`SettingsError::Invalid`]: one of them is.
pub(super) fn long_enough(name: &str, secrets: &Secrets) -> Result<(), SettingsError> {
    match secrets.iter().any(|secret| secret.len() < SHORTEST) {
        true => Err(SettingsError::Invalid(format!(
            "`{name}` has fewer than {SHORTEST} characters and could be guessed; give the whole of it, or make a longer one"
        ))),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_with_its_key_and_without_the_text_that_stands_there() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Outer {
            #[serde(rename = "inner")]
            _inner: Inner,
        }
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Inner {
            #[serde(rename = "number")]
            _number: u8,
        }
        let of = |text: &str| read::<Outer>(text.parse().unwrap()).unwrap_err().to_string();
        assert_eq!(of("inner.number = 'geheim\", expected'"), "inner.number: invalid type: a text, expected u8");
        assert_eq!(of("inner = { number = 1, numbr = 2 }"), "inner: unknown field `numbr`, expected `number`");
        assert_eq!(of("inner.number = true"), "inner.number: invalid type: boolean `true`, expected u8");
    }

    #[test]
    fn a_secret_that_can_be_guessed_is_refused_wherever_it_stands() {
        let of = |secrets: &[&str]| Secrets::new(secrets.iter().map(|text| (*text).to_owned()).collect()).unwrap();
        assert!(long_enough("secret", &of(&["0123456789abcdef"])).is_ok());
        let error = long_enough("secret", &of(&["0123456789abcdef", "0123456789abcde"])).unwrap_err();
        assert!(error.to_string().contains("`secret`") && !error.to_string().contains("abcde"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = incomplete(&[("app_secret", false), ("graph_url", true), ("verify_token", false)]);
        assert_eq!(error, SettingsError::Incomplete("set `app_secret` and `verify_token`".into()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "only read")]
        struct Some {
            known: Option<bool>,
        }
        let error = read::<Some>(toml::toml! { knwon = true }).unwrap_err();
        assert!(error.to_string().contains("`knwon`"), "{error}");
    }
}
