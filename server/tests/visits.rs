//! Who may bring somebody in, by which names the server is called, and what other sites and strangers get of it.

mod support;

use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use server::origin::Origins;
use support::{TestServer, upgrade_status};
use tokio_tungstenite::tungstenite::http::HeaderValue;

const ADMIN: &str = "an-admin-token-for-tests";

fn client() -> Client {
    Client::builder().redirect(Policy::none()).build().expect("a client")
}

async fn ask(server: &TestServer, method: Method, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = client().request(method, server.url(path));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.expect("an answer")
}

async fn get(server: &TestServer, path: &str, headers: &[(&str, &str)]) -> Response {
    ask(server, Method::GET, path, headers).await
}

fn header(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// Where a link that goes straight in leads: to another address, or to a page that knows who opened it.
async fn landing(server: &TestServer, headers: &[(&str, &str)]) -> String {
    let answer = get(server, "/r/abc-def?name=Ana%20B&join=1&debug=1", headers).await;
    if answer.status().is_redirection() {
        return header(answer.headers(), "location");
    }
    let page = answer.text().await.expect("a page");
    let name = page.split("data-opener=\"").nth(1).and_then(|rest| rest.split('"').next());
    name.unwrap_or("no name").to_owned()
}

const LOBBY: &str = "/r/abc-def?name=Ana%20B&debug=1";

#[tokio::test]
async fn only_the_person_and_our_own_pages_lead_straight_into_a_call() {
    let server = TestServer::start().await;
    let own = server.url("/");
    for (headers, lands) in [
        (&[("sec-fetch-site", "none")][..], "own"),
        (&[("sec-fetch-site", "same-origin")], "own"),
        (&[("sec-fetch-site", "same-site")], LOBBY),
        (&[("sec-fetch-site", "cross-site")], LOBBY),
        (&[("sec-fetch-site", "of a browser to come")], LOBBY),
        // `Referer` decides nothing where the browser says which site it was.
        (&[("sec-fetch-site", "none"), ("referer", "https://evil.example/")], "own"),
        (&[("sec-fetch-site", "cross-site"), ("referer", own.as_str())], LOBBY),
        (&[("sec-fetch-site", "cross-site"), ("referer", "")], LOBBY),
        (&[], "unknown"),
        (&[("referer", "")], "unknown"),
        (&[("referer", own.as_str())], "unknown"),
        (&[("referer", "https://evil.example/")], LOBBY),
        (&[("referer", "http://localhost.evil.example/")], LOBBY),
        (&[("referer", "about:client")], LOBBY),
    ] {
        assert_eq!(landing(&server, headers).await, lands, "{headers:?}");
    }
    // Whoever comes from elsewhere has no device started in the lobby either.
    let lobby = get(&server, LOBBY, &[("sec-fetch-site", "cross-site")]).await.text().await.expect("a page");
    assert!(lobby.contains("data-opener=\"foreign\""));
    // Nor by the page that tries them.
    for (site, location) in
        [("cross-site", "/check?wait=1"), ("same-site", "/check?wait=1"), ("none", ""), ("same-origin", "")]
    {
        let check = get(&server, "/check", &[("sec-fetch-site", site)]).await;
        assert_eq!(header(check.headers(), "location"), location, "{site}");
    }
    let waits = get(&server, "/check?wait=1", &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(waits.status(), 200);
}

#[tokio::test]
async fn a_lab_may_trust_browsers_that_do_not_say_where_a_link_was() {
    let server = TestServer::start_with(|config| config.trust_join = true).await;
    assert_eq!(landing(&server, &[]).await, "own");
    assert_eq!(landing(&server, &[("referer", "https://evil.example/")]).await, LOBBY);
    assert_eq!(landing(&server, &[("sec-fetch-site", "cross-site")]).await, LOBBY);
}

#[tokio::test]
async fn a_site_that_lets_its_name_lead_here_gets_nothing() {
    let server = TestServer::start_with(|config| config.admin_token = ADMIN.into()).await;
    let port = server.addr().port();
    let (evil, local) = (format!("evil.example:{port}"), format!("localhost:{port}"));
    for path in ["/", "/r/abc-def", "/check", "/api/v1/openapi.json", "/api/v1/rooms/abc-def/messages", "/favicon.svg"]
    {
        assert_eq!(get(&server, path, &[("host", &evil)]).await.status(), 421, "{path}");
        assert_ne!(get(&server, path, &[("host", &local)]).await.status(), 421, "{path}");
    }
    let page = get(&server, "/", &[("host", "meet.example")]).await.text().await.expect("a page");
    assert!(page.contains("HOLDFAST_ORIGINS") && page.contains("meet.example"), "{page}");
    assert_eq!(ask(&server, Method::POST, "/new", &[("host", &evil)]).await.status(), 421);
    assert_eq!(get(&server, "/metrics", &[("host", &evil)]).await.status(), 404);
    assert_eq!(get(&server, "/metrics", &[("host", &local)]).await.status(), 200);
    let bearer = format!("Bearer {ADMIN}");
    let scraped = get(&server, "/metrics", &[("host", "one:3000"), ("authorization", &bearer)]).await;
    assert_eq!(scraped.status(), 200, "the token opens it by any name");
    assert_eq!(get(&server, "/healthz", &[("host", "balancer")]).await.status(), 200);
    assert_eq!(get(&server, "/readyz", &[("host", "balancer")]).await.status(), 200);
    let mut request = server.handshake();
    let value = |text: String| HeaderValue::from_str(&text).expect("ascii");
    request.headers_mut().insert("host", value(evil.clone()));
    request.headers_mut().insert("origin", value(format!("http://{evil}")));
    assert_eq!(upgrade_status(request).await, 403);
}

#[tokio::test]
async fn behind_a_proxy_the_setting_decides_whatever_host_it_writes() {
    let server = TestServer::start_with(|config| {
        config.origins = Origins::parse("https://Meet.Example:443").expect("valid");
    })
    .await;
    for host in ["meet.example", "meet.example:443", "MEET.example:80", "127.0.0.1:3000", "holdfast:3000"] {
        assert_eq!(get(&server, "/", &[("host", host)]).await.status(), 200, "{host}");
        let mut request = server.handshake();
        request.headers_mut().insert("host", HeaderValue::from_str(host).expect("ascii"));
        request.headers_mut().insert("origin", HeaderValue::from_static("https://meet.example"));
        assert_eq!(upgrade_status(request).await, 101, "{host}");
    }
    assert_eq!(get(&server, "/metrics", &[("host", "evil.example")]).await.status(), 404, "rebound");
}

#[tokio::test]
async fn another_site_changes_nothing() {
    let server = TestServer::start_with(|config| config.admin_token = ADMIN.into()).await;
    let own = format!("http://{}", server.addr());
    for path in ["/new", "/api/v1/rooms", "/admin", "/admin/dead", "/admin/out", "/api/v1/admin/dead/replay"] {
        for headers in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
        ] {
            let answer = ask(&server, Method::POST, path, headers).await;
            assert_eq!(answer.status(), 403, "{path} {headers:?}");
        }
    }
    for headers in [
        &[][..],
        &[("sec-fetch-site", "same-origin"), ("origin", own.as_str())],
        &[("sec-fetch-site", "none")],
        &[("origin", own.as_str())],
    ] {
        assert_eq!(ask(&server, Method::POST, "/new", headers).await.status(), 303, "{headers:?}");
        assert_eq!(ask(&server, Method::POST, "/api/v1/rooms", headers).await.status(), 201, "{headers:?}");
    }
}

#[tokio::test]
async fn readiness_tells_strangers_nothing_but_whether() {
    let server = TestServer::start_with(|config| config.admin_token = ADMIN.into()).await;
    let bearer = format!("Bearer {ADMIN}");
    for (headers, knows) in [
        (&[][..], true),
        (&[("host", "evil.example")], false),
        (&[("x-forwarded-for", "192.0.2.7")], false),
        (&[("forwarded", "for=192.0.2.7")], false),
        (&[("x-forwarded-for", "192.0.2.7"), ("authorization", bearer.as_str())], true),
        (&[("x-forwarded-for", "192.0.2.7"), ("authorization", "Bearer wrong")], false),
    ] {
        for path in ["/readyz", "/trafficz"] {
            let answer = get(&server, path, headers).await;
            assert_eq!(answer.status(), 200, "{path}");
            let body: serde_json::Value = answer.json().await.expect("JSON");
            assert_eq!((body["ready"].as_bool(), body["parts"].is_array()), (Some(true), knows), "{path} {headers:?}");
        }
    }
}

#[tokio::test]
async fn a_server_without_its_client_is_not_ready() {
    let server = TestServer::start_with(|config| config.site_dir = "/nowhere".into()).await;
    for path in ["/readyz", "/trafficz"] {
        let answer = get(&server, path, &[]).await;
        assert_eq!(answer.status(), 503, "{path}");
        let body = answer.text().await.expect("JSON");
        assert!(body.contains("the built client is not in /nowhere/pkg"), "{body}");
    }
}

#[tokio::test]
async fn nothing_that_people_wrote_is_kept_on_the_way() {
    let server = TestServer::start_with(|config| config.admin_token = ADMIN.into()).await;
    let created: serde_json::Value =
        ask(&server, Method::POST, "/api/v1/rooms", &[]).await.json().await.expect("a room");
    let room = created["room"].as_str().expect("a code");
    let bearer = format!("Bearer {ADMIN}");
    let admin = [("authorization", bearer.as_str())];
    for path in [
        format!("/api/v1/rooms/{room}"),
        format!("/api/v1/rooms/{room}/messages"),
        format!("/api/v1/rooms/{room}/ice"),
        "/api/v1/rooms/no-such-room".into(),
        "/api/v1/nothing".into(),
        "/api/v1/admin/overview".into(),
        "/api/v1/admin/rooms".into(),
        "/api/v1/admin/dead".into(),
        "/admin".into(),
        format!("/r/{room}"),
        format!("/join?code={room}"),
        "/".into(),
        "/readyz".into(),
        "/trafficz".into(),
        "/metrics".into(),
        "/ws".into(),
    ] {
        let answer = get(&server, &path, &admin).await;
        assert_eq!(header(answer.headers(), "cache-control"), "no-store", "{path}");
    }
    for path in ["/new", "/api/v1/rooms"] {
        let answer = ask(&server, Method::POST, path, &[]).await;
        assert_eq!(header(answer.headers(), "cache-control"), "no-store", "{path}");
    }
    std::fs::write(server.dir.path().join("site/robots.txt"), "").expect("written");
    let file = get(&server, "/robots.txt", &[]).await;
    assert_eq!(header(file.headers(), "cache-control"), "public, max-age=3600", "the same for everybody");
}

#[tokio::test]
async fn the_operator_s_session_is_random_private_and_ends() {
    let server = TestServer::start_with(|config| config.admin_token = ADMIN.into()).await;
    let log_in = |origin: String| {
        let form = format!("token={ADMIN}");
        let request = client().post(server.url("/admin")).header("content-type", "application/x-www-form-urlencoded");
        async move { request.header("origin", origin).body(form).send().await.expect("an answer") }
    };
    let own = format!("http://{}", server.addr());
    let mut cookies = vec![];
    for _ in 0..2 {
        let cookie = header(log_in(own.clone()).await.headers(), "set-cookie");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure"),
            "{cookie}"
        );
        cookies.push(cookie.split(';').next().expect("a pair").to_owned());
    }
    assert_ne!(cookies[0], cookies[1], "each is its own");
    let shows = |cookie: String| {
        let server = &server;
        async move { get(server, "/admin", &[("cookie", &cookie)]).await.text().await.expect("a page").contains("Log out") }
    };
    assert!(shows(cookies[0].clone()).await && shows(cookies[1].clone()).await);
    let out = ask(&server, Method::POST, "/admin/out", &[("cookie", &cookies[0]), ("origin", &own)]).await;
    assert!(header(out.headers(), "set-cookie").contains("Max-Age=0"));
    assert!(!shows(cookies[0].clone()).await, "also if the browser kept it");
    assert!(shows(cookies[1].clone()).await);
    // Nobody who knows the token can tell the cookie from it, as once was so.
    for guess in ["", "an-admin-token-for-tests"] {
        assert!(!shows(format!("holdfast_admin={guess}")).await);
    }
}

#[tokio::test]
async fn behind_tls_the_operator_s_cookie_stays_there() {
    let server = TestServer::start_with(|config| {
        config.admin_token = ADMIN.into();
        config.origins = Origins::parse("https://meet.example").expect("valid");
    })
    .await;
    for headers in [&[("origin", "https://meet.example")][..], &[]] {
        let mut request =
            client().post(server.url("/admin")).header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.body(format!("token={ADMIN}")).send().await.expect("an answer");
        assert!(header(answer.headers(), "set-cookie").ends_with("; Secure"), "{headers:?}");
    }
}

#[tokio::test]
async fn a_new_key_throws_nobody_out() {
    let (old, new) = ("o".repeat(32), "n".repeat(32));
    let before = TestServer::start_with(|config| config.secret.clone_from(&old)).await;
    let (_ana, welcome) = before.join(&support::room("rotated"), "Ana").await;
    let token = format!("Bearer {}", welcome.token.as_str());
    for (key_before, status) in [(old, 200), (String::new(), 401)] {
        let after = TestServer::start_with(|config| {
            config.secret.clone_from(&new);
            config.secret_old = key_before;
        })
        .await;
        let ice = get(&after, "/api/v1/rooms/rotated/ice", &[("authorization", &token)]).await;
        assert_eq!(ice.status(), status);
    }
}
