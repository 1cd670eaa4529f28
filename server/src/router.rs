//! Every route of the server, as a table of contents.

use crate::api::{self, problem::Problem};
use crate::pages::{self, security_headers};
use crate::state::App;
use crate::{admin_page, health, metrics, socket};
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::services::ServeDir;
use tower_http::timeout::TimeoutLayer;

/// The largest request body: none of our requests needs one.
const BODY_BYTES: usize = 16 * 1024;
/// How long any answer but a socket may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The router of the whole server.
pub fn router(app: &App) -> Router {
    let (site, hashed) = (app.config.site_dir.clone(), app.leptos.hash_files);
    let pkg = Router::new()
        .fallback_service(ServeDir::new(site.join("pkg")).precompressed_br().precompressed_gzip())
        .layer(map_response(move |response| pkg_headers(response, hashed)));
    let files = ServeDir::new(site)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(get(pages::show).with_state(app.clone()));
    Router::new()
        .route("/new", post(pages::start_call))
        .route("/join", get(pages::join_call))
        .route("/admin", get(admin_page::show).post(admin_page::log_in))
        .route("/admin/dead", post(admin_page::act))
        .nest("/api/v1", api::router(app))
        .route("/", get(pages::show))
        .route("/check", get(pages::show))
        .route("/r/{room}", get(pages::show))
        .nest("/pkg", pkg)
        .fallback_service(files)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_WITHIN))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route(crate::redis::bus::HEARS_PATH, get(health::hears))
        .route("/metrics", get(metrics::show))
        .route("/ws", any(socket::upgrade))
        .layer(CatchPanicLayer::custom(|_| Problem::Internal.into_response()))
        .layer(from_fn(security_headers))
        .with_state(app.clone())
}

/// Hashed names never change what they hold; the encoding of an answer depends on what was asked for.
async fn pkg_headers(mut response: Response, hashed: bool) -> Response {
    let success = response.status().is_success();
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    let cache = if success && hashed { "public, max-age=31536000, immutable" } else { "no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(cache));
    response
}
