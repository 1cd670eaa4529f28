//! The browser of a simulated page: runs effects and answers with events after a while.

use crate::fake_pc::FakePc;
use crate::world::Due;
use crate::world::World;
use holdfast::peer::RtcEvent;
use holdfast::session::{Effect, Entrance, Event, MediaEvent, Opener};
use holdfast::view::MediaKind;
use holdfast::wire::Candidate;
use holdfast::{PcEpoch, PeerId};

impl World {
    pub fn run_effect(&mut self, client: usize, effect: Effect) {
        match effect {
            Effect::Recall(room, name, join) => {
                let keepsake = self.clients[client].keepsake.clone();
                // As the real one: in the order of writing, whichever write was done first.
                let mut unsent = self.clients[client].disk.clone();
                unsent.sort_by_key(|one| self.clients[client].order.iter().position(|id| *id == one.id));
                let entrance = Entrance {
                    name,
                    join,
                    opener: Opener::Own,
                    returned: false,
                    reloaded_at: None,
                    keepsake,
                    unsent,
                    debug: true,
                    plain: false,
                    barred: None,
                };
                self.later(client, 1, Event::Entered(room, entrance));
            }
            Effect::KeepChat(_, unsent) => {
                let id = unsent.id;
                if !self.clients[client].disk_broken {
                    let ms = 1 + self.rng.below(20);
                    let page = self.clients[client].page;
                    self.schedule(ms, Due::WrittenDown(client, page, unsent));
                } else if self.rng.one_in(2) {
                    self.later(client, 1, Event::Kept(id)); // Cannot, and says so; or says nothing.
                }
            }
            Effect::DropChat(id) => self.clients[client].disk.retain(|unsent| unsent.id != id),
            Effect::OpenSocket(epoch) => self.open_socket(client, epoch),
            Effect::SendText(epoch, text) => {
                if let Some(conn) = self.socket_of(client, epoch) {
                    self.send_to_server(conn, &text);
                }
            }
            Effect::CloseSocket(epoch) => {
                if let Some(conn) = self.socket_of(client, epoch) {
                    self.sockets.get_mut(&conn).expect("just found").alive = false;
                    self.schedule(20, Due::ServerLost(conn));
                }
            }
            Effect::OpenPc(peer, epoch, _, route) => {
                let label = format!("c{client}p{}e{epoch}", self.clients[client].page);
                let picture = !self.clients[client].blind.contains(&peer);
                let known = self.clients[client].pcs.insert((peer, epoch), FakePc::new(label, route, picture));
                assert!(known.is_none(), "epoch {epoch} was opened twice");
            }
            Effect::ClosePc(peer, epoch) => {
                assert!(self.clients[client].pcs.remove(&(peer, epoch)).is_some(), "closed what was not open");
            }
            Effect::CreateOffer(peer, epoch, restart) => {
                self.restarts += usize::from(restart);
                let sdp = self.pc(client, peer, epoch).create_offer(restart).expect("state rules are kept");
                self.browser_done(client, peer, epoch, RtcEvent::OfferReady(sdp), true);
            }
            Effect::ApplyOffer(peer, epoch, sdp) => {
                let answer = self.pc(client, peer, epoch).apply_offer(&sdp).expect("state rules are kept");
                self.browser_done(client, peer, epoch, RtcEvent::AnswerReady(answer), true);
            }
            Effect::ApplyAnswer(peer, epoch, sdp) => {
                self.pc(client, peer, epoch).apply_answer(&sdp).expect("state rules are kept");
                self.browser_done(client, peer, epoch, RtcEvent::AnswerApplied, false);
            }
            Effect::AddCandidate(peer, epoch, _) => {
                self.pc(client, peer, epoch).add_candidate().expect("candidates wait for a description");
            }
            Effect::Capture(capture) => {
                for (kind, wanted) in [(MediaKind::Audio, capture.audio), (MediaKind::Video, capture.video)] {
                    if wanted.is_some() {
                        let ms = self.rng.below(200);
                        self.later(client, ms, Event::Media(MediaEvent::Started(kind, "fake".into())));
                    }
                }
            }
            Effect::SaveSeat(_, keepsake) => self.clients[client].keepsake = Some(keepsake),
            Effect::ForgetSeat(_) => self.clients[client].keepsake = None,
            Effect::Configure(peer, epoch, _, route) => self.pc(client, peer, epoch).route = route,
            Effect::SetPicture(peer, epoch, on) => {
                let blind = &mut self.clients[client].blind;
                if on {
                    blind.remove(&peer)
                } else {
                    blind.insert(peer)
                };
                if let Some(pc) = self.clients[client].pcs.get_mut(&(peer, epoch)) {
                    pc.picture = on;
                }
            }
            Effect::SendPeer(peer, epoch, text) => {
                let ms = 1 + self.rng.below(40);
                assert!(self.pc(client, peer, epoch).channel, "sent on a channel that is not open");
                if let Some(me) = self.clients[client].last_seat {
                    self.schedule(ms, Due::OnChannel(client, me, peer, epoch, text));
                }
            }
            Effect::CloseChannel(..) => panic!("a page that keeps to the limits is taken for one that does not"),
            Effect::Release(kind) => *self.clients[client].tracks.running(kind) = false,
            Effect::Unmute => self.clients[client].tracks.muted = false,
            Effect::Mute => self.clients[client].tracks.muted = true,
            Effect::Cover(covered) => self.clients[client].tracks.covered = covered,
            Effect::Refresh(..)
            | Effect::Prepare
            | Effect::Try(..)
            | Effect::SetSpeaker(_)
            | Effect::Attach(_)
            | Effect::SaveName(_)
            | Effect::CopyText(_)
            | Effect::CopyLink(_)
            | Effect::TidyAddress(_)
            | Effect::Reload => {}
        }
    }

    fn pc(&mut self, client: usize, peer: PeerId, epoch: PcEpoch) -> &mut FakePc {
        self.clients[client].pcs.get_mut(&(peer, epoch)).expect("an operation on a connection that is open")
    }

    fn browser_done(&mut self, client: usize, peer: PeerId, epoch: PcEpoch, event: RtcEvent, gathers: bool) {
        let ms = 1 + self.rng.below(30);
        self.later(client, ms, Event::Rtc(peer, epoch, event));
        if gathers {
            for n in 0..2 {
                let relay = n == 1 && self.relays_answer && !self.cut_off.contains(&client);
                let kind = if relay { "relay" } else { "host" };
                let candidate = Candidate::new(format!("candidate:{n} typ {kind}"), "0".into(), 0).expect("short");
                let at = ms + self.rng.below(100);
                self.later(client, at, Event::Rtc(peer, epoch, RtcEvent::LocalCandidate(candidate)));
            }
        }
    }
}
