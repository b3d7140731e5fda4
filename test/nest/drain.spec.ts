import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Catch, UseFilters, type INestApplication, type Type } from '@nestjs/common';
import { Ack, ConnectedSocket, MessageBody, SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { MessageStream, NestwireModule, SubscribeStream, type NestwireOptions, type Socket } from 'nestwire';
import { concat, mergeMap, of, Subject, throwError, type Observable } from 'rxjs';
import { ask } from '../support/wire-http.js';
import { afterCase, cleanUp, client as makeClient, connect, next, startApp, type RunningApp } from './support.js';

// clients leave at a random moment: here, soon
beforeEach(() => void jest.spyOn(Math, 'random').mockReturnValue(0.005));
afterEach(async () => {
  jest.restoreAllMocks();
  await cleanUp();
});

/** Answers when it is told to. */
function makeGateway(): { Gateway: Type; begun: Subject<string>; finish: Subject<void>; left: string[] } {
  const begun = new Subject<string>();
  const finish = new Subject<void>();
  const left: string[] = [];
  const finished = (): Promise<void> => new Promise((resolve) => finish.subscribe(() => resolve()));

  @WebSocketGateway()
  class Gateway {
    @SubscribeMessage('slow')
    async slow(@MessageBody() data: string): Promise<string> {
      const done = finished();
      begun.next(data);
      await done;
      return `${data} is done`;
    }

    @SubscribeMessage('live')
    live(@MessageBody() data: string): Observable<string> {
      const answers = new Subject<string>();
      finish.subscribe(() => answers.next(`${data} is done`));
      setImmediate(() => begun.next(data));
      return answers;
    }

    @SubscribeMessage('by hand')
    async byHand(@MessageBody() data: string, @Ack() ack: (answer: string) => void): Promise<void> {
      const done = finished();
      begun.next(data);
      await done;
      ack(`${data} is done`);
    }

    @SubscribeStream('streamed', { concurrency: 2 })
    streamed(@MessageStream() message$: Observable<unknown>): void {
      message$.subscribe();
    }

    handleDisconnect(@ConnectedSocket() client: Socket): void {
      left.push(client.id);
    }
  }
  return { Gateway, begun, finish, left };
}

const first = <T>(source$: Observable<T>): Promise<T> =>
  new Promise((resolve) => {
    const subscription = source$.subscribe((value) => {
      resolve(value);
      setImmediate(() => subscription.unsubscribe());
    });
  });

function start(gateway: Type, options: NestwireOptions): Promise<RunningApp> {
  return startApp({ imports: [NestwireModule.forRoot(options)], providers: [gateway] });
}

/** Closes an application, which the end of the case waits for. */
function close(app: INestApplication): Promise<void> {
  const closed = app.close();
  afterCase(() => closed);
  return closed;
}

describe('an application with drain', () => {
  it.each(['slow', 'live', 'by hand'])(
    'lets what a client has sent (%s) be answered before its connection closes',
    async (event) => {
      const { Gateway, begun, finish } = makeGateway();
      const { app, url } = await start(Gateway, { drain: 20_000 });
      const socket = await connect(url);
      const disconnected = next(socket, 'disconnect');
      const begins = first(begun);
      const answer = socket.emitWithAck(event, 'work');
      await begins;
      const closed = close(app);
      // an idle one goes first, so the drain is on
      const refused = await ask(`${url}/socket.io/?EIO=4&transport=polling`);
      expect(refused.status).toBe(503);
      expect(socket.connected).toBe(true);
      finish.next();
      expect(await answer).toBe('work is done');
      expect(await disconnected).toEqual(['transport close', expect.anything()]);
      await closed;
    },
  );

  it('has clients connect again, and not stay away', async () => {
    const { Gateway, left } = makeGateway();
    const { app, url } = await start(Gateway, { drain: 20_000 });
    const socket = makeClient(url, { reconnection: true });
    const connected = next(socket, 'connect');
    socket.connect();
    await connected;
    const { id } = socket;
    const disconnected = next(socket, 'disconnect');
    await close(app);
    expect((await disconnected)[0]).toBe('transport close');
    // stock clients do not after "io server disconnect"
    expect(socket.active).toBe(true);
    expect(left).toEqual([id]);
  });

  it('does not wait longer than it says', async () => {
    const { Gateway, begun, finish, left } = makeGateway();
    const { app, url } = await start(Gateway, { drain: 300 });
    const socket = await connect(url);
    const begins = first(begun);
    socket.emit('slow', 'work that never ends');
    await begins;
    await close(app);
    expect(left).toHaveLength(1);
    finish.next();
  });

  it('counts handlers that fail as done', async () => {
    @WebSocketGateway()
    class Failing {
      @SubscribeMessage('fail')
      fail(): never {
        throw new Error('no');
      }

      @SubscribeMessage('reject')
      async reject(): Promise<never> {
        throw new Error('no');
      }
    }
    const { app, url } = await start(Failing, { drain: 60_000 });
    const socket = await connect(url);
    for (const event of ['fail', 'reject']) expect(await socket.emitWithAck(event)).toMatchObject({ status: 'error' });
    await close(app);
  });

  it('counts what ends with an error as done: filters that throw, Observables and streams', async () => {
    @Catch()
    class Throwing {
      catch(): never {
        throw new Error('a filter that fails');
      }
    }

    @WebSocketGateway()
    class Failing {
      @UseFilters(new Throwing())
      @SubscribeMessage('filtered')
      filtered(): never {
        throw new Error('no');
      }

      @UseFilters(new Throwing())
      @SubscribeMessage('filtered later')
      async filteredLater(): Promise<never> {
        throw new Error('no');
      }

      @SubscribeMessage('observable')
      observable(): Observable<string> {
        return throwError(() => new Error('no'));
      }

      @UseFilters(new Throwing())
      @SubscribeMessage('observable filtered')
      observableFiltered(): Observable<string> {
        return throwError(() => new Error('no'));
      }

      @SubscribeMessage('some, then an error')
      some(): Observable<string> {
        return concat(
          of('a'),
          throwError(() => new Error('no')),
        );
      }

      @SubscribeStream('stream', { concurrency: 2 })
      stream(@MessageStream() message$: Observable<unknown>): Observable<unknown> {
        return message$.pipe(mergeMap(() => throwError(() => new Error('no'))));
      }

      @SubscribeMessage('last')
      last(): string {
        return 'last';
      }
    }
    const { app, url } = await start(Failing, { drain: 60_000 });
    const socket = await connect(url);
    const events = ['filtered', 'filtered later', 'observable', 'observable filtered', 'some, then an error', 'stream'];
    for (const event of events) socket.emit(event, 'x');
    expect(await socket.emitWithAck('last')).toBe('last');
    await close(app);
  });

  it('waits for a client in whichever namespace it is busy', async () => {
    const { Gateway, begun, finish } = makeGateway();

    @WebSocketGateway({ namespace: 'other' })
    class Other extends Gateway {}
    const { app, url } = await startApp({
      imports: [NestwireModule.forRoot({ drain: 20_000 })],
      providers: [Gateway, Other],
    });
    const socket = await connect(url);
    const other = socket.io.socket('/other');
    other.connect();
    const begins = first(begun);
    const answer = other.emitWithAck('slow', 'work');
    await begins;
    const closed = close(app);
    expect((await ask(`${url}/socket.io/?EIO=4&transport=polling`)).status).toBe(503);
    finish.next();
    expect(await answer).toBe('work is done');
    await closed;
  });

  it('refuses nobody and waits for nobody by default', async () => {
    const { Gateway, begun, finish, left } = makeGateway();
    const { app, url } = await start(Gateway, {});
    const socket = await connect(url);
    const begins = first(begun);
    socket.emit('slow', 'work');
    await begins;
    await close(app);
    expect(left).toHaveLength(1);
    finish.next();
  });

  it.each([-1, Number.NaN, Infinity, '1s'])('does not take %p', async (drain) => {
    const { Gateway } = makeGateway();
    await expect(start(Gateway, { drain: drain as number })).rejects.toThrow('option "drain" must be 0 or more');
  });
});
