//! From page to page: while the server is away, or somebody is away from it, pages carry each other's messages.

use super::channel::Passage;
use super::people::Person;
use super::{ChannelEvent, Effect, Session};
use crate::id::{ChatId, PcEpoch, PeerId};
use crate::limits::Limits;
use crate::time::Millis;
use crate::wire::{Body, PeerMsg, Signal, decode, encode};

impl Person {
    pub(super) fn open_channel(&self) -> Option<PcEpoch> {
        self.channel.on(self.peer.epoch())
    }
}

impl Session {
    pub(super) fn channel(&mut self, now: Millis, peer: PeerId, epoch: PcEpoch, event: ChannelEvent) -> Vec<Effect> {
        let Some(person) = self.people.get_mut(&peer).filter(|person| person.peer.epoch() == epoch) else {
            return vec![]; // Of a connection we already replaced.
        };
        match event {
            ChannelEvent::Opened | ChannelEvent::Text(_) if self.plain => vec![],
            ChannelEvent::Opened => {
                person.channel.opened(epoch);
                let mut effects = self.greet_page(peer);
                effects.extend(self.picture_state(peer));
                if !self.can_store() {
                    let waiting = self.chat.waiting_ids();
                    effects.extend(self.pass_chat(&[peer], &waiting));
                    let again = self.people.get_mut(&peer).map(|person| person.peer.resend(now)).unwrap_or_default();
                    effects.extend(self.run_peer(peer, again));
                }
                effects
            }
            ChannelEvent::Closed => {
                person.channel.closed();
                vec![]
            }
            ChannelEvent::Text(_) if person.channel.on(epoch).is_none() => vec![], // We have closed it.
            ChannelEvent::Text(text) => match person.channel.admit(now, text.len()) {
                // A page of another version: what we cannot read we cannot act on.
                Passage::Open => decode::<PeerMsg>(&text).map_or_else(|_| vec![], |msg| self.page_says(now, peer, msg)),
                Passage::Dropped => vec![],
                Passage::Closed => vec![Effect::CloseChannel(peer, epoch)],
            },
        }
    }

    fn greet_page(&mut self, peer: PeerId) -> Vec<Effect> {
        let Some(key) = self.people.get(&peer).map(|person| person.channel.key()) else { return vec![] };
        let waiting = self.chat.waiting_ids().into_iter().map(ChatId::shadow).collect();
        self.tell_page(peer, &PeerMsg::Greet { key, waiting })
    }

    /// A message of ours was taken back: whoever has read it forgets it.
    pub(super) fn take_back(&mut self) -> Vec<Effect> {
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        peers.into_iter().flat_map(|peer| self.greet_page(peer)).collect()
    }

    fn page_says(&mut self, now: Millis, from: PeerId, msg: PeerMsg) -> Vec<Effect> {
        match msg {
            PeerMsg::Greet { key, waiting } => {
                if let Some(person) = self.people.get_mut(&from) {
                    person.channel.learn(key);
                }
                // Without a server nobody can tell what is stored by now.
                if self.link.is_online() {
                    self.chat.keep_heard(from, &waiting);
                }
                vec![]
            }
            PeerMsg::Signal { stream, seq, signal } => self.signal(now, from, stream, seq, signal),
            PeerMsg::SignalAck { stream, seq } => {
                let Some(person) = self.people.get_mut(&from) else { return vec![] };
                let more = person.peer.acknowledged(now, stream, seq);
                self.run_peer(from, more)
            }
            PeerMsg::State { media } => {
                if let Some(person) = self.people.get_mut(&from) {
                    person.media = media;
                }
                self.expect(now, from)
            }
            PeerMsg::Refresh => {
                let Some(person) = self.people.get_mut(&from) else { return vec![] };
                let granted = person.channel.may_ask_for_picture(now).then(|| person.peer.epoch());
                granted.map(|epoch| Effect::Refresh(from, epoch)).into_iter().collect()
            }
            PeerMsg::Want { picture } => self.picture_wanted(now, from, picture),
            PeerMsg::Sends { picture } => self.picture_sent(now, from, picture),
            PeerMsg::Chat { shadow, body, at } => {
                self.heard_from_page(from, shadow, &body, at);
                vec![]
            }
            PeerMsg::Leave => {
                // The log will say it too once it can; until then they are out of sight.
                if let Some(person) = self.people.get_mut(&from).filter(|person| !person.gone) {
                    person.gone = true;
                    let text = format!("{} left.", person.name.as_str());
                    return self.notify(now, &text);
                }
                vec![]
            }
            PeerMsg::Carry { to, n, seal, msg } => {
                let can = to != from && msg.can_be_carried();
                let open = self.people.get(&to).and_then(Person::open_channel).filter(|_| can);
                let (Some(epoch), Some(author)) = (open, self.people.get_mut(&from)) else { return vec![] };
                let text = encode(&PeerMsg::Carried { from, n, seal, msg });
                if !author.channel.may_be_carried_for(now, text.len()) {
                    return vec![];
                }
                vec![Effect::SendPeer(to, epoch, text)]
            }
            PeerMsg::Carried { from: author, .. } if author == from => vec![],
            PeerMsg::Carried { from: author, .. } => {
                let me = self.seat.as_ref().map(|seat| seat.peer);
                let (Some(me), Some(person)) = (me, self.people.get_mut(&author)) else { return vec![] };
                let known = person.channel.is_theirs(author, me, &msg);
                match msg {
                    // Else forged, brought twice, or from before one of us reloaded.
                    PeerMsg::Carried { msg, .. } if known && msg.can_be_carried() => self.page_says(now, author, *msg),
                    _ => vec![],
                }
            }
        }
    }

    /// Whether what we write reaches the log now.
    pub(super) fn can_store(&self) -> bool {
        self.link.is_online() && !self.chat.store_away()
    }

    /// Whether the server can pass something on to this person.
    pub(super) fn server_reaches(&self, peer: PeerId) -> bool {
        self.link.is_online() && self.people.get(&peer).is_some_and(|person| person.here)
    }

    /// Over the channel to this person; if their path does not work, also through others.
    pub(super) fn tell_page(&mut self, peer: PeerId, msg: &PeerMsg) -> Vec<Effect> {
        let me = self.seat.as_ref().map(|seat| seat.peer);
        let (Some(me), Some(person)) = (me, self.people.get_mut(&peer)) else { return vec![] };
        let direct = person.open_channel().map(|epoch| Effect::SendPeer(peer, epoch, encode(msg)));
        let mut effects: Vec<Effect> = direct.into_iter().collect();
        let works = person.open_channel().is_some() && person.peer.recovery().is_healthy();
        // Who never had a channel to us does not know our key.
        if !works && msg.can_be_carried() && person.channel.is_known() {
            let carry = encode(&person.channel.seal(me, peer, msg));
            let others = self.people.iter().filter(|(other, one)| **other != peer && one.peer.recovery().is_healthy());
            let open = others.filter_map(|(other, one)| Some((*other, one.open_channel()?)));
            effects.extend(
                open.take(Limits::CARRIERS).map(|(other, epoch)| Effect::SendPeer(other, epoch, carry.clone())),
            );
        }
        effects
    }

    pub(super) fn tell_all_pages(&mut self, msg: &PeerMsg) -> Vec<Effect> {
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        peers.into_iter().flat_map(|peer| self.tell_page(peer, msg)).collect()
    }

    /// To everyone the server does not reach for us.
    pub(super) fn tell_unreached_pages(&mut self, msg: &PeerMsg) -> Vec<Effect> {
        let unreached: Vec<PeerId> = self.people.keys().filter(|peer| !self.server_reaches(**peer)).copied().collect();
        unreached.into_iter().flat_map(|peer| self.tell_page(peer, msg)).collect()
    }

    /// A signal or its acknowledgement, by whichever way there is.
    pub(super) fn signal_by_page(
        &mut self,
        peer: PeerId,
        stream: u64,
        seq: u64,
        signal: Option<Signal>,
    ) -> Vec<Effect> {
        let msg = match signal {
            Some(signal) => PeerMsg::Signal { stream, seq, signal },
            None => PeerMsg::SignalAck { stream, seq },
        };
        self.tell_page(peer, &msg)
    }

    /// These of our messages that are not stored, to these people.
    fn pass_chat(&mut self, peers: &[PeerId], ids: &[ChatId]) -> Vec<Effect> {
        let mut waiting = self.chat.sendable();
        waiting.retain(|(id, ..)| ids.contains(id));
        let of = |(id, body, at): &(ChatId, Body, Millis)| PeerMsg::Chat {
            shadow: id.shadow(),
            body: body.clone(),
            at: *at,
        };
        let messages: Vec<PeerMsg> = waiting.iter().map(of).collect();
        let mut effects = vec![];
        for peer in peers {
            for msg in &messages {
                effects.extend(self.tell_page(*peer, msg));
            }
        }
        effects
    }

    pub(super) fn pass_chat_to_all(&mut self, ids: &[ChatId]) -> Vec<Effect> {
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        self.pass_chat(&peers, ids)
    }

    /// What waits goes from page to page from now on.
    pub(super) fn without_server(&mut self, now: Millis) -> Vec<Effect> {
        let waiting = self.chat.waiting_ids();
        let mut effects = self.pass_chat_to_all(&waiting);
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        for peer in peers {
            let again = self.people.get_mut(&peer).map(|person| person.peer.resend(now)).unwrap_or_default();
            effects.extend(self.run_peer(peer, again));
        }
        effects
    }

    fn heard_from_page(&mut self, from: PeerId, shadow: ChatId, body: &Body, at: Millis) {
        let Some(name) = self.people.get(&from).map(|person| person.name.clone()) else { return };
        let author = self.author(from, name);
        if self.chat.heard(from, shadow, author, body, at) {
            self.chat.count_unread();
            self.announce_chat(shadow);
        }
    }
}
