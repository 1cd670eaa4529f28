//! Paths that never come, and pictures that do not: what one is told, and what is tried.

use crate::paths::Obstacle;
use crate::scenarios::call_of;
use crate::world::World;
use holdfast::Limits;
use holdfast::recovery::Rung;

#[test]
fn where_no_way_leads_to_anybody_one_is_told_and_nobody_waits_before_a_black_tile() {
    for relays_answer in [false, true] {
        let mut world = call_of(2);
        world.relays_answer = relays_answer;
        world.cut.push((0, 1, Obstacle::Wall));
        world.run(20_000);
        for client in 0..2 {
            let view = world.clients[client].session.view();
            let trouble = view.tiles[0].trouble();
            assert_eq!(trouble.contains("no relay answers"), !relays_answer, "{trouble}");
            assert!(!trouble.is_empty());
            assert_eq!(view.link_banner().contains("Nobody can be reached"), !relays_answer, "{}", view.link_banner());
        }
        world.heal_and_check();
        assert_eq!(world.clients[0].session.view().link_banner(), "");
    }
}

#[test]
fn that_another_network_died_is_not_blamed_on_this_one() {
    let mut world = call_of(2);
    world.relays_answer = false;
    world.cut_off.insert(1);
    for _ in 0..100 {
        world.run(300);
        let view = world.clients[0].session.view();
        assert!(!view.blocked, "{:?}", view.tiles);
    }
    world.heal_and_check();
}

#[test]
fn both_sides_know_that_a_path_never_came_whichever_of_them_tries_again() {
    for relays_answer in [true, false] {
        let mut world = World::new(3, std::env::var("SIM_TRACE").is_ok(), 1);
        world.relays_answer = relays_answer;
        for _ in 0..2 {
            let client = world.add_client();
            world.enter(client);
            world.run(500);
            world.cut.push((0, 1, Obstacle::Wall));
        }
        world.run(30_000);
        for client in 0..2 {
            let tile = world.clients[client].session.view().tiles[0].clone();
            assert!(tile.silent_s.is_some_and(|s| s >= 10) && tile.rung >= Rung::Rebuild, "{client}: {tile:?}");
            assert_eq!(tile.trouble().contains("no relay answers"), !relays_answer, "{}", tile.trouble());
        }
        world.heal_and_check();
    }
}

/// A network that comes and goes uses up the relay: each connection that was cut leaves its allocations behind.
#[test]
fn a_dead_relay_does_not_hold_back_a_call_that_has_a_direct_way() {
    for (client, times) in (0..2).flat_map(|client| (8..24).map(move |times| (client, times))) {
        for (answers, within_ms) in [(false, 25_000), (true, 60_000)] {
            let mut world = call_of(2);
            for n in 0..times {
                if n + 1 == times && answers {
                    world.cut.push((0, 1, Obstacle::Relayed));
                }
                world.relays_answer = answers || n + 1 < times;
                world.cut_off.insert(client);
                world.run(3_000);
                world.cut_off.clear();
                world.run(3_000);
            }
            world.run(within_ms);
            for one in 0..2 {
                let tile = world.clients[one].session.view().tiles[0].clone();
                let case = format!("{client} was cut off {times} times, answers {answers}");
                assert_eq!(tile.silent_s, None, "{case}; {one}: {}", tile.trouble());
            }
        }
    }
}

#[test]
fn pictures_that_stop_while_sound_goes_on_come_back_over_a_new_connection() {
    let mut world = call_of(2);
    let epoch = world.clients[0].pcs.keys().next().expect("connected").1;
    world.cut.push((0, 1, Obstacle::Blind(epoch)));
    world.run(4_000);
    assert!(world.clients[0].session.view().tiles[0].trouble().contains("no picture"));
    world.run(Limits::PICTURE_LOST_MS + 2_000);
    assert_eq!(world.clients[0].session.view().tiles[0].trouble(), "", "the obstacle is still there");
    assert!(world.clients[0].pcs.keys().all(|(_, now)| *now > epoch));
    world.heal_and_check();
}

#[test]
fn a_camera_that_gives_nothing_does_not_cost_connection_after_connection() {
    let mut world = call_of(2);
    let first = world.clients[0].pcs.keys().next().expect("connected").1.number();
    for _ in 0..200 {
        // As if the camera were dead: whatever connection there is carries sound alone.
        let epochs: Vec<_> = world.clients[0].pcs.keys().map(|(_, epoch)| *epoch).collect();
        world.cut = epochs.into_iter().map(|epoch| (0, 1, Obstacle::Blind(epoch))).collect();
        world.run(500);
    }
    let made = world.clients[0].pcs.keys().next().expect("connected").1.number();
    world.cut.clear();
    world.heal_and_check();
    // Both sides miss the other's pictures, and each tries by itself.
    assert!((1..=4).contains(&(made - first)), "{} connections in 100 s", made - first);
}
