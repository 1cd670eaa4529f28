// What a first visit to a room costs: every byte of every answer as a browser gets it, compressed. Fails past the limit.
import { chromium } from '@playwright/test';
import { CHROMIUM, FLAGS } from './playwright.config.mjs';
import { Server } from './support/server.mjs';

const LIMIT = 300_000;

const server = await Server.start();
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
try {
  const page = await (await browser.newContext({ permissions: ['camera', 'microphone'] })).newPage();
  const network = await page.context().newCDPSession(page);
  const answers = new Map();
  await network.send('Network.enable');
  network.on('Network.responseReceived', ({ requestId, response }) => answers.set(requestId, { url: response.url, bytes: 0 }));
  network.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    if (answers.has(requestId)) answers.get(requestId).bytes = encodedDataLength;
  });
  await page.goto(`${server.url}/r/first-visit?name=Ana&join=1`);
  await page.waitForSelector('main[data-link="online"]');
  await page.waitForTimeout(500);
  let total = 0;
  for (const { url, bytes } of answers.values()) {
    total += bytes;
    console.log(`${String(bytes).padStart(8)}  ${new URL(url).pathname}`);
    if (new URL(url).host !== new URL(server.url).host) throw new Error(`a foreign host: ${url}`);
  }
  console.log(`${String(total).padStart(8)}  a first visit to a room, limit ${LIMIT}`);
  if (total > LIMIT) throw new Error('a first visit costs more than it may');
} finally {
  await browser.close();
  await server.stop();
}
