//! What others must not guess or forge: random numbers from a secret, and keys that seal what somebody else brings.

use crate::rng::Random;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

/// Numbers that follow from a secret and tell nothing of it or of each other: SipHash-2-4 with 128 bits of output
/// (Aumasson, Bernstein 2012), a keyed function that nobody without its key tells from chance, of a counter.
#[derive(Clone)]
pub struct Secrets {
    secret: Key,
    drawn: u64,
}

impl Secrets {
    /// A generator whose whole output follows from `secret`, which comes from the system's secure source.
    #[must_use]
    pub const fn new(secret: [u8; 16]) -> Self {
        Self { secret: Key(u128::from_be_bytes(secret)), drawn: 0 }
    }

    /// A key nobody else has.
    pub fn next_key(&mut self) -> Key {
        Key(self.next_bits())
    }

    fn next_bits(&mut self) -> u128 {
        self.drawn += 1;
        self.secret.seal(&[&self.drawn.to_be_bytes()]).0
    }
}

impl Random for Secrets {
    fn next_u64(&mut self) -> u64 {
        (self.next_bits() >> 64) as u64
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Secrets({} drawn)", self.drawn)
    }
}

/// 128 bits as 32 hexadecimal digits.
macro_rules! hex_bits {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(u128);

        impl TryFrom<String> for $name {
            type Error = NotHex;
            fn try_from(text: String) -> Result<Self, NotHex> {
                let shaped = text.len() == 32 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if !shaped {
                    return Err(NotHex);
                }
                u128::from_str_radix(&text, 16).map(Self).map_err(|_| NotHex)
            }
        }

        impl From<$name> for String {
            fn from(bits: $name) -> Self {
                format!("{:032x}", bits.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

/// The text is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not 32 hexadecimal digits")]
pub struct NotHex;

hex_bits! {
    /// What one page seals its words to another with. Only those two know it.
    Key
}

hex_bits! {
    /// Shows that whoever wrote something has the key.
    Seal
}

impl Key {
    /// The seal of these parts together. Each counts with its length, so that none can be moved into its neighbour.
    #[must_use]
    pub fn seal(&self, parts: &[&[u8]]) -> Seal {
        let mut hasher = SipHasher24::new_with_key(&self.0.to_be_bytes());
        for part in parts {
            hasher.write(&(part.len() as u64).to_be_bytes());
            hasher.write(part);
        }
        Seal(hasher.finish128().as_u128())
    }
}

/// What follows from 128 secret bits and does not tell them.
#[must_use]
pub fn shadow(bits: u128) -> u128 {
    Key(bits).seal(&[b"shadow"]).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_function_is_siphash_2_4_with_128_bits() {
        // The reference implementation's vector for the key 00 01 … 0f and no bytes.
        let key: [u8; 16] = std::array::from_fn(|n| n as u8);
        let hash = SipHasher24::new_with_key(&key).finish128();
        assert_eq!(hash.as_bytes(), 0xa381_7f04_ba25_a8e6_6df6_7214_c755_0293_u128.to_be_bytes());
    }

    #[test]
    fn a_shadow_follows_from_its_bits_alone() {
        assert_eq!(shadow(7), shadow(7));
        assert_ne!(shadow(7), shadow(8));
    }

    #[test]
    fn numbers_follow_from_the_secret_and_differ() {
        let (mut a, mut b) = (Secrets::new([7; 16]), Secrets::new([7; 16]));
        let drawn: Vec<u64> = (0..100).map(|_| a.next_u64()).collect();
        assert!(drawn.iter().all(|n| *n == b.next_u64()));
        assert_eq!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
        assert_ne!(Secrets::new([8; 16]).next_u64(), drawn[0]);
    }

    #[test]
    fn a_seal_is_of_the_key_and_of_every_part() {
        let mut secrets = Secrets::new([7; 16]);
        let (key, other) = (secrets.next_key(), secrets.next_key());
        let seal = key.seal(&[b"ab", b"c"]);
        assert_eq!(seal, key.seal(&[b"ab", b"c"]));
        assert_ne!(seal, other.seal(&[b"ab", b"c"]));
        assert_ne!(seal, key.seal(&[b"a", b"bc"]), "nothing moves from part to part");
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = Secrets::new([7; 16]).next_key();
        let text = String::from(key);
        assert_eq!(Key::try_from(text.clone()), Ok(key));
        for wrong in ["", "00", &text.to_uppercase(), &format!("+{}", &text[1..]), &format!("{text}0")] {
            assert_eq!(Key::try_from(wrong.to_owned()), Err(NotHex), "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "Key");
    }
}
