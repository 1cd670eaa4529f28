//! Thousands of pages lose their server at once and come back: spread, without the archive, and nobody else waits.

mod support;

use holdfast::Limits;
use netlab::proxy::Fault;
use std::sync::LazyLock;
use std::time::{Duration, Instant};
use support::cluster::{Cluster, figure, report, times};
use support::page::Page;
use support::{room, stores};
use tokio::runtime::Runtime;

/// Everybody comes from one address here, and one address would be told to slow down.
const NO_LIMITS: &[(&str, &str)] = &[
    ("HOLDFAST_CONNECTS_PER_S", "1000000"),
    ("HOLDFAST_JOINS_PER_S", "1000000"),
    ("HOLDFAST_SOCKETS_PER_ADDRESS", "1000000"),
];

/// Where those who stay and the proxies before the stores run: thousands of pages in one runtime would hold them up,
/// and each of those pages is a computer of its own.
static APART: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime starts"));

/// How the first node ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Terminated,
}

/// Seats `n` pages in rooms of eight on the first node, a few who talk on the second, ends the first, and watches.
async fn lose_a_node(end: End, fault: &str, n: usize) {
    let started = APART.spawn(Cluster::start_on(2, stores::Redis::start(), NO_LIMITS)).await;
    let Some(mut cluster) = started.expect("no panic") else { return };
    let addrs = cluster.addrs();
    let talk = room("herd-talk");
    let talkers: Vec<Page> = {
        let _apart = APART.enter();
        (0..4).map(|n| Page::open(&format!("talker {n}"), &talk, &addrs[1..])).collect()
    };
    let mut pages = vec![];
    let opened = Instant::now();
    for n in 0..n {
        pages.push(Page::open(&format!("p{n}"), &room(&format!("herd-{}", n / 8)), &addrs[..1]));
        if n % 100 == 99 {
            pages[n].joined().await;
        }
    }
    for page in pages.iter().chain(&talkers) {
        page.joined().await;
    }
    for page in &pages {
        page.move_to(&addrs[1..]); // As behind a balancer, which knows who lives.
    }
    // Messages of a room's first seconds are looked up in the archive, for its log may have forgotten them.
    tokio::time::sleep(Duration::from_millis(Limits::CLOCK_SLACK_MS + 1_000).saturating_sub(opened.elapsed())).await;
    let seats: Vec<_> = pages.iter().map(|page| page.view().me.peer).collect();
    let took = |page: &Page| page.shared.lock().expect("no panic").took_ms.clone();
    // Whoever comes back must not need the archive.
    for node in &cluster.nodes {
        node.to_mongo.as_ref().expect("with MongoDB").set(Fault::Hang);
    }
    let before: Vec<usize> = talkers.iter().map(|page| took(page).len()).collect();
    let (began, began_unix) = (Instant::now(), server::clock::now().as_unix());
    match end {
        End::Killed => cluster.nodes[0].kill().await,
        End::Terminated => {
            let ended = cluster.nodes[0].terminate().await;
            assert!(ended < Duration::from_secs(10), "ended after {ended:?}");
        }
    }
    let arrival =
        |page: &Page| page.shared.lock().expect("no panic").arrived.iter().copied().find(|at| *at >= began_unix);
    // Who is asked to come back later is: a node that ends spreads thousands over more than ten seconds.
    let within_ms = if end == End::Killed { 20_000 } else { 40_000 };
    let mut round = 0;
    loop {
        for page in &talkers {
            page.say(&format!("round {round}"));
        }
        round += 1;
        tokio::time::sleep(Duration::from_millis(200)).await;
        if pages.iter().all(|page| arrival(page).is_some() && page.is_in()) {
            break;
        }
        assert!(
            began.elapsed() < figure(within_ms),
            "{fault}: {} are back",
            pages.iter().filter(|page| page.is_in()).count()
        );
    }
    for page in &talkers {
        page.until("all is stored", Duration::from_secs(10), |page| page.pending() == 0).await;
    }
    let back: Vec<u64> = pages.iter().filter_map(arrival).map(|at| at - began_unix).collect();
    let said: Vec<u64> = talkers.iter().zip(&before).flat_map(|(page, n)| took(page).split_off(*n)).collect();
    // From the first to the last, empty tenths of a second counted too.
    let (first, last) = (back.iter().min().copied().unwrap_or(0), back.iter().max().copied().unwrap_or(0));
    let mut spread = vec![0_u64; usize::try_from((last - first) / 100 + 1).expect("seconds")];
    for ms in &back {
        spread[usize::try_from((ms - first) / 100).expect("seconds")] += 1;
    }
    let mean = back.len() as f64 / spread.len() as f64;
    let ratio = spread.iter().max().map_or(0.0, |most| *most as f64 / mean);
    let resumed = pages.iter().zip(&seats).filter(|(page, seat)| page.view().me.peer == **seat).count();
    println!("{fault}: {} pages, a tenth of a second each: {spread:?}, most to mean {ratio:.1}", pages.len());
    report(fault, "pages that lost their node; until they are in the room on the other", back);
    let mut sorted = said.clone();
    sorted.sort_unstable();
    let p99 = sorted[(sorted.len() - 1) * 99 / 100];
    println!("{fault}: messages of those who stayed, meanwhile: n={}, p99 {p99} ms", sorted.len());
    assert_eq!(resumed, pages.len(), "everybody has the seat they had");
    assert!(spread.len() >= 4, "nobody comes in one instant: {spread:?}");
    assert!(ratio <= 3.0 || pages.len() < 1_000, "{spread:?}");
    assert!(Duration::from_millis(p99) <= figure(250), "those who stayed waited {p99} ms");
    for page in pages.iter().chain(&talkers) {
        assert!(page.shared.lock().expect("no panic").violations.is_empty());
    }
}

/// F1: a node is killed.
#[tokio::test(flavor = "multi_thread")]
async fn a_herd_that_lost_its_node_comes_back_spread_and_without_the_archive() {
    lose_a_node(End::Killed, "F1", times(160, 5_000)).await;
}

/// C1 from the pages' side: a node is asked to end.
#[tokio::test(flavor = "multi_thread")]
async fn a_herd_whose_node_is_restarted_comes_back_spread() {
    lose_a_node(End::Terminated, "C1", times(160, 5_000)).await;
}
