// Chromium against Firefox: both see and hear each other. Firefox is driven over WebDriver BiDi, which it speaks itself.
import puppeteer from 'puppeteer-core';
import { expect, test, watchConnections } from '../support/people.mjs';

const FIREFOX = process.env.FIREFOX ?? '/usr/bin/firefox-esr';

test('Chromium and Firefox meet', async ({ people, server, room }) => {
  test.setTimeout(90_000);
  const firefox = await puppeteer.launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    extraPrefsFirefox: {
      'media.navigator.streams.fake': true,
      'media.navigator.permission.disabled': true,
      'media.autoplay.default': 0,
      'media.peerconnection.ice.obfuscate_host_addresses': false,
      'media.peerconnection.ice.loopback': true,
      'app.update.auto': false,
      'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false,
    },
  });
  try {
    const ana = await people('Ana');
    const page = await firefox.newPage();
    await page.evaluateOnNewDocument(watchConnections);
    await page.goto(`${server.url}/r/${room}?name=Fox&join=1`);
    await page.waitForSelector('main[data-link="online"]', { timeout: 30_000 });
    await ana.sees('Fox');
    await page.waitForSelector('[data-tile="peer"][data-media="live"]', { timeout: 20_000 });
    await ana.receivesMedia();
    const frames = () =>
      page.evaluate(async () => {
        const reports = await Promise.all(window.__connections.map((connection) => connection.getStats()));
        const decoded = reports.flatMap((report) => [...report.values()].map((one) => one.framesDecoded ?? 0));
        return Math.max(0, ...decoded);
      });
    await expect.poll(frames, { timeout: 20_000 }).toBeGreaterThan(10);
    expect(await page.$eval('[data-tile="peer"] video', (video) => video.currentTime)).toBeGreaterThan(0);
    await ana.says('hello Fox');
    await page.waitForFunction(() => document.querySelector('[data-msg] .msg-body')?.textContent === 'hello Fox');
  } finally {
    await firefox.close();
  }
});
