//! The statements, each in its own file, and the few that are a word or two.

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
pub(super) const COPY_LOG: &str = "PRAGMA wal_checkpoint(PASSIVE)";
pub(super) const IS_EMPTY: &str = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";

/// `lane.state` as stored.
pub(super) const READY: i64 = 1;
pub(super) const WAITING: i64 = 2;
pub(super) const LEASED: i64 = 3;
pub(super) const DEAD_LANE: i64 = 4;

pub(super) const ADD_EVENT: &str = include_str!("sql/add_event.sql");
pub(super) const ADD_LANE: &str = include_str!("sql/add_lane.sql");
pub(super) const AHEAD: &str = include_str!("sql/ahead.sql");
pub(super) const ALIAS: &str = include_str!("sql/alias.sql");
pub(super) const ALIASES_OF: &str = include_str!("sql/aliases_of.sql");
pub(super) const AUDIT_ALIASES: &str = include_str!("sql/audit_aliases.sql");
pub(super) const AUDIT_CHORES: &str = include_str!("sql/audit_chores.sql");
pub(super) const AUDIT_EVENTS: &str = include_str!("sql/audit_events.sql");
pub(super) const AUDIT_EVENTS_SIZE: &str = include_str!("sql/audit_events_size.sql");
pub(super) const AUDIT_INBOX: &str = include_str!("sql/audit_inbox.sql");
pub(super) const AUDIT_INBOX_SIZE: &str = include_str!("sql/audit_inbox_size.sql");
pub(super) const AUDIT_LANES: &str = include_str!("sql/audit_lanes.sql");
pub(super) const AUDIT_OF_LANE: &str = include_str!("sql/audit_of_lane.sql");
pub(super) const AUDIT_PAGE: &str = include_str!("sql/audit_page.sql");
pub(super) const AUDIT_STRAYS: &str = include_str!("sql/audit_strays.sql");
pub(super) const AUDIT_TURNS: &str = include_str!("sql/audit_turns.sql");
pub(super) const AUDIT_UNSPLIT: &str = include_str!("sql/audit_unsplit.sql");
pub(super) const BURY: &str = include_str!("sql/bury.sql");
pub(super) const BURY_WHOLE: &str = include_str!("sql/bury_whole.sql");
pub(super) const CHOSEN: &str = include_str!("sql/chosen.sql");
pub(super) const CHOSEN_BY_ID: &str = include_str!("sql/chosen_by_id.sql");
pub(super) const CHOSEN_OF_LEAD: &str = include_str!("sql/chosen_of_lead.sql");
pub(super) const COUNT_DEAD: &str = include_str!("sql/count_dead.sql");
pub(super) const COUNT_INCIDENTS: &str = include_str!("sql/count_incidents.sql");
pub(super) const COUNT_MEMOS: &str = include_str!("sql/count_memos.sql");
pub(super) const DEAD_OF_LANE: &str = include_str!("sql/dead_of_lane.sql");
pub(super) const DELIVER: &str = include_str!("sql/deliver.sql");
pub(super) const DISCARD: &str = include_str!("sql/discard.sql");
pub(super) const DISMISS: &str = include_str!("sql/dismiss.sql");
pub(super) const DROP_ALIAS: &str = include_str!("sql/drop_alias.sql");
pub(super) const DROP_ALIASES: &str = include_str!("sql/drop_aliases.sql");
pub(super) const DROP_EVENT: &str = include_str!("sql/drop_event.sql");
pub(super) const DROP_PERMIT: &str = include_str!("sql/drop_permit.sql");
pub(super) const EVENT_ROW: &str = include_str!("sql/event_row.sql");
pub(super) const EXPIRE_EVENTS: &str = include_str!("sql/expire_events.sql");
pub(super) const EXPIRE_LANES: &str = include_str!("sql/expire_lanes.sql");
pub(super) const EXPIRE_PERMITS: &str = include_str!("sql/expire_permits.sql");
pub(super) const FETCHED: &str = include_str!("sql/fetched.sql");
pub(super) const FIRST_IN_LINE: &str = include_str!("sql/first_in_line.sql");
pub(super) const FIRST_OF_LANE: &str = include_str!("sql/first_of_lane.sql");
pub(super) const GIVE_EVENTS: &str = include_str!("sql/give_events.sql");
pub(super) const GIVE_INBOX: &str = include_str!("sql/give_inbox.sql");
pub(super) const GIVE_INCIDENTS: &str = include_str!("sql/give_incidents.sql");
pub(super) const GIVE_NAMES: &str = include_str!("sql/give_names.sql");
pub(super) const GIVE_OF_LANE: &str = include_str!("sql/give_of_lane.sql");
pub(super) const GIVE_SOURCES: &str = include_str!("sql/give_sources.sql");
pub(super) const GIVE_TRACES: &str = include_str!("sql/give_traces.sql");
pub(super) const GIVE_VERIFY: &str = include_str!("sql/give_verify.sql");
pub(super) const HAND_OVER: &str = include_str!("sql/hand_over.sql");
pub(super) const HAS_TRACE: &str = include_str!("sql/has_trace.sql");
pub(super) const INCIDENT: &str = include_str!("sql/incident.sql");
pub(super) const INCIDENTS: &str = include_str!("sql/incidents.sql");
pub(super) const IN_HAND: &str = include_str!("sql/in_hand.sql");
pub(super) const KEEP: &str = include_str!("sql/keep.sql");
pub(super) const KNOWN_EVENT: &str = include_str!("sql/known_event.sql");
pub(super) const KNOWN_SOURCES: &str = include_str!("sql/known_sources.sql");
pub(super) const LANES_DUE: &str = include_str!("sql/lanes_due.sql");
pub(super) const LANE_BY_ID: &str = include_str!("sql/lane_by_id.sql");
pub(super) const LANE_BY_REF: &str = include_str!("sql/lane_by_ref.sql");
pub(super) const LANE_DETAIL: &str = include_str!("sql/lane_detail.sql");
pub(super) const LANE_LOG: &str = include_str!("sql/lane_log.sql");
pub(super) const LEAVE_TRACE: &str = include_str!("sql/leave_trace.sql");
pub(super) const LET_GO: &str = include_str!("sql/let_go.sql");
pub(super) const LIST: &str = include_str!("sql/list.sql");
pub(super) const LIST_IN_STATE: &str = include_str!("sql/list_in_state.sql");
pub(super) const LIST_OF_LEAD: &str = include_str!("sql/list_of_lead.sql");
pub(super) const LIST_OF_LEAD_IN_STATE: &str = include_str!("sql/list_of_lead_in_state.sql");
pub(super) const MEMO: &str = include_str!("sql/memo.sql");
pub(super) const MEMOS: &str = include_str!("sql/memos.sql");
pub(super) const META: &str = include_str!("sql/meta.sql");
pub(super) const MOVED: &str = include_str!("sql/moved.sql");
pub(super) const NEWER: &str = include_str!("sql/newer.sql");
pub(super) const NEXT_DUE: &str = include_str!("sql/next_due.sql");
pub(super) const OLDEST_IN_LINE: &str = include_str!("sql/oldest_in_line.sql");
pub(super) const PERMITS: &str = include_str!("sql/permits.sql");
pub(super) const PUT_BACK: &str = include_str!("sql/put_back.sql");
pub(super) const REMEMBER_SOURCE: &str = include_str!("sql/remember_source.sql");
pub(super) const RENAME_EVENT: &str = include_str!("sql/rename_event.sql");
pub(super) const REPORT: &str = include_str!("sql/report.sql");
pub(super) const SAVE_ALIAS: &str = include_str!("sql/save_alias.sql");
pub(super) const SAVE_FETCHED: &str = include_str!("sql/save_fetched.sql");
pub(super) const SAVE_LANE: &str = include_str!("sql/save_lane.sql");
pub(super) const SAVE_LOG: &str = include_str!("sql/save_log.sql");
pub(super) const SAVE_MEMO: &str = include_str!("sql/save_memo.sql");
pub(super) const SAVE_META: &str = include_str!("sql/save_meta.sql");
pub(super) const SAVE_PERMIT: &str = include_str!("sql/save_permit.sql");
pub(super) const SCHEMA: &str = include_str!("sql/schema.sql");
pub(super) const SET_BACK: &str = include_str!("sql/set_back.sql");
pub(super) const SORT_AGAIN: &str = include_str!("sql/sort_again.sql");
pub(super) const SOURCE_OF_LANE: &str = include_str!("sql/source_of_lane.sql");
pub(super) const TAKE_EVENT: &str = include_str!("sql/take_event.sql");
pub(super) const TAKE_LANE: &str = include_str!("sql/take_lane.sql");
pub(super) const TAKE_SORTED: &str = include_str!("sql/take_sorted.sql");
pub(super) const TOLD_BY_OTHERS: &str = include_str!("sql/told_by_others.sql");
/// What leads to each version from the one before.
pub(super) const TO_VERSION: [(i64, &str); 6] = [
    (2, include_str!("sql/to_version_2.sql")),
    (3, include_str!("sql/to_version_3.sql")),
    (4, include_str!("sql/to_version_4.sql")),
    (5, include_str!("sql/to_version_5.sql")),
    (6, include_str!("sql/to_version_6.sql")),
    (7, include_str!("sql/to_version_7.sql")),
];
pub(super) const UNSORTED: &str = include_str!("sql/unsorted.sql");
pub(super) const VERIFY: &str = include_str!("sql/verify.sql");
pub(super) const VERIFY_BACK: &str = include_str!("sql/verify_back.sql");
pub(super) const VERIFY_DUE: &str = include_str!("sql/verify_due.sql");
pub(super) const VERIFY_LATER: &str = include_str!("sql/verify_later.sql");
pub(super) const VERIFY_NEXT: &str = include_str!("sql/verify_next.sql");
pub(super) const VERIFY_OVER: &str = include_str!("sql/verify_over.sql");
pub(super) const WITHHOLD: &str = include_str!("sql/withhold.sql");
