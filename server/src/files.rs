//! Static files out of memory, so that whoever reads one slowly holds no open file.

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};

/// A larger file is read from the disk each time. The client has some hundred kilobytes.
const FILE_BYTES: u64 = 16 * 1024 * 1024;
/// All that is kept. Past it everything is read anew: one file has many spellings.
const ALL_BYTES: usize = 64 * 1024 * 1024;

/// A file in one encoding, and when it was last changed.
struct Kept {
    changed: HeaderValue,
    bytes: Bytes,
}

/// Path and encoding.
type Key = (String, Option<HeaderValue>);

/// Files that are open at the same time, until we know whether they are kept.
const OPEN: usize = 16;

/// The files that were asked for.
#[derive(Clone)]
pub struct Shelf {
    kept: Arc<Mutex<HashMap<Key, Kept>>>,
    opening: Arc<Semaphore>,
}

impl Default for Shelf {
    fn default() -> Self {
        Self { kept: Arc::default(), opening: Arc::new(Semaphore::new(OPEN)) }
    }
}

/// Answers with the whole file: who asked for a part gets all of it, which HTTP allows.
pub async fn from_memory(State(shelf): State<Shelf>, mut request: Request, next: Next) -> Response {
    request.headers_mut().remove(header::RANGE);
    let (get, path) = (request.method() == Method::GET, request.uri().path().to_owned());
    let _turn = shelf.opening.acquire().await;
    let (mut parts, body) = next.run(request).await.into_parts();
    parts.headers.remove(header::ACCEPT_RANGES);
    let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let length: Option<u64> = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    let changed = parts.headers.get(header::LAST_MODIFIED).cloned();
    let (true, StatusCode::OK, Some(changed), Some(0..=FILE_BYTES)) = (get, parts.status, changed, length) else {
        return Response::from_parts(parts, body);
    };
    let key = (path, parts.headers.get(header::CONTENT_ENCODING).cloned());
    // One at a time reads a file, and the others find it.
    let mut kept = shelf.kept.lock().await;
    if let Some(known) = kept.get(&key)
        && known.changed == changed
        && Some(known.bytes.len() as u64) == length
    {
        return Response::from_parts(parts, Body::from(known.bytes.clone()));
    }
    let Ok(read) = body.collect().await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let bytes = read.to_bytes();
    if kept.values().map(|one| one.bytes.len()).sum::<usize>() + bytes.len() > ALL_BYTES {
        kept.clear();
    }
    kept.insert(key, Kept { changed, bytes: bytes.clone() });
    Response::from_parts(parts, Body::from(bytes))
}
