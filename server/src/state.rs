//! What every handler shares.

use crate::admin_session::AdminSessions;
use crate::backends::Backends;
use crate::client_files::ClientFiles;
use crate::config::Config;
use crate::health::Asked;
use crate::redis::bus::Bus;
use crate::rooms::Rooms;
use crate::throttle::Throttle;
use crate::tokens::Secret;
use crate::turn::Relay;
use crate::visit::Told;
use leptos::config::LeptosOptions;
use rand::Rng;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The parts of the running server.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// How the client was built.
    pub leptos: LeptosOptions,
    /// Where its files should be.
    pub client: ClientFiles,
    /// Rooms in memory.
    pub rooms: Rooms,
    /// Log, queue and archive.
    pub backends: Backends,
    /// The way to other nodes, if there can be any.
    pub bus: Option<Bus>,
    /// What Prometheus is shown.
    pub metrics: metrics_exporter_prometheus::PrometheusHandle,
    /// Signs and checks seat tokens.
    pub secret: Secret,
    /// The relay.
    pub relay: Arc<Relay>,
    /// Who looks at the operator's page.
    pub admins: AdminSessions,
    /// What the stores said of themselves lately.
    pub asked: Asked,
    /// What was said to the operator lately.
    pub told: Told,
    /// Limits an address.
    pub throttle: Throttle,
    /// Open sockets.
    pub sockets: TaskTracker,
    /// Cancelled when the server drains.
    pub stop: CancellationToken,
    /// How many sockets there were when it began to.
    pub drained: OnceLock<u64>,
}

/// A handle on [`Shared`].
#[derive(Clone)]
pub struct App(pub Arc<Shared>);

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Shared {
    /// How long one socket is asked to wait when all are sent away: 500 come back over a second, any number within ten.
    /// Those told last are spread as those told first, though fewer are left by then.
    #[must_use]
    pub fn drain_spread_ms(&self) -> u64 {
        let all = *self.drained.get_or_init(|| self.sockets.len() as u64);
        rand::rng().random_range(0..(all * 2).clamp(100, 10_000))
    }

    /// The same when a room is sent to another node, while this one goes on.
    #[must_use]
    pub fn shed_spread_ms(&self) -> u64 {
        rand::rng().random_range(0..(self.sockets.len() as u64 * 2).clamp(100, 1_000))
    }
}
