//! The media paths: connects what both ends agreed on, disconnects and fails what is cut.

use crate::fake_pc::Connection;
use crate::world::{Client, World};
use holdfast::peer::RtcEvent;
use holdfast::session::Event;
use holdfast::{PcEpoch, PeerId};

impl World {
    /// Moves every media path: connects what is agreed, disconnects and fails what is cut.
    pub fn move_paths(&mut self) {
        let seats: Vec<Option<PeerId>> = self.clients.iter().map(Client::seat).collect();
        for a in 0..self.clients.len() {
            let Some(me) = seats[a] else { continue };
            let keys: Vec<(PeerId, PcEpoch)> = self.clients[a].pcs.keys().copied().collect();
            for (peer, epoch) in keys {
                let b = seats.iter().position(|seat| *seat == Some(peer));
                let reachable = b.is_some_and(|b| {
                    let theirs = self.clients[b].pcs.get(&(me, epoch));
                    let cut = self.cut.contains(&(a.min(b), a.max(b)));
                    !cut && theirs.is_some_and(|theirs| theirs.matches(&self.clients[a].pcs[&(peer, epoch)]))
                });
                self.move_path(a, me, peer, epoch, reachable);
            }
        }
    }

    fn move_path(&mut self, client: usize, me: PeerId, peer: PeerId, epoch: PcEpoch, reachable: bool) {
        let now = self.now;
        let quiet = self.quiet_since.entry((me, peer, epoch)).or_insert(now);
        if reachable {
            *quiet = now;
        }
        let quiet_ms = now.since(*quiet);
        let pc = self.clients[client].pcs.get_mut(&(peer, epoch)).expect("listed by the caller");
        let (next, event) = match (pc.connection, reachable) {
            (Connection::New | Connection::Disconnected | Connection::Failed, true) => {
                (Connection::Connected, RtcEvent::Connected)
            }
            (Connection::Connected, false) if quiet_ms > 2_500 => (Connection::Disconnected, RtcEvent::Disconnected),
            (Connection::Disconnected, false) if quiet_ms > 15_000 => (Connection::Failed, RtcEvent::Failed),
            _ => return,
        };
        pc.connection = next;
        let page = self.clients[client].page;
        self.post(client, page, Event::Rtc(peer, epoch, event));
    }
}
