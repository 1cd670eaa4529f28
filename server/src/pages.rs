//! The pages: the Leptos app rendered on the server, its two plain forms, and the security headers of every answer.

use crate::api::new_room;
use crate::api::problem::Problem;
use crate::codes::{mended, room_in};
use crate::config::Config;
use crate::document;
use crate::state::App;
use crate::visit;
use ::app::address::{Address, Page, encode};
use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{ConnectInfo, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use holdfast::session::Opener;
use leptos::config::{Env, LeptosOptions};
use leptos::nonce::use_nonce;
use leptos::prelude::use_context;
use leptos_axum::ResponseOptions;
use serde::Deserialize;
use std::net::SocketAddr;

/// As many characters of a code that is none come back; the field takes no more.
const CODE_CHARS: usize = 400;
/// No page of ours is as large.
const PAGE_BYTES: usize = 1024 * 1024;

/// How the client was built, without cargo-leptos beside the running server.
#[must_use]
pub fn options(config: &Config, addr: SocketAddr) -> LeptosOptions {
    // Rendering spawns its futures here; a second start in one process finds it set already.
    let _ = any_spawner::Executor::init_tokio();
    let hashed = std::env::var("LEPTOS_HASH_FILES").ok().filter(|text| !text.is_empty()).map_or_else(
        || std::env::current_exe().is_ok_and(|path| path.with_file_name("hash.txt").exists()),
        |text| text == "true",
    );
    let watched = is_watched();
    LeptosOptions::builder()
        .output_name("holdfast")
        .site_root(config.site_dir.display().to_string())
        .site_pkg_dir("pkg")
        .env(if watched { Env::DEV } else { Env::PROD })
        .site_addr(addr)
        .hash_files(hashed)
        .build()
}

/// Whether `cargo leptos watch` runs this server.
fn is_watched() -> bool {
    std::env::var_os("LEPTOS_WATCH").is_some_and(|value| !value.is_empty())
}

/// What a page may load and do. `script` names what may run.
fn policy(script: &str) -> String {
    // `cargo leptos watch` reloads the page over a socket of its own.
    let reload = if is_watched() { " ws://127.0.0.1:3001 ws://localhost:3001" } else { "" };
    format!(
        "default-src 'none'; script-src {script}; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         media-src 'self' blob:; connect-src 'self'{reload}; manifest-src 'self'; form-action 'self'; base-uri 'none'; \
         frame-ancestors 'none'"
    )
}

/// Runs before each page is rendered: sets the policy with the page's own nonce.
fn page_context() {
    if let (Some(response), Some(nonce)) = (use_context::<ResponseOptions>(), use_nonce()) {
        let policy = policy(&format!("'self' 'nonce-{nonce}' 'wasm-unsafe-eval'"));
        if let Ok(value) = HeaderValue::from_str(&policy) {
            response.insert_header(header::CONTENT_SECURITY_POLICY, value);
        }
    }
}

/// Adds the security headers that an answer does not have yet.
pub async fn security_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if !headers.contains_key(header::CONTENT_SECURITY_POLICY)
        && let Ok(value) = HeaderValue::from_str(&policy("'none'"))
    {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
    // What has an answer of its own says how long it is good; the rest is for whoever asked, and now.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in [
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "permissions-policy",
            "camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self), geolocation=(), payment=(), usb=()",
        ),
        // Not no-referrer: with it a browser sends our own forms with the origin 'null'.
        ("referrer-policy", "same-origin"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// The page as it may be sent. It is complete when its first byte comes, so nothing waits here.
async fn mend(rendered: Response) -> Response {
    let (parts, body) = rendered.into_parts();
    let policy = parts.headers.get(header::CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let nonce = policy.and_then(|policy| policy.split_once("'nonce-")?.1.split('\'').next());
    let nonce = nonce.unwrap_or_default().to_owned();
    match axum::body::to_bytes(body, PAGE_BYTES).await {
        Ok(page) => Response::from_parts(parts, document::valid(&String::from_utf8_lossy(&page), &nonce).into()),
        Err(_) => Problem::Internal.into_response(),
    }
}

/// Renders the page of a request's path. No other site lets somebody go straight into a call.
pub async fn show(State(app): State<App>, request: Request) -> Response {
    let uri = request.uri();
    if let Some(path) = mended(uri.path()) {
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        return Redirect::to(&format!("{path}{query}")).into_response();
    }
    let opener = visit::opener(&app, request.headers());
    let address = Address::read(uri.path(), uri.query().unwrap_or_default());
    let asks = |name| address.query.get(name).is_some();
    if opener == Opener::Foreign {
        match address.page {
            Page::Room(_) if asks("join") => {
                let lobby = visit::without_join(uri.path(), uri.query().unwrap_or_default());
                return Redirect::to(&lobby).into_response();
            }
            Page::Check if !asks("wait") => return Redirect::to("/check?wait=1").into_response(),
            Page::Home | Page::Room(_) | Page::Check | Page::NotFound => {}
        }
    }
    let status = if address.page == Page::NotFound { StatusCode::NOT_FOUND } else { StatusCode::OK };
    let options = app.leptos.clone();
    let render = leptos_axum::render_app_async_with_context(page_context, move || {
        ::app::shell(options.clone(), address.clone(), opener)
    });
    let mut response = mend(render(request).await).await;
    *response.status_mut() = status;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The form of `/new`.
#[derive(Default, Deserialize)]
pub struct StartForm {
    #[serde(default)]
    hide: String,
}

/// `POST /new`: makes a room and goes there.
pub async fn start_call(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: Result<Form<StartForm>, FormRejection>,
) -> Response {
    let address = app.throttle.address_of(peer.ip(), &headers);
    if !app.throttle.request(address) {
        return Problem::TooManyRequests.into_response();
    }
    // The form may be empty, as scripts send it.
    let hide = form.is_ok_and(|Form(form)| form.hide == "1");
    match new_room(&app, address, hide).await {
        Ok(room) => Redirect::to(&format!("/r/{room}")).into_response(),
        Err(problem) => problem.into_response(),
    }
}

/// The form of `/join`.
#[derive(Deserialize)]
pub struct JoinQuery {
    #[serde(default)]
    code: String,
}

/// `GET /join?code=`: goes to a room by its code or link.
pub async fn join_call(query: Result<Query<JoinQuery>, axum::extract::rejection::QueryRejection>) -> Response {
    let Ok(Query(JoinQuery { code })) = query else { return Problem::BadParameter.into_response() };
    match room_in(&code) {
        Some(room) => Redirect::to(&format!("/r/{room}")).into_response(),
        // What was typed comes back, so that nobody types it anew.
        None => {
            let typed: String = code.chars().take(CODE_CHARS).collect();
            Redirect::to(&format!("/?unknown=1&code={}", encode(&typed))).into_response()
        }
    }
}
