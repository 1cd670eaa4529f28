//! Stores in trouble and clocks that differ: what it may cost a call, which is nothing.

use crate::checkers;
use crate::scenarios::call_over;
use crate::world::World;
use holdfast::view::MediaPath;
use holdfast::{PcEpoch, PeerId};

const MINUTE_MS: u64 = 60_000;
const HOUR_MS: u64 = 3_600_000;

fn connections(world: &World, client: usize) -> Vec<(PeerId, PcEpoch)> {
    world.clients[client].pcs.keys().copied().collect()
}

#[test]
fn a_page_that_was_offline_while_the_log_began_anew_keeps_its_connections() {
    let mut world = call_over(3, 1);
    let before: Vec<_> = (0..3).map(|client| connections(&world, client)).collect();
    world.online = false;
    for client in 0..3 {
        world.break_socket(world.sockets_of(client)[0]);
    }
    world.run(500);
    world.wipe_log();
    world.run(4_000); // The room signs its people in to the new life.
    world.online = true;
    world.run(8_000);
    checkers::after_healing(&world);
    let after: Vec<_> = (0..3).map(|client| connections(&world, client)).collect();
    assert_eq!(before, after, "a living connection was closed");
}

#[test]
fn a_reload_on_a_node_whose_clock_is_behind_connects_at_once() {
    for reloaded in 0..2 {
        let mut world = call_over(2, 2);
        world.crash(1);
        world.only_node = Some(0);
        world.run(6_000);
        world.nodes[1].behind_ms = HOUR_MS;
        world.start(1);
        world.run(1_000);
        for node in [1, 0, 1] {
            world.only_node = Some(node);
            world.reload(reloaded);
            world.run(2_500);
            let tiles = world.clients[1 - reloaded].session.view().tiles;
            assert_eq!(tiles[0].path, MediaPath::Live, "client {reloaded} came back on node {node}");
        }
        world.run(8_000);
        checkers::after_healing(&world);
    }
}

/// A token lives a minute here, and the call three.
#[test]
fn eight_people_keep_their_seats_over_a_restart_after_their_first_tokens_expired() {
    let mut world = call_over(8, 1);
    let seats: Vec<_> = (0..8).map(|client| world.clients[client].seat()).collect();
    world.renew_seats(0, MINUTE_MS);
    for client in 0..8 {
        world.reload(client); // Its first token was for ever; this one lives a minute.
        world.run(500);
    }
    for _ in 0..6 {
        world.renew_seats(0, MINUTE_MS);
        world.run(MINUTE_MS / 2);
    }
    world.crash_all();
    world.run(500);
    world.start_all();
    world.run(10_000);
    checkers::after_healing(&world);
    let after: Vec<_> = (0..8).map(|client| world.clients[client].seat()).collect();
    assert_eq!(seats, after);
}
