//! The writer thread: takes what waits, does it in transactions, and answers after the commit.
//!
//! A transaction of webhooks holds all that wait, so one write to the disk serves them all; one of the rest is cut short
//! when webhooks wait again. While webhooks come in crowds the rest gets its turn every few milliseconds only (see
//! `turns`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Error, ErrorCode};

use super::db::{Db, LOG_KEPT};
use super::mailbox::{self, Job, Mailbox, Others, Sync, Wake};
use super::reader::Reader;
use crate::store::turns::Turns;
use crate::store::{Cap, StoreError};

/// Webhooks in one transaction, at most.
const WEBHOOKS: usize = 512;
/// Other verbs in one transaction, at most.
const REST: usize = 512;
/// How long a transaction of the rest may go on while webhooks wait: each waits for one such transaction at most.
const RUSHED: Duration = Duration::from_millis(1);
/// And how long at all: its own verbs are answered at its end.
const LONGEST: Duration = Duration::from_millis(4);
/// In a crowd a transaction waits for so many webhooks, because each costs a write to the disk, however many are in it …
const TOGETHER: usize = 32;
/// … but no longer than this.
const GATHERING: Duration = Duration::from_millis(1);
/// Nothing to do for so long: time to tidy.
const QUIET: Duration = Duration::from_secs(2);
/// Pages of the log (4 KiB each) after which they are copied into the database, beside the writer. Seldom, because a page
/// that has changed ten times meanwhile is copied once.
const COPY_LOG: u32 = 8_000;
/// Pages of the log after which the writer itself copies the rest, so that the log can begin anew: under constant load
/// the copying beside it never quite catches up. By then only the newest pages are left to do. Never more than the file
/// keeps: writing over what is there costs half the time of appending, for the file system has nothing to note down.
const RENEW_LOG: u32 = 16_000;
const _: () = assert!(RENEW_LOG as i64 * 4096 <= LOG_KEPT, "the log is not cut when it begins anew");

/// What one transaction has done.
type Jobs = Vec<Box<dyn Job>>;

/// Why the writer stopped before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot go on: {0}")]
pub(super) struct Fatal(Error);

/// The thread's state.
pub(super) struct Writer {
    db: Db,
    mailbox: Arc<Mailbox>,
    reader: Arc<Reader>,
    log_pages: Arc<AtomicU32>,
    tidy: bool,
    turns: Turns,
}

impl Writer {
    /// `log_pages` is what the hook of the connection counts.
    pub(super) fn new(db: Db, mailbox: Arc<Mailbox>, reader: Arc<Reader>, log_pages: Arc<AtomicU32>) -> Self {
        Self { db, mailbox, reader, log_pages, tidy: true, turns: Turns::default() }
    }

    /// Works until the mailbox is closed and empty, or the disk fails.
    pub(super) fn run(mut self) -> Result<(), Fatal> {
        loop {
            match self.mailbox.wait((!self.tidy).then_some(QUIET)) {
                Wake::Work => {}
                Wake::Quiet => {
                    self.tidy_up();
                    continue;
                }
                Wake::Closed => return self.db.stop().map_err(Fatal),
            }
            self.tidy = false;
            self.keep_the_crowd()?;
            self.rest()?;
            self.look_after_the_log();
        }
    }

    /// What waits, and while that is a crowd also what comes, until the rest has to have its turn.
    fn keep_the_crowd(&mut self) -> Result<(), Fatal> {
        let kept = self.keep()?;
        self.turns.kept(kept);
        while let Some(left) = self.turns.take(Instant::now()) {
            self.mailbox.gather(TOGETHER, left.min(GATHERING));
            let kept = self.keep()?;
            self.turns.kept(kept);
        }
        Ok(())
    }

    /// All webhooks that wait, in one transaction; gives how many that were.
    fn keep(&mut self) -> Result<usize, Fatal> {
        let mut jobs = Vec::new();
        self.mailbox.take_webhooks(WEBHOOKS, &mut jobs);
        let count = jobs.len();
        if count > 0 {
            let outcome = self.db.transaction(Sync::Disk, |db| jobs.iter_mut().try_for_each(|job| job.run(db)));
            self.answer(Sync::Disk, jobs, outcome, mailbox::hand_out_by_thread)?;
        }
        Ok(count)
    }

    /// The next of the rest, as many as have the same needs and fit into the time.
    fn rest(&mut self) -> Result<(), Fatal> {
        let Some((sync, first)) = self.mailbox.take_rest(None) else { return Ok(()) };
        let (mut jobs, mailbox) = (vec![first], Arc::clone(&self.mailbox));
        let outcome = self.db.transaction(sync, |db| {
            let began = Instant::now();
            loop {
                jobs.last_mut().expect("it begins with one").run(db)?;
                let took = began.elapsed();
                if jobs.len() >= REST || took > LONGEST || (took > RUSHED && mailbox.has_webhooks()) {
                    return Ok(());
                }
                let Some((_, next)) = mailbox.take_rest(Some(sync)) else { return Ok(()) };
                jobs.push(next);
            }
        });
        self.answer(sync, jobs, outcome, mailbox::hand_out_each)
    }

    /// Answers after a commit, as `hand_out` does. When the transaction failed, each job is tried alone: the one that
    /// cannot be done must not take the others with it.
    fn answer(&mut self, sync: Sync, jobs: Jobs, outcome: Result<(), Error>, hand_out: fn(Jobs)) -> Result<(), Fatal> {
        let Err(error) = outcome else {
            hand_out(jobs);
            return Ok(());
        };
        if is_fatal(&error) {
            return Err(Fatal(error));
        }
        for mut job in jobs {
            match self.db.transaction(sync, |db| job.run(db)) {
                Ok(()) => job.done(Others::default()),
                Err(error) if is_fatal(&error) => return Err(Fatal(error)),
                Err(error) => job.failed(meaning(error)),
            }
        }
        Ok(())
    }

    fn look_after_the_log(&self) {
        let pages = self.log_pages.load(Ordering::Relaxed);
        if pages >= RENEW_LOG {
            self.db.copy_log();
        } else if pages >= COPY_LOG {
            self.reader.copy_log();
        }
    }

    fn tidy_up(&mut self) {
        self.reader.copy_log();
        self.db.shrink();
        self.tidy = true;
    }
}

/// Errors after which nothing that the disk says can be trusted: above all, a failed sync must not be tried again.
fn is_fatal(error: &Error) -> bool {
    match error.sqlite_error_code() {
        Some(code) => !matches!(
            code,
            ErrorCode::DiskFull
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
        ),
        None => false,
    }
}

/// What a caller hears of an error.
pub(super) fn meaning(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => StoreError::Full(Cap::Disk),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => StoreError::Busy,
        _ => StoreError::Backend("SQLite refused a step".to_owned(), Box::new(error)),
    }
}
