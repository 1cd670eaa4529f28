//! Whose connection a proxy brings: trusted networks, and the PROXY protocol's header (version 2) at its beginning.

use ipnet::IpNet;
use ppp::v2::{Addresses, Command, Header};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The part of a header that says how long the rest is.
const FIXED_BYTES: usize = 16;
/// The longest rest we read. Addresses take 36 bytes; what a balancer adds of its own fits too.
const REST_BYTES: usize = 2_048;
/// How long the header may take.
const HEADER_WITHIN: Duration = Duration::from_secs(3);

/// Networks whose proxies are believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads addresses and networks (10.0.0.0/8, 2001:db8::/32), separated by commas.
    ///
    /// # Errors
    /// A sentence for the operator when an item is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let network = |item: &str| {
            let read =
                item.parse::<IpNet>().ok().or_else(|| item.parse().ok().map(|ip: IpAddr| ip.to_canonical().into()));
            let wrong = || format!("'{item}' is neither an address nor a network such as 10.0.0.0/8");
            let network = read.ok_or_else(wrong)?;
            let inside = network.addr() == network.network();
            let mapped = matches!(network.addr(), IpAddr::V6(v6) if v6.to_ipv4_mapped().is_some());
            match (inside, mapped) {
                (true, false) => Ok(network),
                (true, true) => Err(format!("'{item}': write a network of IPv4 as such")),
                (false, _) => Err(format!("'{item}' has bits outside its network: is {} meant?", network.trunc())),
            }
        };
        items.map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is in one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// Reads the header with which a proxy begins a connection. None: the proxy speaks for itself.
///
/// # Errors
/// When it does not come in time, is too long, or is none.
pub async fn source(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    tokio::time::timeout(HEADER_WITHIN, read(io)).await?
}

async fn read(io: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<SocketAddr>> {
    let no_header = |why: &'static str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut header = vec![0; FIXED_BYTES];
    io.read_exact(&mut header).await?;
    if !header.starts_with(ppp::v2::PROTOCOL_PREFIX) {
        return Err(no_header("no PROXY header of version 2"));
    }
    let rest = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if rest > REST_BYTES {
        return Err(no_header("the PROXY header is too long"));
    }
    header.resize(FIXED_BYTES + rest, 0);
    io.read_exact(&mut header[FIXED_BYTES..]).await?;
    let header = Header::try_from(header.as_slice()).map_err(|_| no_header("the PROXY header is malformed"))?;
    Ok(match (header.command, header.addresses) {
        (Command::Proxy, Addresses::IPv4(v4)) => Some(SocketAddr::from((v4.source_address, v4.source_port))),
        (Command::Proxy, Addresses::IPv6(v6)) => Some(SocketAddr::from((v6.source_address, v6.source_port))),
        (Command::Proxy, Addresses::Unspecified | Addresses::Unix(_)) | (Command::Local, _) => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ppp::v2::{Builder, IPv4, Protocol, Version};

    #[test]
    fn addresses_and_networks_of_both_families_are_read() {
        let networks = Networks::parse(" 10.0.0.1, 172.16.0.0/12 ,2001:db8::/32,, ::ffff:192.0.2.7").expect("valid");
        for (address, inside) in [
            ("10.0.0.1", true),
            ("10.0.0.2", false),
            ("172.31.255.255", true),
            ("172.32.0.0", false),
            ("::ffff:172.16.0.1", true),
            ("2001:db8:ffff::1", true),
            ("2001:db9::1", false),
            ("192.0.2.7", true),
        ] {
            assert_eq!(networks.contains(address.parse().expect(address)), inside, "{address}");
        }
        assert_eq!(Networks::parse(" "), Ok(Networks::default()));
        for wrong in ["proxy", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8 10.1.0.0/16", "::ffff:10.0.0.0/104"] {
            assert!(Networks::parse(wrong).is_err_and(|text| text.contains('\'')), "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_header_is_read_to_its_end_and_no_further() {
        let from = SocketAddr::from(([203, 0, 113, 9], 4_711));
        let address = IPv4::new([203, 0, 113, 9], [192, 0, 2, 1], 4_711, 443);
        let built = |command| {
            let builder = Builder::with_addresses(Version::Two | command, Protocol::Stream, address);
            builder.write_tlv(ppp::v2::Type::NoOp, b"more").and_then(Builder::build).expect("fits")
        };
        let bytes = [built(Command::Proxy).as_slice(), b"GET /"].concat();
        let mut rest = bytes.as_slice();
        assert_eq!(source(&mut rest).await.expect("a header"), Some(from));
        assert_eq!(rest, b"GET /");
        let local = built(Command::Local);
        assert_eq!(source(&mut local.as_slice()).await.expect("a header"), None, "the proxy asks for itself");
        let mut long = built(Command::Proxy);
        (long[14], long[15]) = (0xff, 0xff);
        let http = b"GET /healthz HTTP/1.1\r\nhost: a\r\n\r\n";
        let v1 = b"PROXY TCP4 203.0.113.9 192.0.2.1 4711 443\r\n";
        for wrong in [long.as_slice(), http, v1, &bytes[..20]] {
            assert!(source(&mut &wrong[..]).await.is_err());
        }
        let (mut silent, _other) = tokio::io::duplex(64);
        assert!(source(&mut silent).await.is_err(), "a header that does not come");
    }
}
