//! One dependency behind its circuit breaker and a deadline: what is asked of it is answered within two seconds.

use crate::clock;
use holdfast::Millis;
use holdfast::breaker::Breaker;
use holdfast::rng::Rng;
use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest anything waits for a dependency.
pub const DEADLINE: Duration = Duration::from_secs(2);

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It was not asked: it did not answer a moment ago.
    #[error("not asked, it did not answer a moment ago")]
    Open,
    /// It did not answer in time.
    #[error("no answer in time")]
    Late,
    /// It failed.
    #[error("{0}")]
    Failed(String),
}

/// A dependency. Cheap to clone.
#[derive(Clone)]
pub struct Dependency(Arc<Inner>);

struct Inner {
    name: &'static str,
    breaker: Mutex<Breaker>,
}

impl Dependency {
    /// One that is taken to answer until it does not.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self(Arc::new(Inner { name, breaker: Mutex::new(Breaker::new(Rng::new(rand::random()))) }))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// The breaker's state by its stable name.
    #[must_use]
    pub fn state(&self) -> &'static str {
        self.lock().state().as_str()
    }

    /// Since when it does not answer.
    #[must_use]
    pub fn down_since(&self) -> Option<Millis> {
        self.lock().down_since()
    }

    /// Asks, within the deadline.
    ///
    /// # Errors
    /// [`Silence`].
    pub async fn ask<T, E: Display>(&self, question: impl Future<Output = Result<T, E>>) -> Result<T, Silence> {
        if !self.lock().allow(clock::now()) {
            return Err(Silence::Open);
        }
        let answer = match tokio::time::timeout(DEADLINE, question).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Silence::Failed(error.to_string())),
            Err(_) => Err(Silence::Late),
        };
        self.note(answer.as_ref().err());
        answer
    }

    /// Counts an answer, or the lack of one.
    pub fn note(&self, silence: Option<&Silence>) {
        let mut breaker = self.lock();
        let (name, changed) = match silence {
            None => (self.0.name, breaker.succeeded()),
            Some(_) => (self.0.name, breaker.failed(clock::now())),
        };
        let state = breaker.state().as_str();
        drop(breaker);
        if changed {
            metrics::counter!("holdfast_breaker_changes_total", "dependency" => name, "to" => state).increment(1);
            match silence {
                None => tracing::info!(dependency = name, state, "answers again"),
                Some(silence) => tracing::warn!(dependency = name, state, %silence, "does not answer"),
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.0.breaker.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_longer_than_the_deadline_and_then_not_at_all() {
        let dependency = Dependency::new("test");
        for _ in 0..3 {
            let began = tokio::time::Instant::now();
            assert_eq!(dependency.ask(std::future::pending::<Result<(), String>>()).await, Err(Silence::Late));
            assert!(began.elapsed() <= DEADLINE + Duration::from_millis(5));
        }
        assert_eq!(dependency.ask(async { Ok::<_, String>(1) }).await, Err(Silence::Open));
        assert_eq!(dependency.state(), "open");
    }
}
