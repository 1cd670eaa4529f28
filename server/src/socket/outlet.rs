//! What waits to be written to one socket: bounded, and closed with a code when the reader is too slow.

use axum::extract::ws::Utf8Bytes;
use holdfast::Limits;
use holdfast::wire::CloseCode;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::Notify;

/// The next thing to write.
#[derive(Debug, PartialEq, Eq)]
pub enum Out {
    /// A frame.
    Frame(Utf8Bytes),
    /// Close, with the code and the reason; nothing follows.
    Close(CloseCode, String),
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Utf8Bytes>,
    bytes: usize,
    close: Option<(CloseCode, String)>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Notify,
    empty: Notify,
}

/// Both ends of the queue share it; a clone is another handle on the same queue.
#[derive(Clone, Debug, Default)]
pub struct Outlet(Arc<Shared>);

impl Outlet {
    /// Queues a frame. Past the limit the queue is thrown away and the socket is closed as a slow reader: it may come
    /// back and resume, and what it missed is in the log.
    pub fn send(&self, frame: Utf8Bytes) {
        let mut queue = self.lock();
        if queue.close.is_some() {
            return;
        }
        if queue.frames.len() >= Limits::SEND_QUEUE || queue.bytes + frame.len() > Limits::SEND_QUEUE_BYTES {
            queue.frames = VecDeque::new();
            self.0.empty.notify_one();
            queue.close = Some((CloseCode::SlowReader, CloseCode::SlowReader.text().into()));
        } else {
            queue.bytes += frame.len();
            queue.frames.push_back(frame);
        }
        self.0.more.notify_one();
    }

    /// Queues a frame that may be dropped: past half of either limit it is, and false comes back.
    pub fn offer(&self, frame: Utf8Bytes) -> bool {
        let mut queue = self.lock();
        let fits =
            queue.frames.len() < Limits::SEND_QUEUE / 2 && queue.bytes + frame.len() <= Limits::SEND_QUEUE_BYTES / 2;
        if fits && queue.close.is_none() {
            queue.bytes += frame.len();
            queue.frames.push_back(frame);
            self.0.more.notify_one();
        }
        fits
    }

    /// Closes the socket once what was queued before is written. The first close counts.
    pub fn close(&self, code: CloseCode, reason: String) {
        self.lock().close.get_or_insert((code, reason));
        self.0.more.notify_one();
        self.0.empty.notify_one();
    }

    /// Waits until nothing waits to be written, or the socket is closed: whoever sends page after page goes at the
    /// reader's pace. One waiter at a time.
    pub async fn drained(&self) {
        loop {
            {
                let queue = self.lock();
                if queue.frames.is_empty() || queue.close.is_some() {
                    return;
                }
            }
            self.0.empty.notified().await;
        }
    }

    /// Waits for the next thing to write. May be dropped and called again without loss.
    pub async fn next(&self) -> Out {
        loop {
            if let Some(out) = self.take() {
                return out;
            }
            self.0.more.notified().await;
        }
    }

    fn take(&self) -> Option<Out> {
        let mut queue = self.lock();
        if let Some(frame) = queue.frames.pop_front() {
            queue.bytes -= frame.len();
            if queue.frames.is_empty() {
                queue.frames = VecDeque::new(); // An idle socket keeps no memory for its queue.
                self.0.empty.notify_one();
            }
            return Some(Out::Frame(frame));
        }
        queue.close.clone().map(|(code, reason)| Out::Close(code, reason))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.0.queue.lock().expect("no holder of this lock can panic")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_slow_reader_is_closed_and_its_queue_is_freed() {
        let outlet = Outlet::default();
        for _ in 0..Limits::SEND_QUEUE + 5 {
            outlet.send("x".into());
        }
        assert_eq!(outlet.next().await, Out::Close(CloseCode::SlowReader, "slow_reader".into()));
    }

    #[tokio::test]
    async fn what_may_be_dropped_is_dropped_long_before_the_reader_counts_as_slow() {
        let outlet = Outlet::default();
        let large = Utf8Bytes::from("x".repeat(Limits::FRAME_BYTES));
        let taken = (0..1_000).filter(|_| outlet.offer(large.clone())).count();
        assert_eq!(taken, Limits::SEND_QUEUE_BYTES / 2 / Limits::FRAME_BYTES);
        outlet.send("what must come".into());
        for _ in 0..taken {
            assert_eq!(outlet.next().await, Out::Frame(large.clone()));
        }
        assert_eq!(outlet.next().await, Out::Frame("what must come".into()));
        let taken = (0..1_000).filter(|_| outlet.offer("x".into())).count();
        assert_eq!(taken, Limits::SEND_QUEUE / 2);
    }

    #[tokio::test]
    async fn frames_go_before_the_close() {
        let outlet = Outlet::default();
        outlet.send("a".into());
        outlet.close(CloseCode::Restart, "restart retry=5".into());
        outlet.send("late".into());
        assert_eq!(outlet.next().await, Out::Frame("a".into()));
        assert_eq!(outlet.next().await, Out::Close(CloseCode::Restart, "restart retry=5".into()));
    }
}
