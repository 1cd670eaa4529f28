//! Accepts connections: a long backlog, no Nagle, a deadline for request headers, and a drain that ends.

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
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

/// Listens on an address.
///
/// # Errors
/// When it is taken or not ours.
pub fn listen(addr: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Serves until `stop`, then waits for what is under way, sockets included.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken, sockets: TaskTracker) {
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(HEADER_BYTES);
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((tcp, peer)) = accepted else {
            // Out of file descriptors, most likely: waiting lets some be given back.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let _ = tcp.set_nodelay(true);
        let (http, router, stop) = (http.clone(), router.clone(), stop.clone());
        connections.spawn(async move {
            let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                router.clone().call(request)
            });
            let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(tcp), service).with_upgrades());
            tokio::select! {
                _ = connection.as_mut() => {}
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    let _ = connection.await;
                }
            }
        });
    }
    drop(listener);
    connections.close();
    sockets.close();
    let _ = tokio::time::timeout(DRAIN_WITHIN, async { tokio::join!(connections.wait(), sockets.wait()) }).await;
}
