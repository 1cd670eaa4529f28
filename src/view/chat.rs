//! The chat, as the page shows it.

use super::words::{day_of, numbered};
use crate::id::{ChatId, Offset};
use crate::time::Millis;
use crate::wire::Name;
use std::sync::Arc;

/// Whether a chat message is safe on the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChatStatus {
    /// Not yet.
    Pending,
    /// In the room's log.
    Stored,
    /// It was refused for good; the person may try again.
    Failed,
}

impl ChatStatus {
    /// The value of `data-status`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Stored => "stored",
            Self::Failed => "failed",
        }
    }
}

/// What lies before the first message shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Earlier {
    /// Nothing.
    #[default]
    None,
    /// Messages, to be had.
    There,
    /// Messages, on their way.
    Loading,
}

/// One chat message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatLine {
    /// Its id.
    pub id: ChatId,
    /// Who wrote it.
    pub name: Name,
    /// Their number among people of that name.
    pub number: usize,
    /// Whether I wrote it.
    pub mine: bool,
    /// What it says.
    pub text: Arc<str>,
    /// When it was stored, or written while it is pending.
    pub at: Millis,
    /// Its place in the log, once stored.
    pub offset: Option<Offset>,
    /// It was refused for good.
    pub failed: bool,
}

impl ChatLine {
    /// Who wrote it, told apart from others of the same name.
    #[must_use]
    pub fn author(&self) -> String {
        numbered(self.name.as_str(), self.number)
    }

    /// Whether it is safe on the server.
    #[must_use]
    pub const fn status(&self) -> ChatStatus {
        match (self.offset, self.failed) {
            (Some(_), _) => ChatStatus::Stored,
            (None, true) => ChatStatus::Failed,
            (None, false) => ChatStatus::Pending,
        }
    }
}

/// The lines, each with whether a day begins with it. `offset_min` says by how many minutes the person's clock was ahead
/// of UTC at a time: it differs between summer and winter.
#[must_use]
pub fn with_days(lines: &[ChatLine], offset_min: fn(Millis) -> i32) -> Vec<(ChatLine, bool)> {
    let mut before = None;
    let begins = |line: &ChatLine| {
        let day = Some(day_of(line.at, offset_min(line.at)));
        (line.clone(), std::mem::replace(&mut before, day) != day)
    };
    lines.iter().map(begins).collect()
}
