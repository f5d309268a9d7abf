//! The HTTP client for captcha services.

use std::time::Duration;

use async_trait::async_trait;
use url::Url;

use crate::outbound::{Outbound, whole};
use crate::receive::{AskCaptcha, CaptchaAnswer};

/// Longest time for one question. Receiving stops waiting at the same time; this one ends what nobody waits for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is read: real ones have a few hundred bytes.
const ANSWER_CAP: usize = 64 * 1024;

/// Asks captcha services over HTTP.
#[derive(Debug, Clone)]
pub struct CaptchaServices(Outbound);

impl CaptchaServices {
    /// Asks by `outbound`.
    #[must_use]
    pub const fn new(outbound: Outbound) -> Self {
        Self(outbound)
    }
}

#[async_trait]
impl AskCaptcha for CaptchaServices {
    async fn ask(&self, url: &str, form: &str) -> Option<CaptchaAnswer> {
        let url = Url::parse(url).ok()?;
        let request = self.0.to(&url)?.post(url).timeout(TIMEOUT);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form.to_owned());
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        Some(CaptchaAnswer { status, body: whole(response, ANSWER_CAP).await? })
    }
}
