/** Clients that come back to another node than the one they were on. Needs the built package (`npm run build`). */
import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createClient } from 'redis';
import type { Socket as Client } from 'socket.io-client';
import { afterCase, cleanUp, collect, connect, next } from '../../nest/support.js';
import { startRedis, type RedisServer } from '../../support/redis-server.js';
import { startNode, startProcess, until } from './support.js';

const RECOVERY = { connectionStateRecovery: { maxDisconnectionDuration: 60_000 } };
const SNAPSHOTS = { recovery: { snapshots: true } };
let redis: RedisServer;
let inspector: Awaited<ReturnType<ReturnType<typeof createClient>['connect']>>;

beforeEach(async () => {
  redis = await startRedis();
  afterCase(() => redis.close());
  inspector = (await createClient({ url: redis.url }).connect()) as typeof inspector;
  afterCase(() => inspector.destroy());
});
afterEach(cleanUp);

/** What is kept of sessions, as text with the names of rooms in it. */
async function kept(): Promise<string[]> {
  const keys = await inspector.keys('nestwire:session:*');
  const values = await Promise.all(keys.map((key) => inspector.get(key)));
  return values.map((value) => Buffer.from(value ?? '', 'base64').toString('latin1'));
}

/** Has a client connect to another node next time. */
function turnTo(client: Client, url: string): void {
  (client.io as unknown as { uri: string }).uri = url;
}

async function comeBack(client: Client, url: string): Promise<void> {
  turnTo(client, url);
  const connected = next(client, 'connect');
  client.connect();
  await connected;
}

describe('a client of a node that was killed', () => {
  it('recovers on another one, with its rooms, its data and what it has missed', async () => {
    const [dying, b] = [await startProcess(redis, SNAPSHOTS, RECOVERY), await startNode(redis, SNAPSHOTS, RECOVERY)];
    const client = await connect(dying.url);
    const said = collect(client, 'said');
    const id = client.id!;
    await client.emitWithAck('join', ['blue', 'green']);
    b.io.to('blue').emit('said', 'before');
    await until(() => said.length === 1);
    await until(async () => (await kept()).some((session) => session.includes('green')));
    const gone = next(client, 'disconnect');
    dying.child.kill('SIGKILL');
    await gone;
    b.io.to('blue').emit('said', 'missed');
    b.io.to('red').emit('said', 'not for it');
    b.io.emit('said', 'missed by all');
    await until(async () => (await inspector.xLen('nestwire:socket.io')) === 4);

    await comeBack(client, b.url);
    expect([client.recovered, client.id]).toEqual([true, id]);
    await until(() => said.length === 3);
    expect(said).toEqual(['before', 'missed', 'missed by all']);
    const [socket] = await b.io.in('green').fetchSockets();
    expect([socket!.id, socket!.data]).toEqual([id, { joined: ['blue', 'green'] }]);
    // and is kept here from now on
    await until(async () => (await kept()).some((session) => session.includes('green')));
  });

  it('gets a new session without snapshots', async () => {
    const [dying, b] = [await startProcess(redis, {}, RECOVERY), await startNode(redis, {}, RECOVERY)];
    const client = await connect(dying.url);
    const said = next(client, 'said');
    b.io.emit('said', 'before');
    await said;
    const gone = next(client, 'disconnect');
    dying.child.kill('SIGKILL');
    await gone;
    await comeBack(client, b.url);
    expect(client.recovered).toBe(false);
  });

  it('recovers from one that ended in order', async () => {
    const [leaving, b] = [await startProcess(redis, {}, RECOVERY), await startNode(redis, {}, RECOVERY)];
    const client = await connect(leaving.url);
    const said = collect(client, 'said');
    await client.emitWithAck('join', ['blue']);
    b.io.emit('said', 'before');
    await until(() => said.length === 1);
    const exited = once(leaving.child, 'exit');
    leaving.child.kill('SIGTERM');
    await exited;
    b.io.to('blue').emit('said', 'missed');
    await comeBack(client, b.url);
    expect(client.recovered).toBe(true);
    await until(() => said.length === 2);
  });
});

describe('snapshots', () => {
  it.each([
    ['itself', (client: Client) => client.disconnect()],
    ['by the server', (_client: Client, io: { disconnectSockets(): void }) => io.disconnectSockets()],
  ])('of a client that was disconnected %s are gone', async (_by, disconnect) => {
    const a = await startNode(redis, SNAPSHOTS, RECOVERY);
    const client = await connect(a.url);
    await until(async () => (await kept()).length === 1);
    disconnect(client, a.io);
    await until(async () => (await kept()).length === 0);
  });

  it('follow the rooms of a client, one for many changes', async () => {
    const a = await startNode(redis, SNAPSHOTS, RECOVERY);
    const client = await connect(a.url);
    await until(async () => (await kept()).length === 1);
    const calls = async (): Promise<number> =>
      Number(/cmdstat_set:calls=(\d+)/.exec(await inspector.info('commandstats'))?.[1] ?? 0);
    const before = await calls();
    for (let i = 0; i < 100; i++) client.emit('join', [`room ${i}`]);
    await client.emitWithAck('leave', 'room 0');
    await until(async () => {
      const [session] = await kept();
      return session!.includes('room 99') && !session!.includes('room 0');
    });
    expect((await calls()) - before).toBeLessThan(20);
  });

  it('are renewed before they expire', async () => {
    const brief = { connectionStateRecovery: { maxDisconnectionDuration: 3000 } };
    const a = await startNode(redis, SNAPSHOTS, brief);
    await connect(a.url);
    await until(async () => (await kept()).length === 1);
    const [key] = await inspector.keys('nestwire:session:*');
    const until0 = await inspector.pExpireTime(key!);
    await until(async () => (await inspector.pExpireTime(key!)) > until0 + 3000);
    expect(await kept()).toHaveLength(1);
  });

  it.each(['the same node', 'another node'])(
    'let a client recover on %s whose old connection is not known to be dead',
    async (where) => {
      const [a, b] = [await startNode(redis, SNAPSHOTS, RECOVERY), await startNode(redis, SNAPSHOTS, RECOVERY)];
      const client = await connect(a.url);
      const said = collect(client, 'said');
      const { id } = client;
      await client.emitWithAck('leave', 'nothing');
      a.io.in(id!).socketsJoin('blue');
      a.io.emit('said', 'before');
      await until(() => said.length === 1);
      await until(async () => (await kept()).some((session) => session.includes('blue')));
      const old = a.io.sockets.sockets.get(id!)!;
      const ended = new Promise<string>((resolve) => old.once('disconnect', resolve));
      // a network that takes the connection away tells neither side: the client forgets it, the server hears nothing
      const engine = client.io.engine as unknown as { transport: object; _onClose(reason: string): void };
      const lost = next(client, 'disconnect');
      Object.assign(engine.transport, { close: () => undefined });
      engine._onClose('transport close');
      await lost;
      const target = where === 'the same node' ? a : b;
      await comeBack(client, target.url);
      expect([client.recovered, client.id]).toEqual([true, id]);
      // the old one ends, and takes neither the rooms nor the session of the new one with it
      expect(await ended).toBe('forced close');
      b.io.to('blue').emit('said', 'after');
      await until(() => said.includes('after'));
      expect(await target.io.in('blue').fetchSockets()).toHaveLength(1);
      await until(async () => (await kept()).some((session) => session.includes('blue')));
      expect(said).toEqual(['before', 'after']);
    },
  );
});

describe('answers to one client, with recovery', () => {
  /** What a client gets after it was away, of what was sent to it meanwhile or just before. */
  async function placeOf(client: Client): Promise<unknown> {
    return (client as unknown as { _lastOffset: unknown })._lastOffset;
  }

  it('do not go through Redis, and leave the place of the client in the stream as it is', async () => {
    const a = await startNode(redis, {}, RECOVERY);
    const client = await connect(a.url);
    const said = next(client, 'said');
    client.emit('say', 'in the stream');
    const [, place] = (await said) as [string, string];
    expect(place).toMatch(/^\d+-\d+$/);
    const entries = await inspector.xLen('nestwire:socket.io');
    for (const [event, answer] of [
      ['answer', 'answered'],
      ['stream', 'stream'],
      ['local', 'said'],
      ['fail', 'exception'],
    ] as const) {
      // prettier-ignore
      const answered = next(client, answer);
      client.emit(event, 'a text');
      // oxlint-disable-next-line no-await-in-loop
      await answered;
    }
    const unimportant = next(client, 'said');
    a.io.volatile.emit('said', 'unimportant');
    await unimportant;
    expect(await placeOf(client)).toBe(place);
    // the volatile one is for other nodes, too
    expect(await inspector.xLen('nestwire:socket.io')).toBe(entries + 1);
    client.io.engine.close();
    await comeBack(client, a.url);
    expect(client.recovered).toBe(true);
  });

  it('are kept where that is wanted', async () => {
    const a = await startNode(redis, {}, { ...RECOVERY, recoverable: true });
    const client = await connect(a.url);
    for (const [event, answer] of [
      ['answer', 'answered'],
      ['stream', 'stream'],
    ] as const) {
      const answered = next(client, answer);
      client.emit(event, 'a text');
      // oxlint-disable-next-line no-await-in-loop
      const [, place] = (await answered) as [string, string];
      expect(place).toMatch(/^\d+-\d+$/);
    }
    expect(await inspector.xLen('nestwire:socket.io')).toBe(2);
  });

  it('go the short way without recovery', async () => {
    const a = await startNode(redis);
    const client = await connect(a.url);
    const answered = next(client, 'answered');
    client.emit('answer', 'a text');
    expect(await answered).toBe('a text');
    expect(await inspector.exists('nestwire:socket.io')).toBe(0);
  });

  it('that cannot be encoded throw where they are sent, as without scale-out', async () => {
    const a = await startNode(redis, {}, RECOVERY);
    const client = await connect(a.url);
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    expect(() => a.io.local.to(client.id!).emit('said', circular)).toThrow();
  });
});
