//! STUN and TURN: which servers a seat is told of, and the embedded server itself.

mod addresses;
mod answers;
mod credentials;
mod guard;
mod relay;
mod serve;
mod shares;

pub use credentials::Credentials;
#[doc(hidden)]
pub use guard::{Guard, Verdict}; // For tests/hostile.

use crate::clock;
use crate::config::Config;
use crate::tokens::Secret;
use credentials::CHECK;
use holdfast::wire::IceServer;
use holdfast::{PeerId, RoomId};
use relay::{Home, RelayPorts, bind_udp};
use serve::Service;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long credentials are good that only serve to try the relay. `/check` takes some ten seconds.
const TRY_TTL_S: u64 = 60;

/// What seats are told of STUN and TURN.
pub struct Relay {
    credentials: Credentials,
    ttl_s: u64,
    /// The embedded server's addresses, if it runs.
    embedded: Vec<SocketAddr>,
    host: String,
    urls: Vec<String>,
    external: bool,
}

impl Relay {
    /// Starts the embedded server, if it is wanted, on `tasks` until `stop`.
    ///
    /// # Errors
    /// When the configured address cannot be bound.
    pub async fn start(
        config: &Config,
        secret: &Secret,
        stop: CancellationToken,
        tasks: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let turn = &config.turn;
        let external = turn.urls.iter().any(|url| url.starts_with("turn"));
        let key = if turn.secret.is_empty() { secret.derive_turn() } else { turn.secret.clone() };
        let credentials = Credentials::new(key.into_bytes(), "holdfast".into());
        let mut embedded = vec![];
        if turn.embedded {
            let mut sockets = vec![bind(config)?];
            if let Some(addr) = turn.addr6 {
                let bound = bind_udp(addr.into()).map_err(|error| anyhow::anyhow!("TURN_ADDR6 {addr}: {error}"))?;
                sockets.push(bound);
            }
            for socket in &sockets {
                embedded.push(socket.local_addr()?);
            }
            let homes = homes(&embedded, turn.public_ip, turn.public_ip6);
            let public = homes.iter().map(|home| home.public).collect();
            let guard = Guard::new(credentials.clone(), public, turn.ports.0.clone(), usize::from(turn.quota));
            let ports = RelayPorts { homes, ports: turn.ports.0.clone(), bytes_per_s: turn.bytes_per_s };
            let service = Service::new(guard, ports);
            for socket in sockets {
                tasks.spawn(serve::run(Arc::new(socket), service.clone(), stop.clone()));
            }
        }
        Ok(Self {
            credentials,
            ttl_s: turn.ttl_s,
            embedded,
            host: turn.host.clone(),
            urls: turn.urls.clone(),
            external,
        })
    }

    /// How long a credential is good, in seconds.
    #[must_use]
    pub const fn ttl_s(&self) -> u64 {
        self.ttl_s
    }

    /// The embedded server's address, if it runs.
    #[must_use]
    pub fn embedded(&self) -> Option<SocketAddr> {
        self.embedded.first().copied()
    }

    /// Its address for IPv6, if it has one beside the first.
    #[must_use]
    pub fn embedded6(&self) -> Option<SocketAddr> {
        self.embedded.get(1).copied()
    }

    /// Whether an external relay is configured.
    #[must_use]
    pub const fn has_external(&self) -> bool {
        self.external
    }

    /// The servers for this seat, with credentials that are good from now for the configured time. `host` is the name
    /// under which the browser knows us.
    #[must_use]
    pub fn ice_servers(&self, room: &RoomId, peer: PeerId, host: &str) -> Vec<IceServer> {
        self.servers(&format!("{room}:{peer}"), host, self.ttl_s)
    }

    /// The servers for somebody who only tries them: in nobody's room, for as long as trying takes.
    #[must_use]
    pub fn servers_to_try(&self, host: &str) -> Vec<IceServer> {
        self.servers(CHECK, host, self.ttl_s.min(TRY_TTL_S))
    }

    fn servers(&self, owner: &str, host: &str, ttl_s: u64) -> Vec<IceServer> {
        let expires_s = clock::wall_s() + ttl_s;
        let username = format!("{expires_s}:{owner}");
        let credential = self.credentials.password(&username);
        let mut servers = vec![];
        let mut ports = vec![];
        for addr in &self.embedded {
            // One name stands for both families where they share the port.
            if ports.contains(&addr.port()) {
                continue;
            }
            ports.push(addr.port());
            let host = match (self.host.is_empty(), host.is_empty()) {
                (false, _) => self.host.clone(),
                (true, false) => host.to_owned(),
                (true, true) => addr.ip().to_string(),
            };
            let port = addr.port();
            servers.push(plain(format!("stun:{host}:{port}")));
            servers.push(IceServer {
                urls: vec![format!("turn:{host}:{port}?transport=udp")],
                username: Some(username.clone()),
                credential: Some(credential.clone()),
            });
        }
        let (turn, stun): (Vec<String>, Vec<String>) =
            self.urls.iter().cloned().partition(|url| url.starts_with("turn"));
        servers.extend(stun.into_iter().map(plain));
        if !turn.is_empty() {
            servers.push(IceServer { urls: turn, username: Some(username), credential: Some(credential) });
        }
        servers
    }
}

fn plain(url: String) -> IceServer {
    IceServer { urls: vec![url], username: None, credential: None }
}

/// Binds what was asked for, or else port 3478, or else any port: a taken default must not keep the calls from working.
fn bind(config: &Config) -> anyhow::Result<UdpSocket> {
    if let Some(addr) = config.turn.addr {
        return bind_udp(addr).map_err(|error| anyhow::anyhow!("TURN_ADDR {addr}: {error}"));
    }
    let usual = config.default_turn_addr();
    match bind_udp(usual) {
        Ok(socket) => Ok(socket),
        Err(_) => Ok(bind_udp(SocketAddr::new(usual.ip(), 0))?),
    }
}

/// Where relay sockets live: beside each listener, and seen by others as the operator says.
fn homes(listening: &[SocketAddr], public: Option<IpAddr>, public6: Option<Ipv6Addr>) -> Vec<Home> {
    let home = |addr: &SocketAddr| {
        let bind = addr.ip();
        let said = if bind.is_ipv6() {
            public6.map(IpAddr::V6).or(public.filter(IpAddr::is_ipv6))
        } else {
            public.filter(IpAddr::is_ipv4)
        };
        // A host may have several IPv6 addresses: what is relayed leaves from the one that others were told, if it is here.
        let here = said.filter(|ip| ip.is_ipv6() && bind_udp(SocketAddr::new(*ip, 0)).is_ok());
        let own = match bind {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            IpAddr::V4(_) | IpAddr::V6(_) => bind,
        };
        Home { bind: here.unwrap_or(bind), public: said.unwrap_or(own) }
    };
    listening.iter().map(home).collect()
}

/// The host part of a Host header, without the port.
#[must_use]
pub fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (name.ends_with(']') || !name.contains(':')) =>
        {
            name
        }
        Some(_) | None => host,
    }
}

/// Whether an address is the loopback or unspecified one, so that only this computer reaches the relay.
#[must_use]
pub fn is_local_only(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_cut_off_a_host() {
        for (host, name) in
            [("a.example:3000", "a.example"), ("a.example", "a.example"), ("[::1]:80", "[::1]"), ("[::1]", "[::1]")]
        {
            assert_eq!(host_name(host), name);
        }
    }
}
