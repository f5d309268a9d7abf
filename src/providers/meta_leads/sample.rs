//! Webhooks as Meta would send them.

use jiff::Timestamp;

use super::super::{Sample, SampleKind, Secrets, meta};

/// A lead's change. The webhook names the lead only; whoever stands in for the Graph API makes up the person.
fn change(leadgen_id: &str, now: Timestamp) -> String {
    let ids = r#""form_id":"1234567890123456","page_id":"123456789012345""#;
    let ad = r#""ad_id":"120210000000000101","adgroup_id":"120210000000000101""#;
    let time = now.as_second();
    format!(r#"{{"field":"leadgen","value":{{{ad},{ids},"leadgen_id":"{leadgen_id}","created_time":{time}}}}}"#)
}

fn webhook(changes: &[String], now: Timestamp) -> String {
    let (time, changes) = (now.as_second(), changes.join(","));
    format!(r#"{{"object":"page","entry":[{{"id":"123456789012345","time":{time},"changes":[{changes}]}}]}}"#)
}

/// 16 digits that begin with a one, so that they are never the dashboard's fours.
fn leadgen_id(seed: u64) -> String {
    (1_000_000_000_000_000 + seed % 1_000_000_000_000_000).to_string()
}

/// What the "Test" button of the App Dashboard sends.
fn dashboard_test(now: Timestamp) -> String {
    let time = now.as_second();
    format!(
        r#"{{"object":"page","entry":[{{"id":"0","time":{time},"changes":[{{"field":"leadgen","value":{{"ad_id":"444444444","form_id":"444444444444","leadgen_id":"444444444444","created_time":{time},"page_id":"444444444444","adgroup_id":"44444444444"}}}}]}}]}}"#
    )
}

/// Makes the sample. Meta never says anything new about a lead, so an update is the same lead sent again, a duplicate;
/// and it signs no time, so a stale one is an ordinary one.
pub(super) fn sample(app_secrets: &Secrets, kind: SampleKind, seed: u64, now: Timestamp) -> Sample {
    let leads = |count: u64| -> String {
        let seeds = (0..count).map(|offset| seed.wrapping_add(offset));
        webhook(&seeds.map(|seed| change(&leadgen_id(seed), now)).collect::<Vec<_>>(), now)
    };
    let body = match kind {
        SampleKind::Lead | SampleKind::Update | SampleKind::Stale | SampleKind::Tampered => leads(1),
        SampleKind::Batch => leads(3),
        SampleKind::Test => dashboard_test(now),
    };
    let changed = (kind == SampleKind::Tampered).then(|| body.replace(r#""page_id":"1"#, r#""page_id":"2"#));
    let sample = meta::signed(app_secrets, body.into_bytes());
    match changed {
        Some(changed) => Sample { body: changed.into_bytes(), ..sample },
        None => sample,
    }
}
