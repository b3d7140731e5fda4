/** Messages of a client come into its streams in the order of their arrival, and hold nobody else up. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, describe, expect, it } from '@jest/globals';
import {
  applyDecorators,
  UseGuards,
  UseInterceptors,
  UsePipes,
  type CallHandler,
  type CanActivate,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
} from '@nestjs/common';
import { WebSocketGateway, WsException } from '@nestjs/websockets';
import { MessageStream, NestwireAdapter, SubscribeStream, type Incoming, type Socket } from 'nestwire';
import { defer, delay, of, switchMap, type Observable } from 'rxjs';
import { until } from '../../client/support.js';
import { cleanUp, connect, deferred, next, startApp } from '../support.js';

afterEach(cleanUp);

/** Milliseconds that nothing here takes, however busy the machine is. */
const PATIENCE = 600_000;

/** Some milliseconds, now more and now less. */
let paused = 0;
const milliseconds = (): number => [4, 0, 3, 1, 2][paused++ % 5]!;
const pause = (): Promise<unknown> => new Promise((resolve) => setTimeout(resolve, milliseconds()));

/** Doors that messages wait at, by their data. */
class Doors implements CanActivate {
  private readonly doors = new Map<unknown, ReturnType<typeof deferred<boolean>>>();
  private readonly arrivals = new Map<unknown, ReturnType<typeof deferred<void>>>();

  /** Keeps a message waiting until it is opened. */
  close(data: unknown): (answer?: boolean) => void {
    const door = deferred<boolean>();
    this.doors.set(data, door);
    this.arrivals.set(data, deferred<void>());
    return (answer = true) => door.resolve(answer);
  }

  /** Resolves when a message stands before its door. */
  arrived(data: unknown): Promise<void> {
    return this.arrivals.get(data)!.promise;
  }

  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const data: unknown = context.switchToWs().getData();
    this.arrivals.get(data)?.resolve();
    return this.doors.get(data)?.promise ?? true;
  }
}

const untilSeen = (seen: readonly unknown[], what: unknown): Promise<void> =>
  until(() => seen.includes(what), `${String(what)} was seen`);

/** A gateway with doors before a stream of a client, one of the gateway, and one without a door. */
async function startDoors(options: { concurrency?: number; timeout?: number; ack?: 'auto' | 'manual' } = {}) {
  const doors = new Doors();
  const seen: unknown[] = [];
  const gone = deferred();
  @WebSocketGateway()
  class Gateway {
    handleDisconnect(): void {
      gone.resolve();
    }

    @UseGuards(doors)
    @SubscribeStream('word', { timeout: PATIENCE, ...options })
    words(@MessageStream() word$: Observable<unknown>): void {
      word$.subscribe({ next: (word) => seen.push(word), complete: () => seen.push('completed') });
    }

    @UseGuards(doors)
    @SubscribeStream('all', { timeout: PATIENCE, ...options, scope: 'gateway' })
    all(@MessageStream() all$: Observable<Incoming>): void {
      all$.subscribe(({ data }) => seen.push(`all ${String(data)}`));
    }

    @SubscribeStream('free')
    free(@MessageStream() free$: Observable<unknown>): void {
      free$.subscribe((word) => seen.push(`free ${String(word)}`));
    }
  }
  let adapter!: NestwireAdapter;
  const running = await startApp({ providers: [Gateway], adapter: (app) => (adapter = new NestwireAdapter(app)) });
  return { ...running, doors, seen, gone, stats: () => adapter.streamStats() };
}

describe('the order of a client’s messages', () => {
  const guard: CanActivate = { canActivate: async () => (await pause(), true) };
  const observing: CanActivate = { canActivate: () => of(true).pipe(delay(milliseconds())) };
  const pipe: PipeTransform = { transform: async (value: unknown) => (await pause(), value) };
  const interceptor: NestInterceptor = {
    intercept: async (_context, next) => {
      await pause();
      return defer(pause).pipe(
        switchMap(() => next.handle()),
        delay(milliseconds()),
      );
    },
  };

  it.each<[string, MethodDecorator]>([
    ['guards', UseGuards(guard)],
    ['guards with Observables', UseGuards(observing)],
    ['pipes', UsePipes(pipe)],
    ['interceptors', UseInterceptors(interceptor)],
    [
      'all of them',
      applyDecorators(UseGuards(guard, observing), UsePipes(pipe), UseInterceptors(interceptor, interceptor)),
    ],
  ])('is that of their arrival, however long %s take', async (_name, decorator) => {
    const seen: Record<string, unknown[]> = { one: [], two: [], 'all one': [], 'all two': [] };
    @WebSocketGateway()
    class Gateway {
      @decorator
      @SubscribeStream('number')
      numbers(@MessageStream() number$: Observable<[string, number]>): void {
        number$.subscribe(([name, value]) => seen[name]!.push(value));
      }

      @decorator
      @SubscribeStream('all', { scope: 'gateway' })
      all(@MessageStream() number$: Observable<Incoming<[string, number]>>): void {
        number$.subscribe(({ data: [name, value] }) => seen[`all ${name}`]!.push(value));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const clients = [
      ['one', await connect(url)],
      ['two', await connect(url)],
    ] as const;
    const numbers = Array.from({ length: 31 }, (_, index) => index);
    for (const number of numbers.slice(0, 30)) {
      for (const [name, client] of clients) {
        client.emit('number', [name, number]);
        client.emit('all', [name, number]);
      }
    }
    for (const event of ['number', 'all']) {
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(clients.map(([name, client]) => client.emitWithAck(event, [name, 30])));
    }
    expect(seen).toEqual({ one: numbers, two: numbers, 'all one': numbers, 'all two': numbers });
  });

  it('holds for all streams of the client together, whatever their event and scope', async () => {
    const { url, doors, seen } = await startDoors();
    const client = await connect(url);
    const open = doors.close('first');
    client.emit('word', 'first');
    client.emit('free', 'second');
    client.emit('all', 'third');
    await doors.arrived('first');
    expect(seen).toEqual([]);
    open();
    await client.emitWithAck('free', 'fourth');
    expect(seen).toEqual(['first', 'free second', 'all third', 'free fourth']);
  });

  it('holds nobody else up', async () => {
    const { url, doors, seen } = await startDoors();
    const [slow, fast] = [await connect(url), await connect(url)];
    const open = doors.close('slow');
    slow.emit('word', 'slow');
    slow.emit('all', 'behind');
    await doors.arrived('slow');
    await fast.emitWithAck('word', 'fast');
    await fast.emitWithAck('all', 'fast');
    expect(seen).toEqual(['fast', 'all fast']);
    open();
    await slow.emitWithAck('word', 'end');
    expect(seen).toEqual(['fast', 'all fast', 'slow', 'all behind', 'end']);
  });

  it('goes over refused messages', async () => {
    const { url, doors, seen } = await startDoors();
    const client = await connect(url);
    const open = doors.close('refused');
    const refused = client.emitWithAck('word', 'refused');
    client.emit('word', 'next');
    await doors.arrived('refused');
    open(false);
    expect(await refused).toMatchObject({ message: 'Forbidden resource' });
    await client.emitWithAck('word', 'last');
    expect(seen).toEqual(['next', 'last']);
  });

  it('lets each message begin in the asynchronous context that it came in', async () => {
    const storage = new AsyncLocalStorage<string>();
    const stores: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      handleConnection(client: Socket): void {
        client.use(([, data], go) => storage.run(`context of ${String(data)}`, go));
      }

      @UseGuards({
        canActivate: async (context: ExecutionContext) => {
          await pause();
          stores.push([context.switchToWs().getData(), storage.getStore()]);
          return true;
        },
      })
      @SubscribeStream('word')
      words(@MessageStream() word$: Observable<string>): void {
        word$.subscribe((word) => stores.push([word, storage.getStore()]));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    client.emit('word', 'a');
    client.emit('word', 'b');
    await client.emitWithAck('word', 'c');
    expect(stores).toEqual(['a', 'b', 'c'].flatMap((word) => [word, word]).map((word) => [word, `context of ${word}`]));
  });
});

describe('a message whose guard never settles', () => {
  it('is refused when its time is over; the next ones come in', async () => {
    const { url, doors, seen, stats, logger } = await startDoors({ timeout: 50 });
    const client = await connect(url);
    doors.close('stuck');
    const stuck = client.emitWithAck('word', 'stuck');
    client.emit('word', 'next');
    await client.emitWithAck('free', 'last');
    expect(await stuck).toEqual({ status: 'error', code: 'timeout', message: '"word" took too long' });
    expect(seen).toEqual(['next', 'free last']);
    expect(stats().find(({ stream }) => stream === 'Gateway.words()')).toMatchObject({ timedOut: 1, admitted: 1 });
    expect(logger.warnings).toEqual(['Gateway.words(): a message had not passed after 50 ms']);
  });

  it('is told by an exception, where its sender asked for no answer', async () => {
    const { url, doors } = await startDoors({ timeout: 50 });
    const client = await connect(url);
    doors.close('stuck');
    const exception = next(client, 'exception');
    client.emit('word', 'stuck');
    expect(await exception).toEqual({ status: 'error', code: 'timeout', message: '"word" took too long' });
  });

  it.each(['word', 'all'])('is not let in later (%s)', async (event) => {
    const { url, doors, seen } = await startDoors({ timeout: 50 });
    const client = await connect(url);
    const open = doors.close('late');
    expect(await client.emitWithAck(event, 'late')).toMatchObject({ code: 'timeout' });
    open();
    await client.emitWithAck('free', 'next');
    expect(seen).toEqual(['free next']);
  });

  it('does not begin its interceptors later', async () => {
    const open = deferred<boolean>();
    const calls: unknown[] = [];
    const interceptor: NestInterceptor = {
      intercept: (context: ExecutionContext, next: CallHandler) => (
        calls.push(context.switchToWs().getData()),
        defer(() => (calls.push('subscribed'), next.handle()))
      ),
    };
    @WebSocketGateway()
    class Gateway {
      @UseGuards({
        canActivate: (context: ExecutionContext) => context.switchToWs().getData() !== 'late' || open.promise,
      })
      @UseInterceptors(interceptor)
      @SubscribeStream('word', { timeout: 50 })
      words(@MessageStream() word$: Observable<string>): void {
        word$.subscribe((word) => calls.push(word));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('word', 'late')).toMatchObject({ code: 'timeout' });
    open.resolve(true);
    await client.emitWithAck('word', 'next');
    expect(calls).toEqual(['next', 'subscribed', 'next']);
  });

  it('does not keep the streams of a client that has gone for longer than its own time', async () => {
    const { url, doors, seen, gone } = await startDoors({ timeout: 100 });
    const client = await connect(url);
    doors.close('stuck');
    client.emit('word', 'stuck');
    for (let index = 0; index < 500; index++) client.emit('word', 'stuck');
    await doors.arrived('stuck');
    client.disconnect();
    await gone.promise;
    await untilSeen(seen, 'completed');
    expect(seen).toEqual(['completed']);
  });
});

describe('messages that had arrived before the disconnect', () => {
  it('come in before the stream completes', async () => {
    const { url, doors, seen, gone } = await startDoors();
    const client = await connect(url);
    const open = doors.close('first');
    client.emit('word', 'first');
    for (const word of ['second', 'third']) client.emit('word', word);
    client.emit('all', 'fourth');
    await doors.arrived('first');
    client.disconnect();
    await gone.promise;
    expect(seen).toEqual([]);
    open();
    await untilSeen(seen, 'completed');
    expect(seen).toEqual(['first', 'second', 'third', 'all fourth', 'completed']);
  });

  it('come in also where several of them pass at a time', async () => {
    const { url, doors, seen, gone } = await startDoors({ concurrency: 2 });
    const client = await connect(url);
    const [open1, open2] = [doors.close('one'), doors.close('two')];
    for (const word of ['one', 'two', 'three']) client.emit('word', word);
    await Promise.all([doors.arrived('one'), doors.arrived('two')]);
    client.disconnect();
    await gone.promise;
    open2();
    await untilSeen(seen, 'three');
    expect(seen).toEqual(['two', 'three']);
    open1();
    await untilSeen(seen, 'completed');
    expect(seen).toEqual(['two', 'three', 'one', 'completed']);
  });
});

describe('acknowledgements', () => {
  it('are answered with nothing as the message comes in, and not before', async () => {
    const { url, doors, seen } = await startDoors();
    const client = await connect(url);
    const open = doors.close('word');
    const answers: unknown[][] = [];
    client.emit('word', 'word', (...answer: unknown[]) => answers.push(answer));
    await doors.arrived('word');
    expect([seen, answers]).toEqual([[], []]);
    open();
    await client.emitWithAck('word', 'next');
    expect(answers).toEqual([[]]);
  });

  it('are left to the method with ack: manual, for one answer each', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('ask', { ack: 'manual' })
      questions(@MessageStream() question$: Observable<Incoming<string>>): void {
        question$.subscribe(({ client, data, ack }) => {
          if (data === 'nothing') return;
          if (data === 'none') ack();
          ack(data, client.id);
          ack('again');
        });
      }

      @SubscribeStream('ask all', { ack: 'manual', scope: 'gateway' })
      all(@MessageStream() question$: Observable<Incoming<string>>): void {
        question$.pipe(delay(1)).subscribe(({ data, ack }) => ack(`late ${data}`));
      }

      @SubscribeStream('tell', { scope: 'gateway' })
      tell(@MessageStream() question$: Observable<Incoming<string>>): void {
        question$.subscribe(({ ack }) => ack('not this'));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const answers: unknown[][] = [];
    for (const data of ['nothing', 'none', 'one'])
      client.emit('ask', data, (...answer: unknown[]) => answers.push(answer));
    client.emit('ask', 'without');
    expect(await client.emitWithAck('ask all', 'one')).toBe('late one');
    expect(await client.emitWithAck('tell', 'one')).toBeUndefined();
    expect(answers).toEqual([[], ['one', client.id]]);
  });

  it('with ack: manual are answered with the error, if the message is refused', async () => {
    const { url, doors, seen } = await startDoors({ ack: 'manual' });
    const client = await connect(url);
    doors.close('refused')(false);
    expect(await client.emitWithAck('word', 'refused')).toMatchObject({ message: 'Forbidden resource' });
    expect(seen).toEqual([]);
  });

  it('of an error that filters did not take away are given once', async () => {
    const exceptions: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('word', { onError: 'complete' })
      words(@MessageStream() word$: Observable<string>): Observable<never> {
        return word$.pipe(
          switchMap(() => {
            throw new WsException('in the operators');
          }),
        );
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    client.on('exception', (error: unknown) => exceptions.push(error));
    expect(await client.emitWithAck('word', 'x')).toEqual({ status: 'error', message: 'in the operators' });
    expect(await client.emitWithAck('word', 'y')).toMatchObject({ code: 'stream_ended' });
    expect(exceptions).toEqual([]);
  });
});

describe('concurrency', () => {
  it.each([1, 2, 5])('lets %i messages of a client pass at a time, and no more', async (concurrency) => {
    let [running, most] = [0, 0];
    const perClient = new Map<string, number>();
    const seen: unknown[] = [];
    @WebSocketGateway()
    class Gateway {
      @UseGuards({
        canActivate: async (context: ExecutionContext) => {
          const { id } = context.switchToWs().getClient<Socket>();
          running++;
          perClient.set(id, (perClient.get(id) ?? 0) + 1);
          most = Math.max(most, perClient.get(id)!);
          await pause();
          perClient.set(id, perClient.get(id)! - 1);
          running--;
          return true;
        },
      })
      @SubscribeStream('word', { concurrency })
      words(@MessageStream() word$: Observable<unknown>): void {
        word$.subscribe((word) => seen.push(word));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const clients = [await connect(url), await connect(url)];
    const numbers = Array.from({ length: 40 }, (_, index) => index);
    await Promise.all(clients.flatMap((client) => numbers.map((number) => client.emitWithAck('word', number))));
    expect([most, running]).toEqual([concurrency, 0]);
    expect(seen.toSorted()).toEqual([...numbers, ...numbers].toSorted());
  });

  it('lets a later message overtake one that is stuck, and no stream wait for another', async () => {
    const { url, doors, seen } = await startDoors({ concurrency: 2 });
    const client = await connect(url);
    const open = doors.close('stuck');
    client.emit('word', 'stuck');
    await doors.arrived('stuck');
    await client.emitWithAck('word', 'next');
    await client.emitWithAck('all', 'next');
    await client.emitWithAck('free', 'next');
    expect(seen).toEqual(['next', 'all next', 'free next']);
    open();
    await client.emitWithAck('word', 'last');
    expect(seen.slice(3)).toEqual(['stuck', 'last']);
  });
});
