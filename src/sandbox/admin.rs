//! The sandbox's own calls, under `/sandbox`: faults, ledger, leads, Graph overrides, reset. They ask for no key. Those for
//! workspaces and what is in them are in `manage.rs`.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError, web};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::agent::lead::WholeLead;
use super::faults::{Faults, FaultsError};
use super::graph::Override;
use super::records::page::Part;
use super::submitted::{Sender, Submitted};
use super::world::World;
use super::{graph, linkedin, manage};

/// Puts the routes in place.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    app.route("/sandbox/faults", web::get().to(faults))
        .route("/sandbox/faults", web::put().to(set_faults))
        .route("/sandbox/ledger", web::get().to(ledger))
        .route("/sandbox/leads", web::get().to(leads))
        .route("/sandbox/leads/{id}", web::delete().to(delete_lead))
        .route("/sandbox/graph/{id}", web::put().to(set_override))
        .route("/sandbox/graph/{id}", web::delete().to(remove_override))
        .route("/sandbox/submitted", web::post().to(submit))
        .route("/sandbox/reset", web::post().to(reset))
        .configure(manage::configure);
}

/// Why one of these calls is not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
    #[error("the body cannot be read: {0}")]
    Body(#[from] serde_json::Error),
    #[error(transparent)]
    Faults(#[from] FaultsError),
    #[error("there is no such lead, or it is deleted already")]
    NoLead,
    #[error("there is no such workspace; GET /sandbox/workspaces lists them")]
    NoWorkspace,
    #[error("webhooks can be sent to an http or https URL only")]
    Url,
    #[error("the workspace has leads already; made-up ones are for an empty one")]
    NotEmpty,
    #[error("the sandbox's database failed: {0}")]
    Database(#[from] rusqlite::Error),
    #[error("the sandbox is stopping")]
    Stopping(#[from] actix_web::error::BlockingError),
}

impl ResponseError for AdminError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Body(_) | Self::Faults(_) | Self::Url => StatusCode::BAD_REQUEST,
            Self::NoLead | Self::NoWorkspace => StatusCode::NOT_FOUND,
            Self::NotEmpty => StatusCode::CONFLICT,
            Self::Database(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Stopping(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn error_response(&self) -> HttpResponse {
        HttpResponse::build(self.status_code()).json(json!({"error": self.to_string()}))
    }
}

/// The faults in force, with what is left of `next`.
async fn faults(world: web::Data<World>) -> HttpResponse {
    HttpResponse::Ok().json(&world.state().mishaps.faults)
}

/// Puts the given faults in place of all that were in force.
async fn set_faults(body: Bytes, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let faults: Faults = read(&body)?;
    faults.check()?;
    world.set_faults(faults);
    Ok(self::faults(world).await)
}

async fn ledger(part: web::Query<Part>, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let ledger = web::block(move || world.ledger(part.into_inner())).await??;
    Ok(HttpResponse::Ok().json(ledger))
}

/// Every lead, deleted ones included, with its `externalRef`, oldest first.
async fn leads(part: web::Query<Part>, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let leads = web::block(move || world.records().all(part.into_inner())).await??;
    Ok(HttpResponse::Ok().json(leads.iter().map(WholeLead::bare).collect::<Vec<_>>()))
}

/// Deletes a lead softly, as a person would in Konektor's dashboard.
async fn delete_lead(id: web::Path<String>, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let now = world.clock.now();
    let deleted = web::block(move || world.records().delete(&id, now)).await??;
    if deleted { Ok(HttpResponse::NoContent().finish()) } else { Err(AdminError::NoLead) }
}

async fn set_override(id: web::Path<String>, body: Bytes, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let instead: Override = read(&body)?;
    instead.check()?;
    world.state().overrides.put(id.into_inner(), instead);
    Ok(HttpResponse::NoContent().finish())
}

async fn remove_override(id: web::Path<String>, world: web::Data<World>) -> HttpResponse {
    world.state().overrides.remove(&id);
    HttpResponse::NoContent().finish()
}

/// Leads that are on the list of a stand-in from now on.
async fn submit(body: Bytes, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let submitted: Submitted = read(&body)?;
    let usual = match submitted.sender {
        Sender::Meta => graph::USUAL_FORM,
        Sender::Linkedin => linkedin::USUAL_TYPE,
    };
    world.state().submitted.add(submitted, usual, world.clock.now());
    Ok(HttpResponse::NoContent().finish())
}

async fn reset(world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    web::block(move || world.reset()).await??;
    Ok(HttpResponse::NoContent().finish())
}

/// Reads an object. (By itself serde would also take a list of a struct's values.)
pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, AdminError> {
    let object: Map<String, Value> = serde_json::from_slice(body)?;
    Ok(serde_json::from_value(Value::Object(object))?)
}
