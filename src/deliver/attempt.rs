//! One attempt: a claimed lane is read, folded, planned and called for, and settled.

use std::time::Duration;

use jiff::Timestamp;

use super::fetch::Fetch;
use super::fold::{Folded, body_of, fold};
use super::plan::{self, End, Plan, Step};
use super::{Delivery, throw};
use crate::konektor::{Answer, Request, Verdict};
use crate::providers::Lookup;
use crate::store::{
    Attempt, Claimed, Fenced, Lease, Observation, Outcome, PermitGrant, PermitId, RateHeaders, Seq, Settlement,
    StoreError, StoredEvent,
};

/// What an attempt holds while it goes on.
struct Work {
    lease: Lease,
    permit: Option<PermitId>,
    log: Vec<Attempt>,
}

impl Delivery {
    /// Works off a claimed lane, to the settlement.
    ///
    /// # Errors
    /// What the store could not do: the lease then ends by itself, and the lane is taken up again.
    pub(super) async fn attempt(&self, claimed: Claimed) -> Result<(), StoreError> {
        let mut work = Work { lease: claimed.lease.clone(), permit: Some(claimed.permit), log: Vec::new() };
        let done = self.work_off(claimed, &mut work).await;
        self.let_go(&work.lease);
        if let Some(permit) = work.permit.take() {
            self.breaker().unused();
            self.parts.store.observe(permit, Observation::Unsent, self.now()).await?;
        }
        done
    }

    async fn work_off(&self, mut claimed: Claimed, work: &mut Work) -> Result<(), StoreError> {
        let external_ref = claimed.lease.external_ref.clone();
        let lead = loop {
            let source_of = |name: &_| (self.parts.sources)(name);
            match fold(&external_ref, &claimed.events, self.parts.region, source_of) {
                Folded::Lead(lead) => break *lead,
                Folded::Ask(seq, lookup) => {
                    if let Some(outcome) = self.fetch(&mut claimed, seq, *lookup, work).await? {
                        return self.settle(&claimed, work, outcome.into()).await;
                    }
                }
                Folded::Withhold(holds) => return self.settle(&claimed, work, Outcome::Withheld(holds).into()).await,
                Folded::Unreadable(upto, why) => {
                    return self.settle(&claimed, work, Outcome::Dead { why, upto }.into()).await;
                }
            }
        };
        let (plan, first) = Plan::start(lane_of(&claimed), lead, throw(), self.now());
        self.carry_out(claimed, work, plan, first).await
    }

    /// Plan and call in turn, until the plan is finished.
    async fn carry_out(
        &self,
        claimed: Claimed,
        work: &mut Work,
        mut plan: Plan,
        first: Step,
    ) -> Result<(), StoreError> {
        let mut step = first;
        loop {
            let request = match step {
                Step::Finish(end) => return self.settle(&claimed, work, end).await,
                Step::Call(request) => request,
            };
            let Some(permit) = self.permit(work).await? else { return Ok(()) };
            if !self.has_time(&work.lease) {
                work.permit = Some(permit);
                let at = self.now();
                return self.settle(&claimed, work, Outcome::Release { at }.into()).await;
            }
            if matches!(request, Request::Create(_)) {
                let upto = last(&claimed.events);
                if self.parts.store.begin(&work.lease, upto, self.now()).await? == Fenced::Stale {
                    work.permit = Some(permit);
                    return Ok(());
                }
            }
            let asked = self.now();
            let (answer, attempt) = self.call(&request, permit).await?;
            work.log.push(attempt);
            step = plan.answered(&request, &answer, asked, self.now());
        }
    }

    /// Makes one call under `permit`, and tells the limiter, the breaker, the metrics and the log.
    pub(super) async fn call(&self, request: &Request, permit: PermitId) -> Result<(Answer, Attempt), StoreError> {
        let asked = self.now();
        let answer = self.parts.client.call(request, asked).await;
        let now = self.now();
        let took = Duration::try_from(now.duration_since(asked)).unwrap_or_default();
        self.parts.store.observe(permit, observation(&answer), now).await?;
        match answer.verdict {
            Verdict::Unsent(_) | Verdict::Unclear(_) => {
                if self.breaker().failed(now, throw()) {
                    tracing::warn!(call = request.word(), "Konektor fails again and again, calls wait");
                }
            }
            _ => self.breaker().answered(),
        }
        self.parts.metrics.upstream_call(request.word(), answer.verdict.word(), took);
        let attempt = note(request, &answer, asked, took);
        tracing::debug!(call = attempt.call, status = attempt.status, took_ms = attempt.millis, "Konektor answered");
        Ok((answer, attempt))
    }

    /// The permit of the claim, or one more. `None` when the lane is not ours any more.
    async fn permit(&self, work: &mut Work) -> Result<Option<PermitId>, StoreError> {
        if let Some(permit) = work.permit.take() {
            return Ok(Some(permit));
        }
        loop {
            let now = self.now();
            match self.parts.store.permit(&work.lease, now).await? {
                PermitGrant::Granted(permit) => return Ok(Some(permit)),
                PermitGrant::Stale => return Ok(None),
                PermitGrant::NotBefore(at) => {
                    let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                    // The heartbeat keeps the lease meanwhile.
                    tokio::time::sleep(wait.max(Duration::from_millis(1))).await;
                }
            }
        }
    }

    /// Asks the sender for an event's fields; gives the end of the attempt when there are none now.
    async fn fetch(
        &self,
        claimed: &mut Claimed,
        seq: Seq,
        lookup: Lookup,
        work: &mut Work,
    ) -> Result<Option<Outcome>, StoreError> {
        let event =
            claimed.events.iter_mut().find(|event| event.seq == seq).expect("the fold names an event it was given");
        let Some(source) = (self.parts.sources)(&event.source) else {
            return Ok(Some(Outcome::Release { at: self.now() }));
        };
        let asked = self.now();
        let item = body_of(event, &claimed.lease.external_ref);
        let fetch = self.parts.fetcher.ask(source.provider.as_ref(), &item, lookup, claimed.attempts, throw()).await;
        let now = self.now();
        let took = Duration::try_from(now.duration_since(asked)).unwrap_or_default();
        self.parts.metrics.upstream_call("fetch", fetch_word(&fetch), took);
        let (outcome, why) = match fetch {
            Fetch::Got(fields) => {
                event.fetched = Some(fields.clone());
                return Ok(match self.parts.store.fetched(&claimed.lease, seq, fields).await? {
                    Fenced::Done | Fenced::AlreadyDone => None,
                    Fenced::Stale => Some(Outcome::Release { at: now }),
                });
            }
            Fetch::Later { after, counted, why } => {
                if !counted {
                    tracing::error!(source = %event.source, why, "the sender's API refuses everybody; leads wait until it is mended");
                }
                (Outcome::Retry { at: now + after, counted }, why)
            }
            Fetch::GiveUp(why) => (Outcome::Dead { upto: seq, why: why.clone() }, why.detail),
        };
        let millis = took.as_millis().try_into().unwrap_or(u64::MAX);
        work.log.push(Attempt { at: asked, call: "fetch".into(), status: None, millis, note: why });
        Ok(Some(outcome))
    }

    async fn settle(&self, claimed: &Claimed, work: &mut Work, end: End) -> Result<(), StoreError> {
        let now = self.now();
        let settlement = Settlement { outcome: end.outcome.clone(), attempts: std::mem::take(&mut work.log) };
        let fenced = self.parts.store.settle(&work.lease, settlement, now).await?;
        if let Some(why) = end.pause {
            tracing::error!(%why, "Konektor refuses every call; webhooks are kept, calls wait until it is mended");
            self.parts.store.pause(why, now).await?;
        }
        if fenced == Fenced::Done {
            self.report(claimed, &end, now);
        }
        Ok(())
    }

    /// One line and the counters for what an attempt came to.
    fn report(&self, claimed: &Claimed, end: &End, now: Timestamp) {
        let metrics = &self.parts.metrics;
        if !end.doubles.is_empty() {
            metrics.doubled();
            let ids: Vec<_> = end.doubles.iter().map(ToString::to_string).collect();
            tracing::error!(also = ids.join(" "), "Konektor has this lead more than once; merge them there");
        }
        match &end.outcome {
            Outcome::Done { lead_id, upto } => {
                for event in claimed.events.iter().filter(|event| event.seq <= *upto) {
                    let waited = Duration::try_from(now.duration_since(event.received)).unwrap_or_default();
                    metrics.delivered(&event.source, claimed.lead_id.is_none().then_some(waited));
                    let (source, request, ms) = (&event.source, &event.request_id, waited.as_millis());
                    tracing::info!(%source, request_id = %request, lead = %lead_id, after_ms = %ms, "lead delivered");
                }
            }
            Outcome::Dead { why, upto } => {
                for event in claimed.events.iter().filter(|event| event.seq <= *upto) {
                    metrics.dead(why.reason.into());
                    let (source, request) = (&event.source, &event.request_id);
                    tracing::error!(%source, request_id = %request, reason = %why.reason, why = why.detail, "lead given up");
                }
            }
            Outcome::Withheld(holds) => holds.iter().for_each(|(_, hold)| metrics.withheld((*hold).into())),
            Outcome::Retry { .. } | Outcome::Ambiguous { .. } | Outcome::Negative { .. } | Outcome::Release { .. } => {}
        }
    }
}

fn lane_of(claimed: &Claimed) -> plan::Lane {
    plan::Lane {
        external_ref: claimed.lease.external_ref.clone(),
        lead_id: claimed.lead_id.clone(),
        intent: claimed.intent,
        negatives: claimed.negatives,
        attempts: claimed.attempts,
        failing_since: claimed.failing_since,
        upto: last(&claimed.events),
    }
}

fn last(events: &[StoredEvent]) -> Seq {
    events.last().map_or(0, |event| event.seq)
}

fn observation(answer: &Answer) -> Observation {
    match answer.verdict {
        Verdict::Unsent(_) => Observation::Unsent,
        _ => Observation::Answered(RateHeaders {
            limit: answer.rate.limit,
            remaining: answer.rate.remaining,
            reset: answer.rate.reset,
            retry_after: answer.rate.retry_after,
            throttled: answer.verdict == Verdict::Throttled,
        }),
    }
}

fn note(request: &Request, answer: &Answer, asked: Timestamp, took: Duration) -> Attempt {
    let what = match &answer.verdict {
        Verdict::Invalid(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
        Verdict::Unsent(why) | Verdict::Unclear(why) => (*why).to_owned(),
        verdict => verdict.word().to_owned(),
    };
    let id = answer.request_id.as_deref().map(|id| format!(" (Konektor request {id})")).unwrap_or_default();
    Attempt {
        at: asked,
        call: request.word().to_owned(),
        status: answer.status,
        millis: took.as_millis().try_into().unwrap_or(u64::MAX),
        note: format!("{what}{id}"),
    }
}

const fn fetch_word(fetch: &Fetch) -> &'static str {
    match fetch {
        Fetch::Got(_) => "ok",
        Fetch::Later { counted: true, .. } => "retry",
        Fetch::Later { counted: false, .. } => "blocked",
        Fetch::GiveUp(_) => "gave_up",
    }
}
