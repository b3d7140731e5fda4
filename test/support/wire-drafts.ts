import { createHash, randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { IncomingHttpHeaders } from 'node:http';
import { Queue } from './wire-queue.js';
import type { WsClosed, WsRefusal } from './wire-websocket.js';

/** The two keys of draft-hixie-76, section 1.2, with its third key and what a server answers. */
export const EXAMPLE = {
  key1: '18x 6]8vM;54 *(5:  {   U1]8  z [  8',
  key2: '1_ tx7X d  <  nw  334J702) 7]o}` 0',
  key3: 'Tm[K T2u',
  answer: 'fQJ,fN/4F4!~K~MH',
};

/** Number of a key: digits by spaces. Written down again, so that the server is not checked against itself. */
function numberOf(key: string): number {
  const spaces = [...key].filter((char) => char === ' ').length;
  return Number([...key].filter((char) => char >= '0' && char <= '9').join('')) / spaces;
}

/** The request of a client of the draft, without its third key. */
export function draftRequest(target: string, headers: Record<string, string | undefined> = {}): string {
  const lines = Object.entries({
    Host: '127.0.0.1',
    Upgrade: 'WebSocket',
    Connection: 'Upgrade',
    Origin: 'http://127.0.0.1',
    'Sec-WebSocket-Key1': EXAMPLE.key1,
    'Sec-WebSocket-Key2': EXAMPLE.key2,
    ...headers,
  })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
}

/** A WebSocket by draft-hixie-76: texts in, texts out. The last key leaves with the request, or some milliseconds later. */
export class DraftClient {
  readonly frames = new Queue<string>();
  readonly opened: Promise<{ headers: IncomingHttpHeaders }>;
  readonly closed: Promise<WsClosed>;
  readonly refused: Promise<WsRefusal>;
  readonly socket: Socket;
  private received = Buffer.alloc(0);
  private head = '';
  private isOpen = false;
  private wasClosed = false;

  constructor(url: string, headers: Record<string, string> = {}, keyDelay = 0) {
    const { hostname, port, host, pathname, search } = new URL(url);
    const key3 = randomBytes(8);
    this.socket = connect(Number(port), hostname);
    const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [named(name), value]));
    // what a page embeds has none
    const origin = 'sec-fetch-site' in headers ? undefined : `http://${host}`;
    this.socket.write(draftRequest(pathname + search, { Host: host, Origin: origin, ...given }), 'latin1');
    if (keyDelay > 0) setTimeout(() => this.socket.write(key3), keyDelay);
    else this.socket.write(key3);
    this.closed = new Promise((resolve) =>
      this.socket.on('close', () => resolve({ code: undefined as never, reason: '' })),
    );
    let open!: (response: { headers: IncomingHttpHeaders }) => void;
    let refuse!: (refusal: WsRefusal) => void;
    this.refused = new Promise((resolve) => (refuse = resolve));
    this.opened = new Promise((resolve, reject) => {
      open = resolve;
      void this.refused.then(({ status }) => reject(new Error(`refused with ${status}`)));
    });
    this.opened.catch(() => {}); // those who care await it
    this.socket.on('error', () => {}); // told by `closed`
    this.socket.on('data', (chunk: Buffer) => {
      this.received = Buffer.concat([this.received, chunk]);
      if (!this.isOpen) this.readHead(key3, open);
      if (this.isOpen) this.readFrames();
    });
    void this.closed.then((closed) => {
      const [head, body = ''] = this.received.toString('latin1').split('\r\n\r\n');
      const status = /^HTTP\/1\.1 (\d+)/.exec(head!)?.[1];
      refuse(
        this.isOpen || status === undefined || status === '101'
          ? { body: '', closed }
          : { status: Number(status), body },
      );
    });
  }

  next(): Promise<string> {
    return this.frames.next();
  }

  send(text: string | Buffer): Promise<void> {
    const bytes = Buffer.concat([Buffer.from([0]), Buffer.from(String(text)), Buffer.from([0xff])]);
    return new Promise((resolve) => this.socket.write(bytes, () => resolve()));
  }

  close(): Promise<WsClosed> {
    this.wasClosed = true;
    this.socket.write(Buffer.from([0xff, 0]));
    return this.closed;
  }

  cut(): void {
    this.socket.destroy();
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  private readHead(key3: Buffer, open: (response: { headers: IncomingHttpHeaders }) => void): void {
    const end = this.received.indexOf('\r\n\r\n');
    if (end < 0 || !this.received.toString('latin1').startsWith('HTTP/1.1 101 ')) return;
    if (this.received.length < end + 20) return;
    this.head = this.received.toString('latin1', 0, end);
    const challenge = Buffer.alloc(8);
    challenge.writeUInt32BE(numberOf(EXAMPLE.key1), 0);
    challenge.writeUInt32BE(numberOf(EXAMPLE.key2), 4);
    const digest = createHash('md5').update(challenge).update(key3).digest();
    if (!digest.equals(this.received.subarray(end + 4, end + 20))) throw new Error('the answer to the keys is wrong');
    this.received = this.received.subarray(end + 20);
    this.isOpen = true;
    const headers: IncomingHttpHeaders = {};
    for (const line of this.head.split('\r\n').slice(1)) {
      const colon = line.indexOf(': ');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 2);
      // as node:http has them
      if (name === 'set-cookie') (headers[name] ??= []).push(value);
      else headers[name] = value;
    }
    open({ headers });
  }

  private readFrames(): void {
    while (this.received.length > 1) {
      if (this.received[0] === 0xff) {
        if (!this.wasClosed) this.socket.write(Buffer.from([0xff, 0]));
        this.wasClosed = true;
        this.received = this.received.subarray(2);
        continue;
      }
      const end = this.received.indexOf(0xff);
      if (end < 0) return;
      this.frames.push(this.received.toString('utf8', 1, end));
      this.received = this.received.subarray(end + 1);
    }
  }
}

/** Header names as the request has them, so that a test's replace its own. */
function named(name: string): string {
  return name.toLowerCase() === 'origin' ? 'Origin' : name.toLowerCase() === 'host' ? 'Host' : name;
}
