//! Deleting for good: a tombstone first, then log and archive; a sweep finishes what a crash left half done.

use crate::archive::{Archive, Deleted, Tombstone};
use crate::backends::Backends;
use crate::clock;
use crate::log::LogError;
use holdfast::wire::Entry;
use holdfast::{ChatId, Offset, RoomId};

/// Entries deleted in one step.
pub const STEP: usize = 1_000;

/// Deletes a message everywhere: the archive, the log, and every page that shows it.
///
/// # Errors
/// When log or archive do not answer; what was begun is finished by the sweep.
pub async fn delete_message(backends: &Backends, room: &RoomId, id: ChatId) -> Result<(), LogError> {
    let tombstone = Tombstone { room: room.clone(), what: Deleted::Message(id), at: clock::now() };
    backends.archive.entomb(tombstone.clone()).await?;
    finish(backends, tombstone).await
}

/// Deletes a room: every entry there is now. Whoever is in it stays, in an empty room.
///
/// # Errors
/// When log or archive do not answer; what was begun is finished by the sweep.
pub async fn delete_room(backends: &Backends, room: &RoomId) -> Result<(), LogError> {
    let epoch = backends.log.state(room).await?.epoch;
    let tombstone = Tombstone { room: room.clone(), what: Deleted::Room(epoch), at: clock::now() };
    backends.archive.entomb(tombstone.clone()).await?;
    finish(backends, tombstone).await
}

/// Does what a tombstone says. Right however often it is called.
///
/// # Errors
/// When log or archive do not answer.
pub async fn finish(backends: &Backends, tombstone: Tombstone) -> Result<(), LogError> {
    let room = &tombstone.room;
    // From the archive first: a page that hears of it reads at once what that has.
    while !backends.archive.remove_covered(tombstone.clone(), STEP).await? {}
    match tombstone.what {
        Deleted::Message(id) => {
            backends.log.redact(room, id).await?;
            // Pages hear of it through the log, which holds this once.
            backends.log.append(room, Entry::Deleted { id, at: clock::now() }, Offset::default()).await?;
        }
        Deleted::Room(epoch) => {
            // Also a life that somebody at the door is about to begin: it may be of before.
            let state = backends.log.state(room).await?;
            if (state.epoch <= epoch || state.head == 0) && backends.log.wipe(room).await?.epoch <= epoch {
                backends.log.wipe(room).await?; // It began in the same millisecond.
            }
        }
    }
    drop_dead_letters(backends, &tombstone).await?;
    while !backends.archive.bury(tombstone.clone(), STEP).await? {}
    Ok(())
}

/// What was laid aside is deleted too. What waits in the queue the archive leaves out.
async fn drop_dead_letters(backends: &Backends, tombstone: &Tombstone) -> Result<(), LogError> {
    let mut after = None;
    loop {
        let page = backends.queue.dead(after, 100).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.key.clone());
        for letter in page {
            let named = matches!(tombstone.what, Deleted::Message(id) if letter.payload.contains(&id.to_string()));
            if letter.record.as_ref().map_or(named, |record| tombstone.covers(record)) {
                backends.queue.discard(letter.key).await?;
            }
        }
    }
}

/// Finishes deletions that a crash or an outage left half done.
///
/// # Errors
/// When the archive does not answer.
pub async fn finish_all(backends: &Backends, archive: &dyn Archive) -> Result<usize, LogError> {
    let unfinished = archive.unfinished(100).await?;
    let n = unfinished.len();
    for tombstone in unfinished {
        // One that fails holds up no other; it is tried again in the next round.
        let _ = finish(backends, tombstone).await;
    }
    Ok(n)
}
