//! What was written and not yet stored, kept in IndexedDB: it survives a reload and a crash.
//!
//! Every page holds a lock of its own name for as long as it lives. Messages of a page whose lock is free belong to
//! nobody, and the next page of that room takes them over; those of a page that lives are left to it.

use crate::{clock, js};
use futures::future::{Either, select};
use gloo_timers::future::TimeoutFuture;
use holdfast::RoomId;
use holdfast::order::put;
use holdfast::session::Unsent;
use holdfast::wire::{decode, encode};
use idb::{Database, DatabaseEvent, Factory, ObjectStoreParams, Query, TransactionMode};
use js_sys::{Array, Function, Promise};
use serde::{Deserialize, Serialize};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

const NAME: &str = "holdfast";
const STORE: &str = "outbox";
/// The page does not wait longer for what a browser has written down; what comes later is taken in later.
const LOAD_WITHIN_MS: u32 = 700;

/// A message as it is written down.
#[derive(Serialize, Deserialize)]
struct Row {
    room: RoomId,
    /// The page it belongs to.
    page: String,
    /// Later messages have greater numbers.
    order: u64,
    message: Unsent,
}

/// The outbox of this browser, as this page uses it. Cheap to clone.
#[derive(Clone)]
pub struct Outbox(Rc<Inner>);

struct Inner {
    page: String,
    order: Cell<u64>,
    db: RefCell<Option<Rc<Database>>>,
    lock: Option<Lock>,
}

impl Default for Outbox {
    fn default() -> Self {
        let now = clock::now().as_unix();
        let page = format!("holdfast-page-{now}-{}", (js_sys::Math::random() * 1e9) as u64);
        let lock = hold_lock(&page);
        Self(Rc::new(Inner { page, order: Cell::new(now * 1_000), db: RefCell::default(), lock }))
    }
}

impl Outbox {
    async fn open(&self) -> Option<Rc<Database>> {
        if let Some(open) = self.0.db.borrow().clone() {
            return Some(open);
        }
        let mut request = Factory::new().ok()?.open(NAME, Some(1)).ok()?;
        request.on_upgrade_needed(|event| {
            if let Ok(db) = event.database() {
                let _ = db.create_object_store(STORE, ObjectStoreParams::new());
            }
        });
        let db = Rc::new(request.await.ok()?);
        *self.0.db.borrow_mut() = Some(Rc::clone(&db));
        Some(db)
    }

    /// Works with the database. A browser may close it at any time (in the background, or when its data is cleared): then it
    /// is opened once more.
    async fn with<T>(&self, work: impl AsyncFn(&Database) -> Option<T>) -> Option<T> {
        for _ in 0..2 {
            let db = self.open().await?;
            if let Some(done) = work(&db).await {
                return Some(done);
            }
            *self.0.db.borrow_mut() = None;
        }
        None
    }

    async fn put(&self, row: &Row) -> Option<()> {
        self.with(async |db| Self::put_into(db, row).await).await
    }

    async fn put_into(db: &Database, row: &Row) -> Option<()> {
        let write = db.transaction(&[STORE], TransactionMode::ReadWrite).ok()?;
        let key = JsValue::from_str(&row.message.id.to_string());
        let value = JsValue::from_str(&encode(row));
        write.object_store(STORE).ok()?.put(&value, Some(&key)).ok()?.await.ok()?;
        write.await.ok()?; // On disk, as far as browsers promise it.
        Some(())
    }

    /// Writes a message down; false if this browser cannot.
    pub async fn keep(&self, room: RoomId, message: Unsent) -> bool {
        let order = self.0.order.get() + 1;
        self.0.order.set(order);
        self.put(&Row { room, page: self.0.page.clone(), order, message }).await.is_some()
    }

    /// Forgets a message.
    pub async fn forget(&self, id: &str) -> Option<()> {
        self.with(async |db| {
            let write = db.transaction(&[STORE], TransactionMode::ReadWrite).ok()?;
            write.object_store(STORE).ok()?.delete(Query::Key(JsValue::from_str(id))).ok()?.await.ok()?;
            write.await.ok().map(drop)
        })
        .await
    }

    /// Takes over the messages of this room that belong to no living page, oldest first: `first` is told what is found in
    /// time, `late` what a slow browser finds afterwards.
    pub async fn adopt(&self, room: &RoomId, first: impl FnOnce(Vec<Unsent>), late: impl FnOnce(Vec<Unsent>)) {
        let found = Box::pin(self.orphans(room));
        match select(found, TimeoutFuture::new(LOAD_WITHIN_MS)).await {
            Either::Left((found, _)) => first(found.unwrap_or_default()),
            Either::Right(((), found)) => {
                first(vec![]);
                if let Some(found) = found.await {
                    late(found);
                }
            }
        }
    }

    /// Closes the database under this page, as browsers do.
    pub async fn lose_database(&self) {
        if let Some(db) = self.open().await {
            db.close();
        }
    }

    /// Gives its messages to whoever comes next, as the end of the page does.
    pub fn let_go(&self) {
        if let Some(release) = self.0.lock.as_ref().and_then(|lock| lock.release.borrow_mut().take()) {
            let _ = release.call0(&JsValue::UNDEFINED);
        }
    }

    async fn orphans(&self, room: &RoomId) -> Option<Vec<Unsent>> {
        let read = async |db: &Database| {
            let read = db.transaction(&[STORE], TransactionMode::ReadOnly).ok()?;
            read.object_store(STORE).ok()?.get_all(None, None).ok()?.await.ok()
        };
        let values = self.with(read).await?;
        let mut rows: Vec<Row> = vec![];
        for value in values {
            let row = value.as_string().and_then(|text| decode::<Row>(&text).ok());
            if let Some(row) = row.filter(|row| row.room == *room) {
                put(&mut rows, row, |row| row.order);
            }
        }
        if rows.is_empty() {
            return Some(vec![]); // The usual case, which asks for no locks.
        }
        let alive = held_locks().await;
        rows.retain(|row| !alive.contains(&row.page));
        for row in &mut rows {
            row.page.clone_from(&self.0.page);
            let _ = self.put(row).await;
        }
        Some(rows.into_iter().map(|row| row.message).collect())
    }
}

/// A lock that a page holds for as long as it lives.
struct Lock {
    _granted: Closure<dyn FnMut(JsValue) -> Promise>,
    release: Rc<RefCell<Option<Function>>>,
}

fn locks() -> Option<JsValue> {
    let navigator = web_sys::window()?.navigator();
    js::has(&navigator, "locks").then(|| js::get(&navigator, "locks"))
}

/// Holds a lock until this page is gone; none where the browser has no locks.
fn hold_lock(name: &str) -> Option<Lock> {
    let locks = locks()?;
    let request: Function = js::get(&locks, "request").dyn_into().ok()?;
    let release = Rc::new(RefCell::new(None));
    let kept = Rc::clone(&release);
    // The browser holds the lock until this promise is kept, and frees it when it throws the page away.
    let granted = Closure::new(move |_| Promise::new(&mut |keep, _| *kept.borrow_mut() = Some(keep)));
    request.call2(&locks, &name.into(), granted.as_ref()).ok()?;
    Some(Lock { _granted: granted, release })
}

/// The names of the locks that living pages hold; none where the browser has no locks.
async fn held_locks() -> Vec<String> {
    let asked = || {
        let locks = locks()?;
        let query: Function = js::get(&locks, "query").dyn_into().ok()?;
        query.call0(&locks).ok()?.dyn_into::<Promise>().ok()
    };
    let Some(asked) = asked() else { return vec![] };
    let held = JsFuture::from(asked).await.map(|state| js::get(&state, "held"));
    let held: Array = held.ok().and_then(|held| held.dyn_into().ok()).unwrap_or_default();
    held.iter().filter_map(|lock| js::get(&lock, "name").as_string()).collect()
}
