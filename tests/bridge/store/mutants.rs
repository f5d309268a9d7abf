//! The net must bark at the scripts, too: each of these changes one line of a script on its way to the server, and the
//! cases that hold the promise behind that line have to fail.
//!
//! A relay stands between the bridge and its Redis. It replaces the line when the script is loaded, and from then on the
//! script's digest by that of what was loaded.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::thread;

use konektor_bridge::store::{Options, Sorted, StoreError};

use super::map::{Case, case};
use super::{
    Backend, Bed, Home, UNDER_TEST, arrows, bed, clocks, fences, heard, inbox, item, landing, limits, people, races,
    run, unreadable,
};

/// A line of a script, and what stands there instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mutant {
    line: &'static str,
    instead: &'static str,
}

/// What the relay goes by.
struct Swap {
    mutant: Mutant,
    digests: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
    changed: Mutex<bool>,
}

/// A relay in front of a server. Its threads end with the server.
#[derive(Clone)]
pub(super) struct Relay {
    pub(super) port: u16,
    swap: Arc<Swap>,
}

impl Relay {
    pub(super) fn before(server: u16, mutant: Mutant) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let swap = Arc::new(Swap { mutant, digests: Mutex::default(), changed: Mutex::default() });
        let swapping = Arc::clone(&swap);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
                carry(client, server, &swapping);
            }
        });
        Self { port, swap }
    }

    /// Whether the line was there.
    pub(super) fn has_changed(&self) -> bool {
        *self.swap.changed.lock().unwrap()
    }
}

/// Passes commands on, one by one, and answers as they come.
fn carry(client: TcpStream, server: TcpStream, swap: &Arc<Swap>) {
    let (mut answers, mut back) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let swapped = Arc::clone(swap);
    thread::spawn(move || {
        let mut bytes = vec![0; 1 << 16];
        // Either end may go at any time.
        while let Ok(count @ 1..) = answers.read(&mut bytes) {
            if back.write_all(&swapped.change_back(&bytes[..count])).is_err() {
                break;
            }
        }
        let _closed = back.shutdown(Shutdown::Both);
    });
    let (mut commands, mut server, swap) = (BufReader::new(client), server, Arc::clone(swap));
    thread::spawn(move || {
        while let Some(words) = command(&mut commands) {
            if server.write_all(&as_sent(swap.change(words))).is_err() {
                break;
            }
        }
        let _closed = server.shutdown(Shutdown::Both);
    });
}

impl Swap {
    fn change(&self, mut words: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        let is = |word: &[u8], name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is(&words[0], "SCRIPT") && is(&words[1], "LOAD") {
            let text = String::from_utf8(words[2].clone()).unwrap();
            if text.contains(self.mutant.line) {
                let other = text.replace(self.mutant.line, self.mutant.instead);
                let digest = |text: &str| redis::Script::new(text).get_hash().as_bytes().to_vec();
                self.digests.lock().unwrap().insert(digest(&text), digest(&other));
                *self.changed.lock().unwrap() = true;
                words[2] = other.into_bytes();
            }
        } else if is(&words[0], "EVALSHA")
            && let Some(other) = self.digests.lock().unwrap().get(&words[1])
        {
            words[1].clone_from(other);
        }
        words
    }
}

impl Swap {
    /// Who has loaded a script wants to hear its own digest. That answer comes alone, so it is in one piece.
    fn change_back(&self, answer: &[u8]) -> Vec<u8> {
        let mut answer = answer.to_vec();
        for (own, other) in &*self.digests.lock().unwrap() {
            if let Some(at) = answer.windows(other.len()).position(|part| part == other) {
                answer[at..at + own.len()].copy_from_slice(own);
            }
        }
        answer
    }
}

/// The words of the next command: a list of strings, each after its length.
fn command(stream: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let count = length(stream, '*')?;
    let word = |_| {
        let mut word = vec![0; length(stream, '$')? + 2];
        stream.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        Some(word)
    };
    (0..count).map(word).collect()
}

fn length(stream: &mut impl BufRead, kind: char) -> Option<usize> {
    let mut line = String::new();
    stream.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(kind)?.parse().ok()
}

fn as_sent(words: Vec<Vec<u8>>) -> Vec<u8> {
    let mut sent = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        sent.extend(format!("${}\r\n", word.len()).bytes());
        sent.extend(word);
        sent.extend(b"\r\n");
    }
    sent
}

/// What must go all the same: otherwise the script is only broken, and every case would fail.
async fn goes(bed: &Bed) -> Result<(), StoreError> {
    bed.store.keep(bed.webhook("webhook")).await?;
    let record = bed.store.unsorted(0, 1).await?.remove(0);
    let sorted = Sorted { split: Ok(vec![item("ann", "1")]), ..unreadable(record.place) };
    bed.store.sort(vec![sorted], bed.now()).await?;
    let claimed = bed.claim().await;
    let _begun = bed.begin(&claimed).await;
    bed.deliver(&claimed).await;
    Ok(())
}

/// How often a case is tried: what only several at once can show, they do not show each time.
const TRIES: usize = 30;

/// Each of `cases` must fail when `line` is replaced.
fn barks(line: &'static str, instead: &'static str, cases: Vec<Case>) {
    let backend = Backend::Mutant(Mutant { line, instead });
    let home = Home::of(backend);
    run(async { goes(&bed(backend, &home, Options::default())).await.unwrap() });
    let relay = home.redis.as_ref().and_then(|redis| redis.relay.as_ref()).expect("it is in between");
    assert!(relay.has_changed(), "no script has the line {line:?}");
    UNDER_TEST.set(vec![backend]);
    for Case { name, run } in cases {
        let misses = (0..TRIES).any(|_| catch_unwind(AssertUnwindSafe(&run)).is_err());
        assert!(misses, "{name} does not miss {line:?}");
    }
}

#[test]
fn without_looking_whether_anything_has_moved_the_suite_fails() {
    barks(
        "return (lane_of(ARGV[at]) or '') == ARGV[at + 1], at + 2",
        "return true, at + 2",
        vec![case(races::of_two_ends_of_an_attempt_at_once_one_counts)],
    );
    barks(
        "return (call('HGET', key('m'), 'gate') or '0') == ARGV[at], at + 1",
        "return true, at + 1",
        vec![case(races::calls_at_once_take_no_more_permits_than_there_are)],
    );
    barks(
        "return call('HEXISTS', key('in'), ARGV[at]) == 1, at + 1\nend\n\nchecks",
        "return true, at + 1\nend\n\nchecks",
        vec![case(races::a_record_of_a_known_event_is_a_duplicate_once_whoever_finds_that)],
    );
    barks(
        "return (call('HGET', key('memo:' .. ARGV[at]), ARGV[at + 1]) or '') == ARGV[at + 2], at + 3",
        "return true, at + 3",
        vec![case(races::of_many_who_note_the_same_at_once_one_is_the_first)],
    );
}

#[test]
fn without_what_an_event_is_known_by_the_suite_fails() {
    let cases = || {
        vec![
            case(inbox::the_same_event_twice_is_one_event),
            case(fences::a_webhook_kept_twice_is_sorted_into_one_event),
        ]
    };
    let payload = "call('HSET', key('b:' .. slab), text(seq), payload)";
    barks(
        "call('HSET', place, field, text(seq))\n  call('HSET', key('b:' .. slab), text(seq), payload)",
        payload,
        cases(),
    );
    barks("return { seq, receipt_of(tonumber(seq)) or '' }, at + 1", "return false, at + 1", cases());
    barks(
        "  if call('HGET', place, field) == text(seq) then\n    call('HDEL', place, field)",
        "  if false then",
        vec![case(clocks::receipts_and_idle_lanes_are_forgotten_in_time_and_nothing_undelivered_is)],
    );
}

#[test]
fn without_an_inbox_that_is_emptied_and_has_an_end_the_suite_fails() {
    barks(
        "call('HDEL', key('in'), place)",
        "",
        vec![case(inbox::sorting_takes_the_record_out_and_puts_all_its_items_into_their_lanes)],
    );
    barks(
        "if events + added >= most_events then",
        "if false then",
        vec![case(inbox::a_full_store_refuses_webhooks_until_something_is_delivered)],
    );
    barks(
        "elseif bytes + weighs + weight > most_bytes then",
        "elseif false then",
        vec![case(inbox::bytes_are_counted_from_the_inbox_to_the_end)],
    );
}

#[test]
fn without_the_limit_and_the_pause_the_suite_fails() {
    barks(
        "call('HSET', key('p'), ARGV[at], ARGV[at + 1])",
        "",
        vec![
            case(limits::the_first_call_goes_alone_and_its_answer_lets_the_others_go),
            case(limits::one_lease_may_take_one_more_permit),
        ],
    );
    barks(
        "call('SET', key('g'), ARGV[at])",
        "",
        vec![
            case(limits::a_429_stops_all_claims_until_it_is_over),
            case(limits::what_a_person_stopped_only_a_person_starts),
        ],
    );
}

#[test]
fn without_leases_that_end_and_waits_that_are_over_the_suite_fails() {
    barks(
        "lanes_of(call('ZRANGEBYSCORE', key('lease'), '-inf', bound, 'LIMIT', 0, reap))",
        "{}",
        vec![
            case(fences::a_stale_fence_settles_nothing),
            case(fences::a_worker_that_dies_after_its_intent_leaves_a_search),
        ],
    );
    barks(
        "lanes_of(call('ZRANGEBYSCORE', key('due'), '-inf', bound, 'LIMIT', 0, promote))",
        "{}",
        vec![case(arrows::a_retry_waits_counts_and_keeps_its_place)],
    );
    barks(
        "return lanes_of(call('ZRANGE', key('lease'), 0, ARGV[at] - 1)), at + 1",
        "return {}, at + 1",
        vec![case(fences::a_heartbeat_extends_what_is_held_tells_what_is_lost_and_frees_what_was_forgotten)],
    );
    barks(
        "return lanes_of(call('ZRANGE', key(ARGV[at]), 0, -1)), at + 1",
        "return {}, at + 1",
        vec![case(landing::of_two_lanes_of_one_lead_one_is_worked_on_at_a_time)],
    );
    let of_a_lead = || vec![case(heard::each_lane_of_a_lead_hears_what_all_others_have_told_it)];
    barks("    left[#left + 1] = lane", "", of_a_lead());
    barks("return { names, lanes_of(each_of(names)) }, at + 1", "return { names, {} }, at + 1", of_a_lead());
}

#[test]
fn without_what_is_counted_listed_and_let_go_the_suite_fails() {
    let any = || vec![case(arrows::a_new_lead_is_claimed_whole_and_ends_delivered)];
    barks("call('ZREM', key(ARGV[at]), ARGV[at + 1])", "", any());
    barks("  count('bytes', size)", "", vec![case(inbox::bytes_are_counted_from_the_inbox_to_the_end)]);
    barks("call('SETBIT', key('es' .. state .. ':' .. chunk), seq % CHUNK, bit)", "", any());
    barks("    call('HDEL', key('b:' .. slab), field)\n    call('HDEL', key('f:' .. slab), field)", "", any());
    barks(
        "put_down('ez', 'eh:', hour_of(when), text(seq))",
        "",
        vec![case(clocks::receipts_and_idle_lanes_are_forgotten_in_time_and_nothing_undelivered_is)],
    );
    barks(
        "call('ZADD', key('x:' .. owner), seq, text(seq))",
        "",
        vec![case(people::replaying_one_event_of_a_dead_lane_brings_all_of_them_back_once)],
    );
}
