//! The one handler: a webhook's way from the wire into the store.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, ORIGIN};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse, http::Method as HttpMethod};
use bytes::Bytes;

use super::body::{self, Most, Taken};
use super::captcha::Person;
use super::gzip;
use super::refused::{Refused, Unproved};
use super::{Front, captcha, client};
use crate::domain::event::SourceName;
use crate::http;
use crate::providers::{Coding, Files, Found, Headers, Method, Packed, Provider, Refusal, Reply, Verified, Webhook};

/// What a client may call its request, at most, to find it in our log: what looks like a UUID or a trace id.
const LONGEST_ID: usize = 128;

/// Takes a webhook for the source called `name`, and answers. A `token` in the path is a secret: it goes into the webhook
/// and nowhere else.
pub(super) async fn take(
    front: &Front,
    name: &str,
    token: Option<&str>,
    request_id: &str,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let Ok(source) = SourceName::parse(name) else { return front.refuse(None, request_id, &Refused::Source) };
    log_client(front, &source, request_id, request);
    match stages(front, source.clone(), token, request_id, request, payload).await {
        Ok(reply) => answer(reply),
        // A name that somebody made up must not become a label of a metric.
        Err(nothing @ (Refused::Source | Refused::Path)) => front.refuse(None, request_id, &nothing),
        Err(refused) => {
            let mut answer = front.refuse(Some(&source), request_id, &refused);
            put(&mut answer, readable(front, &source, request));
            if refused.is_of_method() {
                answer.headers_mut().insert(ALLOW, methods(front, &source));
            }
            answer
        }
    }
}

/// The methods that a source knows, for those who come with another.
fn methods(front: &Front, name: &SourceName) -> HeaderValue {
    let known = match front.parts.registry.borrow().find(name) {
        Found::On(source) => source.provider.methods(),
        Found::Wanting | Found::OnceOn | Found::Unknown => &[Method::Post],
    };
    let words: Vec<_> = known.iter().map(|method| method.as_str()).collect();
    HeaderValue::try_from(words.join(", ")).expect("the names of methods are a header value")
}

/// What lets the page that sent a webhook read why it is not taken, whether to try again for example.
fn readable(front: &Front, name: &SourceName, request: &HttpRequest) -> Vec<(&'static str, String)> {
    let mut origins = request.headers().get_all(ORIGIN).map(|origin| origin.to_str().ok());
    let (Some(Some(origin)), None) = (origins.next(), origins.next()) else { return Vec::new() };
    match front.parts.registry.borrow().find(name) {
        Found::On(source) => source.provider.readable_by(origin),
        Found::Wanting | Found::OnceOn | Found::Unknown => Vec::new(),
    }
}

/// Receive, verify, keep, reply.
async fn stages(
    front: &Front,
    name: SourceName,
    token: Option<&str>,
    request_id: &str,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Reply, Refused> {
    if front.parts.stopping.is_cancelled() {
        return Err(Refused::Stopping);
    }
    let registry = front.parts.registry.borrow().clone();
    let source = match registry.find(&name) {
        Found::On(source) => source,
        Found::Wanting => return Err(Refused::Wanting),
        Found::OnceOn => return Ok(dropped(front, &name, request_id)),
        Found::Unknown => return Err(Refused::Source),
    };
    if token.is_some() && !source.provider.has_path_token() {
        return Err(Refused::Path);
    }
    let head = head(front, name, token, request_id, request)?;
    let (webhook, _held) = receive(front, source.provider.as_ref(), head, request, payload).await?;
    if let Some(reply) = source.provider.handshake(&webhook) {
        return Ok(reply);
    }
    let mut verified = match source.provider.verify(&webhook, webhook.received) {
        Ok(verified) => verified,
        Err(refusal) => return Err(unproved(refusal, webhook, &source.provider)),
    };
    if let Some(alternative) = verified.alternative() {
        front.parts.metrics.sig_alt_match(&webhook.source, alternative.into());
    }
    match captcha::check(front, source.provider.as_ref(), &webhook).await {
        Ok(Person::Known) => {}
        Ok(Person::Unknown) => verified.mark_unverified(),
        Err(refused) => return shown(front, source.provider.as_ref(), &webhook, refused),
    }
    keep(front, verified).await?;
    front.parts.metrics.accepted(&webhook.source);
    tracing::debug!(source = %webhook.source, request_id, bytes = webhook.body.len(), "webhook kept");
    Ok(source.provider.accepted(&webhook))
}

/// A webhook that is not let in, with what the log says of one whose proof does not hold.
fn unproved(refusal: Refusal, webhook: Webhook, provider: &Arc<dyn Provider>) -> Refused {
    match refusal {
        Refusal::NoProof
        | Refusal::GarbledProof
        | Refusal::WrongProof
        | Refusal::OtherProof(_)
        | Refusal::Stale
        | Refusal::Origin => {
            Refused::Proof(refusal, Some(Box::new(Unproved { webhook, provider: Arc::clone(provider) })))
        }
        Refusal::ContentType | Refusal::Captcha | Refusal::Method => Refused::Proof(refusal, None),
    }
}

/// A refusal as a page, where the provider has one for it.
fn shown(front: &Front, provider: &dyn Provider, webhook: &Webhook, refused: Refused) -> Result<Reply, Refused> {
    let Refused::Proof(refusal, _) = refused else { return Err(refused) };
    let Some(page) = provider.refused(webhook, refusal) else { return Err(refused) };
    // Counted and logged as any other; only its answer is another.
    drop(front.refuse(Some(&webhook.source), &webhook.request_id, &refused));
    Ok(page)
}

/// The request as far as it is known before its body comes.
fn head(
    front: &Front,
    source: SourceName,
    token: Option<&str>,
    request_id: &str,
    request: &HttpRequest,
) -> Result<Webhook, Refused> {
    let method = method(request.method())?;
    Ok(Webhook {
        source,
        received: front.parts.clock.now(),
        request_id: request_id.to_owned(),
        method,
        path: request.uri().path().to_owned(),
        path_token: token.map(str::to_owned),
        query: request.query_string().to_owned(),
        headers: texts(request.headers()),
        body: Bytes::new(),
        packed: None,
    })
}

/// Reads the request whole, but for files that are not held.
async fn receive(
    front: &Front,
    provider: &dyn Provider,
    head: Webhook,
    request: &HttpRequest,
    payload: Payload,
) -> Result<(Webhook, Taken), Refused> {
    let (limits, room, announced) = (&front.limits, &front.room, announced(request.headers()));
    let mut packed = None;
    let (body, held) = match (head.coding(), provider.files(&head)) {
        (Coding::Other, _) => return Err(Refused::Encoding),
        (Coding::Gzip, _) => {
            let (sent, mut held) = body::read(payload, announced, limits.body, limits.body_within, room).await?;
            let unpacked = gzip::unpacked(&sent, limits.body, &mut held).await?;
            let (as_sent, body) = Packed::of(sent, unpacked);
            packed = Some(as_sent);
            (body, held)
        }
        (Coding::Plain, Files::None) => body::read(payload, announced, limits.body, limits.body_within, room).await?,
        (Coding::Plain, Files::Proved) => {
            body::read(payload, announced, limits.files, limits.files_within, room).await?
        }
        (Coding::Plain, Files::Dropped(without)) => {
            let most = Most { coming: limits.files, held: limits.body };
            body::read_without_files(payload, announced, most, limits.files_within, room, without).await?
        }
    };
    Ok((Webhook { received: front.parts.clock.now(), body, packed, ..head }, held))
}

/// Waits until the store has it for good.
async fn keep(front: &Front, verified: Verified) -> Result<(), Refused> {
    let kept = front.parts.store.keep(verified.into_kept());
    tokio::time::timeout(front.limits.keep_within, kept).await.map_err(|_| Refused::Late)??;
    front.say_keeping();
    Ok(())
}

fn method(method: &HttpMethod) -> Result<Method, Refused> {
    match *method {
        HttpMethod::POST => Ok(Method::Post),
        HttpMethod::GET => Ok(Method::Get),
        HttpMethod::OPTIONS => Ok(Method::Options),
        _ => Err(Refused::Method),
    }
}

fn announced(headers: &HeaderMap) -> Option<usize> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The headers as text. What is none becomes U+FFFD and stays: a garbled proof beside a good one must not go unseen.
fn texts(headers: &HeaderMap) -> Headers {
    let bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    let mut texts = Headers::with_capacity(headers.len(), bytes);
    for (name, value) in headers {
        match std::str::from_utf8(value.as_bytes()) {
            Ok(value) => texts.push(name.as_str(), value),
            Err(_) => texts.push(name.as_str(), &String::from_utf8_lossy(value.as_bytes())),
        }
    }
    texts
}

/// The answer to a source that its owner has switched off or removed: success, so that its sender does not switch the hook off for ever.
fn dropped(front: &Front, source: &SourceName, request_id: &str) -> Reply {
    const REASON: &str = "source_off";
    front.parts.metrics.refused(Some(source), REASON);
    if let Some(unsaid) = front.quiet.may_say(Some(source), REASON, front.parts.clock.now()) {
        tracing::info!(%source, request_id, unsaid, "webhook dropped, for its source is off or removed");
    }
    Reply::json("{}")
}

/// A provider's reply on the wire.
fn answer(reply: Reply) -> HttpResponse {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut answer = HttpResponse::with_body(status, actix_web::body::BoxBody::new(reply.body));
    put(&mut answer, reply.headers);
    answer
}

/// Puts headers on an answer. A value that cannot stand in one is left out rather than turned into an error: the webhook
/// may be kept already.
fn put(answer: &mut HttpResponse, headers: Vec<(&'static str, String)>) {
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            answer.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
}

/// From which network a request comes, and what its sender calls it.
fn log_client(front: &Front, source: &SourceName, request_id: &str, request: &HttpRequest) {
    if !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    let Some(peer) = request.peer_addr() else { return };
    let client = client::address(peer, request.headers(), &front.parts.trusted_proxies);
    let theirs = request.headers().get(http::REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| id.len() <= LONGEST_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let theirs = theirs.filter(plain);
    tracing::debug!(%source, request_id, client_request_id = theirs, network = %client::network(client), "webhook comes in");
}
