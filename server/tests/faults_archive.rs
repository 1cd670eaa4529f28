//! The archive fails in every way it can: chat does not notice, and everything is written once when it is back.

mod support;

use futures::{SinkExt, StreamExt};
use holdfast::wire::{ClientMsg, ServerMsg, decode, encode};
use holdfast::{ChatId, Millis};
use netlab::proxy::Fault;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use support::cluster::{ADMIN, Cluster, figure, report, times};
use support::page::Page;
use support::{handshake, hello, room};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

const SOON: Duration = Duration::from_secs(10);

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

fn latencies(page: &Page) -> Vec<u64> {
    std::mem::take(&mut page.shared.lock().expect("no panic").took_ms)
}

fn p99(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all.get(all.len().saturating_sub(1) * 99 / 100).copied().unwrap_or(0)
}

/// C7: MongoDB hangs. Chat goes on as fast as before, and the backlog is written when it is back.
#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_hangs_slows_nobody_down() {
    let Some(cluster) = Cluster::start(1).await else { return };
    let Some(mongo) = cluster.mongo.as_ref().and_then(|mongo| mongo.process.as_ref()) else { return };
    let (hall, addrs) = (room("fault-c7"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs);
    let ben = Page::open("ben", &hall, &addrs);
    ana.joined().await;
    ben.joined().await;
    tokio::time::sleep(Duration::from_secs(6)).await; // Past the first seconds of a log, in which the archive is asked.
    let talk = async |n: usize| {
        for n in 0..n {
            ana.say(&format!("{n}"));
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        ana.until("stored", SOON, |page| page.pending() == 0).await;
        p99(latencies(&ana))
    };
    let n = times(200, 3_000);
    let before = talk(n).await;
    mongo.hang();
    let during = talk(n).await;
    assert!(cluster.nodes[0].ready().await, "people are not sent away for an archive");
    let waiting = cluster.nodes[0].overview().await["queue"]["depth"].as_u64().unwrap_or(0);
    assert!(waiting as usize >= n, "the queue holds what the archive did not take: {waiting}");
    mongo.go_on();
    let drained = cluster.drained(Duration::from_secs(30)).await;
    cluster.prove(&hall, &[&ana, &ben]).await;
    // Every test of this machine runs at once; the long form, alone, is held to a fifth more.
    let bound = if n > 1_000 { before.max(10) * 6 / 5 } else { before.max(25) * 4 };
    assert!(during <= bound, "p99 was {before} ms and is {during} ms");
    println!("C7: written to stored, p99 of n={n}: {before} ms with the archive, {during} ms without");
    report("C7", &format!("backlog of {waiting} written after"), vec![ms(drained)]);
}

/// C8, the archive's side: answers are lost after the batch was stored.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_answer_is_lost_is_there_once() {
    let Some(cluster) = Cluster::start(1).await else { return };
    let Some(to_mongo) = &cluster.nodes[0].to_mongo else { return };
    let (hall, addrs) = (room("fault-c8-archive"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs);
    ana.joined().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    to_mongo.set(Fault::DropReplies(3));
    let mut all = 0;
    while all < times(150, 1_000) || (to_mongo.hits() <= 5 && all < 2_000) {
        ana.say(&format!("{all}"));
        all += 1;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    ana.until("stored", SOON, |page| page.pending() == 0).await;
    let hits = to_mongo.hits();
    assert!(hits > 5, "too few answers were lost: {hits}");
    to_mongo.set(Fault::None);
    cluster.drained(Duration::from_secs(30)).await;
    let written = cluster.prove(&hall, &[&ana]).await;
    assert_eq!(written.acked.len(), all);
    println!("C8 (archive): {all} messages, {hits} answers lost, 0 doubled");
}

/// C9: a worker dies with a batch in its hands.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_a_dead_worker_is_taken_over() {
    let Some(mut cluster) = Cluster::start(2).await else { return };
    if cluster.nodes[0].to_mongo.is_none() {
        return;
    }
    let (hall, addrs) = (room("fault-c9"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs[1..]);
    ana.joined().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let mut took = vec![];
    for round in 0..times(1, 50) {
        // Both workers' hands are tied, so that one has a batch when it dies.
        for node in &cluster.nodes {
            node.to_mongo.as_ref().expect("checked above").set(Fault::Hang);
        }
        for n in 0..50 {
            ana.say(&format!("{round} {n}"));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        ana.until("stored", SOON, |page| page.pending() == 0).await;
        let began = Instant::now();
        cluster.nodes[0].kill().await;
        for node in &cluster.nodes {
            node.to_mongo.as_ref().expect("checked above").set(Fault::None);
        }
        loop {
            let overview = cluster.nodes[1].overview().await;
            if overview["queue"]["depth"] == 0 && overview["queue"]["answers"] == true {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(40), "{overview}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        took.push(ms(began.elapsed()));
        cluster.nodes[0].start().await;
    }
    cluster.prove(&hall, &[&ana]).await;
    assert!(took.iter().all(|ms| Duration::from_millis(*ms) <= figure(15_000)), "{took:?}");
    report("C9", "a worker killed with a batch in hand; until the other has stored it", took);
}

/// C10: an entry that nobody can read, in the middle of good ones.
#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_entry_is_laid_aside_and_can_be_looked_at() {
    let Some(cluster) = Cluster::start(1).await else { return };
    let (hall, addrs) = (room("fault-c10"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs);
    ana.joined().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    ana.say("before");
    ana.until("stored", SOON, |page| page.pending() == 0).await;
    let queue = cluster.redis.cli(&["KEYS", "holdfast:*:queue"]);
    let queue = queue.lines().next().expect("a queue").to_owned();
    cluster.redis.cli(&["XADD", &queue, "*", "room", "fault-c10", "epoch", "x", "seq", "1", "v", "{not json"]);
    let began = Instant::now();
    ana.say("after");
    ana.until("stored", SOON, |page| page.pending() == 0).await;
    while cluster.archived(&hall).await.messages.len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(10), "neighbours pass");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let neighbours = began.elapsed();
    let node = &cluster.nodes[0];
    loop {
        if node.overview().await["queue"]["dead"] == 1 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "laid aside within a minute");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let buried = began.elapsed();
    let letters: Value = node.get("/api/v1/admin/dead").await.json().await.expect("JSON");
    assert_eq!(letters[0]["attempts"], 5);
    assert!(letters[0]["payload"].as_str().is_some_and(|text| text.contains("{not json")), "{letters}");
    assert!(letters[0]["last_error"].as_str().is_some_and(|text| !text.is_empty()));
    // Replayed it fails again; discarded it is gone. Both by the command an operator has.
    let admin = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_holdfast"));
        command.arg("admin").args(args).env("HOLDFAST_ADMIN_TOKEN", ADMIN).env("HOLDFAST_ADDR", node.addr.to_string());
        let output = command.output().expect("the program runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(admin(&["dead"]).contains("{not json"));
    assert!(admin(&["replay"]).contains('1'));
    assert_eq!(node.overview().await["queue"]["dead"], 0);
    let again = Instant::now();
    while node.overview().await["queue"]["dead"] != 1 {
        assert!(again.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(admin(&["discard"]).contains('1'));
    assert_eq!(node.overview().await["queue"]["dead"], 0);
    assert!(neighbours <= figure(1_000), "{neighbours:?}");
    report("C10", "neighbours of a poisoned entry archived after", vec![ms(neighbours)]);
    report("C10", "laid aside after", vec![ms(buried)]);
}

/// D2: the same ids again and again, to both nodes, fresh ones and ones of days ago.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_sent_again_is_never_stored_again() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("fault-d2"), cluster.addrs());
    let now = server::clock::now().as_unix();
    let mut rng = holdfast::rng::Rng::new(7);
    // Minted now, a day ago, and six days ago, when the log would have forgotten them.
    let ids: Vec<ChatId> = [0, 86_400_000, 6 * 86_400_000]
        .iter()
        .flat_map(|age| (0..10).map(|_| ChatId::mint(Millis::from_unix(now - age), &mut rng)).collect::<Vec<_>>())
        .collect();
    let mut places: BTreeMap<ChatId, holdfast::Offset> = BTreeMap::new();
    let rounds = times(10, 333);
    for round in 0..rounds {
        let (mut socket, _) = connect_async(handshake(addrs[round % 2])).await.expect("connects");
        let name = format!("round{round}");
        socket.send(Message::text(encode(&hello(&hall, &name, None)))).await.expect("sent");
        for id in &ids {
            let body = holdfast::wire::Body::new(&format!("text of {id}")).expect("valid");
            socket.send(Message::text(encode(&ClientMsg::Chat { id: *id, body }))).await.expect("sent");
        }
        let mut open = ids.len();
        while open > 0 {
            let frame =
                tokio::time::timeout(SOON, socket.next()).await.expect("answered").expect("open").expect("open");
            let Message::Text(text) = frame else { continue };
            match decode::<ServerMsg>(&text).expect("of the protocol") {
                ServerMsg::Ack { id, offset } => {
                    assert_eq!(*places.entry(id).or_insert(offset), offset, "one place for ever");
                    open -= 1;
                }
                ServerMsg::Refused { code, about: Some(id) } => {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    assert!(
                        matches!(code, holdfast::wire::Refusal::LogAway | holdfast::wire::Refusal::Busy),
                        "{code:?}"
                    );
                    let body = holdfast::wire::Body::new(&format!("text of {id}")).expect("valid");
                    socket.send(Message::text(encode(&ClientMsg::Chat { id, body }))).await.expect("sent");
                }
                _ => {}
            }
        }
        socket.send(Message::text(encode(&ClientMsg::Leave))).await.expect("sent");
        let _ = socket.close(None).await;
        if round == rounds / 2 {
            cluster.drained(SOON).await;
            // The log itself forgets everything; the archive does not.
            assert_eq!(cluster.redis.cli(&["FLUSHALL"]), "OK");
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
    }
    cluster.drained(SOON).await;
    let archived = cluster.archived(&hall).await;
    assert_eq!(archived.messages.len(), ids.len(), "each message once");
    println!(
        "D2: {} sends of {} messages over 2 nodes and a log that was emptied: 0 doubled",
        rounds * ids.len(),
        ids.len()
    );
}

/// Deleting: a message and a room go everywhere, for everyone, also when the server dies half way.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_is_gone_for_everyone_and_stays_gone() {
    let Some(mut cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("deleting"), cluster.addrs());
    let ana = Page::open("ana", &hall, &addrs[..1]);
    let ben = Page::open("ben", &hall, &addrs[1..]);
    ana.joined().await;
    ben.joined().await;
    for n in 0..5 {
        ana.say(&format!("{n}"));
    }
    ben.until("heard", SOON, |page| page.view().chat.len() == 5).await;
    let doomed = ana.view().chat[2].id;
    let delete = |addr: std::net::SocketAddr, path: String| async move {
        let client = reqwest::Client::new();
        let url = format!("http://{addr}/api/v1/admin/{path}");
        client.delete(url).bearer_auth(ADMIN).send().await.map(|answer| answer.status().as_u16())
    };
    assert_eq!(delete(addrs[0], format!("rooms/deleting/messages/{doomed}")).await.expect("an answer"), 204);
    for page in [&ana, &ben] {
        page.until("it is gone", SOON, |page| {
            page.view().chat.len() == 4 && page.view().chat.iter().all(|line| line.id != doomed)
        })
        .await;
    }
    cluster.drained(SOON).await;
    assert_eq!(cluster.archived(&hall).await.messages.len(), 4);
    // A deletion whose server dies right after the tombstone: the sweep of the other node finishes it.
    cluster.nodes[0].to_redis.set(Fault::Hang);
    let second = ana.view().chat[0].id;
    let _ =
        tokio::time::timeout(Duration::from_millis(800), delete(addrs[0], format!("rooms/deleting/messages/{second}")))
            .await;
    cluster.nodes[0].kill().await;
    ben.until("the sweep finished it", SOON, |page| page.view().chat.iter().all(|line| line.id != second)).await;
    cluster.nodes[0].to_redis.set(Fault::None);
    cluster.nodes[0].start().await;
    assert_eq!(delete(addrs[1], "rooms/deleting".into()).await.expect("an answer"), 204);
    for page in [&ana, &ben] {
        page.until("an empty chat", SOON, |page| page.view().chat.is_empty()).await;
    }
    ben.say("a new beginning");
    ana.until("heard", SOON, |page| page.view().chat.len() == 1).await;
    // What the killed node had taken from the queue is taken over after 10 s.
    cluster.drained(Duration::from_secs(20)).await;
    assert_eq!(cluster.archived(&hall).await.messages.len(), 1);
    let late = Page::open("late", &hall, &addrs);
    late.joined().await;
    late.read_back().await;
    late.until("sees only the new", SOON, |page| page.view().chat.len() == 1).await;
}
