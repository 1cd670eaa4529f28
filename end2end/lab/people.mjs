// Real browsers, each in its own namespace, and what their people experienced.
import { chromium } from '@playwright/test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM, FLAGS } from '../playwright.config.mjs';
import { probe } from './probe.mjs';
import { URL_OF_LAB } from './services.mjs';

export class Person {
  static async start(network, index, scenario, plain = false) {
    const person = new Person();
    const name = `cl${index}`;
    Object.assign(person, { network, at: name, name: ['Ana', 'Bo', 'Cy'][index - 1], plain, scenario });
    // The browser runs in its namespace; Playwright speaks to it over a pipe, which knows no namespaces.
    const wrapper = join(network.dir, `chromium-${name}`);
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${network.ns(name)} ${CHROMIUM} "$@"\n`, { mode: 0o755 });
    const args = [...FLAGS, `--unsafely-treat-insecure-origin-as-secure=${URL_OF_LAB}`, '--autoplay-policy=no-user-gesture-required'];
    person.browser = await chromium.launch({ executablePath: wrapper, args });
    return person;
  }

  async open(room, join = true) {
    this.context ??= await this.browser.newContext({ permissions: ['camera', 'microphone'], viewport: { width: this.scenario.width ?? 640, height: 480 } });
    this.page = await this.context.newPage();
    await this.page.addInitScript(probe);
    const wrong = this.scenario.clocks?.[this.at];
    if (wrong) await this.page.addInitScript(wrongClock, wrong);
    const more = this.plain ? '&debug=1&plain=1' : this.scenario.debug ? '&debug=1' : '';
    this.opened = Date.now();
    await this.page.goto(`${URL_OF_LAB}/r/${room}?name=${this.name}${join ? '&join=1' : ''}${more}`);
  }

  async sees(others, within = 20_000) {
    await this.page.waitForFunction(
      (n) => document.querySelectorAll('[data-tile="peer"][data-media="live"]').length === n && Object.values(window.__seen.frames).filter((times) => times.length > 5).length >= n,
      others,
      { timeout: within },
    );
  }

  seen() {
    return this.page.evaluate(() => ({ ...window.__seen, connections: window.__seen.connections.length }));
  }

  // The pair of candidates that media takes, with the port of the relay each side is on; null while there is none.
  path() {
    return this.page.evaluate(async () => {
      for (const pc of window.__seen.connections) {
        if (pc.connectionState === 'closed') continue;
        const reports = await pc.getStats();
        for (const report of reports.values()) {
          if (report.type !== 'transport' || !report.selectedCandidatePairId) continue;
          const pair = reports.get(report.selectedCandidatePairId);
          return [pair.localCandidateId, pair.remoteCandidateId].map((id) => {
            const { candidateType: type, port, url } = reports.get(id) ?? {};
            return { type, port, url };
          });
        }
      }
      return null;
    });
  }

  async relayed() {
    return (await this.path())?.some(({ type }) => type === 'relay') ?? null;
  }

  async say(text) {
    const open = this.page.getByRole('button', { name: /^Open chat/ });
    if (await open.isVisible()) await open.click();
    await this.page.getByRole('textbox', { name: 'Message' }).fill(text);
    await this.page.keyboard.press('Enter');
  }

  async join() {
    await this.press('Join');
  }

  async press(name) {
    await this.page.getByRole('button', { name, exact: true }).click();
  }

  // So many messages, one every so often, as fast as the page takes them.
  async sayMany(count, everyMs) {
    const open = this.page.getByRole('button', { name: /^Open chat/ });
    if (await open.isVisible()) await open.click();
    const began = Date.now();
    for (let n = 0; n < count; n++) {
      await this.page.getByRole('textbox', { name: 'Message' }).fill(`${this.name} ${n}`);
      await this.page.keyboard.press('Enter');
      await new Promise((done) => setTimeout(done, Math.max(0, began + (n + 1) * everyMs - Date.now())));
    }
  }

  // When so many messages were there; none if they did not come.
  async hasRead(count, withinMs) {
    const there = (n) => document.querySelectorAll('[role="log"] [data-msg][data-status="stored"]').length >= n;
    return this.page.waitForFunction(there, count, { timeout: withinMs, polling: 50 }).then(() => Date.now(), () => undefined);
  }

  async openChat() {
    const open = this.page.getByRole('button', { name: /^Open chat/ });
    if (await open.isVisible()) await open.click();
  }

  // As a browser treats a page that nobody looks at: it is told, and its timers run once a second.
  hide() {
    return this.page.evaluate(() => {
      for (const [name, value] of [['visibilityState', 'hidden'], ['hidden', true]]) Object.defineProperty(document, name, { get: () => value, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
      const real = window.setTimeout;
      window.setTimeout = (act, ms, ...rest) => real(act, Math.ceil((ms ?? 0) / 1_000) * 1_000, ...rest);
    });
  }

  unsettled() {
    return this.page.evaluate(() => window.__unsettled());
  }

  // The browser dies without a word, with everything in it.
  async kill() {
    this.network.killAll(this.at);
    this.gone = true;
  }

  messages() {
    return this.page.locator('[role="log"] [data-msg] .msg-body').allTextContents();
  }

  async stop() {
    await this.browser.close();
  }
}

// Runs in a page before its own scripts: the computer's clock is wrong by so much.
function wrongClock(ms) {
  const Real = Date;
  window.Date = class extends Real {
    constructor(...args) {
      super(...(args.length > 0 ? args : [Real.now() + ms]));
    }
    static now() {
      return Real.now() + ms;
    }
  };
}

// The longest time between two of these, from `from` on; what is still missing at `to` counts.
export function longestGap(times, from, to) {
  const before = times.filter((at) => at <= from).at(-1) ?? from;
  const within = times.filter((at) => at > from && at <= to);
  let [last, longest] = [before, 0];
  for (const at of [...within, to]) {
    longest = Math.max(longest, at - last);
    last = at;
  }
  return longest;
}

// When sound went on: the samples that were really heard.
export function heardTimes(audio) {
  return audio.filter(([, heard], n) => n > 0 && heard > audio[n - 1][1]).map(([at]) => at);
}

// From `from` on: when the list first had this value after it had another one; none if it never changed.
export function backAt(list, value, from) {
  const later = list.filter(([at]) => at >= from);
  const current = list.filter(([at]) => at < from).at(-1)?.[1];
  if (current !== value) return later.find(([, now]) => now === value)?.[0];
  const left = later.findIndex(([, now]) => now !== value);
  return left < 0 ? undefined : later.slice(left).find(([, now]) => now === value)?.[0];
}
