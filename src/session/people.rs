//! The other people: who is here, how their connection is, who speaks.

use super::channel::Channel;
use super::chat::Said;
use super::pictures::Pictures;
use super::{Effect, Session};
use crate::id::{Offset, PcEpoch, PeerId, RoomId};
use crate::inbox::Arrival;
use crate::limits::Limits;
use crate::link::LinkEvent;
use crate::order::put;
use crate::peer::{Path, Peer, PeerEffect, RelayReach, RtcEvent};
use crate::recovery::RecoveryEvent;
use crate::speech::Speech;
use crate::time::Millis;
use crate::view::{MediaPath, Phase, TileView};
use crate::wire::{ClientMsg, Entry, LeaveReason, MediaState, Name, PeerMsg, Seat, Signal};

/// Somebody else in the room.
#[derive(Debug)]
pub(super) struct Person {
    pub(super) name: Name,
    pub(super) number: usize,
    pub(super) media: MediaState,
    pub(super) here: bool,
    pub(super) joined: Offset,
    pub(super) voice: Speech,
    pub(super) peer: Peer,
    pub(super) channel: Channel,
    pub(super) pictures: Pictures,
    /// They told us that they left; the log does not know it yet.
    pub(super) gone: bool,
}

impl Person {
    pub(super) fn next_deadline(&self, now: Millis) -> Option<Millis> {
        // While something is wrong the seconds are counted.
        let recovery = self.peer.recovery();
        let count = recovery.wrong_since().or_else(|| recovery.blind_since(now));
        let count = count.map(|since| now.plus(1_000 - now.since(since) % 1_000));
        let switch = self.pictures.waits().then(|| now.plus(1_000 / u64::from(Limits::WANTS_PER_S)));
        self.peer.next_deadline().into_iter().chain(count).chain(switch).min()
    }

    /// What keeps a relay from carrying what found no direct way.
    fn no_way(&self, now: Millis) -> Option<RelayReach> {
        let tried = self.here && !self.gone && self.peer.recovery().has_tried(now);
        tried.then(|| self.peer.relay_reach(now)).filter(|reach| *reach != RelayReach::Open)
    }

    fn media_path(&self) -> MediaPath {
        match (self.peer.path(), self.here) {
            (Path::Connected, _) if !self.pictures.sent || !self.peer.recovery().sends_picture() => MediaPath::Audio,
            (Path::Connected, _) => MediaPath::Live,
            (Path::Awaiting | Path::Connecting | Path::Troubled, true) => MediaPath::Recovering,
            (Path::Awaiting | Path::Connecting | Path::Troubled, false) => MediaPath::Lost,
        }
    }
}

impl Session {
    /// Takes over the roster of a `welcome`: keeps connections that still count, calls everyone else.
    pub(super) fn meet(&mut self, now: Millis, base: Millis, roster: Vec<Seat>) -> Vec<Effect> {
        let mut effects = vec![];
        // A place in another life of the log is a new place of the same stay: the log began anew while our link was down.
        let stays =
            |seat: &Seat, person: &Person| seat.joined == person.joined || seat.joined.epoch != person.joined.epoch;
        let gone = |id: &PeerId, person: &Person| !roster.iter().any(|s| s.peer == *id && stays(s, person));
        let lost: Vec<PeerId> = self.people.iter().filter(|(id, p)| gone(id, p)).map(|(id, _)| *id).collect();
        for peer in lost {
            effects.extend(self.part(peer));
        }
        for seat in roster {
            let peer = seat.peer;
            if let Some(person) = self.people.get_mut(&peer) {
                (person.media, person.here, person.joined) = (seat.media, seat.here, seat.joined);
                person.gone &= !seat.here;
                effects.extend(self.expect(now, peer));
            } else if self.add(now, base, seat) {
                let calls = self.people.get_mut(&peer).map(|person| person.peer.call(now)).unwrap_or_default();
                effects.extend(self.run_peer(peer, calls));
            }
        }
        effects
    }

    /// Adds somebody without calling them; false for our own seat and past the room's size.
    fn add(&mut self, now: Millis, base: Millis, seat: Seat) -> bool {
        let Some(me) = self.seat.as_ref().map(|own| own.peer) else { return false };
        if seat.peer == me || self.people.len() + 1 >= Limits::SEATS {
            return false;
        }
        let mut peer = Peer::new(now, me, seat.peer, base);
        if self.plain {
            peer.be_plain();
        }
        if self.room.as_ref().is_some_and(RoomId::hides_addresses) {
            peer.hide_addresses();
        }
        let Seat { name, media, here, joined, .. } = seat;
        let number = self.free_number(&name);
        for event in [
            RecoveryEvent::Relays(self.has_relay()),
            RecoveryEvent::Expect(media.audio || media.video, media.video && !self.audio_only),
        ] {
            let nothing = peer.recover(now, event);
            debug_assert!(nothing.is_empty(), "there is no connection yet");
        }
        let (voice, channel, pictures) = (Speech::default(), Channel::new(now, &mut self.secrets), Pictures::default());
        self.people.insert(
            seat.peer,
            Person { name, number, media, here, joined, voice, peer, channel, pictures, gone: false },
        );
        true
    }

    /// What this person says they send has changed.
    pub(super) fn expect(&mut self, now: Millis, peer: PeerId) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&peer) else { return vec![] };
        let MediaState { audio, video } = person.media;
        let video = video && person.pictures.sent && !self.audio_only;
        let effects = person.peer.recover(now, RecoveryEvent::Expect(audio || video, video));
        self.run_peer(peer, effects)
    }

    /// Something happened to every path at once.
    pub(super) fn recover_all(&mut self, now: Millis, event: RecoveryEvent) -> Vec<Effect> {
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        let mut out = vec![];
        for peer in peers {
            let due = self.people.get_mut(&peer).map(|person| person.peer.recover(now, event)).unwrap_or_default();
            out.extend(self.run_peer(peer, due));
        }
        out
    }

    /// The server is reached, and nobody else is by any way.
    pub(super) fn is_blocked(&self) -> bool {
        // Whoever lost the server as well says nothing of this network.
        let mut here = self.people.values().filter(|person| person.here && !person.gone).peekable();
        self.link.is_online() && here.peek().is_some() && here.all(|person| person.no_way(self.now).is_some())
    }

    pub(super) fn has_relay(&self) -> bool {
        let mut urls = self.seat.iter().flat_map(|seat| &seat.ice).flat_map(|server| &server.urls);
        urls.any(|url| url.starts_with("turn"))
    }

    /// The credentials of the relays were renewed: what goes through one is restarted while the old ones are good.
    pub(super) fn renew_ice(&mut self, now: Millis) -> Vec<Effect> {
        let mut effects = self.configure_all(now);
        effects.extend(self.recover_all(now, RecoveryEvent::Renewed));
        effects
    }

    /// Gives every connection the servers we have now.
    pub(super) fn configure_all(&mut self, now: Millis) -> Vec<Effect> {
        let ice = self.seat.as_ref().map(|seat| seat.ice.clone()).unwrap_or_default();
        let configure = |(peer, person): (&PeerId, &Person)| {
            let (epoch, route) = (person.peer.epoch(), person.peer.recovery().route());
            Effect::Configure(*peer, epoch, ice.clone(), route)
        };
        let mut effects: Vec<Effect> = self.people.iter().map(configure).collect();
        effects.extend(self.recover_all(now, RecoveryEvent::Relays(self.has_relay())));
        effects
    }

    pub(super) fn part(&mut self, peer: PeerId) -> Vec<Effect> {
        let Some(mut person) = self.people.remove(&peer) else { return vec![] };
        self.chat.keep_heard(peer, &[]);
        let last = person.peer.close();
        self.run_peer(peer, last)
    }

    pub(super) fn drop_people(&mut self) -> Vec<Effect> {
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        peers.into_iter().flat_map(|peer| self.part(peer)).collect()
    }

    /// An entry of the log arrived.
    pub(super) fn entry(&mut self, now: Millis, offset: Offset, entry: Entry) -> Vec<Effect> {
        if offset.epoch != self.log.epoch {
            return vec![]; // Of a life of the log that `resync` or `welcome` has ended.
        }
        match self.inbox.accept(offset.seq) {
            Arrival::Duplicate => return vec![],
            Arrival::Gap { .. } => return self.ask_range(),
            Arrival::Next => {}
        }
        // The roster of `welcome` already tells who was in the room at its head; older comings are history.
        let is_news = offset.seq > self.log.seq;
        self.log.seq = self.log.seq.max(offset.seq);
        match entry {
            Entry::Joined { peer, name, media, at } if is_news => {
                self.somebody_joined(now, at, Seat { peer, name, media, here: true, joined: offset })
            }
            Entry::Left { peer, joined, reason, .. } if is_news => self.somebody_left(now, peer, joined, reason),
            Entry::Joined { .. } | Entry::Left { .. } => vec![],
            Entry::Chat { id, peer, name, body, at } => {
                let author = self.author(peer, name);
                let mine = author.mine;
                let (news, mut effects) = self.logged(now, offset, Said { id, from: peer, author, body, at });
                let heard = news && !mine;
                if heard && offset > self.read {
                    self.chat.count_unread();
                }
                if heard && offset.seq > self.history {
                    self.announce_chat(id);
                }
                if mine {
                    effects.push(Effect::DropChat(id));
                }
                effects
            }
            Entry::Deleted { id, .. } => {
                // Ours, if we did not hear that it was stored: it is not sent again.
                let waited = self.chat.answered(now, id).is_some();
                self.chat.deleted(id);
                if waited { vec![Effect::DropChat(id)] } else { vec![] }
            }
            Entry::Redacted => vec![],
        }
    }

    /// Asks for the entries after the last one delivered, once at a time.
    pub(super) fn ask_range(&mut self) -> Vec<Effect> {
        if std::mem::replace(&mut self.asked_range, true) {
            return vec![];
        }
        let after = Offset { epoch: self.log.epoch, seq: self.inbox.last() };
        self.send(&ClientMsg::Range { after })
    }

    /// `base` is the time they joined: no later than the time their `welcome` tells them to number their calls from.
    fn somebody_joined(&mut self, now: Millis, base: Millis, seat: Seat) -> Vec<Effect> {
        if let Some(known) = self.people.get_mut(&seat.peer) {
            // Signed in again to a log that began anew, or stored twice: a real return has its leaving before it.
            known.joined = seat.joined;
            return vec![];
        }
        let peer = seat.peer;
        // They call us: whoever comes later offers.
        if !self.add(now, base, seat) {
            return vec![];
        }
        let text = self.people.get(&peer).map(|person| format!("{} joined.", person.shown())).unwrap_or_default();
        self.notify(now, &text)
    }

    fn somebody_left(&mut self, now: Millis, peer: PeerId, joined: Offset, reason: LeaveReason) -> Vec<Effect> {
        let Some(person) = self.people.get(&peer).filter(|person| person.joined == joined) else { return vec![] };
        let name = person.shown();
        let text = match reason {
            LeaveReason::Left => format!("{name} left."),
            LeaveReason::Lost => format!("{name} is gone: their connection did not come back."),
        };
        let mut effects = self.part(peer);
        effects.extend(self.notify(now, &text));
        effects
    }

    pub(super) fn presence(&mut self, now: Millis, peer: PeerId, here: bool) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&peer) else { return vec![] };
        person.gone &= !here;
        if std::mem::replace(&mut person.here, here) == here {
            return vec![];
        }
        let name = person.shown();
        if here {
            // What waited for them goes out now instead of at the next deadline.
            let again = person.peer.resend(now);
            self.announce(&format!("{name} is back."));
            self.run_peer(peer, again)
        } else {
            self.announce(&format!("{name}'s connection dropped, bringing them back."));
            vec![]
        }
    }

    /// What the server says of everyone's link, in case a change was missed.
    pub(super) fn set_away(&mut self, now: Millis, away: &[PeerId]) -> Vec<Effect> {
        let changed = |(id, person): (&PeerId, &Person)| (person.here == away.contains(id)).then_some(*id);
        let changed: Vec<PeerId> = self.people.iter().filter_map(changed).collect();
        changed.into_iter().flat_map(|peer| self.presence(now, peer, !away.contains(&peer))).collect()
    }

    pub(super) fn rtc(&mut self, now: Millis, peer: PeerId, epoch: PcEpoch, event: RtcEvent) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&peer) else { return vec![] };
        let (was_wrong, flowed) = {
            let recovery = person.peer.recovery();
            (recovery.wrong_since().is_some(), recovery.is_healthy())
        };
        let effects = person.peer.rtc(now, epoch, event);
        let is_wrong = person.peer.recovery().wrong_since().is_some();
        let mut effects = self.run_peer(peer, effects);
        match (was_wrong, is_wrong) {
            (false, true) if flowed => effects.extend(self.link(now, LinkEvent::Doubt)),
            // The network is back, whether or not the browser says so.
            (true, false) if !self.link.is_online() => effects.extend(self.link(now, LinkEvent::TryNow)),
            (true, false | true) | (false, false | true) => {}
        }
        effects
    }

    pub(super) fn signal(&mut self, now: Millis, from: PeerId, stream: u64, seq: u64, signal: Signal) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&from) else { return vec![] };
        let effects = person.peer.signal(now, stream, seq, signal);
        self.run_peer(from, effects)
    }

    pub(super) fn run_peer(&mut self, peer: PeerId, effects: Vec<PeerEffect>) -> Vec<Effect> {
        let mut out = vec![];
        for effect in effects {
            match effect {
                PeerEffect::Open(epoch, route) => {
                    let ice = self.seat.as_ref().map(|seat| seat.ice.clone()).unwrap_or_default();
                    out.push(Effect::OpenPc(peer, epoch, ice, route));
                    out.extend(self.first_picture(peer));
                }
                PeerEffect::SetRoute(epoch, route) => {
                    let ice = self.seat.as_ref().map(|seat| seat.ice.clone()).unwrap_or_default();
                    out.push(Effect::Configure(peer, epoch, ice, route));
                }
                PeerEffect::SetPicture => out.extend(self.update_pictures()),
                PeerEffect::AskPicture => out.extend(self.tell_page(peer, &PeerMsg::Refresh)),
                PeerEffect::Refresh(epoch) => out.push(Effect::Refresh(peer, epoch)),
                PeerEffect::Close(epoch) => out.push(Effect::ClosePc(peer, epoch)),
                PeerEffect::CreateOffer(epoch, restart) => out.push(Effect::CreateOffer(peer, epoch, restart)),
                PeerEffect::ApplyOffer(epoch, sdp) => out.push(Effect::ApplyOffer(peer, epoch, sdp)),
                PeerEffect::ApplyAnswer(epoch, sdp) => out.push(Effect::ApplyAnswer(peer, epoch, sdp)),
                PeerEffect::AddCandidate(epoch, candidate) => out.push(Effect::AddCandidate(peer, epoch, candidate)),
                PeerEffect::Send { stream, seq, signal } => {
                    if !self.server_reaches(peer) {
                        out.extend(self.signal_by_page(peer, stream, seq, Some(signal.clone())));
                    }
                    out.extend(self.send(&ClientMsg::Signal { to: peer, stream, seq, signal }));
                }
                PeerEffect::Acknowledge { stream, seq } => {
                    if !self.server_reaches(peer) {
                        out.extend(self.signal_by_page(peer, stream, seq, None));
                    }
                    out.extend(self.send(&ClientMsg::SignalAck { to: peer, stream, seq }));
                }
            }
        }
        out
    }

    pub(super) fn hear(&mut self, now: Millis, who: Option<PeerId>, level: u8) {
        let voice = match who {
            None => Some(&mut self.my_voice),
            Some(peer) => self.people.get_mut(&peer).map(|person| &mut person.voice),
        };
        if let Some(voice) = voice {
            let _ = voice.hear(now, level);
        }
    }

    /// The others in their places: in the order they came, but in a crowd whoever spoke last comes first.
    pub(super) fn tiles(&self) -> Vec<TileView> {
        if self.phase != Phase::InCall {
            return vec![];
        }
        let crowded = self.people.len() + 1 >= Limits::CROWDED_FROM;
        let first = self
            .people
            .iter()
            .filter_map(|(peer, person)| Some((person.voice.last_loud().filter(|_| crowded)?, *peer)))
            .max()
            .map(|(_, peer)| peer);
        let place = |peer: PeerId, person: &Person| (first != Some(peer), person.joined);
        let mut people: Vec<(&PeerId, &Person)> = vec![];
        for (peer, person) in self.people.iter().filter(|(_, person)| !person.gone) {
            put(&mut people, (peer, person), |(peer, person)| place(**peer, person));
        }
        people
            .into_iter()
            .enumerate()
            .map(|(n, (peer, person))| TileView {
                peer: *peer,
                name: person.name.clone(),
                number: person.number,
                audio: person.media.audio,
                video: person.media.video,
                speaking: person.voice.is_speaking() && person.media.audio,
                path: person.media_path(),
                rung: person.peer.recovery().rung(),
                silent_s: person.peer.recovery().wrong_since().map(|at| self.now.since(at) / 1_000),
                blind_s: person.peer.recovery().blind_since(self.now).map(|at| self.now.since(at) / 1_000),
                relayed: person.peer.recovery().relayed(),
                no_way: person.no_way(self.now).filter(|_| self.link.is_online()),
                here: person.here,
                place: n + 1,
            })
            .collect()
    }
}
