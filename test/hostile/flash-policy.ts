import { jest } from '@jest/globals';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { exchange, inPieces, NO_SESSION, same, toldRaw, type Case } from '../support/wire-hostile.js';
import { RawConnection, requestText } from '../support/wire-http.js';
import { event, type Harness } from '../support/wire-engine.js';

/*
 * The Flash policy file on the port of HTTP. The document has `policy file` for the whole file, behind which the connection
 * ends.
 */

const REQUEST = '<policy-file-request/>\0';
const FILE = /^<\?xml [^\0]*<\/cross-domain-policy>\0$/;

const toldPolicy = (received: string): string => (FILE.test(received) ? 'policy file' : toldRaw(received));

function deeds(input: string, list: ((target: Harness) => Promise<string>)[], options = {}): Case {
  return {
    input,
    async run(start) {
      const target = await start(options, {
        before: (server) => server.on('request', (_req, res) => res.writeHead(404).end()),
      });
      const answers: string[] = [];
      for (const act of list) answers.push(await act(target));
      return { target, answer: same(answers), session: NO_SESSION };
    },
  };
}

/** Pieces, each of which reaches the server by itself. */
const pieces = (input: string, list: string[][], options = {}): Case =>
  deeds(
    input,
    list.map((one) => async (target) => toldPolicy(await inPieces(target, one))),
    options,
  );

/** A connection on which the request has begun, and the server has read that. */
async function begun(target: Harness, part = REQUEST.slice(0, 9)): Promise<{ client: RawConnection; socket: Socket }> {
  const failed = once(target.server, 'clientError');
  const client = new RawConnection(target.port).write(part);
  target.onTeardown(() => client.socket.destroy());
  const [, socket] = (await failed) as [Error, Socket];
  return { client, socket };
}

export const policyCases: Case[] = [
  pieces('The request, `<policy-file-request/>` and a NUL, in pieces of any size', [
    [REQUEST],
    [...REQUEST],
    [REQUEST.slice(0, 1), REQUEST.slice(1)],
    [REQUEST.slice(0, -1), '\0'],
  ]),
  pieces('The beginning of the request in a piece, and then something else, or more', [
    ['<policy', 'GET / HTTP/1.1\r\n\r\n'],
    ['<', '/policy-file-request>\0'],
    [REQUEST.slice(0, -1), '\n'],
    [REQUEST.slice(0, 5), `${REQUEST.slice(5)}x`],
    ['<', 'x'.repeat(100_000)],
  ]),
  pieces('The request and more, or almost the request, in one piece', [
    [`${REQUEST}x`],
    [`${REQUEST}${REQUEST}`],
    ['<policy-file-request/>\n'],
    ['<Policy-File-Request/>\0'],
    [`\0${REQUEST}`],
  ]),
  deeds(
    'The beginning of the request, and nothing more for two seconds',
    [1, 22].map((length) => async (target) => {
      jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask', 'performance'] });
      try {
        const { client } = await begun(target, REQUEST.slice(0, length));
        jest.advanceTimersByTime(2_000);
        return toldPolicy(await client.ended);
      } finally {
        jest.useRealTimers();
      }
    }),
  ),
  deeds('The end of the TCP connection in the middle of the request, or a TCP reset', [
    async (target) => {
      const { client } = await begun(target);
      client.socket.end();
      return toldPolicy(await client.ended);
    },
    async (target) => {
      const { client, socket } = await begun(target);
      const gone = event(socket, 'close');
      client.reset();
      await gone;
      return toldPolicy(await client.ended);
    },
  ]),
  deeds('The request as the second one of a connection', [
    async (target) => {
      const client = new RawConnection(target.port).write(requestText('GET', '/', {}));
      target.onTeardown(() => client.socket.destroy());
      const first = await client.until(/ 404 [^]*0\r\n\r\n$/);
      client.write(REQUEST);
      return toldRaw((await client.ended).slice(first.length));
    },
  ]),
  deeds('The request within the headers or the body of another: text as any other', [
    (target) => exchange(target, requestText('GET', '/', { 'x-any': REQUEST.slice(0, -1), connection: 'close' })),
    (target) => exchange(target, requestText('POST', '/', { 'content-length': '23', connection: 'close' }, REQUEST)),
  ]),
  {
    input: 'The request where `flashsocket` is off, or `flashPolicy` is `false`',
    async run(start) {
      const outcomes = [];
      for (const options of [{ flashPolicy: false }, { transports: ['polling', 'websocket'] }]) {
        outcomes.push(await pieces('', [[REQUEST], [...REQUEST]], options).run(start));
      }
      return { ...outcomes[0]!, answer: same(outcomes.map(({ answer }) => answer)) };
    },
  },
];
