//! Reading back in a room: the newest messages before a place, from the log what it has, from the archive what is older.
//! The log is cut only where the archive has everything, so the two join without a gap and without a double.

use crate::backends::Backends;
use crate::clock;
use crate::log::{LogError, LogState};
use holdfast::wire::{Entry, Past, ServerMsg, encode};
use holdfast::{Limits, Offset, RoomId};

/// A page of messages, oldest first, and whether there is more beyond it.
pub struct Page {
    /// The messages.
    pub messages: Vec<(Offset, Entry)>,
    /// Whether there are more in the direction that was asked for.
    pub more: bool,
}

/// Pages of the log that a question may read before it waits for its turn.
const PAGES_AT_ONCE: usize = 4;

/// Where the log began anew, what its earlier life told may still wait to be archived: then nobody can say yet what
/// the archive will hold.
async fn complete(backends: &Backends, state: LogState) -> Result<(), LogError> {
    if !state.reborn {
        return Ok(());
    }
    let waiting = backends.queue.stats().await?;
    let since = clock::now().as_unix().saturating_sub(waiting.oldest_ms);
    if waiting.depth > 0 && since <= state.epoch.number() { Err(LogError::Away) } else { Ok(()) }
}

/// The newest `limit` messages before a place.
///
/// # Errors
/// When log or archive do not answer.
pub async fn before(backends: &Backends, room: &RoomId, before: Offset, limit: usize) -> Result<Page, LogError> {
    let state = backends.log.state(room).await?;
    let mut newest_first: Vec<(Offset, Entry)> = vec![];
    let mut end = before.min(Offset { epoch: state.epoch, seq: state.head.saturating_add(1) });
    let (mut pages, mut _turn) = (0, None);
    while end.epoch == state.epoch && end.seq > state.oldest + 1 && newest_first.len() <= limit {
        if let Some((after, _)) = backends.quiet.around(room, Offset { seq: end.seq - 1, ..end }) {
            end.seq = after.max(state.oldest) + 1;
            continue;
        }
        if pages == PAGES_AT_ONCE {
            _turn = backends.quiet.turn().await;
        }
        pages += 1;
        let start = Offset { seq: end.seq.saturating_sub(1 + Limits::PAGE_ENTRIES as u64).max(state.oldest), ..end };
        let page = backends.log.read(room, start, Limits::PAGE_ENTRIES).await?;
        if page.state.epoch != state.epoch || page.state.oldest > start.seq {
            return Err(LogError::Away); // It changed under us: asked again, the answer will fit.
        }
        backends.quiet.learn(room, &page.entries);
        let chats = page.entries.into_iter().filter(|(at, entry)| *at < end && matches!(entry, Entry::Chat { .. }));
        newest_first.extend(chats.collect::<Vec<_>>().into_iter().rev());
        end = Offset { seq: start.seq + 1, ..end };
    }
    if newest_first.len() <= limit {
        let until = end.min(Offset { epoch: state.epoch, seq: state.oldest.saturating_add(1) });
        complete(backends, state).await?;
        let older = backends.archive.before(room, until, limit + 1 - newest_first.len()).await?;
        newest_first.extend(older.into_iter().rev());
    }
    let more = newest_first.len() > limit;
    newest_first.truncate(limit);
    newest_first.reverse();
    Ok(Page { messages: newest_first, more })
}

/// The oldest `limit` messages after a place.
///
/// # Errors
/// When log or archive do not answer.
pub async fn after(backends: &Backends, room: &RoomId, after: Offset, limit: usize) -> Result<Page, LogError> {
    let state = backends.log.state(room).await?;
    let mut messages = vec![];
    let mut at = after;
    if at < state.start() {
        complete(backends, state).await?;
        messages = backends.archive.after(room, at, state.start(), limit + 1).await?;
        at = state.start();
    }
    let (mut pages, mut _turn) = (0, None);
    while messages.len() <= limit && at < state.head() {
        if let Some((_, until)) = backends.quiet.around(room, Offset { seq: at.seq.saturating_add(1), ..at }) {
            at.seq = until;
            continue;
        }
        if pages == PAGES_AT_ONCE {
            _turn = backends.quiet.turn().await;
        }
        pages += 1;
        let page = backends.log.read(room, at, Limits::PAGE_ENTRIES).await?;
        if page.state.epoch != state.epoch || page.state.oldest > at.seq {
            return Err(LogError::Away); // It changed under us: asked again, the answer will fit.
        }
        let Some((last, _)) = page.entries.last() else { break };
        at = *last;
        backends.quiet.learn(room, &page.entries);
        messages.extend(page.entries.into_iter().filter(|(_, entry)| matches!(entry, Entry::Chat { .. })));
    }
    let more = messages.len() > limit;
    messages.truncate(limit);
    Ok(Page { messages, more })
}

/// The answer to a page's question; as many messages as fit into one frame, and at least one.
#[must_use]
pub fn answer(before: Offset, page: Page) -> ServerMsg {
    let mut bytes = 0;
    let mut fitting: Vec<Past> = vec![];
    let asked = page.messages.len();
    for (offset, entry) in page.messages.into_iter().rev() {
        bytes += encode(&entry).len() + 64;
        if !fitting.is_empty() && bytes > Limits::HISTORY_BYTES {
            break;
        }
        fitting.push(Past { offset, entry });
    }
    let more = page.more || fitting.len() < asked;
    fitting.reverse();
    ServerMsg::History { before, messages: fitting, more }
}
