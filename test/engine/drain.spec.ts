import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { ask } from '../support/wire-http.js';
import { sessionClosed, useEngines, type Harness, type SessionLike } from '../support/wire-engine.js';
import { rowOf } from '../support/wire-hostile.js';
import { message } from '../support/wire-rows.js';
import type { Engine } from 'nestwire/engine';

const start = useEngines();

// clients leave at a random moment: here, soon, and long before the deadline
beforeEach(() => void jest.spyOn(Math, 'random').mockReturnValue(0.005));
afterEach(() => void jest.restoreAllMocks());

const engineOf = (harness: Harness): Engine => harness.engine as unknown as Engine;

async function openMany(harness: Harness, count: number): Promise<SessionLike[]> {
  const sessions: SessionLike[] = [];
  for (let i = 0; i < count; i++) {
    await rowOf('websocket/4').open(harness);
    sessions.push(await harness.sessions.next());
  }
  return sessions;
}

describe('drain', () => {
  it('refuses new handshakes, and says when to come again', async () => {
    const harness = await start();
    await openMany(harness, 1);
    void engineOf(harness).drain({ deadline: 60_000, busy: () => new Set(engineOf(harness).clients.values()) });
    const answer = await ask(`${harness.url}?EIO=4&transport=polling`);
    expect(answer).toMatchObject({ status: 503, headers: { 'retry-after': '1' } });
    expect(JSON.parse(answer.text)).toEqual({ code: 102, message: 'Server is shutting down' });
    await expect(rowOf('websocket/4').open(harness)).rejects.toBeDefined();
    expect(engineOf(harness).isDraining).toBe(true);
  });

  it('goes on serving sessions that are open', async () => {
    const harness = await start();
    const connection = await rowOf('polling/4').open(harness);
    const session = await harness.sessions.next();
    session.on('message', (data: unknown) => session.send(data));
    void engineOf(harness).drain({ deadline: 60_000, busy: () => new Set([session]) });
    await connection.send(message('hello'));
    expect(await connection.receive()).toEqual(message('hello'));
    expect(session.readyState).toBe('open');
  });

  it.each(['polling/4', 'websocket/4', 'eventsource/4'])(
    'has a client of %s leave, with all that was sent to it',
    async (row) => {
      const harness = await start();
      const connection = await rowOf(row).open(harness);
      const session = await harness.sessions.next();
      session.send('last words');
      const drained = engineOf(harness).drain({ deadline: 20_000 });
      expect(await connection.receive()).toEqual(message('last words'));
      await connection.closed;
      await drained;
      expect(harness.engine.clientsCount).toBe(0);
    },
  );

  it('closes sessions with a reason for which socket.io keeps what recovery needs', async () => {
    const harness = await start();
    const [session] = await openMany(harness, 1);
    const closed = sessionClosed(session!);
    await engineOf(harness).drain({ deadline: 20_000 });
    expect((await closed).reason).toBe('forced close');
  });

  it('spreads them over the time, in random order', async () => {
    jest.restoreAllMocks();
    const harness = await start();
    const sessions = await openMany(harness, 40);
    const order: number[] = [];
    const batches = new Set<number>();
    let turn = 0;
    sessions.forEach((session, index) => {
      const close = session.close.bind(session);
      session.close = () => {
        order.push(index);
        batches.add(turn);
        close();
      };
    });
    const counting = setInterval(() => turn++, 10);
    await engineOf(harness).drain({ deadline: 4_000 });
    clearInterval(counting);
    expect(order.toSorted((a, b) => a - b)).toEqual(sessions.map((_, index) => index));
    expect(order).not.toEqual(sessions.map((_, index) => index));
    // 40 at random moments in 14 intervals: that all fall into three has no chance
    expect(batches.size).toBeGreaterThan(3);
  });

  it('waits for those that are busy, but not beyond the deadline', async () => {
    const harness = await start();
    const [idle, busy, stuck] = (await openMany(harness, 3)) as [SessionLike, SessionLike, SessionLike];
    const working = new Set([busy, stuck]);
    const drained = engineOf(harness).drain({ deadline: 4_000, busy: () => working });
    await sessionClosed(idle);
    expect(busy.readyState).toBe('open');
    working.delete(busy);
    await sessionClosed(busy);
    await drained;
    expect(stuck.readyState).toBe('open');
  });

  it('is over at once when nobody is there', async () => {
    const harness = await start();
    await engineOf(harness).drain({ deadline: 60_000 });
  });

  it('is over when the last client has left by itself', async () => {
    const harness = await start();
    const connection = await rowOf('websocket/4').open(harness);
    const session = await harness.sessions.next();
    const drained = engineOf(harness).drain({ deadline: 60_000, busy: () => new Set([session]) });
    connection.drop();
    await drained;
    expect(harness.engine.clientsCount).toBe(0);
  });

  it('is over when the engine closes', async () => {
    const harness = await start();
    const [session] = await openMany(harness, 1);
    const drained = engineOf(harness).drain({ deadline: 60_000, busy: () => new Set([session]) });
    harness.engine.close();
    await drained;
  });

  it('happens once', async () => {
    const harness = await start();
    await openMany(harness, 1);
    const first = engineOf(harness).drain({ deadline: 300 });
    expect(engineOf(harness).drain({ deadline: 60_000 })).toBe(first);
    await first;
  });

  it('lets a handshake that is under way not slip in', async () => {
    const harness = await start({
      allowRequest: (_request: unknown, done: (error: null, success: boolean) => void) => {
        void engineOf(harness).drain({ deadline: 60_000 });
        done(null, true);
      },
    });
    expect((await ask(`${harness.url}?EIO=4&transport=polling`)).status).toBe(503);
    expect(harness.engine.clientsCount).toBe(0);
  });
});
