//! The settings of a form source.

use serde::Deserialize;
use url::Url;

use super::origin::Origins;
use crate::providers::captcha::{self, Captcha};
use crate::providers::{Secrets, SettingsError, settings};

/// What the settings file may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Raw {
    allowed_origins: OneOrMany,
    secret: Option<Secrets>,
    redirect_ok: String,
    allow_text_json: bool,
    honeypot_fields: Vec<String>,
    submission_id_fields: Vec<String>,
    form_id_fields: Vec<String>,
    redirect_error: String,
    captcha: String,
    captcha_secret: Option<Secrets>,
    captcha_field: Option<String>,
    captcha_hostnames: Option<Vec<String>>,
    captcha_action: Option<String>,
    captcha_min_score: Option<f64>,
    captcha_sitekey: Option<String>,
    captcha_fail_open: bool,
    captcha_test: bool,
    captcha_url: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for Raw {
    fn default() -> Self {
        let names = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            allowed_origins: OneOrMany::Many(Vec::new()),
            secret: None,
            redirect_ok: String::new(),
            allow_text_json: false,
            honeypot_fields: names(&["_gotcha", "bot-field", "website_url_confirm"]),
            submission_id_fields: names(&["submission_id"]),
            form_id_fields: names(&["form_id", "form_name"]),
            redirect_error: String::new(),
            captcha: "turnstile".to_owned(),
            captcha_secret: None,
            captcha_field: None,
            captcha_hostnames: None,
            captcha_action: None,
            captcha_min_score: None,
            captcha_sitekey: None,
            captcha_fail_open: true,
            captcha_test: false,
            captcha_url: None,
        }
    }
}

/// The settings of a form source, checked.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    /// Sites whose browsers may send. May be empty when there is a secret.
    pub origins: Origins,
    /// What back-ends sign with.
    pub secret: Option<Secrets>,
    /// Where a browser is sent after a plain form post; a small page of our own where absent.
    pub redirect_ok: Option<Url>,
    /// Whether JSON may come as `text/plain`. Browsers send that to any site without asking, so it is off by default.
    pub allow_text_json: bool,
    /// What has to be solved before a browser's form is taken. Back-ends that sign solve none.
    pub captcha: Option<Captcha>,
    /// Where a browser is sent when the captcha was not solved.
    pub redirect_error: Option<Url>,
    /// Fields that people do not see and therefore leave empty.
    honeypots: Vec<String>,
    /// Fields that hold the page's own id of this submission. It must be new for each visitor: of two submissions with
    /// one id, the later is an update of the earlier one's lead.
    submission_ids: Vec<String>,
    /// Fields that say which form it is.
    form_ids: Vec<String>,
}

impl Settings {
    /// Reads and checks the source's part of the configuration.
    pub(super) fn read(table: toml::Table) -> Result<Self, SettingsError> {
        let raw: Raw = settings::read(table)?;
        let origins = match &raw.allowed_origins {
            OneOrMany::One(origins) => Origins::parse([origins.as_str()].into_iter())?,
            OneOrMany::Many(origins) => Origins::parse(origins.iter().map(String::as_str))?,
        };
        if origins.is_empty() && raw.secret.is_none() {
            return Err(SettingsError::Incomplete(
                "set FORM_ALLOWED_ORIGINS to the sites that hold the form (https://toko.example), or FORM_SECRET for \
                 back-ends that sign"
                    .to_owned(),
            ));
        }
        let read = Self {
            captcha: captcha(&raw, &origins)?,
            redirect_error: page("redirect_error", &raw.redirect_error)?,
            origins,
            secret: raw.secret,
            redirect_ok: page("redirect_ok", &raw.redirect_ok)?,
            allow_text_json: raw.allow_text_json,
            honeypots: raw.honeypot_fields.iter().map(|name| plain(name).collect()).collect(),
            submission_ids: raw.submission_id_fields.iter().map(|name| plain(name).collect()).collect(),
            form_ids: raw.form_id_fields.iter().map(|name| plain(name).collect()).collect(),
        };
        read.secret.iter().try_for_each(|secret| settings::long_enough("secret", secret))?;
        Ok(read)
    }

    pub(super) fn is_honeypot(&self, name: &str) -> bool {
        is_among(&self.honeypots, name)
    }

    pub(super) fn is_submission_id(&self, name: &str) -> bool {
        is_among(&self.submission_ids, name)
    }

    pub(super) fn is_form_id(&self, name: &str) -> bool {
        is_among(&self.form_ids, name)
    }
}

/// The captcha, solved on one of the sites that may send where nothing else is said.
fn captcha(raw: &Raw, origins: &Origins) -> Result<Option<Captcha>, SettingsError> {
    let raw = captcha::Raw {
        service: raw.captcha.clone(),
        secret: raw.captcha_secret.clone(),
        field: raw.captcha_field.clone(),
        hostnames: raw.captcha_hostnames.clone(),
        action: raw.captcha_action.clone(),
        min_score: raw.captcha_min_score,
        sitekey: raw.captcha_sitekey.clone(),
        fail_open: raw.captcha_fail_open,
        test: raw.captcha_test,
        url: raw.captcha_url.clone(),
    };
    Captcha::read(raw, origins.hosts())
}

/// True when `name` is one of these, which are [`plain`].
fn is_among(names: &[String], name: &str) -> bool {
    names.iter().any(|known| plain(name).eq(known.chars()))
}

/// A field's name without what pages differ in: `submission_id`, `_submission-id` and `submissionId` are one. Only the
/// beginning is looked at, as no name in the settings is longer.
fn plain(name: &str) -> impl Iterator<Item = char> {
    name.chars().take(100).filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase)
}

fn page(setting: &str, text: &str) -> Result<Option<Url>, SettingsError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    match Url::parse(text.trim()) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(Some(url)),
        _ => Err(SettingsError::Invalid(format!("{setting}: write the whole address, with https://"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(settings: &str) -> Result<Settings, SettingsError> {
        Settings::read(toml::from_str(settings).unwrap())
    }

    #[test]
    fn a_source_without_origins_and_secret_is_off_and_says_what_to_set() {
        for settings in ["", "allowed_origins = ''", "allowed_origins = [' ']"] {
            let Err(SettingsError::Incomplete(text)) = read(settings) else { panic!("{settings}") };
            assert!(text.contains("FORM_ALLOWED_ORIGINS") && text.contains("FORM_SECRET"));
        }
    }

    #[test]
    fn origins_may_be_a_list_or_one_text_with_commas() {
        let list = read("allowed_origins = ['https://a.example', 'https://b.example']").unwrap();
        let text = read("allowed_origins = 'https://a.example,https://b.example'").unwrap();
        assert_eq!(list.origins, text.origins);
    }

    #[test]
    fn wrong_settings_are_named_and_no_secret_is_shown() {
        for (settings, says) in [
            ("secret = ''", "secret is empty"),
            ("secret = 's'\nredirect_ok = '/terima-kasih'", "redirect_ok"),
            ("secret = 's'\nredirect_ok = 'javascript:alert(1)'", "redirect_ok"),
            ("secret = 's'\nallowed_origins = '*'", "allowed_origins"),
            ("secret = 'hush'\nsecert = 'hush'", "secert"),
        ] {
            let error = read(settings).unwrap_err();
            assert!(matches!(&error, SettingsError::Invalid(text) if text.contains(says)), "{error}");
            assert!(!error.to_string().contains("hush"));
        }
    }

    #[test]
    fn names_of_control_fields_differ_in_spelling_only() {
        let settings = read("secret = 'a-secret-of-nobody'").unwrap();
        for name in ["submission_id", "_submission_id", "submissionId", "Submission-ID"] {
            assert!(settings.is_submission_id(name), "{name}");
        }
        assert!(settings.is_honeypot("_gotcha") && settings.is_honeypot("bot-field") && !settings.is_honeypot("nama"));
        assert!(settings.is_form_id("form-name") && settings.is_form_id("formId") && !settings.is_form_id("form"));
    }
}
