//! Ids as newtypes with private insides, so that a room can never be passed where a person is meant.

use crate::rng::{Random, Rng};
use crate::secret::shadow;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Why a text is not an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// A room code has 3 to 40 characters.
    #[error("a room code has 3 to 40 characters")]
    RoomLength,
    /// A room code has letters a to z, digits and single inner hyphens.
    #[error("a room code has letters a to z, digits and single inner hyphens")]
    RoomCharacter,
    /// A seat id is 16 lower-case hexadecimal digits.
    #[error("a seat id is 16 lower-case hexadecimal digits")]
    Peer,
    /// A message id is a lower-case UUID of version 7.
    #[error("a message id is a lower-case UUID of version 7")]
    Chat,
}

/// Adds the text forms of an id: `TryFrom<String>` and `Into<String>` for serde, through `FromStr` and `Display`.
macro_rules! text_id {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    };
}

/// A room's code as people see it in the link: `/r/{room}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RoomId(String);
text_id!(RoomId);

impl RoomId {
    /// The code, always lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A fresh code such as `kavo-timu-resa`, from randomness the caller brings (12 letters, about 49 bits).
    ///
    /// Consonants and vowels alternate so that the code can be read aloud.
    #[must_use]
    pub fn mint(rng: &mut Rng) -> Self {
        const CONSONANTS: &[u8] = b"bcdfghjklmnprstvz";
        const VOWELS: &[u8] = b"aeiou";
        let mut code = String::with_capacity(17);
        for i in 0..15 {
            let letters = if i % 2 == 0 { CONSONANTS } else { VOWELS };
            if i > 0 && i % 5 == 0 {
                code.push('-');
            }
            code.push(char::from(letters[rng.below(letters.len() as u64) as usize]));
        }
        Self(code)
    }
}

impl RoomId {
    /// What the codes of rooms begin with whose people see only relays' addresses of each other. It is in the code, so
    /// that every page and every server knows it without asking anybody.
    pub const HIDING: &str = "relay-";

    /// A fresh code of a room that hides addresses.
    #[must_use]
    pub fn mint_hiding(rng: &mut Rng) -> Self {
        Self(format!("{}{}", Self::HIDING, Self::mint(rng).0))
    }

    /// Whether people in it see only relays' addresses of each other.
    #[must_use]
    pub fn hides_addresses(&self) -> bool {
        self.0.starts_with(Self::HIDING)
    }
}

impl FromStr for RoomId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let text = text.trim();
        if text.len() < 3 || text.len() > 40 {
            return Err(IdError::RoomLength);
        }
        let legal = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !legal || text.starts_with('-') || text.ends_with('-') || text.contains("--") {
            return Err(IdError::RoomCharacter);
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A person's seat in a room. It survives reconnects, reloads and server changes. Minted at random by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PeerId(u64);
text_id!(PeerId);

impl PeerId {
    /// The seat whose number is `bits`.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl FromStr for PeerId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let hex = text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex {
            return Err(IdError::Peer);
        }
        u64::from_str_radix(text, 16).map(Self).map_err(|_| IdError::Peer)
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A chat message's id, minted by its author's browser: a UUID of version 7 (RFC 9562).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChatId(u128);
text_id!(ChatId);

impl ChatId {
    /// A fresh id whose leading 48 bits are the time.
    #[must_use]
    pub fn mint(now: Millis, source: &mut impl Random) -> Self {
        let random = (u128::from(source.next_u64()) << 64) | u128::from(source.next_u64());
        Self::from_parts(now, random)
    }

    /// What a message that is not stored yet is called among pages. It follows from the id and does not tell it: whoever
    /// knew the id of a message on its way could store words of their own under it first.
    #[must_use]
    pub fn shadow(self) -> Self {
        Self::from_parts(self.minted_at(), shadow(self.0))
    }

    fn from_parts(now: Millis, random: u128) -> Self {
        let time = u128::from(now.as_unix() & 0xFFFF_FFFF_FFFF) << 80;
        let version = 7_u128 << 76;
        let variant = 2_u128 << 62;
        let rand_a = (random >> 64) & 0x0FFF;
        let rand_b = random & 0x3FFF_FFFF_FFFF_FFFF;
        Self(time | version | (rand_a << 64) | variant | rand_b)
    }
}

impl ChatId {
    /// When its author's browser says it was minted.
    #[must_use]
    pub const fn minted_at(self) -> Millis {
        Millis::from_unix((self.0 >> 80) as u64)
    }
}

impl FromStr for ChatId {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        let bytes = text.as_bytes();
        let shaped = bytes.len() == 36
            && bytes.iter().enumerate().all(|(i, b)| match i {
                8 | 13 | 18 | 23 => *b == b'-',
                14 => *b == b'7',
                19 => matches!(b, b'8' | b'9' | b'a' | b'b'),
                _ => matches!(b, b'0'..=b'9' | b'a'..=b'f'),
            });
        if !shaped {
            return Err(IdError::Chat);
        }
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self).map_err(|_| IdError::Chat)
    }
}

impl fmt::Display for ChatId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hex = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
    }
}

/// Makes a plain number an id of its own type.
macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The id whose number is `n`.
            #[must_use]
            pub const fn from_number(n: u64) -> Self {
                Self(n)
            }
            /// The number of this id.
            #[must_use]
            pub const fn number(self) -> u64 {
                self.0
            }
            /// The id after this one, stopping at the last.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// Which socket of a client this is; what an older socket says is dropped.
    SocketEpoch
}
number_id! {
    /// Which peer connection between two people this is. Both sides use the same number; the higher one wins.
    PcEpoch
}
number_id! {
    /// A socket as the server knows it; never on the wire.
    ConnId
}
number_id! {
    /// One server process, minted at random when it starts.
    NodeId
}
number_id! {
    /// Which life of a room's log this is. It changes only when entries were lost.
    LogEpoch
}

/// A place in a room's log. Sequence numbers start at 1 and have no gaps within an epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offset {
    /// The life of the log.
    pub epoch: LogEpoch,
    /// The entry's number in that life; 0 stands for "before the first".
    pub seq: u64,
}

impl Offset {
    /// The place behind this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self { epoch: self.epoch, seq: self.seq.saturating_add(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_codes_are_checked_and_lowered() {
        assert_eq!("Team-42".parse::<RoomId>().map(String::from), Ok("team-42".into()));
        assert_eq!("ab".parse::<RoomId>(), Err(IdError::RoomLength));
        for bad in ["a b c", "-abc", "abc-", "a--b", "ab/cd", "äöü", "<b>x</b>"] {
            assert_eq!(bad.parse::<RoomId>(), Err(IdError::RoomCharacter), "{bad}");
        }
    }

    #[test]
    fn minted_rooms_parse_and_differ() {
        let mut rng = Rng::new(3);
        let (a, b) = (RoomId::mint(&mut rng), RoomId::mint(&mut rng));
        assert_ne!(a, b);
        assert_eq!(a.as_str().parse::<RoomId>(), Ok(a.clone()));
        assert_eq!(a.as_str().len(), 17);
    }

    #[test]
    fn minted_chat_ids_are_version_7_and_sort_by_time() {
        let mut rng = Rng::new(9);
        let a = ChatId::mint(Millis::from_unix(1_700_000_000_000), &mut rng);
        let b = ChatId::mint(Millis::from_unix(1_700_000_000_001), &mut rng);
        assert!(a < b);
        assert_eq!(a.to_string().parse::<ChatId>(), Ok(a));
        assert_eq!(a.to_string().as_bytes()[14], b'7');
        assert_eq!("018bcfe5-6800-4000-8000-000000000000".parse::<ChatId>(), Err(IdError::Chat));
    }

    #[test]
    fn seat_ids_round_trip() {
        let id = PeerId::from_bits(0xab);
        assert_eq!(id.to_string(), "00000000000000ab");
        assert_eq!(id.to_string().parse::<PeerId>(), Ok(id));
        assert_eq!("00000000000000AB".parse::<PeerId>(), Err(IdError::Peer));
    }
}
