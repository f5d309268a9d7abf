//! Does what the engine wants done, and tells it what came of it.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::engine::{Change, Deed, Effect, Engine, Input, Moment, Report, Said, Ticket};
use super::{Delivery, Die};
use crate::store::{DayNote, StoreError};

/// What was seen while something was done by hand.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How many records were sorted.
    pub(super) sorted: usize,
    /// There was nothing to deliver, until then.
    pub(super) idle: Option<Option<Timestamp>>,
    failed: Option<StoreError>,
}

impl Delivery {
    /// Sorts and delivers until `stop`, then waits for what is under way. The caller bounds that wait; what it cuts off
    /// is taken up again by the next start.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut engine = self.engine.lock().await;
        if let Err(error) = self.parts.store.note_day(DayNote::Watch, self.parts.clock.now()).await {
            tracing::warn!(%error, "how many leads Konektor takes today will not be watched");
        }
        let mut under_way = FuturesUnordered::new();
        let mut told = false;
        let mut effects = engine.start(self.moment());
        loop {
            for effect in effects {
                match effect {
                    Effect::Do(ticket, deed) => under_way.push(self.perform(ticket, deed)),
                    Effect::Report(report) => self.report(report),
                }
            }
            if engine.is_over() {
                return;
            }
            // It may be cancelled at any moment, also between two looks at it: the engine is told once, whenever that was.
            let input = if told {
                under_way.next().await
            } else {
                stop.run_until_cancelled(under_way.next()).await.unwrap_or_else(|| {
                    told = true;
                    Some(Input::Stop)
                })
            };
            effects = engine.step(input.expect("somebody waits until the engine is over"), self.moment());
        }
    }

    /// Lets the engine `begin` something, and does what follows from it to the end.
    pub(super) async fn by_hand(
        &self,
        begin: impl FnOnce(&mut Engine, Moment) -> Vec<Effect>,
    ) -> Result<Seen, StoreError> {
        let mut engine = self.engine.lock().await;
        let mut under_way = FuturesUnordered::new();
        let mut seen = Seen::default();
        let mut effects = begin(&mut engine, self.moment());
        loop {
            for effect in effects {
                match effect {
                    Effect::Do(ticket, deed) => under_way.push(self.perform(ticket, deed)),
                    Effect::Report(report) => {
                        if let Some(report) = seen.look(report) {
                            self.report(report);
                        }
                    }
                }
            }
            let Some(input) = under_way.next().await else { break };
            effects = engine.step(input, self.moment());
        }
        seen.failed.take().map_or(Ok(seen), Err)
    }

    async fn perform(&self, ticket: Ticket, deed: Deed) -> Input {
        let Delivery { parts, worker, .. } = self;
        Input::Said(
            ticket,
            match deed {
                Deed::Ask(ask) => Said::Told(ask.put(parts.store.as_ref(), worker, parts.clock.now()).await),
                Deed::Call(request) => Said::Answered(parts.client.call(&request, parts.clock.now()).await),
                Deed::LookUp(lookup) => Said::LookedUp(parts.fetcher.ask(&lookup).await),
                Deed::Wait(span, change) => {
                    let _either = tokio::time::timeout(span, self.change(change)).await;
                    Said::Woken
                }
            },
        )
    }

    async fn change(&self, change: Change) {
        match change {
            Change::Nothing => std::future::pending().await,
            Change::Inbox => self.parts.store.inbox_changed().await,
            Change::Lanes => self.parts.store.lanes_changed().await,
        }
    }

    fn moment(&self) -> Moment {
        Moment {
            now: self.parts.clock.now(),
            running: self.parts.clock.instant().saturating_duration_since(self.started),
            die: Die(rand::random()),
        }
    }
}

impl Seen {
    /// Keeps what the caller asked for; gives back what is for the log.
    fn look(&mut self, report: Report) -> Option<Report> {
        match report {
            Report::Idle(until) => self.idle = Some(until),
            Report::StoreFailed(_, error) if self.failed.is_none() => self.failed = Some(error),
            report => {
                if let Report::Sorted { sources, .. } = &report {
                    self.sorted = sources.len();
                }
                return Some(report);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::super::{Fetcher, Parts, Waits};
    use super::*;
    use crate::clock::Clock;
    use crate::domain::region::Region;
    use crate::konektor::Client;
    use crate::metrics::Metrics;
    use crate::outbound::Outbound;
    use crate::providers::Absent;
    use crate::store::{MemoryStore, Options};

    /// Asks the process to stop when the time is asked for the last of so many times.
    #[derive(Debug)]
    struct Stopping {
        looks: AtomicU32,
        stop: CancellationToken,
    }

    impl Clock for Stopping {
        fn now(&self) -> Timestamp {
            if self.looks.fetch_sub(1, Ordering::SeqCst) == 1 {
                self.stop.cancel();
            }
            "2026-11-23T09:00:00Z".parse().unwrap()
        }
    }

    fn delivery(clock: Stopping) -> Delivery {
        let nowhere = "http://127.0.0.1:9".parse().unwrap();
        Delivery::new(Parts {
            store: Arc::new(MemoryStore::new(Options::default())),
            client: Client::new(&nowhere, Arc::new(secrecy::SecretString::default)).unwrap(),
            fetcher: Fetcher::new(Outbound::default()),
            sources: Arc::new(|_| Err(Absent::Gone)),
            values: Arc::new(Vec::new),
            waits: Waits::default(),
            clock: Arc::new(clock),
            metrics: Arc::new(Metrics::new()),
            region: Region::INDONESIA,
        })
    }

    #[tokio::test]
    async fn it_stops_whenever_it_is_asked_to_and_not_only_while_it_waits() {
        for looks in 1..=4 {
            let stop = CancellationToken::new();
            let delivery = Arc::new(delivery(Stopping { looks: AtomicU32::new(looks), stop: stop.clone() }));
            let over = tokio::time::timeout(Duration::from_secs(10), delivery.run(stop.clone())).await;
            assert!(stop.is_cancelled(), "the time is asked for {looks} times");
            assert!(over.is_ok(), "asked to stop at look {looks}, it never did");
        }
    }
}
