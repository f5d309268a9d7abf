//! Captchas: did a person fill in this form? The token in the form is shown to the service that made it, once.
//!
//! Everything here is pure: which question goes out, and what its answer means. Receiving carries it out. Sources, beside
//! `developers.cloudflare.com/turnstile/get-started/server-side-validation`, `docs.hcaptcha.com` and
//! `developers.google.com/recaptcha/docs/verify`: none of them was tried against a live account.

mod settings;

use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::Refusal;

pub(super) use settings::{Captcha, Raw};

/// Who made the captcha.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Service {
    Turnstile,
    Hcaptcha,
    RecaptchaV2,
    RecaptchaV3,
}

/// A question to a captcha service, and how its answer is judged.
#[derive(Debug, Clone)]
pub struct Challenge {
    url: String,
    form: SecretString,
    expected: Expected,
}

/// What an answer has to say beside yes.
#[derive(Debug, Clone, PartialEq)]
struct Expected {
    hostnames: Vec<String>,
    action: Option<String>,
    min_score: Option<f64>,
    fail_open: bool,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// A person.
    Person,
    /// Nobody knows, and the owner wants such leads all the same, marked.
    Unverified,
    /// Nobody knows; the sender may try again later.
    Later,
    /// No person, or somebody else's token.
    Refused,
}

/// The parts of an answer that count. All three services name them alike.
#[derive(Deserialize)]
struct Answer {
    success: bool,
    hostname: Option<String>,
    action: Option<String>,
    score: Option<f64>,
    #[serde(rename = "error-codes", default)]
    error_codes: Vec<String>,
}

impl Captcha {
    /// The question about the token in a form, whose whole body is `body`.
    ///
    /// # Errors
    /// [`Refusal::Captcha`] when the form has no token.
    pub(super) fn challenge(&self, token: Option<&str>, body: &[u8]) -> Result<Challenge, Refusal> {
        let token = token.filter(|token| !token.is_empty() && token.len() <= LONGEST_TOKEN).ok_or(Refusal::Captcha)?;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("secret", self.secret.first()).append_pair("response", token);
        match self.service {
            // The same body again is the same visitor pressing again: so its token may be shown twice, and no other.
            Service::Turnstile => drop(form.append_pair("idempotency_key", &key(body))),
            Service::Hcaptcha => drop(form.extend_pairs(self.sitekey.iter().map(|key| ("sitekey", key)))),
            Service::RecaptchaV2 | Service::RecaptchaV3 => {}
        }
        let expected = Expected {
            hostnames: self.hostnames.clone(),
            action: self.action.clone(),
            min_score: (self.service == Service::RecaptchaV3).then_some(self.min_score),
            fail_open: self.fail_open,
        };
        Ok(Challenge { url: self.url.clone(), form: form.finish().into(), expected })
    }
}

/// The longest token that is shown to a service: Turnstile's are at most 2048 characters, reCAPTCHA's a little longer.
const LONGEST_TOKEN: usize = 8192;

/// A UUID that stands for this body.
fn key(body: &[u8]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(body)[..16]);
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

impl Challenge {
    /// Where to POST the question.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The question, `application/x-www-form-urlencoded`. Holds the secret.
    #[must_use]
    pub fn form(&self) -> &str {
        self.form.expose_secret()
    }

    /// What the answer (status and body) means; `None` when there was none in time.
    #[must_use]
    pub fn judge(&self, answer: Option<(u16, &[u8])>) -> Verdict {
        let answer = answer.filter(|(status, _)| *status < 500 && *status != 429);
        let answer = answer.and_then(|(_, body)| serde_json::from_slice::<Answer>(body).ok());
        match answer {
            Some(answer) if answer.success => self.expected.judge(&answer),
            // Not the visitor's fault: the service has failed, or our secret is wrong.
            Some(answer) if answer.error_codes.iter().any(|code| is_ours(code)) => self.unknown(),
            Some(_) => Verdict::Refused,
            None => self.unknown(),
        }
    }

    fn unknown(&self) -> Verdict {
        if self.expected.fail_open { Verdict::Unverified } else { Verdict::Later }
    }
}

impl Expected {
    fn judge(&self, answer: &Answer) -> Verdict {
        let known = |host: &str| self.hostnames.iter().any(|known| known.eq_ignore_ascii_case(host));
        let host = self.hostnames.is_empty() || answer.hostname.as_deref().is_some_and(known);
        let action = self.action.is_none() || self.action == answer.action;
        let score = self.min_score.is_none_or(|least| answer.score.is_some_and(|score| score >= least));
        if host && action && score { Verdict::Person } else { Verdict::Refused }
    }
}

/// True for the errors that say nothing of the visitor.
fn is_ours(code: &str) -> bool {
    matches!(
        code,
        "missing-input-secret" | "invalid-input-secret" | "internal-error" | "bad-request" | "sitekey-secret-mismatch"
    )
}

#[cfg(test)]
mod tests;
