//! What a request says about who makes it: by which name it calls the server, and which site it comes from.

use crate::api::problem::Problem;
use crate::rarely::Rarely;
use crate::state::{App, Shared};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use holdfast::session::Opener;
use std::net::SocketAddr;
use url::Url;

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What strangers wrote and a log or a page repeats: at most this many characters of it.
const REPEATED: usize = 100;

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?"))
}

/// The name the server was called by.
#[must_use]
pub fn host(headers: &HeaderMap) -> Option<&str> {
    text(headers, header::HOST)
}

/// Who brings a page up. Browsers say it, and no page can make them lie; what is not said is not believed.
#[must_use]
pub fn opener(app: &Shared, headers: &HeaderMap) -> Opener {
    match text(headers, FETCH_SITE) {
        Some("none" | "same-origin") => return Opener::Own,
        Some(_) => return Opener::Foreign,
        None => {}
    }
    let from = text(headers, header::REFERER).filter(|from| !from.is_empty());
    let is_own = |from| {
        Url::parse(from).is_ok_and(|url| app.config.origins.is_own(&url.origin().ascii_serialization(), host(headers)))
    };
    match (from.is_none_or(is_own), app.config.trust_join) {
        (true, true) => Opener::Own,
        (true, false) => Opener::Unknown,
        (false, _) => Opener::Foreign,
    }
}

/// Whether this computer asks, not through a proxy, by a name that no other site can have.
#[must_use]
pub fn is_from_here(app: &Shared, peer: SocketAddr, headers: &HeaderMap) -> bool {
    let forwarded = headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded");
    let ours = host(headers).is_none_or(|host| app.config.origins.is_surely_ours(host, app.config.addr));
    peer.ip().to_canonical().is_loopback() && !forwarded && ours
}

/// A path without what would go straight in; the rest of the query is kept as it was written.
#[must_use]
pub fn without_join(path: &str, query: &str) -> String {
    let kept: Vec<&str> = query.split('&').filter(|pair| pair.split('=').next() != Some("join")).collect();
    if kept.iter().all(|pair| pair.is_empty()) { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// What changes something is not done for another site's page.
pub async fn refuse_cross_site(State(app): State<App>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let foreign = match (text(headers, FETCH_SITE), text(headers, header::ORIGIN)) {
        (Some("none" | "same-origin"), _) | (None, None) => false,
        (Some(_), _) => true,
        (None, Some(origin)) => !app.config.origins.is_own(origin, host(headers)),
    };
    if foreign && !reads { Problem::CrossSite.into_response() } else { next.run(request).await }
}

/// Shows nothing to whoever calls the server by a name it does not have, and says what to do about it.
pub async fn refuse_other_names(State(app): State<App>, request: Request, next: Next) -> Response {
    let known = |host: &str| app.config.origins.answers_to(host, app.config.addr);
    let names = request.headers().get_all(header::HOST);
    let Some(other) = names.iter().find(|name| !name.to_str().is_ok_and(known)) else {
        return next.run(request).await;
    };
    let name = repeat(&String::from_utf8_lossy(other.as_bytes()));
    app.told.host.say(|| {
        tracing::warn!(
            host = name,
            "refused: without HOLDFAST_ORIGINS the server answers to localhost and to the address it listens on. Set it to \
             what stands in the address bar, such as https://meet.example"
        );
    });
    if request.uri().path().starts_with("/api/") {
        return Problem::HostRefused.into_response();
    }
    let text = format!(
        "Holdfast runs here, but it does not answer to the name {name}.\n\nIf you run it: set HOLDFAST_ORIGINS to what stands \
         in the address bar, such as https://meet.example, and start it again.\nWithout that setting it answers only to \
         localhost and to the address it listens on, so that no other site can pass for it.\n"
    );
    (StatusCode::MISDIRECTED_REQUEST, text).into_response()
}

/// Notes that a page was refused the socket: whoever set the server up sees nothing else of it.
pub fn note_refused_origin(app: &Shared, headers: &HeaderMap) {
    let (origin, host) = (text(headers, header::ORIGIN), host(headers));
    app.told.origin.say(|| {
        tracing::warn!(
            origin = origin.map_or_else(|| "none".into(), repeat),
            host = host.map_or_else(|| "none".into(), repeat),
            "a page may not connect: neither HOLDFAST_ORIGINS nor the own host is its origin"
        );
    });
}

fn repeat(text: &str) -> String {
    let known = |c: char| if c.is_ascii_graphic() { c } else { '?' };
    text.chars().take(REPEATED).map(known).collect()
}

/// What is said once in a while, because strangers can make it happen at will.
#[derive(Default)]
pub struct Told {
    /// A page that may not connect.
    pub origin: Rarely,
    /// A name that is not the server's.
    pub host: Rarely,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_join_is_taken_from_a_query() {
        for (query, kept) in [
            ("join=1", "/r/abc"),
            ("name=Ana&join=1", "/r/abc?name=Ana"),
            ("join=1&name=a%26join=2&debug=1", "/r/abc?name=a%26join=2&debug=1"),
            ("join&name=Jo+Ann&join=1&&x", "/r/abc?name=Jo+Ann&&x"),
            ("rejoin=1&joining", "/r/abc?rejoin=1&joining"),
            ("", "/r/abc"),
        ] {
            assert_eq!(without_join("/r/abc", query), kept, "{query}");
        }
    }
}
