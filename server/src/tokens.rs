//! Seat tokens and relay credentials: what proves a seat, signed with the server's secret.

use crate::private;
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use holdfast::wire::Token;
use holdfast::{Millis, PeerId, RoomId};
use rand::RngCore;
use std::io::Write;
use std::path::Path;

/// The key behind every token, and the one before it.
#[derive(Clone)]
pub struct Secret {
    key: Vec<u8>,
    /// Signs nothing; what it signed is still good.
    old: Option<Vec<u8>>,
}

impl Secret {
    /// The key from the configuration, or the one kept in the data folder, made on the first start.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn load(configured: &str, data_dir: &Path) -> std::io::Result<Self> {
        if !configured.is_empty() {
            return Ok(Self { key: configured.as_bytes().to_vec(), old: None });
        }
        let path = data_dir.join("secret");
        match std::fs::read(&path) {
            Ok(key) if key.len() >= 32 => return Ok(Self { key, old: None }),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut key = [0_u8; 32];
        rand::rng().fill_bytes(&mut key);
        let key = BASE64_STANDARD.encode(key).into_bytes();
        let mut file = private::file(&path)?;
        file.set_len(0)?;
        file.write_all(&key)?;
        file.sync_all()?;
        Ok(Self { key, old: None })
    }

    /// The same, and tokens signed by the key before it are good too, if there was one.
    #[must_use]
    pub fn after(self, old: &str) -> Self {
        Self { old: (!old.is_empty()).then(|| old.as_bytes().to_vec()), ..self }
    }

    fn sign(&self, message: &str) -> Vec<u8> {
        hmac(&self.key, message).finalize().into_bytes().to_vec()
    }

    /// What stands for a room where its code must not stand.
    #[must_use]
    pub fn room_tag(&self, room: &RoomId) -> String {
        self.sign(&format!("room tag|{room}")).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
    }

    /// A key for the relay that nobody can turn back into this one.
    #[must_use]
    pub fn derive_turn(&self) -> String {
        BASE64_STANDARD.encode(self.sign("turn"))
    }

    /// A token that opens this seat of this room until `expires`.
    #[must_use]
    pub fn seat_token(&self, room: &RoomId, peer: PeerId, expires: Millis) -> Token {
        let mac = self.sign(&seat_message(room, peer, expires));
        let text = format!("{peer}.{}.{}", expires.as_unix(), BASE64_URL_SAFE_NO_PAD.encode(mac));
        Token::new(&text).expect("hex, digits, dots and URL-safe base64 are legal and short")
    }

    /// The seat a token opens in this room now, if it is ours and not expired.
    #[must_use]
    pub fn open_seat(&self, room: &RoomId, token: &str, now: Millis) -> Option<PeerId> {
        let mut parts = token.split('.');
        let (peer, expires, mac) = (parts.next()?, parts.next()?, parts.next()?);
        let (peer, expires) = (peer.parse::<PeerId>().ok()?, Millis::from_unix(expires.parse().ok()?));
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).ok()?;
        let message = seat_message(room, peer, expires);
        let keys = std::iter::once(&self.key).chain(&self.old);
        let signed = keys.map(|key| hmac(key, &message)).any(|check| check.verify_slice(&mac).is_ok()); // In constant time.
        (signed && parts.next().is_none() && now < expires).then_some(peer)
    }
}

fn hmac(key: &[u8], message: &str) -> Hmac<sha2::Sha256> {
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    mac
}

fn seat_message(room: &RoomId, peer: PeerId, expires: Millis) -> String {
    format!("seat|{room}|{peer}|{}", expires.as_unix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(byte: u8) -> Secret {
        Secret { key: vec![byte; 32], old: None }
    }

    #[test]
    fn a_new_key_knows_what_the_one_before_signed() {
        let (old, new) = ("o".repeat(32), "n".repeat(32));
        let dir = std::path::Path::new("/none");
        let load = |key: &str| Secret::load(key, dir).expect("no file is needed");
        let room: RoomId = "abc".parse().expect("valid");
        let peer = PeerId::from_bits(5);
        let (until, now) = (Millis::from_unix(1_000), Millis::from_unix(0));
        let (before, after) = (load(&old), load(&new).after(&old));
        assert_eq!(after.open_seat(&room, before.seat_token(&room, peer, until).as_str(), now), Some(peer));
        let fresh = after.seat_token(&room, peer, until);
        assert_eq!(load(&new).open_seat(&room, fresh.as_str(), now), Some(peer), "the new one signs");
        assert_eq!(load(&new).after("").open_seat(&room, before.seat_token(&room, peer, until).as_str(), now), None);
    }

    #[test]
    fn a_room_s_tag_tells_nothing_without_the_key() {
        let room: RoomId = "abc-def".parse().expect("valid");
        assert_eq!(of(7).room_tag(&room), of(7).room_tag(&room));
        assert_ne!(of(7).room_tag(&room), of(8).room_tag(&room));
        assert_eq!(of(7).room_tag(&room).len(), 12);
    }

    #[test]
    fn a_token_opens_only_its_seat_in_its_room_until_it_expires() {
        let secret = of(7);
        let (room, other): (RoomId, RoomId) = ("abc".parse().expect("valid"), "other".parse().expect("valid"));
        let peer = PeerId::from_bits(5);
        let token = secret.seat_token(&room, peer, Millis::from_unix(1_000));
        let text = token.as_str();
        let at = Millis::from_unix;
        assert_eq!(secret.open_seat(&room, text, at(999)), Some(peer));
        assert_eq!(secret.open_seat(&room, text, at(1_000)), None, "expired");
        assert_eq!(secret.open_seat(&other, text, at(0)), None, "another room");
        assert_eq!(of(8).open_seat(&room, text, at(0)), None, "another key");
        let mac = text.rsplit('.').next().expect("three parts");
        for forged in [
            format!("{}.1000.{mac}", PeerId::from_bits(6)),
            format!("{peer}.2000.{mac}"),
            format!("{peer}.1000."),
            format!("{peer}.1000"),
            format!("{text}.x"),
            String::new(),
        ] {
            assert_eq!(secret.open_seat(&room, &forged, at(0)), None, "{forged}");
        }
    }
}
