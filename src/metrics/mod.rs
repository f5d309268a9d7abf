//! Metrics in numbers that only grow, and gauges read from the store when somebody asks.
//!
//! Labels are names of sources and words of our own lists, so their number is bounded by the configuration.

mod labels;
mod store;

use std::borrow::Cow;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};
use strum::VariantArray as _;

use self::labels::{Because, Call, Complained, Drifted, Judged, OfRule, OfSource, Reading, Refused, Reload, Spelled};
use self::store::StoreGauges;
use crate::domain::event::{DeadReason, HoldCount, SourceName};

pub use self::store::{DayNumbers, QueueNumbers, StoreNumbers};

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
        metrics.store.register(&mut metrics.registry);
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

fn of(source: &SourceName) -> OfSource {
    OfSource { source: Cow::Owned(source.to_string()) }
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
}
