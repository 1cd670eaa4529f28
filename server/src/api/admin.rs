//! What an operator can see and repair, behind the admin token; without one it does not exist.

use super::asked::{InRoom, Nothing, OfMessage, Params, Sent, room_of, whole};
use super::problem::Problem;
use crate::state::App;
use crate::{clock, deletion};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use holdfast::Limits;
use holdfast::wire::{Name, TextError};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use utoipa::{IntoParams, ToSchema};

/// Everything at a glance.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Overview {
    /// The nodes heard of lately.
    pub nodes: Vec<NodeBody>,
    /// The rooms in memory of the node that answers.
    pub rooms: Vec<String>,
    /// Seats in those rooms whose people are on the node that answers.
    pub seats: u64,
    /// The queue to the archive.
    pub queue: QueueBody,
    /// Log and archive.
    pub stores: Vec<StoreBody>,
    /// Where the log stands between safe and fast.
    pub durability: String,
    /// Now, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// A node.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct NodeBody {
    /// Its number, minted at its start.
    pub node: String,
    /// Its open sockets.
    pub sockets: u64,
    /// Rooms in its memory.
    pub rooms: u64,
    /// Seats of those rooms whose people are on this node: over all nodes each counts once.
    pub seats: u64,
    /// Whether it is the one that answers.
    pub me: bool,
}

/// The queue.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct QueueBody {
    /// Entries that are not in the archive yet.
    pub depth: u64,
    /// How long the oldest of them has waited, in milliseconds.
    pub oldest_ms: u64,
    /// Entries laid aside.
    pub dead: u64,
    /// Whether the queue answers; the numbers are zero if not.
    pub answers: bool,
}

/// A store.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoreBody {
    /// `log` or `archive`.
    pub name: String,
    /// Whether it answers.
    pub answers: bool,
    /// What it is.
    pub detail: String,
    /// Its breaker: `closed`, `open`, `half_open`; embedded stores have none.
    pub breaker: Option<String>,
}

/// An entry that was laid aside.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct DeadBody {
    /// The name it is replayed and discarded by.
    pub key: String,
    /// When it was laid aside.
    pub at_ms: u64,
    /// How often the archive refused it.
    pub attempts: u32,
    /// Why the first time.
    pub first_error: String,
    /// Why the last time.
    pub last_error: String,
    /// What it is, as it stood in the queue.
    pub payload: String,
}

/// A room of the archive.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AdminRoomBody {
    /// Its code.
    pub room: String,
    /// What the log calls it.
    pub log_tag: String,
    /// What people call it.
    pub name: Option<String>,
    /// When it was created.
    pub created_ms: u64,
    /// When something last happened in it.
    pub last_active_ms: u64,
    /// Days its messages are kept; none for the server's setting.
    pub retention_days: Option<u32>,
}

/// How many entries something was done to.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct DoneBody {
    /// How many.
    pub done: u64,
}

/// Which dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeadQuery {
    /// The one of this key; all without it.
    #[param(value_type = String, required = false)]
    pub key: Option<String>,
}

/// Which page of dead letters.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AfterQuery {
    /// The last key of the page before.
    #[param(value_type = String, required = false)]
    pub after: Option<String>,
}

/// Which page of rooms.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AfterRoomQuery {
    /// The last room of the page before.
    #[param(value_type = String, required = false, min_length = 3, max_length = 40, pattern = "^[A-Za-z0-9]+(-[A-Za-z0-9]+)*$")]
    pub after: Option<String>,
}

/// A room's settings.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoomSettings {
    /// What people call it, 1 to 40 characters; none if nothing of it can be seen.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 40)]
    pub name: Option<String>,
    /// Days its messages are kept, 1 to 36,500; none for the server's setting.
    #[serde(default, deserialize_with = "whole")]
    #[schema(minimum = 1, maximum = 36_500)]
    pub retention_days: Option<u32>,
}

const PAGE: usize = 100;

/// Whether a request carries the admin token. Compared as hashes, so that the time it takes tells nothing.
#[must_use]
pub fn is_admin(app: &App, headers: &HeaderMap) -> bool {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    given.is_some_and(|given| is_token(app, given))
}

/// Whether this is the admin token.
#[must_use]
pub fn is_token(app: &App, given: &str) -> bool {
    let token = &app.config.admin_token;
    !token.is_empty() && sha2::Sha256::digest(given) == sha2::Sha256::digest(token)
}

/// Lets only the operator in.
pub async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    if app.config.admin_token.is_empty() {
        return Problem::NotFound.into_response();
    }
    if is_admin(&app, request.headers()) { next.run(request).await } else { Problem::NotAdmin.into_response() }
}

/// Gathers everything at a glance.
pub async fn look(app: &App) -> Overview {
    let stats = app.backends.queue.stats().await;
    let answers = stats.is_ok();
    let stats = stats.unwrap_or_default();
    let [log, archive] = app.backends.probe().await;
    let breaker = |name: &str| {
        app.backends.dependencies().into_iter().find(|one| one.name() == name).map(|one| one.state().to_owned())
    };
    let store = |name: &str, (answers, detail): (bool, String), dependency: &str| StoreBody {
        name: name.into(),
        answers,
        detail,
        breaker: breaker(dependency),
    };
    let mut nodes: Vec<NodeBody> = app
        .bus
        .iter()
        .flat_map(crate::redis::bus::Bus::nodes)
        .map(|(node, load)| NodeBody {
            node: format!("{:x}", node.number()),
            sockets: load.sockets,
            rooms: load.rooms,
            seats: load.seats,
            me: app.bus.as_ref().is_some_and(|bus| bus.node() == node),
        })
        .collect();
    if nodes.is_empty() {
        let (sockets, rooms, seats) = (app.sockets.len() as u64, app.rooms.count() as u64, app.rooms.seats());
        nodes.push(NodeBody { node: "the only one".into(), sockets, rooms, seats, me: true });
    }
    let durability = app.backends.redis.as_ref().map_or("always", |redis| redis.durability().0.as_str());
    Overview {
        nodes,
        rooms: app.rooms.here().into_iter().take(PAGE).map(String::from).collect(),
        seats: app.rooms.seats(),
        queue: QueueBody { depth: stats.depth, oldest_ms: stats.oldest_ms, dead: stats.dead, answers },
        stores: vec![store("log", log, "redis"), store("archive", archive, "mongodb")],
        durability: durability.into(),
        now_ms: clock::now().as_unix(),
    }
}

/// See everything at a glance.
#[utoipa::path(get, path = "/api/v1/admin/overview", tag = "admin", responses((status = 200, description = "Everything at a glance.", body = Overview)))]
pub async fn overview(State(app): State<App>, Params(Nothing {}): Params<Nothing>) -> Json<Overview> {
    Json(look(&app).await)
}

/// List dead letters, oldest first.
#[utoipa::path(get, path = "/api/v1/admin/dead", tag = "admin", params(AfterQuery), responses((status = 200, description = "A page of them.", body = Vec<DeadBody>)))]
pub async fn dead(
    State(app): State<App>,
    Params(AfterQuery { after }): Params<AfterQuery>,
) -> Result<Json<Vec<DeadBody>>, Problem> {
    letters(&app, after).await.map(Json)
}

/// A page of dead letters.
///
/// # Errors
/// When the queue does not answer.
pub async fn letters(app: &App, after: Option<String>) -> Result<Vec<DeadBody>, Problem> {
    let found = app.backends.queue.dead(after, PAGE).await.map_err(|_| Problem::StoreAway)?;
    let body = |letter: crate::queue::DeadLetter| DeadBody {
        key: letter.key,
        at_ms: letter.at.as_unix(),
        attempts: letter.attempts,
        first_error: letter.first_error,
        last_error: letter.last_error,
        payload: letter.payload,
    };
    Ok(found.into_iter().map(body).collect())
}

/// Does something to one dead letter, or to each there is now.
///
/// # Errors
/// When the queue does not answer.
pub async fn each_letter(app: &App, key: Option<String>, replay: bool) -> Result<u64, Problem> {
    let queue = &app.backends.queue;
    let mut keys = vec![];
    match key {
        Some(key) => keys.push(key),
        None => loop {
            let page = queue.dead(keys.last().cloned(), PAGE).await.map_err(|_| Problem::StoreAway)?;
            if page.is_empty() {
                break;
            }
            keys.extend(page.into_iter().map(|letter| letter.key));
        },
    }
    let mut done = 0;
    for key in keys {
        let one = if replay { queue.replay(key) } else { queue.discard(key) };
        done += u64::from(one.await.map_err(|_| Problem::StoreAway)?);
    }
    tracing::info!(done, replay, "dead letters");
    Ok(done)
}

/// Put a dead letter back into the queue, or all of them.
#[utoipa::path(post, path = "/api/v1/admin/dead/replay", tag = "admin", params(DeadQuery), responses((status = 200, description = "How many.", body = DoneBody)))]
pub async fn replay(
    State(app): State<App>,
    Params(DeadQuery { key }): Params<DeadQuery>,
) -> Result<Json<DoneBody>, Problem> {
    Ok(Json(DoneBody { done: each_letter(&app, key, true).await? }))
}

/// Forget a dead letter, or all of them.
#[utoipa::path(post, path = "/api/v1/admin/dead/discard", tag = "admin", params(DeadQuery), responses((status = 200, description = "How many.", body = DoneBody)))]
pub async fn discard(
    State(app): State<App>,
    Params(DeadQuery { key }): Params<DeadQuery>,
) -> Result<Json<DoneBody>, Problem> {
    Ok(Json(DoneBody { done: each_letter(&app, key, false).await? }))
}

/// List rooms in the order of their codes.
#[utoipa::path(get, path = "/api/v1/admin/rooms", tag = "admin", params(AfterRoomQuery), responses((status = 200, description = "A page of them.", body = Vec<AdminRoomBody>)))]
pub async fn rooms(
    State(app): State<App>,
    Params(AfterRoomQuery { after }): Params<AfterRoomQuery>,
) -> Result<Json<Vec<AdminRoomBody>>, Problem> {
    let after = after.as_deref().map(room_of).transpose()?;
    let found = app.backends.archive.rooms(after, PAGE).await.map_err(|_| Problem::StoreAway)?;
    let body = |record: crate::archive::RoomRecord| AdminRoomBody {
        log_tag: app.secret.room_tag(&record.room),
        room: record.room.into(),
        name: record.name.map(String::from),
        created_ms: record.created.as_unix(),
        last_active_ms: record.last_active.as_unix(),
        retention_days: record.retention_days,
    };
    Ok(Json(found.into_iter().map(body).collect()))
}

/// Change a room's name and how long its messages are kept.
#[utoipa::path(put, path = "/api/v1/admin/rooms/{room}", tag = "admin", params(InRoom), request_body = RoomSettings,
    responses((status = 204, description = "Done.")))]
pub async fn set_room(
    State(app): State<App>,
    InRoom { room }: InRoom,
    Params(Nothing {}): Params<Nothing>,
    Sent(RoomSettings { name, retention_days }): Sent<RoomSettings>,
) -> Result<StatusCode, Problem> {
    let name = match name.as_deref().map(Name::new) {
        Some(_) if name.iter().any(|name| !(1..=Limits::NAME_CHARS).contains(&name.chars().count())) => {
            return Err(Problem::BadParameter);
        }
        Some(Err(TextError::TooLong)) => return Err(Problem::BadParameter),
        named => named.and_then(Result::ok),
    };
    if retention_days.is_some_and(|days| !(1..=36_500).contains(&days)) {
        return Err(Problem::BadParameter);
    }
    let known = app.backends.archive.set_room(&room, name, retention_days).await.map_err(|_| Problem::StoreAway)?;
    if known { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::NoSuchRoom) }
}

/// Delete a room's messages everywhere. Whoever is in it stays, in an empty room.
#[utoipa::path(delete, path = "/api/v1/admin/rooms/{room}", tag = "admin", params(InRoom),
    responses((status = 204, description = "Done.")))]
pub async fn delete_room(
    State(app): State<App>,
    InRoom { room }: InRoom,
    Params(Nothing {}): Params<Nothing>,
) -> Result<StatusCode, Problem> {
    deletion::delete_room(&app.backends, &room).await.map_err(|_| Problem::StoreAway)?;
    tracing::info!(room = crate::room_tag::tag(&room), "deleted by the operator");
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a message everywhere.
#[utoipa::path(delete, path = "/api/v1/admin/rooms/{room}/messages/{id}", tag = "admin",
    params(InRoom, OfMessage),
    responses((status = 204, description = "Done.")))]
pub async fn delete_message(
    State(app): State<App>,
    InRoom { room }: InRoom,
    OfMessage { id }: OfMessage,
    Params(Nothing {}): Params<Nothing>,
) -> Result<StatusCode, Problem> {
    deletion::delete_message(&app.backends, &room, id).await.map_err(|_| Problem::StoreAway)?;
    Ok(StatusCode::NO_CONTENT)
}
