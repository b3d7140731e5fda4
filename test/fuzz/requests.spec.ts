import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { RawConnection } from '../support/wire-http.js';
import { until, useEngines, type Harness } from '../support/wire-engine.js';
import { expectService, rowOf } from '../support/wire-hostile.js';
import { almostBinaryPayload, almostTextPayload, anyText, bytes, runs, SEARCH_TIMEOUT } from './arbitraries.js';

/*
 * Arbitrary requests on bare TCP connections to a live engine. What comes back is not judged, only that something does:
 * an answer or the end of the connection. And that afterwards everything is as it was.
 */

const start = useEngines();

const method = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('GET', 'POST') },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'HEAD',
      'PUT',
      'DELETE',
      'OPTIONS',
      'PATCH',
      'TRACE',
      'PROPFIND',
      'get',
      'M-SEARCH',
      'CONNECT',
    ),
  },
);

/** `{sid}` stands for the id of a session that is open. */
const query = fc
  .array(
    fc.tuple(
      fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom('EIO', 'transport', 'sid', 't', 'j', 'b64') },
        { weight: 1, arbitrary: fc.constantFrom('__proto__', 'constructor', 'EIO[]', '', 'sid[]') },
        { weight: 1, arbitrary: anyText.map(encodeLoosely) },
      ),
      fc.oneof(
        { weight: 8, arbitrary: fc.constantFrom('4', '3', 'polling', 'websocket', '{sid}', '{sid}', '1', '') },
        {
          weight: 1,
          arbitrary: fc.constantFrom('__proto__', 'constructor', '%', '%00', '%E0%A4%A', 'a'.repeat(2_000)),
        },
        { weight: 1, arbitrary: anyText.map(encodeLoosely) },
      ),
    ),
    { maxLength: 6 },
  )
  .map((pairs) => pairs.map(([key, value]) => `${key}=${value}`).join('&'));

/** Queries that get somewhere, mixed in so that the fuzz reaches what lies behind the checks. */
const goodQuery = fc.constantFrom(
  'EIO=4&transport=polling',
  'EIO=3&transport=polling',
  'EIO=4&transport=websocket',
  'EIO=4&transport=polling&sid={sid}',
  'EIO=4&transport=polling&sid={sid}',
  'EIO=4&transport=websocket&sid={sid}',
  'EIO=3&transport=polling&sid={sid3}',
);

const target = fc.oneof(
  { weight: 6, arbitrary: goodQuery.map((q) => `/engine.io/?${q}`) },
  { weight: 4, arbitrary: query.map((q) => `/engine.io/?${q}`) },
  { weight: 1, arbitrary: anyText.map((text) => `/engine.io/${encodeLoosely(text)}`) },
  {
    weight: 1,
    arbitrary: fc.constantFrom('/', '//', '*', '/engine.io', '/engine.io//', 'http://h/engine.io/?EIO=4', '/?'),
  },
);

const latin1 = fc.array(fc.integer({ min: 0x20, max: 0xff })).map((codes) => String.fromCharCode(...codes));

const header = fc.oneof(
  fc.tuple(
    fc.constantFrom('origin', 'cookie', 'user-agent', 'content-type', 'accept-encoding', 'x-forwarded-for', 'referer'),
    fc.oneof(latin1, fc.constantFrom('application/octet-stream', 'gzip;q=0', 'text/plain', ',,,', '', 'null')),
  ),
  fc.constantFrom<[string, string]>(
    ['upgrade', 'websocket'],
    ['upgrade', 'h2c'],
    ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ['sec-websocket-version', '13'],
    ['sec-websocket-extensions', 'permessage-deflate; client_max_window_bits'],
    ['sec-websocket-protocol', ', ,'],
    ['sec-fetch-site', 'cross-site'],
    ['expect', '100-continue'],
    ['transfer-encoding', 'chunked'],
    ['content-length', '5'],
    ['content-length', '-1'],
    ['content-encoding', 'gzip'],
  ),
);

const UPGRADE: [string, string][] = [
  ['connection', 'upgrade'],
  ['upgrade', 'websocket'],
  ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ=='],
  ['sec-websocket-version', '13'],
];

interface Request {
  method: string;
  target: string;
  headers: [string, string][];
  /** Whether the headers of an upgrade are there. */
  upgrades: boolean;
  declaresLength: boolean;
  /** Whether the client ends its side of the connection after the request. */
  halfCloses: boolean;
  body: Buffer;
}

const request: fc.Arbitrary<Request> = fc.record({
  method,
  target,
  headers: fc.array(header, { maxLength: 5 }),
  upgrades: fc.boolean(),
  declaresLength: fc.boolean(),
  halfCloses: fc.nat({ max: 3 }).map((n) => n === 0),
  body: fc.oneof(
    bytes,
    almostBinaryPayload,
    fc.oneof(almostTextPayload, anyText).map((text) => Buffer.from(text)),
  ),
});

/** Percent-encodes what would end the request line, and nothing else. */
function encodeLoosely(text: string): string {
  return Buffer.from(text)
    .toString('latin1')
    .replace(/[\0-\x20\x7f-\xff]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

function plain(method: string, target: string, more: Partial<Request> = {}): Request {
  return {
    method,
    target,
    headers: [],
    upgrades: false,
    declaresLength: false,
    halfCloses: false,
    body: Buffer.alloc(0),
    ...more,
  };
}

/** Where chance might not lead in so few runs: an answer of every kind. They are the first run. */
const EVERY_ANSWER: Request[] = [
  plain('GET', '/engine.io/?EIO=4&transport=websocket', { upgrades: true }),
  plain('GET', '/engine.io/?EIO=4&transport=polling'),
  plain('GET', '/engine.io/?EIO=4&transport=nothing'),
  plain('GET', '/'),
  plain('PUT', '/engine.io/?EIO=4&transport=polling&sid={sid}'),
];

function written({ method, target, headers, upgrades, declaresLength, body }: Request): Buffer {
  const own: [string, string][] = upgrades ? UPGRADE : [['connection', 'close']];
  const length: [string, string][] = declaresLength ? [['content-length', String(body.length)]] : [];
  const lines = [['host', 'fuzz'], ...own, ...length, ...headers].map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([Buffer.from(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'), body]);
}

/** Sends one request and waits for its status, or for the end of the connection. */
async function survive(harness: Harness, one: Request): Promise<string> {
  const connection = new RawConnection(harness.port);
  try {
    connection.write(written(one));
    if (one.halfCloses) connection.socket.end();
    await Promise.race([connection.ended, connection.until(/HTTP\/1\.1 (101|[2-5]\d\d) /).catch(() => {})]);
    return /HTTP\/1\.1 (101|[2-5]\d\d) /.exec(connection.text)?.[1] ?? 'cut';
  } finally {
    connection.socket.destroy();
  }
}

describe('the request surface', () => {
  it(
    'answers or ends whatever it is asked, and goes on',
    async () => {
      const answers = new Set<string>();
      const harness = await start(
        {
          pingInterval: 50,
          pingTimeout: 100,
          upgradeTimeout: 100,
          maxHttpBufferSize: 200,
          cors: { origin: true, credentials: true },
          cookie: true,
          perMessageDeflate: true,
        },
        { before: (server) => server.on('request', (_req, res) => res.writeHead(404).end()) },
      );
      await fc.assert(
        fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 10 }), async (requests) => {
          const { sid } = await rowOf('polling/4').open(harness, { paused: true });
          const { sid: sid3 } = await rowOf('polling/3').open(harness, { paused: true });
          const named = requests.map((one) => ({
            ...one,
            target: one.target.replaceAll('{sid}', sid).replaceAll('{sid3}', sid3),
          }));
          for (const answer of await Promise.all(named.map((one) => survive(harness, one)))) answers.add(answer);
        }),
        { ...runs(50), examples: [[EVERY_ANSWER]] },
      );
      // what lies behind the checks was reached, in the first run at least
      expect([...answers]).toEqual(expect.arrayContaining(['101', '200', '400', '404', '405']));
      // heartbeats end what nobody ends
      await until(() => harness.engine.clientsCount === 0);
      await expectService(harness);
    },
    SEARCH_TIMEOUT,
  );
});
