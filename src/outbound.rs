//! The HTTP clients for services of others: the senders' own APIs, and captcha services. One pair for the whole process, each
//! made when it is first used, for each client holds the certificates that it trusts.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use url::Url;

use crate::loopback::is_this_machine;

/// Longest time to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(4);

/// Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Outbound(Arc<Clients>);

#[derive(Debug, Default)]
struct Clients {
    /// Through the proxy that the environment names, if any.
    world: OnceLock<Option<reqwest::Client>>,
    /// Past it, to what is on this machine.
    here: OnceLock<Option<reqwest::Client>>,
}

impl Outbound {
    /// The client that leads to `url`; whoever asks sets how long it waits. `None` where TLS cannot be set up, which
    /// Konektor's client would have told at the start.
    #[must_use]
    pub fn to(&self, url: &Url) -> Option<&reqwest::Client> {
        let Clients { world, here } = &*self.0;
        let made = if is_this_machine(url) {
            here.get_or_init(|| client().no_proxy().build().ok())
        } else {
            world.get_or_init(|| client().build().ok())
        };
        made.as_ref()
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
