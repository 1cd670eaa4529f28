//! A TCP proxy that breaks on command: hang, reset, delay, cut after so many bytes, or drop replies after the command
//! behind them was carried out.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does to what passes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Bytes are taken and go nowhere; connections open and stay open.
    Hang,
    /// Every connection is reset, and every new one.
    Reset,
    /// Every chunk waits this long.
    Delay(Duration),
    /// Each connection is reset once this many bytes came back from the server.
    CutAfter(u64),
    /// One reply in this many is thrown away, and its connection with it: the command was carried out, nobody knows.
    DropReplies(u64),
    /// One chunk from the server in this many that contains this text is thrown away; the connection goes on.
    Eat {
        /// One in how many.
        one_in: u64,
        /// The text.
        containing: &'static str,
    },
}

/// A proxy in front of one server.
pub struct Proxy {
    /// Where to connect instead of to the server.
    pub addr: SocketAddr,
    fault: watch::Sender<Fault>,
    hits: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Starts one on a free port of loopback.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(server: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?;
        let (fault, faults) = watch::channel(Fault::None);
        let hits = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&hits);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (faults, hits) = (faults.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    let _ = carry(client, server, faults, hits).await;
                });
            }
        });
        Ok(Self { addr, fault, hits, task })
    }

    /// Changes what it does, for open connections too.
    pub fn set(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }

    /// How often it did harm: a test whose fault never struck shows nothing.
    #[must_use]
    pub fn hits(&self) -> u64 {
        self.hits.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(
    client: TcpStream,
    server: SocketAddr,
    faults: watch::Receiver<Fault>,
    hits: Arc<AtomicU64>,
) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    // Reset, not closed: what a broken network looks like.
    #[expect(deprecated, reason = "a zero linger closes at once, it does not block")]
    client.set_linger(Some(Duration::ZERO))?;
    if *faults.borrow() == Fault::Reset {
        hits.fetch_add(1, Ordering::SeqCst);
        return Ok(());
    }
    let server = TcpStream::connect(server).await?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let mut reset = faults.clone();
    tokio::select! {
        done = pump(from_client, to_server, faults.clone(), Arc::clone(&hits), false) => done,
        done = pump(from_server, to_client, faults, Arc::clone(&hits), true) => done,
        _ = reset.wait_for(|fault| *fault == Fault::Reset) => {
            hits.fetch_add(1, Ordering::SeqCst);
            Ok(())
        }
    }
}

async fn pump(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Fault>,
    hits: Arc<AtomicU64>,
    is_reply: bool,
) -> std::io::Result<()> {
    let mut chunk = vec![0; 64 * 1024];
    let mut passed = 0;
    loop {
        let n = from.read(&mut chunk).await?;
        if n == 0 {
            return Ok(());
        }
        let fault = faults.borrow_and_update().clone();
        let harm = || hits.fetch_add(1, Ordering::SeqCst);
        match fault {
            Fault::None => {}
            Fault::Hang => {
                harm();
                // Held back, not lost: a network that hangs delivers when it goes on.
                let _ = faults.wait_for(|fault| *fault != Fault::Hang).await;
            }
            Fault::Reset => return Ok(()),
            Fault::Delay(time) => {
                harm();
                tokio::time::sleep(time).await;
            }
            Fault::CutAfter(bytes) if is_reply => {
                passed += n as u64;
                if passed > bytes {
                    harm();
                    return Ok(());
                }
            }
            Fault::DropReplies(one_in) if is_reply && rand::random_range(0..one_in) == 0 => {
                harm();
                return Ok(());
            }
            Fault::Eat { one_in, containing } if is_reply => {
                let found = chunk[..n].windows(containing.len()).any(|window| window == containing.as_bytes());
                if found && rand::random_range(0..one_in) == 0 {
                    harm();
                    continue;
                }
            }
            Fault::CutAfter(_) | Fault::DropReplies(_) | Fault::Eat { .. } => {}
        }
        to.write_all(&chunk[..n]).await?;
    }
}
