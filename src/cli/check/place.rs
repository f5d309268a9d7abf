//! This machine: the store's place, and whether senders find their way here.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use url::Url;

use super::{Finding, redis};
use crate::cli::local::{self, below};
use crate::config::Backend;
use crate::store::{Cap, EventState, OpenError, Options, SqliteStore, Stats, Store, StoreError, lacks_room};

/// The public address is asked from inside; a proxy that needs longer is not well.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn store(backend: &Backend, now: Timestamp) -> Vec<Finding> {
    match backend {
        Backend::Embedded { data_dir } => embedded(data_dir, now).await,
        Backend::Redis(redis) => redis::server(redis, now).await,
    }
}

async fn embedded(data_dir: &Path, now: Timestamp) -> Vec<Finding> {
    if !data_dir.join("store.db").exists() {
        return vec![new_store(data_dir)];
    }
    match SqliteStore::open(data_dir, Options::default(), now) {
        Ok(store) => {
            let (stats, kept) = tokio::join!(store.stats(now), store.would_keep());
            store.close().await;
            vec![match kept.and(stats) {
                Ok(stats) => Finding::ok("store", format!("{}: {}", data_dir.display(), numbers(&stats))),
                Err(StoreError::Full(cap)) => no_room(data_dir, cap),
                Err(error) => Finding::fail("store", format!("{}: {error}", data_dir.display())),
            }]
        }
        Err(OpenError::InUse(_)) => {
            let sound =
                || Finding::ok("store", format!("{}: in use by a running bridge, as it should be", data_dir.display()));
            vec![lacks_room(data_dir).map_or_else(sound, |cap| no_room(data_dir, cap))]
        }
        Err(error) => vec![Finding::fail("store", format!("{:#}", anyhow::Error::from(error)))],
    }
}

fn no_room(data_dir: &Path, cap: Cap) -> Finding {
    Finding::fail("store", format!("{}: every webhook is refused: {cap}", data_dir.display()))
}

/// There is none yet: can one be made?
fn new_store(data_dir: &Path) -> Finding {
    let nearest = data_dir.ancestors().find(|path| path.as_os_str().is_empty() || path.exists());
    let nearest = nearest.filter(|path| !path.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (tempfile::tempfile_in(nearest), lacks_room(nearest)) {
        (Ok(_), Some(cap)) => no_room(data_dir, cap),
        (Ok(_), None) => Finding::ok("store", format!("{}: none yet, the first start makes it", data_dir.display())),
        (Err(error), _) => Finding::fail(
            "store",
            format!("{} cannot be written ({error}); make it writable, or set BRIDGE_DATA_DIR", nearest.display()),
        ),
    }
}

pub(super) fn numbers(stats: &Stats) -> String {
    let of =
        |wanted: EventState| stats.events.iter().find(|(state, _)| *state == wanted).map_or(0, |(_, count)| *count);
    format!(
        "opens, {} KiB of payloads; {} to sort, {} pending, {} withheld, {} dead",
        stats.bytes / 1024,
        stats.inbox,
        of(EventState::Pending),
        of(EventState::Withheld),
        of(EventState::Dead),
    )
}

pub(super) async fn public_url(url: Option<&Url>) -> Finding {
    let Some(url) = url else {
        return Finding::warn(
            "public url",
            "BRIDGE_PUBLIC_URL is not set: whether senders find the bridge is not checked",
        );
    };
    if url.scheme() != "https" {
        return Finding::warn("public url", format!("{url} is http; senders insist on https with a real certificate"));
    }
    let health = below(url, &["healthz"]);
    let http = local::client(url, TIMEOUT);
    let Ok(http) = http else { return Finding::warn("public url", "no HTTP client on this machine to check it with") };
    match http.get(health.clone()).send().await {
        Ok(answer) if answer.status().is_success() => Finding::ok("public url", format!("{health} answers")),
        Ok(answer) => {
            let status = answer.status().as_u16();
            Finding::warn(
                "public url",
                format!("{health} answers {status}; does the proxy lead to the running bridge?"),
            )
        }
        Err(_) => Finding::warn(
            "public url",
            format!(
                "{health} does not answer from here; look at DNS, the proxy and its certificate, and start the bridge"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Level;
    use super::*;

    #[test]
    fn a_store_that_is_not_there_yet_needs_a_place_that_can_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let finding = new_store(&directory.path().join("a/b"));
        assert_eq!(finding.level, Level::Ok, "{finding:?}");
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(new_store(&file.join("data")).level, Level::Fail);
    }
}
