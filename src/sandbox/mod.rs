//! A local Konektor for demos, development and tests: the leads of the Agent API, with faults to order, and a stand-in
//! for the Meta Graph API.
//!
//! It knows the contract and nothing of our client, so that neither can hide the other's mistakes.
//!
//! ```text
//! /api/v2/agent/…           the Agent API: leads, workspace, SKILL.md
//! /graph/{version}/{id}     one lead ads lead, made up from its id
//! /sandbox/faults           GET, PUT: what goes wrong
//! /sandbox/ledger           GET: every commit, and counts of calls
//! /sandbox/leads            GET: every lead in full;  DELETE /sandbox/leads/{id}: soft delete
//! /sandbox/graph/{id}       PUT, DELETE: what the Graph stand-in answers for an id
//! /sandbox/reset            POST: back to the beginning
//! ```

mod admin;
mod call;
mod faults;
mod fields;
mod graph;
mod graph_lead;
mod keys;
mod leads;
mod ledger;
mod page;
mod query;
mod rate;
mod routes;
mod settings;
mod wire;
mod work;
mod world;

use std::io;
use std::net::SocketAddr;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpServer, web};

pub use self::faults::{Chance, Faults, FaultsError, Mishap, Next, On, RateLimit};
pub use self::fields::Field;
pub use self::graph::{GraphError, GraphPlay, Override};
pub use self::ledger::{Calls, Deed, Entry, Ledger};
pub use self::rate::{Limiter, Passage, Quota, RateModel};
pub use self::settings::{DEFAULT_KEY, Database, GraphSettings, Key, Plan, Scope, Settings, Workspace};
pub use self::wire::Answer;
use self::world::World;

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is nobody to serve.
    #[error("the sandbox needs at least one workspace")]
    NoWorkspace,
    /// A key would open two doors.
    #[error("two keys of the sandbox have the same token; give each its own")]
    SameToken,
    /// A fault cannot be played.
    #[error("the sandbox's faults cannot be played: {0}")]
    Faults(#[from] FaultsError),
    /// The database cannot be opened.
    #[error("the sandbox's database cannot be opened; is it an SQLite file of a sandbox?")]
    Database(#[from] rusqlite::Error),
    /// The address is taken, or not ours.
    #[error("the sandbox cannot listen on {address}")]
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
}

impl Running {
    /// The address it listens on, with the port it was given.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base of the Agent API, such as `http://127.0.0.1:40123`, for `KONEKTOR_BASE_URL`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base of the Graph stand-in, for `META_GRAPH_URL`.
    #[must_use]
    pub fn graph_url(&self) -> String {
        format!("http://{}/graph", self.address)
    }

    /// Stops at once: calls that are under way get no answer.
    pub async fn stop(self) {
        self.server.stop(false).await;
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
    let world = web::Data::new(World::new(settings)?);
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
    Ok(Running { address, server: handle })
}
