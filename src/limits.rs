//! Every timeout, size and count the system is bounded by, in one place, with its unit in its name.

/// The limits of the protocol and of both state machines.
#[derive(Clone, Copy, Debug)]
pub struct Limits;

impl Limits {
    /// People in one room.
    pub const SEATS: usize = 8;
    /// Lobby visitors of one room that are told who is inside.
    pub const WATCHERS: usize = 64;
    /// Bytes of one WebSocket message, either way.
    pub const FRAME_BYTES: usize = 64 * 1024;
    /// Characters of a display name.
    pub const NAME_CHARS: usize = 40;
    /// Characters of a chat message.
    pub const CHAT_CHARS: usize = 4_000;
    /// Marks that may stand on one letter of a name or a message; more of them would cover what stands around it.
    pub const MARKS_IN_A_ROW: usize = 8;
    /// Links shown in one message; further addresses stay text.
    pub const LINKS_A_MESSAGE: usize = 20;
    /// Bytes of a session description inside a signal.
    pub const SDP_BYTES: usize = 40 * 1024;
    /// Bytes of a candidate line or a media id inside a signal.
    pub const CANDIDATE_BYTES: usize = 1_024;
    /// Bytes of a resume token.
    pub const TOKEN_BYTES: usize = 256;

    /// The server closes a socket that has not said its first message by then.
    pub const HELLO_WITHIN_MS: u64 = 10_000;
    /// The client pings this often.
    pub const PING_EVERY_MS: u64 = 2_000;
    /// The client gives a socket up after this much silence.
    pub const LINK_DEAD_AFTER_MS: u64 = 6_000;
    /// On a slow network it waits longer, but never longer than this.
    pub const LINK_DEAD_CAP_MS: u64 = 9_000;
    /// Answers that take longer than this are counted as this.
    pub const RTT_CAP_MS: u64 = 10_000;
    /// A link in doubt has this long to answer, on a fast network.
    pub const DOUBT_MS: u64 = 500;
    /// The client gives up opening a socket after this long (a lost SYN is sent again after 1, 2 and 4 s).
    pub const CONNECT_WITHIN_MS: u64 = 3_000;
    /// A seat that was asked for and has not come by then is asked for on a new socket.
    pub const SEAT_WITHIN_MS: u64 = 6_000;
    /// The first retry comes within this time.
    pub const RETRY_FIRST_MS: u64 = 400;
    /// No retry waits longer than this.
    pub const RETRY_CAP_MS: u64 = 4_000;
    /// A link that stayed up this long starts counting its retries anew.
    pub const LINK_SETTLED_MS: u64 = 5_000;
    /// A page whose server speaks another version loads itself again, but not again within this time.
    pub const RELOAD_EVERY_MS: u64 = 60_000;
    /// Where the server does not give the page, it is asked for again after this long.
    pub const RELOAD_AGAIN_MS: u64 = 2_000;
    /// And for this long; then the person is told.
    pub const RELOAD_WITHIN_MS: u64 = 60_000;
    /// A server's request to come back later is obeyed up to this long.
    pub const RETRY_HINT_CAP_MS: u64 = 60_000;

    /// Others see a seat as reconnecting after this much silence.
    pub const AWAY_AFTER_MS: u64 = 6_000;
    /// A silent seat is given up after this long.
    pub const LEFT_AFTER_MS: u64 = 11_600;

    /// A room that is rung this late slept, and does not count the time.
    pub const SLEPT_MS: u64 = 6_000;
    /// A node that is cut off from the others keeps a socket this long before it asks it to come back, to another node.
    pub const CUT_OFF_SOCKET_MS: u64 = 5_000;
    /// How much longer a node waits before it takes a seat of another node for away. Its last sign of life may be a beat
    /// and a ping old; where all nodes lose each other, each must know that before it judges the others.
    pub const AWAY_ELSEWHERE_EXTRA_MS: u64 = 2_000;
    /// How much longer a node waits before it gives up a seat that another node had.
    pub const LEFT_ELSEWHERE_EXTRA_MS: u64 = 1_000;
    /// A node tells the others this often who is with it.
    pub const BEAT_MS: u64 = 2_000;
    /// An append that failed for a reason that passes is tried again after this long.
    pub const APPEND_AGAIN_MS: u64 = 2_000;
    /// A node whose log began anew waits this long for another node to sign its own people in again.
    pub const REJOIN_ELSEWHERE_MS: u64 = 3_000;

    /// A peer connection that is not up by then is rebuilt.
    pub const PC_CONNECT_WITHIN_MS: u64 = 10_000;
    /// A peer connection that the browser calls disconnected is restarted after this long.
    pub const PC_DISCONNECTED_MS: u64 = 1_000;
    /// No media for this long is a stall.
    pub const STALL_MS: u64 = 1_000;
    /// A stall on a network that did not change may pass by itself for this long.
    pub const STALL_PATIENCE_MS: u64 = 3_300;
    /// For this long after a change of the network a stall is not waited out.
    pub const HURRY_MS: u64 = 6_000;
    /// Without the server and without anybody's media for this long, ours is paused.
    pub const PAUSE_AFTER_MS: u64 = 3_000;
    /// Without a byte of pictures for this long, while sound comes, the connection has lost them.
    pub const PICTURE_LOST_MS: u64 = 6_000;
    /// For pictures that do not come a new connection is made no more often than this.
    pub const PICTURE_AGAIN_MS: u64 = 60_000;
    /// After this long without media a way that was tried did not help.
    pub const TRIED_MS: u64 = 8_000;
    /// A relay that has given no address by then counts as out of reach.
    pub const RELAY_WITHIN_MS: u64 = 6_000;
    /// What a page checks of its network and devices must be there by then.
    pub const CHECK_WITHIN_MS: u64 = 10_000;
    /// No picture for this long, while sound comes, is worth saying.
    pub const BLIND_AFTER_MS: u64 = 2_000;
    /// After this long without a picture, while sound comes, a whole one is asked for.
    pub const ASK_PICTURE_MS: u64 = 600;
    /// And again this often.
    pub const ASK_PICTURE_EVERY_MS: u64 = 1_000;
    /// An ICE restart that did not help by then is followed by the next rung.
    pub const RESTART_WITHIN_MS: u64 = 4_000;
    /// A path that was healthy for this long has nothing to remember.
    pub const SETTLED_AFTER_MS: u64 = 15_000;
    /// How long a path must be healthy before a first step down the ladder.
    pub const STEP_DOWN_AFTER_MS: u64 = 20_000;
    /// The most it must be healthy for after steps that were too early.
    pub const STEP_DOWN_CAP_MS: u64 = 320_000;
    /// Trouble within this time after a step down takes the step back.
    pub const STEP_WATCH_MS: u64 = 15_000;
    /// How much longer the side that does not lead a repair waits before it steps in.
    pub const PC_FOLLOWER_EXTRA_MS: u64 = 4_000;
    /// ICE restarts before the connection is rebuilt.
    pub const ICE_RESTARTS: u8 = 3;
    /// Candidates held while no description is set; later ones are dropped (the connection still has the others).
    pub const HELD_CANDIDATES: usize = 64;
    /// Messages a page takes from another one at once, and a second in the long run.
    pub const PEER_MESSAGE_BURST: u32 = 400;
    /// See [`Limits::PEER_MESSAGE_BURST`].
    pub const PEER_MESSAGES_PER_S: u32 = 40;
    /// Bytes a page takes from another one at once, and a second in the long run.
    pub const PEER_BYTES_BURST: u32 = 512 * 1024;
    /// See [`Limits::PEER_BYTES_BURST`].
    pub const PEER_BYTES_PER_S: u32 = 32 * 1024;
    /// Messages past these limits that are dropped at once, and a second in the long run, before the channel is closed.
    pub const PEER_DROPS_BURST: u32 = 400;
    /// See [`Limits::PEER_DROPS_BURST`].
    pub const PEER_DROPS_PER_S: u32 = 10;
    /// Bytes a page carries for another one at once, and a second in the long run.
    pub const CARRY_BYTES_BURST: u32 = 192 * 1024;
    /// See [`Limits::CARRY_BYTES_BURST`].
    pub const CARRY_BYTES_PER_S: u32 = 16 * 1024;
    /// Whole pictures that one person may ask for at once, and a second in the long run.
    pub const PICTURES_ASKED_BURST: u32 = 2;
    /// See [`Limits::PICTURES_ASKED_BURST`].
    pub const PICTURES_ASKED_PER_S: u32 = 1;
    /// How often one person may switch our pictures off or on at once, and a second in the long run; the last word counts.
    pub const WANTS_BURST: u32 = 8;
    /// See [`Limits::WANTS_BURST`].
    pub const WANTS_PER_S: u32 = 2;
    /// Through how many others a message goes to somebody whose path does not work.
    pub const CARRIERS: usize = 2;
    /// Messages kept of which only their author's page has told; at the limit the oldest goes.
    pub const CHAT_HEARD: usize = 200;
    /// Deleted messages that a room remembers; at the limit it forgets the oldest. The archive knows them all.
    pub const DELETED_KEPT: usize = 1_000;
    /// How deep lists and objects of a message may be nested.
    pub const MESSAGE_DEPTH: usize = 64;
    /// Signals to one peer that wait for their acknowledgement; at the limit the stream starts anew.
    pub const SIGNALS_UNACKED: usize = 128;
    /// Unacknowledged signals are sent again after this long; twice as long each time, up to a cap.
    pub const SIGNAL_RESEND_MS: u64 = 1_500;
    /// See [`Limits::SIGNAL_RESEND_MS`].
    pub const SIGNAL_RESEND_CAP_MS: u64 = 6_000;
    /// Signals that are sent again at once; the next ones when these are acknowledged.
    pub const SIGNALS_RESENT: usize = 16;
    /// Signals taken from one person at once, and a second in the long run.
    pub const SIGNALS_BURST: u32 = 200;
    /// See [`Limits::SIGNALS_BURST`].
    pub const SIGNALS_PER_S: u32 = 20;
    /// Offers of one person that are answered at once, and a second in the long run.
    pub const OFFERS_BURST: u32 = 10;
    /// See [`Limits::OFFERS_BURST`].
    pub const OFFERS_PER_S: u32 = 2;
    /// New connections, and new numberings, that one person may cause at once, and a second in the long run.
    pub const CONNECTIONS_BURST: u32 = 4;
    /// See [`Limits::CONNECTIONS_BURST`].
    pub const CONNECTIONS_PER_S: u32 = 1;
    /// One person's signals are acknowledged no more often than this.
    pub const ACKNOWLEDGE_EVERY_MS: u64 = 50;

    /// Chat messages that wait to be stored; at the limit the person is told and keeps the text.
    pub const OUTBOX: usize = 200;
    /// Chat messages a page keeps; older ones are read through the history.
    pub const CHAT_KEPT: usize = 1_000;
    /// Chat messages a page keeps once its person has read back.
    pub const CHAT_KEPT_BACK: usize = 5_000;
    /// Bytes of messages in one `history`.
    pub const HISTORY_BYTES: usize = 32 * 1024;
    /// How far a claim that another node gave is believed to be ahead of this node's clock.
    pub const CLOCKS_APART_MS: u64 = 2 * 3_600_000;
    /// A message id may be minted this far ahead of the server's clock.
    pub const ID_AHEAD_MS: u64 = 2 * 86_400_000;
    /// The log knows the ids of messages at least this long; the archive is asked about older ones.
    pub const ID_WINDOW_MS: u64 = 5 * 86_400_000;
    /// How far the clocks of servers and pages may differ when ids are judged by their time.
    pub const CLOCK_SLACK_MS: u64 = 5_000;
    /// An answer to `history` that has not come by then is given up.
    pub const HISTORY_WITHIN_MS: u64 = 8_000;
    /// Upper bound of the first wait before messages that the server could not find are asked for again.
    pub const HISTORY_AGAIN_MS: u64 = 1_000;
    /// How often they are asked for again before a person must.
    pub const HISTORY_TRIES: u32 = 5;
    /// A message that the browser could not write down by then is sent all the same.
    pub const KEEP_WITHIN_MS: u64 = 1_000;
    /// Entries of one page of history.
    pub const PAGE_ENTRIES: usize = 200;
    /// Appends of one room that wait for the log; at the limit a chat message is refused as busy.
    pub const APPENDS_WAITING: usize = 256;
    /// Notices on screen at once; the oldest makes room.
    pub const NOTICES: usize = 4;
    /// How long a passing notice stays.
    pub const NOTICE_MS: u64 = 6_000;
    /// How long a notice stays that somebody must act on.
    pub const NOTICE_TO_READ_MS: u64 = 30_000;
    /// A browser that has not answered for a camera or microphone after this is asking the person.
    pub const ASKS_AFTER_MS: u64 = 2_000;
    /// People on screen from which on the active speaker comes first.
    pub const CROWDED_FROM: usize = 5;

    /// Messages a socket may send in one burst.
    pub const MESSAGE_BURST: u32 = 400;
    /// Messages a second a socket may send in the long run.
    pub const MESSAGES_PER_S: u32 = 60;
    /// Acknowledgements of signals a socket may send in one burst: they answer others, who may be many.
    pub const ACK_BURST: u32 = 2_000;
    /// Acknowledgements a second in the long run.
    pub const ACKS_PER_S: u32 = 200;
    /// Signals and acknowledgements from one seat to another that are passed on at once, and a second in the long run.
    pub const PASSED_BURST: u32 = 400;
    /// See [`Limits::PASSED_BURST`].
    pub const PASSED_PER_S: u32 = 40;
    /// Bytes of them at once, and a second in the long run.
    pub const PASSED_BYTES_BURST: u32 = 96 * 1024;
    /// See [`Limits::PASSED_BYTES_BURST`].
    pub const PASSED_BYTES_PER_S: u32 = 12 * 1024;
    /// How often a seat may switch its devices at once, and a second in the long run; the last word counts.
    pub const SWITCHES_BURST: u32 = 20;
    /// See [`Limits::SWITCHES_BURST`].
    pub const SWITCHES_PER_S: u32 = 2;
    /// What was switched too often is told after this long.
    pub const SWITCH_LATER_MS: u64 = 500;
    /// Seats that were left, which no token opens again, that a room keeps; at the limit the oldest goes.
    pub const DEPARTED: usize = 256;
    /// Chat messages a page sends in one burst: fewer than a seat may, so that what the network delays is not refused.
    pub const CHAT_SENT_BURST: u32 = 250;
    /// Chat messages a seat may send in one burst.
    pub const CHAT_BURST: u32 = 300;
    /// Chat messages a second a seat may send in the long run.
    pub const CHAT_PER_S: u32 = 20;
    /// Chat messages of a page that are on their way to the log at once.
    pub const CHAT_UNDER_WAY: usize = 16;
    /// With more bytes than this on their way no other message follows.
    pub const CHAT_UNDER_WAY_BYTES: usize = 64 * 1024;
    /// A message that was refused for now is sent again after this long, alone.
    pub const CHAT_AGAIN_MS: u64 = 1_000;
    /// Without any answer for this long messages count as lost on the way; twice as long each time, up to a cap.
    pub const CHAT_ANSWER_MS: u64 = 4_000;
    /// See [`Limits::CHAT_ANSWER_MS`].
    pub const CHAT_ANSWER_CAP_MS: u64 = 32_000;
    /// Messages waiting to be written to one socket; a reader this slow is closed and may resume.
    pub const SEND_QUEUE: usize = 256;
    /// Bytes waiting to be written to one socket.
    pub const SEND_QUEUE_BYTES: usize = 256 * 1024;
}

const _: () = assert!(Limits::PING_EVERY_MS * 2 < Limits::LINK_DEAD_AFTER_MS);
const _: () = assert!(Limits::PING_EVERY_MS * 2 < Limits::AWAY_AFTER_MS);
const _: () = assert!(Limits::AWAY_AFTER_MS < Limits::LEFT_AFTER_MS);
const _: () = assert!(Limits::RETRY_FIRST_MS < Limits::RETRY_CAP_MS);
const _: () = assert!(Limits::RETRY_CAP_MS < Limits::LEFT_AFTER_MS);
// A character is at most 4 bytes, and JSON writes a control character as six; the rest is the envelope.
const _: () = assert!(Limits::CHAT_CHARS * 6 + 4_096 < Limits::FRAME_BYTES);
const _: () = assert!(Limits::SDP_BYTES + 8_192 < Limits::FRAME_BYTES);
const _: () = assert!(Limits::CHAT_BURST < Limits::MESSAGE_BURST);
const _: () = assert!(Limits::OUTBOX < Limits::CHAT_SENT_BURST as usize);
const _: () = assert!(Limits::CHAT_SENT_BURST < Limits::CHAT_BURST);
const _: () = assert!(Limits::SIGNALS_UNACKED < Limits::MESSAGE_BURST as usize);
const _: () = assert!(Limits::FRAME_BYTES < Limits::SEND_QUEUE_BYTES);
const _: () = assert!(Limits::BEAT_MS * 2 < Limits::AWAY_AFTER_MS);
const _: () = assert!(Limits::CHAT_CHARS * 4 < Limits::HISTORY_BYTES);
const _: () = assert!(Limits::HISTORY_BYTES < Limits::FRAME_BYTES);
const _: () = assert!(Limits::CHAT_KEPT < Limits::CHAT_KEPT_BACK);
const _: () = assert!(Limits::ICE_RESTARTS <= 5);
const _: () = assert!(Limits::LINK_DEAD_CAP_MS + Limits::RETRY_FIRST_MS < Limits::LEFT_AFTER_MS);
const _: () = assert!(Limits::SIGNALS_UNACKED < Limits::SIGNALS_BURST as usize);
// Seven people at their limits are acknowledged within what one socket may send.
const _: () = assert!(7 * 1_000 / Limits::ACKNOWLEDGE_EVERY_MS <= Limits::ACKS_PER_S as u64);
const _: () = assert!(Limits::FRAME_BYTES * 2 < Limits::CARRY_BYTES_BURST as usize);
const _: () = assert!(Limits::CARRY_BYTES_BURST < Limits::PEER_BYTES_BURST);
const _: () = assert!(Limits::SIGNALS_UNACKED + Limits::OUTBOX < Limits::PEER_MESSAGE_BURST as usize);
const _: () = assert!(Limits::SETTLED_AFTER_MS >= Limits::STEP_WATCH_MS);
