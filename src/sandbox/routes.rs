//! The HTTP side of the sandbox: from requests to calls, from outcomes to answers.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::StatusCode;
use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, rt, web};
use bytes::Bytes;
use serde_json::{Map, Value};

use super::admin;
use super::agent::call::{BadBody, Call, Target};
use super::agent::openapi;
use super::agent::wire::{Answer, Refusal};
use super::graph::{self, GraphCall, GraphPlay};
use super::linkedin::{self, LinkedinCall};
use super::submitted::{Lead, Sender};
use super::world::{Admission, Outcome, World};

/// The longest body that is read. The largest lead the contract allows stays far below it.
const BODY_LIMIT: usize = 1024 * 1024;

/// Puts every route in place.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    app.route("/api/v2/agent/SKILL.md", web::get().to(skill))
        .route("/api/v2/agent/{path:.*}", web::to(agent))
        .route("/openapi.json", web::get().to(description))
        .route("/graph/{version}/{id}", web::get().to(graph_lead))
        .route("/graph/{version}/{id}/leadgen_forms", web::get().to(graph_forms))
        .route("/graph/{version}/{id}/leads", web::get().to(graph_leads))
        .route("/linkedin/rest/leadFormResponses", web::get().to(linkedin_find))
        .route("/linkedin/rest/leadFormResponses/{id}", web::get().to(linkedin_lead))
        .configure(admin::configure);
}

/// The one public call: no key, no headers of ours.
async fn skill() -> HttpResponse {
    HttpResponse::Ok().content_type("text/markdown; charset=utf-8").body(include_str!("agent/skill.md"))
}

/// The Agent API described, for tools.
async fn description() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(openapi::document())
}

/// Any other call of the Agent API. It is played in a task of its own, so that a caller who gives up does not stop it: a
/// real server would go on and commit, too.
async fn agent(request: HttpRequest, payload: web::Payload, world: web::Data<World>) -> HttpResponse {
    let call = Call {
        target: Target::of(request.method().as_str(), request.match_info().query("path")),
        authorization: authorization(&request).map(str::to_owned),
        query: request.query_string().to_owned(),
        body: body(payload).await,
    };
    let (outcome, admission) = match rt::spawn(play(world.into_inner(), call)).await {
        Ok(played) => played,
        Err(_) => return HttpResponse::InternalServerError().finish(),
    };
    stamped(outcome, &admission)
}

/// Only a call that is let in is held back by a latency.
async fn play(world: Arc<World>, call: Call) -> (Outcome, Admission) {
    let admission = world.admit(&call, world.clock.now());
    let kind = call.target.as_ref().map(|target| target.kind);
    let (outcome, latency) = match admission.verdict.clone() {
        Err(refusal) => (refusal.into(), Duration::ZERO),
        Ok((workspace, target)) => {
            rest(admission.latency.0).await;
            let world = Arc::clone(&world);
            let work = web::block(move || world.work(&call, &workspace, &target)).await;
            (work.unwrap_or_else(|_| Refusal::Internal.into()), admission.latency.1)
        }
    };
    let limited = matches!(admission.verdict, Err(Refusal::RateLimited(_)));
    world.state().calls.count(kind, &outcome, limited);
    rest(latency).await;
    (outcome, admission)
}

async fn rest(latency: Duration) {
    if !latency.is_zero() {
        rt::time::sleep(latency).await;
    }
}

async fn graph_lead(request: HttpRequest, path: web::Path<(String, String)>, world: web::Data<World>) -> HttpResponse {
    on_graph(&request, &path.1, &world, |call, play, leads| {
        if let Some(form) = call.form(leads) {
            return played(play).unwrap_or(form);
        }
        call.answer(play.or_else(|| submitted(leads, call.id, graph::as_submitted)), world.started)
    })
}

async fn graph_forms(request: HttpRequest, path: web::Path<(String, String)>, world: web::Data<World>) -> HttpResponse {
    on_graph(&request, &path.1, &world, |call, play, leads| played(play).unwrap_or_else(|| call.forms(leads)))
}

async fn graph_leads(request: HttpRequest, path: web::Path<(String, String)>, world: web::Data<World>) -> HttpResponse {
    on_graph(&request, &path.1, &world, |call, play, leads| played(play).unwrap_or_else(|| call.leads(leads)))
}

/// A call of the Graph API about `id`: whether it is let in, what is to be played, what is answered.
fn on_graph(
    request: &HttpRequest,
    id: &str,
    world: &World,
    answer: impl FnOnce(&GraphCall<'_>, Option<GraphPlay>, &[Lead]) -> Answer,
) -> HttpResponse {
    let call = GraphCall { id, query: request.query_string(), authorization: authorization(request) };
    let mut state = world.state();
    let answer = match call.admit(&world.graph, world.clock.now()) {
        Ok(()) => {
            let about_form = request.path().ends_with(id) && graph::is_form(id, state.submitted.of(Sender::Meta));
            let play = if about_form { state.overrides.take_own(id) } else { state.overrides.take(id) };
            answer(&call, play, state.submitted.of(Sender::Meta))
        }
        Err(error) => error.into(),
    };
    state.calls.count_graph(answer.status);
    drop(state);
    filled(HttpResponse::Ok(), answer)
}

async fn linkedin_lead(request: HttpRequest, path: web::Path<String>, world: web::Data<World>) -> HttpResponse {
    on_linkedin(&request, &path, &world, |call, play, leads| {
        call.answer(play.or_else(|| submitted(leads, call.id, linkedin::as_submitted)), world.started)
    })
}

async fn linkedin_find(request: HttpRequest, world: web::Data<World>) -> HttpResponse {
    let query = request.query_string();
    on_linkedin(&request, "leadFormResponses", &world, |_, play, leads| {
        played(play).unwrap_or_else(|| linkedin::find(query, leads, world.started))
    })
}

/// A call of Lead Sync about `id`, likewise.
fn on_linkedin(
    request: &HttpRequest,
    id: &str,
    world: &World,
    answer: impl FnOnce(&LinkedinCall<'_>, Option<GraphPlay>, &[Lead]) -> Answer,
) -> HttpResponse {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let (version, protocol) = (header("linkedin-version"), header("x-restli-protocol-version"));
    let call = LinkedinCall { id, version, protocol, authorization: authorization(request) };
    let mut state = world.state();
    let answer = match call.admit() {
        Ok(()) => {
            let play = state.overrides.take(id);
            answer(&call, play, state.submitted.of(Sender::Linkedin))
        }
        Err(refused) => refused,
    };
    state.calls.count_graph(answer.status);
    drop(state);
    filled(HttpResponse::Ok(), answer)
}

/// What was ordered in place of a list; a lead is no list.
fn played(play: Option<GraphPlay>) -> Option<Answer> {
    match play? {
        GraphPlay::Lead(_) => None,
        GraphPlay::Error(error) => Some(error.into()),
        GraphPlay::Answer(answer) => Some(answer),
    }
}

/// The lead `id` as it was submitted, if it was.
fn submitted(leads: &[Lead], id: &str, known: impl Fn(&Lead) -> Map<String, Value>) -> Option<GraphPlay> {
    leads.iter().find(|lead| lead.id == id).map(|lead| GraphPlay::Lead(known(lead)))
}

fn authorization(request: &HttpRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()
}

async fn body(payload: web::Payload) -> Result<Bytes, BadBody> {
    match payload.to_bytes_limited(BODY_LIMIT).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(_)) => Err(BadBody::Broken),
        Err(_) => Err(BadBody::TooLarge),
    }
}

/// The answer of the Agent API, with the headers that each has.
fn stamped(outcome: Outcome, admission: &Admission) -> HttpResponse {
    let Outcome::Answer(answer) = outcome else { return HttpResponse::Ok().body(Cut) };
    let mut response = HttpResponse::Ok();
    response
        .insert_header(("X-Request-Id", admission.request_id.to_string()))
        .insert_header(("X-RateLimit-Limit", admission.quota.limit))
        .insert_header(("X-RateLimit-Remaining", admission.quota.remaining))
        .insert_header(("X-RateLimit-Reset", admission.quota.reset));
    filled(response, answer)
}

/// `answer` on top of what `response` has already.
fn filled(mut response: HttpResponseBuilder, answer: Answer) -> HttpResponse {
    // Statuses and headers that come from outside were checked when they were set.
    response.status(StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let bare = matches!(answer.body, Value::String(_));
    response.content_type(if bare { "text/html; charset=utf-8" } else { "application/json" });
    for header in answer.headers {
        response.insert_header(header);
    }
    match answer.body {
        Value::String(text) => response.body(text),
        json => response.body(json.to_string()),
    }
}

/// A body that fails before its first byte. The server writes nothing then, not even the head, and closes the connection.
struct Cut;

impl MessageBody for Cut {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, io::Error>>> {
        Poll::Ready(Some(Err(io::Error::other("the sandbox cuts the connection, as it was told to"))))
    }
}
