//! What is asked, and what is done: the arguments of `look.lua` and `commit.lua`.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use super::lane::Name;
use super::link::Arg;
use super::values::{hour, int, nanos};
use crate::domain::event::{EventId, SourceName};
use crate::store::{EventState, Seq, Topic};

/// By how much the store's time may be ahead of a caller's.
const OVERTAKEN: Duration = Duration::from_secs(60);

/// Questions about one moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask(pub(super) Vec<Arg>);

impl Ask {
    /// Of nothing but what every step goes by.
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    pub(super) fn gate(self) -> Self {
        self.with(["gate".into()])
    }

    pub(super) fn lane(self, name: Name) -> Self {
        self.with(["lane".into(), name.as_slice().into()])
    }

    /// Whose a name is.
    pub(super) fn named(self, name: Name) -> Self {
        self.with(["named".into(), name.as_slice().into()])
    }

    pub(super) fn memo(self, topic: Topic, key: &str) -> Self {
        self.with(["memo".into(), <&str>::from(topic).into(), key.into()])
    }

    pub(super) fn memos(self, topic: Topic) -> Self {
        self.with(["memos".into(), <&str>::from(topic).into()])
    }

    pub(super) fn ready(self) -> Self {
        self.with(["ready".into()])
    }

    pub(super) fn claim(self, now: Timestamp, reap: i64, promote: i64, verify: i64) -> Self {
        self.with(["claim".into(), nanos(now).into(), reap.into(), promote.into(), verify.into()])
    }

    pub(super) fn heads(self, line: i64, count: i64) -> Self {
        self.with(["heads".into(), line.into(), count.into()])
    }

    pub(super) fn leased(self, count: i64) -> Self {
        self.with(["leased".into(), count.into()])
    }

    /// Who has a lead to himself: `set` is that of the lead.
    pub(super) fn users(self, set: &str) -> Self {
        self.with(["users".into(), set.into()])
    }

    /// Who knows a lead.
    pub(super) fn knowing(self, lead: Name) -> Self {
        self.with(["knowing".into(), lead.as_slice().into()])
    }

    pub(super) fn parked(self, count: i64) -> Self {
        self.with(["parked".into(), count.into()])
    }

    pub(super) fn known(self, id: EventId) -> Self {
        self.with(["known".into(), id.as_bytes().as_slice().into()])
    }

    pub(super) fn receipt(self, seq: Seq) -> Self {
        self.with(["receipt".into(), int(seq).into()])
    }

    pub(super) fn fetched(self, seq: Seq) -> Self {
        self.with(["fetched".into(), int(seq).into()])
    }

    pub(super) fn payload(self, seq: Seq) -> Self {
        self.with(["payload".into(), int(seq).into()])
    }

    pub(super) fn waits(self, place: u64) -> Self {
        self.with(["waits".into(), int(place).into()])
    }

    pub(super) fn webhook(self, place: u64) -> Self {
        self.with(["webhook".into(), int(place).into()])
    }

    pub(super) fn old_events(self, now: Timestamp, enough: i64) -> Self {
        self.with(["old_events".into(), hour(now + OVERTAKEN).into(), enough.into()])
    }

    pub(super) fn old_lanes(self, now: Timestamp, enough: i64) -> Self {
        self.with(["old_lanes".into(), hour(now + OVERTAKEN).into(), enough.into()])
    }

    pub(super) fn past(self, name: Name, before: Seq, most: i64) -> Self {
        self.with(["past".into(), name.as_slice().into(), int(before).into(), most.into()])
    }

    pub(super) fn dead(self, name: Name) -> Self {
        self.with(["dead".into(), name.as_slice().into()])
    }

    pub(super) fn incidents(self) -> Self {
        self.with(["incidents".into()])
    }

    pub(super) fn sources(self) -> Self {
        self.with(["sources".into()])
    }

    pub(super) fn since(self) -> Self {
        self.with(["since".into()])
    }

    pub(super) fn held(self, seq: Seq) -> Self {
        self.with(["held".into(), int(seq).into()])
    }

    pub(super) fn numbers(self) -> Self {
        self.with(["numbers".into()])
    }

    fn with<const N: usize>(mut self, args: [Arg; N]) -> Self {
        self.0.extend(args);
        self
    }
}

/// One atomic step: what must not have moved, and what is done.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    pub(super) checks: Vec<Arg>,
    pub(super) does: Vec<Arg>,
    /// A claim may give more then.
    pub(super) pulse: bool,
}

impl Step {
    /// One after which a claim may give more.
    pub(super) fn that_tells() -> Self {
        Self { pulse: true, ..Self::default() }
    }

    pub(super) fn check_gate(&mut self, revision: i64) {
        self.check(["gate?".into(), revision.into()]);
    }

    /// `before` is what was read; nothing, if it is to be new.
    pub(super) fn check_lane(&mut self, name: Name, before: Option<Bytes>) {
        self.check(["lane?".into(), name.as_slice().into(), before.unwrap_or_default().into()]);
    }

    pub(super) fn check_seq(&mut self, next: Seq) {
        self.check(["seq?".into(), int(next).into()]);
    }

    /// Nobody has been given another name since.
    pub(super) fn check_names(&mut self, revision: i64) {
        self.check(["names?".into(), revision.into()]);
    }

    /// `lanes` are those that know a lead, as they are kept.
    pub(super) fn check_knowing(&mut self, lead: Name, lanes: Bytes) {
        self.check(["knowing?".into(), lead.as_slice().into(), lanes.into()]);
    }

    pub(super) fn check_memo(&mut self, topic: Topic, key: &str, was: Option<&Bytes>) {
        let was = was.cloned().unwrap_or_default();
        self.check(["memo?".into(), <&str>::from(topic).into(), key.into(), was.into()]);
    }

    pub(super) fn check_webhook(&mut self, place: u64) {
        self.check(["webhook?".into(), int(place).into()]);
    }

    pub(super) fn check_state(&mut self, seq: Seq, state: EventState) {
        self.check(["state?".into(), int(seq).into(), (state as i64).into()]);
    }

    pub(super) fn gate(&mut self, record: String) {
        self.r#do(["gate".into(), record.into()]);
    }

    pub(super) fn permit(&mut self, id: u64, until: String) {
        self.r#do(["permit".into(), int(id).into(), until.into()]);
    }

    pub(super) fn no_permit(&mut self, id: u64) {
        self.r#do(["no_permit".into(), int(id).into()]);
    }

    pub(super) fn back(&mut self, back: i64, clock: Timestamp) {
        self.r#do(["back".into(), back.into(), nanos(clock).into()]);
    }

    pub(super) fn lane(&mut self, name: Name, record: Bytes) {
        self.r#do(["lane".into(), name.as_slice().into(), record.into()]);
    }

    pub(super) fn no_lane(&mut self, name: Name) {
        self.r#do(["no_lane".into(), name.as_slice().into()]);
    }

    pub(super) fn put(&mut self, set: &str, score: i64, name: Name) {
        self.r#do(["put".into(), set.into(), score.into(), name.as_slice().into()]);
    }

    pub(super) fn take(&mut self, set: &str, name: Name) {
        self.r#do(["take".into(), set.into(), name.as_slice().into()]);
    }

    /// A lane knows a lead.
    pub(super) fn list(&mut self, lead: Name, lane: Name) {
        self.r#do(["list".into(), lead.as_slice().into(), lane.as_slice().into()]);
    }

    /// Or knows it no more.
    pub(super) fn unlist(&mut self, lead: Name, lane: Name) {
        self.r#do(["unlist".into(), lead.as_slice().into(), lane.as_slice().into()]);
    }

    /// Every lane is listed under its lead.
    pub(super) fn all_listed(&mut self) {
        self.r#do(["all_listed".into()]);
    }

    pub(super) fn count(&mut self, field: &str, by: i64) {
        self.r#do(["count".into(), field.into(), by.into()]);
    }

    /// A past event of a lane goes beside its record.
    pub(super) fn lay_beside(&mut self, name: Name, seq: Seq) {
        self.r#do(["put".into(), beside(name).into(), int(seq).into(), int(seq).into()]);
    }

    pub(super) fn take_from_beside(&mut self, name: Name, seq: Seq) {
        self.r#do(["take".into(), beside(name).into(), int(seq).into()]);
    }

    pub(super) fn event(&mut self, state: EventState, born: Vec<u8>, stand: Vec<u8>, payload: Vec<u8>, size: usize) {
        let size = int(size as u64);
        self.r#do(["event".into(), (state as i64).into(), born.into(), stand.into(), payload.into(), size.into()]);
    }

    /// `released` true: from now on; false: as before.
    pub(super) fn turn(&mut self, seq: Seq, to: EventState, released: bool, stand: Vec<u8>) {
        let released: &[u8] = if released { &[1] } else { &[] };
        self.r#do(["turn".into(), int(seq).into(), (to as i64).into(), released.into(), stand.into()]);
    }

    pub(super) fn let_go(&mut self, seq: Seq, to: EventState, not_before: Timestamp, stand: Vec<u8>) {
        let not_before = nanos(not_before).to_be_bytes();
        self.r#do(["let_go".into(), int(seq).into(), (to as i64).into(), not_before.as_slice().into(), stand.into()]);
    }

    pub(super) fn rename(&mut self, seq: Seq, id: EventId) {
        self.r#do(["rename".into(), int(seq).into(), id.as_bytes().as_slice().into()]);
    }

    pub(super) fn take_out(&mut self, place: u64) {
        self.r#do(["take_out".into(), int(place).into()]);
    }

    pub(super) fn bury_whole(&mut self, place: u64, born: Vec<u8>, stand: Vec<u8>) {
        self.r#do(["bury_whole".into(), int(place).into(), born.into(), stand.into()]);
    }

    pub(super) fn sort_again(&mut self, seq: Seq) {
        self.r#do(["sort_again".into(), int(seq).into()]);
    }

    pub(super) fn fetched(&mut self, seq: Seq, answer: Bytes) {
        self.r#do(["fetched".into(), int(seq).into(), answer.into()]);
    }

    pub(super) fn forget(&mut self, seq: Seq, hour: i64) {
        self.r#do(["forget".into(), int(seq).into(), hour.into()]);
    }

    pub(super) fn put_down(&mut self, name: Name, hour: i64) {
        self.r#do(["put_down".into(), name.as_slice().into(), hour.into()]);
    }

    pub(super) fn take_up(&mut self, name: Name, hour: i64) {
        self.r#do(["take_up".into(), name.as_slice().into(), hour.into()]);
    }

    pub(super) fn trace(&mut self, name: Name) {
        self.r#do(["trace".into(), name.as_slice().into()]);
    }

    pub(super) fn incident(&mut self, of: Name, record: Vec<u8>) {
        self.r#do(["incident".into(), of.as_slice().into(), record.into()]);
    }

    pub(super) fn dismiss(&mut self, which: Option<Name>) {
        let which = which.map_or(Vec::new(), |name| name.to_vec());
        self.r#do(["dismiss".into(), which.into()]);
    }

    /// `name` is another name of a lane; or was one, which nobody has now.
    pub(super) fn name(&mut self, name: Name, lane: Name, past: bool) {
        let alias = [lane.as_slice(), &[u8::from(past)]].concat();
        self.r#do(["name".into(), name.as_slice().into(), alias.into()]);
    }

    pub(super) fn no_name(&mut self, name: Name) {
        self.r#do(["no_name".into(), name.as_slice().into()]);
    }

    pub(super) fn memo(&mut self, topic: Topic, key: &str, value: Bytes) {
        self.r#do(["memo".into(), <&str>::from(topic).into(), key.into(), value.into()]);
    }

    pub(super) fn source(&mut self, name: &SourceName, since: Timestamp) {
        self.r#do(["source".into(), name.as_str().into(), nanos(since).into()]);
    }

    /// An event of another store; `payload` and `fetched` as they are kept.
    pub(super) fn bring(
        &mut self,
        seq: Seq,
        state: EventState,
        receipt: [Vec<u8>; 2],
        held: [Option<Vec<u8>>; 2],
        hour: Option<i64>,
    ) {
        let [born, rest] = receipt;
        let held = held.map(|bytes| bytes.map_or(Vec::new(), |bytes| [&[1], bytes.as_slice()].concat()));
        let [payload, fetched] = held;
        let hour = hour.map_or(String::new(), |hour| hour.to_string());
        let place = [int(seq).into(), (state as i64).into(), born.into(), rest.into()];
        self.does.push("bring".into());
        self.does.extend(place);
        self.does.extend([payload.into(), fetched.into(), hour.into()]);
    }

    /// A webhook of another store.
    pub(super) fn put_in(&mut self, place: u64, webhook: Vec<u8>) {
        self.r#do(["put_in".into(), int(place).into(), webhook.into()]);
    }

    /// All of another store is there.
    pub(super) fn whole(&mut self, next_place: u64, next_seq: Seq, sorted: u64, gone: u64) {
        let numbers = [next_place, next_seq, sorted, gone].map(|number| Arg::from(int(number)));
        self.does.push("whole".into());
        self.does.extend(numbers);
    }

    pub(super) fn in_hand(&mut self, most_bytes: usize, events: &[Seq]) {
        self.r#do(["in_hand".into(), int(most_bytes as u64).into(), int(events.len() as u64).into()]);
        self.does.extend(events.iter().map(|seq| Arg::from(int(*seq))));
    }

    fn check<const N: usize>(&mut self, args: [Arg; N]) {
        self.checks.extend(args);
    }

    fn r#do<const N: usize>(&mut self, args: [Arg; N]) {
        self.does.extend(args);
    }
}

fn beside(name: Name) -> Vec<u8> {
    [b"a:".as_slice(), &name].concat()
}
