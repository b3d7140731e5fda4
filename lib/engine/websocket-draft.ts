import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { Refusal } from './errors.js';
import type { Headers } from './headers.js';
import { requestedHost, usesTls, type TrustProxy } from './request.js';
import type { EngineRequest } from './session.js';
import { DraftParser, encodeDraftText, DRAFT_CLOSE } from './transports/websocket-draft-frames.js';
import { isLegalHeader } from './upgrade-response.js';

/*
 * WebSocket as it was before RFC 6455: draft-hixie-thewebsocketprotocol-76, which the Flash file of socket.io 0.9 and
 * browsers of 2010 speak. Its frames are text, and not masked, for which it was given up: a page could write to a proxy
 * what looked like a request of its own choice. So it has to be asked for (`drafts`), an Origin is required, messages are
 * small, and every frame but text and the closing one ends the connection.
 *
 * Draft 75, which is the same without the keys, is not spoken: nothing there shows that a client meant a WebSocket.
 *
 * https://datatracker.ietf.org/doc/html/draft-hixie-thewebsocketprotocol-76
 */

/** Most bytes of one message, however large `maxHttpBufferSize` is. */
export const MAX_DRAFT_BYTES = 262_144;

/** Milliseconds for the eight bytes that follow the request, and which some proxies hold back until they see the answer. */
const KEY_TIMEOUT = 10_000;

/** Milliseconds after which a connection is cut whose client does not answer our closing frame. */
const CLOSE_TIMEOUT = 30_000;

/** Milliseconds that the closing frame has to leave when the client broke the rules. */
const FAILURE_GRACE = 2_000;

/** Bytes of the third key, which is the request's body. */
const KEY_BYTES = 8;

/** States of the WHATWG standard. */
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** What a draft connection is made of. */
export interface DraftOptions {
  readonly maxBytes: number;
  readonly maxChunks: number;
  readonly trust: TrustProxy | undefined;
  readonly headers: Headers;
}

/** Whether a request opens a WebSocket by the draft: RFC 6455 has one key, which is called differently. */
export function isDraft({ headers }: EngineRequest): boolean {
  return headers['sec-websocket-key1'] !== undefined && headers['sec-websocket-key2'] !== undefined;
}

/**
 * Takes a request through the handshake of the draft. The head of the answer leaves before the client's last key is here:
 * proxies that speak HTTP pass nothing on before they see it.
 *
 * @returns the connection, which reads nothing before {@link DraftWebSocket.start}; null when the client has left, or did
 *   not send its last key in time.
 * @throws Refusal
 */
export function acceptDraft(
  request: EngineRequest,
  socket: Duplex,
  head: Buffer,
  options: DraftOptions,
): Promise<DraftWebSocket | null> {
  const { headers } = request;
  const numbers = [keyNumber(headers['sec-websocket-key1']), keyNumber(headers['sec-websocket-key2'])] as const;
  const lines = answerLines(request, options);
  socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
  return lastKey(socket, head).then((bytes) => {
    if (bytes === null) return null;
    socket.write(draftDigest(numbers, bytes.subarray(0, KEY_BYTES)));
    return new DraftWebSocket(socket, bytes.subarray(KEY_BYTES), options);
  });
}

/**
 * The number in a key: its digits, divided by how many spaces it has.
 *
 * @throws Refusal when it has none, or they do not divide it: no browser sent it.
 */
export function keyNumber(key: string | string[] | undefined): number {
  const text = String(key);
  const digits = Number(text.replace(/[^0-9]/g, ''));
  const spaces = text.split(' ').length - 1;
  const number = digits / spaces;
  if (!(spaces > 0 && Number.isInteger(number) && number <= 0xffffffff && /[0-9]/.test(text))) {
    throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR', reason: 'a key of the draft is wrong' });
  }
  return number;
}

/** What the server answers to three keys: the MD5 of both numbers and the bytes. */
export function draftDigest(numbers: readonly [number, number], bytes: Buffer): Buffer {
  const challenge = Buffer.alloc(8 + KEY_BYTES);
  challenge.writeUInt32BE(numbers[0], 0);
  challenge.writeUInt32BE(numbers[1], 4);
  bytes.copy(challenge, 8);
  return createHash('md5').update(challenge).digest();
}

function answerLines(request: EngineRequest, { trust, headers }: DraftOptions): string[] {
  const { origin } = request.headers;
  const host = requestedHost(request, trust);
  if (!origin || !host || !isLegalHeader('Host', host)) {
    throw new Refusal('BAD_REQUEST', { name: 'TRANSPORT_HANDSHAKE_ERROR', reason: 'the draft needs Origin and Host' });
  }
  // written and ordered as old clients compare it
  const lines = [
    'HTTP/1.1 101 WebSocket Protocol Handshake',
    'Upgrade: WebSocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Origin: ${origin.toLowerCase()}`,
    `Sec-WebSocket-Location: ${usesTls(request, trust) ? 'wss' : 'ws'}://${host}${request.url}`,
  ];
  headers.decorateUpgrade(lines, request);
  return lines;
}

/** The bytes after the request, at least those of the last key; null: they did not come. */
function lastKey(socket: Duplex, head: Buffer): Promise<Buffer | null> {
  return new Promise((resolve) => {
    let bytes = head;
    const finish = (result: Buffer | null): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('end', onGone).off('close', onGone);
      if (result === null) socket.destroy();
      else socket.pause();
      resolve(result);
    };
    const onGone = (): void => finish(null);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      if (bytes.length >= KEY_BYTES) finish(bytes);
    };
    const timer = setTimeout(onGone, KEY_TIMEOUT).unref();
    if (socket.destroyed) onGone();
    else if (bytes.length >= KEY_BYTES) finish(bytes);
    else socket.on('data', onData).on('end', onGone).on('close', onGone);
  });
}

/** A connection by the draft, with those members of a WebSocket of `ws` that its transport uses. */
export class DraftWebSocket extends EventEmitter {
  readonly extensions = '';
  readyState = OPEN;
  private readonly parser: DraftParser;
  private closeTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly socket: Duplex,
    private readonly first: Buffer,
    { maxBytes, maxChunks }: DraftOptions,
  ) {
    super();
    this.parser = new DraftParser(maxBytes, maxChunks, {
      text: (bytes) => this.readyState !== CLOSED && this.emit('message', bytes, false),
      close: () => this.onCloseFrame(),
    });
    socket.on('error', ignoreError);
    socket.on('close', () => this.onSocketClose());
  }

  /** What was given to the connection and has not left. */
  get bufferedAmount(): number {
    return this.socket.writableLength;
  }

  /** Begins to read. */
  start(): void {
    const { socket } = this;
    socket.on('data', (chunk: Buffer) => this.read(chunk));
    socket.on('end', () => socket.end());
    if (this.first.length > 0) this.read(this.first);
    socket.resume();
  }

  send(text: string | Buffer, callback?: (error?: Error | null) => void): void {
    if (this.readyState === OPEN) this.socket.write(encodeDraftText(String(text)), callback);
  }

  close(): void {
    if (this.readyState !== OPEN) return;
    this.readyState = CLOSING;
    this.socket.write(DRAFT_CLOSE);
    this.closeTimer = setTimeout(() => this.terminate(), CLOSE_TIMEOUT).unref();
  }

  terminate(): void {
    this.socket.destroy();
  }

  /** For those who want a `WebSocket`: it has what they use. */
  asWebSocket(): WebSocket {
    return this as unknown as WebSocket;
  }

  private read(chunk: Buffer): void {
    if (this.readyState === CLOSED) return;
    const problem = this.parser.push(chunk);
    if (problem !== null) this.fail(problem);
  }

  private fail(problem: string): void {
    this.readyState = CLOSED;
    this.emit('error', new Error(problem));
    this.endWith(DRAFT_CLOSE);
  }

  private onCloseFrame(): void {
    const isAnswer = this.readyState === CLOSING;
    if (this.readyState === CLOSED) return;
    this.readyState = CLOSED;
    this.endWith(isAnswer ? Buffer.alloc(0) : DRAFT_CLOSE);
  }

  private endWith(bytes: Buffer): void {
    const { socket } = this;
    socket.end(bytes, () => socket.destroy());
    this.closeTimer ??= setTimeout(() => socket.destroy(), FAILURE_GRACE).unref();
  }

  private onSocketClose(): void {
    clearTimeout(this.closeTimer);
    // as RFC 6455 numbers it: no code was told, or there was no closing handshake
    const code = this.readyState === OPEN ? 1006 : 1005;
    this.readyState = CLOSED;
    this.emit('close', code, Buffer.alloc(0));
  }
}

function ignoreError(): void {
  // the connection is gone, and 'close' follows: as of any WebSocket of `ws`, a reset is the same as an end
}
