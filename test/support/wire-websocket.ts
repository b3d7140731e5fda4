import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import { Queue } from './wire-queue.js';

export interface WsClosed {
  code: number;
  reason: string;
}

export interface WsRefusal {
  /** HTTP status of the refusal; undefined when the server accepted the upgrade and closed it afterwards. */
  status?: number;
  body: string;
  closed?: WsClosed;
}

/** A WebSocket without any knowledge of Engine.IO: frames in, frames out. */
export class WsClient {
  readonly frames = new Queue<string | Buffer>();
  readonly opened: Promise<IncomingMessage>;
  readonly closed: Promise<WsClosed>;
  readonly refused: Promise<WsRefusal>;

  constructor(
    url: string,
    options: WebSocket.ClientOptions = {},
    readonly ws = new WebSocket(url, { perMessageDeflate: false, ...options }),
  ) {
    let accepted: IncomingMessage | undefined;
    ws.on('upgrade', (response) => (accepted = response));
    ws.on('message', (data: Buffer, isBinary) => this.frames.push(isBinary ? data : data.toString()));
    // the failure is told by `closed` and `refused`
    ws.on('error', () => {});
    this.closed = new Promise((resolve) =>
      ws.on('close', (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    this.opened = new Promise((resolve, reject) => {
      ws.on('open', () => resolve(accepted as IncomingMessage));
      ws.on('error', reject);
      ws.on('unexpected-response', (_req, res) => reject(new Error(`upgrade refused with status ${res.statusCode}`)));
    });
    this.opened.catch(() => {}); // those who care await it
    this.refused = new Promise((resolve) => {
      ws.on('unexpected-response', (_req, res) => {
        let body = '';
        const done = () => {
          resolve({ status: res.statusCode, body });
          ws.terminate();
        };
        res.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
        res.on('end', done).on('error', done);
      });
      void this.closed.then((closed) => resolve({ body: '', closed }));
    });
  }

  send(data: string | Buffer): Promise<void> {
    return new Promise((resolve, reject) => this.ws.send(data, (error) => (error ? reject(error) : resolve())));
  }

  next(): Promise<string | Buffer> {
    return this.frames.next();
  }

  close(): Promise<WsClosed> {
    this.ws.close();
    return this.closed;
  }

  /** Takes nothing off the connection. */
  pause(): void {
    this.ws.pause();
  }

  resume(): void {
    this.ws.resume();
  }

  /** Cuts the connection without a close frame. */
  cut(): void {
    this.ws.terminate();
  }
}
