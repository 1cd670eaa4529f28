// One person floods the others with whatever a page can send: nobody else loses anything, and no page stands still.
import { expect, test } from '../support/people.mjs';

// How long a flood lasts, and the quiet before it that it is compared with.
const FLOOD_MS = 3_000;
// What is aimed at, in ms. A machine that does other things too may need so much more than in the quiet: without their
// budgets 1,000 'refresh' a second stop a page for 6 to 9 s.
const AIMS = { block: 100, gap: 250 };
const most = (aim, quiet) => Math.max(aim, 3 * quiet + 500);

// Runs in a good page before its own scripts: how long its main thread stood, and how long each person's picture. Late ticks
// also show many short tasks in a row, which hold a page up as one long task does.
function watch() {
  const seen = { block: 0, task: 0, ticked: performance.now(), pictures: {}, sockets: 0, closed: [], texts: 0 };
  window.__seen = seen;
  const EVERY_MS = 10;
  const tick = () => {
    const now = performance.now();
    seen.block = Math.max(seen.block, now - seen.ticked - EVERY_MS);
    seen.ticked = now;
  };
  setInterval(tick, EVERY_MS);
  const tasks = new PerformanceObserver((list) => noteTasks(list.getEntries()));
  const noteTasks = (entries) => (seen.task = Math.max(seen.task, ...entries.map(({ duration }) => duration)));
  tasks.observe({ type: 'longtask' });
  const watched = new WeakSet();
  const look = (video, peer) => {
    const picture = (seen.pictures[peer] ??= { last: performance.now(), gap: 0 });
    watched.add(video);
    const next = () =>
      video.requestVideoFrameCallback((now) => {
        picture.gap = Math.max(picture.gap, now - picture.last);
        picture.last = now;
        next();
      });
    next();
  };
  setInterval(() => {
    for (const tile of document.querySelectorAll('[data-tile="peer"]')) {
      const video = tile.querySelector('video');
      if (video && !watched.has(video)) look(video, tile.dataset.peer);
    }
  }, 100);
  // What was measured since the last time.
  window.__measured = (peer) => {
    tick();
    noteTasks(tasks.takeRecords());
    const now = performance.now();
    const picture = seen.pictures[peer];
    const figures = { block: Math.round(seen.block), task: Math.round(seen.task), gap: Math.round(Math.max(picture.gap, now - picture.last)), texts: seen.texts };
    Object.assign(seen, { block: 0, task: 0, texts: 0 });
    Object.assign(picture, { gap: 0, last: now });
    return figures;
  };
  const Real = window.WebSocket;
  window.WebSocket = class extends Real {
    constructor(...args) {
      super(...args);
      seen.sockets += 1;
      this.addEventListener('close', ({ code }) => seen.closed.push(code));
    }
  };
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...args) {
    const channel = create.apply(this, args);
    channel.addEventListener('message', () => (seen.texts += 1));
    return channel;
  };
}

// Runs in the bad page before its own scripts: keeps its ways to the others, and knows how to flood them.
function mischief() {
  const channels = [];
  const create = RTCPeerConnection.prototype.createDataChannel;
  RTCPeerConnection.prototype.createDataChannel = function (...args) {
    const channel = create.apply(this, args);
    channels.push(channel);
    this.addEventListener('datachannel', (event) => channels.push(event.channel));
    return channel;
  };
  let socket;
  const newest = { epoch: 0, stream: 0 };
  const Real = window.WebSocket;
  window.WebSocket = class extends Real {
    constructor(...args) {
      super(...args);
      socket = this;
    }
    send(text) {
      const { signal } = JSON.parse(text);
      newest.stream = Math.max(newest.stream, signal?.stream ?? 0);
      for (const { epoch } of Object.values(signal?.signal ?? {})) newest.epoch = Math.max(newest.epoch, epoch);
      super.send(text);
    }
  };
  const later = (ms) => new Promise((done) => setTimeout(done, ms));
  // So often a second, for so long: as often as it should have been by now, however late this timer comes.
  const steadily = async (perSecond, ms, act) => {
    const began = performance.now();
    for (let n = 0, passed = 0; passed < ms; ) {
      passed = Math.min(ms, performance.now() - began);
      for (; n < (passed * perSecond) / 1_000; n++) act(n);
      await later(5);
    }
  };
  const sends = (text) => {
    const open = channels.filter((one) => one.readyState === 'open');
    // One that the other side closed takes no more.
    for (const channel of open) channel.send(text);
    return open.length;
  };
  const open = () => channels.filter((one) => one.readyState === 'open').length;
  window.__flood = {
    open,
    async texts({ text, perSecond, ms, burst }) {
      let sent = 0;
      if (burst) for (let n = 0; n < burst; n++) sent += sends(text);
      else await steadily(perSecond, ms, () => (sent += sends(text)));
      return { sent, open: open() };
    },
    async offers({ to, count, perSecond }) {
      const pc = new RTCPeerConnection();
      for (const kind of ['audio', 'video']) pc.addTransceiver(kind);
      pc.createDataChannel('pages', { negotiated: true, id: 0 });
      const { sdp } = await pc.createOffer();
      pc.close();
      let sent = 0;
      await steadily(perSecond, (count * 1_000) / perSecond, () => {
        const [epoch, stream] = [newest.epoch + 1, newest.stream + 1];
        for (const peer of to) {
          if (socket.readyState !== WebSocket.OPEN) continue; // The server had enough of it; it comes again.
          socket.send(JSON.stringify({ signal: { to: peer, stream, seq: 1, signal: { offer: { epoch, round: 1, sdp } } } }));
          sent += 1;
        }
      });
      return { sent };
    },
    // As fast as the server takes them.
    async chat({ text, count }) {
      const id = (n) => {
        const hex = (Date.now() + n).toString(16).padStart(12, '0');
        const noise = Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(16).padStart(2, '0')).join('');
        return `${hex.slice(0, 8)}-${hex.slice(8)}-7${noise.slice(0, 3)}-8${noise.slice(3, 6)}-${noise.slice(6, 18)}`;
      };
      const waiting = new Set(Array.from({ length: count }, (_, n) => id(n)));
      const say = (one) => socket.send(JSON.stringify({ chat: { id: one, body: text } }));
      await new Promise((done) => {
        socket.addEventListener('message', ({ data }) => {
          const { ack, refused } = JSON.parse(data);
          if (refused?.about && waiting.has(refused.about)) setTimeout(say, 500, refused.about);
          if (ack && waiting.delete(ack.id) && waiting.size === 0) done();
        });
        for (const one of waiting) say(one);
      });
      return { sent: count };
    },
  };
}

// `reached` of both: messages that came over the channel; a flood that was not there shows nothing.
const FLOODS = [
  { name: "400 'refresh' at once", how: 'texts', with: { text: '"refresh"', burst: 400 }, reached: 400 },
  {
    name: '240 messages of 444 links, chat closed',
    how: 'chat',
    with: { text: 'http://a '.repeat(444).trim(), count: 240 },
    // Not kept yet: each message is a task of its own, and so many in a row hold up timers and frames for half a second.
    aims: { block: 1_500, gap: 1_500 },
  },
  { name: '350 offers of rising epochs, 50 a second', how: 'offers', with: { count: 350, perSecond: 50 }, made: [1, 20] },
  { name: "1,000 'refresh' a second", how: 'texts', with: { text: '"refresh"', perSecond: 1_000, ms: FLOOD_MS }, reached: 800, anew: true, closes: true },
  { name: '5,000 unreadable texts a second', how: 'texts', with: { text: 'junk', perSecond: 5_000, ms: FLOOD_MS }, reached: 800, anew: true, closes: true },
];

test('floods of one person cost the others nothing', async ({ people }) => {
  test.setTimeout(240_000);
  const [ana, bob] = [await people('Ana', { init: watch }), await people('Bob', { init: watch })];
  const good = [ana, bob];
  await ana.sees('Bob');
  await bob.sees('Ana');
  const seatOf = async (eyes, name) => eyes.tile(name).getAttribute('data-peer');
  const other = new Map([[ana, await seatOf(ana, 'Bob')], [bob, await seatOf(bob, 'Ana')]]);
  const measured = () => Promise.all(good.map((one) => one.page.evaluate((peer) => window.__measured(peer), other.get(one))));
  const counts = (one) =>
    one.page.evaluate(() => {
      const { sockets, closed } = window.__seen;
      const living = window.__connections.map((pc, n) => [n, pc.connectionState]).filter(([, state]) => state === 'connected');
      return { sockets, closed, made: window.__connections.length, living: living.map(([n]) => n) };
    });
  const between = new Map();
  for (const one of good) {
    const { living } = await counts(one);
    expect(living, `${one.name} has one connection`).toHaveLength(1);
    between.set(one, living[0]);
  }
  let mal;
  for (const flood of FLOODS) {
    if (!mal || flood.anew) {
      await mal?.page.close();
      for (const one of good) await expect(one.tiles()).toHaveCount(1, { timeout: 20_000 });
      mal = await people('Mal', { init: mischief });
      await mal.sees('Ana', 'Bob');
      for (const one of good) await one.sees(mal.name, one === ana ? 'Bob' : 'Ana');
      await expect.poll(() => mal.page.evaluate(() => window.__flood.open())).toBe(2);
      await ana.page.waitForTimeout(1_000); // What a new connection costs is over.
    }
    await measured();
    await ana.page.waitForTimeout(FLOOD_MS);
    const quiet = await measured();
    const before = await Promise.all(good.map(counts));
    const began = Date.now();
    const to = flood.how === 'offers' ? [await seatOf(mal, 'Ana'), await seatOf(mal, 'Bob')] : undefined;
    const { sent, open } = await mal.page.evaluate(([how, given]) => window.__flood[how](given), [flood.how, { ...flood.with, to }]);
    await ana.page.waitForTimeout(Math.max(500, began + FLOOD_MS - Date.now()));
    const took = Date.now() - began;
    const aims = flood.aims ?? AIMS;
    const figures = await measured();
    const line = good.map(({ name }, n) => `${name} ${figures[n].block} (${quiet[n].block}) ms, longest task ${figures[n].task} (${quiet[n].task}) ms, picture ${figures[n].gap} (${quiet[n].gap}) ms`);
    const after = await Promise.all(good.map(counts));
    const made = after.map((now, n) => now.made - before[n].made);
    console.log(`${flood.name}: ${sent} sent in ${took} ms; main thread of ${line.join(', of ')}; ${figures.map(({ texts }) => texts).join(', ')} texts, ${made.join(', ')} connections`);
    for (const [n, one] of good.entries()) {
      const what = `${flood.name}, ${one.name}`;
      expect(after[n].sockets, `${what}: the same socket`).toBe(1);
      expect(after[n].closed, `${what}: and it is open`).toEqual([]);
      expect(after[n].living, `${what}: the same connection to the other`).toContain(between.get(one));
      const [least, limit] = flood.made ?? [0, 0];
      expect(made[n], `${what}: connections made`).toBeGreaterThanOrEqual(least);
      expect(made[n], `${what}: connections made`).toBeLessThanOrEqual(limit);
      if (flood.reached) expect(figures[n].texts, `${what}: it came`).toBeGreaterThanOrEqual(flood.reached);
      await expect(one.main()).toHaveAttribute('data-link', 'online');
      await expect(one.page.locator(`[data-peer="${other.get(one)}"]`)).toHaveAttribute('data-media', 'live');
      expect.soft(figures[n].block, `${what}: its main thread stood`).toBeLessThanOrEqual(most(aims.block, quiet[n].block));
      expect.soft(figures[n].gap, `${what}: the picture of the other stood`).toBeLessThanOrEqual(most(aims.gap, quiet[n].gap));
    }
    if (flood.closes) expect(open, `${flood.name}: both closed the channel`).toBe(0);
    if (flood.how === 'chat') {
      for (const one of good) await expect(one.page.getByRole('button', { name: 'Open chat, 240 unread' })).toBeVisible();
    }
  }
});
