// Two and three people: they see, hear and write to each other.
import { expect, keepTracks, test } from '../support/people.mjs';

test('two people see, hear and write to each other', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await ana.sees('Bo');
  await bo.sees('Ana');
  await ana.receivesMedia();
  await bo.receivesMedia();
  await ana.says('hello Bo');
  await expect(ana.page.locator('[data-msg][data-status="stored"]')).toHaveCount(1);
  await bo.says('hello Ana');
  for (let n = 0; n < 5; n += 1) await ana.says(`ana ${n}`);
  const all = ['hello Bo', 'hello Ana', 'ana 0', 'ana 1', 'ana 2', 'ana 3', 'ana 4'];
  await expect(bo.messages()).toHaveText(all);
  await expect(ana.messages()).toHaveText(all);
});

test('a third person joins, all six directions flow, and the chat so far is there', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await ana.says('before Cy');
  const cy = await people('Cy');
  await ana.sees('Bo', 'Cy');
  await bo.sees('Ana', 'Cy');
  await cy.sees('Ana', 'Bo');
  for (const person of [ana, bo, cy]) await person.receivesMedia(2);
  await cy.openChat();
  await expect(cy.messages()).toHaveText(['before Cy']);
});

test('mute and camera off are seen by the others and come back', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await bo.sees('Ana');
  await ana.button('Mute microphone').click();
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'off');
  await ana.button('Turn camera off').click();
  await expect(bo.tile('Ana')).toHaveAttribute('data-video', 'off');
  await ana.button('Unmute microphone').click();
  await ana.button('Turn camera on').click();
  await expect(bo.tile('Ana')).toHaveAttribute('data-audio', 'on');
  await expect(bo.tile('Ana')).toHaveAttribute('data-video', 'on');
  await bo.receivesMedia();
});

test('leaving removes the tile, and one can come again', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await ana.sees('Bo');
  await bo.button('Leave').click();
  await expect(ana.tiles()).toHaveCount(0);
  await expect(bo.page.getByRole('heading', { name: 'You left the call.' })).toBeVisible();
  await bo.button('Join again').click();
  await ana.sees('Bo');
  await bo.sees('Ana');
});

test('a reload comes back to the same seat without a click, and what was off stays off', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo', { join: false });
  await bo.page.getByRole('textbox', { name: 'Your name' }).fill('Bo');
  await bo.button('Join').click();
  await bo.sees('Ana');
  await bo.button('Turn camera off').click();
  const seat = await ana.tile('Bo').getAttribute('data-peer');
  await bo.page.reload();
  await bo.sees('Ana');
  await ana.sees('Bo');
  expect(await ana.tile('Bo').getAttribute('data-peer')).toBe(seat);
  await expect(bo.button('Turn camera on')).toBeVisible();
  await bo.receivesMedia();
});

test('somebody without a camera or microphone joins, sees and is told', async ({ people }) => {
  const ana = await people('Ana');
  const none = () => {
    const missing = () => Promise.reject(new DOMException('no device', 'NotFoundError'));
    navigator.mediaDevices.getUserMedia = missing;
  };
  const bo = await people('Bo', { join: false, init: none });
  await expect(bo.page.getByText('No camera found. Connect one, or join without it.').first()).toBeVisible();
  await expect(bo.page.getByText('No microphone found. Connect one, or join without it.').first()).toBeVisible();
  await bo.page.getByRole('textbox', { name: 'Your name' }).fill('Bo');
  await bo.button('Join').click();
  await bo.sees('Ana');
  await bo.receivesMedia();
  await expect(ana.tile('Bo')).toHaveAttribute('data-video', 'off');
  await expect(ana.tile('Bo')).toHaveAttribute('data-audio', 'off');
});

for (const [error, words] of [
  ['NotAllowedError', 'The camera is blocked.'],
  ['NotReadableError', 'Another program is using the camera.'],
  ['NotFoundError', 'No camera found.'],
]) {
  test(`${error} has its own message, and 'Join' still works`, async ({ people }) => {
    const fail = `navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '${error}'));`;
    const bo = await people('Bo', { join: false, init: fail });
    await expect(bo.page.getByText(words).first()).toBeVisible();
    await bo.page.getByRole('textbox', { name: 'Your name' }).fill('Bo');
    await bo.button('Join').click();
    await bo.isIn();
  });
}

test('a browser that cannot make calls is told so', async ({ people }) => {
  const bo = await people('Bo', { join: false, init: 'delete window.RTCPeerConnection;', watch: false });
  await expect(bo.page.getByText('This browser cannot make video calls.').first()).toBeVisible();
});

test('a camera that vanishes is replaced, and one is told', async ({ people }) => {
  const ana = await people('Ana', { init: keepTracks });
  const bo = await people('Bo');
  await bo.receivesMedia();
  await ana.page.evaluate(() => {
    const camera = window.__tracks.find((one) => one.kind === 'video');
    camera.stop();
    camera.dispatchEvent(new Event('ended'));
  });
  await expect(ana.page.getByText('The camera is gone. Switching to another one.').first()).toBeVisible();
  await expect.poll(() => ana.page.evaluate(() => window.__tracks.filter((one) => one.kind === 'video').length)).toBe(2);
  await expect(ana.button('Turn camera off')).toBeVisible();
  await bo.receivesMedia();
});

test('switching the camera off frees it', async ({ people }) => {
  const keep = () => {
    const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
    navigator.mediaDevices.getUserMedia = async (wanted) => (window.__stream = await real(wanted));
  };
  const ana = await people('Ana', { init: keep });
  await expect(ana.button('Turn camera off')).toBeVisible();
  await expect.poll(() => ana.page.evaluate(() => window.__stream?.getVideoTracks()[0].readyState)).toBe('live');
  await ana.button('Turn camera off').click();
  await expect.poll(() => ana.page.evaluate(() => window.__stream.getVideoTracks()[0].readyState)).toBe('ended');
});

test('the link is copied', async ({ people, server, room }) => {
  const ana = await people('Ana', { context: { permissions: ['camera', 'microphone', 'clipboard-read', 'clipboard-write'] } });
  await ana.page.locator('.alone').getByRole('button', { name: 'Copy link' }).click();
  await expect(ana.page.getByText('Link copied.').first()).toBeVisible();
  expect(await ana.page.evaluate(() => navigator.clipboard.readText())).toBe(`${server.url}/r/${room}`);
});

test('markup in names and messages is shown as text', async ({ people }) => {
  const evil = '<img src=x onerror="window.pwned=1">';
  const ana = await people('Ana');
  const bo = await people(evil);
  await ana.sees(evil);
  await bo.says('<script>window.pwned=1</script> javascript:alert(1) https://example.org/?a=1');
  await ana.openChat();
  await expect(ana.messages()).toHaveText(['<script>window.pwned=1</script> javascript:alert(1) https://example.org/?a=1']);
  const links = ana.page.locator('[role="log"] a');
  await expect(links).toHaveCount(1);
  await expect(links).toHaveAttribute('href', 'https://example.org/?a=1');
  await expect(links).toHaveAttribute('rel', /noopener/);
  for (const person of [ana, bo]) expect(await person.page.evaluate(() => window.pwned)).toBeUndefined();
});

test('a ninth person is told that the room is full', async ({ people, server, room }) => {
  // Seven bare sockets beside Ana: eight whole browsers would be a test of this machine.
  const ana = await people('Ana');
  await ana.page.evaluate(async (code) => {
    const sit = (n) =>
      new Promise((done, failed) => {
        const socket = new WebSocket(`ws://${location.host}/ws`, 'holdfast.v1');
        const hello = { version: 1, room: code, name: `P${n}`, claim: 1, media: { audio: false, video: false } };
        socket.onopen = () => socket.send(JSON.stringify({ hello }));
        socket.onmessage = done;
        socket.onerror = failed;
      });
    await Promise.all(Array.from({ length: 7 }, (_, n) => sit(n)));
  }, room);
  const late = await people('Late', { join: false });
  await expect(late.page.getByRole('button', { name: 'This call is full' })).toBeDisabled();
  await late.page.goto(`${server.url}/r/${room}?name=Late&join=1`);
  await expect(late.page.getByRole('heading', { name: /This call is full/ })).toBeVisible();
});
