//! The sandbox's own calls for workspaces and what is in them: what a person would do in Konektor's dashboard.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use url::Url;

use super::admin::{AdminError, read};
use super::seed::Seeding;
use super::settings::{Key, Workspace};
use super::world::World;

/// Puts the routes in place.
pub(super) fn configure(app: &mut web::ServiceConfig) {
    app.route("/sandbox/workspaces", web::get().to(workspaces))
        .route("/sandbox/workspaces/{name}", web::put().to(put_workspace))
        .route("/sandbox/keys/{token}", web::put().to(put_key))
        .route("/sandbox/conversions/fail", web::post().to(fail_conversions))
        .route("/sandbox/seed", web::post().to(seed))
        .route("/sandbox/tickets", web::get().to(tickets))
        .route("/sandbox/webhooks", web::get().to(webhooks));
}

/// Every workspace with its settings and keys.
async fn workspaces(world: web::Data<World>) -> HttpResponse {
    let all: Vec<Value> = world.state().registry.workspaces().map(|workspace| told(workspace)).collect();
    HttpResponse::Ok().json(all)
}

/// Makes a workspace, or changes one: what the body leaves out stays as it is.
async fn put_workspace(
    name: web::Path<String>,
    body: Bytes,
    world: web::Data<World>,
) -> Result<HttpResponse, AdminError> {
    let changes: Map<String, Value> = read(&body)?;
    let known = world.state().registry.workspace(Some(&name)).cloned();
    let before = known.as_deref().cloned().unwrap_or_else(|| Workspace { keys: Vec::new(), ..Workspace::default() });
    let workspace = Workspace { name: name.into_inner(), keys: before.keys.clone(), ..merged(&before, changes)? };
    if let Some(subscriber) = &workspace.subscriber {
        let url = Url::parse(&subscriber.url).map_err(|_| AdminError::Url)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AdminError::Url);
        }
    }
    let answer = told(&workspace);
    web::block(move || world.enroll(|records| records.put_workspace(&workspace))).await??;
    Ok(HttpResponse::Ok().json(answer))
}

/// Makes a key, or changes one: what the body leaves out stays as it is. A new one belongs to the `workspace` that the body
/// names, or the first.
async fn put_key(token: web::Path<String>, body: Bytes, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let mut changes: Map<String, Value> = read(&body)?;
    let owner: Option<String> = changes.remove("workspace").map(serde_json::from_value).transpose()?;
    let (owner, before) = {
        let state = world.state();
        let known = state.registry.key(&token);
        let named = match &owner {
            None if known.is_some() => known.map(|(workspace, _)| Arc::clone(workspace)),
            name => state.registry.workspace(name.as_deref()).cloned(),
        };
        (named.ok_or(AdminError::NoWorkspace)?, known.map(|(_, key)| key.clone()).unwrap_or_default())
    };
    let key = Key { token: SecretString::from(token.into_inner()), ..merged(&before, changes)? };
    let answer = told_key(&key);
    web::block(move || world.enroll(|records| records.put_key(&owner.name, &key))).await??;
    Ok(HttpResponse::Ok().json(answer))
}

/// Which conversions are to fail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Failing {
    /// Of the first one when absent.
    workspace: Option<String>,
    /// The leads' ids; all when there are none.
    #[serde(default)]
    leads: Vec<String>,
}

async fn fail_conversions(body: Bytes, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let Failing { workspace, leads } = read(&body)?;
    let workspace = named(&world, workspace.as_deref())?;
    let now = world.clock.now();
    let failed = web::block(move || world.records().fail_conversions(&workspace.name, &leads, now)).await??;
    Ok(HttpResponse::Ok().json(json!({"failed": failed})))
}

/// A workspace to be filled.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Filling {
    /// The first one when absent.
    workspace: Option<String>,
    leads: u32,
    days: u32,
    seed: u64,
}

impl Default for Filling {
    fn default() -> Self {
        let Seeding { leads, days, seed } = Seeding::default();
        Self { workspace: None, leads, days, seed }
    }
}

async fn seed(body: Bytes, world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let Filling { workspace, leads, days, seed } = read(&body)?;
    let workspace = named(&world, workspace.as_deref())?;
    let now = world.clock.now();
    web::block(move || {
        let mut records = world.records();
        if !records.is_empty(&workspace.name)? {
            return Err(AdminError::NotEmpty);
        }
        let seeding = Seeding { leads, days, seed };
        Ok(records.plant(&workspace.name, seeding.leads(now, &workspace.time_zone))?)
    })
    .await??;
    Ok(HttpResponse::Ok().json(json!({"leads": leads})))
}

async fn tickets(world: web::Data<World>) -> Result<HttpResponse, AdminError> {
    let tickets = web::block(move || world.records().tickets()).await??;
    Ok(HttpResponse::Ok().json(tickets))
}

async fn webhooks(world: web::Data<World>) -> HttpResponse {
    HttpResponse::Ok().json(world.notices.tally())
}

fn named(world: &World, name: Option<&str>) -> Result<Arc<Workspace>, AdminError> {
    world.state().registry.workspace(name).cloned().ok_or(AdminError::NoWorkspace)
}

/// `before` with `changes` over it.
fn merged<T: Serialize + DeserializeOwned>(before: &T, changes: Map<String, Value>) -> Result<T, serde_json::Error> {
    let mut object = serde_json::to_value(before)?;
    if let Value::Object(members) = &mut object {
        members.extend(changes);
    }
    serde_json::from_value(object)
}

/// A workspace as it is told, with its keys.
fn told(workspace: &Workspace) -> Value {
    let keys: Vec<Value> = workspace.keys.iter().map(told_key).collect();
    let mut object = json!(workspace);
    object["name"] = json!(workspace.name);
    object["keys"] = json!(keys);
    object
}

fn told_key(key: &Key) -> Value {
    let mut object = json!(key);
    object["token"] = json!(key.token.expose_secret());
    object
}
