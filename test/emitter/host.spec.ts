/** Emitters above plain socket.io servers: of one node, of a cluster, of a process that serves nobody. */
import { createServer } from 'node:http';
import { afterEach, describe, expect, it } from '@jest/globals';
import { lastValueFrom, Subject, take, toArray } from 'rxjs';
import { Server, type ServerOptions } from 'socket.io';
import type { Socket as ClientSocket } from 'socket.io-client';
import type { Emitter } from 'nestwire';
import { EmitterHost } from '../../lib/emitter/emitter-host.js';
import { until } from '../client/support.js';
import { afterCase, cleanUp, collect, connect, deferred, next, urlOf } from '../nest/support.js';
import { MemoryCluster, type MemoryAdapter } from './cluster.js';

afterEach(cleanUp);

/** A server that listens. */
async function serve(options: Partial<ServerOptions> = {}): Promise<{ io: Server; url: string }> {
  const http = createServer();
  const io = new Server(http, options);
  afterCase(() => io.close());
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  return { io, url: urlOf(http) };
}

function host(io: Server, isStarted = true): { host: EmitterHost; detached: string[] } {
  const detached: string[] = [];
  const one = new EmitterHost({
    warn: () => {},
    error: (error) => {
      throw error;
    },
    detached: (namespace) => detached.push(namespace),
  });
  afterCase(() => one.close());
  one.serve(io);
  if (isStarted) one.start();
  return { host: one, detached };
}

/** Answers a question when it is told to. */
function answering(socket: ClientSocket): { asked: Promise<void>; answer: (text: string) => void } {
  const asked = deferred();
  let done: (text: string) => void;
  socket.on('ask', (_question: string, ack: typeof done) => {
    done = ack;
    asked.resolve();
  });
  return { asked: asked.promise, answer: (text) => done(text) };
}

describe('a request', () => {
  it('emits each answer when it comes', async () => {
    const { io, url } = await serve();
    const emitter = host(io).host.emitter('/');
    const clients = [answering(await connect(url)), answering(await connect(url))];
    const answers: string[] = [];
    const came = new Subject<void>();
    const complete = deferred();
    emitter.request('ask', 'who?').subscribe({
      next: (answer) => {
        answers.push(answer);
        came.next();
      },
      complete: () => complete.resolve(),
    });
    await Promise.all(clients.map(({ asked }) => asked));
    for (const [index, name] of ['second', 'first'].entries()) {
      const one = lastValueFrom(came.pipe(take(1)));
      clients[1 - index]!.answer(name);
      // oxlint-disable-next-line no-await-in-loop
      await one;
      expect(answers).toHaveLength(index + 1);
    }
    await complete.promise;
    expect(answers).toEqual(['second', 'first']);
  });

  it('leaves nothing behind: neither at the time-out, nor when it is unsubscribed', async () => {
    const { io, url } = await serve();
    const emitter = host(io).host.emitter('/');
    await Promise.all([connect(url), connect(url)]);
    const owed = (): number[] => [...io.sockets.sockets.values()].map((socket) => (socket as any).acks.size);
    const timedOut = lastValueFrom(emitter.request('ask', 'who?', { timeout: 50 }));
    expect(owed()).toEqual([1, 1]);
    await expect(timedOut).rejects.toThrow('0 of 2 clients');
    expect(owed()).toEqual([0, 0]);
    const subscription = emitter.request('ask', 'who?').subscribe();
    expect(owed()).toEqual([1, 1]);
    subscription.unsubscribe();
    expect(owed()).toEqual([0, 0]);
  });

  it('fails with what the encoder throws, and with what the adapter says of its nodes', async () => {
    const { io, url } = await serve();
    await connect(url);
    const emitter = host(io).host.emitter('/');
    const circular: unknown[] = [];
    circular.push(circular);
    await expect(lastValueFrom(emitter.request('ask', circular))).rejects.toThrow();
    io.sockets.adapter.serverCount = () => Promise.reject(new Error('no connection'));
    await expect(lastValueFrom(emitter.request('ask', 'who?'))).rejects.toThrow('no connection');
  });
});

describe('in a cluster', () => {
  /** Two nodes with a client each, and a process that serves nobody. */
  async function start() {
    const cluster = new MemoryCluster();
    const nodes = await Promise.all(
      [1, 2].map(async () => {
        const { io, url } = await serve(cluster.node());
        io.of('/board').on('connection', (socket) => socket.join('red'));
        return { io, client: await connect(`${url}/board`) };
      }),
    );
    const headless = new Server({ adapter: cluster.node().adapter });
    afterCase(() => headless.close().catch(() => {}));
    const { host: worker, detached } = host(headless);
    const emitter = worker.emitter('/board');
    worker.target('/board').find();
    await until(() => adapterOf(worker).nodes === 3, 'everybody knows everybody');
    return { cluster, nodes, clients: nodes.map(({ client }) => client), worker, emitter, headless, detached };
  }
  const adapterOf = (one: EmitterHost): MemoryAdapter => one.target('/board').namespace!.adapter as MemoryAdapter;
  const answer = (socket: ClientSocket, text: string): unknown =>
    socket.on('ask', (_question: string, done: (text: string) => void) => done(text));

  it('reaches the clients of all nodes from a process without a server', async () => {
    const { nodes, clients, emitter, headless, detached } = await start();
    const heard = Promise.all(clients.map((client) => next(client, 'news')));
    emitter.to('red').emit('news', 1);
    expect(await heard).toEqual([1, 1]);
    expect((await emitter.sockets()).map(({ id }) => id).toSorted()).toEqual(clients.map(({ id }) => id!).toSorted());
    emitter.to(clients[0]!.id!).join('blue');
    await until(() => nodes[0]!.io.of('/board').adapter.rooms.has('blue'), 'joined');
    const gone = next(clients[1]!, 'disconnect');
    emitter.except('blue').disconnect();
    expect((await gone)[0]).toBe('io server disconnect');
    expect(headless._nsps.has('/board')).toBe(false);
    expect(detached).toEqual(['/board']);
  });

  it('has the answers of all nodes', async () => {
    const { clients, emitter } = await start();
    clients.forEach((client, index) => answer(client, `answer ${index}`));
    const answers = await lastValueFrom(emitter.request('ask', 'who?').pipe(toArray()));
    expect(answers.toSorted()).toEqual(['answer 0', 'answer 1']);
  });

  it('asks this node alone with `local`, and does not wait for others', async () => {
    const { nodes, clients } = await start();
    for (const client of clients) answer(client, client.id!);
    const emitter = host(nodes[0]!.io).host.emitter('/board');
    expect(await lastValueFrom(emitter.local.request('ask', 'who?').pipe(toArray()))).toEqual([clients[0]!.id]);
    const other = collect(clients[1]!, 'news');
    emitter.local.emit('news', 1);
    emitter.emit('news', 2);
    await until(() => other.length > 0, 'the other one hears');
    expect(other).toEqual([2]);
  });

  it('says which nodes were silent', async () => {
    const { cluster, nodes, clients, emitter } = await start();
    answer(clients[0]!, 'here');
    cluster.lost = nodes[1]!.io.of('/board').adapter as MemoryAdapter;
    const answers: unknown[] = [];
    const failed = new Promise((resolve) =>
      emitter.request('ask', 'who?', { timeout: 200 }).subscribe({ next: (one) => answers.push(one), error: resolve }),
    );
    expect(await failed).toMatchObject({
      answered: 1,
      asked: 1,
      silentNodes: 1,
      message: expect.stringContaining('1 of 1 clients'),
    });
    expect(answers).toEqual(['here']);
  });

  it('closes the namespace that it made, with the host', async () => {
    const { worker } = await start();
    const adapter = adapterOf(worker);
    worker.close();
    expect(adapter.isClosed).toBe(true);
  });

  it('uses the namespace of the server as soon as there is one, which stays in its place', async () => {
    const { clients, worker, emitter, headless } = await start();
    const apart = adapterOf(worker);
    const nsp = headless.of('/board');
    expect(apart.isClosed).toBe(true);
    emitter.emit('news');
    expect(worker.target('/board').namespace).toBe(nsp);
    // the others reach it, so its name is not taken off the list of adapters
    await until(() => (nsp.adapter as MemoryAdapter).nodes === 3, 'everybody knows everybody again');
    for (const client of clients) answer(client, 'yes');
    expect(await lastValueFrom(emitter.request('ask', 'there?').pipe(toArray()))).toEqual(['yes', 'yes']);
  });
});

describe('namespaces', () => {
  const names = (io: Server): string[] => [...io._nsps.keys()];

  it('are never opened to clients by an emitter', async () => {
    const { io, url } = await serve();
    const { host: one, detached } = host(io);
    const emitter = one.emitter('/secret');
    emitter.emit('news');
    emitter.to('red').join('blue');
    await emitter.sockets();
    emitter.pipe('news', [1]);
    expect(await lastValueFrom(emitter.request('ask', 'who?').pipe(toArray()))).toEqual([]);
    expect(names(io)).toEqual(['/']);
    await expect(connect(`${url}/secret`)).rejects.toThrow('Invalid namespace');
    expect(detached).toEqual(['/secret']);
  });

  it('of a pattern are those that a client could have made, with its guards, and not before these stand', async () => {
    const { io, url } = await serve();
    const { host: one } = host(io, false);
    const pattern = io.of(/^\/room-\d+$/);
    const emitter = one.emitter('/room-1');
    emitter.emit('news', 'early');
    expect(names(io)).toEqual(['/']);
    pattern.use((socket, allow) => allow(socket.handshake.auth['key'] === 7 ? undefined : new Error('no')));
    one.start();
    emitter.emit('news', 'nobody yet');
    await expect(connect(`${url}/room-1`)).rejects.toThrow('no');
    const socket = await connect(`${url}/room-1`, { auth: { key: 7 } });
    const heard = next(socket, 'news');
    emitter.emit('news', 1);
    expect(await heard).toBe(1);
    await expect(connect(`${url}/room-x`)).rejects.toThrow('Invalid namespace');
  });

  it('that a function allows are found once a client has made them', async () => {
    const { io, url } = await serve();
    io.of((name: string, _auth: unknown, allow: (error: null, isAllowed: boolean) => void) =>
      allow(null, name === '/mine'),
    );
    const emitter = host(io).host.emitter('/mine');
    emitter.emit('news', 'nobody yet');
    const socket = await connect(`${url}/mine`);
    const heard = next(socket, 'news');
    emitter.emit('news', 1);
    expect(await heard).toBe(1);
  });

  it('that come and go with their clients are found each time', async () => {
    const { io, url } = await serve({ cleanupEmptyChildNamespaces: true });
    io.of(/^\/room-\d+$/);
    const { host: one } = host(io);
    const emitters: Emitter[] = [one.emitter('/room-1'), one.emitter('/room-1').except([])];
    for (let round = 0; round < 3; round++) {
      // oxlint-disable-next-line no-await-in-loop
      const socket = await connect(`${url}/room-1`);
      const heard = collect(socket, 'news');
      for (const emitter of emitters) emitter.emit('news', round);
      // oxlint-disable-next-line no-await-in-loop
      await until(() => heard.length === 2, 'both came');
      expect(heard).toEqual([round, round]);
      socket.disconnect();
      // oxlint-disable-next-line no-await-in-loop
      await until(() => !io._nsps.has('/room-1'), 'the namespace has gone');
      // the adapter of the one that has gone is closed, and so no way to other nodes
      emitters[1]!.emit('news', 'nobody here');
      expect(io._nsps.has('/room-1')).toBe(true);
    }
  });

  it('are those of the adapter that the server has now', async () => {
    const { io, url } = await serve();
    const emitter = host(io).host.emitter('/').to('red');
    emitter.emit('news', 'before');
    io.adapter(new MemoryCluster().node().adapter);
    io.on('connection', (socket) => socket.join('red'));
    const socket = await connect(url);
    const heard = next(socket, 'news');
    emitter.emit('news', 1);
    expect(await heard).toBe(1);
  });
});
