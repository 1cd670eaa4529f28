//! Logs: structured, with ids, never with names, tokens or what people write.

use crate::config::Config;
use tracing_subscriber::EnvFilter;

/// Starts logging to standard error.
///
/// # Errors
/// A sentence for the operator when the filter cannot be read.
pub fn start(config: &Config) -> Result<(), String> {
    // The relay library logs every stray datagram as an error, and people's addresses beside it.
    // Errors are told even where a filter names places only.
    let filter = format!("error,{},turn=off,webrtc_util=off,stun=off", config.log);
    let filter = EnvFilter::try_new(filter).map_err(|error| format!("HOLDFAST_LOG: {error}"))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = if config.log_json { builder.json().try_init() } else { builder.with_target(false).try_init() };
    started.map_err(|error| error.to_string())
}
