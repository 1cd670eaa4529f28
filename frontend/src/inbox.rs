//! The one mailbox: every callback posts here and returns.

use futures::channel::mpsc;
use futures::{StreamExt, select_biased};
use holdfast::session::{Event, Intent};
use std::cell::RefCell;
use std::rc::Rc;

/// Events that may wait. The loop empties it many times a second; at the limit events are dropped and said so, and
/// what matters is sent again by its sender.
const WAITING: usize = 8_192;
/// Messages of other pages that may wait.
const WAITING_FROM_PAGES: usize = 1_024;

/// A handle to post with.
#[derive(Clone)]
pub(crate) struct Inbox {
    own: Rc<RefCell<mpsc::Sender<Event>>>,
    pages: Rc<RefCell<mpsc::Sender<Event>>>,
}

/// The other end: what the browser, the server and the person say, and apart from it what other pages say, so that many
/// messages of somebody else neither delay nor push out anything of ours.
pub(crate) struct Mail {
    own: mpsc::Receiver<Event>,
    pages: mpsc::Receiver<Event>,
}

impl Mail {
    /// The next event, ours before others'.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        select_biased! {
            event = self.own.next() => event,
            event = self.pages.next() => event,
        }
    }

    /// What waits already, so many at most of either kind.
    pub(crate) fn waiting(&mut self, own: usize, pages: usize) -> impl Iterator<Item = Event> + '_ {
        let own = std::iter::from_fn(|| self.own.try_recv().ok()).take(own);
        own.chain(std::iter::from_fn(|| self.pages.try_recv().ok()).take(pages))
    }
}

impl Inbox {
    /// A mailbox and its other end.
    pub(crate) fn new() -> (Self, Mail) {
        let (own, own_mail) = mpsc::channel(WAITING);
        let (pages, pages_mail) = mpsc::channel(WAITING_FROM_PAGES);
        let inbox = Self { own: Rc::new(RefCell::new(own)), pages: Rc::new(RefCell::new(pages)) };
        (inbox, Mail { own: own_mail, pages: pages_mail })
    }

    /// Posts an event.
    pub(crate) fn post(&self, event: Event) {
        if self.own.borrow_mut().try_send(event).is_err() {
            web_sys::console::warn_1(&"holdfast: an event was dropped, too many wait".into());
        }
    }

    /// Posts what another page says. Past the limit it is dropped: what matters comes again.
    pub(crate) fn post_from_page(&self, event: Event) {
        let _ = self.pages.borrow_mut().try_send(event);
    }

    /// Posts what the person wants.
    pub(crate) fn intend(&self, intent: Intent) {
        self.post(Event::Intent(intent));
    }
}
