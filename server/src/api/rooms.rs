//! What one can ask of a room over HTTP.

use super::asked::{InRoom, Nothing, Params, plain_number};
use super::problem::Problem;
use crate::clock;
use crate::rooms::past;
use crate::state::App;
use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use holdfast::rng::Rng;
use holdfast::wire::Entry;
use holdfast::{Limits, LogEpoch, Offset, RoomId};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};
use utoipa::{IntoParams, ToSchema};

/// A room.
#[derive(Serialize, ToSchema)]
pub struct RoomBody {
    /// Its code.
    #[schema(example = "kavot-imure-sakem")]
    room: String,
    /// The path of its page.
    #[schema(example = "/r/kavot-imure-sakem")]
    path: String,
    /// When it was created, in milliseconds since the Unix epoch.
    created_ms: u64,
    /// The life of its log.
    epoch: u64,
    /// The number of its newest log entry; 0 if there is none.
    head: u64,
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When something last happened in it.
    last_active_ms: u64,
    /// Days its messages are kept; absent for the server's setting.
    #[serde(skip_serializing_if = "Option::is_none")]
    retention_days: Option<u32>,
}

/// A stored chat message.
#[derive(Serialize, ToSchema)]
pub struct MessageBody {
    /// Its id, a UUID of version 7.
    id: String,
    /// The life of the log it is in.
    epoch: u64,
    /// Its number in that life.
    seq: u64,
    /// The seat that wrote it.
    peer: String,
    /// The author's name at that time.
    name: String,
    /// What it says.
    body: String,
    /// When it was stored, in milliseconds since the Unix epoch.
    at_ms: u64,
}

/// A page of messages, oldest first.
#[derive(Serialize, ToSchema)]
pub struct MessagesBody {
    /// The messages.
    messages: Vec<MessageBody>,
    /// The `after` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "1800000000000.17")]
    next: Option<String>,
}

/// One STUN or TURN server.
#[derive(Serialize, ToSchema)]
pub struct IceServerBody {
    /// Its URLs.
    urls: Vec<String>,
    /// For TURN: the expiring user name.
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    /// For TURN: its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
}

/// ICE servers for a seat.
#[derive(Serialize, ToSchema)]
pub struct IceBody {
    /// What `RTCPeerConnection` takes as `iceServers`.
    ice_servers: Vec<IceServerBody>,
    /// How long the credentials are good, in seconds.
    ttl_s: u64,
}

/// Which page of messages.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    /// The `next` of the page before; without it the first page.
    #[serde(default)]
    #[param(value_type = String, required = false, pattern = r"^(0|(0|[1-9][0-9]{0,18})\.(0|[1-9][0-9]{0,18}))$", example = "1800000000000.17")]
    after: Option<String>,
    /// How many messages, 1 to 200.
    #[serde(default = "page_entries", deserialize_with = "plain_number")]
    #[param(minimum = 1, maximum = 200)]
    limit: usize,
}

const fn page_entries() -> usize {
    Limits::PAGE_ENTRIES
}

/// What kind of room.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CreateQuery {
    /// People see only relays' addresses of each other.
    #[serde(default)]
    pub hide_addresses: bool,
}

/// Makes up a code that is not in use and creates its room for this address, one that hides addresses if `hide`.
pub async fn new_room(app: &App, address: IpAddr, hide: bool) -> Result<RoomId, Problem> {
    if !app.throttle.create(address) {
        return Err(Problem::TooManyRequests);
    }
    let mut rng = Rng::new(rand::random());
    for _ in 0..8 {
        let room = if hide { RoomId::mint_hiding(&mut rng) } else { RoomId::mint(&mut rng) };
        // Without an archive to ask, a code is taken on trust: two alike are made once in 10^14 times. The room's first
        // entry creates it there later.
        if app.backends.archive.create(&room, clock::now()).await.unwrap_or(true) {
            tracing::info!(room = crate::room_tag::tag(&room), "created");
            return Ok(room);
        }
    }
    Err(Problem::Internal)
}

async fn room_body(app: &App, room: RoomId) -> Result<RoomBody, Problem> {
    let record = app.backends.archive.room(&room).await.map_err(|_| Problem::StoreAway)?;
    let record = match record {
        Some(record) => record,
        // Its first entry may be on its way to the archive.
        None if app.rooms.has(&room) => crate::archive::RoomRecord {
            room: room.clone(),
            name: None,
            created: clock::now(),
            last_active: clock::now(),
            retention_days: None,
            head: Offset::default(),
        },
        None => return Err(Problem::NoSuchRoom),
    };
    let head = app.backends.log.state(&room).await.map_or(record.head, |state| state.head());
    Ok(body_of(record, head))
}

fn body_of(record: crate::archive::RoomRecord, head: Offset) -> RoomBody {
    RoomBody {
        path: format!("/r/{}", record.room),
        room: record.room.into(),
        created_ms: record.created.as_unix(),
        epoch: head.epoch.number(),
        head: head.seq,
        name: record.name.map(String::from),
        last_active_ms: record.last_active.as_unix(),
        retention_days: record.retention_days,
    }
}

/// Create a room.
#[utoipa::path(
    post, path = "/api/v1/rooms", tag = "rooms", params(CreateQuery),
    responses((status = 201, description = "The room.", body = RoomBody))
)]
pub async fn create(
    State(app): State<App>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Params(CreateQuery { hide_addresses }): Params<CreateQuery>,
) -> Result<(StatusCode, Json<RoomBody>), Problem> {
    let room = new_room(&app, app.throttle.address_of(peer.ip(), &headers), hide_addresses).await?;
    let now = clock::now();
    let record = crate::archive::RoomRecord {
        room,
        name: None,
        created: now,
        last_active: now,
        retention_days: None,
        head: Offset::default(),
    };
    Ok((StatusCode::CREATED, Json(body_of(record, Offset::default()))))
}

/// Look a room up.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}", tag = "rooms", params(InRoom),
    responses((status = 200, description = "The room.", body = RoomBody))
)]
pub async fn show(
    State(app): State<App>,
    InRoom { room }: InRoom,
    Params(Nothing {}): Params<Nothing>,
) -> Result<Json<RoomBody>, Problem> {
    Ok(Json(room_body(&app, room).await?))
}

/// Read a page of messages.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/messages", tag = "rooms",
    params(InRoom, PageQuery),
    responses((status = 200, description = "The page.", body = MessagesBody))
)]
pub async fn messages(
    State(app): State<App>,
    InRoom { room }: InRoom,
    Params(PageQuery { after, limit }): Params<PageQuery>,
) -> Result<Json<MessagesBody>, Problem> {
    if limit == 0 || limit > Limits::PAGE_ENTRIES {
        return Err(Problem::BadParameter);
    }
    let after = after.as_deref().map_or(Some(Offset::default()), place).ok_or(Problem::BadParameter)?;
    room_body(&app, room.clone()).await?;
    let page = past::after(&app.backends, &room, after, limit).await;
    Ok(Json(messages_body(page.map_err(|_| Problem::StoreAway)?)))
}

/// `epoch.seq` as a place.
pub fn place(text: &str) -> Option<Offset> {
    if text == "0" {
        return Some(Offset::default());
    }
    // As they are written by us: no sign, no zero in front, and no more digits than any number of ours has.
    let number = |digits: &str| digits.parse::<u64>().ok().filter(|n| digits.len() < 20 && n.to_string() == digits);
    let (epoch, seq) = text.split_once('.')?;
    Some(Offset { epoch: LogEpoch::from_number(number(epoch)?), seq: number(seq)? })
}

fn messages_body(page: past::Page) -> MessagesBody {
    let last = page.messages.last().map(|(at, _)| format!("{}.{}", at.epoch.number(), at.seq));
    let message = |(offset, entry): (holdfast::Offset, Entry)| match entry {
        Entry::Chat { id, peer, name, body, at } => Some(MessageBody {
            id: id.into(),
            epoch: offset.epoch.number(),
            seq: offset.seq,
            peer: peer.into(),
            name: name.into(),
            body: body.into(),
            at_ms: at.as_unix(),
        }),
        Entry::Joined { .. } | Entry::Left { .. } | Entry::Deleted { .. } | Entry::Redacted => None,
    };
    MessagesBody { messages: page.messages.into_iter().filter_map(message).collect(), next: last.filter(|_| page.more) }
}

/// Get ICE servers for a seat.
///
/// Needs the seat's token as `Authorization: Bearer <token>`; the credentials are bound to that room and seat.
#[utoipa::path(
    get, path = "/api/v1/rooms/{room}/ice", tag = "relay", params(InRoom),
    responses((status = 200, description = "The servers.", body = IceBody))
)]
pub async fn ice(
    State(app): State<App>,
    InRoom { room }: InRoom,
    Params(Nothing {}): Params<Nothing>,
    headers: HeaderMap,
) -> Result<([(header::HeaderName, &'static str); 1], Json<IceBody>), Problem> {
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = text(header::AUTHORIZATION).strip_prefix("Bearer ").ok_or(Problem::NoSeat)?;
    let peer = app.secret.open_seat(&room, token, clock::now()).ok_or(Problem::NoSeat)?;
    let servers = app.relay.ice_servers(&room, peer, crate::turn::host_name(text(header::HOST)));
    let ice_servers = servers
        .into_iter()
        .map(|server| IceServerBody { urls: server.urls, username: server.username, credential: server.credential })
        .collect();
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(IceBody { ice_servers, ttl_s: app.relay.ttl_s() })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_nothing_else_is_one() {
        let mut rng = Rng::new(5);
        for _ in 0..20_000 {
            const PARTS: &[&str] =
                &["0", "1", ".", "18446744073709551615", "9", "+", "-", " ", "e", "\u{661}", "1800000000000"];
            let text: String = (0..rng.below(6)).map(|_| PARTS[rng.below(PARTS.len() as u64) as usize]).collect();
            if let Some(at) = place(&text) {
                assert!(text == "0" || format!("{}.{}", at.epoch.number(), at.seq) == text, "{text:?}");
            }
        }
        assert!(place("1800000000000.17").is_some());
    }
}
