// Starts the release server on free ports with a folder of its own, and stops or kills it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');

export function freePort() {
  return new Promise((done, failed) => {
    const probe = createServer();
    // Below the ports that connections start from: a connection to a port nobody listens on yet could reach itself.
    const wanted = 10_000 + Math.floor(Math.random() * 22_000);
    probe.once('error', () => freePort().then(done, failed));
    probe.listen(wanted, '127.0.0.1', () => {
      const { port } = probe.address();
      probe.close(() => done(port));
    });
  });
}

export class Server {
  static async start(env = {}) {
    const server = new Server();
    server.port = await freePort();
    server.data = mkdtempSync(join(tmpdir(), 'holdfast-'));
    server.env = env;
    await server.run();
    return server;
  }

  get url() {
    return `http://localhost:${this.port}`;
  }

  async run() {
    this.log = '';
    this.process = spawn(process.env.HOLDFAST_BIN ?? join(ROOT, 'target/release/holdfast'), {
      cwd: ROOT,
      env: {
        ...process.env,
        HOLDFAST_ADDR: `127.0.0.1:${this.port}`,
        HOLDFAST_DATA_DIR: this.data,
        TURN_ADDR: '127.0.0.1:0',
        ...this.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.ended = new Promise((done) => this.process.once('exit', (code, signal) => done({ code, signal })));
    this.process.stderr.on('data', (text) => (this.log += text));
    this.process.stdout.on('data', (text) => (this.log += text));
    const until = Date.now() + 10_000;
    while (Date.now() < until) {
      if (await fetch(`${this.url}/readyz`).then((answer) => answer.ok, () => false)) return;
      await new Promise((done) => setTimeout(done, 25));
    }
    throw new Error(`the server did not become ready:\n${this.log}`);
  }

  async signal(name) {
    this.process.kill(name);
    return this.ended;
  }

  async stop() {
    if (this.process.exitCode === null && this.process.signalCode === null) await this.signal('SIGKILL');
    rmSync(this.data, { recursive: true, force: true });
  }
}
