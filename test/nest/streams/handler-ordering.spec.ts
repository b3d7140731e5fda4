/** `ordering: 'client'`: the ordinary handlers of a client run one after the other. */
import { afterEach, describe, expect, it } from '@jest/globals';
import { UseInterceptors, type CallHandler, type ExecutionContext } from '@nestjs/common';
import { Ack, MessageBody, SubscribeMessage, WebSocketGateway, WsException, type WsResponse } from '@nestjs/websockets';
import { MessageStream, NestwireAdapter, SubscribeStream, type NestwireOptions } from 'nestwire';
import { concat, defer, finalize, map, NEVER, timer, type Observable } from 'rxjs';
import { until } from '../../client/support.js';
import { cleanUp, collect, connect, deferred, nestwire, next, startApp } from '../support.js';

afterEach(cleanUp);

/** Milliseconds that nothing here takes, however busy the machine is. */
const PATIENCE = 600_000;

/** Handlers of all kinds that take as long as a message says, and write down when they begin. */
function makeGateway() {
  const begun: unknown[] = [];
  const doors = new Map<string, ReturnType<typeof deferred<void>>>();
  const door = (name: string): Promise<void> => {
    begun.push(name);
    if (!doors.has(name)) doors.set(name, deferred());
    return doors.get(name)!.promise;
  };
  const gone = deferred();
  @WebSocketGateway()
  class Gateway {
    handleDisconnect(): void {
      gone.resolve();
    }

    @SubscribeMessage('now')
    now(@MessageBody() name: string): string {
      begun.push(name);
      return name;
    }

    @SubscribeMessage('async')
    async async(@MessageBody() name: string): Promise<string> {
      await door(name);
      return name;
    }

    @SubscribeMessage('fail')
    async fail(@MessageBody() name: string): Promise<string> {
      await door(name);
      throw new WsException(`failed ${name}`);
    }

    @SubscribeMessage('by hand')
    async byHand(@MessageBody() name: string, @Ack() ack: (answer: string) => void): Promise<void> {
      await door(name);
      ack(name);
    }

    @SubscribeMessage('observable')
    observable(@MessageBody() name: string): Observable<WsResponse<string>> {
      return concat(
        defer(() => door(name)).pipe(map(() => ({ event: 'first', data: name }))),
        timer(20).pipe(map(() => ({ event: 'second', data: name }))),
      );
    }

    @SubscribeMessage('empty')
    empty(@MessageBody() name: string): Observable<never> {
      return defer(async () => {
        await door(name);
        return undefined as never;
      });
    }

    @UseInterceptors({
      intercept: async (context: ExecutionContext, next: CallHandler) => {
        await door(context.switchToWs().getData<string>());
        return next.handle().pipe(map((value: string) => `intercepted ${value}`));
      },
    })
    @SubscribeMessage('intercepted')
    intercepted(@MessageBody() name: string): string {
      return name;
    }

    @SubscribeMessage('endless')
    endless(@MessageBody() name: string): Observable<never> {
      begun.push(name);
      return NEVER.pipe(finalize(() => begun.push(`${name} is over`)));
    }

    @SubscribeStream('word')
    words(@MessageStream() word$: Observable<string>): void {
      word$.subscribe({ next: (word) => begun.push(`stream ${word}`), complete: () => begun.push('stream completed') });
    }
  }
  const open = (name: string): void => {
    if (!doors.has(name)) doors.set(name, deferred());
    doors.get(name)!.resolve();
  };
  return { Gateway, begun, open, gone };
}

async function startOrdered(options: NestwireOptions = { ordering: 'client', streams: { timeout: PATIENCE } }) {
  const { Gateway, ...rest } = makeGateway();
  const running = await startApp({ providers: [Gateway], adapter: nestwire(options) });
  return { ...running, ...rest, client: await connect(running.url) };
}

const begins = (begun: readonly unknown[], what: string): Promise<void> =>
  until(() => begun.includes(what), `${what} begins`);

describe('handlers without an order', () => {
  it('begin when their message arrives, as in Nest', async () => {
    const { client, begun, open } = await startOrdered({});
    const slow = client.emitWithAck('async', 'slow');
    expect(await client.emitWithAck('now', 'fast')).toBe('fast');
    expect(begun).toEqual(['slow', 'fast']);
    open('slow');
    expect(await slow).toBe('slow');
  });

  it('do not wait for the streams of their client, nor these for them', async () => {
    const { client, begun, open } = await startOrdered({});
    client.emit('async', 'slow');
    await client.emitWithAck('word', 'x');
    expect(begun).toEqual(['slow', 'stream x']);
    open('slow');
  });
});

describe('handlers in order', () => {
  it.each([
    ['async', 'async'],
    ['fail', 'failed'],
    ['by hand', 'by hand'],
    ['observable', 'Observable'],
    ['empty', 'Observable without a value'],
    ['intercepted', 'intercepted'],
  ])('begin when the one before is done: %s', async (event) => {
    const { client, url, begun, open } = await startOrdered();
    const answers: string[] = [];
    const first = collect(client, 'first');
    client.on('exception', () => answers.push('slow'));
    client.emit(event, 'slow', () => answers.push('slow'));
    const fast = client.emitWithAck('now', 'fast').then(() => answers.push('fast'));
    await begins(begun, 'slow');
    // time enough for what arrived with it
    await connect(url);
    expect(begun).toEqual(['slow']);
    open('slow');
    await fast;
    expect(begun).toEqual(['slow', 'fast']);
    if (event === 'observable') expect(first).toEqual(['slow']);
    // an Observable that names an event, or has no value, answers nothing
    expect(answers).toEqual(event === 'observable' || event === 'empty' ? ['fast'] : ['slow', 'fast']);
  });

  it('keep it for very many messages, of all kinds', async () => {
    const { client, begun, open } = await startOrdered();
    const events = ['now', 'async', 'fail', 'by hand', 'observable', 'empty', 'intercepted', 'word'];
    const names = Array.from({ length: 200 }, (_, index) => `${index}`);
    for (const name of names) {
      open(name);
      client.emit(events[Number(name) % events.length]!, name, () => {});
    }
    await client.emitWithAck('now', 'last');
    expect(begun).toEqual([...names.map((name) => (Number(name) % 8 === 7 ? `stream ${name}` : name)), 'last']);
  });

  it('hold no other client up', async () => {
    const { client, url, begun, open } = await startOrdered();
    client.emit('async', 'slow');
    await begins(begun, 'slow');
    const other = await connect(url);
    expect(await other.emitWithAck('now', 'of another')).toBe('of another');
    open('slow');
  });

  it('wait for streams of their client, and these for them', async () => {
    const { client, begun, open } = await startOrdered();
    client.emit('async', 'slow');
    client.emit('word', 'a');
    client.emit('now', 'b');
    await begins(begun, 'slow');
    expect(begun).toEqual(['slow']);
    open('slow');
    await client.emitWithAck('word', 'c');
    expect(begun).toEqual(['slow', 'stream a', 'b', 'stream c']);
  });

  it('send what an Observable emits after its first value, while the next ones run', async () => {
    const { client, begun, open } = await startOrdered();
    open('x');
    const second = next(client, 'second');
    client.emit('observable', 'x');
    await client.emitWithAck('now', 'y');
    expect(begun).toEqual(['x', 'y']);
    expect(await second).toBe('x');
  });

  it('do not wait for ever: one that never settles goes on, and the next begins', async () => {
    const { client, begun, open } = await startOrdered({ ordering: 'client', streams: { timeout: 50 } });
    const exceptions = collect(client, 'exception');
    const late = client.emitWithAck('async', 'stuck');
    client.emit('endless', 'endless');
    await client.emitWithAck('word', 'x');
    expect(begun).toEqual(['stuck', 'endless', 'stream x']);
    open('stuck');
    expect(await late).toBe('stuck');
    expect(exceptions).toEqual([]);
  });

  it('are refused when too many wait: each that asked for an answer, of the others the first in a row', async () => {
    const full = { status: 'error', code: 'queue_full', message: 'too many messages at a time' };
    const { client, begun, open } = await startOrdered();
    const exceptions = collect(client, 'exception');
    client.emit('async', 'slow');
    await begins(begun, 'slow');
    for (let number = 0; number < 3000; number++) client.emit('now', number);
    expect(await client.emitWithAck('now', 3000)).toEqual(full);
    expect(exceptions).toEqual([full]);
    open('slow');
    await until(() => begun.length === 1001, 'all that waited have begun');
    expect(await client.emitWithAck('now', 'next')).toBe('next');
    expect(begun).toEqual(['slow', ...Array.from({ length: 1000 }, (_, index) => index), 'next']);
  });

  it('all begin in a burst, however many, where each is done at once', async () => {
    const { client, begun } = await startOrdered();
    for (let number = 0; number < 3000; number++) client.emit('now', number);
    await client.emitWithAck('now', 3000);
    expect(begun).toEqual(Array.from({ length: 3001 }, (_, index) => index));
  });

  it('begin also when their client has gone since, and its stream completes after them', async () => {
    const { client, begun, open, gone } = await startOrdered();
    client.emit('async', 'slow');
    client.emit('observable', 'not begun');
    client.emit('now', 'a');
    client.emit('word', 'b');
    await begins(begun, 'slow');
    client.disconnect();
    await gone.promise;
    expect(begun).toEqual(['slow']);
    open('slow');
    await begins(begun, 'stream completed');
    // nobody is there to have what an Observable emits
    expect(begun).toEqual(['slow', 'a', 'stream b', 'stream completed']);
  });

  it('end with their client, where they are an Observable without a value, and hold its stream up no more', async () => {
    const { client, begun, gone } = await startOrdered();
    client.emit('endless', 'endless');
    client.emit('word', 'a');
    await begins(begun, 'endless');
    client.disconnect();
    await gone.promise;
    await begins(begun, 'stream completed');
    expect(begun).toEqual(['endless', 'endless is over', 'stream a', 'stream completed']);
  });

  it('keep their order in an adapter that transforms results', async () => {
    class ShoutingAdapter extends NestwireAdapter {
      override bindMessageHandlers(
        ...[socket, handlers, transform]: Parameters<NestwireAdapter['bindMessageHandlers']>
      ) {
        super.bindMessageHandlers(socket, handlers, (result) =>
          transform(result).pipe(map((value: unknown) => (typeof value === 'string' ? `${value}!` : value))),
        );
      }
    }
    const { Gateway, begun, open } = makeGateway();
    const { url } = await startApp({
      providers: [Gateway],
      adapter: (app) => new ShoutingAdapter(app, { ordering: 'client' }),
    });
    const client = await connect(url);
    const slow = client.emitWithAck('async', 'slow');
    const fast = client.emitWithAck('now', 'fast');
    client.emit('word', 'x');
    await begins(begun, 'slow');
    open('slow');
    expect(await Promise.all([slow, fast])).toEqual(['slow!', 'fast!']);
    await client.emitWithAck('word', 'y');
    expect(begun).toEqual(['slow', 'fast', 'stream x', 'stream y']);
  });

  it('are one order for all gateways of a namespace, and one for each namespace', async () => {
    const begun: unknown[] = [];
    const open = deferred();
    const make = (namespace: string, event: string, wait?: Promise<void>): new () => object => {
      @WebSocketGateway({ namespace })
      class Gateway {
        @SubscribeMessage(event)
        async handle(@MessageBody() data: unknown): Promise<unknown> {
          begun.push(`${namespace} ${event}`);
          await wait;
          return data;
        }
      }
      return Gateway;
    };
    const { url } = await startApp({
      providers: [make('a', 'slow', open.promise), make('a', 'fast'), make('b', 'fast')],
      adapter: nestwire({ ordering: 'client' }),
    });
    const [a, b] = [await connect(`${url}/a`), await connect(`${url}/b`)];
    const slow = a.emitWithAck('slow', 1);
    const fast = a.emitWithAck('fast', 2);
    await begins(begun, 'a slow');
    await b.emitWithAck('fast', 3);
    expect(begun).toEqual(['a slow', 'b fast']);
    open.resolve();
    await Promise.all([slow, fast]);
    expect(begun).toEqual(['a slow', 'b fast', 'a fast']);
  });
});
