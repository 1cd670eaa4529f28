//! Carries frames between one socket and its room. It knows the protocol's envelope and nothing of rooms.

use super::outlet::{Out, Outlet};
use crate::clock;
use crate::rooms::{Mailbox, ToRoom};
use crate::state::App;
use crate::throttle::Permit;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket};
use holdfast::bucket::Bucket;
use holdfast::room::{Claim, RoomEvent};
use holdfast::wire::{ClientMsg, CloseCode, Hello, PROTOCOL_VERSION, ServerMsg, decode, encode};
use holdfast::{ConnId, Limits, PeerId, RoomId};
use rand::RngCore;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite;

/// One frame must be written within this time; a reader that is slower is given up.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// After a close we wait this long for the other side's, so that our code arrives before a reset could eat it.
const LINGER: Duration = Duration::from_millis(1_000);
/// A socket that says nothing for this long is closed, seat or not.
const IDLE: Duration = Duration::from_secs(30);

/// Why the pump stops: a close code with its reason, or nothing when the other side is gone.
type End = Option<(CloseCode, String)>;

fn end(code: CloseCode) -> End {
    Some((code, code.text().to_owned()))
}

/// A socket and what it may do.
struct Pump {
    ws: WebSocket,
    app: App,
    conn: ConnId,
    address: IpAddr,
    host: Arc<str>,
    outlet: Outlet,
    messages: Bucket,
    /// Acknowledgements answer what others send: they have a budget of their own.
    acks: Bucket,
    room: Option<(RoomId, Mailbox)>,
}

/// Serves one socket until it ends. `_permit` gives its place back.
pub(super) async fn run(ws: WebSocket, app: App, address: IpAddr, host: Arc<str>, _permit: Permit) {
    let conn = app.rooms.next_conn();
    let messages = Bucket::new(clock::now(), Limits::MESSAGE_BURST, Limits::MESSAGES_PER_S);
    let acks = Bucket::new(clock::now(), Limits::ACK_BURST, Limits::ACKS_PER_S);
    let mut pump = Pump { ws, app, conn, address, host, outlet: Outlet::default(), messages, acks, room: None };
    let ended = pump.serve().await;
    pump.outlet.close(CloseCode::Normal, String::new()); // Frees whoever waits for this reader.
    if let Some((_, room)) = pump.room.take() {
        let _ = room.send(ToRoom::Event(RoomEvent::Closed { conn })).await;
    }
    if let Some((code, reason)) = ended {
        tracing::debug!(%conn, code = code.text(), "socket closed");
        pump.close(code, reason).await;
    }
}

impl Pump {
    async fn serve(&mut self) -> End {
        let mut deadline = Instant::now() + Duration::from_millis(Limits::HELLO_WITHIN_MS);
        let stop = self.app.stop.clone();
        let opened = Instant::now();
        let mut cut_off = self.app.bus.as_ref().map(crate::redis::bus::Bus::cut_off);
        loop {
            let shed = async {
                match cut_off.as_mut() {
                    Some(cut_off) => {
                        // Who comes after the cut stays: the way to the others may be cut as well, and a call needs some server.
                        let _ = cut_off.wait_for(|since| since.is_some_and(|since| opened < since)).await;
                        tokio::time::sleep_until(opened + Duration::from_millis(Limits::CUT_OFF_SOCKET_MS)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            let room_gone = {
                let room = self.room.as_ref().map(|(_, mailbox)| mailbox.clone());
                async move {
                    match room {
                        Some(mailbox) => mailbox.closed().await,
                        None => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                biased;
                out = self.outlet.next() => match out {
                    Out::Frame(frame) => match timeout(WRITE_WITHIN, self.ws.send(Message::Text(frame))).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => return None,
                        Err(_) => return end(CloseCode::SlowReader),
                    },
                    Out::Close(code, reason) => return Some((code, reason)),
                },
                () = stop.cancelled() => {
                    let spread_ms = self.app.drain_spread_ms();
                    return Some((CloseCode::Restart, CloseCode::Restart.reason_with_hint(spread_ms)));
                }
                () = shed => {
                    let spread_ms = self.app.shed_spread_ms();
                    return Some((CloseCode::Later, CloseCode::Later.reason_with_hint(spread_ms)));
                }
                // The room's task ended without closing us: it failed, and a new one will serve us.
                () = room_gone => return end(CloseCode::Internal),
                incoming = self.ws.recv() => match incoming {
                    Some(Ok(Message::Text(text))) => {
                        if let Err(ended) = self.text(&text).await {
                            return ended;
                        }
                        deadline = Instant::now() + IDLE;
                    }
                    Some(Ok(Message::Binary(_))) => return end(CloseCode::NotText),
                    // The library answers pings; neither counts as a sign of life, so that only the protocol does.
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                        if !self.messages.take(clock::now()) {
                            return end(CloseCode::TooFast);
                        }
                    }
                    Some(Ok(Message::Close(_))) => {
                        let _ = timeout(LINGER, self.ws.recv()).await; // Writes the answer to the close.
                        return None;
                    }
                    None => return None,
                    Some(Err(error)) => return close_for(&error).and_then(end),
                },
                () = tokio::time::sleep_until(deadline) => {
                    return end(if self.room.is_some() { CloseCode::Silent } else { CloseCode::HelloTimeout });
                }
            }
        }
    }

    async fn text(&mut self, text: &Utf8Bytes) -> Result<(), End> {
        let msg: ClientMsg = decode(text).map_err(|_| end(CloseCode::Malformed))?;
        let budget = if matches!(msg, ClientMsg::SignalAck { .. }) { &mut self.acks } else { &mut self.messages };
        if !budget.take(clock::now()) {
            return Err(end(CloseCode::TooFast));
        }
        let event = match msg {
            ClientMsg::Check { version } => {
                check_version(version)?;
                if self.room.is_some() {
                    return Err(end(CloseCode::OutOfOrder));
                }
                if !self.app.throttle.join(self.address) {
                    return Err(end(CloseCode::TooFast));
                }
                let ice = self.app.relay.servers_to_try(&self.host);
                let ways = Message::Text(encode(&ServerMsg::Ways { ice }).into());
                let sent = timeout(WRITE_WITHIN, self.ws.send(ways)).await;
                // Nothing else is said on this socket.
                return Err(if matches!(sent, Ok(Ok(()))) { end(CloseCode::Normal) } else { None });
            }
            ClientMsg::Watch { version, room } => {
                if self.room.is_some() {
                    return Err(end(CloseCode::OutOfOrder));
                }
                check_version(version)?;
                self.attach(room).await?;
                RoomEvent::Watch { conn: self.conn }
            }
            ClientMsg::Hello(hello) => {
                check_version(hello.version)?;
                if !self.app.throttle.join(self.address) {
                    return Err(end(CloseCode::TooFast));
                }
                self.attach(hello.room.clone()).await?;
                let claim = self.claim(&hello);
                RoomEvent::Hello { conn: self.conn, hello: Box::new(hello), claim }
            }
            // The room refuses it, so that what comes behind it does not overtake it.
            ClientMsg::Chat { id, .. } if !self.may_store(text.len()) => RoomEvent::TooMuch { conn: self.conn, id },
            ClientMsg::Chat { .. }
            | ClientMsg::Signal { .. }
            | ClientMsg::SignalAck { .. }
            | ClientMsg::State { .. }
            | ClientMsg::Range { .. }
            | ClientMsg::History { .. }
            | ClientMsg::Ping { .. }
            | ClientMsg::Leave => RoomEvent::Message { conn: self.conn, msg },
        };
        let Some((_, room)) = &self.room else { return Err(end(CloseCode::OutOfOrder)) };
        room.send(ToRoom::Event(event)).await.map_err(|_| end(CloseCode::Internal))
    }

    /// Whether so many bytes may be stored for this address and this room now.
    fn may_store(&self, len: usize) -> bool {
        let bytes = u32::try_from(len).unwrap_or(u32::MAX);
        self.room.as_ref().is_none_or(|(room, _)| self.app.throttle.store(self.address, room, bytes))
    }

    /// Enters a room. A socket has one room for its whole life.
    async fn attach(&mut self, id: RoomId) -> Result<(), End> {
        if let Some((known, _)) = &self.room {
            return if *known == id { Ok(()) } else { Err(end(CloseCode::OutOfOrder)) };
        }
        // A room that is just being dropped from memory closes its mailbox; the second try starts a new task.
        for _ in 0..2 {
            let room = self.app.rooms.enter(&id);
            let attach = ToRoom::Attach(self.conn, self.outlet.clone(), Arc::clone(&self.host));
            if room.send(attach).await.is_ok() {
                self.room = Some((id, room));
                return Ok(());
            }
        }
        Err(Some((CloseCode::Later, CloseCode::Later.reason_with_hint(1_000))))
    }

    /// A valid token opens the seat it names; anything else is a newcomer.
    fn claim(&self, hello: &Hello) -> Claim {
        let token = hello.resume.as_ref().map(|resume| resume.token.as_str());
        let held = token.and_then(|token| self.app.secret.open_seat(&hello.room, token, clock::now()));
        let else_fresh = PeerId::from_bits(rand::rng().next_u64());
        held.map_or(Claim::Fresh(else_fresh), |peer| Claim::Held { peer, else_fresh })
    }

    async fn close(mut self, code: CloseCode, reason: String) {
        let frame = CloseFrame { code: code.number(), reason: reason.into() };
        if !matches!(timeout(LINGER, self.ws.send(Message::Close(Some(frame)))).await, Ok(Ok(()))) {
            return;
        }
        let answer = async { while let Some(Ok(_)) = self.ws.recv().await {} };
        let _ = timeout(LINGER, answer).await;
    }
}

fn check_version(version: u16) -> Result<(), End> {
    if version == PROTOCOL_VERSION { Ok(()) } else { Err(end(CloseCode::Version)) }
}

/// The close code for what broke the framing; none when the connection is simply gone.
fn close_for(error: &axum::Error) -> Option<CloseCode> {
    let error = std::error::Error::source(error)?.downcast_ref::<tungstenite::Error>()?;
    match error {
        tungstenite::Error::Capacity(_) => Some(CloseCode::TooBig),
        tungstenite::Error::Utf8(_) => Some(CloseCode::NotUtf8),
        tungstenite::Error::Protocol(tungstenite::error::ProtocolError::ResetWithoutClosingHandshake) => None,
        tungstenite::Error::Protocol(_) => Some(CloseCode::Protocol),
        _ => None,
    }
}
