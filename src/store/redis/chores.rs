//! What goes beside the lanes: the day, leads to be verified, incidents, sources; and the numbers.

use std::cmp::Reverse;
use std::collections::HashMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use super::core::{Core, Sync, Trouble};
use super::desk::{Desk, counts};
use super::gate::Kept;
use super::lane::{Known, name_of};
use super::step::{Ask, Step};
use super::values::{Reply, Strange, nanos, next, pack, parse, time, unpack};
use crate::domain::event::SourceName;
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::LeadId;
use crate::store::gate::{LINES, Line};
use crate::store::lane::State;
use crate::store::{
    Cap, Class, DayNote, DayState, EventState, Incident, Queue, Stats, Topic, Verification, Verified, memo, receipt,
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
            desk.take(seen.answer()?, Some(&chore.external_ref))?;
            if desk.known(&name).is_some_and(|known| known.verify.is_some()) {
                desk.lane(&name)?.verify = match verified {
                    Verified::Later(at) => Some(*at),
                    Verified::Seen(_) => None,
                };
            }
            if let Verified::Seen(doubles) = verified {
                desk.report(&name, &chore.lead_id, doubles)?;
            }
            let step = desk.finish();
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
        let all = all.into_iter().map(|(_, record)| incident(&record));
        let mut all: Vec<Incident> = all.collect::<Result<_, _>>()?;
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
            step.dismiss(which.map(name_of));
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

    pub(super) async fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, Trouble> {
        let mut seen = self.look(&Ask::nothing().memo(topic, key), None).await?;
        Ok(next(&mut seen.answer()?.list()?)?.maybe_bytes()?.map(Bytes::from))
    }

    pub(super) async fn memos(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, Trouble> {
        let mut seen = self.look(&Ask::nothing().memos(topic), None).await?;
        let mut memos = Vec::new();
        for (key, value) in seen.answer()?.pairs()? {
            memos.push((String::from_utf8(key).map_err(|_| Strange("the key of a memo"))?, value.into()));
        }
        memos.sort_unstable();
        Ok(memos)
    }

    /// Gives whether it was noted, or why it cannot be.
    pub(super) async fn set_memo(
        &self,
        topic: Topic,
        key: &str,
        value: &Bytes,
        was: Option<&Bytes>,
    ) -> Result<Result<bool, Cap>, Trouble> {
        self.decide(Sync::Durable, &Ask::nothing().memo(topic, key), None, |seen| {
            let mut parts = seen.answer()?.list()?;
            let there = next(&mut parts)?.maybe_bytes()?.map(Bytes::from);
            if let Some(full) = memo::too_much(key, value, next(&mut parts)?.number()?) {
                return Ok((None, Err(full)));
            }
            if there.as_ref() != was {
                return Ok((None, Ok(false)));
            }
            let mut step = Step::default();
            step.check_memo(topic, key, was);
            step.memo(topic, key, value.clone());
            Ok((Some(step), Ok(true)))
        })
        .await
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

/// An incident as it is kept.
#[derive(Serialize, Deserialize)]
struct IncidentRecord {
    external_ref: String,
    lead_id: Option<String>,
    doubles: Vec<String>,
    twins: Vec<String>,
    seen: i64,
}

/// Reads an incident.
pub(super) fn incident(record: &[u8]) -> Result<Incident, Strange> {
    let (IncidentRecord { external_ref, lead_id, doubles, twins, seen }, _) = unpack(record, "an incident")?;
    Ok(Incident {
        external_ref: ExternalRef::from_stored(external_ref),
        lead_id: lead_id.map(LeadId),
        doubles: doubles.into_iter().map(LeadId).collect(),
        twins: twins.into_iter().map(ExternalRef::from_stored).collect(),
        seen: time(seen),
    })
}

/// Writes one.
pub(super) fn write_incident(incident: &Incident) -> Vec<u8> {
    let Incident { external_ref, lead_id, doubles, twins, seen } = incident;
    let record = IncidentRecord {
        external_ref: external_ref.as_str().to_owned(),
        lead_id: lead_id.as_ref().map(|id| id.0.clone()),
        doubles: doubles.iter().map(|id| id.0.clone()).collect(),
        twins: twins.iter().map(|twin| twin.as_str().to_owned()).collect(),
        seen: nanos(*seen),
    };
    pack(&record, Vec::new())
}
