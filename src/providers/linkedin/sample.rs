//! Webhooks as LinkedIn would send them.

use jiff::Timestamp;
use serde_json::json;

use super::super::signature::hmac_sha256;
use super::super::{Sample, SampleKind};
use super::{RESPONSE, SIGNATURE};

/// A notification. It names the lead only; whoever stands in for the API makes up the person. The stand-in makes a lead
/// whose id begins with zeros a test.
fn notification(kind: SampleKind, seed: u64, now: Timestamp) -> String {
    let first = if kind == SampleKind::Test { 0 } else { 0x2495_92fc };
    let (high, low) = (seed >> 48, seed & 0xffff_ffff_ffff);
    let body = json!({
        "type": "LEAD_ACTION",
        "leadGenFormResponse": format!("{RESPONSE}{first:08x}-d272-44ba-{high:04x}-{low:012x}-6"),
        "leadGenForm": "urn:li:versionedLeadGenForm:(urn:li:leadGenForm:7234246,1)",
        "owner": { "sponsoredAccount": "urn:li:sponsoredAccount:1234567" },
        "associatedEntity": { "associatedCreative": "urn:li:sponsoredCreative:241257736" },
        "leadType": "SPONSORED",
        "leadAction": "CREATED",
        "occurredAt": now.as_millisecond(),
    });
    body.to_string()
}

/// Makes the sample. LinkedIn sends one notification at a time and never says anything new about a lead, so an update is the
/// same lead sent again, a duplicate; and it signs no time, so a stale one is an ordinary one.
pub(super) fn sample(secret: &str, signed_prefix: &str, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let mut sample = signed(secret, signed_prefix, notification(kind, seed, now).into_bytes());
    if kind == SampleKind::Tampered {
        // One space more is another body: what a proxy does that parses JSON and writes it again.
        sample.body.push(b' ');
    }
    sample
}

/// `body` as LinkedIn would send it.
pub(super) fn signed(secret: &str, signed_prefix: &str, body: Vec<u8>) -> Sample {
    let digest = hmac_sha256(secret.as_bytes(), &[signed_prefix.as_bytes(), &body]);
    let headers = [("content-type", "application/json".to_owned()), (SIGNATURE, hex::encode(digest))];
    Sample::new(headers, body)
}
