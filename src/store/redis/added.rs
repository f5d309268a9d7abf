//! What versions have added to a lane's record. It stands after that, and a version that does not know it leaves it as it
//! is.

use serde::{Deserialize, Serialize};

use super::values::{Strange, nanos, time, unpack};
use crate::domain::lead::Field;
use crate::store::lane::Lane;
use crate::store::{Adopting, Intent, Named, Seq, Word, Words};

/// What was added first.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Added {
    pub(super) told: Words,
    pub(super) telling: Words,
    pub(super) crashed: Option<i64>,
    pub(super) follows: Option<String>,
}

/// What was added to that.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct More {
    /// Whom the create under this fence names: a version that does not know it may have closed the intent since.
    named: Option<(u64, Named)>,
    pub(super) lands: Option<i64>,
}

/// What was added to that: whether the lane is listed under its lead. A version that does not know it gives a lane a lead without
/// listing it, and leaves this as it is.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Listed(pub(super) bool);

/// What was added to that: the lead that was found by its code and may be the lane's own.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Adopts(pub(super) Option<Adopting>);

impl Added {
    /// Reads it, where there is some. What a version before has `delivered` since, by whichever clock, counts for all fields.
    pub(super) fn read((delivered, told): (Seq, Option<i64>), rest: &[u8]) -> Result<(Self, &[u8]), Strange> {
        let (mut added, rest) =
            if rest.is_empty() { (Self::default(), rest) } else { unpack::<Self>(rest, "a lane's words")? };
        if added.told.last().map_or(0, |word| word.seq) < delivered {
            // It knew of no payment that is to be remembered.
            let fields = Field::ALL.into_iter().filter(|field| *field != Field::Payment);
            added.told.hear(&Words::of(fields, Word { seq: delivered, at: told.map(time) }));
        }
        Ok((added, rest))
    }
}

impl Listed {
    /// Reads it, where there is some.
    pub(super) fn read(rest: &[u8]) -> Result<(Self, &[u8]), Strange> {
        if rest.is_empty() { Ok((Self::default(), rest)) } else { unpack(rest, "whether a lane is listed") }
    }
}

impl Adopts {
    /// Reads it, where there is some.
    pub(super) fn read(rest: &[u8]) -> Result<(Self, &[u8]), Strange> {
        if rest.is_empty() { Ok((Self::default(), rest)) } else { unpack(rest, "which lead a lane adopts") }
    }
}

impl More {
    /// Reads it, where there is some.
    pub(super) fn read(rest: &[u8]) -> Result<(Self, &[u8]), Strange> {
        if rest.is_empty() { Ok((Self::default(), rest)) } else { unpack(rest, "what a lane waits for") }
    }

    /// That of a lane. `back` is by how much the clock was set back in all.
    pub(super) fn of(lane: &Lane, back: i64) -> Self {
        let named = lane.intent.map(|intent| intent.fence).zip(lane.named());
        Self { named, lands: lane.lands.map(|lands| nanos(lands).saturating_add(back)) }
    }

    /// Whom the create names whose end is not known.
    pub(super) fn named(&self, intent: Option<Intent>) -> Named {
        let of_it = self.named.as_ref().filter(|(fence, _)| intent.is_some_and(|intent| intent.fence == *fence));
        of_it.map(|(_, named)| named.clone()).unwrap_or_default()
    }
}
