//! Puts the parts together: from a configuration to a server that listens.

use crate::backends::Backends;
use crate::config::Config;
use crate::queue::worker;
use crate::redis::bus::Bus;
use crate::rooms::{Parts, Rooms};
use crate::state::{App, Shared};
use crate::throttle::Throttle;
use crate::tokens::Secret;
use crate::turn::Relay;
use crate::{metrics, pages, router, serve, sweep};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A server that accepts connections.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Its parts.
    pub app: App,
    task: JoinHandle<()>,
    helpers: TaskTracker,
    /// Ends what keeps the rooms, once no socket needs it.
    end: CancellationToken,
}

impl Running {
    /// Starts everything.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        config.validate().map_err(|text| anyhow::anyhow!(text))?;
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir).with_context(|| format!("HOLDFAST_DATA_DIR {}", dir.display()))?;
        let end = CancellationToken::new();
        let backends = Backends::open(&config, &end).await?;
        Self::start_with(config, backends, end).await
    }

    /// Starts everything on these stores, whose own tasks end with `end`.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub async fn start_with(config: Config, backends: Backends, end: CancellationToken) -> anyhow::Result<Self> {
        let metrics = metrics::start();
        let secret = Secret::load(&config.secret, &config.data_dir).context("the server's secret")?;
        let (stop, helpers) = (CancellationToken::new(), TaskTracker::new());
        let relay = Arc::new(Relay::start(&config, &secret, stop.clone(), &helpers).await?);
        let listener = serve::listen(config.addr).with_context(|| format!("HOLDFAST_ADDR {}", config.addr))?;
        let addr = listener.local_addr()?;
        let seat_ms = config.seat_hours * 3_600_000;
        let (bus, waiting) = backends.redis.as_ref().map(|_| Bus::new()).unzip();
        let rooms = Rooms::new(Parts {
            log: Arc::clone(&backends.log),
            archive: Arc::clone(&backends.archive),
            bus: bus.clone(),
            secret: secret.clone(),
            relay: Arc::clone(&relay),
            seat_ms,
        });
        let app = App(Arc::new(Shared {
            leptos: pages::options(&config, addr),
            throttle: Throttle::new(&config),
            rooms: rooms.clone(),
            backends: backends.clone(),
            bus: bus.clone(),
            metrics,
            secret,
            relay,
            sockets: TaskTracker::new(),
            stop: stop.clone(),
            config,
        }));
        if let (Some(bus), Some(waiting), Some(redis)) = (bus, waiting, &backends.redis) {
            let sockets = app.sockets.clone();
            bus.start(redis, waiting, &rooms, move || sockets.len() as u64, &end);
        }
        helpers.spawn(worker::run(Arc::clone(&backends.queue), Arc::clone(&backends.archive), end.clone()));
        let keep = sweep::Keep {
            days: app.config.retention_days,
            log_ms: u64::from(app.config.log_days) * 86_400_000,
            every: Duration::from_secs(app.config.sweep_s),
        };
        helpers.spawn(sweep::run(backends, keep, end.clone()));
        let router = router::router(&app);
        let task = tokio::spawn(serve::serve(listener, router, stop, app.sockets.clone()));
        Ok(Self { addr, app, task, helpers, end })
    }

    /// Tells every socket to come back later, waits for what is under way, and ends.
    pub async fn drain(self) {
        self.app.stop.cancel();
        let _ = self.task.await;
        self.end.cancel();
        self.helpers.close();
        self.helpers.wait().await;
    }
}
