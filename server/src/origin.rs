//! Which names this server answers to, and which web pages may talk to it: an allow-list, or what nobody can usurp.

use axum::http::uri::Authority;
use std::net::{IpAddr, SocketAddr};
use url::Url;

/// The allow-list. Empty means: the page's own host, which must be this computer or the address listened on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

impl Origins {
    /// Reads a list separated by commas. Each is kept as browsers write it: lower case, ASCII, without a default port.
    ///
    /// # Errors
    /// A sentence for the operator when an item is not an origin.
    pub fn parse(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let checked = items.map(|item| {
            let wrong = || format!("'{item}' is not an origin such as https://meet.example");
            let (scheme, host) = item.split_once("://").ok_or_else(wrong)?;
            let is_web = scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http");
            if !is_web || host.is_empty() || host.contains(['/', '?', '#', '@', '*', ' ', '\\']) {
                return Err(wrong());
            }
            Url::parse(item).map(|url| url.origin().ascii_serialization()).map_err(|_| wrong())
        });
        checked.collect::<Result<Vec<_>, _>>().map(Self)
    }

    /// Whether a page from `origin` may connect to the server that was addressed as `host` and listens on `listening`.
    ///
    /// Origins are compared whole: no prefix, no suffix, no wildcard. A missing origin is refused.
    #[must_use]
    pub fn allow(&self, origin: Option<&str>, host: Option<&str>, listening: SocketAddr) -> bool {
        let Some(origin) = origin else { return false };
        if !self.0.is_empty() {
            return self.0.iter().any(|known| known == origin);
        }
        host.is_some_and(|host| is_near(host, listening) && is_at(origin, host))
    }

    /// Whether `origin` is one of this server's own pages, as far as the request alone can tell.
    #[must_use]
    pub fn is_own(&self, origin: &str, host: Option<&str>) -> bool {
        self.0.iter().any(|known| known == origin) || host.is_some_and(|host| is_at(origin, host))
    }

    /// Whether pages are shown to whoever calls the server `host`. With a list everybody is, because a proxy may write
    /// another name. Without one a site that lets its own name lead here (DNS rebinding) would pass for this server.
    #[must_use]
    pub fn answers_to(&self, host: &str, listening: SocketAddr) -> bool {
        !self.0.is_empty() || is_near(host, listening)
    }

    /// Whether `host` cannot be another site's name for this server, whatever proxies do.
    #[must_use]
    pub fn is_surely_ours(&self, host: &str, listening: SocketAddr) -> bool {
        is_near(host, listening) || self.0.iter().any(|known| is_at(known, host))
    }

    /// Whether every page comes over TLS.
    #[must_use]
    pub fn are_secure(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|known| known.starts_with("https://"))
    }
}

/// Whether a Host header names this computer or the address listened on, by any port: a balancer may have another.
fn is_near(host: &str, listening: SocketAddr) -> bool {
    let Some((name, _)) = name_and_port(host, 0) else { return false };
    if name == "localhost" {
        return true;
    }
    let Ok(address) = name.trim_matches(['[', ']']).parse::<IpAddr>() else { return false };
    let (address, own) = (address.to_canonical(), listening.ip().to_canonical());
    // An address is nobody's name: it cannot be made to lead here.
    address.is_loopback() || address == own || own.is_unspecified()
}

/// Whether an origin is at this Host: letters of either case, and with or without the default port.
fn is_at(origin: &str, host: &str) -> bool {
    let (rest, port) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(rest), _) => (rest, 443),
        (None, Some(rest)) => (rest, 80),
        (None, None) => return false,
    };
    let own = name_and_port(rest, port);
    own.is_some() && own == name_and_port(host, port)
}

fn name_and_port(text: &str, default_port: u16) -> Option<(String, u16)> {
    if text.contains('@') {
        return None;
    }
    let authority: Authority = text.parse().ok()?;
    let port = match authority.port() {
        Some(port) => port.as_str().parse().ok()?,
        None => default_port,
    };
    Some((authority.host().to_ascii_lowercase(), port)).filter(|(name, _)| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &str = "127.0.0.1:3000";

    fn at(addr: &str) -> SocketAddr {
        addr.parse().expect("an address")
    }

    #[test]
    fn only_the_exact_origin_passes() {
        let list = Origins::parse("https://meet.example, https://b.example:8443").expect("valid");
        let host = Some("meet.example");
        for (origin, allowed) in [
            (Some("https://meet.example"), true),
            (Some("https://b.example:8443"), true),
            (None, false),
            (Some(""), false),
            (Some("null"), false),
            (Some("http://meet.example"), false),
            (Some("https://meet.example:444"), false),
            (Some("https://meet.example.evil.example"), false),
            (Some("https://evilmeet.example"), false),
            (Some("https://sub.meet.example"), false),
            (Some("https://MEET.example"), false),
            (Some("https://meet.example/"), false),
            (Some("https://evil.example"), false),
            (Some("https://meet.example@evil.example"), false),
        ] {
            assert_eq!(list.allow(origin, host, at(HERE)), allowed, "{origin:?}");
        }
    }

    #[test]
    fn a_setting_is_kept_as_browsers_write_it_or_refused() {
        for (written, sent) in [
            ("https://meet.example:443", "https://meet.example"),
            ("http://meet.example:80", "http://meet.example"),
            ("HTTPS://Meet.Example", "https://meet.example"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("http://[::1]:3000", "http://[::1]:3000"),
        ] {
            let list = Origins::parse(written).expect(written);
            assert!(list.allow(Some(sent), None, at(HERE)), "{written}");
        }
        for wrong in [
            "meet.example",
            "ftp://meet.example",
            "https://",
            "https://meet.example/",
            "https://a b.example",
            "https://*.example",
            "https://me@meet.example",
            "https://meet.example:port",
            "wss://meet.example",
        ] {
            assert!(Origins::parse(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Origins::parse(" , "), Ok(Origins::default()));
    }

    #[test]
    fn without_a_list_the_own_host_passes_if_it_is_near() {
        let own = Origins::default();
        for (origin, host, listening, allowed) in [
            ("http://localhost:3000", "localhost:3000", HERE, true),
            ("http://127.0.0.1:3000", "127.0.0.1:3000", HERE, true),
            ("http://localhost", "LOCALHOST:80", HERE, true),
            ("https://localhost", "localhost:443", HERE, true),
            ("http://[::1]:3000", "[::1]:3000", "[::1]:3000", true),
            ("http://192.0.2.7:3000", "192.0.2.7:3000", "192.0.2.7:3001", true),
            ("http://192.0.2.7:3000", "192.0.2.7:3000", "0.0.0.0:3000", true),
            ("http://[2001:db8::1]:3000", "[2001:db8::1]:3000", "[::]:3000", true),
            ("http://localhost:3001", "localhost:3000", HERE, false),
            ("https://localhost", "localhost:80", HERE, false),
            ("http://192.0.2.8:3000", "192.0.2.8:3000", "192.0.2.7:3000", false),
            // DNS rebinding: a name that somebody else lets lead here.
            ("http://evil.example:3000", "evil.example:3000", HERE, false),
            ("http://evil.example:3000", "evil.example:3000", "0.0.0.0:3000", false),
            ("http://localhost.evil.example", "localhost.evil.example", HERE, false),
            ("http://127.0.0.1.evil.example", "127.0.0.1.evil.example", HERE, false),
            ("http://localhost:3000", "evil@localhost:3000", HERE, false),
        ] {
            assert_eq!(own.allow(Some(origin), Some(host), at(listening)), allowed, "{origin} at {host}");
        }
        assert!(!own.allow(Some("http://localhost:3000"), None, at(HERE)));
        assert!(!own.allow(None, Some("localhost:3000"), at(HERE)));
        assert!(!own.answers_to("meet.example", at(HERE)));
    }

    #[test]
    fn with_a_list_a_proxy_may_write_another_host_but_metrics_know_their_own() {
        let list = Origins::parse("https://meet.example").expect("valid");
        assert!(list.answers_to("holdfast:3000", at(HERE)));
        assert!(list.is_surely_ours("meet.example", at(HERE)) && list.is_surely_ours("localhost:3000", at(HERE)));
        assert!(!list.is_surely_ours("evil.example", at(HERE)));
        assert!(list.is_own("https://meet.example", Some("127.0.0.1:3000")));
        assert!(!list.is_own("https://evil.example", Some("127.0.0.1:3000")));
    }
}
