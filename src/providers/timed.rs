//! Proofs that sign their time: when a signed time is believed, and the scheme `t=<unix s>,v1=<hex>` over `t.body`.

use std::time::Duration;

use jiff::Timestamp;

use super::signature::{self, Digest};
use super::{Header, Refusal, Secrets};

/// How far a signed time may lie from ours, either way: what the Standard Webhooks libraries, Stripe, Calendly and
/// Konektor itself use.
pub(super) const TOLERANCE: Duration = Duration::from_secs(300);

/// Reads unix seconds as senders write them: 1 to 16 ASCII digits, no sign, no fraction.
pub(super) fn unix_seconds(text: &str) -> Option<i64> {
    let digits = (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

/// True when `signed` lies within `tolerance` of `now`; exactly at its edge is still inside.
pub(super) fn is_fresh(signed: i64, now: Timestamp, tolerance: Duration) -> bool {
    now.as_second().abs_diff(signed) <= tolerance.as_secs()
}

/// Checks a header `t=<unix s>,v1=<hex>`, HMAC-SHA256 over `t.body` under any of `secrets`. There may be several `v1`
/// (the sender changes its secret); entries under other names are skipped.
pub(super) fn verify(header: Header<'_>, secrets: &Secrets, body: &[u8], now: Timestamp) -> Result<(), Refusal> {
    let header = match header {
        Header::Absent => return Err(Refusal::NoProof),
        Header::Several => return Err(Refusal::GarbledProof),
        Header::Once(header) => header,
    };
    let (time, given) = parse(header).ok_or(Refusal::GarbledProof)?;
    let signed = unix_seconds(time).ok_or(Refusal::GarbledProof)?;
    if !is_fresh(signed, now, TOLERANCE) {
        return Err(Refusal::Stale);
    }
    let expected = secrets.keys().digests(&[time.as_bytes(), b".", body]);
    if signature::any_pair_equal(&expected, &given) { Ok(()) } else { Err(Refusal::WrongProof) }
}

/// The header that [`verify`] takes, signed at `now`.
pub(super) fn sign(secret: &str, body: &[u8], now: Timestamp) -> String {
    let time = now.as_second().to_string();
    let digest = signature::hmac_sha256(secret.as_bytes(), &[time.as_bytes(), b".", body]);
    format!("t={time},v1={}", hex::encode(digest))
}

/// The one `t`, and every `v1` that is a digest; `None` when there is no `t`, more than one, or no digest.
fn parse(header: &str) -> Option<(&str, Vec<Digest>)> {
    let mut time = None;
    let mut digests = Vec::new();
    for (name, value) in header.split(',').filter_map(|entry| entry.trim_ascii().split_once('=')) {
        match name {
            "t" if time.replace(value).is_some() => return None,
            "v1" => digests.extend(signature::hex_digest(value)),
            _ => {}
        }
    }
    time.filter(|_| !digests.is_empty()).map(|time| (time, digests))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_793_000_000).unwrap()
    }

    fn check(header: &str) -> Result<(), Refusal> {
        let secrets = Secrets::new(vec!["konektor-secret-new".into(), "konektor-secret-TEST".into()]).unwrap();
        verify(Header::Once(header), &secrets, b"body", now())
    }

    #[test]
    fn what_is_signed_now_is_let_in_under_either_secret() {
        for secret in ["konektor-secret-new", "konektor-secret-TEST"] {
            assert_eq!(check(&sign(secret, b"body", now())), Ok(()));
        }
        assert_eq!(check(&sign("another", b"body", now())), Err(Refusal::WrongProof));
        assert_eq!(check(&sign("konektor-secret-TEST", b"other body", now())), Err(Refusal::WrongProof));
    }

    /// A digest that our own code did not make: `printf '1792999996.body' | openssl dgst -sha256 -hmac …`.
    #[test]
    fn a_signature_made_by_openssl_is_let_in() {
        let header = "t=1792999996,v1=4b029b927abec3c6f89b1a20db4051f5699f96f795b41241d83cdcbea91aab46";
        assert_eq!(check(header), Ok(()));
    }

    #[test]
    fn one_good_v1_among_strange_entries_is_enough() {
        let good = sign("konektor-secret-TEST", b"body", now());
        let (time, v1) = good.split_once(',').unwrap();
        let other = "00".repeat(32);
        assert_eq!(check(&format!("{time}, v0=zz,v1={other} , {v1},x")), Ok(()));
    }

    #[test]
    fn a_header_without_one_time_and_one_digest_is_garbled() {
        let digest = "00".repeat(32);
        for header in [
            String::new(),
            "v1".into(),
            "t=1793000000".into(),
            format!("v1={digest}"),
            format!("t=,v1={digest}"),
            format!("t=1793000000,t=1793000000,v1={digest}"),
            format!("t=-1793000000,v1={digest}"),
            format!("t=17930000000000000,v1={digest}"),
            format!("t=1793000000,v1={}", digest.to_uppercase().replace('0', "A")),
            "t=1793000000,v1=".into(),
        ] {
            assert_eq!(check(&header), Err(Refusal::GarbledProof), "{header}");
        }
    }

    #[test]
    fn a_signed_time_counts_for_five_minutes_both_ways() {
        for (offset, expected) in
            [(300, Ok(())), (-300, Ok(())), (301, Err(Refusal::Stale)), (-301, Err(Refusal::Stale))]
        {
            let at = now() + jiff::SignedDuration::from_secs(offset);
            assert_eq!(check(&sign("konektor-secret-TEST", b"body", at)), expected, "{offset}");
        }
    }

    #[test]
    fn a_missing_or_doubled_header_is_not_a_proof() {
        let secrets = Secrets::new(vec!["s".into()]).unwrap();
        assert_eq!(verify(Header::Absent, &secrets, b"", now()), Err(Refusal::NoProof));
        assert_eq!(verify(Header::Several, &secrets, b"", now()), Err(Refusal::GarbledProof));
    }
}
