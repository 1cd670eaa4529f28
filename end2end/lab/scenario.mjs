// Plays a scenario file: people in a call, steps with times, and what everyone experienced.
import { Network } from './network.mjs';
import { backAt, heardTimes, longestGap, Person } from './people.mjs';
import { Services } from './services.mjs';

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

const STEPS = {
  change_address: ({ network, who }) => network.changeAddress(who),
  block_udp: ({ network, who }) => network.drop(who, 'meta l4proto udp'),
  cut: ({ network, who }) => network.drop(who, 'all'),
  reset_sockets: ({ services, run }) => services.resetConnections() ?? (run.canary += 1),
  heal: ({ network, who, run }) => (run.canary += network.heal(who)),
  link_down: ({ network, who }) => network.linkDown(who),
  link_up: ({ network, who }) => network.linkUp(who),
  kill_servers: ({ services, run }) => services.killServers().then(() => (run.canary += 1)),
  start_servers: ({ services }) => services.startServers(),
  kill_server: ({ services, step, run }) => services.kill(`server${step.n}`).then(() => (run.canary += 1)),
  start_relays: ({ services }) => services.startRelays(),
  // The one that media goes through: killing another would show nothing.
  kill_used_relay: async ({ services, person, run }) => {
    const used = (await person.path())?.map((side) => services.relayOf(side)).find((n) => n !== undefined);
    if (used === undefined) throw new Error('media goes through no relay');
    await services.kill(`relay${used}`);
    run.canary += 1;
  },
  shape: ({ network, who, step }) => network.shape(who, step.up, step.down),
  say: ({ person, step }) => person.say(step.text),
  say_many: ({ person, step }) => void (person.saying = person.sayMany(step.count, step.every_ms)),
  open_chat: ({ person }) => person.openChat(),
  has_read: async ({ person, step, run }) => {
    const at = await person.hasRead(step.count, step.within_s * 1_000);
    const online = (await person.seen()).link.findLast(([, state]) => state === 'online')?.[0];
    run.caught_up = at ? Math.max(0, at - Math.max(run.mark ?? 0, online ?? 0)) : Infinity;
  },
  kill_redis: ({ services, run }) => services.kill('redis').then(() => (run.canary += 1)),
  start_redis: ({ services }) => services.startRedis(),
  hang_redis: ({ services, run }) => services.hangRedis(true) ?? (run.canary += 1),
  resume_redis: ({ services }) => services.hangRedis(false),
  flush_redis: ({ services, run }) => services.flushRedis() ?? (run.canary += 1),
  reload: ({ person }) => person.page.reload(),
  hide: ({ person, run }) => person.hide().then(() => (run.canary += 1)),
  offer_again: ({ people, run }) => Promise.all(people.map((one) => one.press('Offer again'))).then(() => (run.canary += 1)),
  press: ({ person, step }) => person.press(step.name),
  join: ({ person }) => person.join(),
  kill_browser: ({ person, run }) => person.kill().then(() => (run.canary += 1)),
};

// The scenario with what is different in its long form.
export function longForm({ long_steps = {}, long_pass, long_then_s, ...scenario }) {
  const steps = scenario.steps.map((step) => ({ ...step, ...long_steps[step.do] }));
  return { ...scenario, steps, pass: { ...scenario.pass, ...long_pass }, then_s: long_then_s ?? scenario.then_s };
}

// A network that comes and goes is as many cuts and mends.
function flaps(step) {
  if (step.do !== 'flap') return step;
  const { at, who, every_s, times } = step;
  const each = Array.from({ length: times }, (_, n) => at + 2 * n * every_s);
  return each.flatMap((down) => [{ at: down, do: 'cut', who }, { at: down + every_s, do: 'heal', who }]);
}

export async function play(scenario, { times, plain = false, seed = 1, log = () => {} }) {
  scenario = { ...scenario, steps: scenario.steps.flatMap(flaps) };
  const network = await Network.start(scenario.people, seed);
  let services;
  const people = [];
  try {
    services = await Services.start(network, scenario.services);
    if (scenario.link) for (const name of network.names.slice(1)) await network.shape(name, scenario.link);
    for (let n = 1; n <= scenario.people; n++) people.push(await Person.start(network, n, scenario, plain));
    const runs = [];
    for (let n = 0; n < times; n++) {
      const room = `${scenario.room ?? 'lab'}-${scenario.id.toLowerCase()}-${n}`;
      for (let who = 0; who < people.length; who++) {
        if (people[who].gone) people[who] = await Person.start(network, who + 1, scenario, plain);
      }
      if (scenario.before) await act(scenario.before, { network, services, people });
      if (n === 0 || scenario.fresh) await gather(people, room, scenario.lobby ?? []);
      if (scenario.apart) await placeApart(people, services);
      const run = await once(scenario, { network, services, people, room });
      runs.push(run);
      log(`  ${scenario.id} ${n + 1}/${times}: ${JSON.stringify(run.figures)}`);
      if (n + 1 < times) await pause((scenario.rest_s ?? 2) * 1_000);
    }
    return runs;
  } finally {
    for (const person of people) await person.stop().catch(() => {});
    await services?.stop();
    network.stop();
  }
}

async function gather(people, room, lobby) {
  const inside = people.filter((_, n) => !lobby.includes(n + 1));
  for (const person of people) {
    await person.page?.close();
    await person.open(room, inside.includes(person));
  }
  for (const person of inside) await person.sees(inside.length - 1);
  await pause(2_500);
}

// One person on each server: the balancer gives the next one to whoever comes, so people come again until it is so.
async function placeApart(people, services) {
  for (let tries = 0; services.sockets().join() !== '1,1'; tries++) {
    if (tries === 20) throw new Error('both are on one server');
    await people.at(-1).page.reload();
    for (const person of people) await person.sees(people.length - 1);
    await pause(1_000);
  }
  await pause(2_500);
}

async function act(steps, context, run = { canary: 0 }) {
  const began = Date.now();
  for (const step of steps) {
    await pause(Math.max(0, began + step.at * 1_000 - Date.now()));
    const person = step.who ? context.people[step.who - 1] : undefined;
    if (step.quiet_until) run.quiet_until = Date.now();
    await STEPS[step.do]({ ...context, step, run, person, who: person?.at });
    if (step.mark) run.mark = Date.now();
  }
}

async function once(scenario, context) {
  const { people } = context;
  const run = { canary: 0, began: Date.now() };
  await act(scenario.steps, context, run);
  await pause(scenario.then_s * 1_000);
  run.ended = Date.now();
  run.mark ??= run.began;
  run.seen = [];
  for (const person of people) run.seen.push(person.gone ? null : await person.seen());
  const alive = run.seen.filter(Boolean);
  const worst = (of) => Math.max(...alive.map(of));
  // Of those who are there in the end: a seat that somebody gave up shows nothing any more.
  const there = (seen) => (seen.tiles.at(-1)?.[1] ?? '').split(' ').filter(Boolean).map((text) => text.split(':')[0]);
  const frames = (seen) => there(seen).map((peer) => seen.frames[peer] ?? []);
  const { began, ended, mark } = run;
  run.figures = {
    video_gap_ms: worst((seen) => Math.max(...frames(seen).map((times) => longestGap(times, began, ended)))),
    audio_gap_ms: worst((seen) => longestGap(heardTimes(seen.audio), began, ended)),
    // Whose picture never came counts to the end.
    picture_back_ms: worst((seen) => {
      const back = frames(seen).map((times) => (times.find((at) => at >= mark) ?? ended) - mark);
      return back.length < alive.length - 1 ? ended - mark : Math.max(0, ...back);
    }),
    link_back_ms: worst((seen) => (backAt(seen.link, 'online', mark) ?? mark) - mark),
    link_drops: worst((seen) => seen.link.filter(([at, state]) => at > began && state === 'offline').length),
    connections_made: worst((seen) => seen.made.filter((at) => at >= began).length),
    restarts: worst((seen) => seen.restarts.filter((at) => at >= began).length),
    noticed_ms: Math.min(...alive.map((seen) => (seen.link.find(([at, state]) => at > began && state !== 'online')?.[0] ?? ended) - began)),
    badge_ms: Math.max(...alive.map((seen) => (seen.words.find(([at, text]) => at > began && text)?.[0] ?? ended) - began)),
    gone_ms: Math.max(...alive.map((seen) => goneAt(seen.tiles, began) ?? ended)) - began,
    leaves: worst((seen) => leaves(seen.tiles, began)),
    // How often who is shown, or how, changed.
    flips: worst((seen) => seen.tiles.filter(([at]) => at > began).length),
    // Who is shown, too many or too few, and when that last changed after the mark.
    ghosts: worst((seen) => Math.abs(there(seen).length - (alive.length - 1))),
    agreed_ms: worst((seen) => agreedAt(seen.tiles, mark) - mark),
    settled_ms: worst((seen) => (seen.signaling.at(-1)?.[0] ?? mark) - mark),
    sockets_closed: worst((seen) => seen.closed.filter((at) => at >= began).length),
    rounds: worst((seen) => seen.signaling.filter(([at, state]) => at >= mark && state === 'stable').length),
    ...(run.caught_up !== undefined && { caught_up_ms: run.caught_up }),
  };
  run.figures.unsettled = (await Promise.all(people.filter((one) => !one.gone).map((one) => one.unsettled()))).reduce((sum, n) => sum + n, 0);
  const alone = alive.length === 1;
  const steady = alive.every((seen) => seen.link.at(-1)[1] === 'online' && (alone || frames(seen).some((times) => ended - times.at(-1) < 1_000)));
  run.figures.healed = steady;
  run.figures.canary = run.canary > 0 || scenario.canary === 'none' || scenario.canary === 'address';
  // What the same people had before anything happened.
  if (run.quiet_until) {
    run.figures.quiet_video_gap_ms = worst((seen) => Math.max(...frames(seen).map((times) => longestGap(times, began, run.quiet_until))));
    run.figures.quiet_audio_gap_ms = worst((seen) => longestGap(heardTimes(seen.audio), began, run.quiet_until));
  }
  if (scenario.messages) {
    const all = await Promise.all(people.map((person) => person.messages()));
    run.figures.messages = Math.min(...all.map((one) => one.length));
    run.figures.messages_alike = all.every((one) => JSON.stringify(one) === JSON.stringify(all[0])) && all[0].length > 0;
    if (scenario.kept) {
      run.figures.messages_kept = JSON.stringify(context.services.history(context.room)) === JSON.stringify(all[0]);
      run.figures.messages_in_order = people.every(({ name }) => {
        const numbers = all[0].filter((text) => text.startsWith(`${name} `)).map((text) => Number(text.split(' ')[1]));
        return numbers.length > 0 && numbers.every((n, i) => n === i);
      });
    }
  }
  if (scenario.addresses) {
    const heard = alive.flatMap((seen) => seen.candidates);
    const shows = (line) => !/ typ relay/.test(line) || / raddr (?!0\.0\.0\.0|::)/.test(line);
    run.figures.addresses = new Set(heard.filter(shows)).size;
    run.figures.canary &&= heard.length > 0;
  }
  if (scenario.relayed !== undefined) run.figures.relayed = await people[0].relayed();
  return run;
}

// When somebody was first seen to be gone.
function goneAt(tiles, from) {
  const count = (text) => (text ? text.split(' ').length : 0);
  const before = count(tiles.filter(([at]) => at <= from).at(-1)?.[1]);
  return tiles.find(([at, text]) => at > from && count(text) < before)?.[0];
}

// When who is shown last changed.
function agreedAt(tiles, from) {
  const who = (text) => text.split(' ').map((one) => one.split(':')[0]).join(' ');
  const changes = tiles.filter(([at, text], i) => at > from && who(text) !== who(tiles[i - 1]?.[1] ?? ''));
  return changes.at(-1)?.[0] ?? from;
}

// How often somebody was seen to leave.
function leaves(tiles, from) {
  const counts = tiles.filter(([at]) => at >= from - 5_000).map(([, text]) => (text ? text.split(' ').length : 0));
  return counts.filter((n, i) => i > 0 && n < counts[i - 1]).length;
}

