//! Redis: reachable, set so that it keeps what is promised, and by the same clock.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Finding;
use super::place::numbers;
use crate::config::Redis;
use crate::store::{Options, RedisStore, RedisTies, Remark, Store, Weight, examine};

/// Clocks that are not further apart than this are nothing to speak of.
const APART: SignedDuration = SignedDuration::from_secs(5);

/// Looks at the server; `now` is the time of this machine.
pub(super) async fn server(redis: &Redis, now: Timestamp) -> Vec<Finding> {
    let Redis { url, prefix, durability } = redis.clone();
    let place = url.to_string();
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    let on_time = move |time, _| *tell.lock().unwrap_or_else(PoisonError::into_inner) = Some(time);
    let ties = RedisTies { url, prefix, durability, on_time: Arc::new(on_time) };
    let mut findings = match examine(&ties).await {
        Ok(remarks) => remarks.into_iter().map(|remark| finding(&place, remark)).collect(),
        Err(error) => vec![Finding::fail("store", format!("{place}: {error}"))],
    };
    let told = *told.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(theirs) = told {
        findings.extend(clocks(theirs, now));
        findings.push(held(&place, ties, theirs).await);
    }
    findings
}

/// What is in it; `now` is its own time.
async fn held(place: &str, ties: RedisTies, now: Timestamp) -> Finding {
    let store = RedisStore::new(ties, Options::default());
    let stats = store.stats(now).await;
    store.close().await;
    match stats {
        Ok(stats) => Finding::ok("store", format!("{place}: {}", numbers(&stats))),
        Err(error) => Finding::fail("store", format!("{place}: {error}")),
    }
}

fn finding(place: &str, Remark { weight, says }: Remark) -> Finding {
    let says = format!("{place}: {says}");
    match weight {
        Weight::Good => Finding::ok("store", says),
        Weight::Doubtful => Finding::warn("store", says),
        Weight::Now | Weight::Refused => Finding::fail("store", says),
    }
}

/// The bridge goes by the clock of Redis, also where it judges how old a webhook is.
fn clocks(theirs: Timestamp, ours: Timestamp) -> Option<Finding> {
    let apart = theirs.duration_since(ours);
    (apart.abs() > APART).then(|| {
        let says = format!(
            "Redis is {} s off this machine's clock, and the bridge goes by it; set both by NTP",
            apart.as_secs()
        );
        Finding::warn("store", says)
    })
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_pointed_out() {
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        assert_eq!(clocks(now + SignedDuration::from_secs(5), now), None);
        let late = clocks(now - SignedDuration::from_secs(90), now).unwrap();
        assert!(late.level == Level::Warn && late.says.contains("-90 s"), "{late:?}");
    }
}
