//! What a room is called in the log. Its code is the key to all that was said in it, so a keyed hash stands for it.

use crate::tokens::Secret;
use holdfast::RoomId;
use std::sync::OnceLock;

/// One a process, because every part of it logs; the first server in it decides.
static SECRET: OnceLock<Secret> = OnceLock::new();

/// Names rooms by this secret from now on: servers with the same one call a room alike.
pub fn start(secret: &Secret) {
    let _ = SECRET.set(secret.clone());
}

/// The name of a room for the log.
#[must_use]
pub fn tag(room: &RoomId) -> String {
    SECRET.get().map_or_else(|| "?".into(), |secret| secret.room_tag(room))
}
