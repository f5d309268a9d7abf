//! A dialect's part of the configuration, read into its own type.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::de::DeserializeOwned;

use super::SettingsError;

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
/// [`SettingsError::Invalid`] names what is wrong.
pub(super) fn read<T: DeserializeOwned>(table: toml::Table) -> Result<T, SettingsError> {
    table.try_into().map_err(|error: toml::de::Error| SettingsError::Invalid(error.message().to_owned()))
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

#[cfg(test)]
mod tests {
    use super::*;

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
