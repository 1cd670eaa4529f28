// Measures what people wait for, n times each, and prints median, 95th percentile and worst: `make latency`.
import { chromium } from '@playwright/test';
import { CHROMIUM, FLAGS } from './playwright.config.mjs';
import { Server } from './support/server.mjs';

const N = Number(process.env.N ?? 20);

const server = await Server.start();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });

// In the page: notes when each remote track shows its first frame.
function watchFrames() {
  window.__frames = [];
  const seen = new WeakSet();
  setInterval(() => {
    for (const video of document.querySelectorAll('[data-tile="peer"] video')) {
      const track = video.srcObject?.getVideoTracks()[0];
      if (!track || seen.has(track)) continue;
      seen.add(track);
      video.requestVideoFrameCallback(() => window.__frames.push(performance.timeOrigin + performance.now()));
    }
  }, 1);
}

async function open(path) {
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  await page.addInitScript(watchFrames);
  await page.goto(server.url + path);
  return page;
}

const frame = (page, n) => page.waitForFunction((count) => window.__frames.length >= count && window.__frames[count - 1], n).then((handle) => handle.jsonValue());

function show(what, times) {
  const sorted = [...times].sort((a, b) => a - b);
  const at = (part) => Math.round(sorted[Math.min(sorted.length - 1, Math.ceil(part * sorted.length) - 1)]);
  console.log(`${what}: p50 ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms, n=${sorted.length}`);
}

try {
  const joins = [];
  const visits = [];
  const reloads = [];
  for (let n = 0; n < N; n += 1) {
    const room = `latency-${n}`;
    const ana = await open(`/r/${room}?name=Ana&join=1`);
    await ana.waitForSelector('main[data-link="online"]');
    await ana.waitForTimeout(300);

    const bo = await open(`/r/${room}`);
    await bo.getByText('Ana is here.').waitFor();
    await bo.waitForSelector('#video-self:not([hidden])');
    await bo.getByRole('textbox', { name: 'Your name' }).fill('Bo');
    await bo.waitForTimeout(300);
    const pressed = await bo.evaluate(() => {
      const button = [...document.querySelectorAll('button')].find(({ textContent }) => textContent === 'Join');
      const now = performance.timeOrigin + performance.now();
      button.click();
      return now;
    });
    joins.push((await frame(bo, 1)) - pressed);
    await frame(ana, 1);

    const began = Date.now();
    await bo.reload({ waitUntil: 'commit' });
    reloads.push((await frame(ana, 2)) - began);
    await bo.context().close();

    const cy = await browser.newContext({ permissions: ['camera', 'microphone'] });
    const page = await cy.newPage();
    await page.addInitScript(watchFrames);
    await page.goto(`${server.url}/r/${room}-b`); // A warm browser, as a person's is: the client is in its cache.
    const host = await open(`/r/${room}-c?name=Ana&join=1`);
    await host.waitForSelector('main[data-link="online"]');
    await page.goto(`${server.url}/r/${room}-c?name=Cy&join=1`, { waitUntil: 'commit' });
    visits.push((await frame(page, 1)) - (await page.evaluate(() => performance.timeOrigin)));
    for (const one of [cy, host.context(), ana.context()]) await one.close();
  }
  show("'Join' to first remote frame", joins);
  show('navigation to first remote frame', visits);
  show('a reloading person is seen again by the other', reloads);
} finally {
  await browser.close();
  await server.stop();
}
