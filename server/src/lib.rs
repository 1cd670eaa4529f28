//! The axum server of Holdfast: pages, sockets, rooms, log, relay. Room rules are in `holdfast::room`, not here.

#![recursion_limit = "512"] // A page is one type, as deep as its markup.

pub mod admin_cli;
pub mod admin_page;
pub mod api;
pub mod archive;
pub mod backends;
pub mod clock;
pub mod config;
pub mod deletion;
pub mod dependency;
pub mod document;
pub mod health;
pub mod log;
pub mod metrics;
pub mod origin;
pub mod pages;
pub mod queue;
pub mod redis;
pub mod relay_check;
pub mod rooms;
pub mod router;
pub mod running;
pub mod serve;
pub mod socket;
pub mod state;
pub mod store;
pub mod sweep;
pub mod telemetry;
pub mod throttle;
pub mod tokens;
pub mod turn;
