import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { transports as stock, Socket as StockSocket } from 'engine.io-client';
import { Engine, type EngineOptions, type Session, type WebTransportRequest } from 'nestwire/engine';
import { backUp, sessionClosed, until, type SessionLike } from '../support/wire-engine.js';
import { frameOf, memorySessions, WebTransportClient, type MemorySession } from '../support/wire-webtransport.js';
import { ask } from '../support/wire-http.js';
import { startBare } from '../client/support.js';

const teardown: (() => unknown)[] = [];
const fatal: unknown[] = [];
const onFatal = (error: unknown): number => fatal.push(error);

beforeEach(() => {
  fatal.length = 0;
  process.on('unhandledRejection', onFatal);
});

afterEach(async () => {
  for (const undo of teardown.splice(0).toReversed()) await undo();
  await new Promise(setImmediate);
  process.off('unhandledRejection', onFatal);
  expect(fatal).toEqual([]);
});

const REQUEST: WebTransportRequest = { url: '/engine.io/', headers: {}, socket: { remoteAddress: '192.0.2.1' } };

function create(options: EngineOptions = {}): Engine {
  const engine = new Engine({ transports: ['webtransport', 'polling'], ...options });
  teardown.push(() => engine.close());
  return engine;
}

/** A session that the client has not used yet. */
function hand(engine: Engine, request?: WebTransportRequest): { client: MemorySession; taken: Promise<void> } {
  const { client, server } = memorySessions();
  teardown.push(() => client.close());
  return { client, taken: engine.onWebTransportSession(server, request) };
}

/** A client that asks for a new session, or for one that is there. */
function dial(engine: Engine, request?: WebTransportRequest, first = '0'): WebTransportClient {
  return new WebTransportClient(hand(engine, request).client, first);
}

async function open(
  engine: Engine,
  request?: WebTransportRequest,
): Promise<{ client: WebTransportClient; session: Session }> {
  const accepted = once(engine, 'connection') as Promise<[Session]>;
  const client = dial(engine, request);
  expect(await client.packets.next()).toMatchObject({ type: 'open' });
  return { client, session: (await accepted)[0] };
}

const refusals = (engine: Engine): { code: number; name: unknown }[] => {
  const all: { code: number; name: unknown }[] = [];
  engine.on('connection_error', ({ code, context }) => all.push({ code, name: context.name }));
  return all;
};

describe('a WebTransport session', () => {
  it('becomes an ordinary one', async () => {
    const engine = create();
    const { client, session } = await open(engine, {
      url: '/engine.io/?token=a',
      headers: { host: 'app.example', 'user-agent': 'x' },
      socket: { remoteAddress: '192.0.2.1' },
    });
    expect(session).toMatchObject({ protocol: 4, readyState: 'open', remoteAddress: '192.0.2.1' });
    expect(session.transport.name).toBe('webtransport');
    expect(session.request._query).toMatchObject({ token: 'a', EIO: '4', transport: 'webtransport' });
    expect(session.request.headers).toMatchObject({ host: 'app.example', 'user-agent': 'x' });
    session.on('message', (data) => session.send(data));
    await client.send('4hello');
    expect(await client.packets.next()).toEqual({ type: 'message', data: 'hello' });
  });

  it('of which nothing is known is let in where nothing is asked', async () => {
    const { session } = await open(create());
    expect(session.request.headers).toEqual({});
    expect(session.remoteAddress).toBe('');
  });

  it('is understood by the header block of HTTP/3', async () => {
    const headers = {
      ':method': 'CONNECT',
      ':path': '/engine.io/?a=1',
      ':authority': 'app.example',
      origin: 'https://app.example',
    };
    const { session } = await open(create({ origins: [] }), { headers });
    expect(session.request.url).toBe('/engine.io/?a=1');
    expect(session.request.headers).toEqual({ host: 'app.example', origin: 'https://app.example' });
  });

  it.each([
    ['origins', { origins: ['https://app.example'] }],
    [
      'allowRequest',
      { allowRequest: (_request: unknown, done: (error: null, ok: boolean) => void) => done(null, true) },
    ],
    ['cors, which is a middleware', { cors: { origin: '*' } }],
    ['a limit per address', { trustProxy: false, limits: { maxSessionsPerAddress: 5 } }],
  ] as [string, EngineOptions][])('of which nothing is known is refused where there is %s', async (_what, options) => {
    const engine = create(options);
    const all = refusals(engine);
    const { client, taken } = hand(engine);
    await taken;
    expect(await client.closed).toEqual({ closeCode: 4, reason: 'Forbidden' });
    expect(all).toEqual([{ code: 4, name: 'WEBTRANSPORT_WITHOUT_REQUEST' }]);
    await open(engine, REQUEST);
  });

  it('is refused where WebTransport is not enabled, which is the default', async () => {
    const engine = create({ transports: ['polling'] });
    expect(await hand(engine, REQUEST).client.closed).toEqual({ closeCode: 0, reason: 'Transport unknown' });
  });

  it('of an origin that is not listed is refused', async () => {
    const engine = create({ origins: ['https://app.example'] });
    const evil = dial(engine, { ...REQUEST, headers: { origin: 'https://evil.example', host: 'x' } });
    expect(await evil.closed).toEqual({ closeCode: 4, reason: 'Forbidden' });
    await open(engine, { ...REQUEST, headers: { origin: 'https://app.example', host: 'x' } });
  });

  it('asks allowRequest, and generateId for its name', async () => {
    const engine = create({
      allowRequest: (request, done) => done('members only', request.headers['x-token'] === 'right'),
    });
    engine.generateId = (request) => `id-${request.headers['x-token']}`;
    expect(await dial(engine, REQUEST).closed).toEqual({ closeCode: 4, reason: 'members only' });
    const { session } = await open(engine, { ...REQUEST, headers: { 'x-token': 'right' } });
    expect(session.id).toBe('id-right');
  });

  it('passes middlewares, which may refuse it', async () => {
    const engine = create();
    const seen: unknown[] = [];
    engine.use((request, response, next) => {
      seen.push(request.url);
      response.setHeader('x-a', 'b');
      if (request.headers['x-token'] === 'answer') response.writeHead(401).end('no');
      else next(request.headers['x-token'] === 'error' ? new Error('no') : undefined);
    });
    await open(engine, REQUEST);
    for (const token of ['answer', 'error']) {
      await expect(dial(engine, { ...REQUEST, headers: { 'x-token': token } }).closed).resolves.toMatchObject({
        reason: token === 'answer' ? 'Forbidden' : 'Bad request',
      });
    }
    expect(seen).toHaveLength(3);
    expect(engine.clientsCount).toBe(1);
  });

  it('is counted', async () => {
    const engine = create({ trustProxy: false, limits: { maxSessions: 3, maxSessionsPerAddress: 1 } });
    await open(engine, REQUEST);
    expect((await dial(engine, REQUEST).closed).closeCode).toBe(100);
    const { session } = await open(engine, { ...REQUEST, socket: { remoteAddress: '192.0.2.2' } });
    session.close();
    await open(engine, { ...REQUEST, socket: { remoteAddress: '192.0.2.2' } });
  });

  it('that begins when the engine has ended is refused', async () => {
    const engine = create();
    engine.close();
    expect((await dial(engine, REQUEST).closed).closeCode).toBe(102);
  });
});

describe('the first packet', () => {
  it.each([
    ['a message', '4hello'],
    ['a ping', '2'],
    ['a probe', '2probe'],
    ['an open packet with something else', '0hello'],
    ['an open packet with a number', '0{"sid":5}'],
    ['an open packet with nothing', '0null'],
    ['an empty id', '0{"sid":""}'],
  ])('is refused when it is %s', async (_what, first) => {
    const engine = create();
    expect(await dial(engine, REQUEST, first).closed).toEqual({ closeCode: 3, reason: 'Bad request' });
    expect(engine.clientsCount).toBe(0);
  });

  it.each(['no-such-id', '__proto__', 'constructor'])(
    'is refused when it names a session that is not there: %s',
    async (sid) => {
      expect((await dial(create(), REQUEST, `0${JSON.stringify({ sid })}`).closed).closeCode).toBe(1);
    },
  );

  it.each([
    ['is no frame', [0]],
    ['is over the limit', [127, 255, 255, 255, 255, 255, 255, 255, 255]],
  ])('is refused when it %s', async (_what, bytes) => {
    const engine = create();
    const all = refusals(engine);
    const { client, taken } = hand(engine, REQUEST);
    const { writable } = await client.createBidirectionalStream();
    await writable.getWriter().write(Uint8Array.from(bytes));
    await taken;
    expect((await client.closed).closeCode).toBe(3);
    expect(all).toEqual([{ code: 3, name: 'TRANSPORT_HANDSHAKE_ERROR' }]);
  });

  it.each([
    ['no stream', async () => {}],
    ['a stream, and nothing on it', async (client: MemorySession) => void (await client.createBidirectionalStream())],
    [
      'a byte of it',
      async (client: MemorySession) =>
        (await client.createBidirectionalStream()).writable.getWriter().write(Uint8Array.of(2)),
    ],
  ])('has to come within upgradeTimeout: there is %s', async (_what, act) => {
    const engine = create({ upgradeTimeout: 50 });
    const { client, taken } = hand(engine, REQUEST);
    await act(client);
    await client.closed;
    await taken;
    expect(engine.clientsCount).toBe(0);
  });

  it('may bring others with it', async () => {
    const engine = create();
    const messages: unknown[] = [];
    engine.on('connection', (session) => session.on('message', (data: unknown) => messages.push(data)));
    const { client } = hand(engine, REQUEST);
    const { writable } = await client.createBidirectionalStream();
    const frames = Buffer.concat(['0', '4one', '4two'].map(frameOf));
    const writer = writable.getWriter();
    await writer.write(frames.subarray(0, 4));
    await writer.write(frames.subarray(4));
    await until(() => messages.length === 2);
    expect(messages).toEqual(['one', 'two']);
  });

  it('of a client that has gone leaves nothing behind', async () => {
    const engine = create();
    for (const end of ['close', 'lose'] as const) {
      const { client, taken } = hand(engine, REQUEST);
      await client.createBidirectionalStream();
      client[end]();
      await taken;
    }
    expect(engine.clientsCount).toBe(0);
  });
});

describe('the stream', () => {
  it('is let go of at the end, on both sides', async () => {
    const engine = create();
    const { client, session } = await open(engine, REQUEST);
    const [stream] = client.session.peer.streams;
    expect([stream!.readable.locked, stream!.writable.locked]).toEqual([true, true]);
    session.close();
    await client.closed;
    await until(() => !stream!.readable.locked && !stream!.writable.locked);
  });

  it('is not writable while the client does not read, and waiting bytes are counted', async () => {
    const engine = create();
    const { client, session } = await open(engine, REQUEST);
    client.pause();
    await backUp(session as unknown as SessionLike);
    expect(session.waitingBytes).toBeGreaterThan(200_000);
    client.resume();
    await until(() => session.transport.writable && session.waitingBytes === 0);
  });

  it('is cut when a client that does not read has the server hold too much', async () => {
    const engine = create({ limits: { maxBufferedBytes: 100_000 } });
    const { client, session } = await open(engine, REQUEST);
    client.pause();
    const ended = sessionClosed(session as unknown as SessionLike);
    for (let i = 0; i < 5; i++) session.send('x'.repeat(100_000));
    expect((await ended).reason).toBe('transport error');
    await client.closed;
  });

  it('that a client never reads is closed after a time all the same', async () => {
    const engine = create();
    const { client, session } = await open(engine, REQUEST);
    client.pause();
    await backUp(session as unknown as SessionLike);
    session.close(true);
    await client.closed;
  });

  it('takes no more after bytes that are no frame, and what came before them counts', async () => {
    const engine = create();
    const { client, session } = await open(engine, REQUEST);
    const messages: unknown[] = [];
    session.on('message', (data) => messages.push(data));
    const ended = sessionClosed(session as unknown as SessionLike);
    const writer = (client as unknown as { writer: WritableStreamDefaultWriter<Uint8Array> }).writer;
    await writer.write(Buffer.concat([frameOf('4good'), Buffer.from([0]), frameOf('4late')]));
    expect((await ended).reason).toBe('parse error');
    expect(messages).toEqual(['good']);
    await client.closed;
  });

  it('goes on after an error of the application, which sees it', async () => {
    const engine = create();
    const { client, session } = await open(engine, REQUEST);
    const rethrown: (() => void)[] = [];
    const nextTick = jest.spyOn(process, 'nextTick').mockImplementation((run) => void rethrown.push(run as () => void));
    try {
      session.once('message', () => {
        throw new Error('of the application');
      });
      await client.send('4a');
      await until(() => rethrown.length === 1);
    } finally {
      nextTick.mockRestore();
    }
    expect(rethrown[0]).toThrow('of the application');
    session.on('message', (data) => session.send(data));
    await client.send('4b');
    expect(await client.packets.next()).toEqual({ type: 'message', data: 'b' });
  });

  it('answers requests of HTTP that name the transport with 400', async () => {
    const engine = await startBare({ transports: ['webtransport', 'polling'] });
    teardown.push(() => engine.close());
    const { session } = await open(engine, REQUEST);
    const url = `http://127.0.0.1:${engine.port}/engine.io/?EIO=4&transport=webtransport`;
    for (const query of ['', `&sid=${session.id}`]) expect((await ask(url + query)).status).toBe(400);
    expect(session.readyState).toBe('open');
  });
});

/** A stream on which writing never fails: the stock client waits for none of its writes, and would leave a rejection. */
function forgiving({ readable, writable }: Awaited<ReturnType<MemorySession['createBidirectionalStream']>>) {
  const writer = writable.getWriter();
  writer.closed.catch(() => {}); // told by the session's end
  const write = (chunk: Uint8Array): Promise<void> => writer.write(chunk).catch(() => {});
  return { readable, writable: new WritableStream<Uint8Array>({ write }) };
}

describe('the stock client', () => {
  /** What `new WebTransport(url)` is to give, in the order of calls. */
  function installWebTransport(engine: Engine): string[] {
    const urls: string[] = [];
    const before = Object.getOwnPropertyDescriptor(globalThis, 'WebTransport');
    function Fake(url: string): MemorySession {
      urls.push(url);
      const { client } = hand(engine, { url: new URL(url).pathname, headers: {} });
      const create = client.createBidirectionalStream.bind(client);
      client.createBidirectionalStream = async () => forgiving(await create());
      return client;
    }
    Object.defineProperty(globalThis, 'WebTransport', { value: Fake, configurable: true, writable: true });
    teardown.unshift(() => {
      if (before) Object.defineProperty(globalThis, 'WebTransport', before);
      else delete (globalThis as { WebTransport?: unknown }).WebTransport;
    });
    return urls;
  }

  const connect = (url: string, transports: unknown[]): StockSocket => {
    const client = new StockSocket(url, { transports: transports as never, transportOptions: { webtransport: {} } });
    teardown.push(() => client.close());
    return client;
  };

  it('opens a session, talks, and ends it', async () => {
    const engine = create();
    const urls = installWebTransport(engine);
    const accepted = once(engine, 'connection') as Promise<[Session]>;
    const client = connect('https://app.example', [stock.webtransport]);
    await once(client as never, 'open');
    const [session] = await accepted;
    expect(urls).toEqual(['https://app.example/engine.io/']);
    expect(client.id).toBe(session.id);
    session.on('message', (data) => session.send(data));
    const back: unknown[] = [];
    client.on('message', (data) => back.push(data));
    client.send('text 😀');
    client.send(Buffer.from([1, 2, 3]));
    await until(() => back.length === 2);
    expect([back[0], Buffer.from(back[1] as Buffer)]).toEqual(['text 😀', Buffer.from([1, 2, 3])]);
    const ended = sessionClosed(session as unknown as SessionLike);
    client.close();
    expect((await ended).reason).toBe('transport close');
  });

  it('hears of the end of its session', async () => {
    const engine = create();
    installWebTransport(engine);
    const accepted = once(engine, 'connection') as Promise<[Session]>;
    const client = connect('https://app.example', [stock.webtransport]);
    await once(client as never, 'open');
    const closed = once(client as never, 'close');
    (await accepted)[0].close();
    expect((await closed)[0]).toBe('transport close');
  });

  it('changes from long polling to it', async () => {
    const engine = await startBare({ transports: ['polling', 'webtransport'] });
    teardown.push(() => engine.close());
    installWebTransport(engine);
    const accepted = once(engine, 'connection') as Promise<[Session]>;
    const client = connect(`http://127.0.0.1:${engine.port}`, [stock.polling, stock.webtransport]);
    const [session] = await accepted;
    session.on('message', (data) => session.send(data));
    await once(client as never, 'upgrade');
    await until(() => session.transport.name === 'webtransport');
    expect(client.transport.name).toBe('webtransport');
    const back = once(client as never, 'message');
    client.send('over the new way');
    expect((await back)[0]).toBe('over the new way');
  });

  it('stays with long polling when it is refused', async () => {
    const engine = await startBare({ transports: ['polling', 'webtransport'] });
    teardown.push(() => engine.close());
    // as for a session of another node, of which this one knows nothing
    installWebTransport(create());
    const client = connect(`http://127.0.0.1:${engine.port}`, [stock.polling, stock.webtransport]);
    await once(client as never, 'upgradeError');
    engine.clients.forEach((session) => session.on('message', (data) => session.send(data)));
    const back = once(client as never, 'message');
    client.send('as before');
    expect((await back)[0]).toBe('as before');
    expect(client.transport.name).toBe('polling');
  });
});
