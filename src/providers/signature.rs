//! The arithmetic of proofs: HMAC over parts, compared in constant time, under any of several secrets.

use aws_lc_rs::hmac::{Context, HMAC_SHA256, Key};
use subtle::{Choice, ConstantTimeEq};

use super::Secrets;

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// Keys made ready to sign with: what is computed of a key alone, two of SHA-256's blocks, is so once and not for each
/// webhook (RFC 2104, section 4).
#[derive(Clone)]
pub(super) struct Keys(Vec<Key>);

impl Keys {
    /// `keys`, made ready.
    pub(super) fn of<'a>(keys: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(keys.map(|key| Key::new(HMAC_SHA256, key)).collect())
    }

    /// True when `given` is the HMAC-SHA256 of `parts` under one of these. Every key is tried, whichever matches.
    pub(super) fn any_signed(&self, parts: &[&[u8]], given: &Digest) -> bool {
        self.0.iter().map(|key| signed(key, parts).ct_eq(given)).fold(Choice::from(0), |any, one| any | one).into()
    }

    /// The HMAC-SHA256 of `parts` under each of these: for senders that may give several signatures, so that a long list
    /// of them costs no more passes over the body than there are keys.
    pub(super) fn digests(&self, parts: &[&[u8]]) -> Vec<Digest> {
        self.0.iter().map(|key| signed(key, parts)).collect()
    }
}

impl std::fmt::Debug for Keys {
    /// Shows how many there are.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

/// HMAC-SHA256 over `parts`, one after the other.
pub(super) fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Digest {
    signed(&Key::new(HMAC_SHA256, key), parts)
}

fn signed(key: &Key, parts: &[&[u8]]) -> Digest {
    let mut mac = Context::with_key(key);
    parts.iter().for_each(|part| mac.update(part));
    mac.sign().as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

/// True when one of `given` is one of `expected`. Every pair is compared, whichever matches.
pub(super) fn any_pair_equal(expected: &[Digest], given: &[Digest]) -> bool {
    let pairs = given.iter().flat_map(|given| expected.iter().map(move |expected| expected.ct_eq(given)));
    pairs.fold(Choice::from(0), |any, one| any | one).into()
}

/// True when `given` is one of `secrets`, letter by letter. The time taken tells lengths at most.
pub(super) fn any_equal(secrets: &Secrets, given: &str) -> bool {
    secrets
        .iter()
        .map(|secret| secret.as_bytes().ct_eq(given.as_bytes()))
        .fold(Choice::from(0), |any, one| any | one)
        .into()
}

/// Reads a digest written as exactly 64 characters of `[0-9a-f]`; upper case is refused, as no sender documents it.
pub(super) fn hex_digest(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    let lower = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    (lower && hex::decode_to_slice(text, &mut digest).is_ok()).then_some(digest)
}

/// The body with every non-ASCII character as `\uXXXX` (lower-case hex, surrogate pairs), as Meta and TikTok say they
/// sign it; `None` when that changes nothing or the body is not UTF-8.
///
/// Inside JSON strings both spellings are one value, and outside them non-ASCII is no JSON, so what this lets in is
/// exactly what was signed. Only ever tried after the raw bytes did not match.
pub(super) fn escaped_unicode(body: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(body).ok().filter(|text| !text.is_ascii())?;
    let mut escaped = Vec::with_capacity(body.len() * 2);
    let mut units = [0; 2];
    for character in text.chars() {
        if character.is_ascii() {
            escaped.push(character as u8);
        } else {
            for unit in character.encode_utf16(&mut units) {
                escaped.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
    }
    Some(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_test_case_of_rfc_4231_comes_out() {
        let digest = hmac_sha256(&[0x0b; 20], &[b"Hi ", b"There"]);
        assert_eq!(hex::encode(digest), "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    }

    #[test]
    fn any_of_several_secrets_may_have_signed() {
        let given = hmac_sha256(b"new", &[b"body"]);
        let keys = Keys::of([&b"old"[..], b"new"].into_iter());
        assert!(keys.any_signed(&[b"body"], &given));
        assert!(keys.any_signed(&[b"bo", b"dy"], &given), "a key that has signed is as good as before");
        assert!(!keys.any_signed(&[b"other body"], &given));
        assert!(!Keys::of([&b"old"[..]].into_iter()).any_signed(&[b"body"], &given));
    }

    #[test]
    fn one_equal_pair_is_enough_and_no_pair_is_none() {
        let expected = Keys::of([&b"new"[..], b"old"].into_iter()).digests(&[b"body"]);
        assert!(any_pair_equal(&expected, &[[0; 32], hmac_sha256(b"old", &[b"body"])]));
        assert!(!any_pair_equal(&expected, &[[0; 32]]));
        assert!(!any_pair_equal(&expected, &[]));
    }

    #[test]
    fn a_digest_is_64_lower_case_characters() {
        let good = "0f".repeat(32);
        assert_eq!(hex_digest(&good), Some([0x0f; 32]));
        for bad in [good.to_uppercase(), good[1..].to_owned(), format!("{good}0"), format!(" {good}"), "zz".repeat(32)]
        {
            assert_eq!(hex_digest(&bad), None, "{bad}");
        }
    }

    #[test]
    fn escaping_writes_surrogate_pairs_in_lower_case() {
        assert_eq!(escaped_unicode("ä 😀".as_bytes()).unwrap(), br"\u00e4 \ud83d\ude00");
        assert_eq!(escaped_unicode(b"plain"), None);
        assert_eq!(escaped_unicode(b"\xff"), None);
    }
}
