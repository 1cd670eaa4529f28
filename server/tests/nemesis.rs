//! Faults at random over everything at once, and a page that misses a thousand messages.

mod support;

use holdfast::rng::Rng;
use netlab::proxy::{Fault, Proxy};
use std::time::{Duration, Instant};
use support::cluster::{Cluster, figure, report, times};
use support::page::Page;
use support::room;

const SOON: Duration = Duration::from_secs(20);

/// A6: a page is cut off while others write a thousand messages.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_missed_messages_arrive_in_order() {
    let Some(cluster) = Cluster::start(1).await else { return };
    let (hall, addrs) = (room("fault-a6"), cluster.addrs());
    let (mut took, mut newcomers) = (vec![], vec![]);
    let all = times(1_000, 1_000);
    let away = Proxy::start(addrs[0]).await.expect("a free port");
    let pages: Vec<Page> = (0..5).map(|n| Page::open(&format!("p{n}"), &hall, &addrs)).collect();
    let ana = Page::open("ana", &hall, &[away.addr]);
    ana.joined().await;
    for page in &pages {
        page.joined().await;
    }
    for round in 1..=times(1, 5) {
        away.set(Fault::Hang);
        for n in 0..all / pages.len() {
            for page in &pages {
                page.say(&format!("{round} {n}"));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        for page in &pages {
            page.until_shown("stored", |page| page.pending() == 0 && page.shown() == all * round).await;
        }
        assert!(ana.shown() < all * round && away.hits() > 0, "the page was cut off");
        ana.until("noticed", SOON, |page| !page.is_in()).await;
        away.set(Fault::None);
        ana.until("resumed", SOON, Page::is_in).await;
        let replay = ana.until_shown("caught up", |page| page.shown() == all * round).await;
        // How fast this machine is: somebody new reads nearly as many (a page keeps the last thousand entries).
        let began = Instant::now();
        let new = Page::open("new", &hall, &addrs);
        new.until_shown("read by a newcomer", |page| page.shown() + 50 >= all).await;
        newcomers.push(began.elapsed());
        drop(new);
        took.push(u64::try_from(replay.as_millis()).unwrap_or(u64::MAX));
    }
    let mut everyone: Vec<&Page> = pages.iter().collect();
    everyone.push(&ana);
    cluster.drained(SOON).await;
    cluster.prove(&hall, &everyone).await;
    let in_time = |(ms, new): (&u64, &Duration)| Duration::from_millis(*ms) <= figure(2_000).max(*new * 3);
    assert!(took.iter().zip(&newcomers).all(in_time), "{took:?}, newcomers {newcomers:?}");
    report("A6", &format!("{all} messages missed; from being back until all are there, in order"), took);
}

/// D3: kills, pauses, cuts and reloads at random under load; afterwards nothing acknowledged is lost, doubled,
/// reordered or invented.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_under_any_mix_of_faults() {
    let given = std::env::var("NEMESIS_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    // The short form repeats one mix; the long form finds new ones.
    let seed = given.unwrap_or_else(|| if times(0, 1) == 1 { rand::random() } else { 7 });
    println!("D3: NEMESIS_SEED={seed}");
    let Some(mut cluster) = Cluster::start(2).await else { return };
    let mut rng = Rng::new(seed);
    let (hall, addrs) = (room("fault-d3"), cluster.addrs());
    let mut pages: Vec<Page> = (0..6)
        // Clocks that are a day off, either way, and some that are right.
        .map(|n| Page::open_skewed(&format!("p{n}"), &hall, &addrs, [0, 86_400_000, -86_400_000][n % 3]))
        .collect();
    for page in &pages {
        page.joined().await;
    }
    let until = Instant::now() + Duration::from_secs(times(25, 1_800) as u64);
    let mut faults = std::collections::BTreeMap::new();
    let (mut round, mut calm_at) = (0_u64, Instant::now());
    while Instant::now() < until {
        round += 1;
        for page in &pages {
            if page.pending() < 150 {
                page.say(&format!("{} {round}", page.name));
            }
        }
        tokio::time::sleep(Duration::from_millis(55)).await;
        if Instant::now() < calm_at {
            continue;
        }
        let (node, page) = (rng.below(2) as usize, rng.below(6) as usize);
        let ms = |n| Duration::from_millis(n);
        let name = match rng.below(9) {
            0 => {
                cluster.nodes[node].kill().await;
                tokio::time::sleep(ms(rng.below(1_500))).await;
                cluster.nodes[node].start().await;
                "node killed"
            }
            1 => {
                cluster.nodes[node].hang();
                tokio::time::sleep(ms(500 + rng.below(3_000))).await;
                cluster.nodes[node].go_on();
                "node paused"
            }
            2 => {
                cluster.redis.process.hang();
                tokio::time::sleep(ms(500 + rng.below(3_000))).await;
                cluster.redis.process.go_on();
                "Redis paused"
            }
            3 => {
                cluster.redis.process.kill();
                tokio::time::sleep(ms(rng.below(1_500))).await;
                cluster.redis.process.start();
                "Redis killed"
            }
            4 => {
                if let Some(mongo) = cluster.mongo.as_mut().and_then(|mongo| mongo.process.as_mut()) {
                    mongo.kill();
                    tokio::time::sleep(ms(rng.below(2_000))).await;
                    mongo.start();
                }
                "MongoDB killed"
            }
            5 => {
                cluster.nodes[node].to_redis.set(Fault::Reset);
                tokio::time::sleep(ms(rng.below(2_000))).await;
                cluster.nodes[node].to_redis.set(Fault::None);
                "Redis reset"
            }
            6 => {
                cluster.nodes[node].to_redis.set(Fault::DropReplies(4));
                tokio::time::sleep(ms(rng.below(2_000))).await;
                cluster.nodes[node].to_redis.set(Fault::None);
                "Redis replies dropped"
            }
            7 => {
                if let Some(to_mongo) = &cluster.nodes[node].to_mongo {
                    to_mongo.set(Fault::CutAfter(20_000));
                    tokio::time::sleep(ms(rng.below(2_000))).await;
                    to_mongo.set(Fault::None);
                }
                "MongoDB cut"
            }
            _ => {
                let old = pages.remove(page);
                pages.insert(page, old.reload());
                "page reloaded"
            }
        };
        println!("{} {name}, node {node}, page {page}", server::clock::now().as_unix());
        *faults.entry(name).or_insert(0) += 1;
        calm_at = Instant::now() + ms(rng.below(800));
    }
    for page in &pages {
        page.until("everything stored", Duration::from_secs(60), |page| page.is_in() && page.pending() == 0).await;
    }
    let all: usize = pages.iter().map(|page| page.shared.lock().expect("no panic").sent.len()).sum();
    for page in &pages {
        page.read_back().await;
        page.until("everything heard", Duration::from_secs(60), |page| page.shown() >= all).await;
    }
    cluster.drained(Duration::from_secs(60)).await;
    let written = cluster.prove(&hall, &pages.iter().collect::<Vec<_>>()).await;
    println!(
        "D3: {} of {all} acknowledged, 0 lost, doubled, reordered or invented, under {faults:?}",
        written.acked.len()
    );
}
