// What people type, paste, send and read: links, names, scripts, keys, and one's place in the chat.
import { expect, test } from '../support/people.mjs';

// Runs in a page: takes seats with bare sockets and says texts with them, each author in order.
const flood = ({ room, authors, texts }) => {
  const id = (n) => {
    const hex = (Date.now() + n).toString(16).padStart(12, '0');
    const noise = Array.from(crypto.getRandomValues(new Uint8Array(9)), (b) => b.toString(16).padStart(2, '0')).join('');
    return `${hex.slice(0, 8)}-${hex.slice(8)}-7${noise.slice(0, 3)}-8${noise.slice(3, 6)}-${noise.slice(6, 18)}`;
  };
  const speak = (name, said) =>
    new Promise((done, failed) => {
      const socket = new WebSocket(`ws://${location.host}/ws`, 'holdfast.v1');
      const waiting = new Map(said.map((body, n) => [id(n), body]));
      const say = (id) => socket.send(JSON.stringify({ chat: { id, body: waiting.get(id) } }));
      const alive = setInterval(() => socket.readyState === 1 && socket.send('{"ping":{"n":1}}'), 2_000);
      socket.onopen = () => socket.send(JSON.stringify({ hello: { version: 1, room, name, claim: 1, media: { audio: false, video: false } } }));
      socket.onmessage = ({ data }) => {
        const { welcome, ack, refused } = JSON.parse(data);
        if (welcome) for (const one of waiting.keys()) say(one);
        // Too much at once for the log: a moment later again.
        if (refused?.about) setTimeout(say, 500, refused.about);
        if (ack && waiting.delete(ack.id) && waiting.size === 0) {
          clearInterval(alive);
          socket.send('"leave"');
          done();
        }
      };
      socket.onclose = ({ code }) => failed(new Error(`closed ${code}`));
    });
  return Promise.all(Array.from({ length: authors }, (_, n) => speak(`A${n}`, texts)));
};

const scrolled = (page) => page.getByRole('log', { name: 'Chat' }).evaluate((log) => log.scrollHeight - log.scrollTop - log.clientHeight);

test('once inside, the address bar holds the link for guests, and a reload needs no click', async ({ people, server, room, browser }) => {
  const ana = await people('Ana');
  await expect(ana.page).toHaveURL(`${server.url}/r/${room}`);
  await ana.page.reload();
  await ana.isIn();
  await expect(ana.page.locator('[data-tile="self"]')).toContainText('Ana (you)');
  const guest = await people('guest', { join: false, path: new URL(ana.page.url()).pathname });
  await expect(guest.page.getByText('Ana is here.')).toBeVisible();
  await expect(guest.page.getByRole('textbox', { name: 'Your name' })).toHaveValue('');
  // What a developer asked for is not personal, and a reload still needs it.
  const dev = await people('Dev', { join: false, path: `/r/${room}?name=Dev&join=1&debug=1&plain=1` });
  await dev.isIn();
  await expect(dev.page).toHaveURL(`${server.url}/r/${room}?debug=1&plain=1`);
});

test('where the clipboard refuses, the notice shows the link for guests', async ({ people, server, room }) => {
  const refuse = "navigator.clipboard.writeText = () => Promise.reject(new DOMException('no', 'NotAllowedError'));";
  const ana = await people('Ana', { init: refuse });
  await ana.page.locator('.alone').getByRole('button', { name: 'Copy link' }).click();
  await expect(ana.page.locator('.notice')).toContainText(`${server.url}/r/${room}`);
});

test('a name in the link that is refused says why, and what is typed for a room stays', async ({ people, room, server }) => {
  const long = await people('long', { join: false, path: `/r/${room}?name=${'x'.repeat(41)}&join=1` });
  await expect(long.page.locator('.notice')).toContainText('too long');
  const home = await people('home', { join: false, path: '/' });
  const field = home.page.getByRole('textbox', { name: 'Code or link' });
  await field.fill('come to our room');
  await home.button('Join').click();
  await expect(home.page.getByRole('alert')).toContainText('not a room');
  await expect(field).toHaveValue('come to our room');
  await field.fill(`<${server.url}/r/${room}>.`);
  await home.button('Join').click();
  await expect(home.page).toHaveURL(`${server.url}/r/${room}`);
});

test('messages full of links do not stop a page, whether its chat is open or not', async ({ people, room }) => {
  test.setTimeout(120_000);
  const watch = () => {
    window.__long = [];
    new PerformanceObserver((list) => window.__long.push(...list.getEntries().map((one) => one.duration))).observe({ type: 'longtask', buffered: true });
  };
  const ana = await people('Ana', { init: watch });
  const other = await people('other', { join: false, path: '/' });
  await ana.page.evaluate(() => (window.__long = []));
  const text = 'http://a.b '.repeat(360).trim();
  await other.page.evaluate(flood, { room, authors: 1, texts: Array(240).fill(text) });
  await expect(ana.page.getByRole('button', { name: 'Open chat, 240 unread' })).toBeVisible({ timeout: 30_000 });
  const links = () => ana.page.locator('[role="log"] a').count();
  expect(await links()).toBe(240 * 20);
  const closed = await ana.page.evaluate(() => Math.max(0, ...window.__long.splice(0)));
  await ana.openChat();
  await expect(ana.messages()).toHaveCount(240);
  const open = await ana.page.evaluate(() => Math.max(0, ...window.__long));
  console.log(`longest task: chat closed ${Math.round(closed)} ms, opening it ${Math.round(open)} ms`);
  await expect(ana.main()).toHaveAttribute('data-link', 'online');
});

test('right-to-left text has its own direction, and each message its day and time', async ({ people }) => {
  // The page lives in July, the messages are of today: each has the offset of its own season.
  const july = () => {
    const Real = Date;
    const ahead = new Real(new Real().getFullYear() + 1, 6, 15).getTime();
    window.Date = class extends Real {
      constructor(...args) {
        super(...(args.length ? args : [ahead]));
      }
    };
  };
  const ana = await people('Ana', { init: july, context: { timezoneId: 'Europe/Berlin' } });
  await ana.says('مرحبا! هذا رابط: https://a.example/path?x=1 شكرا.');
  await ana.says('hello');
  const direction = (n) => ana.messages().nth(n).evaluate((body) => getComputedStyle(body).direction);
  await expect(ana.page.locator('[data-msg][data-status="stored"]')).toHaveCount(2);
  expect([await direction(0), await direction(1)]).toEqual(['rtl', 'ltr']);
  const time = ana.page.locator('[data-msg] time').last();
  const at = new Date(await time.getAttribute('datetime'));
  const berlin = (options) => new Intl.DateTimeFormat('en-GB', { timeZone: 'Europe/Berlin', ...options }).format(at);
  await expect(time).toHaveText(berlin({ hour: '2-digit', minute: '2-digit' }));
  const day = `${berlin({ weekday: 'long' })}, ${berlin({ day: 'numeric', month: 'long', year: 'numeric' })}`;
  expect(await time.getAttribute('title')).toContain(day);
  const days = () => ana.page.locator('[data-msg]').evaluateAll((lines) => lines.map((line) => line.dataset.day));
  expect(await days()).toEqual([day, '']);
});

test('the Enter that ends a composition sends nothing', async ({ people }) => {
  const ana = await people('Ana');
  await ana.openChat();
  const field = ana.page.getByRole('textbox', { name: 'Message' });
  await field.fill('にほん');
  const enter = (init) => field.evaluate((area, given) => {
    area.dispatchEvent(new CompositionEvent('compositionend', { bubbles: true }));
    area.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true, ...given }));
  }, init);
  await enter({ keyCode: 229, isComposing: false });
  await enter({ keyCode: 13, isComposing: true });
  await expect(field).toHaveValue('にほん');
  await enter({ keyCode: 13 });
  await expect(ana.messages()).toHaveText(['にほん']);
});

test('shortcuts are where they are on any layout, also after a checkbox', async ({ people }) => {
  const ana = await people('Ana');
  await expect(ana.button('Mute microphone')).toBeVisible();
  const press = (key, code) => ana.page.evaluate((init) => {
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, ...init }));
  }, { key, code });
  await press('ь', 'KeyM');
  await expect(ana.button('Unmute microphone')).toBeVisible();
  await ana.button('Devices').click();
  await ana.page.getByRole('checkbox').first().focus();
  await press('m', 'KeyM');
  await expect(ana.button('Mute microphone')).toBeVisible();
});

test('long names fit the chat, the notices and the lobby of a narrow phone', async ({ people, room }) => {
  const wide = 'W'.repeat(40);
  const context = { viewport: { width: 320, height: 568 } };
  const ana = await people('Ana', { context });
  const long = await people(wide);
  await ana.sees(wide);
  await expect(ana.page.locator('.notice')).toContainText(wide);
  const dismiss = await ana.button('Dismiss').first().boundingBox();
  expect(dismiss.x).toBeGreaterThanOrEqual(0);
  expect(dismiss.x + dismiss.width).toBeLessThanOrEqual(320);
  await long.says('hello');
  await ana.openChat();
  await expect(ana.messages()).toHaveText(['hello']);
  const log = ana.page.getByRole('log', { name: 'Chat' });
  expect(await log.evaluate((log) => log.scrollWidth - log.clientWidth)).toBe(0);
  const lobby = await people('lobby', { join: false, context });
  await expect(lobby.page.getByText(wide)).toBeVisible();
  expect(await lobby.page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(320);
});

test('unread messages are still unread after a reload', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  for (const text of ['one', 'two', 'three']) await bo.says(text);
  await expect(ana.page.getByRole('button', { name: 'Open chat, 3 unread' })).toBeVisible();
  await ana.page.reload();
  await expect(ana.page.getByRole('button', { name: 'Open chat, 3 unread' })).toBeVisible();
  await ana.openChat();
  await expect(ana.messages()).toHaveText(['one', 'two', 'three']);
  await ana.page.reload();
  await ana.isIn();
  await expect(ana.messages()).toHaveText(['one', 'two', 'three']);
  await expect(ana.button('Open chat')).toBeVisible();
});

test('the newest message stays in sight when the panel gets lower', async ({ people }) => {
  const ana = await people('Ana');
  for (let n = 0; n < 30; n += 1) await ana.says(`line ${n}`);
  await expect(ana.page.locator('[data-msg][data-status="stored"]')).toHaveCount(30);
  await expect.poll(() => scrolled(ana.page)).toBeLessThan(48);
  for (const height of [420, 800, 500]) {
    await ana.page.setViewportSize({ width: 1280, height });
    await expect.poll(() => scrolled(ana.page)).toBeLessThan(48);
  }
  // A long text makes the field higher, and the log lower.
  await ana.page.getByRole('textbox', { name: 'Message' }).fill('word '.repeat(60));
  await expect.poll(() => scrolled(ana.page)).toBeLessThan(48);
});

test('one keeps one\'s place in the chat when older messages are loaded, and what is loaded', async ({ people, room }) => {
  test.setTimeout(120_000);
  const other = await people('other', { join: false, path: '/' });
  await other.page.evaluate(flood, { room, authors: 6, texts: Array.from({ length: 220 }, (_, n) => `m${n}`) });
  const ana = await people('Ana');
  const { page } = ana;
  const log = page.getByRole('log', { name: 'Chat' });
  await ana.openChat();
  const lines = page.locator('[data-msg]');
  await expect.poll(() => lines.count()).toBeGreaterThan(900);
  await expect(lines.last()).toContainText('m219');
  await expect.poll(() => scrolled(page)).toBeLessThan(48);
  const before = await lines.count();
  await log.evaluate((log) => (log.scrollTop = 0));
  const first = await lines.first().getAttribute('data-msg');
  const place = () => page.locator(`[data-msg="${first}"]`).evaluate((line) => line.getBoundingClientRect().top);
  const at = await place();
  await page.getByRole('button', { name: 'Earlier messages' }).click();
  await expect.poll(() => lines.count()).toBeGreaterThan(before);
  await expect.poll(async () => Math.abs((await place()) - at)).toBeLessThan(40);
  await expect(log, 'the button may be gone, the focus is not').toBeFocused();
  // And a new one takes nothing away.
  const loaded = await lines.first().getAttribute('data-msg');
  await other.page.evaluate(flood, { room, authors: 1, texts: ['news'] });
  await expect(lines.last()).toContainText('news');
  expect(await lines.first().getAttribute('data-msg')).toBe(loaded);
  expect(Math.abs((await place()) - at)).toBeLessThan(40);
});

test('a message that is refused for good is said again or discarded, and the focus stays in the chat', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await ana.sees('Bo');
  // The server has other words under these ids.
  await ana.page.evaluate(() => {
    const send = WebSocket.prototype.send;
    window.__refuses = true;
    WebSocket.prototype.send = function (text) {
      if (!window.__refuses || !String(text).startsWith('{"chat"')) return send.call(this, text);
      const refused = { code: 'id_taken', about: JSON.parse(text).chat.id };
      setTimeout(() => this.dispatchEvent(new MessageEvent('message', { data: JSON.stringify({ refused }) })));
    };
  });
  const log = ana.page.getByRole('log', { name: 'Chat' });
  const failed = ana.page.locator('[data-status="failed"]');
  await ana.says('not wanted');
  await ana.says('wanted');
  await expect(failed).toHaveCount(2);
  await failed.first().getByRole('button', { name: 'Discard' }).click();
  await expect(failed).toHaveCount(1);
  await expect(log).toBeFocused();
  await ana.page.evaluate(() => (window.__refuses = false));
  await failed.getByRole('button', { name: 'Try again' }).click();
  await expect(log).toBeFocused();
  await bo.openChat();
  await expect(bo.page.locator('[data-msg]')).toHaveCount(1);
  await expect(bo.page.locator('[data-msg]')).toContainText('wanted');
  await expect(failed).toHaveCount(0);
});

test('an own message that waits does not throw one to the end when somebody else says something', async ({ people, room }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await ana.sees('Bo');
  for (let n = 0; n < 30; n += 1) await ana.says(`line ${n}`);
  await expect(ana.page.locator('.mine[data-status="pending"]')).toHaveCount(0);
  // The server takes nothing more from her, and goes on telling her what the others say.
  await ana.page.evaluate(() => {
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (text) {
      if (!String(text).startsWith('{"chat"')) send.call(this, text);
    };
  });
  await ana.says('waits');
  await expect(ana.page.locator('.mine[data-status="pending"]')).toHaveCount(1);
  const log = ana.page.getByRole('log', { name: 'Chat' });
  await expect.poll(() => scrolled(ana.page)).toBeLessThan(48);
  await log.evaluate((log) => (log.scrollTop = 150));
  await bo.says('something new');
  await expect(ana.messages().filter({ hasText: 'something new' })).toHaveCount(1);
  await ana.page.waitForTimeout(200);
  expect(await log.evaluate((log) => log.scrollTop)).toBe(150);
});
