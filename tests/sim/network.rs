//! The network between a page and the server: sockets that delay, lose, double, reorder and break.

use holdfast::rng::Rng;
use holdfast::{ConnId, Millis, SocketEpoch};

/// How bad the network is.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// Longest delay of a message, in milliseconds.
    pub delay_ms: u64,
    /// One message in this many is lost; 0 for none.
    pub loss_one_in: u64,
    /// One message in this many arrives twice; 0 for none.
    pub double_one_in: u64,
    /// One message in this many overtakes those before it; 0 for none.
    pub reorder_one_in: u64,
}

impl Weather {
    pub const FAIR: Self = Self { delay_ms: 30, loss_one_in: 0, double_one_in: 0, reorder_one_in: 0 };

    /// When each copy of a message sent now arrives, given when the one before it does.
    pub fn arrivals(&self, rng: &mut Rng, now: Millis, before: Millis) -> Vec<Millis> {
        if rng.one_in(self.loss_one_in) {
            return vec![];
        }
        let at = now.plus(1 + rng.below(self.delay_ms));
        let at = if rng.one_in(self.reorder_one_in) { at } else { at.max(before) };
        if rng.one_in(self.double_one_in) { vec![at, at.plus(rng.below(50))] } else { vec![at] }
    }
}

/// One WebSocket.
#[derive(Clone, Copy, Debug)]
pub struct Socket {
    pub client: usize,
    /// Which page of that client: a reloaded page has nothing to do with the sockets of the old one.
    pub page: u64,
    pub epoch: SocketEpoch,
    /// The server node it goes to.
    pub node: usize,
    pub conn: ConnId,
    pub to_server: Millis,
    pub to_client: Millis,
    pub alive: bool,
}
