// Takes the screenshots that people look at before a change is done: `make shots`, into end2end/shots.
import { chromium } from '@playwright/test';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM, FLAGS } from './playwright.config.mjs';
import { ROOT, Server } from './support/server.mjs';

const OUT = join(ROOT, 'end2end/shots');
const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844 } };
const NAMES = ['Ana', 'Bo', 'Chidi', 'Dagny', 'Emre', 'Farah', 'Goran', 'Hiro'];
const only = process.argv[2];

mkdirSync(OUT, { recursive: true });
const server = await Server.start();
// Eight fake cameras of full size are more than two cores draw.
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
const small = () => {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = (wanted) =>
    real({ ...wanted, video: wanted.video && { width: 320, height: 240, frameRate: 5 } });
};

// For the picture in the README: drawn people instead of the browser's test pattern.
const drawn = (hue) => `
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 480 });
    const draw = canvas.getContext('2d');
    const paint = () => {
      const wall = draw.createLinearGradient(0, 0, 640, 480);
      wall.addColorStop(0, 'hsl(${hue} 35% 72%)');
      wall.addColorStop(1, 'hsl(${hue} 30% 46%)');
      draw.fillStyle = wall;
      draw.fillRect(0, 0, 640, 480);
      draw.fillStyle = 'hsl(${(hue + 150) % 360} 32% 34%)';
      draw.beginPath();
      draw.ellipse(320, 520, 210, 190, 0, 0, 7);
      draw.fill();
      draw.fillStyle = 'hsl(${hue % 40} 42% 68%)';
      draw.fillRect(285, 290, 70, 80);
      draw.beginPath();
      draw.ellipse(320, 225, 88, 108, 0, 0, 7);
      draw.fill();
      draw.fillStyle = 'hsl(${hue} 25% 18%)';
      draw.beginPath();
      draw.ellipse(320, 165, 100, 72, 0, 3.1, 6.3);
      draw.fill();
    };
    paint();
    setInterval(paint, 200);
    const sound = new AudioContext().createMediaStreamDestination().stream;
    const tracks = [...(wanted.video ? canvas.captureStream(5).getVideoTracks() : []), ...(wanted.audio ? sound.getAudioTracks() : [])];
    return new MediaStream(tracks);
  };`;

async function open(path, { size = 'wide', scheme = 'light', init = small } = {}) {
  const context = await browser.newContext({ viewport: SIZES[size], colorScheme: scheme, permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  await page.addInitScript(init);
  await page.goto(server.url + path);
  return page;
}

async function shoot(page, name, views) {
  for (const [size, scheme] of views) {
    await page.setViewportSize(SIZES[size]);
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(OUT, `${name}-${size}-${scheme}.png`) });
  }
}

const ALL = [['wide', 'light'], ['wide', 'dark'], ['narrow', 'light'], ['narrow', 'dark']];
const wants = (name) => !only || name.startsWith(only);

try {
  if (wants('home')) {
    const home = await open('/');
    await shoot(home, 'home', ALL);
    await home.context().close();
  }
  if (wants('lobby')) {
    const inside = await open('/r/shots-lobby?name=Ana&join=1');
    await inside.waitForSelector('main[data-link="online"]');
    const lobby = await open('/r/shots-lobby');
    await lobby.waitForSelector('#video-self:not([hidden])');
    await lobby.getByText('Ana is here.').waitFor();
    await shoot(lobby, 'lobby', ALL);
    for (const page of [lobby, inside]) await page.context().close();
  }
  if (wants('readme')) {
    const pages = [];
    for (const [n, name] of NAMES.slice(0, 4).entries()) {
      const page = await open(`/r/harbour?name=${name}&join=1`, { init: drawn([200, 30, 120, 280][n]) });
      await page.waitForSelector('main[data-link="online"]');
      pages.push(page);
    }
    const [first, second, third] = pages;
    await first.waitForFunction(() => document.querySelectorAll('[data-tile="peer"][data-media="live"]').length === 3);
    const say = async (page, text) => {
      const closed = page.getByRole('button', { name: /^Open chat/ });
      if (await closed.isVisible()) await closed.click();
      await page.getByRole('textbox', { name: 'Message' }).fill(text);
      await page.keyboard.press('Enter');
      await first.getByText(text).first().waitFor({ state: 'attached' });
    };
    await say(second, 'Is the train tunnel over already?');
    await say(first, 'Yes! I did not even notice that I was gone.');
    await say(third, 'The notes are at https://example.org/notes');
    await first.getByRole('button', { name: /^Open chat/ }).click({ timeout: 1_000 }).catch(() => {});
    await first.waitForTimeout(7_000);
    await first.screenshot({ path: join(ROOT, 'docs/call.png') });
    for (const page of pages) await page.context().close();
  }
  for (const n of [1, 2, 3, 4, 5, 8]) {
    if (!wants(`call-${n}`)) continue;
    const pages = [];
    for (const name of NAMES.slice(0, n)) {
      const page = await open(`/r/shots-${n}?name=${name}&join=1`);
      await page.waitForSelector('main[data-link="online"]');
      pages.push(page);
    }
    const [first, second] = pages;
    await first.waitForFunction((count) => document.querySelectorAll('[data-tile="peer"][data-media="live"]').length === count, n - 1, { timeout: 60_000 });
    if (n === 4) {
      await second.getByRole('button', { name: 'Turn camera off' }).click();
      await second.getByRole('button', { name: 'Mute microphone' }).click();
    }
    await first.waitForTimeout(7_000); // The notices are gone.
    await shoot(first, `call-${n}`, ALL);
    if (n === 2) {
      const say = async (page, text) => {
        if (await page.getByRole('button', { name: /^Open chat/ }).isVisible()) await page.getByRole('button', { name: /^Open chat/ }).click();
        await page.getByRole('textbox', { name: 'Message' }).fill(text);
        await page.keyboard.press('Enter');
      };
      await say(first, 'Hi Bo, can you hear me?');
      await say(second, 'Loud and clear! The notes are at https://example.org/notes');
      await say(first, 'Thank you. I will read them while my train goes through the tunnel.');
      await second.waitForTimeout(500);
      await shoot(first, 'chat', ALL);
      await first.getByRole('button', { name: 'Close chat', exact: true }).click({ timeout: 2_000 }).catch(() => first.getByRole('button', { name: 'Close chat panel' }).click());
      await first.setViewportSize(SIZES.wide);
      await first.getByRole('button', { name: 'Devices' }).click();
      await shoot(first, 'devices', [['wide', 'light'], ['narrow', 'dark']]);
      await first.keyboard.press('Escape');
      await first.keyboard.press('?');
      await shoot(first, 'help', [['wide', 'dark']]);
      await first.keyboard.press('Escape');
      await server.signal('SIGKILL');
      await first.waitForSelector('main[data-link="offline"]');
      await shoot(first, 'offline', ALL);
      await second.context().close();
      await first.waitForTimeout(6_000);
      await shoot(first, 'lost', [['wide', 'light']]);
      await server.run();
      await first.waitForSelector('main[data-link="online"]', { timeout: 15_000 });
      await first.setViewportSize(SIZES.wide);
      await first.getByRole('button', { name: 'Leave' }).click();
      await shoot(first, 'left', [['wide', 'light'], ['narrow', 'dark']]);
    }
    for (const page of pages) await page.context().close().catch(() => {});
  }
} finally {
  await browser.close();
  await server.stop();
}
console.log(`screenshots are in ${OUT}`);
