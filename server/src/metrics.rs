//! `/metrics` for Prometheus.

use crate::state::App;
use ::metrics::{describe_counter, describe_gauge, describe_histogram, gauge};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::net::SocketAddr;
use std::sync::OnceLock;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Upper bounds of the latency histograms, in seconds.
const BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0];

/// Installs the recorder, once a process.
pub fn start() -> PrometheusHandle {
    RECORDER
        .get_or_init(|| {
            let builder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), BUCKETS)
                .expect("the list of buckets is not empty");
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            let _ = ::metrics::set_global_recorder(recorder); // Whoever embeds this server may have one already.
            describe();
            handle
        })
        .clone()
}

fn describe() {
    describe_histogram!("holdfast_append_seconds", "From asking the log to its answer");
    describe_histogram!("holdfast_archive_seconds", "One batch into the archive");
    describe_gauge!("holdfast_queue_depth", "Entries that are not in the archive yet");
    describe_gauge!("holdfast_queue_oldest_seconds", "How long the oldest of them has waited");
    describe_gauge!("holdfast_dead_letters", "Entries laid aside");
    describe_gauge!("holdfast_sockets", "Open sockets on this node");
    describe_gauge!("holdfast_rooms", "Rooms in memory on this node");
    describe_gauge!(
        "holdfast_seats",
        "Seats of those rooms whose people are on this node: over all nodes each counts once"
    );
    describe_gauge!("holdfast_nodes", "Nodes heard of lately, with this one");
    describe_gauge!(
        "holdfast_breaker_open",
        "0 while a dependency answers, 1 while it does not, 0.5 while it is tried again"
    );
    describe_counter!("holdfast_redeliveries_total", "Entries taken over from workers that are gone");
    describe_counter!("holdfast_dead_letters_total", "Entries ever laid aside");
    describe_counter!("holdfast_duplicates_dropped_total", "Appends that were there already");
    describe_counter!("holdfast_resumes_total", "Seats taken up again");
    describe_counter!("holdfast_resyncs_total", "Logs that began anew under a room in memory");
    describe_counter!("holdfast_archived_total", "Entries written to the archive");
    describe_counter!("holdfast_archive_refusals_total", "Entries the archive refused");
    describe_counter!("holdfast_expired_total", "Entries deleted because of their age");
    describe_counter!("holdfast_breaker_changes_total", "Changes of a dependency's breaker");
    describe_counter!("holdfast_slow_readers_total", "Connections ended because their reader was too slow");
    describe_counter!("holdfast_connections_refused_total", "Connections of addresses that had too many");
    describe_counter!("holdfast_accepts_failed_total", "Connections that could not be accepted");
    describe_gauge!("holdfast_relay_allocations", "Allocations of the embedded relay");
    describe_counter!("holdfast_relay_bytes_total", "Bytes it relayed, to peers and to its clients");
    describe_counter!(
        "holdfast_relay_dropped_total",
        "Datagrams it dropped: of peers it may not talk to, past the rate, or of who proves nothing and asks too often"
    );
    describe_counter!(
        "holdfast_relay_refused_total",
        "Requests it refused, by code; 401 is also the usual first answer"
    );
    describe_counter!("holdfast_bus_dropped_total", "Messages between nodes dropped before they were sent");
}

/// `GET /metrics`, from this computer or with the admin token.
pub async fn show(State(app): State<App>, ConnectInfo(peer): ConnectInfo<SocketAddr>, headers: HeaderMap) -> Response {
    if !crate::visit::is_from_here(&app, peer, &headers) && !crate::api::admin::is_admin(&app, &headers) {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Ok(stats) = app.backends.queue.stats().await {
        gauge!("holdfast_queue_depth").set(stats.depth as f64);
        gauge!("holdfast_queue_oldest_seconds").set(stats.oldest_ms as f64 / 1_000.0);
        gauge!("holdfast_dead_letters").set(stats.dead as f64);
    }
    gauge!("holdfast_sockets").set(app.sockets.len() as f64);
    gauge!("holdfast_rooms").set(app.rooms.count() as f64);
    gauge!("holdfast_seats").set(app.rooms.seats() as f64);
    gauge!("holdfast_nodes").set(app.bus.as_ref().map_or(1, |bus| bus.nodes().len().max(1)) as f64);
    for dependency in app.backends.dependencies() {
        let open = match dependency.state() {
            "closed" => 0.0,
            "half_open" => 0.5,
            _ => 1.0,
        };
        gauge!("holdfast_breaker_open", "dependency" => dependency.name()).set(open);
    }
    let text = app.metrics.render();
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
