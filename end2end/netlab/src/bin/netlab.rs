//! The programs of the lab: the switch between namespaces, and a balancer in front of two servers.

use clap::{Parser, Subcommand};
use netlab::balance;
use netlab::shaper::{self, End};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Switch packets between namespaces.
    Shape {
        /// Where orders are taken: a Unix socket.
        #[arg(long)]
        control: PathBuf,
        /// Chance is the same for the same seed.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Namespaces, each with the first of its 256 addresses, as in `cl1=45.1.1.0`.
        #[arg(value_parser = end)]
        ends: Vec<End>,
    },
    /// Pass TCP connections on to whichever server answers.
    Balance {
        /// Where to listen.
        #[arg(long)]
        listen: SocketAddr,
        /// The servers.
        servers: Vec<SocketAddr>,
    },
}

fn end(text: &str) -> Result<End, String> {
    let (name, net) = text.split_once('=').ok_or("as in cl1=45.1.1.0")?;
    let net: Ipv4Addr = net.parse().map_err(|_| "not an address")?;
    Ok(End { name: name.to_owned(), net })
}

fn main() -> anyhow::Result<()> {
    match Cli::parse().what {
        What::Shape { control, seed, ends } => shaper::run(&ends, &control, seed),
        What::Balance { listen, servers } => {
            tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(balance::run(listen, servers))
        }
    }
}
