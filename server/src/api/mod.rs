//! The HTTP API under `/api/v1`: rooms, their history, and ICE servers for a seat.

pub mod browse;
pub mod problem;
mod rooms;

pub use rooms::new_room;

use crate::state::App;
use crate::throttle::Throttle;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use problem::Problem;
use std::net::SocketAddr;
use utoipa::OpenApi;

/// The description of the API.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Holdfast",
        description = "Rooms, their history, and ICE servers for a seat. Errors are problem documents (RFC 9457) with a stable `code`.",
    ),
    paths(rooms::create, rooms::show, rooms::messages, rooms::ice)
)]
pub struct ApiDoc;

/// The routes, to be nested at `/api/v1`.
pub fn router(app: &App) -> Router<App> {
    Router::new()
        .route("/rooms", post(rooms::create))
        .route("/rooms/{room}", get(rooms::show))
        .route("/rooms/{room}/messages", get(rooms::messages))
        .route("/rooms/{room}/ice", get(rooms::ice))
        .route("/openapi.json", get(browse::openapi))
        .route("/docs", get(browse::page))
        .fallback(|| async { Problem::NotFound })
        .method_not_allowed_fallback(|| async { Problem::MethodNotAllowed })
        .layer(from_fn_with_state(app.throttle.clone(), limit))
}

async fn limit(
    State(throttle): State<Throttle>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let address = throttle.address_of(peer.ip(), request.headers());
    if throttle.request(address) { next.run(request).await } else { Problem::TooManyRequests.into_response() }
}
