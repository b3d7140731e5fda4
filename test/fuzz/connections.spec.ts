import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import { draftRequest, EXAMPLE } from '../support/wire-drafts.js';
import { until, useEngines, type Harness } from '../support/wire-engine.js';
import { expectService, inPieces } from '../support/wire-hostile.js';
import { RawConnection } from '../support/wire-http.js';
import { frameOf, memorySessions } from '../support/wire-webtransport.js';
import { almostFrames, cut, cuts, runs, SEARCH_TIMEOUT } from './arbitraries.js';

/*
 * Arbitrary bytes on live connections that are no requests of HTTP, or have been one: draft 76, WebTransport, and the Flash
 * policy file. Whatever they were, the connection comes to an end, and nothing is left behind.
 */

const start = useEngines();

/** A short heartbeat ends what nobody ends. */
const SHORT = { pingInterval: 40, pingTimeout: 80, upgradeTimeout: 60, maxHttpBufferSize: 60 };

const unhandled: unknown[] = [];
const onUnhandled = (error: unknown): number => unhandled.push(error);

beforeEach(() => {
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
});

afterEach(() => {
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

async function expectNothingLeft(target: Harness): Promise<void> {
  await until(() => target.engine.clientsCount === 0);
  await expectService(target);
}

describe('a client of draft 76', () => {
  const key = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(EXAMPLE.key1, EXAMPLE.key2) },
    {
      weight: 1,
      arbitrary: fc.string({ unit: fc.constantFrom('1', '9', '0', ' ', 'x', ':', '\xe9', '\t'), maxLength: 40 }),
    },
  );
  const client = fc.record({
    key1: key,
    key2: key,
    key3: fc.oneof(
      { weight: 5, arbitrary: fc.constant(EXAMPLE.key3) },
      { weight: 1, arbitrary: fc.string({ maxLength: 7 }) },
    ),
    query: fc.constantFrom(
      'transport=websocket',
      'transport=flashsocket',
      'transport=polling',
      'transport=websocket&sid=x',
    ),
    bytes: almostFrames,
    sizes: cuts,
    leaves: fc.constantFrom('end', 'reset', 'waits'),
  });

  it(
    'is taken or refused, and comes to an end',
    async () => {
      const target = await start(SHORT);
      const answers = new Set<string | undefined>();
      await fc.assert(
        fc.asyncProperty(fc.array(client, { minLength: 1, maxLength: 8 }), async (clients) => {
          const all = clients.map(async ({ key1, key2, key3, query, bytes, sizes, leaves }) => {
            const headers = { 'Sec-WebSocket-Key1': key1, 'Sec-WebSocket-Key2': key2 };
            const request = draftRequest(`/engine.io/?EIO=4&${query}`, headers) + key3;
            const connection = new RawConnection(target.port).write(Buffer.from(request, 'latin1'));
            target.onTeardown(() => connection.socket.destroy());
            for (const piece of cut(bytes, sizes)) {
              connection.write(piece);
              await new Promise(setImmediate);
            }
            const wasAnswered = connection.until(/^HTTP\/1\.1 \d+ /).catch(() => {}); // or it has ended
            // one that does not answer a closing frame is cut after 30 seconds, one that waits with half of a key after 10
            connection.until(/\xff\0$/).then(
              () => connection.write(Buffer.from([0xff, 0])),
              () => {},
            ); // or it has ended
            if (leaves === 'end' || key3.length < 8) connection.socket.end();
            await Promise.race([wasAnswered, connection.ended]);
            if (leaves === 'reset') connection.reset();
            answers.add(/^HTTP\/1\.1 (\d+) /.exec(await connection.ended)?.[1]);
          });
          await Promise.all(all);
        }),
        runs(20),
      );
      expect([...answers]).toEqual(expect.arrayContaining(['101', '400']));
      await expectNothingLeft(target);
    },
    SEARCH_TIMEOUT,
  );
});

describe('a client of WebTransport', () => {
  const first = fc.oneof(
    { weight: 5, arbitrary: fc.constant(frameOf('0')) },
    { weight: 1, arbitrary: fc.constantFrom('0{"sid":"x"}', '0{', '4x', '2probe').map((text) => frameOf(text)) },
    { weight: 1, arbitrary: almostFrames },
  );
  const client = fc.record({
    first,
    bytes: almostFrames,
    sizes: cuts,
    leaves: fc.constantFrom('close', 'lose', 'ends its stream', 'waits'),
  });

  it(
    'is taken or refused, and comes to an end',
    async () => {
      const target = await start(SHORT);
      const engine = target.engine as unknown as {
        onWebTransportSession(session: object, request: object): Promise<void>;
      };
      const codes = new Set<number>();
      await fc.assert(
        fc.asyncProperty(fc.array(client, { minLength: 1, maxLength: 8 }), async (clients) => {
          const all = clients.map(async ({ first: begin, bytes, sizes, leaves }) => {
            const { client: session, server } = memorySessions();
            target.onTeardown(() => session.close());
            const taken = engine.onWebTransportSession(server, { url: '/engine.io/', headers: {} });
            const { writable } = await session.createBidirectionalStream();
            const writer = writable.getWriter();
            writer.closed.catch(() => {}); // told by the end of the session
            for (const piece of cut(Buffer.concat([begin, bytes]), sizes)) await writer.write(piece).catch(() => {});
            if (leaves === 'ends its stream') await writer.close().catch(() => {});
            else if (leaves !== 'waits') session[leaves as 'close' | 'lose']();
            await taken;
            const { closeCode } = await session.closed.catch(() => ({ closeCode: -1 }));
            codes.add(closeCode);
          });
          await Promise.all(all);
        }),
        runs(20),
      );
      // lost, ended, and refused for what it said first
      expect([...codes]).toEqual(expect.arrayContaining([-1, 0, 3]));
      await expectNothingLeft(target);
    },
    SEARCH_TIMEOUT,
  );
});

describe('a request for the policy file', () => {
  const REQUEST = '<policy-file-request/>\0';
  const FILE = /^<\?xml version="1\.0"\?><cross-domain-policy>[^\0]*<\/cross-domain-policy>\0$/;
  const REFUSED = 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n';

  it('is answered wherever it is cut', async () => {
    const target = await start();
    for (let at = 1; at < REQUEST.length; at++) {
      expect(await inPieces(target, [REQUEST.slice(0, at), REQUEST.slice(at)])).toMatch(FILE);
    }
    await expectNothingLeft(target);
  });

  it(
    'is answered in any pieces, and nothing else is',
    async () => {
      const target = await start();
      const change = fc.record({
        at: fc.nat({ max: REQUEST.length - 2 }),
        take: fc.nat({ max: 2 }),
        put: fc.oneof(
          fc.constantFrom('', '\0', 'P', '<', '\n', ' '),
          fc.string({ unit: 'binary-ascii', maxLength: 4 }),
        ),
      });
      await fc.assert(
        fc.asyncProperty(fc.option(change), cuts, async (changed, sizes) => {
          const { at, take, put } = changed ?? { at: 0, take: 0, put: '' };
          const text = REQUEST.slice(0, at) + put + REQUEST.slice(at + take);
          // the beginning of it waits for the rest
          fc.pre(text === REQUEST || !REQUEST.startsWith(text));
          const pieces = cut(Buffer.from(text, 'latin1'), sizes);
          const answer = await inPieces(target, pieces);
          if (text === REQUEST) expect(answer).toMatch(FILE);
          else expect(answer).toBe(REQUEST.startsWith(pieces[0]!.toString('latin1')) ? '' : REFUSED);
        }),
        runs(40),
      );
      await expectNothingLeft(target);
    },
    SEARCH_TIMEOUT,
  );
});
