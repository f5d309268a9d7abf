//! The sandbox behind its routes: who may call, what goes wrong, what is committed, what is answered.
//!
//! A call passes in this order: key (401), limit (429), the call itself (404), plan and scope (403), its parameters (400),
//! mishaps, the work. A call that is refused at one stage does not reach the next.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::StartError;
use super::agent::call::{Call, Target};
use super::agent::lead::RefShown;
use super::agent::wire::{Answer, Refusal};
use super::faults::{Faults, Mishap, Mishaps};
use super::graph::Overrides;
use super::notices::{self, Courier, Notices};
use super::rate::Quota;
use super::records::Records;
use super::records::ledger::{Calls, Ledger};
use super::records::page::Part;
use super::registry::Registry;
use super::settings::{GraphSettings, Settings, Workspace};
use super::submitted::Book;
use crate::clock::Clock;

/// Everything a sandbox is. Handlers share one.
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) shown: RefShown,
    pub(super) graph: GraphSettings,
    pub(super) notices: Notices,
    /// When the sandbox started; made-up leads of the Graph stand-in are dated by it.
    pub(super) started: Timestamp,
    beginning: Beginning,
    /// Held for microseconds, never across a wait. Whoever needs both takes the records first.
    state: Mutex<State>,
    /// Held while SQLite works, so only on threads that may block.
    records: Mutex<Records>,
}

/// What a reset goes back to.
#[derive(Debug)]
struct Beginning {
    workspaces: Vec<Workspace>,
    faults: Faults,
    seed: u64,
}

/// What changes between calls, but for the records.
#[derive(Debug)]
pub(super) struct State {
    pub(super) mishaps: Mishaps,
    pub(super) calls: Calls,
    pub(super) overrides: Overrides,
    pub(super) submitted: Book,
    pub(super) registry: Registry,
    request_ids: StdRng,
}

/// How a call is let in, and what its answer will carry whatever happens.
#[derive(Debug)]
pub(super) struct Admission {
    /// The caller's workspace, and the call.
    pub(super) verdict: Result<(Arc<Workspace>, Target), Refusal>,
    pub(super) quota: Quota,
    pub(super) request_id: Uuid,
    /// The wait before the work, and the one after it.
    pub(super) latency: (Duration, Duration),
}

/// What the caller gets.
#[derive(Debug)]
pub(super) enum Outcome {
    Answer(Answer),
    /// The connection is cut.
    Cut,
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Self {
        Self::Answer(refusal.into())
    }
}

impl World {
    /// A world, and who tells of it.
    pub(super) fn new(settings: Settings) -> Result<(Self, Courier), StartError> {
        settings.faults.check()?;
        if settings.workspaces.is_empty() {
            return Err(StartError::NoWorkspace);
        }
        if has_twins(&settings.workspaces) {
            return Err(StartError::SameToken);
        }
        let mut records = Records::open(&settings.database, settings.seed)?;
        records.establish(&settings.workspaces)?;
        if let Some((seeding, workspace)) = settings.seeding.zip(settings.workspaces.first())
            && records.is_empty(&workspace.name)?
        {
            records.plant(&workspace.name, seeding.leads(settings.clock.now(), &workspace.time_zone))?;
        }
        let directory = records.directory()?;
        let (notices, courier) = notices::queue(Arc::clone(&settings.clock), settings.webhook_patience);
        let beginning = Beginning { workspaces: settings.workspaces, faults: settings.faults, seed: settings.seed };
        let world = Self {
            records: Mutex::new(records),
            state: Mutex::new(State::at(&beginning, directory)),
            started: settings.clock.now(),
            clock: settings.clock,
            shown: if settings.show_external_ref { RefShown::Yes } else { RefShown::No },
            graph: settings.graph,
            notices,
            beginning,
        };
        Ok((world, courier))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Key, limit, call, plan, scope.
    pub(super) fn admit(&self, call: &Call, now: Timestamp) -> Admission {
        let State { mishaps, registry, request_ids, .. } = &mut *self.state();
        let faults = &mishaps.faults;
        let (caller, quota) = registry.admit(call.authorization.as_deref(), faults.revoke_key.as_deref(), now);
        let verdict = caller.and_then(|caller| {
            let target = call.target.clone().ok_or(Refusal::NotFound("No such call"))?;
            caller.need(target.kind.call().scope)?;
            Ok((Arc::clone(caller.workspace), target))
        });
        Admission {
            verdict,
            quota,
            request_id: uuid::Builder::from_random_bytes(request_ids.random()).into_uuid(),
            latency: (faults.latency, faults.answer_latency),
        }
    }

    /// Parameters, mishaps, work. Blocks while SQLite works.
    pub(super) fn work(&self, call: &Call, workspace: &Workspace, target: &Target) -> Outcome {
        let (task, mishap) = {
            let mut state = self.state();
            match call.task(target, state.mishaps.faults.reject_field) {
                Ok(task) => (task, state.mishaps.draw(target.kind)),
                Err(refusal) => return refusal.into(),
            }
        };
        match mishap {
            Some(Mishap::Error) => Refusal::Internal.into(),
            Some(Mishap::Cut) => Outcome::Cut,
            Some(Mishap::Answer(answer)) => Outcome::Answer(answer),
            Some(Mishap::CommitThen500) => {
                self.done(task, workspace).map_or_else(Into::into, |_| Refusal::Internal.into())
            }
            Some(Mishap::LostAnswer) => self.done(task, workspace).map_or_else(Into::into, |_| Outcome::Cut),
            None => self.done(task, workspace).map_or_else(Into::into, Outcome::Answer),
        }
    }

    /// Sets the faults in force; the limit follows at once.
    pub(super) fn set_faults(&self, faults: Faults) {
        let mut state = self.state();
        state.mishaps.faults = faults;
        let limit = state.mishaps.faults.rate_limit;
        state.registry.limit(limit);
    }

    /// Commits and counts. Blocks while SQLite works.
    pub(super) fn ledger(&self, part: Part) -> rusqlite::Result<Ledger> {
        let entries = self.records().entries(part)?;
        Ok(Ledger { entries, calls: self.state().calls.clone() })
    }

    /// Changes the directory of workspaces and keys by `change`; calls follow at once. Blocks while SQLite works.
    pub(super) fn enroll(&self, change: impl FnOnce(&Records) -> rusqlite::Result<()>) -> rusqlite::Result<()> {
        let records = self.records();
        change(&records)?;
        let directory = records.directory()?;
        let mut state = self.state();
        let limit = state.mishaps.faults.rate_limit;
        state.registry.replace(directory, limit);
        Ok(())
    }

    /// Back to the beginning: the first workspaces, no leads, the first faults, nothing counted. Blocks while SQLite works.
    pub(super) fn reset(&self) -> rusqlite::Result<()> {
        let mut records = self.records();
        records.reset()?;
        records.establish(&self.beginning.workspaces)?;
        let directory = records.directory()?;
        *self.state() = State::at(&self.beginning, directory);
        Ok(())
    }
}

impl State {
    fn at(beginning: &Beginning, directory: Vec<Workspace>) -> Self {
        Self {
            mishaps: Mishaps::new(beginning.faults.clone(), beginning.seed),
            calls: Calls::default(),
            overrides: Overrides::default(),
            submitted: Book::default(),
            registry: Registry::of(directory, beginning.faults.rate_limit),
            // Another stream than the mishaps', so that neither shifts the other.
            request_ids: StdRng::seed_from_u64(!beginning.seed),
        }
    }
}

/// Whether two keys have the same token.
fn has_twins(workspaces: &[Workspace]) -> bool {
    let tokens = || workspaces.iter().flat_map(|workspace| &workspace.keys).map(|key| key.token.expose_secret());
    tokens().count() > tokens().collect::<HashSet<_>>().len()
}
