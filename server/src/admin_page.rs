//! `/admin`: the operator's page, behind the admin token. A cookie that only this page sees keeps one logged in.

use crate::admin_session::SESSION;
use crate::api::admin::{each_letter, is_token, letters, look};
use crate::api::problem::Problem;
use crate::state::App;
use ::app::pages::admin::{AdminView, admin_document};
use axum::Form;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use holdfast::Millis;
use holdfast::view::clock_text;
use serde::Deserialize;
use std::net::SocketAddr;

const COOKIE: &str = "holdfast_admin";

/// The form that asks for the token.
#[derive(Deserialize)]
pub struct Login {
    token: String,
}

/// A button on dead letters.
#[derive(Deserialize)]
pub struct Act {
    act: String,
    key: Option<String>,
}

/// The session a request names.
fn session(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    cookies.split(';').find_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

async fn is_logged_in(app: &App, headers: &HeaderMap) -> bool {
    match session(headers) {
        Some(session) => app.admins.is_known(session).await,
        None => false,
    }
}

/// Redirects to the page, with a cookie that is good for so long. The browser says whether TLS brought it here.
fn with_cookie(app: &App, headers: &HeaderMap, session: &str, seconds: u64) -> Response {
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let tls = origin.map_or_else(|| app.config.origins.are_secure(), |origin| origin.starts_with("https://"));
    let secure = if tls { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={session}; Path=/admin; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    let mut response = Redirect::to("/admin").into_response();
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

fn is_off(app: &App) -> bool {
    app.config.admin_token.is_empty()
}

fn document(app: &App, view: Option<AdminView>, refused: bool) -> Response {
    let owner = leptos::prelude::Owner::new();
    let html = owner.with(|| admin_document(app.leptos.clone(), view, refused));
    let status = if refused { StatusCode::UNAUTHORIZED } else { StatusCode::OK };
    (status, [(header::CACHE_CONTROL, "no-store")], Html(html)).into_response()
}

/// `GET /admin`.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Response {
    if is_off(&app) {
        return Problem::NotFound.into_response();
    }
    if !is_logged_in(&app, &headers).await {
        return document(&app, None, false);
    }
    let overview = look(&app).await;
    let dead = letters(&app, None).await.unwrap_or_default();
    let queue = overview.queue;
    let view = AdminView {
        nodes: overview
            .nodes
            .into_iter()
            .map(|node| (node.node, [node.sockets, node.rooms, node.seats], node.me))
            .collect(),
        rooms: overview.rooms,
        seats: overview.seats,
        queue: queue.answers.then_some((queue.depth, queue.oldest_ms, queue.dead)),
        stores: overview.stores.into_iter().map(|one| (one.name, one.answers, one.detail, one.breaker)).collect(),
        counts: counts(&app.metrics.render()),
        dead: dead
            .into_iter()
            .map(|one| (one.key, one.attempts, one.first_error, one.last_error, one.payload))
            .collect(),
        now: format!("{} UTC", clock_text(Millis::from_unix(overview.now_ms), 0)),
    };
    document(&app, Some(view), false)
}

/// The counters an operator looks for first.
fn counts(metrics: &str) -> Vec<(&'static str, u64)> {
    let shown = [
        ("entries archived", "holdfast_archived_total"),
        ("tries refused by the archive", "holdfast_archive_refusals_total"),
        ("entries taken over from dead workers", "holdfast_redeliveries_total"),
        ("entries laid aside", "holdfast_dead_letters_total"),
        ("duplicates dropped", "holdfast_duplicates_dropped_total"),
        ("seats resumed", "holdfast_resumes_total"),
        ("logs begun anew", "holdfast_resyncs_total"),
    ];
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|text| text.trim().parse::<f64>().ok()).unwrap_or(0.0) as u64
    };
    shown.into_iter().map(|(words, name)| (words, value(name))).collect()
}

/// `POST /admin`: the token.
pub async fn log_in(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Form(Login { token }): Form<Login>,
) -> Response {
    if is_off(&app) {
        return Problem::NotFound.into_response();
    }
    if !app.throttle.request(app.throttle.address_of(peer.ip(), &headers)) {
        return Problem::TooManyRequests.into_response();
    }
    if !is_token(&app, &token) {
        return document(&app, None, true);
    }
    with_cookie(&app, &headers, &app.admins.begin().await, SESSION.as_secs())
}

/// `POST /admin/out`: the session ends, here and in the browser.
pub async fn log_out(State(app): State<App>, headers: HeaderMap) -> Response {
    if is_off(&app) {
        return Problem::NotFound.into_response();
    }
    if let Some(session) = session(&headers) {
        app.admins.end(session).await;
    }
    with_cookie(&app, &headers, "", 0)
}

/// `POST /admin/dead`: a button on one dead letter, or on all.
pub async fn act(State(app): State<App>, headers: HeaderMap, Form(Act { act, key }): Form<Act>) -> Response {
    if is_off(&app) {
        return Problem::NotFound.into_response();
    }
    if !is_logged_in(&app, &headers).await {
        return Problem::NotAdmin.into_response();
    }
    let replay = match act.as_str() {
        "replay" => true,
        "discard" => false,
        _ => return Problem::BadParameter.into_response(),
    };
    match each_letter(&app, key, replay).await {
        Ok(_) => Redirect::to("/admin").into_response(),
        Err(problem) => problem.into_response(),
    }
}
