// Another site leads somebody here: no camera starts and nobody joins before a click, whichever way it was.
import { createServer } from 'node:http';
import { expect, test } from '../support/people.mjs';

// A site of somebody else, whose every page is made by `page(target)`.
async function elsewhere(host, page) {
  const site = createServer((request, answer) => {
    const target = new URL(request.url, 'http://x').searchParams.get('to');
    const { status = 200, headers = {}, body = '' } = target ? page(target, request.url) : { body: 'nothing' };
    answer.writeHead(status, { 'content-type': 'text/html', ...headers });
    answer.end(`<!doctype html><title>elsewhere</title>${body}`);
  });
  await new Promise((done) => site.listen(0, '127.0.0.1', done));
  const at = (target) => `http://${host}:${site.address().port}/?to=${encodeURIComponent(target)}`;
  return { at, stop: () => new Promise((done) => site.close(done) && site.closeAllConnections()) };
}

const clicked = (page) => page.locator('#go').click();
const WAYS = {
  'a link': [(to) => ({ body: `<a id="go" href="${to}">go</a>` }), clicked],
  'a link without a referrer': [(to) => ({ body: `<a id="go" rel="noreferrer" href="${to}">go</a>` }), clicked],
  'a script': [(to) => ({ body: `<script>setTimeout(() => (location = '${to}'), 50)</script>` })],
  'a window of its own': [(to) => ({ body: `<button id="go" onclick="window.open('${to}')">go</button>` }), clicked],
  'a refresh': [(to) => ({ body: `<meta http-equiv="refresh" content="0;url=${to}">` })],
  // Of a link: an address that somebody types is their own doing, wherever it leads on to.
  'a redirect': [
    (to, url) =>
      url.includes('hop') ? { status: 302, headers: { location: to } } : { body: `<a id="go" href="${url}&hop">go</a>` },
    clicked,
  ],
  'a form that gets': [
    (to) => {
      const inputs = [...new URL(to).searchParams].map(([name, value]) => `<input name="${name}" value="${value}">`);
      return { body: `<form action="${to}">${inputs.join('')}<button id="go">go</button></form>` };
    },
    clicked,
  ],
  'a form that posts': [(to) => ({ body: `<form method="post" action="${to}"><button id="go">go</button></form>` }), clicked],
  'a frame in a sandbox': [
    (to) => ({
      body: `<iframe sandbox="allow-scripts allow-top-navigation" srcdoc="<script>top.location = '${to}'</script>"></iframe>`,
    }),
  ],
  'a page without referrers': [
    (to) => ({ headers: { 'referrer-policy': 'no-referrer' }, body: `<a id="go" href="${to}">go</a>` }),
    clicked,
  ],
};

// A browser that gives camera and microphone without asking, as after 'allow always', and counts how often it was asked.
async function careless(browser) {
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  let asked = 0;
  await context.exposeFunction('wasAsked', () => void (asked += 1));
  await context.addInitScript(() => {
    const real = navigator.mediaDevices?.getUserMedia.bind(navigator.mediaDevices);
    if (!real) return;
    navigator.mediaDevices.getUserMedia = (wanted) => {
      window.wasAsked();
      return real(wanted);
    };
  });
  return { context, asked: () => asked };
}

const isLobby = (page) => expect(page.getByRole('heading', { name: 'Ready to join?' })).toBeVisible();
// Long enough for a page to come to life and start what it would start.
const settles = async (page) => {
  await expect(page.locator('[data-lobby-people]')).toContainText(/Nobody|inside|here/i);
  await page.waitForTimeout(500);
};

for (const [site, host] of [
  ['another site', '127.0.0.1'],
  ['another port', 'localhost'],
]) {
  for (const [way, [make, go]] of Object.entries(WAYS)) {
    test(`${way} of ${site} starts no camera and joins nothing`, async ({ browser, server, room }) => {
      const { context, asked } = await careless(browser);
      const evil = await elsewhere(host, make);
      const page = await context.newPage();
      const popup = way.includes('window') ? context.waitForEvent('page', (other) => other !== page) : undefined;
      await page.goto(evil.at(`${server.url}/r/${room}?name=Victim&join=1#part`), { waitUntil: 'commit' });
      if (go) await go(page);
      const landed = popup ? await popup : page;
      if (way === 'a form that posts') {
        await landed.waitForURL(/\/r\//);
        await landed.waitForTimeout(1_000);
        expect(asked(), 'nothing was started').toBe(0);
      } else {
        await isLobby(landed);
        await settles(landed);
        expect(new URL(landed.url()).search).toBe('?name=Victim');
        expect(asked(), 'nothing was started').toBe(0);
        await landed.reload();
        await isLobby(landed);
        await settles(landed);
        await landed.goto(server.url);
        await landed.goBack();
        await isLobby(landed);
        expect(new URL(landed.url()).search).toBe('?name=Victim');
        await settles(landed);
        expect(asked(), 'nor by coming again').toBe(0);
        await landed.getByRole('button', { name: 'Join', exact: true }).click();
        await expect(landed.locator('main[data-link]')).toHaveAttribute('data-link', 'online');
        await expect(landed.getByRole('button', { name: 'Turn camera off' })).toBeVisible();
        expect(asked(), 'a click starts it').toBeGreaterThan(0);
        // Browsers repeat at a reload what they said of the first time: a seat that was taken with a click is kept.
        await landed.reload();
        await expect(landed.locator('main[data-link]')).toHaveAttribute('data-link', 'online');
      }
      await context.close();
      await evil.stop();
    });
  }
}

test('a link that the person opens, or one of our own pages, goes straight in', async ({ browser, server, room }) => {
  const { context, asked } = await careless(browser);
  const page = await context.newPage();
  await page.goto(`${server.url}/r/${room}?name=Ana&join=1`);
  await expect(page.locator('main[data-link]')).toHaveAttribute('data-link', 'online');
  expect(asked()).toBeGreaterThan(0);
  await page.reload();
  await expect(page.locator('main[data-link]')).toHaveAttribute('data-link', 'online');
  await context.close();
});

test('another site cannot lead somebody back into a call without a click', async ({ browser, server, room }) => {
  const { context, asked } = await careless(browser);
  const page = await context.newPage();
  await page.goto(`${server.url}/r/${room}?name=Ana&join=1`);
  await expect(page.locator('main[data-link]')).toHaveAttribute('data-link', 'online');
  const before = asked();
  const evil = await elsewhere('127.0.0.1', (to) => ({ body: `<a id="go" href="${to}">go</a>` }));
  await page.goto(evil.at(`${server.url}/r/${room}`));
  await clicked(page);
  await isLobby(page);
  await page.waitForTimeout(1_000);
  expect(asked(), 'this tab had a seat, and that starts nothing').toBe(before);
  await context.close();
  await evil.stop();
});

test('the page that tries camera and microphone waits for a click too', async ({ browser, server }) => {
  const { context, asked } = await careless(browser);
  const page = await context.newPage();
  const evil = await elsewhere('127.0.0.1', (to) => ({ body: `<script>setTimeout(() => (location = '${to}'), 50)</script>` }));
  await page.goto(evil.at(`${server.url}/check`), { waitUntil: 'commit' });
  await expect(page.locator('[data-verdict]')).toContainText("once you press 'Check'");
  await page.waitForTimeout(1_000);
  expect(asked()).toBe(0);
  await page.getByRole('link', { name: 'Check', exact: true }).click();
  await expect(page.locator('[data-verdict]')).toHaveText(/All is well|Calls work/);
  expect(asked()).toBeGreaterThan(0);
  await context.close();
  await evil.stop();
});
