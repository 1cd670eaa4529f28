//! Several servers over one log: everyone hears everyone, seats move, and a dying node takes nothing along.

mod support;

use holdfast::view::Phase;
use holdfast::wire::CloseCode;
use std::time::{Duration, Instant};
use support::cluster::{Cluster, figure, report, times};
use support::page::Page;
use support::room;

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

const SOON: Duration = Duration::from_secs(10);

/// D1: two nodes, many authors: the same gapless numbers for everyone.
#[tokio::test(flavor = "multi_thread")]
async fn everyone_on_every_node_sees_the_same_in_the_same_order() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (hall, each) = (room("fault-d1"), times(60, 1_000));
    let addrs = cluster.addrs();
    let pages: Vec<Page> = (0..8).map(|n| Page::open(&format!("p{n}"), &hall, &addrs[n % 2..=n % 2])).collect();
    for page in &pages {
        page.joined().await;
    }
    let began = Instant::now();
    for n in 0..each {
        for page in &pages {
            page.say(&format!("{} says {n}", page.name));
        }
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    let all = each * pages.len();
    for page in &pages {
        page.until("everything arrived", Duration::from_secs(60), |page| page.shown() == all && page.pending() == 0)
            .await;
    }
    let took = began.elapsed();
    cluster.drained(Duration::from_secs(30)).await;
    let written = cluster.prove(&hall, &pages.iter().collect::<Vec<_>>()).await;
    assert_eq!(written.acked.len(), all);
    report(
        "D1",
        &format!("{all} messages by 8 on 2 nodes in {} ms; written to stored", took.as_millis()),
        pages.iter().flat_map(|page| page.shared.lock().expect("no panic").took_ms.clone()).collect(),
    );
}

/// A seat that reconnects to another server takes over: nobody sees it leave, nobody sees it twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_seat_moves_to_another_server_and_nobody_sees_a_ghost() {
    let Some(mut cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("moving"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs[..1]);
    let ben = Page::open("ben", &hall, &addrs[1..]);
    ana.joined().await;
    ben.joined().await;
    ana.until("sees ben", SOON, |page| page.view().tiles.len() == 1 && page.view().tiles[0].here).await;
    ben.until("sees ana", SOON, |page| page.view().tiles.len() == 1 && page.view().tiles[0].here).await;
    let seat = ana.view().me.peer;
    ana.move_to(&addrs[1..]);
    cluster.nodes[0].kill().await;
    let took = ana
        .until("on the other server", SOON, |page| page.is_in() && page.shared.lock().expect("no panic").sockets > 1)
        .await;
    assert!(took < figure(2_000), "{took:?}");
    assert_eq!(ana.view().me.peer, seat, "the same seat");
    ana.say("still here");
    ben.until("hears it", SOON, |page| page.shown() == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    for page in [&ana, &ben] {
        let view = page.view();
        assert_eq!(view.tiles.len(), 1, "{}: one other person", page.name);
        assert!(view.tiles[0].here, "{}: who is here", page.name);
    }
}

/// A duplicate of a seat on another server closes the first, and says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_newer_of_two_sockets_on_two_servers_has_the_seat() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("fencing"), cluster.addrs());
    let first = Page::open("ana", &hall, &addrs[..1]);
    first.joined().await;
    let ben = Page::open("ben", &hall, &addrs[..1]);
    ben.joined().await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let copy = first.view().me.peer;
    let twin = first.twin(&addrs[1..]);
    twin.joined().await;
    assert_eq!(twin.view().me.peer, copy, "the same seat");
    first.until("was told", SOON, |page| page.view().phase == Phase::Ended(CloseCode::Replaced)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(ben.view().tiles.iter().filter(|tile| Some(tile.peer) == copy).count(), 1, "one ana, no ghost");
}

/// People on a node that dies without a word are shown as away by 6 s and as gone by 13 s, by the nodes that live.
#[tokio::test(flavor = "multi_thread")]
async fn who_was_on_a_dead_node_is_away_and_then_gone() {
    let Some(mut cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("dead-node"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs[..1]);
    let ben = Page::open("ben", &hall, &addrs[1..]);
    ana.joined().await;
    ben.joined().await;
    ben.until("sees ana", SOON, |page| page.view().tiles.len() == 1 && page.view().tiles[0].here).await;
    drop(ana);
    cluster.nodes[0].kill().await;
    let away =
        ben.until("ana is away", Duration::from_secs(20), |page| page.view().tiles.iter().all(|tile| !tile.here)).await;
    let gone = ben.until("ana is gone", Duration::from_secs(25), |page| page.view().tiles.is_empty()).await;
    assert!(away <= figure(8_500), "away after {away:?}");
    assert!(away + gone <= figure(16_000), "gone after {:?}", away + gone);
}

/// C2: one of two nodes is killed under load.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_killed_under_load_loses_nothing() {
    let Some(mut cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("fault-c2"), cluster.addrs());
    let pages: Vec<Page> = (0..6).map(|n| Page::open(&format!("p{n}"), &hall, &addrs)).collect();
    for page in &pages {
        page.joined().await;
    }
    let mut moved = vec![];
    let mut on_the_other = vec![];
    let sockets = |page: &Page| page.shared.lock().expect("no panic").sockets;
    for round in 0..times(2, 20) {
        let victim = round % 2;
        let (mut back, mut before, mut killed) = (std::collections::BTreeMap::new(), vec![], Instant::now());
        for n in 0..40 {
            for page in &pages {
                page.say(&format!("{round} {n}"));
            }
            if n == 10 {
                before = pages.iter().map(sockets).collect();
                cluster.nodes[victim].kill().await;
                killed = Instant::now();
            }
            for (at, page) in pages.iter().enumerate().filter(|_| n >= 10) {
                if !back.contains_key(&at) && sockets(page) > before[at] && page.is_in() {
                    back.insert(at, ms(killed.elapsed()));
                }
            }
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        on_the_other.extend(back.into_values());
        let began = Instant::now();
        for page in &pages {
            page.until("everything is stored", Duration::from_secs(20), |page| page.is_in() && page.pending() == 0)
                .await;
        }
        moved.push(ms(began.elapsed()));
        cluster.nodes[victim].start().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let all: usize = pages.iter().map(|page| page.shared.lock().expect("no panic").sent.len()).sum();
    for page in &pages {
        page.until("everything arrived", SOON, |page| page.shown() == all).await;
    }
    cluster.drained(Duration::from_secs(40)).await;
    let written = cluster.prove(&hall, &pages.iter().collect::<Vec<_>>()).await;
    assert_eq!(written.acked.len(), all, "nothing was given up");
    on_the_other.sort_unstable();
    assert!(!on_the_other.is_empty(), "somebody was on the node that died");
    let p95 = on_the_other[(on_the_other.len() - 1) * 95 / 100];
    assert!(Duration::from_millis(p95) <= figure(2_000), "on the other node after {on_the_other:?}");
    report("C2", "a node killed; until its people are in the room on the other", on_the_other);
    report(
        "C2",
        &format!("{all} messages, a node killed {} times; after the last word until all is stored", moved.len()),
        moved,
    );
}

/// C1: a rolling restart with SIGTERM.
#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_loses_nothing_and_everyone_is_back_soon() {
    let Some(mut cluster) = Cluster::start(2).await else { return };
    let addrs = cluster.addrs();
    let (rooms, each) = (times(10, 63), 8);
    let mut pages = vec![];
    for n in 0..rooms {
        let hall = room(&format!("c1-{n}"));
        pages.extend((0..each).map(|p| Page::open(&format!("r{n}p{p}"), &hall, &addrs)));
    }
    for page in &pages {
        page.joined().await;
    }
    let mut back = vec![];
    for node in 0..2 {
        for page in &pages {
            page.say(&format!("before {node}"));
        }
        let ended = cluster.nodes[node].terminate().await;
        assert!(ended < Duration::from_secs(10), "ended after {ended:?}");
        let began = Instant::now();
        for page in &pages {
            page.until("back", Duration::from_secs(20), |page| page.is_in() && page.pending() == 0).await;
        }
        back.push(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        cluster.nodes[node].start().await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    for page in &pages {
        page.until("heard all", SOON, |page| page.shown() == 2 * each).await;
    }
    for n in 0..rooms {
        let some: Vec<&Page> = pages.iter().filter(|page| page.name.starts_with(&format!("r{n}p"))).collect();
        cluster.drained(Duration::from_secs(30)).await;
        cluster.prove(&room(&format!("c1-{n}")), &some).await;
    }
    assert!(back.iter().all(|ms| Duration::from_millis(*ms) <= figure(5_000)), "{back:?}");
    report(
        "C1",
        &format!("{} sockets, two nodes restarted one after the other; until everyone is back", pages.len()),
        back,
    );
}
