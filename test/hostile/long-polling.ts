import { gzipSync } from 'node:zlib';
import { ask, RawConnection, requestText } from '../support/wire-http.js';
import { until } from '../support/wire-engine.js';
import {
  eachAlone,
  exchange,
  rowOf,
  same,
  told,
  toldRaw,
  victim,
  type Case,
  type Start,
  type Victim,
} from '../support/wire-hostile.js';
import { message } from '../support/wire-rows.js';

const LIMIT = 1_000_000;
const v4 = rowOf('polling/4');
const v3 = rowOf('polling/3');

/** The path and query of a session's requests. */
function pathOf({ url }: Victim): string {
  return new URL(url).pathname + new URL(url).search;
}

/** Bodies that are POSTed, each to a session of its own; all must have the same outcome. */
function bodies(
  input: string,
  row: typeof v4,
  list: (string | Buffer)[],
  {
    headers = { 'content-type': 'text/plain' },
    options = {},
    check = () => {},
  }: { headers?: Record<string, string>; options?: object; check?: (one: Victim) => void } = {},
): Case {
  const post = async ({ url }: Victim, body: string | Buffer): Promise<string> =>
    told(await ask(url, { method: 'POST', body, headers }));
  return eachAlone(input, list, (start) => victim(start, row, options), post, check);
}

/** One deed to a session of revision 4. */
function deed(input: string, act: (one: Victim) => Promise<string>, options = {}): Case {
  return {
    input,
    async run(start: Start) {
      const one = await victim(start, v4, options);
      const answer = await act(one);
      return { target: one.target, answer, session: await one.fate() };
    },
  };
}

function binaryLength(length: string, first = 0): Buffer {
  return Buffer.from([first, ...[...length].map(Number), 255, 0x34, 0x78]);
}

export const pollingCases: Case[] = [
  deed('A request of another protocol revision than its session', async ({ url }) =>
    same([
      told(await ask(url.replace('EIO=4', 'EIO=3'))),
      told(await ask(url.replace('EIO=4', 'EIO=3'), { method: 'POST', body: '3:4hi' })),
      told(await ask(url.replace('EIO=4&', ''))),
    ]),
  ),
  deed('A request that names another transport than its session has', async ({ url }) =>
    told(await ask(url.replace('polling', 'websocket'))),
  ),
  deed('PUT, PATCH, DELETE or OPTIONS', async ({ url }) => {
    const answers: string[] = [];
    for (const method of ['PUT', 'PATCH', 'DELETE', 'OPTIONS']) answers.push(told(await ask(url, { method })));
    return same(answers);
  }),
  deed('HEAD', async ({ url, session }) => {
    session.send('must not be lost');
    return told(await ask(url, { method: 'HEAD' }));
  }),
  deed('A second GET while one is parked', async ({ url, session }) => {
    const first = ask(url);
    await until(() => session.transport.writable);
    const second = told(await ask(url));
    if (told(await first) !== '200 1') throw new Error('the first GET was not closed');
    return second;
  }),
  {
    input: 'A `wait` that is not `0`, beside `resume=1`',
    async run(start) {
      const target = await start();
      const { text } = await ask(`${target.url}?EIO=4&transport=polling&resume=1`);
      const url = `${target.url}?EIO=4&transport=polling&resume=1&sid=${JSON.parse(text.slice(1)).sid}`;
      const answers: string[] = [];
      for (const wait of ['', '1', '-1', '0.5', '99999999999999999999', 'x']) {
        answers.push(told(await ask(`${url}&wait=${wait}`)));
      }
      const session = await target.sessions.next();
      session.send('still there');
      const fate = (await ask(`${url}&wait=0`)).text === '4still there' ? 'lives on' : 'ends';
      return { target, answer: same(answers), session: fate };
    },
  },
  deed('A second POST while one is being received', async (one) => {
    const path = pathOf(one);
    const first = new RawConnection(one.target.port).write(
      requestText('POST', path, { 'content-length': '10', 'content-type': 'text/plain' }, '4abc'),
    );
    // both on the way at once; which of them is the second is for the server to say
    await new Promise((resolve) => one.target.server.once('request', resolve));
    const answer = told(await ask(one.url, { method: 'POST', body: '4second' }));
    if (toldRaw(await first.ended) !== 'connection cut') throw new Error('the first POST was answered');
    return answer;
  }),
  deed('A GET before the answer to the last one was read', async (one) => {
    const first = new RawConnection(one.target.port);
    one.target.onTeardown(() => first.socket.destroy());
    first.socket.pause();
    first.write(requestText('GET', pathOf(one)));
    await until(() => one.session.transport.writable);
    one.session.send('x'.repeat(20_000_000));
    await until(() => !one.session.transport.writable);
    const answer = told(await ask(one.url));
    first.socket.destroy();
    return answer;
  }),
  deed('A GET that announces a body', async (one) =>
    exchange(one.target, requestText('GET', pathOf(one), { 'content-length': '1000000' }, 'x'.repeat(1_000))),
  ),
  deed('A body in chunks of one byte', async (one) => {
    const chunks = [...`4${'x'.repeat(50_000)}`].map((byte) => `1\r\n${byte}\r\n`).join('');
    const headers = { 'transfer-encoding': 'chunked', connection: 'close' };
    const answer = await exchange(one.target, requestText('POST', pathOf(one), headers, `${chunks}0\r\n\r\n`));
    if ((one.received[0] as string).length !== 50_000) throw new Error('the message is not what was sent');
    return answer;
  }),
  deed('A parked GET that is cut', async ({ url, session }) => {
    const cut = new AbortController();
    const poll = ask(url, { signal: cut.signal }).catch(() => 'connection cut');
    await until(() => session.transport.writable);
    cut.abort();
    return (await poll) as string;
  }),
  deed('A POST that is cut in the middle', async (one) => {
    const connection = new RawConnection(one.target.port).write(
      requestText('POST', pathOf(one), { 'content-length': '100' }, '4never whole'),
    );
    await new Promise((resolve) => one.target.server.once('request', resolve));
    connection.reset();
    return toldRaw(await connection.ended);
  }),
  deed('A POST whose chunked encoding is broken', async (one) => {
    const text = requestText('POST', pathOf(one), { 'transfer-encoding': 'chunked' }, '2\r\n4x\r\nZZZ\r\n');
    return exchange(one.target, text);
  }),
  deed(
    'A POST that never ends',
    (one) => exchange(one.target, requestText('POST', pathOf(one), { 'content-length': '100' }, '4slow')),
    { pingInterval: 300, pingTimeout: 300 },
  ),
  {
    input: 'A body over `maxHttpBufferSize`, declared by `Content-Length`',
    async run(start) {
      const one = await victim(start, v4);
      const declared = await exchange(
        one.target,
        requestText('POST', pathOf(one), { 'content-length': String(LIMIT + 1) }, '4x'),
      );
      const whole = told(await ask(one.url, { method: 'POST', body: `4${'x'.repeat(LIMIT)}` }));
      return { target: one.target, answer: same([declared, whole]), session: await one.fate() };
    },
  },
  deed('A body over `maxHttpBufferSize` in chunks', async (one) => {
    const connection = new RawConnection(one.target.port);
    one.target.onTeardown(() => connection.socket.destroy());
    connection.write(requestText('POST', pathOf(one), { 'transfer-encoding': 'chunked' }));
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    for (let sent = 0; sent <= LIMIT; sent += 0x10000) connection.write(chunk);
    return toldRaw(await connection.until(/\r\n\r\n/));
  }),
  bodies('`Content-Type: application/octet-stream` in revision 4', v4, [Buffer.from([4, 1, 2, 3]), '4text'], {
    headers: { 'content-type': 'application/octet-stream' },
  }),
  bodies('An empty body', v4, ['']),
  bodies('An empty body in revision 3', v3, ['']),
  bodies('A packet type that does not exist', v4, ['abc', '7', '9x', '/', '\x1e', '\x1e4x', ' 4x', '\ufeff4x']),
  bodies('A separator (0x1E) at the end, after a good message', v4, ['4good\x1e', '4good\x1e\x1e4lost'], {
    check: ({ received }) => {
      if (received.join() !== 'good') throw new Error(`the session saw ${JSON.stringify(received)}`);
    },
  }),
  bodies('Bytes that are not UTF-8', v4, [
    Buffer.from([0x34, 0xff, 0xfe]),
    Buffer.from([0x34, 0xed, 0xa0, 0x80]),
    Buffer.from([0x34, 0xc0, 0xaf]),
    Buffer.from([0x34, 0xe2, 0x82]),
  ]),
  bodies('A compressed body (`Content-Encoding: gzip`)', v4, [gzipSync('4hello')], {
    headers: { 'content-encoding': 'gzip' },
  }),
  bodies('Packets that only the server sends, or that mean nothing here (`0`, `5`, `6`)', v4, [
    '0',
    '0{"sid":"mine"}',
    '5',
    '6',
    '6x\x1e5probe',
  ]),
  bodies('Base64 with illegal characters: what can be read of it arrives', v4, ['b!!!', 'b', 'bAQID****', 'b====']),
  bodies('A heartbeat in the wrong direction', v4, ['2', '2probe']),
  bodies('A heartbeat in the wrong direction in revision 3', v3, ['1:3', '6:3probe']),
  bodies('500,000 packets in one body of 1 MB', v4, [Array(500_000).fill('4').join('\x1e').slice(0, LIMIT)], {
    check: ({ received }) => {
      if (received.length < 490_000) throw new Error(`only ${received.length} messages arrived`);
    },
  }),
  bodies('333,333 packets in one body of 1 MB in revision 3', v3, ['1:4'.repeat(333_333)], {
    check: ({ received }) => {
      if (received.length < 333_333) throw new Error(`only ${received.length} messages arrived`);
    },
  }),
  bodies('A length in revision 3 that is no number, is not true, or never ends', v3, [
    'abc',
    ':4x',
    '-1:4x',
    '+2:4x',
    ' 2:4x',
    '2 :4x',
    '2.0:4x',
    '1e1:4x23456789',
    '0x2:4x',
    '3:4x',
    '2:4xx',
    '1000000000:4x',
    '99999999999999999999:4x',
    'Infinity:4x',
    'NaN:4x',
    '1'.repeat(LIMIT),
    '2',
    ':'.repeat(1_000),
  ]),
  bodies('An unknown packet in revision 3', v3, ['2:9x', '2:bx', '3:b9A', '1:b']),
  bodies(
    'A binary payload of revision 3 whose lengths are absurd, missing or not true, or that is cut',
    v3,
    [
      binaryLength('9'.repeat(400)),
      binaryLength('3'),
      binaryLength(''),
      binaryLength('2', 2),
      binaryLength('2', 255),
      Buffer.from([0]),
      Buffer.from([0, 2]),
      Buffer.from([0, 10, 255, 52]),
      Buffer.from([1, 1, 255, 9]),
      Buffer.from([0, 1, 255, 0x39]),
      Buffer.from([0, 2, 255, 0x34, 0xff]),
      Buffer.alloc(LIMIT),
      Buffer.alloc(LIMIT, 1),
      Buffer.alloc(0),
    ],
    { headers: { 'content-type': 'application/octet-stream' } },
  ),
  {
    input: 'Requests for a session that has ended',
    async run(start) {
      const one = await victim(start, v4);
      one.session.close(true);
      const answers = [told(await ask(one.url)), told(await ask(one.url, { method: 'POST', body: '4x' }))];
      return { target: one.target, answer: same(answers), session: await one.fate() };
    },
  },
  {
    input: 'A POST behind a goodbye (`1`) in the same body: ignored',
    async run(start) {
      const one = await victim(start, v4);
      const answer = told(await ask(one.url, { method: 'POST', body: '1\x1e4late' }));
      const session = await one.fate();
      if (one.received.length > 0) throw new Error('a message arrived after the goodbye');
      return { target: one.target, answer, session };
    },
  },
  {
    input: 'A message that contains the separator itself: two packets, the second of them invalid',
    async run(start) {
      const one = await victim(start, v4);
      const sent = one.client.send(message('split\x1ehere')).then(
        () => '200 ok',
        (answer) => told(answer),
      );
      return { target: one.target, answer: await sent, session: await one.fate() };
    },
  },
];
