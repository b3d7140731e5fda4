import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import { connect, type ConnectOptions } from 'nestwire/client';
import type { Engine } from 'nestwire/engine';
import type { Server } from 'socket.io';
import { io as stock, type Socket } from 'socket.io-client';
import { createSocketIoServer } from '../../lib/socket-io/bind-socket-io.js';
import type { Nginx } from '../support/nginx.js';
import { until } from '../support/wire-engine.js';
import { startBalancer } from './balancer.js';
import { ask } from '../support/wire-http.js';
import { CuttableRegistry, startNode, type TestNode } from './support.js';

/* Nodes of one process behind a real nginx that gives each request to the next of them. */

interface Member extends TestNode {
  readonly io: Server;
}

let registry: CuttableRegistry;
let nodes: Member[];
let nginx: Nginx;
let url: string;
let clients: Socket[];

async function startMember(): Promise<Member> {
  const server: HttpServer = createServer();
  const io = createSocketIoServer(server, { transports: ['websocket', 'eventsource', 'multipart', 'polling'] });
  io.on('connection', (socket) => {
    socket.on('echo', (data: unknown, ack: (answer: unknown) => void) => ack(data));
    socket.on('push', (n: number) => {
      for (let i = 0; i < n; i++) socket.emit('pushed', i);
    });
  });
  const node = await startNode({
    registry,
    renewEvery: 100,
    attached: { engine: io.engine as unknown as Engine, server },
  });
  return { ...node, io };
}

async function begin(count: number): Promise<void> {
  registry = new CuttableRegistry();
  nodes = await Promise.all(Array.from({ length: count }, startMember));
  await until(() => nodes.every((node) => statsOf(node).nodes === count));
  nginx = await startBalancer(nodes.map(({ port }) => port));
  url = `http://127.0.0.1:${nginx.port}`;
  clients = [];
}

afterEach(async () => {
  for (const client of clients) client.disconnect();
  await Promise.all(
    nodes.map(async ({ io, relay }) => {
      await io.close();
      await relay.close();
    }),
  );
  await nginx.stop();
});

async function open(make: () => Socket): Promise<Socket> {
  const client = make();
  clients.push(client);
  await once(client as never, 'connect');
  return client;
}

const stockClient = (options: object) => stock(url, { forceNew: true, reconnection: false, ...options });
const ownClient = (options: ConnectOptions) => connect(url, { forceNew: true, reconnection: false, ...options });
const statsOf = ({ engine }: Member) => engine.stats().relay!;
const total = (count: 'forwarded' | 'open') => nodes.reduce((sum, node) => sum + statsOf(node)[count], 0);

describe('three nodes behind a balancer that is not sticky', () => {
  beforeEach(() => begin(3));

  it('have messages of many sizes and kinds come through, both ways', async () => {
    for (const options of [{ transports: ['polling'] }, {}]) {
      const client = await open(() => stockClient(options));
      for (const data of ['', 'čaj € \u2028\r\n\0', Buffer.from([0, 255, 30]), 'x'.repeat(900_000), { a: [1, null] }]) {
        expect(await client.emitWithAck('echo', data)).toEqual(data);
      }
    }
  });

  it('have 10,000 messages arrive once and in order', async () => {
    for (const make of [
      () => stockClient({ transports: ['polling'] }),
      () => ownClient({ transports: ['eventsource'] }),
    ]) {
      const client = await open(make);
      const received: number[] = [];
      client.on('pushed', (i: number) => received.push(i));
      client.emit('push', 10_000);
      await until(() => received.length >= 10_000);
      expect(received).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
    }
  });

  it('take a WebSocket to the node that has the session', async () => {
    const before = total('forwarded');
    const upgraded = await Promise.all(
      Array.from({ length: 9 }, async () => {
        const client = await open(() => stockClient({}));
        await until(() => client.io.engine.transport.name === 'websocket');
        return client;
      }),
    );
    for (const client of upgraded) expect(await client.emitWithAck('echo', 'by WebSocket')).toBe('by WebSocket');
    // of nine upgrades some came to another node, and are open through it now
    expect(total('forwarded')).toBeGreaterThan(before);
    expect(total('open')).toBeGreaterThan(0);
  });

  it('do not lose a polling client whose polls go through a node that leaves', async () => {
    const waiting = await Promise.all(
      Array.from({ length: 20 }, () => open(() => stockClient({ transports: ['polling'] }))),
    );
    const left = nodes[0]!;
    const leaving = new Set(left.engine.clients.keys());
    const staying = waiting.filter((client) => !leaving.has((client.io.engine as unknown as { id: string }).id));
    expect(staying.length).toBeGreaterThan(0);
    const lost: string[] = [];
    for (const client of staying) client.on('disconnect', (reason) => lost.push(reason));
    // as when its process ends: all its connections are cut
    left.server.closeAllConnections();
    left.server.close();
    for (const client of staying) expect(await client.emitWithAck('echo', 'still here')).toBe('still here');
    expect(lost).toEqual([]);
  });
});

describe('two nodes, of which one cannot reach the registry', () => {
  let cut: Member;
  let whole: Member;
  /** Codes of what the node that is cut off has refused. */
  let refused: number[];

  beforeEach(async () => {
    await begin(2);
    [cut, whole] = nodes as [Member, Member];
    refused = [];
    cut.engine.on('connection_error', ({ code }: { code: number }) => refused.push(code));
    registry.cut.add(cut.relay.id);
    await until(() => statsOf(cut).isCutOff);
  });

  it.each([
    ['polling', () => stockClient({ transports: ['polling'] })],
    ['WebSocket', () => stockClient({ transports: ['websocket'] })],
    ['a stream', () => ownClient({ transports: ['eventsource'] })],
  ])('let clients over %s in at the other one, at the first try', async (_how, make) => {
    const opened = await Promise.all(Array.from({ length: 6 }, () => open(make)));
    for (const client of opened) expect(await client.emitWithAck('echo', 'here')).toBe('here');
    expect([cut.engine.clientsCount, whole.engine.clientsCount]).toEqual([0, 6]);
    expect(new Set(refused)).toEqual(new Set([106]));
  });

  it('have a client that knows only the one come again, until that lets it in', async () => {
    const options = { forceNew: true, reconnectionDelay: 20, reconnectionDelayMax: 50 };
    const client = stock(`http://127.0.0.1:${cut.port}`, options);
    clients.push(client);
    await once(client as never, 'connect_error');
    await until(() => refused.length > 1);
    registry.cut.clear();
    if (!client.connected) await once(client as never, 'connect');
    expect(await client.emitWithAck('echo', 'back')).toBe('back');
  });

  it('pass a refusal on that all give, and the client comes again', async () => {
    let isShut = true;
    for (const { engine } of nodes) engine.relay = { ...engine.relay!, isCutOff: () => isShut };
    const { status, headers, text } = await ask(`${url}/socket.io/?EIO=4&transport=polling`);
    expect(status).toBe(503);
    expect(headers['retry-after']).toBe('1');
    expect(JSON.parse(text)).toMatchObject({ code: 106 });
    const client = stockClient({ reconnection: true, reconnectionDelay: 20, reconnectionDelayMax: 50 });
    clients.push(client);
    await once(client as never, 'connect_error');
    isShut = false;
    if (!client.connected) await once(client as never, 'connect');
    expect(await client.emitWithAck('echo', 'back')).toBe('back');
  });
});
