//! The real coturn with the settings that are shipped: whom it serves, whom it never reaches, and `check-relay` on it.

mod support;

use holdfast::{PeerId, RoomId};
use server::relay_check::{Trouble, check, public_roots};
use server::turn::Credentials;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};
use stun::agent::TransactionId;
use stun::message::{BINDING_REQUEST, Message};
use support::TestServer;
use support::raw::{Raw, SPECIAL};
use support::stores::free_port;
use tokio_rustls::rustls::RootCertStore;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use turn::proto::{PROTO_TCP, PROTO_UDP};

/// Relayed addresses of each coturn are its own, and none that sockets of this machine are given: where one is taken, coturn
/// gives up with 437.
static RELAYED: AtomicU16 = AtomicU16::new(61_000);
/// As many as are shipped.
const RELAYED_PORTS: u16 = 200;
const SECRET: &str = "the-secret-of-this-test";

struct Coturn {
    child: std::process::Child,
    port: u16,
    tls_port: u16,
    /// Whoever trusts these trusts its certificate.
    roots: RootCertStore,
    _dir: tempfile::TempDir,
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// It takes connections a moment before it takes datagrams.
async fn answers_over_udp(port: u16) -> bool {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let mut ask = Message::new();
    ask.build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)]).expect("fits");
    let mut answer = [0; 512];
    socket.connect(("127.0.0.1", port)).await.is_ok()
        && socket.send(&ask.raw).await.is_ok()
        && tokio::time::timeout(Duration::from_millis(300), socket.recv(&mut answer)).await.is_ok_and(|got| got.is_ok())
}

impl Coturn {
    /// None, after a line that says so, where there is no coturn.
    async fn start() -> Option<Self> {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (port, tls_port) = (free_port(), free_port());
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/coturn.conf");
        let shipped = std::fs::read_to_string(shipped).expect("the shipped settings");
        // Only what names this machine is another: ports, addresses, files.
        let ours = ["listening-port", "tls-listening-port", "min-port", "max-port", "pidfile", "cert=", "pkey="];
        let own: Vec<&str> = shipped.lines().filter(|line| !ours.iter().any(|name| line.starts_with(name))).collect();
        assert_eq!(own.len() + ours.len(), shipped.lines().count(), "each of these is set once in what is shipped");
        let (pem, pid) = (dir.path().join("relay.pem"), dir.path().join("pid"));
        let roots = certificate(&pem);
        let first = RELAYED.fetch_add(RELAYED_PORTS, Ordering::Relaxed);
        let last = first + RELAYED_PORTS - 1;
        let text = format!(
            "{}\nmin-port={first}\nmax-port={last}\nlistening-port={port}\ntls-listening-port={tls_port}\nlistening-ip=127.0.0.1\nrelay-ip=127.0.0.1\n\
             static-auth-secret={SECRET}\ncert={}\npkey={}\npidfile={}\n",
            own.join("\n"),
            pem.display(),
            pem.display(),
            pid.display()
        );
        let conf = dir.path().join("turnserver.conf");
        std::fs::write(&conf, text).expect("written");
        let started =
            Command::new("turnserver").arg("-c").arg(&conf).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let Ok(child) = started else {
            println!("no coturn here: this test did not run");
            return None;
        };
        let coturn = Self { child, port, tls_port, roots, _dir: dir };
        for port in [port, tls_port] {
            let until = Instant::now() + Duration::from_secs(10);
            while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err()
                || !answers_over_udp(coturn.port).await
            {
                assert!(Instant::now() < until, "coturn does not listen on {port}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Some(coturn)
    }

    async fn raw(&self, user: &str, password: &str) -> Raw {
        Raw::at(SocketAddr::from(([127, 0, 0, 1], self.port)), user, password).await
    }
}

/// Makes a certificate for localhost with its key in one file.
fn certificate(pem: &Path) -> RootCertStore {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-out")
        .arg(pem)
        .arg("-keyout")
        .arg(pem.with_extension("key"))
        .output()
        .expect("openssl is there where coturn is");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(pem).expect("a certificate")).expect("a good one");
    let both =
        [pem.with_extension("key"), pem.to_owned()].map(|file| std::fs::read_to_string(file).expect("just made"));
    std::fs::write(pem, both.concat()).expect("written");
    roots
}

/// A user name as the servers make it, good for `seconds`, and its password.
fn seat(seconds: i64) -> (String, String) {
    let now_s = i64::try_from(server::clock::now().as_unix() / 1_000).expect("this century");
    let room: RoomId = "coturn-test".parse().expect("valid");
    let user = format!("{}:{room}:{}", now_s + seconds, PeerId::from_bits(rand::random()));
    let password = Credentials::new(SECRET.as_bytes().to_vec(), String::new()).password(&user);
    (user, password)
}

/// G5: whom the shipped settings let a relay talk to.
#[tokio::test]
async fn the_shipped_coturn_permits_no_special_purpose_address() {
    let Some(coturn) = Coturn::start().await else { return };
    let (user, password) = seat(300);
    let mut raw = coturn.raw(&user, &password).await;
    assert_eq!(raw.allocate(PROTO_UDP).await, 200);
    let at = |ip: &str| SocketAddr::new(ip.parse().expect(ip), 9_000);
    assert!(SPECIAL.len() >= 32);
    let mut refused = 0;
    for (n, ip) in SPECIAL.iter().enumerate() {
        let permission = raw.permit(&[at(ip)]).await;
        // 443: an IPv4 allocation has no IPv6 peers at all.
        assert!([403, 443].contains(&permission), "permission for {ip}: {permission}");
        let channel = raw.bind(0x4100 + u16::try_from(n).expect("few"), at(ip)).await;
        assert!([403, 443].contains(&channel), "channel to {ip}: {channel}");
        let behind = raw.permit(&[at("8.8.8.8"), at(ip)]).await;
        assert!([403, 443].contains(&behind), "{ip} behind a public one: {behind}");
        refused += 3;
    }
    println!("G5: {refused} of {refused} refused");
    assert_eq!(raw.permit(&[at("8.8.8.8")]).await, 200, "the canary: a public peer is permitted");
    assert_eq!(raw.bind(0x4000, at("1.1.1.1")).await, 200);
    let mut proxy = coturn.raw(&user, &password).await;
    assert_ne!(proxy.allocate(PROTO_TCP).await, 200, "relayed TCP would be a proxy to web servers");
}

/// G6: credentials and quota.
#[tokio::test]
async fn the_shipped_coturn_takes_current_credentials_and_keeps_its_quota() {
    let Some(coturn) = Coturn::start().await else { return };
    let (user, password) = seat(300);
    let (expired, its_password) = seat(-10); // Coturn's own clock moves once a second.
    for (user, password, what) in [
        (user.as_str(), "guessed", "a guessed password"),
        (expired.as_str(), its_password.as_str(), "an expired name"),
        ("9999999999:coturn-test:0000000000000001", password.as_str(), "somebody else's password"),
    ] {
        assert_eq!(coturn.raw(user, password).await.allocate(PROTO_UDP).await, 401, "{what}");
    }
    let mut held = vec![];
    for n in 0..33 {
        let mut raw = coturn.raw(&user, &password).await;
        assert_eq!(raw.allocate(PROTO_UDP).await, if n < 32 { 200 } else { 486 }, "allocation {n}");
        held.push(raw);
    }
}

/// Whoever only tries the relay shares one quota, so that a relay for calls is left.
#[tokio::test]
async fn all_checks_together_leave_the_shipped_coturn_to_the_calls() {
    let Some(coturn) = Coturn::start().await else { return };
    let server = TestServer::start_with(|config| {
        config.turn.embedded = false;
        config.turn.urls = vec![format!("turn:127.0.0.1:{}?transport=udp", coturn.port)];
        config.turn.secret = SECRET.into();
    })
    .await;
    let mut held = vec![];
    let mut got = 0;
    for _ in 0..40 {
        // Each check brings a credential of its own.
        let ice = server.running.app.relay.servers_to_try("");
        let part = |text: &Option<String>| text.clone().expect("a credential");
        let mut raw = coturn.raw(&part(&ice[0].username), &part(&ice[0].credential)).await;
        got += usize::from(raw.allocate(PROTO_UDP).await == 200);
        held.push(raw);
    }
    assert_eq!(got, 32);
    let (user, password) = seat(300);
    assert_eq!(coturn.raw(&user, &password).await.allocate(PROTO_UDP).await, 200, "a call is not concerned");
}

#[tokio::test]
async fn a_relay_is_checked_each_way_and_what_is_wrong_is_named() {
    let Some(coturn) = Coturn::start().await else { return };
    let roots = &coturn.roots;
    let ways = [
        format!("turn:127.0.0.1:{}?transport=udp", coturn.port),
        format!("turn:127.0.0.1:{}?transport=tcp", coturn.port),
        format!("turns:localhost:{}", coturn.tls_port),
    ];
    for way in &ways {
        let (relayed, took) = check(way, SECRET, roots).await.expect(way);
        assert!(relayed.ip().is_loopback() && took < Duration::from_secs(3), "{way}: {relayed} after {took:?}");
        assert_eq!(check(way, "another-secret", roots).await, Err(Trouble::Refused), "{way}");
    }
    let nobody = format!("turn:127.0.0.1:{}", free_port());
    let silent = check(&nobody, SECRET, roots).await.expect_err("nobody is there");
    assert!(matches!(silent, Trouble::Silence | Trouble::Broken(_)), "{silent}");
    assert_eq!(check("turn:no-such-host.invalid", SECRET, roots).await, Err(Trouble::Name));
    assert_eq!(check("http://relay.example", SECRET, roots).await, Err(Trouble::Address));
    let plain = check(&format!("turns:127.0.0.1:{}", coturn.port), SECRET, roots).await;
    assert!(matches!(plain, Err(Trouble::Broken(_) | Trouble::Silence)), "no TLS there: {plain:?}");
    let stranger = check(&ways[2], SECRET, &public_roots()).await;
    assert!(matches!(stranger, Err(Trouble::Broken(_))), "a certificate nobody knows: {stranger:?}");
}
