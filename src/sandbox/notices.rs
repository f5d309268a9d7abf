//! Konektor's own webhooks, `lead.created` and `lead.updated`, told to a workspace's subscriber: signed, from a queue of
//! limited length, several times until they are taken, not necessarily in order.
//!
//! Source: Konektor's documentation of webhooks. Its text says nothing of how often it tries and how long it waits; that,
//! and that `changes` holds the names of the fields, is decided here.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use reqwest::redirect::Policy;
use secrecy::ExposeSecret;
use serde::Serialize;
use sha2::Sha256;
use strum::VariantArray;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::time::sleep;

use super::agent::fields::Field;
use super::agent::lead::{RefShown, WholeLead};
use super::records::lead::{Change, Lead};
use super::settings::{Subscriber, Workspace};
use crate::clock::Clock;

/// The most that wait to be told; what comes beyond is dropped, and counted.
const QUEUE: usize = 1_000;

/// The most that are told at once.
const AT_ONCE: usize = 8;

/// How long a subscriber may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How often each is tried.
const ATTEMPTS: u32 = 5;

/// What it calls itself.
const USER_AGENT: &str = "Konektor-Webhook/1.0";

/// Where a change came from.
const SOURCE: &str = "api";

/// What is told: the body is the event itself, without an envelope.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Event<'a> {
    Created {
        lead: WholeLead,
        source: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    Updated {
        lead: WholeLead,
        lead_id: &'a str,
        previous_status: Option<&'a str>,
        new_status: Option<&'a str>,
        /// The names of the fields that are different now.
        changes: Vec<Field>,
        source: &'static str,
    },
}

/// Something to be told.
#[derive(Debug)]
struct Notice {
    to: Subscriber,
    /// What the header `X-Konektor-Event` says.
    event: &'static str,
    body: String,
}

/// What became of them. The answer of `GET /sandbox/webhooks`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tally {
    /// On their way.
    waiting: u64,
    /// Taken by the subscriber.
    delivered: u64,
    /// Tries that came to nothing.
    failed_attempts: u64,
    /// Given up after the last try.
    given_up: u64,
    /// Not even tried, because too many were waiting.
    dropped: u64,
}

/// Where notices are handed in.
#[derive(Debug)]
pub(super) struct Notices {
    queue: Sender<Notice>,
    tally: Arc<Mutex<Tally>>,
}

/// Who tells them.
#[derive(Debug)]
pub(super) struct Courier {
    queue: Receiver<Notice>,
    tally: Arc<Mutex<Tally>>,
    clock: Arc<dyn Clock>,
    /// The wait before the second try; each later one is four times as long.
    patience: Duration,
}

/// Both ends of a new queue.
pub(super) fn queue(clock: Arc<dyn Clock>, patience: Duration) -> (Notices, Courier) {
    let (sender, receiver) = channel(QUEUE);
    let tally = Arc::default();
    let courier = Courier { queue: receiver, tally: Arc::clone(&tally), clock, patience };
    (Notices { queue: sender, tally }, courier)
}

impl Notices {
    /// Tells the subscriber of `workspace`, if there is one, that `lead` was created.
    pub(super) fn created(&self, workspace: &Workspace, lead: &Lead) {
        if let Some(to) = &workspace.subscriber {
            let event = Event::Created { lead: WholeLead::of(lead, RefShown::Yes), source: SOURCE };
            self.tell(to, "lead.created", &event);
        }
    }

    /// The same of an update, unless it changed nothing.
    pub(super) fn updated(&self, workspace: &Workspace, change: &Change) {
        let Change { before, after } = change;
        let is_changed = |field: &Field| before.value(*field) != after.value(*field);
        let changes: Vec<Field> = Field::VARIANTS.iter().copied().filter(is_changed).collect();
        if let Some(to) = workspace.subscriber.as_ref().filter(|_| !changes.is_empty()) {
            let event = Event::Updated {
                lead: WholeLead::of(after, RefShown::Yes),
                lead_id: &after.id,
                previous_status: before.text(Field::Status),
                new_status: after.text(Field::Status),
                changes,
                source: SOURCE,
            };
            self.tell(to, "lead.updated", &event);
        }
    }

    /// What became of all so far.
    pub(super) fn tally(&self) -> Tally {
        locked(&self.tally).clone()
    }

    fn tell(&self, to: &Subscriber, name: &'static str, event: &impl Serialize) {
        let body = serde_json::to_string(event).expect("an event is JSON");
        let mut tally = locked(&self.tally);
        match self.queue.try_send(Notice { to: to.clone(), event: name, body }) {
            Ok(()) => tally.waiting += 1,
            // Closed: the sandbox is stopping.
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => tally.dropped += 1,
        }
    }
}

impl Courier {
    /// Tells what comes, until nobody can hand in more.
    pub(super) async fn run(self) {
        let Self { queue, tally, clock, patience } = self;
        let notices = stream::unfold(queue, async |mut queue| queue.recv().await.map(|notice| (notice, queue)));
        let round = &Round { tally, client: OnceLock::new(), clock, patience };
        notices.for_each_concurrent(AT_ONCE, |notice| async move { round.deliver(&notice).await }).await;
    }
}

/// What telling takes.
struct Round {
    tally: Arc<Mutex<Tally>>,
    /// Made when it is first needed: most sandboxes have no subscriber.
    client: OnceLock<Option<reqwest::Client>>,
    clock: Arc<dyn Clock>,
    patience: Duration,
}

impl Round {
    async fn deliver(&self, notice: &Notice) {
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                sleep(self.patience * 4_u32.pow(attempt - 1)).await;
            }
            if self.is_taken(notice).await {
                let mut tally = locked(&self.tally);
                (tally.waiting, tally.delivered) = (tally.waiting - 1, tally.delivered + 1);
                return;
            }
            locked(&self.tally).failed_attempts += 1;
        }
        tracing::warn!(event = notice.event, "the sandbox gives up a webhook: its subscriber does not take it");
        let mut tally = locked(&self.tally);
        (tally.waiting, tally.given_up) = (tally.waiting - 1, tally.given_up + 1);
    }

    /// Posts it once, signed anew.
    async fn is_taken(&self, notice: &Notice) -> bool {
        let Some(client) = self.client.get_or_init(client) else { return false };
        let signature = signature(&notice.to, &notice.body, self.clock.now());
        let request = client
            .post(&notice.to.url)
            .header("Content-Type", "application/json")
            .header("X-Konektor-Event", notice.event)
            .header("X-Konektor-Signature", signature)
            .body(notice.body.clone());
        request.send().await.is_ok_and(|answer| answer.status().is_success())
    }
}

/// What posts them; `None` when the machine has no TLS to offer.
fn client() -> Option<reqwest::Client> {
    let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(Policy::none()).user_agent(USER_AGENT);
    let made = client.build();
    made.inspect_err(|error| tracing::error!(%error, "the sandbox cannot send webhooks")).ok()
}

/// `t=<Unix seconds>,v1=<hex>`: HMAC-SHA256 over `<t>.<body>`.
fn signature(to: &Subscriber, body: &str, now: Timestamp) -> String {
    let t = now.as_second();
    let mut mac = Hmac::<Sha256>::new_from_slice(to.secret.expose_secret().as_bytes()).expect("HMAC takes any key");
    mac.update(format!("{t}.{body}").as_bytes());
    format!("t={t},v1={}", hex::encode(mac.finalize().into_bytes()))
}

fn locked(tally: &Mutex<Tally>) -> MutexGuard<'_, Tally> {
    tally.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_over_the_time_and_the_body() {
        let to = Subscriber { url: String::new(), secret: "konektor-secret-TEST".into() };
        let now = Timestamp::from_second(1_795_450_000).unwrap();
        let by_openssl = "99de4a4d7207653e85e9d39305f3e03e2666b8443d1eb2038cfcb03ced8287b7";
        assert_eq!(signature(&to, r#"{"a":1}"#, now), format!("t=1795450000,v1={by_openssl}"));
    }

    #[test]
    fn what_comes_when_too_many_wait_is_dropped_and_counted() {
        let (notices, _courier) = queue(Arc::new(crate::clock::SystemClock), Duration::ZERO);
        let to = Subscriber { url: String::new(), secret: "s".into() };
        for number in 0..QUEUE + 2 {
            notices.tell(&to, "lead.created", &number);
        }
        assert_eq!(notices.tally(), Tally { waiting: 1_000, dropped: 2, ..Tally::default() });
    }
}
