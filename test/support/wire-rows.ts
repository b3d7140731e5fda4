import type { IncomingHttpHeaders } from 'node:http';
import { ask, type Answer } from './wire-http.js';
import { WsClient } from './wire-websocket.js';
import {
  decodeFrame,
  decodePayload,
  decodeText,
  encodeFrame,
  encodePayload,
  encodeText,
  message,
  type Protocol,
  type WirePacket,
} from './wire-codec.js';
import { DraftClient } from './wire-drafts.js';
import { ours, type Harness, type Target } from './wire-engine.js';
import { PLAIN, SCRIPT, type PollForm } from './wire-forms.js';
import { pageHeaders, pageQuery, type StreamName } from './wire-parsers.js';
import { Queue } from './wire-queue.js';
import { StreamClient } from './wire-streams.js';
import { memorySessions, WebTransportClient } from './wire-webtransport.js';

/** The JSON of the open packet. */
export interface Handshake {
  sid: string;
  upgrades: string[];
  pingInterval: number;
  pingTimeout: number;
  maxPayload: number;
}

/** How a client learnt that its session is over. */
export interface ClientClosed {
  how: 'close packet' | 'refused' | 'connection closed' | 'connection lost';
  status?: number;
  code?: number;
}

export interface Connection {
  readonly sid: string;
  readonly handshake: Handshake;
  /** Headers of the response that carried the open packet. */
  readonly headers: IncomingHttpHeaders;
  /** Resolves when the server has taken the packets (HTTP) or they are written (WebSocket); rejects with an Answer. */
  send(...packets: WirePacket[]): Promise<void>;
  /** The next packet that is not a noop. */
  receive(): Promise<WirePacket>;
  /** Stops receiving; resolves when no request of ours is parked at the server. */
  pause(): Promise<void>;
  resume(): void;
  /** Ends the session as a well-behaved client does. */
  close(): Promise<void>;
  /** Leaves without goodbye. */
  drop(): void;
  readonly closed: Promise<ClientClosed>;
}

export interface OpenOptions {
  query?: string;
  headers?: Record<string, string>;
  /** Open, but receive nothing before resume() is called. */
  paused?: boolean;
}

export interface Refused {
  status: number;
  message: string;
  /** Only HTTP answers carry the numeric code. */
  code?: number;
  headers?: IncomingHttpHeaders;
}

/** A transport that a session may move to: encoded packets, text or binary, as they travel. */
export interface Candidate {
  readonly opened: Promise<unknown>;
  readonly closed: Promise<unknown>;
  send(packet: string | Buffer): Promise<unknown>;
  next(): Promise<string | Buffer>;
  /** Leaves without goodbye. */
  cut(): void;
}

/** One transport in one protocol revision, seen from the client. Another transport joins the suite by another row. */
export interface Row {
  name: string;
  transport: string;
  /** Its name in the `transports` option. */
  option: string;
  protocol: Protocol;
  /** What its open packet offers when every transport of the suite is enabled. */
  upgrades: string[];
  open(target: Target, options?: OpenOptions): Promise<Connection>;
  /** A handshake that is expected to fail. `query` replaces EIO and transport when it names them. */
  refused(target: Target, options?: OpenOptions): Promise<Refused>;
  /** Bytes that count against maxPayload when this packet is sent alone. */
  wireSize(packet: WirePacket): number;
  /** Bytes that a packet may have, however large `maxHttpBufferSize` is. */
  mostBytes?: number;
  /** What a packet over the limit leads to. */
  oversize: { answer: { status: number } | { closeCode: number | undefined }; sessionReason: string | undefined };
  /** Close reason of the session when the client leaves by close() and by drop(). */
  reasons: { close: string; drop: string };
  /** Engine options under which it is soon noticed that a client has vanished: none where its connection tells. */
  vanishing: { pingInterval?: number; pingTimeout?: number };
  /** HTTP status of a refusal, by error code. */
  refusalStatus(code: number): number;
  /** Whether every packet exchange is an HTTP response with headers of its own. */
  answersPerExchange: boolean;
  /** What the query of the first POST has besides the session id. */
  postQuery: string;
  /** What the query of a GET has besides, for a server of this URL. */
  getQuery(url: string): string;
  /** Whether a session may be asked by GET again while its first one is open, or was answered. */
  takesAnotherGet: boolean;
  /** Whether text that UTF-8 cannot hold comes down as it was. */
  keepsLoneSurrogates: boolean;
  /** The transport as the candidate of a session's upgrade. */
  candidate(target: Target, sid: string): Candidate;
}

const SESSION_REFUSED: ClientClosed['how'] = 'refused';

function address(target: Target, row: Pick<Row, 'transport' | 'protocol'>, query = ''): string {
  const params = new URLSearchParams({ EIO: String(row.protocol), transport: row.transport });
  for (const [name, value] of new URLSearchParams(query)) {
    if (value === '') params.delete(name);
    else params.set(name, value);
  }
  return `${target.url}?${params}`;
}

class PollingConnection implements Connection {
  handshake!: Handshake;
  headers!: IncomingHttpHeaders;
  readonly closed: Promise<ClientClosed>;
  private readonly packets = new Queue<WirePacket>();
  private readonly abort = new AbortController();
  private posts: Promise<unknown> = Promise.resolve();
  private polling: Promise<void> | undefined;
  private paused = true;
  private over = false;
  private finish!: (how: ClientClosed) => void;

  constructor(
    private readonly url: string,
    private readonly protocol: Protocol,
    private readonly textOnly: boolean,
    private readonly requestHeaders: Record<string, string>,
    private readonly form: PollForm,
  ) {
    this.closed = new Promise((resolve) => {
      this.finish = (how) => {
        this.over = true;
        resolve(how);
      };
    });
  }

  get sid(): string {
    return this.handshake.sid;
  }

  async open(paused: boolean): Promise<this> {
    const answer = await ask(this.url, { headers: this.requestHeaders });
    if (answer.status !== 200) throw new Error(`handshake answered ${answer.status}: ${answer.text}`);
    const [first, ...rest] = this.decode(answer);
    if (first?.type !== 'open') throw new Error(`expected the open packet, got ${JSON.stringify(first)}`);
    this.handshake = JSON.parse(first.data as string);
    this.headers = answer.headers;
    for (const packet of rest) this.packets.push(packet);
    if (!paused) this.resume();
    return this;
  }

  send(...packets: WirePacket[]): Promise<void> {
    const { body, type } = this.form.request(encodePayload(packets, this.protocol, this.textOnly));
    // one POST at a time: the server treats an overlap as an attack on the order of messages
    const sent = this.posts.then(async () => {
      const answer = await ask(this.sessionUrl, {
        method: 'POST',
        body,
        headers: { ...this.requestHeaders, 'content-type': type },
        signal: this.abort.signal,
      });
      if (answer.status !== 200 || answer.text !== 'ok') throw answer;
    });
    this.posts = sent.catch(() => {}); // told by `sent`
    return sent;
  }

  receive(): Promise<WirePacket> {
    return this.packets.next();
  }

  async pause(): Promise<void> {
    this.paused = true;
    await this.polling;
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.polling = this.poll();
  }

  async close(): Promise<void> {
    await this.send({ type: 'close' });
    this.finish({ how: 'connection closed' });
    await this.polling;
  }

  drop(): void {
    this.over = true;
    this.abort.abort();
    this.finish({ how: 'connection lost' });
  }

  private get sessionUrl(): string {
    return `${this.url}&sid=${this.sid}`;
  }

  private decode(answer: Answer): WirePacket[] {
    const { body, type } = this.form.payload(answer);
    return decodePayload(body, type, this.protocol);
  }

  private async poll(): Promise<void> {
    while (!this.paused && !this.over) {
      let answer: Answer;
      try {
        answer = await ask(this.sessionUrl, { headers: this.requestHeaders, signal: this.abort.signal });
      } catch {
        return this.finish({ how: 'connection lost' });
      }
      if (answer.status !== 200) return this.finish({ how: SESSION_REFUSED, status: answer.status });
      for (const packet of this.decode(answer)) {
        if (packet.type === 'close') return this.finish({ how: 'close packet' });
        if (packet.type !== 'noop') this.packets.push(packet);
      }
    }
  }
}

class WebSocketConnection implements Connection {
  handshake!: Handshake;
  headers!: IncomingHttpHeaders;
  readonly closed: Promise<ClientClosed>;

  constructor(
    private readonly client: WsClient | DraftClient,
    private readonly protocol: Protocol,
    private readonly textOnly: boolean,
  ) {
    this.closed = client.closed.then(({ code }) => ({ how: 'connection closed', code }));
  }

  get sid(): string {
    return this.handshake.sid;
  }

  async open(paused: boolean): Promise<this> {
    this.headers = (await this.client.opened).headers;
    const first = await this.receive();
    if (first.type !== 'open') throw new Error(`expected the open packet, got ${JSON.stringify(first)}`);
    this.handshake = JSON.parse(first.data as string);
    if (paused) this.client.pause();
    return this;
  }

  async send(...packets: WirePacket[]): Promise<void> {
    await Promise.all(packets.map((packet) => this.client.send(this.encode(packet))));
  }

  async receive(): Promise<WirePacket> {
    for (;;) {
      const packet = decodeFrame(await this.client.next(), this.protocol);
      if (packet.type !== 'noop') return packet;
    }
  }

  pause(): Promise<void> {
    this.client.pause();
    return Promise.resolve();
  }

  resume(): void {
    this.client.resume();
  }

  async close(): Promise<void> {
    await this.client.close();
  }

  drop(): void {
    this.client.cut();
  }

  private encode(packet: WirePacket): string | Buffer {
    return this.textOnly ? encodeText(packet, this.protocol) : encodeFrame(packet, this.protocol);
  }
}

class WebTransportConnection implements Connection {
  handshake!: Handshake;
  readonly headers: IncomingHttpHeaders = {};
  readonly closed: Promise<ClientClosed>;

  constructor(private readonly client: WebTransportClient) {
    this.closed = client.closed.then(() => ({ how: 'connection closed' }));
  }

  get sid(): string {
    return this.handshake.sid;
  }

  async open(paused: boolean): Promise<this> {
    const first = await this.receive();
    if (first.type !== 'open') throw new Error(`expected the open packet, got ${JSON.stringify(first)}`);
    this.handshake = JSON.parse(first.data as string);
    if (paused) this.client.pause();
    return this;
  }

  async send(...packets: WirePacket[]): Promise<void> {
    await Promise.all(packets.map((packet) => this.client.send(encodeFrame(packet, 4))));
  }

  async receive(): Promise<WirePacket> {
    for (;;) {
      const packet = await this.client.packets.next();
      if (packet.type !== 'noop') return packet;
    }
  }

  pause(): Promise<void> {
    this.client.pause();
    return Promise.resolve();
  }

  resume(): void {
    this.client.resume();
  }

  async close(): Promise<void> {
    this.client.session.close();
    await this.closed;
  }

  drop(): void {
    this.client.session.lose();
  }
}

class StreamConnection implements Connection {
  handshake!: Handshake;
  headers!: IncomingHttpHeaders;
  readonly closed: Promise<ClientClosed>;

  constructor(
    private readonly client: StreamClient,
    private readonly textOnly: boolean,
  ) {
    this.closed = client.closed;
  }

  get sid(): string {
    return this.handshake.sid;
  }

  async open(paused: boolean): Promise<this> {
    this.headers = (await this.client.opened).headers;
    const first = await this.receive();
    if (first.type !== 'open') throw new Error(`expected the open packet, got ${JSON.stringify(first)}`);
    this.handshake = JSON.parse(first.data as string);
    if (paused) this.client.stopReading();
    return this;
  }

  send(...packets: WirePacket[]): Promise<void> {
    return this.client.post(encodePayload(packets, 4, this.textOnly) as string);
  }

  async receive(): Promise<WirePacket> {
    for (;;) {
      const packet = decodeStreamed(await this.client.next());
      if (packet.type !== 'noop' && packet.type !== 'close') return packet;
    }
  }

  pause(): Promise<void> {
    return this.client.leave();
  }

  resume(): void {
    this.client.startReading();
  }

  close(): Promise<void> {
    return this.client.close();
  }

  drop(): void {
    this.client.cut();
  }
}

function decodeStreamed(packet: string | Buffer): WirePacket {
  return typeof packet === 'string' ? decodeText(packet, 4) : message(packet);
}

/** A streaming client as a candidate, whose binary messages look as those of a WebSocket. */
class StreamCandidate implements Candidate {
  readonly opened: Promise<unknown>;
  readonly closed: Promise<unknown>;

  constructor(private readonly client: StreamClient) {
    this.opened = client.opened;
    this.closed = client.closed;
  }

  send(packet: string | Buffer): Promise<void> {
    return this.client.send(packet);
  }

  async next(): Promise<string | Buffer> {
    const packet = await this.client.next();
    return typeof packet === 'string' && packet.startsWith('b') ? Buffer.from(packet.slice(1), 'base64') : packet;
  }

  cut(): void {
    this.client.cut();
  }
}

interface StreamRowOptions {
  resume: boolean;
  textOnly?: boolean;
}

/** Without resume a session lives and ends with its response, with it by its heartbeat. */
function streamRow(transport: StreamName, { resume, textOnly = false }: StreamRowOptions): Row {
  const own = { transport, protocol: 4 } as const;
  const withFlag = (query = '') => (textOnly ? `b64=1&${query}` : query);
  const dial = (target: Target, { query, headers }: OpenOptions, sid?: string) => {
    const url = address(target, own, withFlag(query));
    const client = new StreamClient({ url, transport, resume, sid, ...(headers && { headers }) });
    target.onTeardown(() => client.cut());
    return client;
  };
  return {
    ...own,
    option: transport,
    name: `${transport}/4${resume ? '' : ' plain'}${textOnly ? ' b64' : ''}`,
    upgrades: ['websocket', 'webtransport'],
    open: (target, options = {}) => new StreamConnection(dial(target, options), textOnly).open(options.paused ?? false),
    async refused(target, { query, headers } = {}) {
      const url = address(target, own, `${withFlag(query)}${pageQuery(transport, target.url, headers)}`);
      const answer = await ask(url, { headers: pageHeaders(transport, url, headers) });
      const { code, message: text } = JSON.parse(answer.text);
      return { status: answer.status, code, message: text, headers: answer.headers };
    },
    wireSize: (packet) => Buffer.byteLength(encodePayload([packet], 4, textOnly)),
    oversize: { answer: { status: 413 }, sessionReason: undefined },
    reasons: { close: 'transport close', drop: resume ? 'ping timeout' : 'transport error' },
    vanishing: resume ? { pingInterval: 1_000, pingTimeout: 50 } : {},
    refusalStatus: (code) => (code === 4 ? 403 : 400),
    answersPerExchange: true,
    postQuery: resume ? '&seq=1&ack=0' : '',
    getQuery: (url) => pageQuery(transport, url),
    takesAnotherGet: resume,
    keepsLoneSurrogates: true,
    candidate: (target, sid) => new StreamCandidate(dial(target, {}, sid)),
  };
}

/** What stock engine.io offers to a client that polls, as far as it is enabled. */
const stockUpgrades = ours ? ['websocket', 'webtransport'] : ['websocket'];

interface PollingRowOptions {
  textOnly?: boolean;
  /** Whether the client asks for resume, and so is offered the streaming transports. */
  offered?: boolean;
  form?: PollForm;
}

function pollingRow(
  protocol: Protocol,
  { textOnly = false, offered = false, form = PLAIN }: PollingRowOptions = {},
): Row {
  const own = { transport: 'polling', protocol };
  const withFlag = (query = '') => `${textOnly ? 'b64=1&' : ''}${offered ? 'resume=1&' : ''}${form.query}${query}`;
  return {
    ...own,
    option: ours ? form.name : 'polling',
    name: `${form.name}/${protocol}${textOnly && form === PLAIN ? ' b64' : ''}${offered ? ' resume' : ''}`,
    upgrades: offered ? [...stockUpgrades, 'eventsource', 'multipart', 'htmlfile', 'flashsocket'] : stockUpgrades,
    async open(target, { query, headers = {}, paused = false } = {}) {
      const url = address(target, own, withFlag(query));
      const connection = new PollingConnection(
        url,
        protocol,
        textOnly,
        { ...form.headers(target.url), ...headers },
        form,
      );
      target.onTeardown(() => connection.drop());
      return connection.open(paused);
    },
    async refused(target, { query, headers } = {}) {
      const answer = await ask(address(target, own, withFlag(query)), { headers });
      const { code, message: text } = JSON.parse(answer.text);
      return { status: answer.status, code, message: text, headers: answer.headers };
    },
    wireSize: (packet) => Buffer.byteLength(form.request(encodePayload([packet], protocol, textOnly)).body),
    oversize: { answer: { status: 413 }, sessionReason: undefined },
    reasons: { close: 'transport close', drop: 'transport error' },
    vanishing: {},
    refusalStatus: (code) => (code === 4 ? 403 : 400),
    answersPerExchange: true,
    postQuery: '',
    getQuery: () => '',
    takesAnotherGet: true,
    keepsLoneSurrogates: false,
    candidate: () => {
      throw new Error('nothing upgrades to polling');
    },
  };
}

/** @param isDraft whether its client speaks the draft before RFC 6455, of which frames are text. */
function webSocketRow(protocol: Protocol, transport = 'websocket', isDraft = false): Row {
  const own = { transport, protocol };
  const dial = (target: Target, { query, headers }: OpenOptions = {}) => {
    const url = address(target, own, query);
    const client = isDraft ? new DraftClient(url, headers) : new WsClient(url.replace('http', 'ws'), { headers });
    target.onTeardown(() => client.cut());
    return client;
  };
  const encode = isDraft ? encodeText : encodeFrame;
  return {
    ...own,
    option: transport,
    name: `${transport}/${protocol}${isDraft ? ' draft 76' : ''}`,
    upgrades: [],
    open: (target, options = {}) =>
      new WebSocketConnection(dial(target, options), protocol, isDraft).open(options.paused ?? false),
    async refused(target, options) {
      const { status, body } = await dial(target, options).refused;
      if (status === undefined) throw new Error('the upgrade was accepted');
      return { status, message: body };
    },
    wireSize: (packet) => Buffer.byteLength(encode(packet, protocol)),
    ...(isDraft && { mostBytes: 262_144 }),
    // the draft has no codes
    oversize: { answer: { closeCode: isDraft ? undefined : 1009 }, sessionReason: 'transport error' },
    reasons: { close: 'transport close', drop: 'transport close' },
    // stock knows only 400 here
    refusalStatus: (code) => (ours && code === 4 ? 403 : 400),
    vanishing: {},
    answersPerExchange: false,
    postQuery: '',
    getQuery: () => '',
    takesAnotherGet: false,
    keepsLoneSurrogates: false,
    candidate: (target, sid) => {
      const client = dial(target, { query: `sid=${sid}` });
      return client instanceof DraftClient ? draftCandidate(client, protocol) : client;
    },
  };
}

/** A client of the draft as a candidate, whose binary messages look as those of a WebSocket. */
function draftCandidate(client: DraftClient, protocol: Protocol): Candidate {
  return {
    opened: client.opened,
    closed: client.closed,
    send: (packet) => client.send(typeof packet === 'string' ? packet : encodeText(message(packet), protocol)),
    async next() {
      const text = await client.next();
      return text.startsWith('b') ? encodeFrame(decodeText(text, protocol), protocol) : text;
    },
    cut: () => client.cut(),
  };
}

/** WebTransport, in memory: its client reaches the engine past every server, so it needs the engine itself. */
function webTransportRow(): Row {
  const own = { transport: 'webtransport', protocol: 4 } as const;
  const dial = (target: Target, { query = '', headers = {} }: OpenOptions, sid?: string) => {
    const { engine, url } = target as Harness;
    const { client, server } = memorySessions();
    const { pathname } = new URL(url);
    const request = { url: `${pathname}?${query}`, headers, socket: { remoteAddress: '127.0.0.1' } };
    void (engine as unknown as TakesSessions).onWebTransportSession(server, request);
    target.onTeardown(() => client.close());
    return new WebTransportClient(client, sid === undefined ? '0' : `0${JSON.stringify({ sid })}`);
  };
  return {
    ...own,
    option: 'webtransport',
    name: 'webtransport/4',
    upgrades: [],
    open: (target, options = {}) => new WebTransportConnection(dial(target, options)).open(options.paused ?? false),
    async refused(target, options = {}) {
      const sid = new URLSearchParams(options.query).get('sid') ?? undefined;
      const { closeCode, reason } = await dial(target, options, sid).closed;
      return { status: closeCode, message: reason };
    },
    wireSize: (packet) => Buffer.byteLength(encodeFrame(packet, 4)),
    oversize: { answer: { closeCode: undefined }, sessionReason: 'parse error' },
    reasons: { close: 'transport close', drop: 'transport error' },
    // of a session that ends there is only a code
    refusalStatus: (code) => code,
    vanishing: {},
    answersPerExchange: false,
    postQuery: '',
    getQuery: () => '',
    takesAnotherGet: false,
    keepsLoneSurrogates: false,
    candidate(target, sid) {
      const client = dial(target, {}, sid);
      return {
        opened: client.opened,
        closed: client.closed,
        send: (packet) => client.send(packet),
        next: async () => encodeFrame(await client.packets.next(), 4),
        cut: () => client.session.lose(),
      };
    },
  };
}

interface TakesSessions {
  onWebTransportSession(session: object, request?: object): Promise<void>;
}

/** Rows of the streaming transports, which stock engine.io does not have. */
export const streamRows: Row[] = [
  streamRow('eventsource', { resume: true }),
  streamRow('multipart', { resume: true }),
  streamRow('multipart', { resume: true, textOnly: true }),
  streamRow('htmlfile', { resume: true }),
  streamRow('eventsource', { resume: false }),
  streamRow('multipart', { resume: false }),
  streamRow('htmlfile', { resume: false }),
];

const stockRows = [
  pollingRow(4),
  pollingRow(3),
  pollingRow(3, { textOnly: true }),
  pollingRow(4, { textOnly: true, form: SCRIPT }),
  pollingRow(3, { textOnly: true, form: SCRIPT }),
  webSocketRow(4),
  webSocketRow(3),
];

/** Rows of what upgrades besides stock ones. */
const upgradeRows: Row[] = [webSocketRow(4, 'flashsocket'), webSocketRow(4, 'websocket', true)];

export const rows: Row[] = [...stockRows, ...(ours ? [...streamRows, ...upgradeRows] : [])];

const webTransport = webTransportRow();

/** The same, and those whose clients need no HTTP. */
export const everyRow: Row[] = [...rows, ...(ours ? [webTransport] : [])];

/** Polling by a client that knows our transports. */
export const pollingWithOffers = pollingRow(4, { offered: true });

/** The rows a session can start on and then leave, with the row of the same revision it can move to. */
export const upgradePairs: { from: Row; to: Row }[] = [
  ...rows
    .filter((row) => row.upgrades.includes('websocket'))
    .map((from) => ({ from, to: rows.find((to) => to.transport === 'websocket' && to.protocol === from.protocol)! })),
  ...(ours
    ? [...streamRows.filter(({ name }) => /^\w+\/4$/.test(name)), ...upgradeRows, webTransport].map((to) => ({
        from: pollingWithOffers,
        to,
      }))
    : []),
];

export { message };
