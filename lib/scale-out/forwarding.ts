import { request as httpRequest, type Agent, type ClientRequest, type IncomingMessage } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { ERRORS } from '../engine/errors.js';
import type { EngineRequest } from '../engine/index.js';
import { ANSWER_HEADERS } from '../engine/transports/transport.js';
import { writeRawResponse } from '../engine/upgrade-response.js';
import { RELAY_HEADER } from './signature.js';

/*
 * One request on its way through this node: from the client to the owner of its session and back, with nothing kept in
 * between but what the two connections hold. Either end may go away at any time, and the other hears of it.
 */

/** What is sent on to the owner. */
export interface Outbound {
  readonly host: string;
  readonly port: number;
  readonly method: string;
  readonly path: string;
  /** Names and values by turns. */
  readonly headers: readonly string[];
  readonly agent: Agent | false;
  /** Whether the body is sent on. Of other requests nobody reads it, and Node would not frame it for all methods. */
  readonly hasBody: boolean;
}

/** Who wants to know what becomes of it. */
export interface ForwardingWatcher {
  /** Milliseconds after which a client is cut that has not taken anything of what waits for it. */
  readonly stallTime: number;
  /** It is over. @param answered whether the owner answered. */
  ended(forwarding: Forwarded, answered: boolean): void;
  /** The owner's relay port did not take it. */
  refusedByOwner(): void;
}

/** What is open towards an owner. */
export interface Forwarded {
  /** The owner is gone: the client is told so. */
  ownerGone(): void;
  /** This node goes away: both ends are cut. */
  abandon(): void;
}

/** Headers of an answer that are about the connection between the nodes. */
const NOT_COPIED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'date', RELAY_HEADER]);

/** The owner's answer for a session that is not there, in its place. */
const GONE = JSON.stringify({ code: ERRORS.UNKNOWN_SID.code, message: ERRORS.UNKNOWN_SID.message });
const GONE_STATUS = ERRORS.UNKNOWN_SID.status;

/** Most bytes of a refused upgrade's body that are passed on. */
const MAX_REFUSAL_BYTES = 16_384;

/** A request that is answered: a poll, a POST, a stream. */
export class ForwardedRequest implements Forwarded {
  private readonly outbound: ClientRequest;
  private answer: IncomingMessage | null = null;
  /** Whether the owner has said all. */
  private isAnswered = false;
  private over = false;

  constructor(
    private readonly request: EngineRequest,
    private readonly response: ServerResponse,
    to: Outbound,
    private readonly watcher: ForwardingWatcher,
  ) {
    this.outbound = httpRequest({ ...to, headers: to.headers as string[] });
    this.outbound.on('response', (answer) => this.onAnswer(answer));
    this.outbound.on('error', () => this.ownerGone());
    response.on('close', this.onClientClosed);
    // one that is behind another one on its connection has no connection yet, and is not told of its end
    if (response.socket === null) request.socket.on('close', this.onClientClosed);
    if (to.hasBody) {
      // a body that is cut must not look as if it had ended
      request.on('error', () => this.outbound.destroy());
      request.pipe(this.outbound);
    } else {
      this.outbound.end();
    }
  }

  ownerGone(): void {
    // what it has said is on its way
    if (this.over || this.isAnswered) return;
    const { response } = this;
    this.end(false);
    if (response.headersSent) {
      // it has begun to read: only a cut tells it that this is not the end
      response.destroy();
      return;
    }
    response.writeHead(GONE_STATUS, { 'Content-Type': 'application/json', Connection: 'close', ...ANSWER_HEADERS });
    response.end(GONE);
  }

  abandon(): void {
    this.onClientClosed();
    this.response.destroy();
  }

  private onAnswer(answer: IncomingMessage): void {
    if (this.over) {
      answer.destroy();
      return;
    }
    this.answer = answer;
    if (answer.headers[RELAY_HEADER] !== undefined) {
      this.watcher.refusedByOwner();
      this.ownerGone();
      return;
    }
    answer.on('error', () => this.ownerGone());
    answer.on('end', () => (this.isAnswered = true));
    answer.on('close', () => this.ownerGone());
    const { response } = this;
    if (response.headersSent) {
      // a middleware that had let it through has answered in the meantime
      this.onClientClosed();
      return;
    }
    const headers = copied(answer.rawHeaders);
    // what is left of the body is nobody's any more
    if (!this.request.complete) headers.push('Connection', 'close');
    response.writeHead(answer.statusCode!, headers);
    // a stream may have said nothing yet, and its client waits for the head; of an answer head and body leave in one write
    if (answer.headers['content-length'] === undefined) response.flushHeaders();
    // also when the owner cuts it: nobody would notice while nothing is read from it
    response.setTimeout(this.watcher.stallTime, () => this.onSilence());
    answer.pipe(response);
  }

  private onSilence(): void {
    if (!this.over && this.response.writableLength > 0) this.abandon();
  }

  private readonly onClientClosed = (): void => {
    if (this.over) return;
    this.end(true);
    // after a whole answer there is nothing to tell the owner, and the connection is somebody else's
    if (!this.isAnswered) this.outbound.destroy();
  };

  private end(answered: boolean): void {
    if (this.over) return;
    this.over = true;
    this.request.socket.off('close', this.onClientClosed);
    if (!answered) {
      this.request.unpipe(this.outbound);
      this.answer?.unpipe(this.response);
      this.outbound.destroy();
    }
    this.watcher.ended(this, answered);
  }
}

/** An upgrade: from then on two connections of which each gets what the other says. */
export class ForwardedUpgrade implements Forwarded {
  private readonly outbound: ClientRequest;
  private inner: Duplex | null = null;
  private over = false;

  constructor(
    private readonly socket: Duplex,
    private readonly head: Buffer,
    to: Outbound,
    private readonly headers: readonly string[],
    private readonly watcher: ForwardingWatcher,
  ) {
    this.outbound = httpRequest({ ...to, headers: to.headers as string[] });
    this.outbound.on('upgrade', (answer, inner, innerHead) => this.onUpgrade(answer, inner, innerHead));
    this.outbound.on('response', (answer) => this.onRefusal(answer));
    this.outbound.on('error', () => this.ownerGone());
    socket.on('error', () => this.cut());
    socket.on('close', () => this.cut());
    this.outbound.end();
  }

  ownerGone(): void {
    if (this.over) return;
    if (this.inner !== null) {
      this.cut();
      return;
    }
    this.end(false);
    writeRawResponse(this.socket, GONE_STATUS, ['Content-Type: application/json'], GONE);
  }

  abandon(): void {
    if (this.over) return;
    this.end(true);
    this.outbound.destroy();
    this.inner?.destroy();
    this.socket.destroy();
  }

  private onUpgrade(answer: IncomingMessage, inner: Duplex, innerHead: Buffer): void {
    const { socket } = this;
    inner.on('error', () => this.cut());
    if (this.over) {
      inner.destroy();
      return;
    }
    this.inner = inner;
    inner.on('close', () => this.cut());
    const lines = [`HTTP/1.1 101 ${answer.statusMessage}`];
    const { rawHeaders } = answer;
    for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}`);
    lines.push(...this.headers);
    socket.write(`${lines.join('\r\n')}\r\n\r\n`, 'latin1');
    if (innerHead.length > 0) socket.write(innerHead);
    if (this.head.length > 0) inner.write(this.head);
    // what the owner cuts is not noticed while nothing is read from it
    (socket as Socket).setTimeout(this.watcher.stallTime, () => this.onSilence());
    inner.pipe(socket);
    socket.pipe(inner);
  }

  private onRefusal(answer: IncomingMessage): void {
    if (answer.headers[RELAY_HEADER] !== undefined) {
      this.watcher.refusedByOwner();
      this.ownerGone();
      return;
    }
    const chunks: Buffer[] = [];
    let bytes = 0;
    answer.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= MAX_REFUSAL_BYTES) chunks.push(chunk);
    });
    answer.on('error', () => this.ownerGone());
    answer.on('close', () => this.ownerGone());
    answer.on('end', () => {
      if (this.over) return;
      this.end(true);
      const lines = copied(answer.rawHeaders);
      const texts: string[] = [];
      for (let i = 0; i < lines.length; i += 2) texts.push(`${lines[i]}: ${lines[i + 1]}`);
      writeRawResponse(this.socket, answer.statusCode!, [...texts, ...this.headers], Buffer.concat(chunks));
    });
  }

  private onSilence(): void {
    if (this.socket.writableLength > 0) this.abandon();
  }

  /** One end is gone. */
  private cut(): void {
    if (this.over) return;
    this.end(this.inner !== null);
    this.outbound.destroy();
    if (this.inner !== null) endSoon(this.inner);
    endSoon(this.socket);
  }

  private end(answered: boolean): void {
    if (this.over) return;
    this.over = true;
    if (!answered) this.outbound.destroy();
    this.watcher.ended(this, answered);
  }
}

/** Milliseconds that one end has to take what the other said last. */
const LAST_WORDS_TIME = 2_000;

/** Ends a connection when what was written to it has left, or after a time. */
function endSoon(connection: Duplex): void {
  if (connection.destroyed) return;
  const { destroySoon } = connection as Partial<Socket>;
  if (destroySoon === undefined) {
    connection.destroy();
    return;
  }
  destroySoon.call(connection);
  setTimeout(() => connection.destroy(), LAST_WORDS_TIME).unref();
}

function copied(rawHeaders: readonly string[]): string[] {
  const kept: string[] = [];
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (!NOT_COPIED.has(rawHeaders[i]!.toLowerCase())) kept.push(rawHeaders[i]!, rawHeaders[i + 1]!);
  }
  return kept;
}
