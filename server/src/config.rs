//! The server's configuration: one struct from flags and environment, checked at start.

use crate::origin::Origins;
use crate::proxied::Networks;
use crate::settings::{SecretFiles, host_name, ice_url, log_filter};
use clap::Parser;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// Holdfast: the video chat that holds on.
#[derive(Clone, Debug, Parser)]
#[command(name = "holdfast", version)]
pub struct Config {
    /// Address and port to serve on.
    #[arg(long, env = "HOLDFAST_ADDR", default_value = "127.0.0.1:3000")]
    pub addr: SocketAddr,

    /// Folder for everything that is kept: rooms, messages, the server's secret.
    #[arg(long, env = "HOLDFAST_DATA_DIR", default_value = "data")]
    pub data_dir: PathBuf,

    /// Folder with the built client.
    #[arg(long, env = "HOLDFAST_SITE_DIR", default_value = "target/site")]
    pub site_dir: PathBuf,

    /// Origins that may open the socket, separated by commas (https://meet.example). Empty: only localhost and the
    /// address listened on, and pages are shown under no other name.
    #[arg(long, env = "HOLDFAST_ORIGINS", default_value = "", value_parser = Origins::parse)]
    pub origins: Origins,

    /// Believe links with `join=1` where a browser does not say which site a link came from. For tests only.
    #[arg(long, env = "HOLDFAST_TRUST_JOIN", default_value_t = false)]
    pub trust_join: bool,

    /// Proxies whose X-Forwarded-For is believed: addresses and networks (10.0.0.0/8), separated by commas.
    #[arg(long, env = "HOLDFAST_TRUSTED_PROXIES", default_value = "", value_parser = Networks::parse)]
    pub trusted_proxies: Networks,

    /// These proxies begin each connection with a header of the PROXY protocol, version 2.
    #[arg(long, env = "HOLDFAST_PROXY_PROTOCOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub proxy_protocol: bool,

    /// Key for seat tokens, at least 32 characters. Empty: made once and kept in the data folder.
    #[arg(long, env = "HOLDFAST_SECRET", default_value = "", hide_env_values = true)]
    pub secret: String,

    /// The key before this one: seat tokens it signed are still good.
    #[arg(long, env = "HOLDFAST_SECRET_OLD", default_value = "", hide_env_values = true)]
    pub secret_old: String,

    /// How long a seat's token opens the seat again, in hours.
    #[arg(long, env = "HOLDFAST_SEAT_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u64).range(1..=720))]
    pub seat_hours: u64,

    /// Connections one address may have open that are no sockets (yet): files, pages, requests.
    #[arg(long, env = "HOLDFAST_CONNECTIONS_PER_ADDRESS", default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connections_per_address: u32,

    /// Sockets one address may have open.
    #[arg(long, env = "HOLDFAST_SOCKETS_PER_ADDRESS", default_value_t = 20_000)]
    pub sockets_per_address: u32,

    /// Sockets one address may open a second in the long run; five times as many in one burst.
    #[arg(long, env = "HOLDFAST_CONNECTS_PER_S", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub connects_per_s: u32,

    /// Seats one address may take a second in the long run; five times as many in one burst.
    #[arg(long, env = "HOLDFAST_JOINS_PER_S", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub joins_per_s: u32,

    /// API requests one address may make a second in the long run; five times as many in one burst.
    #[arg(long, env = "HOLDFAST_REQUESTS_PER_S", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub requests_per_s: u32,

    /// Rooms one address may create a second in the long run; twenty times as many in one burst.
    #[arg(long, env = "HOLDFAST_ROOMS_PER_S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rooms_per_s: u32,

    /// Bytes of messages one address may have stored a second in the long run; 1,024 times as many in one burst. A
    /// room has eight times that.
    #[arg(long, env = "HOLDFAST_STORED_BYTES_PER_S", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1_024..=100_000_000))]
    pub stored_bytes_per_s: u32,

    /// What to log: error, warn, info, debug, trace, or a tracing filter.
    #[arg(long, env = "HOLDFAST_LOG", default_value = "info", value_parser = log_filter)]
    pub log: String,

    /// Log one JSON object a line.
    #[arg(long, env = "HOLDFAST_LOG_JSON", default_value_t = false)]
    pub log_json: bool,

    /// Redis for log and queue (redis://, rediss://, redis+sentinel://host:port/master, redis+cluster://a:1,b:2). Empty: embedded.
    #[arg(long, env = "REDIS_URL", default_value = "", hide_env_values = true)]
    pub redis_url: String,

    /// What every key in Redis begins with.
    #[arg(long, env = "HOLDFAST_REDIS_PREFIX", default_value = "holdfast")]
    pub redis_prefix: String,

    /// Replicas that must have an entry before it is acknowledged (WAIT); not with a cluster.
    #[arg(long, env = "HOLDFAST_REDIS_WAIT", default_value_t = 0)]
    pub redis_wait: u32,

    /// MongoDB for the archive (mongodb://host:27017/holdfast). Empty: embedded.
    #[arg(long, env = "MONGODB_URI", default_value = "", hide_env_values = true)]
    pub mongodb_uri: String,

    /// Days messages are kept where a room does not say; 0 for ever.
    #[arg(long, env = "HOLDFAST_RETENTION_DAYS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    pub retention_days: u32,

    /// Days an entry stays in the log after it was archived.
    #[arg(long, env = "HOLDFAST_LOG_DAYS", default_value_t = 7, value_parser = clap::value_parser!(u32).range(7..=3_650))]
    pub log_days: u32,

    /// Seconds between two rounds of the sweep that deletes what is too old.
    #[arg(long, env = "HOLDFAST_SWEEP_S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub sweep_s: u64,

    /// Opens /admin and /api/v1/admin, at least 16 characters. Empty: they do not exist.
    #[arg(long, env = "HOLDFAST_ADMIN_TOKEN", default_value = "", hide_env_values = true)]
    pub admin_token: String,

    /// Where secrets stand in files.
    #[command(flatten)]
    pub files: SecretFiles,

    /// Relay and STUN settings.
    #[command(flatten)]
    pub turn: TurnConfig,

    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What the program can do besides serving.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Command {
    /// Look after a running server (needs HOLDFAST_ADMIN_TOKEN).
    #[command(subcommand)]
    Admin(crate::admin_cli::AdminCommand),
    /// Ask every relay of TURN_URLS for an address, as a browser would, and say how it is.
    CheckRelay,
}

/// The relay: embedded, external, or none.
#[derive(Clone, Debug, Parser)]
pub struct TurnConfig {
    /// Run the embedded STUN and TURN server.
    #[arg(long = "turn-embedded", env = "TURN_EMBEDDED", default_value_t = true, action = clap::ArgAction::Set)]
    pub embedded: bool,

    /// UDP address of the embedded server. Empty: port 3478 beside the web server, or any free port if that is taken.
    #[arg(id = "turn_addr", long = "turn-addr", env = "TURN_ADDR")]
    pub addr: Option<SocketAddr>,

    /// UDP address of the embedded server for IPv6, such as [2001:db8::1]:3478. Empty: IPv4 only.
    #[arg(long = "turn-addr6", env = "TURN_ADDR6")]
    pub addr6: Option<SocketAddrV6>,

    /// IPv6 address under which browsers reach the relay. Empty: the one it listens on.
    #[arg(long = "turn-public-ip6", env = "TURN_PUBLIC_IP6")]
    pub public_ip6: Option<Ipv6Addr>,

    /// Address under which browsers reach the relay. Empty: the address it listens on.
    #[arg(long = "turn-public-ip", env = "TURN_PUBLIC_IP")]
    pub public_ip: Option<IpAddr>,

    /// Host name in the relay's URLs. Empty: the host the page was opened with.
    #[arg(long = "turn-host", env = "TURN_HOST", default_value = "", value_parser = host_name)]
    pub host: String,

    /// UDP ports for relayed media, first-last.
    #[arg(long = "turn-ports", env = "TURN_PORTS", default_value = "49152-65535", value_parser = parse_ports)]
    pub ports: Ports,

    /// URLs of an external relay such as coturn, separated by commas (turn:relay.example:3478?transport=udp).
    #[arg(long = "turn-urls", env = "TURN_URLS", value_delimiter = ',', value_parser = ice_url)]
    pub urls: Vec<String>,

    /// The external relay's static-auth-secret. Empty: derived from the server's secret.
    #[arg(id = "turn_secret", long = "turn-secret", env = "TURN_SECRET", default_value = "", hide_env_values = true)]
    pub secret: String,

    /// How long a relay credential is good, in seconds.
    #[arg(long = "turn-ttl", env = "TURN_TTL_S", default_value_t = 300, value_parser = clap::value_parser!(u64).range(30..=86_400))]
    pub ttl_s: u64,

    /// Relay allocations a seat may hold on the embedded server.
    #[arg(long = "turn-quota", env = "TURN_QUOTA", default_value_t = 24, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub quota: u16,

    /// Bytes a second that an allocation of the embedded server relays, each way; more is dropped.
    #[arg(long = "turn-bytes-per-s", env = "TURN_BYTES_PER_S", default_value_t = 625_000, value_parser = clap::value_parser!(u32).range(10_000..=100_000_000))]
    pub bytes_per_s: u32,
}

/// A range of UDP ports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ports(pub RangeInclusive<u16>);

fn parse_ports(text: &str) -> Result<Ports, String> {
    let (first, last) = text.split_once('-').ok_or("write it as first-last, for example 49152-65535")?;
    let number = |part: &str| part.trim().parse::<u16>().map_err(|_| format!("'{part}' is not a port"));
    let (first, last) = (number(first)?, number(last)?);
    if first < 1024 || first > last {
        return Err("the first port is at least 1024 and not above the last".into());
    }
    Ok(Ports(first..=last))
}

impl Config {
    /// Checks what the parser alone cannot.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub fn validate(&self) -> Result<(), String> {
        if !self.secret.is_empty() && self.secret.len() < 32 {
            return Err("HOLDFAST_SECRET has fewer than 32 characters".into());
        }
        if !self.secret_old.is_empty() && self.secret_old.len() < 32 {
            return Err("HOLDFAST_SECRET_OLD has fewer than 32 characters".into());
        }
        if !self.admin_token.is_empty() && self.admin_token.len() < 16 {
            return Err("HOLDFAST_ADMIN_TOKEN has fewer than 16 characters".into());
        }
        if self.proxy_protocol && self.trusted_proxies == Networks::default() {
            return Err("HOLDFAST_PROXY_PROTOCOL needs HOLDFAST_TRUSTED_PROXIES: only these are believed".into());
        }
        if self.redis_prefix.is_empty() || self.redis_prefix.contains(['{', '}', ' ']) {
            return Err("HOLDFAST_REDIS_PREFIX is empty or has a brace or a space".into());
        }
        if self.redis_wait > 0 && self.redis_url.starts_with("redis+cluster") {
            return Err("HOLDFAST_REDIS_WAIT does not work with a cluster".into());
        }
        if !self.redis_url.is_empty() && self.secret.is_empty() {
            return Err("REDIS_URL lets several servers work together, so HOLDFAST_SECRET must be set, to the same on all of them".into());
        }
        if self.turn.addr6.is_some_and(|addr| addr.ip().is_unspecified()) && self.turn.public_ip6.is_none() {
            return Err(
                "TURN_ADDR6 names no address, so TURN_PUBLIC_IP6 must say under which the relay is reached".into()
            );
        }
        let has_relay = self.turn.urls.iter().any(|url| url.starts_with("turn"));
        if has_relay && self.turn.secret.is_empty() {
            return Err("TURN_URLS names a relay, so TURN_SECRET must hold its static-auth-secret".into());
        }
        Ok(())
    }

    /// Where the embedded relay listens when nothing else is said.
    #[must_use]
    pub fn default_turn_addr(&self) -> SocketAddr {
        // IPv6 is a listener of its own (TURN_ADDR6): whoever serves on every address relays for IPv4 on every one.
        let every = self.addr.ip().is_unspecified();
        SocketAddr::new(if every { Ipv4Addr::UNSPECIFIED.into() } else { self.addr.ip() }, 3478)
    }

    /// A configuration for tests: everything on loopback, any port, quiet.
    #[must_use]
    pub fn for_test(data_dir: PathBuf) -> Self {
        let mut config = Self::parse_from(["holdfast"]);
        config.addr = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
        config.turn.addr = Some(config.addr);
        config.data_dir = data_dir;
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_explained() {
        let parse = |args: &[&str]| Config::try_parse_from([&["holdfast"], args].concat());
        assert!(parse(&["--addr", "nonsense"]).is_err());
        assert!(parse(&["--turn-ports", "5-4"]).is_err());
        assert!(parse(&["--origins", "meet.example"]).is_err());
        let short = parse(&["--secret", "short"]).expect("parses");
        assert_eq!(short.validate(), Err("HOLDFAST_SECRET has fewer than 32 characters".into()));
        let relay = parse(&["--turn-urls", "turn:r.example"]).expect("parses");
        assert!(relay.validate().is_err_and(|text| text.contains("TURN_SECRET")));
        let headers = parse(&["--proxy-protocol", "true"]).expect("parses");
        assert!(headers.validate().is_err_and(|text| text.contains("HOLDFAST_TRUSTED_PROXIES")));
        let six = parse(&["--turn-addr6", "[::]:3478"]).expect("parses");
        assert!(six.validate().is_err_and(|text| text.contains("TURN_PUBLIC_IP6")));
        let every = parse(&["--addr", "[::]:3000"]).expect("parses");
        assert_eq!(every.default_turn_addr().to_string(), "0.0.0.0:3478", "most people come over IPv4");
        assert_eq!(parse(&[]).expect("parses").validate(), Ok(()));
    }
}
