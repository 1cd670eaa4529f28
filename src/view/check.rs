//! What a check of network and devices found, as the page shows it.

use crate::wire::IceServer;

/// What is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The WebSocket to the server.
    Server,
    /// The camera.
    Camera,
    /// The microphone.
    Microphone,
    /// Finding out the own public address.
    Address,
    /// A relay over UDP.
    RelayUdp,
    /// A relay over TCP.
    RelayTcp,
    /// A relay over TLS.
    RelayTls,
}

impl Subject {
    /// What a server of ours is good for, by its URL.
    #[must_use]
    pub fn of(server: &IceServer) -> Self {
        let url = server.urls.first().map_or("", String::as_str);
        match () {
            () if url.starts_with("turns:") => Self::RelayTls,
            () if !url.starts_with("turn:") => Self::Address,
            () if url.ends_with("transport=tcp") => Self::RelayTcp,
            () => Self::RelayUdp,
        }
    }

    /// Whether it is a relay.
    #[must_use]
    pub const fn is_relay(self) -> bool {
        matches!(self, Self::RelayUdp | Self::RelayTcp | Self::RelayTls)
    }

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "Talking to the server",
            Self::Camera => "Camera",
            Self::Microphone => "Microphone",
            Self::Address => "Direct connections",
            Self::RelayUdp => "Relay",
            Self::RelayTcp => "Relay over TCP",
            Self::RelayTls => "Relay over TLS",
        }
    }
}

/// What became of one subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Not known yet.
    Running,
    /// It works.
    Works,
    /// It does not.
    Fails,
    /// It answers, but has no time.
    Busy,
}

impl Finding {
    /// The value of `data-finding`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Works => "works",
            Self::Fails | Self::Busy => "fails",
        }
    }

    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Running => "Checking…",
            Self::Works => "Works",
            Self::Fails => "Does not work",
            Self::Busy => "Busy",
        }
    }
}

/// Everything a page that checks shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckView {
    /// What was checked, in a fixed order.
    pub rows: Vec<(Subject, Finding)>,
}

impl CheckView {
    /// Whether anything of this kind works; none while that is open, or if nothing of the kind is there.
    fn any(&self, kind: fn(Subject) -> bool) -> Option<bool> {
        let of: Vec<Finding> =
            self.rows.iter().filter(|(subject, _)| kind(*subject)).map(|(_, found)| *found).collect();
        let known = !of.is_empty() && !of.contains(&Finding::Running);
        if of.contains(&Finding::Works) { Some(true) } else { known.then_some(false) }
    }

    /// Whether everything is known.
    #[must_use]
    pub fn is_done(&self) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|(_, found)| *found != Finding::Running)
    }

    /// What it all means, in one sentence; empty while something is open.
    #[must_use]
    pub fn verdict(&self) -> &'static str {
        if !self.is_done() {
            return "";
        }
        let is = |wanted: Subject| self.rows.contains(&(wanted, Finding::Works));
        if self.rows.contains(&(Subject::Server, Finding::Busy)) {
            return "The server is busy just now: check again in a moment.";
        }
        let relays = self.any(Subject::is_relay);
        // Where there was nothing to learn it from, nothing is known against it.
        let direct = self.any(|subject| matches!(subject, Subject::Address | Subject::RelayUdp)) != Some(false);
        match (is(Subject::Server), direct, relays) {
            (false, ..) => "Calls do not work from here: the server cannot be reached, so try another network.",
            (true, false, Some(true)) => {
                "Calls work from here, though only through a relay: this network blocks the direct way."
            }
            (true, false, Some(false)) => {
                "Calls do not work from here: this network blocks them, and no relay answers, so try another network."
            }
            (true, false, None) => {
                "Calls do not work from here: this network blocks them, and this server has no relay, so try another network."
            }
            (true, true, Some(false)) => {
                "Calls work with most people, but not with those behind strict networks: no relay answers."
            }
            (true, true, None) => {
                "Calls work with most people, but not with those behind strict networks: this server has no relay."
            }
            (true, true, Some(true)) => match (is(Subject::Camera), is(Subject::Microphone)) {
                (true, true) => "All is well: calls work from here.",
                (false, true) => "Calls work from here, but without your camera.",
                (true, false) => "Calls work from here, but without your microphone.",
                (false, false) => "Calls work from here, but without your camera and microphone.",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(rows: &[(Subject, Finding)]) -> CheckView {
        CheckView { rows: rows.to_vec() }
    }

    #[test]
    fn the_verdict_is_one_sentence_about_what_matters_most() {
        use Finding::{Fails, Running, Works};
        use Subject::{Address, Camera, Microphone, RelayTcp, RelayUdp, Server};
        let well = [
            (Server, Works),
            (Camera, Works),
            (Microphone, Works),
            (Address, Works),
            (RelayUdp, Works),
            (RelayTcp, Works),
        ];
        let but = |changes: &[(Subject, Finding)]| {
            let mut rows = well.to_vec();
            for (subject, found) in changes {
                rows.iter_mut().find(|(one, _)| one == subject).expect("there").1 = *found;
            }
            view(&rows).verdict()
        };
        assert_eq!(but(&[(RelayTcp, Running)]), "");
        assert!(but(&[]).starts_with("All is well"));
        assert!(but(&[(RelayUdp, Fails)]).starts_with("All is well"), "the other relay is enough");
        assert!(but(&[(Camera, Fails)]).ends_with("without your camera."));
        assert!(but(&[(Camera, Fails), (Server, Fails)]).contains("server cannot be reached"));
        assert!(but(&[(RelayUdp, Fails), (RelayTcp, Fails)]).contains("no relay answers"));
        assert!(but(&[(RelayUdp, Fails), (Address, Fails)]).contains("only through a relay"));
        assert!(but(&[(RelayUdp, Fails), (Address, Fails), (RelayTcp, Fails)]).contains("do not work"));
        let none = view(&[(Server, Works), (Camera, Works), (Microphone, Works), (Address, Works)]);
        assert!(none.verdict().contains("has no relay"));
        let strict = view(&[(Server, Works), (Camera, Works), (Microphone, Works), (RelayTcp, Fails)]);
        assert!(strict.verdict().starts_with("Calls work with most people"), "nothing is known against the direct way");
        assert_eq!(view(&[]).verdict(), "");
    }
}
