//! What the engine reports, into the log and the metrics. No personal data is in it.

use std::time::Duration;

use jiff::Timestamp;

use super::engine::{Flaw, LookupEnd, Report, Stopped};
use super::{Delivery, End};
use crate::domain::event::{DeadReason, Hold, SourceName};
use crate::domain::form::Drift;
use crate::domain::lead::LeadId;
use crate::konektor::{Cause, Outage};
use crate::providers::{About, Complaint};
use crate::store::{Claimed, DayState, Outcome, PauseReason, Undelivered};

/// What is said of a lead that Konektor refused.
const REJECTED: &str = "Konektor refused it; `konektor-bridge dead-letters show` says which field and why";

impl Delivery {
    /// Writes one report down.
    pub(super) fn report(&self, report: Report) {
        let metrics = &self.parts.metrics;
        match report {
            Report::Sorted { sources, count, stopped } => {
                stopped.iter().for_each(say_stopped);
                metrics.sorted(&sources, count.duplicates, count.withheld, count.unreadable, count.crowded);
                if count.incidents > 0 {
                    let incidents = count.incidents;
                    tracing::warn!(incidents, "a person is more than one lead in Konektor; see `incidents list`");
                }
            }
            Report::Complained { source, request_id, complaints } => {
                complaints.into_iter().for_each(|(complaint, times)| {
                    metrics.complained(&source, complaint.about.into(), times);
                    say_complaint(&source, &request_id, &complaint, times);
                });
            }
            Report::Idle(_) | Report::Expired(0) => {}
            Report::Drift { source, changes } => {
                changes.iter().for_each(|change| metrics.form_drift(&source, change.kind.into()));
                let of = |kind| changes.iter().filter(|change| change.kind == kind).count();
                let (new, vanished, renamed) = (of(Drift::New), of(Drift::Vanished), of(Drift::Renamed));
                // Not which: the names are whatever a visitor's browser has sent.
                tracing::warn!(%source, new, vanished, renamed, "the fields of a form have changed; see `konektor-bridge sources` and whether its mapping still fits");
            }
            Report::RulesFailed { request_id, flaws } => {
                flaws.iter().for_each(|flaw| self.rule_failed(&request_id, flaw));
            }
            Report::Expired(count) => tracing::debug!(count, "receipts past their retention forgotten"),
            Report::Called { call, webhook, verdict, status, took, upstream_id } => {
                metrics.upstream_call(call, verdict.word(), took);
                let (source, request_id) = webhook.unzip();
                let (source, took_ms) = (source.as_ref().map(SourceName::as_str), milliseconds(took));
                tracing::debug!(source, request_id, call, status, took_ms, upstream_id, "Konektor was called");
            }
            Report::BreakerOpened { outage, pause } => self.down(outage, pause),
            Report::BreakerClosed(after) => self.up(after),
            Report::LookedUp { source: _, end, took } => {
                metrics.upstream_call("fetch", end.word(), took);
            }
            Report::SenderShut { source, scope, refused, why } => shut(&source, scope.as_deref(), refused, &why),
            Report::SenderOpen { source, scope: None } => tracing::info!(%source, "the sender's API answers again"),
            Report::SenderOpen { source, scope: Some(about) } => {
                tracing::info!(%source, about, "the sender's API answers again what is about this");
            }
            Report::Settled { claimed, end, at } => self.settled(&claimed, &end, at),
            Report::Doubled { kept, doubles } => self.doubled(&kept, &doubles),
            Report::Day { was, is } => day(was, is),
            Report::DayUntold => {
                tracing::info!("how many leads were made today is not known: the key has no agent.workspace.read");
            }
            Report::Paused(PauseReason::Operator) => tracing::info!("calls wait until a person lets them go on"),
            Report::Paused(why) => {
                let to_do = why.to_do();
                tracing::error!(%why, to_do, "Konektor refuses every call; webhooks are kept, calls wait until it is mended");
            }
            Report::Resumed(was) => tracing::info!(%was, "Konektor accepts the key again, calls go on"),
            Report::StoreFailed(what, error) => {
                tracing::warn!(what, %error, "the store did not do its part, trying again");
            }
            Report::Bug => tracing::error!("the code stopped in the middle of a lane; this is a bug, please report it"),
        }
    }

    /// Once for each pause, which are minutes apart before long.
    fn down(&self, outage: Outage, pause: Duration) {
        let Outage { since, until, cause: Cause { call, why, status } } = outage;
        self.parts.metrics.upstream_down(true);
        self.outage.send_replace(Some(outage));
        let pause_ms = milliseconds(pause);
        tracing::warn!(call, why, status, %since, pause_ms, %until, "Konektor fails again and again, calls wait; webhooks are kept");
    }

    fn up(&self, after: Duration) {
        self.parts.metrics.upstream_down(false);
        self.outage.send_replace(None);
        tracing::info!(after_s = after.as_secs(), "Konektor answers again, calls go on");
    }

    fn rule_failed(&self, request_id: &str, flaw: &Flaw) {
        let Flaw { source, rule, why, form: _ } = flaw;
        self.parts.metrics.rule_failed(source, rule);
        if self.said.is_new(flaw, self.parts.clock.now()) {
            tracing::warn!(%source, request_id, rule, why, "a rule says nothing of a lead, which goes on without it, and for others of this form it may be the same; see `konektor-bridge explain`");
        } else {
            tracing::debug!(%source, request_id, rule, why, "a rule says nothing of a lead");
        }
    }

    fn doubled(&self, kept: &LeadId, doubles: &[LeadId]) {
        self.parts.metrics.doubled();
        let ids: Vec<_> = doubles.iter().map(ToString::to_string).collect();
        tracing::error!(lead = %kept, also = ids.join(" "), "Konektor has this lead more than once; merge them there");
    }

    /// One line and the counters for what an attempt came to.
    fn settled(&self, claimed: &Claimed, end: &End, at: Timestamp) {
        let metrics = &self.parts.metrics;
        if let Outcome::Done { lead_id, .. } = &end.outcome
            && !end.doubles.is_empty()
        {
            self.doubled(lead_id, &end.doubles);
        }
        match &end.outcome {
            Outcome::Done { lead_id, upto } => {
                for event in claimed.events.iter().filter(|event| event.seq <= *upto) {
                    let waited = Duration::try_from(at.duration_since(event.received)).unwrap_or_default();
                    metrics.delivered(&event.source, claimed.lead_id.is_none().then_some(waited));
                    let (source, request) = (&event.source, &event.request_id);
                    let after_ms = milliseconds(waited);
                    tracing::info!(%source, request_id = %request, lead = %lead_id, after_ms, "lead delivered");
                }
            }
            Outcome::Dead { why, upto } => {
                for event in claimed.events.iter().filter(|event| event.seq <= *upto) {
                    metrics.dead(why.reason.into());
                    let (source, request) = (&event.source, &event.request_id);
                    // What Konektor says of a value may hold the value.
                    let detail = if why.reason == DeadReason::Rejected { REJECTED } else { &why.detail };
                    tracing::error!(%source, request_id = %request, reason = %why.reason, why = detail, "lead given up");
                }
            }
            Outcome::Withheld(holds) => {
                for (seq, hold) in holds {
                    metrics.withheld((*hold).into());
                    let Some(event) = claimed.events.iter().find(|event| event.seq == *seq) else { continue };
                    let (source, request, why) = (&event.source, &event.request_id, <&str>::from(*hold));
                    tracing::info!(%source, request_id = %request, why, "withheld; see `konektor-bridge withheld list`");
                }
                if holds.iter().any(|(_, hold)| *hold == Hold::DeletedAtSender) {
                    let lead = claimed.lead_id.as_ref().map(ToString::to_string);
                    tracing::warn!(
                        lead,
                        "a person's data was deleted at its sender; see `konektor-bridge withheld list`"
                    );
                }
            }
            Outcome::Retry { at, counted: true } => {
                let Some((source, request_id, events)) = oldest(claimed) else { return };
                let failures = claimed.attempts + 1;
                tracing::info!(%source, request_id, events, failures, next = %at, "lead not delivered yet, tried again");
            }
            Outcome::Ambiguous { at } => {
                let Some((source, request_id, events)) = oldest(claimed) else { return };
                tracing::info!(%source, request_id, events, next = %at, "not known whether Konektor has the lead, searched for");
            }
            Outcome::Retry { at, counted: false } | Outcome::Negative { at, .. } | Outcome::Release { at } => {
                let Some((source, request_id, events)) = oldest(claimed) else { return };
                tracing::debug!(%source, request_id, events, next = %at, "lead waits");
            }
        }
    }
}

/// Source and request id of the oldest event of those in hand, and how many they are: there may be hundreds.
fn oldest(claimed: &Claimed) -> Option<(&SourceName, &str, usize)> {
    claimed.events.first().map(|event| (&event.source, event.request_id.as_str(), claimed.events.len()))
}

/// For a log line.
fn milliseconds(span: Duration) -> u64 {
    span.as_millis().try_into().unwrap_or(u64::MAX)
}

/// One line for a webhook of which not everything goes on.
fn say_stopped(Stopped { source, request_id, why }: &Stopped) {
    match why {
        Ok((why, leads)) => {
            tracing::info!(%source, request_id, leads, %why, "withheld; see `konektor-bridge withheld list`")
        }
        Err(Undelivered { reason, detail }) => {
            tracing::error!(%source, request_id, %reason, why = detail, "a webhook is a dead letter, whole");
        }
    }
}

/// One line for an error of a sender's own. Louder where it is about more than one message, and hardly heard where it is about what
/// the business itself has sent, which may be thousands at once; the metric counts all of them.
fn say_complaint(source: &SourceName, request_id: &str, complaint: &Complaint, times: usize) {
    let Complaint { about, code, title } = complaint;
    match about {
        About::Account => {
            tracing::warn!(%source, request_id, code, title, times, "the sender tells of an error of the account")
        }
        About::Received => {
            tracing::info!(%source, request_id, code, title, times, "the sender could not pass on all of a message");
        }
        About::Sent => {
            tracing::debug!(%source, request_id, code, title, times, "a message to a person did not arrive, as the sender tells");
        }
    }
}

/// Says whom a sender's API holds up.
fn shut(source: &SourceName, scope: Option<&str>, refused: bool, why: &str) {
    match (refused, scope) {
        (true, None) => {
            tracing::error!(%source, why, "the sender's API refuses every question of this source; leads wait until it is mended");
        }
        (true, Some(about)) => {
            tracing::error!(%source, about, why, "the sender's API refuses what is about this; its leads wait until it is mended, others go on");
        }
        (false, None) => tracing::warn!(%source, why, "the sender's API is not asked for a while; leads wait"),
        (false, Some(about)) => {
            tracing::warn!(%source, about, why, "the sender's API is not asked about this for a while; its leads wait, others go on");
        }
    }
}

/// One line when the day's leads begin or cease to hold others up.
fn day(was: DayState, is: DayState) {
    match (was, is) {
        (_, DayState::Full) => {
            tracing::warn!(
                "Konektor takes no more leads today; new ones wait for the workspace's midnight, updates go on"
            );
        }
        (_, DayState::Near) => tracing::warn!("the day's leads are nearly used up; sources of less value wait first"),
        (DayState::Near | DayState::Full, DayState::Open) => {
            tracing::info!("there is room for leads again, those that waited go on");
        }
        (DayState::Unknown | DayState::Open, DayState::Open) | (_, DayState::Unknown) => {}
    }
}

impl LookupEnd {
    /// The word for metrics.
    const fn word(&self) -> &'static str {
        match self {
            Self::Got => "ok",
            Self::Later => "retry",
            Self::Blocked => "blocked",
            Self::GaveUp => "gave_up",
        }
    }
}
