//! The settings of a form's captcha.

use super::Service;
use crate::providers::{Secrets, SettingsError};

/// Secrets that the services publish for tests: with them anybody passes, or nobody.
const TEST_SECRETS: [&str; 5] = [
    "1x0000000000000000000000000000000AA",
    "2x0000000000000000000000000000000AA",
    "3x0000000000000000000000000000000AA",
    "0x0000000000000000000000000000000000000000",
    "6LeIxAcTAAAAAGG-vFI1TnRWxMZNFuojJ4WifJWe",
];

/// What the settings file may say, beside the form's own settings.
#[derive(Debug, Clone, Default)]
pub(in crate::providers) struct Raw {
    pub(in crate::providers) service: String,
    pub(in crate::providers) secret: Option<Secrets>,
    pub(in crate::providers) field: Option<String>,
    pub(in crate::providers) hostnames: Option<Vec<String>>,
    pub(in crate::providers) action: Option<String>,
    pub(in crate::providers) min_score: Option<f64>,
    pub(in crate::providers) sitekey: Option<String>,
    pub(in crate::providers) fail_open: bool,
    pub(in crate::providers) test: bool,
    pub(in crate::providers) url: Option<String>,
}

/// A captcha, checked.
#[derive(Debug, Clone)]
pub(in crate::providers) struct Captcha {
    pub(super) service: Service,
    pub(super) secret: Secrets,
    /// The field of the form that holds the token.
    pub(in crate::providers) field: String,
    /// The sites on which it may have been solved; any where empty.
    pub(super) hostnames: Vec<String>,
    /// The action that the page names, where it does.
    pub(super) action: Option<String>,
    /// The least score that counts as a person (reCAPTCHA v3).
    pub(super) min_score: f64,
    /// hCaptcha: the key of the page, so that a token of another page of the same account does not count.
    pub(super) sitekey: Option<String>,
    /// Take forms, marked, when the service does not answer.
    pub(super) fail_open: bool,
    /// Where the service is asked.
    pub(super) url: String,
}

impl Service {
    fn url(self) -> &'static str {
        match self {
            Self::Turnstile => "https://challenges.cloudflare.com/turnstile/v0/siteverify",
            Self::Hcaptcha => "https://api.hcaptcha.com/siteverify",
            Self::RecaptchaV2 | Self::RecaptchaV3 => "https://www.google.com/recaptcha/api/siteverify",
        }
    }

    fn field(self) -> &'static str {
        match self {
            Self::Turnstile => "cf-turnstile-response",
            Self::Hcaptcha => "h-captcha-response",
            Self::RecaptchaV2 | Self::RecaptchaV3 => "g-recaptcha-response",
        }
    }
}

impl Captcha {
    /// Reads the settings; `None` where no secret is set. Where no hostnames are given, `sites` are those that count.
    ///
    /// # Errors
    /// A setting is wrong; the text names it and says what to write.
    pub(in crate::providers) fn read(raw: Raw, sites: Vec<String>) -> Result<Option<Self>, SettingsError> {
        let Some(secret) = raw.secret else { return Ok(None) };
        let wrong = |key: &str, problem: &str| Err(SettingsError::Invalid(format!("captcha{key}: {problem}")));
        let Ok(service) = raw.service.trim().parse::<Service>() else {
            return wrong("", "write turnstile, hcaptcha, recaptcha_v2 or recaptcha_v3");
        };
        if !raw.test && secret.iter().any(|secret| TEST_SECRETS.contains(&secret.trim())) {
            return wrong(
                "_secret",
                "it is a test secret, with which nothing is checked; if that is meant, write captcha_test = true",
            );
        }
        let min_score = raw.min_score.unwrap_or(0.5);
        if !(0.0..=1.0).contains(&min_score) {
            return wrong("_min_score", "write a number from 0.0 to 1.0");
        }
        if raw.min_score.is_some() && service != Service::RecaptchaV3 {
            return wrong("_min_score", "only recaptcha_v3 gives a score; leave it out");
        }
        if raw.action.is_some() && !matches!(service, Service::Turnstile | Service::RecaptchaV3) {
            return wrong("_action", "only turnstile and recaptcha_v3 name an action; leave it out");
        }
        if raw.sitekey.is_some() && service != Service::Hcaptcha {
            return wrong("_sitekey", "only hcaptcha takes it; leave it out");
        }
        Ok(Some(Self {
            service,
            secret,
            field: raw.field.unwrap_or_else(|| service.field().to_owned()),
            hostnames: raw.hostnames.unwrap_or(sites),
            action: raw.action,
            min_score,
            sitekey: raw.sitekey,
            fail_open: raw.fail_open,
            url: raw.url.unwrap_or_else(|| service.url().to_owned()),
        }))
    }
}
