// Real browsers, each in its own namespace, and what their people experienced.
import { chromium } from '@playwright/test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CHROMIUM, FLAGS } from '../playwright.config.mjs';
import { probe } from './probe.mjs';
import { URL_OF_LAB } from './services.mjs';

export class Person {
  static async start(network, index, plain = false) {
    const person = new Person();
    const name = `cl${index}`;
    Object.assign(person, { network, at: name, name: ['Ana', 'Bo', 'Cy'][index - 1], plain });
    // The browser runs in its namespace; Playwright speaks to it over a pipe, which knows no namespaces.
    const wrapper = join(network.dir, `chromium-${name}`);
    writeFileSync(wrapper, `#!/bin/sh\nexec ip netns exec ${network.ns(name)} ${CHROMIUM} "$@"\n`, { mode: 0o755 });
    const args = [...FLAGS, `--unsafely-treat-insecure-origin-as-secure=${URL_OF_LAB}`, '--autoplay-policy=no-user-gesture-required'];
    person.browser = await chromium.launch({ executablePath: wrapper, args });
    return person;
  }

  async open(room, join = true) {
    this.context ??= await this.browser.newContext({ permissions: ['camera', 'microphone'], viewport: { width: 640, height: 480 } });
    this.page = await this.context.newPage();
    await this.page.addInitScript(probe);
    const more = this.plain ? '&debug=1&plain=1' : '';
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

  async relayed() {
    return this.page.evaluate(async () => {
      for (const pc of window.__seen.connections) {
        if (pc.connectionState === 'closed') continue;
        const reports = await pc.getStats();
        for (const report of reports.values()) {
          if (report.type !== 'transport' || !report.selectedCandidatePairId) continue;
          const pair = reports.get(report.selectedCandidatePairId);
          return [pair.localCandidateId, pair.remoteCandidateId].some((id) => reports.get(id)?.candidateType === 'relay');
        }
      }
      return null;
    });
  }

  async say(text) {
    const open = this.page.getByRole('button', { name: /^Open chat/ });
    if (await open.isVisible()) await open.click();
    await this.page.getByRole('textbox', { name: 'Message' }).fill(text);
    await this.page.keyboard.press('Enter');
  }

  async join() {
    await this.page.getByRole('button', { name: 'Join', exact: true }).click();
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
