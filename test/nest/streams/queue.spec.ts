/** A client that sends faster than guards and pipes take has a queue with an end. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { UseFilters, UseGuards, type ArgumentsHost, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { MessageBody, SubscribeMessage, WebSocketGateway, WsException } from '@nestjs/websockets';
import {
  MessageStream,
  NestwireAdapter,
  replyError,
  SubscribeStream,
  type Incoming,
  type NestwireOptions,
  type StreamOptions,
} from 'nestwire';
import { ignoreElements, tap, type Observable } from 'rxjs';
import { until } from '../../client/support.js';
import { cleanUp, collect, connect, deferred, next, startApp } from '../support.js';

afterEach(cleanUp);

/** Milliseconds that nothing here takes, however busy the machine is. */
const PATIENCE = 600_000;

const FULL = { status: 'error', code: 'queue_full', message: 'too many messages of "word" at a time' };

/** A stream of "word" behind a door that "stuck" waits at, a second stream, and a handler that shows what has arrived. */
async function startQueue(options: StreamOptions = {}, adapterOptions: NestwireOptions = {}) {
  let door = deferred<boolean>();
  const seen: unknown[] = [];
  const guard: CanActivate = {
    canActivate: (context: ExecutionContext) => (context.switchToWs().getData() === 'stuck' ? door.promise : true),
  };
  @WebSocketGateway()
  class Gateway {
    @UseGuards(guard)
    @SubscribeStream('word', { timeout: PATIENCE, ...options })
    words(@MessageStream() word$: Observable<unknown>): Observable<never> {
      return word$.pipe(
        tap((word) => seen.push(word)),
        ignoreElements(),
      );
    }

    @SubscribeStream('other')
    others(@MessageStream() other$: Observable<unknown>): void {
      other$.subscribe((other) => seen.push(`other ${String(other)}`));
    }

    @SubscribeMessage('arrived')
    arrived(): boolean {
      return true;
    }
  }
  let adapter!: NestwireAdapter;
  const running = await startApp({
    providers: [Gateway],
    adapter: (app) => (adapter = new NestwireAdapter(app, adapterOptions)),
  });
  return {
    ...running,
    seen,
    /** Lets through what stands there; what comes after that has a new door. */
    open: () => {
      door.resolve(true);
      door = deferred();
    },
    stats: () => adapter.streamStats().find(({ event }) => event === 'word')!,
  };
}

type Client = Awaited<ReturnType<typeof connect>>;

/** Sends numbers; all have arrived when it resolves. */
async function flood(client: Client, from: number, to: number): Promise<void> {
  for (let number = from; number < to; number++) client.emit('word', number);
  await client.emitWithAck('arrived');
}

const numbers = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, index) => from + index);

describe('a burst', () => {
  it.each<[string, StreamOptions]>([
    ['websocket', {}],
    ['polling', {}],
    ['websocket', { queue: { limit: 1 } }],
    ['polling', { queue: { limit: 1, overflow: 'dropOldest' } }],
    ['websocket', { queue: { limit: 1, overflow: 'disconnect' } }],
    ['polling', { queue: { limit: 1 }, concurrency: 3 }],
  ])('by %s comes in whole where guards decide at once: %j', async (transport, options) => {
    const { url, seen, stats } = await startQueue(options);
    const client = await connect(url, { transports: [transport] });
    const exceptions = collect(client, 'exception');
    await flood(client, 0, 5000);
    await client.emitWithAck('word', 5000);
    expect(seen).toEqual(numbers(0, 5001));
    expect(exceptions).toEqual([]);
    expect(stats()).toMatchObject({ admitted: 5001, overflowed: 0 });
  });
});

describe('a queue that is full', () => {
  it('refuses what comes then, and tells its sender once', async () => {
    const { url, seen, stats, open } = await startQueue();
    const [client, other] = [await connect(url), await connect(url)];
    const exceptions = collect(client, 'exception');
    client.emit('word', 'stuck');
    await flood(client, 0, 5000);
    await flood(client, 5000, 6000);
    expect(exceptions).toEqual([FULL]);
    expect(stats()).toMatchObject({ admitted: 0, overflowed: 5000 });
    await other.emitWithAck('word', 'of another');
    open();
    await client.emitWithAck('word', 'at the end');
    expect(seen).toEqual(['of another', 'stuck', ...numbers(0, 1000), 'at the end']);
    expect(stats()).toMatchObject({ admitted: 1003, overflowed: 5000, timedOut: 0 });
    expect(exceptions).toEqual([FULL]);
  });

  it('tells of it again when it had room in between', async () => {
    const { url, open, stats } = await startQueue({ queue: { limit: 2 } });
    const client = await connect(url);
    const exceptions = collect(client, 'exception');
    for (const row of [1, 2]) {
      // oxlint-disable no-await-in-loop
      client.emit('word', 'stuck');
      await flood(client, 0, 10);
      await flood(client, 0, 10);
      expect(exceptions).toEqual([FULL, FULL].slice(0, row));
      open();
      await client.emitWithAck('word', 'between');
      // oxlint-enable no-await-in-loop
    }
    expect(stats()).toMatchObject({ admitted: 2 * 4, overflowed: 2 * 18 });
  });

  it('answers each message that asked for it', async () => {
    const { url, seen, stats, open } = await startQueue({ queue: { limit: 3 } });
    const client = await connect(url);
    const exceptions = collect(client, 'exception');
    const answers: unknown[] = [];
    client.emit('word', 'stuck');
    for (let number = 0; number < 10; number++) {
      client.emit('word', number, (...answer: unknown[]) => answers.push([number, ...answer]));
    }
    await client.emitWithAck('arrived');
    expect(answers).toEqual(numbers(3, 10).map((number) => [number, FULL]));
    open();
    await client.emitWithAck('word', 10);
    expect(answers.slice(7)).toEqual([[0], [1], [2]]);
    expect(seen).toEqual(['stuck', 0, 1, 2, 10]);
    expect(exceptions).toEqual([]);
    expect(stats()).toMatchObject({ admitted: 5, overflowed: 7 });
  });

  it('drops the oldest that wait, with dropOldest', async () => {
    const { url, seen, stats, open } = await startQueue({ queue: { limit: 5, overflow: 'dropOldest' } });
    const client = await connect(url);
    const exceptions = collect(client, 'exception');
    const answers: unknown[] = [];
    client.emit('word', 'stuck');
    client.emit('word', 'asks', (...answer: unknown[]) => answers.push(...answer));
    client.emit('other', 1);
    await flood(client, 0, 2000);
    await flood(client, 2000, 4000);
    expect(answers).toEqual([FULL]);
    open();
    await client.emitWithAck('word', 'last');
    // the stream beside it keeps its place; it is within the limit of its own
    expect(seen).toEqual(['stuck', 'other 1', ...numbers(3996, 4000), 'last']);
    expect(exceptions).toEqual([FULL]);
    expect(stats()).toMatchObject({ admitted: 6, overflowed: 3997 });
  });

  it('disconnects its client, with disconnect, and says so once', async () => {
    const { url, seen, stats, logger, open } = await startQueue({ queue: { limit: 5, overflow: 'disconnect' } });
    const [client, other] = [await connect(url), await connect(url)];
    const { id } = client;
    const disconnected = next(client, 'disconnect');
    client.emit('word', 'stuck');
    for (let number = 0; number < 3000; number++) client.emit('word', number);
    await disconnected;
    expect(logger.warnings).toEqual([`Gateway.words(): 5 messages of client ${id} wait`]);
    await other.emitWithAck('word', 'of another');
    open();
    await until(() => stats().active === 1, 'its stream has ended');
    expect(seen).toEqual(['of another', 'stuck', ...numbers(0, 5)]);
    expect(stats().overflowed).toBeGreaterThan(0);
  });

  it('is one for each stream that lets several messages pass at a time', async () => {
    const { url, seen, stats, open } = await startQueue({ queue: { limit: 2 }, concurrency: 2 });
    const client = await connect(url);
    client.emit('word', 'stuck');
    client.emit('word', 'stuck');
    await flood(client, 0, 10);
    await client.emitWithAck('other', 1);
    open();
    await client.emitWithAck('word', 10);
    expect(seen.toSorted()).toEqual([0, 1, 10, 'other 1', 'stuck', 'stuck'].toSorted());
    expect(stats()).toMatchObject({ admitted: 5, overflowed: 8 });
  });

  it('has the limit of the application, where the stream names none', async () => {
    const { url, stats, open } = await startQueue(
      { queue: { limit: undefined } },
      { streams: { queue: { limit: 7, overflow: undefined }, timeout: undefined } },
    );
    const client = await connect(url);
    client.emit('word', 'stuck');
    await flood(client, 0, 10);
    expect(stats().overflowed).toBe(3);
    open();
  });

  it('asks the filters of the method', async () => {
    const seen: unknown[] = [];
    const door = deferred<boolean>();
    @WebSocketGateway()
    class Gateway {
      @UseFilters({
        catch: (exception: WsException, host: ArgumentsHost) =>
          replyError(host, [exception.message, host.switchToWs().getPattern(), host.switchToWs().getData()]),
      })
      @UseGuards({ canActivate: () => door.promise })
      @SubscribeStream('word', { queue: { limit: 1 } })
      words(@MessageStream() word$: Observable<unknown>): void {
        word$.subscribe((word) => seen.push(word));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    for (const word of ['a', 'b']) client.emit('word', word);
    expect(await client.emitWithAck('word', 'c')).toEqual([FULL.message, 'word', 'c']);
    door.resolve(true);
    await client.emitWithAck('word', 'd');
    expect(seen).toEqual(['a', 'b', 'd']);
  });
});

describe('a stream whose method is not there yet', () => {
  it('holds as many messages as may wait, refuses the others, and says so once in a row', async () => {
    const ready = deferred();
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('word', { scope: 'gateway', queue: { limit: 3 } })
      async words(@MessageStream() word$: Observable<Incoming>): Promise<void> {
        await ready.promise;
        word$.subscribe(({ data }) => seen.push(data));
      }

      @SubscribeMessage('arrived')
      arrived(@MessageBody() _data: unknown): boolean {
        return true;
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const exceptions = collect(client, 'exception');
    await flood(client, 0, 100);
    await flood(client, 100, 200);
    expect(await client.emitWithAck('word', 200)).toEqual(FULL);
    expect(exceptions).toEqual([FULL]);
    ready.resolve();
    await client.emitWithAck('word', 'next');
    expect(seen).toEqual([0, 1, 2, 'next']);
  });
});
