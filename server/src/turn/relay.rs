//! The sockets media is relayed through: each drops what may not pass, in both directions.

use super::guard::Guard;
use crate::clock;
use async_trait::async_trait;
use holdfast::bucket::Bucket;
use metrics::Counter;
use rand::Rng;
use socket2::{Domain, Socket, Type};
use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use turn::relay::RelayAddressGenerator;
use webrtc_util::Conn;

/// How many random ports are tried before an allocation is refused.
const TRIES: usize = 64;

/// Where relay sockets are opened: for each family the address to bind and the one that others see.
pub(super) struct RelayPorts {
    pub(super) homes: Vec<Home>,
    pub(super) ports: RangeInclusive<u16>,
    /// Bytes a second of one allocation, each way.
    pub(super) bytes_per_s: u32,
}

/// Where relay sockets of one family live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Home {
    pub(super) bind: IpAddr,
    pub(super) public: IpAddr,
}

/// [`RelayPorts`] whose sockets obey a guard.
pub(super) struct GuardedPorts {
    pub(super) ports: RelayPorts,
    pub(super) guard: Arc<Guard>,
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
        let homes = &self.ports.homes;
        // Nobody who names no family minds IPv6 where there is nothing else; who names one is judged by the guard.
        let home = homes.iter().find(|home| home.bind.is_ipv4() == use_ipv4).or(homes.first().filter(|_| use_ipv4));
        let (Some(home), 0) = (home, requested_port) else {
            return Err(turn::Error::ErrInvalidRequestedFamilyValue);
        };
        for _ in 0..TRIES {
            let port = rand::rng().random_range(self.ports.ports.clone());
            if let Ok(socket) = bind_udp(SocketAddr::new(home.bind, port)) {
                let conn = RelayConn::new(socket, Arc::clone(&self.guard), self.ports.bytes_per_s);
                return Ok((Arc::new(conn), SocketAddr::new(home.public, port)));
            }
        }
        Err(turn::Error::ErrMaxRetriesExceeded)
    }
}

/// A UDP socket of exactly one family, so that both can have the same port.
pub(super) fn bind_udp(addr: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(addr), Type::DGRAM, None)?;
    if addr.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&addr.into())?;
    UdpSocket::from_std(socket.into())
}

/// One direction of an allocation: how much may pass, and what did.
struct Lane {
    budget: Mutex<Bucket>,
    bytes: Counter,
}

impl Lane {
    fn new(bytes_per_s: u32, to: &'static str) -> Self {
        let budget = Mutex::new(Bucket::new(clock::now(), bytes_per_s, bytes_per_s));
        Self { budget, bytes: metrics::counter!("holdfast_relay_bytes_total", "to" => to) }
    }

    fn lets_pass(&self, bytes: usize) -> bool {
        let tokens = u32::try_from(bytes).unwrap_or(u32::MAX);
        let passes = self.budget.lock().expect("no holder of this lock can panic").take_many(clock::now(), tokens);
        if passes {
            self.bytes.increment(u64::from(tokens));
        } else {
            dropped("rate");
        }
        passes
    }
}

fn dropped(why: &'static str) {
    metrics::counter!("holdfast_relay_dropped_total", "why" => why).increment(1);
}

/// The relay socket of one allocation.
struct RelayConn {
    socket: UdpSocket,
    guard: Arc<Guard>,
    to_peers: Lane,
    to_client: Lane,
}

impl RelayConn {
    fn new(socket: UdpSocket, guard: Arc<Guard>, bytes_per_s: u32) -> Self {
        metrics::gauge!("holdfast_relay_allocations").increment(1.0);
        let (to_peers, to_client) = (Lane::new(bytes_per_s, "peers"), Lane::new(bytes_per_s, "client"));
        Self { socket, guard, to_peers, to_client }
    }
}

impl Drop for RelayConn {
    fn drop(&mut self) {
        metrics::gauge!("holdfast_relay_allocations").decrement(1.0);
    }
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
                Ok((n, from)) if n >= buf.len() || !self.guard.allows(from) => dropped("peer"),
                Ok((n, from)) if self.to_client.lets_pass(n) => return Ok((n, from)),
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
        // What is dropped counts as sent: the library takes a short count for an error.
        if !self.guard.allows(target) {
            dropped("peer");
            return Ok(buf.len());
        }
        if !self.to_peers.lets_pass(buf.len()) {
            return Ok(buf.len());
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
