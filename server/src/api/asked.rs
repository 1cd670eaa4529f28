//! What a request asks, taken exactly as the description says: anything else is a problem document.

use super::problem::Problem;
use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, RawPathParams, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use holdfast::{ChatId, RoomId};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use utoipa::IntoParams;

/// The query.
pub struct Params<T>(pub T);

/// A query without parameters.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// The room in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct InRoom {
    /// The room's code.
    #[param(value_type = String, min_length = 3, max_length = 40, pattern = "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$")]
    pub room: RoomId,
}

/// The message in the path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub struct OfMessage {
    /// The message's id, a UUID of version 7.
    #[param(value_type = String, pattern = "^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")]
    pub id: ChatId,
}

/// The JSON in the body.
pub struct Sent<T>(pub T);

/// A room by its code alone: what people may add to it in a form or a link has no place in a program's request.
///
/// # Errors
/// [`Problem::BadRoom`].
pub fn room_of(text: &str) -> Result<RoomId, Problem> {
    let room: RoomId = text.parse().map_err(|_| Problem::BadRoom)?;
    if room.as_str().eq_ignore_ascii_case(text) { Ok(room) } else { Err(Problem::BadRoom) }
}

/// A number in a query, without sign or leading zeros.
///
/// # Errors
/// When it is written in another way.
pub fn plain_number<'de, D: Deserializer<'de>>(from: D) -> Result<usize, D::Error> {
    let text = String::deserialize(from)?;
    let number = text.parse::<usize>().ok().filter(|number| number.to_string() == text);
    number.ok_or_else(|| serde::de::Error::custom("not a plain number"))
}

/// A whole number in JSON, where 7.0 is the same as 7.
///
/// # Errors
/// When it is none, or too large.
pub fn whole<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let Some(number) = Option::<f64>::deserialize(from)? else { return Ok(None) };
    if number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number) {
        return Ok(Some(number as u32));
    }
    Err(serde::de::Error::custom("not a whole number"))
}

async fn path_part<S: Send + Sync>(parts: &mut Parts, state: &S, name: &str) -> Result<String, Problem> {
    let found = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::BadParameter)?;
    let part = found.iter().find(|(key, _)| *key == name).map(|(_, part)| part.to_owned());
    part.ok_or(Problem::Internal) // A route without this part has no such extractor.
}

impl<S: Send + Sync> FromRequestParts<S> for InRoom {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        Ok(Self { room: room_of(&path_part(parts, state, "room").await?)? })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OfMessage {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let id = path_part(parts, state, "id").await?.parse().map_err(|_| Problem::BadParameter)?;
        Ok(Self { id })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(asked) = Query::from_request_parts(parts, state).await.map_err(|_| Problem::BadParameter)?;
        Ok(Self(asked))
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Problem;
    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::from_request(request, state).await {
            // By way of a map: serde would read a list as well, field by field.
            Ok(Json(Value::Object(sent))) => {
                serde_json::from_value(Value::Object(sent)).map(Self).map_err(|_| Problem::BadParameter)
            }
            Ok(Json(_)) => Err(Problem::BadParameter),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Problem::MediaType),
            Err(other) if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Problem::TooLarge),
            Err(_) => Err(Problem::BadParameter),
        }
    }
}
