// What runs in the servers' namespace: two Holdfast servers on one Redis behind a balancer, and relays.
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/server.mjs';
import { FERRET, NETLAB, SERVER } from './network.mjs';

export const URL_OF_LAB = `http://${SERVER}:3000`;
const SECRET = 'the-secret-of-the-lab-of-at-least-32-characters';

export class Services {
  static async start(network, { relays = 1, ttl = 300, redis_keeps = true } = {}) {
    const services = new Services();
    Object.assign(services, { network, relays, ttl, redis_keeps, running: new Map() });
    services.startRedis();
    services.launch('archive', FERRET, ['--addr', '127.0.0.1:27017', '--dir', network.dir]);
    services.startRelays();
    await new Promise((done) => setTimeout(done, 1_000)); // FerretDB does not bear two clients that begin at once.
    services.launch('balancer', NETLAB, ['balance', '--listen', `${SERVER}:3000`, `${SERVER}:3001`, `${SERVER}:3002`]);
    services.startServers();
    await services.ready();
    return services;
  }

  launch(name, command, args, env = {}) {
    const child = this.network.spawnIn('srv', command, args, { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
    const log = [];
    child.stdout.on('data', (text) => log.push(text.toString()));
    child.stderr.on('data', (text) => log.push(text.toString()));
    this.running.set(name, { child, log });
  }

  startServers() {
    for (const n of [1, 2]) {
      const data = join(this.network.dir, `data${n}`);
      mkdirSync(data, { recursive: true });
      this.launch(`server${n}`, join(ROOT, 'target/release/holdfast'), [], {
        HOLDFAST_ADDR: `${SERVER}:300${n}`,
        HOLDFAST_DATA_DIR: data,
        HOLDFAST_SECRET: SECRET,
        HOLDFAST_ADMIN_TOKEN: SECRET,
        HOLDFAST_TRUST_JOIN: 'true', // Over plain http browsers do not say where a link was.
        REDIS_URL: 'redis://127.0.0.1:6379',
        MONGODB_URI: 'mongodb://127.0.0.1:27017/lab',
        HOLDFAST_SITE_DIR: join(ROOT, 'target/site'),
        TURN_EMBEDDED: 'false',
        ...(this.relays > 0 && { TURN_URLS: this.relayUrls().join(','), TURN_SECRET: SECRET, TURN_TTL_S: String(this.ttl) }),
      });
    }
  }

  relayUrls() {
    const urls = [];
    for (let n = 0; n < this.relays; n++) {
      urls.push(`turn:${SERVER}:${3478 + n}?transport=udp`, `turn:${SERVER}:${3478 + n}?transport=tcp`);
    }
    return urls;
  }

  // Those that do not run.
  startRelays() {
    for (let n = 0; n < this.relays; n++) if (!this.runs(`relay${n}`)) this.startRelay(n);
  }

  runs(name) {
    const child = this.running.get(name)?.child;
    return child !== undefined && child.exitCode === null && child.signalCode === null;
  }

  // The relay as it is shipped: its settings are those of deploy/, with the lab's addresses and secret.
  startRelay(n) {
    const shipped = readFileSync(join(ROOT, 'deploy/coturn.conf'), 'utf8')
      .replace(/^listening-port=.*$/m, `listening-port=${3478 + n}`)
      .replace(/^min-port=.*$/m, `min-port=${49_160 + 200 * n}`)
      .replace(/^max-port=.*$/m, `max-port=${49_359 + 200 * n}`)
      .replace(/^pidfile=.*$/m, `pidfile=${join(this.network.dir, `turn${n}.pid`)}`);
    const file = join(this.network.dir, `turn${n}.conf`);
    writeFileSync(file, `${shipped}\nlistening-ip=${SERVER}\nrelay-ip=${SERVER}\nstatic-auth-secret=${SECRET}\n`);
    this.launch(`relay${n}`, 'turnserver', ['-c', file]);
  }

  // Which relay this side of a path is on: its server is named, or it has one of the relay's ports.
  relayOf({ type, port, url }) {
    if (type !== 'relay') return undefined;
    const named = url?.match(/:(\d+)(\?|$)/)?.[1];
    return named ? Number(named) - 3478 : Math.floor((port - 49_160) / 200);
  }

  // A step kills what runs; the end of the lab kills whatever still does.
  async kill(name, signal = 'SIGKILL', must = true) {
    const { child } = this.running.get(name);
    if (!this.runs(name)) {
      if (must) throw new Error(`${name} is not running`);
      return;
    }
    child.kill(signal);
    await once(child, 'exit');
  }

  // Every append on the disk before its answer; or nothing, so that it comes back empty.
  startRedis() {
    const kept = this.redis_keeps ? ['--appendonly', 'yes', '--appendfsync', 'always'] : ['--appendonly', 'no'];
    this.launch('redis', 'redis-server', ['--port', '6379', '--bind', '127.0.0.1', '--save', '', ...kept, '--dir', this.network.dir]);
  }

  // It takes connections and answers nobody, until it goes on.
  hangRedis(on) {
    this.running.get('redis').child.kill(on ? 'SIGSTOP' : 'SIGCONT');
  }

  // Everything that Redis keeps is gone.
  flushRedis() {
    this.network.in('srv', 'redis-cli', '-p', '6379', 'flushall');
  }

  // How many sockets each server has.
  sockets() {
    return [1, 2].map((n) => {
      const text = this.network.in('srv', 'curl', '-s', '-H', `Authorization: Bearer ${SECRET}`, `http://${SERVER}:300${n}/metrics`);
      return Number(text.match(/^holdfast_sockets (\d+)/m)?.[1]);
    });
  }

  // What a room keeps, oldest first, asked of its first server.
  history(room) {
    const text = this.network.in('srv', 'curl', '-s', `http://${SERVER}:3001/api/v1/rooms/${room}/messages?limit=200`);
    return JSON.parse(text).messages.map(({ body }) => body);
  }

  // Every connection through the balancer ends with RST.
  resetConnections() {
    this.running.get('balancer').child.kill('SIGUSR1');
  }

  killServers() {
    return Promise.all(['server1', 'server2'].map((name) => this.kill(name)));
  }

  async ready() {
    const until = Date.now() + 20_000;
    while (Date.now() < until) {
      try {
        const answer = this.network.in('srv', 'curl', '-s', '-o', '/dev/null', '-w', '%{http_code}', `${URL_OF_LAB}/readyz`);
        if (answer.trim() === '200') return;
      } catch {
        // Not yet.
      }
      await new Promise((done) => setTimeout(done, 100));
    }
    throw new Error(`the servers did not become ready:\n${[...this.running].map(([name, { log }]) => `${name}: ${log.join('').slice(-500)}`).join('\n')}`);
  }

  async stop() {
    for (const name of [...this.running.keys()].reverse()) await this.kill(name, 'SIGKILL', false);
  }
}
