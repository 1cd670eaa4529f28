//! A tiny TCP balancer: each connection goes to the next server that takes it.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::timeout;

const CONNECT_WITHIN: Duration = Duration::from_millis(500);

/// Passes connections on until the process ends. Where no server answers, the connection is closed; on SIGUSR1 every
/// one is reset.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn run(listen: SocketAddr, servers: Vec<SocketAddr>) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let (reset, resets) = watch::channel(0_u64);
    let mut asked = signal(SignalKind::user_defined1())?;
    tokio::spawn(async move {
        while asked.recv().await.is_some() {
            reset.send_modify(|n| *n += 1);
        }
    });
    println!("balancing");
    let mut turn = 0_usize;
    loop {
        let (mut client, _) = listener.accept().await?;
        let mut resets = resets.clone();
        resets.mark_unchanged();
        turn = turn.wrapping_add(1);
        let order: Vec<SocketAddr> = (0..servers.len()).map(|n| servers[(turn + n) % servers.len()]).collect();
        tokio::spawn(async move {
            for server in order {
                if let Ok(Ok(mut server)) = timeout(CONNECT_WITHIN, TcpStream::connect(server)).await {
                    let _ = server.set_nodelay(true);
                    let _ = client.set_nodelay(true);
                    tokio::select! {
                        _ = copy_bidirectional(&mut client, &mut server) => {}
                        _ = resets.changed() => {
                            #[expect(deprecated, reason = "a zero linger closes at once, it does not block")]
                            let _ = (client.set_linger(Some(Duration::ZERO)), server.set_linger(Some(Duration::ZERO)));
                        }
                    }
                    return;
                }
            }
        });
    }
}
