// What the system does to a page: freezing, sleep, 'back', the background, devices that come, go and change.
import { expect, keepTracks, test } from '../support/people.mjs';

const enabled = (person) => person.page.evaluate(() => window.__tracks.filter((one) => one.readyState === 'live').map((one) => one.enabled));
// Freezes a page as the browser does: it is told, then nothing of it runs, then it is told again. Answers what was
// switched on meanwhile.
const freeze = (person, ms) =>
  person.page.evaluate(async (ms) => {
    document.dispatchEvent(new Event('freeze'));
    await new Promise((done) => setTimeout(done)); // What the page does at once it does now.
    const meanwhile = window.__tracks.filter((one) => one.readyState === 'live').map((one) => one.enabled);
    const until = Date.now() + ms;
    while (Date.now() < until);
    document.dispatchEvent(new Event('resume'));
    return meanwhile;
  }, ms);

test('a frozen page sends nothing of its person, and comes back as it was', async ({ people }) => {
  const ana = await people('Ana', { init: keepTracks });
  const bo = await people('Bo', { init: keepTracks });
  await bo.receivesMedia();
  await ana.button('Mute microphone').click();
  await expect.poll(() => enabled(ana)).toEqual([false, true]);
  expect(await freeze(bo, 2_000)).toEqual([false, false]);
  await expect(bo.page.getByText('You are back in the call.').first()).toBeVisible();
  await expect.poll(() => enabled(bo)).toEqual([true, true]);
  await ana.receivesMedia();
  expect(await freeze(ana, 1_000)).toEqual([false, false]);
  await expect.poll(() => enabled(ana)).toEqual([false, true]);
  await expect(ana.button('Unmute microphone')).toBeVisible();
});

test('a computer that slept is back in its seat without a click', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await bo.sees('Ana');
  // Nothing of the page runs: neither its program nor its media. The debugger stops all of it, as a closed lid does.
  const session = await ana.page.context().newCDPSession(ana.page);
  await session.send('Debugger.enable');
  await session.send('Debugger.pause');
  await expect(bo.tile('Ana').locator('[data-trouble]')).toContainText('lost the server', { timeout: 9_000 });
  await session.send('Debugger.resume');
  await session.send('Debugger.disable');
  await ana.isIn();
  await ana.sees('Bo');
  await bo.sees('Ana');
  await expect(bo.tile('Ana').locator('[data-trouble]')).toHaveCount(0);
  await ana.receivesMedia();
  await bo.receivesMedia();
});

test("'back' into the call is the same seat, the same place and the same settings", async ({ people, server }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await ana.sees('Bo');
  const seat = await ana.tile('Bo').getAttribute('data-peer');
  await bo.button('Turn camera off').click();
  await expect(ana.tile('Bo')).toHaveAttribute('data-video', 'off');
  await bo.page.goto(`${server.url}/check`);
  await bo.page.goBack();
  await bo.isIn();
  await ana.sees('Bo');
  await expect(ana.tile('Bo')).toHaveAttribute('data-peer', seat);
  await expect(ana.tile('Bo')).toHaveAttribute('data-video', 'off');
  await expect(bo.button('Turn camera on')).toBeVisible();
});

test('a page in the background keeps its link and its call', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await bo.receivesMedia();
  await ana.page.evaluate(() => {
    window.__links = [];
    new MutationObserver(() => window.__links.push(document.querySelector('main').dataset.link)).observe(document.querySelector('main'), { attributes: true, attributeFilter: ['data-link'] });
    Object.defineProperty(document, 'visibilityState', { get: () => 'hidden', configurable: true });
    Object.defineProperty(document, 'hidden', { get: () => true, configurable: true });
    document.dispatchEvent(new Event('visibilitychange'));
    // A hidden page's timers run once a second at most.
    const real = window.setTimeout;
    window.setTimeout = (act, ms, ...rest) => real(act, Math.ceil((ms ?? 0) / 1_000) * 1_000, ...rest);
  });
  await new Promise((done) => setTimeout(done, 8_000));
  await bo.says('are you there');
  await expect(ana.page.getByRole('button', { name: /1 unread/ })).toBeVisible({ timeout: 5_000 });
  expect(await ana.page.evaluate(() => window.__links), 'the link never dropped').toEqual([]);
  await expect(bo.tile('Ana')).toHaveAttribute('data-media', 'live');
  await bo.receivesMedia();
});

test('a headset that takes over is used, and a muted person stays muted', async ({ people }) => {
  const ana = await people('Ana', { init: keepTracks });
  const bo = await people('Bo');
  await bo.receivesMedia();
  await ana.button('Mute microphone').click();
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'off');
  // As when Bluetooth connects: the microphone in use ends and the devices are others.
  await ana.page.evaluate(() => {
    const microphone = window.__tracks.find((one) => one.kind === 'audio');
    microphone.stop();
    microphone.dispatchEvent(new Event('ended'));
    navigator.mediaDevices.dispatchEvent(new Event('devicechange'));
  });
  await new Promise((done) => setTimeout(done, 1_000));
  expect(await ana.page.evaluate(() => window.__tracks.filter((one) => one.kind === 'audio').length), 'nothing is opened behind a muted person').toBe(1);
  await ana.button('Unmute microphone').click();
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'on');
  await bo.receivesMedia();
  // And while one speaks it is replaced by itself.
  await ana.page.evaluate(() => {
    const microphone = window.__tracks.findLast((one) => one.kind === 'audio');
    microphone.stop();
    microphone.dispatchEvent(new Event('ended'));
  });
  await expect(ana.page.getByText('The microphone is gone. Switching to another one.').first()).toBeVisible();
  await expect(ana.button('Mute microphone')).toBeVisible();
  await bo.receivesMedia();
});

test('a phone call takes the microphone for a while, and gives it back', async ({ people }) => {
  const ana = await people('Ana', { init: keepTracks });
  const bo = await people('Bo');
  await bo.sees('Ana');
  const say = (event) => ana.page.evaluate((name) => window.__tracks.find((one) => one.kind === 'audio').dispatchEvent(new Event(name)), event);
  await say('mute');
  await expect(ana.page.getByText('The microphone is interrupted. It comes back by itself.').first()).toBeVisible();
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'off');
  await say('unmute');
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'on');
  await bo.receivesMedia();
});
