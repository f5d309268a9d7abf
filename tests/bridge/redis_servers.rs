//! Redis servers for tests: on ports that are free, in directories of their own, ended with the test. The conformance suite
//! and the unit tests of `src/store/redis` share this file.
//!
//! Nothing here sleeps: a server says in its log when it is ready, and that is waited for, with a bound.
#![expect(dead_code, reason = "each of the two that share it uses a part")]

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// The longest that anything may take here; the machine may be busy.
const WITHIN: Duration = Duration::from_secs(30);

/// A file system in memory. A server that is killed loses nothing of it, and a disk that others keep busy may take seconds
/// for each write.
const MEMORY: &str = "/dev/shm";

/// How often a port that somebody else was faster to take is replaced.
const TRIES: u32 = 20;

/// A running `redis-server` or `redis-sentinel`.
pub(crate) struct Server {
    program: &'static str,
    child: Child,
    lines: Receiver<String>,
    directory: TempDir,
    settings: Vec<String>,
    pub(crate) port: u16,
}

/// Durable as the profile `fsync` wants it, and quick to start and end.
const DURABLE: &[&str] =
    &["appendonly yes", "appendfsync always", "maxmemory-policy noeviction", "save \"\"", "repl-diskless-sync-delay 0"];

impl Server {
    /// A primary that has on disk what it has answered, with more lines of configuration.
    pub(crate) fn start(more: &[&str]) -> Self {
        Self::of("redis-server", "Ready to accept connections", |_| {
            DURABLE.iter().chain(more).map(ToString::to_string).collect()
        })
    }

    /// A server with these lines of configuration and no others.
    pub(crate) fn of_settings(lines: &[&str]) -> Self {
        Self::of("redis-server", "Ready to accept connections", |_| lines.iter().map(ToString::to_string).collect())
    }

    /// A primary that also listens for TLS, on the port that is given with it. `certificate` is a directory that has
    /// `cert.pem` and `key.pem`.
    pub(crate) fn with_tls(certificate: &Path) -> (Self, u16) {
        let file = |name: &str| certificate.join(name).display().to_string();
        let server = Self::of("redis-server", "Ready to accept connections", |port| {
            let own = [
                format!("tls-port {port}"),
                format!("tls-cert-file {}", file("cert.pem")),
                format!("tls-key-file {}", file("key.pem")),
                "tls-auth-clients no".to_owned(),
            ];
            DURABLE.iter().map(ToString::to_string).chain(own).collect()
        });
        let port = server.settings.iter().find_map(|line| line.strip_prefix("tls-port ")?.parse().ok());
        let port = port.expect("it has one");
        (server, port)
    }

    /// A replica of `primary`, in step with it.
    pub(crate) fn replica_of(primary: &Self, more: &[&str]) -> Self {
        let of = format!("replicaof 127.0.0.1 {}", primary.port);
        let more: Vec<_> = more.iter().copied().chain([of.as_str()]).collect();
        let replica = Self::start(&more);
        replica.has_logged("Finished with success");
        replica.comes_into_step_with(primary);
        replica
    }

    /// Waits until it gets what is written to `primary`. That is online before: the first write comes when the replica has
    /// loaded everything and spoken after that, once a second; till then it counts for nothing.
    pub(crate) fn comes_into_step_with(&self, primary: &Self) {
        primary.says(&["SET", "in step", "yes"]);
        self.comes_to_say(&["GET", "in step"], "yes");
        primary.says(&["DEL", "in step"]);
    }

    /// A sentinel that watches `primary` under the name `mymaster`, alone, is quick to judge, and knows its replica well
    /// enough to promote it.
    pub(crate) fn sentinel_of(primary: &Self) -> Self {
        let watched = format!("sentinel monitor mymaster 127.0.0.1 {} 1", primary.port);
        let quick = ["sentinel down-after-milliseconds mymaster 500", "sentinel failover-timeout mymaster 5000"];
        let sentinel = Self::of("redis-sentinel", "+monitor master", |_| {
            std::iter::once(watched.as_str()).chain(quick).map(str::to_owned).collect()
        });
        let hurry = ["SENTINEL", "DEBUG", "info-period", "200", "ping-period", "200", "default-down-after", "500"];
        assert_eq!(sentinel.says(&hurry), "+OK");
        sentinel.comes_to_say(&["SENTINEL", "REPLICAS", "mymaster"], "master-link-status\r\n$2\r\nok");
        sentinel
    }

    /// A node of a cluster to be: see [`cluster`].
    fn node() -> Self {
        Self::of("redis-server", "Ready to accept connections", |bus| {
            let of_a_node = [
                "cluster-enabled yes".to_owned(),
                format!("cluster-port {bus}"),
                "cluster-node-timeout 2000".to_owned(),
            ];
            DURABLE.iter().map(ToString::to_string).chain(of_a_node).collect()
        })
    }

    /// Starts a server once its port is its own. `settings` gets a second port.
    fn of(program: &'static str, ready: &str, settings: impl Fn(u16) -> Vec<String>) -> Self {
        for _ in 0..TRIES {
            let [port, second] = free_ports();
            let directory = directory();
            let settings = settings(second);
            let (child, lines) = spawn(program, directory.path(), port, &settings);
            let server = Self { program, child, lines, directory, settings, port };
            if server.logs(ready) {
                return server;
            }
        }
        panic!("{program} does not start");
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Runs a command, and gives the answer as it is on the wire.
    #[track_caller]
    pub(crate) fn says(&self, words: &[&str]) -> String {
        ask(self.port, words).unwrap_or_else(|error| panic!("{words:?}: {error}"))
    }

    /// Asks until the answer holds `text`.
    #[track_caller]
    pub(crate) fn comes_to_say(&self, words: &[&str], text: &str) {
        let limit = Instant::now() + WITHIN;
        // Whoever loses its rank closes its connections meanwhile.
        while !ask(self.port, words).is_ok_and(|answer| answer.contains(text)) {
            assert!(Instant::now() < limit, "{words:?} never gives {text:?}");
        }
    }

    /// Waits for a line of its log.
    #[track_caller]
    pub(crate) fn has_logged(&self, text: &str) {
        assert!(self.logs(text), "{} never says {text:?}", self.program);
    }

    fn logs(&self, text: &str) -> bool {
        while let Ok(line) = self.lines.recv_timeout(WITHIN) {
            if line.contains(text) {
                return true;
            }
        }
        false
    }

    /// Stops it in the middle of whatever it does; [`Server::goes_on`] ends that.
    pub(crate) fn freezes(&self) {
        self.signal("-STOP");
    }

    /// Ends [`Server::freezes`].
    pub(crate) fn goes_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let told = Command::new("kill").args([signal, &self.pid().to_string()]).status().expect("kill can be run");
        assert!(told.success(), "kill {signal}");
    }

    /// `kill -9`.
    pub(crate) fn dies(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }

    /// Starts it again on the same port with the same data.
    pub(crate) fn comes_back(&mut self) {
        for _ in 0..TRIES {
            (self.child, self.lines) = spawn(self.program, self.directory.path(), self.port, &self.settings);
            if self.logs("Ready to accept connections") {
                return;
            }
        }
        panic!("{} does not come back", self.program);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// In memory where that can be: what a server has written outlives its death there, too, and nobody waits for a disk that
/// others keep busy.
fn directory() -> TempDir {
    TempDir::new_in(MEMORY).or_else(|_| TempDir::new()).expect("there is room for a directory")
}

/// Three primaries that share the slots.
pub(crate) fn cluster() -> [Server; 3] {
    let nodes = [Server::node(), Server::node(), Server::node()];
    for (node, slots) in nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")]) {
        assert_eq!(node.says(&["CLUSTER", "ADDSLOTSRANGE", slots.0, slots.1]), "+OK");
    }
    for node in &nodes[1..] {
        let bus = nodes[0].settings.iter().find_map(|line| line.strip_prefix("cluster-port ")).expect("it has one");
        assert_eq!(node.says(&["CLUSTER", "MEET", "127.0.0.1", &nodes[0].port.to_string(), bus]), "+OK");
    }
    nodes.iter().for_each(|node| node.has_logged("Cluster state changed: ok"));
    nodes
}

fn spawn(program: &str, directory: &Path, port: u16, settings: &[String]) -> (Child, Receiver<String>) {
    let own = [
        format!("port {port}"),
        "bind 127.0.0.1".into(),
        format!("dir {}", directory.display()),
        "logfile \"\"".into(),
    ];
    let file = directory.join("redis.conf");
    // A sentinel writes into its file what it has learnt, and a server that comes back is given the same again.
    if !file.exists() {
        let text: String = own.iter().chain(settings).flat_map(|line| [line.as_str(), "\n"]).collect();
        std::fs::write(&file, text).expect("there is room for a file");
    }
    let mut child = Command::new(program)
        .arg(&file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| {
            panic!("{program} cannot be run ({error}); tests/run installs it (Debian: redis-server, redis-sentinel)")
        });
    let log = BufReader::new(child.stdout.take().expect("it is piped"));
    let (sender, lines) = channel();
    // It is read to its end, for the server would wait with a full pipe.
    std::thread::spawn(move || log.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line))));
    (child, lines)
}

/// Ports that nobody has at this moment.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("there is a free port"));
    listeners.map(|listener| listener.local_addr().expect("it is bound").port())
}

/// One command and its answer.
fn ask(port: u16, words: &[&str]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(WITHIN))?;
    let command: String = words.iter().map(|word| format!("${}\r\n{word}\r\n", word.len())).collect();
    write!(stream, "*{}\r\n{command}", words.len())?;
    answer(&mut BufReader::new(stream))
}

/// An answer as it is on the wire, without its last line end.
fn answer(stream: &mut impl BufRead) -> std::io::Result<String> {
    let mut line = String::new();
    stream.read_line(&mut line)?;
    let line = line.trim_end();
    let (kind, count) = (line.chars().next(), line.get(1..).and_then(|count| count.parse::<usize>().ok()));
    match (kind, count) {
        (Some('$'), Some(count)) => {
            let mut text = vec![0; count + 2];
            stream.read_exact(&mut text)?;
            Ok(format!("{line}\r\n{}", String::from_utf8_lossy(&text[..count])))
        }
        (Some('*'), Some(count)) => {
            let parts = (0..count).map(|_| answer(stream)).collect::<std::io::Result<Vec<_>>>()?;
            Ok(std::iter::once(line.to_owned()).chain(parts).collect::<Vec<_>>().join("\r\n"))
        }
        _ => Ok(line.to_owned()),
    }
}
