//! Schemes as they are written, against webhooks as they come.

use jiff::Timestamp;

use super::*;
use crate::domain::event::SourceName;
use crate::providers::Method;

pub(super) fn now() -> Timestamp {
    Timestamp::from_second(1_793_000_000).unwrap()
}

pub(super) fn place() -> Place {
    Place::new(SourceName::parse("x").unwrap(), Some("https://hooks.example.com/"))
}

pub(super) fn post(headers: &[(&str, &str)], body: &str) -> Webhook {
    Webhook {
        source: place().source,
        received: now(),
        request_id: "req-1".into(),
        method: Method::Post,
        path: "/hooks/x".into(),
        path_token: None,
        query: String::new(),
        headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: body.to_owned().into(),
    }
}
