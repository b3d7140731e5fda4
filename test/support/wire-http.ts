import { request, type Agent, type ClientRequest, type IncomingHttpHeaders } from 'node:http';
import { connect, type Socket } from 'node:net';

export interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
  text: string;
}

export interface Ask {
  method?: string;
  headers?: Record<string, string | string[]>;
  body?: string | Buffer;
  /** Aborting it cuts the TCP connection, as a closed browser tab does. */
  signal?: AbortSignal;
  /** Keeps connections for more than one request; without it each request has its own. */
  agent?: Agent | undefined;
}

/** One HTTP request, on a connection of its own unless there is an agent. Rejects when the connection ends before the answer is complete. */
export function ask(url: string, { method = 'GET', headers = {}, body, signal, agent }: Ask = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const req = request(url, { method, agent: agent ?? false, headers: { ...length, ...headers }, signal });
    req.on('error', reject);
    collect(req, resolve, reject);
    req.end(body);
  });
}

/** Status and headers of an answer whose body may have no end; the connection is cut after them. */
export function headOf(url: string, { headers = {} }: Ask = {}): Promise<Pick<Answer, 'status' | 'headers'>> {
  return new Promise((resolve, reject) => {
    const req = request(url, { agent: false, headers });
    req.on('error', reject);
    req.on('response', (res) => {
      res.on('error', () => {}); // cut by ourselves
      req.destroy();
      resolve({ status: res.statusCode ?? 0, headers: res.headers });
    });
    req.end();
  });
}

/** Resolves with the whole answer of a request that somebody else writes and ends. */
export function answerOf(req: ClientRequest): Promise<Answer> {
  return new Promise((resolve, reject) => {
    req.on('error', reject);
    collect(req, resolve, reject);
  });
}

function collect(req: ClientRequest, resolve: (answer: Answer) => void, reject: (error: Error) => void): void {
  req.on('response', (res) => {
    const chunks: Buffer[] = [];
    res.on('data', (chunk: Buffer) => chunks.push(chunk));
    res.on('error', reject);
    res.on('end', () => {
      const whole = Buffer.concat(chunks);
      resolve({ status: res.statusCode ?? 0, headers: res.headers, body: whole, text: whole.toString() });
    });
  });
}

/** A bare TCP connection, for bytes that no HTTP client would send. */
export class RawConnection {
  readonly socket: Socket;
  /** Resolves with everything the server sent once it has ended or cut the connection. */
  readonly ended: Promise<string>;
  private received = '';
  private waiting: (() => void)[] = [];

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1');
    this.socket.setEncoding('latin1');
    this.socket.on('data', (chunk) => {
      this.received += chunk;
      this.wake();
    });
    // a reset is one of the answers these tests provoke on purpose
    this.socket.on('error', () => {});
    this.ended = new Promise((resolve) => {
      this.socket.on('close', () => {
        resolve(this.received);
        this.wake();
      });
    });
  }

  write(data: string | Buffer): this {
    this.socket.write(data);
    return this;
  }

  /** Waits until the server has sent something that matches; fails if the connection ends first. */
  async until(pattern: RegExp): Promise<string> {
    while (!pattern.test(this.received)) {
      if (this.socket.destroyed) throw new Error(`the connection ended after ${JSON.stringify(this.received)}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
    return this.received;
  }

  /** Everything received so far. */
  get text(): string {
    return this.received;
  }

  /** Ends the connection with a TCP reset, the harshest way a peer can leave. */
  reset(): void {
    this.socket.resetAndDestroy();
  }

  private wake(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** The text of an HTTP request. A `host` header is added; header values are sent as they are. */
export function requestText(method: string, target: string, headers: Record<string, string> = {}, body = ''): string {
  const lines = Object.entries({ host: '127.0.0.1', ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n${body}`;
}

/** The request that opens a WebSocket, with a fixed valid key. */
export function upgradeText(target: string, headers: Record<string, string> = {}): string {
  return requestText('GET', target, {
    connection: 'Upgrade',
    upgrade: 'websocket',
    'sec-websocket-version': '13',
    'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  });
}
