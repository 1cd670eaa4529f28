// The server is killed or drained under a call: the call goes on, nothing is lost.
import { connect, createServer } from 'node:net';
import { expect, test } from '../support/people.mjs';
import { Door } from '../support/door.mjs';
import { Server } from '../support/server.mjs';

// The address of a page that is inside is the link for guests; this one goes in as Ana.
const straightIn = (page) => `${page.url()}?name=Ana&join=1`;

test('a killed server leaves the call alone, and every message arrives once it is back', async ({ people }) => {
  const own = await Server.start();
  const ana = await people('Ana', { at: own });
  const bo = await people('Bo', { at: own });
  await ana.sees('Bo');
  await ana.receivesMedia();
  await ana.says('stored before');
  await expect(bo.messages()).toHaveText(['stored before']);
  const connections = () => ana.page.evaluate(() => window.__connections.length);
  const before = await connections();
  const seat = await ana.tile('Bo').getAttribute('data-peer');

  await own.signal('SIGKILL');
  await expect(ana.main()).toHaveAttribute('data-link', 'offline');
  await ana.says('written in between');
  await expect(ana.page.locator('[data-status="pending"]')).toHaveCount(1);
  await expect(ana.page.getByText(/^The server does not answer. The call goes on. Your message is kept./)).toBeVisible();
  await ana.receivesMedia();
  await expect(ana.tile('Bo')).toHaveAttribute('data-media', 'live');

  await own.run();
  await ana.isIn();
  await bo.isIn();
  await expect(ana.page.locator('[data-status="pending"]')).toHaveCount(0);
  await bo.openChat();
  await expect(bo.messages()).toHaveText(['stored before', 'written in between']);
  await expect(ana.messages()).toHaveText(['stored before', 'written in between']);
  await ana.sees('Bo');
  expect(await ana.tile('Bo').getAttribute('data-peer')).toBe(seat);
  expect(await connections(), 'no connection was made anew').toBe(before);
  await own.stop();
});

test('a message written while the server was gone survives the death of its page', async ({ people }) => {
  const own = await Server.start();
  const ana = await people('Ana', { at: own });
  const bo = await people('Bo', { at: own });
  await ana.sees('Bo');
  await ana.says('before');
  await expect(bo.messages()).toHaveText(['before']);
  await own.signal('SIGKILL');
  await expect(ana.main()).toHaveAttribute('data-link', 'offline');
  await ana.says('first of a dying page');
  await ana.says('second of a dying page');
  await expect(ana.page.locator('[data-status="pending"]')).toHaveCount(2);
  await expect(ana.page.getByText('The others can read it. It will be stored when the server is back.')).toBeVisible();
  // What another page reads is written down: a page passes on nothing before.
  await expect(bo.messages()).toHaveText(['before', 'first of a dying page', 'second of a dying page']);
  // The tab is gone with everything in its memory; another tab of the same browser opens the room later.
  const address = straightIn(ana.page);
  const context = ana.page.context();
  await ana.page.close();
  await own.run();
  const again = await context.newPage();
  await again.goto(address);
  await bo.openChat();
  await expect(bo.messages()).toHaveText(['before', 'first of a dying page', 'second of a dying page'], { timeout: 15_000 });
  await expect(bo.page.locator('[role="log"] [data-status="stored"]')).toHaveCount(3, { timeout: 15_000 });
  await expect(again.locator('main[data-link="online"]')).toBeVisible();
  await again.getByRole('button', { name: 'Open chat' }).click();
  await expect(again.locator('[data-status="pending"]')).toHaveCount(0);
  await own.stop();
});

test('two tabs of one person send each message once, also when one of them dies with it', async ({ people }) => {
  const own = await Server.start();
  const bo = await people('Bo', { at: own });
  const ana = await people('Ana', { at: own });
  await ana.sees('Bo');
  const second = await ana.page.context().newPage();
  await second.goto(straightIn(ana.page));
  await expect(second.locator('main[data-link="online"]')).toBeVisible();
  await own.signal('SIGKILL');
  await expect(ana.main()).toHaveAttribute('data-link', 'offline');
  await expect(second.locator('main[data-link="offline"]')).toBeVisible();
  await ana.says('from the first tab');
  await second.getByRole('button', { name: /^Open chat/ }).click();
  await second.getByRole('textbox', { name: 'Message' }).fill('from the second tab');
  await second.keyboard.press('Enter');
  await expect(second.locator('.mine[data-status="pending"]')).toHaveCount(1);
  await expect(ana.page.locator('.mine[data-status="pending"]')).toHaveCount(1);
  await ana.page.close();
  await own.run();
  await second.reload();
  await expect(second.locator('main[data-link="online"]')).toBeVisible();
  await bo.openChat();
  await expect(bo.messages()).toHaveCount(2);
  const third = await second.context().newPage();
  await third.goto(straightIn(second));
  await expect(third.locator('main[data-link="online"]')).toBeVisible();
  await bo.says('and now');
  await expect(bo.messages()).toHaveCount(3);
  expect((await bo.messages().allTextContents()).slice(0, 2).sort()).toEqual(['from the first tab', 'from the second tab']);
  await own.stop();
});

test('an operator deletes a message under everyone\'s eyes, and sees the figures', async ({ people, browser }) => {
  const token = 'an-admin-token-for-tests';
  const own = await Server.start({ HOLDFAST_ADMIN_TOKEN: token });
  const ana = await people('Ana', { at: own });
  const bo = await people('Bo', { at: own });
  await ana.sees('Bo');
  await ana.says('to be deleted');
  await ana.says('to stay');
  await expect(bo.messages()).toHaveText(['to be deleted', 'to stay']);
  const id = await bo.page.locator('[data-msg]').first().getAttribute('data-msg');
  const room = new URL(ana.page.url()).pathname.split('/')[2];
  const gone = await fetch(`${own.url}/api/v1/admin/rooms/${room}/messages/${id}`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${token}` },
  });
  expect(gone.status).toBe(204);
  await expect(bo.messages()).toHaveText(['to stay']);
  await expect(ana.messages()).toHaveText(['to stay']);

  const operator = await browser.newPage();
  await operator.goto(`${own.url}/admin`);
  await operator.getByLabel('Admin token').fill('wrong-wrong-wrong');
  await operator.getByRole('button', { name: 'Show' }).click();
  await expect(operator.getByRole('alert')).toHaveText('That is not the token.');
  await operator.getByLabel('Admin token').fill(token);
  await operator.getByRole('button', { name: 'Show' }).click();
  await expect(operator.getByRole('heading', { name: 'Dead letters' })).toBeVisible();
  await expect(operator.getByText(room)).toBeVisible();
  await expect(operator.getByText('None.')).toBeVisible();
  await operator.close();
  await own.stop();
});

test('a drained server asks for patience and ends in time', async ({ people }) => {
  const own = await Server.start();
  const ana = await people('Ana', { at: own });
  const closed = ana.page.waitForEvent('websocket', { timeout: 20_000 });
  const began = Date.now();
  const { code } = await own.signal('SIGTERM');
  expect(code).toBe(0);
  expect(Date.now() - began).toBeLessThan(10_000);
  await expect(ana.main()).toHaveAttribute('data-link', 'offline');
  await own.run();
  await closed;
  await ana.isIn();
  await own.stop();
});

test('a socket that takes long to close: nothing is written to it, and nothing is lost', async ({ people }) => {
  const own = await Server.start();
  // Passes bytes on, and keeps the page's side open for a while after the server has closed its own.
  let closing = 0;
  const slow = createServer((page) => {
    const server = connect(own.port, '127.0.0.1');
    page.on('error', () => {}).on('close', () => server.destroy()).pipe(server);
    server.on('error', () => {}).on('data', (bytes) => page.write(bytes)).on('close', () => {
      closing += 1;
      setTimeout(() => page.destroy(), 1_500);
    });
  });
  await new Promise((done) => slow.listen(0, '127.0.0.1', done));
  const ana = await people('Ana', { at: { url: `http://localhost:${slow.address().port}` } });
  await ana.openChat();
  const before = closing;
  await own.signal('SIGTERM');
  await expect.poll(() => closing, { intervals: [10] }).toBeGreaterThan(before);
  for (const text of ['one', 'two', 'three']) await ana.says(text);
  await expect(ana.page.locator('[data-status="pending"]')).toHaveCount(3);
  await own.run();
  await ana.isIn();
  await expect(ana.page.locator('[data-status="stored"]')).toHaveCount(3);
  await expect(ana.messages()).toHaveText(['one', 'two', 'three']);
  slow.close();
  await own.stop();
});

test('a server of another version: the page loads itself again, and keeps its seat, its devices and its words', async ({ people }) => {
  const own = await Server.start();
  const door = await Door.open(own.port);
  const ana = await people('Ana', { at: door });
  const bo = await people('Bo', { at: own, path: `${new URL(ana.page.url()).pathname}?name=Bo&join=1` });
  await ana.sees('Bo');
  await ana.button('Mute microphone').click();
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'off');
  const seat = await bo.tile('Ana').getAttribute('data-peer');
  const loaded = await ana.page.evaluate(() => performance.timeOrigin);
  door.becomeAnotherVersion();
  await expect.poll(() => door.refused).toBeGreaterThan(1); // It gives no page yet either: the call goes on.
  await ana.says('said to another version');
  await expect(bo.messages()).toHaveText(['said to another version']);
  await expect(bo.tile('Ana')).toHaveAttribute('data-media', 'live');
  door.becomeOurs();
  await ana.page.waitForFunction((loaded) => performance.timeOrigin > loaded, loaded);
  await ana.isIn();
  await bo.sees('Ana');
  expect(await bo.tile('Ana').getAttribute('data-peer')).toBe(seat);
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'off');
  await expect(bo.page.locator('[data-status="stored"]')).toHaveCount(1);
  await expect(bo.messages()).toHaveText(['said to another version']);
  await door.close();
  await own.stop();
});

test('chat and mute go from page to page while there is no server, and a receipt tells how the call went', async ({ people }) => {
  const own = await Server.start();
  const ana = await people('Ana', { at: own });
  const bo = await people('Bo', { at: own });
  await ana.sees('Bo');
  await bo.openChat();
  await own.signal('SIGKILL');
  await expect(ana.main()).toHaveAttribute('data-link', 'offline');
  await expect(bo.main()).toHaveAttribute('data-link', 'offline');
  await ana.says('can you read this');
  await expect(bo.messages()).toHaveText(['can you read this']);
  await expect(bo.page.locator('[data-status="pending"]')).toHaveCount(1);
  await ana.button('Mute microphone').click();
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'off');
  await own.run();
  await ana.isIn();
  await bo.isIn();
  await expect(bo.page.locator('[data-status="stored"]')).toHaveCount(1);
  await expect(bo.messages()).toHaveText(['can you read this']);
  await ana.button('Leave').click();
  const receipt = ana.page.getByRole('region', { name: 'How the call went' });
  await expect(receipt).toContainText('The call took');
  await expect(receipt).toContainText('The server');
  const file = await receipt.getByRole('link', { name: 'Save as a file' }).getAttribute('href');
  const told = JSON.parse(decodeURIComponent(file.split(',').slice(1).join(',')));
  expect(told.interruptions).toBeGreaterThan(0);
  await own.stop();
});

test('sound alone: pictures stop in both directions and come back', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await ana.receivesMedia();
  await ana.button('Devices').click();
  const only = ana.page.getByRole('checkbox', { name: /Audio only/ });
  await only.check();
  await expect(bo.tile('Ana')).toHaveAttribute('data-media', 'audio');
  await expect(ana.tile('Bo')).toHaveAttribute('data-media', 'audio');
  await ana.page.waitForTimeout(700);
  const before = await bo.received();
  await ana.page.waitForTimeout(1_000);
  const after = await bo.received();
  expect(after.frames).toBe(before.frames);
  expect(after.audio).toBeGreaterThan(before.audio);
  await only.uncheck();
  await ana.sees('Bo');
  await ana.receivesMedia();
});

test('the developer\'s panel shows the ladder, and what it breaks comes back', async ({ people, room }) => {
  const ana = await people('Ana', { path: `/r/${room}?name=Ana&join=1&debug=1` });
  const bo = await people('Bo');
  await ana.sees('Bo');
  const panel = ana.page.getByRole('region', { name: "Developer's panel" });
  await expect(panel).toContainText('Bo: flows, clear, direct, channel');
  for (const [n, fault] of ['Drop socket', 'Freeze heartbeat'].entries()) {
    await panel.getByRole('button', { name: fault }).click();
    await expect(panel).toContainText(`link online, socket ${n + 2}`, { timeout: 12_000 });
  }
  await panel.getByRole('button', { name: 'Kill connections' }).click();
  await expect(ana.tile('Bo')).not.toHaveAttribute('data-media', 'live');
  await ana.sees('Bo');
  await ana.receivesMedia();
});
