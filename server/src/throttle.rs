//! How much one address may do: connections and sockets open, sockets opened, seats taken, requests made, rooms created,
//! bytes stored.

use crate::clock;
use crate::config::Config;
use crate::proxied::Networks;
use axum::http::HeaderMap;
use holdfast::bucket::Bucket;
use holdfast::{Limits, Millis, RoomId};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex};

/// Accounts remembered before those that did nothing lately are forgotten.
const ACCOUNTS: usize = 10_000;
/// A customer's whole network of IPv6 may do this many times what one subscriber in it may: it has 65,536 of them.
const NETWORK_TIMES: u32 = 8;
/// While over half of the open files are in use, an address may have this share of its connections; over three quarters,
/// this share of all files for its sockets.
const SCARCE_SHARE: u32 = 8;
/// Seconds of the rate of bytes that may be stored in one burst: a busy office is no flood, one that goes on all day is.
const STORED_BURST_S: u32 = 1_024;

struct Account {
    /// How many times the limits of one address.
    times: u32,
    connections: u32,
    sockets: u32,
    connects: Bucket,
    joins: Bucket,
    requests: Bucket,
    rooms: Bucket,
    stored: Bucket,
}

impl Account {
    /// Whether nothing is remembered of the past.
    fn is_idle(&mut self, now: Millis) -> bool {
        let buckets = [&mut self.connects, &mut self.joins, &mut self.requests, &mut self.rooms, &mut self.stored];
        self.sockets == 0 && self.connections == 0 && buckets.into_iter().all(|bucket| bucket.is_full(now))
    }
}

#[derive(Default)]
struct Accounts {
    by_address: HashMap<IpAddr, Account>,
    by_network: HashMap<IpAddr, Account>,
    /// What each room stored lately.
    by_room: HashMap<RoomId, Bucket>,
    /// Open files of all connections together.
    open: u32,
}

/// The accounts of all addresses.
#[derive(Clone)]
pub struct Throttle(Arc<Inner>);

struct Inner {
    accounts: Mutex<Accounts>,
    trusted: Networks,
    files: u32,
    connections: u32,
    sockets: u32,
    connects: u32,
    joins: u32,
    requests: u32,
    rooms: u32,
    stored: u32,
}

/// What a permit counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Connection,
    Socket,
}

/// One open connection's or socket's place in its address's account, given back on drop.
pub struct Permit(Throttle, IpAddr, Kind);

impl Drop for Permit {
    fn drop(&mut self) {
        let mut accounts = self.0.0.accounts.lock().expect("no holder of this lock can panic");
        accounts.open = accounts.open.saturating_sub(1);
        self.0.each(&mut accounts, self.1, |account, _| {
            let count = account.count(self.2);
            *count = count.saturating_sub(1);
            true
        });
    }
}

/// One connection that has no place yet. It is an open file too.
pub struct Waiting(Throttle);

/// What a connection is counted as from the moment it is accepted.
pub enum Entry {
    /// One of its address.
    Place(Permit),
    /// One that nobody's account has yet.
    Waiting(Waiting),
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut accounts = self.0.0.accounts.lock().expect("no holder of this lock can panic");
        accounts.open = accounts.open.saturating_sub(1);
    }
}

impl Account {
    const fn count(&mut self, kind: Kind) -> &mut u32 {
        match kind {
            Kind::Connection => &mut self.connections,
            Kind::Socket => &mut self.sockets,
        }
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

/// The largest network of IPv6 that one customer gets, a /48. IPv4 has none: its addresses are dear.
#[must_use]
pub fn network(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V6(v6) => Some(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !(u128::MAX >> 48)))),
        IpAddr::V4(_) => None,
    }
}

impl Throttle {
    /// Accounts with the limits of the configuration, for a process that may have so many files open.
    #[must_use]
    pub fn new(config: &Config, files: u64) -> Self {
        Self(Arc::new(Inner {
            accounts: Mutex::default(),
            trusted: config.trusted_proxies.clone(),
            files: u32::try_from(files).unwrap_or(u32::MAX),
            connections: config.connections_per_address,
            sockets: config.sockets_per_address,
            connects: config.connects_per_s,
            joins: config.joins_per_s,
            requests: config.requests_per_s,
            rooms: config.rooms_per_s,
            stored: config.stored_bytes_per_s,
        }))
    }

    /// Whether an address is that of a proxy of ours.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.0.trusted.contains(peer)
    }

    /// Who is really asking: the last address in X-Forwarded-For that is not one of our own proxies, but only when
    /// the connection itself comes from such a proxy.
    #[must_use]
    pub fn address_of(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        subscriber(self.forwarded(peer, headers).unwrap_or(peer))
    }

    /// For whom one of our own proxies asks.
    #[must_use]
    pub fn forwarded(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.trusts(peer) {
            return None;
        }
        let chain = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = chain.flat_map(|text| text.split(',')).map(str::trim).collect();
        // From the right: a hop we cannot read ends the part that our proxies wrote.
        let read = |hop: &&str| hop.parse().or_else(|_| hop.parse::<SocketAddr>().map(|at| at.ip())).ok();
        let mut known = hops.iter().rev().map_while(read).map(|hop: IpAddr| hop.to_canonical());
        known.find(|hop| !self.trusts(*hop))
    }

    /// A place for one more connection. Once it is a socket it needs none.
    #[must_use]
    pub fn connection(&self, address: IpAddr) -> Option<Permit> {
        let address = subscriber(address);
        let mut accounts = self.0.accounts.lock().expect("no holder of this lock can panic");
        let scarce = accounts.open >= self.0.files / 2;
        let most = if scarce { (self.0.connections / SCARCE_SHARE).max(1) } else { self.0.connections };
        self.permit(&mut accounts, address, Kind::Connection, most)
    }

    /// Counts a connection that was just accepted. Until a proxy says for whom it asks, its connections have no place.
    #[must_use]
    pub fn accepted(&self, peer: IpAddr) -> Option<Entry> {
        if self.trusts(peer) {
            return self.waiting(self.0.files / SCARCE_SHARE * (SCARCE_SHARE - 1)).map(Entry::Waiting);
        }
        let place = self.connection(peer).map(Entry::Place);
        place.or_else(|| self.waiting(self.0.files / 2).map(Entry::Waiting))
    }

    /// Whether a connection may go on waiting for a place: not while files are scarce.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.0.accounts.lock().expect("no holder of this lock can panic").open <= self.0.files / 2
    }

    /// Lets one more connection be open without a place, while so few files are.
    fn waiting(&self, below: u32) -> Option<Waiting> {
        let mut accounts = self.0.accounts.lock().expect("no holder of this lock can panic");
        let may = accounts.open < below;
        accounts.open += u32::from(may);
        may.then(|| Waiting(self.clone()))
    }

    /// A place for one more socket.
    #[must_use]
    pub fn connect(&self, address: IpAddr) -> Option<Permit> {
        let mut accounts = self.0.accounts.lock().expect("no holder of this lock can panic");
        let rate = self.each(&mut accounts, address, |account, now| account.connects.take(now));
        let scarce = accounts.open >= self.0.files / 4 * 3;
        let most = if scarce { self.0.sockets.min(self.0.files / SCARCE_SHARE) } else { self.0.sockets };
        rate.then(|| self.permit(&mut accounts, address, Kind::Socket, most)).flatten()
    }

    /// Whether one more seat may be taken.
    #[must_use]
    pub fn join(&self, address: IpAddr) -> bool {
        self.take(address, |account, now| account.joins.take(now))
    }

    /// Whether one more API request may be made.
    #[must_use]
    pub fn request(&self, address: IpAddr) -> bool {
        self.take(address, |account, now| account.requests.take(now))
    }

    /// Whether one more room may be created.
    #[must_use]
    pub fn create(&self, address: IpAddr) -> bool {
        self.take(address, |account, now| account.rooms.take(now))
    }

    /// Whether so many bytes more may be stored by this address, and in this room: seats are free, so what one seat
    /// may say bounds nothing. A room has room for as many addresses as it has seats, so that none takes it all.
    #[must_use]
    pub fn store(&self, address: IpAddr, room: &RoomId, bytes: u32) -> bool {
        let now = clock::now();
        let mut accounts = self.0.accounts.lock().expect("no holder of this lock can panic");
        if !self.each(&mut accounts, address, |account, now| account.stored.take_many(now, bytes)) {
            return false;
        }
        let rooms = &mut accounts.by_room;
        if rooms.len() >= ACCOUNTS && !rooms.contains_key(room) {
            rooms.retain(|_, bucket| !bucket.is_full(now));
        }
        let rate = self.0.stored.saturating_mul(Limits::SEATS as u32);
        let new = || Bucket::new(now, rate.saturating_mul(STORED_BURST_S), rate);
        rooms.entry(room.clone()).or_insert_with(new).take_many(now, bytes)
    }

    fn take(&self, address: IpAddr, act: impl Fn(&mut Account, Millis) -> bool) -> bool {
        self.each(&mut self.0.accounts.lock().expect("no holder of this lock can panic"), address, act)
    }

    fn permit(&self, accounts: &mut Accounts, address: IpAddr, kind: Kind, most: u32) -> Option<Permit> {
        let free = |account: &mut Account, _| *account.count(kind) < most.saturating_mul(account.times);
        if !self.each(accounts, address, free) {
            return None;
        }
        accounts.open += 1;
        self.each(accounts, address, |account, _| {
            *account.count(kind) += 1;
            true
        });
        Some(Permit(self.clone(), address, kind))
    }

    /// Asks the account of an address, then that of its network. What the first gave and the second did not is lost.
    fn each(&self, accounts: &mut Accounts, address: IpAddr, act: impl Fn(&mut Account, Millis) -> bool) -> bool {
        let now = clock::now();
        let of_address = self.account(&mut accounts.by_address, address, 1, now);
        act(of_address, now)
            && network(address)
                .is_none_or(|wide| act(self.account(&mut accounts.by_network, wide, NETWORK_TIMES, now), now))
    }

    fn account<'a>(
        &self,
        accounts: &'a mut HashMap<IpAddr, Account>,
        address: IpAddr,
        times: u32,
        now: Millis,
    ) -> &'a mut Account {
        if accounts.len() >= ACCOUNTS && !accounts.contains_key(&address) {
            accounts.retain(|_, account| !account.is_idle(now));
        }
        let bucket = |per_s: u32, burst_s: u32| {
            let per_s = per_s.saturating_mul(times);
            Bucket::new(now, per_s.saturating_mul(burst_s), per_s)
        };
        accounts.entry(address).or_insert_with(|| Account {
            times,
            connections: 0,
            sockets: 0,
            connects: bucket(self.0.connects, 5),
            joins: bucket(self.0.joins, 5),
            requests: bucket(self.0.requests, 5),
            rooms: bucket(self.0.rooms, 20),
            stored: bucket(self.0.stored, STORED_BURST_S),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn throttle(change: impl FnOnce(&mut Config)) -> Throttle {
        let mut config = Config::for_test("unused".into());
        change(&mut config);
        Throttle::new(&config, 1_000)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn connections_of_one_address_are_capped_and_fewer_when_files_are_scarce() {
        let throttle = throttle(|config| config.connections_per_address = 80);
        let mut held: Vec<_> = (0..100).filter_map(|_| throttle.connection(ip("192.0.2.1"))).collect();
        assert_eq!(held.len(), 80);
        for n in 2..=7 {
            held.extend((0..80).filter_map(|_| throttle.connection(ip(&format!("192.0.2.{n}")))));
        }
        assert!(held.len() >= 500 && throttle.accepted(ip("192.0.2.1")).is_none(), "over half of the files");
        let late: Vec<_> = (0..80).filter_map(|_| throttle.connection(ip("192.0.2.99"))).collect();
        assert_eq!(late.len(), 10, "who comes late has a share all the same");
        held.extend((0..260).filter_map(|n| throttle.connection(ip(&format!("198.51.100.{}", n / 2)))));
        let sockets: Vec<_> = (0..500).filter_map(|_| throttle.connect(ip("192.0.2.101"))).collect();
        assert_eq!(sockets.len(), 125, "an eighth of the files, once three quarters are in use");
        drop((held, late, sockets));
        let again: Vec<_> = (0..600).filter_map(|_| throttle.accepted(ip("192.0.2.1"))).collect();
        let placed = again.iter().filter(|entry| matches!(entry, Entry::Place(_))).count();
        assert_eq!((placed, again.len()), (80, 500), "the rest may wait, up to half of the files");
    }

    #[test]
    fn a_network_of_many_subscribers_has_an_account_of_its_own() {
        let throttle = throttle(|config| (config.requests_per_s, config.sockets_per_address) = (1, 2));
        let of = |n: u32| subscriber(ip(&format!("2a00:1450:7:{n:x}::1")));
        let passed = (0..400).filter(|n| throttle.request(of(*n))).count();
        assert_eq!(passed, 5 * NETWORK_TIMES as usize, "400 subscribers of one /48");
        assert!(throttle.request(subscriber(ip("2a00:1450:8::1"))), "another /48");
        let held: Vec<_> = (0..400).filter_map(|n| throttle.connect(of(n))).collect();
        assert_eq!(held.len(), 2 * NETWORK_TIMES as usize);
        drop(held);
        assert!(throttle.connect(of(1)).is_some());
    }

    #[test]
    fn bytes_are_counted_for_each_address_and_each_room() {
        let throttle = throttle(|config| config.stored_bytes_per_s = 16);
        let (one, other): (RoomId, RoomId) = ("one".parse().expect("valid"), "other".parse().expect("valid"));
        let store = |address: &str, room: &RoomId| (0..100).filter(|_| throttle.store(ip(address), room, 800)).count();
        assert_eq!(store("192.0.2.1", &one), 20, "a burst");
        assert_eq!(store("192.0.2.1", &other), 0, "another room, the same address");
        let all: usize = (2..30).map(|n| store(&format!("192.0.2.{n}"), &one)).sum();
        assert!((140..=144).contains(&all), "a room has eight times that for all who come: {all}");
        assert_eq!(store("192.0.2.40", &other), 20, "neither");
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
        let throttle = throttle(|config| config.trusted_proxies = Networks::parse("10.0.0.0/8").expect("valid"));
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 203.0.113.9, 10.0.0.1".parse().expect("valid"));
        let seen = throttle.address_of(proxy, &headers);
        assert_eq!(seen, IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)), "what the client wrote itself does not count");
        let direct = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
        assert_eq!(throttle.address_of(direct, &headers), direct);
    }
}
