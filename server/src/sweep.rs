//! The sweep: finishes deletions, forgets what is older than it may be, and cuts the log where the archive has it.
//! One node at a time does it, in small steps; another may go on at any point.

use crate::backends::Backends;
use crate::clock;
use crate::deletion::{STEP, finish_all};
use crate::log::LogError;
use holdfast::room::RoomEvent;
use holdfast::wire::Entry;
use holdfast::{Limits, Millis, Offset, Room, RoomId};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const DAY_MS: u64 = 86_400_000;
/// A log without an entry is forgotten after this long.
const UNUSED_MS: u64 = 600_000;
/// A room that was created, and that nobody entered, is forgotten after this long.
const CREATED_MS: u64 = DAY_MS;
/// Steps of forgetting those in one round.
const FORGETTING: usize = 20;
/// Rooms of the archive looked at in one round.
const ROOMS: usize = 100;
/// Rooms of the log looked at in one round, of those that are due.
const LOGS: usize = 1_000;
/// A log that is held by somebody who came early, or cannot be read, is looked at again after this long.
const HELD_MS: u64 = 3_600_000;
/// Logs that cannot be read before the round is given up: it is the store that is away.
const FAILURES: u32 = 3;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Days a message stays in the archive where its room does not say; 0 for ever.
    pub days: u32,
    /// How long an entry stays in the log.
    pub log_ms: u64,
    /// Time between two rounds.
    pub every: Duration,
}

/// Sweeps until `stop`.
pub async fn run(backends: Backends, keep: Keep, stop: CancellationToken) {
    let mut archived = None;
    loop {
        if stop.run_until_cancelled(tokio::time::sleep(keep.every)).await.is_none() {
            return;
        }
        let lease_ms = u64::try_from(keep.every.as_millis()).unwrap_or(60_000) * 2;
        if backends.queue.lease("sweep", lease_ms).await != Ok(true) {
            continue; // Another node is at it, or nobody can be.
        }
        let done = stop.run_until_cancelled(round(&backends, keep, &mut archived)).await;
        if let Some(Err(error)) = done {
            tracing::debug!(%error, "the sweep will go on later");
        }
    }
}

/// One round: where it ended is where the next begins.
///
/// # Errors
/// When log, queue or archive do not answer.
pub async fn round(backends: &Backends, keep: Keep, archived: &mut Option<RoomId>) -> Result<(), LogError> {
    finish_all(backends, &*backends.archive).await?;
    let created = Millis::from_unix(clock::now().as_unix().saturating_sub(CREATED_MS));
    for _ in 0..FORGETTING {
        if backends.archive.forget_unused(created, STEP).await != Ok(STEP) {
            break;
        }
    }
    // The queue is in order: if its oldest entry is younger, everything older is in the archive or laid aside.
    let waiting = backends.queue.stats().await?;
    let stored_until = match waiting.depth {
        0 => clock::now(),
        _ => Millis::from_unix(clock::now().as_unix().saturating_sub(waiting.oldest_ms)),
    };
    let rooms = backends.archive.rooms(archived.clone(), ROOMS).await?;
    *archived = rooms.last().map(|record| record.room.clone()).filter(|_| rooms.len() == ROOMS);
    for record in rooms {
        let days = record.retention_days.unwrap_or(keep.days);
        if days > 0 {
            let before = Millis::from_unix(clock::now().as_unix().saturating_sub(u64::from(days) * DAY_MS));
            // What the archive forgets the log must not bring back.
            trim(backends, &record.room, before, stored_until, true).await?;
            let n = backends.archive.expire(&record.room, before, STEP).await?;
            metrics::counter!("holdfast_expired_total").increment(n);
        }
    }
    let before = Millis::from_unix(clock::now().as_unix().saturating_sub(keep.log_ms));
    let mut failures = 0;
    for room in backends.log.due(cut(before), LOGS).await? {
        let next = match trim(backends, &room, before, stored_until, false).await {
            Ok(next) => next,
            Err(error) if failures == FAILURES => return Err(error),
            Err(error) => {
                tracing::warn!(room = crate::room_tag::tag(&room), %error, "a log cannot be trimmed");
                failures += 1;
                Some(cut(before).plus(HELD_MS)) // It holds up no other.
            }
        };
        if let Some(next) = next {
            backends.log.look_again(&room, next).await?;
        }
    }
    Ok(())
}

/// The log must know the ids of what may still be sent again: nothing younger than this leaves it.
fn cut(before: Millis) -> Millis {
    before.min(Millis::from_unix(clock::now().as_unix().saturating_sub(Limits::ID_WINDOW_MS)))
}

/// Cuts a room's log: what is older than `before`, is in the archive, and does not tell who is in the room. With
/// `forget`, messages that are not cut are redacted: those behind somebody's coming, and those young enough to be sent again.
/// Answers which entry is the oldest one left, by its time, or when to look again; none if there is more to do already.
async fn trim(
    backends: &Backends,
    room: &RoomId,
    before: Millis,
    stored_until: Millis,
    forget: bool,
) -> Result<Option<Millis>, LogError> {
    if stored_until <= before {
        return Ok(None);
    }
    let state = backends.log.state(room).await?;
    if state.oldest == state.head {
        // Nothing is left in it; or nobody came in since it began, and then it is forgotten.
        if state.head > 0 || clock::now().as_unix().saturating_sub(state.epoch.number()) > UNUSED_MS {
            backends.log.trim(room, state.start()).await?;
        }
        return Ok(None);
    }
    let cut = cut(before);
    let mut next = None;
    let mut folded = Room::new(state.start());
    let mut until = state.oldest;
    let mut old = vec![];
    let mut fits = Limits::PAGE_ENTRIES;
    while folded.head().seq < state.head {
        let page = match backends.log.read(room, folded.head(), fits).await {
            Ok(page) => page,
            Err(error) if fits == 1 => return Err(error),
            Err(_) => {
                fits = (fits / 8).max(1); // It may be too large for the time.
                continue;
            }
        };
        if page.entries.is_empty() {
            return Ok(None); // It began anew.
        }
        for (offset, entry) in page.entries {
            // A redacted entry has no time; it goes with its neighbours.
            if until + 1 == offset.seq {
                if entry.at() < cut {
                    until = offset.seq;
                } else {
                    next = next.or(Some(entry.at()));
                }
            }
            if let Entry::Chat { id, at, .. } = &entry
                && *at < before
                && forget
                && old.len() < STEP
            {
                old.push((offset.seq, *id));
            }
            let _ = folded.handle(clock::now(), RoomEvent::Folded { offset, entry });
        }
        if !forget && until < folded.head().seq && folded.oldest_joined().is_some_and(|joined| joined <= until) {
            break; // Somebody who came that early is still here.
        }
        if until == state.oldest && old.is_empty() {
            return Ok(next); // The oldest entry is too young, and so is what follows.
        }
    }
    if let Some(joined) = folded.oldest_joined().filter(|joined| *joined <= until) {
        (until, next) = (joined.saturating_sub(1), Some(cut.plus(HELD_MS)));
    }
    if until > state.oldest + STEP as u64 {
        (until, next) = (state.oldest + STEP as u64, None); // The rest in the next rounds.
    }
    for (_, id) in old.iter().filter(|(seq, _)| *seq > until) {
        backends.log.redact(room, *id).await?;
    }
    if until > state.oldest {
        backends.log.trim(room, Offset { epoch: state.epoch, seq: until }).await?;
    }
    Ok(next)
}
