//! What time forgets: receipts, and idle lanes.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::core::{Core, Sync, Trouble};
use super::desk::Desk;
use super::event::{NOBODY, Receipt};
use super::lane::{Known, Name};
use super::step::{Ask, Step};
use super::values::{Reply, Strange, hour, int, next};
use crate::store::Seq;
use crate::store::lane::State;

/// Forgotten in one step.
const STEP: usize = 64;

/// A receipt whose time has come.
struct Old {
    seq: Seq,
    hour: i64,
    forget: Timestamp,
    owner: Name,
}

impl Core {
    pub(super) async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, Trouble> {
        let mut events = 0;
        while events < max {
            match self.forget_events((max - events).min(STEP), now).await? {
                0 => break,
                some => events += some,
            }
        }
        let mut lanes = 0;
        while lanes < max {
            match self.forget_lanes((max - lanes).min(STEP), now).await? {
                (0, 0) => break,
                (some, _) => lanes += some,
            }
        }
        Ok(events + lanes)
    }

    async fn forget_events(&self, max: usize, now: Timestamp) -> Result<usize, Trouble> {
        let mut seen = self.look(&Ask::nothing().old_events(now, int(max as u64)), now).await?;
        let mut old = Vec::new();
        for answer in seen.answer()?.list()? {
            old.extend(old_event(answer)?.filter(|old| old.forget <= seen.now));
        }
        old.sort_unstable_by_key(|old| (old.forget, old.seq));
        old.truncate(max);
        if old.is_empty() {
            return Ok(0);
        }
        let owners: BTreeSet<Name> = old.iter().map(|old| old.owner).filter(|owner| *owner != NOBODY).collect();
        let ask = owners.iter().fold(Ask::nothing(), |ask, name| ask.lane(*name));
        let ask = old.iter().fold(ask, |ask, old| ask.receipt(old.seq));
        self.decide(Sync::Taken, &ask, now, |seen| {
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::default());
            for _ in &owners {
                desk.take(seen.answer()?, None)?;
            }
            let mut count = 0;
            for Old { seq, hour, owner, .. } in &old {
                let Some(receipt) = seen.answer()?.maybe_bytes()? else { continue };
                desk.step.check_state(*seq, Receipt::read(&receipt)?.state);
                desk.step.forget(*seq, *hour);
                count += 1;
                if *owner != NOBODY {
                    desk.fetch_back(owner, *seq)?;
                }
            }
            Ok(((count > 0).then(|| desk.finish()), count))
        })
        .await
    }

    /// Gives how many were forgotten, and how many were put down anew.
    async fn forget_lanes(&self, max: usize, now: Timestamp) -> Result<(usize, usize), Trouble> {
        self.decide(Sync::Taken, &Ask::nothing().old_lanes(now, int(max as u64)), now, |seen| {
            let (answer, back, now) = (seen.answer()?, seen.base.back, seen.now);
            let mut desk = Desk::new(&self.options, back, now, Step::default());
            let (mut idle, mut anew) = (Vec::new(), 0);
            for answer in answer.list()? {
                let (put_down, name, record) = old_lane(answer)?;
                let Some(record) = record else {
                    desk.step.take_up(name, put_down);
                    continue;
                };
                desk.take_record(record)?;
                match desk.known(&name).map(|known| due(known, now)) {
                    Some(Due::Now(forget)) => idle.push((forget, name)),
                    Some(Due::At(hour)) if hour == put_down => {}
                    Some(Due::At(hour)) => {
                        desk.put_down(&name, hour)?;
                        anew += 1;
                    }
                    None => {}
                }
            }
            let by = |desk: &Desk<'_>, name: &Name| desk.known(name).map(|known| known.external_ref.clone());
            idle.sort_by_key(|(forget, name)| (*forget, by(&desk, name)));
            idle.truncate(max);
            for (_, name) in &idle {
                desk.forget(name);
            }
            let step = desk.finish();
            Ok(((!step.does.is_empty()).then_some(step), (idle.len(), anew)))
        })
        .await
    }
}

/// When a lane is to be looked at again.
enum Due {
    /// It may be forgotten, and could have been since then.
    Now(Timestamp),
    /// In this hour; 0: when it is idle, or when the last of its events is forgotten.
    At(i64),
}

fn due(known: &Known, now: Timestamp) -> Due {
    match known.forget {
        Some(forget) if known.lane.state == State::Idle && !known.has_events() => {
            if forget <= now {
                Due::Now(forget)
            } else {
                Due::At(hour(forget))
            }
        }
        Some(forget) if forget > now => Due::At(hour(forget)),
        Some(_) | None => Due::At(0),
    }
}

fn old_event(answer: Reply) -> Result<Option<Old>, Strange> {
    let mut parts = answer.list()?;
    let (hour, seq) = (next(&mut parts)?.number()?, next(&mut parts)?.number()?);
    let Receipt { born, forget, .. } = Receipt::read(&next(&mut parts)?.bytes()?)?;
    Ok(forget.map(|forget| Old { seq, hour, forget, owner: born.owner }))
}

fn old_lane(answer: Reply) -> Result<(i64, Name, Option<Vec<u8>>), Strange> {
    let mut parts = answer.list()?;
    let hour = next(&mut parts)?.number()?;
    let name = next(&mut parts)?.bytes()?.try_into().map_err(|_| Strange("the name of a lane"))?;
    let record = next(&mut parts)?.bytes()?;
    Ok((hour, name, Some(record).filter(|record| !record.is_empty())))
}
