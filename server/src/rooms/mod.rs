//! The rooms this process has in memory: one task each, started by the first socket, ended when nobody is left.

mod task;

use crate::log::RoomLog;
use crate::socket::outlet::Outlet;
use crate::tokens::Secret;
use crate::turn::Relay;
use holdfast::room::RoomEvent;
use holdfast::{ConnId, RoomId};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Events that wait for one room; past that its sockets wait, and with them their senders.
const MAILBOX: usize = 256;

/// What a socket says to its room.
pub enum ToRoom {
    /// A new socket: where to write to it and under which host name it knows us.
    Attach(ConnId, Outlet, Arc<str>),
    /// Something happened on it.
    Event(RoomEvent),
}

/// The way to a room's task.
pub type Mailbox = mpsc::Sender<ToRoom>;

/// What every room needs.
pub struct Parts {
    /// Where entries go.
    pub log: Arc<dyn RoomLog>,
    /// Signs seat tokens.
    pub secret: Secret,
    /// Mints relay credentials.
    pub relay: Arc<Relay>,
    /// How long a seat token is good, in milliseconds.
    pub seat_ms: u64,
}

/// All rooms of this process.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    parts: Arc<Parts>,
    rooms: Mutex<HashMap<RoomId, Mailbox>>,
    conns: AtomicU64,
    tasks: TaskTracker,
}

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let tasks = TaskTracker::new();
        Self(Arc::new(Inner { parts: Arc::new(parts), rooms: Mutex::default(), conns: AtomicU64::new(1), tasks }))
    }

    /// A number for a new socket.
    #[must_use]
    pub fn next_conn(&self) -> ConnId {
        ConnId::from_number(self.0.conns.fetch_add(1, Ordering::Relaxed))
    }

    /// How many rooms are in memory.
    #[must_use]
    pub fn count(&self) -> usize {
        self.lock().values().filter(|mailbox| !mailbox.is_closed()).count()
    }

    /// The way to a room, starting its task if need be.
    #[must_use]
    pub fn enter(&self, room: &RoomId) -> Mailbox {
        let mut rooms = self.lock();
        if let Some(mailbox) = rooms.get(room)
            && !mailbox.is_closed()
        {
            return mailbox.clone();
        }
        rooms.retain(|_, mailbox| !mailbox.is_closed());
        let (mailbox, events) = mpsc::channel(MAILBOX);
        rooms.insert(room.clone(), mailbox.clone());
        // A panic in here ends this task alone: its mailbox closes, its sockets come back to a fresh one.
        self.0.tasks.spawn(task::run(room.clone(), Arc::clone(&self.0.parts), events));
        mailbox
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RoomId, Mailbox>> {
        self.0.rooms.lock().expect("no holder of this lock can panic")
    }
}
