//! Redis away and back on two nodes, in every durability: links stay, nothing flips, nobody is torn down, chat drains.

mod support;

use holdfast::rng::Rng;
use holdfast::wire::{Body, Entry, Name};
use holdfast::{ChatId, Offset, PeerId};
use netlab::proxy::Fault;
use server::log::RoomLog;
use std::time::{Duration, Instant};
use support::cluster::{Cluster, report};
use support::page::Page;
use support::{room, stores};

const SOON: Duration = Duration::from_secs(20);
/// How long Redis is away: past every deadline that a node or a page has for it.
const AWAY: Duration = Duration::from_secs(14);

/// What an outage cost the people of one room on two nodes.
struct Cost {
    closes: usize,
    welcomes: u32,
    back_ms: u64,
}

fn sum<T: std::iter::Sum>(pages: &[&Page], of: impl Fn(&support::page::Shared) -> T) -> T {
    pages.iter().map(|page| of(&page.shared.lock().expect("no panic"))).sum()
}

/// These pages have no media; that living connections stay is shown by the simulator (`tests/sim/stores.rs`).
async fn outage(name: &str, mut cluster: Cluster, hangs: bool) -> Cost {
    let (hall, addrs) = (room(name), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs[..1]);
    let ben = Page::open("ben", &hall, &addrs[1..]);
    let pages = [&ana, &ben];
    for page in pages {
        page.joined().await;
    }
    for page in pages {
        page.until("sees the other", SOON, |page| page.view().tiles.len() == 1 && page.view().tiles[0].here).await;
    }
    ana.say("before");
    ben.until("heard", SOON, |page| page.shown() == 1).await;
    // The first seconds of an outage are not in what is remembered of the other node.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let (closes, welcomes) = (sum(&pages, |one| one.closes.len()), sum(&pages, |one| one.welcomes));
    if hangs {
        cluster.redis.process.hang();
    } else {
        cluster.redis.process.kill();
    }
    let began = Instant::now();
    ana.say("meanwhile of ana");
    ben.say("meanwhile of ben");
    let newcomer = Page::open("cleo", &room(&format!("{name}-2")), &addrs[..1]);
    while began.elapsed() < AWAY {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(newcomer.view().store_away, "who comes now is told why nobody gets in");
    if hangs {
        cluster.redis.process.go_on();
    } else {
        cluster.redis.process.start();
    }
    let back = Instant::now();
    for page in pages {
        page.until("everything stored", SOON, |page| page.is_in() && page.pending() == 0).await;
    }
    let back_ms = ms(back.elapsed());
    newcomer.joined().await;
    assert!(!newcomer.view().store_away);
    for page in pages {
        page.until("reads everything", SOON, |page| page.view().chat.len() == 3).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    for page in pages {
        assert_eq!(page.view().tiles.len(), 1, "{}: nobody left", page.name);
        assert!(page.view().tiles[0].here, "{}: who is here", page.name);
    }
    cluster.drained(SOON).await;
    let cost = Cost {
        closes: sum(&pages, |one| one.closes.len()) - closes,
        welcomes: sum(&pages, |one| one.welcomes) - welcomes,
        back_ms,
    };
    let what = format!(
        "{name}: Redis away for {} s, two nodes, two pages: {} closes, {} welcomes; back",
        AWAY.as_secs(),
        cost.closes,
        cost.welcomes
    );
    report("C3/C4 on two nodes", &what, vec![cost.back_ms]);
    cost
}

async fn costs_nothing(name: &str, redis: &[&str], hangs: bool) {
    let Some(cluster) = Cluster::start_on(2, stores::Redis::start_with(redis), &[]).await else { return };
    let cost = outage(name, cluster, hangs).await;
    assert_eq!((cost.closes, cost.welcomes), (0, 0), "links stay");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_syncs_every_append_goes_and_comes_back_on_two_nodes() {
    costs_nothing("outage-always", &["--appendonly", "yes", "--appendfsync", "always"], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_syncs_every_second_goes_and_comes_back_on_two_nodes() {
    costs_nothing("outage-everysec", &["--appendonly", "yes", "--appendfsync", "everysec"], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_keeps_nothing_goes_and_comes_back_on_two_nodes() {
    costs_nothing("outage-no-aof", &["--appendonly", "no"], false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_and_goes_on_on_two_nodes() {
    costs_nothing("outage-hangs", &["--appendonly", "yes", "--appendfsync", "always"], true).await;
}

/// A backlog over many rooms: a batch that does not fit its deadline is cut until it does.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_over_2000_rooms_drains_over_a_slow_way_to_the_archive() {
    const ROOMS: usize = 2_000;
    let Some(cluster) = Cluster::start(1).await else { return };
    let Some(to_mongo) = cluster.nodes[0].to_mongo.as_ref() else { return };
    to_mongo.set(Fault::Hang);
    let redis = server::redis::Redis::new(&cluster.redis.url(), "holdfast").expect("a URL");
    let stop = tokio_util::sync::CancellationToken::new();
    let log = server::redis::log::RedisLog::start(&redis, 0, &stop);
    let at = server::clock::now();
    let append = |n: usize| {
        let entry = Entry::Chat {
            id: ChatId::mint(at, &mut Rng::new(n as u64)),
            peer: PeerId::from_bits(n as u64),
            name: Name::new("Ana").expect("valid"),
            body: Body::new("of many rooms").expect("valid"),
            at,
        };
        log.append(&format!("backlog-{n}").parse().expect("a valid code"), entry, Offset::default())
    };
    for some in (0..ROOMS).collect::<Vec<_>>().chunks(50) {
        for done in futures::future::join_all(some.iter().map(|n| append(*n))).await {
            done.expect("stored");
        }
    }
    let depth = cluster.nodes[0].overview().await["queue"]["depth"].as_u64();
    assert_eq!(depth, Some(ROOMS as u64), "all of it waits");
    to_mongo.set(Fault::Delay(Duration::from_millis(2)));
    // How long it takes is the archive's affair; a batch that wedges drains nothing at all.
    let (began, mut least, mut moved) = (Instant::now(), ROOMS as u64, Instant::now());
    while least > 0 {
        let overview = cluster.nodes[0].overview().await;
        if let (true, Some(depth)) = (overview["queue"]["answers"] == true, overview["queue"]["depth"].as_u64())
            && depth < least
        {
            (least, moved) = (depth, Instant::now());
        }
        assert!(moved.elapsed() < Duration::from_secs(30), "wedged with {least} waiting");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = began.elapsed();
    stop.cancel();
    report("C7", "2,000 entries of 2,000 rooms, 2 ms to the archive: drained", vec![ms(took)]);
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
