// The server is killed or drained under a call: the call goes on, nothing is lost.
import { expect, test } from '../support/people.mjs';
import { Server } from '../support/server.mjs';

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
  await expect(ana.page.getByText('Reconnecting to the server. The call goes on. Your message is kept.')).toBeVisible();
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
