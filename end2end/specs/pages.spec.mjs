// Pages without JavaScript, by keyboard, and for everyone.
import { AxeBuilder } from '@axe-core/playwright';
import { expect, test } from '../support/people.mjs';

test.describe('without JavaScript', () => {
  test.use({ javaScriptEnabled: false });

  test('one can start a room and join one by code or link', async ({ page, server }) => {
    await page.goto(server.url);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('Video calls that hold on');
    await page.getByRole('button', { name: 'Start a call' }).click();
    await expect(page).toHaveURL(/\/r\/[a-z-]{17}$/);
    await expect(page.getByRole('textbox', { name: 'Your name' })).toBeVisible();
    // With scripts switched off this way Chromium still hides <noscript>, so look at what was sent.
    expect(await page.content()).toContain('A call needs JavaScript.');
    const link = page.url();
    await page.goto(server.url);
    await page.getByRole('textbox', { name: 'Code or link' }).fill(link);
    await page.getByRole('button', { name: 'Join' }).click();
    await expect(page).toHaveURL(link);
    await page.goto(server.url);
    await page.getByRole('textbox', { name: 'Code or link' }).fill('no such / code');
    await page.getByRole('button', { name: 'Join' }).click();
    await expect(page.getByRole('alert')).toContainText('not a room');
  });

  test('an unknown address says so', async ({ page, server }) => {
    const answer = await page.goto(`${server.url}/nowhere`);
    expect(answer.status()).toBe(404);
    await expect(page.getByRole('heading', { level: 1 })).toHaveText('There is nothing at this address.');
  });
});

test('by keyboard alone: from the start to a message, and keys never leave a text field', async ({ people, server }) => {
  const ana = await people('Ana', { join: false, path: '/' });
  const { page } = ana;
  await page.getByRole('button', { name: 'Start a call' }).focus();
  await page.keyboard.press('Enter');
  await page.getByRole('textbox', { name: 'Your name' }).focus();
  await page.keyboard.type('mvc?');
  await expect(ana.button('Mute microphone')).toBeVisible();
  await page.keyboard.press('Enter');
  await ana.isIn();
  await page.keyboard.press('m');
  await expect(ana.button('Unmute microphone')).toBeVisible();
  await page.keyboard.press('v');
  await expect(ana.button('Turn camera on')).toBeVisible();
  await page.keyboard.press('?');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toBeVisible();
  await page.keyboard.press('Escape');
  await expect(page.getByRole('dialog', { name: 'Keyboard shortcuts' })).toHaveCount(0);
  await page.keyboard.press('c');
  await expect(page.getByRole('textbox', { name: 'Message' })).toBeFocused();
  await page.keyboard.type('my voice, mc');
  await page.keyboard.press('Enter');
  await expect(ana.messages()).toHaveText(['my voice, mc']);
  await expect(ana.button('Unmute microphone')).toBeVisible();
});

for (const slow of ['the program', 'the store of the browser']) {
  test(`'Join' pressed while ${slow} is still being opened is not lost`, async ({ people }) => {
    const ana = await people('Ana', {
      join: false,
      path: '/',
      init: slow === 'the program' ? undefined : slowStore,
    });
    const { page } = ana;
    if (slow === 'the program') {
      let held = 0;
      await page.route(/\.wasm$/, async (route) => {
        if (held++ === 0) await new Promise((later) => setTimeout(later, 1_500));
        await route.continue().catch(() => {}); // The page that asked may be gone.
      });
    }
    await page.getByRole('button', { name: 'Start a call' }).click();
    const name = page.getByRole('textbox', { name: 'Your name' });
    await name.fill('Ana');
    await name.press('Enter');
    await ana.isIn();
  });
}

// IndexedDB that takes its time to open, as on a busy disk.
function slowStore() {
  const open = IDBFactory.prototype.open;
  IDBFactory.prototype.open = function (...args) {
    const real = open.apply(this, args);
    Object.defineProperty(real, 'onsuccess', {
      set: (then) => real.addEventListener('success', (event) => setTimeout(() => then?.call(real, event), 1_500)),
    });
    return real;
  };
}

test('the lobby shows who is here, the devices and the name of last time', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo', { join: false });
  await expect(bo.page.getByText('Ana is here.')).toBeVisible();
  await expect(bo.page.locator('#video-self')).toBeVisible();
  await bo.page.getByText('Camera, microphone and speaker').click();
  await expect(bo.page.getByRole('combobox', { name: 'Camera' }).locator('option').first()).toContainText('fake');
  // The fake microphone beeps once a second: looking once a second could miss every beep.
  const level = () => bo.page.locator('#mic-meter').getAttribute('value').then(Number);
  await expect.poll(level, { intervals: [70], timeout: 20_000 }).toBeGreaterThan(0);
  await bo.page.getByRole('textbox', { name: 'Your name' }).fill('Bo');
  await bo.button('Join').click();
  await bo.sees('Ana');
  await bo.button('Leave').click();
  await bo.page.reload();
  await expect(bo.page.getByRole('textbox', { name: 'Your name' })).toHaveValue('Bo');
  await ana.button('Leave').click();
});

test('the chat counts what is unread, and too long a message cannot be sent', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await bo.sees('Ana');
  await bo.says('one');
  await bo.says('two');
  await expect(ana.page.getByRole('button', { name: 'Open chat, 2 unread' })).toBeVisible();
  await expect(ana.page.locator('[data-announcer]')).toContainText('Bo: two');
  await ana.openChat();
  await ana.page.getByRole('textbox', { name: 'Message' }).fill('x'.repeat(4_001));
  await expect(ana.page.getByText('4001 of 4000 characters')).toBeVisible();
  await expect(ana.button('Send')).toBeDisabled();
  await ana.page.getByRole('textbox', { name: 'Message' }).fill('x'.repeat(4_000));
  await ana.page.keyboard.press('Enter');
  await expect(bo.messages()).toHaveCount(3);
});

test('another device can be chosen in the call', async ({ people }) => {
  const ana = await people('Ana');
  const bo = await people('Bo');
  await bo.receivesMedia();
  await ana.button('Devices').click();
  const microphone = ana.page.getByRole('combobox', { name: 'Microphone' });
  const last = await microphone.locator('option').last().getAttribute('value');
  await microphone.selectOption(last);
  await ana.page.keyboard.press('Escape');
  await expect(ana.button('Mute microphone')).toBeVisible();
  await bo.receivesMedia();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing serious on home, lobby, check and call (${colorScheme})`, async ({ people }) => {
    const serious = async (page) => {
      const { violations } = await new AxeBuilder({ page }).withTags(['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']).analyze();
      return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`);
    };
    const context = { colorScheme };
    const home = await people('home', { join: false, path: '/', context });
    expect(await serious(home.page)).toEqual([]);
    const lobby = await people('lobby', { join: false, context });
    await expect(lobby.page.locator('#video-self')).toBeVisible();
    expect(await serious(lobby.page)).toEqual([]);
    const check = await people('check', { join: false, path: '/check', context });
    await expect(check.page.locator('.checks li')).toHaveCount(5);
    expect(await serious(check.page)).toEqual([]);
    const ana = await people('Ana', { context });
    expect(await serious(ana.page)).toEqual([]);
    const bo = await people('Bo', { context });
    await ana.sees('Bo');
    await ana.says('hello');
    await bo.says('hello https://example.org');
    await expect(ana.messages()).toHaveCount(2);
    expect(await serious(ana.page)).toEqual([]);
  });
}
