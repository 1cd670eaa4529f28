// The real coturn with the settings that are shipped, on this machine's loopback.
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT, freePort } from './server.mjs';

// Only what names a machine is set anew: ports, addresses, files.
const OURS = ['listening-port', 'tls-listening-port', 'pidfile', 'cert=', 'pkey='];

const listens = (port) =>
  new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', () => done(false)).once('connect', () => {
      socket.destroy();
      done(true);
    });
  });

// It takes connections a moment before it takes datagrams.
const answers = (port) =>
  new Promise((done) => {
    const socket = createSocket('udp4');
    const end = (value) => {
      socket.close();
      done(value);
    };
    const late = setTimeout(end, 300, false);
    socket.once('message', () => clearTimeout(late) ?? end(true));
    const binding = Buffer.concat([Buffer.from('000100002112a442', 'hex'), randomBytes(12)]);
    socket.send(binding, port, '127.0.0.1');
  });

export class Coturn {
  static async start(secret) {
    const coturn = new Coturn();
    coturn.dir = mkdtempSync(join(tmpdir(), 'holdfast-'));
    const [port, tls] = [await freePort(), await freePort()];
    coturn.urls = [`turn:localhost:${port}?transport=udp`, `turn:localhost:${port}?transport=tcp`, `turns:localhost:${tls}?transport=tcp`];
    const [pem, key, conf] = ['relay.pem', 'relay.key', 'turnserver.conf'].map((file) => join(coturn.dir, file));
    const made = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
    execFileSync('openssl', [...made, '-out', pem, '-keyout', key], { stdio: 'ignore' });
    const shipped = readFileSync(join(ROOT, 'deploy/coturn.conf'), 'utf8').split('\n');
    const own = [
      ...shipped.filter((line) => !OURS.some((name) => line.startsWith(name))),
      ...[`listening-port=${port}`, `tls-listening-port=${tls}`, 'listening-ip=127.0.0.1', 'relay-ip=127.0.0.1'],
      ...[`static-auth-secret=${secret}`, `cert=${pem}`, `pkey=${key}`, `pidfile=${join(coturn.dir, 'pid')}`],
    ];
    writeFileSync(conf, own.join('\n'));
    coturn.process = spawn('turnserver', ['-c', conf], { stdio: 'ignore' });
    for (const until = Date.now() + 10_000; !(await listens(port)) || !(await listens(tls)) || !(await answers(port)); ) {
      if (Date.now() > until) {
        coturn.stop();
        throw new Error('coturn does not listen');
      }
      await new Promise((done) => setTimeout(done, 50));
    }
    return coturn;
  }

  stop() {
    this.process.kill('SIGKILL');
    rmSync(this.dir, { recursive: true, force: true });
  }
}
