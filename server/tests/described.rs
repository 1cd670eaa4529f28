//! The API does what its description says and nothing else; pages and JSON go compressed, files as they were built.

mod support;

use reqwest::{Client, Method};
use serde_json::Value;
use support::TestServer;

const TOKEN: &str = "an operator's token";

async fn start() -> TestServer {
    TestServer::start_with(|config| config.admin_token = TOKEN.into()).await
}

async fn description(server: &TestServer) -> Value {
    reqwest::get(server.url("/api/v1/openapi.json")).await.expect("an answer").json().await.expect("JSON")
}

#[tokio::test]
async fn every_answer_is_described_and_every_parameter_is_where_it_belongs() {
    let doc = description(&start().await).await;
    let mut operations = 0;
    for (path, methods) in doc["paths"].as_object().expect("paths") {
        for (method, operation) in methods.as_object().expect("methods") {
            operations += 1;
            let at = format!("{method} {path}");
            for (status, answer) in operation["responses"].as_object().expect("answers") {
                assert!(answer["description"].as_str().is_some_and(|text| !text.is_empty()), "{at} {status}");
                let problem = answer["content"]["application/problem+json"].is_object();
                assert_eq!(problem, status.starts_with('4') || status.starts_with('5'), "{at} {status}");
            }
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let name = parameter["name"].as_str().expect("a name");
                let place = if path.contains(&format!("{{{name}}}")) { "path" } else { "query" };
                assert_eq!(parameter["in"], place, "{at} {name}");
            }
            let is_admin = path.starts_with("/api/v1/admin/");
            assert_eq!(operation["security"][0]["operator"].is_array(), is_admin, "{at}");
        }
    }
    assert_eq!(operations, 12);
}

#[tokio::test]
async fn what_the_description_forbids_is_refused_with_a_stable_code() {
    let server = start().await;
    let http = Client::new();
    let id = "018bcfe5-6800-7000-8000-000000000000";
    let admin = "/api/v1/admin";
    for (method, path, status, code) in [
        (Method::POST, "/api/v1/rooms?hide_addresses=1".into(), 400, "bad_parameter"),
        (Method::POST, "/api/v1/rooms?hide_addresses=true&hide_addresses=true".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/abc?other=1".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/%ff%fe%fd".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/%20abc".into(), 400, "bad_room"),
        (Method::GET, "/api/v1/rooms/abc/messages?limit=%2B5".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/abc/messages?limit=05".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/abc/messages?after=".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/abc/messages?after=1.%2B1".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/abc/messages?after=1.01".into(), 400, "bad_parameter"),
        (Method::GET, "/api/v1/rooms/abc/ice?other=1".into(), 400, "bad_parameter"),
        (Method::GET, format!("{admin}/overview?other=1"), 400, "bad_parameter"),
        (Method::GET, format!("{admin}/dead?key=1"), 400, "bad_parameter"),
        (Method::GET, format!("{admin}/rooms?after=a"), 400, "bad_room"),
        (Method::DELETE, format!("{admin}/rooms/%20abc"), 400, "bad_room"),
        (Method::DELETE, format!("{admin}/rooms/abc/messages/1"), 400, "bad_parameter"),
        (Method::DELETE, format!("{admin}/rooms/abc/messages/{id}?other=1"), 400, "bad_parameter"),
        (Method::PUT, format!("{admin}/rooms/abc/messages/{id}"), 405, "method_not_allowed"),
        (Method::PATCH, "/new".into(), 405, "method_not_allowed"),
        (Method::POST, "/favicon.svg".into(), 405, "method_not_allowed"),
        (Method::POST, "/healthz".into(), 405, "method_not_allowed"),
        (Method::POST, "/admin".into(), 415, "unsupported_media_type"),
    ] {
        let answer = http.request(method.clone(), server.url(&path)).bearer_auth(TOKEN).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status().as_u16(), status, "{method} {path}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{method} {path}");
        assert_eq!(answer.headers().contains_key("allow"), status == 405, "{method} {path}");
        assert_eq!(answer.json::<Value>().await.expect("JSON")["code"], code, "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_is_json_of_the_described_shape() {
    let server = start().await;
    let http = Client::new();
    let made: Value =
        http.post(server.url("/api/v1/rooms")).send().await.expect("an answer").json().await.expect("JSON");
    let url = server.url(&format!("/api/v1/admin/rooms/{}", made["room"].as_str().expect("a code")));
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(41));
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(20_000));
    let form = "application/x-www-form-urlencoded";
    let json = "application/json";
    for (kind, body, status) in [
        (json, "{}", 204),
        (json, r#"{"name":"  ","retention_days":7.0}"#, 204),
        (json, r#"{"name":"Team","retention_days":36500}"#, 204),
        (json, r#"{"name":""}"#, 400),
        (json, r#"{"name":1}"#, 400),
        (json, r#"{"retention_days":0}"#, 400),
        (json, r#"{"retention_days":7.5}"#, 400),
        (json, r#"{"retention_days":36501}"#, 400),
        (json, r#"{"retention_days":-1}"#, 400),
        (json, r#"{"other":1}"#, 400),
        (json, "[null,null]", 400),
        (json, "null", 400),
        (json, "{", 400),
        (json, "", 400),
        (json, &long, 400),
        (json, &huge, 413),
        (form, "name=Team", 415),
        ("text/plain", "{}", 415),
    ] {
        let asked = http.put(&url).bearer_auth(TOKEN).header("content-type", kind).body(body.to_owned());
        let answer = asked.send().await.expect("an answer");
        let shown = &body[..body.len().min(60)];
        assert_eq!(answer.status().as_u16(), status, "{kind} {shown}");
        if status != 204 {
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{kind} {shown}");
        }
    }
}

#[tokio::test]
async fn pages_and_json_go_compressed_and_small_answers_as_they_are() {
    let server = start().await;
    let http = Client::new();
    let size = |path: &'static str, accepted: &'static str| {
        let asked = http.get(server.url(path)).header("accept-encoding", accepted);
        async move {
            let answer = asked.send().await.expect("an answer");
            let header = |name: &str| {
                answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
            };
            let (encoding, vary) = (header("content-encoding"), header("vary"));
            (encoding, vary, answer.bytes().await.expect("a body").len())
        }
    };
    for path in ["/", "/r/abc", "/check", "/nowhere", "/api/v1/openapi.json", "/api/v1/docs"] {
        let (encoding, vary, plain) = size(path, "identity").await;
        assert_eq!(encoding, "", "{path}");
        assert!(vary.contains("accept-encoding"), "{path}: {vary}");
        for accepted in ["gzip", "br"] {
            let (encoding, _, packed) = size(path, accepted).await;
            assert_eq!(encoding, accepted, "{path}");
            assert!(packed * 3 < plain * 2, "{path}: {packed} of {plain}");
        }
    }
    for path in ["/api/v1/rooms/none", "/healthz", "/pkg/none.js"] {
        assert_eq!(size(path, "gzip, br").await.0, "", "{path}");
    }
}

#[tokio::test]
async fn a_document_ends_with_its_end_and_no_nonce_stands_where_another_value_belongs() {
    let server = start().await;
    for path in ["/", "/r/abc?name=%3C/body%3E%3C/html%3E", "/check", "/nowhere"] {
        let page = reqwest::get(server.url(path)).await.expect("an answer").text().await.expect("a page");
        assert!(page.ends_with("</body></html>"), "{path}: {}", &page[page.len() - 80..]);
        assert_eq!(page.matches("</body></html>").count(), 1, "{path}");
        assert_eq!(page.matches("crossorigin=\"").count(), page.matches("crossorigin=\"anonymous\"").count(), "{path}");
    }
}
