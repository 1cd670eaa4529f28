// What the page shows is what is so: nothing cut off or covered, devices that run, questions and sound that wait, focus.
import { expect, test } from '../support/people.mjs';
import { Server } from '../support/server.mjs';

const SIZES = [
  [1280, 800],
  [390, 844],
  [844, 390],
  [568, 320],
  [320, 568],
  [280, 653],
  [320, 256], // 1280 px at a zoom of 400 %.
];

// Runs in a page: the boxes of what is seen, by name, and what stands outside of the window or on something else.
const faults = (kinds) => {
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const boxes = kinds.map((kind) => [...document.querySelectorAll(kind)].filter(seen).map((element) => ({ element, kind, box: element.getBoundingClientRect() })));
  const name = ({ element }) => element.getAttribute('aria-label') || element.textContent;
  const found = [];
  for (const one of boxes.flat()) {
    const { left, top, right, bottom } = one.box;
    if (left < -0.5 || top < -0.5 || right > innerWidth + 0.5 || bottom > innerHeight + 0.5) found.push(`${name(one)} is outside: ${[left, top, right, bottom].map(Math.round)}`);
  }
  const all = boxes.flat();
  all.forEach((one, n) =>
    all.slice(n + 1).forEach((other) => {
      if (one.element.contains(other.element) || other.element.contains(one.element)) return;
      const across = Math.min(one.box.right, other.box.right) - Math.max(one.box.left, other.box.left);
      const down = Math.min(one.box.bottom, other.box.bottom) - Math.max(one.box.top, other.box.top);
      if (across > 0.5 && down > 0.5) found.push(`${name(one)} lies on ${name(other)}`);
    }),
  );
  if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  return found;
};

const inWindow = (page, what) => expect.poll(() => page.evaluate(faults, [what])).toEqual([]);
const focused = (page) => page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.tagName);

test('nothing is cut off, and nothing lies over a name or a button, at any size', async ({ people }) => {
  const ana = await people('Ana');
  const { page } = ana;
  await page.getByRole('toolbar').getByRole('button', { name: 'Copy link' }).click();
  await expect(page.locator('.notice')).toBeVisible();
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    await test.step(`alone ${width}x${height}`, () => inWindow(page, '.control, .tile-label'));
  }
  await people('Maximilian Mustermann of the Example');
  await expect(ana.tiles()).toHaveCount(1);
  for (const [width, height] of SIZES) {
    await page.setViewportSize({ width, height });
    await page.getByRole('toolbar').getByRole('button', { name: 'Copy link' }).click();
    await test.step(`call ${width}x${height}`, async () => {
      const what = height < 300 ? '.control, .tile-label' : '.control, .tile-label, .notice';
      await inWindow(page, what);
      await ana.button('Devices').click();
      await inWindow(page, '#device-menu');
      await inWindow(page, '[aria-label="Close devices"]');
      await page.getByRole('checkbox', { name: /Audio only/ }).scrollIntoViewIfNeeded();
      await inWindow(page, '#device-menu .check');
      await page.keyboard.press('Escape');
      await ana.button('Keyboard shortcuts').click();
      await inWindow(page, 'dialog[open]');
      await page.keyboard.press('Escape');
      await expect(page.locator('dialog[open]')).toHaveCount(0);
    });
  }
});

test('on a phone the state of the link is seen over an open chat', async ({ people }) => {
  const server = await Server.start();
  try {
    const ana = await people('Ana', { at: server, context: { viewport: { width: 320, height: 568 } } });
    await ana.openChat();
    await server.stop();
    await expect(ana.page.locator('[data-banner]')).toContainText('server');
    await inWindow(ana.page, '[data-banner], .chat-head, .chat-form');
  } finally {
    await server.stop();
  }
});

test('a question of the browser that nobody answers is said, and no button looks on', async ({ people }) => {
  const silent = () => {
    navigator.mediaDevices.getUserMedia = () => new Promise(() => {});
  };
  const ana = await people('Ana', { init: silent });
  await expect(ana.page.locator('[data-request]')).toHaveText('Your browser asks for camera and microphone: please allow.');
  const button = ana.button('Microphone: allow it in your browser');
  await expect(button).toHaveClass(/waits/);
  await expect(ana.button('Camera: allow it in your browser')).toHaveClass(/waits/);
  await button.click();
  await expect(ana.page.locator('.notice')).toContainText('please allow');
  await expect(button, 'the first press switches nothing off').toBeVisible();
  await button.click();
  await expect(ana.button('Unmute microphone')).toBeVisible();
});

test('the list shows the camera that runs, and another one that fails can be chosen again', async ({ people }) => {
  const broken = () => {
    const devices = navigator.mediaDevices;
    const [list, start] = [devices.enumerateDevices.bind(devices), devices.getUserMedia.bind(devices)];
    window.__refused = 0;
    const other = Object.create(MediaDeviceInfo.prototype, {
      kind: { value: 'videoinput' },
      deviceId: { value: 'other' },
      label: { value: 'Other' },
    });
    devices.enumerateDevices = async () => [...(await list()), other];
    devices.getUserMedia = (wanted) => {
      if (wanted.video?.deviceId?.exact !== 'other') return start(wanted);
      window.__refused += 1;
      return Promise.reject(new DOMException('in use', 'NotReadableError'));
    };
  };
  const ana = await people('Ana', { init: broken });
  await ana.button('Devices').click();
  const list = ana.page.getByRole('combobox', { name: 'Camera' });
  await expect(list.locator('option')).toHaveCount(2);
  const runs = await list.inputValue();
  for (const refused of [1, 2]) {
    await list.selectOption('other');
    await expect(list, 'back to what runs').toHaveValue(runs);
    expect(await ana.page.evaluate(() => window.__refused)).toBe(refused);
    await expect(ana.page.locator('.notice', { hasText: 'That camera did not start' })).toHaveCount(refused);
  }
});

test('sound that the browser keeps back is said, and a key lets it in', async ({ people }) => {
  const strict = () => {
    const play = HTMLMediaElement.prototype.play;
    addEventListener('keydown', () => (window.__gesture = true), true);
    HTMLMediaElement.prototype.play = function () {
      return this.muted || window.__gesture ? play.call(this) : Promise.reject(new DOMException('no gesture', 'NotAllowedError'));
    };
  };
  const ana = await people('Ana', { init: strict });
  await people('Bo');
  await ana.sees('Bo');
  const request = ana.page.locator('[data-request]');
  await expect(request).toHaveText('Click to hear the others');
  await ana.page.keyboard.press('x');
  await expect(request).toHaveCount(0);
  expect(await ana.tile('Bo').locator('video').evaluate((video) => video.muted)).toBe(false);
});

test('the focus goes on where something closes', async ({ people }) => {
  const ana = await people('Ana');
  const { page } = ana;
  await expect.poll(() => focused(page)).toBe('MAIN');
  await ana.openChat();
  await ana.button('Close chat panel').click();
  await expect.poll(() => focused(page)).toBe('Open chat');
  const copy = page.getByRole('toolbar').getByRole('button', { name: 'Copy link' });
  await copy.click();
  await copy.click();
  await expect(page.locator('.notice')).toHaveCount(2);
  await ana.button('Dismiss').first().click();
  await expect(page.locator('.notice')).toHaveCount(1);
  expect(await focused(page)).toBe('Dismiss');
  await page.keyboard.press('Enter');
  await expect(page.locator('.notice')).toHaveCount(0);
  expect(await focused(page)).toBe('MAIN');
  await ana.button('Leave').click();
  await expect(page.locator('main.ended')).toBeFocused();
});

test('a picture of another shape is seen whole', async ({ people }) => {
  const portrait = () => {
    navigator.mediaDevices.getUserMedia = async () => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 360, height: 640 });
      const draw = canvas.getContext('2d');
      setInterval(() => draw.fillRect(0, 0, Math.random() * 360, 640), 100);
      return canvas.captureStream(10);
    };
  };
  const ana = await people('Ana');
  await people('Bo', { init: portrait });
  await ana.sees('Bo');
  const fit = () => ana.tile('Bo').locator('video').evaluate((video) => getComputedStyle(video).objectFit);
  await expect.poll(fit).toBe('contain');
  await ana.page.setViewportSize({ width: 844, height: 1100 });
  await expect.poll(fit).toBe('contain');
  await ana.page.setViewportSize({ width: 900, height: 800 });
  await expect.poll(fit, 'in a tile of nearly its shape it fills').toBe('cover');
});
