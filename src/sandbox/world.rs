//! The sandbox behind its routes: who may call, what goes wrong, what is committed, what is answered.
//!
//! A call passes in this order: key (401), limit (429), the call itself (404), scope (403), its parameters (400), mishaps,
//! the work. A call that is refused at one stage does not reach the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::StartError;
use super::call::Call;
use super::faults::{Faults, Kind, Mishap, Mishaps};
use super::graph::Overrides;
use super::keys::Keyring;
use super::leads::Leads;
use super::ledger::{Calls, Ledger};
use super::page::Part;
use super::rate::{Limiter, Passage, Quota};
use super::settings::{GraphSettings, Settings, Workspace};
use super::wire::{Answer, RefShown, Refusal};
use crate::clock::Clock;

/// Everything a sandbox is. Handlers share one.
#[derive(Debug)]
pub(super) struct World {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) shown: RefShown,
    pub(super) graph: GraphSettings,
    /// When the sandbox started; made-up leads of the Graph stand-in are dated by it.
    pub(super) started: Timestamp,
    keyring: Keyring,
    beginning: Beginning,
    /// Held for microseconds, never across a wait.
    state: Mutex<State>,
    /// Held while SQLite works, so only on threads that may block.
    leads: Mutex<Leads>,
}

/// What a reset goes back to.
#[derive(Debug)]
struct Beginning {
    faults: Faults,
    seed: u64,
}

/// What changes between calls, but for the leads.
#[derive(Debug)]
pub(super) struct State {
    pub(super) mishaps: Mishaps,
    pub(super) calls: Calls,
    pub(super) overrides: Overrides,
    limiters: Vec<Limiter>,
    request_ids: StdRng,
}

/// How a call is let in, and what its answer will carry whatever happens.
#[derive(Debug)]
pub(super) struct Admission {
    /// The number of the caller's workspace, and the kind of call.
    pub(super) verdict: Result<(usize, Kind), Refusal>,
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
    pub(super) fn new(settings: Settings) -> Result<Self, StartError> {
        settings.faults.check()?;
        if settings.workspaces.is_empty() {
            return Err(StartError::NoWorkspace);
        }
        let beginning = Beginning { faults: settings.faults, seed: settings.seed };
        Ok(Self {
            keyring: Keyring::of(&settings.workspaces).map_err(|_| StartError::SameToken)?,
            leads: Mutex::new(Leads::open(&settings.database, settings.seed)?),
            state: Mutex::new(State::at(&beginning, &settings.workspaces)),
            started: settings.clock.now(),
            clock: settings.clock,
            workspaces: settings.workspaces,
            shown: if settings.show_external_ref { RefShown::Yes } else { RefShown::No },
            graph: settings.graph,
            beginning,
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn leads(&self) -> MutexGuard<'_, Leads> {
        self.leads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Key, limit, call, scope.
    pub(super) fn admit(&self, call: &Call, now: Timestamp) -> Admission {
        let mut state = self.state();
        let holder = self.keyring.open(call.authorization.as_deref(), state.mishaps.faults.revoke_key.as_deref(), now);
        let limiter = &mut state.limiters[holder.as_ref().map_or(0, |holder| holder.workspace)];
        let (passed, quota) = match holder {
            Ok(holder) => {
                let (passage, quota) = limiter.pass(now);
                (opened(passage).map(|()| holder), quota)
            }
            Err(refusal) => (Err(refusal), limiter.quota(now)),
        };
        let verdict = passed.and_then(|holder| {
            let kind = call.target.kind().ok_or(Refusal::NotFound("No such call"))?;
            holder.need(kind.scope()).map(|()| (holder.workspace, kind))
        });
        Admission {
            verdict,
            quota,
            request_id: state.request_id(),
            latency: (state.mishaps.faults.latency, state.mishaps.faults.answer_latency),
        }
    }

    /// Parameters, mishaps, work. Blocks while SQLite works.
    pub(super) fn work(&self, call: &Call, workspace: usize, kind: Kind) -> Outcome {
        let workspace = &self.workspaces[workspace];
        let (task, mishap) = {
            let mut state = self.state();
            match call.task(state.mishaps.faults.reject_field) {
                Ok(task) => (task, state.mishaps.draw(kind)),
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
        let limit = state.mishaps.faults.rate_limit.unwrap_or_default();
        for (limiter, workspace) in state.limiters.iter_mut().zip(&self.workspaces) {
            limiter.change(limit.model, limit.per_minute.unwrap_or(workspace.limit()));
        }
    }

    /// Commits and counts. Blocks while SQLite works.
    pub(super) fn ledger(&self, part: Part) -> rusqlite::Result<Ledger> {
        let entries = self.leads().entries(part)?;
        Ok(Ledger { entries, calls: self.state().calls.clone() })
    }

    /// Back to the beginning: no leads, the first faults, nothing counted. Blocks while SQLite works.
    pub(super) fn reset(&self) -> rusqlite::Result<()> {
        self.leads().reset()?;
        *self.state() = State::at(&self.beginning, &self.workspaces);
        Ok(())
    }
}

impl State {
    fn at(beginning: &Beginning, workspaces: &[Workspace]) -> Self {
        let limit = beginning.faults.rate_limit.unwrap_or_default();
        Self {
            mishaps: Mishaps::new(beginning.faults.clone(), beginning.seed),
            calls: Calls::default(),
            overrides: Overrides::default(),
            limiters: workspaces
                .iter()
                .map(|workspace| Limiter::new(limit.model, limit.per_minute.unwrap_or(workspace.limit())))
                .collect(),
            // Another stream than the mishaps', so that neither shifts the other.
            request_ids: StdRng::seed_from_u64(!beginning.seed),
        }
    }

    fn request_id(&mut self) -> Uuid {
        uuid::Builder::from_random_bytes(self.request_ids.random()).into_uuid()
    }
}

fn opened(passage: Passage) -> Result<(), Refusal> {
    match passage {
        Passage::Open => Ok(()),
        Passage::Closed(wait) => Err(Refusal::RateLimited(wait)),
    }
}
