//! Holdfast's pure core: protocol, policy and recovery as state machines, with no IO, clock or browser in it.
//!
//! Every machine here takes `(now, event)` and returns effects; whoever owns the clock and the sockets feeds it and
//! runs what it returns. The same code therefore runs in the browser (through `frontend`), in the server (through
//! `server`) and in the seeded simulator (`tests/sim`).
//!
//! Reading order, each module using only those before it:
//! [`id`], [`time`], [`limits`], [`rng`] · [`wire`] · [`backoff`], [`bucket`], [`outbox`], [`inbox`], [`order`] ·
//! [`link`], [`negotiation`], [`recovery`], [`speech`] · [`peer`], [`view`] · [`session`] (client root); and, apart, [`room`] (server root)
//! with what keeps its entries: [`breaker`], [`archiving`].
//! `session` and `room` never name each other: they meet in `wire` and in the simulator.

pub mod archiving;
pub mod backoff;
pub mod breaker;
pub mod bucket;
pub mod id;
pub mod inbox;
pub mod limits;
pub mod link;
pub mod negotiation;
pub mod order;
pub mod outbox;
pub mod peer;
pub mod recovery;
pub mod rng;
pub mod room;
pub mod secret;
pub mod session;
pub mod speech;
pub mod time;
pub mod view;
pub mod wire;

pub use id::{ChatId, ConnId, LogEpoch, NodeId, Offset, PcEpoch, PeerId, RoomId, SocketEpoch};
pub use limits::Limits;
pub use room::Room;
pub use session::Session;
pub use time::Millis;
pub use view::CallView;
