//! From page to page: while the server is away, or somebody is away from it, pages carry each other's messages.

use super::people::Person;
use super::{ChannelEvent, Effect, Session};
use crate::bucket::Bucket;
use crate::id::{ChatId, PcEpoch, PeerId};
use crate::limits::Limits;
use crate::rng::Rng;
use crate::time::Millis;
use crate::wire::{Body, PeerMsg, Signal, decode, encode};

/// The data channel to one person.
#[derive(Debug)]
pub(super) struct Channel {
    /// The connection on which it is open.
    open: Option<PcEpoch>,
    /// What they know us by when somebody else brings our words, and what we know them by.
    ours: u64,
    theirs: Option<u64>,
    bucket: Bucket,
}

impl Channel {
    pub(super) fn new(now: Millis, rng: &mut Rng) -> Self {
        let bucket = Bucket::new(now, Limits::PEER_MESSAGE_BURST, Limits::PEER_MESSAGES_PER_S);
        Self { open: None, ours: rng.next_u64() >> 11, theirs: None, bucket }
    }

    /// The connection it is open on, if that is still the one in use.
    fn on(&self, epoch: PcEpoch) -> Option<PcEpoch> {
        self.open.filter(|open| *open == epoch)
    }
}

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
                person.channel.open = Some(epoch);
                let mut effects = self.greet_page(peer);
                effects.extend(self.picture_state(peer));
                if !self.can_store() {
                    effects.extend(self.pass_chat(&[peer], &self.chat.waiting_ids()));
                    let again = self.people.get_mut(&peer).map(|person| person.peer.resend(now)).unwrap_or_default();
                    effects.extend(self.run_peer(peer, again));
                }
                effects
            }
            ChannelEvent::Closed => {
                person.channel.open = None;
                vec![]
            }
            ChannelEvent::Text(text) => {
                if text.len() > Limits::FRAME_BYTES || !person.channel.bucket.take(now) {
                    return vec![]; // Too much of it: what matters comes again.
                }
                // A page of another version: what we cannot read we cannot act on.
                decode::<PeerMsg>(&text).map_or_else(|_| vec![], |msg| self.page_says(now, peer, msg))
            }
        }
    }

    fn greet_page(&self, peer: PeerId) -> Vec<Effect> {
        let pass = self.people.get(&peer).map_or(0, |person| person.channel.ours);
        self.to_page(peer, &PeerMsg::Greet { pass, waiting: self.chat.waiting_ids() })
    }

    /// A message of ours was taken back: whoever has read it forgets it.
    pub(super) fn take_back(&self) -> Vec<Effect> {
        self.people.keys().flat_map(|peer| self.greet_page(*peer)).collect()
    }

    fn page_says(&mut self, now: Millis, from: PeerId, msg: PeerMsg) -> Vec<Effect> {
        match msg {
            PeerMsg::Greet { pass, waiting } => {
                if let Some(person) = self.people.get_mut(&from) {
                    person.channel.theirs = Some(pass);
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
                let effects = person.peer.acknowledged(now, stream, seq);
                self.run_peer(from, effects)
            }
            PeerMsg::State { media } => {
                if let Some(person) = self.people.get_mut(&from) {
                    person.media = media;
                }
                self.expect(now, from)
            }
            PeerMsg::Refresh => {
                let epoch = self.people.get(&from).map(|person| person.peer.epoch());
                epoch.map(|epoch| Effect::Refresh(from, epoch)).into_iter().collect()
            }
            PeerMsg::Want { picture } => self.picture_wanted(from, picture),
            PeerMsg::Sends { picture } => self.picture_sent(now, from, picture),
            PeerMsg::Chat { id, body, at } => {
                self.heard_from_page(from, id, &body, at);
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
            PeerMsg::Carry { to, pass, msg } => {
                let can = to != from && msg.can_be_carried();
                let open = self.people.get(&to).and_then(Person::open_channel).filter(|_| can);
                let Some(epoch) = open else { return vec![] };
                vec![Effect::SendPeer(to, epoch, encode(&PeerMsg::Carried { from, pass, msg }))]
            }
            PeerMsg::Carried { from: author, pass, msg } => {
                let known = self.people.get(&author).is_some_and(|person| person.channel.theirs == Some(pass));
                // Forged, or from before one of us reloaded.
                if known && author != from && msg.can_be_carried() { self.page_says(now, author, *msg) } else { vec![] }
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
    pub(super) fn to_page(&self, peer: PeerId, msg: &PeerMsg) -> Vec<Effect> {
        let Some(person) = self.people.get(&peer) else { return vec![] };
        let direct = person.open_channel().map(|epoch| Effect::SendPeer(peer, epoch, encode(msg)));
        let mut effects: Vec<Effect> = direct.into_iter().collect();
        let works = person.open_channel().is_some() && person.peer.recovery().is_healthy();
        // Who never had a channel to us does not know what to know us by.
        if !works && msg.can_be_carried() && person.channel.theirs.is_some() {
            let pass = person.channel.ours;
            let carry = encode(&PeerMsg::Carry { to: peer, pass, msg: Box::new(msg.clone()) });
            let others = self.people.iter().filter(|(other, one)| **other != peer && one.peer.recovery().is_healthy());
            let open = others.filter_map(|(other, one)| Some((*other, one.open_channel()?)));
            effects.extend(
                open.take(Limits::CARRIERS).map(|(other, epoch)| Effect::SendPeer(other, epoch, carry.clone())),
            );
        }
        effects
    }

    pub(super) fn to_all_pages(&self, msg: &PeerMsg) -> Vec<Effect> {
        self.people.keys().flat_map(|peer| self.to_page(*peer, msg)).collect()
    }

    /// To everyone the server does not reach for us.
    pub(super) fn to_unreached_pages(&self, msg: &PeerMsg) -> Vec<Effect> {
        let unreached = self.people.keys().filter(|peer| !self.server_reaches(**peer));
        unreached.flat_map(|peer| self.to_page(*peer, msg)).collect()
    }

    /// A signal or its acknowledgement, by whichever way there is.
    pub(super) fn signal_by_page(&self, peer: PeerId, stream: u64, seq: u64, signal: Option<Signal>) -> Vec<Effect> {
        let msg = match signal {
            Some(signal) => PeerMsg::Signal { stream, seq, signal },
            None => PeerMsg::SignalAck { stream, seq },
        };
        self.to_page(peer, &msg)
    }

    /// These of our messages that are not stored, to these people.
    fn pass_chat(&self, peers: &[PeerId], ids: &[ChatId]) -> Vec<Effect> {
        let mut waiting = self.chat.sendable();
        waiting.retain(|(id, ..)| ids.contains(id));
        let of = |(id, body, at): &(ChatId, Body, Millis)| PeerMsg::Chat { id: *id, body: body.clone(), at: *at };
        let messages: Vec<PeerMsg> = waiting.iter().map(of).collect();
        peers.iter().flat_map(|peer| messages.iter().flat_map(|msg| self.to_page(*peer, msg))).collect()
    }

    pub(super) fn pass_chat_to_all(&self, ids: &[ChatId]) -> Vec<Effect> {
        self.pass_chat(&self.people.keys().copied().collect::<Vec<_>>(), ids)
    }

    /// What waits goes from page to page from now on.
    pub(super) fn without_server(&mut self, now: Millis) -> Vec<Effect> {
        let mut effects = self.pass_chat_to_all(&self.chat.waiting_ids());
        let peers: Vec<PeerId> = self.people.keys().copied().collect();
        for peer in peers {
            let again = self.people.get_mut(&peer).map(|person| person.peer.resend(now)).unwrap_or_default();
            effects.extend(self.run_peer(peer, again));
        }
        effects
    }

    fn heard_from_page(&mut self, from: PeerId, id: ChatId, body: &Body, at: Millis) {
        let Some(name) = self.people.get(&from).map(|person| person.name.clone()) else { return };
        if self.chat.heard(from, id, name, body, at) {
            self.chat.count_unread();
            self.announce_chat(id);
        }
    }
}
