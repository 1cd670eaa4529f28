//! Puts the parts together: from a configuration to a server that listens.

use crate::admin_session::AdminSessions;
use crate::archive::Archive;
use crate::backends::{Backends, Registered};
use crate::client_files::ClientFiles;
use crate::config::Config;
use crate::health::Asked;
use crate::queue::{Queue, worker};
use crate::redis::bus::{Bus, Load};
use crate::rooms::{Parts, Rooms};
use crate::state::{App, Shared};
use crate::throttle::Throttle;
use crate::tokens::Secret;
use crate::turn::Relay;
use crate::visit::Told;
use crate::{metrics, pages, private, room_tag, router, serve, sweep};
use anyhow::Context;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::watch;
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

/// Works while this node's archive is known to be the only one: into the wrong one nothing may be written.
async fn work_while_registered(
    registered: watch::Receiver<Registered>,
    queue: Arc<dyn Queue>,
    archive: Arc<dyn Archive>,
    until: CancellationToken,
) {
    let (mut may, mut no_more) = (registered.clone(), registered);
    while !until.is_cancelled() {
        let yes = may.wait_for(|known| *known == Registered::Yes);
        if !until.run_until_cancelled(yes).await.is_some_and(|yes| yes.is_ok()) {
            return;
        }
        let shift = until.child_token();
        let end = async {
            if no_more.wait_for(|known| *known != Registered::Yes).await.is_err() {
                std::future::pending::<()>().await; // Nobody will ever say otherwise.
            }
            shift.cancel();
        };
        let work = worker::run(Arc::clone(&queue), Arc::clone(&archive), shift.clone());
        let _ = tokio::join!(work, shift.run_until_cancelled(end));
    }
}

impl Running {
    /// Starts everything.
    ///
    /// # Errors
    /// What is wrong, in words for the operator.
    pub async fn start(config: Config) -> anyhow::Result<Self> {
        config.validate().map_err(|text| anyhow::anyhow!(text))?;
        let dir = &config.data_dir;
        private::folder(dir).with_context(|| format!("HOLDFAST_DATA_DIR {}", dir.display()))?;
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
        let secret = secret.after(&config.secret_old);
        room_tag::start(&secret);
        let (stop, helpers) = (CancellationToken::new(), TaskTracker::new());
        let relay = Arc::new(Relay::start(&config, &secret, stop.clone(), &helpers).await?);
        let listener = serve::listen(config.addr).with_context(|| format!("HOLDFAST_ADDR {}", config.addr))?;
        let addr = listener.local_addr()?;
        let seat_ms = config.seat_hours * 3_600_000;
        let (bus, waiting) = backends.redis.as_ref().map(|_| Bus::new()).unzip();
        let rooms = Rooms::new(Parts {
            backends: backends.clone(),
            bus: bus.clone(),
            secret: secret.clone(),
            relay: Arc::clone(&relay),
            seat_ms,
        });
        let leptos = pages::options(&config, addr);
        let client = ClientFiles::new(&leptos);
        if let Some(why) = client.missing() {
            tracing::error!("{why}: set HOLDFAST_SITE_DIR. Pages are shown, and nothing on them works");
        }
        let app = App(Arc::new(Shared {
            leptos,
            client,
            admins: AdminSessions::new(backends.redis.clone()),
            asked: Asked::default(),
            told: Told::default(),
            throttle: Throttle::new(&config, serve::raise_open_files()),
            rooms: rooms.clone(),
            backends: backends.clone(),
            bus: bus.clone(),
            metrics,
            secret,
            relay,
            sockets: TaskTracker::new(),
            stop: stop.clone(),
            drained: OnceLock::new(),
            config,
        }));
        if let (Some(bus), Some(waiting), Some(redis)) = (bus, waiting, &backends.redis) {
            let (sockets, held) = (app.sockets.clone(), rooms.clone());
            let load = move || Load { sockets: sockets.len() as u64, rooms: held.count() as u64, seats: held.seats() };
            bus.start(redis, waiting, &rooms, addr, load, &end);
        }
        let (queue, archive, until) = (Arc::clone(&backends.queue), Arc::clone(&backends.archive), end.clone());
        helpers.spawn(work_while_registered(backends.registered.clone(), queue, archive, until));
        let keep = sweep::Keep {
            days: app.config.retention_days,
            log_ms: u64::from(app.config.log_days) * 86_400_000,
            every: Duration::from_secs(app.config.sweep_s),
        };
        helpers.spawn(sweep::run(backends, keep, end.clone()));
        let router = router::router(&app);
        let task = tokio::spawn(serve::serve(listener, router, app.clone()));
        Ok(Self { addr, app, task, helpers, end })
    }

    /// Waits until this server finds that it must not run, and answers why.
    pub async fn refused(&self) -> String {
        let mut registered = self.app.backends.registered.clone();
        match registered.wait_for(|known| matches!(known, Registered::No(_))).await.as_deref() {
            Ok(Registered::No(why)) => return why.clone(),
            Ok(Registered::Yes | Registered::Unknown) | Err(_) => {}
        }
        std::future::pending().await
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
