//! Whether the process lives, and whether each of its parts can serve.

use crate::backends::Registered;
use crate::state::App;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;

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

fn breakers(app: &App) -> String {
    let all = app.backends.dependencies();
    let states: Vec<String> = all.iter().map(|one| format!("{} {}", one.name(), one.state())).collect();
    if states.is_empty() { "none needed".into() } else { states.join(", ") }
}

/// `GET /healthz`: the process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 when every part can serve, 503 otherwise, each part named.
pub async fn ready(State(app): State<App>) -> (StatusCode, Json<Ready>) {
    let [(log, log_detail), (archive, archive_detail)] = app.backends.probe().await;
    let draining = app.stop.is_cancelled();
    let relay = match (app.relay.embedded(), app.relay.has_external()) {
        (Some(addr), true) => format!("embedded on {addr}, and external"),
        (Some(addr), false) => format!("embedded on {addr}"),
        (None, true) => "external".into(),
        (None, false) => "none: people behind strict firewalls cannot meet".into(),
    };
    let parts = vec![
        Part { name: "log", ok: log, detail: log_detail },
        // An archive that is away is not a reason to send people elsewhere: calls and chat go on, the queue waits.
        Part {
            name: "archive",
            ok: true,
            detail: if archive { archive_detail } else { "away; the queue waits".into() },
        },
        Part {
            name: "one_archive",
            ok: !matches!(*app.backends.registered.borrow(), Registered::No(_)),
            detail: match &*app.backends.registered.borrow() {
                Registered::Yes => "yes".into(),
                Registered::Unknown => "not known yet: Redis did not say".into(),
                Registered::No(why) => why.clone(),
            },
        },
        Part { name: "breakers", ok: true, detail: breakers(&app) },
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

/// `GET /hearsz`: 200 while this node hears what nodes tell each other; asked by one that hears nothing.
pub async fn hears(State(app): State<App>) -> StatusCode {
    match &app.bus {
        Some(bus) if bus.hears_well() && !app.stop.is_cancelled() => StatusCode::OK,
        Some(_) | None => StatusCode::SERVICE_UNAVAILABLE,
    }
}
