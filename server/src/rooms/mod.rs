//! The rooms this process has in memory: one task each, started by the first socket, ended when nobody is left.

pub mod past;
pub mod quiet;
mod task;

use crate::backends::Backends;
use crate::redis::bus::Bus;
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
    /// Where entries go, and where they are later.
    pub backends: Backends,
    /// The way to other nodes, if there can be any.
    pub bus: Option<Bus>,
    /// Signs seat tokens.
    pub secret: Secret,
    /// Mints relay credentials.
    pub relay: Arc<Relay>,
    /// How long a seat token is good, in milliseconds.
    pub seat_ms: u64,
}

/// A room's share of the seats of this node, given back when the room's task ends.
struct SeatCount {
    all: Arc<AtomicU64>,
    mine: u64,
}

impl SeatCount {
    fn set(&mut self, seats: u64) {
        self.all.fetch_add(seats.wrapping_sub(self.mine), Ordering::Relaxed);
        self.mine = seats;
    }
}

impl Drop for SeatCount {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// All rooms of this process.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

struct Inner {
    parts: Arc<Parts>,
    rooms: Mutex<HashMap<RoomId, Mailbox>>,
    conns: AtomicU64,
    seats: Arc<AtomicU64>,
    tasks: TaskTracker,
}

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let tasks = TaskTracker::new();
        Self(Arc::new(Inner {
            parts: Arc::new(parts),
            rooms: Mutex::default(),
            conns: AtomicU64::new(1),
            seats: Arc::default(),
            tasks,
        }))
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

    /// Passes on what another node said, if the room is here; dropped when its mailbox is full, as it might have been
    /// on the way.
    pub fn tell(&self, room: &RoomId, event: RoomEvent) {
        if let Some(mailbox) = self.lock().get(room) {
            let _ = mailbox.try_send(ToRoom::Event(event));
        }
    }

    /// Seats of the rooms in memory whose people are on this node: over all nodes each counts once.
    #[must_use]
    pub fn seats(&self) -> u64 {
        self.0.seats.load(Ordering::Relaxed)
    }

    /// Whether this room is in memory.
    #[must_use]
    pub fn has(&self, room: &RoomId) -> bool {
        self.lock().get(room).is_some_and(|mailbox| !mailbox.is_closed())
    }

    /// The rooms in memory.
    #[must_use]
    pub fn here(&self) -> Vec<RoomId> {
        self.lock().iter().filter(|(_, mailbox)| !mailbox.is_closed()).map(|(room, _)| room.clone()).collect()
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
        let seats = SeatCount { all: Arc::clone(&self.0.seats), mine: 0 };
        // A panic in here ends this task alone: its mailbox closes, its sockets come back to a fresh one.
        self.0.tasks.spawn(task::run(room.clone(), Arc::clone(&self.0.parts), events, seats));
        mailbox
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<RoomId, Mailbox>> {
        self.0.rooms.lock().expect("no holder of this lock can panic")
    }
}
