//! Every route of the server, as a table of contents.

use crate::api::{
    self,
    problem::{Problem, in_words},
};
use crate::files::{Shelf, from_memory};
use crate::pages::{self, security_headers};
use crate::state::App;
use crate::{admin_page, health, metrics, socket, visit};
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use std::time::Duration;
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::SizeAbove;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::services::ServeDir;
use tower_http::timeout::TimeoutLayer;

/// The largest request body: none of our requests needs one.
const BODY_BYTES: usize = 16 * 1024;
/// How long any answer but a socket may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Answers that are shorter go as they are.
const COMPRESS_ABOVE: u16 = 512;

/// Pages and JSON go compressed. No page holds a secret, and what the API tells is asked for with a token that no other
/// site's page has, so that nobody can try what they write against what we hide (BREACH).
fn compression() -> CompressionLayer<SizeAbove> {
    CompressionLayer::new().quality(CompressionLevel::Precise(5)).compress_when(SizeAbove::new(COMPRESS_ABOVE))
}

/// The router of the whole server.
pub fn router(app: &App) -> Router {
    let (site, hashed) = (app.config.site_dir.clone(), app.leptos.hash_files);
    let kept = || from_fn_with_state(Shelf::default(), from_memory);
    let pkg = Router::new()
        .fallback_service(ServeDir::new(site.join("pkg")).precompressed_br().precompressed_gzip())
        .layer(kept())
        .layer(map_response(move |response| pkg_headers(response, hashed)));
    let files = ServeDir::new(site)
        .append_index_html_on_directories(false)
        .precompressed_br()
        .precompressed_gzip()
        .fallback(get(pages::show).layer(compression()).with_state(app.clone()));
    let files = Router::new().fallback_service(files).layer(kept()).layer(map_response(file_headers));
    Router::new()
        .route("/new", post(pages::start_call))
        .route("/join", get(pages::join_call))
        .route("/admin", get(admin_page::show).post(admin_page::log_in))
        .route("/admin/dead", post(admin_page::act))
        .route("/admin/out", post(admin_page::log_out))
        .nest("/api/v1", api::router(app))
        .route("/", get(pages::show))
        .route("/check", get(pages::show))
        .route("/r/{room}", get(pages::show))
        .layer(compression())
        // From here on nothing is compressed anew: files are already.
        .nest("/pkg", pkg)
        .fallback_service(files)
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_WITHIN))
        .layer(RequestBodyLimitLayer::new(BODY_BYTES))
        .layer(from_fn_with_state(app.clone(), visit::refuse_cross_site))
        .layer(from_fn_with_state(app.clone(), visit::refuse_other_names))
        .route("/healthz", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/trafficz", get(health::traffic))
        .route(crate::redis::bus::HEARS_PATH, get(health::hears))
        .route("/metrics", get(metrics::show))
        .route("/ws", any(socket::upgrade))
        .layer(map_response(in_words))
        .layer(CatchPanicLayer::custom(|_| Problem::Internal.into_response()))
        .layer(from_fn(security_headers))
        .with_state(app.clone())
}

/// Icons and the like: small, and the same for everybody.
async fn file_headers(mut response: Response) -> Response {
    if response.status().is_success() {
        let kept = HeaderValue::from_static("public, max-age=3600");
        response.headers_mut().entry(header::CACHE_CONTROL).or_insert(kept);
    }
    response
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
