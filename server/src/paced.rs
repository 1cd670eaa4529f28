//! A connection that waits only so long for its reader, and reads no faster than its budget.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a reader may keep us waiting before it takes something.
const PATIENCE: Duration = Duration::from_secs(10);
/// A reader that is slower than this in the long run uses the patience up. 32 kbit/s.
const SLOWEST_BYTES_PER_S: u32 = 4_096;
/// What a connection may send us at once: more than a page may have waiting after an outage.
const READ_BURST_BYTES: u32 = 16 * 1024 * 1024;
/// What it may send us in the long run. Frames cost time even if they carry nothing.
const READ_BYTES_PER_S: u32 = 1024 * 1024;

/// Says that a connection became a socket, whose slow readers have limits of their own.
#[derive(Clone, Debug, Default)]
pub struct Upgraded(Arc<AtomicBool>);

impl Upgraded {
    /// From now on the reader may be slow.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// How long the reader may still keep us waiting. Waiting uses it up; what is taken gives it back.
#[derive(Clone, Copy, Debug)]
struct Patience {
    left: Duration,
    waiting: Option<Instant>,
}

impl Patience {
    const fn new() -> Self {
        Self { left: PATIENCE, waiting: None }
    }

    /// Nothing can be written now. When that is too long.
    fn wait(&mut self, now: Instant) -> Instant {
        *self.waiting.get_or_insert(now) + self.left
    }

    /// The reader made room for so many bytes.
    fn took(&mut self, now: Instant, bytes: usize) {
        let waited = self.waiting.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        let gained = Duration::from_secs(1).mul_f64(bytes as f64 / f64::from(SLOWEST_BYTES_PER_S));
        self.left = (self.left.saturating_sub(waited) + gained).min(PATIENCE);
    }
}

/// How much may be read now. What was read ahead of the rate is waited for.
#[derive(Clone, Copy, Debug)]
struct Budget {
    /// When everything read so far would have come at the long-run rate.
    paid_until: Instant,
}

impl Budget {
    const BURST: Duration = Duration::from_secs((READ_BURST_BYTES / READ_BYTES_PER_S) as u64);

    const fn new(now: Instant) -> Self {
        Self { paid_until: now }
    }

    /// When the next byte may be read.
    fn next(&self, now: Instant) -> Instant {
        self.paid_until.checked_sub(Self::BURST).unwrap_or(now)
    }

    fn read(&mut self, now: Instant, bytes: usize) {
        let cost = Duration::from_secs(1).mul_f64(bytes as f64 / f64::from(READ_BYTES_PER_S));
        self.paid_until = self.paid_until.max(now) + cost;
    }
}

/// The connection.
#[derive(Debug)]
pub struct Paced<T> {
    io: T,
    patience: Patience,
    budget: Budget,
    /// Wakes a writer whose reader has used up our patience. Only while something waits.
    late: Option<Pin<Box<Sleep>>>,
    /// Wakes a reader that may read again.
    again: Option<Pin<Box<Sleep>>>,
    upgraded: Upgraded,
    give_up: fn(&T),
    /// Called once the connection is a socket; none after that.
    widen: Option<fn(&T)>,
}

impl<T> Paced<T> {
    /// Paces `io`. `give_up` is called before a slow reader's connection fails, so that the system keeps nothing for it;
    /// `widen` when it became a socket, whose reader may be slow.
    pub fn new(io: T, upgraded: Upgraded, give_up: fn(&T), widen: fn(&T)) -> Self {
        let budget = Budget::new(Instant::now());
        Self { io, patience: Patience::new(), budget, late: None, again: None, upgraded, give_up, widen: Some(widen) }
    }

    /// What a write came to: counted, or waited for as long as there is patience.
    fn written(&mut self, cx: &mut Context<'_>, done: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if self.widen.is_some() && self.upgraded.0.load(Ordering::Relaxed) {
            self.widen.take().into_iter().for_each(|widen| widen(&self.io));
        }
        match done {
            Poll::Ready(Ok(bytes)) => {
                self.late = None;
                self.patience.took(Instant::now(), bytes);
                Poll::Ready(Ok(bytes))
            }
            Poll::Pending if !self.upgraded.0.load(Ordering::Relaxed) => {
                let until = self.patience.wait(Instant::now());
                let late = self.late.get_or_insert_with(|| Box::pin(sleep_until(until)));
                ready!(late.as_mut().poll(cx));
                metrics::counter!("holdfast_slow_readers_total").increment(1);
                (self.give_up)(&self.io);
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending | Poll::Ready(Err(_)) => done,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Paced<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let (now, next) = (Instant::now(), this.budget.next(Instant::now()));
        if next > now {
            let again = this.again.get_or_insert_with(|| Box::pin(sleep_until(next)));
            ready!(again.as_mut().poll(cx));
        }
        this.again = None;
        let before = buf.filled().len();
        ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        this.budget.read(now, buf.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Paced<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write(cx, buf);
        self.written(cx, done)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let done = Pin::new(&mut self.io).poll_write_vectored(cx, bufs);
        self.written(cx, done)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{sleep, timeout};

    /// A paced end, its other end, and the switch.
    fn pair(buffer: usize) -> (Paced<DuplexStream>, DuplexStream, Upgraded) {
        let (ours, theirs) = duplex(buffer);
        let upgraded = Upgraded::default();
        (Paced::new(ours, upgraded.clone(), |_| (), |_| ()), theirs, upgraded)
    }

    /// Takes `bytes` once a second; how long the writer of a megabyte went on.
    async fn taken_at(bytes: usize) -> (io::Result<()>, Duration) {
        let (mut ours, mut theirs, _) = pair(4_096);
        let reader = tokio::spawn(async move {
            let mut buf = vec![0; bytes];
            while theirs.read_exact(&mut buf).await.is_ok() {
                sleep(Duration::from_secs(1)).await;
            }
            std::future::pending::<()>().await;
        });
        let started = Instant::now();
        let done = ours.write_all(&vec![0; 1_000_000]).await;
        reader.abort();
        (done, started.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_stands_still_or_drips_is_given_up_and_a_modest_one_is_served() {
        let (mut ours, _theirs, _) = pair(4_096);
        let started = Instant::now();
        let done = ours.write_all(&[0; 10_000]).await;
        assert_eq!(done.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
        assert!((9..12).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
        let (done, took) = taken_at(1_000).await;
        assert!(done.is_err() && took < Duration::from_secs(30), "a drip kept us for {took:?}");
        let (done, took) = taken_at(8_000).await;
        assert!(done.is_ok(), "8 kB a second failed after {took:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_socket_has_limits_of_its_own() {
        let (mut ours, _theirs, upgraded) = pair(4_096);
        upgraded.set();
        assert!(timeout(Duration::from_secs(60), ours.write_all(&[0; 10_000])).await.is_err(), "it waits");
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_read_at_once_and_a_flood_at_its_rate() {
        let (mut ours, mut theirs, _) = pair(65_536);
        let flood = tokio::spawn(async move { while theirs.write_all(&[0; 65_536]).await.is_ok() {} });
        let (mut buf, mut read) = (vec![0; 65_536], 0);
        let mut read_for = async |time| {
            let end = Instant::now() + time;
            while let Ok(Ok(n)) = tokio::time::timeout_at(end, ours.read(&mut buf)).await {
                read += n;
                if Instant::now() >= end {
                    break;
                }
            }
            read
        };
        let burst = read_for(Duration::from_millis(1)).await;
        let later = read_for(Duration::from_secs(20)).await - burst;
        flood.abort();
        assert!((16_700_000..17_000_000).contains(&burst), "{burst}");
        assert!((20_000_000..22_000_000).contains(&later), "{later} in 20 s");
    }
}
