//! The connections that are kept: a few that all share, and some for those who wait for replicas.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use deadpool::Runtime;
use deadpool::managed::{Manager, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult};
use jiff::Timestamp;
use tokio::sync::Mutex;

use super::dial::{Door, Line, dial};
use super::{LinkError, RedisTies, find};

/// Shared connections. With `appendfsync always` a server reads from each only so much before it writes to disk, so that
/// several are faster than one (measured: `queue.md` §4, 8 connections).
const SHARED: usize = 8;

/// Connections for those who wait for replicas, each of which waits alone.
const OWN: usize = 16;

/// How long one of those is waited for.
const OWN_WITHIN: Duration = Duration::from_secs(1);

/// A server whose clock is off by more than this from what it was, or from that of the server before it, was set, or is
/// another one. A call that was made by the old time is not made then; within less, the store's own time evens it out.
const SET: Duration = Duration::from_secs(60);

/// All connections.
pub(super) struct Lines {
    dialler: Arc<Dialler>,
    shared: Vec<Mutex<Option<Line>>>,
    next: AtomicUsize,
    own: Pool<Own>,
}

/// Opens connections to whichever server is the primary.
struct Dialler {
    ties: RedisTies,
    root: String,
    /// Grows with each trouble: what was opened before is not used any more.
    age: AtomicU64,
    /// The server's time when it was last asked for, and when that was by this process.
    told: std::sync::Mutex<Option<(Timestamp, Instant)>>,
}

/// Opens connections for one caller each.
pub(super) struct Own(Arc<Dialler>);

impl Lines {
    pub(super) fn new(ties: RedisTies, root: &str) -> Self {
        let dialler = Arc::new(Dialler::new(ties, root));
        let own = Pool::builder(Own(Arc::clone(&dialler)))
            .max_size(OWN)
            .wait_timeout(Some(OWN_WITHIN))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("a pool with a runtime may have time-outs");
        let shared = (0..SHARED).map(|_| Mutex::new(None)).collect();
        Self { dialler, shared, next: AtomicUsize::new(0), own }
    }

    pub(super) fn ties(&self) -> &RedisTies {
        &self.dialler.ties
    }

    /// A connection that others use, too.
    pub(super) async fn shared(&self) -> Result<Line, LinkError> {
        let turn = self.next.fetch_add(1, Ordering::Relaxed);
        let mut place = self.shared[turn % SHARED].lock().await;
        if let Some(line) = place.as_ref().filter(|line| self.dialler.is_good(line)) {
            return Ok(line.clone());
        }
        let line = self.dialler.open().await?;
        *place = Some(line.clone());
        Ok(line)
    }

    /// A connection that nobody else uses.
    pub(super) async fn own(&self) -> Result<Object<Own>, LinkError> {
        self.own.get().await.map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Timeout(_) => LinkError::Slow,
            PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => LinkError::Resting,
        })
    }

    /// Asks for the server's time, and tells it.
    pub(super) async fn follow_time(&self) -> Result<(), LinkError> {
        let line = self.shared().await?;
        let (now, at) = line.clone().time().await.inspect_err(|_| self.renew(&line))?;
        self.dialler.tell(now, at)
    }

    /// There was trouble with `line`: it and all that were opened with it are used no more.
    pub(super) fn renew(&self, line: &Line) {
        let _newer = self.dialler.age.compare_exchange(line.age, line.age + 1, Ordering::Relaxed, Ordering::Relaxed);
    }
}

/// A connection for one look at the server.
pub(super) async fn open_once(ties: &RedisTies) -> Result<Line, LinkError> {
    Dialler::new(ties.clone(), &ties.root()).open().await
}

impl Dialler {
    fn new(ties: RedisTies, root: &str) -> Self {
        Self { ties, root: root.to_owned(), age: AtomicU64::new(0), told: std::sync::Mutex::default() }
    }

    async fn open(&self) -> Result<Line, LinkError> {
        let age = self.age.load(Ordering::Relaxed);
        let url = &self.ties.url;
        let host = find::primary(url, &self.root).await?;
        let connection = dial(&host, Door { tls: url.tls, login: &url.login, db: url.db }).await?;
        let (line, now, at) = Line::greet(connection, &self.root, age).await?;
        self.tell(now, at)?;
        Ok(line)
    }

    /// Passes the server's time on.
    fn tell(&self, now: Timestamp, at: Instant) -> Result<(), LinkError> {
        let before = self.told.lock().unwrap_or_else(PoisonError::into_inner).replace((now, at));
        (self.ties.on_time)(now, at);
        let off = before.map(|(then, when)| now.duration_since(then + at.duration_since(when)).unsigned_abs());
        if off > Some(SET) { Err(LinkError::Unready("its clock was set".into())) } else { Ok(()) }
    }

    fn is_good(&self, line: &Line) -> bool {
        line.age == self.age.load(Ordering::Relaxed)
    }
}

impl Manager for Own {
    type Type = Line;
    type Error = LinkError;

    async fn create(&self) -> Result<Line, LinkError> {
        self.0.open().await
    }

    /// Nothing is sent: a connection that has ended is noticed by who uses it, and that costs no round trip.
    async fn recycle(&self, line: &mut Line, _: &Metrics) -> RecycleResult<LinkError> {
        if self.0.is_good(line) { Ok(()) } else { Err(RecycleError::message("of before the last trouble")) }
    }
}
