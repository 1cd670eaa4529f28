// The page that says whether calls work from here, and what a call says where none gets through.
import { expect, keepTracks, test } from '../support/people.mjs';
import { chromium } from '@playwright/test';
import { CHROMIUM, FLAGS } from '../playwright.config.mjs';
import { Coturn } from '../support/coturn.mjs';
import { Server, freePort } from '../support/server.mjs';

const verdict = (page) => page.locator('[data-verdict]');
const row = (page, name) => page.locator('.checks li').filter({ hasText: name });

async function checks(browser, server, { init, permissions = ['camera', 'microphone'] } = {}) {
  const page = await (await browser.newContext({ permissions })).newPage();
  if (init) await page.addInitScript(init);
  await page.goto(`${server.url}/check`);
  return page;
}

test('where everything works it says so, in one sentence', async ({ browser, server }) => {
  const page = await checks(browser, server, { init: keepTracks });
  await expect(verdict(page)).toHaveText('All is well: calls work from here.');
  for (const name of ['Talking to the server', 'Camera', 'Microphone', 'Direct connections', 'Relay']) {
    await expect(row(page, name).first()).toHaveAttribute('data-finding', 'works');
  }
  // A check takes nothing with it: the devices are free again.
  await expect.poll(() => page.evaluate(() => window.__tracks.map((one) => one.readyState))).toEqual(['ended', 'ended']);
  await page.context().close();
});

test('a server that cannot be reached over a socket is named', async ({ browser, server }) => {
  const deaf = () => {
    window.WebSocket = class extends WebSocket {
      constructor(url, protocols) {
        super(url.replace(/:\d+\//, ':9/'), protocols);
      }
    };
  };
  const page = await checks(browser, server, { init: deaf });
  await expect(verdict(page)).toContainText('the server cannot be reached');
  await page.context().close();
});

test('a camera that is not allowed is named, and the rest still works', async ({ browser, server }) => {
  const blind = () => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = (wanted) =>
      wanted.video ? Promise.reject(new DOMException('no', 'NotFoundError')) : real(wanted);
  };
  const page = await checks(browser, server, { init: blind });
  await expect(verdict(page)).toHaveText('Calls work from here, but without your camera.');
  await page.context().close();
});

test.describe('with a relay that is dead', () => {
  let dead;
  test.beforeAll(async () => {
    dead = await Server.start({ TURN_EMBEDDED: 'false', TURN_URLS: `turn:127.0.0.1:${await freePort()}?transport=tcp`, TURN_SECRET: 'a-secret-for-a-relay-that-is-not-there' });
  });
  test.afterAll(() => dead.stop());

  test('the check says that no relay answers', async ({ browser }) => {
    const page = await checks(browser, dead);
    await expect(verdict(page)).toContainText('no relay answers', { timeout: 20_000 });
    await page.context().close();
  });

  test('and two people without a direct way are told, and see no silent black tile', async ({ people }) => {
    // Only relays may be used, and there is none: as behind two strict firewalls.
    const walled = () => {
      const Real = window.RTCPeerConnection;
      window.RTCPeerConnection = class extends Real {
        constructor(configuration) {
          super({ ...configuration, iceTransportPolicy: 'relay' });
        }
        setConfiguration(configuration) {
          super.setConfiguration({ ...configuration, iceTransportPolicy: 'relay' });
        }
      };
    };
    const room = (await (await fetch(`${dead.url}/api/v1/rooms`, { method: 'POST' })).json()).room;
    const open = (name) => people(name, { at: dead, init: walled, watch: false, path: `/r/${room}?name=${name}&join=1` });
    const ana = await open('Ana');
    await open('Bo');
    const said = { timeout: 40_000 };
    await expect(ana.tile('Bo').locator('[data-trouble]')).toContainText('no relay answers', said);
    await expect(ana.page.locator('[data-banner]')).toContainText('Nobody can be reached from this network', said);
    await expect(ana.page.locator('[data-banner]').getByRole('button', { name: 'Leave' })).toBeVisible();
  });
});

test.describe('with coturn as it is shipped', () => {
  const secret = 'a-secret-that-server-and-relay-share';
  let coturn;
  let served;
  test.beforeAll(async () => {
    coturn = await Coturn.start(secret);
    served = await Server.start({ TURN_EMBEDDED: 'false', TURN_URLS: coturn.urls.join(','), TURN_SECRET: secret });
  });
  test.afterAll(async () => {
    await served?.stop();
    coturn?.stop();
  });

  const found = async (page) => {
    await expect(verdict(page)).toContainText('All is well', { timeout: 20_000 });
    const rows = ['Relay', 'Relay over TCP', 'Relay over TLS'];
    return Promise.all(rows.map((name) => page.locator('.checks li').filter({ has: page.getByText(name, { exact: true }) }).getAttribute('data-finding')));
  };

  test('UDP, TCP and TLS are tried, each on its own', async () => {
    // Its certificate is its own: this browser takes every one.
    const trusting = await chromium.launch({ executablePath: CHROMIUM, args: [...FLAGS, '--ignore-certificate-errors'] });
    const page = await checks(trusting, served);
    expect(await found(page)).toEqual(['works', 'works', 'works']);
    await trusting.close();
  });

  test('a certificate that nobody trusts costs the way over TLS, not the others', async ({ browser }) => {
    const page = await checks(browser, served);
    expect(await found(page)).toEqual(['works', 'works', 'fails']);
    await page.context().close();
  });
});
