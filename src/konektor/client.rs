//! The client of delivery, which plans calls one by one, holds their permits, and asks what each answer proves.

use jiff::Timestamp;
use url::Url;

use super::judge::{judge, judge_cut};
use super::transport::{ClientError, KeyOf, Transport};
use super::{Answer, Meta, RateLimit, Request};

/// A client of one workspace. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client of the workspace that `key` opens at `base` (`https://konektor.id`).
    ///
    /// # Errors
    /// [`ClientError`]: no TLS, or a base URL that is none.
    pub fn new(base: &Url, key: KeyOf) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(base, key)? })
    }

    /// Makes one call. `now` is for a reset time that is given in seconds from now.
    pub async fn call(&self, request: &Request, now: Timestamp) -> Answer {
        match self.transport.send(&request.call(), now).await {
            Ok(received) => {
                let status = received.status;
                let verdict = match &received.body {
                    Some(body) => judge(request, status, body),
                    None => judge_cut(request, status),
                };
                let Meta { request_id, rate, .. } = received.meta;
                Answer { verdict, status: Some(status), request_id, rate }
            }
            Err(why) => Answer { verdict: why.into(), status: None, request_id: None, rate: RateLimit::default() },
        }
    }
}
