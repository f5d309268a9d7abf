//! The engine, told one thing at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use jiff::Timestamp;

use super::*;
use crate::deliver::{Die, SourceOf, Waits};
use crate::domain::event::{DeadReason, EventId, Hold, Item, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;
use crate::domain::lead::{Field, LeadId};
use crate::domain::rules::Rules;
use crate::domain::submission::{Answer as Given, Meaning, Submission};
use crate::konektor::RateLimit;
use crate::providers::{
    About, Absent, Complaint, Fetched, FormLookup, ItemBody, Lookup, LookupAnswer, Provider, Reading, Refusal,
    Reply as Response, Sample, SampleKind, Source, Unreadable, Verified, Webhook,
};
use crate::store::{
    Adopting, Claim, Claimed, Fenced, InboxRecord, Intent, LaneDetail, Learned, Lease, Named, Outcome, PermitGrant,
    PermitId, Settlement, SortCount, StoredEvent, Word, Words,
};

/// Reads whatever it is given but `garbled`; takes `test` for a test, stops in the middle of what says `panic`, has to look
/// up what says `notice` or is `of a form`, which it asks about, too, and knows when it was `said `: a hundred seconds before it came.
#[derive(Debug)]
struct Dialect;

impl Provider for Dialect {
    fn handshake(&self, _webhook: &Webhook) -> Option<Response> {
        None
    }

    fn verify(&self, _webhook: &Webhook, _now: Timestamp) -> Result<Verified, Refusal> {
        Err(Refusal::NoProof)
    }

    fn accepted(&self, _webhook: &Webhook) -> Response {
        Response::empty(200)
    }

    fn split(&self, webhook: &Verified) -> Result<Vec<Item>, Unreadable> {
        let id = EventId::of(webhook.source(), &[webhook.body()]);
        let external_ref = external_ref();
        Ok(vec![Item {
            id,
            same_within: None,
            external_ref,
            aliases: Vec::new(),
            hold: Hold::No,
            body: webhook.body().to_vec(),
        }])
    }

    fn complaints(&self, webhook: &Verified) -> Vec<(Complaint, usize)> {
        let complaint = || Complaint { about: About::Sent, code: "131047".into(), title: "Re-engagement".into() };
        webhook.body().starts_with(b"complains").then(|| (complaint(), 2)).into_iter().collect()
    }

    fn lookup(&self, item: &ItemBody<'_>) -> Option<Lookup> {
        let scope = item.body.starts_with(b"Page").then(|| String::from_utf8_lossy(item.body).into_owned());
        let ask =
            || Lookup { url: "https://sender.example".into(), query: vec![], bearer: None, headers: vec![], scope };
        (item.body.starts_with(b"Page") || matches!(item.body, b"notice" | b"of a form")).then(ask)
    }

    fn form_lookup(&self, item: &ItemBody<'_>, _fetched: &[u8]) -> Option<FormLookup> {
        let ask = || Lookup {
            url: "https://sender.example/7".into(),
            query: vec![],
            bearer: None,
            headers: vec![],
            scope: None,
        };
        (item.body == b"of a form").then(|| FormLookup { form: "7".into(), lookup: ask() })
    }

    fn with_form(&self, fetched: &[u8], told: &[u8]) -> bytes::Bytes {
        [fetched, b" of ", told].concat().into()
    }

    fn looked_up(&self, _item: &ItemBody<'_>, asked: &Lookup, answer: &LookupAnswer<'_>) -> Fetched {
        match answer.status {
            200 => Fetched::Lead(answer.body.to_vec().into()),
            206 => Fetched::LeadThenRest(answer.body.to_vec().into(), Duration::from_secs(30), "nearly".into()),
            401 => Fetched::Blocked(Duration::from_mins(5), "a new token, please".into()),
            403 => Fetched::ScopeBlocked(Duration::from_mins(5), "allow the app there, please".into()),
            404 => Fetched::RetryAfter(answer.failing_for, "as long again".into()),
            429 => Fetched::Throttled(Duration::from_mins(19), "too much".into()),
            432 => Fetched::ScopeThrottled(Duration::from_mins(19), "too much of this".into()),
            _ => Fetched::AskInstead(Box::new(asked.clone())),
        }
    }

    fn read(&self, item: &ItemBody<'_>) -> Result<Reading, Unreadable> {
        assert_ne!(item.body, b"panic", "a bug");
        let answers = vec![Given::new("name", "Siti").meaning(Meaning::FirstName)];
        let submitted_at = item.body.strip_prefix(b"said ").map(|_| item.received - Duration::from_secs(100));
        let submission = Box::new(Submission { answers, submitted_at, ..Submission::default() });
        match item.body {
            b"test" => Ok(Reading::Test(submission)),
            b"garbled" => Err(Unreadable("no word of it".into())),
            _ => Ok(Reading::Lead(submission)),
        }
    }

    fn sample(&self, _kind: SampleKind, _seed: u64, _now: Timestamp) -> Sample {
        Sample::default()
    }

    fn sign(&self, body: Vec<u8>, _now: Timestamp) -> Sample {
        Sample::new([], body)
    }
}

fn source_name() -> SourceName {
    SourceName::parse("test").unwrap()
}

fn external_ref() -> ExternalRef {
    ExternalRef::new("test:", "1")
}

/// The `running` of a moment, in milliseconds; the wall clock shows the same.
fn at(millis: u64) -> Moment {
    let running = Duration::from_millis(millis);
    Moment { now: Timestamp::from_second(1_800_000_000).unwrap() + running, running, die: Die(0.5) }
}

/// An engine, and what it wants done.
struct Bench {
    engine: Engine,
    wants: Vec<(Ticket, Deed)>,
    reports: Vec<Report>,
}

impl Bench {
    /// One that has been given a lane at 0, by a claim that took `took`.
    fn claimed(body: &'static [u8], took: u64) -> Self {
        let mut bench = Self::idle();
        let effects = bench.engine.claim_once(at(0));
        bench.take(effects);
        let claim = Told::Claim(Claim::Lane(Box::new(claimed(body))));
        bench.tell("Claim", Said::Told(Ok(claim)), at(took));
        bench
    }

    fn idle() -> Self {
        let source = Source { name: source_name(), provider: Arc::new(Dialect), rules: Rules::default() };
        let sources: SourceOf = Arc::new(move |_| Ok(source.clone()));
        let setup = Setup {
            sources,
            values: Arc::new(Vec::new),
            waits: Waits::default(),
            region: Region::INDONESIA,
            lease: Duration::from_secs(30),
        };
        Self { engine: Engine::new(setup), wants: Vec::new(), reports: Vec::new() }
    }

    fn take(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Do(ticket, deed) => self.wants.push((ticket, deed)),
                Effect::Report(report) => self.reports.push(report),
            }
        }
    }

    /// Answers the oldest deed whose name begins with `name`; gives its ticket.
    #[track_caller]
    fn tell(&mut self, name: &str, said: Said, moment: Moment) -> Ticket {
        let names = self.names();
        let at = names.iter().position(|wanted| wanted.starts_with(name));
        let (ticket, _) = self.wants.remove(at.unwrap_or_else(|| panic!("{name} is not among {names:?}")));
        let effects = self.engine.step(Input::Said(ticket, said), moment);
        self.take(effects);
        ticket
    }

    fn names(&self) -> Vec<String> {
        let name = |deed: &Deed| match deed {
            Deed::Ask(ask) => format!("{ask:?}"),
            Deed::Call(request) => request.word().to_owned(),
            deed => format!("{deed:?}"),
        };
        self.wants.iter().map(|(_, deed)| name(deed)).collect()
    }

    /// How the attempt is to be settled.
    #[track_caller]
    fn outcome(&self) -> &Outcome {
        &self.settlement().outcome
    }

    #[track_caller]
    fn settlement(&self) -> &Settlement {
        let settlement = self.wants.iter().find_map(|(_, deed)| match deed {
            Deed::Ask(Ask::Settle(_, settlement)) => Some(settlement),
            _ => None,
        });
        settlement.unwrap_or_else(|| panic!("no settlement among {:?}", self.names()))
    }

    fn returns(&self, permit: u64) -> bool {
        let returned =
            |deed: &Deed| matches!(deed, Deed::Ask(Ask::Observe(one, Observation::Unsent)) if *one == PermitId(permit));
        self.wants.iter().any(|(_, deed)| returned(deed))
    }
}

fn claimed(body: &'static [u8]) -> Claimed {
    let event = StoredEvent {
        seq: 1,
        id: EventId::of(&source_name(), &[body]),
        source: source_name(),
        received: at(0).now,
        request_id: String::new(),
        released: false,
        body: body.into(),
        fetched: None,
    };
    Claimed {
        lease: Lease { external_ref: external_ref(), fence: 1, until: at(30_000).now },
        permit: PermitId(1),
        lead_id: None,
        intent: None,
        named: None,
        adopting: None,
        search_first: false,
        lost: None,
        day_nearly_over: false,
        told: Words::default(),
        follows: None,
        negatives: 0,
        attempts: 0,
        failing_since: None,
        standing: None,
        events: vec![event],
    }
}

fn done() -> Said {
    Said::Told(Ok(Told::Fenced(Fenced::Done)))
}

fn failed() -> Said {
    Said::Told(Err(StoreError::Busy))
}

fn unclear() -> Said {
    let verdict = Verdict::Unclear("a server error");
    Said::Answered(Answer { verdict, status: Some(500), request_id: None, rate: RateLimit::default() })
}

fn looked_up(status: u16) -> Said {
    Said::LookedUp(Some(Reply { status, headers: vec![], body: b"fields".to_vec() }))
}

#[test]
fn a_create_leaves_after_its_intent_and_the_lane_is_settled_after_the_answer() {
    let mut bench = Bench::claimed(b"lead", 5);
    assert!(bench.names()[0].starts_with("Begin"), "{:?}", bench.names());
    bench.tell("Begin", done(), at(10));
    bench.tell("create", unclear(), at(200));
    assert!(matches!(bench.outcome(), Outcome::Ambiguous { .. }));
    bench.tell("Settle", done(), at(210));
    bench.tell("Observe", Said::Told(Ok(Told::Done)), at(211));
    assert!(bench.engine.is_over());
}

#[test]
fn a_lease_counts_from_when_it_was_asked_for() {
    let bench = Bench::claimed(b"lead", 19_000);
    assert!(matches!(bench.outcome(), Outcome::Release { .. }), "eleven seconds are too few for a call");
    assert!(bench.returns(1));
}

#[test]
fn a_lease_is_never_taken_for_longer_than_the_store_s() {
    let mut bench = Bench::idle();
    let effects = bench.engine.claim_once(at(0));
    bench.take(effects);
    let mut ahead = claimed(b"lead");
    ahead.lease.until = at(3_600_000).now;
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(ahead))))), at(19_000));
    assert!(matches!(bench.outcome(), Outcome::Release { .. }), "the store's clock was ahead by an hour");
}

#[test]
fn an_intent_that_took_long_to_write_is_written_again() {
    let mut bench = Bench::claimed(b"lead", 5);
    bench.tell("Begin", done(), at(6_000));
    bench.tell("Begin", done(), at(6_010));
    assert_eq!(bench.names(), ["create"]);
}

#[test]
fn the_time_left_is_looked_at_again_when_the_intent_is_written() {
    let mut bench = Bench::claimed(b"lead", 15_000);
    bench.tell("Begin", done(), at(19_000));
    assert!(matches!(bench.outcome(), Outcome::Release { .. }), "{:?}", bench.names());
}

#[test]
fn a_permit_that_lay_long_is_given_back_for_a_new_one() {
    let mut bench = Bench::idle();
    let effects = bench.engine.start(at(0));
    bench.take(effects);
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(claimed(b"notice")))))), at(5));
    for beat in 1..=3 {
        bench.tell("Wait(10s", Said::Woken, at(beat * 10_000));
        bench.tell("Heartbeat", Said::Told(Ok(Told::Lost(vec![]))), at(beat * 10_000 + 5));
    }
    bench.tell("LookUp", looked_up(200), at(31_000));
    bench.tell("Fetched", done(), at(31_005));
    assert!(bench.returns(1));
    bench.tell("Permit", Said::Told(Ok(Told::Permit(PermitGrant::Granted(PermitId(2))))), at(31_010));
    assert!(bench.names().iter().any(|name| name.starts_with("Begin")), "{:?}", bench.names());
}

#[test]
fn a_store_that_fails_before_the_call_releases_the_lane_and_the_breaker_s_try() {
    let mut bench = Bench::idle();
    for _ in 0..5 {
        bench.engine.breaker.failed(at(0).now, at(0).now, Die(0.0));
    }
    let effects = bench.engine.claim_once(at(100_000));
    bench.take(effects);
    let lane = Claimed { lease: Lease { until: at(130_000).now, ..claimed(b"lead").lease }, ..claimed(b"lead") };
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), at(100_001));
    bench.tell("Begin", failed(), at(100_002));
    assert!(bench.returns(1));
    assert!(matches!(bench.outcome(), Outcome::Release { .. }));
    bench.tell("Settle", done(), at(100_003));
    let effects = bench.engine.claim_once(at(100_004));
    bench.take(effects);
    assert!(bench.names().contains(&"Claim".to_owned()), "another call may try: {:?}", bench.names());
}

#[test]
fn failures_in_a_row_are_told_with_their_cause_and_so_is_the_answer_that_ends_them() {
    let mut bench = Bench::claimed(b"lead", 5);
    for _ in 0..4 {
        bench.engine.breaker.failed(at(0).now, at(0).now, Die(0.0));
    }
    bench.tell("Begin", done(), at(10));
    bench.tell("create", unclear(), at(200));
    let told = bench.reports.iter().find_map(|report| match report {
        Report::BreakerOpened { outage, pause } => Some((*outage, *pause)),
        _ => None,
    });
    let pause = Duration::from_millis(3750);
    let cause = Cause { call: "create", why: "a server error", status: Some(500) };
    assert_eq!(told, Some((Outage { since: at(200).now, until: at(200).now + pause, cause }, pause)));
    assert_eq!(cause.to_string(), "a server error (500)");
    assert_eq!(Cause { status: None, why: "no connection", ..cause }.to_string(), "no connection");

    let effects = bench.engine.claim_once(at(20_000));
    bench.take(effects);
    let lane = Claimed { lease: Lease { until: at(50_000).now, ..claimed(b"lead").lease }, ..claimed(b"lead") };
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), at(20_001));
    bench.tell("Begin", done(), at(20_002));
    let answer =
        Answer { verdict: Verdict::Throttled, status: Some(429), request_id: None, rate: RateLimit::default() };
    bench.tell("create", Said::Answered(answer), at(20_200));
    let ended: Vec<_> = bench.reports.iter().filter(|report| matches!(report, Report::BreakerClosed(_))).collect();
    assert!(matches!(ended[..], [Report::BreakerClosed(after)] if *after == Duration::from_secs(20)), "{ended:?}");
}

#[test]
fn a_settlement_that_fails_is_made_again_while_the_lease_lasts() {
    let mut bench = Bench::claimed(b"lead", 5);
    bench.tell("Begin", done(), at(10));
    bench.tell("create", unclear(), at(200));
    bench.tell("Settle", failed(), at(210));
    bench.tell("Wait(1s", Said::Woken, at(1_210));
    bench.tell("Settle", failed(), at(29_500));
    assert_eq!(bench.engine.attempts().count(), 0, "the lease is over, and the lane will be taken up again");
}

#[test]
fn an_observation_that_fails_is_made_again() {
    let mut bench = Bench::claimed(b"lead", 5);
    bench.tell("Begin", done(), at(10));
    bench.tell("create", unclear(), at(200));
    bench.tell("Observe", failed(), at(210));
    bench.tell("Wait(1s", Said::Woken, at(1_210));
    assert!(bench.names().iter().any(|name| name.starts_with("Observe")), "{:?}", bench.names());
}

#[test]
fn a_bug_in_a_provider_ends_its_lane_and_nothing_else() {
    let mut bench = Bench::claimed(b"panic", 5);
    assert!(matches!(bench.outcome(), Outcome::Dead { upto: 1, .. }));
    assert!(matches!(bench.reports[..], [Report::Bug]));
    assert!(bench.returns(1));
    bench.tell("Settle", done(), at(10));
}

#[test]
fn a_sender_is_asked_three_times_at_most() {
    let mut bench = Bench::claimed(b"notice", 5);
    for _ in 0..3 {
        bench.tell("LookUp", looked_up(400), at(50));
    }
    assert!(matches!(bench.outcome(), Outcome::Dead { .. }));
}

impl Bench {
    /// The fields that are to be kept of a lead.
    #[track_caller]
    fn fetched(&self) -> &[u8] {
        let fields = self.wants.iter().find_map(|(_, deed)| match deed {
            Deed::Ask(Ask::Fetched(_, _, fields)) => Some(fields),
            _ => None,
        });
        fields.unwrap_or_else(|| panic!("nothing is to be kept among {:?}", self.names()))
    }
}

#[test]
fn a_form_is_asked_about_once_a_day_and_its_words_go_with_each_lead() {
    let mut bench = Bench::claimed(b"of a form", 5);
    bench.tell("LookUp", looked_up(200), at(10));
    let form = Reply { status: 200, headers: vec![], body: b"a form".to_vec() };
    assert!(bench.names().iter().any(|name| name.contains("sender.example/7")), "{:?}", bench.names());
    bench.tell("LookUp", Said::LookedUp(Some(form)), at(20));
    assert_eq!(bench.fetched(), b"fields of a form");
    assert_eq!(bench.reports.iter().filter(|report| matches!(report, Report::LookedUp { .. })).count(), 1);
    for (millis, asked) in [(1_000, false), (86_400_021, true)] {
        let mut next = Bench::claimed(b"of a form", 5);
        std::mem::swap(&mut next.engine.questions, &mut bench.engine.questions);
        next.tell("LookUp", looked_up(200), at(millis));
        assert_eq!(next.names().iter().any(|name| name.starts_with("LookUp")), asked, "{millis}");
        assert!(asked || next.fetched() == b"fields of a form");
        std::mem::swap(&mut next.engine.questions, &mut bench.engine.questions);
    }
}

#[test]
fn a_form_that_cannot_be_had_holds_no_lead_up() {
    for reply in [None, Some(Reply { status: 403, headers: vec![], body: b"no".to_vec() })] {
        let mut bench = Bench::claimed(b"of a form", 5);
        bench.tell("LookUp", looked_up(200), at(10));
        bench.tell("LookUp", Said::LookedUp(reply), at(20));
        assert_eq!(bench.fetched(), b"fields");
        assert_eq!(bench.shuts(), 0);
    }
}

#[test]
fn a_sender_that_is_nearly_asked_too_much_is_left_alone_for_a_while_and_its_lead_goes_on() {
    let mut bench = Bench::idle();
    assert!(bench.asks(1_000));
    bench.tell("LookUp", looked_up(206), at(1_000));
    assert_eq!((bench.fetched(), bench.shuts()), (&b"fields"[..], 1));
    bench.tell("Fetched", done(), at(1_000));
    assert!(!bench.asks(30_000));
    assert!(bench.put_off(30_000).is_some());
    assert!(bench.asks(31_000), "half a minute later");
    bench.tell("LookUp", looked_up(206), at(31_000));
    assert_eq!(bench.shuts(), 1, "said once");
    assert!(!bench.reports.iter().any(|report| matches!(report, Report::SenderOpen { scope: None, .. })));
    bench.tell("Fetched", done(), at(31_000));
    assert!(bench.asks(61_000));
    bench.tell("LookUp", looked_up(200), at(61_000));
    assert!(bench.reports.iter().any(|report| matches!(report, Report::SenderOpen { scope: None, .. })));
}

impl Bench {
    /// Claims a lead that came in at 0 and has to be looked up, at `millis`; whether its sender is asked.
    fn asks(&mut self, millis: u64) -> bool {
        self.asks_for(b"notice", millis)
    }

    /// The same of a lead with this body.
    fn asks_for(&mut self, body: &'static [u8], millis: u64) -> bool {
        let moment = at(millis);
        let effects = self.engine.claim_once(moment);
        self.take(effects);
        let mut lane = claimed(body);
        lane.lease.until = at(millis + 30_000).now;
        self.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), moment);
        self.names().iter().any(|name| name.starts_with("LookUp"))
    }

    /// Settles what waits for it; gives how long the lead waits, in seconds, where it was put off without a count.
    fn put_off(&mut self, millis: u64) -> Option<i64> {
        let wait = match self.outcome() {
            Outcome::Retry { at, counted: false } => Some(at.duration_since(self::at(millis).now).as_secs()),
            _ => None,
        };
        self.tell("Settle", done(), at(millis));
        wait
    }

    fn shuts(&self) -> usize {
        self.reports.iter().filter(|report| matches!(report, Report::SenderShut { .. })).count()
    }
}

#[test]
fn a_sender_that_refuses_everybody_is_asked_by_one_lead_at_a_time_until_it_answers() {
    let mut bench = Bench::idle();
    assert!(bench.asks(1_000));
    bench.tell("LookUp", looked_up(401), at(1_000));
    assert_eq!(bench.put_off(1_000), Some(45), "half a minute, and a share of another by the die");
    for later in [2_000, 200_000, 300_000] {
        assert!(!bench.asks(later), "{later}");
        let wait = bench.put_off(later).unwrap();
        assert!((15..=330).contains(&wait), "never long after the access is mended: {wait}");
    }
    assert_eq!(bench.shuts(), 1, "said once");

    assert!(bench.asks(302_000), "one tries");
    let tries = bench.wants.iter().position(|(_, deed)| matches!(deed, Deed::LookUp(_))).unwrap();
    let tries = bench.wants.remove(tries);
    assert!(!bench.asks(303_000), "and the others wait for what it finds");
    bench.put_off(303_000);
    bench.wants.push(tries);
    bench.tell("LookUp", looked_up(401), at(304_000));
    bench.put_off(304_000);
    assert!(!bench.asks(305_000) && bench.shuts() == 1);
    bench.put_off(305_000);

    assert!(bench.asks(605_000));
    bench.tell("LookUp", looked_up(200), at(605_000));
    assert!(bench.reports.iter().any(|report| matches!(report, Report::SenderOpen { scope: None, .. })));
    assert!(bench.asks(605_001), "everybody may ask again");
}

#[test]
fn one_page_that_is_refused_or_asked_too_much_holds_up_no_other() {
    for status in [403, 432] {
        let mut bench = Bench::idle();
        assert!(bench.asks_for(b"Page 1", 1_000));
        bench.tell("LookUp", looked_up(status), at(1_000));
        bench.put_off(1_000);
        let said = |report: &Report| matches!(report, Report::SenderShut { scope: Some(page), .. } if page == "Page 1");
        assert!(bench.reports.iter().any(said), "{status}");
        assert!(!bench.asks_for(b"Page 1", 2_000), "{status}");
        bench.put_off(2_000);

        assert!(bench.asks_for(b"Page 2", 3_000), "{status}");
        bench.tell("LookUp", looked_up(200), at(3_000));
        bench.tell("Fetched", done(), at(3_000));
        assert!(!bench.asks_for(b"Page 1", 4_000), "what another page got opens nothing: {status}");
        bench.put_off(4_000);
        assert!(bench.asks_for(b"Page 1", 1_141_000), "{status}");
        bench.tell("LookUp", looked_up(200), at(1_141_000));
        let opened =
            |report: &Report| matches!(report, Report::SenderOpen { scope: Some(page), .. } if page == "Page 1");
        assert_eq!(bench.reports.iter().filter(|report| opened(report)).count(), 1, "it is named: {status}");
    }
}

#[test]
fn a_dead_token_holds_up_every_page_until_one_is_answered_about() {
    let mut bench = Bench::idle();
    assert!(bench.asks_for(b"Page 1", 1_000));
    bench.tell("LookUp", looked_up(401), at(1_000));
    bench.put_off(1_000);
    assert!(!bench.asks_for(b"Page 2", 2_000));
    bench.put_off(2_000);
    assert!(bench.asks_for(b"Page 1", 301_000), "one tries");
    bench.tell("LookUp", looked_up(403), at(301_000));
    bench.put_off(301_000);
    assert!(bench.asks_for(b"Page 2", 301_001), "the token lives: only the first page is refused");
}

#[test]
fn a_sender_that_was_asked_too_much_is_left_alone_as_long_as_it_says() {
    let mut bench = Bench::idle();
    assert!(bench.asks(1_000));
    bench.tell("LookUp", looked_up(429), at(1_000));
    assert_eq!(bench.put_off(1_000), None, "who was told so waits as long");
    assert!(!bench.asks(1_140_000));
    bench.put_off(1_140_000);
    assert!(bench.asks(1_141_000), "nineteen minutes later");
}

#[test]
fn one_who_tries_and_is_never_heard_of_again_keeps_nobody_waiting() {
    let mut bench = Bench::idle();
    assert!(bench.asks(0));
    bench.tell("LookUp", looked_up(401), at(0));
    bench.put_off(0);
    assert!(bench.asks(300_000));
    bench.tell("LookUp", Said::LookedUp(None), at(310_000));
    bench.tell("Settle", done(), at(310_000));
    assert!(!bench.asks(339_000));
    bench.put_off(339_000);
    assert!(bench.asks(340_000));
}

#[test]
fn other_settings_of_a_sender_are_asked_at_once() {
    let mut bench = Bench::idle();
    assert!(bench.asks(0));
    bench.tell("LookUp", looked_up(401), at(0));
    bench.put_off(0);
    let source = Source { name: source_name(), provider: Arc::new(Dialect), rules: Rules::default() };
    bench.engine.setup.sources = Arc::new(move |_| Ok(source.clone()));
    assert!(bench.asks(1_000));
}

#[test]
fn an_event_whose_source_lacks_its_secret_waits_and_one_whose_source_is_switched_off_dies() {
    let settled = |absent: Absent| {
        let mut bench = Bench::idle();
        bench.engine.setup.sources = Arc::new(move |_| Err(absent.clone()));
        let effects = bench.engine.claim_once(at(0));
        bench.take(effects);
        bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(claimed(b"lead")))))), at(10));
        bench.outcome().clone()
    };
    let wanting = Absent::Wanting("GOOGLE_LEADS_KEY is not set".into());
    assert_eq!(settled(wanting), Outcome::Release { at: at(300_010).now });
    for (absent, says) in
        [(Absent::Off("switched off in a:1".into()), "is off (switched off in a:1)"), (Absent::Gone, "not configured")]
    {
        let Outcome::Dead { why, upto: 1 } = settled(absent) else { panic!("{says}") };
        assert!(why.reason == DeadReason::SourceGone && why.detail.contains(says), "{}", why.detail);
    }
}

#[test]
fn that_calls_must_stop_is_said_once_however_many_are_under_way() {
    let mut bench = Bench::idle();
    let refuse = |bench: &mut Bench, millis| {
        let effects = bench.engine.claim_once(at(millis));
        bench.take(effects);
        let mut lane = claimed(b"lead");
        lane.lease.until = at(millis + 30_000).now;
        bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), at(millis));
        bench.tell("Begin", done(), at(millis));
    };
    refuse(&mut bench, 0);
    refuse(&mut bench, 1);
    let verdict =
        || Answer { verdict: Verdict::Unauthorized, status: Some(401), request_id: None, rate: RateLimit::default() };
    bench.tell("create", Said::Answered(verdict()), at(100));
    bench.tell("create", Said::Answered(verdict()), at(101));
    let paused = |bench: &Bench| bench.reports.iter().filter(|report| matches!(report, Report::Paused(_))).count();
    assert_eq!(paused(&bench), 1);
    // Claimed while the store had not heard of it.
    refuse(&mut bench, 102);
    bench.tell("create", Said::Answered(verdict()), at(103));
    assert_eq!(paused(&bench), 1);
    for _ in 0..3 {
        bench.tell("Pause", done(), at(104));
    }
    refuse(&mut bench, 60_000);
    bench.tell("create", Said::Answered(verdict()), at(60_100));
    assert_eq!(paused(&bench), 2, "a claim has shown that calls went on");
}

#[test]
fn a_sender_s_answer_is_judged_by_how_long_its_item_cannot_be_had() {
    let next = |failing_since: Option<u64>, received| {
        let mut bench = Bench::idle();
        let effects = bench.engine.claim_once(at(90_000));
        bench.take(effects);
        let mut claimed = Claimed { failing_since: failing_since.map(|since| at(since).now), ..claimed(b"notice") };
        claimed.lease.until = at(120_000).now;
        claimed.events[0].received = at(received).now;
        bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(claimed))))), at(90_000));
        bench.tell("LookUp", looked_up(404), at(90_000));
        let Outcome::Retry { at, counted: true } = bench.outcome() else { panic!("{:?}", bench.outcome()) };
        at.duration_since(self::at(90_000).now).as_secs()
    };
    assert_eq!(next(None, 0), 0, "the first failure");
    assert_eq!(next(Some(20_000), 0), 70);
    assert_eq!(next(Some(20_000), 60_000), 30, "another item of a lane that failed before");
    assert_eq!(next(Some(20_000), 95_000), 0, "from a clock that was ahead");
}

#[test]
fn a_lane_comes_to_the_lead_of_another_of_the_same_person() {
    let other = ExternalRef::new("test:", "2");
    let follows = || Claimed { follows: Some(other.clone()), ..claimed(b"lead") };
    let detail = |lead_id: Option<&str>, pending| {
        let detail = LaneDetail {
            external_ref: other.clone(),
            state: "waiting",
            due: None,
            aliases: Vec::new(),
            lead_id: lead_id.map(|id| LeadId(id.into())),
            standing: None,
            intent: None,
            adopting: None,
            told: Words::of([Field::Name], Word { seq: 7, at: None }),
            pending,
            attempts: 0,
            crashes: 0,
            log: Vec::new(),
        };
        Said::Told(Ok(Told::Lane(Some(Box::new(detail)))))
    };
    let after = |said| {
        let mut bench = Bench::given(follows());
        assert!(bench.names()[0].starts_with("Lane"), "{:?}", bench.names());
        bench.tell("Lane", said, at(10));
        bench
    };
    let bench = after(detail(Some("lead_1"), 3));
    assert_eq!(*bench.outcome(), Outcome::Done { lead_id: LeadId("lead_1".into()), upto: Intent::NOTHING });
    assert_eq!(bench.settlement().learned, Learned::default(), "what that was told is heard at the next claim");
    let waits = after(detail(None, 1));
    assert_eq!(*waits.outcome(), Outcome::Retry { at: at(5_010).now, counted: false });
    let Said::Told(Ok(Told::Lane(Some(mut itself)))) = detail(None, 1) else { panic!() };
    itself.external_ref = external_ref();
    let forgotten = after(Said::Told(Ok(Told::Lane(Some(itself)))));
    assert!(forgotten.names()[0].starts_with("Begin"), "the other is forgotten, and its name is this one's");
    for (nothing, twin) in [(detail(None, 0), Some(&other)), (Said::Told(Ok(Told::Lane(None))), None)] {
        let mut bench = after(nothing);
        bench.tell("Begin", done(), at(20));
        bench.tell("create", created(), at(200));
        assert_eq!(
            bench.settlement().learned.twin.as_ref(),
            twin,
            "nothing comes of the other, as long as it is not replayed"
        );
    }
    assert!(matches!(after(failed()).outcome(), Outcome::Release { .. }));
    let known = Bench::given(Claimed { lead_id: Some(LeadId("lead_2".into())), ..follows() });
    assert_eq!(known.names(), ["get"], "it has one of its own");
}

fn answered(verdict: Verdict) -> Said {
    Said::Answered(Answer { verdict, status: Some(200), request_id: None, rate: RateLimit::default() })
}

/// A lane of a person who has another, and an update of whose may have made the lead `lead_1` its own.
fn adopting() -> Claimed {
    let sent = Named { phone: Some("+6281200000001".into()), ..Named::default() };
    let adopting = Adopting { lead_id: LeadId("lead_1".into()), shown: Named::default(), sent };
    Claimed { adopting: Some(adopting), follows: Some(ExternalRef::new("test:", "2")), ..claimed(b"lead") }
}

#[test]
fn a_lead_is_known_as_adopted_before_it_is_written_into_and_forgotten_with_the_next_call_once_it_is_not() {
    let known = |bench: &Bench| {
        let (_, deed) = bench.wants.iter().find(|(_, deed)| matches!(deed, Deed::Ask(Ask::Permit(..)))).unwrap();
        let Deed::Ask(Ask::Permit(_, adopting)) = deed else { panic!("{deed:?}") };
        adopting.clone().map(|adopting| (adopting.lead_id, adopting.shown.first_name))
    };
    let mut bench = Bench::given(adopting());
    assert_eq!(bench.names(), ["get"], "that comes before the other lane");
    let view = serde_json::from_value(serde_json::json!({ "id": "lead_1", "firstName": "Visitor [KNK-1]" })).unwrap();
    bench.tell("get", answered(Verdict::Lead(Box::new(view))), at(10));
    assert_eq!(known(&bench), Some((LeadId("lead_1".into()), Some("Visitor [KNK-1]".into()))));
    bench.tell("Permit", Said::Told(Ok(Told::Permit(PermitGrant::Granted(PermitId(2))))), at(20));
    bench.tell("update", created(), at(100));
    assert_eq!(bench.settlement().learned.twin, adopting().follows, "which may come to its lead");

    let gone = || answered(Verdict::NotFound);
    let mut bench = Bench::given(Claimed { follows: None, ..adopting() });
    bench.tell("get", gone(), at(10));
    assert_eq!(known(&bench), None);
    let mut bench = Bench::given(adopting());
    bench.tell("get", gone(), at(10));
    // Now the other one is asked.
    bench.tell("Lane", Said::Told(Ok(Told::Lane(None))), at(20));
    assert_eq!(known(&bench), None);
}

#[test]
fn no_update_overtakes_one_that_may_still_land_whatever_the_clock_on_the_wall_says() {
    let known = || Claimed { lead_id: Some(LeadId("lead_1".into())), ..claimed(b"lead") };
    let mut bench = Bench::given(known());
    bench.tell("get", found(), at(10));
    bench.tell("Permit", Said::Told(Ok(Told::Permit(PermitGrant::Granted(PermitId(2))))), at(20));
    bench.tell("update", unclear(), at(100));
    let lands = Some(at(20).now + Waits::default().landing());
    assert_eq!(bench.settlement().learned.lands, lands, "others hear of it");
    bench.tell("Settle", done(), at(110));
    let ahead = |millis| Moment { now: at(millis).now + Duration::from_hours(1), ..at(millis) };
    let effects = bench.engine.claim_once(ahead(1_000));
    bench.take(effects);
    let lease = Lease { until: ahead(31_000).now, ..claimed(b"lead").lease };
    let lane = Claimed { lease, ..known() };
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), ahead(1_000));
    let waits = Waits::default().landing();
    assert_eq!(*bench.outcome(), Outcome::Retry { at: ahead(20).now + waits, counted: false });
}

#[test]
fn an_intent_says_what_its_create_tells_by_the_senders_clocks() {
    let mut lane = claimed(b"said 1");
    let later =
        StoredEvent { seq: 2, received: at(9_000).now, body: b"lead".to_vec().into(), ..lane.events[0].clone() };
    lane.events.push(later);
    let mut bench = Bench::given(lane);
    let (_, deed) = &bench.wants[0];
    let Deed::Ask(Ask::Begin(_, 2, telling)) = deed else { panic!("{deed:?}") };
    let told = |field, word| telling.words.are_newer(field, word);
    let first = at(0).now - Duration::from_secs(100);
    assert!(told(Field::Name, Word { seq: 1, at: Some(first) }), "the second event has its say on the name, too");
    assert!(!told(Field::Phone, Word { seq: 0, at: None }), "nobody has said anything of it");
    let telling = telling.words.clone();
    bench.tell("Begin", done(), at(10));
    bench.tell("create", created(), at(200));
    assert_eq!(bench.settlement().learned.told, telling);
}

#[test]
fn what_is_late_on_one_field_is_not_on_others() {
    let word = |second: u64| Word { seq: 9, at: Some(at(0).now - Duration::from_secs(second)) };
    let told = |field, second| Words::of([field], word(second));
    let renames = |told: Words| {
        let lane = Claimed { lead_id: Some(LeadId("lead_1".into())), told, ..claimed(b"said 1") };
        let mut bench = Bench::given(lane);
        bench.tell("get", found(), at(10));
        bench.tell("Permit", Said::Told(Ok(Told::Permit(PermitGrant::Granted(PermitId(2))))), at(20));
        let update = bench.wants.iter().find_map(|(_, deed)| match deed {
            Deed::Call(Request::Update(_, body)) => Some(body),
            _ => None,
        });
        update.unwrap_or_else(|| panic!("{:?}", bench.names())).first_name.is_some()
    };
    assert!(renames(Words::default()) && renames(told(Field::Name, 101)), "it was said 100 s before it came");
    assert!(renames(told(Field::Phone, 99)));
    assert!(!renames(told(Field::Name, 99)), "another name has been delivered since");
}

fn created() -> Said {
    let verdict = Verdict::Lead(Box::new(serde_json::from_value(serde_json::json!({ "id": "lead_1" })).unwrap()));
    Said::Answered(Answer { verdict, status: Some(201), request_id: None, rate: RateLimit::default() })
}

/// A lead of another name.
fn found() -> Said {
    let view = serde_json::json!({ "id": "lead_1", "firstName": "Ayu" });
    let verdict = Verdict::Lead(Box::new(serde_json::from_value(view).unwrap()));
    Said::Answered(Answer { verdict, status: Some(200), request_id: None, rate: RateLimit::default() })
}

impl Bench {
    /// One that has been given this lane at 0.
    fn given(lane: Claimed) -> Self {
        let mut bench = Self::idle();
        let effects = bench.engine.claim_once(at(0));
        bench.take(effects);
        bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), at(5));
        bench
    }
}

#[test]
fn whether_a_lead_is_there_comes_before_what_would_become_of_its_events() {
    let open = || Some(Intent { fence: 1, at: at(0).now, upto: 1 });
    for body in [&b"test"[..], b"garbled", b"notice"] {
        let bench = Bench::given(Claimed { intent: open(), ..claimed(body) });
        assert_eq!(bench.names(), ["search"], "{body:?}");
    }
    assert!(matches!(Bench::given(claimed(b"test")).outcome(), Outcome::Withheld(_)));
}

#[test]
fn what_cannot_be_read_takes_nothing_with_it_that_came_before() {
    let mut lane = claimed(b"lead");
    let bad = StoredEvent { seq: 2, body: b"garbled".to_vec().into(), ..lane.events[0].clone() };
    lane.events.push(bad);
    let mut bench = Bench::given(lane.clone());
    assert!(bench.names()[0].contains("Begin"), "{:?}", bench.names());
    bench.tell("Begin", done(), at(10));
    let made = serde_json::from_value(serde_json::json!({ "id": "lead_1" })).unwrap();
    let verdict = Verdict::Lead(Box::new(made));
    let answer = Answer { verdict, status: Some(201), request_id: None, rate: RateLimit::default() };
    bench.tell("create", Said::Answered(answer), at(100));
    assert!(matches!(bench.outcome(), Outcome::Done { upto: 1, .. }), "{:?}", bench.outcome());
    lane.events.remove(0);
    assert!(matches!(Bench::given(lane).outcome(), Outcome::Dead { upto: 2, .. }));
}

#[test]
fn a_search_that_finds_nothing_proves_it_when_the_quiet_period_has_passed_here() {
    let found = || Verdict::Found { leads: Vec::new(), total: Some(0), next: None };
    let nobody =
        || Said::Answered(Answer { verdict: found(), status: Some(200), request_id: None, rate: RateLimit::default() });
    let intent = Some(Intent { fence: 7, at: at(0).now - Duration::from_mins(10), upto: 1 });
    // By the wall it was long ago, but this process has only just heard of it.
    let mut bench = Bench::given(Claimed { intent, ..claimed(b"lead") });
    bench.tell("search", nobody(), at(100));
    let Outcome::Ambiguous { at: next } = bench.outcome() else { panic!("{:?}", bench.outcome()) };
    assert_eq!(*next, at(5).now + Waits::default().quiet());
    bench.tell("Settle", done(), at(110));
    let effects = bench.engine.claim_once(at(50_100));
    bench.take(effects);
    let mut lane = Claimed { intent, ..claimed(b"lead") };
    lane.lease.until = at(80_100).now;
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), at(50_100));
    bench.tell("search", nobody(), at(50_200));
    assert!(matches!(bench.outcome(), Outcome::Negative { settled: false, .. }), "{:?}", bench.outcome());
}

#[test]
fn a_key_that_may_not_write_is_probed_by_writing() {
    let mut bench = Bench::claimed(b"lead", 5);
    bench.tell("Begin", done(), at(10));
    let forbidden =
        Answer { verdict: Verdict::Forbidden, status: Some(403), request_id: None, rate: RateLimit::default() };
    bench.tell("create", Said::Answered(forbidden), at(100));
    let probe = Probe { permit: PermitId(2), why: PauseReason::Forbidden, generation: 1 };
    let effects = bench.engine.claim_once(at(30_000));
    bench.take(effects);
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Probe(probe)))), at(30_000));
    assert!(bench.wants.iter().any(|(_, deed)| matches!(deed, Deed::Call(Request::ProbeWrite))), "{:?}", bench.names());
}

#[test]
fn an_answer_that_comes_twice_is_heard_once() {
    let mut bench = Bench::claimed(b"lead", 5);
    let ticket = bench.tell("Begin", done(), at(10));
    assert!(bench.engine.step(Input::Said(ticket, done()), at(11)).is_empty());
    assert_eq!(bench.names(), ["create"]);
}

#[test]
fn told_to_stop_who_waits_for_a_permit_gives_its_lane_back() {
    let mut bench = Bench::idle();
    let effects = bench.engine.start(at(0));
    bench.take(effects);
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(claimed(b"notice")))))), at(5));
    // A permit lies too long only if the lease is kept alive meanwhile.
    for beat in 1..=3 {
        bench.tell("Wait(10s", Said::Woken, at(beat * 10_000));
        bench.tell("Heartbeat", Said::Told(Ok(Told::Lost(vec![]))), at(beat * 10_000 + 5));
    }
    bench.tell("LookUp", looked_up(200), at(31_000));
    bench.tell("Fetched", done(), at(31_005));
    bench.tell("Permit", Said::Told(Ok(Told::Permit(PermitGrant::NotBefore(at(90_000).now)))), at(31_010));
    let effects = bench.engine.step(Input::Stop, at(32_000));
    bench.take(effects);
    assert!(matches!(bench.outcome(), Outcome::Release { .. }));
    bench.tell("Settle", done(), at(32_010));
    bench.tell("Observe", Said::Told(Ok(Told::Done)), at(32_011));
    bench.tell("Unsorted", Said::Told(Ok(Told::Unsorted(vec![]))), at(32_012));
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Nothing(None)))), at(32_013));
    assert!(bench.engine.is_over(), "{:?}", bench.engine.waiting);
}

#[test]
fn a_lost_lease_is_not_called_under() {
    let mut bench = Bench::idle();
    let effects = bench.engine.start(at(0));
    bench.take(effects);
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(claimed(b"notice")))))), at(5));
    bench.tell("Wait(10s", Said::Woken, at(10_000));
    bench.tell("Heartbeat", Said::Told(Ok(Told::Lost(vec![claimed(b"notice").lease]))), at(10_005));
    bench.tell("LookUp", looked_up(200), at(10_010));
    bench.tell("Fetched", done(), at(10_015));
    assert!(matches!(bench.outcome(), Outcome::Release { .. }));
}

#[test]
fn a_create_that_is_in_doubt_is_looked_for_by_whom_it_named_whatever_the_rules_say_by_now() {
    let mut bench = Bench::claimed(b"lead", 5);
    let Deed::Ask(Ask::Begin(_, 1, telling)) = &bench.wants[0].1 else { panic!("{:?}", bench.names()) };
    assert_eq!(telling.named.first_name.as_deref(), Some("Siti"));
    let intent = Some(Intent { fence: 1, at: at(0).now, upto: 1 });
    let sought = |named: Named| {
        let mut bench = Bench::given(Claimed { intent, named: Some(named), ..claimed(b"lead") });
        let view = serde_json::json!({ "id": "lead_1", "firstName": "Siti", "phone": "+6281234567890" });
        let leads = vec![serde_json::from_value(view).unwrap()];
        let verdict = Verdict::Found { leads, total: Some(1), next: None };
        let answer = Answer { verdict, status: Some(200), request_id: None, rate: RateLimit::default() };
        bench.tell("search", Said::Answered(answer), at(100));
        bench.outcome().clone()
    };
    let named = |phone: &str| Named { phone: Some(phone.into()), ..telling.named.clone() };
    assert!(matches!(sought(named("+6281234567890")), Outcome::Done { upto: 1, .. }), "the rules take no number now");
    assert!(matches!(sought(named("+6281234567899")), Outcome::Ambiguous { .. }), "that is somebody else");
    bench.tell("Begin", done(), at(10));
}

#[test]
fn of_two_attempts_at_one_lead_the_second_waits() {
    let known = || Claimed { lead_id: Some(LeadId("lead_1".into())), ..claimed(b"lead") };
    let mut bench = Bench::given(known());
    assert_eq!(bench.names(), ["get"]);
    let effects = bench.engine.claim_once(at(100));
    bench.take(effects);
    let other = Lease { external_ref: ExternalRef::new("test:", "2"), until: at(30_000).now, fence: 1 };
    bench.tell(
        "Claim",
        Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(Claimed { lease: other, ..known() }))))),
        at(100),
    );
    assert_eq!(*bench.outcome(), Outcome::Retry { at: at(2_100).now, counted: false });
}

fn granted(permit: u64) -> Said {
    Said::Told(Ok(Told::Permit(PermitGrant::Granted(PermitId(permit)))))
}

fn not_before(millis: u64) -> Said {
    Said::Told(Ok(Told::Permit(PermitGrant::NotBefore(at(millis).now))))
}

/// A lead whose notes a person has written.
fn found_with(notes: &str) -> Said {
    let view = serde_json::json!({ "id": "lead_1", "firstName": "Ayu", "notes": notes });
    let verdict = Verdict::Lead(Box::new(serde_json::from_value(view).unwrap()));
    Said::Answered(Answer { verdict, status: Some(200), request_id: None, rate: RateLimit::default() })
}

impl Bench {
    /// Keeps the leases alive until then, in seconds.
    fn beat(&mut self, from: u64, to: u64) {
        for second in (from..=to).step_by(10) {
            self.tell("Wait(10s", Said::Woken, at(second * 1000));
            self.tell("Heartbeat", Said::Told(Ok(Told::Lost(vec![]))), at(second * 1000));
        }
    }

    /// One that runs, and has been given these lanes at 0.
    fn running(lanes: impl IntoIterator<Item = Claimed>) -> Self {
        let mut bench = Self::idle();
        let effects = bench.engine.start(at(0));
        bench.take(effects);
        for lane in lanes {
            bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane))))), at(5));
        }
        bench
    }

    /// What the update says that is about to leave.
    #[track_caller]
    fn updates(&self) -> &crate::konektor::wire::LeadBody {
        let update = self.wants.iter().find_map(|(_, deed)| match deed {
            Deed::Call(Request::Update(_, body)) => Some(body),
            _ => None,
        });
        update.unwrap_or_else(|| panic!("no update among {:?}", self.names()))
    }

    fn calls(&self) -> Vec<String> {
        let calls = self.wants.iter().filter(|(_, deed)| matches!(deed, Deed::Call(_)));
        self.names().into_iter().filter(|name| ["get", "update"].contains(&name.as_str())).take(calls.count()).collect()
    }
}

fn known() -> Claimed {
    Claimed { lead_id: Some(LeadId("lead_1".into())), ..claimed(b"lead") }
}

#[test]
fn an_update_that_had_to_wait_for_its_permit_is_made_from_what_the_lead_is_then() {
    let mut bench = Bench::running([known()]);
    bench.tell("get", found_with("called once"), at(100));
    bench.tell("Permit", not_before(60_000), at(110));
    bench.beat(10, 60);
    bench.tell("Wait(59.89s", Said::Woken, at(60_000));
    bench.tell("Permit", granted(2), at(60_010));
    assert_eq!(bench.calls(), ["get"], "it is read again, under the permit that was for the update");
    bench.tell("get", found_with("called twice"), at(60_100));
    bench.tell("Permit", granted(3), at(60_110));
    let notes = bench.updates().notes.clone().unwrap_or_default();
    assert!(notes.starts_with("called twice"), "{notes}");
    assert_eq!(bench.calls(), ["update"]);
}

#[test]
fn an_update_whose_permit_comes_soon_needs_no_second_read() {
    let mut bench = Bench::running([known()]);
    bench.tell("get", found(), at(100));
    bench.tell("Permit", not_before(9_000), at(110));
    bench.tell("Wait(8.89s", Said::Woken, at(9_000));
    bench.tell("Permit", granted(2), at(9_010));
    assert_eq!(bench.calls(), ["update"]);
}

#[test]
fn where_one_call_a_minute_is_allowed_an_update_gets_through_all_the_same() {
    let mut bench = Bench::running([known()]);
    bench.tell("get", found(), at(100));
    for minute in 1..=10 {
        let now = minute * 60_000;
        bench.tell("Permit", not_before(now), at(now - 59_000));
        bench.beat(minute * 60 - 50, minute * 60);
        bench.tell("Wait(59s", Said::Woken, at(now));
        bench.tell("Permit", granted(minute), at(now));
        if bench.calls() == ["update"] {
            assert_eq!(minute, 4, "the last read was a minute old");
            return;
        }
        bench.tell("get", found(), at(now + 100));
    }
    panic!("it reads and reads");
}

#[test]
fn of_those_whose_read_has_become_old_one_at_a_time_reads_again() {
    let lane = |number: u32| {
        let lease = Lease { external_ref: ExternalRef::new("test:", &number.to_string()), ..known().lease };
        Claimed { lease, lead_id: Some(LeadId(format!("lead_{number}"))), ..known() }
    };
    let mut bench = Bench::running([lane(1), lane(2)]);
    for _ in 0..2 {
        bench.tell("get", found(), at(100));
    }
    for _ in 0..2 {
        bench.tell("Permit", not_before(20_000), at(110));
    }
    bench.beat(10, 20);
    for _ in 0..2 {
        bench.tell("Wait(19.89s", Said::Woken, at(20_000));
    }
    let asks = |bench: &Bench| bench.names().iter().filter(|name| name.starts_with("Permit")).count();
    assert_eq!(asks(&bench), 1, "{:?}", bench.names());
    bench.tell("Permit", granted(2), at(20_010));
    bench.tell("get", found(), at(20_100));
    bench.tell("Permit", granted(3), at(20_110));
    bench.tell("update", found(), at(20_200));
    bench.tell("Settle", done(), at(20_210));
    bench.tell("Wait(1s", Said::Woken, at(21_000));
    assert_eq!(asks(&bench), 1, "it is the other's turn");
    bench.tell("Permit", granted(4), at(21_010));
    assert_eq!(bench.calls(), ["get"]);
}

#[test]
fn who_waits_for_a_permit_in_a_pause_gives_its_lane_back() {
    let mut bench = Bench::running([known()]);
    bench.tell("get", found(), at(100));
    bench.tell("Permit", not_before(9_000), at(110));
    bench.tell("Wait(8.89s", Said::Woken, at(9_000));
    bench.tell("Permit", Said::Told(Ok(Told::Permit(PermitGrant::Paused))), at(9_010));
    assert_eq!(*bench.outcome(), Outcome::Release { at: at(9_010).now });
}

#[test]
fn a_create_of_which_the_store_has_heard_meanwhile_is_not_made() {
    let mut bench = Bench::claimed(b"lead", 5);
    bench.tell("Begin", Said::Told(Ok(Told::Fenced(Fenced::Stale))), at(10));
    assert!(matches!(bench.outcome(), Outcome::Release { .. }));
}

#[test]
fn a_sender_s_api_that_hangs_holds_up_a_third_of_the_lanes_at_most() {
    let lane = |number: u32, body: &'static [u8]| {
        let lease = Lease { external_ref: ExternalRef::new("test:", &number.to_string()), ..claimed(body).lease };
        Claimed { lease, ..claimed(body) }
    };
    let mut bench = Bench::running((1..=8).map(|number| lane(number, b"notice")));
    let named = |bench: &Bench, word: &str| bench.names().iter().filter(|name| name.starts_with(word)).count();
    for number in 9..=30 {
        bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane(number, b"notice")))))), at(5));
        assert_eq!(*bench.outcome(), Outcome::Retry { at: at(3_005).now, counted: false });
        bench.tell("Settle", done(), at(10));
    }
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane(31, b"lead")))))), at(10));
    assert_eq!((named(&bench, "LookUp"), named(&bench, "Begin")), (8, 1), "{:?}", bench.names());
    bench.tell("LookUp", looked_up(200), at(3_000));
    bench.tell("Claim", Said::Told(Ok(Told::Claim(Claim::Lane(Box::new(lane(32, b"notice")))))), at(3_010));
    assert_eq!(named(&bench, "LookUp"), 8, "there is room again");
}

#[test]
fn what_a_sender_complains_of_is_told_once_its_webhook_is_sorted_by_us() {
    let records = || vec![record(1, "complains 1"), record(2, "complains 2"), record(3, "lead")];
    let after = |sorted: Result<Told, StoreError>| {
        let mut bench = Bench::idle();
        let effects = bench.engine.sort_once(at(0));
        bench.take(effects);
        bench.tell("Unsorted", Said::Told(Ok(Told::Unsorted(records()))), at(1));
        assert!(bench.reports.is_empty(), "{:?}", bench.reports);
        bench.tell("Sort", Said::Told(sorted), at(2));
        let complained = bench.reports.iter().filter_map(|report| match report {
            Report::Complained { request_id, complaints, .. } => Some((request_id.clone(), complaints.len())),
            _ => None,
        });
        complained.collect::<Vec<_>>()
    };
    let sorted = |places: &[u64]| Ok(Told::Sorted(SortCount { records: places.to_vec(), ..SortCount::default() }));
    assert_eq!(after(sorted(&[2, 3])), [("request 2".to_owned(), 1)], "another bridge has sorted the first");
    assert_eq!(after(sorted(&[1, 2, 3])).len(), 2);
    assert_eq!(after(Err(StoreError::Busy)), [], "it is sorted again");
}

fn record(place: u64, body: &str) -> InboxRecord {
    let webhook = Kept {
        source: source_name(),
        received: at(0).now,
        request_id: format!("request {place}"),
        headers: Vec::new(),
        body: body.as_bytes().to_vec().into(),
    };
    InboxRecord { place, webhook }
}

/// The records that are to be sorted now, if some are.
fn being_sorted(bench: &Bench) -> Option<Vec<u64>> {
    bench.wants.iter().find_map(|(_, deed)| match deed {
        Deed::Ask(Ask::Sort(sorted)) => Some(sorted.iter().map(|one| one.place).collect()),
        _ => None,
    })
}

#[test]
fn what_is_not_sorted_yet_waits_for_the_secret_of_its_source_and_nothing_waits_with_it() {
    let mut bench = Bench::idle();
    let sources = Arc::clone(&bench.engine.setup.sources);
    let (lacks, other) = (Arc::new(AtomicBool::new(true)), SourceName::parse("other").unwrap());
    let (now_lacks, is_other) = (Arc::clone(&lacks), other.clone());
    bench.engine.setup.sources = Arc::new(move |name| {
        let lacks = now_lacks.load(Ordering::Relaxed) && *name != is_other;
        if lacks { Err(Absent::Wanting("its secret is not set".into())) } else { sources(name) }
    });
    let of_other =
        |place| InboxRecord { webhook: Kept { source: other.clone(), ..record(place, "lead").webhook }, place };
    let unsorted = |records: &[InboxRecord]| Said::Told(Ok(Told::Unsorted(records.to_vec())));
    let sorted = |places: &[u64]| {
        let count = SortCount { records: places.to_vec(), ..SortCount::default() };
        Said::Told(Ok(Told::Sorted(count)))
    };
    let effects = bench.engine.start(at(0));
    bench.take(effects);
    bench.tell("Unsorted(0,", unsorted(&[record(1, "a"), of_other(2), record(3, "b")]), at(1_000));
    assert_eq!(being_sorted(&bench), Some(vec![2]));
    bench.tell("Sort", sorted(&[2]), at(1_010));
    bench.tell("Unsorted(3,", unsorted(&[record(4, "c")]), at(1_020));
    bench.tell("Unsorted(4,", unsorted(&[]), at(1_030));
    assert_eq!(being_sorted(&bench), None);
    bench.tell("Wait(30s, Inbox", Said::Woken, at(300_999));
    bench.tell("Unsorted(4,", unsorted(&[]), at(301_000));
    lacks.store(false, Ordering::Relaxed);
    bench.tell("Wait(30s, Inbox", Said::Woken, at(301_001));
    bench.tell("Unsorted(0,", unsorted(&[record(1, "a"), record(3, "b"), record(4, "c")]), at(301_010));
    assert_eq!(being_sorted(&bench), Some(vec![1, 3, 4]), "after five minutes all is looked at again");
}

#[test]
fn what_was_passed_over_is_looked_at_again_when_the_store_has_failed() {
    let mut bench = Bench::idle();
    let sources = Arc::clone(&bench.engine.setup.sources);
    bench.engine.setup.sources = Arc::new(move |name| match name.as_str() {
        "other" => sources(name),
        _ => Err(Absent::Wanting("its secret is not set".into())),
    });
    let webhook = Kept { source: SourceName::parse("other").unwrap(), ..record(1, "lead").webhook };
    let effects = bench.engine.start(at(0));
    bench.take(effects);
    let records = vec![InboxRecord { place: 1, webhook }, record(2, "b")];
    bench.tell("Unsorted(0,", Said::Told(Ok(Told::Unsorted(records))), at(10));
    bench.tell("Sort", failed(), at(20));
    bench.tell("Wait(1s, Nothing", Said::Woken, at(1_020));
    assert!(bench.names().iter().any(|name| name.starts_with("Unsorted(0,")), "{:?}", bench.names());
}
