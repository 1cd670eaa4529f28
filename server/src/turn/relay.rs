//! The sockets media is relayed through: each drops what may not pass, in both directions.

use super::guard::Guard;
use async_trait::async_trait;
use rand::Rng;
use std::any::Any;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UdpSocket;
use turn::relay::RelayAddressGenerator;
use webrtc_util::Conn;

/// How many random ports are tried before an allocation is refused.
const TRIES: usize = 64;

/// Where relay sockets are opened.
pub(super) struct RelayPorts {
    bind: IpAddr,
    public: IpAddr,
    ports: RangeInclusive<u16>,
}

impl RelayPorts {
    pub(super) const fn new(bind: IpAddr, public: IpAddr, ports: RangeInclusive<u16>) -> Self {
        Self { bind, public, ports }
    }

    pub(super) fn guarded_by(self, guard: Arc<Guard>) -> GuardedPorts {
        GuardedPorts { ports: self, guard }
    }
}

/// [`RelayPorts`] whose sockets obey a guard.
pub(super) struct GuardedPorts {
    ports: RelayPorts,
    guard: Arc<Guard>,
}

#[async_trait]
impl RelayAddressGenerator for GuardedPorts {
    fn validate(&self) -> Result<(), turn::Error> {
        Ok(())
    }

    async fn allocate_conn(
        &self,
        use_ipv4: bool,
        requested_port: u16,
    ) -> Result<(Arc<dyn Conn + Send + Sync>, SocketAddr), turn::Error> {
        if use_ipv4 != self.ports.bind.is_ipv4() || requested_port != 0 {
            return Err(turn::Error::ErrInvalidRequestedFamilyValue);
        }
        for _ in 0..TRIES {
            let port = rand::rng().random_range(self.ports.ports.clone());
            if let Ok(socket) = UdpSocket::bind((self.ports.bind, port)).await {
                let conn = RelayConn { socket, guard: Arc::clone(&self.guard) };
                return Ok((Arc::new(conn), SocketAddr::new(self.ports.public, port)));
            }
        }
        Err(turn::Error::ErrMaxRetriesExceeded)
    }
}

struct RelayConn {
    socket: UdpSocket,
    guard: Arc<Guard>,
}

#[async_trait]
impl Conn for RelayConn {
    async fn connect(&self, addr: SocketAddr) -> webrtc_util::Result<()> {
        Ok(self.socket.connect(addr).await?)
    }

    async fn recv(&self, buf: &mut [u8]) -> webrtc_util::Result<usize> {
        Ok(self.recv_from(buf).await?.0)
    }

    async fn recv_from(&self, buf: &mut [u8]) -> webrtc_util::Result<(usize, SocketAddr)> {
        loop {
            match self.socket.recv_from(buf).await {
                Ok((n, from)) if n < buf.len() && self.guard.allows(from) => return Ok((n, from)),
                Ok(_) => {}
                // An ICMP error of one peer must not end the allocation.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    async fn send(&self, buf: &[u8]) -> webrtc_util::Result<usize> {
        Ok(self.socket.send(buf).await?)
    }

    async fn send_to(&self, buf: &[u8], target: SocketAddr) -> webrtc_util::Result<usize> {
        if !self.guard.allows(target) {
            return Ok(buf.len()); // Dropped; the library takes a short count for an error.
        }
        Ok(self.socket.send_to(buf, target).await?)
    }

    fn local_addr(&self) -> webrtc_util::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn close(&self) -> webrtc_util::Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn Any + Send + Sync) {
        self
    }
}
