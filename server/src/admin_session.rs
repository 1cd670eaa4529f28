//! Who is logged in to the operator's page: sessions of random names, kept on the server for eight hours.

use crate::redis::Redis;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rand::RngCore;
use sha2::Digest;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a session is good.
pub const SESSION: Duration = Duration::from_secs(8 * 3_600);
/// Sessions this node remembers; the oldest goes first.
const SESSIONS: usize = 100;

/// The sessions this node knows. Several nodes find each other's in Redis; while that is away each knows its own.
pub struct AdminSessions {
    own: Mutex<HashMap<String, Session>>,
    shared: Option<Redis>,
}

/// A session that began on this node.
#[derive(Clone, Copy)]
struct Session {
    until: Instant,
    /// Redis knows it, so Redis says when it ends.
    shared: bool,
}

/// What is kept of a session: whoever reads the store cannot log in with it.
fn kept_name(session: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(sha2::Sha256::digest(format!("admin session|{session}")))
}

impl AdminSessions {
    /// None yet.
    #[must_use]
    pub fn new(shared: Option<Redis>) -> Self {
        Self { own: Mutex::default(), shared }
    }

    /// Begins a session and answers its name.
    pub async fn begin(&self) -> String {
        let mut name = [0_u8; 32];
        rand::rng().fill_bytes(&mut name);
        let session = BASE64_URL_SAFE_NO_PAD.encode(name);
        let kept = kept_name(&session);
        let mut shared = false;
        if let Some(redis) = &self.shared {
            let mut cmd = ::redis::cmd("SET");
            cmd.arg(redis.key(0, &format!("admin:{kept}"))).arg(1).arg("EX").arg(SESSION.as_secs());
            shared = redis.cmd::<()>(cmd).await.is_ok();
        }
        let mut own = self.lock();
        own.retain(|_, known| known.until > Instant::now());
        if own.len() >= SESSIONS
            && let Some(oldest) = own.iter().min_by_key(|(_, known)| known.until).map(|(kept, _)| kept.clone())
        {
            own.remove(&oldest);
        }
        own.insert(kept, Session { until: Instant::now() + SESSION, shared });
        session
    }

    /// Whether a session of this name is going on.
    pub async fn is_known(&self, session: &str) -> bool {
        let kept = kept_name(session);
        let own = self.lock().get(&kept).copied().filter(|known| known.until > Instant::now());
        if let Some(redis) = &self.shared {
            let mut cmd = ::redis::cmd("EXISTS");
            cmd.arg(redis.key(0, &format!("admin:{kept}")));
            // It may have been ended on another node, so Redis decides while it answers.
            if let Ok(known) = redis.cmd::<bool>(cmd).await {
                return known || own.is_some_and(|known| !known.shared);
            }
        }
        own.is_some()
    }

    /// Ends a session.
    pub async fn end(&self, session: &str) {
        let kept = kept_name(session);
        self.lock().remove(&kept);
        if let Some(redis) = &self.shared {
            let mut cmd = ::redis::cmd("DEL");
            cmd.arg(redis.key(0, &format!("admin:{kept}")));
            let _ = redis.cmd::<()>(cmd).await;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Session>> {
        self.own.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_is_random_is_known_and_ends() {
        let sessions = AdminSessions::new(None);
        let (one, two) = (sessions.begin().await, sessions.begin().await);
        assert!(one != two && one.len() >= 40);
        assert!(sessions.is_known(&one).await && sessions.is_known(&two).await);
        assert!(!sessions.is_known("").await && !sessions.is_known(&kept_name(&one)).await);
        sessions.end(&one).await;
        assert!(!sessions.is_known(&one).await && sessions.is_known(&two).await);
        for _ in 0..SESSIONS {
            let _ = sessions.begin().await;
        }
        assert!(sessions.lock().len() <= SESSIONS, "bounded");
    }
}
