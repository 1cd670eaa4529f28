//! Accepts connections: a long backlog, no Nagle, deadlines for headers and slow readers, few for one address, and a
//! drain that ends.

use crate::api::problem::Problem;
use crate::paced::{Paced, Upgraded};
use crate::proxied;
use crate::state::App;
use crate::throttle::{Entry, Permit, Waiting};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response, StatusCode};
use axum::response::IntoResponse;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::SockRef;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// Connections that may wait to be accepted: thousands come back at once after a restart.
const BACKLOG: u32 = 4_096;
/// How long request headers may take, idle keep-alive included.
const HEADERS_WITHIN: Duration = Duration::from_secs(8);
/// Memory for the headers of one request.
const HEADER_BYTES: usize = 16 * 1024;
/// How long a drain may take before what is left is cut.
const DRAIN_WITHIN: Duration = Duration::from_secs(8);
/// What the system keeps of what a reader has not asked for yet. Without a bound it is 4 MB for each that is slow.
const UNSENT_BYTES: u32 = 64 * 1024;
/// The same for a socket.
const SOCKET_UNSENT_BYTES: u32 = 512 * 1024;
/// How long a connection waits for a place while its address has too many.
const PLACE_WITHIN: Duration = Duration::from_secs(2);
/// A failing accept is tried again after this long, and told of this often.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
const ACCEPT_TOLD_EVERY: Duration = Duration::from_secs(10);

/// Listens on an address.
///
/// # Errors
/// When it is taken or not ours.
pub fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // What is accepted inherits it.
    SockRef::from(&socket).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Lets this process open as many files as the system allows it; how many these are. Each connection is one.
pub fn raise_open_files() -> u64 {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap_or((1_024, 1_024));
    match setrlimit(Resource::RLIMIT_NOFILE, hard, hard) {
        Ok(()) => hard,
        Err(_) => soft,
    }
}

/// Serves until the server stops, then waits for what is under way, sockets included.
pub async fn serve(listener: TcpListener, router: Router, app: App) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(HEADER_BYTES);
    let (stop, connections) = (app.stop.clone(), TaskTracker::new());
    let mut failures = Failures::default();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((tcp, peer)) => {
                // Counted before the next is accepted: those of a burst would be open files that no account knows of.
                let Some(entry) = app.throttle.accepted(peer.ip()) else {
                    metrics::counter!("holdfast_connections_refused_total").increment(1);
                    continue;
                };
                let place = Mutex::new(Place::entered(peer.ip(), entry));
                let one = Connection { app: app.clone(), peer, place, upgraded: Upgraded::default() };
                connections.spawn(one.serve(tcp, http.clone(), router.clone(), stop.clone()));
            }
            Err(error) => {
                failures.tell(&error);
                // Out of files, most likely: waiting lets some be given back.
                tokio::time::sleep(ACCEPT_AGAIN).await;
            }
        }
    }
    drop(listener);
    connections.close();
    app.sockets.close();
    let _ = tokio::time::timeout(DRAIN_WITHIN, async { tokio::join!(connections.wait(), app.sockets.wait()) }).await;
}

/// Failed accepts, of which the log hears now and then: there are many once the files are used up.
#[derive(Default)]
struct Failures {
    untold: u64,
    told: Option<Instant>,
}

impl Failures {
    fn tell(&mut self, error: &io::Error) {
        metrics::counter!("holdfast_accepts_failed_total").increment(1);
        self.untold += 1;
        if self.told.is_none_or(|told| told.elapsed() >= ACCEPT_TOLD_EVERY) {
            tracing::error!(%error, failed = self.untold, "connections cannot be accepted");
            (self.untold, self.told) = (0, Some(Instant::now()));
        }
    }
}

/// One connection.
struct Connection {
    app: App,
    /// Whose it is: the proxy's unless a PROXY header says another.
    peer: SocketAddr,
    place: Mutex<Place>,
    upgraded: Upgraded,
}

/// What a connection counts as.
enum Place {
    /// A socket counts by itself.
    Socket,
    Waiting(#[expect(dead_code, reason = "counts until it is dropped")] Waiting),
    /// One of this address, or of whom the proxy asked for last.
    Of(IpAddr, #[expect(dead_code, reason = "counts until it is dropped")] Permit),
}

impl Place {
    fn entered(address: IpAddr, entry: Entry) -> Self {
        match entry {
            Entry::Place(permit) => Self::Of(address, permit),
            Entry::Waiting(waiting) => Self::Waiting(waiting),
        }
    }
}

impl Connection {
    async fn serve(mut self, mut tcp: TcpStream, http: http1::Builder, router: Router, stop: CancellationToken) {
        let throttle = self.app.throttle.clone();
        if self.app.config.proxy_protocol && throttle.trusts(self.peer.ip()) {
            match proxied::source(&mut tcp).await {
                Ok(source) => self.peer = source.unwrap_or(self.peer),
                Err(error) => {
                    tracing::debug!(peer = %self.peer, %error, "no PROXY header");
                    return;
                }
            }
        }
        // What a proxy brings is counted by whom it asks for, which only its requests say.
        if !throttle.trusts(self.peer.ip()) && !self.found_place().await {
            metrics::counter!("holdfast_connections_refused_total").increment(1);
            return;
        }
        let _ = tcp.set_nodelay(true);
        // Closed at once: the system would go on offering the reader what waits.
        let give_up = |tcp: &TcpStream| drop(tcp.set_zero_linger());
        // A socket's outlet has bounds of its own. The system's bound keeps a slow reader from being waited for until a third
        // of four megabytes is read, which is longer than one frame may take.
        let widen = |tcp: &TcpStream| drop(SockRef::from(tcp).set_tcp_notsent_lowat(SOCKET_UNSENT_BYTES));
        let io = Paced::new(tcp, self.upgraded.clone(), give_up, widen);
        let one = Arc::new(self);
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            let (one, mut router) = (Arc::clone(&one), router.clone());
            request.extensions_mut().insert(ConnectInfo(one.peer));
            async move { Ok::<_, Infallible>(one.answer(request, &mut router).await) }
        });
        let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(io), service).with_upgrades());
        tokio::select! {
            _ = connection.as_mut() => {}
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }

    /// Waits a little for a place: many pages of one office may come back at once.
    async fn found_place(&self) -> bool {
        if self.take_place(self.peer.ip()) {
            return true;
        }
        // Whose it is was not known before the PROXY header.
        let until = Instant::now() + PLACE_WITHIN;
        while self.app.throttle.may_wait() && Instant::now() < until {
            tokio::time::sleep(ACCEPT_AGAIN).await;
            if self.take_place(self.peer.ip()) {
                return true;
            }
        }
        false
    }

    fn take_place(&self, address: IpAddr) -> bool {
        let mut place = self.place.lock().expect("no holder of this lock can panic");
        if matches!(*place, Place::Of(known, _) if known == address) {
            return true;
        }
        let permit = self.app.throttle.connection(address);
        permit.map(|permit| *place = Place::Of(address, permit)).is_some()
    }

    async fn answer(&self, request: Request<Incoming>, router: &mut Router) -> Response<Body> {
        let forwarded = self.app.throttle.forwarded(self.peer.ip(), request.headers());
        if forwarded.is_some_and(|address| !self.take_place(address)) {
            return Problem::TooManyRequests.into_response();
        }
        let Ok(answer) = router.call(request).await;
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.upgraded.set();
            // A socket has a place of its own.
            *self.place.lock().expect("no holder of this lock can panic") = Place::Socket;
        }
        answer
    }
}
