//! Puts the parts together: from a configuration to a server that listens.

use crate::archive::Archive;
use crate::config::Config;
use crate::log::RoomLog;
use crate::log::embedded::EmbeddedStore;
use crate::rooms::{Parts, Rooms};
use crate::state::{App, Shared};
use crate::throttle::Throttle;
use crate::tokens::Secret;
use crate::turn::Relay;
use crate::{pages, router, serve};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::Arc;
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
        let store = EmbeddedStore::open(dir).with_context(|| format!("the store in {}", dir.display()))?;
        Self::start_with(config, Arc::new(store.clone()), Arc::new(store)).await
    }

    /// Starts everything on this log and archive.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub async fn start_with(config: Config, log: Arc<dyn RoomLog>, archive: Arc<dyn Archive>) -> anyhow::Result<Self> {
        let secret = Secret::load(&config.secret, &config.data_dir).context("the server's secret")?;
        let (stop, helpers) = (CancellationToken::new(), TaskTracker::new());
        let relay = Arc::new(Relay::start(&config, &secret, stop.clone(), &helpers).await?);
        let listener = serve::listen(config.addr).with_context(|| format!("HOLDFAST_ADDR {}", config.addr))?;
        let addr = listener.local_addr()?;
        let seat_ms = config.seat_hours * 3_600_000;
        let rooms = Rooms::new(Parts { log, secret: secret.clone(), relay: Arc::clone(&relay), seat_ms });
        let app = App(Arc::new(Shared {
            leptos: pages::options(&config, addr),
            throttle: Throttle::new(&config),
            rooms,
            archive,
            secret,
            relay,
            sockets: TaskTracker::new(),
            stop: stop.clone(),
            config,
        }));
        let router = router::router(&app);
        let task = tokio::spawn(serve::serve(listener, router, stop, app.sockets.clone()));
        Ok(Self { addr, app, task, helpers })
    }

    /// Tells every socket to come back later, waits for what is under way, and ends.
    pub async fn drain(self) {
        self.app.stop.cancel();
        let _ = self.task.await;
        self.helpers.close();
        self.helpers.wait().await;
    }
}
