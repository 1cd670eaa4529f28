//! The targets of the server: bytes as they come in at its ports or out of its stores. The tests feed them from seeds and
//! from the corpus, the fuzzer (`fuzz/`) with what it finds.

#[path = "../../../../tests/hostile/targets/bytes.rs"]
mod bytes;
mod headers;
mod relay;
mod stores;
mod tokens;

pub(crate) use relay::lets_through;

/// One target. It panics where the server broke a promise.
pub(crate) type Target = fn(&[u8]);

/// Every target of the server, with the name of its folder in `fuzz/corpus`.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("seat_tokens", tokens::seat_tokens),
    ("redis_records", stores::redis_records),
    ("proxy_headers", headers::proxy_headers),
    ("forwarded_addresses", headers::forwarded_addresses),
    ("hosts_and_origins", headers::hosts_and_origins),
    ("pasted_codes", headers::pasted_codes),
    ("relay_datagrams", relay::datagrams),
    ("relay_requests", relay::requests),
];
