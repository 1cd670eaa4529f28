//! How much one address may do: sockets open, sockets opened, seats taken, requests made.

use crate::clock;
use crate::config::Config;
use axum::http::HeaderMap;
use holdfast::Millis;
use holdfast::bucket::Bucket;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// Addresses remembered before those that did nothing lately are forgotten.
const ADDRESSES: usize = 10_000;

struct Account {
    sockets: u32,
    connects: Bucket,
    joins: Bucket,
    requests: Bucket,
}

/// The accounts of all addresses.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    accounts: Mutex<HashMap<IpAddr, Account>>,
    trusted: Vec<IpAddr>,
    sockets: u32,
    connects: u32,
    joins: u32,
    requests: u32,
}

/// One open socket's place in its address's account, given back on drop.
pub struct ConnectPermit(Throttle, IpAddr);

impl Drop for ConnectPermit {
    fn drop(&mut self) {
        self.0.with(self.1, |account, _| account.sockets = account.sockets.saturating_sub(1));
    }
}

/// Whose address it is: a subscriber has one of IPv4, and a whole /64 of IPv6.
#[must_use]
pub fn subscriber(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 => v4,
    }
}

impl Throttle {
    /// Accounts with the limits of the configuration.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self(Arc::new(Inner {
            accounts: Mutex::default(),
            trusted: config.trusted_proxies.clone(),
            sockets: config.sockets_per_address,
            connects: config.connects_per_s,
            joins: config.joins_per_s,
            requests: config.requests_per_s,
        }))
    }

    /// Who is really asking: the last address in X-Forwarded-For that is not one of our own proxies, but only when
    /// the connection itself comes from such a proxy.
    #[must_use]
    pub fn address_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut address = peer.to_canonical();
        if self.0.trusted.contains(&address) {
            let chain = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
            let hops: Vec<&str> = chain.flat_map(|text| text.split(',')).map(str::trim).collect();
            // From the right: a hop we cannot read ends the part that our proxies wrote.
            let read = |hop: &&str| hop.parse().or_else(|_| hop.parse::<SocketAddr>().map(|at| at.ip())).ok();
            let mut known = hops.iter().rev().map_while(read).map(|hop: IpAddr| hop.to_canonical());
            let outside = known.find(|hop| !self.0.trusted.contains(hop));
            address = outside.unwrap_or(address);
        }
        subscriber(address)
    }

    /// A place for one more socket.
    #[must_use]
    pub fn connect(&self, address: IpAddr) -> Option<ConnectPermit> {
        let most = self.0.sockets;
        let allowed = self.with(address, |account, now| {
            let allowed = account.sockets < most && account.connects.take(now);
            account.sockets += u32::from(allowed);
            allowed
        });
        allowed.then(|| ConnectPermit(self.clone(), address))
    }

    /// Whether one more seat may be taken.
    #[must_use]
    pub fn join(&self, address: IpAddr) -> bool {
        self.with(address, |account, now| account.joins.take(now))
    }

    /// Whether one more API request may be made.
    #[must_use]
    pub fn request(&self, address: IpAddr) -> bool {
        self.with(address, |account, now| account.requests.take(now))
    }

    fn with<T>(&self, address: IpAddr, act: impl FnOnce(&mut Account, Millis) -> T) -> T {
        let now = clock::now();
        let mut accounts = self.0.accounts.lock().expect("no holder of this lock can panic");
        if accounts.len() >= ADDRESSES && !accounts.contains_key(&address) {
            accounts.retain(|_, account| {
                account.sockets > 0
                    || !(account.connects.is_full(now) && account.joins.is_full(now) && account.requests.is_full(now))
            });
        }
        let bucket = |per_s: u32| Bucket::new(now, per_s.saturating_mul(5), per_s);
        let account = accounts.entry(address).or_insert_with(|| Account {
            sockets: 0,
            connects: bucket(self.0.connects),
            joins: bucket(self.0.joins),
            requests: bucket(self.0.requests),
        });
        act(account, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn throttle(change: impl FnOnce(&mut Config)) -> Throttle {
        let mut config = Config::for_test("unused".into());
        change(&mut config);
        Throttle::new(&config)
    }

    #[test]
    fn sockets_of_one_address_are_capped_and_given_back() {
        let throttle = throttle(|config| config.sockets_per_address = 2);
        let address = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        let first = throttle.connect(address);
        let second = throttle.connect(address);
        assert!(first.is_some() && second.is_some() && throttle.connect(address).is_none());
        drop(first);
        assert!(throttle.connect(address).is_some());
    }

    #[test]
    fn addresses_of_one_subscriber_share_an_account() {
        let throttle = throttle(|config| config.sockets_per_address = 1);
        let account = |text: &str| throttle.address_of(text.parse().expect("valid"), &HeaderMap::new());
        let connect = |text: &str| throttle.connect(account(text));
        let first = connect("2a00:1450::1");
        assert!(first.is_some() && connect("2a00:1450::ffff:2").is_none(), "one /64");
        assert!(connect("2a00:1450:0:1::1").is_some(), "another /64");
        let mapped = connect("::ffff:198.51.100.7");
        assert!(mapped.is_some() && connect("198.51.100.7").is_none(), "IPv4, however it is written");
    }

    #[test]
    fn only_a_trusted_proxy_may_name_another_address() {
        let proxy = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
        let throttle = throttle(|config| config.trusted_proxies = vec![proxy]);
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.1".parse().expect("valid"));
        let seen = throttle.address_of(proxy, &headers);
        assert_eq!(seen, IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), "what the client wrote itself does not count");
        let direct = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
        assert_eq!(throttle.address_of(direct, &headers), direct);
    }
}
