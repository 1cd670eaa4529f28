//! Computers that sleep, pages that are put aside, and people who cannot see that they are in a call.

use crate::checkers;
use crate::paths::Obstacle;
use crate::scenarios::call_of;
use crate::world::World;
use holdfast::session::{Event, Intent, NetEvent};
use holdfast::view::{DeviceState, LinkView, MediaKind, MediaPath};

impl World {
    /// Closes the lid of a computer.
    pub fn sleep(&mut self, client: usize, ms: u64) {
        self.note(|| format!("client {client} sleeps for {ms} ms"));
        if !self.clients[client].sleeps(self.now) {
            self.clients[client].asleep_until = Some(self.now.plus(ms));
            self.later(client, ms, Event::Net(NetEvent::Shown));
        }
    }

    /// Waits until nobody sleeps any more.
    pub fn wake_all(&mut self) {
        let last = self.clients.iter().filter_map(|client| client.asleep_until).max();
        self.run(last.map_or(0, |at| at.since(self.now)));
    }

    fn net(&mut self, client: usize, event: NetEvent) {
        let page = self.clients[client].page;
        self.post(client, page, Event::Net(event));
    }

    /// Nobody reaches this person, and they reach nobody.
    fn cut_off(&mut self, client: usize) {
        for other in (0..self.clients.len()).filter(|other| *other != client) {
            self.cut.push((client.min(other), client.max(other), Obstacle::Wall));
        }
        self.online = false;
        for conn in self.sockets_of(client) {
            self.break_socket(conn);
        }
    }
}

#[test]
fn a_computer_that_slept_comes_back_by_itself_however_long_it_slept() {
    for ms in [500, 3_000, 9_000, 60_000, 3_600_000] {
        let mut world = call_of(3);
        let seat = world.clients[0].seat();
        world.sleep(0, ms);
        world.run(ms);
        world.run(10_000);
        checkers::after_healing(&world);
        if ms < 9_000 {
            assert_eq!(world.clients[0].seat(), seat, "after {ms} ms the seat is still theirs");
        }
        world.say(0);
        world.heal_and_check();
    }
}

#[test]
fn a_page_that_is_put_aside_is_neither_heard_nor_seen_and_a_muted_one_stays_muted() {
    for muted in [false, true] {
        let mut world = call_of(2);
        if muted {
            world.intend(0, Intent::ToggleMicrophone);
        }
        world.net(0, NetEvent::Frozen);
        assert!(
            world.clients[0].tracks.muted && world.clients[0].tracks.covered,
            "at once: a frozen page cannot later"
        );
        assert!(world.clients[0].session.view().me.paused);
        world.sleep(0, 4_000);
        world.run(4_500);
        let view = world.clients[0].session.view();
        assert!(!view.me.paused);
        assert!(view.notices.iter().any(|notice| notice.text.contains("You are back")), "{:?}", view.notices);
        assert_eq!(view.me.microphone == DeviceState::Off, muted, "the wish is the person's");
        assert_eq!(world.clients[0].tracks.muted, muted);
        world.heal_and_check();
    }
}

#[test]
fn a_device_that_is_being_replaced_is_paused_too() {
    let mut world = call_of(2);
    world.intend(0, Intent::ChooseDevice(MediaKind::Audio, "other".into()));
    world.intend(0, Intent::ChooseDevice(MediaKind::Video, "other".into()));
    world.net(0, NetEvent::Frozen);
    assert!(world.clients[0].tracks.muted && world.clients[0].tracks.covered, "the devices before still run");
    world.run(500);
    assert!(world.clients[0].tracks.muted && world.clients[0].tracks.covered, "and so do the new ones now");
    world.net(0, NetEvent::Shown);
    assert!(!world.clients[0].tracks.muted && !world.clients[0].tracks.covered);
    world.heal_and_check();
}

#[test]
fn who_is_cut_off_from_everybody_is_paused_and_told_and_comes_back_as_they_were() {
    let mut world = call_of(3);
    world.cut_off(0);
    world.run(2_000);
    assert!(!world.clients[0].session.view().me.paused, "a moment is not worth it");
    world.run(5_000);
    let view = world.clients[0].session.view();
    assert!(view.me.paused && world.clients[0].tracks.muted && world.clients[0].tracks.covered);
    assert!(view.link_banner().contains("nobody hears or sees you"), "{}", view.link_banner());
    assert_eq!((view.me.microphone, view.me.camera), (DeviceState::On, DeviceState::On), "the wish stays");
    // One path is enough to know that one is in a call, whatever the server does.
    world.cut.retain(|(_, other, _)| *other != 1);
    world.run(3_000);
    let view = world.clients[0].session.view();
    assert_ne!(view.link, LinkView::Online);
    assert!(view.tiles.iter().any(|tile| tile.path == MediaPath::Live), "{:?}", view.tiles);
    assert!(!view.me.paused && !world.clients[0].tracks.muted && !world.clients[0].tracks.covered);
    world.online = true;
    world.heal_and_check();
}

#[test]
fn while_the_server_alone_is_gone_everybody_is_heard() {
    let mut world = call_of(2);
    world.online = false;
    for client in 0..2 {
        for conn in world.sockets_of(client) {
            world.break_socket(conn);
        }
    }
    for _ in 0..60 {
        world.run(1_000);
        assert!(world.clients.iter().all(|client| !client.session.view().me.paused));
    }
    world.online = true;
    world.heal_and_check();
}
