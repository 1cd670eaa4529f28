//! The WebSocket, one at a time, each under its epoch.

use crate::inbox::Inbox;
use futures::channel::mpsc;
use futures::future::poll_fn;
use futures::{FutureExt, Sink, SinkExt, Stream, StreamExt, select_biased};
use gloo_net::websocket::futures::WebSocket;
use gloo_net::websocket::{Message, State, WebSocketError};
use holdfast::SocketEpoch;
use holdfast::session::{Event, SocketEvent};
use holdfast::wire::{CloseCode, SUBPROTOCOL};
use std::pin::Pin;
use std::task::Poll;

/// Frames that may wait for a socket; past that they are dropped, and what matters is sent again.
const WAITING: usize = 1_024;

/// The newest socket. Dropping the sender closes it.
pub(crate) struct Socket {
    inbox: Inbox,
    current: Option<(SocketEpoch, mpsc::Sender<String>)>,
}

impl Socket {
    pub(crate) const fn new(inbox: Inbox) -> Self {
        Self { inbox, current: None }
    }

    /// Opens a socket to the server this page came from.
    pub(crate) fn open(&mut self, epoch: SocketEpoch) {
        let (sender, frames) = mpsc::channel(WAITING);
        self.current = Some((epoch, sender));
        let inbox = self.inbox.clone();
        let Some(opened) = address().and_then(|url| WebSocket::open_with_protocol(&url, SUBPROTOCOL).ok()) else {
            inbox.post(Event::Socket(epoch, SocketEvent::Closed(CloseCode::Broken, String::new())));
            return;
        };
        wasm_bindgen_futures::spawn_local(pump(opened, epoch, frames, inbox));
    }

    /// Sends a frame, if that socket is still the newest.
    pub(crate) fn send(&mut self, epoch: SocketEpoch, text: String) {
        if let Some((known, sender)) = &mut self.current
            && *known == epoch
        {
            let _ = sender.try_send(text);
        }
    }

    /// Closes a socket after what was sent before.
    pub(crate) fn close(&mut self, epoch: SocketEpoch) {
        if self.current.as_ref().is_some_and(|(known, _)| *known == epoch) {
            self.current = None;
        }
    }
}

fn address() -> Option<String> {
    let location = web_sys::window()?.location();
    let scheme = if location.protocol().ok()? == "https:" { "wss" } else { "ws" };
    Some(format!("{scheme}://{}/ws", location.host().ok()?))
}

/// Carries frames both ways until either side ends. Dropping the socket closes it.
async fn pump(mut socket: WebSocket, epoch: SocketEpoch, mut frames: mpsc::Receiver<String>, inbox: Inbox) {
    let post = |event| inbox.post(Event::Socket(epoch, event));
    {
        // Asked of the whole socket: one half of a split one counts as ready before it is open.
        let mut opening = poll_fn(|cx| match Pin::new(&mut socket).poll_next(cx) {
            Poll::Ready(_) => Poll::Ready(false), // Nothing is said before it is open but that it failed.
            Poll::Pending => Pin::new(&mut socket).poll_ready(cx).map(|ready| ready.is_ok()),
        })
        .fuse();
        select_biased! {
            opened = opening => if !opened {
                return post(SocketEvent::Closed(CloseCode::Broken, String::new()));
            },
            _ = frames.next() => return, // Given up: nothing is sent before it is open.
        }
    }
    if !matches!(socket.state(), State::Open) {
        return post(SocketEvent::Closed(CloseCode::Broken, String::new()));
    }
    post(SocketEvent::Opened);
    loop {
        let turn = select_biased! {
            // First, so that nothing is sent on a socket whose end is known already.
            message = socket.next().fuse() => Turn::Read(message),
            frame = frames.next() => Turn::Write(frame),
        };
        match turn {
            Turn::Read(message) => {
                if let Some(ended) = ending(message, &post) {
                    return post(ended);
                }
            }
            // A socket that is closing takes nothing more, and the browser complains in the console. What was
            // not sent is dropped: the close event is on its way, and what matters is sent again.
            Turn::Write(Some(_)) if !matches!(socket.state(), State::Open) => {}
            Turn::Write(Some(text)) => {
                if socket.send(Message::Text(text)).await.is_err() {
                    return post(SocketEvent::Closed(CloseCode::Broken, String::new()));
                }
            }
            Turn::Write(None) => return,
        }
    }
}

/// What the pump does next.
enum Turn {
    Read(Option<Result<Message, WebSocketError>>),
    Write(Option<String>),
}

/// Posts a message; the end of the socket is returned instead.
fn ending(message: Option<Result<Message, WebSocketError>>, post: &impl Fn(SocketEvent)) -> Option<SocketEvent> {
    match message {
        Some(Ok(Message::Text(text))) => {
            post(SocketEvent::Text(text));
            None
        }
        Some(Ok(Message::Bytes(_))) => None,
        Some(Err(WebSocketError::ConnectionClose(event))) => {
            Some(SocketEvent::Closed(CloseCode::from_number(event.code), event.reason))
        }
        // After an error the browser always sends a close, which has the code.
        Some(Err(_)) => None,
        None => Some(SocketEvent::Closed(CloseCode::Broken, String::new())),
    }
}
