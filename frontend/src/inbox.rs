//! The one mailbox: every callback posts here and returns.

use futures::channel::mpsc;
use holdfast::session::{Event, Intent};
use std::cell::RefCell;
use std::rc::Rc;

/// Events that may wait. The loop empties it many times a second; at the limit events are dropped and said so, and
/// what matters is sent again by its sender.
const WAITING: usize = 8_192;

/// A handle to post with.
#[derive(Clone)]
pub(crate) struct Inbox(Rc<RefCell<mpsc::Sender<Event>>>);

impl Inbox {
    /// A mailbox and its other end.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Self(Rc::new(RefCell::new(sender))), receiver)
    }

    /// Posts an event.
    pub(crate) fn post(&self, event: Event) {
        if self.0.borrow_mut().try_send(event).is_err() {
            web_sys::console::warn_1(&"holdfast: an event was dropped, too many wait".into());
        }
    }

    /// Posts what the person wants.
    pub(crate) fn intend(&self, intent: Intent) {
        self.post(Event::Intent(intent));
    }
}
