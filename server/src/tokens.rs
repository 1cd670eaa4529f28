//! Seat tokens and relay credentials: what proves a seat, signed with the server's secret.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use holdfast::wire::Token;
use holdfast::{Millis, PeerId, RoomId};
use rand::RngCore;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// The key behind every token.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// The key from the configuration, or the one kept in the data folder, made on the first start.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn load(configured: &str, data_dir: &Path) -> std::io::Result<Self> {
        if !configured.is_empty() {
            return Ok(Self(configured.as_bytes().to_vec()));
        }
        let path = data_dir.join("secret");
        match std::fs::read(&path) {
            Ok(key) if key.len() >= 32 => return Ok(Self(key)),
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut key = [0_u8; 32];
        rand::rng().fill_bytes(&mut key);
        let key = BASE64_STANDARD.encode(key).into_bytes();
        let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
        file.write_all(&key)?;
        file.sync_all()?;
        Ok(Self(key))
    }

    fn sign(&self, message: &str) -> Vec<u8> {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        mac.update(message.as_bytes());
        mac.finalize().into_bytes().to_vec()
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
        let mut check = Hmac::<sha2::Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        check.update(seat_message(room, peer, expires).as_bytes());
        check.verify_slice(&mac).ok()?; // In constant time.
        (parts.next().is_none() && now < expires).then_some(peer)
    }
}

fn seat_message(room: &RoomId, peer: PeerId, expires: Millis) -> String {
    format!("seat|{room}|{peer}|{}", expires.as_unix())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_only_its_seat_in_its_room_until_it_expires() {
        let secret = Secret(vec![7; 32]);
        let (room, other): (RoomId, RoomId) = ("abc".parse().expect("valid"), "other".parse().expect("valid"));
        let peer = PeerId::from_bits(5);
        let token = secret.seat_token(&room, peer, Millis::from_unix(1_000));
        let text = token.as_str();
        let at = Millis::from_unix;
        assert_eq!(secret.open_seat(&room, text, at(999)), Some(peer));
        assert_eq!(secret.open_seat(&room, text, at(1_000)), None, "expired");
        assert_eq!(secret.open_seat(&other, text, at(0)), None, "another room");
        assert_eq!(Secret(vec![8; 32]).open_seat(&room, text, at(0)), None, "another key");
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
