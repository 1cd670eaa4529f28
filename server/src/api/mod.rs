//! The HTTP API under `/api/v1`: rooms, their history, and ICE servers for a seat.

pub mod admin;
mod asked;
pub mod browse;
mod describe;
pub mod problem;
mod rooms;

pub use asked::room_of;
pub use rooms::{new_room, place};

use crate::state::App;
use crate::throttle::Throttle;
use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
use describe::Common;
use problem::{Problem, ProblemBody};
use std::net::SocketAddr;
use utoipa::OpenApi;

/// The description of the API.
#[derive(OpenApi)]
#[openapi(
    modifiers(&Common),
    components(schemas(ProblemBody)),
    info(
        title = "Holdfast",
        description = "Rooms, their history, ICE servers for a seat, and what an operator can see and repair (with `Authorization: Bearer <HOLDFAST_ADMIN_TOKEN>`). Errors are problem documents (RFC 9457) with a stable `code`.",
    ),
    paths(
        rooms::create,
        rooms::show,
        rooms::messages,
        rooms::ice,
        admin::overview,
        admin::dead,
        admin::replay,
        admin::discard,
        admin::rooms,
        admin::set_room,
        admin::delete_room,
        admin::delete_message
    )
)]
pub struct ApiDoc;

/// The routes, to be nested at `/api/v1`.
pub fn router(app: &App) -> Router<App> {
    let admin = Router::new()
        .route("/overview", get(admin::overview))
        .route("/dead", get(admin::dead))
        .route("/dead/replay", post(admin::replay))
        .route("/dead/discard", post(admin::discard))
        .route("/rooms", get(admin::rooms))
        .route("/rooms/{room}", put(admin::set_room).delete(admin::delete_room))
        .route("/rooms/{room}/messages/{id}", delete(admin::delete_message))
        .route_layer(from_fn_with_state(app.clone(), admin::guard));
    Router::new()
        .nest("/admin", admin)
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
