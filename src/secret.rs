//! What others must not guess or forge: random numbers from a secret, and keys that seal what somebody else brings.

use crate::rng::Random;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Numbers that follow from a secret and tell nothing of it or of each other (HMAC-SHA-256 of a counter, RFC 2104).
#[derive(Clone)]
pub struct Secrets {
    secret: [u8; 32],
    drawn: u64,
}

impl Secrets {
    /// A generator whose whole output follows from `secret`, which comes from the system's secure source.
    #[must_use]
    pub const fn new(secret: [u8; 32]) -> Self {
        Self { secret, drawn: 0 }
    }

    /// A key nobody else has.
    pub fn next_key(&mut self) -> Key {
        Key(self.next_bits())
    }

    fn next_bits(&mut self) -> u128 {
        self.drawn += 1;
        authenticate(&self.secret, &[&self.drawn.to_be_bytes()])
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
    /// Shows that whoever wrote something has the key (HMAC-SHA-256, its first 128 bits).
    Seal
}

impl Key {
    /// The seal of these parts together. Each counts with its length, so that none can be moved into its neighbour.
    #[must_use]
    pub fn seal(&self, parts: &[&[u8]]) -> Seal {
        Seal(authenticate(&self.0.to_be_bytes(), parts))
    }
}

/// The first 128 bits of the SHA-256 digest.
#[must_use]
pub fn digest(bytes: &[u8]) -> u128 {
    first_bits(&Sha256::digest(bytes))
}

fn authenticate(key: &[u8], parts: &[&[u8]]) -> u128 {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    first_bits(&mac.finalize().into_bytes())
}

fn first_bits(bytes: &[u8]) -> u128 {
    bytes.iter().take(16).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_sha_256() {
        // FIPS 180-4, the digest of "abc".
        assert_eq!(digest(b"abc"), 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
    }

    #[test]
    fn numbers_follow_from_the_secret_and_differ() {
        let (mut a, mut b) = (Secrets::new([7; 32]), Secrets::new([7; 32]));
        let drawn: Vec<u64> = (0..100).map(|_| a.next_u64()).collect();
        assert!(drawn.iter().all(|n| *n == b.next_u64()));
        assert_eq!(drawn.iter().collect::<std::collections::BTreeSet<_>>().len(), 100);
        assert_ne!(Secrets::new([8; 32]).next_u64(), drawn[0]);
    }

    #[test]
    fn a_seal_is_of_the_key_and_of_every_part() {
        let mut secrets = Secrets::new([7; 32]);
        let (key, other) = (secrets.next_key(), secrets.next_key());
        let seal = key.seal(&[b"ab", b"c"]);
        assert_eq!(seal, key.seal(&[b"ab", b"c"]));
        assert_ne!(seal, other.seal(&[b"ab", b"c"]));
        assert_ne!(seal, key.seal(&[b"a", b"bc"]), "nothing moves from part to part");
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let key = Secrets::new([7; 32]).next_key();
        let text = String::from(key);
        assert_eq!(Key::try_from(text.clone()), Ok(key));
        for wrong in ["", "00", &text.to_uppercase(), &format!("+{}", &text[1..]), &format!("{text}0")] {
            assert_eq!(Key::try_from(wrong.to_owned()), Err(NotHex), "{wrong}");
        }
        assert_eq!(format!("{key:?}"), "Key");
    }
}
