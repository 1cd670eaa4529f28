//! The `holdfast` program: configuration, logs, server, and a clean end on SIGTERM.

#![recursion_limit = "512"] // A page is one type, as deep as its markup.

use server::config::{Command, Config};
use server::running::Running;
use server::{admin_cli, relay_check, telemetry, turn};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// After a drain this long the process ends, whatever still hangs.
const EXIT_WITHIN: Duration = Duration::from_millis(9_500);

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::load(std::env::args_os()) {
        Ok(config) => config,
        Err(error) => error.exit(),
    };
    let done = match &config.command {
        Some(Command::Admin(command)) => admin_cli::run(&config, command).await,
        Some(Command::CheckRelay) => relay_check::run(&config).await,
        None => run(config).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("holdfast: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(config: Config) -> anyhow::Result<()> {
    telemetry::start(&config).map_err(|text| anyhow::anyhow!(text))?;
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let running = Running::start(config).await?;
    say_where(&running);
    let mut end = Ok(());
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
        why = running.refused() => end = Err(anyhow::anyhow!(why)),
    }
    tracing::info!("draining");
    if tokio::time::timeout(EXIT_WITHIN, running.drain()).await.is_err() {
        tracing::warn!("ended before everything was done");
    }
    end
}

/// What a person who just started the server wants to know.
fn say_where(running: &Running) {
    let config = &running.app.config;
    let url = url_of(running.addr);
    match running.app.client.missing() {
        None => println!("Holdfast is ready:  {url}"),
        Some(why) => println!("Holdfast runs, but is not ready: {why} (HOLDFAST_SITE_DIR). At {url}"),
    }
    let data = std::fs::canonicalize(&config.data_dir).unwrap_or_else(|_| config.data_dir.clone());
    println!("  data in           {}", data.display());
    let backends = &running.app.backends;
    match &backends.redis {
        Some(redis) => {
            let (durability, replicas) = redis.durability();
            println!("  rooms and chat    Redis, {}; {replicas} replicas", durability.words());
        }
        None => println!("  rooms and chat    embedded store, on disk before it is acknowledged"),
    }
    println!("  history           {}", if backends.mongo.is_some() { "MongoDB" } else { "embedded store" });
    match running.app.relay.embedded() {
        Some(addr) if turn::is_local_only(addr.ip()) && config.turn.public_ip.is_none() => {
            println!(
                "  relay             embedded, UDP {addr} (this computer only; TURN_PUBLIC_IP opens it to others)"
            );
        }
        Some(addr) => println!("  relay             embedded, UDP {addr}"),
        None => println!("  relay             embedded one is off"),
    }
    println!("  external relay    {}", if running.app.relay.has_external() { "on" } else { "off" });
    println!("  admin             {}", if config.admin_token.is_empty() { "off" } else { "/admin" });
    println!("  API               {url}/api/v1/docs");
}

/// The address a browser on this computer opens.
fn url_of(addr: SocketAddr) -> String {
    if turn::is_local_only(addr.ip()) { format!("http://localhost:{}", addr.port()) } else { format!("http://{addr}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_can_open_what_is_printed() {
        for (addr, url) in [
            ("127.0.0.1:3000", "http://localhost:3000"),
            ("192.0.2.7:3000", "http://192.0.2.7:3000"),
            ("[fd00:db8::5]:18502", "http://[fd00:db8::5]:18502"),
            ("[::]:3000", "http://localhost:3000"),
        ] {
            assert_eq!(url_of(addr.parse().expect("an address")), url);
        }
    }
}
