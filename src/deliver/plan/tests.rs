//! The plan, step by step, against answers that Konektor gives and some that it does not promise.

use std::time::Duration;

use super::*;
use crate::domain::status::Status;
use crate::konektor::RateLimit;
use crate::konektor::wire::Change;
use crate::store::Named;

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
        adopting: None,
        search_first: false,
        lost: None,
        day_nearly_over: false,
        negatives: 0,
        attempts: 0,
        failing_since: None,
        since: at(0),
        standing: None,
        upto: 7,
        forbidden: 0,
        doubted_until: Timestamp::MIN,
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
    Lead::of(reference(), stated, Fields::default())
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
    Verdict::Found { leads, total: None, next: None }
}

/// A page that is not the last.
fn page(leads: Vec<LeadView>, next: &str) -> Verdict {
    Verdict::Found { leads, total: None, next: Some(Cursor(next.into())) }
}

fn quiet() -> i64 {
    i64::try_from(Waits::default().quiet().as_secs()).unwrap()
}

fn invalid(field: &str) -> Verdict {
    Verdict::Invalid(vec![FieldError { field: field.into(), message: "Invalid".into() }])
}

/// Plays `verdicts` against a plan from second 100 on, a second each; gives the requests made and how it ended.
fn play(lane: Lane, verdicts: Vec<Verdict>) -> (Vec<Request>, Option<End>) {
    play_lead(lead(), lane, verdicts)
}

fn play_lead(lead: Lead, lane: Lane, verdicts: Vec<Verdict>) -> (Vec<Request>, Option<End>) {
    play_each(vec![lead], lane, verdicts)
}

/// Of events that say `said`, oldest first.
fn play_each(said: Vec<Lead>, lane: Lane, verdicts: Vec<Verdict>) -> (Vec<Request>, Option<End>) {
    let each = said.iter().map(Lead::for_create).collect();
    let lead = said.into_iter().reduce(|mut lead, later| {
        lead.absorb(later);
        lead
    });
    let (mut plan, mut step) = Plan::start(lane, (lead.unwrap(), each), Waits::default(), DIE, at(100));
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
    assert!(matches!(outcome(open_lane(101 - quiet()), vec![found(vec![])]), Outcome::Ambiguous { .. }));
    assert!(matches!(outcome(open_lane(100 - quiet()), vec![found(vec![])]), Outcome::Negative { settled: false, .. }));
}

#[test]
fn the_second_negative_settles_the_doubt() {
    let lane = Lane { negatives: 1, ..open_lane(0) };
    assert_eq!(outcome(lane, vec![found(vec![])]), Outcome::Negative { at: at(101), settled: true });
}

#[test]
fn every_page_of_a_search_is_read_and_each_is_a_call() {
    let other = |id: &str| LeadView { id: LeadId(id.into()), ..view(serde_json::json!({ "phone": "+6299" })) };
    let ours = view(serde_json::json!({ "phone": "+6281234567890" }));
    let pages = vec![page(vec![other("lead_7")], "c1"), page(vec![other("lead_7")], "c2"), found(vec![ours])];
    let (requests, end) = play(open_lane(99), pages);
    let cursors: Vec<_> = requests
        .iter()
        .map(|request| match request {
            Request::Search { cursor, .. } => cursor.as_ref().map(|cursor| cursor.0.as_str()),
            other => panic!("a search, not {other:?}"),
        })
        .collect();
    assert_eq!(cursors, [None, Some("c1"), Some("c2")]);
    assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 5 });
}

#[test]
fn a_search_is_over_when_all_are_read_whatever_page_is_named_next() {
    let ours = view(serde_json::json!({ "phone": "+6281234567890" }));
    let all = |total, leads| Verdict::Found { leads, total: Some(total), next: Some(Cursor("always".into())) };
    assert_eq!(words(&play(open_lane(99), vec![all(1, vec![ours.clone()])]).0), ["search"]);
    assert_eq!(words(&play(open_lane(99), vec![page(vec![ours], "more"), page(vec![], "always")]).0).len(), 2);
    let fewer = Verdict::Found { leads: vec![], total: Some(0), next: None };
    assert!(matches!(outcome(open_lane(0), vec![fewer]), Outcome::Negative { .. }));
    let stranger = view(serde_json::json!({ "phone": "+6299" }));
    let lost = Verdict::Found { leads: vec![stranger], total: Some(7), next: None };
    assert_eq!(dead_reason(&outcome(open_lane(0), vec![lost])), Some(DeadReason::Unresolved), "six are not shown");
}

#[test]
fn a_search_that_cannot_be_read_to_its_end_proves_nothing() {
    let lane = Lane { negatives: 1, ..open_lane(0) };
    let stranger = view(serde_json::json!({ "phone": "+6299" }));
    let (requests, end) = play(lane, vec![page(vec![stranger], "more"); 9]);
    assert_eq!(requests.len(), PAGES);
    let Outcome::Dead { why, .. } = end.unwrap().outcome else { panic!("dead") };
    assert_eq!(why.reason, DeadReason::Unresolved);
    assert!(why.detail.contains("more leads are found"), "{}", why.detail);
}

#[test]
fn a_page_that_fails_makes_the_whole_search_count_for_nothing() {
    let lane = Lane { negatives: 1, ..open_lane(0) };
    let stranger = view(serde_json::json!({ "phone": "+6299" }));
    let end = outcome(lane, vec![page(vec![stranger], "more"), Verdict::Unclear("x")]);
    assert!(matches!(end, Outcome::Ambiguous { .. }), "{end:?}");
}

#[test]
fn what_cannot_be_decided_names_the_leads_and_what_to_do() {
    let stranger = LeadView { id: id("lead_9"), ..view(serde_json::json!({ "firstName": "Budi" })) };
    let early = outcome(open_lane(99), vec![found(vec![stranger.clone()])]);
    assert!(matches!(early, Outcome::Ambiguous { .. }), "it may show more later");
    let Outcome::Dead { why, .. } = outcome(open_lane(0), vec![found(vec![stranger])]) else { panic!("dead") };
    assert_eq!(why.reason, DeadReason::Unresolved);
    for told in ["cannot be decided", "lead_9", "discard this"] {
        assert!(why.detail.contains(told), "{}", why.detail);
    }
}

#[test]
fn a_lead_that_may_have_been_forgotten_is_looked_for_once_and_then_made() {
    let lane = || Lane { search_first: true, ..lane() };
    let (requests, end) = play(lane(), vec![found(vec![]), made()]);
    assert_eq!(words(&requests), ["search", "create"]);
    assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 7 });
    let old = serde_json::json!({ "phone": "+6281234567890", "createdAt": "2020-01-01T00:00:00Z" });
    let (requests, end) = play(lane(), vec![found(vec![view(old)])]);
    assert_eq!(words(&requests), ["search"], "it is there, however old");
    assert_eq!(
        end.unwrap().outcome,
        Outcome::Done { lead_id: id("lead_1"), upto: 0 },
        "everything is still to be told"
    );
    for failed in [Verdict::Unclear("x"), Verdict::Unsent("x")] {
        assert!(matches!(outcome(lane(), vec![failed]), Outcome::Retry { counted: true, .. }));
    }
}

#[test]
fn a_post_that_may_have_been_forgotten_is_reconciled_with_leads_of_any_age() {
    let suspected = Intent { fence: 0, at: at(0), upto: Intent::NOTHING };
    let lane = || Lane { intent: Some(suspected), ..lane() };
    let old = serde_json::json!({ "phone": "+6281234567890", "createdAt": "2020-01-01T00:00:00Z" });
    assert_eq!(outcome(lane(), vec![found(vec![view(old)])]), Outcome::Done { lead_id: id("lead_1"), upto: 0 });
    assert!(matches!(outcome(lane(), vec![found(vec![])]), Outcome::Negative { settled: false, .. }));
    let early = Lane { intent: Some(Intent { at: at(90), ..suspected }), ..lane() };
    assert!(matches!(outcome(early, vec![found(vec![])]), Outcome::Ambiguous { .. }), "quiet is kept");
}

#[test]
fn a_slower_search_keeps_quiet_for_longer() {
    let waits = Waits { search: Duration::from_secs(300), ..Waits::default() };
    let (mut plan, Step::Call(request)) = Plan::start(open_lane(0), (lead(), Vec::new()), waits, DIE, at(100)) else {
        panic!("a call")
    };
    let Step::Finish(end) = plan.answered(&request, &answer(found(vec![])), at(100), at(101)) else {
        panic!("it ends")
    };
    assert_eq!(end.outcome, Outcome::Ambiguous { at: at(335) });
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
fn a_last_name_that_may_not_be_taken_away_stays() {
    let current = || Verdict::Lead(Box::new(view(serde_json::json!({ "firstName": "Ayu", "lastName": "Aminah" }))));
    let known = Lane { lead_id: Some(id("lead_1")), ..lane() };
    let (requests, end) = play(known, vec![current(), invalid("lastName"), current(), made()]);
    let names = requests.iter().filter_map(|request| match request {
        Request::Update(_, body) => Some((body.first_name.as_deref(), body.last_name.clone())),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), [(Some("Siti"), Some(Change::Cleared)), (Some("Siti"), None)]);
    assert!(matches!(end.unwrap().outcome, Outcome::Done { .. }));
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
    let third = play(Lane { forbidden: 2, ..lane() }, vec![Verdict::Forbidden]).1.unwrap();
    assert_eq!((third.pause, dead_reason(&third.outcome)), (None, Some(DeadReason::Forbidden)));
}

#[test]
fn a_429_is_no_attempt_and_waits_as_long_as_it_says() {
    let (mut plan, Step::Call(request)) = Plan::start(lane(), (lead(), Vec::new()), Waits::default(), DIE, at(0))
    else {
        panic!("a call")
    };
    let rate = RateLimit { retry_after: Some(Duration::from_secs(17)), ..RateLimit::default() };
    let answer = Answer { verdict: Verdict::Throttled, status: Some(429), request_id: None, rate };
    let Step::Finish(end) = plan.answered(&request, &answer, at(0), at(1)) else { panic!("it ends") };
    assert_eq!(end.outcome, Outcome::Retry { at: at(18), counted: false });
}

#[test]
fn a_create_refused_for_the_day_closes_it_and_costs_the_lead_nothing() {
    let end = play(lane(), vec![Verdict::Quota]).1.unwrap();
    assert_eq!((end.pause, end.full, end.outcome), (None, true, Outcome::Retry { at: at(103), counted: false }));
    let update = play(known_lane(), vec![Verdict::Quota]).1.unwrap();
    assert_eq!((update.full, update.outcome), (false, Outcome::Retry { at: at(101 + 900), counted: false }));
}

#[test]
fn a_refusal_without_a_reason_is_for_the_day_only_when_that_is_nearly_used_up() {
    let near = || Lane { day_nearly_over: true, forbidden: 2, ..lane() };
    for refusal in [Verdict::Forbidden, Verdict::Invalid(vec![])] {
        let end = play(near(), vec![refusal.clone()]).1.unwrap();
        assert_eq!((end.full, end.pause), (true, None), "{refusal:?}");
        assert!(matches!(end.outcome, Outcome::Retry { counted: false, .. }));
        let far = play(Lane { forbidden: 2, ..lane() }, vec![refusal]).1.unwrap();
        assert!(!far.full && matches!(far.outcome, Outcome::Dead { .. }), "{:?}", far.outcome);
    }
    let named = play(near(), vec![invalid("firstName")]).1.unwrap();
    assert!(!named.full && matches!(named.outcome, Outcome::Dead { .. }), "a reason is a reason");
    let update =
        play(Lane { forbidden: 0, lead_id: Some(id("lead_1")), ..near() }, vec![Verdict::Forbidden]).1.unwrap();
    assert!(!update.full && update.pause.is_some(), "updates need no room");
}

#[test]
fn a_conflict_adopts_the_lead_and_then_writes_it() {
    let same = view(serde_json::json!({ "externalRef": "meta:leadgen:987654321098765" }));
    let (requests, end) = play(lane(), vec![Verdict::Conflict, found(vec![same])]);
    assert_eq!(words(&requests), ["create", "search"]);
    assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 0 });
}

#[test]
fn a_conflict_with_a_lead_that_is_not_found_yet_is_looked_into_again() {
    let nobody = || vec![Verdict::Conflict, found(vec![])];
    let again = outcome(lane(), nobody());
    assert_eq!(again, Outcome::Retry { at: at(102 + 15), counted: true });
    let after = |attempts| outcome(Lane { attempts, ..lane() }, nobody());
    assert!(matches!(after(2), Outcome::Retry { .. }));
    assert_eq!(dead_reason(&after(3)), Some(DeadReason::Rejected));
}

/// A lead that names the code of one that Konektor made.
fn coded() -> Lead {
    let lead = lead();
    Lead { stated: Fields { unique_code: Some("KNK-7F3A".into()), ..lead.stated }, ..lead }
}

fn play_coded(lane: Lane, verdicts: Vec<Verdict>) -> (Vec<Request>, Option<End>) {
    play_lead(coded(), lane, verdicts)
}

/// The tracker's lead, as it stands after a click.
fn visitor(fields: serde_json::Value) -> LeadView {
    let mut visitor =
        serde_json::json!({ "firstName": "Visitor [KNK-7F3A]", "uniqueCode": "KNK-7F3A", "status": "new" });
    visitor.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    view(visitor)
}

#[test]
fn the_lead_whose_code_was_named_is_written_into_and_none_is_created() {
    let visitor = visitor(serde_json::json!({ "phone": "081234567890" }));
    let verdicts = vec![found(vec![visitor.clone()]), Verdict::Lead(Box::new(visitor)), made()];
    let (requests, end) = play_coded(lane(), verdicts);
    assert_eq!(words(&requests), ["search", "get", "update"]);
    assert!(matches!(&requests[0], Request::Search { text, .. } if text == "KNK-7F3A"));
    let Request::Update(adopted, body) = &requests[2] else { panic!("an update") };
    let written = LeadBody {
        first_name: Some("Siti".into()),
        email: Some("siti@example.com".into()),
        external_ref: Some(reference().to_string()),
        ..LeadBody::default()
    };
    assert_eq!((adopted, &**body), (&id("lead_1"), &written), "the number that it has stays, and so does its status");
    assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 7 });
}

#[test]
fn what_people_have_entered_in_an_adopted_lead_is_not_overwritten() {
    let known = visitor(serde_json::json!({ "firstName": "Ibu Siti (VIP)", "email": "office@example.com" }));
    let (requests, _) = play_coded(lane(), vec![found(vec![known.clone()]), Verdict::Lead(Box::new(known))]);
    let Request::Update(_, body) = &requests[2] else { panic!("an update") };
    let written = LeadBody { phone: Some("+6281234567890".into()), ..LeadBody::default() };
    let LeadBody { notes, .. } = &**body;
    assert!(notes.as_deref().is_some_and(|notes| notes.contains("Another address: ")), "{notes:?}");
    let fields = LeadBody { notes: None, ..(**body).clone() };
    assert_eq!(fields, written, "no name, no address, and no reference: it may have one");
}

#[test]
fn a_status_with_a_condition_reaches_an_adopted_lead_and_goes_forwards_only() {
    let written = |current: &str| {
        let visitor = visitor(serde_json::json!({ "status": current }));
        let lead = coded();
        let lead = Lead { stated: Fields { status: Some(Status::Contacted), ..lead.stated }, ..lead };
        let (requests, _) =
            play_lead(lead, lane(), vec![found(vec![visitor.clone()]), Verdict::Lead(Box::new(visitor))]);
        match &requests[2] {
            Request::Update(_, body) => body.status,
            other => panic!("an update, not {other:?}"),
        }
    };
    assert_eq!((written("new"), written("hot")), (Some(Status::Contacted), None));
}

#[test]
fn a_code_that_konektor_does_not_know_is_created_as_usual_once_it_would_be_shown() {
    let search = i64::try_from(Waits::default().search.as_secs()).unwrap();
    let late = Lane { since: at(100 - search), ..lane() };
    let (requests, end) = play_coded(late, vec![found(vec![]), made()]);
    assert_eq!(words(&requests), ["search", "create"]);
    let Request::Create(body) = &requests[1] else { panic!("a create") };
    assert_eq!(body.unique_code, None, "it is not ours to give");
    assert!(body.notes.as_deref().unwrap().contains("uniqueCode: KNK-7F3A"));
    assert!(matches!(end.unwrap().outcome, Outcome::Done { .. }));
    let soon = Lane { since: at(99), ..lane() };
    let outcome = play_coded(soon, vec![found(vec![])]).1.unwrap().outcome;
    assert_eq!(outcome, Outcome::Retry { at: at(99 + search), counted: false }, "the click was moments ago");
}

#[test]
fn a_code_that_several_leads_carry_is_a_dead_letter_that_names_them() {
    let second = LeadView { id: id("lead_2"), ..visitor(serde_json::json!({})) };
    let (requests, end) = play_coded(lane(), vec![found(vec![visitor(serde_json::json!({})), second])]);
    assert_eq!(words(&requests), ["search"]);
    let Outcome::Dead { why, .. } = end.unwrap().outcome else { panic!("dead") };
    assert_eq!(why.reason, DeadReason::CodeNotUnique);
    assert!(why.detail.contains("lead_1, lead_2"), "{}", why.detail);
    let stranger = LeadView { unique_code: Some("KNK-7F3A9".into()), ..visitor(serde_json::json!({})) };
    let end = play_coded(lane(), vec![page(vec![stranger], "more"); 9]).1.unwrap();
    assert_eq!(dead_reason(&end.outcome), Some(DeadReason::CodeNotUnique), "whether there is one cannot be told");
}

#[test]
fn a_code_that_somebody_passed_on_does_not_make_two_people_one() {
    let theirs = visitor(serde_json::json!({ "firstName": "Budi", "phone": "+6281299999999" }));
    let (requests, _) = play_coded(lane(), vec![found(vec![theirs]), made()]);
    assert_eq!(words(&requests), ["search", "create"]);
    let Request::Create(body) = &requests[1] else { panic!("a create") };
    assert_eq!(body.unique_code, None);
}

#[test]
fn a_code_is_not_looked_for_over_an_open_intent_and_a_known_lead_is_known() {
    let (requests, _) = play_coded(open_lane(99), vec![found(vec![])]);
    assert!(matches!(&requests[..], [Request::Search { text, .. }] if *text == reference().to_string()));
    assert_eq!(words(&play_coded(known_lane(), vec![]).0), ["get"]);
    let forgotten = Lane { search_first: true, since: at(0), ..lane() };
    assert_eq!(
        words(&play_coded(forgotten, vec![found(vec![]), found(vec![]), made()]).0),
        ["search", "search", "create"]
    );
}

#[test]
fn an_adopted_lead_that_takes_no_reference_or_is_gone_makes_no_double() {
    let get = || Verdict::Lead(Box::new(visitor(serde_json::json!({}))));
    let found = || found(vec![visitor(serde_json::json!({}))]);
    let (requests, end) = play_coded(lane(), vec![found(), get(), invalid("externalRef"), get(), made()]);
    assert_eq!(words(&requests), ["search", "get", "update", "get", "update"]);
    let Request::Update(_, body) = &requests[4] else { panic!("an update") };
    assert_eq!((body.external_ref.as_deref(), body.first_name.as_deref()), (None, Some("Siti")));
    assert!(matches!(end.unwrap().outcome, Outcome::Done { .. }));
    let (requests, _) = play_coded(lane(), vec![found(), get(), invalid("email"), get(), made()]);
    assert_eq!(words(&requests), ["search", "get", "update", "get", "update"], "nothing is created");
    let (requests, _) = play_coded(lane(), vec![found(), Verdict::NotFound, made()]);
    assert_eq!(words(&requests), ["search", "get", "create"], "somebody deleted it meanwhile");
}

/// The first lead that names the code, and then what the same person says with these changes.
fn twice(change: impl FnOnce(&mut Fields)) -> Vec<Lead> {
    let mut later = lead();
    change(&mut later.stated);
    vec![coded(), later]
}

#[test]
fn an_adopted_lead_that_shows_what_was_said_before_is_ours_and_is_brought_up_to_date() {
    // What an update without an answer has written; the last name is a person's.
    let written = visitor(serde_json::json!({
        "firstName": "Siti", "lastName": "(VIP)", "phone": "6281234567890", "email": "siti@example.com"
    }));
    let said = twice(|later| {
        later.phone = Some("+6281299999999".into());
        later.email = Some("aminah@example.com".into());
        later.first_name = Some("Aminah".into());
    });
    let verdicts = vec![found(vec![written.clone()]), Verdict::Lead(Box::new(written.clone())), made()];
    let (requests, _) = play_each(said.clone(), lane(), verdicts);
    assert_eq!(words(&requests), ["search", "get", "update"], "and nothing is created");
    let Request::Update(_, body) = &requests[2] else { panic!("an update") };
    let newer = LeadBody {
        phone: Some("+6281299999999".into()),
        email: Some("aminah@example.com".into()),
        ..LeadBody::default()
    };
    assert_eq!(**body, newer, "a name that somebody has changed stays");
    let theirs = LeadView { phone: Some("+6281211111111".into()), ..written };
    assert_eq!(
        words(&play_each(said, lane(), vec![found(vec![theirs]), made()]).0)[1],
        "get",
        "the address is the same"
    );
}

#[test]
fn a_coded_lead_that_shows_our_reference_is_ours_whatever_number_it_shows() {
    let shown = |text: String| {
        let theirs = visitor(serde_json::json!({ "phone": "+6281299999999", "externalRef": text }));
        words(&play_coded(lane(), vec![found(vec![theirs]), made()]).0)[1]
    };
    assert_eq!((shown(reference().to_string()), shown("wa:1:2".into())), ("get", "create"));
}

#[test]
fn somebody_who_writes_into_a_lead_between_search_and_read_keeps_it() {
    let blank = visitor(serde_json::json!({}));
    let theirs = visitor(serde_json::json!({ "firstName": "Budi", "phone": "+6281299999999" }));
    let (requests, _) = play_coded(lane(), vec![found(vec![blank]), Verdict::Lead(Box::new(theirs)), made()]);
    assert_eq!(words(&requests), ["search", "get", "create"]);
}

#[test]
fn of_several_codes_the_first_that_leads_to_a_lead_counts() {
    let searched = |codes: &[&str], verdicts: Vec<Verdict>| {
        let coded =
            |code: &&str| Lead { stated: Fields { unique_code: Some((*code).into()), ..lead().stated }, ..lead() };
        let late = Lane { since: at(0), ..lane() };
        let (requests, _) = play_each(codes.iter().map(coded).collect(), late, verdicts);
        let text = |request: &Request| match request {
            Request::Search { text, .. } => text.clone(),
            other => other.word().to_owned(),
        };
        requests.iter().map(text).collect::<Vec<_>>()
    };
    let blank = visitor(serde_json::json!({}));
    let get = Verdict::Lead(Box::new(blank.clone()));
    // An update of the first may have been made, and its answer is lost.
    assert_eq!(searched(&["KNK-7F3A", "KNK-9"], vec![found(vec![blank.clone()])]), ["KNK-7F3A", "get"]);
    let second = searched(&["KNK-9", "knk-9", "KNK-7F3A"], vec![found(vec![]), found(vec![blank]), get]);
    assert_eq!(second, ["KNK-9", "KNK-7F3A", "get", "update"]);
    let none = searched(&["1", "2", "3", "4"], vec![found(vec![]); 3]);
    assert_eq!(none, ["1", "2", "3", "create"]);
}

#[test]
fn a_search_for_a_code_that_fails_is_tried_again() {
    for failed in [Verdict::Unclear("x"), Verdict::Unsent("x")] {
        let outcome = play_coded(lane(), vec![failed]).1.unwrap().outcome;
        assert!(matches!(outcome, Outcome::Retry { counted: true, .. }), "{outcome:?}");
    }
}

/// One that has found a visitor's lead before, and has written somebody into it, or has not.
fn adopting_lane() -> Lane {
    let shown = Named { first_name: Some("Visitor [KNK-7F3A]".into()), ..Named::default() };
    let sent = Named { first_name: Some("Siti".into()), phone: Some("+6281200000001".into()), email: None };
    Lane { adopting: Some(Adopting { lead_id: id("lead_1"), shown, sent }), since: at(0), ..lane() }
}

/// What the person says who names another code by now, and another number than was sent.
fn with_another_code() -> Lead {
    let lead = coded();
    Lead { stated: Fields { unique_code: Some("KNK-9".into()), ..lead.stated }, ..lead }
}

fn shows(fields: serde_json::Value) -> Verdict {
    Verdict::Lead(Box::new(visitor(fields)))
}

#[test]
fn a_lead_that_an_update_may_have_made_its_own_is_gone_on_with_whatever_its_events_say_by_now() {
    for said in [with_another_code(), lead()] {
        let (requests, end) = play_lead(said.clone(), adopting_lane(), vec![shows(serde_json::json!({})), made()]);
        assert_eq!(words(&requests), ["get", "update"], "it was not made");
        let Request::Update(adopted, body) = &requests[1] else { panic!("an update") };
        assert_eq!((adopted, &body.external_ref), (&id("lead_1"), &Some(reference().to_string())));
        assert_eq!(end.unwrap().outcome, Outcome::Done { lead_id: id("lead_1"), upto: 7 });
        let made_before = shows(serde_json::json!({ "firstName": "Siti", "phone": "081200000001" }));
        let (requests, _) = play_lead(said, adopting_lane(), vec![made_before]);
        let Request::Update(_, body) = &requests[1] else { panic!("an update, not {:?}", requests[1]) };
        assert_eq!(body.phone.as_deref(), Some("+6281234567890"), "what we have sent is brought up to date");
    }
}

#[test]
fn a_lead_that_is_another_persons_by_now_or_gone_is_let_go_and_the_codes_are_looked_for() {
    let theirs = || shows(serde_json::json!({ "firstName": "Budi", "phone": "+6281299999999" }));
    for lost in [theirs(), Verdict::NotFound] {
        let (requests, _) = play_lead(with_another_code(), adopting_lane(), vec![lost.clone(), found(vec![]), made()]);
        assert_eq!(words(&requests), ["get", "search", "create"]);
        assert!(matches!(&requests[1], Request::Search { text, .. } if text == "KNK-9"));
        let in_doubt = Lane { search_first: true, ..adopting_lane() };
        let (requests, _) = play(in_doubt, vec![lost, found(vec![]), made()]);
        assert_eq!(words(&requests), ["get", "search", "create"]);
        assert!(matches!(&requests[1], Request::Search { text, .. } if *text == reference().to_string()));
    }
    let named = |number: &str| {
        let shown = Named { phone: Some(number.into()), ..Named::default() };
        let adopting = adopting_lane().adopting.map(|adopting| Adopting { shown, ..adopting });
        words(&play(Lane { adopting, ..adopting_lane() }, vec![theirs()]).0)[1]
    };
    assert_eq!((named("+6281299999999"), named("+6281277777777")), ("update", "create"), "it named them before");
}

#[test]
fn an_open_intent_goes_before_a_lead_that_may_have_been_adopted() {
    let lane = Lane { intent: open_lane(99).intent, ..adopting_lane() };
    assert_eq!(words(&play(lane, vec![found(vec![])]).0), ["search"]);
}

#[test]
fn which_lead_is_adopted_is_to_be_known_from_its_update_on_until_it_is_let_go() {
    let known = |lane: Lane, verdicts: Vec<Verdict>| {
        let said = (coded(), vec![coded().for_create()]);
        let (mut plan, mut step) = Plan::start(lane, said, Waits::default(), DIE, at(100));
        for verdict in verdicts {
            let Step::Call(request) = step else { panic!("it has ended") };
            step = plan.answered(&request, &answer(verdict), at(100), at(101));
        }
        plan.adopting().cloned()
    };
    let blank = || found(vec![visitor(serde_json::json!({}))]);
    assert_eq!(known(lane(), vec![blank()]), None, "nothing is written yet");
    let adopting = known(lane(), vec![blank(), shows(serde_json::json!({}))]).expect("it is");
    assert_eq!((adopting.lead_id, adopting.sent.phone.as_deref()), (id("lead_1"), Some("+6281234567890")));
    assert_eq!(adopting.shown.first_name.as_deref(), Some("Visitor [KNK-7F3A]"));
    let before = adopting_lane().adopting;
    assert_eq!(known(adopting_lane(), vec![]), before);
    assert_eq!(known(adopting_lane(), vec![Verdict::Unclear("x")]), before);
    assert_eq!(known(adopting_lane(), vec![Verdict::NotFound]), None);
    let again = known(adopting_lane(), vec![shows(serde_json::json!({ "phone": "+6281200000001" }))]);
    assert_eq!(again.and_then(|again| again.shown.phone).as_deref(), Some("+6281200000001"));
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
    assert_eq!(outcome, Outcome::Retry { at: sent + Waits::default().landing(), counted: true });
}

#[test]
fn an_update_is_given_up_after_a_day_and_a_create_after_three() {
    let since = |hours: i64| Some(at(100) - Duration::from_hours(u64::try_from(hours).unwrap()));
    let update = Lane { failing_since: since(24), attempts: 5, ..known_lane() };
    assert_eq!(dead_reason(&outcome(update, vec![Verdict::Unclear("x")])), Some(DeadReason::Exhausted));
    let create = |hours, attempts| {
        let create = Lane { failing_since: since(hours), attempts, ..lane() };
        dead_reason(&outcome(create, vec![Verdict::Unsent("x")]))
    };
    assert_eq!([create(71, 5), create(72, 5)], [None, Some(DeadReason::Exhausted)]);
    assert_eq!(create(999, 4), None, "a clock was set forward");
}

#[test]
fn a_lead_that_is_said_to_be_there_is_looked_for_again_when_what_is_found_does_not_tell() {
    let unknown = view(serde_json::json!({ "firstName": "Budi" }));
    let conflict = |attempts| {
        let lane = Lane { attempts, ..lane() };
        outcome(lane, vec![Verdict::Conflict, found(vec![unknown.clone()])])
    };
    assert_eq!(conflict(0), Outcome::Retry { at: at(102) + Waits::default().search, counted: true });
    assert_eq!(dead_reason(&conflict(CONFLICTS)), Some(DeadReason::Unresolved));
}
