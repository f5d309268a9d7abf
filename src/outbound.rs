//! The HTTP clients for services of others: the senders' own APIs, and captcha services. One pair for the whole process, for
//! each client holds the certificates that it trusts.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use url::Url;

use crate::loopback::is_this_machine;

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbound {
    /// Through the proxy that the environment names, if any.
    world: reqwest::Client,
    /// Past it, to what is on this machine.
    here: reqwest::Client,
}

impl Outbound {
    /// The clients. Whoever asks sets how long it waits.
    ///
    /// # Errors
    /// No TLS on this machine.
    pub fn new() -> Result<Self, reqwest::Error> {
        Ok(Self { world: client().build()?, here: client().no_proxy().build()? })
    }

    /// The client that leads to `url`.
    #[must_use]
    pub fn to(&self, url: &Url) -> &reqwest::Client {
        if is_this_machine(url) { &self.here } else { &self.world }
    }
}

fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("konektor-bridge/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        // A token or a secret must not follow a redirect.
        .redirect(reqwest::redirect::Policy::none())
}

/// The whole body of an answer; `None` when it is cut, or longer than `cap` bytes.
pub async fn whole(response: reqwest::Response, cap: usize) -> Option<Bytes> {
    let (mut body, mut chunks) = (BytesMut::new(), response.bytes_stream());
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.ok().filter(|chunk| body.len() + chunk.len() <= cap)?;
        body.extend_from_slice(&chunk);
    }
    Some(body.freeze())
}
