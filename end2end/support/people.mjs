// People in a call: pages of real browsers, and what they see and hear.
import { expect, test as base } from '@playwright/test';
import { Server } from './server.mjs';

// Console lines that a test may expect: the browser's own words for a cut network.
const EXPECTED = /WebSocket connection|Failed to load resource|net::ERR/;

export const test = base.extend({
  // One server for a file of tests; those that kill it start their own.
  server: [
    async ({}, use) => {
      const server = await Server.start();
      await use(server);
      await server.stop();
    },
    { scope: 'worker' },
  ],
  // A room of its own for each test.
  room: async ({ server }, use) => {
    const answer = await fetch(`${server.url}/api/v1/rooms`, { method: 'POST' });
    await use((await answer.json()).room);
  },
  // Opens people; closes them all at the end and fails on any console error.
  people: async ({ browser, server, room }, use) => {
    const people = [];
    const complaints = [];
    await use(async (name, { join = true, context = {}, path, init, at = server, watch = true } = {}) => {
      const own = await browser.newContext({ permissions: ['camera', 'microphone'], ...context });
      const page = await own.newPage();
      page.on('console', (line) => {
        const bad = ['error', 'warning'].includes(line.type()) && !EXPECTED.test(line.text());
        if (bad) complaints.push(`${name}: ${line.text()}`);
      });
      page.on('pageerror', (error) => complaints.push(`${name}: ${error}`));
      if (init) await page.addInitScript(init);
      if (watch) await page.addInitScript(watchConnections);
      const query = join ? `?name=${encodeURIComponent(name)}&join=1` : '';
      await page.goto(`${at.url}${path ?? `/r/${room}${query}`}`);
      const person = new Person(name, page);
      people.push(person);
      if (join) await person.isIn();
      return person;
    });
    for (const person of people) await person.page.context().close();
    expect(complaints, 'nothing is written to the console').toEqual([]);
  },
});

export { expect };

// Runs in the page before its own scripts: keeps the connections so that their statistics can be read.
export function watchConnections() {
  const Real = window.RTCPeerConnection;
  window.__connections = [];
  window.RTCPeerConnection = class extends Real {
    constructor(...args) {
      super(...args);
      window.__connections.push(this);
    }
  };
}

// Runs in the page before its own scripts: keeps the tracks of its devices so that they can be looked at, and end.
export function keepTracks() {
  const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  window.__tracks = [];
  navigator.mediaDevices.getUserMedia = async (wanted) => {
    const stream = await real(wanted);
    window.__tracks.push(...stream.getTracks());
    return stream;
  };
}

export class Person {
  constructor(name, page) {
    this.name = name;
    this.page = page;
  }

  main() {
    return this.page.locator('main[data-link]');
  }

  tiles() {
    return this.page.locator('[data-tile="peer"]');
  }

  tile(name) {
    return this.tiles().filter({ hasText: name });
  }

  button(name) {
    return this.page.getByRole('button', { name, exact: true });
  }

  async isIn() {
    await expect(this.main()).toHaveAttribute('data-link', 'online');
  }

  async sees(...names) {
    await expect(this.tiles()).toHaveCount(names.length);
    for (const name of names) await expect(this.tile(name)).toHaveAttribute('data-media', 'live');
  }

  // Frames decoded and audio bytes received, summed over the open connections.
  received() {
    return this.page.evaluate(async () => {
      const sum = { frames: 0, audio: 0, flows: 0 };
      for (const connection of window.__connections) {
        if (connection.connectionState === 'closed') continue;
        for (const report of (await connection.getStats()).values()) {
          if (report.type !== 'inbound-rtp') continue;
          if (report.kind === 'video') {
            sum.frames += report.framesDecoded ?? 0;
            sum.flows += report.framesDecoded > 0 ? 1 : 0;
          } else {
            sum.audio += report.bytesReceived ?? 0;
          }
        }
      }
      return sum;
    });
  }

  async receivesMedia(flows = 1) {
    await expect.poll(async () => (await this.received()).flows, { timeout: 20_000 }).toBeGreaterThanOrEqual(flows);
    const before = await this.received();
    await expect
      .poll(async () => {
        const now = await this.received();
        return now.frames > before.frames + 5 && now.audio > before.audio + 500;
      }, { timeout: 10_000 })
      .toBe(true);
  }

  async openChat() {
    if (await this.page.getByRole('log', { name: 'Chat' }).isHidden()) await this.page.getByRole('button', { name: /^Open chat/ }).click();
    await expect(this.page.getByRole('textbox', { name: 'Message' })).toBeVisible();
  }

  async says(text) {
    await this.openChat();
    await this.page.getByRole('textbox', { name: 'Message' }).fill(text);
    await this.page.keyboard.press('Enter');
  }

  messages() {
    return this.page.locator('[role="log"] [data-msg] .msg-body');
  }
}
