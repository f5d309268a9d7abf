//! The HTTP client for captcha services.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::StreamExt;
use url::Url;

use crate::loopback::is_this_machine;
use crate::receive::{AskCaptcha, CaptchaAnswer};

/// Longest time for one question. Receiving stops waiting at the same time; this one ends what nobody waits for.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer that is read: real ones have a few hundred bytes.
const ANSWER_CAP: usize = 64 * 1024;

/// Asks captcha services over HTTP.
#[derive(Debug, Clone)]
pub struct CaptchaServices {
    /// Through the proxy that the environment names, if any.
    world: reqwest::Client,
    /// Past it, to what is on this machine.
    here: reqwest::Client,
}

impl CaptchaServices {
    /// A client with its time-outs set.
    ///
    /// # Errors
    /// No TLS on this machine.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { world: client().build()?, here: client().no_proxy().build()? })
    }
}

#[async_trait]
impl AskCaptcha for CaptchaServices {
    async fn ask(&self, url: &str, form: &str) -> Option<CaptchaAnswer> {
        let url = Url::parse(url).ok()?;
        let http = if is_this_machine(&url) { &self.here } else { &self.world };
        let request = http.post(url).header("content-type", "application/x-www-form-urlencoded");
        let response = request.body(form.to_owned()).send().await.ok()?;
        let status = response.status().as_u16();
        let (mut body, mut chunks) = (Vec::new(), response.bytes_stream());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.ok().filter(|chunk| body.len() + chunk.len() <= ANSWER_CAP)?;
            body.extend_from_slice(&chunk);
        }
        Some(CaptchaAnswer { status, body: Bytes::from(body) })
    }
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("konektor-bridge/", env!("CARGO_PKG_VERSION")))
        .timeout(TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        // The secret must not follow a redirect.
        .redirect(reqwest::redirect::Policy::none())
}
