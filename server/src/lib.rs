//! The axum server of Holdfast: pages, sockets, rooms, log, relay. Room rules are in `holdfast::room`, not here.

#![recursion_limit = "512"] // A page is one type, as deep as its markup.

pub mod admin_cli;
pub mod admin_page;
pub mod admin_session;
pub mod api;
pub mod archive;
pub mod backends;
pub mod client_files;
pub mod clock;
pub mod codes;
pub mod config;
pub mod deletion;
pub mod dependency;
pub mod document;
pub mod files;
pub mod health;
pub mod log;
pub mod metrics;
pub mod origin;
pub mod paced;
pub mod pages;
pub mod private;
pub mod proxied;
pub mod queue;
pub mod rarely;
pub mod redis;
pub mod relay_check;
pub mod room_tag;
pub mod rooms;
pub mod router;
pub mod running;
pub mod serve;
pub mod settings;
pub mod socket;
pub mod state;
pub mod store;
pub mod sweep;
pub mod telemetry;
pub mod throttle;
pub mod tokens;
pub mod turn;
pub mod visit;
