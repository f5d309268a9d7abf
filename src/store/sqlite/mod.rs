//! The embedded store: one SQLite file, one thread that writes it, one that reads for people.
//!
//! Many verbs share one transaction and one write to the disk (`writer`). The file is in write-ahead mode; a power loss
//! keeps a prefix of what was committed, and what a caller was told is in it (`mailbox::Sync`).

mod audit;
mod chores;
mod db;
mod deliver;
mod inbox;
mod lanes;
mod mailbox;
mod moving;
mod names;
mod past;
mod people;
mod reader;
mod sql;
#[cfg(test)]
mod tests;
mod values;
mod writer;

use std::fs::{File, Permissions, TryLockError};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use async_trait::async_trait;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use self::audit::Auditor;
use self::db::Db;
use self::mailbox::{Mailbox, Sync, job};
use self::reader::Reader;
use self::writer::Writer;
use super::cap::{DISK_RESERVE, free_disk};
use super::{
    Adopting, Audit, Claim, DayNote, DayState, EventDetail, EventPage, EventQuery, EventState, Fenced, InboxRecord,
    Incident, LaneDetail, Lease, Moved, Observation, Options, Parts, PauseReason, PermitGrant, PermitId, Place,
    Selector, Seq, Settlement, SortCount, Sorted, Stats, Store, StoreError, Telling, Topic, Verification, Verified,
    WorkerId,
};
use crate::domain::event::{EventId, Kept, SourceName};
use crate::domain::external_ref::ExternalRef;

/// With less of the disk free than this, what SQLite fails to do at the opening it fails to do for want of it.
const LEAST_ROOM: u64 = 1 << 20;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or its lock cannot be made.
    #[error("the store's directory {0} cannot be used; make it writable for this user")]
    Directory(PathBuf, #[source] std::io::Error),
    /// One store belongs to one process.
    #[error("another process uses the store in {0}; stop it first, or give this one a directory of its own")]
    InUse(PathBuf),
    /// The file is of another program, or half a file.
    #[error("the file store.db is not a store of this program; move it away, or choose another directory")]
    NotOurs,
    /// A newer version of the bridge wrote it.
    #[error("the store is of a newer version ({found}, this program knows {known}); upgrade this program")]
    Newer {
        /// The version in the file.
        found: i64,
        /// The version that this program writes.
        known: i64,
    },
    /// The operating system gave no thread.
    #[error("no thread could be started for the store")]
    Thread(#[source] std::io::Error),
    /// Something has written over it.
    #[error(
        "the file store.db is damaged: move all store.* files out of the directory and keep them; then put a backup back \
         and start once with `serve --restored`, or save what can still be read with `sqlite3 store.db .recover`"
    )]
    Damaged(#[source] rusqlite::Error),
    /// There is no room at all to open it in.
    #[error("the disk of the store is full; make room there, {} MiB at least", DISK_RESERVE >> 20)]
    NoRoom(#[source] rusqlite::Error),
    /// SQLite could not open it.
    #[error("SQLite could not open the store")]
    Sqlite(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        match error.sqlite_error_code() {
            Some(DatabaseCorrupt | NotADatabase) => Self::Damaged(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// What SQLite says of a full disk is that reading or writing has failed.
fn for_want_of_room(error: OpenError, dir: &Path) -> OpenError {
    match error {
        OpenError::Sqlite(error) if free_disk(dir).is_some_and(|free| free < LEAST_ROOM) => OpenError::NoRoom(error),
        error => error,
    }
}

/// How the writer's thread ended.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// It works.
    NotYet,
    /// It was told to.
    Closed,
    /// The disk failed, or it had a bug: why.
    Failed(String),
}

/// The embedded store.
pub struct SqliteStore {
    mailbox: Arc<Mailbox>,
    reader: Arc<Reader>,
    auditor: Auditor,
    thread: Mutex<Option<JoinHandle<()>>>,
    end: watch::Receiver<End>,
    inbox: Notify,
    lanes: Notify,
}

impl SqliteStore {
    /// Opens the store in `dir`, or makes it (readable for this user only). Blocks, for well under a second whatever it
    /// holds. Leases of the process before end: it is gone.
    ///
    /// # Errors
    /// [`OpenError`] says what is in the way.
    pub fn open(dir: &Path, options: Options, now: Timestamp) -> Result<Self, OpenError> {
        let lock = lock(dir)?;
        let auditor = Auditor::new(dir, options.clone());
        let mut db = Db::open(dir, options, now).map_err(|error| for_want_of_room(error, dir))?;
        let log_pages = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&log_pages);
        db.conn.wal_hook(Some(move |_: &mut _, pages| {
            counted.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        let (mailbox, reader) = (Arc::new(Mailbox::default()), Arc::new(Reader::open(dir)?));
        let writer = Writer::new(db, Arc::clone(&mailbox), Arc::clone(&reader), log_pages);
        let (ended, end) = watch::channel(End::NotYet);
        let last = Last { mailbox: Arc::clone(&mailbox), reader: Arc::clone(&reader), ended, lock };
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || last.after(writer))
            .map_err(OpenError::Thread)?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { mailbox, reader, auditor, thread, end, inbox: Notify::new(), lanes: Notify::new() })
    }

    /// Returns, with the reason, when the store has stopped after an error of the disk: the process should end with an
    /// error then, and be started anew. Never returns otherwise.
    pub async fn failed(&self) -> String {
        let mut end = self.end.clone();
        let failed = end.wait_for(|end| matches!(end, End::Failed(_))).await.map(|end| end.clone());
        match failed {
            Ok(End::Failed(why)) => why,
            Ok(End::NotYet | End::Closed) | Err(_) => std::future::pending().await,
        }
    }

    /// Has the writer do `verb`.
    async fn ask<T, F>(&self, sync: Sync, mut verb: F) -> Result<T, StoreError>
    where
        F: FnMut(&mut Db) -> Result<T, rusqlite::Error> + Send + 'static,
        T: Send + 'static,
    {
        let (job, answer) = job(move |db| verb(db).map(Ok));
        self.mailbox.post_rest(sync, job)?;
        answer.wait().await
    }

    /// The same for a verb after which a claim may give more.
    async fn change<T, F>(&self, sync: Sync, verb: F) -> Result<T, StoreError>
    where
        F: FnMut(&mut Db) -> Result<T, rusqlite::Error> + Send + 'static,
        T: Send + 'static,
    {
        let answer = self.ask(sync, verb).await?;
        self.lanes.notify_one();
        Ok(answer)
    }

    /// Chooses what `which` says, has the writer move it, and looks whether there is more.
    async fn move_events<F>(
        &self,
        state: EventState,
        which: &Selector,
        max: usize,
        step: F,
    ) -> Result<Moved, StoreError>
    where
        F: Fn(&mut Db, &[Seq]) -> Result<usize, rusqlite::Error> + Send + 'static,
    {
        let chosen = self.choose(state, which, max).await?;
        let count = self.change(Sync::Disk, move |db| step(db, &chosen)).await?;
        let more = !self.choose(state, which, 1).await?.is_empty();
        Ok(Moved { count, more })
    }

    async fn choose(&self, state: EventState, which: &Selector, max: usize) -> Result<Vec<Seq>, StoreError> {
        let which = which.clone();
        self.reader.ask(move |conn| reader::chosen(conn, state, &which, max)).await
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.mailbox.close();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // How it ended has been told.
            let _ended = thread.join();
        }
    }
}

/// What is left to do when the writer has ended, however it did.
struct Last {
    mailbox: Arc<Mailbox>,
    reader: Arc<Reader>,
    ended: watch::Sender<End>,
    lock: File,
}

impl Last {
    fn after(self, writer: Writer) {
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| writer.run()));
        let end = match ended {
            Ok(Ok(())) => End::Closed,
            Ok(Err(fatal)) => End::Failed(fatal.to_string()),
            Err(_) => End::Failed("the store's writer stopped at a bug; its message is in the log".to_owned()),
        };
        if let End::Failed(why) = &end {
            tracing::error!(why, "the store has failed; end this process and look at the disk");
        }
        let Self { mailbox, reader, ended, lock } = self;
        mailbox.abandon();
        reader.close();
        // Free for the next one before anybody hears that this one has ended.
        drop(lock);
        ended.send_replace(end);
    }
}

/// Makes the directory, and makes sure that no other process uses it.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let unusable = |error| OpenError::Directory(dir.to_owned(), error);
    make_private(dir).map_err(unusable)?;
    let file = private_file(&dir.join("store.lock")).map_err(unusable)?;
    match file.try_lock() {
        Ok(()) => {
            hide_files(dir).map_err(unusable)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(unusable(error)),
    }
}

/// Personal data lies there: nobody else may look in.
fn make_private(dir: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// A file for this user only, opened to be written; as it is where it is there.
fn private_file(path: &Path) -> std::io::Result<File> {
    File::options().create(true).truncate(false).write(true).mode(0o600).open(path)
}

/// Makes the database, and lets nobody else read it or what stands beside it (what SQLite puts there gets the mode of the
/// database): the directory may be one that somebody else made.
fn hide_files(dir: &Path) -> std::io::Result<()> {
    private_file(&dir.join("store.db"))?;
    for name in ["store.db", "store.db-wal", "store.db-shm", "store.lock", past::MARK] {
        let path = dir.join(name);
        let Ok(metadata) = path.metadata() else { continue };
        if metadata.permissions().mode() & 0o077 == 0 {
            continue;
        }
        if let Err(error) = std::fs::set_permissions(&path, Permissions::from_mode(0o600)) {
            tracing::warn!(%error, "others can read {}, a part of the store; chmod it to 600", path.display());
        }
    }
    Ok(())
}

#[async_trait]
impl Store for SqliteStore {
    async fn keep(&self, webhook: Kept) -> Result<(), StoreError> {
        let headers = values::json(&webhook.headers);
        let (job, answer) = job(move |db| db.keep(&webhook, &headers));
        self.mailbox.post_webhook(job)?;
        answer.wait().await?;
        self.inbox.notify_one();
        Ok(())
    }

    async fn would_keep(&self) -> Result<(), StoreError> {
        let full = self.ask(Sync::Log, |db| Ok(db.is_full(1))).await?;
        full.map_or(Ok(()), |what| Err(StoreError::Full(what)))
    }

    async fn unsorted(&self, after: u64, max: usize) -> Result<Vec<InboxRecord>, StoreError> {
        self.ask(Sync::Log, move |db| db.unsorted(after, max)).await
    }

    async fn sort(&self, sorted: Vec<Sorted>, now: Timestamp) -> Result<SortCount, StoreError> {
        let mut count = SortCount::default();
        let mut left = sorted.into_iter().peekable();
        while left.peek().is_some() {
            let step = inbox::next_step(&mut left);
            // Not on the disk when it returns: a power loss that takes it leaves the records in the inbox.
            count += self.change(Sync::Log, move |db| db.sort(&step, now)).await?;
        }
        Ok(count)
    }

    async fn claim(&self, worker: &WorkerId, now: Timestamp) -> Result<Claim, StoreError> {
        let worker = worker.clone();
        self.ask(Sync::Log, move |db| db.claim(&worker, now)).await
    }

    async fn begin(&self, lease: &Lease, upto: Seq, telling: Telling, now: Timestamp) -> Result<Fenced, StoreError> {
        let lease = lease.clone();
        self.ask(Sync::Disk, move |db| db.begin(&lease, upto, &telling, now)).await
    }

    async fn permit(
        &self,
        lease: &Lease,
        adopting: Option<Adopting>,
        now: Timestamp,
    ) -> Result<PermitGrant, StoreError> {
        let lease = lease.clone();
        let sync = if adopting.is_some() { Sync::Disk } else { Sync::Log };
        self.ask(sync, move |db| db.permit(&lease, adopting.as_ref(), now)).await
    }

    async fn fetched(&self, lease: &Lease, seq: Seq, answer: Bytes) -> Result<Fenced, StoreError> {
        let lease = lease.clone();
        self.ask(Sync::Log, move |db| db.fetched(&lease, seq, &answer)).await
    }

    async fn settle(&self, lease: &Lease, settlement: Settlement, now: Timestamp) -> Result<Fenced, StoreError> {
        let lease = lease.clone();
        self.change(Sync::Disk, move |db| db.settle(&lease, &settlement, now)).await
    }

    async fn verified(&self, chore: &Verification, verified: Verified, now: Timestamp) -> Result<(), StoreError> {
        let chore = chore.clone();
        self.ask(Sync::Disk, move |db| db.verified(&chore, &verified, now)).await
    }

    async fn note_day(&self, note: DayNote, now: Timestamp) -> Result<DayState, StoreError> {
        self.change(Sync::Log, move |db| db.note_day(note.clone(), now)).await
    }

    async fn observe(&self, permit: PermitId, seen: Observation, now: Timestamp) -> Result<(), StoreError> {
        self.change(Sync::Log, move |db| db.observe(permit, seen, now)).await
    }

    async fn heartbeat(&self, worker: &WorkerId, held: &[Lease], now: Timestamp) -> Result<Vec<Lease>, StoreError> {
        let (worker, held) = (worker.clone(), held.to_vec());
        self.change(Sync::Log, move |db| db.heartbeat(&worker, &held, now)).await
    }

    async fn pause(&self, why: PauseReason, now: Timestamp) -> Result<(), StoreError> {
        self.ask(Sync::Disk, move |db| db.pause(why, now)).await
    }

    async fn resume(&self, generation: Option<u64>, now: Timestamp) -> Result<(), StoreError> {
        self.change(Sync::Disk, move |db| db.resume(generation, now)).await
    }

    async fn events(&self, query: EventQuery) -> Result<EventPage, StoreError> {
        self.reader.ask(move |conn| reader::list(conn, &query)).await
    }

    async fn event(&self, id: &EventId) -> Result<Option<EventDetail>, StoreError> {
        let id = *id;
        self.reader.ask(move |conn| reader::event(conn, &id)).await
    }

    async fn lane(&self, external_ref: &ExternalRef) -> Result<Option<LaneDetail>, StoreError> {
        let external_ref = external_ref.clone();
        self.reader.ask(move |conn| reader::lane(conn, &external_ref)).await
    }

    async fn replay(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        let moved = self.move_events(EventState::Dead, which, max, move |db, chosen| db.replay(chosen, max, now)).await;
        self.inbox.notify_one();
        moved
    }

    async fn release(&self, which: &Selector, max: usize, now: Timestamp) -> Result<Moved, StoreError> {
        self.move_events(EventState::Withheld, which, max, move |db, chosen| db.release(chosen, max, now)).await
    }

    async fn discard(
        &self,
        state: EventState,
        which: &Selector,
        max: usize,
        now: Timestamp,
    ) -> Result<Moved, StoreError> {
        match state {
            EventState::Dead | EventState::Withheld => {
                self.move_events(state, which, max, move |db, chosen| db.discard(state, chosen, max, now)).await
            }
            EventState::Pending | EventState::Delivered | EventState::Discarded => Ok(Moved::default()),
        }
    }

    async fn incidents(&self, max: usize) -> Result<Vec<Incident>, StoreError> {
        self.ask(Sync::Log, move |db| db.incidents(max)).await
    }

    async fn dismiss(&self, which: Option<&ExternalRef>) -> Result<usize, StoreError> {
        let which = which.cloned();
        self.ask(Sync::Disk, move |db| db.dismiss(which.as_ref())).await
    }

    async fn expire(&self, max: usize, now: Timestamp) -> Result<usize, StoreError> {
        self.ask(Sync::Log, move |db| db.expire(max, now)).await
    }

    async fn stats(&self, now: Timestamp) -> Result<Stats, StoreError> {
        self.ask(Sync::Log, move |db| db.stats(now)).await
    }

    async fn audit(&self, after: Option<u64>, max: usize, now: Timestamp) -> Result<Audit, StoreError> {
        if *self.end.borrow() != End::NotYet {
            return Err(StoreError::Closed);
        }
        self.auditor.look(after, max, now).await
    }

    async fn remember_sources(&self, on: &[SourceName], now: Timestamp) -> Result<(), StoreError> {
        let on = on.to_vec();
        self.ask(Sync::Disk, move |db| db.remember_sources(&on, now)).await
    }

    async fn known_sources(&self) -> Result<Vec<SourceName>, StoreError> {
        self.ask(Sync::Log, |db| db.known_sources()).await
    }

    async fn memo(&self, topic: Topic, key: &str) -> Result<Option<Bytes>, StoreError> {
        let key = key.to_owned();
        self.ask(Sync::Log, move |db| db.memo(topic, &key)).await
    }

    async fn memos(&self, topic: Topic) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.ask(Sync::Log, move |db| db.memos(topic)).await
    }

    async fn set_memo(&self, topic: Topic, key: &str, value: Bytes, was: Option<Bytes>) -> Result<bool, StoreError> {
        let key = key.to_owned();
        let (job, answer) = job(move |db| db.set_memo(topic, &key, &value, was.as_ref()));
        self.mailbox.post_rest(Sync::Disk, job)?;
        answer.wait().await
    }

    async fn give(&self, place: Place, max: usize) -> Result<Parts, StoreError> {
        self.ask(Sync::Log, move |db| db.give(place, max)).await
    }

    async fn take(&self, parts: Parts, was: Bytes, is: Bytes) -> Result<bool, StoreError> {
        self.ask(Sync::Disk, move |db| db.take(&parts, &was, &is)).await
    }

    async fn inbox_changed(&self) {
        self.inbox.notified().await;
    }

    async fn lanes_changed(&self) {
        self.lanes.notified().await;
    }

    async fn close(&self) {
        self.mailbox.close();
        let mut end = self.end.clone();
        // The sender is gone only after it has told the end.
        let _told = end.wait_for(|end| *end != End::NotYet).await;
    }
}
