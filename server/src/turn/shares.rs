//! How many allocations a seat, an address, and whoever only tries the relay may hold.

use super::credentials::{CHECK, owner};
use crate::throttle::{network, subscriber};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use turn::allocation::AllocationInfo;
use turn::allocation::five_tuple::FiveTuple;

/// Allocations of everyone together: each is a socket, and the web server needs some too.
const ALL: usize = 512;
/// Allocations of one address: seats cost nothing, so their quota alone would bound nothing.
const ADDRESS: usize = 128;
/// The same while over half of all are in use.
const ADDRESS_WHEN_HALF: usize = 32;
/// The same in the last eighth, which is kept for those who hold none or next to none.
const ADDRESS_AT_LAST: usize = 4;
/// Allocations of one address whose credentials only serve to try the relay, and of all such addresses.
const CHECKS_OF_ADDRESS: usize = 2;
const CHECKS: usize = 32;
/// A customer's whole network of IPv6 may hold this many times what an address may.
const NETWORK_TIMES: usize = 2;

const _: () = assert!(ADDRESS_WHEN_HALF < ADDRESS && ADDRESS_AT_LAST < ADDRESS_WHEN_HALF);

/// Whether `asking`, at this address, has all the allocations it may have. A repeated request for one that exists is
/// not counted.
pub(super) fn is_over(held: &HashMap<FiveTuple, AllocationInfo>, from: SocketAddr, asking: &str, quota: usize) -> bool {
    if held.values().any(|known| known.five_tuple.src_addr == from) {
        return false;
    }
    let source = |known: &AllocationInfo| known.five_tuple.src_addr.ip();
    let checks = |known: &&AllocationInfo| owner(&known.username) == CHECK;
    let same = |whose: fn(IpAddr) -> Option<IpAddr>| {
        let own = whose(from.ip());
        held.values().filter(move |known| own.is_some() && whose(source(known)) == own)
    };
    let address = |ip| Some(subscriber(ip));
    if asking == CHECK {
        return held.len() >= ALL - ALL / 8
            || held.values().filter(checks).count() >= CHECKS
            || same(address).filter(checks).count() >= CHECKS_OF_ADDRESS
            || same(network).filter(checks).count() >= CHECKS_OF_ADDRESS * NETWORK_TIMES;
    }
    let most = match held.len() {
        0..=255 => ADDRESS,
        256..=447 => ADDRESS_WHEN_HALF,
        448..=511 => ADDRESS_AT_LAST,
        _ => return true,
    };
    same(address).count() >= most
        || same(network).count() >= most * NETWORK_TIMES
        || held.values().filter(|known| owner(&known.username) == asking).count() >= quota
}

const _: () = assert!(ALL == 512, "the ranges above are its half and its last eighth");

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().expect(text)
    }

    /// What is held by `n` seats at the address that `of` names.
    fn held(n: usize, of: impl Fn(usize) -> String) -> HashMap<FiveTuple, AllocationInfo> {
        let tuples = (0..n).map(|n| (n, FiveTuple { src_addr: at(&of(n)), ..FiveTuple::default() }));
        let relay = at("192.0.2.1:50000");
        tuples.map(|(n, tuple)| (tuple, AllocationInfo::new(tuple, format!("9:room:{n:016x}"), relay))).collect()
    }

    #[test]
    fn one_subscriber_has_its_share_whatever_seats_and_addresses_it_names() {
        let held = held(ADDRESS, |n| format!("[2a00:1450::{n:x}]:4000"));
        let is_over = |from: &str, asking: &str| is_over(&held, at(from), asking, 10);
        assert!(is_over("[2a00:1450::ffff]:4000", "room:new"), "another address of that /64");
        assert!(!is_over("[2a00:1450::1]:4000", "room:1"), "what it holds it may ask again");
        assert!(!is_over("[2a00:1450:0:1::1]:4000", "room:new"), "another subscriber");
        assert!(!is_over("198.51.100.7:4000", "room:new"), "another subscriber");
    }

    #[test]
    fn a_network_of_many_subscribers_has_a_share_of_its_own() {
        let held = held(ADDRESS * NETWORK_TIMES - 1, |n| format!("[2a00:1450:7:{n:x}::1]:4000"));
        assert!(!is_over(&held, at("[2a00:1450:7:ffff::1]:4000"), "room:new", 10));
        let held = self::held(ADDRESS * NETWORK_TIMES, |n| format!("[2a00:1450:7:{n:x}::1]:4000"));
        assert!(is_over(&held, at("[2a00:1450:7:ffff::1]:4000"), "room:new", 10));
        assert!(!is_over(&held, at("[2a00:1450:8::1]:4000"), "room:new", 10), "another network");
    }

    #[test]
    fn the_last_ones_are_for_those_who_hold_none() {
        let held = held(ALL - 4, |n| format!("10.0.0.{}:{}", n % 100, 4_000 + n));
        assert!(is_over(&held, at("10.0.0.1:9000"), "room:new", 10));
        assert!(!is_over(&held, at("198.51.100.7:4000"), "room:new", 10));
        assert!(is_over(&held, at("198.51.100.7:4000"), CHECK, 10), "who only tries waits");
    }
}
