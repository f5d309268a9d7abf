//! The client of a running bridge's admin API.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use reqwest::header::RETRY_AFTER;
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::failure::BadUsage;
use super::local::{self, below};
use crate::config::Settings;
use crate::ops::wire::{Audit, AuditQuery, Event, EventPage, Failure, ListQuery, Moved, Sources, Which};

/// Longest time for one request: moving a thousand events takes a fraction of it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Longest time for one step of an audit: its first reads all that the store holds.
const AUDIT_TIMEOUT: Duration = Duration::from_mins(10);
/// The most events on a page of the admin API.
const PAGE: usize = 1000;

/// The bridge says that what is behind it cannot be asked now.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(super) struct Later {
    /// When to ask the same again, from now.
    pub(super) after: Duration,
    message: String,
}

/// The admin API of one bridge.
#[derive(Clone)]
pub(super) struct Admin {
    http: reqwest::Client,
    base: Url,
    token: Option<SecretString>,
}

impl Admin {
    /// The one that the settings name.
    pub(super) fn of(settings: &Settings) -> anyhow::Result<Self> {
        let base = settings.admin_url.clone().ok_or_else(|| {
            BadUsage(
                "set BRIDGE_ADMIN_URL to where the bridge's admin API is: BRIDGE_ADMIN_LISTEN does not say it".into(),
            )
        })?;
        Self::at(base, settings.admin_token.clone())
    }

    /// The one at `base`.
    pub(super) fn at(base: Url, token: Option<SecretString>) -> anyhow::Result<Self> {
        let http = local::client(&base, TIMEOUT)?;
        Ok(Self { http, base, token })
    }

    /// What stands at `path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<T> {
        self.read(self.http.get(self.url(path))).await
    }

    /// Asks for something to be done.
    pub(super) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> anyhow::Result<T> {
        self.read(self.http.post(self.url(path)).json(body)).await
    }

    /// The newest events of `list` that `query` asks for, at most `limit`, and whether there are more.
    pub(super) async fn events(
        &self,
        list: &str,
        mut query: ListQuery,
        limit: usize,
    ) -> anyhow::Result<(Vec<Event>, bool)> {
        let mut events = Vec::new();
        loop {
            query.limit = Some((limit - events.len()).min(PAGE));
            let page: EventPage = self.read(self.http.get(self.url(&[list])).query(&query)).await?;
            events.extend(page.events);
            query.cursor = page.next;
            if query.cursor.is_none() || events.len() >= limit {
                return Ok((events, query.cursor.is_some()));
            }
        }
    }

    /// Looks whether the bridge has, or has had, a source of this name: a typing error is not "nothing".
    ///
    /// # Errors
    /// It has not.
    pub(super) async fn knows_source(&self, name: &str) -> anyhow::Result<()> {
        let Sources { sources, once_on } = self.get(&["sources"]).await?;
        let names: BTreeSet<_> =
            sources.iter().map(|source| &source.name).chain(&once_on).map(String::as_str).collect();
        if names.contains(name) { Ok(()) } else { Err(local::no_such_source(names.into_iter(), name).into()) }
    }

    /// One step of looking through the store: after `cursor`, or the first.
    pub(super) async fn audit(&self, cursor: Option<String>) -> anyhow::Result<Audit> {
        self.read(self.http.get(self.url(&["audit"])).query(&AuditQuery { cursor }).timeout(AUDIT_TIMEOUT)).await
    }

    /// Moves everything that `which` names, however many requests it takes, and counts.
    pub(super) async fn move_all(&self, path: &[&str], mut which: Which) -> anyhow::Result<usize> {
        let mut count = 0;
        loop {
            let moved: Moved = self.post(path, &which).await?;
            count += moved.count;
            let goes_on = moved.next.is_some() || moved.count > 0;
            if !moved.more || !goes_on {
                return Ok(count);
            }
            which.cursor = moved.next;
        }
    }

    fn url(&self, path: &[&str]) -> Url {
        let path: Vec<_> = ["admin", "v1"].into_iter().chain(path.iter().copied()).collect();
        below(&self.base, &path)
    }

    async fn read<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let request = match &self.token {
            Some(token) => request.bearer_auth(token.expose_secret()),
            None => request,
        };
        let answer = request.send().await.map_err(|error| self.unreached(&error))?;
        if !answer.status().is_success() {
            return Err(self.refused(answer).await);
        }
        answer.json().await.with_context(|| {
            format!(
                "what answers at {} is no bridge of this version; set BRIDGE_ADMIN_URL to where the bridge is",
                self.base
            )
        })
    }

    fn unreached(&self, error: &reqwest::Error) -> anyhow::Error {
        if error.is_timeout() {
            return anyhow!("the bridge at {} does not answer in time; its log says why", self.base);
        }
        anyhow!(
            "no bridge answers at {}; start one with `konektor-bridge serve`, or set BRIDGE_ADMIN_URL to where it is",
            self.base
        )
    }

    async fn refused(&self, answer: Response) -> anyhow::Error {
        let status = answer.status();
        if status == StatusCode::UNAUTHORIZED {
            return anyhow!(
                "the bridge wants another token; set BRIDGE_ADMIN_TOKEN to the one that it was started with"
            );
        }
        let after = answer.headers().get(RETRY_AFTER).and_then(|after| after.to_str().ok()?.parse().ok());
        match answer.json::<Failure>().await {
            Ok(Failure { error, message }) if error == "later" => {
                Later { after: Duration::from_secs(after.unwrap_or(60)), message }.into()
            }
            // Its sentence says what is wrong with what was asked.
            Ok(failure) if status == StatusCode::BAD_REQUEST => BadUsage(failure.message).into(),
            Ok(failure) => anyhow!("{}", failure.message),
            Err(_) => anyhow!(
                "what answers {} at {} is no bridge; set BRIDGE_ADMIN_URL to where it is",
                status.as_u16(),
                self.base
            ),
        }
    }
}
