// Whether the pages are valid HTML: as the server sends them, and as they stand in a browser during a call.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { chromium } from '@playwright/test';
import { CHROMIUM, FLAGS } from './playwright.config.mjs';
import { ROOT, Server } from './support/server.mjs';

// What may stand, and why. Nothing else may.
const ALLOWED = [
  // The framework marks places in a page with `<!>`, which every parser reads as an empty comment. Hydration needs them.
  /^Bogus comment\.$/,
];
const TOKEN = 'an-operator-of-the-html-test';
const PAGES = {
  home: '/',
  'home-unknown': '/?unknown=1',
  check: '/check',
  lobby: '/r/html-test?name=Ana',
  'not-found': '/nowhere',
  'bad-room': '/r/a',
  api: '/api/v1/docs',
  'admin-asks': '/admin',
};

const server = await Server.start({ HOLDFAST_ADMIN_TOKEN: TOKEN, HOLDFAST_LOG: 'warn' });
const dir = mkdtempSync(join(tmpdir(), 'holdfast-html-'));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: FLAGS });
const keep = (name, html) => writeFileSync(join(dir, `${name}.html`), html);
try {
  for (const [name, path] of Object.entries(PAGES)) keep(name, await (await fetch(server.url + path)).text());

  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const operator = await context.newPage();
  await operator.goto(`${server.url}/admin`);
  await operator.fill('#token', TOKEN);
  await operator.click('button[type=submit]');
  await operator.waitForSelector('table');
  const cookies = (await context.cookies(`${server.url}/admin`)).map(({ name, value }) => `${name}=${value}`).join('; ');
  keep('admin', await (await fetch(`${server.url}/admin`, { headers: { cookie: cookies } })).text());
  await operator.close();

  const pages = [];
  for (const name of ['Ana', 'Ben']) {
    const page = await (await browser.newContext({ permissions: ['camera', 'microphone'] })).newPage();
    await page.goto(`${server.url}/r/html-test?name=${name}&join=1`);
    await page.waitForSelector('main[data-link="online"]');
    pages.push(page);
  }
  const [page] = pages;
  keep('call', await page.content());
  await page.getByRole('button', { name: /chat/i }).first().click();
  await page.waitForTimeout(300);
  keep('call-chat', await page.content());

  const files = [...Object.keys(PAGES), 'admin', 'call', 'call-chat'].map((name) => join(dir, `${name}.html`));
  const vnu = join(ROOT, 'node_modules/vnu-jar/build/dist/vnu.jar');
  const { stderr, error } = spawnSync('java', ['-jar', vnu, '--format', 'json', '--exit-zero-always', ...files], { encoding: 'utf8' });
  if (error) throw error;
  const said = JSON.parse(stderr).messages;
  const wrong = said.filter(({ type, message }) => type !== 'info' && !ALLOWED.some((allowed) => allowed.test(message)));
  for (const { url, lastLine, firstColumn, message, extract } of wrong) {
    console.error(`${basename(url ?? '')}:${lastLine}:${firstColumn ?? ''} ${message}\n    ${extract?.trim().replaceAll('\n', ' ')}`);
  }
  console.log(`${files.length} pages, ${wrong.length} faults, ${said.length - wrong.length} notes that are allowed`);
  if (wrong.length) process.exitCode = 1;
} finally {
  await browser.close();
  await server.stop();
  rmSync(dir, { recursive: true, force: true });
}
