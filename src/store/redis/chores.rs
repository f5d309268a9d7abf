//! What goes beside the lanes: the day, leads to be verified, incidents, sources; and the numbers.

use std::cmp::Reverse;
use std::collections::HashMap;

use jiff::Timestamp;
use strum::VariantArray;

use super::core::{Core, Sync, Trouble};
use super::deliver::report;
use super::desk::{Desk, counts};
use super::gate::Kept;
use super::lane::{Known, name_of};
use super::step::{Ask, Step};
use super::values::{Reply, Strange, next, parse, time, unpack};
use crate::domain::event::SourceName;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::{LINES, Line};
use crate::store::lane::State;
use crate::store::{
    Class, DayNote, DayState, EventState, Incident, Queue, Stats, Verification, Verified, receipt,
};

/// Lanes let go in one step.
const LET_GO: i64 = 200;

impl Core {
    pub(super) async fn verified(
        &self,
        chore: &Verification,
        verified: &Verified,
        now: Timestamp,
    ) -> Result<(), Trouble> {
        let name = name_of(&chore.external_ref);
        self.decide(Sync::Durable, &Ask::nothing().lane(name), now, |seen| {
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::default());
            desk.take(seen.answer()?, None)?;
            if desk.known(&name).is_some_and(|known| known.verify.is_some()) {
                desk.lane(&name)?.verify = match verified {
                    Verified::Later(at) => Some(*at),
                    Verified::Seen(_) => None,
                };
            }
            let mut step = desk.finish();
            if let Verified::Seen(doubles) = verified {
                report(&mut step, &chore.external_ref, &chore.lead_id, doubles, seen.now);
            }
            Ok(((!step.does.is_empty()).then_some(step), ()))
        })
        .await
    }

    pub(super) async fn note_day(&self, note: &DayNote, now: Timestamp) -> Result<DayState, Trouble> {
        let (reopened, state) = self
            .through_the_gate(Sync::Taken, Step::that_tells, now, |gate, now| {
                let reopened = gate.days.note(note.clone(), now);
                (reopened, gate.days.state(now))
            })
            .await?;
        // Everything that waits for tomorrow is ready then; what still has to wait is put off again when its turn comes.
        while reopened && self.let_go(now).await? {}
        Ok(state)
    }

    /// False when nothing was left to be let go.
    async fn let_go(&self, now: Timestamp) -> Result<bool, Trouble> {
        self.decide(Sync::Taken, &Ask::nothing().parked(LET_GO), now, |seen| {
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::that_tells());
            let parked = desk.take_all(seen.answer()?)?;
            for name in &parked {
                desk.lane(name)?.lane.promote();
            }
            Ok(((!parked.is_empty()).then(|| desk.finish()), !parked.is_empty()))
        })
        .await
    }

    pub(super) async fn incidents(&self, max: usize) -> Result<Vec<Incident>, Trouble> {
        let mut seen = self.look(&Ask::nothing().incidents(), None).await?;
        let all = seen.answer()?.pairs()?;
        let mut all: Vec<Incident> = all.into_iter().map(incident).collect::<Result<_, _>>()?;
        all.sort_by(|one, other| {
            (Reverse(one.seen), &one.external_ref).cmp(&(Reverse(other.seen), &other.external_ref))
        });
        all.truncate(receipt::page(max));
        Ok(all)
    }

    pub(super) async fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, Trouble> {
        for round in 0..40 {
            let seen = self.look(&Ask::nothing(), None).await?;
            let mut step = Step::default();
            step.dismiss(which);
            if let Some(mut answers) = self.commit(Sync::Durable, &seen.base, step, seen.now).await? {
                return Ok(next(&mut answers)?.number()?);
            }
            super::core::pause(round).await;
        }
        Err(Trouble::Crowded)
    }

    pub(super) async fn remember_sources(&self, on: &[SourceName], now: Timestamp) -> Result<(), Trouble> {
        self.decide(Sync::Durable, &Ask::nothing(), now, |seen| {
            let mut step = Step::default();
            on.iter().for_each(|source| step.source(source, seen.now));
            Ok((Some(step), ()))
        })
        .await
    }

    pub(super) async fn known_sources(&self) -> Result<Vec<SourceName>, Trouble> {
        let mut seen = self.look(&Ask::nothing().sources(), None).await?;
        let mut names = Vec::new();
        for name in seen.answer()?.list()? {
            names.push(SourceName::parse(&name.text()?).map_err(|_| Strange("the name of a source"))?);
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) async fn stats(&self, now: Timestamp) -> Result<Stats, Trouble> {
        let mut seen = self.look(&Ask::nothing().gate().numbers(), now).await?;
        let kept = Kept::read(seen.answer()?, &self.options)?;
        let mut parts = seen.answer()?.list()?;
        let numbers = Numbers::read(next(&mut parts)?)?;
        let (ready, waiting) = (counts(next(&mut parts)?)?, counts(next(&mut parts)?)?);
        let first = next(&mut parts)?.pairs()?;
        let first = first.into_iter().map(|(_, record)| Known::read(&record, seen.base.back));
        let first: Vec<Known> = first.collect::<Result<_, _>>()?;
        let leased = next(&mut parts)?.number()?;
        let parked = next(&mut parts)?.number()?;
        let _to_verify = next(&mut parts)?;
        let incidents = next(&mut parts)?.number()?;
        let now = seen.now;
        Ok(Stats {
            inbox: numbers.of("inbox"),
            events: EventState::VARIANTS.iter().map(|state| (*state, numbers.events(*state))).collect(),
            queues: Class::VARIANTS.iter().map(|class| queue(*class, ready, waiting, &first)).collect(),
            leased,
            dead_lanes: numbers.of("dead"),
            bytes: numbers.of("bytes"),
            paused: kept.gate.paused(),
            limiter: kept.gate.limiter.stats(now),
            day: kept.gate.days.stats(parked, now),
            searching_first_until: kept.gate.searching_first(now),
            incidents,
        })
    }
}

/// The counters.
pub(super) struct Numbers(HashMap<Vec<u8>, Vec<u8>>);

impl Numbers {
    pub(super) fn read(answer: Reply) -> Result<Self, Strange> {
        Ok(Self(answer.pairs()?.into_iter().collect()))
    }

    pub(super) fn of(&self, name: &str) -> u64 {
        self.0.get(name.as_bytes()).and_then(|number| parse(number).ok()).unwrap_or(0)
    }

    pub(super) fn events(&self, state: EventState) -> u64 {
        self.of(&format!("e{}", state as u8))
    }
}

fn queue(class: Class, ready: [u64; LINES], waiting: [u64; LINES], first: &[Known]) -> Queue {
    let lines = || Line::VARIANTS.iter().filter(|line| line.class() == class);
    let stands = |known: &&Known| {
        Line::of(&known.lane).class() == class && matches!(known.lane.state, State::Ready | State::Waiting { .. })
    };
    Queue {
        class,
        ready: lines().map(|line| ready[*line as usize]).sum(),
        waiting: lines().map(|line| waiting[*line as usize]).sum(),
        oldest: first.iter().filter(stands).min_by_key(|known| known.lane.ord).map(|known| known.lane.since),
    }
}

fn incident((external_ref, record): (Vec<u8>, Vec<u8>)) -> Result<Incident, Strange> {
    let ((lead_id, doubles, seen), _) = unpack::<(String, Vec<String>, i64)>(&record, "an incident")?;
    let external_ref = String::from_utf8(external_ref).map_err(|_| Strange("a reference"))?;
    Ok(Incident {
        external_ref: ExternalRef::from_stored(external_ref),
        lead_id: LeadId(lead_id),
        doubles: doubles.into_iter().map(LeadId).collect(),
        seen: time(seen),
    })
}
