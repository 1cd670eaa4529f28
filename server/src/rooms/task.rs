//! One room's task: feeds its `Room` from sockets, log and clock, and runs the effects it returns.

use super::{Parts, SeatCount, ToRoom, past};
use crate::archive::Known;
use crate::clock;
use crate::log::{LogError, LogPage};
use crate::socket::outlet::Outlet;
use axum::extract::ws::Utf8Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use holdfast::room::{AppendOutcome, RoomEffect, RoomEvent, Ticket};
use holdfast::wire::{CloseCode, Entry, Refusal, ServerMsg, Token, Welcome, encode};
use holdfast::{ConnId, Limits, Offset, PeerId, Room, RoomId};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// How long an empty room stays in memory, so that a quick return finds it there.
const LINGER: Duration = Duration::from_secs(5);
/// The longest the log may take before it counts as away.
const LOG_DEADLINE: Duration = Duration::from_secs(2);

/// A log that did not answer is read again after this long.
const READ_AGAIN: Duration = Duration::from_millis(250);
/// Who is asked to come back is asked to do it within this time, in milliseconds.
const LATER_MS: u64 = 1_000;
/// Pages of history that are read at once for one room; past that it is refused.
const PASTS: usize = 32;
/// Messages of one page of history.
const PAST_MESSAGES: usize = 100;

/// What a message adds to its entry, at most.
const ENVELOPE_BYTES: usize = 128;

/// Entries that were read, in order.
type Page = Vec<(Offset, Entry)>;

/// A socket as the room knows it.
struct Conn {
    outlet: Outlet,
    host: Arc<str>,
    seat: Option<PeerId>,
    /// Which of its reads is the newest; an older one is dropped.
    reading: u64,
}

/// A page that was asked for.
#[derive(Clone, Copy)]
struct Asked {
    conn: ConnId,
    after: Offset,
    number: u64,
}

struct Task {
    id: RoomId,
    parts: Arc<Parts>,
    room: Room,
    conns: BTreeMap<ConnId, Conn>,
    appends: FuturesUnordered<BoxFuture<'static, (Ticket, AppendOutcome)>>,
    reads: FuturesUnordered<BoxFuture<'static, (Asked, Result<Page, LogError>)>>,
    pasts: FuturesUnordered<BoxFuture<'static, (ConnId, ServerMsg)>>,
    /// Held by an append that asks the archive first, so that those behind it stay behind it.
    order: Arc<Mutex<()>>,
    asking: usize,
    /// Set while the log does not answer: when to read it again.
    read_again: Option<Instant>,
    /// Entries of one page: fewer after one that did not come in time, more again after one that did.
    fits: usize,
}

/// Runs until the room is empty for a while.
pub(super) async fn run(id: RoomId, parts: Arc<Parts>, mut events: mpsc::Receiver<ToRoom>, mut seats: SeatCount) {
    let mut wake = parts.backends.log.wakes(&id);
    let Some(room) = load(&id, &parts).await else {
        turn_away(&mut events, Some(Refusal::LogAway)).await;
        return;
    };
    let mut task = Task {
        id,
        parts,
        room,
        conns: BTreeMap::new(),
        appends: FuturesUnordered::new(),
        reads: FuturesUnordered::new(),
        pasts: FuturesUnordered::new(),
        order: Arc::default(),
        asking: 0,
        read_again: None,
        fits: Limits::PAGE_ENTRIES,
    };
    task.handle(RoomEvent::Loaded);
    let mut hears = task.parts.bus.as_ref().map(crate::redis::bus::Bus::hearing);
    if let Some(hears) = &mut hears {
        let now = *hears.borrow_and_update();
        task.handle(RoomEvent::Hears(now));
    }
    // Whatever expires is renewed at half its life: relays' credentials, and the token that keeps the seat.
    let renew_every =
        Duration::from_secs(task.parts.relay.ttl_s() / 2).min(Duration::from_millis(task.parts.seat_ms / 2));
    let mut renew_at = Instant::now() + renew_every;
    let mut idle_since = Instant::now();
    loop {
        seats.set(task.room.seats_of_node() as u64);
        let deadline = task.room.next_deadline().map(clock::instant_of);
        let idle = task.room.is_idle() && task.appends.is_empty() && task.conns.is_empty();
        tokio::select! {
            event = events.recv() => match event {
                Some(ToRoom::Attach(conn, outlet, host)) => {
                    task.conns.insert(conn, Conn { outlet, host, seat: None, reading: 0 });
                }
                Some(ToRoom::Event(event)) => task.handle(event),
                None => return,
            },
            Some((ticket, outcome)) = task.appends.next(), if !task.appends.is_empty() => {
                task.handle(RoomEvent::Appended { ticket, outcome });
                // Nothing else may say that the log began anew: no entry wakes anybody.
                if matches!(outcome, AppendOutcome::Stored(_) | AppendOutcome::Moved) { task.catch_up().await; }
            }
            Some((conn, msg)) = task.pasts.next(), if !task.pasts.is_empty() => task.send(&[conn], &msg),
            Some((asked, page)) = task.reads.next(), if !task.reads.is_empty() => task.was_read(asked, page),
            _ = wake.changed() => task.catch_up().await,
            heard = changed(&mut hears) => task.handle(RoomEvent::Hears(heard)),
            () = sleep_until(task.read_again.unwrap_or_else(Instant::now)), if task.read_again.is_some() => {
                task.catch_up().await;
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                task.handle(RoomEvent::Tick);
            }
            () = sleep_until(renew_at), if !task.conns.is_empty() => {
                renew_at = Instant::now() + renew_every;
                task.renew_ice();
            }
            () = sleep_until(idle_since + LINGER), if idle => {
                // Close first: whoever comes now finds the mailbox closed and starts a new task.
                events.close();
                if let Ok(late) = events.try_recv() {
                    refuse(late, None);
                }
                turn_away(&mut events, None).await;
                return;
            }
        }
        if !(task.room.is_idle() && task.conns.is_empty()) {
            idle_since = Instant::now();
        }
    }
}

/// Waits until this node hears the others or does so no more; for ever where there are none.
async fn changed(hears: &mut Option<watch::Receiver<bool>>) -> bool {
    if let Some(hears) = hears
        && hears.changed().await.is_ok()
    {
        return *hears.borrow_and_update();
    }
    std::future::pending().await
}

/// Reads the log from its beginning; none if it does not answer.
async fn load(id: &RoomId, parts: &Parts) -> Option<Room> {
    let state = within(parts.backends.log.state(id)).await.ok()?;
    let mut room = if parts.bus.is_some() { Room::shared(state.start()) } else { Room::new(state.start()) };
    if id.hides_addresses() {
        room.hide_addresses();
    }
    let mut fits = Limits::PAGE_ENTRIES;
    while room.head().seq < state.head {
        let Ok(page) = within(parts.backends.log.read(id, room.head(), fits)).await else {
            fits /= 8; // It answered a moment ago: the page may be too large for the time.
            if fits == 0 {
                return None;
            }
            continue;
        };
        if page.entries.is_empty() {
            return None; // It changed under us; whoever waits comes back.
        }
        for (offset, entry) in page.entries {
            let _ = room.handle(clock::now(), RoomEvent::Folded { offset, entry });
        }
    }
    Some(room)
}

const fn outcome(done: Result<Offset, LogError>) -> AppendOutcome {
    match done {
        Ok(offset) => AppendOutcome::Stored(offset),
        Err(LogError::IdTaken) => AppendOutcome::IdTaken,
        Err(LogError::Busy) => AppendOutcome::Busy,
        Err(LogError::Away) => AppendOutcome::Away,
        Err(LogError::Moved) => AppendOutcome::Moved,
    }
}

async fn within<T>(work: BoxFuture<'static, Result<T, LogError>>) -> Result<T, LogError> {
    tokio::time::timeout(LOG_DEADLINE, work).await.unwrap_or(Err(LogError::Away))
}

/// As much of a page as fits half of a socket's queue; the rest is asked for again.
fn fitting(page: Page) -> Page {
    let mut bytes = 0;
    let fits = |(_, entry): &(Offset, Entry)| {
        let first = bytes == 0;
        bytes += encode(entry).len() + ENVELOPE_BYTES;
        first || bytes <= Limits::SEND_QUEUE_BYTES / 2
    };
    page.into_iter().take(Limits::SEND_QUEUE / 2).take_while(fits).collect()
}

/// Tells everyone who still knocks to come back, and why if there is a reason.
async fn turn_away(events: &mut mpsc::Receiver<ToRoom>, why: Option<Refusal>) {
    events.close();
    while let Some(event) = events.recv().await {
        refuse(event, why);
    }
}

fn refuse(event: ToRoom, why: Option<Refusal>) {
    if let ToRoom::Attach(_, outlet, _) = event {
        if let Some(code) = why {
            outlet.send(Utf8Bytes::from(encode(&ServerMsg::Refused { code, about: None })));
        }
        outlet.close(CloseCode::Later, CloseCode::Later.reason_with_hint(LATER_MS));
    }
}

impl Task {
    fn handle(&mut self, event: RoomEvent) {
        if let RoomEvent::Watch { conn }
        | RoomEvent::Hello { conn, .. }
        | RoomEvent::Message { conn, .. }
        | RoomEvent::TooMuch { conn, .. } = &event
            && !self.conns.contains_key(conn)
        {
            return; // Said before it heard that it is closed.
        }
        if let RoomEvent::Closed { conn } = &event {
            self.conns.remove(conn);
        }
        let mut effects = VecDeque::from(self.room.handle(clock::now(), event));
        while let Some(effect) = effects.pop_front() {
            match effect {
                RoomEffect::Live { to, offset, entry } => {
                    for conn in self.send_entry(&to, &ServerMsg::Event { offset, entry }) {
                        let behind = RoomEvent::Behind { conn, sent: offset.seq.saturating_sub(1) };
                        effects.extend(self.room.handle(clock::now(), behind));
                    }
                }
                RoomEffect::Send { to, msg } => self.send(&to, &msg),
                RoomEffect::Pass { to, msg } => {
                    let frame = Utf8Bytes::from(encode(&msg));
                    for known in to.iter().filter_map(|conn| self.conns.get(conn)) {
                        let _ = known.outlet.offer(frame.clone());
                    }
                }
                RoomEffect::Welcome { conn, peer, resumed, roster, head, from } => {
                    self.welcome(conn, peer, |token, ice| Welcome {
                        peer,
                        token,
                        resumed,
                        roster,
                        head,
                        from,
                        now: clock::now(),
                        ice,
                        heartbeat_ms: Limits::PING_EVERY_MS,
                    });
                }
                RoomEffect::Close { conn, code } => self.close_conn(conn, code),
                RoomEffect::Append { ticket, entry, ask_archive } => {
                    if let Some(outcome) = self.append(ticket, entry, ask_archive) {
                        effects.extend(self.room.handle(clock::now(), RoomEvent::Appended { ticket, outcome }));
                    }
                }
                RoomEffect::Read { conn, after } => self.read(conn, after),
                RoomEffect::History { conn, before } => self.read_past(conn, before),
                RoomEffect::Tell { msg } => {
                    if let Some(bus) = &self.parts.bus {
                        bus.tell(&self.id, msg);
                    }
                }
            }
        }
    }

    /// Starts to read a page for a socket, once what it was sent before is written.
    fn read(&mut self, conn: ConnId, after: Offset) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.reading += 1;
        let asked = Asked { conn, after, number: known.reading };
        self.read_in(Duration::ZERO, asked);
    }

    fn read_in(&self, wait: Duration, asked: Asked) {
        let Some(outlet) = self.conns.get(&asked.conn).map(|known| known.outlet.clone()) else { return };
        let (log, id, fits) = (Arc::clone(&self.parts.backends.log), self.id.clone(), self.fits);
        self.reads.push(Box::pin(async move {
            tokio::time::sleep(wait).await;
            outlet.drained().await;
            let page = within(log.read(&id, asked.after, fits)).await;
            (asked, page.map(|page| fitting(page.entries)))
        }));
    }

    /// A log that does not answer is no fault of the socket: it stays, and its page is read again.
    fn was_read(&mut self, asked: Asked, page: Result<Page, LogError>) {
        if self.conns.get(&asked.conn).is_none_or(|known| known.reading != asked.number) {
            return; // It is gone, or the log began anew and it asked for something else.
        }
        self.learn_size(page.is_ok());
        match page {
            Ok(entries) => self.handle(RoomEvent::Page { conn: asked.conn, entries }),
            Err(_) => self.read_in(READ_AGAIN, asked),
        }
    }

    fn learn_size(&mut self, in_time: bool) {
        self.fits = if in_time { (self.fits * 2).min(Limits::PAGE_ENTRIES) } else { (self.fits / 2).max(1) };
    }

    fn read_past(&self, conn: ConnId, before: Offset) {
        let away = ServerMsg::Refused { code: Refusal::HistoryAway, about: None };
        if self.pasts.len() >= PASTS {
            return self.send(&[conn], &away);
        }
        let (parts, id) = (Arc::clone(&self.parts), self.id.clone());
        self.pasts.push(Box::pin(async move {
            let page = past::before(&parts.backends, &id, before, PAST_MESSAGES).await;
            (conn, page.map_or(away, |page| past::answer(before, page)))
        }));
    }

    /// Starts an append; answers at once only if too many wait already.
    fn append(&mut self, ticket: Ticket, entry: Entry, ask_archive: bool) -> Option<AppendOutcome> {
        if self.appends.len() >= Limits::APPENDS_WAITING {
            return Some(AppendOutcome::Busy);
        }
        if self.appends.is_empty() {
            self.asking = 0;
        }
        let seen = self.room.head();
        if !ask_archive && self.asking == 0 {
            let work = within(self.parts.backends.log.append(&self.id, entry, seen));
            self.appends.push(Box::pin(async move { (ticket, outcome(work.await)) }));
            return None;
        }
        self.asking += 1;
        let surely_new = matches!(&entry, Entry::Chat { id, .. } if self.room.surely_new(*id));
        let (parts, id, order) = (Arc::clone(&self.parts), self.id.clone(), Arc::clone(&self.order));
        self.appends.push(Box::pin(async move {
            let _turn = order.lock().await;
            if let (true, Entry::Chat { id: chat, .. }) = (ask_archive, &entry) {
                match within(parts.backends.archive.find(&id, *chat)).await {
                    Ok(Known::Stored(offset, known)) if entry.repeats(&known) => {
                        return (ticket, AppendOutcome::Stored(offset));
                    }
                    Ok(Known::Stored(..) | Known::Deleted) => return (ticket, AppendOutcome::IdTaken),
                    Ok(Known::No) => {}
                    Err(_) if surely_new => {}
                    Err(_) => return (ticket, AppendOutcome::Away),
                }
            }
            (ticket, outcome(within(parts.backends.log.append(&id, entry, seen)).await))
        }));
        None
    }

    /// Folds what the log has and the room has not. While it does not answer the room goes on without it, and looks
    /// again soon.
    async fn catch_up(&mut self) {
        self.read_again = None;
        loop {
            let head = self.room.head();
            let page = within(self.parts.backends.log.read(&self.id, head, self.fits)).await;
            self.learn_size(page.is_ok());
            let Ok(LogPage { state, entries }) = page else {
                self.read_again = Some(Instant::now() + READ_AGAIN);
                return;
            };
            if state.epoch != head.epoch || head.seq < state.oldest {
                tracing::warn!(room = crate::room_tag::tag(&self.id), "the log began anew");
                metrics::counter!("holdfast_resyncs_total").increment(1);
                for known in self.conns.values_mut() {
                    known.reading += 1; // What was asked of the old one is dropped.
                }
                self.handle(RoomEvent::Reborn { from: state.start() });
                continue;
            }
            if state.oldest > 0 {
                self.handle(RoomEvent::Trimmed { seq: state.oldest });
            }
            if entries.is_empty() {
                return;
            }
            for (offset, entry) in entries {
                self.handle(RoomEvent::Folded { offset, entry });
            }
        }
    }

    fn send(&self, to: &[ConnId], msg: &ServerMsg) {
        let frame = Utf8Bytes::from(encode(msg));
        for conn in to.iter().filter_map(|conn| self.conns.get(conn)) {
            conn.outlet.send(frame.clone());
        }
    }

    /// Sends an entry to those who keep up with the log and says who does not.
    fn send_entry(&self, to: &[ConnId], msg: &ServerMsg) -> Vec<ConnId> {
        let frame = Utf8Bytes::from(encode(msg));
        let full = |conn: &ConnId| self.conns.get(conn).is_some_and(|known| !known.outlet.offer(frame.clone()));
        to.iter().copied().filter(full).collect()
    }

    fn welcome(
        &mut self,
        conn: ConnId,
        peer: PeerId,
        complete: impl FnOnce(holdfast::wire::Token, Vec<holdfast::wire::IceServer>) -> Welcome,
    ) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.seat = Some(peer);
        let token = self.parts.secret.seat_token(&self.id, peer, clock::now().plus(self.parts.seat_ms));
        let ice = self.parts.relay.ice_servers(&self.id, peer, &known.host);
        let msg = ServerMsg::Welcome(Box::new(complete(token, ice)));
        if let ServerMsg::Welcome(welcome) = &msg
            && welcome.resumed
        {
            metrics::counter!("holdfast_resumes_total").increment(1);
        }
        tracing::info!(room = crate::room_tag::tag(&self.id), %peer, conn = %conn, "seated");
        self.send(&[conn], &msg);
    }

    fn token(&self, peer: PeerId) -> Token {
        self.parts.secret.seat_token(&self.id, peer, clock::now().plus(self.parts.seat_ms))
    }

    fn renew_ice(&self) {
        for (conn, known) in &self.conns {
            if let Some(peer) = known.seat {
                let servers = self.parts.relay.ice_servers(&self.id, peer, &known.host);
                let token = Some(self.token(peer));
                self.send(&[*conn], &ServerMsg::Ice { servers, token });
            }
        }
    }

    fn close_conn(&mut self, conn: ConnId, code: CloseCode) {
        if let Some(known) = self.conns.remove(&conn) {
            tracing::info!(room = crate::room_tag::tag(&self.id), conn = %conn, code = code.text(), "closed by the room");
            let hinted = matches!(code, CloseCode::Later | CloseCode::Restart);
            let reason = if hinted { code.reason_with_hint(LATER_MS) } else { code.text().to_owned() };
            known.outlet.close(code, reason);
        }
    }
}
