//! Which case holds which promise. A promise without a case, or a case that is not run, fails here.

use std::path::Path;

use strum::VariantArray;

use super::{
    adopting, arrows, clocks, fences, heard, inbox, landing, lessons, limits, memos, names, people, restart, turns,
};

/// A case of the suite, by its path.
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) run: Box<dyn Fn()>,
}

/// The arrows of the lane (`queue.md` §2.5), and the ends that an event has.
#[derive(Debug, Clone, Copy, VariantArray)]
enum Arrow {
    IdleArriveNoLead,
    IdleArriveLeadKnown,
    CoalesceDue,
    ReadyClaim,
    LeasedDoneNothingLeft,
    LeasedDoneMoreLeft,
    LeasedRetry,
    LeasedAmbiguous,
    LeasedLostWithIntent,
    LeasedLostWithoutIntent,
    LeasedLostTooOften,
    LeasedRelease,
    ReconcileDueSearchOnly,
    SearchFoundAdopted,
    SearchNegative,
    SearchTwiceNegativeReady,
    SearchFailed,
    LeasedDeadWithoutLead,
    LeasedDeadWithLead,
    DeadReplay,
    DeadNewEvent,
    DeadRelease,
    EventWithheldInLane,
    EventWithheldAtOnce,
    EventReleased,
    EventDiscarded,
    EventForgotten,
    WebhookUnreadable,
}

/// The rows of the crash table (`queue.md` §2.7) that a store can see, and the two of the inbox. Left out: 11 (a worker
/// that stalls before it sends; its own clock's business), 13 to 15 (Redis).
#[derive(Debug, Clone, Copy, VariantArray)]
enum Row {
    /// After keep, before sort commits; sort committed, answer lost; two sorters at once.
    KeptNotSorted,
    SortAnswerLost,
    TwoSorters,
    R1R2KeptOrSentAgain,
    R3HalfABatch,
    R4ClaimedNotBegun,
    R5R6R7R8Begun,
    R9SettleAnswerLost,
    R10StalledPastItsLease,
    R12InAnUpdate,
    R16WipedOrOldBackup,
    /// A kill here; a power cut, in which only what was synced is left, in `tests/power`.
    R17PowerLoss,
    R18DiskFull,
    R19ServerErrorAfterCommit,
    R20SameEventAtOnce,
    R21TwoEventsOfOneNewLead,
    R22CrashInAMove,
}

/// The verbs, each done twice.
#[derive(Debug, Clone, Copy, VariantArray)]
enum Verb {
    Keep,
    Unsorted,
    Sort,
    Claim,
    Begin,
    Permit,
    Fetched,
    Settle,
    Observe,
    Heartbeat,
    Pause,
    Resume,
    ListsAndAudit,
    Replay,
    Release,
    Discard,
    Expire,
    RememberSources,
    Memos,
    Close,
}

/// What else a store has to hold.
#[derive(Debug, Clone, Copy, VariantArray)]
enum Rule {
    FenceSettle,
    FenceBegin,
    FencePermitAndFetched,
    FenceHeartbeat,
    OneLeaseALane,
    AdoptedLeadIsRemembered,
    LanesOfALeadHearEachOther,
    CapEvents,
    CapBytes,
    CapLane,
    CapCall,
    PagingWhileEventsCome,
    PagingOfMoves,
    ClockOvertaken,
    ClockSetBack,
    ClockLeapsAhead,
    PriorityAndFloors,
    OrderOfALead,
    Coalescing,
    PauseAndProbe,
    PermitWithTheClaim,
    OnePersonOneLane,
    LessonsOfALane,
    MemosAreCapped,
}

/// Names a case by itself.
pub(super) fn case<F: Fn() + 'static>(run: F) -> Case {
    Case { name: std::any::type_name::<F>(), run: Box::new(run) }
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn of_arrow(arrow: Arrow) -> Vec<Case> {
    match arrow {
        Arrow::IdleArriveNoLead => vec![case(arrows::a_new_lead_is_claimed_whole_and_ends_delivered)],
        Arrow::IdleArriveLeadKnown => {
            vec![case(arrows::an_event_of_a_known_lead_goes_out_at_once_when_idle_and_else_waits_two_seconds_for_more)]
        }
        Arrow::CoalesceDue => {
            vec![case(arrows::an_event_of_a_known_lead_goes_out_at_once_when_idle_and_else_waits_two_seconds_for_more)]
        }
        Arrow::ReadyClaim => vec![
            case(arrows::a_new_lead_is_claimed_whole_and_ends_delivered),
            case(limits::the_first_call_goes_alone_and_its_answer_lets_the_others_go),
        ],
        Arrow::LeasedDoneNothingLeft => vec![case(arrows::a_new_lead_is_claimed_whole_and_ends_delivered)],
        Arrow::LeasedDoneMoreLeft => vec![
            case(arrows::an_event_that_comes_during_the_call_is_not_in_it_and_follows_as_an_update),
            case(arrows::a_dead_letter_put_back_during_a_call_waits_for_the_next_one),
        ],
        Arrow::LeasedRetry => vec![
            case(arrows::a_retry_waits_counts_and_keeps_its_place),
            case(arrows::a_retry_closes_the_intent_of_its_own_attempt),
        ],
        Arrow::LeasedAmbiguous => vec![case(arrows::an_ambiguous_create_keeps_its_intent_until_the_lead_is_found)],
        Arrow::LeasedLostWithIntent => {
            vec![case(arrows::a_lost_lease_without_intent_is_ready_again_in_its_place_and_with_one_is_searched_for)]
        }
        Arrow::LeasedLostWithoutIntent => vec![
            case(arrows::a_lost_lease_without_intent_is_ready_again_in_its_place_and_with_one_is_searched_for),
            case(landing::a_lost_worker_that_may_have_written_into_a_lead_that_it_found_is_waited_for),
        ],
        Arrow::LeasedLostTooOften => vec![
            case(arrows::a_lane_that_loses_its_worker_five_times_is_given_up),
            case(arrows::workers_that_are_lost_now_and_then_are_no_fault_of_the_lead),
            case(arrows::giving_up_a_crashing_update_leaves_its_lead_alone),
            case(landing::after_the_last_lost_worker_of_an_update_the_next_one_waits_until_its_own_cannot_land),
        ],
        Arrow::LeasedRelease => vec![
            case(arrows::a_release_touches_nothing_and_waits_if_it_is_told_to),
            case(arrows::a_release_goes_back_to_its_old_place),
        ],
        Arrow::ReconcileDueSearchOnly => {
            vec![case(arrows::an_ambiguous_create_keeps_its_intent_until_the_lead_is_found)]
        }
        Arrow::SearchFoundAdopted => vec![
            case(arrows::an_ambiguous_create_keeps_its_intent_until_the_lead_is_found),
            case(arrows::an_event_put_back_during_a_call_is_not_ended_by_it),
            case(arrows::a_lead_that_is_gone_may_get_another_id),
        ],
        Arrow::SearchNegative => vec![case(arrows::two_clean_searches_that_find_nothing_end_the_doubt)],
        Arrow::SearchTwiceNegativeReady => vec![case(arrows::two_clean_searches_that_find_nothing_end_the_doubt)],
        Arrow::SearchFailed => vec![case(arrows::a_search_that_failed_does_not_close_the_intent)],
        Arrow::LeasedDeadWithoutLead => vec![
            case(arrows::a_create_that_is_given_up_takes_its_lane_with_it),
            case(landing::an_event_that_comes_while_the_create_is_refused_is_not_buried_with_it),
        ],
        Arrow::LeasedDeadWithLead => vec![case(arrows::a_poison_update_is_given_up_alone)],
        Arrow::DeadReplay => vec![
            case(arrows::a_replay_brings_a_dead_lane_back_with_its_counters_at_zero),
            case(arrows::a_lane_that_died_in_doubt_is_searched_for_when_it_is_replayed),
        ],
        Arrow::DeadNewEvent => vec![
            case(arrows::a_new_event_brings_a_dead_lane_back_with_everything_in_order),
            case(arrows::a_duplicate_does_not_bring_a_dead_lane_back),
        ],
        Arrow::DeadRelease => vec![case(arrows::a_release_brings_a_dead_lane_back)],
        Arrow::EventWithheldInLane => vec![case(arrows::what_is_withheld_in_the_lane_leaves_it_and_the_rest_goes_on)],
        Arrow::EventWithheldAtOnce => vec![case(inbox::what_is_held_does_not_enter_its_lane_and_is_known_all_the_same)],
        Arrow::EventReleased => vec![case(people::a_released_event_goes_to_its_lane_and_is_marked)],
        Arrow::EventDiscarded => vec![case(people::a_discarded_event_leaves_its_receipt_and_gives_its_lane_free)],
        Arrow::EventForgotten => {
            vec![case(clocks::receipts_and_idle_lanes_are_forgotten_in_time_and_nothing_undelivered_is)]
        }
        Arrow::WebhookUnreadable => vec![
            case(inbox::a_webhook_that_cannot_be_split_becomes_a_dead_letter_whole_and_is_sorted_again_on_replay),
            case(people::a_discarded_webhook_is_gone_from_the_dead_letters),
        ],
    }
}

fn of_row(row: Row) -> Vec<Case> {
    match row {
        Row::KeptNotSorted => vec![
            case(inbox::a_kept_webhook_comes_out_as_it_went_in),
            case(restart::what_was_acknowledged_survives_a_crash_at_every_step),
        ],
        Row::SortAnswerLost => vec![case(fences::a_sort_whose_answer_was_lost_is_not_done_again)],
        Row::TwoSorters => vec![case(fences::two_sorters_at_once_sort_a_record_once)],
        Row::R1R2KeptOrSentAgain => vec![
            case(fences::a_webhook_kept_twice_is_sorted_into_one_event),
            case(inbox::the_same_event_twice_is_one_event),
        ],
        Row::R3HalfABatch => vec![
            case(inbox::a_batch_with_all_kinds_of_records_is_sorted_in_its_order),
            case(restart::what_was_acknowledged_survives_a_crash_at_every_step),
        ],
        Row::R4ClaimedNotBegun => vec![
            case(fences::a_worker_that_dies_after_its_claim_leaves_nothing_to_search_for),
            case(fences::a_claim_whose_answer_was_lost_is_freed_by_the_next_heartbeat_and_its_permit_in_time),
            case(restart::a_stop_ends_the_leases_without_blame_and_a_crash_with_it),
        ],
        Row::R5R6R7R8Begun => vec![
            case(fences::a_worker_that_dies_after_its_intent_leaves_a_search),
            case(fences::a_stray_with_an_open_intent_is_searched_for_again),
            case(restart::a_stop_ends_the_leases_without_blame_and_a_crash_with_it),
        ],
        Row::R9SettleAnswerLost => vec![case(fences::settling_twice_is_as_once_whatever_the_outcome)],
        Row::R10StalledPastItsLease => vec![
            case(fences::a_stale_fence_settles_nothing),
            case(fences::a_lease_that_has_ended_may_still_settle_but_not_begin),
        ],
        Row::R12InAnUpdate => vec![case(fences::a_worker_that_dies_in_an_update_leaves_it_to_be_done_again)],
        Row::R16WipedOrOldBackup => vec![
            case(restart::a_backup_that_is_put_back_is_known_by_what_was_left_beside_it),
            case(restart::a_person_may_say_that_it_was_put_back),
        ],
        Row::R17PowerLoss => vec![case(restart::what_was_acknowledged_survives_a_crash_at_every_step)],
        Row::R18DiskFull => vec![case(restart::a_disk_that_is_almost_full_refuses_webhooks_and_nothing_else)],
        Row::R19ServerErrorAfterCommit => {
            vec![case(arrows::an_ambiguous_create_keeps_its_intent_until_the_lead_is_found)]
        }
        Row::R20SameEventAtOnce => vec![
            case(fences::two_sorters_at_once_sort_a_record_once),
            case(fences::a_webhook_kept_twice_is_sorted_into_one_event),
        ],
        Row::R21TwoEventsOfOneNewLead => vec![case(fences::two_different_events_of_one_new_lead_at_once_are_one_lane)],
        Row::R22CrashInAMove => {
            vec![case(fences::moving_events_twice_moves_them_once), case(people::a_bulk_replay_goes_in_steps)]
        }
    }
}

fn of_verb(verb: Verb) -> Vec<Case> {
    match verb {
        Verb::Keep => vec![case(fences::a_webhook_kept_twice_is_sorted_into_one_event)],
        Verb::Unsorted => vec![case(fences::looking_changes_nothing)],
        Verb::Sort => vec![case(fences::a_sort_whose_answer_was_lost_is_not_done_again)],
        Verb::Claim => {
            vec![case(fences::a_claim_whose_answer_was_lost_is_freed_by_the_next_heartbeat_and_its_permit_in_time)]
        }
        Verb::Begin => vec![case(fences::a_second_post_under_one_lease_moves_the_intent_on)],
        Verb::Permit => vec![case(limits::one_lease_may_take_one_more_permit)],
        Verb::Fetched => vec![case(turns::what_the_sender_said_is_kept_with_the_event)],
        Verb::Settle => vec![case(fences::settling_twice_is_as_once_whatever_the_outcome)],
        Verb::Observe => vec![case(fences::what_was_said_of_a_permit_twice_is_as_once)],
        Verb::Heartbeat => {
            vec![case(fences::a_heartbeat_extends_what_is_held_tells_what_is_lost_and_frees_what_was_forgotten)]
        }
        Verb::Pause => vec![case(fences::pausing_and_resuming_twice_is_as_once)],
        Verb::Resume => vec![case(fences::pausing_and_resuming_twice_is_as_once)],
        Verb::ListsAndAudit => vec![case(fences::looking_changes_nothing)],
        Verb::Replay => vec![
            case(fences::moving_events_twice_moves_them_once),
            case(people::replaying_one_event_of_a_dead_lane_brings_all_of_them_back_once),
        ],
        Verb::Release => vec![case(fences::moving_events_twice_moves_them_once)],
        Verb::Discard => vec![case(fences::moving_events_twice_moves_them_once)],
        Verb::Expire => vec![case(fences::forgetting_twice_forgets_once)],
        Verb::RememberSources => vec![case(fences::sources_that_were_on_are_remembered_once)],
        Verb::Memos => vec![case(memos::of_two_who_note_the_same_one_is_the_first)],
        Verb::Close => vec![case(inbox::a_closed_store_refuses)],
    }
}

#[expect(clippy::too_many_lines, reason = "it is a table")]
fn of_rule(rule: Rule) -> Vec<Case> {
    match rule {
        Rule::FenceSettle => vec![case(fences::a_stale_fence_settles_nothing)],
        Rule::FenceBegin => vec![case(fences::a_stale_fence_begins_no_post)],
        Rule::FencePermitAndFetched => vec![case(fences::a_stale_fence_takes_no_permit_and_keeps_no_answer)],
        Rule::FenceHeartbeat => vec![case(fences::a_stale_fence_extends_no_lease)],
        Rule::OneLeaseALane => vec![
            case(fences::a_lane_is_leased_to_one_worker_at_a_time),
            case(landing::of_two_lanes_of_one_lead_one_is_worked_on_at_a_time),
            case(landing::no_lane_of_a_lead_is_worked_on_while_an_update_that_got_no_answer_may_land),
            case(landing::what_comes_after_an_update_that_was_given_up_waits_until_that_cannot_land),
        ],
        Rule::AdoptedLeadIsRemembered => vec![
            case(adopting::a_lead_that_may_have_been_made_its_own_is_told_with_each_claim_until_the_lane_has_one),
            case(adopting::a_lead_that_is_another_persons_is_forgotten_with_the_next_call),
            case(adopting::who_has_lost_the_lease_or_may_not_call_makes_no_lead_a_lanes_own),
            case(adopting::what_was_adopted_stays_so_when_the_worker_is_lost_and_when_all_of_it_is_given_up),
            case(adopting::a_lane_that_may_have_adopted_a_lead_is_looked_for_when_it_was_forgotten),
            case(adopting::a_lane_that_may_have_adopted_a_lead_comes_to_no_other_and_a_person_is_told),
        ],
        Rule::LanesOfALeadHearEachOther => vec![
            case(heard::each_lane_of_a_lead_hears_what_all_others_have_told_it),
            case(heard::what_was_told_while_a_lane_had_to_wait_is_heard_at_its_claim),
            case(heard::a_lane_hears_those_of_the_lead_that_it_has_and_not_of_one_that_it_had),
            case(heard::a_lane_that_is_forgotten_is_heard_no_more),
            case(heard::of_very_many_lanes_of_one_lead_those_that_came_last_are_heard),
        ],
        Rule::CapEvents => vec![case(inbox::a_full_store_refuses_webhooks_until_something_is_delivered)],
        Rule::CapBytes => vec![case(inbox::bytes_are_counted_from_the_inbox_to_the_end)],
        Rule::CapLane => vec![case(inbox::a_crowded_lane_sends_new_events_to_the_dead_letters_and_nothing_is_lost)],
        Rule::CapCall => vec![case(turns::one_claim_gives_at_most_256_events_and_256_kib)],
        Rule::PagingWhileEventsCome => vec![
            case(people::a_list_shows_each_event_once_while_others_come_in),
            case(inbox::the_inbox_is_read_from_the_oldest_on_while_webhooks_come_in),
        ],
        Rule::PagingOfMoves => vec![
            case(people::a_bulk_replay_reaches_its_end_while_others_die),
            case(people::a_walk_over_dead_letters_ends_although_each_dies_again),
        ],
        Rule::ClockOvertaken => vec![case(clocks::a_caller_that_was_overtaken_does_not_bring_a_lease_back)],
        Rule::ClockSetBack => vec![
            case(clocks::a_clock_that_is_set_back_holds_nothing_up),
            case(clocks::a_clock_that_is_set_back_does_not_hold_calls_up),
            case(clocks::a_clock_that_is_set_back_does_not_put_off_a_probe),
            case(restart::a_clock_that_was_set_back_while_the_bridge_was_down_holds_nothing_up),
        ],
        Rule::ClockLeapsAhead => vec![
            case(clocks::a_clock_that_leaps_ahead_and_back_leaves_nothing_behind),
            case(clocks::a_clock_that_leaps_ahead_ends_leases_and_the_fence_keeps_order),
        ],
        Rule::PriorityAndFloors => vec![
            case(turns::new_leads_go_before_updates_and_replays_last),
            case(turns::what_a_back_fill_brings_goes_after_all_that_is_live_and_what_is_known_of_it_is_a_duplicate),
            case(turns::updates_have_every_tenth_turn),
            case(turns::searches_have_their_share_and_no_more_while_leads_come_in),
        ],
        Rule::OrderOfALead => vec![case(turns::events_come_in_the_order_in_which_they_came_in_over_many_calls)],
        Rule::Coalescing => {
            vec![case(arrows::an_event_of_a_known_lead_goes_out_at_once_when_idle_and_else_waits_two_seconds_for_more)]
        }
        Rule::PauseAndProbe => vec![
            case(limits::a_pause_stops_claims_and_further_calls_and_one_probe_at_a_time_goes_out),
            case(limits::what_a_person_stopped_only_a_person_starts),
        ],
        Rule::PermitWithTheClaim => vec![
            case(limits::the_first_call_goes_alone_and_its_answer_lets_the_others_go),
            case(limits::a_permit_that_was_not_used_is_given_back),
        ],
        Rule::OnePersonOneLane => vec![
            case(names::a_person_who_is_seen_by_another_name_stays_one_lead),
            case(names::of_two_lanes_of_one_person_the_older_goes_on_and_a_person_is_told),
            case(names::a_lane_without_a_lead_follows_the_one_of_the_same_person_that_has_one_or_is_older),
            case(names::a_new_number_is_the_same_persons_and_the_old_one_is_nobodys),
            case(names::names_are_forgotten_with_their_lane),
        ],
        Rule::LessonsOfALane => vec![
            case(lessons::a_doubt_ends_when_konektor_says_that_the_lead_is_there),
            case(lessons::what_is_learned_while_an_attempt_is_under_way_counts_when_it_ends_without_knowing),
            case(lessons::what_is_learned_while_an_attempt_is_under_way_counts_when_its_worker_is_lost),
            case(lessons::what_was_in_the_call_has_reached_the_lead_whoever_says_that_it_is_there),
            case(lessons::what_was_in_a_call_that_came_to_nothing_has_reached_nobody),
            case(lessons::lessons_are_heeded_before_the_items_of_their_record_and_not_of_one_that_is_gone),
        ],
        Rule::MemosAreCapped => vec![case(memos::strangers_cannot_fill_the_store_with_memos)],
    }
}

/// Everything that is promised, with its cases.
fn promises() -> Vec<(String, Vec<Case>)> {
    let arrows = Arrow::VARIANTS.iter().map(|arrow| (format!("{arrow:?}"), of_arrow(*arrow)));
    let rows = Row::VARIANTS.iter().map(|row| (format!("{row:?}"), of_row(*row)));
    let verbs = Verb::VARIANTS.iter().map(|verb| (format!("{verb:?} twice"), of_verb(*verb)));
    let rules = Rule::VARIANTS.iter().map(|rule| (format!("{rule:?}"), of_rule(*rule)));
    arrows.chain(rows).chain(verbs).chain(rules).collect()
}

#[test]
fn every_promise_has_a_case_that_is_run() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bridge/store");
    for (promise, cases) in promises() {
        assert!(!cases.is_empty(), "{promise} has no case");
        for Case { name, .. } in cases {
            let (path, function) = name.rsplit_once("::").unwrap();
            let (_, module) = path.rsplit_once("::").unwrap();
            let text = std::fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
            assert!(text.contains(&format!("#[test]\npub(super) fn {function}() {{")), "{promise}: {name} is not run");
        }
    }
}
