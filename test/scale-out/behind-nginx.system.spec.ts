import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type Server as HttpServer } from 'node:http';
import { connect, type ConnectOptions } from 'nestwire/client';
import type { Engine } from 'nestwire/engine';
import type { Server } from 'socket.io';
import { io as stock, type Socket } from 'socket.io-client';
import { MemoryNodeRegistry } from '../../lib/scale-out/memory-registry.js';
import { createSocketIoServer } from '../../lib/socket-io/bind-socket-io.js';
import type { Nginx } from '../support/nginx.js';
import { until } from '../support/wire-engine.js';
import { startBalancer } from './balancer.js';
import { startNode, type TestNode } from './support.js';

/* Three nodes of one process behind a real nginx that gives each request to the next of them. */

interface Member extends TestNode {
  readonly io: Server;
}

let nodes: Member[];
let nginx: Nginx;
let url: string;
let clients: Socket[];

async function startMember(registry: MemoryNodeRegistry): Promise<Member> {
  const server: HttpServer = createServer();
  const io = createSocketIoServer(server, { transports: ['websocket', 'eventsource', 'multipart', 'polling'] });
  io.on('connection', (socket) => {
    socket.on('echo', (data: unknown, ack: (answer: unknown) => void) => ack(data));
    socket.on('push', (n: number) => {
      for (let i = 0; i < n; i++) socket.emit('pushed', i);
    });
  });
  const node = await startNode({ registry, attached: { engine: io.engine as unknown as Engine, server } });
  return { ...node, io };
}

beforeEach(async () => {
  const registry = new MemoryNodeRegistry();
  nodes = await Promise.all([1, 2, 3].map(() => startMember(registry)));
  nginx = await startBalancer(nodes.map(({ port }) => port));
  url = `http://127.0.0.1:${nginx.port}`;
  clients = [];
});

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
const total = (count: 'forwarded' | 'open') => nodes.reduce((sum, { engine }) => sum + engine.stats().relay![count], 0);

describe('three nodes behind a balancer that is not sticky', () => {
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
