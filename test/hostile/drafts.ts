import { jest } from '@jest/globals';
import { draftRequest, EXAMPLE } from '../support/wire-drafts.js';
import { until, type Harness } from '../support/wire-engine.js';
import {
  eachAlone,
  exchange,
  NO_SESSION,
  overfill,
  rowOf,
  same,
  victim,
  watch,
  type Case,
  type Start,
  type Victim,
} from '../support/wire-hostile.js';
import { RawConnection } from '../support/wire-http.js';

/*
 * WebSocket by draft 76. The document has `closing frame` for the bytes FF 00 of the draft, behind which the connection ends
 * once the client has answered them.
 */

const PATH = '/engine.io/?EIO=4&transport=websocket';
const CLOSE = Buffer.from([0xff, 0]);
/** Most bytes of a message: far below the default of `maxHttpBufferSize`. */
const LIMIT = 262_144;

type Headers = Record<string, string | undefined>;

/** The head of the answer has left before the last key is asked for, so afterwards a cut is all that can be told. */
const CUT_LATER = '101, then connection cut';

interface Live extends Pick<Victim, 'target' | 'session' | 'received' | 'fate'> {
  connection: RawConnection;
  raw(bytes: Buffer | number[]): void;
}

const text = (data: string | Buffer): Buffer =>
  Buffer.concat([Buffer.from([0]), Buffer.from(data as string), Buffer.from([0xff])]);

function dial(target: Harness, bytes: string | Buffer): RawConnection {
  const connection = new RawConnection(target.port).write(bytes);
  target.onTeardown(() => connection.socket.destroy());
  return connection;
}

async function live(start: Start, options = {}, target?: Harness): Promise<Live> {
  target ??= await start(options);
  const connection = dial(target, Buffer.from(draftRequest(PATH) + EXAMPLE.key3));
  await connection.until(/\{"sid".*\}\xff$/);
  const session = await target.sessions.next();
  const raw = (bytes: Buffer | number[]): void => void connection.write(Buffer.from(bytes));
  const knock = async (): Promise<void> => raw(text('4alive?'));
  return { target, connection, session, raw, ...watch(session, knock) };
}

/** A closing frame behind a text, or behind the answer to the keys. */
const CLOSED = /(\xff|~K~MH)\xff\0$/;

/** How a connection ends that was open. A client that behaves answers the closing frame. */
async function toldByDraft(connection: RawConnection): Promise<string> {
  const closing = connection.until(CLOSED).then(
    () => void connection.write(CLOSE),
    () => {}, // it ended without one
  );
  await Promise.all([connection.ended, closing]);
  return CLOSED.test(connection.text) ? 'closing frame' : 'connection cut';
}

/** Bytes behind the handshake, each to a session of its own; all must have the same outcome. */
function frames(input: string, list: (Buffer | number[])[], options = {}, check = (_one: Live): void => {}): Case {
  const act = ({ raw, connection }: Live, bytes: Buffer | number[]): Promise<string> => {
    raw(bytes);
    return toldByDraft(connection);
  };
  return eachAlone(input, list, (start) => live(start, options), act, check);
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

/** Requests that open no session. */
function requests(input: string, list: Headers[], options = {}): Case {
  return {
    input,
    async run(start) {
      const target = await start(options);
      const answers: string[] = [];
      for (const headers of list) answers.push(await exchange(target, draftRequest(PATH, headers) + EXAMPLE.key3));
      return { target, answer: same(answers), session: NO_SESSION };
    },
  };
}

/** Handshakes that stop before the third key is whole. */
function unfinished(input: string, leave: (connection: RawConnection) => void): Case {
  return {
    input,
    async run(start) {
      const target = await start();
      const answers: string[] = [];
      for (const part of ['', EXAMPLE.key3.slice(0, 7)]) {
        jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
        try {
          const connection = dial(target, draftRequest(PATH) + part);
          await connection.until(/\r\n\r\n$/);
          leave(connection);
          answers.push(/^HTTP\/1\.1 101 [^]*\r\n\r\n$/.test(await connection.ended) ? CUT_LATER : connection.text);
        } finally {
          jest.useRealTimers();
        }
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  };
}

export const draftCases: Case[] = [
  requests(
    'A key without spaces or digits, which its spaces do not divide, or of more than 32 bits',
    ['12345', 'a b c', '', '1 0 1', '42949672960 x', `${'9'.repeat(400)} x`].flatMap((key) => [
      { 'Sec-WebSocket-Key1': key },
      { 'Sec-WebSocket-Key2': key },
    ]),
  ),
  requests('No Origin, or an empty one', [{ Origin: undefined }, { Origin: '' }]),
  requests('One of the two keys alone, or none (draft 75)', [
    { 'Sec-WebSocket-Key1': undefined },
    { 'Sec-WebSocket-Key2': undefined },
    { 'Sec-WebSocket-Key1': undefined, 'Sec-WebSocket-Key2': undefined },
  ]),
  requests('Both keys, where `drafts` is off', [{}], { drafts: false }),
  unfinished('A third key that does not come whole within 10 seconds', () => jest.advanceTimersByTime(10_000)),
  unfinished('The end of the TCP connection before the third key is whole', ({ socket }) => socket.end()),
  unfinished('A TCP reset before the third key is whole', (connection) => connection.reset()),
  {
    input: 'A third key that comes when `limits.maxSessions` others are there by now',
    async run(start) {
      const target = await start({ limits: { maxSessions: 1 } });
      const late = dial(target, draftRequest(PATH));
      await late.until(/\r\n\r\n$/);
      const one = await live(start, {}, target);
      late.write(EXAMPLE.key3);
      const answer = (await late.ended).endsWith(EXAMPLE.answer) ? CUT_LATER : late.text;
      const session = await one.fate();
      one.session.close(true);
      await toldByDraft(one.connection);
      return { target, answer, session, left: 0 };
    },
  },
  {
    input: 'Frames in the same TCP segment as the third key',
    async run(start) {
      const target = await start();
      const arrived = new Promise((resolve) =>
        target.engine.on('connection', (session) => session.on('message', resolve)),
      );
      const connection = dial(target, Buffer.concat([Buffer.from(draftRequest(PATH) + EXAMPLE.key3), text('4early')]));
      await connection.until(/0\{"sid"/);
      const session = (await arrived) === 'early' ? 'lives on' : 'saw something else';
      return { target, answer: 'handshake', session };
    },
  },
  frames('A frame of another type than text, or with a length, and a closing frame with a length', [
    [0x01, 0x34, 0xff],
    [0x7f, 0x34, 0xff],
    [0x80, 0x01, 0x34],
    [0x80, 0xff, 0xff, 0xff, 0x7f],
    // one of RFC 6455
    [0x81, 0x82, 0, 0, 0, 0, 0x34, 0x78],
    [0xff, 0x01, 0x34],
    [0xff, 0xff, 0xff, 0x7f],
  ]),
  {
    input: 'A message over 262,144 bytes, or over `maxHttpBufferSize`, whole or without an end',
    async run(start) {
      const outcomes = [];
      for (const [limit, options] of [
        [LIMIT, {}],
        [1_000, { maxHttpBufferSize: 1_000 }],
      ] as const) {
        const whole = text(`4${'x'.repeat(limit)}`);
        outcomes.push(await frames('', [whole, whole.subarray(0, -1)], options).run(start));
      }
      return {
        ...outcomes[0]!,
        answer: same(outcomes.map(({ answer }) => answer)),
        session: same(outcomes.map(({ session }) => session)),
      };
    },
  },
  deed(
    'A message in more pieces of TCP than `limits.maxBufferedChunks`',
    async ({ connection }) => {
      connection.socket.setNoDelay(true);
      connection.write(Buffer.from([0, 0x34]));
      const trickle = setInterval(() => connection.write('x'), 1);
      const answer = await toldByDraft(connection);
      clearInterval(trickle);
      return answer;
    },
    { limits: { maxBufferedChunks: 50 } },
  ),
  frames(
    'A message before a broken frame: it is delivered, and what follows is not',
    [Buffer.concat([text('4good'), Buffer.from([0x80, 0x01]), text('4late')])],
    {},
    ({ received }) => {
      if (String(received) !== 'good') throw new Error(`it has received ${String(received)}`);
    },
  ),
  deed('A text that is not UTF-8: what cannot be read of it is replaced', async ({ raw, received }) => {
    raw(text(Buffer.from([0x34, 0x61, 0x80, 0xc3, 0x62])));
    await until(() => received.length === 1);
    return received[0] === 'a\ufffd\ufffdb' ? 'nothing' : String(received);
  }),
  frames('A packet type that does not exist, or no packet', ['abc', '7', '', ' 4x', '\ufeff4x'].map(text)),
  frames('A heartbeat in the wrong direction', [text('2'), text('2probe')]),
  frames('A close packet', [text('1'), text('1bye')]),
  frames('A closing frame, with whatever behind it', [
    CLOSE,
    Buffer.concat([CLOSE, text('4late'), Buffer.from('GET')]),
  ]),
  deed('Packets that only the server sends, or that mean nothing here (`0`, `5`, `6`)', async ({ raw }) => {
    for (const packet of ['0', '0{"sid":"mine"}', '5', '6', '6x', '5probe']) raw(text(packet));
    return 'nothing';
  }),
  deed('The end of the TCP connection without a closing frame', async ({ connection }) => {
    connection.socket.end();
    return toldByDraft(connection);
  }),
  deed('A TCP reset', async ({ connection }) => {
    connection.reset();
    return toldByDraft(connection);
  }),
  deed(
    'A client that does not read, until `limits.maxBufferedBytes` wait for it',
    async ({ connection, session }) => {
      await overfill(session, connection.socket);
      return toldByDraft(connection);
    },
    { limits: { maxBufferedBytes: 1_000_000 } },
  ),
  {
    input: 'A candidate by the draft that sends a broken frame, or anything but `2probe` and `5`',
    async run(start) {
      const one = await victim(start, rowOf('polling/4'));
      const answers: string[] = [];
      for (const bytes of [Buffer.from([0x80, 0x01]), text('4x'), text('2'), text('abc')]) {
        const candidate = dial(one.target, draftRequest(`${PATH}&sid=${one.client.sid}`) + EXAMPLE.key3);
        await candidate.until(/~K~MH$/);
        candidate.write(bytes);
        answers.push(await toldByDraft(candidate));
        await until(() => !one.session.upgrading);
      }
      return { target: one.target, answer: same(answers), session: await one.fate() };
    },
  },
];
