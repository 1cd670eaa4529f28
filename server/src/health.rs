//! Whether the process lives, and whether each of its parts can serve.

use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use std::time::Duration;
use tokio::time::timeout;

/// One part.
#[derive(Serialize)]
struct Part {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// The answer of `/readyz`.
#[derive(Serialize)]
pub struct Ready {
    ready: bool,
    parts: Vec<Part>,
}

/// `GET /healthz`: the process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 when every part can serve, 503 otherwise, each part named.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Ready>) {
    let probe = "readiness-probe".parse().expect("a valid code");
    let store = matches!(timeout(Duration::from_secs(2), app.archive.room(&probe)).await, Ok(Ok(_)));
    let draining = app.stop.is_cancelled();
    let relay = match (app.relay.embedded(), app.relay.has_external()) {
        (Some(addr), true) => format!("embedded on {addr}, and external"),
        (Some(addr), false) => format!("embedded on {addr}"),
        (None, true) => "external".into(),
        (None, false) => "none: people behind strict firewalls cannot meet".into(),
    };
    let parts = vec![
        Part { name: "log", ok: store, detail: "embedded; what is acknowledged is on disk".into() },
        Part { name: "archive", ok: store, detail: "embedded".into() },
        Part { name: "relay", ok: true, detail: relay },
        Part {
            name: "rooms",
            ok: true,
            detail: format!("{} in memory, {} sockets", app.rooms.count(), app.sockets.len()),
        },
        Part { name: "accepting", ok: !draining, detail: if draining { "draining".into() } else { "yes".into() } },
    ];
    let ready = parts.iter().all(|part| part.ok);
    (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, Json(Ready { ready, parts }))
}
