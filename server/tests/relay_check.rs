//! `check-relay` against the real coturn with the settings that are shipped.

mod support;

use server::relay_check::{Trouble, check};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::stores::free_port;

const SECRET: &str = "the-secret-of-this-test";

struct Coturn {
    child: std::process::Child,
    port: u16,
    _dir: tempfile::TempDir,
}

impl Drop for Coturn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// None, after a line that says so, where there is no coturn.
async fn coturn() -> Option<Coturn> {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let port = free_port();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/coturn.conf");
    let shipped = std::fs::read_to_string(shipped).expect("the shipped settings");
    let own: String = shipped
        .lines()
        .filter(|line| !line.starts_with("listening-port") && !line.starts_with("pidfile"))
        .map(|line| format!("{line}\n"))
        .collect();
    let pid = dir.path().join("pid");
    let text = format!(
        "{own}listening-port={port}\nlistening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nstatic-auth-secret={SECRET}\npidfile={}\n",
        pid.display()
    );
    let conf = dir.path().join("turnserver.conf");
    std::fs::write(&conf, text).expect("written");
    let started = Command::new("turnserver").arg("-c").arg(&conf).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let Ok(child) = started else {
        println!("no coturn here: this test did not run");
        return None;
    };
    let coturn = Coturn { child, port, _dir: dir };
    let until = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        assert!(Instant::now() < until, "coturn does not listen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Some(coturn)
}

#[tokio::test]
async fn a_relay_is_checked_each_way_and_what_is_wrong_is_named() {
    let Some(coturn) = coturn().await else { return };
    let at = |query: &str| format!("turn:127.0.0.1:{}?transport={query}", coturn.port);
    for way in ["udp", "tcp"] {
        let (relayed, took) = check(&at(way), SECRET).await.expect(way);
        assert!(relayed.ip().is_loopback() && took < Duration::from_secs(3), "{way}: {relayed} after {took:?}");
        assert_eq!(check(&at(way), "another-secret").await, Err(Trouble::Refused), "{way}");
    }
    let nobody = format!("turn:127.0.0.1:{}", free_port());
    let silent = check(&nobody, SECRET).await.expect_err("nobody is there");
    assert!(matches!(silent, Trouble::Silence | Trouble::Broken(_)), "{silent}");
    assert_eq!(check("turn:no-such-host.invalid", SECRET).await, Err(Trouble::Name));
    assert_eq!(check("http://relay.example", SECRET).await, Err(Trouble::Address));
    let broken = check(&format!("turns:127.0.0.1:{}", coturn.port), SECRET).await;
    assert!(matches!(broken, Err(Trouble::Broken(_) | Trouble::Silence)), "no TLS there: {broken:?}");
}
