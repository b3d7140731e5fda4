/** What waits for a client, and who is told when it leaves: `waitingBytes`, `onceDrained` and `offDrained` of a session. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { once } from 'node:events';
import { createServer, request as httpRequest, type IncomingMessage, type Server as HttpServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocket } from 'ws';
import { Engine, type EngineOptions, type Session } from 'nestwire/engine';
import { STREAMS, type StreamName } from '../support/wire-parsers.js';
import { StreamClient } from '../support/wire-streams.js';

let engine: Engine;
let server: HttpServer;
let address: string;
const undo: (() => void)[] = [];

async function start(options: EngineOptions = {}): Promise<void> {
  server = createServer();
  engine = new Engine({
    transports: ['websocket', 'eventsource', 'multipart', 'htmlfile', 'polling'],
    ...options,
  }).attach(server);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  address = `127.0.0.1:${(server.address() as AddressInfo).port}/engine.io/?EIO=4`;
}

afterEach(async () => {
  for (const one of undo.splice(0)) one();
  engine.close();
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

function webSocket(query = ''): WebSocket {
  const client = new WebSocket(`ws://${address}&transport=websocket${query}`);
  undo.push(() => client.terminate());
  client.on('error', () => {});
  return client;
}

async function connect(): Promise<{ client: WebSocket; session: Session }> {
  const client = webSocket();
  const [session] = (await once(engine, 'connection')) as [Session];
  await once(client, 'message');
  return { client, session };
}

async function connectStream(transport: StreamName): Promise<{ client: StreamClient; session: Session }> {
  const connected = once(engine, 'connection');
  const client = new StreamClient({ url: `http://${address}&transport=${transport}`, transport, resume: true });
  undo.push(() => client.cut());
  await client.next();
  return { client, session: (await connected)[0] as Session };
}

/** A poll: the answer's body. */
async function poll(session?: Session): Promise<string> {
  const sid = session === undefined ? '' : `&sid=${session.id}`;
  const request = httpRequest(`http://${address}&transport=polling${sid}`, { agent: false });
  request.end();
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += chunk;
  return body;
}

/** Resolves when the session says that something has left. */
const drained = (session: Session): Promise<void> => new Promise((resolve) => session.onceDrained(resolve));

/** Sends to a client that does not read until the kernel takes no more. */
async function backUp(session: Session): Promise<void> {
  while (session.transport.writable) {
    session.send('x'.repeat(500_000));
    await new Promise(setImmediate);
  }
}

describe('waitingBytes', () => {
  it('is what was sent and has not left: data, and something for each packet', async () => {
    await start();
    const { session } = await connect();
    expect(session.waitingBytes).toBe(0);
    session.send('x'.repeat(1000)).send(Buffer.alloc(500));
    expect(session.waitingBytes).toBeGreaterThanOrEqual(1500);
    expect(session.waitingBytes).toBeLessThan(2000);
    await drained(session);
    expect(session.waitingBytes).toBe(0);
  });

  it('counts what the kernel has not taken, and what waits behind it', async () => {
    await start();
    const { client, session } = await connect();
    client.pause();
    await backUp(session);
    const inTransport = session.transport.bufferedBytes;
    expect(inTransport).toBeGreaterThan(0);
    expect(session.waitingBytes).toBe(inTransport);
    session.send('y'.repeat(10_000));
    expect(session.waitingBytes).toBeGreaterThanOrEqual(inTransport + 10_000);
    client.resume();
    while (session.waitingBytes > 0) await drained(session);
    expect(session.transport.bufferedBytes).toBe(0);
  });

  it('counts what no poll has come for', async () => {
    await start();
    await poll();
    const [session] = [...engine.clients.values()] as [Session];
    session.send('x'.repeat(5000));
    await new Promise(setImmediate);
    expect(session.waitingBytes).toBeGreaterThanOrEqual(5000);
    const left = drained(session);
    expect(await poll(session)).toBe(`4${'x'.repeat(5000)}`);
    await left;
    expect(session.waitingBytes).toBe(0);
  });

  it.each(STREAMS)('counts what a client has not confirmed of %s', async (transport) => {
    await start();
    const { client, session } = await connectStream(transport);
    session.send('x'.repeat(40_000));
    await client.next();
    expect(session.waitingBytes).toBeGreaterThanOrEqual(40_000);
    // told by a confirmation, although the stream could have taken more all the time
    expect(session.transport.writable).toBe(true);
    const left = drained(session);
    await client.post('');
    await left;
    expect(session.waitingBytes).toBe(0);
  });
});

describe('onceDrained', () => {
  it('calls back once, in the tick after something has left, in order', async () => {
    await start();
    const { session } = await connect();
    const log: string[] = [];
    session.onceDrained(() => log.push('first'));
    session.onceDrained(() => log.push('second'));
    session.once('drain', () => log.push('drain'));
    await new Promise(setImmediate);
    expect(log).toEqual([]);
    session.send('x');
    await drained(session);
    expect(log).toEqual(['drain', 'first', 'second']);
    session.send('y');
    await drained(session);
    expect(log).toHaveLength(3);
  });

  it('takes a callback that asks again while it is called', async () => {
    await start();
    const { session } = await connect();
    let calls = 0;
    const again = (): void => {
      calls++;
      session.onceDrained(again);
    };
    session.onceDrained(again);
    for (let i = 1; i <= 3; i++) {
      session.send('x');
      await drained(session);
      expect(calls).toBe(i);
    }
    session.offDrained(again);
  });

  it('calls nobody when the session ends: nothing leaves any more', async () => {
    await start();
    const { client, session } = await connect();
    client.pause();
    await backUp(session);
    const called = jest.fn();
    session.onceDrained(called);
    session.close(true);
    client.resume();
    await once(client, 'close');
    expect(called).not.toHaveBeenCalled();
  });

  it.each(STREAMS)(
    'calls when another transport has taken the place of %s: nothing of the old one waits',
    async (transport) => {
      await start();
      const { client, session } = await connectStream(transport);
      session.send('x'.repeat(40_000));
      await client.next();
      const candidate = webSocket(`&sid=${session.id}`);
      await once(candidate, 'open');
      candidate.send('2probe');
      await Promise.all([once(candidate, 'message'), client.leave()]);
      expect(session.waitingBytes).toBeGreaterThanOrEqual(40_000);
      const left = drained(session);
      candidate.send('5');
      await left;
      expect(session.transport.name).toBe('websocket');
      expect(session.waitingBytes).toBe(0);
    },
  );
});

describe('offDrained', () => {
  it('takes one callback back, and leaves the others', async () => {
    await start();
    const { session } = await connect();
    const [kept, taken] = [jest.fn(), jest.fn()];
    session.onceDrained(kept);
    session.onceDrained(taken);
    session.offDrained(taken);
    session.send('x');
    await drained(session);
    expect(kept).toHaveBeenCalledTimes(1);
    expect(taken).not.toHaveBeenCalled();
  });

  it('does nothing for a callback that is not there, or was called', async () => {
    await start();
    const { session } = await connect();
    const called = jest.fn();
    session.offDrained(called);
    session.onceDrained(called);
    session.send('x');
    await drained(session);
    session.offDrained(called);
    expect(called).toHaveBeenCalledTimes(1);
  });
});
