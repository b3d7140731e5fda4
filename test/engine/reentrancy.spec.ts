/** Listeners of the application that do at once what they should rather do later. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server as HttpServer } from 'node:http';
import { connect as connectTcp, type AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { Engine, type EngineOptions, type Session } from 'nestwire/engine';

let engine: Engine;
let server: HttpServer;
let base: string;
const clients: WebSocket[] = [];

async function start(options: EngineOptions = {}): Promise<void> {
  server = createServer();
  engine = new Engine(options).attach(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  base = `127.0.0.1:${(server.address() as AddressInfo).port}/engine.io/?EIO=4`;
}

function webSocket(query = ''): { client: WebSocket; received: string[]; until: (count: number) => Promise<void> } {
  const client = new WebSocket(`ws://${base}&transport=websocket${query}`);
  clients.push(client);
  const received: string[] = [];
  client.on('message', (data) => received.push(String(data)));
  client.on('error', () => {});
  const until = async (count: number) => {
    while (received.length < count) await once(client, 'message');
  };
  return { client, received, until };
}

async function connect(): Promise<{ session: Session } & ReturnType<typeof webSocket>> {
  const connected = webSocket();
  const [session] = (await once(engine, 'connection')) as [Session];
  await connected.until(1);
  return { ...connected, session };
}

async function get(query = ''): Promise<{ status: number; body: string }> {
  const request = httpRequest(`http://${base}&transport=polling${query}`, { agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode!, body };
}

/** The errors that run() lets the process see, which would end it. */
async function uncaught(run: () => unknown): Promise<string[]> {
  const messages: string[] = [];
  const nextTick = jest.spyOn(process, 'nextTick').mockImplementation(((callback: () => void, ...args: never[]) =>
    setImmediate(() => {
      try {
        (callback as (...given: never[]) => void)(...args);
      } catch (error) {
        messages.push((error as Error).message);
      }
    })) as never);
  await run();
  nextTick.mockRestore();
  return messages;
}

afterEach(async () => {
  jest.restoreAllMocks();
  for (const client of clients.splice(0)) client.terminate();
  engine.close();
  await new Promise((resolve) => server.close(resolve));
});

describe('listeners that re-enter the session', () => {
  it('a flush listener that sends: every packet is sent once, in order', async () => {
    await start();
    const { session, received, until } = await connect();
    session.once('flush', () => session.send('x'.repeat(70_000)));
    session.send('hello');
    await until(3);
    session.send('end');
    await until(4);
    expect(received.slice(1).map((packet) => packet.slice(0, 6))).toEqual(['4hello', '4xxxxx', '4end']);
  });

  it('a flush listener that closes: the batch is delivered, over polling too', async () => {
    await start();
    await get();
    const [session] = [...engine.clients.values()] as [Session];
    const closed = once(session, 'close');
    const answer = get(`&sid=${session.id}`);
    while (!session.transport.writable) await new Promise(setImmediate);
    session.once('flush', () => session.close());
    session.send('hello');
    expect((await answer).body).toBe('4hello');
    expect((await get(`&sid=${session.id}`)).body).toBe('6\x1e1');
    expect((await closed)[0]).toBe('forced close');
  });

  it('a send callback that sends again, 20,000 times', async () => {
    await start();
    const { session, until } = await connect();
    let sent = 0;
    const next = () => {
      if (++sent < 20_000) session.send('m', next);
    };
    session.send('m', next);
    await until(20_001);
    expect(sent).toBe(20_000);
  });

  it('flush, then drain, then the callback', async () => {
    await start();
    const { session } = await connect();
    const order: string[] = [];
    session.on('flush', () => order.push('flush'));
    session.on('drain', () => order.push('drain'));
    await new Promise<void>((resolve) => {
      session.send('m', () => {
        order.push('callback');
        resolve();
      });
    });
    expect(order).toEqual(['flush', 'drain', 'callback']);
  });

  it('a packet listener that closes: the heartbeat is not taken up again', async () => {
    await start({ pingInterval: 50, pingTimeout: 1000 });
    const { client, session } = await connect();
    const heartbeats = jest.fn();
    session.on('heartbeat', heartbeats);
    session.on('packet', () => session.close(true));
    client.on('message', (data) => String(data) === '2' && client.send('3'));
    await once(session, 'close');
    expect(heartbeats).not.toHaveBeenCalled();
  });

  it.each<[string, (session: Session) => void]>([
    ['at once', (session) => session.close(true)],
    ['in order', (session) => session.close()],
    ['with its engine', () => engine.close()],
  ])('an upgrading listener that closes the session %s: nothing is nudged any more', async (_what, close) => {
    await start();
    await get();
    const [session] = [...engine.clients.values()] as [Session];
    const parked = get(`&sid=${session.id}`);
    while (!session.transport.writable) await new Promise(setImmediate);
    const schedule = jest.spyOn(engine.upgradeNudges, 'schedule');
    session.once('upgrading', () => close(session));
    const { client } = webSocket(`&sid=${session.id}`);
    await once(client, 'open');
    client.send('2probe');
    await Promise.all([parked, once(client, 'close')]);
    expect(schedule).not.toHaveBeenCalled();
    expect(engine.clientsCount).toBe(0);
  });

  it.each<[string, (session: Session) => void, string]>([
    ['close(true)', (session) => session.close(true), ''],
    ['send() and close(true)', (session) => session.send('bye').close(true), '\x1e4bye'],
    ['close()', (session) => session.close(), ''],
  ])('a connection listener that calls %s: the client gets its handshake', async (_what, close, rest) => {
    await start();
    engine.on('connection', close);
    const { status, body } = await get();
    expect(status).toBe(200);
    expect(body).toMatch(/^0\{"sid"/);
    expect(body.replace(/^0\{.*?\}/, '')).toBe(rest);
  });
});

describe('listeners that throw', () => {
  const boom = () => {
    throw new Error('boom');
  };

  it('at connection: the process sees the error, the client is gone, over polling and WebSocket', async () => {
    await start();
    engine.on('connection', boom);
    expect(await uncaught(get)).toEqual(['boom']);
    expect(
      await uncaught(async () => {
        const { client, received } = webSocket();
        await once(client, 'close');
        expect(received.join()).toMatch(/^(0\{.*)?$/);
      }),
    ).toEqual(['boom']);
    expect(engine.clientsCount).toBe(0);
  });

  it('at a flush: the sessions after it are flushed all the same', async () => {
    await start();
    const [first, second] = [await connect(), await connect()];
    const flusher = engine.flusher as unknown as { flushSessions: () => void };
    const flush = flusher.flushSessions.bind(flusher);
    const errors: unknown[] = [];
    jest.spyOn(flusher, 'flushSessions').mockImplementation(() => {
      try {
        flush();
      } catch (error) {
        errors.push((error as Error).message);
      }
    });
    first.session.once('flush', boom);
    first.session.send('a');
    second.session.send('b');
    await second.until(2);
    expect(second.received[1]).toBe('4b');
    expect(errors).toEqual(['boom']);
    first.session.send('c');
    await first.until(3);
    expect(first.received.slice(1)).toEqual(['4a', '4c']);
  });
});

describe('data that the types do not allow', () => {
  it('is sent as text, as Engine.IO does', async () => {
    await start();
    const { session, received, until } = await connect();
    for (const data of [42, null, undefined, true, { toString: () => 'object' }]) session.send(data as never);
    await until(6);
    expect(received.slice(1)).toEqual(['442', '4', '4', '4true', '4object']);
  });
});

describe('memory', () => {
  it('packets without data count: answers to a flood of pings are bounded', async () => {
    await start({ allowEIO3: true, limits: { maxBufferedBytes: 10_000 } });
    const request = httpRequest(`http://${base.replace('EIO=4', 'EIO=3')}&transport=polling`, { agent: false });
    request.end();
    (await once(request, 'response'))[0].resume();
    const [session] = [...engine.clients.values()] as [Session];
    const closed = once(session, 'close');
    const post = httpRequest(`http://${base.replace('EIO=4', 'EIO=3')}&transport=polling&sid=${session.id}`, {
      method: 'POST',
      agent: false,
    });
    post.on('error', () => {});
    post.end('1:2'.repeat(1000));
    expect((await closed)[1]).toMatchObject({ message: expect.stringMatching(/^slow reader/) });
  });

  it('a slow reader that was given up keeps nothing', async () => {
    await start({ limits: { maxBufferedBytes: 1_000_000 } });
    const { client, session } = await connect();
    client.pause();
    const { socket } = session.request;
    session.send('x'.repeat(20_000_000));
    while (session.readyState === 'open') {
      session.send('x'.repeat(100_000));
      await new Promise(setImmediate);
    }
    expect(socket.destroyed).toBe(true);
  });
});

describe('closing', () => {
  it('cuts WebSockets whose client does not answer the close frame, whenever the close began', async () => {
    await start();
    const { hostname, port } = new URL(`http://${base}`);
    const silent = connectTcp(Number(port), hostname);
    silent.write(
      'GET /engine.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    silent.resume();
    silent.on('error', () => {});
    const [session] = (await once(engine, 'connection')) as [Session];
    session.close();
    engine.close();
    await once(silent, 'close');
    expect(silent.destroyed).toBe(true);
  });
});

describe('a wsEngine that takes its time', () => {
  it('gets its connections served', async () => {
    class Deferring extends WebSocketServer {
      override handleUpgrade(...args: Parameters<WebSocketServer['handleUpgrade']>): void {
        const [request, socket, head, callback] = args;
        super.handleUpgrade(request, socket, head, (client, ...rest) => setImmediate(() => callback(client, ...rest)));
      }
    }
    await start({ wsEngine: Deferring });
    const { session, received, until } = await connect();
    session.send('hello');
    await until(2);
    expect(received[1]).toBe('4hello');
  });
});

describe('a request that died while it was examined', () => {
  it('ends the session instead of swallowing what is sent next', async () => {
    await start();
    await get();
    const [session] = [...engine.clients.values()] as [Session];
    let letIn!: () => void;
    const asked = new Promise<void>((resolve) => {
      engine.use((_request, _response, next) => {
        letIn = next;
        resolve();
      });
    });
    const request = httpRequest(`http://${base}&transport=polling&sid=${session.id}`, { agent: false });
    request.on('error', () => {});
    request.end();
    await asked;
    const closed = once(session, 'close');
    const gone = new Promise((resolve) => server.once('connection', resolve));
    request.destroy();
    // the server has read the end of the connection once another one is in
    connectTcp((server.address() as AddressInfo).port, '127.0.0.1').on('connect', function (this: { destroy(): void }) {
      this.destroy();
    });
    await gone;
    await new Promise(setImmediate);
    letIn();
    expect(await closed).toEqual([
      'transport error',
      expect.objectContaining({ message: 'poll connection closed prematurely' }),
    ]);
  });
});
