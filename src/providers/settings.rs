//! A dialect's part of the configuration, read into its own type.

use serde::de::DeserializeOwned;

use super::SettingsError;

/// Reads `table` as the settings of a dialect; unknown keys are for its type to refuse.
///
/// # Errors
/// [`SettingsError::Invalid`] names what is wrong.
pub(super) fn read<T: DeserializeOwned>(table: toml::Table) -> Result<T, SettingsError> {
    table.try_into().map_err(|error: toml::de::Error| SettingsError::Invalid(error.message().to_owned()))
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
