//! What a person asks that changes something: replay, release, discard.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::core::{Core, Sync, Trouble};
use super::desk::Desk;
use super::event::{NOBODY, Receipt, Stand};
use super::gate::Kept;
use super::lane::Name;
use super::lists::Found;
use super::step::{Ask, Step};
use super::values::Strange;
use crate::store::lane::Rest;
use crate::store::{Arrival, EventState, Moved, Selector, Seq};

/// Events moved in one step.
const STEP: usize = 32;

/// What is done with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Replay,
    Release,
    Discard(EventState),
}

impl Move {
    /// Where they are.
    const fn from(self) -> EventState {
        match self {
            Self::Replay => EventState::Dead,
            Self::Release => EventState::Withheld,
            Self::Discard(state) => state,
        }
    }
}

impl Core {
    /// Moves what is chosen, oldest first, until `max` have been.
    pub(super) async fn r#move(
        &self,
        how: Move,
        which: &Selector,
        max: usize,
        now: Timestamp,
    ) -> Result<Moved, Trouble> {
        // Time goes on although there may be nothing to move.
        self.look(&Ask::nothing(), now).await?;
        let chosen = self.chosen(how.from(), which, max).await?;
        let mut count = 0;
        for some in chosen.chunks(STEP) {
            if count >= max {
                break;
            }
            count += self.move_some(how, some, max - count, now).await?;
        }
        let more = !self.chosen(how.from(), which, 1).await?.is_empty();
        Ok(Moved { count, more })
    }

    async fn move_some(&self, how: Move, chosen: &[Found], max: usize, now: Timestamp) -> Result<usize, Trouble> {
        let owners: BTreeSet<Name> = chosen.iter().map(|event| event.receipt.born.owner).collect();
        let ask = owners.iter().fold(Ask::nothing().gate().ready(), |ask, name| ask.lane(*name));
        let ask = chosen.iter().fold(ask, |ask, event| ask.receipt(event.seq));
        self.decide(Sync::Durable, &ask, now, |seen| {
            let kept = Kept::read(seen.answer()?, &self.options)?;
            let mut desk = Desk::new(&self.options, seen.base.back, seen.now, Step::that_tells());
            desk.goes_by(seen.answer()?, kept.gate.limiter.limit())?;
            for _ in &owners {
                desk.take(seen.answer()?, None)?;
            }
            let mut moving = Moving { desk, back: BTreeSet::new(), moved: 0 };
            for event in chosen {
                let Some(receipt) = seen.answer()?.maybe_bytes()? else { continue };
                let receipt = Receipt::read(&receipt)?;
                if moving.moved < max && receipt.state == how.from() && !moving.back.contains(&event.seq) {
                    moving.one(how, event.seq, receipt, seen.now + self.options.retention)?;
                }
            }
            let Moving { desk, moved, .. } = moving;
            let step = desk.finish();
            Ok(((!step.does.is_empty()).then_some(step), moved))
        })
        .await
    }
}

/// A step of moving while it is decided.
struct Moving<'a> {
    desk: Desk<'a>,
    /// Events that have come back with others of their lane.
    back: BTreeSet<Seq>,
    moved: usize,
}

impl Moving<'_> {
    /// `not_before` is when the receipt of what is discarded may be forgotten.
    fn one(&mut self, how: Move, seq: Seq, receipt: Receipt, not_before: Timestamp) -> Result<(), Strange> {
        self.desk.step.check_state(seq, receipt.state);
        let owner = receipt.born.owner;
        match how {
            Move::Replay if owner == NOBODY => {
                self.desk.step.sort_again(seq);
                self.moved += 1;
                Ok(())
            }
            Move::Replay => self.replay(seq, &owner, &receipt),
            // What is withheld has been split.
            Move::Release if owner == NOBODY => Ok(()),
            Move::Release => {
                self.desk.fetch_back(&owner, seq)?;
                let joined = self.desk.lane(&owner)?.lane.fence;
                let stand = Stand { joined, ..Stand::default() };
                self.desk.step.turn(seq, EventState::Pending, true, stand.write());
                self.desk.arrive(&owner, seq, &receipt.born.source, receipt.born.received, Arrival::Live)?;
                self.moved += 1;
                Ok(())
            }
            Move::Discard(_) => self.discard(seq, &owner, receipt, not_before),
        }
    }

    fn replay(&mut self, seq: Seq, owner: &Name, receipt: &Receipt) -> Result<(), Strange> {
        let known = self.desk.lane(owner)?;
        if known.lane.is_dead() {
            let back = self.desk.revive(owner, Arrival::Bulk)?;
            self.moved += back.len();
            self.back.extend(back);
            return Ok(());
        }
        let stand = Stand { joined: known.lane.fence, ..Stand::default() };
        self.desk.step.turn(seq, EventState::Pending, false, stand.write());
        self.desk.change(owner, |known| {
            known.dead = known.dead.saturating_sub(1);
            known.join(seq, &receipt.born.source, receipt.born.received);
            known.lane.rejoin(Rest { count: 1, first: Some((seq, receipt.born.received)) });
            Ok(())
        })?;
        self.moved += 1;
        Ok(())
    }

    fn discard(&mut self, seq: Seq, owner: &Name, receipt: Receipt, not_before: Timestamp) -> Result<(), Strange> {
        let stand = Stand { ended: Some(self.desk.now()), ..receipt.stand };
        self.desk.step.let_go(seq, EventState::Discarded, not_before, stand.write());
        self.moved += 1;
        if *owner == NOBODY {
            return Ok(());
        }
        if receipt.state == EventState::Dead {
            self.desk.let_die(owner)?;
            self.desk.lay_by(owner, seq)?;
        }
        self.desk.change(owner, |known| {
            known.lane.discarded(u64::from(known.dead));
            Ok(())
        })
    }
}
