//! The typed client: one method a call, each under a permit of its own.

use std::sync::Arc;

use futures_util::stream::{Stream, TryStreamExt, iter, try_unfold};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use url::Url;

use super::call::{Call, Scope};
use super::permits::{Heard, Permits};
use super::query::{LeadFilter, ListQuery, Period};
use super::refused::{Refused, refused};
use super::transport::{ClientError, KeyOf, Received, Transport};
use super::walk::Walk;
use super::wire::{
    Campaign, Conversions, Framed, FunnelStep, LeadBody, LeadView, Page, PendingConversion, Summary, Ticket,
    TicketBody, Workspace,
};
use super::{Meta, RateLimit};
use crate::domain::lead::LeadId;
use crate::domain::status::AdPlatform;

/// What a call gave.
#[derive(Debug, Clone)]
pub struct Reply<T> {
    /// What it asked for.
    pub data: T,
    /// The same as Konektor wrote it, byte for byte, with everything that we do not know.
    pub json: Box<RawValue>,
    /// The HTTP status.
    pub status: u16,
    /// What the headers told.
    pub meta: Box<Meta>,
}

/// Why a call gave nothing, with what there is to say to Konektor's support.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.sentence())]
pub struct ApiError {
    /// What it means.
    pub why: Refused,
    /// The scope that the call needs.
    pub scope: Option<Scope>,
    /// The HTTP status; absent when there was no answer.
    pub status: Option<u16>,
    /// What the headers told.
    pub meta: Box<Meta>,
}

impl ApiError {
    fn sentence(&self) -> String {
        match (&self.why, self.scope) {
            (Refused::Forbidden, Some(scope)) => format!(
                "the API key may not do this: give it the scope {scope} in Konektor under Workspace Settings, API Keys \
                 (if it has that, the plan does not include the Agent API)"
            ),
            (why, _) => why.to_string(),
        }
    }
}

/// What a key may be allowed to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    /// Creates and updates of leads.
    Leads,
    /// Support tickets.
    Tickets,
}

impl Writing {
    /// The scope that it needs.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Leads => Scope::LeadsWrite,
            Self::Tickets => Scope::SupportWrite,
        }
    }
}

/// The Agent API of one workspace. Cheap to clone. A call is made once; none is repeated.
#[derive(Clone)]
pub struct Api {
    transport: Transport,
    permits: Arc<dyn Permits>,
}

impl std::fmt::Debug for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Api").field("transport", &self.transport).finish_non_exhaustive()
    }
}

impl Api {
    /// The API of the workspace that `key` opens at `base` (`https://konektor.id`), within what `permits` allows.
    ///
    /// # Errors
    /// [`ClientError`]: no TLS, or a base URL that is none.
    pub fn new(base: &Url, key: KeyOf, permits: Arc<dyn Permits>) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(base, key)?, permits })
    }

    /// One page of leads.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn leads(&self, query: &ListQuery) -> Result<Reply<Page>, ApiError> {
        // The page is more than its data.
        self.ask(&Call::leads(query), |body, _| serde_json::from_slice(body).ok()).await
    }

    /// Every page of the leads that fit, the newest lead first, as long as the reader asks for more.
    ///
    /// Goes from place to place, by creation time, so that whatever is made or changed meanwhile, no lead is skipped and
    /// none comes twice; what is made after the first page is not among them. (Where Konektor names no next place, it
    /// goes by number, which a lead deleted meanwhile can make skip one.) A page that is throttled or fails is asked for
    /// again; memory holds one page.
    ///
    /// # Errors
    /// [`ApiError`], after which there is nothing more.
    pub fn pages(&self, filter: LeadFilter) -> impl Stream<Item = Result<Reply<Page>, ApiError>> + use<> {
        try_unfold((self.clone(), Some(Walk::over(filter))), |(api, walk)| async move {
            let Some(mut walk) = walk else { return Ok(None) };
            loop {
                match api.leads(walk.query()).await {
                    Ok(mut page) => {
                        let next = walk.turn(&mut page.data).map_err(|why| page.failed(why))?;
                        return Ok(Some((page, (api, next))));
                    }
                    Err(error) if walk.bears(&error.why) => {}
                    Err(error) => return Err(error),
                }
            }
        })
    }

    /// Every lead that fits, as [`Api::pages`] gives them.
    ///
    /// # Errors
    /// [`ApiError`], after which there is nothing more.
    pub fn all_leads(&self, filter: LeadFilter) -> impl Stream<Item = Result<LeadView, ApiError>> + use<> {
        self.pages(filter).map_ok(|page| iter(page.data.leads.into_iter().map(|lead| Ok(lead.read)))).try_flatten()
    }

    /// One lead.
    ///
    /// # Errors
    /// [`ApiError`]; [`Refused::NotFound`] also for a lead that was deleted.
    pub async fn lead(&self, id: &LeadId) -> Result<Reply<LeadView>, ApiError> {
        self.ask(&Call::lead(id), framed).await
    }

    /// Makes a lead. Konektor promises for no field that two leads differ in it: repeating this makes a second one.
    ///
    /// # Errors
    /// [`ApiError`]; after [`Refused::Unclear`] the lead may be there: search before sending again.
    pub async fn create(&self, body: &LeadBody) -> Result<Reply<LeadView>, ApiError> {
        self.ask(&Call::create(body), framed).await
    }

    /// Sets the fields of a lead that `body` has. Each `status` can fire a paid ad event.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn update(&self, id: &LeadId, body: &LeadBody) -> Result<Reply<LeadView>, ApiError> {
        self.ask(&Call::update(id, body), framed).await
    }

    /// The leads of a period in numbers.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn summary(&self, period: &Period) -> Result<Reply<Summary>, ApiError> {
        self.ask(&Call::summary(period), framed).await
    }

    /// How many leads of a period stand where.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn funnel(&self, period: &Period) -> Result<Reply<Vec<FunnelStep>>, ApiError> {
        self.ask(&Call::funnel(period), framed).await
    }

    /// What each campaign brought in a period.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn campaigns(&self, period: &Period) -> Result<Reply<Vec<Campaign>>, ApiError> {
        self.ask(&Call::campaigns(period), framed).await
    }

    /// How far the conversions of a period have come, to all platforms or to one.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn conversions(
        &self,
        period: &Period,
        platform: Option<AdPlatform>,
    ) -> Result<Reply<Conversions>, ApiError> {
        self.ask(&Call::conversions(period, platform), framed).await
    }

    /// The conversions that are not with every platform yet.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn pending(&self) -> Result<Reply<Vec<PendingConversion>>, ApiError> {
        self.ask(&Call::pending(), framed).await
    }

    /// The workspace of the key.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn workspace(&self) -> Result<Reply<Workspace>, ApiError> {
        self.ask(&Call::workspace(), framed).await
    }

    /// Asks Konektor's support for something.
    ///
    /// # Errors
    /// [`ApiError`]; after [`Refused::Unclear`] the ticket may be open.
    pub async fn open_ticket(&self, body: &TicketBody) -> Result<Reply<Ticket>, ApiError> {
        self.ask(&Call::ticket(body), framed).await
    }

    /// Konektor's own description of this API. Public: sent without the key, and not counted.
    ///
    /// # Errors
    /// [`ApiError`], as of every call.
    pub async fn skill(&self) -> Result<String, ApiError> {
        let call = Call::skill();
        let received = self.transport.send(&call, jiff::Timestamp::UNIX_EPOCH).await;
        let received = received.map_err(|why| unanswered(&call, why))?;
        let (_, body) = proven(&call, &received)?;
        String::from_utf8(body.to_vec()).map_err(|_| failed(&call, &received, Refused::Unclear("no text")))
    }

    /// Whether the key has the scope to write, found out without writing: by an update of a lead that is not there, or
    /// a ticket that Konektor can make nothing of, which it refuses as such only to those who might have written.
    ///
    /// # Errors
    /// [`ApiError`] when the answer shows neither.
    pub async fn may_write(&self, what: Writing) -> Result<bool, ApiError> {
        let call = Call::refusable(what);
        let answer: Result<Reply<()>, _> = self.ask(&call, |_, _| Some(())).await;
        match answer {
            // Nothing can come of such a call, but who took it takes more.
            Ok(_) => Ok(true),
            Err(error) => match error.why {
                Refused::NotFound | Refused::Invalid(_) | Refused::Quota | Refused::Conflict => Ok(true),
                Refused::Forbidden => Ok(false),
                _ => Err(error),
            },
        }
    }

    async fn ask<T>(
        &self,
        call: &Call,
        read: impl FnOnce(&[u8], &RawValue) -> Option<T>,
    ) -> Result<Reply<T>, ApiError> {
        let permit = self.permits.permit().await;
        let received = self.transport.send(call, permit.given).await;
        let answer = received.map_err(|why| unanswered(call, why)).and_then(|received| reply(call, &received, read));
        self.permits.observe(permit, heard(&answer));
        answer
    }
}

impl<T> Reply<T> {
    /// The error of an answer that was read but makes no sense.
    fn failed(&self, why: Refused) -> ApiError {
        ApiError { why, scope: None, status: Some(self.status), meta: self.meta.clone() }
    }
}

fn framed<T: DeserializeOwned>(_: &[u8], data: &RawValue) -> Option<T> {
    serde_json::from_str(data.get()).ok()
}

fn reply<T>(
    call: &Call,
    received: &Received,
    read: impl FnOnce(&[u8], &RawValue) -> Option<T>,
) -> Result<Reply<T>, ApiError> {
    let (status, body) = proven(call, received)?;
    let json = serde_json::from_slice::<Framed<Box<RawValue>>>(body).ok().map(|framed| framed.data);
    let reply = json.and_then(|json| {
        let data = read(body, &json)?;
        Some(Reply { data, json, status, meta: Box::new(received.meta.clone()) })
    });
    reply.ok_or_else(|| failed(call, received, Refused::Unclear("a success that cannot be read")))
}

/// The status and the body of a success.
fn proven<'a>(call: &Call, received: &'a Received) -> Result<(u16, &'a [u8]), ApiError> {
    let body = received.body.as_deref();
    if let Some(why) = refused(call.names, received.status, body.unwrap_or_default()) {
        return Err(failed(call, received, why));
    }
    match body {
        Some(body) => Ok((received.status, body)),
        None => Err(failed(call, received, Refused::Unclear("an answer that was cut, or too long"))),
    }
}

fn failed(call: &Call, received: &Received, why: Refused) -> ApiError {
    ApiError { why, scope: call.scope, status: Some(received.status), meta: Box::new(received.meta.clone()) }
}

fn unanswered(call: &Call, why: Refused) -> ApiError {
    ApiError { why, scope: call.scope, status: None, meta: Box::default() }
}

fn heard<T>(answer: &Result<Reply<T>, ApiError>) -> Heard {
    match answer {
        Ok(reply) => Heard::Sent(reply.meta.rate),
        Err(ApiError { why, meta, .. }) => {
            let rate: RateLimit = meta.rate;
            match why {
                Refused::Unsent(_) => Heard::Unsent,
                Refused::Throttled => Heard::Throttled(rate),
                Refused::Unclear(_) => Heard::Failed(rate),
                Refused::Invalid(_)
                | Refused::NotFound
                | Refused::Conflict
                | Refused::Unauthorized
                | Refused::Forbidden
                | Refused::Quota
                | Refused::Misconfigured => Heard::Sent(rate),
            }
        }
    }
}
