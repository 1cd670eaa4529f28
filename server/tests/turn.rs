//! The embedded relay against a raw client: who may allocate, and whom the relay may never reach.

mod support;

use holdfast::wire::{IceServer, Welcome};
use std::net::SocketAddr;
use std::time::Duration;
use stun::agent::TransactionId;
use stun::message::{BINDING_REQUEST, Message};
use support::raw::{Raw, SPECIAL, code};
use support::{TestServer, room};
use tokio::net::UdpSocket;
use tokio::time::timeout;
use turn::proto::reqfamily::{REQUESTED_FAMILY_IPV4, REQUESTED_FAMILY_IPV6};
use turn::proto::{PROTO_TCP, PROTO_UDP};

fn relay_of(welcome: &Welcome) -> &IceServer {
    welcome.ice.iter().find(|server| server.urls[0].starts_with("turn:")).expect("a relay")
}

async fn raw_of(server: &TestServer, user: &str, password: &str) -> Raw {
    Raw::at(server.running.app.relay.embedded().expect("the relay runs"), user, password).await
}

async fn raw_of_seat(server: &TestServer, welcome: &Welcome) -> Raw {
    let relay = relay_of(welcome);
    let part = |text: &Option<String>| text.clone().expect("a credential");
    raw_of(server, &part(&relay.username), &part(&relay.credential)).await
}

#[tokio::test]
async fn the_relay_permits_no_special_purpose_address() {
    let server = TestServer::start().await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let mut raw = raw_of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    let at = |ip: &str| SocketAddr::new(ip.parse().expect(ip), 9_000);
    for ip in SPECIAL {
        assert_eq!(raw.permit(&[at(ip)]).await, 403, "permission for {ip}");
        assert_eq!(raw.bind(0x4000, at(ip)).await, 403, "channel to {ip}");
        assert_eq!(raw.permit(&[at("8.8.8.8"), at(ip)]).await, 403, "{ip} behind a public one");
    }
    assert_eq!(raw.permit(&[at("8.8.8.8")]).await, 200, "the canary: a public peer is permitted");
    assert_eq!(raw.bind(0x4000, at("1.1.1.1")).await, 200);
    assert_eq!(raw.bind(0x3fff, at("1.1.1.1")).await, 400, "no channel number");
}

#[tokio::test]
async fn nothing_reaches_a_service_on_this_machine() {
    let server = TestServer::start().await;
    let victim = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
    let target = victim.local_addr().expect("bound");
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let mut raw = raw_of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    let _ = raw.permit(&[target]).await;
    raw.send_to(target).await;
    let mut buf = [0_u8; 64];
    assert!(timeout(Duration::from_millis(500), victim.recv(&mut buf)).await.is_err(), "a datagram got through");
}

#[tokio::test]
async fn only_a_current_credential_of_a_seat_is_accepted() {
    let server = TestServer::start().await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let relay = relay_of(&welcome);
    let (user, password) = (relay.username.clone().expect("a name"), relay.credential.clone().expect("a password"));
    let seat = user.split_once(':').expect("expiry first").1;
    for (user, password, what) in [
        (user.clone(), "guessed".to_owned(), "a guessed password"),
        (format!("9999999999:{seat}"), password.clone(), "a longer life"),
        (format!("1:{seat}"), password.clone(), "an expired name"),
        ("admin".to_owned(), password.clone(), "another name"),
        (user.replace(":relay:", ":other:"), password.clone(), "another room"),
    ] {
        let mut raw = raw_of(&server, &user, &password).await;
        assert_eq!(raw.allocate(PROTO_UDP).await, 401, "{what}");
    }
    let mut raw = raw_of(&server, &user, &password).await;
    assert_eq!(raw.allocate(PROTO_TCP).await, 442, "only UDP is relayed");
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    assert_eq!(raw.refresh(300).await, 200);
    assert_eq!(raw.refresh(0).await, 200);
}

#[tokio::test]
async fn a_credential_that_expired_is_refused_on_refresh_too() {
    let server = TestServer::start_with(|config| config.turn.ttl_s = 2).await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let mut raw = raw_of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    assert_eq!(raw.refresh(300).await, 401);
    let peer = SocketAddr::new("8.8.8.8".parse().expect("valid"), 9);
    assert_eq!(raw.permit(&[peer]).await, 401);
}

#[tokio::test]
async fn a_seat_has_its_quota_and_no_more() {
    let server = TestServer::start_with(|config| config.turn.quota = 3).await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let (_bo, other) = server.join(&room("relay"), "Bo").await;
    let refused = || server.counter("holdfast_relay_refused_total{code=\"486\"}");
    let before = refused();
    let mut held = vec![];
    for n in 0..4 {
        let mut raw = raw_of_seat(&server, &welcome).await;
        assert_eq!(raw.allocate(PROTO_UDP).await, if n < 3 { 200 } else { 486 });
        held.push(raw);
    }
    assert!(refused() > before, "an operator sees it");
    let mut raw = raw_of_seat(&server, &other).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200, "another seat is not concerned");
    assert_eq!(held[0].refresh(0).await, 200);
    let mut again = raw_of_seat(&server, &welcome).await;
    assert_eq!(again.allocate(PROTO_UDP).await, 200, "what was given back can be had again");
}

/// A client at 127.0.0.`host` with what these servers say of the relay.
async fn raw_from(server: &TestServer, host: u8, ice: &[IceServer]) -> Raw {
    let relay = ice.iter().find(|server| server.urls[0].starts_with("turn:")).expect("a relay");
    let part = |text: &Option<String>| text.clone().expect("a credential");
    let at = server.running.app.relay.embedded().expect("the relay runs");
    Raw::from(SocketAddr::from(([127, 0, 0, host], 0)), at, &part(&relay.username), &part(&relay.credential)).await
}

#[tokio::test]
async fn four_addresses_cannot_take_the_relay() {
    let server = TestServer::start().await;
    let relay = &server.running.app.relay;
    let mut held = vec![];
    let mut take = async |host: u8| {
        let mut got = 0;
        for seat in 0..6_u8 {
            let peer = holdfast::PeerId::from_bits(u64::from(host) << 8 | u64::from(seat));
            let ice = relay.ice_servers(&room("many"), peer, "");
            for _ in 0..24 {
                let mut raw = raw_from(&server, host, &ice).await;
                if raw.allocate(PROTO_UDP).await != 200 {
                    break;
                }
                got += 1;
                held.push(raw);
            }
        }
        got
    };
    let first: Vec<i32> = [take(31).await, take(32).await, take(33).await, take(34).await].to_vec();
    assert!(first[..2].iter().all(|got| *got > 100), "while there is enough, who needs many has them: {first:?}");
    assert!(first[2..].iter().all(|got| *got <= 32), "over half is in use: {first:?}");
    let mut others = vec![];
    for host in 41..49 {
        others.push(take(host).await);
    }
    println!("four addresses hold {first:?}, those who come later {others:?}");
    assert!(others.iter().all(|got| *got >= 2), "who holds none has a share: {others:?}");
}

#[tokio::test]
async fn who_only_tries_the_relay_has_little_of_it() {
    let server = TestServer::start().await;
    let relay = &server.running.app.relay;
    let mut held = vec![];
    for n in 0..3 {
        // Each check brings a credential of its own.
        let mut raw = raw_from(&server, 51, &relay.servers_to_try("")).await;
        assert_eq!(raw.allocate(PROTO_UDP).await, if n < 2 { 200 } else { 486 }, "check {n} of one address");
        held.push(raw);
    }
    let mut got = 2;
    for host in 52..92 {
        let mut raw = raw_from(&server, host, &relay.servers_to_try("")).await;
        got += usize::from(raw.allocate(PROTO_UDP).await == 200);
        held.push(raw);
    }
    assert_eq!(got, 32, "all checks together");
    let ice = relay.ice_servers(&room("call"), holdfast::PeerId::from_bits(1), "");
    assert_eq!(raw_from(&server, 51, &ice).await.allocate(PROTO_UDP).await, 200, "a call is not concerned");
    assert_eq!(held[0].refresh(0).await, 200);
    let mut again = raw_from(&server, 51, &relay.servers_to_try("")).await;
    assert_eq!(again.allocate(PROTO_UDP).await, 200, "what was given back");
}

#[tokio::test]
async fn a_source_that_proves_nothing_is_answered_so_often_and_no_more() {
    let server = TestServer::start().await;
    let at = server.running.app.relay.embedded().expect("the relay runs");
    let stranger = Raw::from("127.0.0.61:0".parse().expect("valid"), at, "", "").await;
    let mut ask = Message::new();
    ask.build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)]).expect("fits");
    let allocate = [[0, 3, 0, 0].as_slice(), &ask.raw[4..20]].concat(); // Without any attribute: answered by a challenge.
    let mut answers = 0;
    let mut buf = [0; 512];
    for n in 0..4_000 {
        stranger.socket.send(if n % 2 == 0 { &ask.raw } else { &allocate }).await.expect("sent");
        if n % 20 == 19 {
            tokio::task::yield_now().await;
            while timeout(Duration::from_millis(2), stranger.socket.recv(&mut buf)).await.is_ok() {
                answers += 1;
            }
        }
    }
    while timeout(Duration::from_millis(300), stranger.socket.recv(&mut buf)).await.is_ok() {
        answers += 1;
    }
    println!("{answers} answers to 4,000 requests that prove nothing");
    assert!((500..2_500).contains(&answers), "{answers} answers to 4,000 requests");
    let other = Raw::from("127.0.0.62:0".parse().expect("valid"), at, "", "").await;
    other.socket.send(&ask.raw).await.expect("sent");
    assert!(timeout(Duration::from_secs(2), other.socket.recv(&mut buf)).await.is_ok(), "another source is answered");
}

#[tokio::test]
async fn an_allocation_relays_no_more_than_its_rate() {
    let server = TestServer::start_with(|config| config.turn.bytes_per_s = 10_000).await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let dropped = || server.counter("holdfast_relay_dropped_total{why=\"rate\"}");
    let mut raw = raw_of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    let peer = SocketAddr::new("8.8.8.8".parse().expect("valid"), 9_000);
    assert_eq!(raw.permit(&[peer]).await, 200);
    let before = dropped();
    for _ in 0..40 {
        raw.send_bytes(peer, &[0; 1_000]).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let over = dropped() - before;
    assert!((25..=30).contains(&over), "40 kB at 10 kB a second: {over} datagrams were dropped");
    assert!(server.counter("holdfast_relay_allocations") >= 1, "other tests of this process hold some too");
}

#[tokio::test]
async fn both_families_are_relayed_and_share_the_quota() {
    let server = TestServer::start_with(|config| {
        config.turn.quota = 3;
        config.turn.addr6 = Some("[::1]:0".parse().expect("valid"));
        config.turn.public_ip6 = Some("2606:4700::7".parse().expect("valid"));
    })
    .await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let relay = relay_of(&welcome);
    let (user, password) = (relay.username.clone().expect("a name"), relay.credential.clone().expect("a password"));
    let home6 = server.running.app.relay.embedded6().expect("it listens on IPv6");
    let mut old = raw_of_seat(&server, &welcome).await;
    let (code, at) = old.allocate_in(PROTO_UDP, None).await;
    assert_eq!((code, at.map(|at| at.is_ipv4())), (200, Some(true)), "nothing named is IPv4");
    let mut six = Raw::at(home6, &user, &password).await;
    let (code, at) = six.allocate_in(PROTO_UDP, Some(&REQUESTED_FAMILY_IPV6)).await;
    assert_eq!((code, at.map(|at| at.ip().to_string())), (200, Some("2606:4700::7".into())));
    let public = SocketAddr::new("2a00:1450::1111".parse().expect("valid"), 9_000);
    assert_eq!(six.permit(&[public]).await, 200);
    for ip in ["::1", "::ffff:127.0.0.1", "fd00::1", "fe80::1", "64:ff9b::7f00:1"] {
        let inside = SocketAddr::new(ip.parse().expect(ip), 9_000);
        assert_eq!(six.permit(&[inside]).await, 403, "{ip}");
    }
    let neighbour = SocketAddr::new("2606:4700::8".parse().expect("valid"), 9_000);
    assert_eq!(six.permit(&[neighbour]).await, 403, "what stands beside the relay");
    let own = SocketAddr::new("2606:4700::7".parse().expect("valid"), 22);
    assert_eq!(six.bind(0x4001, own).await, 403, "the relay's own computer, but for relayed ports");
    let mut mixed = Raw::at(home6, &user, &password).await;
    let (code, at) = mixed.allocate_in(PROTO_UDP, Some(&REQUESTED_FAMILY_IPV4)).await;
    assert_eq!((code, at.map(|at| at.is_ipv4())), (200, Some(true)), "reached over IPv6, seen on IPv4");
    let mut fourth = Raw::at(home6, &user, &password).await;
    assert_eq!(fourth.allocate(PROTO_UDP).await, 486, "the quota counts both");
    assert!(welcome.ice.iter().flat_map(|one| &one.urls).any(|url| url.contains(&home6.port().to_string())));
}

#[tokio::test]
async fn without_ipv6_it_is_refused_by_name() {
    let server = TestServer::start().await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let mut raw = raw_of_seat(&server, &welcome).await;
    assert_eq!(raw.allocate_in(PROTO_UDP, Some(&REQUESTED_FAMILY_IPV6)).await.0, 440);
}

#[tokio::test]
async fn stun_answers_and_noise_is_survived() {
    let server = TestServer::start().await;
    let (_ana, welcome) = server.join(&room("relay"), "Ana").await;
    let raw = raw_of_seat(&server, &welcome).await;
    for noise in [vec![], vec![0], vec![0xff; 1_400], vec![0x40, 0, 0xff, 0xff, 1], b"GET / HTTP/1.1\r\n\r\n".to_vec()]
    {
        raw.socket.send(&noise).await.expect("sent");
    }
    let (request, id) = {
        let mut binding = Message::new();
        binding.build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)]).expect("fits");
        (binding.raw.clone(), binding.transaction_id)
    };
    assert!(raw.ask(&request, id).await.is_some_and(|answer| code(&answer) == 200));
}
