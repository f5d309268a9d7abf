//! Unpacks bodies that come compressed by gzip (RFC 1952), step by step: what a small body can grow to is bounded by the limit
//! for bodies and by the room that there is for all of them, and a long one holds nobody else up.

use std::io::{self, BufRead, ErrorKind, Read};

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::body::Taken;
use super::refused::Refused;
use crate::providers::Packed;

/// What is unpacked, at most, between two looks at the limits.
const STEP: usize = 32 * 1024;
/// Packed bytes that are read at a time. Of those that unpack to nothing (blocks and members without a byte in them) each
/// takes microseconds: a MiB of them at a time would hold everybody up for seconds.
const RATION: usize = 1024;

/// What is in `packed`, at most `limit` bytes. The room for it is `taken` before it is there. What does not begin as gzip does
/// is given as it is. `None`: it is broken, or ends too early.
///
/// # Errors
/// It is larger, or there is no room for it.
pub(super) async fn unpacked(packed: &Bytes, limit: usize, taken: &mut Taken) -> Result<Option<Bytes>, Refused> {
    if !packed.starts_with(&Packed::MAGIC) {
        return Ok(Some(packed.clone()));
    }
    let mut decoder = MultiGzDecoder::new(Rationed { left: packed, ration: RATION });
    let (mut body, mut step) = (Vec::new(), vec![0; STEP]);
    loop {
        let length = match decoder.read(&mut step) {
            Ok(0) => return Ok(Some(body.into())),
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(_) => return Ok(None),
        };
        if body.len() + length > limit {
            return Err(Refused::TooLarge);
        }
        taken.more(length)?;
        body.extend_from_slice(&step[..length]);
        tokio::task::yield_now().await;
        decoder.get_mut().ration = RATION;
    }
}

/// Packed bytes, of which no more are given than the ration: then it would block.
struct Rationed<'b> {
    left: &'b [u8],
    ration: usize,
}

impl BufRead for Rationed<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        match (self.left.len(), self.ration) {
            (1.., 0) => Err(ErrorKind::WouldBlock.into()),
            (left, ration) => Ok(&self.left[..left.min(ration)]),
        }
    }

    fn consume(&mut self, amount: usize) {
        self.left = &self.left[amount..];
        self.ration -= amount;
    }
}

impl Read for Rationed<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::pin::pin;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;
    use tokio::runtime::{Builder, Runtime};

    use super::super::body::Room;
    use super::*;

    fn packed(body: &[u8]) -> Bytes {
        packed_at(body, 9).into()
    }

    fn packed_at(body: &[u8], level: u32) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap()
    }

    async fn open(packed: &Bytes, limit: usize) -> Result<Option<Bytes>, Refused> {
        unpacked(packed, limit, &mut Room::of(1 << 20).none()).await
    }

    #[tokio::test]
    async fn what_was_packed_comes_out_in_one_piece_and_in_several() {
        for body in [&b""[..], b"{}", &[7; 100_000]] {
            assert_eq!(open(&packed(body), 100_000).await.unwrap().unwrap(), body);
        }
        let two = [&packed(b"one, ")[..], &packed(b"two")].concat().into();
        assert_eq!(open(&two, 100).await.unwrap().unwrap(), "one, two");
    }

    #[tokio::test]
    async fn what_is_not_all_of_a_gzip_is_broken_and_what_is_none_was_unpacked_before() {
        let whole = packed(b"a webhook");
        let cut = whole.slice(..whole.len() - 9);
        let behind = [&whole[..], b"more"].concat().into();
        let mut other = whole.to_vec();
        *other.last_mut().unwrap() ^= 1;
        for bad in [cut, behind, other.into()] {
            assert_eq!(open(&bad, 100).await.unwrap(), None, "{bad:?}");
        }
        for plain in ["", "{}", "\u{1f}"] {
            assert_eq!(open(&Bytes::from(plain), 100).await.unwrap().unwrap(), plain);
        }
    }

    #[tokio::test]
    async fn a_small_body_that_grows_without_end_is_given_up_at_the_limit_and_holds_no_more_room_than_that() {
        let bomb = packed(&vec![0; 64 << 20]);
        assert!(bomb.len() < 100_000, "64 MiB are {} bytes", bomb.len());
        let mut taken = Room::of(1 << 20).none();
        assert!(matches!(unpacked(&bomb, 4 << 20, &mut taken).await, Err(Refused::Crowded)));
        assert!(taken.bytes() <= 1 << 20);
        let mut taken = Room::of(8 << 20).none();
        assert!(matches!(unpacked(&bomb, 4 << 20, &mut taken).await, Err(Refused::TooLarge)));
        assert!(taken.bytes() <= 4 << 20);
    }

    /// Blocks that hold nothing: each is a head of three bits (not the last, fixed codes) and the seven of its end.
    fn hollow_blocks(length: usize) -> Bytes {
        let pattern = [0b0000_0010, 0b0000_1000, 0b0010_0000, 0b1000_0000, 0];
        packed(b"")[..10].iter().copied().chain(pattern.into_iter().cycle()).take(length).collect()
    }

    #[tokio::test]
    async fn bytes_that_unpack_to_nothing_hold_nobody_up() {
        let members = packed(b"").repeat(400).into();
        for (hollow, is_whole) in [(members, true), (hollow_blocks(8_000), false)] {
            let mut turns = 0;
            let mut opening = pin!(open(&hollow, 100));
            let opened = std::future::poll_fn(|context| {
                turns += 1;
                opening.as_mut().poll(context)
            });
            assert_eq!(opened.await.unwrap(), is_whole.then(Bytes::new));
            assert!(turns >= hollow.len() / 1024, "{} bytes in {turns} turns", hollow.len());
        }
    }

    fn runtime() -> Runtime {
        Builder::new_current_thread().build().unwrap()
    }

    /// Bodies that pack well, badly, and not at all.
    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(any::<u8>(), 0..4000),
            vec(select(&b"ab\0"[..]), 0..4000),
            (any::<u8>(), 0..100_000_usize).prop_map(|(byte, length)| vec![byte; length]),
        ]
    }

    proptest! {
        #[test]
        fn what_was_packed_comes_out_whole_where_it_fits(
            members in vec((bodies(), 0..=9_u32), 1..4), limit in 0..150_000_usize, room in 0..150_000_usize
        ) {
            let body: Vec<u8> = members.iter().flat_map(|(body, _)| body).copied().collect();
            let packed: Vec<u8> = members.iter().flat_map(|(body, level)| packed_at(body, *level)).collect();
            let mut taken = Room::of(room).none();
            match runtime().block_on(unpacked(&packed.into(), limit, &mut taken)) {
                Ok(opened) => prop_assert!(opened.unwrap() == body && taken.bytes() == body.len()),
                Err(Refused::TooLarge) => prop_assert!(body.len() > limit),
                Err(Refused::Crowded) => prop_assert!(body.len() > room),
                Err(other) => prop_assert!(false, "{other:?}"),
            }
            prop_assert!(taken.bytes() <= limit.min(room));
        }

        // What was sent is changed, cut, or never was gzip: nothing else comes out of it, and no more than fits.
        #[test]
        fn whatever_comes_is_what_was_packed_or_broken_or_plain_and_never_more_than_fits(
            body in bodies(), is_packed in any::<bool>(), changes in vec((any::<usize>(), any::<u8>()), 0..4),
            cut in 0..30_usize, limit in 0..150_000_usize,
        ) {
            let mut sent = if is_packed { packed_at(&body, 6) } else { body.clone() };
            for (at, byte) in changes {
                let length = sent.len().max(1);
                sent.get_mut(at % length).into_iter().for_each(|place| *place = byte);
            }
            sent.truncate(sent.len().saturating_sub(cut));
            let mut taken = Room::of(1 << 20).none();
            let sent = Bytes::from(sent);
            let opened = runtime().block_on(unpacked(&sent, limit, &mut taken));
            prop_assert!(taken.bytes() <= limit);
            match opened {
                Ok(Some(plain)) if plain == sent => prop_assert!(!sent.starts_with(&Packed::MAGIC)),
                Ok(Some(opened)) => prop_assert!(is_packed && opened == body && taken.bytes() == body.len()),
                Ok(None) => prop_assert!(sent.starts_with(&Packed::MAGIC)),
                Err(_) => {}
            }
        }
    }
}
