//! Metrics in numbers that only grow, and gauges read from the store when somebody asks.
//!
//! Labels are names of sources and words of our own lists, so their number is bounded by the configuration.

mod labels;

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use strum::VariantArray as _;

use self::labels::{
    Because, Call, Class, Complained, Drifted, InState, Judged, Lanes, OfRule, OfSource, Reading, Refused, Reload,
    Spelled,
};
use crate::domain::event::{DeadReason, HoldCount, SourceName};

/// A gauge that may have a fraction (seconds).
type Seconds = Gauge<f64, AtomicU64>;

/// A histogram with buckets of its own, in a family.
type Timed = Family<Call, Histogram, fn() -> Histogram>;

/// Everything that is counted. Made once, passed around in an [`Arc`](std::sync::Arc).
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    accepted: Family<OfSource, Counter>,
    refused: Family<Refused, Counter>,
    sig_alt_match: Family<Spelled, Counter>,
    captchas: Family<Judged, Counter>,
    sorted: Family<OfSource, Counter>,
    duplicates: Counter,
    unreadable: Counter,
    delivered: Family<OfSource, Counter>,
    dead: Family<Because, Counter>,
    withheld: Family<Because, Counter>,
    calls: Timed,
    down: Gauge,
    doubled: Counter,
    sender_errors: Family<Complained, Counter>,
    form_drift: Family<Drifted, Counter>,
    rule_failures: Family<OfRule, Counter>,
    list_readings: Family<Reading, Counter>,
    listed: Family<OfSource, Counter>,
    created: Histogram,
    reloads: Family<Reload, Counter>,
    access_expires: Family<OfSource, Gauge>,
    store: StoreGauges,
}

/// What [`Metrics::render`] is given of the store.
#[derive(Debug, Default)]
struct StoreGauges {
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

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero.
    #[must_use]
    pub fn new() -> Self {
        // 5 ms to 41 s: from a local answer to the longest that a call is waited for.
        fn of_calls() -> Histogram {
            Histogram::new(exponential_buckets(0.005, 2.0, 14))
        }
        let mut metrics = Self {
            registry: Registry::with_prefix("konektor_bridge"),
            accepted: Family::default(),
            refused: Family::default(),
            sig_alt_match: Family::default(),
            captchas: Family::default(),
            sorted: Family::default(),
            duplicates: Counter::default(),
            unreadable: Counter::default(),
            delivered: Family::default(),
            dead: Family::default(),
            withheld: Family::default(),
            calls: Timed::new_with_constructor(of_calls),
            down: Gauge::default(),
            doubled: Counter::default(),
            sender_errors: Family::default(),
            form_drift: Family::default(),
            rule_failures: Family::default(),
            list_readings: Family::default(),
            listed: Family::default(),
            // 10 ms to 22 h, by fours: an idle bridge takes milliseconds, an outage of Konektor hours.
            created: Histogram::new(exponential_buckets(0.01, 4.0, 12)),
            reloads: Family::default(),
            access_expires: Family::default(),
            store: StoreGauges::default(),
        };
        metrics.register_counts();
        metrics.register_upstream();
        metrics.register_store();
        // From the beginning: an alert on an increase does not see a counter that is born as 1.
        for reason in DeadReason::VARIANTS {
            drop(metrics.dead.get_or_create(&Because { reason: <&str>::from(reason).into() }));
        }
        metrics
    }

    fn register_counts(&mut self) {
        let registry = &mut self.registry;
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Which version runs", build);
        registry.register("accepted", "Webhooks kept and answered with success", self.accepted.clone());
        registry.register("refused", "Webhooks not kept, by source and reason", self.refused.clone());
        let alternative = self.sig_alt_match.clone();
        registry.register("sig_alt_match", "Webhooks whose proof was over another spelling of the body", alternative);
        let captchas = self.captchas.clone();
        registry.register("captchas", "Captchas of forms, by what came of asking their service", captchas);
        registry.register("sorted", "Webhooks cut into their events", self.sorted.clone());
        registry.register("duplicates", "Events that were known already", self.duplicates.clone());
        registry.register("unreadable", "Webhooks dead on sorting, whole", self.unreadable.clone());
        registry.register("delivered", "Events that reached Konektor", self.delivered.clone());
        registry.register("dead", "Events given up, by reason", self.dead.clone());
        registry.register("withheld", "Events not forwarded by policy, by reason", self.withheld.clone());
        registry.register("config_reloads", "Reloads of the configuration, by outcome", self.reloads.clone());
    }

    fn register_upstream(&mut self) {
        let registry = &mut self.registry;
        let calls = self.calls.clone();
        registry.register_with_unit(
            "upstream_call",
            "Calls by kind and outcome, how long they took",
            Unit::Seconds,
            calls,
        );
        let help = "1 while calls wait as Konektor fails again and again, as this bridge saw it last";
        registry.register("upstream_down", help, self.down.clone());
        registry.register("doubled", "Leads that Konektor turned out to have more than once", self.doubled.clone());
        let errors = self.sender_errors.clone();
        registry.register("sender_errors", "Errors that senders tell of, by what they are about", errors);
        registry.register("form_drift", "Changes of the fields of a form", self.form_drift.clone());
        let help =
            "Leads of which a rule says nothing because its expression fails or gives what the field cannot hold";
        registry.register("rule_failures", help, self.rule_failures.clone());
        let readings = self.list_readings.clone();
        registry.register("list_readings", "Readings of a sender's own list by itself, by outcome", readings);
        let listed = self.listed.clone();
        registry.register("listed_leads", "Leads on a sender's own list, known or not, each time it is read", listed);
        let expires = self.access_expires.clone();
        let help = "When the access to a sender's API ends, in Unix time";
        registry.register_with_unit("access_expires_timestamp", help, Unit::Seconds, expires);
        let created = self.created.clone();
        registry.register_with_unit("receive_to_created", "From a webhook to its new lead", Unit::Seconds, created);
    }

    fn register_store(&mut self) {
        let (registry, store) = (&mut self.registry, &self.store);
        registry.register("inbox_webhooks", "Webhooks not yet sorted", store.inbox.clone());
        registry.register("queue_lanes", "Lanes that are not delivered, by class", store.lanes.clone());
        registry.register_with_unit("queue_oldest", "Age of the oldest", Unit::Seconds, store.oldest.clone());
        registry.register("store_events", "Events held, by state", store.events.clone());
        registry.register("leased_lanes", "Lanes being delivered", store.leased.clone());
        registry.register("dead_lanes", "Lanes whose events are dead", store.dead_lanes.clone());
        registry.register_with_unit("store_payload", "Size of the payloads held", Unit::Bytes, store.bytes.clone());
        registry.register("paused", "1 while calls to Konektor are stopped, by reason", store.paused.clone());
        registry.register("limit_per_minute", "Calls a minute that Konektor allows; 0 unknown", store.limit.clone());
        registry.register("permits_in_use", "Calls whose count at Konektor may still stand", store.permits.clone());
        registry.register_with_unit("blocked", "How long no call will be made", Unit::Seconds, store.blocked.clone());
        registry.register("day_limit", "Leads that the plan takes a day; 0 unknown", store.day_limit.clone());
        registry.register("day_used", "Leads made today; 0 unknown", store.day_used.clone());
        registry.register("day_full", "1 while no more leads are taken today", store.day_full.clone());
        registry.register("parked_lanes", "Lanes that wait for the next day", store.parked.clone());
        registry.register_with_unit(
            "searching_first",
            "How long new leads are still searched for before they are created",
            Unit::Seconds,
            store.searching_first.clone(),
        );
        registry.register("incidents", "Leads that are there more than once, not dismissed", store.incidents.clone());
    }

    /// A webhook of `source` was kept.
    pub fn accepted(&self, source: &SourceName) {
        self.accepted.get_or_create(&of(source)).inc();
    }

    /// A webhook was not kept. There is no `source` when the URL is not one of ours.
    pub fn refused(&self, source: Option<&SourceName>, reason: &'static str) {
        let source = source.map_or(Cow::Borrowed(""), |source| Cow::Owned(source.to_string()));
        self.refused.get_or_create(&Refused { source, reason: reason.into() }).inc();
    }

    /// The proof of a webhook was over another spelling of its body (`escaped`).
    pub fn sig_alt_match(&self, source: &SourceName, variant: &'static str) {
        let labels = Spelled { source: Cow::Owned(source.to_string()), variant: variant.into() };
        self.sig_alt_match.get_or_create(&labels).inc();
    }

    /// A captcha service was asked about a form, or known to have passed it (`person`, `unverified`, `later`, `refused`).
    pub fn captcha(&self, source: &SourceName, verdict: &'static str) {
        let labels = Judged { source: Cow::Owned(source.to_string()), verdict: verdict.into() };
        self.captchas.get_or_create(&labels).inc();
    }

    /// A batch of webhooks from these `sources` was sorted: some of its events were known, some are withheld, some of
    /// its webhooks are dead letters, whole, and so are events whose lane is `crowded`.
    pub fn sorted(
        &self,
        sources: &[SourceName],
        duplicates: usize,
        withheld: HoldCount,
        unreadable: usize,
        crowded: usize,
    ) {
        for source in sources {
            self.sorted.get_or_create(&of(source)).inc();
        }
        self.duplicates.inc_by(duplicates as u64);
        for (hold, count) in withheld.iter() {
            let reason: &'static str = hold.into();
            self.withheld.get_or_create(&Because { reason: reason.into() }).inc_by(count as u64);
        }
        self.unreadable.inc_by(unreadable as u64);
        for (why, count) in [(DeadReason::Unreadable, unreadable), (DeadReason::LaneFull, crowded)] {
            if count > 0 {
                let reason: &'static str = why.into();
                self.dead.get_or_create(&Because { reason: reason.into() }).inc_by(count as u64);
            }
        }
    }

    /// The fields of one of the forms of `source` have changed (`new`, `vanished`, `renamed`).
    pub fn form_drift(&self, source: &SourceName, kind: &'static str) {
        let drifted = Drifted { source: source.as_str().to_owned().into(), kind: kind.into() };
        self.form_drift.get_or_create(&drifted).inc();
    }

    /// The sender of `source` told so many `times` of an error `about` something.
    pub fn complained(&self, source: &SourceName, about: &'static str, times: usize) {
        let of = Complained { source: source.as_str().to_owned().into(), about: about.into() };
        self.sender_errors.get_or_create(&of).inc_by(times as u64);
    }

    /// The rule called `rule` of `source` says nothing of a lead, where it was to.
    pub fn rule_failed(&self, source: &SourceName, rule: &str) {
        let of = OfRule { source: source.as_str().to_owned().into(), rule: rule.to_owned().into() };
        self.rule_failures.get_or_create(&of).inc();
    }

    /// The list of the sender of `source` was read, or not (`complete`, `later`, `refused`, `store_failed`).
    pub fn list_read(&self, source: &SourceName, outcome: &'static str) {
        let reading = Reading { source: source.as_str().to_owned().into(), outcome: outcome.into() };
        self.list_readings.get_or_create(&reading).inc();
    }

    /// So many leads were on a page of the list of the sender of `source`.
    pub fn listed(&self, source: &SourceName, leads: usize) {
        self.listed.get_or_create(&of(source)).inc_by(leads as u64);
    }

    /// The access of the sources to their senders' APIs ends then.
    pub fn access_expires<'s>(&self, ends: impl Iterator<Item = (&'s SourceName, jiff::Timestamp)>) {
        self.access_expires.clear();
        for (source, at) in ends {
            self.access_expires.get_or_create(&of(source)).set(at.as_second());
        }
    }

    /// An event of `source` has reached Konektor; `created` is how long after its webhook, when it made a new lead.
    pub fn delivered(&self, source: &SourceName, created: Option<Duration>) {
        self.delivered.get_or_create(&of(source)).inc();
        if let Some(took) = created {
            self.created.observe(took.as_secs_f64());
        }
    }

    /// An event was given up.
    pub fn dead(&self, reason: &'static str) {
        self.dead.get_or_create(&Because { reason: reason.into() }).inc();
    }

    /// An event is not forwarded by policy.
    pub fn withheld(&self, reason: &'static str) {
        self.withheld.get_or_create(&Because { reason: reason.into() }).inc();
    }

    /// Konektor turned out to have a lead more than once.
    pub fn doubled(&self) {
        self.doubled.inc();
    }

    /// A call (`create`, `search` …) ended as `outcome` (`done`, `throttled` …).
    pub fn upstream_call(&self, call: &'static str, outcome: &'static str, took: Duration) {
        let labels = Call { call: call.into(), outcome: outcome.into() };
        self.calls.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// Konektor fails again and again, so that calls wait, or does so no more.
    pub fn upstream_down(&self, down: bool) {
        self.down.set(down.into());
    }

    /// The configuration was read again: `applied`, or `refused` for being wrong.
    pub fn reloaded(&self, outcome: &'static str) {
        self.reloads.get_or_create(&Reload { outcome: outcome.into() }).inc();
    }

    /// Everything in the OpenMetrics text format, with the store as it is now (`None`: it does not answer, so its last
    /// numbers are left out of date and the caller should say so otherwise).
    #[must_use]
    pub fn render(&self, store: Option<&StoreNumbers>) -> String {
        if let Some(numbers) = store {
            self.store.set(numbers);
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a string does not fail");
        text
    }
}

impl StoreGauges {
    fn set(&self, numbers: &StoreNumbers) {
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

fn of(source: &SourceName) -> OfSource {
    OfSource { source: Cow::Owned(source.to_string()) }
}

/// Gauges are signed; no count of ours comes near their end.
fn set(gauge: &Gauge, value: u64) {
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Hold;

    #[test]
    fn what_was_counted_is_rendered_under_documented_names() {
        let metrics = Metrics::new();
        let (form, meta) = (SourceName::parse("form").unwrap(), SourceName::parse("meta").unwrap());
        metrics.accepted(&form);
        metrics.accepted(&form);
        metrics.refused(Some(&meta), "wrong_proof");
        metrics.refused(None, "unknown_source");
        metrics.sig_alt_match(&meta, "escaped");
        metrics.captcha(&form, "person");
        let mut withheld = HoldCount::one(Hold::TestLead);
        withheld += HoldCount::one(Hold::TestLead);
        withheld += HoldCount::one(Hold::NoContact);
        metrics.sorted(&[form.clone(), form.clone()], 3, withheld, 1, 4);
        metrics.delivered(&form, None);
        metrics.delivered(&form, Some(Duration::from_millis(15)));
        metrics.dead("rejected");
        metrics.withheld("no_contact");
        metrics.upstream_call("create", "done", Duration::from_millis(7));
        metrics.upstream_down(true);
        metrics.doubled();
        metrics.complained(&meta, "account", 3);
        metrics.form_drift(&SourceName::parse("form").unwrap(), "renamed");
        metrics.rule_failed(&SourceName::parse("form").unwrap(), "set.phone");
        metrics.reloaded("applied");
        metrics.access_expires([(&meta, jiff::Timestamp::from_second(1_800_000_000).unwrap())].into_iter());
        let text = metrics.render(None);
        for line in [
            "konektor_bridge_build_info{version=\"0.1.0\"} 1",
            r#"konektor_bridge_accepted_total{source="form"} 2"#,
            r#"konektor_bridge_refused_total{source="meta",reason="wrong_proof"} 1"#,
            r#"konektor_bridge_refused_total{source="",reason="unknown_source"} 1"#,
            r#"konektor_bridge_sig_alt_match_total{source="meta",variant="escaped"} 1"#,
            r#"konektor_bridge_captchas_total{source="form",verdict="person"} 1"#,
            r#"konektor_bridge_sorted_total{source="form"} 2"#,
            "konektor_bridge_duplicates_total 3",
            "konektor_bridge_unreadable_total 1",
            r#"konektor_bridge_delivered_total{source="form"} 2"#,
            r#"konektor_bridge_dead_total{reason="rejected"} 1"#,
            r#"konektor_bridge_dead_total{reason="unreadable"} 1"#,
            r#"konektor_bridge_dead_total{reason="lane_full"} 4"#,
            r#"konektor_bridge_withheld_total{reason="no_contact"} 2"#,
            r#"konektor_bridge_withheld_total{reason="test_lead"} 2"#,
            r#"konektor_bridge_upstream_call_seconds_bucket{le="0.01",call="create",outcome="done"} 1"#,
            "konektor_bridge_upstream_down 1",
            "konektor_bridge_doubled_total 1",
            r#"konektor_bridge_sender_errors_total{source="meta",about="account"} 3"#,
            r#"konektor_bridge_form_drift_total{source="form",kind="renamed"} 1"#,
            r#"konektor_bridge_rule_failures_total{source="form",rule="set.phone"} 1"#,
            r#"konektor_bridge_access_expires_timestamp_seconds{source="meta"} 1800000000"#,
            "konektor_bridge_receive_to_created_seconds_count 1",
            r#"konektor_bridge_config_reloads_total{outcome="applied"} 1"#,
            "# EOF",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn what_wants_a_person_is_counted_from_zero_on() {
        let text = Metrics::new().render(None);
        for reason in DeadReason::VARIANTS {
            let line = format!("konektor_bridge_dead_total{{reason=\"{reason}\"}} 0");
            assert!(text.lines().any(|rendered| rendered == line), "{line} is not in\n{text}");
        }
    }

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
