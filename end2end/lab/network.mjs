// The network of the lab: namespaces for servers and people, joined by the switch of end2end/netlab. Needs root.
import { execFileSync, spawn } from 'node:child_process';
import { connect } from 'node:net';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { ROOT } from '../support/server.mjs';

export const FERRET = resolve(ROOT, 'target/ferretdb');
export const NETLAB = resolve(ROOT, process.env.NETLAB ?? 'target/debug/netlab');

// Public-looking addresses: a hardened relay refuses private ones. The namespaces reach nothing outside.
const NETS = { srv: '45.1.0', cl1: '45.1.1', cl2: '45.1.2', cl3: '45.1.3' };
const DEVICE = 'lab0';
export const SERVER = `${NETS.srv}.10`;

const run = (file, ...args) => execFileSync(file, args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
const quiet = (file, ...args) => {
  try {
    return run(file, ...args);
  } catch {
    return '';
  }
};

// Why the lab cannot run here; empty if it can.
export function missing() {
  if (process.getuid() !== 0) return 'the lab needs root for network namespaces';
  for (const tool of ['ip', 'nft', 'turnserver', 'redis-server']) if (!quiet('which', tool)) return `the lab needs ${tool}`;
  if (!existsSync(FERRET)) return 'the lab needs target/ferretdb (scripts/build-ferretdb)';
  if (!existsSync(NETLAB)) return 'the lab needs its switch (cargo build -p netlab)';
  // What the lab does is tried once: a kernel or a container may forbid any of it.
  const probe = `hfprobe${process.pid % 10_000}`;
  try {
    run('ip', 'netns', 'add', probe);
    run('ip', '-n', probe, 'tuntap', 'add', 'dev', 'lab1', 'mode', 'tun');
    run('ip', 'netns', 'exec', probe, 'nft', 'add table inet lab; add chain inet lab out { type filter hook output priority 0; }');
    run('ip', 'netns', 'exec', probe, 'nft', 'add rule inet lab out oifname "lab1" meta l4proto udp counter drop');
  } catch (error) {
    return `network namespaces, TUN devices or nftables do not work here (${error.message.split('\n')[0]})`;
  } finally {
    quiet('ip', 'netns', 'del', probe);
  }
  return '';
}

let made = 0;

export class Network {
  static async start(people, seed = 1) {
    const network = new Network();
    network.id = `hf${process.pid % 10_000}x${(made += 1)}`;
    network.dir = mkdtempSync(join(tmpdir(), 'holdfast-lab-'));
    network.names = ['srv', ...Array.from({ length: people }, (_, n) => `cl${n + 1}`)];
    network.address = {};
    process.setMaxListeners(0); // One for each network of a long evening.
    process.once('exit', () => network.stop()); // Whatever happens, nothing of it stays behind.
    for (const name of network.names) {
      run('ip', 'netns', 'add', network.ns(name));
      network.in(name, 'ip', 'link', 'set', 'lo', 'up');
    }
    const ends = network.names.map((name) => `${network.ns(name)}=${NETS[name]}.0`);
    network.control = join(network.dir, 'switch');
    network.switch = spawn(NETLAB, ['shape', '--control', network.control, '--seed', String(seed), ...ends], { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((done, failed) => {
      network.switch.stdout.once('data', done);
      network.switch.once('exit', () => failed(new Error('the switch ended')));
    });
    for (const name of network.names) {
      network.host = { ...network.host, [name]: 10 };
      network.plug(name, 10);
      network.in(name, 'nft', 'add table inet lab; add chain inet lab in { type filter hook input priority 0; }; add chain inet lab out { type filter hook output priority 0; }');
    }
    return network;
  }

  ns(name) {
    return `${this.id}-${name}`;
  }

  in(name, ...command) {
    return run('ip', 'netns', 'exec', this.ns(name), ...command);
  }

  // Kills every process of an end.
  killAll(name) {
    for (const pid of quiet('ip', 'netns', 'pids', this.ns(name)).split('\n').filter(Boolean)) quiet('kill', '-9', pid);
  }

  spawnIn(name, command, args, options = {}) {
    return spawn('ip', ['netns', 'exec', this.ns(name), command, ...args], options);
  }

  // Gives an end its address and the way out.
  plug(name, host) {
    const address = `${NETS[name]}.${host}`;
    this.in(name, 'ip', 'addr', 'add', `${address}/32`, 'dev', DEVICE);
    this.in(name, 'ip', 'link', 'set', DEVICE, 'up');
    this.in(name, 'ip', 'route', 'replace', 'default', 'dev', DEVICE, 'src', address);
    this.address[name] = address;
  }

  // Another address, as when a laptop goes from one network to another.
  changeAddress(name) {
    const old = this.address[name];
    this.host[name] = this.host[name] >= 250 ? 10 : this.host[name] + 1;
    this.in(name, 'ip', 'addr', 'del', `${old}/32`, 'dev', DEVICE);
    this.plug(name, this.host[name]);
  }

  linkDown(name) {
    this.in(name, 'ip', 'link', 'set', DEVICE, 'down');
  }

  linkUp(name) {
    this.in(name, 'ip', 'link', 'set', DEVICE, 'up');
    this.in(name, 'ip', 'route', 'replace', 'default', 'dev', DEVICE, 'src', this.address[name]);
  }

  // Drops what matches, both ways; `all` for everything but the page's own loopback.
  drop(name, match) {
    const rule = match === 'all' ? `oifname "${DEVICE}"` : `oifname "${DEVICE}" ${match}`;
    this.in(name, 'nft', `add rule inet lab out ${rule} counter drop; add rule inet lab in ${rule.replace('oifname', 'iifname')} counter drop`);
  }

  // Ends every drop and answers how many packets they took: the canary.
  heal(name) {
    const text = this.in(name, 'nft', 'list table inet lab');
    this.in(name, 'nft', 'flush chain inet lab in; flush chain inet lab out');
    return [...text.matchAll(/counter packets (\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
  }

  order(order) {
    return new Promise((done, failed) => {
      const socket = connect(this.control);
      socket.once('error', failed);
      socket.once('data', (text) => {
        socket.end();
        const answer = JSON.parse(text);
        if (answer.error || (order.end && !answer[order.end])) failed(new Error(`the switch: ${answer.error ?? 'no such end'}`));
        else done(answer);
      });
      socket.write(`${JSON.stringify(order)}\n`);
    });
  }

  shape(name, up, down = up) {
    return this.order({ end: this.ns(name), up, down });
  }

  stop() {
    this.switch?.kill('SIGKILL');
    for (const name of this.names) {
      this.killAll(name);
      quiet('ip', 'netns', 'del', this.ns(name));
    }
    rmSync(this.dir, { recursive: true, force: true });
  }
}
