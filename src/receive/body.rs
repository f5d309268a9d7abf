//! Reads bodies: raw, capped, within a time, and never more of them at once than there is room for. Files that nobody needs
//! take no room: they are gone before the next bytes come.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::error::PayloadError;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::refused::Refused;
use crate::providers::WithoutFiles;

/// What is set aside for a body of announced size: no more than this before bytes have come.
const AT_FIRST: usize = 64 * 1024;

/// Bytes of bodies that may be held at once.
#[derive(Debug, Clone)]
pub(super) struct Room {
    left: Arc<AtomicUsize>,
}

/// A part of the room, given back when dropped.
#[derive(Debug)]
pub(super) struct Taken {
    room: Room,
    bytes: usize,
}

impl Room {
    /// Room for so many bytes.
    pub(super) fn of(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// No part of it yet.
    pub(super) fn none(&self) -> Taken {
        Taken { room: self.clone(), bytes: 0 }
    }
}

impl Taken {
    /// Takes more, if there is.
    pub(super) fn more(&mut self, bytes: usize) -> Result<(), Refused> {
        let taken = self.room.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map_err(|_| Refused::Crowded)?;
        self.bytes += bytes;
        Ok(())
    }

    /// How much it is.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.left.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a whole body. What it takes of the `room` is held as long as the second value.
///
/// # Errors
/// Too large, too slow, cut off, or no room.
pub(super) async fn read<S>(
    chunks: S,
    announced: Option<usize>,
    limit: usize,
    within: Duration,
    room: &Room,
) -> Result<(Bytes, Taken), Refused>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    if announced.is_some_and(|announced| announced > limit) {
        return Err(Refused::TooLarge);
    }
    let mut taken = room.none();
    let bytes = tokio::time::timeout(within, collect(chunks, announced, limit, &mut taken)).await;
    Ok((bytes.map_err(|_| Refused::Slow)??, taken))
}

/// How much of a body with files is taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Bytes that come.
    pub(super) coming: usize,
    /// Bytes that remain without the files.
    pub(super) held: usize,
}

/// Reads a whole body, as [`read`] does, and throws its files away as they come.
///
/// # Errors
/// As [`read`].
pub(super) async fn read_without_files<S>(
    chunks: S,
    announced: Option<usize>,
    most: Most,
    within: Duration,
    room: &Room,
    without: WithoutFiles,
) -> Result<(Bytes, Taken), Refused>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    if announced.is_some_and(|announced| announced > most.coming) {
        return Err(Refused::TooLarge);
    }
    let mut taken = room.none();
    let bytes = tokio::time::timeout(within, sieve(chunks, most, &mut taken, without)).await;
    Ok((bytes.map_err(|_| Refused::Slow)??, taken))
}

async fn sieve<S>(mut chunks: S, most: Most, taken: &mut Taken, mut without: WithoutFiles) -> Result<Bytes, Refused>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut come = 0;
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|_| Refused::Cut)?;
        come += chunk.len();
        without.push(&chunk);
        if come > most.coming || without.held() > most.held {
            return Err(Refused::TooLarge);
        }
        taken.more(without.held().saturating_sub(taken.bytes))?;
    }
    Ok(without.finish().into())
}

async fn collect<S>(mut chunks: S, announced: Option<usize>, limit: usize, taken: &mut Taken) -> Result<Bytes, Refused>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let Some(first) = next(&mut chunks, limit, taken).await? else { return Ok(Bytes::new()) };
    let Some(second) = next(&mut chunks, limit, taken).await? else {
        // The usual case: it came in one piece and is not copied.
        return Ok(first);
    };
    let mut whole =
        BytesMut::with_capacity(announced.unwrap_or_default().min(AT_FIRST).max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(chunk) = next(&mut chunks, limit, taken).await? {
        whole.extend_from_slice(&chunk);
    }
    Ok(whole.freeze())
}

async fn next<S>(chunks: &mut S, limit: usize, taken: &mut Taken) -> Result<Option<Bytes>, Refused>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let Some(chunk) = chunks.next().await else { return Ok(None) };
    let chunk = chunk.map_err(|_| Refused::Cut)?;
    if taken.bytes + chunk.len() > limit {
        return Err(Refused::TooLarge);
    }
    taken.more(chunk.len())?;
    Ok(Some(chunk))
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn read_chunks(chunks: &[&'static str], limit: usize, room: &Room) -> Result<(Bytes, Taken), Refused> {
        let chunks: Vec<Result<_, PayloadError>> = chunks.iter().map(|chunk| Ok(Bytes::from(*chunk))).collect();
        read(stream::iter(chunks), None, limit, Duration::from_secs(1), room).await
    }

    #[tokio::test]
    async fn a_body_is_put_together_up_to_the_limit() {
        let room = Room::of(100);
        for chunks in [&[][..], &["abc"], &["abc", "d"], &["a", "b", "c", "d"]] {
            let (body, _) = read_chunks(chunks, 4, &room).await.unwrap();
            assert_eq!(body, chunks.concat());
        }
        assert!(matches!(read_chunks(&["abc", "de"], 4, &room).await, Err(Refused::TooLarge)));
        assert_eq!(room.left.load(Ordering::Relaxed), 100);
    }

    #[tokio::test]
    async fn room_is_taken_while_a_body_is_held_and_no_longer() {
        let room = Room::of(5);
        let held = read_chunks(&["abc"], 4, &room).await.unwrap();
        assert!(matches!(read_chunks(&["abc"], 4, &room).await, Err(Refused::Crowded)));
        drop(held);
        assert!(read_chunks(&["abc"], 4, &room).await.is_ok());
    }

    #[tokio::test]
    async fn files_take_no_room_and_texts_do() {
        const TYPE: &str = "multipart/form-data; boundary=b1";
        let (room, within) = (Room::of(1000), Duration::from_secs(1));
        let part = |parameter: &str, bytes: usize| {
            let head = format!("--b1\r\nContent-Disposition: form-data; name=\"a\"{parameter}\r\n\r\n");
            [head, "x".repeat(bytes), "\r\n--b1--\r\n".into()].concat()
        };
        let read = async |body: String, most: Most| {
            let pieces: Vec<_> = body.as_bytes().chunks(7).map(Bytes::copy_from_slice).map(Ok).collect();
            let without = WithoutFiles::of(TYPE);
            read_without_files(stream::iter(pieces), None, most, within, &room, without).await
        };
        let most = Most { coming: 10_000, held: 500 };
        let (body, taken) = read(part("; filename=\"b\"", 9_000), most).await.unwrap();
        assert!(body.len() < 200 && taken.bytes < 200, "{} {}", body.len(), taken.bytes);
        assert!(matches!(read(part("; filename=\"b\"", 10_000), most).await, Err(Refused::TooLarge)));
        assert!(matches!(read(part("", 500), most).await, Err(Refused::TooLarge)));
        let roomy = Most { held: 5_000, ..most };
        assert!(matches!(read(part("", 2_000), roomy).await, Err(Refused::Crowded)));
        drop(taken);
        assert_eq!(room.left.load(Ordering::Relaxed), 1000);
    }

    #[tokio::test]
    async fn a_body_that_never_ends_or_breaks_off_is_given_up() {
        let room = Room::of(100);
        let never = stream::pending::<Result<Bytes, PayloadError>>();
        let slow = read(never, None, 4, Duration::from_millis(1), &room).await;
        assert!(matches!(slow, Err(Refused::Slow)));
        let cut = stream::iter([Ok(Bytes::from("a")), Err(PayloadError::Incomplete(None))]);
        assert!(matches!(read(cut, None, 4, Duration::from_secs(1), &room).await, Err(Refused::Cut)));
        let huge = read(stream::empty(), Some(5), 4, Duration::from_secs(1), &room).await;
        assert!(matches!(huge, Err(Refused::TooLarge)));
    }
}
