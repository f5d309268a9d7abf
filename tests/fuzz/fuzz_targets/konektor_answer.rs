//! Konektor's answers: any status and body, to each kind of request; and over a socket, with any of the headers that are
//! read. The first two bytes are the status; then a line of header values (a tab between them), and the body.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz konektor_answer` from the top of the repository.

#![no_main]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::domain::lead::LeadId;
use konektor_bridge::konektor::{CALL_TIMEOUT, Client, RateLimit, Request, judge};
use konektor_bridge::store::{Class, Limiter, Observation, RateHeaders, Take};
use konektor_bridge_fuzz::KONEKTOR_HEADERS;
use libfuzzer_sys::fuzz_target;
use tokio::runtime::{Builder, Runtime};

/// What the next call is answered, on the wire.
static NEXT: Mutex<Vec<u8>> = Mutex::new(Vec::new());
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be started")
});
static CLIENT: LazyLock<Client> = LazyLock::new(|| {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("it has one"));
    std::thread::spawn(move || {
        listener.incoming().flatten().for_each(|stream| drop(std::thread::spawn(|| serve(stream))))
    });
    Client::new(&base.parse().expect("it is a URL"), Arc::new(|| "a-key".to_owned().into())).expect("it can be set up")
});

/// Answers the calls on one connection, which the client keeps: they have no bodies.
fn serve(mut stream: TcpStream) {
    let (mut asked, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        asked.extend_from_slice(&piece[..length]);
        if asked.ends_with(b"\r\n\r\n") {
            asked.clear();
            let answer = NEXT.lock().expect("nobody panics with it").clone();
            if stream.write_all(&answer).is_err() {
                return;
            }
        }
    }
}

/// An answer on the wire, with what a header can hold of `values`.
fn answer(status: u16, values: &[u8], body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status} \r\ncontent-length: {}\r\n", body.len()).into_bytes();
    for (name, value) in KONEKTOR_HEADERS.iter().zip(values.split(|byte| *byte == b'\t')) {
        answer.extend_from_slice(name.as_bytes());
        answer.extend_from_slice(b": ");
        answer.extend(value.iter().filter(|byte| !byte.is_ascii_control()));
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"\r\n");
    answer.extend_from_slice(body);
    answer
}

/// Shows a limiter what was said of the rate: calls go on within two hours, and it remembers no more than it can hold.
fn limit(rate: RateLimit, now: Timestamp) {
    let RateLimit { limit, remaining, reset, retry_after } = rate;
    for throttled in [false, true] {
        let mut limiter = Limiter::new(CALL_TIMEOUT);
        let Take::Granted(permit) = limiter.take(Class::New, now) else { panic!("nothing stands against the first") };
        let headers = RateHeaders { limit, remaining, reset, retry_after, throttled };
        limiter.observe(permit, Observation::Answered(headers), now);
        let later = now + Duration::from_hours(2);
        assert!(matches!(limiter.take(Class::Bulk, later), Take::Granted(_)), "no header stops delivery for good");
    }
}

fuzz_target!(|input: (u16, &[u8])| {
    let (status, rest) = input;
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (values, body) = end.map_or((rest, &[][..]), |end| (&rest[..end], &rest[end + 1..]));
    let id = LeadId("lead_1".to_owned());
    let requests = [
        Request::Create(Box::default()),
        Request::Update(id.clone(), Box::default()),
        Request::Get(id),
        Request::search("x"),
        Request::Probe,
        Request::ProbeWrite,
        Request::Workspace,
    ];
    for request in requests {
        drop(judge(&request, status, body));
    }
    // Others are followed by another answer, or have no body by definition.
    if !(200..1000).contains(&status) || matches!(status, 204 | 304) {
        return;
    }
    let now = Timestamp::from_second(1_795_450_000).expect("a time");
    *NEXT.lock().expect("nobody panics with it") = answer(status, values, body);
    let heard = RUNTIME.block_on(CLIENT.call(&Request::Probe, now));
    assert_eq!(heard.status, Some(status), "an answer is an answer, whatever its headers say: {:?}", heard.verdict);
    assert_eq!(heard.verdict, judge(&Request::Probe, status, body));
    assert!(heard.request_id.is_none_or(|id| id.chars().count() <= 100), "it fits a line of the log");
    limit(heard.rate, now);
});
