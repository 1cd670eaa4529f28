//! What several servers agree about: how many seats there are, who is logged in, whether people may be sent to them.

mod support;

use netlab::proxy::Fault;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use std::time::{Duration, Instant};
use support::cluster::{ADMIN, Cluster, Node};
use support::page::Page;
use support::room;

const SOON: Duration = Duration::from_secs(15);

async fn seats(node: &Node) -> u64 {
    let text = node.get("/metrics").await.text().await.expect("text");
    let value = text.lines().find_map(|line| line.strip_prefix("holdfast_seats ")?.trim().parse().ok());
    value.expect("the figure is there")
}

async fn admin(node: &Node, method: &str, path: &str, cookie: &str, body: &str) -> Response {
    let client = Client::builder().redirect(Policy::none()).build().expect("a client");
    let method = method.parse().expect("a method");
    let request = client.request(method, format!("http://{}{path}", node.addr)).header("cookie", cookie);
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(body.to_owned());
    request.send().await.expect("an answer")
}

async fn shows(node: &Node, cookie: &str) -> bool {
    admin(node, "GET", "/admin", cookie, "").await.text().await.expect("a page").contains("Log out")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_seat_counts_once_over_all_servers() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let (hall, addrs) = (room("counted"), cluster.addrs());
    let pages: Vec<Page> = (0..4).map(|n| Page::open(&format!("p{n}"), &hall, &addrs[n % 2..=n % 2])).collect();
    for page in &pages {
        page.joined().await;
        page.until("sees all", SOON, |page| page.view().tiles.len() == 3).await;
    }
    let until = Instant::now() + SOON;
    loop {
        let each = [seats(&cluster.nodes[0]).await, seats(&cluster.nodes[1]).await];
        let overview = cluster.nodes[0].overview().await;
        let told = overview["nodes"].as_array().expect("a list").iter().filter_map(|node| node["seats"].as_u64());
        if each == [2, 2] && told.sum::<u64>() == 4 {
            break;
        }
        assert!(Instant::now() < until, "four people, counted as {each:?}, told as {overview}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_logs_in_at_one_server_is_known_to_all_and_logs_out_of_all() {
    let Some(cluster) = Cluster::start(2).await else { return };
    let [one, two] = &cluster.nodes[..] else { panic!("two nodes") };
    let log_in = admin(one, "POST", "/admin", "", &format!("token={ADMIN}")).await;
    let cookie = log_in.headers()["set-cookie"].to_str().expect("ascii").split(';').next().expect("a pair").to_owned();
    assert!(shows(one, &cookie).await && shows(two, &cookie).await);
    admin(two, "POST", "/admin/out", &cookie, "").await;
    assert!(!shows(two, &cookie).await, "it ended there");
    assert!(!shows(one, &cookie).await, "and where it began");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_all_share_takes_no_server_out_of_the_balancer() {
    let Some(cluster) = Cluster::start(2).await else { return };
    for node in &cluster.nodes {
        assert!(node.ready().await);
        node.to_redis.set(Fault::Reset);
    }
    for node in &cluster.nodes {
        let until = Instant::now() + SOON;
        while node.ready().await {
            assert!(Instant::now() < until, "ready without its log");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(node.get("/trafficz").await.status(), 200);
    }
}
