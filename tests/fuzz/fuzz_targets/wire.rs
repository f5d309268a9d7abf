//! The listeners: any bytes to the public side, the admin side and the sandbox, over a socket. Whatever they are, the
//! connection comes to its end, and the next request is answered. The first byte says to whom.
//!
//! Run with `cargo +nightly fuzz run --fuzz-dir tests/fuzz wire` from the top of the repository.

#![no_main]

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use konektor_bridge::app::bridge::{Bridge, Deliver, Start};
use konektor_bridge::clock::ManualClock;
use konektor_bridge::config::{self, Environment};
use konektor_bridge::sandbox;
use konektor_bridge::store::{MemoryStore, Options};
use libfuzzer_sys::fuzz_target;
use socket2::{Domain, Socket, Type};
use tokio::runtime::Runtime;

/// Requests that one bridge takes: what it has kept is in memory.
const REQUESTS: u32 = 20_000;
/// Longer than anything here may take that does not wait for more bytes.
const PATIENCE: Duration = Duration::from_secs(4);

const VARIABLES: &[(&str, &str)] = &[
    ("KONEKTOR_API_KEY", sandbox::DEFAULT_KEY),
    ("BRIDGE_LISTEN", "127.0.0.1:0"),
    ("BRIDGE_ADMIN_LISTEN", "127.0.0.1:0"),
    ("BRIDGE_TRUSTED_PROXIES", "127.0.0.0/8"),
    ("FORM_ALLOWED_ORIGINS", "https://shop.example.com"),
    ("META_APP_SECRET", "meta-app-secret-of-the-tests-0123456789"),
    ("META_VERIFY_TOKEN", "meta-verify-token-of-the-tests"),
    ("META_ACCESS_TOKEN", "meta-access-token-of-the-tests"),
    ("GENERIC_TOKEN", "generic-token-of-the-tests-0123456789"),
    ("FONNTE_TOKEN", "fonnte-token-of-the-tests-0123456789"),
    ("STANDARD_WEBHOOKS_SECRET", "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="),
];

/// A bridge in front of a sandbox.
struct Running {
    bridge: Bridge,
    sandbox: sandbox::Running,
    requests: u32,
}

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    // The addresses of clients are only looked at for lines of this level.
    tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).with_writer(std::io::sink).init();
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads can be started")
});
static RUNNING: LazyLock<Mutex<Option<Running>>> = LazyLock::new(Mutex::default);
static CLIENTS: AtomicU32 = AtomicU32::new(0);

async fn start() -> Running {
    let clock = Arc::new(ManualClock::at(Timestamp::UNIX_EPOCH));
    let sandbox = sandbox::start(sandbox::Settings { clock: clock.clone(), ..sandbox::Settings::default() });
    let sandbox = sandbox.expect("it starts");
    let variables = VARIABLES.iter().map(|(name, value)| (*name, (*value).to_owned()));
    let environment: Environment = variables.chain([("KONEKTOR_BASE_URL", sandbox.url())]).collect();
    let config = config::load(&environment).expect("the settings are right");
    let store = Arc::new(MemoryStore::new(Options::default()));
    let bridge = Bridge::start(Start { config, environment, store, clock, delivery: Deliver::ByHand }).await;
    Running { bridge: bridge.expect("it starts"), sandbox, requests: 0 }
}

fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    // The sandbox's own side can make it slow on purpose.
    if bytes.windows(8).any(|part| part.eq_ignore_ascii_case(b"/sandbox")) {
        return;
    }
    let mut running = RUNNING.lock().expect("nobody panics with it");
    if running.as_ref().is_some_and(|running| running.requests >= REQUESTS) {
        let Running { bridge, sandbox, .. } = running.take().expect("it runs");
        RUNTIME.block_on(async { (bridge.stop().await.expect("it stops"), sandbox.stop().await) });
    }
    let running = running.get_or_insert_with(|| RUNTIME.block_on(start()));
    running.requests += 1;
    let address = match which % 3 {
        0 => running.bridge.public_address(),
        1 => running.bridge.admin_address().expect("it is on"),
        _ => running.sandbox.address(),
    };
    talk(address, bytes);
    if running.requests % 256 == 0 {
        let answer = talk(address, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        assert!(answer.starts_with(b"HTTP/1.1 "), "it is there no more");
    }
});

/// Sends `bytes` and reads until the other side is done. Each client has an address of its own, for closed connections
/// keep theirs for a minute.
fn talk(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let client = Ipv4Addr::from(0x7f01_0000 + CLIENTS.fetch_add(1, Ordering::Relaxed) % 0x00f0_0000);
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    socket.bind(&SocketAddr::from((client, 0)).into()).expect("the whole of 127/8 is this machine");
    socket.connect(&address.into()).expect("somebody listens");
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    // It may hang up before it has heard all.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {
            panic!("it lets the connection hang")
        }
        Ok(_) | Err(_) => answer,
    }
}
