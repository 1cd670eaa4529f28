// Stands before a server and passes everything on; told to, it is a server of another version instead.
import { createHash } from 'node:crypto';
import { connect, createServer } from 'node:net';

const CLOSE = Buffer.concat([Buffer.from([0x88, 9, 4_000 >> 8, 4_000 & 255]), Buffer.from('version')]);

export class Door {
  static async open(port) {
    const door = new Door();
    door.port = port;
    door.ours = true;
    door.refused = 0;
    door.sockets = new Set();
    door.listener = createServer((page) => door.pass(page));
    await new Promise((done) => door.listener.listen(0, '127.0.0.1', done));
    return door;
  }

  get url() {
    return `http://localhost:${this.listener.address().port}`;
  }

  pass(page) {
    this.sockets.add(page);
    page.on('close', () => this.sockets.delete(page)).on('error', () => {});
    if (this.ours) {
      const server = connect(this.port, '127.0.0.1');
      server.on('error', () => page.destroy()).on('close', () => page.destroy());
      page.on('close', () => server.destroy());
      page.pipe(server).pipe(page);
      return;
    }
    this.refused += 1;
    page.once('data', (head) => {
      const key = /sec-websocket-key: *(\S+)/i.exec(head.toString())?.[1];
      if (!key) return page.end('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nconnection: close\r\n\r\n');
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      const protocol = /sec-websocket-protocol: *(\S+)/i.exec(head.toString())?.[1];
      page.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\nsec-websocket-protocol: ${protocol}\r\n\r\n`,
      );
      page.once('data', () => page.write(CLOSE)); // After its first message.
    });
  }

  becomeAnotherVersion() {
    this.ours = false;
    this.cut();
  }

  becomeOurs() {
    this.ours = true;
    this.cut();
  }

  cut() {
    for (const page of this.sockets) page.destroy();
  }

  async close() {
    this.cut();
    await new Promise((done) => this.listener.close(done));
  }
}
