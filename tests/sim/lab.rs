//! The lab's scenario files, replayed on the virtual clock: the same people, steps and figures, in milliseconds.

use crate::checkers;
use crate::client::Client;
use crate::network::Weather;
use crate::paths::Obstacle;
use crate::world::World;
use holdfast::session::{Event, Fault, Intent, NetEvent};
use holdfast::view::{LinkView, MediaPath};
use holdfast::wire::Entry;
use holdfast::{Millis, PcEpoch, PeerId};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How finely pictures are looked at.
const SLICE_MS: u64 = 50;
/// Replays of each file, each with its own seed.
const SEEDS: u64 = 12;
/// What only a real network or a real screen can tell.
const NOT_HERE: &str = "addresses relayed badge_ms settled_ms rounds ghosts agreed_ms audio_gap_ms messages_kept \
                        messages_in_order";

/// What came from one other person.
#[derive(Clone, Copy)]
struct Picture {
    bytes: u64,
    /// When they last grew.
    at: Millis,
    longest_ms: u64,
    after_mark: Option<Millis>,
}

/// What happened to one person.
#[derive(Default)]
struct Seen {
    /// Of each other seat.
    pictures: BTreeMap<PeerId, Picture>,
    /// Who is shown and how, and how often that changed.
    tiles: Vec<(PeerId, MediaPath, bool)>,
    flips: u64,
    offline_since: Option<Millis>,
    drops: u64,
    noticed: Option<Millis>,
    back: Option<Millis>,
}

struct Replay {
    world: World,
    relays: u64,
    /// Whether Redis still has what it had when it comes back.
    redis_keeps: bool,
    seen: Vec<Seen>,
    made: BTreeSet<(usize, PeerId, PcEpoch)>,
    known: BTreeSet<(usize, PeerId, PcEpoch)>,
    began: Millis,
    mark: Millis,
    left_before: usize,
    closed_before: usize,
    gone: BTreeSet<usize>,
    caught_up: Option<u64>,
}

fn number(value: &Value) -> u64 {
    value.as_f64().unwrap_or(0.0) as u64
}

fn seconds(value: &Value) -> u64 {
    (value.as_f64().unwrap_or(0.0) * 1_000.0) as u64
}

/// The steps as the long form has them: here time costs nothing.
fn steps(scenario: &Value, name: &str) -> Vec<Value> {
    let long = |mut step: Value| {
        let more = scenario["long_steps"][step["do"].as_str().unwrap_or_default()].clone();
        for (key, value) in more.as_object().into_iter().flatten() {
            step[key] = value.clone();
        }
        step
    };
    scenario[name].as_array().cloned().unwrap_or_default().into_iter().map(long).flat_map(flaps).collect()
}

/// A network that comes and goes is as many cuts and mends.
fn flaps(step: Value) -> Vec<Value> {
    if step["do"] != "flap" {
        return vec![step];
    }
    let [at, every, times] = ["at", "every_s", "times"].map(|key| number(&step[key]));
    let down = (0..times).map(|n| at + 2 * n * every);
    let both = down.flat_map(|down| [("cut", down), ("heal", down + every)]);
    both.map(|(what, at)| json!({ "do": what, "at": at, "who": step["who"] })).collect()
}

impl Replay {
    fn new(scenario: &Value, seed: u64) -> Self {
        let mut world = World::new(seed, std::env::var("SIM_TRACE").is_ok(), 2);
        let delay_ms = number(&scenario["link"]["delay_ms"]).max(5) * 2;
        world.weather = Weather { delay_ms, ..Weather::FAIR };
        if let Some(room) = scenario["room"].as_str() {
            world.room = room.parse().expect("a valid code");
        }
        let lobby: Vec<u64> = scenario["lobby"].as_array().into_iter().flatten().map(number).collect();
        for n in 1..=number(&scenario["people"]) {
            let client = world.add_client();
            world.only_node = (scenario["apart"] == true).then_some(client % 2);
            if lobby.contains(&n) {
                world.open_room(client, false);
            } else {
                world.enter(client);
            }
            world.run(500);
        }
        world.run(3_000);
        world.only_node = None;
        let relays = scenario["services"]["relays"].as_u64().unwrap_or(1);
        let seen = world.clients.iter().map(|_| Seen::default()).collect();
        let redis_keeps = scenario["services"]["redis_keeps"].as_bool().unwrap_or(true);
        let began = world.now;
        let mut replay = Self {
            world,
            relays,
            redis_keeps,
            seen,
            made: BTreeSet::new(),
            known: BTreeSet::new(),
            began,
            mark: began,
            left_before: 0,
            closed_before: 0,
            gone: BTreeSet::new(),
            caught_up: None,
        };
        replay.play(&steps(scenario, "before"));
        replay.run(1_000);
        replay.begin();
        replay
    }

    /// From now on things count.
    fn begin(&mut self) {
        (self.began, self.mark) = (self.world.now, self.world.now);
        self.known.append(&mut self.made);
        self.left_before = self.left();
        self.closed_before = self.closed();
        self.world.restarts = 0;
        for seen in &mut self.seen {
            let mut pictures = std::mem::take(&mut seen.pictures);
            pictures.values_mut().for_each(|one| (one.longest_ms, one.after_mark) = (0, None));
            let tiles = std::mem::take(&mut seen.tiles);
            *seen = Seen { pictures, tiles, ..Seen::default() };
        }
    }

    fn left(&self) -> usize {
        self.world.log.ever.values().filter(|entry| matches!(entry, Entry::Left { .. })).count()
    }

    /// Sockets that are no more.
    fn closed(&self) -> usize {
        self.world.sockets.values().filter(|socket| !socket.alive).count()
    }

    fn run(&mut self, ms: u64) {
        let until = self.world.now.plus(ms);
        while self.world.now < until {
            self.world.run(SLICE_MS.min(until.since(self.world.now)));
            self.look();
        }
    }

    fn look(&mut self) {
        let now = self.world.now;
        for (n, client) in self.world.clients.iter().enumerate().filter(|(n, _)| !self.gone.contains(n)) {
            let seen = &mut self.seen[n];
            let view = client.session.view();
            match (view.link == LinkView::Online, seen.offline_since) {
                (false, None) => {
                    seen.offline_since = Some(now);
                    seen.drops += 1;
                    seen.noticed.get_or_insert(now);
                }
                (true, Some(_)) => {
                    seen.offline_since = None;
                    seen.back = seen.back.or((now >= self.mark).then_some(now));
                }
                (true, None) | (false, Some(_)) => {}
            }
            let mut tiles: Vec<_> = view.tiles.iter().map(|tile| (tile.peer, tile.path, tile.here)).collect();
            tiles.sort_by_key(|(peer, ..)| *peer);
            if tiles != seen.tiles {
                (seen.tiles, seen.flips) = (tiles, seen.flips + 1);
            }
            for tile in &view.tiles {
                let of = client.pcs.iter().filter(|((peer, _), _)| *peer == tile.peer);
                let bytes: u64 = of.map(|(_, pc)| pc.bytes).sum();
                let fresh = Picture { bytes: 0, at: now, longest_ms: 0, after_mark: None };
                let one = seen.pictures.entry(tile.peer).or_insert(fresh);
                if bytes != one.bytes {
                    one.longest_ms = one.longest_ms.max(now.since(one.at));
                    (one.bytes, one.at) = (bytes, now);
                    one.after_mark = one.after_mark.or((now >= self.mark).then_some(now));
                }
            }
            for (peer, epoch) in client.pcs.keys() {
                let key = (n, *peer, *epoch);
                if !self.known.contains(&key) {
                    self.made.insert(key);
                }
            }
        }
    }

    fn play(&mut self, steps: &[Value]) {
        let began = self.world.now;
        for step in steps {
            let at = began.plus(seconds(&step["at"]));
            self.run(at.since(self.world.now));
            let who = number(&step["who"]).saturating_sub(1) as usize;
            self.step(step, who);
            if step["mark"] == true {
                self.mark = self.world.now;
                for seen in &mut self.seen {
                    seen.pictures.values_mut().for_each(|one| one.after_mark = None);
                    seen.back = None;
                }
            }
        }
    }

    fn step(&mut self, step: &Value, who: usize) {
        let world = &mut self.world;
        match step["do"].as_str().unwrap_or_default() {
            "cut" => drop(world.cut_off.insert(who)),
            "link_down" => {
                world.cut_off.insert(who);
                self.net(who, NetEvent::Offline);
            }
            "link_up" => {
                world.reconnect(who);
                self.net(who, NetEvent::Online);
            }
            "heal" => {
                world.cut.retain(|(a, b, _)| *a != who && *b != who);
                world.reconnect(who);
            }
            // What comes from the old address reaches nobody, and nothing tells the sockets.
            "change_address" => {
                self.between(who, |world, other| world.stale(who, other));
                for conn in self.world.sockets_of(who) {
                    self.world.sockets.get_mut(&conn).expect("listed").alive = false;
                }
            }
            // A restart finds the relay over TCP.
            "block_udp" if self.relays > 0 => self.between(who, |world, other| world.stale(who, other)),
            "block_udp" => self.between(who, |_, _| Obstacle::Wall),
            "kill_used_relay" => self.between(who, |world, other| world.stale(who, other)),
            "reset_sockets" => {
                for client in 0..world.clients.len() {
                    world.sockets_of(client).into_iter().for_each(|conn| world.break_socket(conn));
                }
            }
            "kill_servers" => world.crash_all(),
            "start_servers" => world.start_all(),
            "kill_server" => world.crash(number(&step["n"]) as usize - 1),
            "say" => world.say(who),
            "say_many" => {
                for _ in 0..number(&step["count"]) {
                    self.world.say(who);
                    self.run(number(&step["every_ms"]).max(SLICE_MS));
                }
            }
            "has_read" => self.has_read(who, number(&step["count"]) as usize, seconds(&step["within_s"])),
            "flush_redis" => world.wipe_log(),
            "kill_redis" | "hang_redis" => (0..world.nodes.len()).for_each(|node| world.set_cut(node, true)),
            "start_redis" | "resume_redis" => {
                if !self.redis_keeps {
                    world.wipe_log();
                }
                (0..world.nodes.len()).for_each(|node| world.set_cut(node, false));
            }
            "reload" => world.reload(who),
            "join" => {
                world.clients[who].wants_in = true;
                world.intend(who, Intent::Join(format!("Person {who}")));
            }
            "kill_browser" => {
                world.clients[who].wants_in = false;
                world.reload(who); // The page is gone, and nobody opens it again.
                self.gone.insert(who);
            }
            "offer_again" => {
                for client in 0..world.clients.len() {
                    world.intend(client, Intent::Cause(Fault::OfferAgain));
                }
            }
            "press" => {
                let name = format!("Person {who}");
                let intent = match step["name"].as_str().unwrap_or_default() {
                    "Leave" => Intent::Leave,
                    "Join again" => Intent::Join(name),
                    "Mute microphone" | "Unmute microphone" => Intent::ToggleMicrophone,
                    "Turn camera off" | "Turn camera on" => Intent::ToggleCamera,
                    other => panic!("nobody here presses '{other}'"),
                };
                world.intend(who, intent);
            }
            // Of the screen, or nothing that this network or this clock has.
            "open_chat" | "hide" | "shape" | "start_relays" => {}
            other => panic!("the simulator does not know the step '{other}'"),
        }
    }

    fn net(&mut self, who: usize, event: NetEvent) {
        let page = self.world.clients[who].page;
        self.world.post(who, page, Event::Net(event));
    }

    fn between(&mut self, who: usize, what: impl Fn(&mut World, usize) -> Obstacle) {
        for other in (0..self.world.clients.len()).filter(|other| *other != who) {
            let obstacle = what(&mut self.world, other);
            self.world.cut.push((who.min(other), who.max(other), obstacle));
        }
    }

    fn has_read(&mut self, who: usize, count: usize, within_ms: u64) {
        let until = self.world.now.plus(within_ms);
        let there = |world: &World| {
            let view = world.clients[who].session.view();
            view.chat.iter().filter(|line| line.offset.is_some()).count() >= count
        };
        while !there(&self.world) && self.world.now < until {
            self.run(SLICE_MS);
        }
        if there(&self.world) {
            let from = self.seen[who].back.unwrap_or(self.mark).max(self.mark);
            self.caught_up = Some(self.world.now.since(from));
        }
    }

    /// Whether everybody is there, reaches the server and sees the others, without anything having been healed for them.
    fn is_steady(&self) -> bool {
        let now = self.world.now;
        let there = self.seen.iter().enumerate().filter(|(n, _)| !self.gone.contains(n));
        let others = self.seen.len() - self.gone.len() - 1;
        let sees = |seen: &Seen| seen.pictures.values().filter(|one| now.since(one.at) < 1_000).count() >= others;
        there.into_iter().all(|(_, seen)| seen.offline_since.is_none() && sees(seen))
    }

    /// The figures of the file, as the lab would print them.
    fn figures(&self) -> BTreeMap<&'static str, u64> {
        let ended = self.world.now;
        let there = || self.seen.iter().enumerate().filter(|(n, _)| !self.gone.contains(n)).map(|(_, seen)| seen);
        // Of those who are there in the end: a seat that somebody gave up shows nothing any more.
        let seats: BTreeSet<PeerId> = self.world.clients.iter().filter_map(Client::seat).collect();
        let of = |seen: &Seen| -> Vec<Picture> {
            seen.pictures.iter().filter(|(peer, _)| seats.contains(peer)).map(|(_, picture)| *picture).collect()
        };
        let worst = |of: &dyn Fn(&Seen) -> u64| there().map(of).max().unwrap_or(0);
        let gap =
            |seen: &Seen| of(seen).into_iter().map(|one| one.longest_ms.max(ended.since(one.at))).max().unwrap_or(0);
        let back = |seen: &Seen| {
            // Whose picture never came counts to the end.
            let missing = if of(seen).len() + 1 < seats.len() { ended.since(self.mark) } else { 0 };
            let after = of(seen).into_iter().map(|one| one.after_mark.unwrap_or(ended).since(self.mark));
            after.max().unwrap_or(0).max(missing)
        };
        let chats: Vec<Vec<_>> = self
            .world
            .clients
            .iter()
            .enumerate()
            .filter(|(n, _)| !self.gone.contains(n))
            .map(|(_, client)| client.session.view().chat.iter().map(|line| line.id).collect())
            .collect();
        let unsettled = self.world.clients.iter().filter(|client| !client.is_settled()).count();
        let mut figures = BTreeMap::from([
            ("video_gap_ms", worst(&gap)),
            ("picture_back_ms", worst(&back)),
            (
                "link_back_ms",
                worst(&|seen| {
                    let still_gone = seen.offline_since.map(|_| ended);
                    still_gone.or(seen.back).map_or(0, |at| at.since(self.mark))
                }),
            ),
            ("link_drops", worst(&|seen| seen.drops)),
            ("flips", worst(&|seen| seen.flips)),
            ("noticed_ms", there().filter_map(|seen| seen.noticed).min().map_or(u64::MAX, |at| at.since(self.began))),
            ("sockets_closed", (self.closed() - self.closed_before) as u64),
            ("leaves", (self.left() - self.left_before) as u64),
            ("restarts", self.world.restarts as u64),
            ("connections_made", self.made.len() as u64),
            ("unsettled", unsettled as u64),
            ("messages", chats.iter().map(Vec::len).min().unwrap_or(0) as u64),
            ("messages_alike", u64::from(chats.iter().all(|one| *one == chats[0]) && !chats[0].is_empty())),
            ("gone_ms", self.gone_after()),
        ]);
        if let Some(ms) = self.caught_up {
            figures.insert("caught_up_ms", ms);
        }
        figures
    }

    /// When the log said that somebody is gone.
    fn gone_after(&self) -> u64 {
        let left = self.world.log.ever.values().filter_map(|entry| match entry {
            Entry::Left { at, .. } => Some(*at),
            _ => None,
        });
        left.filter(|at| *at >= self.began).min().map_or(u64::MAX, |at| at.since(self.began))
    }
}

/// Plays a file `SEEDS` times; answers each figure's values, sorted.
fn play(scenario: &Value) -> BTreeMap<&'static str, Vec<u64>> {
    let mut all: BTreeMap<&'static str, Vec<u64>> = BTreeMap::new();
    for seed in 0..SEEDS {
        let mut replay = Replay::new(scenario, seed);
        replay.play(&steps(scenario, "steps"));
        let then_s = &scenario["long_then_s"];
        replay.run(seconds(if then_s.is_null() { &scenario["then_s"] } else { then_s }));
        for (name, value) in replay.figures() {
            all.entry(name).or_default().push(value);
        }
        let id = scenario["id"].as_str().unwrap_or_default();
        assert!(replay.is_steady(), "{id}, seed {seed}: not everybody sees everybody in the end");
        replay.world.heal_and_check();
        if replay.gone.is_empty() {
            checkers::after_healing(&replay.world);
        }
    }
    all.values_mut().for_each(|values| values.sort_unstable());
    all
}

#[test]
fn every_scenario_of_the_lab_keeps_its_figures_here_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("end2end/lab/scenarios");
    let mut missed = vec![];
    let mut played = 0;
    for file in std::fs::read_dir(folder).expect("the scenario files") {
        let text = std::fs::read_to_string(file.expect("readable").path()).expect("readable");
        let mut scenario: Value = serde_json::from_str(&text).expect("JSON");
        let long = scenario["long_pass"].as_object().cloned().unwrap_or_default();
        for (name, limits) in long {
            scenario["pass"][name] = limits;
        }
        let id = scenario["id"].as_str().expect("an id").to_owned();
        let values = play(&scenario);
        played += 1;
        for (name, limits) in scenario["pass"].as_object().expect("figures") {
            if name == "healed" || NOT_HERE.split(' ').any(|one| one == name.as_str()) {
                continue; // After each replay everything is healed and checked.
            }
            let values =
                values.get(name.as_str()).unwrap_or_else(|| panic!("{id}: the simulator has no figure '{name}'"));
            let at = |share: f64| values[((values.len() as f64 * share).ceil() as usize).clamp(1, values.len()) - 1];
            for (what, limit) in limits.as_object().expect("limits") {
                let (value, kept) = match what.as_str() {
                    "min" => (values[0], values[0] >= number(limit)),
                    "max" => (at(1.0), at(1.0) <= number(limit)),
                    "p95" => (at(0.95), at(0.95) <= number(limit)),
                    "p50" => (at(0.5), at(0.5) <= number(limit)),
                    _ => (values[0], (values[0] == 1) == (limit == true)),
                };
                if !kept {
                    missed.push(format!("{id}: {name} {what} {value}, limit {limit}, of {values:?}"));
                }
            }
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n"));
    assert!(played >= 20, "{played} files");
}
