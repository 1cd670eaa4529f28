//! Faults: a random mix for the seeds, and named ones that were bugs or could be.

use crate::chaos::Chaos;
use crate::checkers;
use crate::network::Weather;
use crate::paths::Obstacle;
use crate::world::World;
use holdfast::Limits;
use holdfast::recovery::Rung;
use holdfast::session::Intent;
use holdfast::view::{ChatStatus, Earlier, LinkView, MediaPath};

impl World {
    /// Lets things happen at random for a while.
    pub fn run_chaos(&mut self, chaos: Chaos) {
        self.weather = chaos.weather;
        let weather = chaos.weather;
        self.keeps_order = weather.loss_one_in + weather.reorder_one_in + weather.double_one_in == 0;
        self.append_fails_one_in = chaos.append_fails_one_in;
        self.bus_loss_one_in = chaos.bus_loss_one_in;
        self.set_worker_dies(4);
        for _ in 0..chaos.clients {
            let client = self.add_client();
            self.enter(client);
            let ms = self.rng.below(2_000);
            self.run(ms);
        }
        for _ in 0..chaos.events {
            let client = self.rng.below(chaos.clients as u64) as usize;
            let node = self.rng.below(self.nodes.len() as u64) as usize;
            match self.rng.below(16) {
                0..=3 => {
                    for _ in 0..=self.rng.below(4) {
                        self.say(client);
                    }
                }
                4 => {
                    if let Some(conn) = self.sockets_of(client).first() {
                        self.break_socket(*conn);
                    }
                }
                5 | 10 | 11 if self.clients[client].sleeps(self.now) => {}
                5 => self.reload(client),
                6 if chaos.crashes => self.crash(node),
                7 => self.start(node),
                8 if chaos.cut_media && chaos.clients > 1 => {
                    let other = (client + 1) % chaos.clients;
                    let obstacle = self.obstacle(client, other);
                    self.cut.push((client.min(other), client.max(other), obstacle));
                }
                9 => self.cut.clear(),
                10 => self.intend(client, Intent::ToggleMicrophone),
                11 => self.leave_or_return(client),
                12 if chaos.cuts => {
                    let cut = !self.nodes[node].cut;
                    self.set_cut(node, cut);
                }
                13 => self.log.archive_away = !self.log.archive_away,
                14 => self.trim_log(),
                15 if chaos.wipes => self.wipe_log(),
                _ if chaos.sleeps => {
                    let ms = self.rng.below(40_000);
                    self.sleep(client, ms);
                }
                _ => {}
            }
            let ms = self.rng.below(4_000);
            self.run(ms);
        }
    }

    pub fn say(&mut self, client: usize) {
        if self.is_in(client) && !self.clients[client].sleeps(self.now) {
            let before = self.clients[client].waiting();
            self.intend(client, Intent::Say(format!("message of {client}")));
            let after = self.clients[client].waiting();
            let fresh: Vec<_> = after.difference(&before).copied().collect();
            self.clients[client].said.extend(&fresh);
            self.clients[client].order.extend(fresh);
        }
    }

    /// Somebody leaves only when nothing of theirs waits: leaving with unsent messages gives them up.
    fn leave_or_return(&mut self, client: usize) {
        if self.clients[client].wants_in && self.is_in(client) && self.clients[client].session.unsent() == 0 {
            self.clients[client].wants_in = false;
            self.intend(client, Intent::Leave);
        } else if !self.clients[client].wants_in {
            if self.clients[client].session.view().room.is_none() {
                self.enter(client); // The page was reloaded meanwhile.
            } else {
                self.clients[client].wants_in = true;
                self.intend(client, Intent::Join(format!("Person {client}")));
            }
        }
    }

    /// Ends every fault, waits the longest any recovery may take, and checks.
    pub fn heal_and_check(&mut self) {
        self.weather = Weather::FAIR;
        (self.append_fails_one_in, self.bus_loss_one_in, self.log.archive_away) = (0, 0, false);
        self.set_worker_dies(0);
        self.cut.clear();
        for client in std::mem::take(&mut self.cut_off) {
            self.reconnect(client);
        }
        for node in 0..self.nodes.len() {
            self.set_cut(node, false);
        }
        self.start_all();
        self.wake_all();
        self.run(45_000);
        self.read_back();
        // A step down the ladder may be under way, as it may be at any time.
        for _ in 0..10 {
            if self.clients.iter().all(|client| client.session.unacked_signals() == 0 && client.is_settled()) {
                break;
            }
            self.run(500);
        }
        checkers::after_healing(self);
    }

    /// Everyone reads back to the beginning.
    pub fn read_back(&mut self) {
        for client in 0..self.clients.len() {
            for _ in 0..200 {
                if self.clients[client].session.view().earlier == Earlier::None {
                    break;
                }
                self.intend(client, Intent::ShowEarlier);
                self.run(200);
            }
        }
    }

    /// Takes out of the log what the archive has, but nothing a seat in use needs.
    fn trim_log(&mut self) {
        let joined = |server: &crate::server::Server| server.room.oldest_joined();
        let needed = self.nodes.iter().filter_map(|node| node.server.as_ref().and_then(joined)).min();
        self.log.trim(needed.unwrap_or(u64::MAX));
    }
}

/// A call of so many people on one server.
pub fn call_of(n: usize) -> World {
    call_over(n, 1)
}

/// The same over several server nodes.
pub fn call_over(n: usize, nodes: usize) -> World {
    let mut world = World::new(1, std::env::var("SIM_TRACE").is_ok(), nodes);
    for _ in 0..n {
        let client = world.add_client();
        world.enter(client);
        world.run(500);
    }
    world.run(1_000);
    checkers::after_healing(&world);
    world
}

#[test]
fn eight_people_meet() {
    let mut world = call_of(8);
    for client in 0..8 {
        world.say(client);
    }
    world.run(1_000);
    checkers::after_healing(&world);
}

#[test]
fn a_server_crash_leaves_media_alone_and_loses_no_message() {
    let mut world = call_of(3);
    let before: Vec<_> = world.clients.iter().map(|c| c.pcs.keys().copied().collect::<Vec<_>>()).collect();
    world.crash_all();
    world.run(500);
    for client in 0..3 {
        world.say(client);
        assert!(matches!(world.clients[client].session.view().link, LinkView::Offline { .. }));
        assert!(world.clients[client].session.view().tiles.iter().all(|tile| tile.path == MediaPath::Live));
    }
    world.run(8_000);
    world.start_all();
    world.run(6_000);
    checkers::after_healing(&world);
    let after: Vec<_> = world.clients.iter().map(|c| c.pcs.keys().copied().collect::<Vec<_>>()).collect();
    assert_eq!(before, after, "no connection was renegotiated");
}

#[test]
fn a_cut_socket_comes_back_within_a_second() {
    let mut world = call_of(2);
    let conn = world.sockets_of(0)[0];
    world.break_socket(conn);
    world.run(300 + Limits::RETRY_FIRST_MS + 200);
    checkers::after_healing(&world);
}

#[test]
fn a_reload_keeps_the_seat_and_the_grid() {
    let mut world = call_of(2);
    let seat = world.clients[1].seat();
    world.intend(1, Intent::ToggleCamera);
    world.reload(1);
    world.run(1_500);
    checkers::after_healing(&world);
    assert_eq!(world.clients[1].seat(), seat);
    let seen = &world.clients[0].session.view().tiles[0];
    assert!(seen.audio && !seen.video, "what was off stays off");
    assert_eq!(world.log.ever.len(), 2, "nobody left or joined in the log");
}

#[test]
fn a_silent_person_leaves_and_returns_to_the_same_seat() {
    let mut world = call_of(3);
    let seat = world.clients[2].seat();
    let conn = world.sockets_of(2)[0];
    world.online = false; // New sockets do not open; the others' stay.
    world.break_socket(conn);
    world.run(Limits::LEFT_AFTER_MS + 1_000);
    assert_eq!(world.clients[0].session.view().tiles.len(), 1, "given up");
    world.online = true;
    world.run(10_000);
    checkers::after_healing(&world);
    assert_eq!(world.clients[2].seat(), seat);
}

#[test]
fn a_lost_media_path_is_repaired_when_it_opens_again() {
    let mut world = call_of(2);
    world.cut.push((0, 1, Obstacle::Wall));
    world.run(40_000);
    assert_eq!(world.clients[0].session.view().tiles[0].path, MediaPath::Recovering);
    world.cut.clear();
    world.run(16_000);
    checkers::after_healing(&world);
}

#[test]
fn a_ninth_person_is_told_that_the_room_is_full() {
    let mut world = call_of(8);
    let ninth = world.add_client();
    world.enter(ninth);
    world.run(2_000);
    world.clients[ninth].wants_in = false;
    assert_eq!(
        world.clients[ninth].session.view().ending(),
        Some("This call is full. Eight people are in it already.")
    );
    checkers::after_healing(&world);
}

/// How long until both see each other again, and the highest rung on the way.
fn until_live(world: &mut World, within_ms: u64) -> (u64, Rung) {
    let (mut highest, mut ms) = (Rung::Clear, 0);
    loop {
        world.run(50);
        ms += 50;
        let views = [world.clients[0].session.view(), world.clients[1].session.view()];
        highest = views.iter().map(|view| view.tiles[0].rung).max().expect("two").max(highest);
        if views.iter().all(|view| view.tiles[0].path != MediaPath::Recovering) {
            return (ms, highest);
        }
        assert!(ms < within_ms, "not back within {within_ms} ms, at {highest:?}");
    }
}

/// Each obstacle gives way to one rung only: without that rung the path would never come back.
#[test]
fn each_rung_of_the_ladder_helps_where_only_it_can() {
    for (rung, within_ms) in
        [(Rung::Restart, 9_000), (Rung::Rebuild, 26_000), (Rung::RelayOnly, 40_000), (Rung::AudioOnly, 55_000)]
    {
        let mut world = call_of(2);
        let (a, b) =
            (world.clients[0].pcs.iter().next().expect("one"), world.clients[1].pcs.values().next().expect("one"));
        let obstacle = match rung {
            Rung::Clear | Rung::Wait => Obstacle::Wall,
            Rung::Restart => Obstacle::Stale(a.1.session(), b.session()),
            Rung::Rebuild => Obstacle::Worn(a.0.1),
            Rung::RelayOnly => Obstacle::Direct,
            Rung::AudioOnly => Obstacle::Narrow,
        };
        world.cut.push((0, 1, obstacle));
        world.run(2_500);
        let (ms, highest) = until_live(&mut world, within_ms);
        assert_eq!(highest, rung, "after {ms} ms");
        println!("{rung:?}: back after {} ms", ms + 2_500);
    }
}

#[test]
fn what_passes_by_itself_within_four_seconds_restarts_nothing() {
    let mut world = call_of(2);
    let before = world.clients[0].pcs.values().next().expect("one").session();
    world.cut.push((0, 1, Obstacle::Wall));
    world.run(4_000);
    assert_eq!(world.clients[0].session.view().tiles[0].path, MediaPath::Recovering, "it is shown");
    world.cut.clear();
    let (ms, highest) = until_live(&mut world, 1_000);
    assert_eq!(
        (highest <= Rung::Wait, before),
        (true, world.clients[0].pcs.values().next().expect("one").session()),
        "{ms}"
    );
}

#[test]
fn a_changed_network_is_restarted_at_once() {
    let mut world = call_of(2);
    let a = world.clients[0].pcs.values().next().expect("one").session();
    let b = world.clients[1].pcs.values().next().expect("one").session();
    world.cut.push((0, 1, Obstacle::Stale(a, b)));
    let conn = world.sockets_of(0)[0];
    world.break_socket(conn);
    world.run(1_000);
    let (ms, highest) = until_live(&mut world, 2_000);
    assert_eq!(highest, Rung::Restart, "{ms}");
}

/// The server is gone, and one path needs a restart: the third person's page carries the signals.
#[test]
fn without_a_server_a_path_is_repaired_through_the_third_person() {
    let mut world = call_of(3);
    world.crash_all();
    world.run(1_000);
    let (me, them) = (world.clients[0].seat(), world.clients[1].seat());
    let end = |world: &World, client: usize, of| {
        world.clients[client].pcs.iter().find(|((peer, _), _)| Some(*peer) == of).expect("one").1.session()
    };
    let (a, b) = (end(&world, 0, them), end(&world, 1, me));
    world.cut.push((0, 1, Obstacle::Stale(a, b)));
    let path = |world: &World| {
        let tiles = world.clients[0].session.view().tiles;
        tiles.iter().find(|tile| Some(tile.peer) == them).expect("there").path
    };
    world.run(10_000);
    assert_eq!(path(&world), MediaPath::Live);
    assert!(matches!(world.clients[0].session.view().link, LinkView::Offline { .. }), "all of it without a server");
}

#[test]
fn without_a_server_people_read_each_other_and_nothing_is_stored_twice() {
    let mut world = call_of(3);
    world.crash_all();
    world.run(500);
    for client in [0, 1, 0] {
        world.say(client);
        world.run(200);
    }
    for client in 0..3 {
        let view = world.clients[client].session.view();
        assert_eq!(view.chat.len(), 3, "everyone has read everything");
        assert!(view.chat.iter().all(|line| line.status() == ChatStatus::Pending), "and knows that it is not stored");
    }
    world.intend(0, Intent::ToggleMicrophone);
    world.run(200);
    let seat = world.clients[0].seat();
    let heard = world.clients[1].session.view().tiles;
    assert!(heard.iter().any(|tile| Some(tile.peer) == seat && !tile.audio), "who mutes is seen to be mute");
    let unread = world.clients[2].session.view().unread;
    assert_eq!(unread, 3);
    world.start_all();
    world.run(8_000);
    checkers::after_healing(&world);
    assert_eq!(world.clients[2].session.view().unread, 3, "what was read is not news again");
}

#[test]
fn somebody_who_leaves_while_the_server_is_away_is_seen_to_leave() {
    let mut world = call_of(3);
    world.crash_all();
    world.run(500);
    world.clients[2].wants_in = false;
    world.intend(2, Intent::Leave);
    world.run(200);
    assert_eq!(world.clients[0].session.view().tiles.len(), 1);
    world.start_all();
    world.run(Limits::LEFT_AFTER_MS + 6_000);
    checkers::after_healing(&world);
}
