//! The embedded server's loop: one datagram after the other, guard first, library second.

use super::guard::{Guard, Verdict, count_refusal};
use super::relay::{GuardedPorts, RelayPorts};
use crate::clock;
use holdfast::Millis;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stun::error_code::CODE_ALLOC_QUOTA_REACHED;
use tokio::net::UdpSocket;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use turn::allocation::allocation_manager::{Manager, ManagerConfig};
use turn::auth::AuthHandler;
use turn::server::request::Request;
use webrtc_util::Conn;

/// The longest datagram we look at; longer ones are not TURN over a normal path.
const DATAGRAM: usize = 2_048;
/// How long a channel stays bound (RFC 8656, section 12).
const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);

/// What all listeners share: the rules, and the allocations, which are counted together.
#[derive(Clone)]
pub(super) struct Service {
    guard: Arc<Guard>,
    manager: Arc<Manager>,
    auth: Arc<dyn AuthHandler + Send + Sync>,
}

impl Service {
    pub(super) fn new(guard: Guard, ports: RelayPorts) -> Self {
        let guard = Arc::new(guard);
        let relay_addr_generator = Box::new(GuardedPorts { ports, guard: Arc::clone(&guard) });
        let manager = Arc::new(Manager::new(ManagerConfig { relay_addr_generator, alloc_close_notify: None }));
        let auth = Arc::new(guard.credentials().clone());
        Self { guard, manager, auth }
    }
}

/// Serves one socket until `stop`, then frees every allocation.
pub(super) async fn run(socket: Arc<UdpSocket>, service: Service, stop: CancellationToken) {
    let Service { guard, manager, auth } = service;
    let mut buf = vec![0_u8; DATAGRAM];
    loop {
        let received = tokio::select! {
            () = stop.cancelled() => break,
            received = socket.recv_from(&mut buf) => received,
        };
        match received {
            Ok((n, from)) if n < buf.len() => {
                if let Some(nonce) = admit(&socket, &guard, &manager, &buf[..n], from).await {
                    serve(&socket, &guard, &manager, &auth, &buf[..n], from, nonce).await;
                }
            }
            Ok(_) => {}
            // An ICMP error of one client says nothing of the others.
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    for five_tuple in manager.get_allocations_info(None).await.into_keys() {
        manager.delete_allocation(&five_tuple).await;
    }
}

/// Asks the guard; the answer is the request's nonce (none for what needs none) if the library may have it.
async fn admit(
    socket: &UdpSocket,
    guard: &Guard,
    manager: &Manager,
    datagram: &[u8],
    from: SocketAddr,
) -> Option<Option<String>> {
    match guard.judge(datagram, from, Millis::from_unix(clock::wall_s() * 1_000)) {
        Verdict::Pass(nonce) => Some(nonce),
        Verdict::Drop => None,
        Verdict::Reply(reply) => {
            let _ = socket.send_to(&reply, from).await;
            None
        }
        Verdict::Allocate { owner, nonce, refusal } => {
            if guard.is_over_quota(&manager.get_allocations_info(None).await, from, &owner) {
                count_refusal(CODE_ALLOC_QUOTA_REACHED);
                let _ = socket.send_to(&refusal, from).await;
                return None;
            }
            Some(Some(nonce))
        }
    }
}

async fn serve(
    socket: &Arc<UdpSocket>,
    guard: &Guard,
    manager: &Arc<Manager>,
    auth: &Arc<dyn AuthHandler + Send + Sync>,
    datagram: &[u8],
    from: SocketAddr,
    nonce: Option<String>,
) {
    let conn: Arc<dyn Conn + Send + Sync> = socket.clone();
    let mut request = Request::new(conn, from, Arc::clone(manager), Arc::clone(auth));
    request.buff = datagram.to_vec();
    request.realm = guard.credentials().realm().to_owned();
    request.channel_bind_timeout = CHANNEL_LIFETIME;
    if let Some(nonce) = nonce {
        // The guard has checked it; the library wants to find it among its own, which live as long as this request.
        request.nonces.lock().await.insert(nonce, Instant::now());
    }
    if let Err(error) = request.handle_request().await {
        tracing::debug!(%error, "relay request failed");
    }
}
