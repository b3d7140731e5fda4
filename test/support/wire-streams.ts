import { request, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import { ask, type Answer } from './wire-http.js';
import type { ClientClosed } from './wire-rows.js';
import { pageHeaders, pageQuery, parserFor, type StreamName } from './wire-parsers.js';
import { Queue } from './wire-queue.js';

/** Bytes after which a client that counts has to confirm. */
const CONFIRM_BYTES = 64 * 1024;

/** Milliseconds after the handshake, and far below the 10 s allowed, in which a client that was silent confirms. */
const CONFIRM_WITHIN = 2_000;

export interface StreamOptions {
  /** URL of the engine with EIO and transport, without sid and resume. */
  url: string;
  transport: StreamName;
  /** Whether to ask for resume. */
  resume: boolean;
  /** The session, when this is the candidate of an upgrade. */
  sid?: string | undefined;
  headers?: Record<string, string>;
  agent?: Agent | undefined;
}

/**
 * A client of a streaming transport, as docs/protocol.md describes it and by node:http alone: packets in, packets out,
 * without knowledge of what they mean beyond the open and the close packet.
 */
export class StreamClient {
  /** Encoded packets, in order: text, or a binary message. */
  readonly packets = new Queue<string | Buffer>();
  readonly opened: Promise<IncomingMessage>;
  readonly closed: Promise<ClientClosed>;
  /** How many responses were opened, and how many of them ended without their mark. */
  responses = 0;
  cuts = 0;
  /** How many POSTs were sent again. */
  retries = 0;
  /** Highest frame number up to which all have come. */
  received = 0;
  private sid: string | undefined;
  private unconfirmed = 0;
  private posts: Promise<unknown> = Promise.resolve();
  private postNumber = 0;
  private get: ClientRequest | null = null;
  private response: IncomingMessage | null = null;
  private isReading = true;
  private isLeaving = false;
  private isOver = false;
  private readonly abort = new AbortController();
  private finish!: (how: ClientClosed) => void;
  private resolveOpened!: (response: IncomingMessage) => void;
  private rejectOpened!: (error: Error) => void;
  private parked: Promise<void> = Promise.resolve();
  private confirmTimer: NodeJS.Timeout | undefined;

  constructor(private readonly options: StreamOptions) {
    this.sid = options.sid;
    this.opened = new Promise((resolve, reject) => {
      this.resolveOpened = resolve;
      this.rejectOpened = reject;
    });
    this.opened.catch(() => {}); // those who care await it
    this.closed = new Promise((resolve) => {
      this.finish = (how) => {
        this.isOver = true;
        clearTimeout(this.confirmTimer);
        resolve(how);
      };
    });
    this.attach();
  }

  /** The next packet that came. */
  next(): Promise<string | Buffer> {
    return this.packets.next();
  }

  /** Sends a packet, or does nothing when the session is over; `closed` tells. */
  async send(packet: string | Buffer): Promise<void> {
    const body = typeof packet === 'string' ? packet : `b${packet.toString('base64')}`;
    await this.post(body).catch((answer: unknown) => {
      if (answer instanceof Error) throw answer;
    });
  }

  /** Sends a body, one after the other; rejects with an Answer that is not 200. */
  post(body: string): Promise<void> {
    const sent = this.posts.then(() => this.postNow(body));
    this.posts = sent.catch(() => {}); // told by `sent`
    return sent;
  }

  /** Stops taking bytes off the connection, so that the server has to wait. */
  stopReading(): void {
    this.isReading = false;
    this.response?.pause();
  }

  startReading(): void {
    this.isReading = true;
    this.response?.resume();
  }

  /** Leaves for another transport: resolves when the last response has come to its planned end and no POST is open. */
  async leave(): Promise<void> {
    this.isLeaving = true;
    await this.parked;
    await this.posts;
  }

  /** Ends the session as a well-behaved client does. */
  async close(): Promise<void> {
    await this.post('1');
    this.finish({ how: 'connection closed' });
    await this.parked;
  }

  /** Leaves without goodbye. */
  cut(): void {
    this.finish({ how: 'connection lost' });
    this.abort.abort();
    this.get?.destroy();
  }

  /** Opens a response besides the one that is open. */
  attach(): void {
    this.parked = this.stream().catch((error: Error) => {
      this.rejectOpened(error);
      this.finish({ how: 'connection lost' });
    });
  }

  /** The URL of a request of this session. */
  urlOf(query: Record<string, string | number> = {}): string {
    const url = new URL(this.options.url);
    if (this.sid !== undefined) url.searchParams.set('sid', this.sid);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    return url.href;
  }

  private async postNow(body: string): Promise<void> {
    const { resume, headers, agent } = this.options;
    for (;;) {
      const query: Record<string, number> = resume ? { seq: this.postNumber + 1, ack: this.received } : {};
      this.unconfirmed = 0;
      clearTimeout(this.confirmTimer);
      let answer: Answer;
      try {
        answer = await ask(this.urlOf(query), {
          method: 'POST',
          body,
          headers: { ...headers, 'content-type': 'text/plain;charset=UTF-8' },
          signal: this.abort.signal,
          agent,
        });
      } catch (error) {
        if (!resume || this.isOver) throw error;
        this.retries++;
        continue;
      }
      if (answer.status !== 200 || answer.text !== 'ok') throw answer;
      this.postNumber++;
      return;
    }
  }

  private async stream(): Promise<void> {
    for (;;) {
      let ending: 'planned' | 'cut' | 'refused';
      try {
        ending = await this.readResponse();
      } catch (error) {
        // no answer at all
        if (this.isOver) return;
        if (!this.options.resume || this.received === 0) throw error;
        ending = 'cut';
      }
      if (this.isOver || ending === 'refused') return;
      if (ending === 'cut') {
        this.cuts++;
        if (!this.options.resume) return this.finish({ how: 'connection lost' });
      } else if (this.isLeaving) {
        return;
      }
    }
  }

  private readResponse(): Promise<'planned' | 'cut' | 'refused'> {
    const { resume, headers, agent, transport } = this.options;
    this.responses++;
    const isFirst = this.responses === 1;
    const query: Record<string, string | number> = {};
    if (resume && isFirst) query['resume'] = 1;
    if (resume && !isFirst) query['ack'] = this.received;
    this.unconfirmed = 0;
    return new Promise((resolve, reject) => {
      const url = `${this.urlOf(query)}${pageQuery(transport, this.options.url, headers)}`;
      const get = request(url, { agent: agent ?? false, headers: pageHeaders(transport, url, headers) });
      this.get = get;
      get.on('error', reject);
      get.on('response', (response) => {
        if (response.statusCode !== 200) {
          response.resume();
          this.rejectOpened(new Error(`handshake answered ${response.statusCode}`));
          this.finish({ how: 'refused', status: response.statusCode! });
          return resolve('refused');
        }
        this.response = response;
        const parser = parserFor(transport);
        let number = resume ? -1 : 0;
        let isPlanned = false;
        response.on('data', (chunk: Buffer) => {
          // in two pieces, for a reader must not depend on where chunks end
          const cut = (chunk.length * 7919) % 13;
          for (const piece of [chunk.subarray(0, cut), chunk.subarray(cut)]) {
            for (const item of parser.push(piece)) {
              if (item.kind === 'position') number = item.next - 1;
              else if (item.kind === 'end') isPlanned = true;
              else if (resume && number < 0) throw new Error('a frame before the position of the response');
              else this.takeFrame(++number, item.packets);
            }
          }
          this.unconfirmed += chunk.length;
          if (resume && this.unconfirmed >= CONFIRM_BYTES) this.confirm();
        });
        response.on('error', () => {}); // also a 'close'
        response.on('close', () => {
          if (this.response === response) this.response = null;
          resolve(isPlanned ? 'planned' : 'cut');
        });
        if (!this.isReading) response.pause();
        this.resolveOpened(response);
      });
      get.end();
    });
  }

  private takeFrame(number: number, packets: (string | Buffer)[]): void {
    if (this.options.resume) {
      if (number <= this.received) return;
      if (number !== this.received + 1) throw new Error(`frame ${number} after ${this.received}`);
      this.received = number;
    }
    for (const packet of packets) {
      if (this.sid === undefined && typeof packet === 'string' && packet.startsWith('0')) {
        this.sid = JSON.parse(packet.slice(1)).sid;
        if (this.options.resume) this.confirmTimer = setTimeout(() => this.confirm(), CONFIRM_WITHIN);
      }
      this.packets.push(packet);
      if (packet === '1') this.finish({ how: 'close packet' });
    }
  }

  private confirm(): void {
    if (this.isOver || this.sid === undefined) return;
    // refused: the session is over, which `closed` tells
    this.post('').catch(() => {});
  }
}
