//! Unpacks bodies that come compressed by gzip (RFC 1952), step by step: what a small body can grow to is bounded by the limit
//! for bodies and by the room that there is for all of them, and a long one holds nobody else up.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;

use super::body::Taken;
use super::refused::Refused;

/// What is unpacked between two looks at the limits.
const STEP: usize = 32 * 1024;

/// What is in `packed`, at most `limit` bytes. The room for it is `taken` before it is there.
///
/// # Errors
/// It is larger, there is no room for it, or it is not what gzip makes.
pub(super) async fn unpacked(packed: &Bytes, limit: usize, taken: &mut Taken) -> Result<Bytes, Refused> {
    let mut decoder = MultiGzDecoder::new(&packed[..]);
    let (mut body, mut step) = (Vec::new(), vec![0; STEP]);
    loop {
        let length = decoder.read(&mut step).map_err(|_| Refused::Garbled)?;
        if length == 0 {
            return Ok(body.into());
        }
        if body.len() + length > limit {
            return Err(Refused::TooLarge);
        }
        taken.more(length)?;
        body.extend_from_slice(&step[..length]);
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::body::Room;
    use super::*;

    fn packed(body: &[u8]) -> Bytes {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(body).unwrap();
        encoder.finish().unwrap().into()
    }

    async fn open(packed: &Bytes, limit: usize) -> Result<Bytes, Refused> {
        unpacked(packed, limit, &mut Room::of(1 << 20).none()).await
    }

    #[tokio::test]
    async fn what_was_packed_comes_out_in_one_piece_and_in_several() {
        for body in [&b""[..], b"{}", &[7; 100_000]] {
            assert_eq!(open(&packed(body), 100_000).await.unwrap(), body);
        }
        let two = [&packed(b"one, ")[..], &packed(b"two")].concat().into();
        assert_eq!(open(&two, 100).await.unwrap(), "one, two");
    }

    #[tokio::test]
    async fn what_is_no_gzip_or_not_all_of_it_is_garbled() {
        let whole = packed(b"a webhook");
        let cut = whole.slice(..whole.len() - 9);
        let behind = [&whole[..], b"more"].concat().into();
        let mut other = whole.to_vec();
        *other.last_mut().unwrap() ^= 1;
        for bad in [Bytes::new(), Bytes::from("{}"), cut, behind, other.into()] {
            assert!(matches!(open(&bad, 100).await, Err(Refused::Garbled)), "{bad:?}");
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
}
