//! The WebSocket at `/ws`: who may open it, how large and how fast it may talk, how it closes.

pub mod outlet;
mod pump;

use crate::api::problem::Problem;
use crate::state::App;
use crate::visit;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use holdfast::Limits;
use holdfast::wire::SUBPROTOCOL;
use std::net::SocketAddr;
use std::sync::Arc;

/// The read buffer of a socket: the usual 128 KiB would be most of what an idle socket costs.
const READ_BUFFER: usize = 4 * 1024;

/// `GET /ws`.
pub async fn upgrade(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    ws: Result<WebSocketUpgrade, axum::extract::ws::rejection::WebSocketUpgradeRejection>,
) -> Response {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text(header::HOST);
    if !app.config.origins.allow(text(header::ORIGIN), host, app.config.addr) {
        visit::note_refused_origin(&app, &headers);
        return Problem::OriginRefused.into_response();
    }
    let Ok(ws) = ws else { return Problem::NotWebSocket.into_response() };
    if app.stop.is_cancelled() {
        return Problem::Draining.into_response();
    }
    let address = app.throttle.address_of(peer.ip(), &headers);
    let Some(permit) = app.throttle.connect(address) else { return Problem::TooManyRequests.into_response() };
    let ws = ws
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(Limits::SEND_QUEUE_BYTES)
        .max_message_size(Limits::FRAME_BYTES)
        .max_frame_size(Limits::FRAME_BYTES)
        .protocols([SUBPROTOCOL]);
    if ws.selected_protocol().is_none() {
        return Problem::SubprotocolMissing.into_response();
    }
    // Without the port: that of the relay is another one.
    let host: Arc<str> = Arc::from(host.map_or("", crate::turn::host_name));
    let tracker = app.sockets.clone();
    ws.on_upgrade(move |socket| tracker.track_future(pump::run(socket, app, address, host, permit)))
}
