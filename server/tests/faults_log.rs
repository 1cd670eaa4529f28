//! Redis fails in every way it can: nothing acknowledged is lost, nothing is acknowledged that is not stored, and
//! everyone is told what they cannot have.

mod support;

use netlab::proxy::{Fault, Proxy};
use server::log::RoomLog;
use server::redis::{Redis, log::RedisLog};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::cluster::{Cluster, figure, report, times};
use support::page::Page;
use support::{room, stores};

const SOON: Duration = Duration::from_secs(10);

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

async fn two_in(cluster: &Cluster, name: &str) -> (holdfast::RoomId, Page, Page) {
    let (hall, addrs) = (room(name), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs[..1]);
    let ben = Page::open("ben", &hall, &addrs[addrs.len() - 1..]);
    ana.joined().await;
    ben.joined().await;
    (hall, ana, ben)
}

/// C3: Redis is killed and comes back; then the same with the power cut, so that what was not synced is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_crashes_or_loses_power_loses_nothing_acknowledged() {
    let Some(redis) = stores::Redis::start_recorded("always") else { return };
    let Some(mut cluster) = Cluster::start_on(1, redis, &[]).await else { return };
    let (hall, ana, ben) = two_in(&cluster, "fault-c3").await;
    let mut back = vec![];
    let mut all = 0;
    for round in 0..times(2, 20) {
        for n in 0..60 {
            ana.say(&format!("{round} {n}"));
            all += 1;
            if n == 30 && round % 2 == 0 {
                cluster.redis.process.kill();
            } else if n == 30 {
                cluster.redis.lose_power();
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert!(ana.pending() > 0, "messages wait while there is no log");
        tokio::time::sleep(Duration::from_millis(1_000)).await;
        cluster.redis.process.start();
        back.push(ms(ana.until("all stored", SOON, |page| page.pending() == 0).await));
    }
    ben.until("heard all", SOON, |page| page.shown() == all).await;
    assert_eq!(ana.shared.lock().expect("no panic").resyncs, 0, "a log that lost nothing goes on");
    cluster.drained(SOON).await;
    cluster.prove(&hall, &[&ana, &ben]).await;
    assert!(back.iter().all(|ms| Duration::from_millis(*ms) <= figure(5_000)), "{back:?}");
    report("C3", "Redis (appendfsync always) killed or without power; from its return until all is stored", back);
}

/// The control of C3: what `everysec` can lose is lost, noticed, and told.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_lost_its_end_begins_anew_and_says_so() {
    let Some(redis) = stores::Redis::start_recorded("everysec") else { return };
    let Some(mut cluster) = Cluster::start_on(1, redis, &[]).await else { return };
    let (_, ana, ben) = two_in(&cluster, "fault-c3-control").await;
    let mut lost = 0;
    for round in 0..4 {
        for n in 0..40 {
            ana.say(&format!("{round} {n}"));
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
        ana.until("all stored", SOON, |page| page.pending() == 0).await;
        cluster.drained(SOON).await;
        lost += cluster.redis.lose_power();
        cluster.redis.process.start();
        ana.say(&format!("after {round}"));
        ana.until("stored again", SOON, |page| page.pending() == 0).await;
        if lost > 0 {
            break;
        }
    }
    println!("C3 control: everysec lost {lost} bytes of the log");
    for page in [&ana, &ben] {
        page.until("was told", SOON, |page| page.shared.lock().expect("no panic").resyncs > 0).await;
        page.read_back().await;
    }
    // The archive had everything, so everyone reads it there, under a new life of the log.
    let all = ana.shared.lock().expect("no panic").sent.len();
    for page in [&ana, &ben] {
        page.until("reads everything", SOON, |page| page.view().chat.len() == all).await;
    }
    assert_eq!(ana.view().tiles.len(), 1, "nobody was thrown out");
}

/// C4: Redis hangs for ten seconds.
#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_holds_nobody_up() {
    let Some(cluster) = Cluster::start(1).await else { return };
    let (hall, ana, ben) = two_in(&cluster, "fault-c4").await;
    ana.say("before");
    ben.until("heard", SOON, |page| page.shown() == 1).await;
    cluster.redis.process.hang();
    let began = Instant::now();
    ana.say("meanwhile");
    let mut unready = None;
    let mut worst = Duration::ZERO;
    while began.elapsed() < Duration::from_millis(times(6_000, 10_000) as u64) {
        let asked = Instant::now();
        if !cluster.nodes[0].ready().await {
            unready.get_or_insert(began.elapsed());
        }
        worst = worst.max(asked.elapsed());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let unready = unready.expect("not ready without its log");
    assert!(unready <= figure(3_000), "{unready:?}");
    assert!(worst <= figure(2_500), "an answer took {worst:?}");
    assert_eq!((ana.pending(), ana.is_in(), ben.is_in()), (1, true, true), "the link stays, the message waits");
    assert_eq!(ana.view().tiles.len(), 1);
    assert_eq!(ana.view().chat_note(), "Messages will be saved when the server is back.");
    cluster.redis.process.go_on();
    let back = ana.until("stored", SOON, |page| page.pending() == 0).await;
    ben.until("heard", SOON, |page| page.shown() == 2).await;
    assert!(back <= figure(5_000), "{back:?}");
    assert_eq!(ana.view().chat_note(), "");
    cluster.drained(SOON).await;
    cluster.prove(&hall, &[&ana, &ben]).await;
    report("C4", "Redis hangs; from its return until the message is stored", vec![ms(back)]);
    report("C4", "not ready after", vec![ms(unready)]);
}

/// C5: one of two nodes is cut off from Redis.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_cut_off_from_redis_sends_its_people_to_the_other() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("fault-c5"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs[..1]);
    let ben = Page::open("ben", &hall, &addrs[1..]);
    // Never moves: whatever the node that is cut off still answers goes to her.
    let eve = Page::open("eve", &room("fault-c5-stays"), &addrs[..1]);
    for page in [&ana, &ben, &eve] {
        page.joined().await;
    }
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    ana.move_to(&[addrs[1]]); // As a load balancer would, which asks /readyz.
    cluster.nodes[0].to_redis.set(Fault::Hang);
    let began = Instant::now();
    ana.say("while cut off");
    ana.until("stored by the other node", SOON, |page| page.shown() == 1).await;
    let shed = began.elapsed();
    assert!(shed <= figure(6_000), "{shed:?}");
    assert!(!cluster.nodes[0].ready().await);
    ben.say("answer");
    ana.until("heard", SOON, |page| page.shown() == 2).await;
    let acked = |page: &Page| page.shared.lock().expect("no panic").acked.len();
    while began.elapsed() < Duration::from_secs(times(7, 30) as u64) {
        let before = (began.elapsed(), acked(&eve));
        eve.say("is anybody there");
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(before.0 < figure(3_000) || acked(&eve) == before.1, "acknowledged without a log");
    }
    cluster.nodes[0].to_redis.set(Fault::None);
    eve.until("stored in the end", SOON * 2, |page| page.is_in() && page.pending() == 0).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(cluster.nodes[0].ready().await);
    for page in [&ana, &ben] {
        assert_eq!((page.view().tiles.len(), page.view().tiles[0].here), (1, true), "{}", page.name);
    }
    cluster.drained(SOON).await;
    cluster.prove(&hall, &[&ana, &ben]).await;
    assert!(cluster.nodes[0].to_redis.hits() > 0);
    report("C5", "a node cut off from Redis; until its people's message is stored by the other", vec![ms(shed)]);
}

/// C6: what nodes tell each other gets lost; entries do not.
#[tokio::test(flavor = "multi_thread")]
async fn lost_messages_between_nodes_cost_no_entry() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (hall, ana, ben) = two_in(&cluster, "fault-c6").await;
    for node in &cluster.nodes {
        node.to_redis.set(Fault::Eat { one_in: 10, containing: "\r\nmessage\r\n" });
    }
    let eaten = || cluster.nodes.iter().map(|node| node.to_redis.hits()).sum::<u64>();
    let mut all = 0;
    // Nodes say little to each other: with bad luck nothing is lost for a while.
    while all < times(100, 1_000) || (eaten() == 0 && all < 2_000) {
        if all % 2 == 0 {
            ana.say(&format!("{all}"));
        } else {
            ben.say(&format!("{all}"));
        }
        all += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut took = vec![];
    for page in [&ana, &ben] {
        took.push(ms(page.until("complete", figure(2_000), |page| page.shown() == all).await));
    }
    assert!(eaten() > 0, "nothing was eaten");
    cluster.drained(SOON).await;
    cluster.prove(&hall, &[&ana, &ben]).await;
    report("C6", &format!("one in ten messages between nodes lost; after {all} messages until complete"), took);
}

/// Every wake-up is lost: it costs time, never an entry.
#[tokio::test(flavor = "multi_thread")]
async fn without_any_wake_up_entries_arrive_all_the_same() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (hall, ana, ben) = two_in(&cluster, "no-wakes").await;
    // Eats what the blocking readers of ben's node hear, and every message between nodes.
    cluster.nodes[1].to_redis.set(Fault::Eat { one_in: 1, containing: ":queue\r\n" });
    let mut took = vec![];
    for n in 1..=times(6, 60) {
        ana.say(&format!("{n}"));
        took.push(ms(ben.until("heard", Duration::from_secs(4), |page| page.shown() == n).await));
    }
    assert!(cluster.nodes[1].to_redis.hits() > 0, "nothing was eaten");
    cluster.nodes[1].to_redis.set(Fault::None);
    cluster.drained(Duration::from_secs(30)).await;
    cluster.prove(&hall, &[&ana, &ben]).await;
    report("wake-ups", "every wake-up lost; from one node to the other", took);
}

/// C8, the log's side: answers are lost after the append was made.
#[tokio::test(flavor = "multi_thread")]
async fn an_append_whose_answer_is_lost_is_there_once() {
    let Some(cluster) = Cluster::start(1).await else { return };
    let (hall, ana, ben) = two_in(&cluster, "fault-c8-log").await;
    cluster.nodes[0].to_redis.set(Fault::DropReplies(12));
    let mut all = 0;
    while all < times(120, 1_000) || (cluster.nodes[0].to_redis.hits() <= 5 && all < 2_000) {
        ana.say(&format!("{all}"));
        all += 1;
        tokio::time::sleep(Duration::from_millis(15)).await;
        if ana.pending() > 150 {
            ana.until("some are stored", Duration::from_secs(30), |page| page.pending() < 50).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let hits = cluster.nodes[0].to_redis.hits();
    assert!(hits > 5, "too few answers were lost: {hits}");
    cluster.nodes[0].to_redis.set(Fault::None);
    for page in [&ana, &ben] {
        page.until("complete", Duration::from_secs(20), |page| page.shown() == all && page.pending() == 0).await;
    }
    cluster.drained(Duration::from_secs(20)).await;
    let written = cluster.prove(&hall, &[&ana, &ben]).await;
    assert_eq!(written.acked.len(), all);
    println!("C8 (log): {all} messages, {hits} answers lost, 0 doubled");
}

/// C11: Redis has no memory left; and servers that start before their stores.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_refuses_and_a_late_redis_is_waited_for() {
    let Some(mut cluster) = Cluster::start(1).await else { return };
    let (hall, ana, ben) = two_in(&cluster, "fault-c11").await;
    assert_eq!(cluster.redis.cli(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]), "OK");
    assert_eq!(cluster.redis.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
    ana.say("no room for this");
    ana.until("was told", SOON, |page| page.view().chat_note() == "Messages will be saved when the server is back.")
        .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((ana.pending(), ben.shown(), ana.is_in()), (1, 0, true), "no false acknowledgement");
    assert_eq!(cluster.redis.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
    ben.until("heard", SOON, |page| page.shown() == 1).await;
    // Now the node starts while its store is down.
    cluster.nodes[0].kill().await;
    cluster.redis.process.kill();
    cluster.nodes[0].start().await;
    assert!(!cluster.nodes[0].ready().await);
    assert!(cluster.nodes[0].get("/healthz").await.status().is_success(), "the process is up");
    ana.say("written meanwhile");
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.redis.process.start();
    let began = Instant::now();
    while !cluster.nodes[0].ready().await {
        assert!(began.elapsed() < figure(5_000), "ready within five seconds");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let ready = ms(began.elapsed());
    ben.until("heard", SOON, |page| page.shown() == 2).await;
    cluster.drained(SOON).await;
    cluster.prove(&hall, &[&ana, &ben]).await;
    report("C11", "ready after Redis is there", vec![ready]);
}

/// A7: the log is emptied under a call; what the archive has is read there, and everyone is told.
#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_emptied_is_told_and_read_from_the_archive() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (_, ana, ben) = two_in(&cluster, "fault-a7").await;
    let mut took = vec![];
    for (round, how) in [["FLUSHALL", ""], ["XTRIM", "0"]].into_iter().enumerate() {
        for n in 0..50 {
            ana.say(&format!("{round} {n}"));
        }
        let all = 50 * (round + 1);
        ben.until("heard all", SOON, |page| page.view().chat.len() == all && page.pending() == 0).await;
        cluster.drained(SOON).await;
        let resyncs = ben.shared.lock().expect("no panic").resyncs;
        let began = Instant::now();
        if how[0] == "FLUSHALL" {
            assert_eq!(cluster.redis.cli(&["FLUSHALL"]), "OK");
        } else {
            let keys = cluster.redis.cli(&["KEYS", "*:log:fault-a7"]);
            cluster.redis.cli(&["XTRIM", &keys, "MAXLEN", "0"]);
            // Nobody misses anything until somebody asks for it: a page that comes back.
            ben.shared.lock().expect("no panic").resyncs = resyncs;
        }
        let late = Page::open(&format!("late{round}"), &room("fault-a7"), &cluster.addrs());
        late.joined().await;
        late.read_back().await;
        late.until("reads all", SOON, |page| page.view().chat.len() == all).await;
        for page in [&ana, &ben] {
            page.until("was told", SOON, |page| page.shared.lock().expect("no panic").resyncs > resyncs).await;
            page.until("reads all again", SOON, |page| {
                page.intend(holdfast::session::Intent::ShowEarlier);
                page.view().chat.len() == all
            })
            .await;
        }
        took.push(ms(began.elapsed()));
        assert_eq!(
            ana.view().tiles.iter().filter(|tile| tile.name.as_str() == "ben").count(),
            1,
            "nobody was thrown out"
        );
        drop(late);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    assert!(took.iter().all(|took| Duration::from_millis(*took) <= figure(2_000)), "{took:?}");
    report("A7", "log emptied (FLUSHALL, XTRIM); until everyone was told and has read 50 or 100 messages again", took);
}

/// Hundreds of questions wait when Redis hangs. Those that gave up must not each take away the connection that the rest
/// use since: opening it again and again would hold up everybody, and their giving up would do the same.
#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_late_answers_costs_one_connection() {
    let redis = stores::Redis::start();
    let direct = redis::Client::open(redis.url()).expect("a URL");
    let mut direct = direct.get_multiplexed_async_connection().await.expect("Redis answers");
    let mut opened = async || {
        let info: String = redis::cmd("INFO").arg("stats").query_async(&mut direct).await.expect("Redis answers");
        let count = info.lines().find_map(|line| line.strip_prefix("total_connections_received:"));
        count.expect("is counted").trim().parse::<u64>().expect("a number")
    };
    let proxy = Proxy::start(([127, 0, 0, 1], redis.process.port).into()).await.expect("a port");
    // `state` of a room asks over the connection that all share.
    let ours = Redis::new(&format!("redis://{}", proxy.addr), "hf").expect("a URL");
    let stop = tokio_util::sync::CancellationToken::new();
    let log = Arc::new(RedisLog::start(&ours, 0, &stop));
    proxy.set(Fault::Delay(Duration::from_millis(40)));
    let answered = Arc::new(AtomicU64::new(0));
    let mut askers = tokio::task::JoinSet::new();
    for n in 0..200 {
        let (log, answered, hall) = (Arc::clone(&log), Arc::clone(&answered), room(&format!("burst-{n}")));
        askers.spawn(async move {
            loop {
                match log.state(&hall).await {
                    Ok(_) => drop(answered.fetch_add(1, Ordering::SeqCst)),
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
                tokio::time::sleep(Duration::from_millis(n)).await;
            }
        });
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(answered.load(Ordering::SeqCst) > 200, "all is well before");
    proxy.set(Fault::Hang);
    tokio::time::sleep(Duration::from_millis(1_900)).await;
    let (connections, before) = (opened().await, answered.load(Ordering::SeqCst));
    proxy.set(Fault::Delay(Duration::from_millis(300)));
    let began = Instant::now();
    while answered.load(Ordering::SeqCst) < before + 600 {
        assert!(
            began.elapsed() < Duration::from_secs(30),
            "{} answers over {} new connections",
            answered.load(Ordering::SeqCst) - before,
            opened().await - connections
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let more = opened().await - connections;
    assert!(more <= 6, "{more} connections were opened");
}
