//! A local Konektor for demos, development and tests: the whole Agent API, with faults to order, and stand-ins for the
//! Meta Graph API and LinkedIn's.
//!
//! It knows the contract and nothing of our client, so that neither can hide the other's mistakes.
//!
//! ```text
//! /api/v2/agent/…           the Agent API
//! /graph/{version}/{id}     one lead ads lead, made up from its id; …/leadgen_forms and …/leads list
//! /linkedin/rest/…          the same of LinkedIn's Lead Sync: leadFormResponses/{id}, and its finder
//! /sandbox/faults           GET, PUT: what goes wrong
//! /sandbox/ledger           GET: every commit, and counts of calls
//! /sandbox/leads            GET: every lead in full;  DELETE /sandbox/leads/{id}: soft delete
//! /sandbox/graph/{id}       PUT, DELETE: what the stand-ins for Graph and LinkedIn answer for an id
//! /sandbox/submitted        POST: leads for the lists of these stand-ins
//! /sandbox/workspaces       GET: all, with their keys;  PUT /sandbox/workspaces/{name}: make or change one
//! /sandbox/keys/{token}     PUT: make, change or revoke a key
//! /sandbox/conversions/fail POST: conversions fail
//! /sandbox/seed             POST: fill a workspace with made-up leads
//! /sandbox/tickets          GET: support tickets
//! /sandbox/webhooks         GET: what became of Konektor's own webhooks
//! /sandbox/reset            POST: back to the beginning
//! /openapi.json             GET: the Agent API described
//! ```

mod admin;
mod agent;
mod faults;
mod graph;
mod linkedin;
mod manage;
mod notices;
mod rate;
mod records;
mod registry;
mod routes;
mod seed;
mod settings;
mod submitted;
mod world;

use std::io;
use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};
use jiff::Timestamp;
use tokio::task::JoinHandle;

pub use self::agent::calls::Kind;
pub use self::agent::fields::Field;
pub use self::agent::wire::Answer;
pub use self::faults::{Chance, Faults, FaultsError, Mishap, Next, On, RateLimit};
pub use self::graph::{GraphError, GraphPlay, Override};
pub use self::rate::{Limiter, Passage, Quota, RateModel};
use self::records::Records;
pub use self::records::ledger::{Calls, Deed, Entry, Ledger};
pub use self::seed::Seeding;
pub use self::settings::{
    DEFAULT_KEY, DEFAULT_LEADS_PER_DAY, Database, GraphSettings, Key, Plan, Scope, Settings, Subscriber, Workspace,
};
pub use self::submitted::{Sender, Submitted};
use self::world::World;
use crate::loopback::reached;

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nobody to serve.
    #[error("the sandbox needs at least one workspace")]
    NoWorkspace,
    /// A key would open two doors.
    #[error("two keys of the sandbox have the same token; give each its own")]
    SameToken,
    /// Made-up leads are for an empty workspace.
    #[error("the workspace has leads already; give another file for made-up ones")]
    NotEmpty,
    /// A fault cannot be played.
    #[error("the sandbox's faults cannot be played: {0}")]
    Faults(#[from] FaultsError),
    /// The database cannot be opened.
    #[error("the sandbox's database cannot be opened; is it an SQLite file of a sandbox?")]
    Database(#[from] rusqlite::Error),
    /// The address is taken, or not ours.
    #[error("the sandbox cannot listen on {address}; is something else there? Choose another address with --listen")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// A sandbox that runs. It goes on until it is stopped, or the runtime that started it ends.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    server: ServerHandle,
    courier: JoinHandle<()>,
}

impl Running {
    /// The address it listens on, with the port it was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of the Agent API, such as `http://127.0.0.1:40123`, for `KONEKTOR_BASE_URL`. It opens on this machine, also
    /// where the sandbox listens on all its addresses.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", reached(self.address))
    }

    /// The base of the Graph stand-in, for `META_GRAPH_URL`.
    #[must_use]
    pub fn graph_url(&self) -> String {
        format!("{}/graph", self.url())
    }

    /// The base of the LinkedIn stand-in, for `LINKEDIN_API_URL`.
    #[must_use]
    pub fn linkedin_url(&self) -> String {
        format!("{}/linkedin", self.url())
    }

    /// Stops at once: calls that are under way get no answer.
    pub async fn stop(self) {
        self.server.stop(false).await;
        self.courier.abort();
    }
}

/// Starts a sandbox beside whatever else the runtime does. It answers when this returns.
///
/// # Errors
/// When the settings contradict themselves, the database cannot be opened or the address cannot be had.
///
/// # Panics
/// Outside a tokio runtime.
pub fn start(settings: Settings) -> Result<Running, StartError> {
    let listen = settings.listen;
    let (world, courier) = World::new(settings)?;
    let world = web::Data::new(world);
    let failed = |source| StartError::Listen { address: listen, source };
    let server = HttpServer::new(move || App::new().app_data(world.clone()).configure(routes::configure))
        .workers(1)
        .disable_signals()
        .bind(listen)
        .map_err(failed)?;
    let address = *server.addrs().first().expect("a bound server has an address");
    let server = server.run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok(Running { address, server: handle, courier: tokio::spawn(courier.run()) })
}

/// Puts `workspace` and made-up leads for it into `database`, as of `now`. Blocks while SQLite works.
///
/// # Errors
/// When the workspace has leads already, or the database cannot be opened.
pub fn seed(database: &Database, workspace: &Workspace, seeding: Seeding, now: Timestamp) -> Result<(), StartError> {
    let mut records = Records::open(database, seeding.seed)?;
    records.establish(std::slice::from_ref(workspace))?;
    if !records.is_empty(&workspace.name)? {
        return Err(StartError::NotEmpty);
    }
    Ok(records.plant(&workspace.name, seeding.leads(now, &workspace.time_zone))?)
}
