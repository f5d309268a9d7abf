//! The plan, step by step, against answers that Konektor gives and some that it does not promise.

use std::time::Duration;

use super::*;
use crate::domain::lead::Fields;
use crate::domain::notes::Notes;
use crate::konektor::RateLimit;

const DIE: Die = Die(0.5);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_450_000 + seconds).unwrap()
}

fn id(text: &str) -> LeadId {
    LeadId(text.into())
}

fn reference() -> ExternalRef {
    ExternalRef::from_stored("meta:leadgen:987654321098765".into())
}

fn lane() -> Lane {
    Lane {
        external_ref: reference(),
        lead_id: None,
        intent: None,
        negatives: 0,
        attempts: 0,
        failing_since: None,
        upto: 7,
    }
}

fn open_lane(sent: i64) -> Lane {
    Lane { intent: Some(Intent { fence: 1, at: at(sent), upto: 5 }), ..lane() }
}

fn known_lane() -> Lane {
    Lane { lead_id: Some(id("lead_1")), ..lane() }
}

fn lead() -> Lead {
    let stated = Fields {
        first_name: Some("Siti".into()),
        email: Some("siti@example.com".into()),
        phone: Some("+6281234567890".into()),
        ..Fields::default()
    };
    Lead { external_ref: reference(), stated, guessed: Fields::default(), notes: Notes::default() }
}

fn answer(verdict: Verdict) -> Answer {
    Answer { verdict, status: None, request_id: None, rate: RateLimit::default() }
}

fn view(fields: serde_json::Value) -> LeadView {
    let mut view = serde_json::json!({ "id": "lead_1" });
    view.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(view).unwrap()
}

fn made() -> Verdict {
    Verdict::Lead(Box::new(view(serde_json::json!({}))))
}

fn found(leads: Vec<LeadView>) -> Verdict {
    Verdict::Found { leads, complete: true }
}

fn invalid(field: &str) -> Verdict {
    Verdict::Invalid(vec![FieldError { field: field.into(), message: "Invalid".into() }])
}

/// Plays `verdicts` against a plan from second 100 on, a second each; gives the requests made and how it ended.
fn play(lane: Lane, verdicts: Vec<Verdict>) -> (Vec<Request>, Option<End>) {
    let (mut plan, mut step) = Plan::start(lane, lead(), DIE, at(100));
    let mut requests = Vec::new();
    let mut verdicts = verdicts.into_iter();
    for second in 100.. {
        match step {
            Step::Finish(end) => return (requests, Some(end)),
            Step::Call(request) => {
                requests.push(request.clone());
                let Some(verdict) = verdicts.next() else { return (requests, None) };
                step = plan.answered(&request, &answer(verdict), at(second), at(second + 1));
            }
        }
    }
    unreachable!()
}

fn words(requests: &[Request]) -> Vec<&'static str> {
    requests.iter().map(Request::word).collect()
}

fn outcome(lane: Lane, verdicts: Vec<Verdict>) -> Outcome {
    play(lane, verdicts).1.expect("it ends").outcome
}

fn dead_reason(outcome: &Outcome) -> Option<DeadReason> {
    match outcome {
        Outcome::Dead { why, .. } => Some(why.reason),
        _ => None,
    }
}

#[test]
fn a_new_lead_is_one_call() {
    let (requests, end) = play(lane(), vec![made()]);
    assert_eq!(words(&requests), ["create"]);
    assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 7 });
}

#[test]
fn a_create_carries_its_reference_and_no_status() {
    let Some(Request::Create(body)) = play(lane(), vec![]).0.pop() else { panic!("a create") };
    assert_eq!((body.external_ref, body.status), (Some(reference().to_string()), None));
}

#[test]
fn an_open_intent_is_searched_for_and_never_posted_over() {
    for verdict in [
        found(vec![]),
        Verdict::Unclear("x"),
        Verdict::Unsent("x"),
        Verdict::Throttled,
        Verdict::Unauthorized,
        Verdict::Forbidden,
        Verdict::NotFound,
        invalid("search"),
    ] {
        for sent in [0, 50, 99] {
            let (requests, end) = play(open_lane(sent), vec![verdict.clone()]);
            assert_eq!(words(&requests), ["search"], "{verdict:?} after {sent}");
            let outcome = end.unwrap().outcome;
            assert!(
                matches!(outcome, Outcome::Ambiguous { .. } | Outcome::Negative { .. }),
                "{verdict:?}: {outcome:?}"
            );
        }
    }
}

#[test]
fn everything_that_does_not_prove_a_create_undone_is_ambiguous() {
    for verdict in [Verdict::Unclear("no answer in time"), found(vec![]), Verdict::Allowed] {
        assert!(matches!(outcome(lane(), vec![verdict]), Outcome::Ambiguous { .. }));
    }
}

#[test]
fn a_create_that_never_left_is_tried_again_without_a_search() {
    assert!(matches!(outcome(lane(), vec![Verdict::Unsent("no connection")]), Outcome::Retry { counted: true, .. }));
}

#[test]
fn a_found_lead_is_adopted_with_the_events_that_were_in_the_create() {
    let same = view(serde_json::json!({ "phone": "+6281234567890" }));
    assert_eq!(outcome(open_lane(99), vec![found(vec![same])]), Outcome::Done { lead_id: id("lead_1"), upto: 5 });
}

#[test]
fn of_several_the_oldest_is_adopted_and_the_others_are_reported() {
    let mut second = view(serde_json::json!({ "phone": "+6281234567890" }));
    second.id = id("lead_2");
    let first = view(serde_json::json!({ "phone": "+6281234567890" }));
    let end = play(open_lane(99), vec![found(vec![first, second])]).1.unwrap();
    assert_eq!(end.doubles, [id("lead_2")]);
    assert_eq!(end.outcome, Outcome::Done { lead_id: id("lead_1"), upto: 5 });
}

#[test]
fn a_negative_counts_only_when_it_was_asked_after_the_quiet_period() {
    let quiet = i64::try_from(retry::T_QUIET.as_secs()).unwrap();
    assert!(matches!(outcome(open_lane(101 - quiet), vec![found(vec![])]), Outcome::Ambiguous { .. }));
    assert!(matches!(outcome(open_lane(100 - quiet), vec![found(vec![])]), Outcome::Negative { settled: false, .. }));
}

#[test]
fn the_second_negative_settles_the_doubt() {
    let lane = Lane { negatives: 1, ..open_lane(0) };
    assert_eq!(outcome(lane, vec![found(vec![])]), Outcome::Negative { at: at(101), settled: true });
}

#[test]
fn a_search_that_was_not_read_to_its_end_proves_nothing() {
    let lane = Lane { negatives: 1, ..open_lane(0) };
    let part = Verdict::Found { leads: vec![], complete: false };
    assert_eq!(dead_reason(&outcome(lane, vec![part])), Some(DeadReason::Unresolved));
}

#[test]
fn a_doubt_of_a_day_becomes_a_dead_letter() {
    let lane = open_lane(-86_400);
    assert_eq!(dead_reason(&outcome(lane, vec![Verdict::Unclear("x")])), Some(DeadReason::Unresolved));
}

#[test]
fn a_refused_optional_field_is_given_up_once() {
    let (requests, end) = play(lane(), vec![invalid("email"), made()]);
    assert_eq!(words(&requests), ["create", "create"]);
    let Request::Create(second) = &requests[1] else { panic!("a create") };
    assert_eq!(second.email, None);
    assert!(second.notes.as_deref().unwrap().contains("siti@example.com"), "its value is in the notes");
    assert!(matches!(end.unwrap().outcome, Outcome::Done { .. }));
    let twice = outcome(lane(), vec![invalid("email"), invalid("phone")]);
    assert_eq!(dead_reason(&twice), Some(DeadReason::Rejected));
}

#[test]
fn a_refused_name_is_a_dead_letter_that_says_so() {
    let Outcome::Dead { why, upto: 7 } = outcome(lane(), vec![invalid("firstName")]) else { panic!("dead") };
    assert!(why.detail.contains("firstName: Invalid"), "{}", why.detail);
}

#[test]
fn a_bad_key_pauses_the_workspace_and_costs_the_lead_nothing() {
    let end = play(lane(), vec![Verdict::Unauthorized]).1.unwrap();
    assert_eq!(end.pause, Some(PauseReason::Unauthorized));
    assert_eq!(end.outcome, Outcome::Retry { at: at(101), counted: false });
}

#[test]
fn a_lead_that_alone_is_forbidden_dies_at_the_third_time() {
    let end = play(lane(), vec![Verdict::Forbidden]).1.unwrap();
    assert_eq!(end.pause, Some(PauseReason::Forbidden));
    let third = play(Lane { attempts: 2, ..lane() }, vec![Verdict::Forbidden]).1.unwrap();
    assert_eq!((third.pause, dead_reason(&third.outcome)), (None, Some(DeadReason::Forbidden)));
}

#[test]
fn a_429_is_no_attempt_and_waits_as_long_as_it_says() {
    let (mut plan, Step::Call(request)) = Plan::start(lane(), lead(), DIE, at(0)) else { panic!("a call") };
    let rate = RateLimit { retry_after: Some(Duration::from_secs(17)), ..RateLimit::default() };
    let answer = Answer { verdict: Verdict::Throttled, status: Some(429), request_id: None, rate };
    let Step::Finish(end) = plan.answered(&request, &answer, at(0), at(1)) else { panic!("it ends") };
    assert_eq!(end.outcome, Outcome::Retry { at: at(18), counted: false });
}

#[test]
fn a_daily_limit_parks_the_lead_without_pausing_searches() {
    let end = play(lane(), vec![Verdict::Quota]).1.unwrap();
    assert_eq!((end.pause, end.outcome), (None, Outcome::Retry { at: at(101 + 900), counted: false }));
}

#[test]
fn a_conflict_adopts_the_lead_and_then_writes_it() {
    let same = view(serde_json::json!({ "externalRef": "meta:leadgen:987654321098765" }));
    let (requests, end) = play(lane(), vec![Verdict::Conflict, found(vec![same])]);
    assert_eq!(words(&requests), ["create", "search"]);
    assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 0 });
}

#[test]
fn an_update_changes_only_what_differs() {
    let current =
        view(serde_json::json!({ "firstName": "Siti", "email": "old@example.com", "phone": "+6281234567890" }));
    let (requests, _) = play(known_lane(), vec![Verdict::Lead(Box::new(current))]);
    assert_eq!(words(&requests), ["get", "update"]);
    let Request::Update(_, body) = &requests[1] else { panic!("an update") };
    assert_eq!(**body, LeadBody { email: Some("siti@example.com".into()), ..LeadBody::default() });
}

#[test]
fn an_update_that_changes_nothing_is_not_sent() {
    let current =
        view(serde_json::json!({ "firstName": "Siti", "email": "siti@example.com", "phone": "+6281234567890" }));
    let (requests, end) = play(known_lane(), vec![Verdict::Lead(Box::new(current))]);
    assert_eq!(words(&requests), ["get"]);
    assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 7 });
}

#[test]
fn a_deleted_lead_is_searched_for_and_never_made_again() {
    let (requests, end) = play(known_lane(), vec![Verdict::NotFound, found(vec![])]);
    assert_eq!(words(&requests), ["get", "search"]);
    assert_eq!(dead_reason(&end.unwrap().outcome), Some(DeadReason::LeadGone));
}

#[test]
fn an_update_without_an_answer_waits_until_it_cannot_land_any_more() {
    let current = view(serde_json::json!({ "firstName": "S" }));
    let sent = at(101);
    let outcome = outcome(known_lane(), vec![Verdict::Lead(Box::new(current)), Verdict::Unclear("no answer in time")]);
    assert_eq!(outcome, Outcome::Retry { at: sent + retry::T_COMMIT, counted: true });
}

#[test]
fn an_update_is_given_up_after_a_day_and_a_create_after_three() {
    let since = |hours: i64| Some(at(100) - Duration::from_hours(u64::try_from(hours).unwrap()));
    let update = Lane { failing_since: since(24), ..known_lane() };
    assert_eq!(dead_reason(&outcome(update, vec![Verdict::Unclear("x")])), Some(DeadReason::Exhausted));
    let create = Lane { failing_since: since(71), ..lane() };
    assert!(matches!(outcome(create, vec![Verdict::Unsent("x")]), Outcome::Retry { .. }));
    let create = Lane { failing_since: since(72), ..lane() };
    assert_eq!(dead_reason(&outcome(create, vec![Verdict::Unsent("x")])), Some(DeadReason::Exhausted));
}
