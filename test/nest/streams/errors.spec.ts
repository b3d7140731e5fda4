import { afterEach, describe, expect, it } from '@jest/globals';
import {
  BadRequestException,
  Catch,
  UseFilters,
  type ArgumentsHost,
  type ExceptionFilter,
  type Type,
} from '@nestjs/common';
import { ConnectedSocket, WebSocketGateway, WsException } from '@nestjs/websockets';
import { MessageStream, NestwireAdapter, SubscribeStream, type Incoming, type StreamOptions } from 'nestwire';
import { delay, map, mergeMap, of, scan, throwError, type Observable } from 'rxjs';
import type { Socket } from 'socket.io';
import { cleanUp, client as makeClient, collect, connect, deferred, next, startApp } from '../support.js';

afterEach(cleanUp);

const UNKNOWN = { status: 'error', message: 'Internal server error' };

/** Sums up; throws at what is no number, and says what it was called for. */
async function startSum(options: StreamOptions = {}, { errors }: { errors?: 'nest' } = {}) {
  const calls: string[] = [];
  let adapter!: NestwireAdapter;
  const add = (data$: Observable<unknown>): Observable<number> =>
    data$.pipe(
      map((data) => {
        if (data === 'ws') throw new WsException('no number');
        if (data === 'http') throw new BadRequestException(['no number']);
        if (typeof data !== 'number') throw new Error('secret');
        return data;
      }),
      scan((sum, n) => sum + n, 0),
    );
  const Gateway = options.scope === 'gateway' ? makeOfAll() : makeOfClients();
  function makeOfClients(): Type {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('add', options)
      sum(@MessageStream() number$: Observable<unknown>, @ConnectedSocket() client: Socket): Observable<number> {
        calls.push(client.id);
        return add(number$);
      }
    }
    return Gateway;
  }
  function makeOfAll(): Type {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('add', options)
      sum(@MessageStream() number$: Observable<Incoming>): Observable<number> {
        calls.push('gateway');
        return add(number$.pipe(map(({ data }) => data)));
      }
    }
    return Gateway;
  }
  const running = await startApp({
    providers: [Gateway],
    adapter: (app) => (adapter = new NestwireAdapter(app, errors ? { errors } : {})),
  });
  return { ...running, calls, stats: () => adapter.streamStats()[0]! };
}

describe('an error of an operator', () => {
  it('answers the message that caused it, and the stream begins anew', async () => {
    const { url, calls, stats } = await startSum();
    const client = await connect(url);
    const sums = collect(client, 'add');
    await client.emitWithAck('add', 1);
    await client.emitWithAck('add', 2);
    expect(await client.emitWithAck('add', 'ws')).toEqual({ status: 'error', message: 'no number' });
    await client.emitWithAck('add', 5);
    expect(sums).toEqual([1, 3, 5]);
    expect(calls).toEqual([client.id, client.id]);
    expect(stats()).toMatchObject({ active: 1, failed: 1, admitted: 4 });
  });

  it('is an exception event where no answer was asked for, with details of HTTP exceptions', async () => {
    const { url } = await startSum();
    const client = await connect(url);
    const exception = next(client, 'exception');
    client.emit('add', 'http');
    expect(await exception).toMatchObject({ status: 'error', statusCode: 400, message: ['no number'] });
  });

  it('is logged once and not told when it was not meant for clients', async () => {
    const { url, logger } = await startSum();
    const client = await connect(url);
    expect(await client.emitWithAck('add', 'x')).toEqual(UNKNOWN);
    expect(logger.errorTexts()).toEqual(['secret']);
  });

  it('says what Nest says with errors: nest', async () => {
    const { url } = await startSum({}, { errors: 'nest' });
    const client = await connect(url);
    const exception = next(client, 'exception');
    client.emit('add', 'ws');
    expect(await exception).toEqual({ status: 'error', message: 'no number', cause: { pattern: 'add', data: 'ws' } });
  });

  it('leaves the streams of other clients alone', async () => {
    const { url, calls } = await startSum();
    const [a, b] = [await connect(url), await connect(url)];
    const sums = collect(b, 'add');
    await b.emitWithAck('add', 1);
    await a.emitWithAck('add', 'ws');
    await b.emitWithAck('add', 1);
    expect(sums).toEqual([1, 2]);
    expect(calls.filter((id) => id === b.id)).toHaveLength(1);
  });

  it('that comes later goes to its client, without a message', async () => {
    const seen = deferred<unknown[]>();
    @Catch()
    class Filter implements ExceptionFilter {
      catch(exception: Error, host: ArgumentsHost): void {
        seen.resolve([exception.message, ...host.getArgs<unknown[]>().slice(1)]);
      }
    }
    @WebSocketGateway()
    @UseFilters(Filter)
    class Gateway {
      @SubscribeStream('add')
      sum(@MessageStream() number$: Observable<unknown>): Observable<never> {
        return number$.pipe(
          delay(1),
          mergeMap(() => throwError(() => new Error('late'))),
        );
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('add', 1)).toBeUndefined();
    expect(await seen.promise).toEqual(['late', undefined, undefined, 'add']);
  });

  it.each(['above', 'below'])('goes to a filter %s the decorator, with the message as it was sent', async (place) => {
    const seen: unknown[] = [];
    @Catch(WsException)
    class Filter implements ExceptionFilter {
      catch(exception: WsException, host: ArgumentsHost): void {
        seen.push(exception.message, host.getType(), host.switchToWs().getData(), host.switchToWs().getPattern());
        (host.getArgByIndex(2) as (answer: unknown) => void)('mine');
      }
    }
    const nothing = (): void => {};
    @WebSocketGateway()
    class Gateway {
      @(place === 'above' ? UseFilters(Filter) : nothing)
      @SubscribeStream('add')
      @(place === 'below' ? UseFilters(Filter) : nothing)
      sum(@MessageStream() number$: Observable<unknown>): Observable<never> {
        return number$.pipe(mergeMap(() => throwError(() => new WsException('no'))));
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('add', { a: 1 })).toBe('mine');
    expect(seen).toEqual(['no', 'ws', { a: 1 }, 'add']);
  });

  it('survives a filter that throws', async () => {
    @Catch()
    class Filter implements ExceptionFilter {
      catch(): void {
        throw new Error('filter');
      }
    }
    @WebSocketGateway()
    @UseFilters(Filter)
    class Gateway {
      @SubscribeStream('add')
      sum(@MessageStream() number$: Observable<unknown>): Observable<unknown> {
        return number$.pipe(map((n) => (n === 0 ? fail() : n)));
      }
    }
    const { url, logger } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const sums = collect(client, 'add');
    client.emit('add', 0);
    await client.emitWithAck('add', 7);
    expect(sums).toEqual([7]);
    expect(logger.errorTexts()).toEqual(['filter']);
  });

  it('is one when what is sent cannot be sent', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('add')
      sum(@MessageStream() number$: Observable<unknown>): Observable<unknown> {
        return number$.pipe(map((n) => (n === 0 ? { event: 'disconnect', data: 1 } : n)));
      }
    }
    const { url, logger } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const sums = collect(client, 'add');
    expect(await client.emitWithAck('add', 0)).toEqual(UNKNOWN);
    await client.emitWithAck('add', 7);
    expect(sums).toEqual([7]);
    expect(logger.errorTexts()).toEqual(['"disconnect" is a reserved event name']);
  });
});

function fail(): never {
  throw new Error('operator');
}

describe('a stream that fails again and again', () => {
  it('is not called for ever: after a number of errors its client is disconnected', async () => {
    let calls = 0;
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('add', { restart: { limit: 3, delay: 1 } })
      sum(@MessageStream() _number$: Observable<unknown>): Observable<never> {
        calls++;
        throw new WsException('never');
      }
    }
    const { url, logger } = await startApp({ providers: [Gateway] });
    const client = makeClient(url);
    const exceptions = collect(client, 'exception');
    client.connect();
    expect(await next(client, 'disconnect')).toEqual(['transport close', expect.anything()]);
    expect(calls).toBe(4);
    expect(exceptions).toHaveLength(4);
    expect(logger.warnings.join()).toContain('Gateway.sum() has failed for client');
  });

  it('waits longer each time, and what comes meanwhile is held', async () => {
    const calls: number[] = [];
    let broken = true;
    const began = performance.now();
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('add', { restart: { delay: 20 } })
      sum(@MessageStream() number$: Observable<unknown>): Observable<unknown> {
        calls.push(performance.now() - began);
        if (broken) throw new WsException('not yet');
        return number$;
      }
    }
    const { url } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    const sums = collect(client, 'add');
    await client.emitWithAck('add', 1);
    await client.emitWithAck('add', 2);
    broken = false;
    await next(client, 'add');
    await client.emitWithAck('add', 3);
    expect(sums).toEqual([1, 2, 3]);
    // at once, then the first again, then after a pause
    expect(calls.length).toBeGreaterThanOrEqual(3);
    expect(calls[2]! - calls[1]!).toBeGreaterThan(15);
  });

  it('is forgiven what is long past', async () => {
    const { url, stats } = await startSum({ restart: { limit: 1, window: 1 } });
    const client = await connect(url);
    for (let i = 0; i < 5; i++) {
      // oxlint-disable-next-line no-await-in-loop
      await client.emitWithAck('add', 'ws');
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(client.connected).toBe(true);
    expect(stats().failed).toBe(5);
  });
});

describe('a policy', () => {
  it('complete: the stream is over, and says so to those who still send', async () => {
    const { url, stats } = await startSum({ onError: 'complete' });
    const client = await connect(url);
    await client.emitWithAck('add', 'ws');
    expect(await client.emitWithAck('add', 1)).toMatchObject({ status: 'error', code: 'stream_ended' });
    expect(client.connected).toBe(true);
    expect(stats()).toMatchObject({ active: 0, failed: 1 });
  });

  it('disconnect: the client goes, after it was told', async () => {
    const { url } = await startSum({ onError: 'disconnect' });
    const client = await connect(url);
    const disconnected = next(client, 'disconnect');
    expect(await client.emitWithAck('add', 'ws')).toEqual({ status: 'error', message: 'no number' });
    expect(await disconnected).toEqual(['transport close', expect.anything()]);
  });

  it('restart in gateway scope: all begin anew, and the sender is told', async () => {
    const { url, calls } = await startSum({ scope: 'gateway' });
    const [a, b] = [await connect(url), await connect(url)];
    const sums = collect(b, 'add');
    await a.emitWithAck('add', 1);
    expect(await a.emitWithAck('add', 'ws')).toEqual({ status: 'error', message: 'no number' });
    await a.emitWithAck('add', 5);
    await b.emitWithAck('add', 5);
    expect(sums).toEqual([1, 5, 10]);
    expect(calls).toEqual(['gateway', 'gateway']);
  });

  it('restart in gateway scope ends the stream when it fails too often, and disconnects nobody', async () => {
    const { url, logger, stats } = await startSum({ scope: 'gateway', restart: { limit: 1 } });
    const client = await connect(url);
    await client.emitWithAck('add', 'ws');
    await client.emitWithAck('add', 'ws');
    expect(await client.emitWithAck('add', 1)).toMatchObject({ code: 'stream_ended' });
    expect(client.connected).toBe(true);
    expect(logger.errorTexts()).toEqual(['Gateway.sum() has ended: it failed too often']);
    expect(stats().active).toBe(0);
  });

  it('a late error in gateway scope, whose message nobody knows, is logged', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('add', { scope: 'gateway', onError: 'complete' })
      sum(@MessageStream() number$: Observable<Incoming>): Observable<never> {
        return number$.pipe(
          delay(1),
          mergeMap(() => throwError(() => new Error('late'))),
        );
      }
    }
    const { url, logger } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    await client.emitWithAck('add', 1);
    while (logger.errors.length < 2) {
      // oxlint-disable-next-line no-await-in-loop
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(logger.errorTexts()).toEqual(['late', 'Gateway.sum() has ended: it failed once']);
  });
});

describe('what a method returns', () => {
  it('must be an Observable, a promise of one, or nothing', async () => {
    @WebSocketGateway()
    class Gateway {
      @SubscribeStream('add', { onError: 'complete' })
      sum(@MessageStream() _number$: Observable<unknown>): Observable<unknown> {
        return [of(1)] as never;
      }
    }
    const { url, logger } = await startApp({ providers: [Gateway] });
    const client = await connect(url);
    expect(await client.emitWithAck('add', 1)).toMatchObject({ code: 'stream_ended' });
    expect(logger.errorTexts()).toEqual(['Gateway.sum() must return an Observable, a Promise of one, or nothing']);
  });
});
