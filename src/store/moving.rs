//! Moves everything from one store to another: part by part, to be gone on with after whatever ended it, and compared at
//! the end.
//!
//! Both stores carry a mark meanwhile, so that no bridge serves on either: on the one that gives, for good; on the other,
//! until all is there. How far it has come is written in the step that takes the parts.

use bytes::Bytes;

use super::parts::{Parts, Place, Tally};
use super::{Store, StoreError, Topic};

/// Parts moved in one step.
const STEP: usize = 200;
/// Under what the marks are noted.
const TO: &str = "to";
const FROM: &str = "from";
/// In the place of how far it has come.
const DONE: &str = "done";

/// Why a store was not moved.
#[derive(Debug, thiserror::Error)]
pub enum MoveError {
    /// One of the two failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is something in the way.
    #[error("the store that is to take everything is not empty; give it another directory or another REDIS_PREFIX")]
    NotEmpty,
    /// It takes from another one.
    #[error("the store that is to take everything holds half of another one; empty it, or finish that move")]
    OfAnother,
    /// The marks are of somebody else.
    #[error("somebody else moves one of the two; wait for the end of that")]
    Crowded,
}

/// How a move has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Everything has been moved; what each end holds, counted. They have to be the same.
    Moved {
        /// What was given.
        from: Tally,
        /// What is there now.
        to: Tally,
    },
    /// That had been done before.
    Already,
}

/// What a store says of moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// Nothing: it may be served on.
    Free,
    /// What it held is, or is being moved to, somewhere else.
    Given,
    /// It does not have everything yet.
    Taking,
}

/// Whether a store may be served on.
///
/// # Errors
/// It cannot be asked.
pub async fn marked(store: &dyn Store) -> Result<Marked, StoreError> {
    if store.memo(Topic::Move, TO).await?.is_some_and(|mark| !mark.is_empty()) {
        return Ok(Marked::Given);
    }
    let from = store.memo(Topic::Move, FROM).await?;
    Ok(if from.is_none_or(|mark| read(&mark).is_some_and(|(_, place)| place == DONE)) {
        Marked::Free
    } else {
        Marked::Taking
    })
}

/// Takes the mark off a store that has given, as long as the other has not got everything: it may be served on again.
///
/// # Errors
/// [`MoveError::Crowded`] when the move is done, or was never begun.
pub async fn give_up(from: &dyn Store, to: &dyn Store) -> Result<(), MoveError> {
    let mark = from.memo(Topic::Move, TO).await?.filter(|mark| !mark.is_empty()).ok_or(MoveError::Crowded)?;
    let taking = to.memo(Topic::Move, FROM).await?;
    let done = taking
        .as_ref()
        .and_then(|taking| read(taking))
        .is_some_and(|(id, place)| id.as_bytes() == mark && place == DONE);
    if done || !from.set_memo(Topic::Move, TO, Bytes::new(), Some(mark)).await? {
        return Err(MoveError::Crowded);
    }
    Ok(())
}

/// Moves everything, or goes on with that. `id` names the move if it begins now; `told` sees what is on its way, each time
/// there is more.
///
/// # Errors
/// [`MoveError`]; it may be tried again after each.
pub async fn move_all(
    from: &dyn Store,
    to: &dyn Store,
    id: &str,
    mut told: impl FnMut(&Parts),
) -> Result<Ended, MoveError> {
    let begun = from.memo(Topic::Move, TO).await?.filter(|mark| !mark.is_empty());
    look(to, begun.as_ref()).await?;
    let id = claim(from, id).await?;
    let Some((mut place, mut mark)) = begin(to, &id).await? else { return Ok(Ended::Already) };
    loop {
        let parts = from.give(place, STEP).await?;
        let next = parts.next;
        told(&parts);
        // The last part is taken once more if the comparison is not reached: nothing is served on before it.
        let is = note(&id, &next.unwrap_or(place).to_string());
        if !to.take(parts, mark.clone(), is.clone()).await? {
            return Err(MoveError::Crowded);
        }
        mark = is;
        let Some(next) = next else { break };
        place = next;
    }
    let (given, taken) = (tally(from).await?, tally(to).await?);
    if given == taken && !to.set_memo(Topic::Move, FROM, note(&id, DONE), Some(mark)).await? {
        return Err(MoveError::Crowded);
    }
    Ok(Ended::Moved { from: given, to: taken })
}

/// What a store holds, counted.
///
/// # Errors
/// It cannot be read.
pub async fn tally(store: &dyn Store) -> Result<Tally, StoreError> {
    let (mut tally, mut place) = (Tally::default(), Some(Place::START));
    while let Some(from) = place {
        let parts = store.give(from, STEP).await?;
        tally.add(&parts);
        place = parts.next;
    }
    Ok(tally)
}

/// Marks the store that gives; the name of the move that has begun before, if one has.
async fn claim(from: &dyn Store, id: &str) -> Result<String, MoveError> {
    let was = from.memo(Topic::Move, TO).await?;
    if let Some(before) = was.as_ref().filter(|mark| !mark.is_empty()) {
        return Ok(String::from_utf8_lossy(before).into_owned());
    }
    let id = Bytes::copy_from_slice(id.as_bytes());
    if from.set_memo(Topic::Move, TO, id.clone(), was).await? {
        Ok(String::from_utf8_lossy(&id).into_owned())
    } else {
        Err(MoveError::Crowded)
    }
}

/// Looks whether the store that takes has room for the move `id`, or has begun with it; before the other one is marked.
async fn look(to: &dyn Store, id: Option<&Bytes>) -> Result<(), MoveError> {
    if let Some(mark) = to.memo(Topic::Move, FROM).await? {
        let (of, place) = read(&mark).ok_or(MoveError::OfAnother)?;
        if id.is_some_and(|id| id == of.as_bytes()) {
            return Ok(());
        }
        if place != DONE {
            return Err(MoveError::OfAnother);
        }
    }
    let mut place = Some(Place::START);
    while let Some(from) = place {
        let parts = to.give(from, STEP).await?;
        if parts.are_of_a_store_in_use() {
            return Err(MoveError::NotEmpty);
        }
        place = parts.next;
    }
    Ok(())
}

/// Where the store that takes goes on, and its mark; `None` if all is there.
async fn begin(to: &dyn Store, id: &str) -> Result<Option<(Place, Bytes)>, MoveError> {
    let was = to.memo(Topic::Move, FROM).await?;
    if let Some((of, place)) = was.as_ref().and_then(read)
        && of == id
    {
        if place == DONE {
            return Ok(None);
        }
        let place = place.parse().map_err(|()| MoveError::OfAnother)?;
        return Ok(was.map(|mark| (place, mark)));
    }
    let mark = note(id, &Place::START.to_string());
    if to.set_memo(Topic::Move, FROM, mark.clone(), was).await? {
        Ok(Some((Place::START, mark)))
    } else {
        Err(MoveError::Crowded)
    }
}

fn note(id: &str, place: &str) -> Bytes {
    format!("{id} {place}").into()
}

fn read(mark: &Bytes) -> Option<(&str, &str)> {
    std::str::from_utf8(mark).ok()?.split_once(' ')
}
