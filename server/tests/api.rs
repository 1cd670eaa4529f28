//! The HTTP side: rooms, history, ICE servers, health, and the headers that every answer has.

mod support;

use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use support::{TestServer, chat, room};

async fn json(response: reqwest::Response) -> Value {
    response.json().await.expect("JSON")
}

#[tokio::test]
async fn a_room_is_created_looked_up_and_read_by_pages() {
    let server = TestServer::start().await;
    let http = Client::new();
    let made = http.post(server.url("/api/v1/rooms")).send().await.expect("an answer");
    assert_eq!(made.status(), StatusCode::CREATED);
    let code = json(made).await["room"].as_str().expect("a code").to_owned();
    let shown = http.get(server.url(&format!("/api/v1/rooms/{code}"))).send().await.expect("an answer");
    assert_eq!(json(shown).await["head"], 0);
    let (mut ana, _) = server.join(&room(&code), "Ana").await;
    for n in 0..25 {
        ana.send(&chat(n, &format!("message {n}"))).await;
        ana.ack(n).await;
    }
    let (mut after, mut texts) = ("0".to_owned(), vec![]);
    loop {
        let url = server.url(&format!("/api/v1/rooms/{code}/messages?after={after}&limit=10"));
        let page = json(http.get(url).send().await.expect("an answer")).await;
        let messages = page["messages"].as_array().expect("a list");
        assert!(messages.len() <= 10);
        texts.extend(messages.iter().map(|m| m["body"].as_str().expect("a text").to_owned()));
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(texts, (0..25).map(|n| format!("message {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn mistakes_are_problem_documents_with_stable_codes() {
    let server = TestServer::start().await;
    let http = Client::new();
    for (method, path, status, code) in [
        (Method::GET, "/api/v1/rooms/no-such-room", 404, "no_such_room"),
        (Method::GET, "/api/v1/rooms/a%20b", 400, "bad_room"),
        (Method::GET, "/api/v1/rooms/no-such-room/messages?limit=0", 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/no-such-room/messages?limit=201", 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/no-such-room/messages?after=-1", 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/no-such-room/messages?other=1", 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/no-such-room/ice", 401, "no_seat"),
        (Method::DELETE, "/api/v1/rooms", 405, "method_not_allowed"),
        (Method::GET, "/api/v1/nothing", 404, "not_found"),
        (Method::GET, "/ws", 403, "origin_refused"),
    ] {
        let answer = http.request(method, server.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        let body = json(answer).await;
        assert_eq!((body["code"].as_str(), body["status"].as_u64()), (Some(code), Some(u64::from(status))), "{path}");
    }
}

#[tokio::test]
async fn ice_servers_are_for_a_seat_and_expire() {
    let server = TestServer::start().await;
    let http = Client::new();
    let (_ana, seat) = server.join(&room("ice"), "Ana").await;
    let url = server.url("/api/v1/rooms/ice/ice");
    let answer = http.get(&url).bearer_auth(seat.token.as_str()).send().await.expect("an answer");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let body = json(answer).await;
    let turn = &body["ice_servers"][1];
    assert!(turn["urls"][0].as_str().is_some_and(|url| url.starts_with("turn:127.0.0.1:")));
    assert!(turn["username"].as_str().is_some_and(|name| name.ends_with(&format!(":ice:{}", seat.peer))));
    assert!(body["ttl_s"].as_u64().is_some_and(|ttl| ttl <= 300));
    for (path, token) in [("/api/v1/rooms/ice/ice", "forged"), ("/api/v1/rooms/other/ice", seat.token.as_str())] {
        let answer = http.get(server.url(path)).bearer_auth(token).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    let server = TestServer::start().await;
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let paths = [
        "/",
        "/r/abc",
        "/nowhere",
        "/join?code=abc",
        "/api/v1/rooms/x",
        "/api/v1/docs",
        "/api/v1/openapi.json",
        "/healthz",
        "/readyz",
        "/ws",
        "/pkg/none.js",
    ];
    for path in paths {
        let answer = http.get(server.url(path)).send().await.expect("an answer");
        let header = |name: &str| {
            answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
        };
        let policy = header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("'unsafe-eval'"), "{path}: {policy}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
        assert_eq!(header("referrer-policy"), "same-origin", "{path}");
        assert!(header("permissions-policy").contains("camera=(self)"), "{path}");
    }
}

#[tokio::test]
async fn pages_carry_a_fresh_nonce_and_no_inline_handler() {
    let server = TestServer::start().await;
    let mut nonces = vec![];
    for path in ["/", "/r/abc?name=%3Cscript%3Ealert(1)%3C/script%3E", "/r/abc"] {
        let answer = reqwest::get(server.url(path)).await.expect("an answer");
        let policy = answer.headers()["content-security-policy"].to_str().expect("ascii").to_owned();
        let nonce =
            policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce").to_owned();
        let body = answer.text().await.expect("a page");
        let scripts = body.matches("<script").count();
        assert_eq!(body.matches(&format!("nonce=\"{nonce}\"")).count(), scripts, "{path}: every script has the nonce");
        assert!(!body.contains("<script>alert") && !body.contains(" onclick=") && !body.contains("style=\""), "{path}");
        nonces.push(nonce);
    }
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
}

#[tokio::test]
async fn forms_work_without_the_client() {
    let server = TestServer::start().await;
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let started = http.post(server.url("/new")).send().await.expect("an answer");
    assert_eq!(started.status(), StatusCode::SEE_OTHER);
    assert!(started.headers()["location"].to_str().is_ok_and(|path| path.starts_with("/r/")));
    for (code, location) in [
        ("ABC-d", "/r/abc-d"),
        ("https%3A%2F%2Fx.example%2Fr%2Fabc%3Fjoin%3D1", "/r/abc"),
        ("no+room%21", "/?unknown=1&code=no%20room%21"),
        ("kavotimuresakem", "/r/kavot-imure-sakem"),
    ] {
        let joined = http.get(server.url(&format!("/join?code={code}"))).send().await.expect("an answer");
        assert_eq!(joined.headers()["location"], location);
    }
    assert_eq!(http.get(server.url("/nowhere")).send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_link_that_was_damaged_on_its_way_leads_to_the_room_it_names() {
    let server = TestServer::start().await;
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    for (path, location) in [
        ("/r/abc-def/", "/r/abc-def"),
        ("/r/abc-def.", "/r/abc-def"),
        ("/r/abc-def%E2%80%8B?name=Ana", "/r/abc-def?name=Ana"),
        ("/r/abc%2Ddef", "/r/abc-def"),
        ("/r/ABC-def", "/r/abc-def"),
        ("/r/kavotimuresakem", "/r/kavot-imure-sakem"),
    ] {
        let answer = http.get(server.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "{path}");
        assert_eq!(answer.headers()["location"], location, "{path}");
    }
    for path in ["/r/abc-def", "/r/abc-def?name=Ana", "/?unknown=1&code=no%20room"] {
        let answer = http.get(server.url(path)).send().await.expect("an answer");
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
    let refused = reqwest::get(server.url("/join?code=no+such+%2F+%22room%22")).await.expect("an answer");
    let page = refused.text().await.expect("a page");
    assert!(page.contains("value=\"no such / &quot;room&quot;\""), "what was typed is still there");
    assert_eq!(http.get(server.url("/r/abc/more")).send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_api_describes_itself_and_readiness_names_each_part() {
    let server = TestServer::start().await;
    let doc = json(reqwest::get(server.url("/api/v1/openapi.json")).await.expect("an answer")).await;
    for path in ["/api/v1/rooms", "/api/v1/rooms/{room}", "/api/v1/rooms/{room}/messages", "/api/v1/rooms/{room}/ice"] {
        assert!(doc["paths"][path].is_object(), "{path}");
    }
    let page = reqwest::get(server.url("/api/v1/docs")).await.expect("an answer").text().await.expect("a page");
    assert!(page.contains("/api/v1/rooms/{room}/messages"));
    let ready = json(reqwest::get(server.url("/readyz")).await.expect("an answer")).await;
    let parts: Vec<&str> =
        ready["parts"].as_array().expect("a list").iter().filter_map(|part| part["name"].as_str()).collect();
    assert_eq!(parts, ["log", "archive", "breakers", "relay", "rooms", "one_archive", "client", "accepting"]);
    assert_eq!(ready["ready"], true);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_so() {
    let server = TestServer::start_with(|config| config.requests_per_s = 2).await;
    let http = Client::new();
    let mut statuses = vec![];
    for _ in 0..20 {
        statuses.push(http.get(server.url("/api/v1/openapi.json")).send().await.expect("an answer").status().as_u16());
    }
    assert!(statuses.iter().filter(|status| **status == 200).count() >= 10);
    assert_eq!(statuses.last(), Some(&429));
}

#[tokio::test]
async fn an_address_creates_only_so_many_rooms() {
    let server = TestServer::start_with(|config| config.rooms_per_s = 1).await;
    let http = Client::new();
    let mut created = 0;
    for n in 0..40 {
        let path = if n % 2 == 0 { "/api/v1/rooms" } else { "/new" };
        match http.post(server.url(path)).send().await.expect("an answer").status().as_u16() {
            429 => {}
            status => {
                assert!(status < 400, "{status}");
                created += 1;
            }
        }
    }
    assert!((20..30).contains(&created), "{created} rooms of one address");
}

#[tokio::test]
async fn the_operators_side_is_off_without_a_token_and_closed_to_everyone_else() {
    let paths = [
        (Method::GET, "overview"),
        (Method::GET, "dead"),
        (Method::POST, "dead/replay"),
        (Method::POST, "dead/discard"),
        (Method::GET, "rooms"),
        (Method::PUT, "rooms/abc"),
        (Method::DELETE, "rooms/abc"),
        (Method::DELETE, "rooms/abc/messages/0"),
    ];
    let (http, off) = (Client::new(), TestServer::start().await);
    let open = TestServer::start_with(|config| config.admin_token = "a-token-that-is-long-enough".into()).await;
    for (method, path) in paths {
        let path = format!("/api/v1/admin/{path}");
        let ask = |server: &TestServer, token: Option<&str>| {
            let request = http.request(method.clone(), server.url(&path));
            let request = token.map_or(request.try_clone().expect("no body"), |token| request.bearer_auth(token));
            async move { request.send().await.expect("an answer").status().as_u16() }
        };
        assert_eq!(ask(&off, Some("a-token-that-is-long-enough")).await, 404, "{path}: there is no such side");
        assert_eq!(ask(&open, None).await, 401, "{path}: without a token");
        assert_eq!(ask(&open, Some("another-token-that-is-wrong")).await, 401, "{path}: with a wrong one");
    }
    assert_eq!(http.get(off.url("/admin")).send().await.expect("an answer").status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_rooms_settings_are_changed_by_the_operator_and_bounded() {
    const TOKEN: &str = "a-token-that-is-long-enough";
    let server = TestServer::start_with(|config| config.admin_token = TOKEN.into()).await;
    let http = Client::new();
    let made = json(http.post(server.url("/api/v1/rooms")).send().await.expect("an answer")).await;
    let code = made["room"].as_str().expect("a code");
    let put = |code: &str, body: &'static str| {
        let request = http.put(server.url(&format!("/api/v1/admin/rooms/{code}"))).bearer_auth(TOKEN);
        let request = request.header("content-type", "application/json").body(body);
        async move { request.send().await.expect("an answer").status().as_u16() }
    };
    assert_eq!(put(code, r#"{"name":"Tea","retention_days":30}"#).await, 204);
    let rooms = http.get(server.url("/api/v1/admin/rooms")).bearer_auth(TOKEN).send().await.expect("an answer");
    let rooms = json(rooms).await;
    assert_eq!((&rooms[0]["name"], &rooms[0]["retention_days"]), (&"Tea".into(), &30.into()));
    assert_eq!(put("never-made", r#"{"retention_days":30}"#).await, 404);
    for bad in [r#"{"retention_days":0}"#, r#"{"retention_days":40000}"#, r#"{"name":""}"#, r#"{"other":1}"#, "no"] {
        assert_eq!(put(code, bad).await, 400, "{bad}");
    }
}

#[tokio::test]
async fn the_figures_for_prometheus_are_there_and_move() {
    let server = TestServer::start().await;
    let (mut ana, _) = server.join(&room("figures"), "Ana").await;
    for n in 0..3 {
        ana.send(&chat(n, "counted")).await;
        ana.ack(n).await;
    }
    let http = Client::new();
    let mut text = String::new();
    for _ in 0..100 {
        text = http.get(server.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
        if text.contains("holdfast_archive_seconds_count") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    for name in [
        "holdfast_append_seconds_bucket",
        "holdfast_archive_seconds_bucket",
        "holdfast_queue_depth",
        "holdfast_queue_oldest_seconds",
        "holdfast_dead_letters",
        "holdfast_sockets",
        "holdfast_rooms",
        "holdfast_seats",
        "holdfast_archived_total",
    ] {
        assert!(text.contains(name), "{name} is missing:\n{text}");
    }
    let far = http.get(server.url("/metrics")).header("x-forwarded-for", "198.51.100.7").send().await;
    assert_eq!(far.expect("an answer").status(), StatusCode::NOT_FOUND, "not for people behind a proxy");
}
