//! The targets: each makes of any bytes what somebody outside could send, gives it to the core, and checks what comes of
//! it. The tests feed them from seeds and from the corpus, the fuzzer (`fuzz/`) with what it finds.

mod bytes;
mod messages;
mod peers;
mod room;
mod session;
mod texts;
mod words;

pub(crate) use bytes::Bytes;
pub(crate) use room::{room, seats_taken};
pub(crate) use session::{session, tiles_shown};
pub(crate) use texts::{From, pinned, plausible};

/// One target. It panics where the core broke a promise.
pub(crate) type Target = fn(&[u8]);

/// Every target of the core, with the name of its folder in `fuzz/corpus`.
pub(crate) const TARGETS: &[(&str, Target)] = &[
    ("client_messages", messages::client),
    ("server_messages", messages::server),
    ("page_messages", messages::page),
    ("stored_entries", messages::stored),
    ("mutated_messages", messages::mutated),
    ("descriptions", words::descriptions),
    ("names_and_links", words::names_and_links),
    ("words", words::words),
    ("negotiation", peers::negotiation),
    ("peer", peers::peer),
    ("session", session),
    ("room", room),
];
