//! `holdfast admin …`: what the admin API offers, from the command line.

use crate::config::Config;
use anyhow::{Context, bail};
use clap::Subcommand;
use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::time::Duration;
use tokio::net::TcpStream;

/// What an operator can ask a running server.
#[derive(Clone, Debug, Subcommand)]
pub enum AdminCommand {
    /// Nodes, rooms, queue, stores at a glance.
    Overview,
    /// Rooms of the archive.
    Rooms {
        /// Only those after this one.
        after: Option<String>,
    },
    /// Entries the archive refused.
    Dead {
        /// Only those after this one.
        after: Option<String>,
    },
    /// Put a dead letter back into the queue, or all of them.
    Replay {
        /// Its key; all without it.
        key: Option<String>,
    },
    /// Forget a dead letter, or all of them.
    Discard {
        /// Its key; all without it.
        key: Option<String>,
    },
    /// Delete every message of a room.
    DeleteRoom {
        /// The room's code.
        room: String,
    },
    /// Delete a message.
    DeleteMessage {
        /// The room's code.
        room: String,
        /// The message's id.
        id: String,
    },
}

impl AdminCommand {
    fn request(&self) -> (Method, String) {
        let query = |name: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |value| format!("?{name}={}", value.replace('/', "%2F")))
        };
        match self {
            Self::Overview => (Method::GET, "overview".into()),
            Self::Rooms { after } => (Method::GET, format!("rooms{}", query("after", after))),
            Self::Dead { after } => (Method::GET, format!("dead{}", query("after", after))),
            Self::Replay { key } => (Method::POST, format!("dead/replay{}", query("key", key))),
            Self::Discard { key } => (Method::POST, format!("dead/discard{}", query("key", key))),
            Self::DeleteRoom { room } => (Method::DELETE, format!("rooms/{room}")),
            Self::DeleteMessage { room, id } => (Method::DELETE, format!("rooms/{room}/messages/{id}")),
        }
    }
}

/// Asks the server at the configured address and prints its answer.
///
/// # Errors
/// What is wrong, in words for the operator.
pub async fn run(config: &Config, command: &AdminCommand) -> anyhow::Result<()> {
    if config.admin_token.is_empty() {
        bail!("HOLDFAST_ADMIN_TOKEN must hold the server's admin token");
    }
    let answer = tokio::time::timeout(Duration::from_secs(15), ask(config, command));
    let text = answer.await.context("the server does not answer")??;
    let pretty =
        serde_json::from_str::<serde_json::Value>(&text).and_then(|value| serde_json::to_string_pretty(&value));
    println!("{}", pretty.unwrap_or(text));
    Ok(())
}

async fn ask(config: &Config, command: &AdminCommand) -> anyhow::Result<String> {
    let (method, path) = command.request();
    let stream = TcpStream::connect(config.addr).await.with_context(|| format!("no server at {}", config.addr))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(format!("/api/v1/admin/{path}"))
        .header("host", config.addr.to_string())
        .header("authorization", format!("Bearer {}", config.admin_token))
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let text = String::from_utf8_lossy(&response.into_body().collect().await?.to_bytes()).into_owned();
    if !status.is_success() {
        bail!("{status}: {text}");
    }
    Ok(if text.is_empty() { "done".into() } else { text })
}
