//! What must hold: after every event, and after everything is healed.

use crate::client::Client;
use crate::log::Log;
use crate::world::World;
use holdfast::view::{CallView, ChatStatus, DeviceState, LinkView, MediaPath, Phase};
use holdfast::wire::Entry;
use holdfast::{ChatId, Limits, Offset};
use std::collections::BTreeSet;

/// Safety: never a double, never out of order, never beyond a bound, never one's own seat as a stranger.
pub fn after_every_event(client: &Client, log: &Log) {
    let view = client.session.view();
    let mut last = Offset::default();
    let mut ids = BTreeSet::new();
    let mut waiting = false;
    for line in view.chat.iter() {
        assert!(ids.insert(line.id), "message {} stands twice", line.id);
        match line.offset {
            Some(offset) => {
                assert!(!waiting, "a stored message stands after a pending one");
                assert!(offset > last, "messages are out of order");
                last = offset;
                let known = log.ever.get(&offset);
                assert!(
                    matches!(known, Some(Entry::Chat { id, .. }) if *id == line.id),
                    "a message is shown as stored and is not in the log there"
                );
            }
            None => waiting = true,
        }
    }
    assert!(view.notices.len() <= Limits::NOTICES);
    assert!(view.tiles.len() < Limits::SEATS);
    assert!(client.session.unsent() <= Limits::OUTBOX);
    assert!(client.session.unacked_signals() <= Limits::SIGNALS_UNACKED);
    assert!(view.tiles.iter().all(|tile| Some(tile.peer) != view.me.peer), "own seat shown as a stranger");
    assert!(client.pcs.len() <= Limits::SEATS, "connections pile up: {}", client.pcs.len());
    is_heard_as_wished(client, &view);
}

/// Privacy: what goes out is what the person wants, and nothing while they cannot see that they are in a call.
fn is_heard_as_wished(client: &Client, view: &CallView) {
    let (tracks, me) = (client.tracks, &view.me);
    if tracks.microphone {
        // While another device starts the one before it goes on.
        let due = me.microphone != DeviceState::Off && !me.paused;
        assert_eq!(!tracks.muted, due, "the microphone is {:?}, paused {}", me.microphone, me.paused);
    }
    if tracks.camera {
        assert_eq!(tracks.covered, me.paused, "the camera is {:?}, paused {}", me.camera, me.paused);
    }
}

/// Liveness: with everything healed, everyone in the call sees, hears and has read everyone else.
pub fn after_healing(world: &World) {
    let inside: Vec<&Client> = world.clients.iter().filter(|client| client.wants_in).collect();
    let log: Vec<ChatId> = world
        .log
        .ever
        .values()
        .filter_map(|entry| match entry {
            Entry::Chat { id, .. } => Some(*id),
            Entry::Joined { .. } | Entry::Left { .. } | Entry::Deleted { .. } | Entry::Redacted => None,
        })
        .collect();
    let stored: BTreeSet<ChatId> = log.iter().copied().collect();
    assert_eq!(stored.len(), log.len(), "the log holds a message twice");
    let said: BTreeSet<ChatId> = world.clients.iter().flat_map(|client| &client.said).copied().collect();
    let given_up: BTreeSet<ChatId> = world.clients.iter().flat_map(|client| &client.given_up).copied().collect();
    assert!(said.is_subset(&stored), "a message was lost");
    assert!(stored.difference(&said).all(|id| given_up.contains(id)), "the log holds what nobody wrote");
    if world.keeps_order {
        for client in &world.clients {
            let places: Vec<usize> =
                client.order.iter().filter_map(|id| log.iter().position(|known| known == id)).collect();
            assert!(places.is_sorted(), "an author's messages are out of order");
        }
    }
    for client in &inside {
        let view = client.session.view();
        assert_eq!((view.phase, view.link), (Phase::InCall, LinkView::Online));
        let others: Vec<_> = view.tiles.iter().map(|tile| (tile.name.as_str(), tile.peer, tile.here)).collect();
        assert_eq!(others.len(), inside.len() - 1, "{} sees {others:?}", view.me.name);
        for tile in &view.tiles {
            assert!(tile.here, "{} is shown as away", tile.peer);
            // Sound without pictures is healthy: pictures come back after a while without trouble.
            assert!(matches!(tile.path, MediaPath::Live | MediaPath::Audio), "no media from {}", tile.peer);
        }
        assert!(view.chat.iter().all(|line| line.status() == ChatStatus::Stored), "a message still waits");
        let seen: Vec<ChatId> = view.chat.iter().map(|line| line.id).collect();
        assert_eq!(seen, log, "has not read what the log holds");
        assert_eq!(client.pcs.len(), inside.len() - 1, "one connection a person");
        assert_eq!(client.session.unacked_signals(), 0, "a signal still waits");
        assert!(client.is_settled(), "an offer was never answered");
    }
    for node in &world.nodes {
        let room = &node.server.as_ref().expect("healed").room;
        assert_eq!(room.people().len(), inside.len(), "a room holds ghosts");
    }
}
