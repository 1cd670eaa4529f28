//! The round trip of the link, and what silence means at this distance.

use crate::limits::Limits;

/// How long an answer takes, smoothed as TCP does (RFC 6298): the silence that means something grows with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rtt {
    smooth_ms: u64,
    varies_ms: u64,
}

impl Rtt {
    pub(super) const UNKNOWN: Self = Self { smooth_ms: 0, varies_ms: 0 };

    pub(super) fn measured(&mut self, ms: u64) {
        let ms = ms.min(Limits::RTT_CAP_MS);
        if self.smooth_ms == 0 {
            *self = Self { smooth_ms: ms, varies_ms: ms / 2 };
            return;
        }
        self.varies_ms = (3 * self.varies_ms + self.smooth_ms.abs_diff(ms)) / 4;
        self.smooth_ms = (7 * self.smooth_ms + ms) / 8;
    }

    /// An answer that was sent once more on the way has come by then.
    pub(super) fn answer_within_ms(self) -> u64 {
        Limits::DOUBT_MS.max(3 * (self.smooth_ms + 4 * self.varies_ms))
    }

    /// Silence of this length is a dead link: a lost segment is sent again after one, two and four timeouts.
    pub(super) fn dead_after_ms(self) -> u64 {
        let timeout = self.smooth_ms + 4 * self.varies_ms;
        (Limits::PING_EVERY_MS + 7 * timeout).clamp(Limits::LINK_DEAD_AFTER_MS, Limits::LINK_DEAD_CAP_MS)
    }
}
