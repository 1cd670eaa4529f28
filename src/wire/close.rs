//! WebSocket close codes, each with its retry policy.

use crate::limits::Limits;

/// What a client does after a close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Come back at once, with the usual jitter.
    Now,
    /// Come back after this many milliseconds.
    After(u64),
    /// Do not come back: it would end the same way.
    Stop,
}

/// Declares the close codes once: number, name, stable text, policy.
macro_rules! close_codes {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal, $retry:expr;)*) => {
        /// Why a socket was closed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum CloseCode {
            $($(#[$doc])* $name,)*
            /// A number we do not know: treated as a broken connection.
            Other(u16),
        }

        impl CloseCode {
            /// Every code we name, in the order of the protocol document.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Self {
                match number {
                    $($number => Self::$name,)*
                    other => Self::Other(other),
                }
            }

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                match self {
                    $(Self::$name => $number,)*
                    Self::Other(number) => number,
                }
            }

            /// The stable text that goes into the close reason.
            #[must_use]
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Other(_) => "other",
                }
            }

            const fn policy(self) -> Retry {
                match self {
                    $(Self::$name => $retry,)*
                    Self::Other(_) => Retry::Now,
                }
            }
        }
    };
}

close_codes! {
    /// The client left.
    Normal = 1000, "normal", Retry::Now;
    /// The page or the server goes away.
    GoingAway = 1001, "going_away", Retry::Now;
    /// Something other than text frames of UTF-8.
    Protocol = 1002, "protocol_error", Retry::After(2_000);
    /// A frame that is not text.
    NotText = 1003, "not_text", Retry::After(2_000);
    /// No close frame arrived: the network broke.
    Broken = 1006, "broken", Retry::Now;
    /// Text that is not UTF-8.
    NotUtf8 = 1007, "not_utf8", Retry::After(2_000);
    /// Too many messages.
    TooFast = 1008, "too_fast", Retry::After(5_000);
    /// A message past the frame limit.
    TooBig = 1009, "too_big", Retry::After(2_000);
    /// The server failed; the next try may work.
    Internal = 1011, "internal_error", Retry::After(1_000);
    /// The server restarts; the reason carries `retry=<ms>` to spread the return.
    Restart = 1012, "restart", Retry::After(500);
    /// The server has no room for this now; the reason may carry `retry=<ms>`.
    Later = 1013, "try_later", Retry::After(5_000);
    /// The client speaks another version: reload the page.
    Version = 4000, "version", Retry::Stop;
    /// No first message in time.
    HelloTimeout = 4001, "hello_timeout", Retry::Now;
    /// A message that is not one of the protocol's.
    Malformed = 4002, "malformed", Retry::After(2_000);
    /// All seats are taken.
    RoomFull = 4003, "room_full", Retry::Stop;
    /// The same seat was opened somewhere else.
    Replaced = 4004, "replaced", Retry::Stop;
    /// The client reads too slowly; it may resume.
    SlowReader = 4005, "slow_reader", Retry::Now;
    /// The seat was given up after silence; it may resume.
    Silent = 4006, "silent", Retry::Now;
    /// The message is not allowed at this point.
    OutOfOrder = 4007, "out_of_order", Retry::After(2_000);
}

impl CloseCode {
    /// What to do now. A `retry=<ms>` in the reason overrides the wait of a code that allows to come back.
    #[must_use]
    pub fn retry(self, reason: &str) -> Retry {
        match (self.policy(), hint_ms(reason)) {
            (Retry::Stop, _) => Retry::Stop,
            (_, Some(ms)) => Retry::After(ms.min(Limits::RETRY_HINT_CAP_MS)),
            (policy, None) => policy,
        }
    }

    /// The close reason with a wait in it.
    #[must_use]
    pub fn reason_with_hint(self, ms: u64) -> String {
        format!("{} retry={ms}", self.text())
    }
}

fn hint_ms(reason: &str) -> Option<u64> {
    reason.split_whitespace().find_map(|word| word.strip_prefix("retry="))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_are_one_to_one() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_number(code.number()), *code);
            assert!(code.reason_with_hint(u64::MAX).len() <= 123, "a close reason has at most 123 bytes");
        }
        assert_eq!(CloseCode::from_number(4999), CloseCode::Other(4999));
    }

    #[test]
    fn a_hint_overrides_the_wait_but_never_a_stop() {
        assert_eq!(CloseCode::Restart.retry(&CloseCode::Restart.reason_with_hint(1_234)), Retry::After(1_234));
        assert_eq!(CloseCode::Restart.retry("restart retry=99999999999"), Retry::After(Limits::RETRY_HINT_CAP_MS));
        assert_eq!(CloseCode::Replaced.retry("replaced retry=5"), Retry::Stop);
        assert_eq!(CloseCode::Broken.retry("retry=x"), Retry::Now);
    }
}
