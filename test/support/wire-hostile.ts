import { expect } from '@jest/globals';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { RawConnection, type Answer } from './wire-http.js';
import { until, type Harness, type SessionLike, type StartOptions } from './wire-engine.js';
import { message, rows, type Connection, type Row } from './wire-rows.js';
import type { WsClient } from './wire-websocket.js';

export type Start = (options?: Record<string, unknown>, start?: StartOptions) => Promise<Harness>;

/** What came of a bad input, in the words of the table in docs/bad-input.md. */
export interface Outcome {
  target: Harness;
  answer: string;
  /** `—` when there was no session. */
  session: string;
  /** Sessions that are left open; one when the session lives on, else none. */
  left?: number;
}

/** One row of the table: its first cell, and the deed. */
export interface Case {
  input: string;
  run(start: Start): Promise<Outcome>;
}

export const NO_SESSION = '—';

/** A session with its client, and the reason of its end should it end. */
export interface Victim {
  target: Harness;
  client: Connection;
  session: SessionLike;
  received: unknown[];
  /** `lives on`, proven by a message that arrives, or `ends: <reason>`. */
  fate(): Promise<string>;
  /** URL of requests that name the session. */
  url: string;
}

export async function victim(start: Start, row: Row, options = {}, paused = true): Promise<Victim> {
  const target = await start(options);
  const client = await row.open(target, { paused });
  const session = await target.sessions.next();
  return {
    target,
    client,
    session,
    ...watch(session, () => client.send(message('alive?'))),
    url: `${target.url}?EIO=${row.protocol}&transport=${row.transport}&sid=${client.sid}${row.getQuery(target.url)}`,
  };
}

/** What a session receives, and what becomes of it. @param knock has its client send the message `alive?`. */
export function watch(session: SessionLike, knock: () => Promise<unknown>): Pick<Victim, 'received' | 'fate'> {
  const received: unknown[] = [];
  session.on('message', (data) => received.push(data));
  const ended = new Promise<string>((resolve) => session.once('close', (reason) => resolve(`ends: ${reason}`)));
  return {
    received,
    fate() {
      const alive = new Promise<string>((resolve) =>
        session.on('message', (data) => data === 'alive?' && resolve('lives on')),
      );
      // a session that has ended refuses this, and `ended` tells how
      knock().catch(() => {});
      return Promise.race([ended, alive]);
    },
  };
}

export function rowOf(name: string): Row {
  return rows.find((row) => row.name === name)!;
}

/** Status and message of an answer: `400 Bad request`, `200 ok`, `413`, or `handshake`. */
export function told({ status, text }: Pick<Answer, 'status' | 'text'>): string {
  if (status === 200 && /^(\d+:)?0\{"sid"/.test(text)) return 'handshake';
  let detail = text;
  try {
    detail = JSON.parse(text).message ?? text;
  } catch {
    // not JSON: the text itself
  }
  return detail ? `${status} ${detail}` : `${status}`;
}

/** The same of bytes off a raw connection; `connection cut` when there was no answer. */
export function toldRaw(received: string): string {
  const match = /^HTTP\/1\.1 (\d+) .*?\r\n\r\n([^]*)$/s.exec(received);
  if (!match) return 'connection cut';
  if (match[1] === '101') return 'handshake';
  return told({ status: Number(match[1]), text: unchunked(match[2]!) });
}

/** The body of a chunked answer, or of another as it is. */
function unchunked(body: string): string {
  if (!/(^|\r\n)0\r\n\r\n$/.test(body)) return body;
  let data = '';
  for (let at = 0; ;) {
    const end = body.indexOf('\r\n', at);
    const length = Number.parseInt(body.slice(at, end), 16);
    if (length === 0) return data;
    data += body.slice(end + 2, end + 2 + length);
    at = end + 2 + length + 2;
  }
}

/** Sends bytes on a raw connection and waits for the end of it. */
export async function exchange(target: Harness, bytes: string | Buffer): Promise<string> {
  const connection = new RawConnection(target.port);
  target.onTeardown(() => connection.socket.destroy());
  connection.write(bytes);
  return toldRaw(await connection.ended);
}

/**
 * Sends pieces on a raw connection, each when the server has read the one before it, and waits for the end of it.
 *
 * @returns all that the server has sent, in Latin-1.
 */
export async function inPieces(
  { port, server }: Pick<Harness, 'port' | 'server'>,
  pieces: readonly (string | Buffer)[],
): Promise<string> {
  const accepted = once(server, 'connection');
  const connection = new RawConnection(port);
  const [socket] = (await accepted) as [Socket];
  let sent = 0;
  for (const piece of pieces) {
    connection.write(Buffer.from(piece as string, 'latin1'));
    sent += piece.length;
    await until(() => socket.bytesRead === sent || socket.destroyed);
  }
  return connection.ended;
}

export async function toldByWebSocket(client: WsClient): Promise<string> {
  return `close ${(await client.closed).code}`;
}

/** All outcomes must be the same, and this is it. */
export function same(outcomes: string[]): string {
  expect(outcomes).toEqual(outcomes.map(() => outcomes[0]));
  return outcomes[0]!;
}

/** The engine still serves everybody else. */
export async function expectService(target: Harness): Promise<void> {
  // sessions that the deed itself has opened
  target.sessions.drain();
  const { transports, allowEIO3, drafts } = target.engine.opts;
  const spoken = rows.filter(
    ({ protocol, option, name }) =>
      (transports as string[]).includes(option) && (protocol === 4 || allowEIO3) && (drafts || !name.includes('draft')),
  );
  for (const row of spoken) {
    const before = target.engine.clientsCount;
    const client = await row.open(target);
    const session = await target.sessions.next();
    session.on('message', (data) => session.send(data));
    await client.send(message('echo'));
    let answer = await client.receive();
    // a slow machine and a test with a short heartbeat
    while (answer.type === 'ping') answer = await client.receive();
    expect(answer).toEqual(message('echo'));
    const ended = new Promise((resolve) => session.once('close', resolve));
    await client.close();
    await ended;
    expect(target.engine.clientsCount).toBe(before);
  }
}

/**
 * A case of several inputs, each to a session of its own, which must all have the same outcome.
 *
 * @param act gives the input to a session, and tells how that has ended.
 * @param check throws when the last session has seen something else than it should.
 */
export function eachAlone<Input, One extends Pick<Victim, 'target' | 'fate'>>(
  input: string,
  list: readonly Input[],
  open: (start: Start, input: Input) => Promise<One>,
  act: (one: One, input: Input) => Promise<string>,
  check: (one: One) => void = () => {},
): Case {
  return {
    input,
    async run(start) {
      const answers: string[] = [];
      const fates: string[] = [];
      let last!: One;
      for (const each of list) {
        last = await open(start, each);
        answers.push(await act(last, each));
        fates.push(await last.fate());
        check(last);
      }
      return { target: last.target, answer: same(answers), session: same(fates) };
    },
  };
}

/** Sends to a client that does not read until its session is given up. */
export async function overfill(session: SessionLike, reader: { pause(): unknown; resume(): unknown }): Promise<void> {
  reader.pause();
  const ended = new Promise((resolve) => session.once('close', resolve));
  const chunk = 'x'.repeat(100_000);
  for (let i = 0; i < 1_000 && session.readyState === 'open'; i++) {
    session.send(chunk);
    await new Promise(setImmediate);
  }
  reader.resume();
  await ended;
}
