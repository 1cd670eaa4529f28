//! The redb file behind the embedded log, queue and archive: one writer thread, group commit, reopened after a failure.

use crate::log::LogError;
use crate::private;
use futures::FutureExt;
use futures::future::BoxFuture;
use redb::{Database, Durability, TableDefinition, WriteTransaction};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait for the writer; past that the caller is told to come back.
const JOBS_WAITING: usize = 4_096;
/// Jobs that share one fsync.
const JOBS_A_COMMIT: usize = 512;
/// How long a file that another server holds is waited for.
const HANDOVER: Duration = Duration::from_secs(3);
const HANDOVER_STEP: Duration = Duration::from_millis(20);
/// Memory for cached pages, in bytes.
const CACHE_BYTES: usize = 8 << 20;

/// What is written to see whether anything can be: more than an entry, because holes of its size are left on a full disk.
const PROBE: TableDefinition<'_, (), &[u8]> = TableDefinition::new("probe");
const PROBE_BYTES: usize = 256 * 1024;

/// What runs once the commit that makes it true is on disk.
type After = Box<dyn FnOnce() + Send>;
type Work = Box<dyn FnOnce(&WriteTransaction) -> Result<After, redb::Error> + Send>;

/// The open file; none while it could not be opened again after a failure.
type Shared = Arc<RwLock<Option<Database>>>;

/// The file. Cheap to clone; the writer ends when the last clone is dropped.
#[derive(Clone)]
pub struct Store {
    db: Shared,
    /// Why the last write failed, if it did.
    failed: Arc<Mutex<Option<String>>>,
    jobs: mpsc::Sender<Work>,
}

impl Store {
    /// Opens or creates the file `holdfast.redb` in `dir`. A server that is just going away may still hold it,
    /// so a file in use is tried again for three seconds, blocking. `prepare` makes the tables.
    ///
    /// # Errors
    /// When the file cannot be opened: no rights, disk full, another server has it, or it is not ours.
    pub fn open(
        dir: &Path,
        prepare: impl FnOnce(&WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<Self, redb::Error> {
        let path = dir.join("holdfast.redb");
        let db = open_when_free(&path)?;
        let tx = db.begin_write()?;
        prepare(&tx)?;
        tx.commit()?;
        let (jobs, waiting) = mpsc::channel(JOBS_WAITING);
        let db: Shared = Arc::new(RwLock::new(Some(db)));
        let (shared, failed) = (Arc::clone(&db), Arc::default());
        let last = Arc::clone(&failed);
        std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || write_jobs(&path, &shared, waiting, &last))
            .map_err(|error| redb::Error::Io(std::io::Error::other(error)))?;
        Ok(Self { db, failed, jobs })
    }

    /// Whether it can be written, and why not. After a failure it is tried, so that one hears of the end of it.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), String> {
        let failed = || self.failed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if failed().is_some() {
            let page = vec![0_u8; PROBE_BYTES];
            let tried = self.write(move |tx| Ok(tx.open_table(PROBE)?.insert((), page.as_slice())?.is_some()));
            let _ = tried.await; // What became of it stands beside the other writes.
        }
        failed().map_or(Ok(()), Err)
    }

    /// Reads, on a thread that may block.
    pub fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Database) -> Result<T, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, LogError>> {
        let db = Arc::clone(&self.db);
        async move {
            let done = tokio::task::spawn_blocking(move || {
                let open = db.read().unwrap_or_else(PoisonError::into_inner);
                open.as_ref().map_or(Err(redb::Error::DatabaseClosed), read)
            })
            .await;
            done.map_err(|_| LogError::Away)?.map_err(|error| {
                tracing::error!(%error, "the store could not be read");
                LogError::Away
            })
        }
        .boxed()
    }

    /// Writes, in the order of the calls, and answers once it is on disk.
    pub fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error> + Send + 'static,
    ) -> BoxFuture<'static, Result<T, LogError>> {
        let (reply, answer) = oneshot::channel();
        let job: Work = Box::new(move |tx| {
            let done = work(tx)?;
            Ok(Box::new(move || drop(reply.send(done))))
        });
        // Queued here and not when first polled, so that the order of the calls is the order of the file.
        let queued = self.jobs.try_send(job);
        async move {
            match queued {
                Ok(()) => answer.await.map_err(|_| LogError::Away),
                Err(mpsc::error::TrySendError::Full(_)) => Err(LogError::Busy),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(LogError::Away),
            }
        }
        .boxed()
    }
}

/// The writer: takes what waits, writes it in one transaction, and answers once it is on disk.
fn write_jobs(path: &Path, db: &Shared, mut waiting: mpsc::Receiver<Work>, failed: &Mutex<Option<String>>) {
    let mut jobs = Vec::new();
    while let Some(first) = waiting.blocking_recv() {
        jobs.push(first);
        while jobs.len() < JOBS_A_COMMIT
            && let Ok(next) = waiting.try_recv()
        {
            jobs.push(next);
        }
        let committed = match db.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(db) => commit(db, &mut jobs),
            None => Err(redb::Error::DatabaseClosed),
        };
        *failed.lock().unwrap_or_else(PoisonError::into_inner) = committed.as_ref().err().map(ToString::to_string);
        match committed {
            Ok(done) => done.into_iter().for_each(|after| after()),
            Err(error) => {
                // Dropping the replies tells every caller that the store is away; nothing was acknowledged.
                tracing::error!(%error, "the store could not be written");
                jobs.clear();
                reopen(path, db);
            }
        }
    }
}

fn commit(db: &Database, jobs: &mut Vec<Work>) -> Result<Vec<After>, redb::Error> {
    let mut tx = db.begin_write()?;
    tx.set_durability(Durability::Immediate)?;
    let done = jobs.drain(..).map(|job| job(&tx)).collect::<Result<Vec<After>, _>>()?;
    tx.commit()?;
    Ok(done)
}

fn open_file(path: &Path) -> Result<Database, redb::Error> {
    private::file(path).map_err(redb::Error::Io)?;
    Ok(Database::builder().set_cache_size(CACHE_BYTES).create(path)?)
}

fn open_when_free(path: &Path) -> Result<Database, redb::Error> {
    let until = Instant::now() + HANDOVER;
    loop {
        match open_file(path) {
            Err(redb::Error::DatabaseAlreadyOpen) if Instant::now() < until => std::thread::sleep(HANDOVER_STEP),
            opened => return opened,
        }
    }
}

/// After a failed write nothing that is open is trusted: the file is opened again, now or at the next write.
fn reopen(path: &Path, db: &Shared) {
    let mut open = db.write().unwrap_or_else(PoisonError::into_inner);
    *open = None; // First, because it holds the file's lock.
    *open = open_file(path).ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use redb::ReadableDatabase;

    const NUMBERS: TableDefinition<'_, u64, u64> = TableDefinition::new("numbers");

    #[tokio::test]
    async fn a_failed_write_is_not_acknowledged_and_the_file_is_opened_again() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let store = Store::open(dir.path(), |tx| tx.open_table(NUMBERS).map(drop).map_err(Into::into)).expect("opens");
        let put = |n: u64| store.write(move |tx| Ok(tx.open_table(NUMBERS)?.insert(n, n)?.is_some()));
        assert_eq!(put(1).await, Ok(false));
        let failed = store.write::<()>(|_| Err(redb::Error::Corrupted("as if the disk failed".into()))).await;
        assert_eq!(failed, Err(LogError::Away));
        // The answer may come a moment before the reason.
        while store.failed.lock().expect("no panic").is_none() {
            tokio::task::yield_now().await;
        }
        let why = store.failed.lock().expect("no panic").clone();
        assert!(why.is_some_and(|why| why.contains("as if the disk failed")));
        assert_eq!(store.check().await, Ok(()), "it is tried, and works");
        assert_eq!(put(2).await, Ok(false), "the next write finds an open file");
        let count =
            store.read(|db| Ok(redb::ReadableTableMetadata::len(&db.begin_read()?.open_table(NUMBERS)?)?)).await;
        assert_eq!(count, Ok(2));
    }

    #[test]
    fn a_file_in_use_is_waited_for() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let path = dir.path().join("holdfast.redb");
        let held = open_file(&path).expect("opens");
        let release = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(200));
            drop(held);
        });
        assert!(open_when_free(&path).is_ok());
        release.join().expect("no panic");
    }
}
