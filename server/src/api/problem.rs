//! Errors of the HTTP API as problem documents (RFC 9457), each with a stable code.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Everything that can be wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The origin is not on the allow-list.
    OriginRefused,
    /// The server is called by a name it does not answer to.
    HostRefused,
    /// A page of another site asks for a change.
    CrossSite,
    /// `/ws` was not asked to upgrade.
    NotWebSocket,
    /// The client does not offer our subprotocol.
    SubprotocolMissing,
    /// The address asks too often.
    TooManyRequests,
    /// The server is going down.
    Draining,
    /// A room code out of its bounds.
    BadRoom,
    /// A query parameter out of its bounds.
    BadParameter,
    /// No such room.
    NoSuchRoom,
    /// No such thing.
    NotFound,
    /// The path does not take this method.
    MethodNotAllowed,
    /// No valid seat token.
    NoSeat,
    /// Not the admin token.
    NotAdmin,
    /// The store does not answer.
    StoreAway,
    /// The body is larger than allowed.
    TooLarge,
    /// The body is of a kind that is not taken.
    MediaType,
    /// A fault of ours.
    Internal,
}

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub struct ProblemBody {
    /// Always `about:blank`: the code says more.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The HTTP status.
    status: u16,
    /// The stable code.
    #[schema(example = "no_such_room")]
    code: &'static str,
    /// One sentence for people.
    title: &'static str,
}

impl Problem {
    /// What an error of the libraries beneath us means, which say it with a status alone.
    #[must_use]
    pub fn of_status(status: StatusCode) -> Option<Self> {
        Some(match status {
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Self::BadParameter,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Self::MediaType,
            // Only a store that is waited for takes so long.
            StatusCode::SERVICE_UNAVAILABLE => Self::StoreAway,
            StatusCode::INTERNAL_SERVER_ERROR => Self::Internal,
            _ => return None,
        })
    }

    /// Status, code and sentence.
    pub(super) const fn parts(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::OriginRefused => (StatusCode::FORBIDDEN, "origin_refused", "This page may not connect here."),
            Self::HostRefused => {
                (StatusCode::MISDIRECTED_REQUEST, "host_refused", "This server does not answer to this name.")
            }
            Self::CrossSite => (StatusCode::FORBIDDEN, "cross_site", "Pages of other sites may change nothing here."),
            Self::NotWebSocket => {
                (StatusCode::UPGRADE_REQUIRED, "not_websocket", "This address speaks WebSocket only.")
            }
            Self::SubprotocolMissing => {
                (StatusCode::BAD_REQUEST, "subprotocol_missing", "The subprotocol holdfast.v1 must be offered.")
            }
            Self::TooManyRequests => {
                (StatusCode::TOO_MANY_REQUESTS, "too_many_requests", "Too many requests; wait a little.")
            }
            Self::Draining => {
                (StatusCode::SERVICE_UNAVAILABLE, "draining", "The server is restarting; come back soon.")
            }
            Self::BadRoom => {
                (StatusCode::BAD_REQUEST, "bad_room", "A room code has 3 to 40 letters, digits and inner hyphens.")
            }
            Self::BadParameter => (StatusCode::BAD_REQUEST, "bad_parameter", "A parameter is out of its bounds."),
            Self::NoSuchRoom => (StatusCode::NOT_FOUND, "no_such_room", "There is no such room."),
            Self::NotFound => (StatusCode::NOT_FOUND, "not_found", "There is nothing here."),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "This method is not allowed here.")
            }
            Self::NoSeat => (StatusCode::UNAUTHORIZED, "no_seat", "A valid seat token is needed."),
            Self::NotAdmin => (StatusCode::UNAUTHORIZED, "not_admin", "The admin token is needed."),
            Self::StoreAway => (StatusCode::SERVICE_UNAVAILABLE, "store_away", "The store does not answer; try again."),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request is too large."),
            Self::MediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "This kind of content is not taken here.",
            ),
            Self::Internal => {
                (StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "Something went wrong on our side.")
            }
        }
    }
}

/// Gives an error that comes without words the problem document of its status; its other headers stay.
pub async fn in_words(response: Response) -> Response {
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let bare = kind.is_none_or(|kind| kind.starts_with("text/plain"));
    if !bare || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let Some(problem) = Problem::of_status(status) else { return response };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut worded = problem.into_response();
    for (name, value) in std::mem::take(worded.headers_mut()) {
        if let Some(name) = name {
            parts.headers.insert(name, value);
        }
    }
    *worded.headers_mut() = parts.headers;
    worded
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, code, title) = self.parts();
        let body = ProblemBody { kind: "about:blank", status: status.as_u16(), code, title };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::TooManyRequests | Self::StoreAway | Self::Draining => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Self::NoSeat | Self::NotAdmin => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::NotWebSocket => {
                headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            }
            _ => {}
        }
        response
    }
}
