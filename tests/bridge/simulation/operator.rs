//! The person on duty: stops calls for a while, lets withheld events go, puts dead letters back, and gives some up.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use konektor_bridge::deliver::engine::Change;
use konektor_bridge::domain::event::EventId;
use konektor_bridge::domain::external_ref::ExternalRef;
use konektor_bridge::store::{EventState, Moved, PauseReason, Selector, Store, StoreError};

use super::played::Scene;
use super::sender::Word;
use super::world::{Happening, World};

/// What a person has done, for what must be true then.
#[derive(Debug, Default)]
pub(super) struct Desk {
    /// Calls are to be stopped.
    pub(super) stops: bool,
    pub(super) released: BTreeSet<EventId>,
    pub(super) discarded: BTreeSet<EventId>,
    /// Dead letters that were put back, and the leads that they are of.
    pub(super) put_back: BTreeSet<EventId>,
    pub(super) replayed: BTreeSet<usize>,
    /// What was left at the end has been put back once.
    pub(super) has_cleared: bool,
}

impl World {
    /// One thing, on all events that it is for, or on one of them.
    pub(super) fn operate(&mut self) {
        if self.odds.operate_every.is_none() {
            return;
        }
        let all = self.dice.chance(0.5);
        match self.dice.index(5) {
            0 => self.stop_calls(),
            1 => self.release(all),
            2 => self.replay(all),
            3 => self.discard(EventState::Withheld, all),
            _ => self.discard(EventState::Dead, all),
        }
        self.next_trouble(self.odds.operate_every, Happening::Operate);
    }

    fn stop_calls(&mut self) {
        if self.sabotage.can_be_stopped() {
            let paused = self.store.pause(PauseReason::Operator, self.shown()).now_or_never();
            paused.expect("memory answers at once").expect("it is open");
        }
        self.desk.stops = true;
        self.played.saw(Scene::CallsStopped);
        self.tell(|| "a person stops all calls".into());
        let span = self.dice.time(Duration::from_secs(5)..Duration::from_mins(5));
        self.plan(span, Happening::LetCallsGo);
    }

    pub(super) fn let_calls_go(&mut self) {
        let resumed = self.store.resume(None, self.shown()).now_or_never();
        resumed.expect("memory answers at once").expect("it is open");
        self.desk.stops = false;
        self.tell(|| "a person lets calls go on".into());
        self.wake_somebody();
    }

    /// What nobody has looked at is tried once more, when all is calm.
    pub(super) fn clear_the_desk(&mut self) {
        self.desk.has_cleared = true;
        self.replay(true);
        if self.dice.chance(0.5) {
            self.release(true);
        }
    }

    fn release(&mut self, all: bool) {
        let chosen = self.choose(EventState::Withheld, all);
        let moved = self.store.release(&Selector::Ids(chosen.clone()), 1000, self.shown()).now_or_never();
        self.moved(&chosen, moved, Scene::Released);
        self.desk.released.extend(chosen);
    }

    fn replay(&mut self, all: bool) {
        let chosen = self.choose(EventState::Dead, all);
        let rows = self.rows();
        let refs = chosen.iter().filter_map(|id| rows[id].external_ref.clone());
        let refs: Vec<ExternalRef> = refs.collect();
        self.desk.replayed.extend(refs.iter().filter_map(Word::lead_of));
        self.sabotage.puts_back(refs);
        let moved = self.store.replay(&Selector::Ids(chosen.clone()), 1000, self.shown()).now_or_never();
        self.moved(&chosen, moved, Scene::Replayed);
        self.desk.put_back.extend(chosen);
    }

    fn discard(&mut self, state: EventState, all: bool) {
        let chosen = self.choose(state, all);
        let moved = self.store.discard(state, &Selector::Ids(chosen.clone()), 1000, self.shown()).now_or_never();
        let scene = if state == EventState::Dead { Scene::DeadDiscarded } else { Scene::WithheldDiscarded };
        self.moved(&chosen, moved, scene);
        self.desk.discarded.extend(chosen);
    }

    /// Events that stand there: all, or any one.
    fn choose(&mut self, state: EventState, all: bool) -> Vec<EventId> {
        let mut chosen: Vec<EventId> =
            self.rows().into_values().filter(|row| row.state == state).map(|row| row.id).collect();
        if !all && !chosen.is_empty() {
            let one = self.dice.index(chosen.len());
            chosen = vec![chosen[one]];
        }
        chosen
    }

    /// All that were chosen were moved, or more: of a lead that is not there yet all dead letters come back together.
    fn moved(&mut self, chosen: &[EventId], moved: Option<Result<Moved, StoreError>>, scene: Scene) {
        let moved = moved.expect("memory answers at once").expect("it is open");
        if moved.count < chosen.len() {
            self.broken.get_or_insert(format!("{scene:?}: {} of {} were moved", moved.count, chosen.len()));
        }
        if chosen.is_empty() {
            return;
        }
        self.played.saw(scene);
        self.tell(|| format!("{scene:?} by a person: {moved:?}"));
        self.wake_somebody();
    }

    fn wake_somebody(&mut self) {
        let host = self.dice.index(self.hosts.len());
        self.wake(host, Change::Lanes);
        self.wake(host, Change::Inbox);
    }
}
