import { frameOf, memorySessions, WebTransportClient, type MemorySession } from '../support/wire-webtransport.js';
import { until, type Harness } from '../support/wire-engine.js';
import { eachAlone, exchange, NO_SESSION, rowOf, same, told, victim, watch } from '../support/wire-hostile.js';
import type { Case, Start, Victim } from '../support/wire-hostile.js';
import { ask, upgradeText } from '../support/wire-http.js';

/*
 * WebTransport, over sessions in memory. The document has `closed 3 Bad request` for the code and the reason with which the
 * server ends the session of HTTP/3.
 */

const REQUEST = { url: '/engine.io/', headers: {}, socket: { remoteAddress: '127.0.0.1' } };
const LIMIT = 1_000_000;

interface TakesSessions {
  onWebTransportSession(session: object, request?: object): Promise<void>;
}

/** A session that the engine waits for the first packet of. */
function hand(target: Harness, request: object | undefined = REQUEST): MemorySession {
  const { client, server } = memorySessions();
  target.onTeardown(() => client.close());
  void (target.engine as unknown as TakesSessions).onWebTransportSession(server, request);
  return client;
}

async function toldByClose({ closed }: MemorySession): Promise<string> {
  const { closeCode, reason } = await closed;
  return `closed ${closeCode} ${reason}`.trim();
}

/** The client's end of a stream, for bytes that no client would send. */
async function rawStream(session: MemorySession): Promise<WritableStreamDefaultWriter<Uint8Array>> {
  return (await session.createBidirectionalStream()).writable.getWriter();
}

/** First packets, or what is there in the place of one, each on a session of its own. */
function first(input: string, list: (string | Buffer)[], options = {}): Case {
  return {
    input,
    async run(start) {
      const target = await start(options);
      const answers: string[] = [];
      for (const one of list) {
        const session = hand(target);
        const writer = await rawStream(session);
        writer.write(typeof one === 'string' ? frameOf(one) : one).catch(() => {}); // it may be refused before
        answers.push(await toldByClose(session));
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  };
}

interface Live extends Pick<Victim, 'target' | 'session' | 'received' | 'fate'> {
  client: WebTransportClient;
  /** Writes bytes; one that is cut is told by the end of the session. */
  raw(bytes: Buffer | number[]): Promise<void>;
}

async function live(start: Start, options = {}): Promise<Live> {
  const target = await start(options);
  const client = new WebTransportClient(hand(target), '0');
  await client.packets.next();
  const session = await target.sessions.next();
  const { writer } = client as unknown as { writer: WritableStreamDefaultWriter<Uint8Array> };
  const raw = (bytes: Buffer | number[]): Promise<void> => writer.write(Buffer.from(bytes)).catch(() => {});
  return { target, client, session, raw, ...watch(session, () => client.send('4alive?')) };
}

function deed(input: string, act: (one: Live) => Promise<string>, options = {}): Case {
  return {
    input,
    async run(start) {
      const one = await live(start, options);
      const answer = await act(one);
      return { target: one.target, answer, session: await one.fate() };
    },
  };
}

/** Bytes on the stream of an open session, each to one of its own. */
function frames(input: string, list: (Buffer | number[])[], options = {}, check = (_one: Live): void => {}): Case {
  const act = ({ raw, client }: Live, bytes: Buffer | number[]): Promise<string> => {
    void raw(bytes);
    return toldByClose(client.session);
  };
  return eachAlone(input, list, (start) => live(start, options), act, check);
}

export const webTransportCases: Case[] = [
  first('A session where `webtransport` is not enabled', ['0'], { transports: ['polling'] }),
  {
    input: 'A session without its request, where something is asked of requests',
    async run(start) {
      const target = await start({
        allowRequest: (_req: unknown, done: (error: null, ok: boolean) => void) => done(null, true),
      });
      const { client, server } = memorySessions();
      target.onTeardown(() => client.close());
      void (target.engine as unknown as TakesSessions).onWebTransportSession(server);
      return { target, answer: await toldByClose(client), session: NO_SESSION };
    },
  },
  {
    input: 'No stream, or nothing or part of a packet on it, within `upgradeTimeout`',
    async run(start) {
      const target = await start({ upgradeTimeout: 30 });
      const answers: string[] = [];
      for (const bytes of [null, [], [0x01], [0x7f, 0, 0], [0x05, 0x30]]) {
        const session = hand(target);
        if (bytes !== null) void (await rawStream(session)).write(Uint8Array.from(bytes)).catch(() => {});
        answers.push(await toldByClose(session));
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  first('A first packet that is neither `0` nor `0` with a session id', [
    '4hello',
    '2',
    '2probe',
    '1',
    'x',
    '0hello',
    '0null',
    '0[]',
    '0{}',
    '0{"sid":5}',
    '0{"sid":""}',
    `0${'['.repeat(100_000)}`,
    frameOf(Buffer.from('0')),
  ]),
  first('A first packet that is no frame, or is over `maxHttpBufferSize`', [
    Buffer.from([0]),
    Buffer.from([0x80]),
    Buffer.from([0x7e, 0, 0]),
    Buffer.from([0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
    Buffer.from([0x7f, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x41]),
  ]),
  first('A session id that is unknown, or a property name such as `__proto__`', [
    '0{"sid":"AAAAAAAAAAAAAAAAAAAA"}',
    '0{"sid":"__proto__"}',
    '0{"sid":"constructor"}',
    `0{"sid":"${'a'.repeat(100_000)}"}`,
  ]),
  deed('The id of a session that cannot change to it', async ({ target, session }) => {
    const other = hand(target);
    await (await rawStream(other)).write(frameOf(`0{"sid":"${session.id}"}`));
    return toldByClose(other);
  }),
  {
    input: 'A candidate over WebTransport that breaks the rules',
    async run(start) {
      const one = await victim(start, rowOf('polling/4'));
      const answers: string[] = [];
      for (const bytes of [
        Buffer.from([0]),
        frameOf('4x'),
        frameOf('2'),
        frameOf('abc'),
        frameOf(Buffer.from('2probe')),
      ]) {
        const session = hand(one.target);
        const writer = await rawStream(session);
        await writer.write(frameOf(`0{"sid":"${one.client.sid}"}`));
        writer.write(bytes).catch(() => {}); // cut
        answers.push(await toldByClose(session));
        await until(() => !one.session.upgrading);
      }
      return { target: one.target, answer: same(answers), session: await one.fate() };
    },
  },
  frames(
    'A frame of no bytes, or one over `maxHttpBufferSize`; what came before it is delivered',
    [
      [0x00],
      [0x80],
      [0x7e, 0, 0],
      [0x7f, 0, 0, 0, 0, 0, 0, 0, 0],
      [0x7f, 0, 0, 0, 0, 0, 0x0f, 0x42, 0x41],
      [0xff, 0x40, 0, 0, 0, 0, 0, 0, 0],
      [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      frameOf(Buffer.alloc(LIMIT + 1)),
    ].map((bytes) => Buffer.concat([frameOf('4good'), Buffer.from(bytes)])),
    {},
    ({ received }) => {
      if (String(received) !== 'good') throw new Error(`it has received ${String(received)}`);
    },
  ),
  deed(
    'A frame in more chunks than `limits.maxBufferedChunks`',
    async ({ client, raw }) => {
      await raw([0x7e, 0x03, 0xe8]);
      for (let i = 0; i < 60; i++) void raw([0x34]);
      return toldByClose(client.session);
    },
    { limits: { maxBufferedChunks: 50 } },
  ),
  deed('A text that is not UTF-8: what cannot be read of it is replaced', async ({ raw, received }) => {
    await raw([0x05, 0x34, 0x61, 0xff, 0xc3, 0x62]);
    await until(() => received.length === 1);
    return received[0] === 'a\ufffd\ufffdb' ? 'nothing' : String(received);
  }),
  frames('A packet type that does not exist', ['abc', '7', ' 4x', '\ufeff4x'].map(frameOf)),
  frames('A heartbeat in the wrong direction', ['2', '2probe'].map(frameOf)),
  frames('A close packet', ['1', '1bye'].map(frameOf)),
  deed('Packets that only the server sends, or that mean nothing here (`0`, `5`, `6`)', async ({ client }) => {
    for (const packet of ['0', '0{"sid":"mine"}', '5', '6', '6x', '5probe']) await client.send(packet);
    return 'nothing';
  }),
  deed('A second stream: nobody reads it', async ({ client }) => {
    const writer = await rawStream(client.session);
    void writer.write(Buffer.from([0, 0, 0])).catch(() => {}); // cut with the session
    return 'nothing';
  }),
  deed('The end of the stream', async ({ client }) => {
    const { writer } = client as unknown as { writer: WritableStreamDefaultWriter<Uint8Array> };
    await writer.close();
    return toldByClose(client.session);
  }),
  deed('The loss of the connection', async ({ client }) => {
    client.session.lose();
    return 'connection cut';
  }),
  deed(
    'A client that does not read, until `limits.maxBufferedBytes` wait for it',
    async ({ client, session }) => {
      client.pause();
      for (let i = 0; i < 30; i++) session.send('x'.repeat(100_000));
      return toldByClose(client.session);
    },
    { limits: { maxBufferedBytes: 1_000_000 } },
  ),
  {
    input: 'A request of HTTP, or an upgrade, with `transport=webtransport`',
    async run(start) {
      const one = await live(start);
      const answers: string[] = [];
      for (const query of ['', `&sid=${one.session.id}`]) {
        const path = `/engine.io/?EIO=4&transport=webtransport${query}`;
        const url = new URL(path, one.target.url).href;
        answers.push(told(await ask(url)), told(await ask(url, { method: 'POST', body: '4x' })));
        answers.push(await exchange(one.target, upgradeText(path)));
      }
      return { target: one.target, answer: same(answers), session: await one.fate() };
    },
  },
];
