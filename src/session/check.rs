//! A page that checks instead of calling: the server, the devices, and every way that media could take.

use super::{Capture, Effect, Event, MediaEvent, SocketEvent, Tried};
use crate::id::SocketEpoch;
use crate::limits::Limits;
use crate::time::Millis;
use crate::view::{CheckView, Finding, MediaKind, Subject};
use crate::wire::{ClientMsg, CloseCode, IceServer, PROTOCOL_VERSION, ServerMsg, decode, encode};

/// Ways that are tried; a server names a handful.
const WAYS: usize = 16;

/// The one socket of the page.
const SOCKET: SocketEpoch = SocketEpoch::from_number(1);

/// What is being checked.
#[derive(Clone, Debug)]
pub(super) struct Check {
    began: Millis,
    /// Whether the ways for media are known: they come from the server.
    knows_ways: bool,
    rows: Vec<(Subject, Finding)>,
}

impl Check {
    /// Begins with everything that needs no answer of the server.
    pub(super) fn begin(now: Millis) -> (Self, Vec<Effect>) {
        let rows = [Subject::Server, Subject::Camera, Subject::Microphone].map(|subject| (subject, Finding::Running));
        let both = Capture { audio: Some(None), video: Some(None) };
        let effects = vec![Effect::Prepare, Effect::OpenSocket(SOCKET), Effect::Capture(both)];
        (Self { began: now, knows_ways: false, rows: rows.to_vec() }, effects)
    }

    pub(super) fn view(&self) -> CheckView {
        CheckView { rows: self.rows.clone() }
    }

    pub(super) fn next_deadline(&self) -> Option<Millis> {
        let open = self.rows.iter().any(|(subject, found)| is_late(*subject, *found));
        open.then(|| self.began.plus(Limits::CHECK_WITHIN_MS))
    }

    pub(super) fn handle(&mut self, now: Millis, event: Event) -> Vec<Effect> {
        match event {
            Event::Socket(SOCKET, SocketEvent::Opened) => {
                return vec![Effect::SendText(SOCKET, encode(&ClientMsg::Check { version: PROTOCOL_VERSION }))];
            }
            Event::Socket(SOCKET, SocketEvent::Text(text)) => {
                if let (Ok(ServerMsg::Ways { ice }), false) = (decode(&text), self.knows_ways) {
                    self.began = now; // The ways have their own time.
                    return self.try_ways(&ice);
                }
            }
            Event::Socket(SOCKET, SocketEvent::Closed(CloseCode::Broken, _)) => {
                self.found(Subject::Server, Finding::Fails);
            }
            // It answered, though not with what was asked for.
            Event::Socket(SOCKET, SocketEvent::Closed(..)) => self.found(Subject::Server, Finding::Busy),
            Event::Media(MediaEvent::Started(kind, _)) => {
                self.found(subject(kind), Finding::Works);
                return vec![Effect::Release(kind)]; // It starts: nothing more is wanted of it.
            }
            Event::Media(MediaEvent::Failed(kind, _)) => self.found(subject(kind), Finding::Fails),
            Event::Tried(row, tried) => self.tried(row, tried),
            Event::Tick if now.since(self.began) >= Limits::CHECK_WITHIN_MS => {
                for (_, found) in self.rows.iter_mut().filter(|(subject, found)| is_late(*subject, *found)) {
                    *found = Finding::Fails;
                }
                if !std::mem::replace(&mut self.knows_ways, true) {
                    return vec![Effect::CloseSocket(SOCKET)];
                }
            }
            Event::Entered(..)
            | Event::Found(_)
            | Event::Kept(_)
            | Event::Socket(..)
            | Event::Rtc(..)
            | Event::Channel(..)
            | Event::Media(_)
            | Event::Net(_)
            | Event::Intent(_)
            | Event::NotReloaded
            | Event::Tick => {}
        }
        vec![]
    }

    /// The server answered: every way it names is tried by itself.
    fn try_ways(&mut self, ice: &[IceServer]) -> Vec<Effect> {
        self.knows_ways = true;
        self.found(Subject::Server, Finding::Works);
        let mut effects = vec![Effect::CloseSocket(SOCKET)];
        let ways = ice.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
        for (server, url) in ways.take(WAYS) {
            let one = IceServer { urls: vec![url.clone()], ..server.clone() };
            effects.push(Effect::Try(self.rows.len(), one.clone()));
            self.rows.push((Subject::of(&one), Finding::Running));
        }
        effects
    }

    fn tried(&mut self, row: usize, tried: Tried) {
        let Some(&(subject, _)) = self.rows.get(row) else { return };
        // A STUN server that the browser reaches without translation tells it nothing new. A relay must.
        let works = tried == Tried::Address || (tried == Tried::Nothing && subject == Subject::Address);
        self.settle(row, if works { Finding::Works } else { Finding::Fails });
        if works && subject == Subject::RelayUdp {
            // Whose UDP reaches a relay and comes back is not kept from direct ways.
            for (subject, found) in &mut self.rows {
                if *subject == Subject::Address {
                    *found = Finding::Works;
                }
            }
        }
    }

    fn found(&mut self, subject: Subject, found: Finding) {
        if let Some(row) = self.rows.iter().position(|(one, _)| *one == subject) {
            self.settle(row, found);
        }
    }

    /// What is known stays known.
    fn settle(&mut self, row: usize, found: Finding) {
        if let Some((_, known @ Finding::Running)) = self.rows.get_mut(row) {
            *known = found;
        }
    }
}

/// Whether the time for it runs. A device may wait for its person, who is asked.
fn is_late(subject: Subject, found: Finding) -> bool {
    found == Finding::Running && !matches!(subject, Subject::Camera | Subject::Microphone)
}

const fn subject(kind: MediaKind) -> Subject {
    match kind {
        MediaKind::Audio => Subject::Microphone,
        MediaKind::Video => Subject::Camera,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::MediaProblem;

    fn server(url: &str) -> IceServer {
        IceServer { urls: vec![url.into()], username: None, credential: None }
    }

    #[test]
    fn what_answers_works_and_what_does_not_in_time_fails() {
        let now = Millis::from_unix(1_000_000);
        let (mut check, effects) = Check::begin(now);
        assert!(effects.contains(&Effect::OpenSocket(SOCKET)));
        let asked = check.handle(now, Event::Socket(SOCKET, SocketEvent::Opened));
        assert!(matches!(&asked[..], [Effect::SendText(_, text)] if text.contains("check")), "{asked:?}");
        let ways = ServerMsg::Ways {
            ice: vec![server("stun:a"), server("turn:a?transport=udp"), server("turn:a?transport=tcp")],
        };
        let tried = check.handle(now, Event::Socket(SOCKET, SocketEvent::Text(encode(&ways))));
        assert_eq!(tried.iter().filter(|effect| matches!(effect, Effect::Try(..))).count(), 3);
        assert!(check.handle(now, Event::Socket(SOCKET, SocketEvent::Text(encode(&ways)))).is_empty(), "once");
        let _ = check.handle(now, Event::Tried(3, Tried::Silent));
        let _ = check.handle(now, Event::Tried(4, Tried::Address));
        let _ = check.handle(now, Event::Tried(5, Tried::Nothing));
        let _ = check.handle(now, Event::Tried(5, Tried::Address));
        let _ = check.handle(now, Event::Tried(99, Tried::Address));
        let _ = check.handle(now, Event::Media(MediaEvent::Started(MediaKind::Audio, "x".into())));
        let late = now.plus(Limits::CHECK_WITHIN_MS);
        assert_eq!(check.next_deadline(), None, "nothing but the person is waited for");
        let _ = check.handle(late, Event::Tick);
        assert!(!check.view().is_done(), "the person has not answered about the camera");
        let _ = check.handle(late, Event::Media(MediaEvent::Failed(MediaKind::Video, MediaProblem::Denied)));
        let found: Vec<Finding> = check.view().rows.iter().map(|(_, found)| *found).collect();
        use Finding::{Fails, Works};
        assert_eq!(found, [Works, Fails, Works, Works, Works, Fails], "UDP to the relay stands for the direct way");
        assert!(check.view().is_done());
    }

    #[test]
    fn a_way_that_says_nothing_fails_when_its_time_is_over() {
        let now = Millis::from_unix(1_000_000);
        let (mut check, _) = Check::begin(now);
        let ways = ServerMsg::Ways { ice: vec![server("stun:a"), server("turns:a")] };
        let _ = check.handle(now, Event::Socket(SOCKET, SocketEvent::Text(encode(&ways))));
        let late = now.plus(Limits::CHECK_WITHIN_MS);
        assert_eq!(check.next_deadline(), Some(late));
        let _ = check.handle(late, Event::Tick);
        assert_eq!(check.next_deadline(), None);
        assert!(check.view().rows[3..].iter().all(|(_, found)| *found == Finding::Fails));
    }

    #[test]
    fn without_the_server_nothing_else_is_waited_for() {
        let now = Millis::from_unix(1_000_000);
        let (mut check, _) = Check::begin(now);
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let _ = check.handle(now, Event::Media(MediaEvent::Started(kind, String::new())));
        }
        let closed = |code| Event::Socket(SOCKET, SocketEvent::Closed(code, String::new()));
        let mut busy = check.clone();
        let _ = busy.handle(now, closed(CloseCode::TooFast));
        assert!(busy.view().verdict().contains("busy"), "{}", busy.view().verdict());
        let _ = check.handle(now, closed(CloseCode::Broken));
        assert!(check.view().verdict().contains("server cannot be reached"), "{}", check.view().verdict());
    }
}
