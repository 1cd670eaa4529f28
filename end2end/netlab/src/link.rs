//! One direction of a link: delay, jitter, rate, queue, loss in bursts, reorder. Pure: the same seed does the same.

use holdfast::rng::Rng;
use serde::{Deserialize, Serialize};

/// What a direction does to packets.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Shape {
    /// How long every packet takes, in milliseconds.
    pub delay_ms: f64,
    /// Up to how much longer some take.
    pub jitter_ms: f64,
    /// Kilobits a second; 0 for no limit.
    pub rate_kbps: f64,
    /// What would have to wait longer than this for its turn is dropped.
    pub queue_ms: f64,
    /// Share of packets lost, in percent.
    pub loss_percent: f64,
    /// Packets lost in a row on average (Gilbert-Elliott with a bad state that loses everything).
    pub burst: f64,
    /// Share of packets that overtake others, in percent.
    pub reorder_percent: f64,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            delay_ms: 0.0,
            jitter_ms: 0.0,
            rate_kbps: 0.0,
            queue_ms: 300.0,
            loss_percent: 0.0,
            burst: 1.0,
            reorder_percent: 0.0,
        }
    }
}

/// What happened to packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Arrived or on their way.
    pub passed: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Dropped because the queue was full.
    pub queued_out: u64,
}

/// The state of one direction. Times are microseconds since the lab began.
#[derive(Clone, Debug)]
pub struct Link {
    shape: Shape,
    rng: Rng,
    bad: bool,
    free_at: u64,
    last_due: u64,
    /// Counted since it was made.
    pub counts: Counts,
}

impl Link {
    /// A direction that does nothing yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            shape: Shape::default(),
            rng: Rng::new(seed),
            bad: false,
            free_at: 0,
            last_due: 0,
            counts: Counts::default(),
        }
    }

    /// From now on like this.
    pub const fn set(&mut self, shape: Shape) {
        self.shape = shape;
    }

    fn chance(&mut self, share: f64) -> bool {
        share > 0.0 && (self.rng.below(1_000_000) as f64) < share * 1_000_000.0
    }

    fn loses(&mut self) -> bool {
        let loss = (self.shape.loss_percent / 100.0).clamp(0.0, 1.0);
        if loss >= 1.0 {
            return true;
        }
        let leave = 1.0 / self.shape.burst.max(1.0);
        let enter = (loss * leave / (1.0 - loss)).min(1.0);
        self.bad = if self.bad { !self.chance(leave) } else { self.chance(enter) };
        self.bad
    }

    /// When a packet of this size that came now goes out at the other end; none if it is lost.
    pub fn push(&mut self, now: u64, bytes: usize) -> Option<u64> {
        if self.loses() {
            self.counts.lost += 1;
            return None;
        }
        let mut out = now;
        if self.shape.rate_kbps > 0.0 {
            let start = self.free_at.max(now);
            if (start - now) as f64 > self.shape.queue_ms * 1_000.0 {
                self.counts.queued_out += 1;
                return None;
            }
            self.free_at = start + (bytes as f64 * 8_000.0 / self.shape.rate_kbps) as u64;
            out = self.free_at;
        }
        let jitter = (self.shape.jitter_ms * 1_000.0) as u64;
        let mut due = out + (self.shape.delay_ms * 1_000.0) as u64 + self.rng.below(jitter + 1);
        if !self.chance(self.shape.reorder_percent / 100.0) {
            due = due.max(self.last_due);
            self.last_due = due;
        }
        self.counts.passed += 1;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(shape: Shape, packets: u64, every_us: u64) -> (Vec<u64>, Counts) {
        let mut link = Link::new(7);
        link.set(shape);
        let due = (0..packets).filter_map(|n| link.push(n * every_us, 1_000)).collect();
        (due, link.counts)
    }

    #[test]
    fn loss_is_as_asked_and_comes_in_bursts() {
        let (_, single) = run(Shape { loss_percent: 10.0, ..Shape::default() }, 100_000, 100);
        assert!((9_300..10_700).contains(&single.lost), "{single:?}");
        let mut link = Link::new(3);
        link.set(Shape { loss_percent: 10.0, burst: 5.0, ..Shape::default() });
        let lost: Vec<bool> = (0..100_000).map(|n| link.push(n, 100).is_none()).collect();
        let runs = lost.windows(2).filter(|pair| !pair[0] && pair[1]).count();
        let all = lost.iter().filter(|lost| **lost).count();
        assert!((8_500..11_500).contains(&all), "{all}");
        assert!((4.0..6.0).contains(&(all as f64 / runs as f64)), "{all} in {runs} bursts");
    }

    #[test]
    fn a_rate_is_kept_and_a_full_queue_drops() {
        let (due, counts) = run(Shape { rate_kbps: 800.0, queue_ms: 50.0, ..Shape::default() }, 1_000, 1_000);
        assert_eq!(counts.passed + counts.queued_out, 1_000);
        let took_s = *due.last().expect("some") as f64 / 1e6;
        let kbps = counts.passed as f64 * 8.0 / took_s;
        assert!((760.0..840.0).contains(&kbps), "{kbps}");
    }

    #[test]
    fn order_is_kept_unless_reorder_is_asked_for() {
        let shape = Shape { delay_ms: 20.0, jitter_ms: 30.0, ..Shape::default() };
        let (due, _) = run(shape, 1_000, 1_000);
        assert!(due.is_sorted() && due[0] >= 20_000);
        let (due, _) = run(Shape { reorder_percent: 20.0, ..shape }, 1_000, 1_000);
        assert!(!due.is_sorted());
    }

    #[test]
    fn the_same_seed_does_the_same() {
        let shape = Shape { delay_ms: 5.0, jitter_ms: 9.0, loss_percent: 20.0, ..Shape::default() };
        assert_eq!(run(shape, 500, 700), run(shape, 500, 700));
    }
}
