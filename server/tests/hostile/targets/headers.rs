//! What comes before a request is understood: a proxy's header, addresses and names in headers, codes that were pasted.

use super::bytes::Bytes;
use axum::http::{HeaderMap, HeaderValue};
use server::codes::{mended, room_in};
use server::config::Config;
use server::origin::Origins;
use server::proxied::{Networks, source};
use server::throttle::{Throttle, network, subscriber};
use server::turn::host_name;
use std::net::{IpAddr, SocketAddr};
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};

const PROXY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

/// For what waits for a socket. Here everything has come already.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

static THROTTLE: LazyLock<Throttle> = LazyLock::new(|| {
    let mut config = Config::for_test("unused".into());
    config.trusted_proxies = Networks::parse("10.0.0.0/8, 2001:db8::/32").expect("valid");
    Throttle::new(&config, 1_000)
});

/// The beginning of a connection from a proxy: what is read is the header and no more, and says what stands in it.
pub(super) fn proxy_headers(bytes: &[u8]) {
    let mut rest = bytes;
    let read = RUNTIME.block_on(source(&mut rest));
    let taken = bytes.len() - rest.len();
    let Ok(read) = read else {
        assert!(taken <= 16 + 2_048);
        return;
    };
    assert_eq!(taken, 16 + usize::from(u16::from_be_bytes([bytes[14], bytes[15]])));
    assert_eq!(bytes[..12], *b"\r\n\r\n\0\r\nQUIT\n");
    // The header's second half, read once more by its description.
    let port = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
    let expected = match (bytes[12], bytes[13] >> 4) {
        (0x21, 1) => {
            let address: [u8; 4] = bytes[16..20].try_into().expect("four");
            Some(SocketAddr::from((address, port(24))))
        }
        (0x21, 2) => {
            let address: [u8; 16] = bytes[16..32].try_into().expect("sixteen");
            Some(SocketAddr::from((address, port(48))))
        }
        _ => None,
    };
    assert_eq!(read, expected);
}

/// X-Forwarded-For, one header a line: only a proxy of ours is believed, and it names nobody of ours.
pub(super) fn forwarded_addresses(bytes: &[u8]) {
    let mut headers = HeaderMap::new();
    for value in bytes.split(|byte| *byte == b'\n').take(8) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.append("x-forwarded-for", value);
        }
    }
    let stranger = IpAddr::from([198, 51, 100, 7]);
    assert_eq!(THROTTLE.forwarded(stranger, &headers), None);
    assert_eq!(THROTTLE.address_of(stranger, &headers), stranger);
    if let Some(named) = THROTTLE.forwarded(PROXY, &headers) {
        assert!(!THROTTLE.trusts(named), "{named} is a proxy of ours");
        let account = subscriber(named);
        assert_eq!(subscriber(account), account, "an account has one address");
        assert_eq!(network(named), network(account));
        assert_eq!(THROTTLE.address_of(PROXY, &headers), account);
    }
}

/// An Origin and a Host: a page of another site is never taken for one of ours.
pub(super) fn hosts_and_origins(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let (origin, host) = text.split_once('\n').unwrap_or((&text, ""));
    let listening = SocketAddr::from(([127, 0, 0, 1], 3_000));
    let none = Origins::default();
    if none.allow(Some(origin), Some(host), listening) {
        assert!(none.answers_to(host, listening) && none.is_own(origin, Some(host)));
        let name = host_name(host).to_ascii_lowercase();
        let near = name == "localhost"
            || name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback());
        assert!(near && origin.to_ascii_lowercase().contains(&name), "{origin:?} at {host:?}");
    }
    let list = Origins::parse("https://meet.example").expect("valid");
    assert_eq!(list.allow(Some(origin), Some(host), listening), origin == "https://meet.example");
    if let Ok(written) = Origins::parse(origin) {
        assert!(!written.allow(Some("null"), Some(host), listening), "{origin:?}");
    }
    assert!(host.starts_with(host_name(host)));
}

/// What people paste for a code, and paths that were damaged on their way: mended once is mended.
pub(super) fn pasted_codes(bytes: &[u8]) {
    const PARTS: &[&str] =
        &["/r/", "kavot", "-", "imure", "sakem", " ", "%20", "%2F", "relay-", "https://", "é", "\u{2013}", ".", "="];
    let mut bytes = Bytes::new(bytes);
    let mut text = String::new();
    while !bytes.is_empty() {
        text += &if bytes.one_in(3) { bytes.text() } else { bytes.pick(PARTS).to_owned() };
    }
    if let Some(room) = room_in(&text) {
        assert_eq!(room_in(room.as_str()), Some(room), "{text:?}");
    }
    if let Some(path) = mended(&text) {
        assert!(path.starts_with("/r/") && path != text);
        assert_eq!(mended(&path), None, "{text:?} became {path:?}");
    }
}
