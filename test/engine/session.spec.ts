import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import { WebSocket } from 'ws';
import { Engine, type EngineOptions, type Session } from 'nestwire/engine';
import { NOBODY, type Transport } from '../../lib/engine/transports/transport.js';
import type { WebSocketTransport } from '../../lib/engine/transports/websocket.js';

let engine: Engine;
let server: HttpServer;
let url: string;

async function start(options: EngineOptions = {}): Promise<void> {
  server = createServer();
  engine = new Engine(options).attach(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  url = `127.0.0.1:${(server.address() as AddressInfo).port}/engine.io/?EIO=4`;
}

/** A WebSocket client that collects what it gets, and its session. */
async function connect(): Promise<{ client: WebSocket; session: Session; received: string[] }> {
  const client = new WebSocket(`ws://${url}&transport=websocket`);
  const received: string[] = [];
  client.on('message', (data) => received.push(String(data)));
  const [session] = (await once(engine, 'connection')) as [Session];
  await once(client, 'message');
  return { client, session, received };
}

afterEach(async () => {
  engine.close();
  await new Promise((resolve) => server.close(resolve));
});

describe('Session, change of transport', () => {
  /** A transport that has a place to take. */
  const candidate = () =>
    ({
      name: 'webtransport',
      writable: true,
      carriesClose: false,
      bufferedBytes: 0,
      sink: NOBODY,
      send: jest.fn(),
      handleRequest: jest.fn(),
      close: jest.fn(),
      discard: jest.fn(),
      abort: jest.fn(),
      nudge: jest.fn(),
    }) satisfies Transport;

  it('takes first what the old one had read in this turn', async () => {
    await start();
    const { session } = await connect();
    const log: string[] = [];
    session.on('data', (data) => log.push(String(data)));
    session.on('upgrade', () => log.push('upgrade'));
    (session.transport as WebSocketTransport).receive(Buffer.from('4last'), false);
    session.changeTransport(candidate());
    expect(log).toEqual(['last', 'upgrade']);
  });

  it('does not happen when that has closed the session', async () => {
    await start();
    const { session } = await connect();
    const upgraded = jest.fn();
    session.on('data', () => session.close(true));
    session.on('upgrade', upgraded);
    (session.transport as WebSocketTransport).receive(Buffer.from('4last'), false);
    const transport = candidate();
    session.changeTransport(transport);
    expect(session.readyState).toBe('closed');
    expect(transport.discard).toHaveBeenCalledTimes(1);
    expect(upgraded).not.toHaveBeenCalled();
  });
});

describe('Session, writes', () => {
  it('puts all packets of one tick into one write, in order', async () => {
    await start();
    const { client, session, received } = await connect();
    const write = jest.spyOn(session.request.socket, 'write');
    for (let i = 0; i < 100; i++) session.send(`m${i}`);
    await Promise.resolve().then(() => session.send('from a microtask'));
    while (received.length < 102) await once(client, 'message');
    expect(write).toHaveBeenCalledTimes(1);
    expect(received.slice(1)).toEqual([...Array.from({ length: 100 }, (_, i) => `4m${i}`), '4from a microtask']);
  });

  it('does not wait for the end of the tick when much is to be sent', async () => {
    await start();
    const { session } = await connect();
    const write = jest.spyOn(session.request.socket, 'write');
    session.send('x'.repeat(200_000));
    expect(write).toHaveBeenCalled();
  });

  it('goes on after a write that threw', async () => {
    await start();
    const { client, session, received } = await connect();
    jest.spyOn(session.transport, 'send').mockImplementationOnce(() => {
      throw new Error('a broken transport');
    });
    expect(() => session.send('x'.repeat(200_000))).toThrow('a broken transport');
    // a transport that was full, and tells that it is not any more
    const transport = session.transport as { writable: boolean };
    transport.writable = false;
    session.send('after');
    await new Promise(setImmediate);
    transport.writable = true;
    session.drained();
    while (received.length < 2) await once(client, 'message');
    expect(received[1]).toBe('4after');
  });

  it('answers the upgrade, and sends the handshake and what connection listeners write, in one piece', async () => {
    await start();
    const writes: number[] = [];
    server.on('upgrade', (_request, socket: NetSocket) => {
      // what is handed to the system: one chunk, or several at once
      const { _write, _writev } = socket as NetSocket & { _writev: NonNullable<NetSocket['_writev']> };
      socket._write = function spied(...args) {
        writes.push(1);
        _write.apply(this, args);
      };
      socket._writev = function spied(...args) {
        writes.push(args[0].length);
        _writev.apply(this, args);
      };
    });
    engine.on('connection', (session: Session) => session.send('hello').send('again'));
    const { client, received } = await connect();
    while (received.length < 3) await once(client, 'message');
    expect(received.slice(1)).toEqual(['4hello', '4again']);
    // the 101 answer, three frames, and an empty chunk that tells when all have left
    expect(writes).toEqual([3]);
  });

  it('tells senders when their packets have left, in order, with the transport', async () => {
    await start();
    const { session } = await connect();
    const log: string[] = [];
    session.send('a', undefined, (transport) => log.push(`a by ${transport.name}`));
    session.write('b', (transport) => log.push(`b by ${transport.name}`));
    expect(log).toEqual([]);
    await once(session, 'drain');
    expect(log).toEqual(['a by websocket', 'b by websocket']);
  });

  it('delivers what was sent before close(), and nothing after', async () => {
    await start();
    const { client, session, received } = await connect();
    session.send('last words');
    session.close();
    session.send('too late');
    const [code] = (await once(client, 'close')) as [number];
    expect(code).toBe(1005);
    expect(received.slice(1)).toEqual(['4last words']);
  });

  it.each([
    ['transport=polling', ['4last words', '6\x1e1']],
    ['transport=polling&resume=1', ['4last words\x1e1']],
  ])('is told of its end in one piece with what was sent, if it understands that: %s', async (query, payloads) => {
    await start();
    const opened = once(engine, 'connection') as Promise<[Session]>;
    const handshake = await (await fetch(`http://${url}&${query}`)).text();
    const [session] = await opened;
    const { sid } = JSON.parse(handshake.slice(1)) as { sid: string };
    const closed = once(session, 'close');
    let sent = 0;
    session.send('last words', () => sent++);
    session.close();
    for (const payload of payloads) {
      expect(await (await fetch(`http://${url}&${query}&sid=${sid}`)).text()).toBe(payload);
    }
    expect((await closed)[0]).toBe('forced close');
    expect([sent, session.writeBuffer]).toEqual([1, []]);
  });

  it('delivers what was sent in the same tick before close(true) and before the engine closes', async () => {
    await start();
    const first = await connect();
    const second = await connect();
    first.session.send('a');
    first.session.close(true);
    second.session.send('b');
    engine.close();
    await Promise.all([once(first.client, 'close'), once(second.client, 'close')]);
    expect([first.received[1], second.received[1]]).toEqual(['4a', '4b']);
  });

  it('leaves what could not be sent to close listeners', async () => {
    await start();
    const { session } = await connect();
    session.transport.close();
    expect(session.readyState).toBe('closed');
    session.send('x');
    expect(session.writeBuffer).toEqual([]);
  });
});

describe('Session, slow readers', () => {
  it('gives a client up when too much waits for it, says why, and serves the others', async () => {
    const log: string[] = [];
    await start({ limits: { maxBufferedBytes: 1_000_000 }, logger: (line) => log.push(line) });
    const slow = await connect();
    const quick = await connect();
    slow.client.pause();
    const closed = once(slow.session, 'close');
    let sent = 0;
    while (slow.session.readyState === 'open') {
      slow.session.send('x'.repeat(100_000));
      sent++;
      expect(sent).toBeLessThan(1000);
      await new Promise(setImmediate);
    }
    const [reason, description] = (await closed) as [string, Error];
    expect(reason).toBe('transport error');
    expect(description.message).toMatch(/^slow reader: \d+ bytes were waiting$/);
    expect(log).toEqual([
      expect.stringMatching(/^limit maxBufferedBytes exceeded: \d+ bytes wait for a client at "127.0.0.1"$/),
    ]);
    expect(engine.clientsCount).toBe(1);
    quick.session.send('fine');
    await once(quick.client, 'message');
    expect(quick.received.at(-1)).toBe('4fine');
    slow.client.resume();
    slow.client.terminate();
  });

  it('sends one message of any size', async () => {
    await start({ limits: { maxBufferedBytes: 1000 } });
    const { client, session } = await connect();
    session.send('x'.repeat(5_000_000));
    const [data] = (await once(client, 'message')) as [Buffer];
    expect(data.length).toBe(5_000_001);
    session.send('next');
    expect(String((await once(client, 'message'))[0])).toBe('4next');
  });

  it('is not writable while the kernel has not taken the last batch, and again when it has', async () => {
    await start();
    const { client, session } = await connect();
    client.pause();
    while (session.transport.writable) {
      session.send('x'.repeat(500_000));
      await new Promise(setImmediate);
    }
    expect(session.transport.bufferedBytes).toBeGreaterThan(0);
    client.resume();
    await new Promise<void>((resolve) => session.send('after', () => resolve()));
    expect(session.transport.writable).toBe(true);
    expect(session.transport.bufferedBytes).toBe(0);
  });
});

describe('Session, EngineOptions that WebSocket servers take', () => {
  it('compresses frames when permessage-deflate is on and the client agrees', async () => {
    await start({ perMessageDeflate: { threshold: 10 } });
    const { client, session, received } = await connect();
    expect(client.extensions).toContain('permessage-deflate');
    const before = session.request.socket.bytesWritten;
    session.send('x'.repeat(10_000)).send(Buffer.alloc(3)).send('end');
    while (received.length < 4) await once(client, 'message');
    expect(received[1]).toBe('4' + 'x'.repeat(10_000));
    expect(session.request.socket.bytesWritten - before).toBeLessThan(1000);
    let called = false;
    session.send('y', () => (called = true));
    await once(client, 'message');
    expect(called).toBe(true);
  });
});
