//! The second connection, on a thread of its own: looks things up for people, and copies the log into the database, so
//! that neither makes a webhook wait.

mod lists;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::{Connection, Error};
use tokio::sync::oneshot;

use super::writer::meaning;
use super::{OpenError, db};
use crate::store::StoreError;

pub(super) use lists::{chosen, event, lane, list};

/// Questions that may wait.
const CAPACITY: usize = 256;

enum Work {
    Ask(Box<dyn FnOnce(&mut Connection) + Send>),
    CopyLog,
}

/// The way to the reading thread.
pub(super) struct Reader {
    work: Mutex<Option<SyncSender<Work>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    copy_asked: Arc<AtomicBool>,
}

impl Reader {
    /// Opens the connection to the file in `dir`, which the writer has made.
    pub(super) fn open(dir: &Path) -> Result<Self, OpenError> {
        let conn = db::connect(dir)?;
        conn.pragma_update(None, "synchronous", "full")?;
        let (sender, receiver) = sync_channel(CAPACITY);
        let copy_asked = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&copy_asked);
        let thread = std::thread::Builder::new()
            .name("store-reader".to_owned())
            .spawn(move || serve(conn, &receiver, &asked))
            .map_err(OpenError::Thread)?;
        Ok(Self { work: Mutex::new(Some(sender)), thread: Mutex::new(Some(thread)), copy_asked })
    }

    /// Looks something up.
    pub(super) async fn ask<T, F>(&self, question: F) -> Result<T, StoreError>
    where
        F: FnOnce(&Connection) -> Result<T, Error> + Send + 'static,
        T: Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        self.send(Work::Ask(Box::new(move |conn| {
            let _unheard = reply.send(look_up(conn, question));
        })))?;
        answer.await.unwrap_or(Err(StoreError::Closed))
    }

    /// Asks for the log to be copied; once is enough until it has begun.
    pub(super) fn copy_log(&self) {
        if !self.copy_asked.swap(true, Ordering::Relaxed) && self.send(Work::CopyLog).is_err() {
            self.copy_asked.store(false, Ordering::Relaxed);
        }
    }

    /// Ends the thread, after what waits.
    pub(super) fn close(&self) {
        self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It panicked: nobody is hurt, its questions were answered with `Closed`.
            let _ended = thread.join();
        }
    }

    fn send(&self, work: Work) -> Result<(), StoreError> {
        let sender = self.work.lock().unwrap_or_else(PoisonError::into_inner);
        match sender.as_ref().map(|sender| sender.try_send(work)) {
            Some(Ok(())) => Ok(()),
            Some(Err(TrySendError::Full(_))) => Err(StoreError::Busy),
            Some(Err(TrySendError::Disconnected(_))) | None => Err(StoreError::Closed),
        }
    }
}

fn serve(mut conn: Connection, work: &Receiver<Work>, copy_asked: &AtomicBool) {
    while let Ok(next) = work.recv() {
        match next {
            Work::Ask(question) => question(&mut conn),
            Work::CopyLog => {
                copy_asked.store(false, Ordering::Relaxed);
                db::copy_log(&conn);
            }
        }
    }
}

/// One transaction, so that an answer of several statements is of one moment.
fn look_up<T>(conn: &mut Connection, question: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, StoreError> {
    let transaction = conn.transaction().map_err(meaning)?;
    question(&transaction).map_err(meaning)
}
