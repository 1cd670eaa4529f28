//! Expiring relay credentials: `username = expiry:room:seat`, password an HMAC of it (draft-uberti-behave-turn-rest-00).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use holdfast::{PeerId, RoomId};
use std::net::SocketAddr;
use std::sync::Arc;
use turn::auth::{AuthHandler, generate_auth_key};

/// The owner of every credential that only serves to try a relay. One name for all, so that a relay which counts by
/// name, as coturn does, bounds them together. No seat has the number nought.
pub(super) const CHECK: &str = "check:0000000000000000";

/// Makes and checks credentials.
#[derive(Clone)]
pub struct Credentials {
    key: Arc<[u8]>,
    realm: Arc<str>,
}

impl Credentials {
    /// Credentials under this shared secret.
    #[must_use]
    pub fn new(key: Vec<u8>, realm: String) -> Self {
        Self { key: key.into(), realm: realm.into() }
    }

    /// The realm of the server.
    #[must_use]
    pub fn realm(&self) -> &str {
        &self.realm
    }

    /// The password of a user name.
    #[must_use]
    pub fn password(&self, username: &str) -> String {
        BASE64_STANDARD.encode(hmac_sha1(&self.key, username.as_bytes()))
    }

    /// The long-term key of a user name that is well formed and has not expired.
    #[must_use]
    pub fn key_of(&self, username: &str, realm: &str, now_s: u64) -> Option<Vec<u8>> {
        let mut parts = username.splitn(3, ':');
        let expires_s: u64 = parts.next()?.parse().ok()?;
        let (_, _) = (parts.next()?.parse::<RoomId>().ok()?, parts.next()?.parse::<PeerId>().ok()?);
        let valid = realm == &*self.realm && now_s < expires_s;
        valid.then(|| generate_auth_key(username, realm, &self.password(username)))
    }
}

impl AuthHandler for Credentials {
    fn auth_handle(&self, username: &str, realm: &str, _src_addr: SocketAddr) -> Result<Vec<u8>, turn::Error> {
        let now_s = crate::clock::wall_s();
        self.key_of(username, realm, now_s).ok_or(turn::Error::ErrNoSuchUser)
    }
}

/// The room and seat of a user name, whatever its expiry: what quotas are counted by.
#[must_use]
pub(super) fn owner(username: &str) -> &str {
    username.split_once(':').map_or(username, |(_, owner)| owner)
}

/// HMAC-SHA1, which TURN's credentials and our nonces use.
#[must_use]
pub(super) fn hmac_sha1(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_unexpired_name_has_a_key() {
        let credentials = Credentials::new(b"secret".to_vec(), "holdfast".into());
        let seat = PeerId::from_bits(1);
        let name = format!("1000:abc:{seat}");
        assert!(credentials.key_of(&name, "holdfast", 999).is_some());
        assert!(credentials.key_of(&name, "holdfast", 1_000).is_none(), "expired");
        assert!(credentials.key_of(&name, "other", 0).is_none());
        for bad in ["", "1000", "1000:abc", "x:abc:0000000000000001", "1000:a b:0000000000000001", "1000:abc:1"] {
            assert!(credentials.key_of(bad, "holdfast", 0).is_none(), "{bad}");
        }
        assert_eq!(owner(&name), format!("abc:{seat}"));
    }
}
