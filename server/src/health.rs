//! Whether the process lives, whether each of its parts can serve, and whether people may be sent here.

use crate::api::admin::is_admin;
use crate::backends::Registered;
use crate::state::{App, Shared};
use crate::visit::is_from_here;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;

/// The stores are asked no more often, however many want to know.
const ASKED_EVERY: Duration = Duration::from_secs(1);

/// One part.
#[derive(Serialize)]
struct Part {
    name: &'static str,
    ok: bool,
    detail: String,
}

/// The answer of `/readyz` to the operator; strangers learn only the first of it.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    parts: Option<Vec<Part>>,
}

/// What log and archive said last.
type Stores = Arc<[(bool, String); 2]>;

/// What the stores said last, and when.
#[derive(Default)]
pub struct Asked(Mutex<Option<(Instant, Stores)>>);

impl Asked {
    async fn stores(&self, probe: impl Future<Output = [(bool, String); 2]>) -> Stores {
        // Held while they are asked: whoever comes meanwhile gets the same answer.
        let mut last = self.0.lock().await;
        if let Some((at, stores)) = &*last
            && at.elapsed() < ASKED_EVERY
        {
            return Arc::clone(stores);
        }
        let stores = Arc::new(probe.await);
        *last = Some((Instant::now(), Arc::clone(&stores)));
        stores
    }
}

fn breakers(app: &Shared) -> String {
    let all = app.backends.dependencies();
    let states: Vec<String> = all.iter().map(|one| format!("{} {}", one.name(), one.state())).collect();
    if states.is_empty() { "none needed".into() } else { states.join(", ") }
}

/// What this node alone can lack.
fn own_parts(app: &Shared) -> Vec<Part> {
    let draining = app.stop.is_cancelled();
    let missing = app.client.missing();
    vec![
        Part {
            name: "one_archive",
            ok: !matches!(*app.backends.registered.borrow(), Registered::No(_)),
            detail: match &*app.backends.registered.borrow() {
                Registered::Yes => "yes".into(),
                Registered::Unknown => "not known yet: Redis did not say".into(),
                Registered::No(why) => why.clone(),
            },
        },
        Part { name: "client", ok: missing.is_none(), detail: missing.unwrap_or_else(|| "there".into()) },
        Part { name: "accepting", ok: !draining, detail: if draining { "draining".into() } else { "yes".into() } },
    ]
}

/// All there is to know.
async fn all_parts(app: &Shared) -> Vec<Part> {
    let stores = app.asked.stores(app.backends.probe()).await;
    let [(log, log_detail), (archive, archive_detail)] = (*stores).clone();
    let relay = match (app.relay.embedded(), app.relay.has_external()) {
        (Some(addr), true) => format!("embedded on {addr}, and external"),
        (Some(addr), false) => format!("embedded on {addr}"),
        (None, true) => "external".into(),
        (None, false) => "none: people behind strict firewalls cannot meet".into(),
    };
    let mut parts = vec![
        Part { name: "log", ok: log, detail: log_detail },
        // An archive that is away is not a reason to send people elsewhere: calls and chat go on, the queue waits.
        Part {
            name: "archive",
            ok: true,
            detail: if archive { archive_detail } else { format!("away; the queue waits ({archive_detail})") },
        },
        Part { name: "breakers", ok: true, detail: breakers(app) },
        Part { name: "relay", ok: true, detail: relay },
        Part {
            name: "rooms",
            ok: true,
            detail: format!("{} in memory, {} sockets", app.rooms.count(), app.sockets.len()),
        },
    ];
    parts.extend(own_parts(app));
    parts
}

fn answer(parts: Vec<Part>, knows: bool) -> Response {
    let ready = parts.iter().all(|part| part.ok);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, parts: knows.then_some(parts) })).into_response()
}

/// `GET /healthz`: the process answers.
pub async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: 200 when every part can serve, 503 otherwise. Each part is named to this computer and to the operator.
pub async fn ready(State(app): State<App>, ConnectInfo(peer): ConnectInfo<SocketAddr>, headers: HeaderMap) -> Response {
    let knows = is_from_here(&app, peer, &headers) || is_admin(&app, &headers);
    answer(all_parts(&app).await, knows)
}

/// `GET /trafficz`: 200 while people may be sent here. What all nodes share does not count: it would take them all out at
/// once, and calls go on without it.
pub async fn traffic(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Response {
    let knows = is_from_here(&app, peer, &headers) || is_admin(&app, &headers);
    answer(own_parts(&app), knows)
}

/// `GET /hearsz`: 200 while this node hears what nodes tell each other; asked by one that hears nothing.
pub async fn hears(State(app): State<App>) -> StatusCode {
    match &app.bus {
        Some(bus) if bus.hears_well() && !app.stop.is_cancelled() => StatusCode::OK,
        Some(_) | None => StatusCode::SERVICE_UNAVAILABLE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn however_many_want_to_know_the_stores_are_asked_once_a_second() {
        let (asked, times) = (Asked::default(), std::sync::atomic::AtomicU32::new(0));
        let ask = || {
            asked.stores(async {
                times.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
                [(true, String::new()), (true, String::new())]
            })
        };
        let _ = tokio::join!(ask(), ask(), ask());
        assert_eq!(times.load(std::sync::atomic::Ordering::Relaxed), 1);
        tokio::time::sleep(ASKED_EVERY).await;
        let _ = ask().await;
        assert_eq!(times.load(std::sync::atomic::Ordering::Relaxed), 2);
    }
}
