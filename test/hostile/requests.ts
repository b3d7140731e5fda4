import { createServer } from 'node:http';
import { ask, RawConnection, requestText, upgradeText } from '../support/wire-http.js';
import { createEngine, engineOptions, listening, stop, type EngineLike, type Harness } from '../support/wire-engine.js';
import { exchange, NO_SESSION, same, told, type Case } from '../support/wire-hostile.js';

const HANDSHAKE = '/engine.io/?EIO=4&transport=polling';
const UPGRADE = '/engine.io/?EIO=4&transport=websocket';

/** Asks with each query by HTTP and as an upgrade; every answer must be the same. */
async function allQueries(target: Harness, queries: string[]): Promise<string> {
  const answers: string[] = [];
  for (const query of queries) {
    answers.push(told(await ask(`${target.url}?${query}`)));
    answers.push(await exchange(target, upgradeText(`/engine.io/?${query}`)));
  }
  return same(answers);
}

function queries(input: string, list: string[], options = {}): Case {
  return {
    input,
    async run(start) {
      const target = await start(options);
      return { target, answer: await allQueries(target, list), session: NO_SESSION };
    },
  };
}

/** Bytes on a raw connection, to an engine beside an application that answers 404. */
function bytes(input: string, list: (string | Buffer)[], options = {}): Case {
  return {
    input,
    async run(start) {
      const target = await start(options, {
        before: (server) => server.on('request', (_req, res) => res.writeHead(404, { connection: 'close' }).end()),
      });
      const answers: string[] = [];
      for (const one of list) answers.push(await exchange(target, one));
      return { target, answer: same(answers), session: NO_SESSION };
    },
  };
}

/** What the application lets the handshake wait for. */
interface Hold {
  options?: Record<string, unknown>;
  configure?: (engine: EngineLike) => void;
}

/**
 * A handshake whose client resets the connection while the server waits for something of the application's.
 *
 * @param hold is to call `arrived` when the server has come that far, and then to wait for `released`.
 */
function resetWhilePending(input: string, hold: (arrived: () => void, released: Promise<void>) => Hold): Case {
  return {
    input,
    async run(start) {
      let arrived = () => {};
      let release = () => {};
      const released = new Promise<void>((resolve) => (release = resolve));
      const { options, configure } = hold(() => arrived(), released);
      const target = await start(options, { configure });
      for (const text of [requestText('GET', HANDSHAKE), upgradeText(UPGRADE)]) {
        const pending = new Promise<void>((resolve) => (arrived = resolve));
        const gone = new Promise((resolve) =>
          target.server.once('connection', (socket) => socket.once('close', resolve)),
        );
        const connection = new RawConnection(target.port).write(text);
        await pending;
        connection.reset();
        await gone;
      }
      release();
      await turns();
      return { target, answer: 'connection cut', session: target.sessions.size === 0 ? NO_SESSION : 'opens' };
    },
  };
}

/** Lets everything run that is ready to: what follows is to show that nothing happens. */
async function turns(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
}

export const requestCases: Case[] = [
  queries('`transport` is missing, unknown, or a property name such as `__proto__`, `constructor`, `toString`', [
    'EIO=4',
    'EIO=4&transport=pigeon',
    'EIO=4&transport=__proto__',
    'EIO=4&transport=constructor',
    'EIO=4&transport=toString',
    'EIO=4&transport[]=polling',
    'EIO=4&transport=polling%00',
  ]),
  {
    input: '`sid` is unknown, or a property name such as `__proto__`, `constructor`, `hasOwnProperty`',
    async run(start) {
      const target = await start();
      const answers: string[] = [];
      for (const sid of [
        'AAAAAAAAAAAAAAAAAAAA',
        '__proto__',
        'constructor',
        'hasOwnProperty',
        '0',
        '%00',
        'a'.repeat(5_000),
      ]) {
        answers.push(told(await ask(`${target.url}?EIO=4&transport=polling&sid=${sid}`)));
        answers.push(
          told(await ask(`${target.url}?EIO=4&transport=polling&sid=${sid}`, { method: 'POST', body: '4x' })),
        );
        answers.push(await exchange(target, upgradeText(`${UPGRADE}&sid=${sid}`)));
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  {
    input: '`EIO` is missing or anything but `4`, and `allowEIO3` is off',
    async run(start) {
      const target = await start({ allowEIO3: false });
      const answers: string[] = [];
      for (const eio of [
        '',
        'EIO=3',
        'EIO=5',
        'EIO=4.0',
        'EIO=__proto__',
        'EIO=constructor',
        'EIO[]=4',
        'EIO=4&EIO=3',
      ]) {
        answers.push(told(await ask(`${target.url}?transport=polling&${eio}`)));
        answers.push(await exchange(target, upgradeText(`/engine.io/?transport=websocket&${eio}`)));
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  {
    input: 'A handshake by POST, PUT, PATCH, DELETE, OPTIONS or TRACE',
    async run(start) {
      const target = await start();
      const answers: string[] = [];
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE']) {
        answers.push(told(await ask(`${target.url}?EIO=4&transport=polling`, { method })));
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  {
    input: 'A handshake by HEAD',
    async run(start) {
      const target = await start();
      const answer = told(await ask(`${target.url}?EIO=4&transport=polling`, { method: 'HEAD' }));
      return { target, answer, session: NO_SESSION };
    },
  },
  bytes('`transport=websocket` without an upgrade, or with half of one', [
    requestText('GET', UPGRADE, { connection: 'close' }),
    requestText('GET', UPGRADE, { upgrade: 'websocket', connection: 'close' }),
  ]),
  bytes('An upgrade to `transport=polling`', [upgradeText(HANDSHAKE)]),
  bytes('An upgrade by POST', [upgradeText(UPGRADE).replace('GET', 'POST')]),
  bytes('An upgrade to something else than WebSocket', [upgradeText(UPGRADE, { upgrade: 'h2c' })]),
  bytes('An upgrade without a valid `Sec-WebSocket-Key`', [
    upgradeText(UPGRADE, { 'sec-websocket-key': '' }),
    upgradeText(UPGRADE, { 'sec-websocket-key': 'short' }),
  ]),
  bytes('An upgrade with a `Sec-WebSocket-Version` that does not exist', [
    upgradeText(UPGRADE, { 'sec-websocket-version': '7' }),
  ]),
  {
    input: 'The same query key twice: the last one counts',
    async run(start) {
      const target = await start();
      const answer = told(await ask(`${target.url}?EIO=3&transport=pigeon&EIO=4&transport=polling`));
      (await target.sessions.next()).close(true);
      return { target, answer, session: NO_SESSION };
    },
  },
  {
    input: 'Broken percent-encoding in the query',
    async run(start) {
      const target = await start();
      const answer = told(await ask(`${target.url}?EIO=4&transport=polling&a=%&b=%E0%A4%A&%zz=%ff&=&&&`));
      (await target.sessions.next()).close(true);
      return { target, answer, session: NO_SESSION };
    },
  },
  bytes('A request target that is not below the path: `//`, `*`, an absolute URL', [
    requestText('GET', '//', { connection: 'close' }),
    requestText('GET', '//engine.io/?EIO=4&transport=polling', { connection: 'close' }),
    requestText('OPTIONS', '*', { connection: 'close' }),
    requestText('GET', 'http://evil.example/engine.io/?EIO=4&transport=polling', { connection: 'close' }),
    requestText('GET', '/?/engine.io/', { connection: 'close' }),
  ]),
  {
    input: 'The same target, handed to `engine.handleRequest()` by the application',
    async run(start) {
      const target = await start();
      const engine = createEngine(engineOptions());
      const server = createServer((req, res) => engine.handleRequest(req, res));
      server.on('upgrade', (req, socket, head) => engine.handleUpgrade(req, socket, head));
      const port = await listening(server);
      target.onTeardown(() => stop(server));
      const answers: string[] = [];
      for (const url of ['//', '//?x=%', '*', 'http://a:99999/', '/\\\\', '/?sid', '/?sid=%']) {
        const method = url === '*' ? 'OPTIONS' : 'GET';
        answers.push(await exchange({ ...target, port }, requestText(method, url, { connection: 'close' })));
        answers.push(await exchange({ ...target, port }, upgradeText(url)));
      }
      engine.close();
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  bytes('A GET that announces a body', [
    requestText('GET', HANDSHAKE, { 'content-length': '1000000' }),
    requestText('GET', HANDSHAKE, { 'content-length': '1', connection: 'close' }, 'x'),
    requestText('GET', HANDSHAKE, { 'transfer-encoding': 'chunked' }, '1\r\nx\r\n'),
    upgradeText(UPGRADE, { 'content-length': '1000000' }),
  ]),
  {
    input: 'An image, a script or a link of another site, which browsers ask for with cookies and without an `Origin`',
    async run(start) {
      const target = await start({ cors: { origin: true, credentials: true } });
      const answers: string[] = [];
      for (const site of ['cross-site', 'same-site']) {
        const headers = { 'sec-fetch-site': site, cookie: 'session=of-the-user', connection: 'close' };
        for (const transport of ['polling', 'eventsource', 'multipart']) {
          const path = HANDSHAKE.replace('polling', transport);
          answers.push(await exchange(target, requestText('GET', path, headers)));
        }
      }
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  bytes(
    'Bytes that are no HTTP',
    ['\x16\x03\x01\x02\x00\x01\x00', '<policy-file-request/>\0', 'GET\r\n\r\n', '\0\0\0\0\r\n\r\n'],
    // where it is on, the second one is answered: see the specs of the policy file
    { flashPolicy: false },
  ),
  bytes('A header with a control character', [
    requestText('GET', HANDSHAKE, { origin: 'http://a\x01b' }),
    upgradeText(UPGRADE, { 'x-any': 'a\0b' }),
  ]),
  {
    input: 'An `Origin` with a control character, where Node is told to let it pass (`insecureHTTPParser`)',
    async run(start) {
      const target = await start({ cors: { origin: true } });
      const engine = createEngine(engineOptions({ cors: { origin: true } }));
      const server = createServer({ insecureHTTPParser: true });
      engine.attach(server);
      const port = await listening(server);
      target.onTeardown(() => {
        engine.close();
        return stop(server);
      });
      const answers = [
        await exchange({ ...target, port }, requestText('GET', HANDSHAKE, { origin: 'a\x01b', connection: 'close' })),
        await exchange({ ...target, port }, upgradeText(UPGRADE, { origin: 'a\x01b' })),
      ];
      return { target, answer: same(answers), session: NO_SESSION };
    },
  },
  {
    input: 'Headers with bytes above 0x7F',
    async run(start) {
      const target = await start({ cors: { origin: true, credentials: true }, cookie: true });
      const headers = { origin: 'http://\xe9\xff.example', 'user-agent': '\xff\xfe', connection: 'close' };
      const answer = await exchange(target, Buffer.from(requestText('GET', HANDSHAKE, headers), 'latin1'));
      (await target.sessions.next()).close(true);
      return { target, answer, session: NO_SESSION };
    },
  },
  bytes('A request line and headers of more than 16 KiB', [
    requestText('GET', HANDSHAKE, { cookie: 'c'.repeat(20_000) }),
    requestText('GET', `${HANDSHAKE}&${'k=v&'.repeat(6_000)}`),
    upgradeText(UPGRADE, { cookie: 'c'.repeat(20_000) }),
  ]),
  {
    input: 'An upgrade request that stops in the middle of its headers',
    async run(start) {
      const target = await start();
      for (const end of ['reset', 'end'] as const) {
        const connection = new RawConnection(target.port).write(upgradeText(UPGRADE).slice(0, 60));
        await new Promise((resolve) => connection.socket.once('ready', resolve));
        if (end === 'reset') connection.reset();
        else connection.socket.end();
        await connection.ended;
      }
      return { target, answer: 'connection cut', session: NO_SESSION };
    },
  },
  {
    input: 'A TCP reset right after the upgrade request',
    async run(start) {
      const target = await start();
      for (let i = 0; i < 20; i++) {
        const connection = new RawConnection(target.port);
        await new Promise((resolve) => connection.socket.once('connect', resolve));
        await new Promise((resolve) => connection.socket.write(upgradeText(UPGRADE), resolve));
        connection.reset();
        await connection.ended;
      }
      // those that were fast enough to open have to end again
      while (target.engine.clientsCount > 0) await new Promise((resolve) => setTimeout(resolve, 2));
      return { target, answer: 'connection cut', session: NO_SESSION };
    },
  },
  resetWhilePending('A TCP reset while `allowRequest` is pending', (arrived, released) => ({
    options: {
      allowRequest: async (_req: unknown, done: (error: null, ok: boolean) => void) => {
        arrived();
        await released;
        done(null, true);
      },
    },
  })),
  resetWhilePending('A TCP reset while a middleware is pending', (arrived, released) => ({
    configure: (engine) =>
      engine.use(async (_req, _res, next) => {
        arrived();
        await released;
        next();
      }),
  })),
  resetWhilePending('A TCP reset while `generateId` is pending', (arrived, released) => {
    let made = 0;
    return {
      configure: (engine) => {
        engine.generateId = async () => {
          // the clients that come afterwards must not wait
          if (made++ < 2) {
            arrived();
            await released;
          }
          return `held-${made}`;
        };
      },
    };
  }),
];
