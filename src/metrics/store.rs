//! The store in numbers: gauges that are set when somebody asks.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use super::labels::{Because, Class, InState, Lanes};

/// A gauge that may have a fraction (seconds).
type Seconds = Gauge<f64, AtomicU64>;

/// The day's leads in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DayNumbers {
    /// Where it stands (`unknown`, `open`, `near`, `full`).
    pub state: &'static str,
    /// Leads that the plan takes a day, once Konektor has told.
    pub limit: Option<u64>,
    /// Leads made today.
    pub used: Option<u64>,
    /// Lanes that wait for tomorrow.
    pub parked: u64,
}

/// One class of waiting lanes in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct QueueNumbers {
    /// Which (`new`, `update`, `bulk`).
    pub class: &'static str,
    /// Lanes that are ready.
    pub ready: u64,
    /// Lanes that wait for a time.
    pub waiting: u64,
    /// How long the oldest has been waiting; zero when there is none.
    pub oldest: Duration,
}

/// The store in numbers, at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoreNumbers {
    /// Webhooks not yet sorted.
    pub inbox: u64,
    /// Waiting lanes.
    pub queues: Vec<QueueNumbers>,
    /// Events by state.
    pub events: Vec<(&'static str, u64)>,
    /// Lanes under a lease.
    pub leased: u64,
    /// Dead lanes.
    pub dead_lanes: u64,
    /// Bytes of the payloads held.
    pub bytes: u64,
    /// Why calls are stopped.
    pub paused: Option<String>,
    /// Calls a minute that Konektor allows, once it has told.
    pub limit: Option<u32>,
    /// Permits in use.
    pub permits: u32,
    /// How long no call is made; zero when calls are.
    pub blocked: Duration,
    /// The day's leads.
    pub day: DayNumbers,
    /// How long new leads are searched for first; zero when they are not.
    pub searching_first: Duration,
    /// Leads that Konektor has more than once, and that nobody has dismissed.
    pub incidents: u64,
}

/// Where [`StoreNumbers`] are shown.
#[derive(Debug, Default)]
pub(super) struct StoreGauges {
    inbox: Gauge,
    lanes: Family<Lanes, Gauge>,
    oldest: Family<Class, Seconds>,
    events: Family<InState, Gauge>,
    leased: Gauge,
    dead_lanes: Gauge,
    bytes: Gauge,
    paused: Family<Because, Gauge>,
    limit: Gauge,
    permits: Gauge,
    blocked: Seconds,
    day_limit: Gauge,
    day_used: Gauge,
    day_full: Gauge,
    parked: Gauge,
    searching_first: Seconds,
    incidents: Gauge,
}

impl StoreGauges {
    /// Names all of them.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("inbox_webhooks", "Webhooks not yet sorted", self.inbox.clone());
        registry.register("queue_lanes", "Lanes that are not delivered, by class", self.lanes.clone());
        registry.register_with_unit("queue_oldest", "Age of the oldest", Unit::Seconds, self.oldest.clone());
        registry.register("store_events", "Events held, by state", self.events.clone());
        registry.register("leased_lanes", "Lanes being delivered", self.leased.clone());
        registry.register("dead_lanes", "Lanes whose events are dead", self.dead_lanes.clone());
        registry.register_with_unit("store_payload", "Size of the payloads held", Unit::Bytes, self.bytes.clone());
        registry.register("paused", "1 while calls to Konektor are stopped, by reason", self.paused.clone());
        registry.register("limit_per_minute", "Calls a minute that Konektor allows; 0 unknown", self.limit.clone());
        registry.register("permits_in_use", "Calls whose count at Konektor may still stand", self.permits.clone());
        registry.register_with_unit("blocked", "How long no call will be made", Unit::Seconds, self.blocked.clone());
        registry.register("day_limit", "Leads that the plan takes a day; 0 unknown", self.day_limit.clone());
        registry.register("day_used", "Leads made today; 0 unknown", self.day_used.clone());
        registry.register("day_full", "1 while no more leads are taken today", self.day_full.clone());
        registry.register("parked_lanes", "Lanes that wait for the next day", self.parked.clone());
        registry.register_with_unit(
            "searching_first",
            "How long new leads are still searched for before they are created",
            Unit::Seconds,
            self.searching_first.clone(),
        );
        registry.register("incidents", "Leads that are there more than once, not dismissed", self.incidents.clone());
    }

    /// Shows the store as it is now.
    pub(super) fn set(&self, numbers: &StoreNumbers) {
        let StoreNumbers { inbox, queues, events, leased, dead_lanes, bytes, paused, limit, permits, blocked, .. } =
            numbers;
        let StoreNumbers { day, searching_first, incidents, .. } = numbers;
        set(&self.inbox, *inbox);
        // What the store does not name any more must not stay at its last number.
        self.lanes.clear();
        self.oldest.clear();
        self.events.clear();
        self.paused.clear();
        for queue in queues {
            let of = |state: &'static str| Lanes { class: queue.class.into(), state: state.into() };
            set(&self.lanes.get_or_create(&of("ready")), queue.ready);
            set(&self.lanes.get_or_create(&of("waiting")), queue.waiting);
            self.oldest.get_or_create(&Class { class: queue.class.into() }).set(queue.oldest.as_secs_f64());
        }
        for (state, count) in events {
            set(&self.events.get_or_create(&InState { state: (*state).into() }), *count);
        }
        set(&self.leased, *leased);
        set(&self.dead_lanes, *dead_lanes);
        set(&self.bytes, *bytes);
        if let Some(reason) = paused {
            self.paused.get_or_create(&Because { reason: Cow::Owned(reason.clone()) }).set(1);
        }
        set(&self.limit, limit.unwrap_or_default().into());
        set(&self.permits, (*permits).into());
        self.blocked.set(blocked.as_secs_f64());
        set(&self.day_limit, day.limit.unwrap_or_default());
        set(&self.day_used, day.used.unwrap_or_default());
        set(&self.day_full, u64::from(day.state == "full"));
        set(&self.parked, day.parked);
        self.searching_first.set(searching_first.as_secs_f64());
        set(&self.incidents, *incidents);
    }
}

/// Gauges are signed; no count of ours comes near their end.
fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::super::Metrics;
    use super::*;

    #[test]
    fn the_store_is_shown_as_it_is_now() {
        let metrics = Metrics::new();
        let queue = QueueNumbers { class: "new", ready: 4, waiting: 1, oldest: Duration::from_millis(2500) };
        let numbers = StoreNumbers {
            inbox: 9,
            queues: vec![queue],
            events: vec![("pending", 5)],
            paused: Some("unauthorized".into()),
            limit: Some(600),
            ..StoreNumbers::default()
        };
        let text = metrics.render(Some(&numbers));
        for line in [
            "konektor_bridge_inbox_webhooks 9",
            "konektor_bridge_queue_lanes{class=\"new\",state=\"ready\"} 4",
            "konektor_bridge_queue_oldest_seconds{class=\"new\"} 2.5",
            "konektor_bridge_store_events{state=\"pending\"} 5",
            "konektor_bridge_paused{reason=\"unauthorized\"} 1",
            "konektor_bridge_limit_per_minute 600",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "{line} is not in\n{text}");
        }
        let later = metrics.render(Some(&StoreNumbers { paused: None, events: Vec::new(), ..numbers }));
        assert!(!later.contains("unauthorized") && !later.contains("pending"), "{later}");
    }
}
